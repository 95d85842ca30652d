"""Convolution along one axis by places: a product for each place of a window, added to the others' [W74].

    y[p] = sum over i of x[s p + d i - before] @ w[i]        x: [N, T, C]    w: [k, C, M]    y: [N, out, M]
    dw[i] = x[s p + d i - before].T @ dy[p]

    operations: 2 N out k C M      bytes: x, and y k times through the cache

Along a line what a place sees of all windows is a matrix already: rows of C numbers, s C from each other, which BLAS
reads where they are, whatever the dilation. Nothing is gathered and nothing padded; windows that a place sees nothing
of are left out of its product. What remains to be done is to add: M numbers for a window and place, where a matrix of
windows copies C. Products are less deep, C where that one's is k C: with few channels that costs more than it spares.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.blocks import scratch
from refflow_kernels.cpu.conv_windows import Part, parts
from refflow_kernels.cpu.windows import Axis, run_of, sees

BLOCK = 1 << 15  # elements of a block's products
FEW, MANY = 8, 128  # channels: with fewer products are too flat, with more the copies of a matrix cost little
LONG = 256  # windows of a line that are worth a product each


def axis_of(spans: list[Axis]) -> int | None:
    """The one axis along which windows have several places; None if there are others, or room behind it."""
    long = [i for i, a in enumerate(spans) if a.k > 1]
    if len(long) != 1 or not all(a.k > 1 or (a.stride == 1 and a.out == a.size and not a.before) for a in spans):
        return None
    return long[0] if all(a.size == 1 for a in spans[long[0] + 1 :]) else None


def wins(channels: int, filters: int, spans: list[Axis]) -> bool:
    """By trial: the same limits hold for BLAS's kernels for AVX-512 and AVX2. And every window sees a cell."""
    axis = axis_of(spans)
    if axis is None or spans[axis].stride > 1 or spans[axis].out < LONG:
        return False
    span = spans[axis]
    meets = max(span.before, span.after) <= (span.k - 1) * span.dilation and span.dilation <= span.size
    return meets and FEW <= channels <= MANY and filters <= 2 * channels


def _line(spans: list[Axis]) -> Axis:
    return next(a for a in spans if a.k > 1)


class Block(NamedTuple):
    """Windows first to last, the cells that they see, and for each place its windows and cells among these."""

    windows: slice
    cells: slice
    places: list[tuple[int, slice, slice]]


@lru_cache(1024)
def blocks_of(span: Axis, first: int, last: int, step: int) -> list[Block]:
    """The place that sees most windows goes first: it writes, the others add."""
    found = []
    for p in range(first, last, step):
        cells, band = run_of(span, p, min(last, p + step))
        places = [(place, *sees(band, place)) for place in range(span.k)]
        places.sort(key=lambda at: at[1].start - at[1].stop)
        found.append(Block(slice(p, min(last, p + step)), cells, places))
    return found


def forward(x: Any, w: Any, spans: list[Axis], y: Any) -> None:
    span, w = _line(spans), w.reshape(-1, *w.shape[-2:])
    x, y = x.reshape(-1, span.size, x.shape[-1]), y.reshape(-1, span.out, y.shape[-1])
    pieces = parts(len(x), [span], w.size)
    threads.each(lambda i: _forward(x, w, span, y, pieces[i]), len(pieces))


def _forward(x: Any, w: Any, span: Axis, y: Any, part: Part) -> None:
    filters = w.shape[2]
    lines = min(part.last - part.first, max(LONG, BLOCK // filters))
    images = max(1, BLOCK // (lines * filters))
    memory = scratch(((images * lines * filters,), x.dtype))
    for block in blocks_of(span, part.first, part.last, lines):
        for i in range(part.images.start, part.images.stop, images):
            j = min(part.images.stop, i + images)
            given, sums = x[i:j, block.cells], y[i:j, block.windows]
            (place, windows, cells), *others = block.places
            sums[:, : windows.start] = sums[:, windows.stop :] = 0
            np.matmul(given[:, cells], w[place], out=sums[:, windows])
            for place, windows, cells in others:
                result = sums[:, windows]
                product = memory[: result.size].reshape(result.shape)
                np.add(result, np.matmul(given[:, cells], w[place], out=product), out=result)


def to_filter(x: Any, dy: Any, spans: list[Axis], dw: Any) -> None:
    span, total = _line(spans), dw.reshape(-1, *dw.shape[-2:])
    x, dy = x.reshape(-1, span.size, x.shape[-1]), dy.reshape(-1, span.out, dy.shape[-1])
    pieces = parts(len(x), [span], dw.size)
    sums = np.zeros((len(pieces), *total.shape), dw.dtype)

    def piece(number: int) -> None:
        part = pieces[number]
        (block,) = blocks_of(span, part.first, part.last, max(1, part.last - part.first))
        product = np.empty(total.shape[1:], dw.dtype)
        for i in range(part.images.start, part.images.stop):
            given, slopes = x[i, block.cells], dy[i, block.windows]
            for place, windows, cells in block.places:
                np.matmul(given[cells].T, slopes[windows], out=product)
                np.add(sums[number, place], product, out=sums[number, place])

    threads.each(piece, len(pieces))
    np.add.reduce(sums, axis=0, out=total)  # in the order of the pieces
