"""Softmax over rows, and its logarithm: a row, several rows, or a piece of a row for each program [S22].

    bytes: 2 NC elements; one read more for long rows        operations: 4 NC and NC exponentials

    softmax = exp(x - m) / z        log_softmax = x - m - log z        m = max of x, z = sum of exp(x - m)

A row of up to LONG scores stays in registers from its load to its store. A longer one is read twice: in the first
pass every lane keeps the maximum m so far of what it sees and the sum z of exp(x - m), and multiplies z by
exp(m_old - m_new) when m grows; at the end the lanes are combined. One program fills a processor, so that the rows
that are read at one moment, 132 of 200 KB, are still in the second cache when they are read again. Where there are
fewer rows than processors, each is cut: m and z of the pieces go to the workspace first.

NaN anywhere in a row, +infinity, or nothing but -infinity makes the whole row NaN, as in NumPy.

Next: refflow_kernels/gpu/softmax_xent.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import PROCESSORS, ceil_div, check_out, check_packed, power_of_two, unit
from refflow_kernels.kernel import Kernel

LONG = 16384  # classes: from here on a row is read in chunks
TILE = 4096  # elements that one program has in registers, where rows are shorter
CHUNK = 8192  # of a long row
PIECES = 64  # at most, of one row


@triton.jit
def _share(x, m, z, LOG: tl.constexpr):
    if LOG:
        return x - m - tl.log(z)
    else:
        return tl.exp(x - m) / z


@triton.jit
def _softmax(logits, result, N, groups, UNIT: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, LOG: tl.constexpr):
    C = groups * UNIT
    n = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]  # int64: n * C may pass 2**31
    c = tl.arange(0, BLOCK)[None, :]  # BLOCK = next power of two >= C
    here, real = n * C + c, (n < N) & (c < C)
    x = tl.load(logits + here, mask=real, other=-float("inf")).to(tl.float32)  # [ROWS, BLOCK]
    shifted = x - tl.max(x, axis=1, keep_dims=True)
    exps = tl.exp(shifted)
    z = tl.sum(exps, axis=1, keep_dims=True)
    share = shifted - tl.log(z) if LOG else exps / z
    tl.store(result + here, share.to(result.dtype.element_ty), mask=real)


@triton.jit
def max_and_sum(row, start, stop, stride, BLOCK: tl.constexpr):
    """The maximum m of row[start:stop], and z = sum of exp(x - m), in one pass."""
    lane = tl.arange(0, BLOCK)
    m = tl.full((BLOCK,), -float("inf"), tl.float32)
    z = tl.zeros((BLOCK,), tl.float32)
    for at in range(start, stop, BLOCK):
        c = at + lane
        x = tl.load(row + c * stride, mask=c < stop, other=-float("inf"), eviction_policy="evict_last").to(tl.float32)
        higher = tl.maximum(m, x)
        origin = tl.where(higher == -float("inf"), 0.0, higher)  # nothing finite so far: -inf - -inf would be NaN
        z = z * tl.exp(m - origin) + tl.exp(x - origin)
        m = higher
    return combined(m, z)


@triton.jit
def combined(m, z):
    """One m and z for those of several lanes."""
    highest = tl.max(m, axis=0)
    origin = tl.where(highest == -float("inf"), 0.0, highest)
    return highest, tl.sum(z * tl.exp(m - origin), axis=0)


@triton.jit
def _write_shares(row, result, start, stop, m, z, BLOCK: tl.constexpr, LOG: tl.constexpr):
    lane = tl.arange(0, BLOCK)
    for at in range(start, stop, BLOCK):
        c = at + lane
        x = tl.load(row + c, mask=c < stop, other=-float("inf"), eviction_policy="evict_first").to(tl.float32)
        tl.store(result + c, _share(x, m, z, LOG).to(result.dtype.element_ty), mask=c < stop)


@triton.jit
def _softmax_long(logits, result, groups, UNIT: tl.constexpr, BLOCK: tl.constexpr, LOG: tl.constexpr):
    C = groups * UNIT
    n = tl.program_id(0).to(tl.int64)  # one program per row
    m, z = max_and_sum(logits + n * C, 0, C, 1, BLOCK)
    _write_shares(logits + n * C, result + n * C, 0, C, m, z, BLOCK, LOG)


@triton.jit
def _measure_pieces(logits, parts, groups, pieces, piece, UNIT: tl.constexpr, BLOCK: tl.constexpr):
    """parts[0, n, p] = m and parts[1, n, p] = z of piece p of row n."""
    C = groups * UNIT
    n, p = tl.program_id(0).to(tl.int64), tl.program_id(1)
    m, z = max_and_sum(logits + n * C, p * piece, tl.minimum(p * piece + piece, C), 1, BLOCK)
    here = n * pieces + p
    tl.store(parts + here, m)
    tl.store(parts + tl.num_programs(0).to(tl.int64) * pieces + here, z)


@triton.jit
def _write_pieces(
    logits, parts, result, groups, pieces, piece,
    UNIT: tl.constexpr, BLOCK: tl.constexpr, PIECES: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    C = groups * UNIT
    n, p = tl.program_id(0).to(tl.int64), tl.program_id(1)
    each = tl.arange(0, PIECES)
    here, real = parts + n * pieces + each, each < pieces
    m = tl.load(here, mask=real, other=-float("inf"))
    z = tl.load(here + tl.num_programs(0).to(tl.int64) * pieces, mask=real, other=0.0)
    m, z = combined(m, z)
    stop = tl.minimum(p * piece + piece, C)
    _write_shares(logits + n * C, result + n * C, p * piece, stop, m, z, BLOCK, LOG)


def rows_and_warps(N: int, block: int, tile: int = TILE) -> tuple[int, int]:
    """Rows per program, two programs a processor if there are so many, and warps: 32 lanes a thread at most.

    >>> rows_and_warps(10**6, 16), rows_and_warps(10**6, 16384), rows_and_warps(128, 16)
    ((256, 4), (1, 16), (8, 4))
    """
    few = max(128 // block, power_of_two(ceil_div(N, 2 * PROCESSORS)))
    rows = max(1, min(tile // block, few))
    return rows, min(16, max(4, rows * block // 1024))


def _pieces(N: int, C: int) -> tuple[int, int]:
    """How many pieces a long row is cut in, and elements in each."""
    wanted = min(PIECES, 4 * PROCESSORS // N, C // CHUNK)
    if wanted < 2:
        return 1, C
    piece = ceil_div(ceil_div(C, wanted), CHUNK) * CHUNK
    return ceil_div(C, piece), piece


def softmax_workspace(inputs: Any) -> tuple[tuple[int, ...], str] | None:
    """Room for m and z of each row's pieces, or None where rows are not cut."""
    *lead, C = inputs[0].shape
    N = prod(lead)
    if C <= LONG or N == 0 or _pieces(N, C)[0] == 1:
        return None
    return (2 * N * _pieces(N, C)[0],), "float32"


def _run(logits: Any, out: Any, workspace: Any, log: bool) -> Any:
    *lead, C = logits.shape
    N = prod(lead)
    check_packed(logits=logits)
    check_out(out, (*lead, C))
    if N == 0 or C == 0:
        return out
    step = unit(C)
    if C > LONG:
        count, piece = _pieces(N, C)
        more = {"UNIT": step, "BLOCK": CHUNK, "num_warps": 32, "enable_fp_fusion": True}
        if count == 1:
            _softmax_long[(N,)](logits, out, C // step, LOG=log, **more)
            return out
        check_out(workspace, (2 * N * count,), "workspace")
        _measure_pieces[N, count](logits, workspace, C // step, count, piece, **more)
        _write_pieces[N, count](
            logits, workspace, out, C // step, count, piece, PIECES=power_of_two(count), LOG=log, **more
        )
        return out
    block = power_of_two(C)
    rows, warps = rows_and_warps(N, block)
    _softmax[(ceil_div(N, rows),)](
        logits, out, N, C // step, UNIT=step, ROWS=rows, BLOCK=block, LOG=log, num_warps=warps, enable_fp_fusion=True
    )
    return out


def softmax(logits: Any, out: Any = None, workspace: Any = None) -> Any:
    """Probabilities [..., C] of scores [..., C]."""
    return _run(logits, out, workspace, log=False)


def log_softmax(logits: Any, out: Any = None, workspace: Any = None) -> Any:
    """Logarithms of the probabilities [..., C] of scores [..., C]."""
    return _run(logits, out, workspace, log=True)


_FLOATS = ("float32", "float16", "bfloat16")
KERNELS = {
    "Softmax": Kernel(softmax, _FLOATS, workspace=softmax_workspace),
    "LogSoftmax": Kernel(log_softmax, _FLOATS, workspace=softmax_workspace),
}
