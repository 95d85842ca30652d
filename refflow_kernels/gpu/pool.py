"""Pools of images and volumes [W75].

    y = the largest of each window's cells, or their mean
    bytes: x once, if neighbouring windows share the cache, and y        operations: k * k for each result

Images are [N, D, H, W, C], with D = 1 for a flat one. Channels first is the same with N * C images of one channel. A
program takes a tile of windows by channels, [BLOCK_P, BLOCK_C], so that only windows, not cells, are taken apart into
n, d, h and w; it walks through the places of a window, and each load has all channels of one cell together.

Cells outside the image are passed over, as is what is no number; a window of nothing else has the type's lowest.

Next: refflow_kernels/gpu/pool_grad.py.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two, unit
from refflow_kernels.gpu.windows import Axis, axes_of, spatial
from refflow_kernels.kernel import Kernel

_TILE = 2048  # elements
_LOWEST = {"float16": -65504.0, "bfloat16": -3.3895313892515355e38, "float32": -3.4028234663852886e38}


@triton.jit
def taken_apart(p, D, H, W):
    """p = ((n * D + d) * H + h) * W + w."""
    w, rest = p % W, p // W
    h, rest = rest % H, rest // H
    d, n = rest % D, rest // D
    return n, d, h, w


@triton.jit
def own_tile(WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr):
    """This program's windows or cells, [BLOCK_P], and its channels, [1, BLOCK_C]. WIDE: places from 2**31 on."""
    tile = tl.program_id(0)
    if WIDE:
        tile = tile.to(tl.int64)
    p = tile * BLOCK_P + tl.arange(0, BLOCK_P)
    return p, (tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C))[None, :]


@triton.jit
def window_at(
    p, OD, OH, OW, SD: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PD: tl.constexpr, PH: tl.constexpr,
    PW: tl.constexpr,
):  # fmt: skip
    """The image of window p, and the cell at which it begins, which may lie outside."""
    n, od, oh, ow = taken_apart(p, OD, OH, OW)
    return n, od * SD - PD, oh * SH - PH, ow * SW - PW


@triton.jit
def line_of(n, d, h, D, H):
    """Which line of all images that is, and whether the image has it."""
    return (n * D + d) * H + h, (d >= 0) & (d < D) & (h >= 0) & (h < H)


@triton.jit
def cells_inside(first, K: tl.constexpr, size):
    """Of K cells from `first` on, how many the image has."""
    return tl.minimum(first + K, size) - tl.maximum(first, 0)


@triton.jit
def _pool(
    x, y, windows, c_groups, D, H, W, OD, OH, OW,
    SD: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PD: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
    KD: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr, LARGEST: tl.constexpr, START: tl.constexpr,
    UNIT: tl.constexpr, WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    C = c_groups * UNIT
    p, c = own_tile(WIDE, BLOCK_P, BLOCK_C)
    n, d0, h0, w0 = window_at(p, OD, OH, OW, SD, SH, SW, PD, PH, PW)
    found = tl.full((BLOCK_P, BLOCK_C), START, tl.float32)
    for kd in range(KD):
        for kh in range(KH):
            line, is_there = line_of(n, d0 + kd, h0 + kh, D, H)
            for kw in range(KW):
                w = w0 + kw
                real = ((p < windows) & is_there & (w >= 0) & (w < W))[:, None] & (c < C)
                value = tl.load(x + (line * W + w)[:, None] * C + c, mask=real, other=START).to(tl.float32)
                if LARGEST:
                    found = tl.where(value > found, value, found)
                else:
                    found += value
    if not LARGEST:
        count = cells_inside(d0, KD, D) * cells_inside(h0, KH, H) * cells_inside(w0, KW, W)
        found = tl.div_rn(found, tl.zeros_like(found) + count.to(tl.float32)[:, None])
    tl.store(y + p[:, None] * C + c, found.to(y.dtype.element_ty), mask=(p < windows)[:, None] & (c < C))


class Images(NamedTuple):
    """Sizes of a pool: images, channels, and the three spatial axes."""

    n: int
    c: int
    axes: list[Axis]

    @property
    def windows(self) -> int:
        return self.n * prod(axis.out for axis in self.axes)

    @property
    def cells(self) -> int:
        return self.n * prod(axis.size for axis in self.axes)

    def tile(self) -> tuple[int, int]:
        """Windows or cells by channels."""
        channels = min(128, power_of_two(self.c))
        return min(1024, _TILE // channels), channels

    def arguments(self) -> dict[str, Any]:
        """What every kernel of a pool is told."""
        sizes: dict[str, Any] = {}
        step = unit(self.c)
        for name, axis in zip("DHW", self.axes, strict=True):
            sizes |= {name: axis.size, f"O{name}": axis.out, f"S{name}": axis.stride, f"P{name}": axis.before}
            sizes[f"K{name}"] = axis.k
        block_p, block_c = self.tile()
        wide = (max(self.windows, self.cells) + block_p) * self.c >= 2**31
        sizes |= {"c_groups": self.c // step, "UNIT": step, "WIDE": wide}
        return sizes | {"BLOCK_P": block_p, "BLOCK_C": block_c, "num_warps": 4}


def images_of(shape: Any, attrs: dict[str, Any]) -> Images:
    """The sizes of a pool over x of this shape.

    >>> attrs = {"ksize": [1, 1, 2, 2], "strides": [1, 1, 2, 2], "padding": "VALID", "data_format": "NCHW"}
    >>> images_of((8, 3, 4, 6), attrs).windows
    144
    """
    layout = attrs["data_format"]
    axes = axes_of(spatial(shape, layout), spatial(attrs["ksize"], layout), attrs)
    first = layout.startswith("NC")
    return Images(shape[0] * shape[1] if first else shape[0], 1 if first else shape[-1], axes)


def shape_of(shape: Any, images: Images, attrs: dict[str, Any]) -> tuple[int, ...]:
    """That of y, in the layout of x."""
    outs = [axis.out for axis in images.axes[5 - len(shape) :]]
    return (*shape[:2], *outs) if attrs["data_format"].startswith("NC") else (shape[0], *outs, shape[-1])


def start_of(x: Any) -> float:
    """The lowest number of the type."""
    return _LOWEST[str(x.dtype).rsplit(".", 1)[-1]]


def _run(x: Any, largest: bool, out: Any, attrs: dict[str, Any]) -> Any:
    images = images_of(tuple(x.shape), attrs)
    check_packed(x=x)
    check_out(out, shape_of(tuple(x.shape), images, attrs))
    if images.windows * images.c == 0:
        return out
    block_p, block_c = images.tile()
    _pool[ceil_div(images.windows, block_p), ceil_div(images.c, block_c)](
        x, out, images.windows, LARGEST=largest, START=start_of(x) if largest else 0.0, **images.arguments(),
        enable_fp_fusion=True
    )
    return out


def max_pool(input: Any, out: Any = None, **attrs: Any) -> Any:
    """The largest cell of each window; what is no number is passed over."""
    return _run(input, True, out, attrs)


def avg_pool(value: Any, out: Any = None, **attrs: Any) -> Any:
    """The mean of each window's cells of the image."""
    return _run(value, False, out, attrs)


def pools_space(attrs: dict[str, Any]) -> bool:
    """True where windows lie in space alone, not across channels or images, and all tensors have one type."""
    ksize, strides = attrs["ksize"], attrs["strides"]
    channel = 1 if attrs["data_format"].startswith("NC") else -1
    alike = attrs.get("TInput", attrs["T"]) is attrs["T"]
    return alike and ksize[0] == ksize[channel] == strides[0] == strides[channel] == 1


FLOATS = ("float32", "float16", "bfloat16")
KERNELS = {
    "MaxPool": Kernel(max_pool, FLOATS, takes=pools_space),
    "MaxPool3D": Kernel(max_pool, FLOATS, takes=pools_space),
    "AvgPool": Kernel(avg_pool, FLOATS, takes=pools_space),
    "AvgPool3D": Kernel(avg_pool, FLOATS, takes=pools_space),
}
