"""Prune: from what is asked for, back to what it needs, and nothing else [W08, W36].

Fed tensors are cut off: a node `_recv_<node>_<port>` takes the client's value in their place. Fetched
tensors get a node `_send_<node>_<port>` that gives the value to the client [W35]. A control edge out of a
fed Placeholder is moved to its feed.

Next: runtime/optimise.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import Shape
from refflow.runtime.nodes import CONTROL_FLOW, Node, StepGraph, in_order

CLIENT = "/job:localhost/replica:0/task:0/cpu:0"  # where the client reads and writes


def prune(
    feeds: Sequence[Tensor],
    fetches: Sequence[Tensor],
    targets: Sequence[Operation],
    feed_shapes: Sequence[Shape] | None = None,
    client: str = CLIENT,
) -> StepGraph:
    """The nodes that a step with these feeds, fetches and targets runs.

    feed_shapes: the shapes of the values that will be fed; by default the tensors' static ones. client: the device on
    which feeds come in and fetches go out.
    """
    fed = {t: i for i, t in enumerate(feeds)}
    needed = _needed(fed, fetches, targets)
    next_id = max((op._id for op in needed), default=0) + 1
    if fetches or feeds:
        next_id = max(next_id, *(t.op._id + 1 for t in (*fetches, *feeds)))
    step = StepGraph([], next_id, [], [], [])
    for i, tensor in enumerate(feeds):
        shape = tensor.dims if feed_shapes is None else feed_shapes[i]
        step.feeds.append(_feed(step, tensor, shape, client))
    step.nodes += step.feeds
    moved = {t.op: step.feeds[i] for t, i in fed.items() if t.op.op_def.family == "Placeholder"}
    copies: dict[Operation, Node] = {}
    for op in sorted(needed, key=lambda op: op._id):
        copies[op] = _copy(op)
    for op, node in copies.items():
        node.inputs = [(step.feeds[fed[t]], 0) if t in fed else (copies[t.op], t.value_index) for t in op.inputs]
        node.controls = [moved[c] if c in moved else copies[c] for c in op.control_inputs]
    step.nodes += copies.values()
    for tensor in fetches:
        step.fetches.append(_fetch(step, tensor, copies[tensor.op], client))
    step.nodes += step.fetches
    step.targets = [copies[op] for op in dict.fromkeys(targets)]
    step.nodes = in_order(step.nodes)
    if any(t.dtype.is_ref_dtype for t in feeds):
        _hand_on_values(step)
    return step


def _hand_on_values(step: StepGraph) -> None:
    """A value that is fed in a reference's place is handed on as one, round loops and through branches."""
    for node in step.nodes:
        if node.type in CONTROL_FLOW and node.types[0].is_ref_dtype:
            producer, port = node.inputs[0]
            if not producer.types[port].is_ref_dtype:
                node.types = [t.base_dtype for t in node.types]


def _needed(fed: dict[Tensor, int], fetches: Sequence[Tensor], targets: Sequence[Operation]) -> set[Operation]:
    found: set[Operation] = set()
    stack = [t.op for t in fetches] + list(targets)
    fed_placeholders = {t.op for t in fed if t.op.op_def.family == "Placeholder"}
    while stack:
        op = stack.pop()
        if op in found:
            continue
        found.add(op)
        stack += [t.op for t in op.inputs if t not in fed]
        stack += [c for c in op.control_inputs if c not in fed_placeholders]
    return found


def _copy(op: Operation) -> Node:
    return Node(
        op._id, op.name, op.op_def, op.attrs, [], [], [t.dtype for t in op.outputs], [t.dims for t in op.outputs],
        op.device, op,
    )  # fmt: skip


def _feed(step: StepGraph, tensor: Tensor, shape: Shape, client: str) -> Node:
    name = f"{tensor.op.name}_{tensor.value_index}"
    attrs = _ends(f"feed:{tensor.name}", client) | {"tensor_type": tensor.dtype.base_dtype}
    return Node(
        step.take_id(), f"_recv_{name}", op_def("_Recv"), attrs, [], [], [tensor.dtype.base_dtype], [shape], client
    )


def _fetch(step: StepGraph, tensor: Tensor, producer: Node, client: str) -> Node:
    name = f"{tensor.op.name}_{tensor.value_index}"
    attrs = _ends(f"fetch:{tensor.name}", client) | {"T": tensor.dtype.base_dtype}
    edge = (producer, tensor.value_index)
    return Node(step.take_id(), f"_send_{name}", op_def("_Send"), attrs, [edge], [], [], [], client)


def _ends(tensor_name: str, client: str) -> dict[str, object]:
    return {
        "tensor_name": tensor_name,
        "send_device": client,
        "send_device_incarnation": 1,
        "recv_device": client,
        "client_terminated": True,
    }
