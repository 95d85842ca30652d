"""Chances of a standard normal or Laplace draw, also where they are too small for the plain formula.

    ndtr(x) = (1 + erf(x / sqrt 2)) / 2                log_ndtr(x) = log ndtr(x)
    for x -> -inf   ndtr(x) ~ exp(-x^2 / 2) / (-x sqrt(2 pi)) (1 - 1/x^2 + 3/x^4 - 15/x^6 + ...)

Next: compat/v1/distributions/scalar.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import refflow.compat.v1 as tf
from refflow.core.graph import Tensor

# Below the first log_ndtr is the series, above the second log(1 - e) = -e.
_SERIES_BELOW = {tf.float32: -10.0, tf.float64: -20.0}
_FLAT_ABOVE = {tf.float32: 5.0, tf.float64: 8.0}


def _number(x: Any, called: str) -> Tensor:
    x = tf.convert_to_tensor(x, name="x")
    if x.dtype.base_dtype not in _SERIES_BELOW:
        raise TypeError(f"{called}: x.dtype={x.dtype} is not handled, it takes float32 and float64")
    return x


def ndtr(x: Any, name: str = "ndtr") -> Tensor:
    """The chance of a standard normal draw of at most x."""
    with tf.name_scope(name, values=[x]):
        x = _number(x, "ndtr")
        w = x * math.sqrt(0.5)
        size = tf.abs(w)
        tail = tf.erfc(size)
        return 0.5 * tf.where_v2(size < math.sqrt(0.5), 1.0 + tf.erf(w), tf.where_v2(w > 0.0, 2.0 - tail, tail))


def log_ndtr(x: Any, series_order: int = 3, name: str = "log_ndtr") -> Tensor:
    """log ndtr(x). series_order: how many terms the series has after the first."""
    if not isinstance(series_order, int):
        raise TypeError("series_order must be a Python integer.")
    if not 0 <= series_order <= 30:
        raise ValueError(f"series_order must be {'non-negative' if series_order < 0 else '<= 30'}.")
    with tf.name_scope(name, values=[x]):
        x = _number(x, "log_ndtr")
        low, high = (table[x.dtype.base_dtype] for table in (_SERIES_BELOW, _FLAT_ABOVE))
        # Each branch sees only values that it can take: a nan of the other would come through the gradient.
        middle = tf.log(ndtr(tf.maximum(x, low)))
        below = _by_series(tf.minimum(x, low), series_order)
        return tf.where_v2(x > high, -ndtr(-x), tf.where_v2(x > low, middle, below))


def _by_series(x: Tensor, order: int) -> Tensor:
    squared, power, term = tf.square(x), tf.ones_like(x), 1.0
    total = tf.ones_like(x)
    for n in range(1, order + 1):
        term, power = -term * (2 * n - 1), power * squared  # (-1)^n (2n - 1)!!
        total += term / power
    return -0.5 * squared - tf.log(-x) - 0.5 * math.log(2.0 * math.pi) + tf.log(total)


def log_cdf_laplace(x: Any, name: str = "log_cdf_laplace") -> Tensor:
    """The logarithm of the chance of a standard Laplace draw of at most x."""
    with tf.name_scope(name, values=[x]):
        x = tf.convert_to_tensor(x, name="x")
        above = tf.log1p(-0.5 * tf.exp(-tf.abs(x)))  # exp of the negative: no overflow where x is far below 0
        return tf.where_v2(x < 0.0, x - np.log(2.0), above)
