"""Metrics that are means of something over all that was seen: errors, accuracies, distances.

    value = total / count        update: the same, after the batch was added to both

Next: compat/v1/metrics/confusion.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.compat.v1.math import reduce_sum, squared_difference
from refflow.compat.v1.metrics.counts import counted, metric, metric_variable
from refflow.compat.v1.variables import variable_scope
from refflow.compat.v1.weights import as_kind, matched, ranked, spread_weights, squeezed
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import float32, int64
from refflow.core.graph import Tensor, control_dependencies
from refflow.core.registry import op_def
from refflow.ops.array import reshape
from refflow.ops.cast import cast


def _mean(values: Any, weights: Any, name: str | None, default: str) -> tuple[Tensor, Tensor]:
    with variable_scope(name, default):
        values = as_kind(values, float32)
        total, count = metric_variable([], name="total"), metric_variable([], name="count")
        if weights is None:
            number = cast(op_def("Size")(values), float32)
        else:
            weights = spread_weights(ranked(weights, values), values)
            values, number = values * weights, reduce_sum(weights)
        sums = counted(total, reduce_sum(values))
        with control_dependencies([values]):
            numbers = counted(count, number)
        ratio = op_def("DivNoNan")
        return (ratio(total.read_value(), op_def("Maximum")(count.read_value(), 0.0), name="value"),
                ratio(sums, op_def("Maximum")(numbers, 0.0), name="update_op"))  # fmt: skip


@metric()
def mean(values: Any, weights: Any = None, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The mean of all values so far."""
    return _mean(values, weights, name, "mean")


@metric()
def mean_tensor(values: Any, weights: Any = None, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The mean of all tensors so far, element by element."""
    with variable_scope(name, "mean"):
        values = as_kind(values, float32)
        sizes = values.get_shape().as_list()
        total, count = metric_variable(sizes, name="total_tensor"), metric_variable(sizes, name="count_tensor")
        number = op_def("OnesLike")(values)
        if weights is not None:
            number = spread_weights(ranked(weights, values), values)
            values = values * number
        sums = counted(total, values)
        with control_dependencies([values]):
            numbers = counted(count, number)
        least = np.ones(sizes, np.float32)
        return (op_def("Div")(total.read_value(), op_def("Maximum")(count.read_value(), least), name="value"),
                op_def("Div")(sums, op_def("Maximum")(numbers, least), name="update_op"))  # fmt: skip


@metric()
def accuracy(labels: Any, predictions: Any, weights: Any = None, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The share of predictions that are the label."""
    labels, predictions, weights = matched(labels, predictions, weights)
    right = op_def("Equal")(predictions, as_kind(labels, predictions.dtype))
    return _mean(right, weights, name, "accuracy")


@metric()
def mean_absolute_error(
    labels: Any, predictions: Any, weights: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The mean of |prediction - label|."""
    labels, predictions, weights = matched(labels, predictions, weights)
    return _mean(op_def("Abs")(predictions - labels), weights, name, "mean_absolute_error")


@metric()
def mean_squared_error(
    labels: Any, predictions: Any, weights: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The mean of (prediction - label) squared."""
    labels, predictions, weights = matched(labels, predictions, weights)
    return _mean(squared_difference(labels, predictions), weights, name, "mean_squared_error")


@metric()
def root_mean_squared_error(
    labels: Any, predictions: Any, weights: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The root of the mean of (prediction - label) squared."""
    labels, predictions, weights = matched(labels, predictions, weights)
    value, update = _mean(squared_difference(labels, predictions), weights, name, "root_mean_squared_error")
    return op_def("Sqrt")(value), op_def("Sqrt")(update)


@metric()
def mean_relative_error(
    labels: Any, predictions: Any, normalizer: Any, weights: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The mean of |prediction - label| over the normalizer, 0 where that is 0."""
    labels, predictions, weights = matched(labels, predictions, weights)
    predictions, normalizer = squeezed(predictions, normalizer)[0], squeezed(predictions, normalizer)[1]
    predictions.get_shape().assert_is_compatible_with(normalizer.get_shape())
    errors = op_def("DivNoNan")(op_def("Abs")(labels - predictions), normalizer)
    return _mean(errors, weights, name, "mean_relative_error")


@metric()
def mean_cosine_distance(
    labels: Any, predictions: Any, dim: int, weights: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """1 minus the mean cosine along `dim` of vectors of length 1."""
    labels, predictions, weights = matched(labels, predictions, weights)
    cosines = reduce_sum(predictions * labels, [dim], True)
    value, update = _mean(cosines, weights, name, "mean_cosine_distance")
    return op_def("Sub")(1.0, value), op_def("Sub")(1.0, update)


@metric()
def percentage_below(
    values: Any, threshold: Any, weights: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The share of values that are less than `threshold`."""
    below = op_def("Less")(convert_to_tensor(values), threshold)
    return _mean(below, weights, name, "percentage_below_threshold")


@metric()
def mean_per_class_accuracy(
    labels: Any, predictions: Any, num_classes: int, weights: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The mean over the classes of the share that was predicted right."""
    with variable_scope(name, "mean_accuracy"):
        labels, predictions, weights = matched(cast(convert_to_tensor(labels), int64), predictions, weights)
        labels, predictions = reshape(labels, [-1]), reshape(predictions, [-1])
        total, count = metric_variable([num_classes], name="total"), metric_variable([num_classes], name="count")
        number = op_def("OnesLike")(cast(labels, float32))
        right = cast(op_def("Equal")(as_kind(labels, predictions.dtype), predictions), float32)
        if weights is not None:
            weights = as_kind(weights, float32)
            weights = reshape(weights, [-1]) if weights.get_shape().ndims else weights
            number, right = number * weights, right * weights
        totals = op_def("ScatterAdd")(total.ref(), labels, number)
        counts = op_def("ScatterAdd")(count.ref(), labels, right)
        ratio = op_def("DivNoNan")
        each = ratio(count.read_value(), op_def("Maximum")(total.read_value(), 0.0))
        return (op_def("Mean")(each, [0], name="mean_accuracy"),
                ratio(counts, op_def("Maximum")(totals, 0.0), name="update_op"))  # fmt: skip
