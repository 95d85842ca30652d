"""Ragged tensors under both: made, indexed, computed with, and brought back."""

import os

import numpy as np
import pytest

from tests.peers.side_by_side import unlike

pytestmark = pytest.mark.peers
os.environ["TF_USE_LEGACY_KERAS"] = "1"

GIVEN = {"DENSE": np.array([[1, 2, 0], [4, 0, 0], [0, 0, 9]], np.int32)}
MADE = {
    "RT": "tf.RaggedTensor",
    "R": "tf.ragged.constant([[3, 1, 4], [], [1, 5]])",
    "D": "tf.ragged.constant([[[1, 2], [3]], [], [[4]]])",
    "T": "tf.ragged.constant([['a', 'bc'], [], ['d']])",
    "F": "tf.ragged.constant([[1.5, -2.0], [0.25]])",
    "V": "tf.RaggedTensor.from_row_splits(tf.placeholder_with_default([1, 2, 3, 4], [None]), [0, 1, 1, 4])",
}
LINES = r"""
R, D, T, F, V
R.shape.as_list(), D.shape.as_list(), R.ragged_rank, D.ragged_rank, R.dtype.name, len(D.nested_row_splits)
RT.from_row_splits([1, 2, 3], [0, 2, 2, 3]), RT.from_row_splits([[1, 2], [3, 4]], [0, 2])
RT.from_row_splits([1], np.int32([0, 1]))
RT.from_row_lengths([1, 2, 3], [2, 0, 1]), RT.from_value_rowids([1, 2, 3], [0, 0, 2])
RT.from_value_rowids([1], [1], nrows=4)
RT.from_row_starts([1, 2, 3], [0, 2, 2]), RT.from_row_limits([1, 2, 3], [2, 2, 3])
RT.from_uniform_row_length([1, 2, 3, 4], 2)
RT.from_uniform_row_length(np.zeros([0], np.int32), 0, nrows=3).row_splits
RT.from_nested_row_splits([1, 2, 3], [[0, 2], [0, 1, 3]]), RT.from_nested_row_lengths([1, 2, 3], [[2], [1, 2]])
RT.from_row_splits([1, 2, 3], [0, 2, 1, 3])
RT.from_row_splits([1, 2, 3], [1, 3])
RT.from_row_splits([1, 2, 3], [0, 2])
RT.from_row_splits([1, 2, 3], [0, 2], validate=False).row_splits
RT.from_row_splits([1, 2, 3], [0.0, 3.0])
RT.from_row_splits(7, [0, 1])
RT.from_row_splits([1], [[0, 1]])
RT(R.values, R.row_splits)
RT.from_tensor(DENSE), RT.from_tensor(DENSE, lengths=[1, 0, 3]), RT.from_tensor(DENSE, padding=0)
RT.from_tensor(DENSE, [2, 9, 1])
RT.from_tensor(DENSE, lengths=[1, 0, 3], padding=0)
RT.from_tensor(np.zeros([2, 2, 2])), RT.from_tensor(np.ones([2, 2, 2]), lengths=[1, 2])
RT.from_tensor(np.zeros([2, 0]))
RT.from_tensor(DENSE, row_splits_dtype=tf.int32).row_splits
RT.from_sparse(tf.SparseTensor([[0, 0], [0, 1], [2, 0]], [1, 2, 3], [3, 2]))
R.value_rowids(), R.nrows(), R.nrows(tf.int32), R.row_starts(), R.row_limits(), R.row_lengths(), D.row_lengths(axis=2)
D.nested_row_lengths(), D.flat_values, D.nested_row_splits, R.bounding_shape(), D.bounding_shape()
D.bounding_shape(axis=1)
R.with_values([1, 2, 3, 4, 5]), D.with_flat_values(tf.constant([1.0, 2.0, 3.0, 4.0])), R.with_row_splits_dtype(tf.int32)
R.to_tensor(), R.to_tensor(-1), D.to_tensor(), T.to_tensor(), T.to_tensor("?"), V.to_tensor(), R.to_tensor(shape=[2, 2])
R.to_tensor(shape=[None, 5]), R.to_tensor(default_value=7, shape=[4, None])
R.to_sparse(), D.to_sparse(), T.to_sparse()
tf.placeholder_with_default(D[0][1], None), tf.placeholder_with_default(D[0, 1], None)
R[0], R[2], R[-1], R[0, 1], D[2, 0, 0], R[:], V[2]
V[1:], V[:2], V[::2], D[:, :1], R[:, :2], R[:, 1:], R[:, -1:], R[:, :-1]
R[:, 1]
R + 1, 2 * R, R - R, R * R, -R, F / 2.0, abs(F), R // 2, R % 2, R > 2, R <= R, F ** 2.0, 1.0 - F
tf.constant(2) + R, tf.constant(2.0) * F
tf.sqrt(tf.abs(F)), tf.floor(F), tf.logical_not(R > 2), tf.minimum(R, R), tf.subtract(R, 1)
tf.add(R, 1), tf.multiply(R, R), tf.square(R), tf.negative(R), tf.abs(F), tf.exp(F), tf.maximum(R, 3), tf.equal(R, 1)
tf.sign(F)
tf.cast(R, tf.float32), tf.sigmoid(F), tf.zeros_like(R), tf.identity(R), tf.ones_like(F), tf.greater(F, 0.0)
tf.reduce_sum(R, axis=1), tf.reduce_max(F, 1), tf.reduce_mean(F, axis=1), tf.reduce_sum(R), tf.reduce_sum(R, 0)
tf.reduce_sum(D, 2), tf.reduce_min(D, axis=2), tf.reduce_prod(R, 1)
tf.strings.length(T), tf.strings.upper(T), tf.strings.substr(T, 0, 1), tf.strings.to_hash_bucket_fast(T, 9)
tf.string_strip(T)
tf.as_string(R), tf.strings.regex_replace(T, "a", "x"), tf.strings.join([T, "!"])
tf.ragged.constant([[1, 2], [3]]), tf.ragged.constant([]), tf.ragged.constant([[], []]), tf.ragged.constant([[1.5]])
tf.ragged.constant([[1]], tf.int64), tf.ragged.constant([[1]], row_splits_dtype=tf.int32)
tf.ragged.constant([1, 2], ragged_rank=0)
tf.ragged.constant([[[1, 2]], [[3, 4]]], ragged_rank=1), tf.ragged.constant([[[1, 2]], []], inner_shape=(2,))
tf.ragged.constant(7)
tf.ragged.constant([[1, [2]]])
tf.ragged.constant([[1], 2])
tf.ragged.constant([1], ragged_rank=1)
tf.ragged.constant_value([[1, 2], []]).to_list(), tf.ragged.constant_value([["a"]]).to_list()
tf.ragged.constant_value([[1]]).shape
tf.ragged.range([3, 0, 2]), tf.ragged.range([1, 5], [4, 9], 2), tf.ragged.range(0.0, [1.0, 2.0], 0.5)
tf.ragged.range(4)
tf.ragged.map_flat_values(tf.multiply, R, 2), tf.ragged.map_flat_values(lambda a, b: a - b, a=R, b=R)
tf.ragged.map_flat_values(tf.abs, -3)
tf.ragged.row_splits_to_segment_ids([0, 2, 2, 3]), tf.ragged.segment_ids_to_row_splits([0, 0, 2])
tf.ragged.segment_ids_to_row_splits([0], 3)
tf.ragged.row_splits_to_segment_ids(np.int32([0, 1]))
tf.ragged.segment_ids_to_row_splits(np.int32([1]), out_type=tf.int64)
tf.ragged.boolean_mask(R, R > 1), tf.ragged.boolean_mask(DENSE, DENSE > 0)
tf.ragged.boolean_mask(R, [True, False, True])
tf.ragged.boolean_mask(DENSE, [True, False, True]), tf.ragged.boolean_mask(D, D > 1)
tf.ragged.stack([[1, 2], [3]]), tf.ragged.stack([R, R]), tf.ragged.stack([tf.constant([1]), tf.constant([2, 3])])
tf.ragged.stack_dynamic_partitions(["a", "b", "c"], [1, 0, 1], 3), tf.ragged.stack_dynamic_partitions(R, [0, 1, 0], 2)
tf.ragged.cross([T, T]), tf.ragged.cross_hashed([T, T], 100), tf.ragged.cross([T, tf.constant([["x"], ["y"], ["z"]])])
tf.ragged.placeholder(tf.int32, 1).shape.as_list(), tf.ragged.placeholder(tf.int32, 2, [3]).shape.as_list()
tf.ragged.placeholder(tf.int32, 0).dtype
tf.gradients(tf.square(F).flat_values, F.flat_values)
[tf.convert_to_tensor(g) for g in tf.gradients(F.to_tensor() ** 2.0, F.flat_values)]
[tf.cond(tf.constant(True), lambda: R + 1, lambda: R)], tf.nest.flatten([R, 1], expand_composites=True)
tf.strings.unicode_decode(["hé", ""], "UTF-8"), [tf.strings.unicode_split(["hé", "a"], "UTF-8").to_tensor()]
tf.strings.unicode_decode("hé", "UTF-8")
tf.strings.unicode_decode_with_offsets(["hé"], "UTF-8")
[x.to_tensor() for x in tf.strings.unicode_split_with_offsets(["hé"], "UTF-8")]
tf.strings.unicode_encode(tf.ragged.constant([[104, 233], [97]]), "UTF-8")
tf.strings.unicode_encode([104, 233], "UTF-8")
tf.strings.split(["a b", "c"], result_type="RaggedTensor"), tf.strings.split("a b c", result_type="RaggedTensor")
tf.strings.bytes_split(["ab", "c"]), tf.strings.bytes_split("abc"), tf.strings.ngrams(T, 2)
tf.strings.ngrams(T, [1, 2], "-", ("<", ">"))
tf.strings.reduce_join(T, axis=1), tf.sparse.bincount(R, axis=-1)
"""


@pytest.fixture(scope="module")
def tensorflow():
    module = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")
    return module.compat.v1


@pytest.mark.parametrize("line", LINES.strip().splitlines())
def test_a_line_of_ragged_tensors_gives_what_tensorflow_gives(tensorflow, line):
    assert not unlike(tensorflow, line, GIVEN, MADE)
