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
from typing import Any

import numpy as np

_SMALL = 256  # elements: below, a call costs more than the sum
_PIECE = 4096  # additions in one running sum
_NARROW = 48


def _axes(indices: Any, ndim: int) -> tuple[int, ...]:
    return tuple(sorted({int(i) % ndim for i in np.reshape(indices, -1)})) if ndim else ()


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
        inner = int(np.prod([x.shape[a] for a in axes], dtype=np.int64))
        return (x.reshape(-1, inner), 1) if inner else None
    if axes == tuple(range(count)):
        outer = int(np.prod([x.shape[a] for a in axes], dtype=np.int64))
        return (x.reshape(outer, -1), 0) if outer else None
    return None


def _long_sum(matrix: Any, side: int) -> Any:
    """Sums of rows (side 1) or columns (side 0), in pieces of _PIECE additions."""
    length = matrix.shape[side]
    if length <= _PIECE:
        ones = np.ones(length, matrix.dtype)
        return matrix @ ones if side else ones @ matrix
    cuts = range(0, length, _PIECE)
    pieces = [_long_sum(matrix[:, i : i + _PIECE] if side else matrix[i : i + _PIECE], side) for i in cuts]
    return _long_sum(np.stack(pieces), 0)


def _sum(x: Any, axes: tuple[int, ...]) -> Any:
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
    count = int(np.prod([input.shape[a] for a in axes], dtype=np.int64))
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
    else:
        result = ufunc.reduce(x, axis=axes, initial=start)
    return _finish(result, x, axes, keep_dims, out)


def reduce_prod(input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None) -> Any:
    """The product over the axes; 1 for nothing."""
    axes = _axes(reduction_indices, input.ndim)
    return _finish(np.multiply.reduce(input, axis=axes, dtype=input.dtype), input, axes, keep_dims, out)


def _finish(result: Any, x: Any, axes: tuple[int, ...], keep_dims: bool, out: Any) -> Any:
    shaped = np.asarray(result, x.dtype).reshape(_shape(x.shape, axes, keep_dims))
    if out is None:
        return shaped
    out[...] = shaped
    return out
