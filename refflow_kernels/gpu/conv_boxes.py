"""Convolution by boxes: what a tile of results sees through one tap is a box of the image, copied as one.

    y[n, j, m] = sum over taps q, channels c of  x[n, j * stride + q * shift + start, c] * w[q, c, m]

A tile of results is a box too: so many images, by places along D, H and W, by BLOCK_N filters. For each tap
and each BLOCK_K channels the card's copy engine brings two boxes, one of w and one of x that lies `q * shift + start`
further on; they are the two sides of a matrix product. The engine knows the array's sizes and writes zeros for cells
outside: that is the padding, and no lane computes an address. There are as many programs as processors hold, and each
takes every PROGRAMS-th tile: while one tile is written, the boxes of the next are on their way.

*Stride 2.* A box has neighbours only. But an image [N, H, W, C] of even sizes is also [N, H/2, 2, W/2, 2C]: there the
cells that a tap sees at every second place are neighbours, with the same rest, so the box is [n, h, 1, w, c].

*Few tiles*, as of one small image: the sum over taps and channels is cut, each piece fills images of its own in the
workspace, and the pieces are added in order afterwards.

*dw*: a program has one tap, BLOCK_M channels and BLOCK_N filters, and walks over a piece of the boxes of places: x's
box turned, times dy's. It is cut in pieces of the places, also added in order.

What a box asks for: channels that lie together, in pieces of 16 bytes, on addresses of 16 bytes.

    operations: 2 N out... k... C M        bytes: x, w and y once, if the cache holds what windows share

Next: refflow_kernels/gpu/conv.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

from refflow_kernels.gpu.arrays import PROCESSORS, bits_of, ceil_div, in_units, power_of_two
from refflow_kernels.gpu.epilogues import NONE, Epilogue, parts_of
from refflow_kernels.gpu.matmul_boxes import halves_of
from refflow_kernels.gpu.windows import Volume, Walk

_NARROW = 32  # filters: so few do not fill the 64 rows of the tensor cores' products


@triton.jit
def _box_of(x, at, HALVED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The box of x at image, cell along D, H, W, and channel, as a matrix [ROWS, COLUMNS]."""
    n, d, h, w, c = at
    if HALVED:  # x is [N, H/2, 2, W/2, 2C]; >> and & round down below zero too
        box = x.load([n, h >> 1, h & 1, w >> 1, c + (w & 1) * (x.shape[4] // 2).to(tl.int32)])
    else:
        box = x.load([n, d, h, w, c])
    return tl.reshape(box, (ROWS, COLUMNS))


@triton.jit
def _corner(tile, across, BOX: tl.constexpr):
    """First image, and first place along D, H and W, of box number `tile`; `across`: boxes along D, H, W."""
    w = tile % across[2]
    h = tile // across[2] % across[1]
    d = tile // (across[2] * across[1]) % across[0]
    n = tile // (across[2] * across[1] * across[0])
    return n * BOX[0], d * BOX[1], h * BOX[2], w * BOX[3]


@triton.jit
def _in_box(at, r, BOX: tl.constexpr):
    """Image, and place along D, H and W, of number r in a box that begins at `at`."""
    n, d, h, w, _ = at
    d, h, w = d + r // (BOX[3] * BOX[2]) % BOX[1], h + r // BOX[3] % BOX[2], w + r % BOX[3]
    return n + r // (BOX[3] * BOX[2] * BOX[1]), d, h, w


@triton.jit
def _write(
    y, tile, at, columns, memory, EPILOGUE: tl.constexpr,
    BOX: tl.constexpr, FIRST: tl.constexpr, ROWS: tl.constexpr, BLOCK_N: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    """Writes a tile [BLOCK_N, ROWS], places FIRST and on of a box at `at`, in so many parts, one after the other."""
    HALF: tl.constexpr = ROWS // 2
    if PARTS > 1:
        left, right = halves_of(tile, BLOCK_N, ROWS)
        _write(y, left, at, columns, memory, EPILOGUE, BOX, FIRST, HALF, BLOCK_N, PARTS // 2)
        _write(y, right, at, columns, memory, EPILOGUE, BOX, FIRST + HALF, HALF, BLOCK_N, PARTS // 2)
    else:
        m = at[4]
        if EPILOGUE is not None:  # y is a matrix: its rows are the places
            n, d, h, w = _in_box(at, FIRST + tl.arange(0, ROWS), BOX)
            D, H, W = y.shape[1].to(tl.int32), y.shape[2].to(tl.int32), y.shape[3].to(tl.int32)
            row, real = ((n * D + d) * H + h) * W + w, (n < y.shape[0]) & (d < D) & (h < H) & (w < W)
            column = m + tl.arange(0, BLOCK_N)[:, None]
            tile = EPILOGUE(tile, row[None, :], column, columns, real[None, :], column < columns, memory)
        n, d, h, w = _in_box(at, FIRST, BOX)
        B: tl.constexpr = y.block_shape
        y.store([n, d, h, w, m], tl.reshape(tl.trans(tile).to(y.dtype), (B[0], B[1], B[2], B[3], BLOCK_N)))


@triton.jit
def _conv_boxes(
    x, w, y, channels, columns, tiles, pieces, images, across, counts, strides, shifts, starts, memory,
    BOX: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, PROGRAMS: tl.constexpr,
    HALVED: tl.constexpr, TURNED: tl.constexpr, PRECISION: tl.constexpr, EPILOGUE: tl.constexpr,
    PARTS: tl.constexpr, UNIT: tl.constexpr,  # of columns
):  # fmt: skip
    ROWS: tl.constexpr = BOX[0] * BOX[1] * BOX[2] * BOX[3]
    columns = columns * UNIT
    wide, blocks = tl.cdiv(columns, BLOCK_N), tl.cdiv(channels, BLOCK_K)
    steps = counts[0] * counts[1] * counts[2] * blocks
    piece = tl.cdiv(steps, pieces)
    for number in tl.range(tl.program_id(0), tiles * pieces, PROGRAMS, flatten=True):
        # Where am I: tiles of the same places and other filters follow each other, and share x in the cache.
        part, tile = number // tiles, number % tiles
        n, jd, jh, jw = _corner(tile // wide, across, BOX)
        m = tile % wide * BLOCK_N
        d, h, v = jd * strides[0] + starts[0], jh * strides[1] + starts[1], jw * strides[2] + starts[2]

        # Filters are the rows of the product and places its columns: the right side may be read straight from the
        # memory into which the box was copied; the left side, were it the box, would go through registers.
        total = tl.zeros((BLOCK_N, ROWS), tl.float32)
        for step in range(part * piece, tl.minimum(part * piece + piece, steps)):
            tap, c = step // blocks, step % blocks * BLOCK_K
            qd, qh, qw = tap // (counts[2] * counts[1]), tap // counts[2] % counts[1], tap % counts[2]
            at = (n, d + qd * shifts[0], h + qh * shifts[1], v + qw * shifts[2], c)
            seen = _box_of(x, at, HALVED, ROWS, BLOCK_K)
            if TURNED:  # w lies as [taps, M, C]
                filters = tl.reshape(w.load([qd, qh, qw, m, c]), (BLOCK_N, BLOCK_K))
            else:
                filters = tl.trans(tl.reshape(w.load([qd, qh, qw, c, m]), (BLOCK_K, BLOCK_N)))
            total = tl.dot(filters, tl.trans(seen), total, input_precision=PRECISION)
        _write(y, total, (n + part * images, jd, jh, jw, m), columns, memory, EPILOGUE, BOX, 0, ROWS, BLOCK_N, PARTS)


@triton.jit
def _conv_to_filter_boxes(
    x, dy, dw, channels, columns, tiles, piece, across, counts, strides, shifts, starts,
    BOX: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, HALVED: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    # Where am I: one tap, BLOCK_M channels by BLOCK_N filters, over one piece of the boxes of places.
    ROWS: tl.constexpr = BOX[0] * BOX[1] * BOX[2] * BOX[3]
    wide = tl.cdiv(columns, BLOCK_N)
    high = tl.cdiv(channels, BLOCK_M)
    m = tl.program_id(0) % wide * BLOCK_N
    c = tl.program_id(0) // wide % high * BLOCK_M
    tap = tl.program_id(0) // (wide * high)
    qd, qh, qw = tap // (counts[2] * counts[1]), tap // counts[2] % counts[1], tap % counts[2]
    sd, sh, sw = qd * shifts[0] + starts[0], qh * shifts[1] + starts[1], qw * shifts[2] + starts[2]

    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    start = tl.program_id(1) * piece
    for tile in range(start, tl.minimum(start + piece, tiles)):
        n, jd, jh, jw = _corner(tile, across, BOX)
        d, h, v = jd * strides[0] + sd, jh * strides[1] + sh, jw * strides[2] + sw
        seen = _box_of(x, (n, d, h, v, c), HALVED, ROWS, BLOCK_M)
        slopes = tl.reshape(dy.load([n, jd, jh, jw, m]), (ROWS, BLOCK_N))
        total = tl.dot(tl.trans(seen), slopes, total, input_precision=PRECISION)

    channel, filter = c + tl.arange(0, BLOCK_M), m + tl.arange(0, BLOCK_N)
    row = (tl.program_id(1) * counts[0] * counts[1] * counts[2] + tap).to(tl.int64) * channels + channel
    here = row[:, None] * columns + filter[None, :]
    real = (channel < channels)[:, None] & (filter < columns)[None, :]
    tl.store(dw + here, total.to(dw.dtype.element_ty), mask=real)


# -- which arrays, and which boxes ------------------------------------------------------------------------------


def is_boxable(*arrays: Volume) -> bool:
    """True if the last axis lies together and all else lies on addresses of 16 bytes, in their shortest type."""
    bits = min(bits_of(a.memory) for a in arrays)
    return all(
        0 not in a.shape
        and a.strides[-1] == 1
        and a.memory.data_ptr() % 16 == 0
        and all(s * bits % 128 == 0 for s in a.strides[:-1])
        for a in arrays
    )


def is_halved(walks: Sequence[Walk]) -> bool | None:
    """False for stride 1 everywhere, True for images with stride 2, None for other strides: no boxes."""
    strides = [a.stride for a in walks]
    return False if strides == [1, 1, 1] else True if strides == [1, 2, 2] else None


def depth_for(x: Volume, halved: bool) -> int | None:
    """Channels of a box of x; with stride 2 they must not run on into the next cell. None if there are too few."""
    channels = x.shape[4]
    most = 32 if bits_of(x.memory) == 32 else 64
    if halved and (channels % 16 or x.shape[2] % 2 or x.shape[3] % 2):
        return None
    fits = [k for k in (16, 32, 64) if k <= most and (not halved or channels % k == 0)]
    return None if channels < 16 else min(max(fits), power_of_two(channels))


def box_for(shape: Sequence[int], rows: int) -> tuple[int, ...]:
    """How `rows` results are shared among N, D, H, W so that the fewest lie outside; wide ones first.

    >>> box_for((64, 1, 56, 56), 128), box_for((64, 1, 7, 7), 128), box_for((1, 8, 9, 100), 64)
    ((2, 1, 8, 8), (16, 1, 1, 8), (1, 8, 1, 8))
    """
    powers = [1 << i for i in range(rows.bit_length())]
    boxes = [b for b in itertools.product(powers, repeat=4) if prod(b) == rows]
    return min(boxes, key=lambda b: (prod(ceil_div(s, k) for s, k in zip(shape, b, strict=True)), -b[3], -b[2], -b[1]))


def _part_of(box: Sequence[int], parts: int) -> tuple[int, ...]:
    """The box of so many rows in order, one of that many parts.

    >>> _part_of((2, 1, 8, 8), 4)
    (1, 1, 4, 8)
    """
    rows, part = prod(box) // parts, [1, 1, 1, 1]
    for axis in reversed(range(4)):
        part[axis] = min(box[axis], rows)
        rows //= part[axis]
    return tuple(part)


class _Options(NamedTuple):
    """A program's tile, its compile-time options, and how many programs a processor holds."""

    rows: int
    block_n: int
    warps: int
    stages: int
    each: int


_SMALL = _Options(64, 64, 4, 4, 3)


def options_for(shape: Sequence[int], bits: int) -> _Options:
    """The tile for a shape class; fixed per class, so that nothing is tuned while the user waits."""
    block_n = 64 if shape[4] <= 64 else 128
    if _tiles(shape, 128, block_n) * 2 < PROCESSORS:
        return _SMALL
    if block_n == 64:
        return _Options(128, 64, 4, 3, 2)
    return _Options(256 if bits == 16 and _tiles(shape, 256, 128) * 3 >= PROCESSORS * 2 else 128, 128, 8, 3, 1)


def pieces_for(shape: Sequence[int], cells: int, channels: int) -> int:
    """In how many pieces the sum over a window of `cells` and its channels is cut, so that there is work for all."""
    few = options_for(shape, 16) is _SMALL and options_for(shape, 32) is _SMALL and 0 not in shape
    box = box_for(shape[:4], _SMALL.rows) if few else (1,)
    if not few or min(shape[4], channels) <= _NARROW or shape[0] % box[0]:  # a box must not reach into the next piece
        return 1
    return max(1, min(2 * PROCESSORS // _tiles(shape, *_SMALL[:2]), cells * ceil_div(channels, 64) // 4))


def _tiles(shape: Sequence[int], rows: int, block_n: int) -> int:
    return ceil_div(prod(shape[:4]), rows) * ceil_div(shape[4], block_n)


def _described(a: Volume, block: Sequence[int], halved: bool = False) -> TensorDescriptor:
    shape, strides = list(a.shape), list(a.strides)
    if halved:
        (n, _, h, w, c), (sn, _, sh, sw, _) = shape, strides
        shape, strides = [n, h // 2, 2, w // 2, 2 * c], [sn, 2 * sh, sh, 2 * sw, 1]
        block = [block[0], block[2], 1, block[3], block[4]]
    return TensorDescriptor(a.memory, shape, strides, list(block))


def _aligned(a: Volume) -> Volume:
    """Axes of size 1 have any stride; the copy engine wants one that it could take, and in order.

    >>> _aligned(Volume(None, (64, 1, 56, 56, 128), (401408, 0, 7168, 128, 1))).strides
    (401408, 401408, 7168, 128, 1)
    """
    strides = list(a.strides)
    for axis in reversed(range(len(strides) - 1)):
        if a.shape[axis] == 1:
            strides[axis] = ceil_div(strides[axis + 1] * a.shape[axis + 1], 8) * 8
    return Volume(a.memory, a.shape, tuple(strides))


def conv(
    x: Volume, w: Volume, y: Volume, walks: Sequence[Walk], turned: bool, precision: str, pieces: int = 1,
    epilogue: Epilogue = NONE,
) -> int:  # fmt: skip
    """Fills y, and says in how many pieces, or 0 where boxes do not fit.

    w is [taps, C, M], or [taps, M, C] if `turned`. With pieces > 1, y has as many times the images, each piece its own;
    fewer are used where the sum has not so many steps.
    """
    halved = is_halved(walks)
    x, w, y = _aligned(x), _aligned(w), _aligned(y)
    if halved is None or y.shape[4] <= _NARROW or not is_boxable(x, w, y):
        return 0
    depth = depth_for(x, halved)
    if depth is None:
        return 0
    bits = bits_of(x.memory)
    shape = (y.shape[0] // pieces, *y.shape[1:])
    options = options_for(shape, bits)
    box = box_for(shape[:4], options.rows)
    across = [ceil_div(s, b) for s, b in zip(shape[:4], box, strict=True)]
    tiles = prod(across) * ceil_div(y.shape[4], options.block_n)
    steps = prod(w.shape[:3]) * ceil_div(x.shape[4], depth)
    pieces = ceil_div(steps, ceil_div(steps, pieces))
    programs, ((columns,), (unit,)) = min(tiles * pieces, options.each * PROCESSORS), in_units(y.shape[4:])
    parts = parts_of(options.rows * options.block_n, options.warps) if epilogue.function else 1
    _conv_boxes[(programs,)](
        _described(x, [*box, depth], halved),
        _described(w, [1, 1, 1, options.block_n, depth] if turned else [1, 1, 1, depth, options.block_n]),
        _described(y, [*_part_of(box, parts), options.block_n]),
        x.shape[4], columns, tiles, pieces, shape[0], tuple(across[1:]), tuple(w.shape[:3]),
        tuple(a.stride for a in walks), tuple(a.shift for a in walks), tuple(a.start for a in walks), epilogue.memory,
        BOX=box, BLOCK_N=options.block_n, BLOCK_K=depth, PROGRAMS=programs, HALVED=halved, TURNED=turned,
        PRECISION=precision if bits == 32 else "ieee", EPILOGUE=epilogue.function, PARTS=parts, UNIT=unit,
        num_warps=options.warps, num_stages=options.stages, enable_fp_fusion=False,
    )  # fmt: skip
    return pieces


def conv_to_filter(
    x: Volume, dy: Volume, dw: Any, counts: Sequence[int], walks: Sequence[Walk], pieces: int, precision: str
) -> bool:
    """Fills dw [pieces, taps, C, M], each from a piece of the places, or says False where boxes do not fit."""
    halved = is_halved(walks)
    x, dy = _aligned(x), _aligned(dy)
    channels, columns = x.shape[4], dy.shape[4]
    if halved is None or min(channels, columns) < 16 or not is_boxable(x, dy) or depth_for(x, halved) is None:
        return False
    block_m, block_n = filter_tile(channels, columns)
    if halved and channels % block_m:
        return False
    bits = bits_of(dy.memory)
    box = box_for(dy.shape[:4], 32 if bits == 32 else 64)
    across = [ceil_div(s, b) for s, b in zip(dy.shape[:4], box, strict=True)]
    _conv_to_filter_boxes[prod(counts) * ceil_div(channels, block_m) * ceil_div(columns, block_n), pieces](
        _described(x, [*box, block_m], halved), _described(dy, [*box, block_n]), dw,
        channels, columns, prod(across), ceil_div(prod(across), pieces), tuple(across[1:]), tuple(counts),
        tuple(a.stride for a in walks), tuple(a.shift for a in walks), tuple(a.start for a in walks),
        BOX=box, BLOCK_M=block_m, BLOCK_N=block_n, HALVED=halved, PRECISION=precision if bits == 32 else "ieee",
        num_warps=8 if block_m * block_n > 8192 else 4, num_stages=4, enable_fp_fusion=True,
    )  # fmt: skip
    return True


def filter_tile(channels: int, columns: int) -> tuple[int, int]:
    """Channels and filters of one program's part of dw."""
    return 64 if channels <= 64 else 128, max(16, min(128, power_of_two(columns)))
