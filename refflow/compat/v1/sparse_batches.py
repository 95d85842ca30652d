"""Sparse tensors in batches: each is kept aside under a number, and the numbers go through the queue.

    AddSparseToTensorsMap, AddManySparseToTensorsMap      sparse tensors in, numbers out
    TakeManySparseFromTensorsMap                          numbers in, one sparse tensor with an axis more out

The map belongs to the node that adds; the node that takes, and those that add from other lists, name it.

Next: ops/sparse_serialize.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refflow.compat.v1.sparse_tensor import SparseTensor
from refflow.core.constants import constant_value
from refflow.core.dtypes import DType, int64
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.ops.conditionals import cond
from refflow.ops.constant import constant
from refflow.ops.sparse_functions import sparse_retain


class Stored(NamedTuple):
    """How a sparse tensor is found again: the node whose map has it, its type, the rank of the batch."""

    op: Operation
    dtype: DType
    rank: int | None


def store(lists: list[list[Any]], many: bool, keep: Tensor) -> tuple[list[list[Tensor]], list[Stored | None]]:
    """Each list with numbers in the place of its sparse tensors, and how those are found: by the maps of the first."""
    found: list[list[Tensor]] = []
    maps: list[Stored | None] = []
    for tensors in lists:
        dense = [_stored(t, many, keep, maps[i] if maps else None) for i, t in enumerate(tensors)]
        found.append([tensor for tensor, _ in dense])
        maps = maps or [known for _, known in dense]
    return found, maps


def _stored(tensor: Any, many: bool, keep: Tensor, first: Stored | None) -> tuple[Tensor, Stored | None]:
    if not isinstance(tensor, SparseTensor):
        return tensor, None
    ops: list[Operation] = []
    name = first.op.name if first else ""

    def add() -> Tensor:
        kind = op_def("AddManySparseToTensorsMap" if many else "AddSparseToTensorsMap")
        handles = kind(tensor.indices, tensor.values, tensor.dense_shape, shared_name=name)
        ops.append(handles.op)
        return handles

    rank = tensor.dense_shape.get_shape()[0].value
    if keep.get_shape().ndims == 1:
        rows = op_def("StridedSlice")(tensor.indices, [0, 0], [0, 1], [1, 1], begin_mask=1, end_mask=1,
                                      shrink_axis_mask=2)  # fmt: skip
        tensor = sparse_retain(tensor, op_def("GatherV2")(keep, rows, 0))
        numbers = add()
    elif constant_value(keep):
        numbers = add()
    else:
        nothing = (lambda: _no_numbers(tensor)) if many else (lambda: constant(-1, int64))
        numbers = cond(keep, add, nothing)
    return op_def("ExpandDims")(numbers, -1), first or Stored(
        ops[0], tensor.dtype.base_dtype, None if rank is None else rank + (not many)
    )


def _no_numbers(tensor: SparseTensor) -> Tensor:
    """A -1 for each row, in the place of numbers."""
    return op_def("Fill")(op_def("Cast")(tensor.dense_shape[:1], DstT="int32"), constant(-1, int64))


def restore(found: list[Tensor], kept: list[Stored | None]) -> list[Any]:
    """The tensors of a batch, sparse again where they were."""
    return [t if info is None else _taken(t, info) for t, info in zip(found, kept, strict=True)]


def _taken(handles: Tensor, info: Stored) -> SparseTensor:
    taken = op_def("TakeManySparseFromTensorsMap")(
        op_def("Squeeze")(handles, squeeze_dims=[1]), dtype=info.dtype, shared_name=info.op.name
    )
    indices, values, shape = taken
    indices.set_shape([None, info.rank])
    shape.set_shape([info.rank])
    return SparseTensor(indices, values, shape)
