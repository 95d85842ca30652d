"""refflow.compat.v1 and tensorflow.compat.v1: the same lines, the same values. Layers and cells need tf_keras there."""

import importlib.util
import os

import numpy as np
import pytest

import refflow.compat.v1
from tests.peers.stand_in import unlikeness

pytestmark = pytest.mark.peers
os.environ["TF_USE_LEGACY_KERAS"] = "1"

R = np.random.default_rng(5)
X = R.normal(size=(3, 4)).astype(np.float32)
Y = R.normal(size=(3, 4)).astype(np.float32)
CUBE = R.normal(size=(2, 3, 4)).astype(np.float32)
IMAGES = R.normal(size=(2, 6, 6, 3)).astype(np.float32)
TRUE = np.array([[1], [0]])
LABELS = np.array([1, 0, 3], np.int32)
SHARES = np.exp(Y) / np.exp(Y).sum(1, keepdims=True)

# Each line is a program: what it builds is run, after all initializers.
ARRAYS = """
tf.concat([X, Y], 1)
tf.concat([X, Y], axis=-1)
tf.concat([X], 0)
tf.split(X, 2, 1)
tf.split(X, [1, 3], axis=1)
tf.split(value=X, num_or_size_splits=3, axis=0)
tf.stack([X, Y])
tf.stack([X, Y], axis=1)
tf.unstack(CUBE, axis=1)
tf.unstack(CUBE)
tf.expand_dims(X, axis=1)
tf.expand_dims(X, -1)
tf.squeeze(X[None], axis=0)
tf.squeeze(X[None], axis=[0])
tf.squeeze(X[None])
tf.shape(CUBE), tf.shape(CUBE, out_type=tf.int64), tf.size(CUBE), tf.rank(CUBE)
tf.gather(X, [2, 0]), tf.gather(X, [1, 1], axis=1)
tf.gather_nd(CUBE, [[0, 1], [1, 2]])
tf.scatter_nd([[1], [3]], [9.0, 8.0], [5])
tf.reverse(X, axis=[1]), tf.reverse(X, [0, 1])
tf.pad(X, [[1, 0], [0, 2]]), tf.pad(X, [[1, 1], [1, 1]], "REFLECT"), tf.pad(X, [[1, 0], [0, 2]], constant_values=7)
tf.broadcast_to([1.0, 2.0], [3, 2])
tf.where(X > 0, X, Y), tf.where(X > 0)
tf.one_hot(LABELS, 5), tf.one_hot(LABELS, 5, on_value=2, off_value=-1), tf.one_hot(LABELS, 4, axis=0, dtype=tf.int64)
tf.one_hot([[0, 1], [2, -1]], 3, 5.0)
tf.boolean_mask(X, [True, False, True]), tf.boolean_mask(CUBE, [[True, False, True], [False, False, True]])
tf.boolean_mask(X, [True, False, True, True], axis=1)
tf.sequence_mask([1, 3, 0]), tf.sequence_mask([1, 3], 4, dtype=tf.float32)
tf.matrix_band_part(X, 1, 0), tf.matrix_diag([1.0, 2.0])
tf.meshgrid([1, 2, 3], [4, 5]), tf.meshgrid([1, 2, 3], [4, 5], indexing="ij")
tf.argsort([3.0, 1.0, 2.0]), tf.argsort(X, direction="DESCENDING")
tf.placeholder_with_default(X, [None, 4]) * 2
tf.strided_slice(X, [0, 1], [3, 4], [2, 1])
tf.transpose(CUBE, [2, 0, 1]), tf.transpose(X)
tf.constant(X)[1:, ::-1], tf.constant(X)[..., -1], tf.constant(X)[:, tf.newaxis], tf.constant(X)[1, 2]
tf.tile(X, [1, 2]), tf.fill([2, 3], 4), tf.zeros_like(X), tf.ones([2, 2], tf.int32), tf.range(2, 10, 3), tf.range(4)
tf.linspace(0.0, 1.0, 5), tf.cast(X, tf.int32), tf.to_float(LABELS), tf.to_int32(X), tf.to_int64(X)
tf.reshape(CUBE, [-1, 2]), tf.slice(X, [0, 1], [2, -1])
"""
MATH = """
tf.multiply(X, Y), tf.subtract(X, Y), tf.negative(X), tf.divide(X, Y), tf.add(X, Y), tf.reciprocal(X)
tf.divide(7, 2), tf.floor_div(7, -2), tf.floormod(-7, 3), tf.truediv(7, 2)
tf.squared_difference(X, Y), tf.atan2(X, Y), tf.tan(X), tf.atan(X), tf.erf(X), tf.erfc(X), tf.expm1(X)
tf.log1p(tf.abs(X)), tf.lgamma(tf.abs(X)), tf.digamma(tf.abs(X) + 1), tf.rint(X), tf.log_sigmoid(X)
tf.reduce_sum(X), tf.reduce_sum(X, 0), tf.reduce_sum(X, axis=[0, 1]), tf.reduce_sum(X, -1, keepdims=True)
tf.reduce_mean(X, 1, keep_dims=True), tf.reduce_max(X, reduction_indices=[1]), tf.reduce_min(X), tf.reduce_prod(X, 0)
tf.reduce_all(X > -9, 1), tf.reduce_any(X > 1), tf.reduce_logsumexp(X * 100), tf.reduce_logsumexp(X, 1)
tf.reduce_logsumexp(X, 1, keepdims=True), tf.count_nonzero(X > 0), tf.count_nonzero([[0, 1], [2, 0]], axis=1)
tf.argmax(X), tf.argmax(X, 1), tf.argmin(X, axis=1), tf.argmax(X, 1, output_type=tf.int32)
tf.cumsum(X), tf.cumsum(X, 1, exclusive=True, reverse=True), tf.cumprod(X, axis=1)
tf.matmul(X, Y, transpose_b=True), tf.matmul(CUBE, CUBE, transpose_b=True), tf.matmul(CUBE, CUBE, adjoint_a=True)
tf.tensordot(CUBE, tf.transpose(X), 1), tf.tensordot(CUBE, CUBE, [[0, 2], [0, 2]])
tf.tensordot(X, X, 2)
tf.confusion_matrix([1, 2, 2], [1, 0, 2]), tf.confusion_matrix([0, 1], [1, 1], num_classes=3, dtype=tf.int64)
tf.pow(tf.abs(X), 2.5), tf.maximum(X, 0), tf.clip_by_value(X, -0.5, 0.5), tf.sign(X), tf.round(X * 3), tf.square(X)
tf.constant(X) ** 2, 2.0 ** tf.constant(X), tf.constant(X) // 2, -tf.constant(X), abs(tf.constant(X))
tf.constant(7) // 2
tf.equal(X, X), tf.logical_and(X > 0, Y > 0), tf.logical_xor(X > 0, Y > 0), tf.is_nan(X)
tf.unique([3, 1, 3]), tf.segment_sum(X, [0, 0, 1]), tf.unsorted_segment_sum(X, [1, 0, 1], 2), tf.global_norm([X, Y])
tf.clip_by_norm(X, 1.0), tf.clip_by_global_norm([X, Y], 1.0)[0]
"""
NN = """
tf.nn.relu(X), tf.nn.relu6(X * 9), tf.nn.elu(X), tf.nn.selu(X), tf.nn.leaky_relu(X), tf.nn.leaky_relu(X, 0.3)
tf.nn.softplus(X), tf.nn.softsign(X), tf.nn.sigmoid(X), tf.nn.tanh(X), tf.nn.crelu(X)
tf.nn.softmax(X), tf.nn.softmax(CUBE), tf.nn.softmax(X, axis=0), tf.nn.softmax(CUBE, 1), tf.nn.log_softmax(CUBE)
tf.nn.softmax_cross_entropy_with_logits(labels=SHARES, logits=X)
tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.nn.softmax(CUBE), logits=CUBE)
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=LABELS, logits=X)
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[[0, 1, 2], [3, 2, 1]], logits=CUBE)
tf.nn.sigmoid_cross_entropy_with_logits(labels=SHARES, logits=X)
tf.nn.weighted_cross_entropy_with_logits(labels=SHARES, logits=X, pos_weight=2.0)
tf.nn.log_poisson_loss(tf.abs(X), Y)
tf.nn.conv2d(IMAGES, W, [1, 2, 2, 1], "SAME"), tf.nn.conv2d(IMAGES, W, strides=[1, 1, 1, 1], padding="VALID")
tf.nn.conv2d(IMAGES, filter=W, strides=1, padding="SAME"), tf.nn.conv1d(CUBE, W1, stride=1, padding="SAME")
tf.nn.conv2d_transpose(IMAGES, W, [2, 12, 12, 3], [1, 2, 2, 1])
tf.nn.depthwise_conv2d(IMAGES, W, [1, 1, 1, 1], "SAME")
tf.nn.depthwise_conv2d(IMAGES, W, [1, 1, 1, 1], "VALID", rate=[2, 2])
tf.nn.max_pool(IMAGES, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), tf.nn.avg_pool(IMAGES, [1, 3, 3, 1], [1, 2, 2, 1], "SAME")
tf.nn.max_pool_with_argmax(IMAGES, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
tf.nn.max_pool_with_argmax(IMAGES, [1, 3, 3, 1], [1, 2, 2, 1], "VALID", output_dtype=tf.int32)
tf.nn.max_pool_with_argmax(IMAGES, [1, 2, 2, 1], [1, 2, 2, 1], "VALID", include_batch_in_index=True)
tf.nn.conv2d(IMAGES, W, strides=1, padding=[[0, 0], [1, 0], [2, 1], [0, 0]])
tf.nn.conv2d_backprop_input([2, 6, 6, 3], W, tf.ones([2, 6, 6, W.shape[3]]), [1, 1, 1, 1], "SAME")
tf.nn.conv2d_backprop_filter(IMAGES, W.shape, tf.ones([2, 6, 6, W.shape[3]]), [1, 1, 1, 1], "SAME")
tf.nn.max_pool(IMAGES, ksize=2, strides=2, padding="VALID"), tf.nn.bias_add(X, [1.0, 2.0, 3.0, 4.0])
tf.nn.dropout(X, 0.5, seed=3), tf.nn.dropout(X, rate=0.3, seed=4), tf.nn.dropout(X, keep_prob=1.0)
tf.nn.dropout(X, 0.5, noise_shape=[3, 1], seed=5)
tf.nn.moments(X, [0]), tf.nn.moments(CUBE, axes=[0, 1], keep_dims=True)
tf.nn.batch_normalization(X, X[0], Y[0] ** 2, X[1], None, 1e-3), tf.nn.l2_normalize(X, 1), tf.nn.l2_normalize(X, axis=0)
tf.nn.fused_batch_norm(IMAGES, [1.0, 2.0, 3.0], [0.0, 1.0, 2.0])[:2]
tf.nn.top_k(X, 2), tf.nn.in_top_k(X, LABELS, 2), tf.nn.l2_loss(X), tf.nn.zero_fraction([0.0, 1.0, 2.0])
tf.nn.embedding_lookup(X, [2, 0]), tf.nn.embedding_lookup([X, Y], [0, 3, 5])
tf.nn.embedding_lookup(X, [1], max_norm=0.5)
tf.nn.xw_plus_b(X, tf.transpose(Y), [1.0, 2.0, 3.0]), tf.nn.lrn(IMAGES)
tf.nn.nce_loss(X, X[:, 0], TRUE, X[:2], 2, 3, 1, tf.nn.uniform_candidate_sampler(TRUE, 1, 2, True, 3, seed=1))
tf.nn.sampled_softmax_loss(X, X[:, 0], TRUE, X[:2], 2, 3, seed=4)
tf.nn.separable_conv2d(IMAGES, W[..., :1], tf.ones([1, 1, 3, 2]), [1, 1, 1, 1], "SAME")
"""
VARIABLES = """
tf.get_variable("v", [2, 3], initializer=tf.glorot_uniform_initializer(seed=1))
tf.get_variable("v", [2, 3], initializer=tf.truncated_normal_initializer(stddev=0.1, seed=1))
tf.get_variable("v", [3, 3, 2, 4], initializer=tf.glorot_normal_initializer(seed=2))
tf.get_variable("v", [5], initializer=tf.random_uniform_initializer(-1, 1, seed=2))
tf.get_variable("v", [5], initializer=tf.random_normal_initializer(seed=2)), tf.get_variable("w", initializer=X)
tf.get_variable("v", [5, 2], initializer=tf.variance_scaling_initializer(2.0, seed=3))
tf.get_variable("v", [5, 2], initializer=tf.variance_scaling_initializer(1, "fan_out", "uniform", seed=3))
tf.get_variable("v", [2, 2], initializer=tf.constant_initializer([1, 2, 3, 4]))
tf.get_variable("w", [2], tf.int32, tf.zeros_initializer())
tf.get_variable("v", [2], initializer=tf.ones_initializer()), tf.get_variable("w", (), initializer=tf.zeros_initializer)
tf.get_variable("v", [4, 2], initializer=tf.uniform_unit_scaling_initializer(seed=4))
tf.Variable(X, name="x", dtype=tf.float32) * 2, tf.Variable(lambda: 3.0).assign_add(1.0)
tf.Variable(tf.random_normal([2, 2], seed=7)), tf.Variable(tf.truncated_normal([2, 2], seed=7))
tf.Variable(5).read_value()
tf.random_uniform([4], seed=3), tf.random_uniform([4], 1, 10, tf.int32, seed=3), tf.random_shuffle([1, 2, 3, 4], seed=3)
tf.report_uninitialized_variables([tf.Variable(1.0)])
tf.losses.mean_squared_error(X, Y), tf.losses.absolute_difference(X, Y, weights=2.0), tf.losses.huber_loss(X, Y * 3)
tf.losses.log_loss(SHARES, SHARES), tf.losses.hinge_loss([[0.0, 1.0]], [[0.3, 0.4]]), tf.losses.get_losses()
tf.losses.softmax_cross_entropy(SHARES, X), tf.losses.softmax_cross_entropy(SHARES, X, label_smoothing=0.1)
tf.losses.sparse_softmax_cross_entropy(LABELS, X, weights=[1.0, 0.0, 2.0]), tf.losses.get_total_loss()
tf.losses.sparse_softmax_cross_entropy(LABELS[:, None], X), tf.losses.sigmoid_cross_entropy(SHARES, X)
tf.losses.mean_squared_error(X, Y, reduction=tf.losses.Reduction.SUM), tf.losses.mean_squared_error(X, Y, X > 0)
tf.losses.mean_squared_error(X, Y, reduction="none")
tf.losses.mean_squared_error(X, Y, reduction=tf.losses.Reduction.MEAN)
tf.metrics.accuracy([1, 0, 1], [1, 1, 1])[1], tf.metrics.mean(X)[1], tf.metrics.mean(X, weights=X > 0)[1]
tf.metrics.precision([1, 0, 1, 0], [1, 1, 1, 0])[1], tf.metrics.recall([1, 0, 1, 1], [1, 1, 0, 0])[1]
tf.metrics.mean_squared_error(X, Y)[1]
tf.train.polynomial_decay(0.1, 3, 10), tf.train.piecewise_constant(7, [5, 10], [1.0, 0.5, 0.1])
tf.train.exponential_decay(0.1, 5, 2, 0.9)
tf.train.inverse_time_decay(0.1, 3, 2, 0.5), tf.train.inverse_time_decay(0.1, 3, 2, 0.5, True)
tf.train.get_or_create_global_step(), tf.py_func(lambda a, b: a + 2 * b, [X, Y], tf.float32)
tf.py_func(lambda a: (a.sum(), np.int64(a.size)), [X], [tf.float32, tf.int64])
"""
MORE = """
tf.image.resize_images(IMAGES, [3, 9]), tf.image.resize_images(IMAGES, [3, 9], 1)
tf.image.resize_images(IMAGES[0], [4, 4], 3)
tf.image.resize_images(IMAGES, [9, 4], tf.image.ResizeMethod.BICUBIC)
tf.image.resize_bilinear(IMAGES, [9, 4], align_corners=True)
tf.image.per_image_standardization(IMAGES[0]), tf.image.per_image_standardization(IMAGES)
tf.image.central_crop(IMAGES[0], 0.5), tf.image.rot90(IMAGES[0]), tf.image.rot90(IMAGES[0], 3)
tf.image.flip_up_down(IMAGES[0])
tf.image.crop_to_bounding_box(IMAGES[0], 1, 2, 3, 3), tf.image.pad_to_bounding_box(IMAGES[0], 1, 2, 9, 9)
tf.image.resize_image_with_crop_or_pad(IMAGES[0], 4, 8)
tf.image.convert_image_dtype(np.uint8([[[255, 0, 9]]]), tf.float32)
tf.image.rgb_to_grayscale(np.abs(IMAGES)), tf.image.grayscale_to_rgb(tf.constant(IMAGES[..., :1]))
tf.image.rgb_to_hsv(np.abs(IMAGES))
tf.image.adjust_brightness(IMAGES[0] * 0.1, 0.2), tf.image.adjust_contrast(IMAGES[0], 2.0)
tf.image.flip_left_right(IMAGES[0])
tf.random_crop(X, [2, 3], seed=3), tf.random_crop(IMAGES, [1, 3, 3, 3], seed=4), tf.multinomial(X, 5, seed=3)
tf.random_gamma([4], [0.5, 2.0], seed=3), tf.random_gamma([2], 3.0, beta=2.0, seed=3)
tf.eye(3), tf.eye(2, 3, batch_shape=[2]), tf.trace(CUBE), tf.diag_part(X[:, :3]), tf.matrix_diag_part(CUBE)
tf.matrix_transpose(CUBE)
tf.norm(X), tf.norm(X, ord=1, axis=1), tf.norm(X, np.inf, axis=0, keepdims=True), tf.norm(X, 3, axis=1)
tf.matrix_solve(X[:, :3], Y), tf.unique_with_counts([3, 1, 3, 3]), tf.bincount([1, 3, 1])
tf.bincount([1, 3, 1], minlength=6)
tf.bincount([1, 0, 1], weights=[0.5, 1.0, 2.0]), tf.space_to_depth(IMAGES, 2)
tf.extract_image_patches(IMAGES, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")
tf.string_join(["a", ["b", "c"]], "-"), tf.as_string([1, 2]), tf.as_string([1.5], precision=2), tf.substr("hello", 1, 3)
tf.range(0.0, 1.0, 0.25), tf.range(0, 3.0), tf.range(3, dtype=tf.float32), tf.lin_space(0.0, 1.0, 3)
tf.zeros([2], tf.bool), tf.ones([2], tf.bool), tf.zeros([2], tf.string), tf.zeros(tf.constant([2, 1]), tf.bool)
tf.random_uniform([9], maxval=10, dtype=tf.int32, seed=1), tf.random.uniform([2], 1, 2, seed=1)
tf.random.categorical(X, 3, seed=2), tf.random_poisson([3.0, 9.0], [5], seed=1), tf.random.normal([3], seed=4)
tf.random.stateless_uniform([2], [1, 2]), tf.random.stateless_normal([2], [1, 2], 1.0, 2.0)
tf.random.stateless_uniform([3], [1, 2], -2, 9, tf.int32), tf.random.shuffle([1, 2, 3, 4], seed=3)
tf.einsum("ij,kj->ik", X, Y), tf.einsum("bij, bkj -> bik", CUBE, CUBE), tf.einsum("ij,jk", X, Y.T)
tf.shape_n([X, CUBE]), tf.identity_n([X, 1]), tf.sparse_tensor_to_dense(tf.SparseTensor([[0, 1]], [5], [2, 3]))
tf.hessians(tf.reduce_sum(tf.Variable(X) ** 3), tf.trainable_variables()), tf.Variable(X, trainable=False).trainable
tf.scatter_nd_update(tf.Variable(X), [[0, 1]], [7.0])
tf.scatter_nd_add(tf.Variable(X), [[1]], Y[:1]), tf.scatter_nd_sub(tf.Variable(X), [[1]], Y[:1])
str(tf.assert_type(X, tf.float32).type)
tf.broadcast_static_shape(tf.TensorShape([1, 3]), tf.TensorShape([2, 1])).as_list()
int(tf.Dimension(3) + 1), tf.dimension_value(tf.Dimension(None)), int(tf.dimension_at_index(tf.TensorShape([2, 3]), 1))
tf.reduce_join([["a", "b"], ["c", "d"]], axis=1, separator="+"), tf.reduce_join([["a", "b"], ["c", "d"]])
tf.regex_replace("banana", "an", "AN"), tf.string_to_hash_bucket_fast(["a", "b"], 100)
tf.string_split(["a b", "c"]).values, tf.string_split(["a,b", ",c"], ",").indices
"""
FLOW = """
tf.cond(tf.reduce_sum(X) > 0, lambda: tf.constant(X) * 2, lambda: tf.constant(Y))
tf.cond(tf.constant(False), lambda: 1, lambda: 2)
tf.while_loop(lambda i, a: i < 5, lambda i, a: (i + 1, a * 2.0), [0, 1.0])
tf.while_loop(lambda i: i < 7, lambda i: i + 2, [0])
tf.while_loop(lambda i: i < 7, lambda i: i + 2, [0], maximum_iterations=2)
slope(lambda w: tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * w), [0, 1.0])[1], 2.0)
slope(lambda x: tf.map_fn(lambda row: tf.reduce_sum(row ** 2) * row, x), X)
slope(lambda x: tf.scan(lambda a, r: a * r, x), X)
slope(lambda x: tf.cond(x[0, 0] > 0, lambda: x * x, lambda: 3 * x), X)
slope(lambda x: tf.foldl(lambda a, r: a * r, x), X)
tf.map_fn(lambda row: tf.reduce_sum(row) * row, X), tf.map_fn(lambda p: p[0] - p[1], (X, Y), dtype=tf.float32)
tf.scan(lambda a, x: a + x, X), tf.scan(lambda a, x: a * x, X, initializer=tf.ones([4]))
tf.foldl(lambda a, x: a - x, X)
tf.foldr(lambda a, x: a - x, X), tf.foldl(lambda a, x: a + x, X, initializer=tf.ones([4]))
tf.case([(tf.less(9, 1), lambda: tf.constant(3)), (tf.less(1, 9), lambda: tf.constant(4))], lambda: tf.constant(5))
tf.TensorArray(tf.float32, 3).scatter([0, 2], X[:2]).write(1, Y[0]).stack()
tf.TensorArray(tf.float32, 3).unstack(X).read(2)
"""
LAYERS = """
tf.layers.dense(X, 5, tf.nn.relu, kernel_initializer=start())
tf.layers.dense(CUBE, 2, kernel_initializer=start()), [v.name for v in tf.global_variables()]
tf.layers.conv2d(IMAGES, 4, 3, padding="same", kernel_initializer=start())
tf.layers.conv2d(IMAGES, 4, [3, 2], (2, 1), activation=tf.nn.tanh, kernel_initializer=start(), name="c")
tf.layers.conv1d(CUBE, 2, 2, kernel_initializer=start())
tf.layers.conv2d_transpose(IMAGES, 2, 5, 2, padding="same", kernel_initializer=start())
tf.layers.conv2d_transpose(IMAGES, 2, 4, 3, kernel_initializer=start())
tf.layers.separable_conv2d(IMAGES, 2, 3, depthwise_initializer=start(), pointwise_initializer=start())
tf.layers.max_pooling2d(IMAGES, 2, 2), tf.layers.average_pooling2d(IMAGES, [3, 3], [1, 2], padding="same")
tf.layers.flatten(CUBE)
tf.layers.batch_normalization(X), tf.layers.batch_normalization(IMAGES, training=True), tf.layers.dropout(X, 0.5)
tf.layers.batch_normalization(X, training=True), [v.name for v in tf.global_variables()]
tf.layers.dropout(X, 0.5, seed=3, training=True)
tf.layers.Dense(3, kernel_initializer=start())(X), [v.name for v in tf.global_variables()], tf.layers.Flatten()(CUBE)
[(d(X), d(Y)) for d in [tf.layers.Dense(3, name="d")]], [v.name for v in tf.global_variables()]
tf.layers.Conv2D(2, 3, kernel_initializer=start())(IMAGES), tf.layers.MaxPooling2D(2, 2)(IMAGES)
tf.layers.BatchNormalization()(X, training=True), [v.name for v in tf.global_variables()]
tf.nn.static_rnn(cells().BasicRNNCell(2), [tf.constant(X), tf.constant(Y)], dtype=tf.float32)
tf.nn.static_rnn(cells().BasicLSTMCell(2), [tf.constant(X), tf.constant(Y)], dtype=tf.float32)
tf.nn.dynamic_rnn(cells().LSTMCell(2, use_peepholes=True, num_proj=3), CUBE, dtype=tf.float32, sequence_length=[3, 1])
tf.nn.dynamic_rnn(cells().GRUCell(2), CUBE, dtype=tf.float32), [v.name for v in tf.global_variables()]
tf.nn.dynamic_rnn(cells().MultiRNNCell([cells().BasicLSTMCell(2), cells().GRUCell(3)]), CUBE, dtype=tf.float32)
tf.nn.dynamic_rnn(cells().BasicRNNCell(2), tf.constant(CUBE), dtype=tf.float32, time_major=True)
[v.name for v in tf.trainable_variables()]
tf.nn.bidirectional_dynamic_rnn(cells().GRUCell(2), cells().GRUCell(2), CUBE, dtype=tf.float32, sequence_length=[2, 3])
tf.nn.dynamic_rnn(cells().LSTMCell(2, state_is_tuple=False), CUBE, dtype=tf.float32)
tf.nn.dynamic_rnn(cells().GRUCell(2), tf.placeholder_with_default(CUBE, [2, None, 4]), [2, 3], dtype=tf.float32)
cells().GRUCell(3).zero_state(2, tf.float32), cells().LSTMCell(3).zero_state(2, tf.float32)
"""
W = R.normal(size=(3, 3, 3, 3)).astype(np.float32)
W1 = R.normal(size=(2, 4, 3)).astype(np.float32)


def lines(*texts):
    return [line for text in texts for line in text.strip().splitlines()]


def values(tf, line):
    """What a program gives: a flat list of arrays, bytes and names."""
    with tf.Graph().as_default(), tf.Session() as session:
        short = {"tf": tf, "start": lambda: tf.glorot_uniform_initializer(seed=1), "cells": lambda: tf.nn.rnn_cell,
                 "slope": lambda f, at: (lambda x: tf.gradients(f(x), x))(tf.constant(at))}  # fmt: skip
        return fetched(tf, session, line, {**globals(), **short}, flattened)


def fetched(tf, session, line, known, parts):
    """The parts of what a line builds from known names, tensors by their values."""
    with tf.variable_scope("", initializer=tf.glorot_uniform_initializer(seed=11)):
        built = eval(line, known)
    session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    flat = list(parts(built))
    found = iter(session.run([t for t in flat if hasattr(t, "graph")]))
    return [next(found) if hasattr(t, "graph") else t for t in flat]


def flattened(built):
    if isinstance(built, (list, tuple)):
        for part in built:
            yield from flattened(part)
    elif not callable(built) or hasattr(built, "graph"):
        yield built


@pytest.fixture(scope="module")
def tensorflow():
    module = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")
    return module.compat.v1


def compare(theirs, line, of=values):
    expected, found = of(theirs, line), of(refflow.compat.v1, line)
    assert len(expected) == len(found)
    for i, (e, f) in enumerate(zip(expected, found, strict=True)):
        unlike = e != f if isinstance(e, str) else unlikeness(e, f, 2e-5, 2e-6)
        assert not unlike, f"{i}: {unlike or (e, f)}"


@pytest.mark.parametrize("line", lines(ARRAYS, MATH, NN, VARIABLES, FLOW, MORE))
def test_a_line_gives_what_tensorflow_gives(tensorflow, line):
    with tensorflow.Graph().as_default():
        compare(tensorflow, line)


@pytest.mark.skipif(importlib.util.find_spec("tf_keras") is None, reason="layers and cells of TensorFlow are tf_keras'")
@pytest.mark.parametrize("line", lines(LAYERS))
def test_layers_and_cells_give_what_tensorflow_s_give(tensorflow, line):
    compare(tensorflow, line)
