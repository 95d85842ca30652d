"""What must agree before a convolution or its gradients run, in TensorFlow's words [W74, W79].

    forward     ranks, depths and groups of an image and a filter, whose sizes may be unknown
    backward    the gradient that comes in has the shape that the convolution gave
    depthwise   the same where every channel has filters of its own

Next: ops/conv.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.core.errors import ShapeError, UnimplementedError
from refflow.core.shapes import Shape
from refflow.ops.windows import channel_axis, explicit_pairs, out_and_padding, spatial

_UNITS = "in the batch and depth dimensions."


def brackets(dims: Sequence[Any]) -> str:
    """A shape as TensorFlow prints it: [2,?,3]."""
    return "[" + ",".join("?" if d is None else str(d) for d in dims) + "]"


def check_attrs(attrs: dict[str, Any], rank: int, to: str = "output") -> None:
    """Strides and dilations have one entry for each axis, at least 1, and leave batch and channels alone.

    to: what is computed, "output", "input" or "filter". As the release has it, what is not supported is Unimplemented
    for images and invalid for volumes and filters; gradients of volumes may dilate anything.
    """
    layout = attrs["data_format"]
    strides, dilations = attrs["strides"], attrs.get("dilations") or [1] * (rank + 2)
    for name, values in (("strides", strides), ("dilations", dilations)):
        if len(values) != rank + 2:
            raise ShapeError(f"Sliding window {name} field must specify {rank + 2} dimensions, got {len(values)}")
    channel = channel_axis(layout)
    kind = "dilations" if rank == 2 else "dilation rates"
    for name, values in (("strides", strides), (kind, dilations)):
        if (values[0] == 1 and values[channel] == 1) or (rank == 3 and to != "output" and values is dilations):
            continue
        text = f"Current implementation does not yet support {name} {_UNITS}"
        raise UnimplementedError(None, None, text) if rank == 2 and to != "filter" else ShapeError(text)
    if min(strides) < 1:
        raise ShapeError("Row and column strides should be larger than 0.")
    if min(dilations) < 1:
        raise ShapeError("Dilated rates should be larger than 0.")
    check_paddings(attrs, rank)


def check_paddings(attrs: dict[str, Any], rank: int = 2) -> None:
    """Explicit paddings come with EXPLICIT: a pair for each axis, none of it negative."""
    explicit = attrs.get("explicit_paddings") or []
    if attrs["padding"] == "EXPLICIT":
        if len(explicit) != 2 * (rank + 2):
            raise ShapeError(
                f"explicit_paddings attribute must contain {2 * (rank + 2)} values, but got: {len(explicit)}"
            )
        if min(explicit) < 0:
            raise ShapeError("All elements of explicit_paddings must be nonnegative")
    elif explicit:
        raise ShapeError("explicit_paddings attribute must be empty if the padding attribute is not EXPLICIT")


def forward(x: Shape, w: Shape, layout: str, rank: int, building: bool = False) -> None:
    """Ranks, and channels that the groups' filters divide."""
    for name, dims in (("input", x), ("filter", w)):
        if dims is not None and len(dims) != rank + 2:
            raise ShapeError(f"convolution {name} must be {rank + 2}-dimensional: {brackets(dims)}")
    if x is None or w is None:
        return
    channels, per = x[channel_axis(layout)], w[-2]
    if per == 0:
        raise ShapeError(
            f"filter depth must be stricly positive, got {per}" if rank == 2 else "filter_depth must be non-zero"
        )
    if channels is None or per is None:
        return
    if channels == 0 and building:
        raise ShapeError("Number of groups must not be 0: the input has no channels")
    if channels % per:
        first = "input" if rank == 2 else "Input"
        text = f"{first} depth must be evenly divisible by filter depth: {channels} vs {per}"
        same = "" if rank == 2 else f": input and filter must have the same depth: {channels} vs {per}"
        raise ShapeError(text + same)
    if channels and w[-1] is not None and w[-1] % (channels // per):
        text = f"output depth must be evenly divisible by number of groups: {w[-1]} vs {channels // per}"
        if rank == 3:
            text = f"Number of channels in filter ({per}) must match last dimension of input ({channels}), or {text}"
        raise ShapeError(f"{text}: filter has C = {per}, but input has C = {channels}")


def nothing_to_sum(w: Sequence[Any], outs: Sequence[Any]) -> None:
    """A filter without elements says nothing about outputs that have some."""
    if 0 in w and 0 not in outs:
        raise ShapeError("filter must not have zero elements (i.e. all dimensions must be non-zero)")


def backward(who: str, x: Any, w: Any, dy: Any, attrs: dict[str, Any]) -> None:
    """The gradient that comes in must have the shape that the convolution gave. All sizes are known here."""
    rank = len(attrs["strides"]) - 2
    for name, dims in (("input", x), ("filter", w), ("out_backprop", dy)):
        if len(dims) != rank + 2:
            told = f"{name if name != 'filter' else 'filter_sizes'} tensor must have {rank + 2} dimensions"
            raise ShapeError(f"{who}: {name} must be 4-dimensional: {brackets(dims)}" if rank == 2 else told)
    layout = attrs["data_format"]
    channel = channel_axis(layout)
    if rank == 3:
        _depths_of_volumes(x[channel], w, dy[channel])
    if x[0] != dy[0]:
        raise ShapeError(
            f"{who}: input and out_backprop must have the same batch size. Input batch: {x[0]}, outbackprop batch: "
            f"{dy[0]}, batch_dim: 0"
        )
    if w[-2] == 0:
        raise ShapeError(f"{who}: filter depth must be strictly greated than zero")
    if x[channel] % w[-2]:
        depths = f"{x[channel]} vs {w[-2]}"
        raise ShapeError(f"{who}: input depth must be evenly divisible by filter depth: {depths}")
    groups = max(1, x[channel] // w[-2])
    if w[-1] % groups:
        raise ShapeError(f"output depth must be evenly divisible by number of groups: {w[-1]} vs {groups}")
    if w[-1] != dy[channel]:
        raise ShapeError(f"{who}: filter and out_backprop must have the same out_depth")
    first = 2 if channel == 1 else 1
    for i, (computed, actual, stride, dilation) in enumerate(_outs(x, w[:rank], dy, attrs)):
        if computed != actual:
            raise ShapeError(
                f"{who}: Size of out_backprop doesn't match computed: actual = {actual}, computed = {computed} "
                f"spatial_dim: {i + first} input: {x[i + first]} filter: {w[i]} output: {actual} stride: {stride} "
                f"dilation: {dilation}"
            )


def _outs(x: Any, ks: Any, dy: Any, attrs: dict[str, Any]) -> list[tuple[int, ...]]:
    """For each spatial axis the size that the convolution gives, the size that came, stride and dilation."""
    layout = attrs["data_format"]
    pairs = explicit_pairs(attrs.get("explicit_paddings") or (), layout) or [(0, 0)] * len(ks)
    strides, dilations = spatial(attrs["strides"], layout), spatial(attrs["dilations"], layout)
    rows = zip(spatial(x, layout), ks, strides, dilations, pairs, spatial(dy, layout), strict=True)
    return [
        (out_and_padding(size, k, stride, dilation, attrs["padding"], pair)[0], actual, stride, dilation)
        for size, k, stride, dilation, pair, actual in rows
    ]


def _depths_of_volumes(channels: int, w: Sequence[int], filters: int) -> None:
    if w[-2] and channels % w[-2]:
        raise ShapeError(
            f"input and filter_sizes must have the same number of channels. Got {channels} for input and {w[-2]} for "
            "filter_sizes"
        )
    if w[-1] != filters:
        raise ShapeError(
            f"out_backprop and filter_sizes must have the same number of channels. Got {filters} for out_backprop and "
            f"{w[-1]} for filter_sizes"
        )


def check_depthwise_attrs(attrs: dict[str, Any], back: bool = True) -> None:
    """Strides leave batch and channels alone, and so do dilations but in gradients, as the release has it."""
    strides, channel = attrs["strides"], channel_axis(attrs["data_format"])
    if len(strides) != 4:
        raise ShapeError("Sliding window strides field must specify 4 dimensions")
    if strides[0] != 1 or strides[channel] != 1:
        raise ShapeError(f"Current implementation does not yet support strides {_UNITS}")
    dilations = attrs.get("dilations") or [1] * 4
    if not back and (dilations[0] != 1 or dilations[channel] != 1):
        raise ShapeError(f"Current implementation does not yet support dilations {_UNITS}")
    if min(strides) < 1:
        raise ShapeError("Row and column strides should be larger than 0.")
    check_paddings(attrs)


def depthwise(x: Shape, w: Shape, layout: str) -> None:
    """Ranks and depths of a depthwise convolution."""
    if x is not None and len(x) != 4:
        raise ShapeError(f"input must be 4-dimensional{brackets(x)}")
    if w is not None and len(w) != 4:
        raise ShapeError(f"filter must be 4-dimensional: {brackets(w)}")
    if x is None or w is None:
        return
    channels = x[channel_axis(layout)]
    if channels is not None and w[2] is not None and channels != w[2]:
        text = f"input and filter must have the same depth: {channels} vs {w[2]}"
        if w[2] and channels % w[2]:
            text = f"{text}: input depth must be evenly divisible by filter depth: {channels} vs {w[2]}"
        raise ShapeError(text)


def depthwise_backward(who: str, x: Any, w: Any, dy: Any, attrs: dict[str, Any]) -> None:
    """As `backward`, with a multiple of the channels. All sizes are known here."""
    for name, dims in (("input", x), ("filter", w), ("out_backprop", dy)):
        if len(dims) != 4:
            raise ShapeError(f"{who}: {name} must be 4-dimensional")
    channel = channel_axis(attrs["data_format"])
    if x[0] != dy[0]:
        raise ShapeError(f"{who}: input and out_backprop must have the same batch size")
    if x[channel] != w[2]:
        raise ShapeError(f"{who}: input and filter must have the same in_depth")
    if dy[channel] != w[2] * w[3]:
        raise ShapeError(f"{who}: depth_multiplier * in_depth not equal to out_depth")
    for axis, (computed, actual, *_) in zip(("rows", "cols"), _outs(x, w[:2], dy, attrs), strict=True):
        if computed != actual:
            raise ShapeError(
                f"{who}: Number of {axis} of out_backprop doesn't match computed: actual = {actual}, computed = "
                f"{computed}"
            )
