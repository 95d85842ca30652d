"""Datasets of what a Python generator yields.

Each time that the dataset is gone through, a function takes a number for a new iterator over generator(*args); the next
element is what that iterator yields, until it ends. The iterators live in this process, as all Python functions that
nodes call do (ops/py_func.py).

Next: compat/v1/data/dataset.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refflow.compat.v1.data import elements
from refflow.compat.v1.data.functions import ElementFunction
from refflow.compat.v1.data.nodes import made
from refflow.compat.v1.sparse_tensor import SparseTensor
from refflow.compat.v1.type_specs import SparseTensorSpec, TensorSpec, TypeSpec, shown
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import DType, bfloat16, int64, string
from refflow.core.shapes import TensorShape
from refflow.core.values import as_bfloat16
from refflow.ops.py_func import py_func


class _Iterators:
    """Iterators over a generator by number."""

    def __init__(self, generator: Callable[..., Any]):
        self._generator, self._numbers = generator, itertools.count()
        self._open: dict[int, Iterator[Any]] = {}

    def begin(self, *args: Any) -> np.ndarray:
        number = next(self._numbers)
        self._open[number] = iter(self._generator(*args))
        return np.array(number, np.int64)

    def next(self, number: Any) -> Any:
        return next(self._open[int(number)])

    def end(self, number: Any) -> np.ndarray:
        self._open.pop(int(number), None)
        return np.array(0, np.int64)


def from_generator(
    generator: Any, output_types: Any, output_shapes: Any, args: Any, output_signature: Any
) -> Any:
    """See Dataset.from_generator."""
    from refflow.compat.v1.data.dataset import Dataset

    if not callable(generator):
        raise TypeError("`generator` must be a Python callable.")
    spec = _spec(output_types, output_shapes, output_signature)
    given = [convert_to_tensor(a, name=f"args_{i}") for i, a in enumerate(args or ())]
    iterators, number, where = _Iterators(generator), TensorSpec([], int64), "Dataset.from_generator()"

    def once(dummy: Any) -> Any:
        first, each, last = (
            ElementFunction(function, where, [number])
            for function in (
                lambda _: py_func(iterators.begin, given, int64),
                lambda n: _following(iterators, spec, n),
                lambda n: py_func(iterators.end, [n], int64),
            )
        )
        return made(
            "GeneratorDataset", spec, [], [dummy, *first.captured], each.captured, last.captured,
            init_func=first.call, next_func=each.call, finalize_func=last.call,
        )  # fmt: skip

    return Dataset.from_tensors(np.int64(0)).flat_map(once)


def _spec(output_types: Any, output_shapes: Any, output_signature: Any) -> Any:
    if output_signature is None:
        if output_types is None:
            raise TypeError(
                "To specify the output signature you need to provide either the `output_signature` argument or the "
                "`output_types` argument."
            )
        return elements.of_legacy(output_types, output_shapes, None)
    for value, name in ((output_types, "output_types"), (output_shapes, "output_shapes")):
        if value is not None:
            raise TypeError(f"The `{name}` argument can not be used together with the `output_signature` argument.")
    for leaf in elements.flatten(output_signature):
        if not isinstance(leaf, TypeSpec):
            raise TypeError(
                f"`output_signature` must contain objects that are subclass of `tf.TypeSpec` but found {type(leaf)} "
                "which is not."
            )
    return output_signature


def _following(iterators: _Iterators, spec: Any, number: Any) -> Any:
    """The next element, as nodes of a function that has the number of the iterator."""
    leaves = elements.flatten(spec)
    kinds = [k for leaf in leaves for k in _kinds(leaf)]

    def arrays(number: Any) -> list[np.ndarray]:
        yielded = iterators.next(number)
        try:
            elements.assert_alike(spec, yielded)
            found = [part for s, v in zip(leaves, elements.flatten(yielded), strict=True) for part in _split(s, v)]
        except (TypeError, ValueError) as error:
            raise TypeError(
                "`generator` yielded an element that did not match the expected structure. The expected structure was "
                f"{elements.legacy(spec, 1)}, but the yielded element was {yielded}."
            ) from error
        return [_array(value, *kind) for value, kind in zip(found, kinds, strict=True)]

    flat = iter(py_func(arrays, [number], [t for t, _ in kinds]))
    return elements.pack(spec, [_joined(leaf, flat) for leaf in leaves])


def _kinds(leaf: TypeSpec) -> list[tuple[DType, TensorShape]]:
    """The types and shapes of the arrays that are yielded for a leaf."""
    if not isinstance(leaf, SparseTensorSpec):
        return [(leaf.dtype, leaf.shape)]
    rank = leaf.shape.ndims
    return [(int64, TensorShape([None, rank])), (leaf.dtype, TensorShape([None])), (int64, TensorShape([rank]))]


def _split(leaf: TypeSpec, value: Any) -> list[Any]:
    return list(value) if isinstance(leaf, SparseTensorSpec) else [value]


def _joined(leaf: TypeSpec, flat: Iterator[Any]) -> Any:
    parts = [next(flat) for _ in _kinds(leaf)]
    for part, (_, shape) in zip(parts, _kinds(leaf), strict=True):
        part.set_shape(shape)
    return SparseTensor(*parts) if isinstance(leaf, SparseTensorSpec) else parts[0]


def _array(value: Any, dtype: DType, shape: TensorShape) -> np.ndarray:
    """What was yielded, of that type and shape."""
    try:
        if dtype is bfloat16:
            array = as_bfloat16(value)
        else:
            array = _texts(value) if dtype is string else np.asarray(value, dtype.as_numpy_dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(
            "`generator` yielded an element that could not be converted to the expected type. The expected type was "
            f"{dtype.name}, but the yielded element was {value}."
        ) from error
    if not shape.is_compatible_with(TensorShape(array.shape)):
        raise TypeError(
            f"`generator` yielded an element of shape {array.shape} where an element of shape {shown(shape)} was "
            "expected."
        )
    return array


def _texts(value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "SUO":
        raise TypeError(f"{array.dtype} is no text")
    return np.asarray(value, object)
