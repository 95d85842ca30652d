"""Softmax over rows, a block at a time, so that what is computed twice is still in cache [S22].

    bytes: 2 NC elements        operations: 4 NC and NC exponentials

NumPy is slow along a short last axis: each row costs a loop of its own. Blocks with few classes are therefore
turned, [C, rows], and every step runs along the rows. Long rows are summed by einsum, each by itself, so that the bits
are the same however a batch is cut, and the division by the sum is a product with its inverse.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

BLOCK = 1 << 17  # elements: 512 KiB of float32: in cache, and long enough that calls and rows cost little
FEW_CLASSES = 48


def rows_at_a_time(columns: int) -> int:
    """How many rows are a block: the power of two that comes nearest, which divides a batch more often than not."""
    return 1 << max(0, round(log2(BLOCK / max(1, columns))))


def rows_together(shape: tuple[int, ...]) -> int:
    """As Kernel.rows_together: no row's bits depend on another's, but one alone is summed as a line."""
    return 2


def each_block(rows: int, columns: int, work: Callable[[slice], Any]) -> None:
    """work(rows) for row ranges of about BLOCK elements each."""
    step = rows_at_a_time(columns)
    threads.each(lambda i: work(slice(i * step, min(rows, (i + 1) * step))), -(-rows // step))


def wide(dtype: Any) -> Any:
    """The type to compute in: float16 is widened."""
    return np.float32 if dtype == np.float16 else dtype


def shifted(scores: Any, out: Any = None) -> tuple[Any, int]:
    """scores - max, at most 0 so that exp is safe, and the classes' axis: turned, [C, rows], where classes are few."""
    axis = 0 if scores.shape[1] <= FEW_CLASSES else 1
    x = scores.T.astype(wide(scores.dtype), order="C") if axis == 0 else scores.astype(wide(scores.dtype), copy=False)
    largest = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    if axis == 0 or out is None or out.dtype != x.dtype:
        out = x if axis == 0 else np.empty(x.shape, x.dtype)
    return np.subtract(x, largest, out=out), axis


def sums(exps: Any, axis: int) -> Any:
    """Sums along the classes, with that axis kept."""
    if axis == 0:
        return np.add.reduce(exps, axis=0, keepdims=True)
    return np.einsum("ij->i", exps)[:, None]


def sums_of_products(x: Any, y: Any, axis: int) -> Any:
    """Sums of x y along the classes, with that axis kept."""
    if axis == 0:
        return np.add.reduce(x * y, axis=0, keepdims=True)
    return np.matmul(x[:, None, :], y[:, :, None])[:, 0]


def _by_rows(logits: Any, finish: Callable[[Any, int], None], out: Any) -> Any:
    """A block of rows at a time: the shifted scores, which `finish` changes to the result."""
    if out is None:
        out = np.empty(logits.shape, logits.dtype)
    if not logits.size:
        return out
    scores, results = logits.reshape(-1, logits.shape[-1]), out.reshape(-1, logits.shape[-1])

    def block(rows: slice) -> None:
        x, axis = shifted(scores[rows], results[rows])
        finish(x, axis)
        if axis == 0:
            results[rows] = x.T
        elif x.dtype != results.dtype:
            results[rows] = x

    each_block(scores.shape[0], scores.shape[1], block)
    return out


def softmax(logits: Any, out: Any = None) -> Any:
    """Probabilities [..., C] of scores [..., C]."""

    def finish(x: Any, axis: int) -> None:
        np.exp(x, out=x)
        x *= 1 / sums(x, axis)

    return _by_rows(logits, finish, out)


def log_softmax(logits: Any, out: Any = None) -> Any:
    """Logarithms of the probabilities [..., C] of scores [..., C]."""

    def finish(x: Any, axis: int) -> None:
        x -= np.log(sums(np.exp(x), axis))

    return _by_rows(logits, finish, out)
