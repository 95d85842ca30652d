"""SparseMatMul is MatMul with hints: values and gradients are the same for every transposition and hint."""

import itertools

import numpy as np
import pytest

import refflow as tf

FLAGS = list(itertools.product([False, True], repeat=2))


@pytest.mark.parametrize(("t_a", "t_b"), FLAGS)
@pytest.mark.parametrize("hints", [(True, False), (False, True), (True, True)])
def test_values_and_slopes_are_those_of_matmul(t_a, t_b, hints, rng):
    x = rng.normal(size=(4, 3) if t_a else (3, 4)).astype(np.float32)
    y = rng.normal(size=(2, 4) if t_b else (4, 2)).astype(np.float32)
    a, b = tf.constant(x), tf.constant(y)
    both = [tf.matmul(a, b, t_a, t_b), tf.matmul(a, b, t_a, t_b, *hints)]
    assert [p.op.type for p in both] == ["MatMul", "SparseMatMul"]
    weights = tf.constant(rng.normal(size=(3, 2)).astype(np.float32))
    slopes = [tf.gradients(tf.nn.relu(p) * weights, [a, b]) for p in both]
    with tf.Session() as session:
        plain, sparse = session.run(both)
        np.testing.assert_allclose(sparse, plain, rtol=1e-5)
        for one, other in zip(*session.run(slopes), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)


def test_what_comes_back_through_a_relu_counts_as_sparse():
    a, b = tf.constant(np.ones((2, 3), np.float32)), tf.constant(np.ones((3, 2), np.float32))
    da = tf.gradients(tf.nn.relu(tf.matmul(a, b, a_is_sparse=True)), a)[0]
    assert da.op.type == "SparseMatMul" and da.op.get_attr("a_is_sparse")


def test_operands_of_two_bytes_give_float32():
    a = tf.cast(tf.constant([[1.0, 2.0]]), tf.bfloat16)
    b = tf.constant([[3.0], [0.0]])
    product = tf.matmul(a, b, b_is_sparse=True)
    slope = tf.gradients(product, a)[0]
    assert product.dtype is tf.float32 and slope.dtype is tf.bfloat16
    with tf.Session() as session:
        assert session.run([product, tf.cast(slope, tf.float32)])[0].tolist() == [[3.0]]
        assert session.run(tf.cast(slope, tf.float32)).tolist() == [[3.0, 0.0]]
