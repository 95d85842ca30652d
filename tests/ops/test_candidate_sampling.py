"""Candidate sampling: the distributions that are promised, expected counts that come true, and the two losses."""

import numpy as np
import pytest

import refflow as tf
from refflow.ops.distributions import FixedUnigram, Words
from refflow.ops.philox import PhiloxStream

TRUE = np.array([[0, 3], [1, 2]], np.int64)


def drawn(sampler, count, unique, range_max, runs=1, **more):
    op = sampler(tf.constant(TRUE), 2, count, unique, range_max, seed=3, **more)
    with tf.Session() as session:
        return [session.run(list(op)) for _ in range(runs)]


@pytest.mark.parametrize(
    ("sampler", "weights"),
    [
        (tf.nn.uniform_candidate_sampler, np.ones(10)),
        (tf.nn.log_uniform_candidate_sampler, np.log((np.arange(10) + 2) / (np.arange(10) + 1))),
        (tf.nn.learned_unigram_candidate_sampler, np.ones(10)),
    ],
)
def test_frequencies_are_those_of_the_distribution(sampler, weights):  # [W73]
    ((classes, true_expected, _),) = drawn(sampler, 20000, False, 10)
    p = weights / weights.sum()
    found = np.bincount(classes, minlength=10) / 20000
    assert np.abs(found - p).max() < 4 * np.sqrt(0.25 / 20000)
    np.testing.assert_allclose(true_expected, 20000 * p[TRUE], rtol=1e-5)


def test_given_frequencies_are_followed_and_distorted():
    weights = np.array([1.0, 4.0, 9.0, 0.0])
    ((classes, _, _),) = drawn(
        tf.nn.fixed_unigram_candidate_sampler, 20000, False, 4, unigrams=list(weights), distortion=0.5
    )
    found = np.bincount(classes, minlength=4) / 20000
    np.testing.assert_allclose(found, [1 / 6, 2 / 6, 3 / 6, 0], atol=0.015)


def test_given_frequencies_are_taken_as_they_are_by_default():  # [E23]
    weights = np.array([1.0, 4.0, 9.0, 0.0])
    ((classes, _, _),) = drawn(tf.nn.fixed_unigram_candidate_sampler, 20000, False, 4, unigrams=list(weights))
    assert classes.size == 20000 and tf.get_default_graph().get_operations()[-1].get_attr("distortion") == 1.0
    np.testing.assert_allclose(np.bincount(classes, minlength=4) / 20000, weights / 14, atol=0.015)


def test_frequencies_come_from_a_file_after_reserved_classes(tmp_path):
    path = tmp_path / "words.csv"
    path.write_text("the,7\na,1\n")
    ((classes, _, _),) = drawn(
        tf.nn.fixed_unigram_candidate_sampler, 4000, False, 4, vocab_file=str(path), distortion=1.0, num_reserved_ids=2
    )
    found = np.bincount(classes, minlength=4) / 4000
    np.testing.assert_allclose(found, [0, 0, 7 / 8, 1 / 8], atol=0.03)


def test_unique_classes_differ_and_their_expected_counts_come_true():
    runs = drawn(tf.nn.log_uniform_candidate_sampler, 6, True, 10, runs=1500)
    assert all(len(set(classes.tolist())) == 6 for classes, _, _ in runs)
    often = np.mean([(classes == 3).any() for classes, _, _ in runs])
    expected = np.mean([true_expected[0, 1] for _, true_expected, _ in runs])
    assert abs(often - expected) < 0.06


def test_the_learning_sampler_comes_to_prefer_what_it_sees():
    runs = drawn(tf.nn.learned_unigram_candidate_sampler, 50, False, 100, runs=200)
    early = np.isin(np.concatenate([r[0] for r in runs[:20]]), TRUE).mean()
    late = np.isin(np.concatenate([r[0] for r in runs[-20:]]), TRUE).mean()
    assert early < 0.6 and late > 0.85


def test_more_different_classes_than_there_are_cannot_be_had():
    with pytest.raises(tf.OpError, match="Sampler's range is too small"):
        drawn(tf.nn.uniform_candidate_sampler, 6, True, 5)


def test_a_true_class_is_in_the_range():
    with pytest.raises(tf.OpError, match=r"out of range \[0, 3\), received 3"):
        drawn(tf.nn.uniform_candidate_sampler, 2, True, 3)


def reference(w, b, x, labels, sampled, remove):
    """Scores and targets, written out."""
    classes, true_expected, sampled_expected = sampled
    scores, targets = [], []
    for n, row in enumerate(x):
        true = [row @ w[c] + b[c] - np.log(e) for c, e in zip(labels[n], true_expected[n], strict=True)]
        hit = [remove and c in labels[n] for c in classes]
        others = [
            -1e30 if h else row @ w[c] + b[c] - np.log(e)
            for c, e, h in zip(classes, sampled_expected, hit, strict=True)
        ]
        scores.append(true + others)
        targets.append([1 / len(true)] * len(true) + [0.0] * len(others))
    return np.array(scores), np.array(targets)


@pytest.mark.parametrize("remove", [False, True])
def test_the_losses_are_those_of_the_scores_written_out(remove, rng):
    w, b, x = (rng.normal(size=s).astype(np.float32) for s in ((7, 4), (7,), (2, 4)))
    sampled = tf.nn.uniform_candidate_sampler(tf.constant(TRUE), 2, 4, True, 7, seed=1)
    tables = [tf.constant(w[0::2]), tf.constant(w[1::2])]  # class c is row c // 2 of table c % 2
    given = {"num_true": 2, "sampled_values": sampled, "remove_accidental_hits": remove}
    nce = tf.nn.nce_loss(tables, tf.constant(b), tf.constant(x), tf.constant(TRUE), 4, 7, **given)
    soft = tf.nn.sampled_softmax_loss(tables, tf.constant(b), tf.constant(x), tf.constant(TRUE), 4, 7, **given)
    with tf.Session() as session:
        found_nce, found_soft, *drawn_now = session.run([nce, soft, *sampled])
    scores, targets = reference(w, b, x, TRUE, drawn_now, remove)
    sigmoid = np.maximum(scores, 0) - scores * targets + np.log1p(np.exp(-np.abs(scores)))
    np.testing.assert_allclose(found_nce, sigmoid.sum(1), rtol=1e-5)
    shifted = scores - scores.max(1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    np.testing.assert_allclose(found_soft, -(targets * log_softmax).sum(1), rtol=1e-5)


def test_draws_together_are_draws_one_by_one():
    weights = np.random.default_rng(0).uniform(0.1, 3, 50)
    together, single = (Words(PhiloxStream(3, 4), 0) for _ in range(2))
    known = FixedUnigram(weights)
    drawn = known.draw(together, 200)
    assert drawn.tolist() == [int(known.draw(single, 1)[0]) for _ in range(200)]
    assert together.at == single.at == 400
