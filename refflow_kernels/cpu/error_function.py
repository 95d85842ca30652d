"""The error function in float32, as x times a ratio of two polynomials of x**2 [W06].

    erf(x) = x p(x**2) / q(x**2)        |x| at most 3.92, beyond which erf is 1 in float32

    bytes: x and y        operations: 24 for each element, in a block of scratch

The coefficients are a fit of degrees 5 and 5 by weighted least squares, to 2e-8 of the value; evaluated in float32 it
is within three units in the last place. NumPy has no such function, and Python's own is called for each number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

_P = (1.12837911, 0.190394863, 0.0527469963, 0.00376507035, 0.000284862472, 2.05007063e-06)
_Q = (1.0, 0.502065778, 0.114104144, 0.0149681224, 0.00116238848, 3.80904858e-05)
_END = np.float32(3.92)
_BLOCK = 1 << 14  # elements
_TOGETHER = 4  # blocks worth a thread


def erf(x: Any, out: Any = None) -> Any:
    """2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    out = np.empty(x.shape, x.dtype) if out is None else out
    if x.size <= _BLOCK or not (x.flags.c_contiguous and out.flags.c_contiguous):
        out[...] = _of_block(np.asarray(x, np.float32))
        return out
    flat, results = x.reshape(-1), out.reshape(-1)

    def piece(number: int) -> None:
        for start in range(number * _TOGETHER * _BLOCK, min(x.size, (number + 1) * _TOGETHER * _BLOCK), _BLOCK):
            here = slice(start, start + _BLOCK)
            results[here] = _of_block(flat[here].astype(np.float32, copy=False))

    threads.each(piece, -(-x.size // (_TOGETHER * _BLOCK)))
    return out


def _of_block(x: Any) -> Any:
    y = np.clip(x, -_END, _END)
    square = y * y
    y *= _polynomial(_P, square)
    y /= _polynomial(_Q, square)
    return np.clip(y, -1, 1)


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    *lower, second, first = coefficients
    y = x * np.float32(first)
    y += np.float32(second)
    for c in reversed(lower):
        y *= x
        y += np.float32(c)
    return y
