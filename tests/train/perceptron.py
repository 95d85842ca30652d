"""A perceptron as towers, and its weights after a few steps."""

import functools

import numpy as np

import refflow as tf
from refflow.train.towers import build_towers, combine_gradients

RATE = 0.125
RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(48, 3)), RNG.normal(size=(48, 2))
START = {"w": RNG.normal(size=(3, 4)), "v": RNG.normal(size=(4, 2))}


class Perceptron:
    """Two layers, each on a part of its own where parts are given, and the variables where `homes` says."""

    def __init__(self, sizes, devices=(), homes=("", ""), parts=("", ""), dynamic=False):
        self.parts = parts
        with tf.device(homes[0]):
            self.w = tf.Variable(START["w"], name="w")
        with tf.device(homes[1]):
            self.v = tf.Variable(START["v"], name="v")
        self.shards = [tuple(tf.placeholder(tf.float64, [None if dynamic else n, m]) for m in (3, 2)) for n in sizes]
        self.towers = build_towers(self.loss_of, self.shards, devices)
        self.pairs = combine_gradients(self.towers)
        self.train = tf.train.GradientDescentOptimizer(RATE).apply_gradients(self.pairs)
        self.init = tf.initialize_all_variables()
        self.sizes = sizes

    def loss_of(self, x, y):
        with tf.device(self.parts[0]):
            h = tf.tanh(tf.matmul(x, self.w))
        with tf.device(self.parts[1]):
            return tf.reduce_mean(tf.reduce_sum(tf.square(tf.matmul(h, self.v) - y), 1))

    def feeds(self, x=X, y=Y):
        cuts = np.cumsum([0, *self.sizes])
        found = {}
        for (a, b), start, stop in zip(self.shards, cuts[:-1], cuts[1:], strict=True):
            found |= {a: x[start:stop], b: y[start:stop]}
        return found

    def trained(self, session, steps=3, **data):
        session.run(self.init)
        for _ in range(steps):
            session.run(self.train, self.feeds(**data))
        return session.run([self.w, self.v])


@functools.cache
def trained(sizes, devices=(), homes=("", ""), parts=("", ""), dynamic=False, cpus=1):
    """The weights after three steps on the first rows, as many as all shards have."""
    with tf.Graph().as_default(), tf.Session(device_count={"CPU": cpus}) as session:
        return Perceptron(sizes, devices, homes, parts, dynamic).trained(session)


def bits(values):
    return [value.tobytes() for value in values]
