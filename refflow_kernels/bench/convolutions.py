"""Convolutions and both gradients of each: layers of nets, a stem, odd ones, one image, volumes, depthwise ones.

torch computes on the same memory, seen as its channels_last, and has its filters in its own order beforehand; its sums
for dw are cuDNN's, which need not be the same on every run.

Next: refflow_kernels/bench/rows.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from refflow_kernels.bench.case import Case, normal


class _Layer(NamedTuple):
    """Images, their sizes, channels and filters, the window's size, stride, and padding on every side."""

    label: str
    images: int
    space: tuple[int, ...]
    channels: int
    filters: int
    k: int
    stride: int = 1
    pad: int = 0
    layout: str = "NHWC"
    times: int = 0  # filters of each channel, where it has its own


_LAYERS = (
    _Layer("stem 7x7 s2", 64, (224, 224), 3, 64, 7, 2, 3), _Layer("1x1 56 64-256", 64, (56, 56), 64, 256, 1),
    _Layer("3x3 56 64", 64, (56, 56), 64, 64, 3, 1, 1), _Layer("3x3 28 128", 64, (28, 28), 128, 128, 3, 1, 1),
    _Layer("3x3 14 256", 64, (14, 14), 256, 256, 3, 1, 1), _Layer("3x3 7 512", 64, (7, 7), 512, 512, 3, 1, 1),
    _Layer("3x3 s2 56 128", 64, (56, 56), 128, 128, 3, 2, 1), _Layer("1x1 s2 56 256-512", 64, (56, 56), 256, 512, 1, 2),
    _Layer("5x5 28 16-32", 64, (28, 28), 16, 32, 5, 1, 2), _Layer("5x5 14 32-128", 64, (14, 14), 32, 128, 5, 1, 2),
    _Layer("11x11 s4 3-64", 64, (227, 227), 3, 64, 11, 4), _Layer("5x5 28 1-32", 128, (28, 28), 1, 32, 5, 1, 2),
    _Layer("3x3 35 17-19", 3, (35, 35), 17, 19, 3, 1, 1), _Layer("one 3x3 14 256", 1, (14, 14), 256, 256, 3, 1, 1),
    _Layer("NCHW 3x3 28 128", 32, (28, 28), 128, 128, 3, 1, 1, "NCHW"),
    _Layer("VGG 3x3 224 64", 16, (224, 224), 64, 64, 3, 1, 1),
)  # fmt: skip
_VOLUMES = (
    _Layer("C3D 3-64", 4, (16, 112, 112), 3, 64, 3, 1, 1), _Layer("C3D 64-128", 4, (16, 56, 56), 64, 128, 3, 1, 1),
    _Layer("C3D 128-256", 8, (8, 28, 28), 128, 256, 3, 1, 1), _Layer("C3D 256-512", 8, (4, 14, 14), 256, 512, 3, 1, 1),
    _Layer("3x3x3 s2", 8, (9, 29, 29), 64, 128, 3, 2), _Layer("1x1x1", 8, (8, 28, 28), 128, 256, 1),
    _Layer("odd 9x11x13", 2, (9, 11, 13), 7, 13, 3, 1, 1),
)  # fmt: skip
_DEPTHWISE = (
    _Layer("3x3 112 32", 64, (112, 112), 32, 32, 3, 1, 1, times=1),
    _Layer("3x3 28 192", 64, (28, 28), 192, 192, 3, 1, 1, times=1),
    _Layer("3x3 s2 56 144", 64, (56, 56), 144, 144, 3, 2, 1, times=1),
)  # fmt: skip
_ALSO = ("3x3 28 128", "1x1 56 64-256", "5x5 28 16-32", "C3D 128-256")  # in tf32 and in float32 too


def cases(small: bool) -> Iterator[Case]:
    for layer in (*_LAYERS, *_VOLUMES, *_DEPTHWISE):
        for kind in ("", "BackpropInput", "BackpropFilter"):
            for precision in ("bfloat16", "tf32", "float32") if layer.label in _ALSO else ("bfloat16",):
                yield _case(layer, kind, precision, small)


def _case(layer: _Layer, kind: str, precision: str, small: bool) -> Case:
    rank, first = len(layer.space), layer.layout == "NCHW"
    size = _fraction(layer) if small else layer
    outs = [(s + 2 * size.pad - size.k) // size.stride + 1 for s in size.space]

    def shaped(channels: int, space: Sequence[int]) -> tuple[int, ...]:
        return (size.images, channels, *space) if first else (size.images, *space, channels)

    window = (*[size.k] * rank, size.channels, size.times or size.filters)
    x, w, dy = normal(*shaped(size.channels, size.space)), normal(*window, seed=1), shaped(size.filters, outs)
    inputs: tuple[np.ndarray, ...] = {
        "": lambda: (x, w),
        "BackpropInput": lambda: (np.array(x.shape, np.int32), w, normal(*dy, seed=2)),
        "BackpropFilter": lambda: (x, np.array(window, np.int32), normal(*dy, seed=2)),
    }[kind]()
    steps = [1, 1, *[size.stride] * rank] if first else [1, *[size.stride] * rank, 1]
    attrs = {"strides": steps, "data_format": layer.layout if rank == 2 else "NDHWC", "dilations": [1] * (rank + 2)}
    attrs |= {"padding": "SAME" if size.pad and size.stride == 1 else "VALID"}
    if rank == 2:
        around = [size.pad, size.pad] * 2
        explicit = size.pad and size.stride > 1
        attrs |= {"padding": "EXPLICIT"} if explicit else {}
        attrs["explicit_paddings"] = ([0, 0, *around, 0, 0] if not first else [0, 0, 0, 0, *around]) if explicit else []
    op_type = f"Conv{rank}D{kind}{'V2' if rank == 3 and kind else ''}"
    op_type = f"DepthwiseConv2dNative{kind}" if size.times else op_type
    dtype, more = ("float32", {"precision": "tf32"}) if precision == "tf32" else (precision, {})
    flops = 0.0 if size.times else 2.0 * np.prod([size.images, *outs, *window])  # memory is a depthwise one's limit
    peer = _Peer(size, kind, shaped(size.channels, size.space), window)
    return Case(f"{op_type} {layer.label} {precision}", op_type, inputs, attrs, peer, dtype, float(flops), more)


def _fraction(layer: _Layer) -> _Layer:
    """The layer, so small that the interpreter takes a fraction of a second."""
    space = tuple(min(s, layer.k + 2 * layer.stride + s % 2) for s in layer.space)
    channels, filters = min(layer.channels, 40), min(layer.filters, 40)
    return layer._replace(images=1, space=space, channels=channels, filters=filters)


class _Peer:
    """torch's convolution or gradient. What it wants in another order is made once, and not timed."""

    def __init__(self, layer: _Layer, kind: str, x_shape: Sequence[int], window: Sequence[int]):
        self.layer, self.kind, self.x_shape, self.window = layer, kind, x_shape, window
        self.kept: dict[Any, tuple[Any, Any]] = {}

    def __call__(self, torch: Any, inputs: Sequence[Any]) -> Any:
        rank, size = len(self.layer.space), self.layer
        steps, pads, ones = [size.stride] * rank, [size.pad] * rank, [1] * rank
        groups = size.channels if size.times else 1
        if not self.kind:
            function = torch.nn.functional.conv2d if rank == 2 else torch.nn.functional.conv3d
            return self.ours(
                function(self.theirs(inputs[0]), self.filters(torch, inputs[1]), None, steps, pads, ones, groups)
            )
        dy = self.theirs(inputs[2])
        to_input = self.kind == "BackpropInput"
        like = inputs[1] if to_input else inputs[0]
        x = (
            self.theirs(self.once(("x", like.dtype), lambda: like.new_empty(*self.x_shape)))
            if to_input
            else self.theirs(inputs[0])
        )
        empty = None if to_input else self.once(("w", like.dtype), lambda: like.new_empty(*self.window))
        w = self.filters(torch, inputs[1] if to_input else empty)
        dx, dw, _ = torch.ops.aten.convolution_backward(
            dy, x, w, None, steps, pads, ones, False, [0] * rank, groups, [to_input, not to_input, False]
        )
        if to_input:
            return self.ours(dx)
        if size.times:
            return dw.reshape(size.channels, size.times, size.k, size.k).permute(2, 3, 0, 1)
        return dw.permute(*range(2, rank + 2), 1, 0)

    def theirs(self, x: Any) -> Any:
        """[N, C, space...], the same memory."""
        rank = len(self.layer.space)
        return x if self.layer.layout == "NCHW" else x.permute(0, rank + 1, *range(1, rank + 1))

    def ours(self, y: Any) -> Any:
        rank = len(self.layer.space)
        return y if self.layer.layout == "NCHW" else y.permute(0, *range(2, rank + 2), 1)

    def filters(self, torch: Any, w: Any) -> Any:
        """[M, C, k...], in the memory order that goes with the images'; depthwise [C M, 1, k...]."""
        rank = len(self.layer.space)
        last = torch.channels_last if rank == 2 else torch.channels_last_3d
        order = torch.contiguous_format if self.layer.layout == "NCHW" else last
        turned = w.permute(rank + 1, rank, *range(rank))
        if self.layer.times:
            turned = w.permute(2, 3, 0, 1).reshape(-1, 1, self.layer.k, self.layer.k)
        return self.once(id(w), lambda: turned.contiguous(memory_format=order), w)

    def once(self, key: Any, make: Any, source: Any = None) -> Any:
        """What `make` gave for this key; the source is kept, so that its id stays its own."""
        if key not in self.kept:
            self.kept[key] = (make(), source)
        return self.kept[key][0]
