"""TensorLists: lists of tensors that are values, so that every change gives a new list [W43].

    EmptyTensorList, TensorListReserve, TensorListFromTensor, TensorListSplit, TensorListScatter    make one
    TensorListPushBack, PopBack, SetItem, Resize, ConcatLists, ScatterIntoExistingList              change it

Gradients take the way back: a pushed element is popped, what was stacked is taken apart (ops/list_gradients.py).

Next: ops/tensor_list_read.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES
from refflow.core.elements import Elements
from refflow.core.handles import handle_to
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.tensor_list_values import TensorList, dims_from, list_of, merged, typed_list, zeros

ANY = Attr("type")
SHAPED: dict[str, Any] = {"element_dtype": ANY, "shape_type": Attr("type", allowed=INDICES), "source": ("W43",)}
TYPED: dict[str, Any] = {"element_dtype": ANY, "source": ("W43",)}
LIST, OUT = "input_handle: variant[]", "output_handle: variant[]"

RESERVE = define_op("TensorListReserve", "element_shape: shape_type, num_elements: int32 -> handle: variant[]",
                    **SHAPED)  # fmt: skip
EMPTY = define_op("EmptyTensorList", "element_shape: shape_type, max_num_elements: int32 -> handle: variant[]",
                  **SHAPED)  # fmt: skip
FROM_TENSOR = define_op("TensorListFromTensor", f"tensor: element_dtype, element_shape: shape_type -> {OUT}",
                        **SHAPED)  # fmt: skip
SPLIT = define_op("TensorListSplit", f"tensor: element_dtype, element_shape: shape_type, lengths: int64 -> {OUT}",
                  **SHAPED)  # fmt: skip
SCATTER = define_op("TensorListScatter", f"tensor: element_dtype, indices: int32, element_shape: shape_type -> {OUT}",
                    **SHAPED)  # fmt: skip
SCATTER_V2 = define_op(
    "TensorListScatterV2", f"tensor: element_dtype, indices: int32, element_shape: shape_type, num_elements: int32 "
    f"-> {OUT}", **SHAPED,
)  # fmt: skip
SCATTER_INTO = define_op("TensorListScatterIntoExistingList",
                         f"{LIST}, tensor: element_dtype, indices: int32 -> {OUT}", **TYPED)  # fmt: skip
PUSH_BACK = define_op("TensorListPushBack", f"{LIST}, tensor: element_dtype -> {OUT}", **TYPED)
PUSH_BACK_BATCH = define_op("TensorListPushBackBatch", "input_handles: variant, tensor: element_dtype -> "
                            "output_handles: variant", **TYPED)  # fmt: skip
POP_BACK = define_op("TensorListPopBack", f"{LIST}, element_shape: int32 -> {OUT}, tensor: element_dtype", **TYPED)
SET_ITEM = define_op("TensorListSetItem", f"{LIST}, index: int32[], item: element_dtype -> {OUT}",
                     resize_if_index_out_of_bounds=False, **TYPED)  # fmt: skip
RESIZE = define_op("TensorListResize", f"{LIST}, size: int32[] -> {OUT}", source=("W43",))
CONCAT_LISTS = define_op("TensorListConcatLists", "input_a: variant, input_b: variant -> output: variant", **TYPED)

RESERVE.elements, FROM_TENSOR.elements = Elements(number=1), Elements(rows=0, number=0)
EMPTY.elements = Elements(recounts=True)
PUSH_BACK.elements, POP_BACK.elements = Elements(put=1, recounts=True), Elements(take=1, recounts=True)
SET_ITEM.elements = Elements(put=2)

# -- making -----------------------------------------------------------------------------------------------------


@RESERVE.kernel
def reserve_kernel(element_shape, num_elements, element_dtype):
    if np.ndim(num_elements):
        raise ValueError(
            f"The num_elements to reserve must be a tensor size 1, but got {shapes.text(np.shape(num_elements))}"
        )
    count = int(np.reshape(num_elements, ()))
    if count < 0:
        raise ValueError(f"The num_elements to reserve must be a non negative number, but got {count}")
    return handle_to(TensorList([None] * count, element_dtype, dims_from(element_shape)))


@EMPTY.kernel
def empty_kernel(element_shape, max_num_elements, element_dtype):
    if np.ndim(max_num_elements):
        raise ValueError(
            f"max_num_elements expected to be a scalar but got shape: {shapes.text(np.shape(max_num_elements))}"
        )
    return handle_to(TensorList([], element_dtype, dims_from(element_shape), int(max_num_elements)))


def _at_least_a_vector(tensor: np.ndarray) -> None:
    if not np.shape(tensor):
        raise ValueError("Tensor must be at least a vector, but saw shape: []")


def _rows_of(tensor: np.ndarray, element_shape: Any) -> tuple[list[np.ndarray], shapes.Shape]:
    """The rows of a tensor, each in memory of its own, and the shape that they must have."""
    _at_least_a_vector(tensor)
    dims = dims_from(element_shape)
    if not shapes.compatible(dims, tensor.shape[1:]):
        raise ValueError(
            f"Specified a list with shape {shapes.text(dims)} from a tensor with shape "
            f"{shapes.text(tensor.shape[1:])}"
        )
    copied = _own(tensor)
    return [_row(copied, i) for i in range(copied.shape[0])], dims


def _own(tensor: Any) -> Any:
    """A tensor in memory of its own; where it lies on a device, that has made its copy."""
    return np.array(tensor, copy=True) if isinstance(tensor, np.ndarray) else tensor


def _row(tensor: np.ndarray, i: int) -> np.ndarray:
    """tensor[i] as an array, also where that is a scalar."""
    return tensor[i : i + 1].reshape(tensor.shape[1:])


@FROM_TENSOR.kernel
def from_tensor_kernel(tensor, element_shape, element_dtype):
    rows, dims = _rows_of(tensor, element_shape)
    return handle_to(TensorList(rows, element_dtype, dims))


@SPLIT.kernel
def split_kernel(tensor, element_shape, lengths, element_dtype):
    _at_least_a_vector(tensor)
    if np.ndim(lengths) != 1:
        raise ValueError(f"Expected lengths to be a vector, received shape: {shapes.text(np.shape(lengths))}")
    dims = dims_from(element_shape)
    whole = None if dims is None else (None, *dims[1:])
    if not shapes.compatible(whole, tensor.shape):
        raise ValueError(
            f"tensor shape {shapes.text(tensor.shape)} is not compatible with element_shape {shapes.text(dims)}"
        )
    at, parts, copied = 0, [], _own(tensor)
    for length in (int(n) for n in lengths):
        if length < 0:
            raise ValueError(f"Invalid value in lengths: {length}")
        if at + length > tensor.shape[0]:
            raise ValueError(f"Attempting to slice [{at}, {at + length}] from tensor with length {tensor.shape[0]}")
        parts.append(copied[at : at + length])
        at += length
    if at != tensor.shape[0]:
        raise ValueError(f"Unused values in tensor. Length of tensor: {tensor.shape[0]} Values used: {at}")
    return handle_to(TensorList(parts, element_dtype, dims))


def _scattered(items: list[Any], rows: list[np.ndarray], indices: np.ndarray) -> list[Any]:
    """`items`, made longer as needed, with rows at their places; of several for one place the last."""
    items += [None] * (max((int(i) + 1 for i in indices), default=0) - len(items))
    for i, row in zip(indices, rows, strict=True):
        items[int(i)] = row
    return items


def _places(indices: np.ndarray, rows: int) -> np.ndarray:
    """The indices one after the other, one for each row."""
    places = np.reshape(indices, -1)
    if any(int(i) < 0 for i in places):
        raise ValueError("Indices in TensorListScatter must all be non-negative.")
    if rows != len(places):
        raise ValueError(f"Invalid number of rows in input tensor. Expected: {len(places)} Actual: {rows}")
    return places


@SCATTER.kernel
def scatter_kernel(tensor, indices, element_shape, element_dtype):
    rows, dims = _rows_of(tensor, element_shape)
    return handle_to(TensorList(_scattered([], rows, _places(indices, len(rows))), element_dtype, dims))


@SCATTER_V2.kernel
def scatter_v2_kernel(tensor, indices, element_shape, num_elements, element_dtype):
    count = int(np.reshape(num_elements, ()))
    if count < -1:
        raise ValueError(f"TensorListScatter expects num_elements >= -1, found: {count}")
    rows, dims = _rows_of(tensor, element_shape)
    places = _places(indices, len(rows))
    for i in places:
        if count != -1 and int(i) >= count:
            raise ValueError(f"TensorListScatter: Trying to scatter at index {int(i)} in list with size {count}")
    return handle_to(TensorList(_scattered([None] * max(count, 0), rows, places), element_dtype, dims))


# -- changing ---------------------------------------------------------------------------------------------------


@SCATTER_INTO.kernel
def scatter_into_kernel(input_handle, tensor, indices, element_dtype):
    found = typed_list(input_handle, element_dtype)
    _at_least_a_vector(tensor)
    if np.ndim(indices) != 1:
        raise ValueError(f"Expected indices to be a vector, but received shape: {shapes.text(np.shape(indices))}")
    if tensor.shape[0] != len(indices):
        raise ValueError(
            f"Expected len(indices) == tensor.shape[0], but saw: {len(indices)} vs. {tensor.shape[0]}"
        )
    if any(int(i) < 0 for i in indices):
        raise ValueError("Indices in TensorListScatter must all be non-negative.")
    if not shapes.compatible(found.dims, tensor.shape[1:]):
        raise ValueError(
            f"Specified a list with shape {shapes.text(found.dims)} from a tensor with shape "
            f"{shapes.text(tensor.shape[1:])}"
        )
    copied = _own(tensor)
    rows = [_row(copied, i) for i in range(copied.shape[0])]
    return handle_to(found.with_items(_scattered(list(found.items), rows, indices)))


def _pushed(found: TensorList, tensor: np.ndarray, dtype: Any, which: str = "") -> TensorList:
    if not shapes.compatible(found.dims, np.shape(tensor)):
        raise ValueError(
            f"Tried to append a tensor with incompatible shape to a list{which}. Op element shape: "
            f"{shapes.text(np.shape(tensor))} list shape: {shapes.text(found.dims)}"
        )
    if found.dtype is not dtype:
        raise ValueError(
            f"Invalid data types; list elements {found.dtype.c_name} but tried to append {dtype.c_name}"
        )  # fmt: skip
    if found.most != -1 and len(found) >= found.most:
        raise ValueError(
            f"Tried to push item into a full list list size: {len(found)} max_num_elements: {found.most}"
        )  # fmt: skip
    return found.pushed(tensor)


@PUSH_BACK.kernel
def push_back_kernel(input_handle, tensor, element_dtype):
    return handle_to(_pushed(list_of(input_handle), tensor, element_dtype))


@PUSH_BACK_BATCH.kernel
def push_back_batch_kernel(input_handles, tensor, element_dtype):
    """A row for each list of a tensor of lists."""
    if not np.ndim(tensor):
        raise ValueError("Expected tensor to be at least a vector, but saw shape: []")
    if len(tensor) != input_handles.size:
        raise ValueError(
            f"Expected tensor.shape[0] == input_handles.size, but saw {len(tensor)} vs. {input_handles.size}"
        )
    found = np.empty(input_handles.shape, object)
    for i, place in enumerate(np.ndindex(found.shape)):
        before = list_of(handle_to(input_handles[place]))
        found[place] = _pushed(before, np.array(_row(tensor, i)), element_dtype, f" at index {i}")
    return found


@POP_BACK.kernel
def pop_back_kernel(input_handle, element_shape, element_dtype):
    found = typed_list(input_handle, element_dtype)
    if not len(found):
        raise ValueError("Trying to pop from an empty list.")
    value = found[len(found) - 1]
    if value is None:
        dims = merged(dims_from(element_shape), found.dims)
        if not shapes.is_known(dims):
            raise ValueError(
                f"Trying to read an uninitialized tensor but element_shape is not fully defined.{shapes.text(dims)}"
            )
        value = zeros(dims, element_dtype)
    return handle_to(found.popped()), value


@SET_ITEM.kernel
def set_item_kernel(input_handle, index, item, element_dtype, resize_if_index_out_of_bounds=False):
    found = typed_list(input_handle, element_dtype)
    place = int(index)
    if resize_if_index_out_of_bounds and place >= len(found):
        found = found.with_items([*found.items, *[None] * (place + 1 - len(found))])
    if not 0 <= place < len(found):
        raise ValueError(f"Trying to modify element {place} in a list with {len(found)} elements.")
    if not shapes.compatible(found.dims, np.shape(item)):
        raise ValueError(
            "Tried to set a tensor with incompatible shape at a list index. Item element shape: "
            f"{shapes.text(np.shape(item))} list shape: {shapes.text(found.dims)}"
        )
    return handle_to(found.replaced(place, item))


@RESIZE.kernel
def resize_kernel(input_handle, size):
    """The first `size` elements, or all and as many that nobody has set."""
    found, size = list_of(input_handle), int(size)
    if size < 0:
        raise ValueError(f"TensorListSlice expects size to be non-negative. Got: {size}")
    return handle_to(found.with_items([*found.items[:size], *[None] * (size - len(found))]))


@CONCAT_LISTS.kernel
def concat_lists_kernel(input_a, input_b, element_dtype):
    if np.shape(input_a) != np.shape(input_b):
        raise ValueError(
            f"The shapes of input_a and input_b must match: {shapes.text(np.shape(input_a))} vs. "
            f"{shapes.text(np.shape(input_b))}"
        )
    joined = np.empty(np.shape(input_a), object)
    for number, place in enumerate(np.ndindex(joined.shape)):
        a, b = (typed_list(handle_to(x[place]), element_dtype) for x in (input_a, input_b))
        if a.dims != b.dims:
            raise ValueError(
                f"input_a and input_b TensorList element shapes are not identical at index {number}.  Saw "
                f"{shapes.text(a.dims)} vs. {shapes.text(b.dims)}"
            )
        joined[place] = a.with_items(a.items + b.items)
    return joined


@PUSH_BACK_BATCH.shape
def _batch_shape(context: ShapeContext) -> shapes.Shape:
    return context.dims("input_handles")


@CONCAT_LISTS.shape
def _concat_lists_shape(context: ShapeContext) -> shapes.Shape:
    return context.dims("input_a")


for _op in (
    RESERVE, EMPTY, FROM_TENSOR, SPLIT, SCATTER, SCATTER_V2, SCATTER_INTO, PUSH_BACK, PUSH_BACK_BATCH, POP_BACK,
    SET_ITEM, CONCAT_LISTS,
):  # fmt: skip
    _op.moves_bits = True
