"""Gathering as later releases write it: GatherV2(params, indices, axis), along any axis, and in batches [W06].

Next: ops/nd.py.
"""

from __future__ import annotations

from math import prod

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int16
from refflow.core.errors import ShapeError
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops import gather as rows
from refflow.ops.array import ANY, reshape, shape
from refflow.ops.joining import concat
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
    if params is None or indices is None or axis is None:
        return None
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
    return (*params[:at], *indices[batch:], *params[at + 1 :])


@GATHER_V2.gradient
def _gather_v2_gradient(op, dy):
    """Rows along the first axis stay IndexedSlices; along another axis the gradient is dense."""
    from refflow.core.constants import constant_value
    from refflow.ops.gather import UNSORTED_SEGMENT_SUM

    params, indices, axis = op.inputs
    if op.attrs["batch_dims"]:
        raise LookupError("the gradient of GatherV2 with batch_dims is not defined here; use gather_nd")
    known = constant_value(axis)
    with op.graph.device(params.op.device):
        sizes = shape(params)
    if known is not None and int(known) == 0:
        flat = reshape(indices, [-1])
        tail = SLICE(sizes, [1], [-1])
        return IndexedSlices(reshape(dy, concat(0, [np.array([-1], np.int32), tail])), flat, sizes), None, None
    if known is None or params.dims is None or indices.dims is None:
        raise ValueError("the gradient of GatherV2 along a later axis needs a known axis and known ranks")
    at, rank, width = int(known) % len(params.dims), len(params.dims), len(indices.dims)
    front = list(range(at, at + width)) + [i for i in range(rank - 1 + width) if not at <= i < at + width]
    moved = transpose(dy, front)  # the picked axes come first
    others = [i for i in range(rank) if i != at]
    summed = UNSORTED_SEGMENT_SUM(moved, indices, reshape(SLICE(sizes, [at], [1]), []))
    order = np.argsort([at, *others]).tolist()
    return transpose(summed, order), None, None


_ROWS = [[1, 2, 3], [4, 5, 6]]

GATHER_V2.case("W06", "columns", Tindices="int32", Taxis="int32", params=np.array(_ROWS), indices=[2, 0], axis=1,
               output=np.array([[3, 1], [6, 4]]))  # fmt: skip
GATHER_V2.case("W06", "one for each row", Tindices="int32", Taxis="int32", params=np.array(_ROWS), indices=[[2], [0]],
               axis=1, batch_dims=1, output=np.array([[3], [4]]))  # fmt: skip
GATHER_V2.case("W06", "rows exist", Tindices="int32", Taxis="int32", params=_ROWS, indices=[2], axis=0,
               error="indices[0] = 2 is not in [0, 2)")  # fmt: skip
