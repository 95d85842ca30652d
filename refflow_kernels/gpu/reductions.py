"""Reductions over any axes, in a fixed order and without atomics [S19].

    bytes: the input once, and the partial results        operations: one for each element

Neighbouring axes that are all reduced, or all kept, are one axis. What is left alternates, and each reduced axis is one
stage over [outer, length, inner], the last axis first:

    [A, B, C] over A and C:    [A*B, C, 1], then [1, A, B]

A program takes a tile of results and walks along the reduced axis; every lane keeps an accumulator of its own, and at
the end the lanes are combined as a tree. Lanes of a warp lie where memory does: along the reduced axis where
inner = 1 (_reduce_rows), else along inner (_reduce_columns). A long axis over few results is cut: the pieces' results
go to the workspace, and the next stage combines them in order. Cuts and tiles follow from the shape alone, and so do
the bits. Places are int32 while they fit.

Accumulators are float32 for floats, else the integer type itself, which wraps round as NumPy's does; bools are 0 and
1. NaN wins in maximum and minimum.

Next: refflow_kernels/gpu/scans.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, unit
from refflow_kernels.gpu.reduction_stages import Stage, axes_of, rooms, stages_of, tile_of
from refflow_kernels.kernel import Kernel


@triton.jit
def _times(x, y):
    return x * y


@triton.jit
def combine(x, y, OP: tl.constexpr):
    """Two accumulators into one, lane by lane."""
    if OP == "sum":
        return x + y
    elif OP == "prod":
        return x * y
    elif OP == "max":
        return tl.maximum(x, y, propagate_nan=tl.PropagateNan.ALL)
    else:
        return tl.minimum(x, y, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def across(x, OP: tl.constexpr):
    """The lanes of axis 1 into one; NaN is looked for apart, since tl.max and tl.min pass over it."""
    if OP == "sum":
        return tl.sum(x, axis=1)
    elif OP == "prod":
        return tl.reduce(x, 1, _times)
    elif x.dtype.is_int():
        return tl.max(x, axis=1) if OP == "max" else tl.min(x, axis=1)
    else:
        poisoned = tl.max((x != x).to(tl.int32), axis=1) > 0
        if OP == "max":
            best = tl.max(tl.where(x != x, -float("inf"), x), axis=1)
        else:
            best = tl.min(tl.where(x != x, float("inf"), x), axis=1)
        return tl.where(poisoned, float("nan"), best)


@triton.jit
def _value(x, ACC: tl.constexpr, SQUARED: tl.constexpr):
    x = x.to(ACC)
    return x * x if SQUARED else x


@triton.jit
def finished(total, divisor, BLOCK: tl.constexpr, DIVIDED: tl.constexpr, ROOT: tl.constexpr = False):
    """Sums of floats as the result wants them: divided, or their roots."""
    if DIVIDED:
        total = tl.div_rn(total, tl.full((BLOCK,), 1.0, tl.float32) * divisor)
    return tl.sqrt_rn(total) if ROOT else total


@triton.jit
def _reduce_rows(
    x, result, outer, groups, groups_in_piece, divisor,
    UNIT: tl.constexpr, OP: tl.constexpr, START: tl.constexpr, ACC: tl.constexpr, SQUARED: tl.constexpr,
    DIVIDED: tl.constexpr, ROOT: tl.constexpr, FROM_PARTS: tl.constexpr, TO_PARTS: tl.constexpr, ONE: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_O: tl.constexpr, BLOCK_R: tl.constexpr,
):  # fmt: skip
    """result[o, p] = OP over r in piece p of x[o, r]; a piece is a multiple of BLOCK_R long, but for the last."""
    if FROM_PARTS:
        x = x.to(tl.pointer_type(ACC))
    if TO_PARTS:
        result = result.to(tl.pointer_type(ACC))
    length, piece = groups * UNIT, groups_in_piece * UNIT
    tile, part = tl.program_id(0), tl.program_id(1)
    if WIDE:  # places from 2**31 on
        tile, part = tile.to(tl.int64), part.to(tl.int64)
    o = tile * BLOCK_O + tl.arange(0, BLOCK_O)
    real = o < outer
    lane = tl.arange(0, BLOCK_R)[None, :]
    row = x + tl.zeros((BLOCK_O, 1), tl.int32) if ONE else x + o[:, None] * length
    start = part * piece
    stop = tl.minimum(start + piece, length)
    whole = start + (stop - start) // BLOCK_R * BLOCK_R
    total = tl.full((BLOCK_O, BLOCK_R), START, ACC)
    for at in range(start, whole, BLOCK_R):  # whole blocks: 16 bytes a load, whatever the length
        value = tl.load(row + (at + lane), mask=real[:, None], other=START)
        total = combine(total, _value(value, ACC, SQUARED), OP)
    if whole < stop:
        r = whole + lane
        there = real[:, None] & (r < stop)
        value = tl.where(there, _value(tl.load(row + r, mask=there, other=START), ACC, SQUARED), START)
        total = combine(total, value, OP)
    done = finished(across(total, OP), divisor, BLOCK_O, DIVIDED, ROOT)
    tl.store(result + o * tl.num_programs(1) + part, done.to(result.dtype.element_ty), mask=real)


@triton.jit
def _reduce_columns(
    x, result, outer, length, groups, piece, divisor,
    UNIT: tl.constexpr, OP: tl.constexpr, START: tl.constexpr, ACC: tl.constexpr, SQUARED: tl.constexpr,
    DIVIDED: tl.constexpr, ROOT: tl.constexpr, FROM_PARTS: tl.constexpr, TO_PARTS: tl.constexpr, WIDE: tl.constexpr,
    BLOCK_J: tl.constexpr, BLOCK_R: tl.constexpr,
):  # fmt: skip
    """result[o, p, i] = OP over r in piece p of x[o, r, i]; results are numbered j = o * inner + i."""
    if FROM_PARTS:
        x = x.to(tl.pointer_type(ACC))
    if TO_PARTS:
        result = result.to(tl.pointer_type(ACC))
    inner = groups * UNIT
    tile, part = tl.program_id(0), tl.program_id(1)
    if WIDE:  # places from 2**31 on
        tile, part = tile.to(tl.int64), part.to(tl.int64)
    j = tile * BLOCK_J + tl.arange(0, BLOCK_J)
    o, i = j // inner, j % inner
    real = o < outer
    lane = tl.arange(0, BLOCK_R)
    stop = tl.minimum((part + 1) * piece, length)
    column = x + (o * length * inner + i)[:, None]
    total = tl.full((BLOCK_J, BLOCK_R), START, ACC)
    for at in range(part * piece, stop, BLOCK_R):
        r = (at + lane)[None, :]
        there = real[:, None] & (r < stop)
        value = tl.where(there, _value(tl.load(column + r * inner, mask=there, other=START), ACC, SQUARED), START)
        total = combine(total, value, OP)
    done = finished(across(total, OP), divisor, BLOCK_J, DIVIDED, ROOT)
    tl.store(result + (o * tl.num_programs(1) + part) * inner + i, done.to(result.dtype.element_ty), mask=real)


def type_of(x: Any) -> str:
    """The name of an array's type; bools have two."""
    name = str(x.dtype).rsplit(".", 1)[-1]
    return "bool" if name == "int1" else name


def accumulator_of(x: Any) -> Any:
    """The type in which elements of x are combined."""
    return {"bool": tl.int32, "int32": tl.int32, "int64": tl.int64}.get(type_of(x), tl.float32)


def start_of(op: str, x: Any) -> float | int:
    """What changes nothing, in the accumulator's type: where there is nothing to reduce, it is the result."""
    dtype, floats = type_of(x), accumulator_of(x) is tl.float32
    if op in ("sum", "prod"):
        return float(op == "prod") if floats else int(op == "prod")
    if floats:
        return -float("inf") if op == "max" else float("inf")
    lowest, highest = {"bool": (0, 1), "int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}[dtype]
    return lowest if op == "max" else highest


def reduction_workspace(inputs: Any, keep_dims: bool = False) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the memory for partial results, or None where one launch does it."""
    shape = tuple(inputs[0].shape)
    return rooms(stages_of(shape, axes_of(inputs[1], len(shape))))[1]


def reduced_over(
    x: Any, axes: tuple[int, ...], op: str, out: Any, workspace: Any,
    divisor: float | None = None, squared: bool = False, root: bool = False,
) -> None:  # fmt: skip
    """The stages that reduce x over `axes` into `out`, whose elements are the results in order.

    divisor: what floats are divided by at the end. squared: x * x is reduced. root: of the result.
    """
    check_packed(input=x)
    stages = stages_of(tuple(x.shape), axes)
    if stages[-1].results == 0:
        return
    need = rooms(stages)[1]
    if need is not None:
        check_out(workspace, need[0], "workspace")
    accumulator = accumulator_of(x)
    run_stages(stages, x, out, workspace, divisor, squared, root, OP=op, ACC=accumulator, START=start_of(op, x))


def run_stages(
    stages: list[Stage], x: Any, out: Any, workspace: Any, divisor: float | None, squared: bool = False,
    root: bool = False, begin: int = 0, **constants: Any,
) -> None:  # fmt: skip
    """The launches from stage `begin` on, which reads x or the partial results that lie in the workspace."""
    places, last = rooms(stages)[0], len(stages) - 1
    for number in range(begin, len(stages)):
        source = x if number == 0 else workspace[places[number - 1] : places[number]]
        target = out if number == last else workspace[places[number] : places[number + 1]]
        reduce_stage(
            stages[number], source, target, 1.0 if divisor is None else divisor, FROM_PARTS=number > 0,
            TO_PARTS=number < last, SQUARED=squared and number == 0, DIVIDED=number == last and divisor is not None,
            ROOT=number == last and root, **constants,
        )  # fmt: skip


def reduce_stage(stage: Stage, source: Any, target: Any, divisor: float, **constants: Any) -> None:
    """One launch."""
    results, lanes, warps = tile_of(stage)
    common = {"WIDE": is_wide(stage), "BLOCK_R": lanes, "num_warps": warps, "enable_fp_fusion": True, **constants}
    if stage.inner == 1:
        step = unit(stage.length)
        _reduce_rows[ceil_div(stage.outer, results), stage.pieces](
            source, target, stage.outer, stage.length // step, stage.piece // step, divisor, UNIT=step,
            ONE=stage.outer == 1, BLOCK_O=results, **common,
        )  # fmt: skip
        return
    step = unit(stage.inner)
    _reduce_columns[ceil_div(stage.outer * stage.inner, results), stage.pieces](
        source, target, stage.outer, stage.length, stage.inner // step, stage.piece, divisor, UNIT=step,
        BLOCK_J=results, **common,
    )  # fmt: skip


def is_wide(stage: Stage) -> bool:
    """True where a place, of a lane behind the end too, may not fit into an int32."""
    results, lanes, _ = tile_of(stage)
    behind = lanes + (stage.piece if stage.pieces > 1 else 0)
    return (stage.outer + results) * (stage.length + behind) * stage.inner >= 2**31


def _run(op: str, x: Any, indices: Any, keep_dims: bool, out: Any, workspace: Any, **more: Any) -> Any:
    shape = tuple(x.shape)
    axes = axes_of(indices, len(shape))
    check_out(out, tuple(1 if a in axes else d for a, d in enumerate(shape) if keep_dims or a not in axes))
    reduced_over(x, axes, op, out, workspace, **more)
    return out


def reduce_sum(
    input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The sum over the axes; 0 for nothing."""
    return _run("sum", input, reduction_indices, keep_dims, out, workspace)


def reduce_mean(
    input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The mean over the axes; NaN for nothing. Floats only."""
    count = prod(input.shape[a] for a in axes_of(reduction_indices, len(input.shape)))
    return _run("sum", input, reduction_indices, keep_dims, out, workspace, divisor=float(count))


def reduce_max(
    input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The largest value, NaN if there is one; -infinity, or the type's lowest, for nothing. Of bools: any."""
    return _run("max", input, reduction_indices, keep_dims, out, workspace)


def reduce_min(
    input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The smallest value, NaN if there is one; infinity, or the type's highest, for nothing. Of bools: all."""
    return _run("min", input, reduction_indices, keep_dims, out, workspace)


def reduce_prod(
    input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The product over the axes; 1 for nothing."""
    return _run("prod", input, reduction_indices, keep_dims, out, workspace)


def euclidean_norm(
    input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The root of the sum of squares over the axes. Floats only."""
    return _run("sum", input, reduction_indices, keep_dims, out, workspace, squared=True, root=True)


def l2_loss_workspace(inputs: Any) -> tuple[tuple[int, ...], str] | None:
    shape = tuple(inputs[0].shape)
    return rooms(stages_of(shape, range(len(shape))))[1]


def l2_loss(t: Any, out: Any = None, workspace: Any = None) -> Any:
    """Half of the sum of squares."""
    check_out(out, ())
    reduced_over(t, tuple(range(len(t.shape))), "sum", out, workspace, divisor=2.0, squared=True)
    return out


_FLOATS = ("float32", "float16", "bfloat16")
_INTS = ("int32", "int64")
KERNELS = {
    "Sum": Kernel(reduce_sum, (*_FLOATS, *_INTS), (1,), reduction_workspace),
    "Mean": Kernel(reduce_mean, _FLOATS, (1,), reduction_workspace),
    "Max": Kernel(reduce_max, (*_FLOATS, *_INTS), (1,), reduction_workspace),
    "Min": Kernel(reduce_min, (*_FLOATS, *_INTS), (1,), reduction_workspace),
    "Prod": Kernel(reduce_prod, (*_FLOATS, *_INTS), (1,), reduction_workspace),
    "EuclideanNorm": Kernel(euclidean_norm, _FLOATS, (1,), reduction_workspace),
    "All": Kernel(reduce_min, ("bool",), (1,), reduction_workspace, type_attr=""),
    "Any": Kernel(reduce_max, ("bool",), (1,), reduction_workspace, type_attr=""),
    "L2Loss": Kernel(l2_loss, _FLOATS, workspace=l2_loss_workspace),
}
