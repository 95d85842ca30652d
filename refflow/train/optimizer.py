"""An optimizer is a recipe for nodes: the gradients of a loss, then one update for each variable [S21].

    minimize(loss) = apply_gradients(compute_gradients(loss))

compute_gradients adds the gradient part of the graph, and its *gate* says how much of it must be there
before any update may read a gradient [W80]:

    GATE_NONE    nothing waits            GATE_OP    all gradients of one operation (the default)
    GATE_GRAPH   all gradients of all variables

A new rule is a subclass that adds nodes, or no class at all: the runtime knows of none [O07].

Nothing trains here: a session runs the operation that comes back, once a step.

Next: runtime/session.py, after a look at train/gradient_descent.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from refflow.core.control import group, tuple_
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import float32, float64
from refflow.core.errors import DTypeError
from refflow.core.gradients import ends_of_the_way, gradients
from refflow.core.graph import GraphKeys, Operation, Tensor, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.ops.array import size
from refflow.ops.cast import cast
from refflow.ops.constant import constant
from refflow.ops.gather import UNSORTED_SEGMENT_SUM
from refflow.ops.unique import UNIQUE
from refflow.ops.variable import Variable, assign_add


def each_row_once(slices: IndexedSlices) -> IndexedSlices:
    """The same gradient with the slices of one row added up, as they would be in a dense one."""
    rows, place = UNIQUE(slices.indices)
    return IndexedSlices(UNSORTED_SEGMENT_SUM(slices.values, place, size(rows)), rows, slices.dense_shape)


class Optimizer:
    """The part that all optimizers share; a subclass says how one variable is updated.

    name: the scope of the update nodes. Variables are float32, or float64, which the first release had
    kernels for but refused [E26].
    """

    takes_rows_one_by_one = False  # a rule that is linear in the gradient may take a row's parts one after the other
    GATE_NONE = 0
    GATE_OP = 1
    GATE_GRAPH = 2

    def __init__(self, use_locking: bool, name: str):
        if not name:
            raise ValueError("an optimizer needs a name for its nodes")
        self._use_locking = use_locking
        self._name = name
        self._slots: dict[str, dict[Variable, Variable]] = {}

    def minimize(
        self,
        loss: Tensor,
        global_step: Variable | None = None,
        var_list: Iterable[Variable] | None = None,
        gate_gradients: int = GATE_OP,
        name: str | None = None,
    ) -> Operation:
        """One operation that takes a step against the slope of `loss` [S21].

        global_step: a variable to count up after the update. Raises ValueError if no variable of
        `var_list` (all trainable ones by default) has a path to `loss`.
        """
        pairs = self.compute_gradients(loss, var_list, gate_gradients)
        if not any(gradient is not None for gradient, _ in pairs):
            names = ", ".join(v.name for _, v in pairs)
            ends = ", ".join(f"{op.type} {op.name!r}" for op in ends_of_the_way(loss, [v for _, v in pairs]))
            why = f". Nothing flows back through {ends}" if ends else ""
            raise ValueError(f"no path leads from {loss.name!r} back to any variable of: {names}{why}")
        return self.apply_gradients(pairs, global_step=global_step, name=name)

    def compute_gradients(
        self, loss: Tensor, var_list: Iterable[Variable] | None = None, gate_gradients: int = GATE_OP
    ) -> list[tuple[Any, Variable]]:
        """(gradient, variable) for each variable; the gradient is None where the loss does not depend on it."""
        if gate_gradients not in (self.GATE_NONE, self.GATE_OP, self.GATE_GRAPH):
            raise ValueError(f"gate_gradients must be GATE_NONE, GATE_OP or GATE_GRAPH, got {gate_gradients!r}")
        loss = convert_to_tensor(loss, name="loss")
        variables = list(loss.graph.get_collection(GraphKeys.TRAINABLE_VARIABLES) if var_list is None else var_list)
        if not variables:
            raise ValueError("there are no variables to optimize")
        for variable in variables:
            if not isinstance(variable, Variable):
                raise TypeError(f"var_list holds {variable!r}, which is no Variable")
            self._check_type(variable)
        self._check_type(loss)
        found = gradients(loss, [v.ref() for v in variables], gate_gradients=gate_gradients == self.GATE_OP)
        if gate_gradients == self.GATE_GRAPH and any(g is not None for g in found):
            found = tuple_(found)
        return list(zip(found, variables, strict=True))

    def apply_gradients(
        self,
        grads_and_vars: Iterable[tuple[Any, Variable]],
        global_step: Variable | None = None,
        name: str | None = None,
    ) -> Operation:
        """One operation that updates every variable by its gradient; None gradients are left out."""
        pairs = [(gradient, variable) for gradient, variable in grads_and_vars if gradient is not None]
        if not pairs:
            raise ValueError("no gradients were given: every one is None")
        for gradient, variable in pairs:
            if not isinstance(gradient, (Tensor, IndexedSlices)):
                raise TypeError(f"the gradient of {variable.name!r} must be a Tensor or IndexedSlices: {gradient!r}")
        graph = get_default_graph()
        with graph.outside():
            self._create_slots([variable for _, variable in pairs])
        updates = []
        with op_scope([g if isinstance(g, Tensor) else g.values for g, _ in pairs], name, self._name) as scope:
            self._prepare()
            for gradient, variable in pairs:
                graph = variable.graph
                with graph.name_scope("update_" + variable.op.name), graph.device(variable.device):
                    updates.append(self._update(gradient, variable))
            if global_step is None:
                return self._finish(updates, scope)
            with graph.control_dependencies([self._finish(updates, "update")]), graph.device(global_step.device):
                return assign_add(global_step.ref(), 1, name=scope).op

    @staticmethod
    def _check_type(value: Any) -> None:
        if value.dtype.base_dtype not in (float32, float64):
            raise DTypeError(
                f"{value.name!r} is {value.dtype.base_dtype.name}, but optimizers take float32 and float64"
            )

    # -- what a subclass says -----------------------------------------------------------------------

    def _prepare(self) -> None:
        """Makes the tensors that every update shares, such as the learning rate. Most need none."""

    def _create_slots(self, variables: list[Variable]) -> None:
        """Makes the variables that go along with each variable, such as a momentum. Most need none."""

    def _update(self, gradient: Any, variable: Variable) -> Operation:
        """The nodes that update one variable, from a gradient of either kind."""
        if isinstance(gradient, Tensor):
            return self._apply_dense(gradient, variable)
        return self._apply_sparse(gradient if self.takes_rows_one_by_one else each_row_once(gradient), variable)

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        raise TypeError(f"{type(self).__name__} does not say how a dense gradient updates {variable.name!r}")

    def _apply_sparse(self, gradient: IndexedSlices, variable: Variable) -> Operation:
        raise TypeError(f"{type(self).__name__} does not say how a sparse gradient updates {variable.name!r}")

    def _finish(self, updates: list[Operation], name: str) -> Operation:
        return group(*updates, name=name)

    # -- slots ----------------------------------------------------------------------------------------

    def _slot(self, variable: Variable, name: str, value: float = 0.0) -> Variable:
        """The variable `name` that goes along with `variable`, made with `value` everywhere when first asked for."""
        slots = self._slots.setdefault(name, {})
        if variable not in slots:
            slots[variable] = self._made_slot(variable, name, value)
        return slots[variable]

    def _made_slot(self, variable: Variable, name: str, value: float) -> Variable:
        graph = variable.graph
        with graph.as_default(), graph.device(None), graph.device(variable.device), graph.name_scope(None):
            start = constant(value, variable.dtype.base_dtype, variable.get_shape())
            return variable.beside(start, f"{variable.op.name}/{self._name}")

    @staticmethod
    def _number(value: Any, variable: Variable) -> Any:
        """A setting as a tensor of the variable's type. Python's floats are float32 first, whatever that type is."""
        wanted = variable.dtype.base_dtype
        if not isinstance(value, (Tensor, Variable)):
            value = np.float32(value) if type(value) is float else value
            return convert_to_tensor(wanted.as_numpy_dtype(value), wanted)
        tensor = convert_to_tensor(value)
        return tensor if tensor.dtype.base_dtype is wanted else cast(tensor, wanted)

    def get_slot(self, var: Variable, name: str) -> Variable | None:
        """The variable called `name` that goes along with `var`, or None."""
        return self._slots.get(name, {}).get(var)

    def get_slot_names(self) -> list[str]:
        return sorted(self._slots)
