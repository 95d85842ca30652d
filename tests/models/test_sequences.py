"""What sequence models are made of: attention, decoding, beam search, words, and BLEU."""

import itertools

import numpy as np
import pytest

import refflow as tf
from refflow.models import decoding
from refflow.models.attention import Attention
from refflow.models.beam_search import beam_search
from refflow.models.bleu import bleu, clipped
from refflow.models.encoder_decoder import EncoderDecoder, encode
from refflow.models.rnn.rnn_cell import GRUCell
from refflow.models.translator import Translator
from refflow.models.words import BEGIN, END, Vocabulary, padded

LENGTHS = np.array([4, 2, 1], np.int32)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.fixture
def session():
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        yield tf.Session()


def evaluate(session, fetches, feeds=None):
    session.run(tf.initialize_all_variables())
    values = {v.name.removesuffix(":0"): session.run(v) for v in tf.all_variables()}
    return session.run(fetches, feeds or {}), values


# -- attention ---------------------------------------------------------------------------------------------------


def test_attention_reads_the_weighted_mean_of_what_is_there(session, rng):
    memory, queries = (rng.normal(size=s).astype(np.float32) for s in ((3, 4, 5), (3, 2, 6)))
    attention = Attention(tf.constant(memory), tf.constant(LENGTHS), 6)
    (u, (context, shares)), v = evaluate(
        session, [attention.scores(tf.constant(queries)), attention.read(tf.constant(queries))]
    )
    w, w_s, vector = (v[f"Attention/{name}"] for name in "WUv")
    for row, length in enumerate(LENGTHS):
        for q in range(2):
            scores = np.tanh(memory[row, :length] @ w + queries[row, q] @ w_s) @ vector[:, 0]
            np.testing.assert_allclose(u[row, q, :length], scores, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(shares[row, q, :length], softmax(scores), rtol=1e-4)
            np.testing.assert_allclose(context[row, q], softmax(scores) @ memory[row, :length], rtol=1e-4, atol=1e-5)
        assert (shares[row, :, length:] == 0).all()
    with pytest.raises(ValueError, match="third size"):
        Attention(tf.placeholder(tf.float32, [None, None, None]), tf.constant(LENGTHS), 6)


# -- encoder and decoder -----------------------------------------------------------------------------------------


def test_a_row_in_a_padded_batch_is_encoded_as_it_is_alone(session, rng):  # [S75]
    x = rng.normal(size=(3, 4, 5)).astype(np.float32)
    inputs, lengths = tf.placeholder(tf.float32, [None, None, 5]), tf.placeholder(tf.int32, [None])
    states = encode(inputs, lengths, GRUCell(6))
    (outputs, last), _ = evaluate(session, states, {inputs: x, lengths: LENGTHS})
    for row, length in enumerate(LENGTHS):
        alone, end = session.run(states, {inputs: x[row : row + 1, :length], lengths: [length]})
        np.testing.assert_allclose(outputs[row, :length], alone[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(last[row], end[0], rtol=1e-5, atol=1e-6)


def chain(follows):
    """A decoder whose symbol depends on the one before it alone: log probabilities [symbols, symbols]."""
    rows = tf.constant(follows.astype(np.float32))
    return decoding.Decoder(lambda symbols, state: tf.gather(rows, symbols), lambda states: states)


def test_the_loss_is_the_mean_surprise_at_a_symbol_and_leaves_padding_out(session, rng):
    follows = np.log(softmax(rng.normal(size=(5, 5))))
    target = np.array([[2, 3, 4, 0], [4, 0, 1, 1], [0, 2, 3, 4]], np.int32)  # what is behind the end is not looked at
    value = decoding.loss(chain(follows), tf.zeros([3, 5]), tf.constant(target), tf.constant(LENGTHS), begin=1)
    paths = [[1, *row[:length]] for row, length in zip(target, LENGTHS, strict=True)]
    surprises = [-follows[a, b] for path in paths for a, b in itertools.pairwise(path)]
    assert len(surprises) == 7
    np.testing.assert_allclose(evaluate(session, value)[0], np.mean(surprises), rtol=1e-5)


def test_greedy_takes_the_best_symbol_each_time_until_all_have_ended(session):
    follows = np.full((5, 5), -9.0)
    for a, b in ((1, 2), (2, 4), (4, 3), (3, 0), (0, 0)):
        follows[a, b] = 0
    written = decoding.greedy(chain(follows), tf.zeros([2, 5]), begin=1, end=0, most=9)
    assert evaluate(session, written)[0].tolist() == [[2, 4, 3, 0]] * 2
    cut = decoding.greedy(chain(follows), tf.zeros([2, 5]), begin=1, end=0, most=2)
    assert evaluate(session, cut)[0].tolist() == [[2, 4]] * 2


def test_the_gradient_of_the_whole_model_is_its_slope(session, rng):  # [S50c]
    model = EncoderDecoder(5, 6, 4)
    memory, start = model.encoder(tf.constant([[2, 3, 4, 0], [2, 0, 0, 0]]), tf.constant([4, 2]))
    decoder = model.decoder(model.attention(memory, tf.constant([4, 2])))
    loss = decoding.loss(decoder, start, tf.constant([[2, 0, 0], [3, 4, 0]]), tf.constant([2, 3]), BEGIN)
    variables = tf.trainable_variables()
    assert len(variables) == 15  # two embeddings, two cells of four each, W, U and v, C and V
    slopes = [tf.convert_to_tensor(s) for s in tf.gradients(loss, variables)]
    moves = [tf.placeholder(tf.float32) for _ in variables]
    move = tf.group(*(v.assign_add(m) for v, m in zip(variables, moves, strict=True)))
    session.run(tf.initialize_all_variables())
    slopes = session.run(slopes)
    along = [rng.normal(size=s.shape).astype(np.float32) for s in slopes]

    def moved_by(step):
        session.run(move, {m: step * d for m, d in zip(moves, along, strict=True)})
        return session.run(loss)

    expected = sum((s * d).sum() for s, d in zip(slopes, along, strict=True))
    assert abs(expected) > 0.05
    before, after = moved_by(-1e-2), moved_by(2e-2)
    np.testing.assert_allclose((after - before) / 2e-2, expected, rtol=2e-2)


def test_a_beam_of_one_writes_what_greedy_writes_and_a_wide_one_begins_with_the_likeliest():
    pairs = [("a b", "x y"), ("b a", "y x"), ("a", "x"), ("b b", "y y")]
    model = Translator(pairs, units=8, longest=5)
    model.train(pairs, 20, batch=4)
    for read, _ in pairs:
        (narrow,), wide = model.best(read, 1), model.best(read, 3)
        assert [narrow[0]] == model.translate([read])
        assert wide[0][1] >= narrow[1] - 1e-5  # so it is here; a beam may also lose what would have won
        assert [p for _, p in wide] == sorted((p for _, p in wide), reverse=True)
    with pytest.raises(KeyError, match="'c' in 'a c' is none of the 2 words"):
        model.translate(["a c"])
    with pytest.raises(ValueError, match="one row at least"):
        model.translate([])
    with pytest.raises(TypeError, match="a list of sentences: write \\['a b'\\]"):
        model.translate("a b")
    with pytest.raises(ValueError, match="no pairs of sentences to draw"):
        model.train([], 1)
    with pytest.raises(ValueError, match="there are none"):
        Translator([])
    words, shares = model.looks("a b")
    assert len(words) == len(shares) and shares.shape[1] == 3
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)


# -- beam search -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_beam_that_is_wide_enough_finds_the_best_of_all_sequences(seed):
    symbols, most = 4, 4
    follows = np.log(softmax(np.random.default_rng(seed).normal(size=(symbols, symbols)) * 2))
    asked = []

    def step(last, state):
        asked.append(len(last))
        return follows[last], state + 1  # the state counts the steps

    every = [s for n in range(most) for s in itertools.product(range(1, symbols), repeat=n)]
    ended = {(*s, 0): sum(follows[a, b] for a, b in itertools.pairwise((1, *s, 0))) for s in every}
    found = beam_search(step, np.zeros(2), symbols**most, begin=1, end=0, most=most)
    finished = [h for h in found if h.symbols[-1] == 0]
    best = sorted(ended, key=lambda s: -ended[s])
    assert [tuple(h.symbols) for h in finished] == best
    np.testing.assert_allclose([h.log_p for h in finished], [ended[s] for s in best], rtol=1e-12)
    assert asked == [1, 3, 9, 27]
    with pytest.raises(ValueError, match="width 0"):
        beam_search(step, np.zeros(2), 0, begin=1, end=0, most=3)


def test_a_beam_stops_when_nothing_better_can_come():
    follows = np.log([[1, 1e-9, 1e-9], [0.9, 0.05, 0.05], [0.9, 0.05, 0.05]])
    asked = []

    def step(last, state):
        asked.append(last.tolist())
        return follows[last], state

    assert [h.symbols for h in beam_search(step, np.zeros(1), 2, begin=1, end=0, most=50)] == [[0], [1, 0]]
    assert len(asked) == 2


# -- words and BLEU ----------------------------------------------------------------------------------------------


def test_words_have_numbers_and_sentences_come_back():
    words = Vocabulary(["the dog", "the cat sleeps"])
    assert words.words[:3] == ["<end>", "<begin>", "cat"] and len(words) == 6
    rows, lengths = padded([words.numbers("the dog"), words.numbers("cat")])
    assert rows.tolist() == [[5, 3, END], [2, END, END]] and lengths.tolist() == [3, 2]
    assert [words.sentence(row) for row in rows] == ["the dog", "cat"]


CANDIDATES = [
    "It is a guide to action which ensures that the military always obeys the commands of the party",
    "It is to insure the troops forever hearing the activity guidebook that party direct",
]
REFERENCES = [
    "It is a guide to action that ensures that the military will forever heed Party commands",
    "It is the guiding principle which guarantees the military forces always being under the command of the Party",
    "It is the practical guide for the army always to heed the directions of the party",
]


@pytest.mark.parametrize(
    ("sentence", "n", "expected"), [(0, 1, (17, 18)), (0, 2, (10, 17)), (1, 1, (8, 14)), (1, 2, (1, 13))]
)
def test_clipped_counts_are_those_of_the_papers_examples(sentence, n, expected):  # [S76]
    references = [r.lower().split() for r in REFERENCES]
    assert clipped(CANDIDATES[sentence].lower().split(), references, n) == expected


def test_bleu_of_known_pairs():  # [S76]
    """The values that NLTK's documentation prints for these sentences."""
    assert bleu(CANDIDATES[:1], [REFERENCES]) == pytest.approx(0.5045666840058485)
    second = "he read the book because he was interested in world history"
    other = "he was interested in world history because he read the book"
    assert bleu([CANDIDATES[0], second], [REFERENCES, [other]]) == pytest.approx(0.5920778868801042)


def test_bleu_by_hand():  # [S76]
    # 3 of 4 words and 1 of 3 pairs; as long as the reference
    assert bleu(["a b x d"], ["a b c d"], n=2) == pytest.approx((3 / 4 * 1 / 3) ** 0.5)
    # all is right, but 2 words where 3 are wanted
    assert bleu(["a b"], ["a b c"], n=2) == pytest.approx(np.exp(1 - 3 / 2))
    # the nearer length counts, the shorter of two equally near
    assert bleu(["a b c"], [["a b", "a b c d"]], n=1) == 1
    assert bleu(["a b c d"], ["d c b a"]) == 0
    with pytest.raises(ValueError, match="1 for 2"):
        bleu(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="one is empty"):
        bleu(["a"], [[]])
    with pytest.raises(ValueError, match="lists of sentences"):
        bleu("a", "a")
