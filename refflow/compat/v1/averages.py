"""Moving averages of variables of 1.x, which may be restored in the variables' place.

    average := decay * average + (1 - decay) * value
    zero_debias, of what starts at zero:    biased as above, average := biased / (1 - decay ** steps)

A variable's average starts at the variable's value, a tensor's at zero: only that of a tensor has a bias to take off.

Kingma and Ba, "Adam", 2015, section 3.

Next: train/schedules.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

from refflow.compat.v1.initializers import zeros_initializer
from refflow.compat.v1.slots import filled_slot, made_slot
from refflow.compat.v1.variables import (
    GraphKeys,
    get_variable,
    get_variable_scope,
    global_variables,
    moving_average_variables,
    trainable_variables,
    variable_scope,
)
from refflow.core.control import group
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import bfloat16, float16, float32, float64
from refflow.core.graph import Operation, colocate_with, get_default_graph
from refflow.core.registry import op_def
from refflow.ops.cast import cast
from refflow.ops.variable import Variable
from refflow.train import ExponentialMovingAverage as FirstAverage

__all__ = ["ExponentialMovingAverage"]


class ExponentialMovingAverage(FirstAverage):
    """Shadow copies of variables that follow them slowly, and averages of tensors, which start at zero.

    num_updates: a count of steps, for a quick beginning: the decay is at most (1 + count) / (10 + count). zero_debias:
    averages of tensors are means of what was seen, instead of being drawn to zero at first.
    """

    def __init__(
        self, decay: Any, num_updates: Any = None, zero_debias: bool = False, name: str = "ExponentialMovingAverage"
    ):
        super().__init__(decay, num_updates, name)
        self._zero_debias = zero_debias

    @property
    def name(self) -> str:
        return self._name

    def apply(self, var_list: Iterable[Any] | None = None) -> Operation:
        """Makes the averages that are not there yet, and returns the operation that moves those of `var_list`."""
        given = list(trainable_variables() if var_list is None else var_list)
        for var in given:
            if var.dtype.base_dtype not in (bfloat16, float16, float32, float64):
                raise TypeError(
                    f"The variables must be half, float, or double: {var.name} is {var.dtype.base_dtype.name}"
                )
            if var not in self._averages:
                with get_default_graph().outside():
                    self._averages[var] = self._made(var)
        with op_scope([], None, self._name) as scope:
            decay = convert_to_tensor(self._decay, float32, "decay")
            if self._num_updates is not None:
                steps = cast(convert_to_tensor(self._num_updates), float32)
                decay = op_def("Minimum")(decay, (1.0 + steps) / (10.0 + steps))
            freed = [self._zero_debias and not isinstance(v, Variable) for v in given]
            moved = [assign_moving_average(self._averages[v], v, decay, f) for v, f in zip(given, freed, strict=True)]
            return group(*(m if isinstance(m, Operation) else m.op for m in moved), name=scope)

    def _made(self, var: Any) -> Any:
        if not isinstance(var, Variable):
            return filled_slot(var, self._name)
        get_default_graph().add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, var)
        return made_slot(var, self._name, var.initialized_value())

    def average_name(self, var: Any) -> str:
        """The name of its average, or the one that it would get in the scope in force."""
        if var in self._averages:
            return self._averages[var].op.name
        return get_default_graph().unique_name(f"{var.op.name}/{self._name}", mark_as_used=False)

    def variables_to_restore(self, moving_avg_variables: Iterable[Any] | None = None) -> dict[str, Any]:
        """What a Saver takes to read averages in the variables' place: by the average's name, the others by their own.

        moving_avg_variables: those that have an average; by default the trainable ones, and those that were averaged.
        """
        averaged = moving_avg_variables
        if averaged is None:
            averaged = [*trainable_variables(), *moving_average_variables()]
        found = {self.average_name(v): v for v in averaged}
        held = {id(v) for v in found.values()}
        return {v.op.name: v for v in global_variables() if id(v) not in held} | found


def assign_moving_average(
    variable: Any, value: Any, decay: Any, zero_debias: bool = False, name: str | None = None
) -> Any:
    """The variable after it has gone a part, 1 - decay, of the way to the value.

    zero_debias: as if it had started without an average: what is stored is divided by 1 - decay**steps, whose two
    parts lie in variables beside it.
    """
    with op_scope([], name, "AssignMovingAvg"), colocate_with(variable):
        share = cast(convert_to_tensor(1.0 - decay), variable.dtype.base_dtype)
        value = convert_to_tensor(value)
        if not zero_debias:
            return variable.assign_sub((variable.value() - value) * share)
        biased, steps = _of_its_own(variable)
        moved = biased.assign_sub((biased - value) * share)
        return variable.assign(moved / (1 - op_def("Pow")(1.0 - share, steps.assign_add(1))))


def _of_its_own(average: Any) -> tuple[Any, Any]:
    """The average that is drawn to zero, and the count of its steps: new ones where there are some already."""
    with variable_scope(average.op.name, reuse=False):
        scope, made, ending = get_variable_scope(), {v.op.name for v in global_variables()}, ""
        for number in count(1):
            if f"{scope.name}/biased{ending}" not in made:
                break
            ending = f"_{number}"
        start, kind = zeros_initializer(), average.dtype.base_dtype
        return (get_variable(f"biased{ending}", average.get_shape(), kind, start, trainable=False),
                get_variable(f"local_step{ending}", [], kind, start, trainable=False))  # fmt: skip
