"""Running sums, and the place of the largest, along one axis [S57, W06].

NumPy walks a long axis with other axes behind it column by column, touching memory far apart at every step. Here such
an axis is walked row by row: a running sum is one addition of whole rows after the other, and the largest is looked
for among the largest of blocks of 32 rows, then inside the winning block alone, whose column is gathered as a row.

Along a row each addition waits for the one before. So the running sums of a row's pairs are taken first, and those of
its pairs of pairs, which are every second of the sums; the others are one addition away. That is two additions for each
number, but none waits, and the last sum has seen a dozen roundings in place of thousands.

    bytes: x once, and the result        operations: one for each element
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

_ROWS = 32
_COLUMNS = 1 << 12  # at a time
_PIECE = 1 << 18  # elements worth a thread
_WIDE = 32  # columns: below, whole rows are too short
_SHORT, _BLOCK = 128, 1 << 17  # numbers: below, nobody waits for long; of rows in cache


def cumsum(x: Any, axis: Any, exclusive: bool = False, reverse: bool = False, out: Any = None) -> Any:
    """The sums up to each element along `axis`, or down to it; exclusive: without the element itself."""
    at = int(axis) % x.ndim
    if out is None:
        out = np.empty(x.shape, x.dtype)
    if not x.size:
        return out
    given, sums = (np.flip(x, at), np.flip(out, at)) if reverse else (x, out)
    given, sums = np.moveaxis(given, at, 0), np.moveaxis(sums, at, 0)
    if exclusive:
        sums[0] = 0
        given, sums = given[:-1], sums[1:]
        if not len(given):
            return out
    if given.ndim > 1 and at == 0 and prod(given.shape[1:]) >= _WIDE:
        sums[0] = given[0]
        for i in range(1, len(given)):
            np.add(sums[i - 1], given[i], out=sums[i])
    elif at == x.ndim - 1 > 0 and _SHORT < len(given) <= _BLOCK and out.flags.c_contiguous:
        _along_rows(*(np.moveaxis(a, 0, -1).reshape(-1, len(given)) for a in (given, sums)))
    else:
        _accumulate(given, sums, at)
    return out


def _along_rows(x: Any, sums: Any) -> None:
    step = max(1, _BLOCK // x.shape[1])

    def piece(i: int) -> None:
        here = slice(i * step, (i + 1) * step)
        _by_halves(x[here], sums[here])

    threads.each(piece, -(-len(x) // step))


def _by_halves(x: Any, sums: Any) -> None:
    """Running sums along rows; `sums` may be x."""
    n = x.shape[1]
    if n <= _SHORT:
        np.add.accumulate(x, axis=1, dtype=sums.dtype, out=sums)
        return
    pairs = x[:, : n - 1 : 2] + x[:, 1::2]
    _by_halves(pairs, pairs)
    np.add(pairs[:, : (n - 1) // 2], x[:, 2::2], out=sums[:, 2::2])
    sums[:, 1::2] = pairs
    sums[:, 0] = x[:, 0]


def _accumulate(given: Any, sums: Any, at: int) -> None:
    """Running sums along the first axis, which is the op's axis `at`: what lies before that is cut into pieces."""
    lines = sums.shape[1] if at else 1
    pieces = max(1, min(lines, sums.size // _PIECE))

    def piece(i: int) -> None:
        here = (slice(None), slice(lines * i // pieces, lines * (i + 1) // pieces)) if at else ...
        np.add.accumulate(given[here], axis=0, dtype=sums.dtype, out=sums[here])

    threads.each(piece, pieces)


def arg_max(input: Any, dimension: Any, out: Any = None, **output_type: Any) -> Any:
    """The first place of the largest value along an axis; what is no number is never the largest."""
    return _place(np.argmax, np.maximum, -np.inf, input, int(dimension), out, output_type)


def arg_min(input: Any, dimension: Any, out: Any = None, **output_type: Any) -> Any:
    """The first place of the smallest value along an axis; what is no number is never the smallest."""
    return _place(np.argmin, np.minimum, np.inf, input, int(dimension), out, output_type)


def _place(find: Any, ufunc: Any, worst: float, x: Any, axis: int, out: Any, output_type: dict[str, Any]) -> Any:
    found = _found(find, ufunc, x, axis)
    if x.dtype.kind == "f" and x.size:
        # NumPy takes what is no number for the largest: where it was found, look again without.
        best = np.take_along_axis(x, np.expand_dims(found, axis), axis)
        if np.isnan(best).any():
            found = _found(find, ufunc, np.where(np.isnan(x), x.dtype.type(worst), x), axis)
    if out is None:
        return found.astype(output_type["output_type"].as_numpy_dtype if output_type else np.int64)
    out[...] = found
    return out


def _found(find: Any, ufunc: Any, x: Any, axis: int) -> Any:
    if axis % x.ndim == 0 and x.ndim > 1 and len(x) > 2 * _ROWS and prod(x.shape[1:]) >= _WIDE:
        return _first_of_blocks(find, ufunc, x.reshape(len(x), -1)).reshape(x.shape[1:])
    return np.asarray(find(x, axis=axis))


def _first_of_blocks(find: Any, ufunc: Any, matrix: Any) -> Any:
    rows, columns = matrix.shape
    found = np.empty(columns, np.intp)
    count, step = rows // _ROWS, max(_WIDE, min(columns, _COLUMNS))

    def part(i: int) -> None:
        mine = matrix[:, i * step : (i + 1) * step]
        blocks, left = mine[: count * _ROWS].reshape(count, _ROWS, -1), mine[count * _ROWS :]
        best = np.empty((count + (len(left) > 0), mine.shape[1]), matrix.dtype)
        for b in range(count):
            ufunc.reduce(blocks[b], axis=0, out=best[b])
        if len(left):
            ufunc.reduce(left, axis=0, out=best[count])
        block = find(best, axis=0)
        place = found[i * step : (i + 1) * step]
        place[...] = find(blocks[np.minimum(block, count - 1), :, np.arange(mine.shape[1])], axis=1)  # [columns, _ROWS]
        late = np.flatnonzero(block == count)
        place[late] = find(left[:, late], axis=0) if len(late) else 0
        place += block * _ROWS

    threads.each(part, -(-columns // step))
    return found
