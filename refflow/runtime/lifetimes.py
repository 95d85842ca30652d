"""Lifetimes: whose memory a value lies in, until which line it is needed, and buffers that are used in turn [W16].

    origin      a view lies in its input's memory; a Switch and an Exit hand on what they get
    last use    the place of the last line that needs a memory; what a loop reads from outside, until the loop's end
    kept        what outlives its line: a fetched value is the caller's, loops and branches pass values on, and a
                predicate is asked once more for each block under it

Next: refflow_kernels/cpu/matmul.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from refflow.core.dtypes import variant
from refflow.core.shapes import is_known
from refflow.runtime.line_functions import may_not_fit
from refflow.runtime.nodes import ENTERS, EXITS, MERGES, NEXTS, SWITCHES, Node, StepGraph
from refflow.runtime.structure import Block, Edge, Loop
from refflow_kernels import aligned

_FIRST = SWITCHES | EXITS | {"LoopCond"}  # their outputs are their first input
_PARTS = {"Slice": (0, 1, 2), "Split": (1, 0), "Unpack": (0,)}  # the input that is cut, and those that say how
RESHAPES = frozenset(("Reshape", "ExpandDims", "Squeeze"))
PASSED_ON = MERGES | ENTERS | NEXTS


class Arena:
    """Buffers by size, handed out again once free."""

    def __init__(self) -> None:
        self.total = 0
        self._free: dict[int, list[np.ndarray]] = {}

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """An array of that shape, and the block of bytes that it lies in."""
        size = -(-max(1, prod(shape) * dtype.itemsize) // 64) * 64
        blocks = self._free.get(size)
        if blocks:
            block = blocks.pop()
        else:
            block = aligned.empty((size,), np.uint8)
            self.total += size
        return block[: prod(shape) * dtype.itemsize].view(dtype).reshape(shape), block

    def give_back(self, block: np.ndarray) -> None:
        self._free.setdefault(block.nbytes, []).append(block)


def shared_input(node: Node) -> int | None:
    """The place of the input in whose memory the outputs lie, or None where they have their own.

    Beside the ops that say so, parts of an array that are known before the run are views in a plan. What only looks at
    a variable gives a copy.
    """
    if node.op_def.view:
        return None if node.inputs[0][0].types[node.inputs[0][1]].is_ref_dtype else 0
    place, *told = _PARTS.get(node.type, (None,))
    if place is None or node.device.type != "cpu" or any(node.inputs[i][0].type != "Const" for i in told):
        return None
    producer, port = node.inputs[place]
    return None if producer.types[port].is_ref_dtype or not is_known(producer.shapes[port]) else place


def is_view(node: Node) -> bool:
    """True where a plan calls no kernel: the same numbers in another shape, or some of them, by a view of its own."""
    place = shared_input(node)
    if place is None or not all(is_known(s) for s in node.shapes) or may_not_fit(node):
        return False
    producer, port = node.inputs[place]
    if node.device.type != "cpu" or producer.types[port].is_ref_dtype:
        return False
    return node.type in _PARTS or (node.type in RESHAPES and bool(producer.shapes[port]))


class Places:
    """Where in the code each node's line is, and until where a value has to stay."""

    def __init__(self, blocks: list[Block]):
        self._at: dict[Any, int] = {}  # a node, or the end of a loop
        self._within: dict[Node, tuple[Loop, ...]] = {}
        self._walk(blocks, ())

    def _walk(self, blocks: list[Block], loops: tuple[Loop, ...]) -> None:
        for block in blocks:
            for item in block.items:
                if isinstance(item, Loop):
                    for first in (*item.enters, *item.merges):
                        self._at[first] = len(self._at)
                        self._within[first] = (*loops, item) if first in item.merges else loops
                    self._walk(item.test, (*loops, item))
                    self._walk(item.body, (*loops, item))
                else:
                    self._within[item] = loops
                self._at[item] = len(self._at)

    def end(self, item: Node | Loop) -> int:
        return self._at[item]

    def is_within(self, node: Node, loop: Loop) -> bool:
        return loop in self._within[node]

    def use(self, made: Node, user: Node) -> int:
        """The place until which `user` needs what `made` gives: what comes from outside a loop, until its end."""
        outside = [loop for loop in self._within[user] if loop not in self._within[made]]
        return self._at[outside[0] if outside else user]


class Lifetimes:
    """What is known of every value's memory before the first line is written.

    sent: for each _Recv of the step, the value that its _Send takes. predicates: what branches are decided by.
    """

    def __init__(self, step: StepGraph, sent: dict[Node, Edge], places: Places, predicates: Iterable[Edge] = ()):
        self._step, self._sent, self._places = step, sent, places
        self._last_use = self._last_uses()
        self._ending: dict[int, list[Edge]] = {}
        for edge, place in self._last_use.items():
            self._ending.setdefault(place, []).append(edge)
        self._kept = {self.origin(n.inputs[0]) for n in step.fetches}
        self._kept |= {self.origin(e) for n in step.nodes if n.type in PASSED_ON for e in n.inputs}
        self._kept |= {self.origin(n.inputs[n.op_def.keeps]) for n in step.nodes if n.op_def.keeps is not None}
        self._kept |= {self.origin(edge) for edge in predicates}
        self._held = self._held_memory()
        self._hands_on_lists = any(_hands_on_lists(n) and not self._stays_inside(n) for n in step.nodes)

    def ending_at(self, item: Node | Loop) -> Sequence[Edge]:
        """The values whose memory nobody needs behind this line, or this loop."""
        return self._ending.get(self._places.end(item), ())

    def let_go_at(self, item: Node | Loop) -> Sequence[Edge]:
        """The values behind this line, or this loop, for which a variable behind a handle need not be copied."""
        if not self._held:
            return ()
        made = [] if isinstance(item, Loop) else [(item, port) for port in range(len(item.types))]
        over = [*self.ending_at(item), *(edge for edge in made if not self.is_read(edge))]
        return [value for edge in over for value in self._held.get(edge, ())]

    def is_read(self, edge: Edge) -> bool:
        return edge in self._last_use or edge in self._kept

    def is_kept(self, edge: Edge) -> bool:
        return edge in self._kept

    def is_settled(self, edge: Edge) -> bool:
        """True where nobody changes a kept value's memory any more: it is no variable's.

        What a stateful node gives may be one's, as the value that is read by a handle. Where a list may outlive the
        step, what it keeps is not even the client's, who may change what was fed.
        """
        if self._hands_on_lists:
            return False
        seen: set[Edge] = set()
        stack = [edge]
        while stack:
            edge = self.origin(stack.pop())
            node, port = edge
            if edge in seen or node.receives:
                continue
            seen.add(edge)
            if node.types[port].is_ref_dtype or node.op_def.stateful:
                return False
            if node.type in PASSED_ON:
                stack += node.inputs
        return True

    def _stays_inside(self, node: Node) -> bool:
        """Whether a node sends its value to another device of this step, and to nobody else."""
        return node.sends and node.inputs[0] in self._sent.values()

    def origin(self, edge: Edge) -> Edge:
        """The value whose memory `edge` shares, through views and through transfers within one memory."""
        while True:
            node, _ = edge
            if node in self._sent and node.device.type == "cpu" and self._sent[node][0].device.type == "cpu":
                edge = self._sent[node]
            elif node.type in _FIRST or (node.type in ENTERS and node.attrs["is_constant"]):
                edge = node.inputs[0]
            elif (place := shared_input(node)) is not None:
                edge = node.inputs[place]
            else:
                return edge

    def _last_uses(self) -> dict[Edge, int]:
        """For each memory, the place in the code of the line that needs it last."""
        last: dict[Edge, int] = {}
        for node in self._step.nodes:
            # What goes from one memory to another is copied where it arrives.
            for edge in [*node.inputs, *([self._sent[node]] if node in self._sent else ())]:
                origin = self.origin(edge)
                last[origin] = max(last.get(origin, 0), self._places.use(origin[0], node))
        return last

    def _held_memory(self) -> dict[Edge, list[Edge]]:
        """Values that lie in the own memory of a variable behind a handle, by the read that they come from."""
        found: dict[Edge, list[Edge]] = {}
        reads = {(n, 0) for n in self._step.nodes if n.op_def.family == "ReadVariableOp"} - self._kept
        for node in self._step.nodes if reads else ():
            for edge in ((node, port) for port in range(len(node.types))):
                if (origin := self.origin(edge)) in reads:
                    found.setdefault(origin, []).append(edge)
        return found


def _hands_on_lists(node: Node) -> bool:
    """True for what may keep a list for later steps, as a queue or a variable of lists."""
    if not node.op_def.stateful or node.op_def.elements is not None:
        return False
    return any(n.types[port].base_dtype is variant for n, port in node.inputs)
