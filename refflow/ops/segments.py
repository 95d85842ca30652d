"""Segments: rows that belong together are reduced to one [W06].

    SegmentSum(data, ids)                 ids rise: y[s] = sum of data[i] with ids[i] = s; Mean, Prod, Min, Max
    UnsortedSegmentSum(data, ids, n)      ids in any order, of any rank; a negative one drops its row

Where an unsorted segment has no rows a sum is 0, a product 1, a minimum the type's largest finite value; of sorted
segments every empty one is 0, of products 1.

Next: ops/sparse_segments.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, NUMBERS, REALS, float32, int32
from refflow.core.errors import ShapeError
from refflow.core.formula import divide
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import wide
from refflow.ops.array import reshape, shape, size
from refflow.ops.cast import cast
from refflow.ops.constant import FILL, ONES_LIKE, ZEROS_LIKE
from refflow.ops.elementwise import MAXIMUM
from refflow.ops.gather import check_loose, gather, loose_rows, unsorted_shape
from refflow.ops.joining import concat
from refflow.ops.logic import EQUAL, GREATER_EQUAL, LOGICAL_AND, SELECT
from refflow.ops.slicing import slice_

INDEX = Attr("type", default=int32, allowed=INDICES)
_UFUNCS: dict[str, tuple[np.ufunc, Callable[[np.dtype], Any]]] = {
    "Sum": (np.add, lambda t: 0),
    "Prod": (np.multiply, lambda t: 1),
    "Min": (np.minimum, lambda t: t.type(np.inf) if t.kind == "f" else np.iinfo(t).max),
    "Max": (np.maximum, lambda t: t.type(-np.inf) if t.kind == "f" else np.iinfo(t).min),
}


def reduced(kind: str, data: np.ndarray, ids: np.ndarray, count: int, empty: Any = None) -> np.ndarray:
    """The rows of `data` [N, ...] reduced by `ids` [N], each in 0..count - 1; what no row falls to is `empty`."""
    ufunc, start = _UFUNCS[kind]
    first = start(np.dtype(_low(data.dtype))) if kind in ("Min", "Max") else start(data.dtype)
    found = np.full((count, *data.shape[1:]), first, wide(data).dtype)
    if len(ids) and np.all(ids[1:] >= ids[:-1]):  # sorted: whole runs at once
        begins = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
        found[ids[begins]] = ufunc.reduceat(wide(data), begins, axis=0, dtype=found.dtype)
    else:
        ufunc.at(found, ids, wide(data))
    if empty is not None:
        there = np.zeros(count, bool)
        there[ids] = True
        found[~there] = empty
    return found.astype(data.dtype, copy=False)


def _low(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.float32) if dtype == np.float16 else dtype


# -- sorted segments ------------------------------------------------------------------------------------------


def rows_of(ids: np.ndarray) -> int:
    """How many segments there are: the last id says it."""
    return int(ids[-1]) + 1 if len(ids) else 0


def check_segments(ids: np.ndarray, count: int) -> None:
    """Ids begin at 0 or later and never fall."""
    if len(ids) and ids[-1] < 0:
        raise ValueError("segment ids must be >= 0")
    if len(ids) and ids[0] < 0:
        raise ValueError(
            f"Segment id {ids[0]} out of range [0, {count}), possibly because 'segment_ids' input is not sorted."
        )
    if len(ids) and np.any(ids[1:] < ids[:-1]):
        raise ValueError("segment ids are not increasing")


def _sorted_shape(context: ShapeContext) -> shapes.Shape:
    data, ids, known = context.dims("data"), context.dims("segment_ids"), context.value("segment_ids")
    need_rank(ids, 1, "segment_ids should be a vector.")
    if data is not None and not data:
        raise ShapeError("input must be at least rank 1")
    if data is not None and ids is not None and not shapes.compatible(data[:1], ids):
        raise ShapeError(f"segment_ids should be the same size as dimension 0 of input. Got {ids[0]} for {data[0]}")
    rows = None if known is None else int(known[-1]) + 1 if len(known) else 0
    return None if data is None else (rows if rows is None or rows >= 0 else None, *data[1:])


def _sorted(kind: str, types: Any) -> OpDef:
    op_def = define_op(f"Segment{kind}", "data: T, segment_ids: Tindices -> output: T", T=types, Tindices=INDICES,
                       accuracy="dot", source=("W06",))  # fmt: skip

    @op_def.refuses
    def check(data, segment_ids):
        check_segments(segment_ids, rows_of(segment_ids))

    @op_def.kernel
    def kernel(data, segment_ids):
        check(data, segment_ids)
        count = rows_of(segment_ids)
        if kind == "Mean":
            total = reduced("Sum", wide(data), segment_ids, count)
            rows = np.bincount(segment_ids, minlength=count).reshape(-1, *[1] * (data.ndim - 1))
            if data.dtype.kind in "iu":
                return divide(total, np.maximum(rows, 1).astype(data.dtype))
            return (total / np.maximum(rows, 1).astype(total.dtype)).astype(data.dtype)
        return reduced(kind, data, segment_ids, count, empty=1 if kind == "Prod" else 0)

    op_def.shape(_sorted_shape)
    return op_def


SEGMENT = {kind: _sorted(kind, NUMBERS if kind in ("Sum", "Prod", "Mean") else REALS)
           for kind in ("Sum", "Mean", "Prod", "Min", "Max")}  # fmt: skip


@SEGMENT["Sum"].gradient
def _segment_sum_gradient(op, dy):
    """Every row gets its segment's gradient."""
    return gather(dy, op.inputs[1]), None


@SEGMENT["Mean"].gradient
def _segment_mean_gradient(op, dy):
    """Every row gets its segment's gradient, over the number of its rows."""
    data, ids = op.inputs
    # In floats, which a card counts too, and which are exact up to 16 million rows.
    counts = SEGMENT["Sum"](_column(cast(ONES_LIKE(ids), float32), data), ids)
    return gather(dy / cast(MAXIMUM(counts, ONES_LIKE(counts)), dy.dtype), ids), None


def _column(ones: Tensor, data: Tensor) -> Tensor:
    """`ones` [N] with data's rank: [N, 1, 1, ...]."""
    rank = size(shape(data))
    tail = FILL(reshape(rank - 1, [1]), 1)
    return reshape(ones, concat(0, [slice_(shape(data), [0], [1]), tail]))


def _extreme_gradient(op: Any, dy: Tensor) -> Any:
    """A segment's gradient is shared evenly among the rows that have its extreme value."""
    data, ids = op.inputs
    here = EQUAL(data, gather(op.outputs[0], ids))
    shares = SEGMENT["Sum"](cast(here, dy.dtype), ids)
    part = gather(dy / MAXIMUM(shares, ONES_LIKE(shares)), ids)
    return SELECT(here, part, ZEROS_LIKE(part)), None


SEGMENT["Min"].gradient(_extreme_gradient)
SEGMENT["Max"].gradient(_extreme_gradient)
SEGMENT["Prod"].no_gradient_registered()

# -- unsorted segments ----------------------------------------------------------------------------------------


def _unsorted(kind: str, types: Any) -> OpDef:
    op_def = define_op(
        f"UnsortedSegment{kind}", "data: T, segment_ids: Tindices, num_segments: Tnumsegments -> output: T", T=types,
        Tindices=Attr("type", allowed=INDICES), Tnumsegments=INDEX, accuracy="dot", source=("W06", "S50e"),
    )  # fmt: skip

    op_def.refuses(check_loose)

    @op_def.kernel
    def kernel(data, segment_ids, num_segments, T):
        rows, ids, count = loose_rows(data, segment_ids, num_segments)
        return reduced(kind, rows, ids, count, 1 if kind == "Prod" else T.max if kind == "Min" else T.min)

    op_def.shape(unsorted_shape)
    return op_def


UNSORTED = {kind: _unsorted(kind, NUMBERS if kind in ("Sum", "Prod") else REALS) for kind in ("Prod", "Min", "Max")}


def gathered(params: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """params[ids], 0 for negative ids, and where ids are not negative, in the shape of the rows."""
    zero = ZEROS_LIKE(ids)
    found = gather(params, MAXIMUM(ids, zero))
    there = GREATER_EQUAL(ids, zero)
    tail = size(shape(found)) - size(shape(there))
    there = reshape(there, concat(0, [shape(there), FILL(reshape(tail, [1]), 1)]))
    there = LOGICAL_AND(there, EQUAL(ONES_LIKE(found), ONES_LIKE(found)))
    return SELECT(there, found, ZEROS_LIKE(found)), there


def _unsorted_extreme_gradient(op: Any, dy: Tensor) -> Any:
    """A segment's gradient is shared evenly among the rows that have its extreme value."""
    from refflow.ops.gather import UNSORTED_SEGMENT_SUM

    data, ids, count = op.inputs
    value, there = gathered(op.outputs[0], ids)
    here = LOGICAL_AND(EQUAL(data, value), there)
    shares = UNSORTED_SEGMENT_SUM(cast(here, dy.dtype), ids, count)
    part, _ = gathered(dy / MAXIMUM(shares, ONES_LIKE(shares)), ids)
    return SELECT(here, part, ZEROS_LIKE(part)), None, None


UNSORTED["Min"].gradient(_unsorted_extreme_gradient)
UNSORTED["Max"].gradient(_unsorted_extreme_gradient)


@UNSORTED["Prod"].gradient
def _unsorted_prod_gradient(op, dy):
    from refflow.ops.gather import UNSORTED_SEGMENT_SUM

    _, ids, count = op.inputs
    dx = prod_slope(
        op, dy, lambda x: UNSORTED_SEGMENT_SUM(x, ids, count), lambda x: UNSORTED["Prod"](x, ids, count),
        lambda x: gathered(x, ids)[0],
    )  # fmt: skip
    return dx, None, None


def prod_slope(op: Any, dy: Tensor, total: Any, product: Any, spread: Any) -> Tensor:
    """dx = dy * the product of the others: by division, or for a segment's only zero by the product without it.

    total, product: of a segment's rows, for each segment. spread: what a segment has, for each of its rows.
    """
    from refflow.ops.logic import GREATER

    data = op.inputs[0]
    is_zero = EQUAL(data, ZEROS_LIKE(data))
    zeros = total(cast(is_zero, int32))
    slope = SELECT(GREATER(zeros, ONES_LIKE(zeros)), ZEROS_LIKE(dy), dy)
    safe = SELECT(is_zero, ONES_LIKE(data), data)
    return SELECT(is_zero, spread(product(safe)), spread(op.outputs[0]) / safe) * spread(slope)


_ROWS = [[1.0, 4.0], [3.0, 2.0], [5.0, 6.0]]
_WHOLE: dict[str, Any] = {
    "Sum": [[4, 6], [0, 0], [5, 6]], "Mean": [[2, 3], [0, 0], [5, 6]], "Prod": [[3, 8], [1, 1], [5, 6]],
    "Min": [[1, 2], [0, 0], [5, 6]], "Max": [[3, 4], [0, 0], [5, 6]],
}  # fmt: skip
for _kind, _wanted in _WHOLE.items():
    SEGMENT[_kind].case("W06", "rows of one segment", Tindices="int32", data=_ROWS, segment_ids=[0, 0, 2],
                        output=_wanted)  # fmt: skip
    SEGMENT[_kind].case("W06", "ids never fall", Tindices="int32", data=_ROWS, segment_ids=[0, 2, 1],
                        error="segment ids are not increasing")  # fmt: skip
_LOOSE: dict[str, Any] = {"Prod": [[5, 24], [3, 2]], "Min": [[1, 4], [3, 2]], "Max": [[5, 6], [3, 2]]}
_NOTHING = {"Prod": 1, "Min": int32.max, "Max": int32.min}
for _kind, _wanted in _LOOSE.items():
    UNSORTED[_kind].case("W06", "in any order", Tindices="int32", data=_ROWS, segment_ids=[0, 1, 0], num_segments=2,
                         output=_wanted)  # fmt: skip
    UNSORTED[_kind].case("W06", "a segment without rows", T="int32", Tindices="int32", data=[7], segment_ids=[1],
                         num_segments=2, output=[_NOTHING[_kind], 7])  # fmt: skip
    UNSORTED[_kind].case("W06", "a negative id drops its row", Tindices="int32", data=_ROWS, segment_ids=[0, -1, 0],
                         num_segments=1, output=_wanted[:1])  # fmt: skip
    UNSORTED[_kind].case("W06", "segments exist", Tindices="int32", data=_ROWS, segment_ids=[0, 5, 0], num_segments=3,
                         error="segment_ids[1] = 5 is out of range [0, 3)")  # fmt: skip


def segment_sum(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """Sums of the rows of `data` with equal ids; ids [N] rise from 0."""
    return SEGMENT["Sum"](data, segment_ids, name=name)


def segment_mean(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """Means of the rows of `data` with equal ids; ids [N] rise from 0."""
    return SEGMENT["Mean"](data, segment_ids, name=name)


def segment_prod(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """Products of the rows of `data` with equal ids; ids [N] rise from 0."""
    return SEGMENT["Prod"](data, segment_ids, name=name)


def segment_min(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """Minima of the rows of `data` with equal ids; ids [N] rise from 0."""
    return SEGMENT["Min"](data, segment_ids, name=name)


def segment_max(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """Maxima of the rows of `data` with equal ids; ids [N] rise from 0."""
    return SEGMENT["Max"](data, segment_ids, name=name)
