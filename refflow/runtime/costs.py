"""Costs: how long each node takes on each kind of device, and how many bytes its outputs have [W19].

    measured    the mean over the steps that were measured, by node and kind of device
    by rule     multiply-adds / the device's rate, at least a microsecond; the OpDef says how many (OpDef.work)
    a transfer  latency + bytes / bandwidth

The rule's rates are the first release's: a thousand multiply-adds a microsecond on a CPU. They are meant for comparing
devices, not for telling the time; a measured step replaces them, node by node.

Next: runtime/simulate.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from refflow.core.shapes import Shape
from refflow.core.work import part
from refflow.runtime.device import Device
from refflow.runtime.events import EventLog
from refflow.runtime.nodes import CONTROL_FLOW, Node

_LEAST = 1.0  # microseconds that any node takes
_FREE = CONTROL_FLOW | {"Const", "NoOp", "ControlTrigger", "LoopCond"}


class CostModel:
    """What is known of the costs of nodes. Times are in microseconds, sizes in bytes.

    latency: of a transfer between two devices. bandwidth: bytes that a transfer moves in a microsecond.
    """

    def __init__(self, latency: float = 5.0, bandwidth: float = 10_000.0):
        self.latency, self.bandwidth = latency, bandwidth
        self._times: dict[tuple[str, str], list[float]] = {}  # (node, kind of device) -> how often, and how long in all
        self._sizes: dict[tuple[str, int], int] = {}

    # -- measuring ------------------------------------------------------------------------------------

    def record(self, node: str, kind: str, microseconds: float, nbytes: Sequence[int] = ()) -> None:
        """Notes that a node ran once on a device of this kind, and how large its outputs were."""
        known = self._times.setdefault((node, kind), [0, 0.0])
        known[0] += 1
        known[1] += microseconds
        for port, size in enumerate(nbytes):
            self._sizes[node, port] = max(size, self._sizes.get((node, port), 0))

    def measure(self, log: EventLog) -> CostModel:
        """Takes in what an event log says: each node from its start to its end. Returns this model."""
        began: dict[tuple[int, str, str], float] = {}
        for event in log.events:
            key = (event.step, event.node, event.place)
            if event.kind == "start":
                began[key] = event.time
            elif event.kind == "end" and key in began:
                took = 1e6 * (event.time - began.pop(key))
                self.record(event.node, _kind(event.device), took, [made.nbytes for made in event.made])
        return self

    def learn(self, stats: Any) -> CostModel:
        """Takes in the step statistics of a RunMetadata, ours or TensorFlow's. Returns this model."""
        for device in stats.dev_stats:
            for run in device.node_stats:
                made = {o.slot: o.tensor_description.allocation_description.requested_bytes for o in run.output}
                sizes = [made.get(port, 0) for port in range(max(made, default=-1) + 1)]
                self.record(run.node_name, _kind(device.device), run.all_end_rel_micros, sizes)
        return self

    def merge(self, other: CostModel) -> None:
        """Adds what another model has measured."""
        for key, (count, total) in other._times.items():
            known = self._times.setdefault(key, [0, 0.0])
            known[0] += count
            known[1] += total
        for edge, size in other._sizes.items():
            self._sizes[edge] = max(size, self._sizes.get(edge, 0))

    def count(self, node: str, kind: str = "cpu") -> int:
        """How often a node was measured."""
        return int(self._times.get((node, kind), (0, 0.0))[0])

    # -- asking ---------------------------------------------------------------------------------------

    def time(self, node: Node, device: Device) -> float:
        """How long a node runs on a device; sends, receives and what only passes values on take no time there."""
        measured = self._times.get((node.name, device.type))
        if node.sends or node.receives:
            return 0.0
        if measured is not None:
            return measured[1] / measured[0]
        if node.type in _FREE or node.op_def.family in ("Variable", "VarHandleOp"):
            return 0.0
        return max(_LEAST, multiply_adds(node) / device.multiply_adds_per_us)

    def nbytes(self, node: Node, port: int) -> int:
        """The size of an output; an unknown dimension counts as one."""
        found = self._sizes.get((node.name, port))
        return prod(_known(node.shapes[port])) * node.types[port].base_dtype.size if found is None else found

    def transfer(self, nbytes: int) -> float:
        """How long a value of that size is on its way to another device."""
        return self.latency + nbytes / self.bandwidth

    def __str__(self) -> str:
        lines = [f"{n}  {kind}  {c}x  {total / c:.1f}us" for (n, kind), (c, total) in sorted(self._times.items())]
        return "\n".join(lines) or "nothing was measured"


def multiply_adds(node: Node, place: int | None = None) -> int:
    """The arithmetic of one run of a node, from the shapes that are known.

    By the op's own rule; without one a few for each element, of which a view moves none. place: only that in which
    elements of this input take part.
    """
    inputs = [_known(n.shapes[port]) for n, port in node.inputs]
    outputs = [_known(s) for s in node.shapes]
    rule = node.op_def.work_rule
    if rule is not None and place is not None:
        return part(rule, place, inputs, outputs, node.attrs)
    if rule is not None:
        return rule(inputs, outputs, node.attrs)
    if node.op_def.view:
        return 0
    steps = 1 if node.op_def.formula is None else len(node.op_def.formula.steps)
    return steps * max((prod(shape) for shape in (*inputs, *outputs)), default=0)


def _known(shape: Shape) -> tuple[int, ...]:
    return tuple(1 if d is None else d for d in shape or ())


def _kind(device: str) -> str:
    """`cpu` of `/job:localhost/replica:0/task:0/cpu:0`, or of today's `/device:CPU:0`."""
    return device.rpartition("/")[2].removeprefix("device:").partition(":")[0].lower()
