"""Sharpen: a step's shapes again, once it is known what is fed; around loops too.

A loop's Merge has what its Enter and its NextIteration have in common. The latter follows from the former, so it is
guessed that nothing changes from one iteration to the next, and the guess is widened until it holds. Then it is known
of which shape what is put into stacks and lists is, and with that what comes out of them; and so once more.

Next: runtime/optimise.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core import shape_rules
from refflow.core.errors import OpError, ShapeError
from refflow.core.shapes import Shape, compatible, is_known, merge
from refflow.runtime.contents import Contents, common
from refflow.runtime.nodes import MERGES, Node, StepGraph, is_back_edge

_ROUNDS = 8
_PASSES = 4  # a slope of a slope takes out what was taken out before


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
    taken: dict[Node, dict[int, Shape]] = {}
    contents, rules = Contents(step), _Rules(given)
    for _ in range(_PASSES):
        _pass(step, given, taken, rules)
        contents.look()
        found = contents.taken()
        if found == taken:
            break
        taken = found
    return step


class _Rules:
    """The shape rules of a step's nodes, each asked again only where an input has another shape than last time."""

    def __init__(self, given: dict[Node, list[Shape]]):
        self._given = given
        self._last: dict[Node, tuple[list[Shape], list[Shape]]] = {}  # shapes of inputs and of outputs

    def apply(self, node: Node) -> None:
        """Output shapes from those of the inputs and what was given."""
        inputs = [n.shapes[port] for n, port in node.inputs]
        asked, found = self._last.get(node, (None, []))
        if asked != inputs:
            node.shapes = list(self._given[node])
            sharpen(node)
            found = node.shapes
            self._last[node] = inputs, found
        node.shapes = list(found)


def _pass(
    step: StepGraph, given: dict[Node, list[Shape]], taken: dict[Node, dict[int, Shape]], rules: _Rules
) -> None:  # fmt: skip
    """Finds all shapes from those that the client's graph gave and those of what is taken out of lists."""
    merges = {n for n in step.nodes if n.type in MERGES and any(is_back_edge(p, n) for p, _ in n.inputs)}
    for node in step.nodes:
        node.shapes = list(given[node])
    unsure = [n for n in step.nodes if n in merges or not all(map(is_known, given[n]))]  # all others stay as given
    guess: dict[Node, Shape] = {}
    for round_ in range(_ROUNDS):
        for node in unsure:
            if node in merges:
                producer, port = node.inputs[0]
                node.shapes = [guess.get(node, producer.shapes[port]), *given[node][1:]]
            else:
                rules.apply(node)
            for port, shape in taken.get(node, {}).items():
                node.shapes[port] = _merged(node.shapes[port], shape)
        wider = {m: common(m.shapes[0], _returned(m)) for m in merges}
        if all(shape == m.shapes[0] for m, shape in wider.items()):
            break
        # Whoever changes in every round has no fixed shape.
        guess = wider if round_ < _ROUNDS - 2 else dict.fromkeys(merges)


def _merged(a: Shape, b: Shape) -> Shape:
    """What either says; where they contradict, the run itself will say so."""
    return merge(a, b) if compatible(a, b) else a


def _returned(node: Node) -> Shape:
    producer, port = node.inputs[1]
    return producer.shapes[port]
