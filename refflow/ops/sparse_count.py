"""Counting values that are sparse or in rows of different lengths [W06].

    SparseBincount, RaggedBincount        one row of counts of 0, 1, 2, ... for each row of values
    DenseCountSparseOutput, Sparse..., Ragged...   only the counts that are not zero

A weight stands for its value's count. With `binary_output` every value that occurs counts 1.

Next: ops/histogram.py.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, float32, float64, int32, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import either, need_equal, need_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import REQUIRED, Attr
from refflow.ops.sparse import check_bounds, first_outside, sparse_parts

_COUNTED = (int32, int64, float32, float64)
SPARSE_BINCOUNT = define_op(
    "SparseBincount", "indices: int64, values: Tidx, dense_shape: int64, size: Tidx, weights: T -> output: T",
    Tidx=INDICES, T=_COUNTED, binary_output=False, accuracy="dot", source=("W06",),
)  # fmt: skip
RAGGED_BINCOUNT = define_op(
    "RaggedBincount", "splits: int64, values: Tidx, size: Tidx, weights: T -> output: T", Tidx=INDICES, T=_COUNTED,
    binary_output=False, accuracy="dot", source=("W06",),
)  # fmt: skip


def _count_op(name: str, inputs: str) -> OpDef:
    return define_op(
        name, f"{inputs}, weights: output_type -> output_indices: int64, output_values: output_type, "
        "output_dense_shape: int64", T=INDICES, minlength=Attr("int", default=-1, minimum=-1),
        maxlength=Attr("int", default=-1, minimum=-1), binary_output=Attr("bool", default=REQUIRED),
        output_type=_COUNTED, accuracy="dot", source=("W06",),
    )  # fmt: skip


DENSE_COUNT = _count_op("DenseCountSparseOutput", "values: T")
SPARSE_COUNT = _count_op("SparseCountSparseOutput", "indices: int64, values: T, dense_shape: int64")
RAGGED_COUNT = _count_op("RaggedCountSparseOutput", "splits: int64, values: T")
for _op in (SPARSE_BINCOUNT, RAGGED_BINCOUNT, DENSE_COUNT, SPARSE_COUNT, RAGGED_COUNT):
    _op.no_gradient_registered()

# -- counts in dense rows --------------------------------------------------------------------------------------------


def _bins(rows: np.ndarray, values: np.ndarray, weights: np.ndarray, dims: tuple[int, int], binary: bool) -> np.ndarray:
    """found[row, value] = how often, or the sum of the weights; values outside the bins are left out."""
    found = np.zeros(dims, weights.dtype)
    keep = (values >= 0) & (values < dims[1])
    places = rows[keep], values[keep]
    if binary:
        found[places] = 1
    elif weights.size == values.size:
        np.add.at(found, places, weights.reshape(-1)[keep])
    else:
        np.add.at(found, places, weights.dtype.type(1))
    return found


def _size(size: Any) -> int:
    if int(size) < 0:
        raise ValueError(f"size ({int(size)}) must be non-negative")
    return int(size)


@SPARSE_BINCOUNT.kernel
def sparse_bincount_kernel(indices, values, dense_shape, size, weights, binary_output=False):
    """A vector gives one row without an axis for it."""
    count = _size(size)
    check_bounds(indices, dense_shape)
    if len(dense_shape) == 1:
        return _bins(np.zeros_like(values), values, weights, (1, count), binary_output)[0]
    return _bins(indices[:, 0], values, weights, (int(dense_shape[0]), count), binary_output)


@SPARSE_BINCOUNT.shape
def _sparse_bincount_shape(context: ShapeContext) -> shapes.Shape:
    _scalar_size(context)
    sparse_parts(context, ("indices", "values", "dense_shape"))
    rank, dims, columns = size_at(context.dims("dense_shape"), 0), context.spelled("dense_shape"), context.count("size")
    if rank is None:
        return None
    return (columns,) if rank == 1 else (size_at(dims, 0), columns)


def _scalar_size(context: ShapeContext) -> None:
    size = context.dims("size")
    if size:
        raise ShapeError(f"Shape must be rank 0 but is rank {len(size)}")


def _row_of_splits(splits: np.ndarray, count: int) -> np.ndarray:
    """The row of each of `count` values, rows ending where `splits` says."""
    if splits[0] != 0:
        raise ValueError(f"Splits must start with 0, not with {int(splits[0])}")
    if splits[-1] != count:
        raise ValueError(f"Splits must end with the number of values, got {int(splits[-1])} instead of {count}")
    # A value is in the first row that ends behind it; splits that go back close their row at once.
    ends = np.maximum.accumulate(splits[1:])
    return np.searchsorted(ends, np.arange(count), side="right")


@RAGGED_BINCOUNT.kernel
def ragged_bincount_kernel(splits, values, size, weights, binary_output=False):
    count = _size(size)
    if not splits.size:
        raise ValueError("Splits must be non-empty")
    splits, values = splits.reshape(-1), values.reshape(-1)
    rows = _row_of_splits(splits, values.size)
    if (values < 0).any():
        raise ValueError("Input must be non-negative")
    return _bins(rows, values, weights, (len(splits) - 1, count), binary_output)


@RAGGED_BINCOUNT.shape
def _ragged_bincount_shape(context: ShapeContext) -> shapes.Shape:
    _scalar_size(context)
    dims, count = context.dims("splits"), context.ints("size")
    ends = prod(dims) if shapes.is_known(dims) else None  # type: ignore[arg-type]
    return (None if not ends else ends - 1, None if count is None or count[0] < 0 else count[0])


# -- counts in sparse tensors ----------------------------------------------------------------------------------------


def _counted(
    rows: np.ndarray, row_count: int | None, values: np.ndarray, weights: np.ndarray, attrs: tuple[int, int, bool]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each row's values that occur, in order, with their counts; no row axis if `row_count` is None."""
    minlength, maxlength, binary = attrs
    if (values < 0).any():
        raise ValueError("Input values must all be non-negative")
    keep = values < maxlength if maxlength >= 0 else np.ones(len(values), bool)
    pairs, which = np.unique(np.stack([rows[keep], values[keep]]).astype(np.int64), axis=1, return_inverse=True)
    total = np.zeros(pairs.shape[1], weights.dtype)
    if binary:
        total[:] = 1
    else:
        np.add.at(total, which.reshape(-1), weights.reshape(-1)[keep] if weights.size else weights.dtype.type(1))
    columns = maxlength if maxlength >= 0 else max(int(pairs[1].max(initial=0)) + 1, minlength)
    if row_count is None:
        return pairs[1:].T, total, np.array([columns], np.int64)
    return pairs.T, total, np.array([row_count, columns], np.int64)


def _same_weights(weights: np.ndarray, values: np.ndarray, what: str) -> None:
    if weights.size and weights.shape != values.shape:
        raise ValueError(
            f"Weights and {what} must have the same shape. Weight shape: {shapes.text(weights.shape)}; {what} shape: "
            f"{shapes.text(values.shape)}"
        )


@DENSE_COUNT.kernel
def dense_count_kernel(values, weights, minlength, maxlength, binary_output):
    if values.ndim not in (1, 2):
        raise ValueError(f"Input must be a 1 or 2-dimensional tensor. Got: {shapes.text(values.shape)}")
    _same_weights(weights, values, "data")
    if values.ndim == 2 and not len(values):
        raise ValueError("Invalid input: Shapes dimension cannot be 0.")
    count = len(values) if values.ndim == 2 else None
    rows = np.repeat(np.arange(len(values)), values.shape[1]) if values.ndim == 2 else np.zeros(len(values), np.int64)
    return _counted(rows, count, values.reshape(-1), weights, (minlength, maxlength, binary_output))


@SPARSE_COUNT.kernel
def sparse_count_kernel(indices, values, dense_shape, weights, minlength, maxlength, binary_output):
    """The first axis counts the rows; a vector is one row, wherever its values stand."""
    if not len(dense_shape):
        raise ValueError("The shape argument requires at least one element.")
    vector = len(dense_shape) == 1
    at = None if vector else first_outside(indices, dense_shape)
    if at is not None:
        axis = int(np.flatnonzero((indices[at] < 0) | (indices[at] >= dense_shape))[0])
        raise ValueError(
            f"Invalid index value at {at}: dimension {axis} has value {int(indices[at, axis])} which is not in [0, "
            f"{int(dense_shape[axis])}) (as given by dense shape Tensor<type: int64 shape: [{len(dense_shape)}] "
            f"values: {' '.join(str(int(d)) for d in dense_shape)}>"
        )
    _same_weights(weights, values, "values")
    if not vector and not dense_shape[0]:
        raise ValueError("Cannot allocate 0 batches, is the dense shape too wide?")
    rows = np.zeros(len(values), np.int64) if vector else indices[:, 0]
    count = None if vector else int(dense_shape[0])
    return _counted(rows, count, values, weights, (minlength, maxlength, binary_output))


@RAGGED_COUNT.kernel
def ragged_count_kernel(splits, values, weights, minlength, maxlength, binary_output):
    _same_weights(weights, values, "values")
    if len(splits) < 2:
        raise ValueError("Must provide at least 2 elements for the splits argument")
    rows = _row_of_splits(splits, values.size)
    return _counted(rows, len(splits) - 1, values, weights, (minlength, maxlength, binary_output))


def _rank_of_values(context: ShapeContext) -> int | None:
    dims = context.dims("values")
    return None if dims is None else len(dims)


def _rank_of_shape(context: ShapeContext) -> int | None:
    indices, values, dims = context.dims("indices"), context.dims("values"), context.dims("dense_shape")
    need_rank(indices, 2, "Input indices must be a 2-dimensional tensor. Got: {0}")
    need_rank(values, 1, "Input values must be a vector. Got: {0}")
    need_rank(dims, 1, "Input shape must be a vector. Got: {0}")
    shown = shapes.text(indices or ())
    need_equal(size_at(values, 0), size_at(indices, 0), "Number of values must match first dimension of indices."
               f"Got {{0}} values, indices shape: {shown}")  # fmt: skip
    need_equal(size_at(dims, 0), size_at(indices, 1), "Number of dimensions must match second dimension of indices."
               f"Got {{0}} dimensions, indices shape: {shown}")  # fmt: skip
    rank = either(size_at(dims, 0), size_at(indices, 1))
    return None if rank is None else min(rank, 2)


def _set_rule(op_def: OpDef, rank_of: Callable[[ShapeContext], int | None]) -> None:
    @op_def.shape
    def rule(context: ShapeContext) -> list[shapes.Shape]:
        rank = rank_of(context)
        rank = None if rank not in (1, 2) else rank
        return [(None, rank), (None,), (rank,)]


_set_rule(DENSE_COUNT, _rank_of_values)
_set_rule(SPARSE_COUNT, _rank_of_shape)
_set_rule(RAGGED_COUNT, lambda context: 2)

_I, _D, _NONE = np.array([[0, 0], [0, 1], [2, 0]]), np.array([3, 2]), np.zeros(0, np.float32)
_SPLITS = np.array([0, 2, 3])
SPARSE_BINCOUNT.case("W06", "row by row", Tidx="int32", indices=_I, values=[1, 2, 1], dense_shape=_D, size=3,
                     weights=_NONE, output=[[0, 1, 1], [0, 0, 0], [0, 1, 0]])  # fmt: skip
SPARSE_BINCOUNT.case("W06", "the number of bins", Tidx="int32", indices=_I, values=[1, 2, 1], dense_shape=_D, size=-1,
                     weights=_NONE, error="size (-1) must be non-negative")  # fmt: skip
RAGGED_BINCOUNT.case("W06", "with weights", Tidx="int32", splits=_SPLITS, values=[1, 1, 0], size=2,
                     weights=[0.5, 2, 3], output=[[0, 2.5], [3, 0]])  # fmt: skip
RAGGED_BINCOUNT.case("W06", "values are taken one after the other", Tidx="int32", splits=[[0, 2, 3]],
                     values=[[1], [1], [0]], size=2, weights=_NONE, output=[[0, 2], [1, 0]])  # fmt: skip
RAGGED_BINCOUNT.case("W06", "splits go to the end", Tidx="int32", splits=_SPLITS, values=[1, 1], size=2, weights=_NONE,
                     error="Splits must end with the number of values, got 3 instead of 2")  # fmt: skip
DENSE_COUNT.case("W06", "what occurs", T="int32", values=[[1, 1, 7], [3, 0, 3]], weights=_NONE, binary_output=False,
                 output_indices=np.array([[0, 1], [0, 7], [1, 0], [1, 3]]), output_values=[2, 1, 1, 2],
                 output_dense_shape=np.array([2, 8]))  # fmt: skip
SPARSE_COUNT.case("W06", "once is enough", T="int32", indices=_I, values=[1, 1, 4], dense_shape=_D, weights=_NONE,
                  binary_output=True, output_indices=np.array([[0, 1], [2, 4]]), output_values=[1, 1],
                  output_dense_shape=np.array([3, 5]))  # fmt: skip
RAGGED_COUNT.case("W06", "up to a limit", T="int32", splits=_SPLITS, values=[1, 9, 4], weights=_NONE, maxlength=6,
                  binary_output=False, output_indices=np.array([[0, 1], [1, 4]]), output_values=[1, 1],
                  output_dense_shape=np.array([2, 6]))  # fmt: skip
