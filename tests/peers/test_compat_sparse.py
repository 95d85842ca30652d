"""tf.sparse under both: SparseTensors cut, joined, added, reduced, fed and fetched; static shapes and errors too."""

import os

import numpy as np
import pytest

from tests.peers.side_by_side import unlike

pytestmark = pytest.mark.peers
os.environ["TF_USE_LEGACY_KERAS"] = "1"

INDICES = np.array([[0, 1], [0, 4], [1, 0], [1, 2]])
VALUES = np.array([1.0, -2.0, 3.0, 4.0], np.float32)
DENSE = np.arange(10, dtype=np.float32).reshape(2, 5)
GIVEN = {"INDICES": INDICES, "VALUES": VALUES, "DENSE": DENSE}
# S: known sizes. P: sizes that are not known. T: text. C: rank 3.
S = "tf.SparseTensor(INDICES, VALUES, [2, 5])"
P = "tf.SparseTensor(INDICES, VALUES, tf.placeholder_with_default(np.int64([2, 5]), [None]))"
T = "tf.SparseTensor(INDICES, ['a', 'b', 'c', 'd'], [2, 5])"
C = "tf.SparseTensor([[0, 0, 1], [0, 1, 0], [1, 1, 1]], [1.0, 2.0, 4.0], [2, 2, 2])"
MADE = {"S": S, "P": P, "T": T, "C": C}
LINES = """
S, S.shape.as_list(), S.get_shape().as_list(), str(S.dtype.name), C.shape.as_list(), T.shape.as_list()
P, T, C
S * DENSE, S / 2.0, (S * 2.0).shape.as_list(), S * [[2.0], [3.0]]
S.with_values(tf.constant([1, 2, 3, 4]))
tf.SparseTensor.from_value(tf.SparseTensorValue(INDICES, VALUES, [2, 5]))
tf.SparseTensor.from_value((INDICES, VALUES, [2, 5]))
tf.SparseTensor.from_value(3)
tf.SparseTensor([[0, 1]], [1, 2], [3, 4])
tf.SparseTensor([[0, 1]], [1], [3])
tf.SparseTensor([0, 1], [1, 1], [3])
tf.SparseTensor([[0.5, 1]], [1], [3, 3])
tf.sparse.reorder(tf.SparseTensor(INDICES[::-1], VALUES, [2, 5])), tf.sparse_reorder(S).shape.as_list()
tf.sparse_reorder(tf.constant(1))
tf.sparse_retain(S, [True, False, False, True]), tf.sparse.retain(S, tf.constant([False] * 4))
tf.sparse_retain(S, [True, False])
tf.sparse_retain(DENSE, [True])
tf.sparse_fill_empty_rows(tf.SparseTensor([[0, 1], [2, 0]], [1, 2], [4, 3]), 9)
tf.sparse_fill_empty_rows(S, 9.0)[0].shape.as_list(), tf.sparse.fill_empty_rows(T, "z")
tf.sparse_concat(1, [S, S]), tf.sparse_concat(-1, [S, P]), tf.sparse_concat(0, [S, S]), tf.sparse.concat(0, [T, T])
tf.sparse_concat(axis=1, sp_inputs=[S, S]).shape.as_list(), tf.sparse_concat(0, [S, S]).shape.as_list()
tf.sparse_concat(concat_dim=1, sp_inputs=[S, S], axis=None)
tf.sparse_concat(1, [S]), tf.sparse.concat(1, [S, tf.SparseTensor([[0, 0]], [9.0], [3, 1])], expand_nonconcat_dim=True)
tf.sparse_concat(0, [S, tf.SparseTensor([[0, 0]], [9.0], [3, 1])], None, True)
tf.sparse_concat(1, [S, tf.SparseTensor([[0, 0]], [9.0], [3, 1])])
tf.sparse_concat(1, [S, DENSE])
tf.sparse_concat(1, S)
tf.sparse_concat(1, [])
tf.sparse_split(sp_input=S, num_split=2, axis=1), tf.sparse.split(sp_input=S, num_split=3, axis=-1)
tf.sparse_split(S, 2, 1)
tf.sparse_split(sp_input=S, num_split=2)
tf.sparse_split(sp_input=S, axis=1)
tf.sparse_split(num_split=2, axis=1)
tf.sparse_split(sp_input=S, num_split=3, axis=0)
tf.sparse_slice(S, [0, 1], [2, 2]), tf.sparse.slice(S, [1, 0], [5, 5]), tf.sparse_slice(S, [0, 9], [2, 2])
tf.sparse_slice(DENSE, [0, 0], [1, 1])
tf.sparse_reshape(S, [5, 2]), tf.sparse.reshape(S, [-1]), tf.sparse_reshape(S, [5, -1, 1]), tf.sparse_reshape(P, [10])
tf.sparse_reshape(S, [5, 2]).shape.as_list(), tf.sparse_reshape(S, tf.constant([10, 1]))
tf.sparse_reshape(S, [3, 3])
tf.sparse_reshape(S, [-1, -1])
tf.sparse_reshape(S, [3, -1])
tf.sparse_reshape(P, [3, -1])
tf.sparse_transpose(S), tf.sparse_transpose(S, [1, 0]), tf.sparse.transpose(C, [1, 2, 0]), tf.sparse_transpose(C)
tf.sparse_transpose(S, [1, 0]).shape.as_list(), tf.sparse_transpose(P)
tf.sparse_transpose(S, [0, 1, 2])
tf.sparse.expand_dims(S), tf.sparse.expand_dims(S, 0), tf.sparse.expand_dims(S, 1), tf.sparse.expand_dims(S, -2)
tf.sparse.expand_dims(S, 4)
tf.sparse_reset_shape(S), tf.sparse_reset_shape(S, [3, 7]), tf.sparse.reset_shape(P, [2, 5]), tf.sparse.reset_shape(C)
tf.sparse_reset_shape(S, [3, 7]).shape.as_list()
tf.sparse_reset_shape(S, [1, 7])
tf.sparse_reset_shape(S, [3, 7, 2])
tf.sparse_reset_shape(P, [1, 7])
tf.sparse_reset_shape(tf.SparseTensor(np.zeros([0, 2], np.int64), np.zeros([0], np.float32), [3, 4]))
tf.sparse.from_dense([[0, 3, 0], [0, 0, 5]]), tf.sparse.from_dense(["", "a"]), tf.sparse.from_dense([[0.0]])
tf.sparse.from_dense(DENSE).shape.as_list()
tf.sparse.eye(3), tf.sparse.eye(2, 4, tf.int32), tf.sparse.eye(3, 2)
tf.sparse_to_dense([[0, 1], [1, 0]], [2, 2], [1, 2]), tf.sparse_to_dense([1, 3], [5], 7, 1)
tf.sparse_to_dense(2, [4], 1)
tf.sparse_to_dense([1, 3], [5], ["a", "b"], "")
tf.sparse_to_dense([3, 1], [5], [1, 2])
tf.sparse_to_dense([3, 1], [5], [1, 2], validate_indices=False)
tf.sparse_to_dense([3, 9], [5], [1, 2])
tf.sparse_tensor_to_dense(S), tf.sparse.to_dense(T), tf.sparse.to_dense(S, -1.0), tf.sparse.to_dense(T, "?")
tf.sparse_tensor_to_dense(tf.SparseTensor(INDICES[::-1], VALUES, [2, 5]))
tf.sparse_tensor_to_dense(tf.SparseTensor(INDICES[::-1], VALUES, [2, 5]), validate_indices=False)
tf.sparse.to_dense(DENSE)
tf.sparse_to_indicator(tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [3, 1, 0], [2, 2]), 4)
tf.sparse_merge(tf.SparseTensor([[0, 0], [0, 1]], [3, 1], [1, 2]), tf.SparseTensor([[0, 0], [0, 1]], [5, 6], [1, 2]), 4)
tf.sparse_merge([tf.SparseTensor([[0, 0]], [3], [1, 1])] * 2, tf.SparseTensor([[0, 0]], [5.0], [1, 1]), [4, 9])
tf.sparse_merge(tf.SparseTensor([[0, 0]], [3], [1, 1]), tf.SparseTensor([[0, 0]], [5.0], [1, 1]), [4])
tf.sparse_merge([tf.SparseTensor([[0, 0]], [3], [1, 1])], tf.SparseTensor([[0, 0]], [5.0], [1, 1]), 4)
tf.sparse_merge([tf.SparseTensor([[0, 0]], [3], [1, 1])], tf.SparseTensor([[0, 0]], [5.0], [1, 1]), [4, 3])
tf.sparse_merge(7, tf.SparseTensor([[0, 0]], [5.0], [1, 1]), 4)
tf.sparse_add(S, S), tf.sparse_add(S, DENSE), tf.sparse_add(DENSE, S), tf.sparse.add(S, S, 5.0), tf.sparse_add(P, S)
tf.sparse_add(S, tf.SparseTensor([[0, 1]], [-1.0], [2, 5]), thresh=0.5), tf.sparse_add(S, S).shape.as_list()
tf.sparse_add(DENSE, DENSE)
tf.sparse_add(S, tf.SparseTensor([[0, 1]], [1.0], [2, 6]))
tf.sparse_add(S, tf.SparseTensor([[0, 1]], [1], [2, 5]))
tf.sparse_add(S, tf.SparseTensor([[0, 1]], [1.0], [2, 5]), 1, 2)
tf.sparse_maximum(S, S * -1.0), tf.sparse_minimum(S, tf.SparseTensor([[0, 0]], [-1.0], [2, 5]))
tf.sparse.maximum(S, S).shape.as_list()
tf.sparse_maximum(S, tf.SparseTensor([[0, 1]], [1.0], [2, 6]))
tf.sparse_softmax(S), tf.sparse.softmax(C), tf.sparse_softmax(S).shape.as_list()
tf.sparse_softmax(tf.SparseTensor([[0]], [1.0], [2]))
tf.sparse_reduce_sum(S), tf.sparse_reduce_sum(S, 0), tf.sparse.reduce_sum(S, -1), tf.sparse_reduce_sum(S, [0, 1])
tf.sparse_reduce_sum(S, 1, True), tf.sparse_reduce_sum(S, axis=1, keep_dims=True)
tf.sparse_reduce_sum(S, reduction_axes=0)
tf.sparse_reduce_sum(P), tf.sparse_reduce_sum(P, 1), tf.sparse_reduce_sum(S, keepdims=True)
tf.sparse_reduce_max(S), tf.sparse_reduce_max(S, 0), tf.sparse.reduce_max(C, [0, 2]), tf.sparse_reduce_max(S, 1, True)
tf.sparse_reduce_sum_sparse(S, 1), tf.sparse_reduce_max_sparse(S, [0]), tf.sparse_reduce_sum_sparse(S)
tf.sparse.reduce_sum_sparse(S, 1, keepdims=True), tf.sparse.reduce_max_sparse(C, -1)
tf.sparse_reduce_sum(S, 2)
tf.sparse_reduce_sum(S, 1, axis=2)
tf.sparse_segment_sum(DENSE, [0, 1, 0], [0, 0, 1]), tf.sparse_segment_mean(DENSE, [0, 1], [0, 0])
tf.sparse_segment_sqrt_n(DENSE, [0, 1, 1], [0, 0, 2]), tf.sparse.segment_sum(DENSE, [0], [1], num_segments=3)
tf.sparse_segment_mean(DENSE, [0], [1], num_segments=3), tf.sparse.segment_sqrt_n(DENSE, [1], [0], num_segments=2)
tf.sparse_tensor_dense_matmul(S, DENSE.T), tf.sparse_tensor_dense_matmul(S, DENSE, adjoint_b=True)
tf.sparse.matmul(S, DENSE, True), tf.sparse.matmul(DENSE, S, adjoint_b=True), tf.sparse.sparse_dense_matmul(S, DENSE.T)
tf.sparse_tensor_dense_matmul(S, DENSE)
tf.sparse_tensor_dense_matmul(DENSE, DENSE)
tf.sparse_matmul(DENSE, DENSE, transpose_b=True), tf.sparse_matmul(DENSE, DENSE.T, a_is_sparse=True)
tf.sparse.bincount([1, 3, 1]), tf.sparse.bincount([[1, 3, 1], [0, 0, 2]], axis=-1)
tf.sparse.bincount([1, 1], minlength=5)
tf.sparse.bincount([1, 3, 1], weights=[0.5, 1.0, 2.0]), tf.sparse.bincount([1, 3, 1], maxlength=2, binary_output=True)
tf.sparse.bincount(tf.SparseTensor(INDICES, [1, 2, 1, 1], [2, 5]), axis=-1)
tf.sparse.bincount([1, 3], axis=2)
tf.sparse.cross([tf.SparseTensor([[0, 0], [1, 0]], ["a", "b"], [2, 1]), tf.constant([["f"], ["g"]])])
tf.sparse.cross([tf.constant([[1, 2]]), tf.constant([["f"]])], separator="-")
tf.sparse.cross_hashed([tf.constant([["a", "b"]]), tf.constant([["f"]])], num_buckets=100)
tf.sparse.cross_hashed([tf.constant([[1, 2]]), tf.constant([["f"]])])
tf.sparse.cross_hashed([tf.constant([[7]])], 9, 3)
tf.sparse.cross("a")
tf.sparse.cross([["a"]])
tf.convert_to_tensor_or_sparse_tensor(DENSE), tf.convert_to_tensor_or_sparse_tensor(S)
tf.convert_to_tensor_or_sparse_tensor(S, tf.int32)
tf.gradients(tf.sparse_tensor_dense_matmul(S, DENSE.T), S.values)
tf.gradients(tf.sparse_tensor_to_dense(S), S.values)
[tf.gradients(tf.sparse_reduce_sum(s, 1), s.values) for s in [S]]
[tf.gradients(f(s).values * VALUES, s.values) for s in [S] for f in [tf.sparse_softmax, tf.sparse_reorder]]
[tf.gradients(tf.sparse_add(s, s).values, s.values) for s in [S]]
[tf.gradients((s * DENSE).values, s.values) for s in [S]], [tf.gradients((s / DENSE).values, s.values) for s in [S]]
[tf.gradients(tf.sparse_slice(s, [0, 1], [2, 2]).values, s.values) for s in [S]]
[tf.gradients(tf.sparse_fill_empty_rows(s, 1.0)[0].values, s.values) for s in [tf.sparse_slice(S, [0, 1], [2, 1])]]
[tf.gradients(tf.sparse_transpose(s).values * VALUES, s.values) for s in [S]]
tf.sparse_placeholder(tf.float32).shape.ndims, tf.sparse_placeholder(tf.float32, [None, 3]).shape.as_list()
tf.sparse.placeholder(tf.int32, name="x").values.name, tf.sparse_placeholder(tf.float32, [2, 3]).dense_shape
[t.name for t in (lambda p: (p.indices, p.values, p.dense_shape))(tf.sparse_placeholder(tf.float32, name="x"))]
tf.sparse_mask(tf.IndexedSlices(tf.constant(DENSE), tf.constant([4, 7])), [7]).values
tf.edit_distance(T, tf.SparseTensor([[0, 0], [1, 1]], ["b", "c"], [2, 2]))
"""


def lines(text):
    return text.strip().splitlines()


@pytest.fixture(scope="module")
def tensorflow():
    module = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")
    return module.compat.v1


@pytest.mark.parametrize("line", lines(LINES))
def test_a_line_of_sparse_tensors_gives_what_tensorflow_gives(tensorflow, line):
    assert not unlike(tensorflow, line, GIVEN, MADE)
