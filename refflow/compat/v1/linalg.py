"""tf.linalg: matrices under short names, and the linear operators.

Next: compat/v1/spectral.py.
"""

from __future__ import annotations

from typing import Any

from refflow import cholesky, global_norm, matrix_determinant
from refflow.compat.v1.arrays import matrix_band_part
from refflow.compat.v1.derived import derived
from refflow.compat.v1.freer import einsum
from refflow.compat.v1.math import matmul, tensordot
from refflow.compat.v1.matrices import (
    cholesky_solve,
    matrix_diag,
    matrix_diag_part,
    matrix_set_diag,
    matrix_solve_ls,
    matrix_transpose,
    matrix_triangular_solve,
    self_adjoint_eig,
    self_adjoint_eigvals,
    svd,
)
from refflow.compat.v1.more import eye, matrix_solve, trace
from refflow.compat.v1.nn import l2_normalize
from refflow.compat.v1.plain import cross, matrix_inverse, matrix_square_root, qr
from refflow.compat.v1.solutions import (
    eigh_tridiagonal,
    expm,
    logdet,
    lu_matrix_inverse,
    lu_reconstruct,
    lu_solve,
    matrix_rank,
    matvec,
    norm,
    normalize,
    pinv,
    tridiagonal_matmul,
    tridiagonal_solve,
)
from refflow.core.graph import Tensor
from refflow.ops.diag import diag as tensor_diag

__all__ = [
    "adjoint", "band_part", "cholesky", "cholesky_solve", "cross", "det", "diag", "diag_part", "eigh",
    "eigh_tridiagonal", "eigvalsh", "einsum", "expm", "eye", "global_norm", "inv", "l2_normalize", "logdet", "logm",
    "lstsq", "lu", "lu_matrix_inverse", "lu_reconstruct", "lu_solve", "matmul", "matrix_rank", "matrix_transpose",
    "matvec", "norm", "normalize", "pinv", "qr", "set_diag", "slogdet", "solve", "sqrtm", "svd", "tensor_diag",
    "tensor_diag_part", "tensordot", "trace", "transpose", "triangular_solve", "tridiagonal_matmul",
    "tridiagonal_solve",
]  # fmt: skip

band_part, diag, diag_part, set_diag = matrix_band_part, matrix_diag, matrix_diag_part, matrix_set_diag
det, inv, solve, sqrtm = matrix_determinant, matrix_inverse, matrix_solve, matrix_square_root
lstsq, triangular_solve, transpose = matrix_solve_ls, matrix_triangular_solve, matrix_transpose
eigh, eigvalsh = self_adjoint_eig, self_adjoint_eigvals
logm, lu, slogdet = derived("MatrixLogarithm", "logm"), derived("Lu"), derived("LogMatrixDeterminant", "slogdet")
tensor_diag_part = derived("DiagPart", "tensor_diag_part")


def adjoint(matrix: Any, name: str | None = None) -> Tensor:
    """Each matrix transposed, its numbers conjugated."""
    return matrix_transpose(matrix, name or "adjoint", conjugate=True)


def __getattr__(name: str) -> Any:
    """Linear operators, which are loaded when they are first asked for: few programs use them."""
    if name.startswith("LinearOperator"):
        from refflow.compat.v1 import linear_operators

        return getattr(linear_operators, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
