"""The slope of a gamma sample along its shape parameter: the sample that has the same share of smaller ones moves."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def


def share_below(alpha, x):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(op_def("Igamma")(tf.constant(alpha), tf.constant(x)))


def sample_at(alpha, share):
    """The x with that share below it, by halving."""
    low, high = np.zeros_like(share), np.full_like(share, 200.0)
    for _ in range(80):
        middle = (low + high) / 2
        below = share_below(alpha, middle) < share
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


ALPHA = np.array([0.3, 0.9, 1.0, 2.5, 8.0, 30.0])


def test_the_slope_of_a_sample_is_that_of_its_quantile(rng):  # [S49]
    sample = ALPHA * rng.uniform(0.4, 1.6, ALPHA.shape)
    share = share_below(ALPHA, sample)
    wanted = (sample_at(ALPHA + 1e-5, share) - sample_at(ALPHA - 1e-5, share)) / 2e-5
    with tf.Session() as session:
        found = session.run(op_def("RandomGammaGrad")(tf.constant(ALPHA), tf.constant(sample)))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def samples(kind, alpha):
    shape = [50, *alpha.get_shape().as_list()]
    if kind == "RandomGamma":
        return op_def(kind)([50], alpha, seed=3, seed2=5)
    if kind == "StatelessRandomGammaV2":
        return op_def(kind)(shape, [3, 5], alpha)
    key, counter = op_def("StatelessRandomGetKeyCounter")([3, 5])
    return op_def(kind)(shape, key, counter, 1, alpha)


@pytest.mark.parametrize("kind", ["RandomGamma", "StatelessRandomGammaV2", "StatelessRandomGammaV3"])
def test_slopes_of_many_samples_add_up(kind, rng):  # [W30]
    weights = rng.normal(size=(50, len(ALPHA)))
    with tf.Graph().as_default(), tf.Session() as session:
        alpha = tf.constant(ALPHA)
        drawn = samples(kind, alpha)
        each = op_def("RandomGammaGrad")(alpha, drawn)
        (slope,) = tf.gradients(tf.reduce_sum(drawn * tf.constant(weights)), alpha)
        found, parts = session.run([slope, each])
    np.testing.assert_allclose(found, (parts * weights).sum(axis=0), rtol=1e-12)
