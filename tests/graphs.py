"""Random graphs for property tests: a list of decisions becomes a graph with variables, feeds and control edges."""

import numpy as np
from hypothesis import strategies as st

import refflow as tf
from refflow.ops.gather_today import GATHER_V2

SHAPES = [(), (3,), (1, 3), (2, 3), (2, 1)]
UNARY = [tf.neg, tf.abs, tf.square, tf.exp, tf.tanh, tf.sigmoid, tf.nn.relu, tf.identity, tf.stop_gradient]
BINARY = [tf.add, tf.sub, tf.mul, tf.maximum, tf.minimum]

step = st.tuples(st.integers(0, 13), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
programs = st.lists(step, min_size=1, max_size=25)


class Program:
    """What a list of decisions built: tensors to fetch, feeds, and the operations that change state, in order."""

    def __init__(self, decisions, seed=0):
        self.rng = np.random.default_rng(seed)
        self.graph = tf.Graph()
        self.feeds, self.updates = {}, []
        with self.graph.as_default():
            self.variables = [tf.Variable(self._array(s)) for s in SHAPES[:4]]
            self.tensors = [tf.constant(self._array(s)) for s in SHAPES]
            for shape in SHAPES[1:3]:
                hole = tf.placeholder(tf.float32, shape)
                self.feeds[hole] = self._array(shape)
                self.tensors.append(hole)
            for decision in decisions:
                self._step(*decision)
            self.init = tf.initialize_all_variables()
        self.fetches = [t for t in self.tensors if t not in self.feeds][-6:]

    def _array(self, shape):
        return np.asarray(self.rng.uniform(-1, 1, shape), np.float32)

    def _step(self, kind, a, b, c):
        x, y = self.tensors[a % len(self.tensors)], self.tensors[b % len(self.tensors)]
        v = self.variables[c % len(self.variables)]
        # Reads wait for every earlier change, and changes for every earlier read, so that one order is right.
        with self.graph.control_dependencies(self.updates[-1:]):
            if kind <= 3:
                made = UNARY[c % len(UNARY)](x)
            elif kind <= 6:
                made = self._binary(BINARY[c % len(BINARY)], x, y)
            elif kind == 7:
                made = tf.reduce_sum(x, keep_dims=bool(c % 2)) if c % 3 else tf.reduce_max(x)
            elif kind == 8:
                made = tf.reshape(x, [-1]) if c % 2 else tf.reduce_mean(x)
            elif kind == 9:
                made = tf.identity(v)
            elif kind == 10:
                made = tf.matmul(tf.reshape(x, [-1, 1]), tf.reshape(y, [1, -1]))
                made = tf.reduce_sum(made, [0])
            elif kind >= 12:
                made = self._moved(x, b, c)
            else:
                made = None
        if made is not None:
            self.tensors.append(made)
            return
        with self.graph.control_dependencies([t.op for t in self.tensors] + self.updates[-1:]):
            amount = tf.reduce_mean(x) * 0.5
            change = (tf.assign_add, tf.assign_sub, tf.assign)[a % 3]
            self.updates.append(change(v.ref(), amount + self._zeros_like(v)).op)

    @staticmethod
    def _moved(x, b, c):
        """The elements of x elsewhere: picked along an axis, parts joined, axes exchanged."""
        rank = x.get_shape().ndims
        if not rank:
            return tf.tile(tf.reshape(x, [1]), [1 + b % 3])
        axis, large = c % rank, np.prod(x.get_shape().as_list()) > 100
        if b % 4 == 0:
            return GATHER_V2(x, [0, 0, x.get_shape().as_list()[axis] - 1], axis)
        if b % 4 == 1 and not large:
            return tf.concat(axis, [x, tf.square(x)])
        if b % 4 == 2 or large:
            return tf.transpose(x)
        return tf.add_n([tf.expand_dims(part, 0) for part in tf.unpack(x)])

    @staticmethod
    def _zeros_like(v):
        return tf.zeros(v.get_shape().as_list())

    @staticmethod
    def _binary(op, x, y):
        try:
            return op(x, y)
        except tf.GraphError:  # shapes that do not broadcast
            return op(x, x)

    def run(self, steps=3, **options):
        """Everything that can be fetched, for a few steps."""
        with tf.Session(graph=self.graph, **options) as session:
            session.run(self.init)
            results = []
            for _ in range(steps):
                results.append(session.run([*self.fetches, *self.updates], self.feeds))
                results.append(session.run(self.variables))
            return results


def assert_same_bits(got, want):
    assert len(got) == len(want)
    for one, other in zip(got, want, strict=True):
        for g, w in zip(one, other, strict=True):
            if g is None:
                assert w is None
                continue
            assert np.asarray(g).dtype == np.asarray(w).dtype and np.shape(g) == np.shape(w)
            assert np.asarray(g).tobytes() == np.asarray(w).tobytes()


def deck_like(rows=40):
    """The deck's program on random data: its graph, its initializer, and what a step fetches."""
    rng = np.random.default_rng(3)
    graph = tf.Graph()
    graph.seed = 7
    with graph.as_default():
        examples = tf.constant(rng.normal(size=(rows, 12)).astype(np.float32))
        labels = tf.constant(np.eye(4, dtype=np.float32)[rng.integers(0, 4, rows)])
        weights = tf.Variable(tf.truncated_normal([12, 4]))
        b = tf.Variable(tf.zeros([4]))
        logits = tf.matmul(examples, weights) + b
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits, labels))
        optimizer = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
        prediction = tf.nn.softmax(logits)
        init = tf.initialize_all_variables()
    return graph, init, [optimizer, loss, prediction]
