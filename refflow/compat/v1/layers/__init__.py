"""tf.layers: layers as objects that keep their variables, and functions that make one and call it.

    net = tf.layers.dense(x, 64, activation=tf.nn.relu)        dense/kernel, dense/bias; the next is dense_1
    shared = tf.layers.Dense(8)
    a, b = shared(x), shared(y)                                one kernel, one bias

Next: compat/v1/layers/base.py.
"""

from refflow.compat.v1.layers.base import Layer
from refflow.compat.v1.layers.convolutional import (
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    SeparableConv1D,
    SeparableConv2D,
    conv1d,
    conv2d,
    conv2d_transpose,
    conv3d,
    conv3d_transpose,
    separable_conv1d,
    separable_conv2d,
)
from refflow.compat.v1.layers.core import Dense, Dropout, Flatten, dense, dropout, flatten
from refflow.compat.v1.layers.input_spec import InputSpec
from refflow.compat.v1.layers.normalization import BatchNormalization, batch_normalization
from refflow.compat.v1.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
    average_pooling1d,
    average_pooling2d,
    average_pooling3d,
    max_pooling1d,
    max_pooling2d,
    max_pooling3d,
)
