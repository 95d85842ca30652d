"""The k largest along the last axis, largest first, and their places; of equal ones the first comes first [W06].

    few of many     k times the largest, which is then taken out     bytes: x k times, from cache
    some of many    the k-th largest by partition, and a stable sort of those that are no less     bytes: x four times
    else            a stable sort

A row is sorted in n log n steps, most of them for numbers that are not asked for; the largest of a row is found at the
speed of memory. What was taken out is the type's lowest value, so that rows which have that value among their k largest
are sorted after all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

_FEW = 16  # of the largest
_MANY = 8  # columns for each of them, at least
_SOME = 2  # columns for each, from where on most need not be sorted
_LONG = 256  # columns of a row that is worth calls of its own
_PIECE = 1 << 16  # elements in cache, worth a thread


def top_k(input: Any, k: int, out: Any = None) -> tuple[Any, Any]:
    """values [..., k] and int32 indices."""
    return _top(input, int(k), np.int32, out)


def top_k_v2(input: Any, k: Any, index_type: Any = None, out: Any = None) -> tuple[Any, Any]:
    """values [..., k] and indices."""
    if int(k) < 0:
        raise ValueError(f"Need k >= 0, got {int(k)}")
    return _top(input, int(k), index_type.as_numpy_dtype if index_type else np.int32, out)


def _top(x: Any, k: int, kind: Any, out: Any) -> tuple[Any, Any]:
    columns = x.shape[-1]
    if columns < k:
        raise ValueError(f"input must have at least k columns. Had {columns}, needed {k}")
    matrix = x.reshape(x.size // columns if columns else 0, columns)
    places = np.empty((len(matrix), k), np.intp)
    find = _sorted
    if 0 < k <= _FEW and columns >= _MANY * k:
        find = _one_by_one
    elif k and columns >= max(_LONG, _SOME * k):
        find = _partitioned
    step = max(1, _PIECE // max(1, columns))

    def piece(i: int) -> None:
        here = slice(i * step, (i + 1) * step)
        places[here] = find(matrix[here], k)

    threads.each(piece, -(-len(matrix) // step))
    values = np.take_along_axis(matrix, places, 1) if matrix.size else np.empty((0, k), x.dtype)
    shape = (*x.shape[:-1], k)
    if out is None:
        return values.reshape(shape), places.reshape(shape).astype(kind)
    out[0][...], out[1][...] = values.reshape(shape), places.reshape(shape)
    return tuple(out)


def _sorted(rows: Any, k: int) -> Any:
    """A stable sort of the turned rows, turned back: of equal ones the first is the larger."""
    last = rows.shape[1] - 1
    return (last - np.argsort(rows[:, ::-1], axis=1, kind="stable")[:, ::-1])[:, :k]


def _partitioned(rows: Any, k: int) -> Any:
    least = np.partition(rows, rows.shape[1] - k, axis=1)[:, -k]
    places = np.empty((len(rows), k), np.intp)
    for row, limit, found in zip(rows, least, places, strict=True):
        candidates = np.flatnonzero(~(row < limit))  # what is no number counts as the largest
        found[...] = candidates[_sorted(row[candidates][None], k)[0]]
    return places


def _one_by_one(rows: Any, k: int) -> Any:
    lowest = -np.inf if rows.dtype.kind == "f" else np.iinfo(rows.dtype).min
    left, every = rows.copy(), np.arange(len(rows))
    places = np.empty((len(rows), k), np.intp)
    doubtful = np.zeros(len(rows), bool)
    for i in range(k):
        places[:, i] = best = np.argmax(left, axis=1)
        doubtful |= left[every, best] == lowest
        left[every, best] = lowest
    if doubtful.any():
        places[doubtful] = _sorted(rows[doubtful], k)
    return places
