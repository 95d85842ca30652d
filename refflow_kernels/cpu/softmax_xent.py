"""Softmax cross-entropy and its gradient in one pass over the scores [S18.1, S18.3].

    loss = log z sum y - sum(y x)        x: the scores, shifted; z: the sum of their exponentials

    bytes: 3 NC elements        operations: 8 NC and NC exponentials

The block's shifted scores serve the loss, then their exponentials the gradient, all where the gradient is to lie, which
may be where the scores lie; each row's sum of products is BLAS's. With class numbers instead of distributions the
gradient is the shares, less 1 at each row's class.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow_kernels.cpu.softmax import each_block, shifted, sums, sums_of_products


def softmax_xent(features: Any, labels: Any, out: Any = None) -> tuple[Any, Any]:
    """loss [N] and backprop [N, C] of scores [N, C] and target distributions [N, C]."""
    if features.shape != labels.shape:
        features, labels = np.broadcast_arrays(features, labels)
    if out is None:
        out = np.empty(features.shape[:1], features.dtype), np.empty(features.shape, features.dtype)
    loss, backprop = out
    if not backprop.size:  # of no classes no sum is taken, whose logarithm would be one of 0
        loss[...] = 0
        return loss, backprop

    def block(rows: slice) -> None:
        part = backprop[rows]
        x, axis = shifted(features[rows], part)
        y = labels[rows] if axis else labels[rows].T
        weighed, total = sums_of_products(x, y, axis), sums(y, axis)
        exps = np.exp(x, out=x)
        z = sums(exps, axis)
        loss[rows] = (np.log(z) * total - weighed).reshape(-1)
        exps *= 1 / z
        exps -= y
        _store(exps, axis, part)

    each_block(features.shape[0], features.shape[1], block)
    return loss, backprop


def sparse_softmax_xent(features: Any, labels: Any, out: Any = None) -> tuple[Any, Any]:
    """loss [N] and backprop [N, C] of scores [N, C] and class numbers [N]; a number without a class is a ValueError."""
    check_labels(labels, features.shape)
    return checked_softmax_xent(features, labels, out)


def checked_softmax_xent(features: Any, labels: Any, out: Any = None) -> tuple[Any, Any]:
    """The same of class numbers that are known to be good."""
    if out is None:
        out = np.empty(labels.shape, features.dtype), np.empty(features.shape, features.dtype)
    loss, backprop = out

    def block(rows: slice) -> None:
        own, part = labels[rows], backprop[rows]
        x, axis = shifted(features[rows], part)
        number = np.arange(len(own))
        place = (number, own) if axis else (own, number)
        picked = x[place]
        exps = np.exp(x, out=x)
        z = sums(exps, axis)
        loss[rows] = np.log(z.reshape(-1)) - picked
        exps *= 1 / z
        exps[place] -= 1
        _store(exps, axis, part)

    each_block(features.shape[0], features.shape[1], block)
    return loss, backprop


def _store(slopes: Any, axis: int, part: Any) -> None:
    """Puts a block's gradient where it belongs, if it was made elsewhere: turned, or wider."""
    if axis == 0:
        part[...] = slopes.T
    elif slopes is not part:
        part[...] = slopes


def check_labels(labels: Any, shape: tuple[int, ...]) -> None:
    """ValueError for a class number that no class has. shape: of the scores."""
    if not labels.size:
        return
    classes = shape[1]
    if classes == 0:
        raise ValueError(f"Must have at least one class, but got logits shape [{len(labels)},0]")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"Received a label value of {low if low < 0 else high} which is outside the valid range of "
            f"[0, {classes}).  Label values: {' '.join(str(int(v)) for v in labels)}"
        )
