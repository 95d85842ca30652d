"""Pictures with captions, and the net that writes them [S50g]."""

import numpy as np
import pytest

import refflow as tf
from refflow.data.scenes import COLOURS, SIZE, scenes
from refflow.models import decoding
from refflow.models.captioner import Captioner
from refflow.models.words import BEGIN


def boxes(picture):
    """For each colour of a picture without noise: its first and last row, and its first and last column."""
    found = {}
    for name, colour in COLOURS.items():
        rows, columns = np.nonzero((picture == colour).all(-1))
        if len(rows):
            found[name] = rows.min(), rows.max(), columns.min(), columns.max()
    return found


def test_a_caption_says_what_is_in_the_picture():
    pictures, captions = scenes(200, seed=4, noise=0)
    assert pictures.shape == (200, SIZE, SIZE, 3) and pictures.dtype == np.float32
    told = {"left": 0, "above": 0, "alone": 0}
    for picture, caption in zip(pictures, captions, strict=True):
        words = caption.split()
        colours, seen = [w for w in words if w in COLOURS], boxes(picture)
        assert set(seen) == set(colours)
        for large, colour in zip([w == "large" for w in words if w in ("small", "large")], colours, strict=True):
            top, bottom, left, right = seen[colour]
            if colours.count(colour) == 1:
                assert (max(bottom - top, right - left) > 6) == large
        if len(set(colours)) == 2:
            first, second = (seen[c] for c in colours)
            key = "above" if "above" in words else "left"
            assert first[1] < second[0] if key == "above" else first[3] < second[2]
        else:
            key = "alone"
        told[key] += 1
    assert min(told.values()) > 20


def test_scenes_are_those_of_their_seed():
    (one, captions), (same, again), (other, _) = scenes(5, 1), scenes(5, 1), scenes(5, 2)
    assert np.array_equal(one, same) and captions == again and not np.array_equal(one, other)


@pytest.fixture
def net():
    with tf.Graph().as_default():
        tf.set_random_seed(2)
        pictures = tf.placeholder(tf.float32, [None, 8, 8, 3])
        model = Captioner(symbols=7, units=5)
        places, start = model.see(pictures)
        yield pictures, places, start, model.decoder(places)


def test_pictures_of_no_known_size_are_refused():
    with pytest.raises(ValueError, match="its pictures' size, and that of 'p:0' is not known"):
        Captioner(7, 5).see(tf.placeholder(tf.float32, [None, None, 8, 3], name="p"))


def test_words_are_scored_by_the_state_and_by_what_is_looked_at(net):
    """A step of the LSTM and of the attention, beside NumPy, from what the convolutions gave."""
    pictures, places, start, decoder = net
    scores, state = decoder.step(tf.constant([3, 6]), start)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        x = np.random.default_rng(1).random((2, 8, 8, 3))
        places, start, scores, state = session.run([places, start, scores, state], {pictures: x})
        v = {v.op.name.removeprefix("captioner/"): session.run(v) for v in tf.all_variables()}
    assert places.shape == (2, 4, 64) and (places >= 0).all()
    np.testing.assert_allclose(start, np.tanh(places.reshape(2, -1) @ v["seen/W"]), rtol=1e-4, atol=1e-5)

    c, h = np.split(start, 2, axis=1)
    inputs = np.hstack([v["embedding"][[3, 6]], h])
    i, j, f, o = np.split(inputs @ v["BasicLSTMCell/Linear/Matrix"] + v["BasicLSTMCell/Linear/Bias"], 4, axis=1)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    c = c * sigmoid(f + 1) + sigmoid(i) * np.tanh(j)
    h = np.tanh(c) * sigmoid(o)
    np.testing.assert_allclose(state, np.hstack([c, h]), rtol=1e-4, atol=1e-5)
    u = np.tanh(places @ v["Attention/W"] + (h @ v["Attention/U"])[:, None]) @ v["Attention/v"]  # [2, 4, 1]
    context = (np.exp(u) / np.exp(u).sum(1, keepdims=True) * places).sum(1)
    expected = np.tanh(np.hstack([h, context]) @ v["C"]) @ v["V"]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_a_word_s_surprise_reaches_the_first_convolution(net):
    pictures, _, start, decoder = net
    loss = decoding.loss(decoder, start, tf.constant([[2, 3, 0]]), tf.constant([3]), BEGIN)
    (first,) = (v for v in tf.trainable_variables() if v.op.name == "captioner/conv16/W")
    (slope,) = tf.gradients(loss, [first])
    move = tf.placeholder(tf.float32, first.get_shape())
    moved = first.assign_add(move)
    x = np.random.default_rng(1).random((1, 8, 8, 3))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        found = session.run(slope, {pictures: x})
        along = np.sign(found)
        losses = []
        for step in (-1e-3, 2e-3):
            session.run(moved.op, {move: step * along})
            losses.append(session.run(loss, {pictures: x}))
    assert abs(found).sum() > 0.05
    np.testing.assert_allclose((losses[1] - losses[0]) / 2e-3, abs(found).sum(), rtol=0.05)
