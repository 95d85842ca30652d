"""Is every index in its range? The first that is not is noted down, and stays noted until the host has read it.

    first_outside(indices, low, sizes, words)        words = int64 [1 + K, programs], -1 where nothing was found
        words[0, p] = its place        words[1:, p] = the index, K numbers, each of which has a size of its own

    bytes: the indices once        operations: two comparisons each

A card raises no errors; kernels that read rows by index leave those out of range alone, and this tells the host.

Next: refflow_kernels/gpu/arrays.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div

BLOCK = 1024
_CHUNK, _MOST = 8 * BLOCK, 128  # indices of a program, and programs


@triton.jit
def _first_outside(indices, words, n, chunk, low, sizes, programs, K: tl.constexpr, BLOCK: tl.constexpr):
    p = tl.program_id(0)
    start = p.to(tl.int64) * chunk
    first = n + tl.zeros((), tl.int64)
    for at in range(0, chunk, BLOCK):
        i = start + at + tl.arange(0, BLOCK)
        outside = i < 0
        for k in tl.static_range(K):
            index = tl.load(indices + i * K + k, mask=i < n, other=0).to(tl.int64)
            outside = outside | (index < low) | (index >= sizes[k])
        first = tl.minimum(first, tl.min(tl.where(outside & (i < n), i, n), axis=0))
    is_new = (first < n) & (tl.load(words + p) < 0)
    tl.store(words + p, first, mask=is_new)
    for k in tl.static_range(K):
        index = tl.load(indices + first * K + k, mask=is_new, other=0).to(tl.int64)
        tl.store(words + (1 + k) * programs + p, index, mask=is_new)


def programs(count: int) -> int:
    """How many programs look at so many indices.

    >>> programs(3), programs(8193), programs(1 << 30)
    (1, 2, 128)
    """
    return max(1, min(_MOST, ceil_div(count, _CHUNK)))


def first_outside(indices: Any, low: int, sizes: Sequence[int], words: Any) -> None:
    """Notes the first index with a number below `low` or not below its size, for each program's part."""
    count = prod(indices.shape) // len(sizes)
    if count:
        many = programs(count)
        chunk = ceil_div(ceil_div(count, many), BLOCK) * BLOCK
        _first_outside[(many,)](
            indices, words, count, chunk, low, tuple(sizes), many, K=len(sizes), BLOCK=BLOCK, enable_fp_fusion=True
        )
