"""Replicas that train one model: M asynchronous groups of N synchronous ones, over one graph [S69].

    training = ReplicaTraining(loss_of, shards, optimizer, groups=M)       M N shards, so N = len(shards) / M
    trace = training.run(session, updates=100, seed=0)

M = 1 is synchronous training, N = 1 asynchronous, and everything between them is both. The graph of a group is a tower
for each of its shards, the mean of their gradients, and an update of the variables that all groups share
(train/towers.py); the rest is a client loop for each group:

    run                 the loops take turns in virtual time, by a schedule (train/asynchronous.py): a seed fixes how
    follow              ... by a schedule from elsewhere
    run_in_threads      each loop is a thread, and real time decides [W56]

Within a schedule a loop does in three runs what it otherwise does in one. It fetches the variables; it feeds what it
has fetched in their place, and fetches the gradients there; it feeds these in their place, and runs the update. So a
gradient is that of the parameters that the replica has, however old they are by now, and takes no more nodes [S67].

Next: runtime/session.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import as_dtype
from refflow.core.errors import AbortedError
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.ops.constant import placeholder
from refflow.ops.variable import Variable
from refflow.train.asynchronous import Event, Seconds, Trace, Update, even, interleave
from refflow.train.optimizer import Optimizer
from refflow.train.towers import Tower, build_towers, combine_gradients, combine_losses


class Group(NamedTuple):
    """The graph of N synchronous replicas. gradients: the mean over all examples, for each of `variables`.

    One run of `train` reads the variables, computes and updates them.
    """

    towers: list[Tower]
    variables: list[Variable]
    gradients: list[Any]
    loss: Tensor
    train: Operation


class ReplicaTraining:
    """The graph of M groups of N replicas, and the loops that train with it.

    loss_of: as for build_towers, called with a shard's tensors. shards: for each replica the arrays that it draws its
    examples from, the first axis being that of examples, or tensors, which nobody feeds. batch: how many of its shard a
    replica takes in a step, one after the other and round again; all, unless given. devices: one for each replica, or
    fewer, in turn. groups: M; the shards of a group follow one another.

    Raises TypeError for a shard that is no list or tuple, ValueError for one whose arrays differ in their first
    dimension or have none, and what build_towers raises.
    """

    def __init__(
        self,
        loss_of: Callable[..., Any],
        shards: Sequence[Sequence[Any]],
        optimizer: Optimizer,
        groups: int = 1,
        batch: int | None = None,
        devices: Sequence[Any] = (),
        global_step: Variable | None = None,
        var_list: Iterable[Variable] | None = None,
    ):
        if batch is not None and batch < 1:
            raise ValueError(f"batch is {batch}, expected at least one example, or None for all of a shard")
        self._shards = [_Shard(i, shard, batch) for i, shard in enumerate(shards)]
        self.graph = get_default_graph()
        tensors = [shard.tensors for shard in self._shards]
        towers = build_towers(loss_of, tensors, devices, var_list, groups=groups, name="replica")
        self.replicas = len(shards) // groups
        self.groups = []
        for i in range(groups):
            own = towers[i * self.replicas : (i + 1) * self.replicas]
            with self.graph.name_scope(f"group_{i}"):
                pairs = [(g, v) for g, v in combine_gradients(own) if g is not None]
                train = optimizer.apply_gradients(pairs, global_step)
                self.groups.append(Group(own, [v for _, v in pairs], [g for g, _ in pairs], combine_losses(own), train))

    def feeds(self, group: int, step: int) -> dict[Tensor, np.ndarray]:
        """What a group's replicas are fed with in one of its steps: the next examples of their shards."""
        found: dict[Tensor, np.ndarray] = {}
        for shard in self._shards[group * self.replicas : (group + 1) * self.replicas]:
            found |= shard.feeds(step)
        return found

    def run(
        self,
        session: Any,
        updates: int,
        seed: int = 0,
        seconds: Seconds = even,
        latency: float = 0.0,
        lost: Mapping[int, float] | None = None,
        first: int = 0,
    ) -> Trace:
        """Trains by a schedule in virtual time, and returns what happened; see `interleave` for the arguments.

        first: with which of its steps each group begins, as a run that goes on after another does.
        Raises AbortedError when every group has lost a replica before so many updates: with one group, as soon as one
        has [S66]. The updates until then are done.
        """
        schedule = interleave(len(self.groups), self.replicas, updates, seed, seconds, latency, lost)
        trace = self.follow(session, (event._replace(step=first + event.step) for event in schedule))
        if len(trace.updates) < updates:
            who = ", ".join(f"replica {e.replica} at {e.time:g} s" for e in trace.events if e.what == "lost")
            raise AbortedError(
                None,
                None,
                f"every group of replicas has lost one ({who}) and waits for it: {len(trace.updates)} of {updates} "
                "updates were done. Restore a checkpoint and run again, or train in more groups: none waits for others",
            )
        return trace

    def follow(self, session: Any, schedule: Iterable[Event]) -> Trace:
        """Does what a schedule says, with real gradients at the parameters that each group has fetched [S67].

        A group fetches all variables at its first fetch of a step, and computes when it applies; what an event says of
        times is for the trace. ValueError for an apply without a fetch.
        """
        trace = Trace()
        held: dict[int, tuple[int, list[np.ndarray]]] = {}  # of each group: the parameters after so many updates
        for event in schedule:
            trace.events.append(event)
            if event.what == "fetch" and event.group not in held:
                held[event.group] = len(trace.updates), session.run(self.groups[event.group].variables)
            elif event.what == "apply":
                if event.group not in held:
                    raise ValueError(f"group {event.group} is to apply a gradient at {event.time:g} s, without a fetch")
                read, parameters = held.pop(event.group)
                loss = self._update(session, event.group, event.step, parameters)
                done = Update(event.time, event.group, event.step, read, len(trace.updates), loss)
                trace.updates.append(done)
        return trace

    def _update(self, session: Any, number: int, step: int, parameters: list[np.ndarray]) -> Any:
        """A step with the gradients at `parameters`; the loss there."""
        group = self.groups[number]
        feeds: dict[Any, Any] = dict(zip(group.variables, parameters, strict=True))
        loss, slopes = session.run([group.loss, group.gradients], feeds | self.feeds(number, step))
        session.run(group.train, dict(zip(group.gradients, slopes, strict=True)))
        return loss

    def run_in_threads(self, session: Any, steps: int) -> list[list[Any]]:
        """So many steps of each group, every group in a thread of its own; the losses of each [W56].

        A group whose step fails stops, and the others go on [S68]; its error is raised when they are done.
        """
        losses: list[list[Any]] = [[] for _ in self.groups]
        failed: list[BaseException] = []

        def loop(number: int) -> None:
            try:
                for step in range(steps):
                    group = self.groups[number]
                    losses[number].append(session.run([group.loss, group.train], self.feeds(number, step))[0])
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=loop, args=(i,), daemon=True) for i in range(len(self.groups))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        return losses


class _Shard:
    """A replica's examples: placeholders for its arrays, and what they are fed with."""

    def __init__(self, number: int, parts: Sequence[Any], batch: int | None):
        if not isinstance(parts, (list, tuple)):
            raise TypeError(f"shard {number} is {type(parts).__name__}, expected a tuple of arrays, as (x, labels)")
        self.tensors: list[Any] = []
        self._arrays: dict[Tensor, np.ndarray] = {}
        for i, part in enumerate(parts):
            if not isinstance(part, Tensor):
                array = np.asarray(part)
                if not array.ndim or not len(array):
                    raise ValueError(f"part {i} of shard {number} is {array!r}, expected an array of examples")
                rows = min(batch or len(array), len(array))
                part = placeholder(as_dtype(array.dtype), [rows, *array.shape[1:]], name=f"shard_{number}_part_{i}")
                self._arrays[part] = array
            self.tensors.append(part)
        counts = {len(array) for array in self._arrays.values()}
        if len(counts) > 1:
            raise ValueError(f"the arrays of shard {number} have {sorted(counts)} examples, expected as many in each")

    def feeds(self, step: int) -> dict[Tensor, np.ndarray]:
        """The next rows of each array, from the first again after the last."""
        found = {}
        for tensor, array in self._arrays.items():
            rows: int = tensor.dims[0]  # type: ignore[index, assignment]
            found[tensor] = array.take(np.arange(step * rows, (step + 1) * rows), axis=0, mode="wrap")
        return found
