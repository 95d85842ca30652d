"""Loops that TensorFlow's library turns into single ops (pfor), and measures that grow over steps, there and here."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

from tests.peers.stand_in import differences

pytestmark = pytest.mark.peers
RNG = np.random.default_rng(5)
X = RNG.uniform(0.1, 1.1, (3, 4, 5)).astype(np.float32)
M = (RNG.uniform(0, 1, (3, 4, 4)) + 2 * np.eye(4)).astype(np.float32)
N = np.array([[3, 1, 2], [0, 1, 1], [2, 0, 3]], np.int32)

# Functions of (tf, x [4, 5], m [4, 4], n [3] of integers): what is done for each of three rows.
BODIES = {
    "products": lambda tf, x, m, n: [tf.matmul(m, x), tf.einsum("ij,jk->ik", m, x), tf.linalg.matvec(x, x[0])],
    "sums": lambda tf, x, m, n: [tf.reduce_sum(x, 1), tf.cumsum(x), tf.math.unsorted_segment_sum(x[:3], n, 4)],
    "rows": lambda tf, x, m, n: [tf.gather(x, n), tf.one_hot(n, 5), tf.scatter_nd(n[:, None], x[:3], [5, 5])],
    "slices": lambda tf, x, m, n: [x[1:, ::2], tf.reverse(x, [0]), tf.pad(x, [[1, 0], [0, 2]]), tf.tile(x, [2, 1])],
    "choices": lambda tf, x, m, n: [tf.where(x > 0.5, x, 0.0), *tf.nn.top_k(x, 2), tf.argmax(x, 1)],
    "matrices": lambda tf, x, m, n: [
        tf.linalg.inv(m), tf.linalg.cholesky(tf.matmul(m, m, transpose_b=True)), tf.linalg.triangular_solve(m, x),
        tf.linalg.svd(m, compute_uv=False), tf.linalg.det(m),
    ],
    "nets": lambda tf, x, m, n: [
        tf.nn.softmax(x), tf.nn.conv2d(x[None, :, :, None], tf.ones([2, 2, 1, 1]), 1, "SAME"),
        tf.nn.max_pool2d(x[None, :, :, None], 2, 2, "SAME"),
        tf.compat.v1.nn.fused_batch_norm(x[None, :, :, None], [1.0], [0.0])[0],
    ],
    "branches": lambda tf, x, m, n: tf.cond(n[0] > 1, lambda: x, lambda: -x),
    "loops": lambda tf, x, m, n: tf.while_loop(lambda j, a: j < n[0], lambda j, a: (j + 1, a * 2), [0, x])[1],
    "slopes": lambda tf, x, m, n: tf.gradients(tf.reduce_sum(tf.sin(x) * tf.matmul(m, x)), x),
    "waves": lambda tf, x, m, n: tf.signal.fft(tf.cast(x, tf.complex64)),
    "arrays": lambda tf, x, m, n: tf.TensorArray(tf.float32, 2).unstack(x[:2]).stack(),
    "dice": lambda tf, x, m, n: tf.random.stateless_uniform([2], [n[0], 1]),
    "texts": lambda tf, x, m, n: tf.strings.as_string(n),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_loops_turned_into_single_ops_agree(name):
    def program(tf):
        from tensorflow.python.ops.parallel_for.control_flow_ops import pfor

        fed = {tf.compat.v1.placeholder(v.dtype, v.shape): v for v in (X, M, N)}
        count = tf.compat.v1.placeholder(tf.int32, [])

        def body(i):
            return BODIES[name](tf, *(tf.gather(p, i) for p in fed))

        with tf.compat.v1.Session() as session:
            session.run([*tf.nest.flatten(pfor(body, 3))], fed)
            session.run([*tf.nest.flatten(pfor(body, count))], {**fed, count: 3})

    assert differences(program, rtol=1e-4, atol=1e-5) == []


def test_jacobians_agree():
    def program(tf):
        from tensorflow.python.ops.parallel_for import gradients

        y = tf.compat.v1.placeholder(tf.float32, [3])
        z = y**2 * tf.reduce_sum(y)
        found = [gradients.jacobian(z, y), gradients.jacobian(z, y, use_pfor=False)]
        with tf.compat.v1.Session() as session:
            session.run(found, {y: [1.0, 2.0, 3.0]})

    assert differences(program) == []


TRUTH = np.array([[0, 1, 1, 0], [1, 0, 1, 1]], bool)
GUESS = np.array([[0.1, 0.8, 0.4, 0.6], [0.9, 0.2, 0.7, 0.3]], np.float32)
MEASURES = {
    "mean": lambda m, y, p, w: m.mean(p, w),
    "accuracy": lambda m, y, p, w: m.accuracy(y, p > 0.5, w),
    "auc": lambda m, y, p, w: m.auc(y, p, w, num_thresholds=9),
    "precision and recall": lambda m, y, p, w: m.auc(
        y, p, w, curve="PR", num_thresholds=5, summation_method="careful_interpolation"
    ),
    "precision": lambda m, y, p, w: m.precision(y, p > 0.5, w),
    "recall at thresholds": lambda m, y, p, w: m.recall_at_thresholds(y, p, [0.2, 0.5], w),
    "false negatives": lambda m, y, p, w: m.false_negatives_at_thresholds(y, p, [0.2, 0.5], w),
    "sensitivity": lambda m, y, p, w: m.sensitivity_at_specificity(y, p, 0.5, w, num_thresholds=9),
    "specificity": lambda m, y, p, w: m.specificity_at_sensitivity(y, p, 0.5, w, num_thresholds=9),
    "squares": lambda m, y, p, w: m.root_mean_squared_error(p * 2, p, w),
    "overlap": lambda m, y, p, w: m.mean_iou(y, p > 0.5, 2, w),
    "classes": lambda m, y, p, w: m.mean_per_class_accuracy(y, p > 0.5, 2),
    "below": lambda m, y, p, w: m.percentage_below(p, 0.5, w),
}


@pytest.mark.parametrize("name", MEASURES)
def test_measures_that_grow_over_steps_agree(name):
    def program(tf):
        v1 = tf.compat.v1
        y, p, w = (v1.placeholder(kind, [2, 4]) for kind in (tf.bool, tf.float32, tf.float32))
        value, update = MEASURES[name](v1.metrics, y, p, w)
        with v1.Session() as session:
            session.run(v1.local_variables_initializer())
            session.run(value)
            session.run(update, {y: TRUTH, p: GUESS, w: np.ones((2, 4))})
            session.run(update, {y: ~TRUTH, p: GUESS[::-1], w: np.arange(8.0).reshape(2, 4)})
            session.run(value)

    assert differences(program) == []
