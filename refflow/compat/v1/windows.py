"""Convolutions and pools of tf.nn in 1.x: windows and strides as numbers or lists, channels last or first.

Next: compat/v1/nn.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.compat.v1.arrays import _axis
from refflow.core.convert import op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def

ONES = (1, 1, 1, 1)


def window(given: Any, data_format: str, rank: int = 4) -> list[int]:
    """A number for each axis, of one number, of one for each axis of space, or of one for each."""
    sizes = [given] if isinstance(given, int) else list(given)
    if len(sizes) == rank:
        return sizes
    sizes = sizes * (rank - 2) if len(sizes) == 1 else sizes
    return [1, 1, *sizes] if data_format.startswith("NC") else [1, *sizes, 1]


def _borders(padding: Any) -> dict[str, Any]:
    """The attributes that say how an image is padded: a word, or pairs of numbers for each axis."""
    if padding is None or isinstance(padding, str):
        return {"padding": padding}
    return {"padding": "EXPLICIT", "explicit_paddings": [int(n) for pair in padding for n in pair]}


def conv2d(
    input: Any, filter: Any = None, strides: Any = None, padding: Any = None, use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC", dilations: Any = ONES, name: str | None = None, filters: Any = None,
) -> Tensor:  # fmt: skip
    """Windows of `input` [N, H, W, C] times `filter` [kh, kw, C, M]."""
    return op_def("Conv2D")(
        input, _axis(filter, filters), strides=window(strides, data_format), data_format=data_format,
        dilations=window(dilations, data_format), name=name, **_borders(padding),
    )  # fmt: skip


def conv2d_backprop_input(
    input_sizes: Any, filter: Any = None, out_backprop: Any = None, strides: Any = None, padding: Any = None,
    use_cudnn_on_gpu: bool = True, data_format: str = "NHWC", dilations: Any = ONES, name: str | None = None,
    filters: Any = None,
) -> Tensor:  # fmt: skip
    """The gradient of conv2d for an input of shape `input_sizes`, from that of its output."""
    return op_def("Conv2DBackpropInput")(
        input_sizes, _axis(filter, filters), out_backprop, strides=window(strides, data_format),
        data_format=data_format, dilations=window(dilations, data_format), name=name, **_borders(padding),
    )  # fmt: skip


def conv2d_backprop_filter(
    input: Any, filter_sizes: Any, out_backprop: Any, strides: Any, padding: Any, use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC", dilations: Any = ONES, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The gradient of conv2d for a filter of shape `filter_sizes`, from that of its output."""
    return op_def("Conv2DBackpropFilter")(
        input, filter_sizes, out_backprop, strides=window(strides, data_format), data_format=data_format,
        dilations=window(dilations, data_format), name=name, **_borders(padding),
    )  # fmt: skip


def conv1d(
    value: Any, filters: Any, stride: int, padding: str, data_format: str = "NWC", name: str | None = None
) -> Tensor:
    """Windows of `value` [N, W, C] times `filters` [k, C, M]: conv2d of images one row high."""
    if data_format not in ("NWC", "NHWC"):
        raise ValueError(f"conv1d takes NWC here, got {data_format}")
    with op_scope([], name, "conv1d"):
        image = op_def("ExpandDims")(value, 1)
        return op_def("Squeeze")(conv2d(image, op_def("ExpandDims")(filters, 0), [1, 1, stride, 1], padding),
                                 squeeze_dims=[1])  # fmt: skip


def conv3d(
    input: Any, filter: Any, strides: Sequence[int], padding: str, data_format: str = "NDHWC",
    dilations: Sequence[int] = (1, 1, 1, 1, 1), name: str | None = None,
) -> Tensor:  # fmt: skip
    """Windows of `input` [N, D, H, W, C] times `filter` [kd, kh, kw, C, M]."""
    return op_def("Conv3D")(input, filter, strides=list(strides), padding=padding, data_format=data_format,
                            dilations=list(dilations), name=name)  # fmt: skip


def conv2d_transpose(
    value: Any = None, filter: Any = None, output_shape: Any = None, strides: Any = None, padding: str = "SAME",
    data_format: str = "NHWC", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The gradient of conv2d for its input, of shape `output_shape`; `filter` is [kh, kw, outputs, inputs]."""
    return op_def("Conv2DBackpropInput")(
        output_shape, filter, value, strides=window(strides, data_format), padding=padding, data_format=data_format,
        name=name,
    )  # fmt: skip


def depthwise_conv2d(
    input: Any, filter: Any, strides: Sequence[int], padding: str, rate: Any = None, name: str | None = None,
    data_format: str = "NHWC",
) -> Tensor:  # fmt: skip
    """Each channel with its own filters [kh, kw, C, M]; `rate`: the distance of a window's cells."""
    return op_def("DepthwiseConv2dNative")(
        input, filter, strides=list(strides), padding=padding, data_format=data_format,
        dilations=window(rate or (1, 1), data_format), name=name,
    )  # fmt: skip


def separable_conv2d(
    input: Any, depthwise_filter: Any, pointwise_filter: Any, strides: Sequence[int], padding: str, rate: Any = None,
    name: str | None = None, data_format: str = "NHWC",
) -> Tensor:  # fmt: skip
    """A depthwise convolution, then one of 1 x 1 windows that mixes the channels."""
    with op_scope([], name, "separable_conv2d"):
        apart = depthwise_conv2d(input, depthwise_filter, strides, padding, rate, data_format=data_format)
        return conv2d(apart, pointwise_filter, ONES, "VALID", data_format=data_format)


def _pool(op: str, value: Any, ksize: Any, strides: Any, padding: str, data_format: str, name: str | None) -> Tensor:
    return op_def(op)(value, ksize=window(ksize, data_format), strides=window(strides, data_format), padding=padding,
                      data_format=data_format, name=name)  # fmt: skip


def max_pool(
    value: Any = None, ksize: Any = None, strides: Any = None, padding: Any = None, data_format: str = "NHWC",
    name: str | None = None, input: Any = None,
) -> Tensor:  # fmt: skip
    """The largest of each window."""
    return _pool("MaxPool", _axis(value, input), ksize, strides, padding, data_format, name)


def max_pool_with_argmax(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NHWC", Targmax: Any = None,
    name: str | None = None, output_dtype: Any = None, include_batch_in_index: bool = False,
) -> Any:  # fmt: skip
    """(output, argmax): the largest of each window, and its cell's number (y * W + x) * C + c."""
    if data_format != "NHWC":
        raise ValueError(f"Attr 'data_format' of 'MaxPoolWithArgmax' must be NHWC, got {data_format}")
    return op_def("MaxPoolWithArgmax")(
        input, ksize=window(ksize, data_format), strides=window(strides, data_format), padding=padding,
        Targmax=_axis(Targmax, output_dtype) or "int64", include_batch_in_index=include_batch_in_index, name=name,
    )  # fmt: skip


def avg_pool(
    value: Any = None, ksize: Any = None, strides: Any = None, padding: Any = None, data_format: str = "NHWC",
    name: str | None = None, input: Any = None,
) -> Tensor:  # fmt: skip
    """The mean of the real cells of each window."""
    return _pool("AvgPool", _axis(value, input), ksize, strides, padding, data_format, name)


def bias_add(value: Any, bias: Any, data_format: str = "NHWC", name: str | None = None) -> Tensor:
    """`bias` [C] added along the channels of `value`."""
    kind = "NCHW" if (data_format or "").startswith("NC") else "NHWC"
    return op_def("BiasAdd")(value, bias, data_format=kind, name=name)
