"""Gamma-distributed tensors: Marsaglia and Tsang's rejection, each element from a region of words of its own [W73].

    d = alpha - 1/3, c = 1 / (3 sqrt d)                  for alpha < 1 of alpha + 1
    x normal, v = (1 + c x)^3, u uniform
    accept d v      if log u < x^2 / 2 + d (1 - v + log v), of which u < 1 - 0.0331 x^4 is a quick sign
    alpha < 1       times u^(1 / alpha);           alpha = 1       -log(1 - u)

Everything is computed in float64. The samples are differentiable in alpha: where P is the distribution's integral and
p its density, moving alpha moves the sample by

    d sample / d alpha = -(dP / d alpha) / p                                       RandomGammaGrad

Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; Figurnov et al., "Implicit
reparameterization gradients", 2018.

Next: ops/random_counts.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, float16, float32, float64
from refflow.core.elementwise import define_broadcasting
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.ops.array import reshape, shape
from refflow.ops.gamma import digamma
from refflow.ops.joining import concat
from refflow.ops.philox import RESERVED, Philox, PhiloxStream
from refflow.ops.random_numbers import Draws, normals_of, uniforms_of
from refflow.ops.random_stateless import (
    SEEDS,
    SHAPES,
    asked_shape,
    check_seed,
    count_of,
    generator_of_key,
    generator_of_seed,
)
from refflow.ops.reductions import reduce_sum

_TYPES = (float16, float32, float64)

RANDOM_GAMMA = define_op("RandomGamma", "shape: S, alpha: T -> output: T", seed=0, seed2=0, S=INDICES, T=_TYPES,
                         stateful=True, accuracy="random", source=("W73",))  # fmt: skip
STATELESS_GAMMA_V2 = define_op("StatelessRandomGammaV2", "shape: T, seed: Tseed, alpha: dtype -> output: dtype",
                               dtype=_TYPES, T=INDICES, Tseed=SEEDS, accuracy="random", source=("W73",))  # fmt: skip
STATELESS_GAMMA_V3 = define_op(
    "StatelessRandomGammaV3", "shape: shape_dtype, key: uint64, counter: uint64, alg: int32, alpha: dtype -> "
    "output: dtype", dtype=_TYPES, shape_dtype=SHAPES, accuracy="random", source=("W73",),
)  # fmt: skip
RANDOM_GAMMA.state(PhiloxStream)


def as_stored(numbers: np.ndarray, dtype: Any) -> np.ndarray:
    """float64 as another type; float16 by way of float32, which rounds twice."""
    return (numbers.astype(np.float32) if dtype == np.float16 else numbers).astype(dtype)


def parameters_first(parameters: Any, samples: int) -> np.ndarray:
    """The parameter of each element, in the order in which they are numbered: all samples of one, then of the next."""
    return np.repeat(np.asarray(parameters).reshape(-1), samples)


def samples_first(numbers: np.ndarray, parameters: int, sizes: Any) -> np.ndarray:
    """Those elements in the order in which they stand in the output."""
    return numbers.reshape(parameters, -1).T.reshape(tuple(sizes))


def gammas(generator: Philox, alpha: np.ndarray) -> np.ndarray:
    """A gamma-distributed float64 for each alpha [n]."""
    blocks = np.arange(alpha.size, dtype=np.uint64) * np.uint64(RESERVED)
    normal, uniform = (Draws(generator, blocks, make, float64) for make in (normals_of, uniforms_of))
    result = np.empty(alpha.size)
    plain = np.flatnonzero(alpha == 1)
    result[plain] = -np.log1p(-uniform.take(plain))
    below = alpha < 1
    d = np.where(below, alpha + 2 / 3, alpha - 1 / 3)
    c = 1 / 3 / np.sqrt(d)
    rows = np.flatnonzero(alpha != 1)
    while rows.size:
        x = normal.take(rows)
        v = 1 + c[rows] * x
        going = v > 0
        rows, x, v, left = rows[going], x[going], v[going] ** 3, rows[~going]
        u = uniform.take(rows)
        quick = u < 1 - 0.0331 * (x * x) * (x * x)
        taken = quick | (np.log(u) < 0.5 * x * x + d[rows] * (1 - v + np.log(v)))
        done = rows[taken]
        result[done] = d[done] * v[taken]
        small = done[below[done]]
        result[small] *= uniform.take(small) ** (1 / alpha[small])
        rows = np.concatenate([rows[~taken], left])
    return result


def _gammas_at(generator: Philox, sizes: Any, alpha: Any) -> np.ndarray:
    each = parameters_first(alpha.astype(np.float64), count_of(sizes) // alpha.size)
    return samples_first(as_stored(gammas(generator, each), alpha.dtype), alpha.size, sizes)


@RANDOM_GAMMA.kernel
def random_gamma_kernel(shape, alpha, state):
    sizes = (*(int(n) for n in shape), *alpha.shape)
    if not count_of(sizes):
        return np.zeros(sizes, alpha.dtype)
    return _gammas_at(state.region(count_of(sizes)), sizes, alpha)


@STATELESS_GAMMA_V2.kernel
def stateless_random_gamma_v2_kernel(shape, seed, alpha):
    return _gammas_at(generator_of_seed(seed), shape, alpha) if count_of(shape) else np.zeros(shape, alpha.dtype)


@STATELESS_GAMMA_V3.kernel
def stateless_random_gamma_v3_kernel(shape, key, counter, alg, alpha):
    generator = generator_of_key(key, counter, alg)
    return _gammas_at(generator, shape, alpha) if count_of(shape) else np.zeros(shape, alpha.dtype)


def shape_then(context: ShapeContext, name: str) -> shapes.Shape:
    """The sizes in `shape`, then those of the input `name`."""
    first, rest = asked_shape(context), context.dims(name)
    return None if first is None or rest is None else (*first, *rest)


def check_ending(asked: shapes.Shape, ending: shapes.Shape) -> None:
    """The asked shape must end with the parameters'."""
    if asked is None or ending is None:
        return
    if len(ending) > len(asked) or not shapes.compatible(asked[len(asked) - len(ending) :], ending):
        raise ShapeError("Shape passed in must end with broadcasted shape.")


@RANDOM_GAMMA.shape
def _random_gamma_shape(context: ShapeContext) -> shapes.Shape:
    return shape_then(context, "alpha")


@STATELESS_GAMMA_V2.shape
def _stateless_v2_shape(context: ShapeContext) -> shapes.Shape:
    check_seed(context)
    return _stateless_v3_shape(context)


@STATELESS_GAMMA_V3.shape
def _stateless_v3_shape(context: ShapeContext) -> shapes.Shape:
    asked = asked_shape(context)
    check_ending(asked, context.dims("alpha"))
    return asked


# -- slopes in alpha ----------------------------------------------------------------------------------------------

_TINY = 1e-30  # a step into the complex plane: f(a + ih) has f's derivative as its imaginary part over h, exactly
_MANY = 10_000


def _series(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """sum over n of x^n / (a (a + 1) ... (a + n)), which times x and the density is P."""
    term = 1 / a
    total = term.copy()
    for n in range(1, _MANY):
        term = term * x / (a + n)
        total = total + term
        if np.all(np.abs(term) <= 1e-17 * np.abs(total)):
            break
    return total


def _fraction(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The continued fraction that times x and the density is 1 - P, by Lentz's method."""
    b = x + 1 - a
    c, d = np.full_like(b, 1e300), 1 / b
    h = d.copy()
    for i in range(1, _MANY):
        b = b + 2
        d = 1 / (-i * (i - a) * d + b)
        c = b - i * (i - a) / c
        h = h * (c * d)
        if np.all(np.abs(c * d - 1) < 1e-16):
            break
    return h


def sample_slope(alpha: Any, sample: Any) -> np.ndarray:
    """-(dP / d alpha) / p at the samples, from the series below alpha + 1 and the fraction above."""
    a, x = np.broadcast_arrays(np.asarray(alpha, np.float64), np.asarray(sample, np.float64))
    bad = ~(a > 0) | ~(x > 0)
    a, x = np.where(bad, 1.0, a), np.where(bad, 1.0, x)
    found = np.empty(a.shape)
    for function, sign, where in ((_series, -1, x < a + 1), (_fraction, 1, x >= a + 1)):
        if where.any():
            value = function(a[where] + 1j * _TINY, x[where].astype(complex))
            rate = np.log(x[where]) - digamma(a[where])
            found[where] = sign * x[where] * (value.real * rate + value.imag / _TINY)
    # Where the density comes out as zero, no sample falls, and there is no slope.
    with np.errstate(over="ignore"):
        log_density = a * np.log(x) - x - np.vectorize(math.lgamma, otypes=[float])(a + 1)
    limit = np.log(np.finfo(np.asarray(sample).dtype).max)
    found = np.where(log_density < -limit, 0.0, found)
    return np.where(bad, np.where(np.asarray(sample) == 0, 0.0, np.nan), found)


RANDOM_GAMMA_GRAD = define_broadcasting("RandomGammaGrad", "alpha sample", sample_slope, output="output",
                                        T=(float32, float64), accuracy="special", source=("W73",))  # fmt: skip
RANDOM_GAMMA_GRAD.no_gradient_registered()


def _alpha_gradient(op: Any, dy: Any) -> Any:
    """dalpha = the sum over the samples of dy times each sample's slope."""
    alpha = op.inputs["alpha"]
    slopes = dy * RANDOM_GAMMA_GRAD(alpha, op.outputs[0])
    return reduce_sum(reshape(slopes, concat(0, [np.array([-1], np.int32), shape(alpha)])), [0])


for _op in (RANDOM_GAMMA, STATELESS_GAMMA_V2, STATELESS_GAMMA_V3):
    _op.gradient(lambda op, dy: (None,) * (len(op.inputs) - 1) + (_alpha_gradient(op, dy),))

RANDOM_GAMMA_GRAD.case("W73", "for alpha = 1 by its integral", alpha=[1], sample=[1],
                       output=[1.17356303])  # fmt: skip
RANDOM_GAMMA.case("W73", "no alpha, no sample", S="int32", shape=[2], alpha=np.zeros(0, np.float32),
                  output=np.zeros((2, 0), np.float32))  # fmt: skip
STATELESS_GAMMA_V2.case("W73", "the shape ends with alpha's", T="int32", Tseed="int32", shape=[2], seed=[1, 2],
                        alpha=[1, 2, 3], error="Shape passed in must end with broadcasted shape.")  # fmt: skip
