"""Images in other sizes, by the nearest pixel, or by lines or cubics between pixels, and the gradients [W06].

Along each axis output pixel i looks at place x of the input, with `scale = in / out`, or `(in - 1) / (out - 1)` with
aligned corners:

    x = i * scale; with half pixels (i + 0.5) * scale - 0.5 for lines, (i + 0.5) * scale for the nearest

    nearest     the pixel at floor(x); with aligned corners at floor(x + 0.5)
    lines       (1 - t) * pixel[floor(x)] + t * pixel[ceil(x)],     t = x - floor(x), along W, then along H
    cubics      of the four pixels round x, weighted by Keys' cubic at t in steps of 1 / 1024, along H, then along W

The gradient is gathered: an input pixel asks the outputs that may have looked at it, from the inverse of x one pixel
before it to that of one behind it, and a few more for what was rounded; each says by the same numbers as forward
whether it did, and with which weight. So dx is written once, and nothing is scattered.

    bytes: x and y once, if the cache holds what neighbours share        operations: 8 for each output that is asked
    (cubics: 40, and some 50 in float64 for the weights)

Next: refflow_kernels/gpu/image_crop.py.
"""

from __future__ import annotations

from math import ceil, prod
from typing import Any, NamedTuple

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two, unit
from refflow_kernels.gpu.functions import rint
from refflow_kernels.gpu.pool import own_tile, taken_apart
from refflow_kernels.kernel import Kernel

_TILE = 1024  # elements


@triton.jit
def _nearest_at(i, scale, size, ALIGNED: tl.constexpr, HALF: tl.constexpr):
    """The pixel that output i reads."""
    x = i.to(tl.float32)
    if HALF:
        x += 0.5
    x *= scale
    if ALIGNED:
        x += 0.5
    return tl.minimum(tl.maximum(tl.floor(x).to(tl.int32), 0), size - 1)


@triton.jit
def _between(i, scale, size, HALF: tl.constexpr):
    """The two pixels that output i reads, and how much the second counts."""
    x = i.to(tl.float32)
    if HALF:
        x = (x + 0.5) * scale - 0.5
    else:
        x *= scale
    below = tl.floor(x)
    upper = tl.minimum(tl.ceil(x).to(tl.int32), size - 1)
    return tl.minimum(tl.maximum(below.to(tl.int32), 0), upper), upper, x - below


@triton.jit
def _line(first, second, t):
    return (second - first) * t + first


@triton.jit
def _near(t, a):
    """Keys' cubic at distance t from a pixel."""
    return (((a + 2) * t - (a + 3)) * t * t + 1).to(tl.float32)


@triton.jit
def _far(t, a):
    """Keys' cubic at distance 1 + t."""
    x = t + 1
    return (((a * x - 5 * a) * x + 8 * a) * x - 4 * a).to(tl.float32)


@triton.jit
def _cubic(i, scale, size, HALF: tl.constexpr):
    """The first of the four pixels that output i reads, which may lie outside; four weights, and what divides them.

    With half pixels what lies outside counts nothing, and the others make 1.
    """
    x = i.to(tl.float32)
    if HALF:
        x = (x + 0.5) * scale - 0.5
    else:
        x *= scale
    below = tl.floor(x)
    t = rint((x - below) * 1024.0).to(tl.float64) * 0.0009765625
    a = -0.5 if HALF else -0.75
    first = below.to(tl.int32) - 1
    w0, w1, w2, w3 = _far(t, a), _near(t, a), _near(1.0 - t, a), _far(1.0 - t, a)
    by = tl.full(x.shape, 1.0, tl.float32)
    if HALF:
        w0, w1 = _there(first, size, w0), _there(first + 1, size, w1)
        w2, w3 = _there(first + 2, size, w2), _there(first + 3, size, w3)
        total = w0 + w1 + w2 + w3
        by = tl.where(tl.abs(total) >= 1000 * 1.1754943508222875e-38, total, 1.0)
    return first, (w0, w1, w2, w3), by


@triton.jit
def _there(place, size, weight):
    return tl.where((place >= 0) & (place < size), weight, 0.0)


@triton.jit
def _inside(place, size):
    """The pixel at a place, or the nearest one where that lies outside."""
    return tl.minimum(tl.maximum(place, 0), size - 1)


@triton.jit
def _resize(
    x, y, pixels, c_groups, H, W, OH, OW, down, along, METHOD: tl.constexpr, ALIGNED: tl.constexpr,
    HALF: tl.constexpr, UNIT: tl.constexpr, WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Output pixels by channels. down, along: the scales along H and W."""
    C = c_groups * UNIT
    p, c = own_tile(WIDE, BLOCK_P, BLOCK_C)
    n, _, i, j = taken_apart(p, 1, OH, OW)
    real = (p < pixels)[:, None] & (c < C)
    if METHOD == "lines":
        top, bottom, t = _between(i, down, H, HALF)
        left, right, s = _between(j, along, W, HALF)
        upper, lower = ((n * H + top) * W)[:, None] * C + c, ((n * H + bottom) * W)[:, None] * C + c
        left, right, t, s = left[:, None] * C, right[:, None] * C, t[:, None], s[:, None]
        a = tl.load(x + upper + left, mask=real, other=0).to(tl.float32)
        b = tl.load(x + upper + right, mask=real, other=0).to(tl.float32)
        d = tl.load(x + lower + left, mask=real, other=0).to(tl.float32)
        e = tl.load(x + lower + right, mask=real, other=0).to(tl.float32)
        found = _line(_line(a, b, s), _line(d, e, s), t)
    elif METHOD == "cubics":
        first_i, of_lines, by_line = _cubic(i, down, H, HALF)
        first_j, of_columns, by_column = _cubic(j, along, W, HALF)
        found = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
        for b in tl.static_range(4):
            column = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
            for a in tl.static_range(4):
                at = (n * H + _inside(first_i + a, H)) * W + _inside(first_j + b, W)
                value = tl.load(x + at[:, None] * C + c, mask=real, other=0).to(tl.float32)
                column += value * tl.div_rn(of_lines[a], by_line)[:, None]
            found += column * tl.div_rn(of_columns[b], by_column)[:, None]
    else:
        at = (n * H + _nearest_at(i, down, H, ALIGNED, HALF)) * W + _nearest_at(j, along, W, ALIGNED, HALF)
        found = tl.load(x + at[:, None] * C + c, mask=real, other=0)
    tl.store(y + p[:, None] * C + c, found.to(y.dtype.element_ty), mask=real)


@triton.jit
def _first(h, scale, METHOD: tl.constexpr, ALIGNED: tl.constexpr, HALF: tl.constexpr):
    """The first output that may have read pixel h, and one before it."""
    x = h.to(tl.float32)
    if METHOD == "cubics":
        found = (x - 1.5) / scale - 0.5 if HALF else (x - 2.0) / scale
    elif METHOD == "lines":
        found = (x - 0.5) / scale - 0.5 if HALF else (x - 1.0) / scale
    elif ALIGNED:
        found = (x - 0.5) / scale
    else:
        found = x / scale - 0.5 if HALF else x / scale
    return tl.floor(found).to(tl.int32) - 1


@triton.jit
def _weight(i, h, scale, size, METHOD: tl.constexpr, ALIGNED: tl.constexpr, HALF: tl.constexpr):
    """How much of pixel h output i has."""
    if METHOD == "cubics":
        first, weights, by = _cubic(i, scale, size, HALF)
        found = tl.zeros(weights[0].shape, tl.float32)
        for k in tl.static_range(4):  # with half pixels no more than one of them is at h
            found += tl.where(_inside(first + k, size) == h, weights[k], 0.0)
        return tl.div_rn(found, by)
    elif METHOD == "lines":
        lower, upper, t = _between(i, scale, size, HALF)
        return tl.where(lower == h, 1.0 - t, 0.0) + tl.where(upper == h, t, 0.0)
    else:
        return (_nearest_at(i, scale, size, ALIGNED, HALF) == h).to(tl.float32)


@triton.jit
def _resize_grad(
    dy, dx, pixels, c_groups, H, W, OH, OW, down, along, asked_down, asked_along,
    METHOD: tl.constexpr, ALIGNED: tl.constexpr, HALF: tl.constexpr,
    UNIT: tl.constexpr, WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Input pixels by channels; asked_down, asked_along: how many outputs may have read one."""
    C = c_groups * UNIT
    p, c = own_tile(WIDE, BLOCK_P, BLOCK_C)
    n, _, h, w = taken_apart(p, 1, H, W)
    first_i, first_j = _first(h, down, METHOD, ALIGNED, HALF), _first(w, along, METHOD, ALIGNED, HALF)
    total = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    for a in range(asked_down):
        i = first_i + a
        of_line = tl.where((i >= 0) & (i < OH) & (p < pixels), _weight(i, h, down, H, METHOD, ALIGNED, HALF), 0.0)
        row = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
        for b in range(asked_along):
            j = first_j + b
            of_pixel = tl.where((j >= 0) & (j < OW), _weight(j, w, along, W, METHOD, ALIGNED, HALF), 0.0)
            real = ((of_line != 0) & (of_pixel != 0))[:, None] & (c < C)
            slope = tl.load(dy + ((n * OH + i) * OW + j)[:, None] * C + c, mask=real, other=0.0).to(tl.float32)
            row += slope * of_pixel[:, None]
        total += row * of_line[:, None]
    tl.store(dx + p[:, None] * C + c, total.to(dx.dtype.element_ty), mask=(p < pixels)[:, None] & (c < C))


class _Sizes(NamedTuple):
    """Images, their height, width and channels, and height and width of the output."""

    n: int
    h: int
    w: int
    c: int
    oh: int
    ow: int

    def scale(self, aligned: bool) -> tuple[float, float]:
        """How many input pixels an output pixel is wide, along H and W."""
        pairs = (self.h, self.oh), (self.w, self.ow)
        return tuple((i - 1) / (o - 1) if aligned and i > 1 and o > 1 else i / o for i, o in pairs)  # type: ignore

    def launch(self, kernel: Any, source: Any, target: Any, pixels: int, more: tuple[int, ...], **flags: Any) -> None:
        channels = min(128, power_of_two(self.c))
        block = min(256, _TILE // channels)
        step = unit(self.c)
        wide = (self.n * max(self.h * self.w, self.oh * self.ow) + block) * self.c >= 2**31
        kernel[ceil_div(pixels, block), ceil_div(self.c, channels)](
            source, target, pixels, self.c // step, self.h, self.w, self.oh, self.ow, *self.scale(flags["ALIGNED"]),
            *more, UNIT=step, WIDE=wide, BLOCK_P=block, BLOCK_C=channels, num_warps=4, enable_fp_fusion=False, **flags,
        )  # fmt: skip


def _resized(images: Any, size: Any, align_corners: bool, half_pixel_centers: bool, out: Any, method: str) -> Any:
    n, h, w, c = images.shape
    oh, ow = (int(s) for s in size)
    if min(oh, ow) <= 0 or min(h, w, c) == 0:
        raise ValueError(f"images{list(images.shape)} cannot have {oh} by {ow} pixels: all of them must be positive")
    check_packed(images=images)
    check_out(out, (n, oh, ow, c))
    if n:
        sizes = _Sizes(n, h, w, c, oh, ow)
        flags = {"METHOD": method, "ALIGNED": align_corners, "HALF": half_pixel_centers}
        sizes.launch(_resize, images, out, n * oh * ow, (), **flags)
    return out


def resize_nearest(
    images: Any, size: Any, align_corners: bool, half_pixel_centers: bool, out: Any = None
) -> Any:  # fmt: skip
    """The nearest pixel for each."""
    return _resized(images, size, align_corners, half_pixel_centers, out, "nearest")


def resize_bilinear(
    images: Any, size: Any, align_corners: bool, half_pixel_centers: bool, out: Any = None
) -> Any:  # fmt: skip
    """What lies on the lines between the nearest pixels."""
    return _resized(images, size, align_corners, half_pixel_centers, out, "lines")


def resize_bicubic(
    images: Any, size: Any, align_corners: bool, half_pixel_centers: bool, out: Any = None
) -> Any:  # fmt: skip
    """What lies on cubics through the pixels around."""
    return _resized(images, size, align_corners, half_pixel_centers, out, "cubics")


def _given_back(grads: Any, height: int, width: int, aligned: bool, half: bool, out: Any, method: str) -> Any:
    n, oh, ow, c = grads.shape
    if min(height, width) <= 0 or min(oh, ow) == 0:
        raise ValueError(f"slopes{list(grads.shape)} of images of {height} by {width} pixels: all must be positive")
    check_packed(grads=grads)
    check_out(out, (n, height, width, c))
    if prod(out.shape):
        sizes = _Sizes(n, height, width, c, oh, ow)
        reach = {"nearest": 1, "lines": 2, "cubics": 4}[method]
        asked = tuple(ceil(reach / scale) + 3 for scale in sizes.scale(aligned))
        flags = {"METHOD": method, "ALIGNED": aligned, "HALF": half}
        sizes.launch(_resize_grad, grads, out, n * height * width, asked, **flags)
    return out


def resize_nearest_grad(
    grads: Any, size: Any, align_corners: bool, half_pixel_centers: bool, out: Any = None
) -> Any:  # fmt: skip
    """dx: for each pixel the slopes of those that were read from it."""
    height, width = (int(s) for s in size)
    return _given_back(grads, height, width, align_corners, half_pixel_centers, out, "nearest")


def resize_bilinear_grad(
    grads: Any, original_image: Any, align_corners: bool, half_pixel_centers: bool, out: Any = None
) -> Any:  # fmt: skip
    """dx: for each pixel its share of the slopes of those that looked at it."""
    height, width = original_image.shape[1:3]
    return _given_back(grads, height, width, align_corners, half_pixel_centers, out, "lines")


def resize_bicubic_grad(
    grads: Any, original_image: Any, align_corners: bool, half_pixel_centers: bool, out: Any = None
) -> Any:  # fmt: skip
    """dx: for each pixel the slopes of those that looked near it, as much as they weighted it."""
    height, width = original_image.shape[1:3]
    return _given_back(grads, height, width, align_corners, half_pixel_centers, out, "cubics")


def _is_one_way(attrs: dict[str, Any]) -> bool:
    """False for two wishes at odds, which are an error."""
    return not (attrs["align_corners"] and attrs["half_pixel_centers"])


_FLOATS = ("float32", "float16", "bfloat16")
KERNELS = {
    "ResizeNearestNeighbor": Kernel(resize_nearest, (*_FLOATS, "uint8", "int32"), (1,), takes=_is_one_way),
    "ResizeNearestNeighborGrad": Kernel(resize_nearest_grad, _FLOATS, (1,), takes=_is_one_way),
    "ResizeBilinear": Kernel(resize_bilinear, _FLOATS, (1,), takes=_is_one_way),
    "ResizeBilinearGrad": Kernel(resize_bilinear_grad, _FLOATS, takes=_is_one_way),
    "ResizeBicubic": Kernel(resize_bicubic, _FLOATS, (1,), takes=_is_one_way),
    "ResizeBicubicGrad": Kernel(resize_bicubic_grad, ("float32",), takes=_is_one_way),
}
