"""The shapes of what stacks, lists and arrays hold: of all that is ever put into one, as far as they agree [W43].

    handle or list -> Enter -> Merge -> Switch -> push -> NextIteration ...        one and the same, with what it holds

Edges that stand for one container, or for the lists that come from one another by changes, are joined; what is put at
any of them decides what comes out at any other. An op that is not known to leave the contents alone ends what is known.

Next: runtime/sharpen.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.elements import Elements
from refflow.core.shapes import Shape
from refflow.runtime.nodes import CONTROL_FLOW, MERGES, SAME, Node, StepGraph

Edge = tuple[Node, int]


def common(a: Shape, b: Shape) -> Shape:
    """What two shapes agree in."""
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple(x if x == y else None for x, y in zip(a, b, strict=True))


class Contents:
    """What is known of the containers of a step, from the shapes that its nodes had when they were last looked at."""

    def __init__(self, step: StepGraph):
        self._parent: dict[Edge, Edge] = {}
        self._shapes: dict[Edge, Shape] = {}  # by root; absent where nothing is put
        self._opaque: set[Edge] = set()  # roots of which nothing is known
        self._numbers: dict[Edge, int | None] = {}  # of elements, by root; None where it changes
        for node in step.nodes:
            self._join(node)
        self._users = [(n, n.op_def.elements) for n in step.nodes if n.op_def.elements is not None]
        for node in step.nodes:
            if node.op_def.elements is None and node.type not in CONTROL_FLOW | SAME:
                self._opaque |= {self._root(e) for e in (*node.inputs, *_outputs(node)) if _holds(e)}
        self.look()

    def look(self) -> None:
        """Takes in the shapes that the nodes have now; who is joined with whom does not depend on them."""
        self._shapes.clear()
        self._numbers.clear()
        for node, elements in self._users:
            self._note(node, elements)

    def taken(self) -> dict[Node, dict[int, Shape]]:
        """For each node that takes an element out: the output, and its shape where something is known of it."""
        found: dict[Node, dict[int, Shape]] = {}
        for node, elements in self._users:
            if elements.take is None and elements.stack is None:
                continue
            root = self._root(node.inputs[0])
            shape = self._shapes.get(root)
            if root in self._opaque or shape is None:
                continue
            if elements.take is not None:
                found[node] = {elements.take: shape}
            elif elements.stack is not None:
                found[node] = {elements.stack: (self._numbers.get(root), *shape)}
        return found

    def put_by(self, node: Node, place: int) -> Edge | None:
        """What stands for the container that an input is put into, as an element or row by row; None elsewhere."""
        elements = node.op_def.elements
        if elements is None or place not in (elements.put, elements.rows):
            return None
        return self._root((node, 0) if place == 0 else node.inputs[0])

    def taken_by(self, node: Node) -> tuple[Edge, Edge] | None:
        """What stands for the container that a node takes elements out of, and the output that they are."""
        elements = node.op_def.elements
        if elements is None or not node.inputs or (elements.take is None and elements.stack is None):
            return None
        port = elements.stack if elements.take is None else elements.take
        return self._root(node.inputs[0]), (node, port or 0)

    def is_opaque(self, container: Edge) -> bool:
        """Whether an op that is not known does something with a container."""
        return container in self._opaque

    def _root(self, edge: Edge) -> Edge:
        while self._parent.get(edge, edge) != edge:
            edge = self._parent[edge]
        return edge

    def _joined(self, a: Edge, b: Edge) -> None:
        self._parent[self._root(a)] = self._root(b)

    def _join(self, node: Node) -> None:
        if node.type in CONTROL_FLOW | SAME:
            for edge in node.inputs if node.type in MERGES else node.inputs[:1]:
                if _holds(edge):
                    for port in range(1 if node.type in MERGES else len(node.types)):
                        self._joined(edge, (node, port))
        elif node.op_def.elements is not None and all(map(_holds, [*node.inputs[:1], *_outputs(node)[:1]])):
            for edge in node.inputs[:1]:
                self._joined(edge, (node, 0))

    def _note(self, node: Node, elements: Elements) -> None:
        self._count(node, elements)
        for place, first in ((elements.put, 0), (elements.rows, 1)):
            if place is not None:
                producer, port = node.inputs[place]
                shape = producer.shapes[port]
                root = self._root((node, 0) if place == 0 else node.inputs[0])
                self._put(root, None if shape is None else shape[first:])

    def _count(self, node: Node, elements: Elements) -> None:
        """Notes how many elements a node makes a list of, or that it changes their number."""
        if elements.number is not None:
            producer, port = node.inputs[elements.number]
            number = None
            if elements.number == elements.rows:
                number = (producer.shapes[port] or (None,))[0]
            elif producer.type == "Const" and producer.attrs["value"].ndim == 0:
                number = int(producer.attrs["value"])
            root = self._root((node, 0))
            self._numbers[root] = number if self._numbers.get(root, number) == number else None
        elif elements.recounts or node.attrs.get("resize_if_index_out_of_bounds"):
            self._numbers[self._root((node, 0) if not node.inputs else node.inputs[0])] = None

    def _put(self, root: Edge, shape: Shape) -> None:
        self._shapes[root] = shape if root not in self._shapes else common(self._shapes[root], shape)


def _outputs(node: Node) -> list[Edge]:
    return [(node, port) for port in range(len(node.types))]


def _holds(edge: Edge) -> bool:
    """True for what may stand for a container: a handle, a list, or a reference to a string."""
    dtype: Any = edge[0].types[edge[1]]
    return dtype.kind == "r" or (dtype.is_ref_dtype and dtype.kind == "s")
