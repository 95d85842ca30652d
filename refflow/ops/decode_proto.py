"""Messages of any type into tensors, a tensor for each field that is asked for.

    bytes [B...]      ->  sizes [B..., F]: how many values each message has of each of F fields
                          values[f] [B..., max(1, most values of field f)], filled up with the field's default

Descriptors come from `descriptor_source`: the path of a FileDescriptorSet, its bytes behind "bytes://", or "local://",
the messages that the program itself has loaded.

Next: ops/encode_proto.py.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import DType
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files.descriptors import GROUP, MESSAGES, Catalog, Field, encoded, items, values_of
from refflow.files.message_text import number, to_bytes, unescaped
from refflow.files.wire import BYTES, EIGHT, FOUR, VARINT, varint
from refflow.ops.strings import strings

# The types of tensors that a field's values may stand in.
TENSORS = {
    "double": ("float64",), "float": ("float32", "float64"), "int64": ("int64",), "uint64": ("uint64",),
    "int32": ("int32", "int64"), "uint32": ("uint32", "uint64"), "bool": ("bool",), "enum": ("int32",),
    "string": ("string",), "message": ("string",),
}  # fmt: skip

DECODE_PROTO = define_op(
    "DecodeProtoV2", "bytes: string -> sizes: int32, values: output_types",
    message_type=Attr("string"), field_names=Attr("list(string)"), output_types=Attr("list(type)"),
    descriptor_source="local://", message_format="binary", sanitize=False, source=("W16",),
)  # fmt: skip
DECODE_PROTO.no_gradient()


@DECODE_PROTO.kernel
def decode_proto_kernel(
    messages, message_type, field_names, output_types, descriptor_source, message_format, sanitize
):
    catalog, wanted = _wanted(message_type, field_names, output_types, descriptor_source, message_format)
    if not messages.size:
        raise ValueError("Bufs argument must contain at least one value")
    found = []
    for data in messages.reshape(-1):
        if message_format == "text":
            data = _from_text(catalog, message_type, data)
        elif sanitize:
            data = _in_order(catalog, message_type, data)
        found.append(read(data, wanted))
    sizes = np.array([[len(v) for v in row] for row in found], np.int32).reshape(*messages.shape, len(wanted))
    columns = [
        _column(catalog, made, dtype, [row[f] for row in found], messages.shape)
        for f, (made, dtype) in enumerate(zip(wanted, output_types, strict=True))
    ]
    return [sizes, *columns]


def _wanted(
    message: str, names: list[str], types: list[DType], source: str, form: str
) -> tuple[Catalog, list[Field]]:
    catalog = catalog_of(source, message)
    if len(names) != len(types):
        raise ValueError("field_names and output_types attributes must have the same length")
    wanted = [field_of(catalog, message, name) for name in names]
    for made, dtype in zip(wanted, types, strict=True):
        if dtype.name not in TENSORS[made.cpp_type]:
            raise ValueError(f"Unexpected output type for {made.name}: {made.cpp_type} to {dtype.enum_name}")
    if form not in ("binary", "text"):
        raise ValueError("format must be one of binary or text")
    return catalog, wanted


def catalog_of(source: str, message: str) -> Catalog:
    """The descriptors of a source, which must know the message."""
    catalog = _local(message) if source in ("", "local://") else _catalog(source, _stamp(source))
    if message not in catalog.messages:
        raise ValueError(f"No descriptor found for message type {message}")
    return catalog


def _stamp(source: str) -> tuple[int, int] | None:
    """What tells one state of a file from another; None where there is no file."""
    try:
        state = os.stat(source)
    except (OSError, ValueError):
        return None
    return state.st_mtime_ns, state.st_size


@functools.lru_cache(maxsize=32)
def _catalog(source: str, stamp: Any) -> Catalog:
    try:
        if source.startswith("bytes://"):
            return Catalog.of(source[len("bytes://") :].encode("utf-8", "surrogateescape"))
        with open(source, "rb") as file:
            return Catalog.of(file.read())
    except (OSError, ValueError, IndexError, KeyError, AttributeError):
        raise ValueError(
            "Source does not represent serialized file descriptor set proto. This may be due to a missing dependency "
            f'on the file containing REGISTER_DESCRIPTOR_POOL("{source}", ...);'
        ) from None


def _local(message: str) -> Catalog:
    """The message's file and those that it needs, as the program's protobuf library knows them; none without it."""
    library: Any = sys.modules.get("google.protobuf.descriptor_pool")
    if library is None:
        return Catalog()
    try:
        files = [library.Default().FindMessageTypeByName(message).file]
    except KeyError:
        return Catalog()
    for file in files:
        files += [other for other in file.dependencies if other not in files]
    return Catalog.of(b"".join(b"\n" + varint(len(f.serialized_pb)) + f.serialized_pb for f in files))


def field_of(catalog: Catalog, message: str, name: str) -> Field:
    made = catalog.find(message, name)
    if made is None:
        raise ValueError(f"Unknown field: {name} in message type {message}")
    return made


# -- one message ----------------------------------------------------------------------------------------------


def read(data: bytes, wanted: list[Field]) -> list[list[Any]]:
    """The values of each field, as they stand on the wire: of one that is not repeated, the last."""
    places: dict[int, int] = {}
    for place, made in enumerate(wanted):
        places.setdefault(made.number, place)  # asked for twice, a field comes once
    found: list[list[Any]] = [[] for _ in wanted]
    try:
        for tag, kind, raw in items(data):
            if tag not in places:
                continue
            place = places[tag]
            values = values_of(wanted[place], kind, raw)
            if values:
                found[place] = found[place] + values if wanted[place].repeated else values[-1:]
    except ValueError:
        raise errors.DataLossError(None, None, "CountFields: Failed to consume entire buffer") from None
    return found


def _column(catalog: Catalog, made: Field, dtype: DType, rows: list[list[Any]], shape: Any) -> np.ndarray:
    width = max(1, *map(len, rows))
    zero: Any = b"" if dtype.name == "string" else 0
    default = _default(catalog, made, zero)
    flat = [value for row in rows for value in row + [default] * (width - len(row))]
    if dtype.name == "string":
        return strings(flat, (*shape, width))
    return np.array(flat, dtype.as_numpy_dtype).reshape(*shape, width)


def _default(catalog: Catalog, made: Field, zero: Any) -> Any:
    """What stands for a field that a message lacks."""
    if made.type in MESSAGES:
        return zero
    if made.cpp_type == "enum" and not made.default:
        return next(iter(catalog.enums.get(made.type_name, {}).values()), zero)
    if not made.default:
        return zero
    if made.cpp_type == "string":
        return unescaped(made.default) if made.proto_type == "bytes" else made.default.encode()
    return number(catalog, made, made.default)


def _from_text(catalog: Catalog, message: str, data: bytes) -> bytes:
    try:
        return to_bytes(catalog, message, data.decode("utf-8", "surrogateescape"))
    except (ValueError, SyntaxError, OverflowError):
        raise errors.DataLossError(None, None, "Unable to parse text protobuf") from None


def _in_order(catalog: Catalog, message: str, data: bytes) -> bytes:
    """The message read and written again: fields by number, one value where one is meant, unknown ones last."""
    known = catalog.messages[message].by_number
    values: dict[int, list[Any]] = {}
    unknown = b""
    try:
        for tag, kind, raw in items(data):
            made = known.get(tag)
            found = None if made is None else values_of(made, kind, raw)
            if made is None or found is None:
                unknown += _item(tag, kind, raw)
                continue
            if made.kind == GROUP:
                found = [_inside(v) for v in found]
            before = values.get(tag, [])
            if made.repeated:
                values[tag] = before + found
            else:
                values[tag] = [b"".join([*before, *found])] if made.type in MESSAGES else found[-1:]
    except ValueError:
        raise errors.DataLossError(None, None, "Unable to parse binary protobuf") from None
    written = b""
    for tag in sorted(values):
        made = known[tag]
        inner = values[tag]
        if made.type in MESSAGES and made.type_name in catalog.messages:
            inner = [_in_order(catalog, made.type_name, v) for v in inner]
        written += encoded(made, inner)
    return written + unknown


def _inside(group: bytes) -> bytes:
    """What a group holds, without its two tags."""
    size = next(i for i, byte in enumerate(group) if byte < 128) + 1
    return group[size:-size]


def _item(tag: int, kind: int, raw: Any) -> bytes:
    if kind == GROUP:
        return raw
    head = varint(tag << 3 | kind)
    if kind == VARINT:
        return head + varint(raw)
    return head + (raw if kind in (EIGHT, FOUR) else varint(len(raw)) + raw if kind == BYTES else b"")


@DECODE_PROTO.shape
def _decode_proto_shape(context: ShapeContext) -> list[shapes.Shape]:
    batch, count = context.dims("bytes"), len(context.attrs["output_types"])
    if batch is None:
        return [None] * (count + 1)
    return [(*batch, len(context.attrs["field_names"])), *([(*batch, None)] * count)]


# message M { optional int32 a = 1 [default = 7]; repeated string b = 2; }
SET = "bytes://\n!\n\x01f\"\x1c\n\x01M\x12\x0c\n\x01a\x18\x01 \x01(\x05:\x017\x12\t\n\x01b\x18\x02 \x03(\t"
DECODE_PROTO.case("W16", "counts and values; a default where there is none", bytes=[b"\x08\x05\x12\x01x\x12\x01y", b""],
                  message_type="M", field_names=["a", "b"], output_types=["int32", "string"], descriptor_source=SET,
                  sizes=[[1, 2], [0, 0]],
                  values=[np.array([[5], [7]], np.int32), np.array([[b"x", b"y"], [b"", b""]], object)])  # fmt: skip
DECODE_PROTO.case("W16", "a message in text", bytes=[b"b: 'x' a: -3"], message_type="M", field_names=["a"],
                  output_types=["int32"], descriptor_source=SET, message_format="text",
                  sizes=[[1]], values=[np.array([[-3]], np.int32)])  # fmt: skip
DECODE_PROTO.case("W16", "a field that is not there", bytes=[b""], message_type="M", field_names=["c"],
                  output_types=["int32"], descriptor_source=SET,
                  error="Unknown field: c in message type M")  # fmt: skip
DECODE_PROTO.case("W16", "bytes that end too early", bytes=[b"\x12\x09x"], message_type="M", field_names=["b"],
                  output_types=["string"], descriptor_source=SET, error="Failed to consume entire buffer")  # fmt: skip
