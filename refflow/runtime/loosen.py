"""Loosen: constants wait for nobody, nodes that only pass values on are gone, and nobody waits for what cannot matter.

    x -> Identity -> Relu, which waits for a shape          x -> Relu

What stands between a node and what it could be one with, or makes it wait for that by a second way, would keep fuse,
and all rewrites behind it, from their work. What a node really waits for is what may fail, and what reads or changes
something; of all else it waits for what that is made of. Steps with branches or loops are left as they are.

Next: runtime/fuse.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from refflow.runtime.nodes import SAME, Node, StepGraph, has_control_flow, in_order
from refflow.runtime.optimise import cannot_fail, is_pure
from refflow.runtime.products import waits_of
from refflow.runtime.rendezvous import paired


def free_constants(step: StepGraph) -> StepGraph:
    """`step` with constants that wait for nobody: who reads one waits for what it waited for.

    A constant that was folded waits for what it was made of, which would keep its reader out of their chain. Where that
    is a value that only depends on others, its reader waits for those.
    """
    if has_control_flow(step.nodes):
        return step
    step = step.copy()
    waits: dict[Node, list[Node]] = {}
    behind = _Behind()
    for node in step.nodes:
        read = [n for n, _ in node.inputs if n in waits]
        found = dict.fromkeys(c for n in read for c in waits[n])
        found |= dict.fromkeys(c for n in node.controls for c in waits.get(n, [n]))
        node.controls = list(found)
        if node.type == "Const" and node not in step.targets:
            waits[node] = behind.nodes(node.controls)
            node.controls = []
        behind.add(node)
    return step


def skip_identities(step: StepGraph) -> StepGraph:
    """`step` without nodes that only pass values on, which would stand between a node and what it could be one with.

    Who read one reads what it read, and waits for what it waited for. So gradients wait for each other, by a node that
    waits for all of an operation's; of those that only depend on others, these are waited for in their place.
    """
    if has_control_flow(step.nodes):
        return step
    step = step.copy()
    passing = [n for n in step.nodes if n.type in SAME and n not in step.targets and _passes_on_here(n)]
    source = {n: n.inputs[0] for n in passing}
    gone = {n: [n.inputs[0][0], *n.controls] for n in passing}
    step.nodes = [n for n in step.nodes if n not in source]
    for node in step.nodes:
        late: list[Node] = []
        for place, edge in enumerate(node.inputs):
            while edge[0] in source:
                late += edge[0].controls
                edge = source[edge[0]]
            node.inputs[place] = edge
        node.controls = list(dict.fromkeys(waits_of([*node.controls, *late], gone)))
    _loosen(step.nodes)
    return step


def _loosen(nodes: list[Node]) -> None:
    """Lets nodes wait only for what matters, and for that once: not for what another one waits for that they need."""
    behind = _Behind()
    before: dict[Node, int] = {}  # all that a node waits for and itself, as bits
    for number, node in enumerate(in_order(nodes, paired(nodes))):
        bits = 1 << number
        for producer, _ in node.inputs:
            bits |= before[producer]
        controls = []
        for waited in behind.nodes(node.controls):
            if before[waited] & ~bits:
                controls.append(waited)
                bits |= before[waited]
        node.controls, before[node] = controls, bits
        behind.add(node)


def _passes_on_here(node: Node) -> bool:
    producer, port = node.inputs[0]
    return producer.device is node.device and not producer.types[port].is_ref_dtype


def _matters(node: Node) -> bool:
    """True where more can come of a node than its values: it may fail, or reads before somebody changes that."""
    reads = any(n.types[port].is_ref_dtype for n, port in node.inputs)
    return reads or not is_pure(node) or not cannot_fail(node)


class _Behind:
    """What has happened when a node has: itself, or what it is made of where nothing else can come of it."""

    def __init__(self) -> None:
        self._matter: list[Node] = []
        self._bits: dict[Node, int] = {}  # of each node, those of `_matter` that have happened

    def add(self, node: Node) -> None:
        """The next node of the order; all that it waits for are there."""
        if _matters(node):
            self._bits[node] = 1 << len(self._matter)
            self._matter.append(node)
        else:
            self._bits[node] = self._joined([*(n for n, _ in node.inputs), *node.controls])

    def nodes(self, waited: Iterable[Node]) -> list[Node]:
        """What has happened when all of these have, the latest first."""
        bits, found = self._joined(waited), []
        while bits:
            found.append(self._matter[bits.bit_length() - 1])
            bits ^= 1 << bits.bit_length() - 1
        return found

    def _joined(self, nodes: Iterable[Node]) -> int:
        bits = 0
        for node in nodes:
            bits |= self._bits[node]
        return bits
