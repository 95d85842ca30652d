"""Functions: a graph with names for what goes in and comes out, put in place of each node that calls it.

    PartitionedCall   the nodes of the function, with the caller's inputs for its arguments
    If, Case          every input through a Switch for each branch, every result through a Merge  [W39]
    While, For        Enter, Merge, the condition's nodes, LoopCond, Switch, the body's nodes, NextIteration, Exit
    SymbolicGradient  the nodes of the function's gradient (core/function_gradients.py)

The nodes are called `caller/...`, and the last one, which gathers the results, has the caller's own name, so that who
fetches it or reads it sees no difference. A node whose op type is a function's name is a call as well.

Next: core/importer.py.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from refflow.core.dtypes import bool_, int32
from refflow.core.errors import NodeError
from refflow.core.graphdef import FunctionCall, FunctionDef, GraphDef, NodeDef, Placeholder, parse_input
from refflow.core.opdef import find_op_def
from refflow.core.signature import Arg

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_DEEPEST = 64  # calls inside calls; a function that calls itself would never end


class Library(dict[str, FunctionDef]):
    """Functions by name, the gradients that somebody wrote for them, and the nodes that give references."""

    def __init__(self, graph_def: GraphDef):
        super().__init__({f.name: f for f in graph_def.library})
        self.gradients = graph_def.gradients
        self.references = {n.name for n in graph_def.node if _gives_reference(n)}


def _gives_reference(node: NodeDef) -> bool:
    op_def = find_op_def(node.op)
    return op_def is not None and any(a.is_ref for a in op_def.outputs[:1])


def inlined(graph_def: GraphDef) -> GraphDef:
    """`graph_def` with every call, branch and loop of functions replaced by nodes."""
    library = Library(graph_def)
    if not any(node.op in _EXPANDERS or node.op in library for node in graph_def.node):
        return graph_def
    nodes: list[NodeDef] = []
    for node in graph_def.node:
        nodes += _expanded(node, library, 0)
    return replace(graph_def, node=nodes)


def _expanded(node: NodeDef, library: Library, depth: int) -> list[NodeDef]:
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

    def __init__(self, node: NodeDef, library: Library):
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

    def gives_reference(self, text: str) -> bool:
        """True where an input is a variable's reference."""
        return parse_input(text)[0] in self.library.references

    def attr(self, key: str) -> Any:
        if key not in self.node.attr:
            raise NodeError(f"node {self.name!r} ({self.node.op}) lacks the attribute {key}")
        return self.node.attr[key]

    def function(self, call: Any) -> FunctionDef:
        """The function that an attribute names."""
        if not isinstance(call, FunctionCall):
            raise NodeError(f"node {self.name!r} ({self.node.op}) needs a function as an attribute, got {call!r}")
        function = self.library.get(call.name)
        if function is None:
            raise NodeError(f"node {self.name!r} calls the function {call.name!r}, which the graph does not define")
        return function

    def inline(self, call: Any, prefix: str, data: list[str], control: list[str]) -> tuple[list[str], list[str], Any]:
        """The nodes of a function under `prefix`; its results, what must have run, and its results' types."""
        function = self.function(call)
        given = {**self.node.attr, **call.attr}
        flat = _flat(function.inputs, given)
        if len(flat) != len(data):
            raise NodeError(f"node {self.name!r} gives {function.name} {len(data)} inputs, but it takes {len(flat)}")
        edge = _edges(function, given, dict(zip(flat, data, strict=True)), prefix, self.library)
        for n in function.node:
            inputs = [edge(i) for i in n.input]
            if all(i in data or i.startswith("^") for i in inputs):
                inputs += control  # what begins the call waits for what the call waits for
            if not inputs and data:  # a constant belongs to the frame and the branch of the call
                inputs = ["^" + parse_input(data[0])[0]]
            attrs = {k: _filled(v, given) for k, v in n.attr.items()}
            self.nodes.append(NodeDef(f"{prefix}/{n.name}", n.op, inputs, n.device or self.node.device, attrs))
        try:
            results = [edge(function.ret[name]) for name in _flat(function.outputs, given)]
            types = [a.fixed or given[a.type] for a in function.outputs]
        except KeyError as error:
            raise NodeError(f"function {function.name} does not say what its output {error} is") from None
        after = list(function.control_ret.values()) or [n.name for n in function.node if self._acts(n)]
        return results, [f"^{prefix}/{name}" for name in after], types

    def _acts(self, node: NodeDef) -> bool:
        """True for a node that runs though nobody reads it."""
        called, op_def = self.library.get(node.op), find_op_def(node.op)
        return called.is_stateful if called is not None else op_def is not None and op_def.stateful


def _edges(function: FunctionDef, given: dict[str, Any], outside: dict[str, str], prefix: str, library: Library) -> Any:
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


def _remote_call(caller: _Caller) -> list[NodeDef]:
    """The first input names a device; there is only this process."""
    caller.data = caller.data[1:]
    return _call(caller)


def _symbolic_gradient(caller: _Caller) -> list[NodeDef]:
    """Arguments and the gradients of results go in, the gradients of arguments come out."""
    from refflow.core.function_gradients import gradient_of

    call, types, out = caller.attr("f"), caller.attr("Tin"), caller.attr("Tout")
    written = caller.library.gradients.get(caller.function(call).name)
    if written is not None:
        caller.node = replace(caller.node, attr={**caller.node.attr, "f": FunctionCall(written, call.attr)})
        return _call(caller)
    made = gradient_of(call, types[: len(out)], types[len(out) :], caller.library)
    caller.library = copy(caller.library)
    caller.library[made.name] = made
    results, after, _ = caller.inline(FunctionCall(made.name), caller.name, caller.data, caller.control)
    return caller.gather(results, out, caller.control + after)


def _branches(caller: _Caller, preds: list[str], calls: list[Any], data: list[str], types: list[Any]) -> list[NodeDef]:
    """The first branch whose predicate holds, or the last: a chain of Switches leads to it, Merges lead out of it.

    What a branch did though nobody reads it has been done when the last node, the caller's, runs.
    """
    results: list[list[str]] = []
    done = []
    kinds = ["RefSwitch" if caller.gives_reference(x) else "Switch" for x in data]
    here, rest = preds[0], list(data)
    for k, call in enumerate(calls):
        inputs = rest
        if k < len(preds):
            pivot = caller.add(f"pivot_{k}", "Switch", [here, preds[k], *caller.control], T=bool_)
            switches = [
                caller.add(f"switch_{k}_{i}", kind, [x, preds[k]], T=t)
                for i, (kind, x, t) in enumerate(zip(kinds, rest, types, strict=True))
            ]
            here, inputs, rest = f"{pivot}:1", [f"{x}:1" for x in switches], [f"{x}:0" for x in switches]
        live = caller.add(f"taken_{k}", "Identity", [here], T=bool_)
        for i, t in enumerate(types):
            if kinds[i] == "RefSwitch":  # read in the branch alone: in others there may be nothing to read
                inputs[i] = caller.add(f"read_{k}_{i}", "Identity", [inputs[i]], T=t)
        found, after, _ = caller.inline(call, f"{caller.name}/branch_{k}", inputs, [f"^{live}"])
        results.append(found)
        done.append(caller.add(f"ran_{k}", "Identity", [live, *after], T=bool_))
        here = f"{pivot}:0"
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
    calls = [caller.attr("then_branch"), caller.attr("else_branch")]
    return _branches(caller, [then], calls, caller.data[1:], caller.attr("Tin"))


def _case(caller: _Caller) -> list[NodeDef]:
    """The branch of that number; the last one for a number out of range."""
    calls = caller.attr("branches")
    index = caller.data[0]
    after = ["^" + parse_input(index)[0]]  # a number belongs to the frame of what it is compared with
    preds = []
    for k in range(len(calls) - 1):
        number = caller.add(f"number_{k}", "Const", after, dtype=int32, value=np.array(k, np.int32))
        preds.append(caller.add(f"is_{k}", "Equal", [index, number], T=int32))
    if not preds:
        results, ran, _ = caller.inline(calls[0], f"{caller.name}/branch_0", caller.data[1:], caller.control)
        return caller.gather(results, caller.node.attr.get("Tout", []), [*ran, *caller.control])
    return _branches(caller, preds, calls, caller.data[1:], caller.attr("Tin"))


def _while(caller: _Caller) -> list[NodeDef]:
    types = caller.attr("T")
    if not types or len(types) != len(caller.data):
        raise NodeError(f"node {caller.name!r} ({caller.node.op}) has {len(caller.data)} inputs for {len(types)} types")
    return _loop(caller, caller.data, types, lambda merged, start: _tested(caller, merged, start), caller.attr("body"))


def _tested(caller: _Caller, merged: list[str], start: str) -> str:
    """The condition's truth in this iteration."""
    test, tested, kinds = caller.inline(caller.attr("cond"), f"{caller.name}/cond", merged, [start])
    if len(test) != 1:
        raise NodeError(f"node {caller.name!r}: a condition gives one result, got {len(test)}")
    return caller.add("truth", "ToBool", [test[0], *tested], T=kinds[0])


def _for(caller: _Caller) -> list[NodeDef]:
    """The body for i = start, start + delta, ... while that is short of limit; i comes before what goes round."""
    if len(caller.data) != 3 + len(caller.attr("T")):
        raise NodeError(
            f"node {caller.name!r} (For) has {len(caller.data)} inputs, expected {3 + len(caller.attr('T'))}"
        )
    start, limit, delta, *rest = caller.data
    zero = caller.add("zero", "Const", [], dtype=int32, value=np.array(0, np.int32))
    span = caller.add("span", "Sub", [limit, start], T=int32)
    # Counting is by whole steps, so that it ends for either sign of delta.
    short = caller.add(
        "short",
        "Sub",
        [zero, caller.add("floor", "FloorDiv", [caller.add("back", "Neg", [span], T=int32), delta], T=int32)],
        T=int32,
    )

    def goes_on(merged: list[str], _: str) -> str:
        return caller.add("truth", "Less", [merged[0], merged[1]], T=int32)

    def body(inside: list[str], after: list[str]) -> tuple[list[str], list[str]]:
        count, steps, first, by, *values = inside
        done = caller.add("done", "Mul", [count, by], T=int32)
        number = caller.add("number", "Add", [first, done], T=int32)
        results, acted, _ = caller.inline(caller.attr("body"), f"{caller.name}/body", [number, *values], after)
        one = caller.add("one", "Const", after, dtype=int32, value=np.array(1, np.int32))
        return [caller.add("step", "Add", [count, one], T=int32), steps, first, by, *results], acted

    types = [int32] * 4 + caller.attr("T")
    return _loop(caller, [zero, short, start, delta, *rest], types, goes_on, body, hidden=4)


def _loop(
    caller: _Caller, data: list[str], types: list[Any], condition: Any, body: Any, hidden: int = 0
) -> list[NodeDef]:
    """Frames around a body, a function's name or what makes its nodes. The first `hidden` variables are not results."""
    frame = {"frame_name": caller.name, "parallel_iterations": int(caller.node.attr.get("parallel_iterations", 10))}
    entered = [
        caller.add(f"enter_{i}", "Enter", [x, *caller.control], T=t, is_constant=False, **frame)
        for i, (x, t) in enumerate(zip(data, types, strict=True))
    ]
    merged = [
        caller.add(f"merge_{i}", "Merge", [e, f"{caller.name}/next_{i}"], T=t, N=2)
        for i, (e, t) in enumerate(zip(entered, types, strict=True))
    ]
    goes_on = caller.add("loop_cond", "LoopCond", [condition(merged, f"^{merged[0]}")])
    switched = [
        caller.add(f"switch_{i}", "Switch", [m, goes_on], T=t)
        for i, (m, t) in enumerate(zip(merged, types, strict=True))
    ]
    inside = [
        caller.add(f"inside_{i}", "Identity", [f"{x}:1"], T=t)
        for i, (x, t) in enumerate(zip(switched, types, strict=True))
    ]
    if callable(body):
        results, after = body(inside, [f"^{inside[0]}"])
    else:
        results, after, _ = caller.inline(body, f"{caller.name}/body", inside, [f"^{inside[0]}"])
    if len(results) != len(types):
        raise NodeError(f"node {caller.name!r}: its body gives {len(results)} results for {len(types)} loop variables")
    for i, (result, t) in enumerate(zip(results, types, strict=True)):
        caller.add(f"next_{i}", "NextIteration", [result, *after], T=t)
    left = [caller.add(f"exit_{i}", "Exit", [x], T=t) for i, (x, t) in enumerate(zip(switched, types, strict=True))]
    return caller.gather(left[hidden:], types[hidden:], [*caller.control, *(f"^{x}" for x in left[:1])])


_EXPANDERS = {
    **dict.fromkeys(CALLS, _call), "If": _if, "StatelessIf": _if, "Case": _case, "StatelessCase": _case,
    "While": _while, "StatelessWhile": _while, "For": _for, "RemoteCall": _remote_call,
    "SymbolicGradient": _symbolic_gradient,
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
