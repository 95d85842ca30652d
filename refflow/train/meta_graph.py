"""MetaGraphs: a graph with what belongs to it, its collections and its Saver, as TensorFlow's files have it [O05].

    export_meta_graph("model.meta")                 writes it, and returns the message
    saver = import_meta_graph("model.meta")         adds it to the default graph; saver.restore(session, checkpoint)

A collection travels as names of nodes, as numbers, or as bytes; variables are bytes of VariableDefs, which name the
nodes of each. What else becomes messages, and is made of them, is in WRITTEN; other bytes stay bytes.

Next: train/optimizer.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from refflow.core import importer
from refflow.core.errors import NodeError
from refflow.core.graph import Graph, GraphKeys, Operation, Tensor, get_default_graph
from refflow.interop import protos
from refflow.interop.schema import message
from refflow.ops.variable import Variable
from refflow.train.saver import Saver, SaverDef

VARIABLES = (GraphKeys.VARIABLES, GraphKeys.TRAINABLE_VARIABLES, "local_variables", "model_variables",
             "moving_average_variables")  # fmt: skip


class Written(NamedTuple):
    """The messages of a collection, a class or its name; to_proto(value, export_scope); from_proto(it, import_scope).

    to_proto gives None for what is outside of the scope, or has no written form.
    """

    proto_type: Any
    to_proto: Callable[..., Any] | None = None
    from_proto: Callable[..., Any] | None = None

    @property
    def messages(self) -> Any:
        """The class of the messages."""
        return message(self.proto_type) if isinstance(self.proto_type, str) else self.proto_type


WRITTEN: dict[str, Written] = {}


def export_meta_graph(
    filename: str | None = None,
    meta_info_def: Any = None,
    graph_def: Any = None,
    saver_def: SaverDef | None = None,
    collection_list: Iterable[str] | None = None,
    as_text: bool = False,
    graph: Graph | None = None,
    scope: str = "",
) -> Any:
    """The default graph, or `graph`, as a MetaGraphDef message; written to `filename` if that is given.

    meta_info_def: a MetaInfoDef message to go with it. graph_def: nodes to write instead of the graph's.
    saver_def: the Saver that import makes. collection_list: the collections to write, by default all whose values
    can be written. scope: of the collections, only what is named under it, without it.
    """
    graph = graph or get_default_graph()
    meta = message("MetaGraphDef")()
    if meta_info_def is not None:
        meta.meta_info_def.ParseFromString(meta_info_def.SerializeToString())
    protos.write_graph(graph.definition() if graph_def is None else protos.as_graph_def(graph_def), meta.graph_def)
    if saver_def is not None:
        _write_saver(saver_def, meta.saver_def)
    for key in graph.get_all_collection_keys() if collection_list is None else collection_list:
        _write_collection(key, graph, meta, scope)
    if filename is not None:
        _write_file(filename, meta, as_text)
    return meta


def import_meta_graph(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None, input_map: Any = None
) -> Any:
    """Adds a MetaGraph's nodes and collections to the default graph; its Saver, or None where it has none.

    meta_graph_or_file: a path, bytes, or anybody's MetaGraphDef message. clear_devices: nodes forget where they were.
    import_scope: goes before every name. input_map: from names in it to tensors that take their place.
    """
    graph, meta = get_default_graph(), _read(meta_graph_or_file)
    plain = protos.read_graph(meta.graph_def)
    if clear_devices:
        plain = replace(plain, node=[replace(node, device="") for node in plain.node])
    prefix = "" if not import_scope else f"{import_scope.rstrip('/')}/"
    importer.extend(graph, plain, prefix, input_map)
    known: dict[str, Variable] = {}
    for key in sorted(meta.collection_def):
        for value in _read_collection(key, meta.collection_def[key], graph, prefix, known):
            graph.add_to_collection(key, value)
    if not meta.HasField("saver_def"):
        return None
    return Saver(saver_def=_read_saver(meta.saver_def, prefix))


# -- files --------------------------------------------------------------------------------------------------


def _read(source: Any) -> Any:
    meta = message("MetaGraphDef")()
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            data = file.read()
        return _from_bytes_or_text(meta, data, os.fspath(source))
    data = source.SerializeToString() if hasattr(source, "SerializeToString") else source
    return protos.parsed(meta, bytes(data), "MetaGraphDef")


def _from_bytes_or_text(meta: Any, data: bytes, path: str) -> Any:
    from google.protobuf import text_format

    try:
        return protos.parsed(meta, data, "MetaGraphDef")
    except NodeError:
        meta = message("MetaGraphDef")()
        try:
            return text_format.Parse(data.decode(), meta, allow_unknown_field=True)
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise NodeError(f"{path} is no MetaGraphDef, neither bytes nor text: {error}") from None


def _write_file(path: str, meta: Any, as_text: bool) -> None:
    from google.protobuf import text_format

    data = text_format.MessageToString(meta).encode() if as_text else meta.SerializeToString(deterministic=True)
    partial = f"{path}.tmp{os.getpid()}"
    with open(partial, "wb") as file:
        file.write(data)
    os.replace(partial, path)


# -- savers -------------------------------------------------------------------------------------------------


def _write_saver(saver: SaverDef, proto: Any) -> None:
    for name, value in vars(saver).items():
        setattr(proto, name, value)


def _read_saver(proto: Any, prefix: str) -> SaverDef:
    return SaverDef(
        prefix + proto.filename_tensor_name, prefix + proto.save_tensor_name, prefix + proto.restore_op_name,
        proto.max_to_keep, proto.sharded, proto.keep_checkpoint_every_n_hours or 10000.0,
    )  # fmt: skip


# -- collections --------------------------------------------------------------------------------------------


def _write_collection(key: str, graph: Graph, meta: Any, scope: str) -> None:
    """Adds one collection, unless it holds something that has no written form."""
    values = [v for v in graph.get_collection(key) if not scope or getattr(v, "name", "").startswith(scope)]
    form = WRITTEN.get(key)
    if form is not None and form.to_proto is not None:
        made = [form.to_proto(v, export_scope=scope.rstrip("/") or None) for v in values]
        if any(m is not None for m in made):
            meta.collection_def[key].bytes_list.value.extend(m.SerializeToString() for m in made if m is not None)
        return
    trainable = graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)
    kinds: tuple[tuple[Any, str, Any], ...] = (
        (Variable, "bytes_list", lambda v: _variable_def(v, any(v is t for t in trainable), scope).SerializeToString()),
        ((Tensor, Operation), "node_list", lambda v: v.name.removeprefix(scope)),
        (bool, "", None),
        (int, "int64_list", int),
        (float, "float_list", float),
        ((bytes, str), "bytes_list", lambda v: v.encode() if isinstance(v, str) else v),
    )
    for kind, field, write in kinds:
        if values and all(isinstance(v, kind) for v in values):
            if field:
                getattr(meta.collection_def[key], field).value.extend(write(v) for v in values)
            return


def _variable_def(variable: Variable, trainable: bool, scope: str) -> Any:
    if hasattr(variable, "to_proto"):  # one of 1.x's, which may be behind a handle, or a part of a larger one
        return variable.to_proto(scope.rstrip("/") or None)
    proto = message("VariableDef")()
    proto.variable_name = proto.snapshot_name = variable.name
    proto.initializer_name, proto.initial_value_name = variable.initializer.name, variable.initial_value.name
    proto.trainable = trainable
    return proto


def _read_collection(key: str, proto: Any, graph: Graph, prefix: str, known: dict[str, Variable]) -> list[Any]:
    kind = proto.WhichOneof("kind")
    if kind is None:
        return []
    values = list(getattr(proto, kind).value)
    if kind == "node_list":
        return [graph.as_graph_element(prefix + name) for name in values]
    if key in VARIABLES and kind == "bytes_list":
        return [_variable(data, graph, prefix, known) for data in values]
    form = WRITTEN.get(key)
    if form is not None and form.from_proto is not None and kind == "bytes_list":
        made = [protos.parsed(form.messages(), data, form.messages.DESCRIPTOR.name) for data in values]
        return [form.from_proto(m, import_scope=prefix.rstrip("/") or None) for m in made]
    return values


def _variable(data: bytes, graph: Graph, prefix: str, known: dict[str, Variable]) -> Variable:
    """The Variable whose nodes a VariableDef names; one for all collections that it is in.

    That of a variable behind a handle stands for the value as its graph reads it.
    """
    proto = protos.parsed(message("VariableDef")(), data, "VariableDef")
    if proto.variable_name not in known and hasattr(graph, "variable_of"):
        known[proto.variable_name] = graph.variable_of(proto, prefix.rstrip("/"))
    if proto.variable_name not in known:
        read = proto.snapshot_name if proto.is_resource else proto.variable_name
        initial = proto.initial_value_name
        known[proto.variable_name] = Variable.of_nodes(
            graph.as_graph_element(prefix + read),
            graph.as_graph_element(prefix + proto.initializer_name),
            graph.as_graph_element(prefix + initial) if initial else None,
        )
    return known[proto.variable_name]
