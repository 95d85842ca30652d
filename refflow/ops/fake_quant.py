"""Fake quantization: floats rounded to what a few bits could say, and floats still.

A range [min, max] and n bits give q = 0 (1 if narrow) ... 2**n - 1. The range is nudged so that zero is a step:

    scale = (max - min) / (q_max - q_min)        zero = round(q_min - min / scale), within [q_min, q_max]
    [min', max'] = [(q_min - zero) scale, (q_max - zero) scale]
    y = (floor((x within [min', max'] - min') / scale - zero' + 1/2)) scale      zero' = -min' / scale, a whole number

Gradient: dx = dy where min' <= x <= max'; dmin and dmax are the sums of dy below and above. Where min = max = 0, y = 0
and dx = dy. Args takes the range from attributes, Vars from scalars, VarsPerChannel one for each place of the last
axis.

Next: ops/quantize.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.errors import THIS_NODE, ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import either, size_at
from refflow.core.shape_rules import ShapeContext

_BITS: dict[str, Any] = {"num_bits": 8, "narrow_range": False}
_ONE = np.float32(1)

ARGS = define_op("FakeQuantWithMinMaxArgs", "inputs: float32[...S] -> outputs: float32[...S]", min=-6.0, max=6.0,
                 accuracy="composed", source=("W06",), **_BITS)  # fmt: skip
ARGS_GRAD = define_op("FakeQuantWithMinMaxArgsGradient",
                      "gradients: float32[...S], inputs: float32[...S] -> backprops: float32[...S]", min=-6.0, max=6.0,
                      source=("W30",), **_BITS)  # fmt: skip
VARS = define_op("FakeQuantWithMinMaxVars", "inputs: float32[...S], min: float32, max: float32 -> "
                 "outputs: float32[...S]", accuracy="composed", source=("W06",), **_BITS)  # fmt: skip
VARS_GRAD = define_op(
    "FakeQuantWithMinMaxVarsGradient", "gradients: float32[...S], inputs: float32[...S], min: float32, max: float32 -> "
    "backprops_wrt_input: float32[...S], backprop_wrt_min: float32, backprop_wrt_max: float32", accuracy="dot",
    source=("W30",), **_BITS,
)  # fmt: skip
CHANNEL = define_op("FakeQuantWithMinMaxVarsPerChannel", "inputs: float32[...S], min: float32[C], max: float32[C] -> "
                    "outputs: float32[...S]", accuracy="composed", source=("W06",), **_BITS)  # fmt: skip
CHANNEL_GRAD = define_op(
    "FakeQuantWithMinMaxVarsPerChannelGradient",
    "gradients: float32[...S], inputs: float32[...S], min: float32[C], max: float32[C] -> "
    "backprops_wrt_input: float32[...S], backprop_wrt_min: float32[C], backprop_wrt_max: float32[C]", accuracy="dot",
    source=("W30",), **_BITS,
)  # fmt: skip


def nudged(low: Any, high: Any, bits: int, narrow: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The range around a whole zero, and the size of a step."""
    if not 2 <= bits <= 16:
        raise ValueError(f"num_bits must be between 2 and 16, inclusive, got {bits}")
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    least, most = np.float32(narrow), np.float32(2**bits - 1)
    scale = (high - low) / (most - least)
    zero = least - low / scale
    zero = np.where(zero < least, least, np.where(zero > most, most, np.floor(zero + np.float32(0.5))))
    return (least - zero) * scale, (most - zero) * scale, scale


def faked(x: np.ndarray, low: Any, high: Any, bits: int, narrow: bool) -> np.ndarray:
    below, above, scale = nudged(low, high, bits, narrow)
    per_unit = _ONE / scale
    zero = np.floor(-below * per_unit + np.float32(0.5))
    y = np.maximum(np.minimum(x, above), below)
    y -= below
    y *= per_unit
    y -= zero
    y += np.float32(0.5)
    y = np.floor(y, out=y if y.ndim else None)
    y *= scale
    empty = (np.asarray(low) == 0) & (np.asarray(high) == 0)
    return np.where(empty, np.float32(0), y).astype(np.float32) if empty.any() else y


def _faked_gradient(dy, x, low, high, bits, narrow, axes):
    below, above, _ = nudged(low, high, bits, narrow)
    empty = (low == 0) & (high == 0)  # nothing is rounded there: the gradient passes
    under, over = (x < below) & ~empty, (x > above) & ~empty
    inside = ((x >= below) & (x <= above)) | empty
    sums = [(side * dy).sum(axis=axes, dtype=np.float32) for side in (under, over)]
    return inside * dy, *(np.asarray(s, np.float32) for s in sums)


def _check_args(low: float, high: float) -> None:
    if low >= high:
        raise ValueError(f"min has to be smaller than max, was: {low:g} >= {high:g}")


@ARGS.kernel
def fake_quant_args_kernel(inputs, min=-6.0, max=6.0, num_bits=8, narrow_range=False):
    _check_args(min, max)
    return faked(inputs, min, max, num_bits, narrow_range)


@ARGS.gradient
def _args_gradient(op, dy):
    """dx = dy within the range."""
    names = ("min", "max", "num_bits", "narrow_range")
    return ARGS_GRAD(dy, op.inputs[0], **{name: op.attrs[name] for name in names})


@ARGS_GRAD.shape
def _args_grad_shape(context: ShapeContext) -> shapes.Shape:
    dy, x = context.dims("gradients"), context.dims("inputs")
    if not shapes.compatible(dy, x):
        raise ShapeError(
            f"Inputs to operation {THIS_NODE} of type {context.op_def.name} must have the same size and shape.  "
            f"Input 0: {shapes.text(dy)} != input 1: {shapes.text(x)}"
        )
    return shapes.merge(dy, x)


@ARGS_GRAD.kernel
def fake_quant_args_gradient_kernel(gradients, inputs, min=-6.0, max=6.0, num_bits=8, narrow_range=False):
    _check_args(min, max)
    below, above, _ = nudged(min, max, num_bits, narrow_range)
    return ((inputs >= below) & (inputs <= above)) * gradients


@VARS.kernel
def fake_quant_vars_kernel(inputs, min, max, num_bits=8, narrow_range=False):
    return faked(inputs, min, max, num_bits, narrow_range)


@VARS_GRAD.kernel
def fake_quant_vars_gradient_kernel(gradients, inputs, min, max, num_bits=8, narrow_range=False):
    return _faked_gradient(gradients, inputs, min, max, num_bits, narrow_range, None)


@CHANNEL.kernel
def fake_quant_channel_kernel(inputs, min, max, num_bits=8, narrow_range=False):
    return faked(inputs, min, max, num_bits, narrow_range)


@CHANNEL_GRAD.kernel
def fake_quant_channel_gradient_kernel(gradients, inputs, min, max, num_bits=8, narrow_range=False):
    axes = tuple(range(inputs.ndim - 1))
    return _faked_gradient(gradients, inputs, min, max, num_bits, narrow_range, axes)


def _check_range(context: ShapeContext, rank: int) -> shapes.Shape:
    dims = context.dims("inputs")
    if rank and dims == ():
        raise ShapeError("inputs must be at least rank 1, for their last axis has a range each")
    for name in ("min", "max"):
        given = context.dims(name)
        if given is not None and len(given) != rank:
            raise ShapeError(f"`{name}` must be rank {rank} but is rank {len(given)}")
        if rank and given and dims and None not in (given[0], dims[-1]) and given[0] != dims[-1]:
            raise ShapeError(f"{name} has incorrect size, expected {dims[-1]} was {given[0]}")
    gradient = "gradients" in [a.name for a in context.op_def.inputs]
    if gradient and not shapes.compatible(dims, context.dims("gradients")):
        raise ShapeError(
            "gradient and input must be the same size, gradients have shape "
            f"{shapes.text(context.dims('gradients'))}, inputs {shapes.text(dims)}"
        )
    if rank and dims:
        for name in ("min", "max"):
            dims = (*dims[:-1], either(dims[-1], size_at(context.dims(name), 0)))
    return shapes.merge(dims, context.dims("gradients")) if gradient else dims


VARS.shape(lambda context: _check_range(context, 0))
CHANNEL.shape(lambda context: _check_range(context, 1))
VARS_GRAD.shape(lambda context: [_check_range(context, 0), (), ()])


@CHANNEL_GRAD.shape
def _channel_grad_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = _check_range(context, 1)
    count = (size_at(dims, -1),)
    return [dims, count, count]


@VARS.gradient
def _vars_gradient(op, dy):
    """As above: dx within the range, dmin below, dmax above."""
    return list(VARS_GRAD(dy, *op.inputs, num_bits=op.attrs["num_bits"], narrow_range=op.attrs["narrow_range"]))


@CHANNEL.gradient
def _channel_gradient(op, dy):
    """As above, for each channel."""
    attrs = {name: op.attrs[name] for name in ("num_bits", "narrow_range")}
    return list(CHANNEL_GRAD(dy, *op.inputs, **attrs))


for _op in (ARGS_GRAD, VARS_GRAD, CHANNEL_GRAD):
    _op.no_gradient()

_X = [-1.0, 0.1, 0.6, 2.6, 9.0]
ARGS.case("W06", "two bits are four steps", inputs=_X, min=0.0, max=3.0, num_bits=2, outputs=[0, 0, 1, 3, 3])
ARGS.case("W06", "a range goes up", inputs=[0], min=1.0, max=1.0, error="min has to be smaller than max, was: 1 >= 1")
ARGS.case("W06", "so few bits", inputs=[0], num_bits=1, error="num_bits must be between 2 and 16, inclusive")
ARGS_GRAD.case("W30", "it passes within the range", gradients=[1, 2, 3, 4, 5], inputs=_X, min=0.0, max=3.0, num_bits=2,
               backprops=[0, 2, 3, 4, 0])  # fmt: skip
VARS.case("W06", "a narrow range has a step less", inputs=_X, min=0.0, max=2.0, num_bits=2, narrow_range=True,
          outputs=[0, 0, 1, 2, 2])  # fmt: skip
VARS.case("W06", "no range, nothing left", inputs=_X, min=0.0, max=0.0, outputs=[0, 0, 0, 0, 0])
VARS.case("W06", "one range", inputs=_X, min=[0.0], max=0.0, error="`min` must be rank 0 but is rank 1")
VARS_GRAD.case("W30", "what lies outside moves the bounds", gradients=[1, 2, 3, 4, 5], inputs=_X, min=0.0, max=3.0,
               num_bits=2, backprops_wrt_input=[0, 2, 3, 4, 0], backprop_wrt_min=1, backprop_wrt_max=5)  # fmt: skip
VARS_GRAD.case("W30", "as many slopes", gradients=[1], inputs=_X, min=0.0, max=3.0,
               error="gradient and input must be the same size")  # fmt: skip
CHANNEL.case("W06", "a range for each", inputs=[[0.6, 0.6]], min=[0, 0], max=[3, 6], num_bits=2, outputs=[[1, 0]])
CHANNEL.case("W06", "for each", inputs=[[0.6, 0.6]], min=[0], max=[3, 6],
             error="min has incorrect size, expected 2 was 1")  # fmt: skip
CHANNEL_GRAD.case("W30", "sums for each", gradients=[[1, 2], [3, 4]], inputs=[[-1, 7], [1, 9]], min=[0, 0], max=[3, 6],
                  num_bits=2, backprops_wrt_input=[[0, 0], [3, 0]], backprop_wrt_min=[1, 0],
                  backprop_wrt_max=[0, 6])  # fmt: skip
