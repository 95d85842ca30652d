"""Reductions of sparse tensors: only what is there counts [W06].

    SparseReduceSum, SparseReduceMax               a dense result, zero where nothing was
    SparseReduceSumSparse, SparseReduceMaxSparse   a sparse one
    SparseSoftmax                                  shares among the values of each row

No axes in `reduction_axes` reduce nothing.

Next: ops/sparse_serialize.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import NUMBERS, REALS, float16, float32, float64, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.ops.sparse import check_sizes, numbered, product, ravelled, same_counts
from refflow.ops.sparse_join import PARTS_MUST_FIT

_INPUTS = "input_indices: int64, input_values: T, input_shape: int64, reduction_axes: int32"


def _kept_axes(axes: Any, rank: int) -> list[int]:
    flat = [int(a) for a in np.reshape(axes, -1)]
    for a in flat:
        if not -rank <= a < rank:
            raise ValueError(f"Invalid reduction dimension {a}, for input with {rank} dimensions.")
    return [i for i in range(rank) if i not in {a % rank for a in flat}]


def _grouped(ufunc: Any, places: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different places in row-major order, and each one's values reduced to one."""
    (numbers,) = numbered(places)
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    wide = values.astype(np.float32) if values.dtype == np.float16 else values
    total = ufunc.reduceat(wide[order], starts) if len(starts) else wide
    return places[order[starts]], total.astype(values.dtype, copy=False)


def _reduction(name: str, ufunc: Any, types: Any) -> tuple[OpDef, OpDef]:
    to_dense = define_op(f"SparseReduce{name}", f"{_INPUTS} -> output: T", keep_dims=False, T=types, accuracy="dot",
                         source=("W06",))  # fmt: skip
    to_sparse = define_op(
        f"SparseReduce{name}Sparse", f"{_INPUTS} -> output_indices: int64, output_values: T, output_shape: int64",
        keep_dims=False, T=types, accuracy="dot", source=("W06",),
    )  # fmt: skip

    @to_dense.kernel
    def dense_kernel(input_indices, input_values, input_shape, reduction_axes, keep_dims=False):
        check_sizes(input_shape)
        kept = _kept_axes(reduction_axes, len(input_shape))
        places, total = _grouped(ufunc, input_indices[:, kept], input_values)
        sizes = [int(input_shape[i]) for i in kept]
        at = ravelled(places, sizes)
        for bad in at[(at < 0) | (at >= product(sizes))][:1]:
            raise errors.InternalError(None, None, f"Obtained a write index of {int(bad)} which is outside of bounds "
                                       f"of [0, {product(sizes)})")  # fmt: skip
        found = np.zeros(product(sizes), input_values.dtype)
        found[at] = total
        return found.reshape(_laid_out(input_shape, kept, keep_dims))

    @to_sparse.kernel
    def sparse_kernel(input_indices, input_values, input_shape, reduction_axes, keep_dims=False):
        check_sizes(input_shape)
        kept = _kept_axes(reduction_axes, len(input_shape))
        places, total = _grouped(ufunc, input_indices[:, kept], input_values)
        if keep_dims:
            whole = np.zeros((len(places), len(input_shape)), np.int64)
            whole[:, kept] = places
            places = whole
        return places, total, np.array(_laid_out(input_shape, kept, keep_dims), np.int64)

    to_dense.shape(_dense_shape)
    to_sparse.shape(_sparse_shape)
    to_sparse.no_gradient_registered()
    return to_dense, to_sparse


def _laid_out(dims: Any, kept: Sequence[int], keep_dims: bool) -> list[int]:
    if keep_dims:
        return [int(d) if i in kept else 1 for i, d in enumerate(dims)]
    return [int(dims[i]) for i in kept]


def _checked(context: ShapeContext) -> None:
    indices, values, dims, axes = (context.dims(n) for n in ("input_indices", "input_values", "input_shape",
                                                              "reduction_axes"))  # fmt: skip
    need_rank(dims, 1, "Expected input_shape to be a vector; got shape: {0}")
    if axes is not None and len(axes) > 1:
        raise ShapeError(f"Expected reduction_axes to be a scalar or a vector; got shape: {shapes.text(axes)}")
    need_rank(indices, 2, "indices must be a matrix, but got: {0}")
    need_rank(values, 1, "vals must be a vec, but got: {0}")
    same_counts(indices, values, dims, *PARTS_MUST_FIT)


def _dense_shape(context: ShapeContext) -> shapes.Shape:
    from refflow.ops.constant import shape_from

    _checked(context)
    dims, axes = shape_from(context, "input_shape"), context.ints("reduction_axes")
    if dims is None or axes is None or any(not -len(dims) <= a < len(dims) for a in axes):
        return None
    gone = {a % len(dims) for a in axes}
    if context.attrs["keep_dims"]:
        return tuple(1 if i in gone else d for i, d in enumerate(dims))
    return tuple(d for i, d in enumerate(dims) if i not in gone)


def _sparse_shape(context: ShapeContext) -> list[shapes.Shape]:
    _checked(context)
    return [(None, None), (None,), (None,)]


REDUCE_SUM, REDUCE_SUM_SPARSE = _reduction("Sum", np.add, NUMBERS)
REDUCE_MAX, REDUCE_MAX_SPARSE = _reduction("Max", np.maximum, REALS)
REDUCE_MAX.no_gradient_registered()


@REDUCE_SUM.gradient
def _reduce_sum_gradient(op, dy):
    """Each value gets the gradient of the sum that it went into."""
    from refflow.ops.array import reshape
    from refflow.ops.cast import cast
    from refflow.ops.nd import GATHER_ND
    from refflow.ops.reductions import reduced_ones

    indices, _, dims, axes = op.inputs
    ones_there = reduced_ones(cast(dims, axes.dtype), axes)
    spread = reshape(dy, ones_there)
    places = indices // (dims // cast(ones_there, int64))  # reduced axes have one place
    return None, GATHER_ND(spread, places), None, None


SOFTMAX = define_op("SparseSoftmax", "sp_indices: int64, sp_values: T, sp_shape: int64 -> output: T",
                    T=(float16, float32, float64), accuracy="composed", source=("W06",))  # fmt: skip


@SOFTMAX.kernel
def sparse_softmax_kernel(sp_indices, sp_values, sp_shape):
    """Shares among the values of a row, which stand together; what is not there counts as nothing."""
    if len(sp_shape) < 2:
        raise ValueError(f"Input should have rank >= 2, but received shape: {' '.join(str(int(d)) for d in sp_shape)}")
    if not len(sp_values):
        return sp_values.copy()
    wide = sp_values.astype(np.float32) if sp_values.dtype == np.float16 else sp_values
    fresh = np.concatenate([[True], (np.diff(sp_indices[:, :-1], axis=0) != 0).any(axis=1)])
    starts, row = np.flatnonzero(fresh), np.cumsum(fresh) - 1
    exps = np.exp(wide - np.maximum.reduceat(wide, starts)[row])
    return (exps / np.add.reduceat(exps, starts)[row]).astype(sp_values.dtype)


@SOFTMAX.shape
def _softmax_shape(context: ShapeContext) -> shapes.Shape:
    indices, values, dims = (context.dims(n) for n in ("sp_indices", "sp_values", "sp_shape"))
    need_rank(indices, 2, "Input sp_indices should be a matrix but received shape: {0}")
    if any(d is not None and len(d) != 1 for d in (values, dims)):
        shown = " and ".join(shapes.text(d) for d in (values, dims))
        raise ShapeError(f"Inputs sp_values and sp_shape should be vectors but received shapes: {shown}")
    return (same_counts(indices, values, dims, *PARTS_MUST_FIT)[0],)


@SOFTMAX.gradient
def _softmax_gradient(op, dy):
    """dx = (dy - sum over the row of y dy) y."""
    from refflow.ops.sparse_dense import CWISE_ADD

    indices, _, dims = op.inputs
    y = op.outputs[0]
    total = REDUCE_SUM(indices, y * dy, dims, np.array([-1], np.int32), keep_dims=True)
    return None, CWISE_ADD(indices, dy, dims, -total) * y, None


_I, _D = np.array([[0, 1], [2, 0]]), np.array([3, 2])
REDUCE_SUM.case("W06", "over columns", input_indices=_I, input_values=[5, 6], input_shape=_D, reduction_axes=[1],
                output=[5, 0, 6])  # fmt: skip
REDUCE_SUM.case("W06", "axes stay with one place", input_indices=_I, input_values=[5, 6], input_shape=_D,
                reduction_axes=[0, 1], keep_dims=True, output=[[11]])  # fmt: skip
REDUCE_SUM.case("W06", "axes exist", input_indices=_I, input_values=[5, 6], input_shape=_D, reduction_axes=[2],
                error="Invalid reduction dimension 2, for input with 2 dimensions.")  # fmt: skip
REDUCE_SUM_SPARSE.case("W06", "only what is there", input_indices=_I, input_values=[5, 6], input_shape=_D,
                       reduction_axes=[1], output_indices=np.array([[0], [2]]), output_values=[5, 6],
                       output_shape=np.array([3]))  # fmt: skip
REDUCE_MAX.case("W06", "what is not there is no zero", input_indices=_I, input_values=[-5, -6], input_shape=_D,
                reduction_axes=[0, 1], output=-5)  # fmt: skip
REDUCE_MAX_SPARSE.case("W06", "only what is there", input_indices=_I, input_values=[5, 6], input_shape=_D,
                       reduction_axes=[1], output_indices=np.array([[0], [2]]), output_values=[5, 6],
                       output_shape=np.array([3]))  # fmt: skip
SOFTMAX.case("W06", "shares of a row", sp_indices=np.array([[0, 0], [0, 1], [1, 1]]), sp_values=[3, 3, 9], sp_shape=_D,
             output=[0.5, 0.5, 1])  # fmt: skip
