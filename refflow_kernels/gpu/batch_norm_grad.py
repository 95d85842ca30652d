"""The gradient of batch normalisation [W30].

    doffset = sum of dy        dscale = r sum of dy (x - mean)        r = 1 / sqrt(variance + epsilon)
    dx = (dy - doffset / n - (x - mean) r dscale / n) scale r         n: elements of a channel

    bytes: dy and x twice, dx once        operations: 3 for each element, then 5

Where statistics were given, dx = dy scale r. Three launches, as forward: sums of pieces, sums of those in order, dx.

Next: refflow_kernels/gpu/lrn.py.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed
from refflow_kernels.gpu.batch_norm import CHANNELS, FLOATS, PIECES, inverse_root, takes_float32
from refflow_kernels.gpu.channels import Channels, along, by_channel, channels_of, own_tile, tile_of
from refflow_kernels.kernel import Kernel


@triton.jit
def _slope_sums(
    dy, x, mean, parts, A, c_groups, b_groups, piece, C_UNIT: tl.constexpr, B_UNIT: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    """parts[0, p, c] = sum of dy, parts[1, p, c] = sum of dy (x - mean), for piece p of A."""
    C, B = c_groups * C_UNIT, b_groups * B_UNIT
    block, part = tl.program_id(0), tl.program_id(1)
    if WIDE:  # places from 2**31 on
        block, part = block.to(tl.int64), part.to(tl.int64)
    first_c, start = block * BLOCK_C, part * piece
    stop = tl.minimum(start + piece, A)
    c = first_c + tl.arange(0, BLOCK_C)
    centre = along(tl.load(mean + c, mask=c < C, other=0.0).to(tl.float32))
    total = tl.zeros((BLOCK_A, BLOCK_C, BLOCK_B), tl.float32)
    products = tl.zeros((BLOCK_A, BLOCK_C, BLOCK_B), tl.float32)
    for first_a in range(start, stop, BLOCK_A):
        for first_b in range(0, B, BLOCK_B):
            here, real = tile_of(first_a, first_c, first_b, stop, C, B, BLOCK_A, BLOCK_C, BLOCK_B)
            slope = tl.load(dy + here, mask=real, other=0.0).to(tl.float32)
            value = tl.load(x + here, mask=real, other=0.0).to(tl.float32)
            total += slope
            products += tl.where(real, slope * (value - centre), 0.0)
    tl.store(parts + part * C + c, by_channel(total), mask=c < C)
    tl.store(parts + (tl.num_programs(1) + part) * C + c, by_channel(products), mask=c < C)


@triton.jit
def _added(parts, pieces, c, C, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr):
    """The sum over the pieces of parts[p, c], from first to last, BLOCK_P side by side."""
    total = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    for first in range(0, pieces, BLOCK_P):
        p = (first + tl.arange(0, BLOCK_P))[:, None]
        total += tl.load(parts + p * C + c, mask=(p < pieces) & (c < C)[None, :], other=0.0)
    return tl.sum(total, axis=0)


@triton.jit
def _finish(
    parts, variance, dscale, doffset, fourth, fifth, C, pieces, epsilon, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr
):
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    products = _added(parts + pieces * C, pieces, c, C, BLOCK_P, BLOCK_C)
    tl.store(dscale + c, products * inverse_root(variance, c, C, epsilon), mask=c < C)
    tl.store(doffset + c, _added(parts, pieces, c, C, BLOCK_P, BLOCK_C), mask=c < C)
    tl.store(fourth, 0.0)
    tl.store(fifth, 0.0)


@triton.jit
def _finish_given(
    parts, variance, gamma, dm, dv, db, dg, C, pieces, epsilon,
    SCALED: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Given statistics have slopes of their own."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    total = _added(parts, pieces, c, C, BLOCK_P, BLOCK_C)
    products = _added(parts + pieces * C, pieces, c, C, BLOCK_P, BLOCK_C)
    r = inverse_root(variance, c, C, epsilon)
    factor = r
    if SCALED:
        factor = r * tl.load(gamma + c, mask=c < C, other=0.0).to(tl.float32)
    kind = db.dtype.element_ty
    tl.store(dm + c, (-total * factor).to(kind), mask=c < C)
    tl.store(dv + c, (-0.5 * products * factor * r * r).to(kind), mask=c < C)
    tl.store(db + c, total.to(kind), mask=c < C)
    tl.store(dg + c, (products * r if SCALED else tl.zeros_like(r)).to(kind), mask=c < C)


@triton.jit
def _slopes(
    dy, x, mean, variance, scale, dscale, doffset, dx, A, c_groups, b_groups, count, epsilon,
    SCALED: tl.constexpr, CENTRED: tl.constexpr, C_UNIT: tl.constexpr, B_UNIT: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    C, B = c_groups * C_UNIT, b_groups * B_UNIT
    here, real, c = own_tile(A, C, B, WIDE, BLOCK_A, BLOCK_C, BLOCK_B)
    r = inverse_root(variance, c, C, epsilon)
    factor = r
    if SCALED:
        factor = r * tl.load(scale + c, mask=c < C, other=0.0).to(tl.float32)
    slope = tl.load(dy + here, mask=real, other=0.0).to(tl.float32)
    if CENTRED:
        centre = tl.load(mean + c, mask=c < C, other=0.0)
        share = tl.load(doffset + c, mask=c < C, other=0.0) / count
        part = tl.load(dscale + c, mask=c < C, other=0.0) * r / count
        value = tl.load(x + here, mask=real, other=0.0).to(tl.float32)
        slope = slope - along(share) - (value - along(centre)) * along(part)
    tl.store(dx + here, (slope * along(factor)).to(dx.dtype.element_ty), mask=real)


def _room(channels: Channels) -> tuple[tuple[int, ...], str] | None:
    count = 2 * channels.pieces * channels.c if channels.elements else 0
    return ((count,), "float32") if count else None


def fused_workspace(
    inputs: Any, epsilon: float, data_format: str, is_training: bool
) -> tuple[tuple[int, ...], str] | None:
    return _room(channels_of(tuple(inputs[1].shape), data_format))


def given_workspace(
    inputs: Any, variance_epsilon: float, scale_after_normalization: bool
) -> tuple[tuple[int, ...], str] | None:
    return _room(channels_of(tuple(inputs[0].shape), "NHWC"))


def _summed(dy: Any, x: Any, mean: Any, channels: Channels, workspace: Any) -> tuple[Any, int]:
    """The pieces' sums and their number; where there is nothing to add, 0 of them."""
    need = _room(channels)
    if need is None:
        return dy, 0
    check_out(workspace, need[0], "workspace")
    _slope_sums[channels.tiles[1], channels.pieces](
        dy, x, mean, workspace, piece=channels.piece, enable_fp_fusion=True, **channels.sizes()
    )
    return workspace, channels.pieces


def fused_batch_norm_grad(
    y_backprop: Any, x: Any, scale: Any, reserve_space_1: Any, reserve_space_2: Any, *third: Any, epsilon: float,
    data_format: str, is_training: bool, out: Any = None, workspace: Any = None,
) -> tuple[Any, ...]:  # fmt: skip
    """dx, dscale, doffset, and two numbers that nobody reads."""
    channels = channels_of(tuple(x.shape), data_format)
    mean, variance = reserve_space_1, reserve_space_2
    check_packed(y_backprop=y_backprop, x=x, scale=scale, reserve_space_1=mean, reserve_space_2=variance)
    dx, dscale, doffset, *numbers = out
    check_out(dx, tuple(x.shape), "out[0], dx,")
    parts, pieces = _summed(y_backprop, x, mean, channels, workspace)
    _finish[(max(1, ceil_div(channels.c, CHANNELS)),)](
        parts, variance, dscale, doffset, *numbers, channels.c, pieces, epsilon, BLOCK_P=PIECES, BLOCK_C=CHANNELS,
        enable_fp_fusion=True,
    )  # fmt: skip
    if pieces:
        _slopes[channels.grid()](
            y_backprop, x, mean, variance, scale, dscale, doffset, dx, count=float(channels.elements), epsilon=epsilon,
            SCALED=True, CENTRED=is_training, enable_fp_fusion=True, **channels.sizes(),
        )  # fmt: skip
    return tuple(out)


def global_batch_norm_grad(
    t: Any, m: Any, v: Any, gamma: Any, backprop: Any, variance_epsilon: float, scale_after_normalization: bool,
    out: Any = None, workspace: Any = None,
) -> tuple[Any, ...]:  # fmt: skip
    """dt, dm, dv, dbeta and dgamma."""
    channels = channels_of(tuple(t.shape), "NHWC")
    check_packed(t=t, m=m, v=v, gamma=gamma, backprop=backprop)
    dt, *vectors = out
    check_out(dt, tuple(t.shape), "out[0], dt,")
    if channels.c == 0:
        return tuple(out)
    parts, pieces = _summed(backprop, t, m, channels, workspace)
    _finish_given[(ceil_div(channels.c, CHANNELS),)](
        parts, v, gamma, *vectors, channels.c, pieces, variance_epsilon, SCALED=scale_after_normalization,
        BLOCK_P=PIECES, BLOCK_C=CHANNELS, enable_fp_fusion=True,
    )  # fmt: skip
    if pieces:
        _slopes[channels.grid()](
            backprop, t, m, v, gamma, m, m, dt, count=1.0, epsilon=variance_epsilon,
            SCALED=scale_after_normalization, CENTRED=False, enable_fp_fusion=True, **channels.sizes(),
        )  # fmt: skip
    return tuple(out)


_GIVEN = ("float32", "bfloat16")  # the page adds up float16 in float16
KERNELS = {
    "FusedBatchNormGrad": Kernel(fused_batch_norm_grad, ("float32",), workspace=fused_workspace),
    "FusedBatchNormGradV2": Kernel(fused_batch_norm_grad, FLOATS, workspace=fused_workspace, takes=takes_float32),
    "FusedBatchNormGradV3": Kernel(fused_batch_norm_grad, FLOATS, workspace=fused_workspace, takes=takes_float32),
    "BatchNormWithGlobalNormalizationGrad": Kernel(global_batch_norm_grad, _GIVEN, workspace=given_workspace),
}
