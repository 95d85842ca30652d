"""Connectionist temporal classification against a sum over all paths, written out."""

import itertools

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def

STEPS, CLASSES = 5, 4


def labelling(path, blank, merge=True):
    merged = [c for i, c in enumerate(path) if not merge or i == 0 or c != path[i - 1]]
    return tuple(c for c in merged if c != blank)


def log_softmax(x):
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def probabilities(x, blank, merge=True):
    """Of every labelling of scores [time, classes]."""
    log_y, found = log_softmax(x), {}
    for path in itertools.product(range(CLASSES), repeat=len(x)):
        p = np.exp(sum(log_y[t, c] for t, c in enumerate(path)))
        key = labelling(path, blank, merge)
        found[key] = found.get(key, 0.0) + p
    return found


def loss_of(x, labels, lengths, name="CTCLoss", **flags):
    indices = np.array([(b, i) for b, label in enumerate(labels) for i in range(len(label))], np.int64)
    values = np.array([c for label in labels for c in label], np.int32)
    return op_def(name)(x, tf.constant(indices), tf.constant(values), tf.constant(np.int32(lengths)), **flags)


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize(("name", "blank"), [("CTCLoss", CLASSES - 1), ("CTCLossV2", 0)])
def test_the_loss_is_the_sum_over_all_paths(name, blank, merge, rng):
    x = rng.normal(size=(STEPS, 3, CLASSES)).astype(np.float32)
    labels, lengths = [(1, 2), (1, 1), (2,)], [STEPS, STEPS, 3]
    op = loss_of(tf.constant(x), labels, lengths, name, ctc_merge_repeated=merge)
    with tf.Session() as session:
        found = session.run(op.loss)
    for b, label in enumerate(labels):
        p = probabilities(x[: lengths[b], b].astype(np.float64), blank, merge)
        assert found[b] == pytest.approx(-np.log(p[label]), rel=1e-5)


def test_the_slope_agrees_with_differences_and_ends_with_the_sequence(rng):  # [S49]
    x = tf.placeholder(tf.float64, [STEPS, 2, CLASSES])
    weights = tf.constant(np.array([0.7, -1.3]))
    total = tf.reduce_sum(loss_of(x, [(0, 0, 2), (1,)], [STEPS, 3]).loss * weights)
    (dx,) = tf.gradients(total, x)
    at, along = rng.normal(size=(2, STEPS, 2, CLASSES))
    with tf.Session() as session:
        slope = session.run(dx, {x: at})
        ahead, behind = (session.run(total, {x: at + h * along}) for h in (1e-5, -1e-5))
    assert (slope * along).sum() == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)
    assert (slope[3:, 1] == 0).all()


@pytest.mark.parametrize("merge", [True, False])
def test_an_example_among_longer_ones_has_the_loss_and_the_slope_that_it_has_alone(merge, rng):
    """Large scores, so that most paths are nothing beside the best; one that no path gives, and one without time."""
    labels, lengths = [(1, 1, 2), (0, 2, 1, 2), (2,), (0, 0), (1,)], [9, 7, 2, 2, 0]
    x = 50 * rng.normal(size=(9, 5, CLASSES))
    together = loss_of(
        tf.constant(x), labels, lengths, ctc_merge_repeated=merge, ignore_longer_outputs_than_inputs=True
    )
    alone = [
        loss_of(
            tf.constant(x[: max(1, n), b : b + 1]),
            labels[b : b + 1],
            [n],
            ctc_merge_repeated=merge,
            ignore_longer_outputs_than_inputs=True,
        )
        for b, n in enumerate(lengths)
    ]
    with tf.Session() as session:
        loss, slope = session.run([together.loss, together.gradient])
        each = session.run([(op.loss, op.gradient) for op in alone])
    assert np.isinf(loss[3]) == merge and loss[4] == 0
    for b, (one, of_one) in enumerate(each):
        np.testing.assert_allclose(loss[b], one[0], rtol=1e-13)
        np.testing.assert_allclose(slope[: len(of_one), b], of_one[:, 0], rtol=0, atol=1e-13)
        assert (slope[lengths[b] :, b] == 0).all()


def test_there_is_no_second_derivative():
    x = tf.constant(np.zeros((2, 1, 3)))
    (dx,) = tf.gradients(loss_of(x, [(0,)], [2]).loss, x)
    with pytest.raises(LookupError, match="no way to take the second  derivative of ctc_loss"):
        tf.gradients(dx, x)


def test_a_labelling_that_no_path_gives_costs_infinity():
    op = loss_of(tf.constant(np.zeros((2, 1, 3), np.float32)), [(0, 0)], [2])
    with tf.Session() as session:
        assert np.isinf(session.run(op.loss)[0])


def beam(x, width, paths, **flags):
    lengths = tf.constant(np.full(x.shape[1], x.shape[0], np.int32))
    op = op_def("CTCBeamSearchDecoder")(tf.constant(x), lengths, beam_width=width, top_paths=paths, **flags)
    with tf.Session() as session:
        return session.run([*op.decoded_indices, *op.decoded_values, op.log_probability])


def test_a_wide_beam_finds_the_likeliest_labellings(rng):
    x = rng.normal(size=(STEPS, 2, CLASSES))
    *sparse, log_p = beam(x, 1000, 3, merge_repeated=False)
    for b in range(2):
        p = probabilities(x[:, b], CLASSES - 1)
        best = sorted(p, key=p.get, reverse=True)[:3]
        np.testing.assert_allclose(log_p[b], np.log([p[label] for label in best]), rtol=1e-6)
        for path, label in enumerate(best):
            rows = sparse[path][:, 0] == b
            assert tuple(sparse[3 + path][rows]) == label


def test_a_narrow_beam_finds_no_more_than_a_wide_one(rng):
    x = rng.normal(size=(12, 4, 6)) * 2
    assert (beam(x, 3, 1)[-1] <= beam(x, 200, 1)[-1] + 1e-9).all()


def test_the_greedy_decoder_merges_where_asked():
    best = [0, 0, 2, 0, 1, 1]
    x = np.full((6, 1, 3), -1.0, np.float32)
    x[np.arange(6), 0, best] = 1.0
    decode = op_def("CTCGreedyDecoder")
    with tf.Session() as session:
        each = [
            decode(tf.constant(x), tf.constant(np.int32([6])), merge_repeated=m).decoded_values for m in (False, True)
        ]
        kept, merged = session.run(each)
    assert kept.tolist() == [0, 0, 0, 1, 1] and merged.tolist() == [0, 0, 1]
