"""refflow.compat.v1's ragged tensors, by hand."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

LISTS = [[3, 1, 4], [], [1, 5]]


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


def rows():
    return tf.ragged.constant(LISTS)


@pytest.mark.parametrize(
    "build",
    [
        lambda: rows(),
        lambda: tf.RaggedTensor.from_row_splits([3, 1, 4, 1, 5], [0, 3, 3, 5]),
        lambda: tf.RaggedTensor.from_row_lengths([3, 1, 4, 1, 5], [3, 0, 2]),
        lambda: tf.RaggedTensor.from_value_rowids([3, 1, 4, 1, 5], [0, 0, 0, 2, 2], nrows=3),
        lambda: tf.RaggedTensor.from_row_starts([3, 1, 4, 1, 5], [0, 3, 3]),
        lambda: tf.RaggedTensor.from_row_limits([3, 1, 4, 1, 5], [3, 3, 5]),
        lambda: tf.RaggedTensor.from_tensor([[3, 1, 4], [0, 0, 0], [1, 5, 0]], padding=0),
        lambda: tf.RaggedTensor.from_tensor([[3, 1, 4], [0, 0, 0], [1, 5, 0]], lengths=[3, 0, 2]),
        lambda: tf.RaggedTensor.from_sparse(rows().to_sparse()),
        lambda: rows() + 0,
        lambda: tf.add(rows(), 0),
        lambda: 2 * rows() - rows(),
        lambda: rows()[:],
        lambda: tf.ragged.stack([[3, 1, 4], tf.constant([], tf.int32), [1, 5]]),
        lambda: tf.ragged.map_flat_values(tf.identity, rows()),
        lambda: tf.while_loop(lambda i, r: i < 2, lambda i, r: (i + 1, r + 0), [0, rows()])[1],
    ],
)
def test_many_ways_to_the_same_rows(build):
    found = run(build())
    assert isinstance(found, tf.ragged.RaggedTensorValue)
    assert found.to_list() == LISTS and found.shape == (3, None)


def test_parts_and_shapes():
    ragged = rows()
    assert ragged.shape.as_list() == [3, None] and ragged.ragged_rank == 1 and ragged.dtype is tf.int32
    found = run([ragged.value_rowids(), ragged.row_lengths(), ragged.nrows(), ragged.bounding_shape()])
    assert [x.tolist() for x in found] == [[0, 0, 0, 2, 2], [3, 0, 2], 3, [3, 3]]
    deep = tf.ragged.constant([[[1, 2], [3]], [], [[4]]])
    assert deep.ragged_rank == 2 and run(deep.row_lengths(axis=2)).to_list() == [[2, 1], [], [1]]


def test_rows_by_number():
    ragged, deep = rows(), tf.ragged.constant([[[1, 2], [3]], [], [[4]]])
    found = run([ragged[0], ragged[-1], ragged[0, 1], ragged[1:], ragged[:, :1], ragged[:, -1:], deep[0],
                 deep[:, :, 1:]])  # fmt: skip
    assert [x.tolist() for x in found[:3]] == [[3, 1, 4], [1, 5], 1]
    assert [x.to_list() for x in found[3:6]] == [[[], [1, 5]], [[3], [], [1]], [[4], [], [5]]]
    assert [x.to_list() for x in found[6:]] == [[[1, 2], [3]], [[[2], []], [], [[]]]]
    with pytest.raises(ValueError, match="Cannot index into an inner ragged dimension"):
        ragged[:, 1]


def test_dense_and_sparse_and_what_a_run_takes():
    ragged = tf.ragged.placeholder(tf.int32, 1)
    feed = {ragged: tf.ragged.constant_value(LISTS, tf.int32)}
    dense, sparse, wide = run([ragged.to_tensor(-1), ragged.to_sparse(), ragged.to_tensor(shape=[2, 4])], feed)
    assert dense.tolist() == [[3, 1, 4], [-1, -1, -1], [1, 5, -1]]
    assert sparse.indices.tolist() == [[0, 0], [0, 1], [0, 2], [2, 0], [2, 1]]
    assert wide.tolist() == [[3, 1, 4, 0], [0, 0, 0, 0]]


def test_gradients_go_back_to_the_values_and_to_the_default():
    values, default = tf.constant([1.0, 2.0, 3.0]), tf.constant(5.0)
    dense = tf.RaggedTensor.from_row_splits(values, [0, 2, 3]).to_tensor(default)
    weights = tf.constant([[1.0, 10.0], [100.0, 1000.0]])
    found = run(tf.gradients(dense * weights, [values, default]))
    assert found[0].tolist() == [1, 10, 100] and found[1] == 1000


def test_masks_ranges_and_segments():
    found = run([tf.ragged.boolean_mask(rows(), rows() > 1), tf.ragged.range([2, 0, 1]),
                 tf.ragged.stack_dynamic_partitions(["a", "b", "c"], [1, 0, 1], 3)])  # fmt: skip
    assert found[0].to_list() == [[3, 4], [], [5]] and found[1].to_list() == [[0, 1], [], [0]]
    assert found[2].to_list() == [[b"b"], [b"a", b"c"], []]
    assert run(tf.ragged.row_splits_to_segment_ids([0, 2, 2, 3])).tolist() == [0, 0, 2]


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: tf.RaggedTensor(1, 2), "constructor is private"),
        (lambda: tf.RaggedTensor.from_row_splits([1], [0.0, 1.0]), "int32 or int64"),
        (lambda: rows() + tf.constant([1, 2, 3]), "meets scalars and ragged tensors of the same rows"),
        (lambda: rows() + tf.ragged.constant([[[1]]]), "1 and 2 levels"),
        (lambda: tf.ragged.constant([[1, [2]]]), "same nesting depth"),
        (lambda: tf.RaggedTensor.from_tensor([[1]], lengths=[1], padding=0), "but not both"),
    ],
)
def test_a_wrong_call_is_told_when_it_is_made(build, text):
    with pytest.raises(ValueError, match=text):
        build()


@pytest.mark.parametrize("splits", [[1, 3], [0, 2, 1, 3], [0, 2]])
def test_splits_that_are_none_are_told_by_the_step(splits):
    with pytest.raises(tf.errors.InvalidArgumentError, match="do not form a valid RaggedTensor"):
        run(tf.RaggedTensor.from_row_splits(np.array([1, 2, 3]), splits))


def test_rows_that_differ_do_not_meet():
    other = tf.RaggedTensor.from_row_splits([1, 2, 3, 4, 5], [0, 1, 3, 5])
    with pytest.raises(tf.errors.InvalidArgumentError, match="different rows"):
        run(rows() + other)


def test_functions_of_elements_and_sums_of_rows():
    ragged, deep = rows(), tf.ragged.constant([[[1, 2], [3]], [], [[4]]])
    found = run([tf.cast(ragged, tf.float32), tf.sqrt(tf.cast(ragged, tf.float32)), tf.maximum(ragged, 2),
                 tf.clip_by_value(ragged, 2, 4), tf.zeros_like(ragged), tf.negative(ragged)])  # fmt: skip
    assert found[0].to_list() == LISTS and found[0].dtype == np.float32
    assert found[2].to_list() == [[3, 2, 4], [], [2, 5]] and found[3].to_list() == [[3, 2, 4], [], [2, 4]]
    assert found[4].to_list() == [[0, 0, 0], [], [0, 0]] and found[5].to_list() == [[-3, -1, -4], [], [-1, -5]]
    sums = run([tf.reduce_sum(ragged, 1), tf.reduce_sum(ragged, axis=0), tf.reduce_sum(ragged), tf.reduce_sum(deep, -1),
                tf.reduce_mean(tf.cast(ragged[:1], tf.float32), 1)])  # fmt: skip
    assert [x.tolist() for x in sums[:3]] == [[8, 0, 6], [4, 6, 4], 14]
    assert sums[3].to_list() == [[3, 3], [], [4]] and sums[4].tolist() == [np.float32(8 / 3)]


def test_sizes_sums_and_means_of_ragged_tensors():
    r = tf.ragged.constant([[1, 2], [], [4]])
    with tf.Session() as session:
        sizes = [tf.size(r), tf.rank(r), tf.rank(tf.ragged.constant([[[1]], []])), tf.size(r, out_type=tf.int64)]
        assert [int(x) for x in session.run(sizes)] == [3, 2, 3, 3]
        assert session.run(tf.add_n([r, r, r])).to_list() == [[3, 6], [], [12]]
        assert session.run(tf.reduce_mean(r, 0)).tolist() == [2.5, 2.0]
        assert session.run(tf.reduce_mean(r)) == np.float64(7 / 3)
    with pytest.raises(TypeError, match="may not be used as a boolean"):
        bool(r)
