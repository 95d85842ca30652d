"""Patches: what a window sees at each of its places, laid out along the channels [W74].

    patches[n, o, (tap, c)] = x[n, o * stride + tap * rate - before, c], and 0 outside of the image

with o, tap, stride, rate and before of three axes; an image's first axis is of size 1.

    bytes: the patches written, and the image once, if the cache holds what windows share        operations: the places'

Next: refflow_kernels/gpu/channels.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed
from refflow_kernels.gpu.copies import ANY, BLOCK
from refflow_kernels.gpu.windows import axes_of
from refflow_kernels.kernel import Kernel


@triton.jit
def _patches(
    x_at, y_at, size, C, sizes, outs, taps, strides, rates, before,
    EVEN: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The numbers of the three axes, the last axis first."""
    start = tl.program_id(0)
    if WIDE:
        start = start.to(tl.int64)
    i = start * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    tap = i // C  # of all taps of all windows; then of those along the axes that are left
    channel = i - tap * C
    window = tap // (taps[0] * taps[1] * taps[2])
    pixel, step, inside = i * 0, 1, real
    for axis in tl.static_range(3):
        at = window % outs[axis] * strides[axis] + tap % taps[axis] * rates[axis] - before[axis]
        inside = inside & (at >= 0) & (at < sizes[axis])
        pixel += at * step
        step = step * sizes[axis]
        window, tap = window // outs[axis], tap // taps[axis]
    pixel += window * step  # by now the image's number
    if EVEN > 1:  # so many lanes see the same pixel
        pixel, inside = tl.max_constancy(pixel, EVEN), tl.max_constancy(inside, EVEN)
        channel = tl.max_contiguous(tl.multiple_of(channel, EVEN), EVEN)
    tl.store(y_at + i, tl.load(x_at + pixel * C + channel, mask=inside, other=0), mask=real)


def _extracted(x: Any, ksizes: Any, strides: Any, rates: Any, padding: str, out: Any) -> Any:
    check_packed(input=x)
    check_out(out, tuple(out.shape))
    given = {"strides": strides, "dilations": rates, "padding": padding, "data_format": "NHWC"}
    axes = axes_of(x.shape[1:-1], ksizes[1:-1], given)[::-1]
    size, channels = prod(out.shape), x.shape[-1]
    if size:
        sizes, taps, by, rate, outs, before = zip(*axes, strict=True)
        wide = max(size + BLOCK, prod(x.shape)) >= 1 << 31
        _patches[(ceil_div(size, BLOCK),)](
            x, out, size, channels, sizes, outs, taps, by, rate, before,
            EVEN=8 if channels % 8 == 0 else 1, WIDE=wide, BLOCK=BLOCK, num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip
    return out


def extract_image_patches(
    images: Any, ksizes: Any, strides: Any, rates: Any, padding: str, out: Any = None
) -> Any:  # fmt: skip
    """patches [N, OH, OW, taps * C]."""
    return _extracted(images, ksizes, strides, rates, padding, out)


def extract_volume_patches(input: Any, ksizes: Any, strides: Any, padding: str, out: Any = None) -> Any:
    """patches [N, OD, OH, OW, taps * C]."""
    return _extracted(input, ksizes, strides, None, padding, out)


def _in_space(attrs: dict[str, Any]) -> bool:
    """False where a setting is not of space alone, which is an error."""
    settings = [attrs[name] for name in ("ksizes", "strides", "rates") if name in attrs]
    return all(s[0] == s[-1] == 1 and min(s) > 0 for s in settings)


KERNELS = {
    "ExtractImagePatches": Kernel(extract_image_patches, ANY, takes=_in_space),
    "ExtractVolumePatches": Kernel(extract_volume_patches, ANY[:-1], takes=_in_space),
}
