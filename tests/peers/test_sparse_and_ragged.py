"""Programs with sparse and ragged tensors give what TensorFlow gives."""

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from tests.peers.stand_in import differences, outcomes

pytestmark = pytest.mark.peers
A = [[0, 1, 2, 0], [0, 0, 0, 0], [3, 0, 0, 4]]
B = [[1, 0, 0, 5], [0, 0, 2, 0], [-3, 0, 0, 6]]
ROWS = [[1, 2, 3], [], [4, 5], [6]]


def fetched(build):
    """A program that runs what `build(tf)` gives: tensors, composites of them, or those and what to feed."""

    def program(tf):
        found = build(tf)
        wanted, feeds = found if isinstance(found, tuple) else (found, {})
        with tf.compat.v1.Session() as session:
            session.run(tf.nest.flatten(wanted, expand_composites=True), feeds)

    return program


def sparse(call, kind):
    """A program in which a sparse placeholder of unknown shape is fed."""

    def build(tf):
        x = tf.compat.v1.sparse_placeholder(kind)
        places = np.argwhere(A)
        values = np.array(A)[tuple(places.T)].astype(kind)
        return call(tf, x), {x: tf.compat.v1.SparseTensorValue(places, values, np.array([3, 4]))}

    return fetched(build)


def other(tf, x):
    return tf.sparse.from_dense(tf.constant(B, x.dtype))


SPARSE = {
    "add": lambda tf, x: [tf.sparse.add(x, other(tf, x), threshold=3), tf.sparse.add(x, tf.constant(B, x.dtype))],
    "concat": lambda tf, x: [tf.sparse.concat(0, [x, other(tf, x)]), tf.sparse.concat(-1, [x, other(tf, x)])],
    "parts": lambda tf, x: [*tf.sparse.split(x, 3, 1), tf.sparse.slice(x, [0, 1], [30, 2])],
    "order": lambda tf, x: [tf.sparse.transpose(x), tf.sparse.reshape(x, [2, -1]), tf.sparse.expand_dims(x, 1)],
    "sums": lambda tf, x: [tf.sparse.reduce_sum(x, 1), tf.sparse.reduce_max(x, [0], keepdims=True)],
    "sparse sums": lambda tf, x: tf.sparse.reduce_sum(x, 1, output_is_sparse=True),
    "larger": lambda tf, x: [tf.sparse.maximum(x, other(tf, x)), tf.sparse.minimum(x, other(tf, x))],
    "fill": lambda tf, x: [*tf.sparse.fill_empty_rows(x, 9), tf.sparse.to_dense(x, default_value=7)],
    "retain": lambda tf, x: [tf.sparse.retain(x, x.values > 2), tf.sparse.reset_shape(x, [5, 6])],
    "product": lambda tf, x: tf.sparse.sparse_dense_matmul(x, tf.constant(B, x.dtype), adjoint_b=True),
    "each": lambda tf, x: [x * tf.constant(B, x.dtype), x / tf.constant([[2], [3], [4]], x.dtype)],
    "bytes": lambda tf, x: tf.io.deserialize_many_sparse(tf.stack([tf.io.serialize_sparse(x)] * 2), x.dtype),
    "softmax": lambda tf, x: tf.sparse.softmax(tf.cast(x, tf.float32)),
    "slope": lambda tf, x: tf.gradients(tf.sparse.reduce_sum(tf.sparse.transpose(x), 0) ** 2, x.values),
}


@pytest.mark.parametrize("kind", ["float32", "float64", "int32"])
@pytest.mark.parametrize("call", SPARSE)
def test_sparse_tensors(call, kind):
    if call == "slope" and kind == "int32":
        kind = "float64"
    assert not differences(sparse(SPARSE[call], kind))


WRONG = {
    "beyond": ([[0, 1], [5, 0]], "is out of bounds"),
    "order": ([[1, 0], [0, 1]], "is out of order"),
    "twice": ([[0, 1], [0, 1]], "is repeated"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_indices_are_named_in_the_same_words(name):
    indices, words = WRONG[name]

    def build(tf):
        hole = tf.compat.v1.placeholder(tf.int64, None)
        return tf.sparse.to_dense(tf.SparseTensor(hole, [1, 2], [3, 4])), {hole: indices}

    (theirs,), (ours,) = (outcomes(fetched(build), here) for here in (False, True))
    assert theirs.error == ours.error == "InvalidArgumentError"
    assert words in ours.message


RAGGED = {
    "arithmetic": lambda tf, x: [x + x, x * 2, x // 2, x % 2, -x, tf.greater(x, 2)],
    "sums": lambda tf, x: [tf.reduce_sum(x, 1), tf.reduce_max(x, 0), tf.reduce_mean(tf.cast(x, tf.float32), 1)],
    "joins": lambda tf, x: [tf.concat([x, x], 1), tf.stack([x, x], 0), tf.tile(x, [1, 2]), tf.expand_dims(x, 1)],
    "picks": lambda tf, x: [tf.gather(x, [2, 0]), x[:, :1], x[1:], tf.ragged.boolean_mask(x, tf.greater(x, 2))],
    "dense": lambda tf, x: [x.to_tensor(-1), x.to_tensor(shape=[6, 2]), x.to_sparse(), x.bounding_shape()],
    "rows": lambda tf, x: [x.value_rowids(), x.row_lengths(), x.nrows(), x.merge_dims(0, 1)],
    "map": lambda tf, x: tf.map_fn(lambda row: row * 2, x),
    "counts": lambda tf, x: [tf.math.bincount(x, axis=-1), tf.sparse.bincount(x, axis=-1)],
    "text": lambda tf, x: tf.strings.reduce_join(tf.strings.as_string(x), axis=1, separator=","),
    "cross": lambda tf, x: [tf.ragged.cross([x, x]), tf.ragged.cross_hashed([tf.cast(x, tf.int64)], 100)],
    "segments": lambda tf, x: tf.math.unsorted_segment_sum(x, tf.zeros_like(x), 2),
}


@pytest.mark.parametrize("call", RAGGED)
def test_ragged_tensors(call):
    def build(tf):
        x = tf.compat.v1.ragged.placeholder(tf.int32, 1, ())
        return RAGGED[call](tf, x), {x: tf.compat.v1.ragged.constant_value(ROWS, dtype=np.int32)}

    assert not differences(fetched(build))


def test_slopes_of_ragged_tensors():
    def build(tf):
        x = tf.constant([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        rows = tf.RaggedTensor.from_row_splits(x, [0, 2, 2, 6])
        ys = [tf.gather(rows, [2, 0, 2]).flat_values, rows.to_tensor(), rows.to_sparse().values, tf.reduce_sum(rows, 1)]
        return [tf.gradients(y**2, x)[0] for y in ys]

    assert not differences(fetched(build))


@pytest.mark.parametrize("splits", [[1, 6], [0, 4, 2, 6], [0, 2], []], ids=str)
def test_splits_that_do_not_fit_are_errors(splits):
    def build(tf):
        hole = tf.compat.v1.placeholder(tf.int64, None)
        variant = tf.raw_ops.RaggedTensorToVariant(
            rt_nested_splits=[hole], rt_dense_values=tf.range(6), batched_input=True
        )
        return tf.shape(variant), {hole: np.array(splits, np.int64)}

    (theirs,), (ours,) = (outcomes(fetched(build), here) for here in (False, True))
    assert theirs.error == ours.error == "InvalidArgumentError"
    assert "Invalid ragged splits" in ours.message


def test_composites_in_variants():
    def build(tf):
        from tensorflow.python.ops import composite_tensor_ops as composites

        x = tf.ragged.constant([[1.0, 2.0], [3.0]])
        there = composites.composite_tensor_from_variant(composites.composite_tensor_to_variants(x), x._type_spec)
        return [there, tf.gradients(there.flat_values**2, x.flat_values)[0]]

    assert not differences(fetched(build))
