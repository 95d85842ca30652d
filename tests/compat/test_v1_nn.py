"""refflow.compat.v1.nn: windows of any kind, moments, bags of embeddings, labels without places in time."""

import inspect

import numpy as np
import pytest

import refflow.compat.v1 as tf

X = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], np.float32)
LINE = np.arange(1, 6, dtype=np.float32).reshape(1, 5, 1)  # 1 2 3 4 5
SQUARE = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
TABLE = np.array([[1, 1], [2, 4], [3, 9]], np.float32)


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


def bags(values=(0, 2, 1), weights=None):
    """Two bags: two ids, then one."""
    places = [[0, 0], [0, 1], [1, 0]]
    ids = tf.SparseTensor(places, tf.constant(values, tf.int64), [2, 2])
    return ids if weights is None else (ids, tf.SparseTensor(places, weights, [2, 2]))


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.nn.conv1d(LINE, [[[1.0]], [[-1.0]]], 1, "VALID")[0, :, 0], [-1, -1, -1, -1]),
        (lambda: tf.nn.conv1d(LINE, [[[1.0]], [[-1.0]]], 1, "VALID", dilations=2)[0, :, 0], [-2, -2, -2]),
        (lambda: tf.nn.conv1d_transpose([[[1.0], [2.0]]], [[[1.0]], [[10.0]]], [1, 4, 1], 2)[0, :, 0], [1, 10, 2, 20]),
        (lambda: tf.nn.convolution(LINE, [[[1.0]], [[1.0]]], "VALID", dilation_rate=[2])[0, :, 0], [4, 6, 8]),
        (lambda: tf.nn.atrous_conv2d(SQUARE, np.ones((2, 2, 1, 1), "f"), 2, "VALID")[0, :, :, 0], [[20, 24], [36, 40]]),
        (lambda: tf.nn.pool(SQUARE, [2, 2], "MAX", "VALID", dilation_rate=[2, 2])[0, :, :, 0], [[10, 11], [14, 15]]),
        (lambda: tf.nn.pool(LINE, [2], "AVG", "VALID", strides=[2])[0, :, 0], [1.5, 3.5]),
        (lambda: tf.nn.max_pool1d(LINE, 2, 2, "SAME")[0, :, 0], [2, 4, 5]),
        (lambda: tf.nn.avg_pool3d(SQUARE[..., None], 2, 2, "SAME")[0, :, 0, 0, 0], [2.5, 10.5]),
        (lambda: tf.nn.dilation2d(SQUARE, np.zeros((2, 2, 1), "f"), [1, 2, 2, 1], [1, 1, 1, 1], "VALID")[0, :, :, 0],
         [[5, 7], [13, 15]]),
        (lambda: tf.nn.erosion2d(SQUARE, np.ones((2, 2, 1), "f"), [1, 2, 2, 1], [1, 1, 1, 1], "VALID")[0, :, :, 0],
         [[-1, 1], [7, 9]]),
        (lambda: tf.nn.with_space_to_batch(SQUARE, [2, 2], "VALID", lambda x, n, p: x * n), SQUARE * 2),
        (lambda: tf.nn.space_to_batch(SQUARE, [[0, 0], [0, 0]], 2)[:, 0, 0, 0], [0, 1, 4, 5]),
        (lambda: tf.nn.weighted_moments(X, [0], [[1.0], [3.0]])[0], (X[0] + 3 * X[1]) / 4),
        (lambda: tf.nn.normalize_moments(*tf.nn.sufficient_statistics(X, [1], shift=2.0))[1], X.var(1)),
        (lambda: tf.nn.l2_normalize([3.0, 4.0]), [0.6, 0.8]),
        (lambda: tf.nn.swish([0.0, 100.0, -100.0]), [0, 100, 0]),
        (lambda: tf.nn.softmax(tf.placeholder_with_default(X, None)), np.exp(X) / np.exp(X).sum(1, keepdims=True)),
        (lambda: tf.nn.log_poisson_loss([0.0, 3.0], [0.0, 0.0], True),
         [1, 1 + 3 * np.log(3) - 3 + np.log(6 * np.pi) / 2]),
        (lambda: tf.nn.compute_average_loss([1.0, 2.0, 3.0], [1.0, 0.0, 1.0], 8), 0.5),
        (lambda: tf.nn.embedding_lookup([TABLE[:2], TABLE[2:]], [2, 0], "div"), TABLE[[2, 0]]),
        (lambda: tf.nn.embedding_lookup(TABLE, [1], max_norm=np.sqrt(5)), [[1, 2]]),
        (lambda: tf.nn.embedding_lookup_sparse(TABLE, bags(), None), [[2, 5], [2, 4]]),
        (lambda: tf.nn.embedding_lookup_sparse(TABLE, *bags(weights=[3.0, 1.0, 2.0])), [[1.5, 3], [2, 4]]),
        (lambda: tf.nn.embedding_lookup_sparse(TABLE, *bags(weights=[3.0, 4.0, 2.0]), combiner="sqrtn"),
         [[3, 7.8], [2, 4]]),
        (lambda: tf.nn.safe_embedding_lookup_sparse(TABLE, bags([-1, 2, -1])), [[3, 9], [0, 0]]),
        (lambda: tf.nn.safe_embedding_lookup_sparse(TABLE, bags([-1, 2, -1]), default_id=1), [[3, 9], [2, 4]]),
        (lambda: tf.nn.ctc_unique_labels([[3, 4, 4, 3]])[0], [[3, 4, 0, 0]]),
        (lambda: tf.nn.ctc_unique_labels([[3, 4, 4, 3]])[1], [[0, 1, 1, 0]]),
        (lambda: tf.nn.collapse_repeated([[1, 1, 2, 1], [3, 3, 3, 4]], [4, 3])[0], [[1, 2, 1], [3, 0, 0]]),
        (lambda: tf.nn.collapse_repeated([[1, 1, 2, 1], [3, 3, 3, 4]], [4, 3])[1], [3, 1]),
        (lambda: tf.nn.fused_batch_norm(SQUARE, [2.0], [1.0], [7.5], [1.0], 0.0, is_training=False)[0],
         2 * (SQUARE - 7.5) + 1),
    ],
)  # fmt: skip
def test_a_function_gives_what_was_worked_by_hand(build, expected):
    np.testing.assert_allclose(run(build()), expected, rtol=1e-4, atol=1e-5)


def test_one_label_over_two_moments_has_three_alignments():
    scores = np.log([[[0.6, 0.4]], [[0.3, 0.7]]]).astype(np.float32)  # [time, 1, (label, blank)]
    labels = tf.SparseTensor([[0, 0]], tf.constant([0]), [1, 1])
    chance = 0.6 * 0.3 + 0.6 * 0.7 + 0.4 * 0.3
    assert run(tf.nn.ctc_loss(labels, scores, [2])) == pytest.approx([-np.log(chance)], rel=1e-5)
    dense = tf.nn.ctc_loss_v2([[0]], scores, [1], [2], blank_index=1)
    assert run(dense) == pytest.approx([-np.log(chance)], rel=1e-5)
    decoded, _ = run(tf.nn.ctc_greedy_decoder(scores, [2]))
    assert decoded[0].values.tolist() == [0]


def test_gradients_flow_to_labels_of_the_second_version_alone():
    logits, scores = tf.constant(X), tf.constant(X[:, ::-1].copy())
    labels = tf.nn.softmax(scores)
    first = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    second = tf.nn.softmax_cross_entropy_with_logits_v2(labels, logits)
    assert tf.gradients(first, labels) == [None]
    found, minus_log = run([tf.gradients(second, labels)[0], -tf.nn.log_softmax(X)])
    np.testing.assert_allclose(found, minus_log, rtol=1e-5)
    np.testing.assert_allclose(*run([first, second]), rtol=1e-6)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: tf.nn.dropout(X), "must provide a rate"),
        (lambda: tf.nn.dropout(X, rate=1.5), "in the range"),
        (lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[[1], [0]], logits=X), "labels.shape.rank"),
        (lambda: tf.nn.sigmoid_cross_entropy_with_logits(labels=X[0], logits=X), "must have the same shape"),
        (lambda: tf.nn.convolution(SQUARE, np.ones((2, 2, 1, 1)), "SAME", [2, 2], [2, 2]), "strides > 1 not supported"),
        (lambda: tf.nn.pool(SQUARE, [2, 2], "MEAN", "SAME"), "'MAX' or 'AVG'"),
        (lambda: tf.nn.with_space_to_batch(SQUARE, [2, 2], "SAME", lambda x, n, p: x), "filter_shape"),
        (lambda: tf.nn.embedding_lookup([TABLE, TABLE], [0], "odd"), "Unrecognized partition strategy"),
        (lambda: tf.nn.embedding_lookup_sparse(TABLE, bags(), None, combiner="max"), "combiner must be one of"),
        (lambda: tf.nn.ctc_loss_v2(bags(), np.ones((2, 2, 3), "f"), None, [2, 2]), "`blank_index` must be provided"),
        (lambda: tf.nn.fused_batch_norm(SQUARE, [1.0], [0.0], is_training=False), "must be a 1D tensor"),
        (lambda: tf.nn.max_pool_v2(X, 2, 2, "SAME"), "rank 3, 4 or 5"),
    ],
)
def test_what_makes_no_sense_is_told_when_it_is_built(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_a_function_made_from_an_op_has_its_arguments():
    made = tf.nn.space_to_depth
    assert str(inspect.signature(made)) == "(input, block_size, name=None, data_format='NHWC')"
    with pytest.raises(TypeError, match=r"space_to_depth\(input, .*missing a required argument: 'block_size'"):
        made(SQUARE)
