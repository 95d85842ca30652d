"""Rows by number: read them, add them up, change them; an axis with one place for each index [W32, O04].

    Gather              output[i] = params[indices[i]]
    UnsortedSegmentSum  output[s] = the sum of the rows with id s: the gradient of an embedding
    ScatterAdd Sub Mul Div Min Max Update        the same on the rows of a variable, with another sum
    OneHot              on where the place is the index

Sums by id use no atomics, so that two runs give the same bits, and a word that is everywhere costs no more than others:

    order    of the ids, where each run of equal ones begins, and how long it is (gpu/order.py)
    pieces   a run of equal ids is cut after every RUN rows; a program adds up a piece, row by row in their order
    runs     those of several pieces are finished from the pieces' sums, in order

A run of less than 2 RUN rows is one piece, and has the bits of a loop over its rows.

    bytes: gather: rows read and written        sums: rows read, output written twice (zeros first)

An index without a row gives zeros, or changes nothing: a card raises no errors.

Next: refflow_kernels/gpu/stitch.py.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, packed_strides, power_of_two
from refflow_kernels.gpu.cast import zeros_like
from refflow_kernels.gpu.copies import ANY, copy
from refflow_kernels.gpu.functions import maximum, minimum
from refflow_kernels.gpu.order import keys_room, pitch_of, put_in_order
from refflow_kernels.kernel import Kernel

RUN = 64  # rows of a piece; the last one of a run has up to twice as many
FLOATS = ("float32", "float16", "bfloat16")
CHANGES = {"Add": "add", "Sub": "sub", "Mul": "prod", "Div": "div", "Min": "min", "Max": "max", "Update": "update"}


# -- gather ----------------------------------------------------------------------------------------------------------


@triton.jit
def _gather(x_at, ids_at, y_at, count, rows, width, BLOCK: tl.constexpr):
    """One program a row and block of it; rows are counted through all leading places."""
    i = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    row = tl.load(ids_at + i % count).to(tl.int64)
    known = tl.where((row >= 0) & (row < rows), width, 0)
    x = tl.load(x_at + (i // count * rows + row) * width + column, mask=column < known, other=0)
    tl.store(y_at + i * width + column, x, mask=column < width)


@triton.jit
def _gather_narrow(x_at, ids_at, y_at, size, count, rows, width, LED: tl.constexpr, BLOCK: tl.constexpr):
    """Rows of a few elements: lanes go over all elements of the result. LED: there are several leading places."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    at = i // width
    column = i - at * width
    row = tl.load(ids_at + (at % count if LED else at), mask=real, other=0).to(tl.int64)
    there = (row >= 0) & (row < rows)
    if LED:
        row += at // count * rows
    x = tl.load(x_at + row * width + column, mask=real & there, other=0)
    tl.store(y_at + i, x, mask=real)


def gather(params: Any, indices: Any, out: Any = None) -> Any:
    """The rows of params that the indices name."""
    return _gathered(params, indices, 0, out)


def gather_v2(params: Any, indices: Any, axis: Any, batch_dims: int = 0, out: Any = None) -> Any:
    """The parts of params along an axis that the indices name."""
    return _gathered(params, indices, int(axis) % len(params.shape), out)


def _gathered(params: Any, indices: Any, axis: int, out: Any) -> Any:
    shape = tuple(params.shape)
    check_out(out, (*shape[:axis], *indices.shape, *shape[axis + 1 :]))
    check_packed(params=params, indices=indices)
    count, rows, lead, width = prod(indices.shape), shape[axis], prod(shape[:axis]), prod(shape[axis + 1 :])
    if prod(out.shape) == 0:
        return out
    if width < 32:
        size = lead * count * width
        _gather_narrow[(ceil_div(size, 1024),)](
            params, indices, out, size, count, rows, width, LED=lead > 1, BLOCK=1024, num_warps=4, enable_fp_fusion=True
        )
        return out
    block = min(power_of_two(width), 1024)
    _gather[lead * count, ceil_div(width, block)](
        params, indices, out, count, rows, width, BLOCK=block, num_warps=max(1, min(4, block // 256)),
        enable_fp_fusion=True
    )
    return out


# -- sums by id ------------------------------------------------------------------------------------------------------


@triton.jit
def _changed(old, new, KIND: tl.constexpr):
    """What becomes of a row by an update."""
    if KIND == "sub":
        found = old - new
    elif KIND == "update":
        found = new
    elif KIND == "prod":
        found = old * new
    elif KIND == "div":
        found = tl.div_rn(old, new)
    elif KIND == "min":
        found = minimum(old, new)
    elif KIND == "max":
        found = maximum(old, new)
    else:
        found = old + new
    return found


@triton.jit
def _begun(place, counts, KIND: tl.constexpr, FRESH: tl.constexpr, BLOCK: tl.constexpr):
    """What a piece is added to: what lies there, if it counts and nothing is FRESH; else what changes nothing."""
    if KIND == "min":
        found = tl.full((BLOCK,), float("inf"), tl.float32)
    elif KIND == "max":
        found = tl.full((BLOCK,), -float("inf"), tl.float32)
    elif KIND == "prod" or KIND == "div":
        found = tl.full((BLOCK,), 1.0, tl.float32)
    else:
        found = tl.zeros((BLOCK,), tl.float32)
    if not FRESH:
        found = tl.where(counts, tl.load(place, mask=counts, other=0).to(tl.float32), found)
    return found


@triton.jit
def _shared(sums, count, BY: tl.constexpr):
    """Sums of `count` rows, divided by their number or by its root, if asked for."""
    if BY == "mean":
        sums = tl.div_rn(sums, tl.zeros_like(sums) + count.to(tl.float32))
    elif BY == "root":
        sums = (sums.to(tl.float64) / tl.sqrt(count.to(tl.float64))).to(tl.float32)
    return sums


@triton.jit
def _pieces(
    x_at, ids_at, picks_at, work_at, y_at, pitch, width, each, step, x_rows, KIND: tl.constexpr, FRESH: tl.constexpr,
    BY: tl.constexpr, PICKED: tl.constexpr, RUN: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The program at the beginning of a piece adds it up, into the output where that is the whole run.

    PICKED: id i is not that of row i, but of row picks[i] of x_rows.
    """
    k = tl.program_id(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    there = column < width
    count = tl.load(work_at + 2 * pitch + k)
    at = k - tl.load(work_at + pitch + k)  # within the run
    several = count >= 2 * RUN
    begins = (at == 0) | (several & (at % RUN == 0) & (at // RUN < count // RUN))
    if begins & (count > 0):
        ends = (count < 2 * RUN) | (at // RUN == count // RUN - 1)  # the last piece takes what is left
        length = tl.where(ends, count - at, RUN)
        row = tl.load(ids_at + tl.load(work_at + k)).to(tl.int64)
        place = y_at + row * width + column
        sums = _begun(place, column < tl.where(several, 0, width), KIND, FRESH, BLOCK)
        for start in range(0, length, 8):
            for u in tl.static_range(8):  # rows that are on their way together
                real = start + u < length
                source = tl.load(work_at + k + start + u, mask=real, other=0).to(tl.int64)
                read = real
                if PICKED:
                    source = tl.load(picks_at + source, mask=real, other=0).to(tl.int64)
                    read = real & (source >= 0) & (source < x_rows)
                known = column < tl.where(read, width, 0)
                x = tl.load(x_at + source * each + column * step, mask=known, other=0).to(tl.float32)
                changed = _changed(sums, x, KIND)
                if KIND == "sub":
                    changed = tl.where(several, sums + x, changed)
                if KIND == "div":
                    changed = tl.where(several, sums * x, changed)
                sums = tl.where(real, changed, sums)
        if several:
            parts_at = (work_at + 3 * pitch).to(tl.pointer_type(tl.float32))
            slot = (k // RUN).to(tl.int64)  # pieces of long runs begin at least RUN places apart
            tl.store(parts_at + slot * width + column, sums, mask=there)
        else:
            tl.store(place, _shared(sums, count, BY).to(y_at.dtype.element_ty), mask=there)


@triton.jit
def _runs(
    ids_at, work_at, y_at, pitch, width,
    KIND: tl.constexpr, FRESH: tl.constexpr, BY: tl.constexpr, RUN: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The program at the beginning of a run of several pieces adds up their sums."""
    k = tl.program_id(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    there = column < width
    count = tl.load(work_at + 2 * pitch + k)
    if (k == tl.load(work_at + pitch + k)) & (count >= 2 * RUN):
        parts_at = (work_at + 3 * pitch).to(tl.pointer_type(tl.float32))
        row = tl.load(ids_at + tl.load(work_at + k)).to(tl.int64)
        place = y_at + row * width + column
        sums = _begun(place, there, KIND, FRESH, BLOCK)
        for piece in range(count // RUN):
            slot = ((k + piece * RUN) // RUN).to(tl.int64)
            sums = _changed(sums, tl.load(parts_at + slot * width + column, mask=there, other=0), KIND)
        tl.store(place, _shared(sums, count, BY).to(y_at.dtype.element_ty), mask=there)


def room_of(n: int, width: int) -> int:
    """int32s for the ids in order, and behind them as many floats for the pieces of long runs."""
    return 3 * pitch_of(n) + max(keys_room(n), ceil_div(n, RUN) * width if n >= 2 * RUN else 0)


def change(
    kind: str, y: Any, ids: Any, x: Any, workspace: Any, fresh: bool = False, by: str = "", picks: Any = None
) -> None:
    """Changes the rows of y that the ids name by those of x, which may be one number for all.

    fresh: what lies in those rows does not count. by: "mean" or "root", a sum is divided by the number of its rows or
    by its root. picks: numbers of rows of x, one for each id.
    """
    check_packed(ids=ids, rows=x, output=y)
    n, rows, width = prod(ids.shape), y.shape[0], prod(y.shape[1:])
    if n == 0 or rows * width == 0:
        return
    check_out(workspace, (room_of(n, width),), "workspace")
    pitch = put_in_order(ids, rows, workspace)
    each, step = (0, 0) if len(x.shape) == 0 else (width, 1)
    block = min(power_of_two(width), 512)
    grid = (n, ceil_div(width, block))
    chosen: dict[str, Any] = {"KIND": kind, "FRESH": fresh, "BY": by, "RUN": RUN, "BLOCK": block,
                              "num_warps": max(1, min(4, block // 128)), "enable_fp_fusion": False}  # fmt: skip
    picked = picks is not None
    x_rows = x.shape[0] if picked else 0
    _pieces[grid](
        x, ids, picks if picked else ids, workspace, y, pitch, width, each, step, x_rows, PICKED=picked, **chosen
    )
    if n >= 2 * RUN:
        _runs[grid](ids, workspace, y, pitch, width, **chosen)


def unsorted_segment_sum(data: Any, segment_ids: Any, num_segments: Any, out: Any = None, workspace: Any = None) -> Any:
    """output [num_segments, ...]: the sums of rows by id."""
    check_out(out, (int(num_segments), *data.shape[len(segment_ids.shape) :]))
    zeros_like(out, out=out)
    change("add", out, segment_ids, data, workspace, fresh=True)
    return out


def segment_workspace(inputs: Any, T: Any = None) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the memory for ids in order and pieces."""
    data, ids = inputs[0], inputs[1]
    room = room_of(prod(ids.shape), prod(data.shape[len(ids.shape) :]))
    return ((room,), "int32") if room else None


def scattered(kind: str, ref: Any, indices: Any, updates: Any, out: Any = None, workspace: Any = None) -> Any:
    """ref with its rows changed by the updates, in their order; `out` may be ref itself."""
    check_out(out, tuple(ref.shape))
    if out.data_ptr() != ref.data_ptr():
        strides = packed_strides(ref.shape)
        copy(ref, out, tuple(ref.shape), strides, strides)
    change(kind, out, indices, updates, workspace)
    return out


def scatter_workspace(inputs: Any) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the memory for ids in order and pieces."""
    room = room_of(prod(inputs[1].shape), prod(inputs[0].shape[1:]))
    return ((room,), "int32") if room else None


# -- one place for each index ----------------------------------------------------------------------------------------


@triton.jit
def _one_hot(ids_at, on_at, off_at, y_at, size, depth, inner, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    above = i // inner
    index = tl.load(ids_at + above // depth * inner + i % inner, mask=real, other=0)
    value = tl.where(index == above % depth, tl.load(on_at), tl.load(off_at))
    tl.store(y_at + i, value, mask=real)


def one_hot(indices: Any, depth: Any, on_value: Any, off_value: Any, axis: int = -1, out: Any = None) -> Any:
    """A new axis of `depth` places: on at the index, off elsewhere."""
    check_packed(indices=indices)
    check_out(out, tuple(out.shape))
    axis, size = axis % len(out.shape), prod(out.shape)
    if size:
        _one_hot[(ceil_div(size, 1024),)](
            indices, on_value, off_value, out, size, int(depth), prod(out.shape[axis + 1 :]), BLOCK=1024, num_warps=4,
            enable_fp_fusion=True
        )
    return out


KERNELS = {
    "Gather": Kernel(gather, ANY, type_attr="Tparams"),
    "GatherV2": Kernel(
        gather_v2, ANY, host_inputs=(2,), type_attr="Tparams", takes=lambda attrs: attrs["batch_dims"] == 0
    ),
    "UnsortedSegmentSum": Kernel(unsorted_segment_sum, FLOATS, (2,), segment_workspace),
    "OneHot": Kernel(one_hot, ANY, host_inputs=(1,)),
} | {
    f"Scatter{name}": Kernel(partial(scattered, kind), FLOATS, workspace=scatter_workspace)
    for name, kind in CHANGES.items()
}
