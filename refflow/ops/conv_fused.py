"""Convolutions of images that are enlarged and mirrored at their borders first, as one op [W74].

    FusedPadConv2D            Conv2D(MirrorPad(x))
    FusedResizeAndPadConv2D   Conv2D(MirrorPad(ResizeBilinear(x)))

Paddings are of height and width alone; strides are the same for both.

Next: ops/depthwise.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes, work
from refflow.core.dtypes import bfloat16, float16, float32, float64
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_rank, of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.conv import CONV_2D, PLAIN_PADDINGS
from refflow.ops.padding import MODES, mirror_pad_kernel
from refflow.ops.resize import BILINEAR

_PLAIN: dict[str, Any] = {"data_format": "NHWC", "dilations": [1, 1, 1, 1], "explicit_paddings": []}
_ATTRS: dict[str, Any] = {"mode": MODES, "strides": Attr("list(int)"), "padding": PLAIN_PADDINGS, "accuracy": "dot",
                          "source": ("W74",)}  # fmt: skip
PAD_CONV = define_op("FusedPadConv2D", "input: T, paddings: int32, filter: T -> output: T",
                     T=(float16, bfloat16, float32, float64), **_ATTRS)  # fmt: skip
RESIZE_PAD_CONV = define_op(
    "FusedResizeAndPadConv2D", "input: T, size: int32, paddings: int32, filter: T -> output: T",
    T=(float16, float32, float64), resize_align_corners=False, **_ATTRS,
)  # fmt: skip
PAD_CONV.no_gradient_registered()
PAD_CONV.work(work.convolution(filter=2, image=None))  # [W19]
RESIZE_PAD_CONV.work(work.convolution(filter=3, image=None))
RESIZE_PAD_CONV.no_gradient_registered()


def _padded_conv(x: np.ndarray, paddings: Any, filter: np.ndarray, mode: str, strides: Any, padding: str) -> Any:
    image = mirror_pad_kernel(x, paddings, mode)
    return CONV_2D.conv.reference(image, filter, strides=strides, padding=padding, use_cudnn_on_gpu=True, **_PLAIN)


@PAD_CONV.kernel
def fused_pad_conv_kernel(input, paddings, filter, mode, strides, padding):
    return _padded_conv(input, paddings, filter, mode, strides, padding)


@RESIZE_PAD_CONV.kernel
def fused_resize_and_pad_conv_kernel(input, size, paddings, filter, resize_align_corners, mode, strides, padding):
    larger = BILINEAR.reference(input, size, align_corners=resize_align_corners, half_pixel_centers=False)
    return _padded_conv(larger.astype(input.dtype), paddings, filter, mode, strides, padding)


def _sizes(context: ShapeContext, dims: shapes.Shape) -> shapes.Shape:
    """The shape of the image with its borders."""
    widths, given = context.value("paddings"), context.dims("paddings")
    if given is not None and (len(given) != 2 or given[1] not in (None, 2)):
        raise ShapeError(f"paddings must be a matrix with 2 columns: {shapes.text(given)}")
    if given is not None and dims is not None and given[0] not in (None, len(dims)):
        raise ShapeError(
            f"The first dimension of paddings must be the rank of inputs{shapes.text(given)} {shapes.text(dims)}"
        )
    if widths is None or dims is None:
        return None if dims is None else (dims[0], None, None, dims[3])
    for i, (before, after) in enumerate(widths.tolist()):
        if before < 0 or after < 0:
            raise ShapeError(f"paddings must be non-negative: {before} {after}")
        if i in (0, 3) and (before or after):
            raise ShapeError(f"Conv2D's padding must be 0 in the batch and depth dimensions, got {before}, {after}")
    return tuple(None if d is None else d + int(w.sum()) for d, w in zip(dims, widths, strict=True))


def _shape(op_def: OpDef) -> None:
    @op_def.shape
    def shape(context: ShapeContext) -> shapes.Shape:
        x, w = context.dims("input"), context.dims("filter")
        need_rank(x, 4, "input must be 4-dimensional{0}")
        need_rank(w, 4, "filter must be 4-dimensional: {0}")
        if x is not None and w is not None and None not in (x[3], w[2]) and x[3] != w[2]:
            raise ShapeError(f"input and filter must have the same depth: {x[3]} vs {w[2]}")
        strides = context.attrs["strides"]
        if op_def is RESIZE_PAD_CONV:
            x = of_rank(x, 4)
            size = context.ints("size")
            if size is not None and (len(size) != 2 or min(size) <= 0):
                raise ShapeError(f"output dimensions must be positive, got {size}")
            x = (x[0], *(size or (None, None)), x[3])
        attrs = {"strides": strides, "padding": context.attrs["padding"], **_PLAIN}
        (found,) = context.of(CONV_2D.conv, attrs, [_sizes(context, x), w])
        return found


_shape(PAD_CONV)
_shape(RESIZE_PAD_CONV)

_IMAGE = np.array([[1, 2], [3, 4]], np.float32).reshape(1, 2, 2, 1)
_ONES = np.ones((2, 2, 1, 1), np.float32)
_A: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "VALID"}
_BORDER = [[0, 0], [1, 0], [1, 0], [0, 0]]
PAD_CONV.case("W74", "mirrored without the edge", input=_IMAGE, paddings=_BORDER, filter=_ONES, mode="REFLECT", **_A,
              output=np.array([10, 10, 10, 10], np.float32).reshape(1, 2, 2, 1))  # fmt: skip
PAD_CONV.case("W74", "space has borders", input=_IMAGE, paddings=[[0, 0], [1, 1]], filter=_ONES, mode="REFLECT", **_A,
              error="The first dimension of paddings must be the rank of inputs")  # fmt: skip
RESIZE_PAD_CONV.case("W74", "as large as it was", input=_IMAGE, size=[2, 2], paddings=_BORDER, filter=_ONES,
                     mode="SYMMETRIC", **_A,
                     output=np.array([4, 6, 8, 10], np.float32).reshape(1, 2, 2, 1))  # fmt: skip
