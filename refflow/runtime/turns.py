"""Turns: two buffers for a loop's variable, of which one is written while the other is read [W16].

    v, next, spare = start, buffer, buffer
    while True:
        matmul(v, w, out=next)
        v, next, spare = next, spare, next

So a loop makes no memory in its iterations. It may be done where nobody keeps a variable's value from one iteration to
a later one: what is put on a stack, goes to another variable, or into a loop inside is kept, and so is what a branch
passes on. Only loops that no other loop is around have such buffers: behind them nobody writes there any more.

Next: runtime/lifetimes.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core.shapes import is_known
from refflow.runtime.lifetimes import PASSED_ON, Lifetimes, Places
from refflow.runtime.nodes import CONTROL_FLOW, Node, StepGraph
from refflow.runtime.structure import Block, Edge, Loop


class Turns:
    """The variables that may have buffers. made: by the edge that gives the next value, the variable's Merge."""

    def __init__(self, step: StepGraph, blocks: list[Block], places: Places, lifetimes: Lifetimes):
        self._places, self._lifetimes = places, lifetimes
        self._users: dict[Edge, list[tuple[Node, int]]] = {}  # of a memory: who reads it, and at which place
        self.made: dict[Edge, Node] = {}
        self.used: set[Node] = set()  # Merges whose next value is written into a buffer
        loops = [item for block in blocks for item in block.items if isinstance(item, Loop)]
        if not loops:
            return
        for node in step.nodes:
            for place, edge in enumerate(node.inputs):
                self._users.setdefault(lifetimes.origin(edge), []).append((node, place))
        for loop in loops:
            always = {item for block in loop.body if not block.guard for item in block.items}
            for merge in loop.merges:
                made = lifetimes.origin(merge.inputs[1][0].inputs[0])
                if made[0] in always and self._may_turn(loop, merge, made):
                    self.made[made] = merge

    def _may_turn(self, loop: Loop, merge: Node, made: Edge) -> bool:
        node, port = made
        shape, dtype = node.shapes[port], node.types[port]
        if not is_known(shape) or shape == () or dtype.kind in "sr" or dtype.is_ref_dtype or node.device.type != "cpu":
            return False
        if node.op_def.stateful or node.type in CONTROL_FLOW | {"Const"}:
            return False
        back = merge.inputs[1][0]
        inside = [u for u in self._users.get((merge, 0), ()) if self._places.is_within(u[0], loop)]
        return all(self._only_reads(*user) for user in self._users[made] if user[0] is not back) and all(
            self._only_reads(*user) for user in inside
        )

    def _only_reads(self, user: Node, place: int) -> bool:
        return user.type not in PASSED_ON and user.op_def.keeps != place and not user.sends

    def buffer(self, edge: Edge) -> str | None:
        """The name of the buffer that this value is to be written into."""
        merge = self.made.get(edge)
        if merge is None:
            return None
        self.used.add(merge)
        return f"next{merge.id}"

    def start(self, merge: Node) -> tuple[str, np.ndarray] | None:
        """The names of a variable's two buffers, and memory for both."""
        for (node, port), other in self.made.items():
            if other is merge:
                kind = np.dtype(node.types[port].as_numpy_dtype)
                return f"next{merge.id}, spare{merge.id}", np.empty((2, *node.shapes[port]), kind)  # type: ignore[misc]
        return None

