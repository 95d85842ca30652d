"""The readable executor: count down, put in the queue, take one out, run it [W17].

    waits       for each node, how many of the nodes it waits for have not finished
    ready       nodes whose count is zero; a policy picks the next one
    awaited     receives whose value has not come, and nodes whose kernel gave a Pending (core/waiting.py)
    values      outputs that somebody still needs, by (node, port)
    uses        how many nodes still need each of them: at zero the value is let go [W16]

All but the queues are kept for each iteration of each loop (runtime/frames.py). A node with a dead input is not run,
and its outputs are dead [W41]; a Merge runs when its first live input comes, and is dead only if all its inputs are.

One executor runs all partitions of a step in one process, so that every interleaving of the devices is a
choice of the policy. Each device has frames of its own, and learns of the others through sends and receives alone
[W42]. The step ends when no node is left in any of the three places, or with the first error: then whatever still
waits is cancelled [W18].

Next: runtime/place.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core.waiting import InFlight, Pending, in_flight
from refflow.runtime.device import Device
from refflow.runtime.events import StepLog
from refflow.runtime.failures import as_op_error
from refflow.runtime.frames import DEAD, Awaited, Frame, Frames, Iteration
from refflow.runtime.kernels import OpStates, prepare, read_input
from refflow.runtime.nodes import ENTERS, EXITS, MERGES, NEXTS, SWITCHES, Node, StepGraph
from refflow.runtime.policy import Policy, Replay, fifo
from refflow.runtime.pool import pool_of
from refflow.runtime.rendezvous import Rendezvous, key_of
from refflow.runtime.resources import VariableState
from refflow.runtime.stuck import dead_fetch, never_run, never_sent, state_text, waiting_text


class Executor:
    """Runs one step graph, as often as asked. What does not change between runs is found once.

    check_merges: a Merge waits for all its inputs, so that two live ones are always found [E24]. threads: more than one
    are for kernels with much to do (runtime/pool.py) [W18].
    """

    def __init__(
        self, step: StepGraph, kernels: str, states: OpStates, check_merges: bool = False, threads: int = 0
    ):
        self.step = step
        self.check_merges = check_merges
        self.users: dict[Node, list[Node]] = {n: [] for n in step.nodes}
        self.waits: dict[Node, int] = {}
        self.uses: dict[tuple[Node, int], int] = {}
        self.enters: dict[tuple[Device, str], int] = {}  # how many Enter nodes each frame has on each device
        self.run_node: dict[Node, Callable[[list[Any]], Any]] = {}
        pool = pool_of(threads)
        for node in step.nodes:
            before = dict.fromkeys([n for n, _ in node.inputs] + node.controls)
            for n in before:
                self.users[n].append(node)
            # A Merge waits for its control edges alone, and for whichever data comes first.
            self.waits[node] = len(set(node.controls)) if node.type in MERGES else len(before)
            for edge in node.inputs:
                self.uses[edge] = self.uses.get(edge, 0) + 1
            if node.type in ENTERS:
                key = (node.device, node.attrs["frame_name"])
                self.enters[key] = self.enters.get(key, 0) + 1
            if not (node.sends or node.receives) and node.type not in SWITCHES | MERGES:
                run = prepare(node, kernels, states)
                self.run_node[node] = run if pool is None else pool.over(node, run)

    def run(self, feeds: Sequence[Any], policy: Policy | Replay = fifo, log: StepLog | None = None) -> list[Any]:
        """The fetched values of one step, in host memory of their own."""
        return Run(self, policy, log).run(feeds)


class Run:
    """The state of one step."""

    def __init__(
        self, executor: Executor, policy: Policy | Replay, log: StepLog | None, rendezvous: Rendezvous | None = None
    ):
        self.fixed = executor
        self.flight = in_flight() or InFlight("a step of an executor")
        self.log = log
        self.frames = Frames([n.device for n in executor.step.nodes], executor.enters, self._deliver)
        self.ready: list[Node] = []
        self.places: list[tuple[Frame, Iteration]] = []  # of the ready nodes
        self.policy = policy.during(self) if isinstance(policy, Replay) else policy
        self.awaited: list[Awaited] = []
        self.arrived: deque[tuple[Awaited, Callable[[], list[Any]]]] = deque()
        self.rendezvous = rendezvous or Rendezvous()

    def __str__(self) -> str:
        return state_text(self)

    def place_of(self, i: int) -> str:
        """The loops and the iteration of a ready node, as the log has them."""
        return Awaited(self.ready[i], *self.places[i]).place

    def run(self, feeds: Sequence[Any]) -> list[Any]:
        """All of the step at once: every feed, then every fetch."""
        step = self.fixed.step
        for node, value in zip(step.feeds, feeds, strict=True):
            self.feed(node, value)
        self.start()
        self.advance()
        if self.awaited:
            error = never_sent(self.awaited, self.fixed.users)
            self.abandon(error)
            raise error
        return [self.fetched(node) for node in step.fetches]

    def feed(self, node: Node, value: Any) -> None:
        """Gives one feed its value."""
        self.rendezvous.send(key_of(node), value)

    def start(self) -> None:
        """Makes ready what waits for nothing."""
        for node in self.fixed.step.nodes:
            if not self.fixed.waits[node] and node.type not in MERGES:
                root = self.frames.roots[node.device]
                self._make_ready(node, root, root.iterations[0])

    def advance(self, enough: Callable[[], bool] = lambda: False) -> None:
        """Runs all that can run with the feeds that are there; once that is `enough`, waits for nothing more."""
        try:
            self._loop(enough)
        except BaseException as error:
            self.abandon(error)
            if self.flight.error is None or error is self.flight.error:
                raise
            raise self.flight.error from error

    def abandon(self, error: BaseException) -> None:
        """Ends the step: whoever waits in it is cancelled. The first error stays."""
        self.flight.call_off(error)
        self.rendezvous.abort(error)
        for awaited in self.awaited:
            if awaited.pending is not None:
                awaited.pending.cancel()

    def _loop(self, enough: Callable[[], bool]) -> None:
        while True:
            while self.arrived:
                self._take_in(*self.arrived.popleft())
            if self.flight.is_off or self.flight.late():
                self.flight.check()
            if self.ready:
                chosen = self.policy(self.ready)
                self._run_node(self.ready.pop(chosen), *self.places.pop(chosen))
            elif any(a.pending is not None for a in self.awaited) and not enough():
                self._wait()
            elif not self.arrived:
                return

    def _wait(self) -> None:
        """Until something arrives. A step that is ended meanwhile ends at the first node that waits."""
        first = next(a for a in self.awaited if a.pending is not None)
        try:
            self.flight.wait(lambda: bool(self.arrived), lambda: waiting_text(self.awaited, self.fixed.users))
            if self.flight.error is not None:
                raise self.flight.error
        except Exception as error:
            raise as_op_error(error, first.node, place=first.place) from error
        if self.flight.is_off and not self.arrived:
            first.pending.cancel()  # and its words are those of the step

    def _take_in(self, awaited: Awaited, take: Callable[[], Any]) -> None:
        node = awaited.node
        try:
            outputs = take()
        except Exception as error:
            self._note("error", node, awaited.place)
            raise as_op_error(error, node, place=awaited.place) from error
        self.awaited.remove(awaited)
        if isinstance(outputs, Pending):  # it has to wait once more
            self._await(awaited._replace(pending=outputs))
            return
        self._note("recv" if node.receives else "end", node, awaited.place, outputs)
        self._finish(node, awaited.frame, awaited.iteration, outputs)

    # -- one node -------------------------------------------------------------------------------------

    def _run_node(self, node: Node, frame: Frame, iteration: Iteration) -> None:
        begun = Awaited(node, frame, iteration)
        if self.log is not None:
            self.log.start(node, begun.place)
        if node.receives:
            self._receive(begun)
            return
        inputs = [iteration.values.get(edge, DEAD) for edge in node.inputs]
        is_dead = node in iteration.dead and node.type != "ControlTrigger"
        try:
            if node.sends:
                outputs = self._send(node, frame, iteration, DEAD if is_dead else inputs[0])
            elif is_dead:
                outputs = [DEAD] * len(node.types)
            else:
                outputs = self._outputs(node, inputs)
        except Exception as error:
            self._note("error", node, begun.place)
            raise as_op_error(error, node, inputs, begun.place) from error
        if isinstance(outputs, Pending):
            self._await(begun._replace(pending=outputs))
            return
        self._note("end", node, begun.place, inputs if node.sends else outputs)
        self._finish(node, frame, iteration, outputs)

    def _await(self, awaited: Awaited) -> None:
        self.awaited.append(awaited)

        def arrive() -> None:
            self.arrived.append((awaited, awaited.pending.take))
            self.flight.ring()

        awaited.pending.then(arrive)

    def _receive(self, awaited: Awaited) -> None:
        node = awaited.node
        self.awaited.append(awaited)

        def arrive(value: Any, is_dead: bool, error: BaseException | None) -> None:
            def take() -> list[Any]:
                if error is not None:
                    raise error
                if is_dead:
                    awaited.iteration.dead.add(node)  # so are those that only wait for it
                    return [DEAD]
                return [value if node.attrs.get("_host_memory") else node.device.from_host(value)]

            self.arrived.append((awaited, take))

        self.rendezvous.recv_async(key_of(node, awaited.frame.path, awaited.iteration.number), arrive)

    def _outputs(self, node: Node, inputs: list[Any]) -> Any:
        """What a live node gives, perhaps a Pending. Switch and Merge say with None which values are not there."""
        if node.type in SWITCHES:
            data, pred = read_input(node, inputs[0], 0), read_input(node, inputs[1], 1)
            if np.shape(pred) != ():
                raise ValueError(f"The second input must be a scalar, but it has shape {list(np.shape(pred))}")
            return [DEAD if v is None else v for v in node.op_def.reference(data, pred)]
        if node.type in MERGES:
            live = [None if v is DEAD else read_input(node, v, i) for i, v in enumerate(inputs)]
            return list(node.op_def.reference(live))
        return self.fixed.run_node[node](inputs)

    def _send(self, node: Node, frame: Frame, iteration: Iteration, value: Any) -> list[Any]:
        """References are read here: what travels is the value at this moment [W12]. It travels in host memory."""
        if isinstance(value, VariableState):
            value = node.device.private_copy(value.read())
        sent = None if value is DEAD else node.device.to_host(value)
        self.rendezvous.send(key_of(node, frame.path, iteration.number), sent, value is DEAD)
        self._note("send", node, Awaited(node, frame, iteration).place, [value])
        return []

    # -- what follows from it -------------------------------------------------------------------------

    def _finish(self, node: Node, frame: Frame, iteration: Iteration, outputs: list[Any]) -> None:
        for edge in node.inputs:
            if edge in iteration.uses:
                iteration.uses[edge] -= 1
                if not iteration.uses[edge]:
                    iteration.values.pop(edge, None)
        is_dead = node in iteration.dead and node.type != "ControlTrigger"
        if node.type in ENTERS:
            self.frames.enter(node, frame, iteration, outputs, is_dead)
        elif node.type in EXITS:
            self.frames.exit(node, frame, outputs, is_dead)
        elif node.type in NEXTS:
            if not is_dead:
                self.frames.next(node, frame, iteration, outputs)
        else:
            self._deliver(node, outputs, frame, iteration, is_dead)
        iteration.running -= 1
        self.frames.settle(frame)

    def _deliver(self, node: Node, outputs: list[Any], frame: Frame, iteration: Iteration, is_dead: bool) -> None:
        """Outputs go to those who use them, in one iteration."""
        for port, value in enumerate(outputs):
            uses = self.fixed.uses.get((node, port))
            if uses:
                iteration.values[node, port] = value
                iteration.uses[node, port] = uses
        for user in self.fixed.users[node]:
            if user.type in MERGES:
                self._arrive_at_merge(user, node, frame, iteration)
                continue
            if is_dead or any(n is node and outputs[port] is DEAD for n, port in user.inputs):
                iteration.dead.add(user)
            left = iteration.waits.get(user, self.fixed.waits[user]) - 1
            iteration.waits[user] = left
            if not left:
                self._make_ready(user, frame, iteration)

    def _arrive_at_merge(self, merge: Node, node: Node, frame: Frame, iteration: Iteration) -> None:
        if node in merge.controls:
            iteration.waits[merge] = iteration.waits.get(merge, self.fixed.waits[merge]) - 1
        here = [edge for edge in merge.inputs if edge[0] is node]
        iteration.arrived[merge] = iteration.arrived.get(merge, 0) + len(here)
        if merge in iteration.fired or iteration.waits.get(merge, self.fixed.waits[merge]):
            return
        alive = any(iteration.values.get(edge, DEAD) is not DEAD for edge in merge.inputs)
        ended = iteration.arrived[merge] == len(merge.inputs)
        if here and node.type in ENTERS | NEXTS:  # of a loop's two, one comes in each iteration
            ended = True
        if ended or (alive and not self.fixed.check_merges):
            if not alive:
                iteration.dead.add(merge)
            iteration.fired.add(merge)
            self._make_ready(merge, frame, iteration)

    def _make_ready(self, node: Node, frame: Frame, iteration: Iteration) -> None:
        iteration.running += 1
        self.ready.append(node)
        self.places.append((frame, iteration))
        if self.log is not None:
            self.log.note("ready", node, Awaited(node, frame, iteration).place)

    # -- the ends -------------------------------------------------------------------------------------

    def _note(self, kind: str, node: Node, place: str, values: Sequence[Any] = ()) -> None:
        if self.log is not None:
            self.log.note(kind, node, place, values)

    def has(self, node: Node) -> bool:
        """Whether the value of a fetch is there."""
        return self.rendezvous.has(key_of(node))

    def fetched(self, node: Node) -> Any:
        """The value of one fetch."""
        taken: list[tuple[Any, bool]] = []
        self.rendezvous.recv_async(key_of(node), lambda value, dead, error: taken.append((value, dead)))
        if not taken:
            raise never_run(node.inputs[0][0], self.fixed.step.nodes)
        value, is_dead = taken[0]
        if is_dead:
            raise dead_fetch(node.inputs[0][0], self.fixed.step.fetches.index(node))
        # A copy of one's own: later steps must not change what the caller holds.
        return np.array(value, copy=True)
