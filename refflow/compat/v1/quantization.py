"""tf.quantization: numbers in few bits, and back.

Next: compat/v1/dtypes.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.plain import (
    fake_quant_with_min_max_args,
    fake_quant_with_min_max_args_gradient,
    fake_quant_with_min_max_vars,
    fake_quant_with_min_max_vars_gradient,
    fake_quant_with_min_max_vars_per_channel,
    fake_quant_with_min_max_vars_per_channel_gradient,
    quantized_concat,
)
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype, float32
from refflow.core.graph import Tensor
from refflow.core.registry import op_def

__all__ = [
    "dequantize", "fake_quant_with_min_max_args", "fake_quant_with_min_max_args_gradient",
    "fake_quant_with_min_max_vars", "fake_quant_with_min_max_vars_gradient", "fake_quant_with_min_max_vars_per_channel",
    "fake_quant_with_min_max_vars_per_channel_gradient", "quantize", "quantize_and_dequantize",
    "quantize_and_dequantize_v2", "quantized_concat",
]  # fmt: skip


def quantize(
    input: Any, min_range: Any, max_range: Any, T: Any, mode: str = "MIN_COMBINED",
    round_mode: str = "HALF_AWAY_FROM_ZERO", name: str | None = None, narrow_range: bool = False,
    axis: int | None = None, ensure_minimum_range: float = 0.01,
) -> Any:  # fmt: skip
    """(output, output_min, output_max): numbers of a range in a type of few bits; axis: each slice has its range."""
    return op_def("QuantizeV2")(
        input, min_range, max_range, T=as_dtype(T), mode=mode, round_mode=round_mode, narrow_range=narrow_range,
        axis=-1 if axis is None else axis, ensure_minimum_range=ensure_minimum_range, name=name,
    )  # fmt: skip


def quantize_v2(
    input: Any, min_range: Any, max_range: Any, T: Any, mode: str = "MIN_COMBINED", name: str | None = None,
    round_mode: str = "HALF_AWAY_FROM_ZERO", narrow_range: bool = False, axis: int | None = None,
    ensure_minimum_range: float = 0.01,
) -> Any:  # fmt: skip
    """The same as quantize, with the name before the way to round."""
    return quantize(input, min_range, max_range, T, mode, round_mode, name, narrow_range, axis, ensure_minimum_range)


def dequantize(
    input: Any, min_range: Any, max_range: Any, mode: str = "MIN_COMBINED", name: str | None = None,
    axis: int | None = None, narrow_range: bool = False, dtype: Any = float32,
) -> Tensor:  # fmt: skip
    """Floats of numbers in few bits that stand for [min_range, max_range]."""
    return op_def("Dequantize")(input, min_range, max_range, mode=mode, axis=-1 if axis is None else axis,
                                narrow_range=narrow_range, dtype=as_dtype(dtype), name=name)  # fmt: skip


def quantize_and_dequantize(
    input: Any, input_min: Any, input_max: Any, signed_input: bool = True, num_bits: int = 8, range_given: bool = False,
    round_mode: str = "HALF_TO_EVEN", name: str | None = None, narrow_range: bool = False, axis: int | None = None,
) -> Tensor:  # fmt: skip
    """The numbers that are left after so few bits; gradients flow through as through an identity."""
    return _there_and_back("QuantizeAndDequantizeV2", input, input_min, input_max, signed_input, num_bits, range_given,
                           round_mode, name, narrow_range, axis)  # fmt: skip


def quantize_and_dequantize_v2(
    input: Any, input_min: Any, input_max: Any, signed_input: bool = True, num_bits: int = 8, range_given: bool = False,
    round_mode: str = "HALF_TO_EVEN", name: str | None = None, narrow_range: bool = False, axis: int | None = None,
) -> Tensor:  # fmt: skip
    """The same; nothing flows back where a number is beyond the range."""
    return _there_and_back("QuantizeAndDequantizeV4", input, input_min, input_max, signed_input, num_bits, range_given,
                           round_mode, name, narrow_range, axis)  # fmt: skip


def _there_and_back(
    op: str, input: Any, low: Any, high: Any, signed: bool, bits: int, given: bool, round_mode: str, name: str | None,
    narrow: bool, axis: int | None,
) -> Tensor:  # fmt: skip
    x = convert_to_tensor(input)
    return op_def(op)(
        x, low, high, signed_input=signed, num_bits=bits, range_given=given, round_mode=round_mode,
        narrow_range=narrow, axis=-1 if axis is None else axis, name=name,
    )  # fmt: skip
