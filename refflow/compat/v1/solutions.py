"""Solutions, norms and functions of matrices, made of products, factors and singular values.

    expm        scaled by a power of two, a Pade approximant of order 13, squared back
    pinv        v diag(1 / s) u^H, without the singular values that count as 0
    lu_solve    L y = P b, then U x = y; both lie in one matrix
    norm        of vectors along one axis; of matrices, largest column sum (1), row sum (inf), singular value (2)

Next: compat/v1/linalg.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import expand_dims, gather, matrix_band_part
from refflow.compat.v1.blocks import argsort
from refflow.compat.v1.math import matmul, reduce_max, reduce_sum
from refflow.compat.v1.matrices import matrix_diag, matrix_diag_part, matrix_set_diag, matrix_transpose, svd
from refflow.compat.v1.numbers import abs as sizes_of
from refflow.compat.v1.numbers import real
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import int32
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.cast import cast
from refflow.ops.loops import while_loop

__all__ = [
    "eigh_tridiagonal", "expm", "logdet", "lu_matrix_inverse", "lu_reconstruct", "lu_solve", "matrix_rank", "matvec",
    "norm", "normalize", "pinv", "tridiagonal_matmul", "tridiagonal_solve",
]  # fmt: skip

# -- norms -------------------------------------------------------------------------------------------------------

_NORMS = ("euclidean", "fro", 1, 2, np.inf)


def norm(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool | None = None, name: str | None = None,
    keep_dims: bool | None = None,
) -> Tensor:  # fmt: skip
    """The norm of vectors along an axis, of matrices along two, or of everything as one vector."""
    keep = bool(keepdims if keepdims is not None else keep_dims)
    matrices = isinstance(axis, (list, tuple)) and len(axis) == 2
    if matrices:
        if ord not in _NORMS:
            raise ValueError(f"'ord' must be a supported matrix norm in {list(_NORMS)}, got {ord}")
        if axis[0] == axis[1]:
            raise ValueError(f"'axis' must be None, an integer, or a tuple of 2 unique integers, got {axis}")
    elif ord not in ("euclidean", 1, 2, np.inf) and (isinstance(ord, str) or ord <= 0):
        raise ValueError(f"'ord' must be a supported vector norm, got {ord}")
    if isinstance(axis, (list, tuple)) and not matrices:
        raise ValueError(f"'axis' must be None, an integer, or a tuple of 2 unique integers, got {axis}")
    with op_scope([], name, "norm"):
        x = convert_to_tensor(tensor)
        size = sizes_of(x)
        if ord in ("euclidean", "fro") or (ord == 2 and not matrices):
            return cast(op_def("Sqrt")(reduce_sum(size * size, axis, keep)), x.dtype.base_dtype)
        if not matrices:
            return _vector_norm(size, ord, axis, keep)
        rows, columns = (a % (x.get_shape().ndims or 2) for a in axis)
        if ord == 2:
            return _largest_singular(x, rows, columns, keep)
        summed, left = (columns, rows) if ord == np.inf else (rows, columns)
        found = reduce_max(reduce_sum(size, summed, True), left, True)
        return found if keep else op_def("Squeeze")(found, squeeze_dims=[rows, columns])


def _vector_norm(size: Tensor, ord: Any, axis: Any, keep: bool) -> Tensor:
    if ord == np.inf:
        return reduce_max(size, axis, keep)
    if ord == 1:
        return reduce_sum(size, axis, keep)
    power = float(ord)
    return op_def("Pow")(reduce_sum(op_def("Pow")(size, power), axis, keep), 1 / power)


def _largest_singular(x: Tensor, rows: int, columns: int, keep: bool) -> Tensor:
    rank = x.get_shape().with_rank_at_least(2).ndims
    outer = [i for i in range(rank or 2) if i not in (rows, columns)]
    found = reduce_max(svd(op_def("Transpose")(x, [*outer, rows, columns]), compute_uv=False), -1)
    for axis in sorted((rows, columns)) if keep else ():
        found = expand_dims(found, axis)
    return found


def normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None, name: str | None = None) -> tuple[Tensor, Tensor]:
    """(the tensor over its norm, the norm, with axes of size 1)."""
    with op_scope([], name, "normalize"):
        x = convert_to_tensor(tensor)
        length = cast(norm(x, ord, axis, True), x.dtype.base_dtype)
        return x / length, length


def matrix_rank(a: Any, tol: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """How many singular values are above `tol`: by default as many last places of the largest as the larger side."""
    with op_scope([], name, "matrix_rank"):
        a = convert_to_tensor(a)
        values = svd(a, compute_uv=False)
        if tol is None:
            unit = np.finfo(values.dtype.base_dtype.as_numpy_dtype).eps
            sides = cast(reduce_max(op_def("Shape")(a)[-2:]), values.dtype.base_dtype)
            tol = reduce_max(values, -1, True) * (sides * unit)
        else:
            tol = convert_to_tensor(tol, values.dtype.base_dtype)
            tol = expand_dims(tol, -1) if tol.get_shape().ndims else tol
        return reduce_sum(cast(op_def("Greater")(values, tol), int32), -1)


def pinv(a: Any, rcond: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The inverse of Moore and Penrose; what is below `rcond` times the largest singular value counts as 0."""
    with op_scope([], name, "pinv"):
        a = convert_to_tensor(a)
        s, u, v = svd(a)
        kind = s.dtype.base_dtype
        if rcond is None:
            sides = cast(reduce_max(op_def("Shape")(a)[-2:]), kind)
            rcond = sides * (10.0 * np.finfo(kind.as_numpy_dtype).eps)
        least = convert_to_tensor(rcond, kind)
        least = (expand_dims(least, -1) if least.get_shape().ndims else least) * reduce_max(s, -1, True)
        s = op_def("SelectV2")(op_def("Greater")(s, least), s, np.inf)  # whose inverse is 0, and has a slope
        return matmul(v / cast(expand_dims(s, -2), a.dtype.base_dtype), u, adjoint_b=True)


# -- functions ---------------------------------------------------------------------------------------------------

_PADE = [64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
         670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1]  # fmt: skip
_LARGEST = 5.371920351148152  # up to this norm the approximant is exact to the last place of float64


def expm(input: Any, name: str | None = None) -> Tensor:
    """The exponential of each matrix: sum A^n / n!."""
    with op_scope([], name, "matrix_exponential"):
        a = convert_to_tensor(input, name="matrix")
        a.get_shape().with_rank_at_least(2)
        size = reduce_max(reduce_sum(sizes_of(a), -2, True), -1, True)
        kind = size.dtype.base_dtype
        halvings = op_def("Ceil")(op_def("Log")(size / _LARGEST) / float(np.log(2)))
        halvings = op_def("StopGradient")(op_def("Maximum")(halvings, np.zeros((), kind.as_numpy_dtype)))
        scaled = a / cast(op_def("Pow")(op_def("OnesLike")(halvings) * 2.0, halvings), a.dtype.base_dtype)
        first = _approximant(scaled)
        most = reduce_max(halvings)

        def squared(i: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
            more = op_def("BroadcastTo")(op_def("Less")(i, halvings), op_def("Shape")(found))
            return i + 1.0, op_def("Select")(more, matmul(found, found), found)

        _, found = while_loop(lambda i, _: op_def("Less")(i, most), squared, [most * 0.0, first])
        found.set_shape(a.get_shape())
        return found


def _approximant(a: Tensor) -> Tensor:
    """(V - U)^-1 (V + U), where U has the odd and V the even powers of a."""
    weights = [w / _PADE[0] for w in _PADE]
    sizes = op_def("Shape")(a)
    diagonal = op_def("Fill")(sizes[:-1], np.ones((), a.dtype.base_dtype.as_numpy_dtype))
    powers = [matrix_diag(diagonal, name=None)]
    square = matmul(a, a)
    for _ in range(6):
        powers.append(matmul(powers[-1], square))
    even = op_def("AddN")([p * _of(w, a) for p, w in zip(powers, weights[0::2], strict=True)])
    odd = op_def("AddN")([p * _of(w, a) for p, w in zip(powers, weights[1::2], strict=True)])
    odd = matmul(a, odd)
    return op_def("MatrixSolve")(even - odd, even + odd)


def _of(number: float, like: Tensor) -> Any:
    return np.asarray(number, like.dtype.base_dtype.as_numpy_dtype)


def logdet(matrix: Any, name: str | None = None) -> Tensor:
    """The logarithm of the determinant of each positive matrix: twice that of its Cholesky factor's diagonal."""
    with op_scope([], name, "logdet"):
        diagonal = real(matrix_diag_part(op_def("Cholesky")(matrix), name=None))
        return reduce_sum(op_def("Log")(diagonal), [-1]) * 2.0


def matvec(
    a: Any, b: Any, transpose_a: bool = False, adjoint_a: bool = False, a_is_sparse: bool = False,
    b_is_sparse: bool = False, name: str | None = None,
) -> Tensor:  # fmt: skip
    """Matrices times vectors."""
    with op_scope([], name, "MatVec"):
        a = convert_to_tensor(a, name="a")
        column = expand_dims(convert_to_tensor(b, a.dtype.base_dtype, name="b"), -1)
        found = matmul(a, column, transpose_a=transpose_a, adjoint_a=adjoint_a, a_is_sparse=a_is_sparse,
                       b_is_sparse=b_is_sparse)  # fmt: skip
        return op_def("Squeeze")(found, squeeze_dims=[-1])


# -- factors -----------------------------------------------------------------------------------------------------


def _rows(matrix: Tensor, order: Tensor) -> Tensor:
    """The rows of each matrix in an order of its own."""
    outer = (order.get_shape().ndims or 1) - 1
    return gather(matrix, order, axis=outer, batch_dims=outer)


def _unit_lower(both: Tensor) -> Tensor:
    """L of a matrix that holds L and U: its diagonal is 1."""
    ones = op_def("OnesLike")(matrix_diag_part(both, name=None))
    return matrix_set_diag(matrix_band_part(both, -1, 0), ones, name=None)


def lu_solve(lower_upper: Any, perm: Any, rhs: Any, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The x of A x = rhs, of the factors that `lu` gives of A."""
    with op_scope([], name, "lu_solve"):
        both = convert_to_tensor(lower_upper)
        order, right = convert_to_tensor(perm), convert_to_tensor(rhs, both.dtype.base_dtype)
        if (right.get_shape().ndims or 2) < 2:
            raise ValueError(f"`rhs` must have at least 2 dimensions, got {right.get_shape()}")
        inner = op_def("MatrixTriangularSolve")(_unit_lower(both), _rows(right, order), lower=True)
        return op_def("MatrixTriangularSolve")(both, inner, lower=False)


def lu_reconstruct(lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The matrix whose factors these are."""
    with op_scope([], name, "lu_reconstruct"):
        both = convert_to_tensor(lower_upper)
        product = matmul(_unit_lower(both), matrix_band_part(both, 0, -1))
        return _rows(product, argsort(convert_to_tensor(perm)))


def lu_matrix_inverse(lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The inverse of the matrix whose factors these are."""
    with op_scope([], name, "lu_matrix_inverse"):
        both = convert_to_tensor(lower_upper)
        ones = op_def("OnesLike")(matrix_diag_part(both, name=None))
        return lu_solve(both, perm, matrix_diag(ones, name=None))


# -- three diagonals ---------------------------------------------------------------------------------------------


def _diagonals(given: Any, form: str) -> list[Tensor]:
    """The upper, main and lower diagonal, each as long as the main one: what is outside the matrix is never read."""
    if form == "compact":
        whole = convert_to_tensor(given)
        if whole.get_shape().ndims and whole.get_shape()[-2].value not in (None, 3):
            raise ValueError(f"Expected 3 diagonals got {whole.get_shape()[-2].value}")
        return [whole[..., i, :] for i in range(3)]
    if form == "matrix":
        whole = convert_to_tensor(given)
        upper, main, lower = (matrix_diag_part(whole, name=None, k=k) for k in (1, 0, -1))
    elif form == "sequence":
        if not isinstance(given, Sequence) or len(given) != 3:
            raise ValueError("Expected diagonals to be a sequence of length 3.")
        upper, main, lower = (convert_to_tensor(d) for d in given)
    else:
        raise ValueError(f"Unrecognized diagonals_format: {form}")
    count = main.get_shape()[-1].value
    outer = np.zeros([(main.get_shape().ndims or 1) - 1, 2], np.int32)
    if upper.get_shape()[-1].value != count:
        upper = op_def("Pad")(upper, np.concatenate([outer, [[0, 1]]]).astype(np.int32))
    if lower.get_shape()[-1].value != count:
        lower = op_def("Pad")(lower, np.concatenate([outer, [[1, 0]]]).astype(np.int32))
    return [upper, main, lower]


def tridiagonal_matmul(diagonals: Any, rhs: Any, diagonals_format: str = "compact", name: str | None = None) -> Tensor:
    """Matrices of three diagonals times `rhs`. compact: [..., 3, M]; sequence: three vectors; matrix: [..., M, M]."""
    with op_scope([], name, "tridiagonal_matmul"):
        rows = [expand_dims(d, -2) for d in _diagonals(diagonals, diagonals_format)]
        return op_def("TridiagonalMatMul")(*rows, rhs)


def tridiagonal_solve(
    diagonals: Any, rhs: Any, diagonals_format: str = "compact", transpose_rhs: bool = False,
    conjugate_rhs: bool = False, name: str | None = None, partial_pivoting: bool = True, perturb_singular: bool = False,
) -> Tensor:  # fmt: skip
    """The x of A x = rhs, where A has three diagonals; `rhs` are vectors, or matrices."""
    with op_scope([], name, "tridiagonal_solve"):
        whole = op_def("Pack")(_diagonals(diagonals, diagonals_format), axis=-2)
        right = convert_to_tensor(rhs, whole.dtype.base_dtype)
        if conjugate_rhs and right.dtype.is_complex:
            right = op_def("Conj")(right)
        vectors = right.get_shape().ndims == (whole.get_shape().ndims or 0) - 1
        if vectors:
            right = expand_dims(right, -1)
        elif transpose_rhs:
            right = matrix_transpose(right)
        found = op_def("TridiagonalSolve")(whole, right, partial_pivoting=partial_pivoting,
                                           perturb_singular=perturb_singular)  # fmt: skip
        return op_def("Squeeze")(found, squeeze_dims=[-1]) if vectors else found


def eigh_tridiagonal(
    alpha: Any, beta: Any, eigvals_only: bool = True, select: str = "a", select_range: Any = None, tol: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """The eigenvalues, ascending, of the symmetric matrix with diagonal alpha and beside it beta; or (values, vectors).

    select: "a" all, "i" those numbered select_range = (first, last), "v" those in (low, high].
    """
    with op_scope([], name, "eigh_tridiagonal"):
        main = convert_to_tensor(alpha)
        side = convert_to_tensor(beta, main.dtype.base_dtype)
        lower = matrix_diag(side, name=None, k=-1)
        matrix = matrix_diag(cast(real(main), main.dtype.base_dtype), name=None) + lower + matrix_transpose(
            lower, conjugate=True)  # fmt: skip
        values, vectors = op_def("SelfAdjointEigV2")(matrix, compute_v=True)
        values = real(values)
        if select == "i":
            first, last = (int(n) for n in select_range)
            values, vectors = values[..., first : last + 1], vectors[..., :, first : last + 1]
        elif select == "v":
            low, high = (convert_to_tensor(v, values.dtype.base_dtype) for v in select_range)
            inside = op_def("LogicalAnd")(op_def("Greater")(values, low), op_def("LessEqual")(values, high))
            places = op_def("Where")(inside)[:, 0]
            values, vectors = gather(values, places), gather(vectors, places, axis=1)
        elif select != "a":
            raise ValueError("'select must have a value in {'a', 'i', 'v'}.")
        return values if eigvals_only else (values, vectors)
