"""In how many multiply-adds of a step the elements of each variable take part [S71].

    variable -> ... hands on ... -> product        what hands elements on as they are: views, and what OpDef.moves says
                                                   (Gather, Concat, Transpose), references, branches, loops, lists
    used(x)    = for each node that reads x: the multiply-adds of that input (OpDef.work), times the turns of its loops,
                 or what is used of the elements that it hands on, as far as they are of x
    needed(x)  = likewise the number of elements of x that are used at all, at most all of them

Next: runtime/turn_counts.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from typing import NamedTuple

from refflow.core.dtypes import resource
from refflow.core.graphdef import FunctionCall
from refflow.core.shapes import Shape, is_known
from refflow.core.shapes import text as shape_text
from refflow.runtime.contents import Contents
from refflow.runtime.costs import multiply_adds
from refflow.runtime.nodes import CONTROL_FLOW, ENTERS, MERGES, Node, StepGraph
from refflow.runtime.turn_counts import TurnCounts

Edge = tuple[Node, int]


class Count(NamedTuple):
    """parameters: of a variable. moved: those that a step needs. multiply_adds: in which they take part.

    itemsize: bytes of a parameter.
    """

    variable: str
    parameters: int
    moved: int
    multiply_adds: int
    itemsize: int


class Walk:
    """From each variable along all that hands its elements on, to the nodes that compute with them."""

    def __init__(self, step: StepGraph, turns: Mapping[str, int] | None):
        self.step, self.counts = step, TurnCounts(step, turns)
        self.users = step.readers()
        self.contents = Contents(step)
        self.put: Counter[Edge] = Counter()  # how many nodes put something into each container
        self.taken: dict[Edge, list[Edge]] = {}
        for node in step.nodes:
            self.put.update(c for i in range(len(node.inputs)) if (c := self.contents.put_by(node, i)) is not None)
            if (out := self.contents.taken_by(node)) is not None:
                self.taken.setdefault(out[0], []).append(out[1])
        self.found: dict[tuple[str, Edge], int] = {}
        self.computing: dict[Node, int] = {}  # each node that uses variables, with its multiply-adds
        self.variable = ""

    def run(self) -> list[Count]:
        """What is counted of each variable that the step uses, in the order of the graph."""
        found = [self._count(n) for n in self.step.nodes if n.op_def.family in ("Variable", "VarHandleOp")]
        return [count for count in found if count.moved]  # and not what only updates read and write

    def _count(self, node: Node) -> Count:
        self.variable, edge = node.name, (node, 0)
        shape = node.shapes[0] if node.op_def.family == "Variable" else node.attrs["shape"].as_tuple
        dtype = (node.types[0] if node.op_def.family == "Variable" else node.attrs["dtype"]).base_dtype
        if not is_known(shape):
            raise ValueError(f"variable {node.name!r} has shape {shape_text(shape)}: how many parameters is not known")
        size = prod(shape)  # type: ignore[arg-type]
        return Count(node.name, size, min(size, self._needed(edge)), self._used(edge), dtype.size)

    # -- multiply-adds ------------------------------------------------------------------------------------

    def _used(self, edge: Edge) -> int:
        """The multiply-adds in which elements of a value take part, wherever they are handed on to."""
        key = "used", edge
        if key not in self.found:
            self.found[key] = 0  # for who comes back here round a loop
            self.found[key] = sum(self._used_by(*user) for user in self.users.get(edge, ()))
        return self.found[key]

    def _used_by(self, node: Node, place: int) -> int:
        outputs, (part, whole) = self._on(node, place)
        if outputs is not None:
            return sum(self._used(out) for out in outputs) * part // whole
        return self._arithmetic(node, place)

    def _arithmetic(self, node: Node, place: int) -> int:
        """The multiply-adds of a node in a step, with elements of one of its inputs; none for a slope's."""
        if node.sends or _is_handle(node.inputs[place]) or (node.origin and node.origin.original_op is not None):
            return 0
        if any(isinstance(v, FunctionCall) for v in node.attrs.values()):
            raise self._lost(node)
        for n, port in (*node.inputs, *_outputs(node)):
            if not is_known(n.shapes[port]) and not _is_handle((n, port)):
                raise ValueError(self._open(node, n.shapes[port]))
        amount = multiply_adds(node, place)
        if not amount:
            return 0
        times = self.counts.of(node)
        self.computing[node] = multiply_adds(node) * times
        return amount * times

    # -- parameters ---------------------------------------------------------------------------------------

    def _needed(self, edge: Edge) -> int:
        """How many elements of a value are used."""
        key = "needed", edge
        if key not in self.found:
            self.found[key] = 0
            needed = sum(self._needed_by(*user) for user in self.users.get(edge, ()))
            self.found[key] = needed if _is_handle(edge) else min(needed, self._size(edge))
        return self.found[key]

    def _needed_by(self, node: Node, place: int) -> int:
        outputs, (part, whole) = self._on(node, place)
        if outputs is not None:
            needed = sum(self._needed(out) * self._turns_apart(node, out[0]) for out in outputs)
            times = self.counts.entered(node) if needed and node.type in ENTERS else 1
            return times * -(-needed * part // whole)
        return self._size(node.inputs[place]) if self._arithmetic(node, place) else 0

    def _size(self, edge: Edge) -> int:
        node, port = edge
        if not is_known(node.shapes[port]):
            raise ValueError(self._open(node, node.shapes[port]))
        return prod(node.shapes[port])  # type: ignore[arg-type]

    def _turns_apart(self, node: Node, taker: Node) -> int:
        """How often one of two nodes runs for each run of the other: elements may be taken out in a loop."""
        if taker is node or self.contents.taken_by(taker) is None:
            return 1
        return max(1, self.counts.of(taker) // max(1, self.counts.of(node)))

    # -- elements on their way ----------------------------------------------------------------------------

    def _on(self, node: Node, place: int) -> tuple[list[Edge] | None, tuple[int, int]]:
        """Where a node hands the elements of an input on to, None if it computes; and which part of what is there."""
        container = self.contents.put_by(node, place)
        if container is not None:
            if self.contents.is_opaque(container):
                raise self._lost(node)
            return self.taken.get(container, []), (1, self.put[container])
        if not _hands_on(node, place):
            return None, (1, 1)
        return list(_outputs(node)), self._share(node, place)

    def _share(self, node: Node, place: int) -> tuple[int, int]:
        """Of the elements that a node hands on, those of one input, and all: 1 of 1 where it chooses among them."""
        sources = [i for i in range(len(node.inputs)) if _hands_on(node, i)]
        if len(sources) == 1 or node.type in CONTROL_FLOW:
            return 1, 1
        sizes = {i: self._size(node.inputs[i]) for i in sources}
        joined = sum(sizes.values())
        return (sizes[place], joined) if joined == self._size((node, 0)) else (1, 1)

    def _lost(self, node: Node) -> ValueError:
        return ValueError(
            f"variable {self.variable!r} goes into {node.name!r} ({node.type}), and what becomes of it there is not "
            "followed: read it outside of functions, and of lists that others change"
        )

    # -- words --------------------------------------------------------------------------------------------

    def _open(self, node: Node, shape: Shape) -> str:
        """What is not known, and what to give for it."""
        found = ", ".join(_origins(node)) or "nothing that could be fed"
        return (
            f"how often variable {self.variable!r} is used is not known: {node.name!r} ({node.type}) has a shape "
            f"{shape_text(shape)}, which comes from {found}. Give the first size of placeholders, --batch N, or a "
            "whole shape, --shape NAME=64,784 (of a single number --shape NAME=)"
        )


def _hands_on(node: Node, place: int) -> bool:
    """Whether a node's outputs are made of the elements of an input, as they are."""
    if node.type in CONTROL_FLOW or node.op_def.view or place in node.op_def.ref_inputs:
        return place in node.op_def.ref_inputs or place == 0 or node.type in MERGES
    return bool(node.op_def.moved) and node.argument(place).name in node.op_def.moved


def _outputs(node: Node) -> Iterator[Edge]:
    return ((node, port) for port in range(1 if node.op_def.name in MERGES else len(node.types)))


def _is_handle(edge: Edge) -> bool:
    return edge[0].types[edge[1]].base_dtype is resource


def _origins(node: Node) -> list[str]:
    """The tensors from which sizes that nobody knows come to a node: of their nodes all inputs are known."""
    found, stack, seen = [], [node], set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        before = [n for n, port in node.inputs if not is_known(n.shapes[port])]
        stack += before
        for port, shape in enumerate(node.shapes):
            if not before and not is_known(shape):
                name = node.attrs["tensor_name"].partition(":")[2] if node.receives else f"{node.name}:{port}"
                found.append(f"{name} {shape_text(shape)}")
    return sorted(found)
