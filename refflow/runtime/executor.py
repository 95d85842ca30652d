"""The readable executor: count down, put in the queue, take one out, run it [W17].

    waits       for each node, how many of the nodes it waits for have not finished
    ready       nodes whose count is zero; a policy picks the next one
    awaited     receives whose value has not come
    values      outputs that somebody still needs, by (node, port)
    uses        how many nodes still need each of them: at zero the value is let go [W16]

One executor runs all partitions of a step in one process, so that every interleaving of the devices is a
choice of the policy. Each step begins with every node in `waits`, and ends when no node is left in any of
the three places.

Next: runtime/place.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core import errors
from refflow.runtime.events import EventLog
from refflow.runtime.failures import as_op_error, summary
from refflow.runtime.kernels import OpStates, prepare
from refflow.runtime.nodes import Node, StepGraph
from refflow.runtime.policy import Policy, fifo
from refflow.runtime.rendezvous import Rendezvous, key_of
from refflow.runtime.resources import VariableState


class Executor:
    """Runs one step graph, as often as asked. What does not change between runs is found once."""

    def __init__(self, step: StepGraph, kernels: str, states: OpStates):
        self.step = step
        self.users: dict[Node, list[Node]] = {n: [] for n in step.nodes}
        self.waits: dict[Node, int] = {}
        self.uses: dict[tuple[Node, int], int] = {}
        self.run_node: dict[Node, Callable[[list[Any]], list[Any]]] = {}
        for node in step.nodes:
            before = dict.fromkeys([n for n, _ in node.inputs] + node.controls)
            self.waits[node] = len(before)
            for n in before:
                self.users[n].append(node)
            for edge in node.inputs:
                self.uses[edge] = self.uses.get(edge, 0) + 1
            if node.type not in ("_Send", "_Recv"):
                self.run_node[node] = prepare(node, kernels, states)

    def run(self, feeds: Sequence[Any], policy: Policy = fifo, log: EventLog | None = None) -> list[Any]:
        """The fetched values of one step, in host memory of their own."""
        return _Run(self, policy, log).run(feeds)


class _Run:
    """The state of one step."""

    def __init__(self, executor: Executor, policy: Policy, log: EventLog | None):
        self.fixed = executor
        self.policy = policy
        self.log = log
        self.waits = dict(executor.waits)
        self.uses = dict(executor.uses)
        self.values: dict[tuple[Node, int], Any] = {}
        self.ready: list[Node] = []
        self.awaited: list[Node] = []
        self.arrived: list[tuple[Node, Any, BaseException | None]] = []
        self.rendezvous = Rendezvous()

    def __str__(self) -> str:
        """The whole state, for stepping through."""

        def names(nodes: Any) -> str:
            return ", ".join(n.name for n in nodes) or "-"

        waiting = [n for n, count in self.waits.items() if count]
        held = ", ".join(f"{n.name}:{port}" for n, port in self.values) or "-"
        return f"ready: {names(self.ready)}\nawaited: {names(self.awaited)}\nwaiting: {names(waiting)}\nvalues: {held}"

    def run(self, feeds: Sequence[Any]) -> list[Any]:
        step = self.fixed.step
        for node, value in zip(step.feeds, feeds, strict=True):
            self.rendezvous.send(key_of(node), value)
        for node in step.nodes:
            if not self.waits[node]:
                self._make_ready(node)
        try:
            self._loop()
        except BaseException as error:
            self.rendezvous.abort(error)
            raise
        return [self._fetched(node) for node in step.fetches]

    def _loop(self) -> None:
        while self.ready or self.arrived or self.awaited:
            while self.arrived:
                node, value, error = self.arrived.pop(0)
                if error is not None:
                    raise as_op_error(error, node)
                self.awaited.remove(node)
                if not node.attrs.get("_host_memory"):
                    value = node.device.from_host(value)
                self._note("recv", node, value)
                self._finish(node, [value])
            if self.ready:
                self._run_node(self.ready.pop(self.policy(self.ready)))
            elif self.awaited and not self.arrived:
                raise self._deadlock()

    def _run_node(self, node: Node) -> None:
        self._note("start", node)
        if node.type == "_Recv":
            self.awaited.append(node)
            self.rendezvous.recv_async(key_of(node), lambda v, dead, error: self.arrived.append((node, v, error)))
            return
        inputs = [self.values[edge] for edge in node.inputs]
        try:
            outputs = self._send(node, inputs[0]) if node.type == "_Send" else self.fixed.run_node[node](inputs)
        except Exception as error:
            self._note("error", node)
            raise as_op_error(error, node, inputs) from error
        self._note("end", node, outputs[0] if outputs else None)
        self._finish(node, outputs)

    def _send(self, node: Node, value: Any) -> list[Any]:
        """References are read here: what travels is the value at this moment [W12]. It travels in host memory."""
        if isinstance(value, VariableState):
            value = node.device.private_copy(value.read())
        self.rendezvous.send(key_of(node), node.device.to_host(value))
        self._note("send", node, value)
        return []

    def _finish(self, node: Node, outputs: list[Any]) -> None:
        for port, value in enumerate(outputs):
            if self.uses.get((node, port)):
                self.values[node, port] = value
        for edge in node.inputs:
            self.uses[edge] -= 1
            if not self.uses[edge]:
                self.values.pop(edge, None)
        for user in self.fixed.users[node]:
            self.waits[user] -= 1
            if not self.waits[user]:
                self._make_ready(user)

    def _make_ready(self, node: Node) -> None:
        self.ready.append(node)
        self._note("ready", node)

    def _note(self, kind: str, node: Node, value: Any = None) -> None:
        if self.log is not None:
            self.log.add(kind, node, "" if value is None else _told(value))

    def _fetched(self, node: Node) -> Any:
        taken: list[Any] = []
        self.rendezvous.recv_async(key_of(node), lambda value, dead, error: taken.append(value))
        if not taken:
            raise errors.BugError(f"the step ended without the value of {node.name!r}")
        # A copy of one's own: later steps must not change what the caller holds.
        return np.array(taken[0], copy=True)

    def _deadlock(self) -> errors.OpError:
        waiting = [n for n, count in self.waits.items() if count]
        names = ", ".join(n.name for n in self.awaited)
        return errors.InternalError(
            self.awaited[0].node_def,
            self.awaited[0].origin,
            f"the step cannot finish: {names} wait for values that nobody will send, and {len(waiting)} nodes wait "
            "for them",
        )


def _told(value: Any) -> str:
    return f"variable {value.name}" if isinstance(value, VariableState) else summary(value)
