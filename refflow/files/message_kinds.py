"""The kinds of plain values that a message's fields hold: checked, as bytes on the wire, as text.

    int64, int32, bool, enum      a varint      float, double     four and eight bytes      string, bytes    a block

Next: files/messages.py.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.files.wire import EIGHT, FOUR, read_varint, signed, varint

ZEROS: dict[str, Any] = {
    "int64": 0, "int32": 0, "bool": False, "enum": 0, "float": 0.0, "double": 0.0, "string": "", "bytes": b"",
}  # fmt: skip
WIRE = {"float": FOUR, "double": EIGHT}
_BITS = {"int64": 64, "int32": 32, "enum": 32}


def check(kind: str, value: Any) -> Any:
    """`value` as a field of that kind keeps it; TypeError or ValueError where it is none."""
    return _CHECKS[kind](kind, value)


def _whole(kind: str, value: Any) -> int:
    if isinstance(value, (bool, np.bool_)) and kind != "enum":
        raise TypeError("Expected an int, got a boolean.")
    found = operator.index(value)
    if not -(1 << _BITS[kind] - 1) <= found < 1 << _BITS[kind] - 1:
        raise ValueError(f"Value out of range: {found}")
    return found


def _truth(kind: str, value: Any) -> bool:
    return bool(operator.index(value))


def _real(kind: str, value: Any) -> float:
    if isinstance(value, (str, bytes)):
        raise TypeError(f"must be real number, not {type(value).__name__}")
    with np.errstate(over="ignore"):
        return float(value) if kind == "double" else float(np.float32(value))


def _text(kind: str, value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"expected str, {type(value).__name__} found")
    return value


def _bytes(kind: str, value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"expected bytes, {type(value).__name__} found")
    return bytes(value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "int64": _whole, "int32": _whole, "enum": _whole, "bool": _truth, "float": _real, "double": _real,
    "string": _text, "bytes": _bytes,
}  # fmt: skip


def to_wire(kind: str, value: Any) -> bytes:
    """A value's bytes behind its tag; text and bytes as they are."""
    if isinstance(value, (str, bytes)):
        return value.encode() if isinstance(value, str) else value
    if kind in WIRE:
        return struct.pack("<f" if kind == "float" else "<d", value)
    return varint(int(value))


def from_wire(kind: str, value: Any) -> Any:
    """A value from what a field holds: an int for a number, bytes else."""
    if kind in ("string", "bytes"):
        return check(kind, value)
    if kind in WIRE:
        form, size = ("<f", 4) if kind == "float" else ("<d", 8)
        return struct.unpack(form, value.to_bytes(size, "little"))[0]
    return bool(value) if kind == "bool" else signed(value)


def several(kind: str, value: Any) -> list[Any]:
    """The values of a repeated field: one, or a block of packed numbers."""
    if kind in ("string", "bytes") or not isinstance(value, bytes):
        return [from_wire(kind, value)]
    if kind in WIRE:
        return np.frombuffer(value, "<f4" if kind == "float" else "<f8").tolist()
    found, at = [], 0
    while at < len(value):
        one, at = read_varint(value, at)
        found.append(bool(one) if kind == "bool" else signed(one))
    return found


_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "'": "\\'", "\\": "\\\\"}


def text(kind: str, value: Any) -> str:
    """A value as protobuf's text has it.

    >>> text("bytes", b"x\\xff"), text("float", 0.1), text("bool", True)
    ('"x\\\\377"', '0.1', 'true')
    """
    if kind == "bool":
        return str(value).lower()
    if kind in WIRE:
        shown = str(np.float32(value) if kind == "float" else np.float64(value))
        return shown.removesuffix(".0")
    if kind == "string":
        return '"' + "".join(_ESCAPES.get(c, c) for c in value) + '"'
    if kind == "bytes":
        plain = (_ESCAPES.get(chr(b)) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in value)
        return '"' + "".join(plain) + '"'
    return str(value)
