"""Least squares: the X for which A X comes nearest to B, and its length counts for a little too.

    MatrixSolveLs       X = argmin |A X - B|^2 + l2 |X|^2

    fast, M >= N        (A^H A + l2 I) X = A^H B           by the triangular factor of the Gram matrix
    fast, M < N         X = A^H (A A^H + l2 I)^-1 B        the shortest X where many fit
    not fast            X = A^+ B; l2 does not count       by singular values: A may lack rank

The gradient, with the factor's C = (A^H A + l2 I)^-1 and Z = C dX for M >= N:

    dA = (B - A X) Z^H - A Z X^H        dB = A Z

Next: ops/decompositions.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import float32, float64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op, define_variant
from refflow.core.shape_checks import size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.values import wide
from refflow.ops.batch_matmul import BATCH_MATMUL_V2, adjoint
from refflow.ops.elementwise import NEG
from refflow.ops.linalg import MATRIX_SOLVE, TYPES
from refflow.ops.matrix_checks import equations, has_nan

MATRIX_SOLVE_LS = define_op("MatrixSolveLs", "matrix: T, rhs: T, l2_regularizer: float64 -> output: T", T=TYPES,
                            fast=True, accuracy="composed", source=("W06",))  # fmt: skip


def _by_normal_equations(gram: np.ndarray, b: np.ndarray, l2: float, hint: str) -> np.ndarray:
    """(gram + l2 I)^-1 b; an error where the sum is not positive, so that X would not be unique."""
    whole = gram + np.eye(gram.shape[-1], dtype=gram.dtype) * gram.dtype.type(l2)
    if has_nan(whole):
        return np.full(b.shape, np.nan, b.dtype)
    try:
        factor = np.linalg.cholesky(whole)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"Input matrix was rank deficient or ill-conditioned. Try setting fast=False or provide {hint} "
            "l2_regularizer > 0."
        ) from None
    return np.linalg.solve(adjoint(factor), np.linalg.solve(factor, b))


@MATRIX_SOLVE_LS.kernel
def matrix_solve_ls_kernel(matrix, rhs, l2_regularizer, fast=True):
    a, b, l2 = wide(matrix), wide(rhs), float(l2_regularizer)
    if l2 < 0:
        raise ValueError("l2_regularizer must be >= 0.")
    m, n = a.shape[-2:]
    if not m or not n or not b.size:
        x = np.zeros((*a.shape[:-2], n, b.shape[-1]), a.dtype)
    elif not fast:
        x = np.linalg.pinv(np.where(np.isfinite(a), a, 0), rcond=max(m, n) * np.finfo(a.dtype).eps) @ b
    elif m >= n:
        x = _by_normal_equations(adjoint(a) @ a, adjoint(a) @ b, l2, "a larger")
    else:
        x = adjoint(a) @ _by_normal_equations(a @ adjoint(a), b, l2, "an")
    return x.astype(rhs.dtype)


@MATRIX_SOLVE_LS.shape
def _solve_ls_shape(context: ShapeContext) -> shapes.Shape:
    a, b = equations(context)
    l2 = context.dims("l2_regularizer")
    if l2 is not None and l2 != ():
        raise ShapeError(f"l2_regularizer must be scalar, got shape {shapes.text(l2).replace(' ', '')}")
    known = a or b
    if known is None:
        return None
    batch = shapes.merge(None if a is None else a[:-2], None if b is None else b[:-2]) or ()
    return (*batch, size_at(a, -1), size_at(b, -1))


def _product(x, y, **flags):
    return BATCH_MATMUL_V2(x, y, **flags)


@MATRIX_SOLVE_LS.gradient
def _solve_ls_gradient(op, dx):
    """Through the normal equations, whichever of the two forms is smaller."""
    from refflow.ops.cast import cast

    a, b, l2 = op.inputs
    x = op.outputs[0]
    rows, columns = (None, None) if a.dims is None else a.dims[-2:]
    if rows is None or columns is None:
        raise NotImplementedError("MatrixSolveLs: its gradient needs to know the matrix's last two dimensions")
    tall = rows >= columns
    size = min(rows, columns)
    gram = _product(a, a, adj_x=True) if tall else _product(a, a, adj_y=True)
    whole = gram + cast(l2, a.dtype) * np.eye(size, dtype=a.dtype.as_numpy_dtype)
    if tall:
        z = MATRIX_SOLVE(whole, dx)
        fit = _product(a, z)
        da = _product(b - _product(a, x), z, adj_y=True) - _product(fit, x, adj_y=True)
        return da, fit, None
    w = MATRIX_SOLVE(whole, b)  # X = A^H W
    db = MATRIX_SOLVE(whole, _product(a, dx))
    rest = dx - _product(a, db, adj_x=True)
    da = _product(w, rest, adj_y=True) + NEG(_product(db, x, adj_y=True))
    return da, db, None


MATRIX_SOLVE_LS.case("W06", "the best for three equations", matrix=[[1], [1], [1]], rhs=[[1], [2], [3]],
                     l2_regularizer=np.float64(1), output=[[1.5]])  # fmt: skip
MATRIX_SOLVE_LS.case("W06", "the shortest of many", matrix=[[3, 4]], rhs=[[25]], l2_regularizer=np.float64(0),
                     fast=False, output=[[3], [4]])  # fmt: skip
MATRIX_SOLVE_LS.case("W06", "the shortest, with a weight", matrix=[[3, 4]], rhs=[[30]], l2_regularizer=np.float64(5),
                     output=[[3], [4]])  # fmt: skip
MATRIX_SOLVE_LS.case("W06", "rank is needed to be fast", matrix=[[0], [0]], rhs=[[1], [2]],
                     l2_regularizer=np.float64(0), error="Input matrix was rank deficient")  # fmt: skip
MATRIX_SOLVE_LS.case("W06", "a weight is not negative", matrix=[[1]], rhs=[[1]], l2_regularizer=np.float64(-1),
                     error="l2_regularizer must be >= 0.")  # fmt: skip
define_variant("BatchMatrixSolveLs", MATRIX_SOLVE_LS, T=(float32, float64))
