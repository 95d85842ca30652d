"""Neural-net operations of TensorFlow's front end: the same programs, run there and here."""

import numpy as np
import pytest

from tests.peers.stand_in import differences, outcomes

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


def pools(tf):
    x, v = tf.constant(numbers(2, 7, 6, 3)), tf.constant(numbers(1, 4, 5, 6, 2))
    for padding in ("SAME", "VALID"):
        for pool in (tf.nn.max_pool, tf.nn.avg_pool):
            for image in (x, v):
                y = pool(image, 3, 2, padding)
                (dx,) = tf.gradients(y * y, image)
                run(tf, [y, dx, tf.gradients(dx * image, image)])
        run(tf, tf.nn.max_pool_with_argmax(x, 2, 2, padding, include_batch_in_index=True))
    run(tf, tf.nn.max_pool2d(x, 3, 2, [[0, 0], [1, 0], [2, 1], [0, 0]]))


def normalisations(tf):
    x, scale, offset = (tf.constant(numbers(*s, seed=i)) for i, s in enumerate(((2, 3, 4, 5), (5,), (5,))))
    mean, variance = tf.constant(numbers(5, seed=3)), tf.constant(np.abs(numbers(5, seed=4)) + 1)
    batch_norm = tf.compat.v1.nn.fused_batch_norm
    for given in ({}, {"mean": mean, "variance": variance, "is_training": False}):
        y = batch_norm(x, scale, offset, epsilon=0.01, **given)[0]
        grads = tf.gradients(y * y, [x, scale, offset])
        run(tf, [y, grads, tf.gradients(grads[0] * x, [x, scale])])
    run(tf, batch_norm(x, scale, offset, mean, variance, is_training=True, exponential_avg_factor=0.3))
    y = tf.nn.lrn(x, 2, 0.5, 0.3, 0.7)
    run(tf, [y, tf.gradients(y, x), tf.nn.moments(x, [0, 1]), tf.nn.l2_normalize(x, 3)])


def outputs_of_normalisation(tf):
    """All of them, which TensorFlow's own changes of a graph would take away."""
    hole = tf.compat.v1.placeholder_with_default
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    offset, mean, variance = (hole(np.float32(v), None) for v in ([0.5, 1, 2], [1, 2, 3], [2, 3, 4]))
    given = {"scale": mean, "offset": offset, "mean": mean, "variance": variance, "epsilon": 0.01}
    with tf.compat.v1.Session(config=config) as session:
        for op in (tf.raw_ops.FusedBatchNorm, tf.raw_ops.FusedBatchNormV2, tf.raw_ops.FusedBatchNormV3):
            for image in (numbers(2, 3, 4, 3), np.zeros((0, 2, 2, 3))):
                x = hole(image.astype(np.float32), None)
                for training in (True, False):
                    for factor in (1.0, 0.9):
                        session.run(op(x=x, **given, is_training=training, exponential_avg_factor=factor))


def losses_and_ranks(tf):
    scores, labels = tf.constant(numbers(3, 5)), tf.constant(np.array([0, 4, 2], np.int64))
    targets = tf.nn.softmax(tf.constant(numbers(1, 5, seed=1)))
    whole = tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=scores, labels=targets)
    picked = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
    run(tf, [whole, picked, tf.gradients(picked, scores)])
    run(tf, [tf.nn.top_k(scores, 2), tf.nn.in_top_k(labels, scores, 2), tf.nn.isotonic_regression(scores)])


def recurrent_cells(tf):
    time, batch, inputs, cells = 5, 2, 3, 4
    sizes = [(time, batch, inputs), (batch, cells), (batch, cells), (inputs + cells, 4 * cells)]
    sizes += [(cells,)] * 3 + [(4 * cells,)]
    data = [tf.constant(numbers(*s, seed=i)) for i, s in enumerate(sizes)]
    names = ("x", "cs_prev", "h_prev", "w", "wci", "wcf", "wco", "b")
    for op in (tf.raw_ops.BlockLSTM, tf.raw_ops.BlockLSTMV2):
        length = tf.constant(time, tf.int64)
        y = op(seq_len_max=length, **dict(zip(names, data, strict=True)), use_peephole=True)
        run(tf, [list(y), tf.gradients(y.h * y.h + y.cs, data)])


def errors(tf):
    """Each in a run of its own: what only the kernel can see."""
    hole = tf.compat.v1.placeholder_with_default
    x, w = hole(numbers(1, 4, 4, 3), None), hole(numbers(2, 2, 2, 5), None)
    for wrong in (
        tf.raw_ops.Conv2D(input=x, filter=w, strides=[1, 1, 1, 1], padding="SAME"),
        tf.raw_ops.Conv2D(input=x, filter=w, strides=[2, 1, 1, 1], padding="SAME"),
        tf.raw_ops.MaxPool(input=x, ksize=[2, 1, 1, 1], strides=[1, 1, 1, 1], padding="SAME"),
        tf.raw_ops.BiasAdd(value=x, bias=hole(numbers(4), None)),
        tf.raw_ops.AvgPool(value=hole(numbers(4, 4, 3), None), ksize=[1, 2, 2, 1], strides=[1] * 4, padding="SAME"),
        tf.raw_ops.AvgPool(value=x, ksize=[1, 0, 1, 1], strides=[1] * 4, padding="SAME"),
        tf.raw_ops.LRN(input=x, depth_radius=-1),
        tf.raw_ops.DepthwiseConv2dNative(input=x, filter=hole(numbers(2, 2, 2, 5), None), strides=[1] * 4,
                                         padding="SAME"),
        tf.raw_ops.Conv2DBackpropInput(input_sizes=hole([1, 4, 4, 3], None), filter=w,
                                       out_backprop=hole(numbers(1, 4, 4, 5), None), strides=[1] * 4, padding="SAME"),
        tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=hole([2, 2, 2, 5], None),
                                        out_backprop=hole(numbers(1, 4, 4, 5), None), strides=[1] * 4, padding="SAME"),
        tf.raw_ops.Dilation2D(input=x, filter=hole(numbers(2, 2, 2), None), strides=[1] * 4, rates=[1] * 4,
                              padding="SAME"),
    ):  # fmt: skip
        try:
            run(tf, wrong)
        except tf.errors.OpError:
            continue


PROGRAMS = [
    convolutions, dilations, fractional_pools, samplers, sampled_losses, temporal_classification, pools, normalisations,
    outputs_of_normalisation, losses_and_ranks, recurrent_cells, errors,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_both_run_it_alike(program):
    assert differences(program, rtol=1e-4, atol=1e-5) == []


def test_errors_have_the_same_words():
    for theirs, ours in zip(outcomes(errors, here=False), outcomes(errors, here=True), strict=True):
        assert theirs.message and theirs.message in ours.message
