"""Layers of windows over one to three axes of space, their ways back, and those that take each channel by itself.

    kernel [sizes..., channels, filters]; of the ways back [sizes..., filters, channels]

Next: compat/v1/layers/pooling.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1 import nn
from refflow.compat.v1.layers.base import ZEROS, Layer, functional
from refflow.compat.v1.layers.input_spec import InputSpec
from refflow.compat.v1.windows import window
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.array import shape
from refflow.ops.joining import pack

_FORMS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


def sizes_of(given: Any, rank: int, name: str) -> tuple[int, ...]:
    """A number for each axis of space."""
    if isinstance(given, int):
        return (given,) * rank
    found = tuple(given) if isinstance(given, (list, tuple)) else ()
    if len(found) != rank or not all(isinstance(n, int) for n in found):
        raise ValueError(f"The `{name}` argument must be a tuple of {rank} integers. Received: {given}")
    return found


def form_of(data_format: str, rank: int) -> str:
    """channels_last or channels_first in letters."""
    words = ("channels_last", "channels_first")
    if str(data_format).lower() not in words:
        raise ValueError('The `data_format` argument must be one of "channels_first", "channels_last". '
                         f"Received: {data_format}")  # fmt: skip
    return _FORMS[rank][words.index(data_format.lower())]


def padding_of(padding: str) -> str:
    """valid or same in capitals."""
    if str(padding).lower() not in ("valid", "same"):
        raise ValueError(f'The `padding` argument must be one of "valid", "same". Received: {padding}')
    return padding.upper()


def length(size: int | None, window: int, padding: str, stride: int, gap: int = 1) -> int | None:
    """How many windows there are along an axis."""
    if size is None:
        return None
    if padding == "VALID":
        size = size - (window - 1) * gap
    return -(-size // stride)


class _Conv(Layer):
    """What convolutions over `rank` axes of space share."""

    rank = 2

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
        data_format: str = "channels_last", dilation_rate: Any = 1, activation: Any = None, use_bias: bool = True,
        kernel_initializer: Any = None, bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
        kernel_constraint: Any = None, bias_constraint: Any = None, trainable: bool = True, name: str | None = None,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(trainable, name, activity_regularizer=activity_regularizer, **kwargs)
        self.filters, self.kernel_size = int(filters), sizes_of(kernel_size, self.rank, "kernel_size")
        self.strides = sizes_of(strides, self.rank, "strides")
        self.dilation_rate = sizes_of(dilation_rate, self.rank, "dilation_rate")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(f"`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: "
                             f"strides={strides} and dilation_rate={dilation_rate}")  # fmt: skip
        self._form, self._padding = form_of(data_format, self.rank), padding_of(padding)
        self.padding, self.data_format = padding, data_format
        self.activation, self.use_bias = activation, use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _channels(self, input_shape: TensorShape) -> int:
        axis = 1 if self._form.startswith("NC") else -1
        channels = input_shape[axis].value
        if channels is None:
            raise ValueError("The channel dimension of the inputs should be defined. Found `None`.")
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        return channels

    def _kernel_shape(self, channels: int) -> list[int]:
        return [*self.kernel_size, channels, self.filters]

    def build(self, input_shape: TensorShape) -> None:
        self.kernel = self.add_weight("kernel", self._kernel_shape(self._channels(input_shape)), None,
                                      self.kernel_initializer, self.kernel_regularizer, True,
                                      self.kernel_constraint)  # fmt: skip
        self._build_bias()
        self.built = True

    def _build_bias(self) -> None:
        self.bias: Any = None
        if self.use_bias:
            self.bias = self.add_weight("bias", [self.filters], None, self.bias_initializer, self.bias_regularizer,
                                        True, self.bias_constraint)  # fmt: skip

    def _convolved(self, inputs: Tensor) -> Tensor:
        return nn.convolution(inputs, self.kernel, self._padding, list(self.strides), list(self.dilation_rate),
                              data_format=self._form)  # fmt: skip

    def call(self, inputs: Tensor) -> Tensor:
        found = self._convolved(inputs)
        if self.use_bias:
            found = nn.bias_add(found, self.bias, data_format="NCHW" if self._form.startswith("NC") else "NHWC")
        return found if self.activation is None else self.activation(found)

    def _space(self, sizes: list[int | None]) -> list[int | None]:
        rows = zip(sizes, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return [length(n, k, self._padding, s, d) for n, k, s, d in rows]

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = TensorShape(input_shape).as_list()
        if self._form.startswith("NC"):
            return TensorShape([sizes[0], self.filters, *self._space(sizes[2:])])
        return TensorShape([sizes[0], *self._space(sizes[1:-1]), self.filters])


class Conv1D(_Conv):
    """`filters` convolutions over [N, W, C] with windows of `kernel_size`."""

    rank = 1


class Conv2D(_Conv):
    """`filters` convolutions over images [N, H, W, C] with windows of `kernel_size`."""

    rank = 2


class Conv3D(_Conv):
    """`filters` convolutions over volumes [N, D, H, W, C] with windows of `kernel_size`."""

    rank = 3


class _Transposed(_Conv):
    """The way back of a convolution: larger, of `filters` channels."""

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
        data_format: str = "channels_last", activation: Any = None, use_bias: bool = True,
        kernel_initializer: Any = None, bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
        kernel_constraint: Any = None, bias_constraint: Any = None, trainable: bool = True, name: str | None = None,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(
            filters, kernel_size, strides, padding, data_format, 1, activation, use_bias, kernel_initializer,
            bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint,
            bias_constraint, trainable, name, **kwargs,
        )  # fmt: skip

    def _kernel_shape(self, channels: int) -> list[int]:
        return [*self.kernel_size, self.filters, channels]

    def _space(self, sizes: list[Any]) -> list[Any]:
        rows = zip(sizes, self.kernel_size, self.strides, strict=True)
        valid = self._padding == "VALID"
        return [None if n is None else n * s + (max(k - s, 0) if valid else 0) for n, k, s in rows]

    def _convolved(self, inputs: Tensor) -> Tensor:
        known, sizes = self.compute_output_shape(inputs.get_shape()), shape(inputs)
        first = 2 if self._form.startswith("NC") else 1
        space = self._space([sizes[first + i] for i in range(self.rank)])
        told = [sizes[0], self.filters, *space] if first == 2 else [sizes[0], *space, self.filters]
        target = [t if n is None else n for n, t in zip(known.as_list(), told, strict=True)]
        whole = pack(target) if any(isinstance(t, Tensor) for t in target) else target
        back = nn.conv2d_transpose if self.rank == 2 else nn.conv3d_transpose
        found = back(inputs, self.kernel, whole, window(self.strides, self._form, self.rank + 2), self._padding,
                     data_format=self._form)  # fmt: skip
        found.set_shape(known)
        return found


class Conv2DTranspose(_Transposed):
    """The way back of a convolution: larger images of `filters` channels."""

    rank = 2


class Conv3DTranspose(_Transposed):
    """The way back of a convolution: larger volumes of `filters` channels."""

    rank = 3


class _Separable(_Conv):
    """Each channel with filters of its own, then a mixture of the channels."""

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
        data_format: str = "channels_last", dilation_rate: Any = 1, depth_multiplier: int = 1, activation: Any = None,
        use_bias: bool = True, depthwise_initializer: Any = None, pointwise_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        depthwise_regularizer: Any = None, pointwise_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, depthwise_constraint: Any = None, pointwise_constraint: Any = None,
        bias_constraint: Any = None, trainable: bool = True, name: str | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, None,
            bias_initializer, None, bias_regularizer, activity_regularizer, None, bias_constraint, trainable, name,
            **kwargs,
        )  # fmt: skip
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer, self.pointwise_initializer = depthwise_initializer, pointwise_initializer
        self.depthwise_regularizer, self.pointwise_regularizer = depthwise_regularizer, pointwise_regularizer
        self.depthwise_constraint, self.pointwise_constraint = depthwise_constraint, pointwise_constraint

    def build(self, input_shape: TensorShape) -> None:
        channels = self._channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            "depthwise_kernel", [*self.kernel_size, channels, self.depth_multiplier], None, self.depthwise_initializer,
            self.depthwise_regularizer, True, self.depthwise_constraint,
        )  # fmt: skip
        self.pointwise_kernel = self.add_weight(
            "pointwise_kernel", [1] * self.rank + [channels * self.depth_multiplier, self.filters], None,
            self.pointwise_initializer, self.pointwise_regularizer, True, self.pointwise_constraint,
        )  # fmt: skip
        self._build_bias()
        self.built = True

    def _convolved(self, inputs: Tensor) -> Tensor:
        if self.rank == 2:
            return nn.separable_conv2d(inputs, self.depthwise_kernel, self.pointwise_kernel,
                                       window(self.strides, self._form), self._padding, list(self.dilation_rate),
                                       data_format=self._form)  # fmt: skip
        row = 2 if self._form == "NCW" else 1  # images one row high
        form, expand = ("NCHW" if row == 2 else "NHWC"), op_def("ExpandDims")
        found = nn.separable_conv2d(
            expand(inputs, row), expand(self.depthwise_kernel, 0), expand(self.pointwise_kernel, 0),
            window(self.strides * 2, form), self._padding, [1, *self.dilation_rate], data_format=form,
        )  # fmt: skip
        return op_def("Squeeze")(found, squeeze_dims=[row])


class SeparableConv1D(_Separable):
    """Each channel of [N, W, C] with filters of its own, then a mixture of the channels."""

    rank = 1


class SeparableConv2D(_Separable):
    """Each channel of [N, H, W, C] with filters of its own, then a mixture of the channels."""

    rank = 2


conv1d, conv2d, conv3d = functional("conv1d", Conv1D), functional("conv2d", Conv2D), functional("conv3d", Conv3D)
conv2d_transpose = functional("conv2d_transpose", Conv2DTranspose)
conv3d_transpose = functional("conv3d_transpose", Conv3DTranspose)
separable_conv1d = functional("separable_conv1d", SeparableConv1D)
separable_conv2d = functional("separable_conv2d", SeparableConv2D)
