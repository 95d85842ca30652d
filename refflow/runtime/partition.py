"""Partition: one subgraph for each device, joined by pairs of _Send and _Recv [W23].

    x on A, y on B:   x -> y   becomes   x -> _Send on A  ...  _Recv -> y on B            [W57]

All users of one tensor on one device share one pair, so that it moves once and is stored once [W24]; only
references do not, because each user reads them at its own moment. A control edge that crosses moves an empty
constant, sent when its source has finished.

Where it is asked for, a float32 travels as its high half, between two Casts, and comes back with zeros: who has no low
half passes unchanged    [W52, W53, E11].

An edge of a loop is cut where least crosses: an Enter and a NextIteration are made again on the device of their user,
so that what crosses is their input; an Exit stays with the Switch before it, so that one value crosses, the last. What
crosses inside a loop is received in each of its iterations, as the rings of runtime/control_loops.py see to.

Next: runtime/rendezvous.py.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import bfloat16, float32
from refflow.core.registry import op_def
from refflow.core.shapes import is_known
from refflow.runtime.control_loops import Rings
from refflow.runtime.device import Device
from refflow.runtime.nodes import ENTERS, EXITS, NEXTS, Node, StepGraph, in_order
from refflow.runtime.rendezvous import paired


class Partition:
    """The part of a step that runs on one device."""

    def __init__(self, device: Device, nodes: list[Node]):
        self.device = device
        self.nodes = nodes

    def __str__(self) -> str:
        lines = [f"{self.device.name}: {len(self.nodes)} nodes"]
        return "\n".join(lines + [f"{n.id:5d}  {n.node_def.summary()}" for n in self.nodes])


class Transfer(NamedTuple):
    """A value that goes from one device to another. nbytes: of one transfer, None where the shape is not known."""

    value: str  # a tensor's name, or ^node for what only says that a node has run
    source: str
    destination: str
    nbytes: int | None
    is_lossy: bool

    def __str__(self) -> str:
        size = "? bytes" if self.nbytes is None else f"{self.nbytes:,} bytes"
        return f"{self.value} from {self.source} to {self.destination}, {size}{' (16 bits)' if self.is_lossy else ''}"


_NARROW: dict[str, Any] = {"SrcT": float32, "DstT": bfloat16, "Truncate": True}
_WIDE: dict[str, Any] = {"SrcT": bfloat16, "DstT": float32, "Truncate": True}
Lossy = bool | Callable[[str], bool]


def partition(step: StepGraph, lossy: Lossy = False) -> tuple[StepGraph, list[Partition]]:
    """`step` with its crossing edges cut, and its nodes by device, devices in order of their names.

    lossy: which float32 tensors travel as 16 bits: none, all, or those for whose name the function is true.
    """
    step = step.copy()
    for node in step.nodes:
        if node.type in EXITS:
            node.device = node.inputs[0][0].device
    cut = _Cut(step, lossy)
    for node in list(step.nodes):
        node.inputs = [cut.data(n, port, node, place) for place, (n, port) in enumerate(node.inputs)]
        node.controls = [cut.control(n, node) for n in node.controls]
    step.nodes += cut.added
    step.nodes = in_order(step.nodes, paired(step.nodes))
    return step, by_device(step)


def by_device(step: StepGraph) -> list[Partition]:
    """The parts of a partitioned step, devices in order of their names."""
    parts: dict[Device, list[Node]] = {}
    for node in step.nodes:
        parts.setdefault(node.device, []).append(node)
    return [Partition(d, parts[d]) for d in sorted(parts, key=lambda d: d.name)]


def transfers(step: StepGraph) -> list[Transfer]:
    """What a partitioned step moves between its devices, each tensor once for each destination [W24]."""
    found = []
    for node in step.nodes:
        if not node.receives or node.attrs["client_terminated"]:
            continue
        shape, dtype = node.shapes[0], node.types[0]
        size = prod(shape) * dtype.size if is_known(shape) else None  # type: ignore[arg-type]
        ends = node.attrs["send_device"], node.attrs["recv_device"]
        found.append(Transfer(node.attrs["_value"], *ends, size, node.attrs.get("_lossy", False)))
    return found


class _Cut:
    """Replaces edges that cross from one device to another."""

    def __init__(self, step: StepGraph, lossy: Lossy):
        self.step = step
        self.lossy = lossy if callable(lossy) else lambda name: bool(lossy)
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
        at = len(self.added)
        received = self._pair(producer, port, user.device, host)
        reader = self.added[at]
        others = [n for i, (n, _) in enumerate(user.inputs) if i != place] + user.controls
        reader.controls = [self.control(n, reader) for n in dict.fromkeys(others) if n not in self.added]
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
            self.received[key] = self._joined(dummy, 0, user.device, True, f"^{producer.name}")
        return self.received[key]

    def _pair(self, producer: Node, port: int, device: Device, host: bool) -> Node:
        """What a value is on another device, whole or by its high half, which two Casts take and give back [W52]."""
        value = f"{producer.name}:{port}"
        narrow = producer.types[port].base_dtype is float32 and self.lossy(value)
        if not narrow or not all(d.supports(op_def("Cast"), _NARROW) for d in (producer.device, device)):
            return self._joined(producer, port, device, host, value)
        name, shapes = f"edge_{self.step.next_id}_{producer.name}", [producer.shapes[port]]
        cut = self._add(f"{name}/_cut", "Cast", _NARROW, [(producer, port)], [], [bfloat16], shapes, producer.device)
        self.rings.behind[cut] = self.rings.behind[producer]
        half = self._joined(cut, 0, device, host, value, _lossy=True)
        return self._add(f"{name}/_filled", "Cast", _WIDE, [(half, 0)], [], [float32], shapes, device)

    def _joined(self, producer: Node, port: int, device: Device, host: bool, value: str, **more: Any) -> Node:
        """A _Send and its _Recv, which is returned."""
        base = producer.types[port].base_dtype
        name = f"edge_{self.step.next_id}_{producer.name}"
        ends: dict[str, Any] = more | {
            "_value": value,
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
