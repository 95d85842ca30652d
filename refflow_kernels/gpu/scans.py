"""Running sums and products, and the place of the largest, along one axis of [outer, length, inner] [S57, W06].

    bytes: x once or twice, and the result        operations: one for each element

Tiles are those of reductions: lanes lie along `length` where inner = 1, else along `inner`, and results are numbered
j = o * inner + i.

*Running sums.* A program walks along the axis a tile at a time, adds up inside the tile, and carries its last column
on. Where there are few axes, and long ones, each is cut: first the pieces' sums go to the workspace, as in a
reduction; then each piece is walked, and starts with the sum of the pieces before it. That is three transfers in place
of two, but nobody waits for a neighbour, and the order is fixed. Backwards, tiles and pieces come from the end.
Without the element itself, a sum is stored one place further.

*The first place of the largest.* Each lane keeps a value and its place, and takes another only where it is larger; of
the lanes with the largest value, the least place wins. Where the axis is cut, only the pieces' places are kept: the
second launch reads the values there again. What is no number is never the largest.

Next: refflow_kernels/gpu/transpose.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two, unit
from refflow_kernels.gpu.reduction_stages import Stage, pieces_of, rooms
from refflow_kernels.gpu.reductions import accumulator_of, across, combine, reduce_stage, start_of
from refflow_kernels.kernel import Kernel

_TILE = 2048  # elements that a program reads at a time
_CROWD = 8  # programs on a processor where an axis is cut


@triton.jit
def _scan(
    x, result, parts, outer, length_groups, inner_groups, piece_groups,
    LENGTH_UNIT: tl.constexpr, INNER_UNIT: tl.constexpr, OP: tl.constexpr, START: tl.constexpr, ACC: tl.constexpr,
    EXCLUSIVE: tl.constexpr, REVERSE: tl.constexpr, CUT: tl.constexpr, WIDE: tl.constexpr,
    BLOCK_J: tl.constexpr, BLOCK_R: tl.constexpr,
):  # fmt: skip
    """result[o, r, i] = x[o, 0, i] + ... + x[o, r, i] for the r of one piece."""
    length, inner, piece = length_groups * LENGTH_UNIT, inner_groups * INNER_UNIT, piece_groups * LENGTH_UNIT
    tile, part, pieces = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    if WIDE:  # places from 2**31 on
        tile, part = tile.to(tl.int64), part.to(tl.int64)
    j = tile * BLOCK_J + tl.arange(0, BLOCK_J)
    o, i = j // inner, j % inner
    real, lane = (o < outer)[:, None], tl.arange(0, BLOCK_R)[None, :]
    first = (o * length * inner + i)[:, None]
    carry = tl.full((BLOCK_J, 1), START, ACC)
    if CUT:
        parts = parts.to(tl.pointer_type(ACC))
        before = tl.full((BLOCK_J, BLOCK_R), START, ACC)
        for at in range(0, pieces, BLOCK_R):
            p = at + lane
            there = real & (p < pieces) & (p > part if REVERSE else p < part)
            here = ((o * pieces)[:, None] + p) * inner + i[:, None]
            before = combine(before, tl.load(parts + here, mask=there, other=START), OP)
        carry = across(before, OP)[:, None]

    start = part * piece
    stop = tl.minimum(start + piece, length)
    blocks = tl.cdiv(stop - start, BLOCK_R)
    for b in range(blocks):
        block = blocks - 1 - b if REVERSE else b
        r = start + block * BLOCK_R + lane
        value = tl.load(x + first + r * inner, mask=real & (r < stop), other=START).to(ACC)
        if OP == "sum":
            inside = tl.cumsum(value, axis=1, reverse=REVERSE)
        else:
            inside = tl.cumprod(value, axis=1, reverse=REVERSE)
        so_far = combine(carry, inside, OP)
        to = (r - 1 if REVERSE else r + 1) if EXCLUSIVE else r
        there = real & (r < stop) & (to >= 0) & (to < length)
        tl.store(result + first + to * inner, so_far.to(result.dtype.element_ty), mask=there)
        end = 0 if REVERSE else BLOCK_R - 1
        carry = tl.sum(tl.where(lane == end, so_far, tl.zeros_like(so_far)), axis=1, keep_dims=True)
    if EXCLUSIVE:  # noqa: SIM102  (the compiler knows this, the other only the program)
        if part == (pieces - 1 if REVERSE else 0):
            edge = length - 1 if REVERSE else 0
            nothing = tl.full((BLOCK_J, 1), START, ACC).to(result.dtype.element_ty)
            tl.store(result + first + edge * inner, nothing, mask=real)


@triton.jit
def _find(
    x, parts, result, outer, length_groups, inner_groups, piece_groups, pieces,
    LENGTH_UNIT: tl.constexpr, INNER_UNIT: tl.constexpr, OP: tl.constexpr, START: tl.constexpr, ACC: tl.constexpr,
    FROM_PARTS: tl.constexpr, WIDE: tl.constexpr, BLOCK_J: tl.constexpr, BLOCK_R: tl.constexpr,
):  # fmt: skip
    """result[o, p, i] = the first place of the extreme in piece p; from parts: among the pieces' places."""
    length, inner, piece = length_groups * LENGTH_UNIT, inner_groups * INNER_UNIT, piece_groups * LENGTH_UNIT
    tile, part = tl.program_id(0), tl.program_id(1)
    if WIDE:
        tile, part = tile.to(tl.int64), part.to(tl.int64)
    j = tile * BLOCK_J + tl.arange(0, BLOCK_J)
    o, i = j // inner, j % inner
    real, lane = (o < outer)[:, None], tl.arange(0, BLOCK_R)[None, :]
    first = (o * length * inner + i)[:, None]
    best = tl.full((BLOCK_J, BLOCK_R), START, ACC)
    place = tl.full((BLOCK_J, BLOCK_R), -1, tl.int64 if WIDE else tl.int32)
    start = part * piece
    stop = pieces if FROM_PARTS else tl.minimum(start + piece, length)
    for at in range(start, stop, BLOCK_R):
        r = at + lane
        there = real & (r < stop)
        if FROM_PARTS:
            r = tl.load(parts + ((o * pieces)[:, None] + r) * inner + i[:, None], mask=there, other=0).to(place.dtype)
        value = tl.load(x + first + r * inner, mask=there, other=START).to(ACC)
        value = tl.where(value == value, value, START)  # what is no number is not equal to itself
        better = value > best if OP == "max" else value < best
        better = there & (better | (place < 0))
        best = tl.where(better, value, best)
        place = tl.where(better, r, place)
    extreme = tl.max(best, axis=1) if OP == "max" else tl.min(best, axis=1)
    nowhere = 0x7FFFFFFFFFFFFFFF if WIDE else 0x7FFFFFFF
    winner = tl.where((best == extreme[:, None]) & (place >= 0), place, nowhere)
    here = (o * tl.num_programs(1) + part) * inner + i
    tl.store(result + here, tl.min(winner, axis=1).to(result.dtype.element_ty), mask=o < outer)


def _cut(shape: Any, axis: Any) -> tuple[int, Stage]:
    """The axis, counted from the start, and the shape round it with the number of its pieces."""
    at = int(axis)
    if not -len(shape) <= at < len(shape):
        raise ValueError(f"axis is {at}, but the input has axes {-len(shape)} to {len(shape) - 1}")
    at %= len(shape)
    outer, length, inner = prod(shape[:at]), shape[at], prod(shape[at + 1 :])
    empty = outer * length * inner == 0
    return at, Stage(outer, length, inner, 1 if empty else pieces_of(outer, length, inner, _CROWD))


def _sizes(stage: Stage) -> dict[str, Any]:
    """Arguments of both kernels that follow from the shape."""
    lanes = min(power_of_two(stage.length), _TILE if stage.inner == 1 else _TILE // 64)
    results = min(_TILE // lanes if stage.inner == 1 else 64, power_of_two(stage.outer * stage.inner))
    lengths, inners = unit(stage.length), unit(stage.inner)
    return {
        "outer": stage.outer, "length_groups": stage.length // lengths, "inner_groups": stage.inner // inners,
        "piece_groups": stage.piece // lengths, "LENGTH_UNIT": lengths, "INNER_UNIT": inners, "BLOCK_J": results,
        "BLOCK_R": lanes, "WIDE": stage.outer * stage.length * stage.inner + results * stage.length >= 2**31,
        "num_warps": 4,
    }  # fmt: skip


def scan_workspace(inputs: Any, exclusive: bool = False, reverse: bool = False) -> tuple[tuple[int, ...], str] | None:
    """Room for the pieces' sums, or None where nothing is cut."""
    _, stage = _cut(tuple(inputs[0].shape), inputs[1])
    return None if stage.pieces == 1 else rooms([stage, stage])[1]


def _scanned(op: str, x: Any, axis: Any, exclusive: bool, reverse: bool, out: Any, workspace: Any) -> Any:
    shape = tuple(x.shape)
    _, stage = _cut(shape, axis)
    check_packed(x=x)
    check_out(out, shape)
    if 0 in shape:
        return out
    common = {"OP": op, "ACC": accumulator_of(x), "START": start_of(op, x)}
    if stage.pieces > 1:
        check_out(workspace, scan_workspace((x, axis))[0], "workspace")  # type: ignore[index]
        no = dict.fromkeys(("FROM_PARTS", "SQUARED", "DIVIDED", "ROOT"), False)
        reduce_stage(stage, x, workspace, 1.0, TO_PARTS=True, **no, **common)
    sizes = _sizes(stage)
    grid = ceil_div(stage.outer * stage.inner, sizes["BLOCK_J"]), stage.pieces
    _scan[grid](
        x, out, workspace if stage.pieces > 1 else out, EXCLUSIVE=exclusive, REVERSE=reverse, CUT=stage.pieces > 1,
        enable_fp_fusion=True, **common, **sizes,
    )  # fmt: skip
    return out


def cumsum(
    x: Any, axis: Any, exclusive: bool = False, reverse: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The sums up to each element along `axis`, or down to it; exclusive: without the element itself."""
    return _scanned("sum", x, axis, exclusive, reverse, out, workspace)


def cumprod(
    x: Any, axis: Any, exclusive: bool = False, reverse: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The products up to each element along `axis`, or down to it; exclusive: without the element itself."""
    return _scanned("prod", x, axis, exclusive, reverse, out, workspace)


def place_workspace(inputs: Any, **output_type: Any) -> tuple[tuple[int, ...], str] | None:
    """Room for the pieces' places, or None where nothing is cut."""
    _, stage = _cut(tuple(inputs[0].shape), inputs[1])
    return None if stage.pieces == 1 else ((stage.results,), "int64")


def _place(op: str, x: Any, axis: Any, out: Any, workspace: Any) -> Any:
    shape = tuple(x.shape)
    at, stage = _cut(shape, axis)
    if stage.length == 0:
        raise ValueError(f"axis {at} of input{list(shape)} is empty: none of no elements is the largest")
    check_packed(input=x)
    check_out(out, shape[:at] + shape[at + 1 :])
    if 0 in shape:
        return out
    sizes = _sizes(stage)
    common = {"OP": op, "ACC": accumulator_of(x), "START": start_of(op, x), "enable_fp_fusion": True, **sizes}
    programs = ceil_div(stage.outer * stage.inner, sizes["BLOCK_J"])
    if stage.pieces == 1:
        _find[programs, 1](x, x, out, pieces=1, FROM_PARTS=False, **common)
        return out
    check_out(workspace, (stage.results,), "workspace")
    _find[programs, stage.pieces](x, x, workspace, pieces=stage.pieces, FROM_PARTS=False, **common)
    _find[programs, 1](x, workspace, out, pieces=stage.pieces, FROM_PARTS=True, **common)
    return out


def arg_max(input: Any, dimension: Any, out: Any = None, workspace: Any = None, **output_type: Any) -> Any:
    """The first place of the largest value along an axis; what is no number is never the largest."""
    return _place("max", input, dimension, out, workspace)


def arg_min(input: Any, dimension: Any, out: Any = None, workspace: Any = None, **output_type: Any) -> Any:
    """The first place of the smallest value along an axis; what is no number is never the smallest."""
    return _place("min", input, dimension, out, workspace)


def _gives_int(attrs: dict[str, Any]) -> bool:
    return attrs["output_type"].name in ("int32", "int64")


_FLOATS = ("float32", "float16", "bfloat16")
_INTS = ("int32", "int64")
KERNELS = {
    "Cumsum": Kernel(cumsum, (*_FLOATS, *_INTS), (1,), scan_workspace),
    "Cumprod": Kernel(cumprod, (*_FLOATS, *_INTS), (1,), scan_workspace),
    "ArgMax": Kernel(arg_max, (*_FLOATS, *_INTS, "bool"), (1,), place_workspace, takes=_gives_int),
    "ArgMin": Kernel(arg_min, (*_FLOATS, *_INTS, "bool"), (1,), place_workspace, takes=_gives_int),
}
