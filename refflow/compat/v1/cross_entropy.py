"""Losses for each example: cross-entropies, Poisson's, and those that are sampled over many classes.

    softmax    -sum_c z_c log p_c,  p = softmax(x)
    sigmoid    max(x, 0) - x z + log(1 + exp(-|x|))

Next: nn/candidates.py.
"""

from __future__ import annotations

import math
from typing import Any

from refflow.compat.v1.arrays import _axis
from refflow.compat.v1.arrays import concat as joined
from refflow.compat.v1.math import reduce_mean, reduce_sum
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.nn import candidates, log_uniform_candidate_sampler
from refflow.ops.array import reshape, shape
from refflow.ops.cast import cast
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementwise import ABS, EXP, NEG, RELU
from refflow.ops.joining import concat
from refflow.ops.log_softmax import SPARSE_XENT
from refflow.ops.logic import GREATER_EQUAL, SELECT
from refflow.ops.softmax_xent import softmax_cross_entropy_with_logits as xent_of_rows
from refflow.ops.transpose import transpose


def _named(labels: Any, logits: Any) -> tuple[Tensor, Tensor]:
    if labels is None or logits is None:
        raise ValueError("Both labels and logits must be provided.")
    logits = convert_to_tensor(logits, name="logits")
    return convert_to_tensor(labels, None, "labels"), logits


def softmax_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, dim: int = -1, name: str | None = None, axis: int | None = None
) -> Tensor:
    """The cross-entropy of each row of `labels`, which are shares of the classes. Nothing flows back to them."""
    labels, logits = _named(labels, logits)
    at = dim if axis is None else axis
    return softmax_cross_entropy_with_logits_v2(op_def("StopGradient")(labels), logits, at, name)


def softmax_cross_entropy_with_logits_v2(
    labels: Any, logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """As softmax_cross_entropy_with_logits, and -log p flows back to the labels."""
    labels, logits = _named(labels, logits)
    labels = labels if labels.dtype.is_floating else cast(labels, logits.dtype.base_dtype)
    at, rank = _axis(axis, dim, -1), logits.get_shape().ndims
    if rank == 2 and at in (-1, 1):
        return xent_of_rows(logits, labels, name=name)
    with op_scope([], name, "softmax_cross_entropy_with_logits"):
        if rank is not None and at % rank != rank - 1:
            order = [i for i in range(rank) if i != at % rank] + [at % rank]
            labels, logits = transpose(labels, order), transpose(logits, order)
        rows = concat(0, [[-1], shape(logits)[-1:]])
        return _as_without_last(xent_of_rows(reshape(logits, rows), reshape(labels, rows)), logits)


def _as_without_last(rows: Tensor, like: Tensor, name: str | None = None) -> Tensor:
    found = reshape(rows, shape(like)[:-1], name=name)
    if like.get_shape().ndims is not None:
        found.set_shape(like.get_shape()[:-1])
    return found


def sparse_softmax_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """The cross-entropy of each row, whose class is a number."""
    labels, logits = _named(labels, logits)
    rank, known = logits.get_shape().ndims, labels.get_shape().ndims
    if rank == 0:
        raise ValueError(f"`logits` cannot be a scalar. Received logits={logits}")
    if rank is not None and known is not None and known != rank - 1:
        raise ValueError("`labels.shape.rank` must equal `logits.shape.rank - 1`. Received: "
                         f"labels.shape={labels.get_shape()} of rank {known} and logits.shape={logits.get_shape()} "
                         f"of rank {rank}")  # fmt: skip
    if rank == 2:
        return SPARSE_XENT(logits, labels, name=name).loss
    with op_scope([], name, "SparseSoftmaxCrossEntropyWithLogits"):
        if rank is not None and not labels.get_shape().is_compatible_with(logits.get_shape()[:-1]):
            raise ShapeError(f"`labels.shape` {labels.get_shape()} must be that of logits, {logits.get_shape()}, but "
                             "for the last size")  # fmt: skip
        rows = reshape(logits, concat(0, [[-1], shape(logits)[-1:]]))
        return _as_without_last(SPARSE_XENT(rows, reshape(labels, [-1])).loss, logits)


def sigmoid_cross_entropy_with_logits(labels: Any = None, logits: Any = None, name: str | None = None) -> Tensor:
    """max(x, 0) - x z + log(1 + exp(-|x|)) for logits x and labels z, elementwise.

    Its pieces meet at x = 0 so that the slope there is sigmoid(0) - z; the first release's has none.
    """
    labels, logits = _named(labels, logits)
    if not logits.get_shape().is_compatible_with(labels.get_shape()):
        raise ValueError("`logits` and `labels` must have the same shape, received "
                         f"({logits.get_shape()} vs {labels.get_shape()}).")  # fmt: skip
    with op_scope([logits, labels], name, "logistic_loss") as scope:
        zeros = ZEROS_LIKE(logits)
        positive = GREATER_EQUAL(logits, zeros)
        above, size = SELECT(positive, logits, zeros), SELECT(positive, NEG(logits), logits)  # max(x, 0) and -|x|
        return op_def("Add")(above - logits * labels, op_def("Log1p")(EXP(size)), name=scope)


def weighted_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, pos_weight: Any = None, name: str | None = None, targets: Any = None
) -> Tensor:
    """As sigmoid_cross_entropy_with_logits, with what is true counting `pos_weight` times."""
    labels = convert_to_tensor(_axis(labels, targets), name="labels")
    logits = convert_to_tensor(logits, name="logits")
    if not logits.get_shape().is_compatible_with(labels.get_shape()):
        raise ValueError("`logits` and `targets` must have the same shape, received "
                         f"({logits.get_shape()} vs {labels.get_shape()}).")  # fmt: skip
    with op_scope([logits, labels], name, "logistic_loss") as scope:
        weight = 1 + (pos_weight - 1) * labels
        missed = op_def("Log1p")(EXP(NEG(ABS(logits)))) + RELU(NEG(logits))  # log(1 + exp(-x))
        return op_def("Add")((1 - labels) * logits, weight * missed, name=scope)


def log_poisson_loss(targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None) -> Tensor:
    """exp(x) - x z, the loss of a Poisson rate exp(x), elementwise.

    compute_full_loss: plus z log z - z + log(2 pi z) / 2, Stirling's log z!, where z is not 0 to 1.
    """
    with op_scope([], name, "log_poisson_loss"):
        x, z = convert_to_tensor(log_input, name="log_input"), convert_to_tensor(targets, name="targets")
        if not x.get_shape().is_compatible_with(z.get_shape()):
            raise ValueError("`log_input` and `targets` must have the same shape, received "
                             f"({x.get_shape()} vs {z.get_shape()}).")  # fmt: skip
        loss = op_def("Exp")(x) - x * z
        if not compute_full_loss:
            return loss
        stirling = z * op_def("Log")(z) - z + 0.5 * op_def("Log")(2 * math.pi * z)
        small = op_def("LogicalAnd")(op_def("GreaterEqual")(z, 0.0), op_def("LessEqual")(z, 1.0))
        return loss + op_def("SelectV2")(small, op_def("ZerosLike")(z), stirling)


def _whole(table: Any, partition_strategy: str) -> Any:
    """Tables that lie one after the other are one table; those that take turns are looked up as they are."""
    several = isinstance(table, (list, tuple)) and len(table) > 1
    return joined(list(table), 0) if several and partition_strategy == "div" else table


def nce_loss(
    weights: Any, biases: Any, labels: Any, inputs: Any, num_sampled: int, num_classes: int, num_true: int = 1,
    sampled_values: Any = None, remove_accidental_hits: bool = False, partition_strategy: str = "mod",
    name: str = "nce_loss",
) -> Tensor:  # fmt: skip
    """Losses [N] that tell true classes from sampled ones; see refflow.nn."""
    with op_scope([inputs, labels], name, "nce_loss") as scope:
        scores, targets = candidates.nce_scores(
            _whole(weights, partition_strategy), _whole(biases, partition_strategy), inputs, _int64(labels),
            num_sampled, num_classes, num_true, sampled_values, remove_accidental_hits,
        )  # fmt: skip
        return reduce_sum(sigmoid_cross_entropy_with_logits(labels=targets, logits=scores), [1], name=scope)


def sampled_softmax_loss(
    weights: Any, biases: Any, labels: Any, inputs: Any, num_sampled: int, num_classes: int, num_true: int = 1,
    sampled_values: Any = None, remove_accidental_hits: bool = True, partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss", seed: int | None = None,
) -> Tensor:  # fmt: skip
    """Losses [N] of a softmax over the true classes and some that are sampled; see refflow.nn."""
    labels = _int64(labels)
    if sampled_values is None:
        sampled_values = log_uniform_candidate_sampler(labels, num_true, num_sampled, True, num_classes, seed=seed)
    return candidates.sampled_softmax_loss(
        _whole(weights, partition_strategy), _whole(biases, partition_strategy), inputs, labels, num_sampled,
        num_classes, num_true, sampled_values, remove_accidental_hits, name,
    )  # fmt: skip


def _int64(value: Any) -> Tensor:
    value = convert_to_tensor(value)
    return value if value.dtype.base_dtype.name == "int64" else cast(value, "int64")


def compute_average_loss(
    per_example_loss: Any, sample_weight: Any = None, global_batch_size: Any = None
) -> Tensor:
    """The losses, weighted, summed and shared out over the examples of the batch."""
    losses = convert_to_tensor(per_example_loss, name="per_example_loss")
    kind = losses.dtype.base_dtype
    if sample_weight is not None:
        weights = convert_to_tensor(sample_weight)
        weights = weights if weights.dtype.base_dtype is kind else cast(weights, kind)
        rank, known = losses.get_shape().ndims, weights.get_shape().ndims
        if rank is not None and known is not None and known < rank and known > 0:
            weights = reshape(weights, concat(0, [shape(weights), [1] * (rank - known)]))
        losses = losses * weights
    if global_batch_size is None:
        if losses.get_shape().ndims == 0:
            return reduce_mean(losses)
        global_batch_size = shape(losses)[0]
    size = convert_to_tensor(global_batch_size)
    if size.dtype.is_floating:
        raise TypeError("global_batch_size must be an int")
    return op_def("DivNoNan")(reduce_sum(losses), cast(size, kind))


def scale_regularization_loss(regularization_loss: Any) -> Tensor:
    """The sum of a penalty's parts, for one replica: there is one."""
    return reduce_sum(convert_to_tensor(regularization_loss)) * 1.0
