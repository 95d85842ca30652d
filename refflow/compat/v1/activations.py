"""Activations and what is kept of them: elementwise functions, softmax along any axis, dropout, the k largest.

Next: compat/v1/cross_entropy.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import _axis
from refflow.compat.v1.derived import derived
from refflow.compat.v1.random import random_uniform
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, int32
from refflow.core.errors import InvalidArgumentError
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.array import reshape, shape
from refflow.ops.elementwise_functions import sigmoid
from refflow.ops.joining import concat
from refflow.ops.log_softmax import LOG_SOFTMAX
from refflow.ops.softmax import softmax as softmax_of_rows
from refflow.ops.transpose import transpose

relu, relu6, elu, selu = map(derived, ("Relu", "Relu6", "Elu", "Selu"))
softplus, softsign = derived("Softplus"), derived("Softsign")


def leaky_relu(features: Any, alpha: Any = 0.2, name: str | None = None) -> Tensor:
    """features, and below zero alpha times as much."""
    features = convert_to_tensor(features, name="features")
    if features.dtype.is_integer:
        features = op_def("Cast")(features, DstT=as_dtype("float32"))
    if isinstance(alpha, Tensor):
        return op_def("Maximum")(alpha * features, features, name=name or "LeakyRelu")
    return op_def("LeakyRelu")(features, alpha=float(np.float32(alpha)), name=name)  # an attr's numbers are float32


def crelu(features: Any, name: str | None = None, axis: int = -1) -> Tensor:
    """The positive part and the negative part beside each other."""
    with op_scope([], name, "CRelu") as scope:
        features = convert_to_tensor(features, name="features")
        both = op_def("ConcatV2")([features, -features], axis)
        return op_def("Relu")(both, name=scope)


def silu(features: Any, beta: Any = 1.0) -> Tensor:
    """x sigmoid(beta x)."""
    features = convert_to_tensor(features, name="features")
    scaled = features if isinstance(beta, (int, float)) and beta == 1 else features * beta
    return features * sigmoid(scaled)


swish = silu


def in_rows(x: Tensor, axis: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`function`, which works on rows of a matrix, along any axis; of unknown rank, along the last."""
    rank = x.get_shape().ndims
    if rank == 2 and axis in (-1, 1):
        return function(x)
    if rank is None and axis != -1:
        raise ValueError("a softmax along another axis than the last needs a tensor of known rank")
    if rank is not None and not -max(rank, 1) <= axis < max(rank, 1):
        said = f"axis {axis} must be in the range [{-rank}, {rank}), for there are {rank} dimensions"
        raise InvalidArgumentError(None, None, said)
    order = None
    if rank is not None and axis % rank != rank - 1:
        order = [i for i in range(rank) if i != axis % rank] + [axis % rank]
    moved = x if order is None else transpose(x, order)
    sizes = shape(moved)
    found = reshape(function(reshape(moved, concat(0, [np.array([-1], np.int32), sizes[-1:]]))), sizes)
    if order is not None:
        found = transpose(found, np.argsort(order).astype(np.int32))
    found.set_shape(x.get_shape())
    return found


def softmax(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Tensor:
    """exp(x) over its sum along `axis`, the last by default."""
    return in_rows(convert_to_tensor(logits), _axis(axis, dim, -1), lambda x: softmax_of_rows(x, name=name))


def log_softmax(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Tensor:
    """The logarithm of the softmax."""
    return in_rows(convert_to_tensor(logits), _axis(axis, dim, -1), lambda x: LOG_SOFTMAX(x, name=name))


def dropout(
    x: Any, keep_prob: Any = None, noise_shape: Any = None, seed: int | None = None, name: str | None = None,
    rate: Any = None,
) -> Tensor:  # fmt: skip
    """`x` with a share `rate` of its elements, or 1 - keep_prob, set to 0, and the others scaled up for them."""
    if (keep_prob is None) == (rate is None):
        raise ValueError("You must provide a rate to dropout." if rate is None
                         else "dropout takes rate or keep_prob, not both")  # fmt: skip
    x = convert_to_tensor(x, name="x")
    if not x.dtype.is_floating:
        raise ValueError(f"x has to be a floating point tensor since it's going to be scaled. Got a {x.dtype} tensor.")
    rate = 1.0 - keep_prob if rate is None else rate
    if isinstance(rate, (int, float)) and not 0 <= rate < 1:
        raise ValueError(f"rate must be a scalar tensor or a float in the range [0, 1), got {rate}")
    if isinstance(rate, (int, float)) and rate == 0:
        return x
    if noise_shape is not None and not isinstance(noise_shape, Tensor):
        noise_shape = [shape(x)[i] if n is None else n for i, n in enumerate(noise_shape)]
        if any(isinstance(n, Tensor) for n in noise_shape):
            noise_shape = op_def("Pack")(noise_shape)
    with op_scope([x], name, "dropout"):
        kind = x.dtype.base_dtype
        draw = random_uniform(shape(x) if noise_shape is None else noise_shape, dtype=kind, seed=seed)
        if isinstance(rate, (int, float)):
            scaled = op_def("Mul")(x, convert_to_tensor(1 / (1 - rate), kind))
        else:
            rate = convert_to_tensor(rate, kind)
            scaled = op_def("RealDiv")(x, op_def("Sub")(convert_to_tensor(1, kind), rate))
        found = op_def("SelectV2")(op_def("GreaterEqual")(draw, rate), scaled, convert_to_tensor(0, kind))
        found.set_shape(x.get_shape())
        return found


def top_k(input: Any, k: Any = 1, sorted: bool = True, index_type: Any = int32, name: str | None = None) -> Any:
    """(values, indices) of the k largest along the last axis."""
    return op_def("TopKV2")(input, k, sorted=sorted, index_type=as_dtype(index_type), name=name)


def in_top_k(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Tensor:
    """For each row, whether the target class is among the k largest."""
    targets = convert_to_tensor(targets)
    with op_scope([], name, "in_top_k"):
        return op_def("InTopKV2")(predictions, targets, convert_to_tensor(k, targets.dtype.base_dtype))


def _approximate(called: str, is_max_k: bool) -> Any:
    def function(
        operand: Any, k: int, reduction_dimension: int = -1, recall_target: float = 0.95,
        reduction_input_size_override: int = -1, aggregate_to_topk: bool = True, name: str | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        found = op_def("ApproxTopK")(
            operand, k=k, reduction_dimension=reduction_dimension, recall_target=recall_target, is_max_k=is_max_k,
            reduction_input_size_override=reduction_input_size_override, aggregate_to_topk=aggregate_to_topk, name=name,
        )  # fmt: skip
        return found.values, found.indices

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"(values, indices) of the k {'largest' if is_max_k else 'least'}, all of them found here."
    return function


approx_max_k, approx_min_k = _approximate("approx_max_k", True), _approximate("approx_min_k", False)
quantized_avg_pool, quantized_max_pool = derived("QuantizedAvgPool"), derived("QuantizedMaxPool")
quantized_relu_x = derived("QuantizedReluX")
quantized_conv2d = derived(
    "QuantizedConv2D", "quantized_conv2d", "input, filter, min_input, max_input, min_filter, max_filter, strides, "
                                           "padding, out_type, dilations, name")  # fmt: skip
