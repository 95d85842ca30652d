"""Gradients of gradients: where the nodes of a gradient have gradients themselves, those are right too."""

import pytest

import refflow as tf
from tests.core.test_gradients import WITH_SLOPES, assert_slopes, smooth_sum

# The slope is nothing, or the same everywhere and no node.
FLAT = {"FloorDiv", "OnesLike", "Rint", "Round", "ZerosLike"}
# Gradient ops for which TensorFlow has no gradient either: asking is an error that names them.
FIRST_ORDER_ONLY = {
    "BatchNormWithGlobalNormalization", "Igamma", "Igammac", "LRN", "MaxPoolWithArgmax", "RaggedFillEmptyRows",
    "ResizeNearestNeighbor", "Softsign", "SparseFillEmptyRows", "SparseSegmentMean",
    "SparseSegmentMeanWithNumSegments", "SparseSegmentSqrtN", "SparseSegmentSqrtNWithNumSegments", "SparseSegmentSum",
    "SparseSegmentSumWithNumSegments", "SparseSlice", "SparseSoftmax",
}  # fmt: skip
CASES = {op.name: (op, case) for op, case in reversed(WITH_SLOPES) if op.name not in FLAT}


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_of_a_gradient_agrees_with_differences(name, rng):  # [S49, W29]
    total, holes, values = smooth_sum(*CASES[name], rng)
    slopes = [(h, tf.convert_to_tensor(g)) for h, g in zip(holes, tf.gradients(total, holes), strict=True)
              if g is not None]  # fmt: skip
    terms = [tf.reduce_sum(g * tf.constant(rng.normal(size=values[h].shape))) for h, g in slopes]
    if name in FIRST_ORDER_ONLY:
        with pytest.raises(LookupError, match="No gradient defined for operation"):
            tf.gradients(terms, holes)
    else:
        assert_slopes(tf.add_n(terms), holes, values, rng, rel=1e-4)
