"""Boxes in images: which of many that overlap to keep, boxes drawn, boxes at random that hold an object.

A box is (y1, x1, y2, x2), any two opposite corners. Non-maximum suppression goes through boxes from the highest score
down and keeps one unless it overlaps a kept one by more than a threshold:

    overlap(a, b) = area(a and b) / area(a or b)

Soft suppression lowers the score instead, by exp(-overlap**2 / (2 * sigma)), and puts the box back in the queue.

Next: ops/image_transform.py.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import float16, float32, int8, int16, int32, int64, uint8
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.image_crop import SampleStream, SampleWords

_HALF_OR_SINGLE = Attr("type", default=float32, allowed=(float16, float32))
Overlaps = Callable[[int, Any], np.ndarray]  # of one box with several


def _overlaps(boxes: np.ndarray) -> Overlaps:
    y1, y2 = np.minimum(boxes[:, 0], boxes[:, 2]), np.maximum(boxes[:, 0], boxes[:, 2])
    x1, x2 = np.minimum(boxes[:, 1], boxes[:, 3]), np.maximum(boxes[:, 1], boxes[:, 3])
    areas = (y2 - y1) * (x2 - x1)

    def with_others(i: int, others: Any) -> np.ndarray:
        height = np.minimum(y2[i], y2[others]) - np.maximum(y1[i], y1[others])
        width = np.minimum(x2[i], x2[others]) - np.maximum(x1[i], x1[others])
        both = np.maximum(height, 0) * np.maximum(width, 0)
        real = (areas[i] > 0) & (areas[others] > 0)
        return np.where(real, both / np.where(real, areas[i] + areas[others] - both, 1), 0)

    return with_others


def suppressed(
    overlaps: Overlaps, scores: np.ndarray, limit: int, threshold: float, least: float, sigma: float = 0.0
) -> tuple[list[int], list[Any]]:
    """The boxes that are kept, at most `limit`, and their scores; those at or below `least` do not count.

    >>> boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.9], [0, 2, 1, 3]])
    >>> suppressed(_overlaps(boxes), np.array([1.0, 2.0, 3.0]), 9, 0.5, 0)[0]
    [2, 1]
    """
    number = scores.dtype.type
    # The highest score is on top, of equal ones the first box; the last entry counts the kept boxes already seen.
    queue = [(-float(s), i, s, 0) for i, s in enumerate(scores) if s > least]
    heapq.heapify(queue)
    kept: list[int] = []
    found: list[Any] = []
    while queue and len(kept) < limit:
        _, box, score, seen = heapq.heappop(queue)
        now, over = score, False
        if seen < len(kept):
            shared = overlaps(box, np.array(kept[seen:]))[::-1]
            if sigma > 0:
                for weight in np.exp(-0.5 / sigma * shared * shared):
                    now = number(now * weight)
                    if now <= least:
                        break
            else:
                over = bool(np.any(shared > threshold))
        if over:
            continue
        if now == score:
            kept.append(box)
            found.append(score)
        elif now > least:
            heapq.heappush(queue, (-float(now), box, now, len(kept)))
    return kept, found


# -- what to keep ---------------------------------------------------------------------------------------------


def _check_nms(context: ShapeContext) -> None:
    first = context.op_def.inputs[0].name
    boxes, scores = context.dims(first), context.dims("scores")
    if boxes is not None and len(boxes) != 2:
        raise ShapeError(f"{first} must be 2-D{shapes.text(boxes)} (Shape must be rank 2 but is rank {len(boxes)})")
    if first == "overlaps":
        if boxes is not None and None not in boxes and boxes[0] != boxes[1]:
            raise ShapeError(f"overlaps must be square{shapes.text(boxes)}")
    elif boxes is not None and boxes[1] not in (None, 4):
        raise ShapeError(f"boxes must have 4 columns (Dimension must be 4 but is {boxes[1]})")
    if scores is not None and len(scores) != 1:
        raise ShapeError(f"scores must be 1-D{shapes.text(scores)} (Shape must be rank 1 but is rank {len(scores)})")
    if boxes is not None and scores is not None and not shapes.compatible(boxes[:1], scores):
        sizes = f"{boxes[0]} and {scores[0]}"
        raise ShapeError(f"scores has incompatible shape (Dimensions must be equal, but are {sizes})")
    for arg in context.op_def.inputs[2:]:
        _check_scalar(context, arg.name)


def _check_scalar(context: ShapeContext, name: str) -> None:
    dims = context.dims(name)
    if dims:
        raise ShapeError(f"{name} must be 0-D, got shape {shapes.text(dims)} (Shape must be rank 0 but is rank "
                         f"{len(dims)})")  # fmt: skip


def _check_thresholds(limit: int, threshold: Any) -> None:
    if not 0 <= threshold <= 1:
        raise ValueError("iou_threshold must be in [0, 1]")
    if limit < 0:
        raise ValueError("output size must be non-negative")


def _kept_shape(context: ShapeContext) -> Any:
    """One row for each kept box; with padding, as many as there may be."""
    _check_nms(context)
    rows = None
    if context.attrs.get("pad_to_max_output_size"):
        limit = context.ints("max_output_size")
        rows = limit[0] if limit and limit[0] >= 0 else None
    dims = {"selected_indices": (rows,), "selected_scores": (rows,), "valid_outputs": ()}
    return [dims[a.name] for a in context.op_def.outputs]


_BOXES = "boxes: T, scores: T, max_output_size: int32"
_TYPES: dict[str, Any] = {"T": _HALF_OR_SINGLE, "T_threshold": _HALF_OR_SINGLE}
NMS = define_op("NonMaxSuppression", "boxes: float32, scores: float32, max_output_size: int32 -> "
                "selected_indices: int32", iou_threshold=0.5, source=("W06",))  # fmt: skip
NMS_V2 = define_op("NonMaxSuppressionV2", f"{_BOXES}, iou_threshold: T_threshold -> selected_indices: int32",
                   source=("W06",), **_TYPES)  # fmt: skip
_BOTH = f"{_BOXES}, iou_threshold: T_threshold, score_threshold: T_threshold"
NMS_V3 = define_op("NonMaxSuppressionV3", f"{_BOTH} -> selected_indices: int32", source=("W06",), **_TYPES)
NMS_V4 = define_op("NonMaxSuppressionV4", f"{_BOTH} -> selected_indices: int32, valid_outputs: int32",
                   pad_to_max_output_size=False, source=("W06",), **_TYPES)  # fmt: skip
NMS_V5 = define_op(
    "NonMaxSuppressionV5",
    f"{_BOXES}, iou_threshold: T, score_threshold: T, soft_nms_sigma: T -> "
    "selected_indices: int32, selected_scores: T, valid_outputs: int32",
    T=_HALF_OR_SINGLE, pad_to_max_output_size=False, source=("W06",),
)  # fmt: skip
NMS_OVERLAPS = define_op(
    "NonMaxSuppressionWithOverlaps",
    "overlaps: float32, scores: float32, max_output_size: int32, overlap_threshold: float32, score_threshold: float32 "
    "-> selected_indices: int32",
    source=("W06",),
)


def _selection(boxes: np.ndarray, scores: np.ndarray, limit: Any, threshold: Any, least: Any, sigma: Any = 0.0) -> Any:
    _check_thresholds(int(limit), threshold)
    kept, found = suppressed(_overlaps(boxes), scores, int(limit), float(threshold), float(least), float(sigma))
    return np.array(kept, np.int32), np.array(found, scores.dtype)


def _padded(values: np.ndarray, limit: Any, wanted: bool) -> np.ndarray:
    return np.pad(values, (0, int(limit) - len(values))) if wanted else values


@NMS.kernel
def non_max_suppression_kernel(boxes, scores, max_output_size, iou_threshold):
    return _selection(boxes, scores, max_output_size, iou_threshold, -np.inf)[0]


@NMS_V2.kernel
def non_max_suppression_v2_kernel(boxes, scores, max_output_size, iou_threshold):
    return _selection(boxes, scores, max_output_size, iou_threshold, -np.inf)[0]


@NMS_V3.kernel
def non_max_suppression_v3_kernel(boxes, scores, max_output_size, iou_threshold, score_threshold):
    return _selection(boxes, scores, max_output_size, iou_threshold, score_threshold)[0]


@NMS_V4.kernel
def non_max_suppression_v4_kernel(
    boxes, scores, max_output_size, iou_threshold, score_threshold, pad_to_max_output_size
):
    kept, _ = _selection(boxes, scores, max_output_size, iou_threshold, score_threshold)
    return _padded(kept, max_output_size, pad_to_max_output_size), np.array(len(kept), np.int32)


@NMS_V5.kernel
def non_max_suppression_v5_kernel(
    boxes, scores, max_output_size, iou_threshold, score_threshold, soft_nms_sigma, pad_to_max_output_size
):
    if soft_nms_sigma < 0:
        raise ValueError("soft_nms_sigma_val must be >= 0")
    parts = _selection(boxes, scores, max_output_size, iou_threshold, score_threshold, soft_nms_sigma)
    kept, found = (_padded(p, max_output_size, pad_to_max_output_size) for p in parts)
    return kept, found, np.array(len(parts[0]), np.int32)


@NMS_OVERLAPS.kernel
def non_max_suppression_with_overlaps_kernel(overlaps, scores, max_output_size, overlap_threshold, score_threshold):
    kept, _ = suppressed(lambda i, others: overlaps[i, others], scores, int(max_output_size),
                         float(overlap_threshold), float(score_threshold))  # fmt: skip
    return np.array(kept, np.int32)


for _op in (NMS, NMS_V2, NMS_V3, NMS_V4, NMS_V5, NMS_OVERLAPS):
    _op.shape(_kept_shape)
for _op in (NMS, NMS_V2, NMS_OVERLAPS):
    _op.no_gradient()
for _op in (NMS_V3, NMS_V4, NMS_V5):
    _op.no_gradient_registered()

_ROW: dict[str, Any] = {"boxes": [[0, 0, 1, 1], [0, 0, 1, 0.75], [0, 2, 1, 3]], "scores": [1, 2, 3]}
NMS.case("W06", "of two that overlap the better stays", max_output_size=9, selected_indices=[2, 1], **_ROW)
NMS.case("W06", "a share is between 0 and 1", max_output_size=9, iou_threshold=2.0,
         error="iou_threshold must be in [0, 1]", **_ROW)  # fmt: skip
NMS_V2.case("W06", "three quarters may overlap", max_output_size=9, iou_threshold=0.75, selected_indices=[2, 1, 0],
            **_ROW)  # fmt: skip
NMS_V3.case("W06", "no more than asked for", max_output_size=1, iou_threshold=0.5, score_threshold=0,
            selected_indices=[2], **_ROW)  # fmt: skip
NMS_V4.case("W06", "low scores do not count", max_output_size=3, iou_threshold=0.75, score_threshold=1,
            pad_to_max_output_size=True, selected_indices=[2, 1, 0], valid_outputs=2, **_ROW)  # fmt: skip
NMS_V5.case("W06", "hard, with scores", max_output_size=9, iou_threshold=0.5, score_threshold=0, soft_nms_sigma=0,
            selected_indices=[2, 1], selected_scores=[3, 2], valid_outputs=2, **_ROW)  # fmt: skip
NMS_OVERLAPS.case("W06", "overlaps are given", overlaps=[[1, 0.6], [0.6, 1]], scores=[1, 2], max_output_size=2,
                  overlap_threshold=0.5, score_threshold=0, selected_indices=[1])  # fmt: skip

# -- by classes -----------------------------------------------------------------------------------------------

COMBINED = define_op(
    "CombinedNonMaxSuppression",
    "boxes: float32, scores: float32, max_output_size_per_class: int32, max_total_size: int32, iou_threshold: float32, "
    "score_threshold: float32 -> nmsed_boxes: float32, nmsed_scores: float32, nmsed_classes: float32, "
    "valid_detections: int32",
    pad_per_class=False, clip_boxes=True, source=("W06",),
)  # fmt: skip
COMBINED.no_gradient_registered()


@COMBINED.kernel
def combined_non_max_suppression_kernel(
    boxes, scores, max_output_size_per_class, max_total_size, iou_threshold, score_threshold, pad_per_class, clip_boxes
):
    """The best boxes [N, q, 4] of each image over all classes, suppressed within each class."""
    per_class, total = int(max_output_size_per_class), int(max_total_size)
    if per_class <= 0:
        raise ValueError("max_size_per_class must be positive")
    if total <= 0:
        raise ValueError("max_total_size must be > 0")
    _check_thresholds(per_class, iou_threshold)
    classes = scores.shape[2]
    rows = min(total, per_class * classes) if pad_per_class else total
    found_boxes, found = np.zeros((len(boxes), rows, 4), np.float32), np.zeros((len(boxes), rows), np.float32)
    found_classes, valid = np.zeros((len(boxes), rows), np.float32), np.zeros(len(boxes), np.int32)
    for image in range(len(boxes)):
        best = []
        for c in range(classes):
            of_class = boxes[image, :, min(c, boxes.shape[2] - 1)]
            kept, kept_scores = suppressed(_overlaps(of_class), scores[image, :, c], per_class, float(iou_threshold),
                                           float(score_threshold))  # fmt: skip
            best += [(s, c, of_class[i]) for i, s in zip(kept, kept_scores, strict=True)]
        best.sort(key=lambda item: -item[0])
        for i, (score, c, box) in enumerate(best[:rows]):
            found_boxes[image, i] = np.clip(box, 0, 1) if clip_boxes else box
            found[image, i], found_classes[image, i] = score, c
        valid[image] = min(len(best), rows)
    return found_boxes, found, found_classes, valid


@COMBINED.shape
def _combined_shape(context: ShapeContext) -> list[shapes.Shape]:
    boxes, scores = context.dims("boxes"), context.dims("scores")
    if boxes is not None and len(boxes) != 4:
        raise ShapeError(f"boxes must be 4-D{shapes.text(boxes)}")
    if scores is not None and len(scores) != 3:
        raise ShapeError(f"scores must be 3-D{shapes.text(scores)}")
    if boxes is not None and scores is not None:
        if not shapes.compatible(boxes[:1], scores[:1]):
            raise ShapeError("boxes and scores must have same batch size")
        if not shapes.compatible(boxes[1:2], scores[1:2]):
            raise ShapeError("scores has incompatible shape")
        if boxes[2] not in (None, 1) and scores[2] is not None and boxes[2] != scores[2]:
            raise ShapeError("third dimension of boxes must be either 1 or num classes")
    if boxes is not None and boxes[3] not in (None, 4):
        raise ShapeError("boxes must have 4 columns")
    for arg in context.op_def.inputs[2:]:
        _check_scalar(context, arg.name)
    batch = boxes[0] if boxes is not None else None if scores is None else scores[0]
    per_class, total = context.ints("max_output_size_per_class"), context.ints("max_total_size")
    rows = total[0] if total and total[0] > 0 else None
    if context.attrs["pad_per_class"] and rows is not None:
        known = per_class is not None and scores is not None and scores[2] is not None
        rows = min(rows, per_class[0] * scores[2]) if known else None  # type: ignore[index, operator]
    return [(batch, rows, 4), (batch, rows), (batch, rows), (batch,)]


COMBINED.case(
    "W06", "two classes share boxes", boxes=[[[[0, 0, 1, 1]], [[0, 0, 1, 2]]]], scores=[[[1, 2], [3, 0]]],
    max_output_size_per_class=1, max_total_size=3, iou_threshold=0.5, score_threshold=0.5,
    nmsed_boxes=[[[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]], nmsed_scores=[[3, 2, 0]], nmsed_classes=[[0, 1, 0]],
    valid_detections=[2],
)  # fmt: skip

# -- drawing --------------------------------------------------------------------------------------------------

DRAW = define_op("DrawBoundingBoxes", "images: T, boxes: float32 -> output: T", T=_HALF_OR_SINGLE, source=("W06",))
DRAW_V2 = define_op("DrawBoundingBoxesV2", "images: T, boxes: float32, colors: float32 -> output: T",
                    T=_HALF_OR_SINGLE, source=("W06",))  # fmt: skip
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
    if images is not None and len(images) != 4:
        raise ShapeError(f"The rank of the images should be 4, got {shapes.text(images)}")
    if boxes is not None and len(boxes) != 3:
        raise ShapeError(f"The rank of the boxes tensor should be 3, got {shapes.text(boxes)}")
    if images is not None and boxes is not None and not shapes.compatible(images[:1], boxes[:1]):
        raise ShapeError("The batch sizes should be the same")
    if images is not None and images[3] not in (None, 1, 3, 4):
        raise ShapeError("Channel depth should be either 1 (GRY), 3 (RGB), or 4 (RGBA)")
    if boxes is not None and boxes[2] not in (None, 4):
        raise ShapeError(f"The size of the third dimension of the box must be 4. Received: {boxes[2]}")
    if context.op_def is DRAW_V2:
        colors = context.dims("colors")
        if colors is not None and len(colors) != 2:
            raise ShapeError(f"colors must be a 2-D matrix{shapes.text(colors)}")
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

# -- boxes at random --------------------------------------------------------------------------------------------

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
    if size is not None and len(size) != 1:
        raise ShapeError(f"image_size must be 1-dimensional{shapes.text(size)}")
    if size is not None and size[0] not in (None, 3):
        raise ShapeError(f"image_size must contain 3 elements{shapes.text(size)}")
    if boxes is not None and len(boxes) != 3:
        raise ShapeError(f"input boxes must be 3-dimensional [batch, num_boxes, coords]: {shapes.text(boxes)}")
    if boxes is not None and boxes[2] not in (None, 4):
        raise ShapeError(f"bounding boxes must have shape [4] or [*, 4], got {shapes.text(boxes)}")
    if context.op_def is DISTORTED_V2:
        _check_scalar(context, "min_object_covered")
    return [(3,), (3,), (1, 1, 4)]


for _op in (DISTORTED, DISTORTED_V2):
    _op.state(SampleStream)
    _op.no_gradient()
    _op.shape(distorted_shape)

