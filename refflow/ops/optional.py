"""Optionals: a tuple of tensors, or none [W43].

    OptionalFromValue    one that has a value;  OptionalNone    one that has none
    OptionalHasValue     which of both it is;   OptionalGetValue    the tensors, or an error

Today's branches hand them to their gradients: what the branch that was not taken would have kept is a none.

Next: ops/tensor_map.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import DType, as_dtype
from refflow.core.handles import handle_to
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.variants import sum_of, zero_of

_TYPES = Attr("list(type)", minimum=1)


class Optional:
    """Tensors with their types, or None."""

    def __init__(self, values: list[np.ndarray] | None, types: list[DType]):
        self.values, self.types = values, types

    def zeros_like(self) -> Optional:
        return self if self.values is None else Optional([zero_of(v) for v in self.values], self.types)

    def __add__(self, other: Optional) -> Optional:
        if (self.values is None) != (other.values is None):
            raise ValueError("Cannot add optionals because one has a value and the other doesn't.")
        if self.values is None or other.values is None:
            return self
        if len(self.values) != len(other.values):
            raise ValueError(
                f"Cannot add optionals because they have different numbers of components: "
                f"{len(self.values)} vs. {len(other.values)}."
            )
        pairs = zip(self.values, other.values, strict=True)
        return Optional([sum_of([a, b]) if a.dtype == object else a + b for a, b in pairs], self.types)


def optional_of(handle: Any) -> Optional:
    found = handle.item() if np.size(handle) == 1 else None
    if not isinstance(found, Optional):
        raise ValueError(f"Input to OptionalHasValue must be an optional, got {type(found).__name__}")
    return found


FROM_VALUE = define_op("OptionalFromValue", "components: Toutput_types -> optional: variant[]", Toutput_types=_TYPES,
                       source=("W43",))  # fmt: skip
NONE = define_op("OptionalNone", "-> optional: variant[]", source=("W43",))
HAS_VALUE = define_op("OptionalHasValue", "optional: variant[] -> has_value: bool[]", source=("W43",))
GET_VALUE = define_op("OptionalGetValue", "optional: variant[] -> components: output_types", output_types=_TYPES,
                      output_shapes=Attr("list(shape)", minimum=1), source=("W43",))  # fmt: skip


@FROM_VALUE.kernel
def from_value_kernel(components, Toutput_types):
    return handle_to(Optional([np.array(c, copy=True) for c in components], Toutput_types))


@NONE.kernel
def none_kernel():
    return handle_to(Optional(None, []))


@HAS_VALUE.kernel
def has_value_kernel(optional):
    return np.array(optional_of(optional).values is not None)


@GET_VALUE.kernel
def get_value_kernel(optional, output_types, output_shapes):
    found = optional_of(optional)
    if found.values is None:
        raise ValueError("The given optional does not have a value.")
    if len(found.values) != len(output_types):
        raise ValueError(f"The given optional has {len(found.values)} components, expected {len(output_types)}.")
    for i, (value, dtype, shape) in enumerate(zip(found.values, output_types, output_shapes, strict=True)):
        if found.types[i] is not dtype:
            raise ValueError(
                f"The given optional does not match the expected type for component {i}. Expected: {dtype.name}. "
                f"Actual: {as_dtype(found.types[i]).name}."
            )
        if not shapes.compatible(shape.as_tuple, value.shape):
            raise ValueError(
                f"The given optional does not match the expected shape for component {i}. Expected: "
                f"{shapes.text(shape.as_tuple)}. Actual: {shapes.text(value.shape)}."
            )
    return list(found.values)


@GET_VALUE.shape
def _get_value_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [s.as_tuple for s in context.attrs["output_shapes"]]


@FROM_VALUE.gradient
def _from_value_gradient(op, doptional):
    return GET_VALUE(doptional, output_types=[t.dtype for t in op.inputs],
                     output_shapes=[t.get_shape() for t in op.inputs])  # fmt: skip


@GET_VALUE.gradient
def _get_value_gradient(op, *dcomponents):
    return FROM_VALUE(list(dcomponents))


for _op in (NONE, HAS_VALUE):
    _op.no_gradient_registered()
for _op in (FROM_VALUE, GET_VALUE):
    _op.moves_bits = True
