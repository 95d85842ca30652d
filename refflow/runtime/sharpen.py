"""Sharpen: a step's shapes again, once it is known what is fed; around loops too.

A loop's Merge has what its Enter and its NextIteration have in common. The latter follows from the former, so it is
guessed that nothing changes from one iteration to the next, and the guess is widened until it holds.

Next: runtime/optimise.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core import shape_rules
from refflow.core.errors import OpError, ShapeError
from refflow.core.shapes import Shape, is_known
from refflow.runtime.nodes import Node, StepGraph, is_back_edge

_ROUNDS = 8


def sharpen(node: Node) -> None:
    """Output shapes from those of the inputs and from constants, where some were not known."""
    if not node.inputs or node.sends or node.receives or all(is_known(s) for s in node.shapes):
        return

    def value_of(place: Any) -> Any:
        producer = node.inputs[place][0]
        return producer.attrs["value"] if producer.type == "Const" else None

    try:
        node.shapes = shape_rules.infer(node.op_def, node.attrs, [n.shapes[p] for n, p in node.inputs], value_of)
    except (ShapeError, OpError):
        return  # the run itself will say so, with the node and the user's line


def sharpen_loops(step: StepGraph) -> StepGraph:
    """`step` with every shape as well known as feeds and constants make it, through all iterations of its loops."""
    step = step.copy()
    given = {n: list(n.shapes) for n in step.nodes}
    merges = [n for n in step.nodes if any(is_back_edge(p, n) for p, _ in n.inputs)]
    guess: dict[Node, Shape] = {}
    for round_ in range(_ROUNDS):
        for node in step.nodes:
            node.shapes = list(given[node])
            if node in merges:
                producer, port = node.inputs[0]
                node.shapes[0] = guess.get(node, producer.shapes[port])
            else:
                sharpen(node)
        wider = {m: _common(m.shapes[0], _returned(m)) for m in merges}
        if all(shape == m.shapes[0] for m, shape in wider.items()):
            break
        # Whoever changes in every round has no fixed shape.
        guess = wider if round_ < _ROUNDS - 2 else dict.fromkeys(merges)
    return step


def _returned(merge: Node) -> Shape:
    producer, port = merge.inputs[1]
    return producer.shapes[port]


def _common(a: Shape, b: Shape) -> Shape:
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple(x if x == y else None for x, y in zip(a, b, strict=True))
