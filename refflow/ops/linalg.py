"""Linear algebra of batches of square matrices: inverse, determinant, equations, triangular factors.

    MatrixInverse       A^-1                        dA = -A^-T dY A^-T
    MatrixDeterminant   det A                       dA = dy det(A) A^-T
    MatrixSolve         X with A X = B              dB = A^-T dX, dA = -dB X^T
    Cholesky            lower L with L L^T = A

A^T is the conjugate transpose where numbers are complex. LAPACK, through NumPy, does the work.

Next: ops/decompositions.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import complex64, complex128, float16, float32, float64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op, define_variant
from refflow.core.shape_rules import ShapeContext
from refflow.ops.batch_matmul import BATCH_MATMUL_V2, adjoint
from refflow.ops.elementwise import NEG

TYPES = (float16, float32, float64, complex64, complex128)

MATRIX_INVERSE = define_op("MatrixInverse", "input: T -> output: T", T=TYPES, adjoint=False, accuracy="composed",
                           source=("W06",))  # fmt: skip
MATRIX_DETERMINANT = define_op(
    "MatrixDeterminant", "input: T -> output: T", T=TYPES, accuracy="composed", source=("W06",)
)
LOG_MATRIX_DETERMINANT = define_op("LogMatrixDeterminant", "input: T -> sign: T, log_abs_determinant: T", T=TYPES,
                                   accuracy="composed", source=("W06",))  # fmt: skip
MATRIX_SOLVE = define_op("MatrixSolve", "matrix: T, rhs: T -> output: T", T=TYPES, adjoint=False, accuracy="composed",
                         source=("W06",))  # fmt: skip
TRIANGULAR_SOLVE = define_op("MatrixTriangularSolve", "matrix: T, rhs: T -> output: T", T=TYPES, lower=True,
                             adjoint=False, accuracy="composed", source=("W06",))  # fmt: skip
CHOLESKY = define_op("Cholesky", "input: T -> output: T", T=TYPES, accuracy="composed", source=("W06",))
CHOLESKY_GRAD = define_op("CholeskyGrad", "l: T, grad: T -> output: T", T=TYPES, accuracy="composed", source=("W30",))
MATRIX_SOLVE_LS = define_op("MatrixSolveLs", "matrix: T, rhs: T, l2_regularizer: float64[] -> output: T", T=TYPES,
                            fast=True, accuracy="composed", source=("W06",))  # fmt: skip


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32) if x.dtype == np.float16 else x


def square(context: ShapeContext, name: str = "input") -> shapes.Shape:
    """The shape of a batch of square matrices."""
    dims = context.dims(name)
    if dims is None:
        return None
    if len(dims) < 2:
        raise ShapeError(f"Input matrix must be at least rank 2, got shape {shapes.text(dims)}")
    if not shapes.compatible(dims[-2:-1], dims[-1:]):
        raise ShapeError(f"Input matrix must be square, got shape {shapes.text(dims)}")
    return dims


@MATRIX_INVERSE.kernel
def matrix_inverse_kernel(input, adjoint=False):
    x = np.swapaxes(input, -1, -2).conj() if adjoint else input
    try:
        return np.linalg.inv(_wide(x)).astype(input.dtype)
    except np.linalg.LinAlgError:
        raise ValueError("Input is not invertible.") from None


@MATRIX_DETERMINANT.kernel
def matrix_determinant_kernel(input):
    return np.asarray(np.linalg.det(_wide(input))).astype(input.dtype)


@LOG_MATRIX_DETERMINANT.kernel
def log_matrix_determinant_kernel(input):
    sign, log = np.linalg.slogdet(_wide(input))
    return np.asarray(sign).astype(input.dtype), np.asarray(log).astype(input.dtype)


@MATRIX_SOLVE.kernel
def matrix_solve_kernel(matrix, rhs, adjoint=False):
    a = np.swapaxes(matrix, -1, -2).conj() if adjoint else matrix
    if not rhs.size:
        return np.zeros(rhs.shape, rhs.dtype)
    try:
        return np.linalg.solve(_wide(a), _wide(rhs)).astype(rhs.dtype)
    except np.linalg.LinAlgError:
        raise ValueError("Input matrix is not invertible.") from None


@TRIANGULAR_SOLVE.kernel
def matrix_triangular_solve_kernel(matrix, rhs, lower=True, adjoint=False):
    """Row after row from the corner; only the triangle that `lower` names is read."""
    a = _wide(matrix)
    a = np.tril(a) if lower else np.triu(a)
    if adjoint:
        a, lower = np.swapaxes(a, -1, -2).conj(), not lower
    if a.size and not np.diagonal(a, 0, -2, -1).all():
        raise ValueError("Input matrix is not invertible.")
    batch = np.broadcast_shapes(a.shape[:-2], rhs.shape[:-2])
    a = np.broadcast_to(a, (*batch, *a.shape[-2:]))
    x = np.array(np.broadcast_to(_wide(rhs), (*batch, *rhs.shape[-2:])), copy=True)
    count = a.shape[-1]
    for i in range(count) if lower else range(count - 1, -1, -1):
        done = slice(0, i) if lower else slice(i + 1, count)
        known = np.matmul(a[..., i : i + 1, done], x[..., done, :])
        x[..., i : i + 1, :] = (x[..., i : i + 1, :] - known) / a[..., i : i + 1, i : i + 1]
    return x.astype(rhs.dtype)


@CHOLESKY.kernel
def cholesky_kernel(input):
    lower = np.tril(_wide(input))  # the other triangle is not read
    diagonal = np.real(np.einsum("...ii->...i", lower))
    strict = np.tril(lower, -1)
    whole = strict + np.swapaxes(strict, -1, -2).conj()
    np.einsum("...ii->...i", whole)[...] = diagonal
    try:
        return np.linalg.cholesky(whole).astype(input.dtype)
    except np.linalg.LinAlgError:
        raise ValueError("Cholesky decomposition was not successful. The input might not be valid.") from None


@CHOLESKY_GRAD.kernel
def cholesky_grad_kernel(l, grad):  # noqa: E741  (the input's name)
    """L^-T phi(L^T dL) L^-1, symmetrized: phi halves the diagonal and drops what is above it."""
    factor, dl = _wide(l), np.tril(_wide(grad))
    middle = np.tril(adjoint(factor) @ dl)
    np.einsum("...ii->...i", middle)[...] *= 0.5
    inverse = np.linalg.inv(factor)
    da = adjoint(inverse) @ middle @ inverse
    return ((da + adjoint(da)) / 2).astype(l.dtype)


@MATRIX_SOLVE_LS.kernel
def matrix_solve_ls_kernel(matrix, rhs, l2_regularizer, fast=True):
    """X that minimizes |A X - B|**2 + l2 * |X|**2; the smallest such X where there are several."""
    a, b, l2 = _wide(matrix), _wide(rhs), float(l2_regularizer)
    if not fast or l2 == 0:
        x = np.linalg.pinv(a, rcond=1e-15) @ b
        return x.astype(rhs.dtype)
    m, n = a.shape[-2:]
    if m >= n:
        eye = np.eye(n, dtype=a.dtype) * a.dtype.type(l2)
        return np.linalg.solve(adjoint(a) @ a + eye, adjoint(a) @ b).astype(rhs.dtype)
    eye = np.eye(m, dtype=a.dtype) * a.dtype.type(l2)
    return (adjoint(a) @ np.linalg.solve(a @ adjoint(a) + eye, b)).astype(rhs.dtype)


MATRIX_INVERSE.shape(square)
CHOLESKY.shape(square)


@CHOLESKY_GRAD.shape
def _cholesky_grad_shape(context: ShapeContext) -> shapes.Shape:
    return square(context, "l")


@MATRIX_DETERMINANT.shape
def _determinant_shape(context: ShapeContext) -> shapes.Shape:
    dims = square(context)
    return None if dims is None else dims[:-2]


@LOG_MATRIX_DETERMINANT.shape
def _log_determinant_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = square(context)
    return [None if dims is None else dims[:-2]] * 2


@MATRIX_SOLVE.shape
def _solve_shape(context: ShapeContext) -> shapes.Shape:
    a, b = square(context, "matrix"), context.dims("rhs")
    if b is not None and len(b) < 2:
        raise ShapeError(f"rhs must be at least rank 2, got shape {shapes.text(b)}")
    if a is not None and b is not None and not shapes.compatible(a[:-1], b[:-1]):
        raise ShapeError(f"Dimensions must be equal: matrix has shape {shapes.text(a)}, and rhs {shapes.text(b)}")
    return b


@TRIANGULAR_SOLVE.shape
def _triangular_shape(context: ShapeContext) -> shapes.Shape:
    a, b = square(context, "matrix"), context.dims("rhs")
    if b is not None and len(b) < 2:
        raise ShapeError(f"In[1] ndims must be >= 2: {len(b)}")
    if a is None or b is None:
        return None
    if None not in (a[-1], b[-2]) and a[-1] != b[-2]:
        raise ShapeError(f"In[0] mismatch In[1] shape: {a[-1]} vs. {b[-2]}: {shapes.text(a)} {shapes.text(b)}")
    return (*(shapes.broadcast(a[:-2], b[:-2]) or ()), *b[-2:])


@MATRIX_SOLVE_LS.shape
def _solve_ls_shape(context: ShapeContext) -> shapes.Shape:
    a, b = context.dims("matrix"), context.dims("rhs")
    if a is None or b is None:
        return None
    if len(a) < 2 or len(b) < 2 or not shapes.compatible(a[:-1], b[:-1]):
        raise ShapeError(f"matrix has shape {shapes.text(a)}, and rhs {shapes.text(b)}: rows must agree")
    return (*a[:-2], a[-1], b[-1])


def _product(x: Tensor, y: Tensor, adj_x: bool = False, adj_y: bool = False) -> Tensor:
    return BATCH_MATMUL_V2(x, y, adj_x=adj_x, adj_y=adj_y)


@MATRIX_INVERSE.gradient
def _inverse_gradient(op, dy):
    """dA = -A^-T dY A^-T."""
    y = op.outputs[0]
    if op.get_attr("adjoint"):
        return NEG(_product(_product(y, dy, adj_y=True), y))
    return NEG(_product(y, _product(dy, y, adj_y=True), adj_x=True))


@MATRIX_DETERMINANT.gradient
def _determinant_gradient(op, dy):
    """dA = dy det(A) A^-T."""
    from refflow.ops.array import expand_dims

    inverse = MATRIX_INVERSE(op.inputs[0], adjoint=True)
    return expand_dims(expand_dims(dy * op.outputs[0], -1), -1) * inverse


@LOG_MATRIX_DETERMINANT.gradient
def _log_determinant_gradient(op, _, dlog):
    """dA = dlog A^-T."""
    from refflow.ops.array import expand_dims

    return expand_dims(expand_dims(dlog, -1), -1) * MATRIX_INVERSE(op.inputs[0], adjoint=True)


@MATRIX_SOLVE.gradient
def _solve_gradient(op, dx):
    """dB = A^-T dX, dA = -dB X^T."""
    a, x = op.inputs[0], op.outputs[0]
    adj = op.get_attr("adjoint")
    db = MATRIX_SOLVE(a, dx, adjoint=not adj)
    da = NEG(_product(x, db, adj_y=True)) if adj else NEG(_product(db, x, adj_y=True))
    return da, db


@TRIANGULAR_SOLVE.gradient
def _triangular_gradient(op, dx):
    """As of MatrixSolve, kept to the triangle that was read."""
    from refflow.ops.batch_matmul import _summed_to
    from refflow.ops.matrix_diag import BAND_PART

    a, b = op.inputs
    x, adj, lower = op.outputs[0], op.get_attr("adjoint"), op.get_attr("lower")
    db = TRIANGULAR_SOLVE(a, dx, lower=lower, adjoint=not adj)
    da = NEG(_product(x, db, adj_y=True)) if adj else NEG(_product(db, x, adj_y=True))
    da = BAND_PART(da, np.int64(-1), np.int64(0)) if lower else BAND_PART(da, np.int64(0), np.int64(-1))
    same = a.dims is not None and b.dims is not None and a.dims[:-2] == b.dims[:-2] and None not in a.dims[:-2]
    return (da, db) if same else (_summed_to(da, a, b), _summed_to(db, b, a))


@CHOLESKY.gradient
def _cholesky_gradient(op, dl):
    """By the reverse of the factorization."""
    return CHOLESKY_GRAD(op.outputs[0], dl)


CHOLESKY_GRAD.no_gradient_registered()
MATRIX_SOLVE_LS.no_gradient_registered()

_A = [[4.0, 2.0], [2.0, 5.0]]
MATRIX_INVERSE.case("W06", "times the matrix is one", input=[[2, 0], [0, 4]], output=[[0.5, 0], [0, 0.25]])
MATRIX_INVERSE.case("W06", "singular matrices have none", input=[[1, 1], [1, 1]], error="Input is not invertible.")
MATRIX_DETERMINANT.case("W06", "the product of a diagonal", input=[[2, 0], [0, 4]], output=8)
LOG_MATRIX_DETERMINANT.case(
    "W06", "sign and size apart", input=[[-2, 0], [0, 4]], sign=-1, log_abs_determinant=np.log(8)
)
MATRIX_SOLVE.case("W06", "two equations", matrix=[[2, 0], [0, 4]], rhs=[[2], [8]], output=[[1], [2]])
TRIANGULAR_SOLVE.case("W06", "row after row", matrix=[[2, 9], [1, 4]], rhs=[[2], [9]], output=[[1], [2]])
CHOLESKY.case("W06", "a square root of sorts", input=_A, output=[[2, 0], [1, 2]])
CHOLESKY.case("W06", "positive matrices only", input=[[-1.0, 0.0], [0.0, 1.0]], error="Cholesky decomposition was not")
CHOLESKY_GRAD.case("W30", "of a number: half over the root", l=[[2.0]], grad=[[4.0]], output=[[1]])
MATRIX_SOLVE_LS.case("W06", "the best for three equations", matrix=[[1], [1], [1]], rhs=[[1], [2], [3]],
                     l2_regularizer=np.float64(1), output=[[1.5]])  # fmt: skip

BATCH_CHOLESKY = define_variant("BatchCholesky", CHOLESKY)
BATCH_MATRIX_INVERSE = define_variant("BatchMatrixInverse", MATRIX_INVERSE)
BATCH_MATRIX_DETERMINANT = define_variant("BatchMatrixDeterminant", MATRIX_DETERMINANT)


def matrix_inverse(input: Any, name: str | None = None) -> Tensor:
    """The inverse of a square matrix [M, M]; InvalidArgument where there is none."""
    return MATRIX_INVERSE(input, name=name)


def matrix_determinant(input: Any, name: str | None = None) -> Tensor:
    """The determinant of a square matrix [M, M]."""
    return MATRIX_DETERMINANT(input, name=name)


def cholesky(input: Any, name: str | None = None) -> Tensor:
    """The lower triangular L with L L^T = `input`, which is symmetric and positive; only its lower part is read."""
    return CHOLESKY(input, name=name)


def batch_matrix_inverse(input: Any, name: str | None = None) -> Tensor:
    """The inverses of matrices [..., M, M]."""
    return BATCH_MATRIX_INVERSE(input, name=name)


def batch_matrix_determinant(input: Any, name: str | None = None) -> Tensor:
    """The determinants of matrices [..., M, M]."""
    return BATCH_MATRIX_DETERMINANT(input, name=name)


def batch_cholesky(input: Any, name: str | None = None) -> Tensor:
    """The lower triangular factors of matrices [..., M, M]."""
    return BATCH_CHOLESKY(input, name=name)
