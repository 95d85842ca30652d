"""1.x's TensorArray: a place behind a handle, whose elements are written once and, unless it is told, read once [W43].

    a = TensorArray(tf.float32, size=3)          TensorArrayV3: a handle, and a flow
    a = a.write(0, x)                            TensorArrayWriteV3, which gives the flow that comes after it
    a.read(0), a.stack(), a.gather([0, 2])       wait for the flow that they are given

A TensorArray in Python is the handle and the flow after the last change. Loops and branches carry the flow.

After enable_control_flow_v2() it is the list of ops/tensor_array_class.py, as in TensorFlow.

Next: ops/tensor_array_gradients.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from refflow.compat.v1.function import control_flow_v2_enabled
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, int32, int64
from refflow.core.graph import Tensor, colocate_with, control_dependencies, device, get_default_graph
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops import tensor_array as ops
from refflow.ops import tensor_array_class as lists

__all__ = ["TensorArray"]


class _Either(type):
    def __instancecheck__(cls, value: Any) -> bool:
        """A list is one too: loops of this library give lists."""
        return super().__instancecheck__(value) or isinstance(value, lists.TensorArray)


class TensorArray(metaclass=_Either):
    """Tensors of one type, by number.

    size: how many, a number or a scalar; with dynamic_size, a write beyond the end makes it longer.
    clear_after_read: what was read is gone, by default. handle, flow: those of an array that is there.
    infer_shape: all elements have one shape; element_shape: what is known of it.
    colocate_with_first_write_call: it lives on the device of what is written first.

    Raises ValueError where size, or what goes with a handle, is missing or too much, and for elements whose shapes
    are known not to fit; while running, InvalidArgumentError for what cannot be read or written.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if not control_flow_v2_enabled():
            return object.__new__(cls)
        kwargs.pop("colocate_with_first_write_call", None)
        return lists.TensorArray(*args, **kwargs)

    def __init__(
        self, dtype: Any, size: Any = None, dynamic_size: bool | None = None, clear_after_read: bool | None = None,
        tensor_array_name: str | None = None, handle: Any = None, flow: Any = None, infer_shape: bool = True,
        element_shape: Any = None, colocate_with_first_write_call: bool = True, name: str | None = None,
    ):  # fmt: skip
        more = {"size": size, "element_shape": element_shape, "dynamic_size": dynamic_size,
                "clear_after_read": clear_after_read}  # fmt: skip
        _check(handle, flow, tensor_array_name, more)
        self._dtype = as_dtype(dtype).base_dtype
        self._dynamic, self._size, self._infer = bool(dynamic_size), size, infer_shape
        self._told = [TensorShape(element_shape)]  # shared by all that come of this one
        self._beside: list[Any] | None = [] if colocate_with_first_write_call else None
        given = [x for x in (handle, size, flow) if isinstance(x, Tensor)]
        with op_scope(given, name, "TensorArray") as scope:
            if handle is not None:
                self._handle, self._flow = handle, flow
                return
            with _anywhere() if colocate_with_first_write_call else nullcontext():
                made = ops.TENSOR_ARRAY(
                    convert_to_tensor(size, int32, "size"), dtype=self._dtype, element_shape=self._told[0],
                    identical_element_shapes=infer_shape, dynamic_size=self._dynamic,
                    clear_after_read=clear_after_read is not False, tensor_array_name=tensor_array_name or "",
                    name=scope,
                )  # fmt: skip
        self._handle, self._flow = made.handle, made.flow

    # -- as a part of a structure -----------------------------------------------------------------------

    def _parts(self) -> list[Any]:
        return [self._flow]

    def _with_parts(self, parts: list[Any]) -> TensorArray:
        return self._after(parts[0])

    def _after(self, flow: Any) -> TensorArray:
        """The same array, after what gives `flow`."""
        found = object.__new__(TensorArray)
        found.__dict__.update(self.__dict__, _flow=flow)
        return found

    # -- what is known of it ------------------------------------------------------------------------------

    @property
    def dtype(self) -> Any:
        return self._dtype

    @property
    def flow(self) -> Tensor:
        """The tensor that the next use has to wait for."""
        return self._flow

    @property
    def handle(self) -> Tensor:
        """What stands for the array while a step runs."""
        return self._handle

    @property
    def dynamic_size(self) -> bool:
        return self._dynamic

    @property
    def element_shape(self) -> TensorShape:
        return self._told[0]

    def size(self, name: str | None = None) -> Tensor:
        """How many elements there are."""
        if not self._dynamic and self._size is not None:
            return convert_to_tensor(self._size, int32)
        return ops.SIZE(self._handle, self._flow, name=name)

    def identity(self) -> TensorArray:
        """The same, after what control dependencies say."""
        return self._after(op_def("Identity")(self._flow))

    def _knowing(self, shape: TensorShape) -> None:
        """An element has this shape: so have all, unless each has its own."""
        if not shape.is_compatible_with(self.element_shape):
            raise ValueError(f"Inconsistent shapes: saw {_shown(shape)} but expected {_shown(self.element_shape)}")
        if self._infer:
            self._told[0] = self.element_shape.merge_with(shape)

    # -- reading --------------------------------------------------------------------------------------------

    def read(self, index: Any, name: str | None = None) -> Tensor:
        """The element at `index`."""
        value = ops.READ(self._handle, index, self._flow, dtype=self._dtype, name=name)
        value.set_shape(self.element_shape)
        return value

    def stack(self, name: str | None = None) -> Tensor:
        """All elements on a new axis in front."""
        with colocate_with(self._handle), op_scope([self._handle], name, "TensorArrayStack"):
            value = self.gather(op_def("Range")(0, self.size(), 1), name=name)
            if self.element_shape and not self._dynamic and self._size is not None:
                known = constant_value(convert_to_tensor(self._size, int32))
                value.set_shape([None if known is None else int(known), *self.element_shape.as_list()])
            return value

    pack = stack

    def gather(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements with these numbers, on a new axis in front."""
        value = ops.GATHER(self._handle, indices, self._flow, dtype=self._dtype, element_shape=self.element_shape,
                           name=name)  # fmt: skip
        if self.element_shape:
            value.set_shape([None, *self.element_shape.as_list()])
        return value

    def concat(self, name: str | None = None) -> Tensor:
        """All elements end to end; they may differ in their first axis."""
        rest = self.element_shape[1:]
        value = ops.CONCAT(self._handle, self._flow, dtype=self._dtype, element_shape_except0=rest, name=name).value
        if self.element_shape.ndims:
            each = self.element_shape.as_list()[0]
            count = constant_value(self.size()) if self._infer else None
            value.set_shape([None if count is None or each is None else int(count) * each, *rest.as_list()])
        return value

    # -- writing --------------------------------------------------------------------------------------------

    def _value(self, value: Any) -> Tensor:
        if isinstance(value, (Tensor, np.ndarray)):
            return convert_to_tensor(value, name="value")
        try:
            return convert_to_tensor(value, self._dtype, "value")
        except (TypeError, ValueError):
            return convert_to_tensor(value, name="value")  # the write says that it does not fit

    @contextmanager
    def _near(self, value: Tensor) -> Iterator[None]:
        """Where the first value is that was written."""
        if self._beside is None:
            yield
            return
        if not self._beside:
            self._beside.append(value)
        with colocate_with(self._beside[0]):
            yield

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """With `value` at `index`."""
        with op_scope([self._handle], name, "TensorArrayWrite"):
            value = self._value(value)
            self._knowing(value.get_shape())
            with self._near(value):
                return self._after(ops.WRITE(self._handle, index, value, self._flow, name=name))

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """With the rows of `value` for elements."""
        with op_scope([self._handle], name, "TensorArrayUnstack"):
            value = self._value(value)
            if value.get_shape().ndims == 0:
                raise ValueError("a TensorArray is made of the rows of a tensor, but value is a scalar")
            count = op_def("StridedSlice")(op_def("Shape")(value), [0], [1], [1], shrink_axis_mask=1)
            return self.scatter(op_def("Range")(0, count, 1), value, name=name)

    unpack = unstack

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """With the rows of `value` at the places `indices`."""
        with op_scope([self._handle], name, "TensorArrayScatter"):
            value = self._value(value)
            self._knowing(value.get_shape()[1:])
            with self._near(value):
                return self._after(ops.SCATTER(self._handle, indices, value, self._flow, name=name))

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """With parts of `value`, cut along its first axis, for elements."""
        with op_scope([self._handle], name, "TensorArraySplit"):
            value = convert_to_tensor(value, self._dtype, "value")
            with self._near(value):
                lengths = op_def("Cast")(convert_to_tensor(lengths), DstT=int64)
                known, shape = constant_value(lengths), value.get_shape()
                if shape.ndims is not None and known is not None and known.ndim and len(set(known.tolist())) == 1:
                    self._knowing(TensorShape([int(known[0])]).concatenate(shape[1:]))
                return self._after(ops.SPLIT(self._handle, value, lengths, self._flow, name=name))

    # -- the rest -------------------------------------------------------------------------------------------

    def grad(self, source: str, flow: Any = None, name: str | None = None) -> TensorArray:
        """The array that collects the gradients which `source` sends to this one's elements: writes add up."""
        flow = self._flow if flow is None else flow
        with op_scope([self._handle], name, "TensorArrayGrad"), colocate_with(self._handle):
            handle = op_def("TensorArrayGradV3")(self._handle, flow, source=source, name=name).grad_handle
            with control_dependencies([handle]):
                flow = op_def("Identity")(flow, name="gradient_flow")
            found = TensorArray(self._dtype, handle=handle, flow=flow, infer_shape=self._infer,
                                colocate_with_first_write_call=False)  # fmt: skip
            found._told = self._told
            return found

    def close(self, name: str | None = None) -> Any:
        """An operation after which the array cannot be used."""
        return ops.CLOSE(self._handle, name=name)


def _check(handle: Any, flow: Any, tensor_array_name: str | None, more: dict[str, Any]) -> None:
    """What may be given together: a handle says all the rest."""
    if handle is None:
        if more["size"] is None:
            raise ValueError("Argument `size` must be provided if handle is not provided.")
        return
    if tensor_array_name:
        raise ValueError("Cannot provide both `handle` and `tensor_array_name` arguments at the same time.")
    if not isinstance(handle, Tensor):
        raise TypeError(f"Expected `handle` to be a Tensor, but got `{handle}` of type `{type(handle)}` instead.")
    for argument, value in more.items():
        if value is not None:
            raise ValueError(f"Cannot provide both a `handle` and `{argument}` arguments at the same time.")
    if flow is None:
        raise ValueError("flow must not be None if handle is not None.")


@contextmanager
def _anywhere() -> Iterator[None]:
    """Where no device scope and no colocation holds."""
    with device(None), get_default_graph().colocate_with(None, ignore_existing=True):
        yield


def _shown(shape: TensorShape) -> str:
    return "<unknown>" if shape.ndims is None else str(tuple(shape.as_list()))
