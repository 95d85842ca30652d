"""Names that only `framework.ops` and the modules beside it had: conversions, scopes' names, sessions, collections.

Next: compat/shadow/devices.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from refflow.compat.shadow.framework import convert_to_tensor_or_sparse_tensor
from refflow.compat.v1.graph import Graph
from refflow.compat.v1.sessions import InaccessibleTensorError as InaccessibleTensorError
from refflow.compat.v1.sessions import Session
from refflow.core import convert as conversion
from refflow.core.errors import NodeError
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.indexed_slices import IndexedSlicesValue as IndexedSlicesValue
from refflow.core.sparse_tensor import SparseTensor
from refflow.runtime.device import DeviceAttributes
from refflow.train.meta_graph import WRITTEN, Written

BaseSession = SessionInterface = Session
CompositeTensor = (IndexedSlices, SparseTensor)  # what isinstance asks for
SymbolicTensor = Tensor
OperatorNotAllowedInGraphError = TypeError  # of a tensor as a bool, or in a loop of Python's
internal_convert_n_to_tensor = conversion.convert_n_to_tensor

# -- conversions -------------------------------------------------------------------------------------------------------


def convert_to_tensor_v2(value: Any, dtype: Any = None, dtype_hint: Any = None, name: str | None = None) -> Tensor:
    """A tensor of the value; of `dtype_hint`, where that can be and no other is asked for."""
    from refflow.compat.shadow.framework import internal_convert_to_tensor

    return internal_convert_to_tensor(value, dtype, name, preferred_dtype=dtype_hint)


convert_to_tensor_v2_with_dispatch = convert_to_tensor_v2


def convert(value: Any, dtype: Any = None, name: str | None = None, *unused: Any, **also_unused: Any) -> Tensor:
    """A tensor of the value."""
    return conversion.convert_to_tensor(value, dtype, name)


def convert_to_tensor_or_composite(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Slices and sparse tensors as they are, anything else as a tensor; ValueError where they are of another type."""
    if not isinstance(value, IndexedSlices):
        return convert_to_tensor_or_sparse_tensor(value, dtype, name)
    if dtype is not None and not value.dtype.is_compatible_with(dtype):
        raise ValueError(f"Tensor conversion dtype mismatch. Requested dtype is {dtype}, Tensor has {value.dtype}")
    return value


internal_convert_to_tensor_or_composite = convert_to_tensor_or_composite
internal_convert_to_tensor_or_indexed_slices = convert_to_tensor_or_composite


def convert_n_to_tensor_or_composite(values: Sequence[Any], dtype: Any = None, name: str | None = None) -> list[Any]:
    """The same of each, None of None; the names are numbered."""
    if not isinstance(values, Sequence):
        raise TypeError("values must be a sequence.")
    names = [None if name is None else f"{name}_{i}" for i in range(len(values))]
    return [
        None if value is None else convert_to_tensor_or_composite(value, dtype, n)
        for value, n in zip(values, names, strict=True)
    ]


internal_convert_n_to_tensor_or_composite = convert_n_to_tensor_or_composite
convert_n_to_tensor_or_indexed_slices = internal_convert_n_to_tensor_or_indexed_slices = (
    convert_n_to_tensor_or_composite
)

# -- scopes and graphs -------------------------------------------------------------------------------------------------


def name_from_scope_name(name: str) -> str:
    """A scope's name without its last slash."""
    return name.removesuffix("/")


def get_current_name_scope() -> str:
    """The scope that is open, without its slash."""
    return get_default_graph()._name_stack


class name_scope_v2:
    """A scope of names within the one that is open; a name that ends in a slash is taken as it is."""

    def __init__(self, name: str):
        if not isinstance(name, str):
            raise ValueError("name for name_scope must be a string.")
        self.name = name
        self._entered: list[Any] = []

    def __enter__(self) -> str:
        self._entered.append(get_default_graph().name_scope(self.name))
        return str(self._entered[-1].__enter__())

    def __exit__(self, *exception: Any) -> None:
        self._entered.pop().__exit__(*exception)


def device_v2(device_name: Any) -> Any:
    """A block whose nodes ask for a device; RuntimeError for a function."""
    if callable(device_name):
        raise RuntimeError("tf.device does not support functions.")
    return get_default_graph().device(device_name)


def inside_function() -> bool:
    """Whether what is built is the body of a function."""
    return bool(get_default_graph().takes_from_outside)


def dismantle_graph(graph: Graph) -> None:
    """Forgets a graph's nodes and collections, so that their memory is free when this returns."""
    graph._nodes.clear()
    graph._by_name.clear()
    graph._collections.clear()


def _get_graph_from_inputs(op_input_list: Sequence[Any], graph: Graph | None = None) -> Graph:
    """The graph that all of the inputs are in: the given one, or else the first one's, or else the default one."""
    if graph is not None and not isinstance(graph, Graph):
        raise TypeError(f"Input graph needs to be a Graph: {graph}")
    first = None
    for item in op_input_list:
        element = item if isinstance(item, (Tensor, Operation)) else getattr(item, "_as_graph_element", lambda: None)()
        if element is None and not isinstance(getattr(item, "graph", None), Graph):
            continue
        owner = item.graph if element is None else element.graph
        if graph is not None and owner is not graph:
            raise NodeError(f"{item} is not from the passed-in graph.")
        if first is not None and owner is not first[1]:
            raise NodeError(f"{item} must be from the same graph as {first[0]}.")
        first = first or (item, owner)
    return graph or (first[1] if first else get_default_graph())  # type: ignore[return-value]  # they are of 1.x


# -- collections as messages -------------------------------------------------------------------------------------------

_NOT_WRITTEN = Written(None, None, None)


def register_proto_function(
    collection_name: str, proto_type: Any = None, to_proto: Callable[..., Any] | None = None,
    from_proto: Callable[..., Any] | None = None,
) -> None:  # fmt: skip
    """How what is in a collection becomes messages, and is made of them."""
    for called, function in (("to_proto", to_proto), ("from_proto", from_proto)):
        if function is not None and not callable(function):
            raise TypeError(f"{called} must be callable.")
    WRITTEN[collection_name] = Written(proto_type, to_proto, from_proto)


def get_collection_proto_type(collection_name: str) -> Any:
    """The messages of a collection, or None."""
    return WRITTEN.get(collection_name, _NOT_WRITTEN).messages


def get_to_proto_function(collection_name: str) -> Any:
    """What makes messages of a collection, or None."""
    return WRITTEN.get(collection_name, _NOT_WRITTEN).to_proto


def get_from_proto_function(collection_name: str) -> Any:
    """What is made of a collection's messages, or None."""
    return WRITTEN.get(collection_name, _NOT_WRITTEN).from_proto


# -- what is told of nodes ---------------------------------------------------------------------------------------------

_statistics: dict[tuple[str, str], Callable[..., Any]] = {}


class OpStats:
    """A number that is told of nodes, as how many operations they need; numbers of one kind are added up."""

    def __init__(self, statistic_type: str, value: Any = None):
        self.statistic_type, self.value = statistic_type, value

    def __iadd__(self, other: OpStats) -> OpStats:
        if other.statistic_type != self.statistic_type:
            raise ValueError(f"Can't add an OpStat of type {self.statistic_type} to one of {other.statistic_type}.")
        if other.value is not None:
            self.value = other.value if self.value is None else self.value + other.value
        return self


class RegisterStatistics:
    """A decorator of function(graph, node), which tells a number of each node of an op type."""

    def __init__(self, op_type: str, statistic_type: str):
        for called, text in (("op_type", op_type), ("statistic_type", statistic_type)):
            if not isinstance(text, str):
                raise TypeError(f"{called} must be a string.")
            if "," in text:
                raise TypeError(f"{called} must not contain a comma.")
        self._key = (op_type, statistic_type)

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        if self._key in _statistics:
            raise KeyError(f"Registering two statistics with name {','.join(self._key)!r}!")
        _statistics[self._key] = f
        return f


def get_stats_for_node_def(graph: Any, node: Any, statistic_type: str) -> OpStats:
    """What was said to be told of nodes of this type; OpStats without a value where nothing was."""
    function = _statistics.get((node.op, statistic_type))
    return OpStats(statistic_type) if function is None else function(graph, node)


# -- sessions ----------------------------------------------------------------------------------------------------------


def default_session(session: Any) -> Any:
    """A block whose default session is this one."""
    return session.as_default()


def _DeviceAttributes(name: str, device_type: str, memory_limit_bytes: int, incarnation: int) -> DeviceAttributes:
    """What list_devices says of a device."""
    return DeviceAttributes(name, device_type, memory_limit_bytes, incarnation)
