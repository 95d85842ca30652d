"""The greedy placer: a simulated run of the step that puts each node where it would be done first [W20, E09].

    reached     a node all of whose inputs have a device; the one whose inputs are there first comes next
    finish(d)   max(when d is free, when the last input is on d) + the node's time on d
                an input is on d when its node is done, or a transfer later; a tensor goes to d once [W24]
    chosen      the device with the earliest finish, among equals the first by name

The first node of a group that is reached decides for the group. Loops are walked through once.

Next: runtime/costs.py.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from refflow.runtime.costs import CostModel
from refflow.runtime.device import Device
from refflow.runtime.nodes import Node, StepGraph, is_back_edge

Edge = tuple[Node, int]
_CONTROL = -1  # the port of a control edge


def greedy(
    step: StepGraph, feasible: Sequence[tuple[Sequence[Node], Sequence[Device]]], costs: CostModel
) -> dict[Node, tuple[float, ...]]:
    """Sets the device of every node of `step`. Returns the finish on each device that it could have had.

    feasible: groups of nodes that share a device, with the devices that suit each.
    """
    return _Simulation(step, feasible, costs).run()


class _Simulation:
    def __init__(
        self, step: StepGraph, feasible: Sequence[tuple[Sequence[Node], Sequence[Device]]], costs: CostModel
    ):
        self.step, self.costs = step, costs
        self.group = {n: i for i, (members, _) in enumerate(feasible) for n in members}
        self.devices = [sorted(devices, key=lambda d: d.name) for _, devices in feasible]  # of each group
        self.free: dict[Device, float] = {d: 0.0 for devices in self.devices for d in devices}
        self.done: dict[Node, float] = {}
        self.there: dict[tuple[Node, int, Device], float] = {}  # when a value is on a device it was sent to
        self.before = {n: [e for e in n.inputs if not is_back_edge(e[0], n)] for n in step.nodes}
        for node in step.nodes:
            self.before[node] += [(n, _CONTROL) for n in node.controls]

    def run(self) -> dict[Node, tuple[float, ...]]:
        waits = {n: len(self.before[n]) for n in self.step.nodes}
        users: dict[Node, list[Node]] = {n: [] for n in self.step.nodes}
        for node in self.step.nodes:
            for producer, _ in self.before[node]:
                users[producer].append(node)
        found: dict[Node, tuple[float, ...]] = {}
        reached = [(0.0, n.id, i) for i, n in enumerate(self.step.nodes) if not waits[n]]
        place = {n: i for i, n in enumerate(self.step.nodes)}
        heapq.heapify(reached)
        while reached:
            node = self.step.nodes[heapq.heappop(reached)[2]]
            found[node] = self._put(node)
            for user in users[node]:
                waits[user] -= 1
                if not waits[user]:
                    ready = max(self.done[n] for n, _ in self.before[user])
                    heapq.heappush(reached, (ready, user.id, place[user]))
        return found

    def _put(self, node: Node) -> tuple[float, ...]:
        """Gives a node its device, and tells when it would be done on each that suits it."""
        choices = self.devices[self.group[node]]
        apart = [(n, port, self._sent(n, port)) for n, port in self.before[node]]
        times = {kind: self.costs.time(node, d) for kind, d in {_kind(d): d for d in choices}.items()}
        finish = [self._finish(apart, times[_kind(d)], d) for d in choices]
        device = choices[finish.index(min(finish))]
        self.devices[self.group[node]] = [device]
        node.device = device
        for producer, port, sent in apart:
            self.there[producer, port, device] = self._arrival(producer, port, sent, device)
        self.done[node] = min(finish)
        if times[_kind(device)]:
            self.free[device] = min(finish)
        return tuple(finish)

    def _finish(self, apart: Sequence[tuple[Node, int, float]], took: float, device: Device) -> float:
        arrived = max((self._arrival(n, port, sent, device) for n, port, sent in apart), default=0.0)
        return took + max(arrived, self.free[device]) if took else arrived

    def _arrival(self, producer: Node, port: int, sent: float, device: Device) -> float:
        """When a value is on a device: when it is made there, or its transfer ends. sent: now, to one without it."""
        if producer.device is device:
            return self.done[producer]
        return self.there.get((producer, port, device), sent)

    def _sent(self, producer: Node, port: int) -> float:
        return self.done[producer] + self.costs.transfer(0 if port == _CONTROL else self.costs.nbytes(producer, port))


def _kind(device: Device) -> tuple[str, float]:
    """All that a node's time depends on."""
    return device.type, device.multiply_adds_per_us
