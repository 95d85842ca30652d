"""What products of a few rows have in common with one matrix is done at once."""

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.runtime.loosen import free_constants, skip_identities
from refflow.runtime.products import gather_products
from refflow.runtime.shared_factors import share_factors

STEPS, ROWS, CELLS, INPUTS = 5, 4, 40, 36


def weights(rng, *shape, dtype=np.float32):
    return tf.Variable(rng.normal(size=shape, scale=0.2).astype(dtype))


def lstm(inputs, rng, dtype, bias=True):
    w, b = weights(rng, inputs[0].shape[1] + CELLS, 4 * CELLS, dtype=dtype), weights(rng, 4 * CELLS, dtype=dtype)
    h = c = tf.zeros([ROWS, CELLS], dtype)
    for x in inputs:
        z = tf.matmul(tf.concat([x, h], 1), w)
        i, f, j, o = tf.split(tf.nn.bias_add(z, b) if bias else z, 4, 1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j)
        h = tf.sigmoid(o) * tf.tanh(c)
        yield h


def gru(inputs, rng, dtype):
    w, v = (weights(rng, INPUTS + CELLS, n, dtype=dtype) for n in (2 * CELLS, CELLS))
    b = weights(rng, CELLS, dtype=dtype)
    h = tf.zeros([ROWS, CELLS], dtype)
    for x in inputs:
        r, u = tf.split(tf.sigmoid(tf.matmul(tf.concat([x, h], 1), w)), 2, 1)
        h = u * h + (1 - u) * tf.tanh(b + tf.matmul(tf.concat([r * h, x], 1), v))
        yield h


def apart(inputs, rng, dtype):
    w, v, b = (weights(rng, *s, dtype=dtype) for s in [(INPUTS, CELLS), (CELLS, CELLS), (CELLS,)])
    h = tf.zeros([ROWS, CELLS], dtype)
    for x in inputs:
        h = tf.tanh(tf.matmul(x, w) + b + tf.matmul(h, v))
        yield h


def two_layers(inputs, rng, dtype):
    return lstm(list(lstm(inputs, rng, dtype, bias=False)), rng, dtype)


NETS = {"lstm": lstm, "gru": gru, "apart": apart, "two layers": two_layers}
# Joined products: of the operands that are there before, and of the slopes that go out.
JOINED = {"lstm": 2, "gru": 4, "apart": 2, "two layers": 4}


def training(name, rng, dtype=np.float32):
    x = weights(rng, STEPS * ROWS, INPUTS, dtype=dtype)
    states = list(NETS[name](tf.split(x, STEPS, 0), rng, dtype))
    loss = tf.reduce_sum(tf.square(tf.concat(states, 0)))
    return tf.train.GradientDescentOptimizer(0.01).minimize(loss), loss, states


def rewritten(session, fetches):
    step = session.stages(session.signature(fetches)).partitioned
    return share_factors(gather_products(skip_identities(free_constants(step)))).nodes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NETS)
def test_training_comes_to_the_same(name, dtype, rng):
    found = []
    with tf.Graph().as_default() as graph:
        train, loss, states = training(name, rng, dtype)
        for executor in ("plan", "executor"):
            with tf.Session(graph=graph, config=tf.ConfigProto(executor=executor)) as session:
                session.run(tf.global_variables_initializer())
                if executor == "plan":
                    names = [n.name for n in rewritten(session, [train, loss])]
                    assert sum(n.endswith("/shared") for n in names) == JOINED[name]
                found.append([session.run([train, loss, states[1], states[-1]])[1:] for _ in range(4)])
                found[-1].append(session.run(tf.trainable_variables()))
    for plan, executor in zip(*found, strict=True):
        for ours, theirs in zip(plan, executor, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_the_number_of_threads_changes_no_bit(name, rng):
    found = []
    with tf.Graph().as_default() as graph:
        train, loss, _ = training(name, rng)
        for count in (1, 2, 3):
            with tf.Session(graph=graph, config=tf.ConfigProto(intra_op_parallelism_threads=count)) as session:
                session.run(tf.global_variables_initializer())
                found.append([session.run([train, loss])[1] for _ in range(3)] + session.run(tf.trainable_variables()))
    first, *others = [[np.asarray(a).tobytes() for a in results] for results in found]
    assert all(first == other for other in others)


def test_a_matrix_that_changes_between_its_products_is_multiplied_as_it_is_then(rng):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        w = weights(rng, INPUTS, CELLS)
        x, y = (tf.constant(rng.normal(size=(ROWS, INPUTS)).astype(np.float32)) for _ in range(2))
        before = tf.matmul(x, w)
        with graph.control_dependencies([before]):
            change = tf.assign(w, 2 * tf.ones([INPUTS, CELLS]))
        with graph.control_dependencies([change]):
            after = tf.matmul(y, w)
        session.run(tf.global_variables_initializer())
        start, given = session.run([w, [x, y]])
        found = session.run([before, after])
        np.testing.assert_allclose(found[0], given[0] @ start, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found[1], np.tile(2 * given[1].sum(1, keepdims=True), CELLS), rtol=1e-4, atol=1e-4)


def test_results_that_are_fetched_are_the_caller_s_own(rng):
    with tf.Graph().as_default(), tf.Session() as session:
        w = weights(rng, INPUTS, CELLS)
        xs = [tf.constant(rng.normal(size=(ROWS, INPUTS)).astype(np.float32)) for _ in range(3)]
        products = [tf.matmul(x, w) for x in xs]
        session.run(tf.global_variables_initializer())
        assert sum(n.type == "MatMul" for n in rewritten(session, products)) == 1
        first = session.run(products)
        kept = [p.copy() for p in first]
        session.run(tf.assign(w, tf.zeros([INPUTS, CELLS])))
        session.run(products)
        for found, copy in zip(first, kept, strict=True):
            np.testing.assert_array_equal(found, copy)


def test_many_rows_and_narrow_inputs_stay_as_they_are(rng):
    with tf.Graph().as_default(), tf.Session() as session:
        w = weights(rng, INPUTS, CELLS)
        many = [tf.matmul(tf.ones([100, INPUTS]) * s, w) for s in (1.0, 2.0)]
        v, h = weights(rng, 3 + CELLS, CELLS), tf.zeros([ROWS, CELLS])
        for s in (1.0, 2.0):
            h = tf.tanh(tf.matmul(tf.concat([tf.exp(s * tf.ones([ROWS, 3])), h], 1), v))
        session.run(tf.global_variables_initializer())
        assert not any(n.name.endswith("/shared") for n in rewritten(session, [*many, h]))


def test_columns_that_nobody_takes_are_not_computed(rng):
    """An input that is not learned needs no slope."""
    found = []
    with tf.Graph().as_default() as graph:
        x = tf.Variable(rng.normal(size=(STEPS * ROWS, INPUTS)).astype(np.float32), trainable=False)
        loss = tf.reduce_sum(tf.square(tf.concat(list(gru(tf.split(x, STEPS, 0), rng, np.float32)), 0)))
        train = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
        for executor in ("plan", "executor"):
            with tf.Session(graph=graph, config=tf.ConfigProto(executor=executor)) as session:
                session.run(tf.global_variables_initializer())
                if executor == "plan":
                    nodes = rewritten(session, [train, loss])
                    shapes = [n.shapes[0] for n in nodes if n.type in ("MatMul", "_PartMatMul")]
                    assert (ROWS, CELLS) in shapes and (ROWS, INPUTS + CELLS) not in shapes
                found.append([session.run([train, loss])[1] for _ in range(3)] + session.run(tf.trainable_variables()))
    for plan, executor in zip(*found, strict=True):
        np.testing.assert_allclose(plan, executor, rtol=1e-4, atol=1e-5)
