"""Elements and slices by several indices at once: read them, add them up, change them [W06, W11].

    GatherNd          output[i] = params[indices[i, 0], indices[i, 1], ...]
    ScatterNd         zeros, to which updates[i] are added at indices[i]
    TensorScatter...  ScatterNd...        the same on a copy, or where a variable lies

The K axes that an index names are one axis of rows: index [a, b] is row a * dims[1] + b. A first launch finds the rows,
and from there on these are sums by id: in order of the rows, without atomics, the same bits each time.

    bytes: gather: slices read and written        scatter: indices and rows, and what sums by id move

An index without a place gives zeros, or changes nothing: a card raises no errors (see gpu/ranges.py).

Next: refflow_kernels/gpu/random.py.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, packed_strides
from refflow_kernels.gpu.cast import zeros_like
from refflow_kernels.gpu.copies import ANY, BLOCK, copy
from refflow_kernels.gpu.rows import CHANGES, FLOATS, change, room_of
from refflow_kernels.kernel import Kernel

_ALIGN = 32  # int32s of rows: what lies behind them in the workspace is read 16 bytes at a time


@triton.jit
def _row(ids_at, i, real, dims, K: tl.constexpr):
    """The row of index i, and whether there is one."""
    row = i * 0
    known = real
    for k in tl.static_range(K):
        index = tl.load(ids_at + i * K + k, mask=real, other=0).to(tl.int64)
        known = known & (index >= 0) & (index < dims[k])
        row = row * dims[k] + index
    return row, known


@triton.jit
def _gather_nd(x_at, ids_at, y_at, size, width, dims, K: tl.constexpr, BLOCK: tl.constexpr):
    """Lanes go over all elements of the result; int64: places may pass 2**31."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    at = i // width
    row, known = _row(ids_at, at, real, dims, K)
    x = tl.load(x_at + row * width + (i - at * width), mask=known, other=0)
    tl.store(y_at + i, x, mask=real)


@triton.jit
def _rows(ids_at, rows_at, n, dims, K: tl.constexpr, BLOCK: tl.constexpr):
    """The row of each index; -1 where there is none."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    row, known = _row(ids_at, i, i < n, dims, K)
    tl.store(rows_at + i, tl.where(known, row, -1).to(tl.int32), mask=i < n)


def _named(dims: Any, depth: int) -> tuple[int, ...]:
    """Sizes of the axes that an index names."""
    return tuple(dims[:depth]) or (1,)


def gather_nd(params: Any, indices: Any, out: Any = None, **policy: Any) -> Any:
    """The slices of params that the indices name."""
    *lead, depth = indices.shape
    check_packed(params=params, indices=indices)
    check_out(out, (*lead, *params.shape[depth:]))
    size = prod(out.shape)
    if size:
        _gather_nd[(ceil_div(size, BLOCK),)](
            params, indices, out, size, prod(params.shape[depth:]), _named(params.shape, depth), K=depth, BLOCK=BLOCK,
            num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip
    return out


def _counts(dims: Any, indices: Any) -> tuple[int, int, int, int]:
    """How many indices there are, of how many axes, how many rows these make, and how wide a row is."""
    *lead, depth = indices if len(indices) > 1 else (*indices, 1)  # a vector is as many numbers of rows
    return prod(lead), depth, prod(dims[:depth]), prod(dims[depth:])


def _workspace(dims: Any, indices: Any) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the memory for rows, ranks and pieces."""
    n, _, _, width = _counts(dims, indices)
    return ((ceil_div(n, _ALIGN) * _ALIGN + room_of(n, width),), "int32") if n else None


def _combine(kind: str, y: Any, indices: Any, updates: Any, workspace: Any) -> None:
    """Changes y at the indices, in their order."""
    dims = tuple(y.shape)
    n, depth, rows, width = _counts(dims, tuple(indices.shape))
    check_packed(indices=indices, updates=updates)
    if n == 0 or rows * width == 0:
        return
    if rows >= 1 << 31:
        raise ValueError(f"the indices name one of {rows} places of {list(dims)}, but a card counts up to 2**31")
    need = _workspace(dims, tuple(indices.shape))
    assert need is not None
    check_out(workspace, need[0], "workspace")
    found = workspace[:n]
    _rows[(ceil_div(n, BLOCK),)](
        indices, found, n, _named(dims, depth), K=depth, BLOCK=BLOCK, num_warps=4, enable_fp_fusion=True
    )
    behind = workspace[ceil_div(n, _ALIGN) * _ALIGN :]
    change(kind, y.reshape((rows, width)), found, updates.reshape((n, width)), behind)


def scatter_nd(indices: Any, updates: Any, shape: Any, out: Any = None, workspace: Any = None, **policy: Any) -> Any:
    """Zeros of a shape with the updates added at the indices."""
    check_out(out, tuple(out.shape))
    zeros_like(out, out=out)
    _combine("add", out, indices, updates, workspace)
    return out


def scatter_nd_workspace(inputs: Any, **policy: Any) -> tuple[tuple[int, ...], str] | None:
    return _workspace([int(s) for s in inputs[2]], tuple(inputs[0].shape))


def changed(
    kind: str, ref: Any, indices: Any, updates: Any, out: Any = None, workspace: Any = None, **policy: Any
) -> Any:
    """ref changed by the updates at the indices, in their order; `out` may be ref itself."""
    check_packed(ref=ref)
    check_out(out, tuple(ref.shape))
    if out.data_ptr() != ref.data_ptr():
        strides = packed_strides(ref.shape)
        copy(ref, out, tuple(ref.shape), strides, strides)
    _combine(kind, out, indices, updates, workspace)
    return out


def changed_workspace(inputs: Any, **policy: Any) -> tuple[tuple[int, ...], str] | None:
    return _workspace(tuple(inputs[0].shape), tuple(inputs[1].shape))


def _raises(attrs: dict[str, Any]) -> bool:
    """True where an index without a place is an error, as it is unless asked otherwise."""
    return attrs.get("bad_indices_policy", "") == ""


_ON_TENSORS = ("Add", "Sub", "Min", "Max", "Update")
KERNELS = {
    "GatherNd": Kernel(gather_nd, ANY, type_attr="Tparams", takes=_raises),
    "ScatterNd": Kernel(scatter_nd, FLOATS, (2,), scatter_nd_workspace, takes=_raises),
    "ScatterNdNonAliasingAdd": Kernel(partial(changed, "add"), FLOATS, workspace=changed_workspace, takes=_raises),
} | {
    f"{op}{name}": Kernel(partial(changed, CHANGES[name]), FLOATS, workspace=changed_workspace, takes=_raises)
    for op in ("TensorScatter", "ScatterNd")
    for name in _ON_TENSORS
}
