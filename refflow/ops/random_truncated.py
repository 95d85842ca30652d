"""Normal tensors within bounds of their own: mean, deviation, least and largest value for each batch [W73].

With lo and hi the bounds in deviations from the mean, mirrored so that a one-sided bound is the lower one:

    many deviations inside    normals are drawn, those outside dropped
    hi - lo is small          z uniform in [lo, hi], kept with chance exp((p - z^2) / 2), p = max(lo, 0)^2
    else                      z = lo - log(u1) / a, kept with chance exp(-(a - z)^2 / 2), a = (lo + sqrt(lo^2 + 4)) / 2

Small means: below 2 exp(1/2 + lo (lo - s) / 4) / (lo + s) with s = sqrt(lo^2 + 4). The batches draw one after the other
from one stream; a block that a batch has begun is not used by the next.

Robert, "Simulation of truncated normal variables", 1995.

Next: ops/random_generator.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, INDICES, DType, float16, float32, float64
from refflow.core.errors import InternalError, ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.ops.philox import Philox, PhiloxStream
from refflow.ops.random_gamma import check_ending, samples_first
from refflow.ops.random_numbers import normals_of, per_block, uniforms_of
from refflow.ops.random_stateless import SEEDS, asked_shape, check_seed, count_of, generator_of_seed

MOST_TRIES = 1000  # in a row, for one element
_WIDE = 1.3  # deviations inside the bounds from which on normals are drawn
_TOGETHER = 100  # elements of a batch, where all have the same parameters

PARAMETERIZED = define_op(
    "ParameterizedTruncatedNormal",
    "shape: T, means: dtype, stdevs: dtype, minvals: dtype, maxvals: dtype -> output: dtype", seed=0, seed2=0,
    dtype=FLOATS, T=INDICES, stateful=True, accuracy="random", source=("W73",),
)  # fmt: skip
STATELESS = define_op(
    "StatelessParameterizedTruncatedNormal",
    "shape: S, seed: Tseed, means: dtype, stddevs: dtype, minvals: dtype, maxvals: dtype -> output: dtype", S=INDICES,
    Tseed=SEEDS, dtype=(float16, float32, float64), accuracy="random", source=("W73",),
)  # fmt: skip
PARAMETERIZED.state(PhiloxStream)
PARAMETERIZED.no_gradient()
STATELESS.no_gradient_registered()


class _Blocks:
    """Blocks of words, in order."""

    def __init__(self, generator: Philox, dtype: DType):
        self._generator, self._dtype, self._at = generator, dtype, 0

    def take(self, make: Callable[..., np.ndarray], blocks: int, every: int = 1, offset: int = 0) -> np.ndarray:
        """The numbers [blocks, 4] of the next blocks, of which each `every`-th from `offset` on; nothing is used up."""
        numbers = np.arange(blocks, dtype=np.uint64) * np.uint64(every) + np.uint64(self._at + offset)
        return make(self._generator.words(numbers), self._dtype)

    def use(self, blocks: int) -> None:
        self._at += blocks


def _within(blocks: _Blocks, count: int, low: Any, high: Any, dtype: DType) -> np.ndarray:
    """`count` normal numbers in [low, high], by the way that suits the bounds."""
    number = low.dtype.type
    root = np.sqrt(low * low + number(4))
    cutoff = number(2) * np.exp(number(0.5) + (low * (low - root)) / number(4)) / (low + root)
    size = per_block(dtype)
    if (low < -number(_WIDE) and high >= 0) or (high > number(_WIDE) and low <= 0):
        way, step = _normal_tries, 1
    elif high - low < cutoff:
        way, step = _uniform_tries, 2
    else:
        way, step, size = _exponential_tries, 1, size // 2
    found: list[np.ndarray] = []
    missing, failed = count, 0
    while missing:
        rounds = max(4, 2 * missing // size)
        values, kept = way(blocks, rounds, low, high)  # each [rounds, size]
        places = np.flatnonzero(kept.reshape(-1))[:missing]
        found.append(values.reshape(-1)[places])
        missing -= len(places)
        blocks.use((places[-1] // size + 1 if not missing else rounds) * step)
        failed = 0 if len(places) else failed + kept.size
        if failed > MOST_TRIES:
            raise InternalError(None, None, "TruncatedNormal rejection sampler failed to accept a sample.")
    return np.concatenate(found)


def _normal_tries(blocks: _Blocks, rounds: int, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    z = blocks.take(normals_of, rounds).astype(low.dtype)
    return z, (z >= low) & (z <= high)


def _uniform_tries(blocks: _Blocks, rounds: int, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    z = blocks.take(uniforms_of, rounds, 2).astype(low.dtype) * (high - low) + low
    u = blocks.take(uniforms_of, rounds, 2, 1).astype(low.dtype)
    top = low * low if low > 0 else low.dtype.type(0)
    return z, u <= np.exp((top - z * z) / low.dtype.type(2))


def _exponential_tries(blocks: _Blocks, rounds: int, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    number = low.dtype.type
    pairs = blocks.take(uniforms_of, rounds).astype(low.dtype)
    rate = (low + np.sqrt(low * low + number(4))) / number(2)
    z = -np.log(pairs[:, 0::2]) / rate + low
    away = rate - z if low < rate else np.full_like(z, low - rate)
    return z, (pairs[:, 1::2] <= np.exp(-away * away / number(2))) & (z < high)


def _batch(blocks: _Blocks, count: int, mean: Any, deviation: Any, low: Any, high: Any, dtype: Any) -> np.ndarray:
    """`count` normal numbers of that mean and deviation, in [low, high]."""
    if not (deviation > 0 and low < high and (np.isfinite(low) or np.isfinite(high))):
        raise ValueError("Invalid parameters")
    if np.isneginf(low) or high < mean:  # mirrored
        low, high, deviation = high, low, -deviation
    return _within(blocks, count, (low - mean) / deviation, (high - mean) / deviation, dtype) * deviation + mean


def _drawn(generator: Philox, sizes: list[int], parameters: list[Any], dtype: DType) -> np.ndarray:
    """Batches of the given sizes, one after the other, with the parameters [batches] of each."""
    blocks = _Blocks(generator, dtype)
    rows = zip(*(np.broadcast_to(p.reshape(-1), len(sizes)) for p in parameters), strict=True)
    with np.errstate(all="ignore"):
        parts = [_batch(blocks, count, mean, deviation, low, high, dtype)
                 for count, (mean, deviation, low, high) in zip(sizes, rows, strict=True)]  # fmt: skip
    return np.concatenate(parts) if parts else np.zeros(0, parameters[0].dtype)


@PARAMETERIZED.kernel
def parameterized_truncated_normal_kernel(shape, means, stdevs, minvals, maxvals, dtype, state):
    count, parameters = count_of(shape), [means, stdevs, minvals, maxvals]
    alike = means.size == 1 and stdevs.size == 1 and not minvals.ndim and not maxvals.ndim
    size = _TOGETHER if alike else count_of(shape[1:])
    batches = -(-count // _TOGETHER) if alike else int(shape[0])
    generator = state.region(batches * 2 * MOST_TRIES * (size + 3) // 4, blocks=1)
    sizes = [min(size, count - i * size) for i in range(batches)]
    return _drawn(generator, sizes, parameters, dtype).astype(means.dtype).reshape(tuple(shape))


@STATELESS.kernel
def stateless_parameterized_truncated_normal_kernel(shape, seed, means, stddevs, minvals, maxvals, dtype):
    parameters = np.broadcast_arrays(means, stddevs, minvals, maxvals)
    if not count_of(shape):
        return np.zeros(tuple(shape), means.dtype)
    batches = parameters[0].size
    sizes = [count_of(shape) // batches] * batches
    return samples_first(_drawn(generator_of_seed(seed), sizes, list(parameters), dtype), batches, shape)


@PARAMETERIZED.shape
def _parameterized_shape(context: ShapeContext) -> shapes.Shape:
    vector = context.dims("shape")
    need_rank(vector, 1, "Input shape should be a vector, got shape: {0}")
    if vector == (0,):
        raise ShapeError("Shape tensor must not be empty, got shape [0]")
    asked = asked_shape(context)
    for name in ("means", "stdevs", "minvals", "maxvals"):
        dims = context.dims(name)
        if dims is None:
            continue
        called = "stddevs" if name == "stdevs" else name
        if len(dims) > 1:
            raise ShapeError(f"Input {called} should be a scalar or vector, got shape: {shapes.text(dims)}")
        if dims and asked is not None and None not in (dims[0], asked[0]) and dims[0] not in (1, asked[0]):
            raise ShapeError(f"Input {called} should have length 1 or shape[0], got shape: {shapes.text(dims)}")
    return asked


@STATELESS.shape
def _stateless_shape(context: ShapeContext) -> shapes.Shape:
    check_seed(context)
    asked = asked_shape(context)
    dims = [context.dims(name) for name in ("means", "stddevs", "minvals", "maxvals")]
    try:
        together = reduce(shapes.broadcast, dims)
    except ShapeError:
        each = " vs. ".join(shapes.text(d) for d in dims)
        raise ShapeError(f"means, stddevs, minvals, maxvals must have compatible batch dimensions: {each}") from None
    check_ending(asked, together)
    return asked


PARAMETERIZED.case("W73", "bounds in order", dtype="float32", T="int32", shape=[2], means=0, stdevs=1, minvals=2,
                   maxvals=1, error="Invalid parameters")  # fmt: skip
PARAMETERIZED.case("W73", "one mean a batch", dtype="float32", T="int32", shape=[2], means=[0, 0, 0], stdevs=1,
                   minvals=2, maxvals=1,
                   error="Input means should have length 1 or shape[0], got shape: [3]")  # fmt: skip
STATELESS.case("W73", "the shape ends with the parameters'", dtype="float32", S="int32", Tseed="int32", shape=[2],
               seed=[1, 2], means=[0, 0, 0], stddevs=1, minvals=-2, maxvals=1,
               error="Shape passed in must end with broadcasted shape.")  # fmt: skip
