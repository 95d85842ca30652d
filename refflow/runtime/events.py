"""The event log of a step: what happened, in order. Timelines, steppers and tests read this one log.

Next: runtime/executor.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from refflow.runtime.nodes import Node


class Event(NamedTuple):
    """kind: ready, start, end, send, recv, error. Times are those of the log's clock, in seconds."""

    time: float
    step: int
    kind: str
    node_id: int
    node: str
    device: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind:5}  {self.node_id:5d} {self.node}  {self.detail}".rstrip()


class EventLog:
    """Events of one or more steps. The clock is injected, so that a run can be replayed to the letter."""

    def __init__(self, clock: Callable[[], float]):
        self._clock = clock
        self.events: list[Event] = []
        self.step = 0

    def add(self, kind: str, node: Node, detail: str = "") -> None:
        device = node.device.name if node.device is not None else ""
        self.events.append(Event(self._clock(), self.step, kind, node.id, node.name, device, detail))

    def of_kind(self, kind: str) -> list[Event]:
        return [e for e in self.events if e.kind == kind]

    def __len__(self) -> int:
        return len(self.events)

    def __str__(self) -> str:
        return "\n".join(map(str, self.events))
