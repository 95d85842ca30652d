"""Reductions over any axes: sums as products with a vector of ones, where BLAS reads memory quickest [S19].

    bytes: the input once        operations: one for each element

    last axes    x [outer, inner] @ ones [inner]
    first axes   ones [outer] @ x [outer, inner]

Products with 1 are exact, so only the order of the additions differs from NumPy's. A long column is added in pieces
of a few thousand rows, whose sums are then added: better rounding, and the same order every time. Everything else
is the ufunc's own reduction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

_SMALL = 256  # elements: below, a call costs more than the sum
_RUN = 1024  # additions in one running sum
_PIECE = 1 << 18  # elements worth a thread
_NARROW = 48


def _axes(indices: Any, ndim: int) -> tuple[int, ...]:
    return tuple(sorted({i % ndim for i in np.asarray(indices).reshape(-1).tolist()})) if ndim else ()


def _shape(shape: Sequence[int], axes: tuple[int, ...], keep_dims: bool) -> tuple[int, ...]:
    if keep_dims:
        return tuple(1 if i in axes else d for i, d in enumerate(shape))
    return tuple(d for i, d in enumerate(shape) if i not in axes)


def _as_matrix(x: Any, axes: tuple[int, ...]) -> tuple[Any, int] | None:
    """x as [outer, inner] with all reduced axes on one side, and which side; None where they lie between."""
    if not axes or not x.flags.c_contiguous:
        return None
    count = len(axes)
    if axes == tuple(range(x.ndim - count, x.ndim)):
        inner = prod([x.shape[a] for a in axes])
        return (x.reshape(-1, inner), 1) if inner else None
    if axes == tuple(range(count)):
        outer = prod([x.shape[a] for a in axes])
        return (x.reshape(outer, -1), 0) if outer else None
    return None


def _long_sum(matrix: Any, side: int) -> Any:
    """Sums of rows (side 1) or columns (side 0), in runs of at most _RUN additions."""
    length = matrix.shape[side]
    if side == 1 and length > _RUN:
        whole = length // _RUN * _RUN
        runs = _row_sums(matrix[:, :whole].reshape(-1, _RUN)).reshape(len(matrix), -1)
        if whole < length:
            runs = np.concatenate([runs, _row_sums(matrix[:, whole:])[:, None]], axis=1)
        return _long_sum(runs, 1)
    if side == 1:
        return _row_sums(matrix)
    if length <= _RUN:
        return _ones(length, matrix.dtype) @ matrix
    cuts = range(0, length, _RUN)
    runs = np.empty((len(cuts), matrix.shape[1]), matrix.dtype)

    def run(i: int) -> None:
        runs[i] = _long_sum(matrix[cuts[i] : cuts[i] + _RUN], 0)

    threads.each(run, len(cuts))
    return _long_sum(runs, 0)


@lru_cache(256)
def _ones(length: int, dtype: Any) -> Any:
    return np.ones(length, dtype)


def _row_sums(matrix: Any) -> Any:
    rows, columns = matrix.shape
    ones = _ones(columns, matrix.dtype)
    if matrix.size <= 2 * _PIECE:
        return matrix @ ones
    found = np.empty(rows, matrix.dtype)
    step = max(1, _PIECE // columns)

    def part(i: int) -> None:
        here = slice(i * step, (i + 1) * step)
        np.matmul(matrix[here], ones, out=found[here])

    threads.each(part, -(-rows // step))
    return found


def _sum(x: Any, axes: tuple[int, ...]) -> Any:
    if not axes:
        return x  # 0 + x would turn -0.0 to 0.0
    found = _as_matrix(x, axes) if x.dtype.kind == "f" and x.size >= _SMALL else None
    if found is None:
        return np.add.reduce(x, axis=axes, dtype=x.dtype)
    return _long_sum(*found)


def reduce_sum(input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None) -> Any:
    """The sum over the axes; 0 for nothing."""
    axes = _axes(reduction_indices, input.ndim)
    return _finish(_sum(input, axes), input, axes, keep_dims, out)


def reduce_mean(input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None) -> Any:
    """The mean over the axes; NaN for nothing. Floats only."""
    axes = _axes(reduction_indices, input.ndim)
    count = prod([input.shape[a] for a in axes])
    with np.errstate(invalid="ignore", divide="ignore"):
        return _finish(_sum(input, axes) / input.dtype.type(count), input, axes, keep_dims, out)


def reduce_max(input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None) -> Any:
    """The largest value, NaN if there is one; the type's lowest for nothing."""
    lowest = -np.inf if input.dtype.kind == "f" else np.iinfo(input.dtype).min
    return _extreme(np.maximum, lowest, input, reduction_indices, keep_dims, out)


def reduce_min(input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None) -> Any:
    """The smallest value, NaN if there is one; the type's highest for nothing."""
    highest = np.inf if input.dtype.kind == "f" else np.iinfo(input.dtype).max
    return _extreme(np.minimum, highest, input, reduction_indices, keep_dims, out)


def _extreme(ufunc: Any, start: Any, x: Any, indices: Any, keep_dims: bool, out: Any) -> Any:
    axes = _axes(indices, x.ndim)
    found = _as_matrix(x, axes)
    if found is not None and found[1] == 1 and found[0].shape[1] <= _NARROW:
        result = ufunc.reduce(np.ascontiguousarray(found[0].T), axis=0)  # short rows: turned, as in softmax
    elif found is not None and x.size > 2 * _PIECE:
        result = _in_parts(ufunc, *found)
    else:
        result = ufunc.reduce(x, axis=axes, initial=start)
    return _finish(result, x, axes, keep_dims, out)


def _in_parts(ufunc: Any, matrix: Any, side: int) -> Any:
    """The extremes of rows (side 1) or columns (side 0), some rows to a thread."""
    rows, columns = matrix.shape
    if side == 1 and rows == 1 and columns > _PIECE:  # one long row: cut it
        whole = columns // _PIECE * _PIECE
        first = _in_parts(ufunc, matrix[0, :whole].reshape(-1, _PIECE), 1)
        return ufunc.reduce(np.append(first, matrix[0, whole:]), keepdims=True)
    step = max(1, _PIECE // max(1, columns))
    count = -(-rows // step)
    found = np.empty(rows if side else (count, columns), matrix.dtype)

    def part(i: int) -> None:
        here = slice(i * step, (i + 1) * step)
        ufunc.reduce(matrix[here], axis=side, out=found[here] if side else found[i])

    threads.each(part, count)
    return found if side else ufunc.reduce(found, axis=0)


def reduce_prod(input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None) -> Any:
    """The product over the axes; 1 for nothing."""
    axes = _axes(reduction_indices, input.ndim)
    return _finish(np.multiply.reduce(input, axis=axes, dtype=input.dtype), input, axes, keep_dims, out)


def _finish(result: Any, x: Any, axes: tuple[int, ...], keep_dims: bool, out: Any) -> Any:
    if out is None:
        return np.asarray(result, x.dtype).reshape(_shape(x.shape, axes, keep_dims))
    out.reshape(np.shape(result))[...] = result
    return out
