"""From Python values to tensors: numbers, lists and arrays become Const nodes, Variables give their tensor.

Other chapters register how their types convert; this one only asks them in turn.

Next: core/opdef.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from refflow.core.dtypes import DType, as_dtype
from refflow.core.errors import ConversionError, DTypeError, NodeError
from refflow.core.graph import Graph, Operation, Tensor, get_default_graph

Converter = Callable[[Any, DType | None, str | None, bool], Any]
_CONVERTERS: list[tuple[int, int, type | tuple[type, ...], Converter]] = []


def register_tensor_conversion_function(
    base_type: type | tuple[type, ...], conversion_func: Converter, priority: int = 100
) -> None:
    """Makes `convert_to_tensor` accept `base_type`. Lower priorities are asked first.

    `conversion_func(value, dtype, name, as_ref)` returns a Tensor, or NotImplemented to pass.
    """
    if not isinstance(base_type, (type, tuple)) or not all(isinstance(t, type) for t in _several(base_type)):
        raise TypeError(f"Argument `base_type` must be a type or a tuple of types. Obtained: {base_type}")
    if not callable(conversion_func):
        raise TypeError(f"Argument `conversion_func` must be callable. Received {conversion_func}.")
    _CONVERTERS.append((priority, len(_CONVERTERS), base_type, conversion_func))
    _CONVERTERS.sort(key=lambda row: row[:2])


def _several(kinds: Any) -> tuple[Any, ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def convert_to_tensor(value: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Tensor:
    """`value` as a Tensor of the current graph. No promotion: a tensor of another type is an error [W77, S31].

    as_ref: keep a Variable's reference instead of its value.
    """
    wanted = None if dtype is None else as_dtype(dtype).base_dtype
    if isinstance(value, Tensor):
        if wanted is not None and value.dtype.base_dtype is not wanted:
            raise ConversionError(
                f"Tensor conversion requested dtype {wanted.name} for Tensor with dtype {value.dtype.base_dtype.name}: "
                f"{value!r}. Nothing is converted silently: use cast()"
            )
        return value
    for _, _, base_type, function in _CONVERTERS:
        if isinstance(value, base_type):
            tensor = function(value, wanted, name, as_ref)
            if tensor is not NotImplemented:
                return tensor
    if value is None:
        raise NodeError("None values not supported.")
    raise DTypeError(f"a {type(value).__name__} cannot become a tensor: {value!r}")


def held_tensor(value: Any) -> Tensor | None:
    """The value itself or the first tensor in it, where it is a tensor or a list, of lists, that holds one."""
    if isinstance(value, (list, tuple)):
        inner = (held_tensor(v) for v in value if isinstance(v, (Tensor, list, tuple)))
        return next((tensor for tensor in inner if tensor is not None), None)
    return value if isinstance(value, Tensor) else None


def convert_to_tensor_or_indexed_slices(
    value: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False
) -> Any:
    """`value` as a Tensor, or itself where it is IndexedSlices of that type."""
    from refflow.core.indexed_slices import IndexedSlices

    if not isinstance(value, IndexedSlices):
        return convert_to_tensor(value, dtype, name, as_ref)
    if dtype is not None and not as_dtype(dtype).is_compatible_with(value.dtype):
        raise ConversionError(f"Tensor conversion requested dtype {as_dtype(dtype).name} for {value!r}")
    return value


def convert_n_to_tensor(values: Iterable[Any], dtype: Any = None, name: str | None = None) -> list[Tensor]:
    """Each value as a tensor, named `name_0`, `name_1`, ..."""
    return [convert_to_tensor(v, dtype, None if name is None else f"{name}_{i}") for i, v in enumerate(values)]


def graph_of(values: Iterable[Any]) -> Graph:
    """The graph that `values` belong to, or the default graph; an error if they belong to several."""
    default = get_default_graph()
    if default.takes_from_outside:
        return default
    found: Graph | None = None
    first: Any = None
    for value in values:
        graph = getattr(value, "graph", None)
        if not isinstance(graph, Graph):
            continue
        if found is None:
            found, first = graph, value
        elif graph is not found:
            raise NodeError(
                f"{_called(value)} must be from the same graph as {_called(first)}: they belong to different graphs. "
                "One computation lives in one graph: build both inside the same `with graph.as_default():`"
            )
    return found or default


def _called(value: Any) -> str:
    return repr(getattr(value, "name", value))


@contextmanager
def op_scope(values: Iterable[Any], name: str | None, default_name: str | None = None) -> Iterator[str]:
    """The graph of `values` as default, and a name scope `name`, or else `default_name`, in it [W71]."""
    graph = graph_of(values)
    scope = name if name is not None else default_name
    if scope is None:
        raise ValueError("op_scope needs a name or a default_name")
    with graph.as_default(), graph.name_scope(scope) as full:
        yield full


def operation_of(value: Any) -> Operation:
    """The operation that `value` is, or that computes it."""
    element = getattr(value, "_as_graph_element", lambda: value)()
    if isinstance(element, Operation):
        return element
    if isinstance(element, Tensor):
        return element.op
    op = getattr(element, "op", None)
    if isinstance(op, Operation):
        return op
    raise TypeError(f"expected an Operation or a Tensor, got {type(value).__name__}: {value!r}")
