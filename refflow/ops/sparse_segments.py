"""Segments of rows that are picked from a table [W06].

    SparseSegmentSum(data, indices, ids)    y[s] = sum of data[indices[i]] with ids[i] = s; ids rise
    SparseSegmentMean                       divided by how many rows there are, SqrtN by their root
    ...WithNumSegments                      at least so many segments; where one has no rows, it is 0

The gradient ops carry dy back: every picked row gets its segment's gradient, divided as the segment was.

Next: ops/gather.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, REALS
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.values import wide
from refflow.ops.array import reshape, shape
from refflow.ops.segments import INDEX, check_segments, reduced, rows_of
from refflow.ops.slicing import slice_

_PICKED = "data: T, indices: Tidx, segment_ids: Tsegmentids"
_PICK_ATTRS: dict[str, Any] = {"T": REALS, "Tidx": INDEX, "Tsegmentids": INDEX, "sparse_gradient": False}


def _divided(kind: str, total: np.ndarray, ids: np.ndarray, count: int) -> np.ndarray:
    if kind == "Sum":
        return total
    rows = np.maximum(np.bincount(ids, minlength=count), 1).reshape(-1, *[1] * (total.ndim - 1))
    return (total / (rows if kind == "Mean" else np.sqrt(rows))).astype(total.dtype)


def check_picked(data: np.ndarray, indices: np.ndarray, ids: np.ndarray, count: int | None = None) -> None:
    """Ids are those of `count` segments, or of as many as there are, and indices those of rows."""
    needed = rows_of(ids)
    if count is not None and needed > count:
        raise ValueError(f"segment ids must be < num_segments: {needed - 1} is not less than {count}")
    check_segments(ids, needed if count is None else count)
    bad = np.flatnonzero((indices < 0) | (indices >= data.shape[0]))
    if len(bad):
        raise IndexError(f"Bad: indices[{bad[0]}] == {int(indices[bad[0]])} out of range [0, {data.shape[0]})")


def check_back(grad: np.ndarray, indices: np.ndarray, ids: np.ndarray, rows: Any) -> None:
    """Indices are those of `rows` rows, and ids those of the segments that have a gradient; of no rows, any are."""
    count = int(rows)
    if count < 0:
        raise ValueError(f"Expected a non-negative size, got {count}")
    if not count:
        return
    bad = np.flatnonzero((indices < 0) | (indices >= count))
    if len(bad):
        raise IndexError(f"Index {int(indices[bad[0]])} out of range [0, {count})")
    bad = np.flatnonzero((ids < 0) | (ids >= grad.shape[0]))
    if len(bad):
        wrong = int(ids[bad[0]])
        why = "Invalid number of segments: " if wrong > 0 else ""
        raise IndexError(f"{why}Segment id {wrong} out of range [0, {grad.shape[0]})")


def _picked_sums(kind: str, data: Any, indices: Any, ids: Any, count: int | None) -> np.ndarray:
    check_picked(data, indices, ids, count)
    count = rows_of(ids) if count is None else count
    return _divided(kind, reduced("Sum", wide(data[indices]), ids, count), ids, count).astype(data.dtype)


def _pairs(context: ShapeContext) -> None:
    """An index and a segment for each row that is picked."""
    indices, ids = context.dims("indices"), context.dims("segment_ids")
    for name, dims in (("indices", indices), ("segment_ids", ids)):
        if dims is not None and len(dims) != 1:
            raise ShapeError(f"{name} should be a vector.")
    if not shapes.compatible(indices, ids):
        raise ShapeError("segment_ids and indices should have same size.")


def _picked_shape(context: ShapeContext) -> shapes.Shape:
    data, known = context.dims("data"), context.value("segment_ids")
    rows = None if known is None or known.ndim != 1 else int(known[-1]) + 1 if len(known) else 0
    if "num_segments" in {a.name for a in context.op_def.inputs}:
        given, count = context.dims("num_segments"), context.ints("num_segments")
        if given:
            raise ShapeError(f"num_segments should be a scalar, not shape {shapes.text(given)}")
        rows = None if count is None else count[0]
        if rows is not None and rows < 0:
            raise ShapeError("segment ids must be >= 0: Cannot specify a negative value for num_segments")
    _pairs(context)
    return None if data is None else (None if rows is None or rows < 0 else rows, *data[1:])


SPARSE_SEGMENT: dict[str, OpDef] = {}


def _picked(kind: str) -> None:
    types = {"T": REALS if kind == "Sum" else FLOATS}
    plain = define_op(f"SparseSegment{kind}", f"{_PICKED} -> output: T", accuracy="dot", source=("W06",),
                      **(_PICK_ATTRS | types))  # fmt: skip
    counted = define_op(f"SparseSegment{kind}WithNumSegments", f"{_PICKED}, num_segments: Tnumsegments -> output: T",
                        Tnumsegments=INDEX, accuracy="dot", source=("W06",), **(_PICK_ATTRS | types))  # fmt: skip
    back = define_op(f"SparseSegment{kind}Grad",
                     "grad: T, indices: Tidx, segment_ids: Tsegmentids, output_dim0: int32[] -> output: T", T=FLOATS,
                     Tidx=INDEX, Tsegmentids=INDEX, accuracy="dot", source=("W06",))  # fmt: skip
    compact = define_op(
        f"SparseSegment{kind}GradV2", "grad: T, indices: Tidx, segment_ids: Tsegmentids, dense_output_dim0: int32[] "
        "-> output: T, sorted_unique_indices: Tidx", T=FLOATS, Tidx=INDEX, Tsegmentids=INDEX, accuracy="dot",
        source=("W06",),
    )  # fmt: skip

    SPARSE_SEGMENT[kind] = plain
    plain.refuses(check_picked)
    back.refuses(check_back)

    @plain.kernel
    def kernel(data, indices, segment_ids):
        return _picked_sums(kind, data, indices, segment_ids, None)

    @counted.kernel
    def counted_kernel(data, indices, segment_ids, num_segments):
        return _picked_sums(kind, data, indices, segment_ids, int(num_segments))

    def pieces(grad, indices, segment_ids):
        """What each picked row gets."""
        rows = np.maximum(np.bincount(segment_ids, minlength=grad.shape[0]), 1)
        by = {"Sum": np.ones_like(rows), "Mean": rows, "SqrtN": np.sqrt(rows)}[kind]
        scaled = (wide(grad) / by.reshape(-1, *[1] * (grad.ndim - 1))).astype(wide(grad).dtype)
        return scaled[segment_ids]

    def within(grad, indices, segment_ids, rows):
        """The indices and their segments; none where there are no rows."""
        check_back(grad, indices, segment_ids, rows)
        return (indices, segment_ids) if rows else (indices[:0], segment_ids[:0])

    @back.kernel
    def back_kernel(grad, indices, segment_ids, output_dim0):
        count = int(output_dim0)
        indices, segment_ids = within(grad, indices, segment_ids, output_dim0)
        found = np.zeros((count, *grad.shape[1:]), wide(grad).dtype)
        np.add.at(found, indices, pieces(grad, indices, segment_ids))
        return found.astype(grad.dtype)

    @compact.kernel
    def compact_kernel(grad, indices, segment_ids, dense_output_dim0):
        indices, segment_ids = within(grad, indices, segment_ids, dense_output_dim0)
        unique, places = np.unique(indices, return_inverse=True)
        found = np.zeros((len(unique), *grad.shape[1:]), wide(grad).dtype)
        np.add.at(found, places, pieces(grad, indices, segment_ids))
        return found.astype(grad.dtype), unique.astype(indices.dtype)

    plain.shape(_picked_shape)
    counted.shape(_picked_shape)

    @back.shape
    def back_shape(context: ShapeContext) -> shapes.Shape:
        if context.dims("output_dim0"):
            raise ShapeError("output_dim0 should be a scalar.")
        _pairs(context)
        count, grad = context.count("output_dim0"), context.dims("grad")
        return None if grad is None else (count, *grad[1:])

    @compact.shape
    def compact_shape(context: ShapeContext) -> list[shapes.Shape]:
        if context.dims("dense_output_dim0"):
            raise ShapeError("dense_output_dim0 should be a scalar.")
        _pairs(context)
        grad = context.dims("grad")
        return [None if grad is None else (None, *grad[1:]), (None,)]

    def gradient(op, dy):
        """Every picked row gets its segment's gradient, divided as the segment was."""
        rows = reshape(slice_(shape(op.inputs[0]), [0], [1]), [])
        return [back(dy, op.inputs[1], op.inputs[2], rows)] + [None] * (len(op.inputs) - 1)

    plain.gradient(gradient)
    counted.gradient(gradient)
    back.no_gradient_registered()
    compact.no_gradient_registered()
    data = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    whole = {"Sum": [[4, 6], [5, 6]], "Mean": [[2, 3], [5, 6]],
             "SqrtN": [[4 / np.sqrt(2), 6 / np.sqrt(2)], [5, 6]]}[kind]  # fmt: skip
    plain.case("W06", "picked rows", data=data, indices=[0, 1, 2], segment_ids=[0, 0, 1], output=whole)
    plain.case("W06", "rows exist", data=data, indices=[3], segment_ids=[0], error="out of range [0, 3)")
    counted.case("W06", "one more segment", data=data, indices=[0, 1, 2], segment_ids=[0, 0, 1], num_segments=3,
                 output=[*whole, [0, 0]])  # fmt: skip
    counted.case("W06", "not more than there may be", data=data, indices=[0], segment_ids=[3], num_segments=3,
                 error="segment ids must be < num_segments")  # fmt: skip
    plain.case("W06", "a segment for each index", data=data, indices=[0, 1], segment_ids=[0],
               error="segment_ids and indices should have same size.")  # fmt: skip
    share = {"Sum": 6, "Mean": 3, "SqrtN": 6 / np.sqrt(2)}[kind]
    back.case("W06", "back to the rows", grad=[[6.0], [1.0]], indices=[0, 2, 2], segment_ids=[0, 0, 1], output_dim0=3,
              output=[[share], [0], [share + 1]])  # fmt: skip
    compact.case("W06", "only the rows that were picked", grad=[[6.0], [1.0]], indices=[0, 2, 2], segment_ids=[0, 0, 1],
                 dense_output_dim0=3, output=[[share], [share + 1]], sorted_unique_indices=[0, 2])  # fmt: skip


for _kind in ("Sum", "Mean", "SqrtN"):
    _picked(_kind)

