"""Grey dilation of images, and its two gradients: pools in which each place of a window has a number of its own [W74].

    y[n, o, c] = max over places p of  x[n, o * stride + p * rate - before, c] + w[p, c]

    bytes: x and y once        operations: 2 for each place and result, 5 for the gradients, most of them over bytes

The windows' largest sums are found place by place. Which place was the first to have it is found by going through the
places from the last to the first, as for a pool's gradient: the sums are made again, to the same bits. Then each place
gives the slopes of the windows where it won to its cells, or to its number of the filter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refflow_kernels.cpu.choose import choose
from refflow_kernels.cpu.pool import each_block, places
from refflow_kernels.cpu.reductions import sum_of_rows
from refflow_kernels.cpu.windows import Axis, axes, handed_over, memory_for


def dilation(input: Any, filter: Any, strides: Any, rates: Any, padding: str, out: Any = None) -> Any:
    """The largest sum of each window; what is no number is passed over."""
    spans = _spans(input, filter, strides, rates, padding)
    y = memory_for((len(input), *(a.out for a in spans), input.shape[3]), input.dtype, out, "NHWC")

    def block(run: slice) -> None:
        _largest(input[run], filter, spans, y[run])

    each_block(input, block)
    return handed_over(y, input.dtype, out, "NHWC")


def dilation_to_input(
    input: Any, filter: Any, out_backprop: Any, strides: Any, rates: Any, padding: str, out: Any = None
) -> Any:
    """dx: each window's slope at the cell that won."""
    spans = _spans(input, filter, strides, rates, padding)
    dx = memory_for(input.shape, out_backprop.dtype, out, "NHWC")

    def block(run: slice) -> None:
        back = dx[run]
        back[...] = 0
        for (_, cells), won in _won(input[run], filter, spans, out_backprop[run]):
            np.add(back[cells], won, out=back[cells])

    each_block(input, block)
    return handed_over(dx, input.dtype, out, "NHWC")


def dilation_to_filter(
    input: Any, filter: Any, out_backprop: Any, strides: Any, rates: Any, padding: str, out: Any = None
) -> Any:
    """dw: each window's slope at the place that won; images are added in their order."""
    spans = _spans(input, filter, strides, rates, padding)
    sums = np.zeros((len(input), len(places(spans)), filter.shape[2]), out_backprop.dtype)

    def block(run: slice) -> None:
        for number, (_, won) in enumerate(_won(input[run], filter, spans, out_backprop[run])):
            if won.size:
                sums[run.start, number] = sum_of_rows(won.reshape(-1, won.shape[3]))

    each_block(input, block)
    return handed_over(np.add.reduce(sums, axis=0).reshape(filter.shape), filter.dtype, out, "NHWC")


def _spans(x: Any, w: Any, strides: Any, rates: Any, padding: str) -> list[Axis]:
    attrs = {"data_format": "NHWC", "strides": strides, "dilations": rates, "padding": padding}
    return axes(x.shape[1:3], w.shape[:2], attrs)


def _sums(w: Any, spans: list[Axis]) -> list[tuple[Any, Any, Any]]:
    """For each place: the windows that have a cell there, those cells, and the filter's numbers, a row of them."""
    rows = w.reshape(w.shape[0] * w.shape[1], 1, w.shape[2])
    found = []
    for (windows, cells), numbers in zip(places(spans), rows, strict=True):
        found.append((windows, cells, np.repeat(numbers, len(range(spans[1].out)[windows[2]]), axis=0)))
    return found


def _largest(x: Any, w: Any, spans: list[Axis], y: Any) -> None:
    y[...] = np.finfo(x.dtype).min
    for windows, cells, numbers in _sums(w, spans):
        part = y[windows]
        np.fmax(part, x[cells] + numbers, out=part)


def _won(x: Any, w: Any, spans: list[Axis], dy: Any) -> Iterator[tuple[tuple[Any, Any], Any]]:
    """For each place: its windows and cells, and the slopes of those windows where it won, 0 elsewhere."""
    y = np.empty(dy.shape, x.dtype)
    _largest(x, w, spans, y)
    sums = _sums(w, spans)
    winner = np.zeros(y.shape, np.int8 if len(sums) < 128 else np.int32)
    for number, (windows, cells, numbers) in reversed(list(enumerate(sums))):
        who = winner[windows]
        choose(x[cells] + numbers == y[windows], winner.dtype.type(number), who, who)
    for number, (windows, cells, _) in enumerate(sums):
        hit, slopes = winner[windows] == number, dy[windows]
        yield (windows, cells), choose(hit, slopes, dy.dtype.type(0), np.empty(slopes.shape, dy.dtype))
