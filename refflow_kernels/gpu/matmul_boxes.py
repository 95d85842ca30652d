"""Large matrix products: as many programs as processors, and boxes brought by the card's copy engine [S16, W51].

    bytes: MK + KN + MN elements        operations: 2 MNK, three times that in tf32x3

The same sum over tiles as in matmul, with three differences, each for one reason:

* A program does not end with its tile, but takes every PROGRAMS-th one: to start costs some steps of the sum.
* Boxes of a and b are copied by the engine, which knows the matrices' sizes and fills the rest with zeros: no lane
  computes an address, and the registers are left to the accumulator.
* The result leaves in parts, so that the memory in which it waits to be copied costs no stage of the loop, and an
  epilogue's values stay in registers.

tf32's products read the right side only with k fastest. Where a lies so and b does not, the transpose of (b^T a^T) is
computed: the left side may pass through registers, the right one need not.

What a box asks for: rows that lie together, on addresses and with strides of 16 bytes. Odd rows of a large product are
copied to such places in the workspace, and an odd result is copied back: three passes over memory, which are little
beside the product. All else is matmul's.

Next: refflow_kernels/gpu/windows.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

from refflow_kernels.gpu.arrays import PROCESSORS, bits_of, ceil_div, check_out, in_units
from refflow_kernels.gpu.epilogues import NONE, Epilogue, parts_of

_GROUP = 8  # rows of tiles that are walked together
_LARGE = 1 << 33  # products of numbers: for so many odd rows are copied
_STEP = 8  # elements that fill 16 bytes, of the narrowest type
_COPIED = 1024  # elements of a row that one program copies


@triton.jit
def tile_place(tile, down, across, GROUP: tl.constexpr):
    """Row and column of tile number `tile`: down a group of GROUP rows first, so that neighbours in time share b."""
    group = tile // (GROUP * across)
    rows_in_group = tl.minimum(down - group * GROUP, GROUP)
    inside = tile % (GROUP * across)
    return group * GROUP + inside % rows_in_group, inside // rows_in_group


@triton.jit
def halves_of(tile, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The left and the right half of a tile's columns."""
    return tl.split(tl.permute(tl.reshape(tile, (ROWS, 2, COLUMNS // 2)), (0, 2, 1)))


@triton.jit
def _write(
    product, tile, m, n, M, N, memory, EPILOGUE: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    """Writes a tile whose corner is at m, n, in so many parts, one after the other."""
    if PARTS > 1:
        left, right = halves_of(tile, ROWS, COLUMNS)
        _write(product, left, m, n, M, N, memory, EPILOGUE, ROWS, COLUMNS // 2, PARTS // 2)
        _write(product, right, m, n + COLUMNS // 2, M, N, memory, EPILOGUE, ROWS, COLUMNS // 2, PARTS // 2)
    else:
        if EPILOGUE is not None:
            r, c = m + tl.arange(0, ROWS)[:, None], n + tl.arange(0, COLUMNS)[None, :]
            tile = EPILOGUE(tile, r, c, N, r < M, c < N, memory)
        product.store([m, n], tile.to(product.dtype))


@triton.jit
def _matmul_boxes(
    a, b, product, M, N, K, memory,
    TURNED_A: tl.constexpr, TURNED_B: tl.constexpr, MIRRORED: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr, PROGRAMS: tl.constexpr, PRECISION: tl.constexpr, EPILOGUE: tl.constexpr,
    PARTS: tl.constexpr, UNIT: tl.constexpr,  # of N
):  # fmt: skip
    N = N * UNIT
    down, across = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    for tile in tl.range(tl.program_id(0), down * across, PROGRAMS, flatten=True):
        row, column = tile_place(tile, down, across, GROUP)
        m, n = row * BLOCK_M, column * BLOCK_N
        if MIRRORED:
            total = tl.zeros((BLOCK_N, BLOCK_M), tl.float32)
        else:
            total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
        for k in range(0, K, BLOCK_K):
            x = tl.trans(a.load([k, m])) if TURNED_A else a.load([m, k])  # [BLOCK_M, BLOCK_K]
            y = tl.trans(b.load([n, k])) if TURNED_B else b.load([k, n])  # [BLOCK_K, BLOCK_N]
            if MIRRORED:
                total = tl.dot(tl.trans(y), tl.trans(x), total, input_precision=PRECISION)
            else:
                total = tl.dot(x, y, total, input_precision=PRECISION)
        if MIRRORED:
            total = tl.trans(total)
        _write(product, total, m, n, M, N, memory, EPILOGUE, BLOCK_M, BLOCK_N, PARTS)


@triton.jit
def _copy_rows(x, copy, columns, stride, copy_stride, BLOCK: tl.constexpr):
    """copy[row, c] = x[row, c], where rows are `stride` and `copy_stride` apart.

    bytes: 2 * rows * columns elements        operations: none
    """
    row = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + row * stride + c, mask=c < columns, other=0.0)
    tl.store(copy + row * copy_stride + c, value, mask=c < columns)


class _Tiles(NamedTuple):
    block_m: int
    block_n: int
    block_k: int
    warps: int
    stages: int


def _tiles_for(bits: int) -> _Tiles:
    """The tile for a type; fixed, so that nothing is tuned while the user waits."""
    return _Tiles(128, 256, 64, 8, 3) if bits == 16 else _Tiles(128, 128, 32, 8, 3)


def _count(sizes: tuple[int, int, int], tiles: _Tiles) -> int:
    return ceil_div(sizes[0], tiles.block_m) * ceil_div(sizes[1], tiles.block_n)


def _is_enough(sizes: tuple[int, int, int], tiles: _Tiles) -> bool:
    """True if most processors have a tile."""
    return 4 * _count(sizes, tiles) >= 3 * PROCESSORS


def _is_boxable(array: Any, bits: int) -> bool:
    """bits: of the operands, so that the road does not depend on what an epilogue makes of the product."""
    rows, columns = array.stride()
    return columns == 1 and array.data_ptr() % 16 == 0 and rows * min(bits, bits_of(array)) % 128 == 0


def room_for_rows(a: Sequence[int], b: Sequence[int], sizes: tuple[int, int, int]) -> int:
    """Elements of the workspace for copies of odd rows, by the shapes, or 0 where no copy is worth it."""
    worth = prod(sizes) >= _LARGE and _is_enough(sizes, _tiles_for(16))  # the larger tiles: right for either type
    matrices = (a, b, sizes[:2]) if worth else ()
    return sum(rows * _step_of(columns) for rows, columns in matrices if columns % _STEP)


def _step_of(columns: int) -> int:
    return ceil_div(columns, _STEP) * _STEP


def _with_room(array: Any, room: Any, place: int) -> tuple[Any, int]:
    """The matrix, or memory for a copy of it whose rows lie on addresses of 16 bytes; and where that ends."""
    rows, columns = array.shape
    step = _step_of(columns)
    if step == columns:
        return array, place
    end = place + rows * step
    return room[place:end].view(array.dtype)[: rows * step].reshape((rows, step))[:, :columns], end


def _copy(source: Any, target: Any) -> None:
    rows, columns = source.shape
    _copy_rows[rows, ceil_div(columns, _COPIED)](
        source, target, columns, source.stride(0), target.stride(0), BLOCK=_COPIED, num_warps=4, enable_fp_fusion=True
    )


def matmul(
    a: Any, b: Any, out: Any, sizes: tuple[int, int, int], turned: tuple[bool, bool], precision: str,
    workspace: Any = None, epilogue: Epilogue = NONE,
) -> bool:  # fmt: skip
    """Fills out [M, N], or says False where boxes do not fit or tiles are too few for all processors."""
    M, N, K = sizes
    bits = bits_of(a)
    tiles = _tiles_for(bits)
    if (bits == 32 and precision == "ieee") or K == 0 or not _is_enough(sizes, tiles):
        return False
    room, target = room_for_rows(a.shape, b.shape, sizes), out
    if room:
        check_out(workspace, (room,), "workspace")
        left, end = _with_room(a, workspace, 0)
        right, end = _with_room(b, workspace, end)
        target, _ = _with_room(out, workspace, end)
        for source, copy in ((a, left), (b, right)):
            if copy is not source:
                _copy(source, copy)
        a, b = left, right
    if not all(_is_boxable(array, bits) for array in (a, b, target)):
        return False
    (block_m, block_n, block_k, warps, stages), (turned_a, turned_b) = tiles, turned
    parts = parts_of(block_m * block_n, warps) if epilogue.function else 2
    programs, ((columns,), (unit,)) = min(PROCESSORS, _count(sizes, tiles)), in_units((N,))
    _matmul_boxes[(programs,)](
        _described(a, [block_k, block_m] if turned_a else [block_m, block_k]),
        _described(b, [block_n, block_k] if turned_b else [block_k, block_n]),
        _described(target, [block_m, block_n // parts]), M, columns, K, epilogue.memory,
        TURNED_A=turned_a, TURNED_B=turned_b, MIRRORED=bits == 32 and not turned_a and not turned_b,
        BLOCK_M=block_m, BLOCK_N=block_n, BLOCK_K=block_k, GROUP=_GROUP, PROGRAMS=programs,
        PRECISION=precision if bits == 32 else "ieee", EPILOGUE=epilogue.function, PARTS=parts, UNIT=unit,
        num_warps=warps, num_stages=stages, enable_fp_fusion=False,
    )  # fmt: skip
    if target is not out:
        _copy(target, out)
    return True


def _described(array: Any, block: list[int]) -> TensorDescriptor:
    return TensorDescriptor(array, list(array.shape), list(array.stride()), block)
