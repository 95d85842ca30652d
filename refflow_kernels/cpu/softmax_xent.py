"""Softmax cross-entropy and its gradient in one pass over the scores [S18.1, S18.3].

    bytes: 3 NC elements        operations: 8 NC and NC exponentials

The block's shifted scores serve the loss, its exponentials the gradient; neither is ever written to memory as
a whole. With class numbers instead of distributions the gradient is the shares, less 1 at each row's class.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow_kernels.cpu.softmax import each_block, shifted, sums


def softmax_xent(features: Any, labels: Any, out: Any = None) -> tuple[Any, Any]:
    """loss [N] and backprop [N, C] of scores [N, C] and target distributions [N, C]."""
    if features.shape != labels.shape:
        features, labels = np.broadcast_arrays(features, labels)
    if out is None:
        out = np.empty(features.shape[:1], features.dtype), np.empty(features.shape, features.dtype)
    loss, backprop = out

    def block(rows: slice) -> None:
        x, axis = shifted(features[rows])
        exps = np.exp(x)
        z = sums(exps, axis)
        y = labels[rows].T if axis == 0 else labels[rows]
        exps *= 1 / z
        exps -= y
        backprop[rows] = exps.T if axis == 0 else exps
        np.subtract(np.log(z), x, out=x)
        x *= y
        loss[rows] = np.add.reduce(x, axis=axis)

    each_block(features.shape[0], features.shape[1], block)
    return loss, backprop


def sparse_softmax_xent(features: Any, labels: Any, out: Any = None) -> tuple[Any, Any]:
    """loss [N] and backprop [N, C] of scores [N, C] and class numbers [N]; a number without a class is a ValueError."""
    classes = features.shape[1]
    if labels.size:
        _check_labels(labels, classes)
    if out is None:
        out = np.empty(labels.shape, features.dtype), np.empty(features.shape, features.dtype)
    loss, backprop = out

    def block(rows: slice) -> None:
        own = labels[rows]
        x, axis = shifted(features[rows])
        place = (own, np.arange(len(own))) if axis == 0 else (np.arange(len(own)), own)
        picked = x[place]
        exps = np.exp(x, out=x)
        z = sums(exps, axis)
        loss[rows] = np.log(z.reshape(-1)) - picked
        exps *= 1 / z
        exps[place] -= 1
        backprop[rows] = exps.T if axis == 0 else exps

    each_block(features.shape[0], features.shape[1], block)
    return loss, backprop


def _check_labels(labels: Any, classes: int) -> None:
    if classes == 0:
        raise ValueError(f"Must have at least one class, but got logits shape [{len(labels)},0]")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"Received a label value of {low if low < 0 else high} which is outside the valid range of "
            f"[0, {classes}).  Label values: {' '.join(str(int(v)) for v in labels)}"
        )
