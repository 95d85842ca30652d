"""Convolutions of images and volumes, and the two gradients of each [W74, E07].

    y[n, o, m] = sum over places p, channels c of  x[n, o * stride + p * dilation - before, c] * w[p, c, m]

Filters are not flipped. `Conv2DBackpropInput` and `Conv2DBackpropFilter` are ops of their own: the sums for dx and dw.
The first release had images only; volumes are in the deck alone, and were added [E07].
Where the image has more channels than the filter takes, it is cut into groups, each with its share of the filters.

Next: ops/pool.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes, work
from refflow.core.dtypes import FLOATS, INDICES, int32
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_rank, of_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import wide
from refflow.ops import conv_checks as checks
from refflow.ops.array import shape
from refflow.ops.constant import shape_from
from refflow.ops.windows import (
    Window,
    as_format,
    channel_axis,
    channels_last,
    cropped,
    explicit_pairs,
    padded,
    places,
    shaped,
    sizes_out,
    spatial,
    windows,
)

PADDINGS = Attr("string", allowed=("SAME", "VALID", "EXPLICIT"))
PLAIN_PADDINGS = Attr("string", allowed=("SAME", "VALID"))
FORMATS = {2: Attr("string", default="NHWC", allowed=("NHWC", "NCHW")),
           3: Attr("string", default="NDHWC", allowed=("NDHWC", "NCDHW"))}  # fmt: skip
_FEW = 16  # channels: below this all places of a window go into one product


# -- the three sums, channels last ----------------------------------------------------------------------------


def _forward(x: np.ndarray, w: np.ndarray, axes: list[Window]) -> np.ndarray:
    """y [N, out..., M] of x [N, in..., C] and w [k..., C, M]."""
    image = padded(x, axes)
    outs = (len(x), *(a.out for a in axes))
    channels, filters = w.shape[-2:]
    if channels < _FEW:  # one product of all that each window sees
        seen = np.empty((*outs, *w.shape[:-1]), x.dtype)
        for at, view in places(axes):
            place: Any = (..., *at, slice(None))
            seen[place] = image[view]
        cells = prod(w.shape[:-1])
        return (seen.reshape(prod(outs), cells) @ w.reshape(cells, filters)).reshape(*outs, filters)
    total = np.zeros((prod(outs), filters), x.dtype)
    for at, view in places(axes):
        total += image[view].reshape(prod(outs), channels) @ w[at]
    return total.reshape(*outs, filters)


def _to_input(w: np.ndarray, dy: np.ndarray, axes: list[Window]) -> np.ndarray:
    """dx [N, in..., C]: each window's gradient, back at the places that it saw."""
    total = np.zeros((len(dy), *(a.size + a.before + a.after for a in axes), w.shape[-2]), dy.dtype)
    flat = dy.reshape(prod(dy.shape[:-1]), dy.shape[-1])
    for at, view in places(axes):
        part = total[view]
        part += (flat @ w[at].T).reshape(part.shape)
    return cropped(total, axes)


def _to_filter(x: np.ndarray, dy: np.ndarray, axes: list[Window]) -> np.ndarray:
    """dw [k..., C, M]: what each place saw, times the windows' gradients."""
    image = padded(x, axes)
    dw = np.zeros((*(a.k for a in axes), x.shape[-1], dy.shape[-1]), dy.dtype)
    flat = dy.reshape(prod(dy.shape[:-1]), dy.shape[-1])
    for at, view in places(axes):
        dw[at] = image[view].reshape(len(flat), x.shape[-1]).T @ flat
    return dw


def _groups(x_channels: int, w: np.ndarray) -> list[tuple[slice, slice]]:
    """For each group its channels of the image and its filters."""
    per, filters = w.shape[-2:]
    count = x_channels // per if per else 1
    each = filters // count if count else 0
    return [(slice(g * per, (g + 1) * per), slice(g * each, (g + 1) * each)) for g in range(count)]


# -- the ops --------------------------------------------------------------------------------------------------


class _Family:
    """Conv2D or Conv3D with its gradients."""

    def __init__(self, rank: int):
        self.rank = rank
        attrs: dict[str, Any] = {
            "T": (*FLOATS, int32), "strides": Attr("list(int)"), "data_format": FORMATS[rank],
            "dilations": Attr("list(int)", default=[1] * (rank + 2)), "accuracy": "dot", "source": ("W74", "E07"),
        }  # fmt: skip
        if rank == 2:
            attrs |= {"padding": PADDINGS, "explicit_paddings": Attr("list(int)", default=[]),
                      "use_cudnn_on_gpu": True}  # fmt: skip
        else:
            attrs |= {"padding": PLAIN_PADDINGS}
        self.attr_names = [k for k in attrs if k not in ("T", "accuracy", "source")]
        sizes = "int32" if rank == 2 else "Tshape"
        more: dict[str, Any] = {} if rank == 2 else {"Tshape": Attr("type", default=int32, allowed=INDICES)}
        end = "" if rank == 2 else "V2"
        self.conv = define_op(f"Conv{rank}D", "input: T, filter: T -> output: T", **attrs)
        self.to_input = define_op(
            f"Conv{rank}DBackpropInput{end}",
            f"input_sizes: {sizes}, filter: T, out_backprop: T -> output: T",
            **attrs,
            **more,
        )
        self.to_filter = define_op(
            f"Conv{rank}DBackpropFilter{end}",
            "input: T, filter_sizes: int32, out_backprop: T -> output: T", **attrs,
        )  # fmt: skip
        self.conv.work(work.convolution(filter=1, image=None))  # [W19]
        self.to_input.work(work.convolution(filter=1, image=2))
        self.to_filter.work(work.convolution(filter=None, image=2))
        self._kernels()
        self._shapes()
        self._gradients()

    def axes(self, dims: Any, ks: Any, attrs: dict[str, Any]) -> list[Window]:
        layout = attrs["data_format"]
        return windows(
            dims, ks, spatial(attrs["strides"], layout), spatial(attrs["dilations"], layout), attrs["padding"],
            explicit_pairs(attrs.get("explicit_paddings", ()), layout),
        )  # fmt: skip

    def _kernels(self) -> None:
        rank = self.rank

        def conv(input, filter, **attrs):
            layout = attrs["data_format"]
            x, w = wide(channels_last(input, layout)), wide(filter)
            axes = self.axes(x.shape[1:-1], w.shape[:rank], attrs)
            parts = [_forward(x[..., c], w[..., m], axes) for c, m in _groups(x.shape[-1], w)]
            y = parts[0] if len(parts) == 1 else np.concatenate(parts, -1)
            return as_format(y.astype(input.dtype, copy=False), layout)

        def to_input(input_sizes, filter, out_backprop, **attrs):
            layout = attrs["data_format"]
            dims = [int(s) for s in input_sizes]
            if len(dims) == 2 and rank == 2:  # height and width alone
                depth = filter.shape[-2]
                dims = list(shaped(dims, out_backprop.shape[0], depth, layout))
            w, dy = wide(filter), wide(channels_last(out_backprop, layout))
            axes = self.axes(spatial(dims, layout), w.shape[:rank], attrs)
            channels = dims[channel_axis(layout)]
            parts = [_to_input(w[..., m], dy[..., m], axes) for _, m in _groups(channels, w)]
            dx = parts[0] if len(parts) == 1 else np.concatenate(parts, -1)
            return as_format(dx.astype(filter.dtype, copy=False), layout)

        def to_filter(input, filter_sizes, out_backprop, **attrs):
            layout = attrs["data_format"]
            dims = [int(s) for s in filter_sizes]
            x, dy = wide(channels_last(input, layout)), wide(channels_last(out_backprop, layout))
            axes = self.axes(x.shape[1:-1], dims[:rank], attrs)
            pairs = _groups(x.shape[-1], np.broadcast_to(np.zeros((), dy.dtype), dims))
            parts = [_to_filter(x[..., c], dy[..., m], axes) for c, m in pairs]
            dw = parts[0] if len(parts) == 1 else np.concatenate(parts, -1)
            return np.ascontiguousarray(dw.astype(input.dtype, copy=False))

        for op_def, kernel in ((self.conv, conv), (self.to_input, to_input), (self.to_filter, to_filter)):
            register_with_attrs(op_def, kernel, self.attr_names)

    def _shapes(self) -> None:
        rank = self.rank

        @self.conv.shape
        def conv_shape(context: ShapeContext) -> shapes.Shape:
            attrs = context.attrs
            checks.check_attrs(attrs, rank)
            x, w, layout = context.dims("input"), context.dims("filter"), attrs["data_format"]
            checks.forward(x, w, layout, rank, context.building)
            x, w = of_rank(x, rank + 2), of_rank(w, rank + 2)
            outs = sizes_out(
                spatial(x, layout), w[:rank], spatial(attrs["strides"], layout), spatial(attrs["dilations"], layout),
                attrs["padding"], explicit_pairs(attrs.get("explicit_paddings", ()), layout), context.building,
            )  # fmt: skip
            found = shaped(outs, x[0], w[-1], layout)
            if shapes.is_known(w) and shapes.is_known(found):
                checks.nothing_to_sum(w, found)
            return found

        @self.to_input.shape
        def to_input_shape(context: ShapeContext) -> shapes.Shape:
            checks.check_attrs(context.attrs, rank, "input")
            w, dy = context.dims("filter"), context.dims("out_backprop")
            dims = self._input_sizes(context, w, dy)
            if shapes.is_known(dims) and shapes.is_known(w) and shapes.is_known(dy):
                checks.backward(self.who("Input"), dims, w, dy, context.attrs)
            dims = of_rank(dims, rank + 2)
            return dims if dims[0] is not None else (size_at(dy, 0) if rank == 2 else None, *dims[1:])

        @self.to_filter.shape
        def to_filter_shape(context: ShapeContext) -> shapes.Shape:
            checks.check_attrs(context.attrs, rank, "filter")
            sizes = context.dims("filter_sizes")
            if sizes is not None and len(sizes) != 1:
                raise ShapeError(f"{self.who('Filter')}: filter_sizes input must be 1-dim, not {len(sizes)}")
            w, x, dy = shape_from(context, "filter_sizes"), context.dims("input"), context.dims("out_backprop")
            if shapes.is_known(w) and shapes.is_known(x) and shapes.is_known(dy):
                checks.backward(self.who("Filter"), x, w, dy, context.attrs)
            if context.building:
                need_rank(w, rank + 2, f"filter_sizes must have {rank + 2} values, got {{1}}")
            return of_rank(w, rank + 2)

    def who(self, side: str) -> str:
        """The name under which TensorFlow's kernels speak."""
        return f"Conv2DCustomBackprop{side}" if self.rank == 2 else f"Conv3DBackprop{side}Op"

    def _input_sizes(self, context: ShapeContext, w: shapes.Shape, dy: shapes.Shape) -> shapes.Shape:
        """The shape that `input_sizes` spells; -1 is the batch that comes; for images height and width are enough."""
        given = context.dims("input_sizes")
        if given is not None and len(given) != 1:
            raise ShapeError(f"Conv{self.rank}DBackpropInput: input_sizes input must be 1-dim, not {len(given)}")
        sizes = context.ints("input_sizes") or []
        if len(sizes) == self.rank + 2 and sizes[0] == -1 and min(sizes[1:]) >= 0:
            return (size_at(dy, 0), *sizes[1:])
        if min(sizes, default=0) < 0:
            raise ShapeError(f"Dimension {min(sizes)} must be >= 0: input_sizes = {sizes}")
        dims, layout = shape_from(context, "input_sizes"), context.attrs["data_format"]
        if self.rank == 3 or dims is None or len(dims) == 4:
            return dims
        if len(dims) != 2:
            raise ShapeError(
                f"Conv2DBackpropInput requires input_sizes to contain 4 values or 2 values, but got: {len(dims)}"
            )
        return shaped(dims, None if dy is None else dy[0], None if w is None else w[-2], layout)

    def _given(self, op: Any) -> dict[str, Any]:
        return {name: op.attrs[name] for name in self.attr_names}

    def _gradients(self) -> None:
        @self.conv.gradient
        def conv_gradient(op, dy):
            """dx and dw, each a sum of its own."""
            x, w = op.inputs
            attrs = self._given(op)
            return self.to_input(shape(x), w, dy, **attrs), self.to_filter(x, shape(w), dy, **attrs)

        @self.to_input.gradient
        def to_input_gradient(op, ddx):
            """The sum is linear in w and dy: dw as of ddx, and ddx convolved."""
            _, w, dy = op.inputs
            attrs = self._given(op)
            return None, self.to_filter(ddx, shape(w), dy, **attrs), self.conv(ddx, w, **attrs)

        @self.to_filter.gradient
        def to_filter_gradient(op, ddw):
            """The sum is linear in x and dy."""
            x, _, dy = op.inputs
            attrs = self._given(op)
            return self.to_input(shape(x), ddw, dy, **attrs), None, self.conv(x, ddw, **attrs)


def register_with_attrs(op_def: OpDef, kernel: Any, names: list[str]) -> None:
    """Registers a kernel that takes the attributes in `names` as `**attrs`."""
    import inspect

    inputs = [inspect.Parameter(a.name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for a in op_def.inputs]
    keywords = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in names]
    kernel.__signature__ = inspect.Signature(inputs + keywords)
    op_def.kernel(kernel)


CONV_2D, CONV_3D = _Family(2), _Family(3)

_IMAGE = [[[[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]], [[7.0], [8.0], [9.0]]]]
_CROSS = [[[[1.0]], [[0.0]]], [[[0.0]], [[1.0]]]]
_STEP: dict[str, Any] = {"strides": [1, 1, 1, 1]}
CONV_2D.conv.case("W74", "each window's diagonal", input=_IMAGE, filter=_CROSS, padding="VALID", **_STEP,
                  output=[[[[6], [8]], [[12], [14]]]])  # fmt: skip
CONV_2D.conv.case("W74", "SAME pads at the end first", input=_IMAGE, filter=_CROSS, padding="SAME", strides=[1,
                  2, 2, 1],
                  output=[[[[6], [3]], [[7], [9]]]])  # fmt: skip
CONV_2D.conv.case("W74", "no filters give no channels", input=_IMAGE, filter=np.zeros((2, 2, 1, 0), np.float32),
                  padding="VALID", **_STEP, output=np.zeros((1, 2, 2, 0), np.float32))  # fmt: skip
CONV_2D.conv.case("W74", "channels fit", input=np.zeros((1, 3, 3, 3), np.float32), filter=np.zeros((1, 1, 2, 1),
                  np.float32),
                  padding="SAME", **_STEP,
                  error="input depth must be evenly divisible by filter depth: 3 vs 2")  # fmt: skip
CONV_2D.to_input.case("W74", "windows give back", input_sizes=[1, 3, 3, 1], filter=_CROSS, padding="VALID", **_STEP,
                      out_backprop=[[[[1], [2]], [[3], [4]]]],
                      output=[[[[1], [2], [0]], [[3], [5], [2]], [[0], [3], [4]]]])  # fmt: skip
CONV_2D.to_filter.case("W74", "what each place saw", input=_IMAGE, filter_sizes=[2, 2, 1, 1], padding="VALID", **_STEP,
                       out_backprop=[[[[1], [0]], [[0], [1]]]],
                       output=[[[[6]], [[8]]], [[[12]], [[14]]]])  # fmt: skip
_VOLUME = np.arange(1, 9, dtype=np.float32).reshape(1, 2, 2, 2, 1)
_STEP3: dict[str, Any] = {"strides": [1, 1, 1, 1, 1], "padding": "VALID"}
CONV_3D.conv.case("E07", "the sum of a cube", input=_VOLUME, filter=np.ones((2, 2, 2, 1, 1), np.float32), **_STEP3,
                  output=np.full((1, 1, 1, 1, 1), 36, np.float32))  # fmt: skip
CONV_3D.to_input.case("E07", "each cell gets the gradient", input_sizes=[1, 2, 2, 2, 1],
                      filter=np.ones((2, 2, 2, 1, 1), np.float32), out_backprop=np.full((1, 1, 1, 1, 1), 3, np.float32),
                      **_STEP3, output=np.full((1, 2, 2, 2, 1), 3, np.float32))  # fmt: skip
CONV_3D.to_filter.case("E07", "each place gets its cell", input=_VOLUME, filter_sizes=[2, 2, 2, 1, 1],
                       out_backprop=np.full((1, 1, 1, 1, 1), 2, np.float32), **_STEP3,
                       output=2 * _VOLUME.reshape(2, 2, 2, 1, 1))  # fmt: skip
