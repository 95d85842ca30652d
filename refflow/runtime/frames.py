"""Frames and iterations: which copy of a loop's body a value belongs to [W40].

    place = (frame, iteration)      the step itself is frame "", iteration 0

An Enter opens the frame that it names, once for each place that it runs in; a NextIteration begins the next iteration,
as soon as fewer than `parallel_iterations` are at work. A frame is done when all its Enters have run and nothing of it
is left to run; what never came alive at its Exits is then dead outside [W41].

Next: runtime/executor.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refflow.runtime.nodes import Node

DEAD: Any = type("_Dead", (), {"__repr__": lambda self: "dead"})()  # a value that control flow did not choose


class Iteration:
    """What is known of one pass through a frame's nodes."""

    __slots__ = ("arrived", "dead", "fired", "number", "running", "uses", "values", "waits")

    def __init__(self, number: int):
        self.number = number
        self.running = 0  # nodes ready or at work, and frames opened from here
        self.waits: dict[Node, int] = {}  # how many producers a node still waits for, where fewer than all
        self.dead: set[Node] = set()  # nodes that have a dead input
        self.arrived: dict[Node, int] = {}  # for a Merge: data inputs that came, dead or alive
        self.fired: set[Node] = set()  # Merges that are ready or have run
        self.values: dict[tuple[Node, int], Any] = {}
        self.uses: dict[tuple[Node, int], int] = {}


class Frame:
    """One run of a loop, or the step itself."""

    def __init__(self, name: str, parent: Frame | None, at: int, enters: int, parallel: int):
        self.name = name
        self.parent = parent
        self.at = at  # the parent's iteration that it was opened from
        self.enters = enters  # Enter nodes that have not run yet
        self.parallel = parallel
        self.iterations = {0: Iteration(0)}
        self.oldest = self.newest = 0
        self.constants: list[tuple[Node, list[Any]]] = []  # given to every iteration
        self.deferred: list[tuple[Node, list[Any]]] = []  # for the iteration after the newest, which has to wait
        self.dead_exits: list[Node] = []
        self.live_exits: set[Node] = set()

    @property
    def path(self) -> str:
        """The frame's name inside all those around it, for logs and rendezvous keys."""
        if self.parent is None:
            return self.name
        outer = self.parent.path
        return f"{outer}{';' if outer else ''}{self.at}/{self.name}"

    def is_done(self) -> bool:
        return not self.enters and not self.deferred and all(not i.running for i in self.iterations.values())

    def __repr__(self) -> str:
        return f"<Frame {self.path!r} iterations {self.oldest} to {self.newest}>"


class Awaited(NamedTuple):
    """A node that has begun and whose values are not there. pending: what its kernel gave; a receive has none."""

    node: Node
    frame: Frame
    iteration: Iteration
    pending: Any = None

    @property
    def place(self) -> str:
        """The loops that it is in and the iteration, for messages; empty outside of all loops."""
        return f"{self.frame.path}:{self.iteration.number}" if self.frame.parent is not None else ""
