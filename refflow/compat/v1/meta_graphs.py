"""MetaGraphs of 1.x: a graph, or what is in one of its scopes, as a message and from one.

    export_meta_graph(path, export_scope="net")     the nodes, collections and variables under net/, without it
    import_scoped_meta_graph(meta, import_scope="a") the same under a/; the variables by their names in the message

What a scope's nodes read from outside of it becomes `$unbound_inputs_NAME`, for which an import needs an input_map.

Next: compat/v1/savers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from refflow.compat.v1.version import VERSION
from refflow.core.graph import Graph, get_default_graph
from refflow.core.graphdef import LABEL, GraphDef, NodeDef
from refflow.core.registry import find_op_def
from refflow.interop.schema import message
from refflow.train import meta_graph as first

read_meta_graph_file = first._read
UNBOUND = "$unbound_inputs_"


def export_meta_graph(
    filename: str | None = None, meta_info_def: Any = None, graph_def: Any = None, saver_def: Any = None,
    collection_list: Iterable[str] | None = None, as_text: bool = False, graph: Graph | None = None,
    export_scope: str | None = None, clear_devices: bool = False, clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False, save_debug_info: bool = False, **kwargs: Any,
) -> Any:  # fmt: skip
    """The default graph, or `graph`, as a MetaGraphDef message; written to `filename` if that is given.

    export_scope: only what is in that scope, under names without it. clear_devices: nodes ask for no device.
    strip_default_attrs: without the attributes that are what their op types have by default.
    clear_extraneous_savers, save_debug_info: taken for 1.x's sake; the nodes of all Savers stay.
    """
    meta, _ = export_scoped_meta_graph(
        filename, graph_def, graph, export_scope, as_text, clear_devices=clear_devices, saver_def=saver_def,
        strip_default_attrs=strip_default_attrs, meta_info_def=meta_info_def, collection_list=collection_list,
    )  # fmt: skip
    return meta


def export_scoped_meta_graph(
    filename: str | None = None, graph_def: Any = None, graph: Graph | None = None, export_scope: str | None = None,
    as_text: bool = False, unbound_inputs_col_name: str = "unbound_inputs", clear_devices: bool = False,
    saver_def: Any = None, clear_extraneous_savers: bool = False, strip_default_attrs: bool = False,
    save_debug_info: bool = False, meta_info_def: Any = None, collection_list: Iterable[str] | None = None,
    **kwargs: Any,
) -> tuple[Any, dict[str, Any]]:  # fmt: skip
    """(the MetaGraphDef, the variables in it by their names there)."""
    graph = graph or get_default_graph()
    scope = f"{export_scope.rstrip('/')}/" if export_scope else ""
    plain = graph.definition() if graph_def is None else first.protos.as_graph_def(graph_def)
    nodes = [node for node in plain.node if node.name.startswith(scope)]
    if scope:
        nodes = [_without(scope, node) for node in nodes]
    if clear_devices:
        nodes = [replace(node, device="") for node in nodes]
    if strip_default_attrs:
        nodes = [_stripped(node) for node in nodes]
    meta = first.export_meta_graph(
        None, _told(meta_info_def, strip_default_attrs), GraphDef(nodes, plain.library), saver_def, collection_list,
        graph=graph, scope=scope,
    )  # fmt: skip
    outside = sorted({i for node in nodes for i in node.input if i.startswith(UNBOUND)})
    if outside and unbound_inputs_col_name:
        meta.collection_def[unbound_inputs_col_name].bytes_list.value.extend(i.encode() for i in outside)
    if filename is not None:
        first._write_file(filename, meta, as_text)
    held = graph.get_collection("variables")
    return meta, {v.name.removeprefix(scope): v for v in held if v.name.startswith(scope)}


def import_scoped_meta_graph(
    meta_graph_or_file: Any, clear_devices: bool = False, graph: Graph | None = None, import_scope: str | None = None,
    input_map: Mapping[str, Any] | None = None, unbound_inputs_col_name: str = "unbound_inputs",
    restore_collections_predicate: Callable[[str], bool] = lambda key: True,
) -> dict[str, Any]:  # fmt: skip
    """Adds a MetaGraph's nodes and collections to a graph; its variables by their names without the scope.

    ValueError where nodes read what was outside of the exported scope, and input_map does not say what that is now.
    """
    meta = first._read(meta_graph_or_file)
    outside = {i for node in meta.graph_def.node for i in node.input if i.startswith(UNBOUND)}
    lacking = sorted(outside - {name.partition(":")[0] for name in input_map or {}})
    if lacking:
        names = ", ".join(lacking)
        raise ValueError(f"Graph contains unbound inputs: {names}. Must provide these inputs through input_map.")
    for key in [k for k in meta.collection_def if k == unbound_inputs_col_name or not restore_collections_predicate(k)]:
        del meta.collection_def[key]
    meta.ClearField("saver_def")
    for node in meta.graph_def.node if outside else ():
        node.input[:] = [_legal(i) for i in node.input]
    mapped = {_legal(name): tensor for name, tensor in (input_map or {}).items()}
    with (graph or get_default_graph()).as_default() as into:
        before = set(into.get_collection("variables"))
        first.import_meta_graph(meta, clear_devices, import_scope, mapped)
        prefix = f"{import_scope.rstrip('/')}/" if import_scope else ""
        return {v.name.removeprefix(prefix): v for v in into.get_collection("variables") if v not in before}


def _without(scope: str, node: NodeDef) -> NodeDef:
    """A node under its name without the scope, and what it reads."""
    attrs = dict(node.attr)
    if "_class" in attrs:
        labels = [label for label in attrs["_class"] if label.startswith(LABEL + scope)]
        attrs["_class"] = [LABEL + label.removeprefix(LABEL + scope) for label in labels]
        attrs = {key: value for key, value in attrs.items() if key != "_class" or value}
    return replace(node, name=node.name.removeprefix(scope), attr=attrs, input=[_inside(scope, i) for i in node.input])


def _inside(scope: str, text: str) -> str:
    mark, name = ("^", text[1:]) if text.startswith("^") else ("", text)
    return mark + name.removeprefix(scope) if name.startswith(scope) else f"{UNBOUND}{name.replace(':', '_')}"


def _legal(text: str) -> str:
    """What is read as a node's name: no node has a dollar in its own."""
    return text.replace("$", "", 1) if text.startswith(UNBOUND) else text


def _stripped(node: NodeDef) -> NodeDef:
    known = find_op_def(node.op)
    if known is None:
        return node
    told = {k: v for k, v in node.attr.items() if k not in known.attrs or repr(known.attrs[k].default) != repr(v)}
    return replace(node, attr=told)


def _told(meta_info_def: Any, stripped: bool) -> Any:
    """What a message says of who wrote it."""
    found = message("MetaGraphDef")().meta_info_def
    if meta_info_def is not None:
        found.ParseFromString(meta_info_def.SerializeToString())
    found.tensorflow_version = found.tensorflow_version or VERSION
    found.stripped_default_attrs = stripped
    return found
