"""Functions applied along the first axis: map_fn, scan, foldl and foldr, each a While over the rows [W39].

    map_fn(f, [a, b, c])       [f(a), f(b), f(c)]
    foldl(f, [a, b, c])        f(f(a, b), c)                foldr(f, [a, b, c])    f(f(c, b), a)
    scan(f, [a, b, c])         [a, f(a, b), f(f(a, b), c)]

Rows are read from and results written to TensorArrays, through which gradients flow.

Next: ops/tensor_array_class.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import nest
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.ops.array import shape
from refflow.ops.logic import LESS
from refflow.ops.loops import while_loop
from refflow.ops.tensor_array_class import TensorArray


class _Rows:
    """The rows of a structure of tensors that have the same first axis."""

    def __init__(self, elems: Any):
        self.structure = elems
        self.tensors = [convert_to_tensor(e, name="elem") for e in nest.flatten(elems)]
        if not self.tensors:
            raise ValueError("elems must contain at least one tensor")
        if any(t.dims == () for t in self.tensors):
            raise ValueError("elements in elems must be 1+ dimensional Tensors, not scalars")
        self.count = shape(self.tensors[0])[0]
        known = {size for t in self.tensors if t.dims is not None and (size := t.dims[0]) is not None}
        if len(known) > 1:
            raise ShapeError(
                f"elems have to be equally long: Dimensions {' and '.join(map(str, sorted(known)))} are not compatible"
            )
        self.static = next(iter(known), None)
        self.arrays = [TensorArray(t.dtype.base_dtype, self.count).unstack(t) for t in self.tensors]

    def row(self, i: Any) -> Any:
        return nest.pack(self.structure, [a.read(i) for a in self.arrays])

    def stacked(self, arrays: list[TensorArray]) -> list[Tensor]:
        """What was written for each row, on one axis."""
        found = [a.stack() for a in arrays]
        for tensor in found:
            if self.static is not None and tensor.dims is not None:
                tensor.set_shape([self.static, *tensor.dims[1:]])
        return found


def map_fn(
    fn: Callable[[Any], Any],
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
) -> Any:
    """`fn` of each row of `elems`, stacked. dtype: the types of what `fn` gives, where they differ from elems'."""
    if not callable(fn):
        raise TypeError(f"fn must be callable, got {fn!r}")
    with op_scope(nest.flatten(elems), name, "map"):
        rows = _Rows(elems)
        types = [t.dtype.base_dtype for t in rows.tensors] if dtype is None else [
            as_dtype(d) for d in nest.flatten(dtype)]  # fmt: skip
        like = elems if dtype is None else dtype
        arrays = [TensorArray(t, rows.count, infer_shape=infer_shape) for t in types]

        def body(i: Tensor, arrays: list[TensorArray]) -> list[Any]:
            given = fn(rows.row(i))
            nest.assert_same(like, given, "the types given and what fn gives", types=True)
            return [i + 1, [a.write(i, v) for a, v in zip(arrays, nest.flatten(given), strict=True)]]

        done = while_loop(lambda i, _: LESS(i, rows.count), body, [np.int32(0), arrays], None, parallel_iterations,
                          back_prop, swap_memory)[1]  # fmt: skip
        return nest.pack(like, rows.stacked(done))


def _fold(fn: Callable[..., Any], elems: Any, initializer: Any, options: Any, name: str, backwards: bool) -> Any:
    if not callable(fn):
        raise TypeError(f"fn must be callable, got {fn!r}")
    with op_scope(nest.flatten(elems), None, name):
        rows = _Rows(elems)
        last = rows.count - 1
        begin = 0 if initializer is not None else 1
        start = initializer if initializer is not None else rows.row(last if backwards else np.int32(0))
        start = nest.map_structure(convert_to_tensor, start)

        def body(i: Tensor, so_far: Any) -> list[Any]:
            return [i + 1, fn(so_far, rows.row(last - i if backwards else i))]

        return while_loop(lambda i, _: LESS(i, rows.count), body, [np.int32(begin), start], None, *options)[1]


def foldl(
    fn: Callable[..., Any], elems: Any, initializer: Any = None, parallel_iterations: int = 10, back_prop: bool = True,
    swap_memory: bool = False, name: str | None = None,
) -> Any:  # fmt: skip
    """fn(so_far, row) for each row from first to last; begins with `initializer`, or with the first row."""
    return _fold(fn, elems, initializer, (parallel_iterations, back_prop, swap_memory), name or "foldl", False)


def foldr(
    fn: Callable[..., Any], elems: Any, initializer: Any = None, parallel_iterations: int = 10, back_prop: bool = True,
    swap_memory: bool = False, name: str | None = None,
) -> Any:  # fmt: skip
    """fn(so_far, row) for each row from last to first; begins with `initializer`, or with the last row."""
    return _fold(fn, elems, initializer, (parallel_iterations, back_prop, swap_memory), name or "foldr", True)


def scan(
    fn: Callable[..., Any], elems: Any, initializer: Any = None, parallel_iterations: int = 10, back_prop: bool = True,
    swap_memory: bool = False, infer_shape: bool = True, reverse: bool = False, name: str | None = None,
) -> Any:  # fmt: skip
    """All that a foldl goes through, stacked; from the last row to the first where `reverse` is set."""
    if not callable(fn):
        raise TypeError(f"fn must be callable, got {fn!r}")
    with op_scope(nest.flatten(elems), name, "scan"):
        rows = _Rows(elems)
        last = rows.count - 1

        def place(i: Any) -> Any:
            return last - i if reverse else i

        start = initializer if initializer is not None else rows.row(place(np.int32(0)))
        start = nest.map_structure(convert_to_tensor, start)
        leaves = nest.flatten(start)
        arrays = [TensorArray(t.dtype.base_dtype, rows.count, infer_shape=infer_shape) for t in leaves]
        begin = 0
        if initializer is None:
            arrays = [a.write(place(np.int32(0)), t) for a, t in zip(arrays, leaves, strict=True)]
            begin = 1

        def body(i: Tensor, so_far: Any, arrays: list[TensorArray]) -> list[Any]:
            given = fn(so_far, rows.row(place(i)))
            nest.assert_same(start, given, "the initializer and what fn gives", types=True)
            written = [a.write(place(i), v) for a, v in zip(arrays, nest.flatten(given), strict=True)]
            return [i + 1, given, written]

        done = while_loop(lambda i, *_: LESS(i, rows.count), body, [np.int32(begin), start, arrays], None,
                          parallel_iterations, back_prop, swap_memory)[2]  # fmt: skip
        return nest.pack(start, rows.stacked(done))
