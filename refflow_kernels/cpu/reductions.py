"""Sums over any axes, as products with a vector of ones, where BLAS reads memory quickest [S19].

    bytes: the input once        operations: one for each element

    last axes     x [outer, inner] @ ones [inner]
    first axes    ones [outer] @ x [outer, inner]
    between       ones [length] @ each of x [outer, length, inner]

Axes that lie beside each other and are both summed, or both kept, are one axis; those that are summed go one after the
other, the last first. Products with 1 are exact, so only the order of the additions differs from NumPy's. A long sum
is made in pieces of a thousand, whose sums are then added: better rounding, and the same order every time. Long rows
that come from memory are einsum's, whose loop has one stream to read where BLAS has several: two thirds of the time.

What is to be done depends on shape and axes alone, and is looked up: the sum of a short vector costs less than working
that out. Integers, and memory that does not lie in one piece, are the ufunc's own reduction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.windows import widened

_RUN = 1024  # additions in one running sum
_PIECE = 1 << 18  # elements worth a thread


class Layout(NamedTuple):
    """What a reduction of a shape comes to."""

    axes: tuple[int, ...]
    shape: tuple[int, ...]  # of the result
    number: int  # of elements that make one result
    groups: tuple[tuple[int, int, int], ...]  # [outer, reduced, inner], one after the other


def layout_of(x: Any, indices: Any, keep_dims: bool) -> Layout:
    return _layout(x.shape, tuple(np.asarray(indices).reshape(-1).tolist()), keep_dims)


@lru_cache(1024)
def _layout(shape: tuple[int, ...], indices: tuple[int, ...], keep_dims: bool) -> Layout:
    axes = tuple(sorted({i % len(shape) for i in indices})) if shape else ()
    if keep_dims:
        left = tuple(1 if i in axes else d for i, d in enumerate(shape))
    else:
        left = tuple(d for i, d in enumerate(shape) if i not in axes)
    groups, inner, i = [], 1, len(shape)
    while i:
        i -= 1
        if i not in axes:
            inner *= shape[i]
            continue
        length = shape[i]
        while i - 1 in axes:
            i -= 1
            length *= shape[i]
        groups.append((prod(shape[:i]), length, inner))
    return Layout(axes, left, prod(shape[a] for a in axes), tuple(groups))


def group_by_group(x: Any, layout: Layout, reduce: Callable[[Any], Any]) -> Any:
    """reduce([outer, reduced, inner]) -> [outer, inner] for each group of axes."""
    for group in layout.groups:
        x = reduce(x.reshape(group))
    return x


# -- sums ---------------------------------------------------------------------------------------------------------


def reduce_sum(input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None) -> Any:
    """The sum over the axes; 0 for nothing."""
    layout = layout_of(input, reduction_indices, keep_dims)
    return finished(_sum(input, layout), input, layout, out)


def reduce_mean(input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None) -> Any:
    """The mean over the axes; NaN for nothing. Floats only."""
    layout = layout_of(input, reduction_indices, keep_dims)
    total = _sum(input, layout)
    if not layout.number:
        total = np.full_like(total, np.nan)
    return finished(total / input.dtype.type(max(1, layout.number)), input, layout, out)


def fixed_sum(dtype: Any, input: Any, reduction_indices: Any, keep_dims: bool) -> Any:
    """The sum over known axes, where it is one small product."""
    if not isinstance(reduction_indices, np.ndarray):
        return None
    return _fixed(dtype, input.shape, layout_of(input, reduction_indices, keep_dims), False)


def fixed_mean(dtype: Any, input: Any, reduction_indices: Any, keep_dims: bool) -> Any:
    """The mean over known axes, where the sum is one small product."""
    if not isinstance(reduction_indices, np.ndarray):
        return None
    return _fixed(dtype, input.shape, layout_of(input, reduction_indices, keep_dims), True)


def _fixed(dtype: Any, shape: tuple[int, ...], layout: Layout, divides: bool) -> Any:
    size = prod(shape)
    if dtype not in (np.float32, np.float64) or len(layout.groups) != 1 or not 0 < size <= 2 * _PIECE:
        return None
    outer, length, inner = layout.groups[0]
    if length > _RUN:
        return None
    ones, number, of_rows = _ones(length, dtype), dtype.type(length), inner == 1 and outer > 1
    group, sums = ((outer, length), (outer,)) if of_rows else (layout.groups[0], (outer, inner))

    if shape == (length, inner) and layout.shape == (inner,) and not divides:  # a bias's gradient, more often than not

        def column_sums(x: Any, *_: Any, out: Any = None) -> Any:
            return np.dot(ones, x, out)

        return column_sums

    def fixed(x: Any, *_: Any, out: Any = None) -> Any:
        result = np.empty(layout.shape, dtype) if out is None else out
        found = result.reshape(sums)
        x = x.reshape(group)
        np.matmul(*((x, ones) if of_rows else (ones, x)), out=found)
        if divides:
            np.divide(found, number, found)
        return result[()] if out is None and not layout.shape else result

    return fixed


def bias_add_grad(out_backprop: Any, data_format: str = "NHWC", out: Any = None) -> Any:
    """dbias: the sum over all axes but the channels'."""
    channel = 1 if data_format == "NCHW" else out_backprop.ndim - 1
    axes = tuple(i for i in range(out_backprop.ndim) if i != channel)
    layout = _layout(out_backprop.shape, axes, False)
    return finished(_sum(widened(out_backprop), layout), out_backprop, layout, out)


def fixed_bias_add_grad(dtype: Any, out_backprop: Any, data_format: str) -> Any:
    """dbias, where it is one small product."""
    shape = out_backprop.shape
    channel = 1 if data_format == "NCHW" else len(shape) - 1
    return _fixed(dtype, shape, _layout(shape, tuple(i for i in range(len(shape)) if i != channel), False), False)


def l2_loss(t: Any, out: Any = None) -> Any:
    """Half of the sum of squares, [].

    A product of a run with itself; the runs' sums are added.
    """
    x = np.ascontiguousarray(widened(t)).reshape(-1)
    runs = np.array([x[i : i + _PIECE // 8] @ x[i : i + _PIECE // 8] for i in range(0, x.size, _PIECE // 8)], x.dtype)
    return finished(np.add.reduce(runs) / 2, t, _layout((), (), False), out)


def finished(result: Any, x: Any, layout: Layout, out: Any) -> Any:
    """The result in its shape and type, in `out` if there is one."""
    if out is None:
        return np.asarray(result, x.dtype).reshape(layout.shape)
    out[...] = result if np.shape(result) == layout.shape else np.reshape(result, layout.shape)
    return out


def _sum(x: Any, layout: Layout) -> Any:
    if not layout.axes:
        return x  # 0 + x would turn -0.0 to 0.0
    if x.dtype.kind == "f" and x.size and x.flags.c_contiguous:
        return group_by_group(x, layout, _sums)
    return np.add.reduce(x, axis=layout.axes, dtype=x.dtype)


def sum_of_rows(matrix: Any) -> Any:
    """[columns] of floats [rows, columns]."""
    return _sums(matrix[None])[0]


@lru_cache(256)
def _ones(length: int, dtype: Any) -> Any:
    return np.ones(length, dtype)


def _sums(x: Any) -> Any:
    """[outer, inner] of [outer, length, inner], in runs of at most _RUN additions."""
    outer, length, inner = x.shape
    if length <= _RUN:
        return _row_sums(x[:, :, 0])[:, None] if inner == 1 and outer > 1 else _column_sums(x)
    whole = length // _RUN * _RUN
    runs = np.empty((outer, -(-length // _RUN), inner), x.dtype)
    parts, found = x[:, :whole].reshape(outer, -1, _RUN, inner), runs[:, : whole // _RUN]
    if inner == 1 and x.size > 2 * _PIECE:
        _long_row_sums(parts[..., 0], found[..., 0])
    elif outer == 1 or (inner == 1 and whole == length):  # the runs lie one after the other
        found[...] = _sums(parts.reshape(-1, _RUN, inner)).reshape(found.shape)
    else:
        in_pieces(outer, whole * inner, lambda here: np.matmul(_ones(_RUN, x.dtype), parts[here], out=found[here]))
    if whole < length:
        runs[:, -1] = _sums(x[:, whole:])
    return _sums(runs)


def _row_sums(matrix: Any) -> Any:
    rows, columns = matrix.shape
    ones = _ones(columns, matrix.dtype)
    if matrix.size <= 2 * _PIECE:
        return matrix @ ones
    found = np.empty(rows, matrix.dtype)
    in_pieces(rows, columns, lambda here: np.matmul(matrix[here], ones, out=found[here]))
    return found


def _long_row_sums(parts: Any, found: Any) -> None:
    """[outer, runs] of [outer, runs, _RUN], from memory."""
    if len(parts) == 1:
        parts, found = parts.swapaxes(0, 1), found.T
    each = parts[0].size
    in_pieces(len(parts), each, lambda here: np.einsum("ijk->ij", parts[here], out=found[here]))


def _column_sums(x: Any) -> Any:
    outer, length, inner = x.shape
    ones = _ones(length, x.dtype)
    if x.size <= 2 * _PIECE or outer == 1:
        return ones @ x
    found = np.empty((outer, inner), x.dtype)
    in_pieces(outer, length * inner, lambda here: np.matmul(ones, x[here], out=found[here]))
    return found


def rows_together(shape: tuple[int, ...]) -> int:
    """BLAS takes four rows at a time, as long as there are some: sums over the last axis may be cut there."""
    columns, cut = shape[-1], max(1, _PIECE // max(1, shape[-1]))
    return 0 if columns > _RUN or (prod(shape) > 2 * _PIECE and cut % 4) else 4


def in_pieces(rows: int, each: int, work: Callable[[slice], Any]) -> None:
    """work(rows) for rows of `each` elements, pieces worth a thread."""
    step = max(1, _PIECE // max(1, each))
    threads.each(lambda i: work(slice(i * step, min(rows, (i + 1) * step))), -(-rows // step))
