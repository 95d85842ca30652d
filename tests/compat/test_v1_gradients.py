"""refflow.compat.v1: what counts as given, zeros where nothing flows, functions that bring their own gradient."""

import numpy as np
import pytest

import refflow.compat.v1 as tf


def run(fetches):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches)


def test_what_counts_as_given_stops_the_way_back():
    a = tf.constant(3.0)
    b = a * 2.0
    assert run(tf.gradients(a + b, [a, b])) == [3, 1]
    assert run(tf.gradients(a + b, [a, b], stop_gradients=[a, b])) == [1, 1]
    assert tf.gradients(b * b, [a], stop_gradients=b) == [None]


def test_where_nothing_flows_there_is_none_or_zero():
    a = tf.constant([1.0, 2.0])
    assert tf.gradients(tf.constant(1.0), [a]) == [None]
    (zero,) = tf.gradients(tf.constant(1.0), a, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert run(zero).tolist() == [0, 0]
    with pytest.raises(ValueError, match="Unknown value for unconnected_gradients: 'nope'"):
        tf.gradients(a, a, unconnected_gradients="nope")


def test_a_function_brings_its_gradient():
    @tf.custom_gradient
    def log1pexp(x):
        """Stable where exp(x) is not."""
        e = tf.exp(x)
        return tf.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))

    x = tf.constant(100.0)
    y = log1pexp(x)
    assert log1pexp.__doc__ == "Stable where exp(x) is not."
    assert run(tf.gradients(y, x)) == [1]  # exp(100) is infinite in float32: the plain gradient is nan


def test_it_may_have_several_arguments_and_results_in_structures():
    f = tf.custom_gradient(lambda pair, z: ({"a": pair[0] * z, "b": pair[1]}, lambda da, db: (da * 2, db * 3, da + db)))
    x, y, z = (tf.constant(v) for v in (1.0, 2.0, 3.0))
    found = f((x, y), z)
    assert run(found) == {"a": 3, "b": 2}
    assert run(tf.gradients([found["a"], found["b"]], [x, y, z])) == [2, 3, 2]


def test_gradients_of_its_gradient_are_the_usual_ones():
    x = tf.constant(3.0)
    y = tf.custom_gradient(lambda x: (x, lambda dy: dy * x * x))(x)
    (slope,) = tf.gradients(y, x)
    assert run([slope, *tf.gradients(slope, x)]) == [9, 6]


def test_its_variables_get_theirs():
    w = tf.Variable(2.0)

    @tf.custom_gradient
    def f(x):
        def grad(dy, variables=None):
            assert variables == [w]
            return dy * 10, [dy * 20]

        return x * w, grad

    x = tf.constant(3.0)
    assert run(tf.gradients(f(x), [x, w])) == [10, 20]
    with pytest.raises(TypeError, match="must accept keyword argument 'variables'"):
        tf.custom_gradient(lambda x: (x * w, lambda dy: dy))(x)


def test_a_wrong_number_of_gradients_is_told():
    x = tf.constant(1.0)
    y = tf.custom_gradient(lambda x: (x, lambda dy: (dy, dy)))(x)
    with pytest.raises(ValueError, match="expected to return 1 gradients, but returned 2"):
        tf.gradients(y, x)
    with pytest.raises(ValueError, match="keywords arguments only when eager"):
        tf.custom_gradient(lambda x, k: (x, lambda dy: dy))(x, k=1)


def test_gradients_pass_through_what_has_none():
    x = tf.constant([1.5, -0.5])
    y = tf.grad_pass_through(tf.floor)(x)
    assert run([y, *tf.gradients(y * y, x)])[1].tolist() == [2, -2]


def test_what_is_computed_again_has_the_same_gradient():
    w = tf.get_variable("w", initializer=2.0)
    x = tf.constant([1.0, 2.0])

    def f(x):
        with tf.variable_scope("", reuse=True):
            return tf.sin(x * tf.get_variable("w"))

    plain, again = f(x), tf.recompute_grad(f)(x)
    expected, found = run([tf.gradients(plain, [x, w]), tf.gradients(again, [x, w])])
    for e, g in zip(expected, found, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-6)
