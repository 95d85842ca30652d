"""Sparse blocks cut out and put together; rows that are empty filled [W06].

    SparseSlice           what lies in a block, counted from its corner
    SparseSplit           one axis cut into parts as equal as can be; the first ones are one longer
    SparseConcat          one after the other along an axis
    SparseFillEmptyRows   a default in the first column of each row that has nothing

Next: ops/sparse_math.py.
"""

from __future__ import annotations

import itertools

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import NUMBERS
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_equal, need_rank, of_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.sparse import ANY, check_bounds, check_sizes, numbered, product, same_counts, sparse_parts

SLICE = define_op(
    "SparseSlice", "indices: int64, values: T, shape: int64, start: int64, size: int64 "
    "-> output_indices: int64, output_values: T, output_shape: int64", T=ANY, source=("W06",),
)  # fmt: skip
SLICE_GRAD = define_op(
    "SparseSliceGrad", "backprop_val_grad: T, input_indices: int64, input_start: int64, output_indices: int64 "
    "-> val_grad: T", T=NUMBERS, source=("W30",),
)  # fmt: skip
SPLIT = define_op(
    "SparseSplit", "split_dim: int64, indices: int64, values: T, shape: int64 -> output_indices: num_split * int64, "
    "output_values: num_split * T, output_shape: num_split * int64", num_split=Attr("int", minimum=1), T=ANY,
    source=("W06",),
)  # fmt: skip
CONCAT = define_op(
    "SparseConcat", "indices: N * int64, values: N * T, shapes: N * int64 -> output_indices: int64, output_values: T, "
    "output_shape: int64", concat_dim=Attr("int"), N=Attr("int", minimum=2), T=ANY, source=("W06",),
)  # fmt: skip
FILL_EMPTY_ROWS = define_op(
    "SparseFillEmptyRows", "indices: int64, values: T, dense_shape: int64, default_value: T -> output_indices: int64, "
    "output_values: T, empty_row_indicator: bool, reverse_index_map: int64", T=ANY, source=("W06",),
)  # fmt: skip
FILL_EMPTY_ROWS_GRAD = define_op(
    "SparseFillEmptyRowsGrad", "reverse_index_map: int64, grad_values: T -> d_values: T, d_default_value: T",
    T=ANY, source=("W30",),
)  # fmt: skip
for _op in (SLICE_GRAD, SPLIT, FILL_EMPTY_ROWS_GRAD):
    _op.no_gradient_registered()
CONCAT.no_gradient()

# -- blocks ----------------------------------------------------------------------------------------------------------


@SLICE.kernel
def sparse_slice_kernel(indices, values, shape, start, size):
    if (size < 0).any():
        raise ValueError(f"Expected a non-negative size, got {int(size[size < 0][0])}")
    check_sizes(shape)
    keep = ((indices >= start) & (indices < start + size)).all(axis=1)
    dims = np.maximum(0, np.minimum(size, shape - start))
    return indices[keep] - start, values[keep], dims.astype(np.int64)


@SLICE.shape
def _slice_shape(context: ShapeContext) -> list[shapes.Shape]:
    _, rank = sparse_parts(context)
    for name in ("start", "size"):
        need_rank(context.dims(name), 1, f"Input {name} should be a vector but received shape {{0}}")
    for name in ("start", "size"):
        need_equal(rank, size_at(context.dims(name), 0),
                   f"Expected {name} to be a vector of length {{0}} but got length {{1}}")  # fmt: skip
    return [(None, rank), (None,), (rank,)]


@SLICE.gradient
def _slice_gradient(op, _, dvalues, __):
    """Values outside the slice get zero."""
    indices, _, _, start, _ = op.inputs
    return None, SLICE_GRAD(dvalues, indices, start, op.outputs["output_indices"]), None, None, None


@SLICE_GRAD.kernel
def sparse_slice_grad_kernel(backprop_val_grad, input_indices, input_start, output_indices):
    every, kept = numbered(input_indices, output_indices + input_start)
    at = np.searchsorted(kept, every)
    here = at < len(kept)
    here[here] = kept[at[here]] == every[here]
    if here.sum() != len(kept):
        raise errors.InternalError(None, None, f"Elements of backprop_val_grad aren't all propagated. Num elements:"
                                   f"{len(kept)}, used: {int(here.sum())}")  # fmt: skip
    found = np.zeros(len(every), backprop_val_grad.dtype)
    found[here] = backprop_val_grad[at[here]]
    return found


@SLICE_GRAD.shape
def _slice_grad_shape(context: ShapeContext) -> shapes.Shape:
    grad, given, start, kept = (context.dims(a.name) for a in SLICE_GRAD.inputs)
    if any(p is not None and len(p) != 2 for p in (given, kept)):
        shown = " and ".join(shapes.text(p or ()) for p in (given, kept))
        raise ShapeError(f"Input and output indices should be matrices but received shapes: {shown}")
    need_rank(grad, 1, "Input backprop_val_grad should be a vector but received shape: {0}")
    need_rank(start, 1, "Input input_start should be a vector but received shape: {0}")
    rank, count = size_at(given, 1), size_at(given, 0)
    need_equal(rank, size_at(kept, 1), "The input and output should have the same ndims: got: {0} and {1}")
    need_equal(rank, size_at(start, 0), "Expected input_start to be a vector of length {0} but got length {1}")
    need_equal(size_at(grad, 0), size_at(kept, 0), "# elements of backprop_val_grad and # rows of output_indices "
               "should match (#nnz of sum): got {0} and {1}")  # fmt: skip
    return (count,)


@SPLIT.kernel
def sparse_split_kernel(split_dim, indices, values, shape, num_split):
    rank, axis = len(shape), int(split_dim)
    if not -rank <= axis < rank:
        raise ValueError(f"Input axis should be in range [{-rank}, {rank}), got {axis}")
    check_sizes(shape)
    check_bounds(indices, shape)
    axis %= rank
    length = int(shape[axis])
    if not 1 <= num_split <= length:
        raise ValueError(
            f"Input num_split should be between 1 and the splitting dimension size ({length}), got {num_split}"
        )
    each, more = divmod(length, num_split)
    bounds = np.cumsum([0, *(each + (i < more) for i in range(num_split))])
    places, parts, sizes = [], [], []
    for begin, end in itertools.pairwise(bounds):
        keep = (indices[:, axis] >= begin) & (indices[:, axis] < end)
        moved = indices[keep]
        moved[:, axis] -= begin
        dims = np.array(shape, np.int64)
        dims[axis] = end - begin
        places.append(moved)
        parts.append(values[keep])
        sizes.append(dims)
    return places + parts + sizes


@SPLIT.shape
def _split_shape(context: ShapeContext) -> list[shapes.Shape]:
    need_rank(context.dims("split_dim"), 0, "Input axis should be a scalar but received shape {0}")
    indices, values, dims = (context.dims(n) for n in ("indices", "values", "shape"))
    for part, rank, what, kind in ((indices, 2, "indices", "matrix"), (values, 1, "values", "vector"),
                                   (dims, 1, "shape", "vector")):  # fmt: skip
        need_rank(part, rank, f"Input {what} should be a {kind} but received shape {{0}}")
    _, depth = same_counts(indices, values, dims)
    count = context.attrs["num_split"]
    return [(None, depth)] * count + [(None,)] * count + [(depth,)] * count


@CONCAT.kernel
def sparse_concat_kernel(indices, values, shapes, concat_dim):
    rank = len(shapes[0])
    if not -rank <= concat_dim < rank:
        raise ValueError(f"Concat dimension must be in range [{-rank}, {rank}), got {concat_dim}")
    axis = concat_dim % rank
    if any(product(dims) >= 2**63 or (dims < 0).any() for dims in shapes):
        raise errors.InternalError(None, None, "Encountered overflow from large input shape.")
    for i, dims in enumerate(shapes):
        for j in range(rank):
            if j != axis and dims[j] != shapes[0][j]:
                raise ValueError(
                    f"Input shapes must match: expected {int(shapes[0][j])} for dimension {j} but got {int(dims[j])} "
                    f"at position {i}"
                )
    total, parts = 0, []
    for where, dims in zip(indices, shapes, strict=True):
        moved = where.copy()
        moved[:, axis] += total
        total += int(dims[axis])
        parts.append(moved)
    whole = np.array(shapes[0], np.int64)
    whole[axis] = total
    places, joined = np.concatenate(parts), np.concatenate(values)
    order = np.argsort(numbered(places)[0], kind="stable")
    return places[order], joined[order], whole


@CONCAT.shape
def _concat_shape(context: ShapeContext) -> list[shapes.Shape]:
    rank, counts = None, []
    parts = [context.list_dims(n) for n in ("indices", "values", "shapes")]
    for i, (where, values, dims) in enumerate(zip(*parts, strict=True)):
        need_rank(where, 2, f"Input indices should be a matrix but received shape {{0}} at position {i}")
        need_rank(values, 1, f"Input values should be a vector but received shape {{0}} at position {i}")
        need_rank(dims, 1, f"Input shapes should be a vector but received shape {{0}} at position {i}")
        need_equal(rank, size_at(dims, 0),
                   f"Ranks of all input tensors must match: expected {{0}} but got {{1}} at position {i}")  # fmt: skip
        count, depth = same_counts(where, values, dims, *PARTS_MUST_FIT)
        rank = depth if rank is None else rank
        counts.append(count)
    known = [count for count in counts if count is not None]
    total = sum(known) if len(known) == len(counts) else None
    return [(total, rank), (total,), (rank,)]


# What TensorFlow says where it puts a sparse tensor together from three tensors.
PARTS_MUST_FIT = (
    "indices and values rows (indexing dimension) must match. (indices = {0}, values = {1})",
    "Order length must be SparseTensor rank.",
)

# -- rows ------------------------------------------------------------------------------------------------------------


@FILL_EMPTY_ROWS.kernel
def sparse_fill_empty_rows_kernel(indices, values, dense_shape, default_value):
    rows = int(dense_shape[0])
    if rows == 0 and len(indices):
        raise ValueError(f"Received SparseTensor with dense_shape[0] = 0 but indices.shape[0] = {len(indices)}")
    bad = np.flatnonzero((indices[:, 0] < 0) | (indices[:, 0] >= rows))
    if len(bad):
        raise ValueError(f"indices({int(bad[0])}, 0) is invalid: {int(indices[bad[0], 0])} >= {rows}")
    empty = np.bincount(indices[:, 0], minlength=rows) == 0
    fresh = np.zeros((int(empty.sum()), indices.shape[1]), np.int64)
    fresh[:, 0] = np.flatnonzero(empty)
    places = np.concatenate([indices, fresh])
    filling = np.full(len(fresh), default_value, values.dtype)
    order = np.argsort(places[:, 0], kind="stable")
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return places[order], np.concatenate([values, filling])[order], empty, back[: len(indices)]


@FILL_EMPTY_ROWS.shape
def _fill_shape(context: ShapeContext) -> list[shapes.Shape]:
    indices, values, dims, default = (context.dims(a.name) for a in FILL_EMPTY_ROWS.inputs)
    need_rank(dims, 1, "dense_shape must be a vector, saw: {0}")
    need_rank(indices, 2, "indices must be a matrix, saw: {0}")
    need_rank(values, 1, "values must be a vector, saw: {0}")
    need_equal(size_at(values, 0), size_at(indices, 0),
               "The length of `values` ({0}) must match the first dimension of `indices` ({1}).")  # fmt: skip
    need_equal(size_at(dims, 0), size_at(indices, 1),
               "The length of `dense_shape` ({0}) must match the second dimension of `indices` ({1}).")  # fmt: skip
    need_rank(default, 0, "default_value must be a scalar, saw: {0}")
    if size_at(dims, 0) == 0:
        raise ShapeError("Dense shape cannot be empty.")
    rows, part = context.ints("dense_shape"), context.sizes("dense_shape")
    count, rank = same_counts(indices, values, dims)
    known = rows[0] if rows is not None and rows[0] >= 0 else part[0] if part else None
    return [(None, rank), (None,), (known,), (count,)]


@FILL_EMPTY_ROWS.gradient
def _fill_gradient(op, _, dvalues, __, ___):
    """Each value gets its own; the default gets the sum over the rows that it filled."""
    back = FILL_EMPTY_ROWS_GRAD(op.outputs["reverse_index_map"], dvalues)
    return None, back.d_values, None, back.d_default_value


@FILL_EMPTY_ROWS_GRAD.kernel
def sparse_fill_empty_rows_grad_kernel(reverse_index_map, grad_values):
    bad = reverse_index_map[(reverse_index_map < 0) | (reverse_index_map >= len(grad_values))]
    if len(bad):
        raise ValueError(f"Elements in reverse index must be in [0, {len(grad_values)}) but got {int(bad[0])}")
    rest = np.ones(len(grad_values), bool)
    rest[reverse_index_map] = False
    return grad_values[reverse_index_map], np.asarray(grad_values[rest].sum(dtype=grad_values.dtype))


@FILL_EMPTY_ROWS_GRAD.shape
def _fill_grad_shape(context: ShapeContext) -> list[shapes.Shape]:
    back, grad = (context.dims(a.name) for a in FILL_EMPTY_ROWS_GRAD.inputs)
    need_rank(back, 1, "reverse_index_map must be a vector, saw: {0}")
    need_rank(grad, 1, "grad_values must be a vector, saw: {0}")
    return [of_rank(back, 1), ()]


_I, _D = np.array([[0, 1], [2, 0]]), np.array([3, 2])
SLICE.case("W06", "a block", indices=_I, values=[5, 6], shape=_D, start=np.array([1, 0]), size=np.array([2, 2]),
           output_indices=np.array([[1, 0]]), output_values=[6], output_shape=np.array([2, 2]))  # fmt: skip
SLICE_GRAD.case("W30", "zero outside", backprop_val_grad=[7], input_indices=_I, input_start=np.array([1, 0]),
                output_indices=np.array([[1, 0]]), val_grad=[0, 7])  # fmt: skip
SPLIT.case("W06", "the first part is longer", split_dim=np.int64(0), indices=_I, values=[5, 6], shape=_D, num_split=2,
           output_indices=[np.array([[0, 1]]), np.array([[0, 0]])], output_values=[[5], [6]],
           output_shape=[np.array([2, 2]), np.array([1, 2])])  # fmt: skip
SPLIT.case("W06", "no part is empty", split_dim=np.int64(0), indices=_I, values=[5, 6], shape=_D, num_split=4,
           error="Input num_split should be between 1 and the splitting dimension size (3), got 4")  # fmt: skip
CONCAT.case("W06", "one below the other", indices=[_I, np.array([[0, 0]])], values=[[5, 6], [7]],
            shapes=[_D, np.array([1, 2])], N=2, concat_dim=0, output_indices=np.array([[0, 1], [2, 0], [3, 0]]),
            output_values=[5, 6, 7], output_shape=np.array([4, 2]))  # fmt: skip
FILL_EMPTY_ROWS.case("W06", "no row stays empty", indices=_I, values=[5, 6], dense_shape=_D, default_value=9,
                     output_indices=np.array([[0, 1], [1, 0], [2, 0]]), output_values=[5, 9, 6],
                     empty_row_indicator=[False, True, False], reverse_index_map=np.array([0, 2]))  # fmt: skip
FILL_EMPTY_ROWS_GRAD.case("W30", "the rest is the default's", reverse_index_map=np.array([0, 2]),
                          grad_values=[1, 2, 4], d_values=[1, 4], d_default_value=2)  # fmt: skip
