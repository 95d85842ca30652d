"""tf.graph_util: GraphDefs cut, frozen and thinned, as messages.

    extract_sub_graph(graph_def, ["y"])                          only what y needs
    convert_variables_to_constants(sess, graph_def, ["y"])       the same, variables as constants
    remove_training_nodes(graph_def)                             without Identity and CheckNumerics

Next: compat/v1/compat.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from refflow.core.errors import NodeError
from refflow.core.graphdef import NodeDef
from refflow.interop import freeze, importer, protos
from refflow.interop.importer import import_graph_def

__all__ = [
    "convert_variables_to_constants", "extract_sub_graph", "import_graph_def", "must_run_on_cpu",
    "remove_training_nodes", "tensor_shape_from_node_def_name",
]  # fmt: skip


def extract_sub_graph(graph_def: Any, dest_nodes: Sequence[str]) -> Any:
    """The nodes that `dest_nodes`, named, need."""
    if not hasattr(graph_def, "node"):
        raise TypeError(f"graph_def must be a graph_pb2.GraphDef proto, but got type {type(graph_def)}.")
    if isinstance(dest_nodes, str):
        raise TypeError(f"dest_nodes must be an iterable of strings, but got type {type(dest_nodes)}.")
    known = {n.name for n in protos.as_graph_def(graph_def).node}
    for name in dest_nodes:
        if name.split(":")[0] not in known:
            raise AssertionError(f"{name} is not in graph")
    return protos.write_graph(importer.extract_sub_graph(graph_def, dest_nodes))


def convert_variables_to_constants(
    sess: Any, input_graph_def: Any, output_node_names: Sequence[str],
    variable_names_whitelist: Sequence[str] | None = None, variable_names_blacklist: Sequence[str] | None = None,
) -> Any:  # fmt: skip
    """What `output_node_names` need, with every variable replaced by a constant of the value it has in `sess`."""
    known = {n.name for n in protos.as_graph_def(input_graph_def).node}
    for name in output_node_names:
        if name not in known:
            raise AssertionError(f"{name} is not in graph")
    found = freeze.convert_variables_to_constants(
        sess, input_graph_def, output_node_names, variable_names_whitelist, variable_names_blacklist
    )
    return protos.write_graph(found)


def must_run_on_cpu(node: Any, pin_variables_on_cpu: bool = False) -> bool:
    """Whether a node has to be on the CPU: it holds texts, or small integers that describe shapes, or is a variable."""
    name, attrs = getattr(node, "name", ""), {}
    plain = node if isinstance(node, NodeDef) else _plain(node)
    kind, attrs = plain.op, plain.attr
    if pin_variables_on_cpu and kind in ("Variable", "VariableV2", "VarHandleOp"):
        return True
    dtypes = [getattr(attrs.get(key), "name", None) for key in ("dtype", "T")]
    if kind == "Const":
        return dtypes[0] in ("string", "int32")
    if kind in ("DynamicStitch", "ParallelDynamicStitch"):
        return dtypes[1] == "int32"
    if kind == "Cast":
        return any(getattr(attrs.get(key), "name", None) == "int32" for key in ("SrcT", "DstT"))
    return bool(name) and "string" in dtypes and kind != "Placeholder"


def _plain(node: Any) -> NodeDef:
    node = getattr(node, "node_def", node)
    return node if isinstance(node, NodeDef) else protos.read_node(node)


_KEEP_THEIR_READERS = {"Variable", "VariableV2", "Switch", "RefSwitch", "Enter", "Merge"}


def remove_training_nodes(input_graph: Any, protected_nodes: Sequence[str] | None = None) -> Any:
    """The graph without CheckNumerics and Identity nodes that only pass a value on; those named stay.

    An Identity stays where a control edge leads to or from it, and where a node of control flow or a variable is read.
    """
    plain = protos.as_graph_def(input_graph)
    kept = set(protected_nodes or ())
    waited = {text[1:] for n in plain.node for text in n.input if text.startswith("^")}
    needed = {text.split(":")[0]: text for n in plain.node for text in n.input}
    kinds = {n.name: n.op for n in plain.node}
    instead: dict[str, str] = {}
    for node in plain.node:
        if node.op not in ("Identity", "CheckNumerics") or node.name in kept | waited or not node.input:
            continue
        if any(text.startswith("^") for text in node.input) or node.name not in needed:
            continue
        if kinds.get(node.input[0].split(":")[0]) in _KEEP_THEIR_READERS:
            continue
        instead[node.name] = node.input[0]

    def through(text: str) -> str:
        name = text.split(":")[0]
        while name in instead:
            text = instead[name]
            name = text.split(":")[0]
        return text

    nodes = [replace(n, input=[through(t) for t in n.input]) for n in plain.node if n.name not in instead]
    return protos.write_graph(replace(plain, node=nodes))


def tensor_shape_from_node_def_name(graph: Any, input_name: str) -> Any:
    """The static shape of a tensor that is named as an input of a node is."""
    text = input_name if ":" in input_name else f"{input_name}:0"
    if text.startswith("^"):
        raise NodeError(f"{input_name!r} is a control edge, which has no shape")
    return graph.get_tensor_by_name(text).get_shape()
