"""Control edges put to use: one node that waits for many, and values that wait for other nodes [W03].

    group(a, b)                 a NoOp that finishes when both have
    with_dependencies([a], t)   t again, but not before a has finished
    tuple_([dx, dy])            each gradient again, but not before all are there [W80]

Next: core/gradients.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from refflow.core import nest
from refflow.core.convert import convert_to_tensor, op_scope, operation_of
from refflow.core.graph import Graph, Operation, Tensor, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def


def no_op(name: str | None = None) -> Operation:
    """A node that does nothing, for control edges to meet at."""
    return op_def("NoOp")(name=name)


def group(*inputs: Any, name: str | None = None, **others: Any) -> Operation:
    """An operation that finishes when all inputs (operations, tensors or what is made of tensors) have."""
    if others:
        raise ValueError("Unknown keyword arguments: " + ", ".join(others))
    parts = nest.flatten(inputs)
    for part in parts:
        if not _is_computed(part):
            raise TypeError(
                f"'inputs' should be zero or more (nested) Tensors. Received '{part}' with type '{type(part)}'."
            )
    with op_scope(parts, name, "group_deps") as scope:
        graph = get_default_graph()
        by_device: dict[str, list[Operation]] = {}
        for part in parts:
            op = operation_of(part)
            by_device.setdefault(op.device, []).append(op)
        if len(by_device) <= 1:
            device, ops = next(iter(by_device.items()), ("", []))
            return _gate(graph, device, ops, scope)
        # One gate for each device, so that each device tells once when its part is done.
        gates = [_gate(graph, device, by_device[device], None) for device in sorted(by_device)]
        with graph.control_dependencies(gates):
            return no_op(name=scope)


def _is_computed(item: Any) -> bool:
    """Whether it is an operation, or one computes it."""
    return isinstance(item, (Operation, Tensor)) or isinstance(getattr(item, "op", None), Operation)


def _gate(graph: Graph, device: str, ops: Sequence[Operation], name: str | None) -> Operation:
    with graph.control_dependencies(ops):
        if not device:
            return no_op(name=name)
        with graph.device(device):
            return no_op(name=name)


def with_dependencies(dependencies: Sequence[Any], output_tensor: Any, name: str | None = None) -> Any:
    """`output_tensor` again, computed only after `dependencies` have finished."""
    with op_scope([*dependencies, output_tensor], name, "control_dependency") as scope:
        graph = get_default_graph()
        on_its_device = graph.device(output_tensor.device) if output_tensor.device else nullcontext()
        with on_its_device, graph.control_dependencies(dependencies):
            if isinstance(output_tensor, IndexedSlices):
                values = op_def("Identity")(output_tensor.values, name=scope)
                return IndexedSlices(values, output_tensor.indices, output_tensor.dense_shape)
            return op_def("Identity")(convert_to_tensor(output_tensor), name=scope)


def tuple_(tensors: Sequence[Any], name: str | None = None, control_inputs: Sequence[Any] | None = None) -> list[Any]:
    """The tensors again, each available only when all are. None stays None."""
    present = [t for t in tensors if t is not None]
    for item in control_inputs or ():
        if not _is_computed(item):
            raise TypeError(f"'control_inputs' must only contain Operation or Tensor. Received: {type(item)}")
    if not present:
        raise ValueError(f"'tensors' must have at least one Tensor. Received: {tensors}.")
    with op_scope(present, name, "tuple"):
        sources = {operation_of(t) for t in present} | {operation_of(c) for c in control_inputs or ()}
        gate = group(*sorted(sources, key=lambda op: op._id))
        return [None if t is None else with_dependencies([gate], t) for t in tensors]
