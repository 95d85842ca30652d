"""Matrix product on tensor cores, float32-accurate: tiles of the result, one program each [S16, W51].

    bytes: MK + KN + MN elements        operations: 2 MNK, three times that in tf32x3

    product tile [BLOCK_M, BLOCK_N] = sum over k of a [BLOCK_M, BLOCK_K] times b [BLOCK_K, BLOCK_N]

*Transposition* is an exchange of strides; nothing is copied. *A wide product with few rows* is computed as the
transpose of (b^T a^T), which has few columns: again only strides change.

*Deep K and a small result* ([784, 10000] x [10000, 10] has 13 tiles for 132 processors) would leave most of the card
idle. There K is cut in pieces, each piece's partial product goes to a float32 workspace, and a second pass adds the
pieces in order. No atomics: the same bits on every run.

*Many products at once* are one launch: the batch's two axes are part of the program's number. An axis along which an
operand does not change has stride 0 there; nothing is copied.

*Large products* whose rows lie on addresses of 16 bytes go to matmul_boxes.

*Precision* of float32 operands:

    "tf32x3"   each operand is split in two 11-bit parts, and three tensor-core products are added in float32:
               about as exact as float32 itself. Of an infinite operand the second part is no number, and Triton leaves
               out corrections that are none, so that infinity and NaN come out as from the first parts alone. Operands
               within 2^-12 of the largest number round to infinity, those within 2^11 of the smallest lose bits.
    "ieee"     multiply-adds on the ordinary units: slower, without such limits. The fallback.
    "tf32"     one product of 11-bit operands: fast, three digits.

float16 and bfloat16 are multiplied exactly and summed in float32.

Next: refflow_kernels/gpu/batch_matmul.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import triton
import triton.language as tl

from refflow_kernels.gpu import matmul_boxes
from refflow_kernels.gpu.arrays import PROCESSORS, bits_of, ceil_div, check_out, in_units
from refflow_kernels.gpu.epilogues import NONE, Epilogue
from refflow_kernels.gpu.matmul_boxes import tile_place
from refflow_kernels.kernel import Kernel

PRECISIONS = ("tf32x3", "ieee", "tf32")
_DEEP = 256  # the least K that a piece is worth
_SUM_BLOCK = 1024  # elements that one program of the second pass adds up


@triton.jit
def _matmul(
    a, b, product, sizes,  # M, N, K
    piece, pieces, inner,  # piece: how much of K one program adds up; inner: size of the batch's second axis
    a_strides, b_strides, p_strides,  # in units, as sizes are; along the batch's two axes, rows, columns; and pieces
    memory,  # the epilogue's
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr,
    PRECISION: tl.constexpr, EPILOGUE: tl.constexpr, TURNED: tl.constexpr,
    UNITS: tl.constexpr, A: tl.constexpr, B: tl.constexpr, P: tl.constexpr,  # units of sizes and strides
):  # fmt: skip
    M, N, K = sizes[0] * UNITS[0], sizes[1] * UNITS[1], sizes[2] * UNITS[2]
    # Where am I: tiles first, then pieces, then the batch.
    down, across = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    row, column = tile_place(tl.program_id(0) % (down * across), down, across, GROUP)
    part = tl.program_id(0) // (down * across) % pieces
    batch = tl.program_id(0) // (down * across * pieces)
    first, second = (batch // inner).to(tl.int64), (batch % inner).to(tl.int64)
    m = row * BLOCK_M + tl.arange(0, BLOCK_M)
    n = column * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)

    # Which lanes are real, and where they lie; int64, since m * stride may pass 2**31.
    real_m, real_n = m[:, None] < M, n[None, :] < N
    start = part * piece
    stop = tl.minimum(start + piece, K)
    depth = (start + k).to(tl.int64)
    a += first * (a_strides[0] * A[0]) + second * (a_strides[1] * A[1])
    b += first * (b_strides[0] * B[0]) + second * (b_strides[1] * B[1])
    a_row, a_column = a_strides[2] * A[2], a_strides[3] * A[3]
    b_row, b_column = b_strides[2] * B[2], b_strides[3] * B[3]
    a_here = a + m[:, None].to(tl.int64) * a_row + depth[None, :] * a_column  # [BLOCK_M, BLOCK_K]
    b_here = b + depth[:, None] * b_row + n[None, :].to(tl.int64) * b_column  # [BLOCK_K, BLOCK_N]
    a_step, b_step = tl.full((), BLOCK_K, tl.int64) * a_column, tl.full((), BLOCK_K, tl.int64) * b_row

    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for done in range(start, stop, BLOCK_K):
        x = tl.load(a_here, mask=real_m & (k[None, :] < stop - done), other=0.0)
        y = tl.load(b_here, mask=real_n & (k[:, None] < stop - done), other=0.0)
        total = tl.dot(x, y, total, input_precision=PRECISION)
        a_here += a_step
        b_here += b_step

    if EPILOGUE is not None:
        if TURNED:  # what is computed is the transpose
            total = EPILOGUE(total, batch * N + n[None, :], m[:, None], M, real_n, real_m, memory)
        else:
            total = EPILOGUE(total, batch * M + m[:, None], n[None, :], N, real_m, real_n, memory)
    product += part.to(tl.int64) * (p_strides[4] * P[4]) + first * (p_strides[0] * P[0])
    product += second * (p_strides[1] * P[1])
    here = m[:, None].to(tl.int64) * (p_strides[2] * P[2]) + n[None, :].to(tl.int64) * (p_strides[3] * P[3])
    tl.store(product + here, total.to(product.dtype.element_ty), mask=real_m & real_n)


@triton.jit
def _add_pieces(
    pieces, product, size, count, columns, memory, BLOCK: tl.constexpr, EPILOGUE: tl.constexpr, UNIT: tl.constexpr
):
    """product[i] = pieces[0, i] + pieces[1, i] + ..., from first to last, and what the epilogue makes of that.

    bytes: (count + 1) * size elements        operations: count * size
    """
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    total = tl.zeros((BLOCK,), tl.float32)
    for p in range(count):
        total += tl.load(pieces + tl.full((), 1, tl.int64) * p * size + i, mask=real, other=0.0)
    if EPILOGUE is not None:
        N = columns * UNIT
        total = EPILOGUE(total, i // N, i % N, N, real, real, memory)
    tl.store(product + i, total.to(product.dtype.element_ty), mask=real)


def add_pieces(pieces: Any, out: Any, size: int, count: int, epilogue: Epilogue = NONE) -> None:
    """out, of `size` elements, is the sum of `count` such arrays, one behind the other in `pieces`."""
    (columns,), (unit,) = in_units(out.shape[-1:] if epilogue.function else (1,))
    _add_pieces[(ceil_div(size, _SUM_BLOCK),)](
        pieces, out, size, count, columns, epilogue.memory, BLOCK=_SUM_BLOCK,
        EPILOGUE=epilogue.function, UNIT=unit, num_warps=4, enable_fp_fusion=False,
    )  # fmt: skip


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


def tiles_for(M: int, N: int, bits: int, precision: str, batch: int = 1, wide: bool = True) -> Tiles:
    """The tile for a shape class; fixed per class, so that nothing is tuned while the user waits. N <= M or N > 16.

    wide: rows lie on addresses of 16 bytes. Where they do not, elements come one by one, through registers.
    """
    few = min(M, N) <= 64 or ceil_div(M, 128) * ceil_div(N, 128) * batch < PROCESSORS
    if precision == "ieee" and bits == 32:
        return Tiles(64, 16, 32, 4, 3) if N <= 16 else Tiles(64, 64, 32, 4, 3) if few else Tiles(128, 128, 16, 8, 3)
    depth = 32 if bits == 32 or not wide else 64
    if N <= 16:
        return Tiles(64, 16, 2 * depth, 4, 3)
    if not wide:
        return Tiles(64, 64, depth, 4, 3) if few else Tiles(128, 64, depth, 8, 3)
    return Tiles(64, 64, depth, 4, 4) if few else Tiles(128, 128, depth, 8, 3)


def piece_of(M: int, N: int, K: int, batch: int = 1) -> int:
    """How much of K one program adds up: all of it, unless the tiles are few and K is deep."""
    if min(M, N, batch) == 0 or K < 2 * _DEEP:
        return max(K, 1)
    narrow = 16 if min(M, N) <= 16 else 64
    tiles = ceil_div(max(M, N), 64) * ceil_div(min(M, N), narrow) * batch
    pieces = min(2 * PROCESSORS // tiles, K // _DEEP)
    return ceil_div(ceil_div(K, max(pieces, 1)), 128) * 128 if pieces > 1 else K


class Matrices(NamedTuple):
    """A batch of matrices: memory, and strides along the batch's two axes, rows and columns."""

    memory: Any
    strides: tuple[int, int, int, int]

    def turned(self) -> Matrices:
        first, second, rows, columns = self.strides
        return Matrices(self.memory, (first, second, columns, rows))

    def is_wide(self) -> bool:
        """True if 16 bytes may be loaded at once: elements lie together, on such addresses."""
        return 1 in self.strides[2:] and all(s == 1 or s * bits_of(self.memory) % 128 == 0 for s in self.strides)


Strides = tuple[int, int, int, int]


def pieces_of(sizes: tuple[int, int, int], batch: tuple[int, int], strides: Strides | None = None) -> int:
    """In how many pieces K is cut; in one where the result, which has these strides, is not packed."""
    M, N, K = sizes
    if strides is not None and strides != _packed(batch, M, N):
        return 1
    return max(1, ceil_div(K, piece_of(M, N, K, batch[0] * batch[1])))


def _packed(batch: tuple[int, int], M: int, N: int) -> Strides:
    """The strides of a packed result, 0 along axes of size 1, as who asks may have them."""
    steps = (batch[1] * M * N, M * N, N, 1)
    return tuple(step if size > 1 else 0 for step, size in zip(steps, (*batch, M, N), strict=True))  # type: ignore


def run(
    a: Matrices, b: Matrices, out: Any, batch: tuple[int, int], sizes: tuple[int, int, int], workspace: Any,
    precision: str, strides: Strides | None = None, epilogue: Epilogue = NONE,
) -> None:  # fmt: skip
    """out [*batch, M, N] of a [*batch, M, K] and b [*batch, K, N]; packed, or with these strides, 0 along axes of 1."""
    M, N, K = sizes
    bits = bits_of(a.memory)
    count = batch[0] * batch[1]
    pieces = pieces_of(sizes, batch, strides)
    piece = piece_of(M, N, K, count) if pieces > 1 else max(K, 1)
    if pieces > 1:
        check_out(workspace, (pieces, *batch, M, N), "workspace")
    own = (batch[1] * M * N, M * N, N, 1) if pieces > 1 or strides is None else strides
    product = Matrices(workspace if pieces > 1 else out, own)
    rows, columns, turned = M, N, M <= 16 < N
    at_once = epilogue if pieces == 1 else NONE
    if turned:  # few rows: (a b)^T = b^T a^T has few columns
        a, b, product, rows, columns = b.turned(), a.turned(), product.turned(), N, M
    tiles = tiles_for(rows, columns, bits, precision, count, a.is_wide() and b.is_wide())
    (in_sizes, units), (a_strides, a_units) = in_units((rows, columns, K)), in_units(a.strides)
    (b_strides, b_units), (p_strides, p_units) = in_units(b.strides), in_units((*product.strides, count * M * N))
    _matmul[(ceil_div(rows, tiles.block_m) * ceil_div(columns, tiles.block_n) * pieces * count,)](
        a.memory, b.memory, product.memory, in_sizes,
        ceil_div(piece, tiles.block_k) * tiles.block_k, pieces, batch[1],
        a_strides, b_strides, p_strides, at_once.memory,
        BLOCK_M=tiles.block_m, BLOCK_N=tiles.block_n, BLOCK_K=tiles.block_k, GROUP=8,
        PRECISION=precision if bits == 32 else "ieee", EPILOGUE=at_once.function, TURNED=turned,
        UNITS=units, A=a_units, B=b_units, P=p_units,
        num_warps=tiles.warps, num_stages=tiles.stages, enable_fp_fusion=False,
    )  # fmt: skip
    if pieces > 1:
        add_pieces(workspace, out, count * M * N, pieces, epilogue)


# -- MatMul ------------------------------------------------------------------------------------------------------


def sizes_of(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> tuple[int, int, int]:
    """M, N, K of the last two axes; ValueError where the inner sizes differ."""
    M, K = reversed(a.shape[-2:]) if transpose_a else a.shape[-2:]
    inner, N = reversed(b.shape[-2:]) if transpose_b else b.shape[-2:]
    if inner != K:
        raise ValueError(f"b has K = {inner}, but a has K = {K}. Transpose one of them, or check the layer sizes")
    return M, N, K


def workspace_of(sizes: tuple[int, int, int], batch: tuple[int, int]) -> tuple[tuple[int, ...], str] | None:
    M, N, K = sizes
    pieces = ceil_div(K, piece_of(M, N, K, batch[0] * batch[1]))
    return ((pieces, *batch, M, N), "float32") if pieces > 1 else None


def matmul_workspace(
    inputs: Any, transpose_a: bool = False, transpose_b: bool = False, precision: str = "tf32x3"
) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the partial products [pieces, 1, 1, M, N], or of copies of odd rows; None where neither is."""
    a, b = inputs[0], inputs[1]
    return room_of(a.shape, b.shape, sizes_of(a, b, transpose_a, transpose_b), precision)


def room_of(
    a: Sequence[int], b: Sequence[int], sizes: tuple[int, int, int], precision: str
) -> tuple[tuple[int, ...], str] | None:
    room = 0 if precision == "ieee" else matmul_boxes.room_for_rows(a, b, sizes)
    return ((room,), "float32") if room else workspace_of(sizes, (1, 1))


def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, out: Any = None, workspace: Any = None,
    precision: str = "tf32x3", epilogue: Epilogue = NONE,
) -> Any:  # fmt: skip
    """a [M, K] times b [K, N], after the transpositions asked for; zeros where K = 0; or an epilogue of it.

    `workspace` is what matmul_workspace asks for. `precision` concerns float32 operands alone.
    """
    check_precision(precision)
    sizes = sizes_of(a, b, transpose_a, transpose_b)
    check_out(out, sizes[:2])
    turned = transpose_a, transpose_b
    if 0 in out.shape or matmul_boxes.matmul(a, b, out, sizes, turned, precision, workspace, epilogue):
        return out
    left, right = Matrices(a, (0, 0, *a.stride())), Matrices(b, (0, 0, *b.stride()))
    left, right = left.turned() if transpose_a else left, right.turned() if transpose_b else right
    run(left, right, out, (1, 1), sizes, workspace, precision, epilogue=epilogue)
    return out


FLOATS = ("float32", "float16", "bfloat16")
KERNELS = {
    "MatMul": Kernel(matmul, FLOATS, workspace=matmul_workspace, joins=lambda inputs, **attrs: True),
}
