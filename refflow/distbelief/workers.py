"""Those who work for Sandblaster's coordinator: shards that carry out commands, and replicas that compute portions.

Both do what they are told, one thing after another; what they say back is a number at most. A request to a shard says
after which command it is to be answered, for it may overtake that command on its way.

Next: distbelief/comparison.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from refflow.distbelief.clock import HEADER, Job, Machine, Slowness, Task
from refflow.distbelief.commands import NUMBER, Command, Evaluate
from refflow.distbelief.server import Range, Shard

if TYPE_CHECKING:
    from refflow.distbelief.sandblaster import Sandblaster

Array = NDArray[Any]


class CommandedShard:
    """A shard that carries out commands in the order in which they come. done: how many."""

    def __init__(self, shard: Shard):
        self.shard, self.machine, self.done = shard, shard.machine, 0
        self._waiting: list[tuple[int, Job]] = []

    def command(self, command: Command, then: Callable[[float | None], object]) -> None:
        """then(the command's number, or None) is called when it has been carried out."""

        def apply() -> None:
            answer = command.apply(self.shard.slots)
            self.done += 1
            then(answer)
            due = [job for number, job in self._waiting if number <= self.done]
            self._waiting = [(number, job) for number, job in self._waiting if number > self.done]
            for job in due:
                job()

        self.machine.compute(len(self.shard), apply)

    def after(self, number: int, work: float, job: Job) -> None:
        """Does a job of so many operations, once `number` commands have been carried out."""
        if number <= self.done:
            self.machine.compute(work, job)
        else:
            self._waiting.append((number, lambda: self.machine.compute(work, job)))


class Worker:
    """Computes the portions that it is given. sum: of the gradients that it is to keep and has not sent."""

    def __init__(self, cluster: Sandblaster, number: int, slowness: Slowness):
        self.cluster, self.number = cluster, number
        self.machine = Machine(cluster.clock, f"replica {number}", 1.0, slowness=slowness)  # its work is in seconds
        self.parts = cluster.server.ranges(0, len(cluster.server))
        self.vector = np.zeros_like(cluster.server.vector())
        self.last = -1  # portion that it began

    # -- what the coordinator says ----------------------------------------------------------------------

    def begin(self, command: Evaluate, after: int) -> None:
        """A batch, at parameters that are there after so many commands."""
        self.at, self.into, self.after = command.at, command.into, after
        self.missing: int | None = None  # parts of the parameters that are on their way; None: not asked for
        self.portion: int | None = None  # in work
        self.task: Task | None = None
        self.results: dict[int, Array] = {}  # not judged yet
        self.sum: Array | None = None
        self.summed, self.unheard, self.is_over = 0, 0, False

    def compute(self, portion: int) -> None:
        self.portion, self.is_begun = portion, False
        if self.missing is None:
            self._fetch()
        elif self.missing == 0:
            self.cluster.clock.after(0.0, self._compute)  # as an event: what takes no time does not pile up as calls

    def cancel(self, portion: int) -> None:
        """Another one was faster."""
        if self.portion == portion:
            self._stop()
            self._say(0, lambda: self.cluster.coordinator.idle(self))

    def judged(self, portion: int, counts: bool) -> None:
        gradient = self.results.pop(portion)
        if counts:
            self.sum = gradient if self.sum is None else self.sum + gradient
            self.summed += 1
            if self.summed == self.cluster.push_every:
                self._push()

    def end(self) -> None:
        """Every portion is done."""
        self._stop()
        self.is_over = True
        if self.sum is not None:
            self._push()
        self._end_if_heard()

    def _stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
        self.portion = self.task = None

    # -- what it does -----------------------------------------------------------------------------------

    def _fetch(self) -> None:
        self.missing = len(self.parts)
        for part in self.parts:
            self._ask(self.cluster.shards[part.shard], part)

    def _ask(self, shard: CommandedShard, part: Range) -> None:
        links = self.cluster.links

        def answer() -> None:
            values = shard.shard.read(part, self.at)
            links.send(shard.machine, self.machine, HEADER + values.nbytes, lambda: self._install(part, values))

        links.send(self.machine, shard.machine, HEADER, lambda: shard.after(self.after, 0.0, answer))

    def _install(self, part: Range, values: Array) -> None:
        assert self.missing is not None
        self.vector[part.start : part.stop] = values
        self.missing -= 1
        if self.missing == 0:
            self.cluster.clock.after(0.0, self._compute)

    def _compute(self) -> None:
        if self.portion is None or self.is_begun:
            return  # it was cancelled meanwhile, and perhaps there is another one
        portion, self.is_begun = self.portion, True
        start, stop = self.cluster.rows(portion)
        seconds = self.cluster.seconds * (stop - start) + self.cluster.seek * (portion != self.last + 1)
        self.last = portion
        self.cluster.clock.note("compute", self.machine.name, replica=self.number, portion=portion)
        task = self.machine.compute(seconds, self._done)
        if self.portion == portion:  # else it took no time
            self.task = task

    def _done(self) -> None:
        assert self.portion is not None
        portion, self.portion, self.task = self.portion, None, None
        loss, self.results[portion] = self.cluster.objective.part(self.vector, *self.cluster.rows(portion))
        self._say(NUMBER, lambda: self.cluster.coordinator.report(self, portion, loss))

    def _say(self, size: int, arrive: Job) -> None:
        self.cluster.links.send(self.machine, self.cluster.coordinator.machine, HEADER + size, arrive)

    def _push(self) -> None:
        assert self.sum is not None
        gradient, self.sum, self.summed = self.sum, None, 0
        for part in self.parts:
            self._send(self.cluster.shards[part.shard], part, gradient[part.start : part.stop])

    def _send(self, shard: CommandedShard, part: Range, gradient: Array) -> None:
        self.unheard += 1
        links = self.cluster.links

        def add() -> None:
            shard.shard.slots[self.into] += gradient
            links.send(shard.machine, self.machine, HEADER, self._heard)

        def arrive() -> None:
            shard.after(self.after, len(part), add)

        links.send(self.machine, shard.machine, HEADER + gradient.nbytes, arrive)

    def _heard(self) -> None:
        self.unheard -= 1
        self._end_if_heard()

    def _end_if_heard(self) -> None:
        if self.is_over and self.unheard == 0:
            self.is_over = False
            self._say(0, self.cluster.coordinator.ended)
