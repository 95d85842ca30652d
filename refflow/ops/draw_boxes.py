"""Boxes drawn into pictures: frames one pixel wide [W06].

A box is (y1, x1, y2, x2), with 0 and 1 the first and the last row or column.

Next: ops/distorted_boxes.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.ops.non_max_suppression import HALF_OR_SINGLE

DRAW = define_op("DrawBoundingBoxes", "images: T, boxes: float32 -> output: T", T=HALF_OR_SINGLE, source=("W06",))
DRAW_V2 = define_op("DrawBoundingBoxesV2", "images: T, boxes: float32, colors: float32 -> output: T",
                    T=HALF_OR_SINGLE, source=("W06",))  # fmt: skip
DRAW.no_gradient()
DRAW_V2.no_gradient_registered()
# Yellow, blue, red, lime, purple, olive, maroon, navy, aqua, fuchsia; red, green, blue, alpha.
_COLORS = np.array([
    [1, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0.5, 0, 0.5, 1], [0.5, 0.5, 0, 1], [0.5, 0, 0, 1],
    [0, 0, 0.5, 1], [0, 1, 1, 1], [1, 0, 1, 1],
], np.float32)  # fmt: skip


@DRAW.kernel
def draw_bounding_boxes_kernel(images, boxes):
    """Frames one pixel wide, one color after the other; each side is drawn where it is inside."""
    white = np.array([1, 0, 0, 0], bool)
    return _drawn(images, boxes, np.where(white, np.float32(1), _COLORS) if images.shape[3] == 1 else _COLORS)


@DRAW_V2.kernel
def draw_bounding_boxes_v2_kernel(images, boxes, colors):
    return _drawn(images, boxes, colors) if colors.size else draw_bounding_boxes_kernel(images, boxes)


def _drawn(images: np.ndarray, boxes: np.ndarray, colors: np.ndarray) -> np.ndarray:
    found = images.copy()
    height, width, depth = images.shape[1:]
    colors = colors.astype(images.dtype)
    scale = np.array([height - 1, width - 1] * 2, np.float32)
    for canvas, of_image in zip(found, boxes, strict=True):
        for i, box in enumerate(of_image):
            if np.isnan(box).any():
                continue
            y1, x1, y2, x2 = np.trunc(np.clip(box * scale, -(2**40), 2**40)).astype(np.int64).tolist()
            if y1 > y2 or x1 > x2 or y1 >= height or y2 < 0 or x1 >= width or x2 < 0:
                continue
            color = colors[i % len(colors), :depth]
            rows, columns = slice(max(y1, 0), min(y2, height - 1) + 1), slice(max(x1, 0), min(x2, width - 1) + 1)
            for y in [y for y in (y1, y2) if 0 <= y < height]:
                canvas[y, columns] = color
            for x in [x for x in (x1, x2) if 0 <= x < width]:
                canvas[rows, x] = color
    return found


def _drawn_shape(context: ShapeContext) -> shapes.Shape:
    images, boxes = context.dims("images"), context.dims("boxes")
    need_rank(images, 4, "The rank of the images should be 4, got {0}")
    need_rank(boxes, 3, "The rank of the boxes tensor should be 3, got {0}")
    if images is not None and boxes is not None and not shapes.compatible(images[:1], boxes[:1]):
        raise ShapeError("The batch sizes should be the same")
    if images is not None and images[3] not in (None, 1, 3, 4):
        raise ShapeError("Channel depth should be either 1 (GRY), 3 (RGB), or 4 (RGBA)")
    if boxes is not None and boxes[2] not in (None, 4):
        raise ShapeError(f"The size of the third dimension of the box must be 4. Received: {boxes[2]}")
    if context.op_def is DRAW_V2:
        colors = context.dims("colors")
        need_rank(colors, 2, "colors must be a 2-D matrix{0}")
        needed = None if images is None else images[3]
        if colors is not None and needed is not None and colors[1] is not None and colors[1] < needed:
            raise ShapeError(f"colors must have equal or more channels than the image provided: {shapes.text(colors)}")
    return images


DRAW.shape(_drawn_shape)
DRAW_V2.shape(_drawn_shape)
DRAW.case("W06", "a frame", images=np.zeros((1, 3, 3, 1), np.float32), boxes=[[[0, 0, 1, 1]]],
          output=[[[[1], [1], [1]], [[1], [0], [1]], [[1], [1], [1]]]])  # fmt: skip
DRAW_V2.case("W06", "in a color of one's own", images=np.zeros((1, 1, 2, 3), np.float32), boxes=[[[0, 0, 0, 0]]],
             colors=[[1, 2, 3]], output=[[[[1, 2, 3], [0, 0, 0]]]])  # fmt: skip
