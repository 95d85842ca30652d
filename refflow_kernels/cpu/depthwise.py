"""Depthwise convolution and its two gradients: every channel has filters of its own [W74].

    y[p, q, c] = sum over i, j of x[s p + d i, s q + d j, c] w[i, j, c]

    operations: 2 k k for each result        bytes: x, y, and a filter as wide as a row

Nothing here is a matrix product: no number of x meets another channel's filter. What is left is to multiply and add
along runs of memory as long as can be. A row of windows, [q c], sees a row of cells as long, so that a filter is
repeated along the row once, and NumPy's sum of products goes through whole rows in one pass for each place of a window,
where a product and an addition would be two. With a stride, every s-th column is laid out beside the next first.

    dx   the same sum over dy with turned filters, for each residue of rows and columns by the stride
    dw   sums over windows of x times dy, for a whole row of windows; the row is added up at the end

With M filters to a channel, x has each of its channels M times.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.windows import (
    Axis,
    Residue,
    axes,
    bordered,
    channels_last,
    handed_over,
    memory_for,
    residues,
    spatial,
    widened,
)

_BLOCK = 1 << 16  # elements of an image block
_RUN = 1 << 12  # elements of a row at a time


def _folded(x: Any, times: int) -> Any:
    """The sums of `times` channels that lie beside each other."""
    return sum((x[..., m::times] for m in range(1, times)), x[..., ::times])


def _correlate(view: Any, w: Any, columns: int, y: Any) -> None:
    """y [n, p, q c] = sums over i, j of view [n, p, i, j, q c] times w [i, j, c]."""
    c = w.shape[2]
    together = max(1, min(columns, _RUN // max(1, c)))
    row = np.tile(w, together)
    for first in range(0, columns * c, row.shape[2]):
        here = slice(first, first + row.shape[2])
        part = view[..., here]
        np.einsum("npijz,ijz->npz", part, row[..., : part.shape[-1]], out=y[..., here])


def _beside(x: Any, rows: Axis, columns: Axis, at: Residue, times: int) -> Any:
    """The padded rows of x and of their columns those of one residue, each channel `times` times."""
    c = x.shape[-1]
    part = np.zeros((len(x), rows.padded, columns.out + at.shift + (at.number - 1) * at.step, c * times), x.dtype)
    first = (at.b - columns.before) % columns.stride
    cells = x[:, :, first :: columns.stride]
    start = (first + columns.before) // columns.stride
    inside = part[:, rows.before : rows.before + rows.size, start : start + cells.shape[2]]
    for m in range(times):
        inside[..., m::times] = cells[:, :, : inside.shape[2]]
    return part


def _seen(x: Any, rows: Axis, columns: Axis, times: int) -> Iterator[tuple[Residue, Any]]:
    """For each residue of the columns, what its places see: [n, p, i, j, q c]."""
    for at in residues(columns):
        part = _beside(x, rows, columns, at, times)
        n, row, column, cell = part.strides
        yield at, as_strided(
            part[:, :, at.shift :],
            (len(part), rows.out, rows.k, at.number, columns.out * part.shape[3]),
            (n, row * rows.stride, row * rows.dilation, column * at.step, cell), writeable=False,
        )  # fmt: skip


def _each_block(images: int, each: int, work: Any) -> int:
    """work(number, images) for runs of images that fit the cache; how many runs there are."""
    together = max(1, _BLOCK // max(1, each))
    count = -(-images // together)
    threads.each(lambda i: work(i, slice(i * together, min(images, (i + 1) * together))), count)
    return count


def depthwise(input: Any, filter: Any, out: Any = None, **attrs: Any) -> Any:
    """y [N, P, Q, C M] of x [N, H, W, C] and w [k, k, C, M], in the layout of `data_format`."""
    layout, times = attrs["data_format"], filter.shape[3]
    x, w = widened(channels_last(input, layout)), _flat(widened(filter))
    rows, columns = axes(x.shape[1:-1], w.shape[:2], attrs)
    y = memory_for((len(x), rows.out, columns.out, w.shape[2]), x.dtype, out, layout)

    def block(_: int, here: slice) -> None:
        result = y[here].reshape(len(y[here]), rows.out, -1)
        for at, view in _seen(x[here], rows, columns, times):
            part = result if at.b == 0 else np.empty_like(result)
            _correlate(view, w[:, at.places], columns.out, part)
            if part is not result:
                np.add(result, part, out=result)

    if y.size:
        _each_block(len(x), prod(x.shape[1:]) * times, block)
    return handed_over(y, input.dtype, out, layout)


def _flat(w: Any) -> Any:
    """[k, k, C M] of [k, k, C, M]."""
    return w.reshape(*w.shape[:2], w.shape[2] * w.shape[3])


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

    def block(_: int, here: slice) -> None:
        image = bordered(np.ascontiguousarray(dy[here]), [rows, columns])
        n, row, column, cell = image.strides
        for i, j in itertools.product(up, left):
            turned = w[i.residue.places, j.residue.places][::-1, ::-1]
            view = as_strided(
                image[:, i.start :, j.start :],
                (len(image), i.number, i.residue.number, j.residue.number, j.number * w.shape[2]),
                (n, row, row * i.residue.step, column * j.residue.step, cell), writeable=False,
            )  # fmt: skip
            slopes = np.empty((len(image), i.number, j.number * w.shape[2]), dy.dtype)
            _correlate(view, turned, j.number, slopes)
            shaped = slopes.reshape(len(image), i.number, j.number, w.shape[2])
            dx[here][:, i.cells, j.cells] = _folded(shaped, times)

    _each_block(len(dy), prod(dy.shape[1:]), block)
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
    each = prod(x.shape[1:]) * dims[3]
    sums = np.zeros((len(x), *dims[:2], dims[2] * dims[3]), dy.dtype)

    def block(number: int, here: slice) -> None:
        slopes = np.ascontiguousarray(dy[here]).reshape(len(dy[here]), rows.out, -1)
        for at, view in _seen(x[here], rows, columns, dims[3]):
            sums[number, :, at.places] = _products(view, slopes, sums.shape[-1])

    count = _each_block(len(x), each, block)
    np.add.reduce(sums[:count], axis=0, out=dw.reshape(sums.shape[1:]))  # in the order of the blocks
    return handed_over(dw, input.dtype, out, "NHWC")


def _products(view: Any, slopes: Any, c: int) -> Any:
    """[i, j, c]: the sums over n, p, q of view [n, p, i, j, q c] times slopes [n, p, q c]."""
    step = max(1, _RUN // c) * c
    total = np.zeros((*view.shape[2:4], c), view.dtype)
    for first in range(0, slopes.shape[-1], step):
        here = slice(first, first + step)
        runs = np.einsum("npijz,npz->ijz", view[..., here], slopes[..., here])
        total += np.add.reduce(runs.reshape(*total.shape[:2], -1, c), axis=2)
    return total
