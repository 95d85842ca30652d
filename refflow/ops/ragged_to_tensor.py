"""Ragged rows filled up to one length, or cut off [W06].

A row is described by its splits (ROW_SPLITS), or by the row of each value (VALUE_ROWIDS), where the number of rows of
the outermost level comes first (FIRST_DIM_SIZE). Where `shape` says -1, the longest row decides.

    place of a value = place of its row * length of rows + its column          what lies outside is left out

Next: ops/sparse_cross.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import int32, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import either, of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.sparse import ANY

TO_TENSOR = define_op(
    "RaggedTensorToTensor", "shape: Tshape, values: T, default_value: T, row_partition_tensors: "
    "num_row_partition_tensors * Tindex -> result: T", T=ANY, Tindex=(int64, int32), Tshape=(int64, int32),
    num_row_partition_tensors=Attr("int", minimum=1), row_partition_types=Attr("list(string)"), source=("W06",),
)  # fmt: skip


def _combined(wanted: Sequence[int] | None, values: Sequence[Any], ragged_rank: int) -> list[int]:
    """The sizes that are asked for, -1 for those that the rows decide; inner sizes are the values' own."""
    rank = ragged_rank + len(values)
    inner = list(values[1:])
    if wanted is None:
        return [-1] * (ragged_rank + 1) + inner
    shown = "[" + ",".join("?" if w < 0 else str(w) for w in wanted) + "]"
    told = f"rt_input.shape and shape={shown} are incompatible: "
    if len(wanted) != rank:
        raise ShapeError(f"{told}rt_input.rank = {rank} but shape.rank = {len(wanted)}")
    for axis, (size, own) in enumerate(zip(wanted[ragged_rank + 1 :], inner, strict=True), ragged_rank + 1):
        if size >= 0 and own is not None and size != own:
            raise ShapeError(f"{told}rt_input.shape[{axis}] = {own} but shape[{axis}] = {size}")
    return [*wanted[: ragged_rank + 1], *(own if own is not None else w for own, w in
                                          zip(inner, wanted[ragged_rank + 1 :], strict=True))]  # fmt: skip


def _columns(kind: str, partition: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """For each value of a level its row and its column there."""
    if kind == "ROW_SPLITS":
        sizes = np.maximum(np.diff(partition), 0)
        if len(partition) and sizes.sum() != partition[-1]:
            raise ValueError("Invalid row split size.")
        row = np.repeat(np.arange(len(sizes)), sizes)
        return row, np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    for i in np.flatnonzero((partition >= rows) | (partition < 0))[:1]:
        which = "next" if i else "current"
        raise ValueError(f"Got {which}_value_rowid={int(partition[i])} which is not less than {rows}")
    fresh = np.diff(partition, prepend=-1) != 0
    starts = np.flatnonzero(fresh)
    return partition, np.arange(len(partition)) - np.repeat(starts, np.diff(starts, append=len(partition)))


@TO_TENSOR.kernel
def to_tensor_kernel(shape, values, default_value, row_partition_tensors, row_partition_types):
    has_count = row_partition_types[0] == "FIRST_DIM_SIZE"
    if not row_partition_tensors[0].size:
        raise ValueError("Invalid first partition input. Tensor requires at least one element.")
    first = row_partition_tensors[0]
    rows = int(first.reshape(-1)[0]) if has_count else len(first) - 1
    levels = list(zip(row_partition_types, row_partition_tensors, strict=True))[has_count:]
    wanted = None if shape.ndim == 0 else [int(s) for s in shape]
    sizes = _combined(wanted, values.shape, len(levels))
    sizes[0] = rows if sizes[0] < 0 else sizes[0]
    place = np.where(np.arange(rows) < sizes[0], np.arange(rows), -1)
    for axis, (kind, partition) in enumerate(levels, 1):
        row, column = _columns(kind, partition, len(place))
        sizes[axis] = int(column.max(initial=-1)) + 1 if sizes[axis] < 0 else sizes[axis]
        if len(row) and row.max() >= len(place):
            raise ValueError(f"Got {len(partition) - 1} rows where there are {len(place)}")
        inside = (place[row] >= 0) & (column < sizes[axis])
        place = np.where(inside, place[row] * sizes[axis] + column, -1)
    if len(place) > len(values):
        raise ValueError(f"There are {len(values)} values, but the rows hold {len(place)}")
    inner = values.shape[1:]
    count = int(np.prod(sizes[: len(levels) + 1], dtype=np.int64))
    flat = np.empty((count, *inner), values.dtype)
    flat[...] = default_value
    kept = place >= 0
    flat[place[kept]] = values[: len(place)][kept]
    return flat.reshape(sizes)


@TO_TENSOR.shape
def _to_tensor_shape(context: ShapeContext) -> shapes.Shape:
    types, values, default = (context.attrs["row_partition_types"], context.dims("values"),
                              context.dims("default_value"))  # fmt: skip
    _check_types(types, context.attrs["num_row_partition_tensors"])
    ragged_rank = len(types) - (types[0] == "FIRST_DIM_SIZE")
    wanted, wanted_dims = context.ints("shape"), context.dims("shape")
    for size in wanted or ():
        if size < -1:
            raise ShapeError(f"Dimension {size} must be >= -1")
    if wanted_dims == () and wanted is not None:
        if wanted[0] != -1:
            raise ShapeError(f"The only valid scalar shape tensor is the fully unknown shape specified as -1, got "
                             f"{wanted[0]}")  # fmt: skip
        wanted = None
    elif wanted is None and values is not None:
        known = of_rank(context.sizes("shape"), ragged_rank + len(values))
        inner = (either(a, b) for a, b in zip(known[ragged_rank + 1 :], values[1:], strict=True))
        return (*known[: ragged_rank + 1], *inner)
    if values is None:
        return None if wanted is None else tuple(None if w < 0 else w for w in wanted)
    if not values:
        raise ShapeError("values must be at least a vector, got a scalar")
    sizes = _combined(wanted, values, ragged_rank)
    if default is not None:
        _check_default(default, values)
    return tuple(None if s is None or s < 0 else s for s in sizes)


@TO_TENSOR.gradient
def _to_tensor_gradient(op, dy):
    """Each value gets what stands where it went, and the default all the rest.

    Where the values went is found by sending their numbers, from 1 on: a 0 is a place that the default filled.
    """
    from refflow.ops.array import rank, reshape, shape
    from refflow.ops.elementwise_functions import unsorted_segment_sum
    from refflow.ops.joining import concat
    from refflow.ops.range import range_
    from refflow.ops.reductions import reduce_sum
    from refflow.ops.slicing import slice_

    sizes, values, default, partitions = op.inputs[0], op.inputs[1], op.inputs[2], op.inputs["row_partition_tensors"]
    count = reshape(slice_(shape(values), [0], [1]), [])
    inner = slice_(shape(values), [1], [-1])
    types = op.attrs["row_partition_types"]
    axes = len(types) + 1 - (types[0] == "FIRST_DIM_SIZE")
    outer = slice_(sizes, [0], [axes]) if sizes.get_shape().ndims else sizes
    numbers = range_(1, count + 1)
    places = TO_TENSOR(outer, numbers, np.int32(0), partitions, row_partition_types=types)
    rows = reshape(dy, concat(0, [np.array([-1], np.int32), inner]))
    sums = unsorted_segment_sum(rows, reshape(places, [-1]), count + 1)
    begin = concat(0, [np.array([1], np.int32), inner - inner])
    dvalues = reshape(slice_(sums, begin, concat(0, [reshape(count, [1]), inner])), shape(values))
    filled = reshape(slice_(sums, begin - begin, concat(0, [np.array([1], np.int32), inner])), inner)
    ddefault = reshape(reduce_sum(filled, range_(0, rank(filled) - rank(default))), shape(default))
    return None, dvalues, ddefault, *[None] * len(partitions)


def _check_types(types: Sequence[str], count: int) -> None:
    for kind in types:
        if kind not in ("FIRST_DIM_SIZE", "VALUE_ROWIDS", "ROW_SPLITS"):
            raise ShapeError(f"Unknown string for partition info type: {kind}")
    if len(types) != count:
        raise ShapeError(f"Number of row partition tensors ({count}) does not equal the number of row partition types"
                         f"({len(types)}).")  # fmt: skip
    if types[0] == "VALUE_ROWIDS":
        raise ShapeError("VALUE_ROWIDS cannot be first")


def _check_default(default: Sequence[Any], values: Sequence[Any]) -> None:
    told = (
        f"default_value.shape={shapes.text(default)} and rt_input.flat_values.shape={shapes.text(values)} are "
        "incompatible: "
    )
    if len(default) >= len(values):
        raise ShapeError(f"{told}default_value.rank = {len(default)}  must be less than rt_input.flat_values.rank = "
                         f"{len(values)}")  # fmt: skip
    for axis in range(-len(default), 0):
        if default[axis] not in (None, 1) and None is not values[axis] != default[axis]:
            raise ShapeError(f"{told}default_value.shape[{axis}] = {default[axis]} but "
                             f"rt_input.flat_values.shape[{axis}] = {values[axis]}")  # fmt: skip


TO_TENSOR.case("W06", "the longest row decides", Tindex="int64", Tshape="int64", shape=[-1, -1],
               values=[1, 2, 3, 4, 5], default_value=9, row_partition_tensors=[[0, 2, 2, 5]],
               num_row_partition_tensors=1, row_partition_types=["ROW_SPLITS"],
               result=[[1, 2, 9], [9, 9, 9], [3, 4, 5]])  # fmt: skip
TO_TENSOR.case("W06", "rows are cut off", Tindex="int64", Tshape="int64", shape=[4, 2], values=[1, 2, 3, 4, 5],
               default_value=9, row_partition_tensors=[3, [0, 0, 2, 2, 2]], num_row_partition_tensors=2,
               row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"],
               result=[[1, 2], [9, 9], [3, 4], [9, 9]])  # fmt: skip
