"""The error function and its complement in float32, by polynomials and what NumPy has [W06].

    erf(x)  = tanh(x p(x**2))                   |x| at most 3.92, beyond which erf is 1 in float32
    erfc(x) = exp(-x**2) p(x) / q(x)            x from 0 to 10.1, beyond which it is 0;    erfc(-x) = 2 - erfc(x)

    bytes: x and y        operations: 16 and a tanh for each element, in a block of scratch; erfc 30 and two exps

What erf's tanh is taken of is nearly a straight line, for which a polynomial of degree 6 in x**2 does. The coefficients
are fits by weighted least squares, to 1e-7 of erf's value and 6e-9 of erfc's; evaluated in float32 erf is within four
units in the last place, erfc within eight. A rounding of x**2 would be one of exp's exponent, a hundredfold: the square
is split into that of x's upper bits, which is exact, and the rest.

NumPy has no such functions, and Python's own are called for each number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

_ERF = (1.12837927, 0.102769057, -0.000191832989, -0.00061978289, 8.7636704e-05, -5.66838027e-06, 1.41847105e-07)
_ERFC_P = (1.00000001, 1.23842902, 0.731623604, 0.229228073, 0.0327984625)
_ERFC_Q = (1.0, 2.36680877, 2.40227196, 1.32540492, 0.40632258, 0.0581330625)
_END, _COMPLEMENTS_END = np.float32(3.92), np.float32(10.1)
_UPPER = np.int32(-(1 << 12))  # all bits of a float32 but the lower half of its mantissa
_BLOCK = 1 << 14  # elements
_TOGETHER = 4  # blocks worth a thread


def erf(x: Any, out: Any = None) -> Any:
    """2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    return in_blocks(_erf, x, out)


def erfc(x: Any, out: Any = None) -> Any:
    """1 - erf(x), exact to the last digits where that is next to nothing."""
    return in_blocks(_erfc, x, out)


def in_blocks(function: Callable[[Any], Any], x: Any, out: Any, within: Any = np.float32) -> Any:
    """The function of each element, computed in the type `within`, a block in the core's cache at a time."""
    result = out if out is not None and out.flags.c_contiguous else np.empty(x.shape, x.dtype)
    flat, results = np.ascontiguousarray(x).reshape(-1), result.reshape(-1)

    def piece(number: int) -> None:
        for start in range(number * _TOGETHER * _BLOCK, min(x.size, (number + 1) * _TOGETHER * _BLOCK), _BLOCK):
            here = slice(start, start + _BLOCK)
            results[here] = function(flat[here].astype(within, copy=False))

    threads.each(piece, -(-x.size // (_TOGETHER * _BLOCK)))
    if out is not None and result is not out:
        out[...] = result
    return result if out is None else out


def _erf(x: Any) -> Any:
    square = x * x
    np.minimum(square, _END * _END, out=square)
    y = _polynomial(_ERF, square)
    y *= x
    return np.tanh(y, out=y)


def _erfc(x: Any) -> Any:
    size = np.minimum(np.abs(x), _COMPLEMENTS_END)
    y = _polynomial(_ERFC_P, size)
    y /= _polynomial(_ERFC_Q, size)
    upper = (size.view(np.int32) & _UPPER).view(np.float32)
    rest = size - upper
    rest *= size + upper
    y *= np.exp(-rest)
    y *= np.exp(-upper * upper)
    sign = np.copysign(np.float32(1), x)
    y *= sign
    y += 1 - sign  # 0, or 2
    return y


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    *lower, second, first = coefficients
    y = x * np.float32(first)
    y += np.float32(second)
    for c in reversed(lower):
        y *= x
        y += np.float32(c)
    return y
