"""refflow.compat.v1.metrics and losses: what several batches give, worked by hand; what weights may be."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

REAL, SAID = np.array([1, 0, 1, 0]), np.array([1, 1, 0, 0])
CHANCES = np.array([0.9, 0.4, 0.35, 0.1], np.float32)
SCORES = np.array([[0.1, 0.5, 0.4], [0.6, 0.3, 0.1]], np.float32)  # best first: 1 2 0, and 0 1 2


def after(build, batches=1):
    """What a metric says after some batches; the last update said the same."""
    value, update = build()
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        for _ in range(batches):
            last = session.run(update)
        found = session.run(value)
        np.testing.assert_allclose(found, last, rtol=1e-6)
        return found


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.metrics.mean([1.0, 2.0, 6.0], [1.0, 0.0, 1.0]), 3.5),
        (lambda: tf.metrics.mean_tensor([[1.0, 2.0]]), [[1, 2]]),
        (lambda: tf.metrics.accuracy([[1], [2], [3]], [1, 2, 4]), 2 / 3),
        (lambda: tf.metrics.mean_absolute_error([1.0, 2.0], [3.0, 2.0]), 1),
        (lambda: tf.metrics.root_mean_squared_error([0.0, 0.0], [1.0, 7.0]), 5),
        (lambda: tf.metrics.mean_relative_error([1.0, 2.0], [2.0, 4.0], [2.0, 0.0]), 0.25),
        (lambda: tf.metrics.mean_cosine_distance([[1.0, 0.0]], [[0.6, 0.8]], 1), 0.4),
        (lambda: tf.metrics.percentage_below([1.0, 2.0, 3.0, 4.0], 2.5), 0.5),
        (lambda: tf.metrics.precision(REAL, SAID), 0.5),
        (lambda: tf.metrics.recall(REAL, SAID, [1.0, 1.0, 3.0, 1.0]), 0.25),
        (lambda: tf.metrics.precision([0], [0]), 0),
        (lambda: tf.metrics.auc(REAL, CHANCES), 0.75),  # of the 4 pairs, 3 are in order
        (lambda: tf.metrics.auc(REAL, CHANCES, curve="PR", summation_method="careful_interpolation"),
         0.5 + (1 + np.log(2 / 3)) / 2),  # recall 1/2 at once; then hits / said over 1 + s of 2 + s
        (lambda: tf.metrics.precision_at_thresholds(REAL, CHANCES, [0.2, 0.5]), [2 / 3, 1]),
        (lambda: tf.metrics.recall_at_thresholds(REAL, CHANCES, [0.2, 0.5]), [1, 0.5]),
        (lambda: tf.metrics.sensitivity_at_specificity(REAL, CHANCES, 1.0), 0.5),
        (lambda: tf.metrics.specificity_at_sensitivity(REAL, CHANCES, 1.0), 0.5),
        (lambda: tf.metrics.precision_at_k(np.int64([[1], [2]]), SCORES, 2), 0.25),
        (lambda: tf.metrics.recall_at_k(np.int64([[1], [2]]), SCORES, 2), 0.5),
        (lambda: tf.metrics.recall_at_k(np.int64([[1], [2]]), SCORES, 2, class_id=2), 0),
        (lambda: tf.metrics.recall_at_top_k(np.int64([[1, 2], [0, 2]]), np.int64([[1, 2], [1, 2]])), 0.75),
        (lambda: tf.metrics.average_precision_at_k(np.int64([[0, 1], [0, 2]]), SCORES, 3), 5 / 6),
    ],
)  # fmt: skip
@pytest.mark.parametrize("batches", [1, 3])
def test_the_same_batch_again_changes_no_mean(build, expected, batches):
    np.testing.assert_allclose(after(build, batches), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.metrics.true_positives(REAL, SAID, 2.0), 2),
        (lambda: tf.metrics.false_negatives(REAL, SAID), 1),
        (lambda: tf.metrics.false_positives_at_thresholds(REAL, CHANCES, [0.0, 0.3, 0.5]), [2, 1, 0]),
        (lambda: tf.metrics.true_negatives_at_thresholds(REAL, CHANCES, [0.0, 0.3, 0.5]), [0, 1, 2]),
    ],
)
def test_counts_grow_with_every_batch(build, expected):
    np.testing.assert_allclose(after(build, 3), 3 * np.array(expected))


def test_the_update_of_mean_iou_is_the_matrix_of_counts():
    value, update = tf.metrics.mean_iou([0, 1, 1], [0, 1, 0], 3)
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        assert session.run(update).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
        assert session.run(value) == pytest.approx(0.5)  # class 2 was never seen


def test_the_update_of_mean_per_class_accuracy_is_that_of_each_class():
    value, update = tf.metrics.mean_per_class_accuracy([0, 0, 1], [0, 1, 1], 2)
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        assert session.run(update).tolist() == [0.5, 1]
        assert session.run(value) == 0.75


def test_sparse_labels_are_sets():
    labels = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], tf.constant([1, 2, 2], tf.int64), [2, 2])
    assert after(lambda: tf.metrics.precision_at_k(labels, SCORES, 2)) == 0.5
    assert after(lambda: tf.metrics.recall_at_k(labels, SCORES, 2)) == pytest.approx(2 / 3)


def test_a_metric_is_of_local_variables_and_enters_collections():
    value, update = tf.metrics.accuracy([1], [1], metrics_collections=["m", "n"], updates_collections="u", name="acc")
    assert tf.get_collection("m") == tf.get_collection("n") == [value]
    assert tf.get_collection("u") == [update]
    names = [v.name for v in tf.get_collection(tf.GraphKeys.METRIC_VARIABLES)]
    assert names == [v.name for v in tf.local_variables()] == ["acc/total:0", "acc/count:0"]
    assert tf.global_variables() == []


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: tf.metrics.mean(np.ones((2, 3)), np.ones(3)), "weights can not be broadcast to values. Mismatch"),
        (lambda: tf.metrics.mean(np.ones((2, 3, 4)), np.ones(3)), "values.rank=3. weights.rank=1"),
        (lambda: tf.metrics.accuracy([1, 2], [1, 2, 3]), "[Ss]hape"),
        (lambda: tf.metrics.auc(REAL, CHANCES, curve="PRC"), "curve must be either ROC or PR, PRC unknown"),
        (lambda: tf.metrics.auc(REAL, CHANCES, summation_method="sum"), "Invalid summation_method: sum"),
        (lambda: tf.metrics.sensitivity_at_specificity(REAL, CHANCES, 1.5), "must be in the range"),
        (lambda: tf.metrics.average_precision_at_k(np.int64([[1]]), SCORES[:1], 0), "Invalid k=0."),
        (lambda: tf.losses.mean_squared_error(SCORES, SCORES, np.ones(2)), "weights can not be broadcast to values."),
        (lambda: tf.losses.mean_squared_error(None, SCORES), "labels must not be None."),
        (lambda: tf.losses.hinge_loss(SCORES, None), "logits must not be None."),
        (lambda: tf.losses.cosine_distance(SCORES, SCORES), "You must specify 'axis'."),
        (lambda: tf.losses.log_loss(SCORES, SCORES, reduction="mean"), "Invalid Reduction Key mean."),
    ],
)
def test_what_does_not_fit_is_told_when_it_is_built(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_what_only_a_step_knows_is_told_by_the_step():
    weights, chances = tf.placeholder(tf.float32), tf.placeholder(tf.float32, [4])
    loss = tf.losses.absolute_difference(SCORES, 2 * SCORES, weights)
    _, update = tf.metrics.auc(REAL, chances)
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        assert session.run(loss, {weights: [[1.0], [0.0]]}) == pytest.approx(1 / 3)
        with pytest.raises(tf.errors.InvalidArgumentError, match="weights can not be broadcast to values"):
            session.run(loss, {weights: [1.0, 2.0]})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"predictions must be in \[0, 1\]"):
            session.run(update, {chances: [0.5, 1.5, 0.0, 0.0]})


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [("none", [2, 0]), ("weighted_sum", 2), ("weighted_mean", 1), ("weighted_sum_over_batch_size", 1),
     ("weighted_sum_by_nonzero_weights", 2)],
)  # fmt: skip
def test_a_reduction_says_what_the_sum_is_shared_by(reduction, expected):
    loss = tf.losses.absolute_difference([0.0, 5.0], [1.0, 1.0], [2.0, 0.0], reduction=reduction)
    with tf.Session() as session:
        np.testing.assert_allclose(session.run(loss), expected)


def test_pairs_of_elements_are_compared():
    loss = tf.losses.mean_pairwise_squared_error([[0.0, 0.0, 0.0]], [[1.0, 2.0, 4.0]])
    with tf.Session() as session:
        assert session.run(loss) == pytest.approx((1 + 4 + 9) / 3)
