"""Maxima of windows that also say where they are [W75].

    place = (row * W + column) * C + c        plus n * H * W * C with include_batch_in_index

    bytes: x twice, y and the places        operations: as for the gradient of a pool, and a look-up for each result

Which place of its window won is known as for the gradient of a pool; how far that place is from the window's first cell
is looked up in a table of k * k numbers.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from refflow_kernels.cpu import pool
from refflow_kernels.cpu.windows import Axis, memory_for

_FORMAT = {"data_format": "NHWC"}


def pools_space(attrs: dict[str, Any]) -> bool:
    """True where windows lie in space alone."""
    return pool.pools_space(attrs | _FORMAT)


def max_pool_with_argmax(
    input: Any, ksize: Any, strides: Any, padding: str, Targmax: Any = None, include_batch_in_index: bool = False,
    out: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """y [N, P, Q, C], and the places of its values in x."""
    x = np.ascontiguousarray(input)
    spans = pool.spans_of(x.shape[1:-1], {"ksize": ksize, "strides": strides, "padding": padding, **_FORMAT})
    dims = (len(x), *(a.out for a in spans), x.shape[-1])
    y = memory_for(dims, x.dtype, out[0] if out else None, "NHWC")
    found = out[1] if out else np.empty(dims, Targmax.as_numpy_dtype if Targmax else np.int64)
    starts, offsets = _places_of_windows(spans, x.shape), _places_in_window(spans, x.shape)

    def block(run: slice) -> None:
        y[run], winner = pool.winners(x[run], spans)
        where = np.take(offsets, winner)
        where += starts
        if include_batch_in_index:
            where += (np.arange(run.start, run.stop) * x[0].size).reshape(-1, 1, 1, 1)
        found[run] = where

    pool.each_block(x, block)
    if out and y is not out[0]:
        out[0][...] = y
    return (out[0], found) if out else (y, found)


def _places_of_windows(spans: list[Axis], dims: Any) -> Any:
    """[P, Q, C]: the place of each window's first cell, which may lie in the padding."""
    rows, columns = (np.arange(a.out) * a.stride - a.before for a in spans)
    return (rows[:, None, None] * dims[2] + columns[:, None]) * dims[3] + np.arange(dims[3])


def _places_in_window(spans: list[Axis], dims: Any) -> Any:
    """How much further a window's other cells lie, [k k]."""
    return np.array([(i * dims[2] + j) * dims[3] for i, j in itertools.product(*(range(a.k) for a in spans))])
