"""Asynchronous training as a schedule: who reads the parameters when, and whose gradient is applied when [S63, S67].

    fetch     a replica has the parameters p, as they are at this moment
    compute   dp, the gradient at p for its own examples: by then p is of the past
    push      dp is on its way to the variables
    apply     the variables take a step along dp, and the next fetch sees it

A schedule is data: events in the order in which they happen. `interleave` draws one in virtual time from a seed, and
another system's log can be written as one. train/replicas.py follows it with real gradients.

A gradient is as *stale* as the number of updates between its fetch and its apply. N replicas of equal speed each see
the others' N - 1 between two of their own, whatever the order [S67]. A replica that is lost takes its share of the
updates with it, and nothing else: nobody waits for it but its own group [S68].

    M groups of N replicas: a group fetches once, its replicas compute on a shard each, and the mean of their gradients
    is pushed and applied when the last of them is there. M = 1 is synchronous, N = 1 asynchronous [S69].

Next: train/replicas.py.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

Seconds = Callable[[random.Random, int], float]


class Event(NamedTuple):
    """What a replica does from `time` to `until`, in seconds of virtual time.

    what: fetch (the parameters are read at `time`), compute, push, apply (at `time`; by the last of a group), or lost.
    group, replica: who, both counted from 0 over all. step: how many steps the group had done before.
    """

    time: float
    until: float
    what: str
    group: int
    replica: int
    step: int


def even(draw: random.Random, replica: int) -> float:
    """Seconds of a gradient's computation: all replicas are as fast, and no step is quite like another."""
    return draw.uniform(0.9, 1.1)


def interleave(
    groups: int,
    replicas: int,
    updates: int,
    seed: int = 0,
    seconds: Seconds = even,
    latency: float = 0.0,
    lost: Mapping[int, float] | None = None,
) -> Iterator[Event]:
    """The events of `updates` updates by `groups` groups of `replicas` replicas, which all begin at 0.

    seconds: how long a replica, by its number, computes. latency: seconds that parameters take to a replica, and a
    gradient back. lost: when a replica, by its number, stops for good; what it has sent arrives. There are fewer
    updates when every group has lost one. One seed gives one schedule.

    >>> [(e.what, e.replica, e.time) for e in interleave(2, 1, 2, seconds=lambda draw, r: 1 + r / 2)]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('fetch', 0, 0.0), ('fetch', 1, 0.0), ('compute', 0, 0.0), ('push', 0, 1.0), ('apply', 0, 1.0), ('fetch', 0, 1.0),
     ('compute', 1, 0.0), ('push', 1, 1.5), ('apply', 1, 1.5)]
    """
    if not callable(seconds):
        raise TypeError(f"seconds is {seconds!r}, expected a function such as lambda draw, replica: 1.0 + replica / 2")
    if groups < 1 or replicas < 1:
        raise ValueError(f"at least one group of one replica is needed, got {groups} of {replicas}")
    unknown = sorted(set(lost or {}) - set(range(groups * replicas)))
    if unknown:
        raise ValueError(f"replica {unknown[0]} is to be lost, but there are 0 to {groups * replicas - 1}")
    loops = _Loops(groups, replicas, random.Random(seed), seconds, latency)
    for r, time in sorted((lost or {}).items()):
        loops.at(time, partial(loops.lose, r, time))
    for group in range(groups):
        loops.at(0.0, partial(loops.begin, group, 0.0))
    applied = 0
    while loops.queue and applied < updates:
        for event in loops.next():
            yield event
            applied += event.what == "apply"
            if applied == updates:
                return


class _Loops:
    """The client loops of all groups. queue: what is to happen, in the order of time, and then of entry.

    steps: how many each group has done. came: how many gradients of its present step are there. gone: who was lost.
    """

    def __init__(self, groups: int, replicas: int, draw: random.Random, seconds: Seconds, latency: float):
        self.replicas, self.draw, self.seconds, self.latency = replicas, draw, seconds, latency
        self.queue: list[tuple[float, int, Callable[[], Iterable[Event]]]] = []
        self.numbers = itertools.count()
        self.steps, self.came = [0] * groups, [0] * groups
        self.gone: set[int] = set()

    def at(self, time: float, job: Callable[[], Iterable[Event]]) -> None:
        heapq.heappush(self.queue, (time, next(self.numbers), job))

    def next(self) -> Iterable[Event]:
        return heapq.heappop(self.queue)[2]()

    def begin(self, group: int, now: float) -> Iterator[Event]:
        """A step, unless the group would wait for one that is gone."""
        members = range(group * self.replicas, (group + 1) * self.replicas)
        if self.gone.isdisjoint(members):
            for r in members:
                there, takes = now + self.latency, self.seconds(self.draw, r)
                if not (takes >= 0 and self.latency >= 0):
                    raise ValueError(f"seconds and latency begin at 0, got {takes} and {self.latency} for replica {r}")
                yield Event(now, there, "fetch", group, r, self.steps[group])
                self.at(there + takes, partial(self.computed, group, r, there, there + takes))

    def computed(self, group: int, r: int, start: float, end: float) -> Iterator[Event]:
        if r not in self.gone:
            arrives = end + self.latency
            yield Event(start, end, "compute", group, r, self.steps[group])
            yield Event(end, arrives, "push", group, r, self.steps[group])
            self.came[group] += 1
            if self.came[group] == self.replicas:
                self.at(arrives, partial(self.apply, group, r, arrives))

    def apply(self, group: int, r: int, now: float) -> Iterator[Event]:
        """The update, after which the group fetches at once: none of another comes between."""
        yield Event(now, now, "apply", group, r, self.steps[group])
        self.steps[group], self.came[group] = self.steps[group] + 1, 0
        yield from self.begin(group, now)

    def lose(self, r: int, now: float) -> Iterator[Event]:
        self.gone.add(r)
        group = r // self.replicas
        yield Event(now, now, "lost", group, r, self.steps[group])


class Update(NamedTuple):
    """One update of the variables: when, by which group, with a gradient at which parameters, and at what loss.

    read: how many updates these had seen. version: how many there were before this one.
    """

    time: float
    group: int
    step: int
    read: int
    version: int
    loss: Any

    @property
    def staleness(self) -> int:
        """How many updates came between fetch and apply."""
        return self.version - self.read


@dataclass
class Trace:
    """What happened in a run: its events, and its updates in their order."""

    events: list[Event] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)

    @property
    def losses(self) -> list[float]:
        """Of each update, at the parameters that its gradient is of."""
        return [float(update.loss) for update in self.updates]

    def staleness(self, after: int = 0) -> Counter[int]:
        """How many updates were how stale, the first `after` of them left out [S67]."""
        return Counter(update.staleness for update in self.updates[after:])

    def throughput(self, since: float, to: float) -> float:
        """Updates a second in that time. ValueError where it is none."""
        if not since < to:
            raise ValueError(f"from {since:g} s to {to:g} s no time passes")
        return sum(since < update.time <= to for update in self.updates) / (to - since)

    def histogram(self, after: int = 0, width: int = 50) -> str:
        """The staleness as bars of text."""
        counts = self.staleness(after)
        most = max(counts.values(), default=1)
        lines = [f"{late:9d} {n:6d}  {'#' * -(-n * width // most)}" for late, n in sorted(counts.items())]
        return "\n".join(["staleness updates", *lines])

    def table(self, most: int = 40) -> str:
        """The first events as lines: when, who, what, and with which parameters [S63]."""
        lines = [f"{'seconds':>9}  {'until':>9}  group replica  step  what"]
        version, read = 0, {}  # how many updates there were, and how many what each group has fetched has seen
        for event in self.events[:most]:
            text = ""
            if event.what == "fetch":
                read[event.group] = version
                text = f"p after {version} updates"
            elif event.what == "apply":
                text = f"p after {version} + dp, {version - read[event.group]} stale"
                version += 1
            lines.append(
                f"{event.time:9.3f}  {event.until:9.3f}  {event.group:5d} {event.replica:7d} {event.step:5d}  "
                f"{event.what:7}  {text}".rstrip()
            )
        if len(self.events) > most:
            lines.append(f"... and {len(self.events) - most} events more")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()
