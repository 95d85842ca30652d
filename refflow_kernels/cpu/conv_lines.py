"""Convolution by lines: the places along a line are gathered, those across lines are summed [W74].

    T = Z @ W                           Z: a row for each line of cells and window along it    [N in out..., k... C]
    y[p] = sum over i of T[p + i, i]    W: [k... C, k M]                                       T: [N in out..., k M]

and for the filters' gradient, with G the slopes of the k lines of windows that see a line of cells:

    dw = Z.T @ G    [k... C, k M]       G: [N in out..., k M]

So the places of a window, k by k, are split between the two sides of the product: k times the channels on each, where a
matrix of windows has k * k times the channels on one. Fewer numbers are copied, and the product is as wide as it is
long, which is what BLAS is best at. Lines of padding, all zeros, are left out.

    operations: 2 N in out... k... C M      bytes: image, filters, result, and Z and T (or G) once through the cache

The sum over lines is a product with ones, [1, k] for each window: NumPy pays for a ufunc for each run of M numbers and
each place, for that product once for all places. Where M is much larger than C, T is more than is spared.
Next: refflow_kernels/cpu/conv_winograd.py.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.conv_windows import (
    BLOCK,
    MANY,
    ROWS,
    WHOLE,
    Part,
    Views,
    block_of,
    matrix_of,
    matrix_of_filters,
    parts,
)
from refflow_kernels.cpu.matmul import product
from refflow_kernels.cpu.windows import Axis


def forward_wins(channels: int, filters: int, spans: list[Axis]) -> bool:
    """True where a window takes less time so than by windows: nanoseconds for what is gathered, packed and summed.

    The weights are those of a core with AVX-512, fitted to a hundred shapes; the operations are the same both ways.
    """
    gathered = prod(a.k for a in spans[1:]) * channels
    places = spans[0].k
    lines = 35 + 0.7 * gathered + 0.25 * places * filters
    return spans[0].stride == 1 and places > 1 and lines < 0.45 * places * gathered


def to_filter_wins(channels: int, filters: int, spans: list[Axis]) -> bool:
    """The same for dw; and every window sees a line, so that all of dy goes into dw."""
    first = spans[0]
    gathered = prod(a.k for a in spans[1:]) * channels
    lines = 10 + 0.55 * gathered + 0.45 * first.k * filters
    sees = max(first.before, first.after) <= (first.k - 1) * first.dilation
    return sees and first.stride == 1 and first.k > 1 and lines < 0.43 * first.k * gathered


class _Lines:
    """Z of some lines of some images, block after block: for this a line is an image with an axis less."""

    def __init__(self, images: int, lines: int, spans: list[Axis], x: Any):
        self._rank = len(spans) - 1
        self._memory = np.empty(images * lines * prod(a.out * a.k for a in spans[1:]) * x.shape[-1], x.dtype)
        self._views = Views(images * lines, spans[1:], x.shape[-1], x.dtype)

    def of(self, x: Any) -> Any:
        return matrix_of(self._views.of(x.reshape(len(x) * x.shape[1], *x.shape[2:])), self._rank, self._memory)


class _Band(NamedTuple):
    """Windows p to q along the first axis, and the lines low to high that they see.

    runs: windows a to b of these see the places i to j, and the first of them sees line `at` of these first.
    """

    p: int
    q: int
    low: int
    high: int
    runs: list[tuple[int, int, int, int, int]]


@lru_cache(1024)
def _band(first: Axis, p: int, q: int) -> _Band:
    low = min(first.size, max(0, p - first.before))
    high = max(low, min(first.size, q + (first.k - 1) * first.dilation - first.before))
    runs = []
    for (i, j), same in groupby(range(p, q), lambda window: _places_within(first, window)):
        a, *more = same
        at = a + i * first.dilation - first.before
        runs.append((a - p, a - p + 1 + len(more), i, max(i, j), at - low))
    return _Band(p, q, low, high, runs)


def _places_within(first: Axis, p: int) -> tuple[int, int]:
    """Of the window p, the places i to j that are lines of the image."""
    low, high = (-((p - first.before - edge) // first.dilation) for edge in (0, first.size))
    return max(0, low), min(first.k, high)


def forward(x: Any, w: Any, spans: list[Axis], y: Any) -> None:
    matrix = matrix_of_filters(w, 0, -1)
    windows = len(x) * spans[0].size * prod(a.out for a in spans[1:])
    if windows <= MANY and windows * sum(matrix.shape) <= WHOLE:
        _forward(x, matrix, spans, y, Part(slice(0, len(x)), 0, spans[0].out), WHOLE, product)
        return
    pieces = parts(len(x), spans, w.size)
    room = max(BLOCK, ROWS * max(matrix.shape))
    threads.each(lambda i: _forward(x, matrix, spans, y, pieces[i], room, np.matmul), len(pieces))


def _forward(x: Any, matrix: Any, spans: list[Axis], y: Any, part: Part, room: int, multiply: Any) -> None:
    """Blocks of images, or of the lines of one; of those the next block needs the last ones of T again."""
    first, windows, filters = spans[0], prod(a.out for a in spans[1:]), y.shape[-1]
    images, step = block_of(part, max(1, windows * max(matrix.shape)), room)
    bands = [_band(first, p, min(part.last, p + step)) for p in range(part.first, part.last, step)]
    held = max((band.high - band.low for band in bands), default=0)
    lines = _Lines(images, held, spans, x)
    memory = np.empty((images, held, windows, first.k, filters), x.dtype)
    for i in range(part.images.start, part.images.stop, images):
        j = min(part.images.stop, i + images)
        start = stop = 0  # T holds these lines
        for band in bands:
            t = memory[: j - i, : band.high - band.low]
            kept = max(0, stop - band.low)
            if kept:
                t[:, :kept] = memory[: j - i, band.low - start : stop - start]
            z = lines.of(x[i:j, band.low + kept : band.high])
            multiply(z, matrix, out=t[:, kept:].reshape(len(z), matrix.shape[1]))
            start, stop = band.low, band.high
            _sum(t, band, first, y[i:j, band.p : band.q].reshape(j - i, band.q - band.p, windows, 1, filters))


def _sum(t: Any, band: _Band, first: Axis, y: Any) -> None:
    """y [N, lines, windows, 1, M] of T [N, lines, windows, k, M]."""
    image, line, window, place, number = t.strides
    ones = np.ones((1, first.k), t.dtype)
    for a, b, i, j, at in band.runs:
        if i == j:
            y[:, a:b] = 0
            continue
        shape = (len(t), b - a, t.shape[2], j - i, t.shape[4])
        strides = (image, line, window, line * first.dilation + place, number)
        seen = np.ndarray(shape, t.dtype, t, at * line + i * place, strides)
        np.matmul(ones[:, i:j], seen, out=y[:, a:b])


def to_filter(x: Any, dy: Any, spans: list[Axis], dw: Any) -> None:
    first, filters = spans[0], spans[0].k * dw.shape[-1]
    cells = dw.size // max(1, filters)
    windows = len(x) * first.size * prod(a.out for a in spans[1:])
    if windows <= MANY and windows * (cells + filters) <= WHOLE:
        total = np.zeros((cells, filters), dw.dtype)
        _to_filter(x, dy, spans, total, Part(slice(0, len(x)), 0, first.size), WHOLE, product)
    else:
        pieces = parts(len(x), spans, dw.size, first.size)
        sums = np.zeros((len(pieces), cells, filters), dw.dtype)
        room = max(BLOCK, ROWS * (cells + filters))
        threads.each(lambda i: _to_filter(x, dy, spans, sums[i], pieces[i], room, np.matmul), len(pieces))
        total = np.add.reduce(sums, axis=0)  # in the order of the parts
    dw[...] = np.moveaxis(total.reshape(*dw.shape[1:-1], first.k, dw.shape[-1]), -2, 0)


def _to_filter(x: Any, dy: Any, spans: list[Axis], total: Any, part: Part, room: int, multiply: Any) -> None:
    images, step = block_of(part, max(1, prod(a.out for a in spans[1:]) * sum(total.shape)), room)
    lines, slopes = _Lines(images, step, spans, x), _Slopes(images, step, spans[0], dy)
    scratch = np.empty(total.shape, total.dtype)
    for i in range(part.images.start, part.images.stop, images):
        j = min(part.images.stop, i + images)
        for p in range(part.first, part.last, step):
            q = min(part.last, p + step)
            multiply(lines.of(x[i:j, p:q]).T, slopes.of(dy[i:j], p, q), out=scratch)
            np.add(total, scratch, out=total)


class _Slopes:
    """G of some lines of some images, block after block."""

    def __init__(self, images: int, lines: int, first: Axis, dy: Any):
        self._first, self._beyond = first, (first.k - 1) * first.dilation
        self._lines = np.empty((images, lines + self._beyond, *dy.shape[2:]), dy.dtype)
        image, line, *steps, number = self._lines.strides
        self._seen = as_strided(
            self._lines[:, self._beyond :],
            (images, lines, *dy.shape[2:-1], first.k, dy.shape[-1]),
            (image, line, *steps, -line * first.dilation, number),
            writeable=False,
        )
        self._memory = np.empty(self._seen.size, dy.dtype)

    def of(self, dy: Any, p: int, q: int) -> Any:
        low = p + self._first.before - self._beyond  # the line of windows that the first of these lines is
        a, b = (min(max(0, edge), self._first.out) for edge in (low, q + self._first.before))
        lines = self._lines[: len(dy)]
        lines[:, : a - low] = lines[:, b - low :] = 0
        lines[:, a - low : b - low] = dy[:, a:b]
        view = self._seen[: len(dy), : q - p]
        matrix = self._memory[: view.size].reshape(view.shape)
        matrix[...] = view
        return matrix.reshape(prod(view.shape[:-2]), prod(view.shape[-2:]))
