"""Losses: the one unit above all others, which reads every score and says how wrong they are.

    SoftmaxLoss   sum_c t[c] (log z - (x[c] - m))    m = max_c x[c],  z = sum_c exp(x[c] - m)    dx = softmax(x) - t
    SquaredLoss   sum_c (x[c] - t[c])^2 / 2                                                      dx = x - t

each the mean over the N examples of a batch; t[N, C] are targets. Next: distbelief/network.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Loss(ABC):
    """A mean over examples, and its slope for each score."""

    @abstractmethod
    def value_and_slope(self, scores: Array, targets: Array) -> tuple[float, Array]:
        """The loss, and dscores[N, C], from scores[N, C] and targets[N, C]."""


class SoftmaxLoss(Loss):
    """Cross entropy of the scores' softmax with targets that sum to one."""

    def value_and_slope(self, scores: Array, targets: Array) -> tuple[float, Array]:
        shifted = scores - scores.max(axis=1, keepdims=True)
        exps = np.exp(shifted)
        z = exps.sum(axis=1, keepdims=True)
        loss = (targets * (np.log(z) - shifted)).sum(axis=1).mean()
        return float(loss), (exps / z - targets) / scores.dtype.type(len(scores))


class SquaredLoss(Loss):
    """Half the sum of squares."""

    def value_and_slope(self, scores: Array, targets: Array) -> tuple[float, Array]:
        wrong = scores - targets
        return float((wrong * wrong).sum(axis=1).mean() / 2), wrong / scores.dtype.type(len(scores))
