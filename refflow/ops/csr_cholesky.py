"""Triangular factors of sparse matrices, and an order of rows in which they stay sparse.

    SparseMatrixOrderingAMD       p, so that A[p, p] has a factor with few entries
    SparseMatrixSparseCholesky    lower L with L L^H = A[p, p]

Eliminating a row joins all its neighbours with each other. The order takes the row with the fewest neighbours first
(minimum degree), the lowest number among equals.

Next: ops/composite_variant.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.ops.csr import CSR, NUMBER, Rows, asked, compressed, element, matrix_of, scalar_variant

ORDERING_AMD = define_op("SparseMatrixOrderingAMD", "input: variant -> output: int32", source=("W06",))
SPARSE_CHOLESKY = define_op("SparseMatrixSparseCholesky", "input: variant, permutation: int32 -> output: variant",
                            type=NUMBER, accuracy="composed", source=("W06",))  # fmt: skip
for _op in (ORDERING_AMD, SPARSE_CHOLESKY):
    _op.no_gradient_registered()


def _must_be_square(csr: CSR) -> int:
    rows, columns = csr.dense_shape[-2:]
    if rows != columns:
        raise ValueError(f"sparse matrix must be square; got: {rows} != {columns}")
    return rows


def minimum_degree(part: Rows) -> list[int]:
    """An order of elimination for one symmetric matrix."""
    count = len(part.row_ptrs) - 1
    near: list[set[int]] = [set() for _ in range(count)]
    for i, j in zip(part.rows.tolist(), part.col_inds.tolist(), strict=True):
        if i != j:
            near[i].add(j)
            near[j].add(i)
    left, order = set(range(count)), []
    while left:
        node = min(left, key=lambda i: (len(near[i]), i))
        for other in near[node]:
            near[other] |= near[node]
            near[other] -= {node, other}
        left.remove(node)
        order.append(node)
    return order


@ORDERING_AMD.kernel
def ordering_amd_kernel(input):
    csr = matrix_of(input)
    rows = _must_be_square(csr)
    orders = np.array([minimum_degree(part) for part in csr.parts], np.int32).reshape(len(csr.parts), rows)
    return orders if len(csr.dense_shape) == 3 else orders[0]


@ORDERING_AMD.shape
def _ordering_shape(context: ShapeContext) -> shapes.Shape:
    return None


def _factor(part: Rows, order: np.ndarray) -> Rows:
    """Column after column of L: left-looking, with a dense column as workspace."""
    count = len(order)
    whole = np.zeros((count, count), part.values.dtype)
    whole[part.rows, part.col_inds] = part.values
    whole = np.tril(whole[np.ix_(order, order)])
    for j in range(count):
        with np.errstate(all="ignore"):
            pivot = np.sqrt(whole[j, j].real)
        if not pivot > 0:
            raise ValueError
        whole[j:, j] /= pivot
        below = j + 1 + np.flatnonzero(whole[j + 1 :, j])
        whole[np.ix_(below, below)] -= np.outer(whole[below, j], whole[below, j].conj())
    rows, cols = np.nonzero(np.tril(whole))
    return compressed(rows, cols, whole[rows, cols], count)


@SPARSE_CHOLESKY.kernel
def sparse_cholesky_kernel(input, permutation, type):
    csr = asked(input, type)
    rows = _must_be_square(csr)
    if len(csr.dense_shape) != permutation.ndim + 1:
        raise ValueError(
            f"sparse matrix must have the same rank as permutation; got: {len(csr.dense_shape)} != "
            f"{permutation.ndim} + 1."
        )
    if permutation.shape[-1] != rows:
        raise ValueError(
            "permutation must have the same number of elements in each batch as the number of rows in sparse matrix; "
            f"got: {permutation.shape[-1]} != {rows}"
        )
    if permutation.ndim == 2 and len(permutation) != len(csr.parts):
        raise ValueError(
            f"permutation must have the same batch size as sparse matrix; got: {len(permutation)} != {len(csr.parts)}"
        )
    if ((permutation < 0) | (permutation >= rows)).any():
        raise ValueError(f"permutation must have numbers in [0, {rows}), got {permutation.tolist()}")
    parts = []
    for i, (part, order) in enumerate(zip(csr.parts, permutation.reshape(-1, rows), strict=True)):
        try:
            parts.append(_factor(part, order))
        except ValueError:
            raise ValueError(
                f"Sparse Cholesky factorization failed for batch index {i}. The input might not be valid."
            ) from None
    return element(csr.with_parts(parts))


SPARSE_CHOLESKY.shape(scalar_variant("input"))
