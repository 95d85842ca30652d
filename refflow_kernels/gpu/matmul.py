"""Matrix product on tensor cores, float32-accurate: tiles of the result, one program each [S16, W51].

    bytes: MK + KN + MN elements        operations: 2 MNK, three times that in tf32x3

    product tile [BLOCK_M, BLOCK_N] = sum over k of a [BLOCK_M, BLOCK_K] times b [BLOCK_K, BLOCK_N]

*Transposition* is an exchange of strides; nothing is copied. *A wide product with few rows* is computed as the
transpose of (b^T a^T), which has few columns: again only strides change.

*Deep K and a small result* ([784, 10000] x [10000, 10] has 13 tiles for 132 processors) would leave most of the card
idle. There K is cut in pieces, each piece's partial product goes to a float32 workspace, and a second pass adds the
pieces in order. No atomics: the same bits on every run.

*Precision* of float32 operands:

    "tf32x3"   each operand is split in two 11-bit parts, and three tensor-core products are added in float32:
               about as exact as float32 itself. An operand that is infinite gives NaN (inf - inf in the split),
               and operands within 2^11 of the smallest normal number lose bits.
    "ieee"     multiply-adds on the ordinary units: slower; infinities are kept. The fallback.
    "tf32"     one product of 11-bit operands: fast, three digits.

float16 and bfloat16 are multiplied exactly and summed in float32.

Next: refflow_kernels/gpu/windows.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import PROCESSORS, ceil_div, check_out
from refflow_kernels.kernel import Kernel

PRECISIONS = ("tf32x3", "ieee", "tf32")
_DEEP = 512  # the least K that a piece is worth
_SUM_BLOCK = 1024  # elements that one program of the second pass adds up


@triton.jit
def _matmul(
    a, b, product,
    M, N, K, piece,  # piece: how much of K one program adds up, a multiple of BLOCK_K
    stride_am, stride_ak, stride_bk, stride_bn, stride_pm, stride_pn, stride_piece,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    # Where am I: tiles go down a group of GROUP rows first, so that neighbours in time share tiles of b in cache.
    tile, part = tl.program_id(0), tl.program_id(1)
    across = tl.cdiv(N, BLOCK_N)
    group = tile // (GROUP * across)
    rows_in_group = tl.minimum(tl.cdiv(M, BLOCK_M) - group * GROUP, GROUP)
    m = (group * GROUP + tile % (GROUP * across) % rows_in_group) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = (tile % (GROUP * across) // rows_in_group) * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)

    # Which lanes are real, and where they lie; int64, since m * stride may pass 2**31.
    real_m, real_n = m[:, None] < M, n[None, :] < N
    start = part * piece
    stop = tl.minimum(start + piece, K)
    first = (start + k).to(tl.int64)
    a_here = a + m[:, None].to(tl.int64) * stride_am + first[None, :] * stride_ak  # [BLOCK_M, BLOCK_K]
    b_here = b + first[:, None] * stride_bk + n[None, :].to(tl.int64) * stride_bn  # [BLOCK_K, BLOCK_N]
    a_step = tl.full((), BLOCK_K, tl.int64) * stride_ak
    b_step = tl.full((), BLOCK_K, tl.int64) * stride_bk

    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for done in range(start, stop, BLOCK_K):
        x = tl.load(a_here, mask=real_m & (k[None, :] < stop - done), other=0.0)
        y = tl.load(b_here, mask=real_n & (k[:, None] < stop - done), other=0.0)
        total = tl.dot(x, y, total, input_precision=PRECISION)
        a_here += a_step
        b_here += b_step

    here = part * stride_piece + m[:, None].to(tl.int64) * stride_pm + n[None, :].to(tl.int64) * stride_pn
    tl.store(product + here, total.to(product.dtype.element_ty), mask=real_m & real_n)


@triton.jit
def _add_pieces(pieces, product, size, count, BLOCK: tl.constexpr):
    """product[i] = pieces[0, i] + pieces[1, i] + ..., from first to last.

    bytes: (count + 1) * size elements        operations: count * size
    """
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    total = tl.zeros((BLOCK,), tl.float32)
    for p in range(count):
        total += tl.load(pieces + tl.full((), 1, tl.int64) * p * size + i, mask=real, other=0.0)
    tl.store(product + i, total.to(product.dtype.element_ty), mask=real)


def add_pieces(pieces: Any, out: Any, size: int, count: int) -> None:
    """out, of `size` elements, is the sum of `count` such arrays, one behind the other in `pieces`."""
    _add_pieces[(ceil_div(size, _SUM_BLOCK),)](
        pieces, out, size, count, BLOCK=_SUM_BLOCK, num_warps=4, enable_fp_fusion=True
    )


def check_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}, but there are {', '.join(PRECISIONS)}")


class Tiles(NamedTuple):
    """How a product is cut: one program's tile, and its compile-time options."""

    block_m: int
    block_n: int
    block_k: int
    warps: int
    stages: int


def tiles_for(M: int, N: int, K: int, bits: int, precision: str) -> Tiles:
    """The tile for a shape class; fixed per class, so that nothing is tuned while the user waits. N <= M or N > 16."""
    if precision == "ieee" and bits == 32:
        return Tiles(64, 16, 32, 4, 3) if N <= 16 else Tiles(64, 64, 16, 4, 3)
    depth = 32 if bits == 32 else 64
    if N <= 16:
        return Tiles(64, 16, 2 * depth, 4, 3)
    if ceil_div(M, 128) * ceil_div(N, 128) < PROCESSORS:
        return Tiles(64, 64, depth, 4, 4)
    return Tiles(128, 128, depth, 8, 3)


def _sizes(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> tuple[int, int, int]:
    """M, N, K; ValueError where the inner sizes differ."""
    (M, K) = reversed(a.shape) if transpose_a else a.shape
    (inner, N) = reversed(b.shape) if transpose_b else b.shape
    if inner != K:
        raise ValueError(f"b has K = {inner}, but a has K = {K}. Transpose one of them, or check the layer sizes")
    return M, N, K


def piece_of(M: int, N: int, K: int) -> int:
    """How much of K one program adds up: all of it, unless the tiles are few and K is deep."""
    if min(M, N) == 0 or K < 2 * _DEEP:
        return max(K, 1)
    narrow = 16 if min(M, N) <= 16 else 64
    tiles = ceil_div(max(M, N), 64) * ceil_div(min(M, N), narrow)
    pieces = min(2 * PROCESSORS // tiles, K // _DEEP)
    return ceil_div(ceil_div(K, max(pieces, 1)), 128) * 128 if pieces > 1 else K


def matmul_workspace(
    inputs: Any, transpose_a: bool = False, transpose_b: bool = False, precision: str = "tf32x3"
) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the partial products [pieces, M, N], or None where K is not cut."""
    M, N, K = _sizes(inputs[0], inputs[1], transpose_a, transpose_b)
    pieces = ceil_div(K, piece_of(M, N, K))
    return ((pieces, M, N), "float32") if pieces > 1 else None


def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    out: Any = None,
    workspace: Any = None,
    precision: str = "tf32x3",
) -> Any:
    """a [M, K] times b [K, N], after the transpositions asked for; zeros where K = 0.

    `workspace` is what matmul_workspace asks for. `precision` concerns float32 operands alone.
    """
    check_precision(precision)
    M, N, K = _sizes(a, b, transpose_a, transpose_b)
    check_out(out, (M, N))
    if M == 0 or N == 0:
        return out
    bits = 32 if str(a.dtype).endswith("float32") else 16
    piece = piece_of(M, N, K)
    pieces = max(1, ceil_div(K, piece))
    if pieces > 1:
        check_out(workspace, (pieces, M, N), "workspace")
    target = workspace if pieces > 1 else out
    (am, ak), (bk, bn), (pm, pn) = a.stride(), b.stride(), (N, 1)
    if transpose_a:
        am, ak = ak, am
    if transpose_b:
        bk, bn = bn, bk
    left, right, rows, columns = a, b, M, N
    if M <= 16 < N:  # few rows: (a b)^T = b^T a^T has few columns
        left, right, rows, columns = b, a, N, M
        am, ak, bk, bn, pm, pn = bn, bk, ak, am, pn, pm
    tiles = tiles_for(rows, columns, K, bits, precision)
    _matmul[ceil_div(rows, tiles.block_m) * ceil_div(columns, tiles.block_n), pieces](
        left, right, target, rows, columns, K, ceil_div(piece, tiles.block_k) * tiles.block_k,
        am, ak, bk, bn, pm, pn, M * N,
        BLOCK_M=tiles.block_m, BLOCK_N=tiles.block_n, BLOCK_K=tiles.block_k, GROUP=8,
        PRECISION=precision if bits == 32 else "ieee", num_warps=tiles.warps, num_stages=tiles.stages,
        enable_fp_fusion=True,
    )  # fmt: skip
    if pieces > 1:
        add_pieces(workspace, out, M * N, pieces)
    return out


KERNELS = {"MatMul": Kernel(matmul, ("float16", "float32"), workspace=matmul_workspace)}
