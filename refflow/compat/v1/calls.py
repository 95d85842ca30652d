"""What a call of a function leaves in the graph: its nodes in the place of the call, in the order of its lines.

    with nodes that act (assign, enqueue, print) before the results, as if the call were one node
    changes of a variable, and reads of it, one after the other as the function has them

The runtime puts functions in the place of their calls anyway (core/functions.py). So a Python function is called while
the graph is built, and what it adds stays: there is nothing else to call.

Next: compat/v1/function.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.core import nest
from refflow.core.control import group
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import resource
from refflow.core.graph import get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.core.tensor import Operation, Tensor

# They are stateful for what they give, and change nothing.
_QUIET = {"ReadVariableOp", "VarIsInitializedOp", "IsVariableInitialized", "VariableShape", "ResourceGather"}


def called(function: Callable[[], Any], name: str) -> Any:
    """What `function()` gives, once all that it does has been done; an operation where it gives nothing."""
    graph = get_default_graph()
    with graph.name_scope(name):
        before = graph.version
        found = function()
        added = [op for op in graph._nodes[before:] if op._context is graph._context]
        acting = _in_order(added)
        with graph.control_dependencies(acting):
            if found is None or isinstance(found, Operation):
                return group(*([] if found is None else [found]), name="done")
            return nest.map_structure(_handed_out, found)


def _handed_out(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, (Operation, IndexedSlices)):
        return value
    return op_def("Identity")(convert_to_tensor(value))


def _in_order(added: list[Operation]) -> list[Operation]:
    """The operations that act. Those that share a state get control edges in the order in which they were made."""
    acting: list[Operation] = []
    users: dict[Tensor, list[Operation]] = {}  # of each state: its last change, and the reads after it
    for op in added:
        changes = op.op_def.stateful and op.type not in _QUIET
        for place, tensor in enumerate(op.inputs):
            if tensor.dtype.base_dtype is not resource and not tensor.dtype.is_ref_dtype:
                continue
            writes = changes if not tensor.dtype.is_ref_dtype else place in op.op_def.ref_inputs
            changes = changes or writes
            _wait_for(op, users.get(tensor, ()), writes)
            users[tensor] = [op] if writes else [*users.get(tensor, ()), op]
        if changes and op.inputs:
            acting.append(op)
    return acting


def _wait_for(op: Operation, users: Any, writes: bool) -> None:
    """A change waits for all uses before it, a read for the last change, which is the first of them."""
    for other in users if writes else users[:1]:
        reads_only = not writes and not _is_change(other)
        if other is not op and other not in op.control_inputs and not reads_only:
            op.control_inputs.append(other)


def _is_change(op: Operation) -> bool:
    return bool(op.op_def.ref_inputs) or (op.op_def.stateful and op.type not in _QUIET)
