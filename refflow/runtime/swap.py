"""Swap: what lies idle while a device's memory is fullest waits on the host [W33].

    y on D, read early and late    becomes    y -> out on the host -> back on the host -> read late on D

`out` and `back` are Identities, so that partition makes the transfers: one to the host when y is made, and one back,
because `back` waits for the trigger. The trigger is chosen so that the way back ends when the value is wanted.

Virtual CPU devices of one process share its memory: between them a swap saves on paper. Next: runtime/idle.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from refflow.core.registry import op_def
from refflow.runtime.costs import CostModel
from refflow.runtime.device import Device
from refflow.runtime.idle import Idle, View, best_of, relieved, rewire
from refflow.runtime.nodes import Node, StepGraph
from refflow.runtime.partition import Lossy
from refflow.runtime.savings import Saving
from refflow.runtime.simulate import Edge


def swap(
    step: StepGraph, devices: Sequence[Device], costs: CostModel, lossy: Lossy = False
) -> tuple[StepGraph, Saving]:
    """A placed step whose idle tensors wait on the host where that lowers other devices' peaks, and what it saves."""
    hosts = {d: host_of(d, devices) for d in devices}

    def remedy(step: StepGraph, view: View, idle: list[Idle]) -> bool:
        away = [i for i in idle if hosts[i.device] is not i.device and _is_gone(i, view) and _trigger(i, view)]
        for each in best_of(away, key=lambda i: (-i.nbytes, i.edge[0].id)):
            _move(step, view, each, hosts)
        return bool(away)

    names = {d.name for d in devices if hosts[d] is not d}
    return relieved(step, "swap to the host", remedy, costs, lossy, lambda name: name in names)


def host_of(device: Device, devices: Sequence[Device]) -> Device:
    """The CPU device of the same process with the lowest name: the one whose memory is the host's."""
    process = device.spec.anywhere()
    cpus = [d for d in devices if d.type == "cpu" and process.admits(d.spec)]
    return min(cpus, key=lambda d: d.name, default=device)


def _is_gone(idle: Idle, view: View) -> bool:
    """Whether the value can be on the host, and read by all early readers, before the moment."""
    return max(idle.made + view.costs.transfer(idle.nbytes), idle.read) <= idle.moment


def _trigger(idle: Idle, view: View) -> Node | None:
    """What ends early enough for word of it to go to the host and the value to come back."""
    return view.trigger(idle, idle.wanted - view.costs.transfer(0) - view.costs.transfer(idle.nbytes))


def _move(step: StepGraph, view: View, idle: Idle, hosts: dict[Device, Device]) -> None:
    host, trigger = hosts[idle.device], _trigger(idle, view)

    def stay(source: Edge, word: str, controls: list[Node]) -> Node:
        producer, port = source
        attrs = {"T": producer.types[port]}
        at = step.take_id()
        node = Node(
            at, f"{idle.edge[0].name}/{word}_{at}", op_def("Identity"), attrs, [source], controls,
            [producer.types[port]], [producer.shapes[port]], host.name, idle.edge[0].origin,
        )  # fmt: skip
        node.device = host
        step.nodes.append(node)
        return node

    out = stay(idle.edge, "out", [])
    back = stay((out, 0), "back", [] if trigger is None else [trigger])
    seen: dict[Node, Node] = {}

    def again(edge: Edge) -> Edge:
        """The value that came back; a view of it is taken anew."""
        if edge == idle.edge:
            return back, 0
        node = edge[0]
        if node not in seen:
            copy = seen[node] = node.copy()
            copy.id = step.take_id()
            copy.name = f"{node.name}/again_{copy.id}"
            copy.inputs = [again(node.inputs[0]), *node.inputs[1:]]
            copy.controls = list(node.controls)
            step.nodes.append(copy)
        return seen[node], edge[1]

    rewire(step, idle, again)
