"""Matrices that are zero away from their diagonal, given by their diagonals alone.

    BandedTriangularSolve    row i of `matrix` is the i-th diagonal below the main one, which is row 0 (lower), or
                             rows end with the main diagonal and those above it come before (upper)
    TridiagonalSolve         three rows: above, on and below the diagonal
    TridiagonalMatMul        the same three, times a matrix

In every row, entry j belongs to row j of the matrix, so that a few at one end do not count:

    above[j] = A[j, j + 1]        on[j] = A[j, j]        below[j] = A[j, j - 1]

With X = A^-1 B: dB = A^-H dX and dA = -dB X^H, of which the diagonals are kept.

Next: ops/matrix_diag.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import complex64, complex128, float32, float64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.values import wide
from refflow.ops.array import expand_dims, shape, squeeze
from refflow.ops.batch_matmul import BATCH_MATMUL_V2, _summed_to
from refflow.ops.complex import conj
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementwise import NEG
from refflow.ops.joining import concat
from refflow.ops.linalg import TYPES
from refflow.ops.matrix_checks import matrices, stretched
from refflow.ops.slicing import slice_

_WIDE = (float64, float32, complex64, complex128)
BANDED_SOLVE = define_op("BandedTriangularSolve", "matrix: T, rhs: T -> output: T", lower=True, adjoint=False,
                         T=TYPES, accuracy="composed", source=("W06",))  # fmt: skip
TRIDIAGONAL_SOLVE = define_op("TridiagonalSolve", "diagonals: T, rhs: T -> output: T", partial_pivoting=True,
                              perturb_singular=False, T=_WIDE, accuracy="composed", source=("W06",))  # fmt: skip
TRIDIAGONAL_MATMUL = define_op(
    "TridiagonalMatMul", "superdiag: T, maindiag: T, subdiag: T, rhs: T -> output: T", T=_WIDE, accuracy="composed",
    source=("W06",),
)  # fmt: skip


def _lower_bands(bands: np.ndarray, lower: bool, adjoint: bool) -> tuple[np.ndarray, bool]:
    """Row i as the i-th diagonal from the main one, indexed by the matrix's own row, and which side they are on."""
    rows = bands if lower else bands[..., ::-1, :]
    if not adjoint:
        return rows, lower
    turned = np.zeros_like(rows)
    n = rows.shape[-1]
    for i in range(min(rows.shape[-2], n)):  # A[j, j - i] becomes entry j - i of the mirrored diagonal
        if lower:
            turned[..., i, : n - i] = rows[..., i, i:]
        else:
            turned[..., i, i:] = rows[..., i, : n - i]
    return np.conj(turned), not lower


@BANDED_SOLVE.kernel
def banded_triangular_solve_kernel(matrix, rhs, lower=True, adjoint=False):
    """Row after row from the corner."""
    bands, lower = _lower_bands(wide(matrix), lower, adjoint)
    if not bands[..., 0, :].all():
        raise ValueError("Input matrix is not invertible.")
    batch = np.broadcast_shapes(bands.shape[:-2], rhs.shape[:-2])
    x = np.array(np.broadcast_to(wide(rhs), (*batch, *rhs.shape[-2:])))
    count, n = bands.shape[-2:]
    for step in range(n):
        j = step if lower else n - 1 - step
        reach = min(count - 1, step)
        near = [j - i if lower else j + i for i in range(1, reach + 1)]
        known = np.einsum("...i,...ik->...k", bands[..., 1 : reach + 1, j], x[..., near, :])
        x[..., j, :] = (x[..., j, :] - known) / bands[..., 0, j, None]
    return x.astype(rhs.dtype)


@BANDED_SOLVE.shape
def _banded_shape(context: ShapeContext) -> shapes.Shape:
    a, b = context.dims("matrix"), context.dims("rhs")
    flags = f"{int(context.attrs['lower'])} {int(context.attrs['adjoint'])}"
    found = stretched(a, b, flags)
    for i, dims in enumerate((a, b)):
        if dims is not None and 0 in dims:
            raise ShapeError(f"In[{i}] must not be an empty tensor: shape {shapes.text(dims)}")
    return found


@BANDED_SOLVE.gradient
def _banded_gradient(op, dx):
    """As of MatrixTriangularSolve, kept to the bands."""
    from refflow.ops.matrix_diag import MATRIX_DIAG_PART

    a, b = op.inputs
    x, adj, lower = op.outputs[0], op.attrs["adjoint"], op.attrs["lower"]
    db = BANDED_SOLVE(a, dx, lower=lower, adjoint=not adj)
    da = NEG(BATCH_MATMUL_V2(x, db, adj_y=True) if adj else BATCH_MATMUL_V2(db, x, adj_y=True))
    sizes = shape(a)
    last = slice_(sizes, shape(sizes) - 2, [1]) - 1
    reach = [NEG(last), last - last] if lower else [last - last, last]
    bands = MATRIX_DIAG_PART[3](da, concat(0, reach), a.dtype.as_numpy_dtype(0), align="LEFT_RIGHT")
    return _summed_to(bands, a, b), _summed_to(db, b, a)


def _three(above: np.ndarray, on: np.ndarray, below: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copies with zeros where entries do not count."""
    above, on, below = above.copy(), on.copy(), below.copy()
    above[..., -1:] = 0
    below[..., :1] = 0
    return above, on, below


def _away_from_zero(pivot: np.ndarray, least: np.ndarray) -> np.ndarray:
    moved = np.where(pivot.real >= 0, pivot + least, pivot - least)
    return np.where(np.abs(pivot) <= least, moved, pivot)


@TRIDIAGONAL_SOLVE.kernel
def tridiagonal_solve_kernel(diagonals, rhs, partial_pivoting=True, perturb_singular=False):
    """Elimination down, substitution up. After row j is cleared, row j of U is on[j], above[j], beyond[j]."""
    if perturb_singular and not partial_pivoting:
        raise ValueError("Setting perturb_singular requires also setting partial_pivoting.")
    if not rhs.size:
        return np.zeros(rhs.shape, rhs.dtype)
    above, on, below = _three(*np.moveaxis(diagonals, -2, 0))
    x, n = rhs.copy(), rhs.shape[-2]
    beyond = np.zeros_like(above)
    info = np.finfo(rhs.dtype)
    size = np.max([np.abs(part).max(-1) for part in (above, on, below)], 0)
    least = np.maximum(size * info.eps, info.tiny)
    for j in range(n - 1):
        if partial_pivoting:
            swap = np.abs(below[..., j + 1]) > np.abs(on[..., j])
            for upper, lower in ((on, below), (above, on), (beyond, above)):
                upper[..., j], lower[..., j + 1] = (
                    np.where(swap, lower[..., j + 1], upper[..., j]),
                    np.where(swap, upper[..., j], lower[..., j + 1]),
                )
            x[..., j, :], x[..., j + 1, :] = (
                np.where(swap[..., None], x[..., j + 1, :], x[..., j, :]),
                np.where(swap[..., None], x[..., j, :], x[..., j + 1, :]),
            )
        if perturb_singular:
            on[..., j] = _away_from_zero(on[..., j], least)
        factor = below[..., j + 1] / on[..., j]
        on[..., j + 1] -= factor * above[..., j]
        above[..., j + 1] -= factor * beyond[..., j]
        x[..., j + 1, :] -= factor[..., None] * x[..., j, :]
    if perturb_singular:
        on[..., n - 1] = _away_from_zero(on[..., n - 1], least)
    for j in range(n - 1, -1, -1):
        for ahead, part in ((1, above), (2, beyond)):
            if j + ahead < n:
                x[..., j, :] -= part[..., j, None] * x[..., j + ahead, :]
        x[..., j, :] /= on[..., j, None]
    singular = ~(np.abs(on) > 0).all(-1)[..., None, None]
    return np.where(singular, np.array(np.nan, rhs.dtype), x)


@TRIDIAGONAL_SOLVE.shape
def _tridiagonal_solve_shape(context: ShapeContext) -> shapes.Shape:
    if context.attrs["perturb_singular"] and not context.attrs["partial_pivoting"]:
        raise ShapeError("Setting perturb_singular requires also setting partial_pivoting.")
    a, b = matrices(context, "diagonals", "rhs")
    if a is not None and a[-2] not in (None, 3):
        raise ShapeError(f"Expected diagonals to be provided as a matrix with 3 rows, got {a[-2]} rows.")
    if a is not None and b is not None and not shapes.compatible(a[-1:], b[-2:-1]):
        raise ShapeError(f"Expected the same number of left-hand sides and right-hand sides, got {a[-1]} and {b[-2]}.")
    return b


def _shifted(x, by: int):
    """Row j of the result is row j + by of x, and zeros where there is none."""
    rank = len(x.dims)
    one = np.array([*([-1] * (rank - 2)), 1, -1], np.int32)
    zero = [0] * rank
    blank = ZEROS_LIKE(slice_(x, zero, one))
    if by > 0:
        rest = slice_(x, [*zero[:-2], 1, 0], np.array([-1] * rank, np.int32))
        return concat(rank - 2, [rest, blank])
    most = shape(x) - np.array([*zero[:-2], 1, 0], np.int32)
    return concat(rank - 2, [blank, slice_(x, zero, most)])


def _row_dots(x, y):
    """sum_k x[j, k] conj(y[j, k]) for each row j."""
    from refflow.ops.reductions import reduce_sum

    return reduce_sum(x * _mirrored(y), [len(x.dims) - 1])


def _known_rank(op) -> None:
    if any(x.dims is None for x in (*op.inputs, *op.outputs)):
        raise NotImplementedError(f"{op.type}: its gradient needs to know the rank of its inputs")


def _mirrored(x):
    return conj(x) if x.dtype.is_complex else x


@TRIDIAGONAL_SOLVE.gradient
def _tridiagonal_solve_gradient(op, dx):
    """dB = A^-H dX; of -dB X^H the three diagonals are kept."""
    _known_rank(op)
    a, x = op.inputs[0], op.outputs[0]
    rank = len(a.dims)

    def row(i):
        size = np.array([*([-1] * (rank - 2)), 1, -1], np.int32)
        return squeeze(slice_(a, [*([0] * (rank - 2)), i, 0], size), [rank - 2])

    def moved(v, by):
        return squeeze(_shifted(expand_dims(v, -1), by), [rank - 1])

    # Row j of A^H holds what stands above and below in column j of A.
    turned = [_mirrored(v) for v in (moved(row(2), 1), row(1), moved(row(0), -1))]
    stacked = concat(rank - 2, [expand_dims(v, -2) for v in turned])
    db = TRIDIAGONAL_SOLVE(stacked, dx, partial_pivoting=op.attrs["partial_pivoting"],
                           perturb_singular=op.attrs["perturb_singular"])  # fmt: skip
    parts = [NEG(_row_dots(db, y)) for y in (_shifted(x, 1), x, _shifted(x, -1))]
    return concat(rank - 2, [expand_dims(v, -2) for v in parts]), db


@TRIDIAGONAL_MATMUL.kernel
def tridiagonal_mat_mul_kernel(superdiag, maindiag, subdiag, rhs):
    above, on, below = (part[..., 0, :, None] for part in (superdiag, maindiag, subdiag))
    product = on * rhs
    product[..., :-1, :] += above[..., :-1, :] * rhs[..., 1:, :]
    product[..., 1:, :] += below[..., 1:, :] * rhs[..., :-1, :]
    return product


@TRIDIAGONAL_MATMUL.shape
def _tridiagonal_matmul_shape(context: ShapeContext) -> shapes.Shape:
    names = {"superdiag": "superdiagonal", "maindiag": "main diagonal", "subdiag": "subdiagonal"}
    found = matrices(context, *names, "rhs")
    b = found[-1]
    for dims, word in zip(found[:-1], names.values(), strict=True):
        rows = None if b is None else b[-2]
        if dims is not None and not shapes.compatible(dims[-2:], (1, rows)):
            got = shapes.text(dims)
            raise ShapeError(f"Invalid {word} shape. Got {got}, expected [...,1,M] for rhs {shapes.text(b)}")
    return b


@TRIDIAGONAL_MATMUL.gradient
def _tridiagonal_matmul_gradient(op, dy):
    """dB = A^H dY; each diagonal gets the products of dY's row and the row of B that it multiplied."""
    _known_rank(op)
    above, on, below, b = op.inputs
    rank = len(b.dims)

    def column(v):
        return expand_dims(squeeze(v, [rank - 2]), -1)

    diagonals = [expand_dims(_row_dots(dy, y), -2) for y in (_shifted(b, 1), b, _shifted(b, -1))]
    down, same, up = (_mirrored(column(v)) * dy for v in (above, on, below))
    return (*diagonals, _shifted(down, -1) + same + _shifted(up, 1))


_B = [[1, 2, 4], [9, 1, 2]]
BANDED_SOLVE.case("W06", "row after row", matrix=_B, rhs=[[1], [5], [8]], output=[[1], [2], [1]])
BANDED_SOLVE.case("W06", "or from the last one", matrix=[[1, 2, 9], [1, 2, 4]], rhs=[[2], [4], [4]], lower=False,
                  output=[[1], [1], [1]])  # fmt: skip
BANDED_SOLVE.case("W06", "mirrored", matrix=_B, rhs=[[2], [4], [4]], adjoint=True, output=[[1], [1], [1]])
BANDED_SOLVE.case("W06", "no zero on the diagonal", matrix=[[0, 1]], rhs=[[1], [1]],
                  error="Input matrix is not invertible.")  # fmt: skip
BANDED_SOLVE.case("W06", "as many rows as columns", matrix=_B, rhs=[[1], [1]], error="In[0] mismatch In[1] shape: 3 vs")
BANDED_SOLVE.case("W06", "not empty", matrix=_B, rhs=np.zeros((3, 0), np.float32),
                  error="In[1] must not be an empty tensor")  # fmt: skip
_D = np.array([[2, 2, 9], [3, 4, 5], [9, 1, 1]], np.float32)
TRIDIAGONAL_SOLVE.case("W06", "three rows", diagonals=_D, rhs=[[5], [7], [6]], output=[[1], [1], [1]])
TRIDIAGONAL_SOLVE.case("W06", "row exchanges where a diagonal is zero", diagonals=[[1, 0], [0, 0], [0, 1]],
                       rhs=[[1], [2]], output=[[2], [1]])  # fmt: skip
TRIDIAGONAL_SOLVE.case("W06", "singular: nan", diagonals=[[1, 0], [1, 1], [0, 1]], rhs=[[1], [2]],
                       output=[[np.nan], [np.nan]])  # fmt: skip
TRIDIAGONAL_SOLVE.case("W06", "or something near", diagonals=[[1, 0], [1, 1], [0, 1]], rhs=[[1], [1]],
                       perturb_singular=True, output=[[1], [0]])  # fmt: skip
TRIDIAGONAL_SOLVE.case("W06", "always three", diagonals=[[1, 1]], rhs=[[1], [1]], error="a matrix with 3 rows, got 1")
TRIDIAGONAL_SOLVE.case("W06", "of the length of the rows", diagonals=_D, rhs=[[1], [1]],
                       error="same number of left-hand sides and right-hand sides, got 3 and 2.")  # fmt: skip
TRIDIAGONAL_MATMUL.case("W06", "three rows", superdiag=_D[:1], maindiag=_D[1:2], subdiag=_D[2:], rhs=[[1], [1], [1]],
                        output=[[5], [7], [6]])  # fmt: skip
TRIDIAGONAL_MATMUL.case("W06", "of one length", superdiag=[[1]], maindiag=_D[1:2], subdiag=_D[2:],
                        rhs=[[1], [1], [1]], error="Invalid superdiagonal shape.")  # fmt: skip
