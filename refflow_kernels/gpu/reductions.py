"""Reductions over any axes, in a fixed order and without atomics [S19].

    bytes: the input once, and the partial results        operations: one for each element

Neighbouring axes that are all reduced, or all kept, are one axis. What is left alternates, and each reduced axis is one
stage over (outer, reduce, inner), the last axis first:

    [A, B, C] over A and C:    (A*B, C, 1), then (1, A, B)

One program takes a tile of results and walks along the reduced axis; every lane keeps an accumulator of its own, and
at the end the lanes are combined as a tree. A long axis over few results is cut: the pieces' results go to the
workspace,
and a further stage combines them in order.

Accumulators are float32, also for 16-bit floats. NaN wins in maximum and minimum.

Next: refflow_kernels/gpu/updates.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import PROCESSORS, ceil_div, check_out, check_packed, power_of_two
from refflow_kernels.kernel import Kernel

_PIECE = 4096  # elements along the reduced axis: from here on it may be cut
_TILE = 2048  # elements that one program reads at a time
_ALIGN = 16  # elements: parts of the workspace start on such places, so that loads stay 16 bytes wide


@triton.jit
def _times(x, y):
    return x * y


@triton.jit
def _combine(x, y, OP: tl.constexpr):
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
def _across(x, OP: tl.constexpr):
    """The lanes of axis 1 into one; NaN is looked for apart, since tl.max and tl.min pass over it."""
    if OP == "sum":
        return tl.sum(x, axis=1)
    elif OP == "prod":
        return tl.reduce(x, 1, _times)
    else:
        poisoned = tl.max((x != x).to(tl.int32), axis=1) > 0
        if OP == "max":
            best = tl.max(tl.where(x != x, -float("inf"), x), axis=1)
        else:
            best = tl.min(tl.where(x != x, float("inf"), x), axis=1)
        return tl.where(poisoned, float("nan"), best)


@triton.jit
def _reduce(
    x, result, outer, length, inner, piece, divisor,
    OP: tl.constexpr, START: tl.constexpr, BLOCK_O: tl.constexpr, BLOCK_R: tl.constexpr,
):  # fmt: skip
    """result[o, p, i] = OP over r in piece p of x[o, r, i], divided by `divisor`.

    Results are numbered j = o * inner + i, and a tile has BLOCK_O of them, each with BLOCK_R lanes along r.
    """
    j = tl.program_id(0).to(tl.int64) * BLOCK_O + tl.arange(0, BLOCK_O)  # int64: the input may pass 2**31 elements
    part = tl.program_id(1).to(tl.int64)
    o, i = j // inner, j % inner
    real = o < outer
    lane = tl.arange(0, BLOCK_R)
    stop = tl.minimum((part + 1) * piece, length)
    column = x + (o * length * inner + i)[:, None]
    total = tl.full((BLOCK_O, BLOCK_R), START, tl.float32)
    for start in range(part * piece, stop, BLOCK_R):
        r = start + lane
        value = tl.load(column + r[None, :] * inner, mask=real[:, None] & (r[None, :] < stop), other=START)
        total = _combine(total, value.to(tl.float32), OP)
    done = tl.div_rn(_across(total, OP), tl.full((BLOCK_O,), 1.0, tl.float32) * divisor)
    tl.store(result + (o * tl.num_programs(1) + part) * inner + i, done.to(result.dtype.element_ty), mask=real)


class Stage(NamedTuple):
    """One launch: x [outer, length, inner] to [outer, pieces, inner]."""

    outer: int
    length: int
    inner: int
    pieces: int

    @property
    def results(self) -> int:
        return self.outer * self.pieces * self.inner


def axes_of(indices: Any, rank: int) -> tuple[int, ...]:
    """The axes that `indices` names: an int, a sequence or a host array of ints; negative ones count from the end.

    >>> axes_of([-1, 0, 2], 3), axes_of(1, 3), axes_of([], 3)
    ((0, 2), (1,), ())
    """
    listed = indices.tolist() if hasattr(indices, "tolist") else indices
    listed = [listed] if isinstance(listed, int) else [int(i) for i in listed]
    for i in listed:
        if not -rank <= i < rank:
            raise ValueError(f"reduction_indices has {i}, but input has axes {-rank} to {rank - 1}")
    return tuple(sorted({i % rank for i in listed}))


def stages_of(shape: Sequence[int], axes: Sequence[int]) -> list[Stage]:
    """The launches that reduce `axes`, in order; one over an axis of size 1 where there is nothing to reduce.

    >>> stages_of((6, 5, 7), (0, 2))
    [Stage(outer=30, length=7, inner=1, pieces=1), Stage(outer=1, length=6, inner=5, pieces=1)]
    >>> [s.pieces for s in stages_of((1 << 20,), (0,))]
    [256, 1]
    """
    runs: list[list[Any]] = []  # [reduced?, size], neighbours merged, axes of size 1 left out
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        if runs and runs[-1][0] == (axis in axes):
            runs[-1][1] *= size
        else:
            runs.append([axis in axes, size])
    stages, inner = [], 1
    for place in reversed(range(len(runs))):
        reduced, size = runs[place]
        if reduced:
            stages += _cut(prod(size for _, size in runs[:place]), size, inner)
        else:
            inner *= size
    return stages or [Stage(inner, 1, 1, 1)]


def _cut(outer: int, length: int, inner: int) -> list[Stage]:
    programs = max(1, outer * inner // 32)
    pieces = min(4 * PROCESSORS // programs, length // _PIECE)
    if pieces < 2:
        return [Stage(outer, length, inner, 1)]
    pieces = ceil_div(length, ceil_div(length, pieces))
    return [Stage(outer, length, inner, pieces), Stage(outer, pieces, inner, 1)]


def _places(stages: Sequence[Stage]) -> tuple[list[int], int]:
    """Where each stage but the last puts its results in the workspace, and the workspace's size."""
    places, size = [], 0
    for stage in stages[:-1]:
        places.append(size)
        size += ceil_div(stage.results, _ALIGN) * _ALIGN
    return places, size


def reduction_workspace(inputs: Any, keep_dims: bool = False) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the memory for partial results, or None where one launch does it."""
    shape = tuple(inputs[0].shape)
    _, size = _places(stages_of(shape, axes_of(inputs[1], len(shape))))
    return ((size,), "float32") if size else None


def tile_of(stage: Stage) -> tuple[int, int]:
    """Results and lanes of a tile: lanes along whichever axis lies together in memory."""
    if stage.inner == 1:  # a result's elements are neighbours
        lanes = min(power_of_two(stage.length), _TILE)
        return max(1, min(_TILE // lanes, power_of_two(stage.outer))), lanes
    across = min(64, power_of_two(stage.outer * stage.inner))  # neighbours belong to different results
    return across, min(power_of_two(stage.length), _TILE // 64)


def _run(op: str, start: float, x: Any, indices: Any, keep_dims: bool, out: Any, workspace: Any, mean: bool) -> Any:
    shape = tuple(x.shape)
    axes = axes_of(indices, len(shape))
    kept = tuple(1 if a in axes else d for a, d in enumerate(shape) if keep_dims or a not in axes)
    check_packed(input=x)
    check_out(out, kept)
    stages = stages_of(shape, axes)
    if stages[-1].results == 0:
        return out
    places, size = _places(stages)
    if size:
        check_out(workspace, (size,), "workspace")
    count = prod(shape[a] for a in axes)
    source = x
    for number, stage in enumerate(stages):
        last = number == len(stages) - 1
        target = out if last else workspace[places[number] : places[number] + stage.results]
        across, lanes = tile_of(stage)
        _reduce[ceil_div(stage.outer * stage.inner, across), stage.pieces](
            source, target, stage.outer, stage.length, stage.inner, ceil_div(stage.length, stage.pieces),
            float(count) if last and mean else 1.0,
            OP=op, START=start, BLOCK_O=across, BLOCK_R=lanes, num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip
        source = target
    return out


def reduce_sum(
    input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The sum over the axes; 0 for nothing."""
    return _run("sum", 0.0, input, reduction_indices, keep_dims, out, workspace, mean=False)


def reduce_mean(
    input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The mean over the axes; NaN for nothing."""
    return _run("sum", 0.0, input, reduction_indices, keep_dims, out, workspace, mean=True)


def reduce_max(
    input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The largest value, NaN if there is one; -infinity for nothing."""
    return _run("max", -float("inf"), input, reduction_indices, keep_dims, out, workspace, mean=False)


def reduce_min(
    input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The smallest value, NaN if there is one; infinity for nothing."""
    return _run("min", float("inf"), input, reduction_indices, keep_dims, out, workspace, mean=False)


def reduce_prod(
    input: Any, reduction_indices: Any, keep_dims: bool = False, out: Any = None, workspace: Any = None
) -> Any:
    """The product over the axes; 1 for nothing."""
    return _run("prod", 1.0, input, reduction_indices, keep_dims, out, workspace, mean=False)


FUNCTIONS = {"Sum": reduce_sum, "Mean": reduce_mean, "Max": reduce_max, "Min": reduce_min, "Prod": reduce_prod}
KERNELS = {
    op_type: Kernel(function, ("float16", "float32"), (1,), reduction_workspace)
    for op_type, function in FUNCTIONS.items()
}
