"""Actions are drawn by their chances, and the slope that REINFORCE estimates is that of the expected reward."""

import numpy as np
import pytest

import refflow as tf
from refflow.models.policy import reinforce_loss, returns, sampled_actions


def softmax(x):
    shares = np.exp(x - x.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def test_actions_are_drawn_by_the_softmax_of_their_scores():
    scores = np.log([[0.1, 0.2, 0.3, 0.4], [0.7, 0.3, 1e-30, 1e-30]]).astype(np.float32)
    actions = sampled_actions(tf.constant(np.repeat(scores, 20_000, 0)), seed=3)
    with tf.Session() as session:
        first, second = (session.run(actions).reshape(2, -1) for _ in range(2))
    for row, chances in zip(first, softmax(scores), strict=True):
        shares = np.bincount(row, minlength=4) / len(row)
        deviations = np.sqrt(chances * (1 - chances) / len(row))
        assert (abs(shares - chances) <= 4 * deviations + 1e-12).all()
    assert (first != second).any()  # each run draws anew


def test_returns_are_what_is_still_to_come():
    rewards = tf.constant([[1.0, 0.0], [2.0, 0.0], [4.0, 8.0]])
    with tf.Session() as session:
        assert session.run(returns(rewards)).tolist() == [[7, 8], [6, 8], [4, 8]]
        assert session.run(returns(rewards, 0.5)).tolist() == [[3, 2], [4, 4], [4, 8]]


def test_the_expected_slope_is_that_of_the_expected_reward(rng):  # [S50d]
    """A bandit of K arms: the mean of the estimate over its actions, each by its chance, with any baseline."""
    K, arms = 5, rng.normal(size=5)
    start = rng.normal(size=(1, K))
    scores = tf.constant(start)
    p = softmax(start[0])
    exact = p * (arms - p @ arms)  # d (p . arms) / d scores
    for baseline in (0.0, 3.0):
        estimates = []
        for action in range(K):
            loss = reinforce_loss(scores, [action], [arms[action] - baseline])
            estimates.append(tf.gradients(loss, scores)[0])
        with tf.Session() as session:
            found = np.concatenate(session.run(estimates))
        np.testing.assert_allclose(-p @ found, exact, rtol=1e-9)


def test_an_action_that_there_is_not_is_an_error():
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=r"5 which is outside .*\[0, 2\)"):
        session.run(reinforce_loss(tf.zeros([2, 2]), [0, 5], [1.0, 2.0]))


def test_no_slope_goes_into_the_advantages():
    advantages = tf.constant([1.0, 2.0])
    loss = reinforce_loss(tf.zeros([2, 3]), [0, 1], advantages)
    assert tf.gradients(loss, advantages) == [None]
    with tf.Session() as session:
        np.testing.assert_allclose(session.run(loss), 1.5 * np.log(3), rtol=1e-6)
