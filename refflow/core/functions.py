"""Functions: a graph with names for what goes in and comes out, put in place of each node that calls it.

    PartitionedCall   the nodes of the function, with the caller's inputs for its arguments
    If, Case          every input through a Switch for each branch, every result through a Merge  [W39]
    While             Enter, Merge, the condition's nodes, LoopCond, Switch, the body's nodes, NextIteration, Exit

The nodes are called `caller/...`, and the last one, which gathers the results, has the caller's own name, so that who
fetches it or reads it sees no difference. A node whose op type is a function's name is a call as well.

Next: core/importer.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from refflow.core.dtypes import bool_, int32
from refflow.core.errors import NodeError
from refflow.core.graphdef import FunctionCall, FunctionDef, GraphDef, NodeDef, Placeholder
from refflow.core.opdef import find_op_def
from refflow.core.signature import Arg

CALLS = ("PartitionedCall", "StatefulPartitionedCall", "RemoteCall")
_DEEPEST = 64  # calls inside calls; a function that calls itself would never end


def inlined(graph_def: GraphDef) -> GraphDef:
    """`graph_def` with every call, branch and loop of functions replaced by nodes."""
    library = {f.name: f for f in graph_def.library}
    if not any(node.op in _EXPANDERS or node.op in library for node in graph_def.node):
        return graph_def
    nodes: list[NodeDef] = []
    for node in graph_def.node:
        nodes += _expanded(node, library, 0)
    return replace(graph_def, node=nodes)


def _expanded(node: NodeDef, library: dict[str, FunctionDef], depth: int) -> list[NodeDef]:
    expand = _EXPANDERS.get(node.op)
    if expand is None:
        if node.op not in library or find_op_def(node.op) is not None:
            return [node]
        node = replace(node, attr={**node.attr, "f": FunctionCall(node.op)})
        expand = _call
    if depth > _DEEPEST:
        raise NodeError(f"node {node.name!r}: calls are nested deeper than {_DEEPEST}; does a function call itself?")
    found: list[NodeDef] = []
    for inner in expand(_Caller(node, library)):
        found += _expanded(inner, library, depth + 1)
    return found


class _Caller:
    """A node that calls functions: its inputs apart from its control inputs, and the nodes that replace it."""

    def __init__(self, node: NodeDef, library: dict[str, FunctionDef]):
        self.node, self.library, self.name = node, library, node.name
        self.data = [i for i in node.input if not i.startswith("^")]
        self.control = [i for i in node.input if i.startswith("^")]
        self.nodes: list[NodeDef] = []

    def add(self, name: str, op: str, inputs: list[str], **attr: Any) -> str:
        """A node `caller/name`; returns its full name."""
        full = f"{self.name}/{name}" if name else self.name
        self.nodes.append(NodeDef(full, op, inputs, self.node.device, attr))
        return full

    def gather(self, results: list[str], types: list[Any], after: list[str]) -> list[NodeDef]:
        """The last node, under the caller's own name."""
        if results:
            self.add("", "IdentityN", results + after, T=types)
        else:
            self.add("", "NoOp", after)
        return self.nodes

    def attr(self, key: str) -> Any:
        if key not in self.node.attr:
            raise NodeError(f"node {self.name!r} ({self.node.op}) lacks the attribute {key}")
        return self.node.attr[key]

    def inline(self, call: Any, prefix: str, data: list[str], control: list[str]) -> tuple[list[str], list[str], Any]:
        """The nodes of a function under `prefix`; its results, what must have run, and its results' types."""
        if not isinstance(call, FunctionCall):
            raise NodeError(f"node {self.name!r} ({self.node.op}) needs a function as an attribute, got {call!r}")
        function = self.library.get(call.name)
        if function is None:
            raise NodeError(f"node {self.name!r} calls the function {call.name!r}, which the graph does not define")
        given = {**self.node.attr, **call.attr}
        flat = _flat(function.inputs, given)
        if len(flat) != len(data):
            raise NodeError(f"node {self.name!r} gives {function.name} {len(data)} inputs, but it takes {len(flat)}")
        edge = _edges(function, given, dict(zip(flat, data, strict=True)), prefix, self.library)
        for n in function.node:
            inputs = [edge(i) for i in n.input]
            if all(i in data or i.startswith("^") for i in inputs):
                inputs += control  # what begins the call waits for what the call waits for
            attrs = {k: _filled(v, given) for k, v in n.attr.items()}
            self.nodes.append(NodeDef(f"{prefix}/{n.name}", n.op, inputs, n.device or self.node.device, attrs))
        try:
            results = [edge(function.ret[name]) for name in _flat(function.outputs, given)]
            types = [a.fixed or given[a.type] for a in function.outputs]
        except KeyError as error:
            raise NodeError(f"function {function.name} does not say what its output {error} is") from None
        return results, [f"^{prefix}/{name}" for name in function.control_ret.values()], types


def _edges(
    function: FunctionDef, given: dict[str, Any], outside: dict[str, str], prefix: str, library: dict[str, FunctionDef]
) -> Any:
    """A function from an input's text inside a function to its text outside."""
    inner = {n.name: n for n in function.node}

    def edge(text: str) -> str:
        if text.startswith("^"):
            if text[1:] in inner:
                return f"^{prefix}/{text[1:]}"
            if text[1:] in outside:
                return f"^{outside[text[1:]].partition(':')[0]}"
        elif text in outside:
            return outside[text]
        elif text.endswith(":0") and text[:-2] in outside:
            return outside[text[:-2]]
        name, _, place = text.partition(":")
        if name not in inner:
            raise NodeError(f"function {function.name}: {text!r} is neither an argument nor a node's output")
        attrs = {k: _filled(v, given) for k, v in inner[name].attr.items()}
        called = library.get(inner[name].op)
        if called is not None and find_op_def(inner[name].op) is None:  # its outputs have the function's names
            return f"{prefix}/{name}:{_flat(called.outputs, attrs).index(_output_of(called, place))}"
        return f"{prefix}/{name}:{_port(inner[name], attrs, place)}"

    return edge


def _output_of(function: FunctionDef, place: str) -> str:
    """`name:number` of a call's output as `_flat` calls it."""
    name, _, number = place.partition(":")
    arg = next((a for a in function.outputs if a.name == name), None)
    if arg is None:
        raise NodeError(f"function {function.name} has no output {name!r}")
    return f"{name}:{number or 0}" if arg.number is not None else name


def _call(caller: _Caller) -> list[NodeDef]:
    results, after, types = caller.inline(caller.attr("f"), caller.name, caller.data, caller.control)
    return caller.gather(results, caller.node.attr.get("Tout") or types, caller.control + after)


def _branches(caller: _Caller, preds: list[str], calls: list[Any], data: list[str], types: list[Any]) -> list[NodeDef]:
    """Each branch behind a Switch of its own predicate; a Merge for each result, and one for what must have run."""
    results: list[list[str]] = []
    done = []
    for k, (pred, call) in enumerate(zip(preds, calls, strict=True)):
        pivot = caller.add(f"pivot_{k}", "Switch", [pred, pred, *caller.control], T=bool_)
        live = caller.add(f"taken_{k}", "Identity", [f"{pivot}:1"], T=bool_)
        inputs = [
            f"{caller.add(f'switch_{k}_{i}', 'Switch', [x, pred], T=t)}:1"
            for i, (x, t) in enumerate(zip(data, types, strict=True))
        ]
        found, after, _ = caller.inline(call, f"{caller.name}/branch_{k}", inputs, [f"^{live}"])
        results.append(found)
        done.append(caller.add(f"ran_{k}", "Identity", [live, *after], T=bool_))
    out = caller.node.attr.get("Tout", [])
    if any(len(r) != len(out) for r in results):
        raise NodeError(
            f"node {caller.name!r}: its branches give {[len(r) for r in results]} results, but Tout has {len(out)}"
        )
    merged = [
        caller.add(f"merge_{j}", "Merge", [r[j] for r in results], T=t, N=len(results)) for j, t in enumerate(out)
    ]
    ran = caller.add("ran", "Merge", done, T=bool_, N=len(done))
    return caller.gather(merged, out, [f"^{ran}", *caller.control])


def _truth(caller: _Caller, name: str, value: str, dtype: Any) -> str:
    """`value` as a scalar bool: numbers are true where they are not zero, other tensors where they have elements."""
    return caller.add(name, "ToBool", [value, *caller.control], T=dtype)


def _if(caller: _Caller) -> list[NodeDef]:
    then = _truth(caller, "pred", caller.data[0], caller.attr("Tcond"))
    other = caller.add("not_pred", "LogicalNot", [then])
    calls = [caller.attr("then_branch"), caller.attr("else_branch")]
    return _branches(caller, [then, other], calls, caller.data[1:], caller.attr("Tin"))


def _case(caller: _Caller) -> list[NodeDef]:
    """The branch of that number; the last one for a number out of range."""
    calls = caller.attr("branches")
    index, count = caller.data[0], len(calls)
    preds = []
    for k in range(count - 1):
        number = caller.add(f"number_{k}", "Const", [], dtype=int32, value=np.array(k, np.int32))
        preds.append(caller.add(f"is_{k}", "Equal", [index, number], T=int32))
    none = caller.add("always", "Const", [], dtype=bool_, value=np.array(True))
    for k, pred in enumerate(preds):
        other = caller.add(f"not_{k}", "LogicalNot", [pred])
        none = caller.add(f"none_to_{k}", "LogicalAnd", [none, other])
    return _branches(caller, [*preds, none], calls, caller.data[1:], caller.attr("Tin"))


def _while(caller: _Caller) -> list[NodeDef]:
    types = caller.attr("T")
    frame = {"frame_name": caller.name, "parallel_iterations": int(caller.node.attr.get("parallel_iterations", 10))}
    if not types or len(types) != len(caller.data):
        raise NodeError(f"node {caller.name!r} ({caller.node.op}) has {len(caller.data)} inputs for {len(types)} types")
    entered = [
        caller.add(f"enter_{i}", "Enter", [x, *caller.control], T=t, is_constant=False, **frame)
        for i, (x, t) in enumerate(zip(caller.data, types, strict=True))
    ]
    merged = [
        caller.add(f"merge_{i}", "Merge", [e, f"{caller.name}/next_{i}"], T=t, N=2)
        for i, (e, t) in enumerate(zip(entered, types, strict=True))
    ]
    start = f"^{merged[0]}"
    test, tested, kinds = caller.inline(caller.attr("cond"), f"{caller.name}/cond", merged, [start])
    if len(test) != 1:
        raise NodeError(f"node {caller.name!r}: a condition gives one result, got {len(test)}")
    goes_on = caller.add("truth", "ToBool", [test[0], *tested], T=kinds[0])
    goes_on = caller.add("loop_cond", "LoopCond", [goes_on])
    switched = [
        caller.add(f"switch_{i}", "Switch", [m, goes_on], T=t)
        for i, (m, t) in enumerate(zip(merged, types, strict=True))
    ]
    inside = [
        caller.add(f"inside_{i}", "Identity", [f"{x}:1"], T=t)
        for i, (x, t) in enumerate(zip(switched, types, strict=True))
    ]
    results, after, _ = caller.inline(caller.attr("body"), f"{caller.name}/body", inside, [f"^{inside[0]}"])
    if len(results) != len(types):
        raise NodeError(f"node {caller.name!r}: its body gives {len(results)} results for {len(types)} loop variables")
    for i, (result, t) in enumerate(zip(results, types, strict=True)):
        caller.add(f"next_{i}", "NextIteration", [result, *after], T=t)
    left = [caller.add(f"exit_{i}", "Exit", [x], T=t) for i, (x, t) in enumerate(zip(switched, types, strict=True))]
    return caller.gather(left, types, caller.control)


_EXPANDERS = {
    **dict.fromkeys(CALLS, _call), "If": _if, "StatelessIf": _if, "Case": _case, "StatelessCase": _case,
    "While": _while, "StatelessWhile": _while,
}  # fmt: skip


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
