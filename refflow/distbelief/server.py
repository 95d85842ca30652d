"""The parameter server: one long vector, cut into shards, each on a machine of its own [D04].

All parameters of a model lie one behind the other in one vector of n numbers, partition after partition. Two sets of
cuts go through it:

    partitions   0 = q[0] <= q[1] <= ... <= q[P] = n     machine i of a replica computes with   q[i] .. q[i + 1]
    shards       0 = s[0] <= s[1] <= ... <= s[S] = n     shard j of the server holds            s[j] .. s[j + 1]

so partition i talks to the few shards that its range meets, and to no other.

A shard has named vectors, its *slots*, all as long as its part: "parameters", and what its update rule or an optimizer
keeps beside it. It applies what is pushed in the order in which it comes, counts it (`updates`, the shard's own
clock), and asks no other shard: nothing holds the shards together [D05].

Next: distbelief/downpour.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refflow.distbelief.clock import Clock, Links, Machine
from refflow.distbelief.errors import ScheduleError, whole_numbers
from refflow.distbelief.rules import Rule, as_rule

Array = NDArray[Any]
PARAMETERS = "parameters"


@dataclass(frozen=True)
class Range:
    """A part of the long vector, start .. stop, and the number of the shard that it lies on."""

    shard: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass
class Shard:
    """start .. stop of the long vector, on one machine. slots: float[stop - start] each. updates: how many came."""

    number: int
    start: int
    stop: int
    machine: Machine
    slots: dict[str, Array]
    rule: Rule
    updates: int = 0
    seen: dict[str, int] = field(default_factory=dict)  # by whom

    def __len__(self) -> int:
        return self.stop - self.start

    def read(self, part: Range, slot: str = PARAMETERS) -> Array:
        """A copy of a part, as it is now: float[len(part)]."""
        return self.slots[slot][self._own(part)].copy()

    def apply(self, part: Range, gradient: Array, by: str) -> None:
        """The rule's update of a part of the parameters with a gradient, float[len(part)]."""
        own = self._own(part)
        self.rule.apply({name: vector[own] for name, vector in self.slots.items()}, gradient)
        self.updates += 1
        self.seen[by] = self.seen.get(by, 0) + 1

    def _own(self, part: Range) -> slice:
        return slice(part.start - self.start, part.stop - self.start)


class Server:
    """Shards that hold a long vector between them.

    initial: float[n]. shards: how many, with nearly equal parts; none is empty. speed: of a shard's machine, in
    operations a second. ScheduleError for what is no vector, for fewer than one shard, or more than parameters.
    """

    def __init__(
        self, clock: Clock, links: Links, initial: Array, rule: Rule, shards: int = 1, speed: float = float("inf")
    ):
        whole_numbers("Server", ScheduleError, shards=shards)
        if np.ndim(initial) != 1:
            raise ScheduleError(
                f"Server: the parameters are {type(initial).__name__} of shape {list(np.shape(initial))}, but expected "
                "one long vector. Make it by partition.pack(parameters)."
            )
        if shards > len(initial):
            raise ScheduleError(
                f"Server: {shards} shards for {len(initial)} parameters, but expected 1 to {len(initial)}: "
                "each shard holds at least one."
            )
        self.clock, self.links, self.rule = clock, links, as_rule(rule)
        cuts = [len(initial) * j // shards for j in range(shards + 1)]
        self.shards = [
            Shard(j, a, b, Machine(clock, f"shard {j}", speed), self._slots(initial[a:b]), rule)
            for j, (a, b) in enumerate(pairwise(cuts))
        ]

    def _slots(self, initial: Array) -> dict[str, Array]:
        return {PARAMETERS: initial.copy()} | {name: np.zeros_like(initial) for name in self.rule.slots}

    def __len__(self) -> int:
        return self.shards[-1].stop

    def ranges(self, start: int, stop: int) -> list[Range]:
        """The parts of start .. stop by shard; of shards that it does not meet, none [D04].

        >>> from refflow.distbelief import Sgd
        >>> server = Server(clock := Clock(), Links(clock), np.zeros(10), Sgd(0.1), shards=3)
        >>> server.ranges(0, 5)
        [Range(shard=0, start=0, stop=3), Range(shard=1, start=3, stop=5)]
        """
        met = [Range(s.number, max(start, s.start), min(stop, s.stop)) for s in self.shards]
        return [part for part in met if part.start < part.stop]

    def vector(self, slot: str = PARAMETERS) -> Array:
        """The long vector under a slot's name, float[n], put together from all shards: for looking at, in no time."""
        return np.concatenate([shard.slots[slot] for shard in self.shards])

    def set(self, values: Sequence[float] | Array, slot: str = PARAMETERS) -> None:
        """Gives every shard its part of a vector, float[n], in no time."""
        for shard in self.shards:
            shard.slots[slot] = np.array(values[shard.start : shard.stop], dtype=shard.slots[PARAMETERS].dtype)
