"""tf.layers, recurrent cells and initializers beside tensorflow.compat.v1, which has the first two from tf_keras."""

import importlib.util

import pytest

from tests.peers import test_compat_nn as nn_lines
from tests.peers.test_compat_nn import CUBE, IMAGES, VOLUME, compare, lines, tensorflow, unlikeness
from tests.peers.test_compat_v1 import W, X, Y

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(importlib.util.find_spec("tf_keras") is None, reason="layers of TensorFlow are tf_keras'"),
]
__all__ = ["CUBE", "IMAGES", "VOLUME", "W", "X", "Y", "tensorflow", "unlikeness"]

LAYERS = """
tf.layers.conv1d(CUBE, 2, 2, dilation_rate=2), tf.layers.conv1d(CUBE, 2, [2], [2], "same", activation=tf.nn.relu)
names()
tf.layers.conv3d(VOLUME, 3, 2), tf.layers.conv3d(VOLUME, 3, (1, 2, 2), (1, 2, 1), padding="SAME", use_bias=False)
names()
tf.layers.conv3d_transpose(VOLUME, 3, 2, 2), tf.layers.conv3d_transpose(VOLUME, 3, 3, padding="same"), names()
tf.layers.separable_conv1d(CUBE, 5, 2, depth_multiplier=2), tf.layers.separable_conv1d(CUBE, 5, 2, 2, "same"), names()
tf.layers.separable_conv2d(IMAGES, 4, 3, dilation_rate=2, depth_multiplier=2), names()
tf.layers.conv2d(IMAGES, 2, 3, dilation_rate=(2, 1), padding="same")
tf.layers.conv2d_transpose(IMAGES, 2, (3, 2), (2, 1))
tf.layers.max_pooling1d(CUBE, 2, 1), tf.layers.average_pooling1d(CUBE, [2], [2], "same")
tf.layers.max_pooling3d(VOLUME, 2, 2), tf.layers.average_pooling3d(VOLUME, (1, 2, 3), 1, "same")
tf.layers.flatten(CUBE, data_format="channels_first")
tf.layers.flatten(tf.placeholder_with_default(CUBE, [None, None, 4]))
tf.layers.batch_normalization(CUBE, axis=1, training=True), tf.layers.batch_normalization(X, center=False, scale=False)
names()
after_updates(lambda: tf.layers.batch_normalization(X, training=True, momentum=0.5))
after_updates(lambda: tf.layers.batch_normalization(IMAGES, training=True, momentum=0.5))
after_updates(lambda: tf.layers.batch_normalization(IMAGES, training=True, momentum=0.5, fused=False))
after_updates(lambda: tf.layers.batch_normalization(IMAGES, training=tf.constant(True), momentum=0.5, fused=False))
after_updates(lambda: tf.layers.batch_normalization(IMAGES, training=tf.constant(False), momentum=0.5))
after_updates(lambda: tf.layers.batch_normalization(X, training=True, renorm=True, renorm_clipping=CLIP))
after_updates(lambda: tf.layers.batch_normalization(X, training=True, renorm=True, renorm_momentum=0.5))
after_updates(lambda: tf.layers.batch_normalization(CUBE, axis=[1, 2], training=True)), names()
tf.layers.Dense(2, name="d")(X), tf.layers.Dense(2, name="d")(X), names()
tf.layers.dense(X, 2, name="d", reuse=tf.AUTO_REUSE), tf.layers.dense(X, 2, name="d", reuse=True), names()
for_error(lambda: [tf.layers.dense(X, 2, name="d") for _ in range(2)]), for_error(lambda: tf.layers.dense(X[0], 2))
for_error(lambda: tf.layers.dense(X, 2, name="e", reuse=True))
for_error(lambda: tf.layers.dense(tf.placeholder(tf.float32, [3, None]), 2))
for_error(lambda: tf.layers.conv2d(X, 2, 3)), for_error(lambda: tf.layers.conv2d(IMAGES, 2, [3]))
for_error(lambda: tf.layers.conv2d(IMAGES, 2, 3, padding="full"))
for_error(lambda: tf.layers.conv2d(IMAGES, 2, 3, data_format="last"))
for_error(lambda: tf.layers.conv2d(IMAGES, 2, 3, 2, dilation_rate=2))
for_error(lambda: tf.layers.max_pooling2d(X, 2, 2)), for_error(lambda: tf.layers.Dense(2, other=1))
for_error(lambda: tf.layers.Dense(2).scope_name)
tf.layers.dense(X, 2).op.name, tf.layers.dense(X, 2, tf.nn.relu).op.name, tf.layers.dense(X, 2, name="a/b").op.name
tf.layers.dense(CUBE, 2).op.name
tf.layers.conv2d(IMAGES, 2, 3).op.name, tf.layers.max_pooling2d(IMAGES, 2, 2).op.name, tf.layers.flatten(IMAGES).op.name
tf.layers.dropout(X).op.name
tf.layers.conv1d(CUBE, 2, 2).op.name, tf.layers.average_pooling2d(IMAGES, 2, 2, name="p").op.name
tf.layers.batch_normalization(X).op.name
tf.layers.conv2d_transpose(IMAGES, 2, 3, name="c", activation=tf.nn.tanh).op.name
tf.layers.separable_conv2d(IMAGES, 2, 3).op.name
tf.layers.dense(X, 2, kernel_regularizer=half, bias_regularizer=half, activity_regularizer=half)
tf.losses.get_regularization_losses(), tf.losses.get_regularization_loss()
[tf.layers.dense(X, 2, kernel_regularizer=half, name="d", reuse=tf.AUTO_REUSE) for _ in range(2)]
len(tf.losses.get_regularization_losses())
asked(tf.layers.Dense(2, kernel_regularizer=half, activity_regularizer=half), X)
asked(tf.layers.BatchNormalization(), X, training=True), asked(tf.layers.Dense(2, trainable=False), X)
asked(tf.layers.Dense(2, use_bias=False, name="d"), CUBE), asked(tf.layers.Conv2D(2, 3), IMAGES)
asked(tf.layers.Dropout(0.3, seed=1), X, training=True)
asked(own(tf), X), asked(own(tf)(name="mine"), X), asked(nested(tf), X), [v.name for v in tf.trainable_variables()]
two_calls(tf.layers.Dense(2)), two_calls(tf.layers.Dense(2, name="d")), two_calls(own(tf)())
two_calls(tf.layers.BatchNormalization())
tf.layers.Dense(5).compute_output_shape([None, 3]).as_list()
tf.layers.Flatten().compute_output_shape((2, 3, 4)).as_list()
tf.layers.dropout(X, noise_shape=[3, 1], seed=4, training=tf.constant(True))
tf.layers.dropout(X, training=tf.constant(False))
tf.layers.dense(X, 3, bias_initializer=tf.ones_initializer(), kernel_constraint=lambda w: w * 2)
slope(lambda x: tf.layers.dense(x, 3, tf.nn.tanh), CUBE)
"""
CLIP = {"rmax": 1.5, "rmin": 0.5, "dmax": 0.25}


def own(tf):
    """A class of layers of one's own."""

    class MyScale(tf.layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight("factor", [int(input_shape[-1])], initializer=tf.ones_initializer())
            self.seen = self.add_variable("seen", [], trainable=False, initializer=tf.zeros_initializer())
            self.built = True

        def call(self, inputs):
            self.add_loss(tf.reduce_sum(inputs))
            self.add_update(tf.assign_add(self.seen, 1.0))
            return inputs * self.factor * 3.0

    return MyScale


def nested(tf):
    """A layer of layers."""

    class Tower(tf.layers.Layer):
        def __init__(self):
            super().__init__()
            self.first, self.second = tf.layers.Dense(3), tf.layers.Dense(2, activation=tf.nn.relu)

        def call(self, inputs):
            return self.second(self.first(inputs))

    return Tower()


def short_for(tf, session):
    """More names for the lines."""

    def after_updates(build):
        built = build()
        session.run(tf.global_variables_initializer())
        for _ in range(2):
            session.run([built, tf.get_collection(tf.GraphKeys.UPDATE_OPS)])
        return [built, *session.run(tf.global_variables())]

    def asked(layer, x, **more):
        layer = layer() if isinstance(layer, type) else layer
        built = layer(x, **more)
        return [
            built, layer.name, layer.scope_name, *(v.name for v in layer.weights), len(layer.losses),
            *("t", *(v.name for v in layer.trainable_weights), "n", *(v.name for v in layer.non_trainable_weights)),
            layer.count_params(), tf.add_n([*layer.losses, 0.0]), len(layer.updates), tf.as_dtype(layer.dtype).name,
        ]  # fmt: skip

    def two_calls(layer):
        found = [layer(tf.constant(X)), layer.apply(tf.constant(Y))]
        return [*found, *(f.op.name for f in found), *(v.name for v in tf.global_variables())]

    return {
        "after_updates": after_updates, "asked": asked, "two_calls": two_calls,
        "half": lambda v: 0.5 * tf.reduce_sum(v), "names": lambda: [v.name for v in tf.global_variables()],
    }  # fmt: skip


def values(tf, line):
    return nn_lines.values(tf, line, globals(), short_for)


@pytest.mark.parametrize("line", lines(LAYERS))
def test_a_line_gives_what_tensorflow_gives(tensorflow, line):
    compare(tensorflow, line, values)
