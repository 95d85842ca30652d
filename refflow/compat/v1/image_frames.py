"""Images cut out of others, put into frames and turned by chance, also where sizes are known only when they run.

    crop_to_bounding_box     a box of the image
    pad_to_bounding_box      the image in a black frame
    resize_..._crop_or_pad   its middle, or the image in the middle of a frame, each axis by itself
    resize_..._with_pad      as large as fits with its proportions, in the middle of a frame

An image is [H, W, C], or a batch of them [N, H, W, C]. A size or a place is a Python number where it can be, else an
int32 tensor. What has to hold of numbers is a ValueError at once; of tensors it is a node that fails.

Next: compat/v1/image_boxes.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.compat.v1.control_flow import Assert
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import int32
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.image.sizes import box_claims, frame_claims, target_claims
from refflow.ops.array import identity, reshape, shape
from refflow.ops.cast import cast
from refflow.ops.joining import pack
from refflow.ops.logic import LESS
from refflow.ops.random import random_uniform
from refflow.ops.reverse import reverse
from refflow.ops.slicing import pad, slice_

Size = Any  # an int, or an int32 tensor []


def images_of(image: Any) -> Tensor:
    """`image` as a tensor of three or four axes; three where it does not say."""
    x = convert_to_tensor(image, name="image")
    rank = x.get_shape().ndims
    if rank is None:
        x = identity(x)
        x.set_shape([None] * 3)
    elif rank not in (3, 4):
        raise ValueError(f"'image' (shape {x.get_shape()}) must have either 3 or 4 dimensions.")
    if 0 in x.get_shape().as_list()[-3:]:
        raise ValueError(f"inner 3 dims of 'image.shape' must be > 0: {x.get_shape()}")
    return x


def _sizes(x: Tensor) -> list[Size]:
    """Height and width."""
    return [shape(x)[at] if n is None else n for at, n in zip((-3, -2), x.get_shape().as_list()[-3:-1], strict=True)]


def _number(value: Any) -> Size:
    """An int where it is known, else a tensor."""
    known = constant_value(value) if isinstance(value, Tensor) else value
    return cast(convert_to_tensor(value), int32) if known is None else int(known)


def _holding(x: Tensor, *claims: tuple[Any, str]) -> Tensor:
    """`x`, if all claims are true: those about tensors are looked at when it runs."""
    late = []
    for claim, message in claims:
        if isinstance(claim, Tensor):
            late.append(Assert(claim, [message]))
        elif not claim:
            raise ValueError(message)
    with get_default_graph().control_dependencies(late):
        return identity(x) if late else x


def _numbers(*rows: list[Size]) -> Any:
    """Sizes as one tensor: a vector of one row, a matrix of several."""
    flat = [n for row in rows for n in row]
    form = [-1] if len(rows) == 1 else [len(rows), -1]
    if any(isinstance(n, Tensor) for n in flat):
        return reshape(pack(flat), form)
    return np.array(flat, np.int32).reshape(form)


def _of_size(x: Tensor, like: Tensor, sizes: list[Size]) -> Tensor:
    """`x`, which is known to have the sizes, and all else of `like`."""
    known = [None if isinstance(n, Tensor) else n for n in sizes]
    x.set_shape([*like.get_shape().as_list()[:-3], *known, like.get_shape().as_list()[-1]])
    return x


def crop_to_bounding_box(
    image: Any, offset_height: Size, offset_width: Size, target_height: Size, target_width: Size
) -> Tensor:
    """The box of the target's size in `image`, so many rows from the top and columns from the left."""
    with op_scope([], None, "crop_to_bounding_box"):
        x = images_of(image)
        top, left, rows, columns = map(_number, (offset_height, offset_width, target_height, target_width))
        x = _holding(x, *box_claims(_sizes(x), top, left, rows, columns))
        batch = len(x.get_shape().as_list()) - 3
        begin, size = [0] * batch + [top, left, 0], [-1] * batch + [rows, columns, -1]
        return _of_size(slice_(x, _numbers(begin), _numbers(size)), x, [rows, columns])


def pad_to_bounding_box(
    image: Any, offset_height: Size, offset_width: Size, target_height: Size, target_width: Size
) -> Tensor:
    """`image` in a black frame of the target's size, so many rows from the top and columns from the left."""
    with op_scope([], None, "pad_to_bounding_box"):
        x = images_of(image)
        height, width = _sizes(x)
        top, left, rows, columns = map(_number, (offset_height, offset_width, target_height, target_width))
        below, right = rows - top - height, columns - left - width
        x = _holding(x, *frame_claims(top, left, below, right))
        frame: list[list[Size]] = [[0, 0]] * (len(x.get_shape().as_list()) - 3) + [[top, below], [left, right], [0, 0]]
        return _of_size(pad(x, _numbers(*frame)), x, [rows, columns])


def central_crop(image: Any, central_fraction: Any) -> Tensor:
    """The middle `central_fraction` of an image, each way."""
    with op_scope([], None, "central_crop"):
        x = images_of(image)
        share = constant_value(central_fraction) if isinstance(central_fraction, Tensor) else central_fraction
        if share is not None and not 0 < share <= 1:
            raise ValueError("central_fraction must be within (0, 1]")
        if share is None:
            share = cast(central_fraction, "float64")
            whole = op_def("LogicalAnd")(share > 0, share <= 1)
            x = _holding(x, (whole, "central_fraction must be within (0, 1]"))
        edges = [_edge(n, share) for n in _sizes(x)]
        height, width = (n - 2 * edge for n, edge in zip(_sizes(x), edges, strict=True))
        return crop_to_bounding_box(x, edges[0], edges[1], height, width)


def _edge(size: Size, share: Any) -> Size:
    """What is cut off at each end of an axis."""
    if isinstance(size, Tensor) or isinstance(share, Tensor):
        size = cast(convert_to_tensor(size), "float64")
        return cast((size - size * share) / 2, int32)
    return int((size - size * float(share)) / 2)


def resize_image_with_crop_or_pad(image: Any, target_height: Size, target_width: Size) -> Tensor:
    """The middle of `image`, or `image` in the middle of black, in the target's size, each axis by itself."""
    with op_scope([], None, "resize_image_with_crop_or_pad"):
        x, targets = _with_targets(image, target_height, target_width)
        sizes = list(zip(_sizes(x), targets, strict=True))
        cut = [_larger((n - target) // 2, 0) for n, target in sizes]
        x = crop_to_bounding_box(x, *cut, *(_smaller(n, target) for n, target in sizes))
        return pad_to_bounding_box(x, *(_larger((target - n) // 2, 0) for n, target in sizes), *targets)


def _with_targets(image: Any, height: Any, width: Any) -> tuple[Tensor, list[Size]]:
    """An image, and the size that it is to have, which is not 0."""
    targets = [_number(height), _number(width)]
    return _holding(images_of(image), *target_claims(*targets)), targets


def _larger(a: Size, b: Size) -> Size:
    return op_def("Maximum")(a, b) if isinstance(a, Tensor) or isinstance(b, Tensor) else max(a, b)


def _smaller(a: Size, b: Size) -> Size:
    return op_def("Minimum")(a, b) if isinstance(a, Tensor) or isinstance(b, Tensor) else min(a, b)


def with_frame(image: Any, target_height: Size, target_width: Size, resize: Callable[[Tensor, Any], Tensor]) -> Tensor:
    """`image` as large as fits with its proportions, by resize(image, [height, width]), in the middle of a frame."""
    x, targets = _with_targets(image, target_height, target_width)
    sizes: list[Any] = list(zip(_sizes(x), targets, strict=True))
    if any(isinstance(n, Tensor) for pair in sizes for n in pair):
        sizes = [[cast(convert_to_tensor(n), "float32") for n in pair] for pair in sizes]
        ratio = op_def("Maximum")(*(n / target for n, target in sizes))
        fitting = [n / ratio for n, _ in sizes]
    else:
        ratio = max(n / target for n, target in sizes)
        fitting = [n / ratio for n, _ in sizes]
    edges = [_larger(_whole((target - n) / 2), 0) for n, (_, target) in zip(fitting, sizes, strict=True)]
    new = [_whole(n) for n in fitting]
    small = resize(x, _numbers(new) if isinstance(ratio, Tensor) else new)
    return pad_to_bounding_box(small, edges[0], edges[1], targets[0], targets[1])


def _whole(value: Any) -> Size:
    """What is before the point."""
    return cast(op_def("Floor")(value), int32) if isinstance(value, Tensor) else int(value // 1)


def _by_chance(called: str, axis: int, meaning: str) -> Any:
    def function(image: Any, seed: int | None = None) -> Tensor:
        with op_scope([], None, called):
            x = images_of(image)
            if x.get_shape().ndims == 3:
                turned = LESS(random_uniform([], 0, 1.0, seed=seed), 0.5)
                return reverse(x, pack([turned if i == axis + 3 else False for i in range(3)]))
            number = shape(x)[0]
            chances = random_uniform(pack([number]), 0, 1.0, seed=seed)
            turned = cast(op_def("Round")(reshape(chances, pack([number, 1, 1, 1]))), x.dtype.base_dtype)
            return turned * op_def("ReverseV2")(x, np.array([axis + 4], np.int32)) + (1 - turned) * x

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"An image, or each of a batch by itself, {meaning} half of the time."
    return function


random_flip_left_right = _by_chance("random_flip_left_right", -2, "in a mirror")
random_flip_up_down = _by_chance("random_flip_up_down", -3, "upside down")
