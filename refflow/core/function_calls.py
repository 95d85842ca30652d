"""A call of a function: the nodes of its body with the caller's names, inputs and attributes in the place of its own.

Inside a function an input is called `argument`, `node:output_name:number` or `^node`. In a graph it is `node:number`,
and a list of tensors takes as many numbers as it has elements.

Next: core/function_branches.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.errors import NodeError
from refflow.core.frames import ENTERS, EXITS, SWITCHES
from refflow.core.graphdef import (
    FunctionCall,
    FunctionDef,
    GraphDef,
    NodeDef,
    Placeholder,
    labelled_under,
    parse_input,
)
from refflow.core.registry import find_op_def
from refflow.core.signature import Arg


class Library(dict[str, FunctionDef]):
    """Functions by name, the gradients that somebody wrote for them, and the nodes that give references."""

    def __init__(self, graph_def: GraphDef):
        super().__init__({f.name: f for f in graph_def.library})
        self.gradients = graph_def.gradients
        self.references = {n.name for n in graph_def.node if _gives_reference(n)}

    def circle(self, node: NodeDef) -> str:
        """What to say of a node that calls a function which, by way of others perhaps, calls itself; "" of any other.

        Functions stand in the place of their calls here, and such a function's place would have no end.
        """
        way: list[str] = []
        seen: set[str] = set()

        def walk(name: str) -> bool:
            if name in way:
                del way[: way.index(name)]
                return True
            if name in seen:
                return False
            seen.add(name)
            way.append(name)
            if name in self and any(walk(callee) for n in self[name].node for callee in self._callees(n)):
                return True
            way.pop()
            return False

        if not any(walk(name) for name in self._callees(node)):
            return ""
        by = f" by way of {', '.join(map(repr, way[1:]))}" if way[1:] else ""
        return f"the function {way[0]!r} calls itself{by}, which would never end here: a While can do what it does"

    def _callees(self, node: NodeDef) -> list[str]:
        values = [v for value in node.attr.values() for v in (value if isinstance(value, list) else [value])]
        return [node.op] * (node.op in self) + [v.name for v in values if isinstance(v, FunctionCall)]


def _gives_reference(node: NodeDef) -> bool:
    op_def = find_op_def(node.op)
    return op_def is not None and any(a.is_ref for a in op_def.outputs[:1])


class Caller:
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
        inner = {n.name for n in function.node}
        for n in function.node:
            inputs = [edge(i) for i in n.input]
            if not any(_source(i) in inner for i in n.input):
                inputs += control  # what begins the call waits for what the call waits for
            if not inputs and data:  # a constant belongs to the frame and the branch of the call
                inputs = ["^" + parse_input(data[0])[0]]
            attrs = labelled_under(f"{prefix}/", {k: _filled(v, given) for k, v in n.attr.items()})
            self.nodes.append(NodeDef(f"{prefix}/{n.name}", n.op, inputs, n.device or self.node.device, attrs, n.stack))
        try:
            results = [edge(function.ret[name]) for name in _flat(function.outputs, given)]
            types = [a.fixed or given[a.type] for a in function.outputs]
        except KeyError as error:
            raise NodeError(f"function {function.name} does not say what its output {error} is") from None
        acting = list(function.control_ret.values()) or [n.name for n in function.node if self._acts(n)]
        return results, self._settled(function, prefix, acting), types

    def _settled(self, function: FunctionDef, prefix: str, acting: list[str]) -> list[str]:
        """Control inputs that have come when every acting node has run, or will not because its branch is not taken.

        A node of a loop is waited for at the loop's exits: nobody outside can wait for one iteration.
        """
        if not acting or not any(n.op in SWITCHES for n in function.node):
            return [f"^{prefix}/{name}" for name in acting]
        depths = _depths(function)
        ends = [n.name for n in function.node if n.op in EXITS and depths.get(n.name) == 0]
        inside = [name for name in acting if depths.get(name, 0) > 0]
        awaited = [name for name in acting if name not in inside] + (ends if inside else [])
        trigger = f"{prefix}/_settled"
        self.nodes.append(NodeDef(trigger, "ControlTrigger", [f"^{prefix}/{name}" for name in awaited]))
        return [f"^{trigger}"]

    def _acts(self, node: NodeDef) -> bool:
        """True for a node that runs though nobody reads it."""
        called, op_def = self.library.get(node.op), find_op_def(node.op)
        return called.is_stateful if called is not None else op_def is not None and op_def.stateful


def _source(text: str) -> str:
    """The argument or node that an input inside a function comes from."""
    return text.removeprefix("^").partition(":")[0]


def _depths(function: FunctionDef) -> dict[str, int]:
    """In how many loops each node of a body is; a loop begins at an Enter and is left at an Exit."""
    readers: dict[str, list[NodeDef]] = {}
    depths: dict[str, int] = {}
    inner = {n.name for n in function.node}
    for n in function.node:
        sources = {_source(text) for text in n.input} & inner
        for source in sources:
            readers.setdefault(source, []).append(n)
        if not sources:
            depths[n.name] = int(n.op in ENTERS)
    waiting = list(depths)
    for name in waiting:
        for n in readers.get(name, ()):
            if n.name not in depths:
                depths[n.name] = depths[name] + (n.op in ENTERS) - (n.op in EXITS)
                waiting.append(n.name)
    return depths


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
