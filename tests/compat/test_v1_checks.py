"""refflow.compat.v1: assertions about values, ranks, shapes and types, and what they say."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

X = np.ones([2, 3], np.float32)


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


def hole(shape=None, dtype=tf.float32):
    return tf.placeholder(dtype, shape)


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: tf.assert_equal([1, 2], [1, 3], message="so"), tf.errors.InvalidArgumentError,
         r"(?s)so\nCondition x == y did not hold element-wise:\nx \(assert_equal/x:0\) = \n\[1 2\]\ny .*\[1 3\]"),
        (lambda: tf.assert_equal([1], [2], data=["said", tf.constant(5)]), tf.errors.InvalidArgumentError, "said\n5"),
        (lambda: tf.assert_non_positive([1.0]), tf.errors.InvalidArgumentError, "Condition x <= 0 did not hold"),
        (lambda: tf.assert_near(1, 2), ValueError, "not inexact"),
        (lambda: tf.assert_rank(X, 1, message="m"), ValueError,
         r"m\.  Tensor assert_rank/x:0 must have rank 1\.  Received rank 2, shape \(2, 3\)"),
        (lambda: tf.assert_rank(X, [1]), ValueError, "Rank must be a scalar"),
        (lambda: tf.assert_rank(X, 1.5), TypeError, "must be of type tf.int32; got tf.float32"),
        (lambda: tf.assert_rank_at_least(X, 3), ValueError, "must have rank at least 3.  Received rank 2"),
        (lambda: tf.assert_rank_in(X, [1, 3]), ValueError, r"must have rank in \(1, 3\)"),
        (lambda: tf.assert_integer(X), TypeError, 'Expected "x" to be integer type'),
        (lambda: tf.assert_scalar(X), ValueError, r"Expected scalar shape for .*, saw shape: \(2, 3\)"),
        (lambda: tf.assert_scalar(hole()), ValueError, "<unknown>"),
        (lambda: tf.assert_same_float_dtype([tf.constant(1.0), tf.constant(1.0, tf.float64)]), ValueError,
         "must be of the same type .*float32.* as Const:0"),
        (lambda: tf.assert_same_float_dtype([tf.constant(1)]), ValueError, "Expected floating point type"),
        (lambda: tf.assert_proper_iterable(3), TypeError, "to be iterable"),
        (lambda: tf.assert_proper_iterable(tf.constant([1])), TypeError, '"proper" iterable'),
        (lambda: tf.debugging.assert_shapes([(tf.constant(X), ("N", "N"))]), ValueError,
         r"Specified by tensor Const:0 dimension 0\.  Tensor Const:0 dimension 1 must have size 2\.  Received size 3"),
        (lambda: tf.debugging.assert_shapes([(tf.constant(X), ("N", ...))]), ValueError, "only allowed as the first"),
    ],
)  # fmt: skip
def test_what_is_known_is_told_while_the_graph_is_built(build, error, text):
    with pytest.raises(error, match=text):
        build()


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda x: tf.assert_equal(x, 2.0, message="so"),
         r"\[so\] \[Condition x == y did not hold element-wise:\] \[x \(Placeholder:0\) = \] \[\[1 1 1\]"),
        (lambda x: tf.assert_positive(x - 1.0, message="so"), r"\[so\.  \] \[Condition x > 0 did not hold"),
        (lambda x: tf.assert_near(x, x + 0.1, rtol=0.01, atol=0.02), "x and y not equal to tolerance rtol = 0.01"),
        (lambda x: tf.assert_rank(x, 1), r"\[Tensor Placeholder:0 must have rank\] \[1\] \[Received shape: \] \[2 3\]"),
        (lambda x: tf.assert_rank_in(x, [0, 1]), r"must have rank in\] \[0\] \[1\]"),
        (lambda x: tf.debugging.assert_shapes([(x, ("N", 5))]),
         r"\[Specified explicitly\] \[Tensor Placeholder:0 dimension\] \[1\] \[must have size\] \[5\]"),
        (lambda x: tf.debugging.assert_shapes([(x, ("A", "B")), (x, ("B", "A"))]), "Specified by tensor Placeholder:0"),
        (lambda x: tf.verify_tensor_all_finite(x / 0.0, "where"), "where : Tensor had Inf"),
        (lambda x: tf.debugging.assert_all_finite(x=x / 0.0, message="where"), "where : Tensor had Inf"),
    ],
)  # fmt: skip
def test_the_rest_fails_the_step(build, text):
    x = hole()
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        run(build(x), {x: X})


def test_what_holds_passes():
    x, scalar = hole(), hole()
    checks = [
        tf.assert_near(x, x + 1e-7), tf.assert_rank(x, tf.constant(2)), tf.assert_rank_in(x, (0, 2)),
        tf.assert_rank_at_least(x, 1), tf.assert_rank(X, 2), tf.assert_integer([1]), tf.assert_type(X, tf.float32),
        tf.debugging.assert_shapes([(x, ("N", 3)), (tf.constant(X), ("N", "M")), (scalar, (1,))]),
        tf.debugging.assert_shapes({x: (..., 3)}), tf.debugging.assert_shapes([(x, (None, "."))]),
    ]  # fmt: skip
    run(checks, {x: X, scalar: 1.0})
    assert run(tf.assert_scalar(3)) == 3
    assert tf.assert_same_float_dtype() is tf.float32
    assert tf.assert_same_float_dtype([tf.constant(1.0, tf.float64)]) is tf.float64
    assert tf.assert_proper_iterable([1]) is None
    assert tf.assert_rank(X, 2, name="r").name == "r/static_checks_determined_all_ok"


def test_what_is_a_tensor():
    sparse = tf.SparseTensor([[0]], [1], [2])
    assert all(map(tf.is_tensor, (tf.constant(1), tf.Variable(1), sparse)))
    assert not tf.is_tensor(1) and not tf.is_tensor(X)
    assert tf.is_numeric_tensor(tf.constant(1)) and not tf.is_numeric_tensor(tf.constant("a"))
    assert not tf.is_numeric_tensor(1)
