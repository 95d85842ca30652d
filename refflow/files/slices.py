"""Parts of a tensor: the text that names one, the key under which a checkpoint keeps it.

    "4 5 0,2:-"      of a tensor [4, 5]: 2 rows from row 0, and all columns

Next: files/bundle.py.
"""

from __future__ import annotations

from typing import NamedTuple

from refflow.core.errors import InternalError, InvalidArgumentError


class Slice(NamedTuple):
    """start and length for each axis; a length of None is the whole axis."""

    extents: tuple[tuple[int, int | None], ...]

    def places(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        """As indices into an array of that shape."""
        return tuple(
            slice(start, size if length is None else start + length)
            for (start, length), size in zip(self.extents, shape, strict=True)
        )

    def shape(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(s if n is None else n for (_, n), s in zip(self.extents, whole, strict=True))

    def __str__(self) -> str:
        return ":".join("-" if n is None else f"{start},{n}" for start, n in self.extents)


def parse_shape_and_slice(text: str) -> tuple[tuple[int, ...], Slice] | None:
    """The whole tensor's shape and the part that is meant; None for "", which is all of it.

    >>> shape, part = parse_shape_and_slice("4 5 0,2:-")
    >>> shape, part.shape(shape)
    ((4, 5), (2, 5))
    """
    if not text:
        return None
    *sizes, part = text.split(" ")
    if not sizes:
        raise InvalidArgumentError(
            None, None, f"Need least two elements in shape_and_slice specification: {text}. Expected sizes and then "
            "start,length or - for each axis, as in '4 5 0,2:-'",
        )  # fmt: skip
    try:
        shape = tuple(int(s) for s in sizes if s)
        found = Slice(tuple(_extent(p) for p in part.split(":")) if part else ())
        fits = len(found.extents) == len(shape)
    except ValueError:
        fits = False
    if not fits:
        raise InvalidArgumentError(
            None, None, f"{text!r} names no part of a tensor. Expected sizes and then start,length or - for each axis, "
            "as in '4 5 0,2:-'",
        )  # fmt: skip
    for axis, ((start, n), size) in enumerate(zip(found.extents, shape, strict=True)):
        if start < 0 or (n is not None and start + n > size):
            sizes_text = ",".join(map(str, shape))
            raise InternalError(
                None, None, f"Extent in dimension {axis} out of bounds: shape = [{sizes_text}], slice = {part}"
            )
    return shape, found


def _extent(text: str) -> tuple[int, int | None]:
    if text == "-":
        return 0, None
    start, length = text.split(",")
    return int(start), int(length)


def slice_key(name: str, part: Slice) -> bytes:
    """The key of a part: zero, name, number of axes, start and length of each, so that keys sort as their meaning."""
    key = _increasing(0) + _escaped(name.encode()) + _increasing(len(part.extents))
    for start, length in part.extents:
        key += _signed_increasing(start) + _signed_increasing(-1 if length is None else length)
    return key


def _increasing(value: int) -> bytes:
    """A number of bytes, then the bytes, highest first: larger numbers sort later."""
    digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def _escaped(text: bytes) -> bytes:
    return text.replace(b"\xff", b"\xff\x00").replace(b"\0", b"\0\xff") + b"\0\1"


def _signed_increasing(value: int) -> bytes:
    """Ones in front tell the length; the sign bit is flipped so that negative numbers sort first."""
    magnitude = ~value if value < 0 else value
    if magnitude < 64:
        return bytes([(value & 0xFF) ^ 0x80])
    length = 1
    while magnitude >= 1 << (7 * length - 1):
        length += 1
    header = ((1 << length) - 1) << (16 - length)  # `length` ones at the top of two bytes
    raw = bytearray((value & ((1 << 80) - 1)).to_bytes(10, "big")[10 - length :])
    raw[0] ^= header >> 8
    if length > 1:
        raw[1] ^= header & 0xFF
    return bytes(raw)
