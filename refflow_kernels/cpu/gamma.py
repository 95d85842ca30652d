"""The logarithm of the gamma function and its slope, of float32 in float64 [W06].

    lgamma(x)  = (z - 1/2) log z - z + log(2 pi) / 2 + 1 / (12 z) - ...  - log(x (x + 1) ... (x + 9))      z = x + 10
    digamma(x) = log z - 1 / (2 z) - 1 / (12 z**2) + ...  - 1 / x - 1 / (x + 1) - ... - 1 / (x + 9)

    x < 1/2    lgamma(x) = log(pi / |sin(pi x)|) - lgamma(1 - x)       digamma(x) = digamma(1 - x) - pi / tan(pi x)

    bytes: x and y        operations: about 50 for each element, in a block of scratch; twice that below 1/2

The sums in 1 / z are Stirling's, to 1e-15 from 10 on, so that what is smaller is shifted there; what is larger is left
where it is, and its product or sum does not count. sin and tan are taken of how far x is from the nearest whole number,
which is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow_kernels.cpu.error_function import in_blocks

_SHIFT = 10
_LARGEST = 1e39  # more than float32 has; infinity would give inf - inf
_LGAMMA = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760)


def lgamma(x: Any, out: Any = None) -> Any:
    """log |gamma(x)|; infinite at 0, -1, -2, ..."""
    return in_blocks(_lgamma, x, out, np.float64)


def digamma(x: Any, out: Any = None) -> Any:
    """The slope of lgamma; no number at 0, -1, -2, ..."""
    return in_blocks(_digamma, x, out, np.float64)


def _reflected(x: Any, upper: Callable[[Any], Any], lower: Callable[[Any, Any], Any]) -> Any:
    """upper(x), and lower(upper(1 - x), how far x is from a whole number) for x below 1/2."""
    y = upper(np.abs(x - 0.5) + 0.5)
    below = np.flatnonzero(x < 0.5)
    if len(below):
        y[below] = lower(y[below], x[below] - np.rint(x[below]))
    return y


def _lgamma(x: Any) -> Any:
    x = np.clip(x, -_LARGEST, _LARGEST)
    return _reflected(x, _lgamma_above, lambda y, r: np.log(math.pi / np.abs(np.sin(math.pi * r))) - y)


def _digamma(x: Any) -> Any:
    def below(y: Any, r: Any) -> Any:
        return y - math.pi / np.tan(math.pi * np.where(r == 0, math.nan, r))

    return _reflected(x, _digamma_above, below)


def _lgamma_above(x: Any) -> Any:
    short, z = _shifted(x)
    factor = np.minimum(x, _SHIFT)
    product = factor.copy()
    for _ in range(_SHIFT - 1):
        factor += 1
        product *= factor
    log = np.log(z)
    y = (z - 0.5) * log - z + 0.5 * math.log(2 * math.pi)
    y += _series(_LGAMMA, 1 / (z * z)) / z
    y -= np.log(product) * short
    y *= (x != 1) & (x != 2)  # where it is 0, not next to nothing
    return y


def _digamma_above(x: Any) -> Any:
    short, z = _shifted(x)
    term = np.minimum(x, _SHIFT)
    total = 1 / term
    for _ in range(_SHIFT - 1):
        term += 1
        total += 1 / term
    r = 1 / (z * z)
    y = np.log(z) - 0.5 / z
    y -= _series(_DIGAMMA, r) * r
    y -= total * short
    return y


def _shifted(x: Any) -> tuple[Any, Any]:
    """Which are below 10, as 0 or 1, and x with those shifted."""
    short = (x < _SHIFT).astype(np.float64)
    return short, x + _SHIFT * short


def _series(coefficients: tuple[float, ...], x: Any) -> Any:
    *lower, last = coefficients
    y = np.full_like(x, last)
    for c in reversed(lower):
        y *= x
        y += c
    return y
