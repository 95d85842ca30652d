"""Programs in the manner of 2017 lose the same, step by step, under refflow.compat.v1 and TensorFlow's compat.v1."""

import numpy as np
import pytest

import refflow.compat.v1
from tests.peers.test_compat_v1 import tensorflow

pytestmark = pytest.mark.peers
__all__ = ["tensorflow"]


def draw(seed, *shape):
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def weights(tf, name, seed, *shape):
    return tf.get_variable(name, initializer=draw(seed, *shape) / np.sqrt(np.prod(shape[:-1]), dtype=np.float32))


def capsules(tf):
    """Votes that are routed by agreement, in a loop over a batch whose size only the step knows."""
    x = tf.placeholder(tf.float32, [None, 6, 4])
    table, rows = weights(tf, "votes", 1, 1, 6, 3, 5, 4), tf.shape(x)[0]
    lying = tf.tile(x[:, :, None, :, None], [1, 1, 3, 1, 1])
    votes = tf.squeeze(tf.matmul(tf.tile(table, [rows, 1, 1, 1, 1]), lying), -1)

    def route(i, scores, found):
        shares = tf.nn.softmax(scores, 2)
        total = tf.reduce_sum(shares * votes, 1, keepdims=True)
        size = tf.reduce_sum(tf.square(total), -1, keepdims=True)
        found = size / (1 + size) * total / tf.sqrt(size + 1e-9)
        return i + 1, scores + tf.reduce_sum(votes * found, -1, keepdims=True), found

    start = [0, tf.zeros([rows, 6, 3, 1]), tf.zeros([rows, 1, 3, 5])]
    found = tf.while_loop(lambda i, scores, found: i < 3, route, start)[2]
    lengths, truth = tf.norm(tf.squeeze(found, 1), axis=-1), tf.one_hot([0, 1, 2, 0], 3)
    wrong = 0.5 * (1 - truth) * tf.square(tf.maximum(0.0, lengths - 0.1))
    loss = tf.reduce_mean(truth * tf.square(tf.maximum(0.0, 0.9 - lengths)) + wrong)
    return [loss], tf.train.AdamOptimizer(0.02).minimize(loss), {x: draw(2, 4, 6, 4)}


def speech(tf):
    """CTC over frames, with the error rate of the greedy reading."""
    x, lengths = tf.placeholder(tf.float32, [None, None, 4]), tf.placeholder(tf.int32, [None])
    labels = tf.sparse_placeholder(tf.int32)
    flat = tf.reshape(x, [-1, 4])
    hidden = tf.tanh(tf.matmul(flat, weights(tf, "into", 3, 4, 8)))
    scores = tf.reshape(tf.matmul(hidden, weights(tf, "out", 4, 8, 4)), [tf.shape(x)[0], -1, 4])
    by_time = tf.transpose(scores, [1, 0, 2])
    loss = tf.reduce_mean(tf.nn.ctc_loss(labels, by_time, lengths))
    (read,), _ = tf.nn.ctc_greedy_decoder(by_time, lengths)
    errors = tf.reduce_mean(tf.edit_distance(tf.cast(read, tf.int32), labels))
    places = [[0, 0], [0, 1], [1, 0], [2, 0], [2, 1], [2, 2]]
    given = tf.SparseTensorValue(np.int64(places), np.int32([0, 1, 2, 1, 1, 0]), np.int64([3, 3]))
    step = tf.train.MomentumOptimizer(0.05, 0.9, use_nesterov=True).minimize(loss)
    return [loss, errors], step, {x: draw(5, 3, 9, 4), lengths: [9, 7, 8], labels: given}


def variational_autoencoder(tf):
    """Draws that have slopes, between an encoder's normal and a decoder's coins."""
    d, x = tf.distributions, tf.placeholder(tf.float32, [None, 12])
    tf.set_random_seed(7)
    hidden = tf.nn.softplus(tf.matmul(x, weights(tf, "in", 6, 12, 10)))
    mean, log = tf.split(tf.matmul(hidden, weights(tf, "code", 7, 10, 6)), 2, axis=1)
    code = d.Normal(mean, tf.exp(log))
    back = tf.tanh(tf.matmul(code.sample(seed=3), weights(tf, "back", 8, 3, 10)))
    coins = d.Bernoulli(logits=tf.matmul(back, weights(tf, "coins", 9, 10, 12)), dtype=tf.float32)
    apart = tf.reduce_sum(d.kl_divergence(code, d.Normal(tf.zeros_like(mean), 1.0)), 1)
    bound = tf.reduce_mean(tf.reduce_sum(coins.log_prob(x), 1) - apart)
    step = tf.train.AdamOptimizer(0.01).minimize(-bound)
    return [bound, tf.reduce_mean(apart)], step, {x: draw(10, 16, 12) > 0}


def losses(tf, program, steps=8):
    with tf.Graph().as_default(), tf.Session() as session:
        fetches, step, feeds = program(tf)
        session.run(tf.global_variables_initializer())
        found = []
        for _ in range(steps):
            found.append(session.run(fetches, feeds))
            session.run(step, feeds)
        return np.array(found)


@pytest.mark.parametrize("program", [capsules, speech, variational_autoencoder])
def test_a_program_of_2017_loses_the_same(tensorflow, program):
    theirs, ours = (losses(tf, program) for tf in (tensorflow, refflow.compat.v1))
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=1e-5)
    assert abs(ours[-1, 0]) < abs(ours[0, 0])
