"""Local response normalisation and its gradient: each channel by its neighbours' squares [W06].

    norm = bias + alpha * the sum of x[j]**2 over |j - c| <= r        y = x / norm**beta
    dx   = dy / norm**beta - 2 alpha beta x * the sum of dy[j] y[j] / norm[j]

    operations: 4 + log2(2 r + 1) for each element and a power, back twice as many        bytes: x, y; back four images

The sum over 2 r + 1 neighbours is made of two sums over half as many: log2 additions, where one by one there would be
2 r, and a product with a band matrix C. Each pixel's channels lie between r zeros, so that a whole block of pixels
is one line of numbers: every addition runs from its first to its last, and what is added across the border of two
pixels is the zeros, or is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.windows import widened

_BLOCK = 1 << 15  # elements in cache
_TOGETHER = 4  # blocks worth a thread


def _window_sums(x: Any, width: int) -> Any:
    """s[i] = x[i] + ... + x[i + width - 1]."""
    if width == 1:
        return x
    half = _window_sums(x, width // 2)
    size, step = len(x) - width + 1, width // 2
    sums = half[:size] + half[step : step + size]
    if width % 2:
        sums += x[width - 1 :]
    return sums


class _Pixels:
    """The pixels of x [rows, C] in blocks, each pixel between `radius` zeros."""

    def __init__(self, x: Any, radius: int):
        self.rows, channels = x.shape
        self.channels, self.dtype = channels, x.dtype
        self.radius = min(radius, max(0, channels - 1))  # all the neighbours there are
        self.line = channels + 2 * self.radius

    def apart(self, rows: int) -> tuple[Any, Any]:
        """Zeros for a block, as a line and as what lies between them, [rows, C]."""
        line = np.zeros(rows * self.line + 2 * self.radius, self.dtype)
        pixels = line[: rows * self.line].reshape(rows, self.line)
        return line, pixels[:, self.radius : self.radius + self.channels]

    def neighbours(self, line: Any) -> Any:
        """The sums over the neighbours, [rows, C and what lies between]."""
        return _window_sums(line, 2 * self.radius + 1).reshape(-1, self.line)

    def norms(self, x: Any, bias: float, alpha: float) -> Any:
        line, squares = self.apart(len(x))
        np.multiply(x, x, out=squares)
        sums = self.neighbours(line)
        sums = sums * self.dtype.type(alpha)
        sums += self.dtype.type(bias)
        return sums

    def each_block(self, work: Callable[[slice], None]) -> None:
        step = max(1, _BLOCK // self.line)
        cuts = [slice(i, min(self.rows, i + step)) for i in range(0, self.rows, step)]

        def several(piece: int) -> None:
            for here in cuts[piece * _TOGETHER : (piece + 1) * _TOGETHER]:
                work(here)

        threads.each(several, -(-len(cuts) // _TOGETHER))


def _power(norm: Any, beta: float) -> Any:
    """norm ** -beta; a root is quicker than a power."""
    if beta == 0.5:
        root = np.sqrt(norm)
        return np.divide(1, root, out=root)
    return norm ** norm.dtype.type(-beta)


def _matrix(x: Any) -> Any:
    return np.ascontiguousarray(widened(x)).reshape(-1, x.shape[-1]) if x.size else np.empty((0, 1), widened(x).dtype)


def lrn(
    input: Any, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5, out: Any = None
) -> Any:
    """y [N, H, W, C]."""
    out = np.empty(input.shape, input.dtype) if out is None else out
    x = _matrix(input)
    y = x if not x.size else _result(out, x)
    pixels = _Pixels(x, depth_radius)

    def block(here: slice) -> None:
        factors = _power(pixels.norms(x[here], bias, alpha), beta)
        np.multiply(x[here], factors[:, : pixels.channels], out=y[here])

    pixels.each_block(block)
    return _stored(y, out)


def lrn_grad(
    input_grads: Any, input_image: Any, output_image: Any, depth_radius: int = 5, bias: float = 1.0,
    alpha: float = 1.0, beta: float = 0.5, out: Any = None,
) -> Any:  # fmt: skip
    """dx of dy, x and y."""
    out = np.empty(input_grads.shape, input_grads.dtype) if out is None else out
    dy, x, y = map(_matrix, (input_grads, input_image, output_image))
    dx = x if not x.size else _result(out, x)
    pixels = _Pixels(x, depth_radius)
    twice = x.dtype.type(-2 * alpha * beta)

    def block(here: slice) -> None:
        norms = pixels.norms(x[here], bias, alpha)
        line, shares = pixels.apart(len(norms))
        np.multiply(dy[here], y[here], out=shares)
        np.divide(shares, norms[:, : pixels.channels], out=shares)
        back = pixels.neighbours(line)[:, : pixels.channels] * x[here]
        back *= twice
        slopes = dx[here]
        np.multiply(dy[here], _power(norms, beta)[:, : pixels.channels], out=slopes)
        np.add(slopes, back, out=slopes)

    pixels.each_block(block)
    return _stored(dx, out)


def _result(out: Any, x: Any) -> Any:
    """Memory for the result as a matrix: `out` where it lies like that."""
    return out.reshape(x.shape) if out.dtype == x.dtype and out.flags.c_contiguous else np.empty_like(x)


def _stored(result: Any, out: Any) -> Any:
    if result.size and not np.may_share_memory(result, out):
        out[...] = result.reshape(out.shape)
    return out
