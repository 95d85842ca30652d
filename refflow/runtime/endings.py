"""Endings: on a card, a reduction of a chain's value is done by the chain's kernel, where the value is made.

    square(x - y) -> Mean          one _Ended node: the squares are summed in registers, and written by nobody

A value that others read too is written as well, and need not be read again. Several reductions may end one chain, if
they are over the same axes. A chain behind a product is the product's (runtime/joins.py), and has no endings.

Only a reduction takes part that needs nothing but its value, axes that are known, variables, and what the chain needs:
then no circle can come of it.

Next: runtime/slices.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import bfloat16, float16, float32
from refflow.core.opdef import OpDef
from refflow.core.shapes import is_known
from refflow.runtime.card_formulas import ENDINGS
from refflow.runtime.fuse import FUSED, Edge, replace, run_together
from refflow.runtime.nodes import SAME, Node, StepGraph, is_back_edge
from refflow.runtime.rendezvous import paired

ENDED = OpDef("_Ended", FUSED.signature, FUSED.attrs, (), False, False, "dot", False, False)
ENDED.shape(lambda context: context.attrs["shapes"])
_MOST = 6  # arrays that are read, written or added up: of each, a thread holds 16 numbers


class Ends(NamedTuple):
    """What a chain's kernel is told: shape and axes of all endings, and of each (step, kind, whether it is divided)."""

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    values: list[tuple[int, str, bool]]


class _Ending(NamedTuple):
    """A reduction, the output of the chain that it takes, and the reads of variables that it waited for."""

    node: Node
    port: int
    axes: tuple[int, ...]
    waits: list[Node]


def end_chains(step: StepGraph) -> StepGraph:
    """`step` with chains and the reductions of their values as single nodes."""
    if not any(map(_is_reduction, step.nodes)):
        return step
    step = step.copy()
    endings, readers = _Endings(step.nodes), _readers(step.nodes)
    made: list[tuple[set[Node], list[Edge], Node]] = []
    for chain in step.nodes:
        found = endings.of(chain) if chain.op_def is FUSED and chain.device.type != "cpu" else []
        if found:
            nodes = {chain, *(e.node for e in found)}
            written = [port for port in range(len(chain.types)) if not nodes.issuperset(readers.get((chain, port), ()))]
            wanted = [(chain, port) for port in written] + [(e.node, 0) for e in found]
            made.append((nodes, wanted, _ended(chain, written, found)))
    replace(step, made)
    return step


def _is_reduction(node: Node) -> bool:
    return node.type in ENDINGS and node.device is not None and node.device.type != "cpu"


def _readers(nodes: list[Node]) -> dict[Edge, list[Node]]:
    found: dict[Edge, list[Node]] = {}
    for node in nodes:
        for edge in node.inputs:
            found.setdefault(edge, []).append(node)
    return found


class _Endings:
    """Which reductions may end a chain.

    before: for each node, all that it needs and itself, as bits.
    """

    def __init__(self, nodes: list[Node]):
        self._senders = paired(nodes)
        self._place_of: Callable[[Node], Any] = run_together(nodes, self._senders)
        self._read = _readers([n for n in nodes if _is_reduction(n)])
        self._before: dict[Node, int] = {}
        for number, node in enumerate(nodes):
            bits = 1 << number
            for needed in self._needed(node):
                bits |= self._before[needed]
            self._before[node] = bits

    def of(self, chain: Node) -> list[_Ending]:
        """Those of a chain, in the order of its values."""
        arrays = chain.attrs["blocks"][1].count("whole")
        found: list[_Ending] = []
        for port in range(len(chain.types)):
            for node in self._read.get((chain, port), ()):
                axes, like = _axes(node, self._senders), found[0].axes if found else None
                if axes is None or like not in (None, axes) or arrays + len(found) >= _MOST:
                    continue
                waits = self._waits(node, chain) if self._is_like(node, chain, port) else None
                if waits is not None:
                    found.append(_Ending(node, port, axes, waits))
        return found

    def _is_like(self, node: Node, chain: Node, port: int) -> bool:
        """Whether they run on one card, together, in a float type and a shape that is known."""
        shape = chain.shapes[port]
        if not is_known(shape) or 0 in (shape or ()) or chain.types[port] not in (float32, float16, bfloat16):
            return False
        return node.device is chain.device and self._place_of(node) == self._place_of(chain)

    def _needed(self, node: Node) -> list[Node]:
        inputs = [n for n, _ in node.inputs if not is_back_edge(n, node)]
        return [*node.controls, *inputs, *self._senders.get(node, ())]

    def _waits(self, node: Node, chain: Node) -> list[Node] | None:
        """The reads of variables that a reduction waits for; None where it waits for what may come behind the chain.

        Constants do not count, nor what the chain waits for: axes wait for whatever their shape was taken from.
        """
        before, found = self._before[chain], []
        waited, seen = [*node.controls, *(n for n, _ in node.inputs[1:])], set()
        while waited:
            each = waited.pop()
            if each in seen or self._before[each] | before == before:
                continue
            seen.add(each)
            if each.type in SAME and each.device is node.device:
                found.append(each)
            elif each.type != "Const" and each.op_def.family != "Variable" and not each.sends and not each.receives:
                return None
            waited += self._needed(each)
        return found


def _axes(node: Node, senders: dict[Node, list[Node]]) -> tuple[int, ...] | None:
    """The axes of a reduction, or None where they are not known, or wrong."""
    rank = len(node.inputs[0][0].shapes[node.inputs[0][1]] or ())
    if node.type == "BiasAddGrad":
        channel = 1 if node.attrs["data_format"] == "NCHW" else rank - 1
        return tuple(axis for axis in range(rank) if axis != channel)
    told = node.inputs[1][0]
    while told in senders:
        told = senders[told][0].inputs[0][0]
    if told.type != "Const":
        return None
    axes = np.ravel(told.attrs["value"]).tolist()
    return tuple(sorted({a % rank for a in axes})) if all(-rank <= a < rank for a in axes) else None


def _ended(chain: Node, written: list[int], endings: list[_Ending]) -> Node:
    """The node of all: first the chain's values that are written, then the endings' results."""
    steps, kinds, outputs, *more = chain.attrs["blocks"]
    shape: Any = chain.shapes[0]
    values = [(outputs[e.port], *ENDINGS[e.node.type]) for e in endings]
    types = [chain.types[port] for port in written] + [e.node.types[0] for e in endings]
    shapes = [chain.shapes[port] for port in written] + [e.node.shapes[0] for e in endings]
    attrs: dict[str, Any] = {
        "Tin": chain.attrs["Tin"], "Tout": types, "shapes": shapes, "ends": Ends(shape, endings[0].axes, values),
        "blocks": (steps, kinds, [outputs[port] for port in written], *more),
        "members": [*chain.attrs["members"], *(e.node for e in endings)],
    }  # fmt: skip
    controls = list(dict.fromkeys([*chain.controls, *(n for e in endings for n in e.waits)]))
    node = Node(chain.id, chain.name, ENDED, attrs, chain.inputs, controls, types, shapes, chain.request, chain.origin)
    node.device = chain.device
    return node
