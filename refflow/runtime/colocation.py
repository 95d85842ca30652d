"""Groups: the nodes that must share a device, and what each asks for [W37, W38].

    joined by     a reference or a handle that one node gives and another takes     [W11, W47]
                  a request "@name", and "loc:@name" in the attribute _class: with the node of that name
    asks for      what all its members ask for; a member that takes a reference or a handle gives way to the one that
                  gives it, because state does not move

A node may ask to be with one that this step does not run: what that one asks for counts all the same.

Next: runtime/greedy.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from refflow.core import errors
from refflow.core.devices import DeviceSpec
from refflow.core.dtypes import resource, variant
from refflow.core.graphdef import LABEL
from refflow.runtime.device import Device
from refflow.runtime.nodes import Node


@dataclass
class Group:
    """Nodes on one device. `names` are theirs, and those of nodes that are not in this step."""

    members: list[Node] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    spec: DeviceSpec | None = field(default_factory=DeviceSpec)  # None where requests contradict each other
    asks: dict[str, str] = field(default_factory=dict)  # name -> request, of those that ask
    gives_way: dict[str, str] = field(default_factory=dict)  # name -> its request, which does not count
    dispute: tuple[str, str] = ("", "")  # the names of two that contradict each other


def groups(nodes: Sequence[Node]) -> list[Group]:
    """The groups of a step, in the order of their first nodes."""
    return _Groups(nodes).found()


class _Groups:
    def __init__(self, nodes: Sequence[Node]):
        self.nodes = nodes
        self.by_name = {n.name: n for n in nodes}
        self.requests = {n.name: n.request for n in nodes}
        self.takers = {n.name for n in nodes if any(takes_state(n, place) for place in range(len(n.inputs)))}
        self._parent = {n.name: n.name for n in nodes}
        for node in nodes:
            for place, (producer, _) in enumerate(node.inputs):
                if takes_state(node, place):
                    self._join(node.name, producer.name)
        for node in nodes:
            self._follow(node)

    def _root(self, name: str) -> str:
        self._parent.setdefault(name, name)
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name

    def _join(self, name: str, other: str) -> None:
        self._parent[self._root(name)] = self._root(other)

    def _follow(self, node: Node) -> None:
        """Joins a node with those it names, and with those that they name where they are not in this step."""
        graph = None if node.origin is None else node.origin.graph
        waiting: list[tuple[str, str, Any]] = [(node.name, node.request, node.attrs)]
        while waiting:
            name, request, attrs = waiting.pop()
            for other, must_be in _named(request, attrs):
                known = other in self.requests
                self._join(name, other)
                op = None if known or graph is None else graph._by_name.get(other)
                if op is not None:
                    self.requests[other] = op.device
                    waiting.append((other, op.device, op.attrs))
                elif must_be and not known:
                    raise errors.InvalidArgumentError(
                        node.node_def, node.origin,
                        f"{name!r} asks to be placed with {request!r}, but the graph has no such node",
                    )  # fmt: skip

    def found(self) -> list[Group]:
        by_root: dict[str, Group] = {}
        for name in self.requests:  # the step's nodes come first
            group = by_root.setdefault(self._root(name), Group())
            group.names.append(name)
            if name in self.by_name:
                group.members.append(self.by_name[name])
        for group in by_root.values():
            self._agree(group)
        return [g for g in by_root.values() if g.members]

    def _agree(self, group: Group) -> None:
        """What a group asks for: owners of state first, so that takers can give way."""
        owners = [n for n in group.names if n not in self.takers]
        for name in owners + [n for n in group.names if n in self.takers]:
            request = self.requests[name]
            if not request or request.startswith("@"):
                continue
            spec = _parsed(request, self.by_name.get(name, group.members[0]), name)
            if group.spec is None:
                group.asks[name] = request
            elif not group.spec.conflict(spec):
                group.spec = group.spec.intersect(spec)
                group.asks[name] = request
            elif name in self.takers:
                group.gives_way[name] = request
            else:
                rival = next(n for n, r in group.asks.items() if DeviceSpec.parse(r).conflict(spec))
                group.asks[name] = request
                group.spec, group.dispute = None, (name, rival)


def with_same_lists(nodes: Sequence[Node]) -> dict[Node, list[Node]]:
    """For each node that has a list of tensors, or the like, all that ever have it or what comes of it [W43]."""
    found: dict[Node, list[Node]] = {}
    for node in nodes:
        for producer, port in node.inputs:
            if producer.types[port].base_dtype is not variant:
                continue
            some, others = found.setdefault(producer, [producer]), found.setdefault(node, [node])
            if some is not others:
                some += others
                found |= dict.fromkeys(others, some)
    return found


def takes_state(node: Node, place: int) -> bool:
    """True where an input is the state itself, not a value: a reference that is taken as one, or a handle."""
    producer, port = node.inputs[place]
    dtype = producer.types[port]
    if dtype.base_dtype is resource:
        return not (node.sends or node.receives)
    return dtype.is_ref_dtype and node.argument(place).is_ref


def _named(request: str, attrs: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """The nodes that one wants to be with, and whether they must exist."""
    if request.startswith("@"):
        yield request[1:], True
    for label in attrs.get("_class", ()):
        if label.startswith(LABEL):
            yield label[len(LABEL) :], False


def _parsed(request: str, node: Node, name: str) -> DeviceSpec:
    try:
        return DeviceSpec.parse(request)
    except errors.NodeError as error:
        raise errors.InvalidArgumentError(
            node.node_def, node.origin, f"Malformed device specification {request!r} in node: {name!r}. {error}"
        ) from None


# -- where nothing is left -----------------------------------------------------------------------------------


def unsatisfiable(group: Group, devices: Sequence[Device], supported: Callable[[Device, Node], bool]) -> errors.OpError:
    """Why no device suits a group: first what is wrong, then each member, what it asks for and its kernels [W38].

    The first sentence has TensorFlow's words, for those who look for them.
    """
    lines = []
    for node in group.members:
        able = [d.name for d in devices if supported(d, node)]
        asks = group.asks.get(node.name) or node.request or "any device"
        gave = f" (asked for {group.gives_way[node.name]})" if node.name in group.gives_way else ""
        runs = ", ".join(able) or "none"
        lines.append(f"  {node.name} ({node.type}) asks for {asks}{gave}; its kernels run on {runs}")
    inside = {n.name for n in group.members}
    lines += [f"  {n} asks for {r}; it is not part of this step" for n, r in group.asks.items() if n not in inside]
    here = ", ".join(d.name for d in devices)
    advice = f"Devices here: {here}. Change the request, or set allow_soft_placement=True"
    asked, had = {DeviceSpec.parse(r).type for r in group.asks.values()}, {d.type for d in devices}
    if "gpu" in asked - had:
        advice += '. A session has a card only if it asks for one: tf.Session(device_count={"GPU": 1})'
    first, sentence = _first_sentence(group, devices, supported)
    return errors.InvalidArgumentError(first.node_def, first.origin, "\n".join([sentence, *lines, advice]))


def _first_sentence(
    group: Group, devices: Sequence[Device], supported: Callable[[Device, Node], bool]
) -> tuple[Node, str]:
    by_name = {n.name: n for n in group.members}
    for node in group.members:
        if not any(supported(d, node) for d in devices):
            kinds = ", ".join(sorted(node.op_def.kernels)) or "no device"
            return node, (
                f"No OpKernel was registered to support Op {node.type!r} used by {{{{node {node.name}}}}} on the "
                f"devices here. Registered kernels: {kinds}"
            )
    if group.spec is None:
        one, other = group.dispute
        a, b = group.asks[one], group.asks[other]
        what = DeviceSpec.parse(a).conflict(DeviceSpec.parse(b))
        return by_name.get(one, group.members[0]), (
            f"Cannot colocate nodes {{{{colocation_node {one}}}}} and {{{{colocation_node {other}}}}}: "
            f"Cannot merge devices with incompatible {what}: {a!r} and {b!r}"
        )
    for name, request in group.asks.items():
        node, spec = by_name.get(name, group.members[0]), DeviceSpec.parse(request)
        if node.origin is not None:  # what was folded has a name of its own
            name = node.origin.name
        fitting = [d for d in devices if spec.admits(d.spec)]
        if not fitting:
            return node, (
                f"Cannot assign a device for operation {name}: {{{{node {name}}}}} was explicitly assigned to "
                f"{request} but available devices are [ {', '.join(d.name for d in devices)} ]. Make sure the device "
                "specification refers to a valid device."
            )
        if not any(supported(d, node) for d in fitting):
            kind = (spec.type or fitting[0].type).upper()
            return node, (
                f"Cannot assign a device for operation {name}: Could not satisfy explicit device specification "
                f"{request!r} because no supported kernel for {kind} devices is available."
            )
    first, last = group.members[0], group.members[-1]
    if first is last or group.asks:
        asked = next(iter(group.asks.values()), "")
        return first, (
            f"Cannot assign a device for operation {first.name}: Could not satisfy explicit device specification "
            f"{asked!r} because no supported kernel for all nodes that share its device is available."
        )
    return first, (
        f"Cannot colocate nodes {{{{colocation_node {first.name}}}}} and {{{{colocation_node {last.name}}}}} because "
        "no device type supports both of those nodes and the other nodes colocated with them."
    )
