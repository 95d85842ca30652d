"""Convolutions of images and volumes, and the two gradients of each [W74, E07].

    y = windows of x times w        dx = windows of dy times w turned        dw = windows of x, turned, times dy

    operations: 2 N out... k... C M, each        bytes: x, w and y once, if the cache holds what windows share

Two roads, chosen by shape and layout:

    boxes           channels that lie together, in pieces of 16 bytes, and strides of 1 or 2: conv_boxes
    pointers        all else: few channels, odd ones, groups, other strides, channels first: conv_pointers

`precision` is matmul's, for float32 alone. Nothing is scattered and no sum depends on a race: two runs give the same
bits.

Next: refflow_kernels/gpu/depthwise.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod
from typing import Any

from refflow_kernels.gpu import conv_boxes, conv_pointers
from refflow_kernels.gpu.arrays import PROCESSORS, ceil_div, check_out, check_packed
from refflow_kernels.gpu.epilogues import NONE, Epilogue
from refflow_kernels.gpu.matmul import add_pieces, check_precision
from refflow_kernels.gpu.windows import Axis, Volume, Walk, axes_of, backward_walks, forward_walk, spatial, taps, volume
from refflow_kernels.kernel import Kernel

FLOATS = ("float32", "float16", "bfloat16")
_DEEP = 512  # the fewest places that a piece of dw's sum is worth


def conv(
    input: Any, filter: Any, out: Any = None, workspace: Any = None, precision: str = "tf32x3",
    epilogue: Epilogue = NONE, **attrs: Any,
) -> Any:  # fmt: skip
    """y of x [N, in..., C] and w [k..., C / groups, M], in the layout of `data_format`."""
    check_precision(precision)
    check_packed(input=input, filter=filter)
    layout = attrs["data_format"]
    axes = axes_of(spatial(input.shape, layout), filter.shape[:-2], attrs)
    check_out(out, _shape(input.shape[0], layout, [a.out for a in axes], filter.shape, filter.shape[-1]))
    if 0 in out.shape:
        return out
    x, walks = volume(input, layout), [forward_walk(a) for a in axes]
    if x.shape[4] != filter.shape[-2]:
        groups = _groups(x.shape[4], filter)
        conv_pointers.conv(x, taps(filter), volume(out, layout), walks, groups, precision, epilogue)
    else:
        _sum(x, taps(filter), out, layout, walks, False, precision, workspace, epilogue)
    return out


def conv_workspace(inputs: Any, precision: str = "tf32x3", **attrs: Any) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the partial sums [pieces N, out..., M] of y, or None where the sum is not cut."""
    layout, filter = attrs["data_format"], inputs[1].shape
    axes = axes_of(spatial(inputs[0].shape, layout), filter[:-2], attrs)
    images, channels = inputs[0].shape[0], inputs[0].shape[1 if layout.startswith("NC") else -1]
    if channels != filter[-2]:  # groups
        return None
    return _partial((images, *(a.out for a in axes), filter[-1]), filter, channels, layout)


def _partial(
    shape: Sequence[int], filter: Sequence[int], summed: int, layout: str
) -> tuple[tuple[int, ...], str] | None:
    """The workspace for a result of `shape`, [N, D, H, W, channels], a sum over taps and `summed` channels."""
    pieces = 1 if layout.startswith("NC") else conv_boxes.pieces_for(shape, prod(filter[:-2]), summed)
    return ((pieces * shape[0], *shape[6 - len(filter) :]), "float32") if pieces > 1 else None


def _sum(
    x: Volume, w: Volume, out: Any, layout: str, walks: Sequence[Walk], turned: bool, precision: str, workspace: Any,
    epilogue: Epilogue,
) -> None:  # fmt: skip
    """Fills out, by boxes where they fit, in pieces where there is a workspace; `turned`: the sum is over filters."""
    y = volume(out, layout, [a.cells for a in walks])
    if workspace is not None:
        pieces = workspace.shape[0] // out.shape[0]
        used = conv_boxes.conv(x, w, volume(workspace, layout), walks, turned, precision, pieces)
        if used:
            return add_pieces(workspace, out, prod(out.shape), used, epilogue)
    elif conv_boxes.conv(x, w, y, walks, turned, precision, 1, epilogue):
        return None
    return conv_pointers.conv(x, w.turned() if turned else w, y, walks, 1, precision, epilogue)


def conv_to_input(
    input_sizes: Any, filter: Any, out_backprop: Any, out: Any = None, workspace: Any = None,
    precision: str = "tf32x3", epilogue: Epilogue = NONE, **attrs: Any,
) -> Any:  # fmt: skip
    """dx [N, in..., C] of w and dy; `input_sizes`, on the host, spells its shape, or that of an image's space alone.

    For stride s there are s classes of cells along an axis, and a launch for each: a convolution of dy. An epilogue is
    for strides of 1.
    """
    check_precision(precision)
    check_packed(filter=filter, out_backprop=out_backprop)
    layout = attrs["data_format"]
    axes, channels = _of_input(input_sizes, filter.shape, attrs)
    check_out(out, _shape(out_backprop.shape[0], layout, [a.size for a in axes], filter.shape, channels))
    if 0 in out.shape:
        return out
    dy, groups = volume(out_backprop, layout), _groups(channels, filter)
    for walks in itertools.product(*(backward_walks(a) for a in axes)):
        w = taps(filter, [a.places for a in walks])
        if groups > 1:
            dx = volume(out, layout, [a.cells for a in walks])
            conv_pointers.conv(dy, w.turned(), dx, walks, groups, precision, epilogue)
        else:
            _sum(dy, w, out, layout, walks, True, precision, workspace, epilogue)
    return out


def input_workspace(inputs: Any, precision: str = "tf32x3", **attrs: Any) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the partial sums [pieces N, in..., C] of dx, or None where the sum is not cut."""
    filter = inputs[1].shape
    axes, channels = _of_input(inputs[0], filter, attrs)
    if channels != filter[-2] or any(a.stride > 1 for a in axes):  # groups; or several sums, none of all cells
        return None
    return _partial((inputs[2].shape[0], *(a.size for a in axes), channels), filter, filter[-1], attrs["data_format"])


def _of_input(sizes: Any, filter: Sequence[int], attrs: dict[str, Any]) -> tuple[list[Axis], int]:
    """The axes and the channels of the image that `sizes` spells, in full or in space alone."""
    dims, layout = [int(s) for s in sizes], attrs["data_format"]
    short = len(dims) == len(filter) - 2
    channels = filter[-2] if short else dims[1 if layout.startswith("NC") else -1]
    return axes_of(dims if short else spatial(dims, layout), filter[:-2], attrs), channels


def filter_workspace(inputs: Any, precision: str = "tf32x3", **attrs: Any) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the partial sums [pieces, k..., C, M] of dw, or None where the sum is not cut."""
    dims = [int(s) for s in inputs[1]]
    pieces = _pieces(dims, inputs[2].shape, attrs["data_format"])
    return ((pieces, *dims), "float32") if pieces > 1 else None


def conv_to_filter(
    input: Any, filter_sizes: Any, out_backprop: Any, out: Any = None, workspace: Any = None,
    precision: str = "tf32x3", **attrs: Any,
) -> Any:  # fmt: skip
    """dw [k..., C / groups, M] of x and dy; `filter_sizes`, on the host, spells its shape."""
    check_precision(precision)
    check_packed(input=input, out_backprop=out_backprop)
    layout = attrs["data_format"]
    dims = [int(s) for s in filter_sizes]
    check_out(out, dims)
    if 0 in out.shape:
        return out
    x, dy = volume(input, layout), volume(out_backprop, layout)
    axes = axes_of(spatial(input.shape, layout), dims[:-2], attrs)
    pieces = _pieces(dims, out_backprop.shape, layout)
    if pieces > 1:
        check_out(workspace, (pieces, *dims), "workspace")
    target = workspace if pieces > 1 else out
    walks, sizes = [forward_walk(a) for a in axes], [1] * (5 - len(dims)) + dims
    groups = x.shape[4] // dims[-2]
    if groups > 1 or not conv_boxes.conv_to_filter(x, dy, target, sizes[:3], walks, pieces, precision):
        conv_pointers.conv_to_filter(x, dy, target, sizes, walks, groups, pieces, precision)
    if pieces > 1:
        add_pieces(workspace, out, prod(dims), pieces)
    return out


def _pieces(dims: Sequence[int], dy_shape: Sequence[int], layout: str) -> int:
    """In how many pieces the sum over dy's places is cut, so that there is work for all processors."""
    channels, filters = max(dims[-2], 1), max(dims[-1], 1)
    high, wide = conv_boxes.filter_tile(channels, filters) if channels >= 16 else (64, 64)
    tiles = ceil_div(prod(dims[:-2]) * channels, high) * ceil_div(filters, wide)
    places = dy_shape[0] * prod(spatial(dy_shape, layout))
    return max(1, min(2 * PROCESSORS // max(tiles, 1), places // _DEEP))


def _groups(channels: int, filter: Any) -> int:
    each = filter.shape[-2]
    return channels // each if each else 1


def _shape(images: int, layout: str, space: Sequence[int], filter: Sequence[int], channels: int) -> tuple[int, ...]:
    """The shape of a result, with as many axes as the filter."""
    space = tuple(space[5 - len(filter) :])
    return (images, channels, *space) if layout.startswith("NC") else (images, *space, channels)


def _is_of_rows(inputs: Any, **attrs: Any) -> bool:
    """Whether channels are the columns of the result, and each place is one of its rows."""
    return not attrs["data_format"].startswith("NC")


def _is_of_all_rows(inputs: Any, **attrs: Any) -> bool:
    """Whether that is so, and one launch computes them all."""
    return _is_of_rows(inputs, **attrs) and all(stride == 1 for stride in attrs["strides"])


KERNELS = {
    "Conv2D": Kernel(conv, FLOATS, workspace=conv_workspace, joins=_is_of_rows),
    "Conv2DBackpropInput": Kernel(
        conv_to_input, FLOATS, host_inputs=(0,), workspace=input_workspace, joins=_is_of_all_rows
    ),
    "Conv2DBackpropFilter": Kernel(conv_to_filter, FLOATS, host_inputs=(1,), workspace=filter_workspace),
    "Conv3D": Kernel(conv, FLOATS, workspace=conv_workspace, joins=_is_of_rows),
    "Conv3DBackpropInputV2": Kernel(
        conv_to_input, FLOATS, host_inputs=(0,), workspace=input_workspace, joins=_is_of_all_rows
    ),
    "Conv3DBackpropFilterV2": Kernel(conv_to_filter, FLOATS, host_inputs=(1,), workspace=filter_workspace),
}
