"""Softmax cross-entropy and its gradient: one read of scores and targets, one write of the slope [S18.1, S18.3].

    bytes: 3 NC elements; 5 NC for long rows        operations: 8 NC and NC exponentials

    loss = sum_c y (log z - (x - m))        backprop = exp(x - m) / z - y

Rows are laid out as in softmax. What is not finite follows the formulas: a score of -infinity with target 0 is
0 * infinity, so the loss is NaN while backprop is 0, as in NumPy.

Next: refflow_kernels/gpu/reductions.py.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two
from refflow_kernels.gpu.softmax import CHUNK, max_and_sum, rows_and_warps
from refflow_kernels.kernel import Kernel

LONG = 8192  # classes: scores, targets and exponentials of a longer row do not fit in the registers
TILE = 2048


@triton.jit
def _softmax_xent(features, labels, loss, backprop, N, C, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)  # int64: n * C may pass 2**31
    n, c = row[:, None], tl.arange(0, BLOCK)[None, :]  # BLOCK = next power of two >= C
    here, real = n * C + c, (n < N) & (c < C)
    x = tl.load(features + here, mask=real, other=-float("inf")).to(tl.float32)  # [ROWS, BLOCK]
    y = tl.load(labels + here, mask=real, other=0.0).to(tl.float32)
    shifted = x - tl.max(x, axis=1, keep_dims=True)  # at most 0, so exp is safe
    exps = tl.exp(shifted)
    z = tl.sum(exps, axis=1, keep_dims=True)
    cost = tl.where(real, y * (tl.log(z) - shifted), 0.0)  # unmasked, padding is 0 * inf = nan
    tl.store(loss + row, tl.sum(cost, axis=1).to(loss.dtype.element_ty), mask=row < N)
    tl.store(backprop + here, (exps / z - y).to(backprop.dtype.element_ty), mask=real)


@triton.jit
def _softmax_xent_long(features, labels, loss, backprop, C, BLOCK: tl.constexpr):
    n = tl.program_id(0).to(tl.int64)  # one program per row
    m, z = max_and_sum(features + n * C, C, BLOCK)
    log_z = tl.log(z)
    lane = tl.arange(0, BLOCK)
    costs = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, C, BLOCK):
        c = start + lane
        here, real = n * C + c, c < C
        x = tl.load(features + here, mask=real, other=-float("inf")).to(tl.float32)
        y = tl.load(labels + here, mask=real, other=0.0).to(tl.float32)
        costs += tl.where(real, y * (log_z - (x - m)), 0.0)
        tl.store(backprop + here, (tl.exp(x - m) / z - y).to(backprop.dtype.element_ty), mask=real)
    tl.store(loss + n, tl.sum(costs, axis=0).to(loss.dtype.element_ty))


def softmax_xent(features: Any, labels: Any, out: Any = None) -> tuple[Any, Any]:
    """loss [N] and backprop [N, C] of scores [N, C] and target distributions [N, C]; `out` is (loss, backprop)."""
    N, C = features.shape
    if tuple(labels.shape) != (N, C):
        raise ValueError(f"labels has shape {list(labels.shape)}, but features has {[N, C]}")
    check_packed(features=features, labels=labels)
    loss, backprop = (None, None) if out is None else out
    check_out(loss, (N,), "out[0], the loss,")
    check_out(backprop, (N, C), "out[1], backprop,")
    if N == 0:
        return loss, backprop
    if C > LONG:
        _softmax_xent_long[(N,)](features, labels, loss, backprop, C, BLOCK=CHUNK, num_warps=8, enable_fp_fusion=True)
        return loss, backprop
    block = power_of_two(C)
    rows, warps = rows_and_warps(block, TILE)
    _softmax_xent[(ceil_div(N, rows),)](
        features, labels, loss, backprop, N, C, ROWS=rows, BLOCK=block, num_warps=warps, enable_fp_fusion=True
    )
    return loss, backprop


KERNELS = {"SoftmaxCrossEntropyWithLogits": Kernel(softmax_xent, ("float16", "float32"))}
