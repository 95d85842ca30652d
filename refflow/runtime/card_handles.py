"""Variables behind handles on a card: what a step does by a handle is done by a reference, as for a `Variable` [W47].

    v -> ReadVariableOp -> MatMul        becomes        v' -> MatMul               v': the same memory, by reference
    v, g -> ResourceApplyAdam                           v', g -> ApplyAdam

So they lie with the others, are updated where they lie, and are in the captured step. What was read before a change
stays what it was: a reader of the old value that would run before the change anyway reads the memory itself, and the
change waits for it; for all others the value is copied.

An op without such a twin gets handles, and runs on the host between transfers (runtime/gpu.py). So does one that would
fail: the handle's op knows what to say.

Next: runtime/gpu_kernels.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from refflow.core import errors, shape_rules
from refflow.core.dtypes import resource
from refflow.core.handles import handle_to
from refflow.core.opdef import OpDef
from refflow.core.registry import find_op_def, op_def
from refflow.core.shapes import compatible, is_known
from refflow.runtime.kernels import variable_state
from refflow.runtime.nodes import Node, StepGraph, has_control_flow, in_order
from refflow.runtime.rendezvous import paired

Edge = tuple[Node, int]

_TWINS = {
    "ReadVariableOp": "Identity", "AssignVariableOp": "Assign", "AssignAddVariableOp": "AssignAdd",
    "AssignSubVariableOp": "AssignSub",
}  # fmt: skip
_PREFIXES = ("ResourceApply", "ResourceSparseApply", "ResourceScatter", "ResourceGather")
_PASSING = {"Identity": "RefIdentity", "Enter": "RefEnter", "Switch": "RefSwitch"}


def twin_of(handled: OpDef, attrs: dict[str, Any]) -> tuple[OpDef, dict[str, Any]] | None:
    """The op that does by a reference what this one does by a handle, and its attributes; None where there is none."""
    name = _TWINS.get(handled.name)
    if name is None and handled.name.startswith(_PREFIXES):
        name = handled.name.removeprefix("Resource")
    found = None if name is None else find_op_def(name)
    if found is None or attrs.get("batch_dims"):
        return None
    given = {key: attrs.get(key, attr.default) for key, attr in found.attrs.items()}
    dtype = attrs["dtype"] if "dtype" in attrs else attrs["T"]
    return found, given | {"Tparams" if "Tparams" in found.attrs else "T": dtype}


def by_reference(step: StepGraph) -> StepGraph:
    """`step` with what can be done by references on cards done so."""
    if all(n.op_def.family != "VarHandleOp" or n.device.type == "cpu" for n in step.nodes):
        return step
    step = step.copy()
    references: dict[Edge, Edge] = {}  # by what stands for a handle, what stands for the memory
    variables: dict[Any, Node] = {}  # handles of one name are one variable
    reads = []
    for node in list(step.nodes):
        if node.device.type == "cpu":
            continue
        if node.op_def.family == "VarHandleOp":
            key = node.device, node.attrs["container"], node.attrs["shared_name"] or node.name
            if key not in variables:
                variables[key] = _variable(step, node)
            references[node, 0] = variables[key], 0
        elif node.type in _PASSING and node.types[0] is resource and node.inputs[0] in references:
            _pass_on(step, node, references)
        elif _turned(node, references) and node.type == "Identity":
            reads.append(node)
    if not has_control_flow(step.nodes):
        by_handle = {_origin(references[e]) for n in step.nodes for e in n.inputs if e in references}
        _read_at_use(step, [r for r in reads if _origin(r.inputs[0]) not in by_handle])
    _drop(step, [*reads, *(node for node, _ in reversed(references))])
    step.nodes = in_order(step.nodes, paired(step.nodes))
    return step


def _drop(step: StepGraph, nodes: list[Node]) -> None:
    """Takes out those of the nodes that nobody needs, users before what they use."""
    users = Counter(n for node in step.nodes for n in [*node.controls, *(producer for producer, _ in node.inputs)])
    users.update(step.targets)
    dropped = set()
    for node in dict.fromkeys(nodes):
        if not users[node]:
            dropped.add(node)
            users.subtract([*node.controls, *(producer for producer, _ in node.inputs)])
    step.nodes = [n for n in step.nodes if n not in dropped]


def _variable(step: StepGraph, handle: Node) -> Node:
    """The variable behind a handle, as a reference."""
    kept = {key: handle.attrs[key] for key in ("dtype", "shape", "container")}
    attrs = kept | {"shared_name": handle.attrs["shared_name"] or handle.name, "kind": "VarHandleOp"}
    node = _added(step, handle, "VariableV2", attrs, [], [attrs["dtype"].as_ref], [attrs["shape"].as_tuple])
    read = op_def("ReadVariableOp").reference
    attrs["unset"] = lambda: read(handle_to(variable_state(node)), dtype=attrs["dtype"])
    return node


def _added(
    step: StepGraph, beside: Node, op_type: str, attrs: Any, inputs: list[Edge], types: Any, shapes: Any
) -> Node:
    node = Node(step.take_id(), beside.name, op_def(op_type), attrs, inputs, list(beside.controls), types, shapes,
                beside.request, beside.origin)  # fmt: skip
    node.device = beside.device
    step.nodes.append(node)
    return node


def _pass_on(step: StepGraph, node: Node, references: dict[Edge, Edge]) -> None:
    """Beside a node that hands a handle on, one that does so with the reference."""
    source = references[node.inputs[0]]
    dtype, shape = source[0].types[source[1]], source[0].shapes[source[1]]
    attrs = node.attrs | {"T": dtype.base_dtype, "unset": source[0].attrs["unset"]}
    count = len(node.types)
    twin = _added(step, node, _PASSING[node.type], attrs, [source, *node.inputs[1:]], [dtype] * count, [shape] * count)
    references |= {(node, port): (twin, port) for port in range(count)}


def _turned(node: Node, references: dict[Edge, Edge]) -> bool:
    """Makes a node its twin, if it has one and nothing is wrong with it."""
    handles = [e for e in node.inputs if e[0].types[e[1]] is resource]
    found = twin_of(node.op_def, node.attrs) if handles and all(e in references for e in handles) else None
    if found is None or not node.device.supports(*found):
        return False
    twin, attrs = found
    inputs = [references.get(e, e) for e in node.inputs]
    variable = inputs[0][0].types[inputs[0][1]].base_dtype
    dtype = attrs["Tparams"] if "Tparams" in attrs else attrs["T"]
    shape = inputs[0][0].shapes[inputs[0][1]]
    if dtype is not variable or not _fits(twin, attrs, inputs):
        return False
    node.attrs = attrs | {"unset": _says_unset(node, [references[e] for e in handles])}
    node.op_def, node.inputs = twin, inputs
    if not node.types:
        node.types, node.shapes = [dtype.as_ref], [shape]
    return True


def _fits(twin: OpDef, attrs: dict[str, Any], inputs: list[Edge]) -> bool:
    """Whether the shapes are known, and are what the twin takes."""
    dims = [n.shapes[p] for n, p in inputs]
    if twin.name == "Assign":
        return is_known(dims[1]) and compatible(dims[0], dims[1])
    try:
        found = shape_rules.infer(twin, attrs, dims, lambda place: None)
    except (errors.ShapeError, errors.OpError):
        return False
    return all(map(is_known, dims)) or twin.name == "Identity" or (bool(found) and is_known(dims[0]))


def _says_unset(node: Node, references: list[Edge]) -> Callable[[], Any]:
    """A function that raises what the handles' op says of a variable without a value."""
    kernel = node.op_def.reference
    arguments = node.op_def.kernels["cpu"].arguments(node.attrs)
    others = [None] * (len(node.inputs) - len(references))

    def says() -> Any:
        handles = [handle_to(variable_state(_origin(edge))) for edge in references]
        return kernel(*handles, *others, **arguments)

    return says


def _origin(edge: Edge) -> Node:
    while edge[0].inputs:
        edge = edge[0].inputs[0]
    return edge[0]


def _read_at_use(step: StepGraph, reads: list[Node]) -> None:
    """Lets the users of values that were read take them from the memory, where no change comes between [W12]."""
    order = {n: place for place, n in enumerate(in_order(step.nodes, paired(step.nodes), changes_last=True))}
    changes: dict[Node, list[Node]] = {}
    for node in step.nodes:
        for place in node.op_def.ref_inputs:
            changes.setdefault(_origin(node.inputs[place]), []).append(node)
    users: dict[Node, list[tuple[Node, int]]] = {read: [] for read in reads}
    for node in step.nodes:
        for place, (producer, _) in enumerate(node.inputs):
            if producer in users:
                users[producer].append((node, place))
    for read, found in users.items():
        changed = changes.get(_origin(read.inputs[0]), [])
        when = [order[c] for c in changed]
        look = [(u, place) for u, place in found if u not in changed and _may_look(read, u, place, when, order)]
        for user, place in look:
            user.inputs[place] = read.inputs[0]
            user.controls = list(dict.fromkeys([*user.controls, *read.controls]))
        looking = {user for user, _ in look} | (set() if len(look) == len(found) else {read})
        for change in changed:
            before = [n for n in looking if order[n] < order[change] and n is not change]
            change.controls = list(dict.fromkeys([*change.controls, *sorted(before, key=order.__getitem__)]))


def _may_look(read: Node, user: Node, place: int, changes: list[int], order: dict[Node, int]) -> bool:
    """Whether the user runs where the read does, on the same device, with no change between them."""
    if user.device is not read.device or user.sends or user.type.startswith("_"):
        return False
    if place in user.device.host_inputs(user.op_def, user.attrs) or place in user.op_def.ref_inputs:
        return False
    return not any(order[read] < change < order[user] for change in changes)
