"""Sparse tensors with dense ones [W06].

    SparseTensorDenseAdd                        the dense tensor with the values added at their places
    SparseDenseCwiseAdd, ...Mul, ...Div         the values with what the dense tensor, stretched, has at their places
    SparseTensorDenseMatMul                     rows of a dense matrix, weighed by the values and added

Next: ops/sparse_reduce.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, NUMBERS, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_equal, need_rank, of_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.sparse import ANY, first_outside, same_counts

DENSE_ADD = define_op(
    "SparseTensorDenseAdd", "a_indices: Tindices, a_values: T, a_shape: Tindices, b: T -> output: T",
    T=NUMBERS, Tindices=Attr("type", allowed=INDICES), accuracy="rounded", source=("W06",),
)  # fmt: skip
DENSE_MATMUL = define_op(
    "SparseTensorDenseMatMul", "a_indices: Tindices, a_values: T, a_shape: int64, b: T -> product: T", T=ANY,
    Tindices=Attr("type", default=int64, allowed=INDICES), adjoint_a=False, adjoint_b=False, accuracy="dot",
    source=("W06",),
)  # fmt: skip
_WITH_DENSE = "sp_indices: int64, sp_values: T, sp_shape: int64, dense: T -> output: T"
CWISE_ADD, CWISE_MUL, CWISE_DIV = (
    define_op(f"SparseDenseCwise{name}", _WITH_DENSE, T=NUMBERS, accuracy="rounded", source=("W06",))
    for name in ("Add", "Mul", "Div")
)
CWISE_ADD.no_gradient_registered()


@DENSE_ADD.kernel
def sparse_tensor_dense_add_kernel(a_indices, a_values, a_shape, b):
    if len(a_shape) != b.ndim:
        raise ValueError(f"Two operands have different ranks; received: {len(a_shape)} and {b.ndim}")
    for axis in np.flatnonzero(np.asarray(b.shape) != a_shape)[:1]:
        raise ValueError(
            f"Dimension {axis} does not equal (no broadcasting is supported): sparse side {int(a_shape[axis])} vs "
            f"dense side {b.shape[axis]}"
        )
    at = first_outside(a_indices, b.shape)
    if at is not None:
        axis = int(np.flatnonzero((a_indices[at] < 0) | (a_indices[at] >= b.shape))[0])
        raise ValueError(
            f"Sparse tensor has an invalid index on dimension {axis}: a_indices({at},{axis}) = {a_indices[at, axis]}, "
            f"dense tensor shape: {' '.join(map(str, b.shape))}"
        )
    found = np.array(b, copy=True)
    np.add.at(found, tuple(a_indices.T), a_values)
    return found


@DENSE_ADD.shape
def _dense_add_shape(context: ShapeContext) -> shapes.Shape:
    indices, values, dims, b = (context.dims(a.name) for a in DENSE_ADD.inputs)
    need_rank(indices, 2, "Input a_indices should be a matrix but received shape: {0}")
    _two_vectors(values, dims, "Inputs a_values and a_shape should be vectors but received shapes: {0} and {1}")
    same_counts(indices, values, dims, *["Dimensions {0} and {1} are not compatible"] * 2)
    return b


def _two_vectors(values: shapes.Shape, dims: shapes.Shape, text: str) -> None:
    if any(d is not None and len(d) != 1 for d in (values, dims)):
        raise ShapeError(text.format(*(shapes.text(d) for d in (values, dims))))


@DENSE_ADD.gradient
def _dense_add_gradient(op, dy):
    """Values get what stands at their places, the dense operand all."""
    from refflow.ops.nd import GATHER_ND

    return None, GATHER_ND(dy, op.inputs["a_indices"]), None, dy


@DENSE_MATMUL.kernel
def sparse_tensor_dense_matmul_kernel(a_indices, a_values, a_shape, b, adjoint_a=False, adjoint_b=False):
    """product[row] = sum of values[i] b[column] over the places (row, column) of the row."""
    rows, columns = (int(d) for d in a_shape)
    y, x, values = a_indices[:, 0], a_indices[:, 1], a_values
    if adjoint_a:
        rows, columns, y, x, values = columns, rows, x, y, np.conj(values)
    dense = np.conj(b.T) if adjoint_b else b
    if columns != dense.shape[0]:
        raise ValueError(
            f"Cannot multiply A and B because inner dimension does not match: {columns} vs. {dense.shape[0]}.  Did you "
            f"forget a transpose?  Dimensions of A: [{int(a_shape[0])}, {int(a_shape[1])}).  Dimensions of B: "
            f"{shapes.text(b.shape)}"
        )
    for name, at, limit, column in (("k", x, columns, 1 - adjoint_a), ("m", y, rows, int(adjoint_a))):
        for i in np.flatnonzero((at < 0) | (at >= limit))[:1]:
            raise ValueError(f"{name} ({int(at[i])}) from index[{i},{column}] out of bounds (>={limit})")
    wide = np.float32 if b.dtype == np.float16 else b.dtype
    found = np.zeros((rows, dense.shape[1]), wide)
    order = np.argsort(y, kind="stable")
    starts = np.flatnonzero(np.diff(y[order], prepend=-1))
    if len(starts):
        terms = values[order, None].astype(wide) * dense[x[order]].astype(wide)
        found[y[order][starts]] = np.add.reduceat(terms, starts, axis=0)
    return found.astype(b.dtype, copy=False)


@DENSE_MATMUL.shape
def _dense_matmul_shape(context: ShapeContext) -> shapes.Shape:
    indices, values, dims, b = (context.dims(a.name) for a in DENSE_MATMUL.inputs)
    need_rank(b, 2, "Tensor 'b' is not a matrix")
    need_rank(dims, 1, "Tensor 'a_shape' is not a vector")
    need_equal(size_at(dims, 0), 2, "Tensor 'a_shape' must have 2 elements")
    need_rank(values, 1, "Tensor 'a_values' is not a vector")
    need_rank(indices, 2, "Tensor 'a_indices' is not a matrix")
    need_equal(size_at(indices, 0), size_at(values, 0),
               "Number of rows of a_indices does not match number of entries in a_values")  # fmt: skip
    need_equal(size_at(indices, 1), 2, "Number of columns of a_indices does not match number of entries in a_shape")
    sizes = context.ints("a_shape")
    known = of_rank(context.sizes("a_shape"), 2) if sizes is None else sizes
    rows = known[1] if context.attrs["adjoint_a"] else known[0]
    if rows is not None and rows < 0:
        raise ShapeError(f"Tensor 'a_shape' must not hold negative sizes, but is {shapes.text(sizes or ())}")
    columns = known[0 if context.attrs["adjoint_a"] else 1]
    inner = size_at(b, 1 if context.attrs["adjoint_b"] else 0)
    need_equal(columns, inner, "Cannot multiply A and B because inner dimension does not match: {0} vs. {1}. "
               "Dimensions must be equal, but are {0} and {1}: transpose one of them?")  # fmt: skip
    return (rows, size_at(b, 0 if context.attrs["adjoint_b"] else 1))


@DENSE_MATMUL.gradient
def _dense_matmul_gradient(op, dz):
    """db = a^H dz; each value gets the product of its row of dz and its row of b."""
    from refflow.ops.array import reshape
    from refflow.ops.complex import CONJ
    from refflow.ops.gather import gather
    from refflow.ops.joining import split
    from refflow.ops.reductions import reduce_sum
    from refflow.ops.transpose import transpose

    indices, values, dims, b = op.inputs
    adj_a, adj_b = op.attrs["adjoint_a"], op.attrs["adjoint_b"]
    is_complex = b.dtype.base_dtype.is_complex
    db = DENSE_MATMUL(indices, values, dims, dz, adjoint_a=not adj_a)
    if adj_b:
        db = CONJ(transpose(db)) if is_complex else transpose(db)
    rows, columns = (reshape(part, [-1]) for part in split(1, 2, indices))
    of_dz = gather(dz, columns if adj_a else rows)
    of_b = gather(transpose(b) if adj_b else b, rows if adj_a else columns)
    if is_complex:
        of_b = of_b if adj_b else CONJ(of_b)
        of_dz, of_b = (CONJ(of_dz), CONJ(of_b)) if adj_a else (of_dz, of_b)
    return None, reduce_sum(of_dz * of_b, 1), None, db


def _quotient(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whole numbers round towards zero, as C's do."""
    if a.dtype.kind in "fc":
        return a / b
    down = a // b
    return down + ((down < 0) & (down * b != a)).astype(a.dtype)


def _at_places(op_def: OpDef, function: Callable[..., np.ndarray]) -> None:
    """An op of the sparse tensor's values and the dense ones, stretched, at their places."""

    @op_def.kernel
    def kernel(sp_indices, sp_values, sp_shape, dense):
        sizes = tuple(int(d) for d in sp_shape)
        fits = dense.ndim <= len(sizes) and all(
            d in (1, s) for d, s in zip(reversed(dense.shape), reversed(sizes), strict=False)
        )
        if not fits:
            raise ValueError(
                "SparseDenseBinaryOpShared broadcasts dense to sparse only; got incompatible shapes: "
                f"{shapes.text(sizes)} vs. {shapes.text(dense.shape)}"
            )
        if first_outside(sp_indices, sizes) is not None:
            raise ValueError("Provided indices are out-of-bounds w.r.t. dense side with broadcasted shape")
        there = np.broadcast_to(dense, sizes)[tuple(sp_indices.T)]
        if op_def is CWISE_DIV and (there == 0).any():
            raise ValueError("SparseDenseCwiseDiv cannot divide by zero,but input dense tensor contains zero ")
        return function(sp_values, there)

    @op_def.shape
    def rule(context: ShapeContext) -> shapes.Shape:
        indices, values, dims = (context.dims(n) for n in ("sp_indices", "sp_values", "sp_shape"))
        need_rank(indices, 2, "Input sp_indices should be a matrix but received shape: {0}")
        _two_vectors(values, dims, "Inputs sp_values and sp_shape should be vectors but received shapes: {0} and {1}")
        need_equal(size_at(values, 0), size_at(indices, 0),
                   "The first dimension of values and indices should match. ({0} vs. {1})")  # fmt: skip
        need_equal(size_at(dims, 0), size_at(indices, 1),
                   "Number of dimensions must match second dimension of indices. Got {0} dimensions, indices shape: "
                   f"{shapes.text(indices or ())}")  # fmt: skip
        return (same_counts(indices, values, dims)[0],)


_at_places(CWISE_ADD, np.add)
_at_places(CWISE_MUL, np.multiply)
_at_places(CWISE_DIV, _quotient)


def _at_places_gradient(op: Any, slopes: Callable[[Any, Any], tuple[Any, Any]]) -> tuple[Any, ...]:
    """The values' slopes, and the dense operand's laid out at its own places; it may have been stretched."""
    from refflow.ops.array import expand_dims, fill, shape, size
    from refflow.ops.cast import cast
    from refflow.ops.constant import zeros_like
    from refflow.ops.joining import concat
    from refflow.ops.nd import GATHER_ND
    from refflow.ops.slicing import slice_

    indices, values, dims, y = op.inputs
    y_shape = cast(shape(y), int64)
    added = expand_dims(size(dims) - size(y_shape), 0)
    stretch = dims / concat(0, [cast(fill(added, 1), int64), y_shape])
    places = slice_(indices / stretch, concat(0, [np.array([0], np.int32), added]), [-1, -1])
    dx, dy = slopes(values, GATHER_ND(y, places))
    return None, dx, None, DENSE_ADD(places, dy, y_shape, zeros_like(y))


@CWISE_MUL.gradient
def _cwise_mul_gradient(op, dz):
    """d(xy) = y dx + x dy."""
    return _at_places_gradient(op, lambda x, y: (dz * y, dz * x))


@CWISE_DIV.gradient
def _cwise_div_gradient(op, dz):
    """d(x/y) = dx / y - x dy / y^2."""
    return _at_places_gradient(op, lambda x, y: (dz / y, -dz * x / (y * y)))


_I, _D = np.array([[0, 1], [2, 0]]), np.array([3, 2])
_M = [[2, 2], [2, 2], [2, 2]]
DENSE_ADD.case("W06", "to a dense one", Tindices="int64", a_indices=_I, a_values=[5, 6], a_shape=_D,
               b=[[1, 1], [1, 1], [1, 1]], output=[[1, 6], [1, 1], [7, 1]])  # fmt: skip
DENSE_MATMUL.case("W06", "rows of b, weighed", a_indices=_I, a_values=[5, 6], a_shape=_D, b=[[1, 2], [3, 4]],
                  product=[[15, 20], [0, 0], [6, 12]])  # fmt: skip
DENSE_MATMUL.case("W06", "transposed", a_indices=_I, a_values=[5, 6], a_shape=_D, adjoint_a=True, adjoint_b=True,
                  b=[[1, 0, 2], [0, 3, 4]], product=[[12, 24], [5, 0]])  # fmt: skip
CWISE_ADD.case("W06", "value by value", sp_indices=_I, sp_values=[5, 6], sp_shape=_D, dense=_M, output=[7, 8])
CWISE_MUL.case("W06", "value by value", sp_indices=_I, sp_values=[5, 6], sp_shape=_D, dense=_M, output=[10, 12])
CWISE_MUL.case("W06", "the dense one is stretched", sp_indices=_I, sp_values=[5, 6], sp_shape=_D, dense=[2, 3],
               output=[15, 12])  # fmt: skip
CWISE_DIV.case("W06", "value by value", sp_indices=_I, sp_values=[5, 6], sp_shape=_D, dense=_M, output=[2.5, 3])
