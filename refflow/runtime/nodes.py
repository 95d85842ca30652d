"""The graph of one step: what each stage of run() takes and gives.

    prune -> optimise -> place -> partition -> executable          each a function from StepGraph to StepGraph

A `Node` is a copy of an operation's description that the stages may rewire; the client's graph is never
touched. Stages add nodes of their own: feeds and fetches, constants found by folding, sends and receives.

Invariants: nodes are in an order in which every node comes after those it waits for; `id` is the id of
the operation in the client's graph, and nodes that a stage adds count on from there, so that two runs of
one program number their nodes alike.

Next: runtime/prune.py.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

from refflow.core.dtypes import DType
from refflow.core.errors import BugError
from refflow.core.graph import Operation
from refflow.core.graphdef import GraphDef, NodeDef
from refflow.core.opdef import OpDef
from refflow.core.shapes import Shape
from refflow.core.signature import Arg

# Op types that decide which nodes run, and how often: the executor knows them by name.
SWITCHES = frozenset(("Switch", "RefSwitch"))
MERGES = frozenset(("Merge", "RefMerge"))
ENTERS = frozenset(("Enter", "RefEnter"))
EXITS = frozenset(("Exit", "RefExit"))
NEXTS = frozenset(("NextIteration", "RefNextIteration"))
CONTROL_FLOW = SWITCHES | MERGES | ENTERS | EXITS | NEXTS
SAME = frozenset(("Identity", "StopGradient", "PreventGradient"))  # whose output is their input


def is_back_edge(producer: Node, user: Node) -> bool:
    """True for a loop's way back: the edge from a NextIteration to the Merge before it."""
    return producer.type in NEXTS and user.type in MERGES


def frame_behind(node: Node, inside: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the loops that the outputs of `node` are in, where its inputs are inside those named first."""
    if node.type in ENTERS:
        return (*inside, node.attrs["frame_name"])
    return inside[:-1] if node.type in EXITS else inside


class Node:
    """One node of a step."""

    __slots__ = (
        "attrs", "controls", "device", "id", "inputs", "name", "op_def", "origin", "request", "shapes", "types",
    )  # fmt: skip

    def __init__(
        self,
        id: int,
        name: str,
        op_def: OpDef,
        attrs: dict[str, Any],
        inputs: list[tuple[Node, int]],
        controls: list[Node],
        types: list[DType],
        shapes: list[Shape],
        request: str = "",
        origin: Operation | None = None,
    ):
        self.id = id
        self.name = name
        self.op_def = op_def
        self.attrs = attrs
        self.inputs = inputs  # (producer, its port)
        self.controls = controls  # nodes that finish before this one starts [W03]
        self.types = types
        self.shapes = shapes
        self.request = request  # the device name that the user asked for
        self.origin = origin  # the client's operation, for messages
        self.device: Any = None  # set by place

    @property
    def type(self) -> str:
        return self.op_def.name

    @property
    def sends(self) -> bool:
        """True for a _Send, or its form for host memory."""
        return self.op_def.family == "_Send"

    @property
    def receives(self) -> bool:
        """True for a _Recv, or its form for host memory."""
        return self.op_def.family == "_Recv"

    @property
    def node_def(self) -> NodeDef:
        data = [f"{n.name}:{port}" if port else n.name for n, port in self.inputs]
        device = self.request if self.device is None else self.device.name
        return NodeDef(self.name, self.type, data + [f"^{n.name}" for n in self.controls], device, self.attrs)

    def argument(self, place: int) -> Arg:
        """What the op's signature says of the input at that place."""
        for argument in self.op_def.inputs:
            place -= self.op_def.length(argument, self.attrs)
            if place < 0:
                return argument
        raise BugError(f"{self.name!r} has more inputs than {self.op_def.signature} names")

    def takes_by_handle(self, place: int) -> bool:
        """True where the kernel gets the state behind an input itself, and no value is read."""
        return self.op_def.by_handle and self.argument(place).is_ref

    def copy(self) -> Node:
        """This node without its edges."""
        twin = Node(
            self.id,
            self.name,
            self.op_def,
            self.attrs,
            [],
            [],
            self.types,
            list(self.shapes),
            self.request,
            self.origin,
        )
        twin.device = self.device
        return twin

    def __repr__(self) -> str:
        return f"<Node {self.id} {self.name!r} {self.type}>"


Readers = dict[tuple[Node, int], list[tuple[Node, int]]]


class StepGraph:
    """The nodes of one step, in an order in which they could run."""

    def __init__(self, nodes: list[Node], next_id: int, feeds: list[Node], fetches: list[Node], targets: list[Node]):
        self.nodes = nodes
        self.next_id = next_id
        self.feeds = feeds  # _Recv nodes, in the order of the feeds
        self.fetches = fetches  # _Send nodes, in the order of the fetches
        self.targets = targets  # nodes that are to run though no value of theirs is fetched

    def copy(self) -> StepGraph:
        renamed = {n: n.copy() for n in self.nodes}
        for node, twin in renamed.items():  # loops lead back, so all copies come before the edges
            twin.inputs = [(renamed[n], port) for n, port in node.inputs]
            twin.controls = [renamed[n] for n in node.controls]
        nodes = list(renamed.values())
        ends = ([renamed[n] for n in group] for group in (self.feeds, self.fetches, self.targets))
        return StepGraph(nodes, self.next_id, *ends)

    def add(
        self, name: str, op_def: OpDef, attrs: dict[str, Any], inputs: list[tuple[Node, int]], types: list[DType],
        shapes: list[Shape], like: Node,
    ) -> Node:  # fmt: skip
        """A new node at the end, which stands for part of what `like` is asked to do, on its device."""
        node = Node(self.take_id(), name, op_def, attrs, inputs, [], types, shapes, like.request, like.origin)
        node.device = like.device
        self.nodes.append(node)
        return node

    def readers(self) -> Readers:
        """Who reads each value, and as which input."""
        found: Readers = {}
        for node in self.nodes:
            for place, edge in enumerate(node.inputs):
                found.setdefault(edge, []).append((node, place))
        return found

    def take_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def graph_def(self) -> GraphDef:
        return GraphDef([n.node_def for n in self.nodes])

    def __str__(self) -> str:
        return "\n".join(f"{n.id:5d}  {n.node_def.summary()}" for n in self.nodes)


def has_control_flow(nodes: Iterable[Node]) -> bool:
    """True where a step needs more than to run each of its nodes once."""
    return any(n.type in CONTROL_FLOW for n in nodes)


def changes_variables(node: Node) -> bool:
    """True for what stores into a variable: by a reference, or by a handle and without any output."""
    handle = node.inputs and node.inputs[0][0].op_def.family == "VarHandleOp" and not node.types
    return bool(node.op_def.ref_inputs or handle)


def led_past(nodes: list[Node], past: dict[Node, list[Node]]) -> list[Node]:
    """`nodes`, each that is in `past` by those it is replaced with: control edges lead past what is not there."""
    return list(dict.fromkeys(m for n in nodes for m in past.get(n, [n])))


def in_order(
    nodes: Iterable[Node], edges: dict[Node, list[Node]] | None = None, changes_last: bool = False
) -> list[Node]:
    """`nodes` sorted so that each comes after what it waits for; among the free ones constants, then the lowest id.

    A constant costs nothing, and who waits for one that a stage added shall not fall behind for its high id.
    edges: further predecessors, as a receive waits for its send. changes_last: among the free ones, those that change
    variables come last, so that what may read before a change does, and before them those that may have to wait for
    somebody. Raises ValueError on a cycle [W01].
    """
    nodes = list(nodes)
    edges = edges or {}
    waits = [0] * len(nodes)  # how many edges from nodes that are not yet in the order
    users: dict[Node, list[int]] = {n: [] for n in nodes}  # by their places, one for each edge
    for at, node in enumerate(nodes):
        before = [n for n, _ in node.inputs]
        if node.type in MERGES:
            before = [n for n in before if not is_back_edge(n, node)]
        for n in (*before, *node.controls, *edges.get(node, ())):
            if n in users:
                users[n].append(at)
                waits[at] += 1

    def key(at: int) -> tuple[int, int, int]:
        node = nodes[at]
        late = 2 * changes_variables(node) + node.op_def.waits if changes_last else 0
        return late, -1 if node.type == "Const" else node.id, at

    free = [key(at) for at, count in enumerate(waits) if not count]
    heapq.heapify(free)
    found = []
    while free:
        node = nodes[heapq.heappop(free)[2]]
        found.append(node)
        for at in users[node]:
            waits[at] -= 1
            if not waits[at]:
                heapq.heappush(free, key(at))
    if len(found) < len(nodes):
        stuck = ", ".join(n.name for n, count in zip(nodes, waits, strict=True) if count)[:200]
        raise ValueError(f"these nodes wait for each other in a circle: {stuck}")
    return found
