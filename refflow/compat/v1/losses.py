"""tf.losses: a number from many, weighted, and entered in the collection of losses.

    loss = sum of weights * losses / number of weights that are not 0          SUM_BY_NONZERO_WEIGHTS

Next: compat/v1/metrics.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1 import nn
from refflow.compat.v1.math import reduce_sum, squared_difference
from refflow.compat.v1.variables import GraphKeys
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.ops.add_n import add_n
from refflow.ops.cast import cast
from refflow.ops.constant import constant


class Reduction:
    """How many losses become one."""

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = SUM_OVER_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"


_USUAL = Reduction.SUM_BY_NONZERO_WEIGHTS


def add_loss(loss: Tensor, loss_collection: str | None = GraphKeys.LOSSES) -> None:
    """Enters a loss in the collection."""
    if loss_collection:
        get_default_graph().add_to_collection(loss_collection, loss)


def compute_weighted_loss(
    losses: Any, weights: Any = 1.0, scope: str | None = None, loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """`losses` times `weights`, which stretch to their shape, made one number as `reduction` says."""
    with op_scope([], scope, "weighted_loss"):
        losses = convert_to_tensor(losses)
        weights = convert_to_tensor(weights)
        weights = weights if weights.dtype.base_dtype is losses.dtype.base_dtype else cast(weights, losses.dtype)
        weighted = losses * weights
        found = weighted
        if reduction != Reduction.NONE:
            found = reduce_sum(weighted)
        if reduction == Reduction.MEAN:
            found = _over(found, reduce_sum(op_def("OnesLike")(losses) * weights))
        elif reduction == _USUAL:
            counts = op_def("NotEqual")(op_def("OnesLike")(losses) * weights, op_def("ZerosLike")(losses))
            found = _over(found, reduce_sum(cast(counts, losses.dtype)))
        elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
            found = _over(found, cast(op_def("Size")(losses), losses.dtype))
        elif reduction not in (Reduction.NONE, Reduction.SUM):
            raise ValueError(f"Invalid Reduction Key {reduction}.")
        add_loss(found, loss_collection)
        return found


def _over(total: Tensor, count: Tensor) -> Tensor:
    """total / count, and 0 where nothing is counted."""
    return op_def("DivNoNan")(total, count)


def _pair(labels: Any, predictions: Any) -> tuple[Tensor, Tensor]:
    if labels is None or predictions is None:
        raise ValueError("labels and predictions must not be None.")
    predictions = convert_to_tensor(predictions)
    predictions = predictions if predictions.dtype.is_floating else cast(predictions, "float32")
    labels = convert_to_tensor(labels)
    labels = labels if labels.dtype.base_dtype is predictions.dtype.base_dtype else cast(labels, predictions.dtype)
    predictions.get_shape().assert_is_compatible_with(labels.get_shape())
    return labels, predictions


def mean_squared_error(
    labels: Any, predictions: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """(prediction - label) squared."""
    z, y = _pair(labels, predictions)
    return compute_weighted_loss(squared_difference(y, z), weights, scope, loss_collection, reduction)


def absolute_difference(
    labels: Any, predictions: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """|prediction - label|."""
    z, y = _pair(labels, predictions)
    return compute_weighted_loss(op_def("Abs")(y - z), weights, scope, loss_collection, reduction)


def huber_loss(
    labels: Any, predictions: Any, weights: Any = 1.0, delta: float = 1.0, scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """Half the square of the error up to `delta`, and beyond it a straight line."""
    z, y = _pair(labels, predictions)
    error = op_def("Abs")(y - z)
    near = op_def("Minimum")(error, delta)
    return compute_weighted_loss(0.5 * near * near + delta * (error - near), weights, scope, loss_collection, reduction)


def log_loss(
    labels: Any, predictions: Any, weights: Any = 1.0, epsilon: float = 1e-7, scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """-z log(p) - (1 - z) log(1 - p) for labels z and chances p."""
    z, p = _pair(labels, predictions)
    log = op_def("Log")
    losses = -z * log(p + epsilon) - (1 - z) * log(1 - p + epsilon)
    return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def hinge_loss(
    labels: Any, logits: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """max(0, 1 - t x) for labels 0 and 1, which become t = -1 and 1."""
    z, x = _pair(labels, logits)
    return compute_weighted_loss(nn.relu(1 - (2 * z - 1) * x), weights, scope, loss_collection, reduction)


def sigmoid_cross_entropy(
    multi_class_labels: Any, logits: Any, weights: Any = 1.0, label_smoothing: float = 0, scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """The cross-entropy of each label by itself; smoothing moves labels toward 1/2."""
    z, x = _pair(multi_class_labels, logits)
    z = z * (1 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else z
    losses = nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x)
    return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def softmax_cross_entropy(
    onehot_labels: Any, logits: Any, weights: Any = 1.0, label_smoothing: float = 0, scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """The cross-entropy of each row; smoothing moves labels toward equal shares."""
    z, x = _pair(onehot_labels, logits)
    if label_smoothing:
        z = z * (1 - label_smoothing) + label_smoothing / (z.get_shape()[-1].value or 1)
    losses = nn.softmax_cross_entropy_with_logits_v2(labels=z, logits=x)
    return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def sparse_softmax_cross_entropy(
    labels: Any, logits: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """The cross-entropy of each row, whose class is a number."""
    labels, logits = convert_to_tensor(labels), convert_to_tensor(logits)
    rank = logits.get_shape().ndims
    if rank is not None and labels.get_shape().ndims == rank:  # [N, 1] for [N]
        labels = op_def("Squeeze")(labels, squeeze_dims=[rank - 1])
    losses = nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def get_losses(scope: str | None = None, loss_collection: str = GraphKeys.LOSSES) -> list[Tensor]:
    """The losses collected so far."""
    return get_default_graph().get_collection(loss_collection, scope)


def get_regularization_losses(scope: str | None = None) -> list[Tensor]:
    """What the regularizers of variables gave."""
    return get_default_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


def get_regularization_loss(scope: str | None = None, name: str = "total_regularization_loss") -> Tensor:
    """Their sum; 0 without any."""
    found = get_regularization_losses(scope)
    return add_n(found, name=name) if found else constant(0.0)


def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None
) -> Tensor:
    """The sum of all losses."""
    found = get_losses(scope) + (get_regularization_losses(scope) if add_regularization_losses else [])
    return add_n(found, name=name)
