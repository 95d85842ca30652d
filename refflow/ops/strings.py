"""Strings: joining them, cutting them, measuring them.

A string tensor holds byte strings of any length. Where an op counts characters, its text is UTF-8: a character is a
byte that is not of the form 10xxxxxx, together with those that follow it.

    StringJoin           a scalar stands for every element             "ab", ["c", "d"] -> ["abc", "abd"]
    ReduceJoin           along axes; the first axis listed runs fastest
    UnsortedSegmentJoin  elements of one segment, in their order
    Substr               positions from the end where negative

Next: ops/string_split.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import INDICES, int32
from refflow.core.errors import OutOfRangeError, ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

UNIT = Attr("string", default="BYTE", allowed=("BYTE", "UTF8_CHAR"))
_CHARACTER = re.compile(rb"[^\x80-\xbf][\x80-\xbf]*|[\x80-\xbf]+", re.DOTALL)


def strings(items: Iterable[bytes], shape: Sequence[int]) -> np.ndarray:
    """A string tensor of `items`, row by row. NumPy's own conversion would cut off trailing zero bytes."""
    return np.fromiter(items, object, prod(shape)).reshape(tuple(shape))


def each(function: Callable[..., bytes], *arrays: Any) -> np.ndarray:
    """`function` of every element, or of elements side by side."""
    return strings(map(function, *(np.reshape(a, -1) for a in arrays)), np.shape(arrays[0]))


def characters(text: bytes) -> list[bytes]:
    """The UTF-8 characters of `text`; continuation bytes that nothing precedes are one.

    >>> characters("aé".encode())
    [b'a', b'\\xc3\\xa9']
    """
    return _CHARACTER.findall(text)


def same_shape(context: ShapeContext, name: str = "input") -> shapes.Shape:
    """The rule of ops that work element by element."""
    return context.dims(name)


# -- element by element ------------------------------------------------------------------------------

STRING_STRIP = define_op("StringStrip", "input: string[...S] -> output: string[...S]", source=("W06",))
STRING_LENGTH = define_op("StringLength", "input: string[...S] -> output: int32[...S]", unit=UNIT, source=("W06",))
STRING_UPPER = define_op("StringUpper", "input: string[...S] -> output: string[...S]", encoding="", source=("W06",))
STRING_LOWER = define_op("StringLower", "input: string[...S] -> output: string[...S]", encoding="", source=("W06",))
for _op in (STRING_STRIP, STRING_LENGTH, STRING_UPPER, STRING_LOWER):
    _op.no_gradient_registered()


@STRING_STRIP.kernel
def string_strip_kernel(input):
    return each(bytes.strip, input)


@STRING_LENGTH.kernel
def string_length_kernel(input, unit):
    measure = len if unit == "BYTE" else _count_characters
    return np.fromiter(map(measure, input.reshape(-1)), np.int32, input.size).reshape(input.shape)


def _count_characters(text: bytes) -> int:
    return sum(byte & 0xC0 != 0x80 for byte in text)


@STRING_UPPER.kernel
def string_upper_kernel(input, encoding):
    return each(bytes.upper if _is_plain(encoding) else lambda s: _decoded(s).upper().encode(), input)


@STRING_LOWER.kernel
def string_lower_kernel(input, encoding):
    return each(bytes.lower if _is_plain(encoding) else lambda s: _decoded(s).lower().encode(), input)


def _is_plain(encoding: str) -> bool:
    if encoding not in ("", "utf-8"):
        raise ValueError(f"only utf-8 or '' (no encoding) is supported, received {encoding}")
    return encoding == ""


def _decoded(text: bytes) -> str:
    """The characters up to the first that is zero."""
    return text.partition(b"\0")[0].decode("utf-8", "replace")


STRING_STRIP.case("W06", "white space at both ends goes", input=[b" a b\t\n"], output=[b"a b"])
STRING_LENGTH.case("W06", "bytes", input=[b"", b"abc", "é".encode()], output=[0, 3, 2])
STRING_LENGTH.case("W06", "characters", input=["né".encode()], unit="UTF8_CHAR", output=[2])
STRING_UPPER.case("W06", "ASCII letters only", input=["aé".encode()], output=["Aé".encode()])
STRING_UPPER.case("W06", "all letters", input=["aé".encode()], encoding="utf-8", output=["AÉ".encode()])
STRING_LOWER.case("W06", "ASCII letters only", input=["AÉ".encode()], output=["aÉ".encode()])
STRING_LOWER.case("W06", "one encoding", input=[b"A"], encoding="latin1", error="only utf-8 or ''")

# -- parts -------------------------------------------------------------------------------------------

SUBSTR = define_op("Substr", "input: string, pos: T, len: T -> output: string", T=INDICES, unit=UNIT, source=("W06",))
SUBSTR.no_gradient_registered()


@SUBSTR.kernel
def substr_kernel(input, pos, len, unit):
    return _substr(input, pos, len, unit)


def _substr(input: np.ndarray, pos: np.ndarray, counts: np.ndarray, unit: str) -> np.ndarray:
    shape = np.broadcast_shapes(input.shape, pos.shape)
    if pos.ndim and input.shape != pos.shape and max(input.ndim, pos.ndim) > 2:
        raise errors.UnimplementedError(
            None, None, f"Substr broadcast not implemented for {max(input.ndim, pos.ndim)} dimensions"
        )
    texts, starts, lengths = (np.broadcast_to(a, shape) for a in (input, pos, counts))
    grid = shape if pos.ndim and input.shape != pos.shape and len(shape) == 2 else None
    cut = _bytes_of if unit == "BYTE" else _characters_of
    rows = zip(texts.reshape(-1), starts.reshape(-1).tolist(), lengths.reshape(-1).tolist(), strict=True)
    return strings((cut(*row, i, grid) for i, row in enumerate(rows)), shape)


def _bytes_of(text: bytes, pos: int, count: int, place: int, grid: Any) -> bytes:
    start = pos + len(text) if pos < 0 else pos
    if not 0 <= start <= len(text):
        where = place if grid is None else f"({place // grid[1]}, {place % grid[1]})"
        shown = text.decode("utf-8", "backslashreplace")
        raise ValueError(f"pos {pos} out of range for string b'{shown}' at index {where}")
    return text[start:] if count < 0 else text[start : start + count]


def _characters_of(text: bytes, pos: int, count: int, place: int, grid: Any) -> bytes:
    parts = characters(text)
    start = pos + len(parts) if pos < 0 else pos
    if not 0 <= start <= len(parts):
        row = place if grid is None else place // grid[1]
        raise ValueError(f"pos {pos} out of range for string at index {row}")
    return b"".join(parts[start : start + max(count, 0)])


@SUBSTR.shape
def _substr_shape(context: ShapeContext) -> shapes.Shape:
    texts, pos, count = context.dims("input"), context.dims("pos"), context.dims("len")
    if not shapes.compatible(pos, count):
        raise ShapeError(f"pos and len should have the same shape, got: {shapes.text(pos)} vs. {shapes.text(count)}")
    return broadcast(texts, shapes.merge(pos, count))


def broadcast(a: shapes.Shape, b: shapes.Shape) -> shapes.Shape:
    """The shape of two inputs side by side, sizes of 1 repeated; ShapeError where they do not fit."""
    if a is None or b is None:
        return None
    rank = max(len(a), len(b))
    found: list[int | None] = []
    for x, y in zip((1,) * (rank - len(a)) + tuple(a), (1,) * (rank - len(b)) + tuple(b), strict=True):
        if x is not None and y is not None and 1 not in (x, y) and x != y:
            raise ShapeError(
                f"Dimensions must be equal, but are {x} and {y}. Incompatible shapes: {shapes.text(a)} vs. "
                f"{shapes.text(b)}"
            )
        found.append(y if x == 1 else x if y == 1 else (x or y))
    return tuple(found)


SUBSTR.case("W06", "from a position on", input=[b"Hello", b"World"], pos=1, len=3, output=[b"ell", b"orl"])
SUBSTR.case("W06", "from the end", input=[b"Hello", b"World"], pos=[-4, -2], len=[2, 9], output=[b"el", b"ld"])
SUBSTR.case("W06", "characters", input=["aéo".encode()], pos=1, len=1, unit="UTF8_CHAR", output=["é".encode()])
SUBSTR.case("W06", "the position exists", input=[b"ab", b""], pos=1, len=1,
            error="pos 1 out of range for string b'' at index 1")  # fmt: skip

# -- joining -----------------------------------------------------------------------------------------

STRING_JOIN = define_op("StringJoin", "inputs: N * string -> output: string", N=Attr("int", minimum=0), separator="",
                        source=("W06",))  # fmt: skip
REDUCE_JOIN = define_op("ReduceJoin", "inputs: string, reduction_indices: int32 -> output: string", keep_dims=False,
                        separator="", source=("W06",))  # fmt: skip
SEGMENT_JOIN = define_op(
    "UnsortedSegmentJoin", "inputs: string, segment_ids: Tindices, num_segments: Tnumsegments[] -> output: string",
    separator="", Tindices=INDICES, Tnumsegments=Attr("type", default=int32, allowed=INDICES), source=("W06",),
)  # fmt: skip
STRING_JOIN.no_gradient()
REDUCE_JOIN.no_gradient()
SEGMENT_JOIN.no_gradient_registered()


@STRING_JOIN.kernel
def string_join_kernel(inputs, separator):
    if not inputs:
        return strings([b""], ())
    shape = next((a.shape for a in inputs if a.ndim), ())
    columns = [np.broadcast_to(a, shape).reshape(-1) for a in inputs]
    return strings(map(separator.encode().join, zip(*columns, strict=True)), shape)


@STRING_JOIN.shape
def _string_join_shape(context: ShapeContext) -> shapes.Shape:
    found: shapes.Shape = ()
    given = context.list_dims("inputs")
    if None in given and not any(given):
        return None
    for dims in given:
        if dims and found and not shapes.compatible(found, dims):
            raise ShapeError(f"Input shapes do not match: {shapes.text(found)} vs. {shapes.text(dims)}")
        found = (shapes.merge(found, dims) if found else dims) if dims else found
    return found


@REDUCE_JOIN.kernel
def reduce_join_kernel(inputs, reduction_indices, keep_dims, separator):
    rank = inputs.ndim
    for axis in reduction_indices.reshape(-1):
        if not -rank <= axis < rank:
            text = f"Invalid reduction dimension {axis} for input with {rank} dimension(s)"
            raise OutOfRangeError(None, None, text)
    axes = [int(axis) % rank for axis in reduction_indices.reshape(-1)]
    for i, axis in enumerate(axes):
        if axis in axes[:i]:
            raise ValueError(f"Duplicate reduction dimension {reduction_indices.reshape(-1)[i]}")
    if not axes:
        return inputs
    kept = [axis for axis in range(rank) if axis not in axes]
    count = prod(inputs.shape[axis] for axis in axes)
    rows = inputs.transpose([*kept, *axes[::-1]]).reshape(-1, count) if inputs.size else None
    shape = [inputs.shape[axis] for axis in kept]
    joined = map(separator.encode().join, rows) if rows is not None else [b""] * prod(shape)
    if keep_dims:
        shape = [1 if axis in axes else size for axis, size in enumerate(inputs.shape)]
    return strings(joined, shape)


REDUCE_JOIN.built_with(reduction_indices=(0, 1))


@REDUCE_JOIN.shape
def _reduce_join_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("inputs")
    axes = context.ints("reduction_indices")
    if dims is None or axes is None:
        return None
    if not all(-len(dims) <= axis < len(dims) for axis in axes):
        return None  # the kernel refuses it, as out of range
    gone = {axis % len(dims) for axis in axes}
    if context.attrs["keep_dims"]:
        return tuple(1 if i in gone else d for i, d in enumerate(dims))
    return tuple(d for i, d in enumerate(dims) if i not in gone)


@SEGMENT_JOIN.kernel
def segment_join_kernel(inputs, segment_ids, num_segments, separator):
    count = int(num_segments)
    if segment_ids.ndim > inputs.ndim:
        text = f"Invalid segment_id rank {segment_ids.ndim} for input with {inputs.ndim} dimension(s)"
        raise errors.OutOfRangeError(None, None, text)
    ids = segment_ids.reshape(-1)
    if ids.size and (ids.min() < 0 or ids.max() >= count):
        raise ValueError("segment_ids are not allowed to exceed num_segments or to have negative values.")
    shape = (count, *inputs.shape[segment_ids.ndim :])
    rows = inputs.reshape(ids.size, prod(shape[1:]))
    found = [separator.encode().join(column) for i in range(count) for column in rows[ids == i].T]
    return strings(found, shape)


@SEGMENT_JOIN.shape
def _segment_join_shape(context: ShapeContext) -> shapes.Shape:
    dims, ids = context.dims("inputs"), context.dims("segment_ids")
    if context.dims("num_segments"):
        raise ShapeError("Number of segments must be a scalar")
    if dims is None or ids is None:
        return None
    if not ids:
        raise ShapeError("Segment_id cannot have rank 0")
    if len(ids) > len(dims):
        return None  # the kernel says so, as an error of another class
    for i, (x, y) in enumerate(zip(dims, ids, strict=False)):
        if x is not None and y is not None and x != y:
            raise ShapeError(
                f"Segment dimension is {y} while input dimension is {len(dims)} in rank {i}, which has {x} places"
            )
    count = context.ints("num_segments")
    if count is not None and count[0] < 0:
        raise ShapeError(f"Number of segments must be non-negative but got {count[0]}")
    return (None if count is None else count[0], *dims[len(ids) :])


STRING_JOIN.case("W06", "side by side", inputs=[np.array([b"a", b"b"], object), np.array(b"c", object)],
                 N=2, separator="-", output=[b"a-c", b"b-c"])  # fmt: skip
REDUCE_JOIN.case("W06", "along the last axis", inputs=[[b"a", b"b"], [b"c", b"d"]], reduction_indices=[-1],
                 output=[b"ab", b"cd"])  # fmt: skip
REDUCE_JOIN.case("W06", "the first axis listed runs fastest", inputs=[[[b"a", b"b"], [b"c", b"d"]]],
                 reduction_indices=[1, 2], separator=".", output=[b"a.c.b.d"])  # fmt: skip
REDUCE_JOIN.case("W06", "axes exist", inputs=[[b"a"]], reduction_indices=[2],
                 error="Invalid reduction dimension 2 for input with 2 dimension(s)")  # fmt: skip
REDUCE_JOIN.case("W06", "each axis once", inputs=[[b"a"]], reduction_indices=[0, -2],
                 error="Duplicate reduction dimension -2")  # fmt: skip
SEGMENT_JOIN.case("W06", "by segment", inputs=[b"a", b"b", b"c"], segment_ids=np.array([1, 0, 1], np.int32),
                  num_segments=np.array(3, np.int32), separator=":", output=[b"b", b"a:c", b""])  # fmt: skip
SEGMENT_JOIN.case("W06", "a segment for each", inputs=[b"a", b"b"], segment_ids=np.array([1], np.int32),
                  num_segments=np.array(2, np.int32), error="Segment dimension is 1 while")  # fmt: skip
SEGMENT_JOIN.case("W06", "segments exist", inputs=[b"a"], segment_ids=np.array([2], np.int32),
                  num_segments=np.array(2, np.int32), error="segment_ids are not allowed to exceed")  # fmt: skip
