"""Metrics of ranked predictions and sets of labels: what is among the k best.

    precision at k = found / k        recall at k = found / labels
    average precision at k = sum over the hits i of precision at i / min(k, labels)

Labels are [..., num_labels], dense or sparse, or [...] where each row has one; class_id looks at one class alone.

Next: ops/sets.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.math import reduce_sum
from refflow.compat.v1.metrics.counts import counted, metric, metric_variable
from refflow.compat.v1.weights import as_kind, check_weights, spread_weights
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import float64, int64
from refflow.core.graph import Tensor, control_dependencies
from refflow.core.registry import op_def
from refflow.core.sparse_tensor import SparseTensor
from refflow.ops.array import shape
from refflow.ops.cast import cast
from refflow.ops.joining import concat

Ids = Any  # a Tensor or a SparseTensor of int64 [..., count]


def _named(name: str, k: int | None, class_id: int | None = None) -> str:
    name = f"{name}_at_k" if k is None else f"{name}_at_{k}"
    return name if class_id is None else f"{name}_class{class_id}"


def _expanded(labels: Ids, predictions: Tensor) -> Ids:
    """Labels as sets: [...] becomes [..., 1]."""
    if isinstance(labels, SparseTensor):
        return labels
    labels = as_kind(labels, int64)
    rank, theirs = labels.get_shape().ndims, predictions.get_shape().ndims
    if rank is not None and theirs is not None and rank == theirs - 1:
        return op_def("ExpandDims")(labels, -1)
    return labels


def _combined(first: Ids, second: Ids, how: str) -> SparseTensor:
    """The sets `first` and `second` have along the last axis, combined: intersection, a-b or b-a."""
    parts = [[s.indices, s.values, s.shape] if isinstance(s, SparseTensor) else [s] for s in (first, second)]
    if len(parts[0]) == 3 and len(parts[1]) == 1:
        parts, how = parts[::-1], {"a-b": "b-a", "b-a": "a-b"}.get(how, how)
    kinds = {(1, 1): "DenseToDense", (1, 3): "DenseToSparse", (3, 3): "SparseToSparse"}
    op = op_def(kinds[len(parts[0]), len(parts[1])] + "SetOperation")
    found = op(*parts[0], *parts[1], set_operation=how)
    return SparseTensor(found.result_indices, found.result_values, found.result_shape)


def _size(sets: SparseTensor) -> Tensor:
    return op_def("SetSize")(sets.indices, sets.values, sets.shape)


def _only(ids: Ids, class_id: int | None) -> Ids:
    """What `ids` have of one class; all of them where none is named."""
    if class_id is None:
        return ids
    sizes = cast(ids.shape, "int32") if isinstance(ids, SparseTensor) else shape(ids)
    rows = op_def("Fill")(concat(0, [sizes[:-1], [1]]), convert_to_tensor(class_id, int64))
    return _combined(ids, rows, "intersection")


def _streamed(labels: Ids, predictions: Ids, how: str, name: str, k: int | None, class_id: int | None,
              weights: Any) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(so far, with this batch): the sizes of the sets combined, summed with weights."""
    with op_scope([], None, _named(name, k, class_id)) as scope:
        found = cast(_size(_combined(_only(predictions, class_id), _only(labels, class_id), how)), float64)
        if weights is not None:
            weights = as_kind(weights, float64)
            with control_dependencies(check_weights(weights, found)):
                found = found * weights
        total = metric_variable([], float64, scope)
        return total.read_value(), counted(total, reduce_sum(found))


def _hits_over(labels: Ids, indices: Any, k: int | None, class_id: int | None, weights: Any, other: str, how: str,
               scope: str) -> tuple[Tensor, Tensor]:  # fmt: skip
    """hits / (hits + others), so far and with this batch; 0 / 0 is nan."""
    indices = as_kind(indices, int64)
    labels = _expanded(labels, indices)
    hits, more_hits = _streamed(labels, indices, "intersection", "true_positive", k, class_id, weights)
    others, more_others = _streamed(labels, indices, how, other, k, class_id, weights)
    return (op_def("Div")(hits, hits + others, name=scope),
            op_def("Div")(more_hits, more_hits + more_others, name="update"))  # fmt: skip


@metric()
def recall_at_top_k(
    labels: Ids, predictions_idx: Any, k: int | None = None, class_id: int | None = None, weights: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Of the labels, the share that is among the predicted classes `predictions_idx` [..., k]."""
    with op_scope([], name, _named("recall", k, class_id)) as scope:
        return _hits_over(labels, predictions_idx, k, class_id, weights, "false_negative", "b-a", scope)


@metric()
def precision_at_top_k(
    labels: Ids, predictions_idx: Any, k: int | None = None, class_id: int | None = None, weights: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Of the predicted classes `predictions_idx` [..., k], the share that is among the labels."""
    with op_scope([], name, _named("precision", k, class_id)) as scope:
        return _hits_over(labels, predictions_idx, k, class_id, weights, "false_positive", "a-b", scope)


@metric()
def recall_at_k(
    labels: Ids, predictions: Any, k: int, class_id: int | None = None, weights: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Of the labels, the share that is among the k classes with the largest `predictions` [..., num_classes]."""
    with op_scope([], name, _named("recall", k, class_id)) as scope:
        best = op_def("TopKV2")(predictions, k).indices
        return recall_at_top_k(labels, best, k, class_id, weights, name=scope)


@metric()
def precision_at_k(
    labels: Ids, predictions: Any, k: int, class_id: int | None = None, weights: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Of the k classes with the largest `predictions` [..., num_classes], the share that is among the labels."""
    with op_scope([], name, _named("precision", k, class_id)) as scope:
        best = op_def("TopKV2")(predictions, k).indices
        return precision_at_top_k(labels, best, k, class_id, weights, name=scope)


sparse_precision_at_k = precision_at_k


def _average_precision(labels: Ids, best: Tensor, k: int) -> Tensor:
    """The average precision of each row, float64."""
    best = as_kind(best, int64)
    labels = _expanded(labels, best)
    hits = []
    for i in range(k):  # whether the i-th prediction is a label, and no earlier one was the same
        hits.append(_size(_combined(best[..., : i + 1], labels, "intersection")))
    found = cast(op_def("Pack")(hits, axis=-1), float64)  # [..., k]: so many hits up to each place
    last = op_def("Pad")(found, [[0, 0]] * ((found.get_shape().ndims or 1) - 1) + [[1, 0]])[..., :-1]
    places = convert_to_tensor([float(i + 1) for i in range(k)], float64)
    precisions = reduce_sum(found / places * (found - last), -1)
    return precisions / cast(op_def("Minimum")(_count(labels), k), float64)


def _count(labels: Ids) -> Tensor:
    """How many distinct labels each row has."""
    return _size(_combined(labels, labels, "intersection"))


@metric()
def average_precision_at_k(
    labels: Ids, predictions: Any, k: int, weights: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The mean over the rows of the average precision of the k classes with the largest `predictions`."""
    if k < 1:
        raise ValueError(f"Invalid k={k}.")
    with op_scope([], name, _named("average_precision", k)):
        found = _average_precision(labels, op_def("TopKV2")(predictions, k).indices, k)
        if weights is not None:
            weights = spread_weights(weights, found)
            found = found * weights
        most = metric_variable([], float64, "max")
        number = cast(op_def("Size")(found), float64) if weights is None else reduce_sum(weights)
        total = metric_variable([], float64, "total")
        mosts, totals = counted(most, number), counted(total, reduce_sum(found))
        ratio = op_def("DivNoNan")
        return (ratio(total.read_value(), most.read_value(), name="mean"),
                ratio(totals, mosts, name="update"))  # fmt: skip


sparse_average_precision_at_k = average_precision_at_k
