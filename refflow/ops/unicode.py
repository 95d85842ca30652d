"""Text in Unicode's encodings: bytes into code points and back, from one encoding into another.

    decode       [b"a\\xc3\\xa9", b"b"]  ->  row_splits [0, 2, 3], char_values [97, 233, 98]
    encode       the inverse            transcode    decode, then encode

A malformed sequence of bytes is an error ("strict"), one replacement character ("replace") or nothing ("ignore"). With
`replace_control_characters`, so is a character below 32.

Next: ops/string_hash.py.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.strings import each, strings
from refflow.ops.unicode_scripts import scripts_of

_ERRORS = Attr("string", default="replace", allowed=("strict", "replace", "ignore"))
_ENCODING = Attr("string", allowed=("UTF-8", "UTF-16-BE", "UTF-32-BE"))
_SPLITS = Attr("type", default=int64, allowed=INDICES)
_LAST = 0x10FFFF
_MALFORMED = "Invalid formatting on input string"

UNICODE_ENCODE = define_op(
    "UnicodeEncode", "input_values: int32[N], input_splits: Tsplits[R] -> output: string", errors=_ERRORS,
    output_encoding=_ENCODING, replacement_char=65533, Tsplits=_SPLITS, source=("W06",),
)  # fmt: skip
_DECODING: dict[str, Any] = {
    "input_encoding": Attr("string"), "errors": _ERRORS, "replacement_char": 65533,
    "replace_control_characters": False, "source": ("W06",),
}  # fmt: skip
UNICODE_DECODE = define_op("UnicodeDecode", "input: string -> row_splits: Tsplits, char_values: int32", Tsplits=_SPLITS,
                           **_DECODING)  # fmt: skip
UNICODE_DECODE_OFFSETS = define_op(
    "UnicodeDecodeWithOffsets",
    "input: string -> row_splits: Tsplits, char_values: int32, char_to_byte_starts: int64", Tsplits=_SPLITS,
    **_DECODING,
)  # fmt: skip
UNICODE_TRANSCODE = define_op("UnicodeTranscode", "input: string[...S] -> output: string[...S]",
                              **{"input_encoding": Attr("string"), "output_encoding": _ENCODING} | _DECODING)
UNICODE_SCRIPT = define_op("UnicodeScript", "input: int32[...S] -> output: int32[...S]", source=("W06",))
for _op in (UNICODE_ENCODE, UNICODE_DECODE, UNICODE_DECODE_OFFSETS, UNICODE_TRANSCODE, UNICODE_SCRIPT):
    _op.no_gradient_registered()


_MARKS = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
}  # fmt: skip


def codec_of(encoding: str) -> str:
    """Python's name for an encoding; ValueError where there is none for text."""
    try:
        found = codecs.lookup(encoding)
    except LookupError:
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True) or found.name in ("idna", "punycode"):
        raise ValueError(f"Could not create converter for input encoding: {encoding}")
    return found.name


def pieces(data: bytes, codec: str) -> Iterator[tuple[int, str | None]]:
    """(start, text) of each stretch of well-formed bytes, (start, None) of each malformed sequence.

    >>> list(pieces(b"a\\xffb", codec_of("UTF-8")))
    [(0, 'a'), (1, None), (2, 'b')]
    """
    name, at = codec, 0
    if name in _MARKS:  # without a mark, the big end comes first
        little, big = _MARKS[name]
        at = len(little) if data.startswith((little, big)) else 0
        name += "-le" if data.startswith(little) else "-be"
    while at < len(data):
        try:
            yield at, data[at:].decode(name)
            return
        except UnicodeDecodeError as error:
            if error.start:
                yield at, data[at : at + error.start].decode(name)
            yield at + error.start, None
            at += error.end


def decode(data: bytes, codec: str, errors: str, replacement: int, controls: bool) -> tuple[list[int], list[int]]:
    """Code points, and where each begins in `data`."""
    points: list[int] = []
    starts: list[int] = []
    for start, text in pieces(data, codec):
        if text is None:
            if errors == "strict":
                raise ValueError(_MALFORMED)
            if errors == "replace":
                points.append(replacement)
                starts.append(start)
            continue
        for char, place in zip(text, _starts(text, start, codec), strict=True):
            if controls and char <= "\x1f":
                if errors == "ignore":
                    continue
                char = chr(replacement)
            points.append(ord(char))
            starts.append(place)
    if starts and data.startswith(_MARKS.get(codec, ())):
        starts[0] = 0  # a mark counts as part of the first character
    return points, starts


def _starts(text: str, start: int, codec: str) -> Iterator[int]:
    width = {"utf-16": 2, "utf-32": 4}.get(codec)
    for char in text:
        yield start
        start += len(char.encode(codec)) if width is None else width * (2 if width == 2 and char > "\uffff" else 1)


def _check_replacement(code: int) -> None:
    if not 0 <= code <= _LAST:
        raise ValueError("replacement_char out of unicode codepoint range")


_SURROGATES = re.compile("[\ud800-\udfff]")


def encode(text: str, encoding: str) -> bytes:
    """Code points as bytes; a lone surrogate, which has none, as U+FFFD."""
    return _SURROGATES.sub("\ufffd", text).encode(encoding.lower())


@UNICODE_DECODE.kernel
def unicode_decode_kernel(input, input_encoding, errors, replacement_char, replace_control_characters, Tsplits):
    return _decoded(input, input_encoding, errors, replacement_char, replace_control_characters, Tsplits)[:2]


@UNICODE_DECODE_OFFSETS.kernel
def unicode_decode_with_offsets_kernel(
    input, input_encoding, errors, replacement_char, replace_control_characters, Tsplits
):
    return _decoded(input, input_encoding, errors, replacement_char, replace_control_characters, Tsplits)


def _decoded(texts, encoding, errors, replacement, controls, splits):
    _check_replacement(replacement)
    codec = codec_of(encoding)
    rows = [decode(text, codec, errors, replacement, controls) for text in texts.reshape(-1)]
    ends = np.cumsum([0, *(len(points) for points, _ in rows)]).astype(splits.as_numpy_dtype)
    values = np.array([point for points, _ in rows for point in points], np.int32)
    return ends, values, np.array([start for _, starts in rows for start in starts], np.int64)


@UNICODE_DECODE.shape
@UNICODE_DECODE_OFFSETS.shape
def _decode_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = context.dims("input")
    rows = int(np.prod(dims, dtype=np.int64)) + 1 if shapes.is_known(dims) else None  # type: ignore[arg-type]
    return [(rows,), *[(None,)] * (len(context.op_def.outputs) - 1)]


@UNICODE_ENCODE.kernel
def unicode_encode_kernel(input_values, input_splits, errors, output_encoding, replacement_char):
    _check_replacement(replacement_char)
    if not input_splits.size:
        raise ValueError("Input_splits should contain elements, but given input_values has 0 elements")
    if input_splits[0] != 0:
        raise ValueError("First value in input_splits must be zero.")
    if input_splits[-1] != len(input_values):
        raise ValueError("Last value in input_splits must be equal to length of input_tensor.")
    if (input_splits > len(input_values)).any():
        raise ValueError("Values in input_splits must be less than or equal to input_tensor length.")
    if (np.diff(input_splits) < 0).any():
        raise ValueError("Values in input_splits must be equal or in ascending order.")
    wrong = (input_values < 0) | (input_values > _LAST) | ((input_values >> 11) == 0xD800 >> 11)
    if wrong.any() and errors == "strict":
        raise ValueError("Code point is out of range for Unicode, or is a surrogate.")
    points = np.where(wrong, -1 if errors == "ignore" else replacement_char, input_values).tolist()
    texts = ["" if point < 0 else chr(point) for point in points]
    ends = input_splits.tolist()
    rows = ("".join(texts[start:stop]) for start, stop in pairwise(ends))
    return strings((encode(row, output_encoding) for row in rows), (len(ends) - 1,))


@UNICODE_ENCODE.shape
def _encode_shape(context: ShapeContext) -> shapes.Shape:
    for dims in context.inputs:
        need_rank(dims, 1, "Both the input_tensor and input_splits should be of rank 1.")
    splits = context.dims("input_splits")
    if splits is None or splits[0] is None:
        return (None,)
    if splits[0] == 0:
        raise ShapeError("Input_splits should contain elements, but given input_values has 0 elements")
    return (splits[0] - 1,)


@UNICODE_TRANSCODE.kernel
def unicode_transcode_kernel(
    input, input_encoding, output_encoding, errors, replacement_char, replace_control_characters
):
    _check_replacement(replacement_char)
    codec = codec_of(input_encoding)

    def transcode(data: bytes) -> bytes:
        points, _ = decode(data, codec, errors, replacement_char, replace_control_characters and errors != "strict")
        if replace_control_characters and errors == "strict" and any(point < 32 for point in points):
            raise ValueError(_MALFORMED)
        return encode("".join(map(chr, points)), output_encoding)

    return each(transcode, input)


@UNICODE_SCRIPT.kernel
def unicode_script_kernel(input):
    return scripts_of(input)


UNICODE_ENCODE.case("W06", "code points", input_values=[97, 233, 98], input_splits=np.array([0, 2, 3]),
                    output_encoding="UTF-8", output=["aé".encode(), b"b"])  # fmt: skip
UNICODE_ENCODE.case("W06", "the last row goes to the end", input_values=[97, 98], input_splits=np.array([0, 3]),
                    output_encoding="UTF-8", error="Last value in input_splits must be equal")  # fmt: skip
UNICODE_ENCODE.case("W06", "surrogates are no characters", input_values=[0xD800], input_splits=np.array([0, 1]),
                    output_encoding="UTF-8", errors="strict", error="Code point is out of range")  # fmt: skip
UNICODE_DECODE.case("W06", "rows", input=["aé".encode(), b"b"], input_encoding="UTF-8", row_splits=[0, 2, 3],
                    char_values=[97, 233, 98])  # fmt: skip
UNICODE_DECODE.case("W06", "strict", input=[b"\xff"], input_encoding="UTF-8", errors="strict", error=_MALFORMED)
UNICODE_DECODE_OFFSETS.case("W06", "where characters begin", input=["é€b".encode()], input_encoding="UTF-8",
                            row_splits=[0, 3], char_values=[233, 8364, 98], char_to_byte_starts=[0, 2, 5])  # fmt: skip
UNICODE_TRANSCODE.case("W06", "one encoding into another", input=[b"a\xe9"], input_encoding="ISO-8859-1",
                       output_encoding="UTF-16-BE", output=[b"\0a\0\xe9"])  # fmt: skip
UNICODE_TRANSCODE.case("W06", "malformed bytes", input=[b"a\xff"], input_encoding="UTF-8", output_encoding="UTF-8",
                       replacement_char=63, output=[b"a?"])  # fmt: skip
UNICODE_TRANSCODE.case("W06", "a replacement that is no character", input=[b"a\xff"], input_encoding="UTF-8",
                       output_encoding="UTF-8", replacement_char=0xD800, output=["a\ufffd".encode()])  # fmt: skip
UNICODE_SCRIPT.case("W06", "Latin, Greek, common", input=[97, 946, 32], output=[25, 14, 0])
