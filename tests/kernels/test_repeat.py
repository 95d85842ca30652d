"""Many steps in one go: the results of the loop, to the bit."""

import numpy as np
import pytest

import refflow as tf
from refflow_kernels.simulated import SimulatedCard
from tests.graphs import assert_same_bits
from tests.kernels.test_capture import session_on, small_net


def trained_by(session, steps, rows, repeated):
    x, state, loss, step = small_net()
    data = np.random.default_rng(5).normal(size=(rows, 4, 3)).astype(np.float32)
    with session:
        session.run(tf.initialize_all_variables())
        if repeated:
            losses = session.repeat([loss, step], steps, {x: data})[0]
        else:
            losses = [session.run([loss, step], {x: data[i % rows]})[0] for i in range(steps)]
        return [list(losses), session.run(state)]


@pytest.mark.parametrize(("steps", "rows"), [(1, 1), (2, 5), (12, 5), (9, 20)])
def test_repeated_steps_are_those_of_the_loop_to_the_bit(steps, rows, monkeypatch):
    from refflow.runtime import repeat

    monkeypatch.setattr(repeat, "_MOST_STEPS", 4)
    results = []
    for make in (lambda: session_on()[0], tf.Session):
        for repeated in (True, False):
            with tf.Graph().as_default():
                results.append(trained_by(make(), steps, rows, repeated))
    assert_same_bits(*results[:2])
    assert_same_bits(*results[2:])
    np.testing.assert_allclose(results[0][0], results[2][0], rtol=1e-5)


def test_repeated_steps_are_captured_together(monkeypatch):
    from refflow.runtime import repeat

    monkeypatch.setattr(repeat, "_MOST_STEPS", 4)
    card = SimulatedCard()
    with tf.Graph().as_default():
        trained_by(session_on(card)[0], 12, 5, repeated=True)
    assert card.replays == 2 + 3  # eleven behind the first: four, four, and three single ones


def test_steps_with_a_part_of_the_cpu_are_repeated_one_by_one():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2])
        with tf.device("/cpu:0"):
            middle = tf.tanh(x)
        y = middle * 2.0
        data = np.float32([[1, 2], [3, 4], [5, 6]])
        with session_on()[0] as session:
            found = session.repeat({"y": y}, 5, {x: data})
        np.testing.assert_allclose(found["y"], 2 * np.tanh(data[[0, 1, 2, 0, 1]]), rtol=1e-6)


def test_random_steps_differ_when_repeated():  # [W73]
    with tf.Graph().as_default():
        y = tf.random_uniform([8], seed=1) * 2.0
        with session_on()[0] as one, tf.Session() as other:
            np.testing.assert_array_equal(one.repeat(y, 4), other.repeat(y, 4))


def test_repeat_refuses_what_it_cannot_feed():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2])
        with tf.Session() as session:
            with pytest.raises(ValueError, match="steps is 0"):
                session.repeat(x + 1.0, 0, {x: np.ones((1, 2))})
            with pytest.raises(ValueError, match="fed a row"):
                session.repeat(x + 1.0, 1, {x: np.ones((0, 2))})
            with pytest.raises(ValueError, match="has shape"):
                session.repeat(x + 1.0, 1, {x: np.ones((4, 3))})
