"""Unroll: a loop on a card whose turns can be counted beforehand becomes its turns, one behind the other.

    while i < 3: h = tanh(h @ w); i = i + 1     ->     h1 = tanh(h0 @ w), h2 = tanh(h1 @ w), h3 = tanh(h2 @ w)

A card is fast at what is launched in one replay, and a replay has no tests in it (runtime/capture.py): in a loop each
node would be a launch of its own by the host, turn after turn. So a dynamic recurrent net whose number of steps is
known when the step is planned is on a card what a static one is, and so is its gradient's loop, which counts down.

    counted      what the loop's test reads follows from constants (runtime/turn_counts.py)
    harmless     nothing in the loop changes a variable, waits or prints; what draws at random does so in the same order
    sure         the loop stands in no branch, and no loop is left in it

What is the same in every turn is made in the first one only. Lists and arrays that the turns fill are taken apart by
runtime/unrolled_lists.py and runtime/unrolled_arrays.py. A loop that would become more than `LARGEST` nodes stays: to
write its plan would take longer than is saved.

Next: runtime/unrolled_lists.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from refflow.core.registry import op_def
from refflow.runtime.nodes import (
    CONTROL_FLOW,
    ENTERS,
    EXITS,
    NEXTS,
    SAME,
    SWITCHES,
    Node,
    StepGraph,
    has_control_flow,
    in_order,
    led_past,
)
from refflow.runtime.optimise import constant, is_pure, keep_needed, known_outputs
from refflow.runtime.sharpen import sharpen
from refflow.runtime.structure import Block, Edge, Loop, Structure, Unstructured
from refflow.runtime.turn_counts import TurnCounts, UnknownTurnsError
from refflow.runtime.unrolled_arrays import ARRAY_OPS, take_arrays_apart
from refflow.runtime.unrolled_lists import take_lists_apart

LARGEST = 50_000


def unroll(step: StepGraph) -> StepGraph:
    """`step`, in which every node has its device, without the loops on cards whose turns can be counted."""
    if not has_control_flow(step.nodes) or all(n.device.type == "cpu" for n in step.nodes):
        return step
    step = step.copy()
    while (found := _first(step)) is not None:
        while found is not None:
            _Turns(step, *found).write()
            found = _first(step)
        take_lists_apart(step)  # which may tell how often the next one turns
        while take_arrays_apart(step):
            take_lists_apart(step)
        _draw_to_cards(step)
    return step


def _draw_to_cards(step: StepGraph) -> None:
    """What was on the host for the sake of an array there goes to the card that has what it reads."""
    for node in step.nodes:
        cards = (n.device for n, _ in node.inputs if n.device.type != "cpu")
        card = next(cards, None) if node.device.type == "cpu" and is_pure(node) and not node.request else None
        if card is not None and _is_at_home(node, card):
            node.device = card


def _is_at_home(node: Node, card: Any) -> bool:
    types = [n.types[port].base_dtype for n, port in node.inputs] + node.types
    shapes = [n.shapes[port] for n, port in node.inputs] + node.shapes
    return card.supports(node.op_def, node.attrs) and card.suits(node.op_def, types, shapes)


def _first(step: StepGraph) -> tuple[Loop, int] | None:
    """A loop that can be unrolled, and how often it turns."""
    try:
        structure = Structure(in_order(step.nodes), {})
    except Unstructured:
        return None
    counts = TurnCounts(step)
    ends = {*step.fetches, *step.targets, *(n for f in step.fetches for n, _ in f.inputs)}
    for loop in _innermost(structure.blocks):
        nodes = _nodes(loop)
        if not _is_suited(loop, nodes) or not ends.isdisjoint(nodes):
            continue
        try:
            turns = counts.entered(loop.enters[0])
        except UnknownTurnsError:
            continue
        if turns * len(nodes) <= LARGEST:
            return loop, turns
    return None


def _innermost(blocks: list[Block]) -> Iterator[Loop]:
    """The loops that stand in no branch and have none within."""
    for block in blocks:
        for loop in (item for item in block.items if isinstance(item, Loop) and not block.guard):
            parts = loop.test + loop.body
            if any(isinstance(item, Loop) for part in parts for item in part.items):
                yield from _innermost(parts)
            else:
                yield loop


def _nodes(loop: Loop) -> list[Node]:
    """What runs in a turn, in order: what the test needs first."""
    return [item for block in loop.test + loop.body for item in block.items if isinstance(item, Node)]


def _is_suited(loop: Loop, nodes: list[Node]) -> bool:
    everything = [*loop.enters, *loop.merges, *nodes]
    numbers = any((merge, 1) in node.inputs for merge in loop.merges for node in nodes)  # of a Merge's inputs
    # A draw waits for the one before it, which a branch of its own might leave out.
    draws_in_branches = _has_branches(loop, nodes) and any(map(_draws, nodes))
    on_card = any(n.device.type != "cpu" for n in nodes)
    return on_card and all(map(_is_harmless, everything)) and not numbers and not draws_in_branches


def _has_branches(loop: Loop, nodes: list[Node]) -> bool:
    """Whether a turn decides more than if it is the last one."""
    return any(n.type in SWITCHES and n.inputs[1][0] is not loop.cond for n in nodes)


def _is_harmless(node: Node) -> bool:
    """Whether it makes no difference when a node runs, and how often."""
    if node.op_def.waits or node.op_def.ref_inputs or node.sends or node.receives:
        return False
    if node.type in CONTROL_FLOW and node.types[0].is_ref_dtype:
        return node.type in ENTERS and node.attrs["is_constant"]
    # In a loop that changes nothing, reading may be done at any time; arrays' flows say which op is before which.
    return not node.op_def.stateful or node.op_def.family == "ReadVariableOp" or _draws(node) or node.type in ARRAY_OPS


def _draws(node: Node) -> bool:
    return node.op_def.accuracy == "random" and node.op_def.make_state is not None


class _Turns:
    """The turns of one loop, which are written into `step` in its place."""

    def __init__(self, step: StepGraph, loop: Loop, turns: int):
        self._step, self._loop, self._turns = step, loop, turns
        self._nodes = _nodes(loop)
        self._test = [item for block in loop.test for item in block.items if isinstance(item, Node)]
        before = [n for enter in loop.enters for n in (enter, enter.inputs[0][0]) if n is enter or n.type == "Const"]
        self._waits = list(dict.fromkeys(n for node in before for n in node.controls))  # what the loop waits for
        self._edges: dict[Edge, Edge] = {}  # what stands for a value in this turn
        self._past: dict[Node, list[Node]] = {}  # what others wait for who waited for a node
        self._lasting = {n for n in loop.enters if n.attrs["is_constant"]}  # the same in every turn
        self._new: dict[Node, None] = {}
        # Where a turn has branches, who waits for one may be dead with it; else only what meets state has to wait.
        self._gate = self._made_gate() if any(n.type in ARRAY_OPS for n in self._nodes) else None
        self._keeps_waits = _has_branches(loop, self._nodes) or self._gate is not None

    def _made_gate(self) -> Node:
        """Arrays are only met when all that enters is there: a gradient's begin when all is written."""
        gate = self._step.add(f"{self._loop.name}/entered", op_def("NoOp"), {}, [], [], [], self._loop.enters[0])
        gate.controls = list(dict.fromkeys([*self._waits, *(n.inputs[0][0] for n in self._loop.enters)]))
        return gate

    def write(self) -> None:
        for enter in self._loop.enters:
            self._edges[enter, 0] = self._entered(enter)
            self._past[enter] = [self._edges[enter, 0][0], *self._waits]
        now = {merge: self._edges[merge.inputs[0]] for merge in self._loop.merges}
        for turn in range(self._turns + 1):
            last = turn == self._turns  # in which the test fails
            self._edges |= {(merge, 0): edge for merge, edge in now.items()}
            self._past |= {merge: [edge[0]] for merge, edge in now.items()}
            for node in self._test if last else self._nodes:
                self._one(node, turn)
            if not last:
                now = {merge: self._edges[merge.inputs[1][0].inputs[0]] for merge in self._loop.merges}
        self._join()

    def _entered(self, enter: Node) -> Edge:
        """What enters; of a variable that does so as a value, that at this moment."""
        producer, port = enter.inputs[0]
        if not producer.types[port].is_ref_dtype or enter.types[0].is_ref_dtype:
            return producer, port
        return self._identity((producer, port), enter, enter.controls)

    def _identity(self, edge: Edge, like: Node, controls: list[Node]) -> Edge:
        attrs, shapes = {"T": like.types[0]}, [edge[0].shapes[edge[1]]]
        node = self._step.add(like.name, op_def("Identity"), attrs, [edge], like.types, shapes, like)
        node.controls = list(controls)
        return node, 0

    def _one(self, node: Node, turn: int) -> None:
        """A node of the loop in one of its turns."""
        if node in self._lasting:
            return
        inputs = [self._edges.get(edge, edge) for edge in node.inputs]
        controls = led_past(node.controls, self._past)
        if not self._keeps_waits and is_pure(node) and not _reads(inputs):
            controls = []
        if node.type in SWITCHES and node.inputs[1][0] is self._loop.cond:
            self._edges |= {(node, port): inputs[0] for port in range(2)}
            self._past[node] = [inputs[0][0]]
        elif node.type in NEXTS or node is self._loop.cond or not node.types:
            self._past[node] = controls
        elif node.type in SAME and inputs[0][0].type not in SWITCHES and not controls and not _reads(inputs):
            self._past[node], self._edges[node, 0] = [], inputs[0]
        else:
            self._copy(node, turn, inputs, controls)

    def _copy(self, node: Node, turn: int, inputs: list[Edge], controls: list[Node]) -> None:
        twin = node.copy()
        twin.id, twin.name = self._step.take_id(), f"{node.name}/turn_{turn}"
        twin.inputs, twin.controls = inputs, controls
        sharpen(twin)
        if _draws(node):
            twin.attrs = node.attrs | {"_state_of": node.name}
            twin.controls = [*controls, *self._past.get(node, [])]  # behind the last turn's
        elif not controls and node.type not in ARRAY_OPS and all(n in self._lasting for n, _ in node.inputs):
            self._lasting.add(node)
        if self._gate is not None and node.type in ARRAY_OPS:
            twin.controls = [*controls, self._gate]
        elif not any(n in self._new for n, _ in inputs):
            twin.controls = [*twin.controls, *self._waits]
        values = known_outputs(twin) if twin.shapes == [()] and all(n.type == "Const" for n, _ in inputs) else None
        if values is not None:
            twin = constant(self._step, twin, 0, values[0])
            twin.device = node.device
        self._new[twin] = None
        self._past[node] = [twin]
        self._edges |= {(node, port): (twin, port) for port in range(len(node.types))}

    def _join(self) -> None:
        """Who read what left the loop reads what the last turn's test left."""
        gone = {*self._loop.enters, *self._loop.merges, *self._nodes}
        exits = {
            n: self._left(n, self._edges[n.inputs[0]])
            for n in self._step.nodes if n.type in EXITS and n.inputs[0][0] in gone
        }  # fmt: skip
        past = {n: [edge[0]] for n, edge in exits.items()}
        kept = [n for n in self._step.nodes if n not in gone and n not in exits]
        for node in kept:
            node.controls = led_past(node.controls, past)
        for node in (*kept, *self._new):
            node.inputs = [exits.get(n, (n, port)) for n, port in node.inputs]
        self._step.nodes = in_order([*kept, *self._new])
        keep_needed(self._step)

    def _left(self, exit_: Node, edge: Edge) -> Edge:
        """What leaves; what no turn has made must still wait for what the loop waited for."""
        return edge if not self._waits or edge[0] in self._new else self._identity(edge, exit_, self._waits)


def _reads(inputs: list[Edge]) -> bool:
    """Whether one of them is a variable."""
    return any(n.types[port].is_ref_dtype for n, port in inputs)
