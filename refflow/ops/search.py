"""Places in order: where values belong in sorted rows, and flat places as coordinates.

    LowerBound      for each value the first place of its row where it may stand: sorted[j - 1] <  value
    UpperBound      for each value the last one:                                  sorted[j - 1] <= value
    UnravelIndex    coordinates [axis, place] of flat places in an array of shape `dims`, last axis fastest

None has a gradient.

Next: ops/unique.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int32
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

_OUT = Attr("type", default=int32, allowed=INDICES)
_BOUND = "sorted_inputs: T, values: T -> output: out_type"
LOWER_BOUND = define_op("LowerBound", _BOUND, T=Attr("type"), out_type=_OUT, source=("W06",))
UPPER_BOUND = define_op("UpperBound", _BOUND, T=Attr("type"), out_type=_OUT, source=("W06",))
UNRAVEL_INDEX = define_op("UnravelIndex", "indices: Tidx, dims: Tidx -> output: Tidx",
                          Tidx=Attr("type", default=int32, allowed=INDICES), source=("W06",))  # fmt: skip


def _searched(rows: np.ndarray, values: np.ndarray, before: Any, dtype: Any) -> np.ndarray:
    """Bisection of every row for all its values at once; `before(element, value)`: the place is further right."""
    first = np.zeros(values.shape, np.int64)
    count = np.full(values.shape, rows.shape[1], np.int64)
    which = np.arange(len(rows))[:, None]
    while count.any():
        half = count // 2
        middle = np.minimum(first + half, max(rows.shape[1] - 1, 0))
        right = (count > 0) & before(rows[which, middle], values)
        first = np.where(right, middle + 1, first)
        count = np.where(right, count - half - 1, half)
    return first.astype(dtype)


def _not_greater(element: np.ndarray, value: np.ndarray) -> np.ndarray:
    return np.logical_not(value < element)


@LOWER_BOUND.kernel
def lower_bound_kernel(sorted_inputs, values, out_type=int32):
    return _searched(sorted_inputs, values, np.less, out_type.as_numpy_dtype)


@UPPER_BOUND.kernel
def upper_bound_kernel(sorted_inputs, values, out_type=int32):
    return _searched(sorted_inputs, values, _not_greater, out_type.as_numpy_dtype)


def _bound_shape(context: ShapeContext) -> shapes.Shape:
    rows, values = context.dims("sorted_inputs"), context.dims("values")
    for name, dims in (("sorted_inputs", rows), ("values", values)):
        if dims is not None and len(dims) != 2:
            raise ShapeError(f"Shape must be rank 2 but is rank {len(dims)} for `{name}` argument")
    if rows is not None and values is not None and not shapes.compatible(rows[:1], values[:1]):
        raise ShapeError(
            f"Leading dim_size of both tensors must match. sorted_inputs {shapes.text(rows)}, values "
            f"{shapes.text(values)}"
        )
    return (None, None) if values is None else values


LOWER_BOUND.shape(_bound_shape)
UPPER_BOUND.shape(_bound_shape)


@UNRAVEL_INDEX.kernel
def unravel_index_kernel(indices, dims):
    if not indices.size:
        raise ValueError("received empty tensor indices")
    if (dims < 0).any():
        at = int(np.argmax(dims < 0))
        raise ValueError(f"Input dims cannot be negative. Got dim = {dims[at]} at index {at}")
    if (dims == 0).any():
        raise ValueError(f"Input dims cannot contain a dim of zero, but dims contains zero at index "
                         f"{int(np.argmin(dims != 0))}")  # fmt: skip
    count = prod(int(d) for d in dims)
    if count > np.iinfo(dims.dtype).max:
        raise ValueError(f"Input dims product is causing integer overflow: ({' '.join(f'{d:>10}' for d in dims)})")
    if (indices >= count).any():
        raise ValueError(f"index is out of bound as with dims, which have room for {count}: {indices.tolist()}")
    if not dims.size:
        return np.zeros((0, *indices.shape), indices.dtype)
    found, rest = [], indices
    for size in dims[:0:-1]:  # with C's division, which numbers below zero show
        quotient = np.sign(rest) * (np.abs(rest) // size)
        found.append(rest - quotient * size)
        rest = quotient
    return np.array([rest, *found[::-1]], indices.dtype)


@UNRAVEL_INDEX.shape
def _unravel_shape(context: ShapeContext) -> shapes.Shape:
    indices, dims = context.dims("indices"), context.dims("dims")
    if indices is not None and len(indices) > 1:
        raise ShapeError(f'The indices can only be scalar or vector, got "{shapes.text(indices)}"')
    if dims is not None and len(dims) != 1:
        raise ShapeError(f'The indices can only be 1-D, got "{shapes.text(dims)}", of dims')
    return None if indices is None else (*of_rank(dims, 1), *indices)


for _op in (LOWER_BOUND, UPPER_BOUND, UNRAVEL_INDEX):
    _op.no_gradient_registered()

_ROWS = [[0, 3, 9, 9, 10], [1, 2, 3, 4, 5]]
LOWER_BOUND.case("W06", "the first place", sorted_inputs=_ROWS, values=[[2, 4, 9], [0, 2, 6]],
                 output=[[1, 2, 2], [0, 1, 5]])  # fmt: skip
UPPER_BOUND.case("W06", "the last place", sorted_inputs=_ROWS, values=[[2, 4, 9], [0, 2, 6]],
                 output=[[1, 2, 4], [0, 2, 5]])  # fmt: skip
UPPER_BOUND.case("W06", "a row of values for each row", sorted_inputs=_ROWS, values=[[1]],
                 error="Leading dim_size of both tensors must match.")  # fmt: skip
LOWER_BOUND.case("W06", "matrices", sorted_inputs=[1, 2], values=[[1]], error="rank 1 for `sorted_inputs`")
UNRAVEL_INDEX.case("W06", "rows and columns", Tidx="int32", indices=[22, 41, 37], dims=[7, 6],
                   output=[[3, 6, 6], [4, 5, 1]])  # fmt: skip
UNRAVEL_INDEX.case("W06", "one place", Tidx="int32", indices=1621, dims=[6, 7, 8, 9], output=[3, 1, 4, 1])
UNRAVEL_INDEX.case("W06", "places exist", Tidx="int32", indices=[4], dims=[2, 2], error="index is out of bound")
UNRAVEL_INDEX.case("W06", "an array has room", Tidx="int32", indices=[0], dims=[2, 0], error="zero at index 1")
