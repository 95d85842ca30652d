"""Depthwise convolution: every channel has filters of its own.

    y[n, o, c * M + m] = sum over places p of  x[n, o * stride + p * dilation - before, c] * w[p, c, m]

Next: ops/pool.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes, work
from refflow.core.dtypes import FLOATS
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import either, of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import wide
from refflow.ops import conv_checks as checks
from refflow.ops.array import shape
from refflow.ops.constant import shape_from
from refflow.ops.conv import PADDINGS, register_with_attrs
from refflow.ops.windows import (
    Window,
    as_format,
    channel_axis,
    channels_last,
    cropped,
    explicit_pairs,
    padded,
    places,
    shaped,
    sizes_out,
    spatial,
    windows,
)

_ATTRS: dict[str, Any] = {
    "T": FLOATS, "strides": Attr("list(int)"), "padding": PADDINGS,
    "explicit_paddings": Attr("list(int)", default=[]),
    "data_format": Attr("string", default="NHWC", allowed=("NHWC", "NCHW")),
    "dilations": Attr("list(int)", default=[1, 1, 1, 1]), "accuracy": "dot", "source": ("W74",),
}  # fmt: skip
_NAMES = ["strides", "padding", "explicit_paddings", "data_format", "dilations"]
DEPTHWISE = define_op("DepthwiseConv2dNative", "input: T, filter: T -> output: T", **_ATTRS)
TO_INPUT = define_op("DepthwiseConv2dNativeBackpropInput",
                     "input_sizes: int32, filter: T, out_backprop: T -> output: T", **_ATTRS)  # fmt: skip
TO_FILTER = define_op("DepthwiseConv2dNativeBackpropFilter",
                      "input: T, filter_sizes: int32, out_backprop: T -> output: T", **_ATTRS)  # fmt: skip


def _axes(dims: Any, ks: Any, attrs: dict[str, Any]) -> list[Window]:
    layout = attrs["data_format"]
    return windows(dims, ks, spatial(attrs["strides"], layout), spatial(attrs["dilations"], layout), attrs["padding"],
                   explicit_pairs(attrs["explicit_paddings"], layout))  # fmt: skip


def depthwise_kernel(input, filter, **attrs):
    layout = attrs["data_format"]
    x, w = wide(channels_last(input, layout)), wide(filter)
    axes = _axes(x.shape[1:-1], w.shape[:2], attrs)
    image = padded(x, axes)
    total = np.zeros((len(x), *(a.out for a in axes), *w.shape[2:]), x.dtype)
    for at, view in places(axes):
        total += image[view][..., None] * w[at]
    return as_format(total.reshape(*total.shape[:3], w.shape[2] * w.shape[3]).astype(input.dtype, copy=False), layout)


def to_input_kernel(input_sizes, filter, out_backprop, **attrs):
    layout = attrs["data_format"]
    dims = [int(s) for s in input_sizes]
    w, dy = wide(filter), wide(channels_last(out_backprop, layout))
    axes = _axes(spatial(dims, layout), w.shape[:2], attrs)
    dy = dy.reshape(*dy.shape[:3], *w.shape[2:])
    total = np.zeros((dims[0], *(a.size + a.before + a.after for a in axes), w.shape[2]), dy.dtype)
    for at, view in places(axes):
        part = total[view]
        part += (dy * w[at]).sum(-1)
    return as_format(cropped(total, axes).astype(filter.dtype, copy=False), layout)


def to_filter_kernel(input, filter_sizes, out_backprop, **attrs):
    layout = attrs["data_format"]
    dims = [int(s) for s in filter_sizes]
    x, dy = wide(channels_last(input, layout)), wide(channels_last(out_backprop, layout))
    axes = _axes(x.shape[1:-1], dims[:2], attrs)
    dy = dy.reshape(*dy.shape[:3], *dims[2:])
    image = padded(x, axes)
    dw = np.zeros(dims, dy.dtype)
    for at, view in places(axes):
        dw[at] = (image[view][..., None] * dy).sum((0, 1, 2))
    return dw.astype(input.dtype, copy=False)


for _op, _kernel in ((DEPTHWISE, depthwise_kernel), (TO_INPUT, to_input_kernel), (TO_FILTER, to_filter_kernel)):
    register_with_attrs(_op, _kernel, _NAMES)


DEPTHWISE.work(work.convolution(filter=1, image=None, each=2))  # a channel has a filter of its own [W19]
TO_INPUT.work(work.convolution(filter=1, image=2, each=2))
TO_FILTER.work(work.convolution(filter=None, image=2, each=2))


@DEPTHWISE.shape
def _depthwise_shape(context: ShapeContext) -> shapes.Shape:
    attrs = context.attrs
    checks.check_depthwise_attrs(attrs, back=False)
    x, w, layout = context.dims("input"), context.dims("filter"), attrs["data_format"]
    checks.depthwise(x, w, layout)
    x, w = of_rank(x, 4), of_rank(w, 4)
    depth = either(w[2], x[channel_axis(layout)])
    outs = sizes_out(spatial(x, layout), w[:2], spatial(attrs["strides"], layout), spatial(attrs["dilations"], layout),
                     attrs["padding"], explicit_pairs(attrs["explicit_paddings"], layout),
                     context.building)  # fmt: skip
    return shaped(outs, x[0], None if depth is None or w[3] is None else depth * w[3], layout)


TO_INPUT.built_with(input_sizes=1)
TO_FILTER.built_with(filter_sizes=1)


@TO_INPUT.shape
def _to_input_shape(context: ShapeContext) -> shapes.Shape:
    checks.check_depthwise_attrs(context.attrs)
    sizes = context.ints("input_sizes") or []
    for i, size in enumerate(sizes):
        if size < 0:
            raise ShapeError(f"Dimension {i} of input_sizes must be >= 0: {sizes}")
    return _back(context, "Input", shape_from(context, "input_sizes"), context.dims("filter"), 0)


@TO_FILTER.shape
def _to_filter_shape(context: ShapeContext) -> shapes.Shape:
    checks.check_depthwise_attrs(context.attrs)
    return _back(context, "Filter", context.dims("input"), shape_from(context, "filter_sizes"), 1)


def _back(context: ShapeContext, side: str, x: shapes.Shape, w: shapes.Shape, result: int) -> shapes.Shape:
    """The shape of dx or dw, once that of what comes in is right."""
    dy, found = context.dims("out_backprop"), (x, w)[result]
    if shapes.is_known(x) and shapes.is_known(w) and shapes.is_known(dy):
        checks.depthwise_backward(f"DepthwiseConv2DBackprop{side}", x, w, dy, context.attrs)
    return (None,) * 4 if found is None else found


def _given(op: Any) -> dict[str, Any]:
    return {n: op.attrs[n] for n in _NAMES}


@DEPTHWISE.gradient
def _depthwise_gradient(op, dy):
    """dx and dw, each a sum of its own."""
    x, w = op.inputs
    return TO_INPUT(shape(x), w, dy, **_given(op)), TO_FILTER(x, shape(w), dy, **_given(op))


@TO_INPUT.gradient
def _to_input_gradient(op, ddx):
    """Linear in w and dy."""
    _, w, dy = op.inputs
    return None, TO_FILTER(ddx, shape(w), dy, **_given(op)), DEPTHWISE(ddx, w, **_given(op))


@TO_FILTER.gradient
def _to_filter_gradient(op, ddw):
    """Linear in x and dy."""
    x, _, dy = op.inputs
    return TO_INPUT(shape(x), ddw, dy, **_given(op)), None, DEPTHWISE(x, ddw, **_given(op))


_X = np.array([1, 2, 3, 4], np.float32).reshape(1, 1, 2, 2)  # two places of two channels
_W = np.array([1, 10, 100, 1000], np.float32).reshape(1, 2, 2, 1)
_S: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "VALID"}
DEPTHWISE.case("W74", "each channel on its own", input=_X, filter=_W, **_S,
               output=np.array([301, 4020], np.float32).reshape(1, 1, 1, 2))  # fmt: skip
TO_INPUT.case("W74", "back to the places", input_sizes=[1, 1, 2, 2], filter=_W,
              out_backprop=np.array([1, 2], np.float32).reshape(1, 1, 1, 2), **_S,
              output=np.array([1, 20, 100, 2000], np.float32).reshape(1, 1, 2, 2))  # fmt: skip
TO_FILTER.case("W74", "what each place saw", input=_X, filter_sizes=[1, 2, 2, 1],
               out_backprop=np.array([1, 10], np.float32).reshape(1, 1, 1, 2), **_S,
               output=np.array([1, 20, 3, 40], np.float32).reshape(1, 2, 2, 1))  # fmt: skip
