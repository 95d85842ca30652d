"""What padded_batch is told, checked and filled in: a shape and a filler for each component.

Next: compat/v1/data/transformations.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.compat.v1.data import elements
from refflow.compat.v1.data.nodes import DatasetSpec
from refflow.compat.v1.type_specs import TensorSpec, shown
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import string
from refflow.core.shapes import TensorShape
from refflow.core.tensor import Tensor


def padded(spec: Any, padded_shapes: Any, padding_values: Any) -> tuple[list[Tensor], list[Tensor], list[TensorSpec]]:
    """Shapes, fillers, and the specs of the filled-up elements."""
    leaves = elements.flatten(spec)
    for leaf in leaves:
        if isinstance(leaf, DatasetSpec):
            raise TypeError("`padded_batch` is not supported for datasets of datasets")
        if not isinstance(leaf, TensorSpec):
            raise TypeError(
                "`padded_batch` is only supported for datasets that produce tensor elements but type spec of elements "
                f"in the input dataset is not a subclass of TensorSpec: `{leaf}`."
            )
    if padded_shapes is None:
        padded_shapes = elements.map_structure(lambda s: s.shape, spec)
        for i, leaf in enumerate(leaves):
            if leaf.shape.ndims is None:
                raise ValueError(f"You must provide `padded_shapes` argument because component {i} has unknown rank.")
    given = list(elements.flat_up_to(spec, padded_shapes))
    shapes = [_shape(wanted, leaf.shape) for wanted, leaf in zip(given, leaves, strict=True)]
    fillers = [_filler(value, leaf.dtype) for value, leaf in zip(_values(spec, padding_values), leaves, strict=True)]
    known = [TensorSpec(_static(t), leaf.dtype) for t, leaf in zip(shapes, leaves, strict=True)]
    return shapes, fillers, known


def _values(spec: Any, padding_values: Any) -> list[Any]:
    """One filler for each component: a single one serves all."""
    if padding_values is None or not elements.is_structure(padding_values):
        return [padding_values] * len(elements.flatten(spec))
    return list(elements.flat_up_to(spec, padding_values))


def _shape(wanted: Any, have: TensorShape) -> Tensor:
    tensor = elements.dims_of(wanted)
    static = _static(tensor)
    fits = static.ndims is None or have.ndims is None or (
        static.ndims == have.ndims
        and all(w is None or h is None or w >= h for w, h in zip(static.as_list(), have.as_list(), strict=True))
    )  # fmt: skip
    if not fits:
        raise ValueError(
            f"The padded shape {shown(static)} is not compatible with the shape "
            f"{shown(have)} of the corresponding input component."
        )
    return tensor


def _static(shape: Tensor) -> TensorShape:
    """What is known of a shape that is a tensor."""
    known = constant_value(shape)
    if known is not None:
        return TensorShape([None if d < 0 else int(d) for d in known])
    rank = shape.get_shape().num_elements()
    return TensorShape(None if rank is None else [None] * rank)


def _filler(value: Any, dtype: Any) -> Tensor:
    if value is None:
        value = b"" if dtype is string else np.zeros((), dtype.as_numpy_dtype)
    plain = isinstance(value, (bool, int, float, complex))
    filler = convert_to_tensor(value, dtype if plain else None, "padding_value")
    if not filler.get_shape().is_compatible_with(TensorShape([])):
        raise ValueError(
            f"Invalid `padding_values`. `padding_values` values should be scalars, but got {filler.get_shape()}."
        )
    if filler.dtype.base_dtype is not dtype:
        raise TypeError(
            f"Invalid `padding_values`. `padding_values` values type {filler.dtype!r} does not match type {dtype!r} of "
            "the corresponding input component."
        )
    return filler
