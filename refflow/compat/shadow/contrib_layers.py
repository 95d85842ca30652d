"""`tf.contrib.layers` where tf_slim is not installed: what most programs used of it.

    fully_connected(x, 64)       relu(x weights + biases), its variables in the scope `fully_connected`
    arg_scope([conv2d], ...)     other defaults for the layers named, inside a block

Next: compat/shadow/contrib_rnn.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from refflow.compat.v1 import initializers, layers, nn
from refflow.compat.v1.math import reduce_sum
from refflow.compat.v1.variables import GraphKeys, get_variable, variable_scope
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import float32
from refflow.core.graph import Tensor, get_default_graph
from refflow.ops.add_n import add_n
from refflow.ops.array import reshape
from refflow.ops.math_functions import to_float

# -- initializers and regularizers -------------------------------------------------------------------------------------


def variance_scaling_initializer(
    factor: float = 2.0, mode: str = "FAN_IN", uniform: bool = False, seed: int | None = None, dtype: Any = float32
) -> Any:
    """Draws of variance factor / n, where n counts the inputs, the outputs or their mean."""
    modes = {"FAN_IN": "fan_in", "FAN_OUT": "fan_out", "FAN_AVG": "fan_avg"}
    if mode not in modes:
        raise TypeError(f"Unknown mode {mode} [FAN_IN, FAN_OUT, FAN_AVG]")
    kind = "uniform" if uniform else "truncated_normal"
    return initializers.variance_scaling_initializer(factor, modes[mode], kind, seed, dtype)


def xavier_initializer(uniform: bool = True, seed: int | None = None, dtype: Any = float32) -> Any:
    """Draws of variance 2 / (inputs + outputs)."""
    return variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)


xavier_initializer_conv2d = xavier_initializer


def _regularizer(called: str, penalty: Callable[[Tensor, float], Tensor]) -> Callable[..., Any]:
    def regularizer(scale: float, scope: str | None = None) -> Callable[[Any], Tensor | None]:
        if isinstance(scale, int) or scale < 0:
            raise ValueError(f"Setting a scale of {scale} on a regularizer: expected a float that is not negative")

        def of(weights: Any, name: str | None = None) -> Tensor | None:
            with op_scope([], name or scope, called):
                return penalty(convert_to_tensor(weights), scale) if scale else None

        return of

    regularizer.__name__ = called
    return regularizer


l1_regularizer = _regularizer("l1_regularizer", lambda w, scale: scale * reduce_sum(abs(w)))
l2_regularizer = _regularizer("l2_regularizer", lambda w, scale: scale * nn.l2_loss(w))


def l1_l2_regularizer(scale_l1: float = 1.0, scale_l2: float = 1.0, scope: str | None = None) -> Any:
    """The sum of the two."""
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope)


def sum_regularizer(regularizer_list: Sequence[Any], scope: str | None = None) -> Any:
    """The sum of several."""

    def of(weights: Any) -> Tensor | None:
        found = [p for p in (r(weights) for r in regularizer_list if r is not None) if p is not None]
        return add_n(found) if found else None

    return of


def apply_regularization(regularizer: Any, weights_list: Any = None) -> Tensor:
    """The sum of the penalties of several weights, by default of all that layers made; collected as a loss."""
    weights = get_default_graph().get_collection("weights") if weights_list is None else weights_list
    penalties = [p for p in map(regularizer, weights) if p is not None]
    total = add_n(penalties) if penalties else convert_to_tensor(0.0)
    get_default_graph().add_to_collection(GraphKeys.REGULARIZATION_LOSSES, total)
    return total


# -- arg_scope ---------------------------------------------------------------------------------------------------------

_defaults: list[dict[str, dict[str, Any]]] = [{}]  # a scope each: by layer, the arguments that it gives


def add_arg_scope(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: the function's arguments may be given by an arg_scope around its call."""

    @functools.wraps(function)
    def layer(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **{**_defaults[-1].get(_key(layer), {}), **kwargs})

    layer._scoped = True  # type: ignore[attr-defined]
    return layer


def _key(function: Any) -> str:
    return f"{function.__module__}.{function.__qualname__}"


@contextmanager
def arg_scope(list_ops_or_scope: Any, **kwargs: Any) -> Iterator[dict[str, dict[str, Any]]]:
    """A block in which the named layers have these arguments where a call gives none; or a scope that was kept."""
    if isinstance(list_ops_or_scope, dict):
        scope = {**_defaults[-1], **list_ops_or_scope}
    else:
        scope = dict(_defaults[-1])
        for function in list_ops_or_scope:
            if not hasattr(function, "_scoped"):
                raise ValueError(f"{_key(function)} is not decorated with @add_arg_scope")
            scope[_key(function)] = {**scope.get(_key(function), {}), **kwargs}
    _defaults.append(scope)
    try:
        yield scope
    finally:
        _defaults.pop()


# -- layers ------------------------------------------------------------------------------------------------------------


def _finished(x: Tensor, outputs: int, given: dict[str, Any]) -> Tensor:
    """Normalised or with biases, then activated; collected under what the layer was asked to."""
    normalizer = given["normalizer_fn"]
    if normalizer is not None:
        x = normalizer(x, **(given["normalizer_params"] or {}))
    elif given["biases_initializer"] is not None:
        bias = get_variable("biases", [outputs], x.dtype.base_dtype, given["biases_initializer"],
                            given["biases_regularizer"], given["trainable"])  # fmt: skip
        x = nn.bias_add(x, bias)
    x = x if given["activation_fn"] is None else given["activation_fn"](x)
    if given["outputs_collections"]:
        get_default_graph().add_to_collection(given["outputs_collections"], x)
    return x


def _weights(shape: list[int], x: Tensor, given: dict[str, Any]) -> Any:
    return get_variable("weights", shape, x.dtype.base_dtype, given["weights_initializer"] or xavier_initializer(),
                        given["weights_regularizer"], given["trainable"])  # fmt: skip


_COMMON: dict[str, Any] = {
    "activation_fn": nn.relu, "normalizer_fn": None, "normalizer_params": None, "weights_initializer": None,
    "weights_regularizer": None, "biases_initializer": initializers.zeros_initializer(), "biases_regularizer": None,
    "reuse": None, "outputs_collections": None, "trainable": True, "scope": None,
}  # fmt: skip


def _given(layer: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    unknown = kwargs.keys() - _COMMON.keys() - {"variables_collections"}
    if unknown:
        raise TypeError(f"{layer}() got an unexpected keyword argument {sorted(unknown)[0]!r}; it has {[*_COMMON]}")
    return {**_COMMON, **kwargs}


@add_arg_scope
def fully_connected(inputs: Any, num_outputs: int, activation_fn: Any = nn.relu, **kwargs: Any) -> Tensor:
    """activation(inputs weights + biases) along the last axis."""
    x = convert_to_tensor(inputs)
    given = _given("fully_connected", {"activation_fn": activation_fn, **kwargs})
    with variable_scope(given["scope"], "fully_connected", [x], reuse=given["reuse"]):
        size = x.get_shape()[-1].value
        if size is None:
            raise ValueError(f"fully_connected: the last size of its input must be known, got {x.get_shape()}")
        flat = x if x.get_shape().ndims == 2 else reshape(x, [-1, size])
        found = flat @ _weights([size, num_outputs], x, given)
        if flat is not x:
            found = reshape(found, [-1 if d is None else d for d in x.get_shape().as_list()[:-1]] + [num_outputs])
        return _finished(found, num_outputs, given)


@add_arg_scope
def conv2d(
    inputs: Any, num_outputs: int, kernel_size: Any, stride: Any = 1, padding: str = "SAME",
    data_format: str | None = None, rate: Any = 1, activation_fn: Any = nn.relu, **kwargs: Any,
) -> Tensor:  # fmt: skip
    """`num_outputs` convolutions of [N, H, W, C] with windows of `kernel_size`."""
    x = convert_to_tensor(inputs)
    if data_format not in (None, "NHWC"):
        raise ValueError(f"conv2d takes NHWC here, got {data_format!r}; with tf_slim installed it takes both")
    given = _given("conv2d", {"activation_fn": activation_fn, **kwargs})
    with variable_scope(given["scope"], "Conv", [x], reuse=given["reuse"]):
        window, steps, holes = _pair(kernel_size), _pair(stride), _pair(rate)
        kernel = _weights([*window, x.get_shape()[3].value, num_outputs], x, given)
        found = nn.conv2d(x, kernel, [1, *steps, 1], padding, dilations=[1, *holes, 1])
        return _finished(found, num_outputs, given)


@add_arg_scope
def conv2d_transpose(
    inputs: Any, num_outputs: int, kernel_size: Any, stride: Any = 1, padding: str = "SAME",
    activation_fn: Any = nn.relu, **kwargs: Any,
) -> Tensor:  # fmt: skip
    """The way back of a convolution: larger images of `num_outputs` channels."""
    x = convert_to_tensor(inputs)
    given = _given("conv2d_transpose", {"activation_fn": activation_fn, **kwargs})
    with variable_scope(given["scope"], "Conv2d_transpose", [x], reuse=given["reuse"]):
        found = layers.conv2d_transpose(
            x, num_outputs, _pair(kernel_size), _pair(stride), padding.lower(), use_bias=False,
            kernel_initializer=given["weights_initializer"] or xavier_initializer(), name="weights",
        )  # fmt: skip
        return _finished(found, num_outputs, given)


def _pair(given: Any) -> list[int]:
    return [given, given] if isinstance(given, int) else list(given)


@add_arg_scope
def max_pool2d(
    inputs: Any, kernel_size: Any, stride: Any = 2, padding: str = "VALID", scope: str | None = None, **unused: Any
) -> Tensor:
    """The largest of each window."""
    return layers.max_pooling2d(inputs, _pair(kernel_size), _pair(stride), padding, name=scope or "MaxPool2D")


@add_arg_scope
def avg_pool2d(
    inputs: Any, kernel_size: Any, stride: Any = 2, padding: str = "VALID", scope: str | None = None, **unused: Any
) -> Tensor:
    """The mean of each window."""
    return layers.average_pooling2d(inputs, _pair(kernel_size), _pair(stride), padding, name=scope or "AvgPool2D")


@add_arg_scope
def batch_norm(
    inputs: Any, decay: float = 0.999, center: bool = True, scale: bool = False, epsilon: float = 0.001,
    activation_fn: Any = None, param_initializers: Any = None, updates_collections: Any = GraphKeys.UPDATE_OPS,
    is_training: Any = True, reuse: Any = None, scope: Any = None, trainable: bool = True, **unused: Any,
) -> Tensor:  # fmt: skip
    """Normalised by the batch's moments while training, else by their averages.

    What moves the averages is collected under UPDATE_OPS, or with updates_collections=None goes before the result.
    """
    known = len(get_default_graph().get_collection(GraphKeys.UPDATE_OPS))
    here: Any
    with variable_scope(scope, "BatchNorm", reuse=reuse) as here:
        found = layers.batch_normalization(
            inputs, momentum=decay, epsilon=epsilon, center=center, scale=scale, training=is_training,
            trainable=trainable, name=here,
        )  # fmt: skip
    if updates_collections is None:
        moved = get_default_graph()._collections.get(GraphKeys.UPDATE_OPS, [])
        updates, moved[known:] = moved[known:], []
        with get_default_graph().control_dependencies(updates):
            found = found + 0
    return found if activation_fn is None else activation_fn(found)


@add_arg_scope
def dropout(
    inputs: Any, keep_prob: Any = 0.5, noise_shape: Any = None, is_training: Any = True,
    outputs_collections: Any = None, scope: str | None = None, seed: int | None = None,
) -> Tensor:  # fmt: skip
    """While training, `inputs` with a share of `keep_prob` kept and made larger."""
    return layers.dropout(inputs, 1 - keep_prob, noise_shape, seed, is_training, scope or "Dropout")


def flatten(inputs: Any, outputs_collections: Any = None, scope: str | None = None) -> Tensor:
    """[N, all the rest]."""
    return layers.flatten(inputs, scope or "Flatten")


def one_hot_encoding(labels: Any, num_classes: int, on_value: float = 1.0, off_value: float = 0.0) -> Tensor:
    """A row for each label, with `on_value` at its place."""
    from refflow.compat.v1 import one_hot

    return to_float(one_hot(labels, num_classes, on_value, off_value))


def embed_sequence(
    ids: Any, vocab_size: int, embed_dim: int, initializer: Any = None, trainable: bool = True, scope: Any = None,
    reuse: Any = None, **unused: Any,
) -> Tensor:  # fmt: skip
    """A vector for each id."""
    with variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        table = get_variable("embeddings", [vocab_size, embed_dim], float32, initializer, trainable=trainable)
        return nn.embedding_lookup(table, ids)


convolution2d, convolution2d_transpose = conv2d, conv2d_transpose
relu = functools.partial(fully_connected, activation_fn=nn.relu)
linear = functools.partial(fully_connected, activation_fn=None)
