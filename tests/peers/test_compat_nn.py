"""tf.nn, tf.losses, tf.metrics, tf.image and what belongs to them, line by line beside tensorflow.compat.v1.

Names in the lines: those of test_compat_v1, and for_error, which gives the class of the error that building raises.
"""

import numpy as np
import pytest

from tests.peers.test_compat_v1 import (
    CUBE,
    IMAGES,
    LABELS,
    SHARES,
    TRUE,
    W1,
    R,
    W,
    X,
    Y,
    compare,
    fetched,
    lines,
    tensorflow,
)

pytestmark = pytest.mark.peers
__all__ = ["CUBE", "IMAGES", "LABELS", "SHARES", "TRUE", "W1", "W", "X", "Y", "tensorflow"]

VOLUME = R.normal(size=(2, 4, 5, 6, 2)).astype(np.float32)
W3 = R.normal(size=(2, 3, 2, 2, 3)).astype(np.float32)
W3T = W3.transpose(0, 1, 2, 4, 3)
W1T = W1.transpose(0, 2, 1)
TABLE = R.normal(size=(6, 2, 2)).astype(np.float32)
SCORES = R.normal(size=(5, 2, 4)).astype(np.float32)
THREES = [[1.0, 2.0, 3.0], [0.0, 1.0, 2.0], [0.1, 0.2, 0.3], [1.0, 2.0, 3.0]]
BYTES = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
BIG = R.uniform(size=(2, 21, 26, 3)).astype(np.float32)
BOXES = np.float32([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 2, 1, 3], [0, 2.05, 1, 3]])
POINTS = np.float32([0.9, 0.75, 0.6, 0.95])
FREE = [None, None, None, 3]
B1, B2, P1 = np.array([1, 0, 1, 0]), np.array([1, 1, 0, 0]), np.float32([0.9, 0.4, 0.35, 0.1])
TRUE64, TWO, PAIRS = np.int64([[1], [0]]), np.int64([[1, 3], [0, 9]]), np.int64([[1, 3], [0, 2]])
ONE, FOUR = np.int64([2, 1, 0]), np.int64([0, 1, 2, 2])
WS = np.float32([1, 2, 3, 4])

WINDOWS = """
tf.nn.conv1d(CUBE, W1, 2, "VALID"), tf.nn.conv1d(CUBE, W1, [1], "SAME", dilations=[2])
tf.nn.conv1d(input=CUBE[None], filters=W1, stride=1, padding="VALID", data_format="NWC")
tf.nn.conv1d_transpose(CUBE, W1T, [2, 6, 3], 2), tf.nn.conv1d_transpose(CUBE, W1T, [2, 4, 3], 1, "VALID")
tf.nn.conv3d(VOLUME, W3, [1, 1, 1, 1, 1], "SAME")
tf.nn.conv3d(VOLUME, filters=W3, strides=[1, 2, 1, 2, 1], padding="VALID")
tf.nn.conv3d_transpose(VOLUME, W3T, [2, 8, 10, 12, 3], 2)
tf.nn.conv3d_transpose(VOLUME, W3T, [2, 5, 7, 7, 3], 1, "VALID")
tf.nn.conv_transpose(IMAGES, W, [2, 12, 12, 3], 2), tf.nn.conv_transpose(CUBE, W1T, [2, 6, 3], 2)
tf.nn.conv3d_backprop_filter(VOLUME, W3.shape, tf.ones([2, 4, 5, 6, 3]), [1, 1, 1, 1, 1], "SAME")
tf.nn.conv2d_transpose(IMAGES, W, [2, 8, 8, 3], 1, "VALID")
tf.nn.conv2d_transpose(input=IMAGES, filters=W, output_shape=[2, 6, 6, 3], strides=1)
tf.nn.depthwise_conv2d_native(IMAGES, W, [1, 2, 2, 1], "SAME")
tf.nn.depthwise_conv2d(IMAGES, W, [1, 1, 1, 1], "SAME", dilations=[2, 1])
tf.nn.depthwise_conv2d_native_backprop_input([2, 6, 6, 3], W, tf.ones([2, 6, 6, 9]), [1, 1, 1, 1], "SAME")
tf.nn.depthwise_conv2d_native_backprop_filter(IMAGES, W.shape, tf.ones([2, 6, 6, 9]), [1, 1, 1, 1], "SAME")
tf.nn.separable_conv2d(IMAGES, W[..., :1], tf.ones([1, 1, 3, 2]), [1, 1, 1, 1], "SAME", rate=[2, 2])
for_error(lambda: tf.nn.separable_conv2d(IMAGES, W[..., :1], tf.ones([3, 1, 3, 2]), [1, 1, 1, 1], "SAME"))
tf.nn.dilation2d(IMAGES, W[..., 0], [1, 1, 1, 1], [1, 2, 1, 1], "SAME")
tf.nn.erosion2d(IMAGES, W[..., 0], [1, 2, 1, 1], [1, 1, 1, 1], "VALID")
tf.nn.convolution(IMAGES, W, "SAME"), tf.nn.convolution(IMAGES, W, "VALID", [2, 1])
tf.nn.convolution(IMAGES, W, "SAME", dilation_rate=[2, 1])
tf.nn.convolution(CUBE, W1, "SAME", dilation_rate=[2]), tf.nn.convolution(VOLUME, W3, "SAME")
tf.nn.convolution(CUBE, W1, "VALID", [1])
tf.nn.convolution(IMAGES, W, "SAME", dilations=2), tf.nn.convolution(IMAGES, W, padding="VALID", strides=2)
for_error(lambda: tf.nn.convolution(IMAGES, W, "SAME", strides=[1, 2, 3]))
tf.nn.atrous_conv2d(IMAGES, W, 2, "SAME"), tf.nn.atrous_conv2d(IMAGES, W, 2, "VALID")
tf.nn.atrous_conv2d(IMAGES, W, 1, "SAME")
tf.nn.atrous_conv2d_transpose(IMAGES, W, [2, 6, 6, 3], 2, "SAME")
tf.nn.atrous_conv2d_transpose(IMAGES, W, [2, 10, 10, 3], 2, "VALID")
for_error(lambda: tf.nn.atrous_conv2d_transpose(IMAGES, W, [2, 6, 6, 3], 0, "SAME"))
tf.nn.with_space_to_batch(IMAGES, [2, 3], "SAME", lambda x, n, p: tf.nn.conv2d(x, W, 1, p), filter_shape=[3, 3])
tf.nn.with_space_to_batch(IMAGES, [2, 1], "VALID", lambda x, n, p: x * n)
tf.nn.with_space_to_batch(IMAGES, [2], "VALID", lambda x, n, p: x, spatial_dims=[2])
tf.nn.with_space_to_batch(tf.placeholder_with_default(IMAGES, FREE), [2, 2], "SAME", lambda x, n, p: x * n, [3, 3])
for_error(lambda: tf.nn.with_space_to_batch(IMAGES, [2, 2], "SAME", lambda x, n, p: x))
for_error(lambda: tf.nn.with_space_to_batch(IMAGES, [2, -2], "VALID", lambda x, n, p: x))
tf.nn.pool(IMAGES, [2, 3], "MAX", "SAME"), tf.nn.pool(IMAGES, [2, 2], "AVG", "VALID", strides=[2, 1])
tf.nn.pool(CUBE, [2], "MAX", "VALID")
tf.nn.pool(VOLUME, [2, 2, 2], "AVG", "SAME"), tf.nn.pool(IMAGES, [2, 2], "MAX", "VALID", dilation_rate=[2, 2])
tf.nn.pool(IMAGES, [2, 2], "AVG", "VALID", dilations=[1, 2])
for_error(lambda: tf.nn.pool(IMAGES, [2, 2], "MEAN", "VALID"))
for_error(lambda: tf.nn.pool(IMAGES, [2, 2], "MAX", "VALID", strides=[3, 3]))
for_error(lambda: tf.nn.pool(IMAGES, [2, 2], "MAX", "VALID", [2, 2], [2, 2]))
tf.nn.max_pool1d(CUBE, 2, 1, "VALID"), tf.nn.avg_pool1d(CUBE, [2], [2], "SAME"), tf.nn.max_pool2d(IMAGES, 2, 2, "SAME")
tf.nn.avg_pool2d(IMAGES, [2, 2], [1, 1], "VALID")
tf.nn.max_pool3d(VOLUME, 2, 2, "VALID"), tf.nn.avg_pool3d(VOLUME, [1, 2, 2, 2, 1], [1, 1, 1, 2, 1], "SAME")
tf.nn.max_pool_v2(CUBE, 2, 1, "VALID"), tf.nn.avg_pool_v2(VOLUME, 2, 1, "VALID")
tf.nn.max_pool_v2(IMAGES, 2, 2, "SAME"), tf.nn.max_pool(input=IMAGES, value=None, ksize=2, strides=1, padding="VALID")
tf.nn.fractional_max_pool(IMAGES, [1.0, 1.4, 1.5, 1.0], deterministic=True, seed=3, seed2=4)
tf.nn.fractional_avg_pool(IMAGES, [1.0, 1.4, 1.5, 1.0], True, True, True, 5, 6)
tf.nn.space_to_batch(IMAGES, [[0, 0], [0, 0]], 2), tf.nn.space_to_batch(IMAGES, [[0, 0], [1, 1]], block_shape=2)
tf.nn.space_to_depth(IMAGES, 2), tf.nn.depth_to_space(tf.ones([1, 2, 3, 4]), 2)
tf.nn.max_pool(IMAGES, 2, 2, "SAME").op.name, tf.nn.max_pool(IMAGES, 2, 2, "SAME", name="p").op.name
tf.nn.avg_pool(IMAGES, 2, 2, "SAME").op.name, tf.nn.bias_add(X, X[0]).op.name
tf.nn.conv2d(IMAGES, W, 1, "SAME").op.name, tf.nn.conv2d_transpose(IMAGES, W, [2, 12, 12, 3], 2).op.name
tf.nn.conv3d_transpose(VOLUME, W3T, [2, 8, 10, 12, 3], 2).op.name
slope(lambda x: tf.nn.atrous_conv2d(x, W, 2, "SAME"), IMAGES), slope(lambda x: tf.nn.conv1d(x, W1, 1, "SAME"), CUBE)
slope(lambda x: tf.nn.erosion2d(x, W[..., 0], [1, 1, 1, 1], [1, 1, 1, 1], "SAME"), IMAGES)
"""
FUNCTIONS = """
tf.nn.silu(X), tf.nn.swish(X, 2.0), slope(lambda x: tf.nn.swish(x), X), tf.nn.crelu(CUBE, axis=1)
tf.nn.leaky_relu([1, -2])
tf.nn.softmax(CUBE, axis=-2), tf.nn.softmax(tf.placeholder_with_default(CUBE, None)), tf.nn.log_softmax(CUBE, 0)
tf.nn.softmax([1.0, 2.0])
for_error(lambda: tf.nn.softmax(X, axis=2)), for_error(lambda: tf.nn.dropout(X))
for_error(lambda: tf.nn.dropout(X, rate=1.5)), for_error(lambda: tf.nn.dropout([1, 2], rate=0.5))
tf.nn.dropout(CUBE, rate=0.4, noise_shape=[None, 1, None], seed=2), tf.nn.dropout(X, keep_prob=tf.constant(0.5), seed=1)
tf.nn.top_k(X, 2, index_type=tf.int64)
tf.nn.softmax_cross_entropy_with_logits(labels=SHARES, logits=X, dim=0)
tf.nn.softmax_cross_entropy_with_logits_v2(SHARES, X, axis=0)
tf.nn.softmax_cross_entropy_with_logits(labels=[1, 0], logits=[1.0, 2.0])
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=1, logits=[1.0, 2.0])
slope(lambda z: tf.nn.softmax_cross_entropy_with_logits_v2(tf.nn.softmax(z), tf.constant(X)), Y)
slope(lambda x: tf.nn.softmax_cross_entropy_with_logits_v2(tf.nn.softmax(x), x), X)
for_error(lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=LABELS[:, None], logits=X))
for_error(lambda: tf.nn.sigmoid_cross_entropy_with_logits(labels=X, logits=CUBE))
for_error(lambda: tf.nn.softmax_cross_entropy_with_logits(labels=X))
tf.nn.log_poisson_loss(tf.abs(X) * 3, Y, compute_full_loss=True)
tf.nn.weighted_moments(X, [0], Y ** 2), tf.nn.weighted_moments(CUBE, [0, 1], Y[0] ** 2, keepdims=True)
tf.nn.weighted_moments(X, [1], [[1], [2], [3]])
tf.nn.sufficient_statistics(X, [0]), tf.nn.sufficient_statistics(CUBE, [0, 2], shift=0.5, keepdims=True)
tf.nn.normalize_moments(3.0, X[0], X[1] ** 2, 0.5), tf.nn.normalize_moments(3.0, X[0], X[1] ** 2, None)
tf.nn.moments(np.float16(X), [0]), tf.nn.moments(X, [0, 1])
tf.nn.moments(tf.placeholder_with_default(X, [None, None]), 0)
tf.nn.batch_norm_with_global_normalization(IMAGES, X[0, :3], X[1, :3] ** 2, X[2, :3], Y[0, :3], 1e-3, True)
tf.nn.batch_norm_with_global_normalization(IMAGES, X[0, :3], X[1, :3] ** 2, X[2, :3], Y[0, :3], 1e-3, False)
tf.nn.fused_batch_norm(IMAGES, *THREES, is_training=False)[0]
tf.nn.fused_batch_norm(IMAGES, *THREES, exponential_avg_factor=0.5)
for_error(lambda: tf.nn.fused_batch_norm(IMAGES, [1.0] * 3, [0.0] * 3, is_training=False))
tf.nn.l2_normalize(CUBE, [0, 1]), tf.nn.l2_normalize(X), tf.nn.l2_normalize(X + 1j * Y, 0)
tf.nn.l2_normalize(X, 0).op.name
tf.nn.embedding_lookup(TABLE, [[0, 5], [1, 1]]), tf.nn.embedding_lookup([TABLE[:3], TABLE[3:]], [0, 2, 4], "div")
tf.nn.embedding_lookup([X[:2], X[2:], Y[:1]], [0, 3, 1, 2], partition_strategy="div")
tf.nn.embedding_lookup([TABLE[:3], TABLE[3:]], [[0, 2], [5, 1]])
tf.nn.embedding_lookup([X, Y], [0, 3, 5], max_norm=1.0), for_error(lambda: tf.nn.embedding_lookup([X, Y], [0], "odd"))
tf.nn.embedding_lookup_sparse(X, IDS, None), tf.nn.embedding_lookup_sparse(X, IDS, None, combiner="sum")
tf.nn.embedding_lookup_sparse(TABLE, IDS, None, combiner="sqrtn")
tf.nn.embedding_lookup_sparse(X, IDS, WEIGHTS), tf.nn.embedding_lookup_sparse(X, IDS, WEIGHTS, combiner="sum")
tf.nn.embedding_lookup_sparse(TABLE, IDS, WEIGHTS, combiner="sqrtn", max_norm=1.0)
tf.nn.embedding_lookup_sparse([X, Y], IDS, WEIGHTS, combiner="mean")
for_error(lambda: tf.nn.embedding_lookup_sparse(X, IDS, None, combiner="max"))
for_error(lambda: tf.nn.embedding_lookup_sparse(X, [1], None))
tf.nn.safe_embedding_lookup_sparse([X], HOLES)
tf.nn.safe_embedding_lookup_sparse([X], HOLES, combiner="sum", default_id=1)
tf.nn.safe_embedding_lookup_sparse([X], HOLES, HOLEWEIGHTS)
tf.nn.safe_embedding_lookup_sparse([X, Y], DEEP), tf.nn.safe_embedding_lookup_sparse(TABLE, DEEP, default_id=2)
slope(lambda t: tf.nn.embedding_lookup_sparse(t * 1.0, IDS, None), X)
slope(lambda t: tf.nn.embedding_lookup_sparse(t * 1.0, IDS, WEIGHTS), X)
tf.nn.nce_loss([X[:2], X[2:]], [X[:2, 0], X[2:, 0]], TRUE, X[:2], 2, 3, 1, DRAWN, partition_strategy="div")
tf.nn.all_candidate_sampler(TRUE, 1, 3, True), tf.nn.compute_average_loss(X[:, 0])
tf.nn.compute_average_loss(X[:, 0], [1.0, 2.0, 0.0], 8), tf.nn.scale_regularization_loss(3.0)
tf.nn.ctc_loss(CTC, SCORES, [5, 4])
tf.nn.ctc_loss(CTC, SCORES.transpose(1, 0, 2), [5, 4], time_major=False, ctc_merge_repeated=False)
slope(lambda x: tf.nn.ctc_loss(CTC, x, [5, 4]), SCORES)
for_error(lambda: tf.nn.ctc_loss([[1]], SCORES, [5, 4])), tf.nn.ctc_loss_v2(CTC, SCORES, None, [5, 4], blank_index=0)
tf.nn.ctc_loss_v2(CTC, SCORES, None, [5, 4], blank_index=-1)
tf.nn.ctc_loss_v2([[1, 2], [3, 0]], SCORES, [2, 1], [5, 4])
tf.nn.ctc_loss_v2([[1, 2, 2], [3, 0, 0]], SCORES.swapaxes(0, 1), [3, 1], [5, 4], False, blank_index=0)
slope(lambda x: tf.nn.ctc_loss_v2([[1, 2], [3, 0]], x, [2, 1], [5, 4]), SCORES)
for_error(lambda: tf.nn.ctc_loss_v2(CTC, SCORES, None, [5, 4]))
tf.nn.ctc_greedy_decoder(SCORES, [5, 3]), tf.nn.ctc_greedy_decoder(SCORES, [5, 3], False, 0)
tf.nn.ctc_beam_search_decoder(SCORES, [5, 3], 4, 2), tf.nn.ctc_beam_search_decoder_v2(SCORES, [5, 3], 3)
tf.nn.ctc_unique_labels([[3, 4, 4, 3], [1, 1, 1, 2]])
tf.nn.collapse_repeated([[1, 1, 2, 2, 1], [1, 2, 3, 4, 5]], [5, 5])
tf.nn.collapse_repeated([[1, 1, 2, 2, 0], [1, 2, 3, 3, 5]], [4, 3])
tf.nn.quantized_max_pool(tf.bitcast(BYTES, tf.quint8), 0.0, 1.0, [1, 2, 2, 1], [1, 2, 2, 1], "VALID").output
tf.nn.zero_fraction([[0, 1], [0, 2]]), tf.nn.relu_layer(X, tf.transpose(Y), [1.0, 2.0, 3.0])
tf.nn.in_top_k(X, LABELS, 1), tf.nn.softplus(X), tf.nn.softsign(X)
"""


METRICS = """
seen(tf.metrics.mean(X)), seen(tf.metrics.mean(X, [[1.0], [0.0], [2.0]])), seen(tf.metrics.mean(X[0], 2.0))
seen(tf.metrics.mean(CUBE[..., None], CUBE ** 2)), for_error(lambda: tf.metrics.mean(X, [1.0, 2.0]))
for_error(lambda: tf.metrics.mean(X, X[0]))
seen(tf.metrics.mean_tensor(X)), seen(tf.metrics.mean_tensor(X, [[1.0], [0.0], [2.0]]))
seen(tf.metrics.accuracy([1, 0, 1], [[1], [1], [1]])), seen(tf.metrics.accuracy([[1], [2]], [1.0, 2.0], [1.0, 3.0]))
for_error(lambda: tf.metrics.accuracy([1, 2], [1, 2, 3]))
seen(tf.metrics.mean_absolute_error(X, Y)), seen(tf.metrics.mean_squared_error(X, Y, Y ** 2))
seen(tf.metrics.root_mean_squared_error(X, Y)), seen(tf.metrics.mean_relative_error(X, Y, np.maximum(Y, 0)))
seen(tf.metrics.mean_cosine_distance(X, Y, 1))
seen(tf.metrics.mean_cosine_distance(X, Y, dim=1, weights=[[1.0], [0.0], [2.0]]))
seen(tf.metrics.percentage_below(X, 0.3))
seen(tf.metrics.mean_per_class_accuracy(tf.constant(ONE), tf.constant(ONE)[::-1], 4))
seen(tf.metrics.mean_per_class_accuracy(tf.constant(FOUR), tf.constant(B1), 3, tf.constant(WS)))
seen(tf.metrics.true_positives(B1, B2)), seen(tf.metrics.false_positives(B1, B2, WS))
seen(tf.metrics.true_negatives(B1, B2)), seen(tf.metrics.false_negatives(B1, B2, 2))
seen(tf.metrics.precision(B1, B2)), seen(tf.metrics.recall(B1, B2, WS))
seen(tf.metrics.precision([0], [0])), seen(tf.metrics.recall([[True]], [[False]]))
seen(tf.metrics.mean_iou(tf.constant(FOUR), tf.constant(B1), 4))
seen(tf.metrics.mean_iou(tf.constant(PAIRS), tf.constant(TWO % 4), 4, tf.constant(PAIRS)))
seen(tf.metrics.auc(B1, P1)), seen(tf.metrics.auc(B1, P1, WS, 50))
seen(tf.metrics.auc(B1, P1, curve="PR", summation_method="careful_interpolation"))
seen(tf.metrics.auc(B1, P1, summation_method="minoring"))
seen(tf.metrics.auc(B1, P1, thresholds=[0.5, 0.3]))
seen(tf.metrics.auc(B1, P1, summation_method="majoring", curve="PR", num_thresholds=9))
for_error(lambda: tf.metrics.auc(B1, P1, curve="X")), for_error(lambda: tf.metrics.auc(B1, P1, summation_method="x"))
seen(tf.metrics.precision_at_thresholds(B1, P1, [0.2, 0.5, 0.9]))
seen(tf.metrics.recall_at_thresholds(B1, P1, [0.2, 0.5], WS))
seen(tf.metrics.true_positives_at_thresholds(B1, P1, [0.3]))
seen(tf.metrics.false_positives_at_thresholds(B1, P1, [0.3, 0.7]))
seen(tf.metrics.true_negatives_at_thresholds(B1, P1, [0.3, 0.7]))
seen(tf.metrics.false_negatives_at_thresholds(B1, P1, [0.3, 0.7]))
seen(tf.metrics.sensitivity_at_specificity(B1, P1, 0.5)), seen(tf.metrics.specificity_at_sensitivity(B1, P1, 0.5))
seen(tf.metrics.specificity_at_sensitivity(B1, P1, 0.7, WS, 20))
for_error(lambda: tf.metrics.sensitivity_at_specificity(B1, P1, 1.5))
seen(tf.metrics.recall_at_k(TRUE64, X[:2], 2)), seen(tf.metrics.recall_at_k(TWO, X[:2], 2))
seen(tf.metrics.recall_at_k(ONE, X, 1)), seen(tf.metrics.recall_at_k(LABELSETS, X, 2, class_id=1))
seen(tf.metrics.recall_at_k(LABELSETS, X, 3, weights=WS[:3]))
seen(tf.metrics.precision_at_k(TRUE64, X[:2], 2)), seen(tf.metrics.precision_at_k(LABELSETS, X, 2))
seen(tf.metrics.precision_at_k(TWO, X[:2], 3, class_id=3))
seen(tf.metrics.sparse_precision_at_k(LABELSETS, X, 2, weights=WS[:3]))
seen(tf.metrics.precision_at_top_k(TRUE64, tf.constant([[1, 2], [3, 0]], tf.int64)))
seen(tf.metrics.recall_at_top_k(LABELSETS, tf.constant([[1, 2], [3, 0], [2, 2]], tf.int64), 2))
tf.metrics.average_precision_at_k(PAIRS, X[:2], 3)[1]
tf.metrics.average_precision_at_k(PAIRS, X[:2], 4, WS[:2])[1]
tf.metrics.average_precision_at_k(LABELSETS, X, 2)[1]
tf.metrics.sparse_average_precision_at_k(ONE, X, 4)[1]
tf.metrics.mean(X, None, ["m"], "u") and (tf.get_collection("m"), tf.get_collection("u"))
seen(tf.metrics.mean(X, name="m")), seen(tf.metrics.mean(X, name="m")), len(tf.get_collection("metric_variables"))
"""


LOSSES = """
tf.losses.cosine_distance(X, Y, 1), tf.losses.cosine_distance(X, Y, dim=0, weights=[[1.0, 0.0, 2.0, 1.0]])
for_error(lambda: tf.losses.cosine_distance(X, Y))
tf.losses.mean_pairwise_squared_error(X, Y), tf.losses.mean_pairwise_squared_error(CUBE, CUBE ** 2, np.ones((2, 3, 1)))
tf.losses.mean_pairwise_squared_error(X, Y, [[1.0], [0.0], [2.0]]), tf.losses.mean_pairwise_squared_error(X, Y, 0.0)
tf.losses.mean_squared_error(X, Y, [[1.0], [0.0], [2.0]])
tf.losses.mean_squared_error(X, Y, Y, reduction="weighted_mean"), tf.losses.mean_squared_error(X, Y, 0.0)
tf.losses.mean_squared_error(X, Y, [[2.0], [0.0], [2.0]], reduction="weighted_sum_over_batch_size")
for_error(lambda: tf.losses.mean_squared_error(X, Y, [1.0, 2.0]))
for_error(lambda: tf.losses.mean_squared_error(X, Y, [1.0, 2.0, 3.0, 4.0]))
for_error(lambda: tf.losses.mean_squared_error(X, None)), for_error(lambda: tf.losses.mean_squared_error(X, Y[:2]))
for_error(lambda: tf.losses.absolute_difference(X, Y, reduction="mean"))
for_error(lambda: tf.losses.compute_weighted_loss(X, [[1.0], [2.0]])), tf.losses.absolute_difference(np.float64(X), Y)
tf.losses.huber_loss(X, Y * 5, delta=0.5)
tf.losses.absolute_difference([1, 2], [3, 5]), tf.losses.compute_weighted_loss(np.float64(X), 2)
tf.losses.hinge_loss(X > 0, Y, reduction="none"), tf.losses.log_loss(SHARES, SHARES, epsilon=0.1)
tf.losses.softmax_cross_entropy(X > 0, Y, [[1.0, 0.0, 2.0]][0], label_smoothing=0.2)
tf.losses.sigmoid_cross_entropy(X > 0, Y, label_smoothing=0.2)
tf.losses.sparse_softmax_cross_entropy(LABELS[:, None], X, weights=[[1.0], [0.0], [2.0]])
tf.losses.mean_squared_error(X, Y, loss_collection="mine").op.name
tf.losses.mean_squared_error(X, Y, scope="here").op.name, len(tf.losses.get_losses()), len(tf.get_collection("mine"))
tf.losses.get_losses("here")
tf.losses.absolute_difference(X, Y).op.name, tf.losses.softmax_cross_entropy(SHARES, X).op.name
tf.losses.sparse_softmax_cross_entropy(LABELS, X).op.name, tf.losses.sigmoid_cross_entropy(SHARES, X).op.name
tf.losses.huber_loss(X, Y).op.name, tf.losses.log_loss(SHARES, SHARES).op.name, tf.losses.hinge_loss(X, Y).op.name
tf.losses.cosine_distance(X, Y, 0).op.name
tf.losses.get_regularization_loss()
tf.losses.mean_squared_error(X, tf.placeholder_with_default(Y, None), tf.placeholder_with_default(X[:, :1], None))
tf.losses.Reduction.all()
slope(lambda x: tf.losses.mean_squared_error(x, Y, [[1.0], [0.0], [1.0]]), X)
slope(lambda x: tf.losses.mean_pairwise_squared_error(Y, x), X)
slope(lambda x: tf.losses.softmax_cross_entropy(tf.nn.softmax(x), x), X)
slope(lambda x: tf.losses.huber_loss(Y, x), X * 3)
"""


IMAGE = """
tf.image.rgb_to_yiq(IMAGES), tf.image.yiq_to_rgb(IMAGES), tf.image.rgb_to_yuv(IMAGES[0]), tf.image.yuv_to_rgb(IMAGES)
tf.image.adjust_gamma(np.abs(IMAGES), 0.5, 0.8), tf.image.adjust_gamma(BYTES, 2)
for_error(lambda: tf.image.adjust_gamma(IMAGES, -1))
tf.image.total_variation(tf.constant(IMAGES)), tf.image.total_variation(tf.constant(IMAGES[0]))
tf.image.psnr(IMAGES, IMAGES + 0.1, 1.0)
tf.image.psnr(BYTES, 255 - BYTES, 255)
tf.image.ssim(BIG, BIG ** 2, 1.0), tf.image.ssim(BIG[0], BIG[0] * 0.9, 1.0, 7, 1.0)
tf.image.ssim(BYTES, BYTES // 2, 255, filter_size=3), tf.image.ssim(BIG, BIG ** 2, 1.0, return_index_map=True)
tf.image.ssim_multiscale(BIG, BIG * 0.9, 1.0, (0.5, 0.3, 0.2), filter_size=3)
tf.image.ssim_multiscale(BIG[0], BIG[0] * 0.9, 1.0, (0.5, 0.5), filter_size=3)
tf.image.sobel_edges(tf.constant(IMAGES)), tf.image.image_gradients(tf.constant(IMAGES))
for_error(lambda: tf.image.image_gradients(tf.constant(X)))
for_error(lambda: tf.image.total_variation(tf.constant(X)))
tf.image.crop_and_resize(IMAGES, [[0.1, 0.2, 0.8, 0.9], [0.0, 0.0, 1.5, 1.0]], [0, 1], [3, 4])
tf.image.crop_and_resize(IMAGES, [[0.0, 0.0, 1.5, 1.0]], [1], [2, 2], "nearest", extrapolation_value=2)
tf.image.non_max_suppression(BOXES, POINTS, 3), tf.image.non_max_suppression(BOXES, POINTS, 3, 0.9, 0.5)
tf.image.non_max_suppression_with_scores(BOXES, POINTS, 3, soft_nms_sigma=0.5)
tf.image.non_max_suppression_padded(BOXES, POINTS, 4, pad_to_max_output_size=True)
tf.image.non_max_suppression_overlaps(np.float32([[1, 0.6], [0.6, 1]]), POINTS[:2], 2)
tf.image.combined_non_max_suppression(BOXES[None, :, None], POINTS[None, :, None], 2, 3)
tf.image.draw_bounding_boxes(np.abs(IMAGES), [[[0.1, 0.2, 0.8, 0.9]]] * 2, colors=[[1.0, 0.0, 0.5]])
tf.image.sample_distorted_bounding_box([9, 9, 3], [[[0.1, 0.2, 0.8, 0.9]]], seed=3, seed2=4)
tf.image.flip_left_right(IMAGES), tf.image.flip_up_down(IMAGES), tf.image.transpose(IMAGES)
tf.image.transpose_image(IMAGES[0]), tf.image.rot90(IMAGES, 3), for_error(lambda: tf.image.flip_up_down(X))
tf.image.resize(IMAGES, [3, 9]), tf.image.resize_images(IMAGES, [3, 9], preserve_aspect_ratio=True)
tf.image.resize_images(IMAGES[:, :, :5], [4, 4], preserve_aspect_ratio=True)
tf.image.resize_image_with_pad(IMAGES, 4, 7), tf.image.resize_image_with_pad(IMAGES[0, :4], 9, 9, 1)
tf.image.resize_bilinear(IMAGES, [9, 4], half_pixel_centers=True)
tf.image.resize_bicubic(IMAGES, [9, 4], half_pixel_centers=True)
tf.image.resize_nearest_neighbor(IMAGES, [9, 4], half_pixel_centers=True), tf.image.resize_area(IMAGES, [4, 4])
tf.image.resize_with_crop_or_pad(IMAGES[0], 4, 9)
tf.image.extract_patches(IMAGES, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")
tf.image.extract_image_patches(IMAGES, sizes=[1, 3, 3, 1], strides=[1, 2, 2, 1], rates=[1, 1, 1, 1], padding="SAME")
tf.image.convert_image_dtype(IMAGES, tf.uint8, saturate=True), tf.image.convert_image_dtype(BYTES, tf.uint16)
tf.image.convert_image_dtype(BYTES, tf.float32)
tf.image.is_jpeg(tf.image.encode_jpeg(BYTES[0])), tf.image.is_jpeg(tf.image.encode_png(BYTES[0]))
tf.image.decode_image(tf.image.encode_png(BYTES[0])), tf.image.extract_jpeg_shape(tf.image.encode_jpeg(BYTES[0]))
tf.image.random_crop(IMAGES, [1, 3, 3, 3], seed=3), tf.image.rgb_to_grayscale(np.abs(IMAGES), "g")
tf.image.adjust_brightness(IMAGES, 0.1), tf.image.adjust_contrast(IMAGES, 2.0), tf.image.adjust_hue(np.abs(IMAGES), 0.1)
tf.image.adjust_saturation(np.abs(IMAGES), 0.5)
"""


def sparse(tf):
    """Sparse tensors by name: bags of ids, some of them bad, and labels of sequences."""
    ids = tf.SparseTensor([[0, 0], [0, 2], [1, 1], [3, 0]], tf.constant([2, 1, 1, 0], tf.int64), [4, 3])
    holes = tf.SparseTensor([[0, 0], [0, 1], [2, 0], [3, 0]], tf.constant([1, -1, -1, 0], tf.int64), [4, 2])
    return {
        "IDS": ids,
        "WEIGHTS": tf.SparseTensor(ids.indices, [0.5, 2.0, 1.0, 3.0], [4, 3]),
        "HOLES": holes,
        "HOLEWEIGHTS": tf.SparseTensor(holes.indices, [0.5, 2.0, 1.0, -3.0], [4, 2]),
        "LABELSETS": tf.SparseTensor([[0, 0], [0, 1], [1, 0], [2, 0]], tf.constant([1, 2, 7, 0], tf.int64), [3, 3]),
        "DEEP": tf.SparseTensor([[0, 0, 0], [1, 0, 1]], tf.constant([1, 2], tf.int64), [2, 2, 2]),
        "CTC": tf.SparseTensor([[0, 0], [0, 1], [1, 0]], tf.constant([1, 2, 1]), [2, 2]),
    }


def values(tf, line, known=None, more=None):
    """What a program gives: a flat list of arrays, bytes and names; more(tf, session) are names for the line."""

    def for_error(build):
        try:
            build()
        except Exception as error:
            return next(kind.__name__ for kind in (TypeError, ValueError, Exception) if isinstance(error, kind))
        return "no error"

    def seen(pair):
        """A metric's update, its value, its variables' names, then what a second batch gives."""
        session.run(tf.local_variables_initializer())
        first = session.run(pair[1]), session.run(pair[0])
        names = [v.name for v in tf.local_variables()]
        return [*first, *names, pair[0].op.name, session.run(pair[1]), session.run(pair[0])]

    with tf.Graph().as_default(), tf.Session() as session:
        short = {"tf": tf, "for_error": for_error, "seen": seen}
        short["slope"] = lambda f, at: tf.gradients(f(x := tf.constant(at)), x)
        short.update(sparse(tf))
        short["DRAWN"] = tf.nn.uniform_candidate_sampler(TRUE, 1, 2, True, 3, seed=1)
        known = {**(known or globals()), **short, **(more(tf, session) if more else {})}
        return fetched(tf, session, line, known, flattened)


def flattened(built):
    if isinstance(built, (list, tuple)):
        for part in built:
            yield from flattened(part)
    elif hasattr(built, "dense_shape"):
        yield from (built.indices, built.values, built.dense_shape)
    elif built is not None:
        yield built


@pytest.mark.parametrize("line", lines(WINDOWS, FUNCTIONS, METRICS, LOSSES, IMAGE))
def test_a_line_gives_what_tensorflow_gives(tensorflow, line):
    compare(tensorflow, line, values)
