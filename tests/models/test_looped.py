"""A cell in the graph's loop gives what its unrolled copies give, forwards and backwards."""

import numpy as np
import pytest

import refflow as tf
from refflow.models.rnn import rnn, rnn_cell
from refflow.models.rnn.looped import looped_rnn
from tests.models.test_rnn import SMALL, lstm

T, B, N, UNITS = 5, 3, 4, 6


def both(cell, xs):
    """(outputs [T, B, M], states) of the loop and of the unrolled cell, over one set of variables."""
    with tf.variable_scope("m", initializer=SMALL):
        looped = looped_rnn(cell, xs)
    with tf.variable_scope("m", reuse=True):
        outputs, states = rnn.rnn(cell, tf.unpack(xs), dtype=tf.float32)
    return looped, (tf.pack(outputs), tf.pack(states))


@pytest.mark.parametrize("executor", ["plan", "executor"])
@pytest.mark.parametrize("make", [rnn_cell.BasicLSTMCell, rnn_cell.GRUCell])
def test_a_loop_and_its_unrolled_copies_are_equal_and_so_are_their_gradients(make, executor, rng):  # [S50a]
    xs = tf.constant(rng.normal(size=(T, B, N)).astype(np.float32))
    weights = rng.normal(size=(T, B, UNITS)).astype(np.float32)  # so that each output has a slope of its own
    looped, unrolled = both(make(UNITS), xs)
    variables = tf.all_variables()
    slopes = [tf.gradients(tf.reduce_sum(tf.square(o) * weights), [*variables, xs]) for o, _ in (looped, unrolled)]
    with tf.Session(executor=executor) as session:
        session.run(tf.initialize_all_variables())
        values, expected = session.run([looped, unrolled])
        for found, wanted in zip(values, expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
        for found, wanted in zip(*session.run(slopes), strict=True):
            assert abs(wanted).max() > 0.1
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_the_loop_of_an_lstm_is_numpys(rng):  # [S50a]
    xs = rng.normal(size=(T, B, N)).astype(np.float32)
    x = tf.placeholder(tf.float32, [None, None, N])
    with tf.variable_scope("m", initializer=SMALL):
        outputs, states = looped_rnn(rnn_cell.BasicLSTMCell(UNITS), x)
    assert outputs.get_shape().as_list() == [None, None, UNITS]
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        w, b = session.run(tf.all_variables())
        for steps in (1, T):  # one graph, any number of steps
            found, kept = session.run([outputs, states], {x: xs[:steps]})
            c = h = np.zeros((B, UNITS))
            for t in range(steps):
                c, h = lstm(xs[t], c, h, w, b)
                np.testing.assert_allclose(found[t], h, rtol=1e-5, atol=1e-6)
                np.testing.assert_allclose(kept[t], np.hstack([c, h]), rtol=1e-5, atol=1e-6)


def test_the_slopes_are_those_of_differences(rng):  # [S50a]
    """Differences of NumPy's LSTM in float64, against the gradient loop in float32."""
    xs = rng.normal(size=(T, B, N)).astype(np.float32)
    with tf.variable_scope("m", initializer=SMALL):
        outputs, _ = looped_rnn(rnn_cell.BasicLSTMCell(UNITS), tf.constant(xs))
    slopes = tf.gradients(tf.reduce_sum(tf.square(outputs)), tf.all_variables())
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        (w, b), (dw, db) = session.run([tf.all_variables(), slopes])

    def loss(w, b):
        c = h = np.zeros((B, UNITS))
        total = 0.0
        for x in xs.astype(np.float64):
            c, h = lstm(x, c, h, w, b)
            total += (h**2).sum()
        return total

    for _ in range(3):
        along_w, along_b = rng.normal(size=w.shape), rng.normal(size=b.shape)
        ahead, behind = (loss(w + e * along_w, b + e * along_b) for e in (1e-5, -1e-5))
        np.testing.assert_allclose((dw * along_w).sum() + (db * along_b).sum(), (ahead - behind) / 2e-5, rtol=1e-4)


def test_a_loop_begins_where_it_is_told(rng):
    xs, state = tf.constant(rng.normal(size=(4, B, N)).astype(np.float32)), tf.zeros([B, UNITS])
    cell = rnn_cell.GRUCell(UNITS)
    with tf.variable_scope("m"):
        _, whole = looped_rnn(cell, xs)
    with tf.variable_scope("m", reuse=True):
        _, first = looped_rnn(cell, xs[:2], state)
        _, rest = looped_rnn(cell, xs[2:], first[1])
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        whole, first, rest = session.run([whole, first, rest])
    assert np.array_equal(whole, np.concatenate([first, rest]))


def test_inputs_need_three_axes():
    with pytest.raises(ValueError, match=r"takes inputs \[time, batch, n\], got 'Const:0' of shape \(1, 1\)"):
        looped_rnn(rnn_cell.GRUCell(UNITS), tf.constant([[1.0]]))
    with pytest.raises(TypeError, match="cell must be an RNNCell, got 5"):
        looped_rnn(5, tf.zeros([T, B, N]))
    outputs, _ = looped_rnn(rnn_cell.GRUCell(UNITS), np.zeros((T, B, N)))  # float64, as NumPy has it
    assert outputs.dtype == tf.float32
