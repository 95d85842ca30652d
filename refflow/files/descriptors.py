"""Messages described by messages: which fields a protocol buffer's type has, read from a FileDescriptorSet.

    catalog = Catalog.of(bytes of a FileDescriptorSet)
    catalog.messages["pkg.Outer.Inner"].fields["name"]     a Field: number, type, repeated, packed, default

    value on the wire    kind 0, varint: integers, bool, enum; zigzag for sint      1 and 5: eight and four bytes
                         2: strings, messages, packed numbers                        3 to 4: a group, tags and all

Next: ops/decode_proto.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from refflow.files.wire import BYTES, EIGHT, FOUR, VARINT, fields, payload, read_varint, signed, varint

GROUP, GROUP_END = 3, 4
# FieldDescriptorProto.Type: the name of its C++ type, its kind on the wire, and how struct packs it.
TYPES = {
    1: ("double", EIGHT, "<d"), 2: ("float", FOUR, "<f"), 3: ("int64", VARINT, ""), 4: ("uint64", VARINT, ""),
    5: ("int32", VARINT, ""), 6: ("uint64", EIGHT, "<Q"), 7: ("uint32", FOUR, "<I"), 8: ("bool", VARINT, ""),
    9: ("string", BYTES, ""), 10: ("message", GROUP, ""), 11: ("message", BYTES, ""), 12: ("string", BYTES, ""),
    13: ("uint32", VARINT, ""), 14: ("enum", VARINT, ""), 15: ("int32", FOUR, "<i"), 16: ("int64", EIGHT, "<q"),
    17: ("int32", VARINT, ""), 18: ("int64", VARINT, ""),
}  # fmt: skip
SINT = (17, 18)
MESSAGES = (10, 11)
_NAMES = ["double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "group", "message",
          "bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    name: str  # whole, with the message's name before it
    number: int
    type: int
    repeated: bool
    packed: bool
    default: str
    type_name: str  # of a message or an enum

    @property
    def cpp_type(self) -> str:
        return TYPES[self.type][0]

    @property
    def proto_type(self) -> str:
        return _NAMES[self.type - 1]

    @property
    def kind(self) -> int:
        return TYPES[self.type][1]


@dataclass
class Message:
    name: str
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def by_number(self) -> dict[int, Field]:
        return {f.number: f for f in self.fields.values()}


@dataclass
class Catalog:
    """Messages, enums (numbers by name, in order) and extensions, by whole name."""

    messages: dict[str, Message] = field(default_factory=dict)
    enums: dict[str, dict[str, int]] = field(default_factory=dict)
    extensions: dict[str, tuple[str, Field]] = field(default_factory=dict)

    @classmethod
    def of(cls, file_set: bytes) -> Catalog:
        """Reads a FileDescriptorSet; ValueError for damaged bytes."""
        found = cls()
        for number, value in fields(file_set):
            if number == 1:
                found._file(value)
        return found

    def _file(self, data: bytes) -> None:
        parts = list(fields(data))
        package = next((v.decode() for n, v in parts if n == 2), "")
        # Numbers of proto3, and of editions, are packed if nothing else is said.
        packs = any(n == 14 or (n == 12 and v == b"proto3") for n, v in parts)
        for number, value in parts:
            if number == 4:
                self._message(package, value, packs)
            elif number == 5:
                self._enum(package, value)
            elif number == 7:
                self._extension(package, value, packs)

    def _message(self, scope: str, data: bytes, packs: bool) -> None:
        parts = list(fields(data))
        whole = _joined(scope, next((v.decode() for n, v in parts if n == 1), ""))
        message = self.messages[whole] = Message(whole)
        for number, value in parts:
            if number == 2:
                made = _field(whole, value, packs)
                message.fields[made.name.rpartition(".")[2]] = made
            elif number == 3:
                self._message(whole, value, packs)
            elif number == 4:
                self._enum(whole, value)
            elif number == 6:
                self._extension(whole, value, packs)

    def _enum(self, scope: str, data: bytes) -> None:
        parts = list(fields(data))
        whole = _joined(scope, next((v.decode() for n, v in parts if n == 1), ""))
        pairs = [dict(fields(v)) for n, v in parts if n == 2]
        self.enums[whole] = {p.get(1, b"").decode(): signed(p.get(2, 0)) for p in pairs}

    def _extension(self, scope: str, data: bytes, packs: bool) -> None:
        extendee = next((v.decode() for n, v in fields(data) if n == 2), "").lstrip(".")
        made = _field(scope, data, packs)
        self.extensions[made.name] = extendee, made

    def find(self, message: str, name: str) -> Field | None:
        """The field of a message, or an extension of it by whole name."""
        if name in self.messages[message].fields:
            return self.messages[message].fields[name]
        extendee, made = self.extensions.get(name, ("", None))
        return made if extendee == message else None


def _joined(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name


def _field(scope: str, data: bytes, packs: bool) -> Field:
    parts = dict(fields(data))
    options = dict(fields(parts.get(8, b"")))
    numbers = TYPES[parts.get(5, 1)][1] in (VARINT, EIGHT, FOUR)
    return Field(
        _joined(scope, parts.get(1, b"").decode()), parts.get(3, 0), parts.get(5, 1), parts.get(4) == 3,
        numbers and parts.get(4) == 3 and bool(options.get(2, packs)),
        parts.get(7, b"").decode(), parts.get(6, b"").decode().lstrip("."),
    )  # fmt: skip


# -- values on the wire ---------------------------------------------------------------------------------------


def items(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """(number, kind, value) for each field: an int for a varint, bytes else; a group keeps its two tags."""
    at = 0
    while at < len(data):
        begin = at
        tag, at = read_varint(data, at)
        value: Any
        if tag & 7 == VARINT:
            value, at = read_varint(data, at)
        else:
            inner, at = _payload(data, tag, at)
            value = data[begin:at] if tag & 7 == GROUP else data[inner:at]
        yield tag >> 3, tag & 7, value


def _payload(data: bytes, tag: int, at: int) -> tuple[int, int]:
    """Where the bytes of a field that is no varint begin and end, those of a group with its second tag."""
    if tag & 7 == GROUP:
        return at, _group_end(data, tag >> 3, at)
    begin, end = payload(data, tag, at)
    if end > len(data):
        raise ValueError(f"field {tag >> 3} ends behind the bytes")
    return begin, end


def _group_end(data: bytes, number: int, at: int) -> int:
    while True:
        tag, at = read_varint(data, at)
        if tag & 7 == GROUP_END:
            if tag >> 3 != number:
                raise ValueError(f"group {number} ends as group {tag >> 3}")
            return at
        if tag & 7 == VARINT:
            _, at = read_varint(data, at)
        else:
            _, at = _payload(data, tag, at)


def value_of(made: Field, raw: Any) -> Any:
    """A field's value from an item's: a number, a bool or bytes."""
    if made.kind != VARINT:
        return raw if not TYPES[made.type][2] else struct.unpack(TYPES[made.type][2], raw)[0]
    if made.type in SINT:
        raw = (raw >> 1) ^ -(raw & 1)
    if made.cpp_type == "bool":
        return bool(raw)
    bits = 32 if made.cpp_type in ("int32", "uint32", "enum") else 64
    raw &= (1 << bits) - 1
    return raw if made.cpp_type.startswith("u") or raw < 1 << bits - 1 else raw - (1 << bits)


def values_of(made: Field, kind: int, raw: Any) -> list[Any] | None:
    """All values of an item, which may be packed; None where its kind does not fit the field."""
    if kind == made.kind:
        return [value_of(made, raw)]
    if kind != BYTES or made.kind not in (VARINT, EIGHT, FOUR) or len(raw) % {EIGHT: 8, FOUR: 4}.get(made.kind, 1):
        return None
    found: list[Any] = []
    at = 0
    while at < len(raw):
        if made.kind == VARINT:
            one, at = read_varint(raw, at)
        else:
            size = 8 if made.kind == EIGHT else 4
            one, at = raw[at : at + size], at + size
        found.append(value_of(made, one))
    return found


def payload_of(made: Field, value: Any) -> bytes:
    """A value as it stands on the wire behind its tag."""
    if TYPES[made.type][2]:
        return struct.pack(TYPES[made.type][2], value)
    if made.kind == BYTES:
        return varint(len(value)) + value
    number = int(value)
    return varint((number << 1) ^ (number >> 63) if made.type in SINT else number)


def encoded(made: Field, values: list[Any]) -> bytes:
    """A field with these values; of several, packed where the field is."""
    if made.kind == GROUP:
        opened, closed = varint(made.number << 3 | GROUP), varint(made.number << 3 | GROUP_END)
        return b"".join([opened + v + closed for v in values])
    payloads = b"".join([payload_of(made, v) for v in values]) if made.packed else b""
    if made.packed:
        return varint(made.number << 3 | BYTES) + varint(len(payloads)) + payloads
    tag = varint(made.number << 3 | made.kind)
    return b"".join([tag + payload_of(made, v) for v in values])

