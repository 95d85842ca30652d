"""tf.metrics: what is counted over many steps, as a pair of a value and an operation that counts one step more.

    accuracy, count = tf.metrics.accuracy(labels, predictions)       run count for each batch, then accuracy

The counts are local variables: run local_variables_initializer to begin.

Next: compat/v1/variables.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.initializers import zeros_initializer
from refflow.compat.v1.math import reduce_sum, squared_difference
from refflow.compat.v1.variables import GraphKeys, get_variable, variable_scope
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import bool_, float32
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.ops.cast import cast


def _count(name: str) -> Any:
    found = get_variable(name, [], float32, zeros_initializer(), trainable=False,
                         collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES])  # fmt: skip
    return found


def _ratio(parts: dict[str, Any], name: str | None, default: str, collections: Any, updates: Any) -> Any:
    """(value, update) of the ratio of two running sums; `parts` are what a step adds to each, by variable."""
    with variable_scope(name, default):
        sums = [_count(label) for label in parts]
        value = op_def("DivNoNan")(*(s.read_value() for s in sums), name="value")
        grown = [s.assign_add(p) for s, p in zip(sums, parts.values(), strict=True)]
        # Both sums are read once both have grown.
        with get_default_graph().control_dependencies([g.op for g in grown]):
            update = op_def("DivNoNan")(*(s.read_value() for s in sums), name="update_op")
    for tensor, keys in ((value, collections), (update, updates)):
        for key in keys or ():
            get_default_graph().add_to_collection(key, tensor)
    return value, update


def _weighted(values: Tensor, weights: Any) -> tuple[Tensor, Tensor]:
    """(sum of weights * values, sum of weights)."""
    values = values if values.dtype.base_dtype is float32 else cast(values, float32)
    if weights is None:
        return reduce_sum(values), cast(op_def("Size")(values), float32)
    weights = cast(convert_to_tensor(weights), float32) * op_def("OnesLike")(values)
    return reduce_sum(values * weights), reduce_sum(weights)


def mean(
    values: Any, weights: Any = None, metrics_collections: Any = None, updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The mean of all values so far."""
    total, count = _weighted(convert_to_tensor(values), weights)
    return _ratio({"total": total, "count": count}, name, "mean", metrics_collections, updates_collections)


def accuracy(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The share of predictions that are the label."""
    predictions = convert_to_tensor(predictions)
    labels = convert_to_tensor(labels)
    labels = labels if labels.dtype.base_dtype is predictions.dtype.base_dtype else cast(labels, predictions.dtype)
    total, count = _weighted(cast(op_def("Equal")(predictions, labels), float32), weights)
    return _ratio({"total": total, "count": count}, name, "accuracy", metrics_collections, updates_collections)


def mean_squared_error(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The mean of (prediction - label) squared."""
    total, count = _weighted(squared_difference(convert_to_tensor(predictions), labels), weights)
    parts = {"total": total, "count": count}
    return _ratio(parts, name, "mean_squared_error", metrics_collections, updates_collections)


def _hits(labels: Any, predictions: Any, weights: Any, other: str) -> tuple[Tensor, Tensor]:
    """(true and predicted, true or predicted as `other` says), weighted counts."""
    z, y = (cast(cast(convert_to_tensor(v), bool_), float32) for v in (labels, predictions))
    factor = 1.0 if weights is None else cast(convert_to_tensor(weights), float32)
    return reduce_sum(z * y * factor), reduce_sum((y if other == "predicted" else z) * factor)


def precision(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Of what was predicted, the share that is true."""
    hits, claimed = _hits(labels, predictions, weights, "predicted")
    parts = {"true_positives": hits, "predicted": claimed}
    return _ratio(parts, name, "precision", metrics_collections, updates_collections)


def recall(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Of what is true, the share that was predicted."""
    hits, real = _hits(labels, predictions, weights, "true")
    parts = {"true_positives": hits, "real": real}
    return _ratio(parts, name, "recall", metrics_collections, updates_collections)
