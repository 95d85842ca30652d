"""tf.image of 1.x: sizes as one argument, and new names for what the first release called otherwise.

    first release                           1.x
    resize_images(images, height, width)    resize_images(images, [height, width])
    per_image_whitening                     per_image_standardization

Next: image/sizes.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.compat.v1.derived import derived
from refflow.compat.v1.image_boxes import (
    combined_non_max_suppression,
    crop_and_resize,
    draw_bounding_boxes,
    non_max_suppression,
    non_max_suppression_overlaps,
    non_max_suppression_padded,
    non_max_suppression_with_scores,
    sample_distorted_bounding_box,
)
from refflow.compat.v1.image_colours import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_jpeg_quality,
    convert_image_dtype,
    grayscale_to_rgb,
    random_jpeg_quality,
    rgb_to_grayscale,
    rgb_to_yiq,
    rgb_to_yuv,
    yiq_to_rgb,
    yuv_to_rgb,
)
from refflow.compat.v1.image_frames import (
    central_crop,
    crop_to_bounding_box,
    pad_to_bounding_box,
    random_flip_left_right,
    random_flip_up_down,
    resize_image_with_crop_or_pad,
    with_frame,
)
from refflow.compat.v1.image_measures import (
    image_gradients,
    psnr,
    sobel_edges,
    ssim,
    ssim_multiscale,
    total_variation,
)
from refflow.compat.v1.more import random_crop
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.image import (
    ResizeMethod,
    adjust_hue,
    adjust_saturation,
    encode_jpeg,
    extract_glimpse,
    hsv_to_rgb,
    random_brightness,
    random_contrast,
    random_hue,
    random_saturation,
    rgb_to_hsv,
)
from refflow.ops.cast import cast
from refflow.ops.reductions import reduce_mean

__all__ = [
    "ResizeMethod", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_jpeg_quality",
    "adjust_saturation", "central_crop", "combined_non_max_suppression", "convert_image_dtype", "crop_and_resize",
    "crop_to_bounding_box", "decode_and_crop_jpeg", "decode_bmp", "decode_gif", "decode_image", "decode_jpeg",
    "decode_png", "draw_bounding_boxes", "encode_jpeg", "encode_png", "extract_glimpse", "extract_image_patches",
    "extract_jpeg_shape", "extract_patches", "flip_left_right", "flip_up_down", "grayscale_to_rgb", "hsv_to_rgb",
    "image_gradients", "is_jpeg", "non_max_suppression", "non_max_suppression_overlaps", "non_max_suppression_padded",
    "non_max_suppression_with_scores", "pad_to_bounding_box", "per_image_standardization", "psnr",
    "random_brightness", "random_contrast", "random_crop", "random_flip_left_right", "random_flip_up_down",
    "random_hue", "random_jpeg_quality", "random_saturation", "resize", "resize_area", "resize_bicubic",
    "resize_bilinear", "resize_image_with_crop_or_pad", "resize_image_with_pad", "resize_images",
    "resize_nearest_neighbor", "resize_with_crop_or_pad", "rgb_to_grayscale", "rgb_to_hsv", "rgb_to_yiq",
    "rgb_to_yuv", "rot90", "sample_distorted_bounding_box", "sobel_edges", "ssim", "ssim_multiscale",
    "total_variation", "transpose", "transpose_image", "yiq_to_rgb", "yuv_to_rgb",
]  # fmt: skip

_OPS = ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea")


def resize_images(
    images: Any, size: Any, method: int = ResizeMethod.BILINEAR, align_corners: bool = False,
    preserve_aspect_ratio: bool = False, name: str | None = None,
) -> Tensor:  # fmt: skip
    """`images` [N, H, W, C] or one image [H, W, C] in `size`, [height, width]; float32 but by NEAREST_NEIGHBOR."""
    if method not in range(len(_OPS)):
        raise ValueError("Resize method is not implemented.")
    with op_scope([], name, "resize"):
        images = convert_to_tensor(images, name="images")
        rank = images.get_shape().ndims
        if rank not in (3, 4):
            raise ValueError(f"'images' must have either 3 or 4 dimensions, got shape {images.get_shape()}")
        if preserve_aspect_ratio:
            size = _within(images, size)
        if isinstance(size, (list, tuple)) and images.get_shape().as_list()[-3:-1] == list(size):
            return images
        batch = images if rank == 4 else op_def("ExpandDims")(images, 0)
        found = op_def(_OPS[method])(batch, size, align_corners=align_corners)
        return found if rank == 4 else op_def("Squeeze")(found, squeeze_dims=[0])


resize = resize_images


def _within(images: Tensor, size: Any) -> Any:
    """The largest size of the images' own proportions in `size`."""
    known = images.get_shape().as_list()[-3:-1]
    if None in known or isinstance(size, Tensor):
        height, width = (cast(op_def("Shape")(images)[i], "float32") for i in (-3, -2))
        wanted = cast(convert_to_tensor(size), "float32")
        scale = op_def("Minimum")(wanted[0] / height, wanted[1] / width)
        return cast(op_def("Round")(op_def("Pack")([scale * height, scale * width])), "int32")
    share = min(size[0] / known[0], size[1] / known[1])
    return [round(share * n) for n in known]


def resize_image_with_pad(
    image: Any, target_height: int, target_width: int, method: int = ResizeMethod.BILINEAR, align_corners: bool = False
) -> Tensor:
    """`image` as large as fits with its proportions, in the middle of zeros."""
    with op_scope([], None, "resize_image_with_pad"):
        return with_frame(
            image, target_height, target_width, lambda x, size: resize_images(x, size, method, align_corners)
        )


_SIZED = "images, size, align_corners, name, half_pixel_centers"
resize_bilinear, resize_bicubic = derived("ResizeBilinear", order=_SIZED), derived("ResizeBicubic", order=_SIZED)
resize_nearest_neighbor, resize_area = derived("ResizeNearestNeighbor", order=_SIZED), derived("ResizeArea")
decode_jpeg, decode_png, encode_png = derived("DecodeJpeg"), derived("DecodePng"), derived("EncodePng")
decode_bmp, decode_gif, extract_jpeg_shape = derived("DecodeBmp"), derived("DecodeGif"), derived("ExtractJpegShape")
decode_and_crop_jpeg = derived("DecodeAndCropJpeg")
decode_image = derived("DecodeImage", order="contents, channels, dtype, name, expand_animations")
extract_patches = derived(
    "ExtractImagePatches", "extract_patches", "images, sizes, strides, rates, padding, name", ksizes="sizes"
)


def extract_image_patches(
    images: Any, ksizes: Any = None, strides: Any = None, rates: Any = None, padding: Any = None,
    name: str | None = None, sizes: Any = None,
) -> Tensor:  # fmt: skip
    """The windows of `images`, each laid out in the channels."""
    return extract_patches(images, ksizes if sizes is None else sizes, strides, rates, padding, name)


def is_jpeg(contents: Any, name: str | None = None) -> Tensor:
    """Whether a file begins as JPEG files do."""
    with op_scope([], name, "is_jpeg"):
        begin = op_def("Substr")(contents, np.int32(0), np.int32(3))
        return op_def("Equal")(begin, np.array(b"\xff\xd8\xff", object), name=name)


def _each_way(called: str, axis: int, meaning: str) -> Any:
    def function(image: Any) -> Tensor:
        with op_scope([], None, called):
            x = convert_to_tensor(image, name="image")
            if x.get_shape().ndims not in (None, 3, 4):
                raise ValueError(f"'image' (shape {x.get_shape()}) must have either 3 or 4 dimensions.")
            return op_def("ReverseV2")(x, np.array([(x.get_shape().ndims or 3) + axis], np.int32))

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"An image [H, W, C], or each of [N, H, W, C], {meaning}."
    return function


flip_left_right = _each_way("flip_left_right", -2, "left and right exchanged")
flip_up_down = _each_way("flip_up_down", -3, "upside down")


def transpose_image(image: Any, name: str | None = None) -> Tensor:
    """An image [H, W, C], or each of [N, H, W, C], with rows for columns."""
    with op_scope([], name, "transpose"):
        x = convert_to_tensor(image, name="image")
        order = [1, 0, 2] if x.get_shape().ndims == 3 else [0, 2, 1, 3]
        if x.get_shape().ndims not in (3, 4):
            raise ValueError(f"'image' (shape {x.get_shape()}) must have either 3 or 4 dimensions.")
        return op_def("Transpose")(x, np.array(order, np.int32))


transpose = transpose_image
resize_with_crop_or_pad = resize_image_with_crop_or_pad


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


def rot90(image: Any, k: int = 1, name: str | None = None) -> Tensor:
    """An image [H, W, C], or each of [N, H, W, C], turned against the clock by `k` quarters."""
    x = convert_to_tensor(image, name="image")
    with op_scope([x], name, "rot90"):
        for _ in range(k % 4):
            x = flip_up_down(transpose_image(x))
        return x
