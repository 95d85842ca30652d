"""Recompute: what lies idle while memory is fullest is forgotten, and computed again when it is needed [W33].

    x -> f -> y,  y read early and late        becomes        y read early;  x -> f' -> read late,  f' after the trigger

What f' reads must be there, or come from nodes that are run again themselves; a value that would have to be kept for it
costs its bytes. A variable may have changed meanwhile: f' comes before all that change it, or is not made.

Next: runtime/swap.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import prod
from typing import NamedTuple

from refflow.runtime.costs import CostModel, multiply_adds
from refflow.runtime.idle import Idle, View, best_of, relieved, rewire
from refflow.runtime.nodes import Node, StepGraph
from refflow.runtime.optimise import is_pure
from refflow.runtime.partition import Lossy
from refflow.runtime.savings import Saving
from refflow.runtime.simulate import Edge, is_counted, is_reference, owner

_FEW = 8  # operations for each element: what does no more is cheap

Recompute = str | Collection[str] | Callable[[str], bool]  # "cheap", names of nodes, or a function of a name


class _Again(NamedTuple):
    """The nodes to run again for an idle tensor, the bytes that this frees at the moment, and how long it takes."""

    idle: Idle
    nodes: list[Node]
    saved: int
    time: float


def recompute(
    step: StepGraph, which: Recompute, costs: CostModel, lossy: Lossy = False
) -> tuple[StepGraph, Saving]:
    """A placed step whose idle tensors are computed again where that lowers the peaks, and what it saves.

    which: the nodes that may be run again: "cheap", those named, or those for whose name the function is true.
    """
    may = _permission(which)

    def remedy(step: StepGraph, view: View, idle: list[Idle]) -> bool:
        plans = [_again(each, view, may) for each in idle if view.trigger(each, each.wanted)]
        worth = [p for p in plans if p is not None and p.saved > 0]
        for plan in best_of(worth, key=lambda p: (-p.saved, p.time, p.idle.edge[0].id)):
            _run_again(step, view, plan)
        return bool(worth)

    return relieved(step, "recomputation", remedy, costs, lossy, lambda name: True)


def _permission(which: Recompute) -> Callable[[Node], bool]:
    if which == "cheap":
        return is_cheap
    if callable(which):
        return lambda node: which(node.name)
    if isinstance(which, str):
        raise ValueError(f"recompute must be 'cheap', names of nodes, or a function of a name, got {which!r}")
    names = set(which)
    return lambda node: node.name in names


def is_cheap(node: Node) -> bool:
    """True for what does only a few operations for each element."""
    sizes = [prod(d or 1 for d in shape) for shape in node.shapes if shape is not None]
    return multiply_adds(node) <= _FEW * max(sizes, default=1)


def _again(idle: Idle, view: View, may: Callable[[Node], bool]) -> _Again | None:
    """What has to run again for one idle tensor, or None where it cannot."""
    nodes: list[Node] = []
    kept = 0
    stack = [idle.edge[0]]
    while stack:
        node = stack.pop()
        if node in nodes:
            continue
        if not is_pure(node) or not may(node) or not _reads_the_same(node, idle, view):
            return None
        nodes.append(node)
        for edge in node.inputs:
            source = owner(edge)
            buffer = view.buffers.get(source)
            if is_reference(edge) or not is_counted(source):
                continue
            if buffer is None or source[0].device is not node.device:
                return None  # it came from another device, which may have let go of it
            if buffer.end > idle.moment and source != idle.edge:
                continue  # it is there at the moment, so that keeping it costs nothing then
            if is_pure(source[0]) and may(source[0]) and source[0].inputs:
                stack.append(source[0])
            else:
                kept += buffer.nbytes
    time = sum(view.costs.time(n, n.device) for n in nodes)
    return _Again(idle, nodes, idle.nbytes - kept, time)


def _reads_the_same(node: Node, idle: Idle, view: View) -> bool:
    """Whether every variable that a node reads is unchanged from its own run until the value is wanted again."""
    for edge in node.inputs:
        if is_reference(edge) and not all(
            view.start(w) >= idle.wanted or view.end(w) <= view.start(node) for w in view.writers.get(edge[0], ())
        ):
            return False
    return True


def _run_again(step: StepGraph, view: View, plan: _Again) -> None:
    idle = plan.idle
    trigger = view.trigger(idle, idle.wanted)
    twins: dict[Node, Node] = {}

    def twin(node: Node) -> Node:
        if node not in twins:
            copy = twins[node] = node.copy()
            copy.id = step.take_id()
            copy.name = f"{node.name}/again_{copy.id}"
            copy.inputs = [again(e) for e in node.inputs]
            copy.controls = [*node.controls, *([] if trigger is None else [trigger])]
            step.nodes.append(copy)
            for edge in node.inputs:
                for writer in view.writers.get(edge[0], ()) if is_reference(edge) else ():
                    if view.start(writer) >= idle.wanted:
                        writer.controls.append(copy)
        return twins[node]

    def again(edge: Edge) -> Edge:
        """The edge, or what takes its place late: views are looked through, and taken again of what is made again."""
        source = owner(edge)
        if source[0] in plan.nodes or (source == edge and edge[0] in plan.nodes):
            return twin(edge[0]), edge[1]
        return edge

    rewire(step, idle, again)
