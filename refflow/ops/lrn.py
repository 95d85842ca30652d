"""Local response normalisation: each channel by its neighbours' squares [W06].

    LRN     y[c] = x[c] / (bias + alpha * sum of x[j]**2 for |j - c| <= depth_radius) ** beta

Next: ops/activations.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, float32
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank, of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import wide

_LRN: dict[str, Any] = {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5,
                        "T": Attr("type", default=float32, allowed=FLOATS), "accuracy": "composed"}  # fmt: skip
LRN = define_op("LRN", "input: T -> output: T", source=("W06",), **_LRN)
LRN_GRAD = define_op(
    "LRNGrad", "input_grads: T, input_image: T, output_image: T -> output: T", source=("W30",), **_LRN,
)  # fmt: skip


def _band_sums(x: np.ndarray, radius: int) -> np.ndarray:
    """For each channel the sum over the channels at most `radius` away."""
    size = x.shape[-1]
    near = np.abs(np.arange(size)[:, None] - np.arange(size)) <= radius
    return x @ near.astype(x.dtype)


@LRN.kernel
def lrn_kernel(input, depth_radius=5, bias=1.0, alpha=1.0, beta=0.5):
    x = wide(input)
    norm = bias + alpha * _band_sums(x * x, depth_radius)
    return (x * norm ** x.dtype.type(-beta)).astype(input.dtype)


@LRN_GRAD.kernel
def lrn_grad_kernel(input_grads, input_image, output_image, depth_radius=5, bias=1.0, alpha=1.0, beta=0.5):
    """dx = dy * norm**-beta - 2 alpha beta x * the band sum of dy * y / norm."""
    dy, x, y = (wide(a) for a in (input_grads, input_image, output_image))
    norm = bias + alpha * _band_sums(x * x, depth_radius)
    back = dy * norm ** x.dtype.type(-beta) - 2 * alpha * beta * x * _band_sums(dy * y / norm, depth_radius)
    return back.astype(input_grads.dtype)


@LRN.shape
def _lrn_shape(context: ShapeContext) -> shapes.Shape:
    dims, radius = context.dims("input"), context.attrs["depth_radius"]
    if not 0 <= radius < 2**31:
        raise ShapeError(f"depth_radius = {radius} larger than int max, or less than 0")
    need_rank(dims, 4, "in must be 4-dimensional, got {0}")
    return (None,) * 4 if dims is None else dims


@LRN_GRAD.shape
def _lrn_grad_shape(context: ShapeContext) -> shapes.Shape:
    dims = of_rank(context.dims("input_grads"), 4)
    for name in ("input_grads", "input_image", "output_image"):
        given = context.dims(name)
        if given is not None and len(given) != 4:
            raise ShapeError(f"inputs must be 4-dimensional, but {name} is {shapes.text(given)}")
        if not shapes.compatible(given, dims):
            raise ShapeError(
                f"input_grads, input_image, and out_image should have the same shape: {shapes.text(dims)} and "
                f"{shapes.text(given)}"
            )
        dims = shapes.merge(dims, given) or ()
    return dims


@LRN.gradient
def _lrn_gradient(op, dy):
    """From the op of the slope."""
    attrs = {n: op.attrs[n] for n in ("depth_radius", "bias", "alpha", "beta")}
    return LRN_GRAD(dy, op.inputs[0], op.outputs[0], **attrs)


LRN_GRAD.no_gradient_registered()
LRN.case("W06", "by the neighbours' squares", input=np.array([3, 4], np.float32).reshape(1, 1, 1, 2), bias=0.0,
         depth_radius=1,
         output=np.array([0.6, 0.8], np.float32).reshape(1, 1, 1, 2))  # fmt: skip
LRN.case("W06", "neighbours are counted from 0 up", input=np.zeros((1, 1, 1, 2), np.float32), depth_radius=-1,
         error="depth_radius = -1 larger than int max")  # fmt: skip
LRN_GRAD.case("W30", "one channel alone", input_grads=np.full((1, 1, 1, 1), 2, np.float32),
              input_image=np.full((1, 1, 1, 1), 3, np.float32), output_image=np.full((1, 1, 1, 1), 3,
              np.float32), alpha=0.0,
              output=np.full((1, 1, 1, 1), 2, np.float32))  # fmt: skip
