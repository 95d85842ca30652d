"""Sparse tensors: three tensors, indices [N, R], values [N] and shape [R], that stand for one [W06].

    SparseToDense      values at their places, a default elsewhere
    SparseReorder      indices in row-major order               SparseReshape     the same elements in another shape
    SparseSlice, SparseSplit, SparseConcat                      blocks cut out and put together
    SparseAdd, SparseTensorDenseAdd, SparseTensorDenseMatMul, SparseReduceSum, SparseSoftmax

A row-major number for each place, `ravelled`, makes sorting, merging and cutting into work on vectors.

Next: ops/variable.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, INDICES, NUMBERS, REALS, int64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.gather import gather

ANY = Attr("type")
INDEX = Attr("type", default=int64, allowed=INDICES)


def ravelled(indices: np.ndarray, dims: Any) -> np.ndarray:
    """Row-major numbers of places [N, R]."""
    strides = np.ones(len(dims), np.int64)
    for i in range(len(dims) - 2, -1, -1):
        strides[i] = strides[i + 1] * int(dims[i + 1])
    return indices.astype(np.int64) @ strides if len(dims) else np.zeros(len(indices), np.int64)


def unravelled(numbers: np.ndarray, dims: Any) -> np.ndarray:
    """Places [N, R] of row-major numbers."""
    found = np.zeros((len(numbers), len(dims)), np.int64)
    for i in range(len(dims) - 1, -1, -1):
        size = max(1, int(dims[i]))
        found[:, i], numbers = numbers % size, numbers // size
    return found


def check_bounds(indices: np.ndarray, dims: Any) -> None:
    """InvalidArgument where a place lies outside the shape."""
    limits = np.asarray(dims)
    bad = np.flatnonzero(((indices < 0) | (indices >= limits)).any(axis=1)) if indices.size else np.zeros(0, int)
    if len(bad):
        i = int(bad[0])
        shown = ",".join(map(str, indices[i].tolist()))
        axis = int(np.flatnonzero((indices[i] < 0) | (indices[i] >= limits))[0])
        raise ValueError(
            f"indices[{i}] = [{shown}] is out of bounds: need 0 <= index < [{','.join(str(int(d)) for d in limits)}]"
            f" (axis {axis})"
        )


def check_order(indices: np.ndarray, dims: Any) -> None:
    """InvalidArgument where places are out of bounds, out of order or repeated."""
    check_bounds(indices, dims)
    numbers = ravelled(indices, dims)
    for i in np.flatnonzero(numbers[1:] <= numbers[:-1])[:1] + 1:
        shown = ",".join(map(str, indices[i].tolist()))
        what = (
            "is repeated"
            if numbers[i] == numbers[i - 1]
            else (
                "is out of order. Many sparse ops require sorted indices.\n  Use `tf.sparse.reorder` "
                "to create a correctly "
                "ordered copy."
            )
        )
        raise ValueError(f"indices[{i}] = [{shown}] {what}")


def _filled(dims: Any, like: np.ndarray, value: Any = None) -> np.ndarray:
    shape = tuple(int(d) for d in dims)
    if value is None:
        value = b"" if like.dtype == object else 0
    return np.full(shape, value, like.dtype)


def dense_of(indices: np.ndarray, values: np.ndarray, dims: Any) -> np.ndarray:
    found = _filled(dims, values)
    found[tuple(indices.T)] = values
    return found


def _checked_parts(context: ShapeContext, prefix: str = "") -> None:
    indices, values, dims = (context.dims(prefix + n) for n in ("indices", "values", "shape"))
    if indices is not None and len(indices) != 2:
        raise ShapeError(f"Input {prefix}indices should be a matrix but received shape {shapes.text(indices)}")
    if values is not None and len(values) != 1:
        raise ShapeError(f"Input {prefix}values should be a vector but received shape {shapes.text(values)}")
    if dims is not None and len(dims) != 1:
        raise ShapeError(f"Input {prefix}shape should be a vector but received shape {shapes.text(dims)}")


# -- to dense -------------------------------------------------------------------------------------------------

SPARSE_TO_DENSE = define_op(
    "SparseToDense", "sparse_indices: Tindices, output_shape: Tindices[R], sparse_values: T, default_value: T[] "
    "-> dense: T", validate_indices=True, T=ANY, Tindices=Attr("type", allowed=INDICES), source=("W06",),
)  # fmt: skip


@SPARSE_TO_DENSE.kernel
def sparse_to_dense_kernel(sparse_indices, output_shape, sparse_values, default_value, validate_indices=True):
    places = sparse_indices
    if places.ndim < 2:
        places = places.reshape(-1, 1)
    if validate_indices:
        check_order(places, output_shape)
    else:
        check_bounds(places, output_shape)
    found = _filled(output_shape, np.asarray(sparse_values), np.asarray(default_value)[()])
    found[tuple(places.T)] = sparse_values
    return found


@SPARSE_TO_DENSE.shape
def _sparse_to_dense_shape(context: ShapeContext) -> shapes.Shape:
    from refflow.ops.constant import shape_from

    context.match("output_shape", "R")
    context.match("default_value")
    dims, indices, values = (
        shape_from(context, "output_shape"),
        context.dims("sparse_indices"),
        context.dims("sparse_values"),
    )
    if indices is not None:
        if len(indices) > 2:
            raise ShapeError(f"sparse_indices should be a scalar, vector, or matrix, got shape {shapes.text(indices)}")
        depth = indices[1] if len(indices) == 2 else 1
        if dims is not None and depth is not None and depth != len(dims):
            raise ShapeError(f"output_shape has incorrect number of elements: {len(dims)} should be: {depth}")
        count = indices[0] if indices else 1
        if values and None not in (count, values[0]) and values[0] != count:
            raise ShapeError(f"sparse_values has incorrect shape {shapes.text(values)}, should be [] or [{count}]")
    return dims


@SPARSE_TO_DENSE.gradient
def _sparse_to_dense_gradient(op, dy):
    """Values get what stands at their places, the default all the rest."""
    from refflow.ops.nd import GATHER_ND
    from refflow.ops.reductions import reduce_sum

    indices, _, values, _ = op.inputs
    at = GATHER_ND(dy, indices)
    taken = at if values.dims != () else reduce_sum(at)
    return None, None, taken, reduce_sum(dy) - reduce_sum(at)


# -- order and shape --------------------------------------------------------------------------------------------

REORDER = define_op("SparseReorder", "input_indices: int64[N, R], input_values: T[N], input_shape: int64[R] "
                    "-> output_indices: int64[N, R], output_values: T[N]", T=ANY, source=("W06",))  # fmt: skip
RESHAPE = define_op("SparseReshape", "input_indices: int64[N, R], input_shape: int64[R], new_shape: int64[Q] "
                    "-> output_indices: int64[N, Q], output_shape: int64[Q]", source=("W06",))  # fmt: skip


@REORDER.kernel
def sparse_reorder_kernel(input_indices, input_values, input_shape):
    check_bounds(input_indices, input_shape)
    order = np.argsort(ravelled(input_indices, input_shape), kind="stable")
    return input_indices[order], input_values[order]


@REORDER.gradient
def _reorder_gradient(op, _, dvalues):
    """Each value's gradient goes back to where the value came from."""
    from refflow.ops.array import size
    from refflow.ops.joining import INVERT_PERMUTATION
    from refflow.ops.range import range_

    indices, values, dims = op.inputs
    _, moved = REORDER(indices, range_(0, size(values)), dims)
    return None, gather(dvalues, INVERT_PERMUTATION(moved)), None


@RESHAPE.kernel
def sparse_reshape_kernel(input_indices, input_shape, new_shape):
    wanted = [int(d) for d in new_shape]
    total = int(np.prod(input_shape, dtype=object)) if len(input_shape) else 1
    if wanted.count(-1) > 1:
        raise ValueError("only one output dimension may be -1")
    if any(d < -1 for d in wanted):
        raise ValueError(f"size {[d < -1 for d in wanted].index(True)} must be non-negative, not {min(wanted)}")
    if -1 in wanted:
        rest = int(np.prod([d for d in wanted if d != -1], dtype=object)) if len(wanted) > 1 else 1
        if rest == 0:
            raise ValueError(
                "reshape cannot infer the missing input size for an empty tensor unless all specified input sizes are "
                "non-zero"
            )
        if total % rest:
            raise ValueError(
                f"Input to reshape is a SparseTensor with {total} dense values, but the requested "
                "shape requires a multiple "
                f"of {rest}. input_shape={list(map(int, input_shape))} output_shape={list(map(int, new_shape))}"
            )
        wanted[wanted.index(-1)] = total // rest
    size = int(np.prod(wanted, dtype=object)) if wanted else 1
    if size != total:
        raise ValueError(
            f"Input to reshape is a tensor with {total} dense values, but the requested shape has {size}. "
            f"input_shape={list(map(int, input_shape))} output_shape={wanted}"
        )
    return unravelled(ravelled(input_indices, input_shape), wanted), np.array(wanted, np.int64)


RESHAPE.no_gradient()

# -- cutting and joining ----------------------------------------------------------------------------------------

SLICE = define_op(
    "SparseSlice", "indices: int64[N, R], values: T[N], shape: int64[R], start: int64[R], size: int64[R] "
    "-> output_indices: int64, output_values: T, output_shape: int64[R]", T=ANY, source=("W06",),
)  # fmt: skip
SLICE_GRAD = define_op(
    "SparseSliceGrad", "backprop_val_grad: T[M], input_indices: int64[N, R], input_start: int64[R], "
    "output_indices: int64[M, R] -> val_grad: T[N]", T=NUMBERS, source=("W30",),
)  # fmt: skip
SPLIT = define_op(
    "SparseSplit", "split_dim: int64[], indices: int64[N, R], values: T[N], shape: int64[R] -> "
    "output_indices: num_split * "
    "int64, output_values: num_split * T, output_shape: num_split * int64", num_split=Attr("int", minimum=1), T=ANY,
    source=("W06",),
)  # fmt: skip
CONCAT = define_op(
    "SparseConcat", "indices: N * int64, values: N * T, shapes: N * int64 -> output_indices: int64, output_values: T, "
    "output_shape: int64", concat_dim=Attr("int"), N=Attr("int", minimum=2), T=ANY, source=("W06",),
)  # fmt: skip


@SLICE.kernel
def sparse_slice_kernel(indices, values, shape, start, size):
    keep = ((indices >= start) & (indices < start + size)).all(axis=1)
    dims = np.maximum(0, np.minimum(size, shape - start))
    return indices[keep] - start, values[keep], dims.astype(np.int64)


@SLICE.shape
def _slice_shape(context: ShapeContext) -> list[shapes.Shape]:
    _checked_parts(context)
    dims = context.dims("shape")
    rank = None if dims is None else dims[0]
    return [(None, rank), (None,), (rank,)]


@SLICE.gradient
def _slice_gradient(op, _, dvalues, __):
    """Values outside the slice get zero."""
    indices, _, _, start, _ = op.inputs
    return None, SLICE_GRAD(dvalues, indices, start, op.outputs["output_indices"]), None, None, None


@SLICE_GRAD.kernel
def sparse_slice_grad_kernel(backprop_val_grad, input_indices, input_start, output_indices):
    moved = {tuple(p): i for i, p in enumerate((output_indices + input_start).tolist())}
    found = np.zeros(len(input_indices), backprop_val_grad.dtype)
    for i, place in enumerate(input_indices.tolist()):
        if tuple(place) in moved:
            found[i] = backprop_val_grad[moved[tuple(place)]]
    return found


SLICE_GRAD.no_gradient_registered()


@SPLIT.kernel
def sparse_split_kernel(split_dim, indices, values, shape, num_split):
    """Parts as equal as can be: the first ones are one longer."""
    axis = int(split_dim)
    axis += len(shape) if axis < 0 else 0
    if not 0 <= axis < len(shape):
        raise ValueError(f"Input split_dim should be between [0, rank), got {int(split_dim)} for rank {len(shape)}")
    length = int(shape[axis])
    if not 1 <= num_split <= max(length, 0):
        raise ValueError(
            f"Input num_split should be between 1 and the splitting dimension size ({length}), got {num_split}"
        )
    each, more = divmod(length, num_split)
    parts: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    begin = 0
    for i in range(num_split):
        end = begin + each + (i < more)
        keep = (indices[:, axis] >= begin) & (indices[:, axis] < end)
        moved = indices[keep].copy()
        moved[:, axis] -= begin
        dims = np.array(shape, np.int64)
        dims[axis] = end - begin
        for part, value in zip(parts, (moved, values[keep], dims), strict=True):
            part.append(value)
        begin = end
    return parts[0] + parts[1] + parts[2]


@SPLIT.shape
def _split_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims, count = context.dims("shape"), context.attrs["num_split"]
    rank = None if dims is None else dims[0]
    return [(None, rank)] * count + [(None,)] * count + [(rank,)] * count


SPLIT.no_gradient_registered()


@CONCAT.kernel
def sparse_concat_kernel(indices, values, shapes, concat_dim):
    rank = len(shapes[0])
    axis = concat_dim + rank if concat_dim < 0 else concat_dim
    if not 0 <= axis < rank:
        raise ValueError(f"Concat dimension must be in range [{-rank}, {rank}), got {concat_dim}")
    for i, dims in enumerate(shapes):
        others = [j for j in range(rank) if j != axis and len(dims) == rank and dims[j] != shapes[0][j]]
        if len(dims) != rank or others:
            raise ValueError(
                f"Input shapes must match: expected {[int(d) for d in shapes[0]]} got "
                f"{[int(d) for d in dims]} at position {i}"
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
    order = np.argsort(ravelled(places, whole), kind="stable")
    return places[order], joined[order], whole


@CONCAT.shape
def _concat_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = context.list_dims("shapes")[0]
    rank = None if dims is None else dims[0]
    return [(None, rank), (None,), (rank,)]


CONCAT.no_gradient_registered()

# -- sums and products ------------------------------------------------------------------------------------------

ADD = define_op(
    "SparseAdd", "a_indices: int64[N, R], a_values: T[N], a_shape: int64[R], b_indices: int64[M, R], b_values: T[M], "
    "b_shape: int64[R], thresh: Treal[] -> sum_indices: int64, sum_values: T, sum_shape: int64[R]", T=NUMBERS,
    Treal=REALS, accuracy="rounded", source=("W06",),
)  # fmt: skip
ADD_GRAD = define_op(
    "SparseAddGrad", "backprop_val_grad: T[K], a_indices: int64[N, R], b_indices: int64[M, R], "
    "sum_indices: int64[K, R] "
    "-> a_val_grad: T[N], b_val_grad: T[M]", T=NUMBERS, source=("W30",),
)  # fmt: skip
DENSE_ADD = define_op(
    "SparseTensorDenseAdd", "a_indices: Tindices[N, R], a_values: T[N], a_shape: Tindices[R], b: "
    "T[...S] -> output: T[...S]",
    T=NUMBERS, Tindices=Attr("type", allowed=INDICES), accuracy="rounded", source=("W06",),
)  # fmt: skip
DENSE_MATMUL = define_op(
    "SparseTensorDenseMatMul",
    "a_indices: Tindices[N, 2], a_values: T[N], a_shape: int64[2], b: T -> product: T",
    T=NUMBERS, Tindices=INDEX, adjoint_a=False, adjoint_b=False, accuracy="dot", source=("W06",),
)  # fmt: skip



@ADD.kernel
def sparse_add_kernel(a_indices, a_values, a_shape, b_indices, b_values, b_shape, thresh):
    """The union of places; sums smaller in size than `thresh` are left out."""
    if list(a_shape) != list(b_shape):
        at = int(np.flatnonzero(np.asarray(a_shape) != np.asarray(b_shape))[0])
        raise ValueError(
            f"Operands' shapes do not match: got {int(a_shape[at])} and {int(b_shape[at])} for dimension {at}"
        )
    numbers = np.concatenate([ravelled(a_indices, a_shape), ravelled(b_indices, a_shape)])
    unique, inverse = np.unique(numbers, return_inverse=True)
    total = np.zeros(len(unique), a_values.dtype)
    np.add.at(total, inverse, np.concatenate([a_values, b_values]))
    keep = (np.abs(total) >= thresh) if np.asarray(thresh) > 0 else np.ones(len(unique), bool)
    return unravelled(unique[keep], a_shape), total[keep], np.array(a_shape, np.int64)


@ADD.shape
def _add_shape(context: ShapeContext) -> list[shapes.Shape]:
    context.by_signature()
    rank = context.shape("R")[0]  # type: ignore[index]
    return [(None, rank), (None,), (rank,)]


@ADD.gradient
def _add_gradient(op, _, dvalues, __):
    """Each value gets what arrived at its place in the sum."""
    a, b = op.inputs["a_indices"], op.inputs["b_indices"]
    back = ADD_GRAD(dvalues, a, b, op.outputs["sum_indices"])
    return None, back.a_val_grad, None, None, back.b_val_grad, None, None


@ADD_GRAD.kernel
def sparse_add_grad_kernel(backprop_val_grad, a_indices, b_indices, sum_indices):
    at = {tuple(p): i for i, p in enumerate(sum_indices.tolist())}

    def picked(indices):
        found = np.zeros(len(indices), backprop_val_grad.dtype)
        for i, place in enumerate(indices.tolist()):
            if tuple(place) in at:
                found[i] = backprop_val_grad[at[tuple(place)]]
        return found

    return picked(a_indices), picked(b_indices)


ADD_GRAD.no_gradient()


@DENSE_ADD.kernel
def sparse_tensor_dense_add_kernel(a_indices, a_values, a_shape, b):
    if tuple(int(d) for d in a_shape) != b.shape:
        raise ValueError(f"Dimensions of a and b must match: {[int(d) for d in a_shape]} and {list(b.shape)}")
    check_bounds(a_indices, a_shape)
    found = np.array(b, copy=True)
    np.add.at(found, tuple(a_indices.T), a_values)
    return found


@DENSE_ADD.gradient
def _dense_add_gradient(op, dy):
    """Values get what stands at their places, the dense operand all."""
    from refflow.ops.nd import GATHER_ND

    return None, GATHER_ND(dy, op.inputs["a_indices"]), None, dy


@DENSE_MATMUL.kernel
def sparse_tensor_dense_matmul_kernel(a_indices, a_values, a_shape, b, adjoint_a=False, adjoint_b=False):
    rows, columns = (int(d) for d in a_shape)
    y, x, values = a_indices[:, 0], a_indices[:, 1], a_values
    if adjoint_a:
        rows, columns, y, x, values = columns, rows, x, y, np.conj(values)
    dense = np.conj(b.T) if adjoint_b else b
    if columns != dense.shape[0]:
        raise ValueError(
            f"Cannot multiply A and B because inner dimension does not match: {columns} vs. "
            f"{dense.shape[0]}.  Did you forget "
            f"a transpose?  Dimensions of A: [{int(a_shape[0])}, {int(a_shape[1])}).  Dimensions of B: {list(b.shape)}"
        )
    for name, at, limit in (("m", y, rows), ("k", x, columns)):
        bad = np.flatnonzero((at < 0) | (at >= limit))
        if len(bad):
            raise ValueError(f"{name} ({int(at[bad[0]])}) from index[{int(bad[0])},...] out of bounds (>={limit})")
    found = np.zeros((rows, dense.shape[1]), b.dtype if b.dtype != np.float16 else np.float32)
    np.add.at(found, y, values[:, None] * dense[x])
    return found.astype(b.dtype, copy=False)


@DENSE_MATMUL.shape
def _dense_matmul_shape(context: ShapeContext) -> shapes.Shape:
    b, dims = context.dims("b"), context.ints("a_shape")
    context.match("a_indices", "N", "2")
    context.match("a_values", "N")
    if b is not None and len(b) != 2:
        raise ShapeError(f"Tensor 'b' is not a matrix: it has shape {shapes.text(b)}")
    rows = None if dims is None else dims[1] if context.attrs["adjoint_a"] else dims[0]
    columns = None if b is None else b[0] if context.attrs["adjoint_b"] else b[1]
    return (rows, columns)


@DENSE_MATMUL.gradient
def _dense_matmul_gradient(op, dz):
    """db = a^H dz; each value gets the product of its row of dz and its row of b."""
    from refflow.ops.joining import transpose
    from refflow.ops.matmul import matmul
    from refflow.ops.nd import GATHER_ND

    indices, values, dims, b = op.inputs
    adj_a, adj_b = op.get_attr("adjoint_a"), op.get_attr("adjoint_b")
    db = DENSE_MATMUL(indices, values, dims, dz, adjoint_a=not adj_a)
    products = matmul(dz, b, transpose_b=not adj_b)  # [rows, columns] of op(a)
    products = transpose(products) if adj_a else products
    return None, GATHER_ND(products, indices), None, transpose(db) if adj_b else db


# -- reductions and rows ------------------------------------------------------------------------------------------


def _reduction(name: str, ufunc: Any, types: Any) -> tuple[OpDef, OpDef]:
    inputs = "input_indices: int64[N, R], input_values: T[N], input_shape: int64[R], reduction_axes: int32"
    to_dense = define_op(f"SparseReduce{name}", f"{inputs} -> output: T", keep_dims=False, T=types, accuracy="dot",
                         source=("W06",))  # fmt: skip
    to_sparse = define_op(
        f"SparseReduce{name}Sparse", f"{inputs} -> output_indices: int64, output_values: T, output_shape: int64",
        keep_dims=False, T=types, accuracy="dot", source=("W06",),
    )  # fmt: skip

    def reduced(indices, values, dims, axes):
        """Numbers of the kept places that occur, their values, and which axes are kept."""
        rank = len(dims)
        flat = [int(a) for a in np.reshape(axes, -1)] or list(range(rank))
        if any(not -rank <= a < rank for a in flat):
            raise ValueError(f"Invalid reduction dimension {flat}, for input with {rank} dimensions.")
        gone = {a % rank for a in flat}
        kept = [i for i in range(rank) if i not in gone]
        numbers = ravelled(indices[:, kept], [dims[i] for i in kept])
        unique, inverse = np.unique(numbers, return_inverse=True)
        first = np.full(len(unique), len(values), np.int64)
        np.minimum.at(first, inverse, np.arange(len(values)))
        total = np.zeros(len(unique), values.dtype) if ufunc is np.add else values[first]
        ufunc.at(total, inverse, values)
        return unique, total, kept

    def laid_out(dims, kept, keep_dims):
        whole = [int(d) if i in kept else 1 for i, d in enumerate(dims)]
        return whole if keep_dims else [int(dims[i]) for i in kept]

    @to_dense.kernel
    def dense_kernel(input_indices, input_values, input_shape, reduction_axes, keep_dims=False):
        unique, total, kept = reduced(input_indices, input_values, input_shape, reduction_axes)
        found = np.zeros(int(np.prod([int(input_shape[i]) for i in kept], dtype=np.int64)), input_values.dtype)
        found[unique] = total
        return found.reshape(laid_out(input_shape, kept, keep_dims))

    @to_sparse.kernel
    def sparse_kernel(input_indices, input_values, input_shape, reduction_axes, keep_dims=False):
        unique, total, kept = reduced(input_indices, input_values, input_shape, reduction_axes)
        places = unravelled(unique, [input_shape[i] for i in kept])
        if keep_dims:
            whole = np.zeros((len(places), len(input_shape)), np.int64)
            whole[:, kept] = places
            places = whole
        return places, total, np.array(laid_out(input_shape, kept, keep_dims), np.int64)

    @to_dense.shape
    def dense_shape(context: ShapeContext) -> shapes.Shape:
        from refflow.ops.constant import shape_from

        dims, axes = shape_from(context, "input_shape"), context.ints("reduction_axes")
        if dims is None or axes is None or any(not -len(dims) <= a < len(dims) for a in axes):
            return None
        gone = {a % len(dims) for a in axes} or set(range(len(dims)))
        if context.attrs["keep_dims"]:
            return tuple(1 if i in gone else d for i, d in enumerate(dims))
        return tuple(d for i, d in enumerate(dims) if i not in gone)

    @to_sparse.shape
    def sparse_shape(context: ShapeContext) -> list[shapes.Shape]:
        return [(None, None), (None,), (None,)]

    to_sparse.no_gradient()
    return to_dense, to_sparse


REDUCE_SUM, REDUCE_SUM_SPARSE = _reduction("Sum", np.add, NUMBERS)
REDUCE_MAX, REDUCE_MAX_SPARSE = _reduction("Max", np.maximum, REALS)
REDUCE_MAX.no_gradient_registered()


@REDUCE_SUM.gradient
def _reduce_sum_gradient(op, dy):
    """Each value gets the gradient of the sum that it went into."""
    from refflow.ops.array import reshape
    from refflow.ops.elementwise import cast
    from refflow.ops.nd import GATHER_ND
    from refflow.ops.reductions import reduced_ones

    indices, _, dims, axes = op.inputs
    ones_there = reduced_ones(cast(dims, axes.dtype), axes)
    spread = reshape(dy, ones_there)
    places = indices % cast(ones_there, int64)  # reduced axes have one place
    return None, GATHER_ND(spread, places), None, None


SOFTMAX = define_op("SparseSoftmax", "sp_indices: int64[N, R], sp_values: T[N], sp_shape: int64[R] -> output: T[N]",
                    T=FLOATS, accuracy="composed", source=("W06",))  # fmt: skip


@SOFTMAX.kernel
def sparse_softmax_kernel(sp_indices, sp_values, sp_shape):
    """Shares among the values of a row; what is not there counts as nothing."""
    rows = ravelled(sp_indices[:, :-1], sp_shape[:-1])
    unique, inverse = np.unique(rows, return_inverse=True)
    wide = sp_values.astype(np.float32) if sp_values.dtype == np.float16 else sp_values
    top = np.full(len(unique), -np.inf, wide.dtype)
    np.maximum.at(top, inverse, wide)
    exps = np.exp(wide - top[inverse])
    total = np.zeros(len(unique), wide.dtype)
    np.add.at(total, inverse, exps)
    return (exps / total[inverse]).astype(sp_values.dtype)


SOFTMAX.no_gradient_registered()

FILL_EMPTY_ROWS = define_op(
    "SparseFillEmptyRows", "indices: int64[N, R], values: T[N], dense_shape: int64[R], "
    "default_value: T[] -> output_indices: "
    "int64, output_values: T, empty_row_indicator: bool, reverse_index_map: int64[N]", T=ANY, source=("W06",),
)  # fmt: skip
FILL_EMPTY_ROWS_GRAD = define_op(
    "SparseFillEmptyRowsGrad", "reverse_index_map: int64[N], grad_values: T[M] -> d_values: T[N], d_default_value: T[]",
    T=ANY, source=("W30",),
)  # fmt: skip


@FILL_EMPTY_ROWS.kernel
def sparse_fill_empty_rows_kernel(indices, values, dense_shape, default_value):
    rows = int(dense_shape[0])
    bad = np.flatnonzero((indices[:, 0] < 0) | (indices[:, 0] >= rows))
    if len(bad):
        raise ValueError(f"indices({int(bad[0])}, 0) is invalid: {int(indices[bad[0], 0])} >= {rows}")
    counts = np.bincount(indices[:, 0], minlength=rows)
    empty = np.flatnonzero(counts == 0)
    fresh = np.zeros((len(empty), indices.shape[1]), np.int64)
    fresh[:, 0] = empty
    places = np.concatenate([indices, fresh])
    filling = np.full(len(empty), np.asarray(default_value)[()], values.dtype)
    order = np.argsort(places[:, 0], kind="stable")
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return places[order], np.concatenate([values, filling])[order], counts == 0, back[: len(indices)]


@FILL_EMPTY_ROWS.shape
def _fill_shape(context: ShapeContext) -> list[shapes.Shape]:
    context.by_signature()
    dims = context.ints("dense_shape")
    if dims is not None and not dims:
        raise ShapeError("Dense shape cannot be empty.")
    rank = context.shape("R")[0]  # type: ignore[index]
    return [(None, rank), (None,), (None if dims is None else dims[0],), context.shape("N")]


@FILL_EMPTY_ROWS.gradient
def _fill_gradient(op, _, dvalues, __, ___):
    """Each value gets its own; the default gets the sum over the rows that it filled."""
    back = FILL_EMPTY_ROWS_GRAD(op.outputs["reverse_index_map"], dvalues)
    return None, back.d_values, None, back.d_default_value


@FILL_EMPTY_ROWS_GRAD.kernel
def sparse_fill_empty_rows_grad_kernel(reverse_index_map, grad_values):
    if len(reverse_index_map) and not 0 <= reverse_index_map.min() <= reverse_index_map.max() < len(grad_values):
        raise ValueError(f"Elements in reverse index must be in [0, {len(grad_values)})")
    d_values = grad_values[reverse_index_map]
    rest = np.ones(len(grad_values), bool)
    rest[reverse_index_map] = False
    return d_values, np.asarray(grad_values[rest].sum(dtype=grad_values.dtype)).astype(grad_values.dtype)


FILL_EMPTY_ROWS_GRAD.no_gradient_registered()


# -- elementwise with a dense operand -----------------------------------------------------------------------------


def _with_dense(name: str, ufunc: Any) -> OpDef:
    op_def = define_op(
        f"SparseDenseCwise{name}", "sp_indices: int64[N, R], sp_values: T[N], sp_shape: int64[R], "
        "dense: T -> output: T[N]",
        T=NUMBERS, accuracy="rounded", source=("W06",),
    )  # fmt: skip

    @op_def.kernel
    def kernel(sp_indices, sp_values, sp_shape, dense):
        try:
            stretched = np.broadcast_to(dense, tuple(int(d) for d in sp_shape))
        except ValueError:
            raise ValueError(
                f"SparseDenseBinaryOpShared broadcasts dense to sparse only; got incompatible shapes: "
                f"[{','.join(str(int(d)) for d in sp_shape)}] vs. [{','.join(map(str, dense.shape))}]"
            ) from None
        check_bounds(sp_indices, sp_shape)
        return ufunc(sp_values, stretched[tuple(sp_indices.T)])

    return op_def


CWISE_ADD, CWISE_MUL, CWISE_DIV = (
    _with_dense(name, function) for name, function in (("Add", np.add), ("Mul", np.multiply), ("Div", np.divide))
)
for _op in (CWISE_ADD, CWISE_MUL, CWISE_DIV):
    _op.no_gradient_registered()

_I = np.array([[0, 1], [2, 0]])
_D = np.array([3, 2])
SPARSE_TO_DENSE.case("W06", "values at their places", Tindices="int64", sparse_indices=_I, output_shape=_D,
                     sparse_values=[5, 6], default_value=9, dense=[[9, 5], [9, 9], [6, 9]])  # fmt: skip
SPARSE_TO_DENSE.case("W06", "places come once", Tindices="int64", sparse_indices=np.array([[0], [0]]),
                     output_shape=np.array([2]), sparse_values=[1, 2], default_value=0,
                     error="indices[1] = [0] is repeated")  # fmt: skip
REORDER.case("W06", "row by row", input_indices=_I[::-1].copy(), input_values=[6, 5], input_shape=_D, output_indices=_I,
             output_values=[5, 6])  # fmt: skip
RESHAPE.case("W06", "another shape", input_indices=_I, input_shape=_D, new_shape=np.array([2, -1]),
             output_indices=np.array([[0, 1], [1, 1]]), output_shape=np.array([2, 3]))  # fmt: skip
SLICE.case("W06", "a block", indices=_I, values=[5, 6], shape=_D, start=np.array([1, 0]), size=np.array([2, 2]),
           output_indices=np.array([[1, 0]]), output_values=[6], output_shape=np.array([2, 2]))  # fmt: skip
SLICE_GRAD.case("W30", "zero outside", backprop_val_grad=[7], input_indices=_I, input_start=np.array([1, 0]),
                output_indices=np.array([[1, 0]]), val_grad=[0, 7])  # fmt: skip
SPLIT.case("W06", "the first part is longer", split_dim=np.int64(0), indices=_I, values=[5, 6], shape=_D, num_split=2,
           output_indices=[np.array([[0, 1]]), np.array([[0, 0]])], output_values=[[5], [6]],
           output_shape=[np.array([2, 2]), np.array([1, 2])])  # fmt: skip
CONCAT.case("W06", "one below the other", indices=[_I, np.array([[0, 0]])], values=[[5, 6], [7]],
            shapes=[_D, np.array([1, 2])], N=2, concat_dim=0, output_indices=np.array([[0, 1], [2, 0], [3, 0]]),
            output_values=[5, 6, 7], output_shape=np.array([4, 2]))  # fmt: skip
ADD.case("W06", "where either is", a_indices=_I, a_values=[5, 6], a_shape=_D, b_indices=np.array([[1, 1], [2, 0]]),
         b_values=[1, -6], b_shape=_D, thresh=0.5, sum_indices=np.array([[0, 1], [1, 1]]), sum_values=[5, 1],
         sum_shape=_D)  # fmt: skip
ADD.case("W06", "one alone", a_indices=np.array([[0, 1]]), a_values=[5], a_shape=_D, b_indices=np.array([[1, 1]]),
         b_values=[3], b_shape=_D, thresh=0, sum_indices=np.array([[0, 1], [1, 1]]), sum_values=[5, 3],
         sum_shape=_D)  # fmt: skip
ADD_GRAD.case("W30", "by place", backprop_val_grad=[1, 2], a_indices=_I, b_indices=np.array([[1, 1]]),
              sum_indices=np.array([[0, 1], [1, 1]]), a_val_grad=[1, 0], b_val_grad=[2])  # fmt: skip
DENSE_ADD.case("W06", "to a dense one", Tindices="int64", a_indices=_I, a_values=[5, 6], a_shape=_D,
               b=[[1, 1], [1, 1], [1, 1]], output=[[1, 6], [1, 1], [7, 1]])  # fmt: skip
DENSE_MATMUL.case("W06", "rows of b, weighed", a_indices=_I, a_values=[5, 6], a_shape=_D, b=[[1, 2], [3, 4]],
                  product=[[15, 20], [0, 0], [6, 12]])  # fmt: skip
REDUCE_SUM.case("W06", "over rows", input_indices=_I, input_values=[5, 6], input_shape=_D, reduction_axes=[1],
                output=[5, 0, 6])  # fmt: skip
REDUCE_SUM_SPARSE.case("W06", "only what is there", input_indices=_I, input_values=[5, 6], input_shape=_D,
                       reduction_axes=[1], output_indices=np.array([[0], [2]]), output_values=[5, 6],
                       output_shape=np.array([3]))  # fmt: skip
REDUCE_MAX.case("W06", "over columns", input_indices=_I, input_values=[5, 6], input_shape=_D, reduction_axes=[0],
                output=[6, 5])  # fmt: skip
REDUCE_MAX_SPARSE.case("W06", "only what is there", input_indices=_I, input_values=[5, 6], input_shape=_D,
                       reduction_axes=[1], output_indices=np.array([[0], [2]]), output_values=[5, 6],
                       output_shape=np.array([3]))  # fmt: skip
SOFTMAX.case("W06", "shares of a row", sp_indices=np.array([[0, 0], [0, 1], [1, 1]]), sp_values=[3, 3, 9], sp_shape=_D,
             output=[0.5, 0.5, 1])  # fmt: skip
FILL_EMPTY_ROWS.case("W06", "no row stays empty", indices=_I, values=[5, 6], dense_shape=_D, default_value=9,
                     output_indices=np.array([[0, 1], [1, 0], [2, 0]]), output_values=[5, 9, 6],
                     empty_row_indicator=[False, True, False], reverse_index_map=np.array([0, 2]))  # fmt: skip
FILL_EMPTY_ROWS_GRAD.case("W30", "the rest is the default's", reverse_index_map=np.array([0, 2]), grad_values=[1, 2, 4],
                          d_values=[1, 4], d_default_value=2)  # fmt: skip
_M = [[2, 2], [2, 2], [2, 2]]
CWISE_ADD.case("W06", "value by value", sp_indices=_I, sp_values=[5, 6], sp_shape=_D, dense=_M, output=[7, 8])
CWISE_MUL.case("W06", "value by value", sp_indices=_I, sp_values=[5, 6], sp_shape=_D, dense=_M, output=[10, 12])
CWISE_DIV.case("W06", "value by value", sp_indices=_I, sp_values=[5, 6], sp_shape=_D, dense=_M, output=[2.5, 3])


def sparse_to_dense(
    sparse_indices: Any, output_shape: Any, sparse_values: Any, default_value: Any = 0, name: str | None = None
) -> Tensor:
    """A dense tensor with `sparse_values` at `sparse_indices` and `default_value` elsewhere."""
    return SPARSE_TO_DENSE(sparse_indices, output_shape, sparse_values, default_value, name=name)
