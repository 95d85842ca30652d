"""Bessel functions of order 0 and 1: J and Y, I and K, and I and K without their growth, as I0e = exp(-|x|) * I0 [W06].

Each is computed in float64: near 0 by its power series, or by a sum over enough points of its integral, and far away
by the asymptotic form. Slopes come from the neighbour's value.

Next: ops/math_functions.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core.dtypes import FLOATS
from refflow.core.elementwise import define_function, in_float64
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementary import number, one
from refflow.ops.elementwise import INV, NEG, SIGN
from refflow.ops.integrals import integral
from refflow.ops.logic import EQUAL, SELECT


def _bessel_i(order: int, x: np.ndarray) -> np.ndarray:
    """exp(-|x|) * I_order(x): the power series up to 30, the asymptotic sum beyond."""
    size = np.abs(x)
    half = np.minimum(size, 30.0) / 2
    term = half**order / math.factorial(order)
    near = term.copy()
    for k in range(1, 80):
        term = term * half * half / (k * (k + order))
        near += term
    near *= np.exp(-np.minimum(size, 30.0))
    large = np.maximum(size, 30.0)
    term, far = np.ones_like(large), np.ones_like(large)
    for k in range(1, 20):
        term = -term * (4 * order * order - (2 * k - 1) ** 2) / (8 * k * large)
        far += term
    far /= np.sqrt(2 * np.pi * large)
    value = np.where(size <= 30, near, far)
    return np.where(np.isnan(x), x, value * (np.sign(x) if order % 2 else 1))


def _bessel_k(order: int, x: np.ndarray) -> np.ndarray:
    """exp(x) * K_order(x), the integral of exp(-x (cosh t - 1)) cosh(order t): equal steps converge at once."""
    positive = (x > 0) & (x < np.inf)
    safe = np.where(positive, x, 1.0)
    end = 2 * np.arcsinh(np.sqrt(30 / safe))  # where cosh t - 1 = 2 sinh(t / 2)**2 is 60 / x
    steps = 400
    total = np.zeros_like(safe)
    for i in range(steps + 1):
        t = end * i / steps
        weight = 0.5 if i in (0, steps) else 1.0
        total += weight * np.exp(-2 * safe * np.sinh(t / 2) ** 2) * np.cosh(order * t)
    found = total * end / steps
    return np.where(positive, found, np.where(x <= 0, np.inf, np.where(x > 0, 0.0, x)))


def _hankel(order: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P, Q and the angle of the asymptotic form of J and Y."""
    p, q = np.zeros_like(x), np.zeros_like(x)
    term = np.ones_like(x)
    for k in range(12):
        sign = -1 if k // 2 % 2 else 1
        if k % 2:
            q += sign * term
        else:
            p += sign * term
        term = term * (4 * order * order - (2 * k + 1) ** 2) / ((k + 1) * 8 * x)
    return p, q, x - (order / 2 + 0.25) * np.pi


def _bessel_j(order: int, x: np.ndarray) -> np.ndarray:
    """The mean of cos(order t - x sin t) over half a turn; equal steps converge at once for a periodic function."""
    size = np.abs(x)
    near, steps = np.minimum(size, 40.0), 120
    total = np.zeros_like(near)
    for i in range(steps):
        t = np.pi * (i + 0.5) / steps
        total += np.cos(order * t - near * math.sin(t))
    p, q, angle = _hankel(order, np.maximum(size, 40.0))
    far = np.sqrt(2 / (np.pi * np.maximum(size, 40.0))) * (p * np.cos(angle) - q * np.sin(angle))
    value = np.where(size <= 40, total / steps, far)
    return np.where(np.isnan(x), x, value * (np.sign(x) if order % 2 else 1))


def _bessel_y(order: int, x: np.ndarray) -> np.ndarray:
    positive = x > 0
    near = np.where(positive, np.minimum(x, 25.0), 1.0)
    first = integral(lambda t: np.sin(near * np.sin(t) - order * t), 0.0 * near, np.pi + 0.0 * near) / np.pi
    end = np.arcsinh((60 + 6 * order) / near) + order
    sign = -1.0 if order % 2 else 1.0
    second = 0.0 * near
    for part in range(4):  # the integrand is steep at one end
        second = second + integral(
            lambda t: (np.exp(order * t) + sign * np.exp(-order * t)) * np.exp(-near * np.sinh(t)),
            end * part / 4, end * (part + 1) / 4,
        )  # fmt: skip
    p, q, angle = _hankel(order, np.maximum(x, 25.0))
    far = np.sqrt(2 / (np.pi * np.maximum(x, 25.0))) * (p * np.sin(angle) + q * np.cos(angle))
    value = np.where(x <= 25, first - second / np.pi, far)
    return np.where(positive, value, np.where(x <= 0, -np.inf, x))


BESSEL: dict[str, OpDef] = {}
for _name, _bessel in {
    "BesselI0e": lambda x: _bessel_i(0, x),
    "BesselI1e": lambda x: _bessel_i(1, x),
    "BesselI0": lambda x: _bessel_i(0, x) * np.exp(np.abs(x)),
    "BesselI1": lambda x: _bessel_i(1, x) * np.exp(np.abs(x)),
    "BesselK0e": lambda x: _bessel_k(0, x),
    "BesselK1e": lambda x: _bessel_k(1, x),
    "BesselK0": lambda x: _bessel_k(0, x) * np.exp(-np.maximum(x, 0)),
    "BesselK1": lambda x: _bessel_k(1, x) * np.exp(-np.maximum(x, 0)),
    "BesselJ0": lambda x: _bessel_j(0, x),
    "BesselJ1": lambda x: _bessel_j(1, x),
    "BesselY0": lambda x: _bessel_y(0, x),
    "BesselY1": lambda x: _bessel_y(1, x),
}.items():
    BESSEL[_name] = define_function(_name, in_float64(_bessel), types=FLOATS, accuracy="special")


def _bessel_slope(name: str, rule: Callable[[Tensor, Tensor], Tensor]) -> None:
    def gradient(op: Any, dy: Tensor) -> Tensor:
        """dx = dy * f'(x), by the recurrence of neighbours."""
        return dy * rule(op.inputs[0], op.outputs[0])

    BESSEL[name].gradient(gradient)


def _over(x: Tensor, y: Tensor) -> Tensor:
    """y / x, and at 0 its limit 1/2, which the functions of order 1 have there."""
    return SELECT(EQUAL(x, ZEROS_LIKE(x)), ZEROS_LIKE(x) + number(0.5, x), y / x)


_bessel_slope("BesselI0", lambda x, y: BESSEL["BesselI1"](x))
_bessel_slope("BesselI0e", lambda x, y: BESSEL["BesselI1e"](x) - SIGN(x) * y)
_bessel_slope("BesselI1", lambda x, y: BESSEL["BesselI0"](x) - _over(x, y))
_bessel_slope("BesselI1e", lambda x, y: BESSEL["BesselI0e"](x) - y * SIGN(x) - _over(x, y))
_bessel_slope("BesselK0", lambda x, y: NEG(BESSEL["BesselK1"](x)))
_bessel_slope("BesselK0e", lambda x, y: y - BESSEL["BesselK1e"](x))
_bessel_slope("BesselK1", lambda x, y: NEG(BESSEL["BesselK0"](x)) - y / x)
_bessel_slope("BesselK1e", lambda x, y: y * (one(x) - INV(x)) - BESSEL["BesselK0e"](x))
_bessel_slope("BesselJ0", lambda x, y: NEG(BESSEL["BesselJ1"](x)))
_bessel_slope("BesselJ1", lambda x, y: BESSEL["BesselJ0"](x) - _over(x, y))
_bessel_slope("BesselY0", lambda x, y: NEG(BESSEL["BesselY1"](x)))
_bessel_slope("BesselY1", lambda x, y: BESSEL["BesselY0"](x) - y / x)

for _name, _at_one in (
    ("I0", 1.2660658777520084), ("I1", 0.565159103992485), ("I0e", 0.46575960759364043), ("I1e", 0.2079104153497085),
    ("K0", 0.42102443824070834), ("K1", 0.6019072301972346), ("K0e", 1.1444630798068947), ("K1e", 1.636153486263258),
    ("J0", 0.7651976865579666), ("J1", 0.44005058574493355), ("Y0", 0.08825696421567698), ("Y1", -0.7812128213002887),
):  # fmt: skip
    BESSEL[f"Bessel{_name}"].case("W06", "at 1", x=[1], y=[_at_one])
for _name in ("K0e", "K1e"):  # the square root of pi / 2x, however large x is
    BESSEL[f"Bessel{_name}"].case("W06", "far out", x=[1e30], y=[1.2533141373155e-15])
