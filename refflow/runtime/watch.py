"""A plan that is watched: the lines between its lines that write the event log [W61].

    log.start(n4)
    k5(c0, v4, out=b5)
    log.end(n4, [b5])

There are three ways to look at a plan, and each is a class of this page.

    Unwatched   nobody looks: no lines
    Watch       every node is seen as it stands in the graph, with what it made, so nothing is fused. In a loop a
                counter says which iteration it is, and the place of an event is what the executor would have called it
    Laps        the plan is what it is without the lines, its chains and slices too, and only times are taken. What
                computes nothing, as a constant or a view, has none

Next: runtime/events.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from refflow.runtime.lifetimes import is_view
from refflow.runtime.nodes import CONTROL_FLOW, SAME, Node
from refflow.runtime.structure import Loop

if TYPE_CHECKING:
    from refflow.runtime.writer import Writer

_STILL = SAME | CONTROL_FLOW | {"Const", "LoopCond", "NoOp", "ControlTrigger", "VarHandleOp"}


def is_still(node: Node) -> bool:
    """True for a node that hands on what is there: it computes nothing and moves no bytes."""
    return node.type in _STILL or node.receives or node.op_def.family == "Variable" or is_view(node)


class Unwatched:
    """Nobody watches: no lines."""

    each_node = False  # whether it is nodes of the graph that are seen, and not the plan's own

    def __init__(self, writer: Writer):
        self._writer = writer

    def begin(self, node: Node) -> None:
        """No line."""

    def end(self, node: Node, values: list[str] | None = None) -> None:
        """No line."""

    def enter(self, loop: Loop) -> None:
        """No line."""

    def turn(self, loop: Loop) -> None:
        """No line."""

    def leave(self) -> None:
        """No line."""

    def _write(self, line: str) -> None:
        self._writer._write(None, line)

    def _named(self, node: Node) -> str:
        return self._writer._bind("n", node)


class Laps(Unwatched):
    """Takes the time of whatever computes."""

    def begin(self, node: Node) -> None:
        if not is_still(node):
            self._write(f"log.start({self._named(node)})")

    def end(self, node: Node, values: list[str] | None = None) -> None:
        if not is_still(node):
            self._write(f"log.end({self._named(node)})")


class Watch(Unwatched):
    """Writes the log's lines of one plan. Its loops are those around the line that is being written."""

    each_node = True

    def __init__(self, writer: Writer):
        super().__init__(writer)
        self._loops: list[Loop] = []

    def begin(self, node: Node) -> None:
        self._write(f"log.start({self._named(node)}{self._place()})")

    def end(self, node: Node, values: list[str] | None = None) -> None:
        """values: the names of what it gives. Of what a Switch gives, one is not there, so its values are not told."""
        names = self._writer.names
        if values is None:
            outputs = [] if node.type in CONTROL_FLOW else [(node, port) for port in range(len(node.types))]
            values = [names.get(edge, "None") for edge in outputs]
        if node.sends and not values:
            values = [names[node.inputs[0]]]
        self._write(f"log.end({self._named(node)}, [{', '.join(values)}]{self._place()})")

    def enter(self, loop: Loop) -> None:
        self._write(f"i{loop.id} = -1")
        self._loops.append(loop)

    def turn(self, loop: Loop) -> None:
        self._write(f"i{loop.id} += 1")
        for merge in loop.merges:
            self.begin(merge)
            self.end(merge)

    def leave(self) -> None:
        self._loops.pop()

    def _place(self) -> str:
        """The last argument of a log line: where in which loops it stands."""
        if not self._loops:
            return ""
        place = self._writer._bind("q", _path([loop.name for loop in self._loops]))
        return f", {place}({', '.join(f'i{loop.id}' for loop in self._loops)})"


def _path(names: list[str]) -> Callable[..., str]:
    """From the iterations of loops, outermost first, to the place that frames.py would give."""

    def path(*iterations: int) -> str:
        outer = (0, *iterations)
        return ";".join(f"{at}/{name}" for at, name in zip(outer, names, strict=False)) + f":{iterations[-1]}"

    return path
