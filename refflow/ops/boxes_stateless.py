"""Boxes at random whose numbers follow from a seed that is an input: the same for the same seed, in every run [W73].

Next: ops/image_transform.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int8, int16, int32, int64, uint8
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.distorted_boxes import distorted_shape, sampled_box
from refflow.ops.random_crop import SampleWords
from refflow.ops.random_stateless import check_seed, generator_of_seed

STATELESS_DISTORTED = define_op(
    "StatelessSampleDistortedBoundingBox",
    "image_size: T, bounding_boxes: float32, min_object_covered: float32, seed: Tseed "
    "-> begin: T, size: T, bboxes: float32",
    T=(uint8, int8, int16, int32, int64), Tseed=INDICES, aspect_ratio_range=Attr("list(float)", default=[0.75, 1.33]),
    area_range=Attr("list(float)", default=[0.05, 1.0]), max_attempts=100, use_image_if_no_bounding_boxes=False,
    source=("W06", "W72"), accuracy="random",
)  # fmt: skip
STATELESS_DISTORTED.no_gradient()


class _SeededStream:
    """A stream that begins anew at each run, at the place that the seed means."""

    def __init__(self, seed: Any):
        self.generator = generator_of_seed(seed)

    def take(self, _: int) -> SampleWords:
        return SampleWords(self, 0)  # type: ignore[arg-type]

    def words(self, blocks: np.ndarray, first: int = 0) -> np.ndarray:
        return self.generator.skipped(first).words(blocks)


@STATELESS_DISTORTED.kernel
def stateless_sample_distorted_bounding_box_kernel(
    image_size, bounding_boxes, min_object_covered, seed, aspect_ratio_range, area_range, max_attempts,
    use_image_if_no_bounding_boxes,
):  # fmt: skip
    attrs = {"aspect_ratio_range": aspect_ratio_range, "area_range": area_range, "max_attempts": max_attempts,
             "use_image_if_no_bounding_boxes": use_image_if_no_bounding_boxes}  # fmt: skip
    return sampled_box(_SeededStream(seed), image_size, bounding_boxes, float(min_object_covered), attrs)


@STATELESS_DISTORTED.shape
def _stateless_distorted_shape(context: ShapeContext) -> list[shapes.Shape]:
    check_seed(context)
    covered = context.dims("min_object_covered")
    if covered:
        raise ShapeError(f"min_object_covered must be 0-D, got shape {shapes.text(covered)}")
    return distorted_shape(context)


_BOX: dict[str, Any] = {"image_size": [8, 8, 3], "bounding_boxes": [[[0, 0, 1, 1]]], "min_object_covered": 0.5,
                        "Tseed": int32}  # fmt: skip
STATELESS_DISTORTED.case("W72", "a seed has two parts", **_BOX, seed=[1, 2, 3], T=int32,
                         error="seed must have shape [2], not [3]")  # fmt: skip
