"""Turned outside: a small matrix that a loop only reads turned is turned before the loop, once.

    loop: a @ w.T   with w from outside      ->      turned = copy of w.T      loop: a @ turned

So a loop's gradient uses its weights. The kernel would lay w otherwise in each turn, since BLAS reads small matrices
quicker as they lie. What it multiplies is the same, so the bits are.

Next: runtime/loop_stacks.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from refflow.core.dtypes import float32, float64
from refflow.core.opdef import OpDef
from refflow.core.shapes import is_known
from refflow.runtime.node_lines import TURNED
from refflow.runtime.nodes import ENTERS, SAME, Node, StepGraph, in_order
from refflow.runtime.rendezvous import paired

Edge = tuple[Node, int]
_TURN = OpDef("_Turned", "w: T -> turned: T", {"T": (float32, float64)}, (), False, False, "exact", False, False)


@_TURN.kernel
def turned_kernel(w):
    return np.ascontiguousarray(w.T)


def turn_outside(step: StepGraph) -> StepGraph:
    """`step` with such matrices turned outside of their loops."""
    if not any(_found(step)):
        return step
    step = step.copy()
    turned: dict[Edge, Edge] = {}  # what was made of a matrix, outside and at each loop's beginning
    for node, way in _found(step):
        node.inputs[1] = _turned(step, way, turned)
        node.attrs = node.attrs | {"transpose_b": False}
    step.nodes = in_order(step.nodes, paired(step.nodes))
    return step


def _found(step: StepGraph) -> Iterator[tuple[Node, list[Edge]]]:
    """Each product whose second factor is turned in a loop, and that factor's way in."""
    for node in list(step.nodes):
        if node.type == "MatMul" and node.attrs["transpose_b"] and node.device.type == "cpu":
            way = _way_in(node.inputs[1])
            if len(way) > 1 and _is_small(way[0]):
                yield node, way


def _way_in(edge: Edge) -> list[Edge]:
    """A value outside of all loops that it enters as a constant, then each Enter, from the outermost on."""
    way: list[Edge] = []
    while edge[0].type in SAME or (edge[0].type in ENTERS and edge[0].attrs["is_constant"]):
        if edge[0].type in ENTERS:
            way.append(edge)
        edge = edge[0].inputs[0]
    return [edge, *reversed(way)]


def _is_small(edge: Edge) -> bool:
    node, port = edge
    shape, dtype = node.shapes[port], node.types[port]
    if dtype not in (float32, float64) or node.device.type != "cpu" or not is_known(shape) or len(shape or ()) != 2:
        return False
    return 0 < prod(shape) <= TURNED  # type: ignore[arg-type]


def _turned(step: StepGraph, way: list[Edge], turned: dict[Edge, Edge]) -> Edge:
    """The value at the end of the way, turned at its beginning."""
    for place, edge in enumerate(way):
        if edge in turned:
            continue
        node, port = edge
        shape, dtype = (node.shapes[port] or ())[::-1], node.types[port]
        if place:
            op, attrs, source = node.op_def, node.attrs, turned[way[place - 1]]
        else:
            op, attrs, source = _TURN, {"T": dtype}, edge
        new = step.add(f"{node.name}/turned", op, attrs, [source], [dtype], [shape], node)
        new.controls = list(node.controls) if place else []
        turned[edge] = (new, 0)
    return turned[way[-1]]
