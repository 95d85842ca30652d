"""Operators of operators: products, sums of low rank, blocks, Kronecker's products, adjoints, inverses.

    Composition  (A B) x = A (B x)             Kronecker   (A x B)^-1 = A^-1 x B^-1
    LowRankUpdate  L + U D V^H                 (L + U D V^H)^-1 = L^-1 - L^-1 U C^-1 V^H L^-1
                                               C = D^-1 + V^H L^-1 U, as large as U has columns (Woodbury)

Next: compat/v1/linear_operators/addition.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import refflow.compat.v1 as tf
from refflow.compat.v1.linear_operators.operator import LinearOperator, alike
from refflow.compat.v1.linear_operators.plain import Hint, LinearOperatorDiag, LinearOperatorIdentity
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape


def product(a: LinearOperator, b: LinearOperator) -> LinearOperator:
    """The operator of A B: the other one beside an identity, a diagonal of two diagonals, else a composition."""
    if isinstance(a, LinearOperatorIdentity):
        return b
    if isinstance(b, LinearOperatorIdentity):
        return a
    if isinstance(a, LinearOperatorDiag) and isinstance(b, LinearOperatorDiag):
        return LinearOperatorDiag(a.diag * b.diag)
    return LinearOperatorComposition([a, b])


def _every(hints: Sequence[bool | None]) -> bool | None:
    """True where all are, None where one is not known to be."""
    return True if all(hints) else None


class _Of(LinearOperator):
    """Operators of several operators of one type."""

    def __init__(
        self, operators: Sequence[LinearOperator], is_non_singular: Hint = None, is_self_adjoint: Hint = None,
        is_positive_definite: Hint = None, is_square: Hint = None, name: str | None = None,
    ):  # fmt: skip
        if not operators:
            raise ValueError(f"Expected a non-empty list of operators. Found: {operators}")
        kinds = {op.dtype for op in operators}
        if len(kinds) != 1:
            found = [op.dtype.name for op in operators]
            raise TypeError(f"Expected all operators to have the same dtype. Found: {found}")
        self._operators = list(operators)
        if is_non_singular is None:
            is_non_singular = _every([op.is_non_singular for op in operators])
        elif is_non_singular is False and all(op.is_non_singular for op in operators):
            raise ValueError("The composition of non-singular operators is always non-singular.")
        if self._INHERITS:
            if is_self_adjoint is None:
                is_self_adjoint = _every([op.is_self_adjoint for op in operators])
            if is_positive_definite is None:
                is_positive_definite = _every([op.is_positive_definite for op in operators])
        called = name or self._AND.join(op.name.rstrip("/") for op in operators)
        parents = [t for op in operators for t in op.graph_parents]
        super().__init__(next(iter(kinds)), parents, is_non_singular, is_self_adjoint, is_positive_definite, is_square,
                         called, {"operators": self._operators})  # fmt: skip

    _AND = "_and_"
    _INHERITS = False  # whether it is self-adjoint, or positive, where all its operators are
    operators = property(lambda self: self._operators, doc="The operators that it is made of.")

    def _sides(self) -> list[list[Any]]:
        """The operators' rows, and their columns, as far as they are known."""
        every = self._operators
        return [[op.range_dimension.value for op in every], [op.domain_dimension.value for op in every]]

    def _batch(self) -> TensorShape:
        return reduce(tf.broadcast_static_shape, [op.batch_shape for op in self._operators])

    def _batch_tensor(self) -> Tensor:
        return reduce(tf.broadcast_dynamic_shape, [op.batch_shape_tensor() for op in self._operators])


class LinearOperatorComposition(_Of):
    """A product of operators, the last of which acts first."""

    _AND = "_o_"

    def _shape(self) -> TensorShape:
        for left, right in zip(self._operators, self._operators[1:], strict=False):
            left.domain_dimension.assert_is_compatible_with(right.range_dimension)
        return self._batch().concatenate([self._operators[0].range_dimension, self._operators[-1].domain_dimension])

    def _shape_tensor(self) -> Tensor:
        sides = [self._operators[0].range_dimension_tensor(), self._operators[-1].domain_dimension_tensor()]
        return tf.concat([self._batch_tensor(), sides], 0)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        x = tf.linalg.adjoint(x) if adjoint_arg else x
        for op in self._operators if adjoint else reversed(self._operators):
            x = op.matmul(x, adjoint=adjoint)
        return x

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        rhs = tf.linalg.adjoint(rhs) if adjoint_arg else rhs
        for op in reversed(self._operators) if adjoint else self._operators:
            rhs = op.solve(rhs, adjoint=adjoint)
        return rhs

    def _determinant(self) -> Tensor:
        if not all(op.is_square for op in self._operators):
            return super()._determinant()
        return reduce(lambda x, y: x * y, [op.determinant() for op in self._operators])

    def _log_abs_determinant(self) -> Tensor:
        if not all(op.is_square for op in self._operators):
            return super()._log_abs_determinant()
        return reduce(lambda x, y: x + y, [op.log_abs_determinant() for op in self._operators])


class LinearOperatorKronecker(_Of):
    """Kronecker's product: each element of the first times the second, and so on."""

    _AND = "_x_"
    _INHERITS = True

    def _shape(self) -> TensorShape:
        return self._batch().concatenate([None if None in s else math.prod(s) for s in self._sides()])

    def _shape_tensor(self) -> Tensor:
        rows = reduce(lambda x, y: x * y, [op.range_dimension_tensor() for op in self._operators])
        columns = reduce(lambda x, y: x * y, [op.domain_dimension_tensor() for op in self._operators])
        return tf.concat([self._batch_tensor(), [rows, columns]], 0)

    def _to_dense(self) -> Tensor:
        return reduce(_kronecker, [op.to_dense() for op in self._operators])

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return tf.matmul(self._to_dense(), x, adjoint_a=adjoint, adjoint_b=adjoint_arg)

    def _log_abs_determinant(self) -> Tensor:
        whole = tf.cast(self.domain_dimension_tensor(), self.dtype)
        parts = [op.log_abs_determinant() / tf.cast(op.domain_dimension_tensor(), self.dtype) for op in self._operators]
        return whole * reduce(lambda x, y: x + y, parts)


def _kronecker(a: Tensor, b: Tensor) -> Tensor:
    every = a[..., :, tf.newaxis, :, tf.newaxis] * b[..., tf.newaxis, :, tf.newaxis, :]
    shape = tf.shape(every)
    sides = [shape[-4] * shape[-3], shape[-2] * shape[-1]]
    return tf.reshape(every, tf.concat([shape[:-4], sides], 0))


class LinearOperatorBlockDiag(_Of):
    """Operators as blocks along a diagonal."""

    _AND = "_ds_"
    _INHERITS = True

    def __init__(
        self, operators: Sequence[LinearOperator], is_non_singular: Hint = None, is_self_adjoint: Hint = None,
        is_positive_definite: Hint = None, is_square: Hint = True, name: str | None = None,
    ):  # fmt: skip
        super().__init__(operators, is_non_singular, is_self_adjoint, is_positive_definite, is_square, name)

    def _shape(self) -> TensorShape:
        return self._batch().concatenate([None if None in s else sum(s) for s in self._sides()])

    def _shape_tensor(self) -> Tensor:
        rows = tf.add_n([op.range_dimension_tensor() for op in self._operators])
        columns = tf.add_n([op.domain_dimension_tensor() for op in self._operators])
        return tf.concat([self._batch_tensor(), [rows, columns]], 0)

    def _parts(self, x: Tensor, rows: bool) -> list[Tensor]:
        sides = [op.range_dimension_tensor() if rows else op.domain_dimension_tensor() for op in self._operators]
        return list(tf.split(x, tf.stack(sides), -2, num=len(sides)))

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        parts = self._parts(tf.linalg.adjoint(x) if adjoint_arg else x, rows=adjoint)
        made = [op.matmul(part, adjoint=adjoint) for op, part in zip(self._operators, parts, strict=True)]
        return self._joined(made)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        parts = self._parts(tf.linalg.adjoint(rhs) if adjoint_arg else rhs, rows=not adjoint)
        return self._joined([op.solve(part, adjoint=adjoint) for op, part in zip(self._operators, parts, strict=True)])

    @staticmethod
    def _joined(parts: list[Tensor]) -> Tensor:
        return tf.concat(alike(*parts), -2)

    def _determinant(self) -> Tensor:
        return reduce(lambda x, y: x * y, [op.determinant() for op in self._operators])

    def _log_abs_determinant(self) -> Tensor:
        return reduce(lambda x, y: x + y, [op.log_abs_determinant() for op in self._operators])


class _Around(LinearOperator):
    """An operator that turns another one."""

    def __init__(
        self, operator: LinearOperator, is_non_singular: Hint = None, is_self_adjoint: Hint = None,
        is_positive_definite: Hint = None, is_square: Hint = None, name: str | None = None,
    ):  # fmt: skip
        given = [is_non_singular, is_self_adjoint, is_positive_definite, is_square]
        own = [operator.is_non_singular, operator.is_self_adjoint, operator.is_positive_definite, operator.is_square]
        non_singular, self_adjoint, positive, square = (
            o if g is None else g for g, o in zip(given, own, strict=True)
        )  # fmt: skip
        self._operator = operator
        called = name or f"{operator.name.rstrip('/')}_{self._CALLED}"
        super().__init__(operator.dtype, operator.graph_parents, non_singular, self_adjoint, positive, square, called,
                         {"operator": operator})  # fmt: skip

    _CALLED = ""
    operator = property(lambda self: self._operator, doc="The operator that it turns.")

    def _shape(self) -> TensorShape:
        return self._operator.batch_shape.concatenate([self._operator.domain_dimension, self._operator.range_dimension])

    def _shape_tensor(self) -> Tensor:
        shape = self._operator.shape_tensor()
        return tf.concat([shape[:-2], shape[-1:], shape[-2:-1]], 0)


class LinearOperatorAdjoint(_Around):
    """The adjoint, or transpose, of an operator."""

    _CALLED = "adjoint"

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._operator.matmul(x, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._operator.solve(rhs, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _to_dense(self) -> Tensor:
        return tf.linalg.adjoint(self._operator.to_dense())

    def _determinant(self) -> Tensor:
        return tf.conj(self._operator.determinant()) if self.dtype.is_complex else self._operator.determinant()

    def _log_abs_determinant(self) -> Tensor:
        return self._operator.log_abs_determinant()

    def adjoint(self, name: str = "adjoint") -> LinearOperator:
        return self._operator


class LinearOperatorInversion(_Around):
    """The inverse of an operator."""

    _CALLED = "inv"

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._operator.solve(x, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._operator.matmul(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _determinant(self) -> Tensor:
        return 1.0 / self._operator.determinant()

    def _log_abs_determinant(self) -> Tensor:
        return -self._operator.log_abs_determinant()

    def inverse(self, name: str = "inverse") -> LinearOperator:
        return self._operator


class LinearOperatorLowRankUpdate(LinearOperator):
    """L + U D V^H with U [..., M, K] and V [..., N, K] of few columns, and a diagonal D.

    diag_update: D's diagonal [..., K], ones by default. v: V, by default U.
    """

    def __init__(
        self, base_operator: LinearOperator, u: Any, diag_update: Any = None, v: Any = None,
        is_diag_update_positive: bool | None = None, is_non_singular: Hint = None, is_self_adjoint: Hint = None,
        is_positive_definite: Hint = None, is_square: Hint = None, name: str = "LinearOperatorLowRankUpdate",
    ):  # fmt: skip
        given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        with tf.name_scope(name, values=[u, diag_update, v]):
            self._u = tf.convert_to_tensor(u, name="u", preferred_dtype=base_operator.dtype)
            self._v = self._u if v is None else tf.convert_to_tensor(v, name="v", preferred_dtype=self._u.dtype)
            self._diag = None if diag_update is None else tf.convert_to_tensor(
                diag_update, name="diag_update", preferred_dtype=self._u.dtype)  # fmt: skip
        self._base = base_operator
        positive = is_diag_update_positive or diag_update is None
        real = not base_operator.dtype.is_complex
        if is_self_adjoint is None and v is None and real and base_operator.is_self_adjoint:
            is_self_adjoint = True
        if is_positive_definite is None and v is None and positive and base_operator.is_positive_definite:
            is_positive_definite = True
        # The capacitance is positive definite where the base is, U = V, and D > 0: then Cholesky's way serves.
        self._by_cholesky = bool(base_operator.is_positive_definite and base_operator.is_self_adjoint and v is None
                                 and positive)  # fmt: skip
        self._is_diag_update_positive = positive
        parents = [*base_operator.graph_parents, self._u, *([] if v is None else [self._v])]
        super().__init__(base_operator.dtype, parents + ([] if self._diag is None else [self._diag]), is_non_singular,
                         is_self_adjoint, is_positive_definite, is_square, name, given)  # fmt: skip

    u = property(lambda self: self._u, doc="U.")
    v = property(lambda self: self._v, doc="V.")
    diag_update = property(lambda self: self._diag, doc="The diagonal of D, or None where it is ones.")
    is_diag_update_positive = property(lambda self: self._is_diag_update_positive, doc="Whether D > 0.")
    base_operator = property(lambda self: self._base, doc="L.")

    def _shape(self) -> TensorShape:
        batch = tf.broadcast_static_shape(self._base.batch_shape, self._u.get_shape()[:-2])
        return batch.concatenate(self._base.shape[-2:])

    def _shape_tensor(self) -> Tensor:
        batch = tf.broadcast_dynamic_shape(self._base.batch_shape_tensor(), tf.shape(self._u)[:-2])
        return tf.concat([batch, self._base.shape_tensor()[-2:]], 0)

    def _scaled(self, x: Tensor) -> Tensor:
        """D x."""
        return x if self._diag is None else self._diag[..., tf.newaxis] * x

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        x = tf.linalg.adjoint(x) if adjoint_arg else x
        u, v = (self._v, self._u) if adjoint else (self._u, self._v)
        update = tf.matmul(u, self._scaled(tf.matmul(v, x, adjoint_a=True)))
        return self._base.matmul(x, adjoint=adjoint) + update

    def _capacitance(self, u: Tensor, v: Tensor, adjoint: bool = False) -> Tensor:
        inner = tf.matmul(v, self._base.solve(u, adjoint=adjoint), adjoint_a=True)
        ones = tf.ones_like(self._u[..., 0, :]) if self._diag is None else self._diag
        return tf.matrix_diag(1.0 / ones) + inner

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        rhs = tf.linalg.adjoint(rhs) if adjoint_arg else rhs
        u, v = (self._v, self._u) if adjoint else (self._u, self._v)
        first = self._base.solve(rhs, adjoint=adjoint)
        capacitance, seen = alike(self._capacitance(u, v, adjoint), tf.matmul(v, first, adjoint_a=True))
        if self._by_cholesky:
            small = tf.linalg.cholesky_solve(tf.linalg.cholesky(capacitance), seen)
        else:
            small = tf.linalg.solve(capacitance, seen)
        return first - self._base.solve(tf.matmul(u, small), adjoint=adjoint)

    def _determinant(self) -> Tensor:
        inner = tf.linalg.det(self._capacitance(self._u, self._v)) * self._base.determinant()
        return inner if self._diag is None else inner * tf.reduce_prod(self._diag, -1)

    def _log_abs_determinant(self) -> Tensor:
        inner = tf.linalg.slogdet(self._capacitance(self._u, self._v))[1] + self._base.log_abs_determinant()
        return inner if self._diag is None else inner + tf.reduce_sum(tf.log(tf.abs(self._diag)), -1)
