"""Weights beside values: what shapes they may have, and what is squeezed so that labels and predictions fit.

    a weight for all, or of the values' rank with each size the values' or 1

Next: compat/v1/losses.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Tensor, control_dependencies
from refflow.core.registry import op_def
from refflow.ops.cast import cast

_SAID = "weights can not be broadcast to values."


def as_kind(value: Any, dtype: Any) -> Tensor:
    """`value` as a tensor of that type."""
    found = convert_to_tensor(value)
    return found if found.dtype.base_dtype.name == getattr(dtype, "base_dtype", dtype).name else cast(found, dtype)


def check_weights(weights: Tensor, values: Tensor) -> list[Any]:
    """A ValueError where `weights` are known not to fit `values`; else assertions for what only a step knows."""
    mine, theirs = weights.get_shape(), values.get_shape()
    if mine.ndims == 0:
        return []
    if mine.ndims is not None and theirs.ndims is not None:
        told = f"values.rank={theirs.ndims}. weights.rank={mine.ndims}. values.shape={theirs}. weights.shape={mine}."
        if mine.ndims != theirs.ndims:
            raise ValueError(f"{_SAID} {told}")
        pairs = list(zip(mine.as_list(), theirs.as_list(), strict=True))
        if any(w not in (None, 1) and v is not None and w != v for w, v in pairs):
            raise ValueError(f"{_SAID} Mismatch at dim. {told}")
        if all(w == 1 or (w is not None and w == v) for w, v in pairs):
            return []
    fits = op_def("LogicalOr")(op_def("Equal")(op_def("Rank")(weights), 0), _same_or_one(weights, values))
    said = np.array(_SAID.encode(), object)
    return [op_def("Assert")(fits, [said, op_def("Shape")(weights), op_def("Shape")(values)])]


def _same_or_one(weights: Tensor, values: Tensor) -> Tensor:
    """Whether the ranks agree and each size is the values' or 1; ranks that differ make no error here."""
    mine, theirs = op_def("Shape")(weights), op_def("Shape")(values)
    ranks = op_def("Equal")(op_def("Rank")(weights), op_def("Rank")(values))
    size = op_def("Rank")(values)
    padded = op_def("Concat")(0, [mine, op_def("Fill")(op_def("Reshape")(size, [1]), 1)])[:size]
    fits = op_def("LogicalOr")(op_def("Equal")(padded, 1), op_def("Equal")(padded, theirs))
    return op_def("LogicalAnd")(ranks, op_def("All")(fits, [0]))


def spread_weights(weights: Any, values: Tensor) -> Tensor:
    """One weight for each value, of the values' type."""
    given = as_kind(weights, values.dtype)
    with control_dependencies(check_weights(given, values)):
        return given * op_def("OnesLike")(values)


def squeezed(labels: Any, predictions: Any) -> tuple[Tensor, Tensor]:
    """(labels, predictions), the one that has a last size of 1 too many without it."""
    labels, predictions = convert_to_tensor(labels, name="labels"), convert_to_tensor(predictions, name="predictions")
    mine, theirs = labels.get_shape(), predictions.get_shape()
    if mine.ndims is not None and theirs.ndims is not None:
        if theirs.ndims == mine.ndims + 1 and theirs[-1].is_compatible_with(1):
            predictions = op_def("Squeeze")(predictions, squeeze_dims=[-1])
        elif theirs.ndims == mine.ndims - 1 and mine[-1].is_compatible_with(1):
            labels = op_def("Squeeze")(labels, squeeze_dims=[-1])
    return labels, predictions


def matched(labels: Any, predictions: Any, weights: Any) -> tuple[Tensor, Tensor, Any]:
    """Labels and predictions of one shape, and weights of their rank; a ValueError where that cannot be."""
    labels, predictions = squeezed(labels, predictions)
    predictions.get_shape().assert_is_compatible_with(labels.get_shape())
    return labels, predictions, ranked(weights, predictions)


def ranked(weights: Any, values: Tensor) -> Any:
    """`weights` with a last axis of size 1 less or more where that gives them the values' rank."""
    if weights is None:
        return None
    weights = convert_to_tensor(weights, name="weights")
    mine, theirs = weights.get_shape().ndims, values.get_shape().ndims
    if not mine or theirs is None:
        return weights
    if mine - theirs == 1:
        return op_def("Squeeze")(weights, squeeze_dims=[-1])
    return op_def("ExpandDims")(weights, -1) if theirs - mine == 1 else weights
