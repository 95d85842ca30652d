"""From a GraphDef to operations: what anybody has written becomes part of a graph here.

    check names -> inline calls -> order -> for each node: attributes, inputs, types, shapes -> Operation

Nodes may stand in any order, and loops may lead back: the input of a Merge that a NextIteration gives is joined last.
An op type that nobody has defined is kept, with as many outputs as others read from it; running it is the error
[W82]. So is a node whose inputs' shapes do not fit: a kernel may meet that later, and says it in the same words.

Next: runtime/session.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from refflow.core import errors
from refflow.core.dtypes import DType, variant
from refflow.core.errors import DTypeError, NodeError
from refflow.core.functions import UNBUILT, inlined
from refflow.core.graph import Graph
from refflow.core.graphdef import NAME, SHAPES, FunctionCall, GraphDef, NodeDef, labelled_under, parse_input
from refflow.core.opdef import OpDef
from refflow.core.registry import find_op_def
from refflow.core.signature import REQUIRED
from refflow.core.tensor import Operation, Tensor

_BACK = {"NextIteration", "RefNextIteration"}
_JOIN = {"Merge", "RefMerge"}
# Where today's TensorFlow leaves out an attribute, it means this, and the first release something else.
TODAY: dict[str, dict[str, Any]] = {"Cast": {"Truncate": False}}
_MOST_OUTPUTS = 1 << 20
_TODAYS_PRODUCER = 21  # from here on, attributes with default values may be missing


def extend(
    graph: Graph,
    graph_def: GraphDef,
    prefix: str = "",
    input_map: Mapping[str, Tensor] | None = None,
    joins: bool = False,
) -> dict[str, Operation]:
    """Adds the nodes of `graph_def` to `graph` and returns them by their names in `graph_def`.

    prefix: goes before each name with a '/'. input_map: tensors that stand for inputs (`"x:0"`) or whole nodes' first
    outputs. joins: nodes may name operations that are in the graph already [W07]; one whose attributes, inputs or
    functions do not fit is kept as if its op type were unknown, and is an error for who runs it.
    Raises NodeError, with the node's name, for what is not a graph.
    """
    return _Import(graph, inlined(graph_def, joins), prefix, dict(input_map or {}), joins).run()


class _Import:
    def __init__(self, graph: Graph, graph_def: GraphDef, prefix: str, input_map: dict[str, Tensor], joins: bool):
        self.graph, self.prefix, self.joins = graph, prefix, joins
        self.nodes: dict[str, NodeDef] = {}
        self.input_map = {self._key(name): tensor for name, tensor in input_map.items()}
        self.used: set[tuple[str, int]] = set()  # of the input map
        self.today = graph_def.producer >= _TODAYS_PRODUCER
        self.library = {function.name: function for function in graph_def.library}
        self.stack = errors.call_stack(3)
        self.made: dict[str, Operation] = {}
        self.late: list[tuple[Operation, int, tuple[str, int]]] = []  # back edges
        for node in graph_def.node:
            self._enter(node)
        self.inputs = {name: [self._parsed(node, text) for text in node.input] for name, node in self.nodes.items()}

    def _key(self, name: str) -> tuple[str, int]:
        return parse_input(name if isinstance(name, str) else name.decode())

    def _enter(self, node: NodeDef) -> None:
        if not NAME.fullmatch(node.name):
            raise NodeError(f"{node.name!r} ({node.op}) is no valid name for a node")
        if node.name in self.nodes:
            raise NodeError(f"two nodes are called {node.name!r}")
        if self.prefix + node.name in self.graph._by_name:
            raise NodeError(f"node {self.prefix + node.name!r} is in the graph already")
        self.nodes[node.name] = node

    def _parsed(self, node: NodeDef, text: str) -> tuple[str, int]:
        name, colon, port = text.rpartition(":")
        if colon and port.isdecimal() and len(port) < 10 and name in self.nodes:
            return name, int(port)
        if text in self.nodes:
            return text, 0
        try:
            edge = parse_input(text)
        except NodeError as error:
            raise NodeError(f"node {node.name!r} ({node.op}): {error}") from None
        known = edge[0] in self.nodes or (edge in self.input_map and edge[1] >= 0)
        if not known and not (self.joins and edge[0] in self.graph._by_name):
            raise NodeError(f"node {node.name!r} ({node.op}) has the input {text!r}, but there is no such node")
        return edge

    # -- order --------------------------------------------------------------------------------------------

    def run(self) -> dict[str, Operation]:
        for name in self._order():
            self._build(self.nodes[name])
        for op, place, (name, port) in self.late:
            self._join(op, place, self.made[name].outputs[port])
        left = set(self.input_map) - self.used
        if left:
            shown = ", ".join(f"{name}:{port}" for name, port in sorted(left))
            raise NodeError(f"input_map names {shown}, which no node of the graph reads")
        return self.made

    def _order(self) -> list[str]:
        """Node names so that each comes after its inputs, back edges apart."""
        waits: dict[str, int] = {}
        users: dict[str, list[str]] = {name: [] for name in self.nodes}
        for name, node in self.nodes.items():
            count = 0
            for source, port in self.inputs[name]:
                if source not in self.nodes or (source, port) in self.input_map:
                    continue
                if node.op in _JOIN and port >= 0 and self.nodes[source].op in _BACK:
                    continue
                users[source].append(name)
                count += 1
            waits[name] = count
        free = [name for name, count in waits.items() if not count]
        for name in free:  # grows while it is read
            for user in users[name]:
                waits[user] -= 1
                if not waits[user]:
                    free.append(user)
        if len(free) < len(self.nodes):
            stuck = [name for name, count in waits.items() if count]
            raise NodeError(f"{len(stuck)} nodes wait for each other in a circle, or for one: {', '.join(stuck[:5])}")
        return free

    # -- one node -----------------------------------------------------------------------------------------

    def _build(self, node: NodeDef) -> None:
        op_def = find_op_def(node.op) if UNBUILT not in node.attr else None
        op_def = op_def or OpDef.unknown(node.op, node.attr.get(UNBUILT, ""))
        try:
            self._build_as(node, op_def)
        except (NodeError, DTypeError) as error:
            if not self.joins or op_def.is_unknown:
                raise
            self._build_as(node, OpDef.unknown(node.op, str(error)))

    def _build_as(self, node: NodeDef, op_def: OpDef) -> None:
        known = not op_def.is_unknown
        attrs = self._attrs(node, op_def) if known else dict(node.attr)
        inputs, controls, late = self._sources(node)
        types = self._types(node, op_def, attrs, inputs) if known else [variant] * self._read_from(node.name)
        device = "@" + self.prefix + node.device[1:] if node.device.startswith("@") else node.device
        described = NodeDef(self.prefix + node.name, node.op, device=device, attr=labelled_under(self.prefix, attrs))
        stack = self.stack if node.stack is None else node.stack
        op = self.graph.operation(described, self.graph, inputs, types, controls, op_def=op_def, stack=stack)
        if known and not late:
            self._infer(op)
        elif late and SHAPES in attrs:  # a Merge whose other input is still to come
            op.outputs[0]._shape = attrs[SHAPES][0].as_tuple
        self.graph.adopt(op)
        self.made[node.name] = op
        self.late += [(op, place, edge) for place, edge in late]

    def _attrs(self, node: NodeDef, op_def: OpDef) -> dict[str, Any]:
        attrs = dict(node.attr)
        for key, attr in op_def.attrs.items():
            value = attrs.get(key, REQUIRED)
            if value is not REQUIRED:
                try:
                    checked = attr.check(key, value)
                    attrs[key] = self._with_library(checked) if attr.kind == "func" else checked
                except (DTypeError, NodeError) as error:
                    raise type(error)(f"node {node.name!r} ({node.op}): {error}") from None
            elif self.today and key in TODAY.get(node.op, ()):
                attrs[key] = TODAY[node.op][key]
            elif attr.default is REQUIRED:
                raise NodeError(f"node {node.name!r} ({node.op}) lacks the attribute {key}: {attr}")
            else:
                attrs[key] = attr.default
        return attrs

    def _with_library(self, call: Any) -> FunctionCall:
        """A kernel is to call this function: it takes along where its body is found."""
        if not isinstance(call, FunctionCall):
            raise NodeError(f"a function is needed, got {call!r}")
        if call.library is None and call.name not in self.library:
            raise NodeError(f"there is no function {call.name!r} in the graph's library")
        return call if call.library is not None else replace(call, library=self.library)

    def _sources(self, node: NodeDef) -> tuple[list[Tensor], list[Operation], list[tuple[int, tuple[str, int]]]]:
        inputs: list[Any] = []
        controls: list[Operation] = []
        late = []
        for name, port in self.inputs[node.name]:
            mapped = self.input_map.get((name, port))
            if mapped is not None:
                self.used.add((name, port))
                inputs.append(mapped if self.graph._context is None else self.graph._context.capture(mapped))
                continue
            op = self.made.get(name) or (self.graph._by_name.get(name) if name not in self.nodes else None)
            if op is None:
                late.append((len(inputs), (name, port)))
                inputs.append(None)
            elif port < 0:
                controls.append(op)
            elif port >= len(op.outputs):
                raise NodeError(
                    f"Node {node.name!r} ({node.op}): Connecting to invalid output {port} of source node {name} which "
                    f"has {len(op.outputs)} outputs."
                )
            elif len(inputs) < len(node.input) and controls:
                raise NodeError(f"node {node.name!r} ({node.op}): control inputs must come after the data")
            else:
                inputs.append(list.__getitem__(op.outputs, port))
        return inputs, list(dict.fromkeys(controls)), late

    def _types(self, node: NodeDef, op_def: OpDef, attrs: dict[str, Any], inputs: list[Any]) -> list[DType]:
        """The outputs' types, once every input has been found to have the type that the signature says."""
        at = 0
        for arg in op_def.inputs:
            given = arg.fixed or attrs[arg.type]
            count = op_def.length(arg, attrs)
            fits = at + count <= len(inputs)  # before anything of that size is made
            many = (list(given) if isinstance(given, list) else [given] * count) if fits else []
            if not fits:
                raise NodeError(
                    f"node {node.name!r} ({node.op}) has {len(inputs)} inputs; {op_def.signature} needs more"
                )
            for wanted in many:
                tensor = inputs[at]
                at += 1
                if tensor is None:
                    continue
                if tensor.dtype.base_dtype is not wanted and not tensor.op.op_def.is_unknown:
                    raise DTypeError(
                        f"node {node.name!r} ({node.op}): {arg.name} ({tensor.name!r}) is "
                        f"{tensor.dtype.base_dtype.name}, but must be {wanted.name}"
                    )
                if arg.is_ref and not tensor.dtype.is_ref_dtype and not tensor.op.op_def.is_unknown:
                    raise DTypeError(
                        f"node {node.name!r} ({node.op}): {arg.name} must be a variable's reference, but "
                        f"{tensor.name!r} is a plain {tensor.dtype.name}"
                    )
        if at < len(inputs):
            raise NodeError(
                f"node {node.name!r} ({node.op}) has {len(inputs)} inputs, but {op_def.signature} takes {at}"
            )
        if any(op_def.length(arg, attrs) > _MOST_OUTPUTS for arg in op_def.outputs):
            raise NodeError(f"node {node.name!r} ({node.op}) claims more than {_MOST_OUTPUTS} outputs")
        return op_def.output_types(attrs)

    def _read_from(self, name: str) -> int:
        """How many outputs of a node others read."""
        if self._ports is None:
            self._ports = {}
            for edges in self.inputs.values():
                for source, port in edges:
                    self._ports[source] = max(self._ports.get(source, 1), port + 1)
        return self._ports.get(name, 1)

    _ports: dict[str, int] | None = None

    def _infer(self, op: Operation) -> None:
        try:
            found = op.op_def.infer_shapes(op)
        except errors.ShapeError:
            return
        except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
            raise NodeError(f"node {op.name!r} ({op.type}): attributes or inputs do not fit: {error}") from None
        if len(found) != len(op.outputs):
            raise NodeError(
                f"node {op.name!r} ({op.type}): its attributes speak of {len(found)} outputs and of {len(op.outputs)}"
            )
        for output, shape in zip(op.outputs, found, strict=True):
            output._shape = shape

    def _join(self, op: Operation, place: int, tensor: Tensor) -> None:
        wanted = op.attrs.get("T", tensor.dtype.base_dtype)
        if tensor.dtype.base_dtype is not wanted:
            raise DTypeError(
                f"node {op.name!r} ({op.type}): {tensor.name!r} is {tensor.dtype.base_dtype.name}, "
                f"but must be {wanted.name}"
            )
        list.__setitem__(op.inputs, place, tensor)
        tensor._consumers.append(op)
