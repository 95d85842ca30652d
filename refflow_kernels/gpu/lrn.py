"""Local response normalisation: each channel by its neighbours' squares; and its gradient [W06, W30].

    norm[c] = bias + alpha * sum of x[j]**2 for |j - c| <= radius
    y[c]    = x[c] / norm[c]**beta
    dx[c]   = dy[c] / norm[c]**beta - 2 alpha beta x[c] * sum of dy[j] y[j] / norm[j] for |j - c| <= radius

    bytes: x and y once; the gradient reads x twice and writes the inner quotients for a second launch
    operations: 2 (2 radius + 1) for each element, from the first cache

A tile is [pixels, channels]. Neighbours are loaded again, shifted by one channel after the other: they lie in the
first cache, and no lane waits for another.

Next: refflow_kernels/gpu/updates.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two, unit
from refflow_kernels.kernel import Kernel

_TILE = 1024  # elements
_CHANNELS = 256  # of a tile, at most


@triton.jit
def _places(P, C, WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr):
    """Where the tile's pixels begin, their channels, and which pixels are real."""
    tile = tl.program_id(0)
    if WIDE:  # places from 2**31 on
        tile = tile.to(tl.int64)
    p = (tile * BLOCK_P + tl.arange(0, BLOCK_P))[:, None]
    c = (tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C))[None, :]
    return p * C, c, p < P


@triton.jit
def _band(x, pixel, c, there, C, RADIUS: tl.constexpr, SQUARED: tl.constexpr):
    """The sum over the channels at most RADIUS away."""
    total = tl.zeros_like((pixel + c).to(tl.float32))
    for near in tl.static_range(-RADIUS, RADIUS + 1):
        j = c + near
        value = tl.load(x + pixel + j, mask=there & (j >= 0) & (j < C), other=0.0).to(tl.float32)
        total += value * value if SQUARED else value
    return total


@triton.jit
def _over_power(x, norm, BETA: tl.constexpr):
    """x / norm**BETA; a root is nearer and quicker than a power."""
    if BETA == 0.5:
        return tl.div_rn(x, tl.sqrt_rn(norm))
    elif BETA == 0.75:
        root = tl.sqrt_rn(norm)
        return tl.div_rn(x, root * tl.sqrt_rn(root))
    elif BETA == 1.0:
        return tl.div_rn(x, norm)
    else:
        return x * tl.exp(-BETA * tl.log(norm))


@triton.jit
def _lrn(
    x, y, P, groups, bias, alpha, UNIT: tl.constexpr, RADIUS: tl.constexpr, BETA: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    C = groups * UNIT
    pixel, c, there = _places(P, C, WIDE, BLOCK_P, BLOCK_C)
    norm = bias + alpha * _band(x, pixel, c, there, C, RADIUS, True)
    real = there & (c < C)
    value = tl.load(x + pixel + c, mask=real, other=0.0).to(tl.float32)
    tl.store(y + pixel + c, _over_power(value, norm, BETA).to(y.dtype.element_ty), mask=real)


@triton.jit
def _quotients(
    dy, x, y, inner, P, groups, bias, alpha, UNIT: tl.constexpr, RADIUS: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """inner = dy y / norm."""
    C = groups * UNIT
    pixel, c, there = _places(P, C, WIDE, BLOCK_P, BLOCK_C)
    norm = bias + alpha * _band(x, pixel, c, there, C, RADIUS, True)
    real = there & (c < C)
    slope = tl.load(dy + pixel + c, mask=real, other=0.0).to(tl.float32)
    result = tl.load(y + pixel + c, mask=real, other=0.0).to(tl.float32)
    tl.store(inner + pixel + c, tl.div_rn(slope * result, norm), mask=real)


@triton.jit
def _lrn_grad(
    dy, x, inner, dx, P, groups, bias, alpha, UNIT: tl.constexpr, RADIUS: tl.constexpr, BETA: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    C = groups * UNIT
    pixel, c, there = _places(P, C, WIDE, BLOCK_P, BLOCK_C)
    norm = bias + alpha * _band(x, pixel, c, there, C, RADIUS, True)
    real = there & (c < C)
    slope = tl.load(dy + pixel + c, mask=real, other=0.0).to(tl.float32)
    value = tl.load(x + pixel + c, mask=real, other=0.0).to(tl.float32)
    back = _over_power(slope, norm, BETA)
    back -= 2 * BETA * alpha * value * _band(inner, pixel, c, there, C, RADIUS, False)
    tl.store(dx + pixel + c, back.to(dx.dtype.element_ty), mask=real)


def _launch(kernel: Any, arrays: list[Any], P: int, C: int, **more: Any) -> None:
    if P * C == 0:
        return
    block_c = min(_CHANNELS, power_of_two(C))
    block_p, step = _TILE // block_c, unit(C)
    kernel[ceil_div(P, block_p), ceil_div(C, block_c)](
        *arrays, P, C // step, UNIT=step, WIDE=(P + block_p) * C >= 2**31, BLOCK_P=block_p, BLOCK_C=block_c,
        num_warps=4, enable_fp_fusion=True, **more,
    )  # fmt: skip


def lrn(
    input: Any, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5, out: Any = None
) -> Any:
    """y [N, H, W, C]."""
    *lead, C = input.shape
    check_packed(input=input)
    check_out(out, (*lead, C))
    _launch(_lrn, [input, out], prod(lead), C, bias=bias, alpha=alpha, RADIUS=depth_radius, BETA=beta)
    return out


def quotient_workspace(inputs: Any, **attrs: Any) -> tuple[tuple[int, ...], str] | None:
    """Room for dy y / norm."""
    size = prod(inputs[0].shape)
    return ((size,), "float32") if size else None


def lrn_grad(
    input_grads: Any, input_image: Any, output_image: Any, depth_radius: int = 5, bias: float = 1.0,
    alpha: float = 1.0, beta: float = 0.5, out: Any = None, workspace: Any = None,
) -> Any:  # fmt: skip
    """dx of dy, x and y."""
    *lead, C = input_grads.shape
    P = prod(lead)
    check_packed(input_grads=input_grads, input_image=input_image, output_image=output_image)
    check_out(out, (*lead, C))
    if P * C == 0:
        return out
    check_out(workspace, (P * C,), "workspace")
    settings = {"bias": bias, "alpha": alpha, "RADIUS": depth_radius}
    _launch(_quotients, [input_grads, input_image, output_image, workspace], P, C, **settings)
    _launch(_lrn_grad, [input_grads, input_image, workspace, out], P, C, BETA=beta, **settings)
    return out


_FLOATS = ("float32", "float16", "bfloat16")
KERNELS = {
    "LRN": Kernel(lrn, _FLOATS),
    "LRNGrad": Kernel(lrn_grad, _FLOATS, workspace=quotient_workspace),
}
