"""Cast: the same numbers in another element type [W06, W77].

    float -> int         the fraction is dropped, toward zero
    int -> smaller int   the high bits are dropped
    complex -> real      the imaginary part is dropped
    -> bfloat16, 8 bits  the low bits are dropped (Truncate), or rounded to the nearest [W52, E14]

Next: ops/add_n.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.bfloat16 import RECORD, rounded, widened
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import ALL, as_dtype, float8_e4m3fn, float8_e5m2, int4, plain, string
from refflow.core.errors import UnimplementedError
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.narrow import is_narrow, packed, unpacked
from refflow.core.opdef import define_op

CAST = define_op("Cast", "x: SrcT[...S] -> y: DstT[...S]", SrcT=tuple(t for t in ALL if t.kind in "fiucbqns"),
                 DstT=tuple(t for t in ALL if t.kind in "fiucbqns"), Truncate=True,
                 source=("W06", "W77", "E14"))  # fmt: skip
CAST.moves("x")


@CAST.kernel
def cast_kernel(x, DstT, Truncate=True):
    """The same number in another type: floats lose their fraction toward zero when they become ints.

    A bfloat16 keeps the high half of a float32, and with Truncate, as in the first release, nothing of the rest; so
    do 8 bits, and what is beyond their largest number becomes infinite or no number.
    """
    if string in (DstT, as_dtype(x.dtype)) and x.dtype != DstT.as_numpy_dtype:
        names = as_dtype(x.dtype).c_name, DstT.c_name
        raise UnimplementedError(None, None, f"Cast {names[0]} to {names[1]} is not supported")
    if DstT is string:
        return x
    x, target = unpacked(x) if is_narrow(x) else plain(widened(x)), np.dtype(DstT.as_numpy_dtype)
    if DstT.is_narrow:
        return packed(x, DstT, Truncate)
    if DstT.name == "bfloat16":  # [W52, E14]
        single = (x.real if np.iscomplexobj(x) else x).astype(np.float32)
        return np.asarray(_high_half(single)).view(target) if Truncate else rounded(single)
    if np.iscomplexobj(x) and target.kind != "c":
        x = x.real
    with np.errstate(invalid="ignore", over="ignore"):
        if DstT.is_quantized:
            return np.asarray(x.astype(target[0])).view(target)
        if x.dtype.kind == "f" and target == np.uint32:  # what has no place among 64 bits is 0, and others wrap
            return x.astype(np.int64).astype(target)
        if x.dtype.kind == "f" and target == np.uint64:
            return np.where(x >= 2.0**64, target.type(2**63), x.astype(target))
        return x.astype(target)


def _high_half(single: np.ndarray) -> np.ndarray:
    """The upper 16 bits. A NaN that is one by its lower bits alone gets another bit, or it would be an infinity."""
    half = (single.view(np.uint32) >> 16).astype(np.uint16)
    is_nan = np.isnan(single)
    return np.where(is_nan & (half & 0x7F == 0), half | 0x40, half).astype(np.uint16) if is_nan.any() else half


@CAST.gradient
def _cast_gradient(op, dy):
    """The gradient takes the way back, where both types have slopes."""
    smooth = ("f", "c")
    if op.attrs["SrcT"].kind in smooth and op.attrs["DstT"].kind in smooth:
        return cast(dy, op.attrs["SrcT"])
    return None


CAST.case("W77", "floats lose their fraction toward zero", x=[1.7, -1.7], DstT="int32", y=[1, -1])
CAST.case("E14", "a bfloat16 is cut off", x=[1.0078125, 1.01171875], DstT="bfloat16",
          y=np.array([0x3F81, 0x3F81], np.uint16).view(RECORD))  # fmt: skip
CAST.case("W77", "eight bits, to the nearest", x=[1.0, 1.0625, 1.1875, 448.0, 465.0, -0.0], DstT="float8_e4m3fn",
          Truncate=False,
          y=np.array([0x38, 0x38, 0x3A, 0x7E, 0x7F, 0x80], np.uint8).view(float8_e4m3fn.as_numpy_dtype))  # fmt: skip
CAST.case("W77", "eight bits, the rest dropped", x=[1.0, 1.0625, 1.1875, 448.0, 465.0, -0.0], DstT="float8_e4m3fn",
          y=np.array([0x38, 0x38, 0x39, 0x7E, 0x7E, 0x80], np.uint8).view(float8_e4m3fn.as_numpy_dtype))  # fmt: skip
CAST.case("W77", "eight bits as they count", x=np.array([0x7C, 0xC0, 0x01], np.uint8).view(float8_e5m2.as_numpy_dtype),
          DstT="float32", y=[np.inf, -2, 2.0**-16])  # fmt: skip
CAST.case("W77", "four bits, the lowest", x=np.array([3, -3, 17], np.int32), DstT="int4",
          y=np.array([3, 13, 1], np.uint8).view(int4.as_numpy_dtype))  # fmt: skip
CAST.case("W77", "no text becomes a number", x=[b"1"], SrcT="string", DstT="int32",
          error="Cast string to int32 is not supported")  # fmt: skip
CAST.case("W77", "no float becomes four bits", x=[1.0], DstT="int4", error="Cast float to int4 is not supported")
CAST.case("E14", "or rounded to the nearest, ties to even", x=[1.0078125, 1.01171875], DstT="bfloat16", Truncate=False,
          y=np.array([0x3F81, 0x3F82], np.uint16).view(RECORD))  # fmt: skip
CAST.case("W77", "beyond 64 bits", x=[2.0**64, -1.0], DstT="uint64", y=np.array([2**63, 2**64 - 1], np.uint64))
CAST.case("W77", "true is one", x=[True, False], SrcT="bool", DstT="float32", y=[1.0, 0.0])

# The same in host memory, as the first release has it; no gradient is registered for it.
_HOST_ATTRS: dict[str, Any] = dict(CAST.attrs)
HOST_CAST = define_op("_HostCast", CAST.signature, source=("W77",), **_HOST_ATTRS)
HOST_CAST.kernel(cast_kernel)
HOST_CAST.no_gradient_registered()
HOST_CAST.case("W77", "floats lose their fraction toward zero", x=[1.7, -1.7], DstT="int32", y=[1, -1])


def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """`x` with element type `dtype`; IndexedSlices stay sparse. The same type gives back x itself."""
    base = as_dtype(dtype).base_dtype
    with op_scope([x], name, "Cast") as scope:
        if isinstance(x, IndexedSlices):
            return IndexedSlices(cast(x.values, base), x.indices, x.dense_shape)
        x = convert_to_tensor(x, name="x")
        return x if x.dtype.base_dtype is base else CAST(x, DstT=base, name=scope)
