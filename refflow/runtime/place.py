"""Place: one device for each node, and a table that says why [W21, W22, S35, S42].

    1. a stateful node stays where an earlier step of this session put it
    2. nodes that share a reference or a handle, or ask to be together, form a group     [W37, W38]
    3. a group may go where all its requests and all its members' kernels allow
       what has one list of tensors goes where all of that may go
    4. among those it goes where the placer says                                         [E09]
           simple   the kind with the highest priority (a GPU before a CPU), then the first by name
           greedy   where a simulation of the step has it done first (runtime/greedy.py) [W20]

With soft placement a request that no kernel can honour falls back to a CPU of the process that it names [W22].

Next: runtime/partition.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from refflow.core.devices import DeviceSpec
from refflow.core.dtypes import resource
from refflow.runtime.colocation import Group, groups, takes_state, unsatisfiable, with_same_lists
from refflow.runtime.costs import CostModel
from refflow.runtime.device import Device
from refflow.runtime.greedy import greedy
from refflow.runtime.nodes import Node, StepGraph

_ANYWHERE = DeviceSpec()


class Placement(NamedTuple):
    """One row of the table. finish: when the node would be done on each candidate, in microseconds, if that counted."""

    node: str
    op_type: str
    candidates: tuple[str, ...]
    device: str
    reason: str
    finish: tuple[float, ...] = ()


class _Choice(NamedTuple):
    """Where a group may go, the simple placer's choice first, and why there."""

    candidates: list[Device]
    reason: str
    is_settled: bool = False  # no placer has a say


def place(
    step: StepGraph,
    devices: Sequence[Device],
    remembered: dict[str, Device] | None = None,
    allow_soft_placement: bool = False,
    placer: str = "simple",
    costs: CostModel | None = None,
) -> tuple[StepGraph, list[Placement]]:
    """`step` with a device on every node, and the table of decisions.

    remembered: stateful nodes placed by earlier steps, by name; new ones are added. costs: what the greedy placer
    reckons with, by default what follows from shapes. InvalidArgumentError where a group fits nowhere.
    """
    step = step.copy()
    remembered = {} if remembered is None else remembered
    order = sorted(devices, key=lambda d: (-d.priority, d.name))
    found = [part for group in groups(step.nodes) for part in _parts(group, order, remembered)]
    lists = with_same_lists(step.nodes)
    chosen = [(g, _choice(g, order, remembered, allow_soft_placement, lists)) for g in found]
    finish: dict[Node, tuple[float, ...]] = {}
    if placer == "greedy":
        feasible = [(g.members, c.candidates[:1] if c.is_settled else c.candidates) for g, c in chosen]
        finish = greedy(step, feasible, costs or CostModel())
    rows: dict[Node, Placement] = {}
    for group, choice in chosen:
        for node in group.members:
            if node.device is None:
                node.device = choice.candidates[0]
            names = tuple(d.name for d in choice.candidates)
            reason = _reason(node, group, choice, finish.get(node, ()))
            rows[node] = Placement(node.name, node.type, names, node.device.name, reason, finish.get(node, ()))
            if node.op_def.stateful and node.origin is not None:
                remembered[node.name] = node.device
    return step, [rows[n] for n in step.nodes]


def _parts(group: Group, devices: list[Device], remembered: dict[str, Device]) -> list[Group]:
    """The group; or its state and what goes with it, and one by one those that only a label keeps there.

    That is where a device could have the state if it were not for them, such as the shape of an initial value: on a
    card, single integers are the host's.
    """
    held = {n for n in group.members if any(takes_state(n, place) for place in range(len(n.inputs)))}
    held |= {n for n in group.members if any(t.is_ref_dtype or t is resource for t in n.types)}
    if not held or len(held) == len(group.members) or any(n.request.startswith("@") for n in group.members):
        return [group]
    kept = [remembered[n] for n in group.names if n in remembered]
    wanted = [d for d in devices if group.spec is not None and group.spec.admits(d.spec)]
    home = kept[0] if kept else next((d for d in wanted if all(supported(d, n) for n in held)), None)
    apart = [n for n in group.members if home is not None and n not in held and not supported(home, n)]
    if not apart:
        return [group]
    gone = {n.name for n in apart}
    state = Group([n for n in group.members if n not in apart], [n for n in group.names if n not in gone], group.spec,
                 {n: r for n, r in group.asks.items() if n not in gone}, group.gives_way)  # fmt: skip
    return [state, *(Group([n], [n.name]) for n in apart)]


def _choice(
    group: Group, devices: list[Device], remembered: dict[str, Device], soft: bool, lists: dict[Node, list[Node]]
) -> _Choice:
    kept = {remembered[n] for n in group.names if n in remembered}
    if kept:
        return _Choice(sorted(kept, key=lambda d: d.name), "state is there since an earlier step", is_settled=True)
    able = [d for d in devices if all(supported(d, n) for n in group.members)]
    if able and group.spec == _ANYWHERE:
        able = [d for d in able if all(_takes(d, n) for m in group.members for n in lists.get(m, ()))] or able
        able = [d for d in able if all(_suits(d, n) for n in group.members)] or able
        return _Choice(able, _lacking(group, devices, able))
    wanted = [d for d in able if group.spec is not None and group.spec.admits(d.spec)]
    if wanted:
        return _Choice(wanted, f"asked for {group.spec}")
    cpus = [d for d in able if d.type == "cpu" and soft and _same_process(group, d)]
    if cpus:
        asked = ", ".join(dict.fromkeys(group.asks.values())) or "a common device"
        lacking = _lacking(group, devices, able)
        return _Choice(cpus, f"soft placement: {asked} cannot be had" + (f", {lacking}" if lacking else ""))
    raise unsatisfiable(group, devices, supported)


def _lacking(group: Group, devices: list[Device], able: list[Device]) -> str:
    """Which kinds of device a group cannot be on, and for whose sake."""
    found = []
    for kind in sorted({d.type for d in devices} - {d.type for d in able}):
        device = next(d for d in devices if d.type == kind)
        types = {n.type: device.lacking(n.op_def, n.attrs) for n in group.members if not supported(device, n)}
        if not types:
            steers = not all(_suits(device, n) for n in group.members)
            found.append(f"single integers and truths stay off the {kind}, where each would be a transfer" if steers
                         else f"others have its list for which there is no {kind} kernel")  # fmt: skip
            continue
        named = [f"{name} ({why})" if why else name for name, why in types.items()]
        found.append(f"no {kind} kernel for {', '.join(named)}")
    return ", ".join(found)


def supported(device: Device, node: Node) -> bool:
    """Whether a device has a kernel for a node."""
    return device.supports(node.op_def, node.attrs)


def _suits(device: Device, node: Node) -> bool:
    """Whether a device is a good place for a node that it can run."""
    inputs = [(n.types[port].base_dtype, n.shapes[port]) for n, port in node.inputs]
    return device.suits(node.op_def, [t for t, _ in inputs], [s for _, s in inputs])


def _takes(device: Device, node: Node) -> bool:
    """Whether a device is a good place for a list with which a node does something."""
    return supported(device, node) and (node.op_def.keeps is None or _suits(device, node))


def _same_process(group: Group, device: Device) -> bool:
    return all(DeviceSpec.parse(request).anywhere().admits(device.spec) for request in group.asks.values())


def _reason(node: Node, group: Group, choice: _Choice, finish: tuple[float, ...]) -> str:
    parts = [choice.reason]
    if not supported(node.device, node):
        parts.append(f"no {node.device.type} kernel for it, so it runs on the host, between transfers")
    if node.name in group.gives_way:
        parts.append(f"asked for {group.gives_way[node.name]}, but state does not move")
    others = [name for name in group.names if name != node.name]
    if others:
        parts.append(f"with {others[0]}")
    if len(finish) > 1:
        soonest = [t for t in finish if t == min(finish)]
        parts.append("done first there" if len(soonest) == 1 else "done as soon as anywhere, first by name")
    return ", ".join(filter(None, parts)) or ("first of its candidates" if len(choice.candidates) > 1 else "no other")


def table(rows: Sequence[Placement]) -> str:
    """The decisions as text, one line a node: where it could run, and when it would be done there, if that counted."""
    if not rows:
        return ""
    short = _short_names(rows)
    lines = [("node", "op type", "device", "candidates", "reason")]
    for row in rows:
        finish = [f" {t:.1f}us" for t in row.finish] or [""] * len(row.candidates)
        told = ", ".join(short[c] + t for c, t in zip(row.candidates, finish, strict=False))
        lines.append((row.node, row.op_type, short[row.device], told, row.reason))
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    return "\n".join("  ".join([*(f"{x:{w}}" for x, w in zip(line, widths, strict=False)), line[4]]) for line in lines)


def _short_names(rows: Sequence[Placement]) -> dict[str, str]:
    """Device names without the process, where all are in one."""
    names = dict.fromkeys(name for row in rows for name in (*row.candidates, row.device))
    one_process = len({name.rpartition("/")[0] for name in names}) == 1
    return {name: name.rpartition("/")[2] if one_process else name for name in names}
