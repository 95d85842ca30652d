"""Quantized tensors moved about: their integers, and the range that they stand for.

    QuantizedReshape         the same integers in another shape
    QuantizedConcat          joined; where ranges differ, all are brought to the widest one
    QuantizedInstanceNorm    (x - mean) / sqrt(variance + epsilon) of each image and channel, quantized again

None has a gradient.

Next: ops/queues.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int32, quint8
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.joining import concat_shape
from refflow.ops.quantize import QUANTIZED, as_numbers, as_quantized, away_from_zero, limits
from refflow.ops.reshape_rule import reshaped, reshaped_dims

_F = np.float32
QUANTIZED_RESHAPE = define_op(
    "QuantizedReshape", "tensor: T, shape: Tshape, input_min: float32, input_max: float32 -> output: T, "
    "output_min: float32, output_max: float32", T=Attr("type"),
    Tshape=Attr("type", default=int32, allowed=INDICES), source=("W16",),
)  # fmt: skip
QUANTIZED_CONCAT = define_op(
    "QuantizedConcat", "concat_dim: int32, values: N * T, input_mins: N * float32, input_maxes: N * float32 -> "
    "output: T, output_min: float32, output_max: float32", N=Attr("int", minimum=2), T=Attr("type"), source=("W16",),
)  # fmt: skip
QUANTIZED_INSTANCE_NORM = define_op(
    "QuantizedInstanceNorm", "x: T, x_min: float32, x_max: float32 -> y: T, y_min: float32, y_max: float32",
    T=QUANTIZED, output_range_given=False, given_y_min=0.0, given_y_max=0.0, variance_epsilon=1e-5,
    min_separation=1e-3, accuracy="composed", source=("W16",),
)  # fmt: skip


@QUANTIZED_RESHAPE.kernel
def quantized_reshape_kernel(tensor, shape, input_min, input_max):
    dims: Any = reshaped(tensor.shape, [int(s) for s in shape])
    for name, value in (("input_min", input_min), ("input_max", input_max)):
        if np.shape(value) not in ((), (1,)):
            raise ValueError(f"{name} must be a scalar or a vector of 1 element, got {shapes.text(np.shape(value))}")
    return np.reshape(tensor, dims), np.reshape(input_min, ()), np.reshape(input_max, ())


@QUANTIZED_RESHAPE.shape
def _quantized_reshape_shape(context: ShapeContext) -> list[shapes.Shape]:
    need_rank(context.dims("shape"), 1, "sizes input must be 1-D, not {0}")
    return [reshaped_dims(context, "tensor", "shape"), (), ()]


def _as_floats(q: np.ndarray, low: Any, high: Any, T: Any) -> np.ndarray:
    """The numbers that integers over a range stand for: the lowest for `low`, rounded to a multiple of a step."""
    least, most = limits(T)
    low, high = _F(low), _F(high)
    step = (high - low) / (_F(most) - _F(least))
    first = away_from_zero(low / step) * step if step else low
    return first + (as_numbers(q).astype(np.float64) - least).astype(np.float32) * step


def _as_integers(x: np.ndarray, low: Any, high: Any, T: Any) -> np.ndarray:
    """The nearest integers over a range for numbers."""
    least, most = limits(T)
    if high == low:
        return as_quantized(np.zeros(x.shape), T)
    steps = 2.0 ** (8 * T.size)
    scale = _F(steps) / ((_F(high) - _F(low)) * _F(steps / (steps - 1)))
    q = away_from_zero(x * scale) - (away_from_zero(_F(low) * scale) - _F(least))
    top = np.nextafter(_F(2.0**31), _F(0)) if T.size == 4 else most
    return as_quantized(np.clip(q, least, top), T)


@QUANTIZED_CONCAT.kernel
def quantized_concat_kernel(concat_dim, values, input_mins, input_maxes, T):
    """Parts of another range than the widest one, with zero in it, are quantized anew."""
    ranges = [(_F(a), _F(b)) for a, b in zip(input_mins, input_maxes, strict=True)]
    low, high = min(_F(0), *(a for a, _ in ranges)), max(b for _, b in ranges)
    if limits(T)[0] < 0:  # signed integers stand for ranges about zero
        high = max(-low, high)
        low = -high
    parts = [
        q if (a, b) == (low, high) else _as_integers(_as_floats(q, a, b, T), low, high, T)
        for q, (a, b) in zip(values, ranges, strict=True)
    ]
    return np.concatenate(parts, int(concat_dim)), np.array(low, np.float32), np.array(high, np.float32)


@QUANTIZED_CONCAT.shape
def _quantized_concat_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [concat_shape(context.list_dims("values"), context.ints("concat_dim"), "concat_dim"), (), ()]


@QUANTIZED_INSTANCE_NORM.kernel
def quantized_instance_norm_kernel(
    x, x_min, x_max, T, output_range_given=False, given_y_min=0.0, given_y_max=0.0, variance_epsilon=1e-5,
    min_separation=1e-3,
):  # fmt: skip
    if output_range_given and not given_y_min < given_y_max:
        raise ValueError(f"given_y_min must be less than given_y_max : {given_y_min:g} >= {given_y_max:g}")
    numbers = _as_floats(x, x_min, x_max, T)
    mean, variance = numbers.mean(axis=(1, 2), keepdims=True), numbers.var(axis=(1, 2), keepdims=True)
    y = (numbers - mean) / np.sqrt(variance + variance_epsilon)
    low, high = (_F(given_y_min), _F(given_y_max)) if output_range_given else (_F(y.min()), _F(y.max()))
    high = max(high, low + _F(min_separation))
    least, most = limits(T)
    scale = (most - least) / (np.float64(high) - np.float64(low))
    q = as_quantized(np.clip(away_from_zero(y * scale) - away_from_zero(low * scale) + least, least, most), T)
    return q, np.array(low, np.float32), np.array(high, np.float32)


@QUANTIZED_INSTANCE_NORM.shape
def _quantized_instance_norm_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = context.dims("x")
    need_rank(dims, 4, "Shape must be rank 4 but is rank {1}")
    return [dims, (), ()]


for _op in (QUANTIZED_RESHAPE, QUANTIZED_CONCAT, QUANTIZED_INSTANCE_NORM):
    _op.no_gradient_registered()


def _bytes(*rows: Any) -> np.ndarray:
    return as_quantized(np.array(rows), quint8)


QUANTIZED_RESHAPE.case("W16", "the range stays", tensor=_bytes([1, 2], [3, 4]), shape=[-1], input_min=0, input_max=1,
                       output=_bytes(1, 2, 3, 4), output_min=0, output_max=1)  # fmt: skip
QUANTIZED_RESHAPE.case("W16", "elements are kept", tensor=_bytes(1, 2, 3), shape=[2], input_min=0, input_max=1,
                       error="a tensor with 3 values, but the requested shape has 2")  # fmt: skip
QUANTIZED_RESHAPE.case("W16", "a range has one lowest number", tensor=_bytes(1), shape=[1], input_min=[0, 1],
                       input_max=1, error="input_min must be a scalar or a vector of 1 element")  # fmt: skip
QUANTIZED_CONCAT.case("W16", "one range", concat_dim=0, N=2, T=quint8, values=[_bytes(1, 2), _bytes(3)],
                      input_mins=[0, 0], input_maxes=[255, 255], output=_bytes(1, 2, 3), output_min=0,
                      output_max=255)  # fmt: skip
QUANTIZED_CONCAT.case("W16", "the widest range", concat_dim=0, N=2, T=quint8, values=[_bytes(100), _bytes(100)],
                      input_mins=[0, 0], input_maxes=[255, 510], output=_bytes(50, 100), output_min=0,
                      output_max=510)  # fmt: skip
QUANTIZED_CONCAT.case("W16", "axes exist", concat_dim=1, N=2, T=quint8, values=[_bytes(1), _bytes(1)],
                      input_mins=[0, 0], input_maxes=[1, 1], error="but got 1")  # fmt: skip
QUANTIZED_INSTANCE_NORM.case("W16", "two pixels", x=_bytes([[[0], [255]]]).reshape(1, 1, 2, 1), T=quint8, x_min=-1,
                             x_max=1, variance_epsilon=0.0, y=_bytes([[[0], [255]]]).reshape(1, 1, 2, 1), y_min=-1,
                             y_max=1)  # fmt: skip
QUANTIZED_INSTANCE_NORM.case("W16", "a range that is given has two ends", x=_bytes([[[0], [255]]]).reshape(1, 1, 2, 1),
                             T=quint8, x_min=-1, x_max=1, output_range_given=True,
                             error="given_y_min must be less than given_y_max : 0 >= 0")  # fmt: skip
