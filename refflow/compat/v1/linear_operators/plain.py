"""Operators of one tensor, or of none: diagonals, whole matrices, triangles, identities, zeros, reflections.

Next: compat/v1/linear_operators/composed.py.
"""

from __future__ import annotations

from typing import Any

import refflow.compat.v1 as tf
from refflow.compat.v1.linear_operators.operator import LinearOperator, alike
from refflow.core.constants import constant_value
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape

_NUMBERS = ("float16", "float32", "float64", "complex64", "complex128")
Hint = bool | None


def _tensor(value: Any, name: str, ranked: int) -> Tensor:
    found = tf.convert_to_tensor(value, name=name)
    if found.dtype.base_dtype.name not in _NUMBERS:
        raise TypeError(f"Argument {name} must have dtype in {list(_NUMBERS)}. Found: {found.dtype.base_dtype.name}")
    rank = found.get_shape().ndims
    if rank is not None and rank < ranked:
        raise ValueError(f"Argument {name} must have at least {ranked} dimensions. Found: {found}")
    return found


def _turned(x: Tensor, adjoint: bool) -> Tensor:
    return tf.linalg.adjoint(x) if adjoint else x


class LinearOperatorFullMatrix(LinearOperator):
    """The matrices of a tensor [..., M, N]."""

    def __init__(
        self, matrix: Any, is_non_singular: Hint = None, is_self_adjoint: Hint = None,
        is_positive_definite: Hint = None, is_square: Hint = None, name: str = "LinearOperatorFullMatrix",
    ):  # fmt: skip
        given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        with tf.name_scope(name, values=[matrix]):
            self._matrix = _tensor(matrix, "matrix", 2)
        super().__init__(self._matrix.dtype, [self._matrix], is_non_singular, is_self_adjoint, is_positive_definite,
                         is_square, name, given)  # fmt: skip

    matrix = property(lambda self: self._matrix, doc="The matrices.")

    def _shape(self) -> TensorShape:
        return self._matrix.get_shape()

    def _shape_tensor(self) -> Tensor:
        return tf.shape(self._matrix)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return tf.matmul(self._matrix, x, adjoint_a=adjoint, adjoint_b=adjoint_arg)

    def _to_dense(self) -> Tensor:
        return tf.identity(self._matrix)


class LinearOperatorLowerTriangular(LinearOperator):
    """The lower triangles of a tensor [..., N, N]; what is above them is not looked at."""

    def __init__(
        self, tril: Any, is_non_singular: Hint = None, is_self_adjoint: Hint = None,
        is_positive_definite: Hint = None, is_square: Hint = None, name: str = "LinearOperatorLowerTriangular",
    ):  # fmt: skip
        given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        if is_square is False:
            raise ValueError("Only square lower triangular operators supported at this time.")
        with tf.name_scope(name, values=[tril]):
            self._tril = tf.matrix_band_part(_tensor(tril, "tril", 2), -1, 0)
        super().__init__(self._tril.dtype, [self._tril], is_non_singular, is_self_adjoint, is_positive_definite,
                         True, name, given)  # fmt: skip

    tril = property(lambda self: self._tril, doc="The triangles, with zeros above.")

    def _shape(self) -> TensorShape:
        return self._tril.get_shape()

    def _shape_tensor(self) -> Tensor:
        return tf.shape(self._tril)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return tf.matmul(self._tril, x, adjoint_a=adjoint, adjoint_b=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        tril, rhs = alike(self._tril, _turned(rhs, adjoint_arg))
        return tf.matrix_triangular_solve(tril, rhs, lower=True, adjoint=adjoint)

    def _determinant(self) -> Tensor:
        return tf.reduce_prod(tf.matrix_diag_part(self._tril), -1)

    def _log_abs_determinant(self) -> Tensor:
        return tf.reduce_sum(tf.log(tf.abs(tf.matrix_diag_part(self._tril))), -1)

    def _to_dense(self) -> Tensor:
        return tf.identity(self._tril)


class _OfDiagonal(LinearOperator):
    """Operators that scale each row: by `_scales()`, [..., N] or [..., 1]."""

    def _scales(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no _scales")

    def _sizes(self) -> Tensor:
        """The scales as [..., N]."""
        return self._scales() * tf.ones(self.shape_tensor()[:-1], self.dtype)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        scales = self._scales()[..., tf.newaxis]
        return (tf.conj(scales) if adjoint else scales) * _turned(x, adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        scales = self._scales()[..., tf.newaxis]
        return _turned(rhs, adjoint_arg) / (tf.conj(scales) if adjoint else scales)

    def _determinant(self) -> Tensor:
        return tf.reduce_prod(self._sizes(), -1)

    def _log_abs_determinant(self) -> Tensor:
        return tf.reduce_sum(tf.log(tf.abs(self._sizes())), -1)

    def _diag_part(self) -> Tensor:
        return self._sizes()

    _eigvals = _diag_part

    def _singular_values(self) -> Tensor:
        return tf.abs(self._sizes())

    def _to_dense(self) -> Tensor:
        return tf.matrix_diag(self._sizes())

    def assert_positive_definite(self, name: str = "assert_positive_definite") -> Any:
        with self._name_scope(name):
            said = "Diagonal operator had diagonal entries with non-positive real part, thus was not positive definite."
            return tf.assert_positive(tf.real(self._sizes()), message=said)


class LinearOperatorDiag(_OfDiagonal):
    """The matrices with diagonals [..., N] and nothing else."""

    def __init__(
        self, diag: Any, is_non_singular: Hint = None, is_self_adjoint: Hint = None,
        is_positive_definite: Hint = None, is_square: Hint = None, name: str = "LinearOperatorDiag",
    ):  # fmt: skip
        given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        if is_square is False:
            raise ValueError("Only square diagonal operators currently supported.")
        with tf.name_scope(name, values=[diag]):
            self._diag = _tensor(diag, "diag", 1)
        if not self._diag.dtype.is_complex:
            if is_self_adjoint is False:
                raise ValueError("A real diagonal operator is always self adjoint.")
            is_self_adjoint = True
        super().__init__(self._diag.dtype, [self._diag], is_non_singular, is_self_adjoint, is_positive_definite, True,
                         name, given)  # fmt: skip

    diag = property(lambda self: self._diag, doc="The diagonals.")

    def _scales(self) -> Tensor:
        return self._diag

    def _shape(self) -> TensorShape:
        known = self._diag.get_shape()
        return known.concatenate(known[-1:])

    def _shape_tensor(self) -> Tensor:
        found = tf.shape(self._diag)
        return tf.concat([found, found[-1:]], 0)


class _Sized(LinearOperator):
    """Operators that are told their sizes: rows, columns, and a batch."""

    def _start(self, num_rows: Any, num_columns: Any, batch_shape: Any) -> None:
        self._rows = tf.convert_to_tensor(num_rows, tf.int32, name="num_rows")
        self._columns = tf.convert_to_tensor(num_columns, tf.int32, name="num_columns")
        self._batch = tf.convert_to_tensor([] if batch_shape is None else batch_shape, tf.int32, name="batch_shape")
        known = [constant_value(size) for size in (self._rows, self._columns)]
        if any(size is not None and (size.ndim or size < 0) for size in known):
            raise ValueError(f"num_rows and num_columns must be numbers that are not negative, got {known}")

    def _shape(self) -> TensorShape:
        batch = constant_value(self._batch)
        count = self._batch.get_shape()[0].value
        outer = TensorShape(None if count is None else [None] * count if batch is None else batch.tolist())
        sides = [constant_value(size) for size in (self._rows, self._columns)]
        return outer.concatenate([None if side is None else int(side) for side in sides])

    def _shape_tensor(self) -> Tensor:
        return tf.concat([self._batch, [self._rows, self._columns]], 0)

    def _spread(self, x: Tensor) -> Tensor:
        """x with at least the operator's batch."""
        if self._batch.get_shape().as_list() == [0]:
            return x
        whole = tf.broadcast_dynamic_shape(self._batch, tf.shape(x)[:-2])
        return tf.broadcast_to(x, tf.concat([whole, tf.shape(x)[-2:]], 0))


class LinearOperatorIdentity(_Sized, _OfDiagonal):
    """Identity matrices."""

    def __init__(
        self, num_rows: Any, batch_shape: Any = None, dtype: Any = None, is_non_singular: Hint = True,
        is_self_adjoint: Hint = True, is_positive_definite: Hint = True, is_square: Hint = True,
        assert_proper_shapes: bool = False, name: str = "LinearOperatorIdentity",
    ):  # fmt: skip
        given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        if not (is_non_singular and is_self_adjoint and is_square):
            raise ValueError("An identity operator is always non-singular, self-adjoint and square.")
        with tf.name_scope(name):
            self._start(num_rows, num_rows, batch_shape)
        super().__init__(dtype or tf.float32, None, True, True, is_positive_definite, True, name, given)

    def _scales(self) -> Tensor:
        return tf.ones([1], self.dtype)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._spread(_turned(x, adjoint_arg))

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._matmul(rhs, adjoint, adjoint_arg)


class LinearOperatorScaledIdentity(_Sized, _OfDiagonal):
    """Identity matrices, each times its number of `multiplier` [...]."""

    def __init__(
        self, num_rows: Any, multiplier: Any, is_non_singular: Hint = None, is_self_adjoint: Hint = None,
        is_positive_definite: Hint = None, is_square: Hint = True, assert_proper_shapes: bool = False,
        name: str = "LinearOperatorScaledIdentity",
    ):  # fmt: skip
        given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        if not is_square:
            raise ValueError("A ScaledIdentity operator is always square.")
        with tf.name_scope(name, values=[multiplier]):
            self._multiplier = _tensor(multiplier, "multiplier", 0)
            self._start(num_rows, num_rows, tf.shape(self._multiplier))
        if not self._multiplier.dtype.is_complex:
            if is_self_adjoint is False:
                raise ValueError("A real diagonal operator is always self adjoint.")
            is_self_adjoint = True
        super().__init__(self._multiplier.dtype, [self._multiplier], is_non_singular, is_self_adjoint,
                         is_positive_definite, True, name, given)  # fmt: skip

    multiplier = property(lambda self: self._multiplier, doc="The numbers.")

    def _scales(self) -> Tensor:
        return self._multiplier[..., tf.newaxis]

    def _shape(self) -> TensorShape:
        side = constant_value(self._rows)
        return self._multiplier.get_shape().concatenate([None if side is None else int(side)] * 2)


class LinearOperatorZeros(_Sized):
    """Matrices of zeros."""

    def __init__(
        self, num_rows: Any, num_columns: Any = None, batch_shape: Any = None, dtype: Any = None,
        is_non_singular: Hint = False, is_self_adjoint: Hint = True, is_positive_definite: Hint = False,
        is_square: Hint = True, assert_proper_shapes: bool = False, name: str = "LinearOperatorZeros",
    ):  # fmt: skip
        given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        if is_non_singular or is_positive_definite:
            raise ValueError("A zeros operator is always singular, and never positive definite.")
        with tf.name_scope(name):
            self._start(num_rows, num_rows if num_columns is None else num_columns, batch_shape)
        super().__init__(dtype or tf.float32, None, False, is_self_adjoint, False, is_square, name, given)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        x, side = self._spread(_turned(x, adjoint_arg)), self._columns if adjoint else self._rows
        shape = tf.shape(x)
        return tf.zeros(tf.concat([shape[:-2], [side], shape[-1:]], 0), self.dtype)

    def _to_dense(self) -> Tensor:
        return tf.zeros(self.shape_tensor(), self.dtype)


class LinearOperatorHouseholder(LinearOperator):
    """Reflections: I - 2 v v^H of unit vectors v along `reflection_axis` [..., N]."""

    def __init__(
        self, reflection_axis: Any, is_non_singular: Hint = None, is_self_adjoint: Hint = None,
        is_positive_definite: Hint = None, is_square: Hint = None, name: str = "LinearOperatorHouseholder",
    ):  # fmt: skip
        given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        if False in (is_non_singular, is_self_adjoint, is_square) or is_positive_definite:
            raise ValueError("A Householder operator is non-singular, self-adjoint, square, never positive definite.")
        with tf.name_scope(name, values=[reflection_axis]):
            self._axis = _tensor(reflection_axis, "reflection_axis", 1)
        super().__init__(self._axis.dtype, [self._axis], True, True, False, True, name, given)

    reflection_axis = property(lambda self: self._axis, doc="The vectors, of any length.")

    def _shape(self) -> TensorShape:
        known = self._axis.get_shape()
        return known.concatenate(known[-1:])

    def _shape_tensor(self) -> Tensor:
        found = tf.shape(self._axis)
        return tf.concat([found, found[-1:]], 0)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        x = _turned(x, adjoint_arg)
        unit = self._axis / tf.norm(self._axis, axis=-1, keepdims=True)
        along = tf.reduce_sum(tf.conj(unit)[..., tf.newaxis] * x, -2, keepdims=True)
        return x - 2.0 * unit[..., tf.newaxis] * along

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._matmul(rhs, adjoint, adjoint_arg)  # a reflection undoes itself

    def _determinant(self) -> Tensor:
        return -tf.ones(self.batch_shape_tensor(), self.dtype)

    def _log_abs_determinant(self) -> Tensor:
        return tf.zeros(self.batch_shape_tensor(), self.dtype)
