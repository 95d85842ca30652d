"""Matrix product: BLAS on views, so that a transposed operand is never copied [S16, W51].

    bytes: MK + KN + MN elements        operations: 2 MNK

A tall product with few columns (10,000 x 784 x 10) reads A once and is bound by memory, not by arithmetic. BLAS
packs A in pieces; giving it a few hundred rows at a time keeps each piece in cache, which saves a sixth of the
time and changes no bit, since every row's sums stay whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_NARROW = 32  # columns: from here on BLAS fills its registers by itself
_ROWS = 512  # of A at a time


def matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, out: Any = None) -> Any:
    """a [M, K] times b [K, N], after the transpositions asked for; zeros where K = 0.

    float16 is multiplied and summed in float32, and rounded once.
    """
    a = a.T if transpose_a else a  # [M, K]
    b = b.T if transpose_b else b  # [K, N]
    if a.dtype == np.float16:
        product = np.matmul(a.astype(np.float32), b.astype(np.float32))
        return _into(out, product)
    if out is None:
        out = np.empty((a.shape[0], b.shape[1]), a.dtype)
    if b.shape[1] <= _NARROW and a.shape[0] >= 4 * _ROWS and not transpose_a:
        for start in range(0, a.shape[0], _ROWS):
            np.matmul(a[start : start + _ROWS], b, out=out[start : start + _ROWS])
        return out
    return np.matmul(a, b, out=out)


def _into(out: Any, product: Any) -> Any:
    if out is None:
        return product.astype(np.float16)
    out[...] = product
    return out
