"""Signatures: what is fetched, in which structure, and what is fed [W10, S26].

    fetches     a tensor, an operation, a variable, a name, or lists, tuples and dictionaries of those
    tensors     each fetched tensor once
    targets     operations that are to run, though no value of theirs is asked for
    assemble    from the tensors' values to the structure that was asked for

Next: runtime/session.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from refflow.core.errors import InvalidArgumentError
from refflow.core.graph import Graph, Operation, Tensor
from refflow.core.indexed_slices import IndexedSlices, IndexedSlicesValue
from refflow.core.sparse_tensor import SparseTensor, SparseTensorValue
from refflow.runtime.feeds import Feed, short


class Signature:
    """What is fetched, in which structure, and what is fed."""

    def __init__(self, graph: Graph, key: Any, fetches: Any, feeds: list[Any]):
        self.key = key
        self.shapes: set[Any] = set()
        self.feeds = [Feed(element(graph, f, "feed", allow_operation=False)) for f in feeds]
        self.tensors: list[Tensor] = []  # each fetched tensor once [W10]
        self.targets: list[Operation] = []
        self.structure = type(fetches)
        self.assemble = self._walk(graph, fetches)
        fed = {f.tensor for f in self.feeds}
        if len(fed) < len(feeds):
            raise ValueError("one tensor is fed twice, under two names")
        for tensor in self.tensors:
            if tensor in fed:
                raise InvalidArgumentError(
                    tensor.op.node_def, tensor.op, f"{tensor.name!r} is both fed and fetched: you know its value"
                )
        try:
            self.quick = tuple(fetches) if type(fetches) is list else fetches
            hash(self.quick)
        except TypeError:
            self.quick = None

    @property
    def what(self) -> str:
        """What is asked for, in a few words."""
        names = [t.name for t in self.tensors] + [op.name for op in self.targets]
        return f"run({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"

    def _walk(self, graph: Graph, fetches: Any) -> Callable[[Sequence[Any]], Any]:
        """A function from the fetched tensors' values to the structure that was asked for."""
        if isinstance(fetches, (list, tuple)) and not isinstance(fetches, IndexedSlices):
            parts = [self._walk(graph, f) for f in fetches]
            kind = type(fetches)
            if hasattr(fetches, "_fields"):
                return lambda values: kind(*(part(values) for part in parts))
            return lambda values: kind([part(values) for part in parts])
        if isinstance(fetches, dict):
            named = {key: self._walk(graph, f) for key, f in fetches.items()}
            return lambda values: {key: part(values) for key, part in named.items()}
        if isinstance(fetches, IndexedSlices):
            places = [None if t is None else self._take(element(graph, t, "fetch")) for t in
                      (fetches.values, fetches.indices, fetches.dense_shape)]  # fmt: skip
            return lambda values: IndexedSlicesValue(*(None if p is None else values[p] for p in places))
        if isinstance(fetches, SparseTensor):
            three = [self._take(element(graph, t, "fetch")) for t in (fetches.indices, fetches.values, fetches.shape)]
            return lambda values: SparseTensorValue(*(values[p] for p in three))
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


def element(graph: Graph, item: Any, what: str, allow_operation: bool = True) -> Any:
    try:
        return graph.as_graph_element(item, allow_operation=allow_operation)
    except (KeyError, ValueError, TypeError) as error:
        text = error.args[0] if error.args else str(error)
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"cannot {what} {short(item)}: {text}") from None


def frozen(fetches: Any) -> Any:
    """Something hashable that is equal for equal fetches."""
    if isinstance(fetches, dict):
        return ("dict", tuple((key, frozen(f)) for key, f in fetches.items()))
    if isinstance(fetches, (list, tuple)):
        return (type(fetches), tuple(frozen(f) for f in fetches))
    return fetches
