"""tf.layers, recurrent cells and initializers beside tensorflow.compat.v1, which has the first two from tf_keras."""

import importlib.util

import pytest

from tests.peers import test_compat_nn as nn_lines
from tests.peers.stand_in import unlikeness
from tests.peers.test_compat_nn import CUBE, IMAGES, VOLUME, compare, lines, tensorflow
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
CELLS = """
unrolled(rnn().LSTMCell(2, initializer=tf.ones_initializer(), cell_clip=0.5, num_proj=2, proj_clip=0.3)), names()
unrolled(rnn().LSTMCell(2, use_peepholes=True, forget_bias=0.0, activation=tf.nn.relu, name="mine")), names()
unrolled(rnn().LSTMCell(4, num_unit_shards=2, num_proj=2, num_proj_shards=2)), names()
unrolled(rnn().BasicLSTMCell(2, state_is_tuple=False, activation=tf.sigmoid)), names()
unrolled(rnn().GRUCell(2, kernel_initializer=tf.ones_initializer(), bias_initializer=tf.zeros_initializer())), names()
unrolled(rnn().BasicRNNCell(2, tf.nn.relu, name="r")), names()
unrolled(rnn().MultiRNNCell([rnn().GRUCell(2), rnn().LSTMCell(3)])), names()
unrolled(rnn().MultiRNNCell([rnn().GRUCell(2), rnn().BasicRNNCell(3)], state_is_tuple=False)), names()
unrolled(rnn().DropoutWrapper(rnn().GRUCell(4), 0.5, 0.6, 0.7, seed=3)), names()
unrolled(rnn().DropoutWrapper(rnn().LSTMCell(4), state_keep_prob=0.5, seed=3))
unrolled(rnn().DropoutWrapper(rnn().LSTMCell(4), 0.5, 0.5, 0.5, True, 4, tf.float32, seed=5))
unrolled(rnn().DropoutWrapper(rnn().LSTMCell(4), 1, 1, 0.5, seed=3, dropout_state_filter_visitor=lambda s: True))
unrolled(rnn().DropoutWrapper(rnn().MultiRNNCell([rnn().LSTMCell(4), rnn().GRUCell(2)]), state_keep_prob=0.5, seed=3))
unrolled(rnn().ResidualWrapper(rnn().GRUCell(4)))
unrolled(rnn().ResidualWrapper(rnn().GRUCell(4, name="g"), lambda x, y: x * y))
names()
unrolled(rnn().DeviceWrapper(rnn().GRUCell(4), "/cpu:0")), names()
tf.nn.dynamic_rnn(rnn().GRUCell(2), CUBE, [3, 1], dtype=tf.float32, scope="s"), names()
tf.nn.dynamic_rnn(rnn().LSTMCell(2), CUBE, initial_state=rnn().LSTMStateTuple(tf.ones([2, 2]), tf.zeros([2, 2])))
tf.nn.dynamic_rnn(rnn().GRUCell(2), STEPS, tf.constant([0, 3], tf.int64), dtype=tf.float32, time_major=True)
tf.nn.dynamic_rnn(rnn().GRUCell(2), tf.placeholder_with_default(CUBE, [None, None, 4]), dtype=tf.float32)[0]
tf.nn.bidirectional_dynamic_rnn(rnn().GRUCell(2), rnn().LSTMCell(3), STEPS, [2, 3], dtype=tf.float32, time_major=True)
names()
tf.nn.static_rnn(rnn().GRUCell(2), PAIR, dtype=tf.float32, sequence_length=[2, 0, 1], scope="q")
names()
tf.nn.static_bidirectional_rnn(rnn().GRUCell(2), rnn().BasicRNNCell(3), PAIR, None, None, tf.float32, [2, 0, 1])
names()
tf.nn.static_bidirectional_rnn(rnn().GRUCell(2), rnn().GRUCell(2), PAIR, dtype=tf.float32)
tf.nn.raw_rnn(rnn().LSTMCell(2), looped(tf, rnn().LSTMCell(2)))[0].stack(), names()
tf.nn.raw_rnn(rnn().GRUCell(2), looped(tf, rnn().GRUCell(2), True))[1:]
tf.nn.dynamic_rnn(counting(tf), CUBE, [3, 1], dtype=tf.float32), names()
slope(lambda x: tf.nn.dynamic_rnn(rnn().LSTMCell(2), x, [3, 1], dtype=tf.float32)[0], CUBE)
slope(lambda x: tf.nn.raw_rnn(rnn().GRUCell(2), looped(tf, rnn().GRUCell(2), x=x))[0].stack(), CUBE)
for_error(lambda: tf.nn.dynamic_rnn(rnn().GRUCell(2), CUBE))
for_error(lambda: tf.nn.dynamic_rnn(rnn().GRUCell, CUBE, dtype=tf.float32))
for_error(lambda: tf.nn.dynamic_rnn(3, CUBE))
for_error(lambda: tf.nn.dynamic_rnn(rnn().GRUCell(2), CUBE, [[1, 2]], dtype=tf.float32))
for_error(lambda: tf.nn.static_rnn(rnn().GRUCell(2), [], dtype=tf.float32))
for_error(lambda: tf.nn.static_rnn(rnn().GRUCell(2), X, dtype=tf.float32))
for_error(lambda: rnn().MultiRNNCell([])), for_error(lambda: rnn().MultiRNNCell(rnn().GRUCell(2)))
for_error(lambda: rnn().MultiRNNCell([rnn().LSTMCell(2)], False))
for_error(lambda: rnn().DropoutWrapper(rnn().GRUCell(2), 1.5)), for_error(lambda: rnn().DropoutWrapper(3))
for_error(lambda: rnn().DropoutWrapper(rnn().GRUCell(2), 0.5, variational_recurrent=True))
for_error(lambda: rnn().DropoutWrapper(rnn().GRUCell(2), 0.5, variational_recurrent=True, dtype=tf.float32))
rnn().MultiRNNCell([rnn().LSTMCell(2), rnn().GRUCell(3)]).zero_state(2, tf.float32)
rnn().MultiRNNCell([rnn().LSTMCell(2), rnn().GRUCell(3)]).state_size, rnn().LSTMCell(4, num_proj=2).output_size
rnn().GRUCell(2).zero_state(tf.constant(3), tf.float64), rnn().LSTMCell(2).get_initial_state(X)
rnn().GRUCell(2).zero_state(2, tf.float32).op.name
two_steps(rnn().GRUCell(2)), two_steps(rnn().LSTMCell(2, name="l")), two_steps(counting(tf))
two_steps(rnn().DropoutWrapper(rnn().GRUCell(2)))
"""
STARTS = """
tf.initializers.zeros()([2, 3]), tf.initializers.ones(tf.int32)([2]), tf.initializers.constant([1, 2, 3])([2, 3])
tf.initializers.constant(5)([2], tf.int64)
tf.initializers.random_uniform(-1, 1, seed=1)([3]), tf.initializers.random_normal(1.0, 2.0, seed=1)([3])
tf.initializers.truncated_normal(seed=1)([3])
tf.initializers.random_uniform(1, 9, 2, tf.int32)([5]), tf.initializers.uniform_unit_scaling(2.0, seed=3)([3, 2])
tf.initializers.variance_scaling(2.0, "fan_out", "untruncated_normal", 1)([3, 2])
tf.initializers.glorot_uniform(1)([3, 2]), tf.initializers.glorot_normal(1)([3, 2])
tf.initializers.he_normal(1)([3, 2]), tf.initializers.he_uniform(1)([3, 2]), tf.initializers.lecun_normal(1)([3, 2])
tf.initializers.lecun_uniform(1)([3, 2])
tf.initializers.orthogonal(2.0, seed=1)([4, 3]), tf.initializers.orthogonal(seed=2)([2, 2, 5])
tf.initializers.identity(3.0)([2, 3]), tf.orthogonal_initializer(seed=3)([2, 5])
tf.get_variable("v", [6, 4], initializer=tf.initializers.lecun_normal(1), partitioner=halves).as_tensor()
tf.get_variable("v", [4, 4], initializer=tf.initializers.identity(2.0), partitioner=halves).as_tensor()
for_error(lambda: tf.initializers.orthogonal()([3])), for_error(lambda: tf.initializers.identity()([3]))
for_error(lambda: tf.initializers.variance_scaling(-1)), for_error(lambda: tf.initializers.variance_scaling(1, "fan"))
for_error(lambda: tf.initializers.variance_scaling(1, "fan_in", "even"))
for_error(lambda: tf.initializers.constant([1, 2], verify_shape=True)([3]))
for_error(lambda: tf.initializers.constant({1: 2})), for_error(lambda: tf.initializers.constant([1, 2, 3])([2]))
sorted(tf.initializers.random_normal(1.0, 2.0, 3).get_config()), sorted(tf.initializers.constant(3).get_config())
tf.initializers.random_normal.from_config(tf.initializers.random_normal(1.0, 2.0, 3).get_config())([4])
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


def looped(tf, cell, counts=False, x=CUBE):
    """A loop function for raw_rnn over [batch, time, size]."""
    inputs = tf.TensorArray(tf.float32, 3).unstack(tf.transpose(x, [1, 0, 2]))

    def loop_fn(time, output, state, loop_state):
        following = cell.zero_state(2, tf.float32) if output is None else state
        finished = time >= tf.constant([3, 2])
        ends = tf.reduce_all(finished)
        row = tf.cond(ends, lambda: tf.zeros([2, 4]), lambda: inputs.read(time))
        kept = None if not counts else tf.constant(7) if loop_state is None else loop_state + 1
        return finished, row, following, output, kept

    return loop_fn


def counting(tf):
    """A cell of one's own, whose variable get_variable makes in call, with a state of several shapes."""

    class Counting(tf.nn.rnn_cell.RNNCell):
        state_size = (tf.TensorShape([2, 3]), 1)
        output_size = 4

        def call(self, inputs, state):
            w = tf.get_variable("w", [4, 4])
            return tf.matmul(inputs, w), (state[0] + 1.0, state[1] + 2.0)

    return Counting()


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

    def unrolled(cell):
        return tf.nn.static_rnn(cell, [tf.constant(X), tf.constant(Y)], dtype=tf.float32)

    def two_steps(cell):
        state = cell.zero_state(3, tf.float32)
        output, state = cell(tf.constant(X), state)
        output, state = cell(tf.constant(Y), state)
        return [output, state, *(v.name for v in cell.trainable_variables), *(v.name for v in cell.weights)]

    return {
        "halves": tf.fixed_size_partitioner(2), "PAIR": [tf.constant(X), tf.constant(Y)],
        "STEPS": tf.constant(CUBE.swapaxes(0, 1)), "unrolled": unrolled, "two_steps": two_steps,
        "rnn": lambda: tf.nn.rnn_cell, "after_updates": after_updates, "asked": asked,
        "two_calls": two_calls, "half": lambda v: 0.5 * tf.reduce_sum(v),
        "names": lambda: [v.name for v in tf.global_variables()],
    }  # fmt: skip


def values(tf, line):
    return nn_lines.values(tf, line, globals(), short_for)


@pytest.mark.parametrize("line", lines(LAYERS, CELLS, STARTS))
def test_a_line_gives_what_tensorflow_gives(tensorflow, line):
    compare(tensorflow, line, values)
