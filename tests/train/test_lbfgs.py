"""L-BFGS and the other two minimizers of the deck, on problems whose answers are known."""

import numpy as np
import pytest

import refflow as tf
from refflow.ops.lbfgs import LBFGS_DIRECTION


def minimized(loss, *variables, optimizer=None, **options):
    """The result, and the variables' values, from the variables' initial values."""
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        result = (optimizer or tf.train.LBFGSOptimizer()).minimize(loss, session=session, **options)
        return result, session.run(list(variables))


def rosenbrock(dtype=np.float64):
    """Rosenbrock's curved valley, from its usual start; the floor is 0 at (1, 1)."""
    point = tf.Variable(np.array([-1.2, 1.0], dtype))
    x, y = tf.split(0, 2, point)
    return tf.reduce_sum(tf.square(1 - x) + 100 * tf.square(y - x * x)), point


X = np.random.default_rng(7).normal(size=(60, 3)) * [1.0, 2.0, 0.5]
Y = (X @ [1.0, -0.5, 2.0] + np.random.default_rng(8).normal(size=60) > 0).astype(np.float64)
RIDGE = 0.05


def logistic_regression(dtype=np.float64):
    w = tf.Variable(np.zeros((3, 1), dtype))
    scores = tf.matmul(tf.constant(X.astype(dtype)), w)
    signs = tf.constant((1 - 2 * Y[:, None]).astype(dtype))
    return tf.reduce_mean(tf.nn.softplus(signs * scores)) + RIDGE * tf.nn.l2_loss(w), w


def newton():
    """The same regression by Newton's method in NumPy."""
    w = np.zeros(3)
    for _ in range(20):
        p = 1 / (1 + np.exp(-X @ w))
        slope = X.T @ (p - Y) / len(Y) + RIDGE * w
        w -= np.linalg.solve((X.T * (p * (1 - p))) @ X / len(Y) + RIDGE * np.eye(3), slope)
    assert np.abs(slope).max() < 1e-14
    return w[:, None]


# -- L-BFGS ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "near"), [(np.float64, 1e-6), (np.float32, 1e-4)])
def test_lbfgs_reaches_the_end_of_rosenbrock_s_valley(dtype, near):  # [S48, E07]
    loss, point = rosenbrock(dtype)
    result, (found,) = minimized(loss, point, tolerance=near)
    assert result.converged and result.steps < 60 and found.dtype == dtype
    np.testing.assert_allclose(found, [1, 1], atol=near)


def test_lbfgs_fits_a_logistic_regression_as_newton_does():  # [S48]
    loss, w = logistic_regression()
    result, (found,) = minimized(loss, w, tolerance=1e-9)
    assert result.converged and result.steps < 30
    np.testing.assert_allclose(found, newton(), atol=1e-7)


def test_a_quadratic_of_p_numbers_takes_about_p_steps(rng):  # [S48]
    p = 8
    root = rng.normal(size=(p, p))
    matrix, right = root @ root.T + np.eye(p), rng.normal(size=(p, 1))
    x = tf.Variable(np.zeros((p, 1)))
    loss = 0.5 * tf.reduce_sum(x * tf.matmul(tf.constant(matrix), x)) - tf.reduce_sum(x * right)
    result, (found,) = minimized(loss, x, tolerance=1e-8)
    assert result.converged and result.steps <= 4 * p
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), atol=1e-7)


def test_variables_of_several_shapes_and_types_move_together():  # [S48]
    a, b = tf.Variable(np.zeros((2, 3))), tf.Variable(np.float64(5.0))
    c, unused = tf.Variable(np.zeros(2, np.float32)), tf.Variable(7.0)
    target = np.arange(6.0).reshape(2, 3)
    loss = tf.nn.l2_loss(a - target) + tf.square(b - 1.0) + tf.cast(tf.reduce_sum(tf.square(c - 3.0)), tf.float64)
    result, found = minimized(loss, a, b, c, unused, tolerance=1e-5)
    assert result.converged and [np.shape(v) for v in found] == [(2, 3), (), (2,), ()]
    for value, want in zip(found, [target, 1, [3, 3], 7], strict=True):
        np.testing.assert_allclose(value, want, atol=1e-5)


def test_rows_that_were_gathered_are_fitted():
    table = tf.Variable(np.zeros((3, 2)))
    _, (found,) = minimized(tf.nn.l2_loss(tf.gather(table, [2, 0, 2]) - 1.0), table)
    np.testing.assert_allclose(found, [[1, 1], [0, 0], [1, 1]], atol=1e-6)


def test_only_the_listed_variables_move():
    a, b = tf.Variable(np.float64(3.0)), tf.Variable(np.float64(4.0))
    _, (found_a, found_b) = minimized(tf.square(a) + tf.square(b), a, b, var_list=[b])
    assert found_a == 3 and found_b == pytest.approx(0, abs=1e-6)


def test_no_vector_crosses_to_the_client():  # [S48]
    loss, point = rosenbrock()

    class Watched(tf.Session):
        sizes = set()  # noqa: RUF012  (of everything that went in or came out)

        def run(self, fetches, feed_dict=None, *rest):
            found = super().run(fetches, feed_dict, *rest)
            self.sizes.update(np.size(v) for v in [*found, *(feed_dict or {}).values()] if v is not None)
            return found

    with Watched() as session:
        tf.Session.run(session, point.initializer)
        assert tf.train.LBFGSOptimizer().minimize(loss, session=session).converged
    assert Watched.sizes == {1}


def test_a_second_call_adds_no_nodes_and_goes_on_from_there(graph):
    loss, point = rosenbrock()
    optimizer = tf.train.LBFGSOptimizer()
    with tf.Session() as session:
        session.run(point.initializer)
        short = optimizer.minimize(loss, max_steps=5)
        nodes = len(graph.get_operations())
        rest = optimizer.minimize(loss)
        assert len(graph.get_operations()) == nodes
    assert (short.steps, short.converged) == (5, False) and rest.converged and rest.loss < short.loss
    assert tf.all_variables() == tf.trainable_variables() == [point]


def test_every_step_goes_down_and_fed_data_count():
    loss, point = rosenbrock()
    weight = tf.placeholder(tf.float64, [])
    weighted, losses, optimizer = weight * loss, [], tf.train.LBFGSOptimizer(history=2)
    with tf.Session() as session:
        session.run(point.initializer)
        for _ in range(6):
            losses.append(optimizer.minimize(weighted, max_steps=3, feed_dict={weight: 2.0}).loss)
        assert losses[-1] == session.run(2 * loss)
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]


def test_at_a_minimum_nothing_moves():
    v = tf.Variable(np.float64(2.0))
    result, (found,) = minimized(tf.square(v - 2.0), v)
    assert result == (0, 0.0, 0.0, True) and found == 2


def test_where_losses_are_equal_by_rounding_the_slopes_lead():
    v = tf.Variable(np.float32(1.0))
    result, (found,) = minimized(1e8 + tf.square(v), v, tolerance=1e-5)
    assert result.converged and found == pytest.approx(0, abs=1e-5)


def test_a_slope_that_is_wrong_ends_the_search_where_it_began():
    v = tf.Variable(np.float64(1.0))
    result, (found,) = minimized(v - 2 * tf.stop_gradient(v), v)
    assert result == (0, -1.0, 1.0, False) and found == 1


def test_a_step_that_leaves_the_domain_is_shortened():
    v = tf.Variable(np.float64(1e-3))
    result, (found,) = minimized(10 * v - tf.log(v), v)
    assert result.converged and found == pytest.approx(0.1, rel=1e-6)


def test_what_cannot_be_minimized_is_refused():
    with pytest.raises(ValueError, match="no variables to optimize"), tf.Session():
        tf.train.LBFGSOptimizer().minimize(tf.constant(1.0))
    v = tf.Variable([1.0, 2.0], name="v")
    with pytest.raises(ValueError, match="needs session="):
        tf.train.LBFGSOptimizer().minimize(tf.reduce_sum(v))
    with pytest.raises(ValueError, match="at least 1 pair, got 0"):
        tf.train.LBFGSOptimizer(history=0)
    for loss, words in (
        (tf.constant(1.0, name="c"), "no path leads from 'c:0' back to any variable of: v:0"),
        (tf.mul(v, 2.0, name="m"), r"the loss 'm:0' has shape \(2,\), but L-BFGS minimizes one number"),
        (tf.reduce_sum(tf.log(-v), name="n"), "the loss 'n:0' is nan and its gradient has norm .* must be finite"),
    ):
        with pytest.raises(ValueError, match=words):
            minimized(loss)


# -- the direction -----------------------------------------------------------------------------------------


def two_loops(g, pairs):
    """Minus H g by the recursion H := (1 - r s y') H (1 - r y s') + r s s', as matrices, the oldest pair first."""
    s, y = pairs[-1]
    h = np.eye(len(g)) * (s @ y) / (y @ y)
    for s, y in pairs:
        r = 1 / (s @ y)
        left = np.eye(len(g)) - r * np.outer(s, y)
        h = left @ h @ left.T + r * np.outer(s, s)
    return -h @ g


@pytest.mark.parametrize("count", [1, 3, 5])
def test_the_direction_is_minus_the_inverse_curvature_times_the_gradient(count, rng):  # [S48]
    root = rng.normal(size=(6, 6))
    matrix = root @ root.T + np.eye(6)
    steps, g = rng.normal(size=(5, 6)), rng.normal(size=6)
    with tf.Session() as session:
        found = session.run(LBFGS_DIRECTION(g, steps, steps @ matrix, count))
    pairs = [(s, matrix @ s) for s in steps[:count][::-1]]
    np.testing.assert_allclose(found, two_loops(g, pairs), rtol=1e-8, atol=1e-10)


# -- the other two -----------------------------------------------------------------------------------------

FIRST_ORDER = {"descent": tf.train.GradientDescentOptimizer, "adagrad": tf.train.AdagradOptimizer}


def trained(optimizer, loss, variable, steps):
    step = optimizer.minimize(loss)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        for _ in range(steps):
            session.run(step)
        return session.run(variable)


@pytest.mark.parametrize(("kind", "rate"), [("descent", 0.5), ("adagrad", 0.5)])
def test_the_first_order_methods_fit_the_regression_too(kind, rate):  # [S48]
    loss, w = logistic_regression()
    np.testing.assert_allclose(trained(FIRST_ORDER[kind](rate), loss, w, 400), newton(), atol=1e-4)


@pytest.mark.parametrize(("kind", "rate"), [("descent", 0.0015), ("adagrad", 0.5)])
def test_the_first_order_methods_creep_along_the_valley(kind, rate):  # [S48]
    loss, point = rosenbrock()
    np.testing.assert_allclose(trained(FIRST_ORDER[kind](rate), loss, point, 12000), [1, 1], atol=1e-2)
