"""Virtual time: a clock, machines that take their time, links between them, and one log of what happened.

    Clock     events in the order of their times; equal times in the order in which they were entered
    Machine   does one job at a time, first come, first served:   time = work / (speed * cores) * slowness
    Links     every machine has one line out and one line in, each of which carries one message at a time:
              a line is taken for        per_message + bytes / bandwidth
              the first byte arrives     latency after it left, or when the line in is free

What takes no time is done at once, before the call returns: a message over links without delay, a job of a machine that
is idle and infinitely fast. So a cluster without delays is a plain program [D06].

Nothing here depends on real time, and chance enters through one seed: each machine draws from a stream of its own, by
its name, so that one machine more changes no other's luck. Two runs are equal, event by event [D05].

Next: distbelief/costs.py.
"""

from __future__ import annotations

import heapq
import itertools
import math
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from refflow.distbelief.errors import ScheduleError

Job = Callable[[], object]
Slowness = Callable[[np.random.Generator], float]
HEADER = 64  # bytes of a message beside its numbers: what it asks for, names, counts


class Event(NamedTuple):
    """One line of the log: when, what, by whom, and the rest by name."""

    time: float
    kind: str
    who: str
    what: dict[str, Any]

    def __str__(self) -> str:
        rest = " ".join(f"{name}={value}" for name, value in self.what.items())
        return f"{self.time:12.6f}  {self.who:<14} {self.kind:<8} {rest}".rstrip()


@dataclass
class Timer:
    """A job that waits for its time. `cancel` takes it back; too late, it does nothing."""

    job: Job | None

    def cancel(self) -> None:
        self.job = None


class Clock:
    """The time, in seconds from 0, and what is still to happen. `log` has what was noted, in order."""

    def __init__(self, seed: int = 0):
        self.now = 0.0
        self.seed = seed
        self.log: list[Event] = []
        self.names: set[str] = set()  # of its machines
        self._events: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()

    def at(self, time: float, job: Job) -> Timer:
        """`job()` at that time. ScheduleError if the time is past, or none."""
        if not time >= self.now:
            raise ScheduleError(f"Clock: a job at {time} s, but it is {self.now} s already. Give a time to come.")
        timer = Timer(job)
        if time < math.inf:  # what takes forever never happens
            heapq.heappush(self._events, (time, next(self._numbers), timer))
        return timer

    def after(self, seconds: float, job: Job) -> Timer:
        return self.at(self.now + seconds, job)

    def step(self) -> bool:
        """Lets the next event happen; False when there is none."""
        if not self._events:
            return False
        self.now, _, timer = heapq.heappop(self._events)
        if timer.job is not None:
            timer.job()
        return True

    def run(self, until: float = math.inf) -> float:
        """Lets everything happen, up to and at `until`. Returns the time."""
        while self._events and self._events[0][0] <= until:
            self.step()
        if until < math.inf:
            self.now = max(self.now, until)
        return self.now

    def note(self, kind: str, who: str, **what: Any) -> None:
        self.log.append(Event(self.now, kind, who, what))

    def events(self, *kinds: str) -> Iterator[Event]:
        """The events of these kinds, in order."""
        return (event for event in self.log if event.kind in kinds)

    def chance(self, name: str) -> np.random.Generator:
        """A stream of random numbers that depends on the seed and the name only."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])


# -- machines -----------------------------------------------------------------------------------------------


def steady(chance: np.random.Generator) -> float:
    """Every job takes its time."""
    return 1.0


def uneven(sigma: float) -> Slowness:
    """Each job takes exp(sigma z) times as long, with z normal."""
    return lambda chance: float(np.exp(sigma * chance.standard_normal()))


def straggling(probability: float, factor: float) -> Slowness:
    """Now and then, with this probability, a job takes `factor` times as long."""
    return lambda chance: factor if chance.random() < probability else 1.0


@dataclass
class Task:
    """A job given to a machine: how much work, and what follows when it is done."""

    work: float
    start: Job | None
    then: Job
    machine: Machine
    timer: Timer | None = None

    def cancel(self) -> None:
        """Takes the job back, waiting or begun; the next one begins. Done, it stays done."""
        self.machine.drop(self)


@dataclass
class Machine:
    """speed: work a second of one core. Jobs use all cores. `busy` adds up the seconds in which it works.

    Work is in whatever unit speed is per second of; here always floating point operations.
    """

    clock: Clock
    name: str
    speed: float = math.inf
    cores: int = 1
    slowness: Slowness = steady
    busy: float = 0.0
    is_up: bool = True
    failures: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.speed > 0 or self.cores < 1:
            raise ScheduleError(
                f"Machine {self.name!r}: speed = {self.speed} and cores = {self.cores}, but expected a speed above 0 "
                "and at least one core. A machine that is to do nothing is one that fails at 0 s."
            )
        if self.name in self.clock.names:
            raise ScheduleError(
                f"there is a machine {self.name!r} on this clock already. Give each cluster a Clock of its own: "
                "links=links.like(Clock(seed))."
            )
        self.clock.names.add(self.name)
        self._chance = self.clock.chance(self.name)
        self._waiting: deque[Task] = deque()
        self._current: Task | None = None

    def compute(self, work: float, then: Job, start: Job | None = None) -> Task:
        """`work` is done after all jobs before it; `start()` is called as it begins, `then()` when it is done.

        A machine that is down takes the job and never does it.
        """
        task = Task(work, start, then, self)
        if self.is_up:
            self._waiting.append(task)
            self._go_on()
        return task

    def drop(self, task: Task) -> None:
        if task is self._current:
            self._stop()
            self._go_on()
        elif task in self._waiting:
            self._waiting.remove(task)

    def _go_on(self) -> None:
        while self._current is None and self._waiting:
            self._begin(self._waiting.popleft())

    def _begin(self, task: Task) -> None:
        self._current = task
        if task.start is not None:
            task.start()
        seconds = task.work / (self.speed * self.cores) * self.slowness(self._chance)
        if seconds == 0:
            self._end(task, 0.0)
        else:

            def end() -> None:
                self._end(task, seconds)
                self._go_on()

            task.timer = self.clock.after(seconds, end)

    def _end(self, task: Task, seconds: float) -> None:
        if task is self._current:  # else the machine failed, or the job was cancelled, as it began
            self.busy += seconds
            self._current = None
            task.then()

    def fail(self) -> None:
        """The machine is down: its jobs are lost, and so is what it is just sending, and what is on its way to it."""
        if self.is_up:
            self.is_up = False
            self.failures.append(self.clock.now)
            self._waiting.clear()
            self._stop()
            self.clock.note("fail", self.name)

    def _stop(self) -> None:
        if self._current is not None and self._current.timer is not None:
            self._current.timer.cancel()
        self._current = None

    def recover(self) -> None:
        """The machine is up again, with nothing to do."""
        if not self.is_up:
            self.is_up = True
            self.clock.note("recover", self.name)

    def was_up(self, since: float, to: float) -> bool:
        """Whether it did not fail in that time."""
        return not any(since <= failed < to for failed in self.failures)


# -- links --------------------------------------------------------------------------------------------------


@dataclass
class Links:
    """The lines between machines. latency, per_message: seconds. bandwidth: bytes a second of each line.

    slowness: how the latency varies from message to message; those from one machine to another stay in order.
    bytes, messages: by (name of the sender, name of the receiver). What a machine sends itself costs nothing and
    is not counted.
    """

    clock: Clock
    latency: float = 0.0
    bandwidth: float = math.inf
    per_message: float = 0.0
    slowness: Slowness = steady
    bytes: Counter[tuple[str, str]] = field(default_factory=Counter)
    messages: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if not (self.latency >= 0 and self.bandwidth > 0 and self.per_message >= 0):
            raise ScheduleError(
                f"Links: latency = {self.latency}, bandwidth = {self.bandwidth}, per_message = {self.per_message}, but "
                "expected seconds that are not negative, and bytes a second above 0. Without delay: Links(clock)."
            )
        self._free: dict[tuple[str, str], float] = {}  # when a line, ("out" or "in", name), is
        self._last: dict[tuple[str, str], float] = {}  # when the last message from one to the other began to arrive
        self._chances: dict[tuple[str, str], np.random.Generator] = {}

    def like(self, clock: Clock) -> Links:
        """Links as these between machines of another clock, with nothing counted."""
        return Links(clock, self.latency, self.bandwidth, self.per_message, self.slowness)

    def send(self, sender: Machine, receiver: Machine, size: int, arrive: Job) -> None:
        """A message of `size` bytes. `arrive()` is called when the last one is there.

        It is lost without a word when the sender fails before it has sent the last byte, or when the receiver is
        down as it comes.
        """
        if not sender.is_up:
            return
        if sender is receiver:
            arrive()
            return
        self.bytes[sender.name, receiver.name] += size
        self.messages[sender.name, receiver.name] += 1
        sent = self.clock.now
        taken = self.per_message + size / self.bandwidth
        left = self._take(("out", sender.name), taken)

        def come() -> None:
            if sender.was_up(sent, left):
                self._at(self._take(("in", receiver.name), taken), there)

        def there() -> None:
            if receiver.is_up and sender.was_up(sent, left):
                arrive()

        self._at(self._begins_to_arrive((sender.name, receiver.name), left - taken), come)

    def _begins_to_arrive(self, pair: tuple[str, str], left: float) -> float:
        """When the first byte is there that leaves now."""
        latency = self.latency
        if self.slowness is not steady:
            if pair not in self._chances:
                self._chances[pair] = self.clock.chance(" to ".join(pair))
            latency *= self.slowness(self._chances[pair])
        self._last[pair] = max(left + latency, self._last.get(pair, 0.0))
        return self._last[pair]

    def _take(self, line: tuple[str, str], seconds: float) -> float:
        """When the line is free again, if it is taken next for so long."""
        self._free[line] = max(self.clock.now, self._free.get(line, 0.0)) + seconds
        return self._free[line]

    def _at(self, time: float, job: Job) -> None:
        if time <= self.clock.now:  # also where rounding put the first byte before now
            job()
        else:
            self.clock.at(time, job)
