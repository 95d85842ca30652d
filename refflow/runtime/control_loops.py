"""Control loops: how each device of a loop over several learns whether there is another iteration [W42].

    token -> Enter -> Merge -> Switch(verdict) -> true: NextIteration -> Merge

Nodes without inputs, as receives are, would run once. So every device that takes part in a loop gets such a ring, whose
value is empty: all receives of that loop on that device wait for the ring's Merge, which runs in each iteration. The
verdict is the loop's LoopCond; to every device but its own it is sent, once an iteration. In the iteration in which it
is false the senders of the loop's values are dead and say so, and the ring stops. Of nested loops the inner ring begins
anew with each iteration of the outer one.

    participants of a loop = the devices of its nodes, and of the loops in it;  no ring where that is one device

Next: runtime/rendezvous.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import errors
from refflow.core.dtypes import float32, int32
from refflow.core.registry import op_def
from refflow.runtime.device import Device
from refflow.runtime.nodes import ENTERS, Node, StepGraph, frame_behind, is_back_edge

Frame = tuple[str, ...]  # the names of the loops that a value is in, the outermost first


class Rings:
    """The control loops of a step, made as they are asked for.

    behind: the frame in which each node's outputs are. nodes: what was made.
    """

    def __init__(self, step: StepGraph):
        self.nodes: list[Node] = []
        self.behind: dict[Node, Frame] = {}
        self._step = step
        self._conditions: dict[Frame, Node] = {}
        self._parallel: dict[Frame, int] = {}
        self._devices: dict[Frame, set[Device]] = {}
        self._merges: dict[tuple[Frame, Device], Node] = {}
        for node in step.nodes:
            self._note(node)
        for frame in sorted(self._devices, key=len, reverse=True):
            if len(frame) > 1:
                self._devices.setdefault(frame[:-1], set()).update(self._devices[frame])
        for frame, devices in self._devices.items():
            if frame and len(devices) > 1:
                for device in sorted(devices, key=lambda d: d.name):
                    self.merge(frame, device)

    def _note(self, node: Node) -> None:
        before = [n for n, _ in node.inputs if not is_back_edge(n, node)] + node.controls
        inside = self.behind[before[0]] if before else ()
        frame = self.behind[node] = frame_behind(node, inside)
        for each in {inside, frame}:
            self._devices.setdefault(each, set()).add(node.device)
        if node.type in ENTERS:
            self._parallel[frame] = node.attrs["parallel_iterations"]
        elif node.type == "LoopCond":
            self._conditions[frame] = node

    def merge(self, frame: Frame, device: Device) -> Node:
        """The node that runs on `device` in each iteration of `frame`, and is never dead."""
        found = self._merges.get((frame, device))
        if found is None:
            found = self._merges[frame, device] = self._ring(frame, device)
        return found

    def _ring(self, frame: Frame, device: Device) -> Node:
        verdict = self._conditions.get(frame)
        if verdict is None:
            raise errors.InvalidArgumentError(
                None, None, f"A cross-device loop must have a pivot predicate: {frame[-1]!r} has no LoopCond, which "
                "says to all devices whether there is another iteration",
            )  # fmt: skip
        base = f"ring_{self._step.next_id}_{frame[-1]}"
        attrs = {"frame_name": frame[-1], "is_constant": False, "parallel_iterations": self._parallel[frame]}
        if len(frame) > 1:
            start = self.merge(frame[:-1], device)
        else:
            token = {"value": np.zeros(0, np.float32), "dtype": float32}
            start = self._add(f"{base}/token", "Const", token, [], device)
        enter = self._add(f"{base}/enter", "Enter", attrs, [(start, 0)], device)
        merge = self._add(f"{base}/merge", "Merge", {"N": 2}, [(enter, 0)], device)
        switch = self._add(f"{base}/switch", "Switch", {}, [(merge, 0), (verdict, 0)], device)
        back = self._add(f"{base}/next", "NextIteration", {}, [(switch, 1)], device)
        merge.inputs.append((back, 0))
        for node in (enter, merge, switch, back):
            self.behind[node] = frame
        return merge

    def _add(
        self, name: str, op_type: str, attrs: dict[str, Any], inputs: list[tuple[Node, int]], device: Device
    ) -> Node:
        types = {"Merge": [float32, int32], "Switch": [float32, float32]}.get(op_type, [float32])
        shapes: list[Any] = [(0,), ()] if op_type == "Merge" else [(0,)] * len(types)
        typed = attrs if op_type == "Const" else attrs | {"T": float32}
        node = Node(self._step.take_id(), name, op_def(op_type), typed, inputs, [], types, shapes, device.name)
        node.device = device
        self.nodes.append(node)
        return node
