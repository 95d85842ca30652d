"""Depthwise convolution and its two gradients: every channel has filters of its own [W74].

    y[n, o, c M + m]  = sum over places p of     x[n, o * stride + p * dilation - before, c] * w[p, c, m]
    dx[n, i, c]       = sum over places p, m of  dy[n, (i + before - p * dilation) / stride, c M + m] * w[p, c, m]
    dw[p, c, m]       = sum over n, o of         x[n, o * stride + p * dilation - before, c] * dy[n, o, c M + m]

    bytes: x, y and w once, if the cache holds what windows share        operations: 2 N out... k... C M

No sum is over channels, so there is no matrix product: memory is the limit. A program has a tile of places by channels
that lie together, and walks over the window; what its places share stays in the first cache. dx is a sum of the same
form, one for each class of cells (see windows). For dw a program has one place of the window, and adds up a piece of
the images, each lane for itself, then the lanes as a tree; the pieces are added in order.

Next: refflow_kernels/gpu/softmax.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import PROCESSORS, ceil_div, check_out, check_packed, power_of_two
from refflow_kernels.gpu.conv_pointers import index_type, inside, place_of
from refflow_kernels.gpu.matmul import add_pieces
from refflow_kernels.gpu.windows import Volume, Walk, axes_of, backward_walks, forward_walk, spatial, taps, volume
from refflow_kernels.kernel import Kernel

_TILE = 2048  # places times channels of one program
_DEEP = 1024  # the fewest places that a piece of dw's sum is worth


@triton.jit
def _depthwise(
    x, w, y, images, channels,  # channels: of y
    sizes, results, counts, strides, shifts, starts, x_strides, w_strides, y_strides,
    TIMES: tl.constexpr, BACK: tl.constexpr, INDEX: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    # Where am I, and which lanes are real.
    blocks = tl.cdiv(channels, BLOCK_C)
    row = tl.program_id(0) // blocks * BLOCK_P + tl.arange(0, BLOCK_P)
    c = tl.program_id(0) % blocks * BLOCK_C + tl.arange(0, BLOCK_C)
    n, jd, jh, jw = place_of(row, results)
    h, v = jh * strides[1] + starts[1], jw * strides[2] + starts[2]
    real_row, real_c = row < images * results[1] * results[2], c < channels

    total = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    for tap in range(counts[1] * counts[2]):
        sh, sw = tap // counts[2] * shifts[1], tap % counts[2] * shifts[2]
        there = n.to(INDEX) * x_strides[0] + (h + sh).to(INDEX) * x_strides[2] + (v + sw).to(INDEX) * x_strides[3]
        real = (inside(jd, h + sh, v + sw, sizes) & real_row)[:, None] & real_c[None, :]
        filters = w + (tap // counts[2]) * w_strides[1] + (tap % counts[2]) * w_strides[2]
        for m in range(TIMES if BACK else 1):
            number = c * TIMES + m if BACK else c  # of the filter
            seen = number if BACK else c // TIMES  # channel of x
            cells = tl.load(x + there[:, None] + seen.to(INDEX)[None, :] * x_strides[4], mask=real, other=0.0)
            slope = tl.load(filters + number, mask=real_c, other=0.0)
            total += cells.to(tl.float32) * slope.to(tl.float32)[None, :]

    here = n.to(INDEX) * y_strides[0] + jh.to(INDEX) * y_strides[2] + jw.to(INDEX) * y_strides[3]
    here = here[:, None] + c.to(INDEX)[None, :] * y_strides[4]
    tl.store(y + here, total.to(y.dtype.element_ty), mask=real_row[:, None] & real_c[None, :])


@triton.jit
def _depthwise_to_filter(
    x, dy, dw, images, filters, piece,  # filters: C M; piece: places that one program adds up
    sizes, results, counts, strides, shifts, starts, x_strides, y_strides,
    TIMES: tl.constexpr, INDEX: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    # Where am I: one place of the window, BLOCK_C filters, one piece of the images' places.
    places = counts[1] * counts[2]
    tap = tl.program_id(0) % places
    number = tl.program_id(0) // places * BLOCK_C + tl.arange(0, BLOCK_C)
    sh, sw = tap // counts[2] * shifts[1] + starts[1], tap % counts[2] * shifts[2] + starts[2]
    real_c = number < filters
    start = tl.program_id(1) * piece
    stop = tl.minimum(start + piece, images * results[1] * results[2])

    total = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    for done in range(start, stop, BLOCK_P):
        row = done + tl.arange(0, BLOCK_P)
        n, jd, jh, jw = place_of(row, results)
        h, v = jh * strides[1] + sh, jw * strides[2] + sw
        there = n.to(INDEX) * x_strides[0] + h.to(INDEX) * x_strides[2] + v.to(INDEX) * x_strides[3]
        there = there[:, None] + (number // TIMES).to(INDEX)[None, :] * x_strides[4]
        here = n.to(INDEX) * y_strides[0] + jh.to(INDEX) * y_strides[2] + jw.to(INDEX) * y_strides[3]
        here = here[:, None] + number.to(INDEX)[None, :] * y_strides[4]
        real = (row < stop)[:, None] & real_c[None, :]
        cells = tl.load(x + there, mask=real & inside(jd, h, v, sizes)[:, None], other=0.0)
        slopes = tl.load(dy + here, mask=real, other=0.0)
        total += cells.to(tl.float32) * slopes.to(tl.float32)

    place = (tl.program_id(1) * places + tap).to(tl.int64) * filters + number
    tl.store(dw + place, tl.sum(total, axis=0).to(dw.dtype.element_ty), mask=real_c)


def _tile(channels: int) -> tuple[int, int]:
    """Places and channels of a tile: as many channels as lie together, up to 64."""
    across = min(64, power_of_two(channels))
    return _TILE // across, across


def _walked(x: Volume, w: Volume, y: Volume, walks: Sequence[Walk], times: int, back: bool) -> None:
    """Fills y with the sum over the window's places that `walks` describe."""
    (images, *results, channels) = y.shape
    rows, across = _tile(channels)
    _depthwise[(ceil_div(images * prod(results), rows) * ceil_div(channels, across),)](
        x.memory, w.memory, y.memory, images, channels, tuple(x.shape[1:4]), tuple(results), tuple(w.shape[:3]),
        tuple(a.stride for a in walks), tuple(a.shift for a in walks), tuple(a.start for a in walks),
        x.strides, w.strides, y.strides, TIMES=times, BACK=back, INDEX=index_type(x, y),
        BLOCK_P=rows, BLOCK_C=across, num_warps=4, enable_fp_fusion=True,
    )  # fmt: skip


# -- the ops -----------------------------------------------------------------------------------------------------


def depthwise(input: Any, filter: Any, out: Any = None, **attrs: Any) -> Any:
    """y [N, out..., C M] of x [N, in..., C] and w [k..., C, M], in the layout of `data_format`."""
    check_packed(input=input, filter=filter)
    layout, times = attrs["data_format"], filter.shape[-1]
    axes = axes_of(spatial(input.shape, layout), filter.shape[:-2], attrs)
    check_out(out, _shape(input.shape[0], [a.out for a in axes[1:]], filter.shape[-2] * times, layout))
    if 0 not in out.shape:
        walks = [forward_walk(a) for a in axes]
        _walked(volume(input, layout), taps(filter), volume(out, layout), walks, times, False)
    return out


def depthwise_to_input(input_sizes: Any, filter: Any, out_backprop: Any, out: Any = None, **attrs: Any) -> Any:
    """dx [N, in..., C] of w and dy; `input_sizes`, on the host, spells its shape."""
    check_packed(filter=filter, out_backprop=out_backprop)
    layout, dims = attrs["data_format"], [int(s) for s in input_sizes]
    axes = axes_of(spatial(dims, layout), filter.shape[:-2], attrs)
    check_out(out, dims)
    if 0 in out.shape:
        return out
    dy = volume(out_backprop, layout)
    for walks in itertools.product(*(backward_walks(a) for a in axes)):
        w, dx = taps(filter, [a.places for a in walks]), volume(out, layout, [a.cells for a in walks])
        _walked(dy, w, dx, walks, filter.shape[-1], True)
    return out


def depthwise_filter_workspace(inputs: Any, **attrs: Any) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the partial sums [pieces, k..., C, M] of dw, or None where the sum is not cut."""
    dims = [int(s) for s in inputs[1]]
    pieces = _pieces(dims, inputs[2].shape, attrs["data_format"])
    return ((pieces, *dims), "float32") if pieces > 1 else None


def depthwise_to_filter(
    input: Any, filter_sizes: Any, out_backprop: Any, out: Any = None, workspace: Any = None, **attrs: Any
) -> Any:
    """dw [k..., C, M] of x and dy; `filter_sizes`, on the host, spells its shape."""
    check_packed(input=input, out_backprop=out_backprop)
    layout, dims = attrs["data_format"], [int(s) for s in filter_sizes]
    check_out(out, dims)
    if 0 in out.shape:
        return out
    pieces = _pieces(dims, out_backprop.shape, layout)
    if pieces > 1:
        check_out(workspace, (pieces, *dims), "workspace")
    x, dy = volume(input, layout), volume(out_backprop, layout)
    walks = [forward_walk(a) for a in axes_of(spatial(input.shape, layout), dims[:-2], attrs)]
    (images, *results, filters) = dy.shape
    rows, across = _tile(filters)
    _depthwise_to_filter[prod(dims[:2]) * ceil_div(filters, across), pieces](
        x.memory, dy.memory, workspace if pieces > 1 else out, images, filters,
        ceil_div(ceil_div(images * prod(results), pieces), rows) * rows,
        tuple(x.shape[1:4]), tuple(results), (1, *dims[:2]),
        tuple(a.stride for a in walks), tuple(a.shift for a in walks), tuple(a.start for a in walks),
        x.strides, dy.strides, TIMES=dims[-1], INDEX=index_type(x, dy), BLOCK_P=rows, BLOCK_C=across,
        num_warps=4, enable_fp_fusion=True,
    )  # fmt: skip
    if pieces > 1:
        add_pieces(workspace, out, prod(dims), pieces)
    return out


def _pieces(dims: Sequence[int], dy_shape: Sequence[int], layout: str) -> int:
    """In how many pieces the sum over dy's places is cut, so that there is work for all processors."""
    tiles = dims[0] * dims[1] * ceil_div(dims[2] * dims[3], _tile(dims[2] * dims[3])[1])
    places = dy_shape[0] * prod(spatial(dy_shape, layout))
    return max(1, min(8 * PROCESSORS // max(tiles, 1), places // _DEEP))


def _shape(images: int, space: Sequence[int], channels: int, layout: str) -> tuple[int, ...]:
    return (images, channels, *space) if layout.startswith("NC") else (images, *space, channels)


_FLOATS = ("float32", "float16", "bfloat16")
KERNELS = {
    "DepthwiseConv2dNative": Kernel(depthwise, _FLOATS),
    "DepthwiseConv2dNativeBackpropInput": Kernel(depthwise_to_input, _FLOATS, host_inputs=(0,)),
    "DepthwiseConv2dNativeBackpropFilter": Kernel(
        depthwise_to_filter, _FLOATS, host_inputs=(1,), workspace=depthwise_filter_workspace
    ),
}
