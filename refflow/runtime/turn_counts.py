"""How often the body of a loop runs, where that follows from constants alone [S74].

    LoopCond <- Less <- Merge <- Enter <- 0
                  ^       ^---- NextIteration <- Add <- Switch, 1          Merge and Switch: the counter
                  +------------ Enter <- 50

What decides is all that the LoopCond is computed from: tests, and of each loop variable among them what gives its next
value. Where nothing else comes in than constants, that part of the loop is run by itself, with the ops' reference
kernels, until it says that there is no further iteration.

Next: runtime/nodes.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from refflow.runtime.nodes import ENTERS, MERGES, SAME, SWITCHES, Node, StepGraph, frame_behind, is_back_edge

Frame = tuple[str, ...]  # the names of the loops that a node is in, the outermost first
_MOST = 100_000
_PASSING = SAME | SWITCHES | {"NextIteration", "RefNextIteration", "LoopCond"}


class UnknownTurnsError(ValueError):
    """Nobody knows before the step how often a loop turns."""


class TurnCounts:
    """The loops of a step. given: how often some of them turn, by frame name, for who knows better."""

    def __init__(self, step: StepGraph, given: Mapping[str, int] | None = None):
        self._step, self._given = step, dict(given or {})
        self._found: dict[Frame, int] = {}
        self._conditions: dict[Frame, Node] = {}
        self._frame: dict[Node, Frame] = {}  # that a node runs in
        behind: dict[Node, Frame] = {}
        for node in step.nodes:
            before = [n for n, _ in node.inputs if not is_back_edge(n, node)] + node.controls
            inside = self._frame[node] = max((behind[n] for n in before), key=len, default=())
            behind[node] = frame_behind(node, inside)
            if node.type == "LoopCond":
                self._conditions[inside] = node
        names = {frame[-1] for frame in self._conditions}
        for name in self._given:
            if name not in names:
                there = ", ".join(map(repr, sorted(names))) or "none"
                raise ValueError(f"no loop of the step is called {name!r}; there is {there}")

    def of(self, node: Node) -> int:
        """How often a node runs in a step: the turns of all loops that it is in, multiplied."""
        frame = self._frame[node]
        times = 1
        for depth in range(1, len(frame) + 1):
            times *= self._turns(frame[:depth])
        return times

    def entered(self, enter: Node) -> int:
        """How often the loop turns that an Enter leads into."""
        return self._turns((*self._frame[enter], enter.attrs["frame_name"]))

    def _turns(self, frame: Frame) -> int:
        if frame[-1] in self._given:
            return self._given[frame[-1]]
        if frame not in self._found:
            if frame not in self._conditions:
                raise UnknownTurnsError(f"the loop {frame[-1]!r} has no LoopCond in this step")
            self._found[frame] = self._count(self._conditions[frame])
        return self._found[frame]

    # -- the part that decides, by itself -----------------------------------------------------------------

    def _count(self, condition: Node) -> int:
        nodes = self._deciding(condition)
        constants = {n: self._constant(n, condition) for n in nodes if n.type in ENTERS or n.type == "Const"}
        state = {n: constants[n.inputs[0][0]] for n in nodes if n.type in MERGES}
        for turn in range(_MOST):
            values: dict[Any, Any] = {(n, 0): v for known in (constants, state) for n, v in known.items()}
            for node in nodes:
                if (node, 0) not in values:
                    values |= _outputs(node, [values[e] for e in node.inputs])
            if not values[condition, 0]:
                return turn
            state = {n: values[n.inputs[1]] for n in state}
        raise self._unknown(condition, f"it turns more than {_MOST:,} times")

    def _deciding(self, condition: Node) -> list[Node]:
        """The nodes that the condition is computed from within its frame, in an order in which they can run."""
        found, stack = set(), [condition]
        while stack:
            node = stack.pop()
            if node in found:
                continue
            if node.type in MERGES and not any(is_back_edge(n, node) for n, _ in node.inputs):
                raise self._unknown(condition, f"{node.name!r} is one of two, as a branch decides")
            if self._frame[node] != self._frame[condition] and node.type not in ENTERS:
                raise self._unknown(condition, f"{node.name!r} comes out of another loop")
            if node.type not in ENTERS | MERGES | _PASSING | {"Const"} and not (node.inputs and node.op_def.foldable):
                raise self._unknown(condition, f"it depends on {node.name!r} ({node.type})")
            found.add(node)
            if node.type not in ENTERS:
                stack += [n for n, _ in node.inputs]
            else:
                self._constant(node, condition)
        return [n for n in self._step.nodes if n in found]

    def _constant(self, node: Node, condition: Node) -> Any:
        """The value of a Const, or of one that enters."""
        first = node
        while node.type in ENTERS or node.type in SAME:
            node = node.inputs[0][0]
        if node.type != "Const":
            where = "" if node is first else f", which is {node.name!r} ({node.type})"
            raise self._unknown(condition, f"it depends on {first.name!r}{where}")
        return node.attrs["value"]

    def _unknown(self, condition: Node, why: str) -> UnknownTurnsError:
        name = self._frame[condition][-1]
        return UnknownTurnsError(
            f"how often the loop {name!r} turns is not known before it runs: {why}. Give --turns {name}=N, or the "
            "shape that this comes from"
        )


def _outputs(node: Node, inputs: list[Any]) -> dict[Any, Any]:
    if node.type in _PASSING:
        return {(node, port): inputs[0] for port in range(len(node.types))}
    with np.errstate(all="ignore"):
        made = node.op_def.compute(inputs, node.attrs)
    return {(node, port): np.asarray(value) for port, value in enumerate(made)}
