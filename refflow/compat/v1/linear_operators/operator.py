"""What every linear operator has, by two things that its class gives: its shape, and what it makes of a matrix.

    A.matmul(x)     [..., M, N] times [..., N, K], batches broadcast
    A.solve(b)      the x of A x = b: of a class without a way of its own, by the matrix, Cholesky's where that serves

A class of one's own derives from LinearOperator and gives `_shape`, `_shape_tensor` and `_matmul`.

Next: compat/v1/linear_operators/plain.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import refflow.compat.v1 as tf
from refflow.core.graph import Operation, Tensor
from refflow.core.shapes import Dimension, TensorShape


class LinearOperator:
    """A batch of matrices [..., M, N].

    is_non_singular, is_self_adjoint, is_positive_definite, is_square: what is known of them; None where it is not.
    What is said is believed, and chooses the way in which systems are solved.
    """

    def __init__(
        self, dtype: Any, graph_parents: Sequence[Any] | None = None, is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None, is_positive_definite: bool | None = None, is_square: bool | None = None,
        name: str | None = None, parameters: dict[str, Any] | None = None,
    ):  # fmt: skip
        if is_positive_definite:
            if is_non_singular is False:
                raise ValueError("A positive definite matrix is always non-singular.")
            is_non_singular = True
        for hint, called in ((is_non_singular, "non-singular"), (is_self_adjoint, "self-adjoint")):
            if hint and is_square is False:
                raise ValueError(f"A {called} matrix is always square.")
        self._dtype, self._graph_parents = tf.as_dtype(dtype).base_dtype, list(graph_parents or ())
        self._is_square = True if is_non_singular or is_self_adjoint else is_square
        self._is_non_singular, self._is_self_adjoint = is_non_singular, is_self_adjoint
        self._is_positive_definite = is_positive_definite
        self._name = name or type(self).__name__
        self._parameters = dict(parameters or {})

    @contextmanager
    def _name_scope(self, name: str) -> Iterator[str]:
        with tf.name_scope(self.name), tf.name_scope(name) as scope:
            yield scope

    # -- what it is -----------------------------------------------------------------------------------------------

    parameters = property(lambda self: dict(self._parameters), doc="What it was made with, by name.")
    dtype = property(lambda self: self._dtype, doc="The type of its elements.")
    name = property(lambda self: self._name, doc="The scope of its nodes.")
    graph_parents = property(lambda self: self._graph_parents, doc="The tensors that it is made of.")
    is_non_singular = property(lambda self: self._is_non_singular, doc="Whether it has an inverse, as far as known.")
    is_self_adjoint = property(lambda self: self._is_self_adjoint, doc="Whether it is its adjoint, as far as known.")
    is_positive_definite = property(lambda self: self._is_positive_definite, doc="Whether x^H A x > 0 for all x.")

    @property
    def is_square(self) -> bool | None:
        """Whether it has as many rows as columns, as far as it is known."""
        if self.domain_dimension.value is None or self.range_dimension.value is None:
            return self._is_square
        found: bool = self.domain_dimension.value == self.range_dimension.value
        if self._is_square and not found:
            raise ValueError(f"is_square is said of {self.name}, whose shape is {self.shape}")
        return found

    def _shape(self) -> TensorShape:
        raise NotImplementedError("_shape is not implemented.")

    def _shape_tensor(self) -> Tensor:
        raise NotImplementedError("_shape_tensor is not implemented.")

    @property
    def shape(self) -> TensorShape:
        """[..., M, N], as far as it is known."""
        return TensorShape(self._shape())

    def shape_tensor(self, name: str = "shape_tensor") -> Tensor:
        """[..., M, N], int32."""
        with self._name_scope(name):
            known = self.shape
            return tf.constant(known.as_list(), tf.int32) if known.is_fully_defined() else self._shape_tensor()

    @property
    def batch_shape(self) -> TensorShape:
        """The shape before the last two axes."""
        return self.shape[:-2]

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The same when the step runs."""
        return self.shape_tensor(name)[:-2]

    @property
    def tensor_rank(self) -> int | None:
        """How many axes the batch of matrices has."""
        return self.shape.ndims

    def tensor_rank_tensor(self, name: str = "tensor_rank_tensor") -> Tensor:
        """The same when the step runs."""
        return tf.size(self.shape_tensor(name))

    domain_dimension = property(lambda self: self._side(-1), doc="N, the number of columns, as a Dimension.")
    range_dimension = property(lambda self: self._side(-2), doc="M, the number of rows, as a Dimension.")

    def _side(self, axis: int) -> Dimension:
        known = self.shape
        return Dimension(None) if known.ndims is None else known[axis]

    def domain_dimension_tensor(self, name: str = "domain_dimension_tensor") -> Tensor:
        """N, int32."""
        return self.shape_tensor(name)[-1]

    def range_dimension_tensor(self, name: str = "range_dimension_tensor") -> Tensor:
        """M, int32."""
        return self.shape_tensor(name)[-2]

    # -- checks of the step ---------------------------------------------------------------------------------------

    def assert_non_singular(self, name: str = "assert_non_singular") -> Operation:
        """An operation that fails where the matrix has no inverse that its type could hold."""
        with self._name_scope(name):
            smallest = tf.reduce_min(self._singular_values(), -1)
            least = tf.constant(0.0, smallest.dtype)
            return tf.assert_greater(smallest, least, message="Singular matrix encountered")

    def assert_positive_definite(self, name: str = "assert_positive_definite") -> Operation:
        """An operation that fails where it is not positive definite."""
        with self._name_scope(name):
            least = tf.reduce_min(tf.real(tf.linalg.eigvalsh(self.to_dense())), -1)
            return tf.assert_positive(least, message="Matrix was not positive definite.")

    def assert_self_adjoint(self, name: str = "assert_self_adjoint") -> Operation:
        """An operation that fails where it is not its adjoint."""
        with self._name_scope(name):
            dense = self.to_dense()
            return tf.assert_equal(dense, tf.linalg.adjoint(dense), message="Matrix was not equal to its adjoint.")

    # -- products and solutions -----------------------------------------------------------------------------------

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        raise NotImplementedError("_matmul is not implemented.")

    def matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "matmul") -> Any:
        """A x, or A^H x; of another operator, the operator of the product. adjoint_arg: of x^H."""
        if isinstance(x, LinearOperator):
            from refflow.compat.v1.linear_operators.composed import product

            return product(self.adjoint() if adjoint else self, x.adjoint() if adjoint_arg else x)
        with self._name_scope(name):
            x = tf.convert_to_tensor(x, name="x", preferred_dtype=self.dtype)
            self._check_type(x)
            if x.get_shape().ndims is not None:
                rows = x.get_shape()[-1 if adjoint_arg else -2]
                self._side(-2 if adjoint else -1).assert_is_compatible_with(rows)
            return self._matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def __matmul__(self, other: Any) -> Any:
        return self.matmul(other)

    def matvec(self, x: Any, adjoint: bool = False, name: str = "matvec") -> Tensor:
        """A x for vectors [..., N]."""
        with self._name_scope(name):
            column = tf.convert_to_tensor(x, name="x", preferred_dtype=self.dtype)[..., tf.newaxis]
            return tf.squeeze(self.matmul(column, adjoint=adjoint), [-1])

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        """By the matrix."""
        rhs = tf.linalg.adjoint(rhs) if adjoint_arg else rhs
        dense, rhs = alike(self.to_dense(), rhs)
        if self.is_self_adjoint and self.is_positive_definite:
            return tf.linalg.cholesky_solve(tf.linalg.cholesky(dense), rhs)
        return tf.linalg.solve(dense, rhs, adjoint=adjoint)

    def solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "solve") -> Any:
        """The x of A x = rhs, exactly; of another operator, the operator of the solution."""
        told = "Exact solve not implemented for an operator that is expected to"
        if self.is_non_singular is False:
            raise NotImplementedError(f"{told} be singular.")
        self._need_square(f"{told} not be square.")
        if isinstance(rhs, LinearOperator):
            return (self.adjoint() if adjoint else self).inverse().matmul(rhs, adjoint_arg=adjoint_arg)
        with self._name_scope(name):
            rhs = tf.convert_to_tensor(rhs, name="rhs", preferred_dtype=self.dtype)
            self._check_type(rhs)
            return self._solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def solvevec(self, rhs: Any, adjoint: bool = False, name: str = "solve") -> Tensor:
        """The x of A x = rhs for vectors [..., M]."""
        with self._name_scope(name):
            column = tf.convert_to_tensor(rhs, name="rhs", preferred_dtype=self.dtype)[..., tf.newaxis]
            return tf.squeeze(self.solve(column, adjoint=adjoint), [-1])

    def _check_type(self, x: Tensor) -> None:
        if x.dtype.base_dtype != self.dtype:
            raise TypeError(f"Input argument has dtype {x.dtype.name}, and {self.name} is of {self.dtype.name}.")

    def _need_square(self, told: str) -> None:
        if self.is_square is False:
            raise NotImplementedError(told)

    # -- operators of it ------------------------------------------------------------------------------------------

    def adjoint(self, name: str = "adjoint") -> LinearOperator:
        """A^H, as an operator; A itself where it is known to be that."""
        from refflow.compat.v1.linear_operators.composed import LinearOperatorAdjoint

        return self if self.is_self_adjoint else LinearOperatorAdjoint(self)

    H = property(adjoint, doc="A^H, as an operator.")

    def inverse(self, name: str = "inverse") -> LinearOperator:
        """The inverse, as an operator whose product is this one's solution."""
        from refflow.compat.v1.linear_operators.composed import LinearOperatorInversion

        for holds, called in ((self.is_square, "non square"), (self.is_non_singular, "singular")):
            if holds is False:
                raise ValueError(f"Cannot take the Inverse: This operator represents a {called} matrix.")
        return LinearOperatorInversion(self)

    def cholesky(self, name: str = "cholesky") -> LinearOperator:
        """The lower triangular L with L L^H = A, as an operator."""
        from refflow.compat.v1.linear_operators.plain import LinearOperatorLowerTriangular

        if not (self.is_positive_definite and self.is_self_adjoint):
            raise ValueError("Cannot take the Cholesky decomposition: Not a positive definite self adjoint matrix.")
        with self._name_scope(name):
            factor = tf.linalg.cholesky(self.to_dense())
        return LinearOperatorLowerTriangular(factor, is_non_singular=True, is_self_adjoint=False, is_square=True)

    # -- numbers of it --------------------------------------------------------------------------------------------

    def _to_dense(self) -> Tensor:
        columns = self.domain_dimension_tensor()
        return self._matmul(tf.eye(columns, batch_shape=self.batch_shape_tensor(), dtype=self.dtype))

    def to_dense(self, name: str = "to_dense") -> Tensor:
        """The matrices themselves."""
        with self._name_scope(name):
            found = self._to_dense()
            found.set_shape(self.shape)
            return found

    def _diag_part(self) -> Tensor:
        return tf.matrix_diag_part(self.to_dense())

    def diag_part(self, name: str = "diag_part") -> Tensor:
        """The diagonals, [..., min(M, N)]."""
        with self._name_scope(name):
            return self._diag_part()

    def _trace(self) -> Tensor:
        return tf.reduce_sum(self.diag_part(), -1)

    def trace(self, name: str = "trace") -> Tensor:
        """The sums of the diagonals."""
        with self._name_scope(name):
            return self._trace()

    def _determinant(self) -> Tensor:
        return tf.linalg.det(self.to_dense())

    def determinant(self, name: str = "det") -> Tensor:
        """The determinants."""
        self._need_square("Determinant not implemented for an operator that is expected to not be square.")
        with self._name_scope(name):
            return self._determinant()

    def _log_abs_determinant(self) -> Tensor:
        dense = self.to_dense()
        if self.is_self_adjoint and self.is_positive_definite:
            return 2.0 * tf.reduce_sum(tf.log(tf.abs(tf.matrix_diag_part(tf.linalg.cholesky(dense)))), -1)
        return tf.linalg.slogdet(dense)[1]

    def log_abs_determinant(self, name: str = "log_abs_det") -> Tensor:
        """The logarithms of the determinants' sizes."""
        self._need_square("Determinant not implemented for an operator that is expected to not be square.")
        with self._name_scope(name):
            return self._log_abs_determinant()

    def _eigvals(self) -> Tensor:
        return tf.linalg.eigvalsh(self.to_dense())

    def eigvals(self, name: str = "eigvals") -> Tensor:
        """The eigenvalues, of a matrix rising; for operators that are known to be self-adjoint."""
        if not self.is_self_adjoint:
            raise NotImplementedError("Only self-adjoint matrices are supported.")
        with self._name_scope(name):
            return self._eigvals()

    def _singular_values(self) -> Tensor:
        return tf.linalg.svd(self.to_dense(), compute_uv=False)

    def cond(self, name: str = "cond") -> Tensor:
        """The largest singular value over the smallest."""
        with self._name_scope(name):
            values = self._singular_values()
            return tf.reduce_max(values, -1) / tf.reduce_min(values, -1)

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        return self.to_dense() + x

    def add_to_tensor(self, x: Any, name: str = "add_to_tensor") -> Tensor:
        """A + x."""
        with self._name_scope(name):
            x = tf.convert_to_tensor(x, name="x", preferred_dtype=self.dtype)
            self._check_type(x)
            return self._add_to_tensor(x)


def alike(*matrices: Tensor) -> list[Tensor]:
    """The same matrices with their batches broadcast to one shape, for op types that do not broadcast."""
    shapes = [m.get_shape() for m in matrices]
    known = all(s.ndims is not None and s[:-2].is_fully_defined() for s in shapes)
    if known and len({tuple(s.as_list()[:-2]) for s in shapes}) == 1:
        return list(matrices)
    batch = tf.shape(matrices[0])[:-2]
    for m in matrices[1:]:
        batch = tf.broadcast_dynamic_shape(batch, tf.shape(m)[:-2])
    found = [tf.broadcast_to(m, tf.concat([batch, tf.shape(m)[-2:]], 0)) for m in matrices]
    if all(s.ndims is not None for s in shapes):
        whole = shapes[0][:-2]
        for s in shapes[1:]:
            whole = tf.broadcast_static_shape(whole, s[:-2])
        for m, s in zip(found, shapes, strict=True):
            m.set_shape([*whole.as_list(), *s.as_list()[-2:]])
    return found
