"""Maxima that also say where they are, and slopes that are told [W75].

    place = (y * W + x) * C + c            plus n * H * W * C with include_batch_in_index

Next: ops/batch_norm.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, REALS, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import wide
from refflow.ops import pool_checks as checks
from refflow.ops.conv import PLAIN_PADDINGS
from refflow.ops.pool import whole, winners
from refflow.ops.windows import padded, places

_PLACE_ATTRS: dict[str, Any] = {
    "ksize": Attr("list(int)"), "strides": Attr("list(int)"), "padding": PLAIN_PADDINGS,
    "include_batch_in_index": False, "source": ("W75",),
}  # fmt: skip
WITH_ARGMAX = define_op("MaxPoolWithArgmax", "input: T -> output: T, argmax: Targmax", T=REALS,
                        Targmax=Attr("type", default=int64, allowed=INDICES), **_PLACE_ATTRS)  # fmt: skip
GRAD_WITH_ARGMAX = define_op("MaxPoolGradWithArgmax", "input: T, grad: T, argmax: Targmax -> output: T", T=REALS,
                             Targmax=Attr("type", allowed=INDICES), accuracy="dot", **_PLACE_ATTRS)  # fmt: skip
GRAD_GRAD_WITH_ARGMAX = define_op(
    "MaxPoolGradGradWithArgmax", "input: T, grad: T, argmax: Targmax -> output: T", T=REALS,
    Targmax=Attr("type", allowed=INDICES), **_PLACE_ATTRS,
)  # fmt: skip


@WITH_ARGMAX.kernel
def max_pool_with_argmax_kernel(input, ksize, strides, padding, Targmax=int64, include_batch_in_index=False):
    attrs = {"ksize": ksize, "strides": strides, "padding": padding, "data_format": "NHWC"}
    x, axes, _ = whole(attrs, input)
    y, winner = winners(x, axes)
    cells = np.broadcast_to(np.arange(x[0].size if len(x) else 0).reshape(1, *x.shape[1:]), x.shape)
    if include_batch_in_index:
        cells = cells + np.arange(len(x)).reshape(-1, 1, 1, 1) * x[0].size
    image, found = padded(cells, axes), np.zeros(y.shape, np.int64)
    for number, (_, view) in enumerate(places(axes)):
        found = np.where(winner == number, image[view], found)
    return y, found.astype(Targmax.as_numpy_dtype)


@WITH_ARGMAX.shape
def _with_argmax_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = context.dims("input")
    if dims is not None and 0 in dims:
        raise ShapeError(f"tensor_in must not be empty (2), got shape {shapes.text(dims)}")
    return [checks.forward(context, 2, context.attrs["ksize"], context.attrs["strides"])] * 2


def _check_places(context: ShapeContext, wanted_grad: shapes.Shape) -> shapes.Shape:
    """The shape of the pool, once the gradient and the places fit it."""
    dims = context.dims("input")
    checks.check_rank(dims, "tensor_in", 2)
    pooled = checks.pooled_dims(context, dims, 2, context.attrs["ksize"], context.attrs["strides"])
    for name, wanted in (("grad", wanted_grad or pooled), ("argmax", pooled)):
        given = context.dims(name)
        if not shapes.compatible(given, wanted):
            raise ShapeError(f"Expected {name} shape to be {shapes.text(wanted)}, but got {shapes.text(given)}")
    return pooled


def _flat_places(x: np.ndarray, argmax: np.ndarray, with_batch: bool) -> np.ndarray:
    flat = argmax.reshape(len(argmax), -1)
    if not with_batch:
        flat = flat + np.arange(len(flat))[:, None] * prod(x.shape[1:])
    if flat.size and (flat.min() < 0 or flat.max() >= x.size):
        raise ValueError(f"argmax names cells outside the input: {int(flat.min())} to {int(flat.max())} of {x.size}")
    return flat.reshape(-1)


@GRAD_WITH_ARGMAX.kernel
def max_pool_grad_with_argmax_kernel(input, grad, argmax, include_batch_in_index=False):
    total = np.zeros(input.size, wide(grad).dtype)
    np.add.at(total, _flat_places(input, argmax, include_batch_in_index), wide(grad).reshape(-1))
    return total.reshape(input.shape).astype(grad.dtype)


@GRAD_WITH_ARGMAX.shape
def _grad_with_argmax_shape(context: ShapeContext) -> shapes.Shape:
    _check_places(context, None)
    return of_rank(context.dims("input"), 4)


@GRAD_GRAD_WITH_ARGMAX.kernel
def max_pool_grad_grad_with_argmax_kernel(input, grad, argmax, include_batch_in_index=False):
    return grad.reshape(-1)[_flat_places(input, argmax, include_batch_in_index)].reshape(argmax.shape)


@GRAD_GRAD_WITH_ARGMAX.shape
def _grad_grad_with_argmax_shape(context: ShapeContext) -> shapes.Shape:
    return shapes.merge(_check_places(context, context.dims("input")), context.dims("argmax"))


@WITH_ARGMAX.gradient
def _with_argmax_gradient(op, dy, _):
    """Each window's gradient goes to the cell that is named."""
    attrs = {n: op.attrs[n] for n in ("ksize", "strides", "padding", "include_batch_in_index")}
    return GRAD_WITH_ARGMAX(op.inputs[0], dy, op.outputs["argmax"], **attrs)


GRAD_WITH_ARGMAX.no_gradient_registered()
GRAD_GRAD_WITH_ARGMAX.no_gradient_registered()

_X = np.array([[1, 2, 5], [4, 3, 6], [9, 8, 7]], np.float32).reshape(1, 3, 3, 1)
_Y = np.array([[4, 6], [9, 8]], np.float32).reshape(1, 2, 2, 1)
_DY = np.array([[1, 10], [100, 1000]], np.float32).reshape(1, 2, 2, 1)
_DX = np.array([[0, 0, 0], [1, 0, 10], [100, 1000, 0]], np.float32).reshape(1, 3, 3, 1)
_W: dict[str, Any] = {"ksize": [1, 2, 2, 1], "strides": [1, 1, 1, 1], "padding": "VALID"}
WITH_ARGMAX.case("W75", "and where it is", input=_X, **_W, output=_Y,
                 argmax=np.array([[3, 5], [6, 7]]).reshape(1, 2, 2, 1))  # fmt: skip
GRAD_WITH_ARGMAX.case("W75", "to the named cell", input=_X, grad=_DY, argmax=np.array([[3, 5], [6,
                      7]]).reshape(1, 2, 2, 1),
                      **_W, output=_DX)  # fmt: skip
GRAD_GRAD_WITH_ARGMAX.case("W75", "what stands there", input=_X, grad=10 * _X, **_W,
                           argmax=np.array([[3, 5], [6, 7]]).reshape(1, 2, 2, 1), output=10 * _Y)  # fmt: skip
