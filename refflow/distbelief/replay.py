"""A run of Downpour as a list of actions that any other system can repeat [S01, S63].

Each action says what happened to which numbers, in the order in which it happened. There are six kinds:

    read      (replica r, step t, part)   a shard answers r's fetch of step t with its numbers of that part, as they are
    install   (replica r, step t, part)   what was so read takes their place in r's copy
    compute   (replica r, step t, rows)   r takes the gradient at its copy, of the mean loss of these examples
    update    (replica r, step t)         r's copy moves by - rate * that gradient, which is added to what accrued
    push      (replica r, step t)         what accrued leaves r, and nothing has accrued any more
    apply     (replica r, step t, part)   what so left arrives: the shard updates that part by its rule

A part is start .. stop of the long vector (server.py). To repeat the run: keep one long vector for the shards, and for
each replica a copy, a gradient and a sum; do what the actions say, one after the other. `Player` is that, in NumPy and
without time, machines or messages; its parameters come out equal to the bit. A graph that has these six as steps of a
session does the same (tests/distbelief/test_both_systems.py).

Next: distbelief/commands.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refflow.distbelief import pieces
from refflow.distbelief.clock import Event
from refflow.distbelief.errors import ScheduleError
from refflow.distbelief.partition import Partition
from refflow.distbelief.rules import Rule

Array = NDArray[Any]
KINDS = ("read", "install", "compute", "update", "push", "apply")


@dataclass(frozen=True)
class Action:
    """One line of a schedule. start, stop: of read, install, apply. rows: of compute."""

    kind: str
    replica: int
    step: int
    start: int = 0
    stop: int = 0
    rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ScheduleError(f"a schedule's action is {self.kind!r}, but expected one of: {', '.join(KINDS)}.")


def schedule(log: Iterable[Event]) -> list[Action]:
    """The actions of a clock's log, in order."""
    wanted = ("replica", "step", "start", "stop", "rows")
    return [
        Action(event.kind, **{name: event.what[name] for name in wanted if name in event.what})
        for event in log
        if event.kind in KINDS
    ]


def to_lines(actions: Iterable[Action]) -> str:
    """A schedule as text, one JSON object in each line."""
    return "".join(json.dumps({k: v for k, v in asdict(a).items() if v != []}) + "\n" for a in actions)


def from_lines(text: str) -> list[Action]:
    """What `to_lines` wrote. ScheduleError for a line that is no action."""
    actions = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            actions.append(Action(**json.loads(line)))
        except (TypeError, ValueError) as e:
            raise ScheduleError(f"line {number} of a schedule: {e}. Lines are as to_lines writes them.") from None
    return actions


class Player:
    """Repeats a schedule. vector: the server's parameters; slots: what its rule keeps, "parameters" among them."""

    def __init__(self, partition: Partition, vector: Array, x: Array, targets: Array, rule: Rule, rate: float):
        self.partition, self.x, self.targets, self.rule, self.rate = partition, x, targets, rule, rate
        self.slots = {"parameters": vector.copy()} | {name: np.zeros_like(vector) for name in rule.slots}
        self.copies: dict[int, Array] = {}
        self.gradients: dict[int, Array] = {}
        self.accrued: dict[int, Array] = {}
        self.on_the_way: dict[tuple[Any, ...], Array] = {}  # answers and pushes

    @property
    def vector(self) -> Array:
        return self.slots["parameters"]

    def play(self, actions: Iterable[Action]) -> Player:
        for action in actions:
            getattr(self, action.kind)(action)
        return self

    def read(self, a: Action) -> None:
        self.on_the_way["answer", a.replica, a.step, a.start] = self.vector[a.start : a.stop].copy()

    def install(self, a: Action) -> None:
        copy = self.copies.setdefault(a.replica, np.zeros_like(self.vector))
        copy[a.start : a.stop] = self.on_the_way.pop(("answer", a.replica, a.step, a.start))

    def compute(self, a: Action) -> None:
        batch = self.x[a.rows], self.targets[a.rows]
        _, self.gradients[a.replica] = pieces.loss_and_gradient(self.partition, self.copies[a.replica], *batch)

    def update(self, a: Action) -> None:
        gradient = self.gradients[a.replica]
        self.copies[a.replica] -= gradient.dtype.type(self.rate) * gradient
        before = self.accrued.get(a.replica)
        self.accrued[a.replica] = gradient if before is None else before + gradient

    def push(self, a: Action) -> None:
        self.on_the_way["push", a.replica, a.step] = self.accrued.pop(a.replica)

    def apply(self, a: Action) -> None:
        pushed = self.on_the_way["push", a.replica, a.step][a.start : a.stop]
        self.rule.apply({name: vector[a.start : a.stop] for name, vector in self.slots.items()}, pushed)
