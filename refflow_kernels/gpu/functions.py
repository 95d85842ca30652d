"""Elementary functions in float32, made of sums and products: the card gives the bits that the interpreter gives.

    exp(x)     2^n exp(r)     x = n log 2 + r, |r| <= log(2) / 2, a polynomial of degree 7
    log(x)     e log 2 + log(m)     x = m 2^e, m in [sqrt(1/2), sqrt(2)), a polynomial of degree 11
    tanh(x)    1 - 2 / (exp(2 x) + 1), near 0 a polynomial
    expm1, log1p     from exp and log, each corrected by what rounding took away (W. Kahan)
    power      exp(y log |x|) in float64, rounded once
    fmod       x less 2^27k y as often as it goes, k = 10 ... 0, in float64: nothing is rounded
    erf(x)     below 1 an odd polynomial, above 1 - exp(a polynomial of degree 5)
    rint(x)    the nearest whole number, of two the even one

The card's own exp and log are instructions that are good to 22 bits, and log near 1 to none; next to the bytes that a
kernel moves, thirty more multiplications are free. log 2 is held in two parts, of which the first has so few bits that
its product with n is exact, so that nothing needs a fused multiply-add. Errors, in units of the last place, measured
over all of float32's exponents: exp 1, log 1, tanh 1.5, erf 2.5, expm1 and log1p 3, power 0.5.

The polynomials are those of S. L. Moshier's Cephes library; erf's are fitted for the least largest error.

Next: refflow_kernels/gpu/special_functions.py.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def maximum(a, b):
    """The larger one, and NaN where there is one."""
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def minimum(a, b):
    """The smaller one, and NaN where there is one."""
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def signed(size, x):
    """size with the sign of x, of which -0 has one too."""
    return tl.where(x.to(tl.int32, bitcast=True) < 0, size * -1, size)


@triton.jit
def exp(x):
    """e^x."""
    return exp_times(x, 0)


@triton.jit
def exp_times(x, k):
    """2^k e^x, for k = 0 or -1."""
    inside = tl.minimum(tl.maximum(x, -104.0), 90.0)  # beyond, the result is 0 or infinite all the same
    n = tl.floor(inside * 1.44269504088896341 + 0.5)
    r = inside - n * 0.693359375 - n * -2.12194440e-4
    p = 1.9875691500e-4 * r + 1.3981999507e-3
    p = p * r + 8.3334519073e-3
    p = p * r + 4.1665795894e-2
    p = p * r + 1.6666665459e-1
    p = p * r + 5.0000001201e-1
    p = p * r * r + r + 1.0
    n = n.to(tl.int32) + k
    half = n >> 1  # 2^n in two steps: it may lie outside of the numbers while the result does not
    first = ((half + 127) << 23).to(tl.float32, bitcast=True)
    second = ((n - half + 127) << 23).to(tl.float32, bitcast=True)
    return tl.where(x != x, x, p * first * second)


@triton.jit
def log(x):
    """The natural logarithm: -inf at 0, NaN below."""
    small = x < 1.1754943508222875e-38  # subnormals have no exponent of their own
    bits = tl.where(small, x * 8388608.0, x).to(tl.int32, bitcast=True)
    e = ((bits >> 23) & 0xFF) - 126 - tl.where(small, 23, 0)
    m = ((bits & 0x7FFFFF) | 0x3F000000).to(tl.float32, bitcast=True)  # [1/2, 1)
    low = m < 0.70710678118654752
    e = (e - tl.where(low, 1, 0)).to(tl.float32)
    m = tl.where(low, m + m, m) - 1.0
    z = m * m
    p = 7.0376836292e-2 * m - 1.1514610310e-1
    p = p * m + 1.1676998740e-1
    p = p * m - 1.2420140846e-1
    p = p * m + 1.4249322787e-1
    p = p * m - 1.6668057665e-1
    p = p * m + 2.0000714765e-1
    p = p * m - 2.4999993993e-1
    p = p * m + 3.3333331174e-1
    y = p * m * z + e * -2.12194440e-4 - 0.5 * z
    found = m + y + e * 0.693359375
    found = tl.where(x == float("inf"), x, found)
    found = tl.where(x == 0, -float("inf"), found)
    return tl.where(x >= 0, found, float("nan"))


@triton.jit
def tanh(x):
    """Between -1 and 1."""
    z = tl.abs(x)
    far = 1.0 - tl.div_rn(2.0, exp(z + z) + 1.0)
    s = x * x
    p = -5.70498872745e-3 * s + 2.06390887954e-2
    p = p * s - 5.37397155531e-2
    p = p * s + 1.33314422036e-1
    p = p * s - 3.33332819422e-1
    return signed(tl.where(z >= 0.625, far, p * s * z + z), x)


@triton.jit
def expm1(x):
    """exp(x) - 1, also where exp(x) is nearly 1."""
    u = exp(x)
    w = u - 1.0
    near = tl.div_rn(w * x, log(u))
    found = tl.where(u == 1.0, x, tl.where(w == -1.0, -1.0, near))
    return tl.where(x > 30.0, w, found)


@triton.jit
def log1p(x):
    """log(1 + x), also where 1 + x is nearly 1."""
    u = 1.0 + x
    found = tl.where(u == 1.0, x, log(u) * tl.div_rn(x, u - 1.0))
    return tl.where(u == float("inf"), u, found)


@triton.jit
def erf(x):
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    z = tl.minimum(tl.abs(x), 4.0)  # beyond, it is 1 to the last bit
    p = -1.150424126535654e-3 * z + 1.47781353443861e-2
    p = p * z - 8.863421529531479e-2
    p = p * z - 6.544888615608215e-1
    p = p * z - 1.117438554763794
    far = 1.0 - exp(p * z - 2.6716904249042273e-3)
    s = x * x
    q = 7.889119297033176e-5 * s - 8.020841050893068e-4
    q = q * s + 5.189535208046436e-3
    q = q * s - 2.6854444295167923e-2
    q = q * s + 1.1283600330352783e-1
    q = q * s - 3.761262595653534e-1
    q = q * s + 1.1283791065216064
    return tl.where(tl.abs(x) >= 1.0, tl.where(x < 0, -far, far), q * x)


@triton.jit
def rint(x):
    """The nearest whole number, of two the even one; what is 0 keeps its sign."""
    below = tl.floor(x)
    over = x - below
    odd = tl.floor(below * 0.5) * 2.0 != below
    up = tl.where(over == 0.5, odd, over > 0.5)
    found = tl.where(up, below + 1.0, below)
    return tl.where(found == 0, x * 0.0, found)


@triton.jit
def cut(x):
    """The upper half of a float32's bits; a NaN that is one by the lower half alone gets another bit."""
    bits = x.to(tl.int32, bitcast=True)
    return tl.where(x == x, bits & -65536, (bits | 0x400000) & -65536).to(tl.float32, bitcast=True)


@triton.jit
def power(x, y):
    """x^y: below 0 for whole y alone, and 1 where x is 1 or y is 0."""
    wide = y.to(tl.float64)
    size = tl.exp(wide * tl.log(tl.abs(x).to(tl.float64)))
    whole = tl.floor(wide) == wide
    odd = tl.where(tl.floor(wide * 0.5) * 2.0 == wide, False, whole)
    has_none = tl.where(x > -float("inf"), x < 0, False)
    found = tl.where(has_none, tl.where(whole, size, float("nan")), size)
    found = tl.where(x.to(tl.int32, bitcast=True) < 0, tl.where(odd, found * -1, found), found)  # -0 has a sign too
    one = tl.where(x == 1.0, True, y == 0)
    one = tl.where(x == -1.0, tl.where(tl.abs(wide) == float("inf"), True, one), one)
    return tl.where(one, 1.0, found).to(tl.float32)


@triton.jit
def fmod(x, y):
    """What is left of x when y is taken away as often as it goes, with the sign of x. The card's own rounds x / y."""
    rest, size = tl.abs(x).to(tl.float64), tl.abs(y).to(tl.float64)
    piece = size * 1.8971375900641885e81  # 2^270, beyond every quotient's last 2^27
    for _ in range(11):
        rest = rest - tl.floor(rest / piece) * piece
        piece = piece * 7.450580596923828e-09  # 2^-27
    left = tl.where(size == float("inf"), tl.abs(x), rest.to(tl.float32))
    left = tl.where(tl.abs(x) < float("inf"), left, float("nan"))
    return tl.where(x.to(tl.int32, bitcast=True) < 0, left * -1, left)  # -0 has a sign too


@triton.jit
def quotient(i, magic, shift, SAME: tl.constexpr = 1):
    """i // d for 0 <= i < 2^31, where `magic` and `shift` are those of d: a product instead of a division.

    SAME: so many neighbours have one quotient. The compiler is told here: a hint on what a function gave is lost.
    """
    i = i.to(tl.uint32)
    found = (tl.umulhi(i, magic.to(tl.uint32)) + i) >> shift.to(tl.uint32)
    if SAME > 1:
        found = tl.max_constancy(found, SAME)
    return found.to(tl.int32)


def magic_of(d: int) -> tuple[int, int]:
    """What `quotient` needs of a divisor; magic is a 32-bit number in two's complement.

    >>> [((i * (m % 2**32) >> 32) + i) >> s for d in (1, 3, 7) for m, s in [magic_of(d)] for i in (20,)]
    [20, 6, 2]
    """
    shift = (d - 1).bit_length()
    magic = ((1 << 32) * ((1 << shift) - d)) // d + 1
    return (magic - (1 << 32) if magic >= 1 << 31 else magic), shift
