"""Neural-net operations of TensorFlow's front end: the same programs, run there and here."""

import numpy as np
import pytest

from tests.peers.stand_in import differences

pytestmark = pytest.mark.peers
pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")


def run(tf, fetches, feeds=None):
    with tf.compat.v1.Session() as session:
        session.run(tf.nest.flatten(fetches, expand_composites=True), feeds)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def convolutions(tf):
    x, w = tf.constant(numbers(2, 7, 6, 4)), tf.constant(numbers(3, 2, 4, 6, seed=1))
    for padding in ("SAME", "VALID", [[0, 0], [1, 2], [3, 0], [0, 0]]):
        y = tf.nn.conv2d(x, w, 2, padding)
        dx, dw = tf.gradients(tf.reduce_sum(y * y), [x, w])
        run(tf, [y, dx, dw])
    run(tf, tf.nn.conv2d(x, w[:, :, :2], 1, "SAME"))  # two groups
    run(tf, tf.nn.conv2d_transpose(tf.constant(numbers(2, 4, 3, 6)), w, [2, 7, 6, 4], 2))


def dilations(tf):
    x, w = tf.constant(numbers(2, 7, 6, 3)), tf.constant(numbers(3, 2, 3, seed=1))
    for padding, rate in (("SAME", 2), ("VALID", 1)):
        y = tf.nn.dilation2d(x, w, [1, 2, 1, 1], padding, "NHWC", [1, rate, 1, 1])
        run(tf, [y, tf.gradients(y, [x, w])])
    run(tf, tf.nn.erosion2d(x, w, [1, 1, 1, 1], "SAME", "NHWC", [1, 1, 1, 1]))


def fractional_pools(tf):
    x = tf.constant(numbers(2, 11, 13, 3))
    for spaced in (False, True):
        for overlapping in (False, True):
            most = tf.nn.fractional_max_pool(x, [1.0, 1.4, 1.73, 1.0], spaced, overlapping, seed=7)
            mean = tf.nn.fractional_avg_pool(x, [1.0, 1.4, 1.73, 1.0], spaced, overlapping, seed=7)
            run(tf, [most, mean, tf.gradients([most[0], mean[0]], x)])


def samplers(tf):
    true = np.array([[1, 2], [0, 9]], np.int64)
    for sampler in (
        tf.random.uniform_candidate_sampler, tf.random.log_uniform_candidate_sampler,
        tf.random.learned_unigram_candidate_sampler,
    ):  # fmt: skip
        for unique in (False, True):
            drawn = sampler(true, 2, 8, unique, 30, seed=3)
            with tf.compat.v1.Session() as session:
                session.run(list(drawn))
                session.run(list(drawn))
    given = {"unigrams": [float(i % 7) for i in range(30)], "distortion": 0.75, "seed": 3}
    run(tf, tf.random.fixed_unigram_candidate_sampler(true, 2, 8, True, 30, **given))
    run(tf, tf.nn.compute_accidental_hits(true, np.array([2, 5, 9]), 2))


def sampled_losses(tf):
    w, b, x = (tf.constant(numbers(*s, seed=i)) for i, s in enumerate(((20, 4), (20,), (3, 4))))
    labels = np.array([[1, 2], [3, 4], [0, 19]], np.int64)
    for loss in (tf.nn.nce_loss, tf.nn.sampled_softmax_loss):
        drawn = tf.random.log_uniform_candidate_sampler(labels, 2, 8, True, 20, seed=5)
        value = loss(w, b, labels, x, 8, 20, num_true=2, sampled_values=drawn, remove_accidental_hits=True)
        run(tf, [value, tf.gradients(value, x)])


def temporal_classification(tf):
    x = tf.constant(numbers(9, 3, 6))
    labels = tf.sparse.from_dense([[1, 2, 0], [3, 0, 0], [4, 4, 2]])
    for loss in (
        tf.compat.v1.nn.ctc_loss(labels, x, [9, 5, 7]),
        tf.nn.ctc_loss(tf.constant([[1, 2, 0], [3, 0, 0], [4, 4, 2]]), x, [2, 1, 3], [9, 5, 7]),
    ):
        run(tf, [loss, tf.gradients(loss, x)])
    run(tf, tf.nn.ctc_greedy_decoder(x, [9, 5, 7]))
    run(tf, tf.nn.ctc_beam_search_decoder(x, [9, 5, 7], beam_width=5, top_paths=2))


@pytest.mark.parametrize("program", [
    convolutions, dilations, fractional_pools, samplers, sampled_losses, temporal_classification,
])  # fmt: skip
def test_both_run_it_alike(program):
    assert differences(program, rtol=1e-4, atol=1e-5) == []
