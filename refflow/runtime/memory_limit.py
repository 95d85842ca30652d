"""Devices with little memory: a step that would need more than there is does not begin [S34].

    what a step needs on a device = its constants + its variables + what is fed there
                                    + the most that its values need at one time (runtime/simulate.py)

A device may be given a limit, `Device(memory_limit=bytes)`. Then every size must be known before a step begins, so each
is built for the shapes that are fed; what only a run would tell is refused, too. Scratch memory of kernels and the
interpreter itself are not counted, and loops are walked through once: what lists gather in them counts where it comes
out.

Next: runtime/simulate.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from refflow.core import errors
from refflow.core.shapes import is_known
from refflow.core.shapes import text as shape_text
from refflow.runtime.costs import CostModel
from refflow.runtime.device import Device
from refflow.runtime.nodes import MERGES, Node, StepGraph
from refflow.runtime.sharpen import sharpen_loops
from refflow.runtime.simulate import Simulation, is_counted, simulate

_SHOWN = 4  # of what needs most
_MIB = 1 << 20


def are_limited(devices: Iterable[Device]) -> bool:
    return any(device.memory_limit for device in devices)


def need(step: StepGraph, device: Device) -> list[tuple[int, str]]:
    """What a partitioned step keeps on a device at its fullest moment: bytes, and whose they are, the largest first."""
    step = _sharp(step)
    return _need(step, simulate(step, CostModel()), device)


def _need(step: StepGraph, run: Simulation, device: Device) -> list[tuple[int, str]]:
    return sorted([*_lasting(step, device), *_passing(run, device)], reverse=True)


def check_limits(step: StepGraph) -> None:
    """ResourceExhaustedError where a device has less than a partitioned step needs, or where nobody knows how much."""
    limited = dict.fromkeys(n.device for n in step.nodes if n.device.memory_limit)
    if not limited:
        return
    step = _sharp(step)
    run = simulate(step, CostModel())
    for device in limited:
        for node in step.nodes:
            if node.device is device:
                _check_known(node)
        items = _need(step, run, device)
        total = sum(size for size, _ in items)
        if total > device.memory_limit:
            shown = "\n".join(f"  {_text(size):>12}  {whose}" for size, whose in items[:_SHOWN])
            raise errors.ResourceExhaustedError(
                None, None, f"{device.name} has a limit of {_text(device.memory_limit)}, but this step needs "
                f"{_text(total)} there:\n{shown}\nFeed less at a time, fetch less, or raise the limit",
            )  # fmt: skip


def _sharp(step: StepGraph) -> StepGraph:
    """A step that is not optimised has the shapes of the client's graph, and those of what is fed tell more."""
    return step if all(is_known(shape) for node in step.nodes for shape in node.shapes) else sharpen_loops(step)


def _check_known(node: Node) -> None:
    # Of a Merge the second output says which input has come: one number, whatever is known of it.
    for port, shape in enumerate(node.shapes[:1] if node.type in MERGES else node.shapes):
        if is_counted((node, port)) and not is_known(shape):
            raise errors.ResourceExhaustedError(
                node.node_def, node.origin, f"{node.device.name} has a memory limit of "
                f"{_text(node.device.memory_limit)}, but the size of {node.name}:{port}, of shape {shape_text(shape)}, "
                "is not known before the step runs. Run it with optimize=True, or on a device without a limit",
            )  # fmt: skip


def _lasting(step: StepGraph, device: Device) -> Iterable[tuple[int, str]]:
    """Constants, each array once, variables, and what the client feeds."""
    seen: set[int] = set()
    for node in step.nodes:
        if node.device is not device:
            continue
        if node.type == "Const":
            value: Any = node.attrs["value"]
            if id(value) not in seen:
                seen.add(id(value))
                yield int(value.nbytes), f"constant {node.name}"
        elif node.op_def.family == "Variable":
            yield CostModel().nbytes(node, 0), f"variable {node.name}"
        elif node.receives and node.attrs["client_terminated"]:
            yield CostModel().nbytes(node, 0), node.attrs["tensor_name"].replace(":", " ", 1)


def _passing(run: Simulation, device: Device) -> Iterable[tuple[int, str]]:
    """The values that lie on a device when most do."""
    _, when = run.moments.get(device.name, (0, 0.0))
    for buffer in run.buffers:
        if buffer.device is device and buffer.begin <= when < max(buffer.end, buffer.begin + 1e-9):
            yield buffer.nbytes, f"{buffer.edge[0].name}:{buffer.edge[1]}, a value"


def _text(size: int) -> str:
    return f"{size / _MIB:.2f} MiB" if size >= _MIB else f"{size:,} bytes"
