"""Where the largest cell of a window lies, and what another array has there [W75].

    MaxPoolWithArgmax     y, and for each window the cell's number within its image, or within all images
    MaxPoolGradGrad       for each window what `grad` has at x's first largest cell

    bytes: x once, if neighbouring windows share the cache, and the results        operations: k * k for each result

Both walk through a window as pool.py does, and keep beside the largest value the number of its cell; the first cell
stands until one is larger.

Next: refflow_kernels/gpu/patches.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed
from refflow_kernels.gpu.pool import FLOATS, images_of, line_of, own_tile, pools_space, shape_of, window_at
from refflow_kernels.kernel import Kernel


@triton.jit
def _places(
    x, grad, y, where, windows, image, c_groups, D, H, W, OD, OH, OW,
    SD: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PD: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
    KD: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr, PICKED: tl.constexpr,
    UNIT: tl.constexpr, WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """image: the elements of one image, where cells are numbered within it, else 0."""
    C = c_groups * UNIT
    p, c = own_tile(WIDE, BLOCK_P, BLOCK_C)
    n, d0, h0, w0 = window_at(p, OD, OH, OW, SD, SH, SW, PD, PH, PW)
    best = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    cell = tl.full((BLOCK_P, BLOCK_C), -1, tl.int64)
    for kd in range(KD):
        for kh in range(KH):
            line, is_there = line_of(n, d0 + kd, h0 + kh, D, H)
            for kw in range(KW):
                w = w0 + kw
                real = ((p < windows) & is_there & (w >= 0) & (w < W))[:, None] & (c < C)
                at = (line * W + w)[:, None] * C + c
                value = tl.load(x + at, mask=real, other=0).to(tl.float32)
                better = real & ((cell < 0) | (value > best))
                best = tl.where(better, value, best)
                cell = tl.where(better, at.to(tl.int64), cell)
    there = (p < windows)[:, None] & (c < C)
    if PICKED:
        best = tl.load(grad + cell, mask=there & (cell >= 0), other=0)
    else:
        number = cell - n.to(tl.int64)[:, None] * image
        tl.store(where + p[:, None] * C + c, number.to(where.dtype.element_ty), mask=there)
    tl.store(y + p[:, None] * C + c, best.to(y.dtype.element_ty), mask=there)


def _run(x: Any, grad: Any, y: Any, where: Any, image: int, attrs: dict[str, Any]) -> None:
    images = images_of(tuple(x.shape), attrs)
    check_packed(x=x, grad=grad)
    for out in (y, where):
        check_out(out, shape_of(tuple(x.shape), images, attrs))
    if images.windows * images.c:
        block_p, block_c = images.tile()
        _places[ceil_div(images.windows, block_p), ceil_div(images.c, block_c)](
            x, grad, y, where, images.windows, image, PICKED=where is y, **images.arguments(), enable_fp_fusion=True
        )


def max_pool_with_argmax(
    input: Any, ksize: Any, strides: Any, padding: str, Targmax: Any = None, include_batch_in_index: bool = False,
    out: Any = None,
) -> Any:  # fmt: skip
    """The largest cell of each window, and where it is."""
    attrs = {"ksize": ksize, "strides": strides, "padding": padding, "data_format": "NHWC"}
    y, where = out
    _run(input, input, y, where, 0 if include_batch_in_index else prod(input.shape[1:]), attrs)
    return out


def max_pool_grad_grad(orig_input: Any, orig_output: Any, grad: Any, out: Any = None, **attrs: Any) -> Any:
    """What grad has at each window's first largest cell of orig_input."""
    check_out(grad, tuple(orig_input.shape), "grad")
    _run(orig_input, grad, out, out, 0, attrs)
    return out


def pools_last(attrs: dict[str, Any]) -> bool:
    """True where windows lie in space alone; channels are last."""
    return pools_space(attrs | {"data_format": "NHWC"})


KERNELS = {
    "MaxPoolWithArgmax": Kernel(max_pool_with_argmax, FLOATS, takes=pools_last),
    "MaxPoolGradGrad": Kernel(max_pool_grad_grad, FLOATS, takes=pools_space),
    "MaxPool3DGradGrad": Kernel(max_pool_grad_grad, FLOATS, takes=pools_space),
}
