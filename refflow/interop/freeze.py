"""Freezing: variables become constants, so that a graph is all that there is of a model [S34].

    convert_variables_to_constants(session, graph_def, ["y"])

    Variable, VarHandleOp                     Const
    Enter, Identity, Switch of a handle       the same of the value
    RefEnter, RefIdentity, RefSwitch          Enter, Identity, Switch
    ReadVariableOp                            Identity
    ResourceGather, VariableShape             Gather, Shape

Next: interop/protos.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from refflow.core.graphdef import GraphDef, NodeDef, parse_input
from refflow.interop import protos
from refflow.interop.importer import extract_sub_graph

_REFERENCES = {"Variable", "VariableV2", "VarHandleOp"}
_PASSING = {"Enter", "Identity", "Switch", "RefEnter", "RefIdentity", "RefSwitch"}


def convert_variables_to_constants(
    sess: Any,
    input_graph_def: Any,
    output_node_names: Sequence[str],
    variable_names_whitelist: Sequence[str] | None = None,
    variable_names_blacklist: Sequence[str] | None = None,
) -> GraphDef:
    """What `output_node_names` need, with every variable replaced by a Const of the value it has in `sess`."""
    whole = protos.as_graph_def(input_graph_def)
    cut = extract_sub_graph(whole, output_node_names)
    wanted = {
        n.name: n for n in cut.node
        if n.op in _REFERENCES and (variable_names_whitelist is None or n.name in variable_names_whitelist)
        and n.name not in (variable_names_blacklist or ())
    }  # fmt: skip
    reads = _reads(whole)
    names = [name for name, n in wanted.items() if n.op != "VarHandleOp" or name in reads]
    values = sess.run([f"{reads.get(n, n)}:0" for n in names]) if names else []
    held = dict(zip(names, values, strict=True))
    behind = _behind(cut, held)
    nodes = []
    for node in cut.node:
        if node.name in held:
            nodes.append(NodeDef(node.name, "Const", [], node.device, _constant(held[node.name], node.attr["dtype"])))
        elif node.input and (variable := behind.get(_first(node))) is not None:
            nodes.append(_of_value(node, wanted[variable].attr["dtype"]))
        else:
            nodes.append(node)
    return replace(cut, node=nodes)


def _first(node: NodeDef) -> str:
    return parse_input(node.input[0])[0]


def _reads(graph_def: GraphDef) -> dict[str, str]:
    """For each handle a node that reads it, and waits for nothing if there is one like that."""
    found: dict[str, str] = {}
    for node in sorted((n for n in graph_def.node if n.op == "ReadVariableOp"), key=lambda n: -len(n.input)):
        found[_first(node)] = node.name
    return found


def _behind(graph_def: GraphDef, variables: Iterable[str]) -> dict[str, str]:
    """The variable behind each node that gives one of these, its handle or a reference to it."""
    found = {name: name for name in variables}
    while True:
        more = {
            n.name: found[_first(n)] for n in graph_def.node
            if n.op in _PASSING and n.name not in found and _first(n) in found
        }  # fmt: skip
        if not more:
            return found
        found |= more


def _of_value(node: NodeDef, dtype: Any) -> NodeDef:
    """A node that takes a variable's value where it took the handle."""
    if node.op in _PASSING:
        return replace(node, op=node.op.removeprefix("Ref"), attr={**node.attr, "T": dtype})
    kept: dict[str, Any] = {key: node.attr[key] for key in ("Tindices", "out_type") if key in node.attr}
    if node.op == "ReadVariableOp":
        return replace(node, op="Identity", attr={"T": dtype})
    if node.op == "ResourceGather":
        return replace(node, op="Gather", attr={**kept, "Tparams": dtype, "validate_indices": True})
    if node.op == "VariableShape":
        return replace(node, op="Shape", attr={**kept, "T": dtype})
    return node


def _constant(value: Any, dtype: Any) -> dict[str, Any]:
    from refflow.core.values import as_value

    return {"dtype": dtype, "value": as_value(value, dtype)}
