"""Rows with one id become one: sums, means, products and extremes, ids sorted or not, rows picked or not [W06, W32].

    y[s] = sum of data[pick[i]] for all i with ids[i] = s

    bytes: each picked row, and y        operations: one for each element that is picked

Ids in any order are sorted first, together with their places: one sort of whole numbers, id and place in one, keeps
the order of rows with one id. What is left is runs of equal ids. The first rows of all runs are copied as a block, the
second rows of those runs that have one are added to it as a block, and so on, so that NumPy is called as often as the
longest run is long, not as often as there are runs. A run of more than 64 rows is a matrix, and is summed as one.
Runs go longest first, so that those that still have rows lie together; a block of results stays in cache meanwhile.
Ids and indices are in range: their op's page refuses others before it comes to this.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.reductions import sum_of_rows
from refflow_kernels.cpu.windows import widened

_LONG = 64  # rows of a run that is a matrix of its own
_NARROW = 8  # elements of a row: below, NumPy's own reduction by runs
_BLOCK = 1 << 16  # elements of results in cache


class Runs:
    """Places of equal ids: run r is order[starts[r]] and the next lengths[r] - 1; order None is 0, 1, 2, ...

    Where no id comes twice (`are_single`), each place is a run, and they stay in the order in which they came.
    """

    def __init__(self, ids: Any):
        n = len(ids)
        self.order, given = None, ids
        if n and (ids[1:] < ids[:-1]).any():
            bits = (n - 1).bit_length()
            keys = (ids.astype(np.int64) << bits) | np.arange(n)
            keys.sort()
            ids = keys >> bits
        inner = np.flatnonzero(ids[1:] != ids[:-1])
        self.are_single = len(inner) >= n - 1
        if self.are_single:
            self.ids, self.starts, self.lengths = given, np.arange(n), np.ones(n, np.int64)
            return
        if ids is not given:
            self.order = keys & ((1 << bits) - 1)
        bounds = np.empty(len(inner) + 2, np.int64)
        bounds[0], bounds[-1] = 0, n
        np.add(inner, 1, bounds[1:-1])
        self.starts, self.lengths = bounds[:-1], bounds[1:] - bounds[:-1]
        self.ids = ids[self.starts]

    def picking(self, pick: Any) -> Runs:
        """The same runs of rows pick[place]."""
        self.order = pick if self.order is None else pick[self.order]
        return self


def rows_for(runs: Runs, shape: Any, dtype: Any, empty: Any, out: Any = None) -> Any:
    """Memory with `empty` wherever no run goes: `out`, or fresh; fresh zeros cost nothing until they are touched."""
    if len(runs.ids) == shape[0]:
        return np.empty(shape, dtype) if out is None else out
    if out is None:
        return np.zeros(shape, dtype) if empty == 0 else np.full(shape, empty, dtype)
    out[...] = empty
    return out


def reduced(ufunc: Any, data: Any, runs: Runs, y: Any) -> Any:
    """y[id] = the run's rows of data combined; what else is there stays."""
    return changed(ufunc, data, runs, y, lambda _, total: total)


def changed(ufunc: Any, data: Any, runs: Runs, y: Any, change: Any) -> Any:
    """y[ids] = change(ids, the runs' rows of data combined)."""
    each = prod(data.shape[1:])
    if not each or not len(runs.ids):
        return y
    rows = widened(data).reshape(len(data), each)

    def picked(places: Any) -> Any:
        places = places if runs.order is None else runs.order[places]
        return rows[places] if isinstance(places, slice) else np.take(rows, places, axis=0)

    return _combined(ufunc, picked, each, runs, y, change)


def weighed(values: Any, data: Any, pick: Any, runs: Runs, y: Any) -> Any:
    """y[id] = the sum of values[i] data[pick[i]] over the places i of the id's run; what else is there stays."""
    if not data.shape[1] or not len(runs.ids):
        return y

    def terms(places: Any) -> Any:
        places = places if runs.order is None else runs.order[places]
        rows = np.take(data, pick[places], axis=0)
        return np.multiply(rows, values[places, None], out=rows)

    return _combined(np.add, terms, data.shape[1], runs, y, lambda _, total: total)


def _combined(ufunc: Any, picked: Any, each: int, runs: Runs, y: Any, change: Any) -> Any:
    """y[ids] = change(ids, the runs' rows combined), rows of `each` elements: picked(places, or a slice of them)."""
    results = y.reshape(len(y), each) if y.flags.c_contiguous else np.empty((len(y), each), y.dtype)
    if runs.are_single and len(runs.ids) * each <= _BLOCK:
        results[runs.ids] = change(runs.ids, picked(slice(None)))
    elif each < _NARROW:
        rows = picked(slice(None))
        results[runs.ids] = change(runs.ids, ufunc.reduceat(rows, runs.starts, axis=0, dtype=rows.dtype))
    else:
        _by_place(ufunc, picked, runs, results, change)
    if not np.may_share_memory(results, y):
        y[runs.ids] = results[runs.ids].reshape(-1, *y.shape[1:])
    return y


def _by_place(ufunc: Any, picked: Any, runs: Runs, results: Any, change: Any) -> None:
    longest_first = np.arange(len(runs.ids)) if runs.are_single else np.argsort(-runs.lengths, kind="stable")
    step = max(1, _BLOCK // results.shape[1])

    def block(number: int) -> None:
        some = longest_first[number * step : (number + 1) * step]
        starts, lengths = runs.starts[some], runs.lengths[some]
        total = picked(starts)
        long = int(np.count_nonzero(lengths > _LONG))
        for r in range(long):
            total[r] = _of_matrix(ufunc, picked(slice(starts[r], starts[r] + lengths[r])))
        starts, lengths, rest = starts[long:], lengths[long:], total[long:]
        for place in range(1, lengths[0] if len(lengths) else 0):
            left = int(np.count_nonzero(lengths > place))
            ufunc(rest[:left], picked(starts[:left] + place), out=rest[:left])
        ids = runs.ids[some]
        results[ids] = change(ids, total)

    threads.each(block, -(-len(longest_first) // step))


def _of_matrix(ufunc: Any, matrix: Any) -> Any:
    if ufunc is np.add and matrix.dtype.kind == "f":
        return sum_of_rows(matrix)
    return ufunc.reduce(matrix, axis=0, dtype=matrix.dtype)


# -- sorted ids ---------------------------------------------------------------------------------------------------


def _segments(ufunc: Any, data: Any, ids: Any, empty: Any, out: Any) -> Any:
    count = int(ids[-1]) + 1 if len(ids) else 0
    runs = Runs(ids)
    return reduced(ufunc, data, runs, rows_for(runs, (count, *data.shape[1:]), data.dtype, empty, out))


def segment_sum(data: Any, segment_ids: Any, out: Any = None) -> Any:
    return _segments(np.add, data, segment_ids, 0, out)


def segment_prod(data: Any, segment_ids: Any, out: Any = None) -> Any:
    return _segments(np.multiply, data, segment_ids, 1, out)


def segment_min(data: Any, segment_ids: Any, out: Any = None) -> Any:
    return _segments(np.minimum, data, segment_ids, 0, out)


def segment_max(data: Any, segment_ids: Any, out: Any = None) -> Any:
    return _segments(np.maximum, data, segment_ids, 0, out)


def segment_mean(data: Any, segment_ids: Any, out: Any = None) -> Any:
    """Floats only."""
    y = segment_sum(data, segment_ids, out)
    return _divided(y, segment_ids, np.asarray)


def _divided(y: Any, ids: Any, of: Any) -> Any:
    """y over of(how many rows each segment has)."""
    rows = of(np.maximum(np.bincount(ids, minlength=len(y)), 1)).astype(y.dtype)
    return np.divide(y, rows.reshape(-1, *[1] * (y.ndim - 1)), out=y)


# -- rows that are picked -----------------------------------------------------------------------------------------


def _picked(data: Any, indices: Any, ids: Any, out: Any) -> Any:
    count = int(ids[-1]) + 1 if len(ids) else 0
    runs = Runs(ids).picking(indices)
    return reduced(np.add, data, runs, rows_for(runs, (count, *data.shape[1:]), data.dtype, 0, out))


def sparse_segment_sum(data: Any, indices: Any, segment_ids: Any, out: Any = None) -> Any:
    return _picked(data, indices, segment_ids, out)


def sparse_segment_mean(data: Any, indices: Any, segment_ids: Any, out: Any = None) -> Any:
    return _divided(_picked(data, indices, segment_ids, out), segment_ids, np.asarray)


def sparse_segment_sqrt_n(data: Any, indices: Any, segment_ids: Any, out: Any = None) -> Any:
    return _divided(_picked(data, indices, segment_ids, out), segment_ids, np.sqrt)


def _given_back(grad: Any, indices: Any, ids: Any, output_dim0: Any, of: Any, out: Any) -> Any:
    """Each picked row gets its segment's gradient, over of(how many rows the segment has)."""
    count = int(output_dim0)
    indices, ids = (indices, ids) if count else (indices[:0], ids[:0])
    runs = Runs(indices).picking(ids)
    shares = grad if of is None else _divided(widened(grad).copy(), ids, of)
    return reduced(np.add, shares, runs, rows_for(runs, (count, *grad.shape[1:]), grad.dtype, 0, out))


def sparse_segment_sum_grad(grad: Any, indices: Any, segment_ids: Any, output_dim0: Any, out: Any = None) -> Any:
    return _given_back(grad, indices, segment_ids, output_dim0, None, out)


def sparse_segment_mean_grad(grad: Any, indices: Any, segment_ids: Any, output_dim0: Any, out: Any = None) -> Any:
    return _given_back(grad, indices, segment_ids, output_dim0, np.asarray, out)


def sparse_segment_sqrt_n_grad(grad: Any, indices: Any, segment_ids: Any, output_dim0: Any, out: Any = None) -> Any:
    return _given_back(grad, indices, segment_ids, output_dim0, np.sqrt, out)


# -- ids in any order ---------------------------------------------------------------------------------------------


def _loose(ufunc: Any, data: Any, segment_ids: Any, num_segments: Any, empty: Any, out: Any) -> Any:
    """A negative id is left out."""
    ids, count = segment_ids.reshape(-1), int(num_segments)
    rows = data.reshape(ids.size, *data.shape[segment_ids.ndim :])
    kept = None
    if ids.size and ids.min() < 0:
        kept = np.flatnonzero(ids >= 0)
        ids = ids[kept]
    runs = Runs(ids) if kept is None else Runs(ids).picking(kept)
    return reduced(ufunc, rows, runs, rows_for(runs, (count, *rows.shape[1:]), rows.dtype, empty, out))


def unsorted_segment_sum(data: Any, segment_ids: Any, num_segments: Any, out: Any = None) -> Any:
    """output [num_segments, ...]; 0 for a segment without rows."""
    return _loose(np.add, data, segment_ids, num_segments, 0, out)


def unsorted_segment_prod(data: Any, segment_ids: Any, num_segments: Any, T: Any = None, out: Any = None) -> Any:
    """output [num_segments, ...]; 1 for a segment without rows."""
    return _loose(np.multiply, data, segment_ids, num_segments, 1, out)


def unsorted_segment_min(data: Any, segment_ids: Any, num_segments: Any, T: Any = None, out: Any = None) -> Any:
    """output [num_segments, ...]; the type's largest for a segment without rows."""
    return _loose(np.minimum, data, segment_ids, num_segments, _bounds(data.dtype).max, out)


def unsorted_segment_max(data: Any, segment_ids: Any, num_segments: Any, T: Any = None, out: Any = None) -> Any:
    """output [num_segments, ...]; the type's lowest for a segment without rows."""
    return _loose(np.maximum, data, segment_ids, num_segments, _bounds(data.dtype).min, out)


def _bounds(dtype: Any) -> Any:
    return np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)


# -- changes of rows ----------------------------------------------------------------------------------------------


def scatter_add(ref: Any, indices: Any, updates: Any, out: Any = None) -> Any:
    """`ref` with each update added to its row; `out` may be ref itself. Updates of one row are added up first."""
    return _scattered(np.add, ref, indices, updates, out)


def scatter_sub(ref: Any, indices: Any, updates: Any, out: Any = None) -> Any:
    """`ref` less each update, in its row; `out` may be ref itself."""
    return _scattered(np.subtract, ref, indices, updates, out)


def _scattered(combine: Any, ref: Any, indices: Any, updates: Any, out: Any) -> Any:
    if out is None:
        out = np.empty_like(ref)
    if out is not ref:
        out[...] = ref
    if not indices.size or not ref.size:
        return out
    shape = (*indices.shape, *ref.shape[1:])
    rows = (updates if updates.shape == shape else np.broadcast_to(updates, shape)).reshape(-1, *ref.shape[1:])
    kept = out.reshape(len(ref), -1)

    def change(ids: Any, total: Any) -> Any:
        return combine(np.take(kept, ids, axis=0), total)

    return changed(np.add, rows, Runs(indices.reshape(-1)), out, change)
