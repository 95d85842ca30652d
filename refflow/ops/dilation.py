"""Grey dilation: the largest of image plus filter over each window, and the two gradients [W74].

    y[n, o, c] = max over places p of  x[n, o * stride + p * rate - before, c] + w[p, c]

Cells outside the image do not take part. The slope of a maximum goes to one place, the first in scan order: to the
cell of the image that won, and to the place of the filter that won. Erosion is the dilation of -x with the filter
mirrored, negated again.

Next: ops/pool.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import REALS
from refflow.core.errors import ShapeError, UnimplementedError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import either, need_rank, of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.windows import Window, cropped, padded, places, sizes_out, windows

_ATTRS: dict[str, Any] = {
    "T": REALS, "strides": Attr("list(int)", minimum=4), "rates": Attr("list(int)", minimum=4),
    "padding": Attr("string", allowed=("SAME", "VALID")), "source": ("W74",),
}  # fmt: skip
DILATION = define_op("Dilation2D", "input: T, filter: T -> output: T", accuracy="rounded", **_ATTRS)
TO_INPUT = define_op("Dilation2DBackpropInput", "input: T, filter: T, out_backprop: T -> in_backprop: T",
                     accuracy="dot", **_ATTRS)  # fmt: skip
TO_FILTER = define_op("Dilation2DBackpropFilter", "input: T, filter: T, out_backprop: T -> filter_backprop: T",
                      accuracy="dot", **_ATTRS)  # fmt: skip
TO_INPUT.no_gradient_registered()
TO_FILTER.no_gradient_registered()


def _lowest(dtype: np.dtype) -> Any:
    return np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min


def _axes(x: np.ndarray, w: np.ndarray, strides: list[int], rates: list[int], padding: str) -> list[Window]:
    return windows(x.shape[1:3], w.shape[:2], strides[1:3], rates[1:3], padding)


def _winners(x: np.ndarray, w: np.ndarray, axes: list[Window]) -> tuple[np.ndarray, np.ndarray]:
    """The largest sum of each window [N, H, W, C], and the number of the place that has it first."""
    image, inside = padded(x, axes), padded(np.ones((1, *x.shape[1:3], 1), bool), axes, False)
    dims = (len(x), *(a.out for a in axes), x.shape[3])
    best = np.full(dims, _lowest(x.dtype), x.dtype)
    winner = np.zeros(dims, np.int64)
    for number, (at, view) in enumerate(places(axes)):
        total = image[view] + w[at]
        better = inside[view] & (total > best)
        best, winner = np.where(better, total, best), np.where(better, number, winner)
    return best, winner


@DILATION.kernel
def dilation_kernel(input, filter, strides, rates, padding):
    return _winners(input, filter, _axes(input, filter, strides, rates, padding))[0]


@TO_INPUT.kernel
def dilation_to_input_kernel(input, filter, out_backprop, strides, rates, padding):
    axes = _axes(input, filter, strides, rates, padding)
    winner = _winners(input, filter, axes)[1]
    spread = (len(input), *(a.size + a.before + a.after for a in axes), input.shape[3])
    total = np.zeros(spread, out_backprop.dtype)
    for number, (_, view) in enumerate(places(axes)):
        part = total[view]
        part += np.where(winner == number, out_backprop, out_backprop.dtype.type(0))
    return np.ascontiguousarray(cropped(total, axes))


@TO_FILTER.kernel
def dilation_to_filter_kernel(input, filter, out_backprop, strides, rates, padding):
    axes = _axes(input, filter, strides, rates, padding)
    winner = _winners(input, filter, axes)[1]
    total = np.zeros(filter.shape, out_backprop.dtype)
    for number, (at, _) in enumerate(places(axes)):
        total[at] = np.where(winner == number, out_backprop, out_backprop.dtype.type(0)).sum((0, 1, 2))
    return total


def _out_dims(context: ShapeContext) -> shapes.Shape:
    attrs = context.attrs
    for name, word in (("strides", "Stride"), ("rates", "Rate")):
        values = attrs[name]
        if len(values) != 4:
            raise ShapeError(f"Sliding window {word.lower()} field must specify 4 dimensions, got {len(values)}")
        if values[0] != 1 or values[3] != 1:
            raise UnimplementedError(None, None, f"{word} is only supported across spatial dimensions.")
        if min(values) < 1:
            raise ShapeError(f"{word} must be > 0, but got {min(values)}")
    x, w = context.dims("input"), context.dims("filter")
    need_rank(x, 4, "input must be 4-dimensional{0}")
    need_rank(w, 3, "filter must be 3-dimensional: {0}")
    x, w = of_rank(x, 4), of_rank(w, 3)
    if None not in (x[3], w[2]) and x[3] != w[2]:
        raise ShapeError(f"input and filter must have the same depth: {x[3]} vs {w[2]}")
    outs = sizes_out(x[1:3], w[:2], attrs["strides"][1:3], attrs["rates"][1:3], attrs["padding"])
    return (x[0], *outs, either(x[3], w[2]))


@DILATION.shape
def _dilation_shape(context: ShapeContext) -> shapes.Shape:
    return _out_dims(context)


def _checked_back(context: ShapeContext) -> None:
    wanted, given = _out_dims(context), context.dims("out_backprop")
    need_rank(given, 4, "out_backprop must be 4-dimensional{0}")
    if not shapes.compatible(wanted, given):
        raise ShapeError(
            f"out_backprop has incompatible size. Got {shapes.text(given)}, expected {shapes.text(wanted)}"
        )


@TO_INPUT.shape
def _to_input_shape(context: ShapeContext) -> shapes.Shape:
    _checked_back(context)
    return context.dims("input")


@TO_FILTER.shape
def _to_filter_shape(context: ShapeContext) -> shapes.Shape:
    _checked_back(context)
    return context.dims("filter")


@DILATION.gradient
def _dilation_gradient(op, dy):
    """To the cell and to the place that won."""
    x, w = op.inputs
    attrs = {n: op.attrs[n] for n in ("strides", "rates", "padding")}
    return TO_INPUT(x, w, dy, **attrs), TO_FILTER(x, w, dy, **attrs)


_X = np.array([[1, 2, 5], [4, 3, 6]], np.float32).reshape(1, 2, 3, 1)
_W = np.array([[0.5, 0], [0, 2.75]], np.float32).reshape(2, 2, 1)
_A: dict[str, Any] = {"strides": [1, 1, 1, 1], "rates": [1, 1, 1, 1], "padding": "VALID"}
_DY = np.array([[10, 20]], np.float32).reshape(1, 1, 2, 1)
DILATION.case("W74", "the largest sum", input=_X, filter=_W, **_A,
              output=np.array([5.75, 8.75], np.float32).reshape(1, 1, 2, 1))  # fmt: skip
DILATION.case("W74", "cells outside take no part", input=-_X[:, :1, :1], filter=_W, **_A | {"padding": "SAME"},
              output=np.full((1, 1, 1, 1), -0.5, np.float32))  # fmt: skip
DILATION.case("W74", "depths agree", input=_X, filter=np.zeros((2, 2, 3), np.float32), **_A,
              error="input and filter must have the same depth: 1 vs 3")  # fmt: skip
TO_INPUT.case("W74", "to the cells that won", input=_X, filter=_W, out_backprop=_DY, **_A,
              in_backprop=np.array([0, 0, 0, 0, 10, 20], np.float32).reshape(1, 2, 3, 1))  # fmt: skip
TO_FILTER.case("W74", "to the places that won", input=_X, filter=_W, out_backprop=_DY, **_A,
               filter_backprop=np.array([0, 0, 0, 30], np.float32).reshape(2, 2, 1))  # fmt: skip
TO_FILTER.case("W74", "what comes in has the shape of the output", input=_X, filter=_W, out_backprop=_X, **_A,
               error="out_backprop has incompatible size")  # fmt: skip
