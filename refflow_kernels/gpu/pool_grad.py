"""The gradients of pools, gathered: each cell asks the windows that it lies in [W75].

A cell lies in at most ceil(k / s) windows along an axis, those with number

    o = (cell + before) // s - a        for a = 0, 1, ...        where it has the place cell + before - o s < k

so dx is written once, cell by cell, and nothing is scattered.

*A mean* goes back as dy over the number of the window's cells. *A maximum* goes back to the first largest cell in scan
order. Asking each window for it anew would read k * k cells for each window of each cell, so a first launch notes each
window's winner in the workspace, by its place, in a byte; the second reads that byte and dy.

    bytes: x, dy, dx, and a byte for each result twice        operations: k * k for each result

Next: refflow_kernels/gpu/pool_places.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed
from refflow_kernels.gpu.pool import (
    FLOATS,
    Images,
    cells_inside,
    images_of,
    line_of,
    own_tile,
    pools_space,
    shape_of,
    taken_apart,
    window_at,
)
from refflow_kernels.kernel import Kernel


@triton.jit
def _winners(
    x, winner, windows, c_groups, D, H, W, OD, OH, OW,
    SD: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PD: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
    KD: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr,
    UNIT: tl.constexpr, WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """winner[p, c] = the place of the first cell that no other is larger than."""
    C = c_groups * UNIT
    p, c = own_tile(WIDE, BLOCK_P, BLOCK_C)
    n, d0, h0, w0 = window_at(p, OD, OH, OW, SD, SH, SW, PD, PH, PW)
    best = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    place = tl.full((BLOCK_P, BLOCK_C), -1, tl.int32)
    for kd in range(KD):
        for kh in range(KH):
            line, is_there = line_of(n, d0 + kd, h0 + kh, D, H)
            for kw in range(KW):
                w = w0 + kw
                real = ((p < windows) & is_there & (w >= 0) & (w < W))[:, None] & (c < C)
                value = tl.load(x + (line * W + w)[:, None] * C + c, mask=real, other=0.0).to(tl.float32)
                better = real & ((place < 0) | (value > best))
                best = tl.where(better, value, best)
                place = tl.where(better, (kd * KH + kh) * KW + kw, place)
    here = p[:, None] * C + c
    tl.store(winner + here, place.to(winner.dtype.element_ty), mask=(p < windows)[:, None] & (c < C))


@triton.jit
def _gather(
    dy, winner, dx, cells, c_groups, D, H, W, OD, OH, OW,
    SD: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PD: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
    KD: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr, LARGEST: tl.constexpr,
    UNIT: tl.constexpr, WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """dx[p, c] = the sum over the windows of cell p of dy, where that is theirs, or of its share."""
    C = c_groups * UNIT
    p, c = own_tile(WIDE, BLOCK_P, BLOCK_C)
    n, d, h, w = taken_apart(p, D, H, W)
    total = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    for ad in range((KD + SD - 1) // SD):
        for ah in range((KH + SH - 1) // SH):
            od, oh = (d + PD) // SD - ad, (h + PH) // SH - ah
            kd, kh = d + PD - od * SD, h + PH - oh * SH
            line = (p < cells) & (od >= 0) & (od < OD) & (kd < KD) & (oh >= 0) & (oh < OH) & (kh < KH)
            for aw in range((KW + SW - 1) // SW):
                ow = (w + PW) // SW - aw
                kw = w + PW - ow * SW
                inside = line & (ow >= 0) & (ow < OW) & (kw < KW)
                real = inside[:, None] & (c < C)
                here = (((n * OD + od) * OH + oh) * OW + ow)[:, None] * C + c
                slope = tl.load(dy + here, mask=real, other=0.0).to(tl.float32)
                if LARGEST:
                    won = tl.load(winner + here, mask=real, other=-1).to(tl.int32)
                    total += tl.where(won == ((kd * KH + kh) * KW + kw)[:, None], slope, 0.0)
                else:
                    count = cells_inside(od * SD - PD, KD, D) * cells_inside(oh * SH - PH, KH, H)
                    count = tl.where(inside, count * cells_inside(ow * SW - PW, KW, W), 1)
                    total += tl.div_rn(slope, tl.zeros_like(slope) + count.to(tl.float32)[:, None])
    tl.store(dx + p[:, None] * C + c, total.to(dx.dtype.element_ty), mask=(p < cells)[:, None] & (c < C))


def _gathered(dy: Any, winner: Any, largest: bool, images: Images, dx: Any) -> Any:
    if images.cells * images.c:
        block_p, block_c = images.tile()
        _gather[ceil_div(images.cells, block_p), ceil_div(images.c, block_c)](
            dy, winner, dx, images.cells, LARGEST=largest, **images.arguments(), enable_fp_fusion=True
        )
    return dx


def _checked(shape: tuple[int, ...], grad: Any, out: Any, attrs: dict[str, Any]) -> Images:
    images = images_of(shape, attrs)
    windows = shape_of(shape, images, attrs)
    if tuple(grad.shape) != windows:
        raise ValueError(f"grad has shape {list(grad.shape)}, but a pool of {list(shape)} gives {list(windows)}")
    check_packed(grad=grad)
    check_out(out, shape)
    return images


def avg_pool_grad(orig_input_shape: Any, grad: Any, out: Any = None, **attrs: Any) -> Any:
    """dx: every cell of a window gets the same share of its gradient."""
    images = _checked(tuple(int(s) for s in orig_input_shape), grad, out, attrs)
    return _gathered(grad, grad, False, images, out)


def winner_workspace(inputs: Any, **attrs: Any) -> tuple[tuple[int, ...], str] | None:
    """Room for each window's winner: a byte, while windows are that small."""
    count = prod(inputs[2].shape)
    return ((count,), "int8" if prod(attrs["ksize"]) < 128 else "int32") if count else None


def max_pool_grad(
    orig_input: Any, orig_output: Any, grad: Any, out: Any = None, workspace: Any = None, **attrs: Any
) -> Any:
    """dx: each window's gradient at its first largest cell."""
    images = _checked(tuple(orig_input.shape), grad, out, attrs)
    check_packed(orig_input=orig_input)
    count = images.windows * images.c
    if count:
        check_out(workspace, (count,), "workspace")
        block_p, block_c = images.tile()
        _winners[ceil_div(images.windows, block_p), ceil_div(images.c, block_c)](
            orig_input, workspace, images.windows, **images.arguments(), enable_fp_fusion=True
        )
    return _gathered(grad, workspace if count else grad, True, images, out)


KERNELS = {
    "MaxPoolGrad": Kernel(max_pool_grad, FLOATS, workspace=winner_workspace, takes=pools_space),
    "MaxPool3DGrad": Kernel(max_pool_grad, FLOATS, workspace=winner_workspace, takes=pools_space),
    "AvgPoolGrad": Kernel(avg_pool_grad, FLOATS, host_inputs=(0,), takes=pools_space),
    "AvgPool3DGrad": Kernel(avg_pool_grad, FLOATS, host_inputs=(0,), takes=pools_space),
}
