"""The order of axes: a copy that is quick to read is slow to write, so that neither may be long [W06].

    bytes: x twice

NumPy's own copy is good while a matrix fits the cache. Beyond that, lines of memory that lie a power of two apart
throw each other out. So a tile of a matrix is copied as it lies, row by row, to where its rows begin a line further
each, is turned from there within the cache, and then copied row by row to its place: far memory only ever sees rows.
That is a fifth to a quarter of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow_kernels import aligned
from refflow_kernels.cpu import threads

_ROWS, _COLUMNS = 128, 256  # of a tile
_LINE = 64  # bytes
_LARGE = 1 << 20  # elements of one matrix
_PIECE = 1 << 18  # elements worth a thread


def transpose(x: Any, perm: Any, out: Any = None) -> Any:
    """y[i[perm[0]], i[perm[1]], ...] = x[i[0], i[1], ...]."""
    order = tuple(int(p) for p in perm)
    y = np.transpose(x, order)
    if out is None:
        out = np.empty(y.shape, x.dtype)
    if x.size < 2 * _PIECE or not order:
        out[...] = y
        return out
    last = order.index(x.ndim - 1)  # where x's last axis went
    matrix = 0 if last == x.ndim - 1 else x.shape[-1] * x.shape[order[-1]]
    if matrix < _LARGE:
        _by_first_axis(y, out)
    else:
        _in_tiles(np.moveaxis(y, (last, -1), (-1, -2)), np.moveaxis(out, (last, -1), (-1, -2)))
    return out


def _by_first_axis(y: Any, out: Any) -> None:
    pieces = max(1, min(len(y), 8, y.size // _PIECE))

    def piece(i: int) -> None:
        here = slice(len(y) * i // pieces, len(y) * (i + 1) // pieces)
        out[here] = y[here]

    threads.each(piece, pieces)


def _in_tiles(source: Any, target: Any) -> None:
    """Copies [..., rows, columns], where columns is x's last axis and rows the result's."""
    rows, columns = source.shape[-2:]
    strips = [(place, row) for place in np.ndindex(*source.shape[:-2]) for row in range(0, rows, _ROWS)]
    together = max(1, _PIECE // (_ROWS * columns))
    line = _LINE // source.itemsize

    def several(i: int) -> None:
        memory = aligned.empty((_ROWS, _COLUMNS + line), source.dtype)
        turned = aligned.empty((_COLUMNS, _ROWS + line), source.dtype)
        for place, row in strips[i * together : (i + 1) * together]:
            for column in range(0, columns, _COLUMNS):
                here = (*place, slice(row, row + _ROWS), slice(column, column + _COLUMNS))
                given = source[here]
                height, width = given.shape
                tile, result = memory[:height, :width], turned[:width, :height]
                tile[...] = given
                result[...] = tile.T
                target[here] = result.T

    threads.each(several, -(-len(strips) // together))
