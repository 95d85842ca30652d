"""Batch normalisation: each channel to mean 0 and variance 1 over a batch, then scaled and shifted [W06].

    y = (x - mean) scale / sqrt(variance + epsilon) + offset

    bytes: x twice and y, with given statistics x and y once        operations: 4 for each element and pass

Three launches. In the first, every lane adds up how far its elements are from the first one that it sees, and the
squares of that: sums of x and of x * x would lose all digits where the mean is far from 0. From these come the lane's
mean, counted from the channel's first element, and its sum of squared distances; lanes are combined by

    mean = sum of n mean_l / sum of n        squares = sum of squares_l + n (mean_l - mean)**2

and so are, in the second launch, the pieces, which gives the statistics and the running ones. The third writes y.

Next: refflow_kernels/gpu/batch_norm_grad.py.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed
from refflow_kernels.gpu.channels import Channels, along, by_channel, channels_of, own_tile, tile_of
from refflow_kernels.kernel import Kernel

CHANNELS = 16  # of a program that combines pieces
PIECES = 64  # at a time


@triton.jit
def _statistics(
    x, parts, A, c_groups, b_groups, piece, C_UNIT: tl.constexpr, B_UNIT: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    """For piece p of A: parts[0, p, c] = mean, from x[0, c, 0] on; parts[1, p, c] = sum of squared distances."""
    C, B = c_groups * C_UNIT, b_groups * B_UNIT
    block, part = tl.program_id(0), tl.program_id(1)
    if WIDE:  # places from 2**31 on
        block, part = block.to(tl.int64), part.to(tl.int64)
    first_c, start = block * BLOCK_C, part * piece
    stop = tl.minimum(start + piece, A)
    here, real = tile_of(start, first_c, 0, stop, C, B, BLOCK_A, BLOCK_C, BLOCK_B)
    origin = tl.load(x + here, mask=real, other=0.0).to(tl.float32)
    n, total, squares = tl.zeros_like(origin), tl.zeros_like(origin), tl.zeros_like(origin)
    for first_a in range(start, stop, BLOCK_A):
        for first_b in range(0, B, BLOCK_B):
            here, real = tile_of(first_a, first_c, first_b, stop, C, B, BLOCK_A, BLOCK_C, BLOCK_B)
            value = tl.load(x + here, mask=real, other=0.0).to(tl.float32)
            distance = tl.where(real, value - origin, 0.0)
            n += real.to(tl.float32)
            total += distance
            squares += distance * distance
    c = first_c + tl.arange(0, BLOCK_C)
    zero = tl.load(x + c.to(tl.int64) * B, mask=c < C, other=0.0).to(tl.float32)
    distance = total / tl.maximum(n, 1.0)
    lane = tl.where(n > 0, origin - along(zero) + distance, 0.0)
    mean = by_channel(n * lane) / tl.maximum(by_channel(n), 1.0)
    apart = lane - along(mean)
    squares = by_channel(squares - total * distance + n * apart * apart)
    tl.store(parts + part * C + c, mean, mask=c < C)
    tl.store(parts + (tl.num_programs(1) + part) * C + c, squares, mask=c < C)


@triton.jit
def _combine(
    x, parts, mean, variance, new_mean, new_variance, kept_mean, kept_variance, third, A, B, C, pieces, piece, count,
    unbiased, factor, RUNNING: tl.constexpr, THIRD: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The statistics of the pieces together, and the running ones; NaN for nothing, of which 0 is kept."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    real = c < C
    m, squares = tl.zeros((BLOCK_C,), tl.float32), tl.zeros((BLOCK_C,), tl.float32)
    for first in range(0, pieces, BLOCK_P):
        p = (first + tl.arange(0, BLOCK_P))[:, None]
        there = (p < pieces) & real[None, :]
        n = (tl.minimum(A - p * piece, piece) * B).to(tl.float32)
        m += tl.sum(tl.where(there, n * tl.load(parts + p * C + c, mask=there, other=0.0), 0.0), axis=0)
    m = m / count
    for first in range(0, pieces, BLOCK_P):
        p = (first + tl.arange(0, BLOCK_P))[:, None]
        there = (p < pieces) & real[None, :]
        n = (tl.minimum(A - p * piece, piece) * B).to(tl.float32)
        apart = tl.load(parts + p * C + c, mask=there, other=0.0) - m
        inside = tl.load(parts + (pieces + p) * C + c, mask=there, other=0.0)
        squares += tl.sum(tl.where(there, inside + n * apart * apart, 0.0), axis=0)
    if pieces > 0:
        m += tl.load(x + c.to(tl.int64) * B, mask=real, other=0.0).to(tl.float32)
    v = squares / count
    new_m, new_v = m, v * unbiased
    if RUNNING:
        new_m = (1 - factor) * tl.load(mean + c, mask=real, other=0.0) + factor * new_m
        new_v = (1 - factor) * tl.load(variance + c, mask=real, other=0.0) + factor * new_v
    tl.store(new_mean + c, new_m, mask=real)
    tl.store(new_variance + c, new_v, mask=real)
    tl.store(kept_mean + c, tl.where(count > 0, m, 0.0), mask=real)
    tl.store(kept_variance + c, tl.where(count > 0, v, 0.0), mask=real)
    if THIRD:
        tl.store(third, 0.0)


@triton.jit
def _keep(
    mean, variance, new_mean, new_variance, kept_mean, kept_variance, third, C,
    EMPTY: tl.constexpr, THIRD: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Given statistics go through; nothing has none of its own."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    real = c < C
    m = tl.load(mean + c, mask=real, other=0.0)
    v = tl.load(variance + c, mask=real, other=0.0)
    tl.store(kept_mean + c, tl.zeros_like(m) if EMPTY else m, mask=real)
    tl.store(kept_variance + c, tl.zeros_like(v) if EMPTY else v, mask=real)
    tl.store(new_mean + c, m * float("nan") if EMPTY else m, mask=real)
    tl.store(new_variance + c, v * float("nan") if EMPTY else v, mask=real)
    if THIRD:
        tl.store(third, 0.0)


@triton.jit
def inverse_root(variance, c, C, epsilon):
    """1 / sqrt(variance + epsilon) of some channels."""
    v = tl.load(variance + c, mask=c < C, other=1.0).to(tl.float32)
    return tl.div_rn(tl.zeros_like(v) + 1.0, tl.sqrt_rn(v + epsilon))


@triton.jit
def _normalise(
    x, mean, variance, scale, offset, y, A, c_groups, b_groups, epsilon, SCALED: tl.constexpr,
    C_UNIT: tl.constexpr, B_UNIT: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    C, B = c_groups * C_UNIT, b_groups * B_UNIT
    here, real, c = own_tile(A, C, B, WIDE, BLOCK_A, BLOCK_C, BLOCK_B)
    factor = inverse_root(variance, c, C, epsilon)
    if SCALED:
        factor *= tl.load(scale + c, mask=c < C, other=0.0).to(tl.float32)
    centre = tl.load(mean + c, mask=c < C, other=0.0).to(tl.float32)
    shift = tl.load(offset + c, mask=c < C, other=0.0).to(tl.float32)
    value = tl.load(x + here, mask=real, other=0.0).to(tl.float32)
    result = (value - along(centre)) * along(factor) + along(shift)
    tl.store(y + here, result.to(y.dtype.element_ty), mask=real)


def statistics_workspace(
    inputs: Any, epsilon: float, exponential_avg_factor: float, data_format: str, is_training: bool
) -> tuple[tuple[int, ...], str] | None:
    """Room for the pieces' means and squares, or None where statistics are given."""
    channels = channels_of(tuple(inputs[0].shape), data_format)
    count = 2 * channels.pieces * channels.c
    return ((count,), "float32") if is_training and count else None


def fused_batch_norm(
    x: Any, scale: Any, offset: Any, mean: Any, variance: Any, epsilon: float, exponential_avg_factor: float,
    data_format: str, is_training: bool, out: Any = None, workspace: Any = None,
) -> tuple[Any, ...]:  # fmt: skip
    """y, the running mean and variance, what the gradient needs: the batch's own; and what nobody reads."""
    channels = channels_of(tuple(x.shape), data_format)
    check_packed(x=x, scale=scale, offset=offset, mean=mean, variance=variance)
    y, *vectors = out
    check_out(y, tuple(x.shape), "out[0], y,")
    for number, vector in enumerate(vectors[:4], 1):
        check_out(vector, (channels.c,), f"out[{number}]")
    third = {"THIRD": len(vectors) > 4 and 0 not in vectors[4].shape, "third": vectors[4] if len(vectors) > 4 else y}
    if channels.c == 0:
        return tuple(out)
    if is_training:
        _trained(x, mean, variance, channels, exponential_avg_factor, vectors[:4], third, workspace)
    else:
        _keep[(ceil_div(channels.c, CHANNELS),)](
            mean, variance, *vectors[:4], C=channels.c, EMPTY=channels.elements == 0, BLOCK_C=CHANNELS, **third,
            enable_fp_fusion=True
        )
    _normalised(x, vectors[2], vectors[3], scale, offset, y, channels, epsilon, scaled=True)
    return tuple(out)


def _trained(
    x: Any, mean: Any, variance: Any, channels: Channels, factor: float, vectors: Any, third: Any, workspace: Any
) -> None:
    """The batch's statistics and the running ones."""
    count = channels.elements
    if count:
        check_out(workspace, (2 * channels.pieces * channels.c,), "workspace")
        _statistics[channels.tiles[1], channels.pieces](
            x, workspace, piece=channels.piece, enable_fp_fusion=True, **channels.sizes()
        )
    _combine[(ceil_div(channels.c, CHANNELS),)](
        x, workspace if count else x, mean, variance, *vectors, A=channels.a, B=channels.b, C=channels.c,
        pieces=channels.pieces if count else 0, piece=channels.piece if count else 0, count=float(count),
        unbiased=count / max(count - 1, 1), factor=factor, RUNNING=factor != 1.0, BLOCK_P=PIECES, BLOCK_C=CHANNELS,
        enable_fp_fusion=True, **third,
    )  # fmt: skip


def _normalised(
    x: Any, mean: Any, variance: Any, scale: Any, offset: Any, y: Any, channels: Channels, epsilon: float, scaled: bool
) -> None:
    if channels.elements * channels.c:
        _normalise[channels.grid()](
            x, mean, variance, scale, offset, y, epsilon=epsilon, SCALED=scaled, enable_fp_fusion=True,
            **channels.sizes(),
        )  # fmt: skip


def global_batch_norm(
    t: Any, m: Any, v: Any, beta: Any, gamma: Any, variance_epsilon: float, scale_after_normalization: bool,
    out: Any = None,
) -> Any:  # fmt: skip
    """(t - m) / sqrt(v + epsilon), times gamma if asked for, + beta."""
    check_packed(t=t, m=m, v=v, beta=beta, gamma=gamma)
    check_out(out, tuple(t.shape))
    channels = channels_of(tuple(t.shape), "NHWC")
    _normalised(t, m, v, gamma, beta, out, channels, variance_epsilon, scale_after_normalization)
    return out


def takes_float32(attrs: dict[str, Any]) -> bool:
    """True where statistics are float32."""
    return "U" not in attrs or attrs["U"].name == "float32"


FLOATS = ("float32", "float16", "bfloat16")
KERNELS = {
    "FusedBatchNorm": Kernel(fused_batch_norm, ("float32",), workspace=statistics_workspace),
    "FusedBatchNormV2": Kernel(fused_batch_norm, FLOATS, workspace=statistics_workspace, takes=takes_float32),
    "FusedBatchNormV3": Kernel(fused_batch_norm, FLOATS, workspace=statistics_workspace, takes=takes_float32),
    "BatchNormWithGlobalNormalization": Kernel(global_batch_norm, FLOATS),
}
