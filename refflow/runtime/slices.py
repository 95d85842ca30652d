"""Slices: nodes that treat a batch's parts apart go through it part by part, so that what they pass on stays in cache.

    q kT -> softmax -> p v        one _Sliced node: for each eighth of the batch, three kernels on that eighth

Every value of a group lies in memory so that its n-th part is the n-th part of its numbers: batched products, chains of
elementwise nodes, softmax and its cross-entropies, sums over the last axis, and changes of shape between them. A kernel
is in a group only where its results on a part have the bits of that part of its results on the whole. What is needed
in the group alone is never there as a whole. Only the plan is cut so, after it was fused, and only with fast kernels.

Next: runtime/slice_lines.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, prod
from typing import Any, NamedTuple

from refflow.core.opdef import OpDef
from refflow.core.shapes import Dims, is_known
from refflow.runtime.endings import ENDED
from refflow.runtime.fuse import FUSED, replace
from refflow.runtime.joins import JOINED
from refflow.runtime.line_functions import may_not_fit
from refflow.runtime.nodes import SAME, Node, StepGraph, has_control_flow
from refflow.runtime.rendezvous import paired

Edge = tuple[Node, int]

SLICED = OpDef("_Sliced", FUSED.signature, FUSED.attrs, (), False, False, "rounded", False, False)
PASSING = SAME | {"Reshape", "ExpandDims", "Squeeze"}  # the same numbers in another shape
_PRODUCTS = frozenset(("BatchMatMul", "BatchMatMulV2"))
_LOSSES = frozenset(("SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits"))
_BY_ROWS = _LOSSES | {"Softmax", "LogSoftmax"}
_LEAST = 1 << 20  # bytes of a value that does not stay in cache by itself
_PART = 1 << 19  # bytes of a part's largest value


class Member(NamedTuple):
    """A node that may be cut: along the first axis of these inputs, and of its outputs.

    together: (rows, multiple): so many rows in all, of which that many go together.
    """

    node: Node
    cut: tuple[bool, ...]
    together: tuple[int, int] = (0, 1)

    def sizes(self) -> list[int]:
        """The first dimensions of all that is cut."""
        shapes = [n.shapes[p] for (n, p), cut in zip(self.node.inputs, self.cut, strict=True) if cut]
        return [s[0] if s else 1 for s in (*shapes, *self.node.shapes)]  # type: ignore[misc]


def nodes_of(node: Node) -> list[Node]:
    """The graph's nodes that are computed in this one of a plan: a chain's, a group's, an update's, or just itself."""
    if node.op_def in (FUSED, JOINED, ENDED):
        return list(node.attrs["members"])
    if node.op_def is SLICED:
        return [n for member in node.attrs["members"] for n in nodes_of(member.node)]
    if "piecewise" in node.attrs:
        return [node.attrs["piecewise"].product, node]
    return [node]


class _Group:
    """Members that become one node."""

    def __init__(self, member: Member):
        self.members: list[Member] = []
        self.nodes: set[Node] = set()
        self.edges: set[Edge] = set()  # what they make, and what they take in parts
        self.after: set[Node] = set()  # all that waits for the group
        self.size = 0
        self.add(member)

    def takes(self, member: Member, before: set[Node]) -> bool:
        """True where the node may join: it shares a value, has as many parts, and waits for nobody behind the group."""
        inputs = list(zip(member.node.inputs, member.cut, strict=True))
        near = any(edge in self.edges for edge, cut in inputs if cut)
        if any(edge[0] in self.nodes for edge, cut in inputs if not cut):
            return False  # it needs the whole
        fits = gcd(self.size, *member.sizes()) > 1 and member.node.device is self.members[0].node.device
        return near and fits and before.isdisjoint(self.after)

    def add(self, member: Member) -> None:
        self.members.append(member)
        self.nodes.add(member.node)
        self.edges |= {edge for edge, cut in zip(member.node.inputs, member.cut, strict=True) if cut}
        self.edges |= {(member.node, port) for port in range(len(member.node.types))}
        self.size = gcd(self.size, *member.sizes())

    def leave(self, node: Node) -> None:
        """Takes a node out that no member needs."""
        self.members = [m for m in self.members if m.node is not node]
        self.nodes.remove(node)

    def origin(self, edge: Edge) -> Edge:
        """The value that `edge` is in another shape, as far as the group knows."""
        while edge[0] in self.nodes and edge[0].type in PASSING:
            edge = edge[0].inputs[0]
        return edge

    def waits_for(self, before: set[Node]) -> bool:
        return not (before.isdisjoint(self.nodes) and before.isdisjoint(self.after))


def cut_in_slices(step: StepGraph) -> StepGraph:
    """`step` with its groups as single nodes. A step with branches or loops stays as it is."""
    if has_control_flow(step.nodes):
        return step
    if not any(n.type in _PRODUCTS or n.type in _BY_ROWS for n in step.nodes):
        return step
    step = step.copy()
    senders = paired(step.nodes)
    groups: list[_Group] = []
    for node in step.nodes:
        before = {n for n, _ in node.inputs} | {*node.controls, *senders.get(node, ())}
        member = _member(node)
        home = None
        if member is not None:
            home = next((g for g in reversed(groups) if g.takes(member, before)), None)
            if home is not None:
                home.add(member)
            elif gcd(*member.sizes()) > 1:
                home = _Group(member)
                groups.append(home)
        for group in groups:
            if group is not home and group.waits_for(before | (home.nodes if home else set())):
                group.after |= {node} if home is None else home.nodes | home.after
    made = []
    for group in groups:
        count = _parts(group)
        if count:
            wanted = _trimmed(step, group)
            made.append((group.nodes, wanted, _sliced(group, wanted, count)))
    replace(step, made)
    return step


# -- who may be cut -----------------------------------------------------------------------------------------------


def _member(node: Node) -> Member | None:
    """How the node is cut, or None where its parts are not apart."""
    if node.device is None or node.device.type != "cpu" or not node.inputs:
        return None
    shapes = [n.shapes[p] for n, p in node.inputs]
    if not all(is_known(s) and s for s in node.shapes) or not all(map(is_known, shapes)):
        return None
    if any(t.is_ref_dtype for t in node.types) or (node.op_def is not FUSED and may_not_fit(node)):
        return None
    if node.op_def is FUSED:
        return _fused_member(node)
    first: Dims = shapes[0] or ()
    if node.type in PASSING:
        is_value = not node.inputs[0][0].types[node.inputs[0][1]].is_ref_dtype
        return Member(node, (True,) + (False,) * (len(shapes) - 1)) if first and is_value else None
    if node.type in _PRODUCTS:
        leads = {s[0] for s in (*shapes, *node.shapes) if s and len(s) > 2}
        deep = all(s is not None and len(s) > 2 for s in shapes)
        return Member(node, (True, True)) if deep and len(leads) == 1 else None
    if node.type in _LOSSES and shapes[1] != (first[:1] if node.type.startswith("Sparse") else first):  # stretched
        return None
    if node.type in _BY_ROWS or (node.type == "Sum" and _is_last_axis(node, first)):
        together = node.device.rows_together(node.op_def, node.attrs, first) if len(first) > 1 else 0
        cut = (True,) + (node.type in _LOSSES,) * (len(shapes) - 1)
        rows: Any = first[:-1]
        return Member(node, cut, (prod(rows), together)) if together else None
    return None


def _fused_member(node: Node) -> Member:
    _, kinds, _, rows, _, _ = node.attrs["blocks"]
    return Member(node, tuple(kind in ("whole", "column") for kind in kinds), (rows, 1))


def _is_last_axis(node: Node, given: Dims) -> bool:
    axes = node.inputs[1][0].attrs.get("value") if node.inputs[1][0].type == "Const" else None
    return axes is not None and axes.size == 1 and int(axes.reshape(())) in (-1, len(given) - 1) and len(given) > 1


# -- which groups are worth it ------------------------------------------------------------------------------------


def _bytes(edge: Edge) -> int:
    node, port = edge
    return prod(node.shapes[port] or ()) * node.types[port].base_dtype.size  # type: ignore[arg-type]


def _parts(group: _Group) -> int:
    """In how many parts the group is done, 0 where it had better not be one."""
    if not all(_is_checked_before(group, m.node) for m in group.members):
        return 0
    inside = [e for m in group.members for e in m.node.inputs if e[0] in group.nodes]
    if sum(m.node.type not in PASSING for m in group.members) < 2 or not inside or max(map(_bytes, inside)) < _LEAST:
        return 0
    largest = max(map(_bytes, group.edges))
    counts = [c for c in range(2, group.size + 1) if group.size % c == 0 and _together(group.members, c)]
    return next((c for c in counts if largest <= c * _PART), counts[-1] if counts else 0)


def _is_checked_before(group: _Group, node: Node) -> bool:
    """True where what the node may refuse is there as a whole before the first part."""
    checked = node.device.kernel(node.op_def, node.attrs, "fast").checked if node.type in _BY_ROWS else None
    if checked is None:
        return True
    return group.origin(node.inputs[checked.place])[0] not in group.nodes


def _together(members: Sequence[Member], count: int) -> bool:
    """True where rows that go together are in one part."""
    return all(rows % count == 0 and rows // count % multiple == 0 for rows, multiple in (m.together for m in members))


def _wanted(step: StepGraph, group: _Group) -> list[Edge]:
    """The values that others need."""
    found = [e for n in step.nodes if n not in group.nodes for e in n.inputs if e[0] in group.nodes]
    # That it runs may be all that was asked for.
    return list(dict.fromkeys(found)) or [(group.members[-1].node, 0)]


def _trimmed(step: StepGraph, group: _Group) -> list[Edge]:
    """The values that others need, each once: who has one of them in another shape for others does that outside.

    There it costs nothing; inside, each shape would be an output of its own.
    """
    while True:
        wanted = _wanted(step, group)
        origins = [group.origin(edge) for edge in wanted]
        inside = {n for m in group.members for n in (*m.node.controls, *(n for n, _ in m.node.inputs))}
        late = next((node for (node, _), origin in zip(wanted, origins, strict=True)
                     if node.type in PASSING and node not in inside and origins.count(origin) > 1), None)  # fmt: skip
        if late is None:
            return wanted
        group.leave(late)


def _sliced(group: _Group, wanted: list[Edge], count: int) -> Node:
    """The group's node, with an output for each value that others need."""
    places: dict[tuple[Edge, bool], int] = {}  # of an edge from outside, as a part of it or as a whole
    for member in group.members:
        for edge, cut in zip(member.node.inputs, member.cut, strict=True):
            if edge[0] not in group.nodes:
                places.setdefault((edge, cut), len(places))
    last, inputs = group.members[-1].node, [edge for edge, _ in places]
    types = [n.types[p] for n, p in wanted]
    attrs: dict[str, Any] = {"Tin": [n.types[p] for n, p in inputs], "Tout": types, "members": group.members,
                             "wanted": wanted, "count": count, "places": places}  # fmt: skip
    node = Node(last.id, last.name, SLICED, attrs, inputs, [], types, [n.shapes[p] for n, p in wanted], last.request,
                last.origin)  # fmt: skip
    node.controls = list(dict.fromkeys(c for m in group.members for c in m.node.controls if c not in group.nodes))
    node.device = last.device
    return node
