"""tf.layers: a layer is a function that makes its variables, kernel and bias, under its own name.

    net = tf.layers.dense(x, 64, activation=tf.nn.relu)        dense/kernel, dense/bias; the next is dense_1

Next: compat/v1/variables.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1 import nn
from refflow.compat.v1.initializers import ones_initializer, zeros_initializer
from refflow.compat.v1.variables import GraphKeys, get_variable, variable_scope
from refflow.compat.v1.windows import window
from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.ops.array import reshape
from refflow.ops.cast import cast
from refflow.ops.joining import pack
from refflow.ops.variable import assign

__all__ = [
    "average_pooling2d", "batch_normalization", "conv1d", "conv2d", "conv2d_transpose", "dense", "dropout", "flatten",
    "max_pooling2d", "separable_conv2d",
]  # fmt: skip


def _format(data_format: str) -> str:
    try:
        return {"channels_last": "NHWC", "channels_first": "NCHW"}[data_format]
    except KeyError:
        raise ValueError(f"data_format is channels_last or channels_first, got {data_format!r}") from None


def _channels(x: Tensor, axis: int, layer: str) -> int:
    size = x.get_shape()[axis].value
    if size is None:
        raise ValueError(f"{layer}: the size of axis {axis} of its input must be known, got {x.get_shape()}")
    return size


def _pair(given: Any) -> list[int]:
    return [given, given] if isinstance(given, int) else list(given)


def dense(
    inputs: Any, units: int, activation: Callable[..., Tensor] | None = None, use_bias: bool = True,
    kernel_initializer: Any = None, bias_initializer: Any = None, kernel_regularizer: Any = None,
    bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
    bias_constraint: Any = None, trainable: bool = True, name: str | None = None, reuse: Any = None,
) -> Tensor:  # fmt: skip
    """activation(inputs kernel + bias) along the last axis."""
    x = convert_to_tensor(inputs)
    with variable_scope(name, "dense", reuse=reuse):
        kind, width = x.dtype.base_dtype, _channels(x, -1, "dense")
        kernel = get_variable("kernel", [width, units], kind, kernel_initializer, kernel_regularizer, trainable)
        rank = x.get_shape().ndims or 2
        rows = x if rank == 2 else reshape(x, [-1, width])
        found = op_def("MatMul")(rows, kernel)
        if rank > 2:
            sizes = op_def("Shape")(x)
            found = reshape(found, pack([*(sizes[i] for i in range(rank - 1)), units]))
            found.set_shape([*x.get_shape().as_list()[:-1], units])
        if use_bias:
            start = bias_initializer or zeros_initializer()
            found = op_def("BiasAdd")(found, get_variable("bias", [units], kind, start, bias_regularizer, trainable))
        return found if activation is None else activation(found)


def _conv(
    op: Callable[[Tensor, Any], Tensor], x: Tensor, shape: Sequence[int], data_format: str, use_bias: bool,
    outputs: int, start: tuple[Any, Any], regularizers: tuple[Any, Any], activation: Any, trainable: bool,
) -> Tensor:  # fmt: skip
    kind = x.dtype.base_dtype
    found = op(x, get_variable("kernel", shape, kind, start[0], regularizers[0], trainable))
    if use_bias:
        bias = get_variable("bias", [outputs], kind, start[1] or zeros_initializer(), regularizers[1], trainable)
        found = nn.bias_add(found, bias, data_format)
    return found if activation is None else activation(found)


def conv2d(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
    data_format: str = "channels_last", dilation_rate: Any = (1, 1), activation: Any = None, use_bias: bool = True,
    kernel_initializer: Any = None, bias_initializer: Any = None, kernel_regularizer: Any = None,
    bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
    bias_constraint: Any = None, trainable: bool = True, name: str | None = None, reuse: Any = None,
) -> Tensor:  # fmt: skip
    """`filters` convolutions with windows of `kernel_size`."""
    x, form = convert_to_tensor(inputs), _format(data_format)
    with variable_scope(name, "conv2d", reuse=reuse):
        channels = _channels(x, 3 if form == "NHWC" else 1, "conv2d")

        def conv(x: Tensor, kernel: Any) -> Tensor:
            return nn.conv2d(x, kernel, _pair(strides), padding.upper(), data_format=form,
                             dilations=_pair(dilation_rate))  # fmt: skip

        return _conv(conv, x, [*_pair(kernel_size), channels, filters], form, use_bias, filters,
                     (kernel_initializer, bias_initializer), (kernel_regularizer, bias_regularizer), activation,
                     trainable)  # fmt: skip


def conv1d(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
    data_format: str = "channels_last", activation: Any = None, use_bias: bool = True, kernel_initializer: Any = None,
    bias_initializer: Any = None, trainable: bool = True, name: str | None = None, reuse: Any = None,
) -> Tensor:  # fmt: skip
    """`filters` convolutions over [N, W, C] with windows of `kernel_size`."""
    if data_format != "channels_last":
        raise ValueError("conv1d takes channels_last here")
    x = convert_to_tensor(inputs)
    size, step = (v if isinstance(v, int) else v[0] for v in (kernel_size, strides))
    with variable_scope(name, "conv1d", reuse=reuse):
        shape = [size, _channels(x, 2, "conv1d"), filters]
        return _conv(lambda x, kernel: nn.conv1d(x, kernel, step, padding.upper()), x, shape, "NHWC", use_bias, filters,
                     (kernel_initializer, bias_initializer), (None, None), activation, trainable)  # fmt: skip


def conv2d_transpose(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
    data_format: str = "channels_last", activation: Any = None, use_bias: bool = True, kernel_initializer: Any = None,
    bias_initializer: Any = None, kernel_regularizer: Any = None, bias_regularizer: Any = None,
    activity_regularizer: Any = None, kernel_constraint: Any = None, bias_constraint: Any = None,
    trainable: bool = True, name: str | None = None, reuse: Any = None,
) -> Tensor:  # fmt: skip
    """The way back of a convolution: larger images of `filters` channels."""
    if data_format != "channels_last":
        raise ValueError("conv2d_transpose takes channels_last here")
    x = convert_to_tensor(inputs)
    window, steps = _pair(kernel_size), _pair(strides)
    with variable_scope(name, "conv2d_transpose", reuse=reuse):
        def size(given: Any, k: int, s: int) -> Any:
            return given * s + (max(k - s, 0) if padding.lower() == "valid" else 0)

        sizes = op_def("Shape")(x)
        known = x.get_shape().as_list()
        heights = [size(known[i + 1] or sizes[i + 1], window[i], steps[i]) for i in range(2)]
        batch = sizes[0] if known[0] is None else known[0]
        target = [batch, *heights, filters]
        dynamic = any(isinstance(t, Tensor) for t in target)
        output_shape = pack(target) if dynamic else np.array(target, np.int32)

        def conv(x: Tensor, kernel: Any) -> Tensor:
            found = nn.conv2d_transpose(x, kernel, output_shape, steps, padding.upper())
            found.set_shape([None if isinstance(t, Tensor) else t for t in target])
            return found

        return _conv(conv, x, [*window, filters, _channels(x, 3, "conv2d_transpose")], "NHWC", use_bias, filters,
                     (kernel_initializer, bias_initializer), (kernel_regularizer, bias_regularizer), activation,
                     trainable)  # fmt: skip


def separable_conv2d(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
    data_format: str = "channels_last", dilation_rate: Any = (1, 1), depth_multiplier: int = 1, activation: Any = None,
    use_bias: bool = True, depthwise_initializer: Any = None, pointwise_initializer: Any = None,
    bias_initializer: Any = None, trainable: bool = True, name: str | None = None, reuse: Any = None,
) -> Tensor:  # fmt: skip
    """Each channel with filters of its own, then a mixture of the channels."""
    x, form = convert_to_tensor(inputs), _format(data_format)
    with variable_scope(name, "separable_conv2d", reuse=reuse):
        kind, channels = x.dtype.base_dtype, _channels(x, 3 if form == "NHWC" else 1, "separable_conv2d")
        apart = get_variable("depthwise_kernel", [*_pair(kernel_size), channels, depth_multiplier], kind,
                             depthwise_initializer, trainable=trainable)  # fmt: skip
        mixed = get_variable("pointwise_kernel", [1, 1, channels * depth_multiplier, filters], kind,
                             pointwise_initializer, trainable=trainable)  # fmt: skip
        found = nn.separable_conv2d(x, apart, mixed, window(_pair(strides), form), padding.upper(),
                                    _pair(dilation_rate), data_format=form)  # fmt: skip
        if use_bias:
            bias = get_variable("bias", [filters], kind, bias_initializer or zeros_initializer(), trainable=trainable)
            found = nn.bias_add(found, bias, form)
        return found if activation is None else activation(found)


def max_pooling2d(
    inputs: Any, pool_size: Any, strides: Any, padding: str = "valid", data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The largest of each window."""
    return nn.max_pool(inputs, _pair(pool_size), _pair(strides), padding.upper(), _format(data_format),
                       name or "max_pooling2d")  # fmt: skip


def average_pooling2d(
    inputs: Any, pool_size: Any, strides: Any, padding: str = "valid", data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window."""
    return nn.avg_pool(inputs, _pair(pool_size), _pair(strides), padding.upper(), _format(data_format),
                       name or "average_pooling2d")  # fmt: skip


def flatten(inputs: Any, name: str | None = None, data_format: str = "channels_last") -> Tensor:
    """[N, all the rest]."""
    x = convert_to_tensor(inputs)
    rest = x.get_shape()[1:].num_elements()
    if rest is None:
        return reshape(x, pack([op_def("Shape")(x)[0], -1]), name=name or "flatten")
    return reshape(x, [-1, rest], name=name or "flatten")


def dropout(
    inputs: Any, rate: Any = 0.5, noise_shape: Any = None, seed: int | None = None, training: Any = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """While training, `inputs` with a share `rate` set to 0; else `inputs`. training may be a bool tensor."""
    x = convert_to_tensor(inputs)
    if training is False or training == 0:
        return op_def("Identity")(x, name=name or "dropout")
    if training is not True and training != 1:  # keeps everything where the tensor says no
        rate = rate * cast(training, x.dtype.base_dtype)
    return nn.dropout(x, rate=rate, noise_shape=noise_shape, seed=seed, name=name or "dropout")


def batch_normalization(
    inputs: Any, axis: int = -1, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True, scale: bool = True,
    beta_initializer: Any = None, gamma_initializer: Any = None, moving_mean_initializer: Any = None,
    moving_variance_initializer: Any = None, beta_regularizer: Any = None, gamma_regularizer: Any = None,
    beta_constraint: Any = None, gamma_constraint: Any = None, training: Any = False, trainable: bool = True,
    name: str | None = None, reuse: Any = None, renorm: bool = False, fused: bool | None = None,
) -> Tensor:  # fmt: skip
    """While training, normalised by the moments of the batch; else by their moving averages.

    What moves the averages is in the collection UPDATE_OPS: let the training step wait for it. training may be a
    bool tensor.
    """
    if renorm:
        raise ValueError("batch_normalization without renorm only")
    x = convert_to_tensor(inputs)
    rank = x.get_shape().with_rank_at_least(2).ndims or 2
    at = axis % rank
    with variable_scope(name, "batch_normalization", reuse=reuse):
        kind, size = x.dtype.base_dtype, _channels(x, at, "batch_normalization")

        def variable(label: str, start: Any, default: Any, learned: bool, penalty: Any = None) -> Any:
            return get_variable(label, [size], kind, start or default(), penalty, trainable and learned)

        gamma = variable("gamma", gamma_initializer, ones_initializer, True, gamma_regularizer) if scale else None
        beta = variable("beta", beta_initializer, zeros_initializer, True, beta_regularizer) if center else None
        averages = (variable("moving_mean", moving_mean_initializer, zeros_initializer, False),
                    variable("moving_variance", moving_variance_initializer, ones_initializer, False))  # fmt: skip
        now = [a.read_value() for a in averages]
        if training is False or training == 0:
            return _normalised(x, at, now[0], now[1], beta, gamma, epsilon)
        mean, variance = nn.moments(x, [i for i in range(rank) if i != at])
        always = training is True or training == 1
        learnt = _unbiased(variance, x, at) if rank == 4 and at in (1, 3) and fused is not False else variance
        for average, old, new in zip(averages, now, (mean, learnt), strict=True):
            moved = old * momentum + new * (1 - momentum)
            moved = moved if always else _chosen(training, moved, old)
            get_default_graph().add_to_collection(GraphKeys.UPDATE_OPS, assign(average.ref(), moved).op)
        if not always:
            mean, variance = (_chosen(training, a, b) for a, b in zip((mean, variance), now, strict=True))
        return _normalised(x, at, mean, variance, beta, gamma, epsilon)


def _chosen(training: Any, yes: Tensor, no: Tensor) -> Tensor:
    return op_def("SelectV2")(training, yes, no)


def _unbiased(variance: Tensor, x: Tensor, at: int) -> Tensor:
    """The variance as TensorFlow's fused op gives it for the averages: over one element less."""
    sizes = op_def("Shape")(x)
    count = cast(op_def("Prod")(sizes, 0) / sizes[at], variance.dtype)
    return variance * (count / op_def("Maximum")(count - 1.0, 1.0))


def _normalised(x: Tensor, at: int, mean: Any, variance: Any, beta: Any, gamma: Any, epsilon: float) -> Tensor:
    rank = x.get_shape().ndims or 2
    if at != rank - 1:  # a number for each channel, where the channels are not last
        form = [-1 if i == at else 1 for i in range(rank)]
        mean, variance, beta, gamma = (None if v is None else reshape(v, form) for v in (mean, variance, beta, gamma))
    return nn.batch_normalization(x, mean, variance, beta, gamma, epsilon)
