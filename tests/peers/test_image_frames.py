"""Images cut, framed and turned, of known and of unknown sizes, beside TensorFlow's."""

import numpy as np
import pytest

from tests.peers.side_by_side import unlike
from tests.peers.test_compat_v1 import tensorflow

pytestmark = pytest.mark.peers
__all__ = ["tensorflow"]

IMAGES = np.random.default_rng(4).uniform(0, 255, (2, 7, 9, 3)).astype(np.float32)
IMAGE = IMAGES[0]
LATE = "(lambda v: tf.placeholder_with_default(v, {}))"
WAYS = {
    "known": "tf.constant({})",
    "unknown": LATE.format([None, None, 3]) + "({})",
    "nothing": LATE.format([None] * 3) + "({})",
}
LINES = [
    "tf.image.central_crop(X, 0.5)",
    "tf.image.central_crop(X, 1.0)",
    "tf.image.central_crop(X, 0.3)",
    "tf.image.crop_to_bounding_box(X, 1, 2, 3, 4)",
    "tf.image.crop_to_bounding_box(X, tf.constant(1) + 1, 2, 3, tf.constant(4) + 1)",
    "tf.image.crop_to_bounding_box(X, 5, 2, 3, 4)",
    "tf.image.crop_to_bounding_box(X, -1, 2, 3, 4)",
    "tf.image.pad_to_bounding_box(X, 1, 2, 9, 15)",
    "tf.image.pad_to_bounding_box(X, 1, 2, 7, 15)",
    "tf.image.resize_image_with_crop_or_pad(X, 5, 12)",
    "tf.image.resize_image_with_crop_or_pad(X, 8, 4)",
    "tf.image.resize_image_with_crop_or_pad(X, 0, 4)",
    "tf.image.resize_image_with_pad(X, 5, 12)",
    "tf.image.resize_image_with_pad(X, 12, 5)",
    "tf.image.random_flip_left_right(X, seed=3)",
    "tf.image.random_flip_up_down(X, seed=5)",
    "tf.image.total_variation(X)",
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("line", LINES)
def test_one_image(tensorflow, line, way):
    assert unlike(tensorflow, f"[tf.set_random_seed(2), {line}][1]", {"IMAGE": IMAGE},
                  {"X": WAYS[way].format("IMAGE")}) is None  # fmt: skip


@pytest.mark.parametrize("given", ["tf.constant(IMAGES)", "tf.placeholder_with_default(IMAGES, [None, None, None, 3])"])
@pytest.mark.parametrize("line", LINES)
def test_a_batch(tensorflow, line, given):
    assert unlike(tensorflow, f"[tf.set_random_seed(2), {line}][1]", {"IMAGES": IMAGES}, {"X": given}) is None
