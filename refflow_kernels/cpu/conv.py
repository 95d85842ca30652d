"""Convolutions of images and volumes as matrix products, and the two gradients of each [W74, E07].

    y = X @ W       X: a row for each window, with all that it sees       [N out..., k... C]
    dw = X.T @ dy   W: the filters, a column each                         [k... C, M]
    dx = dy @ W.T   back at the places that the windows saw, and added

    operations: 2 N out... k... C M        bytes: the image, the filters, the result, and X once through the cache

X is k... times as large as the image, so it is never made as a whole: a block of windows at a time is laid out in
half a megabyte, which stays in a core's cache while BLAS reads it. A window of one cell needs no X at all.

dx has no such matrix on its input side. With many channels each place of the window is a product of its own, added
to a block of dx that stays in cache. With few, those products would be too narrow for BLAS: then one product gives
[k... C, windows], whose rows are planes that are added to planes of dx.

Tried and left out: Winograd's F(2x2, 3x3), a tie at 64 to 192 channels and slower at 512, since its transforms cost
what its products save; dx as a convolution of dy with turned filters, within a tenth of the sum over places.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.windows import (
    Axis,
    axes,
    bordered,
    channels_last,
    handed_over,
    inside,
    memory_for,
    seen,
    spatial,
    widened,
)

BLOCK = 1 << 18  # elements of X at a time
ROWS = 512  # or so many windows, if those are more: the filters are read once for each block
FEW = 16  # channels: below this, planes
_PIECE = 16e6  # operations worth a thread


def _parts(images: int, spans: list[Axis], w_size: int, columns: int) -> list[tuple[slice, slice]]:
    """Images and columns of the result, in pieces worth a thread each; columns are cut where windows are few."""
    windows = images * prod(a.out for a in spans)
    worth = int(max(1, min(8, 2.0 * windows * w_size // _PIECE)))
    by_images = max(1, min(worth, images, windows // ROWS))
    by_columns = max(1, min(worth, 4, columns // 128)) if by_images == 1 else 1
    return [(i, c) for i in _cut(images, by_images) for c in _cut(columns, by_columns)]


def _cut(count: int, pieces: int) -> list[slice]:
    return [slice(count * i // pieces, count * (i + 1) // pieces) for i in range(pieces)]


def _is_product(spans: list[Axis]) -> bool:
    """True for windows of one cell, one on each cell of the image."""
    return all(a.k == 1 and a.stride == 1 and a.out == a.size and not a.before for a in spans)


def _blocks(images: int, spans: list[Axis], cells: int) -> tuple[int, int]:
    """How many images, and how many windows along the first axis, make a block of X."""
    room = max(BLOCK, ROWS * cells)
    row = max(1, prod(a.out for a in spans[1:]) * cells)
    whole = row * spans[0].out
    if whole <= room:
        return max(1, min(images, room // max(1, whole))), max(1, spans[0].out)
    return 1, max(1, room // row)


def _each_block(x: Any, spans: list[Axis], use: Callable[[Any, int, int, int, int], None]) -> None:
    """use(X, i, j, p, q) for blocks of X: images i to j, windows p to q of the first axis."""
    cells = prod(a.k for a in spans) * x.shape[-1]
    images, rows = _blocks(len(x), spans, cells)
    memory = np.empty(min(images, len(x)) * rows * prod(a.out for a in spans[1:]) * cells, x.dtype)
    for i in range(0, len(x), images):
        j = min(len(x), i + images)
        image = bordered(x[i:j], spans)
        for p in range(0, spans[0].out, rows):
            q = min(spans[0].out, p + rows)
            view = seen(image, spans, p, q)
            matrix = memory[: view.size].reshape(view.shape)
            matrix[...] = view
            use(matrix.reshape(prod(matrix.shape[: len(spans) + 1]), cells), i, j, p, q)


# -- the three sums, channels last, of one group ------------------------------------------------------------------


def _forward(x: Any, w: Any, spans: list[Axis], y: Any) -> None:
    matrix = _rows(w)
    parts = _parts(len(x), spans, w.size, w.shape[-1])

    def part(number: int) -> None:
        here, columns = parts[number]
        images, filters = x[here], matrix[:, columns]
        result = y[here]
        if _is_product(spans):
            np.matmul(images.reshape(-1, x.shape[-1]), filters, out=_rows(result)[:, columns])
            return

        def multiply(block: Any, i: int, j: int, p: int, q: int) -> None:
            np.matmul(block, filters, out=_rows(result[i:j, p:q])[:, columns])

        _each_block(images, spans, multiply)

    threads.each(part, len(parts))


def _rows(block: Any) -> Any:
    """[..., M] as a matrix; a block is whole images, or a run of rows of one, and so lies in one piece."""
    return block.reshape(prod(block.shape[:-1]), block.shape[-1])


def _to_filter(x: Any, dy: Any, spans: list[Axis], dw: Any) -> None:
    filters = dy.shape[-1]
    parts = _parts(len(x), spans, dw.size, filters)
    count = 1 + sum(here != parts[0][0] for here, _ in parts)
    sums = np.empty((count, prod(dw.shape[:-1]), filters), dw.dtype)

    def part(number: int) -> None:
        here, columns = parts[number]
        images, slopes = x[here], dy[here]
        total = sums[number if count > 1 else 0][:, columns]
        if _is_product(spans):
            np.matmul(images.reshape(-1, x.shape[-1]).T, _rows(slopes)[:, columns], out=total)
            return
        scratch = np.empty(total.shape, total.dtype)
        total[...] = 0

        def add(block: Any, i: int, j: int, p: int, q: int) -> None:
            np.matmul(block.T, _rows(slopes[i:j, p:q])[:, columns], out=scratch)
            np.add(total, scratch, out=total)

        _each_block(images, spans, add)

    threads.each(part, len(parts))
    np.add.reduce(sums, axis=0, out=dw.reshape(sums.shape[1:]))  # in the order of the parts


def _to_input(w: Any, dy: Any, spans: list[Axis], dx: Any) -> None:
    channels, filters = w.shape[-2:]
    parts = _parts(len(dy), spans, w.size, channels)
    by = _by_planes if channels < FEW else _by_places

    def part(number: int) -> None:
        here, columns = parts[number]
        if _is_product(spans):
            matrix = w.reshape(channels, filters)[columns].T
            np.matmul(dy[here].reshape(-1, filters), matrix, out=_rows(dx[here])[:, columns])
        else:
            by(w[..., columns, :], dy[here], spans, dx[here][..., columns])

    threads.each(part, len(parts))


def _by_places(w: Any, dy: Any, spans: list[Axis], dx: Any) -> None:
    """One product for each place of the window, added to a block of dx."""
    channels, filters = w.shape[-2:]
    places = list(itertools.product(*(range(a.k) for a in spans)))
    turned = {at: np.ascontiguousarray(w[at].T) for at in places}
    outs = tuple(a.out for a in spans)
    bordered_dx = any(a.before or a.after for a in spans)
    images = max(1, min(len(dy), BLOCK // max(1, prod(outs) * channels)))  # of dx in the cache
    memory = np.empty((images * prod(outs), channels), dy.dtype)
    for i in range(0, len(dy), images):
        slopes = dy[i : i + images].reshape(-1, filters)
        block = dx[i : i + images]
        total = np.empty((len(block), *(a.padded for a in spans), channels), dy.dtype) if bordered_dx else block
        total[...] = 0
        given = memory[: len(slopes)]
        shaped = given.reshape(len(total), *outs, channels)
        for at in places:
            np.matmul(slopes, turned[at], out=given)
            part = total[(slice(None), *(a.cells(p) for a, p in zip(spans, at, strict=True)))]
            np.add(part, shaped, out=part)
        if bordered_dx:
            block[...] = inside(total, spans)


def _by_planes(w: Any, dy: Any, spans: list[Axis], dx: Any) -> None:
    """One product [k... C, windows]; each of its rows is added to a plane of dx."""
    channels, filters = w.shape[-2:]
    outs = tuple(a.out for a in spans)
    cells = w.size // filters
    images = max(1, min(len(dy), 2 * BLOCK // max(1, prod(outs) * cells)))
    for i in range(0, len(dy), images):
        slopes = dy[i : i + images]
        given = np.matmul(w.reshape(cells, filters), slopes.reshape(-1, filters).T)
        planes = given.reshape(*(a.k for a in spans), channels, len(slopes), *outs)
        total = np.zeros((channels, len(slopes), *(a.padded for a in spans)), dy.dtype)
        for at in itertools.product(*(range(a.k) for a in spans)):
            part = total[(slice(None), slice(None), *(a.cells(p) for a, p in zip(spans, at, strict=True)))]
            np.add(part, planes[at], out=part)
        dx[i : i + images] = inside(np.moveaxis(total, 0, -1), spans)


# -- the ops --------------------------------------------------------------------------------------------------


def conv(input: Any, filter: Any, out: Any = None, **attrs: Any) -> Any:
    """y of x [N, in..., C] and w [k..., C / groups, M], in the layout of `data_format`."""
    layout = attrs["data_format"]
    x, w = widened(channels_last(input, layout)), widened(filter)
    spans = axes(x.shape[1:-1], w.shape[:-2], attrs)
    y = memory_for((len(x), *(a.out for a in spans), w.shape[-1]), x.dtype, out, layout)
    groups = _groups(x.shape[-1], w.shape[-2], w.shape[-1])
    for c, m in groups:
        part = y if len(groups) == 1 else np.empty_like(y[..., m])
        _forward(x[..., c], np.ascontiguousarray(w[..., m]), spans, part)
        if part is not y:
            y[..., m] = part
    return handed_over(y, input.dtype, out, layout)


def conv_to_input(input_sizes: Any, filter: Any, out_backprop: Any, out: Any = None, **attrs: Any) -> Any:
    """dx [N, in..., C] of w and dy; `input_sizes` spells its shape, or that of an image's space alone."""
    layout = attrs["data_format"]
    w, dy = widened(filter), widened(channels_last(out_backprop, layout))
    dims = [int(s) for s in input_sizes]
    short = len(dims) == w.ndim - 2
    space = dims if short else spatial(dims, layout)
    channels = w.shape[-2] if short else dims[1 if layout.startswith("NC") else -1]
    spans = axes(space, w.shape[:-2], attrs)
    dx = memory_for((len(dy), *space, channels), dy.dtype, out, layout)
    groups = _groups(channels, w.shape[-2], w.shape[-1])
    for c, m in groups:
        part = dx if len(groups) == 1 else np.empty_like(dx[..., c])
        _to_input(w[..., m], np.ascontiguousarray(dy[..., m]), spans, part)
        if part is not dx:
            dx[..., c] = part
    return handed_over(dx, filter.dtype, out, layout)


def conv_to_filter(input: Any, filter_sizes: Any, out_backprop: Any, out: Any = None, **attrs: Any) -> Any:
    """dw [k..., C / groups, M] of x and dy."""
    layout = attrs["data_format"]
    x, dy = widened(channels_last(input, layout)), widened(channels_last(out_backprop, layout))
    dims = tuple(int(s) for s in filter_sizes)
    spans = axes(x.shape[1:-1], dims[:-2], attrs)
    dw = memory_for(dims, dy.dtype, out, "NHWC")
    groups = _groups(x.shape[-1], dims[-2], dims[-1])
    for c, m in groups:
        part = dw if len(groups) == 1 else np.empty_like(dw[..., m])
        _to_filter(x[..., c], np.ascontiguousarray(dy[..., m]), spans, part)
        if part is not dw:
            dw[..., m] = part
    return handed_over(dw, input.dtype, out, "NHWC")


def _groups(channels: int, each: int, filters: int) -> list[tuple[slice, slice]]:
    """For each group its channels of the image and its filters."""
    count = channels // each if each else 1
    share = filters // count if count else 0
    if count == 1:
        return [(slice(None), slice(None))]
    return [(slice(g * each, (g + 1) * each), slice(g * share, (g + 1) * share)) for g in range(count)]
