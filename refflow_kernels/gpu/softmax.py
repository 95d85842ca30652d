"""Softmax over rows: several short rows per program, one row per program, or one long row in chunks [S22].

    bytes: 2 NC elements; 3 NC for long rows        operations: 4 NC and NC exponentials

A row of up to 16,384 scores stays in registers from its load to its store. A longer one is read twice: a first pass
keeps the maximum m so far and the sum z of exp(x - m), and when m grows multiplies z by exp(m_old - m_new); a second
pass writes exp(x - m) / z.

NaN anywhere in a row, +infinity, or nothing but -infinity makes the whole row NaN, as in NumPy.

Next: refflow_kernels/gpu/softmax_xent.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two
from refflow_kernels.kernel import Kernel

LONG = 16384  # classes: from here on a row is read in chunks
TILE = 4096  # elements that one program has in registers, where rows are shorter
CHUNK = 4096  # of a long row


@triton.jit
def _softmax(logits, probabilities, N, C, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    n = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]  # int64: n * C may pass 2**31
    c = tl.arange(0, BLOCK)[None, :]  # BLOCK = next power of two >= C
    here, real = n * C + c, (n < N) & (c < C)
    x = tl.load(logits + here, mask=real, other=-float("inf")).to(tl.float32)  # [ROWS, BLOCK]
    exps = tl.exp(x - tl.max(x, axis=1, keep_dims=True))
    z = tl.sum(exps, axis=1, keep_dims=True)
    tl.store(probabilities + here, (exps / z).to(probabilities.dtype.element_ty), mask=real)


@triton.jit
def max_and_sum(row, C, BLOCK: tl.constexpr):
    """The maximum m of one row and z = sum of exp(x - m), in one pass."""
    lane = tl.arange(0, BLOCK)
    m = tl.full((), -float("inf"), tl.float32)
    z = tl.zeros((), tl.float32)
    for start in range(0, C, BLOCK):
        c = start + lane
        x = tl.load(row + c, mask=c < C, other=-float("inf")).to(tl.float32)
        higher = tl.maximum(m, tl.max(x, axis=0))
        origin = tl.where(higher == -float("inf"), 0.0, higher)  # nothing finite so far: -inf - -inf would be NaN
        z = z * tl.exp(m - origin) + tl.sum(tl.exp(x - origin), axis=0)
        m = higher
    return m, z


@triton.jit
def _softmax_long(logits, probabilities, C, BLOCK: tl.constexpr):
    n = tl.program_id(0).to(tl.int64)  # one program per row
    m, z = max_and_sum(logits + n * C, C, BLOCK)
    lane = tl.arange(0, BLOCK)
    for start in range(0, C, BLOCK):
        c = start + lane
        x = tl.load(logits + n * C + c, mask=c < C, other=-float("inf")).to(tl.float32)
        p = tl.exp(x - m) / z
        tl.store(probabilities + n * C + c, p.to(probabilities.dtype.element_ty), mask=c < C)


def rows_and_warps(block: int, tile: int = TILE) -> tuple[int, int]:
    """Rows per program and warps for rows of `block` lanes: about 32 lanes a thread."""
    rows = max(1, tile // block)
    return rows, min(16, max(4, rows * block // 1024))


def softmax(logits: Any, out: Any = None) -> Any:
    """Probabilities [..., C] of scores [..., C]."""
    *lead, C = logits.shape
    N = prod(lead)
    check_packed(logits=logits)
    check_out(out, (*lead, C))
    if N == 0 or C == 0:
        return out
    if C > LONG:
        _softmax_long[(N,)](logits, out, C, BLOCK=CHUNK, num_warps=8, enable_fp_fusion=True)
        return out
    block = power_of_two(C)
    rows, warps = rows_and_warps(block)
    _softmax[(ceil_div(N, rows),)](logits, out, N, C, ROWS=rows, BLOCK=block, num_warps=warps, enable_fp_fusion=True)
    return out


KERNELS = {"Softmax": Kernel(softmax, ("float16", "float32"))}
