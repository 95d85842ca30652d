"""FTRL-proximal: follow the regularized leader [W78].

    linear  += g - (new_accum**p - accum**p) / rate * var        p = -learning_rate_power, new_accum = accum + g**2
    var      = (sign(linear) * l1 - linear) / (new_accum**p / rate + 2 * l2)        0 where |linear| <= l1

Weights that l1 holds at zero stay exactly zero, which is what this rule is for.

McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013.

Next: runtime/session.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.graph import Operation, Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.ops.training import APPLY
from refflow.ops.variable import Variable
from refflow.train.optimizer import Optimizer


class FtrlOptimizer(Optimizer):
    """learning_rate_power: at most 0; -0.5 is a rate over the root of all squares. Other signs are a ValueError."""

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
    ):
        super().__init__(use_locking, name)
        if not initial_accumulator_value > 0:
            raise ValueError(f"initial_accumulator_value must be positive, got {initial_accumulator_value}")
        if learning_rate_power > 0:
            raise ValueError(f"learning_rate_power must be negative or zero, got {learning_rate_power}")
        for which, strength in (("l1", l1_regularization_strength), ("l2", l2_regularization_strength)):
            if strength < 0:
                raise ValueError(f"{which}_regularization_strength must be positive or zero, got {strength}")
        self._start = initial_accumulator_value
        self._given = (learning_rate, l1_regularization_strength, l2_regularization_strength, learning_rate_power)

    def _create_slots(self, variables: list[Variable]) -> None:
        for variable in variables:
            self._slot(variable, "accum", self._start)
            self._slot(variable, "linear")

    def _inputs(self, variable: Variable) -> tuple[list[Any], list[Any]]:
        slots = [self._slot(variable, name).ref() for name in ("accum", "linear")]
        return [variable.ref(), *slots], [self._number(value, variable) for value in self._given]

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        held, numbers = self._inputs(variable)
        return APPLY["ApplyFtrl"](*held, gradient, *numbers, use_locking=self._use_locking).op

    def _apply_sparse(self, gradient: IndexedSlices, variable: Variable) -> Operation:
        held, numbers = self._inputs(variable)
        return APPLY["SparseApplyFtrl"](
            *held, gradient.values, gradient.indices, *numbers, use_locking=self._use_locking
        ).op
