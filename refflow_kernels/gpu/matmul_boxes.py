"""Large matrix products: as many programs as processors, and boxes brought by the card's copy engine [S16, W51].

    bytes: MK + KN + MN elements        operations: 2 MNK, three times that in tf32x3

The same sum over tiles as in matmul, with three differences, each for one reason:

* A program does not end with its tile, but takes every PROGRAMS-th one: to start costs some steps of the sum.
* Boxes of a and b are copied by the engine, which knows the matrices' sizes and fills the rest with zeros: no lane
  computes an address, and the registers are left to the accumulator.
* The result leaves in two halves, so that the memory in which it waits to be copied costs no stage of the loop.

tf32's products read the right side only with k fastest. Where a lies so and b does not, the transpose of (b^T a^T) is
computed: the left side may pass through registers, the right one need not.

What a box asks for: rows that lie together, on addresses and with strides of 16 bytes. All else is matmul's.

Next: refflow_kernels/gpu/windows.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

from refflow_kernels.gpu.arrays import PROCESSORS, bits_of, ceil_div

_GROUP = 8  # rows of tiles that are walked together


@triton.jit
def tile_place(tile, down, across, GROUP: tl.constexpr):
    """Row and column of tile number `tile`: down a group of GROUP rows first, so that neighbours in time share b."""
    group = tile // (GROUP * across)
    rows_in_group = tl.minimum(down - group * GROUP, GROUP)
    inside = tile % (GROUP * across)
    return group * GROUP + inside % rows_in_group, inside // rows_in_group


@triton.jit
def _matmul_boxes(
    a, b, product, M, N, K,
    TURNED_A: tl.constexpr, TURNED_B: tl.constexpr, MIRRORED: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr, PROGRAMS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
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
        halves = tl.permute(tl.reshape(total, (BLOCK_M, 2, BLOCK_N // 2)), (0, 2, 1))
        left, right = tl.split(halves)
        product.store([m, n], left.to(product.dtype))
        product.store([m, n + BLOCK_N // 2], right.to(product.dtype))


class _Tiles(NamedTuple):
    block_m: int
    block_n: int
    block_k: int
    warps: int
    stages: int


def _tiles_for(bits: int, precision: str) -> _Tiles:
    """The tile for a type; fixed, so that nothing is tuned while the user waits."""
    return _Tiles(128, 256, 64, 8, 3) if bits == 16 else _Tiles(128, 128, 32, 8, 3)


def _is_boxable(array: Any) -> bool:
    rows, columns = array.stride()
    return columns == 1 and array.data_ptr() % 16 == 0 and rows * bits_of(array) % 128 == 0


def matmul(a: Any, b: Any, out: Any, sizes: tuple[int, int, int], turned: tuple[bool, bool], precision: str) -> bool:
    """Fills out [M, N], or says False where boxes do not fit or tiles are too few for all processors."""
    M, N, K = sizes
    bits = bits_of(a)
    tiles = _tiles_for(bits, precision)
    count = ceil_div(M, tiles.block_m) * ceil_div(N, tiles.block_n)
    if (bits == 32 and precision == "ieee") or K == 0 or 4 * count < 3 * PROCESSORS:
        return False
    if not (_is_boxable(a) and _is_boxable(b) and _is_boxable(out)):
        return False
    (block_m, block_n, block_k, warps, stages), (turned_a, turned_b) = tiles, turned
    programs = min(PROCESSORS, count)
    _matmul_boxes[(programs,)](
        _described(a, [block_k, block_m] if turned_a else [block_m, block_k]),
        _described(b, [block_n, block_k] if turned_b else [block_k, block_n]),
        _described(out, [block_m, block_n // 2]), M, N, K,
        TURNED_A=turned_a, TURNED_B=turned_b, MIRRORED=bits == 32 and not turned_a and not turned_b,
        BLOCK_M=block_m, BLOCK_N=block_n, BLOCK_K=block_k, GROUP=_GROUP, PROGRAMS=programs,
        PRECISION=precision if bits == 32 else "ieee", num_warps=warps, num_stages=stages, enable_fp_fusion=True,
    )  # fmt: skip
    return True


def _described(array: Any, block: list[int]) -> TensorDescriptor:
    return TensorDescriptor(array, list(array.shape), list(array.stride()), block)
