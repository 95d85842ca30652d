"""Convolutions of tf.nn in 1.x: windows and strides as numbers or lists, channels last or first.

    conv1d              conv2d of images one row high
    *_transpose         the gradient for the input, of a given shape

Next: compat/v1/spaces.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import _axis
from refflow.compat.v1.derived import derived
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.joining import concat

ONES = (1, 1, 1, 1)


def window(given: Any, data_format: str, rank: int = 4) -> list[int]:
    """A number for each axis, of one number (1 for None), of one for each axis of space, or of one for each."""
    given = 1 if given is None else given
    sizes = [int(s) for s in np.atleast_1d(np.asarray(given, dtype=object))]
    if len(sizes) == rank:
        return sizes
    if len(sizes) not in (1, rank - 2):
        raise ValueError(f"window sizes and strides should be of length 1, {rank - 2} or {rank}, got {len(sizes)}")
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
    form = data_format or "NHWC"
    return op_def("Conv2D")(
        input, _axis(filter, filters), strides=window(strides, form), data_format=form,
        dilations=window(dilations, form), name=name, **_borders(padding),
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


def _row(data_format: str | None) -> tuple[str, int]:
    """(the format of an image one row high, the place of its row's axis) for a format of sequences."""
    forms = {"NWC": ("NHWC", 1), "NHWC": ("NHWC", 1), "NCW": ("NCHW", 2), "NCHW": ("NCHW", 2)}
    if (data_format or "NWC") not in forms:
        raise ValueError(f"data_format must be 'NWC' or 'NCW', got {data_format!r}")
    return forms[data_format or "NWC"]


def conv1d(
    value: Any = None, filters: Any = None, stride: Any = None, padding: Any = None, use_cudnn_on_gpu: Any = None,
    data_format: str | None = None, name: str | None = None, input: Any = None, dilations: Any = None,
) -> Tensor:  # fmt: skip
    """Windows of `value` [..., W, C] times `filters` [k, C, M]: conv2d of images one row high."""
    with op_scope([], name, "conv1d"):
        x = convert_to_tensor(_axis(value, input), name="input")
        form, row = _row(data_format)
        rank = x.get_shape().ndims or 3
        axis = row + rank - 3
        image = op_def("ExpandDims")(x, axis)
        lead = op_def("Shape")(image)[: rank - 2] if rank > 3 else None
        if lead is not None:
            image = op_def("Reshape")(image, concat(0, [[-1], op_def("Shape")(image)[rank - 2 :]]))
        steps = [1, *window(stride, form, 3)[_space(form, 3)]]
        gaps = [1, *window(dilations, form, 3)[_space(form, 3)]]
        found = conv2d(image, op_def("ExpandDims")(filters, 0), steps, padding, data_format=form, dilations=gaps)
        if lead is not None:
            found = op_def("Reshape")(found, concat(0, [lead, op_def("Shape")(found)[1:]]))
        return op_def("Squeeze")(found, squeeze_dims=[axis])


def _space(data_format: str, rank: int) -> slice:
    return slice(2, rank) if data_format.startswith("NC") else slice(1, rank - 1)


def conv3d(
    input: Any, filter: Any = None, strides: Any = None, padding: Any = None, data_format: str = "NDHWC",
    dilations: Any = (1, 1, 1, 1, 1), name: str | None = None, filters: Any = None,
) -> Tensor:  # fmt: skip
    """Windows of `input` [N, D, H, W, C] times `filter` [kd, kh, kw, C, M]."""
    form = data_format or "NDHWC"
    return op_def("Conv3D")(
        input, _axis(filter, filters), strides=window(strides, form, 5), padding=padding,
        data_format=form, dilations=window(dilations, form, 5), name=name,
    )  # fmt: skip


def conv1d_transpose(
    input: Any, filters: Any, output_shape: Any, strides: Any, padding: str = "SAME", data_format: str = "NWC",
    dilations: Any = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The gradient of conv1d for its input, of shape `output_shape`; `filters` is [k, outputs, inputs]."""
    with op_scope([], name, "conv1d_transpose"):
        form, row = _row(data_format)
        steps = [1, *window(strides, form, 3)[_space(form, 3)]]
        gaps = [1, *window(dilations, form, 3)[_space(form, 3)]]
        shape = convert_to_tensor(output_shape, "int32")
        image, kernel = op_def("ExpandDims")(input, row), op_def("ExpandDims")(filters, 0)
        shape = concat(0, [shape[:row], [1], shape[row:]])
        found = conv2d_transpose(image, kernel, shape, steps, padding, form, dilations=gaps)
        return op_def("Squeeze")(found, squeeze_dims=[row])


def conv2d_transpose(
    value: Any = None, filter: Any = None, output_shape: Any = None, strides: Any = None, padding: Any = "SAME",
    data_format: str = "NHWC", name: str | None = None, input: Any = None, filters: Any = None, dilations: Any = None,
) -> Tensor:  # fmt: skip
    """The gradient of conv2d for its input, of shape `output_shape`; `filter` is [kh, kw, outputs, inputs]."""
    form = data_format or "NHWC"
    return op_def("Conv2DBackpropInput")(
        output_shape, _axis(filter, filters), _axis(value, input), data_format=form,
        strides=window(strides, form), dilations=window(dilations, form),
        name=name or "conv2d_transpose", **_borders(padding),
    )  # fmt: skip


def conv3d_transpose(
    value: Any, filter: Any = None, output_shape: Any = None, strides: Any = None, padding: str = "SAME",
    data_format: str = "NDHWC", name: str | None = None, input: Any = None, filters: Any = None, dilations: Any = None,
) -> Tensor:  # fmt: skip
    """The gradient of conv3d for its input, of shape `output_shape`; `filter` is [kd, kh, kw, outputs, inputs]."""
    form = data_format or "NDHWC"
    return op_def("Conv3DBackpropInputV2")(
        output_shape, _axis(filter, filters), _axis(value, input), padding=padding, data_format=form,
        strides=window(strides, form, 5),
        dilations=window(dilations, form, 5), name=name or "conv3d_transpose",
    )  # fmt: skip


def conv_transpose(
    input: Any, filters: Any, output_shape: Any, strides: Any, padding: str = "SAME", data_format: str | None = None,
    dilations: Any = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The transposed convolution over as many axes of space as `output_shape` has, one to three."""
    with op_scope([], name, "conv_transpose"):
        size = convert_to_tensor(output_shape).get_shape()[0].value
        if size not in (3, 4, 5):
            raise ValueError(f"output_shape must be a tensor or list of 3, 4 or 5 sizes, got {size}")
        one, form = ((conv1d_transpose, "NWC"), (conv2d_transpose, "NHWC"), (conv3d_transpose, "NDHWC"))[size - 3]
        return one(input, filters, output_shape, strides, padding, data_format or form, dilations=dilations)


conv3d_backprop_filter = conv3d_backprop_filter_v2 = derived(
    "Conv3DBackpropFilterV2", "conv3d_backprop_filter",
    "input, filter_sizes, out_backprop, strides, padding, data_format, dilations, name")  # fmt: skip


def depthwise_conv2d(
    input: Any, filter: Any, strides: Sequence[int], padding: Any, rate: Any = None, name: str | None = None,
    data_format: str | None = None, dilations: Any = None,
) -> Tensor:  # fmt: skip
    """Each channel with its own filters [kh, kw, C, M]; `rate`: the distance of a window's cells."""
    form, rate = data_format or "NHWC", _axis(rate, dilations)
    with op_scope([], name, "depthwise"):
        return depthwise_conv2d_native(input, filter, list(strides), padding, form,
                                       window(rate, form))  # fmt: skip


def depthwise_conv2d_native(
    input: Any, filter: Any, strides: Sequence[int], padding: Any, data_format: str = "NHWC", dilations: Any = ONES,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The op DepthwiseConv2dNative: each channel with its own filters."""
    return op_def("DepthwiseConv2dNative")(input, filter, strides=list(strides), data_format=data_format,
                                           dilations=list(dilations), name=name, **_borders(padding))  # fmt: skip


def depthwise_conv2d_native_backprop_input(
    input_sizes: Any, filter: Any, out_backprop: Any, strides: Sequence[int], padding: Any, data_format: str = "NHWC",
    dilations: Any = ONES, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The gradient of depthwise_conv2d for an input of shape `input_sizes`."""
    return op_def("DepthwiseConv2dNativeBackpropInput")(
        input_sizes, filter, out_backprop, strides=list(strides), data_format=data_format, dilations=list(dilations),
        name=name, **_borders(padding),
    )  # fmt: skip


def depthwise_conv2d_native_backprop_filter(
    input: Any, filter_sizes: Any, out_backprop: Any, strides: Sequence[int], padding: Any, data_format: str = "NHWC",
    dilations: Any = ONES, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The gradient of depthwise_conv2d for a filter of shape `filter_sizes`."""
    return op_def("DepthwiseConv2dNativeBackpropFilter")(
        input, filter_sizes, out_backprop, strides=list(strides), data_format=data_format, dilations=list(dilations),
        name=name, **_borders(padding),
    )  # fmt: skip


depthwise_conv2d_backprop_input = depthwise_conv2d_native_backprop_input
depthwise_conv2d_backprop_filter = depthwise_conv2d_native_backprop_filter


def separable_conv2d(
    input: Any, depthwise_filter: Any, pointwise_filter: Any, strides: Sequence[int], padding: Any, rate: Any = None,
    name: str | None = None, data_format: str | None = None, dilations: Any = None,
) -> Tensor:  # fmt: skip
    """A depthwise convolution, then one of 1 x 1 windows that mixes the channels."""
    rate, pointwise_filter = _axis(rate, dilations), convert_to_tensor(pointwise_filter)
    with op_scope([], name, "separable_conv2d"):
        shape = pointwise_filter.get_shape().with_rank(4).as_list()
        if shape[:2] != [1, 1] and None not in shape[:2]:
            raise ValueError(f"pointwise_filter must have the spatial shape 1 x 1, got {shape[:2]}")
        apart = depthwise_conv2d(input, depthwise_filter, strides, padding, rate, data_format=data_format)
        return conv2d(apart, pointwise_filter, ONES, "VALID", data_format=data_format or "NHWC")


def _dilation2d(x: Any, kernel: Any, strides: Any, rates: Any, padding: Any, name: str | None) -> Tensor:
    return op_def("Dilation2D")(x, kernel, strides=list(strides), rates=list(rates), padding=padding, name=name)


def dilation2d(
    input: Any, filter: Any = None, strides: Any = None, rates: Any = None, padding: Any = None,
    name: str | None = None, filters: Any = None, dilations: Any = None,
) -> Tensor:  # fmt: skip
    """The largest of image plus filter in each window, channel by channel."""
    return _dilation2d(input, _axis(filter, filters), strides, _axis(rates, dilations), padding, name)


def erosion2d(value: Any, kernel: Any, strides: Any, rates: Any, padding: str, name: str | None = None) -> Tensor:
    """The least of image minus kernel in each window: the dilation of what is negated, by the kernel turned about."""
    with op_scope([], name, "erosion2d") as scope:
        turned = op_def("ReverseV2")(kernel, np.array([0, 1], np.int32))
        return op_def("Neg")(_dilation2d(-convert_to_tensor(value), turned, strides, rates, padding, None), name=scope)


def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """`bias` [C] added along the channels of `value`."""
    form = data_format or "NHWC"
    if not form.startswith("NC") and not (form.startswith("N") and form.endswith("C")):
        raise ValueError(f"data_format must be of the form `N...C` or `NC...`, got {data_format}")
    with op_scope([], name, "BiasAdd") as scope:
        return op_def("BiasAdd")(value, bias, data_format="NCHW" if form.startswith("NC") else "NHWC", name=scope)
