"""Metrics of what was said and what was so: positives and negatives, true and false, and what is made of them.

    precision = TP / (TP + FP)        recall = TP / (TP + FN)
    IoU of a class = diagonal / (row + column - diagonal) of the matrix label by prediction

Next: compat/v1/metrics/thresholds.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.arrays import where
from refflow.compat.v1.math import confusion_matrix, reduce_sum
from refflow.compat.v1.metrics.counts import counted, metric, metric_variable
from refflow.compat.v1.variables import variable_scope
from refflow.compat.v1.weights import as_kind, matched, spread_weights
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import bool_, float32, float64, int64
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.array import reshape
from refflow.ops.cast import cast

_NOT, _AND = op_def("LogicalNot"), op_def("LogicalAnd")


def _count(condition: Tensor, weights: Any) -> tuple[Tensor, Tensor]:
    """(so far, with this batch): how often the condition held, weighted."""
    count = metric_variable([], name="count")
    values = cast(condition, float32)
    if weights is not None:
        values = values * spread_weights(weights, values)
    return op_def("Identity")(count), counted(count, reduce_sum(values))


def _case(label: bool, prediction: bool, default: str) -> Any:
    """The metric that counts elements whose label and prediction are these."""

    def function(labels: Any, predictions: Any, weights: Any = None, name: str | None = None) -> tuple[Tensor, Tensor]:
        with variable_scope(name, default):
            labels, predictions, weights = matched(
                cast(convert_to_tensor(labels), bool_), cast(convert_to_tensor(predictions), bool_), weights
            )
            return _count(_AND(labels if label else _NOT(labels), predictions if prediction else _NOT(predictions)),
                          weights)  # fmt: skip

    function.__name__ = function.__qualname__ = default
    function.__doc__ = f"How many are {str(label).lower()} and were said to be {str(prediction).lower()}."
    return metric()(function)


true_positives, false_positives = _case(True, True, "true_positives"), _case(False, True, "false_positives")
true_negatives, false_negatives = _case(False, False, "true_negatives"), _case(True, False, "false_negatives")


def _share(hits: Tensor, others: Tensor, name: str) -> Tensor:
    return op_def("DivNoNan")(hits, hits + others, name=name)


@metric()
def precision(labels: Any, predictions: Any, weights: Any = None, name: str | None = None) -> tuple[Tensor, Tensor]:
    """Of what was predicted, the share that is true."""
    with variable_scope(name, "precision"):
        hits, more_hits = true_positives(labels, predictions, weights)
        wrong, more_wrong = false_positives(labels, predictions, weights)
        return _share(hits, wrong, "value"), _share(more_hits, more_wrong, "update_op")


@metric()
def recall(labels: Any, predictions: Any, weights: Any = None, name: str | None = None) -> tuple[Tensor, Tensor]:
    """Of what is true, the share that was predicted."""
    with variable_scope(name, "recall"):
        hits, more_hits = true_positives(labels, predictions, weights)
        missed, more_missed = false_negatives(labels, predictions, weights)
        return _share(hits, missed, "value"), _share(more_hits, more_missed, "update_op")


@metric()
def mean_iou(
    labels: Any, predictions: Any, num_classes: int, weights: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The mean, over the classes seen, of intersection over union; the update gives the matrix of counts."""
    with variable_scope(name, "mean_iou"):
        labels, predictions, weights = matched(labels, predictions, weights)
        total = metric_variable([num_classes, num_classes], float64, "total_confusion_matrix")
        labels, predictions = (reshape(cast(v, int64), [-1]) for v in (labels, predictions))
        if weights is not None:
            weights = as_kind(weights, float64)
            weights = reshape(weights, [-1]) if weights.get_shape().ndims else weights
            weights = weights * op_def("OnesLike")(cast(labels, float64))
        batch = confusion_matrix(labels, predictions, num_classes, float64, weights=weights)
        update = counted(total, batch)
        return _iou(total.read_value()), update


def _iou(matrix: Tensor) -> Tensor:
    rows, columns = (cast(op_def("Sum")(matrix, [axis]), float32) for axis in (0, 1))
    both = cast(op_def("DiagPart")(matrix), float32)
    either = rows + columns - both
    seen = op_def("Greater")(either, 0.0)
    each = both / where(seen, either, op_def("OnesLike")(either))
    number = reduce_sum(cast(op_def("NotEqual")(either, 0.0), float32))
    total = reduce_sum(each, name="mean_iou")
    return where(op_def("Greater")(number, 0.0), total / number, op_def("ZerosLike")(total))
