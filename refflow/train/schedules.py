"""What changes while a program trains: a rate that decays, averages of variables, the count of steps.

    decayed = learning_rate * decay_rate ** (global_step / decay_steps)
    average := decay * average + (1 - decay) * variable

Next: train/optimizer.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from refflow.core.control import group
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import float32, float64
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.ops.arithmetic import POW
from refflow.ops.cast import cast
from refflow.ops.constant import zeros
from refflow.ops.elementwise import FLOOR, MINIMUM
from refflow.ops.variable import Variable, assign_sub, trainable_variables


def exponential_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """`learning_rate` times `decay_rate` every `decay_steps` steps; in whole steps with `staircase`."""
    with op_scope([learning_rate, global_step, decay_steps, decay_rate], name, "ExponentialDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="learning_rate")
        kind = rate.dtype.base_dtype
        done = cast(global_step, kind) / cast(convert_to_tensor(decay_steps), kind)
        decayed = POW(cast(convert_to_tensor(decay_rate), kind), FLOOR(done) if staircase else done)
        from refflow.ops.elementwise import MUL

        return MUL(rate, decayed, name=scope)


def global_step(sess: Any, global_step_tensor: Any) -> int:
    """The number of steps so far, as an int: the value of a variable or tensor in a session."""
    return int(sess.run(getattr(global_step_tensor, "_as_graph_element", lambda: global_step_tensor)()))


class ExponentialMovingAverage:
    """Shadow copies of variables that follow them slowly; those of tensors of known shape start at zero.

    decay: near 1 is slow. num_updates: a count of steps; while it is small the decay is at most
    (1 + num_updates) / (10 + num_updates), so that averages move quickly at first.
    """

    def __init__(self, decay: Any, num_updates: Any = None, name: str = "ExponentialMovingAverage"):
        self._decay, self._num_updates, self._name = decay, num_updates, name
        self._averages: dict[Any, Variable] = {}

    def apply(self, var_list: Iterable[Any] | None = None) -> Operation:
        """Makes the averages, starting at the variables' values, and returns the operation that moves them."""
        variables = list(trainable_variables() if var_list is None else var_list)
        for var in variables:
            if var.dtype.base_dtype not in (float32, float64):
                raise TypeError(f"The variables must be float or double: {var.name} is {var.dtype.base_dtype.name}")
            if var in self._averages:
                raise ValueError(f"Moving average already computed for: {var.name}")
            with get_default_graph().name_scope(None), get_default_graph().outside():
                start = var.initialized_value() if isinstance(var, Variable) else zeros(var.get_shape(), var.dtype)
                self._averages[var] = Variable(start, trainable=False, name=self.average_name(var))
            get_default_graph().add_to_collection("moving_average_variables", var)
        with op_scope(variables, None, self._name) as scope:
            decay = convert_to_tensor(self._decay, name="decay")
            if self._num_updates is not None:
                count = cast(self._num_updates, decay.dtype)
                decay = MINIMUM(decay, (count + 1.0) / (count + 10.0))
            moves = []
            for var in variables:
                average = self._averages[var]
                share = cast(1.0 - decay, average.dtype)
                moves.append(assign_sub(average, (average.value() - var) * share).op)
            return group(*moves, name=scope)

    def average(self, var: Any) -> Variable | None:
        """The average of a variable, or None."""
        return self._averages.get(var)

    def average_name(self, var: Any) -> str:
        """The name of its average: for restoring averages in the variables' place."""
        return f"{var.op.name}/{self._name}"


