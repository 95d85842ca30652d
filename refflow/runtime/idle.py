"""Tensors that lie idle while memory is fullest, as those do that wait for the backward pass [W33].

    the moment   when most bytes lie on a device, in the simulated step (runtime/simulate.py)
    idle         a value that is there at the moment, made and read before it, and read again after it
    trigger      of the nodes on the device that end between the moment and the next reading, the last that ends early
                 enough: what is to bring the value back waits for it

Two remedies take the value away in between: runtime/recompute.py computes it again, runtime/swap.py keeps it on the
host. Both go the same way: the idle tensors that are worth most, again and again; what is kept is the best step that
was met on the way. No bit changes, because only pure nodes are run again and values move as they are.

Next: runtime/recompute.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from refflow.runtime.costs import CostModel
from refflow.runtime.device import Device
from refflow.runtime.nodes import CONTROL_FLOW, Node, StepGraph, in_order
from refflow.runtime.optimise import keep_needed
from refflow.runtime.partition import Lossy, partition
from refflow.runtime.savings import Saving, judged
from refflow.runtime.simulate import Buffer, Edge, Simulation, is_reference, owner, simulate

_PATIENCE = 16  # rounds in a row that did not help
_PORTION = 8  # one in so many idle tensors is taken at a time: a large step takes few rounds


T = TypeVar("T")


class Idle(NamedTuple):
    """A value that could be away at the moment. late: those that read it afterwards, the first one at `wanted`."""

    edge: Edge
    device: Device
    nbytes: int
    moment: float
    made: float
    read: float  # when the last early reader is done
    wanted: float
    late: list[Node]


class View:
    """A step, how it would run, and for what runs the node of the step that it is."""

    def __init__(self, step: StepGraph, costs: CostModel, lossy: Lossy):
        self.costs = costs
        cut, _ = partition(step, lossy)
        self.run: Simulation = simulate(cut, costs)
        by_id = {n.id: n for n in step.nodes}
        self.node = {n: by_id[n.id] for n in cut.nodes if n.id in by_id}
        self.cut = {mine: n for n, mine in self.node.items()}
        self.buffers = {(self.node[b.edge[0]], b.edge[1]): b for b in self.run.buffers if self._is_mine(b)}
        self.writers = writers(step.nodes)

    def _is_mine(self, buffer: Buffer) -> bool:
        return buffer.edge[0] in self.node and bool(buffer.edge[0].types)

    def idle(self) -> list[Idle]:
        """What lies idle on each device at its moment."""
        moments = {name: when for name, (_, when) in self.run.moments.items()}
        found = []
        for edge, buffer in self.buffers.items():
            moment = moments[buffer.device.name]
            made = self.run.end[buffer.edge[0]]
            busy = any(start <= moment < end for start, end, _ in buffer.uses)
            late = [(start, n) for start, _, n in buffer.uses if start > moment]
            if made > moment or busy or buffer.end <= moment or not late or not all(n in self.node for _, n in late):
                continue
            read = max((end for start, end, _ in buffer.uses if start <= moment), default=made)
            users = [self.node[n] for _, n in late]
            wanted = min(start for start, _ in late)
            found.append(Idle(edge, buffer.device, buffer.nbytes, moment, made, read, wanted, users))
        return found

    def start(self, node: Node) -> float:
        return self.run.start[self.cut[node]]

    def end(self, node: Node) -> float:
        return self.run.end[self.cut[node]]

    def trigger(self, idle: Idle, before: float) -> Node | None:
        """What ends on the device after the moment and last before `before`; else what ends first of all."""
        line = [n for n in self.run.lines.get(idle.device, []) if n in self.node]
        after = [n for n in line if idle.moment < self.run.end[n] <= idle.wanted]
        fitting = [n for n in after if self.run.end[n] <= before] or after[:1]
        return self.node[fitting[-1]] if fitting else None


def writers(nodes: Iterable[Node]) -> dict[Node, list[Node]]:
    """For each variable, the nodes that take its reference: they may change it."""
    found: dict[Node, list[Node]] = {}
    for node in nodes:
        for place in node.op_def.ref_inputs:
            edge = node.inputs[place]
            while edge[0].op_def.ref_inputs and is_reference(edge):
                edge = edge[0].inputs[edge[0].op_def.ref_inputs[0]]
            found.setdefault(edge[0], []).append(node)
    return found


def rewire(step: StepGraph, idle: Idle, new: Callable[[Edge], Edge]) -> None:
    """Gives the late readers new(edge) for each edge that lies in the idle tensor's memory."""
    for user in idle.late:
        user.inputs = [new(e) if owner(e) == idle.edge else e for e in user.inputs]
    step.nodes = in_order(step.nodes)


def best_of(found: list[T], key: Callable[[T], Any]) -> list[T]:
    """The portion that is rewritten in one round; one where there is any."""
    return sorted(found, key=key)[: -(-len(found) // _PORTION)]


Remedy = Callable[[StepGraph, View, list[Idle]], bool]


def relieved(
    step: StepGraph, what: str, remedy: Remedy, costs: CostModel, lossy: Lossy, counts: Callable[[str], bool]
) -> tuple[StepGraph, Saving]:
    """`step` with the remedy applied as often as it helps, and what that saves.

    remedy: changes a step so that some idle tensors are away, and says whether it did. counts: whether a device's peak,
    by its name, is to fall. Steps with loops or branches are left alone.
    """
    current = step.copy()
    view = View(current, costs, lossy)
    first = found = view.run
    best, size, rounds, last = step, _size(first, counts), 0, 0
    while rounds - last < _PATIENCE and not any(n.type in CONTROL_FLOW for n in step.nodes):
        if not remedy(current, view, view.idle()):
            break
        keep_needed(current)  # who was read late alone is not read any more
        rounds += 1
        view = View(current, costs, lossy)
        if _size(view.run, counts) < size:
            best, found, size, last = current.copy(), view.run, _size(view.run, counts), rounds
    added = len(best.nodes) - len(step.nodes)
    return best, judged(what, first, found, f"{added} nodes were added")


def _size(run: Simulation, counts: Callable[[str], bool]) -> int:
    return sum(size for name, size in run.peaks.items() if counts(name))
