"""Downpour: replicas of a model that train apart, each on its part of the data, around one server [D04, D05, D06].

    each replica, for step = 0, 1, 2, ...:                                                            [D06]
        if step mod n_fetch = 0:   ask the shards for the parameters; go on meanwhile        fetch
        g = gradient at its own copy w, of its next batch                                    compute
        w := w - rate g;   accrued := accrued + g                                            update
        if step mod n_push = 0:    send accrued to the shards; accrued := 0                  push
    a shard, in the order in which messages come:
        answers with its parameters as they are just then                                    read
        updates them by its rule with what was pushed                                        apply
    what a shard answered takes the place of that part of w when it arrives                  install

Each of these is an event in the clock's log (replay.py says what is in them). A replica waits for its first parameters,
and begins no fetch before the last one has arrived, so that full links hold it up [S02]. Nothing else waits.
So replicas compute with parameters that others have moved on meanwhile, and shards have seen different numbers of
updates in different orders [D05]; without delays, one replica is plain gradient descent [D06].

A replica is one machine for each part of its partition. Each of these fetches and pushes its own range of the long
vector, from and to the shards that hold it [D04]. What accrued after the last push never leaves the replica.

Next: distbelief/replay.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refflow.distbelief import pieces
from refflow.distbelief.clock import HEADER, Clock, Job, Links, Machine, Slowness, steady
from refflow.distbelief.costs import step_seconds
from refflow.distbelief.errors import ScheduleError, whole_numbers
from refflow.distbelief.network import Network
from refflow.distbelief.partition import Partition
from refflow.distbelief.rules import Rule
from refflow.distbelief.server import Range, Server

Array = NDArray[Any]


@dataclass(frozen=True)
class ClientLoop:
    """The settings of a replica's loop [D06].

    batch: examples of a step. n_fetch, n_push: steps from one fetch, or push, to the next. rate: of a replica's own
    updates; unless given, the one that goes with the server's rule (rules.py).
    """

    batch: int = 32
    n_fetch: int = 1
    n_push: int = 1
    rate: float | None = None

    def __post_init__(self) -> None:
        whole_numbers("ClientLoop", ScheduleError, batch=self.batch, n_fetch=self.n_fetch, n_push=self.n_push)
        if self.rate is not None and not 0 <= self.rate < math.inf:
            raise ScheduleError(f"ClientLoop: rate = {self.rate}, but expected a number of at least 0, or None.")

    def own_rate(self, rule: Rule) -> float:
        """The rate of a replica's updates of its own copy, beside this rule of the shards."""
        return rule.fixed_rate if self.rate is None else self.rate


class Downpour:
    """Replicas around a server, in virtual time.

    model: a network, or a partition of one over the machines of each replica. x: [N, ...]; targets: [N, C]; replica r
    of R has the examples r, r + R, r + 2 R, ... parameters: by name; unless given, model's own of seed 0.
    warm_start: the first replica makes so many steps before the others begin [D09].
    links: between all machines, on the clock of all. speed: of a replica's machine, shard_speed: of a shard's,
    operations a second. slowness: how a step's time varies (clock.py). ScheduleError for what could not run.
    """

    def __init__(
        self,
        model: Network | Partition,
        x: Array,
        targets: Array,
        rule: Rule,
        loop: ClientLoop | None = None,
        *,
        replicas: int = 1,
        shards: int = 1,
        parameters: dict[str, Array] | None = None,
        warm_start: int = 0,
        links: Links | None = None,
        speed: float = math.inf,
        shard_speed: float = math.inf,
        slowness: Slowness = steady,
    ):
        self.partition = Partition.of(model)
        network = self.partition.network
        self.x, self.targets = np.asarray(x), np.asarray(targets)
        network.check(self.x, self.targets)
        self.loop = loop or ClientLoop()
        whole_numbers("Downpour", ScheduleError, replicas=replicas)
        whole_numbers("Downpour", ScheduleError, least=0, warm_start=warm_start)
        if replicas * self.loop.batch > len(x):
            raise ScheduleError(
                f"Downpour: {replicas} replicas with batches of {self.loop.batch} on {len(x)} examples, but each needs "
                "a batch of its own. Take fewer replicas, or a smaller batch."
            )
        self.links = links or Links(Clock())
        self.clock = self.links.clock
        initial = self.partition.pack(network.initial() if parameters is None else parameters)
        self.server = Server(self.clock, self.links, initial, rule, shards, shard_speed)
        self.warm_start = warm_start
        seconds = step_seconds(self.partition, self.loop.batch, speed, self.links)
        self.replicas = [Replica(self, r, np.arange(len(x))[r::replicas], seconds, slowness) for r in range(replicas)]

    def run(self, steps: int | None = None, until: float = math.inf) -> Downpour:
        """Each replica makes `steps` steps more, or as many as it can until then, and what was sent arrives.

        Returns this cluster. ScheduleError if there is no end.
        """
        if steps is None and (until == math.inf or self.replicas[0].seconds == 0):
            raise ScheduleError(
                "Downpour.run: no end. Give steps, or until=seconds with machines that take time for a step: speed=..."
            )
        whole_numbers("Downpour.run", ScheduleError, least=0, steps=0 if steps is None else steps)
        for replica in self.replicas:
            replica.limit = math.inf if steps is None else replica.step + steps
        first, *others = self.replicas
        first.begin()
        if self.is_warm or not first.machine.is_up:
            self.release(others)
        self.clock.run(until)
        return self

    @property
    def is_warm(self) -> bool:
        """Whether the first replica has made its steps alone [D09]."""
        return self.replicas[0].step >= self.warm_start

    def release(self, replicas: list[Replica] | None = None) -> None:
        """The others begin."""
        for replica in self.replicas[1:] if replicas is None else replicas:
            replica.begin()

    def fail(self, number: int, at: float) -> None:
        """Replica `number` fails at that time, with all of its machines; the others go on [D07]."""
        if not 0 <= number < len(self.replicas):
            raise ScheduleError(f"Downpour.fail: replica {number}, but expected 0 to {len(self.replicas) - 1}.")
        self.clock.at(at, self.replicas[number].fail)

    # -- what came of it --------------------------------------------------------------------------------

    @property
    def parameters(self) -> dict[str, Array]:
        """The server's parameters by name, put together from all shards."""
        return self.partition.unpack(self.server.vector())

    def loss(self) -> float:
        """The server's parameters' mean loss over all examples."""
        scores = pieces.forward(self.partition, self.server.vector(), self.x)
        return self.partition.network.loss.value_and_slope(scores, self.targets)[0]

    def accuracy(self) -> float:
        """The part of all examples whose greatest score is that of their greatest target."""
        scores = pieces.forward(self.partition, self.server.vector(), self.x)
        return float((scores.argmax(axis=1) == self.targets.argmax(axis=1)).mean())

    def examples_per_second(self, since: float = 0.0, to: float | None = None) -> float:
        """Of all replicas' updates in that time."""
        to = self.clock.now if to is None else to
        if not since < to:
            raise ScheduleError(f"examples_per_second: from {since} s to {to} s no time passes.")
        done = sum(since < event.time <= to for event in self.clock.events("update"))
        return done * self.loop.batch / (to - since)


class Replica:
    """One copy of the model and its loop. vector: its own copy of the parameters. step: how many it has made."""

    def __init__(self, cluster: Downpour, number: int, rows: NDArray[np.int64], seconds: float, slowness: Slowness):
        self.cluster, self.number, self.rows, self.seconds = cluster, number, rows, seconds
        self.name, clock = f"replica {number}", cluster.clock
        # The first machine's speed is 1, so that its work is the seconds of a step of all of them.
        self.machine = Machine(clock, self.name, 1.0, slowness=slowness)
        self.machines = [
            self.machine, *(Machine(clock, f"{self.name} part {p}") for p in range(1, cluster.partition.machines)),
        ]  # fmt: skip
        self.parts = [cluster.server.ranges(start, stop) for start, stop in cluster.partition.ranges()]
        self.vector = np.zeros_like(cluster.server.vector())
        self.gradient = np.zeros_like(self.vector)
        self.accrued: Array | None = None
        self.versions: dict[Range, int] = {}  # how many updates the shard had seen when it answered
        self.step, self.limit = 0, 0.0
        self.is_busy = False  # in a step
        self.on_the_way = 0  # parts that were asked for
        self.goes_on: Job | None = None  # what it does when they are there
        self.batches = _batches(rows, cluster.loop.batch, clock.chance(f"batches of {self.name}"))

    @property
    def has_parameters(self) -> bool:
        return len(self.versions) == sum(len(ranges) for ranges in self.parts)

    def begin(self) -> None:
        if not self.is_busy and self.step < self.limit and self.machine.is_up:
            self.is_busy = True
            self.cluster.clock.after(0.0, self._step)  # as an event: steps that take no time do not pile up as calls

    def fail(self) -> None:
        for machine in self.machines:
            machine.fail()
        if self.number == 0:
            self.cluster.release()  # nobody else would

    def _step(self) -> None:
        if self.machine.is_up:
            is_due = self.step % self.cluster.loop.n_fetch == 0
            if is_due and self.on_the_way:
                self.goes_on = self._step  # one fetch at a time
                return
            if is_due:
                self._fetch()
            if self.has_parameters:
                self._compute()
            else:
                self.goes_on = self._compute

    # -- fetching ---------------------------------------------------------------------------------------

    def _fetch(self) -> None:
        self._note("fetch")
        for machine, ranges in zip(self.machines, self.parts, strict=True):
            for part in ranges:
                self._ask(machine, part, self.step)

    def _ask(self, machine: Machine, part: Range, step: int) -> None:
        self.on_the_way += 1
        shard, links = self.cluster.server.shards[part.shard], self.cluster.links

        def answer() -> None:
            values, version = shard.read(part), shard.updates
            self._tell(shard.machine.name, "read", part, step, updates=version)
            size = HEADER + values.nbytes
            links.send(shard.machine, machine, size, lambda: self._install(part, values, version, step))

        links.send(machine, shard.machine, HEADER, lambda: shard.machine.compute(0, answer))

    def _install(self, part: Range, values: Array, version: int, step: int) -> None:
        self._tell(self.name, "install", part, step, updates=version)
        self.vector[part.start : part.stop] = values
        self.versions[part] = version
        self.on_the_way -= 1
        if self.on_the_way == 0 and self.goes_on is not None:
            go, self.goes_on = self.goes_on, None
            go()

    # -- computing --------------------------------------------------------------------------------------

    def _compute(self) -> None:
        self.machine.compute(self.seconds, self._update, start=self._differentiate)

    def _differentiate(self) -> None:
        cluster, rows = self.cluster, next(self.batches)
        self._note("compute", rows=rows.tolist())
        self.loss, self.gradient = pieces.loss_and_gradient(
            cluster.partition, self.vector, cluster.x[rows], cluster.targets[rows]
        )
        self.used = dict(self.versions)

    def _update(self) -> None:
        """The end of a step: the gradient goes into the replica's own copy and into what accrues."""
        loop, gradient = self.cluster.loop, self.gradient
        self._note("update", loss=self.loss)
        rate = gradient.dtype.type(loop.own_rate(self.cluster.server.rule))
        self.vector -= rate * gradient
        self.accrued = gradient if self.accrued is None else self.accrued + gradient
        if self.step % loop.n_push == 0:
            self._push()
        self.step += 1
        self.is_busy = False
        if self.number == 0 and self.step == self.cluster.warm_start:
            self.cluster.release()
        self.begin()

    # -- pushing ----------------------------------------------------------------------------------------

    def _push(self) -> None:
        self._note("push")
        accrued, self.accrued = self.accrued, None
        assert accrued is not None  # a push follows an update
        for machine, ranges in zip(self.machines, self.parts, strict=True):
            for part in ranges:
                self._send(machine, part, accrued[part.start : part.stop], self.step, self.used[part])

    def _send(self, machine: Machine, part: Range, gradient: Array, step: int, version: int) -> None:
        shard = self.cluster.server.shards[part.shard]

        def apply() -> None:
            shard.apply(part, gradient, self.name)
            age = shard.updates - 1 - version
            self._tell(shard.machine.name, "apply", part, step, updates=shard.updates, age=age)

        def arrive() -> None:
            shard.machine.compute(2 * len(part), apply)

        self.cluster.links.send(machine, shard.machine, HEADER + gradient.nbytes, arrive)

    # -- the log ----------------------------------------------------------------------------------------

    def _note(self, kind: str, **what: Any) -> None:
        self.cluster.clock.note(kind, self.name, replica=self.number, step=self.step, **what)

    def _tell(self, who: str, kind: str, part: Range, step: int, **what: Any) -> None:
        note = self.cluster.clock.note
        note(kind, who, replica=self.number, step=step, shard=part.shard, start=part.start, stop=part.stop, **what)


def _batches(rows: NDArray[np.int64], size: int, chance: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Batches of a replica's rows, for ever: all of them in some order, as far as whole batches go, and again."""
    while True:
        order = chance.permutation(rows)
        for start in range(0, len(rows) - size + 1, size):
            yield order[start : start + size]
