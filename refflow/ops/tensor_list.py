"""TensorLists: lists of tensors that are values, so that every change gives a new list [W43].

    EmptyTensorList, TensorListReserve, TensorListFromTensor, TensorListSplit, TensorListScatter    make one
    TensorListPushBack, PopBack, SetItem, Resize, ConcatLists, ScatterIntoExistingList              change it
    TensorListStack, Concat, Gather, GetItem, Length, ElementShape                                  read it

A list knows its elements' type, and as much of their shape as is common to all. An element that nobody has set is
read as zeros, of the shape that the others have. A zero list has zeros for elements, and lists of one length add up.

Gradients take the way back: a pushed element is popped, what was stacked is taken apart (ops/list_gradients.py).

Next: ops/list_gradients.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int32
from refflow.core.handles import handle_to
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.variants import sum_of, zero_of

ANY = Attr("type")


class TensorList:
    """Tensors by number, None where nothing was set, with what is known of an element."""

    def __init__(self, items: Any, dtype: Any, dims: shapes.Shape, most: int = -1):
        self.items = tuple(items)
        self.dtype, self.dims, self.most = dtype, dims, most

    def __len__(self) -> int:
        return len(self.items)

    def with_items(self, items: Any) -> TensorList:
        return TensorList(items, self.dtype, self.dims, self.most)

    def zeros_like(self) -> TensorList:
        return self.with_items(None if v is None else zero_of(v) for v in self.items)

    def __add__(self, other: Any) -> TensorList:
        if self.dtype is not other.dtype:
            raise ValueError(
                "Trying to add two lists of tensors of different dtypes. One is "
                f"{self.dtype.c_name} and the other is {other.dtype.c_name}"
            )
        if not shapes.compatible(self.dims, other.dims):
            raise ValueError(
                "Trying to add two lists of tensors with incompatible element shapes. One is "
                f"{shapes.debug(self.dims)} and the other is {shapes.debug(other.dims)}"
            )
        if len(self) != len(other):
            raise ValueError(
                f"Trying to add two lists of tensors with different lengths. One is {len(self)} and the other is "
                f"{len(other)}"
            )
        merged = shapes.merge(self.dims, other.dims)
        items = [_added(a, b) for a, b in zip(self.items, other.items, strict=True)]
        return TensorList(items, self.dtype, merged)


def _added(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    if np.shape(a) != np.shape(b):
        raise ValueError(
            "Trying to add two tensors with incompatible element shapes. One is "
            f"{shapes.debug(np.shape(a))} and the other is {shapes.debug(np.shape(b))}"
        )
    return sum_of([a, b]) if a.dtype == object else a + b


def list_of(handle: Any) -> TensorList:
    """The list in a scalar variant."""
    found = handle.item() if np.size(handle) == 1 else None
    if not isinstance(found, TensorList):
        raise ValueError(f"Input handle is not a list. Saw: '{type(found).__name__}'")
    return found


def typed_list(handle: Any, dtype: Any) -> TensorList:
    found = list_of(handle)
    if found.dtype is not dtype:
        raise ValueError(
            f"Invalid data types; op elements {dtype.c_name} but list elements {found.dtype.c_name}"
        )  # fmt: skip
    return found


def dims_from(value: Any) -> shapes.Shape:
    """An element's shape from a tensor: a scalar -1 is unknown, a vector has -1 where a size is unknown."""
    array = np.asarray(value)
    if array.ndim == 0:
        if int(array) != -1:
            raise ValueError("The only valid scalar shape tensor is the fully unknown shape specified as -1.")
        return None
    if array.ndim > 1:
        raise ValueError(f"Shape must be at most rank 1 but is rank {array.ndim}")
    for d in array:
        if int(d) < -1:
            raise ValueError(f"Dimension {int(d)} must be >= -1")
    return tuple(None if int(d) == -1 else int(d) for d in array)


def merged(a: shapes.Shape, b: shapes.Shape) -> shapes.Shape:
    """What both shapes know; a ValueError in the kernels' words where they contradict."""
    if shapes.compatible(a, b):
        return shapes.merge(a, b)
    if len(a or ()) != len(b or ()):
        raise ValueError(
            f"PartialTensorShape: Incompatible ranks during merge: {len(a or ())} vs. {len(b or ())}"
        )  # fmt: skip
    raise ValueError(
        f"PartialTensorShape: Incompatible shapes during merge: {shapes.debug(a)} vs. {shapes.debug(b)}"
    )  # fmt: skip


def _common(found: TensorList, element_shape: Any) -> shapes.Shape:
    """An element's shape from the op's input, the list and the elements that are set."""
    dims = merged(dims_from(element_shape), found.dims)
    if not shapes.is_known(dims):
        for value in found.items:
            if value is not None:
                dims = merged(dims, np.shape(value))
    return dims


def _zeros(dims: Any, dtype: Any) -> np.ndarray:
    numpy_type = np.dtype(dtype.as_numpy_dtype)
    return np.full(dims, b"", object) if numpy_type.kind == "O" else np.zeros(dims, numpy_type)


_SHAPED: dict[str, Any] = {"element_dtype": ANY, "shape_type": Attr("type", allowed=INDICES), "source": ("W43",)}
_TYPED: dict[str, Any] = {"element_dtype": ANY, "source": ("W43",)}
_LIST, _OUT = "input_handle: variant[]", "output_handle: variant[]"

RESERVE = define_op("TensorListReserve", "element_shape: shape_type, num_elements: int32 -> handle: variant[]",
                    **_SHAPED)  # fmt: skip
EMPTY = define_op("EmptyTensorList", "element_shape: shape_type, max_num_elements: int32 -> handle: variant[]",
                  **_SHAPED)  # fmt: skip
FROM_TENSOR = define_op("TensorListFromTensor", f"tensor: element_dtype, element_shape: shape_type -> {_OUT}",
                        **_SHAPED)  # fmt: skip
SPLIT = define_op("TensorListSplit", f"tensor: element_dtype, element_shape: shape_type, lengths: int64 -> {_OUT}",
                  **_SHAPED)  # fmt: skip
SCATTER = define_op("TensorListScatter", f"tensor: element_dtype, indices: int32, element_shape: shape_type -> {_OUT}",
                    **_SHAPED)  # fmt: skip
SCATTER_V2 = define_op(
    "TensorListScatterV2", f"tensor: element_dtype, indices: int32, element_shape: shape_type, num_elements: int32 "
    f"-> {_OUT}", **_SHAPED,
)  # fmt: skip
SCATTER_INTO = define_op("TensorListScatterIntoExistingList",
                         f"{_LIST}, tensor: element_dtype, indices: int32 -> {_OUT}", **_TYPED)  # fmt: skip
PUSH_BACK = define_op("TensorListPushBack", f"{_LIST}, tensor: element_dtype -> {_OUT}", **_TYPED)
PUSH_BACK_BATCH = define_op("TensorListPushBackBatch", "input_handles: variant, tensor: element_dtype -> "
                            "output_handles: variant", **_TYPED)  # fmt: skip
POP_BACK = define_op("TensorListPopBack", f"{_LIST}, element_shape: int32 -> {_OUT}, tensor: element_dtype", **_TYPED)
GET_ITEM = define_op("TensorListGetItem", f"{_LIST}, index: int32[], element_shape: Tshape -> item: element_dtype",
                     Tshape=Attr("type", default=int32, allowed=INDICES), **_TYPED)  # fmt: skip
SET_ITEM = define_op("TensorListSetItem", f"{_LIST}, index: int32[], item: element_dtype -> {_OUT}",
                     resize_if_index_out_of_bounds=False, **_TYPED)  # fmt: skip
RESIZE = define_op("TensorListResize", f"{_LIST}, size: int32[] -> {_OUT}", source=("W43",))
CONCAT_LISTS = define_op("TensorListConcatLists", "input_a: variant, input_b: variant -> output: variant", **_TYPED)
STACK = define_op("TensorListStack", f"{_LIST}, element_shape: int32 -> tensor: element_dtype", num_elements=-1,
                  **_TYPED)  # fmt: skip
GATHER = define_op("TensorListGather", f"{_LIST}, indices: int32, element_shape: int32 -> values: element_dtype",
                   **_TYPED)  # fmt: skip
CONCAT = define_op("TensorListConcat", f"{_LIST} -> tensor: element_dtype, lengths: int64[N]",
                   element_shape=Attr("shape", default=shapes.TensorShape(None)), **_TYPED)  # fmt: skip
CONCAT_V2 = define_op(
    "TensorListConcatV2", f"{_LIST}, element_shape: shape_type, leading_dims: int64 -> tensor: element_dtype, "
    "lengths: int64[N]", **_SHAPED,
)  # fmt: skip
LENGTH = define_op("TensorListLength", f"{_LIST} -> length: int32[]", source=("W43",))
ELEMENT_SHAPE = define_op("TensorListElementShape", f"{_LIST} -> element_shape: shape_type",
                          shape_type=Attr("type", allowed=INDICES), source=("W43",))  # fmt: skip

# -- making -----------------------------------------------------------------------------------------------------


@RESERVE.kernel
def reserve_kernel(element_shape, num_elements, element_dtype):
    if np.size(num_elements) != 1:
        raise ValueError(
            f"The num_elements to reserve must be a tensor size 1, but got {shapes.debug(np.shape(num_elements))}"
        )
    count = int(np.reshape(num_elements, ()))
    if count < 0:
        raise ValueError(f"The num_elements to reserve must be a non negative number, but got {count}")
    return handle_to(TensorList([None] * count, element_dtype, dims_from(element_shape)))


@EMPTY.kernel
def empty_kernel(element_shape, max_num_elements, element_dtype):
    if np.ndim(max_num_elements):
        raise ValueError(
            f"max_num_elements expected to be a scalar but got shape: {shapes.debug(np.shape(max_num_elements))}"
        )
    return handle_to(TensorList([], element_dtype, dims_from(element_shape), int(max_num_elements)))


def _at_least_a_vector(tensor: np.ndarray) -> None:
    if not np.ndim(tensor):
        raise ValueError("Tensor must be at least a vector, but saw shape: []")


def _rows_of(tensor: np.ndarray, element_shape: Any) -> tuple[list[np.ndarray], shapes.Shape]:
    """The rows of a tensor, each in memory of its own, and the shape that they must have."""
    _at_least_a_vector(tensor)
    dims = dims_from(element_shape)
    if not shapes.compatible(dims, tensor.shape[1:]):
        raise ValueError(
            f"Specified a list with shape {shapes.debug(dims)} from a tensor with shape "
            f"{shapes.debug(tensor.shape[1:])}"
        )
    copied = np.array(tensor, copy=True)
    return [_row(copied, i) for i in range(len(copied))], dims


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
        raise ValueError(f"Expected lengths to be a vector, received shape: {shapes.debug(np.shape(lengths))}")
    dims = dims_from(element_shape)
    whole = None if dims is None else (None, *dims[1:])
    if not shapes.compatible(whole, tensor.shape):
        raise ValueError(
            f"tensor shape {shapes.debug(tensor.shape)} is not compatible with element_shape {shapes.debug(dims)}"
        )
    at, parts = 0, []
    for length in (int(n) for n in lengths):
        if length < 0:
            raise ValueError(f"Invalid value in lengths: {length}")
        if at + length > len(tensor):
            raise ValueError(f"Attempting to slice [{at}, {at + length}] from tensor with length {len(tensor)}")
        parts.append(np.array(tensor[at : at + length], copy=True))
        at += length
    if at != len(tensor):
        raise ValueError(f"Unused values in tensor. Length of tensor: {len(tensor)} Values used: {at}")
    return handle_to(TensorList(parts, element_dtype, dims))


def _scattered(items: list[Any], rows: list[np.ndarray], indices: np.ndarray) -> list[Any]:
    """`items`, made longer as needed, with rows at their places; of several for one place the last."""
    items += [None] * (max((int(i) + 1 for i in indices), default=0) - len(items))
    for i, row in zip(indices, rows, strict=True):
        items[int(i)] = row
    return items


def _check_scatter(indices: np.ndarray, rows: int) -> None:
    if any(int(i) < 0 for i in indices):
        raise ValueError("Indices in TensorListScatter must all be non-negative.")
    if rows < len(indices):
        raise ValueError(f"Invalid number of rows in input tensor. Expected: {len(indices)} Actual: {rows}")


@SCATTER.kernel
def scatter_kernel(tensor, indices, element_shape, element_dtype):
    rows, dims = _rows_of(tensor, element_shape)
    _check_scatter(indices, len(rows))
    return handle_to(TensorList(_scattered([], rows[: len(indices)], indices), element_dtype, dims))


@SCATTER_V2.kernel
def scatter_v2_kernel(tensor, indices, element_shape, num_elements, element_dtype):
    count = int(np.reshape(num_elements, ()))
    if count < -1:
        raise ValueError(f"TensorListScatter expects num_elements >= -1, found: {count}")
    rows, dims = _rows_of(tensor, element_shape)
    _check_scatter(indices, len(rows))
    for i in indices:
        if count != -1 and int(i) >= count:
            raise ValueError(f"TensorListScatter: Trying to scatter at index {int(i)} in list with size {count}")
    return handle_to(
        TensorList(_scattered([None] * max(count, 0), rows[: len(indices)], indices), element_dtype, dims)
    )  # fmt: skip


# -- changing ---------------------------------------------------------------------------------------------------


@SCATTER_INTO.kernel
def scatter_into_kernel(input_handle, tensor, indices, element_dtype):
    found = typed_list(input_handle, element_dtype)
    _at_least_a_vector(tensor)
    if len(tensor) != len(indices):
        raise ValueError(
            f"Expected len(indices) == tensor.shape[0], but saw: {len(indices)} vs. {len(tensor)}"
        )  # fmt: skip
    if any(int(i) < 0 for i in indices):
        raise ValueError("Indices in TensorListScatter must all be non-negative.")
    if not shapes.compatible(found.dims, tensor.shape[1:]):
        raise ValueError(
            f"Specified a list with shape {shapes.debug(found.dims)} from a tensor with shape "
            f"{shapes.debug(tensor.shape[1:])}"
        )
    copied = np.array(tensor, copy=True)
    rows = [_row(copied, i) for i in range(len(copied))]
    return handle_to(found.with_items(_scattered(list(found.items), rows, indices)))


def _pushed(found: TensorList, tensor: np.ndarray, dtype: Any) -> TensorList:
    if not shapes.compatible(found.dims, np.shape(tensor)):
        raise ValueError(
            "Tried to append a tensor with incompatible shape to a list. Op element shape: "
            f"{shapes.debug(np.shape(tensor))} list shape: {shapes.debug(found.dims)}"
        )
    if found.dtype is not dtype:
        raise ValueError(
            f"Invalid data types; list elements {found.dtype.c_name} but tried to append {dtype.c_name}"
        )  # fmt: skip
    if found.most != -1 and len(found) >= found.most:
        raise ValueError(
            f"Tried to push item into a full list list size: {len(found)} max_num_elements: {found.most}"
        )  # fmt: skip
    return found.with_items((*found.items, np.array(tensor, copy=True)))


@PUSH_BACK.kernel
def push_back_kernel(input_handle, tensor, element_dtype):
    return handle_to(_pushed(list_of(input_handle), tensor, element_dtype))


@PUSH_BACK_BATCH.kernel
def push_back_batch_kernel(input_handles, tensor, element_dtype):
    """A row for each list of a tensor of lists."""
    if tensor.shape[: input_handles.ndim] != input_handles.shape or not input_handles.ndim:
        raise ValueError(
            f"Expected tensor.shape[0] == input_handles.size, but saw {shapes.debug(tensor.shape)} vs. "
            f"{shapes.debug(input_handles.shape)}"
        )
    found = np.empty(input_handles.shape, object)
    for place in np.ndindex(found.shape):
        found[place] = _pushed(list_of(handle_to(input_handles[place])), np.asarray(tensor[place]), element_dtype)
    return found


@POP_BACK.kernel
def pop_back_kernel(input_handle, element_shape, element_dtype):
    found = typed_list(input_handle, element_dtype)
    if not len(found):
        raise ValueError("Trying to pop from an empty list.")
    value = found.items[-1]
    if value is None:
        dims = merged(dims_from(element_shape), found.dims)
        if not shapes.is_known(dims):
            raise ValueError(
                f"Trying to read an uninitialized tensor but element_shape is not fully defined.{shapes.debug(dims)}"
            )
        value = _zeros(dims, element_dtype)
    return handle_to(found.with_items(found.items[:-1])), value


@SET_ITEM.kernel
def set_item_kernel(input_handle, index, item, element_dtype, resize_if_index_out_of_bounds=False):
    found = typed_list(input_handle, element_dtype)
    place, items = int(index), list(found.items)
    if resize_if_index_out_of_bounds and place >= len(items):
        items += [None] * (place + 1 - len(items))
    if not 0 <= place < len(items):
        raise ValueError(f"Trying to modify element {place} in a list with {len(items)} elements.")
    if not shapes.compatible(found.dims, np.shape(item)):
        raise ValueError(
            "Tried to set a tensor with incompatible shape at a list index. Item element shape: "
            f"{shapes.debug(np.shape(item))} list shape: {shapes.debug(found.dims)}"
        )
    items[place] = np.array(item, copy=True)
    return handle_to(found.with_items(items))


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
            f"The shapes of input_a and input_b must match: {shapes.debug(np.shape(input_a))} vs. "
            f"{shapes.debug(np.shape(input_b))}"
        )
    joined = np.empty(np.shape(input_a), object)
    for number, place in enumerate(np.ndindex(joined.shape)):
        a, b = (typed_list(handle_to(x[place]), element_dtype) for x in (input_a, input_b))
        if a.dims != b.dims:
            raise ValueError(
                f"input_a and input_b TensorList element shapes are not identical at index {number}.  Saw "
                f"{shapes.debug(a.dims)} vs. {shapes.debug(b.dims)}"
            )
        joined[place] = a.with_items(a.items + b.items)
    return joined


# -- reading ----------------------------------------------------------------------------------------------------


@GET_ITEM.kernel
def get_item_kernel(input_handle, index, element_shape, element_dtype):
    found = typed_list(input_handle, element_dtype)
    if not 0 <= int(index) < len(found):
        raise ValueError(f"Trying to access element {int(index)} in a list with {len(found)} elements.")
    value = found.items[int(index)]
    if value is not None:
        return value
    dims = _common(found, element_shape)
    if not shapes.is_known(dims):
        raise ValueError(
            "Trying to read an uninitialized tensor but element_shape is not fully defined: "
            f"{shapes.debug(dims)} and no list element is set."
        )
    return _zeros(dims, element_dtype)


def _stacked(found: TensorList, values: list[Any], dims: shapes.Shape, why: str) -> np.ndarray:
    """`values` on a new axis in front, each checked against `dims`; zeros for what was not set."""
    if not shapes.is_known(dims):
        for value in found.items:
            if value is not None:
                dims = merged(dims, np.shape(value))
    if not shapes.is_known(dims):
        raise ValueError(f"{why}{shapes.debug(dims)}")
    for value in values:
        if value is not None:
            dims = merged(dims, np.shape(value))
    return _joined([_zeros(dims, found.dtype) if v is None else v for v in values], np.stack)


def _joined(parts: list[np.ndarray], join: Any) -> np.ndarray:
    if parts[0].dtype != object:
        return join(parts)
    whole = np.empty(join([np.zeros(p.shape, bool) for p in parts]).shape, object)
    flat = [item for part in parts for item in part.reshape(-1)]
    whole.reshape(-1)[:] = flat
    return whole


@STACK.kernel
def stack_kernel(input_handle, element_shape, element_dtype, num_elements=-1):
    found = typed_list(input_handle, element_dtype)
    dims = merged(dims_from(element_shape), found.dims)
    if num_elements not in (-1, len(found)):
        raise ValueError(
            f"Operation expected a list with {num_elements} elements but got a list with {len(found)} elements."
        )
    if not len(found):
        if not shapes.is_known(dims):
            raise ValueError(
                f"Tried to stack elements of an empty list with non-fully-defined element_shape: {shapes.debug(dims)}"
            )
        return _zeros((0, *(dims or ())), element_dtype)
    why = "Tried to stack list which only contains uninitialized tensors and has a non-fully-defined element_shape: "
    return _stacked(found, list(found.items), dims, why)


@GATHER.kernel
def gather_kernel(input_handle, indices, element_shape, element_dtype):
    found = typed_list(input_handle, element_dtype)
    dims = merged(dims_from(element_shape), found.dims)
    if not len(indices):
        if not shapes.is_known(dims):
            raise ValueError(
                f"Tried to gather 0-elements from a list with non-fully-defined shape: {shapes.debug(dims)}"
            )
        return _zeros((0, *(dims or ())), element_dtype)
    for i in indices:
        if not 0 <= int(i) < len(found):
            raise ValueError(f"Trying to gather element {int(i)} in a list with {len(found)} elements.")
    why = "Tried to gather uninitialized tensors from a list with non-fully-defined element_shape: "
    return _stacked(found, [found.items[int(i)] for i in indices], dims, why)


@CONCAT.kernel
def concat_kernel(input_handle, element_shape, element_dtype):
    return _concatenated(typed_list(input_handle, element_dtype), element_shape.as_tuple, np.zeros(0, np.int64))


@CONCAT_V2.kernel
def concat_v2_kernel(input_handle, element_shape, leading_dims, element_dtype):
    return _concatenated(typed_list(input_handle, element_dtype), dims_from(element_shape), leading_dims)


def _concatenated(found: TensorList, dims: shapes.Shape, leading: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The elements end to end, and how long each is. Only the first axis may differ."""
    dims = merged(dims, found.dims)
    if dims == ():
        raise ValueError("Concat requires elements to be at least vectors, found scalars instead.")
    first, rest = (None, None) if dims is None else (dims[0], dims[1:])
    lengths: list[Any] = []
    for i, value in enumerate(found.items):
        if value is None:
            lengths.append(int(leading[i]) if i < len(leading) else None)
            continue
        if not np.ndim(value):
            raise ValueError(f"Concat saw a scalar shape at index {i} but requires at least vectors.")
        if first is not None and first != len(value):
            raise ValueError(
                "First entry of element_shape input does not match the first dim of list element at index: "
                f"{i} Expected: {first} Actual: {len(value)}"
            )
        lengths.append(len(value))
        rest = merged(rest, np.shape(value)[1:])
    if not shapes.is_known(rest):
        what = "an empty tensor list" if not len(found) else "a list of tensors that nobody has set"
        raise ValueError(
            f"All except the first dimension must be fully defined when concating {what}. element_shape: "
            f"{shapes.debug(rest)}"
        )
    if not len(found):
        return _zeros((0, *(rest or ())), found.dtype), np.zeros(0, np.int64)
    known = [n for n in lengths if n is not None]
    for i, n in enumerate(lengths):
        if n is None:
            if first is None and not known:
                raise ValueError(
                    "Concating uninitialized tensors without a leading dimension: give leading_dims, or element_shape"
                )
            lengths[i] = first if first is not None else known[0]
    parts = [_zeros((n, *(rest or ())), found.dtype) if v is None else v
             for n, v in zip(lengths, found.items, strict=True)]  # fmt: skip
    return _joined(parts, np.concatenate), np.array(lengths, np.int64)


@LENGTH.kernel
def length_kernel(input_handle):
    return np.array(len(list_of(input_handle)), np.int32)


@ELEMENT_SHAPE.kernel
def element_shape_kernel(input_handle, shape_type):
    dims = list_of(input_handle).dims
    if dims is None:
        return np.array(-1, shape_type.as_numpy_dtype)
    return np.array([-1 if d is None else d for d in dims], shape_type.as_numpy_dtype)


@PUSH_BACK_BATCH.shape
def _batch_shape(context: ShapeContext) -> shapes.Shape:
    return context.dims("input_handles")


@CONCAT_LISTS.shape
def _concat_lists_shape(context: ShapeContext) -> shapes.Shape:
    return context.dims("input_a")


for _op in (
    RESERVE, EMPTY, FROM_TENSOR, SPLIT, SCATTER, SCATTER_V2, SCATTER_INTO, PUSH_BACK, PUSH_BACK_BATCH, POP_BACK,
    GET_ITEM, SET_ITEM, CONCAT_LISTS, STACK, GATHER, CONCAT, CONCAT_V2,
):  # fmt: skip
    _op.moves_bits = True
