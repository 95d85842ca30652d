"""Depthwise convolution and its two gradients: every channel has filters of its own [W74].

    y[p, q, c] = sum over i, j of x[s p + d i, s q + d j, c] w[i, j, c]

    operations: 2 k k for each result        bytes: x, y, and a filter as wide as a row

Nothing here is a matrix product: no number of x meets another channel's filter. What is left is to multiply and add
along runs of memory as long as can be. A row of windows, [q c], sees a row of cells as long, so that a filter is
repeated along the row once, and NumPy's sum of products goes through whole rows in one pass for each place of a window,
where a product and an addition would be two. With a stride, every s-th column is laid out beside the next first.

    dx   the same sum over dy with turned filters, for each residue of rows and columns by the stride
    dw   sums over windows of x times dy, for a whole row of windows; the row is added up at the end

A pass takes an eighth of a millisecond for a million products, and that is the limit of this page: NumPy's sum of
products is compiled for registers of four numbers. Images are copied between their padding, into memory that the
thread keeps; large ones in bands of lines. With M filters to a channel, x has each of its channels M times.

Tried and left out: F(2, 3) along rows, whose sums cost what its products spare; products in one pass and their sum in
another, which NumPy has for registers of sixteen, but twice the memory to go through; several short rows as one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.blocks import scratch
from refflow_kernels.cpu.windows import (
    Axis,
    Residue,
    axes,
    channels_last,
    handed_over,
    memory_for,
    residues,
    run_of,
    spatial,
    widened,
)

_BLOCK = 1 << 18  # elements of a band with its padding; of images that are smaller, one to a thread at least
_PIECE = 1 << 18  # elements worth a thread
_RUN = 1 << 13  # elements of a row at a time


class _Band(NamedTuple):
    """Some images, of each the windows first to last along the first axis, and the lines that these see."""

    images: slice
    windows: slice
    lines: slice
    rows: Axis


class _Bands:
    """x [N, H, W, C] in bands, laid out for windows that slide along it, each channel `times` times."""

    def __init__(self, x: Any, rows: Axis, columns: Axis, times: int):
        self.x, self.columns, self.times, self.channels = x, columns, times, x.shape[-1] * times
        self.residues = residues(columns)
        self.width = max(columns.out + at.shift + (at.number - 1) * at.step for at in self.residues)
        line, reach = self.width * self.channels, (rows.k - 1) * rows.dilation + 1
        step = max(1, min(rows.out, (_BLOCK // line - reach) // rows.stride + 1))
        self.size = ((step - 1) * rows.stride + reach) * line  # of a band of one image
        images = max(1, min(len(x), _BLOCK // self.size)) if step == rows.out else 1
        self.size *= images
        runs = [slice(p, min(rows.out, p + step)) for p in range(0, rows.out, step)]
        bands = [
            _Band(slice(i, min(len(x), i + images)), run, *run_of(rows, run.start, run.stop))
            for i in range(0, len(x), images)
            for run in runs
        ]
        together = max(1, _PIECE // self.size)
        self.pieces = [bands[i : i + together] for i in range(0, len(bands), together)]

    def each(self, work: Callable[[int], None]) -> None:
        """work(number) for all pieces."""
        threads.each(work, len(self.pieces))

    def memory(self) -> Any:
        """Two bands of the calling thread's own memory."""
        return scratch(((2, self.size), self.x.dtype))

    def seen(self, band: _Band, at: Residue, memory: Any) -> Any:
        """What the places of one residue of the columns see, [n, p, i, j, q c], laid out in memory."""
        x, c, columns, rows = self.x[band.images, band.lines], self.channels, self.columns, band.rows
        dims = len(x), rows.padded, columns.out + at.shift + (at.number - 1) * at.step, c
        image = memory[: prod(dims)].reshape(dims)
        first = (at.b - columns.before) % columns.stride
        start = min(dims[2], (first + columns.before) // columns.stride)
        cells = x[:, :, first :: columns.stride][:, :, : dims[2] - start]
        inside = _between(image, rows.before, len(x[0]), start, cells.shape[2])
        for m in range(self.times):
            inside[..., m :: self.times] = cells
        return _sliding(image[:, :, at.shift :], rows, at, columns.out)


def _between(image: Any, above: int, height: int, left: int, width: int) -> Any:
    """The part of an image that lies between its padding, which becomes zeros."""
    below, right = above + height, left + width
    for border in (image[:, :above], image[:, below:], image[:, above:below, :left], image[:, above:below, right:]):
        if border.size:
            border[...] = 0
    return image[:, above:below, left:right]


def _sliding(image: Any, rows: Axis, at: Residue, columns: int) -> Any:
    """[n, p, i, j, q c] of an image [n, lines, cells, c]: a view."""
    n, row, column, cell = image.strides
    shape = len(image), rows.out, rows.k, at.number, columns * image.shape[3]
    steps = n, row * rows.stride, row * rows.dilation, column * at.step, cell
    return np.lib.stride_tricks.as_strided(image, shape, steps, writeable=False)


def _together(columns: int, c: int) -> int:
    """How many columns make a run; runs are about equal."""
    return -(-columns // -(-columns * c // _RUN))


def _repeated(w: Any, columns: int) -> Any:
    """Filters [i, j, c] along a run of columns."""
    return np.tile(w, _together(columns, w.shape[2]))


def _correlate(view: Any, w: Any, y: Any) -> None:
    """y [n, p, q c] = sums over i, j of view [n, p, i, j, q c] times w [i, j, run]."""
    for first in range(0, view.shape[-1], w.shape[-1]):
        here = slice(first, min(view.shape[-1], first + w.shape[-1]))
        np.einsum("npijz,ijz->npz", view[..., here], w[..., : here.stop - first], out=y[..., here])


def _add_products(view: Any, slopes: Any, total: Any) -> None:
    """Adds to total [i, j, run] the sums over n, p of view [n, p, i, j, q c] times slopes [n, p, q c], run by run."""
    for first in range(0, slopes.shape[-1], total.shape[-1]):
        here = slice(first, first + total.shape[-1])
        products = np.einsum("npijz,npz->ijz", view[..., here], slopes[..., here])
        part = total[..., : products.shape[-1]]
        np.add(part, products, out=part)


def _folded(x: Any, times: int) -> Any:
    """The sums of `times` channels that lie beside each other."""
    return sum((x[..., m::times] for m in range(1, times)), x[..., ::times])


def _flat(w: Any) -> Any:
    """[k, k, C M] of [k, k, C, M]."""
    return w.reshape(*w.shape[:2], w.shape[2] * w.shape[3])


def depthwise(input: Any, filter: Any, out: Any = None, **attrs: Any) -> Any:
    """y [N, P, Q, C M] of x [N, H, W, C] and w [k, k, C, M], in the layout of `data_format`."""
    layout = attrs["data_format"]
    x, w = widened(channels_last(input, layout)), _flat(widened(filter))
    rows, columns = axes(x.shape[1:-1], w.shape[:2], attrs)
    y = memory_for((len(x), rows.out, columns.out, w.shape[2]), x.dtype, out, layout)
    if not y.size:
        return handed_over(y, input.dtype, out, layout)
    bands = _Bands(x, rows, columns, filter.shape[3])
    filters = [(at, _repeated(w[:, at.places], columns.out)) for at in bands.residues]

    def piece(number: int) -> None:
        memory, spare = bands.memory()
        for band in bands.pieces[number]:
            result = y[band.images, band.windows].reshape(-1, band.rows.out, columns.out * bands.channels)
            for at, repeated in filters:
                part = result if at is filters[0][0] else spare[: result.size].reshape(result.shape)
                _correlate(bands.seen(band, at, memory), repeated, part)
                if part is not result:
                    np.add(result, part, out=result)

    bands.each(piece)
    return handed_over(y, input.dtype, out, layout)


class _Return(NamedTuple):
    """Along one axis, how the cells of one residue get their slopes back."""

    residue: Residue
    cells: slice  # of dx
    number: int  # of cells
    start: int  # in the padded dy, for the last place of the residue


def _returns(span: Axis) -> tuple[Axis, list[_Return]]:
    """The axis of dy with its padding, and the residues of dx."""
    reach = (span.k - 1) * span.dilation // span.stride
    last = (span.size - 1 + span.before) // span.stride
    found = []
    for at in residues(span):
        first = (at.b - span.before) % span.stride
        count = len(range(first, span.size, span.stride))
        start = (first + span.before) // span.stride + reach - (at.shift + (at.number - 1) * at.step)
        found.append(_Return(at, slice(first, None, span.stride), count, start))
    return Axis(span.out, 1, 1, 1, span.out, reach, max(0, last + 1 - span.out)), found


def depthwise_to_input(input_sizes: Any, filter: Any, out_backprop: Any, out: Any = None, **attrs: Any) -> Any:
    """dx [N, H, W, C] of w and dy."""
    layout, times = attrs["data_format"], filter.shape[3]
    dims = [int(s) for s in input_sizes]
    w, dy = _flat(widened(filter)), widened(channels_last(out_backprop, layout))
    spans = axes(spatial(dims, layout), w.shape[:2], attrs)
    dx = memory_for((dims[0], *(a.size for a in spans), filter.shape[2]), dy.dtype, out, layout)
    if not dx.size or not dy.size or any(a.k < a.stride for a in spans):
        dx[...] = 0  # cells that no window sees
    if not dx.size or not dy.size:
        return handed_over(dx, filter.dtype, out, layout)
    (rows, up), (columns, left) = map(_returns, spans)
    c, size = w.shape[2], rows.padded * columns.padded * w.shape[2]
    ways = [
        (i, j, _repeated(w[i.residue.places, j.residue.places][::-1, ::-1], j.number))
        for i, j in itertools.product(up, left)
        if i.number and j.number
    ]
    each = max(size, *(i.number * j.number * c for i, j, _ in ways), 1)
    together = max(1, _BLOCK // each)

    def block(number: int) -> None:
        here = slice(number * together, min(len(dy), (number + 1) * together))
        result, given = dx[here], dy[here]
        memory, spare = scratch(((2, together * each), dy.dtype))
        image = memory[: len(given) * size].reshape(len(given), rows.padded, columns.padded, c)
        _between(image, rows.before, rows.size, columns.before, columns.size)[...] = given
        for i, j, turned in ways:
            part = result[:, i.cells, j.cells]
            shape = len(given), i.number, j.number, c
            is_direct = times == 1 and part.flags.c_contiguous
            slopes = part if is_direct else spare[: prod(shape)].reshape(shape)
            lines = Axis(0, i.residue.number, 1, i.residue.step, i.number, 0, 0)
            view = _sliding(image[:, i.start :, j.start :], lines, j.residue, j.number)
            _correlate(view, turned, slopes.reshape(*shape[:2], -1))
            if not is_direct:
                part[...] = _folded(slopes, times)

    threads.each(block, -(-len(dy) // together))
    return handed_over(dx, filter.dtype, out, layout)


def depthwise_to_filter(input: Any, filter_sizes: Any, out_backprop: Any, out: Any = None, **attrs: Any) -> Any:
    """dw [k, k, C, M] of x and dy."""
    layout = attrs["data_format"]
    x, dy = widened(channels_last(input, layout)), widened(channels_last(out_backprop, layout))
    dims = tuple(int(s) for s in filter_sizes)
    rows, columns = axes(x.shape[1:-1], dims[:2], attrs)
    dw = memory_for(dims, dy.dtype, out, "NHWC")
    if not dw.size or not dy.size:
        dw[...] = 0
        return handed_over(dw, input.dtype, out, "NHWC")
    bands = _Bands(x, rows, columns, dims[3])
    c = bands.channels
    sums = np.zeros((len(bands.pieces), *dims[:2], c), dy.dtype)

    def piece(number: int) -> None:
        memory, _ = bands.memory()
        run = _together(columns.out, c) * c
        totals = [(at, np.zeros((rows.k, at.number, run), dy.dtype)) for at in bands.residues]
        for band in bands.pieces[number]:
            slopes = dy[band.images, band.windows].reshape(-1, band.rows.out, columns.out * c)
            for at, total in totals:
                _add_products(bands.seen(band, at, memory), slopes, total)
        for at, total in totals:
            np.add.reduce(total.reshape(rows.k, at.number, -1, c), axis=2, out=sums[number, :, at.places])

    bands.each(piece)
    np.add.reduce(sums, axis=0, out=dw.reshape(sums.shape[1:]))  # in the order of the pieces
    return handed_over(dw, input.dtype, out, "NHWC")
