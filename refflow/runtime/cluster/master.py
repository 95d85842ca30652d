"""A master: prunes, places and cuts the clients' steps, and has the workers run them [W13, O02].

    create      a session: a graph, empty at first, and how its steps are to be made
    extend      nodes for its graph [W07]
    run         one step: what is fed, fetched and to be run, by names, and the fed values
    cancel      the client does not want a step any more
    close, reset

The first step of a signature goes through the stages of runtime/stages.py with the workers' devices, and each worker is
sent its part. From then on a step is one message to each worker that has a part, with the values fed there and the
numbers of the steps that are over [O02].

A worker that fails, or is lost, ends the step for all [W27]: it is lost when a message to it cannot be delivered, or
when it does not answer a question after its health, which is asked while steps run. Steps in which it has no part go
on [S68]. Devices have an incarnation, a number that no other process ever had: after a loss the master asks again who
is there, and plans anew where a number has changed. To begin the step once more is the client's business
(train/recovery.py), because only the client knows what has to be restored before.

Next: runtime/cluster/server.py.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from refflow.core import errors, importer
from refflow.core.devices import DeviceSpec
from refflow.core.graph import Graph
from refflow.core.graphdef import GraphDef, functions_of
from refflow.runtime.cluster.network import Endpoint, Reply
from refflow.runtime.cluster.worker import task_of
from refflow.runtime.config import ConfigProto
from refflow.runtime.device import Device
from refflow.runtime.nodes import Node
from refflow.runtime.place import table
from refflow.runtime.stages import Stages, build

Then = Callable[[BaseException | None], None]


class Master:
    """tasks: the address of each task of the cluster, by its name. me: the task that this master is in.

    health: seconds between two questions after a worker's health, and how long an answer may take.
    """

    def __init__(self, endpoint: Endpoint, tasks: dict[str, str], me: str, health: float = 10.0):
        self.endpoint, self.tasks, self.me, self.health = endpoint, tasks, me, health
        self.running: dict[tuple[str, int], _Running] = {}
        self._sessions: dict[str, _Session] = {}
        self._asked: set[str] = set()  # tasks that have not answered yet
        self._looks = False  # whether somebody will

    def handle(self, method: str, message: Any, reply: Reply) -> None:
        """One request, by its method."""
        if method == "create":
            self._create(message, reply)
        elif method == "extend":
            importer.extend(self._session(message).graph, message["nodes"], joins=True)
            reply(None, None)
        elif method == "run":
            session = self._session(message)
            session.ready(lambda error: session.run(message, reply) if error is None else reply(None, error))
        elif method == "cancel":
            running = self.running.get((message["session"], message["run"]))
            if running is not None:
                running.fail(errors.CancelledError(None, None, message["why"]))
            reply(None, None)
        elif method == "close":
            self._close(message, reply)
        elif method == "reset":
            self._reset(message, reply)
        else:
            raise errors.UnimplementedError(None, None, f"a master does not know {method!r}")

    # -- sessions -------------------------------------------------------------------------------------

    def _session(self, message: Any) -> _Session:
        found = self._sessions.get(message["session"])
        if found is None:
            raise errors.AbortedError(
                None, None, f"Session handle is not found: the master at {self.endpoint.address} does not know it. It "
                "was closed, or the master was started anew. Make a new Session"
            )  # fmt: skip
        return found

    def _create(self, config: Any, reply: Reply) -> None:
        session = _Session(self, os.urandom(8).hex(), ConfigProto(**config))

        def known(error: BaseException | None) -> None:
            if error is None:
                self._sessions[session.name] = session
            reply([session.name, [[d.name, d.incarnation] for d in session.devices]], error)

        session.ready(known)

    def _close(self, name: str, reply: Reply) -> None:
        self._sessions.pop(name, None)
        for (session, _), running in list(self.running.items()):
            if session == name:
                running.fail(errors.CancelledError(None, None, "Session has been closed."))
        self.ask_all("close", name, lambda found, error: reply(None, None))

    def _reset(self, containers: Any, reply: Reply) -> None:
        for name in list(self._sessions):
            self._close(name, lambda value, error: None)
        self.ask_all("reset", containers, lambda found, error: reply(None, error))

    def ask_all(self, method: str, message: Any, done: Callable[[dict[str, Any], BaseException | None], None]) -> None:
        """Asks every worker; `done` gets their replies by task, and the first error."""
        found: dict[str, Any] = {}
        failed: list[BaseException] = []

        def answer(task: str, value: Any, error: BaseException | None) -> None:
            found[task] = value
            if error is not None:
                failed.append(error)
            if len(found) == len(self.tasks):
                done(found, failed[0] if failed else None)

        for task in self.tasks:
            self.ask(task, method, message, partial(answer, task))

    def ask(self, task: str, method: str, message: Any, reply: Reply) -> None:
        """Asks a worker what takes it no time; UnavailableError where it has not answered after two looks."""
        open_: list[Reply] = [reply]

        def late() -> None:
            answered(None, self.silent(task, 2 * self.health))

        def answered(value: Any, error: BaseException | None) -> None:
            cancel()
            if open_:
                open_.pop()(value, error)

        cancel = self.endpoint.after(2 * self.health, late)
        self.endpoint.call(self.tasks[task], f"worker/{method}", message, answered)

    def silent(self, task: str, seconds: float) -> errors.OpError:
        text = f"{task} at {self.tasks[task]} has not answered for {seconds:g} s"
        return errors.UnavailableError(None, None, text)

    # -- health ---------------------------------------------------------------------------------------

    def began(self, running: _Running) -> None:
        """A step is under way."""
        if not self._looks:
            self._looks = True
            self.endpoint.after(self.health, self._look)
        self.running[running.key] = running

    def _look(self) -> None:
        """Asks the workers that are running steps how they are; who owes an answer from the last time is lost."""
        self._looks = bool(self.running)
        if not self._looks:
            self._asked.clear()
            return
        for task in sorted({task for running in self.running.values() for task in running.left}):
            if task in self._asked:
                self.lost(task, self.silent(task, self.health))
            else:
                self._asked.add(task)
                self.endpoint.call(self.tasks[task], "worker/status", None, self._healthy(task))
        self.endpoint.after(self.health, self._look)

    def _healthy(self, task: str) -> Reply:
        def heard(value: Any, error: BaseException | None) -> None:
            self._asked.discard(task)
            if error is not None:
                self.lost(task, error)

        return heard

    def lost(self, task: str, error: BaseException) -> None:
        """Every step that needs this task ends, and every session asks anew who is there."""
        self._asked.discard(task)
        for session in self._sessions.values():
            session.is_sure = False
        for running in list(self.running.values()):
            if task in running.left:
                running.fail(error)


class _Session:
    """One client's graph, the workers' devices, and the steps that were planned."""

    def __init__(self, master: Master, name: str, config: ConfigProto):
        self.master, self.name, self.config = master, name, config
        self.graph = Graph()
        self.devices: list[Device] = []
        self._known: dict[str, Any] = {}  # of each task the names and incarnations of its devices
        self.is_sure = False  # that the devices are those that are there
        self.ended: dict[str, list[int]] = {task: [] for task in master.tasks}  # not told to the task yet
        self.numbers = itertools.count(1)
        self._placed: dict[str, Device] = {}
        self._planned: dict[Any, _Planned] = {}
        self._graphs = itertools.count(1)
        self._waiting: list[Then] = []

    def ready(self, then: Then) -> None:
        """Calls `then` once it is known which devices there are."""
        if self.is_sure:
            then(None)
            return
        self._waiting.append(then)
        if len(self._waiting) == 1:
            self.master.ask_all("status", None, self._found)

    def _found(self, by_task: dict[str, Any], error: BaseException | None) -> None:
        """A task that is missing stays in the plans with the devices that it had: a step that needs it fails then."""
        if error is None or (self._known and isinstance(error, errors.UnavailableError)):
            self._known |= {task: found for task, found in by_task.items() if found is not None}
            there = [(name, number) for task in sorted(self._known) for name, number in self._known[task]]
            if there != [(d.name, d.incarnation) for d in self.devices]:
                self._adopt(there)
            self.is_sure, error = True, None
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(error)

    def _adopt(self, there: Sequence[tuple[str, int]]) -> None:
        """New devices: nothing that was planned for the old ones holds, but nodes with state keep their places."""
        self.devices = [_stand_in(name, number) for name, number in there]
        by_name = {d.name: d for d in self.devices}
        self._placed = {node: by_name[d.name] for node, d in self._placed.items() if d.name in by_name}
        self._planned.clear()

    def run(self, message: Any, reply: Reply) -> None:
        key = tuple(tuple(message[part]) for part in ("feeds", "fetches", "targets"))
        planned = self._planned.get(key)
        if planned is None:
            try:
                planned = self._plan(*key)
            except Exception as error:
                reply(None, error)
                return
            self._planned[key] = planned
        planned.when_registered(
            lambda error: reply(None, error) if error else _Running(self, planned, message, reply).start()
        )

    def forget(self, planned: _Planned) -> None:
        """A step that a worker could not take is planned anew the next time."""
        self._planned = {key: p for key, p in self._planned.items() if p is not planned}

    def _plan(self, feeds: Sequence[str], fetches: Sequence[str], targets: Sequence[str]) -> _Planned:
        find = self.graph.as_graph_element
        stages = build(
            [find(name) for name in feeds], [find(name) for name in fetches], [find(name) for name in targets], None,
            self.devices, self._placed, self.config, f"{self.master.me}/cpu:0",
        )  # fmt: skip
        if self.config.log_device_placement:
            print(table(stages.placement))
        number = next(self._graphs)
        first = min((p.number for p in self._planned.values()), default=number)
        return _Planned(self, number, first, stages)


class _Planned:
    """A step as it was cut for the workers: each has its part under `number`, once it has been sent."""

    def __init__(self, session: _Session, number: int, first: int, stages: Stages):
        self.session, self.number = session, number
        step = stages.partitioned
        self.parts: dict[str, list[Node]] = {}
        for node in step.nodes:
            self.parts.setdefault(task_of(node.device.name), []).append(node)
        self._error: BaseException | None = None
        self._waiting: list[Then] | None = []
        self._left = set(self.parts)
        for task, nodes in self.parts.items():
            here, defs = set(nodes), [n.node_def for n in nodes]
            message = {
                "session": session.name,
                "graph": number,
                "first": first,
                "isolated": session.config.isolate_session_state,
                "kernels": session.config.kernels,
                "check_merges": session.config.check_merges,
                "nodes": GraphDef(defs, functions_of(defs)),
                "ids": [n.id for n in nodes],
                "shapes": [n.shapes for n in nodes],
                "feeds": [n.name for n in step.feeds if n in here],
                "fetches": [n.name for n in step.fetches if n in here],
            }
            session.master.ask(task, "register", message, self._registered(task))

    def _registered(self, task: str) -> Reply:
        def heard(value: Any, error: BaseException | None) -> None:
            self._left.discard(task)
            self._error = self._error or error
            if error is not None:
                self.session.is_sure &= not isinstance(error, errors.UnavailableError)
                self.session.forget(self)
            if not self._left:
                waiting, self._waiting = self._waiting or [], None
                for then in waiting:
                    then(self._error)

        return heard

    def when_registered(self, then: Then) -> None:
        """Calls `then` once every worker has its part, with the first error if one could not take it."""
        if self._waiting is None:
            then(self._error)
        else:
            self._waiting.append(then)


class _Running:
    """One step under way. left: the tasks that have not finished their parts."""

    def __init__(self, session: _Session, planned: _Planned, message: Any, reply: Reply):
        self.session, self.planned, self._message, self._reply = session, planned, message, reply
        self.master = session.master
        self.key = (session.name, message["run"])
        self.number = next(session.numbers)
        self.left = set(planned.parts)
        self._values: list[Any] = []
        self._is_over = False

    def start(self) -> None:
        """The step's one message to each worker."""
        self.master.began(self)
        if not self.left:
            self._finish([], None)
        for task in list(self.left):
            ended, self.session.ended[task] = self.session.ended[task], []
            message = {
                "session": self.session.name,
                "graph": self.planned.number,
                "step": self.number,
                "ended": ended,
                "feeds": self._message["values"] if task == self.master.me else [],
            }
            self.master.endpoint.call(self.master.tasks[task], "worker/run", message, self._heard(task))

    def _heard(self, task: str) -> Reply:
        def heard(value: Any, error: BaseException | None) -> None:
            if self._is_over:
                return
            if isinstance(error, (errors.UnavailableError, errors.AbortedError)):
                self.session.is_sure = False
            if error is not None:
                self.fail(error)
                return
            self.left.discard(task)
            self.session.ended[task].append(self.number)
            if task == self.master.me:
                self._values = value
            if not self.left:
                self._finish(self._values, None)

        return heard

    def fail(self, error: BaseException) -> None:
        """Ends the step everywhere: the first error is the client's [W18, W27]."""
        if self._is_over:
            return
        message = {"session": self.session.name, "steps": [self.number], "why": str(error).split("\n", 1)[0]}
        for task in self.planned.parts:
            self.master.endpoint.call(self.master.tasks[task], "worker/end", message, lambda value, error: None)
        self._finish(None, error)

    def _finish(self, values: Any, error: BaseException | None) -> None:
        self._is_over = True
        self.master.running.pop(self.key, None)
        self._reply(values, error)


def _stand_in(name: str, incarnation: int) -> Device:
    """What the placer knows of a worker's device: its name, and which kernels its kind has."""
    spec = DeviceSpec.parse(name)
    if spec.type == "gpu":
        from refflow.runtime.gpu import GpuDevice

        return GpuDevice(spec.index or 0).renamed(spec, incarnation)
    return Device(spec.index or 0).renamed(spec, incarnation)
