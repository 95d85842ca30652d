"""Colours: RGB and HSV, contrast, hue and saturation [W06].

With M and m the largest and the smallest of r, g, b:

    v = M,    s = (M - m) / M,    h = sixths of the circle: red 0, green 2/6, blue 4/6, and how far on to the next

    contrast     (x - mean) * factor + mean, means by image and channel
    hue          h + delta, s and v stay
    saturation   clip(s * factor, 0, 1)

Next: ops/resize.py.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, float16, float32, float64, int8, int16, int32, int64, uint8
from refflow.core.errors import FailedPreconditionError, ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.add_n import add_n
from refflow.ops.arithmetic import DIV_NO_NAN
from refflow.ops.cast import cast
from refflow.ops.constant import constant
from refflow.ops.elementwise import SQUARE
from refflow.ops.joining import PACK as STACK
from refflow.ops.logic import LOGICAL_AND

_T = Attr("type", default=float32, allowed=FLOATS)
_HALF_OR_SINGLE = Attr("type", default=float32, allowed=(float16, float32))

RGB_TO_HSV = define_op("RGBToHSV", "images: T -> output: T", T=_T, source=("W06",), accuracy="composed")
HSV_TO_RGB = define_op("HSVToRGB", "images: T -> output: T", T=_T, source=("W06",), accuracy="composed")


def _wide(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) if images.dtype == np.float16 else images


def _hsv(images: np.ndarray) -> np.ndarray:
    r, g, b = (images[..., i] for i in range(3))
    number = images.dtype.type
    v = images.max(axis=-1)
    span = v - images.min(axis=-1)
    s = np.where(v > 0, span / v, number(0))
    norm = number(1) / span * number(1 / 6)
    h = np.where(r == v, norm * (g - b),
                 np.where(g == v, norm * (b - r) + number(2 / 6), norm * (r - g) + number(4 / 6)))  # fmt: skip
    h = np.where(span > 0, h, number(0))
    h = np.where(h < 0, h + number(1), h)
    return np.stack([h, s, v], axis=-1)


def _rgb(images: np.ndarray) -> np.ndarray:
    h, s, v = (images[..., i] for i in range(3))
    sixths = h * images.dtype.type(6)
    parts = [np.abs(sixths - 3) - 1, 2 - np.abs(sixths - 2), 2 - np.abs(sixths - 4)]
    return np.stack([((1 - s) + s * np.clip(part, 0, 1)) * v for part in parts], axis=-1)


_NOT_THREE = "input must have 3 channels but input only has {} channels."


def _three_channels(images: shapes.Shape, building: bool) -> shapes.Shape:
    if images is None:
        return None
    if not images:
        raise ShapeError("input must be at least 1D[]: images is a scalar")
    if building and images[-1] not in (None, 3):
        raise ShapeError(f"Dimension must be 3 but is {images[-1]}: {_NOT_THREE.format(images[-1])}")
    return (*images[:-1], 3)


def _need_three(images: np.ndarray) -> None:
    if images.shape[-1] != 3:
        raise FailedPreconditionError(None, None, _NOT_THREE.format(images.shape[-1]))


@RGB_TO_HSV.kernel
def rgb_to_hsv_kernel(images):
    _need_three(images)
    return _hsv(_wide(images)).astype(images.dtype, copy=False)


@HSV_TO_RGB.kernel
def hsv_to_rgb_kernel(images):
    _need_three(images)
    return _rgb(_wide(images)).astype(images.dtype, copy=False)


for _op in (RGB_TO_HSV, HSV_TO_RGB):
    _op.shape(lambda context: _three_channels(context.dims("images"), context.building))
HSV_TO_RGB.no_gradient()


@RGB_TO_HSV.gradient
def _rgb_to_hsv_gradient(op, dy):
    """By which channel is the largest and which the smallest; of equal ones red is larger than green than blue.

    With M = x[i] the largest, j and k the next two round the circle and d = M - m:

        dv/dM = 1,    ds/dM = m / M**2,    ds/dm = -1 / M,    6 * h = 2 * i + (x[j] - x[k]) / d
    """
    x = [op.inputs[0][..., i] for i in range(3)]
    dh, ds, dv = (dy[..., i] for i in range(3))
    r, g, b = x
    one = op.inputs[0].dtype.base_dtype

    def chosen(*conditions):
        return cast(reduce(LOGICAL_AND, conditions), one)

    big = [chosen(r >= b, r >= g), chosen(g > r, g >= b), chosen(b > r, b > g)]
    small = [chosen(r < b, r < g), chosen(g <= r, g < b), chosen(b <= r, b <= g)]
    positive = [chosen(c > constant(0, one)) for c in x]
    top = add_n([w * c for w, c in zip(big, x, strict=True)])
    bottom = add_n([w * c for w, c in zip(small, x, strict=True)])
    unit = constant(1, one)
    over_span = DIV_NO_NAN(unit, top - bottom)
    squared = DIV_NO_NAN(unit, SQUARE(top - bottom))
    slopes = [
        dv * big[i]
        + ds * positive[i] * (big[i] * bottom * DIV_NO_NAN(unit, SQUARE(top)) - small[i] * DIV_NO_NAN(unit, top))
        for i in range(3)
    ]
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        here = dh * big[i] * positive[i] * constant(1 / 6, one)
        slopes[i] += here * (x[k] - x[j]) * squared
        slopes[j] += here * (small[j] * (x[i] - x[k]) * squared + small[k] * over_span)
        slopes[k] += here * (small[k] * (x[j] - x[i]) * squared - small[j] * over_span)
    return STACK(slopes, axis=-1)


RGB_TO_HSV.case("W06", "hue is zero at red", images=[[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0.5], [0.5, 0.25, 0.25]],
                output=[[0, 1, 1], [1 / 3, 1, 1], [0, 0, 0.5], [0, 0.5, 0.5]])  # fmt: skip
RGB_TO_HSV.case("W06", "there are three channels", images=[[1.0, 2.0]], error="input must have 3 channels")
HSV_TO_RGB.case("W06", "half way round is cyan", images=[[0.5, 1, 1], [0, 0, 0.5], [0, 0.5, 0.5]],
                output=[[0, 1, 1], [0.5, 0.5, 0.5], [0.5, 0.25, 0.25]])  # fmt: skip

# -- contrast -------------------------------------------------------------------------------------------------

CONTRAST = define_op(
    "AdjustContrast",
    "images: T, contrast_factor: float32, min_value: float32, max_value: float32 -> output: float32",
    T=(uint8, int8, int16, int32, int64, float32, float64), source=("W06",), accuracy="composed",
)  # fmt: skip
CONTRAST_V2 = define_op("AdjustContrastv2", "images: T, contrast_factor: float32 -> output: T", T=_HALF_OR_SINGLE,
                        source=("W06",), accuracy="composed")  # fmt: skip


def _contrast(images: np.ndarray, factor: Any) -> np.ndarray:
    wide = images.astype(np.float32)
    height, width = wide.shape[-3:-1]
    sums = wide.sum(axis=-3, keepdims=True, dtype=np.float64).sum(axis=-2, keepdims=True)
    mean = np.repeat((sums / (height * width)).astype(np.float32), width, axis=-2)  # as long as a row
    wide -= mean
    wide *= factor
    wide += mean
    return wide


@CONTRAST.kernel
def adjust_contrast_kernel(images, contrast_factor, min_value, max_value):
    if not images.size:
        return images.astype(np.float32)
    return np.clip(_contrast(images, contrast_factor), min_value, max_value)


@CONTRAST_V2.kernel
def adjust_contrast_v2_kernel(images, contrast_factor):
    if not images.size:
        return images.copy()
    return _contrast(images, contrast_factor).astype(images.dtype, copy=False)


def _image_and_scalars(context: ShapeContext) -> shapes.Shape:
    images = context.dims("images")
    if images is not None and len(images) < 3:
        raise ShapeError(f"input must be at least 3-D, got shape{shapes.text(images)}")
    for arg in context.op_def.inputs[1:]:
        dims = context.dims(arg.name)
        if dims:
            raise ShapeError(f"{arg.name} must be scalar: {shapes.text(dims)}")
    return images


def _image_and_scalars_of_colour(context: ShapeContext) -> shapes.Shape:
    images = _image_and_scalars(context)
    if images is not None and images[-1] not in (None, 3):
        raise ShapeError(f"input must have 3 channels but instead has {images[-1]} channels.")
    return images


for _op in (CONTRAST, CONTRAST_V2):
    _op.shape(_image_and_scalars)
    _op.no_gradient_registered()

CONTRAST.case("W06", "away from the mean, within bounds", images=[[[1], [3]]], contrast_factor=2, min_value=0,
              max_value=3.5, output=[[[0], [3.5]]])  # fmt: skip
CONTRAST_V2.case("W06", "away from the mean of each channel", images=[[[1, 5], [3, 5]]], contrast_factor=2,
                 output=[[[0, 5], [4, 5]]])  # fmt: skip
CONTRAST_V2.case("W06", "an image has height, width and channels", images=[1.0], contrast_factor=2,
                 error="input must be at least 3-D")  # fmt: skip

# -- hue and saturation ---------------------------------------------------------------------------------------

HUE = define_op("AdjustHue", "images: T, delta: float32 -> output: T", T=_HALF_OR_SINGLE, source=("W06",),
                accuracy="composed")  # fmt: skip
SATURATION = define_op("AdjustSaturation", "images: T, scale: float32 -> output: T", T=_HALF_OR_SINGLE, source=("W06",),
                       accuracy="composed")  # fmt: skip

# In which order r, g, b stand in each sixth of the circle: 0 the largest, 1 between, 2 the smallest.
_ORDER = np.array([[0, 1, 2], [1, 0, 2], [2, 0, 1], [2, 1, 0], [1, 2, 0], [0, 2, 1]])


@HUE.kernel
def adjust_hue_kernel(images, delta):
    """Largest and smallest stay, and so may lie outside of [0, 1]; which channel they are in turns."""
    rgb = images.astype(np.float32)
    r, g, b = (rgb[..., i] for i in range(3))
    top, bottom = rgb.max(axis=-1, initial=-np.inf), rgb.min(axis=-1, initial=np.inf)
    middle = np.maximum(np.minimum(r, g), np.minimum(np.maximum(r, g), b))
    sixth = np.select([(r >= g) & (g >= b), (g > r) & (r >= b), (g >= b) & (b > r), (b > g) & (g > r),
                       (b > r) & (r >= g)], [0, 1, 2, 3, 4], 5)  # fmt: skip
    span = top - bottom
    ratio = np.where(span > 0, (middle - bottom) / span, np.float32(0))
    hue = np.where(span > 0, sixth + np.where(sixth % 2 == 0, ratio, 1 - ratio), 0).astype(np.float32)
    hue = np.mod(hue + delta * np.float32(6), np.float32(6))
    hue = np.where(hue >= 6, 0, np.nan_to_num(hue))
    sixth = hue.astype(np.int64)
    ratio = (hue - sixth).astype(np.float32)
    middle = bottom + np.where(sixth % 2 == 0, ratio, 1 - ratio) * span
    found = np.take_along_axis(np.stack([top, middle, bottom], axis=-1), _ORDER[sixth], axis=-1)
    return found.astype(images.dtype, copy=False)


@SATURATION.kernel
def adjust_saturation_kernel(images, scale):
    hsv = _hsv(images.astype(np.float32))
    hsv[..., 1] = np.clip(hsv[..., 1] * scale, 0, 1)
    return _rgb(hsv).astype(images.dtype, copy=False)


for _op in (HUE, SATURATION):
    _op.shape(_image_and_scalars_of_colour)
    _op.no_gradient_registered()

HUE.case("W06", "a third of the way round", images=[[[4, 1, 1]]], delta=1 / 3, output=[[[1, 4, 1]]])
HUE.case("W06", "grey stays", images=[[[2, 2, 2]]], delta=0.5, output=[[[2, 2, 2]]])
SATURATION.case("W06", "half of the way to grey", images=[[[1, 0, 0]]], scale=0.5, output=[[[1, 0.5, 0.5]]])
SATURATION.case("W06", "there are three channels", images=[[[1, 0]]], scale=0.5, error="input must have 3 channels")

