"""Gradients that only updates read are made and used piece by piece."""

from itertools import pairwise

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.piecewise import update_piecewise

OPTIMIZERS = {
    "descent": lambda: tf.train.GradientDescentOptimizer(0.1),
    "momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9),
    "adagrad": lambda: tf.train.AdagradOptimizer(0.1),
    "adam": lambda: tf.train.AdamOptimizer(0.01),
    "ftrl": lambda: tf.train.FtrlOptimizer(0.1),
}


def net(rng, optimizer, sizes=(1024, 640, 1000), rows=24, dtype=np.float32):
    """Two layers and a step of training."""
    x, y = (tf.constant(rng.normal(size=(rows, n)).astype(dtype)) for n in (sizes[0], sizes[-1]))
    weights = [tf.Variable(rng.normal(size=s, scale=0.1).astype(dtype)) for s in pairwise(sizes)]
    h = x
    for w in weights:
        h = tf.tanh(tf.matmul(h, w))
    loss = tf.reduce_mean(tf.square(h - y))
    return optimizer.minimize(loss), loss, weights


def pieces(session, fetches):
    step = session.stages(session.signature(fetches, []), []).partitioned
    return [n.attrs["piecewise"] for n in update_piecewise(step).nodes if "piecewise" in n.attrs]


def trained(graph, train, loss, weights, steps=3, **options):
    with tf.Session(graph=graph, **options) as session:
        session.run(tf.initialize_all_variables())
        losses = [session.run([train, loss])[1] for _ in range(steps)]
        return [*losses, *session.run(weights)]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("sizes", [(1024, 640, 1000), (40, 8192, 80), (8192, 96, 3)])
def test_training_comes_to_the_same(name, sizes, rng, graph):
    given = net(rng, OPTIMIZERS[name](), sizes)
    for plan, executor in zip(trained(graph, *given), trained(graph, *given, executor="executor"), strict=True):
        np.testing.assert_allclose(plan, executor, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("sizes", "rows"), [((1024, 640, 1000), [512, 320]), ((40, 8192, 80), [4096]), ((997, 997, 3), [])]
)
def test_pieces_are_rows_where_there_are_enough(sizes, rows, rng, graph):
    train, loss, _ = net(rng, OPTIMIZERS["adam"](), sizes)
    with tf.Session(graph=graph) as session:
        found = pieces(session, [train, loss])
        assert [p.shape()[0] for p in found] == rows
        assert all(4 * np.prod(p.shape()) <= 1 << 21 and np.prod(p.shape()) * p.pieces == np.prod(p.product.shapes[0])
                   for p in found)  # fmt: skip


def test_the_gradient_is_never_there_as_a_whole(rng, graph):
    train, loss, _ = net(rng, OPTIMIZERS["descent"](), (2048, 512, 8))
    with tf.Session(graph=graph) as session:
        plan = session.stages(session.signature([train, loss], []), []).executable(tf.ConfigProto(), {})
        assert plan.arena_bytes < 4 * 2048 * 512 / 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_number_of_threads_changes_no_bit(dtype, rng, graph):
    given = net(rng, OPTIMIZERS["adam"](), dtype=dtype)
    first, *others = [trained(graph, *given, intra_op_parallelism_threads=count) for count in (1, 2, 3)]
    for other in others:
        assert [np.asarray(a).tobytes() for a in first] == [np.asarray(a).tobytes() for a in other]


def test_a_gradient_that_others_read_stays_whole(rng, graph):
    _, loss, (w, v) = net(rng, OPTIMIZERS["descent"]())
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    (dw, _), (dv, _) = optimizer.compute_gradients(loss, [w, v])
    train = optimizer.apply_gradients([(dw, w), (dv, v)])
    norm = tf.reduce_sum(tf.square(dw))
    with tf.Session(graph=graph) as session:
        session.run(tf.initialize_all_variables())
        before = session.run([w, v])
        assert len(pieces(session, [train, dw, norm])) == 1
        _, slope, size = session.run([train, dw, norm])
        after = session.run([w, v])
        np.testing.assert_allclose(before[0] - np.float32(0.1) * slope, after[0], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(np.sum(np.square(slope, dtype=np.float64)), size, rtol=1e-5)
        assert np.abs(after[1] - before[1]).max() > 0


def test_batches_of_any_length_are_learned_from(rng, graph):
    x = tf.placeholder(tf.float32, [None, 1024])
    w = tf.Variable(rng.normal(size=(1024, 640)).astype(np.float32))
    train = OPTIMIZERS["descent"]().minimize(tf.reduce_sum(tf.matmul(x, w)))
    with tf.Session(graph=graph) as session:
        session.run(tf.initialize_all_variables())
        for rows in (3, 5, 3):
            before, given = session.run(w), rng.normal(size=(rows, 1024)).astype(np.float32)
            session.run(train, {x: given})
            wanted = before - np.float32(0.1) * given.sum(axis=0)[:, None]
            np.testing.assert_allclose(session.run(w), wanted, rtol=1e-5, atol=1e-5)


def test_a_product_with_the_variable_itself_is_made_before_the_variable_changes(rng, graph):
    start = rng.normal(size=(1024, 1024)).astype(np.float32) * 0.05
    w = tf.Variable(start)
    for operand in (w, tf.reshape(w, [1024, 1024]), tf.identity(w)):
        change = tf.assign_sub(w, tf.matmul(operand, w, transpose_a=True))
        slope = tf.matmul(operand, tf.constant(np.eye(1024, dtype=np.float32)), transpose_a=True)
        train = tf.train.GradientDescentOptimizer(1.0).apply_gradients([(slope, w)])
        for update, wanted in ((train, start - start.T), (change, start - start.T @ start)):
            with tf.Session(graph=graph) as session:
                session.run(tf.initialize_all_variables())
                session.run(update)
                np.testing.assert_allclose(session.run(w), wanted, rtol=1e-4, atol=1e-5)
