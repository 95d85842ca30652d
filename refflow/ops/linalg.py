"""Linear algebra of batches of square matrices: inverse, determinant, equations, triangular factors.

    MatrixInverse       A^-1                        dA = -A^-T dY A^-T
    MatrixDeterminant   det A                       dA = dy det(A) A^-T
    MatrixSolve         X with A X = B              dB = A^-T dX, dA = -dB X^T
    Cholesky            lower L with L L^T = A; nan where A is not positive

A^T is the conjugate transpose where numbers are complex. LAPACK, through NumPy, does the work.

Next: ops/least_squares.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes, work
from refflow.core.dtypes import complex64, complex128, float16, float32, float64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op, define_variant
from refflow.core.shape_checks import either, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.values import wide
from refflow.ops.batch_matmul import BATCH_MATMUL_V2, adjoint
from refflow.ops.elementwise import NEG
from refflow.ops.matrix_checks import equations, has_nan, matrices, must_be_square, square, squared, stretched

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
CHOLESKY_GRAD = define_op("CholeskyGrad", "l: T, grad: T -> output: T", T=(float16, float32, float64),
                          accuracy="composed", source=("W30",))  # fmt: skip


def _must_be_regular(x: np.ndarray, result: np.ndarray, text: str) -> np.ndarray:
    """`result`, unless it is nan because `x` was."""
    if has_nan(result) and has_nan(x):
        raise ValueError(text)
    return result


for _op in (MATRIX_INVERSE, MATRIX_DETERMINANT, LOG_MATRIX_DETERMINANT, MATRIX_SOLVE, TRIANGULAR_SOLVE, CHOLESKY,
            CHOLESKY_GRAD):  # fmt: skip
    _op.work(work.cubic)  # [W19]


@MATRIX_INVERSE.kernel
def matrix_inverse_kernel(input, adjoint=False):
    x = wide(np.swapaxes(input, -1, -2).conj() if adjoint else input)
    try:
        return _must_be_regular(x, np.linalg.inv(x), "Input is not invertible.").astype(input.dtype)
    except np.linalg.LinAlgError:
        raise ValueError("Input is not invertible.") from None


@MATRIX_DETERMINANT.kernel
def matrix_determinant_kernel(input):
    return np.asarray(np.linalg.det(wide(input))).astype(input.dtype)


@LOG_MATRIX_DETERMINANT.kernel
def log_matrix_determinant_kernel(input):
    sign, log = (np.asarray(part) for part in np.linalg.slogdet(wide(input)))
    sign = np.where(np.isnan(log), log, sign)
    return sign.astype(input.dtype), log.astype(input.dtype)


@MATRIX_SOLVE.kernel
def matrix_solve_kernel(matrix, rhs, adjoint=False):
    a = wide(np.swapaxes(matrix, -1, -2).conj() if adjoint else matrix)
    if not rhs.size:
        return np.zeros(rhs.shape, rhs.dtype)
    try:
        x = np.linalg.solve(a, wide(rhs))
        return _must_be_regular(a, x, "Input matrix is not invertible.").astype(rhs.dtype)
    except np.linalg.LinAlgError:
        raise ValueError("Input matrix is not invertible.") from None


@TRIANGULAR_SOLVE.kernel
def matrix_triangular_solve_kernel(matrix, rhs, lower=True, adjoint=False):
    """Row after row from the corner; only the triangle that `lower` names is read. A zero there divides."""
    a = wide(matrix)
    a = np.tril(a) if lower else np.triu(a)
    if adjoint:
        a, lower = np.swapaxes(a, -1, -2).conj(), not lower
    batch = np.broadcast_shapes(a.shape[:-2], rhs.shape[:-2])
    a = np.broadcast_to(a, (*batch, *a.shape[-2:]))
    x = np.array(np.broadcast_to(wide(rhs), (*batch, *rhs.shape[-2:])), copy=True)
    count = a.shape[-1]
    for i in range(count) if lower else range(count - 1, -1, -1):
        done = slice(0, i) if lower else slice(i + 1, count)
        known = np.matmul(a[..., i : i + 1, done], x[..., done, :])
        x[..., i : i + 1, :] = (x[..., i : i + 1, :] - known) / a[..., i : i + 1, i : i + 1]
    return x.astype(rhs.dtype)


def _factor_or_nan(x: np.ndarray) -> np.ndarray:
    """The triangular factor of one matrix; where there is none, its triangle is nan (as complex numbers, zero)."""
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        blank = np.zeros((), x.dtype) if x.dtype.kind == "c" else np.array(np.nan, x.dtype)
        return np.tril(np.full(x.shape, blank))


@CHOLESKY.kernel
def cholesky_kernel(input):
    lower = np.tril(wide(input))  # the other triangle is not read
    diagonal = np.real(np.einsum("...ii->...i", lower))
    strict = np.tril(lower, -1)
    whole = strict + np.swapaxes(strict, -1, -2).conj()
    np.einsum("...ii->...i", whole)[...] = diagonal
    try:
        return np.linalg.cholesky(whole).astype(input.dtype)
    except np.linalg.LinAlgError:
        each = [_factor_or_nan(x) for x in whole.reshape(-1, *whole.shape[-2:])]
        return np.stack(each).reshape(whole.shape).astype(input.dtype)


@CHOLESKY_GRAD.kernel
def cholesky_grad_kernel(l, grad):  # noqa: E741  (the input's name)
    """L^-T phi(L^T dL) L^-1, symmetrized: phi halves the diagonal and drops what is above it."""
    factor, dl = np.tril(wide(l)), np.tril(wide(grad))
    middle = np.tril(adjoint(factor) @ dl)
    np.einsum("...ii->...i", middle)[...] *= 0.5
    eye = np.broadcast_to(np.eye(factor.shape[-1], dtype=factor.dtype), factor.shape)
    inverse = matrix_triangular_solve_kernel(factor, eye)  # of a singular factor it is nan
    da = adjoint(inverse) @ middle @ inverse
    return ((da + adjoint(da)) / 2).astype(l.dtype)


MATRIX_INVERSE.shape(square)
CHOLESKY.shape(square)


@CHOLESKY_GRAD.shape
def _cholesky_grad_shape(context: ShapeContext) -> shapes.Shape:
    factor, grad = matrices(context, "l", "grad")
    must_be_square(factor, "Inputs must be a square matrices.")
    if not shapes.compatible(factor, grad):
        raise ShapeError(f"Inputs (L and grad) must have the same shape. {shapes.text(factor)} and {shapes.text(grad)}")
    return shapes.merge(factor, grad)


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
    matrices(context, "matrix", "rhs")
    must_be_square(context.dims("matrix"), "First input (lhs) must be a square matrix.")
    a, b = equations(context)
    if a is None:
        return b
    batch = shapes.merge(a[:-2], None if b is None else b[:-2]) or ()
    return (*batch, either(size_at(squared(a), -1), size_at(b, -2)), size_at(b, -1))


@TRIANGULAR_SOLVE.shape
def _triangular_shape(context: ShapeContext) -> shapes.Shape:
    a, b = context.dims("matrix"), context.dims("rhs")
    flags = f"{int(context.attrs['lower'])} {int(context.attrs['adjoint'])}"
    if a is not None and len(a) >= 2 and not shapes.compatible(a[-1:], a[-2:-1]) and (b is None or len(b) >= 2):
        raise ShapeError(f"In[0] matrices in the last dimensions must be square ({a[-1]} =/= {a[-2]})")
    return stretched(a, b, flags)


def _product(x: Tensor, y: Tensor, adj_x: bool = False, adj_y: bool = False) -> Tensor:
    return BATCH_MATMUL_V2(x, y, adj_x=adj_x, adj_y=adj_y)


@MATRIX_INVERSE.gradient
def _inverse_gradient(op, dy):
    """dA = -A^-T dY A^-T."""
    y = op.outputs[0]
    if op.attrs["adjoint"]:
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
    adj = op.attrs["adjoint"]
    db = MATRIX_SOLVE(a, dx, adjoint=not adj)
    da = NEG(_product(x, db, adj_y=True)) if adj else NEG(_product(db, x, adj_y=True))
    return da, db


@TRIANGULAR_SOLVE.gradient
def _triangular_gradient(op, dx):
    """As of MatrixSolve, kept to the triangle that was read."""
    from refflow.ops.batch_matmul import _summed_to
    from refflow.ops.matrix_diag import BAND_PART

    a, b = op.inputs
    x, adj, lower = op.outputs[0], op.attrs["adjoint"], op.attrs["lower"]
    db = TRIANGULAR_SOLVE(a, dx, lower=lower, adjoint=not adj)
    da = NEG(_product(x, db, adj_y=True)) if adj else NEG(_product(db, x, adj_y=True))
    da = BAND_PART(da, np.int64(-1), np.int64(0)) if lower else BAND_PART(da, np.int64(0), np.int64(-1))
    same = a.dims is not None and b.dims is not None and a.dims[:-2] == b.dims[:-2] and None not in a.dims[:-2]
    return (da, db) if same else (_summed_to(da, a, b), _summed_to(db, b, a))


@CHOLESKY.gradient
def _cholesky_gradient(op, dl):
    """By the reverse of the factorization, as CholeskyGrad has it; complex numbers by single ops, as that has none."""
    from refflow.ops.constant import ONES_LIKE
    from refflow.ops.matrix_diag import BAND_PART

    factor = op.outputs[0]
    if not factor.dtype.is_complex:
        return CHOLESKY_GRAD(factor, dl)
    none, all_below = np.int64(0), np.int64(-1)
    inverse = TRIANGULAR_SOLVE(factor, BAND_PART(ONES_LIKE(factor), none, none))
    middle = _product(factor, dl, adj_x=True)
    middle = BAND_PART(middle, all_below, none) + BAND_PART(middle, all_below, none) - BAND_PART(middle, none, none)
    da = _product(_product(inverse, middle, adj_x=True), inverse)
    mirrored = _product(inverse, _product(middle, inverse, adj_x=True), adj_x=True)
    return (da + mirrored) / (4 * ONES_LIKE(da))


CHOLESKY_GRAD.no_gradient_registered()

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
CHOLESKY.case("W06", "positive matrices only", input=[[-1.0]], output=[[np.nan]])
CHOLESKY_GRAD.case("W30", "of a number: half over the root", l=[[2.0]], grad=[[4.0]], output=[[1]])
MATRIX_SOLVE.case("W06", "the rows of both agree", matrix=[[2, 0], [0, 4]], rhs=[[2]],
                  error="Input matrix and rhs are incompatible.")  # fmt: skip
TRIANGULAR_SOLVE.case("W06", "a zero divides", matrix=[[0, 0], [1, 1]], rhs=[[2], [9]], output=[[np.inf], [-np.inf]])
TRIANGULAR_SOLVE.case("W06", "batches stretch or agree", matrix=np.ones((2, 1, 1), np.float32),
                      rhs=np.ones((3, 1, 1), np.float32), error="must have compatible batch dimensions")  # fmt: skip
MATRIX_INVERSE.case("W06", "a vector is no matrix", input=[1, 2], error="Input tensor 0 must have rank >= 2, got 1")
MATRIX_DETERMINANT.case("W06", "square ones only", input=[[1, 2]], error="Input matrix must be square.")
CHOLESKY_GRAD.case("W30", "of one shape", l=[[2.0]], grad=[[4.0, 1.0]], error="must have the same shape")

BATCH_CHOLESKY = define_variant("BatchCholesky", CHOLESKY)
BATCH_MATRIX_INVERSE = define_variant("BatchMatrixInverse", MATRIX_INVERSE)
BATCH_MATRIX_DETERMINANT = define_variant("BatchMatrixDeterminant", MATRIX_DETERMINANT)
# The names that batches of equations had before the plain ones took them: refused by today's graphs, read here.
define_variant("BatchMatrixSolve", MATRIX_SOLVE, T=(float32, float64))
define_variant("BatchMatrixTriangularSolve", TRIANGULAR_SOLVE, T=(float32, float64))
define_variant("BatchCholeskyGrad", CHOLESKY_GRAD, T=(float32, float64))


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
