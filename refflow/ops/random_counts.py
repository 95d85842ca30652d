"""Random counts: Poisson and binomial numbers, each from a region of words of its own, and draws of classes [W73].

    Poisson      rate < 10: how many uniform numbers multiply to more than exp(-rate) (Knuth)
                 else Hormann's transformed rejection with G(u) = (2 a / (1/2 - |u|) + b) u + rate + 0.43
    binomial     count * p < 10: how many geometric steps fit into count
                 else the same rejection, about count * p; where p > 1/2, count less a number for 1 - p
    classes      of each row of logits the class whose interval of sums of exp(logit - largest) a uniform number hits

Hormann, "The transformed rejection method for generating Poisson random variables", 1993, and "The generation of
binomial random variates", 1993.

Next: ops/random_truncated.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, REALS, float16, float32, float64, int32, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.gamma import lgamma
from refflow.ops.philox import RESERVED, Philox, PhiloxStream, uniform_float64
from refflow.ops.random_gamma import check_ending, parameters_first, samples_first, shape_then
from refflow.ops.random_numbers import Draws, uniforms_of
from refflow.ops.random_stateless import SEEDS, asked_shape, check_seed, count_of, generator_of_seed

_FLOATS = (float16, float32, float64)
_COUNTS = (float16, float32, float64, int32, int64)

RANDOM_POISSON = define_op("RandomPoisson", "shape: S, rate: dtype -> output: dtype", seed=0, seed2=0, S=INDICES,
                           dtype=_FLOATS, stateful=True, accuracy="random", source=("W73",))  # fmt: skip
RANDOM_POISSON_V2 = define_op(
    "RandomPoissonV2", "shape: S, rate: R -> output: dtype", seed=0, seed2=0, S=INDICES,
    R=Attr("type", default=float64, allowed=_COUNTS), dtype=Attr("type", default=int64, allowed=_COUNTS), stateful=True,
    accuracy="random", source=("W73",),
)  # fmt: skip
STATELESS_POISSON = define_op(
    "StatelessRandomPoisson", "shape: T, seed: Tseed, lam: Rtype -> output: dtype", Rtype=_COUNTS, dtype=_COUNTS,
    T=INDICES, Tseed=SEEDS, accuracy="random", source=("W73",),
)  # fmt: skip
for _op in (RANDOM_POISSON, RANDOM_POISSON_V2):
    _op.state(PhiloxStream)


def poissons(generator: Philox, rate: np.ndarray) -> np.ndarray:
    """A Poisson number for each rate [n], as a float."""
    blocks = np.arange(rate.size, dtype=np.uint64) * np.uint64(RESERVED)
    uniform = Draws(generator, blocks, uniforms_of, float64)
    result = np.full(rate.size, np.nan)
    few = np.flatnonzero(rate < 10)
    result[few] = _by_products(uniform, few, rate)
    result[np.isposinf(rate)] = np.inf
    many = np.flatnonzero(np.isfinite(rate) & (rate >= 10))
    result[many] = _by_rejection(uniform, many, rate)
    return result


def _by_products(uniform: Draws, rows: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Waiting times are -log u / rate: the number of those that fit into 1."""
    found, product, least = np.zeros(rate.size), np.ones(rate.size), np.exp(-rate)
    going = rows
    while going.size:
        product[going] *= uniform.take(going)
        going = going[product[going] > least[going]]
        found[going] += 1
    return found[rows]


def _by_rejection(uniform: Draws, rows: np.ndarray, rates: np.ndarray) -> np.ndarray:
    found = np.zeros(rates.size)
    going = rows
    while going.size:
        rate = rates[going]
        b = 0.931 + 2.53 * np.sqrt(rate)
        a = -0.059 + 0.02483 * b
        u = uniform.take(going) - 0.5
        v = uniform.take(going)
        inside = 0.5 - np.abs(u)
        k = np.floor((2 * a / inside + b) * u + rate + 0.43)
        quick = (inside >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
        hopeless = (k < 0) | ((inside < 0.013) & (v > inside))
        left = np.log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (inside * inside) + b))
        right = -rate + k * np.log(rate) - lgamma(np.maximum(k, 0) + 1)
        taken = quick | (~hopeless & (left <= right))
        found[going[taken]] = k[taken]
        going = going[~taken]
    return found[rows]


def _poissons_at(generator: Philox, sizes: Any, rate: Any, dtype: Any) -> np.ndarray:
    each = parameters_first(rate.astype(np.float64), count_of(sizes) // rate.size)
    return samples_first(poissons(generator, each), rate.size, sizes).astype(dtype.as_numpy_dtype)


@RANDOM_POISSON_V2.kernel
def random_poisson_v2_kernel(shape, rate, dtype, state):
    sizes = (*(int(n) for n in shape), *rate.shape)
    if not count_of(sizes):
        return np.zeros(sizes, dtype.as_numpy_dtype)
    return _poissons_at(state.region(count_of(sizes)), sizes, rate, dtype)


RANDOM_POISSON.kernel(random_poisson_v2_kernel)


@STATELESS_POISSON.kernel
def stateless_random_poisson_kernel(shape, seed, lam, dtype):
    if not count_of(shape):
        return np.zeros(tuple(shape), dtype.as_numpy_dtype)
    return _poissons_at(generator_of_seed(seed), shape, lam, dtype)


@RANDOM_POISSON_V2.shape
def _poisson_shape(context: ShapeContext) -> shapes.Shape:
    return shape_then(context, "rate")


RANDOM_POISSON.shape(_poisson_shape)


@STATELESS_POISSON.shape
def _stateless_poisson_shape(context: ShapeContext) -> shapes.Shape:
    check_seed(context)
    asked = asked_shape(context)
    check_ending(asked, context.dims("lam"))
    return asked


# -- binomial -----------------------------------------------------------------------------------------------------

STATELESS_BINOMIAL = define_op(
    "StatelessRandomBinomial", "shape: S, seed: Tseed, counts: T, probs: T -> output: dtype", S=INDICES, Tseed=SEEDS,
    T=Attr("type", default=float64, allowed=_COUNTS), dtype=Attr("type", default=int64, allowed=_COUNTS),
    accuracy="random", source=("W73",),
)  # fmt: skip


def binomials(generator: Philox, count: np.ndarray, prob: np.ndarray) -> np.ndarray:
    """How many of count [n] trials come out, each with chance prob [n]; nan for a chance that is none."""
    result = np.full(count.size, np.nan)
    result[(count <= 0) | (prob <= 0)] = 0
    sure = (count > 0) & (prob >= 1)
    result[sure] = count[sure]
    open_ = (count > 0) & (prob > 0) & (prob < 1)
    mirrored = prob > 0.5
    p = np.where(mirrored, 1 - prob, prob)  # as count * p, in the parameters' own type
    for region, draw, where in (
        (42, _by_inversion, open_ & (count * p < 10)), (RESERVED, _by_btrs, open_ & (count * p >= 10)),
    ):  # fmt: skip
        rows = np.flatnonzero(where)
        if rows.size:
            blocks = np.arange(count.size, dtype=np.uint64) * np.uint64(region)
            wide = [v.astype(np.float64) for v in (count, p)]
            found = draw(Draws(generator, blocks, uniforms_of, float64), rows, *wide)
            result[rows] = np.where(mirrored[rows], wide[0][rows] - found, found)
    return result


def _by_inversion(uniform: Draws, rows: np.ndarray, count: np.ndarray, prob: np.ndarray) -> np.ndarray:
    """A success comes after a geometric number of trials: the number of those that fit into count."""
    found, trials = np.zeros(count.size), np.zeros(count.size)
    going = rows
    while going.size:
        trials[going] += np.ceil(np.log(uniform.take(going)) / np.log1p(-prob[going]))
        going = going[trials[going] <= count[going]]
        found[going] += 1
    return found[rows]


# log k! less Stirling's formula for it.
_STIRLING = np.array([0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
                      0.0166446911898211, 0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
                      0.00925546218271273, 0.00833056343336287])  # fmt: skip


def _stirling_rest(k: np.ndarray) -> np.ndarray:
    square = (k + 1) ** 2
    far = (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)
    return np.where(k <= 9, _STIRLING[np.clip(k, 0, 9).astype(np.int64)], far)


def _by_btrs(uniform: Draws, rows: np.ndarray, counts: np.ndarray, probs: np.ndarray) -> np.ndarray:
    found = np.zeros(counts.size)
    going = rows
    while going.size:
        n, p = counts[going], probs[going]
        deviation = np.sqrt(n * p * (1 - p))
        b = 1.15 + 2.53 * deviation
        a = -0.0873 + 0.0248 * b + 0.01 * p
        r, m = p / (1 - p), np.floor((n + 1) * p)
        u = uniform.take(going)
        v = uniform.take(going)
        u = u - 0.5
        inside = 0.5 - np.abs(u)
        k = np.floor((2 * a / inside + b) * u + n * p + 0.5)
        quick = (inside >= 0.07) & (v <= 0.92 - 4.2 / b)
        possible = (k >= 0) & (k <= n)
        q = np.clip(k, 0, n)
        left = np.log(v * (2.83 + 5.1 / b) * deviation / (a / (inside * inside) + b))
        right = (
            (m + 0.5) * np.log((m + 1) / (r * (n - m + 1)))
            + (n + 1) * np.log((n - m + 1) / (n - q + 1))
            + (q + 0.5) * np.log(r * (n - q + 1) / (q + 1))
            + _stirling_rest(m) + _stirling_rest(n - m) - _stirling_rest(q) - _stirling_rest(n - q)
        )  # fmt: skip
        taken = quick | (possible & (left <= right))
        found[going[taken]] = k[taken]
        going = going[~taken]
    return found[rows]


def binomials_at(generator: Philox, sizes: Any, counts: Any, probs: Any, dtype: Any) -> np.ndarray:
    """Binomial numbers of the shape `sizes`, which ends with the parameters' broadcast one."""
    counts, probs = np.broadcast_arrays(counts, probs)
    if not count_of(sizes):
        return np.zeros(tuple(sizes), dtype.as_numpy_dtype)
    samples = count_of(sizes) // counts.size
    n, p = (parameters_first(v, samples) for v in (counts, probs))
    return samples_first(binomials(generator, n, p), counts.size, sizes).astype(dtype.as_numpy_dtype)


@STATELESS_BINOMIAL.kernel
def stateless_random_binomial_kernel(shape, seed, counts, probs, dtype):
    return binomials_at(generator_of_seed(seed), shape, counts, probs, dtype)


def binomial_shape(context: ShapeContext) -> shapes.Shape:
    """The asked shape, which must end with that of counts and probs together."""
    sizes = context.dims("shape")
    need_rank(sizes, 1, "Input shape should be a vector, got shape: {0}")
    asked, counts, probs = asked_shape(context), context.dims("counts"), context.dims("probs")
    if counts is None or probs is None:
        return asked
    try:
        together = shapes.broadcast(counts, probs)
    except ShapeError:
        raise ShapeError(f"counts and probs must have compatible batch dimensions: {shapes.text(counts)} vs. "
                         f"{shapes.text(probs)}") from None  # fmt: skip
    check_ending(asked, together)
    return asked


@STATELESS_BINOMIAL.shape
def _stateless_binomial_shape(context: ShapeContext) -> shapes.Shape:
    check_seed(context)
    return binomial_shape(context)


# -- classes ------------------------------------------------------------------------------------------------------

_OUTPUT = Attr("type", default=int64, allowed=INDICES)
MULTINOMIAL = define_op("Multinomial", "logits: T, num_samples: int32 -> output: output_dtype", seed=0, seed2=0,
                        T=REALS, output_dtype=_OUTPUT, stateful=True, accuracy="random", source=("W73",))  # fmt: skip
STATELESS_MULTINOMIAL = define_op(
    "StatelessMultinomial", "logits: T, num_samples: int32, seed: Tseed -> output: output_dtype", T=REALS, Tseed=SEEDS,
    output_dtype=_OUTPUT, accuracy="random", source=("W73",),
)  # fmt: skip
MULTINOMIAL.state(PhiloxStream)


def classes(generator: Philox, logits: np.ndarray, samples: int) -> np.ndarray:
    """int64 [rows, samples]: classes drawn by the chances exp(logit); logits that are not finite have none."""
    finite = np.isfinite(logits)
    wide = np.where(finite, logits, -np.inf).astype(np.float64)
    largest = np.where(finite.any(axis=1), wide.max(axis=1), 0.0)
    sums = np.cumsum(np.where(finite, np.exp(wide - largest[:, None]), 0.0), axis=1)  # [rows, classes]
    words = generator.words(np.arange(-(-len(logits) * samples // 2), dtype=np.uint64)).reshape(-1, 2)
    drawn = uniform_float64(words[:, 0], words[:, 1])[: len(logits) * samples].reshape(len(logits), samples)
    found = [np.searchsorted(row, u * row[-1], side="right") for row, u in zip(sums, drawn, strict=True)]
    return np.stack(found).astype(np.int64)


def _classes_at(draw: Callable[[int], Philox], logits: Any, num_samples: Any, dtype: Any) -> np.ndarray:
    samples = int(num_samples)
    if samples < 0:
        raise ValueError(f"num_samples should be non-negative, got {samples}")
    if not logits.shape[1]:
        raise ValueError("num_classes should be positive, got 0")
    if not len(logits) * samples:
        return np.zeros((len(logits), samples), dtype.as_numpy_dtype)
    reserved = len(logits) * (-(-samples // 4) * 4 * 2)
    return classes(draw(reserved), np.asarray(logits), samples).astype(dtype.as_numpy_dtype)


@MULTINOMIAL.kernel
def multinomial_kernel(logits, num_samples, output_dtype, state):
    return _classes_at(state.region, logits, num_samples, output_dtype)


@STATELESS_MULTINOMIAL.kernel
def stateless_multinomial_kernel(logits, num_samples, seed, output_dtype):
    return _classes_at(lambda _: generator_of_seed(seed), logits, num_samples, output_dtype)


@MULTINOMIAL.shape
def _multinomial_shape(context: ShapeContext) -> shapes.Shape:
    logits, samples = context.dims("logits"), context.dims("num_samples")
    need_rank(logits, 2, "logits should be a matrix, got shape {0}")
    if samples:
        raise ShapeError(f"num_samples should be a scalar, got shape {shapes.text(samples)}")
    count = context.count("num_samples") if samples is not None else None
    return (None if logits is None else logits[0], count)


@STATELESS_MULTINOMIAL.shape
def _stateless_multinomial_shape(context: ShapeContext) -> shapes.Shape:
    check_seed(context)
    return _multinomial_shape(context)


for _op in (RANDOM_POISSON, RANDOM_POISSON_V2, STATELESS_POISSON, STATELESS_BINOMIAL, MULTINOMIAL,
            STATELESS_MULTINOMIAL):  # fmt: skip
    _op.no_gradient()

STATELESS_BINOMIAL.case("W73", "no trial, no chance, no doubt", dtype="int32", S="int32", shape=[3], seed=[1, 2],
                        counts=[0, 5, 5], probs=[0.5, 0, 1], output=[0, 0, 5])  # fmt: skip
STATELESS_BINOMIAL.case("W73", "parameters broadcast", dtype="int32", S="int32", shape=[3], seed=[1, 2],
                        counts=[0, 5, 5], probs=[0.5, 0],
                        error="counts and probs must have compatible batch dimensions: [3] vs. [2]")  # fmt: skip
MULTINOMIAL.case("W73", "one class is certain", output_dtype="int32", logits=[[5], [-1]], num_samples=2,
                 output=[[0, 0], [0, 0]])  # fmt: skip
MULTINOMIAL.case("W73", "rows of logits", logits=[1], num_samples=2, error="logits should be a matrix, got shape [1]")
MULTINOMIAL.case("W73", "samples are counted", logits=[[1]], num_samples=-1,
                 error="num_samples should be non-negative, got -1")  # fmt: skip
STATELESS_MULTINOMIAL.case("W73", "one class is certain", output_dtype="int32", Tseed="int32", logits=[[-1, 5000]],
                           num_samples=2, seed=[3, 4], output=[[1, 1]])  # fmt: skip
RANDOM_POISSON_V2.case("W73", "no rate, no sample", S="int32", dtype="int32", shape=[2], rate=np.zeros(0, np.float32),
                       output=np.zeros((2, 0), np.int32))  # fmt: skip
STATELESS_POISSON.case("W73", "rate 0", T="int32", Tseed="int32", Rtype="float32", dtype="int32", shape=[2],
                       seed=[3, 4], lam=0, output=[0, 0])  # fmt: skip
