"""Non-maximum suppression: of many boxes that overlap, the best [W06].

A box is (y1, x1, y2, x2), any two opposite corners. The op goes through boxes from the highest score down and keeps one
unless it overlaps a kept one by more than a threshold:

    overlap(a, b) = area(a and b) / area(a or b)

Soft suppression lowers the score instead, by exp(-overlap**2 / (2 * sigma)), and puts the box back in the queue.

Next: ops/draw_boxes.py.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import float16, float32
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

HALF_OR_SINGLE = Attr("type", default=float32, allowed=(float16, float32))
Overlaps = Callable[[Any, Any], np.ndarray]  # of boxes with others, by their numbers, which broadcast


def _overlaps(boxes: np.ndarray) -> Overlaps:
    y1, y2 = np.minimum(boxes[:, 0], boxes[:, 2]), np.maximum(boxes[:, 0], boxes[:, 2])
    x1, x2 = np.minimum(boxes[:, 1], boxes[:, 3]), np.maximum(boxes[:, 1], boxes[:, 3])
    areas = (y2 - y1) * (x2 - x1)

    def with_others(i: Any, others: Any) -> np.ndarray:
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
    if sigma <= 0:
        order = np.argsort(-scores.astype(np.float64), kind="stable")
        kept = _best(overlaps, order[scores[order] > least], limit, threshold)
        return kept, [scores[i] for i in kept]
    number = scores.dtype.type
    # The highest score is on top, of equal ones the first box; the last entry counts the kept boxes already seen.
    queue = [(-float(s), i, s, 0) for i, s in enumerate(scores) if s > least]
    heapq.heapify(queue)
    kept = []
    found: list[Any] = []
    while queue and len(kept) < limit:
        _, box, score, seen = heapq.heappop(queue)
        now = score
        if seen < len(kept):
            shared = overlaps(box, np.array(kept[seen:]))[::-1]
            for weight in np.exp(-0.5 / sigma * shared * shared):
                now = number(now * weight)
                if now <= least:
                    break
        if now == score:
            kept.append(box)
            found.append(score)
        elif now > least:
            heapq.heappush(queue, (-float(now), box, now, len(kept)))
    return kept, found


_TOGETHER = 64  # boxes whose overlaps are computed at once


def _best(overlaps: Overlaps, order: np.ndarray, limit: int, threshold: float) -> list[int]:
    """Of boxes in order, those that do not overlap a better one that is kept."""
    kept: list[int] = []
    for first in range(0, len(order), _TOGETHER):
        some = order[first : first + _TOGETHER]
        shared = overlaps(some[:, None], np.array([*kept, *some])) > threshold
        among = shared[:, len(kept) :]
        over: np.ndarray = np.any(shared[:, : len(kept)], axis=1)
        for i in range(len(some)):
            if len(kept) >= limit:
                return kept
            if not over[i]:
                kept.append(int(some[i]))
                over |= among[:, i]
    return kept


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
    need_rank(scores, 1, "scores must be 1-D{0} (Shape must be rank 1 but is rank {1})")
    if boxes is not None and scores is not None and not shapes.compatible(boxes[:1], scores):
        sizes = f"{boxes[0]} and {scores[0]}"
        raise ShapeError(f"scores has incompatible shape (Dimensions must be equal, but are {sizes})")
    for arg in context.op_def.inputs[2:]:
        check_scalar(context, arg.name)


def check_scalar(context: ShapeContext, name: str) -> None:
    """ShapeError unless that input has rank 0."""
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
        rows = context.count("max_output_size")
    dims = {"selected_indices": (rows,), "selected_scores": (rows,), "valid_outputs": ()}
    return [dims[a.name] for a in context.op_def.outputs]


_BOXES = "boxes: T, scores: T, max_output_size: int32"
_TYPES: dict[str, Any] = {"T": HALF_OR_SINGLE, "T_threshold": HALF_OR_SINGLE}
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
    T=HALF_OR_SINGLE, pad_to_max_output_size=False, accuracy="composed", source=("W06",),
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
    need_rank(boxes, 4, "boxes must be 4-D{0}")
    need_rank(scores, 3, "scores must be 3-D{0}")
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
        check_scalar(context, arg.name)
    batch = boxes[0] if boxes is not None else None if scores is None else scores[0]
    context.count("max_output_size_per_class")
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
