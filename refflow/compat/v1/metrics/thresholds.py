"""Metrics of predictions in [0, 1] that thresholds turn into yes and no: rates at each threshold, areas under curves.

    area = sum of (x[i] - x[i + 1]) (y[i] + y[i + 1]) / 2 over neighbouring thresholds
    ROC: x false positives' rate, y recall          PR: x recall, y precision

Davis and Goadrich, "The relationship between precision-recall and ROC curves", 2006, for careful_interpolation.

Next: compat/v1/metrics/ranks.py.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import where
from refflow.compat.v1.math import argmax, argmin
from refflow.compat.v1.metrics.counts import counted, metric, metric_variable
from refflow.compat.v1.variables import variable_scope
from refflow.compat.v1.weights import as_kind, matched, spread_weights
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import bool_, float32
from refflow.core.graph import Tensor, control_dependencies
from refflow.core.registry import op_def
from refflow.ops.array import reshape
from refflow.ops.cast import cast

TINY = 1e-7
_NAMES = {"tp": "true_positives", "fn": "false_negatives", "tn": "true_negatives", "fp": "false_positives"}
Counts = dict[str, Tensor]


def _in_range(predictions: Tensor) -> list[Any]:
    """Assertions that predictions lie in [0, 1]."""
    said = np.array(b"predictions must be in [0, 1]", object)
    low, high = op_def("GreaterEqual")(predictions, 0.0), op_def("LessEqual")(predictions, 1.0)
    flat = reshape(op_def("LogicalAnd")(low, high), [-1])
    return [op_def("Assert")(op_def("All")(flat, [0]), [said, predictions])]


def _counts(
    labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any, kinds: Sequence[str] = tuple(_NAMES)
) -> tuple[Counts, Counts]:
    """(so far, with this batch): for each threshold, how many of each kind there are."""
    predictions = as_kind(predictions, float32)
    with control_dependencies(_in_range(predictions)):
        labels, predictions, weights = matched(cast(convert_to_tensor(labels), bool_), predictions, weights)
        flat = reshape(predictions, [1, -1])
    if weights is not None:
        weights = reshape(spread_weights(weights, predictions), [1, -1])
    limits = np.array(thresholds, np.float32).reshape(-1, 1)
    said, real = op_def("Greater")(flat, limits), reshape(labels, [1, -1])  # [thresholds, elements]
    yes, no = op_def("LogicalAnd"), op_def("LogicalNot")
    cases = {"tp": (real, said), "fn": (real, no(said)), "tn": (no(real), no(said)), "fp": (no(real), said)}
    before, after = {}, {}
    for kind in kinds:
        variable = metric_variable([len(thresholds)], name=_NAMES[kind])
        hits = cast(yes(*cases[kind]), float32)
        before[kind] = op_def("Identity")(variable)
        after[kind] = counted(variable, op_def("Sum")(hits if weights is None else hits * weights, [1]))
    return before, after


def _spaced(count: int, last: float = 1.0 + TINY) -> list[float]:
    """`count` thresholds from just below 0 to `last`."""
    return [0.0 - TINY, *((i + 1) / (count - 1) for i in range(count - 2)), last]


def _at_thresholds(kind: str) -> Any:
    def function(
        labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any = None, name: str | None = None
    ) -> tuple[Tensor, Tensor]:
        with variable_scope(name, _NAMES[kind]):
            before, after = _counts(labels, predictions, thresholds, weights, [kind])
            return before[kind], after[kind]

    function.__name__ = function.__qualname__ = f"{_NAMES[kind]}_at_thresholds"
    function.__doc__ = f"The {_NAMES[kind].replace('_', ' ')} at each threshold."
    return metric()(function)


true_positives_at_thresholds, false_negatives_at_thresholds = _at_thresholds("tp"), _at_thresholds("fn")
true_negatives_at_thresholds, false_positives_at_thresholds = _at_thresholds("tn"), _at_thresholds("fp")


def _ratio_at_thresholds(called: str, other: str, meaning: str) -> Any:
    def function(
        labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any = None, name: str | None = None
    ) -> tuple[Tensor, Tensor]:
        with variable_scope(name, called):
            found, kind = _counts(labels, predictions, thresholds, weights, ["tp", other]), called.partition("_")[0]
            value, update = (
                op_def("Div")(c["tp"], TINY + c["tp"] + c[other], name=label)
                for c, label in zip(found, (f"{kind}_value", f"{kind}_update_op"), strict=True)
            )
            return value, update

    function.__name__ = function.__qualname__ = called
    function.__doc__ = meaning
    return metric()(function)


precision_at_thresholds = _ratio_at_thresholds(
    "precision_at_thresholds", "fp", "Of what was predicted at each threshold, the share that is true."
)
recall_at_thresholds = _ratio_at_thresholds(
    "recall_at_thresholds", "fn", "Of what is true, the share that was predicted at each threshold."
)


# -- one number for the whole curve ------------------------------------------------------------------------------


@metric(before="curve")
def auc(
    labels: Any, predictions: Any, weights: Any = None, num_thresholds: int = 200, curve: str = "ROC",
    name: str | None = None, summation_method: str = "trapezoidal", thresholds: Sequence[float] | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The area under the curve ROC or PR, from its values at some thresholds."""
    if curve not in ("ROC", "PR"):
        raise ValueError(f"curve must be either ROC or PR, {curve} unknown")
    if summation_method not in ("trapezoidal", "careful_interpolation", "minoring", "majoring"):
        raise ValueError(f"Invalid summation_method: {summation_method}")
    if curve == "PR" and summation_method == "trapezoidal":
        logging.getLogger("refflow").warning(
            "Trapezoidal rule is known to produce incorrect PR-AUCs; please switch to "
            '"careful_interpolation" instead.'
        )
    with variable_scope(name, "auc"):
        limits = _spaced(num_thresholds) if thresholds is None else [0.0 - TINY, *sorted(thresholds), 1.0 + TINY]
        before, after = _counts(labels, predictions, limits, weights)
        return (_area(before, curve, summation_method, "value"), _area(after, curve, summation_method, "update_op"))


def _area(c: Counts, curve: str, method: str, name: str) -> Tensor:
    if curve == "PR" and method == "careful_interpolation":
        return _careful_area(c)
    recall = (c["tp"] + TINY) / (c["tp"] + c["fn"] + TINY)
    if curve == "ROC":
        x, y = c["fp"] / (c["fp"] + c["tn"] + TINY), recall
    else:
        x, y = recall, (c["tp"] + TINY) / (c["tp"] + c["fp"] + TINY)
    left, right = y[:-1], y[1:]
    if method == "minoring":
        height = op_def("Minimum")(left, right)
    elif method == "majoring":
        height = op_def("Maximum")(left, right)
    else:
        height = (left + right) / 2.0
    return op_def("Sum")((x[:-1] - x[1:]) * height, [0], name=name)


def _careful_area(c: Counts) -> Tensor:
    """The area under precision over recall where true positives, between thresholds, are linear in all positives."""
    ratio, most = op_def("DivNoNan"), op_def("Maximum")
    tp, said = c["tp"], c["tp"] + c["fp"]
    fewer = tp[:-1] - tp[1:]
    slope = ratio(fewer, most(said[:-1] - said[1:], 0.0))
    start = tp[1:] - slope * said[1:]
    real = op_def("LogicalAnd")(op_def("Greater")(said[:-1], 0.0), op_def("Greater")(said[1:], 0.0))
    growth = where(real, ratio(said[:-1], most(said[1:], 0.0)), op_def("OnesLike")(said[1:]))
    pieces = ratio(slope * (fewer + start * op_def("Log")(growth)), most(tp[1:] + c["fn"][1:], 0.0))
    return op_def("Sum")(pieces, [0], name="interpolate_pr_auc")


def _within(value: float, name: str) -> None:
    if value < 0 or value > 1:
        raise ValueError(f"`{name}` must be in the range [0, 1]. Currently, `{name}` got {value}.")


@metric()
def sensitivity_at_specificity(
    labels: Any, predictions: Any, specificity: float, weights: Any = None, num_thresholds: int = 200,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The recall at the threshold whose specificity, TN / (TN + FP), is nearest to the one given."""
    _within(specificity, "specificity")

    def sensitivity(c: Counts, label: str) -> Tensor:
        found = c["tn"] / (c["tn"] + c["fp"] + TINY)
        at = cast(argmin(op_def("Abs")(found - specificity), 0), "int32")
        return op_def("Div")(c["tp"][at], c["tp"][at] + c["fn"][at] + TINY, name=label)

    with variable_scope(name, "sensitivity_at_specificity"):
        before, after = _counts(labels, predictions, _spaced(num_thresholds, 1.0 - TINY), weights)
        return sensitivity(before, "value"), sensitivity(after, "update_op")


@metric()
def specificity_at_sensitivity(
    labels: Any, predictions: Any, sensitivity: float, weights: Any = None, num_thresholds: int = 200,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The specificity at the last threshold whose recall is nearest to the one given."""
    _within(sensitivity, "sensitivity")

    def specificity(c: Counts, label: str) -> Tensor:
        away = op_def("Abs")(c["tp"] / (c["tp"] + c["fn"] + TINY) - sensitivity)
        nearest = cast(op_def("Equal")(away, op_def("Min")(away, [0])), "int64")
        at = cast(argmax(op_def("Cumsum")(nearest, 0), 0), "int32")
        return op_def("Div")(c["tn"][at], c["tn"][at] + c["fp"][at] + TINY, name=label)

    with variable_scope(name, "specificity_at_sensitivity"):
        before, after = _counts(labels, predictions, _spaced(num_thresholds, 1.0 - TINY), weights)
        return specificity(before, "value"), specificity(after, "update_op")


__all__ = [
    "auc", "false_negatives_at_thresholds", "false_positives_at_thresholds", "precision_at_thresholds",
    "recall_at_thresholds", "sensitivity_at_specificity", "specificity_at_sensitivity", "true_negatives_at_thresholds",
    "true_positives_at_thresholds",
]  # fmt: skip
