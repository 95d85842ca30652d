"""L-BFGS as a list of commands: beside matrices, beside the graph's, and beside what is known of the answers."""

import numpy as np
import pytest

import refflow as tf
from refflow.distbelief.commands import Add, Dot, Evaluate, Multiply, Scale, alone
from refflow.distbelief.errors import ScheduleError
from refflow.distbelief.lbfgs import Pair, direction, minimize
from tests.distbelief.problems import Logistic


def test_each_command_does_what_it_says():  # [D10]
    def program():
        yield Scale("z", 2.0, "x")
        yield Add("z", "z", "y")
        yield Multiply("w", "z", "y")
        yield Scale("v", 0.0, "w")
        return (yield Dot("w", "x"))

    done = alone(program(), {"x": np.array([1.0, np.inf]), "y": np.array([3.0, 1.0])})
    assert done.slots["z"].tolist() == [5.0, np.inf] and done.slots["v"].tolist() == [0.0, 0.0]
    assert [str(c) for c in done.log] == ["z := 2 x", "z := z + y", "w := z * y", "v := 0 w", "w . x"]
    exact = alone(program(), {"x": np.array([1.0, 4.0]), "y": np.array([3.0, 2.0])})
    assert exact.value == 15.0 + 20.0 * 4.0


def inverse_curvature(pairs):
    """H as a matrix: each pair, from the oldest on, changes it by the BFGS formula."""
    (s, y), size = pairs[0], len(pairs[0][0])
    h = np.eye(size) * (s @ y) / (y @ y)
    for s, y in reversed(pairs):
        left = np.eye(size) - np.outer(s, y) / (s @ y)
        h = left @ h @ left.T + np.outer(s, s) / (s @ y)
    return h


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_the_two_loops_are_the_matrix_that_nobody_forms(rng, count):  # [D12]
    root = rng.normal(size=(7, 7))
    curvature = root @ root.T + np.eye(7)
    steps = rng.normal(size=(count, 7))
    pairs = [(s, curvature @ s) for s in steps]
    g = rng.normal(size=7)
    slots = {"gradient": g}
    for i, (s, y) in enumerate(pairs):
        slots |= {f"s{i}": s, f"y{i}": y}
    done = alone(direction([Pair(f"s{i}", f"y{i}", s @ y) for i, (s, y) in enumerate(pairs)]), slots)
    expected = -inverse_curvature(pairs) @ g if pairs else -g
    np.testing.assert_allclose(done.slots["direction"], expected, rtol=1e-10)
    assert sum(isinstance(command, Dot) for command in done.log) == 2 * count + bool(count)


def test_a_pair_by_hand():  # [D12]
    """s = (2, 0), y = (1, 1): c = 2, a = 3, q = (0, -2), scale 2 / 2, b = -1, q + (3 + 1) s = (8, -2)."""
    slots = {"gradient": np.array([3.0, 1.0]), "s": np.array([2.0, 0.0]), "y": np.array([1.0, 1.0])}
    done = alone(direction([Pair("s", "y", 2.0)]), slots)
    assert done.slots["direction"].tolist() == [-8.0, 2.0]


def in_a_graph(problem, steps, history):
    """The parameters after some steps of the graph's own L-BFGS, which has other code, and its result."""
    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.Variable(np.zeros((problem.x.shape[1], 1)))
        margins = tf.constant(problem.y[:, None]) * tf.matmul(tf.constant(problem.x), w)
        loss = tf.reduce_mean(tf.nn.softplus(-margins)) + problem.ridge * tf.nn.l2_loss(w)
        session.run(tf.initialize_all_variables())
        result = tf.train.LBFGSOptimizer(history).minimize(loss, max_steps=steps, tolerance=1e-9)
        return session.run(w)[:, 0], result


@pytest.mark.parametrize(("steps", "history"), [(1, 10), (4, 10), (4, 2), (9, 3), (100, 5)])
def test_each_step_is_that_of_the_graph_s_minimizer_up_to_rounding(steps, history):  # [D12, S48]
    problem = Logistic()
    expected, result = in_a_graph(problem, steps, history)
    done = alone(minimize(steps, 1e-9, history), {"parameters": np.zeros(6)}, problem.whole)
    assert (done.value.steps, done.value.converged) == (result.steps, result.converged)
    np.testing.assert_allclose(done.slots["parameters"], expected, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(done.value.losses[-1], result.loss, rtol=1e-12)


def rosenbrock(point):
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2, np.array([2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x)])


def test_the_end_of_rosenbrock_s_valley_and_what_it_took():
    done = alone(minimize(tolerance=1e-9), {"parameters": np.array([-1.2, 1.0])}, rosenbrock)
    np.testing.assert_allclose(done.slots["parameters"], [1, 1], atol=1e-9)
    outcome = done.value
    assert outcome.converged and outcome.steps < 60 and outcome.losses == sorted(outcome.losses, reverse=True)
    assert outcome.evaluations == sum(isinstance(command, Evaluate) for command in done.log)


def test_no_more_pairs_are_kept_than_history_says():
    done = alone(minimize(30, history=3), {"parameters": np.array([-1.2, 1.0])}, rosenbrock)
    assert {name for name in done.slots if name[0] in "sy"} == {f"{kind}{i}" for kind in "sy" for i in range(4)}


def test_a_minimum_at_the_start_takes_no_step():
    done = alone(minimize(), {"parameters": np.ones(2)}, rosenbrock)
    assert done.value.steps == 0 and done.value.converged and done.value.evaluations == 1


def test_a_loss_whose_gradient_is_wrong_takes_no_step_and_ends():
    done = alone(minimize(), {"parameters": np.array([0.3, -0.2])}, lambda w: (w @ w, -2 * w))
    assert done.value.steps == 0 and not done.value.converged and done.value.evaluations < 70
    assert done.slots["parameters"].tolist() == [0.3, -0.2]


def test_mistakes_are_told():
    with pytest.raises(ScheduleError, match="history = 0 pairs"):
        next(minimize(history=0))
    with pytest.raises(ScheduleError, match="the loss is nan and its gradient has norm .* at the start"):
        alone(minimize(), {"parameters": np.zeros(1)}, lambda w: (np.nan, w))
    with pytest.raises(ScheduleError, match="no vector is called 'gradient' on this shard. Write it first"):
        alone(direction([]), {"parameters": np.zeros(1)})
    with pytest.raises(ScheduleError, match="was given no evaluate="):
        alone(minimize(), {"parameters": np.zeros(1)})
