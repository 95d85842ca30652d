"""Numbers of 8, 4 and 2 bits, which today's programs store: they travel as bits, and compute nowhere.

    float8_e5m2       s eeeee mm     bias 15, the high byte of a float16, with its infinities
    float8_e4m3fn     s eeee mmm     bias 7, no infinity, s1111111 is NaN
    int4, uint4       the low half of a byte

Only Cast makes other numbers of them and back. Three more 8-bit floats and the numbers of 2 bits are moved alone, as
by TensorFlow.

Next: core/bfloat16.py.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, as_dtype
from refflow.core.errors import UnimplementedError

_FLOATS = {"float8_e5m2": (2, 15), "float8_e4m3fn": (3, 7)}  # bits of mantissa, bias
_WHOLE = {"int4": (-8, 7), "uint4": (0, 15)}


def is_narrow(array: Any) -> bool:
    """Whether an array holds such numbers."""
    names = getattr(getattr(array, "dtype", None), "names", None)
    return names is not None and as_dtype(array.dtype).is_narrow


@cache
def _values(name: str) -> np.ndarray:
    """What each of the codes without a sign bit means, and one more: where the next number would be."""
    mantissa, bias = _FLOATS[name]
    codes = np.arange(129)
    fraction, exponent = codes % (1 << mantissa), codes >> mantissa
    normal = (fraction / (1 << mantissa) + 1) * 2.0 ** (exponent - bias)
    return np.where(exponent == 0, fraction / (1 << mantissa) * 2.0 ** (1 - bias), normal)


def _largest(name: str) -> int:
    """The code of the largest finite number."""
    return 0x7B if name == "float8_e5m2" else 0x7E


def unpacked(array: np.ndarray) -> np.ndarray:
    """The numbers that the bits stand for: float32, int8 or uint8.

    >>> from refflow.core.dtypes import float8_e4m3fn
    >>> unpacked(packed(np.array([1.0, -0.4, 1e9]), float8_e4m3fn)).tolist()
    [1.0, -0.40625, nan]
    """
    dtype = as_dtype(array.dtype)
    bits = np.asarray(array).view(np.uint8)
    if dtype.name in _WHOLE:
        low = (bits & 15).astype(np.int8)
        return np.where(low > 7, low - 16, low).astype(np.int8) if dtype.name == "int4" else low.view(np.uint8)
    if dtype.name not in _FLOATS:
        raise UnimplementedError(None, None, f"Cast {dtype.name} to other types is not supported")
    code = bits & 0x7F
    found = _values(dtype.name)[code]
    found = np.where(code > _largest(dtype.name), np.nan, found)
    if dtype.name == "float8_e5m2":
        found = np.where(code == 0x7C, np.inf, found)
    return np.where(bits > 0x7F, -found, found).astype(np.float32)


def packed(array: Any, dtype: DType, cut: bool = False) -> np.ndarray:
    """Numbers as bits of `dtype`: floats to the nearest, ties to even, whole numbers keep their lowest bits.

    cut: bits of a float that have no place are dropped before.
    """
    array = np.asarray(array)
    if array.dtype.kind not in ("iu" if dtype.name in _WHOLE else "f" if dtype.name in _FLOATS else ""):
        raise UnimplementedError(None, None, f"Cast {as_dtype(array.dtype).c_name} to {dtype.name} is not supported")
    if dtype.name in _WHOLE:
        return (array.astype(np.int64) & 15).astype(np.uint8).view(dtype.as_numpy_dtype)
    wide = np.asarray(array, np.float64)
    if cut:
        fraction, exponent = np.frexp(wide)  # 0.1xxx * 2**exponent
        places = 2.0 ** (_FLOATS[dtype.name][0] + 1)
        wide = np.ldexp(np.trunc(fraction * places) / places, exponent)
    return _rounded(wide, dtype.name).view(dtype.as_numpy_dtype)


def _rounded(x: np.ndarray, name: str) -> np.ndarray:
    values, largest = _values(name), _largest(name)
    middle = (values[: largest + 1] + values[1 : largest + 2]) / 2
    size = np.abs(x)
    code = np.searchsorted(middle, size, "left")
    tie = (code <= largest) & (middle[np.minimum(code, largest)] == size)
    code += tie & (code % 2 == 1)  # of two neighbours, the even one
    over = 0x7C if name == "float8_e5m2" else 0x7F
    code = np.where(np.isnan(x), 0x7E if name == "float8_e5m2" else 0x7F, np.where(code > largest, over, code))
    return np.asarray(code | np.where(np.signbit(x), 0x80, 0)).astype(np.uint8)


def of_bits(array: Any, dtype: DType) -> np.ndarray:
    """Numbers, or an array of the same bits, ours or another library's, as `dtype`."""
    array = np.asarray(array)
    if array.dtype == dtype.as_numpy_dtype or array.dtype.name == dtype.name:
        return array.view(np.uint8).view(dtype.as_numpy_dtype).copy()
    return packed(array, dtype) if array.size else np.zeros(array.shape, dtype.as_numpy_dtype)


def as_known_elsewhere(array: Any, dtype: DType) -> Any:
    """The same bits under the type that the ml_dtypes library gives NumPy, where that is installed."""
    try:
        library = importlib.import_module("ml_dtypes")
    except ImportError:
        return array
    return np.asarray(array).view(np.uint8).view(getattr(library, dtype.name))
