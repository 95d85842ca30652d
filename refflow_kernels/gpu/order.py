"""Ids in order, and where each run of equal ones begins: what sums by id are made of, without atomics.

    few ids      each counts how many others are smaller, and how many equal ones stand before it: that is its place
    more of them pieces of CHUNK are put in order so; then neighbours are merged, each element looking up, by halving,
                 how many of the other piece come before it

An id and where it came from are one number of 64 bits, id * 2^32 + place, so that no two are equal, and equal ids keep
their order. An id without a row comes last.

    bytes: 24 an id and merge        operations: n^2 comparisons, or n CHUNK and n log2(n) for each of log2(n / CHUNK)

Next: refflow_kernels/gpu/rows.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div

FEW = 8192  # ids: up to here all are compared with all
CHUNK = 1024  # ids that are put in order by counting, where there are more
_COUNTED, _AGAINST = 32, 128  # ids that a program counts for, and those that it compares them with at once
_BLOCK = 256  # ids of a program that merges


@triton.jit
def _known(ids_at, i, n, rows):
    """The ids at places i; `rows` for one without a row."""
    id = tl.load(ids_at + i, mask=i < n, other=0).to(tl.int64)
    return tl.where((id >= 0) & (id < rows), id, rows)


@triton.jit
def _rank(ids_at, work_at, n, pitch, segments, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """For each id its place in order; and at that place, where its run begins and how long it is."""
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    mine = _known(ids_at, i, n, segments).to(tl.int32)
    smaller = tl.zeros((ROWS, BLOCK), tl.int32)
    equal = tl.zeros((ROWS, BLOCK), tl.int32)
    before = tl.zeros((ROWS, BLOCK), tl.int32)
    for start in range(0, n, BLOCK):
        j = start + tl.arange(0, BLOCK)
        other = tl.where(j < n, _known(ids_at, j, n, segments).to(tl.int32), segments + 1)
        same = mine[:, None] == other[None, :]
        smaller += (other[None, :] < mine[:, None]).to(tl.int32)
        equal += same.to(tl.int32)
        before += (same & (j[None, :] < i[:, None])).to(tl.int32)
    first = tl.sum(smaller, axis=1)
    place = first + tl.sum(before, axis=1)
    tl.store(work_at + place, i, mask=i < n)
    tl.store(work_at + pitch + place, first, mask=i < n)
    tl.store(work_at + 2 * pitch + place, tl.where(mine == segments, 0, tl.sum(equal, axis=1)), mask=i < n)


@triton.jit
def _keys(work_at, place):
    """The numbers of 64 bits that lie in the workspace from a place on."""
    return (work_at + place).to(tl.pointer_type(tl.int64))


@triton.jit
def _in_chunks(ids_at, work_at, keys, n, rows, ROWS: tl.constexpr, BLOCK: tl.constexpr, CHUNK: tl.constexpr):
    """The keys of ids, each chunk of them in order."""
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    begin = tl.program_id(0) * ROWS // CHUNK * CHUNK
    mine = (_known(ids_at, i, n, rows) << 32) | i
    smaller = tl.zeros((ROWS, BLOCK), tl.int32)
    for start in range(begin, tl.minimum(begin + CHUNK, n), BLOCK):
        j = start + tl.arange(0, BLOCK)
        other = (_known(ids_at, j, n, rows) << 32) | j
        smaller += ((other[None, :] < mine[:, None]) & (j < n)[None, :]).to(tl.int32)
    tl.store(_keys(work_at, keys) + begin + tl.sum(smaller, axis=1), mine, mask=i < n)


@triton.jit
def _smaller(keys_at, key, low, high, STEPS: tl.constexpr):
    """How many keys from place `low` to `high`, which are in order, are smaller than `key`."""
    begin = low
    for _ in range(STEPS):
        middle = (low + high) >> 1
        goes_on = low < high
        other = tl.load(keys_at + middle, mask=goes_on, other=0)
        low = tl.where(goes_on & (other < key), middle + 1, low)
        high = tl.where(goes_on & (other >= key), middle, high)
    return low - begin


@triton.jit
def _merge(work_at, keys, merged, n, length, STEPS: tl.constexpr, BLOCK: tl.constexpr):
    """Neighbouring pieces of `length` keys become pieces of twice as many."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    keys_at = _keys(work_at, keys)
    piece = i // length
    other = tl.minimum((piece ^ 1) * length, n)  # where the neighbour begins
    key = tl.load(keys_at + i, mask=i < n, other=0)
    before = _smaller(keys_at, key, other, tl.minimum(other + length, n), STEPS)
    place = piece // 2 * 2 * length + (i - piece * length) + before
    tl.store(_keys(work_at, merged) + place, key, mask=i < n)


@triton.jit
def _runs_of(work_at, keys, n, pitch, rows, STEPS: tl.constexpr, BLOCK: tl.constexpr):
    """What `_rank` writes, from keys in order."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    keys_at = _keys(work_at, keys)
    key = tl.load(keys_at + i, mask=i < n, other=0)
    id = key >> 32
    first = _smaller(keys_at, id << 32, i * 0, i * 0 + n, STEPS)
    behind = _smaller(keys_at, (id + 1) << 32, i * 0, i * 0 + n, STEPS)
    tl.store(work_at + i, (key & 0xFFFFFFFF).to(tl.int32), mask=i < n)
    tl.store(work_at + pitch + i, first, mask=i < n)
    tl.store(work_at + 2 * pitch + i, tl.where(id == rows, 0, behind - first), mask=i < n)


def pitch_of(n: int) -> int:
    """How far apart the three lists lie."""
    return ceil_div(n, 32) * 32


def keys_room(n: int) -> int:
    """int32s behind the three lists that are needed for keys, and over when they are in order."""
    return 4 * pitch_of(n) if n > FEW else 0


def put_in_order(ids: Any, rows: int, workspace: Any) -> int:
    """Writes into the workspace, for each place of the sorted ids, what stands there: the place that the id came from,
    then `pitch` further on the beginning of its run, and again the run's length; 0 of an id without a row.

    Gives the pitch.
    """
    n = prod(ids.shape)
    pitch = pitch_of(n)
    if n <= FEW:
        _rank[(ceil_div(n, _COUNTED),)](
            ids, workspace, n, pitch, rows, ROWS=_COUNTED, BLOCK=_AGAINST, num_warps=4, enable_fp_fusion=True
        )
        return pitch
    keys, merged = 3 * pitch, 5 * pitch
    _in_chunks[(ceil_div(n, _COUNTED),)](
        ids, workspace, keys, n, rows, ROWS=_COUNTED, BLOCK=min(_AGAINST, CHUNK), CHUNK=CHUNK, num_warps=4,
        enable_fp_fusion=True,
    )
    grid, length, steps = (ceil_div(n, _BLOCK),), CHUNK, n.bit_length()
    while length < n:
        _merge[grid](
            workspace, keys, merged, n, length, STEPS=steps, BLOCK=_BLOCK, num_warps=4, enable_fp_fusion=True
        )
        keys, merged, length = merged, keys, 2 * length
    _runs_of[grid](workspace, keys, n, pitch, rows, STEPS=steps, BLOCK=_BLOCK, num_warps=4, enable_fp_fusion=True)
    return pitch


def order_workspace(n: int) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the memory that `put_in_order` needs for n ids."""
    return ((3 * pitch_of(n) + keys_room(n),), "int32") if n else None
