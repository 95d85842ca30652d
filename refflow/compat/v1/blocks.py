"""Arrays of 1.x, part two: blocks, orders, repeats, segments, updates at places.

    sort, argsort     TopKV2 gives descending order; numbers whose order is turned round give the ascending one
    repeat            element i of the result is element #{ends of runs <= i} of the input
    searchsorted      LowerBound or UpperBound of rows

Next: compat/v1/numbers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import _axis, gather, shape
from refflow.compat.v1.derived import derived
from refflow.compat.v1.math import cumsum, reduce_sum
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, int32
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.core.values import as_value
from refflow.ops.array import reshape
from refflow.ops.cast import cast

__all__ = [
    "argsort", "batch_gather", "batch_to_space", "broadcast_dynamic_shape", "depth_to_space",
    "ensure_shape", "parallel_stack", "repeat", "required_space_to_batch_paddings", "roll", "searchsorted",
    "setdiff1d", "sort", "space_to_batch", "space_to_depth", "unsorted_segment_mean", "unsorted_segment_sqrt_n",
    "where_v2",
]  # fmt: skip

# -- blocks ------------------------------------------------------------------------------------------------------


def space_to_batch(
    input: Any, paddings: Any, block_size: int | None = None, name: str | None = None, block_shape: Any = None
) -> Tensor:
    """Blocks of [N, H, W, C] moved into the batch, after a frame of zeros."""
    return _moved("SpaceToBatchND", input, _axis(block_size, block_shape), paddings, name)


def batch_to_space(
    input: Any, crops: Any, block_size: int | None = None, name: str | None = None, block_shape: Any = None
) -> Tensor:
    """The inverse of space_to_batch: what `crops` says is cut off."""
    return _moved("BatchToSpaceND", input, _axis(block_size, block_shape), crops, name)


def _moved(op: str, input: Any, block: Any, borders: Any, name: str | None) -> Tensor:
    if isinstance(block, (int, np.integer)):
        block = np.array([block, block], np.int64)
    found = op_def(op)(input, block, borders, name=name)
    found.set_shape(found.get_shape().with_rank(4))
    return found


_BLOCKS = "input, block_size, name, data_format"
space_to_depth, depth_to_space = derived("SpaceToDepth", order=_BLOCKS), derived("DepthToSpace", order=_BLOCKS)


def required_space_to_batch_paddings(
    input_shape: Any, block_shape: Any, base_paddings: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """(paddings, crops) with which blocks fit: at least `base_paddings`, and what is missing at the end."""
    with op_scope([], name, "required_space_to_batch_paddings"):
        sizes, block = convert_to_tensor(input_shape, int32), convert_to_tensor(block_shape, int32)
        block.get_shape().assert_is_fully_defined()
        block.get_shape().assert_has_rank(1)
        count = block.get_shape().as_list()[0]
        if count == 0:
            return convert_to_tensor(np.zeros([0, 2], np.int32)), convert_to_tensor(np.zeros([0, 2], np.int32))
        sizes.get_shape().assert_is_compatible_with([count])
        base = convert_to_tensor(np.zeros([count, 2], np.int32) if base_paddings is None else base_paddings, int32)
        base.get_shape().assert_is_compatible_with([count, 2])
        sizes.set_shape([count])
        start, end = base[:, 0], base[:, 1]
        known = [constant_value(t) for t in (sizes, block, start, end)]
        if all(k is not None for k in known):
            sizes, block, start, end = known
        extra = (block - (sizes + start + end) % block) % block
        if isinstance(extra, np.ndarray):
            return (convert_to_tensor(np.stack([start, end + extra], 1), name="paddings"),
                    convert_to_tensor(np.stack([0 * extra, extra], 1), name="crops"))  # fmt: skip
        return (op_def("Pack")([start, end + extra], axis=1, name="paddings"),
                op_def("Pack")([op_def("ZerosLike")(extra), extra], axis=1, name="crops"))  # fmt: skip


# -- order -------------------------------------------------------------------------------------------------------


def sort(values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None) -> Tensor:
    """`values` in order along `axis`."""
    with op_scope([], name, "sort"):
        return _in_order(values, axis, direction)[0]


def argsort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False, name: str | None = None
) -> Tensor:
    """The places of the values in order along `axis`; of equal ones the first comes first."""
    with op_scope([], name, "argsort"):
        return _in_order(values, axis, direction)[1]


def _in_order(values: Any, axis: Any, direction: str) -> tuple[Tensor, Tensor]:
    """(the values, their places) in order."""
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ValueError(f"direction must be 'ASCENDING' or 'DESCENDING', got {direction!r}")
    at = constant_value(convert_to_tensor(axis))
    if at is None or np.ndim(at):
        raise ValueError(f"axis must be a constant scalar, got {axis!r}")
    values = convert_to_tensor(values)
    rank = values.get_shape().ndims
    turn = None
    if int(at) not in (-1, None if rank is None else rank - 1):
        turn = _with_last(values, int(at))
        values = op_def("Transpose")(values, turn)
    last = reshape(op_def("Shape")(values)[-1:], [])
    up = direction == "ASCENDING"
    found = op_def("TopKV2")(_turned(values) if up else values, last)
    ordered, places = (_turned(found.values) if up else found.values), found.indices
    if turn is not None:  # it swaps two axes, so it is its own inverse
        ordered, places = op_def("Transpose")(ordered, turn), op_def("Transpose")(places, turn)
    return ordered, places


def _turned(values: Tensor) -> Tensor:
    """Numbers in the opposite order: -x, and for whole numbers ~x, which never overflows."""
    return op_def("Invert" if values.dtype.is_integer else "Neg")(values)


def _with_last(values: Tensor, axis: int) -> Any:
    """The permutation that swaps `axis` with the last axis."""
    rank = values.get_shape().ndims
    if rank is None:
        count = op_def("Rank")(values)
        places, at = op_def("Range")(0, count, 1), count + axis if axis < 0 else axis
        swapped = op_def("Select")(op_def("Equal")(places, at), op_def("Fill")(op_def("Shape")(places), count - 1),
                                   places)  # fmt: skip
        last = op_def("Fill")(op_def("Shape")(places), at)
        return op_def("Select")(op_def("Equal")(places, count - 1), last, swapped)
    if not -rank <= axis < rank:
        raise ValueError(f"axis = {axis} is not in [{-rank}, {rank})")
    order = np.arange(rank, dtype=np.int32)
    order[[axis, -1]] = order[[-1, axis]]
    return order


def searchsorted(
    sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = int32, name: str | None = None
) -> Tensor:
    """Where each value would go into its row of `sorted_sequence`: before (left) or after (right) what equals it."""
    ops = {"left": "LowerBound", "right": "UpperBound"}
    if side not in ops:
        raise ValueError(f"Argument `side` must be either 'right' or 'left'. Received: `side` = '{side}'.")
    sequence, values = convert_to_tensor(sorted_sequence), convert_to_tensor(values)
    last = [reshape(op_def("Shape")(t)[-1:], []) for t in (sequence, values)]
    known = [t.get_shape()[-1].value if t.get_shape().ndims else None for t in (sequence, values)]
    rows = [reshape(t, op_def("Pack")([-1, n if k is None else k]))
            for t, n, k in zip((sequence, values), last, known, strict=True)]  # fmt: skip
    found = op_def(ops[side])(*rows, out_type=as_dtype(out_type), name=name)
    shaped = reshape(found, op_def("Shape")(values))
    shaped.set_shape(values.get_shape())
    return shaped


def setdiff1d(x: Any, y: Any, index_dtype: Any = int32, name: str | None = None) -> Any:
    """(out, idx): the elements of x that are not in y, and their places."""
    return op_def("ListDiff")(x, y, out_idx=as_dtype(index_dtype), name=name)


# -- choices and copies ------------------------------------------------------------------------------------------

roll = derived("Roll")


def where_v2(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """`x` where the condition holds and `y` elsewhere, all stretched to one shape; without them, coordinates."""
    if x is None and y is None:
        return op_def("Where")(convert_to_tensor(condition), name=name)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    return op_def("SelectV2")(condition, x, y, name=name)


def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """Each element along `axis` so many times; of everything in a row where no axis is said."""
    with op_scope([], name, "Repeat"):
        data, counts = convert_to_tensor(input), convert_to_tensor(repeats)
        if not counts.dtype.is_integer:
            raise TypeError(f"repeats must be whole numbers, got {counts.dtype.base_dtype.name}")
        if (counts.get_shape().ndims or 0) > 1:
            raise ValueError(f"repeats must be a number or a vector, got shape {counts.get_shape()}")
        if axis is None:
            data, axis = reshape(data, [-1]), 0
        many = op_def("Shape")(data)[axis : axis + 1] if axis != -1 else op_def("Shape")(data)[-1:]
        counts = op_def("BroadcastTo")(cast(counts, int32), many)
        ends = cumsum(counts)
        places = op_def("Range")(0, reduce_sum(counts), 1)
        places = reshape(op_def("UpperBound")(ends[None], places[None]), [-1])
        if axis == 0:  # behind another axis the gradient of a gather is no slices
            found = op_def("Squeeze")(gather(data[None], places, axis=1), squeeze_dims=[0])
        else:
            found = gather(data, places, axis=axis)
        known = constant_value(counts)
        if known is not None and data.get_shape().ndims:
            sizes = data.get_shape().as_list()
            sizes[axis] = int(known.sum())
            found.set_shape(sizes)
        return found


def batch_gather(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """Along the last axis of `indices` what they name, in each batch of `params`."""
    with op_scope([], name, "BatchGather"):
        indices = convert_to_tensor(indices)
        if indices.get_shape().ndims is None:
            raise ValueError("batch_gather does not allow indices with unknown shape.")
        at = indices.get_shape().ndims - 1
        return gather(params, indices, axis=at, batch_dims=at)


def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """`x`, whose shape must fit `shape`: what is known while building is checked then, the rest in the step."""
    x, shape = convert_to_tensor(x), TensorShape(shape)
    x.get_shape().assert_is_compatible_with(shape)
    return op_def("EnsureShape")(x, shape=shape, name=name)


def parallel_stack(values: Sequence[Any], name: str = "parallel_stack") -> Tensor:
    """Tensors of one shape laid side by side along a new first axis, as they arrive."""
    with op_scope([], name, "parallel_stack"):
        given = [convert_to_tensor(v) for v in values]
        one = given[0].get_shape()
        if not one.is_fully_defined():
            raise ValueError(f"parallel_stack needs the shape of its values, got {one}")
        return op_def("ParallelConcat")([op_def("ExpandDims")(v, 0) for v in given], shape=[len(given), *one.as_list()])


def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Tensor:
    """The shape of what an elementwise operation makes of tensors of two shapes, when the step runs."""
    x = convert_to_tensor(shape_x)
    return op_def("BroadcastArgs")(x, convert_to_tensor(shape_y, x.dtype.base_dtype))


# -- segments and updates ----------------------------------------------------------------------------------------


def _counts(data: Tensor, segment_ids: Tensor, num_segments: Any) -> Tensor:
    """How many slices each segment has, at least 1, with axes of size 1 for those of a slice."""
    ones = op_def("Fill")(op_def("Shape")(segment_ids), as_value(1, data.dtype.base_dtype))
    found = op_def("UnsortedSegmentSum")(ones, segment_ids, num_segments)
    inner = op_def("Shape")(data)[op_def("Rank")(segment_ids) :]
    found = reshape(found, op_def("ConcatV2")([shape(found), op_def("OnesLike")(inner)], 0))
    return op_def("Maximum")(found, 1)


def unsorted_segment_mean(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The mean of the slices of each segment; 0 where it has none."""
    with op_scope([], name, "UnsortedSegmentMean"):
        data, segment_ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
        total = op_def("UnsortedSegmentSum")(data, segment_ids, num_segments)
        return total / _counts(data, segment_ids, num_segments)


def unsorted_segment_sqrt_n(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The sum of the slices of each segment over the root of their number."""
    with op_scope([], name, "UnsortedSegmentSqrtN"):
        data, segment_ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
        total = op_def("UnsortedSegmentSum")(data, segment_ids, num_segments)
        return total / op_def("Sqrt")(_counts(data, segment_ids, num_segments))
