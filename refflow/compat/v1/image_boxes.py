"""Boxes in images: cut out, drawn, chosen, drawn by lot. A box is [top, left, bottom, right] as shares of the image.

Next: compat/v1/image.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refflow.compat.v1.arrays import _axis
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def

_ALL = float("-inf")


class BoundingBox(NamedTuple):
    """Where a box drawn by lot begins, how large it is, and its edges as shares of the image."""

    begin: Tensor
    size: Tensor
    bboxes: Tensor


def crop_and_resize(
    image: Any, boxes: Any, box_ind: Any = None, crop_size: Any = None, method: str = "bilinear",
    extrapolation_value: float = 0, name: str | None = None, box_indices: Any = None,
) -> Tensor:  # fmt: skip
    """Each box of the image that box_ind names, in `crop_size`."""
    return op_def("CropAndResize")(image, boxes, _axis(box_ind, box_indices), crop_size, method=method,
                                   extrapolation_value=float(extrapolation_value), name=name)  # fmt: skip


def draw_bounding_boxes(images: Any, boxes: Any, name: str | None = None, colors: Any = None) -> Tensor:
    """`images` [N, H, W, C] with the edges of `boxes` [N, M, 4] in some colours, or in those given."""
    if colors is None:
        return op_def("DrawBoundingBoxes")(images, boxes, name=name)
    return op_def("DrawBoundingBoxesV2")(images, boxes, colors, name=name)


def non_max_suppression(
    boxes: Any, scores: Any, max_output_size: Any, iou_threshold: Any = 0.5, score_threshold: Any = _ALL,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The indices of boxes by falling score, without those that overlap an earlier one by more than the threshold."""
    with op_scope([], name, "non_max_suppression"):
        return op_def("NonMaxSuppressionV3")(boxes, scores, max_output_size, np.float32(iou_threshold),
                                             np.float32(score_threshold))  # fmt: skip


def non_max_suppression_with_scores(
    boxes: Any, scores: Any, max_output_size: Any, iou_threshold: Any = 0.5, score_threshold: Any = _ALL,
    soft_nms_sigma: Any = 0.0, name: str | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(indices, scores): with a sigma, overlap lowers the others' scores instead of ruling them out."""
    with op_scope([], name, "non_max_suppression_with_scores"):
        found = op_def("NonMaxSuppressionV5")(
            boxes, scores, max_output_size, np.float32(iou_threshold), np.float32(score_threshold),
            np.float32(soft_nms_sigma), pad_to_max_output_size=False,
        )  # fmt: skip
        return found.selected_indices, found.selected_scores


def non_max_suppression_padded(
    boxes: Any, scores: Any, max_output_size: Any, iou_threshold: Any = 0.5, score_threshold: Any = _ALL,
    pad_to_max_output_size: bool = False, name: str | None = None, sorted_input: bool = False,
    canonicalized_coordinates: bool = False, tile_size: int = 512,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(indices, how many there are): the rest, up to max_output_size, is 0 where it is padded."""
    if sorted_input or canonicalized_coordinates:
        raise ValueError("non_max_suppression_padded takes boxes [N, 4] in any order here, without sorted_input and "
                         "canonicalized_coordinates")  # fmt: skip
    with op_scope([], name, "non_max_suppression_padded"):
        found = op_def("NonMaxSuppressionV4")(
            boxes, scores, max_output_size, np.float32(iou_threshold), np.float32(score_threshold),
            pad_to_max_output_size=pad_to_max_output_size,
        )  # fmt: skip
        return found.selected_indices, found.valid_outputs


def non_max_suppression_overlaps(
    overlaps: Any, scores: Any, max_output_size: Any, overlap_threshold: Any = 0.5, score_threshold: Any = _ALL,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """As non_max_suppression, of overlaps [N, N] that are known."""
    with op_scope([], name, "non_max_suppression_overlaps"):
        return op_def("NonMaxSuppressionWithOverlaps")(overlaps, scores, max_output_size, overlap_threshold,
                                                       score_threshold)  # fmt: skip


def combined_non_max_suppression(
    boxes: Any, scores: Any, max_output_size_per_class: Any, max_total_size: Any, iou_threshold: Any = 0.5,
    score_threshold: Any = _ALL, pad_per_class: bool = False, clip_boxes: bool = True, name: str | None = None,
) -> Any:  # fmt: skip
    """(boxes, scores, classes, how many) of a batch, chosen class by class."""
    with op_scope([], name, "combined_non_max_suppression"):
        return op_def("CombinedNonMaxSuppression")(
            boxes, scores, convert_to_tensor(max_output_size_per_class, "int32"),
            convert_to_tensor(max_total_size, "int32"), np.float32(iou_threshold), np.float32(score_threshold),
            pad_per_class=pad_per_class, clip_boxes=clip_boxes,
        )  # fmt: skip


def sample_distorted_bounding_box(
    image_size: Any, bounding_boxes: Any, seed: int | None = None, seed2: int | None = None,
    min_object_covered: Any = 0.1, aspect_ratio_range: Any = None, area_range: Any = None,
    max_attempts: int | None = None, use_image_if_no_bounding_boxes: bool | None = None, name: str | None = None,
) -> Any:  # fmt: skip
    """(begin, size, bboxes) of a box drawn by lot that covers enough of one of those given: a slice, and the box."""
    given = {"aspect_ratio_range": aspect_ratio_range, "area_range": area_range, "max_attempts": max_attempts,
             "use_image_if_no_bounding_boxes": use_image_if_no_bounding_boxes}  # fmt: skip
    with op_scope([], name, "sample_distorted_bounding_box"):
        found = op_def("SampleDistortedBoundingBoxV2")(
            image_size, bounding_boxes, min_object_covered, seed=seed or 0, seed2=seed2 or 0,
            **{key: value for key, value in given.items() if value is not None},
        )  # fmt: skip
        return BoundingBox(*found)
