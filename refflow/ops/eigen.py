"""Eigenvalues of matrices that need not be symmetric, and functions of matrices through them.

    Eig                 A V = V diag(e); e and V are complex, the columns of V have length 1
    MatrixSquareRoot    S with S S = A             dA solves S^H dA + dA S^H = dS
    MatrixLogarithm     L with exp(L) = A, where A has no eigenvalue 0

A function of a matrix A = Q T Q^H, where Q is unitary and T triangular (Schur's form), is Q f(T) Q^H. The square root
of T follows entry by entry, from the diagonal outwards:

    R[j, j] = sqrt(T[j, j])        R[i, j] = (T[i, j] - sum_i<k<j R[i, k] R[k, j]) / (R[i, i] + R[j, j])

For the logarithm, roots are taken until T is near 1; there log(1 + X) = integral_0^1 X (1 + t X)^-1 dt is summed by
Gauss's rule, and doubled once for each root.

Next: ops/banded.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import as_dtype, complex64, complex128, float32, float64
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import wide
from refflow.ops.array import expand_dims, reshape, shape
from refflow.ops.batch_matmul import BATCH_MATMUL_V2
from refflow.ops.linalg import MATRIX_SOLVE, TYPES
from refflow.ops.matrix_checks import square

EIG = define_op("Eig", "input: T -> e: Tout, v: Tout", compute_v=True, T=(float32, float64, complex64, complex128),
                Tout=Attr("type", allowed=(complex64, complex128)), accuracy="composed", source=("W06",))  # fmt: skip
MATRIX_SQUARE_ROOT = define_op("MatrixSquareRoot", "input: T -> output: T", T=TYPES, accuracy="composed",
                               source=("W06",))  # fmt: skip
MATRIX_LOGARITHM = define_op("MatrixLogarithm", "input: T -> output: T", T=(complex64, complex128),
                             accuracy="composed", source=("W06",))  # fmt: skip


@EIG.kernel
def eig_kernel(input, Tout, compute_v=True):
    """Complex matrices have their eigenvalues in order of size."""
    kind = np.dtype(Tout.as_numpy_dtype)
    natural = as_dtype(np.result_type(input.dtype, np.complex64))
    if natural is not Tout:
        raise ValueError(f"Invalid output dtype {int(Tout)} vs {int(natural)}")
    if not np.isfinite(input).all():
        raise ValueError("Eigen decomposition was not successful. The input might not be valid.")
    e, v = np.linalg.eig(input)
    if input.dtype.kind == "c":
        order = np.argsort(np.abs(e), -1, kind="stable")
        e, v = np.take_along_axis(e, order, -1), np.take_along_axis(v, order[..., None, :], -1)
    return e.astype(kind), v.astype(kind) if compute_v else np.zeros(0, kind)


@EIG.shape
def _eig_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = square(context)
    vectors = dims if context.attrs["compute_v"] else (0,)
    return [None if dims is None else dims[:-1], vectors]


@EIG.gradient
def _eig_gradient(op, de, dv):
    """dA = V^-H (diag(de) + conj(F) * (V^H dV - V^H V diag(Re(V^H dV)))) V^H with F[i, j] = 1 / (e[j] - e[i])."""
    from refflow.ops.arithmetic import DIV_NO_NAN
    from refflow.ops.cast import cast
    from refflow.ops.complex import conj, real
    from refflow.ops.matrix_diag import MATRIX_DIAG, MATRIX_DIAG_PART

    if not op.attrs["compute_v"]:
        raise NotImplementedError("Eig: a gradient needs the vectors: compute_v = True")
    a = op.inputs[0]
    e, v = op.outputs
    turned = BATCH_MATMUL_V2(v, dv, adj_x=True)
    along = cast(real(MATRIX_DIAG_PART[1](turned)), e.dtype)  # what lengthens a vector, which has length 1
    across = turned - BATCH_MATMUL_V2(BATCH_MATMUL_V2(v, v, adj_x=True), MATRIX_DIAG[1](along))
    gaps = conj(expand_dims(e, -2) - expand_dims(e, -1))
    middle = MATRIX_DIAG[1](de) + DIV_NO_NAN(across, gaps)
    da = MATRIX_SOLVE(v, BATCH_MATMUL_V2(middle, v, adj_y=True), adjoint=True)
    return da if a.dtype.is_complex else cast(real(da), a.dtype)


def schur(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unitary Q and triangular T with A = Q T Q^H.

    Schur's own proof: an eigenvector becomes the first column, a reflection turns the rest at right angles to it, and
    what is left is a matrix with one row and column less.
    """
    n = a.shape[-1]
    t = a.astype(np.complex128)
    q = np.broadcast_to(np.eye(n, dtype=t.dtype), t.shape).copy()
    for k in range(n - 1):
        v = np.linalg.eig(t[..., k:, k:])[1][..., :, :1]  # [..., n - k, 1]  of length 1
        head = v[..., :1, :]
        turn = np.where(head == 0, 1, head / np.where(head == 0, 1, np.abs(head)))
        v = v * np.conj(turn)  # its first entry is real and not negative, so that w below does not cancel
        w = v.copy()
        w[..., 0, :] += 1
        w /= np.linalg.norm(w, axis=-2, keepdims=True)
        wh = np.conj(np.swapaxes(w, -1, -2))
        t[..., k:, :] -= 2 * w @ (wh @ t[..., k:, :])  # the reflection 1 - 2 w w^H sends v to -first
        t[..., :, k:] -= 2 * (t[..., :, k:] @ w) @ wh
        q[..., :, k:] -= 2 * (q[..., :, k:] @ w) @ wh
    return q, np.triu(t)


def _triangular_root(t: np.ndarray) -> np.ndarray:
    n = t.shape[-1]
    root = np.zeros_like(t)
    for j in range(n):
        root[..., j, j] = np.sqrt(t[..., j, j])
        for i in range(j - 1, -1, -1):
            inner = np.einsum("...k,...k->...", root[..., i, i + 1 : j], root[..., i + 1 : j, j])
            root[..., i, j] = (t[..., i, j] - inner) / (root[..., i, i] + root[..., j, j])
    return root


def _function(a: np.ndarray, of_triangular) -> np.ndarray:
    """Q f(T) Q^H; nan where the matrix is not finite."""
    good = np.isfinite(a).all((-1, -2), keepdims=True)
    q, t = schur(np.where(good, a, 1))
    with np.errstate(all="ignore"):
        return np.where(good, q @ of_triangular(t) @ np.conj(np.swapaxes(q, -1, -2)), np.nan)


@MATRIX_SQUARE_ROOT.kernel
def matrix_square_root_kernel(input):
    """Of a real matrix with an eigenvalue below 0 there is no real root: nan."""
    a = wide(input)
    root = _function(a, _triangular_root)
    if a.dtype.kind != "c":
        size = np.abs(root).max((-1, -2), keepdims=True, initial=0)
        is_real = np.abs(root.imag).max((-1, -2), keepdims=True, initial=0) <= 1e-6 * size
        root = np.where(is_real, root.real, np.nan)
    return root.astype(input.dtype)


def _triangular_logarithm(t: np.ndarray, points: int = 12) -> np.ndarray:
    eye = np.eye(t.shape[-1])
    diagonal = np.log(np.einsum("...ii->...i", t))  # known without roots
    roots = 0
    while roots < 60 and np.abs(t - eye).max(initial=0) > 0.1:
        t, roots = _triangular_root(t), roots + 1
    x = t - eye
    at, weights = np.polynomial.legendre.leggauss(points)
    total = np.zeros_like(x)
    for place, weight in zip((at + 1) / 2, weights / 2, strict=True):
        total += weight * np.linalg.solve(eye + place * x, x)
    total *= 2.0**roots
    np.einsum("...ii->...i", total)[...] = diagonal
    return total


@MATRIX_LOGARITHM.kernel
def matrix_logarithm_kernel(input):
    """nan where there is none."""
    singular = (np.linalg.det(input) == 0)[..., None, None] if input.size else False
    safe = np.where(singular, np.eye(input.shape[-1], dtype=input.dtype), input)
    blank = np.array(complex(np.nan, np.nan))
    return np.where(singular, blank, _function(safe, _triangular_logarithm)).astype(input.dtype)


@MATRIX_SQUARE_ROOT.shape
def _square_root_shape(context: ShapeContext) -> shapes.Shape:
    return square(context)


@MATRIX_LOGARITHM.shape
def _logarithm_shape(context: ShapeContext) -> shapes.Shape:
    return square(context)


@MATRIX_SQUARE_ROOT.gradient
def _square_root_gradient(op, ds):
    """S^H dA + dA S^H = dS, as N * N equations: with rows laid end to end, (S^H x 1 + 1 x conj(S)) dA = dS."""
    from refflow.ops.complex import conj

    s = op.outputs[0]
    n = s.dims[-1] if s.dims else None
    if n is None:
        raise NotImplementedError("MatrixSquareRoot: its gradient needs to know the size of the matrix")
    eye = np.eye(n, dtype=s.dtype.as_numpy_dtype)
    mirrored = conj(s) if s.dtype.is_complex else s
    # turned[i, k] = conj(s[k, i]); products [i, j, k, l] = left[i, k] * right[j, l]
    turned = BATCH_MATMUL_V2(s, eye, adj_x=True)
    left = expand_dims(expand_dims(turned, -2), -1) * eye[None, :, None, :]
    right = expand_dims(expand_dims(mirrored, -3), -2) * eye[:, None, :, None]
    whole = reshape(left + right, np.array([-1, n * n, n * n], np.int32))
    da = MATRIX_SOLVE(whole, reshape(ds, np.array([-1, n * n, 1], np.int32)))
    return reshape(da, shape(ds))


MATRIX_LOGARITHM.no_gradient_registered()

EIG.case("W06", "a quarter turn has imaginary values", input=np.array([[0.0, -1.0], [1.0, 0.0]]),
         Tout="complex128", compute_v=False, e=np.array([1j, -1j]))  # fmt: skip
EIG.case("W06", "the result is complex in the same precision", input=np.eye(2), Tout="complex64",
         error="Invalid output dtype")  # fmt: skip
EIG.case("W06", "finite numbers only", input=np.full((2, 2), np.nan), Tout="complex128",
         error="Eigen decomposition was not successful.")  # fmt: skip
EIG.case("W06", "square matrices only", input=np.ones((2, 3)), Tout="complex128", error="Input matrix must be square.")
MATRIX_SQUARE_ROOT.case("W06", "of a triangle", input=[[4.0, 5.0], [0.0, 9.0]], output=[[2, 1], [0, 3]])
MATRIX_SQUARE_ROOT.case("W06", "none of a real matrix that mirrors", input=[[1.0, 0.0], [0.0, -1.0]],
                        output=[[np.nan, np.nan], [np.nan, np.nan]])  # fmt: skip
MATRIX_SQUARE_ROOT.case("W06", "square matrices only", input=np.ones((2, 3), np.float32),
                        error="Input matrix must be square.")  # fmt: skip
MATRIX_LOGARITHM.case("W06", "of a diagonal", input=np.diag([1.0, np.e]).astype(np.complex128),
                      output=np.diag([0.0, 1.0]).astype(np.complex128))  # fmt: skip
MATRIX_LOGARITHM.case("W06", "a matrix, not a vector", input=np.ones(2, np.complex64), error="must have rank >= 2")
