"""tf.nn of TensorFlow 1.x: labels before logits and by name, `axis`, data formats, rates beside probabilities to keep.

    first release                                           1.x
    softmax_cross_entropy_with_logits(logits, labels)       softmax_cross_entropy_with_logits(labels=, logits=)
    nce_loss(weights, biases, inputs, labels, ...)          nce_loss(weights, biases, labels, inputs, ...)
    deconv2d                                                conv2d_transpose

Next: compat/v1/layers/functions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1 import rnn_cell
from refflow.compat.v1.arrays import _axis
from refflow.compat.v1.math import log_sigmoid, reduce_mean
from refflow.compat.v1.rnn import bidirectional_dynamic_rnn, dynamic_rnn, static_rnn
from refflow.compat.v1.windows import (
    avg_pool,
    bias_add,
    conv1d,
    conv2d,
    conv2d_backprop_filter,
    conv2d_backprop_input,
    conv2d_transpose,
    conv3d,
    depthwise_conv2d,
    max_pool,
    max_pool_with_argmax,
    separable_conv2d,
)
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.nn import (
    candidates,
    compute_accidental_hits,
    fixed_unigram_candidate_sampler,
    functions,
    l2_loss,
    learned_unigram_candidate_sampler,
    log_uniform_candidate_sampler,
    lrn,
    relu_layer,
    uniform_candidate_sampler,
    xw_plus_b,
    zero_fraction,
)
from refflow.ops.array import reshape
from refflow.ops.cast import cast
from refflow.ops.elementwise_functions import sigmoid, tanh
from refflow.ops.joining import concat
from refflow.ops.log_softmax import LOG_SOFTMAX, SPARSE_XENT
from refflow.ops.softmax import softmax as softmax_of_rows
from refflow.ops.softmax_xent import softmax_cross_entropy_with_logits as xent_of_rows
from refflow.ops.transpose import transpose

__all__ = [
    "avg_pool", "batch_normalization", "bias_add", "bidirectional_dynamic_rnn", "compute_accidental_hits", "conv1d",
    "conv2d", "conv2d_backprop_filter", "conv2d_backprop_input", "conv2d_transpose", "conv3d", "crelu",
    "depthwise_conv2d", "dropout", "dynamic_rnn", "elu",
    "embedding_lookup", "fixed_unigram_candidate_sampler", "fused_batch_norm", "in_top_k", "l2_loss", "l2_normalize",
    "leaky_relu", "learned_unigram_candidate_sampler", "local_response_normalization", "log_poisson_loss",
    "log_softmax", "log_uniform_candidate_sampler", "lrn", "max_pool", "max_pool_with_argmax", "moments", "nce_loss",
    "relu", "relu6",
    "relu_layer", "rnn_cell", "sampled_softmax_loss", "selu", "separable_conv2d", "sigmoid",
    "sigmoid_cross_entropy_with_logits", "softmax", "softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits_v2", "softplus", "softsign", "sparse_softmax_cross_entropy_with_logits",
    "static_rnn", "tanh", "top_k", "uniform_candidate_sampler", "weighted_cross_entropy_with_logits", "xw_plus_b",
    "zero_fraction",
]  # fmt: skip

local_response_normalization = lrn

# -- activations -------------------------------------------------------------------------------------------------


def _activation(called: str, op: str) -> Callable[..., Tensor]:
    def function(features: Any, name: str | None = None) -> Tensor:
        return op_def(op)(features, name=name)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"The op {op}, elementwise."
    return function


relu, relu6, elu, selu = (_activation(n, o) for n, o in zip(
    ("relu", "relu6", "elu", "selu"), ("Relu", "Relu6", "Elu", "Selu"), strict=True))  # fmt: skip
softplus, softsign = _activation("softplus", "Softplus"), _activation("softsign", "Softsign")


def leaky_relu(features: Any, alpha: float = 0.2, name: str | None = None) -> Tensor:
    """features, and below zero alpha times as much."""
    return op_def("LeakyRelu")(features, alpha=alpha, name=name)


def crelu(features: Any, name: str | None = None, axis: int = -1) -> Tensor:
    """The positive part and the negative part beside each other."""
    features = convert_to_tensor(features)
    rank = features.get_shape().ndims or 0
    return concat(axis % rank, [relu(features), relu(-features)], name=name or "CRelu")


def _in_rows(x: Tensor, axis: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`function`, which works on rows of a matrix, along any axis of a tensor."""
    rank = x.get_shape().ndims
    if rank is None:
        raise ValueError("a softmax needs a tensor of known rank")
    if rank == 2 and axis in (-1, 1):
        return function(x)
    order = [i for i in range(rank) if i != axis % rank] + [axis % rank]
    moved = x if axis % rank == rank - 1 else transpose(x, order)
    dims = op_def("Shape")(moved)
    rows = reshape(moved, concat(0, [np.array([-1], np.int32), dims[rank - 1 :]]) if rank else [1, 1])
    found = reshape(function(rows), dims)
    if moved is not x:
        found = transpose(found, np.argsort(order).astype(np.int32))
    found.set_shape(x.get_shape())
    return found


def softmax(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Tensor:
    """exp(x) over its sum along `axis`, the last by default."""
    return _in_rows(convert_to_tensor(logits), _axis(axis, dim, -1), lambda x: softmax_of_rows(x, name=name))


def log_softmax(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Tensor:
    """The logarithm of the softmax."""
    return _in_rows(convert_to_tensor(logits), _axis(axis, dim, -1), lambda x: LOG_SOFTMAX(x, name=name))


# -- losses ------------------------------------------------------------------------------------------------------


def _named(sentinel: Any, labels: Any, logits: Any, what: str) -> tuple[Tensor, Tensor]:
    if sentinel is not None:
        raise ValueError(f"Only call `{what}` with named arguments (labels=..., logits=..., ...)")
    if labels is None or logits is None:
        raise ValueError("Both labels and logits must be provided.")
    logits = convert_to_tensor(logits, name="logits")
    return convert_to_tensor(labels, None, "labels"), logits


def softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, dim: int = -1, name: str | None = None,
    axis: int | None = None,
) -> Tensor:  # fmt: skip
    """The cross-entropy of each row of `labels`, which are shares of the classes. Nothing flows back to them."""
    labels, logits = _named(_sentinel, labels, logits, "softmax_cross_entropy_with_logits")
    at, rank = dim if axis is None else axis, logits.get_shape().ndims
    labels = labels if labels.dtype.is_floating else cast(labels, logits.dtype.base_dtype)
    if rank == 2 and at in (-1, 1):
        return xent_of_rows(logits, labels, name=name)
    if rank is None or at % rank != rank - 1:
        raise ValueError("softmax_cross_entropy_with_logits works along the last axis of a tensor of known rank")
    classes = logits.get_shape()[-1].value
    rows = xent_of_rows(reshape(logits, [-1, classes]), reshape(labels, [-1, classes]))
    return _shaped_as_but_last(rows, logits, name)


def softmax_cross_entropy_with_logits_v2(
    labels: Any, logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """As softmax_cross_entropy_with_logits; labels are taken for data here too."""
    return softmax_cross_entropy_with_logits(labels=labels, logits=logits, dim=_axis(axis, dim, -1), name=name)


def _shaped_as_but_last(rows: Tensor, like: Tensor, name: str | None = None) -> Tensor:
    rank = like.get_shape().ndims or 1
    found = reshape(rows, op_def("Shape")(like)[: rank - 1], name=name)
    found.set_shape(like.get_shape()[: rank - 1])
    return found


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """The cross-entropy of each row, whose class is a number."""
    labels, logits = _named(_sentinel, labels, logits, "sparse_softmax_cross_entropy_with_logits")
    rank = logits.get_shape().ndims
    if rank == 2:
        return SPARSE_XENT(logits, labels, name=name).loss
    if rank is None:
        raise ValueError("logits must have a known rank")
    rows = SPARSE_XENT(reshape(logits, [-1, logits.get_shape()[-1].value or -1]), reshape(labels, [-1])).loss
    return _shaped_as_but_last(rows, logits, name)


def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """max(x, 0) - x z + log(1 + exp(-|x|)) for logits x and labels z, elementwise."""
    labels, logits = _named(_sentinel, labels, logits, "sigmoid_cross_entropy_with_logits")
    return functions.sigmoid_cross_entropy_with_logits(logits, labels, name=name)


def weighted_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, pos_weight: Any = None, name: str | None = None, targets: Any = None
) -> Tensor:
    """As sigmoid_cross_entropy_with_logits, with what is true counting `pos_weight` times."""
    labels = convert_to_tensor(_axis(labels, targets))
    logits = convert_to_tensor(logits)
    with op_scope([logits, labels], name, "logistic_loss"):
        return -(pos_weight * labels * log_sigmoid(logits) + (1 - labels) * log_sigmoid(-logits))


def log_poisson_loss(targets: Any, log_input: Any, name: str | None = None) -> Tensor:
    """exp(x) - x z, the loss of a Poisson rate exp(x), elementwise."""
    x = convert_to_tensor(log_input)
    with op_scope([x], name, "log_poisson_loss"):
        return op_def("Exp")(x) - x * targets


def nce_loss(
    weights: Any, biases: Any, labels: Any, inputs: Any, num_sampled: int, num_classes: int, num_true: int = 1,
    sampled_values: Any = None, remove_accidental_hits: bool = False, partition_strategy: str = "mod",
    name: str = "nce_loss",
) -> Tensor:  # fmt: skip
    """Losses [N] of telling the true classes from some that are sampled; see refflow.nn.nce_loss."""
    return candidates.nce_loss(weights, biases, inputs, _int64(labels), num_sampled, num_classes, num_true,
                               sampled_values, remove_accidental_hits, name)  # fmt: skip


def sampled_softmax_loss(
    weights: Any, biases: Any, labels: Any, inputs: Any, num_sampled: int, num_classes: int, num_true: int = 1,
    sampled_values: Any = None, remove_accidental_hits: bool = True, partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss", seed: int | None = None,
) -> Tensor:  # fmt: skip
    """Losses [N] of a softmax over the true classes and some that are sampled; see refflow.nn."""
    labels = _int64(labels)
    if sampled_values is None:
        sampled_values = log_uniform_candidate_sampler(labels, num_true, num_sampled, True, num_classes, seed=seed)
    return candidates.sampled_softmax_loss(weights, biases, inputs, labels, num_sampled, num_classes, num_true,
                                           sampled_values, remove_accidental_hits, name)  # fmt: skip


def _int64(value: Any) -> Tensor:
    value = convert_to_tensor(value)
    return value if value.dtype.base_dtype.name == "int64" else cast(value, "int64")


# -- what is kept, normalised, looked up -------------------------------------------------------------------------


def dropout(
    x: Any, keep_prob: Any = None, noise_shape: Any = None, seed: int | None = None, name: str | None = None,
    rate: Any = None,
) -> Tensor:  # fmt: skip
    """`x` with a share `rate` of its elements, or 1 - keep_prob, set to 0, and the others scaled up for them."""
    if (keep_prob is None) == (rate is None):
        raise ValueError("dropout takes rate, or keep_prob, and one of them")
    keep = keep_prob if rate is None else 1 - rate
    if isinstance(keep, (int, float)) and keep == 1:
        return convert_to_tensor(x)
    return functions.dropout(x, keep, noise_shape, seed, name)


def moments(
    x: Any, axes: Sequence[int], shift: Any = None, name: str | None = None, keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(mean, variance) of `x` over `axes`."""
    keep = bool(_axis(keepdims, keep_dims, False))
    with op_scope([], name, "moments"):
        x = convert_to_tensor(x)
        mean = reduce_mean(x, list(axes), True)
        away = op_def("SquaredDifference")(x, op_def("StopGradient")(mean))
        variance = reduce_mean(away, list(axes), True)
        found = (mean, variance)
        return found if keep else tuple(op_def("Squeeze")(t, squeeze_dims=list(axes)) for t in found)


def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: float, name: str | None = None
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset; the last two may be None."""
    with op_scope([], name, "batchnorm"):
        factor = op_def("Rsqrt")(convert_to_tensor(variance) + variance_epsilon)
        factor = factor if scale is None else factor * scale
        return x * factor + ((0.0 if offset is None else offset) - mean * factor)


def fused_batch_norm(
    x: Any, scale: Any, offset: Any, mean: Any = None, variance: Any = None, epsilon: float = 0.001,
    data_format: str = "NHWC", is_training: bool = True, name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """(y, mean, variance): normalised by the moments of the batch, or by those given where it is not training."""
    empty = np.zeros(0, np.float32)
    found = op_def("FusedBatchNormV3")(
        x, scale, offset, empty if mean is None else mean, empty if variance is None else variance, epsilon=epsilon,
        data_format=data_format, is_training=is_training, name=name,
    )  # fmt: skip
    return found.y, found.batch_mean, found.batch_variance


def l2_normalize(
    x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None
) -> Tensor:
    """`x` over its L2 norm along `axis`."""
    from refflow.compat.v1.math import reduce_sum

    with op_scope([], name, "l2_normalize"):
        x = convert_to_tensor(x)
        total = reduce_sum(op_def("Square")(x), _axis(axis, dim), True)
        return x * op_def("Rsqrt")(op_def("Maximum")(total, epsilon))


def top_k(input: Any, k: Any = 1, sorted: bool = True, name: str | None = None) -> Any:
    """(values, indices) of the k largest along the last axis."""
    return op_def("TopKV2")(input, k, sorted=sorted, name=name)


def in_top_k(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Tensor:
    """For each row, whether the target class is among the k largest."""
    targets = convert_to_tensor(targets)
    return op_def("InTopKV2")(predictions, targets, convert_to_tensor(k, targets.dtype.base_dtype), name=name)


def embedding_lookup(
    params: Any, ids: Any, partition_strategy: str = "mod", name: str | None = None, validate_indices: bool = True,
    max_norm: float | None = None,
) -> Tensor:  # fmt: skip
    """The rows of `params` that `ids` name; of a list of tables, row id // P of table id % P."""
    if partition_strategy != "mod" and isinstance(params, (list, tuple)) and len(params) > 1:
        raise ValueError(f"partition_strategy {partition_strategy!r}: only 'mod' is there")
    found = functions.embedding_lookup(params, ids, name)
    if max_norm is None:
        return found
    norm = op_def("Sqrt")(op_def("Sum")(op_def("Square")(found), -1, keep_dims=True))
    return found * (max_norm / op_def("Maximum")(norm, max_norm))
