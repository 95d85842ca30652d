"""A loop's sum of small products is made of few large ones; branches and loops are optimised and fused as all else."""

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.fuse import fuse
from refflow.runtime.loop_products import Rows, gather_in_loops


def recurrent(turns, rows, width, inputs=7, gated=False):
    """The loss of a net whose loop uses one weight, and its slope by that and the bias.

    gated: an op's slopes wait for each other, as optimizers ask for.
    """
    rng = np.random.default_rng(5)
    x = tf.constant(rng.normal(size=(turns, rows, inputs)).astype(np.float32))
    w = tf.Variable(rng.normal(size=(inputs + width, width), scale=0.2).astype(np.float32))
    b = tf.Variable(np.zeros(width, np.float32))

    def turn(i, h):
        part = tf.reshape(tf.slice(x, tf.pack([i, 0, 0]), [1, rows, inputs]), [rows, inputs])
        return i + 1, tf.tanh(tf.sigmoid(tf.matmul(tf.concat(1, [part, h]), w) + b) * 2.0 - 1.0)

    h = tf.while_loop(lambda i, h: i < turns, turn, [0, tf.zeros([rows, width])])[1]
    loss = tf.reduce_sum(tf.square(h))
    return loss, tf.gradients(loss, [w, b], gate_gradients=gated)


def rewritten(session, fetches, *rewrites):
    step = session.stages(session.signature(fetches)).partitioned
    for rewrite in rewrites:
        step = rewrite(step)
    return [n.type for n in step.nodes]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(("turns", "rows"), [(5, 3), (0, 3), (1, 1), (300, 4)])
def test_a_recurrent_net_s_gradient_is_the_executor_s(turns, rows, gated):
    """300 turns of 4 rows are more than are put together at once."""
    graph, found = tf.Graph(), []
    with graph.as_default():
        loss, slopes = recurrent(turns, rows, 40, gated=gated)
        for executor in ("plan", "executor"):
            with tf.Session(graph=graph, executor=executor) as session:
                session.run(tf.initialize_all_variables())
                if executor == "plan":
                    kinds = rewritten(session, slopes, gather_in_loops)
                    assert [kinds.count(k) for k in ("_BeginProducts", "_PutFactors", "_EndProducts")] == [1, 1, 1]
                found += [session.run([loss, *slopes]) for _ in range(2)]
    for one, other, *wanted in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, wanted[0], rtol=1e-4, atol=1e-5)


def test_products_as_large_as_their_factors_stay():
    with tf.Graph().as_default():
        slopes = recurrent(5, 30, 10)[1]
        with tf.Session() as session:
            assert "_PutFactors" not in rewritten(session, slopes, gather_in_loops)


@pytest.mark.parametrize("way", [(True, False), (False, False), (False, True), (True, True)])
@pytest.mark.parametrize("first", [True, False])
def test_each_way_of_transposing_and_of_adding(way, first, rng):
    ta, tb = way
    a, b = rng.normal(size=(3, 30)).astype(np.float32), rng.normal(size=(3, 40)).astype(np.float32)
    start = rng.normal(size=(30, 40)).astype(np.float32)
    with tf.Graph().as_default():
        left, right = (tf.placeholder(tf.float32, s) for s in ((a if ta else a.T).shape, (b.T if tb else b).shape))

        def turn(i, total):
            product = tf.matmul(left * tf.cast(i, tf.float32), right, transpose_a=ta, transpose_b=tb)
            return i + 1, (product + total if first else total + product)

        total = tf.while_loop(lambda i, t: i < 4, turn, [1, tf.constant(start)])[1]
        with tf.Session() as session:
            feeds = {left: a if ta else a.T, right: b.T if tb else b}
            step = session.stages(session.signature(total, list(feeds)), [v.shape for v in feeds.values()]).partitioned
            assert any(n.type == "_PutFactors" for n in gather_in_loops(step).nodes)
            found = session.run(total, feeds)
    np.testing.assert_allclose(found, start + 6 * (a.T @ b), rtol=1e-4, atol=1e-4)


def test_a_sum_that_a_turn_reads_stays(rng):
    start = rng.normal(size=(30, 40)).astype(np.float32)
    with tf.Graph().as_default():
        a, b = (tf.constant(rng.normal(size=(3, n)).astype(np.float32)) for n in (30, 40))

        def turn(i, total, seen):
            total = total + tf.matmul(a, b, transpose_a=True)
            return i + 1, total, seen + tf.reduce_sum(total)

        fetches = tf.while_loop(lambda i, *_: i < 4, turn, [0, tf.constant(start), 0.0])[1:]
        with tf.Session() as session:
            assert "_PutFactors" not in rewritten(session, fetches, gather_in_loops)


def test_rows_are_all_there_whether_or_not_they_fill_the_room(rng):
    for rows, turns in ((200, 7), (1, 3), (600, 2), (256, 2)):
        kept, wanted = Rows(lambda a, b: a.T @ b), np.ones((5, 6))
        for _ in range(turns):
            a, b = rng.normal(size=(rows, 5)), rng.normal(size=(rows, 6))
            kept.put(a, b)
            wanted += a.T @ b
        np.testing.assert_allclose(kept.sum_with(np.ones((5, 6))), wanted, rtol=1e-11, atol=1e-11)


def test_a_loop_s_chain_is_one_node_of_its_body():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [32, 64])
        out = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, tf.tanh(a * 0.5 + 1.0) * a), [0, x])[1]
        with tf.Session() as session:
            step = session.stages(session.signature(out, [x]), [(32, 64)]).partitioned
            kinds = [n.type for n in fuse(step).nodes]
            value = np.linspace(-1, 1, 32 * 64, dtype=np.float32).reshape(32, 64)
            found = session.run(out, {x: value})
    assert kinds.count("_Fused") == 1 and not {"Tanh", "Mul"} & set(kinds)
    for _ in range(3):
        value = np.tanh(value * np.float32(0.5) + np.float32(1)) * value
    np.testing.assert_allclose(found, value, rtol=1e-6)


def test_a_chain_does_not_reach_from_one_branch_into_another_or_out():
    with tf.Graph().as_default():
        p, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [32, 64])
        y = tf.cond(p, lambda: tf.tanh(x + 1.0), lambda: tf.sigmoid(x - 1.0)) * 2.0 + x
        with tf.Session() as session:
            step = session.stages(session.signature(y, [p, x]), [(), (32, 64)]).partitioned
            assert [n.type for n in fuse(step).nodes].count("_Fused") == 3
            value = np.linspace(-1, 1, 32 * 64, dtype=np.float32).reshape(32, 64)
            for truth, wanted in ((True, np.tanh(value + 1)), (False, 1 / (1 + np.exp(1 - value)))):
                np.testing.assert_allclose(session.run(y, {p: truth, x: value}), wanted * 2 + value, rtol=1e-5)


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_what_is_known_of_a_side_before_the_run_stays_on_that_side(executor):
    """A shape is known without its value, but where the other branch is taken it must not be there."""
    with tf.Graph().as_default():
        p, x, y = tf.placeholder(tf.bool, []), tf.ones([2, 3]), tf.ones([4])
        shape = tf.cond(p, lambda: tf.shape(x) + tf.shape(x), lambda: tf.shape(y))
        with tf.Session(executor=executor, optimize=True) as session:
            assert session.run(shape, {p: True}).tolist() == [4, 6] and session.run(shape, {p: False}).tolist() == [4]


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_what_waits_for_a_side_s_unread_value_waits_for_that_side(executor):
    with tf.Graph().as_default():
        p, v = tf.placeholder(tf.bool, []), tf.Variable(0)

        def counted():
            with tf.control_dependencies([tf.constant(2.0) * x]):
                return tf.assign_add(v, 1)

        x = tf.placeholder(tf.float32, [])
        done = tf.cond(p, counted, lambda: tf.constant(-1))
        with tf.Session(executor=executor, optimize=True) as session:
            session.run(tf.initialize_all_variables())
            assert [session.run(done, {p: t, x: 1.0}) for t in (False, True, False, True)] == [-1, 1, -1, 2]
