"""Images turned, cut, padded and resized. An image is [height, width, channels].

Next: image/adjustments.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Tensor
from refflow.ops.array import expand_dims, squeeze
from refflow.ops.constant import constant
from refflow.ops.joining import pack
from refflow.ops.logic import LESS
from refflow.ops.random import get_seed, random_uniform
from refflow.ops.random_crop import RANDOM_CROP
from refflow.ops.resize import resize_area, resize_bicubic, resize_bilinear, resize_nearest_neighbor
from refflow.ops.reverse import reverse
from refflow.ops.slicing import pad, slice_
from refflow.ops.transpose import transpose


def check_3d_image(image: Tensor) -> None:
    """ValueError unless the shape is known: three sizes, none of them 0."""
    dims = image.get_shape()
    if not dims.is_fully_defined():
        raise ValueError("'image' must be fully defined.")
    if dims.ndims != 3:
        raise ValueError("'image' must be three-dimensional.")
    if not all(dims.as_list()):
        raise ValueError(f"all dims of 'image.shape' must be > 0: {dims.as_list()}")


Claims = list[tuple[Any, str]]  # each a truth, or a tensor of one, and what is said where it is none


def target_claims(rows: Any, columns: Any) -> Claims:
    """What holds of a size that an image is to have. Here and below sizes are integers, or tensors of one."""
    return [(columns > 0, "target_width must be > 0."), (rows > 0, "target_height must be > 0.")]


def box_claims(sizes: Sequence[Any], top: Any, left: Any, rows: Any, columns: Any) -> Claims:
    """What holds of a box inside an image whose height and width come first in `sizes`."""
    return [
        (left >= 0, "offset_width must be >= 0."), (top >= 0, "offset_height must be >= 0."),
        *target_claims(rows, columns), (sizes[1] >= columns + left, "width must be >= target + offset."),
        (sizes[0] >= rows + top, "height must be >= target + offset."),
    ]  # fmt: skip


def frame_claims(top: Any, left: Any, below: Any, right: Any) -> Claims:
    """What holds of the widths of a frame around an image."""
    return [
        (top >= 0, "offset_height must be >= 0"), (left >= 0, "offset_width must be >= 0"),
        (right >= 0, "width must be <= target - offset"), (below >= 0, "height must be <= target - offset"),
    ]  # fmt: skip


def _check(claims: Claims) -> None:
    for claim, message in claims:
        if not claim:
            raise ValueError(message)


def _flipped(image: Any, axis: int, seed: int | None = None, at_random: bool = False) -> Tensor:
    image = convert_to_tensor(image, name="image")
    check_3d_image(image)
    if not at_random:
        return reverse(image, [i == axis for i in range(3)])
    chances = [constant(1.0)] * 3
    chances[axis] = random_uniform([], 0, 1.0, seed=seed)
    return reverse(image, LESS(pack(chances), 0.5))


def flip_up_down(image: Any) -> Tensor:
    """`image` upside down."""
    return _flipped(image, 0)


def flip_left_right(image: Any) -> Tensor:
    """`image` in a mirror."""
    return _flipped(image, 1)


def random_flip_up_down(image: Any, seed: int | None = None) -> Tensor:
    """`image` upside down, half of the time."""
    return _flipped(image, 0, seed, at_random=True)


def random_flip_left_right(image: Any, seed: int | None = None) -> Tensor:
    """`image` in a mirror, half of the time."""
    return _flipped(image, 1, seed, at_random=True)


def transpose_image(image: Any) -> Tensor:
    """`image` with height and width exchanged."""
    image = convert_to_tensor(image, name="image")
    check_3d_image(image)
    return transpose(image, [1, 0, 2], name="transpose_image")


def pad_to_bounding_box(
    image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Tensor:
    """`image` in a black frame of the target's size, so many rows from the top and columns from the left.

    Raises ValueError where the image does not fit in there, or its shape is not known.
    """
    image = convert_to_tensor(image, name="image")
    check_3d_image(image)
    height, width, _ = image.get_shape().as_list()
    below, right = target_height - offset_height - height, target_width - offset_width - width
    _check(frame_claims(offset_height, offset_width, below, right))
    if (target_height, target_width) == (height, width):
        return image
    return pad(image, np.array([[offset_height, below], [offset_width, right], [0, 0]], np.int32))


def crop_to_bounding_box(
    image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Tensor:
    """The box of the target's size in `image`, so many rows from the top and columns from the left.

    Raises ValueError where the box is not inside, or the image's shape is not known.
    """
    image = convert_to_tensor(image, name="image")
    check_3d_image(image)
    _check(box_claims(image.get_shape().as_list(), offset_height, offset_width, target_height, target_width))
    return slice_(image, [offset_height, offset_width, 0], [target_height, target_width, -1])


def resize_image_with_crop_or_pad(image: Any, target_height: int, target_width: int) -> Tensor:
    """The middle of `image`, or `image` in the middle of black, in the target's size, each axis by itself."""
    image = convert_to_tensor(image, name="image")
    check_3d_image(image)
    height, width, _ = image.get_shape().as_list()
    _check(target_claims(target_height, target_width))
    cut_width, cut_height = max((width - target_width) // 2, 0), max((height - target_height) // 2, 0)
    cropped = crop_to_bounding_box(image, cut_height, cut_width, min(target_height, height), min(target_width, width))
    add_width, add_height = max((target_width - width) // 2, 0), max((target_height - height) // 2, 0)
    return pad_to_bounding_box(cropped, add_height, add_width, target_height, target_width)


class ResizeMethod:
    """How `resize_images` finds pixels."""

    BILINEAR = 0
    NEAREST_NEIGHBOR = 1
    BICUBIC = 2
    AREA = 3


_METHODS = (resize_bilinear, resize_nearest_neighbor, resize_bicubic, resize_area)


def resize_images(images: Any, new_height: int, new_width: int, method: int = ResizeMethod.BILINEAR) -> Tensor:
    """`images` [N, H, W, C] or one image [H, W, C] in the new size; float32 but for the nearest neighbour.

    Images that have that size already come back as they are. Raises ValueError for another rank or method.
    """
    images = convert_to_tensor(images, name="images")
    dims = images.get_shape()
    if dims.ndims is None:
        raise ValueError("'images' contains no shape.")
    if dims.ndims not in (3, 4):
        raise ValueError("'images' must have either 3 or 4 dimensions.")
    if tuple(dims.as_list()[-3:-1]) == (new_height, new_width):
        return images
    if method not in range(len(_METHODS)):
        raise ValueError("Resize method is not implemented.")
    batch = images if dims.ndims == 4 else expand_dims(images, 0)
    found = _METHODS[method](batch, [new_height, new_width])
    return found if dims.ndims == 4 else squeeze(found, [0])


def random_crop(image: Any, size: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """A window of height and width `size` of `image` [H, W, C], every place equally likely [W72]."""
    first, second = get_seed(seed)
    return RANDOM_CROP(image, size, seed=first, seed2=second, name=name)
