"""Optimizers of 1.x: those of the first release with today's arguments, and four more rules.

    minimize(loss, aggregation_method=..., grad_loss=...)         the operation is in the collection TRAIN_OP too

    Adadelta                  steps in the scale of the steps before: no rate to find
    AdagradDA                 Adagrad by dual averaging: all gradients of a row count, also while it is not touched
    ProximalAdagrad, ProximalGradientDescent     a step, then the nearest point with less of l1 and l2

A class of a program's own says in `_apply_dense` and `_apply_sparse` what a gradient does to a variable, and makes what
goes along with it in `_create_slots`.

Next: train/optimizer.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.core.control import tuple_
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import bfloat16, float16, float32, float64, int64
from refflow.core.gradients import gradients
from refflow.core.graph import GraphKeys, Operation, Tensor
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
from refflow.train import Optimizer as FirstOptimizer
from refflow.train import RMSPropOptimizer as FirstRMSProp

__all__ = [
    "AdadeltaOptimizer", "AdagradDAOptimizer", "AdagradOptimizer", "AdamOptimizer", "FtrlOptimizer",
    "GradientDescentOptimizer", "MomentumOptimizer", "Optimizer", "ProximalAdagradOptimizer",
    "ProximalGradientDescentOptimizer", "RMSPropOptimizer",
]  # fmt: skip


class Optimizer(FirstOptimizer):
    """The part that all optimizers share. What the client may not choose here, where a gradient is made, is taken."""

    def get_name(self) -> str:
        return self._name

    def variables(self) -> list[Variable]:
        """What the optimizer made: for each variable what goes along with it, and what stands alone."""
        found = [slot for slots in self._slots.values() for slot in slots.values()]
        return sorted([*found, *(getattr(self, "_powers", None) or ())], key=lambda v: v.name)

    def minimize(  # type: ignore[override]  # 1.x has two arguments before the name
        self, loss: Any, global_step: Any = None, var_list: Any = None, gate_gradients: int = 1,
        aggregation_method: Any = None, colocate_gradients_with_ops: bool = False, name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:  # fmt: skip
        """One operation that takes a step against the slope of `loss`."""
        pairs = self.compute_gradients(loss, var_list, gate_gradients, aggregation_method,
                                       colocate_gradients_with_ops, grad_loss)  # fmt: skip
        if not any(gradient is not None for gradient, _ in pairs):
            raise ValueError(
                "No gradients provided for any variable, check your graph for ops that do not support gradients, "
                f"between variables {[str(v) for _, v in pairs]} and loss {loss}."
            )
        return self.apply_gradients(pairs, global_step=global_step, name=name)

    def compute_gradients(
        self, loss: Any, var_list: Any = None, gate_gradients: int = 1, aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False, grad_loss: Any = None,
    ) -> list[tuple[Any, Variable]]:  # fmt: skip
        """(gradient, variable) for each variable; the gradient is None where the loss does not depend on it.

        grad_loss: what flows into the loss, 1 by default.
        """
        if gate_gradients not in (self.GATE_NONE, self.GATE_OP, self.GATE_GRAPH):
            raise ValueError(
                "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH.  Not "
                f"{gate_gradients}"
            )
        loss = convert_to_tensor(loss() if callable(loss) else loss, name="loss")
        chosen = loss.graph.get_collection(GraphKeys.TRAINABLE_VARIABLES) if var_list is None else var_list
        variables = [chosen] if isinstance(chosen, Variable) else list(chosen)
        if not variables:
            raise ValueError("No variables to optimize.")
        for value in [*variables, loss]:
            self._check_type(value)
        found = gradients(loss, [v.ref() for v in variables], None if grad_loss is None else [grad_loss],
                          gate_gradients=gate_gradients == self.GATE_OP,
                          aggregation_method=aggregation_method)  # fmt: skip
        if gate_gradients == self.GATE_GRAPH and any(g is not None for g in found):
            found = tuple_(found)
        return list(zip(found, variables, strict=True))

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Operation:
        """One operation that updates every variable by its gradient; None gradients are left out."""
        pairs = list(grads_and_vars)
        if not pairs:
            raise ValueError("No variables provided.")
        if all(gradient is None for gradient, _ in pairs):
            raise ValueError(f"No gradients provided for any variable: {[str(v) for _, v in pairs]}.")
        made = super().apply_gradients(pairs, global_step, name)
        if made not in made.graph.get_collection("train_op"):
            made.graph.add_to_collection("train_op", made)
        return made

    @staticmethod
    def _check_type(value: Any) -> None:
        kind = value.dtype.base_dtype
        if kind not in (float16, bfloat16, float32, float64):
            allowed = [t.name for t in (float16, bfloat16, float32, float64)]
            raise ValueError(f"Invalid type {kind!r} for {value.name}, expected: {allowed}.")

    def _zeros_slot(self, var: Variable, slot_name: str, op_name: str) -> Variable:
        """What goes along with `var` under a name, zero where it is made."""
        return self._slot(var, slot_name)


class GradientDescentOptimizer(Optimizer, FirstDescent):
    """Steps of `learning_rate` against the gradient."""


class AdagradOptimizer(Optimizer, FirstAdagrad):
    """Steps over the root of all squares so far."""


class AdamOptimizer(Optimizer, FirstAdam):
    """Steps of about `learning_rate`: a running mean of gradients over the root of one of squares."""


class FtrlOptimizer(Optimizer, FirstFtrl):
    """Follow the regularized leader. l2_shrinkage_regularization_strength: the weight of the variable itself in its
    gradient; accum_name, linear_name: accepted, and change nothing."""

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
        FirstFtrl.__init__(self, learning_rate, learning_rate_power, initial_accumulator_value,
                           l1_regularization_strength, l2_regularization_strength, use_locking, name)  # fmt: skip
        # beta is added to the root of the squares, which is as much l2 as it is of the rate.
        rate, l1, l2, power = self._given
        self._given = (rate, l1, l2 + (beta or 0.0) / (2.0 * rate) if beta else l2, power)
        self._shrinkage = l2_shrinkage_regularization_strength

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
