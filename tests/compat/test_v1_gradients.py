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


X = [[1.0, 3.0, 3.0], [0.0, 2.0, 5.0], [0.0, 0.0, 4.0]]


@pytest.mark.parametrize(
    ("build", "slope"),
    [
        (lambda x: tf.reduce_max(x, 1), [[0, 0.5, 0.5], [0, 0, 1], [0, 0, 1]]),
        (lambda x: tf.reduce_min(x, 1, keepdims=True), [[1, 0, 0], [1, 0, 0], [0.5, 0.5, 0]]),
        (lambda x: tf.reduce_max(tf.stack([x, x]), [0, -1]), [[0, 0.5, 0.5], [0, 0, 1], [0, 0, 1]]),
        (lambda x: tf.reduce_prod(x, 1), [[9, 3, 3], [10, 0, 0], [0, 0, 0]]),
        (lambda x: tf.reduce_prod(x, 0), [[0, 0, 20], [0, 0, 12], [0, 6, 15]]),
        (lambda x: tf.reduce_prod(x + 1.0, [1, 0]), np.divide(2 * 4 * 4 * 3 * 6 * 5, np.add(X, 1))),
        (lambda x: tf.reduce_prod(x, []), np.ones((3, 3))),
        (lambda x: tf.reduce_sum(tf.segment_prod(x, [0, 1, 1])), [[1, 1, 1], [0, 0, 4], [0, 2, 5]]),
        (lambda x: tf.where(x > 0, tf.sqrt(x), x), 0.5 / np.sqrt(np.where(X, X, 0.25))),
        (lambda x: tf.floor(x) + tf.ceil(x) + x, np.ones((3, 3))),
    ],
)
def test_slopes_are_those_of_1x_where_the_first_release_had_others(build, slope):
    x = tf.constant(X)
    np.testing.assert_allclose(run(tf.gradients(build(x), x))[0], slope, rtol=1e-6)


def test_running_products_have_no_slope_at_zero_and_axes_may_come_late():
    x, axes = tf.constant(X), tf.placeholder(tf.int64, [None])
    assert np.isfinite(run(tf.gradients(tf.cumprod(x, 1), x))[0]).all()
    with tf.Session() as session:
        for at, wanted in (([-1], [[9, 3, 3], [10, 0, 0], [0, 0, 0]]), ([0, 1], np.zeros((3, 3)))):
            slope = session.run(tf.gradients(tf.reduce_prod(x, axes), x), {axes: at})[0]
            np.testing.assert_array_equal(slope, wanted)


def test_functions_and_loops_of_a_1x_graph_have_its_slopes():
    x = tf.constant([2.0, 2.0])
    loop = tf.while_loop(lambda i, y: i < 1, lambda i, y: (i + 1, tf.reduce_max(x) + y), [0, 0.0])[1]
    chosen = tf.cond(x[0] > 1, lambda: tf.reduce_max(x), lambda: 0.0)
    for y in (loop, chosen):
        assert run(tf.gradients(y, x))[0].tolist() == [0.5, 0.5]


def test_a_first_release_graph_keeps_its_own():
    import refflow as first

    with first.Graph().as_default(), first.Session() as session:
        x = first.constant([2.0, 2.0])
        assert session.run(first.gradients(first.reduce_max(x), x))[0].tolist() == [1, 1]


@pytest.mark.parametrize("z", [0.0, 0.25, 1.0])
def test_cross_entropies_have_a_slope_at_zero(z):
    """sigmoid(0) - z; the weighted form takes the slope of |x| at 0 to be 0, as it is in 1.x."""
    x = tf.constant([0.0])
    plain = tf.nn.sigmoid_cross_entropy_with_logits(labels=[z], logits=x)
    weighted = tf.nn.weighted_cross_entropy_with_logits(labels=[z], logits=x, pos_weight=2.0)
    assert run([plain, weighted]) == pytest.approx([np.log(2), (1 + z) * np.log(2)])
    assert run(tf.gradients(plain, x) + tf.gradients(weighted, x)) == [[0.5 - z], [1 - z]]


def test_picked_elements_give_their_slopes_back():
    x, axis = tf.placeholder(tf.float32), tf.placeholder(tf.int32, [])
    picked = tf.gather(x, [[2, 2], [0, 1]], axis=axis, batch_dims=1)
    slope = tf.gradients(picked * [[1.0, 2.0], [3.0, 4.0]], x)[0]
    with tf.Session() as session:
        for at in (1, -1):
            found = session.run(slope, {x: np.ones((2, 3)), axis: at})
            assert found.tolist() == [[0, 0, 3], [3, 4, 0]]
    table = tf.constant(X)
    (rows,) = tf.gradients(tf.gather_nd(table, [[2], [0]]), table)
    assert isinstance(rows, tf.IndexedSlices)
    assert run(rows.indices).tolist() == [2, 0]


def test_an_overflow_shows_in_all_clipped_gradients_and_rows_are_clipped_one_by_one():
    clipped, norm = tf.clip_by_global_norm([tf.constant([np.inf]), None, tf.constant([1.0])], 1.0)
    assert run(norm) == np.inf and clipped[1] is None
    assert np.isnan(run([clipped[0], clipped[2]])).all()
    rows = tf.clip_by_value(tf.IndexedSlices(tf.constant([[3.0], [4.0]]), tf.constant([0, 0])), -1.0, 1.0)
    assert run(tf.convert_to_tensor(rows.values)).tolist() == [[1], [1]]


def test_slopes_of_eigenvalues_alone():
    """d e / d a of a diagonal matrix: each value follows its own place."""
    a = tf.constant([[1.0, 0.0], [0.0, 3.0]])
    slope = tf.gradients(tf.self_adjoint_eigvals(a) * [2.0, 5.0], a)[0]
    np.testing.assert_allclose(run(slope), [[2, 0], [0, 5]], atol=1e-6)


def test_edges_of_slices_tiles_labels_and_shares():
    x = tf.placeholder_with_default([1.0, 2.0], [None])
    p = tf.constant([[0.25, 0.75]])
    loss = tf.nn.softmax_cross_entropy_with_logits_v2(labels=p, logits=[[0.0, 0.0]])
    mean, variance = tf.nn.weighted_moments(x, [0], 0.0)
    dropped = tf.nn.dropout(x / 0.0, rate=tf.constant(1.0))
    found = run([x[5:], x[:9], tf.gradients(x[5:], x)[0], tf.gradients(tf.tile(x, [0]), x)[0],
                 tf.gradients(loss, p)[0], mean, variance, dropped, tf.sequence_mask([], dtype=tf.int32)])  # fmt: skip
    assert [f.tolist() for f in found[:4]] == [[], [1, 2], [0, 0], [0, 0]]
    np.testing.assert_allclose(found[4], [[np.log(2)] * 2], rtol=1e-6)
    assert found[5:7] == [0, 0]
    assert found[7].tolist() == [0, 0] and not found[8].size
    assert tf.gradients(tf.nn.softmax_cross_entropy_with_logits(labels=p, logits=[[0.0, 0.0]]), p) == [None]


def test_a_slope_has_the_static_shape_of_what_it_belongs_to():
    x, ids = tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.placeholder(tf.int32)
    (slope,) = tf.gradients(tf.unsorted_segment_sum(x, ids, 2), x)
    assert slope.shape.as_list() == [2, 2]


def test_a_rule_whose_slope_has_another_shape_is_refused():
    @tf.custom_gradient
    def wrong(x):
        return x * 2.0, lambda dy: tf.reduce_sum(dy)

    x = tf.constant([1.0, 2.0])
    with pytest.raises(ValueError, match="has not the input's shape"):
        tf.gradients(wrong(x), x)


def test_clipping_to_an_average_norm_has_a_slope_at_zero():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant([0.0, 0.0])
        assert session.run(tf.gradients(tf.clip_by_average_norm(x, 2.0), x)[0]).tolist() == [1.0, 1.0]
