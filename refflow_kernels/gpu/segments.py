"""Segments: rows that belong together are reduced to one, in order of their ids [W06].

    SegmentSum Mean Prod Min Max             ids rise; of a segment without rows 0, of products 1
    UnsortedSegmentProd Min Max              ids in any order; without rows 1, the largest number, the lowest
    SparseSegmentSum Mean SqrtN              of rows that are picked from a table; ...Grad carries slopes back to it

All are sums by id (gpu/rows.py) with another sum: ids are put in order, and a program goes along each run of them.
The last id says how many segments there are, so somebody has looked at the ids before: they are checked then.

    bytes: rows read, output written twice (empty segments first)        operations: one an element, and the order's

The slope of a mean is divided by the number of its segment's rows, which is found by putting those ids in order first.

Next: refflow_kernels/gpu/top_k.py.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two
from refflow_kernels.gpu.elementwise import build
from refflow_kernels.gpu.order import put_in_order
from refflow_kernels.gpu.rows import FLOATS, change, room_of, segment_workspace
from refflow_kernels.kernel import Kernel

_LARGEST = {"float32": 3.4028234663852886e38, "float16": 65504.0, "bfloat16": 3.3895313892515355e38}


def _filled(out: Any, value: float) -> None:
    """One number everywhere."""
    build("Filled", (), (), (repr(value),))(out=out)


def _reduced(kind: str, by: str, empty: float, data: Any, ids: Any, out: Any, workspace: Any) -> Any:
    check_packed(data=data)
    check_out(out, tuple(out.shape))
    _filled(out, empty)
    change(kind, out, ids, data, workspace, fresh=True, by=by)
    return out


def in_order(kind: str, by: str, data: Any, segment_ids: Any, out: Any = None, workspace: Any = None) -> Any:
    """output [segments, ...] of ids that rise."""
    return _reduced(kind, by, float(kind == "prod"), data, segment_ids, out, workspace)


def in_any_order(
    kind: str, data: Any, segment_ids: Any, num_segments: Any, T: Any = None, out: Any = None, workspace: Any = None
) -> Any:
    """output [num_segments, ...]; an id without a segment drops its row."""
    largest = _LARGEST[str(out.dtype).rpartition(".")[2]]
    empty = {"prod": 1.0, "min": largest, "max": -largest}[kind]
    return _reduced(kind, "", empty, data, segment_ids, out, workspace)


# -- of picked rows --------------------------------------------------------------------------------------------------


def picked(by: str, data: Any, indices: Any, segment_ids: Any, out: Any = None, workspace: Any = None) -> Any:
    """output [segments, ...]: sums of data[indices[i]] with segment_ids[i] = s, as means or divided by roots."""
    check_packed(data=data, indices=indices)
    check_out(out, tuple(out.shape))
    _filled(out, 0.0)
    change("add", out, segment_ids, data, workspace, fresh=True, by=by, picks=indices)
    return out


def picked_workspace(inputs: Any) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the memory for ids in order and pieces."""
    room = room_of(prod(inputs[2].shape), prod(inputs[0].shape[1:]))
    return ((room,), "int32") if room else None


@triton.jit
def _divide(x_at, ids_at, work_at, behind, pitch, width, BY: tl.constexpr, BLOCK: tl.constexpr):
    """The program at the beginning of a run divides its segment's row by the run's length, or by its root."""
    k = tl.program_id(0)
    count = tl.load(work_at + 2 * pitch + k)
    if (k == tl.load(work_at + pitch + k)) & (count > 0):
        row = tl.load(ids_at + tl.load(work_at + k)).to(tl.int64)
        divided_at = (work_at + behind).to(tl.pointer_type(tl.float32)) + row * width
        number = count.to(tl.float64)
        by = tl.sqrt(number) if BY == "root" else number
        for start in range(0, width, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_at + row * width + column, mask=column < width, other=0).to(tl.float64)
            tl.store(divided_at + column, (x / by).to(tl.float32), mask=column < width)


def given_back(
    by: str, grad: Any, indices: Any, segment_ids: Any, output_dim0: Any, out: Any = None, workspace: Any = None
) -> Any:
    """output [output_dim0, ...]: row indices[i] gets the slope of segment segment_ids[i], divided as that was."""
    check_packed(grad=grad, indices=indices, segment_ids=segment_ids)
    check_out(out, (int(output_dim0), *grad.shape[1:]))
    _filled(out, 0.0)
    n, width = prod(segment_ids.shape), prod(grad.shape[1:])
    if n == 0 or prod(out.shape) == 0:
        return out
    slopes = grad
    if by:
        at = _behind(n, width)
        pitch = put_in_order(segment_ids, grad.shape[0], workspace)
        block = min(power_of_two(width), 512)
        _divide[(n,)](
            grad, segment_ids, workspace, at, pitch, width, BY=by, BLOCK=block, num_warps=4, enable_fp_fusion=True
        )
        slopes = workspace[at:].view(out.dtype).reshape(tuple(grad.shape))
    change("add", out, indices, slopes, workspace[: room_of(n, width)], fresh=True, picks=segment_ids)
    return out


def _behind(n: int, width: int) -> int:
    """Where in the workspace the divided slopes begin: behind the ids in order and the pieces."""
    return ceil_div(room_of(n, width), 32) * 32


def back_workspace(by: str, inputs: Any) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the memory for ids in order, pieces, and divided slopes."""
    grad, ids = inputs[0], inputs[2]
    n, width = prod(ids.shape), prod(grad.shape[1:])
    return ((_behind(n, width) + prod(grad.shape) if by else room_of(n, width),), "int32") if n else None


_SORTED = {"Sum": ("add", ""), "Mean": ("add", "mean"), "Prod": ("prod", ""), "Min": ("min", ""), "Max": ("max", "")}
_PICKED = {"Sum": "", "Mean": "mean", "SqrtN": "root"}
KERNELS = {
    f"Segment{name}": Kernel(partial(in_order, *how), FLOATS, workspace=segment_workspace)
    for name, how in _SORTED.items()
} | {
    f"UnsortedSegment{name}": Kernel(partial(in_any_order, name.lower()), FLOATS, (2,), segment_workspace)
    for name in ("Prod", "Min", "Max")
} | {
    f"SparseSegment{name}": Kernel(partial(picked, by), FLOATS, workspace=picked_workspace)
    for name, by in _PICKED.items()
} | {
    f"SparseSegment{name}Grad": Kernel(
        partial(given_back, by), FLOATS if not by else FLOATS[:1], (3,), partial(back_workspace, by)
    )
    for name, by in _PICKED.items()
}  # fmt: skip
