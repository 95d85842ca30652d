"""Softmax cross-entropy and its gradient: one read of scores and targets, one write of the slope [S18.1, S18.3].

    bytes: 3 NC elements, 2 NC with class numbers; one read more for long rows
    operations: 8 NC and NC exponentials

    loss = sum_c y (log z - (x - m))        backprop = exp(x - m) / z - y

Rows are laid out as in softmax; scores or targets that are stretched to the other's shape are read with stride 0. With
a class number in place of a distribution, loss = log z - (x[class] - m), and the slope is the share, less 1 at the
class. A number without a class makes its loss and slope NaN: a card cannot raise an error, and TensorFlow's does not
either.

What is not finite follows the formulas: a score of -infinity with target 0 is 0 * infinity, so the loss is NaN while
backprop is 0, as in NumPy.

Next: refflow_kernels/gpu/ctc_loss.py.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two, unit
from refflow_kernels.gpu.softmax import CHUNK, max_and_sum, rows_and_warps
from refflow_kernels.kernel import Kernel

LONG = 8192  # classes: scores, targets and exponentials of a longer row do not fit in the registers
TILE = 2048
LONG_SPARSE = 16384  # scores and exponentials alone


@triton.jit
def _softmax_xent(
    features, labels, loss, backprop, N, groups, x_row, x_col, y_row, y_col,
    UNIT: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    C = groups * UNIT
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)  # int64: n * C may pass 2**31
    n, c = row[:, None], tl.arange(0, BLOCK)[None, :]  # BLOCK = next power of two >= C
    here, real = n * C + c, (n < N) & (c < C)
    x = tl.load(features + n * (x_row * UNIT) + c * x_col, mask=real, other=-float("inf")).to(tl.float32)
    y = tl.load(labels + n * (y_row * UNIT) + c * y_col, mask=real, other=0.0).to(tl.float32)
    shifted = x - tl.max(x, axis=1, keep_dims=True)  # [ROWS, BLOCK]  at most 0, so exp is safe
    exps = tl.exp(shifted)
    z = tl.sum(exps, axis=1, keep_dims=True)
    cost = tl.where(real, y * (tl.log(z) - shifted), 0.0)  # unmasked, padding is 0 * inf = nan
    tl.store(loss + row, tl.sum(cost, axis=1).to(loss.dtype.element_ty), mask=row < N)
    tl.store(backprop + here, (exps / z - y).to(backprop.dtype.element_ty), mask=real)


@triton.jit
def _softmax_xent_long(
    features, labels, loss, backprop, groups, x_row, x_col, y_row, y_col, UNIT: tl.constexpr, BLOCK: tl.constexpr
):
    C = groups * UNIT
    n = tl.program_id(0).to(tl.int64)  # one program per row
    features += n * (x_row * UNIT)
    labels += n * (y_row * UNIT)
    m, z = max_and_sum(features, 0, C, x_col, BLOCK)
    log_z = tl.log(z)
    lane = tl.arange(0, BLOCK)
    costs = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, C, BLOCK):
        c = start + lane
        real = c < C
        x = tl.load(features + c * x_col, mask=real, other=-float("inf"), eviction_policy="evict_first").to(tl.float32)
        y = tl.load(labels + c * y_col, mask=real, other=0.0, eviction_policy="evict_first").to(tl.float32)
        costs += tl.where(real, y * (log_z - (x - m)), 0.0)
        tl.store(backprop + n * C + c, (tl.exp(x - m) / z - y).to(backprop.dtype.element_ty), mask=real)
    tl.store(loss + n, tl.sum(costs, axis=0).to(loss.dtype.element_ty))


@triton.jit
def _sparse_softmax_xent(
    features, labels, loss, backprop, N, groups, UNIT: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    C = groups * UNIT
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    n, c = row[:, None], tl.arange(0, BLOCK)[None, :]
    here, real = n * C + c, (n < N) & (c < C)
    label = tl.load(labels + row, mask=row < N, other=0)
    x = tl.load(features + here, mask=real, other=-float("inf")).to(tl.float32)  # [ROWS, BLOCK]
    shifted = x - tl.max(x, axis=1, keep_dims=True)
    exps = tl.exp(shifted)
    z = tl.sum(exps, axis=1, keep_dims=True)
    known, own = (label >= 0) & (label < C), c == label.to(tl.int32)[:, None]
    cost = tl.sum(tl.where(own, tl.log(z) - shifted, 0.0), axis=1)
    slope = tl.where(known[:, None], exps / z - own.to(tl.float32), float("nan"))
    tl.store(loss + row, tl.where(known, cost, float("nan")).to(loss.dtype.element_ty), mask=row < N)
    tl.store(backprop + here, slope.to(backprop.dtype.element_ty), mask=real)


@triton.jit
def _sparse_softmax_xent_long(features, labels, loss, backprop, groups, UNIT: tl.constexpr, BLOCK: tl.constexpr):
    C = groups * UNIT
    n = tl.program_id(0).to(tl.int64)
    features += n * C
    backprop += n * C
    m, z = max_and_sum(features, 0, C, 1, BLOCK)
    label = tl.load(labels + n)
    known = (label >= 0) & (label < C)
    own = tl.load(features + label, mask=known, other=float("nan")).to(tl.float32)
    tl.store(loss + n, (tl.log(z) - (own - m)).to(loss.dtype.element_ty))
    z = tl.where(known, z, float("nan"))
    lane = tl.arange(0, BLOCK)
    for start in range(0, C, BLOCK):
        c = start + lane
        x = tl.load(features + c, mask=c < C, other=-float("inf"), eviction_policy="evict_first").to(tl.float32)
        slope = tl.exp(x - m) / z - (c == label).to(tl.float32)
        tl.store(backprop + c, slope.to(backprop.dtype.element_ty), mask=c < C)


def _places(out: Any, N: int, C: int) -> tuple[Any, Any]:
    loss, backprop = (None, None) if out is None else out
    check_out(loss, (N,), "out[0], the loss,")
    check_out(backprop, (N, C), "out[1], backprop,")
    return loss, backprop


def _stretched(name: str, shape: Any, N: int, C: int) -> tuple[int, int]:
    """Strides along rows and columns, 0 where the array has one for all of [N, C]."""
    rows, columns = (1, 1, *shape)[-2:]
    if rows not in (1, N) or columns not in (1, C):
        raise ValueError(f"{name} has shape {list(shape)}, which does not stretch to {[N, C]}")
    return columns if rows == N else 0, int(columns == C)


def softmax_xent(features: Any, labels: Any, out: Any = None) -> tuple[Any, Any]:
    """loss [N] and backprop [N, C] of scores [N, C] and target distributions [N, C]; `out` is (loss, backprop)."""
    shapes = [(1, 1, *a.shape)[-2:] for a in (features, labels)]
    N, C = (b if a == 1 else a for a, b in zip(*shapes, strict=True))
    (x_row, x_col), (y_row, y_col) = (_stretched("features", features.shape, N, C),
                                      _stretched("labels", labels.shape, N, C))  # fmt: skip
    check_packed(features=features, labels=labels)
    loss, backprop = _places(out, N, C)
    if N == 0:
        return loss, backprop
    step = unit(C, x_row, y_row)
    sizes = (C // step, x_row // step, x_col, y_row // step, y_col)
    if C > LONG:
        _softmax_xent_long[(N,)](
            features, labels, loss, backprop, *sizes, UNIT=step, BLOCK=CHUNK, num_warps=32, enable_fp_fusion=True
        )
        return loss, backprop
    block = power_of_two(C)
    rows, warps = rows_and_warps(N, block, TILE)
    _softmax_xent[(ceil_div(N, rows),)](
        features, labels, loss, backprop, N, *sizes, UNIT=step, ROWS=rows, BLOCK=block, num_warps=warps,
        enable_fp_fusion=True,
    )  # fmt: skip
    return loss, backprop


def sparse_softmax_xent(features: Any, labels: Any, out: Any = None) -> tuple[Any, Any]:
    """loss [N] and backprop [N, C] of scores [N, C] and class numbers [N]; `out` is (loss, backprop)."""
    N, C = features.shape
    if tuple(labels.shape) != (N,):
        raise ValueError(f"labels has shape {list(labels.shape)}, but features has {[N, C]}: one class number a row")
    check_packed(features=features, labels=labels)
    loss, backprop = _places(out, N, C)
    if N == 0:
        return loss, backprop
    step = unit(C)
    if C > LONG_SPARSE:
        _sparse_softmax_xent_long[(N,)](
            features, labels, loss, backprop, C // step, UNIT=step, BLOCK=CHUNK, num_warps=32, enable_fp_fusion=True
        )
        return loss, backprop
    block = power_of_two(C)
    rows, warps = rows_and_warps(N, block)
    _sparse_softmax_xent[(ceil_div(N, rows),)](
        features, labels, loss, backprop, N, C // step, UNIT=step, ROWS=rows, BLOCK=block, num_warps=warps,
        enable_fp_fusion=True,
    )  # fmt: skip
    return loss, backprop


_FLOATS = ("float32", "float16", "bfloat16")
KERNELS = {
    "SoftmaxCrossEntropyWithLogits": Kernel(softmax_xent, _FLOATS),
    "SparseSoftmaxCrossEntropyWithLogits": Kernel(sparse_softmax_xent, _FLOATS),
}
