"""The few commands by which a coordinator steers vectors that it never sees [D10].

    Scale      z := a x          a = 0 clears z, whatever x holds
    Add        z := x + y
    Multiply   z := x y          number by number
    Dot        x . y             of each shard's own part; the coordinator adds these numbers up

x, y, z are names of vectors that lie on the shards, cut like the parameters. A name that is written first is a new
vector, and copying is scaling by 1. Only Dot has a result, and it is one number: no command, and no sequence of them,
brings more of a vector than that to the coordinator.

`alone` carries commands out on a single machine, for comparison.

Next: distbelief/lbfgs.py.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from refflow.distbelief.errors import ScheduleError

Array = NDArray[Any]
Slots = dict[str, Array]
NUMBER = 8  # bytes of one


class Scale(NamedTuple):
    """z := a x."""

    z: str
    a: float
    x: str

    def __str__(self) -> str:
        return f"{self.z} := {self.a:g} {self.x}"

    def apply(self, slots: Slots) -> None:
        x = _read(slots, self.x)
        slots[self.z] = np.zeros_like(x) if self.a == 0 else x.dtype.type(self.a) * x


class Add(NamedTuple):
    """z := x + y."""

    z: str
    x: str
    y: str

    def __str__(self) -> str:
        return f"{self.z} := {self.x} + {self.y}"

    def apply(self, slots: Slots) -> None:
        slots[self.z] = _read(slots, self.x) + _read(slots, self.y)


class Multiply(NamedTuple):
    """z := x y, number by number."""

    z: str
    x: str
    y: str

    def __str__(self) -> str:
        return f"{self.z} := {self.x} * {self.y}"

    def apply(self, slots: Slots) -> None:
        slots[self.z] = _read(slots, self.x) * _read(slots, self.y)


class Dot(NamedTuple):
    """x . y, added up in float64."""

    x: str
    y: str

    def __str__(self) -> str:
        return f"{self.x} . {self.y}"

    def apply(self, slots: Slots) -> float:
        return float(np.multiply(_read(slots, self.x), _read(slots, self.y), dtype=np.float64).sum())


class Evaluate(NamedTuple):
    """To the replicas, not to the shards: the loss at `at`, and its gradient, added up on the shards in `into`."""

    at: str
    into: str

    def __str__(self) -> str:
        return f"{self.into} := slopes of the loss at {self.at}"


Command = Scale | Add | Multiply | Dot
# What a coordinator runs: it says what is to be done, and is sent the number that came of it, or None.
Program = Generator[Command | Evaluate, Any, Any]


def _read(slots: Slots, name: str) -> Array:
    if name not in slots:
        there = ", ".join(sorted(slots))
        raise ScheduleError(f"no vector is called {name!r} on this shard. Write it first; there are: {there}")
    return slots[name]


@dataclass
class Alone:
    """What became of a program on one machine: its value, its vectors, and the commands that it gave."""

    value: Any
    slots: Slots
    log: list[Command | Evaluate] = field(default_factory=list)


def alone(program: Program, slots: Slots, evaluate: Callable[[Array], tuple[float, Array]] | None = None) -> Alone:
    """Carries out a program on one machine that holds whole vectors. evaluate: the loss and the gradient at a vector.

    >>> import numpy as np
    >>> def length():
    ...     yield Multiply("squares", "x", "x")
    ...     return (yield Dot("squares", "ones"))
    >>> alone(length(), {"x": np.array([3.0, 4.0]), "ones": np.ones(2)}).value
    25.0
    """
    done, answer = Alone(None, dict(slots)), None
    while True:
        try:
            command = program.send(answer)
        except StopIteration as end:
            done.value = end.value
            return done
        done.log.append(command)
        if not isinstance(command, Evaluate):
            answer = command.apply(done.slots)
        elif evaluate is None:
            raise ScheduleError(f"the program asks for {command}, but alone() was given no evaluate=")
        else:
            answer, done.slots[command.into] = evaluate(_read(done.slots, command.at))
