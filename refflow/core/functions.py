"""Functions: a graph with names for what goes in and comes out, put in place of each node that calls it.

    y = PartitionedCall(a, b; f = F)     becomes     y/...   the nodes of F, with a and b for its arguments
                                                     y       IdentityN of what F returns

The node keeps its name, so that who fetches it or reads it sees no difference. A node whose op type is a function's
name is a call as well.

Next: core/importer.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from refflow.core.errors import NodeError
from refflow.core.graphdef import FunctionCall, FunctionDef, GraphDef, NodeDef, Placeholder
from refflow.core.opdef import find_op_def
from refflow.core.signature import Arg

CALLS = ("PartitionedCall", "StatefulPartitionedCall", "RemoteCall")
_DEEPEST = 64  # calls inside calls; a function that calls itself would never end


def inlined(graph_def: GraphDef) -> GraphDef:
    """`graph_def` with every call replaced by the nodes of its function."""
    library = {f.name: f for f in graph_def.library}
    if not any(node.op in CALLS or node.op in library for node in graph_def.node):
        return graph_def
    nodes: list[NodeDef] = []
    for node in graph_def.node:
        nodes += _expanded(node, library, 0)
    return replace(graph_def, node=nodes)


def _expanded(node: NodeDef, library: dict[str, FunctionDef], depth: int) -> list[NodeDef]:
    call = _call(node, library)
    if call is None:
        return [node]
    if depth > _DEEPEST:
        raise NodeError(f"node {node.name!r}: calls are nested deeper than {_DEEPEST}; does {call.name} call itself?")
    function = library.get(call.name)
    if function is None:
        raise NodeError(f"node {node.name!r} calls the function {call.name!r}, which the graph does not define")
    found: list[NodeDef] = []
    for inner in _body(node, function, {**node.attr, **call.attr}):
        found += _expanded(inner, library, depth + 1)
    return found


def _call(node: NodeDef, library: dict[str, FunctionDef]) -> FunctionCall | None:
    if node.op in CALLS:
        call = node.attr.get("f")
        if not isinstance(call, FunctionCall):
            raise NodeError(f"node {node.name!r} ({node.op}) needs a function as attribute f, got {call!r}")
        return call
    return FunctionCall(node.op) if node.op in library and find_op_def(node.op) is None else None


def _body(node: NodeDef, function: FunctionDef, given: dict[str, Any]) -> list[NodeDef]:
    """The function's nodes under the caller's name, and last the node that gathers what it returns."""
    data = [i for i in node.input if not i.startswith("^")]
    control = [i for i in node.input if i.startswith("^")]
    flat = _flat(function.inputs, given)
    if len(flat) != len(data):
        raise NodeError(f"node {node.name!r} gives {function.name} {len(data)} inputs, but it takes {len(flat)}")
    outside = {name: text for name, text in zip(flat, data, strict=True)}
    inner = {n.name: n for n in function.node}
    attrs = {n.name: {k: _filled(v, given) for k, v in n.attr.items()} for n in function.node}

    def edge(text: str) -> str:
        if text.startswith("^"):
            return f"^{node.name}/{text[1:]}" if text[1:] in inner else f"^{outside[text[1:]].partition(':')[0]}"
        if text in outside:
            return outside[text]
        if text.endswith(":0") and text[:-2] in outside:
            return outside[text[:-2]]
        name, _, place = text.partition(":")
        if name not in inner:
            raise NodeError(f"function {function.name}: {text!r} is neither an argument nor a node's output")
        return f"{node.name}/{name}:{_port(inner[name], attrs[name], place)}"

    body = []
    for n in function.node:
        inputs = [edge(i) for i in n.input]
        if all(not i.startswith(f"{node.name}/") for i in inputs):
            inputs += control  # what begins the call waits for what the call waits for
        body.append(NodeDef(f"{node.name}/{n.name}", n.op, inputs, n.device or node.device, attrs[n.name]))
    results = [edge(function.ret[name]) for name in _flat(function.outputs, given)]
    after = [f"^{node.name}/{name}" for name in function.control_ret.values()]
    if not results:
        body.append(NodeDef(node.name, "NoOp", control + after, node.device, {}))
        return body
    types = given.get("Tout") or [a.fixed or given[a.type] for a in function.outputs]
    body.append(NodeDef(node.name, "IdentityN", results + control + after, node.device, {"T": types}))
    return body


def _flat(args: tuple[Arg, ...], given: dict[str, Any]) -> list[str]:
    """A name for each tensor: `x`, or `x:0`, `x:1`, ... for a list."""
    names: list[str] = []
    for arg in args:
        if arg.number is not None:
            names += [f"{arg.name}:{i}" for i in range(given[arg.number])]
        elif arg.fixed is None and isinstance(given.get(arg.type), list):
            names += [f"{arg.name}:{i}" for i in range(len(given[arg.type]))]
        else:
            names.append(arg.name)
    return names


def _port(node: NodeDef, attrs: dict[str, Any], place: str) -> int:
    """`output_name:number` of a node inside a function as the number of an output."""
    name, _, number = place.partition(":")
    if name.isdecimal() or not name:
        return int(name or 0)
    op_def = find_op_def(node.op)
    if op_def is None:
        return int(number or 0)
    try:
        where = op_def.places({k: a.default for k, a in op_def.attrs.items()} | attrs, outputs=True)
    except (KeyError, TypeError):
        raise NodeError(f"node {node.name!r} ({node.op}) lacks the attribute that counts its outputs") from None
    if name not in where:
        # An output may have been called otherwise when the function was written; a single one needs no name.
        if len(where) == 1:
            return int(number or 0)
        raise NodeError(f"{node.op} has no output {name!r}. It has: {', '.join(where)}")
    at = where[name]
    return (at.start if isinstance(at, slice) else at) + int(number or 0)


def _filled(value: Any, given: dict[str, Any]) -> Any:
    """A function's attribute with the caller's in the place of placeholders."""
    if isinstance(value, Placeholder):
        if value.name not in given:
            raise NodeError(f"a function needs the attribute {value.name!r}, which its caller does not give")
        return given[value.name]
    if isinstance(value, list):
        return [_filled(v, given) for v in value]
    if isinstance(value, FunctionCall):
        return FunctionCall(value.name, {k: _filled(v, given) for k, v in value.attr.items()})
    return value
