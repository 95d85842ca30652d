"""tf.contrib.crf beside a sum over all sequences, and the cells of tf.contrib.rnn that tf.nn has not."""

from itertools import product

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.compat import as_tensorflow
from refflow.compat.shadow import contrib_cells, crf

R = np.random.RandomState(0)
SCORES = R.randn(3, 4, 3).astype(np.float32)
MOVES = R.randn(3, 3).astype(np.float32)
TAGS = R.randint(0, 3, (3, 4))
LENGTHS = np.array([4, 2, 1])


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as found:
        yield found


def run(fetches, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feeds)


def score(row, tags, length):
    total = sum(SCORES[row, t, tags[t]] for t in range(length))
    return total + sum(MOVES[tags[t - 1], tags[t]] for t in range(1, length))


def every(row):
    return {tags: score(row, tags, LENGTHS[row]) for tags in product(range(3), repeat=int(LENGTHS[row]))}


def test_scores_and_norms_are_those_of_all_sequences_one_by_one():
    with as_tensorflow():
        from tensorflow.contrib.crf import crf_log_likelihood as found_by_its_name
    assert found_by_its_name is crf.crf_log_likelihood
    moves = tf.constant(MOVES)
    likelihood, given = crf.crf_log_likelihood(SCORES, TAGS, LENGTHS, moves)
    own = crf.crf_sequence_score(SCORES, TAGS, LENGTHS, moves)
    norm = crf.crf_log_norm(SCORES, LENGTHS, moves)
    own, norm, slope = run([own, norm, tf.gradients(likelihood, moves)[0]])
    norms = [np.log(sum(np.exp(v) for v in every(row).values())) for row in range(3)]
    assert given is moves
    np.testing.assert_allclose(own, [score(row, TAGS[row], LENGTHS[row]) for row in range(3)], rtol=1e-5)
    np.testing.assert_allclose(norm, norms, rtol=1e-5)
    np.testing.assert_allclose(run(likelihood), own - norms, rtol=1e-4)
    expected = np.zeros((3, 3))  # how often the tags have a move, less how often it is expected
    for row in range(3):
        for tags, value in every(row).items():
            for t in range(1, LENGTHS[row]):
                expected[tags[t - 1], tags[t]] -= np.exp(value - norms[row])
        for t in range(1, LENGTHS[row]):
            expected[TAGS[row, t - 1], TAGS[row, t]] += 1
    np.testing.assert_allclose(slope, expected, atol=1e-4)


def test_the_best_tags_are_the_best_of_all_and_zero_past_the_end():
    tags, best = run(crf.crf_decode(SCORES, MOVES, LENGTHS))
    for row, length in enumerate(LENGTHS):
        all_of_them = every(row)
        expected = max(all_of_them, key=all_of_them.get)
        assert tuple(tags[row, :length]) == expected and (tags[row, length:] == 0).all()
        assert best[row] == pytest.approx(all_of_them[expected], rel=1e-5)
        plain, value = crf.viterbi_decode(SCORES[row, :length], MOVES)
        assert tuple(plain) == expected and value == pytest.approx(best[row], rel=1e-5)


def test_a_tagger_learns_moves_between_tags():
    x = tf.placeholder(tf.float32, [None, 6, 2])
    y = np.array([[0, 1, 0, 1, 0, 1]] * 4)
    likelihood, moves = crf.crf_log_likelihood(tf.layers.dense(x, 2), y, [6] * 4)
    loss = tf.reduce_mean(-likelihood)
    step = tf.train.AdamOptimizer(0.1).minimize(loss)
    assert moves.op.name == "transitions"
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        losses = [session.run([loss, step], {x: np.ones((4, 6, 2))})[0] for _ in range(60)]
        assert losses[-1] < 0.2 < losses[0]
        table = session.run(moves)
    assert table[0, 1] > table[0, 0] and table[1, 0] > table[1, 1]


def test_layers_of_cells_read_both_directions_of_the_layer_before():
    with as_tensorflow():
        from tensorflow.contrib.rnn import stack_bidirectional_dynamic_rnn, stack_bidirectional_rnn
    x = tf.constant(R.randn(2, 5, 3).astype(np.float32))

    def cells():
        return [tf.nn.rnn_cell.GRUCell(4), tf.nn.rnn_cell.GRUCell(2)]

    with tf.variable_scope("net", initializer=tf.constant_initializer(0.3)):
        out, forwards, backwards = stack_bidirectional_dynamic_rnn(cells(), cells(), x, dtype=tf.float32)
        by_step = tf.unstack(x, axis=1)
        steps, last, _ = stack_bidirectional_rnn(cells(), cells(), by_step, dtype=tf.float32, scope="list")
    assert out.get_shape().as_list() == [2, 5, 4] and len(forwards) == len(backwards) == 2
    loop, by_steps, state, other = run([out, tf.stack(steps, 1), forwards[1], last[1]])
    np.testing.assert_allclose(loop, by_steps, rtol=1e-5)
    np.testing.assert_allclose(state, loop[:, -1, :2], rtol=1e-5)
    np.testing.assert_allclose(state, other, rtol=1e-5)
    with pytest.raises(ValueError, match="same depth, got 2 and 1"):
        stack_bidirectional_dynamic_rnn(cells(), cells()[:1], x, dtype=tf.float32)


def test_a_normalised_cell_has_gates_of_mean_0_and_size_1():
    cell = contrib_cells.LayerNormBasicLSTMCell(3)
    x = np.array([[1.0, -2.0]], np.float32)
    kernel = R.randn(5, 12).astype(np.float32)
    out, state = cell(tf.constant(x), cell.zero_state(1, tf.float32))
    names = [v.op.name.partition("/")[2] for v in tf.trainable_variables()]
    assert names[0] == "kernel" and {"input/gamma", "state/beta"} <= set(names) and len(names) == 11
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        tf.trainable_variables()[0].load(kernel, session)
        found, (memory, _) = session.run([out, state])

    def normal(v):
        return (v - v.mean()) / v.std()

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    i, j, _, o = (normal(part) for part in np.split((np.hstack([x, np.zeros((1, 3))]) @ kernel)[0], 4))
    expected = normal(sigmoid(i) * np.tanh(j))
    np.testing.assert_allclose(memory[0], expected, rtol=1e-4)
    np.testing.assert_allclose(found[0], np.tanh(expected) * sigmoid(o), rtol=1e-4)


def test_a_highway_passes_its_input_by():
    cell = contrib_cells.HighwayWrapper(tf.nn.rnn_cell.GRUCell(3), carry_bias_init=50.0)
    x = np.ones((2, 3), np.float32)
    out, _ = cell(tf.constant(x), cell.zero_state(2, tf.float32))
    np.testing.assert_allclose(run(out), x, rtol=1e-5)
