"""Graphs, attributes, shapes and tensors: from protobuf messages to plain data, and back.

    AttrValue      DType, int, float, bool, str, TensorShape, array, FunctionCall, Placeholder, or a list of them
    TensorProto    a NumPy array; a short list of values stands for as many elements as the shape has, the last repeated
    GraphDef       core/graphdef.py's dataclass

What does not fit is a NodeError that names the node and the attribute; nothing is allocated for a shape that only
claims to be large.

Next: interop/importer.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, as_dtype, bfloat16, float16, string
from refflow.core.errors import NodeError
from refflow.core.graphdef import FunctionCall, FunctionDef, GraphDef, NodeDef, Placeholder
from refflow.core.registry import find_op_def
from refflow.core.shapes import TensorShape, unknown_shape
from refflow.core.signature import Arg
from refflow.core.values import blank
from refflow.interop.schema import message

# Where TensorProto keeps the values of a type, by the type's name.
_FIELDS = {
    "float32": "float_val", "float64": "double_val", "int32": "int_val", "uint8": "int_val", "int16": "int_val",
    "int8": "int_val", "uint16": "int_val", "qint8": "int_val", "quint8": "int_val", "qint16": "int_val",
    "quint16": "int_val", "qint32": "int_val", "string": "string_val", "int64": "int64_val", "bool": "bool_val",
    "float16": "half_val", "bfloat16": "half_val", "complex64": "scomplex_val", "complex128": "dcomplex_val",
    "uint32": "uint32_val", "uint64": "uint64_val", "int4": "int_val", "uint4": "int_val", "int2": "int_val",
    "uint2": "int_val", "float8_e5m2": "float8_val", "float8_e4m3fn": "float8_val", "float8_e4m3fnuz": "float8_val",
    "float8_e4m3b11fnuz": "float8_val", "float8_e5m2fnuz": "float8_val",
}  # fmt: skip


# -- shapes and tensors -----------------------------------------------------------------------------------


def read_shape(proto: Any) -> TensorShape:
    if proto.unknown_rank:
        return unknown_shape()
    sizes = [d.size for d in proto.dim]
    if any(s < -1 for s in sizes):
        raise NodeError(f"a shape has a negative size: {sizes}")
    return TensorShape([None if s == -1 else s for s in sizes])


def write_shape(shape: TensorShape, proto: Any) -> None:
    dims = shape.as_tuple
    if dims is None:
        proto.unknown_rank = True
        return
    for d in dims:
        proto.dim.add(size=-1 if d is None else d)


def read_tensor(proto: Any) -> np.ndarray:
    """The array that a TensorProto holds; NodeError where its parts do not fit together."""
    dtype = read_type(proto.dtype)
    dims = read_shape(proto.tensor_shape).as_tuple
    if dims is None or None in dims:
        raise NodeError(f"a tensor's shape must be fully known, got {dims}")
    shape: tuple[int, ...] = dims  # type: ignore[assignment]
    numpy_type = np.dtype(dtype.as_numpy_dtype)
    if dtype.name not in _FIELDS:
        raise NodeError(f"a tensor of type {dtype.name} cannot be written into a graph")
    count = prod(shape)
    if any(size > 2**62 for size in shape):
        raise NodeError(f"shape {list(shape)} is larger than any array can be")
    if proto.tensor_content and dtype is not string:
        if len(proto.tensor_content) != count * numpy_type.itemsize:
            raise NodeError(
                f"{dtype.name}{list(shape)} needs {count * numpy_type.itemsize} bytes of content, "
                f"but there are {len(proto.tensor_content)}"
            )
        return np.frombuffer(proto.tensor_content, numpy_type.newbyteorder("<")).astype(numpy_type).reshape(shape)
    values = _values(proto, dtype, numpy_type)
    if not count:  # one value may be there all the same, to be repeated no times
        return blank(shape, numpy_type)
    if len(values) > count:
        raise NodeError(f"{dtype.name}{list(shape)} has {count} elements, but {len(values)} values are given")
    if len(values) < count:
        if len(values) < 2:  # one value, or none, which is zero: no memory however large
            one = values.reshape(()) if len(values) else _zero(dtype, numpy_type)
            return _stretched(one, shape)
        values = np.concatenate([values, np.full(_checked(count, numpy_type) - len(values), values[-1], numpy_type)])
    return values.reshape(shape)


def _values(proto: Any, dtype: DType, numpy_type: np.dtype) -> np.ndarray:
    given = getattr(proto, _FIELDS[dtype.name])
    if dtype is string:
        found = np.empty(len(given), object)
        found[:] = list(given)
        return found
    if dtype.kind == "c":
        if len(given) % 2:
            raise NodeError("complex values need pairs of numbers")
        return np.array(given, numpy_type.type(0).real.dtype).view(numpy_type)
    if dtype is float16 or dtype is bfloat16:
        return np.array(given, np.uint32).astype(np.uint16).view(numpy_type)
    if dtype.is_narrow:
        return np.array(list(given), np.int64).astype(np.uint8).view(numpy_type)
    if dtype.kind == "q":
        plain = numpy_type[dtype.name]
        return np.array(given, np.int64).astype(plain).view(numpy_type)
    return (
        np.array(given, np.int64).astype(numpy_type)
        if dtype.kind in "iu" and numpy_type.itemsize < 4
        else np.array(given, numpy_type)
    )


def _zero(dtype: DType, numpy_type: np.dtype) -> np.ndarray:
    if dtype is string:
        empty = np.empty((), object)
        empty[()] = b""
        return empty
    return np.zeros((), numpy_type)


def _stretched(one: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    _checked(prod(shape), one.dtype)
    return np.broadcast_to(one, shape) if prod(shape) else np.empty(shape, one.dtype)


_LARGEST = 2**29  # bytes that one value may stand for: who works with it has to have them


def _checked(count: int, numpy_type: np.dtype) -> int:
    if count * numpy_type.itemsize > _LARGEST:
        raise NodeError(
            f"a tensor of {count} elements is claimed by a few values; a graph may hold {_LARGEST} bytes in that way. "
            "Use Fill for larger ones"
        )
    return count


def write_tensor(array: np.ndarray, dtype: DType, proto: Any) -> None:
    proto.dtype = int(dtype)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if dtype is string:
        proto.string_val.extend(array.reshape(-1).tolist())
    elif array.size == 1 and dtype.kind in "fiub" and dtype not in (float16, bfloat16):
        getattr(proto, _FIELDS[dtype.name]).append(array.reshape(-1)[0].item())
    else:
        contiguous = np.ascontiguousarray(array)
        proto.tensor_content = contiguous.astype(contiguous.dtype.newbyteorder("<"), copy=False).tobytes()


def read_type(number: int) -> DType:
    try:
        return DType(number)
    except TypeError:
        raise NodeError(f"{number} is the number of no element type that refflow knows") from None


# -- attributes -------------------------------------------------------------------------------------------


def read_attr(value: Any) -> Any:
    """The Python value of an AttrValue."""
    kind = value.WhichOneof("value")
    if kind is None:
        raise NodeError("an attribute has no value")
    if kind == "list":
        for field, items in value.list.ListFields():
            return [_READERS[field.name](v) for v in items]
        return []
    return _READERS[kind](getattr(value, kind))


def _read_text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


_READERS: dict[str, Any] = {
    "s": _read_text,
    "i": int,
    "f": float,
    "b": bool,
    "type": read_type,
    "shape": read_shape,
    "tensor": read_tensor,
    "placeholder": Placeholder,
    "func": lambda value: FunctionCall(value.name, {k: read_attr(v) for k, v in value.attr.items()}),
}
_KIND_FIELDS = {
    "string": "s", "int": "i", "float": "f", "bool": "b", "type": "type", "shape": "shape", "tensor": "tensor",
    "func": "func",
}  # fmt: skip


def write_attr(value: Any, proto: Any, kind: str = "") -> None:
    """Fills an AttrValue. Without a kind, which an OpDef gives, the value's own type decides."""
    if isinstance(value, (list, tuple)):
        item_kind = kind[5:-1] or (_kind_of(value[0]) if value else "")
        proto.list.SetInParent()
        for item in value:
            _write_item(item, item_kind, getattr(proto.list, _KIND_FIELDS[item_kind]))
        return
    kind = kind or _kind_of(value)
    if kind == "tensor":
        write_tensor(value, as_dtype(value.dtype), proto.tensor)
    elif kind == "shape":
        write_shape(value, proto.shape)
        proto.shape.SetInParent()
    elif kind == "func":
        proto.func.name = value.name
        proto.func.SetInParent()
        for key, v in value.attr.items():
            write_attr(v, proto.func.attr[key])
    elif kind == "placeholder":
        proto.placeholder = value.name
    else:
        setattr(proto, _KIND_FIELDS[kind], _scalar(value, kind))


def _write_item(item: Any, kind: str, target: Any) -> None:
    if kind == "tensor":
        write_tensor(item, as_dtype(item.dtype), target.add())
    elif kind == "shape":
        write_shape(item, target.add())
    elif kind == "func":
        call = target.add(name=item.name)
        for key, v in item.attr.items():
            write_attr(v, call.attr[key])
    else:
        target.append(_scalar(item, kind))


def _scalar(value: Any, kind: str) -> Any:
    if kind == "string":
        return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return int(value) if kind == "type" else value


def _kind_of(value: Any) -> str:
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    raise NodeError(f"a {type(value).__name__} cannot be an attribute in a file: {value!r}")


_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "bool"), (int, "int"), (float, "float"), ((str, bytes), "string"), (DType, "type"), (TensorShape, "shape"),
    (np.ndarray, "tensor"), (FunctionCall, "func"), (Placeholder, "placeholder"),
)  # fmt: skip


# -- nodes and graphs -------------------------------------------------------------------------------------


def read_node(proto: Any) -> NodeDef:
    attrs = {}
    for key, value in proto.attr.items():
        try:
            attrs[key] = read_attr(value)
        except (NodeError, ValueError, OverflowError) as error:
            raise NodeError(f"node {proto.name!r} ({proto.op}), attribute {key}: {error}") from None
    return NodeDef(proto.name, proto.op, list(proto.input), proto.device, attrs)


def write_node(node: NodeDef, proto: Any) -> None:
    proto.name, proto.op, proto.device = node.name, node.op, node.device
    proto.input.extend(node.input)
    known = find_op_def(node.op)
    for key, value in node.attr.items():
        kind = known.attrs[key].kind if known is not None and key in known.attrs else ""
        if isinstance(value, Placeholder):
            kind = "placeholder"
        write_attr(value, proto.attr[key], kind)


def read_graph(proto: Any) -> GraphDef:
    """A GraphDef message as plain data."""
    producer = proto.versions.producer or proto.version
    functions = [_read_function(f) for f in proto.library.function]
    slopes = {g.function_name: g.gradient_func for g in proto.library.gradient}
    return GraphDef([read_node(n) for n in proto.node], functions, producer, slopes)


def write_graph(graph: GraphDef, proto: Any = None) -> Any:
    """Plain data as a GraphDef message."""
    proto = message("GraphDef")() if proto is None else proto
    for node in graph.node:
        write_node(node, proto.node.add())
    for function in graph.library:
        _write_function(function, proto.library.function.add())
    for name, gradient in graph.gradients.items():
        proto.library.gradient.add(function_name=name, gradient_func=gradient)
    proto.versions.producer = graph.producer
    return proto


def _read_function(proto: Any) -> FunctionDef:
    signature = proto.signature
    return FunctionDef(
        signature.name,
        tuple(_read_arg(a) for a in signature.input_arg),
        tuple(_read_arg(a) for a in signature.output_arg),
        [read_node(n) for n in proto.node_def],
        dict(proto.ret),
        dict(proto.control_ret),
        {key: read_attr(value) for key, value in proto.attr.items()},
        signature.is_stateful,
    )


def _read_arg(proto: Any) -> Arg:
    fixed = read_type(proto.type) if proto.type else None
    kind = fixed.name if fixed is not None else proto.type_attr or proto.type_list_attr
    return Arg(proto.name, kind, fixed, proto.number_attr or None, proto.is_ref)


def _write_function(function: FunctionDef, proto: Any) -> None:
    proto.signature.name, proto.signature.is_stateful = function.name, function.is_stateful
    for args, target in ((function.inputs, proto.signature.input_arg), (function.outputs, proto.signature.output_arg)):
        for arg in args:
            written = target.add(name=arg.name, is_ref=arg.is_ref, number_attr=arg.number or "")
            if arg.fixed is not None:
                written.type = int(arg.fixed)
            else:
                written.type_attr = arg.type
    for node in function.node:
        write_node(node, proto.node_def.add())
    proto.ret.update(function.ret)
    proto.control_ret.update(function.control_ret)
    for key, value in function.attr.items():
        write_attr(value, proto.attr[key])


# -- bytes and text -----------------------------------------------------------------------------------------


def as_graph_def(source: Any) -> GraphDef:
    """A GraphDef from plain data, from bytes, from text in protobuf's notation, or from anybody's message.

    Raises NodeError for what is none of these, or damaged.
    """
    if isinstance(source, GraphDef):
        return source
    proto = message("GraphDef")()
    if isinstance(source, str):
        from google.protobuf import text_format

        try:
            text_format.Parse(source, proto, allow_unknown_field=True)
        except text_format.ParseError as error:
            raise NodeError(f"this text is no GraphDef: {error}") from None
        return read_graph(proto)
    if hasattr(source, "SerializeToString"):
        source = source.SerializeToString()
    if not isinstance(source, (bytes, bytearray, memoryview)):
        raise TypeError(f"expected a GraphDef, its bytes or its text, got {type(source).__name__}")
    return read_graph(parsed(proto, bytes(source), "GraphDef"))


def parsed(proto: Any, data: bytes, what: str) -> Any:
    """`proto` filled from bytes; NodeError where they are damaged."""
    from google.protobuf.message import DecodeError

    try:
        proto.ParseFromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise NodeError(f"these {len(data)} bytes are no {what}: {error}") from None
    return proto


def to_bytes(graph: GraphDef) -> bytes:
    """The wire form, the same bytes for the same graph."""
    return write_graph(graph).SerializeToString(deterministic=True)


def to_text(graph: GraphDef) -> str:
    """The text form, one field a line."""
    from google.protobuf import text_format

    return text_format.MessageToString(write_graph(graph))


def text_of(proto: Any) -> str:
    """Any message's text form."""
    from google.protobuf import text_format

    return text_format.MessageToString(proto)


def filled_from_text(proto: Any, text: str) -> Any:
    """`proto` filled from the text form; what is not known of it is left out."""
    from google.protobuf import text_format

    return text_format.Parse(text, proto, allow_unknown_field=True)
