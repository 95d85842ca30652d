"""Gradient descent with a constant step: var := var - learning_rate * gradient [S20, S48].

Next: runtime/session.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import float32
from refflow.core.graph import Operation, Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.ops.cast import cast
from refflow.ops.training import apply_gradient_descent
from refflow.ops.variable import Variable
from refflow.train.optimizer import Optimizer


class GradientDescentOptimizer(Optimizer):
    """Steps of `learning_rate` (a number, or a float tensor) against the gradient.

    A sparse gradient changes only the rows that it has.
    """

    takes_rows_one_by_one = True

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent"):
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._learning_rate_tensor: Any = None

    def _prepare(self) -> None:
        plain = not isinstance(self._learning_rate, (Tensor, Variable))
        self._learning_rate_tensor = convert_to_tensor(
            self._learning_rate, float32 if plain else None, "learning_rate"
        )

    def _rate(self, variable: Variable) -> Tensor:
        rate, wanted = self._learning_rate_tensor, variable.dtype.base_dtype
        return rate if rate.dtype.base_dtype is wanted else cast(rate, wanted)

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        return apply_gradient_descent(
            variable.ref(), self._rate(variable), gradient, use_locking=self._use_locking
        ).op

    def _apply_sparse(self, gradient: IndexedSlices, variable: Variable) -> Operation:
        delta = IndexedSlices(gradient.values * self._rate(variable), gradient.indices, gradient.dense_shape)
        return variable.scatter_sub(delta, use_locking=self._use_locking).op
