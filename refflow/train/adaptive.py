"""Optimizers that remember: each keeps slots beside its variables and updates them with one op [S48, W78].

    Momentum    the step goes on in its direction            slot 0
    Adagrad     each number has its own, shrinking rate       slot 0.1 [E20]
    Adam        both, with the bias of their start removed    slots 0
    RMSProp     Adagrad with a running mean                   mean square 1, momentum 0

Next: runtime/session.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.control import group
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.ops import training
from refflow.ops.elementwise import SQRT, SQUARE
from refflow.ops.scatter import scatter_add
from refflow.ops.variable import Variable
from refflow.train.optimizer import Optimizer


class MomentumOptimizer(Optimizer):
    """accum = momentum * accum + gradient; var -= learning_rate * accum."""

    def __init__(self, learning_rate: Any, momentum: Any, use_locking: bool = False, name: str = "Momentum"):
        super().__init__(use_locking, name)
        self._learning_rate, self._momentum = learning_rate, momentum

    def _create_slots(self, variables: list[Variable]) -> None:
        for variable in variables:
            self._slot(variable, "momentum")

    def _settings(self, variable: Variable) -> tuple[Any, Any]:
        return self._number(self._learning_rate, variable), self._number(self._momentum, variable)

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        rate, momentum = self._settings(variable)
        return training.APPLY_MOMENTUM(
            variable.ref(), self._slot(variable, "momentum").ref(), rate, gradient, momentum,
            use_locking=self._use_locking,
        ).op  # fmt: skip

    def _apply_sparse(self, gradient: IndexedSlices, variable: Variable) -> Operation:
        rate, momentum = self._settings(variable)
        return training.SPARSE_APPLY_MOMENTUM(
            variable.ref(), self._slot(variable, "momentum").ref(), rate, gradient.values, gradient.indices, momentum,
            use_locking=self._use_locking,
        ).op  # fmt: skip


class AdagradOptimizer(Optimizer):
    """accum += gradient**2; var -= learning_rate * gradient / sqrt(accum)."""

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ):
        super().__init__(use_locking, name)
        if not initial_accumulator_value > 0:
            raise ValueError(f"initial_accumulator_value must be positive, got {initial_accumulator_value}")
        self._learning_rate, self._start = learning_rate, initial_accumulator_value

    def _create_slots(self, variables: list[Variable]) -> None:
        for variable in variables:
            self._slot(variable, "accumulator", self._start)

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        accum = self._slot(variable, "accumulator").ref()
        rate = self._number(self._learning_rate, variable)
        return training.APPLY_ADAGRAD(variable.ref(), accum, rate, gradient, use_locking=self._use_locking).op

    def _apply_sparse(self, gradient: IndexedSlices, variable: Variable) -> Operation:
        return training.SPARSE_APPLY_ADAGRAD(
            variable.ref(), self._slot(variable, "accumulator").ref(), self._number(self._learning_rate, variable),
            gradient.values, gradient.indices, use_locking=self._use_locking,
        ).op  # fmt: skip


class RMSPropOptimizer(Optimizer):
    """ms = decay * ms + (1 - decay) * gradient**2; mom = momentum * mom + rate * gradient / sqrt(ms + epsilon)."""

    def __init__(
        self,
        learning_rate: Any,
        decay: Any,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        name: str = "RMSProp",
    ):
        super().__init__(use_locking, name)
        self._given = (learning_rate, decay, momentum, epsilon)

    def _create_slots(self, variables: list[Variable]) -> None:
        for variable in variables:
            self._slot(variable, "rms", 1.0)
            self._slot(variable, "momentum")

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        slots = (self._slot(variable, name).ref() for name in ("rms", "momentum"))
        numbers = (self._number(value, variable) for value in self._given)
        return training.APPLY_RMS_PROP(
            variable.ref(), *slots, *numbers, gradient, use_locking=self._use_locking
        ).op  # fmt: skip

    def _apply_sparse(self, gradient: IndexedSlices, variable: Variable) -> Operation:
        slots = (self._slot(variable, name).ref() for name in ("rms", "momentum"))
        numbers = (self._number(value, variable) for value in self._given)
        return training.APPLY["SparseApplyRMSProp"](
            variable.ref(), *slots, *numbers, gradient.values, gradient.indices, use_locking=self._use_locking
        ).op


class AdamOptimizer(Optimizer):
    """Steps of about `learning_rate`: a running mean of gradients over the root of a running mean of squares."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ):
        super().__init__(use_locking, name)
        self._learning_rate, self._epsilon = learning_rate, epsilon
        self._beta1, self._beta2 = beta1, beta2
        self._powers: tuple[Variable, Variable] | None = None

    def _create_slots(self, variables: list[Variable]) -> None:
        if self._powers is None:  # how much of the means is there by now
            graph = variables[0].graph
            with graph.as_default(), graph.device(variables[0].device), graph.name_scope(None):
                self._powers = (  # float32: 1 - beta2 is nothing that float16 could keep
                    Variable(self._beta1, trainable=False, name="beta1_power"),
                    Variable(self._beta2, trainable=False, name="beta2_power"),
                )
        for variable in variables:
            self._slot(variable, "m")
            self._slot(variable, "v")

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        slots = (self._slot(variable, name).ref() for name in ("m", "v"))
        given = (*(self._powers or ()), self._learning_rate, self._beta1, self._beta2, self._epsilon)
        numbers = (self._number(value, variable) for value in given)
        return training.APPLY_ADAM(variable.ref(), *slots, *numbers, gradient, use_locking=self._use_locking).op

    def _apply_sparse(self, gradient: IndexedSlices, variable: Variable) -> Operation:
        """All rows fade and move, as if the gradient had zeros in the rows that it lacks."""
        graph, locked = get_default_graph(), self._use_locking
        given = (*(self._powers or ()), self._learning_rate, self._beta1, self._beta2, self._epsilon)
        power1, power2, rate, beta1, beta2, epsilon = (self._number(value, variable) for value in given)
        means = []
        for name, beta, new in (("m", beta1, gradient.values), ("v", beta2, SQUARE(gradient.values))):
            slot = self._slot(variable, name)
            faded = slot.assign(slot.value() * beta, use_locking=locked)
            with graph.control_dependencies([faded.op]):
                means.append(scatter_add(slot.ref(), gradient.indices, (1 - beta) * new, use_locking=locked))
        m, v = means
        step = rate * SQRT(1 - power2) / (1 - power1) * m / (SQRT(v) + epsilon)
        return group(variable.assign_sub(step, use_locking=locked), m, v)

    def _finish(self, updates: list[Operation], name: str) -> Operation:
        graph = get_default_graph()
        with graph.control_dependencies(updates):
            moved = [
                power.assign(power.value() * beta, use_locking=self._use_locking)
                for power, beta in zip(self._powers or (), (self._beta1, self._beta2), strict=True)
            ]
        return group(*updates, *moved, name=name)
