"""Protocol buffers' wire format, as little of it as TensorFlow's files need: numbers, fields, and nothing else.

    field = tag, payload        tag = number * 8 + kind        kind 0 varint, 1 eight bytes, 2 length and bytes,
    5 four bytes

Next: files/table.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5


def varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; negative numbers as 64 bits.

    >>> varint(300)
    b'\\xac\\x02'
    """
    value &= 0xFFFFFFFFFFFFFFFF
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def read_varint(data: Any, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends; ValueError where the bytes stop before it does."""
    try:
        byte = data[at]
        if byte < 128:
            return byte, at + 1
        value, shift = byte & 127, 7
        while shift < 70:
            at += 1
            byte = data[at]
            value |= (byte & 127) << shift
            if byte < 128:
                return value & 0xFFFFFFFFFFFFFFFF, at + 1
            shift += 7
    except IndexError:
        raise ValueError("the bytes end inside a number") from None
    raise ValueError("a number is longer than ten bytes")


def signed(value: int) -> int:
    """A varint's 64 bits as a signed number."""
    return value - (1 << 64) if value >= 1 << 63 else value


def number(field: int, value: int) -> bytes:
    """A varint field; zero, the default, takes no bytes."""
    return varint(field << 3) + varint(value) if value else b""


def block(field: int, value: bytes, keep_empty: bool = False) -> bytes:
    """A length-delimited field: bytes, text or a message."""
    return varint(field << 3 | BYTES) + varint(len(value)) + value if value or keep_empty else b""


def fixed32(field: int, value: int) -> bytes:
    return varint(field << 3 | FOUR) + value.to_bytes(4, "little") if value else b""


def payload(data: Any, tag: int, at: int) -> tuple[int, int]:
    """Where the bytes behind a tag begin and end, if it is no varint's; the end may lie behind `data`."""
    kind, size = tag & 7, 0
    if kind == BYTES:
        size, at = read_varint(data, at)
    elif kind in (EIGHT, FOUR):
        size = 8 if kind == EIGHT else 4
    else:
        raise ValueError(f"field {tag >> 3} has the unknown kind {kind}")
    return at, at + size


def fields(data: bytes, known: Collection[int] | None = None) -> Iterator[tuple[int, Any]]:
    """(number, value) for each field: ints for numbers, bytes for the rest; ValueError for damaged bytes.

    With `known`, a block under another number may end behind the bytes, which ends the message.
    """
    at, end = 0, len(data)
    while at < end:
        tag = data[at]
        tag, at = (tag, at + 1) if tag < 128 else read_varint(data, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield tag >> 3, value
            continue
        if kind == BYTES and at < end and data[at] < 128:  # nearly all there are, without two calls
            begin, at = at + 1, at + 1 + data[at]
        else:
            begin, at = payload(data, tag, at)
        if at > end:
            if known is not None and kind == BYTES and tag >> 3 not in known:
                return
            raise ValueError(f"field {tag >> 3} ends behind the bytes")
        yield tag >> 3, data[begin:at] if kind == BYTES else int.from_bytes(data[begin:at], "little")
