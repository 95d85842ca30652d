"""A worker: one task, which has devices and runs its part of each step [W13].

    status      which devices there are                                  a master asks when it starts, and for health
    register    a subgraph of a session, kept under a number             once for each signature [O02]
                and the lowest number that the session still uses
    run         one step of it: the values fed here, and the step's number       the one message of a step
    recv        another worker asks for a value of a step: the answer comes when the value is there [W25]
    end         steps that are over, with the error if one failed
    close       a session is over
    reset       containers to empty

The parts of a step that run on one worker are one executor, with one rendezvous. What is received from another worker
is asked for there; nobody pushes. A step runs until nothing is ready, and goes on whenever something has arrived, so
that one thread serves any number of steps.

Next: runtime/cluster/master.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from refflow.core import errors
from refflow.core.dtypes import DType
from refflow.core.graphdef import FunctionCall, NodeDef
from refflow.core.registry import find_op_def
from refflow.core.waiting import InFlight
from refflow.runtime.cluster.network import Endpoint, Reply
from refflow.runtime.cores import is_heavy, on_cores
from refflow.runtime.device import Device
from refflow.runtime.executor import Executor, Run
from refflow.runtime.kernels import OpStates
from refflow.runtime.nodes import Node, StepGraph
from refflow.runtime.policy import as_policy
from refflow.runtime.rendezvous import Done, Rendezvous
from refflow.runtime.resources import ResourceManager

_REMEMBERED = 1000  # steps of a session that are known to be over
StepKey = tuple[str, int]  # session, number


def task_of(device: str) -> str:
    """The task that a device belongs to: its name without the last part."""
    return device.rpartition("/")[0]


class Worker:
    """One task of a cluster. tasks: the address of each task, by its name."""

    def __init__(self, endpoint: Endpoint, devices: Sequence[Device], tasks: dict[str, str], policy: Any = "patient"):
        self.endpoint, self.tasks = endpoint, tasks
        self.devices = {d.name: d for d in devices}
        self.task = task_of(devices[0].name)
        self._policy = as_policy(policy)
        self._graphs: dict[tuple[str, int], Executor] = {}
        self._states: dict[str, OpStates] = {}
        self._apart: dict[str, dict[str, Device]] = {}  # of sessions whose state is their own
        self._steps: dict[StepKey, _Meeting] = {}
        self._over: dict[str, deque[int]] = {}

    @property
    def used(self) -> set[str]:
        """The names of the devices that have a part in some step of a session that is open."""
        return {node.device.name for executor in self._graphs.values() for node in executor.step.nodes}

    def handle(self, method: str, message: Any, reply: Reply) -> None:
        """One request, by its method."""
        if method == "status":
            reply([[d.name, d.incarnation] for d in self.devices.values()], None)
        elif method == "register":
            self._register(message)
            reply(None, None)
        elif method == "run":
            self._run(message, reply)
        elif method == "recv":
            self._give(message, reply)
        elif method == "end":
            self._end(message["session"], message["steps"], message["why"])
            reply(None, None)
        elif method == "close":
            self._close(message)
            reply(None, None)
        elif method == "reset":
            for device in self.devices.values():
                for container in message or [""]:
                    device.resources.clear(container)
            reply(None, None)
        else:
            raise errors.UnimplementedError(None, None, f"a worker does not know {method!r}")

    def devices_for(self, session: str, isolated: bool) -> dict[str, Device]:
        """The devices by their names; for a session that is to be isolated, with a state of their own."""
        if not isolated:
            return self.devices
        if session not in self._apart:
            self._apart[session] = {name: _apart(device) for name, device in self.devices.items()}
        return self._apart[session]

    # -- graphs ---------------------------------------------------------------------------------------

    def _register(self, message: Any) -> None:
        session, first = message["session"], message["first"]
        self._graphs = {k: g for k, g in self._graphs.items() if k[0] != session or k[1] >= first}
        step = step_graph(message, self.devices_for(session, message["isolated"]))
        states = self._states.setdefault(session, {})
        executor = Executor(step, message["kernels"], states, message["check_merges"])
        self._graphs[session, message["graph"]] = executor

    def _close(self, session: str) -> None:
        for key in [k for k in self._steps if k[0] == session]:
            self._finish(key, errors.CancelledError(None, None, "Session has been closed."))
        self._graphs = {k: g for k, g in self._graphs.items() if k[0] != session}
        self._states.pop(session, None)
        self._over.pop(session, None)
        for device in self._apart.pop(session, {}).values():
            device.resources.clear_all()

    # -- steps ----------------------------------------------------------------------------------------

    def _run(self, message: Any, reply: Reply) -> None:
        session = message["session"]
        self._end(session, message["ended"], "")
        executor = self._graphs.get((session, message["graph"]))
        if executor is None:
            raise errors.AbortedError(None, None, f"{self.endpoint.address} was started anew and has lost its graphs")
        _Part(self, executor, self._meeting((session, message["step"])), reply).start(message["feeds"])

    def _meeting(self, key: StepKey) -> _Meeting:
        """The rendezvous of a step; whoever first speaks of the step makes it."""
        if key[1] in self._over.get(key[0], ()):
            raise errors.AbortedError(None, None, f"step {key[1]} is over")
        if key not in self._steps:
            self._steps[key] = _Meeting(self, key)
        return self._steps[key]

    def _give(self, message: Any, reply: Reply) -> None:
        session, step, key = message
        device, incarnation = key.split(";")[:2]
        here = self.devices.get(device)
        if here is None or f"{here.incarnation:x}" != incarnation:
            raise errors.AbortedError(None, None, f"{device} is not what it was when the step was planned: it was "
                                                  "started anew")  # fmt: skip
        self._meeting((session, step)).give(
            key, lambda value, dead, error: reply(None if error else [value, dead], error)
        )

    def _end(self, session: str, steps: Sequence[int], why: str) -> None:
        for number in steps:
            self._finish((session, number), errors.AbortedError(None, None, why or f"step {number} is over"))

    def _finish(self, key: StepKey, error: errors.OpError) -> None:
        self._over.setdefault(key[0], deque(maxlen=_REMEMBERED)).append(key[1])
        meeting = self._steps.pop(key, None)
        if meeting is not None:
            meeting.finish(error)


def _apart(device: Device) -> Device:
    found = copy(device)
    found.resources = ResourceManager()
    return found


class _Meeting(Rendezvous):
    """Where the parts of one step meet: those that run here, and those elsewhere that ask."""

    def __init__(self, worker: Worker, key: StepKey):
        super().__init__()
        self._worker, self._key = worker, key
        self.part: _Part | None = None

    def give(self, key: str, done: Done) -> None:
        """A value for another worker, when it is there."""
        super().recv_async(key, done)

    def recv_async(self, key: str, done: Done) -> None:
        """A value for a node here, from wherever it is sent."""
        task = task_of(key.split(";", 1)[0])
        if task == self._worker.task:
            super().recv_async(key, done)
            return

        def answered(value: Any, error: BaseException | None) -> None:
            if error is None:
                done(value[0], value[1], None)
            else:
                done(None, False, error)
            if self.part is not None:
                self.part.go_on()

        self._worker.endpoint.call(self._worker.tasks[task], "worker/recv", [*self._key, key], answered)

    def finish(self, error: errors.OpError) -> None:
        """The step is over everywhere."""
        if self.part is not None:
            self.part.stop(error)
        self.abort(error)


class _Flight(InFlight):
    """A step of a worker: the bell calls it to go on."""

    def __init__(self, part: _Part):
        super().__init__("a step of a cluster")
        self._part = part

    def ring(self) -> None:
        self._part.worker.endpoint.post(self._part.go_on)


class _Part:
    """One worker's part of one step, under way."""

    def __init__(self, worker: Worker, executor: Executor, meeting: _Meeting, reply: Reply):
        self.worker, self._executor, self._reply = worker, executor, reply
        self._flight = _Flight(self)
        self._is_over = False
        with self._flight:
            self._run = Run(executor, worker._policy, None, meeting)
        run: Any = lambda _: self._run.advance(lambda: True)  # noqa: E731
        self._advance = on_cores(run, 0) if is_heavy(executor.step) else run  # BLAS as in a session of one process
        meeting.part = self

    def start(self, feeds: Sequence[Any]) -> None:
        for node, value in zip(self._executor.step.feeds, feeds, strict=True):
            self._run.feed(node, value)
        self._run.start()
        self.go_on()

    def go_on(self) -> None:
        """Runs what can run. When nothing is left, the fetched values are the reply."""
        if self._is_over:
            return
        try:
            with self._flight:
                self._advance(())
                if self._run.awaited or self._run.arrived:
                    return
                values = [self._run.fetched(node) for node in self._executor.step.fetches]
        except Exception as error:
            self._end(None, error)
            return
        self._end(values, None)

    def stop(self, error: errors.OpError) -> None:
        """Somebody else has failed, or the client does not want it any more."""
        if not self._is_over:
            self._run.abandon(error)
            self._end(None, error)

    def _end(self, values: Any, error: BaseException | None) -> None:
        self._is_over = True
        self._reply(values, error)


def step_graph(message: Any, devices: dict[str, Device]) -> StepGraph:
    """The nodes that a master has sent, on the devices that it has chosen. A partition travels as a GraphDef [W23]."""
    nodes: dict[str, Node] = {}
    defs: Sequence[NodeDef] = message["nodes"].node
    library = {function.name: function for function in message["nodes"].library}
    for node_def, number, shapes in zip(defs, message["ids"], message["shapes"], strict=True):
        op_def = find_op_def(node_def.op)
        if op_def is None:
            raise errors.NotFoundError(node_def, None, f"Op type not registered: '{node_def.op}' in this process")
        attrs = {
            key: replace(value, library=library) if isinstance(value, FunctionCall) else value
            for key, value in node_def.attr.items()
        }  # fmt: skip
        types: list[DType] = op_def.output_types(attrs)
        nodes[node_def.name] = node = Node(
            number, node_def.name, op_def, attrs, [], [], types, shapes, node_def.device
        )
        node.device = devices[node_def.device]
    for node_def in defs:  # loops lead back, so all nodes come before the edges
        node = nodes[node_def.name]
        for text in node_def.input:
            name, _, port = text.rpartition(":")
            if text.startswith("^"):
                node.controls.append(nodes[text[1:]])
            elif text in nodes:
                node.inputs.append((nodes[text], 0))
            else:
                node.inputs.append((nodes[name], int(port)))
    feeds, fetches = ([nodes[name] for name in message[part]] for part in ("feeds", "fetches"))
    return StepGraph(list(nodes.values()), 0, feeds, fetches, [])
