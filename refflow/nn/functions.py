"""Neural-net functions over the ops: activations, layers, losses, lookups [S39, S45].

Next: ops/softmax_xent.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import int64
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops import activations
from refflow.ops.array import reshape, shape
from refflow.ops.bias_add import BIAS_ADD
from refflow.ops.cast import cast
from refflow.ops.conv import CONV_2D, CONV_3D
from refflow.ops.depthwise import DEPTHWISE
from refflow.ops.elementwise import ABS, EXP, FLOOR, LOG, MAXIMUM, NEG, RELU, RSQRT, SQUARE
from refflow.ops.gather import gather
from refflow.ops.joining import concat
from refflow.ops.lrn import LRN
from refflow.ops.matmul import matmul
from refflow.ops.pool import POOL_2D, POOL_3D
from refflow.ops.pool_places import WITH_ARGMAX
from refflow.ops.random import random_uniform
from refflow.ops.reductions import reduce_mean, reduce_sum
from refflow.ops.top_k import IN_TOP_K, TOP_K


def relu6(features: Any, name: str | None = None) -> Tensor:
    """min(max(features, 0), 6), elementwise."""
    return activations.RELU6(features, name=name)


def elu(features: Any, name: str | None = None) -> Tensor:
    """Floats `features` as they are, and exp(features) - 1 below zero, elementwise."""
    return activations.ELU(features, name=name)


def softplus(features: Any, name: str | None = None) -> Tensor:
    """log(exp(features) + 1), elementwise."""
    return activations.SOFTPLUS(features, name=name)


def softsign(features: Any, name: str | None = None) -> Tensor:
    """features / (|features| + 1), elementwise."""
    return activations.SOFTSIGN(features, name=name)


def bias_add(value: Any, bias: Any, name: str | None = None) -> Tensor:
    """`bias` [C] added along the last axis of `value`."""
    return BIAS_ADD(value, bias, name=name)


def l2_loss(t: Any, name: str | None = None) -> Tensor:
    """Half of the sum of squares of floats `t` of any shape, a scalar of their type; no root is taken."""
    return activations.L2_LOSS(t, name=name)


def l1_loss(t: Any, name: str | None = None) -> Tensor:
    """The sum of absolute values of `t`. Deck only [E07]."""
    return activations.L1_LOSS(t, name=name)


def conv2d(
    input: Any, filter: Any, strides: Sequence[int], padding: str, use_cudnn_on_gpu: bool | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Windows of `input` [N, H, W, C] times `filter` [kh, kw, C, M]: [N, H', W', M] [W74]."""
    return CONV_2D.conv(
        input, filter, strides=list(strides), padding=padding, use_cudnn_on_gpu=use_cudnn_on_gpu, name=name
    )


def deconv2d(
    value: Any, filter: Any, output_shape: Any, strides: Sequence[int], padding: str = "SAME", name: str | None = None
) -> Tensor:
    """The gradient of conv2d for its input, of shape `output_shape`; `filter` is [kh, kw, outputs, inputs]."""
    return CONV_2D.to_input(output_shape, filter, value, strides=list(strides), padding=padding, name=name)


def conv3d(input: Any, filter: Any, strides: Sequence[int], padding: str, name: str | None = None) -> Tensor:
    """Windows of `input` [N, D, H, W, C] times `filter` [kd, kh, kw, C, M]. Deck only [E07]."""
    return CONV_3D.conv(input, filter, strides=list(strides), padding=padding, name=name)


def depthwise_conv2d(input: Any, filter: Any, strides: Sequence[int], padding: str, name: str | None = None) -> Tensor:
    """Each channel of `input` with its own filters [kh, kw, C, M]: [N, H', W', C * M]."""
    return DEPTHWISE(input, filter, strides=list(strides), padding=padding, name=name)


def separable_conv2d(
    input: Any, depthwise_filter: Any, pointwise_filter: Any, strides: Sequence[int], padding: str,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """A depthwise convolution, and one of 1 x 1 windows [1, 1, C * M, out] that mixes the channels."""
    with op_scope([input, depthwise_filter, pointwise_filter], name, "separable_conv2d") as scope:
        apart = DEPTHWISE(input, depthwise_filter, strides=list(strides), padding=padding)
        return CONV_2D.conv(apart, pointwise_filter, strides=[1, 1, 1, 1], padding="VALID", name=scope)


def max_pool(value: Any, ksize: Sequence[int], strides: Sequence[int], padding: str, name: str | None = None) -> Tensor:
    """The largest of each window of `value` [N, H, W, C]."""
    return POOL_2D.max(value, ksize=list(ksize), strides=list(strides), padding=padding, name=name)


def avg_pool(value: Any, ksize: Sequence[int], strides: Sequence[int], padding: str, name: str | None = None) -> Tensor:
    """The mean of the real cells of each window of `value` [N, H, W, C] [W75]."""
    return POOL_2D.mean(value, ksize=list(ksize), strides=list(strides), padding=padding, name=name)


def max_pool3d(
    input: Any, ksize: Sequence[int], strides: Sequence[int], padding: str, name: str | None = None
) -> Tensor:
    """The largest of each window of `input` [N, D, H, W, C]. Deck only [E07]."""
    return POOL_3D.max(input, ksize=list(ksize), strides=list(strides), padding=padding, name=name)


def avg_pool3d(
    input: Any, ksize: Sequence[int], strides: Sequence[int], padding: str, name: str | None = None
) -> Tensor:
    """The mean of the real cells of each window of `input` [N, D, H, W, C]. Deck only [E07]."""
    return POOL_3D.mean(input, ksize=list(ksize), strides=list(strides), padding=padding, name=name)


def max_pool_with_argmax(
    input: Any, ksize: Sequence[int], strides: Sequence[int], padding: str, Targmax: Any = None, name: str | None = None
) -> Any:
    """(output, argmax): the largest of each window, and the cell's number (y * W + x) * C + c."""
    return WITH_ARGMAX(
        input, ksize=list(ksize), strides=list(strides), padding=padding, Targmax=Targmax or int64, name=name
    )


def local_response_normalization(
    input: Any, depth_radius: int | None = None, bias: float | None = None, alpha: float | None = None,
    beta: float | None = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """`input` [N, H, W, C] over a power of the squares of neighbouring channels."""
    return LRN(input, depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta, name=name)


lrn = local_response_normalization


def top_k(input: Any, k: int, name: str | None = None) -> Any:
    """(values, indices) [..., k] of the k largest along the last axis of reals, largest first; indices are int32.

    Of equals the first comes first. ShapeError where the axis is shorter than k.
    """
    return TOP_K(input, k=k, name=name)


def in_top_k(predictions: Any, targets: Any, k: int, name: str | None = None) -> Tensor:
    """For each row of `predictions` [N, C], whether the target class is among the k largest."""
    return IN_TOP_K(predictions, targets, k=k, name=name)


def dropout(
    x: Any, keep_prob: Any, noise_shape: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """`x` with elements kept with probability `keep_prob` and scaled by 1 / keep_prob, else 0.

    noise_shape: draws are shared along its axes of size 1.
    """
    if isinstance(keep_prob, (int, float)) and not 0 < keep_prob <= 1:
        raise ValueError(f"keep_prob must be a number in (0, 1], got {keep_prob}")
    with op_scope([x], name, "dropout"):
        x = convert_to_tensor(x, name="x")
        keep = convert_to_tensor(keep_prob, x.dtype.base_dtype)
        draw = random_uniform(shape(x) if noise_shape is None else noise_shape, dtype=x.dtype.base_dtype, seed=seed)
        found = x * (cast(np.float32(1), x.dtype) / keep) * FLOOR(keep + draw)
        found.set_shape(x.get_shape())
        return found


def moments(x: Any, axes: Sequence[int], name: str | None = None) -> tuple[Tensor, Tensor]:
    """(mean, variance) of floats `x` over `axes`, a list of integers; both lack these axes."""
    from refflow.ops.math_functions import moments as of

    return of(x, axes, name)


def zero_fraction(value: Any, name: str | None = None) -> Tensor:
    """The share of elements that are zero, float32."""
    from refflow.core.dtypes import float32
    from refflow.ops.constant import ZEROS_LIKE
    from refflow.ops.logic import EQUAL

    with op_scope([value], name, "zero_fraction"):
        value = convert_to_tensor(value, name="value")
        found = reduce_mean(cast(EQUAL(value, ZEROS_LIKE(value)), float32))
        found.set_shape([])
        return found


def l2_normalize(x: Any, dim: int, epsilon: float = 1e-12, name: str | None = None) -> Tensor:
    """`x` over its L2 norm along axis `dim`; squares that sum to less than epsilon count as epsilon."""
    with op_scope([x], name, "l2_normalize") as scope:
        x = convert_to_tensor(x, name="x")
        total = reduce_sum(SQUARE(x), [dim], keep_dims=True)
        return op_def("Mul")(x, RSQRT(MAXIMUM(total, epsilon)), name=scope)


def sigmoid_cross_entropy_with_logits(logits: Any, targets: Any, name: str | None = None) -> Tensor:
    """max(x, 0) - x * z + log(1 + exp(-|x|)) for x = logits and z = targets, elementwise.

    Floats of one type; the losses [...] have the logits' shape. Finite for logits of any size.
    """
    with op_scope([logits, targets], name, "logistic_loss") as scope:
        x = convert_to_tensor(logits, name="logits")
        z = convert_to_tensor(targets, name="targets")
        return op_def("Add")(RELU(x) - x * z, LOG(EXP(NEG(ABS(x))) + cast(np.float32(1), x.dtype)), name=scope)


def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """x [N, K] times weights [K, M], plus biases [M]."""
    with op_scope([x, weights, biases], name, "xw_plus_b") as scope:
        return BIAS_ADD(matmul(x, weights), biases, name=scope)


def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """relu of x [N, K] times weights [K, M], plus biases [M]; floats of one type [S45]."""
    with op_scope([x, weights, biases], name, "relu_layer") as scope:
        return RELU(BIAS_ADD(matmul(x, weights), biases), name=scope)


def embedding_lookup(params: Any, ids: Any, name: str | None = None) -> Tensor:
    """The rows of `params` that `ids` name; of a list of P tensors, row id // P of tensor id % P."""
    tables = list(params) if isinstance(params, (list, tuple)) else [params]
    with op_scope([*tables, ids], name, "embedding_lookup") as scope:
        if len(tables) == 1:
            return gather(tables[0], ids, name=scope)
        from refflow.ops.array import size
        from refflow.ops.dynamic_stitch import dynamic_stitch
        from refflow.ops.range import range_
        from refflow.ops.unique import dynamic_partition

        ids = convert_to_tensor(ids, name="ids")
        flat = reshape(ids, [-1])
        count = cast(np.int32(len(tables)), flat.dtype)
        owner = cast(flat % count, "int32")
        rows = dynamic_partition(flat / count, owner, len(tables))
        places = dynamic_partition(range_(0, size(flat)), owner, len(tables))
        found = [gather(table, at) for table, at in zip(tables, rows, strict=True)]
        joined = dynamic_stitch(places, found)
        tail = convert_to_tensor(tables[0]).get_shape().as_list()[1:]
        result = reshape(joined, concat(0, [shape(ids), np.array(tail, np.int32)]), name=scope)
        result.set_shape([*ids.get_shape().as_list(), *tail] if ids.dims is not None else None)
        return result
