"""Boxes at random that hold enough of an object: how a picture is cropped for training [W06, W72].

A try takes a ratio of width to height and an area within bounds, and a place for such a window. The first window that
covers the wanted share of some box is taken; where none does in `max_attempts` tries, the whole picture.

Next: ops/boxes_stateless.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import int8, int16, int32, int64, uint8
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.non_max_suppression import check_scalar
from refflow.ops.random_crop import SampleStream, SampleWords

_AREAS = (uint8, int8, int16, int32, int64)
_DISTORTED: dict[str, Any] = {
    "T": _AREAS, "seed": 0, "seed2": 0, "aspect_ratio_range": Attr("list(float)", default=[0.75, 1.33]),
    "area_range": Attr("list(float)", default=[0.05, 1.0]), "max_attempts": 100,
    "use_image_if_no_bounding_boxes": False, "stateful": True, "source": ("W06", "W72"), "accuracy": "random",
}  # fmt: skip
DISTORTED = define_op("SampleDistortedBoundingBox",
                      "image_size: T, bounding_boxes: float32 -> begin: T, size: T, bboxes: float32",
                      min_object_covered=0.1, **_DISTORTED)  # fmt: skip
DISTORTED_V2 = define_op(
    "SampleDistortedBoundingBoxV2",
    "image_size: T, bounding_boxes: float32, min_object_covered: float32 -> begin: T, size: T, bboxes: float32",
    **_DISTORTED,
)


def _window(words: SampleWords, height: int, width: int, areas: Any, ratio: np.float32) -> Any:
    """(y1, x1, y2, x2) in pixels, of that ratio of width to height and an area within `areas`; or None."""
    one = np.float32
    if areas[1] <= 0 or ratio <= 0 or width <= 0 or height <= 0 or areas[0] > areas[1]:
        return None
    least, most = (one(one(one(a) * one(width)) * one(height)) for a in areas)
    h = int(np.rint(np.sqrt(one(least / ratio))))
    top = int(np.rint(np.sqrt(one(most / ratio))))
    if int(np.rint(one(top * ratio))) > width:
        top = int((width + 0.5 - 1e-7) / float(ratio))
        if int(np.rint(one(top * ratio))) > width:
            top -= 1
    top = min(top, height)
    h = min(h, top)
    if h < top:
        h += words.below(top - h + 1)
    w = int(np.rint(one(h * ratio)))
    for step in (1, -1):  # rounding may have made it a little too small or too large
        if (h * w < least) if step == 1 else (h * w > most):
            h += step
            w = int(np.rint(one(h * ratio)))
    if not (least <= h * w <= most and 0 < w <= width and 0 < h <= height):
        return None
    y = words.below(height - h) if h < height else 0
    x = words.below(width - w) if w < width else 0
    return y, x, y + h, x + w


def _covers(window: Any, objects: list[Any], least: float) -> bool:
    """Whether the window holds at least that share of one of the objects."""
    for y1, x1, y2, x2 in objects:
        area = max(0, y2 - y1) * max(0, x2 - x1)
        height, width = min(window[2], y2) - max(window[0], y1), min(window[3], x2) - max(window[1], x1)
        if area >= 1 and np.float32(max(0, height) * max(0, width)) / np.float32(area) >= least:
            return True
    return False


def sampled_box(state: Any, image_size: Any, bounding_boxes: Any, least: float, attrs: dict[str, Any]) -> Any:
    """begin and size of a window, and its box [1, 1, 4]; `state.take(tries)` gives random words."""
    ratios, areas, attempts = attrs["aspect_ratio_range"], attrs["area_range"], attrs["max_attempts"]
    if least < 0:
        raise ValueError(f"Min object covered must be non-negative: {least:g}")
    for name, values, most in (("Aspect ratio", ratios, np.inf), ("Area", areas, 1)):
        if len(values) != 2:
            raise ValueError(f"{name} range field must specify 2 dimensions")
        if min(values) < 0 or max(values) > most:
            raise ValueError(f"{name} range must be non-negative: [{values[0]:g}, {values[1]:g}]")
    if attempts <= 0:
        raise ValueError(f"Max attempts must be non-negative: {attempts}")
    height, width = int(image_size[0]), int(image_size[1])
    for name, value in (("height", height), ("width", width)):
        if not 0 <= value < 2**31 - 1:
            raise ValueError(f"image {name} cannot be >= int32 max")
    wrong = bounding_boxes[~((bounding_boxes >= 0) & (bounding_boxes <= 1))]
    if wrong.size:
        raise ValueError(f"All bounding box coordinates must be in [0.0, 1.0]: {wrong[0]:g}")
    scale = np.array([height, width] * 2, np.float32)
    objects = np.trunc(bounding_boxes.reshape(-1, 4) * scale).astype(np.int64).tolist()
    if not objects:
        if not attrs["use_image_if_no_bounding_boxes"]:
            raise ValueError(
                "No bounding boxes provided as input. One must enable use_image_if_no_bounding_boxes if you wish to "
                "not provide any bounding boxes."
            )
        objects = [[0, 0, height, width]]
    words = state.take(attempts)
    window = None
    for _ in range(attempts):
        low, high = (np.float32(r) for r in ratios)
        tried = _window(words, height, width, areas, words.unit() * (high - low) + low)
        if tried is not None and _covers(tried, objects, least):
            window = tried
            break
    y1, x1, y2, x2 = window or (0, 0, height, width)
    kind = image_size.dtype
    with np.errstate(invalid="ignore", divide="ignore"):
        box = np.array([y1, x1, y2, x2], np.float32) / scale
    return np.array([y1, x1, 0], kind), np.array([y2 - y1, x2 - x1, -1]).astype(kind), box.reshape(1, 1, 4)


@DISTORTED.kernel
def sample_distorted_bounding_box_kernel(
    image_size, bounding_boxes, aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes,
    min_object_covered, state,
):  # fmt: skip
    attrs = {"aspect_ratio_range": aspect_ratio_range, "area_range": area_range, "max_attempts": max_attempts,
             "use_image_if_no_bounding_boxes": use_image_if_no_bounding_boxes}  # fmt: skip
    return sampled_box(state, image_size, bounding_boxes, min_object_covered, attrs)


@DISTORTED_V2.kernel
def sample_distorted_bounding_box_v2_kernel(
    image_size, bounding_boxes, min_object_covered, aspect_ratio_range, area_range, max_attempts,
    use_image_if_no_bounding_boxes, state,
):  # fmt: skip
    return sample_distorted_bounding_box_kernel(
        image_size, bounding_boxes, aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes,
        float(min_object_covered), state,
    )  # fmt: skip


def distorted_shape(context: ShapeContext) -> list[shapes.Shape]:
    size, boxes = context.dims("image_size"), context.dims("bounding_boxes")
    need_rank(size, 1, "image_size must be 1-dimensional{0}")
    if size is not None and size[0] not in (None, 3):
        raise ShapeError(f"image_size must contain 3 elements{shapes.text(size)}")
    need_rank(boxes, 3, "input boxes must be 3-dimensional [batch, num_boxes, coords]: {0}")
    if boxes is not None and boxes[2] not in (None, 4):
        raise ShapeError(f"bounding boxes must have shape [4] or [*, 4], got {shapes.text(boxes)}")
    if context.op_def is DISTORTED_V2:
        check_scalar(context, "min_object_covered")
    return [(3,), (3,), (1, 1, 4)]


for _op in (DISTORTED, DISTORTED_V2):
    _op.state(SampleStream)
    _op.no_gradient()
    _op.shape(distorted_shape)
