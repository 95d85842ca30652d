"""Batch normalisation and its gradient: each channel to mean 0 and variance 1 over a batch, scaled and shifted [W06].

    y  = (x - mean) a + offset                      a = scale / sqrt(variance + epsilon)
    dx = (dy - mean of dy - (x - mean) b) a         b = mean of dy (x - mean), over variance + epsilon

    operations: 8 for each element, 10 back        bytes: x twice and y; back x and dy twice and dx

Images are a matrix [rows, C], and every vector is one of C. NumPy calls an inner loop for each row, so that 64
channels would cost as much in calls as in arithmetic: rows are taken several together, as one of some thousand
elements, beside vectors that are repeated as often. Blocks of them stay in cache through all steps of a pass. A block's
sums are products with ones, of numbers that a step before has brought into the cache: BLAS reads several rows side by
side, which memory likes less than one. Sums of blocks are added in float64, in their order.

The variance is the mean of squared distances from the mean, which is known when all has been read. Distances d are from
another centre first, the mean of a piece's first block, so that x is read once:

    sum (x - mean)^2 = sum over pieces of  sum d^2 + 2 (centre - mean) sum d + n (centre - mean)^2

The last two terms are no larger than the spread within and between pieces; the mean of squares less the squared mean,
centres of 0, would lose all digits where the mean is far from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.blocks import scratch
from refflow_kernels.cpu.windows import channels_last, handed_over, memory_for, widened

_RUN = 1 << 13  # elements of several rows that are taken as one
_BLOCK = 1 << 16  # elements in cache
_TOGETHER = 4  # blocks worth a thread

Work = Callable[[slice, int], None]


def _sum(runs: Any) -> Any:
    """The sum of the rows."""
    return np.dot(_ones(len(runs), runs.dtype), runs)


@lru_cache(256)
def _ones(count: int, dtype: Any) -> Any:
    return np.ones(count, dtype)


class Rows:
    """[rows, C] in blocks. Each is so many rows at a time, the last rows one at a time; several make a piece."""

    def __init__(self, rows: int, channels: int):
        self.channels, rows = channels, rows if channels else 0
        self.times = max(1, _RUN // max(1, channels))
        whole = rows // self.times * self.times
        step = max(1, _BLOCK // max(1, channels * self.times)) * self.times
        blocks = [(slice(i, min(whole, i + step)), self.times) for i in range(0, whole, step)]
        if whole < rows:
            blocks.append((slice(whole, rows), 1))
        self.pieces = [blocks[i : i + _TOGETHER] for i in range(0, len(blocks), _TOGETHER)]
        self.size = step * channels

    def repeated(self, vector: Any) -> dict[int, Any]:
        """A vector of C, as often as rows are taken together."""
        several = np.empty((self.times, self.channels), vector.dtype)
        several[...] = vector
        return {1: vector, self.times: several.reshape(-1)}

    def each(self, work: Work) -> None:
        """work(rows, how many at a time) for all blocks."""

        def several(piece: int) -> None:
            for here, times in self.pieces[piece]:
                work(here, times)

        threads.each(several, len(self.pieces))

    def runs(self, x: Any, here: slice, times: int) -> Any:
        return x[here].reshape(-1, times * self.channels)

    def room(self, like: Any) -> Any:
        """A block of the thread's own memory."""
        return scratch(((self.size,), like.dtype))[: like.size].reshape(like.shape)

    def folded(self, runs: Any) -> Any:
        """[C]: what belongs to one channel, added."""
        return _sum(_sum(runs).reshape(-1, self.channels))

    def sums(self, x: Any) -> Any:
        """The sum over all rows, float64."""
        found = np.zeros((len(self.pieces), self.channels))

        def piece(number: int) -> None:
            for block in self.pieces[number]:
                found[number] += self.folded(self.runs(x, *block))

        threads.each(piece, len(self.pieces))
        return np.add.reduce(found, axis=0)

    def moments(self, x: Any) -> tuple[Any, Any]:
        """Mean and variance over all rows, float64."""
        sums, squares, centres = np.zeros((3, len(self.pieces), self.channels))

        def piece(number: int) -> None:
            blocks = self.pieces[number]
            first = blocks[0][0]
            centre = self.repeated(self.folded(self.runs(x, *blocks[0])) / x.dtype.type(first.stop - first.start))
            centres[number] = centre[1]
            for here, times in blocks:
                run = self.runs(x, here, times)
                distance = np.subtract(run, centre[times], out=self.room(run))
                sums[number] += self.folded(distance)
                squares[number] += self.folded(np.multiply(distance, distance, out=distance))

        threads.each(piece, len(self.pieces))
        counts = np.array([[blocks[-1][0].stop - blocks[0][0].start] for blocks in self.pieces])
        mean = np.add.reduce(sums + counts * centres, axis=0) / len(x)
        away = centres - mean
        variance = np.add.reduce(squares + 2 * away * sums + counts * away**2, axis=0) / len(x)
        if not np.isfinite(mean).all():  # a channel with infinity, whose distances from it are none
            mean = self.sums(x) / len(x)
        return mean, np.maximum(variance, 0)

    def slope_sums(self, dy: Any, x: Any, centre: Any) -> tuple[Any, Any]:
        """The sums over all rows of dy, and of dy * (x - centre); float64."""
        centres = self.repeated(centre)
        slopes, products = np.zeros((2, len(self.pieces), self.channels))

        def piece(number: int) -> None:
            for here, times in self.pieces[number]:
                slope, run = self.runs(dy, here, times), self.runs(x, here, times)
                distance = np.subtract(run, centres[times], out=self.room(run))
                products[number] += self.folded(np.multiply(distance, slope, out=distance))
                slopes[number] += self.folded(slope)  # which the cache has now

        threads.each(piece, len(self.pieces))
        return np.add.reduce(slopes, axis=0), np.add.reduce(products, axis=0)

    def normalised(self, x: Any, centre: Any, factor: Any, offset: Any, y: Any) -> None:
        """y = (x - centre) * factor + offset."""
        centres, factors, offsets = map(self.repeated, (centre, factor, offset))

        def block(here: slice, times: int) -> None:
            result = self.runs(y, here, times)
            np.subtract(self.runs(x, here, times), centres[times], out=result)
            np.multiply(result, factors[times], out=result)
            np.add(result, offsets[times], out=result)

        self.each(block)

    def slopes(self, dy: Any, x: Any, centre: Any, along: Any, mean: Any, factor: Any, dx: Any) -> None:
        """dx = (dy - mean - (x - centre) * along) * factor."""
        centres, alongs, means, factors = map(self.repeated, (centre, along, mean, factor))

        def block(here: slice, times: int) -> None:
            result = self.runs(dx, here, times)
            np.subtract(self.runs(x, here, times), centres[times], out=result)
            np.multiply(result, alongs[times], out=result)
            np.subtract(self.runs(dy, here, times), result, out=result)
            np.subtract(result, means[times], out=result)
            np.multiply(result, factors[times], out=result)

        self.each(block)

    def scaled(self, dy: Any, factor: Any, dx: Any) -> None:
        """dx = dy * factor."""
        factors = self.repeated(factor)

        def block(here: slice, times: int) -> None:
            np.multiply(self.runs(dy, here, times), factors[times], out=self.runs(dx, here, times))

        self.each(block)


def takes_float32(attrs: dict[str, Any]) -> bool:
    """True where statistics are float32."""
    return "U" not in attrs or attrs["U"].name == "float32"


def _matrix(x: Any, layout: str) -> tuple[Any, Any]:
    """x with channels last, and as [rows, C]; both in the type to compute in."""
    x = np.ascontiguousarray(widened(channels_last(x, layout)))
    return x, x.reshape(prod(x.shape[:-1]), x.shape[-1])


def fused_batch_norm(
    x: Any, scale: Any, offset: Any, mean: Any, variance: Any, epsilon: float, exponential_avg_factor: float,
    data_format: str, is_training: bool, out: Any = None,
) -> tuple[Any, ...]:  # fmt: skip
    """y, the running mean and variance, and what the gradient needs: the batch's own."""
    image, matrix = _matrix(x, data_format)
    rows, count, kind = Rows(*matrix.shape), len(matrix), matrix.dtype
    y = memory_for(image.shape, kind, out[0] if out else None, data_format)
    nothing = np.full(len(scale), np.nan, kind)
    if is_training:
        m, v = (found.astype(kind) for found in rows.moments(matrix)) if count else (nothing, nothing)
        new_m, new_v, share = m, v * kind.type(count / max(count - 1, 1)), kind.type(exponential_avg_factor)
        if exponential_avg_factor != 1.0:
            new_m, new_v = (1 - share) * mean + share * m, (1 - share) * variance + share * new_v
    else:
        m, v = mean, variance
        new_m, new_v = (m, v) if count else (nothing, nothing)
    factor = scale / np.sqrt(v + kind.type(epsilon))
    rows.normalised(matrix, m, factor, offset, y.reshape(matrix.shape))
    y = handed_over(y, x.dtype, out[0] if out else None, data_format)
    kept = [m, v] if count else [np.zeros(len(scale), kind)] * 2
    return _together([y, new_m, new_v, *kept], out)


def fused_batch_norm_v3(x: Any, scale: Any, *more: Any, out: Any = None, **attrs: Any) -> tuple[Any, ...]:
    """The same, with an output more that only GPUs use."""
    attrs["out"] = out[:5] if out else None
    spare = np.zeros((0,) if x.ndim == 4 else (), scale.dtype)
    return _together([*fused_batch_norm(x, scale, *more, **attrs), spare], out)


def _together(values: list[Any], out: Any) -> tuple[Any, ...]:
    """The outputs, in `out` if there is one; each has memory of its own."""
    if out is None:
        seen: list[Any] = []
        for value in values:
            seen.append(value.copy() if any(value is s for s in seen) else value)
        return tuple(seen)
    for place, value in zip(out, values, strict=True):
        if place is not value:
            place[...] = value
    return tuple(out)


def fused_batch_norm_grad(
    y_backprop: Any, x: Any, scale: Any, reserve_space_1: Any, reserve_space_2: Any, *third: Any, epsilon: float,
    data_format: str, is_training: bool, out: Any = None,
) -> tuple[Any, ...]:  # fmt: skip
    """dx, dscale, doffset: with the batch's own statistics dx loses its mean and its part along x."""
    image, matrix = _matrix(x, data_format)
    _, slopes = _matrix(y_backprop, data_format)
    rows, kind, mean = Rows(*matrix.shape), matrix.dtype, reserve_space_1
    dx = memory_for(image.shape, kind, out[0] if out else None, data_format)
    inverse = 1 / np.sqrt(reserve_space_2 + kind.type(epsilon))
    doffset, along = rows.slope_sums(slopes, matrix, mean)
    dscale = along * inverse
    result, factor = dx.reshape(matrix.shape), scale * inverse
    if is_training:
        count = max(1, len(matrix))
        along, share = ((v / count).astype(kind) for v in (dscale * inverse, doffset))
        rows.slopes(slopes, matrix, mean, along, share, factor, result)
    else:
        rows.scaled(slopes, factor, result)
    dx = handed_over(dx, x.dtype, out[0] if out else None, data_format)
    nothing = [np.zeros((), kind) for _ in range(2)]
    return _together([dx, dscale.astype(scale.dtype), doffset.astype(scale.dtype), *nothing], out)


def global_batch_norm(
    t: Any, m: Any, v: Any, beta: Any, gamma: Any, variance_epsilon: float, scale_after_normalization: bool,
    out: Any = None,
) -> Any:  # fmt: skip
    """(t - m) / sqrt(v + epsilon), times gamma if asked for, + beta."""
    t, matrix = _matrix(t, "NHWC")
    y = memory_for(t.shape, t.dtype, out, "NHWC")
    factor = 1 / np.sqrt(v + t.dtype.type(variance_epsilon))
    factor = factor * gamma if scale_after_normalization else factor
    Rows(*matrix.shape).normalised(matrix, m, factor, beta, y.reshape(matrix.shape))
    return handed_over(y, t.dtype, out, "NHWC")


def global_batch_norm_grad(
    t: Any, m: Any, v: Any, gamma: Any, backprop: Any, variance_epsilon: float, scale_after_normalization: bool,
    out: Any = None,
) -> tuple[Any, ...]:  # fmt: skip
    """dt, dm, dv, dbeta and dgamma; the statistics are given, and have slopes of their own."""
    t, matrix = _matrix(t, "NHWC")
    _, slopes = _matrix(backprop, "NHWC")
    rows, kind = Rows(*matrix.shape), t.dtype
    inverse = 1 / np.sqrt(v + kind.type(variance_epsilon))
    factor = inverse * gamma if scale_after_normalization else inverse
    dt = memory_for(t.shape, kind, out[0] if out else None, "NHWC")
    rows.scaled(slopes, factor, dt.reshape(matrix.shape))
    dbeta, along = rows.slope_sums(slopes, matrix, m)
    dgamma = along * inverse if scale_after_normalization else np.zeros(len(m))
    found = [-dbeta * factor, -0.5 * along * factor * inverse**2, dbeta, dgamma]
    dt = handed_over(dt, kind, out[0] if out else None, "NHWC")
    return _together([dt, *(value.astype(kind) for value in found)], out)
