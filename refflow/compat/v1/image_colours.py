"""Colours: other bases for them, brightness, contrast, gamma, and what compression leaves.

    YIQ and YUV are matrices times RGB
    gamma:  gain * x ^ gamma on values in [0, 1]

Next: image/adjustments.py.
"""

from __future__ import annotations

from typing import Any

from refflow import image as first
from refflow.compat.v1.math import tensordot
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.core.values import as_value
from refflow.ops.random import random_uniform

_TO_YIQ = [[0.299, 0.59590059, 0.2115], [0.587, -0.27455667, -0.52273617], [0.114, -0.32134392, 0.31119955]]
_FROM_YIQ = [[1, 1, 1], [0.95598634, -0.27201283, -1.10674021], [0.6208248, -0.64720424, 1.70423049]]
_TO_YUV = [[0.299, -0.14714119, 0.61497538], [0.587, -0.28886916, -0.51496512], [0.114, 0.43601035, -0.10001026]]
_FROM_YUV = [[1, 1, 1], [0, -0.394642334, 2.03206185], [1.13988303, -0.58062185, 0]]


def _basis(called: str, matrix: Any) -> Any:
    def function(images: Any) -> Tensor:
        x = convert_to_tensor(images, name="images")
        kernel = as_value(matrix, x.dtype.base_dtype)
        return tensordot(x, kernel, [[(x.get_shape().ndims or 3) - 1], [0]])

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"Images [..., 3] {called.replace('_to_', ' as ')}: each colour times a matrix."
    return function


rgb_to_yiq, yiq_to_rgb = _basis("rgb_to_yiq", _TO_YIQ), _basis("yiq_to_rgb", _FROM_YIQ)
rgb_to_yuv, yuv_to_rgb = _basis("rgb_to_yuv", _TO_YUV), _basis("yuv_to_rgb", _FROM_YUV)


def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False, name: str | None = None) -> Tensor:
    """`image` in another type, its whole range in that one's; saturate: what does not fit is made the nearest."""
    x, kind = convert_to_tensor(image, name="image"), as_dtype(dtype)
    if saturate and x.dtype.is_floating and kind.is_integer:
        least, most = (float(v) for v in (kind.min, kind.max))
        scale = most + 0.5
        x = op_def("Minimum")(op_def("Maximum")(x, least / scale), most / scale)
    return first.convert_image_dtype(x, kind, name)


def adjust_brightness(image: Any, delta: Any) -> Tensor:
    """`image` with `delta`, a share of its type's range, added."""
    return first.adjust_brightness(image, delta)


def adjust_contrast(images: Any, contrast_factor: Any) -> Tensor:
    """How far each channel is from its mean, times the factor."""
    return first.adjust_contrast(images, contrast_factor)


def rgb_to_grayscale(images: Any, name: str | None = None) -> Tensor:
    """How bright the colours are."""
    with op_scope([], name, "rgb_to_grayscale"):
        return first.rgb_to_grayscale(images)


def grayscale_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """The one channel three times."""
    with op_scope([], name, "grayscale_to_rgb"):
        return first.grayscale_to_rgb(images)


def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Tensor:
    """gain * image ^ gamma, of values in [0, 1]."""
    if isinstance(gamma, (int, float)) and gamma < 0:
        raise ValueError("Gamma should be a non-negative real number.")
    with op_scope([], None, "adjust_gamma"):
        x = convert_to_tensor(image, name="image")
        kind = x.dtype.base_dtype
        scaled = x if kind.is_floating else convert_image_dtype(x, "float32")
        return convert_image_dtype(gain * op_def("Pow")(scaled, gamma), kind, saturate=True)


def adjust_jpeg_quality(image: Any, jpeg_quality: Any, dct_method: str = "", name: str | None = None) -> Tensor:
    """`image` [H, W, C] after it was a JPEG file of that quality, 0 to 100."""
    with op_scope([], name, "adjust_jpeg_quality"):
        x = convert_to_tensor(image, name="image")
        channels = x.get_shape()[-1].value
        whole = convert_image_dtype(x, "uint8", saturate=True)
        file = op_def("EncodeJpegVariableQuality")(whole, jpeg_quality)
        found = op_def("DecodeJpeg")(file, channels=channels, dct_method=dct_method)
        return convert_image_dtype(found, x.dtype.base_dtype, saturate=True)


def random_jpeg_quality(image: Any, min_jpeg_quality: int, max_jpeg_quality: int, seed: int | None = None) -> Tensor:
    """adjust_jpeg_quality with a quality drawn from [min, max)."""
    if min(min_jpeg_quality, max_jpeg_quality) < 0 or max(min_jpeg_quality, max_jpeg_quality) > 100:
        raise ValueError("jpeg encoding range must be between 0 and 100.")
    if min_jpeg_quality >= max_jpeg_quality:
        raise ValueError("`min_jpeg_quality` must be less than `max_jpeg_quality`.")
    return adjust_jpeg_quality(image, random_uniform([], min_jpeg_quality, max_jpeg_quality, "int32", seed=seed))
