"""Neural nets: a library on top of the operations; the core knows nothing of it [S39, S45, S46]."""

from __future__ import annotations

from typing import Any

from refflow.core.graph import Tensor
from refflow.ops.elementwise import RELU, SIGMOID, TANH
from refflow.ops.softmax import softmax
from refflow.ops.softmax_xent import softmax_cross_entropy_with_logits

__all__ = ["relu", "sigmoid", "softmax", "softmax_cross_entropy_with_logits", "tanh"]


def relu(features: Any, name: str | None = None) -> Tensor:
    """max(features, 0), elementwise [S30]."""
    return RELU(features, name=name)


def sigmoid(x: Any, name: str | None = None) -> Tensor:
    """1 / (1 + exp(-x)), elementwise."""
    return SIGMOID(x, name=name)


def tanh(x: Any, name: str | None = None) -> Tensor:
    """The hyperbolic tangent, elementwise."""
    return TANH(x, name=name)
