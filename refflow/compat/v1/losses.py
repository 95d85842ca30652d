"""tf.losses: a number from many, weighted, and entered in the collection of losses.

    loss = sum of weights * losses / number of weights that are not 0          SUM_BY_NONZERO_WEIGHTS

Each of them: labels, predictions or logits, weights that stretch to the losses, the scope of its nodes, the collection
that the loss enters, and how many losses become one.

Next: compat/v1/metrics/__init__.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from refflow.compat.v1 import nn
from refflow.compat.v1.math import reduce_sum, squared_difference
from refflow.compat.v1.variables import GraphKeys
from refflow.compat.v1.weights import as_kind, check_weights, ranked, squeezed
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import float32
from refflow.core.graph import Tensor, control_dependencies, get_default_graph
from refflow.core.registry import op_def
from refflow.ops.add_n import add_n
from refflow.ops.array import shape
from refflow.ops.cast import cast
from refflow.ops.constant import constant


class Reduction:
    """How many losses become one."""

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = SUM_OVER_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """Every way there is."""
        return (cls.NONE, cls.SUM, cls.MEAN, cls.SUM_OVER_BATCH_SIZE, cls.SUM_OVER_NONZERO_WEIGHTS,
                cls.SUM_BY_NONZERO_WEIGHTS)  # fmt: skip

    @classmethod
    def validate(cls, key: str) -> None:
        """A ValueError where `key` is none of them."""
        if key not in cls.all():
            raise ValueError(f"Invalid Reduction Key {key}.")


_USUAL = Reduction.SUM_BY_NONZERO_WEIGHTS
_LOSSES = GraphKeys.LOSSES


def add_loss(loss: Tensor, loss_collection: str | None = _LOSSES) -> None:
    """Enters a loss in the collection."""
    if loss_collection:
        get_default_graph().add_to_collection(loss_collection, loss)


def compute_weighted_loss(
    losses: Any, weights: Any = 1.0, scope: str | None = None, loss_collection: str | None = _LOSSES,
    reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """`losses` times `weights`, which stretch to their shape, made one number as `reduction` says."""
    Reduction.validate(reduction)
    with op_scope([], scope, "weighted_loss"):
        given = convert_to_tensor(losses)
        weights = as_kind(weights, float32)
        with control_dependencies(check_weights(weights, given)):
            losses = as_kind(given, float32)
            weighted = losses * weights
            found = weighted if reduction == Reduction.NONE else reduce_sum(weighted)
            if reduction == Reduction.MEAN:
                found = _over(found, reduce_sum(op_def("OnesLike")(losses) * weights))
            elif reduction == _USUAL:
                found = _over(found, reduce_sum(_present(losses, weights)))
            elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
                found = _over(found, cast(op_def("Size")(losses), float32))
            found = as_kind(found, given.dtype)
        add_loss(found, loss_collection)
        return found


def _over(total: Tensor, count: Tensor) -> Tensor:
    """total / count, and 0 where nothing is counted."""
    return op_def("DivNoNan")(total, count, name="value")


def _present(losses: Tensor, weights: Tensor) -> Tensor:
    """1 for each loss whose weight is not 0."""
    counts = op_def("NotEqual")(weights, op_def("ZerosLike")(weights))
    return cast(counts, float32) * op_def("OnesLike")(losses)


def _required(**given: Any) -> None:
    for name, value in given.items():
        if value is None:
            raise ValueError(f"{name} must not be None.")


@contextmanager
def _compared(scope: str | None, default: str, labels: Any, predictions: Any,
              what: str = "predictions") -> Iterator[tuple[str, Tensor, Tensor]]:  # fmt: skip
    """(the loss's scope, labels, predictions), both float32 and of one shape."""
    _required(labels=labels, **{what: predictions})
    with op_scope([], scope, default) as inside:
        z, y = as_kind(labels, float32), as_kind(predictions, float32)
        y.get_shape().assert_is_compatible_with(z.get_shape())
        yield inside, z, y


def mean_squared_error(
    labels: Any, predictions: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: str | None = _LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """(prediction - label) squared."""
    with _compared(scope, "mean_squared_error", labels, predictions) as (inside, z, y):
        return compute_weighted_loss(squared_difference(y, z), weights, inside, loss_collection, reduction)


def absolute_difference(
    labels: Any, predictions: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: str | None = _LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """|prediction - label|."""
    with _compared(scope, "absolute_difference", labels, predictions) as (inside, z, y):
        return compute_weighted_loss(op_def("Abs")(y - z), weights, inside, loss_collection, reduction)


def cosine_distance(
    labels: Any, predictions: Any, axis: int | None = None, weights: Any = 1.0, scope: str | None = None,
    loss_collection: str | None = _LOSSES, reduction: str = _USUAL, dim: int | None = None,
) -> Tensor:  # fmt: skip
    """1 minus the product, along `axis`, of vectors that have length 1."""
    axis = dim if axis is None else axis
    if axis is None:
        raise ValueError("You must specify 'axis'.")
    with _compared(scope, "cosine_distance_loss", labels, predictions) as (inside, z, y):
        losses = 1 - reduce_sum(y * z, [axis], True)
        return compute_weighted_loss(losses, weights, inside, loss_collection, reduction)


def huber_loss(
    labels: Any, predictions: Any, weights: Any = 1.0, delta: float = 1.0, scope: str | None = None,
    loss_collection: str | None = _LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """Half the square of the error up to `delta`, and beyond it a straight line."""
    with _compared(scope, "huber_loss", labels, predictions) as (inside, z, y):
        error = op_def("Abs")(y - z)
        near = op_def("Minimum")(error, delta)
        losses = 0.5 * near * near + delta * (error - near)
        return compute_weighted_loss(losses, weights, inside, loss_collection, reduction)


def log_loss(
    labels: Any, predictions: Any, weights: Any = 1.0, epsilon: float = 1e-7, scope: str | None = None,
    loss_collection: str | None = _LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """-z log(p) - (1 - z) log(1 - p) for labels z and chances p."""
    with _compared(scope, "log_loss", labels, predictions) as (inside, z, p):
        log = op_def("Log")
        losses = -z * log(p + epsilon) - (1 - z) * log(1 - p + epsilon)
        return compute_weighted_loss(losses, weights, inside, loss_collection, reduction)


def hinge_loss(
    labels: Any, logits: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: str | None = _LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """max(0, 1 - t x) for labels 0 and 1, which become t = -1 and 1."""
    with _compared(scope, "hinge_loss", labels, logits, "logits") as (inside, z, x):
        return compute_weighted_loss(nn.relu(1 - (2 * z - 1) * x), weights, inside, loss_collection, reduction)


def mean_pairwise_squared_error(
    labels: Any, predictions: Any, weights: Any = 1.0, scope: str | None = None, loss_collection: str | None = _LOSSES
) -> Tensor:
    """The mean over pairs of an example's elements of (their difference - that of their labels) squared.

    With d = prediction - label and n elements that count: 2 sum(d^2) / (n - 1) - 2 sum(d)^2 / (n (n - 1)).
    """
    with _compared(scope, "mean_pairwise_squared_error", labels, predictions) as (_, z, y):
        weights = as_kind(weights, float32)
        with control_dependencies(check_weights(weights, z)):
            away = y - z
            axes = list(range(1, away.get_shape().with_rank_at_least(1).ndims or 1))
            number = reduce_sum(_present(away, weights), axes, True)
            ratio, most = op_def("DivNoNan"), op_def("Maximum")
            squares = 2.0 * ratio(reduce_sum(op_def("Square")(away), axes, True), most(number - 1, 0.0))
            total = reduce_sum(away, axes, True)
            both = 2.0 * ratio(op_def("Square")(total), most(number * (number - 1), 0.0))
            loss = reduce_sum((squares - both) * weights)
            found = op_def("SelectV2")(op_def("Greater")(reduce_sum(number), 0.0), loss, 0.0, name="value")
        add_loss(found, loss_collection)
        return found


def sigmoid_cross_entropy(
    multi_class_labels: Any, logits: Any, weights: Any = 1.0, label_smoothing: float = 0, scope: str | None = None,
    loss_collection: str | None = _LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """The cross-entropy of each label by itself; smoothing moves labels toward 1/2."""
    _required(multi_class_labels=multi_class_labels, logits=logits)
    with op_scope([], scope, "sigmoid_cross_entropy_loss") as inside:
        x = convert_to_tensor(logits)
        z = as_kind(multi_class_labels, x.dtype)
        x.get_shape().assert_is_compatible_with(z.get_shape())
        z = z * (1 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else z
        losses = nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x, name="xentropy")
        return compute_weighted_loss(losses, weights, inside, loss_collection, reduction)


def softmax_cross_entropy(
    onehot_labels: Any, logits: Any, weights: Any = 1.0, label_smoothing: float = 0, scope: str | None = None,
    loss_collection: str | None = _LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """The cross-entropy of each row; smoothing moves labels toward equal shares."""
    _required(onehot_labels=onehot_labels, logits=logits)
    with op_scope([], scope, "softmax_cross_entropy_loss") as inside:
        x = convert_to_tensor(logits)
        z = as_kind(onehot_labels, x.dtype)
        x.get_shape().assert_is_compatible_with(z.get_shape())
        if label_smoothing:
            z = z * (1 - label_smoothing) + label_smoothing / cast(shape(z)[-1], z.dtype)
        losses = nn.softmax_cross_entropy_with_logits(labels=z, logits=x, name="xentropy")
        return compute_weighted_loss(losses, weights, inside, loss_collection, reduction)


def sparse_softmax_cross_entropy(
    labels: Any, logits: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: str | None = _LOSSES, reduction: str = _USUAL,
) -> Tensor:  # fmt: skip
    """The cross-entropy of each row, whose class is a number; labels may have a last size of 1 too many."""
    _required(labels=labels, logits=logits)
    with op_scope([], scope, "sparse_softmax_cross_entropy_loss") as inside:
        labels, logits = convert_to_tensor(labels), convert_to_tensor(logits)
        rank = logits.get_shape().ndims
        if rank is not None and labels.get_shape().ndims == rank:
            labels = squeezed(labels, logits[..., 0])[0]
        losses = nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, ranked(weights, losses), inside, loss_collection, reduction)


def get_losses(scope: str | None = None, loss_collection: str = _LOSSES) -> list[Tensor]:
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
