"""BiasAdd: one number for each channel, added everywhere.

Next: ops/conv.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import NUMBERS
from refflow.core.errors import ShapeError
from refflow.core.formula import Formula
from refflow.core.opdef import define_op
from refflow.core.shape_checks import either, need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

FORMAT = Attr("string", default="NHWC", allowed=("NHWC", "NCHW"))
BIAS_ADD = define_op("BiasAdd", "value: T, bias: T -> output: T", T=NUMBERS, data_format=FORMAT, accuracy="rounded",
                     source=("W06",))  # fmt: skip
BIAS_ADD_V1 = define_op("BiasAddV1", "value: T, bias: T -> output: T", T=NUMBERS, accuracy="rounded",
                        source=("W06",))  # fmt: skip
BIAS_ADD_GRAD = define_op("BiasAddGrad", "out_backprop: T -> output: T", T=NUMBERS, data_format=FORMAT, accuracy="dot",
                          source=("W30",))  # fmt: skip


def _along(bias: np.ndarray, rank: int, data_format: str) -> np.ndarray:
    return bias.reshape(-1, *[1] * (rank - 2)) if data_format == "NCHW" and rank > 2 else bias


_FORMULA = Formula("value + bias")
BIAS_ADD.formula_rule = lambda attrs: _FORMULA if attrs["data_format"] == "NHWC" else None
BIAS_ADD_V1.formula = _FORMULA


@BIAS_ADD.kernel
def bias_add_kernel(value, bias, data_format="NHWC"):
    return value + _along(bias, value.ndim, data_format)


BIAS_ADD_V1.kernel(_FORMULA.numpy)


@BIAS_ADD_V1.shape
@BIAS_ADD.shape
def _bias_add_shape(context: ShapeContext) -> shapes.Shape:
    dims, bias = context.dims("value"), context.dims("bias")
    need_rank(bias, 1, "Biases must be 1D: {0}")
    if dims is None:
        return None
    if context.building and len(dims) == 2 and context.attrs.get("data_format") == "NCHW":
        raise ShapeError(f"Shape must be at least rank 3 but is rank 2: NCHW is of images, not {shapes.text(dims)}")
    if len(dims) < 2:
        raise ShapeError(f"Input tensor must be at least 2D: {shapes.text(dims)}")
    axis = 1 if context.attrs.get("data_format") == "NCHW" else len(dims) - 1
    channels = dims[axis]
    if bias is not None and None not in (channels, bias[0]) and channels != bias[0]:
        raise ShapeError(
            f"Must provide as many biases as the last dimension of the input tensor: {shapes.text(bias)} vs. "
            f"{shapes.text(dims)}"
        )
    return dims if bias is None else (*dims[:axis], either(channels, bias[0]), *dims[axis + 1 :])


@BIAS_ADD.gradient
def _bias_add_gradient(op, dy):
    """dvalue = dy, dbias = dy summed over all but the channels."""
    return dy, BIAS_ADD_GRAD(dy, data_format=op.attrs["data_format"])


@BIAS_ADD_V1.gradient
def _bias_add_v1_gradient(op, dy):
    """dvalue = dy, dbias = dy summed over all but the channels."""
    return dy, BIAS_ADD_GRAD(dy)


@BIAS_ADD_GRAD.kernel
def bias_add_grad_kernel(out_backprop, data_format="NHWC"):
    channel = 1 if data_format == "NCHW" else out_backprop.ndim - 1
    axes = tuple(i for i in range(out_backprop.ndim) if i != channel)
    wide = np.float32 if out_backprop.dtype == np.float16 else out_backprop.dtype
    return out_backprop.sum(axis=axes, dtype=wide).astype(out_backprop.dtype)


@BIAS_ADD_GRAD.shape
def _bias_add_grad_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("out_backprop")
    if dims is not None and len(dims) < 2:
        raise ShapeError(f"Input tensor must be at least 2D: {shapes.text(dims)}")
    return (None,) if dims is None else (dims[1] if context.attrs["data_format"] == "NCHW" else dims[-1],)


@BIAS_ADD_GRAD.gradient
def _bias_add_grad_gradient(op, db):
    """Every element of a channel gets the channel's gradient."""
    from refflow.ops.constant import ZEROS_LIKE

    return BIAS_ADD(ZEROS_LIKE(op.inputs[0]), db, data_format=op.attrs["data_format"])


BIAS_ADD.case("W06", "to each channel", value=[[1, 2], [3, 4]], bias=[10, 20], output=[[11, 22], [13, 24]])
BIAS_ADD.case("W06", "channels first", value=[[[1], [2]]], bias=[10, 20], data_format="NCHW", output=[[[11], [22]]])
BIAS_ADD.case("W06", "one for each channel", value=[[1, 2]], bias=[1, 2, 3], error="Must provide as many biases")
BIAS_ADD_V1.case("W06", "to each channel", value=[[1, 2], [3, 4]], bias=[10, 20], output=[[11, 22], [13, 24]])
BIAS_ADD_GRAD.case("W30", "summed over the rest", out_backprop=[[1, 2], [3, 4]], output=[4, 6])
