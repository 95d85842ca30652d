"""A net that points at places of its input [S79]."""

import numpy as np
import pytest

import refflow as tf
from refflow.models import decoding
from refflow.models.pointer import END, PointerNetwork, with_end

ELEMENTS = np.array([[[0.5, 0.1], [0.2, 0.9], [0.7, 0.3]], [[0.4, 0.4], [0, 0], [0, 0]]], np.float32)
LENGTHS = np.array([3, 1], np.int32)


@pytest.fixture
def graph():
    with tf.Graph().as_default():
        tf.set_random_seed(3)
        yield


def test_place_0_stands_before_the_elements_and_looks_like_none_of_them(graph):
    with tf.Session() as session:
        places = session.run(with_end(tf.placeholder(tf.float32, [None, None, 2], name="x")), {"x:0": ELEMENTS})
    assert places[:, 0].tolist() == [[0, 0, 1]] * 2
    assert np.array_equal(places[:, 1:, :2], ELEMENTS) and not places[:, 1:, 2].any()
    with pytest.raises(ValueError, match="third size of its elements, 'y:0'"):
        with_end(tf.placeholder(tf.float32, [None, None, None], name="y"))


def test_each_step_is_told_the_element_pointed_at_and_scores_every_place(graph):
    """The decoder beside NumPy: a GRU's step on that element, then v . tanh(W h + W' s) for each place."""
    start, decoder = PointerNetwork(4).read(tf.constant(ELEMENTS), tf.constant(LENGTHS))
    scores, state = decoder.step(tf.constant([3, 1]), start)
    asked = [scores, state, start, with_end(tf.constant(ELEMENTS))]
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        scores, state, start, places = session.run(asked)
        v = {v.op.name.removeprefix("pointer_network/"): session.run(v) for v in tf.all_variables()}

    def gru(x, h, scope):
        def layer(x, name):
            return x @ v[f"{scope}/GRUCell/{name}/Linear/Matrix"] + v[f"{scope}/GRUCell/{name}/Linear/Bias"]

        r, u = np.split(1 / (1 + np.exp(-layer(np.append(x, h), "Gates"))), 2)
        return u * h + (1 - u) * np.tanh(layer(np.append(x, r * h), "Candidate"))

    for row, pointed in enumerate([3, 1]):
        memory = [np.zeros(4)]
        for x in places[row, : LENGTHS[row] + 1]:
            memory.append(gru(x, memory[-1], "encoder"))
        np.testing.assert_allclose(start[row], memory[-1], rtol=1e-4, atol=1e-6)
        now = gru(places[row, pointed], memory[-1], "decoder")
        np.testing.assert_allclose(state[row], now, rtol=1e-4, atol=1e-6)
        w, w_s, vector = (v[f"Attention/{name}"] for name in "WUv")
        expected = np.tanh(np.array(memory[1:]) @ w + now @ w_s) @ vector[:, 0]
        np.testing.assert_allclose(scores[row, : len(expected)], expected, rtol=1e-4, atol=1e-5)
        assert (scores[row, len(expected) :] < -1e8).all()


def test_it_never_points_at_padding_and_padding_changes_no_answer(graph):
    elements, lengths = tf.placeholder(tf.float32, [None, None, 2]), tf.placeholder(tf.int32, [None])
    start, decoder = PointerNetwork(4).read(elements, lengths)
    answers = decoding.greedy(decoder, start, END, END, most=6)
    target, counts = tf.placeholder(tf.int32, [None, None]), tf.placeholder(tf.int32, [None])
    loss = decoding.loss(decoder, start, target, counts, END)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        together = session.run(answers, {elements: ELEMENTS, lengths: LENGTHS})
        assert together.max() <= 3 and together[1].max() <= 1
        told = {target: [[1, 0]], counts: [2], lengths: [1]}
        alone = session.run(loss, {**told, elements: ELEMENTS[1:, :1]})
        padded = session.run(loss, {**told, elements: ELEMENTS[1:]})
        np.testing.assert_allclose(alone, padded, rtol=1e-5)
