"""Names that only the modules of variables and sessions' tensors had: their classes, bare nodes, resources to be made.

Next: compat/shadow/util.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.resource_variable import ResourceVariable as ResourceVariable
from refflow.compat.v1.resource_variable import UnreadVariable as UnreadVariable
from refflow.compat.v1.sessions import TensorHandle as TensorHandle
from refflow.compat.v1.variable import RefVariable as RefVariable
from refflow.compat.v1.variable_kinds import VariableAggregation
from refflow.core.control import group, no_op
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.joining import pack

BaseResourceVariable = ResourceVariable
_UnreadVariable = UnreadVariable
VariableAggregationV2 = VariableAggregation


def is_resource_variable(var: Any) -> bool:
    """Whether it is a variable behind a handle."""
    return isinstance(var, ResourceVariable)


def variable_accessed(variable: Any) -> None:
    """Nothing: what is read is known from the graph."""


def variable_op_v2(
    shape: Any, dtype: Any, name: str = "Variable", container: str = "", shared_name: str = ""
) -> Tensor:
    """The reference of a VariableV2 node without an initial value."""
    made = op_def("VariableV2")
    return made(shape=TensorShape(shape), dtype=dtype, name=name, container=container, shared_name=shared_name)


def variable_op(
    shape: Any, dtype: Any, name: str = "Variable", set_shape: bool = True, container: str = "", shared_name: str = ""
) -> Tensor:
    """The same; without `set_shape` it may take a value of any shape."""
    known = TensorShape(shape) if set_shape else TensorShape(None)
    return variable_op_v2(known, dtype, name, container, shared_name)


def init_variable(v: Any, init: Any, name: str = "init") -> Tensor:
    """The assignment of an initial value, which may be a function of shape and type, to a reference."""
    value = init(v.get_shape().as_list(), v.dtype.base_dtype) if callable(init) else init
    with v.op.graph.name_scope(f"{v.op.name}/"), v.op.graph.colocate_with(v.op):
        return op_def("Assign")(v, value, name=name)


# -- resources that have to be made before they are used ---------------------------------------------------------------


class _Resource(NamedTuple):
    handle: Tensor
    create: Operation
    is_initialized: Tensor


def register_resource(handle: Any, create_op: Any, is_initialized_op: Any, is_shared: bool = True) -> None:
    """Enters a resource in a collection of the graph: the one of those that all sessions share, or the local one."""
    key = GraphKeys.RESOURCES if is_shared else GraphKeys.LOCAL_RESOURCES
    get_default_graph().add_to_collection(key, _Resource(handle, create_op, is_initialized_op))


def shared_resources() -> list[Any]:
    """The shared resources that were entered."""
    return get_default_graph().get_collection(GraphKeys.RESOURCES)


def local_resources() -> list[Any]:
    """The local resources that were entered."""
    return get_default_graph().get_collection(GraphKeys.LOCAL_RESOURCES)


def initialize_resources(resource_list: Sequence[Any], name: str = "init") -> Operation:
    """One operation that makes them."""
    return group(*[r.create for r in resource_list], name=name) if resource_list else no_op(name)


def report_uninitialized_resources(
    resource_list: Sequence[Any] | None = None, name: str = "report_uninitialized_resources"
) -> Tensor:
    """The names of those that are not there yet."""
    from refflow.compat.v1 import boolean_mask, constant, logical_not, string

    found = shared_resources() + local_resources() if resource_list is None else list(resource_list)
    with get_default_graph().name_scope(name), get_default_graph().device("/cpu:0"):
        if not found:
            return constant([], string)
        missing = logical_not(pack([r.is_initialized for r in found]))
        return boolean_mask(constant([r.handle.name for r in found]), missing)
