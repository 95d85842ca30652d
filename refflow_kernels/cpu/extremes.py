"""The largest, the smallest and the product over any axes, by halves [W06].

    bytes: the input once        operations: one for each element

NumPy's own reduction is quick along long rows and over many columns. A short row costs it a call of its own, and so do
many rows of few columns; there halves are combined with halves, which are long, until little is left:

    short rows      halves of columns, down to 32; then turned, so that the reduction runs along the rows
    few columns     the upper half of the rows with the lower

Extremes are exact in whatever order. A product is rounded at each step, here at fewer that follow each other, in an
order that the shape alone decides; each of NumPy's along a row waits for the one before, so that long rows go by halves
too.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from refflow_kernels.cpu.reductions import finished, group_by_group, in_pieces, layout_of

_SHORT = 192  # columns of a row
_TURNED = 32
_FEW = 48  # columns
_ROWS = 64  # at least, of a piece of columns
_BLOCK = 1 << 16  # elements in cache
_SMALL = 1 << 12  # elements: below, a call costs more than it saves
_LARGE = 1 << 19  # elements: above, in pieces


def reduce_max(input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None) -> Any:
    """The largest value, NaN if there is one; the type's lowest for nothing."""
    lowest = -np.inf if input.dtype.kind == "f" else np.iinfo(input.dtype).min
    return _combined(np.maximum, lowest, input, reduction_indices, keep_dims, out)


def reduce_min(input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None) -> Any:
    """The smallest value, NaN if there is one; the type's highest for nothing."""
    highest = np.inf if input.dtype.kind == "f" else np.iinfo(input.dtype).max
    return _combined(np.minimum, highest, input, reduction_indices, keep_dims, out)


def reduce_prod(input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None) -> Any:
    """The product over the axes; 1 for nothing."""
    return _combined(np.multiply, input.dtype.type(1), input, reduction_indices, keep_dims, out)


def _combined(ufunc: Any, start: Any, x: Any, indices: Any, keep_dims: bool, out: Any) -> Any:
    layout = layout_of(x, indices, keep_dims)
    if x.size and layout.axes and x.flags.c_contiguous:
        result = group_by_group(x, layout, partial(_of_group, ufunc))
    else:
        result = ufunc.reduce(x, axis=layout.axes, initial=start, dtype=x.dtype)
    return finished(result, x, layout, out)


def _of_group(ufunc: Any, x: Any) -> Any:
    """[outer, inner] of [outer, length, inner]."""
    outer, length, inner = x.shape
    if x.size <= _SMALL:
        return ufunc.reduce(x, axis=1)
    if outer == 1 and inner == 1 and length > _LARGE:  # one long row: cut it
        whole = length // _BLOCK * _BLOCK
        rows = _of_group(ufunc, x[:, :whole].reshape(-1, _BLOCK, 1))
        return ufunc.reduce(np.concatenate([rows, x[0, whole:]]), axis=0, keepdims=True)
    if outer == 1 and length * inner > _LARGE and length > 2 * _ROWS:  # long columns: cut them
        rows = max(_ROWS, _BLOCK // inner)
        whole = length // rows * rows
        parts = _of_group(ufunc, x[:, :whole].reshape(-1, rows, inner))
        return ufunc.reduce(np.concatenate([parts, x[0, whole:]]), axis=0, keepdims=True)
    found = np.empty((outer, inner), x.dtype)
    if outer == 1:
        in_pieces(inner, length, lambda here: ufunc.reduce(x[:, :, here], axis=1, out=found[:, here]))
    else:
        in_pieces(outer, length * inner, lambda here: _in_blocks(ufunc, x[here], found[here]))
    return found


def _in_blocks(ufunc: Any, x: Any, found: Any) -> None:
    outer, length, inner = x.shape
    if inner > _FEW or (inner == 1 and length > _SHORT and ufunc is not np.multiply):
        ufunc.reduce(x, axis=1, out=found)
        return
    step = max(1, _BLOCK // (length * inner))
    for i in range(0, outer, step):
        rows = _halved(ufunc, x[i : i + step], _TURNED if inner == 1 else 4)
        if inner == 1:
            ufunc.reduce(np.ascontiguousarray(rows[:, :, 0].T), axis=0, out=found[i : i + step, 0])
        else:
            ufunc.reduce(rows, axis=1, out=found[i : i + step])


def _halved(ufunc: Any, x: Any, until: int) -> Any:
    """[outer, length, inner] with its first half along the length against its second, until few are left."""
    while x.shape[1] > until:
        half = x.shape[1] // 2
        both = ufunc(x[:, :half], x[:, half : 2 * half])
        if x.shape[1] % 2:
            ufunc(both[:, 0], x[:, -1], out=both[:, 0])
        x = both
    return x
