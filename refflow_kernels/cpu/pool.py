"""Pools of images and volumes, and their gradients, one axis after the other [W75].

    y = max over rows (max over columns x)      operations: k + k instead of k * k for each result

A block of images that fits a core's cache goes through all axes before the next. The gradient of a maximum goes back
the way it came: among the rows' maxima to the first that equals y, then among that row's cells to the first that
equals the row's maximum, which is the first largest cell in scan order.

    bytes: x and y once, and dx        float32 and float64; what is no number is passed over, as the op says
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.windows import Axis, axes, channels_last, handed_over, memory_for, spatial

_BLOCK = 1 << 16  # elements of x at a time
_PIECE = 1 << 18  # elements worth a thread


def pools_space(attrs: dict[str, Any]) -> bool:
    """True where windows lie in space alone, not across channels or images."""
    ksize, strides = attrs["ksize"], attrs["strides"]
    channel = 1 if attrs["data_format"].startswith("NC") else -1
    return ksize[0] == ksize[channel] == strides[0] == strides[channel] == 1


def _spans(dims: Any, attrs: dict[str, Any]) -> list[Axis]:
    return axes(dims, spatial(attrs["ksize"], attrs["data_format"]), attrs)


def _each_block(x: Any, work: Any) -> None:
    """work(images) for runs of images that fit the cache, several runs to a thread."""
    each = max(1, prod(x.shape[1:]))
    images = max(1, _BLOCK // each)
    runs = [slice(i, min(len(x), i + images)) for i in range(0, len(x), images)]
    together = max(1, _PIECE // max(1, images * each))

    def several(number: int) -> None:
        for run in runs[number * together : (number + 1) * together]:
            work(run)

    threads.each(several, -(-len(runs) // together))


def _sees(span: Axis, place: int) -> tuple[slice, slice]:
    """The windows whose place `place` is a cell of the image, and those cells."""
    shift = place * span.dilation - span.before
    first = max(0, -(shift // span.stride))
    last = min(span.out, (span.size - 1 - shift) // span.stride + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    start = first * span.stride + shift
    return slice(first, last), slice(start, start + (last - first - 1) * span.stride + 1, span.stride)


def _at(axis: int, cells: slice) -> Any:
    return (slice(None),) * axis + (cells,)


def _along(ufunc: Any, start: Any, x: Any, axis: int, span: Axis, y: Any = None) -> Any:
    """The windows' combined cells along one axis, beginning with `start`."""
    if y is None:
        y = np.empty((*x.shape[:axis], span.out, *x.shape[axis + 1 :]), x.dtype)
    whole = slice(0, span.out)
    for place in range(span.k):
        windows, cells = _sees(span, place)
        if place == 0 and windows == whole:
            ufunc(x[_at(axis, cells)], start, out=y)
            continue
        if place == 0:
            y[...] = start
        part = y[_at(axis, windows)]
        ufunc(part, x[_at(axis, cells)], out=part)
    return y


def _pool(ufunc: Any, start: Any, x: Any, spans: list[Axis], y: Any) -> None:
    for axis in range(len(spans), 0, -1):
        x = _along(ufunc, start, x, axis, spans[axis - 1], y if axis == 1 else None)


def max_pool(input: Any, out: Any = None, **attrs: Any) -> Any:
    """The largest cell of each window; what is no number is passed over."""
    layout = attrs["data_format"]
    x = channels_last(input, layout)
    spans = _spans(x.shape[1:-1], attrs)
    y = memory_for((len(x), *(a.out for a in spans), x.shape[-1]), x.dtype, out, layout)
    lowest = np.finfo(x.dtype).min
    _each_block(x, lambda run: _pool(np.fmax, lowest, x[run], spans, y[run]))
    return handed_over(y, x.dtype, out, layout)


def avg_pool(value: Any, out: Any = None, **attrs: Any) -> Any:
    """The mean of each window's cells of the image."""
    layout = attrs["data_format"]
    x = channels_last(value, layout)
    spans = _spans(x.shape[1:-1], attrs)
    y = memory_for((len(x), *(a.out for a in spans), x.shape[-1]), x.dtype, out, layout)
    counts = _counts(spans, x.dtype)

    def block(run: slice) -> None:
        _pool(np.add, x.dtype.type(0), x[run], spans, y[run])
        np.divide(y[run], counts, out=y[run])

    _each_block(x, block)
    return handed_over(y, x.dtype, out, layout)


def _counts(spans: list[Axis], dtype: Any) -> Any:
    """How many cells of the image each window has, [out..., 1]."""
    counts = np.ones((1,) * len(spans) + (1,), dtype)
    for i, span in enumerate(spans):
        line = np.zeros(span.out, dtype)
        for place in range(span.k):
            line[_sees(span, place)[0]] += 1
        counts = counts * line.reshape((-1, *(1,) * (len(spans) - i)))
    return counts


def avg_pool_grad(orig_input_shape: Any, grad: Any, out: Any = None, **attrs: Any) -> Any:
    """dx: every cell of a window gets the same share of its gradient."""
    layout = attrs["data_format"]
    dims = [int(s) for s in orig_input_shape]
    dy = channels_last(grad, layout)
    spans = _spans(spatial(dims, layout), attrs)
    dx = memory_for((len(dy), *(a.size for a in spans), dy.shape[-1]), dy.dtype, out, layout)
    counts = _counts(spans, dy.dtype)

    def block(run: slice) -> None:
        g = dy[run] / counts
        for axis, span in enumerate(spans, 1):
            back = _room_for(dx[run], g, axis, span, axis == len(spans))
            for place in range(span.k):
                windows, cells = _sees(span, place)
                part = back[_at(axis, cells)]
                np.add(part, g[_at(axis, windows)], out=part)
            g = back

    _each_block(dx, block)
    return handed_over(dx, dy.dtype, out, layout)


def _room_for(dx: Any, g: Any, axis: int, span: Axis, is_last: bool) -> Any:
    """Zeros for what comes back along an axis; dx itself along the last."""
    if not is_last:
        return np.zeros((*g.shape[:axis], span.size, *g.shape[axis + 1 :]), g.dtype)
    dx[...] = 0
    return dx


def max_pool_grad(orig_input: Any, orig_output: Any, grad: Any, out: Any = None, **attrs: Any) -> Any:
    """dx: each window's gradient at its first largest cell."""
    layout = attrs["data_format"]
    x, dy = channels_last(orig_input, layout), channels_last(grad, layout)
    spans = _spans(x.shape[1:-1], attrs)
    dx = memory_for(x.shape, dy.dtype, out, layout)

    def block(run: slice) -> None:
        cells = x[run]
        by = _by_scan if np.isnan(np.add.reduce(cells, axis=None)) else _by_axes
        by(cells, dy[run], spans, dx[run])

    _each_block(x, block)
    return handed_over(dx, dy.dtype, out, layout)


def _by_axes(x: Any, dy: Any, spans: list[Axis], dx: Any) -> None:
    stages = [x]
    for axis in range(len(spans), 0, -1):
        stages.append(_along(np.maximum, -np.inf, stages[-1], axis, spans[axis - 1]))
    whole = np.dtype(f"i{x.itemsize}")  # a slope's bits times 1 or 0: no multiplication of infinity by 0
    g = dy
    for axis, span in enumerate(spans, 1):
        largest, cells = stages[-axis], stages[-axis - 1]
        back = _room_for(dx, g, axis, span, axis == len(spans))
        free = np.ones(g.shape, bool)  # windows that have not met their largest cell yet
        for place in range(span.k):
            windows, here = _sees(span, place)
            left = free[_at(axis, windows)]
            hit = cells[_at(axis, here)] == largest[_at(axis, windows)]
            np.bitwise_and(hit, left, out=hit)
            np.bitwise_xor(left, hit, out=left)
            slopes, mask = g[_at(axis, windows)].view(whole), hit.astype(whole)
            part = back[_at(axis, here)]
            if span.k <= span.stride:  # a cell belongs to one window
                np.multiply(slopes, mask, out=part.view(whole))
            else:
                np.multiply(slopes, mask, out=mask)
                np.add(part, mask.view(g.dtype), out=part)
        g = back


def _by_scan(x: Any, dy: Any, spans: list[Axis], dx: Any) -> None:
    """With what is no number about: the first cell wins until a larger one comes, cell by cell."""
    best = np.zeros(dy.shape, x.dtype)
    winner = np.full(dy.shape, -1)
    places = list(np.ndindex(*(a.k for a in spans)))
    views = [[_sees(a, p) for a, p in zip(spans, at, strict=True)] for at in places]
    for number, view in enumerate(views):
        windows, cells = ((slice(None), *part) for part in zip(*view, strict=True))
        seen, so_far, who = x[cells], best[windows], winner[windows]
        better = (who < 0) | (seen > so_far)
        np.copyto(so_far, seen, where=better)
        np.copyto(who, number, where=better)
    dx[...] = 0
    for number, view in enumerate(views):
        windows, cells = ((slice(None), *part) for part in zip(*view, strict=True))
        dx[cells] += np.where(winner[windows] == number, dy[windows], 0)
