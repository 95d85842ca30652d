"""Lists without loops: where every change to a list is known, who takes an element out takes it from who put it in.

    push(push([], a), b) -> pop: b          set([_, _], 1, a) -> get 1: a          stack([a, b]) -> Pack(a, b)

A loop's turns hand lists on to one another, and to its gradient's: each is a value, of which it is known here what is
in it, as long as its beginning, its indices and its length are constants. What is only read through a list then needs
none; lists that somebody else reads, as a fetch does, stay beside it. Elements that nobody has set are zeros. What the
ops would refuse, as an index out of range, is left to them.

Next: runtime/unrolled_arrays.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import DType, variant
from refflow.core.registry import op_def
from refflow.core.shapes import Shape, compatible, is_known
from refflow.runtime.nodes import CONTROL_FLOW, SAME, Node, StepGraph, in_order, led_past
from refflow.runtime.optimise import constant, is_pure, keep_needed, known_outputs, known_value
from refflow.runtime.sharpen import sharpen
from refflow.runtime.structure import Edge


class _List(NamedTuple):
    """What is in a list: where each element comes from, None for one that is not set; and the shape that all have."""

    items: tuple[Edge | None, ...]
    dims: Shape
    dtype: DType


def take_lists_apart(step: StepGraph) -> None:
    """Changes `step`: what is taken out of known lists comes from where it was made."""
    _Lists(step).look()
    step.nodes = in_order(step.nodes)
    _wait_for_others(step)
    keep_needed(step)


def _wait_for_others(step: StepGraph) -> None:
    """Leads what only computes past what only computes, or makes lists: it waits for what those wait for."""
    past: dict[Node, list[Node]] = {}
    for node in step.nodes:
        if _computes(node):
            node.controls = led_past(node.controls, past)
            past[node] = led_past([*node.controls, *(n for n, _ in node.inputs)], past)


def _computes(node: Node) -> bool:
    is_list_op = variant in (*node.types, *(n.types[port] for n, port in node.inputs))
    return (is_pure(node) or is_list_op) and not any(n.type in CONTROL_FLOW for n, _ in node.inputs)


class Parts:
    """New nodes of a step that take values apart and put them together, where the parts are."""

    def __init__(self, step: StepGraph):
        self.step = step

    def add(self, op_type: str, attrs: dict[str, Any], inputs: list[Edge], shapes: list[Shape], like: Node) -> Node:
        types = [attrs["T"]] * len(shapes)
        node = self.step.add(f"{like.name}/{op_type}", op_def(op_type), attrs, inputs, types, shapes, like)
        cards = (n.device for n, _ in inputs if n.device.type != "cpu" and n.device.supports(node.op_def, attrs))
        node.device = next(cards, like.device)
        return node

    def constant(self, value: Any, dtype: DType, like: Node) -> Edge:
        value = np.asarray(value, dtype.as_numpy_dtype)
        attrs = {"value": value, "dtype": dtype}
        return self.step.add(f"{like.name}/Const", op_def("Const"), attrs, [], [dtype], [value.shape], like), 0

    def rows(self, edge: Edge, dtype: DType, like: Node) -> list[Edge] | None:
        """What lies on the first axis, if it is known how many."""
        tensor, port = edge
        shape = tensor.shapes[port]
        if not is_known(shape) or not shape:
            return None
        if tensor.type == "Pack" and tensor.attrs["axis"] == 0:
            return list(tensor.inputs)
        attrs, count = {"T": dtype, "num": shape[0], "axis": 0}, int(shape[0] or 0)
        rows = self.add("Unpack", attrs, [edge], [shape[1:]] * count, like)
        return [(rows, i) for i in range(count)]

    def whole(self, items: Sequence[Edge | None], dims: Shape, dtype: DType, like: Node) -> Edge | None:
        """All on a new first axis, zeros for None, if there is at least one and their shape is known."""
        shapes = [n.shapes[port] for n, port in filter(None, items)]
        shape = shapes[0] if shapes else dims
        if not items or not is_known(shape) or any(s != shape for s in shapes):
            return None
        zeros = self.constant(np.zeros(shape), dtype, like) if None in items else None
        inputs: list[Any] = [item or zeros for item in items]
        attrs = {"T": dtype, "N": len(items), "axis": 0}
        return self.add("Pack", attrs, inputs, [(len(items), *(shape or ()))], like), 0

    def total(self, terms: Sequence[Edge], dtype: DType, like: Node) -> Edge:
        if len(terms) == 1:
            return terms[0]
        node, port = terms[0]
        return self.add("AddN", {"T": dtype, "N": len(terms)}, list(terms), [node.shapes[port]], like), 0


class _Lists(Parts):
    def __init__(self, step: StepGraph):
        super().__init__(step)
        self._known: dict[Edge, _List] = {}
        self._now: dict[Edge, Edge] = {}  # for what was taken out of a list, where it comes from

    def look(self) -> None:
        for node in list(self.step.nodes):
            node.inputs = [self._now.get(edge, edge) for edge in node.inputs]
            self._node(node)

    def _node(self, node: Node) -> None:
        make, read = _MAKES.get(node.type), _READS.get(node.type)
        if node.type in SAME and node.inputs[0] in self._known:
            self._known[node, 0] = self._known[node.inputs[0]]
        elif make is not None and (made := make(self, node)) is not None:
            self._known[node, 0] = made
        elif read is not None and node.inputs[0] in self._known:
            read(self, node, self._known[node.inputs[0]])
        elif node.types:
            self._fold(node)

    def _fold(self, node: Node) -> None:
        """What has become known with the lists."""
        sharpen(node)
        for port, value in enumerate(known_outputs(node) or ()):
            if value is not None:
                made = constant(self.step, node, port, value)
                made.device = node.device
                self.step.nodes.append(made)
                self._now[node, port] = made, 0

    # -- what makes and changes lists ---------------------------------------------------------------------

    def _empty(self, node: Node) -> _List | None:
        dims, most = map(known_value, node.inputs)
        if dims is None or most is None or most != -1:
            return None
        return _List((), _dims(dims), node.attrs["element_dtype"])

    def _reserve(self, node: Node) -> _List | None:
        dims, count = map(known_value, node.inputs)
        if dims is None or count is None or count.ndim or count < 0:
            return None
        return _List((None,) * int(count), _dims(dims), node.attrs["element_dtype"])

    def _from_tensor(self, node: Node) -> _List | None:
        (tensor, port), dims = node.inputs[0], known_value(node.inputs[1])
        found = None if dims is None else _List((), _dims(dims), node.attrs["element_dtype"])
        if found is None or not compatible(found.dims, (tensor.shapes[port] or (None,))[1:]):
            return None
        rows = self.rows(node.inputs[0], found.dtype, node)
        return None if rows is None else found._replace(items=tuple(rows))

    def _push(self, node: Node) -> _List | None:
        found = self._known.get(node.inputs[0])
        if found is None or not _fits(node.inputs[1], found):
            return None
        return found._replace(items=(*found.items, node.inputs[1]))

    def _set(self, node: Node) -> _List | None:
        found, index = self._known.get(node.inputs[0]), known_value(node.inputs[1])
        if found is None or index is None or not _fits(node.inputs[2], found):
            return None
        if not 0 <= index < len(found.items):
            return None
        at = int(index)
        return found._replace(items=(*found.items[:at], node.inputs[2], *found.items[at + 1 :]))

    def _resize(self, node: Node) -> _List | None:
        found, size = self._known.get(node.inputs[0]), known_value(node.inputs[1])
        if found is None or size is None or size < 0:
            return None
        return found._replace(items=(*found.items, *(None,) * int(size))[: int(size)])

    def _zeros_like(self, node: Node) -> _List | None:
        found = self._known.get(node.inputs[0])
        return None if found is None else found._replace(items=(None,) * len(found.items))

    def _sum(self, node: Node) -> _List | None:
        lists = [self._known.get(edge) for edge in node.inputs]
        if any(x is None for x in lists) or len({len(x.items) for x in lists if x}) != 1:
            return None
        known = [x for x in lists if x is not None]
        items: list[Edge | None] = []
        for column in zip(*(x.items for x in known), strict=True):
            terms = [edge for edge in column if edge is not None]
            items.append(self.total(terms, known[0].dtype, node) if terms else None)
        return known[0]._replace(items=tuple(items))

    # -- what reads them ----------------------------------------------------------------------------------

    def _pop(self, node: Node, found: _List) -> None:
        if found.items and self._take(node, 1, found, found.items[-1], node.inputs[1]):
            self._known[node, 0] = found._replace(items=found.items[:-1])

    def _get(self, node: Node, found: _List) -> None:
        index = known_value(node.inputs[1])
        if index is not None and not index.ndim and 0 <= index < len(found.items):
            self._take(node, 0, found, found.items[int(index)], node.inputs[2])

    def _stack(self, node: Node, found: _List) -> None:
        dims, number = known_value(node.inputs[1]), node.attrs["num_elements"]
        if dims is not None and number in (-1, len(found.items)):
            self._pack(node, found, list(found.items), _dims(dims))

    def _gather(self, node: Node, found: _List) -> None:
        indices, dims = known_value(node.inputs[1]), known_value(node.inputs[2])
        if indices is not None and dims is not None and all(0 <= i < len(found.items) for i in indices.ravel()):
            self._pack(node, found, [found.items[int(i)] for i in indices], _dims(dims))

    def _length(self, node: Node, found: _List) -> None:
        self._now[node, 0] = self.constant(len(found.items), node.types[0], node)

    def _shape(self, node: Node, found: _List) -> None:
        dims = -1 if found.dims is None else [-1 if d is None else d for d in found.dims]
        self._now[node, 0] = self.constant(dims, node.types[0], node)

    def _take(self, node: Node, port: int, found: _List, item: Edge | None, asked: Edge) -> bool:
        """Whether one element could be had."""
        dims = known_value(asked)
        if item is None:
            shape = _both(found.dims, None if dims is None else _dims(dims))
            if not is_known(shape):
                return False
            item = self.constant(np.zeros(shape), found.dtype, node)
        if dims is None or not compatible(_dims(dims), item[0].shapes[item[1]]):
            return False
        self._now[node, port] = item
        return True

    def _pack(self, node: Node, found: _List, items: list[Edge | None], dims: Shape) -> None:
        shapes = [n.shapes[port] for n, port in filter(None, items)]
        if all(compatible(dims, shape) for shape in shapes):
            whole = self.whole(items, _both(found.dims, dims), found.dtype, node)
            if whole is not None:
                self._now[node, 0] = whole


def _dims(value: Any) -> Shape:
    """A shape as lists' ops are given it: -1 for an unknown size, a scalar -1 for an unknown rank."""
    return None if value.ndim == 0 else tuple(None if d < 0 else int(d) for d in value)


def _both(a: Shape, b: Shape) -> Shape:
    return a if is_known(a) else b


def _fits(edge: Edge, found: _List) -> bool:
    shape = edge[0].shapes[edge[1]]
    return is_known(shape) and compatible(found.dims, shape) and edge[0].types[edge[1]] is found.dtype


def _of_lists(make: Callable[[_Lists, Node], _List | None]) -> Callable[[_Lists, Node], _List | None]:
    return lambda lists, node: make(lists, node) if node.attrs["T"] is variant else None


_MAKES: dict[str, Callable[[_Lists, Node], _List | None]] = {
    "EmptyTensorList": _Lists._empty, "TensorListReserve": _Lists._reserve, "TensorListFromTensor": _Lists._from_tensor,
    "TensorListPushBack": _Lists._push, "TensorListSetItem": _Lists._set,
    "TensorListResize": _Lists._resize,
    "ZerosLike": _of_lists(_Lists._zeros_like), "AddN": _of_lists(_Lists._sum),
}  # fmt: skip
_READS: dict[str, Callable[[_Lists, Node, _List], None]] = {
    "TensorListPopBack": _Lists._pop, "TensorListGetItem": _Lists._get, "TensorListStack": _Lists._stack,
    "TensorListGather": _Lists._gather, "TensorListLength": _Lists._length,
    "TensorListElementShape": _Lists._shape,
}  # fmt: skip
