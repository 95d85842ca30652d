"""Frames and iterations: which copy of a loop's body a value belongs to [W40, O03].

    place = (frame, iteration)      the step itself is frame "", iteration 0

An Enter opens the frame that it names, once for each place that it runs in; a NextIteration begins the next iteration,
as soon as fewer than `parallel_iterations` are at work. A frame is done when all its Enters have run and nothing of it
is left to run; what never came alive at its Exits is then dead outside [W41].

    Iteration, Frame    what is known of one pass, of one run of a loop
    Frames              those of one step, and how an Enter, an Exit and a NextIteration lead from one to another

Next: runtime/executor.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from refflow.core import errors
from refflow.runtime.device import Device
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

    def __repr__(self) -> str:
        return f"<Iteration {self.number}: {len(self.values)} values, {self.running} nodes under way>"


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


Deliver = Callable[[Node, list[Any], Frame, Iteration, bool], None]  # outputs of a node, to those who use them there


class Frames:
    """The frames of one run. Each device has its own. enters: how many Enter nodes a frame has on each device."""

    def __init__(self, devices: Iterable[Device], enters: dict[tuple[Device, str], int], deliver: Deliver):
        self.roots = {device: Frame("", None, 0, 0, 1) for device in dict.fromkeys(devices)}
        self._open: dict[tuple[Frame, int, str], Frame] = {}
        self._enters, self._deliver = enters, deliver

    def enter(self, node: Node, frame: Frame, iteration: Iteration, outputs: list[Any], is_dead: bool) -> None:
        """Outputs of an Enter, into the frame that it names, which is opened if it is not."""
        name = node.attrs["frame_name"]
        key = (frame, iteration.number, name)
        child = self._open.get(key)
        if child is None:
            enters = self._enters[node.device, name]
            child = Frame(name, frame, iteration.number, enters, node.attrs["parallel_iterations"])
            self._open[key] = child
            iteration.running += 1  # until the child is done
        child.enters -= 1
        if node.attrs["is_constant"]:
            child.constants.append((node, outputs))
            for each in list(child.iterations.values()):
                self._deliver(node, outputs, child, each, is_dead)
        else:
            self._deliver(node, outputs, child, child.iterations[0], is_dead)
        self.settle(child)

    def exit(self, node: Node, frame: Frame, outputs: list[Any], is_dead: bool) -> None:
        """Outputs of an Exit, out to the frame around."""
        if frame.parent is None:
            raise errors.InvalidArgumentError(node.node_def, node.origin, f"{node.name!r} leaves a frame it is not in")
        if is_dead:
            frame.dead_exits.append(node)
        else:
            frame.live_exits.add(node)
            self._deliver(node, outputs, frame.parent, frame.parent.iterations[frame.at], False)

    def next(self, node: Node, frame: Frame, iteration: Iteration, outputs: list[Any]) -> None:
        """Outputs of a NextIteration, to the iteration after this one, once it may begin."""
        if frame.parent is None:
            told = f"{node.name!r} goes round a loop it is not in: its input must come from an Enter, through a Merge"
            raise errors.InvalidArgumentError(node.node_def, node.origin, told)
        number = iteration.number + 1
        if number > frame.newest:
            if frame.newest - frame.oldest + 1 >= frame.parallel:
                frame.deferred.append((node, outputs))
                return
            self._begin(frame)
        self._deliver(node, outputs, frame, frame.iterations[number], False)

    def _begin(self, frame: Frame) -> None:
        frame.newest += 1
        iteration = frame.iterations[frame.newest] = Iteration(frame.newest)
        for node, outputs in frame.constants:
            self._deliver(node, outputs, frame, iteration, outputs[0] is DEAD)

    def settle(self, frame: Frame) -> None:
        """Lets go of iterations that are over, begins those that waited, and closes the frame when it is done."""
        while frame.parent is not None and not frame.enters and not frame.iterations[frame.oldest].running:
            if frame.deferred and frame.newest - frame.oldest < frame.parallel:
                self._begin(frame)
                deferred, frame.deferred = frame.deferred, []
                for node, outputs in deferred:
                    self._deliver(node, outputs, frame, frame.iterations[frame.newest], False)
            if frame.oldest == frame.newest:
                break
            del frame.iterations[frame.oldest]
            frame.oldest += 1
        parent = frame.parent
        if parent is None or not frame.is_done():
            return
        del self._open[parent, frame.at, frame.name]
        around = parent.iterations[frame.at]
        for node in dict.fromkeys(frame.dead_exits):
            if node not in frame.live_exits:
                self._deliver(node, [DEAD] * len(node.types), parent, around, True)
        around.running -= 1
        self.settle(parent)
