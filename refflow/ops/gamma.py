"""The gamma function and its kin, each by the shortest method that holds everywhere [W06].

    Lgamma      log gamma(x)                        Digamma     its slope
    Zeta        sum over k >= 0 of (k + q)**-x      Polygamma   the a-th slope of Digamma
    Igamma      the integral of t**(a - 1) * exp(-t) from 0 to x, over gamma(a);     Igammac     1 - Igamma
    Betainc     the integral of t**(a - 1) * (1 - t)**(b - 1) from 0 to x, over that to 1

All are computed in float64: by series where they converge quickly, asymptotic sums where arguments are large,
continued fractions between.

Next: ops/error_function.py.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS
from refflow.core.elementwise import define_function, define_in_float64, each, in_float64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.registry import op_def as find
from refflow.core.shape_rules import ShapeContext
from refflow.ops.arithmetic import XLOG1PY, XLOGY
from refflow.ops.broadcast import unbroadcast
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementary import one
from refflow.ops.elementwise import EXP, NEG

_EULER = float(np.euler_gamma)


def _log_gamma(x: float) -> float:
    return math.inf if math.isinf(x) or (x <= 0 and x == math.floor(x)) else math.lgamma(x)


lgamma = each(_log_gamma)


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


LGAMMA = define_function("Lgamma", lgamma, lambda x: find("Digamma")(x), FLOATS, accuracy="special")
DIGAMMA = define_function("Digamma", in_float64(digamma), lambda x: find("Polygamma")(one(x), x), FLOATS,
                          accuracy="special")  # fmt: skip

POLYGAMMA = define_in_float64("Polygamma", "a x", polygamma)
ZETA = define_in_float64("Zeta", "x q", zeta)
IGAMMA = define_in_float64("Igamma", "a x", igamma, FLOATS)
IGAMMAC = define_in_float64("Igammac", "a x", igammac, FLOATS)
BETAINC = define_in_float64("Betainc", "a b x", betainc)


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


IGAMMA_GRAD_A = define_in_float64("IgammaGradA", "a x", _igamma_slope)
IGAMMA_GRAD_A.no_gradient_registered()


def _gamma_density(a: Tensor, x: Tensor) -> Tensor:
    """d igamma / d x = exp(-x + (a - 1) log x - log gamma(a))."""
    return EXP(NEG(x) + XLOGY(a - one(a), x) - LGAMMA(a))


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
    return None, unbroadcast([x, a], lambda: dz * POLYGAMMA(a + one(a), x), lambda: ZEROS_LIKE(dz))[0]


@ZETA.gradient
def _zeta_gradient(op, dz):
    """dq = -dz * x * zeta(x + 1, q); none for x."""
    x, q = op.inputs
    return None, unbroadcast([q, x], lambda: NEG(dz * x * ZETA(x + one(x), q)), lambda: ZEROS_LIKE(dz))[0]


@BETAINC.gradient
def _betainc_gradient(op, dz):
    """dx = dz * x**(a - 1) * (1 - x)**(b - 1) / beta(a, b); none for a and b."""
    a, b, x = op.inputs
    density = EXP(XLOG1PY(b - one(b), NEG(x)) + XLOGY(a - one(a), x) - LGAMMA(a) - LGAMMA(b) + LGAMMA(a + b))
    return None, None, unbroadcast([x, dz], lambda: dz * density, lambda: dz)[0]


LGAMMA.case("W06", "factorials", x=[1, 2, 5], y=[0, 0, math.log(24)])
DIGAMMA.case("W06", "harmonic numbers less Euler's constant", x=[1, 2, 4], y=[-_EULER, 1 - _EULER, 11 / 6 - _EULER])
POLYGAMMA.case("W06", "the first derivative at 1", a=[1, 1], x=[1, 2], z=[math.pi**2 / 6, math.pi**2 / 6 - 1])
ZETA.case("W06", "Basel's sum", x=[2, 4], q=[1, 1], z=[math.pi**2 / 6, math.pi**4 / 90])
IGAMMA.case("W06", "for a = 1 what the exponential lacks of 1", a=[1, 1], x=[1, 2],
            z=[1 - math.exp(-1), 1 - math.exp(-2)])  # fmt: skip
IGAMMAC.case("W06", "for a = 1 the exponential", a=[1, 1], x=[1, 2], z=[math.exp(-1), math.exp(-2)])
IGAMMA_GRAD_A.case("W06", "a larger a shifts it to the right", a=[1], x=[1], z=[-0.4317297106349])
BETAINC.case("W06", "all of one shape, or scalars", a=[1], b=[1, 2], x=[0.25],
             error="Shapes of a and b are inconsistent: [1] vs. [2]")  # fmt: skip
BETAINC.case("W06", "for a = b = 1 the argument", a=[1, 2], b=[1, 1], x=[0.25, 0.5], z=[0.25, 0.25])
