"""Pools of images and volumes, and their gradients, one axis after the other [W75].

    y = max over columns (max over rows x)      operations: k + k instead of k * k for each result

A block of images that fits a core's cache goes through all axes before the next; a larger image goes in bands of lines.
The gradient of a maximum goes to the first of the window's largest cells, which is found by going through the window's
places in order: each that has the largest value closes the window, and gets its slope. That is k * k passes, but half
of them over truths, a byte each.

Tried and left out: with strides, cells copied as records into one piece first, which spares the ufunc its many short
runs and costs as much in memory; smaller blocks.

    bytes: x and y once, and dx        float32 and float64; what is no number is passed over, as the op says
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.choose import choose
from refflow_kernels.cpu.reductions import reduce_mean
from refflow_kernels.cpu.windows import (
    Axis,
    axes,
    backwards,
    channels_last,
    handed_over,
    memory_for,
    run_of,
    sees,
    spatial,
)

_BLOCK = 1 << 18  # elements of x at a time
_LESS = 1 << 17  # for the gradient of a maximum, which has more arrays at a time
_PIECE = 1 << 18  # elements worth a thread
_MOST_COUNTS = 1 << 16  # elements that are kept


def pools_space(attrs: dict[str, Any]) -> bool:
    """True where windows lie in space alone, not across channels or images."""
    ksize, strides = attrs["ksize"], attrs["strides"]
    channel = 1 if attrs["data_format"].startswith("NC") else -1
    return ksize[0] == ksize[channel] == strides[0] == strides[channel] == 1


def spans_of(dims: Any, attrs: dict[str, Any]) -> list[Axis]:
    return axes(dims, spatial(attrs["ksize"], attrs["data_format"]), attrs)


def each_block(x: Any, work: Any, most: int = _BLOCK) -> None:
    """work(images) for runs of images that fit the cache, several runs to a thread."""
    each = max(1, prod(x.shape[1:]))
    images = max(1, most // each)
    runs = [slice(i, min(len(x), i + images)) for i in range(0, len(x), images)]
    together = max(1, _PIECE // max(1, images * each))

    def several(number: int) -> None:
        for run in runs[number * together : (number + 1) * together]:
            work(run)

    threads.each(several, -(-len(runs) // together))


def _at(axis: int, cells: slice) -> Any:
    return (slice(None),) * axis + (cells,)


def _along(ufunc: Any, start: Any, x: Any, axis: int, span: Axis, y: Any = None) -> Any:
    """The windows' combined cells along one axis; `start` for those that a place sees nothing of."""
    if y is None:
        y = np.empty((*x.shape[:axis], span.out, *x.shape[axis + 1 :]), x.dtype)
    whole, parts = _order(span)
    if len(whole) > 1:
        ufunc(x[_at(axis, whole[0])], x[_at(axis, whole[1])], out=y)
    else:
        y[...] = x[_at(axis, whole[0])] if whole else start
    for cells in whole[2:]:
        ufunc(y, x[_at(axis, cells)], out=y)
    for windows, cells in parts:
        part = y[_at(axis, windows)]
        ufunc(part, x[_at(axis, cells)], out=part)
    return y


@lru_cache(1024)
def _order(span: Axis) -> tuple[list[slice], list[tuple[slice, slice]]]:
    """The cells of places that all windows have, and windows and cells of the other places."""
    seen = [sees(span, place) for place in range(span.k)]
    everywhere = slice(0, span.out)
    return [c for w, c in seen if w == everywhere], [(w, c) for w, c in seen if w != everywhere]


def combined(ufunc: Any, start: Any, x: Any, spans: list[Axis], y: Any) -> None:
    """Rows go first: they are combined as whole lines, and leave fewer lines to combine within."""
    for windows, cells, band in _bands(spans[0], x[:, :1].size, _BLOCK):
        part = x[:, cells]
        for axis, span in enumerate([band, *spans[1:]], 1):
            part = _along(ufunc, start, part, axis, span, y[:, windows] if axis == len(spans) else None)


def _bands(span: Axis, line: int, most: int) -> list[tuple[slice, slice, Axis]]:
    """Runs of windows along the first axis, and of the lines that they see, of so many elements at most."""
    if span.size * line <= most:
        return [(slice(None), slice(None), span)]
    step = max(1, most // max(1, line * span.stride))
    runs = [(p, min(span.out, p + step)) for p in range(0, span.out, step)]
    return [(slice(p, q), *run_of(span, p, q)) for p, q in runs]


def max_pool(input: Any, out: Any = None, **attrs: Any) -> Any:
    """The largest cell of each window; what is no number is passed over."""
    layout = attrs["data_format"]
    x = channels_last(input, layout)
    spans = spans_of(x.shape[1:-1], attrs)
    y = memory_for((len(x), *(a.out for a in spans), x.shape[-1]), x.dtype, out, layout)
    lowest = np.finfo(x.dtype).min

    def block(run: slice) -> None:
        combined(np.fmax, lowest, x[run], spans, y[run])
        if not np.isfinite(np.vdot(y[run], y[run])):  # a second pass, for windows without numbers
            np.fmax(y[run], lowest, out=y[run])

    each_block(x, block)
    return handed_over(y, x.dtype, out, layout)


def avg_pool(value: Any, out: Any = None, **attrs: Any) -> Any:
    """The mean of each window's cells of the image."""
    layout = attrs["data_format"]
    x = channels_last(value, layout)
    spans = spans_of(x.shape[1:-1], attrs)
    y = memory_for((len(x), *(a.out for a in spans), x.shape[-1]), x.dtype, out, layout)
    if y.size and all(a.out == 1 and a.k == a.size == a.padded for a in spans):  # the whole image
        reduce_mean(x, range(1, x.ndim - 1), True, out=y)
        return handed_over(y, x.dtype, out, layout)
    counts = _counts(tuple(spans), x.dtype, x.shape[-1])

    def block(run: slice) -> None:
        combined(np.add, x.dtype.type(0), x[run], spans, y[run])
        np.divide(y[run], counts, out=y[run])

    each_block(x, block)
    return handed_over(y, x.dtype, out, layout)


@lru_cache(64)
def _counts(spans: tuple[Axis, ...], dtype: Any, channels: int) -> Any:
    """How many cells of the image each window has, [out..., channels], or [out..., 1] where that is large."""
    if not any(a.before or a.after for a in spans):
        return dtype.type(prod(a.k for a in spans))
    counts = np.ones((1,) * len(spans) + (1,), dtype)
    for i, span in enumerate(spans):
        line = np.zeros(span.out, dtype)
        for place in range(span.k):
            line[sees(span, place)[0]] += 1
        counts = counts * line.reshape((-1, *(1,) * (len(spans) - i)))
    if counts.size * channels <= _MOST_COUNTS:  # a division goes through whole lines then
        counts = np.repeat(counts, channels, axis=-1)
    counts.flags.writeable = False
    return counts


def avg_pool_grad(orig_input_shape: Any, grad: Any, out: Any = None, **attrs: Any) -> Any:
    """dx: every cell of a window gets the same share of its gradient."""
    layout = attrs["data_format"]
    dims = [int(s) for s in orig_input_shape]
    dy = channels_last(grad, layout)
    spans = spans_of(spatial(dims, layout), attrs)
    dx = memory_for((len(dy), *(a.size for a in spans), dy.shape[-1]), dy.dtype, out, layout)
    counts = _counts(tuple(spans), dy.dtype, dy.shape[-1])

    def block(run: slice) -> None:
        g = dy[run] / counts
        for axis in range(len(spans), 0, -1):  # lines are repeated as a whole, at last
            g = _given_back(g, axis, spans[axis - 1], dx[run] if axis == 1 else None)

    each_block(dx, block)
    return handed_over(dx, dy.dtype, out, layout)


def _given_back(g: Any, axis: int, span: Axis, back: Any) -> Any:
    """To each cell along an axis the gradients of the windows that see it, added."""
    if back is None:
        back = np.empty((*g.shape[:axis], span.size, *g.shape[axis + 1 :]), g.dtype)
    if _cells_seen(span) < span.size:
        back[...] = 0
    for walk in backwards(span):
        part = back[_at(axis, walk.cells)]
        if part.size:
            _along(np.add, 0, g[_at(axis, walk.windows)], axis, walk.axis, part)
    return back


def _cells_seen(span: Axis) -> int:
    return sum(len(range(span.size)[sees(span, place)[1]]) for place in range(span.k))


def max_pool_grad(orig_input: Any, orig_output: Any, grad: Any, out: Any = None, **attrs: Any) -> Any:
    """dx: each window's gradient at its first largest cell."""
    layout = attrs["data_format"]
    x, dy = channels_last(orig_input, layout), channels_last(grad, layout)
    spans = spans_of(x.shape[1:-1], attrs)
    dx = memory_for(x.shape, dy.dtype, out, layout)
    whole = np.dtype(f"i{dy.itemsize}")  # a slope's bits times 1 or 0: no multiplication of infinity by 0
    alone = all(a.k <= a.stride for a in spans)  # a cell belongs to one window at most
    covered = all(_cells_seen(a) == a.size for a in spans)

    def block(run: slice) -> None:
        if not (alone and covered):
            dx[run] = 0
        for some, lines, band in _bands(spans[0], x[run, :1].size, _LESS):
            slopes, back = dy[run, some], dx[run, lines]
            for windows, cells, hit in _firsts(x[run, lines], [band, *spans[1:]]):
                part, given = back[cells], hit.astype(whole)
                if alone:
                    np.multiply(slopes[windows].view(whole), given, out=part.view(whole))
                else:
                    np.multiply(slopes[windows].view(whole), given, out=given)
                    np.add(part, given.view(dy.dtype), out=part)

    each_block(x, block, _LESS)
    return handed_over(dx, dy.dtype, out, layout)


def _firsts(x: Any, spans: list[Axis]) -> Iterator[tuple[Any, Any, Any]]:
    """For each place its windows, its cells, and in which windows the first largest cell is there."""
    y = _largest(x, spans)
    if y is None:
        _, winner = scanned(x, spans)
        for number, (windows, cells) in enumerate(places(spans)):
            yield windows, cells, winner[windows] == number
        return
    is_open = np.ones(y.shape, bool)
    for windows, cells in places(spans):
        hit, left = x[cells] == y[windows], is_open[windows]
        np.bitwise_and(hit, left, out=hit)
        np.bitwise_xor(left, hit, out=left)
        yield windows, cells, hit


def _largest(x: Any, spans: list[Axis]) -> Any:
    """The largest cell of each window; None where there is one without numbers."""
    y = np.empty((len(x), *(a.out for a in spans), x.shape[-1]), x.dtype)
    combined(np.maximum, -np.inf, x, spans, y)
    return None if np.isnan(np.add.reduce(y, axis=None)) else y


def winners(x: Any, spans: list[Axis]) -> tuple[Any, Any]:
    """The largest cell of each window, and the number of its place: the first of those that have the largest value."""
    y = _largest(x, spans)
    if y is None:
        return scanned(x, spans)
    number_type = np.int8 if prod(a.k for a in spans) < 128 else np.int16
    winner = np.zeros(y.shape, number_type)
    for number, (windows, cells) in reversed(list(enumerate(places(spans)))):
        who = winner[windows]
        choose(x[cells] == y[windows], number_type(number), who, who)
    return y, winner


def places(spans: list[Axis]) -> list[tuple[Any, Any]]:
    """For each place of a window, in scan order: the windows that have a cell there, and those cells."""
    found = []
    for at in np.ndindex(*(a.k for a in spans)):
        views = [sees(a, p) for a, p in zip(spans, at, strict=True)]
        found.append(tuple((slice(None), *part) for part in zip(*views, strict=True)))
    return found  # type: ignore[return-value]


def scanned(x: Any, spans: list[Axis]) -> tuple[Any, Any]:
    """The largest cell of each window and its place: the first cell wins until a larger one comes, cell by cell."""
    best = np.zeros((len(x), *(a.out for a in spans), x.shape[-1]), x.dtype)
    winner = np.full(best.shape, -1)
    for number, (windows, cells) in enumerate(places(spans)):
        seen, so_far, who = x[cells], best[windows], winner[windows]
        better = (who < 0) | (seen > so_far)
        choose(better, seen, so_far, so_far)
        choose(better, who.dtype.type(number), who, who)
    return best, winner
