"""tf.contrib.seq2seq: decoders that run as loops, against steps by hand."""

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.compat.shadow import seq2seq

EMBEDDING = np.eye(4, dtype=np.float32)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as found:
        yield found


class Counting(tf.nn.rnn_cell.RNNCell):
    """Scores the symbol after the one that it reads, and counts its steps."""

    state_size, output_size = 1, 4

    def __call__(self, inputs, state, scope=None):
        return tf.concat([inputs[:, -1:], inputs[:, :-1]], 1), state + 1


def ran(fetches, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feeds)


def test_given_inputs_are_read_to_the_end_of_each_sequence():
    inputs = tf.constant(EMBEDDING[[[0, 1, 2], [2, 3, 0]]])
    helper = seq2seq.TrainingHelper(inputs, [3, 2])
    decoder = seq2seq.BasicDecoder(Counting(), helper, tf.zeros([2, 1]))
    outputs, state, lengths = ran(seq2seq.dynamic_decode(decoder, impute_finished=True))
    assert outputs.sample_id.tolist() == [[1, 2, 3], [3, 0, 0]]
    assert outputs.rnn_output[1, 2].tolist() == [0, 0, 0, 0], "a row that has finished gives zeros"
    assert state.tolist() == [[3], [2]] and lengths.tolist() == [3, 2], "and keeps its state"


def test_greedy_decoding_ends_with_the_end_symbol_or_after_so_many_steps():
    helper = seq2seq.GreedyEmbeddingHelper(tf.constant(EMBEDDING), [0, 1], 3)
    decoder = seq2seq.BasicDecoder(Counting(), helper, tf.zeros([2, 1]))
    outputs, _, lengths = ran(seq2seq.dynamic_decode(decoder))
    assert outputs.sample_id.tolist() == [[1, 2, 3], [2, 3, 0]] and lengths.tolist() == [3, 2]
    short = ran(seq2seq.dynamic_decode(decoder, maximum_iterations=2, output_time_major=True))
    assert short[0].sample_id.T.tolist() == [[1, 2], [2, 3]] and short[2].tolist() == [2, 2]


def test_drawn_symbols_follow_the_scores():
    helper = seq2seq.SampleEmbeddingHelper(tf.constant(EMBEDDING), [0, 1], 3, softmax_temperature=0.001, seed=1)
    outputs = ran(seq2seq.dynamic_decode(seq2seq.BasicDecoder(Counting(), helper, tf.zeros([2, 1]))))[0]
    assert outputs.sample_id.tolist() == [[1, 2, 3], [2, 3, 0]]


def test_a_layer_between_cell_and_symbols_may_change_the_width():
    helper = seq2seq.GreedyEmbeddingHelper(tf.constant(EMBEDDING), [0], 3)
    decoder = seq2seq.BasicDecoder(Counting(), helper, tf.zeros([1, 1]), lambda x: x[:, ::-1])
    outputs, _, _ = seq2seq.dynamic_decode(decoder, maximum_iterations=3)
    assert ran(outputs.sample_id).tolist() == [[2, 0, 2]]
    assert outputs.rnn_output.get_shape().as_list()[2] == 4


@pytest.mark.parametrize(
    ("time", "batch", "expected"),
    [(True, True, 5 / 3), (True, False, [1.5, 2]), (False, True, [1.5, 2]), (False, False, [[1, 2], [2, 0]])],
)
def test_a_loss_is_averaged_over_what_is_asked(time, batch, expected):
    rows = tf.constant([1.0, 2.0, 2.0, 9.0])  # of two sequences, of which the second is shorter
    weights = tf.constant([[1.0, 1.0], [1.0, 0.0]])
    loss = seq2seq.sequence_loss(
        tf.zeros([2, 2, 3]), tf.zeros([2, 2], tf.int32), weights, time, batch, lambda labels, logits: rows
    )
    assert np.allclose(ran(loss), expected)


def test_logits_of_a_loss_have_three_dimensions():
    with pytest.raises(ValueError, match="Logits must be a"):
        seq2seq.sequence_loss(tf.zeros([2, 3]), tf.zeros([2, 2], tf.int32), tf.ones([2, 2]))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("kind", ["bahdanau", "normalized", "luong", "scaled"])
def test_shares_are_a_softmax_of_scores_within_each_sequence(kind):
    rng = np.random.default_rng(3)
    memory, query = rng.normal(size=(2, 3, 4)).astype(np.float32), rng.normal(size=(2, 4)).astype(np.float32)
    if kind in ("bahdanau", "normalized"):
        mechanism = seq2seq.BahdanauAttention(4, memory, [3, 2], normalize=kind == "normalized")
    else:
        mechanism = seq2seq.LuongAttention(4, memory, [3, 2], scale=kind == "scaled")
    shares, _ = mechanism(tf.constant(query))
    slopes = tf.gradients(tf.reduce_sum(tf.square(shares)), tf.trainable_variables())
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found, *made = session.run([shares, *tf.trainable_variables()])
        session.run(slopes)
    made = dict(zip([v.op.name.rpartition("/")[0].rpartition("/")[2] + "/" + v.op.name.rpartition("/")[2]
                     for v in tf.trainable_variables()], made, strict=True))  # fmt: skip
    memory[1, 2] = 0
    keys = memory @ made["memory_layer/kernel"]
    if kind in ("luong", "scaled"):
        scores = np.einsum("nd,ntd->nt", query, keys)
    else:
        vector = next(v for k, v in made.items() if k.endswith("attention_v"))
        if kind == "normalized":
            vector = vector / np.linalg.norm(vector) * np.sqrt(1 / 4)
        scores = np.tanh(keys + (query @ made["query_layer/kernel"])[:, None]) @ vector
    scores[1, 2] = -np.inf
    assert np.allclose(found, softmax(scores), atol=1e-6) and found[1, 2] == 0


def test_luongs_queries_are_as_wide_as_the_keys():
    mechanism = seq2seq.LuongAttention(5, tf.zeros([2, 3, 4]))
    with pytest.raises(ValueError, match="Incompatible or unknown inner dimensions between query and keys"):
        mechanism(tf.zeros([2, 4]))


def test_a_cell_with_attention_gives_what_it_saw_and_keeps_the_shares():
    memory = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32))
    cell = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(4), seq2seq.LuongAttention(4, memory), 5)
    start = cell.zero_state(2, tf.float32).clone(cell_state=tf.ones([2, 4]))
    output, state = cell(tf.zeros([2, 3]), start)
    again, _ = cell(tf.zeros([2, 3]), state)
    assert output.get_shape().as_list() == [2, 5] and cell.output_size == 5
    names = {v.op.name.rpartition("/")[2] for v in tf.trainable_variables()}
    assert len(tf.trainable_variables()) == 6 and names == {"kernel", "bias"}
    values = ran([output, again, state.alignments, state.time, state.attention])
    assert np.allclose(values[2].sum(1), 1) and values[3] == 1
    assert np.array_equal(values[0], values[4]) and not np.allclose(values[0], values[1])


def test_without_a_layer_the_attention_is_the_context():
    memory = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32))
    cell = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(4), seq2seq.LuongAttention(4, memory))
    output, state = cell(tf.zeros([2, 3]), cell.zero_state(2, tf.float32))
    found, shares, rows = ran([output, state.alignments, memory])
    assert np.allclose(found, np.einsum("nt,ntd->nd", shares, rows), atol=1e-6)


def test_rows_are_repeated_one_after_the_other():
    found = seq2seq.tile_batch((tf.constant([[1], [2]]), tf.constant([3, 4])), 2)
    assert [x.tolist() for x in ran(found)] == [[[1], [1], [2], [2]], [3, 3, 4, 4]]
