"""Convolutions of images and volumes as matrix products, and the two gradients of each [W74, E07].

    y[p] = sum over i of x[s p + d i - before] w[i]          p, i: along each axis; over channels as well
    operations: 2 N out... k... C M, for y and for each gradient

Which road a convolution takes is decided by its shape alone:

    road       where                                         page
    product    windows of one cell, one on each cell         refflow_kernels/cpu/matmul.py
    places     long lines, windows along them alone, and M   conv_places.py: nothing gathered, k M numbers summed
               not much larger than C
    tiles      stride 1, three to five places along the last conv_winograd.py: a quarter to a third of the products,
               two axes, thirty-two channels or more         and three times the rounding
    stacks     few channels, but not one, and filters of     conv_stacks.py: k C numbers gathered for a window
               which a product of many windows fits in a
               cache
    lines      stride 1 along the first axis, and C not      conv_lines.py: k C numbers gathered for a window, and k M
               much smaller than M                           summed; a wide product
    windows    all others                                    conv_windows.py: k k C numbers gathered for a window
    planes     dx with few channels, or far fewer than M     below

Where a road multiplies zeros that the definition leaves out, or leaves out some that it multiplies, or subtracts what
it has added, infinite numbers would show it; with such numbers another road is taken.

dx is a convolution as well, of dy with turned filters: cells of an image that lie a stride apart see the same places
of the windows, and so are windows of stride 1 over dy; there are as many such convolutions as there are residues of the
stride. With few channels of dx such products would be too narrow for BLAS: then one product gives [k... C, windows],
whose rows are planes that are added to planes of dx.

Groups are convolutions of their own.

Tried and left out: tiles along lines alone, F(4, 3), which take a third longer than those along both axes; F(2x2, 3x3),
whose transforms cost what its products save; products of sixteen windows, which BLAS does not pack, a tie with those
of a block.
Next: refflow_kernels/cpu/conv_windows.py.
"""

from __future__ import annotations

import itertools
from math import prod
from typing import Any

import numpy as np

from refflow_kernels.cpu import conv_lines, conv_places, conv_stacks, conv_windows, conv_winograd, threads
from refflow_kernels.cpu.conv_windows import Part, block_of, matrix_of_filters, parts, rows
from refflow_kernels.cpu.matmul import product
from refflow_kernels.cpu.windows import (
    Axis,
    axes,
    backwards,
    channels_last,
    handed_over,
    inside,
    memory_for,
    spatial,
    widened,
)

FEW = 16  # channels of dx that are few for a convolution with strides; half of that without; twice, if filters are
MANY_MORE = 4  # times as many
PLANES = 1 << 21  # numbers of planes at a time: with fewer, the additions are too short


def _folded(spans: list[Axis], image: Any, filters: Any) -> tuple[list[Axis], Any, Any]:
    """The same convolution with those last axes that one window covers whole as channels, whose rows are longer.

    So a sentence [T, E, 1] under windows of whole words becomes T cells of E channels. Views, which may be written.
    """
    kept = len(spans)
    while kept and _is_covered(spans[kept - 1]):
        kept -= 1
    whole = len(spans) - kept
    if not whole or not image.flags.c_contiguous or not filters.flags.c_contiguous:
        return spans, image, filters
    image = image.reshape(*image.shape[: 1 + kept], *[1] * whole, -1)
    filters = filters.reshape(*filters.shape[:kept], *[1] * whole, -1, filters.shape[-1])
    return spans[:kept] + [Axis(1, 1, 1, 1, 1, 0, 0)] * whole, image, filters


def _is_covered(a: Axis) -> bool:
    return a.size == a.k > 1 and a.dilation == 1 and a.out == 1 and not a.before and not a.after


def _is_product(spans: list[Axis]) -> bool:
    """True for windows of one cell, one on each cell of the image."""
    return all(a.k == 1 and a.stride == 1 and a.out == a.size and not a.before for a in spans)


def _are_finite(numbers: Any) -> bool:
    """False where one is not, or where the sum of their squares is not, which costs time alone."""
    return bool(np.isfinite(np.vdot(numbers, numbers)))


# -- the three sums, channels last, of one group ------------------------------------------------------------------


def _forward(x: Any, w: Any, spans: list[Axis], y: Any) -> None:
    if not x.size or not w.size:
        y[...] = 0
        return
    spans, x, w = _folded(spans, x, w)
    if _is_product(spans):
        product(rows(x), matrix_of_filters(w, -1), out=rows(y))
    elif conv_places.wins(w.shape[-2], w.shape[-1], spans) and _are_finite(w):
        conv_places.forward(x, w, spans, y)
    elif conv_winograd.forward_wins(w.shape[-2], w.shape[-1], len(x), spans) and conv_winograd.forward(x, w, spans, y):
        return
    elif conv_stacks.forward_wins(w.shape[-2], w.shape[-1], len(x), spans):
        conv_stacks.forward(x, w, spans, y)
    elif conv_lines.forward_wins(w.shape[-2], w.shape[-1], spans) and _are_finite(w):
        conv_lines.forward(x, w, spans, y)
    else:
        conv_windows.forward(x, w, spans, y)


def _to_filter(x: Any, dy: Any, spans: list[Axis], dw: Any) -> None:
    if not x.size or not dy.size:
        dw[...] = 0
        return
    spans, x, dw = _folded(spans, x, dw)
    if _is_product(spans):
        product(rows(x).T, rows(dy), out=rows(dw))
        return
    if conv_places.wins(dw.shape[-2], dw.shape[-1], spans):
        conv_places.to_filter(x, dy, spans, dw)
        if _are_finite(dw):  # then so is all that went into it
            return
    if conv_winograd.to_filter_wins(dw.shape[-2], dw.shape[-1], len(x), spans):
        conv_winograd.to_filter(x, dy, spans, dw)
        if _are_finite(dw):
            return
    if conv_stacks.to_filter_wins(dw.shape[-2], dw.shape[-1], len(x), spans):
        conv_stacks.to_filter(x, dy, spans, dw)
        return
    if conv_lines.to_filter_wins(dw.shape[-2], dw.shape[-1], spans):
        conv_lines.to_filter(x, dy, spans, dw)
        if _are_finite(dw):  # then so is all that went into it
            return
    conv_windows.to_filter(x, dy, spans, dw)


def _to_input(w: Any, dy: Any, spans: list[Axis], dx: Any) -> None:
    """For each residue of the stride a convolution of dy, with the places that see such cells, turned."""
    if w.size:
        spans, dx, w = _folded(spans, dx, w)
    if _is_product(spans):
        product(rows(dy), rows(w).T, out=rows(dx))
        return
    if _planes_win(w.shape[-2], w.shape[-1], spans) or not _are_finite(w):
        pieces = parts(len(dy), spans, w.size, 1)
        threads.each(lambda i: _by_planes(w, dy[pieces[i].images], spans, dx[pieces[i].images]), len(pieces))
        return
    walks = list(itertools.product(*map(backwards, spans)))
    if len(walks) != prod(a.stride for a in spans):
        dx[...] = 0  # there are cells that no window sees
    for walk in walks:
        turned = np.swapaxes(w[tuple(a.places for a in walk)], -1, -2)
        given = dy[(slice(None), *(a.windows for a in walk))]
        here = dx[(slice(None), *(a.cells for a in walk))]
        part = here if here.flags.c_contiguous else np.empty_like(here, order="C")
        _forward(given, turned, [a.axis for a in walk], part)
        if part is not here:
            here[...] = part


def _planes_win(channels: int, filters: int, spans: list[Axis]) -> bool:
    """By trial: strides leave each residue few places, so that what is gathered of dy is read in short runs."""
    if all(a.stride == 1 for a in spans):
        return channels < FEW // 2
    return channels < FEW or (channels <= 2 * FEW and filters >= MANY_MORE * channels and any(a.k > 1 for a in spans))


def _by_planes(w: Any, dy: Any, spans: list[Axis], dx: Any) -> None:
    """One product [k... C, windows]; each of its rows is added to a plane of dx."""
    channels, filters = w.shape[-2:]
    first, *beside = spans
    matrix = w.reshape(prod(w.shape[:-1]), filters)
    line = max(1, prod(a.out for a in beside) * len(matrix))
    images, lines = block_of(Part(slice(0, len(dy)), 0, first.out), line, PLANES)
    for i in range(0, len(dy), images):
        count = min(images, len(dy) - i)
        total = np.zeros((channels, count, *(a.padded for a in spans)), dy.dtype)
        for p in range(0, first.out, lines):
            slopes = dy[i : i + count, p : p + lines]
            given = np.matmul(matrix, rows(slopes).T).reshape(*w.shape[:-1], *slopes.shape[:-1])
            band = first._replace(out=slopes.shape[1])
            here = total[:, :, p * first.stride :]
            for at in itertools.product(*(range(a.k) for a in spans)):
                cells = (a.cells(place) for a, place in zip([band, *beside], at, strict=True))
                part = here[(slice(None), slice(None), *cells)]
                np.add(part, given[at], out=part)
        dx[i : i + count] = inside(np.moveaxis(total, 0, -1), spans)


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
        _forward(x[..., c], w[..., m], spans, part)
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
