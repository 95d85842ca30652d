"""Matrices as products: singular values, eigenvalues, orthogonal and triangular factors [W06].

    Svd               A = U diag(s) V^H, s falling         SelfAdjointEigV2   A = V diag(e) V^H, e rising
    Qr                A = Q R                              SelfAdjointEig     the first release's: e above V, in one

Signs of vectors are those that LAPACK gives.

Next: ops/matrix_diag.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes, work
from refflow.core.dtypes import complex64, complex128, float32, float64
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op, define_variant
from refflow.core.shape_rules import ShapeContext
from refflow.core.values import wide
from refflow.ops.array import expand_dims
from refflow.ops.batch_matmul import BATCH_MATMUL_V2
from refflow.ops.linalg import TYPES
from refflow.ops.matrix_checks import matrices, square

QR = define_op("Qr", "input: T -> q: T, r: T", T=TYPES, full_matrices=False, accuracy="composed", source=("W06",))
SVD = define_op("Svd", "input: T -> s: T, u: T, v: T", T=TYPES, compute_uv=True, full_matrices=False,
                accuracy="composed", source=("W06",))  # fmt: skip
SELF_ADJOINT_EIG_V2 = define_op("SelfAdjointEigV2", "input: T -> e: T, v: T", T=TYPES, compute_v=True,
                                accuracy="composed", source=("W06",))  # fmt: skip
SELF_ADJOINT_EIG = define_op("SelfAdjointEig", "input: T -> output: T", T=(float32, float64), accuracy="composed",
                             source=("W06",))  # fmt: skip
SELF_ADJOINT_EIG.no_gradient_registered()


def _matrix(context: ShapeContext) -> tuple[Any, Any, Any] | None:
    """Batch, rows and columns."""
    (dims,) = matrices(context, "input")
    return None if dims is None else (dims[:-2], dims[-2], dims[-1])


def _least(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else min(a, b)


for _op in (QR, SVD, SELF_ADJOINT_EIG, SELF_ADJOINT_EIG_V2):
    _op.work(work.cubic)  # [W19]


@QR.kernel
def qr_kernel(input, full_matrices=False):
    q, r = np.linalg.qr(wide(input), mode="complete" if full_matrices else "reduced")
    return q.astype(input.dtype), r.astype(input.dtype)


@QR.shape
def _qr_shape(context: ShapeContext) -> list[shapes.Shape]:
    found = _matrix(context)
    if found is None:
        return [None, None]
    batch, m, n = found
    k = m if context.attrs["full_matrices"] else _least(m, n)
    return [(*batch, m, k), (*batch, k, n)]


def _parts(x: np.ndarray, full: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """s, U, V^H; nan (as complex numbers, zero) for a matrix that has none, because it is not finite."""
    try:
        u, s, vh = np.linalg.svd(x, full_matrices=full)
    except np.linalg.LinAlgError:
        good = np.isfinite(x).all((-1, -2), keepdims=True)
        if good.all():
            raise
        u, s, vh = np.linalg.svd(np.where(good, x, 0), full_matrices=full)
        blank = 0 if x.dtype.kind == "c" else np.nan
        u, s, vh = np.where(good, u, blank), np.where(good[..., 0], s, blank), np.where(good, vh, blank)
    return s, u, vh


def _sizes(x: np.ndarray) -> np.ndarray:
    """s alone, which is faster."""
    try:
        return np.linalg.svd(x, compute_uv=False)
    except np.linalg.LinAlgError:
        return _parts(x, False)[0]


@SVD.kernel
def svd_kernel(input, compute_uv=True, full_matrices=False):
    if not compute_uv:
        return _sizes(wide(input)).astype(input.dtype), np.zeros(0, input.dtype), np.zeros(0, input.dtype)
    s, u, vh = _parts(wide(input), full_matrices)
    v = np.conj(np.swapaxes(vh, -1, -2))
    return s.astype(input.dtype), u.astype(input.dtype), np.ascontiguousarray(v).astype(input.dtype)


@SVD.shape
def _svd_shape(context: ShapeContext) -> list[shapes.Shape]:
    found = _matrix(context)
    if found is None:
        return [None, None, None] if context.attrs["compute_uv"] else [None, (0,), (0,)]
    batch, m, n = found
    k = _least(m, n)
    if not context.attrs["compute_uv"]:
        return [(*batch, k), (0,), (0,)]
    full = context.attrs["full_matrices"]
    return [(*batch, k), (*batch, m, m if full else k), (*batch, n, n if full else k)]


def _product(x: Any, y: Any, **flags: Any) -> Tensor:
    return BATCH_MATMUL_V2(x, y, **flags)


def _sides(op: Any) -> tuple[int, int]:
    """Rows and columns, where each factor is as its gradient's formula has it."""
    dims = op.inputs[0].dims
    rows, columns = (None, None) if dims is None else dims[-2:]
    if rows is None or columns is None:
        raise NotImplementedError(f"{op.type}: its gradient needs to know the matrix's last two dimensions")
    more = rows > columns if op.type == "Qr" else rows != columns
    if op.attrs["full_matrices"] and more:
        raise NotImplementedError(f"{op.type}: no gradient of full_matrices of a {rows} x {columns} matrix")
    return rows, columns


@QR.gradient
def _qr_gradient(op, dq, dr):
    """dA = (dQ + Q M) R^-H, where M has the lower triangle of R dR^H - dQ^H Q, mirrored upwards.

    A matrix that is wider than high is [X Y] = Q [U V] with a square X: Q and U are of X, and V = Q^H Y.
    """
    from refflow.ops.joining_today import CONCAT_V2

    rows, columns = _sides(op)
    q, r = op.outputs
    if rows >= columns:
        return _qr_slope(q, r, dq, dr, rows, columns)
    y, dv = op.inputs[0][..., rows:], dr[..., rows:]
    dx = _qr_slope(q, r[..., :rows], dq + _product(y, dv, adj_y=True), dr[..., :rows], rows, rows)
    return CONCAT_V2([dx, _product(q, dv)], -1)


def _qr_slope(q: Tensor, r: Tensor, dq: Tensor, dr: Tensor, rows: int, columns: int) -> Tensor:
    from refflow.ops.constant import ONES_LIKE
    from refflow.ops.elementwise import NEG
    from refflow.ops.linalg import TRIANGULAR_SOLVE
    from refflow.ops.matrix_diag import BAND_PART, MATRIX_DIAG_PART, MATRIX_SET_DIAG

    eye = np.eye(columns, dtype=r.dtype.as_numpy_dtype)
    middle = _product(r, dr, adj_y=True) + NEG(_product(dq, q, adj_x=True))
    lower = BAND_PART(middle, np.int64(-1), np.int64(0))
    mirrored = lower + _product(lower, eye, adj_x=True)
    diagonal = MATRIX_DIAG_PART[1](middle)
    if q.dtype.is_complex:  # R has a real diagonal, of which only real steps are steps
        diagonal = MATRIX_DIAG_PART[1](mirrored) / (ONES_LIKE(diagonal) + ONES_LIKE(diagonal))
    both = MATRIX_SET_DIAG[1](mirrored, diagonal)
    slope = _product(dq + _product(q, both), np.eye(rows, dtype=eye.dtype), adj_x=True)
    turned = TRIANGULAR_SOLVE(r, slope, lower=False)
    return _product(turned, eye, adj_x=True)


@SVD.gradient
def _svd_gradient(op, ds, du, dv):
    """dA = U (diag(ds) + (F * [U, dU]) S + S (F * [V, dV])) V^T + (1 - U U^T) dU S^-1 V^T + U S^-1 dV^T (1 - V V^T)

    with [X, dX] = X^T dX - dX^T X and F[i, j] = 1 / (s[j]^2 - s[i]^2), 0 on the diagonal.
    """
    from refflow.ops.arithmetic import DIV_NO_NAN
    from refflow.ops.elementwise import NEG
    from refflow.ops.matrix_diag import MATRIX_DIAG

    a = op.inputs[0]
    if not op.attrs["compute_uv"]:
        s, u, v = SVD(a, compute_uv=True, full_matrices=False)
        return _product(_product(u, MATRIX_DIAG[1](ds)), v, adj_y=True)
    _sides(op)
    if a.dtype.is_complex:
        raise NotImplementedError("Svd: no gradient of complex vectors, whose phases are free")
    s, u, v = op.outputs
    squares = s * s
    gaps = expand_dims(squares, -2) - expand_dims(squares, -1)

    def turn(x, dx):
        inner = _product(x, dx, adj_x=True)
        return DIV_NO_NAN(inner + NEG(_product(dx, x, adj_x=True)), gaps)

    def outside(x, dx):
        """What of dX is at right angles to X, over s."""
        return DIV_NO_NAN(dx + NEG(_product(x, _product(x, dx, adj_x=True))), expand_dims(s, -2))

    middle = MATRIX_DIAG[1](ds) + turn(u, du) * expand_dims(s, -2) + expand_dims(s, -1) * turn(v, dv)
    whole = _product(_product(u, middle), v, adj_y=True)
    return whole + _product(outside(u, du), v, adj_y=True) + _product(u, outside(v, dv), adj_y=True)


def _lower_read(x: np.ndarray) -> np.ndarray:
    lower = np.tril(x)
    strict = np.tril(x, -1)
    return lower + np.conj(np.swapaxes(strict, -1, -2))


@SELF_ADJOINT_EIG_V2.kernel
def self_adjoint_eig_v2_kernel(input, compute_v=True):
    """Only the lower triangle is read."""
    whole = _lower_read(wide(input))
    if whole.shape[-1] == 1:  # one number is its own value, finite or not
        e, v = whole.real[..., 0], np.ones_like(whole)
        return e.astype(input.dtype), (v if compute_v else np.zeros(0)).astype(input.dtype)
    if not np.isfinite(whole).all():
        raise ValueError("Self-adjoint eigen decomposition was not successful. The input might not be valid.")
    if not compute_v:
        return np.linalg.eigvalsh(whole).astype(input.dtype), np.zeros(0, input.dtype)
    e, v = np.linalg.eigh(whole)
    return e.astype(input.dtype), v.astype(input.dtype)


@SELF_ADJOINT_EIG_V2.shape
def _eig_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = square(context)
    return [None if dims is None else dims[:-1], dims if context.attrs["compute_v"] else (0,)]


@SELF_ADJOINT_EIG_V2.gradient
def _eig_gradient(op, de, dv):
    """dA = V (diag(de) + F * (V^H dV)) V^H with F[i, j] = 1 / (e[j] - e[i]), 0 on the diagonal; lower part."""
    from refflow.ops.arithmetic import DIV_NO_NAN
    from refflow.ops.constant import ONES_LIKE
    from refflow.ops.matrix_diag import BAND_PART, MATRIX_DIAG, MATRIX_DIAG_PART, MATRIX_SET_DIAG

    e, v = op.outputs
    diagonal = MATRIX_DIAG[1](de)
    middle = diagonal
    if not op.attrs["compute_v"]:  # the slopes of the values need the vectors too
        v = SELF_ADJOINT_EIG_V2(op.inputs[0], compute_v=True).v
    else:
        gaps = expand_dims(e, -2) - expand_dims(e, -1)
        middle = diagonal + DIV_NO_NAN(BATCH_MATMUL_V2(v, dv, adj_x=True), gaps)
    whole = BATCH_MATMUL_V2(v, BATCH_MATMUL_V2(middle, v, adj_y=True))
    eye = MATRIX_DIAG[1](ONES_LIKE(e))
    both = whole + BATCH_MATMUL_V2(whole, eye, adj_x=True)
    lower = BAND_PART(both, np.int64(-1), np.int64(0))
    half = MATRIX_DIAG_PART[1](whole)
    return MATRIX_SET_DIAG[1](lower, half)


@SELF_ADJOINT_EIG.kernel
def self_adjoint_eig_kernel(input):
    """[..., M + 1, M]: the eigenvalues as the first row, the vectors as the columns below."""
    e, v = np.linalg.eigh(_lower_read(input))
    return np.concatenate([e[..., None, :], v], -2).astype(input.dtype)


@SELF_ADJOINT_EIG.shape
def _self_adjoint_eig_shape(context: ShapeContext) -> shapes.Shape:
    dims = square(context)
    return None if dims is None else (*dims[:-2], None if dims[-1] is None else dims[-1] + 1, dims[-1])


QR.case("W06", "of a diagonal", input=[[-2.0, 0.0], [0.0, -3.0]], q=[[1, 0], [0, 1]], r=[[-2, 0], [0, -3]])
SVD.case("W06", "sizes alone, the largest first", input=[[3.0, 0.0], [0.0, -4.0]], compute_uv=False, s=[4, 3])
SELF_ADJOINT_EIG_V2.case("W06", "of a diagonal, rising", input=np.array([[3.0, 0.0], [0.0, 1.0]], np.float32),
                         compute_v=False, e=[1, 3])  # fmt: skip
SELF_ADJOINT_EIG.case("W06", "values above vectors", input=[[1.0, 0.0], [0.0, 3.0]], output=[[1, 3], [1, 0], [0, 1]])
SELF_ADJOINT_EIG_V2.case("W06", "finite numbers only", input=[[np.nan, 0], [0, 1]],
                         error="decomposition was not successful")  # fmt: skip
SELF_ADJOINT_EIG_V2.case("W06", "one number is its own value", input=[[np.inf]], e=[np.inf], v=[[1]])
SVD.case("W06", "what is not finite has no values", input=[[np.inf]], compute_uv=False, s=[np.nan])
BATCH_SELF_ADJOINT_EIG = define_variant("BatchSelfAdjointEig", SELF_ADJOINT_EIG)
define_variant("BatchSelfAdjointEigV2", SELF_ADJOINT_EIG_V2, T=(float32, float64))
define_variant("BatchSvd", SVD, T=(float32, float64, complex64, complex128))


def self_adjoint_eig(input: Any, name: str | None = None) -> Tensor:
    """Eigenvalues, the first row, and eigenvectors, the columns below, of a symmetric matrix [M, M]."""
    return SELF_ADJOINT_EIG(input, name=name)


def batch_self_adjoint_eig(input: Any, name: str | None = None) -> Tensor:
    """Eigenvalues, as first rows, and eigenvectors, as columns below, of symmetric matrices [..., M, M]."""
    return BATCH_SELF_ADJOINT_EIG(input, name=name)
