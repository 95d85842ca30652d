"""Random programs of counted loops, as a card unrolls them: arrays, cells, branches and slopes [W40, W43].

    x -> loop -> loop -> ... -> loss, its slopes by x and w, and perhaps a step of training

Each kind of loop takes a matrix and gives one. A program is a function of its seed, and is built under whichever
library `tf` names.
"""

from __future__ import annotations

import random

import numpy as np

BATCHES = (3, 3, 2, 3)  # rows that are fed, run after run


class _Loops:
    """Ways of turning: each takes and gives [rows, 3]."""

    def __init__(self, choices, tf, w):
        self.choose, self.tf, self.w = choices, tf, w
        self.turns = choices.randint(0, 4)
        self.f, self.g = self._function(), self._function()

    def _function(self):
        tf, w = self.tf, self.w
        return self.choose.choice([
            tf.tanh, tf.sin, tf.nn.relu, lambda a: a * 0.5, lambda a: a + 1, lambda a: tf.square(a) * 0.2,
            lambda a: tf.matmul(a, w) if a.get_shape().ndims == 2 else a * a * 0.1,
            lambda a: tf.reduce_sum(a) * a * 0.1,
        ])  # fmt: skip

    def counted(self, x):
        start, step = self.choose.randint(0, 2), self.choose.choice([1, 2])
        last = start + self.turns
        return self.tf.while_loop(lambda i, _: i < last, lambda i, a: (i + step, self.f(self.g(a))), [start, x])[1]

    def backwards(self, x):
        """From a size that is fed down to 1."""
        first = self.tf.shape(x)[0] - 1
        return self.tf.while_loop(lambda i, _: i > 0, lambda i, a: (i - 1, self.f(a)), [first, x])[1]

    def beside_what_stays(self, x):
        mean = self.tf.reduce_mean(x)

        def body(i, a, b):
            return i + 1, self.f(a) * mean, b

        return self.tf.while_loop(lambda i, *_: i < self.turns, body, [0, x, x * 2])[1]

    def swapped(self, x):
        _, a, b = self.tf.while_loop(
            lambda i, *_: i < self.turns, lambda i, a, b: (i + 1, b, self.f(a)), [0, x, self.g(x)]
        )
        return a + b * 0.5

    def into_an_array(self, x):
        tf, grows, clears = self.tf, self.choose.random() < 0.5, self.choose.random() < 0.5
        count, down = self.turns + 1, not grows and self.choose.random() < 0.5
        array = tf.TensorArray(tf.float32, 0 if grows else count, dynamic_size=grows, clear_after_read=clears)

        def body(i, array):
            place = count - 1 - i if down else i
            return i + 1, array.write(place, self.f(x) * tf.cast(i + 1, tf.float32) * 0.3)

        whole = tf.while_loop(lambda i, _: i < count, body, [0, array])[1].stack()
        return whole[-1] if self.choose.random() < 0.4 else tf.reduce_sum(self.g(whole), 0)

    def by_branches(self, x):
        tf = self.tf

        def body(i, a):
            takes_first = tf.reduce_sum(a) > tf.cast(i, tf.float32) * 0.2
            return i + 1, tf.cond(takes_first, lambda: self.f(a) * 0.5, lambda: self.g(a) + x)

        return tf.while_loop(lambda i, _: i < self.turns, body, [0, x])[1]

    def scanned(self, x):
        return self.tf.scan(lambda a, row: self.f(a) * 0.5 + row, x)

    def mapped(self, x):
        return self.tf.map_fn(lambda row: self.g(row) * 0.7, x)

    def folded(self, x):
        return x + self.tf.foldr(lambda a, row: self.tf.tanh(a) + row * 0.3, x)

    def recurrent(self, x):
        tf = self.tf
        cell = self.choose.choice([tf.nn.rnn_cell.BasicLSTMCell, tf.nn.rnn_cell.GRUCell])(3)
        with tf.variable_scope(None, "net"):
            return tf.nn.dynamic_rnn(cell, tf.expand_dims(x, 0), dtype=tf.float32)[0][0]


KINDS = [name for name in vars(_Loops) if not name.startswith("_")]


def program(seed, tf):
    """The placeholder [None, 3], what is fetched of each run, and what else is run."""
    choices = random.Random(seed)
    tf.set_random_seed(seed)
    x = tf.placeholder(tf.float32, [None, 3])
    w = tf.get_variable("w", [3, 3], initializer=tf.random_normal_initializer(stddev=0.4, seed=seed))
    values = [x]
    for _ in range(choices.randint(1, 3)):
        values.append(getattr(_Loops(choices, tf, w), choices.choice(KINDS))(values[-1]))
    loss = tf.reduce_mean(tf.square(values[-1])) + tf.reduce_sum(values[1]) * 0.01
    variables = tf.trainable_variables()
    slopes = [d for d in tf.gradients(loss, [x, *variables]) if d is not None]
    trains = choices.random() < 0.6 and any(d is not None for d in tf.gradients(loss, variables))
    return x, [loss, values[-1], *slopes], [tf.train.GradientDescentOptimizer(0.05).minimize(loss)] if trains else []


def run_all(seed, tf, **options):
    """What each run gives, one list."""
    draws = np.random.RandomState(seed)
    with tf.Graph().as_default() as graph:
        x, fetches, others = program(seed, tf)
        with tf.Session(graph=graph, **options) as session:
            session.run(tf.global_variables_initializer())
            batches = [draws.randn(rows, 3).astype(np.float32) * 0.7 for rows in BATCHES]
            runs = [session.run(fetches + others, {x: batch})[: len(fetches)] for batch in batches]
    return [np.asarray(value) for run in runs for value in run]
