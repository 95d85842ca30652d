"""tf.layers: functions that make their variables, and objects that keep them."""

from refflow.compat.v1.layers.functions import (
    average_pooling2d,
    batch_normalization,
    conv1d,
    conv2d,
    conv2d_transpose,
    dense,
    dropout,
    flatten,
    max_pooling2d,
    separable_conv2d,
)
from refflow.compat.v1.layers.objects import (
    AveragePooling2D,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPooling2D,
    SeparableConv2D,
)
