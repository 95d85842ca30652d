"""What a rule in NumPy does, noted down: it is called once with operands that only note what is done with them.

    rule     def momentum(var, accum, lr, grad, momentum):            NumPy on whole arrays, as on the op's page
                 accum = accum * momentum + grad
                 return var - lr * accum, accum
    steps    multiply(accum, momentum) add(0, grad) multiply(lr, 1) subtract(var, 2)

A rule that asks a number something, as in `if l1 > 0`, has to be told that number; `BothWays` goes through it with
either answer instead, and notes a choice between the results.

Next: refflow_kernels/cpu/updates.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

Rule = Callable[..., Sequence[Any]]
Name = tuple[str, int]


class Unknown(TypeError):
    """A rule cannot be noted down: it asks for a value that comes with the step."""


class Operand(NDArrayOperatorsMixin):
    """Stands for a value in a rule, and notes what is done with it."""

    def __init__(self, notes: Notes, name: Name, dtype: Any):
        self.notes, self.name, self.dtype = notes, name, dtype

    @property
    def is_array(self) -> bool:
        return self.name[0] in ("in", "step")

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **more: Any) -> Any:
        if method != "__call__" or more or ufunc.nout != 1:
            raise Unknown(f"{ufunc.__name__}.{method}")
        return self.notes.step(ufunc.__name__, operands)

    def __array_function__(self, function: Any, types: Any, operands: Any, more: Any) -> Any:
        if function is not np.where or more:
            raise Unknown(function.__name__)
        return self.notes.step("where", operands)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise Unknown("it is not there yet")

    def __bool__(self) -> bool:
        return self.notes.decide(self.name)


class Notes:
    """What a rule does: with numbers alone, and with arrays.

    Operands are ("in", place of an input that is an array), ("step", a step with arrays), ("given", place of an input
    that is a number), ("early", a step with numbers alone), ("constant", place in `constants`), or Python's numbers.
    """

    def __init__(self, dtype: Any):
        self.dtype = dtype
        self.early: list[tuple[Any, ...]] = []
        self.steps: list[tuple[Any, ...]] = []
        self.constants: list[Any] = []

    def step(self, name: str, operands: Sequence[Any]) -> Operand:
        with_arrays = any(isinstance(o, Operand) and o.is_array for o in operands)
        steps, kind = (self.steps, "step") if with_arrays else (self.early, "early")
        steps.append((name, *map(self._name, operands)))
        return Operand(self, (kind, len(steps) - 1), self.dtype)

    def decide(self, name: Name) -> bool:
        """What a rule is told that asks whether a value holds."""
        raise Unknown("it is not there yet")

    def _name(self, operand: Any) -> Any:
        if isinstance(operand, Operand):
            return operand.name
        if not isinstance(operand, (np.generic, np.ndarray)):
            return operand
        self.constants.append(operand)
        return ("constant", len(self.constants) - 1)


class _Asked(Exception):
    """A rule asks whether a number is true."""

    def __init__(self, name: Name):
        super().__init__(name)
        self.name = name


class BothWays(Notes):
    """Notes of a rule that may ask its numbers: each answer is tried, and a step chooses between what comes of them."""

    def __init__(self, dtype: Any):
        super().__init__(dtype)
        self._known: dict[Any, Operand] = {}
        self._decided: dict[Name, bool] = {}

    def step(self, name: str, operands: Sequence[Any]) -> Operand:
        """What has been noted already is not noted again, so that both ways share what they have in common."""
        key = (name, *(o.name if isinstance(o, Operand) else repr(o) for o in operands))
        if key not in self._known:
            self._known[key] = super().step(name, operands)
        return self._known[key]

    def decide(self, name: Name) -> bool:
        if name not in self._decided:
            raise _Asked(name)
        return self._decided[name]

    def results(self, rule: Rule, arity: int, numbers: Sequence[int]) -> list[Any]:
        """What the rule gives for `arity` inputs, of which those at the places `numbers` are single numbers."""
        given = [Operand(self, ("given" if i in numbers else "in", i), self.dtype) for i in range(arity)]
        try:
            return list(rule(*given))
        except _Asked as asked:
            question = asked.name
        sides = []
        for answer in (True, False):
            self._decided[question] = answer
            sides.append(self.results(rule, arity, numbers))
        del self._decided[question]
        condition = Operand(self, question, self.dtype)
        return [a if isinstance(a, Operand) and isinstance(b, Operand) and a.name == b.name
                else self.step("where", [condition, a, b]) for a, b in zip(*sides, strict=True)]  # fmt: skip
