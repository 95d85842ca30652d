"""Functions of angles, areas and distributions, for cards: each is rounded to float32 where its value is found.

    tan            x less quarters of a turn, and a polynomial of degree 13; beyond a million sin(x) / cos(x)
    arctan         x, -1 / x or (x - 1) / (x + 1), and a polynomial of degree 9 around 0
    arctan2        of the smaller size over the larger one, then mirrored to the quarter that has the point
    arcsin         near 0 an odd polynomial, else from arcsin(sqrt((1 - x) / 2));     arccos = pi / 2 - arcsin
    sinh, cosh     half of exp(x), and a quarter over that
    arcsinh, arccosh     log(x + sqrt(x^2 +- 1)), the first near 0 a polynomial
    arctanh        log((1 + x) / (1 - x)) / 2, near 0 a polynomial
    erfc           exp(-x^2) t P(t)     t = 2 / (2 + x), a polynomial of degree 10
    erfinv         x P(w)               w = -log(1 - x^2): sqrt(w) Q(2 / sqrt(w)) where w is large
    ndtri          sqrt(2) erfinv(2 x - 1), with w from x itself, so that small shares keep their digits
    lgamma         Stirling's sum from 10 on; below, less the logarithm of what the steps up multiply to
    digamma        its slope; for both, what is negative is mirrored

What would lose digits in float32 is done in float64: turns, x^2 + 1, and all of the last five. Errors in units of the
last place, measured over all of float32's exponents: digamma, erfc and lgamma 1, sinh, cosh, arcsinh, arccosh, arctanh,
arccos, erfinv and ndtri 2, arcsin 2.5, tan, arctan and arctan2 3, tan beyond a million what sin and cos leave.

The float32 polynomials are those of S. L. Moshier's Cephes library; erfc's and erfinv's are fitted for the least
largest relative error.

Next: refflow_kernels/gpu/elementwise.py.
"""

from __future__ import annotations

import triton
import triton.language as tl

from refflow_kernels.gpu.functions import exp_times, log, signed

# -- angles --------------------------------------------------------------------------------------------------------


@triton.jit
def tan(x):
    """Of what is left of x by quarters of a turn; far out, the sine over the cosine."""
    wide = x.to(tl.float64)
    n = tl.floor(wide * 0.63661977236758134 + 0.5)
    r = (wide - n * 1.57079632673412561 - n * 6.07710050650619225e-11).to(tl.float32)  # the first product is exact
    s = r * r
    p = 9.38540185543e-3 * s + 3.11992232697e-3
    p = p * s + 2.44301354525e-2
    p = p * s + 5.34112807005e-2
    p = p * s + 1.33387994085e-1
    p = p * s + 3.33331568548e-1
    p = p * s * r + r
    odd = tl.floor(n * 0.5) * 2.0 != n
    near = tl.div_rn(tl.where(odd, -1.0, p), tl.where(odd, p, 1.0))
    return tl.where(tl.abs(x) < 1e6, near, tl.div_rn(tl.sin(x), tl.cos(x)))


@triton.jit
def angle(z):
    """arctan of z >= 0."""
    far, middle = z > 2.4142135623730951, z > 0.41421356237309503  # tan of 3 pi / 8 and pi / 8
    above = tl.where(far, -1.0, tl.where(middle, z - 1.0, z))
    x = tl.div_rn(above, tl.where(far, z, tl.where(middle, z + 1.0, 1.0)))
    s = x * x
    p = 8.05374449538e-2 * s - 1.38776856032e-1
    p = p * s + 1.99777106478e-1
    p = p * s - 3.33329491539e-1
    return tl.where(far, 1.5707963267948966, tl.where(middle, 0.78539816339744831, 0.0)) + (p * s * x + x)


@triton.jit
def arctan(x):
    """The angle in (-pi / 2, pi / 2) whose tangent is x."""
    return signed(angle(tl.abs(x)), x)


@triton.jit
def arctan2(y, x):
    """The angle of the point (x, y), in [-pi, pi]; zeros and infinities have signs."""
    a, b = tl.abs(y), tl.abs(x)
    low, high = tl.where(a > b, b, a), tl.where(a > b, a, b)
    q = tl.div_rn(low, tl.where(high == 0, 1.0, high))
    found = angle(tl.where(low == high, tl.where(low == 0, 0.0, 1.0), q))  # infinite ones too
    found = tl.where(a > b, 1.5707963267948966 - found, found)
    found = tl.where(x.to(tl.int32, bitcast=True) < 0, 3.1415926535897932 - found, found)
    return tl.where(x == x, signed(found, y), x)


@triton.jit
def arcsin_near(x):
    """arcsin of |x| <= 1/2."""
    s = x * x
    p = 4.2163199048e-2 * s + 2.4181311049e-2
    p = p * s + 4.5470025998e-2
    p = p * s + 7.4953002686e-2
    p = p * s + 1.6666752422e-1
    return p * s * x + x


@triton.jit
def arcsin(x):
    """The angle in [-pi / 2, pi / 2] whose sine is x; NaN beyond 1."""
    z = tl.abs(x)
    far = z > 0.5
    half = arcsin_near(tl.where(far, tl.sqrt_rn(0.5 * (1.0 - z)), z))
    return signed(tl.where(far, 1.5707963267948966 - (half + half), half), x)


@triton.jit
def arccos(x):
    """The angle in [0, pi] whose cosine is x; NaN beyond 1."""
    z = tl.abs(x)
    far = z > 0.5
    half = arcsin_near(tl.where(far, tl.sqrt_rn(0.5 * (1.0 - z)), x))
    outer = tl.where(x < 0, 3.1415926535897932 - (half + half), half + half)
    return tl.where(far, outer, 1.5707963267948966 - half)


# -- areas ---------------------------------------------------------------------------------------------------------


@triton.jit
def sinh(x):
    """(exp(x) - exp(-x)) / 2."""
    half = exp_times(tl.abs(x), -1)
    far = half - tl.div_rn(0.25, half)
    s = x * x
    p = 2.03721912945e-4 * s + 8.33028376239e-3
    p = p * s + 1.66667160211e-1
    return tl.where(tl.abs(x) > 1.0, signed(far, x), p * s * x + x)


@triton.jit
def cosh(x):
    """(exp(x) + exp(-x)) / 2."""
    half = exp_times(tl.abs(x), -1)
    return half + tl.div_rn(0.25, half)


@triton.jit
def log_of_sum(x, square):
    """log(x + sqrt(square)), the square in float64."""
    wide = x.to(tl.float64)
    total = wide + tl.sqrt(square)
    high = total.to(tl.float32)
    near = log(high) + ((total - high.to(tl.float64)) / total).to(tl.float32)  # what rounding took away
    return tl.where(x > 1e6, log(x) + 0.69314718055994531, near)


@triton.jit
def arcsinh(x):
    """log(x + sqrt(x^2 + 1))."""
    z = tl.abs(x)
    wide = z.to(tl.float64)
    far = log_of_sum(z, wide * wide + 1.0)
    s = x * x
    p = 2.0122003309e-2 * s - 4.2699340972e-2
    p = p * s + 7.4847586088e-2
    p = p * s - 1.6666288134e-1
    return signed(tl.where(z >= 0.5, far, p * s * z + z), x)


@triton.jit
def arccosh(x):
    """log(x + sqrt(x^2 - 1)); NaN below 1."""
    wide = x.to(tl.float64)
    return tl.where(x < 1.0, float("nan"), log_of_sum(x, tl.abs(wide * wide - 1.0)))


@triton.jit
def arctanh(x):
    """log((1 + x) / (1 - x)) / 2; NaN beyond 1."""
    z = tl.abs(x)
    far = 0.5 * log(tl.div_rn(1.0 + z, 1.0 - z))
    s = x * x
    p = 1.81740078349e-1 * s + 8.24370301058e-2
    p = p * s + 1.46691431730e-1
    p = p * s + 1.99782164500e-1
    p = p * s + 3.33337300303e-1
    return tl.where(z >= 0.5, signed(far, x), p * s * x + x)


# -- distributions -------------------------------------------------------------------------------------------------


@triton.jit
def erfc(x):
    """1 - erf(x), to the last digit where little is left."""
    z = tl.minimum(tl.abs(x), 12.0).to(tl.float64)  # beyond, it is 0
    t = 2.0 / (z + 2.0)
    p = 3.57676008405192e-02 * t - 1.91036279773808e-01
    p = p * t + 3.81427034305189e-01
    p = p * t - 2.89602789234829e-01
    p = p * t - 2.19502056929196e-02
    p = p * t + 3.53997275049401e-02
    p = p * t + 5.48804728595965e-02
    p = p * t + 1.85594255665886e-01
    p = p * t + 2.45179280078734e-01
    p = p * t + 2.82252385494398e-01
    p = p * t + 2.82088521447053e-01
    found = tl.exp(z * z * -1.0) * t * p
    return tl.where(x == x, tl.where(x < 0, 2.0 - found, found).to(tl.float32), x)


@triton.jit
def quantile(x, w):
    """Where erf is x, w = -log(1 - x^2), both float64."""
    near = w - 2.5
    p = -8.791180150505e-09 * near + 2.323271028034e-08
    p = p * near + 4.661723701683e-07
    p = p * near - 3.462705568356e-06
    p = p * near - 4.963355649792e-06
    p = p * near + 2.183444425041e-04
    p = p * near - 1.252741865388e-03
    p = p * near - 4.177386784770e-03
    p = p * near + 2.466402861476e-01
    p = p * near + 1.501409359283
    s = tl.sqrt(w)
    far = 2.0 / s - 0.5
    q = 6.544148663590 * far - 1.098194905299
    q = q * far - 3.161065185384
    q = q * far + 4.331516384222e-02
    q = q * far + 5.712080815533e-01
    q = q * far + 2.058115836113e-01
    q = q * far - 3.559693923877e-02
    q = q * far + 7.030237387982e-02
    q = q * far + 2.015779938230e-02
    q = q * far - 9.909175962102e-02
    q = q * far + 9.599459484434e-01
    return x * tl.where(w < 5.0, p, q * s)


@triton.jit
def erfinv(x):
    """Where erf is x; infinite at 1 and -1, NaN beyond."""
    wide = x.to(tl.float64)
    return quantile(wide, tl.log((1.0 - wide) * (1.0 + wide)) * -1.0).to(tl.float32)


@triton.jit
def ndtri(x):
    """Where the normal distribution's share below is x; infinite at 0 and 1, NaN beyond."""
    wide = x.to(tl.float64)
    w = tl.log(4.0 * wide * (1.0 - wide)) * -1.0
    return (1.4142135623730951 * quantile(2.0 * wide - 1.0, w)).to(tl.float32)


@triton.jit
def sine(y):
    """sin(y) in float64, |y| <= pi / 2."""
    s = y * y
    p = -8.2206352466243295e-18 * s + 2.8114572543455206e-15
    p = p * s - 7.6471637318198164e-13
    p = p * s + 1.6059043836821613e-10
    p = p * s - 2.5052108385441720e-08
    p = p * s + 2.7557319223985893e-06
    p = p * s - 1.9841269841269841e-04
    p = p * s + 8.3333333333333332e-03
    p = p * s - 1.6666666666666666e-01
    p = p * s + 1.0
    return p * y


@triton.jit
def cosine(y):
    """cos(y) in float64, |y| <= pi / 2."""
    s = y * y
    p = 4.1103176233121648e-19 * s - 1.5619206968586225e-16
    p = p * s + 4.7794773323873853e-14
    p = p * s - 1.1470745597729725e-11
    p = p * s + 2.0876756987868100e-09
    p = p * s - 2.7557319223985888e-07
    p = p * s + 2.4801587301587302e-05
    p = p * s - 1.3888888888888889e-03
    p = p * s + 4.1666666666666664e-02
    p = p * s - 0.5
    p = p * s + 1.0
    return p


@triton.jit
def lgamma(x):
    """The logarithm of |gamma(x)|: infinite at the poles and beyond all numbers."""
    wide = tl.abs(x).to(tl.float64)
    u, product = wide, wide * 0.0 + 1.0
    for _ in range(10):
        product = tl.where(u < 10.0, product * u, product)
        u = tl.where(u < 10.0, u + 1.0, u)
    r = 1.0 / u
    s = r * r
    p = 6.410256410256410e-3 * s - 1.917526917526917e-3
    p = p * s + 8.417508417508417e-4
    p = p * s - 5.952380952380952e-4
    p = p * s + 7.936507936507937e-4
    p = p * s - 2.777777777777778e-3
    p = p * s + 8.333333333333333e-2
    rest = (u - 0.5) * tl.log(u) - u + 0.91893853320467274 + p * r
    turn = tl.abs(wide - tl.floor(wide + 0.5)) * 3.1415926535897932
    mirrored = 3.1415926535897932 * product / (wide * sine(turn))
    steps = tl.log(tl.where(x < 0, mirrored, product))
    found = tl.where(x < 0, steps - rest, rest - steps).to(tl.float32)
    found = tl.where(x == 1.0, 0.0, tl.where(x == 2.0, 0.0, found))  # the sum is so but for its last digit
    pole = tl.where(x <= 0, tl.floor(x) == x, x == float("inf"))
    return tl.where(pole, float("inf"), found)


@triton.jit
def digamma(x):
    """The slope of lgamma: NaN at the poles."""
    wide = x.to(tl.float64)
    u = tl.where(wide < 0.5, 1.0 - wide, wide)
    above, below = u * 0.0, u * 0.0 + 1.0  # the sum of 1 / (u + k) as one quotient
    for _ in range(10):
        above = tl.where(u < 10.0, above * u + below, above)
        below = tl.where(u < 10.0, below * u, below)
        u = tl.where(u < 10.0, u + 1.0, u)
    r = 1.0 / u
    s = r * r
    p = -2.109279609279609e-2 * s + 7.575757575757576e-3
    p = p * s - 4.166666666666667e-3
    p = p * s + 3.968253968253968e-3
    p = p * s - 8.333333333333333e-3
    p = p * s + 8.333333333333333e-2
    found = tl.log(u) - 0.5 * r - p * s - above / below
    turn = (wide - tl.floor(wide + 0.5)) * 3.1415926535897932
    found = tl.where(wide < 0.5, found - 3.1415926535897932 * cosine(turn) / sine(turn), found)
    pole = tl.where(x <= 0, tl.floor(x) == x, False)
    found = tl.where(x == float("inf"), x, found.to(tl.float32))
    return tl.where(pole, float("nan"), found)
