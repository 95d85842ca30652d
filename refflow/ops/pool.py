"""Pools: the largest or the mean of each window, over images and volumes [W75].

A mean counts the cells of the image alone. The slope of a maximum goes to one cell, the first in scan order, and
`MaxPoolGradGrad` reads that cell of what comes back.

Next: ops/pool_places.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes, work
from refflow.core.dtypes import FLOATS, REALS, float32
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import wide
from refflow.ops import pool_checks as checks
from refflow.ops.array import shape
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.conv import FORMATS, PADDINGS, PLAIN_PADDINGS, register_with_attrs
from refflow.ops.windows import (
    Window,
    as_format,
    channels_last,
    cropped,
    explicit_pairs,
    padded,
    places,
    windows,
)


def _lowest(dtype: np.dtype) -> Any:
    return np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min


def whole(attrs: dict[str, Any], x: np.ndarray) -> tuple[np.ndarray, list[Window], bool]:
    """x with pooled axes last but one, a Window for each, and whether channels are pooled instead of space."""
    layout = attrs["data_format"]
    x = channels_last(x, layout)
    ks, strides = checks.with_channels_last(attrs["ksize"], layout), checks.with_channels_last(attrs["strides"], layout)
    if ks[-1] != 1:  # across channels: they become the one spatial axis
        return x[..., None], windows(x.shape[-1:], ks[-1:], strides[-1:], [1], attrs["padding"]), True
    rank = x.ndim - 2
    pairs = explicit_pairs(attrs.get("explicit_paddings", ()), layout)
    axes = windows(x.shape[1:-1], ks[1:-1], strides[1:-1], [1] * rank, attrs["padding"], pairs)
    return x, axes, False


def _largest(x: np.ndarray, axes: list[Window]) -> np.ndarray:
    image = padded(x, axes, _lowest(x.dtype))
    found = np.full((*x.shape[: -len(axes) - 1], *(a.out for a in axes), x.shape[-1]), _lowest(x.dtype), x.dtype)
    lead = (slice(None),) * (x.ndim - len(axes) - 2)
    for _, view in places(axes):
        seen = image[lead + view]
        found = np.where(seen > found, seen, found)  # what is no number is passed over
    return found


def winners(x: np.ndarray, axes: list[Window]) -> tuple[np.ndarray, np.ndarray]:
    """Each window's winning value, and the number of its place: the first cell, until one is larger."""
    image, inside = padded(x, axes), padded(np.ones((1, *x.shape[1:-1], 1), bool), axes, False)
    dims = (len(x), *(a.out for a in axes), x.shape[-1])
    best, winner = np.zeros(dims, x.dtype), np.full(dims, -1)
    for number, (_, view) in enumerate(places(axes)):
        seen = image[view]
        better = inside[view] & ((winner < 0) | (seen > best))
        best, winner = np.where(better, seen, best), np.where(better, number, winner)
    return best, winner


def spread(x: np.ndarray, dy: np.ndarray, axes: list[Window]) -> np.ndarray:
    """dx: each window's gradient at its first largest cell."""
    total = np.zeros((len(x), *(a.size + a.before + a.after for a in axes), x.shape[-1]), dy.dtype)
    winner = winners(x, axes)[1]
    for number, (_, view) in enumerate(places(axes)):
        part = total[view]
        part += np.where(winner == number, dy, dy.dtype.type(0))
    return cropped(total, axes)


def picked(x: np.ndarray, ddx: np.ndarray, axes: list[Window]) -> np.ndarray:
    """For each window what `ddx` has at its first largest cell."""
    image, winner = padded(ddx, axes), winners(x, axes)[1]
    found = np.zeros(winner.shape, ddx.dtype)
    for number, (_, view) in enumerate(places(axes)):
        found = np.where(winner == number, image[view], found)
    return found


def _counts(axes: list[Window]) -> np.ndarray:
    """How many real cells each window has, [out..., 1]."""
    one = np.ones((1, *(a.size for a in axes), 1), np.float64)
    image = padded(one, axes)
    return sum((image[view] for _, view in places(axes)), np.zeros((), image.dtype))[0]


def _means(x: np.ndarray, axes: list[Window]) -> np.ndarray:
    image = padded(x, axes)
    total = sum((image[view] for _, view in places(axes)), np.zeros((), x.dtype))
    return total / _counts(axes).astype(x.dtype)


class _Pools:
    """MaxPool and AvgPool of one rank with their gradients."""

    def __init__(self, rank: int):
        self.rank = rank
        end = "" if rank == 2 else "3D"
        window: dict[str, Any] = {"ksize": Attr("list(int)"), "strides": Attr("list(int)"),
                                  "data_format": FORMATS[rank], "source": ("W74", "W75")}  # fmt: skip
        edges: dict[str, Any] = {"padding": PLAIN_PADDINGS}
        if rank == 2:
            edges = {"padding": PADDINGS, "explicit_paddings": Attr("list(int)", default=[])}
        types: dict[str, Any] = {"T": Attr("type", default=float32, allowed=REALS)}
        plain = window | {"padding": PLAIN_PADDINGS}
        self.names = [k for k in (window | edges) if k != "source"]
        self.plain_names = [k for k in plain if k != "source"]
        self.max = define_op(f"MaxPool{end}", "input: T -> output: T", **window, **edges, **types)
        three = "orig_input: T, orig_output: T, grad: T -> output: T"
        if rank == 3:
            self.max_grad = define_op(
                "MaxPool3DGrad", "orig_input: TInput, orig_output: TInput, grad: T -> output: T", **plain, **types,
                TInput=types["T"], accuracy="composed",
            )  # fmt: skip
        else:
            self.max_grad = define_op(f"MaxPool{end}Grad", three, accuracy="dot", **window, **edges, **types)
        self.max_grad_grad = define_op(f"MaxPool{end}GradGrad", three, **plain, **types)
        value = "value" if rank == 2 else "input"
        self.mean = define_op(f"AvgPool{end}", f"{value}: T -> output: T", T=FLOATS, accuracy="dot", **plain)
        self.mean_grad = define_op(f"AvgPool{end}Grad", "orig_input_shape: int32[R], grad: T -> output: T", T=FLOATS,
                                   accuracy="dot", **plain)  # fmt: skip
        self.max.work(work.pooling)  # [W19]
        self.mean.work(work.pooling)
        self._kernels()
        self._shapes()
        self._gradients()

    def _kernels(self) -> None:
        def largest(input, **attrs):
            x, axes, _ = whole(attrs, input)
            y = _largest(x.reshape(-1, *x.shape[-2:]) if x.ndim > len(axes) + 2 else x, axes)
            if x.ndim > len(axes) + 2:
                y = y.reshape(*x.shape[:-2], -1)
            return as_format(y, attrs["data_format"])

        def back(orig_input, orig_output, grad, **attrs):
            layout = attrs["data_format"]
            x, axes, deep = whole(attrs, orig_input)
            dy = wide(channels_last(grad, layout))
            if deep:
                flat_x, flat_dy = (v.reshape(-1, v.shape[-1], 1) for v in (channels_last(orig_input, layout), dy))
                back = spread(flat_x, flat_dy, axes).reshape(x.shape[:-1])
                return as_format(back.astype(grad.dtype), layout)
            return as_format(spread(x, dy, axes).astype(grad.dtype, copy=False), layout)

        def back_back(orig_input, orig_output, grad, **attrs):
            layout = attrs["data_format"]
            x, axes, _ = whole(attrs, orig_input)
            return as_format(picked(x, channels_last(grad, layout), axes), layout)

        def mean(value, **attrs):
            x, axes, _ = whole(attrs, value)
            return as_format(_means(wide(x), axes).astype(value.dtype, copy=False), attrs["data_format"])

        def mean_back(orig_input_shape, grad, **attrs):
            layout = attrs["data_format"]
            dims = [int(s) for s in orig_input_shape]
            dy = wide(channels_last(grad, layout))
            like = np.broadcast_to(np.zeros((), dy.dtype), dims)
            _, axes, _ = whole(attrs, like)
            share = dy / _counts(axes).astype(dy.dtype)
            total = np.zeros((len(dy), *(a.size + a.before + a.after for a in axes), dy.shape[-1]), dy.dtype)
            for _, view in places(axes):
                part = total[view]
                part += share
            return as_format(cropped(total, axes).astype(grad.dtype, copy=False), layout)

        register_with_attrs(self.max, largest, self.names)
        register_with_attrs(self.max_grad, back, self.names if self.rank == 2 else self.plain_names)
        register_with_attrs(self.max_grad_grad, back_back, self.plain_names)
        register_with_attrs(self.mean, mean, self.plain_names)
        register_with_attrs(self.mean_grad, mean_back, self.plain_names)

    def _shapes(self) -> None:
        rank = self.rank

        def forward(context: ShapeContext) -> shapes.Shape:
            return checks.forward(context, rank, context.attrs["ksize"], context.attrs["strides"])

        def back(context: ShapeContext) -> shapes.Shape:
            return checks.max_backward(context, rank, context.attrs["ksize"], context.attrs["strides"])

        self.max.shape(forward)
        self.mean.shape(forward)
        self.max_grad.shape(back)
        self.max_grad_grad.shape(back)
        self.mean_grad.shape(lambda context: checks.mean_backward(context, rank))

    def _gradients(self) -> None:
        def given(op, names):
            return {n: op.attrs[n] for n in names}

        @self.max.gradient
        def max_gradient(op, dy):
            """Each window's gradient goes to its first largest cell."""
            attrs = given(op, self.names if self.rank == 2 else self.plain_names)
            return self.max_grad(op.inputs[0], op.outputs[0], dy, **attrs)

        @self.max_grad.gradient
        def max_grad_gradient(op, ddx):
            """What stands at those cells."""
            x, y, _ = op.inputs
            attrs = given(op, self.plain_names)
            return ZEROS_LIKE(x), ZEROS_LIKE(y), self.max_grad_grad(x, y, ddx, **attrs)

        @self.max_grad_grad.gradient
        def max_grad_grad_gradient(op, ddy):
            """Back to those cells."""
            x, y, _ = op.inputs
            attrs = given(op, self.plain_names)
            return ZEROS_LIKE(x), ZEROS_LIKE(y), self.max_grad(x, y, ddy, **attrs)

        @self.mean.gradient
        def mean_gradient(op, dy):
            """Every cell of a window gets its share."""
            return self.mean_grad(shape(op.inputs[0]), dy, **given(op, self.plain_names))

        @self.mean_grad.gradient
        def mean_grad_gradient(op, ddx):
            """The mean again."""
            return None, self.mean(ddx, **given(op, self.plain_names))


POOL_2D, POOL_3D = _Pools(2), _Pools(3)


# -- windows that come as tensors --------------------------------------------------------------------------------


def _v2(name: str, base: OpDef, inputs: str) -> OpDef:
    """`base` with ksize and strides as inputs instead of attributes."""
    types: dict[str, Any] = {"T": base.attrs["T"], "data_format": base.attrs["data_format"], "padding": PLAIN_PADDINGS}
    op_def = define_op(name, f"{inputs}, ksize: int32, strides: int32 -> output: T", source=base.source,
                       accuracy=base.accuracy, **types)
    kernel = base.reference

    def run(*tensors, data_format, padding):
        *data, ksize, strides = tensors
        return kernel(*data, ksize=[int(k) for k in ksize], strides=[int(s) for s in strides], padding=padding,
                      data_format=data_format)  # fmt: skip

    register_with_attrs(op_def, run, ["data_format", "padding"])

    rule = checks.max_backward if "Grad" in name else checks.forward
    op_def.shape(lambda context: rule(context, 2, context.ints("ksize"), context.ints("strides")))
    if name != "MaxPoolGradV2":
        op_def.built_with(ksize=1, strides=1)
    return op_def


MAX_POOL_V2 = _v2("MaxPoolV2", POOL_2D.max, "input: T")
MAX_POOL_GRAD_V2 = _v2("MaxPoolGradV2", POOL_2D.max_grad, "orig_input: T, orig_output: T, grad: T")
MAX_POOL_GRAD_GRAD_V2 = _v2("MaxPoolGradGradV2", POOL_2D.max_grad_grad, "orig_input: T, orig_output: T, grad: T")


def _v2_attrs(op: Any) -> dict[str, Any]:
    return {n: op.attrs[n] for n in ("data_format", "padding")}


@MAX_POOL_V2.gradient
def _max_pool_v2_gradient(op, dy):
    """Each window's gradient goes to its first largest cell."""
    x, ksize, strides = op.inputs
    return MAX_POOL_GRAD_V2(x, op.outputs[0], dy, ksize, strides, **_v2_attrs(op)), None, None


@MAX_POOL_GRAD_V2.gradient
def _max_pool_grad_v2_gradient(op, ddx):
    """What stands at those cells."""
    x, y, _, ksize, strides = op.inputs
    back = MAX_POOL_GRAD_GRAD_V2(x, y, ddx, ksize, strides, **_v2_attrs(op))
    return ZEROS_LIKE(x), ZEROS_LIKE(y), back, None, None


@MAX_POOL_GRAD_GRAD_V2.gradient
def _max_pool_grad_grad_v2_gradient(op, ddy):
    """Back to those cells."""
    x, y, _, ksize, strides = op.inputs
    back = MAX_POOL_GRAD_V2(x, y, ddy, ksize, strides, **_v2_attrs(op))
    return ZEROS_LIKE(x), ZEROS_LIKE(y), back, None, None


_X = np.array([[1, 2, 5], [4, 3, 6], [9, 8, 7]], np.float32).reshape(1, 3, 3, 1)
_Y = np.array([[4, 6], [9, 8]], np.float32).reshape(1, 2, 2, 1)
_DY = np.array([[1, 10], [100, 1000]], np.float32).reshape(1, 2, 2, 1)
_DX = np.array([[0, 0, 0], [1, 0, 10], [100, 1000, 0]], np.float32).reshape(1, 3, 3, 1)
_W: dict[str, Any] = {"ksize": [1, 2, 2, 1], "strides": [1, 1, 1, 1], "padding": "VALID"}
POOL_2D.max.case("W74", "the largest of each window", input=_X, **_W, output=_Y)
_ROW: dict[str, Any] = {"ksize": [1, 1, 3, 1], "strides": [1, 1, 2, 1], "padding": "SAME"}
_FALLING = np.array([4, 3, 2, 1], np.float32).reshape(1, 1, 4, 1)
_LARGEST = np.array([4, 2], np.float32).reshape(1, 1, 2, 1)
POOL_2D.max.case("W74", "SAME pads at the end first", input=_FALLING, **_ROW, output=_LARGEST)
POOL_2D.max_grad.case("W75", "SAME pads at the end first", orig_input=_FALLING, orig_output=_LARGEST, grad=_LARGEST,
                      **_ROW, output=np.array([4, 0, 2, 0], np.float32).reshape(1, 1, 4, 1))  # fmt: skip
POOL_2D.max.case("W74", "windows fit", input=_X, ksize=[1, 5, 5, 1], strides=[1, 1, 1, 1], padding="VALID",
                 error="Computed output size would be negative")  # fmt: skip
POOL_2D.max_grad.case("W75", "to the largest cell", orig_input=_X, orig_output=_Y, grad=_DY, **_W, output=_DX)
POOL_2D.max_grad.case("W75", "the first of equals", orig_input=np.ones((1, 2, 2, 1), np.float32),
                      orig_output=np.ones((1, 1, 1, 1), np.float32), grad=np.full((1, 1, 1, 1), 5, np.float32), **_W,
                      output=np.array([5, 0, 0, 0], np.float32).reshape(1, 2, 2, 1))  # fmt: skip
POOL_2D.max_grad_grad.case(
    "W75", "what stands there", orig_input=_X, orig_output=_Y, grad=10 * _X, **_W, output=10 * _Y
)
POOL_2D.mean.case("W75", "real cells only", value=_X, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME",
                  output=np.array([[2.5, 5.5], [8.5, 7]], np.float32).reshape(1, 2, 2, 1))  # fmt: skip
POOL_2D.mean_grad.case("W75", "equal shares", orig_input_shape=[1, 3, 3, 1], grad=4 * np.ones((1, 2, 2, 1),
                       np.float32), **_W,
                       output=np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32).reshape(1, 3, 3, 1))  # fmt: skip
POOL_2D.mean_grad.case("W75", "SAME pads at the end first", orig_input_shape=[1, 1, 4, 1], grad=np.array([3, 4],
                       np.float32).reshape(1, 1, 2, 1), **_ROW,
                       output=np.array([1, 1, 3, 2], np.float32).reshape(1, 1, 4, 1))  # fmt: skip
_W2: dict[str, Any] = {"ksize": [1, 2, 2, 1], "strides": [1, 1, 1, 1], "padding": "VALID"}
MAX_POOL_V2.case("W74", "the largest of each window", input=_X, **_W2, output=_Y)
MAX_POOL_GRAD_V2.case("W75", "to the largest cell", orig_input=_X, orig_output=_Y, grad=_DY, **_W2, output=_DX)
MAX_POOL_GRAD_GRAD_V2.case("W75", "what stands there", orig_input=_X, orig_output=_Y, grad=10 * _X, **_W2,
                           output=10 * _Y)  # fmt: skip
_V = np.arange(1, 9, dtype=np.float32).reshape(1, 2, 2, 2, 1)
_C: dict[str, Any] = {"ksize": [1, 2, 2, 2, 1], "strides": [1, 1, 1, 1, 1], "padding": "VALID"}
_ONE = np.full((1, 1, 1, 1, 1), 8, np.float32)
POOL_3D.max.case("E07", "the largest of a cube", input=_V, **_C, output=_ONE)
POOL_3D.max_grad.case("E07", "to the largest cell", orig_input=_V, orig_output=_ONE, grad=_ONE, **_C,
                      output=np.where(_V == 8, 8, 0).astype(np.float32))  # fmt: skip
POOL_3D.max_grad_grad.case("E07", "what stands there", orig_input=_V, orig_output=_ONE, grad=_V, **_C, output=_ONE)
POOL_3D.mean.case("E07", "the mean of a cube", input=_V, **_C, output=np.full((1, 1, 1, 1, 1), 4.5, np.float32))
POOL_3D.mean_grad.case("E07", "equal shares", orig_input_shape=[1, 2, 2, 2, 1], grad=_ONE, **_C,
                       output=np.ones((1, 2, 2, 2, 1), np.float32))  # fmt: skip
