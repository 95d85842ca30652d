"""Signatures: what is fetched, in which structure, and what is fed [W10, S26].

    fetches     a tensor, an operation, a variable, a name, or lists, tuples and dictionaries of those; further kinds
                may be registered
    tensors     each fetched tensor once
    targets     operations that are to run, though no value of theirs is asked for
    assemble    from the tensors' values to the structure that was asked for

Next: runtime/session.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refflow.core.errors import InvalidArgumentError
from refflow.core.graph import Graph, Operation, Tensor
from refflow.core.indexed_slices import IndexedSlices, IndexedSlicesValue
from refflow.core.sparse_tensor import SparseTensor
from refflow.core.tensor import Ports
from refflow.runtime.feeds import Feed, short


class FedAndFetchedError(InvalidArgumentError):  # type: ignore[misc, valid-type]  # made by a function
    """A fetched tensor is among the feeds: the first release runs nothing then."""


class Signature:
    """What is fetched, in which structure, and what is fed."""

    def __init__(self, graph: Graph, key: Any, fetches: Any, feeds: list[Any], feed: type[Feed] = Feed):
        self.key = key
        self.shapes: set[Any] = set()
        self.feeds = [feed(element(graph, f, "feed", allow_operation=False)) for f in feeds]
        self.tensors: list[Tensor] = []  # each fetched tensor once [W10]
        self.targets: list[Operation] = []
        self.structure = type(fetches)
        self.assemble = self._walk(graph, fetches)
        fed = {f.tensor for f in self.feeds}
        if len(fed) < len(feeds):
            raise ValueError("one tensor is fed twice, under two names")
        for tensor in self.tensors:
            if tensor in fed:
                raise FedAndFetchedError(
                    tensor.op.definition, tensor.op, f"{tensor.name!r} is both fed and fetched: you know its value"
                )

    @property
    def what(self) -> str:
        """What is asked for, in a few words."""
        names = [t.name for t in self.tensors] + [op.name for op in self.targets]
        return f"run({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"

    def _walk(self, graph: Graph, fetches: Any) -> Callable[[Sequence[Any]], Any]:
        """A function from the fetched tensors' values to the structure that was asked for."""
        expand = next((e for kind, e in _expansions if isinstance(fetches, kind)), None)
        if expand is None and _fields(fetches) is not None:
            expand = _record
        if expand is not None:
            items, build = expand(fetches)
            parts = [self._walk(graph, item) for item in items]
            return lambda values: build([part(values) for part in parts])
        found = element(graph, fetches, "fetch")
        if isinstance(found, Operation):
            self.targets.append(found)
            return lambda values: None
        place = self._take(found)
        return lambda values: values[place]

    def _take(self, tensor: Tensor) -> int:
        if tensor not in self.tensors:
            self.tensors.append(tensor)
        return self.tensors.index(tensor)


Expand = Callable[[Any], tuple[Sequence[Any], Callable[[list[Any]], Any]]]
_expansions: list[tuple[type, Expand]] = []  # the newest first


def register_fetches(kind: type, expand: Expand) -> None:
    """What is of this kind is fetched in parts: expand(it) gives those, and what makes a result of their values."""
    _expansions.insert(0, (kind, expand))


def _sequence(fetches: Any) -> tuple[Sequence[Any], Callable[[list[Any]], Any]]:
    kind = type(fetches)
    return fetches, (lambda values: kind(*values)) if hasattr(fetches, "_fields") else kind


def _fields(fetches: Any) -> tuple[str, ...] | None:
    """The fields of an object whose class the package attrs made; None of any other."""
    found = getattr(type(fetches), "__attrs_attrs__", None)
    return None if found is None else tuple(each.name for each in found)


def _record(fetches: Any) -> tuple[Sequence[Any], Callable[[list[Any]], Any]]:
    kind = type(fetches)
    return [getattr(fetches, name) for name in _fields(fetches) or ()], lambda values: kind(*values)


def _mapping(fetches: Mapping[Any, Any]) -> tuple[Sequence[Any], Callable[[list[Any]], Any]]:
    kind: Any = type(fetches)
    keys = list(fetches)
    if isinstance(fetches, defaultdict):
        return list(fetches.values()), lambda values: kind(fetches.default_factory, zip(keys, values, strict=True))
    return list(fetches.values()), lambda values: kind(zip(keys, values, strict=True))


def _sparse(fetches: SparseTensor) -> tuple[Sequence[Any], Callable[[list[Any]], Any]]:
    return [fetches.indices, fetches.values, fetches.dense_shape], lambda values: fetches._value(*values)


def _slices(fetches: IndexedSlices) -> tuple[Sequence[Any], Callable[[list[Any]], Any]]:
    parts = [p for p in (fetches.values, fetches.indices, fetches.dense_shape) if p is not None]
    return parts, lambda values: IndexedSlicesValue(*values, *[None] * (3 - len(values)))


for _kind in (list, tuple):
    register_fetches(_kind, _sequence)
register_fetches(Ports, lambda ports: (ports, list))
register_fetches(Mapping, _mapping)
register_fetches(SparseTensor, _sparse)
register_fetches(IndexedSlices, _slices)


_VALUE = "That is a value already: did a run's result take the name of its node?"
_NONE = (
    "A gradient is None where the result does not depend on what it was asked for; a run gives None for an operation"
)


def element(graph: Graph, item: Any, what: str, allow_operation: bool = True) -> Any:
    try:
        return graph.as_graph_element(item, allow_operation=allow_operation)
    except (KeyError, ValueError, TypeError) as error:
        text = error.args[0] if error.args else str(error)
        if isinstance(item, (np.ndarray, np.generic)):
            text += f". {_VALUE}"
        if item is None:
            text += f". {_NONE}"
        if what == "feed":
            raise TypeError(f"Cannot interpret feed_dict key as Tensor: {text}") from None
        if isinstance(error, TypeError):
            raise TypeError(
                f"Fetch argument {short(item)} has invalid type {type(item)}, must be a string or Tensor. ({text}) "
                f'Argument `fetch` has invalid type "{type(item).__name__}" must be a string or Tensor.'
            ) from None
        raise ValueError(f"Fetch argument {short(item)} cannot be interpreted as a Tensor. ({text})") from None


def is_fetched_in_parts(kind: type) -> bool:
    """Whether it was said of this kind, or of one of its own, how it is fetched."""
    return any(issubclass(known, kind) for known, _ in _expansions)


def frozen(fetches: Any) -> Any:
    """Something hashable that is equal for equal fetches."""
    if isinstance(fetches, Mapping):
        return (type(fetches), tuple((key, frozen(f)) for key, f in fetches.items()))
    if isinstance(fetches, (list, tuple)):
        return (type(fetches), tuple(frozen(f) for f in fetches))
    if (names := _fields(fetches)) is not None:
        return (type(fetches), tuple(frozen(getattr(fetches, name)) for name in names))
    if isinstance(fetches, np.ndarray):
        raise TypeError(
            f"Fetch argument {short(fetches)} has invalid type {type(fetches)}, must be a string or Tensor. {_VALUE}"
        )
    return fetches
