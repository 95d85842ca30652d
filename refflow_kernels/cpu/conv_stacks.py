"""Convolution by stacks: what windows see of a line is gathered once, and a window is a run of such lines [W74].

    Z[q, l] = what the window at q, across the lines, sees of line l      [out... across, lines, k... C across]
    y[p, q] = Z[q, s p : s p + k] @ W                                     W: [k... C, M], the filters

For a line of windows p those runs are the rows of a matrix, k... C numbers each and as far from each other as the
stacks are: BLAS reads it where it lies. So k... C numbers across are copied for a window, where a matrix of windows
has k times as many, in runs as short; the products, and so the bits of y, are those of such a matrix. And

    dw = sum over p of Z[:, s p : s p + k].T @ dy[p]

    operations: 2 N out... k... C M      bytes: image, filters and result, and Z k times through the cache

A product has the windows across alone for rows, some of them at a time: so few that BLAS does not pack them. Where
those are too few, or channels so many that copying is nothing beside the product, nothing is won.
Next: refflow_kernels/cpu/conv_lines.py.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.conv_windows import BLOCK, MANY, Part, Views, matrix_of_filters, parts, rows
from refflow_kernels.cpu.windows import Axis, run_of

UNPACKED = 1_000_000  # multiply-adds that OpenBLAS computes without packing
FEWEST = 48  # rows of a product that are worth a call


def forward_wins(channels: int, filters: int, images: int, spans: list[Axis]) -> bool:
    """True where y takes less time so; by trial of two hundred shapes, with BLAS's kernels for AVX-512 and AVX2."""
    return _win(channels, filters, images, spans, most_channels=16, rows=20, operands=100)


def to_filter_wins(channels: int, filters: int, images: int, spans: list[Axis]) -> bool:
    """The same for dw, of which every product adds as many numbers as the filters have."""
    return _win(channels, filters, images, spans, most_channels=6, rows=64, operands=160)


def _win(
    channels: int, filters: int, images: int, spans: list[Axis], most_channels: int, rows: int, operands: int
) -> bool:
    """With one channel a matrix of windows is filled along them, in runs as long as theirs."""
    first, windows = spans[0], prod(a.out for a in spans[1:])
    return (
        1 < channels <= most_channels
        and windows >= rows
        and windows * first.out * images > MANY
        and first.dilation == 1
        and 4 * first.k * first.out >= 7 * first.padded
        and prod(a.k for a in spans) * channels * filters <= UNPACKED // operands
    )


def forward(x: Any, w: Any, spans: list[Axis], y: Any) -> None:
    matrix = matrix_of_filters(w, -1)
    pieces = parts(len(x), spans, w.size)

    def part(number: int) -> None:
        def multiply(stacks: Any, block: tuple[slice, ...]) -> None:
            here = y[block]
            np.matmul(stacks, matrix, out=_lines(here))

        _each_block(x, spans, pieces[number], w.size, multiply)

    threads.each(part, len(pieces))


def to_filter(x: Any, dy: Any, spans: list[Axis], dw: Any) -> None:
    pieces = parts(len(x), spans, dw.size)
    sums = np.zeros((len(pieces), *rows(dw).shape), dw.dtype)

    def part(number: int) -> None:
        total = sums[number]
        memory = np.empty((max(1, BLOCK // dw.size), *total.shape), dw.dtype)

        def add(stacks: Any, block: tuple[slice, ...]) -> None:
            slopes = _lines(dy[block])
            for image, slope in zip(stacks, slopes, strict=True):
                for p in range(0, len(image), len(memory)):
                    some = image[p : p + len(memory)].transpose(0, 2, 1)
                    products = np.matmul(some, slope[p : p + len(memory)], out=memory[: len(some)])
                    np.add(total, np.add.reduce(products, axis=0), out=total)

        _each_block(x, spans, pieces[number], dw.size, add)

    threads.each(part, len(pieces))
    np.add.reduce(sums, axis=0, out=rows(dw))  # in the order of the parts


def _lines(block: Any) -> Any:
    """[N, lines, windows across, M] of a block [N, lines, some of out..., M], in the same memory."""
    return as_strided(
        block,
        (*block.shape[:2], prod(block.shape[2:-1]), block.shape[-1]),
        (*block.strides[:2], *block.strides[-2:]),
    )


def _each_block(
    x: Any, spans: list[Axis], part: Part, w_size: int, use: Callable[[Any, tuple[slice, ...]], None]
) -> None:
    """use(stacks [N, lines of windows, windows across, k... C], where these windows are in y), block after block."""
    met, first = run_of(spans[0], part.first, part.last)
    lines, across = first.padded, spans[1:]
    cells, beside = prod(a.k for a in across) * x.shape[-1], prod(a.out for a in across[1:])
    step = _step(across[0].out, beside, lines * cells, w_size)
    images = 1 if step < across[0].out else max(1, BLOCK // (step * beside * lines * cells))
    images = min(images, part.images.stop - part.images.start)
    views = Views(images, [first._replace(k=1, stride=1, out=lines), *across], x.shape[-1], x.dtype)
    memory = np.empty((images, step, *(a.out for a in across[1:]), lines, cells), x.dtype)
    for i in range(part.images.start, part.images.stop, images):
        j = min(part.images.stop, i + images)
        seen = np.moveaxis(views.of(x[i:j, met]), 1, 1 + len(across))  # [N, out... across, lines, 1, k... across, C]
        for a in range(0, across[0].out, step):
            b = min(across[0].out, a + step)
            z = memory[: j - i, : b - a]
            z.reshape(seen[:, a:b].shape)[...] = seen[:, a:b]
            image, *_, line, number = z.strides
            shape = (j - i, first.out, (b - a) * beside, first.k * cells)
            stacks = as_strided(z, shape, (image, line * first.stride, line * lines, number), writeable=False)
            use(stacks, (slice(i, j), slice(part.first, part.last), slice(a, b)))


def _step(count: int, beside: int, stack: int, w_size: int) -> int:
    """How many of `count` rows of windows across, so many in a row, are taken at a time: equal shares."""
    most = min(UNPACKED // w_size, BLOCK // stack)
    return -(-count // -(-count // max(1, max(FEWEST, most) // beside)))
