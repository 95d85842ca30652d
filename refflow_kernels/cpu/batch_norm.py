"""Batch normalisation and its gradient: each channel to mean 0 and variance 1 over a batch, scaled and shifted [W06].

    y  = (x - mean) a + offset                      a = scale / sqrt(variance + epsilon)
    dx = (dy - mean of dy - (x - mean) b) a         b = mean of dy (x - mean), over variance + epsilon

    operations: 8 for each element, 10 back        bytes: x three times and y; back x and dy twice and dx

Images are a matrix [rows, C], and every vector is one of C. NumPy calls an inner loop for each row, so that 64
channels would cost as much in calls as in arithmetic: rows are taken several together, as one of some thousand
elements, beside vectors that are repeated as often. Blocks of them stay in cache through all steps of a pass. A block's
sums are products with ones and sums of products; those of all blocks are added in float64, in their order.

The variance is the mean of squared distances from the mean, in a pass of its own: the mean of squares less the squared
mean would be quicker by a fifth and lose all digits where the mean is far from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.windows import channels_last, handed_over, memory_for, widened

_RUN = 1 << 13  # elements of several rows that are taken as one
_BLOCK = 1 << 16  # elements in cache
_TOGETHER = 4  # blocks worth a thread

Work = Callable[[int, slice, int], None]


class Rows:
    """[rows, C] in blocks. Each is so many rows at a time, the last rows one at a time."""

    def __init__(self, rows: int, channels: int):
        self.channels = channels
        self.times = max(1, _RUN // max(1, channels))
        whole = rows // self.times * self.times
        step = max(1, _BLOCK // max(1, channels * self.times)) * self.times
        self.blocks = [(slice(i, min(whole, i + step)), self.times) for i in range(0, whole, step)]
        if whole < rows:
            self.blocks.append((slice(whole, rows), 1))

    def repeated(self, vector: Any) -> dict[int, Any]:
        """A vector of C, as often as rows are taken together."""
        return {1: vector, self.times: np.tile(vector, self.times)}

    def each(self, work: Work) -> None:
        """work(number, rows, how many at a time) for all blocks."""

        def several(piece: int) -> None:
            first = piece * _TOGETHER
            for number, (here, times) in enumerate(self.blocks[first : first + _TOGETHER], first):
                work(number, here, times)

        threads.each(several, -(-len(self.blocks) // _TOGETHER))

    def runs(self, x: Any, here: slice, times: int) -> Any:
        return x[here].reshape(-1, times * self.channels)

    def sums(self, x: Any) -> Any:
        """The sum over all rows, float64."""
        found = np.empty((len(self.blocks), self.channels))

        def block(number: int, here: slice, times: int) -> None:
            runs = self.runs(x, here, times)
            found[number] = self.folded(np.ones(len(runs), x.dtype) @ runs)

        self.each(block)
        return np.add.reduce(found, axis=0)

    def products(self, x: Any, centre: Any, y: Any = None) -> Any:
        """The sum over all rows of (x - centre) * y, or of its square; float64."""
        found, centres = np.empty((len(self.blocks), self.channels)), self.repeated(centre)

        def block(number: int, here: slice, times: int) -> None:
            distance = np.subtract(self.runs(x, here, times), centres[times])
            other = distance if y is None else self.runs(y, here, times)
            found[number] = self.folded(np.einsum("rz,rz->z", distance, other))

        self.each(block)
        return np.add.reduce(found, axis=0)

    def folded(self, run: Any) -> Any:
        """[C]: what belongs to one channel, added."""
        return np.add.reduce(run.reshape(-1, self.channels), axis=0, dtype=np.float64)

    def normalised(self, x: Any, centre: Any, factor: Any, offset: Any, y: Any) -> None:
        """y = (x - centre) * factor + offset."""
        centres, factors, offsets = map(self.repeated, (centre, factor, offset))

        def block(_: int, here: slice, times: int) -> None:
            result = self.runs(y, here, times)
            np.subtract(self.runs(x, here, times), centres[times], out=result)
            np.multiply(result, factors[times], out=result)
            np.add(result, offsets[times], out=result)

        self.each(block)

    def slopes(self, dy: Any, x: Any, centre: Any, along: Any, mean: Any, factor: Any, dx: Any) -> None:
        """dx = (dy - mean - (x - centre) * along) * factor."""
        centres, alongs, means, factors = map(self.repeated, (centre, along, mean, factor))

        def block(_: int, here: slice, times: int) -> None:
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

        def block(_: int, here: slice, times: int) -> None:
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
        m = (rows.sums(matrix) / count).astype(kind) if count else nothing
        v = (rows.products(matrix, m) / count).astype(kind) if count else nothing
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
    doffset = rows.sums(slopes)
    dscale = rows.products(matrix, mean, slopes) * inverse
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
    dbeta, along = rows.sums(slopes), rows.products(matrix, m, slopes)
    dgamma = along * inverse if scale_after_normalization else np.zeros(len(m))
    found = [-dbeta * factor, -0.5 * along * factor * inverse**2, dbeta, dgamma]
    dt = handed_over(dt, kind, out[0] if out else None, "NHWC")
    return _together([dt, *(value.astype(kind) for value in found)], out)
