"""A sum of small products becomes one product of all their factors, joined."""

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.products import gather_products


def types_of(session, fetches):
    return [n.type for n in gather_products(session.stages(session.signature(fetches)).partitioned).nodes]


@pytest.mark.parametrize("way", [(True, False), (False, False), (False, True), (True, True)])
def test_each_way_of_transposing(way, rng):
    ta, tb = way
    graph = tf.Graph()
    with graph.as_default():
        pairs = []
        for depth in (3, 5, 4):
            a, b = rng.normal(size=(depth, 30)), rng.normal(size=(depth, 40))
            a, b = (a if ta else a.T), (b.T if tb else b)
            pairs.append([tf.Variable(x.astype(np.float32)).value() + 0.0 for x in (a, b)])
        total = tf.add_n([tf.matmul(a, b, transpose_a=ta, transpose_b=tb) for a, b in pairs])
        with tf.Session(graph=graph) as session:
            session.run(tf.initialize_all_variables())
            kinds = types_of(session, total)
            assert kinds.count("MatMul") == 1 and "AddN" not in kinds
            found, arrays = session.run(total), session.run(pairs)
    wanted = sum((a.T if ta else a) @ (b.T if tb else b) for a, b in arrays)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_products_that_are_read_elsewhere_stay(rng):
    graph = tf.Graph()
    with graph.as_default():
        v = tf.Variable(rng.normal(size=(3, 30)).astype(np.float32)).value() + 0.0
        one, two = (tf.matmul(v, v * s, transpose_a=True) for s in (1.0, 2.0))
        with tf.Session(graph=graph) as session:
            assert types_of(session, [tf.add_n([one, two]), one]).count("MatMul") == 2


def test_a_recurrent_net_s_gradient_is_that_of_the_executor(rng):
    """Its weight is used at every step; the sums' control edges lead through the products that are gathered."""
    graph = tf.Graph()
    with graph.as_default():
        w = tf.Variable(rng.normal(size=(50, 40), scale=0.2).astype(np.float32))
        h = tf.zeros([4, 40])
        for _ in range(5):
            h = tf.tanh(tf.matmul(tf.concat(1, [tf.constant(rng.normal(size=(4, 10)).astype(np.float32)), h]), w))
        loss = tf.reduce_sum(tf.square(h))
        step = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
        found = []
        for executor in ("plan", "executor"):
            with tf.Session(graph=graph, executor=executor) as session:
                session.run(tf.initialize_all_variables())
                if executor == "plan":
                    assert types_of(session, step).count("MatMul") == 5 + 4 + 1
                found.append([session.run([step, loss])[1] for _ in range(4)])
    np.testing.assert_allclose(*found, rtol=1e-5)
