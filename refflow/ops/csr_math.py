"""Arithmetic of sparse matrices in compressed rows.

    SparseMatrixMatMul          C = op(A) op(B), B dense        SparseMatrixSparseMatMul    both sparse
    SparseMatrixTranspose       A^T, or A^H                     SparseMatrixAdd             alpha A + beta B
    SparseMatrixMul             A times one number per matrix   SparseMatrixSoftmax         over the entries of each row

In a product, entry (i, k) of A meets row k of B; what meets in row i is added up.

Next: ops/csr_cholesky.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import float32, float64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.batch_matmul import adjoint
from refflow.ops.csr import CSR, NUMBER, Rows, compressed, element, matrix_of, scalar_variant, typed

_FLAGS: dict[str, Any] = {"transpose_a": False, "transpose_b": False, "adjoint_a": False, "adjoint_b": False}
_REAL = Attr("type", allowed=(float32, float64))

MATMUL = define_op("SparseMatrixMatMul", "a: variant, b: T -> output: T", T=Attr("type"), transpose_output=False,
                   conjugate_output=False, accuracy="dot", source=("W06",), **_FLAGS)  # fmt: skip
SPARSE_MATMUL = define_op("SparseMatrixSparseMatMul", "a: variant, b: variant -> c: variant", type=NUMBER,
                          accuracy="dot", source=("W06",), **_FLAGS)  # fmt: skip
TRANSPOSE = define_op("SparseMatrixTranspose", "input: variant -> output: variant", conjugate=False, type=NUMBER,
                      source=("W06",))  # fmt: skip
ADD = define_op("SparseMatrixAdd", "a: variant, b: variant, alpha: T, beta: T -> c: variant", T=NUMBER,
                accuracy="rounded", source=("W06",))  # fmt: skip
MUL = define_op("SparseMatrixMul", "a: variant, b: T -> output: variant", T=Attr("type"), accuracy="rounded",
                source=("W06",))  # fmt: skip
SOFTMAX = define_op("SparseMatrixSoftmax", "logits: variant -> softmax: variant", type=_REAL,
                    accuracy="transcendental", source=("W06",))  # fmt: skip
SOFTMAX_GRAD = define_op("SparseMatrixSoftmaxGrad", "softmax: variant, grad_softmax: variant -> gradient: variant",
                         type=_REAL, accuracy="transcendental", source=("W30",))  # fmt: skip
for _op in (MATMUL, SPARSE_MATMUL, TRANSPOSE, ADD, MUL, SOFTMAX, SOFTMAX_GRAD):
    _op.no_gradient_registered()


def row_sums(part: Rows, terms: np.ndarray) -> np.ndarray:
    """[rows, ...]: the sum of `terms` [nnz, ...] over each row's entries."""
    found = np.zeros((len(part.row_ptrs) - 1, *terms.shape[1:]), terms.dtype)
    filled = np.flatnonzero(np.diff(part.row_ptrs))
    if len(filled):
        found[filled] = np.add.reduceat(terms, part.row_ptrs[filled], axis=0)
    return found


def _merged(rows: np.ndarray, cols: np.ndarray, values: np.ndarray, dims: tuple[int, ...]) -> Rows:
    """Entries in order of place, those of one place added."""
    places, inverse = np.unique(rows.astype(np.int64) * dims[1] + cols, return_inverse=True)
    sums = np.zeros(len(places), values.dtype)
    np.add.at(sums, inverse.reshape(-1), values)
    at_row, at_column = np.divmod(places, max(dims[1], 1))
    return compressed(at_row, at_column, sums, dims[0])


def transposed(csr: CSR, conjugate: bool = False) -> CSR:
    """Rows become columns."""
    dims = (*csr.dense_shape[:-2], csr.dense_shape[-1], csr.dense_shape[-2])
    parts = []
    for part in csr.parts:
        order = np.argsort(part.col_inds, kind="stable")
        values = part.values.conj() if conjugate else part.values
        parts.append(compressed(part.col_inds[order], part.rows[order], values[order], dims[-2]))
    return CSR(dims, tuple(parts), csr.dtype)


def _turned(csr: CSR, transpose: bool, conjugate: bool) -> CSR:
    return transposed(csr, conjugate) if transpose or conjugate else csr


def _one_of(attrs: dict[str, Any]) -> None:
    for side in "ab":
        if attrs[f"adjoint_{side}"] and attrs[f"transpose_{side}"]:
            raise ShapeError(f"Only one of adjoint_{side} and transpose_{side} may be true.")


@MATMUL.kernel
def sparse_matrix_mat_mul_kernel(
    a, b, T, transpose_a=False, transpose_b=False, adjoint_a=False, adjoint_b=False, transpose_output=False,
    conjugate_output=False,
):  # fmt: skip
    csr = matrix_of(a)
    if csr.dtype != T:
        raise ValueError(f"Input types don't match.  a.dtype == {csr.dtype.c_name} vs. b.dtype == {T.c_name}")
    if len(csr.dense_shape) != b.ndim:
        raise ValueError(f"Ranks of a and b must match, saw: {len(csr.dense_shape)} vs. {b.ndim}.")
    csr = _turned(csr, transpose_a, adjoint_a)
    dense = adjoint(b) if adjoint_b else np.swapaxes(b, -1, -2) if transpose_b else b
    if csr.dense_shape[:-2] != dense.shape[:-2]:
        raise ValueError(
            f"Batch size of a and b do not agree. {shapes.text(csr.dense_shape)} vs. {shapes.text(dense.shape)}"
        )
    if csr.dense_shape[-1] != dense.shape[-2]:
        raise ValueError(
            "Inner product dimensions of A and B do not agree. Shapes are: "
            f"{shapes.text(csr.dense_shape)} vs. {shapes.text(dense.shape)}"
        )
    each = dense.reshape(len(csr.parts), *dense.shape[-2:])
    product = np.zeros((len(csr.parts), csr.dense_shape[-2], dense.shape[-1]), b.dtype)
    for i, part in enumerate(csr.parts):
        product[i] = row_sums(part, part.values[:, None] * each[i][part.col_inds])
    product = product.reshape(*csr.dense_shape[:-1], dense.shape[-1])
    product = np.swapaxes(product, -1, -2) if transpose_output else product
    return np.conj(product) if conjugate_output else product


@MATMUL.shape
def _mat_mul_shape(context: ShapeContext) -> shapes.Shape:
    _one_of(context.attrs)
    b = context.dims("b")
    return None if b is None else (None,) * len(b)


def _meeting(a: Rows, b: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and value of every product of an entry of a and one of b."""
    lengths = np.diff(b.row_ptrs)[a.col_inds]
    left = np.repeat(np.arange(len(a.values)), lengths)
    within = np.arange(len(left)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    right = b.row_ptrs[a.col_inds[left]] + within
    return a.rows[left], b.col_inds[right], a.values[left] * b.values[right]


@SPARSE_MATMUL.kernel
def sparse_matrix_sparse_mat_mul_kernel(
    a, b, type, transpose_a=False, transpose_b=False, adjoint_a=False, adjoint_b=False
):
    left = _turned(typed(a, type), transpose_a, adjoint_a)
    right = _turned(typed(b, type), transpose_b, adjoint_b)
    if left.dense_shape[:-2] != right.dense_shape[:-2] or left.dense_shape[-1] != right.dense_shape[-2]:
        raise ValueError(
            "Inner product dimensions of A and B do not agree.  Shapes are: "
            f"{shapes.text(left.dense_shape)} vs. {shapes.text(right.dense_shape)}"
        )
    dims = (*left.dense_shape[:-1], right.dense_shape[-1])
    parts = [_merged(*_meeting(x, y), dims[-2:]) for x, y in zip(left.parts, right.parts, strict=True)]
    return element(CSR(dims, tuple(parts), type))


@SPARSE_MATMUL.shape
def _sparse_mat_mul_shape(context: ShapeContext) -> shapes.Shape:
    _one_of(context.attrs)
    return ()


@TRANSPOSE.kernel
def sparse_matrix_transpose_kernel(input, type, conjugate=False):
    return element(transposed(typed(input, type), conjugate))


def _same_shape(a: CSR, b: CSR) -> None:
    if a.dense_shape != b.dense_shape:
        raise ValueError(f"Shapes of a and b must match: {shapes.text(a.dense_shape)} vs. {shapes.text(b.dense_shape)}")


@ADD.kernel
def sparse_matrix_add_kernel(a, b, alpha, beta, T):
    left, right = typed(a, T), typed(b, T)
    _same_shape(left, right)
    parts = []
    for x, y in zip(left.parts, right.parts, strict=True):
        rows, cols = np.concatenate([x.rows, y.rows]), np.concatenate([x.col_inds, y.col_inds])
        parts.append(_merged(rows, cols, np.concatenate([alpha * x.values, beta * y.values]), left.dense_shape[-2:]))
    return element(left.with_parts(parts))


@ADD.shape
def _add_shape(context: ShapeContext) -> shapes.Shape:
    for name in ("alpha", "beta"):
        if context.dims(name) not in (None, ()):
            raise ShapeError(f"{name} must be a scalar, got shape {shapes.text(context.dims(name))}")
    return ()


@MUL.kernel
def sparse_matrix_mul_kernel(a, b, T):
    csr = typed(a, T)
    if b.ndim and (b.ndim != len(csr.dense_shape) or b.shape != (len(csr.parts), 1, 1)):
        raise errors.UnimplementedError(None, None, "b must be a scalar or shaped [batch_size, 1, 1]")
    by = np.broadcast_to(b.reshape(-1), len(csr.parts))
    parts = [Rows(x.row_ptrs, x.col_inds, x.values * y) for x, y in zip(csr.parts, by, strict=True)]
    return element(csr.with_parts(parts))


def _softmax(part: Rows) -> Rows:
    rows = part.rows
    top = np.full(len(part.row_ptrs) - 1, -np.inf, part.values.dtype)
    np.maximum.at(top, rows, part.values)
    exps = np.exp(part.values - top[rows])
    return Rows(part.row_ptrs, part.col_inds, exps / row_sums(part, exps)[rows])


@SOFTMAX.kernel
def sparse_matrix_softmax_kernel(logits, type):
    csr = typed(logits, type)
    return element(csr.with_parts([_softmax(part) for part in csr.parts]))


def _softmax_grad(softmax: Rows, grad: Rows, columns: int) -> Rows:
    """dx = (dy - sum of dy y over the row) y, where a place that dy lacks counts as 0."""
    place = softmax.rows.astype(np.int64) * columns + softmax.col_inds
    known = grad.rows.astype(np.int64) * columns + grad.col_inds
    order = np.argsort(known, kind="stable")
    at = np.searchsorted(known[order], place)
    dy = np.zeros_like(softmax.values)
    found = at < len(known)
    found[found] = known[order][at[found]] == place[found]
    dy[found] = grad.values[order][at[found]]
    total = row_sums(softmax, dy * softmax.values)[softmax.rows]
    return Rows(softmax.row_ptrs, softmax.col_inds, (dy - total) * softmax.values)


@SOFTMAX_GRAD.kernel
def sparse_matrix_softmax_grad_kernel(softmax, grad_softmax, type):
    y, dy = typed(softmax, type), typed(grad_softmax, type)
    _same_shape(y, dy)
    columns = y.dense_shape[-1]
    return element(y.with_parts([_softmax_grad(p, q, columns) for p, q in zip(y.parts, dy.parts, strict=True)]))


TRANSPOSE.shape(scalar_variant("input"))
MUL.shape(scalar_variant("a"))
SOFTMAX.shape(scalar_variant("logits"))
SOFTMAX_GRAD.shape(scalar_variant("softmax"))
