"""Rows by index: Gather reads them, segment sums add them up.

    output[i...] = params[indices[i...]]          dparams is IndexedSlices: only the rows used [S50e, W32]

Next: ops/random.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.convert import convert_to_tensor, register_tensor_conversion_function
from refflow.core.dtypes import INDICES, NUMBERS, DType, int16, int32
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import reshape, shape, size
from refflow.ops.joining import concat

GATHER = define_op("Gather", "params: Tparams, indices: Tindices -> output: Tparams", Tparams=Attr("type"),
                   Tindices=INDICES, validate_indices=True, source=("W32", "S50e", "O04"))  # fmt: skip
GATHER.moves("params")


@GATHER.refuses
def check_gather(params, indices):
    if prod(params.shape[1:]):  # of rows without elements, any may be asked for
        check_rows(indices, params.shape[0], "indices")


@GATHER.kernel
def gather_kernel(params, indices):
    check_gather(params, indices)
    if not prod(params.shape[1:]):
        indices = np.zeros_like(indices)
    return params[indices, ...]  # the dots keep one string an array


def check_rows(indices: Any, rows: int, name: str) -> None:
    """Every index must name a row: negative ones do not count from the end."""
    # Seen as a number without sign, a negative one is beyond all rows.
    if indices.size and np.maximum.reduce(indices.view(f"u{indices.itemsize}"), axis=None) >= rows:
        bad = np.argwhere((indices < 0) | (indices >= rows))[0]
        at = f"[{','.join(map(str, bad))}]" if indices.ndim else ""
        raise IndexError(f"{name}{at} = {int(indices[tuple(bad)])} is not in [0, {rows})")


@GATHER.shape
def _gather_shape(context: ShapeContext) -> shapes.Shape:
    params, indices = context.dims("params"), context.dims("indices")
    if params is not None and not params:
        raise ShapeError("params must be at least 1 dimensional: a scalar has no rows")
    return None if params is None or indices is None else (*indices, *params[1:])


@GATHER.gradient
def _gather_gradient(op, dy):
    """dparams has the rows of dy at the indices; no row that was not read appears in it."""
    params, indices = op.inputs
    with op.graph.device(params.op.device):  # a shape that crosses is small, a table is not [O04]
        params_shape = shape(params)
    flat = reshape(indices, reshape(size(indices), [1]))
    rows = concat(0, [np.array([-1], np.int32), _tail(params_shape)])
    return IndexedSlices(reshape(dy, rows), flat, params_shape), None


def _tail(sizes: Tensor) -> Tensor:
    from refflow.ops.slicing import slice_

    return slice_(sizes, [1], [-1])


GATHER.case("W32", "rows by number", Tindices="int32", params=[[1, 2], [3, 4], [5, 6]], indices=[2, 0, 2],
            output=[[5, 6], [1, 2], [5, 6]])  # fmt: skip
GATHER.case("W32", "rows exist", Tindices="int32", params=[[1]], indices=[1], error="indices[0] = 1 is not in [0, 1)")
GATHER.case("W32", "nothing counts from the end", Tindices="int32", params=[1, 2], indices=[-1],
            error="indices[0] = -1 is not in [0, 2)")  # fmt: skip


def gather(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """The rows of `params` that `indices` name, in the shape of `indices`."""
    return GATHER(convert_to_tensor(params, name="params"), indices, name=name)


# -- from slices to a dense tensor ---------------------------------------------------------------------

def unsorted_shape(context: ShapeContext) -> shapes.Shape:
    """num_segments rows, each as a row of data beyond the dimensions of segment_ids."""
    data, ids, count = context.dims("data"), context.dims("segment_ids"), context.dims("num_segments")
    if count:
        raise ShapeError(f"num_segments should be a scalar, not shape {shapes.text(count)}")
    if data is None or ids is None:
        return None
    if not shapes.compatible(data[: len(ids)], ids):
        raise ShapeError(
            f"data.shape = {shapes.text(data)} does not start with segment_ids.shape = {shapes.text(ids)}"
        )
    known = context.ints("num_segments")
    if known is not None and known[0] < 0:
        raise ShapeError(f"Input num_segments == {known[0]} must not be negative")
    return (None if known is None else known[0], *data[len(ids) :])


def check_loose(data: np.ndarray, segment_ids: np.ndarray, num_segments: Any) -> None:
    """There are segments of that number, if not negative: those drop their rows."""
    count = int(num_segments)
    if count < 0:
        raise ValueError(f"Input num_segments == {count} must not be negative.")
    if segment_ids.size and segment_ids.max() >= count:
        bad = np.argwhere(segment_ids >= count)[0]
        at = ",".join(str(i) for i in bad)
        raise IndexError(f"segment_ids[{at}] = {int(segment_ids[tuple(bad)])} is out of range [0, {count})")


def loose_rows(data: np.ndarray, segment_ids: np.ndarray, num_segments: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """The rows of data in a line, the segment of each, and how many segments; a negative id drops its row."""
    check_loose(data, segment_ids, num_segments)
    ids, count = segment_ids.reshape(-1), int(num_segments)
    rows = data.reshape(ids.size, *data.shape[segment_ids.ndim :])
    return (rows[ids >= 0], ids[ids >= 0], count) if np.any(ids < 0) else (rows, ids, count)


UNSORTED_SEGMENT_SUM = define_op(
    "UnsortedSegmentSum", "data: T, segment_ids: Tindices, num_segments: Tnumsegments -> output: T", T=NUMBERS,
    Tindices=(int16, *INDICES), Tnumsegments=Attr("type", default=int32, allowed=INDICES), accuracy="dot",
    source=("W32",),
)  # fmt: skip
UNSORTED_SEGMENT_SUM.shape(unsorted_shape)
UNSORTED_SEGMENT_SUM.refuses(check_loose)


@UNSORTED_SEGMENT_SUM.kernel
def unsorted_segment_sum_kernel(data, segment_ids, num_segments):
    """output[s] = the sum of the rows whose id is s."""
    rows, ids, count = loose_rows(data, segment_ids, num_segments)
    total = np.zeros((count, *rows.shape[1:]), data.dtype)
    np.add.at(total, ids, rows)
    return total


@UNSORTED_SEGMENT_SUM.gradient
def _unsorted_segment_sum_gradient(op, dy):
    """Each row gets the gradient of its segment."""
    from refflow.ops.segments import gathered

    return gathered(dy, op.inputs[1])[0], None, None


UNSORTED_SEGMENT_SUM.case("W32", "rows with one id are added", Tindices="int32", data=[[1, 2], [3, 4], [5, 6]],
                          segment_ids=[1, 0, 1], num_segments=3,
                          output=[[3, 4], [6, 8], [0, 0]])  # fmt: skip


def _slices_to_tensor(value: IndexedSlices, dtype: DType | None, name: str | None, as_ref: bool) -> Tensor:
    """The dense tensor that the slices are a part of."""
    if value.dense_shape is None:
        raise ValueError(f"{value!r} has no dense_shape, so it cannot become a tensor")
    from refflow.ops.array import squeeze
    from refflow.ops.slicing import slice_

    rows = squeeze(slice_(value.dense_shape, [0], [1]), [0])
    dense = UNSORTED_SEGMENT_SUM(value.values, value.indices, rows, name=name)
    return reshape(dense, value.dense_shape)


register_tensor_conversion_function(IndexedSlices, _slices_to_tensor)
