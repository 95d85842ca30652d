"""Values as text: one string for each element, or one string for whole tensors.

    AsString       printf's %f, %e, %g, %d or %s with width, fill and precision
    StringFormat   a template whose marks are replaced by tensors as NumPy prints them: [[1 2 ... 9]
                                                                                         [1 2 ... 9]]

A float is written with 6 significant digits, and with 9 where 6 do not give it back (15 and 17 for float64).

Next: ops/re2.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import REALS, DType, bool_, complex64, complex128, float32, float64, int32, string, variant
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.strings import each, strings

_TEXTUAL = (*REALS, complex64, complex128, bool_, variant, string)
AS_STRING = define_op(
    "AsString", "input: T[...S] -> output: string[...S]", T=_TEXTUAL, precision=-1, scientific=False, shortest=False,
    width=-1, fill="", source=("W06",),
)  # fmt: skip
AS_STRING.no_gradient()


@AS_STRING.kernel
def as_string_kernel(input, T, precision, scientific, shortest, width, fill):
    write = _writer(T, precision, scientific, shortest, width, fill)
    values = input.reshape(-1) if T is string else input.reshape(-1).tolist()
    return strings(map(write, values), input.shape)


def _writer(
    dtype: DType, precision: int, scientific: bool, shortest: bool, width: int, fill: str
) -> Callable[[Any], bytes]:
    """The function that writes one element; errors where the attributes do not go with the type."""
    if (dtype.is_integer or dtype.is_bool) and (scientific or shortest):
        raise ValueError(f"scientific and shortest format not supported for datatype {dtype.name}")
    if (dtype.is_integer or dtype.is_bool) and precision > -1:
        raise ValueError(f"precision not supported for datatype {dtype.name}")
    if scientific and shortest:
        raise ValueError("Cannot select both scientific and shortest notation")
    if len(fill) > 1:
        raise ValueError("Fill string must be one or fewer characters")
    if fill and fill not in " +-0#":
        raise ValueError(f'Fill argument not supported: "{fill}"')
    if dtype.is_bool:
        return lambda value: b"true" if value else b"false"
    size = (str(width) if width > -1 else "") + (f".{precision}" if precision > -1 else "")
    if dtype.is_integer:
        flag = "" if dtype.is_unsigned and fill in ("+", " ") else fill
        return lambda value: (f"%{flag}{size}d" % value).encode()
    if dtype is string:
        if width <= 0:
            return lambda value: value
        return lambda value: (f"%{fill}{size}s".encode()) % value
    letter = "g" if shortest else "e" if scientific else "f"
    plain, endless = f"%{fill}{size}{letter}", f"%{'' if fill == '0' else fill}{size}{letter}"

    def real(value: float) -> str:
        if np.isnan(value) and np.signbit(value):  # C prints its sign
            return (endless % -np.inf).replace("inf", "nan")
        return (plain if np.isfinite(value) else endless) % value  # zeros never fill up inf and nan

    if dtype.is_complex:
        return lambda value: f"({real(value.real)},{real(value.imag)})".encode()
    return lambda value: real(value).encode()


AS_STRING.case("W06", "whole numbers", input=np.array([1, -20], np.int32), output=[b"1", b"-20"])
AS_STRING.case("W06", "six decimals", input=[1.5, -0.25], output=[b"1.500000", b"-0.250000"])
AS_STRING.case("W06", "width and fill", input=np.array([7, -7], np.int32), width=4, fill="0", output=[b"0007", b"-007"])
AS_STRING.case("W06", "what is no number", input=[np.inf, np.nan, -np.inf], width=5,
               output=[b"  inf", b"  nan", b" -inf"])  # fmt: skip
AS_STRING.case("W06", "truth", input=[True, False], T="bool", output=[b"true", b"false"])
AS_STRING.case("W06", "no decimals in whole numbers", input=np.array([1], np.int32), precision=2,
               error="precision not supported for datatype int32")  # fmt: skip

# -- whole tensors -----------------------------------------------------------------------------------

STRING_FORMAT = define_op(
    "StringFormat", "inputs: T -> output: string[]", T=Attr("list(type)", minimum=0), template="%s", placeholder="%s",
    summarize=3, source=("W06",),
)  # fmt: skip
STRING_FORMAT.no_gradient_registered()


@STRING_FORMAT.kernel
def string_format_kernel(inputs, T, template, placeholder, summarize):
    parts = template.encode().split(placeholder.encode())
    text = parts[0]
    for array, dtype, part in zip(inputs, T, parts[1:], strict=True):
        text += summary(array, dtype, summarize) + part
    return strings([text], ())


def summary(array: np.ndarray, dtype: DType, summarize: int = 3) -> bytes:
    """A tensor as text; of an axis longer than 2 * summarize only both ends, all of it where summarize is -1.

    >>> summary(np.arange(10.0), float64, 2)
    b'[0 1 ... 8 9]'
    """
    if dtype.is_bool and summarize == 0:
        return b""
    if dtype.kind in "cr":  # what has no text of its own is counted, up to `summarize`
        many = array.size if summarize < 0 else min(summarize, array.size)
        text = b" ".join([b"?"] * many) + (b"..." if many < array.size else b"")
        return b"[" + text + b"]" if array.ndim else text
    leaves = each_text(array, dtype)
    if not array.ndim:
        return leaves.item() if summarize else b"..."
    if not array.shape[0]:
        return b"[]"
    if not array.size or summarize == 0:
        return b"[" + b"\n" * (array.ndim - 1) + b" ...]"
    return _rows(leaves, array.ndim, summarize)


def _rows(leaves: np.ndarray, depth: int, summarize: int) -> bytes:
    """One axis in brackets: rows on lines of their own, further apart the more axes lie below."""
    below = leaves.ndim - 1
    gap = b"\n" * below + b" " * (depth - below) if below else b" "

    def text(i: int) -> bytes:
        return _rows(leaves[i], depth, summarize) if below else leaves[i]

    count = len(leaves)
    if summarize < 0 or count <= 2 * summarize:
        return b"[" + gap.join(text(i) for i in range(count)) + b"]"
    shown = [text(i) for i in range(summarize)]
    return b"[" + gap.join([*shown, b"...", *(text(i) for i in range(count - summarize, count))]) + b"]"


def each_text(array: np.ndarray, dtype: DType) -> np.ndarray:
    """Every element as text: strings quoted, bools as 1 and 0, floats as short as they can be read back."""
    if dtype is string:
        return each(lambda s: b'"' + escaped(s) + b'"', array)
    if dtype.is_bool:
        return each(lambda b: b"1" if b else b"0", array)
    if dtype.is_floating:
        wide = dtype is float64
        return each(lambda x: float_text(float(x), wide), array)
    if dtype.is_integer:
        return strings((str(i).encode() for i in array.reshape(-1).tolist()), array.shape)
    return each(lambda _: b"?", array)


def float_text(value: float, wide: bool = False) -> bytes:
    """A float32's (or float64's) text with as many digits as bring it back, of two numbers of digits to choose from."""
    few, many = ("%.15g", "%.17g") if wide else ("%.6g", "%.9g")
    short = few % value
    same = float(short) == value if wide else np.float32(short) == np.float32(value)
    return (short if same or value != value else many % value).encode()


_NAMED = {0x0A: rb"\n", 0x0D: rb"\r", 0x09: rb"\t", 0x22: rb"\"", 0x27: rb"\'", 0x5C: rb"\\"}
_ESCAPES = [_NAMED.get(b, bytes([b]) if 0x20 <= b < 0x7F or b >= 0x80 else b"\\%03o" % b) for b in range(256)]


def escaped(text: bytes) -> bytes:
    """Quotes, backslashes and control characters as C writes them; bytes above 127 stay."""
    return b"".join(map(_ESCAPES.__getitem__, text))


@STRING_FORMAT.shape
def _format_shape(context: ShapeContext) -> shapes.Shape:
    attrs = context.attrs
    marks, given = attrs["template"].count(attrs["placeholder"]), len(context.inputs)
    if marks != given:
        raise ShapeError(f"num placeholders in template and num inputs must match: {marks} vs. {given}")
    return ()


STRING_FORMAT.case("W06", "tensors in a sentence",
                   inputs=[np.array([[1, 2], [3, 4]], np.int32), np.array(0.5, np.float32)],
                   T=[int32, float32], template="{} and {}.", placeholder="{}",
                   output=np.array(b"[[1 2]\n [3 4]] and 0.5.", object))  # fmt: skip
STRING_FORMAT.case("W06", "complex numbers have no text", inputs=[np.array([1, 1j, 2, 3], np.complex64)], T=[complex64],
                   output=np.array(b"[? ? ?...]", object))  # fmt: skip
STRING_FORMAT.case("W06", "a scalar has no brackets", inputs=[np.array(1j, np.complex64)], T=[complex64],
                   output=np.array(b"?", object))  # fmt: skip
STRING_FORMAT.case("W06", "as many marks as inputs", inputs=[np.array([1, 2], np.int32)], T=[int32], template="%s, %s",
                   error="num placeholders in template and num inputs must match: 2 vs. 1")  # fmt: skip
