"""Gathering as later releases write it: GatherV2(params, indices, axis), along any axis, and in batches [W06].

Next: ops/nd.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int16, int32
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops import gather as rows
from refflow.ops.arithmetic import FLOOR_MOD
from refflow.ops.array import ANY, rank, reshape, shape
from refflow.ops.cast import cast
from refflow.ops.joining import concat, pack
from refflow.ops.range import range_
from refflow.ops.reductions import reduce_prod
from refflow.ops.slicing import SLICE
from refflow.ops.transpose import transpose

GATHER_V2 = define_op(
    "GatherV2", "params: Tparams, indices: Tindices, axis: Taxis[] -> output: Tparams", batch_dims=0, Tparams=ANY,
    Tindices=Attr("type", allowed=(int16, *INDICES)), Taxis=Attr("type", allowed=INDICES), source=("W06",),
)  # fmt: skip
GATHER_V2.moves("params")


@GATHER_V2.refuses
def check_gather_v2(params, indices, axis):
    at = int(axis) % max(params.ndim, 1)
    if prod(params.shape[:at] + params.shape[at + 1 :]):  # of nothing, anything may be asked for
        rows.check_rows(indices, params.shape[at], "indices")


@GATHER_V2.kernel
def gather_v2_kernel(params, indices, axis, batch_dims=0):
    check_gather_v2(params, indices, axis)
    at = int(axis) % max(params.ndim, 1)
    if not prod(params.shape[:at] + params.shape[at + 1 :]):
        return np.empty(_gathered(params.shape, indices.shape, at, batch_dims), params.dtype)
    batch = batch_dims + indices.ndim if batch_dims < 0 else batch_dims
    if not batch:
        # The dots keep one string an array; NumPy lays out what it picks behind other axes otherwise than row by row.
        return np.asarray(params[(*(slice(None),) * at, indices, ...)], order="C")
    lead = prod(params.shape[:batch])
    flat = params.reshape(lead, *params.shape[batch:])
    places = indices.reshape(lead, -1)
    picked = np.moveaxis(flat, at - batch + 1, 1)[np.arange(lead)[:, None], places]  # [lead, n, rest...]
    picked = np.moveaxis(picked, 1, at - batch + 1)
    return np.ascontiguousarray(picked).reshape(
        *params.shape[:at], *indices.shape[batch:], *params.shape[at + 1 :]
    )


def _batch(batch: int, width: int, rank: int, axis: int) -> int:
    """How many leading axes params and indices share; a negative number counts from the end of the indices' axes."""
    if not -width <= batch <= width:
        raise ShapeError(f"Expected batch_dims in the range [{-width}, {width}], but got {batch}")
    batch += width if batch < 0 else 0
    if batch >= rank:
        raise ShapeError(f"batch_dims ({batch}) must be less than rank(params) ({rank}).")
    if batch > axis:
        raise ShapeError(f"batch_dims ({batch}) must be less than or equal to axis ({axis}).")
    return batch


@GATHER_V2.shape
def _gather_v2_shape(context: ShapeContext) -> shapes.Shape:
    if context.dims("axis") not in (None, ()):
        raise ShapeError(f"axis must be scalar, got shape {shapes.text(context.dims('axis'))}")
    params, indices, axis = context.dims("params"), context.dims("indices"), context.ints("axis")
    if params is not None and not params:
        raise ShapeError("params must be at least 1 dimensional")
    if params is None or indices is None:
        return None
    if axis is None:
        batch = context.attrs["batch_dims"]
        return (None,) * (len(params) + len(indices) - 1 - (batch + len(indices) if batch < 0 else batch))
    if not -len(params) <= axis[0] < len(params):
        least = axis[0] + 1 if axis[0] >= 0 else -axis[0]
        raise ShapeError(f"Shape must be at least rank {least} but is rank {len(params)}, for axis = {axis[0]}")
    at = axis[0] % len(params)
    batch = _batch(context.attrs["batch_dims"], len(indices), len(params), at)
    for i, (size, count) in enumerate(zip(params[:batch], indices[:batch], strict=True)):
        if None not in (size, count) and size != count:
            raise ShapeError(f"params.shape[{i}]: {size} should be equal to indices.shape[{i}]: {count}")
    return _gathered(params, indices, at, batch)


def _gathered(params: shapes.Dims, indices: shapes.Dims, at: int, batch: int) -> shapes.Dims:
    """The shape of what `indices` pick along axis `at`."""
    batch += len(indices) if batch < 0 else 0
    lead = (i if p is None else p for p, i in zip(params[:batch], indices[:batch], strict=True))
    return (*lead, *params[batch:at], *indices[batch:], *params[at + 1 :])


@GATHER_V2.gradient
def _gather_v2_gradient(op, dy):
    """Rows along the first axis stay IndexedSlices. Otherwise, with the axes before and behind the picked one as one:

    dparams[b, o, i, r] = the sum of dy[b, o, m, r] over all m with indices[b, m] = i
    """
    from refflow.core.constants import constant_value

    params, indices, axis = op.inputs
    known, batch = constant_value(axis), op.attrs["batch_dims"]
    with op.graph.device(params.op.device):
        sizes = shape(params)
    if known is not None and int(known) == 0:
        flat = reshape(indices, [-1])
        tail = SLICE(sizes, [1], [-1])
        return IndexedSlices(reshape(dy, concat(0, [np.array([-1], np.int32), tail])), flat, sizes), None, None
    if batch < 0:
        if indices.dims is None:
            raise ValueError("the gradient of gather() with batch_dims below 0 needs indices of a known rank: count "
                             "batch_dims from the front, or say the indices' shape")  # fmt: skip
        batch += len(indices.dims)
    at = FLOOR_MOD(cast(axis, int32), rank(params)) if known is None or known < 0 else int(known)
    return _added(dy, indices, sizes, at, batch), None, None


def _added(dy: Tensor, indices: Tensor, sizes: Tensor, at: Any, batch: int) -> Tensor:
    """`dy` added up at the places along axis `at` of an array of `sizes` from which it was picked."""
    from refflow.ops.gather import UNSORTED_SEGMENT_SUM

    b, o, r = (reduce_prod(SLICE(sizes, pack([start]), pack([count])), [0])
               for start, count in ((0, batch), (batch, at - batch), (at + 1, -1)))  # fmt: skip
    n = reshape(SLICE(sizes, pack([at]), [1]), [])
    m = reduce_prod(SLICE(shape(indices), [batch], [-1]), [0])
    kind = indices.dtype.base_dtype if indices.dtype.base_dtype in INDICES else int32
    places = cast(reshape(indices, pack([b, m])), kind)
    places = places + reshape(cast(range_(0, b) * n, kind), [-1, 1])
    rows = reshape(transpose(reshape(dy, pack([b, o, m, r])), [0, 2, 1, 3]), pack([b * m, o, r]))
    found = UNSORTED_SEGMENT_SUM(rows, reshape(places, pack([b * m])), b * n)
    return reshape(transpose(reshape(found, pack([b, n, o, r])), [0, 2, 1, 3]), sizes)


_ROWS = [[1, 2, 3], [4, 5, 6]]

GATHER_V2.case("W06", "columns", Tindices="int32", Taxis="int32", params=np.array(_ROWS), indices=[2, 0], axis=1,
               output=np.array([[3, 1], [6, 4]]))  # fmt: skip
GATHER_V2.case("W06", "one for each row", Tindices="int32", Taxis="int32", params=np.array(_ROWS), indices=[[2], [0]],
               axis=1, batch_dims=1, output=np.array([[3], [4]]))  # fmt: skip
GATHER_V2.case("W06", "rows exist", Tindices="int32", Taxis="int32", params=_ROWS, indices=[2], axis=0,
               error="indices[0] = 2 is not in [0, 2)")  # fmt: skip
