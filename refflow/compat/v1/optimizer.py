"""What all optimizers of 1.x share: arguments, types, constraints, and the variables that an optimizer makes.

    minimize(loss, aggregation_method=..., grad_loss=...)         the operation is in the collection TRAIN_OP too

A setting is a number, a tensor, or a function that gives one. A class of a program's own says in `_apply_dense` and
`_apply_sparse` what a gradient does to a variable, and makes what goes along with it in `_create_slots`.

Next: compat/v1/optimizers.py.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from refflow.compat.v1 import nest
from refflow.compat.v1.slots import filled_slot, made_slot
from refflow.compat.v1.variable import Variable as VariableOfToday
from refflow.compat.v1.variable_creators import created
from refflow.core.control import tuple_
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype, bfloat16, float16, float32, float64
from refflow.core.gradients import gradients
from refflow.core.graph import GraphKeys, Operation, control_dependencies
from refflow.core.indexed_slices import IndexedSlices
from refflow.ops.variable import Variable
from refflow.train import Optimizer as FirstOptimizer


class Optimizer(FirstOptimizer):
    """The part that all optimizers share. What the client may not choose here, where a gradient is made, is taken."""

    @cached_property
    def _alone(self) -> dict[str, Variable]:
        """The variables of the optimizer's own, which go along with none."""
        return {}

    def get_name(self) -> str:
        return self._name

    def variables(self) -> list[Variable]:
        """What the optimizer made: for each variable what goes along with it, and what stands alone."""
        found = [slot for slots in self._slots.values() for slot in slots.values()]
        return sorted([*found, *self._non_slot_variables()], key=lambda v: v.name)

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
        variables = nest.flatten(chosen)
        if not variables:
            raise ValueError("No variables to optimize.")
        self._check_type(loss)
        ends = [v.ref() if isinstance(v, Variable) else v for v in variables]
        found = gradients(loss, ends, None if grad_loss is None else [grad_loss],
                          gate_gradients=gate_gradients == self.GATE_OP,
                          aggregation_method=aggregation_method)  # fmt: skip
        if gate_gradients == self.GATE_GRAPH and any(g is not None for g in found):
            found = tuple_(found)
        for gradient, variable in zip(found, variables, strict=True):
            if gradient is not None:
                self._check_type(variable)
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

    def _update(self, gradient: Any, variable: Any) -> Operation:
        """The variable's constraint is held after its update; of rows alone it cannot be."""
        held = getattr(variable, "constraint", None)
        if held is None:
            return super()._update(gradient, variable)
        if isinstance(gradient, IndexedSlices):
            raise RuntimeError(f"Cannot use a constraint function on a sparse variable: {variable.name}")
        with control_dependencies([super()._update(gradient, variable)]):
            return variable.assign(held(variable.read_value())).op

    def _valid_dtypes(self) -> set[Any]:
        """The types of the variables and losses that the optimizer takes."""
        return {float16, bfloat16, float32, float64}

    def _check_type(self, value: Any) -> None:  # type: ignore[override]  # what `_valid_dtypes` of a class says
        kind, allowed = value.dtype.base_dtype, {as_dtype(t) for t in self._valid_dtypes()}
        if kind not in allowed:
            names = sorted(t.name for t in allowed)
            raise ValueError(f"Invalid type {kind!r} for {value.name}, expected: {names}.")

    @staticmethod
    def _call_if_callable(param: Any) -> Any:
        """A setting may be a function of nothing that gives it."""
        return param() if callable(param) else param

    @staticmethod
    def _number(value: Any, variable: Variable) -> Any:
        value = Optimizer._call_if_callable(value)
        if value is None:
            raise ValueError("None values not supported.")
        return FirstOptimizer._number(value, variable)

    # -- what goes along with a variable, and what stands alone -------------------------------------------------------

    def _made_slot(self, variable: Variable, name: str, value: float) -> Variable:
        return filled_slot(variable, self._name, value)

    def _zeros_slot(self, var: Variable, slot_name: str, op_name: str) -> Variable:
        """What goes along with `var` under a name, zero where it is made; its nodes are called `op_name`."""
        slots = self._slots.setdefault(slot_name, {})
        if var not in slots:
            slots[var] = filled_slot(var, op_name)
        return slots[var]

    def _get_or_make_slot(self, var: Variable, val: Any, slot_name: str, op_name: str) -> Variable:
        """The same, with the tensor `val` where it is made."""
        slots = self._slots.setdefault(slot_name, {})
        if var not in slots:
            slots[var] = made_slot(var, op_name, val)
        return slots[var]

    def _get_or_make_slot_with_initializer(
        self, var: Variable, initializer: Any, shape: Any, dtype: Any, slot_name: str, op_name: str
    ) -> Variable:
        """The same, as an initializer makes it of a shape and a type that may be others than the variable's."""
        slots = self._slots.setdefault(slot_name, {})
        if var not in slots:
            slots[var] = made_slot(var, op_name, initializer, shape, dtype)
        return slots[var]

    def _create_non_slot_variable(self, initial_value: Any, name: str, colocate_with: Variable) -> Variable:
        """A variable of the optimizer's own, where `colocate_with` is."""
        if name not in self._alone:
            behind = isinstance(colocate_with, VariableOfToday) and colocate_with._is_resource
            graph = colocate_with.graph
            with graph.device(None), graph.device(colocate_with.device):
                self._alone[name] = created(initial_value=initial_value, trainable=False, name=name,
                                            use_resource=behind)  # fmt: skip
        return self._alone[name]

    def _get_non_slot_variable(self, name: str, graph: Any = None) -> Variable | None:
        """The variable of the optimizer's own of that name, or None."""
        return self._alone.get(name)

    def _non_slot_variables(self) -> list[Variable]:
        """Those that go along with no variable."""
        return list(self._alone.values())
