"""Moving averages of variables of 1.x, which may be restored in the variables' place.

    average := decay * average + (1 - decay) * variable

Next: train/schedules.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from refflow.compat.v1.variables import global_variables, moving_average_variables, trainable_variables
from refflow.train import ExponentialMovingAverage as FirstAverage

__all__ = ["ExponentialMovingAverage"]


class ExponentialMovingAverage(FirstAverage):
    """Shadow copies of variables that follow them slowly. num_updates: a count of steps, for a quick beginning."""

    def __init__(
        self, decay: Any, num_updates: Any = None, zero_debias: bool = False, name: str = "ExponentialMovingAverage"
    ):
        if zero_debias:
            raise ValueError("ExponentialMovingAverage has no zero_debias here: use num_updates for a quick beginning")
        super().__init__(decay, num_updates, name)

    @property
    def name(self) -> str:
        return self._name

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
