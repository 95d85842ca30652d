"""GraphDefs in and out of the client's graph: import, write, cut.

    import_graph_def(bytes, text, message or GraphDef, input_map={"x:0": t}, return_elements=["y:0"], name="scope")
    write_graph(graph, folder, "graph.pb")
    extract_sub_graph(graph_def, ["y"])              only what y needs

Next: interop/freeze.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from refflow.core import importer
from refflow.core.convert import convert_to_tensor
from refflow.core.errors import DTypeError, NodeError
from refflow.core.graph import Graph, get_default_graph
from refflow.core.graphdef import GraphDef, parse_input
from refflow.core.tensor import Operation, Tensor
from refflow.interop import protos


def import_graph_def(
    graph_def: Any,
    input_map: Mapping[str, Any] | None = None,
    return_elements: Sequence[str] | None = None,
    name: str | None = None,
    op_dict: Any = None,
    producer_op_list: Any = None,
) -> list[Operation | Tensor] | None:
    """Adds the nodes of `graph_def` to the default graph, under `name`/ ("import" unless told, "" for none).

    graph_def: bytes, protobuf text, any library's GraphDef message, or a GraphDef. input_map: from names in it, such
    as "x:0", to tensors that take their place. return_elements: names of operations or tensors in it to return.
    op_dict, producer_op_list: taken for the release's sake; op types are found by name.
    Raises NodeError (a ValueError) that names the node for what is not a graph.
    """
    graph = get_default_graph()
    try:
        plain = protos.as_graph_def(graph_def)
    except NodeError as error:
        raise (_NoGraphError(str(error)) if isinstance(graph_def, str) else error) from None
    if input_map is not None and not isinstance(input_map, Mapping):
        raise TypeError(f"Argument `input_map` must be a dictionary. Obtained {type(input_map).__name__}")
    mapped = {key: convert_to_tensor(value) for key, value in (input_map or {}).items()}
    for key, tensor in mapped.items():
        if tensor.graph is not graph:
            raise NodeError(f"input_map[{key!r}] is {tensor.name!r}, which belongs to another graph")
    with graph.name_scope(name if name is not None else "import") as scope:
        try:
            made = importer.extend(graph, plain, scope, mapped)
        except DTypeError as error:
            raise _UnfitError(str(error)) from None
    if return_elements is None:
        return None
    return [_element(made, element) for element in return_elements]


class _NoGraphError(NodeError, TypeError):
    """A text that is no graph: 1.x takes only messages, and has a TypeError for whatever else."""


class _UnfitError(DTypeError, NodeError):
    """Nodes of the graph do not fit to each other, or to what input_map has: as any fault of a graph, a ValueError."""


def _element(made: dict[str, Operation], element: Any) -> Operation | Tensor:
    if not isinstance(element, (str, bytes)):
        raise TypeError(f"return_elements holds names, got {element!r}")
    text = element.decode() if isinstance(element, bytes) else element
    name, port = parse_input(text)
    if name not in made:
        raise NodeError(f"Requested return_element {text!r} not found in graph_def.")
    if ":" not in text:
        return made[name]
    if port >= len(made[name].outputs):
        raise NodeError(
            f"Requested return_element {text!r} not found in graph_def: "
            f"{made[name]!r} has {len(made[name].outputs)} outputs"
        )
    return made[name].outputs[port]


def write_graph(graph_def: Any, logdir: str, name: str, as_text: bool = True) -> str:
    """Writes a Graph or a GraphDef to `logdir`/`name`, as text or in the wire format, and returns the path."""
    source = graph_def
    plain = source.definition() if isinstance(source, Graph) else protos.as_graph_def(source)
    data = protos.to_text(plain).encode() if as_text else protos.to_bytes(plain)
    os.makedirs(logdir, exist_ok=True)
    path = os.path.join(logdir, name)
    partial = f"{path}.tmp{os.getpid()}"
    with open(partial, "wb") as file:
        file.write(data)
    os.replace(partial, path)  # whoever reads sees the old file or the new one
    return path


def extract_sub_graph(graph_def: Any, dest_nodes: Sequence[str]) -> GraphDef:
    """The nodes that `dest_nodes`, named, need, in their order; NodeError for a name that is not there."""
    if isinstance(dest_nodes, (str, bytes)):
        raise TypeError(f"dest_nodes is a list of names, got {dest_nodes!r}")
    plain = protos.as_graph_def(graph_def)
    nodes = {n.name: n for n in plain.node}
    needed: set[str] = set()
    waiting = [parse_input(name)[0] for name in dest_nodes]
    while waiting:
        name = waiting.pop()
        if name not in nodes:
            raise NodeError(f"the graph has no node {name!r}")
        if name not in needed:
            needed.add(name)
            waiting += [parse_input(text)[0] for text in nodes[name].input]
    return replace(plain, node=[n for n in plain.node if n.name in needed])
