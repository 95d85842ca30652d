"""Functions that NumPy has under a name, and the special functions that it lacks [W06].

Special functions are computed in float64 by the shortest method that holds everywhere: the standard library where it
has them, else series where they converge quickly, asymptotic sums where arguments are large, and integrals by sums
over enough points where both are awkward.

Next: ops/math_functions.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from statistics import NormalDist
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, NUMBERS, float32, float64
from refflow.core.elementwise import define_broadcasting
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef
from refflow.core.opdef import op_def as find
from refflow.core.shape_rules import ShapeContext
from refflow.ops.broadcast import unbroadcast
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementwise import CAST, COS, EXP, INV, NEG, RSQRT, SIN, SMOOTH, SQUARE

_EULER = 0.5772156649015329


def _number(value: float, x: Tensor) -> Tensor:
    """`value` in the type of x."""
    return CAST(np.float64(value), DstT=x.dtype.base_dtype)


# -- one argument -------------------------------------------------------------------------------------------


def _function(name: str, function: Callable[..., Any], slope: Callable[[Tensor], Tensor] | None = None,
              types: Any = SMOOTH, **more: Any) -> OpDef:  # fmt: skip
    """y = f(x); `slope` builds f'(x) from x."""
    op_def = define_broadcasting(name, "x", function, T=types, source=("W06",),
                                 **{"accuracy": "transcendental", **more})  # fmt: skip
    if slope is not None:
        op_def.gradient(_chain(slope))
    return op_def


def _chain(slope: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    def gradient(op: Any, dy: Tensor) -> Tensor:
        """dx = dy * f'(x)."""
        return dy * slope(op.inputs[0])

    return gradient


def _in_float64(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any], Any]:
    return lambda x: np.asarray(function(np.asarray(x, np.float64)))


def _each(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """A function of the standard library, element by element; NaN passes."""

    def one(x: float) -> float:
        try:
            return function(x) if x == x else x
        except (ValueError, OverflowError):
            return math.nan

    table = np.frompyfunc(one, 1, 1)
    return lambda x: np.asarray(table(np.asarray(x, np.float64)), np.float64)


def _log_gamma(x: float) -> float:
    return math.inf if math.isinf(x) or (x <= 0 and x == math.floor(x)) else math.lgamma(x)


lgamma = _each(_log_gamma)
erf, erfc = _each(math.erf), _each(math.erfc)


def digamma(x: np.ndarray) -> np.ndarray:
    """The slope of log gamma: shifted up to 10, where the asymptotic sum is exact; reflected below 0."""
    pole = (x <= 0) & (x == np.floor(x))
    low = x < 0.5
    up = np.where(low, 1 - x, x)
    total = np.zeros_like(up)
    for _ in range(10):
        small = up < 10
        total -= np.where(small, 1 / np.where(small, up, 1), 0)
        up = np.where(small, up + 1, up)
    r = 1 / (up * up)
    series = r * (1 / 12 - r * (1 / 120 - r * (1 / 252 - r * (1 / 240 - r * (1 / 132 - r * 691 / 32760)))))
    total += np.log(up) - 0.5 / up - series
    reflected = total - np.pi / np.tan(np.pi * np.where(low & ~pole, x, 0.25))
    return np.where(pole, np.nan, np.where(low, reflected, total))


def zeta(x: Any, q: Any) -> np.ndarray:
    """sum over k >= 0 of (k + q)**-x: terms one by one to k + q = 12 + x, the rest by Euler and Maclaurin's formula.

    Not defined for x < 1, nor for q below 0 where a power would be complex; infinite at 1 and at the even poles.
    """
    x, q = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(q, np.float64))
    whole_x, pole = x == np.floor(x), (q <= 0) & (q == np.floor(q))
    infinite = (x == 1) | (pole & (x > 1) & ((whole_x & (x % 2 == 0)) | np.isinf(x)))
    bad = ~(x >= 1) | np.isnan(q) | ((pole | ((q <= 0) & ~whole_x) | (q < -1e5)) & ~infinite)
    s, a = np.where(bad | infinite, 2.0, x), np.where(bad | infinite, 1.0, q)
    total, b, enough = np.zeros_like(s), a.copy(), 12 + np.minimum(s, 60)
    while np.any(b < enough):
        low = b < enough
        total += np.where(low, np.where(low, b, 1.0) ** -s, 0.0)
        b = np.where(low, b + 1, b)
    total += b ** (1 - s) / (s - 1) + 0.5 * b**-s
    factor, power = s.copy(), b ** (-s - 1)
    bernoulli = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
    fact = 2.0
    for j, number in enumerate(bernoulli):
        total += np.where(power > 0, number / fact * factor * power, 0.0)
        factor *= (s + 2 * j + 1) * (s + 2 * j + 2)
        power /= b * b
        fact *= (2 * j + 3) * (2 * j + 4)
    return np.where(infinite, np.inf, np.where(bad, np.nan, total))


def polygamma(n: Any, x: Any) -> np.ndarray:
    """The n-th derivative of digamma: (-1)**(n + 1) * n! * zeta(n + 1, x)."""
    n, x = np.broadcast_arrays(np.asarray(n, np.float64), np.asarray(x, np.float64))
    whole = (n >= 0) & (n == np.floor(n))
    order = np.where(whole, n, 1)
    high = (-1.0) ** (order + 1) * np.exp(lgamma(order + 1)) * zeta(order + 1, x)
    return np.where(whole, np.where(order == 0, digamma(np.asarray(x)), high), np.nan)


def erfinv(x: np.ndarray) -> np.ndarray:
    """Where erf is x: the normal distribution's quantile, and two of Newton's steps for the last digits."""
    y = ndtri((x + 1) / 2) / math.sqrt(2)
    for _ in range(2):
        slope = 2 / math.sqrt(math.pi) * np.exp(-y * y)
        step = (erf(y) - x) / np.where(slope > 1e-300, slope, 1)
        y = np.where(np.isfinite(y) & (np.abs(y) < 5), y - step, y)
    return y


def _quantile(p: float) -> float:
    if p in (0.0, 1.0):
        return math.inf if p else -math.inf
    return NormalDist().inv_cdf(p) if 0 < p < 1 else math.nan


ndtri = _each(_quantile)


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
    end = np.arccosh(1 + 60 / safe)
    steps = 400
    total = np.zeros_like(safe)
    for i in range(steps + 1):
        t = end * i / steps
        weight = 0.5 if i in (0, steps) else 1.0
        total += weight * np.exp(-safe * (np.cosh(t) - 1)) * np.cosh(order * t)
    found = total * end / steps
    return np.where(positive, found, np.where(x <= 0, np.inf, np.where(x > 0, 0.0, x)))


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(120)


def _integral(function: Callable[[np.ndarray], np.ndarray], low: Any, high: Any) -> np.ndarray:
    """Gauss and Legendre's sum between bounds that are arrays."""
    middle, half = (high + low) / 2, (high - low) / 2
    total = np.zeros_like(np.asarray(middle, np.float64))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        total = total + weight * function(middle + half * node)
    return total * half


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
    first = _integral(lambda t: np.sin(near * np.sin(t) - order * t), 0.0 * near, np.pi + 0.0 * near) / np.pi
    end = np.arcsinh((60 + 6 * order) / near) + order
    sign = -1.0 if order % 2 else 1.0
    second = 0.0 * near
    for part in range(4):  # the integrand is steep at one end
        second = second + _integral(
            lambda t: (np.exp(order * t) + sign * np.exp(-order * t)) * np.exp(-near * np.sinh(t)),
            end * part / 4, end * (part + 1) / 4,
        )  # fmt: skip
    p, q, angle = _hankel(order, np.maximum(x, 25.0))
    far = np.sqrt(2 / (np.pi * np.maximum(x, 25.0))) * (p * np.sin(angle) + q * np.cos(angle))
    value = np.where(x <= 25, first - second / np.pi, far)
    return np.where(positive, value, np.where(x <= 0, -np.inf, x))


def igamma(a: Any, x: Any) -> np.ndarray:
    """The lower incomplete gamma function, over gamma(a): a series below a + 1, a continued fraction above."""
    return _incomplete_gamma(a, x)[0]


def igammac(a: Any, x: Any) -> np.ndarray:
    """1 - igamma(a, x)."""
    return _incomplete_gamma(a, x)[1]


def _incomplete_gamma(a: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    bad = ~(a > 0) | ~(x >= 0)
    beyond = np.isinf(a) & ~bad
    s, v = np.where(bad | beyond, 1.0, a), np.where(bad | beyond, 0.5, x)
    v = np.where(np.isinf(v), 1e300, v)
    front = np.exp(np.minimum(s * np.log(np.where(v > 0, v, 1)) - v - lgamma(s), 700))
    term = np.ones_like(s) / s
    total, n = term.copy(), s.copy()
    low = v < s + 1
    inside = np.where(low, v, 0.0)
    for _ in range(2000):
        n = n + 1
        term = term * inside / n
        total = total + term
        if np.all(term <= total * 1e-17):
            break
    lower = np.where(v > 0, front * total, 0.0)
    b = np.where(low, 3.0, v + 1 - s)  # Lentz's form of the continued fraction
    c, d = np.full_like(b, 1e300), 1 / b
    h = d.copy()
    for i in range(1, 2000):
        an = -i * (i - s)
        b = b + 2
        d = an * d + b
        d = 1 / np.where(np.abs(d) < 1e-300, 1e-300, d)
        c = b + an / c
        c = np.where(np.abs(c) < 1e-300, 1e-300, c)
        step = d * c
        h = np.where(low, h, h * step)
        if np.all(low | (np.abs(step - 1) < 1e-16)):
            break
    upper = np.where(v >= 1e300, 0.0, front * h)
    lower, upper = np.where(low, lower, 1 - upper), np.where(low, 1 - lower, upper)
    lower = np.where(bad, np.nan, np.where(beyond, 0.0, lower))
    upper = np.where(bad, np.nan, np.where(beyond, np.where(np.isinf(x), 0.0, 1.0), upper))
    return np.where(x == 0, 0.0, lower), upper


def betainc(a: Any, b: Any, x: Any) -> np.ndarray:
    """The regularized incomplete beta function by its continued fraction, on the side where it converges."""
    a, b, x = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (a, b, x)))
    bad = ~(a > 0) | ~(b > 0) | ~((x >= 0) & (x <= 1))
    edge = (x == 0) | (x == 1)
    p, q, v = np.where(bad, 1.0, a), np.where(bad, 1.0, b), np.where(bad | edge, 0.5, x)
    swap = v > (p + 1) / (p + q + 2)
    p, q, v = np.where(swap, q, p), np.where(swap, p, q), np.where(swap, 1 - v, v)
    front = np.exp(lgamma(p + q) - lgamma(p) - lgamma(q) + p * np.log(v) + q * np.log1p(-v)) / p
    c, d = np.ones_like(p), 1 / _away(1 - (p + q) * v / (p + 1))
    h = d.copy()
    for m in range(1, 500):
        even = m * (q - m) * v / ((p + 2 * m - 1) * (p + 2 * m))
        d, c = 1 / _away(1 + even * d), _away(1 + even / c)
        h = h * d * c
        odd = -(p + m) * (p + q + m) * v / ((p + 2 * m) * (p + 2 * m + 1))
        d, c = 1 / _away(1 + odd * d), _away(1 + odd / c)
        h = h * d * c
        if np.all(np.abs(d * c - 1) < 1e-16):
            break
    found = np.where(swap, 1 - front * h, front * h)
    return np.where(bad, np.nan, np.where(edge, x, found))


def _away(value: np.ndarray) -> np.ndarray:
    return np.where(np.abs(value) < 1e-300, 1e-300, value)


def _sinh_like(name: str) -> Callable[[Tensor], Tensor]:
    return lambda x: _UNARY[name](x)


_UNARY: dict[str, OpDef] = {}
_one = lambda x: _number(1.0, x)  # noqa: E731  (a number in formulas below)
for _name, _numpy, _slope in (
    ("Expm1", np.expm1, lambda x: EXP(x)),
    ("Log1p", np.log1p, lambda x: INV(x + _one(x))),
    ("Tan", np.tan, lambda x: SQUARE(INV(COS(x)))),
    ("Asin", np.arcsin, lambda x: RSQRT(_one(x) - SQUARE(x))),
    ("Acos", np.arccos, lambda x: NEG(RSQRT(_one(x) - SQUARE(x)))),
    ("Atan", np.arctan, lambda x: INV(_one(x) + SQUARE(x))),
    ("Sinh", np.sinh, _sinh_like("Cosh")),
    ("Cosh", np.cosh, _sinh_like("Sinh")),
    ("Asinh", np.arcsinh, lambda x: RSQRT(SQUARE(x) + _one(x))),
    ("Acosh", np.arccosh, lambda x: RSQRT(SQUARE(x) - _one(x))),
    ("Atanh", np.arctanh, lambda x: INV(_one(x) - SQUARE(x))),
):
    _UNARY[_name] = _function(_name, _numpy, _slope)

LGAMMA = _function("Lgamma", lgamma, lambda x: find("Digamma")(x), FLOATS)
DIGAMMA = _function("Digamma", _in_float64(digamma), lambda x: find("Polygamma")(_one(x), x), FLOATS)
ERF = _function("Erf", erf, lambda x: _number(2 / math.sqrt(math.pi), x) * EXP(NEG(SQUARE(x))), FLOATS)
ERFC = _function("Erfc", erfc, lambda x: _number(-2 / math.sqrt(math.pi), x) * EXP(NEG(SQUARE(x))), FLOATS)
ERFINV = _function("Erfinv", _in_float64(erfinv), types=FLOATS)
NDTRI = _function("Ndtri", ndtri, types=FLOATS)


@ERFINV.gradient
def _erfinv_gradient(op, dy):
    """dx = dy * sqrt(pi) / 2 * exp(y**2)."""
    y = op.outputs[0]
    return dy * _number(math.sqrt(math.pi) / 2, y) * EXP(SQUARE(y))


@NDTRI.gradient
def _ndtri_gradient(op, dy):
    """dx = dy * sqrt(2 pi) * exp(y**2 / 2)."""
    y = op.outputs[0]
    return dy * _number(math.sqrt(2 * math.pi), y) * EXP(SQUARE(y) * _number(0.5, y))


ROUND = _function("Round", np.round, types=NUMBERS, accuracy="exact")
RINT = _function("Rint", np.rint, types=FLOATS, accuracy="exact")
IS_FINITE = _function("IsFinite", np.isfinite, types=FLOATS, result="bool", accuracy="exact")
IS_INF = _function("IsInf", np.isinf, types=FLOATS, result="bool", accuracy="exact")
IS_NAN = _function("IsNan", np.isnan, types=FLOATS, result="bool", accuracy="exact")


@ROUND.gradient
def _round_gradient(op, dy):
    """Flat wherever there is a slope."""
    return None


RINT.gradient(_round_gradient)
for _op in (IS_FINITE, IS_INF, IS_NAN):
    _op.no_gradient_registered()

# -- Bessel functions -----------------------------------------------------------------------------------------

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
    BESSEL[_name] = _function(_name, _in_float64(_bessel), types=FLOATS)


def _bessel_slope(name: str, rule: Callable[[Tensor, Tensor], Tensor]) -> None:
    def gradient(op: Any, dy: Tensor) -> Tensor:
        """dx = dy * f'(x), by the recurrence of neighbours."""
        return dy * rule(op.inputs[0], op.outputs[0])

    BESSEL[name].gradient(gradient)


def _sign(x: Tensor) -> Tensor:
    from refflow.ops.elementwise import SIGN

    return SIGN(x)


_bessel_slope("BesselI0", lambda x, y: BESSEL["BesselI1"](x))
_bessel_slope("BesselI0e", lambda x, y: BESSEL["BesselI1e"](x) - _sign(x) * y)
_bessel_slope("BesselI1", lambda x, y: BESSEL["BesselI0"](x) - y / x)
_bessel_slope("BesselI1e", lambda x, y: BESSEL["BesselI0e"](x) - y * (_sign(x) + INV(x)))
_bessel_slope("BesselK0", lambda x, y: NEG(BESSEL["BesselK1"](x)))
_bessel_slope("BesselK0e", lambda x, y: y - BESSEL["BesselK1e"](x))
_bessel_slope("BesselK1", lambda x, y: NEG(BESSEL["BesselK0"](x)) - y / x)
_bessel_slope("BesselK1e", lambda x, y: y * (_one(x) - INV(x)) - BESSEL["BesselK0e"](x))
_bessel_slope("BesselJ0", lambda x, y: NEG(BESSEL["BesselJ1"](x)))
_bessel_slope("BesselJ1", lambda x, y: BESSEL["BesselJ0"](x) - y / x)
_bessel_slope("BesselY0", lambda x, y: NEG(BESSEL["BesselY1"](x)))
_bessel_slope("BesselY1", lambda x, y: BESSEL["BesselY0"](x) - y / x)


# -- integrals of elementary functions --------------------------------------------------------------------------


def _fresnel(function: Callable[[Any], Any]) -> Callable[[np.ndarray], np.ndarray]:
    def integral(x: np.ndarray) -> np.ndarray:
        """From 0 to x of sin or cos(pi t**2 / 2), in pieces; beyond 8 by the asymptotic form."""
        near = np.clip(x, -8.0, 8.0)
        total = np.zeros_like(near)
        for part in range(4):
            total = total + _integral(lambda t: function(np.pi * t * t / 2), near * part / 4, near * (part + 1) / 4)
        big = np.clip(np.abs(x), 8.0, 1e150)
        angle, z = np.pi * big * big / 2, np.pi * big * big
        f = (1 - 3 / z**2 + 105 / z**4) / (np.pi * big)
        g = (1 - 15 / z**2 + 945 / z**4) / (np.pi * big * z)
        sine = function(0.0) == 0.0
        far = 0.5 - f * np.cos(angle) - g * np.sin(angle) if sine else 0.5 + f * np.sin(angle) - g * np.cos(angle)
        return np.where(np.isnan(x), x, np.where(np.abs(x) > 8, np.sign(x) * far, total))

    return integral


FRESNEL_SIN = _function("FresnelSin", _in_float64(_fresnel(np.sin)),
                        lambda x: SIN(SQUARE(x) * _number(math.pi / 2, x)), FLOATS)  # fmt: skip
FRESNEL_COS = _function("FresnelCos", _in_float64(_fresnel(np.cos)),
                        lambda x: COS(SQUARE(x) * _number(math.pi / 2, x)), FLOATS)  # fmt: skip


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
    value = _integral(lambda t: np.exp(t * t - near * near), 0.0 * near, near)
    big = np.where(np.abs(x) > 10, x, 10.0)
    r = 1 / (big * big)
    far = (1 + r * (0.5 + r * (0.75 + r * (1.875 + r * (6.5625 + r * (29.53125 + r * 162.421875)))))) / (2 * big)
    return np.where(np.abs(x) > 10, far, value)


def exponential_integral(x: np.ndarray) -> np.ndarray:
    """Ei(x) for positive x: the power series, and for large x the asymptotic sum; NaN below 0."""
    size = np.where(x > 0, x, 1.0)
    near = np.minimum(size, 40.0)
    total, term = _EULER + np.log(near), np.ones_like(near)
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


SPENCE = _function("Spence", _in_float64(spence), types=FLOATS)
DAWSN = _function("Dawsn", _in_float64(dawson), types=FLOATS)
EXPINT = _function("Expint", _in_float64(exponential_integral), lambda x: EXP(x) / x, FLOATS)


@SPENCE.gradient
def _spence_gradient(op, dy):
    """dx = dy * log(x) / (1 - x)."""
    from refflow.ops.elementwise import LOG

    x = op.inputs[0]
    return dy * LOG(x) / (_one(x) - x)


@DAWSN.gradient
def _dawsn_gradient(op, dy):
    """dx = dy * (1 - 2 x y)."""
    x, y = op.inputs[0], op.outputs[0]
    return dy * (_one(x) - (x + x) * y)


# -- several arguments ------------------------------------------------------------------------------------------


def _several(name: str, operands: str, function: Callable[..., Any], types: Any = (float32, float64)) -> OpDef:
    return define_broadcasting(
        name, operands, lambda *a: np.asarray(function(*(np.asarray(v, np.float64) for v in a))), T=types,
        accuracy="transcendental", source=("W06",),
    )  # fmt: skip


POLYGAMMA = _several("Polygamma", "a x", polygamma)
ZETA = _several("Zeta", "x q", zeta)
IGAMMA = _several("Igamma", "a x", igamma, FLOATS)
IGAMMAC = _several("Igammac", "a x", igammac, FLOATS)
BETAINC = _several("Betainc", "a b x", betainc)


@BETAINC.shape
def _betainc_shape(context: ShapeContext) -> shapes.Shape:
    """Scalars stretch; all others have one shape."""
    known: list[tuple[str, shapes.Shape]] = [(n, context.dims(n)) for n in "abx" if context.dims(n) != ()]
    for name, dims in known[1:]:
        first, whole = known[0]
        if not shapes.compatible(whole, dims):
            raise ShapeError(
                f"Shapes of {first} and {name} are inconsistent: {shapes.text(whole)} vs. {shapes.text(dims)}"
            )
    return reduce(shapes.merge, (dims for _, dims in known)) if known else ()


def _igamma_slope(a: Any, x: Any) -> np.ndarray:
    """d igamma / d a by a symmetric difference of four points, good to about nine digits."""
    step = 1e-3 * np.maximum(np.asarray(a), 1e-3)
    near = igamma(a + step, x) - igamma(a - step, x)
    far = igamma(a + 2 * step, x) - igamma(a - 2 * step, x)
    flat = np.isinf(a) & (a > 0) & (x >= 0)
    return np.where(flat | np.equal(x, 0), 0.0, (8 * near - far) / (12 * step))


IGAMMA_GRAD_A = _several("IgammaGradA", "a x", _igamma_slope)
IGAMMA_GRAD_A.no_gradient_registered()


def _gamma_density(a: Tensor, x: Tensor) -> Tensor:
    """d igamma / d x = exp(-x + (a - 1) log x - log gamma(a))."""
    from refflow.ops.arithmetic import XLOGY

    return EXP(NEG(x) + XLOGY(a - _one(a), x) - LGAMMA(a))


@IGAMMA.gradient
def _igamma_gradient(op, dz):
    """da = dz * IgammaGradA(a, x), dx = dz * the density."""
    a, x = op.inputs
    return unbroadcast(op.inputs, lambda: dz * IGAMMA_GRAD_A(a, x), lambda: dz * _gamma_density(a, x))


@IGAMMAC.gradient
def _igammac_gradient(op, dz):
    """What igamma gains, igammac loses."""
    a, x = op.inputs
    return unbroadcast(op.inputs, lambda: NEG(dz * IGAMMA_GRAD_A(a, x)), lambda: NEG(dz * _gamma_density(a, x)))


@POLYGAMMA.gradient
def _polygamma_gradient(op, dz):
    """dx = dz * polygamma(a + 1, x); none for the order."""
    a, x = op.inputs
    return None, unbroadcast([x, a], lambda: dz * POLYGAMMA(a + _one(a), x), lambda: ZEROS_LIKE(dz))[0]


@ZETA.gradient
def _zeta_gradient(op, dz):
    """dq = -dz * x * zeta(x + 1, q); none for x."""
    x, q = op.inputs
    return None, unbroadcast([q, x], lambda: NEG(dz * x * ZETA(x + _one(x), q)), lambda: ZEROS_LIKE(dz))[0]


@BETAINC.gradient
def _betainc_gradient(op, dz):
    """dx = dz * x**(a - 1) * (1 - x)**(b - 1) / beta(a, b); none for a and b."""
    from refflow.ops.arithmetic import XLOG1PY, XLOGY

    a, b, x = op.inputs
    density = EXP(XLOG1PY(b - _one(b), NEG(x)) + XLOGY(a - _one(a), x) - LGAMMA(a) - LGAMMA(b) + LGAMMA(a + b))
    return None, None, unbroadcast([x, dz], lambda: dz * density, lambda: dz)[0]


for _name, _x, _y in (
    ("Expm1", [0, 1], [0, math.e - 1]), ("Log1p", [0, math.e - 1], [0, 1]), ("Tan", [0, math.pi / 4], [0, 1]),
    ("Asin", [0, 0.5], [0, math.pi / 6]), ("Acos", [0, 0.5], [math.pi / 2, math.pi / 3]),
    ("Atan", [0, 1], [0, math.pi / 4]), ("Sinh", [0, math.log(2)], [0, 0.75]), ("Cosh", [0, math.log(2)], [1, 1.25]),
    ("Asinh", [0, 0.75], [0, math.log(2)]), ("Acosh", [1, 1.25], [0, math.log(2)]),
    ("Atanh", [0, 0.6], [0, math.log(2)]),
):  # fmt: skip
    _UNARY[_name].case("W06", "known points", x=_x, y=_y)
LGAMMA.case("W06", "factorials", x=[1, 2, 5], y=[0, 0, math.log(24)])
DIGAMMA.case("W06", "harmonic numbers less Euler's constant", x=[1, 2, 4], y=[-_EULER, 1 - _EULER, 11 / 6 - _EULER])
POLYGAMMA.case("W06", "the first derivative at 1", a=[1, 1], x=[1, 2], z=[math.pi**2 / 6, math.pi**2 / 6 - 1])
ZETA.case("W06", "Basel's sum", x=[2, 4], q=[1, 1], z=[math.pi**2 / 6, math.pi**4 / 90])
ERF.case("W06", "0 in the middle", x=[0, 10, 0.5], y=[0, 1, 0.5204998778130465])
ERFC.case("W06", "what erf lacks of 1", x=[0, 0.5], y=[1, 0.4795001221869535])
ERFINV.case("W06", "back from erf", x=[0, 0.5204998778130465], y=[0, 0.5])
NDTRI.case("W06", "quantiles of the normal distribution", x=[0.5, 0.8413447460685429], y=[0, 1])
ROUND.case("W06", "halves go to the even neighbour", x=[0.5, 1.5, -2.5], y=[0, 2, -2])
ROUND.case("W06", "between two whole numbers", x=[0.2, 1.3], y=[0, 1])
RINT.case("W06", "halves go to the even neighbour", x=[0.5, 1.5, -2.5], y=[0, 2, -2])
RINT.case("W06", "between two whole numbers", x=[0.2, 1.3], y=[0, 1])
IS_FINITE.case("W06", "neither infinite nor NaN", x=[1, np.inf, np.nan], y=[True, False, False])
IS_INF.case("W06", "of either sign", x=[1, -np.inf, np.nan], y=[False, True, False])
IS_NAN.case("W06", "not a number", x=[1, np.inf, np.nan], y=[False, False, True])
IGAMMA.case("W06", "for a = 1 what the exponential lacks of 1", a=[1, 1], x=[1, 2],
            z=[1 - math.exp(-1), 1 - math.exp(-2)])  # fmt: skip
IGAMMAC.case("W06", "for a = 1 the exponential", a=[1, 1], x=[1, 2], z=[math.exp(-1), math.exp(-2)])
IGAMMA_GRAD_A.case("W06", "a larger a shifts it to the right", a=[1], x=[1], z=[-0.4317297106349])
BETAINC.case("W06", "all of one shape, or scalars", a=[1], b=[1, 2], x=[0.25],
             error="Shapes of a and b are inconsistent: [1] vs. [2]")  # fmt: skip
BETAINC.case("W06", "for a = b = 1 the argument", a=[1, 2], b=[1, 1], x=[0.25, 0.5], z=[0.25, 0.25])
FRESNEL_SIN.case("W06", "at 0 and 1", x=[0, 1], y=[0, 0.4382591473903548])
FRESNEL_COS.case("W06", "at 0 and 1", x=[0, 1], y=[0, 0.7798934003768228])
SPENCE.case("W06", "at 0, 1/2 and 2", x=[0.5, 2], y=[0.5822405264650125, -(math.pi**2) / 12])
DAWSN.case("W06", "at 0 and 1", x=[0, 1], y=[0, 0.5380795069127684])
EXPINT.case("W06", "from 0 upwards, as far as there are numbers", x=[0, np.inf, -1], y=[-np.inf, np.nan, np.nan])
EXPINT.case("W06", "at 1 and 2", x=[1, 2], y=[1.8951178163559368, 4.95423435600189])
for _name, _at_one in (
    ("I0", 1.2660658777520084), ("I1", 0.565159103992485), ("I0e", 0.46575960759364043), ("I1e", 0.2079104153497085),
    ("K0", 0.42102443824070834), ("K1", 0.6019072301972346), ("K0e", 1.1444630798068947), ("K1e", 1.636153486263258),
    ("J0", 0.7651976865579666), ("J1", 0.44005058574493355), ("Y0", 0.08825696421567698), ("Y1", -0.7812128213002887),
):  # fmt: skip
    BESSEL[f"Bessel{_name}"].case("W06", "at 1", x=[1], y=[_at_one])
