"""Softmax over rows, a block at a time, so that what is computed twice is still in cache [S22].

    bytes: 2 NC elements        operations: 4 NC and NC exponentials

NumPy is slow along a short last axis: each row costs a loop of its own. Blocks with few classes are therefore
turned, [C, rows], and every step runs along the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

BLOCK = 1 << 16  # elements: 256 KiB of float32, half of a core's second cache
FEW_CLASSES = 48


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Row ranges of about BLOCK elements each."""
    step = max(1, BLOCK // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def wide(dtype: Any) -> Any:
    """The type to compute in: float16 is widened."""
    return np.float32 if dtype == np.float16 else dtype


def shifted_exps(scores: Any) -> tuple[Any, Any, Any, int]:
    """scores - max, its exponentials and their sums along the classes, for one block; and the classes' axis.

    The results are turned, [C, rows], where classes are few.
    """
    axis = 0 if scores.shape[1] <= FEW_CLASSES else 1
    x = scores.T.astype(wide(scores.dtype), order="C") if axis == 0 else scores.astype(wide(scores.dtype))
    x -= np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)  # at most 0, so exp is safe
    exps = np.exp(x)
    return x, exps, np.add.reduce(exps, axis=axis, keepdims=True), axis


def softmax(logits: Any, out: Any = None) -> Any:
    """Probabilities [..., C] of scores [..., C]."""
    if out is None:
        out = np.empty(logits.shape, logits.dtype)
    if not logits.size:
        return out
    scores, shares = logits.reshape(-1, logits.shape[-1]), out.reshape(-1, logits.shape[-1])
    for rows in blocks(*scores.shape):
        _, exps, total, axis = shifted_exps(scores[rows])
        exps /= total
        shares[rows] = exps.T if axis == 0 else exps
    return out
