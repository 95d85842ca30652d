"""What a step of a cut network takes, in virtual time, without computing it [D03].

Each of P machines goes up and down the layers; at each it waits for the states, or slopes, that the partition says come
from others, computes, and sends what others wait for:

    computing    work of its units * N / (speed * cores), and twice that on the way down (dx and the weights' slopes)
    a message    per_message + 4 bytes * units * N / bandwidth of a line, and latency

Computing falls with 1 / P. What is sent does not: where all units read all, every machine sends its states to P - 1
others in every layer, so that the number of messages grows with P^2, and from some P on a machine more costs more than
it computes. Where units read their neighbourhood, only the rims of tiles are sent, to a few neighbours, and there can
be as many machines as tiles.

Next: distbelief/rules.py.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from functools import partial

from refflow.distbelief.clock import Clock, Links, Machine
from refflow.distbelief.network import Network
from refflow.distbelief.partition import Partition

_LOSS_WORK = 10.0  # operations for each score: a maximum, an exp, a log, sums


def work(network: Network, examples: int = 1) -> float:
    """Floating point operations of one step, up and down: 6 for each use of a parameter of a dense layer."""
    layers = zip(network.layers, network.shapes, network.shapes[1:], strict=False)
    up = sum(layer.work(below, math.prod(shape)) for layer, below, shape in layers)
    return examples * (3 * up + _LOSS_WORK * network.units(len(network.layers)))


def step_seconds(
    partition: Partition,
    examples: int,
    speed: float = math.inf,
    links: Links | None = None,
    cores: int = 1,
) -> float:
    """Seconds of one step with a batch of `examples`. speed: operations a second of one core."""
    clock = Clock()
    links = links.like(clock) if links else Links(clock)
    machines = [Machine(clock, str(p), speed, cores) for p in range(partition.machines)]
    return _Step(partition, examples, machines, links).seconds()


def speedups(
    partitions: Iterable[Partition], examples: int, speed: float, links: Links | None = None, cores: int = 1
) -> list[float]:
    """How many times as fast as the first of them each partition is."""
    times = [step_seconds(partition, examples, speed, links, cores) for partition in partitions]
    return [times[0] / time for time in times]


class _Step:
    """One step. Its phases: 0 the input, 1 .. L up, L + 1 the loss, L + 2 .. 2 L + 1 down, from layer L to layer 1.

    waits[p, phase]: for how many things machine p waits before that phase: its phase before, and messages.
    """

    def __init__(self, partition: Partition, examples: int, machines: list[Machine], links: Links):
        self.partition, self.examples, self.machines, self.links = partition, examples, machines, links
        self.top = len(partition.maps) - 1
        self.waits = Counter({(p, phase): 1 for p in range(len(machines)) for phase in range(self.last + 1)})
        self.sends: dict[tuple[int, int], list[tuple[int, int, int]]] = {}  # after a phase: to whom, its phase, units
        for layer, source, target, units in partition.transfers():
            self._message(source, layer - 1, target, layer, units)
            if layer > 1:  # nobody wants the input's slopes
                self._message(target, self._down(layer), source, self._down(layer - 1), units)

    @property
    def last(self) -> int:
        return 2 * self.top + 1

    def _down(self, layer: int) -> int:
        return 2 * self.top + 2 - layer

    def _message(self, source: int, after: int, target: int, before: int, units: int) -> None:
        self.sends.setdefault((source, after), []).append((target, before, units))
        self.waits[target, before] += 1

    def seconds(self) -> float:
        for p in range(len(self.machines)):
            self._ready(p, 0)
        return self.links.clock.run()

    def _ready(self, p: int, phase: int) -> None:
        self.waits[p, phase] -= 1
        if self.waits[p, phase] == 0:
            self.machines[p].compute(self._work(p, phase) * self.examples, partial(self._done, p, phase))

    def _done(self, p: int, phase: int) -> None:
        for target, before, units in self.sends.get((p, phase), ()):
            size = 4 * units * self.examples
            self.links.send(self.machines[p], self.machines[target], size, partial(self._ready, target, before))
        if phase < self.last:
            self._ready(p, phase + 1)

    def _work(self, p: int, phase: int) -> float:
        """Operations for one example."""
        if phase == 0:
            return 0.0
        if phase == self.top + 1:
            return _LOSS_WORK * len(self.partition.maps[-1]) if p == 0 else 0.0
        up = phase <= self.top
        part = self.partition.parts[phase if up else self._down(phase)][p]
        return (1 if up else 2) * part.layer.work(part.below, len(part.units))
