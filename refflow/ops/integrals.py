"""Integrals of elementary functions that are none [W06].

    FresnelSin, FresnelCos    of sin and cos(pi t**2 / 2), from 0 to x
    Spence                    of log(t) / (1 - t), from 1 to x
    Dawsn                     of exp(t**2 - x**2), from 0 to x
    Expint                    of exp(t) / t, from minus infinity to x

Next: ops/bessel.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from refflow.core.dtypes import FLOATS
from refflow.core.elementwise import define_function, in_float64
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementary import number, one
from refflow.ops.elementwise import COS, EXP, LOG, SIN, SQUARE
from refflow.ops.logic import EQUAL, SELECT


@cache
def _nodes() -> list[tuple[float, float]]:
    """Where Gauss and Legendre's rule looks, and with which weights."""
    return list(zip(*np.polynomial.legendre.leggauss(120), strict=True))


def integral(function: Callable[[np.ndarray], np.ndarray], low: Any, high: Any) -> np.ndarray:
    """Gauss and Legendre's sum between bounds that are arrays."""
    middle, half = (high + low) / 2, (high - low) / 2
    total = np.zeros_like(np.asarray(middle, np.float64))
    for node, weight in _nodes():
        total = total + weight * function(middle + half * node)
    return total * half


def _fresnel(function: Callable[[Any], Any]) -> Callable[[np.ndarray], np.ndarray]:
    def fresnel(x: np.ndarray) -> np.ndarray:
        """From 0 to x of sin or cos(pi t**2 / 2), in pieces; beyond 8 by the asymptotic form."""
        near = np.clip(x, -8.0, 8.0)
        total = np.zeros_like(near)
        for part in range(4):
            total = total + integral(lambda t: function(np.pi * t * t / 2), near * part / 4, near * (part + 1) / 4)
        big = np.clip(np.abs(x), 8.0, 1e150)
        angle, z = np.pi * big * big / 2, np.pi * big * big
        f = (1 - 3 / z**2 + 105 / z**4) / (np.pi * big)
        g = (1 - 15 / z**2 + 945 / z**4) / (np.pi * big * z)
        sine = function(0.0) == 0.0
        far = 0.5 - f * np.cos(angle) - g * np.sin(angle) if sine else 0.5 + f * np.sin(angle) - g * np.cos(angle)
        return np.where(np.isnan(x), x, np.where(np.abs(x) > 8, np.sign(x) * far, total))

    return fresnel


FRESNEL_SIN = define_function("FresnelSin", in_float64(_fresnel(np.sin)),
                              lambda x: SIN(SQUARE(x) * number(math.pi / 2, x)), FLOATS,
                              accuracy="special")  # fmt: skip
FRESNEL_COS = define_function("FresnelCos", in_float64(_fresnel(np.cos)),
                              lambda x: COS(SQUARE(x) * number(math.pi / 2, x)), FLOATS,
                              accuracy="special")  # fmt: skip


def spence(x: np.ndarray) -> np.ndarray:
    """The integral from 1 to x of log(t) / (1 - t), by series near 1 and reflections elsewhere."""
    z = 1 - np.where(x >= 0, x, 1.0)  # the dilogarithm of z
    far = z < -1
    inner = np.where(far, 1 / np.where(far, z, -1), z)
    high = inner > 0.5
    v = np.where(high, 1 - inner, inner)
    total, power = np.zeros_like(v), np.ones_like(v)
    for k in range(1, 120):
        power = power * v
        total += power / (k * k)
    # Between -1 and -1/2 the series is slow: Landen's identity leads to 0 to 1/2.
    slow = v < -0.5
    w = np.where(slow, v / (v - 1), 0.0)
    other, power = np.zeros_like(v), np.ones_like(v)
    for k in range(1, 120):
        power = power * w
        other += power / (k * k)
    total = np.where(slow, -other - 0.5 * np.log1p(-np.where(slow, v, 0)) ** 2, total)
    top = np.where(high & (inner < 1), inner, 0.75)
    total = np.where(high, math.pi**2 / 6 - np.where(inner < 1, np.log(top) * np.log1p(-top), 0) - total, total)
    below = -math.pi**2 / 6 - 0.5 * np.log(-np.where(far, z, -1)) ** 2 - total
    return np.where((x >= 0) & (x < np.inf), np.where(far, below, total), np.nan)


def dawson(x: np.ndarray) -> np.ndarray:
    """exp(-x**2) times the integral of exp(t**2) from 0 to x."""
    near = np.clip(x, -10.0, 10.0)
    value = integral(lambda t: np.exp(t * t - near * near), 0.0 * near, near)
    big = np.where(np.abs(x) > 10, x, 10.0)
    r = 1 / (big * big)
    far = (1 + r * (0.5 + r * (0.75 + r * (1.875 + r * (6.5625 + r * (29.53125 + r * 162.421875)))))) / (2 * big)
    return np.where(np.abs(x) > 10, far, value)


def exponential_integral(x: np.ndarray) -> np.ndarray:
    """Ei(x) for positive x: the power series, and for large x the asymptotic sum; NaN below 0."""
    size = np.where(x > 0, x, 1.0)
    near = np.minimum(size, 40.0)
    total, term = np.euler_gamma + np.log(near), np.ones_like(near)
    for k in range(1, 160):
        term = term * near / k
        total = total + term / k
    big = np.maximum(size, 40.0)
    far, term = np.ones_like(big), np.ones_like(big)
    for k in range(1, 40):
        term = term * k / big
        far = far + term
    far = far * np.exp(big) / big
    found = np.where(np.isinf(x), np.nan, np.where(size > 40, far, total))
    return np.where(x > 0, found, np.where(x == 0, -np.inf, np.nan))


SPENCE = define_function("Spence", in_float64(spence), types=FLOATS, accuracy="special")
DAWSN = define_function("Dawsn", in_float64(dawson), types=FLOATS, accuracy="special")
EXPINT = define_function("Expint", in_float64(exponential_integral), lambda x: EXP(x) / x, FLOATS,
                         accuracy="special")  # fmt: skip


@SPENCE.gradient
def _spence_gradient(op, dy):
    """dx = dy * log(x) / (1 - x), which is -dy at 1."""
    x = op.inputs[0]
    return dy * SELECT(EQUAL(x, one(x)), ZEROS_LIKE(x) - one(x), LOG(x) / (one(x) - x))


@DAWSN.gradient
def _dawsn_gradient(op, dy):
    """dx = dy * (1 - 2 x y)."""
    x, y = op.inputs[0], op.outputs[0]
    return dy * (one(x) - (x + x) * y)


FRESNEL_SIN.case("W06", "at 0 and 1", x=[0, 1], y=[0, 0.4382591473903548])
FRESNEL_COS.case("W06", "at 0 and 1", x=[0, 1], y=[0, 0.7798934003768228])
SPENCE.case("W06", "at 0, 1/2 and 2", x=[0.5, 2], y=[0.5822405264650125, -(math.pi**2) / 12])
DAWSN.case("W06", "at 0 and 1", x=[0, 1], y=[0, 0.5380795069127684])
EXPINT.case("W06", "from 0 upwards, as far as there are numbers", x=[0, np.inf, -1], y=[-np.inf, np.nan, np.nan])
EXPINT.case("W06", "at 1 and 2", x=[1, 2], y=[1.8951178163559368, 4.95423435600189])
