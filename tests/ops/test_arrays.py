"""Arrays: what the cases on the pages cannot say."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_what_is_gathered_along_an_axis_has_its_gradient_there(axis, rng):
    params, indices = rng.normal(size=(3, 4, 2)), np.array([[1, 0], [1, 1]])
    weights = rng.normal(size=np.take(params, indices, axis).shape)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(params)
        y = op_def("GatherV2")(x, tf.constant(indices), tf.constant(axis))
        (dx,) = tf.gradients(y, x, grad_ys=tf.constant(weights))
        found = session.run(tf.convert_to_tensor(dx))
    wanted = np.zeros_like(params)
    moved = np.moveaxis(wanted, axis, 0)
    order = list(range(axis % 3, axis % 3 + 2)) + [i for i in range(4) if not axis % 3 <= i < axis % 3 + 2]
    np.add.at(moved, indices, np.transpose(weights, order))
    np.testing.assert_allclose(found, wanted)


def test_a_prevented_gradient_says_why():
    with tf.Graph().as_default():
        x = tf.constant(1.0)
        y = op_def("PreventGradient")(x, message="not today")
        with pytest.raises(LookupError, match="Gradient explicitly disabled. Reason: 'not today'"):
            tf.gradients(y, x)


@pytest.mark.parametrize("key", [
    (slice(None), 1), (Ellipsis, slice(0, 3, 2)), (slice(-2, None), None, slice(None, None, -1)), (0, Ellipsis, None),
    (slice(3, 0, -2), slice(1, -1)), (slice(5, 9),), (-1, -1, -1),
])  # fmt: skip
def test_brackets_mean_what_they_mean_in_python(key, rng):
    x = rng.normal(size=(4, 5, 3))
    masks = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    begin, end, step = [], [], []
    for i, k in enumerate(key):
        b, e, s = (0, 0, 1) if not isinstance(k, slice | int) else (k, k + 1, 1) if isinstance(k, int) else (
            k.start or 0, k.stop or 0, k.step or 1)  # fmt: skip
        begin, end, step = [*begin, b], [*end, e], [*step, s]
        if k is None:
            masks["new_axis_mask"] |= 1 << i
        elif k is Ellipsis:
            masks["ellipsis_mask"] |= 1 << i
        elif isinstance(k, int):
            masks["shrink_axis_mask"] |= 1 << i
        else:
            masks["begin_mask"] |= (k.start is None) << i
            masks["end_mask"] |= (k.stop is None) << i
    with tf.Graph().as_default(), tf.Session() as session:
        t = tf.constant(x)
        y = op_def("StridedSlice")(t, tf.constant(begin), tf.constant(end), tf.constant(step), **masks)
        assert y.get_shape().as_list() == list(x[key].shape)
        np.testing.assert_array_equal(session.run(y), x[key])
        (dx,) = tf.gradients(y, t)
        ones = np.zeros_like(x)
        ones[key] = 1
        np.testing.assert_array_equal(session.run(dx), ones)
