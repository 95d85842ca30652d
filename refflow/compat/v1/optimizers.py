"""Optimizers of 1.x: those of the first release with today's arguments, and four more rules.

    Adadelta                  steps in the scale of the steps before: no rate to find
    AdagradDA                 Adagrad by dual averaging: all gradients of a row count, also while it is not touched
    ProximalAdagrad, ProximalGradientDescent     a step, then the nearest point with less of l1 and l2

Next: train/optimizer.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.compat.v1.initializers import constant_initializer
from refflow.compat.v1.optimizer import Optimizer
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import int64
from refflow.core.graph import Operation, Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.ops.cast import cast
from refflow.ops.training import APPLY
from refflow.ops.variable import Variable
from refflow.train import AdagradOptimizer as FirstAdagrad
from refflow.train import AdamOptimizer as FirstAdam
from refflow.train import FtrlOptimizer as FirstFtrl
from refflow.train import GradientDescentOptimizer as FirstDescent
from refflow.train import MomentumOptimizer as FirstMomentum
from refflow.train import RMSPropOptimizer as FirstRMSProp

__all__ = [
    "AdadeltaOptimizer", "AdagradDAOptimizer", "AdagradOptimizer", "AdamOptimizer", "FtrlOptimizer",
    "GradientDescentOptimizer", "MomentumOptimizer", "Optimizer", "ProximalAdagradOptimizer",
    "ProximalGradientDescentOptimizer", "RMSPropOptimizer",
]  # fmt: skip


class GradientDescentOptimizer(Optimizer, FirstDescent):
    """Steps of `learning_rate` against the gradient."""

    def _prepare(self) -> None:
        rate = self._call_if_callable(self._learning_rate)
        self._learning_rate_tensor = convert_to_tensor(rate, name="learning_rate")


class AdagradOptimizer(Optimizer, FirstAdagrad):
    """Steps over the root of all squares so far."""


class AdamOptimizer(Optimizer, FirstAdam):
    """Steps of about `learning_rate`: a running mean of gradients over the root of one of squares."""

    def _create_slots(self, variables: list[Variable]) -> None:
        where = min(variables, key=lambda v: v.name)
        self._powers = (self._create_non_slot_variable(self._beta1, "beta1_power", where),
                        self._create_non_slot_variable(self._beta2, "beta2_power", where))  # fmt: skip
        super()._create_slots(variables)

    def _get_beta_accumulators(self) -> tuple[Any, Any]:
        """The powers of beta1 and beta2 so far."""
        return self._get_non_slot_variable("beta1_power"), self._get_non_slot_variable("beta2_power")


class FtrlOptimizer(Optimizer, FirstFtrl):
    """Follow the regularized leader. l2_shrinkage_regularization_strength: the weight of the variable itself in its
    gradient; accum_name, linear_name: what the nodes of its two slots are called."""

    def __init__(
        self, learning_rate: Any, learning_rate_power: float = -0.5, initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0, l2_regularization_strength: float = 0.0, use_locking: bool = False,
        name: str = "Ftrl", accum_name: str | None = None, linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0, beta: float | None = None,
    ):  # fmt: skip
        if l2_shrinkage_regularization_strength < 0:
            raise ValueError(
                "l2_shrinkage_regularization_strength must be positive or zero, got "
                f"{l2_shrinkage_regularization_strength}"
            )
        if initial_accumulator_value < 0:
            raise ValueError(f"initial_accumulator_value must be positive or zero, got {initial_accumulator_value}")
        # The first release refused a start of 0, so it is given after the other checks.
        FirstFtrl.__init__(self, learning_rate, learning_rate_power, 1.0, l1_regularization_strength,
                           l2_regularization_strength, use_locking, name)  # fmt: skip
        self._start, self._beta, self._shrinkage = initial_accumulator_value, beta, l2_shrinkage_regularization_strength
        self._called = accum_name or name, linear_name or name

    def _create_slots(self, variables: list[Variable]) -> None:
        for variable in variables:
            start = constant_initializer(self._start)
            dims, kind = variable.get_shape(), variable.dtype.base_dtype
            self._get_or_make_slot_with_initializer(variable, start, dims, kind, "accum", self._called[0])
            self._zeros_slot(variable, "linear", self._called[1])

    def _inputs(self, variable: Variable) -> tuple[list[Any], list[Any]]:
        """beta is added to the root of the squares, which is as much l2 as it is of the rate."""
        held, (rate, l1, l2, power) = super()._inputs(variable)
        if self._beta:
            given = convert_to_tensor(self._call_if_callable(self._given[0]))
            l2 = l2 + self._number(self._beta / (2.0 * op_def("Maximum")(given, 1e-36)), variable)
        return held, [rate, l1, l2, power]

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        if not self._shrinkage:
            return super()._apply_dense(gradient, variable)
        return self._shrunk("ApplyFtrlV2", [gradient], variable)

    def _apply_sparse(self, gradient: IndexedSlices, variable: Variable) -> Operation:
        if not self._shrinkage:
            return super()._apply_sparse(gradient, variable)
        return self._shrunk("SparseApplyFtrlV2", [gradient.values, gradient.indices], variable)

    def _shrunk(self, rule: str, gradient: list[Tensor], variable: Variable) -> Operation:
        held, (rate, l1, l2, power) = self._inputs(variable)
        return APPLY[rule](*held, *gradient, rate, l1, l2, self._number(self._shrinkage, variable), power,
                           use_locking=self._use_locking).op  # fmt: skip


class MomentumOptimizer(Optimizer, FirstMomentum):
    """use_nesterov: the gradient counts as if the momentum had been taken already."""

    def __init__(self, learning_rate: Any, momentum: Any, use_locking: bool = False, name: str = "Momentum",
                 use_nesterov: bool = False):  # fmt: skip
        FirstMomentum.__init__(self, learning_rate, momentum, use_locking, name)
        self._nesterov = use_nesterov

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        return self._moved("ApplyMomentum", [gradient], variable)

    def _apply_sparse(self, gradient: IndexedSlices, variable: Variable) -> Operation:
        return self._moved("SparseApplyMomentum", [gradient.values, gradient.indices], variable)

    def _moved(self, rule: str, gradient: list[Tensor], variable: Variable) -> Operation:
        rate, momentum = self._settings(variable)
        return APPLY[rule](
            variable.ref(), self._slot(variable, "momentum").ref(), rate, *gradient, momentum,
            use_locking=self._use_locking, use_nesterov=self._nesterov,
        ).op  # fmt: skip


# -- rules by their numbers --------------------------------------------------------------------------------------


class _ByRule(Optimizer):
    """An optimizer that is one op's rule: its slots, each with what it starts at, then numbers around the gradient."""

    rule = ""
    slots: tuple[tuple[str, float], ...] = ()
    gradient_first = False

    def __init__(self, use_locking: bool, name: str, numbers: tuple[Any, ...]):
        super().__init__(use_locking, name)
        self._given = numbers

    def _create_slots(self, variables: list[Variable]) -> None:
        for variable in variables:
            for name, start in self.slots:
                self._slot(variable, name, start)

    def _numbers(self, variable: Variable) -> list[Any]:
        return [self._number(value, variable) for value in self._given]

    def _applied(self, rule: str, gradient: list[Tensor], variable: Variable) -> Operation:
        slots = [self._slot(variable, name).ref() for name, _ in self.slots]
        numbers = self._numbers(variable)
        given = [*gradient, *numbers] if self.gradient_first else [*numbers, *gradient]
        return APPLY[rule](variable.ref(), *slots, *given, use_locking=self._use_locking).op

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        return self._applied(f"Apply{self.rule}", [gradient], variable)

    def _apply_sparse(self, gradient: IndexedSlices, variable: Variable) -> Operation:
        return self._applied(f"SparseApply{self.rule}", [gradient.values, gradient.indices], variable)


class RMSPropOptimizer(Optimizer, FirstRMSProp):
    """centered: the mean of gradients is taken off, so that the squares are a variance."""

    def __init__(self, learning_rate: Any, decay: Any = 0.9, momentum: Any = 0.0, epsilon: Any = 1e-10,
                 use_locking: bool = False, centered: bool = False, name: str = "RMSProp"):  # fmt: skip
        FirstRMSProp.__init__(self, learning_rate, decay, momentum, epsilon, use_locking, name)
        self._centered = centered

    def _create_slots(self, variables: list[Variable]) -> None:
        for variable in variables:
            self._slot(variable, "rms", 1.0)
            if self._centered:
                self._slot(variable, "mg")
            self._slot(variable, "momentum")

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        if not self._centered:
            return super()._apply_dense(gradient, variable)
        return self._applied("ApplyCenteredRMSProp", [gradient], variable)

    def _apply_sparse(self, gradient: IndexedSlices, variable: Variable) -> Operation:
        if not self._centered:
            return super()._apply_sparse(gradient, variable)
        return self._applied("SparseApplyCenteredRMSProp", [gradient.values, gradient.indices], variable)

    def _applied(self, rule: str, gradient: list[Tensor], variable: Variable) -> Operation:
        slots = [self._slot(variable, name).ref() for name in ("mg", "rms", "momentum")]
        numbers = [self._number(value, variable) for value in self._given]
        return APPLY[rule](variable.ref(), *slots, *numbers, *gradient, use_locking=self._use_locking).op


class AdadeltaOptimizer(_ByRule):
    """Zeiler, "ADADELTA: an adaptive learning rate method", 2012."""

    rule, slots = "Adadelta", (("accum", 0.0), ("accum_update", 0.0))

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-8, use_locking: bool = False,
                 name: str = "Adadelta"):  # fmt: skip
        super().__init__(use_locking, name, (learning_rate, rho, epsilon))


class ProximalGradientDescentOptimizer(_ByRule):
    """Duchi and Singer, "Efficient learning using forward-backward splitting", 2009."""

    rule = "ProximalGradientDescent"

    def __init__(
        self, learning_rate: Any, l1_regularization_strength: float = 0.0, l2_regularization_strength: float = 0.0,
        use_locking: bool = False, name: str = "ProximalGradientDescent",
    ):  # fmt: skip
        super().__init__(use_locking, name, (learning_rate, l1_regularization_strength, l2_regularization_strength))


def _positive(value: float) -> float:
    if value <= 0.0:
        raise ValueError(f"initial_accumulator_value must be positive: {value}")
    return value


class ProximalAdagradOptimizer(_ByRule):
    """The same with Adagrad's steps."""

    rule = "ProximalAdagrad"

    def __init__(
        self, learning_rate: Any, initial_accumulator_value: float = 0.1, l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0, use_locking: bool = False, name: str = "ProximalAdagrad",
    ):  # fmt: skip
        super().__init__(use_locking, name, (learning_rate, l1_regularization_strength, l2_regularization_strength))
        self.slots = (("accumulator", _positive(initial_accumulator_value)),)


class AdagradDAOptimizer(_ByRule):
    """Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning", 2011, by dual averaging."""

    rule, gradient_first = "AdagradDA", True

    def __init__(
        self, learning_rate: Any, global_step: Any, initial_gradient_squared_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0, l2_regularization_strength: float = 0.0, use_locking: bool = False,
        name: str = "AdagradDA",
    ):  # fmt: skip
        if initial_gradient_squared_accumulator_value <= 0.0:
            raise ValueError(
                "initial_gradient_squared_accumulator_value must be positive: "
                f"{initial_gradient_squared_accumulator_value}"
            )
        super().__init__(use_locking, name, (learning_rate, l1_regularization_strength, l2_regularization_strength))
        self._step = global_step
        self.slots = (("gradient_accumulator", 0.0),
                      ("gradient_squared_accumulator", initial_gradient_squared_accumulator_value))  # fmt: skip

    def _numbers(self, variable: Variable) -> list[Any]:
        """The step that is being made is the next one, for the first counts as 1."""
        step: Callable[..., Tensor] = op_def("Add")
        return [*super()._numbers(variable), step(cast(convert_to_tensor(self._step), int64), 1)]
