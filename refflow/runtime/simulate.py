"""A step on paper: when each node would run, and which bytes would lie where meanwhile [W19, W49].

    a device      runs one node at a time, of those that are ready the one with the lowest id
    a link        from one device to another carries one tensor at a time, the one that was ready first
    a receive     begins when its send is done and its control edges are; until it ends the sender keeps the value
    a buffer      an output, from the start of its node to the end of the last one that reads it; what is fetched stays
                  to the end. A view lies in its input's memory. Variables, constants and feeds belong to others

The same measure judges every rewrite that is to save memory. Loops are walked through once.

Next: runtime/schedule.py.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from refflow.core.dtypes import resource
from refflow.runtime.costs import CostModel
from refflow.runtime.device import Device
from refflow.runtime.nodes import Node, StepGraph, is_back_edge
from refflow.runtime.rendezvous import paired

Edge = tuple[Node, int]


@dataclass
class Buffer:
    """The memory of one value on one device, from `begin` to `end`. uses: when each reader starts and ends."""

    edge: Edge
    device: Device
    nbytes: int
    begin: float
    end: float
    uses: list[tuple[float, float, Node]] = field(default_factory=list)


@dataclass
class Simulation:
    """When each node starts and ends, in microseconds, every buffer, and the nodes of each device and link in order.

    `start` has the nodes in the order in which they start.
    """

    start: dict[Node, float]
    end: dict[Node, float]
    buffers: list[Buffer]
    lines: dict[Any, list[Node]]

    @property
    def makespan(self) -> float:
        return max(self.end.values(), default=0.0)

    @property
    def use(self) -> dict[str, float]:
        """The part of the whole time in which each device has work, by its name [W58]."""
        devices = {device.name: nodes for device, nodes in self.lines.items() if isinstance(device, Device)}
        return {
            name: sum(self.end[n] - self.start[n] for n in devices[name]) / self.makespan for name in sorted(devices)
        }

    @property
    def peaks(self) -> dict[str, int]:
        """The most bytes that lie on each device at one time, by its name."""
        return {name: size for name, (size, _) in sorted(self.moments.items())}

    @property
    def moments(self) -> dict[str, tuple[int, float]]:
        """For each device the most bytes, and when they are there first."""
        changes: dict[str, list[tuple[float, int]]] = {n.device.name: [] for n in self.end}
        for b in self.buffers:
            changes[b.device.name] += [(b.begin, b.nbytes), (b.end, -b.nbytes)]
        found = {}
        for name, events in changes.items():
            level, most, when = 0, 0, 0.0
            for time, change in sorted(events):  # what ends makes room for what begins
                level += change
                if level > most:
                    most, when = level, time
            found[name] = (most, when)
        return found


def simulate(step: StepGraph, costs: CostModel) -> Simulation:
    """The run of a partitioned step, as the cost model expects it."""
    return _Run(step, costs).run()


def together(step: StepGraph, count: int) -> StepGraph:
    """As many steps of a partitioned graph, all in flight on the same devices: none waits for another [W58]."""
    copies = [step.copy() for _ in range(count)]
    for number, each in enumerate(copies):
        for node in each.nodes:
            if node.sends or node.receives:
                node.attrs = node.attrs | {"tensor_name": f"{number}/{node.attrs['tensor_name']}"}
    feeds, fetches, targets = ([n for c in copies for n in ends(c)] for ends in (
        lambda c: c.feeds, lambda c: c.fetches, lambda c: c.targets))  # fmt: skip
    return StepGraph([n for each in copies for n in each.nodes], step.next_id, feeds, fetches, targets)


class _Run:
    def __init__(self, step: StepGraph, costs: CostModel):
        self.step, self.costs = step, costs
        self.sender = {n: sends[0] for n, sends in paired(step.nodes).items()}
        self.before: dict[Node, set[Node]] = {}
        for node in step.nodes:
            waits = {n for n, _ in node.inputs if not is_back_edge(n, node)} | set(node.controls)
            self.before[node] = waits | ({self.sender[node]} if node in self.sender else set())
        self.took = {n: self._duration(n) for n in step.nodes}
        self.start: dict[Node, float] = {}
        self.end: dict[Node, float] = {}
        self.lines: dict[Any, list[Node]] = {}

    def _duration(self, node: Node) -> float:
        if node in self.sender:
            return self.costs.transfer(self.costs.nbytes(node, 0))
        return self.costs.time(node, node.device)

    def _runs_on(self, node: Node) -> Any:
        """The device or the link that a node keeps busy, or None."""
        if node in self.sender:
            return self.sender[node].device, node.device
        return node.device if self.took[node] else None

    def run(self) -> Simulation:
        waits = {n: len(self.before[n]) for n in self.step.nodes}
        users: dict[Node, list[Node]] = {n: [] for n in self.step.nodes}
        for node in self.step.nodes:
            for n in self.before[node]:
                users[n].append(node)
        place = {n: i for i, n in enumerate(self.step.nodes)}
        ready: dict[Any, list[tuple[float, int, int]]] = {}
        busy: set[Any] = set()
        running: list[tuple[float, int]] = []  # (end, place)

        def begin(node: Node, now: float) -> None:
            self.start[node], self.end[node] = now, now + self.took[node]
            heapq.heappush(running, (self.end[node], place[node]))

        def offer(node: Node, now: float) -> None:
            where = self._runs_on(node)
            if where is None:
                begin(node, now)
                return
            first = now if isinstance(where, tuple) else 0.0
            heapq.heappush(ready.setdefault(where, []), (first, node.id, place[node]))

        for node in self.step.nodes:
            if not waits[node]:
                offer(node, 0.0)
        now = 0.0
        while True:
            while running and running[0][0] <= now:
                node = self.step.nodes[heapq.heappop(running)[1]]
                busy.discard(self._runs_on(node))
                for user in users[node]:
                    waits[user] -= 1
                    if not waits[user]:
                        offer(user, now)
            for where in [w for w in ready if w not in busy]:
                chosen = self.step.nodes[heapq.heappop(ready[where])[2]]
                begin(chosen, now)
                busy.add(where)
                self.lines.setdefault(where, []).append(chosen)
                if not ready[where]:
                    del ready[where]
            if not running:
                return Simulation(self.start, self.end, self._buffers(), self.lines)
            now = max(now, running[0][0])

    # -- memory ---------------------------------------------------------------------------------------

    def _buffers(self) -> list[Buffer]:
        found: dict[Edge, Buffer] = {}
        for node in self.step.nodes:
            for port in range(len(node.types)):
                edge = (node, port)
                if owner(edge) == edge and is_counted(edge):
                    size = self.costs.nbytes(node, port)
                    found[edge] = Buffer(edge, node.device, size, self.start[node], self.end[node])
        receiver = {sender: n for n, sender in self.sender.items()}
        last = max(self.end.values(), default=0.0)
        fetches = set(self.step.fetches)
        for node in self.step.nodes:
            if node in receiver and is_reference(node.inputs[0]):  # what is sent is a copy
                size = self.costs.nbytes(*node.inputs[0])
                found[node, 0] = Buffer((node, 0), node.device, size, self.start[node], self.end[receiver[node]])
            for edge in node.inputs:
                buffer = found.get(owner(edge))
                if buffer is None:
                    continue
                until = last if node in fetches else self.end[receiver.get(node, node)]
                buffer.end = max(buffer.end, until)
                buffer.uses.append((self.start[node], until, node))
        return list(found.values())


def is_counted(edge: Edge) -> bool:
    """False for what lives longer than a step or is the client's: variables and handles, constants, feeds."""
    node, port = edge
    if node.type == "Const" or node.types[port].is_ref_dtype or node.types[port].base_dtype is resource:
        return False
    return not (node.receives and node.attrs["client_terminated"])


def owner(edge: Edge) -> Edge:
    """The value whose memory this one lies in; what comes from another device lies in memory of its own."""
    node, _ = edge
    while node.op_def.view and not is_reference(node.inputs[0]) and node.inputs[0][0].device is node.device:
        edge = node.inputs[0]
        node = edge[0]
    return edge


def is_reference(edge: Edge) -> bool:
    node, port = edge
    return node.types[port].is_ref_dtype
