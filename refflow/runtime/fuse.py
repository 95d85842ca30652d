"""Fuse: chains of elementwise nodes become one node, which goes through them a block at a time.

    add -> Relu -> mul          one _Fused node: three ufuncs for each block, nothing in between is written to memory

A node joins a chain where it computes numbers of one type and one shape from that shape, from rows, columns or single
numbers, and where nothing that it waits for waits for the chain. What a chain's nodes waited for, the whole chain
waits for. Only the plan is fused, and only with fast kernels; the bits are the unfused plan's.

On a card a chain is one kernel, and one launch in place of many, so that small ones are worth it too, and comparisons,
choices and casts may be among its nodes, in float32 and in 16 bits.

Next: runtime/joins.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from refflow.core.dtypes import DType, bfloat16, float16
from refflow.core.opdef import OpDef
from refflow.core.shapes import Dims, Shape, is_known
from refflow.core.signature import Attr
from refflow.runtime.card_formulas import ENDINGS, cast_steps
from refflow.runtime.line_functions import may_not_fit
from refflow.runtime.nodes import Node, StepGraph, has_control_flow, in_order, is_back_edge
from refflow.runtime.rendezvous import paired
from refflow.runtime.structure import Structure

Edge = tuple[Node, int]

FUSED = OpDef(
    "_Fused", "inputs: Tin -> outputs: Tout", {"Tin": Attr("list(type)"), "Tout": Attr("list(type)")}, (), False, False,
    "rounded", False, False,
)  # fmt: skip
FUSED.shape(lambda context: [context.attrs["dims"]] * len(context.attrs["Tout"]))
_SMALL = 1 << 10  # elements: below, a ufunc's call costs more than what it writes
_LARGE = 1 << 19  # elements: above, a single step is worth threads
_LONGEST = 32  # steps of a chain
_OPEN = 8  # chains that a node may still join


class _Operand(NamedTuple):
    """How an input is seen by a node: its kind as in blocks.py, and the columns that it fixes, 0 for any."""

    kind: str
    columns: int


class _Part(NamedTuple):
    """A node as a part of a chain: its steps, whose operands ("in", place) are its own inputs, of these kinds.

    place: of the node in branches and loops, equal for all of a chain. product: it reads one that joins chains.
    """

    node: Node
    place: Any
    steps: list[tuple[Any, ...]]
    kinds: list[str]
    columns: int
    product: bool


class _Chain:
    """Nodes that become one."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.nodes: set[Node] = set()
        self.after: set[Node] = set()  # all that waits for the chain
        self.steps = self.columns = 0
        self.product = False

    def takes(self, part: _Part, before: set[Node]) -> bool:
        """True where the node may join: it fits, and waits for nothing that waits for the chain. Behind a product only
        what reads the chain joins: another product is to have its own.
        """
        node, first = part.node, self.parts[0].node
        if part.place != self.parts[0].place or ((self.product or part.product) and self.nodes.isdisjoint(before)):
            return False
        if node.shapes[0] != first.shapes[0] or node.device is not first.device:
            return False
        if _group(node) != _group(first):
            return False
        if self.steps + len(part.steps) > _LONGEST or len({self.columns, part.columns} - {0}) > 1:
            return False
        return before.isdisjoint(self.after)

    def add(self, part: _Part) -> None:
        self.parts.append(part)
        self.nodes.add(part.node)
        self.steps += len(part.steps)
        self.columns = max(self.columns, part.columns)
        self.product |= part.product

    def is_worth_it(self, readers: dict[Node, list[Node]]) -> bool:
        """Whether it is quicker than its nodes. One node is: on a CPU a large one, over threads; on a card behind a
        product (runtime/joins.py) or before a reduction (runtime/endings.py)."""
        node = self.parts[0].node
        if node.device.type != "cpu":
            return len(self.parts) > 1 or self.product or any(r.type in ENDINGS for r in readers.get(node, ()))
        return self.steps > 1 or _count(self.parts[0].node.shapes[0] or ()) >= _LARGE

    def waits_for(self, before: set[Node]) -> bool:
        """True where one of `before` is in the chain or waits for it."""
        return not (before.isdisjoint(self.nodes) and before.isdisjoint(self.after))


def fuse(step: StepGraph) -> StepGraph:
    """`step` with its chains as single nodes; in branches and loops a chain is of nodes that run together."""
    step = step.copy()
    senders = paired(step.nodes)
    together = run_together(step.nodes, senders)
    chains: list[_Chain] = []
    for node in step.nodes:
        before = {n for n, _ in node.inputs if not is_back_edge(n, node)} | {*node.controls, *senders.get(node, ())}
        part = _part(node, together(node))
        open_chains = chains[-_OPEN:]
        home = None
        if part is not None:
            home = next((c for c in reversed(open_chains) if c.takes(part, before)), None)
            if home is None:
                home = _Chain()
                chains.append(home)
            home.add(part)
        for chain in open_chains:
            if chain is not home and chain.waits_for(before | (home.nodes if home else set())):
                chain.after |= {node} if home is None else home.nodes | home.after
    readers: dict[Node, list[Node]] = {}
    for node in step.nodes:
        for producer, _ in node.inputs:
            readers.setdefault(producer, []).append(node)
    _rewrite(step, [c for c in chains if c.is_worth_it(readers)], readers)
    return step


def run_together(nodes: list[Node], senders: dict[Node, list[Node]]) -> Callable[[Node], Any]:
    """A function that gives the same for two nodes that both run, or both do not, in each turn of each loop."""
    if not has_control_flow(nodes):
        return lambda node: None
    structure = Structure(nodes, {receive: send for receive, (send,) in senders.items()})
    return structure.place_of


# -- what a node is to a chain ------------------------------------------------------------------------------------


def _part(node: Node, place: Any) -> _Part | None:
    """The node's steps and how it sees its inputs, or None where it is not elementwise in the sense of the page."""
    types = _group(node)
    if types is None:
        return None
    steps = _steps(node)
    shape = node.shapes[0]
    least = _SMALL if node.device.type == "cpu" else 1
    if steps is None or not is_known(shape) or _count(shape or ()) < least or may_not_fit(node):
        return None
    operands = []
    for producer, port in node.inputs:
        operand = _operand(producer.shapes[port], shape or ())
        if operand is None or producer.types[port].base_dtype not in types:
            return None
        operands.append(operand)
    columns = {o.columns for o in operands} - {0}
    if len(columns) > 1 or not any(o.kind == "whole" for o in operands):
        return None
    product = any(node.device.joins(producer) for producer, _ in node.inputs)
    return _Part(node, place, steps, [o.kind for o in operands], max(columns, default=0), product)


def _group(node: Node) -> tuple[DType, ...] | None:
    """The types that may be in one chain with the node's value."""
    if node.device is None or len(node.types) != 1:
        return None
    return next((group for group in node.device.chained if node.types[0] in group), None)


def _steps(node: Node) -> list[tuple[Any, ...]] | None:
    """One ufunc each; an operand is ("in", place), ("step", number) or a number.

    A chain on a card computes in float32. What a node of a shorter type gives is rounded, as its own kernel does.
    """
    found = _plain_steps(node)
    if found is None or node.device.type == "cpu" or node.types[0] not in (float16, bfloat16):
        return found
    return [*found, (f"as_{node.types[0].name}", ("step", len(found) - 1))]


def _plain_steps(node: Node) -> list[tuple[Any, ...]] | None:
    if node.type == "Cast" and node.device.type != "cpu":
        return cast_steps(node.attrs["SrcT"], node.types[0], node.attrs["Truncate"])
    if node.type == "Select" and node.inputs[0][0].shapes[node.inputs[0][1]] == node.shapes[0]:
        return [("where", ("in", 0), ("in", 1), ("in", 2))]
    formula = node.device.formula(node.op_def, node.attrs)
    if formula is None or not formula.steps:
        return None
    places = {name: ("in", i) for i, name in enumerate(formula.parameters)}
    return [(name, *(places.get(o, o) if isinstance(o, str) else o for o in given)) for name, *given in formula.steps]


def _count(dims: Any) -> int:
    """How many elements there are; of shapes that are known."""
    return prod(dims)


def _operand(given: Shape, shape: Dims) -> _Operand | None:
    """How an input of shape `given` looks to a result of shape `shape`."""
    if given is None:
        return None
    if given == shape:
        return _Operand("whole", 0)
    if _count(given) == 1 and len(given) <= len(shape):
        return _Operand("one", 0)
    stripped = given[next((i for i, d in enumerate(given) if d != 1), len(given)) :]
    if stripped == shape[len(shape) - len(stripped) :]:
        return _Operand("row", _count(stripped))
    ones = next((i for i, d in enumerate(reversed(given)) if d != 1), 0)
    if len(given) == len(shape) and given[: len(given) - ones] == shape[: len(shape) - ones]:
        return _Operand("column", _count(shape[len(shape) - ones :]))
    return None


# -- the new graph ------------------------------------------------------------------------------------------------


def _rewrite(step: StepGraph, chains: list[_Chain], readers: dict[Node, list[Node]]) -> None:
    made: list[tuple[set[Node], list[Edge], Node]] = []
    for chain in chains:
        wanted = [p.node for p in chain.parts if any(r not in chain.nodes for r in readers.get(p.node, ()))]
        wanted = wanted or [chain.parts[-1].node]  # that it runs may be all that was asked for
        made.append((chain.nodes, [(node, 0) for node in wanted], _fused(chain, wanted)))
    replace(step, made)


def replace(step: StepGraph, made: Sequence[tuple[set[Node], list[Edge], Node]]) -> None:
    """Puts each new node in the place of some others; these values of theirs are its outputs."""
    now: dict[Node, Node] = {}
    edges: dict[Edge, Edge] = {}
    for nodes, wanted, new in made:
        now |= dict.fromkeys(nodes, new)
        edges |= {edge: (new, port) for port, edge in enumerate(wanted)}
    step.nodes = [n for n in step.nodes if n not in now] + [new for _, _, new in made]
    for node in step.nodes:
        node.inputs = [edges.get(e, e) for e in node.inputs]
        node.controls = [n for n in dict.fromkeys(now.get(c, c) for c in node.controls) if n is not node]
    step.targets = list(dict.fromkeys(now.get(n, n) for n in step.targets))
    step.nodes = in_order(step.nodes, paired(step.nodes))


def _last_read(steps: list[tuple[Any, ...]], place: int) -> int:
    """The last step that reads an input: a result that is written then or later may lie in the input's memory."""
    return max(number for number, step in enumerate(steps) if ("in", place) in step[1:])


def _fused(chain: _Chain, wanted: list[Node]) -> Node:
    """The chain's node, with an output for each value that others read."""
    places: dict[tuple[Edge, str], int] = {}
    steps: list[tuple[Any, ...]] = []
    results: dict[Node, int] = {}  # the step that gives a node's value
    for part in chain.parts:
        shift = len(steps)
        for name, *operands in part.steps:
            renamed: list[Any] = []
            for operand in operands:
                if not isinstance(operand, tuple):
                    renamed.append(operand)
                elif operand[0] == "step":
                    renamed.append(("step", operand[1] + shift))
                elif part.node.inputs[operand[1]][0] in results:
                    renamed.append(("step", results[part.node.inputs[operand[1]][0]]))
                else:
                    key = (part.node.inputs[operand[1]], part.kinds[operand[1]])
                    renamed.append(("in", places.setdefault(key, len(places))))
            steps.append((name, *renamed))
        results[part.node] = len(steps) - 1
    last = chain.parts[-1].node
    size, columns = _count(last.shapes[0] or ()), chain.columns or 1
    outputs = [results[node] for node in wanted]
    blocks = (steps, [kind for _, kind in places], outputs, size // columns, columns, last.types[0].as_numpy_dtype)
    inputs = [edge for edge, _ in places]
    types = [n.types[0] for n in wanted]
    attrs = {"Tin": [n.types[p] for n, p in inputs], "Tout": types, "blocks": blocks, "dims": last.shapes[0],
             "members": [part.node for part in chain.parts],
             "last reads": [_last_read(steps, place) for place in range(len(places))]}  # fmt: skip
    node = Node(
        last.id, last.name, FUSED, attrs, inputs,
        list(dict.fromkeys(c for part in chain.parts for c in part.node.controls)), types,
        [n.shapes[0] for n in wanted], last.request, last.origin,
    )  # fmt: skip
    node.device = last.device
    return node
