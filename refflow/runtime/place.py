"""Place: one device for each node, by simple rules, and a table that says why [W21, W22, S35].

    1. a stateful node stays where an earlier step of this session put it
    2. nodes that share a reference, or ask for it with "@node", form a group on one device  [W37, W38]
    3. a group goes where all its requests and all its members' kernels allow
    4. among those: the kind with the highest priority (a GPU before a CPU), then the first by name

With soft placement a request that no kernel can honour falls back to a CPU [W22].

Next: runtime/partition.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from refflow.core import errors
from refflow.core.devices import DeviceSpec
from refflow.runtime.device import Device
from refflow.runtime.nodes import Node, StepGraph


class Placement(NamedTuple):
    """One row of the table."""

    node: str
    op_type: str
    candidates: tuple[str, ...]
    device: str
    reason: str


def place(
    step: StepGraph,
    devices: Sequence[Device],
    remembered: dict[str, Device] | None = None,
    allow_soft_placement: bool = False,
) -> tuple[StepGraph, list[Placement]]:
    """`step` with a device on every node, and the table of decisions.

    remembered: stateful nodes placed by earlier steps, by name; new ones are added.
    """
    step = step.copy()
    remembered = {} if remembered is None else remembered
    order = sorted(devices, key=lambda d: (-d.priority, d.name))
    groups = _groups(step.nodes)
    rows: dict[Node, Placement] = {}
    for members in groups:
        candidates, reason = _candidates(members, order, remembered, allow_soft_placement)
        for node in members:
            node.device = candidates[0]
            names = tuple(d.name for d in candidates)
            rows[node] = Placement(node.name, node.type, names, candidates[0].name, reason)
            if node.op_def.stateful and node.origin is not None:
                remembered[node.name] = candidates[0]
    return step, [rows[n] for n in step.nodes]


def _groups(nodes: list[Node]) -> list[list[Node]]:
    """Union-find: nodes joined by references and by "@name" requests."""
    parent = {n: n for n in nodes}
    by_name = {n.name: n for n in nodes}

    def root(node: Node) -> Node:
        while parent[node] is not node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for node in nodes:
        for place_, (producer, port) in enumerate(node.inputs):
            if producer.types[port].is_ref_dtype and place_ in _reference_places(node):
                parent[root(node)] = root(producer)
        if node.request.startswith("@"):
            other = by_name.get(node.request[1:])
            if other is None:
                raise errors.InvalidArgumentError(
                    node.node_def, node.origin, f"{node.name!r} asks to be placed with {node.request!r}, which is not "
                    "part of this step",
                )  # fmt: skip
            parent[root(node)] = root(other)
    members: dict[Node, list[Node]] = {}
    for node in nodes:
        members.setdefault(root(node), []).append(node)
    return list(members.values())


def _reference_places(node: Node) -> Sequence[int]:
    """The places of inputs that are taken as references: a value of another device would not do."""
    if not node.op_def.by_handle:
        return node.op_def.ref_inputs
    places = node.op_def.places(node.attrs, outputs=False)
    found = [places[a.name] for a in node.op_def.inputs if a.is_ref]
    everywhere = range(len(node.inputs))
    return [i for p in found for i in (everywhere[p] if isinstance(p, slice) else [p])]


def _candidates(
    members: list[Node], devices: list[Device], remembered: dict[str, Device], soft: bool
) -> tuple[list[Device], str]:
    kept = {remembered[n.name] for n in members if n.name in remembered and n.origin is not None}
    if kept:
        return sorted(kept, key=lambda d: d.name), "state is there since an earlier step"
    able = [d for d in devices if all(d.supports(n.op_def, n.attrs) for n in members)]
    request: DeviceSpec | None = DeviceSpec()
    for node in members:
        if request is not None and not node.request.startswith("@"):
            request = request.intersect(_parse(node))
    wanted = [d for d in able if request is not None and request.admits(d.spec)]
    if wanted:
        return wanted, _reason(members, request)
    cpus = [d for d in able if d.type == "cpu"]
    if soft and cpus:
        return cpus, f"soft placement: {_asked(members)} cannot be had"
    raise _unsatisfiable(members, devices)


def _parse(node: Node) -> DeviceSpec:
    return DeviceSpec.parse(node.request)


def _reason(members: list[Node], request: DeviceSpec | None) -> str:
    together = f"with {members[0].name}" if len(members) > 1 else ""
    asked = f"asked for {request}" if request != DeviceSpec() else ""
    return ", ".join(part for part in (asked, together) if part) or "first of its candidates"


def _asked(members: list[Node]) -> str:
    return ", ".join(dict.fromkeys(n.request for n in members if n.request)) or "a common device"


def _unsatisfiable(members: list[Node], devices: list[Device]) -> errors.OpError:
    """Names each member, what it asks for, and where it could run [W38]."""
    lines = []
    for node in members:
        able = [d.name for d in devices if d.supports(node.op_def, node.attrs)]
        request = node.request or "any device"
        lines.append(f"  {node.name} ({node.type}) asks for {request}; its kernels run on {', '.join(able) or 'none'}")
    what = "no device satisfies" if len(members) == 1 else "these nodes must share a device, but none satisfies"
    message = f"{what}:\n" + "\n".join(lines) + f"\nDevices here: {', '.join(d.name for d in devices)}. "
    first: Any = members[0]
    return errors.InvalidArgumentError(
        first.node_def, first.origin, message + "Change the request, or allow_soft_placement=True"
    )


def table(rows: Sequence[Placement]) -> str:
    """The decisions as text, one line a node."""
    width = max((len(r.node) for r in rows), default=0)
    kind = max((len(r.op_type) for r in rows), default=0)
    return "\n".join(f"{r.node:{width}}  {r.op_type:{kind}}  {r.device}  {r.reason}" for r in rows)
