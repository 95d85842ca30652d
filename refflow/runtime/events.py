"""The event log: what happened in one step or in many, in order [W61].

    begin                       a step, in the thread that asked for it
    ready, start, end           a node may run, begins, has given its values
    send                        before its end, a value leaves a device
    recv, error                 in `end`'s place, a value has come to a device, a node has failed
    finish                      the step is over

Timelines, steppers and tests all read this one log. Times are those of the log's clock, in seconds; the clock is
injected, so that a run can be replayed to the letter. Both executables write it, and neither looks at it when there is
none: a plan that is to be watched is another plan, with lines that write (runtime/watch.py).

A LapLog only takes times, and of the plan as it really runs: what begins and ends there are its chains and slices.

Next: runtime/metadata.py.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import DType
from refflow.runtime.failures import told
from refflow.runtime.frames import DEAD
from refflow.runtime.nodes import Node
from refflow.runtime.resources import VariableState
from refflow.runtime.watch import Laps, Unwatched, Watch


class Made(NamedTuple):
    """One output that a node gave: its port, type and shape, its bytes, and a number for its memory."""

    port: int
    dtype: DType
    shape: tuple[int, ...]
    nbytes: int
    memory: int


class Event(NamedTuple):
    """node_id: -1 for the step itself. place: the loops that the node is in and the iteration, as `0/while:3`.

    detail: the first value in words, where the log keeps values. thread: as the operating system numbers it.
    """

    time: float
    step: int
    kind: str
    node_id: int
    node: str
    device: str
    detail: str = ""
    place: str = ""
    thread: int = 0
    made: tuple[Made, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind:5}  {self.node_id:5d} {self.node}  {self.detail}".rstrip()


class EventLog:
    """Events of one or more steps. clock: gives seconds. values: whether to say what the values were.

    epoch: what has to be added to the clock's seconds to get those since 1970. nodes: each node that has an event.
    """

    watch: type[Unwatched] = Watch  # how a plan is looked at that writes here

    def __init__(self, clock: Callable[[], float], values: bool = True, epoch: float = 0.0):
        self.clock, self.values, self.epoch = clock, values, epoch
        self.events: list[Event] = []
        self.nodes: dict[tuple[int, int], Node] = {}  # by step and id
        self._steps = itertools.count(1)

    def begin(self, what: str) -> StepLog:
        """The log of one more step."""
        return StepLog(self, next(self._steps), what)

    def of_kind(self, kind: str) -> list[Event]:
        return [e for e in self.events if e.kind == kind]

    def __len__(self) -> int:
        return len(self.events)

    def __str__(self) -> str:
        return "\n".join(map(str, self.events))


def watch_of(log: EventLog | None) -> type[Unwatched]:
    """How a plan is looked at that writes into `log`, or into none."""
    return Unwatched if log is None else log.watch


class StepLog:
    """Where one step writes. Several may write into one EventLog at once."""

    def __init__(self, log: EventLog, step: int, what: str):
        self._log, self.step, self._what = log, step, what
        self._mark("begin")

    def finish(self) -> None:
        self._mark("finish")

    def _mark(self, kind: str, time: float | None = None) -> None:
        thread, when = threading.get_native_id(), self._log.clock() if time is None else time
        self._log.events.append(Event(when, self.step, kind, -1, self._what, "", thread=thread))

    def note(self, kind: str, node: Node, place: str = "", values: Iterable[Any] = ()) -> None:
        """One event of a node. values: its outputs, or what it sends, if it has any."""
        now = self._log.clock()
        values = list(values)
        detail = told(values[0]) if values and (self._log.values or values[0] is DEAD) else ""
        made = tuple(_made(node, port, v) for port, v in enumerate(values) if v is not None and v is not DEAD)
        self._add(now, kind, node, detail, place, made)

    def _add(self, time: float | None, kind: str, node: Node, detail: str, place: str, made: tuple[Made, ...]) -> None:
        log = self._log
        log.nodes[self.step, node.id] = node
        device = node.device.name if node.device is not None else ""
        thread = threading.get_native_id()
        when = log.clock() if time is None else time
        log.events.append(Event(when, self.step, kind, node.id, node.name, device, detail, place, thread, made))

    def start(self, node: Node, place: str = "") -> None:
        self._add(None, "start", node, "", place, ())  # the last thing that is done: writing is no time of the node's

    def end(self, node: Node, values: Iterable[Any] = (), place: str = "") -> None:
        if node.sends:
            self.note("send", node, place, values)
        self.note("recv" if node.receives else "end", node, place, values)


class LapLog(EventLog):
    """An event log that says when each thing began and ended, and nothing of values.

    cost: the seconds that a step takes longer for each lap. idle: those of them that lie between the two looks at the
    clock, and are not counted as the lap's.
    """

    watch = Laps

    def __init__(self, clock: Callable[[], float], epoch: float = 0.0):
        super().__init__(clock, values=False, epoch=epoch)
        self.cost = self.idle = 0.0
        laps = _StepLaps(self, 0, "")
        for _ in range(101):
            laps.start(None)
            laps.end(None)
        times = [time for *_, time in laps.marks]
        self.cost = median(after - before for before, after in pairwise(times[::2]))
        self.idle = median(end - start for start, end in zip(times[::2], times[1::2], strict=True))
        self.events.clear()

    def begin(self, what: str) -> StepLog:
        return _StepLaps(self, next(self._steps), what)


class _StepLaps(StepLog):
    """Keeps what a step writes as it comes, and makes events of it when the step is over."""

    def __init__(self, log: LapLog, step: int, what: str):
        super().__init__(log, step, what)
        self._clock, self._idle = log.clock, log.idle
        self.marks: list[tuple[str, Any, str, float]] = []

    def note(self, kind: str, node: Node, place: str = "", values: Iterable[Any] = ()) -> None:
        self.marks.append((kind, node, place, self._clock()))

    def start(self, node: Any, place: str = "") -> None:
        self.marks.append(("start", node, place, self._clock()))

    def end(self, node: Any, values: Iterable[Any] = (), place: str = "") -> None:
        now = self._clock()
        self.marks.append(("end", node, place, now))

    def finish(self) -> None:
        now, begun = self._clock(), {}
        for kind, node, place, time in self.marks:
            if kind == "start":
                begun[node.id, place] = time
            elif kind == "end":
                time = max(begun[node.id, place], time - self._idle)
            self._add(time, kind, node, "", place, ())
        self._mark("finish", now)


def _made(node: Node, port: int, value: Any) -> Made:
    held = value.value if isinstance(value, VariableState) else value
    dtype = (node.types or [n.types[p] for n, p in node.inputs])[port].base_dtype
    shape = tuple(getattr(held, "shape", ()))
    if dtype.name == "string":
        texts = held.flat if isinstance(held, np.ndarray) else [held]
        nbytes = sum(len(text) for text in texts if isinstance(text, (bytes, str)))
    else:
        nbytes = int(getattr(held, "nbytes", 0))
    return Made(port, dtype, shape, nbytes, id(held) & 0x7FFFFFFFFFFFFFFF)
