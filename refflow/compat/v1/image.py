"""tf.image of 1.x: sizes as one argument, and new names for what the first release called otherwise.

    first release                           1.x
    resize_images(images, height, width)    resize_images(images, [height, width])
    per_image_whitening                     per_image_standardization

Next: image/sizes.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.image import (
    ResizeMethod,
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    convert_image_dtype,
    crop_to_bounding_box,
    decode_jpeg,
    decode_png,
    encode_jpeg,
    encode_png,
    extract_glimpse,
    flip_left_right,
    flip_up_down,
    grayscale_to_rgb,
    hsv_to_rgb,
    pad_to_bounding_box,
    random_brightness,
    random_contrast,
    random_flip_left_right,
    random_flip_up_down,
    random_hue,
    random_saturation,
    resize_image_with_crop_or_pad,
    rgb_to_grayscale,
    rgb_to_hsv,
    transpose_image,
)
from refflow.ops.cast import cast
from refflow.ops.reductions import reduce_mean

__all__ = [
    "ResizeMethod", "adjust_brightness", "adjust_contrast", "adjust_hue", "adjust_saturation", "central_crop",
    "convert_image_dtype", "crop_to_bounding_box", "decode_jpeg", "decode_png", "encode_jpeg", "encode_png",
    "extract_glimpse", "flip_left_right", "flip_up_down", "grayscale_to_rgb", "hsv_to_rgb", "pad_to_bounding_box",
    "per_image_standardization", "random_brightness", "random_contrast", "random_flip_left_right",
    "random_flip_up_down", "random_hue", "random_saturation", "resize_area", "resize_bicubic", "resize_bilinear",
    "resize_image_with_crop_or_pad", "resize_images", "resize_nearest_neighbor", "rgb_to_grayscale", "rgb_to_hsv",
    "rot90", "transpose_image",
]  # fmt: skip

_OPS = ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea")
_NAMES = ("resize_bilinear", "resize_nearest_neighbor", "resize_bicubic", "resize_area")


def resize_images(
    images: Any, size: Any, method: int = ResizeMethod.BILINEAR, align_corners: bool = False,
    preserve_aspect_ratio: bool = False, name: str | None = None,
) -> Tensor:  # fmt: skip
    """`images` [N, H, W, C] or one image [H, W, C] in `size`, [height, width]; float32 but by NEAREST_NEIGHBOR."""
    if preserve_aspect_ratio:
        raise ValueError("resize_images without preserve_aspect_ratio only")
    if method not in range(len(_OPS)):
        raise ValueError("Resize method is not implemented.")
    with op_scope([], name, "resize"):
        images = convert_to_tensor(images, name="images")
        rank = images.get_shape().ndims
        if rank not in (3, 4):
            raise ValueError(f"'images' must have either 3 or 4 dimensions, got shape {images.get_shape()}")
        if isinstance(size, (list, tuple)) and images.get_shape().as_list()[-3:-1] == list(size):
            return images
        batch = images if rank == 4 else op_def("ExpandDims")(images, 0)
        found = op_def(_OPS[method])(batch, size, align_corners=align_corners)
        return found if rank == 4 else op_def("Squeeze")(found, squeeze_dims=[0])


def _resizer(called: str, op: str) -> Any:
    def function(images: Any, size: Any, align_corners: bool = False, name: str | None = None) -> Tensor:
        return op_def(op)(images, size, align_corners=align_corners, name=name)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"`images` [N, H, W, C] in `size` by the op {op}."
    return function


resize_bilinear, resize_nearest_neighbor, resize_bicubic, resize_area = (
    _resizer(called, op)
    for called, op in zip(_NAMES, _OPS, strict=True)
)


def per_image_standardization(image: Any) -> Tensor:
    """(image - mean) / deviation for each image, float32; the deviation counts as 1 / sqrt(size) at least."""
    with op_scope([], None, "per_image_standardization"):
        x = convert_to_tensor(image, name="image")
        x = x if x.dtype.base_dtype.name in ("float16", "float32") else cast(x, "float32")
        axes = [-1, -2, -3]
        mean = reduce_mean(x, axes, True)
        deviation = op_def("Sqrt")(reduce_mean(op_def("Square")(x - mean), axes, True))
        sizes = op_def("Shape")(x)[-3:]
        least = op_def("Rsqrt")(cast(op_def("Prod")(sizes, [0]), x.dtype))
        return (x - mean) / op_def("Maximum")(deviation, least)


def central_crop(image: Any, central_fraction: float) -> Tensor:
    """The middle `central_fraction` of an image [H, W, C], each way."""
    if not 0 < central_fraction <= 1:
        raise ValueError("central_fraction must be within (0, 1]")
    x = convert_to_tensor(image, name="image")
    height, width = x.get_shape().with_rank(3).as_list()[:2]
    if height is None or width is None:
        raise ValueError(f"central_crop must know the image's size, got {x.get_shape()}")
    top, left = (int((n - n * central_fraction) / 2) for n in (height, width))
    return crop_to_bounding_box(x, top, left, height - 2 * top, width - 2 * left)


def rot90(image: Any, k: int = 1, name: str | None = None) -> Tensor:
    """An image [H, W, C] turned against the clock by `k` quarters."""
    x = convert_to_tensor(image, name="image")
    with op_scope([x], name, "rot90"):
        for _ in range(k % 4):
            x = op_def("ReverseV2")(op_def("Transpose")(x, [1, 0, 2]), [0])
        return x
