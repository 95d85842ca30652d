"""Crops of images at boxes, resized to one size, and the slopes of images and boxes [W06].

    y = y1 (H - 1) + i (y2 - y1) (H - 1) / (h - 1)        place i of h; h = 1: the middle of the box; x likewise

    CropAndResize          lines between the four pixels round (y, x), or the nearest; outside, a value
    CropAndResizeGradImage   of each pixel: over its image's boxes, over the rows and columns that read it
    CropAndResizeGradBoxes   of each box: over its crop's pixels, by how far each is from either edge

Places are reckoned as on the op's page, step by step in float32, so that all choose the same pixels. The slopes of an
image are gathered, in the order of boxes, rows and columns; a box's are added up by one program.

    bytes: four pixels for each of a crop, mostly out of cache; slopes for each line of an image that they reach
    operations: 8 for each of a crop's numbers; of slopes 2 for each of a tile's columns and each place in it

A box of an image that is not there reads nothing and gives nothing back.

Next: refflow_kernels/gpu/lrn.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two, unit
from refflow_kernels.gpu.pool import own_tile, taken_apart
from refflow_kernels.kernel import Kernel

_TILE = 1024  # elements
_COLUMNS = 16  # of a tile of an image's slopes


@triton.jit
def _place(first, last, i, size, out):
    """Where place i of `out` lies along an axis, and whether inside; outside, place 0."""
    reach = (size - 1) * 1.0
    step = tl.div_rn((last - first) * reach, tl.maximum(out - 1, 1) * 1.0)
    x = tl.where(out > 1, first * reach + i * step, 0.5 * (first + last) * reach)
    inside = (x >= 0) & (x <= reach)
    return tl.where(inside, x, 0.0), inside


@triton.jit
def _between(a, b, how_far):
    return (b - a) * how_far + a


@triton.jit
def _pixels(image, n, y, x, c, H, W, C, real):
    """The images' pixels [P] by channels, as float32."""
    at = ((n * H + y) * W + x)[:, None] * C + c
    return tl.load(image + at, mask=real, other=0).to(tl.float32)


@triton.jit
def _crop(
    image, boxes, owners, y, pixels, N, H, W, OH, OW, outside, c_groups,
    NEAREST: tl.constexpr, UNIT: tl.constexpr, WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Pixels of crops by channels."""
    C = c_groups * UNIT
    p, c = own_tile(WIDE, BLOCK_P, BLOCK_C)
    k, _, i, j = taken_apart(p, 1, OH, OW)
    real = p < pixels
    n = tl.load(owners + k, mask=real, other=0).to(p.dtype)
    y1, x1 = tl.load(boxes + 4 * k, mask=real, other=0.0), tl.load(boxes + 4 * k + 1, mask=real, other=0.0)
    y2, x2 = tl.load(boxes + 4 * k + 2, mask=real, other=0.0), tl.load(boxes + 4 * k + 3, mask=real, other=0.0)
    down, is_down = _place(y1, y2, i.to(tl.float32), H, OH)
    along, is_along = _place(x1, x2, j.to(tl.float32), W, OW)
    inside = real & is_down & is_along & (n >= 0) & (n < N)
    read = inside[:, None] & (c < C)
    if NEAREST:
        row, column = tl.floor(down + 0.5).to(tl.int32), tl.floor(along + 0.5).to(tl.int32)
        found = _pixels(image, n, row, column, c, H, W, C, read)
    else:
        top, left = tl.floor(down), tl.floor(along)
        t, s = (down - top)[:, None], (along - left)[:, None]
        bottom, right = tl.ceil(down).to(tl.int32), tl.ceil(along).to(tl.int32)
        top, left = top.to(tl.int32), left.to(tl.int32)
        above = _between(
            _pixels(image, n, top, left, c, H, W, C, read), _pixels(image, n, top, right, c, H, W, C, read), s
        )
        below = _between(
            _pixels(image, n, bottom, left, c, H, W, C, read), _pixels(image, n, bottom, right, c, H, W, C, read), s
        )
        found = _between(above, below, t)
    tl.store(y + p[:, None] * C + c, tl.where(inside[:, None], found, outside), mask=real[:, None] & (c < C))


@triton.jit
def _weight(x, pixel, NEAREST: tl.constexpr):
    """What place x reads of a pixel."""
    if NEAREST:
        return (tl.floor(x + 0.5).to(tl.int32) == pixel).to(tl.float32)
    low = tl.floor(x)
    t = x - low
    return tl.where(low.to(tl.int32) == pixel, 1.0 - t, 0.0) + tl.where(tl.ceil(x).to(tl.int32) == pixel, t, 0.0)


@triton.jit
def _crop_grad_image(
    dy, boxes, owners, dx, K, H, W, OH, OW, c_groups,
    NEAREST: tl.constexpr, UNIT: tl.constexpr, BLOCK_W: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Some columns of a line of an image, by channels."""
    C = c_groups * UNIT
    line, first = tl.program_id(0), tl.program_id(1) * BLOCK_W
    n, h = line // H, line % H
    w, c = first + tl.arange(0, BLOCK_W), tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    total = tl.zeros((BLOCK_W, BLOCK_C), tl.float32)
    for k in range(K):
        if tl.load(owners + k) == n:
            y1, x1 = tl.load(boxes + 4 * k), tl.load(boxes + 4 * k + 1)
            y2, x2 = tl.load(boxes + 4 * k + 2), tl.load(boxes + 4 * k + 3)
            for i in range(OH):
                down, is_down = _place(y1, y2, i * 1.0, H, OH)
                of_line = tl.where(is_down, _weight(down, h, NEAREST), 0.0)
                if of_line != 0:
                    for j in range(OW):
                        along, is_along = _place(x1, x2, j * 1.0, W, OW)
                        if is_along & (along >= first - 1) & (along <= first + BLOCK_W):
                            slope = tl.load(dy + (i * OW + j) * C + c, mask=c < C, other=0.0) * of_line
                            total += _weight(along, w, NEAREST)[:, None] * slope[None, :]
        dy += OH * OW * C
    at = (line.to(tl.int64) * W + w)[:, None] * C + c[None, :]
    tl.store(dx + at, total.to(dx.dtype.element_ty), mask=(w < W)[:, None] & (c < C)[None, :])


@triton.jit
def _crop_grad_boxes(
    dy, image, boxes, owners, slopes, N, H, W, OH, OW, c_groups,
    UNIT: tl.constexpr, WIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The slopes of one box's four edges."""
    C = c_groups * UNIT
    k = tl.program_id(0)
    if WIDE:
        k = k.to(tl.int64)
    owner = tl.load(owners + k).to(k.dtype)
    y1, x1 = tl.load(boxes + 4 * k), tl.load(boxes + 4 * k + 1)
    y2, x2 = tl.load(boxes + 4 * k + 2), tl.load(boxes + 4 * k + 3)
    tall, broad = (H - 1) * 1.0, (W - 1) * 1.0
    d_y1, d_x1 = tl.zeros((BLOCK_P,), tl.float32), tl.zeros((BLOCK_P,), tl.float32)
    d_y2, d_x2 = tl.zeros((BLOCK_P,), tl.float32), tl.zeros((BLOCK_P,), tl.float32)
    for start in range(0, OH * OW, BLOCK_P):
        p = start + tl.arange(0, BLOCK_P)
        i, j, n = p // OW, p % OW, owner + tl.zeros_like(p)
        down, is_down = _place(y1, y2, i.to(tl.float32), H, OH)
        along, is_along = _place(x1, x2, j.to(tl.float32), W, OW)
        inside = (p < OH * OW) & is_down & is_along & (n >= 0) & (n < N)
        top, left = tl.floor(down), tl.floor(along)
        t, s = (down - top)[:, None], (along - left)[:, None]
        bottom, right = tl.ceil(down).to(tl.int32), tl.ceil(along).to(tl.int32)
        top, left = top.to(tl.int32), left.to(tl.int32)
        by_y, by_x = tl.zeros((BLOCK_P, BLOCK_C), tl.float32), tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
        for first in range(0, C, BLOCK_C):
            c = first + tl.arange(0, BLOCK_C)[None, :]
            read = inside[:, None] & (c < C)
            given = tl.load(dy + (k * OH * OW + p)[:, None] * C + c, mask=read, other=0.0)
            a = _pixels(image, n, top, left, c, H, W, C, read)
            b = _pixels(image, n, top, right, c, H, W, C, read)
            d = _pixels(image, n, bottom, left, c, H, W, C, read)
            e = _pixels(image, n, bottom, right, c, H, W, C, read)
            by_y += ((1 - s) * (d - a) + s * (e - b)) * given
            by_x += ((1 - t) * (b - a) + t * (e - d)) * given
        of_y, of_x = tl.sum(by_y, axis=1), tl.sum(by_x, axis=1)
        far_y = tl.where(OH > 1, i.to(tl.float32) * tl.div_rn(tall, tl.maximum(OH - 1, 1) * 1.0), tall / 2)
        far_x = tl.where(OW > 1, j.to(tl.float32) * tl.div_rn(broad, tl.maximum(OW - 1, 1) * 1.0), broad / 2)
        d_y1, d_y2 = d_y1 + of_y * (tall - far_y), d_y2 + of_y * far_y
        d_x1, d_x2 = d_x1 + of_x * (broad - far_x), d_x2 + of_x * far_x
    tl.store(slopes + 4 * k, tl.sum(d_y1, axis=0))
    tl.store(slopes + 4 * k + 1, tl.sum(d_x1, axis=0))
    tl.store(slopes + 4 * k + 2, tl.sum(d_y2, axis=0))
    tl.store(slopes + 4 * k + 3, tl.sum(d_x2, axis=0))


def _must_be_positive(what: str, *sizes: int) -> None:
    if min(sizes) <= 0:
        raise ValueError(f"{what} must be positive")


def crop_and_resize(
    image: Any, boxes: Any, box_ind: Any, crop_size: Any, method: str, extrapolation_value: float, out: Any = None
) -> Any:  # fmt: skip
    """Crops [boxes, h, w, C] of images [N, H, W, C], as float32."""
    n, h, w, c = image.shape
    oh, ow = (int(s) for s in crop_size)
    _must_be_positive("image dimensions", h, w)
    _must_be_positive("crop dimensions", oh, ow)
    check_packed(image=image, boxes=boxes, box_ind=box_ind)
    check_out(out, (boxes.shape[0], oh, ow, c))
    if prod(out.shape):
        channels, step = min(128, power_of_two(c)), unit(c)
        block, pixels = min(256, _TILE // channels), boxes.shape[0] * oh * ow
        _crop[ceil_div(pixels, block), ceil_div(c, channels)](
            image, boxes, box_ind, out, pixels, n, h, w, oh, ow, float(extrapolation_value), c // step,
            NEAREST=method == "nearest", UNIT=step, WIDE=max(n * h * w, pixels + block) * c >= 2**31, BLOCK_P=block,
            BLOCK_C=channels, num_warps=4, enable_fp_fusion=False,
        )  # fmt: skip
    return out


def crop_and_resize_grad_image(
    grads: Any, boxes: Any, box_ind: Any, image_size: Any, T: Any = None, method: str = "bilinear", out: Any = None
) -> Any:  # fmt: skip
    """d images [N, H, W, C]: each pixel's share of the slopes of those that read it."""
    n, h, w, c = (int(s) for s in image_size)
    k, oh, ow, depth = grads.shape
    _must_be_positive("image dimensions", h, w)
    _must_be_positive("grads dimensions", oh, ow)
    if depth != c:
        raise ValueError(f"image_size has {c} channels, but grads{list(grads.shape)} have {depth}")
    check_packed(grads=grads, boxes=boxes, box_ind=box_ind)
    check_out(out, (n, h, w, c))
    if prod(out.shape):
        channels, step = min(64, power_of_two(c)), unit(c)
        _crop_grad_image[n * h, ceil_div(w, _COLUMNS), ceil_div(c, channels)](
            grads, boxes, box_ind, out, k, h, w, oh, ow, c // step, NEAREST=method == "nearest", UNIT=step,
            BLOCK_W=_COLUMNS, BLOCK_C=channels, num_warps=4, enable_fp_fusion=False,
        )  # fmt: skip
    return out


def crop_and_resize_grad_boxes(grads: Any, image: Any, boxes: Any, box_ind: Any, out: Any = None) -> Any:
    """d boxes [boxes, 4]: what a step of each edge would change."""
    n, h, w, c = image.shape
    k, oh, ow, depth = grads.shape
    _must_be_positive("image dimensions", h, w)
    _must_be_positive("grads dimensions", oh, ow)
    if depth != c:
        raise ValueError("image, grads depth differ")
    check_packed(grads=grads, image=image, boxes=boxes, box_ind=box_ind)
    check_out(out, (k, 4))
    if k:
        channels, step = min(64, power_of_two(c)), unit(c)
        _crop_grad_boxes[(k,)](
            grads, image, boxes, box_ind, out, n, h, w, oh, ow, c // step, UNIT=step,
            WIDE=max(n * h * w, k * oh * ow + _TILE) * c >= 2**31, BLOCK_C=channels,
            BLOCK_P=min(_TILE // channels, power_of_two(oh * ow)), num_warps=4, enable_fp_fusion=False,
        )  # fmt: skip
    return out


_FLOATS = ("float32", "float16")
KERNELS = {
    "CropAndResize": Kernel(crop_and_resize, (*_FLOATS, "uint8"), host_inputs=(3,)),
    "CropAndResizeGradImage": Kernel(crop_and_resize_grad_image, _FLOATS, host_inputs=(3,)),
    "CropAndResizeGradBoxes": Kernel(crop_and_resize_grad_boxes, _FLOATS),
}
