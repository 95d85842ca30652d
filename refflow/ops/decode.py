"""Bytes into numbers: text that spells them, memory that holds them; and bytes packed as other bytes.

    StringToNumber   "3.5", "0x10", "-inf"            DecodeRaw        memory, little or big end first
    EncodeBase64     the web-safe alphabet            DecodePaddedRaw  memory cut or filled up to one length
    DecodeBase64     with its padding or without      DecodeCompressed zlib, gzip

Next: ops/decode_csv.py.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.bfloat16 import RECORD
from refflow.core.dtypes import DType, as_dtype, bfloat16, float32, float64, int32, int64, uint32, uint64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.strings import each

# -- numbers as text ---------------------------------------------------------------------------------

STRING_TO_NUMBER = define_op(
    "StringToNumber", "string_tensor: string[...S] -> output: out_type[...S]",
    out_type=Attr("type", default=float32, allowed=(float32, float64, int32, int64, uint32, uint64)), source=("W06",),
)  # fmt: skip
STRING_TO_NUMBER.no_gradient()

_SPACE = rb"[ \t\n\v\f\r]*"
_WHOLE = re.compile(_SPACE + rb"([+-]?[0-9]+)" + _SPACE)
_REAL = re.compile(
    _SPACE + rb"(?:([+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity))"
    rb"|([+-]?0x[0-9a-f.]+(?:p[+-]?[0-9]+)?)|[+-]?(nan)(?:\([0-9a-z_]*\))?)" + _SPACE, re.IGNORECASE
)  # fmt: skip


def number(text: bytes, dtype: DType) -> Any:
    """The number that `text` spells, with white space around it; None where it spells none of this type.

    >>> number(b" -0x1p-1 ", float32), number(b"1e3", int32)
    (-0.5, None)
    """
    if text.isdigit() and len(text) < 10:  # in every type's range
        return int(text)
    if dtype.is_integer:
        match = _WHOLE.fullmatch(text)
        value = None if match is None else int(match[1])
        in_range = value is not None and dtype.min <= value <= dtype.max
        return value if in_range and not (dtype.is_unsigned and b"-" in text) else None
    match = _REAL.fullmatch(text)
    if match is None:
        return None
    if match[3]:
        return float("nan")
    if match[1]:
        return float(match[1])
    try:
        return float.fromhex(match[2].decode())
    except OverflowError:
        return float("-inf" if b"-" in match[2] else "inf")
    except ValueError:
        return None


@STRING_TO_NUMBER.kernel
def string_to_number_kernel(string_tensor, out_type):
    def convert(text: bytes) -> Any:
        value = number(text, out_type)
        if value is None:
            shown = text.decode("utf-8", "backslashreplace")
            raise ValueError(f"StringToNumberOp could not correctly convert string: {shown}")
        return value

    kind = out_type.as_numpy_dtype
    exact = np.float64 if out_type is float32 else kind  # numbers beyond float32's range become inf
    found = np.fromiter(map(convert, string_tensor.reshape(-1)), exact, string_tensor.size)
    return found.astype(kind).reshape(string_tensor.shape)


STRING_TO_NUMBER.case("W06", "floats", string_tensor=[b" 1.5", b"-2e3", b"0x10", b"inf"],
                      output=[1.5, -2000, 16, np.inf])  # fmt: skip
STRING_TO_NUMBER.case("W06", "whole numbers", string_tensor=[b"+7", b"-12 "], out_type="int32", output=[7, -12])
STRING_TO_NUMBER.case("W06", "nothing else", string_tensor=[b"1.5x"],
                      error="StringToNumberOp could not correctly convert string: 1.5x")  # fmt: skip


def string_to_number(string_tensor: Any, out_type: Any = None, name: str | None = None) -> Tensor:
    """Each string's number, as float32 (the default) or int32; a string that spells none is an error [W06]."""
    return STRING_TO_NUMBER(string_tensor, out_type=out_type, name=name)


# -- numbers as memory -------------------------------------------------------------------------------

_RAW = tuple(
    as_dtype(name) for name in ("float16", "float32", "float64", "int32", "uint16", "uint8", "int16", "int8", "int64")
)
DECODE_RAW = define_op(
    "DecodeRaw", "bytes: string -> output: out_type",
    out_type=(*_RAW, *(as_dtype(name) for name in ("complex64", "complex128", "bool", "bfloat16"))),
    little_endian=True, source=("W06", "W44"),
)  # fmt: skip
DECODE_PADDED_RAW = define_op(
    "DecodePaddedRaw", "input_bytes: string, fixed_length: int32 -> output: out_type", out_type=(*_RAW, bfloat16),
    little_endian=True, source=("W06",),
)  # fmt: skip
DECODE_RAW.no_gradient()
DECODE_PADDED_RAW.no_gradient()
C_NAMES = {"float16": "half", "float32": "float", "float64": "double"}


def from_memory(data: bytes, dtype: DType, little_endian: bool) -> np.ndarray:
    """Bytes as a vector of `dtype`; a complex number's two parts are turned round one by one."""
    if dtype is bfloat16:
        return np.frombuffer(data, "<u2" if little_endian else ">u2").astype(np.uint16).view(RECORD)
    kind = np.dtype(np.uint8 if dtype.is_bool else dtype.as_numpy_dtype)
    return np.frombuffer(data, kind.newbyteorder("<" if little_endian else ">")).astype(dtype.as_numpy_dtype)


@DECODE_RAW.kernel
def decode_raw_kernel(bytes, out_type, little_endian):
    texts = bytes.reshape(-1)
    size = np.dtype(out_type.as_numpy_dtype).itemsize
    length = len(texts[0]) if texts.size else 0
    for text in texts:
        if len(text) != length:
            raise ValueError(
                "DecodeRaw requires input strings to all be the same size, but element "
                f"{next(i for i, t in enumerate(texts) if len(t) != length)} has size {length} != {len(text)}"
            )
    if length % size:
        kind = C_NAMES.get(out_type.name, out_type.name)
        raise ValueError(f"Input to DecodeRaw has length {length} that is not a multiple of {size}, the size of {kind}")
    found = from_memory(b"".join(texts), out_type, little_endian)
    return found.reshape(*bytes.shape, length // size)


@DECODE_RAW.shape
def _decode_raw_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("bytes")
    return None if dims is None else (*dims, None)


@DECODE_PADDED_RAW.kernel
def decode_padded_raw_kernel(input_bytes, fixed_length, out_type, little_endian):
    length = int(fixed_length)
    data = b"".join(text[:length].ljust(length, b"\0") for text in input_bytes.reshape(-1))
    size = np.dtype(out_type.as_numpy_dtype).itemsize
    return from_memory(data, out_type, little_endian).reshape(*input_bytes.shape, length // size)


@DECODE_PADDED_RAW.shape
def _decode_padded_raw_shape(context: ShapeContext) -> shapes.Shape:
    dims, given = context.dims("input_bytes"), context.dims("fixed_length")
    if given:
        raise ShapeError(f"k must be scalar, got shape {shapes.text(given)}")
    length = context.ints("fixed_length")
    size = np.dtype(context.attrs["out_type"].as_numpy_dtype).itemsize
    if length is not None and length[0] <= 0:
        raise ShapeError(f"fixed_length ({length[0]}) must be greater than zero.")
    if length is not None and length[0] % size:
        raise ShapeError(f"fixed_length ({length[0]}) must be a multiple of the size of out_type ({size})")
    return None if dims is None else (*dims, None if length is None else length[0] // size)


DECODE_RAW.case("W44", "little end first", bytes=[b"\1\0\2\0", b"\3\0\4\1"], out_type="int16",
                output=[[1, 2], [3, 260]])  # fmt: skip
DECODE_RAW.case("W44", "big end first", bytes=[b"\0\1"], out_type="int16", little_endian=False, output=[[1]])
DECODE_RAW.case("W44", "strings of one length", bytes=[b"abcd", b"ab"], out_type="int16",
                error="DecodeRaw requires input strings to all be the same size")  # fmt: skip
DECODE_PADDED_RAW.case("W06", "zeros fill up", input_bytes=[b"\1", b"\2\0\3\0\4\0"], fixed_length=4,
                       out_type="int16", output=[[1, 0], [2, 3]])  # fmt: skip


def decode_raw(bytes: Any, out_type: Any, little_endian: bool | None = None, name: str | None = None) -> Tensor:
    """Each string's bytes as a row of numbers; all strings must have one length, a multiple of the size [W44]."""
    return DECODE_RAW(bytes, out_type=out_type, little_endian=little_endian, name=name)


# -- bytes as text, bytes packed ---------------------------------------------------------------------

ENCODE_BASE64 = define_op("EncodeBase64", "input: string[...S] -> output: string[...S]", pad=False, source=("W06",))
DECODE_BASE64 = define_op("DecodeBase64", "input: string[...S] -> output: string[...S]", source=("W06",))
DECODE_COMPRESSED = define_op("DecodeCompressed", "bytes: string[...S] -> output: string[...S]", compression_type="",
                              source=("W06",))  # fmt: skip
ENCODE_BASE64.no_gradient()
DECODE_BASE64.no_gradient()
DECODE_COMPRESSED.no_gradient_registered()
_PLAIN_BASE64 = re.compile(rb"[A-Za-z0-9_-]*")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}(?:==)?|[A-Za-z0-9_-]{3}=?)?")


@ENCODE_BASE64.kernel
def encode_base64_kernel(input, pad):
    if pad:
        return each(base64.urlsafe_b64encode, input)
    return each(lambda text: base64.urlsafe_b64encode(text).rstrip(b"="), input)


@DECODE_BASE64.kernel
def decode_base64_kernel(input):
    return each(_from_base64, input)


def _from_base64(text: bytes) -> bytes:
    head = text[: (len(text) - 1) // 4 * 4]  # whole blocks are read before the end is looked at
    if len(text) % 4 == 1 and _PLAIN_BASE64.fullmatch(head):
        raise ValueError("Base64 string length cannot be 1 modulo 4.")
    if not _BASE64.fullmatch(text):
        raise ValueError("Invalid character found in base64.")
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


@DECODE_COMPRESSED.kernel
def decode_compressed_kernel(bytes, compression_type):
    return each(_unpacker(compression_type), bytes)


def _unpacker(kind: str) -> Callable[[bytes], bytes]:
    if kind == "":
        return lambda data: data
    if kind not in ("ZLIB", "GZIP"):
        raise ValueError("Only ZLIB, ZSTD, GZIP or NONE are supported compressions")
    window = zlib.MAX_WBITS + (16 if kind == "GZIP" else 0)

    def unpack(data: bytes) -> bytes:
        """All members, one after the other; what a stream lacks at its end is let pass, and so is what follows it."""
        found = b""
        try:
            while data:
                stream = zlib.decompressobj(window)
                found += stream.decompress(data)
                data = stream.unused_data if kind == "GZIP" else b""
            return found
        except zlib.error as error:
            reason = str(error).rpartition(": ")[2]
            raise errors.DataLossError(None, None, f"inflate() failed with error -3: {reason}") from None

    return unpack


ENCODE_BASE64.case("W06", "no padding unless asked", input=[b"a", b"\xff\xfe\xfd"], output=[b"YQ", b"__79"])
DECODE_BASE64.case("W06", "with or without padding", input=[b"YQ", b"YQ=="], output=[b"a", b"a"])
DECODE_BASE64.case("W06", "the web-safe alphabet", input=[b"/+79"], error="Invalid character found in base64.")
DECODE_COMPRESSED.case("W06", "zlib", bytes=[zlib.compress(b"aaa")], compression_type="ZLIB", output=[b"aaa"])
