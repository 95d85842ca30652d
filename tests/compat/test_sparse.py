"""refflow.compat.v1's SparseTensors: class, feeds and fetches, and tf.sparse by hand."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

INDICES, VALUES = np.array([[0, 1], [1, 0], [1, 2]]), np.array([1.0, 2.0, 3.0], np.float32)
DENSE = np.array([[0, 1, 0], [2, 0, 3]], np.float32)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def matrix():
    return tf.SparseTensor(INDICES, VALUES, [2, 3])


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


def dense(sp):
    """The array that a SparseTensor stands for, put together in NumPy."""
    value = run(sp)
    found = np.zeros(value.dense_shape, value.values.dtype)
    found[tuple(value.indices.T)] = value.values
    return found


def test_shape_is_static_and_dense_shape_is_a_tensor():
    sp = matrix()
    assert sp.shape.as_list() == sp.get_shape().as_list() == [2, 3]
    assert run(sp.dense_shape).tolist() == [2, 3]
    assert sp.dense_shape.op.name == "SparseTensor/dense_shape"
    assert repr(sp).startswith("SparseTensor(indices=") and ", dense_shape=" in repr(sp)


def test_sizes_that_are_not_known_stay_open():
    batch = tf.placeholder(tf.int64, [])
    sp = tf.SparseTensor(INDICES, VALUES, tf.stack([batch, 3]))
    assert sp.shape.as_list() == [None, 3]
    sp.set_shape([2, None])
    assert sp.shape.as_list() == [2, 3]
    with pytest.raises(ValueError):
        sp.set_shape([4, 3])


def test_what_is_fetched_is_a_sparse_tensor_value_and_can_be_fed_again():
    value = run(matrix())
    assert isinstance(value, tf.SparseTensorValue)
    assert value._fields == ("indices", "values", "dense_shape")
    fed = tf.sparse_placeholder(tf.float32)
    for form in (value, tuple(value), (INDICES, VALUES, [2, 3])):
        found = run({"twice": fed * 2.0}, {fed: form})["twice"]
        assert found.values.tolist() == [2, 4, 6] and found.indices.tolist() == INDICES.tolist()
    with tf.Session():
        assert matrix().eval().dense_shape.tolist() == [2, 3]


def test_a_placeholder_names_its_parts_and_knows_what_it_is_told():
    fed = tf.sparse_placeholder(tf.float32, [None, 3], name="ids")
    assert [t.op.name for t in (fed.indices, fed.values, fed.dense_shape)] == ["ids/indices", "ids/values", "ids/shape"]
    assert fed.shape.as_list() == [None, 3]
    with pytest.raises(tf.errors.InvalidArgumentError, match="ids/values"):
        run(fed)


def test_a_sparse_tensor_goes_round_a_loop_and_through_a_branch():
    _, doubled = tf.while_loop(lambda i, sp: i < 2, lambda i, sp: (i + 1, sp * 2.0), [0, matrix()])
    assert isinstance(doubled, tf.SparseTensor)
    assert run(doubled).values.tolist() == [4, 8, 12]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda sp: tf.sparse_add(sp, sp), DENSE * 2),
        (lambda sp: tf.sparse_concat(1, [sp, sp]), np.concatenate([DENSE, DENSE], 1)),
        (lambda sp: tf.sparse_slice(sp, [1, 0], [1, 2]), DENSE[1:, :2]),
        (lambda sp: tf.sparse_split(sp_input=sp, num_split=2, axis=1)[0], DENSE[:, :2]),
        (lambda sp: tf.sparse_reshape(sp, [3, -1]), DENSE.reshape(3, 2)),
        (lambda sp: tf.sparse_transpose(sp), DENSE.T),
        (lambda sp: tf.sparse_reset_shape(sp, [2, 4]), np.pad(DENSE, [(0, 0), (0, 1)])),
        (lambda sp: tf.sparse.expand_dims(sp, 1), DENSE[:, None]),
        (lambda sp: tf.sparse.from_dense(DENSE), DENSE),
        (lambda sp: tf.sparse.eye(2, 3), np.eye(2, 3)),
        (lambda sp: tf.sparse_retain(sp, [True, False, True]), DENSE * (DENSE != 2)),
        (lambda sp: tf.sparse_maximum(sp, sp * 0.5), DENSE),
        (lambda sp: tf.sparse_reduce_sum_sparse(sp, 0), DENSE.sum(0)),
        (lambda sp: sp / 2.0, DENSE / 2),
    ],
)
def test_an_operation_means_what_numpy_says_of_the_dense_tensor(build, expected):
    np.testing.assert_allclose(dense(build(matrix())), expected)


def test_results_that_are_dense():
    sp = matrix()
    found = run([
        tf.sparse_tensor_to_dense(sp, -1.0), tf.sparse_reduce_sum(sp, 1), tf.sparse_reduce_max(sp, [0, 1]),
        tf.sparse_tensor_dense_matmul(sp, DENSE.T), tf.sparse_add(sp, DENSE),
    ])  # fmt: skip
    assert found[0].tolist() == [[-1, 1, -1], [2, -1, 3]]
    assert found[1].tolist() == [1, 5] and found[2] == 3
    assert found[3].tolist() == (DENSE @ DENSE.T).tolist() and found[4].tolist() == (2 * DENSE).tolist()


def test_ids_and_values_make_one_matrix():
    ids = tf.SparseTensor([[0, 0], [1, 0], [1, 1]], [2, 0, 3], [2, 2])
    weights = tf.SparseTensor([[0, 0], [1, 0], [1, 1]], [0.5, 1.5, 2.5], [2, 2])
    assert dense(tf.sparse_merge(ids, weights, 4)).tolist() == [[0, 0, 0.5, 0], [1.5, 0, 0, 2.5]]
    assert run(tf.sparse_to_indicator(ids, 4)).tolist() == [[False, False, True, False], [True, False, False, True]]


def test_a_row_that_is_empty_is_filled():
    filled, empty = tf.sparse_fill_empty_rows(tf.SparseTensor([[1, 0]], ["a"], [2, 2]), "none")
    value, flags = run([filled, empty])
    assert value.values.tolist() == [b"none", b"a"] and flags.tolist() == [True, False]
    assert filled.shape.as_list() == [2, 2]


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: tf.sparse_reorder(DENSE), TypeError, "Input must be a SparseTensor"),
        (lambda: tf.sparse_add(DENSE, DENSE), TypeError, "At least one input should be SparseTensor"),
        (lambda: tf.sparse_split(matrix(), 2, 1), ValueError, "Keyword arguments are required"),
        (lambda: tf.sparse_split(sp_input=matrix(), axis=1), ValueError, "num_split is required"),
        (lambda: tf.sparse_reset_shape(matrix(), [1, 3]), ValueError, "dimension sizes >= sp_input.shape"),
        (lambda: tf.sparse_reshape(matrix(), [4, 2]), ValueError, "Cannot reshape a tensor with 6 elements"),
        (lambda: tf.sparse_tensor_dense_matmul(matrix(), DENSE), ValueError, "inner dimension does not match: 3 vs. 2"),
        (lambda: tf.sparse.cross([["a"]]), TypeError, "All inputs must be Tensor or SparseTensor"),
        (lambda: tf.SparseTensor.from_value(7), TypeError, "neither a SparseTensor nor SparseTensorValue"),
    ],
)
def test_a_wrong_call_is_told_when_it_is_made(build, error, text):
    with pytest.raises(error, match=text):
        build()


def test_gradients_reach_the_values():
    sp, weights = matrix(), tf.constant(DENSE.T)
    slope, back = tf.gradients(tf.sparse_tensor_dense_matmul(sp, weights), [sp.values, weights])
    assert run(slope).tolist() == [DENSE.T.sum(1)[c] for _, c in INDICES]
    assert run(back).tolist() == np.repeat(DENSE.sum(0)[:, None], 2, 1).tolist()


def test_casts_and_sizes_keep_a_shape_that_is_known_only_in_the_step():
    hole = tf.sparse_placeholder(tf.float32)
    with tf.Session() as session:
        given = tf.SparseTensorValue([[0, 1]], [-2.0], [1, 3])
        for one, value in ((tf.cast(hole, tf.int32), -2), (tf.abs(hole), 2.0)):
            found = session.run(one, {hole: given})
            assert found.values.tolist() == [value] and found.dense_shape.tolist() == [1, 3]


def test_functions_that_keep_zeros_go_through_the_values_and_sizes_are_read():
    s = tf.SparseTensor([[0, 1], [1, 2]], [4.0, 9.0], [2, 3])
    with tf.Session() as session:
        assert session.run(tf.sqrt(x=s)).values.tolist() == [2, 3]
        assert session.run(tf.negative(s)).indices.tolist() == [[0, 1], [1, 2]]
        found = session.run([tf.shape(s), tf.size(s), tf.rank(s), tf.gradients(tf.square(s).values, s.values)[0]])
    assert [x.tolist() for x in found] == [[2, 3], 6, 2, [8, 18]]


def test_sparse_whole_numbers_are_divided_as_python_3_does():
    s = tf.SparseTensor([[0, 1]], [3], [2, 3])
    with tf.Session() as session:
        assert session.run((s / 2).values).tolist() == [1.5]


def test_bags_whose_number_is_not_known_are_looked_up_safely():
    sizes = tf.placeholder(tf.int64, [2])
    bags = tf.SparseTensor([[0, 0], [2, 1]], np.int64([1, 0]), sizes)
    rows = tf.nn.safe_embedding_lookup_sparse(tf.constant([[1.0], [2.0]]), bags, None)
    with tf.Session() as session:
        assert session.run(rows, {sizes: [3, 2]}).tolist() == [[2], [0], [1]]


def test_what_is_wrong_with_constants_is_said_by_the_step():
    s = tf.SparseTensor([[0, 1], [3, 1]], [1, 2], [2, 2])
    parts = tf.sparse_split(sp_input=s, num_split=2, axis=0)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="SparseSplit.*out of bounds"):
        session.run(parts[0])
