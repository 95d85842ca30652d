"""TensorArray as a program sees it: elements by number, written and read in loops [W43].

    a = TensorArray(tf.float32, size=3)
    a = a.write(0, x)                     each change gives a new TensorArray: go on with that one
    a.read(0), a.stack(), a.gather([0, 2]), a.concat()

It is a list of tensors (ops/tensor_list.py), so that gradients flow through it, in loops as well.

Next: ops/tensor_array.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype, int32, int64
from refflow.core.errors import DTypeError
from refflow.core.graph import Tensor
from refflow.core.shapes import Shape, TensorShape
from refflow.ops import tensor_list as lists
from refflow.ops import tensor_list_read as reads


class TensorArray:
    """Tensors of one type, by number.

    size: how many, a number or a scalar tensor; with dynamic_size, writing beyond the end makes it longer.
    infer_shape: all elements have one shape. clear_after_read is taken for the sake of programs that give it.
    """

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Tensor | None = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        name: str | None = None,
    ):
        self._dtype = as_dtype(dtype)
        self._dynamic = bool(dynamic_size)
        self._infer = infer_shape
        self._told: list[Shape] = [TensorShape(element_shape).as_tuple if element_shape is not None else None]
        if flow is not None:
            self._flow = flow
            return
        if size is None and not dynamic_size:
            raise ValueError("size must be given where dynamic_size is not set")
        count = convert_to_tensor(0 if size is None else size, int32, "size")
        self._flow = lists.RESERVE(_shape_tensor(self._element), count, element_dtype=self._dtype,
                                   name=name or tensor_array_name or "TensorArray")  # fmt: skip

    # -- as a part of a structure -----------------------------------------------------------------------

    def _parts(self) -> list[Any]:
        return [self._flow]

    def _with_parts(self, parts: list[Any]) -> TensorArray:
        return self._with(parts[0])

    def _with(self, flow: Any) -> TensorArray:
        found = TensorArray(self._dtype, dynamic_size=self._dynamic, flow=flow, infer_shape=self._infer)
        found._told = self._told
        return found

    @property
    def _element(self) -> Shape:
        """What is known of an element's shape: told to one, it is known to all that came of the same array."""
        return self._told[0]

    def _knowing(self, dims: Shape) -> None:
        """An element has shape `dims`: so have all, unless each has its own."""
        if self._infer:
            if not shapes.compatible(self._element, dims):
                raise ValueError(
                    f"Inconsistent shapes: saw {shapes.text(dims)} but expected {shapes.text(self._element)}"
                )
            self._told[0] = shapes.merge(self._element, dims)

    # -- what is known of it ------------------------------------------------------------------------------

    @property
    def dtype(self) -> Any:
        return self._dtype

    @property
    def flow(self) -> Tensor:
        """The tensor that carries the elements."""
        return self._flow

    @property
    def handle(self) -> Tensor:
        return self._flow

    @property
    def dynamic_size(self) -> bool:
        return self._dynamic

    @property
    def element_shape(self) -> TensorShape:
        return TensorShape._of(self._element)

    def size(self, name: str | None = None) -> Tensor:
        """How many elements there are."""
        return reads.LENGTH(self._flow, name=name)

    def identity(self) -> TensorArray:
        from refflow.ops.array import IDENTITY

        return self._with(IDENTITY(self._flow))

    # -- reading --------------------------------------------------------------------------------------------

    def _read(self, tensor: Tensor, lead: list[int | None]) -> Tensor:
        if self._element is not None:
            tensor.set_shape([*lead, *self._element])
        return tensor

    def read(self, index: Any, name: str | None = None) -> Tensor:
        """The element at `index`; zeros where none was written and the shape is known."""
        index = convert_to_tensor(index, int32, "index")
        item = reads.GET_ITEM(self._flow, index, _shape_tensor(self._element), element_dtype=self._dtype, name=name)
        return self._read(item, [])

    def stack(self, name: str | None = None) -> Tensor:
        """All elements on a new axis in front."""
        found = reads.STACK(self._flow, _shape_tensor(self._element), element_dtype=self._dtype, name=name)
        return self._read(found, [None])

    pack = stack

    def gather(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements with these numbers, on a new axis in front."""
        indices = convert_to_tensor(indices, int32, "indices")
        found = reads.GATHER(self._flow, indices, _shape_tensor(self._element), element_dtype=self._dtype, name=name)
        return self._read(found, [None if indices.dims is None else indices.dims[0]])

    def concat(self, name: str | None = None) -> Tensor:
        """All elements end to end; they may differ in their first axis."""
        element = None if self._element is None else (None, *self._element[1:])
        no_lengths = convert_to_tensor(np.zeros(0, np.int64), int64)
        found = reads.CONCAT_V2(self._flow, _shape_tensor(element), no_lengths, element_dtype=self._dtype, name=name)
        if element is not None:
            found.tensor.set_shape(list(element))
        return found.tensor

    # -- writing --------------------------------------------------------------------------------------------

    def _value(self, value: Any) -> Tensor:
        tensor = convert_to_tensor(value, None if isinstance(value, Tensor) else self._dtype, "value")
        if tensor.dtype.base_dtype is not self._dtype:
            raise DTypeError(f"the TensorArray holds {self._dtype.name}, but value is {tensor.dtype.base_dtype.name}")
        return tensor

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """With `value` at `index`."""
        value = self._value(value)
        self._knowing(value.dims)
        index = convert_to_tensor(index, int32, "index")
        return self._with(lists.SET_ITEM(self._flow, index, value, resize_if_index_out_of_bounds=self._dynamic,
                                         name=name))  # fmt: skip

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """With the rows of `value` for elements."""
        value = self._value(value)
        dims = value.dims
        self._knowing(None if dims is None else dims[1:])
        return self._with(lists.FROM_TENSOR(value, _shape_tensor(self._element), name=name))

    unpack = unstack

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """With the rows of `value` at the places `indices`."""
        value = self._value(value)
        dims = value.dims
        self._knowing(None if dims is None else dims[1:])
        indices = convert_to_tensor(indices, int32, "indices")
        return self._with(lists.SCATTER_INTO(self._flow, value, indices, name=name))

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """With parts of `value`, cut along its first axis, for elements."""
        value = self._value(value)
        lengths = convert_to_tensor(lengths, int64, "lengths")
        whole = None if value.dims is None else (None, *value.dims[1:])
        known = constant_value(lengths)
        same = known is not None and len(set(known.tolist())) == 1
        if whole is not None and self._infer and same:
            self._knowing((int(known[0]), *whole[1:]))
        made = self._with(lists.SPLIT(value, _shape_tensor(whole), lengths, name=name))
        made._infer = self._infer and same
        return made

    def grad(self, source: str, flow: Any = None, name: str | None = None) -> TensorArray:
        raise NotImplementedError("the elements of a TensorArray are part of the graph: use gradients()")

    def close(self, name: str | None = None) -> Any:
        """Nothing has to be closed: an operation that does nothing."""
        from refflow.core.control import no_op

        return no_op(name=name)


def _shape_tensor(dims: Shape) -> Any:
    if dims is None:
        return np.int32(-1)
    return np.array([-1 if d is None else d for d in dims], np.int32)
