"""FTRL against its formula, and optimizers whose gradients have only some rows."""

import numpy as np
import pytest

import refflow as tf
from refflow.train.adaptive import AdamOptimizer, RMSPropOptimizer
from refflow.train.ftrl import FtrlOptimizer
from refflow.train.schedules import ExponentialMovingAverage

GRADIENTS = [0.5, -1.0, 2.0, 0.25, 0.0, 3.0]


def ftrl(gradients, rate=0.5, power=-0.5, l1=0.0, l2=0.0):
    w, n, z = 0.0, 0.1, 0.0
    for g in gradients:
        new = n + g * g
        z += g - (new**-power - n**-power) / rate * w
        n = new
        w = (np.sign(z) * l1 - z) / (n**-power / rate + 2 * l2) if abs(z) > l1 else 0.0
    return w


@pytest.mark.parametrize("options", [{}, {"l1": 0.3, "l2": 0.2}, {"power": -0.7}, {"l1": 100.0}], ids=str)
def test_ftrl_follows_its_formula(options):
    names = {"power": "learning_rate_power", "l1": "l1_regularization_strength", "l2": "l2_regularization_strength"}
    v, g = tf.Variable(np.float64([0.0])), tf.placeholder(tf.float64, [1])
    step = FtrlOptimizer(0.5, **{names[k]: o for k, o in options.items()}).apply_gradients([(g, v)])
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        for gradient in GRADIENTS:
            session.run(step, {g: [gradient]})
        assert session.run(v)[0] == pytest.approx(ftrl(GRADIENTS, **options), rel=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [{"initial_accumulator_value": 0.0}, {"learning_rate_power": 0.5}, {"l1_regularization_strength": -1.0},
     {"l2_regularization_strength": -1.0}],
    ids=str,
)  # fmt: skip
def test_ftrl_takes_numbers_of_the_right_sign(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FtrlOptimizer(0.5, **wrong)


def train(make, sparse, steps=4):
    """The table after a few steps; the gradient has rows 1 and 2, one of them twice, as slices or with its zeros."""
    table = tf.Variable(np.float64([[1.0], [2.0], [3.0]]))
    values = tf.constant(np.float64([[0.5], [1.0], [0.25]]))
    rows = tf.IndexedSlices(values, tf.constant([1, 2, 1]), tf.constant([3, 1]))
    gradient = rows if sparse else tf.convert_to_tensor(rows)
    step = make().apply_gradients([(gradient, table)])
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        for _ in range(steps):
            session.run(step)
        return session.run(table)


def test_adam_moves_all_rows_as_if_the_others_had_gradient_zero():
    np.testing.assert_allclose(train(AdamOptimizer, True), train(AdamOptimizer, False), rtol=1e-6)


@pytest.mark.parametrize("make", [lambda: FtrlOptimizer(0.1), lambda: RMSPropOptimizer(0.1, 0.9, momentum=0.5)])
def test_others_move_only_the_rows_they_have(make):
    found, dense = train(make, True), train(make, False)
    np.testing.assert_allclose(found[1:], dense[1:], rtol=1e-6)
    assert found[0] == 1.0


def test_the_average_of_a_tensor_starts_at_zero():
    x = tf.placeholder(tf.float32, [2])
    averages = ExponentialMovingAverage(0.5)
    move = averages.apply([x])
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        for _ in range(2):
            session.run(move, {x: [4.0, 8.0]})
        assert session.run(averages.average(x)).tolist() == [3.0, 6.0]
