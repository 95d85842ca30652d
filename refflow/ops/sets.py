"""Sets along the last axis: sizes, unions, intersections, differences [W06].

    SetSize                       how many different values each set has
    DenseToDenseSetOperation      "a-b", "b-a", "intersection" or "union" of each pair of sets, as a sparse tensor
    DenseToSparse..., SparseToSparseSetOperation

Sets stand at the places of all axes but the last. Values come out in order. Every value gets a number that grows with
the place of its set first and with the value then, so that all sets are worked on at once.

Next: ops/sparse_count.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import int8, int16, int32, int64, string, uint8, uint16
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.sparse import check_order, first_outside, ravelled, same_counts, unravelled
from refflow.ops.sparse_join import PARTS_MUST_FIT

_TYPES = (int8, int16, int32, int64, uint8, uint16, string)
_RESULT = "result_indices: int64, result_values: T, result_shape: int64"
_SPARSE = "{0}_indices: int64, {0}_values: T, {0}_shape: int64"
_SECOND = _SPARSE.format("set2")


def _operation(name: str, inputs: str) -> OpDef:
    return define_op(name, f"{inputs} -> {_RESULT}", set_operation=Attr("string"), validate_indices=True, T=_TYPES,
                     source=("W06",))  # fmt: skip


SET_SIZE = define_op("SetSize", "set_indices: int64, set_values: T, set_shape: int64 -> size: int32",
                     validate_indices=True, T=_TYPES, source=("W06",))  # fmt: skip
DENSE_DENSE = _operation("DenseToDenseSetOperation", "set1: T, set2: T")
DENSE_SPARSE = _operation("DenseToSparseSetOperation", f"set1: T, {_SECOND}")
SPARSE_SPARSE = _operation("SparseToSparseSetOperation", f"{_SPARSE.format('set1')}, {_SECOND}")
for _op in (SET_SIZE, DENSE_DENSE, DENSE_SPARSE, SPARSE_SPARSE):
    _op.no_gradient()


class Sets(NamedTuple):
    """Members, the number of the set that each is in, and the sizes of the axes before the last."""

    of: np.ndarray
    members: np.ndarray
    axes: tuple[int, ...]


def _dense(array: np.ndarray) -> Sets:
    if array.ndim < 2:
        raise ValueError(f"Shape {shapes.text(array.shape)} has rank {array.ndim} < 2")
    axes = array.shape[:-1]
    return Sets(np.repeat(np.arange(np.prod(axes, dtype=np.int64)), array.shape[-1]), array.reshape(-1), axes)


def _sparse(indices: np.ndarray, values: np.ndarray, dims: np.ndarray, validate: bool) -> Sets:
    """Sets by their places; without validation, members of sets outside the shape are left out."""
    if len(dims) < 2:
        raise ValueError(f"Invalid rank {len(dims)}.")
    if validate:
        check_order(indices, dims)
    axes = tuple(int(d) for d in dims[:-1])
    inside = ((indices[:, :-1] >= 0) & (indices[:, :-1] < axes)).all(axis=1)
    return Sets(ravelled(indices[inside, :-1], axes), values[inside], axes)


# -- sizes -----------------------------------------------------------------------------------------------------------


@SET_SIZE.kernel
def set_size_kernel(set_indices, set_values, set_shape, validate_indices=True):
    if not validate_indices:
        at = first_outside(set_indices[:, :-1], set_shape[:-1])
        for axis in np.flatnonzero(set_indices[at, :-1] >= set_shape[:-1])[:1] if at is not None else ():
            got = f"expected < {int(set_shape[axis])}, got {int(set_indices[at, axis])}."
            raise errors.InternalError(None, None, f"indices[0, {axis}] {got}")
    sets = _sparse(set_indices, set_values, set_shape, validate_indices)
    _, value = np.unique(sets.members, return_inverse=True)
    pairs = np.unique(np.stack([sets.of, value.reshape(-1)]), axis=1)
    count = int(np.prod(sets.axes, dtype=np.int64))
    return np.bincount(pairs[0], minlength=count).astype(np.int32).reshape(sets.axes)


@SET_SIZE.shape
def _set_size_shape(context: ShapeContext) -> shapes.Shape:
    _parts(context, "set")
    dims = context.ints("set_shape")
    rank = size_at(context.dims("set_shape"), 0)
    if dims is not None:
        return tuple(dims[:-1])
    return None if not rank else (None,) * (rank - 1)


def _parts(context: ShapeContext, name: str) -> None:
    indices, values, dims = (context.dims(f"{name}_{part}") for part in ("indices", "values", "shape"))
    need_rank(indices, 2, "indices must be a matrix, but got: {0}")
    need_rank(values, 1, "vals must be a vec, but got: {0}")
    need_rank(dims, 1, "shape must be a vec, but got: {0}")
    if size_at(dims, 0) in (0, 1):
        raise ShapeError(f"Invalid rank {size_at(dims, 0)}.")
    same_counts(indices, values, dims, *PARTS_MUST_FIT)


# -- operations ------------------------------------------------------------------------------------------------------

_KEPT = {
    "a-b": lambda in_a, in_b: in_a & ~in_b,
    "b-a": lambda in_a, in_b: in_b & ~in_a,
    "intersection": lambda in_a, in_b: in_a & in_b,
    "union": lambda in_a, in_b: in_a | in_b,
}


def _result(a: Sets, b: Sets, set_operation: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kept members at consecutive places of their sets; the last size is that of the largest."""
    keep = _KEPT.get(set_operation.lower())
    if keep is None:
        raise ValueError(f"Invalid set_operation {set_operation}.")
    if a.axes != b.axes:
        raise ValueError(f"Mismatched shapes {shapes.text(a.axes)} vs {shapes.text(b.axes)}")
    values, value = np.unique(np.concatenate([a.members, b.members]), return_inverse=True)
    number = np.concatenate([a.of, b.of]) * max(1, len(values)) + value.reshape(-1)
    every = np.unique(number)
    in_a, in_b = (np.isin(every, part) for part in (number[: len(a.of)], number[len(a.of) :]))
    every = every[keep(in_a, in_b)]
    of, value = every // max(1, len(values)), every % max(1, len(values))
    starts = np.searchsorted(of, of)
    column = np.arange(len(of)) - starts
    indices = np.concatenate([unravelled(of, a.axes), column[:, None]], axis=1)
    return indices, values[value], np.array([*a.axes, column.max(initial=-1) + 1], np.int64)


@DENSE_DENSE.kernel
def dense_dense_kernel(set1, set2, set_operation):
    return _result(_dense(set1), _dense(set2), set_operation)


@DENSE_SPARSE.kernel
def dense_sparse_kernel(set1, set2_indices, set2_values, set2_shape, set_operation, validate_indices=True):
    return _result(_dense(set1), _sparse(set2_indices, set2_values, set2_shape, validate_indices), set_operation)


@SPARSE_SPARSE.kernel
def sparse_sparse_kernel(
    set1_indices, set1_values, set1_shape, set2_indices, set2_values, set2_shape, set_operation, validate_indices=True
):
    first = _sparse(set1_indices, set1_values, set1_shape, validate_indices)
    return _result(first, _sparse(set2_indices, set2_values, set2_shape, validate_indices), set_operation)


@DENSE_DENSE.shape
@DENSE_SPARSE.shape
@SPARSE_SPARSE.shape
def _operation_shape(context: ShapeContext) -> list[shapes.Shape]:
    names = [a.name for a in context.op_def.inputs]
    for name in ("set1", "set2"):
        if name not in names:
            _parts(context, name)
    dense = [dims[:-1] for n in ("set1", "set2") if n in names and (dims := context.dims(n))]
    if context.building and len(dense) == 2 and not shapes.compatible(*dense):
        raise ShapeError(f"Mismatched shapes {shapes.text(dense[0])} vs {shapes.text(dense[1])}")
    ranks: list[Any] = [len(context.dims(n) or ()) for n in ("set1", "set2") if n in names and context.dims(n)]
    ranks += [size_at(context.dims(n), 0) for n in ("set1_shape", "set2_shape") if n in names]
    rank = next((r for r in ranks if r is not None), None)
    return [(None, rank), (None,), (rank,)]


_I, _D = np.array([[0, 0], [0, 1], [2, 0]]), np.array([3, 2])
SET_SIZE.case("W06", "different values", T="int64", set_indices=_I, set_values=[7, 7, 7], set_shape=_D, size=[1, 0, 1])
DENSE_DENSE.case("W06", "in both", T="int64", set1=[[1, 2, 2], [3, 4, 5]], set2=[[2, 9], [3, 3]],
                 set_operation="intersection", result_indices=np.array([[0, 0], [1, 0]]), result_values=[2, 3],
                 result_shape=np.array([2, 1]))  # fmt: skip
DENSE_DENSE.case("W06", "in the first only", T="int64", set1=[[1, 2, 2], [3, 4, 5]], set2=[[2, 9], [3, 3]],
                 set_operation="a-b", result_indices=np.array([[0, 0], [1, 0], [1, 1]]), result_values=[1, 4, 5],
                 result_shape=np.array([2, 2]))  # fmt: skip
DENSE_DENSE.case("W06", "as many sets", T="int64", set1=[[1], [2]], set2=[[1]], set_operation="union",
                 error="Mismatched shapes [2] vs [1]")  # fmt: skip
DENSE_SPARSE.case("W06", "in both", T="int64", set1=[[1, 5], [6, 2], [5, 5]], set2_indices=_I, set2_values=[5, 6, 5],
                  set2_shape=_D, set_operation="intersection", result_indices=np.array([[0, 0], [2, 0]]),
                  result_values=[5, 5], result_shape=np.array([3, 1]))  # fmt: skip
SPARSE_SPARSE.case("W06", "in either", T="int64", set1_indices=_I, set1_values=[5, 6, 5], set1_shape=_D,
                   set2_indices=np.array([[1, 0], [2, 0]]), set2_values=[4, 1], set2_shape=_D, set_operation="union",
                   result_indices=np.array([[0, 0], [0, 1], [1, 0], [2, 0], [2, 1]]), result_values=[5, 6, 4, 1, 5],
                   result_shape=np.array([3, 2]))  # fmt: skip
