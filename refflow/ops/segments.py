"""Segments: rows that belong together are reduced to one [W06].

    SegmentSum(data, ids)                 ids rise: y[s] = sum of data[i] with ids[i] = s; Mean, Prod, Min, Max
    UnsortedSegmentSum(data, ids, n)      ids in any order, of any rank; a negative one drops its row
    SparseSegmentSum(data, indices, ids)  the rows data[indices[i]]; Mean divides by how many, SqrtN by their root

Where a segment has no rows a sum is 0, a product 1, a minimum the type's largest value; of sorted segments every
empty one is 0.

Next: ops/gather.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, INDICES, NUMBERS, REALS, int32
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import reshape, shape, size
from refflow.ops.constant import FILL, ONES_LIKE, ZEROS_LIKE
from refflow.ops.elementwise import MAXIMUM, cast
from refflow.ops.gather import gather
from refflow.ops.joining import concat, slice_
from refflow.ops.logic import EQUAL, GREATER_EQUAL, LOGICAL_AND, SELECT

INDEX = Attr("type", default=int32, allowed=INDICES)
_UFUNCS: dict[str, tuple[np.ufunc, Callable[[np.dtype], Any]]] = {
    "Sum": (np.add, lambda t: 0),
    "Prod": (np.multiply, lambda t: 1),
    "Min": (np.minimum, lambda t: t.type(np.inf) if t.kind == "f" else np.iinfo(t).max),
    "Max": (np.maximum, lambda t: t.type(-np.inf) if t.kind == "f" else np.iinfo(t).min),
}

# What an unsorted segment without rows has: the finite number that every other one beats.
_FARTHEST: dict[str, Callable[[np.dtype], Any]] = {
    "Min": lambda t: (np.finfo if t.kind == "f" else np.iinfo)(t).max,
    "Max": lambda t: (np.finfo if t.kind == "f" else np.iinfo)(t).min,
}


def _wide(data: np.ndarray) -> np.ndarray:
    return data.astype(np.float32) if data.dtype == np.float16 else data


def _reduced(kind: str, data: np.ndarray, ids: np.ndarray, count: int, empty: Any = None) -> np.ndarray:
    """The rows of `data` [N, ...] reduced by `ids` [N], each in 0..count - 1; what no row falls to is `empty`."""
    ufunc, start = _UFUNCS[kind]
    first = start(np.dtype(_low(data.dtype))) if kind in ("Min", "Max") else start(data.dtype)
    found = np.full((count, *data.shape[1:]), first, _wide(data).dtype)
    if len(ids) and np.all(ids[1:] >= ids[:-1]):  # sorted: whole runs at once
        begins = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
        found[ids[begins]] = ufunc.reduceat(_wide(data), begins, axis=0, dtype=found.dtype)
    else:
        ufunc.at(found, ids, _wide(data))
    if empty is not None:
        there = np.zeros(count, bool)
        there[ids] = True
        found[~there] = empty
    return found.astype(data.dtype, copy=False)


def _low(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.float32) if dtype == np.float16 else dtype


# -- sorted segments ------------------------------------------------------------------------------------------


def check_segments(ids: np.ndarray, name: str = "segment") -> None:
    """Ids begin at 0 or later and never fall."""
    if len(ids) and ids[0] < 0:
        raise ValueError(f"{name} ids must be >= 0")
    if len(ids) and np.any(ids[1:] < ids[:-1]):
        raise ValueError(f"{name} ids are not increasing")


def _sorted_shape(context: ShapeContext) -> shapes.Shape:
    data, ids, known = context.dims("data"), context.dims("segment_ids"), context.value("segment_ids")
    context.match("segment_ids", "N")
    if data is not None and not data:
        raise ShapeError("data is a scalar: it has no rows")
    if data is not None and ids is not None and not shapes.compatible(data[:1], ids):
        raise ShapeError(f"segment_ids should be the same size as dimension 0 of input, got {ids[0]} for {data[0]}")
    rows = None if known is None else int(known[-1]) + 1 if len(known) else 0
    return None if data is None else (rows if rows is None or rows >= 0 else None, *data[1:])


def _sorted(kind: str, types: Any) -> OpDef:
    op_def = define_op(f"Segment{kind}", "data: T, segment_ids: Tindices -> output: T", T=types, Tindices=INDICES,
                       accuracy="dot", source=("W06",))  # fmt: skip

    def kernel(data, segment_ids):
        check_segments(segment_ids)
        count = int(segment_ids[-1]) + 1 if len(segment_ids) else 0
        if kind == "Mean":
            total = _reduced("Sum", _wide(data), segment_ids, count)
            rows = np.bincount(segment_ids, minlength=count).reshape(-1, *[1] * (data.ndim - 1))
            if data.dtype.kind in "iu":
                return (total // np.maximum(rows, 1)).astype(data.dtype)
            return (total / np.maximum(rows, 1).astype(total.dtype)).astype(data.dtype)
        return _reduced(kind, data, segment_ids, count, empty=1 if kind == "Prod" else 0)

    op_def.kernel(kernel)
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
    counts = SEGMENT["Sum"](_column(ONES_LIKE(ids), data, dy), ids)
    return gather(dy / MAXIMUM(counts, ONES_LIKE(counts)), ids), None


def _column(ones: Tensor, data: Tensor, dy: Tensor) -> Tensor:
    """`ones` [N] as numbers of dy's type with data's rank: [N, 1, 1, ...]."""
    rank = size(shape(data))
    tail = FILL(reshape(rank - 1, [1]), 1)
    return reshape(cast(ones, dy.dtype), concat(0, [slice_(shape(data), [0], [1]), tail]))


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


def _count_of(num_segments: Any) -> int:
    count = int(np.reshape(num_segments, ()))
    if count < 0:
        raise ValueError(f"Input num_segments == {count} must not be negative.")
    return count


def _unsorted_shape(context: ShapeContext) -> shapes.Shape:
    context.match("num_segments")
    data, ids, count = context.dims("data"), context.dims("segment_ids"), context.ints("num_segments")
    if data is None or ids is None:
        return None
    if not shapes.compatible(data[: len(ids)], ids):
        raise ShapeError(
            f"data.shape = {shapes.text(data)} does not start with segment_ids.shape = {shapes.text(ids)}"
        )
    rows = None if count is None or count[0] < 0 else count[0]
    return (rows, *data[len(ids) :])


def _unsorted(kind: str, types: Any) -> OpDef:
    op_def = define_op(
        f"UnsortedSegment{kind}", "data: T, segment_ids: Tindices, num_segments: Tnumsegments -> output: T", T=types,
        Tindices=Attr("type", allowed=INDICES), Tnumsegments=INDEX, accuracy="dot", source=("W06", "S50e"),
    )  # fmt: skip

    def kernel(data, segment_ids, num_segments):
        count = _count_of(num_segments)
        rows = data.shape[segment_ids.ndim :]
        flat, ids = data.reshape(-1, *rows) if segment_ids.ndim else data[None], segment_ids.reshape(-1)
        if ids.size and ids.max() >= count:
            bad = np.argwhere(segment_ids >= count)[0]
            at = "" if not len(bad) else f"[{','.join(map(str, bad))}]"
            raise IndexError(f"segment_ids{at} = {int(ids.max())} is not in [0, {count})")
        if np.any(ids < 0):  # dropped
            flat, ids = flat[ids >= 0], ids[ids >= 0]
        return _reduced(kind, flat, ids, count, _FARTHEST[kind](data.dtype) if kind in _FARTHEST else None)

    op_def.kernel(kernel)
    op_def.shape(_unsorted_shape)
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
    """dx = dy * the product of the others: by division, or for a segment's only zero by the product without it."""
    from refflow.ops.gather import UNSORTED_SEGMENT_SUM
    from refflow.ops.logic import GREATER

    data, ids, count = op.inputs
    is_zero = EQUAL(data, ZEROS_LIKE(data))
    zeros = UNSORTED_SEGMENT_SUM(cast(is_zero, int32), ids, count)
    two = FILL(shape(zeros), np.int32(1))
    slope = SELECT(GREATER(zeros, two), ZEROS_LIKE(dy), dy)
    safe = SELECT(is_zero, ONES_LIKE(data), data)
    others = UNSORTED["Prod"](safe, ids, count)
    whole, _ = gathered(op.outputs[0], ids)
    without, _ = gathered(others, ids)
    back, _ = gathered(slope, ids)
    return SELECT(is_zero, without, whole / safe) * back, None, None


# -- segments of rows that are picked ---------------------------------------------------------------------------

_PICKED = "data: T, indices: Tidx, segment_ids: Tsegmentids"
_PICK_ATTRS: dict[str, Any] = {"T": REALS, "Tidx": INDEX, "Tsegmentids": INDEX, "sparse_gradient": False}


def _divided(kind: str, total: np.ndarray, ids: np.ndarray, count: int) -> np.ndarray:
    if kind == "Sum":
        return total
    rows = np.maximum(np.bincount(ids, minlength=count), 1).reshape(-1, *[1] * (total.ndim - 1))
    by = rows if kind == "Mean" else np.sqrt(rows)
    return (total / by).astype(total.dtype) if total.dtype.kind == "f" else (total // by).astype(total.dtype)


def _picked_sums(kind: str, data: Any, indices: Any, ids: Any, count: int | None) -> np.ndarray:
    if len(indices) != len(ids):
        raise ValueError("segment_ids and indices should have same size.")
    check_segments(ids)
    needed = int(ids[-1]) + 1 if len(ids) else 0
    if count is None:
        count = needed
    elif needed > count:
        raise ValueError(f"segment ids must be < num_segments: {needed - 1} is not less than {count}")
    bad = np.flatnonzero((indices < 0) | (indices >= data.shape[0]))
    if len(bad):
        raise IndexError(
            f"Bad: indices[{bad[0]}] == {int(indices[bad[0]])} out of range [0, {data.shape[0]})"
        )
    return _divided(kind, _reduced("Sum", _wide(data[indices]), ids, count), ids, count).astype(data.dtype)


def _picked_shape(context: ShapeContext) -> shapes.Shape:
    data, known = context.dims("data"), context.value("segment_ids")
    context.match("indices", "N")
    context.match("segment_ids", "N")
    if "num_segments" in {a.name for a in context.op_def.inputs}:
        count = context.ints("num_segments")
        rows = None if count is None else count[0]
        if rows is not None and rows < 0:
            raise ShapeError("Cannot specify a negative value for num_segments")
    else:
        rows = None if known is None else int(known[-1]) + 1 if len(known) else 0
    return None if data is None else (rows, *data[1:])


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

    @plain.kernel
    def kernel(data, indices, segment_ids):
        return _picked_sums(kind, data, indices, segment_ids, None)

    @counted.kernel
    def counted_kernel(data, indices, segment_ids, num_segments):
        return _picked_sums(kind, data, indices, segment_ids, _count_of(num_segments))

    def pieces(grad, indices, segment_ids):
        """What each picked row gets."""
        bad = np.flatnonzero((segment_ids < 0) | (segment_ids >= grad.shape[0]))
        if len(bad):
            raise IndexError(f"Segment id {int(segment_ids[bad[0]])} out of range [0, {grad.shape[0]})")
        rows = np.maximum(np.bincount(segment_ids, minlength=grad.shape[0]), 1)
        by = {"Sum": np.ones_like(rows), "Mean": rows, "SqrtN": np.sqrt(rows)}[kind]
        scaled = (_wide(grad) / by.reshape(-1, *[1] * (grad.ndim - 1))).astype(_wide(grad).dtype)
        return scaled[segment_ids]

    @back.kernel
    def back_kernel(grad, indices, segment_ids, output_dim0):
        count = int(np.reshape(output_dim0, ()))
        bad = np.flatnonzero((indices < 0) | (indices >= count))
        if len(bad):
            raise IndexError(f"Index {int(indices[bad[0]])} out of range [0, {count})")
        found = np.zeros((count, *grad.shape[1:]), _wide(grad).dtype)
        np.add.at(found, indices, pieces(grad, indices, segment_ids))
        return found.astype(grad.dtype)

    @compact.kernel
    def compact_kernel(grad, indices, segment_ids, dense_output_dim0):
        unique, places = np.unique(indices, return_inverse=True)
        found = np.zeros((len(unique), *grad.shape[1:]), _wide(grad).dtype)
        np.add.at(found, places, pieces(grad, indices, segment_ids))
        return found.astype(grad.dtype), unique.astype(indices.dtype)

    plain.shape(_picked_shape)
    counted.shape(_picked_shape)

    @back.shape
    def back_shape(context: ShapeContext) -> shapes.Shape:
        count, grad = context.ints("output_dim0"), context.dims("grad")
        return None if grad is None else (None if count is None else count[0], *grad[1:])

    @compact.shape
    def compact_shape(context: ShapeContext) -> list[shapes.Shape]:
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
    share = {"Sum": 6, "Mean": 3, "SqrtN": 6 / np.sqrt(2)}[kind]
    back.case("W06", "back to the rows", grad=[[6.0], [1.0]], indices=[0, 2, 2], segment_ids=[0, 0, 1], output_dim0=3,
              output=[[share], [0], [share + 1]])  # fmt: skip
    compact.case("W06", "only the rows that were picked", grad=[[6.0], [1.0]], indices=[0, 2, 2], segment_ids=[0, 0, 1],
                 dense_output_dim0=3, output=[[share], [share + 1]], sorted_unique_indices=[0, 2])  # fmt: skip


for _kind in ("Sum", "Mean", "SqrtN"):
    _picked(_kind)

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
_LOOSE: dict[str, Any] = {
    "Prod": [[5, 24], [1, 1], [3, 2]], "Min": [[1, 4], [np.finfo(np.float32).max] * 2, [3, 2]],
    "Max": [[5, 6], [np.finfo(np.float32).min] * 2, [3, 2]],
}  # fmt: skip
for _kind, _wanted in _LOOSE.items():
    UNSORTED[_kind].case("W06", "in any order", Tindices="int32", data=_ROWS, segment_ids=[0, 2, 0], num_segments=3,
                         output=_wanted)  # fmt: skip
    UNSORTED[_kind].case("W06", "a negative id drops its row", Tindices="int32", data=_ROWS, segment_ids=[0, -1, 0],
                         num_segments=1, output=_wanted[:1])  # fmt: skip
    UNSORTED[_kind].case("W06", "segments exist", Tindices="int32", data=_ROWS, segment_ids=[0, 5, 0], num_segments=3,
                         error="segment_ids[1] = 5 is not in [0, 3)")  # fmt: skip


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
