"""Recurrent nets against NumPy: cells step by step, unrolling with lengths, and sequences from sequences."""

import numpy as np
import pytest

import refflow as tf
from refflow.models.rnn import linear, rnn, rnn_cell, seq2seq

SMALL = tf.random_uniform_initializer(-0.5, 0.5, seed=7)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def run(*tensors, feeds=None):
    """The values, and those of all variables by name."""
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        variables = {v.op.name: session.run(v) for v in tf.all_variables()}
        return session.run(list(tensors), feeds), variables


def step(make, units, state, rng, inputs=3):
    x = rng.normal(size=(2, inputs)).astype(np.float32)
    h = rng.normal(size=(2, state)).astype(np.float32)
    with tf.variable_scope("m", initializer=SMALL):
        output, new = make(units)(tf.constant(x), tf.constant(h))
    (output, new), v = run(output, new)
    return x, h, output, new, v


def test_a_linear_layer_takes_several_inputs(rng):
    a, b = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=(2, 1)).astype(np.float32)
    found, v = run(linear.linear([tf.constant(a), tf.constant(b)], 4, True, 0.5))
    np.testing.assert_allclose(found[0], np.hstack([a, b]) @ v["Linear/Matrix"] + 0.5, rtol=1e-5)
    assert v["Linear/Bias"].tolist() == [0.5] * 4
    with pytest.raises(ValueError, match="second size"):
        linear.linear(tf.placeholder(tf.float32, [2, None]), 4, False, scope="other")


def test_a_basic_cell_is_a_tanh_layer(rng):
    x, h, output, new, v = step(tf.models.rnn.rnn_cell.BasicRNNCell, 4, 4, rng)
    w, b = v["m/BasicRNNCell/Linear/Matrix"], v["m/BasicRNNCell/Linear/Bias"]
    np.testing.assert_allclose(output, np.tanh(np.hstack([x, h]) @ w + b), rtol=1e-5)
    assert np.array_equal(output, new)


def test_a_gru_mixes_the_old_state_and_a_candidate(rng):
    x, h, output, _, v = step(rnn_cell.GRUCell, 4, 4, rng)
    gates = sigmoid(np.hstack([x, h]) @ v["m/GRUCell/Gates/Linear/Matrix"] + 1)
    r, u = gates[:, :4], gates[:, 4:]
    c = np.tanh(np.hstack([x, r * h]) @ v["m/GRUCell/Candidate/Linear/Matrix"])
    np.testing.assert_allclose(output, u * h + (1 - u) * c, rtol=1e-5)


def lstm(x, c, h, w, b, forget=1.0, peepholes=None):
    i, j, f, o = np.split(np.hstack([x, h]) @ w + b, 4, axis=1)
    pi, pf, po = peepholes or (0, 0, 0)
    c = sigmoid(f + forget + pf * c) * c + sigmoid(i + pi * c) * np.tanh(j)
    return c, sigmoid(o + po * c) * np.tanh(c)


def test_an_lstm_keeps_its_memory_beside_its_output(rng):
    x, s, output, new, v = step(lambda n: rnn_cell.BasicLSTMCell(n, 0.25), 4, 8, rng)
    c, h = lstm(x, s[:, :4], s[:, 4:], v["m/BasicLSTMCell/Linear/Matrix"], v["m/BasicLSTMCell/Linear/Bias"], 0.25)
    np.testing.assert_allclose(output, h, rtol=1e-5)
    np.testing.assert_allclose(new, np.hstack([c, h]), rtol=1e-5)


@pytest.mark.parametrize("peepholes", [False, True])
def test_a_large_lstm_looks_at_its_memory_and_projects(peepholes, rng):
    def make(n):
        return rnn_cell.LSTMCell(n, 3, use_peepholes=peepholes, cell_clip=0.3, num_proj=2, num_unit_shards=2)

    x, s, output, new, v = step(make, 4, 6, rng)
    name = "m/LSTMCell/"
    w = np.vstack([v[name + "W_0"], v[name + "W_1"]])
    assert w.shape == (5, 16) and v[name + "W_0"].shape == (3, 16)
    i, j, f, o = np.split(np.hstack([x, s[:, 4:]]) @ w + v[name + "B"], 4, axis=1)
    c, (pi, pf, po) = s[:, :4], (v[f"{name}W_{k}_diag"] if peepholes else 0 for k in "IFO")
    c = np.clip(sigmoid(f + 1 + pf * c) * c + sigmoid(i + pi * c) * np.tanh(j), -0.3, 0.3)
    h = (sigmoid(o + po * c) * np.tanh(c)) @ v[name + "W_P_0"]
    np.testing.assert_allclose(output, h, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(new, np.hstack([c, h]), rtol=1e-4, atol=1e-6)


def test_cells_on_top_of_each_other(rng):
    make = rnn_cell.BasicRNNCell
    x, s, output, new, v = step(lambda n: rnn_cell.MultiRNNCell([make(3), rnn_cell.InputProjectionWrapper(make(4), 3)]),
                                None, 7, rng)  # fmt: skip
    one = "m/MultiRNNCell/Cell0/BasicRNNCell/Linear/"
    two = "m/MultiRNNCell/Cell1/InputProjectionWrapper/"
    h0 = np.tanh(np.hstack([x, s[:, :3]]) @ v[one + "Matrix"] + v[one + "Bias"])
    between = h0 @ v[two + "Linear/Matrix"] + v[two + "Linear/Bias"]
    inner = two + "BasicRNNCell/Linear/"
    h1 = np.tanh(np.hstack([between, s[:, 3:]]) @ v[inner + "Matrix"] + v[inner + "Bias"])
    np.testing.assert_allclose(output, h1, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(new, np.hstack([h0, h1]), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="a cell gives 3 numbers, and the next takes 4"):
        rnn_cell.MultiRNNCell([make(3), make(4)])


def test_wrappers_change_what_goes_in_and_comes_out(rng):
    _, _, output, new, v = step(lambda n: rnn_cell.OutputProjectionWrapper(rnn_cell.BasicRNNCell(4), n), 2, 4, rng)
    name = "m/OutputProjectionWrapper/Linear/"
    np.testing.assert_allclose(output, new @ v[name + "Matrix"] + v[name + "Bias"], rtol=1e-5)
    kept = rnn_cell.DropoutWrapper(rnn_cell.BasicRNNCell(50), output_keep_prob=0.5, seed=3)
    with tf.variable_scope("d"):
        output, state = kept(tf.ones([4, 3]), tf.zeros([4, 50]))
    (output, state), _ = run(output, state)
    dropped = output == 0
    assert 60 < dropped.sum() < 140
    np.testing.assert_allclose(output[~dropped], 2 * state[~dropped], rtol=1e-6)
    with pytest.raises(ValueError, match="must be in"):
        rnn_cell.DropoutWrapper(kept, 0.0)


def test_symbols_become_rows():
    cell = rnn_cell.EmbeddingWrapper(rnn_cell.BasicRNNCell(4), 5)
    output, _ = cell(tf.constant([1, 3]), cell.zero_state(2, tf.float32))
    (output,), v = run(output)
    rows = v["EmbeddingWrapper/embedding"][[1, 3]]
    w = v["EmbeddingWrapper/BasicRNNCell/Linear/Matrix"]
    np.testing.assert_allclose(output, np.tanh(np.hstack([rows, np.zeros((2, 4))]) @ w), rtol=1e-5, atol=1e-6)
    assert cell.zero_state(tf.placeholder(tf.int32, []), tf.float32).get_shape().as_list() == [None, 4]


def test_unrolling_shares_one_set_of_variables_and_stops_at_lengths(rng):
    xs = rng.normal(size=(4, 3, 2)).astype(np.float32)  # [time, batch, size]
    lengths = tf.placeholder(tf.int64, [3])
    outputs, states = tf.models.rnn.rnn.rnn(rnn_cell.GRUCell(2), [tf.constant(x) for x in xs], dtype=tf.float32,
                                            sequence_length=lengths)  # fmt: skip
    assert len(outputs) == len(states) == 4 and len(tf.all_variables()) == 4
    (*found, last), v = run(*outputs, states[-1], feeds={lengths: [4, 2, 0]})
    assert sorted(v)[0] == "RNN/GRUCell/Candidate/Linear/Bias"
    for time in range(4):
        assert (found[time][2] == 0).all() and (time < 2) == (found[time][1] != 0).any()
    assert np.array_equal(last[0], found[3][0]) and np.array_equal(last[1], found[1][1]) and not last[2].any()
    with pytest.raises(ValueError, match="dtype must be"):
        rnn.rnn(rnn_cell.GRUCell(2), [tf.constant(xs[0])])
    with pytest.raises(TypeError, match="a list"):
        rnn.rnn(rnn_cell.GRUCell(2), tf.constant(xs), dtype=tf.float32)


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_layers_on_devices_of_their_own_give_the_values_of_one(executor):  # [W57]
    """The whitepaper's figure: three LSTM layers, each on a device, on the same examples; trained for three steps."""

    def losses(cpus):
        with tf.Graph().as_default(), tf.Session(device_count={"CPU": cpus}, executor=executor) as session:
            xs = [tf.constant(np.full((2, 3), t + 1, np.float32)) for t in range(4)]
            for layer in range(3):
                with tf.device(f"/cpu:{layer % cpus}"), tf.variable_scope(f"layer{layer}", initializer=SMALL):
                    xs, _ = rnn.rnn(rnn_cell.BasicLSTMCell(4), xs, dtype=tf.float32)
            loss = tf.reduce_mean(tf.square(xs[-1] - 1.0))
            train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
            session.run(tf.initialize_all_variables())
            found = [session.run([loss, train])[0].tobytes() for _ in range(3)]
            used = {n.device.name for n in session.stages(session.signature([loss, train])).partitioned.nodes}
        return found, len(used)

    (alone, one), (spread, three) = losses(1), losses(3)
    assert alone == spread and len(set(alone)) == 3 and (one, three) == (1, 3)


def test_a_state_may_be_kept_between_runs():
    class Kept:
        def __init__(self):
            self.variable = tf.Variable(tf.zeros([1, 2]), name="kept")

        def state(self, name):
            return self.variable.initialized_value() * 0 + self.variable

        def save_state(self, name, value):
            return self.variable.assign(value)

    keeper = Kept()
    outputs, _ = rnn.state_saving_rnn(rnn_cell.BasicRNNCell(2), [tf.ones([1, 1])] * 2, keeper, "s")
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        first = session.run(outputs[-1])
        assert np.array_equal(session.run(keeper.variable), first)


def test_a_decoder_may_read_its_own_output(rng):
    """feed_previous: from the second step on, the row of the symbol with the largest score."""
    tf.set_random_seed(1)
    encoder = [tf.constant(s) for s in ([1, 2], [3, 0])]
    decoder = [tf.constant(s) for s in ([0, 0], [2, 1], [1, 1])]
    hole = tf.placeholder(tf.bool, [])
    with tf.variable_scope("s", initializer=SMALL):
        given, _ = seq2seq.embedding_rnn_seq2seq(encoder, decoder, rnn_cell.GRUCell(3), 4, 5)
    with tf.variable_scope("s", reuse=True):
        looped, _ = seq2seq.embedding_rnn_seq2seq(encoder, decoder, rnn_cell.GRUCell(3), 4, 5, feed_previous=True)
        either, _ = seq2seq.embedding_rnn_seq2seq(encoder, decoder, rnn_cell.GRUCell(3), 4, 5, feed_previous=hole)
    one, _ = run(*given, *looped, *either, feeds={hole: True})
    other, _ = run(*given, *looped, *either, feeds={hole: False})
    given, looped, same = one[:3], one[3:6], one[6:]
    assert np.array_equal(given[0], looped[0]) and not np.array_equal(given[1], looped[1])
    np.testing.assert_array_equal(same, looped)
    np.testing.assert_array_equal(other[6:], other[:3])
    picked = [looped[0].argmax(1), looped[1].argmax(1)]
    with tf.variable_scope("s", reuse=True):
        decoder = [decoder[0], *map(tf.constant, picked)]
        fed, _ = seq2seq.embedding_rnn_seq2seq(encoder, decoder, rnn_cell.GRUCell(3), 4, 5)
    again, _ = run(*fed)
    np.testing.assert_allclose(again, looped, rtol=1e-5, atol=1e-6)


def test_attention_is_a_weighted_mean_of_what_was_read(rng):
    states = rng.normal(size=(2, 3, 4)).astype(np.float32)
    with tf.variable_scope("a", initializer=SMALL):
        outputs, _ = seq2seq.attention_decoder([tf.ones([2, 4])], tf.zeros([2, 4]), tf.constant(states),
                                               rnn_cell.BasicRNNCell(4), num_heads=2)  # fmt: skip
    (output,), v = run(*outputs)
    inside = "a/attention_decoder/"

    def layer(x, name):
        return x @ v[inside + name + "/Matrix"] + v[inside + name + "/Bias"]

    x = layer(np.hstack([np.ones((2, 4)), np.zeros((2, 8))]), "Linear")
    state = np.tanh(layer(np.hstack([x, np.zeros((2, 4))]), "BasicRNNCell/Linear"))
    contexts = []
    for head in range(2):
        query = layer(state, f"Attention_{head}/Linear")[:, None]
        scores = np.tanh(states @ v[f"{inside}AttnW_{head}"][0, 0] + query) @ v[f"{inside}AttnV_{head}"]
        shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        contexts.append((shares[..., None] * states).sum(1))
    expected = layer(np.hstack([state, *contexts]), "AttnOutputProjection/Linear")
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_losses_are_weighted_cross_entropies(rng):
    logits = rng.normal(size=(3, 2, 4)).astype(np.float32)
    targets, weights = rng.integers(0, 4, (3, 2)).astype(np.int32), np.array([[1, 1], [1, 0], [2, 0]], np.float32)
    lists = [[tf.constant(v) for v in part] for part in (logits, targets, weights)]
    each = seq2seq.sequence_loss_by_example(*lists, 4)
    total = tf.models.rnn.seq2seq.sequence_loss(*lists, 4, average_across_timesteps=False)
    own = seq2seq.sequence_loss(*lists, 4, softmax_loss_function=lambda x, t: tf.reduce_sum(x, 1))
    (each, total, own), _ = run(each, total, own)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    losses = -np.log(np.take_along_axis(p, targets[..., None], -1))[..., 0] * weights
    np.testing.assert_allclose(each, losses.sum(0) / weights.sum(0), rtol=1e-5)
    np.testing.assert_allclose(total, losses.sum() / 2, rtol=1e-5)
    np.testing.assert_allclose(own, ((logits.sum(-1) * weights).sum(0) / weights.sum(0)).sum() / 2, rtol=1e-4)
    with pytest.raises(ValueError, match="must be as many"):
        seq2seq.sequence_loss(lists[0], lists[1][:2], lists[2], 4)


def test_a_model_of_attention_learns_to_turn_a_sequence_around(rng):
    """Two symbols in, the same in reverse order out; symbol 0 begins the writing."""
    n, symbols = 2, 4
    encoder = [tf.placeholder(tf.int32, [None]) for _ in range(n)]
    decoder = [tf.placeholder(tf.int32, [None]) for _ in range(n)]
    targets = [tf.placeholder(tf.int32, [None]) for _ in range(n)]
    weights = [tf.ones_like(tf.to_float(t)) for t in targets]
    tf.set_random_seed(1)

    def model(read, written, feed=False):
        return seq2seq.embedding_attention_seq2seq(read, written, rnn_cell.GRUCell(12), symbols, symbols,
                                                   feed_previous=feed)  # fmt: skip

    outputs, losses = seq2seq.model_with_buckets(encoder, decoder, targets, weights, [(1, 1), (n, n)], symbols, model)
    with tf.variable_scope("", reuse=True):
        written, _ = model(encoder, decoder, True)
    train = tf.train.AdamOptimizer(0.03).minimize(losses[1])
    pairs = np.array([[a, b] for a in range(1, 4) for b in range(1, 4)])
    feeds = {**dict(zip(encoder, pairs.T, strict=True)), **dict(zip(targets, pairs.T[::-1], strict=True)),
             decoder[0]: 0 * pairs[:, 0], decoder[1]: pairs[:, 1]}  # fmt: skip
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        first = session.run(losses[1], feeds)
        for _ in range(120):
            session.run(train, feeds)
        assert session.run(losses[1], feeds) < 0.1 * first
        feeds[decoder[1]] = 0 * pairs[:, 1]  # not read
        symbols_out = np.stack([o.argmax(1) for o in session.run(written, feeds)], 1)
    assert np.array_equal(symbols_out, pairs[:, ::-1])
    assert len(outputs[0]) == 1 and len(outputs[1]) == 2


@pytest.mark.parametrize("kind", ["basic", "tied", "embedding_tied"])
def test_the_other_pairs_of_encoder_and_decoder(kind, rng):
    cell = rnn_cell.BasicRNNCell(3)
    xs = [tf.constant(rng.normal(size=(2, 3)).astype(np.float32)) for _ in range(2)]
    if kind == "basic":
        outputs, states = seq2seq.basic_rnn_seq2seq(xs, xs, cell)
        assert len(tf.all_variables()) == 4
    elif kind == "tied":
        outputs, states = seq2seq.tied_rnn_seq2seq(xs, xs, cell)
        assert len(tf.all_variables()) == 2
    else:
        symbols = [tf.constant([0, 1]), tf.constant([2, 3])]
        outputs, states = seq2seq.embedding_tied_rnn_seq2seq(symbols, symbols, cell, 5)
        assert [o.get_shape().as_list() for o in outputs] == [[2, 5]] * 2
    (*found, last), v = run(*outputs, states[-1])
    assert np.isfinite(found).all() and last.shape == (2, 3)
    if kind == "tied":  # four steps of one cell
        w, b = (v[f"combined_tied_rnn_seq2seq/tied_rnn_seq2seq/BasicRNNCell/Linear/{n}"] for n in ("Matrix", "Bias"))
        h = np.zeros((2, 3))
        for x in [*xs, *xs]:
            h = np.tanh(np.hstack([tf.Session().run(x), h]) @ w + b)
        np.testing.assert_allclose(found[-1], h, rtol=1e-5, atol=1e-6)
