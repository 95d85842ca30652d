"""What is read from a TensorList: an element, all or some of them stacked or end to end, how many, of what shape [W43].

    TensorListGetItem, Stack, Gather, Concat, Length, ElementShape

Next: ops/list_gradients.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int32
from refflow.core.elements import Elements
from refflow.core.opdef import define_op
from refflow.core.signature import Attr
from refflow.ops.tensor_list import LIST, SHAPED, TYPED
from refflow.ops.tensor_list_values import TensorList, common, dims_from, list_of, merged, typed_list, zeros

GET_ITEM = define_op("TensorListGetItem", f"{LIST}, index: int32[], element_shape: Tshape -> item: element_dtype",
                     Tshape=Attr("type", default=int32, allowed=INDICES), **TYPED)  # fmt: skip
STACK = define_op("TensorListStack", f"{LIST}, element_shape: int32 -> tensor: element_dtype", num_elements=-1,
                  **TYPED)  # fmt: skip
GATHER = define_op("TensorListGather", f"{LIST}, indices: int32, element_shape: int32 -> values: element_dtype",
                   **TYPED)  # fmt: skip
CONCAT = define_op("TensorListConcat", f"{LIST} -> tensor: element_dtype, lengths: int64[N]",
                   element_shape=Attr("shape", default=shapes.TensorShape(None)), **TYPED)  # fmt: skip
CONCAT_V2 = define_op(
    "TensorListConcatV2", f"{LIST}, element_shape: shape_type, leading_dims: int64 -> tensor: element_dtype, "
    "lengths: int64[N]", **SHAPED,
)  # fmt: skip
LENGTH = define_op("TensorListLength", f"{LIST} -> length: int32[]", source=("W43",))
ELEMENT_SHAPE = define_op("TensorListElementShape", f"{LIST} -> element_shape: shape_type",
                          shape_type=Attr("type", allowed=INDICES), source=("W43",))  # fmt: skip
GET_ITEM.elements = Elements(take=0)
STACK.elements = Elements(stack=0)
for _op in (GATHER, CONCAT, CONCAT_V2, LENGTH, ELEMENT_SHAPE):
    _op.elements = Elements()


@GET_ITEM.kernel
def get_item_kernel(input_handle, index, element_shape, element_dtype):
    found = typed_list(input_handle, element_dtype)
    if not 0 <= int(index) < len(found):
        raise ValueError(f"Trying to access element {int(index)} in a list with {len(found)} elements.")
    value = found[int(index)]
    if value is not None:
        return value
    dims = common(found, element_shape)
    if not shapes.is_known(dims):
        raise ValueError(
            "Trying to read an uninitialized tensor but element_shape is not fully defined: "
            f"{shapes.text(dims)} and no list element is set."
        )
    return zeros(dims, element_dtype)


def _stacked(found: TensorList, values: list[Any], dims: shapes.Shape, why: str) -> np.ndarray:
    """`values` on a new axis in front, each checked against `dims`; zeros for what was not set."""
    if not shapes.is_known(dims):
        for value in found.items:
            if value is not None:
                dims = merged(dims, np.shape(value))
    if not shapes.is_known(dims):
        raise ValueError(f"{why}{shapes.text(dims)}")
    for value in values:
        if value is not None and np.shape(value) != dims:
            dims = merged(dims, np.shape(value))
    blank = zeros(dims, found.dtype)
    parts = [blank if v is None else v for v in values]
    if found.home is not None:
        return found.home.stacked(parts, dims, found.dtype)
    if blank.dtype == object:
        return _joined(parts, np.stack)
    stacked = np.empty((len(parts), *dims), blank.dtype)  # type: ignore[misc]
    for place, part in enumerate(parts):
        stacked[place] = part
    return stacked


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
                f"Tried to stack elements of an empty list with non-fully-defined element_shape: {shapes.text(dims)}"
            )
        return zeros((0, *(dims or ())), element_dtype)
    why = "Tried to stack list which only contains uninitialized tensors and has a non-fully-defined element_shape: "
    return _stacked(found, list(found.items), dims, why)


@GATHER.kernel
def gather_kernel(input_handle, indices, element_shape, element_dtype):
    found = typed_list(input_handle, element_dtype)
    dims = merged(dims_from(element_shape), found.dims)
    places = [int(i) for i in np.reshape(indices, -1)]
    if not places:
        if not shapes.is_known(dims):
            raise ValueError(
                f"Tried to gather 0-elements from a list with non-fully-defined shape: {shapes.text(dims)}"
            )
        return zeros((0, *(dims or ())), element_dtype)
    for i in places:
        if not 0 <= i < len(found):
            raise ValueError(f"Index {i} out o range; list only has {len(found)} elements.")
    why = "Tried to gather uninitialized tensors from a list with non-fully-defined element_shape: "
    return _stacked(found, [found[i] for i in places], dims, why)


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
        if not np.shape(value):
            raise ValueError(f"Concat saw a scalar shape at index {i} but requires at least vectors.")
        count = np.shape(value)[0]
        if first is not None and first != count:
            raise ValueError(
                "First entry of element_shape input does not match the first dim of list element at index: "
                f"{i} Expected: {first} Actual: {count}"
            )
        lengths.append(count)
        rest = merged(rest, np.shape(value)[1:])
    if not shapes.is_known(rest):
        why = "All except the first dimension must be fully defined when concating an empty tensor list. element_shape"
        if len(found):
            why = (
                "Trying to concat list with only uninitialized tensors but element_shape_except_first_dim is not fully "
                "defined"
            )
        raise ValueError(f"{why}: {shapes.text(rest)}")
    if not len(found):
        return zeros((0, *(rest or ())), found.dtype), np.zeros(0, np.int64)
    known = [n for n in lengths if n is not None]
    for i, n in enumerate(lengths):
        if n is None:
            if first is None and not known:
                raise ValueError(
                    "Concating uninitialized tensors without a leading dimension: give leading_dims, or element_shape"
                )
            lengths[i] = first if first is not None else known[0]
    parts = [zeros((n, *(rest or ())), found.dtype) if v is None else v
             for n, v in zip(lengths, found.items, strict=True)]  # fmt: skip
    if found.home is None:
        return _joined(parts, np.concatenate), np.array(lengths, np.int64)
    return found.home.joined(parts, (sum(lengths), *(rest or ())), found.dtype), np.array(lengths, np.int64)


@LENGTH.kernel
def length_kernel(input_handle):
    return np.array(len(list_of(input_handle)), np.int32)


@ELEMENT_SHAPE.kernel
def element_shape_kernel(input_handle, shape_type):
    dims = list_of(input_handle).dims
    if dims is None:
        return np.array(-1, shape_type.as_numpy_dtype)
    return np.array([-1 if d is None else d for d in dims], shape_type.as_numpy_dtype)


for _op in (GET_ITEM, STACK, GATHER, CONCAT, CONCAT_V2):
    _op.moves_bits = True
