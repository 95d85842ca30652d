"""Names of `ops.list_ops`: lists of tensors with an element's shape as 1.x's programs say it, and what may be left out.

A shape is a TensorShape, a list with None for what is not known, None altogether, or a tensor that is right already.

Next: compat/shadow/state.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape
from refflow.ops import tensor_list as lists
from refflow.ops import tensor_list_read as reads


def _build_element_shape(shape: Any) -> Any:
    """A shape as the ops take it: -1 for a size, or for a rank, that is not known."""
    if isinstance(shape, Tensor):
        return shape
    sizes = shape.as_list() if isinstance(shape, TensorShape) and shape.ndims is not None else shape
    if sizes is None or (isinstance(sizes, TensorShape) and sizes.ndims is None):
        return np.int32(-1)
    if isinstance(sizes, (int, np.integer)):
        return np.int32(sizes)
    if any(isinstance(size, Tensor) for size in sizes):
        from refflow.ops.joining import pack

        return pack([convert_to_tensor(-1 if size is None else size) for size in sizes])
    return np.array([-1 if size is None else int(size) for size in sizes], np.int32)


def empty_tensor_list(element_shape: Any, element_dtype: Any, max_num_elements: Any = None, name: str | None = None,
                      ) -> Tensor:  # fmt: skip
    """A list without elements; as many as `max_num_elements` may be pushed."""
    most = -1 if max_num_elements is None else max_num_elements
    return lists.EMPTY(_build_element_shape(element_shape), most, element_dtype=element_dtype, name=name)


def tensor_list_reserve(element_shape: Any, num_elements: Any, element_dtype: Any, name: str | None = None) -> Tensor:
    """A list of so many elements, none of which is set."""
    return lists.RESERVE(_build_element_shape(element_shape), num_elements, element_dtype=element_dtype, name=name)


def tensor_list_from_tensor(tensor: Any, element_shape: Any, name: str | None = None) -> Tensor:
    """The rows of a tensor."""
    return lists.FROM_TENSOR(convert_to_tensor(tensor), _build_element_shape(element_shape), name=name)


def tensor_list_get_item(
    input_handle: Tensor, index: Any, element_dtype: Any, element_shape: Any = None, name: str | None = None
) -> Tensor:
    """The element with that number."""
    shape = _build_element_shape(element_shape)
    return reads.GET_ITEM(input_handle, index, shape, element_dtype=element_dtype, name=name)


def tensor_list_pop_back(input_handle: Tensor, element_dtype: Any, name: str | None = None) -> Any:
    """(the list without its last element, that element)."""
    return lists.POP_BACK(input_handle, np.int32(-1), element_dtype=element_dtype, name=name)


def tensor_list_gather(
    input_handle: Tensor, indices: Any, element_dtype: Any, element_shape: Any = None, name: str | None = None
) -> Tensor:
    """The elements with these numbers, on a new axis in front."""
    shape = _build_element_shape(element_shape)
    return reads.GATHER(input_handle, indices, shape, element_dtype=element_dtype, name=name)


def tensor_list_scatter(
    tensor: Any, indices: Any, element_shape: Any = None, input_handle: Any = None, name: str | None = None
) -> Tensor:
    """The rows of a tensor at these places: of a new list, or of the one given."""
    tensor = convert_to_tensor(tensor)
    if input_handle is not None:
        return lists.SCATTER_INTO(input_handle, tensor, indices, name=name)
    return lists.SCATTER_V2(tensor, indices, _build_element_shape(element_shape), -1, name=name)


def tensor_list_stack(
    input_handle: Tensor, element_dtype: Any, num_elements: int | None = -1, element_shape: Any = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """All elements on a new axis in front; an error where there are not `num_elements`, if that is said."""
    count = -1 if num_elements is None else num_elements
    shape = _build_element_shape(element_shape)
    found = reads.STACK(input_handle, shape, element_dtype=element_dtype, num_elements=count, name=name)
    rest = found.get_shape().as_list()[1:] if found.get_shape().ndims is not None else None
    rest = _element(input_handle) if rest is None else rest
    if count >= 0 and rest is not None:
        found.set_shape([count, *rest])
    return found


def _element(handle: Tensor) -> list[int | None] | None:
    """An element's shape, as far as the node that made the list was told it."""
    from refflow.core.constants import constant_value

    while handle.op.type in ("TensorListPushBack", "TensorListSetItem", "Identity"):
        handle = handle.op.inputs[0]
    if handle.op.type not in ("EmptyTensorList", "TensorListReserve"):
        return None
    known = constant_value(handle.op.inputs[0])
    return None if known is None or not np.ndim(known) else [None if size < 0 else int(size) for size in known]


def tensor_list_concat(input_handle: Tensor, element_dtype: Any, element_shape: Any = None, name: str | None = None,
                       ) -> Tensor:  # fmt: skip
    """All elements end to end."""
    shape, none = _build_element_shape(element_shape), np.zeros(0, np.int64)
    return reads.CONCAT_V2(input_handle, shape, none, element_dtype=element_dtype, name=name).tensor


def tensor_list_split(tensor: Any, element_shape: Any, lengths: Any, name: str | None = None) -> Tensor:
    """Parts of a tensor, cut along its first axis."""
    return lists.SPLIT(convert_to_tensor(tensor), _build_element_shape(element_shape), lengths, name=name)


def tensor_list_set_item(
    input_handle: Tensor, index: Any, item: Any, resize_if_index_out_of_bounds: bool = False, name: str | None = None
) -> Tensor:
    """The list with another element at that place."""
    return lists.SET_ITEM(input_handle, index, item, resize_if_index_out_of_bounds=resize_if_index_out_of_bounds,
                          name=name)  # fmt: skip
