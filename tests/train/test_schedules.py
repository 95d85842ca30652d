"""Decaying rates, moving averages, the count of steps."""

import pytest

import refflow as tf


def test_a_rate_decays_smoothly_or_in_steps():
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int32, [])
        smooth = tf.train.exponential_decay(0.5, step, 10, 0.25)
        stairs = tf.train.exponential_decay(0.5, step, 10, 0.25, staircase=True)
        assert session.run([smooth, stairs], {step: 0}) == [0.5, 0.5]
        assert session.run([smooth, stairs], {step: 5}) == [0.25, 0.5]
        assert session.run([smooth, stairs], {step: 20}) == [0.03125, 0.03125]


def test_an_average_follows_its_variable():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable(8.0, name="v")
        average = tf.train.ExponentialMovingAverage(0.75)
        move = average.apply([v])
        session.run(tf.initialize_all_variables())
        session.run(v.assign(0.0))
        session.run(move)
        assert session.run(average.average(v)) == 6.0
        assert average.average_name(v) == "v/ExponentialMovingAverage" == average.average(v).op.name
        assert average.average(tf.Variable(1.0)) is None
        with pytest.raises(ValueError, match="already computed"):
            average.apply([v])


def test_an_average_moves_quickly_at_first():
    with tf.Graph().as_default(), tf.Session() as session:
        v, count = tf.Variable(10.0), tf.Variable(0, trainable=False)
        average = tf.train.ExponentialMovingAverage(0.99, num_updates=count)
        move = average.apply([v])
        session.run(tf.initialize_all_variables())
        session.run(v.assign(0.0))
        session.run(move)
        assert session.run(average.average(v)) == pytest.approx(1.0)  # decay (1 + 0) / (10 + 0)
        assert tf.train.global_step(session, count) == 0
