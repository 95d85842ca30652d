"""BiasAdd, one number for each channel added everywhere, and its gradient, the sum over everything else [W06, W30].

    bytes: value and output once; the gradient: out_backprop once        operations: one for each element

On a device, biases of channels that are last are a formula, and part of whatever it is fused with. The gradient is a
reduction over all axes but one.

Next: refflow_kernels/gpu/batch_norm.py.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import check_out, check_packed
from refflow_kernels.gpu.channels import along, channels_of, own_tile
from refflow_kernels.gpu.reduction_stages import rooms, stages_of
from refflow_kernels.gpu.reductions import accumulator_of, reduced_over
from refflow_kernels.kernel import Kernel


@triton.jit
def _bias_add(
    value, bias, output, A, c_groups, b_groups, ACC: tl.constexpr, C_UNIT: tl.constexpr, B_UNIT: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    C, B = c_groups * C_UNIT, b_groups * B_UNIT
    here, real, c = own_tile(A, C, B, WIDE, BLOCK_A, BLOCK_C, BLOCK_B)
    added = tl.load(bias + c, mask=c < C, other=0).to(ACC)
    x = tl.load(value + here, mask=real, other=0).to(ACC)
    tl.store(output + here, (x + along(added)).to(output.dtype.element_ty), mask=real)


def bias_add(value: Any, bias: Any, data_format: str = "NHWC", out: Any = None) -> Any:
    """value + bias [C], along the channels."""
    channels = channels_of(tuple(value.shape), data_format)
    if tuple(bias.shape) != (channels.c,):
        raise ValueError(f"bias has shape {list(bias.shape)}, but value{list(value.shape)} has {channels.c} channels")
    check_packed(value=value, bias=bias)
    check_out(out, tuple(value.shape))
    if channels.elements * channels.c:
        _bias_add[channels.grid()](
            value, bias, out, ACC=accumulator_of(value), **channels.sizes(), enable_fp_fusion=True
        )
    return out


def _others(shape: Any, data_format: str) -> tuple[int, ...]:
    """The axes but that of the channels."""
    channel = 1 if data_format == "NCHW" else len(shape) - 1
    return tuple(axis for axis in range(len(shape)) if axis != channel)


def bias_grad_workspace(inputs: Any, data_format: str = "NHWC") -> tuple[tuple[int, ...], str] | None:
    shape = tuple(inputs[0].shape)
    return rooms(stages_of(shape, _others(shape, data_format)))[1]


def bias_add_grad(out_backprop: Any, data_format: str = "NHWC", out: Any = None, workspace: Any = None) -> Any:
    """The sum [C] over all but the channels."""
    shape = tuple(out_backprop.shape)
    axes = _others(shape, data_format)
    check_out(out, tuple(size for axis, size in enumerate(shape) if axis not in axes))
    reduced_over(out_backprop, axes, "sum", out, workspace)
    return out


_TYPES = ("float32", "float16", "bfloat16", "int32", "int64")
KERNELS = {
    "BiasAdd": Kernel(bias_add, _TYPES),
    "BiasAddGrad": Kernel(bias_add_grad, _TYPES, workspace=bias_grad_workspace),
}
