"""One schedule in both systems, and three small models that only a graph can hold [S01, S03]."""

import numpy as np
import pytest

import refflow as tf
from refflow.distbelief import (
    Adagrad,
    ClientLoop,
    Clock,
    Dense,
    Downpour,
    FixedStructure,
    Links,
    Network,
    Server,
    Sgd,
    Tanh,
    schedule,
    uneven,
)

GAMMA, RATE = 0.1, 0.2


def examples(count=96):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(count, 6)).astype(np.float32)
    return x, np.eye(3, dtype=np.float32)[(x @ rng.normal(size=(6, 3))).argmax(axis=1)]


X, TARGETS = examples()


class InAGraph:
    """Downpour's six actions as steps of a session: every state is a Variable, and what is on its way is in a queue.

    Shard j of the server is a Variable, as long as its part of the long vector; each replica has a copy and a sum of
    its own, and its gradient part. What a shard does with a push are a few nodes.
    """

    def __init__(self, downpour, rule, rate):
        self.cuts = [(s.start, s.stop) for s in downpour.server.shards]
        start = downpour.server.vector()
        self.shards = [tf.Variable(start[a:b]) for a, b in self.cuts]
        self.squares = [tf.Variable(tf.zeros([b - a])) for a, b in self.cuts]
        self.shapes = list(downpour.partition.network.parameters.values())
        self.rows = tf.placeholder(tf.int64, [None])
        self.replicas = [self.replica(rule, rate) for _ in downpour.replicas]
        self.session = tf.Session()
        self.session.run(tf.initialize_all_variables())

    def replica(self, rule, rate):
        parts = [b - a for a, b in self.cuts]
        copies, sums, gradients = ([tf.Variable(tf.zeros([size])) for size in parts] for _ in range(3))
        answers, pushes = ([tf.FIFOQueue(9, [tf.float32], [[size]]) for size in parts] for _ in range(2))
        slopes = tf.gradients(self.loss(tf.concat(0, copies)), copies)
        leave = [queue.enqueue([s]) for queue, s in zip(pushes, sums, strict=True)]
        with tf.control_dependencies(leave):
            clear = [tf.assign(s, tf.zeros_like(s)) for s in sums]
        add = [tf.assign_add(s, g) for s, g in zip(sums, gradients, strict=True)]
        move = [tf.assign_sub(c, rate * g) for c, g in zip(copies, gradients, strict=True)]
        return {
            "read": [queue.enqueue([shard]) for queue, shard in zip(answers, self.shards, strict=True)],
            "install": [tf.assign(copy, queue.dequeue()) for copy, queue in zip(copies, answers, strict=True)],
            "compute": tf.group(*(tf.assign(g, s) for g, s in zip(gradients, slopes, strict=True))),
            "update": tf.group(*add, *move),
            "push": tf.group(*clear),
            "apply": [
                rule(shard, squares, queue.dequeue())
                for shard, squares, queue in zip(self.shards, self.squares, pushes, strict=True)
            ],
        }

    def loss(self, vector):
        weights, at = [], 0
        for shape in self.shapes:
            size = int(np.prod(shape))
            weights.append(tf.reshape(tf.slice(vector, [at], [size]), shape))
            at += size
        w1, b1, w2, b2 = weights
        x, targets = tf.gather(tf.constant(X), self.rows), tf.gather(tf.constant(TARGETS), self.rows)
        scores = tf.matmul(tf.tanh(tf.matmul(x, w1) + b1), w2) + b2
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(scores, targets))

    def play(self, actions):
        starts = [start for start, _ in self.cuts]
        for a in actions:
            step = self.replicas[a.replica][a.kind]
            step = step[starts.index(a.start)] if isinstance(step, list) else step
            self.session.run(step, {self.rows: a.rows} if a.kind == "compute" else None)
        return np.concatenate(self.session.run(self.shards))


def descend(shard, squares, pushed):
    return tf.assign_sub(shard, RATE * pushed)


def adagrad(shard, squares, pushed):
    """The paper's rule as nodes: the sum of squares starts at 0 [E20]."""
    total = tf.assign_add(squares, tf.square(pushed))
    return tf.assign_sub(shard, GAMMA * pushed / tf.sqrt(total))


@pytest.mark.parametrize(("rule", "nodes", "rate"), [(Sgd(RATE), descend, RATE), (Adagrad(GAMMA), adagrad, GAMMA / 10)])
def test_one_schedule_ends_with_equal_parameters_in_both(rule, nodes, rate):  # [S01]
    links = Links(Clock(5), latency=1e-4, bandwidth=1e7, slowness=uneven(0.5))
    loop = ClientLoop(batch=8, n_fetch=2, n_push=3)
    downpour = Downpour(
        Network([6], [Dense(5), Tanh(), Dense(3)]), X, TARGETS, rule, loop,
        replicas=3, shards=2, links=links, speed=1e7, slowness=uneven(0.3),
    )  # fmt: skip
    graph = InAGraph(downpour, nodes, rate)  # from the server's parameters as they are before
    before = downpour.loss()
    downpour.run(steps=20)
    assert downpour.loss() < before - 0.2
    assert len({e.what["age"] for e in downpour.clock.events("apply")}) > 2, "a schedule with stale gradients"
    np.testing.assert_allclose(graph.play(schedule(downpour.clock.log)), downpour.server.vector(), rtol=0, atol=1e-6)


def test_each_system_starts_its_sum_of_squares_in_its_own_way():  # [E20]
    """The first step on a slope of 1: gamma there; in the release, whose sum starts at 0.1, gamma / sqrt(1.1)."""
    clock = Clock()
    server = Server(clock, Links(clock), np.zeros(1, np.float32), Adagrad(GAMMA))
    server.shards[0].apply(server.ranges(0, 1)[0], np.ones(1, np.float32), "one")
    w = tf.Variable([0.0])
    step = tf.train.AdagradOptimizer(GAMMA).minimize(tf.reduce_sum(w))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        session.run(step)
        np.testing.assert_allclose(session.run(w), [-GAMMA / np.sqrt(1.1)], rtol=1e-6)
    np.testing.assert_allclose(server.vector(), [-GAMMA], rtol=1e-6)


# -- what only a graph can hold -----------------------------------------------------------------------------


def test_a_rule_of_ones_own():  # [S03]
    """Momentum with a sign: refused as a shard's rule; in a graph, three nodes."""

    class SignedMomentum(Sgd):
        """It would be applied by the shards."""

    clock = Clock()
    with pytest.raises(FixedStructure, match="In a graph an update is a node like any other"):
        Server(clock, Links(clock), np.zeros(3, np.float32), SignedMomentum(0.1))

    w, velocity = tf.Variable([4.0, -2.0]), tf.Variable([0.0, 0.0])
    (slope,) = tf.gradients(tf.reduce_sum(tf.square(w - [1.0, 1.0])), [w])
    step = tf.assign_sub(w, 0.1 * tf.sign(tf.assign(velocity, 0.5 * velocity + slope)))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        for _ in range(60):
            session.run(step)
        np.testing.assert_allclose(session.run(w), [1.0, 1.0], atol=0.25)


def test_weights_that_two_layers_share():  # [S03]
    """An autoencoder whose way out is its way in, transposed: one Variable with two readers."""
    tied = Dense(6)
    with pytest.raises(FixedStructure, match="a Variable may be read by any number of nodes"):
        Network([6], [tied, Tanh(), tied])

    w = tf.Variable(np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32) / 3)
    plane = X[:, :2] @ np.random.default_rng(1).normal(size=(2, 6)).astype(np.float32)
    out = tf.matmul(tf.matmul(tf.constant(plane), w), w, transpose_b=True)
    loss = tf.reduce_mean(tf.square(out - plane))
    step = tf.train.GradientDescentOptimizer(0.05).minimize(loss)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        first = session.run(loss)
        for _ in range(200):
            session.run(step)
        assert session.run(loss) < first / 100


def test_a_loop_that_ends_when_its_values_say_so():  # [S03]
    """A layer that is applied to its own states until they are at rest: h = tanh(W h + x)."""
    with pytest.raises(FixedStructure, match="nobody here could say when. In a graph: while_loop"):
        Network.described([3], [{"kind": "dense", "units": 3, "name": "h", "below": "h"}])

    w = np.array([[0.5, -0.2, 0.1], [0.3, 0.4, 0.0], [-0.1, 0.2, 0.6]], np.float32)
    x = np.array([[1.0, -0.5, 0.25]], np.float32)

    def moves(h, before):
        return tf.reduce_max(tf.abs(h - before)) > 1e-5

    def once(h, before):
        return [tf.tanh(tf.matmul(h, tf.constant(w)) + x), h]

    rest, _ = tf.while_loop(moves, once, [tf.constant(x), tf.zeros([1, 3])])
    with tf.Session() as session:
        found = session.run(rest)
    np.testing.assert_allclose(np.tanh(found @ w + x), found, atol=1e-5)
