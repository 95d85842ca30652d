"""Convolution by windows: a row of a matrix for all that a window sees, and one product [W74].

    y = X @ W       X: a row for each window                              [N out..., k... C]
    dw = X.T @ dy   W: the filters, a column each                         [k... C, M]

    operations: 2 N out... k... C M        bytes: the image, the filters, the result, and X once through the cache

X is k... times as large as the image, so it is made a block at a time, in a megabyte that stays in a core's cache while
BLAS reads it. Only where there are too few windows to make several blocks of is it made as a whole, so that a product
can be cut along the filters.

A copy takes as long for five numbers as for fifty. Images of one channel are laid out turned, [k..., windows]: then a
run is a row of windows that sees a row of cells, and not the row of a window. Next: refflow_kernels/cpu/conv_stacks.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2, prod
from typing import Any, NamedTuple

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.matmul import product
from refflow_kernels.cpu.windows import Axis, inside, run_of, seen

BLOCK = 1 << 18  # elements of X at a time
ROWS = 512  # or so many windows, if those are more: the filters are read once for each block
WHOLE = 1 << 21  # elements of X that may be made at once, where there are no more windows than MANY
MANY = 2 * ROWS
_PIECE = 40e6  # operations worth a thread


class Part(NamedTuple):
    """A piece of the work: some images, and of each the windows first to last along the first axis."""

    images: slice
    first: int
    last: int


def parts(images: int, spans: list[Axis], w_size: int, lines: int | None = None) -> list[Part]:
    """Pieces worth a thread each: images, and where those are too few, lines of windows, or of whatever is given.

    There are twice as many where the work is four times as much.
    """
    lines = spans[0].out if lines is None else lines
    windows = images * prod(a.out for a in spans)
    work = max(1.0, 2.0 * windows * w_size / _PIECE)
    worth = max(1, min(8, 1 << int(log2(work) / 2), windows // ROWS))
    by_images = max(1, min(worth, images))
    by_lines = max(1, min(worth // by_images, lines // 8))
    return [Part(i, p.start, p.stop) for i in _cut(images, by_images) for p in _cut(lines, by_lines)]


def _cut(count: int, pieces: int) -> list[slice]:
    return [slice(count * i // pieces, count * (i + 1) // pieces) for i in range(pieces)]


def rows(block: Any) -> Any:
    """[..., M] as a matrix; a block is whole images, or a run of lines of one, and so lies in one piece."""
    return block.reshape(prod(block.shape[:-1]), block.shape[-1])


def matrix_of_filters(w: Any, *columns: int) -> Any:
    """w [k..., C, M] as a matrix, these axes its columns; turned, where numbers of a row lie closer in memory."""
    last = [axis % w.ndim for axis in columns]
    w = w.transpose(*(axis for axis in range(w.ndim) if axis not in last), *last)
    rest = w.ndim - len(columns)
    height, width = prod(w.shape[:rest]), prod(w.shape[rest:])
    if w.strides[-1] <= w.strides[rest - 1]:
        return w.reshape(height, width)
    return w.transpose(*range(rest, w.ndim), *range(rest)).reshape(width, height).T


def are_few(images: int, spans: list[Axis], cells: int) -> bool:
    """True where X is made as a whole."""
    windows = images * prod(a.out for a in spans)
    return windows <= MANY and windows * cells <= WHOLE


class Views:
    """What the windows of some images see, block after block; memory for the padding is made and cleared once."""

    def __init__(self, images: int, spans: Sequence[Axis], channels: int, dtype: Any):
        self._spans = spans
        self._padded = any(a.before or a.after for a in spans)
        if self._padded:
            image = np.zeros((images, *(a.padded for a in spans), channels), dtype)
            self._inside, self._seen = inside(image, spans), seen(image, spans)

    def of(self, x: Any) -> Any:
        """[N, out..., k..., C], until the next call."""
        if not self._padded:
            return seen(x, self._spans)
        self._inside[: len(x)] = x
        return self._seen[: len(x)]


def matrix_of(view: Any, axes: int, memory: Any = None) -> Any:
    """[windows, k... C] of what windows see along so many axes, in `memory` if that is given."""
    windows, cells = prod(view.shape[: axes + 1]), prod(view.shape[axes + 1 :])
    turned = view.shape[-1] == 1
    if turned:
        view = np.moveaxis(view, range(axes + 1), range(-axes - 1, 0))
    matrix = np.empty(view.shape, view.dtype) if memory is None else memory[: view.size].reshape(view.shape)
    matrix[...] = view
    return matrix.reshape(cells, windows).T if turned else matrix.reshape(windows, cells)


def each_block(x: Any, spans: list[Axis], part: Part, use: Callable[[Any, int, int, int, int], None]) -> None:
    """use(X, i, j, p, q) for blocks of X: images i to j, windows p to q of the first axis."""
    cells = prod(a.k for a in spans) * x.shape[-1]
    line = max(1, prod(a.out for a in spans[1:]) * cells)
    images, lines = block_of(part, line, max(BLOCK, ROWS * cells))
    memory = np.empty(images * lines * line, x.dtype)
    met, first = run_of(spans[0], part.first, part.last)
    views = Views(images, [first, *spans[1:]], x.shape[-1], x.dtype)
    for i in range(part.images.start, part.images.stop, images):
        j = min(part.images.stop, i + images)
        view = views.of(x[i:j, met])
        for p in range(part.first, part.last, lines):
            q = min(part.last, p + lines)
            use(matrix_of(view[:, p - part.first : q - part.first], len(spans), memory), i, j, p, q)


def block_of(part: Part, line: int, room: int) -> tuple[int, int]:
    """How many images, and how many lines of each, of so many elements a line, fit in the room: one at least."""
    images, lines = part.images.stop - part.images.start, part.last - part.first
    whole = lines * line
    if whole <= room:
        return max(1, min(images, room // max(1, whole))), max(1, lines)
    return 1, max(1, room // line)


def forward(x: Any, w: Any, spans: list[Axis], y: Any) -> None:
    matrix = matrix_of_filters(w, -1)
    if are_few(len(x), spans, len(matrix)):
        product(_whole(x, spans), matrix, out=rows(y))
        return
    pieces = parts(len(x), spans, w.size)

    def part(number: int) -> None:
        def multiply(block: Any, i: int, j: int, p: int, q: int) -> None:
            np.matmul(block, matrix, out=rows(y[i:j, p:q]))

        each_block(x, spans, pieces[number], multiply)

    threads.each(part, len(pieces))


def to_filter(x: Any, dy: Any, spans: list[Axis], dw: Any) -> None:
    if are_few(len(x), spans, dw.size // max(1, dw.shape[-1])):
        product(_whole(x, spans).T, rows(dy), out=rows(dw))
        return
    pieces = parts(len(x), spans, dw.size)
    sums = np.zeros((len(pieces), *rows(dw).shape), dw.dtype)

    def part(number: int) -> None:
        total = sums[number]
        scratch = np.empty(total.shape, total.dtype)

        def add(block: Any, i: int, j: int, p: int, q: int) -> None:
            np.matmul(block.T, rows(dy[i:j, p:q]), out=scratch)
            np.add(total, scratch, out=total)

        each_block(x, spans, pieces[number], add)

    threads.each(part, len(pieces))
    np.add.reduce(sums, axis=0, out=rows(dw))  # in the order of the parts


def _whole(x: Any, spans: list[Axis]) -> Any:
    return matrix_of(Views(len(x), spans, x.shape[-1], x.dtype).of(x), len(spans))
