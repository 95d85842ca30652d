"""bfloat16: the high half of a float32. NumPy has no such type, so its bits travel and float32 computes.

    bits of a bfloat16          s eeeeeeee mmmmmmm
    the same float32            s eeeeeeee mmmmmmm 0000000000000000

Arithmetic in bfloat16 is arithmetic in float32 whose result is rounded to the nearest, ties to even. So one wrapper
around a kernel serves every op: inputs widened, outputs rounded.

Next: core/opdef.py.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, bfloat16

RECORD = np.dtype(bfloat16.as_numpy_dtype)


def widened(array: Any) -> Any:
    """A bfloat16 array as float32, exactly; anything else as it is; lists item by item."""
    if isinstance(array, (list, tuple)):
        return [widened(a) for a in array]
    if not isinstance(array, (np.ndarray, np.generic)) or array.dtype != RECORD:
        return array
    return np.asarray(np.asarray(array).view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def rounded(array: Any) -> np.ndarray:
    """A float array as bfloat16, rounded to the nearest, ties to even; NaN stays NaN.

    >>> widened(rounded(np.array([1.00390625, 1.01171875], np.float32))).tolist()
    [1.0, 1.015625]
    """
    single = np.asarray(array, np.float32)
    bits = single.view(np.uint32)
    sums = np.asarray(bits >> np.uint32(16))
    sums &= np.uint32(1)
    sums += np.uint32(0x7FFF)
    with np.errstate(over="ignore"):
        sums += bits
    sums >>= np.uint32(16)
    half = sums.astype(np.uint16)
    is_nan = np.isnan(single)
    if is_nan.any():
        quiet = ((bits >> np.uint32(16)) | np.uint32(0x40)).astype(np.uint16)
        half = np.asarray(np.where(is_nan, quiet, half), np.uint16)
    return half.view(RECORD)


def as_known_elsewhere(array: Any) -> Any:
    """The same bits under the type that the ml_dtypes library gives NumPy, where that is installed."""
    try:
        library = importlib.import_module("ml_dtypes")
    except ImportError:
        return array
    return np.asarray(array).view(library.bfloat16)


def through_float32(kernel: Callable[..., Any], types: Sequence[DType]) -> Callable[..., Any]:
    """`kernel`, which computes in float32, for bfloat16 inputs and outputs; `types` are those of its results."""

    def run(*inputs: Any, **attrs: Any) -> Any:
        result = kernel(*(widened(x) for x in inputs), **attrs)
        if not types:  # a change of state
            return None
        several = isinstance(result, (list, tuple))
        results = [
            rounded(r) if t.base_dtype is bfloat16 and np.asarray(r).dtype != RECORD else r
            for r, t in zip(result if several else [result], types, strict=True)
        ]
        return results if several else results[0]

    return run
