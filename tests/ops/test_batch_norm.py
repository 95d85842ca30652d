"""Batch normalisation has no float64 kernel: its slopes are held against the same formula in plain float64 nodes."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def

EPSILON = 1e-3


def fused(version, x, scale, offset, mean, variance, data_format, training):
    op = op_def("FusedBatchNorm" + ("" if version == 1 else f"V{version}"))
    return op(x, scale, offset, mean, variance, epsilon=EPSILON, data_format=data_format, is_training=training).y


def in_steps(x, scale, offset, mean, variance, data_format, training):
    rank = len(x.get_shape().as_list())
    channel = 1 if data_format.startswith("NC") else rank - 1
    axes, column = [i for i in range(rank) if i != channel], [1] * rank
    column[channel] = -1
    if training:
        mean = tf.reduce_mean(x, axes, keep_dims=True)
        variance = tf.reduce_mean(tf.square(x - mean), axes, keep_dims=True)
    else:
        mean, variance = tf.reshape(mean, column), tf.reshape(variance, column)
    normal = (x - mean) / tf.sqrt(variance + EPSILON)
    return normal * tf.reshape(scale, column) + tf.reshape(offset, column)


def slopes(build, arrays, weights):
    """The gradients of a weighted sum of y, and those of a weighted sum of these."""
    with tf.Graph().as_default(), tf.Session() as session:
        x, scale, offset, mean, variance = (tf.constant(a) for a in arrays)
        y = build(x, scale, offset, mean, variance)
        first = tf.gradients(tf.reduce_sum(y * tf.constant(weights[0])), [x, scale, offset])
        dot = tf.add_n([tf.reduce_sum(g * tf.constant(w)) for g, w in zip(first, weights[1:], strict=True)])
        return session.run(first), session.run(tf.gradients(dot, [x, scale]))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("version", [1, 2, 3])
def test_first_and_second_slopes_are_those_of_the_formula(version, data_format, training, rng):  # [W30, S49]
    shape = (4, 3, 2, 3)
    channels = shape[1] if data_format == "NCHW" else shape[3]
    arrays = [rng.normal(size=shape), *(rng.uniform(0.5, 2, channels) for _ in range(4))]
    statistics = arrays[:3] + ([np.zeros(0)] * 2 if training else arrays[3:])
    weights = [rng.normal(size=shape), rng.normal(size=shape), rng.normal(size=channels), rng.normal(size=channels)]
    plain = slopes(lambda *a: in_steps(*a, data_format, training), arrays, weights)
    ours = slopes(lambda *a: fused(version, *a, data_format, training), [a.astype(np.float32) for a in statistics],
                  [w.astype(np.float32) for w in weights])  # fmt: skip
    for wanted, got in zip([*plain[0], *plain[1]], [*ours[0], *ours[1]], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
