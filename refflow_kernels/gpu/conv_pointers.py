"""Convolution as a matrix product whose left side is never made: the simple version, with a pointer for each element.

    y[n, j, m] = sum over taps q, channels c of  x[n, j * stride + q * shift + start, c] * w[q, c, m]

    operations: 2 N out... k... C M        bytes: x, w and y once, if the cache holds what windows share

One program makes a tile of results: BLOCK_M places (n, j) by BLOCK_N filters. Taps and channels are one axis of length
K = k... C, walked BLOCK_K at a time, which tells from k the tap q = k // C and the channel c = k % C. So an image of 3
channels wastes nothing. Cells outside the image are masked to zero: that is the padding.

dw is such a product too, with the sum over the places (n, j), which are many where taps and filters are few. It is cut
in pieces; each piece's sum goes to the workspace, and the pieces are added in order. No atomics.

Any strides will do, so NHWC and NCHW are one; views make the data gradient (see windows). INDEX is int64 for arrays of
2^31 elements and more. With 16 or more channels that lie together, conv_boxes is quicker.

Next: refflow_kernels/gpu/conv_boxes.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import PROCESSORS, bits_of, ceil_div, power_of_two
from refflow_kernels.gpu.epilogues import NONE, Epilogue
from refflow_kernels.gpu.windows import Volume, Walk


@triton.jit
def place_of(row, results):
    """Image, and place along D, H and W, of result number `row`."""
    w = row % results[2]
    h = row // results[2] % results[1]
    d = row // (results[2] * results[1]) % results[0]
    return row // (results[2] * results[1] * results[0]), d, h, w


@triton.jit
def _tap(k, channels, counts):
    """Tap along D, H and W, and channel, of number `k` along taps and channels."""
    tap = k // channels
    return tap // (counts[2] * counts[1]), tap // counts[2] % counts[1], tap % counts[2], k % channels


@triton.jit
def inside(d, h, w, sizes):
    return (d >= 0) & (d < sizes[0]) & (h >= 0) & (h < sizes[1]) & (w >= 0) & (w < sizes[2])


@triton.jit
def _conv(
    x, w, y, images, channels, columns,
    sizes, results, counts,  # along D, H, W: of x, of y, and taps
    strides, shifts, starts,  # along D, H, W: see windows.Walk
    x_strides, w_strides, y_strides, group_strides, memory,
    INDEX: tl.constexpr, PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    EPILOGUE: tl.constexpr,
):  # fmt: skip
    # Where am I: tiles of the same places and other filters follow each other, and share x in the cache.
    across = tl.cdiv(columns, BLOCK_N)
    tile, group = tl.program_id(0), tl.program_id(1).to(INDEX)
    row = tile // across * BLOCK_M + tl.arange(0, BLOCK_M)
    m = tile % across * BLOCK_N + tl.arange(0, BLOCK_N)
    n, jd, jh, jw = place_of(row, results)
    d, h, v = jd * strides[0] + starts[0], jh * strides[1] + starts[1], jw * strides[2] + starts[2]
    corner = n.to(INDEX) * x_strides[0] + d.to(INDEX) * x_strides[1]
    corner += h.to(INDEX) * x_strides[2] + v.to(INDEX) * x_strides[3] + group * group_strides[0]

    # Which lanes are real.
    real_row = row < images * results[0] * results[1] * results[2]
    real_m = m < columns
    length = counts[0] * counts[1] * counts[2] * channels

    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for done in range(0, length, BLOCK_K):
        k = done + tl.arange(0, BLOCK_K)
        qd, qh, qw, c = _tap(k, channels, counts)
        sd, sh, sw = qd * shifts[0], qh * shifts[1], qw * shifts[2]
        real_x = inside(d[:, None] + sd[None, :], h[:, None] + sh[None, :], v[:, None] + sw[None, :], sizes)
        real_x = real_x & real_row[:, None] & (k < length)[None, :]
        step = sd.to(INDEX) * x_strides[1] + sh.to(INDEX) * x_strides[2] + sw.to(INDEX) * x_strides[3]
        step += c.to(INDEX) * x_strides[4]
        seen = tl.load(x + corner[:, None] + step[None, :], mask=real_x, other=0.0)  # [BLOCK_M, BLOCK_K]

        there = qd.to(INDEX) * w_strides[0] + qh * w_strides[1] + qw * w_strides[2] + c.to(INDEX) * w_strides[3]
        there = there[:, None] + (m.to(INDEX) * w_strides[4] + group * group_strides[1])[None, :]
        filters = tl.load(w + there, mask=(k < length)[:, None] & real_m[None, :], other=0.0)  # [BLOCK_K, BLOCK_N]
        total = tl.dot(seen, filters, total, input_precision=PRECISION)

    if EPILOGUE is not None:
        c, all_columns = tl.program_id(1) * columns + m, tl.num_programs(1) * columns
        total = EPILOGUE(total, row[:, None], c[None, :], all_columns, real_row[:, None], real_m[None, :], memory)
    here = n.to(INDEX) * y_strides[0] + jd.to(INDEX) * y_strides[1] + jh.to(INDEX) * y_strides[2]
    here += jw.to(INDEX) * y_strides[3] + group * group_strides[2]
    here = here[:, None] + (m.to(INDEX) * y_strides[4])[None, :]
    tl.store(y + here, total.to(y.dtype.element_ty), mask=real_row[:, None] & real_m[None, :])


@triton.jit
def _conv_to_filter(
    x, dy, dw, images, channels, columns, piece,  # piece: places that one program adds up, a multiple of BLOCK_K
    sizes, results, counts, strides, shifts, starts,
    x_strides, y_strides, group_strides, row_stride, piece_stride,
    INDEX: tl.constexpr, PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    # Where am I: BLOCK_M taps and channels by BLOCK_N filters, over one piece of the places.
    across = tl.cdiv(columns, BLOCK_N)
    tile, group = tl.program_id(0), tl.program_id(2).to(INDEX)
    row = tile // across * BLOCK_M + tl.arange(0, BLOCK_M)
    m = tile % across * BLOCK_N + tl.arange(0, BLOCK_N)
    qd, qh, qw, c = _tap(row, channels, counts)
    sd, sh, sw = qd * shifts[0] + starts[0], qh * shifts[1] + starts[1], qw * shifts[2] + starts[2]
    corner = sd.to(INDEX) * x_strides[1] + sh.to(INDEX) * x_strides[2] + sw.to(INDEX) * x_strides[3]
    corner += c.to(INDEX) * x_strides[4] + group * group_strides[0]

    # Which lanes are real.
    real_row = row < counts[0] * counts[1] * counts[2] * channels
    real_m = m < columns
    start = tl.program_id(1) * piece
    stop = tl.minimum(start + piece, images * results[0] * results[1] * results[2])

    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for done in range(start, stop, BLOCK_K):
        place = done + tl.arange(0, BLOCK_K)
        n, jd, jh, jw = place_of(place, results)
        d, h, v = jd * strides[0], jh * strides[1], jw * strides[2]
        real_x = inside(d[None, :] + sd[:, None], h[None, :] + sh[:, None], v[None, :] + sw[:, None], sizes)
        real_x = real_x & real_row[:, None] & (place < stop)[None, :]
        step = n.to(INDEX) * x_strides[0] + d.to(INDEX) * x_strides[1]
        step += h.to(INDEX) * x_strides[2] + v.to(INDEX) * x_strides[3]
        seen = tl.load(x + corner[:, None] + step[None, :], mask=real_x, other=0.0)  # [BLOCK_M, BLOCK_K]

        there = n.to(INDEX) * y_strides[0] + jd.to(INDEX) * y_strides[1] + jh.to(INDEX) * y_strides[2]
        there += jw.to(INDEX) * y_strides[3] + group * group_strides[1]
        there = there[:, None] + (m.to(INDEX) * y_strides[4])[None, :]
        slopes = tl.load(dy + there, mask=(place < stop)[:, None] & real_m[None, :], other=0.0)  # [BLOCK_K, BLOCK_N]
        total = tl.dot(seen, slopes, total, input_precision=PRECISION)

    here = tl.program_id(1).to(tl.int64) * piece_stride + group * group_strides[2]
    here = here + row.to(tl.int64)[:, None] * row_stride + m[None, :]
    tl.store(dw + here, total.to(dw.dtype.element_ty), mask=real_row[:, None] & real_m[None, :])


def index_type(*arrays: Volume) -> Any:
    """int32 where it counts all elements that lie under the arrays, else int64, which takes twice the registers."""
    spans = [sum((n - 1) * s for n, s in zip(a.shape, a.strides, strict=True)) for a in arrays]
    return tl.int32 if max(spans) < 2**31 else tl.int64


class Tiles(NamedTuple):
    """A program's tile and its compile-time options."""

    block_m: int
    block_n: int
    block_k: int
    warps: int
    stages: int


def tiles_for(rows: int, channels: int, columns: int, bits: int) -> Tiles:
    """The tile for a shape class; fixed per class, so that nothing is tuned while the user waits."""
    across = max(16, min(128, power_of_two(columns)))
    if channels % 8:  # elements come one by one, through registers
        return Tiles(64, min(64, across), 32, 4, 3)
    depth = 32 if bits == 32 else 64
    if across < 128:
        return Tiles(128 if bits == 16 else 64, across, depth, 4, 3)
    if ceil_div(rows, 128) * ceil_div(columns, 128) < PROCESSORS:
        return Tiles(64, 64, depth, 4, 3)
    return Tiles(128, 128, depth, 8, 3)


def conv(
    x: Volume, w: Volume, y: Volume, walks: Sequence[Walk], groups: int, precision: str, epilogue: Epilogue = NONE
) -> None:
    """Fills y [N, J..., M].

    A group has its share of x's channels, of y's, and of that axis of w which counts the filters of all groups:
    the last, or in a turned filter the last but one.
    """
    (images, *results, filters) = y.shape
    channels, columns = x.shape[4] // groups, filters // groups
    shared = w.strides[4] * columns if w.shape[3] == channels else w.strides[3] * channels
    tiles = tiles_for(images * results[0] * results[1] * results[2], channels, columns, bits_of(x.memory))
    rows = ceil_div(images * results[0] * results[1] * results[2], tiles.block_m)
    _conv[rows * ceil_div(columns, tiles.block_n), groups](
        x.memory, w.memory, y.memory, images, channels, columns,
        tuple(x.shape[1:4]), tuple(results), tuple(w.shape[:3]),
        tuple(a.stride for a in walks), tuple(a.shift for a in walks), tuple(a.start for a in walks),
        x.strides, w.strides, y.strides, (channels * x.strides[4], shared, columns * y.strides[4]),
        epilogue.memory,
        INDEX=index_type(x, w, y), PRECISION=precision if bits_of(x.memory) == 32 else "ieee",
        BLOCK_M=tiles.block_m, BLOCK_N=tiles.block_n, BLOCK_K=tiles.block_k, EPILOGUE=epilogue.function,
        num_warps=tiles.warps, num_stages=tiles.stages, enable_fp_fusion=False,
    )  # fmt: skip


def conv_to_filter(
    x: Volume, dy: Volume, dw: Any, dw_shape: Sequence[int], walks: Sequence[Walk], groups: int, pieces: int,
    precision: str,
) -> None:  # fmt: skip
    """Fills dw [pieces, D, H, W, C, M], a sum over a piece of the places in each."""
    (images, *results, filters) = dy.shape
    channels, columns = dw_shape[3], filters // groups
    rows = dw_shape[0] * dw_shape[1] * dw_shape[2] * channels
    bits = bits_of(dy.memory)
    across = max(16, min(64, power_of_two(columns)))
    depth = 32 if bits == 32 else 64
    piece = ceil_div(ceil_div(images * results[0] * results[1] * results[2], pieces), depth) * depth
    _conv_to_filter[ceil_div(rows, 64) * ceil_div(columns, across), pieces, groups](
        x.memory, dy.memory, dw, images, channels, columns, piece,
        tuple(x.shape[1:4]), tuple(results), tuple(dw_shape[:3]),
        tuple(a.stride for a in walks), tuple(a.shift for a in walks), tuple(a.start for a in walks),
        x.strides, dy.strides, (channels * x.strides[4], columns * dy.strides[4], columns), filters, rows * filters,
        INDEX=index_type(x, dy), PRECISION=precision if bits == 32 else "ieee",
        BLOCK_M=64, BLOCK_N=across, BLOCK_K=depth, num_warps=4, num_stages=3, enable_fp_fusion=True,
    )  # fmt: skip
