"""DynamicStitch: rows of several arrays laid into one, each at the place that its index says [O04].

    merged[indices[m][i]] = data[m][i]        the later row for a place stays; a place that none names is 0

One piece after the other, each an update of rows by id (gpu/rows.py), which keeps the last of those for one row.

    bytes: rows read, the result written twice (zeros first)        operations: those of the order of the indices

Next: refflow_kernels/gpu/segments.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from refflow_kernels.gpu.arrays import check_out
from refflow_kernels.gpu.cast import zeros_like
from refflow_kernels.gpu.rows import FLOATS, change, room_of
from refflow_kernels.kernel import Kernel


def dynamic_stitch(indices: Sequence[Any], data: Sequence[Any], out: Any = None, workspace: Any = None) -> Any:
    """merged [1 + the largest index, ...]."""
    check_out(out, tuple(out.shape))
    zeros_like(out, out=out)
    for ids, rows in zip(indices, data, strict=True):
        room = room_of(prod(ids.shape), prod(out.shape[1:]))
        if room:
            change("update", out, ids, rows, workspace[:room])
    return out


def stitch_workspace(inputs: Sequence[Sequence[Any]]) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the memory for the largest piece's indices in order."""
    rooms = [room_of(prod(i.shape), prod(d.shape[len(i.shape) :])) for i, d in zip(*inputs, strict=True)]
    return ((max(rooms),), "int32") if any(rooms) else None


KERNELS = {
    op: Kernel(dynamic_stitch, FLOATS, workspace=stitch_workspace) for op in ("DynamicStitch", "ParallelDynamicStitch")
}
