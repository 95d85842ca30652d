"""Gradients of gradients: where the nodes of a gradient have gradients themselves, those are right too."""

import re

import pytest

import refflow as tf
from refflow.core.registry import op_def
from tests.core.test_gradients import WITH_SLOPES, assert_slopes, smooth_sum

# The slope is nothing, or the same everywhere and no node.
FLAT = {"FloorDiv", "OnesLike", "Rint", "Round", "ZerosLike"}
CASES = {op.name: (op, case) for op, case in reversed(WITH_SLOPES) if op.name not in FLAT}


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_of_a_gradient_agrees_with_differences(name, rng):  # [S49, W29]
    total, holes, values = smooth_sum(*CASES[name], rng)
    slopes = [(h, tf.convert_to_tensor(g)) for h, g in zip(holes, tf.gradients(total, holes), strict=True)
              if g is not None]  # fmt: skip
    terms = [tf.reduce_sum(g * tf.constant(rng.normal(size=values[h].shape))) for h, g in slopes]
    try:
        assert_slopes(tf.add_n(terms), holes, values, rng, rel=1e-4)
    except LookupError as error:  # only where a page states that TensorFlow has no rule either
        assert op_def(re.search(r"op type: (\w+)", str(error)).group(1)).lacks_gradient
