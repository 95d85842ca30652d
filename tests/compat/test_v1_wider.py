"""refflow.compat.v1: what functions of the first release take beside, Python 3's division, and what is refused how."""

import numpy as np
import pytest

import refflow
import refflow.compat.v1 as tf

X = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], np.float32)
Z = (X + 1j).astype(np.complex64)


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.constant(7) / 2, 3.5),
        (lambda: 7 / tf.constant(np.int8(2)), np.float32(3.5)),
        (lambda: tf.constant(-7) % 3, 2),
        (lambda: tf.constant(-7) // 2, -4),
        (lambda: tf.div(-7, 2), -4),
        (lambda: tf.div(-7.0, 2.0), -3.5),
        (lambda: tf.round([0.5, 1.5, -0.5]), [0, 2, 0]),
        (lambda: tf.round([3]), [3]),
        (lambda: tf.constant([1, 2], shape=[4]), [1, 2, 2, 2]),
        (lambda: tf.convert_to_tensor([1, 2], preferred_dtype=tf.float64), np.float64([1, 2])),
        (lambda: tf.convert_to_tensor([1.5], dtype_hint=tf.int32), np.float32([1.5])),
        (lambda: tf.zeros_like(X, tf.bool), np.zeros_like(X, bool)),
        (lambda: tf.ones_like(tf.SparseTensor([[0, 1]], [5.0], [1, 2])), np.ones([1, 2], np.float32)),
        (lambda: tf.linspace([0.0, 1.0], [1.0, 3.0], 3, axis=-1), np.float32([[0, 0.5, 1], [1, 2, 3]])),
        (lambda: tf.lin_space(0, 10, 3), np.float64([0, 5, 10])),
        (lambda: tf.transpose(Z, conjugate=True), Z.conj().T),
        (lambda: tf.transpose(X, conjugate=True), X.T),
        (lambda: tf.reverse_sequence(X, [1, 3], seq_axis=1), np.float32([[1, -2, 3], [-1, 0, 0.5]])),
        (lambda: tf.unique([4, 4, 2], out_idx=tf.int64).idx, np.int64([0, 0, 1])),
        (lambda: tf.count_nonzero(["a", ""]), np.int64(1)),
        (lambda: tf.count_nonzero(input=X, axis=1, dtype=tf.int32), np.int32([3, 2])),
        (lambda: tf.clip_by_norm([3.0, 4.0], 1.0), np.float32([0.6, 0.8])),
        (lambda: tf.clip_by_norm([[3.0, 4.0], [0.0, 0.5]], 1.0, axes=[1]), np.float32([[0.6, 0.8], [0, 0.5]])),
        (lambda: tf.stack([1, 2.5]), np.float32([1, 2.5])),
        (lambda: tf.cond(tf.constant(True), fn1=lambda: 1, fn2=lambda: 2), 1),
        (lambda: tf.map_fn(lambda x: 2 * x, X, parallel_iterations=None), 2 * X),
        (lambda: tf.map_fn(lambda x: 2.0 * x, np.float32([1.0]), fn_output_signature=tf.float32), np.float32([2])),
        (lambda: tf.abs(Z), np.abs(Z)),
    ],
)
def test_a_line_gives_this(build, expected):
    found = run(build())
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.asarray(found).dtype == np.asarray(expected).dtype or np.asarray(expected).dtype in (int, float)


def test_graphs_of_the_first_release_divide_as_it_did():
    with refflow.Graph().as_default(), refflow.Session() as session:
        assert session.run([refflow.constant(7) / 2, refflow.constant(-7) % 3]) == [3, -1]


def test_the_gradient_of_a_sum_needs_no_whole_quotients():
    x = tf.placeholder(tf.float32)
    (slope,) = tf.gradients(tf.reduce_sum(x, 1), x)
    assert run(slope, {x: X}).tolist() == np.ones_like(X).tolist()


def test_a_clipped_zero_has_a_slope():
    x = tf.constant([0.0, 0.0])
    assert run(tf.gradients(tf.clip_by_norm(x, 1.0), x)[0]).tolist() == [1, 1]


def test_the_sum_of_everything_is_a_scalar_whatever_the_rank():
    assert tf.reduce_sum(tf.placeholder(tf.float32)).get_shape().as_list() == []


def test_slices_are_clipped_as_slices():
    found = tf.clip_by_norm(tf.IndexedSlices(tf.constant([[3.0, 4.0]]), tf.constant([7])), 1.0)
    assert isinstance(found, tf.IndexedSlices) and run(found.values).tolist() == [[np.float32(0.6), np.float32(0.8)]]


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: tf.constant([1, 2], shape=[4], verify_shape=True), TypeError, "Expected Tensor's shape"),
        (lambda: tf.convert_to_tensor(tf.constant(1), tf.float32), ValueError, "Tensor conversion requested dtype"),
        (lambda: tf.constant(None), ValueError, "None values not supported"),
        (lambda: tf.constant(X)[5], ValueError, "slice index 5 .* out of bounds"),
        (lambda: tf.constant(X)[5], IndexError, "slice index 5"),
        (lambda: tf.constant(X)[0, 0, 0], ValueError, "Index out of range using input dim 2; input has only 2 dims"),
        (lambda: tf.unstack(X, axis=5), ValueError, r"not in range \[-2, 2\)"),
        (lambda: tf.concat([], 0), ValueError, "length 0 shorter than minimum"),
        (lambda: tf.one_hot([1], 3, 1.0, 2), TypeError, "on_value does not match dtype"),
        (lambda: tf.sequence_mask([1], [3]), ValueError, "`maxlen` must be scalar"),
        (lambda: tf.matmul(X, X, transpose_a=True, adjoint_a=True), ValueError, "Only one of `transpose_a`"),
        (lambda: tf.cond(tf.constant(True), lambda: 1), TypeError, "'false_fn' argument required"),
        (lambda: tf.cond(tf.constant(True), lambda: 1, lambda: 2, fn1=lambda: 3), TypeError, "simultaneously"),
        (lambda: tf.cond(tf.constant(True), 1, 2), TypeError, "'true_fn' must be callable"),
        (lambda: tf.reverse_sequence(X, [1, 3]), ValueError, "needs seq_axis"),
    ],
)
def test_what_is_wrong_is_said_while_the_graph_is_built(build, error, text):
    with pytest.raises(error, match=text):
        build()
