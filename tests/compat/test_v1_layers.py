"""refflow.compat.v1.layers: what a layer makes, when, under which names, and what it says of itself."""

import copy

import numpy as np
import pytest

import refflow.compat.v1 as tf

X = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], np.float32)
CUBE = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
IMAGE = np.arange(36, dtype=np.float32).reshape(1, 6, 6, 1)
ONES = tf.ones_initializer()


def run(fetches, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feeds)


class Scale(tf.layers.Layer):
    """A layer of one's own."""

    def build(self, input_shape):
        self.factor = self.add_weight("factor", [int(input_shape[-1])], initializer=ONES, regularizer=tf.reduce_sum)
        self.calls = self.add_variable("calls", [], trainable=False, initializer=tf.zeros_initializer())
        self.built = True

    def call(self, inputs, by=2.0):
        self.add_update(tf.assign_add(self.calls, 1.0), inputs=inputs)
        return inputs * self.factor * by


def test_a_class_of_one_s_own_builds_once_and_is_called_often():
    layer = Scale(name="scale")
    with pytest.raises(ValueError, match="has not been used yet"):
        _ = layer.scope_name
    first, second = layer(X), layer(X, by=3.0)
    np.testing.assert_allclose(run(first), 2 * X)
    np.testing.assert_allclose(run(second), 3 * X)
    assert [v.name for v in layer.variables] == ["scale/factor:0", "scale/calls:0"]
    assert layer.trainable_weights == [layer.factor]
    assert layer.non_trainable_weights == [layer.calls]
    assert layer.count_params() == 4
    assert layer.scope_name == "scale"
    assert layer.dtype is tf.float32
    assert run(layer.losses) == [3]
    assert tf.losses.get_regularization_losses() == layer.losses
    assert tf.get_collection(tf.GraphKeys.UPDATE_OPS) == layer.updates
    assert len(layer.updates) == 2
    assert layer.get_losses_for(None) == layer.losses
    assert layer.get_updates_for(None) == []
    assert layer.get_output_at(1) is second
    with pytest.raises(AttributeError, match="multiple inbound nodes"):
        _ = layer.output


def test_nodes_of_every_call_lie_in_the_layer_s_scope():
    layer = tf.layers.Dense(2, name="d")
    assert [layer(X).op.name, layer(X).op.name] == ["d/BiasAdd", "d/BiasAdd_1"]
    with tf.variable_scope("outer"):
        assert tf.layers.dense(X, 2).op.name == "outer/dense/BiasAdd"
        assert tf.layers.dense(X, 2, tf.nn.relu).op.name == "outer/dense_1/Relu"
    names = ["d/kernel:0", "d/bias:0", "outer/dense/kernel:0", "outer/dense/bias:0", "outer/dense_1/kernel:0"]
    assert [v.name for v in tf.global_variables()][:5] == names


def test_functions_share_variables_where_they_reuse():
    first = tf.layers.dense(X, 2, name="d", kernel_regularizer=tf.reduce_sum)
    second = tf.layers.dense(X, 2, name="d", reuse=True, kernel_regularizer=tf.reduce_sum)
    np.testing.assert_array_equal(*run([first, second]))
    assert len(tf.losses.get_regularization_losses()) == 1
    with pytest.raises(ValueError, match="already exists"):
        tf.layers.dense(X, 2, name="d")
    with pytest.raises(ValueError, match="does not exist"):
        tf.layers.dense(X, 2, name="e", reuse=True)


def test_an_activity_s_penalty_is_that_of_an_example():
    tf.layers.dense(X, 2, kernel_initializer=ONES, activity_regularizer=tf.reduce_sum)
    assert run(tf.losses.get_regularization_losses()) == [2 * X.sum() / 2]


def test_a_layer_that_is_not_trainable_has_nothing_to_train():
    layer = tf.layers.Dense(2, trainable=False)
    layer(X)
    assert layer.trainable_weights == tf.trainable_variables() == []
    assert len(layer.weights) == 2


def test_weights_are_read_and_set_in_the_default_session():
    layer = tf.layers.Dense(1, use_bias=False)
    built = layer(X)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        layer.set_weights([[[1.0], [0.0], [2.0]]])
        assert layer.get_weights()[0].ravel().tolist() == [1, 0, 2]
        assert session.run(built).ravel().tolist() == [7, -1.5]
        with pytest.raises(ValueError, match="expecting 1 weights"):
            layer.set_weights([])


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.layers.conv1d(CUBE, 1, 2, kernel_initializer=ONES)[0, :, 0], [15, 33, 51]),
        (lambda: tf.layers.conv1d(CUBE, 1, 2, dilation_rate=2, kernel_initializer=ONES)[0, :, 0], [24, 42]),
        (lambda: tf.layers.conv3d(IMAGE[..., None], 1, 2, 2, "same", kernel_initializer=ONES)[0, :, 0, 0, 0],
         [14, 62, 110]),
        (lambda: tf.layers.conv3d_transpose(IMAGE[:, :2, :2, :, None], 1, 2, kernel_initializer=ONES)[0, :, 1, 0, 0],
         [1, 14, 13]),
        (lambda: tf.layers.separable_conv1d(CUBE, 1, 2, depthwise_initializer=ONES, pointwise_initializer=ONES)[1, :],
         [[87], [105], [123]]),
        (lambda: tf.layers.max_pooling1d(CUBE, 2, 2)[0], [[3, 4, 5], [9, 10, 11]]),
        (lambda: tf.layers.average_pooling3d(IMAGE[..., None], (1, 2, 1), 2)[0, :, 0, 0, 0], [0.5, 12.5, 24.5]),
        (lambda: tf.layers.flatten(CUBE, data_format="channels_first")[0, :5], [0, 3, 6, 9, 1]),
        (lambda: tf.layers.batch_normalization(X, training=True, epsilon=0.0)[:, 0], [1, -1]),
        (lambda: tf.layers.batch_normalization(CUBE, axis=1, training=True, epsilon=0.0)[0, :, 0],
         [-7 / np.sqrt(36 + 2 / 3)] * 4),
        (lambda: tf.layers.dropout(X, training=tf.constant(False)), X),
    ],
)  # fmt: skip
def test_a_layer_gives_what_was_worked_by_hand(build, expected):
    np.testing.assert_allclose(run(build()), expected, rtol=1e-5)


def test_updates_move_the_averages():
    tf.layers.batch_normalization(X, training=True, momentum=0.5, name="b")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        mean, variance = session.run(tf.global_variables()[2:])
    np.testing.assert_allclose(mean, X.mean(0) / 2)
    np.testing.assert_allclose(variance, (1 + X.var(0)) / 2)


def test_renormalisation_makes_training_what_inference_will_be():
    layer = tf.layers.BatchNormalization(renorm=True, epsilon=0.0)
    trained, used = layer(X, training=True), layer(X)
    np.testing.assert_allclose(*run([trained, used]), rtol=1e-5, atol=1e-6)
    clip = {"dmax": 0.0, "rmax": 1.0, "rmin": 1.0}
    clipped = tf.layers.batch_normalization(X, training=True, renorm=True, renorm_clipping=clip, epsilon=0.0)
    np.testing.assert_allclose(run(clipped), (X - X.mean(0)) / X.std(0), rtol=1e-5)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: tf.layers.dense(X[0], 2), "expected min_ndim=2, found ndim=1"),
        (lambda: tf.layers.dense(tf.placeholder(tf.float32, [2, None]), 2), "last dimension of the inputs to `Dense`"),
        (lambda: tf.layers.conv2d(X, 2, 3), "expected ndim=4, found ndim=2"),
        (lambda: tf.layers.conv2d(IMAGE, 2, [3]), "`kernel_size` argument must be a tuple of 2 integers"),
        (lambda: tf.layers.conv2d(IMAGE, 2, 3, padding="full"), "`padding` argument must be one of"),
        (lambda: tf.layers.conv2d(IMAGE, 2, 3, data_format="last"), "`data_format` argument must be one of"),
        (lambda: tf.layers.conv2d(IMAGE, 2, 3, 2, dilation_rate=2), "not supported in conjunction"),
        (lambda: tf.layers.batch_normalization(X, renorm=True, renorm_clipping={"max": 1}), "contains keys not in"),
        (lambda: tf.layers.batch_normalization(X, virtual_batch_size=1), "virtual_batch_size"),
        (lambda: [(d(X), d(CUBE[..., :2])) for d in [tf.layers.Dense(2)]], "expected axis -1 of input shape"),
    ],
)
def test_what_does_not_fit_is_told_when_it_is_built(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_shapes_are_known_before_anything_is_built():
    assert tf.layers.Dense(5).compute_output_shape([None, 3]).as_list() == [None, 5]
    assert tf.layers.Conv2D(4, 3, 2).compute_output_shape([1, 9, 8, 3]).as_list() == [1, 4, 3, 4]
    assert tf.layers.Conv2DTranspose(4, 3, 2).compute_output_shape([1, 4, 3, 4]).as_list() == [1, 9, 7, 4]
    assert tf.layers.MaxPooling2D(2, 2, "same").compute_output_shape([1, 5, 6, 3]).as_list() == [1, 3, 3, 3]
    unknown = tf.placeholder(tf.float32, [None, None, None, 3])
    assert tf.layers.conv2d_transpose(unknown, 2, 3).get_shape().as_list() == [None, None, None, 2]


def test_a_copy_has_the_settings_and_makes_variables_of_its_own():
    layer = tf.layers.Dense(2, activation=tf.nn.relu)
    other = copy.deepcopy(layer)
    layer(X), other(X)
    assert other.activation is layer.activation
    assert [v.name for v in other.weights] == ["dense_1/kernel:0", "dense_1/bias:0"]
