"""Gradients of TensorLists: the gradient of a list is a list of gradients [W43].

    PushBack    what is popped from the gradient;  PopBack    what is pushed onto it
    Stack       a list of the rows;                FromTensor the rows stacked
    Concat      the parts that Split cuts;         Split      the parts put end to end
    GetItem     the gradient at that place;        SetItem    the gradient at that place, which is then gone
    Gather      the rows added at their places;    Scatter    the rows gathered

Next: ops/optional.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.dtypes import int32
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops import tensor_list as lists
from refflow.ops import tensor_list_read as reads


def _element_shape(handle: Tensor) -> Tensor:
    return reads.ELEMENT_SHAPE(handle, shape_type=int32)


def _shape_of(tensor: Tensor) -> Tensor:
    return op_def("Shape")(tensor)


for _op in (lists.EMPTY, lists.RESERVE, lists.CONCAT_LISTS, lists.PUSH_BACK_BATCH, reads.LENGTH, reads.ELEMENT_SHAPE):
    _op.no_gradient()


@lists.PUSH_BACK.gradient
def _push_back_gradient(op, dlist):
    popped = lists.POP_BACK(dlist, _shape_of(op.inputs[1]), element_dtype=op.attrs["element_dtype"])
    return popped.output_handle, popped.tensor


@lists.POP_BACK.gradient
def _pop_back_gradient(op, dlist, delement):
    if dlist is None:
        dlist = lists.EMPTY(_element_shape(op.outputs[0]), -1, element_dtype=op.attrs["element_dtype"])
    if delement is None:
        delement = op_def("ZerosLike")(op.outputs[1])
    return lists.PUSH_BACK(dlist, delement), None


@reads.STACK.gradient
def _stack_gradient(op, dtensor):
    return lists.FROM_TENSOR(dtensor, _element_shape(op.inputs[0])), None


@lists.FROM_TENSOR.gradient
def _from_tensor_gradient(op, dlist):
    """An empty list is stacked by the shape of its elements, which the rows of the tensor have."""
    rows = _shape_of(op.inputs[0])
    count = op_def("Reshape")(op_def("Slice")(rows, [0], [1]), op_def("Const")(value=_none(), dtype=int32))
    element = op_def("Slice")(rows, [1], [-1])
    return reads.STACK(lists.RESIZE(dlist, count), element, element_dtype=op.attrs["element_dtype"]), None


def _none() -> Any:
    import numpy as np

    return np.zeros(0, np.int32)


@reads.CONCAT.gradient
def _concat_gradient(op, dtensor, _):
    return lists.SPLIT(dtensor, _element_shape(op.inputs[0]), op.outputs[1])


@reads.CONCAT_V2.gradient
def _concat_v2_gradient(op, dtensor, _):
    return lists.SPLIT(dtensor, _element_shape(op.inputs[0]), op.outputs[1]), None, None


@lists.SPLIT.gradient
def _split_gradient(op, dlist):
    tensor, element_shape, lengths = op.inputs
    whole = op_def("Shape")(tensor, out_type=element_shape.dtype)
    rest = op_def("Slice")(whole, [1], [-1])
    shape = op_def("ConcatV2")([op_def("Cast")([-1], DstT=element_shape.dtype), rest], 0)
    found = reads.CONCAT_V2(dlist, shape, lengths, element_dtype=op.attrs["element_dtype"])
    return found.tensor, None, None


@reads.GET_ITEM.gradient
def _get_item_gradient(op, ditem):
    handle, index = op.inputs[0], op.inputs[1]
    empty = lists.RESERVE(_element_shape(handle), reads.LENGTH(handle), element_dtype=op.attrs["element_dtype"])
    return lists.SET_ITEM(empty, index, ditem), None, None


@lists.SET_ITEM.gradient
def _set_item_gradient(op, dlist):
    _, index, item = op.inputs
    kept = lists.RESIZE(dlist, reads.LENGTH(op.inputs[0])) if op.attrs["resize_if_index_out_of_bounds"] else None
    ditem = reads.GET_ITEM(dlist, index, _shape_of(item), element_dtype=op.attrs["element_dtype"])
    return lists.SET_ITEM(dlist, index, op_def("ZerosLike")(item)) if kept is None else kept, None, ditem


@lists.RESIZE.gradient
def _resize_gradient(op, dlist):
    return lists.RESIZE(dlist, reads.LENGTH(op.inputs[0])), None


@reads.GATHER.gradient
def _gather_gradient(op, dvalues):
    """An element that was read several times gets the sum."""
    handle, indices = op.inputs[0], op.inputs[1]
    rows = op_def("UnsortedSegmentSum")(dvalues, indices, reads.LENGTH(handle))
    return lists.FROM_TENSOR(rows, _element_shape(handle)), None, None


def _rows_gathered(op: Any, dlist: Tensor, tensor: Tensor, indices: Tensor) -> Tensor:
    element = op_def("Slice")(_shape_of(tensor), [1], [-1])
    return reads.GATHER(dlist, indices, element, element_dtype=op.attrs["element_dtype"])


@lists.SCATTER.gradient
def _scatter_gradient(op, dlist):
    return _rows_gathered(op, dlist, op.inputs[0], op.inputs[1]), None, None


@lists.SCATTER_V2.gradient
def _scatter_v2_gradient(op, dlist):
    return _rows_gathered(op, dlist, op.inputs[0], op.inputs[1]), None, None, None


@lists.SCATTER_INTO.gradient
def _scatter_into_gradient(op, dlist):
    """What was there before has no part in the rows that took its place."""
    handle, tensor, indices = op.inputs
    rows = _rows_gathered(op, dlist, tensor, indices)
    rest = lists.SCATTER_INTO(dlist, op_def("ZerosLike")(tensor), indices)
    return lists.RESIZE(rest, reads.LENGTH(handle)), rows, None
