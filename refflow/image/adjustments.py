"""Brightness, contrast, colour, and what kind of number a pixel is.

    whole numbers     0 is black, the type's largest number is white
    floats            0 is black, 1 is white

Next: ops/colour.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, float32
from refflow.core.graph import Tensor
from refflow.image.sizes import check_3d_image
from refflow.ops.array import expand_dims, rank, tile
from refflow.ops.cast import cast
from refflow.ops.colour import CONTRAST, HSV_TO_RGB, RGB_TO_HSV
from refflow.ops.constant import constant, ones
from refflow.ops.elementwise import ADD, MAXIMUM, MINIMUM, MUL, SQRT, SQUARE, SUB
from refflow.ops.joining import concat
from refflow.ops.math_functions import clip_by_value, round_
from refflow.ops.random import random_uniform
from refflow.ops.reductions import reduce_mean, reduce_sum
from refflow.ops.slicing import slice_


def convert_image_dtype(image: Any, dtype: Any, name: str | None = None) -> Tensor:
    """`image` with pixels of another type, scaled so that black and white stay so.

    Whole numbers keep their highest bits; floats beyond 0 and 1 overflow on their way to whole numbers.
    """
    image = convert_to_tensor(image, name="image")
    dtype, given = as_dtype(dtype), image.dtype.base_dtype
    if given is dtype:
        return image
    with op_scope([image], name, "convert_image") as scope:
        if given.is_integer and dtype.is_integer:
            if given.max > dtype.max:
                scale = (int(given.max) + 1) // (int(dtype.max) + 1)
                return cast(image / constant(scale, given), dtype, name=scope)
            scale = (int(dtype.max) + 1) // (int(given.max) + 1)
            return MUL(cast(image, dtype), scale, name=scope)
        if given.is_floating and dtype.is_floating:
            return cast(image, dtype, name=scope)
        if given.is_integer:
            return MUL(cast(image, dtype), 1.0 / float(given.max), name=scope)
        return cast(image * (float(dtype.max) + 0.5), dtype, name=scope)  # so that 1.0 rounds down to white


def adjust_brightness(image: Any, delta: Any, min_value: Any = None, max_value: Any = None) -> Tensor:
    """`image` + delta, rounded and clipped to the range of its type, or to the one given."""
    image = convert_to_tensor(image, name="image")
    kind = image.dtype.base_dtype
    low = kind.min if min_value is None else min_value
    high = kind.max if max_value is None else max_value
    with op_scope([image, delta], None, "adjust_brightness") as scope:
        changed = ADD(cast(image, float32), cast(delta, float32))
        if kind.is_integer:
            changed = round_(changed)
        return cast(clip_by_value(changed, float(low), float(high), name=scope), kind)


def random_brightness(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """`image` brighter or darker by up to `max_delta`."""
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_brightness(image, random_uniform([], -max_delta, max_delta, seed=seed))


def adjust_contrast(images: Any, contrast_factor: Any, min_value: Any = None, max_value: Any = None) -> Tensor:
    """(x - mean) * factor + mean for each channel of each image, rounded and clipped as in `adjust_brightness`."""
    images = convert_to_tensor(images, name="images")
    kind = images.dtype.base_dtype
    low = float(kind.min if min_value is None else min_value)
    high = float(kind.max if max_value is None else max_value)
    with op_scope([images, contrast_factor], None, "adjust_contrast") as scope:
        changed = CONTRAST(images, contrast_factor, low, high, name=scope)
        return cast(round_(changed) if kind.is_integer else changed, kind)


def random_contrast(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """`image` with its contrast times a number between `lower` and `upper`."""
    _check_range(lower, upper)
    return adjust_contrast(image, random_uniform([], lower, upper, seed=seed))


def _check_range(lower: float, upper: float) -> None:
    if upper <= lower:
        raise ValueError("upper must be > lower.")
    if lower < 0:
        raise ValueError("lower must be non-negative.")


def per_image_whitening(image: Any) -> Tensor:
    """(image - mean) / deviation, float32; the deviation counts as 1 / sqrt(number of pixels) at least."""
    image = convert_to_tensor(image, name="image")
    check_3d_image(image)
    count = float(image.get_shape().num_elements() or 1)
    image = cast(image, float32)
    mean = reduce_mean(image)
    variance = SUB(reduce_mean(SQUARE(image)), SQUARE(mean))
    deviation = SQRT(MAXIMUM(variance, 0.0))  # rounding may bring the variance of a flat image below 0
    return SUB(image, mean) / MAXIMUM(deviation, count**-0.5)


def rgb_to_hsv(images: Any, name: str | None = None) -> Tensor:
    """Hue, saturation and value, each in [0, 1], of red, green and blue on the last axis."""
    return RGB_TO_HSV(images, name=name)


def hsv_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """Red, green and blue of hue, saturation and value on the last axis."""
    return HSV_TO_RGB(images, name=name)


def _changed_hsv(image: Any, given: Any, name: str | None, default: str, part: int, change: Any) -> Tensor:
    """`image` with its hue (part 0) or its saturation (part 1) changed."""
    image = convert_to_tensor(image, name="image")
    with op_scope([image, given], name, default) as scope:
        hsv = RGB_TO_HSV(convert_image_dtype(image, float32))
        before = [0] * ((hsv.get_shape().ndims or 3) - 1)
        rest = [-1] * len(before)
        parts = [slice_(hsv, [*before, i], [*rest, 1]) for i in range(3)]
        parts[part] = change(parts[part])
        rgb = HSV_TO_RGB(concat(len(before), parts))
        return convert_image_dtype(rgb, image.dtype.base_dtype, name=scope)


def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Tensor:
    """`image` with every hue turned by `delta`, a share of the circle in [-1, 1]."""
    return _changed_hsv(image, delta, name, "adjust_hue", 0, lambda hue: (hue + (delta + 1.0)) % 1.0)


def random_hue(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """`image` with its hues turned by up to `max_delta` either way; at most 0.5."""
    if max_delta > 0.5:
        raise ValueError("max_delta must be <= 0.5.")
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_hue(image, random_uniform([], -max_delta, max_delta, seed=seed))


def adjust_saturation(image: Any, saturation_factor: Any, name: str | None = None) -> Tensor:
    """`image` with its saturation times a factor, at most 1."""
    return _changed_hsv(image, saturation_factor, name, "adjust_saturation", 1,
                        lambda s: MAXIMUM(MINIMUM(s * saturation_factor, 1.0), 0.0))  # fmt: skip


def random_saturation(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """`image` with its saturation times a number between `lower` and `upper`."""
    _check_range(lower, upper)
    return adjust_saturation(image, random_uniform([], lower, upper, seed=seed))


def rgb_to_grayscale(images: Any) -> Tensor:
    """One grey channel, 0.2989 red + 0.587 green + 0.114 blue, of the same type."""
    images = convert_to_tensor(images, name="images")
    with op_scope([images], None, "rgb_to_grayscale"):
        weighted = convert_image_dtype(images, float32) * constant([0.2989, 0.5870, 0.1140])
        last = expand_dims(rank(images) - 1, 0)
        return convert_image_dtype(reduce_sum(weighted, last, keep_dims=True), images.dtype.base_dtype)


def grayscale_to_rgb(images: Any) -> Tensor:
    """The one channel three times."""
    images = convert_to_tensor(images, name="images")
    with op_scope([images], None, "grayscale_to_rgb"):
        before = ones(expand_dims(rank(images) - 1, 0), "int32")
        found = tile(images, concat(0, [before, [3]]))
    dims = images.get_shape()
    if dims.ndims is not None:
        found.set_shape([*dims.as_list()[:-1], 3])
    return found
