"""Receives, held back until shortly before they are needed [W49, E10].

Left alone, a receive starts as soon as its value was sent, and the value waits in memory for its first reader. So:

    earliest    when each node starts in the simulated step (runtime/simulate.py)
    latest      when it could start at the latest without making the step longer: the least latest start of those that
                wait for it, and of what comes after it on its device or link, less its own time
    trigger     for a receive that could start later: of the nodes on its device that can be done before its latest
                start, whenever they run, the last; a control edge from that node holds the receive back

    margin      receives are held back to `margin` before their latest start, because times are estimates; of several
                margins the one is kept that needs least memory, if the step grows by no more than `bound`

The sender keeps a value that is not fetched yet. Where that only moves the bytes from one device to another, nothing is
done. Steps with loops are left alone.

Next: runtime/simulate.py.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from refflow.runtime.costs import CostModel
from refflow.runtime.nodes import CONTROL_FLOW, Node, StepGraph, in_order
from refflow.runtime.rendezvous import paired
from refflow.runtime.savings import Saving, judged
from refflow.runtime.simulate import Simulation, simulate

BOUND = 0.05  # the share by which a step may grow
_MARGINS = (0.0, 0.02, 0.1, 0.3)  # shares of the step


def hold_back_receives(step: StepGraph, costs: CostModel, bound: float = BOUND) -> tuple[StepGraph, Saving]:
    """A partitioned step whose receives wait for triggers, and what it saves; the same step where that is nothing."""
    before = simulate(step, costs)
    best, saving = step, judged("receives held back", before, before)
    if any(n.type in CONTROL_FLOW for n in step.nodes):
        return best, saving
    for margin in _MARGINS:
        held = step.copy()
        count = _hold_back(held, simulate(held, costs), margin * before.makespan)
        found = judged("receives held back", before, simulate(held, costs), f"{count} receives wait for a trigger")
        if found.growth <= bound and found.total_after < saving.total_after:
            best, saving = held, found
    return best, saving


def _hold_back(step: StepGraph, run: Simulation, margin: float) -> int:
    """Adds the control edges; returns their number.

    By its latest start every node comes after all that it waits for, and a receive after its trigger: no circle arises.
    """
    latest = latest_starts(step, run)
    lines = {d: line for d, line in run.lines.items() if not isinstance(d, tuple)}  # of devices, not of links
    ends = {d: [latest[n] + run.end[n] - run.start[n] for n in line] for d, line in lines.items()}  # they only grow
    count = 0
    for node in step.nodes:
        if not node.receives or node.attrs["client_terminated"] or node.device not in lines:
            continue
        place = bisect_right(ends[node.device], latest[node] - margin) - 1
        trigger = lines[node.device][place]
        if place >= 0 and run.end[trigger] > run.start[node]:
            node.controls.append(trigger)
            count += 1
    step.nodes = in_order(step.nodes, paired(step.nodes))
    return count


def latest_starts(step: StepGraph, run: Simulation) -> dict[Node, float]:
    """When each node could start at the latest, if what runs on each device and link kept its order."""
    users = _users(step)
    after: dict[Node, list[Node]] = {n: [] for n in step.nodes}
    for line in run.lines.values():
        for node, following in pairwise(line):
            after[node].append(following)
    found: dict[Node, float] = {}
    last = run.makespan
    for node in reversed(run.start):  # the last to start first
        ends = min((found[n] for n in (*users[node], *after[node])), default=last)
        found[node] = ends - (run.end[node] - run.start[node])
    return found


def _users(step: StepGraph) -> dict[Node, list[Node]]:
    users: dict[Node, list[Node]] = {n: [] for n in step.nodes}
    senders = paired(step.nodes)
    for node in step.nodes:
        for n in dict.fromkeys([n for n, _ in node.inputs] + node.controls + senders.get(node, [])):
            users[n].append(node)
    return users
