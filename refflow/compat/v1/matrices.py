"""Small linear algebra of 1.x: diagonals, triangles, least squares, decompositions.

Next: compat/v1/solutions.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.derived import derived
from refflow.compat.v1.numbers import real
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def

__all__ = [
    "cholesky_solve", "matrix_diag", "matrix_diag_part", "matrix_set_diag", "matrix_solve_ls", "matrix_transpose",
    "matrix_triangular_solve", "self_adjoint_eig", "self_adjoint_eigvals", "svd",
]  # fmt: skip


def matrix_diag(
    diagonal: Any, name: str | None = "diag", k: Any = 0, num_rows: Any = -1, num_cols: Any = -1,
    padding_value: Any = 0, align: str = "RIGHT_LEFT",
) -> Tensor:  # fmt: skip
    """Matrices with these diagonals, or bands of diagonals k = (low, high)."""
    diagonal = convert_to_tensor(diagonal)
    padding = convert_to_tensor(padding_value, diagonal.dtype.base_dtype)
    return op_def("MatrixDiagV3")(diagonal, k, num_rows, num_cols, padding, align=align, name=name)


def matrix_diag_part(
    input: Any, name: str | None = "diag_part", k: Any = 0, padding_value: Any = 0, align: str = "RIGHT_LEFT"
) -> Tensor:
    """The diagonal of each matrix, or the band of diagonals k = (low, high)."""
    input = convert_to_tensor(input)
    padding = convert_to_tensor(padding_value, input.dtype.base_dtype)
    return op_def("MatrixDiagPartV3")(input, k, padding, align=align, name=name)


def matrix_set_diag(
    input: Any, diagonal: Any, name: str | None = "set_diag", k: Any = 0, align: str = "RIGHT_LEFT"
) -> Tensor:
    """Each matrix with these diagonals in the place of its own."""
    return op_def("MatrixSetDiagV3")(input, diagonal, k, align=align, name=name)


def matrix_transpose(a: Any, name: str | None = "matrix_transpose", conjugate: bool = False) -> Tensor:
    """Each matrix transposed; `conjugate` gives the adjoint."""
    from refflow.compat.v1.arrays import shape

    with op_scope([a], name, "transpose"):
        a = convert_to_tensor(a)
        rank = a.get_shape().ndims
        if rank is not None and rank < 2:
            raise ValueError(f"Argument `a` should be a (batch) matrix with rank >= 2. Received `a` = {a.get_shape()}")
        op = op_def("ConjugateTranspose" if conjugate and a.dtype.is_complex else "Transpose")
        if rank is None:
            last = op_def("Size")(shape(a))
            order = op_def("ConcatV2")([op_def("Range")(0, last - 2, 1), [last - 1, last - 2]], 0)
            return op(a, order)
        return op(a, [*range(rank - 2), rank - 1, rank - 2])


matrix_triangular_solve = derived("MatrixTriangularSolve")


def matrix_solve_ls(
    matrix: Any, rhs: Any, l2_regularizer: Any = 0.0, fast: bool = True, name: str | None = None
) -> Tensor:
    """The x for which |matrix x - rhs|^2 + l2_regularizer |x|^2 is least; the shortest one of several if not `fast`."""
    matrix = convert_to_tensor(matrix)
    weight = convert_to_tensor(l2_regularizer, "float64")
    return op_def("MatrixSolveLs")(matrix, rhs, weight, fast=fast, name=name)


def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Tensor:
    """The x of A x = rhs, where chol is A's Cholesky factor: two triangular systems."""
    with op_scope([chol, rhs], name, "cholesky_solve"):
        chol = convert_to_tensor(chol)
        inner = op_def("MatrixTriangularSolve")(chol, rhs, adjoint=False, lower=True)
        return op_def("MatrixTriangularSolve")(chol, inner, adjoint=True, lower=True)


def self_adjoint_eig(tensor: Any, name: str | None = None) -> Any:
    """(e, v): the eigenvalues of each symmetric matrix in ascending order, and its eigenvectors as columns."""
    return op_def("SelfAdjointEigV2")(tensor, compute_v=True, name=name)


def self_adjoint_eigvals(tensor: Any, name: str | None = None) -> Tensor:
    """The eigenvalues of each symmetric matrix, in ascending order."""
    return op_def("SelfAdjointEigV2")(tensor, compute_v=False, name=name).e


def svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None) -> Any:
    """(s, u, v) with tensor = u diag(s) v^H, or s alone."""
    found = op_def("Svd")(tensor, compute_uv=compute_uv, full_matrices=full_matrices, name=name)
    s = real(found.s)
    return (s, found.u, found.v) if compute_uv else s
