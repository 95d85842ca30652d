"""Partition: one subgraph for each device, joined by pairs of _Send and _Recv [W23].

    x on A, y on B:   x -> y   becomes   x -> _Send on A  ...  _Recv -> y on B

All users of one tensor on one device share one pair, so that it moves once and is stored once [W24]; only
references do not, because each user reads them at its own moment. A
control edge that crosses moves an empty constant, sent when its source has finished.

An edge of a loop is cut where least crosses: an Enter and a NextIteration are made again on the device of their user,
so that what crosses is their input; an Exit stays with the Switch before it, so that one value crosses, the last. What
crosses inside a loop is received in each of its iterations, as the rings of runtime/control_loops.py see to.

Next: runtime/rendezvous.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.dtypes import float32
from refflow.core.opdef import op_def
from refflow.runtime.control_loops import Rings
from refflow.runtime.device import Device
from refflow.runtime.nodes import ENTERS, EXITS, NEXTS, Node, StepGraph, in_order
from refflow.runtime.rendezvous import key_of


class Partition:
    """The part of a step that runs on one device."""

    def __init__(self, device: Device, nodes: list[Node]):
        self.device = device
        self.nodes = nodes

    def __str__(self) -> str:
        lines = [f"{self.device.name}: {len(self.nodes)} nodes"]
        return "\n".join(lines + [f"{n.id:5d}  {n.node_def.summary()}" for n in self.nodes])


def partition(step: StepGraph) -> tuple[StepGraph, list[Partition]]:
    """`step` with its crossing edges cut, and its nodes by device, devices in order of their names."""
    step = step.copy()
    for node in step.nodes:
        if node.type in EXITS:
            node.device = node.inputs[0][0].device
    cut = _Cut(step)
    for node in list(step.nodes):
        node.inputs = [cut.data(n, port, node, place) for place, (n, port) in enumerate(node.inputs)]
        node.controls = [cut.control(n, node) for n in node.controls]
    step.nodes += cut.added
    sends = {key_of(n): n for n in step.nodes if n.sends and not n.attrs["client_terminated"]}
    paired = {n: [sends[key_of(n)]] for n in step.nodes if n.receives and key_of(n) in sends}
    step.nodes = in_order(step.nodes, paired)
    parts: dict[Device, list[Node]] = {}
    for node in step.nodes:
        parts.setdefault(node.device, []).append(node)
    return step, [Partition(d, parts[d]) for d in sorted(parts, key=lambda d: d.name)]


class _Cut:
    """Replaces edges that cross from one device to another."""

    def __init__(self, step: StepGraph):
        self.step = step
        self.added: list[Node] = []
        self.received: dict[Any, Node] = {}  # (producer, port, device, host memory) -> its _Recv
        self.rings = Rings(step)
        step.nodes += self.rings.nodes
        self.uncut = {n: (n.inputs[0], n.controls) for n in step.nodes if n.type in ENTERS | NEXTS}

    def data(self, producer: Node, port: int, user: Node, place: int, host: bool = False) -> tuple[Node, int]:
        if producer.device is user.device:
            return producer, port
        host = host or place in user.device.host_inputs(user.op_def, user.attrs)
        if producer.types[port].is_ref_dtype:
            return self._reading(producer, port, user, place, host), 0
        key = (producer, port, user.device, host)
        if key not in self.received:
            cut = self._again if producer.type in ENTERS | NEXTS else self._pair
            self.received[key] = cut(*key)
        return self.received[key], 0

    def _again(self, producer: Node, port: int, device: Device, host: bool) -> Node:
        """An Enter or a NextIteration once more, on the device of its user."""
        (source, controls), name = self.uncut[producer], f"{producer.name}_{self.step.next_id}"
        twin = self._add(
            name, producer.type, producer.attrs, [source], controls, producer.types, producer.shapes, device
        )  # fmt: skip
        self.rings.behind[twin] = self.rings.behind[producer]
        twin.inputs = [self.data(*source, twin, 0, host)]
        twin.controls = [self.control(n, twin) for n in controls]
        return twin

    def _reading(self, producer: Node, port: int, user: Node, place: int, host: bool) -> Node:
        """A pair of its own for a reference, which is read when its user would read it [W12].

        So the send waits for all that the user waits for.
        """
        received = self._pair(producer, port, user.device, host)
        send = self.added[-2]
        others = [n for i, (n, _) in enumerate(user.inputs) if i != place] + user.controls
        send.controls = [self.control(n, send) for n in dict.fromkeys(others) if n not in self.added]
        return received

    def control(self, producer: Node, user: Node) -> Node:
        if producer.device is user.device:
            return producer
        key = (producer, "control", user.device)
        if key not in self.received:
            token = np.zeros(0, np.float32)
            attrs = {"value": token, "dtype": float32}
            name = f"edge_{producer.id}_{producer.name}/done"
            dummy = self._add(name, "Const", attrs, [], [producer], [float32], [(0,)], producer.device)
            self.rings.behind[dummy] = self.rings.behind[producer]
            self.received[key] = self._pair(dummy, 0, user.device, host=True)
        return self.received[key]

    def _pair(self, producer: Node, port: int, device: Device, host: bool) -> Node:
        base = producer.types[port].base_dtype
        name = f"edge_{self.step.next_id}_{producer.name}"
        ends: dict[str, Any] = {
            "tensor_name": name,
            "send_device": producer.device.name,
            "send_device_incarnation": producer.device.incarnation,
            "recv_device": device.name,
            "client_terminated": False,
        }
        if host:
            ends["_host_memory"] = True
        self._add(f"{name}/_send", "_Send", {"T": base} | ends, [(producer, port)], [], [], [], producer.device)
        frame = self.rings.behind[producer]
        each = [self.rings.merge(frame, device)] if frame else []
        shape = producer.shapes[port]
        return self._add(f"{name}/_recv", "_Recv", {"tensor_type": base} | ends, [], each, [base], [shape], device)

    def _add(
        self, name: str, op_type: str, attrs: dict[str, Any], inputs: list[tuple[Node, int]], controls: list[Node],
        types: Any, shapes: Any, device: Device,
    ) -> Node:  # fmt: skip
        node = Node(self.step.take_id(), name, op_def(op_type), attrs, inputs, controls, types, shapes, device.name)
        node.device = device
        self.added.append(node)
        return node
