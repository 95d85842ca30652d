"""Sandblaster: one optimizer over a whole batch at a time, whose vectors lie on shards and whose coordinator has none.

    coordinator   runs a program (lbfgs.py): it sends commands to all shards, and adds up the numbers that come back
    shards        carry commands out, each on its part, in the order in which they were given                     [D10]
    replicas      compute the gradient, portion by portion, each in the coordinator's charge (portions.py)        [D11]

A batch, which is one evaluation of the loss and its gradient [D12]:

    coordinator   clears the gradient on the shards; gives every replica a portion
    replica       fetches the parameters from the shards, once in a batch; computes; reports that it is done
    coordinator   keeps the first result of a portion: "keep it", or "drop it"; and the next portion
    replica       adds up what it keeps, and sends the sum to the shards every few portions
    coordinator   when every portion is done: "send what you have"; the batch ends when all replicas have been told
                  by all shards that it was added

Between the coordinator and anybody else a message carries names and at most one number. Vectors go between shards and
replicas only; the links count the bytes of each pair, so both can be looked up.

Next: distbelief/workers.py.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from refflow.distbelief.clock import HEADER, Clock, Job, Links, Machine, Slowness, steady
from refflow.distbelief.commands import NUMBER, Command, Dot, Evaluate, Program, Scale
from refflow.distbelief.errors import ScheduleError
from refflow.distbelief.lbfgs import Outcome, minimize
from refflow.distbelief.network import Network
from refflow.distbelief.partition import Partition
from refflow.distbelief.pieces import loss_and_gradient
from refflow.distbelief.portions import Portions
from refflow.distbelief.rules import Sgd
from refflow.distbelief.server import PARAMETERS, Server
from refflow.distbelief.workers import CommandedShard, Worker

Array = NDArray[Any]


class Objective(Protocol):
    """A loss that is a sum over examples: each one's part of the mean, say."""

    def __len__(self) -> int:
        """How many examples there are."""

    def part(self, parameters: Array, start: int, stop: int) -> tuple[float, Array]:
        """What examples start .. stop add to the loss and to its gradient, float[n], at parameters, float[n]."""


class NetworkLoss:
    """A network's mean loss over examples x[N, ...] with targets[N, C]. LayerError where they do not fit."""

    def __init__(self, model: Network | Partition, x: Array, targets: Array):
        self.partition = Partition.of(model)
        self.partition.network.check(x, targets)
        self.x, self.targets = x, targets

    def __len__(self) -> int:
        return len(self.x)

    def part(self, parameters: Array, start: int, stop: int) -> tuple[float, Array]:
        loss, gradient = loss_and_gradient(self.partition, parameters, self.x[start:stop], self.targets[start:stop])
        share = (stop - start) / len(self.x)
        return share * loss, gradient.dtype.type(share) * gradient


class Sandblaster:
    """A coordinator, shards and replicas, in virtual time.

    initial: the parameters, float[n]. portions: of a batch, which is all examples. push_every: portions that a replica
    adds up before it sends them. seconds: that one example takes; seek: more seconds for a portion that does not follow
    the replica's last one. slowness: how a portion's time varies (clock.py), of all replicas or of each. static: the
    batch is split into equal parts, once for all [D11]. shard_speed: operations a second.
    ScheduleError for what could not run.
    """

    def __init__(
        self,
        objective: Objective,
        initial: Array,
        *,
        replicas: int = 4,
        shards: int = 2,
        portions: int | None = None,
        push_every: int = 4,
        static: bool = False,
        links: Links | None = None,
        seconds: float = 0.0,
        seek: float = 0.0,
        shard_speed: float = math.inf,
        slowness: Slowness | Sequence[Slowness] = steady,
    ):
        if not hasattr(objective, "part"):
            raise ScheduleError(
                f"Sandblaster: the objective is {objective!r}, but expected a loss with part(), as NetworkLoss(...)."
            )
        portions = min(len(objective), 16 * replicas) if portions is None else portions
        if not 1 <= portions <= len(objective) or push_every < 1:
            raise ScheduleError(
                f"Sandblaster: {portions} portions of {len(objective)} examples, sent every {push_every}, but expected "
                "at least 1 example in each portion, and sums of at least 1 portion."
            )
        self.objective = objective
        self.links = links or Links(Clock())
        self.clock = self.links.clock
        self.portions = Portions(portions, replicas, static=static)
        self.push_every, self.seconds, self.seek = push_every, seconds, seek
        self.server = Server(self.clock, self.links, initial, Sgd(1.0), shards, shard_speed)  # nobody asks for its rule
        self.coordinator = Coordinator(self)
        self.shards = [CommandedShard(shard) for shard in self.server.shards]
        each = [slowness] * replicas if callable(slowness) else slowness
        if len(each) != replicas:
            raise ScheduleError(f"Sandblaster: {len(each)} slownesses for {replicas} replicas. Give each one, or one.")
        self.replicas = [Worker(self, number, slow) for number, slow in enumerate(each)]

    def run(self, program: Program) -> Any:
        """Carries out a program; its value. ScheduleError if it comes to a standstill, because somebody is down."""
        return self.coordinator.run(program)

    def minimize(self, max_steps: int = 100, tolerance: float = 1e-6, history: int = 10) -> Outcome:
        """L-BFGS from where the parameters are [D12]. See lbfgs.minimize."""
        epsilon = float(np.finfo(self.server.shards[0].slots[PARAMETERS].dtype).eps)
        return self.run(minimize(max_steps, tolerance, history, epsilon))

    @property
    def parameters(self) -> Array:
        """The parameters, float[n], put together from all shards: for looking at."""
        return self.server.vector()

    def rows(self, portion: int) -> tuple[int, int]:
        """The examples of a portion, start .. stop."""
        examples, count = len(self.objective), self.portions.count
        return examples * portion // count, examples * (portion + 1) // count

    def received(self) -> Counter[str]:
        """The bytes that the coordinator was sent, by whom [D10]."""
        name = self.coordinator.machine.name
        return Counter({sender: n for (sender, receiver), n in self.links.bytes.items() if receiver == name})


class Coordinator:
    """It has names, numbers and the state of a batch. log: the commands, and when each was given [D10]."""

    def __init__(self, cluster: Sandblaster):
        self.cluster, self.clock = cluster, cluster.clock
        self.machine = Machine(cluster.clock, "coordinator")
        self.log: list[tuple[float, Command | Evaluate]] = []
        self.batches: list[tuple[float, float]] = []  # when each began and ended
        self.issued = 0  # commands so far
        self._program: Program | None = None
        self._answer: float | None = None  # what the program is sent next
        self._awaited = 0  # numbers of shards, or replicas that have something left to send
        self._loss = 0.0

    def run(self, program: Program) -> Any:
        if self._program is not None:
            raise ScheduleError("Sandblaster: a program stands still. Make a new cluster")
        self._program, self._answer, self._value = program, None, None
        self._go_on()
        self.clock.run()
        if self._program is not None:
            raise ScheduleError(f"Sandblaster stands still at {self.clock.now:g} s, {self._why()}")
        return self._value

    def _why(self) -> str:
        down = [m.name for m in self._machines() if not m.is_up]
        out = {p: [f"replica {r}" for r in who] for p, who in self.cluster.portions.at.items()}
        return f"in {self.log[-1][1]}: {', '.join(down) or 'nobody'} is down; portions given out: {out or 'none'}"

    def _machines(self) -> list[Machine]:
        cluster = self.cluster
        return [self.machine, *(s.machine for s in cluster.shards), *(r.machine for r in cluster.replicas)]

    # -- the program ------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Up to the next command that has an answer."""
        assert self._program is not None
        while True:
            try:
                command = self._program.send(self._answer)
            except StopIteration as end:
                self._program, self._value = None, end.value
                return
            self.log.append((self.clock.now, command))
            self._answer = None
            if isinstance(command, Evaluate):
                self._evaluate(command)
                return
            self._issue(command)
            if isinstance(command, Dot):
                return

    def _issue(self, command: Command) -> None:
        self.issued += 1
        if isinstance(command, Dot):
            self._awaited, self._answer = len(self.cluster.shards), 0.0
        for shard in self.cluster.shards:
            self._command(shard, command)

    def _command(self, shard: CommandedShard, command: Command) -> None:
        links = self.cluster.links

        def answer(number: float | None) -> None:
            if number is not None:
                links.send(shard.machine, self.machine, HEADER + NUMBER, lambda: self._add(number))

        links.send(self.machine, shard.machine, HEADER + NUMBER, lambda: shard.command(command, answer))

    def _add(self, number: float) -> None:
        assert self._answer is not None
        self._answer += number
        self._one_less()

    def _one_less(self) -> None:
        self._awaited -= 1
        if self._awaited == 0:
            self.clock.after(0.0, self._go_on)  # as an event: the program may be running just now

    # -- a batch ----------------------------------------------------------------------------------------

    def _evaluate(self, command: Evaluate) -> None:
        self._issue(Scale(command.into, 0.0, PARAMETERS))
        self._loss, self._began = 0.0, self.clock.now
        self.cluster.portions.begin()
        for replica in self.cluster.replicas:
            self._tell(replica, partial(replica.begin, command, self.issued))
            self._give(replica)

    def _tell(self, replica: Worker, job: Job) -> None:
        self.cluster.links.send(self.machine, replica.machine, HEADER, job)

    def _give(self, replica: Worker) -> None:
        """The next portion, if there is one."""
        portion = self.cluster.portions.take(replica.number)
        if portion is not None:
            self.clock.note("give", self.machine.name, replica=replica.number, portion=portion)
            self._tell(replica, lambda: replica.compute(portion))

    def report(self, replica: Worker, portion: int, loss: float) -> None:
        """A replica has computed a portion."""
        portions = self.cluster.portions
        counts, others = portions.finish(replica.number, portion)
        self.clock.note("keep" if counts else "drop", self.machine.name, replica=replica.number, portion=portion)
        self._loss += loss if counts else 0.0
        self._tell(replica, lambda: replica.judged(portion, counts))
        for other in (self.cluster.replicas[number] for number in others):
            self._tell(other, partial(other.cancel, portion))
        if not portions.complete:
            self._give(replica)
        elif counts:
            self._awaited = len(self.cluster.replicas)
            for everyone in self.cluster.replicas:
                self._tell(everyone, everyone.end)

    def idle(self, replica: Worker) -> None:
        """A replica has nothing to do, since its portion was computed by another."""
        if not self.cluster.portions.complete:
            self._give(replica)

    def ended(self) -> None:
        """A replica's gradients are all on the shards."""
        if self._awaited == 1:
            self._answer = self._loss
            self.batches.append((self._began, self.clock.now))
        self._one_less()
