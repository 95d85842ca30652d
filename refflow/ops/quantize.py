"""Quantization: floats as a few integers over a range, and back [W16].

QuantizeV2 and Dequantize, in three modes, with q from q_min to q_max of the integer type and a range [min, max]:

    MIN_COMBINED    q = round((x - min) s) - h              x = (q + h) / s + min     s = (q_max - q_min) / (max - min)
                    h is half the number of values for signed types, else 0
    MIN_FIRST       q = round(x s) - round(min s) + q_min   x = q / s + min'          s = (2**bits - 1) / (max - min)
                    min' is min rounded to a multiple of 1 / s
    SCALED          q = round(x s)                          x = q / s                 s = min(q_min / min, q_max / max)

QuantizeAndDequantize does both at once, as SCALED does, in the floats' own type. Its gradient passes; that of V4 passes
where x lies within the range. `axis` gives each slice along it a range of its own.

Next: ops/quantized_math.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.bfloat16 import rounded
from refflow.core.dtypes import FLOATS, bfloat16, float32, qint8, qint16, qint32, quint8, quint16
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import is_known
from refflow.core.signature import Attr

QUANTIZED = Attr("type", allowed=(qint8, quint8, qint32, qint16, quint16))
MODE = Attr("string", default="MIN_COMBINED", allowed=("MIN_COMBINED", "MIN_FIRST", "SCALED"))
_F = np.float32
_LARGEST = np.finfo(np.float32).max

QUANTIZE_V2 = define_op(
    "QuantizeV2", "input: float32, min_range: float32, max_range: float32 -> output: T, output_min: float32, "
    "output_max: float32", T=QUANTIZED, mode=MODE, narrow_range=False, axis=-1,
    round_mode=Attr("string", default="HALF_AWAY_FROM_ZERO", allowed=("HALF_AWAY_FROM_ZERO", "HALF_TO_EVEN")),
    ensure_minimum_range=0.01, source=("W16",),
)  # fmt: skip
DEQUANTIZE = define_op(
    "Dequantize", "input: T, min_range: float32, max_range: float32 -> output: dtype", T=QUANTIZED, mode=MODE,
    narrow_range=False, axis=-1, dtype=Attr("type", default=float32, allowed=(bfloat16, float32)),
    accuracy="composed", source=("W16",),
)  # fmt: skip
QUANTIZE_V2.no_gradient_registered()
DEQUANTIZE.no_gradient_registered()


def away_from_zero(x: Any) -> Any:
    """Rounded to the nearest whole number, halves away from zero."""
    size = np.abs(x) + _F(0.5)
    return np.copysign(np.floor(size, out=size if np.ndim(size) else None), x)


def limits(T: Any) -> tuple[int, int]:
    """The smallest and the largest integer of a quantized type."""
    return int(T.min), int(T.max)


def _along(values: Any, axis: int, rank: int) -> np.ndarray:
    """A range as float32, to be broadcast against a tensor: scalars as they are, vectors along `axis`."""
    array = np.asarray(values, np.float32)
    return array.reshape(()) if axis == -1 else array.reshape(-1, *[1] * (rank - axis - 1))


def widened_range(low: np.ndarray, high: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """The range with zero in it, and no smaller than `least` of its size."""
    epsilon = np.maximum(_F(1), np.maximum(np.abs(low), np.abs(high))) * _F(least)
    low = np.minimum(_F(0), low)
    return low, np.maximum(_F(0), np.maximum(high, low + epsilon))


def step_of(low: np.ndarray, high: np.ndarray, least: int, most: int) -> np.ndarray:
    """Steps to a unit when both sides of the range fit into integers from `least` to `most`, zero staying zero."""
    sides = [
        np.where(_F(q) * bound > 0, _F(q) / np.where(bound == 0, _F(1), bound), _LARGEST)
        for q, bound in ((least, low), (most, high))
    ]
    return np.minimum(*sides).astype(np.float32)


@QUANTIZE_V2.kernel
def quantize_v2_kernel(
    input, min_range, max_range, T, mode, round_mode="HALF_AWAY_FROM_ZERO", narrow_range=False, axis=-1,
    ensure_minimum_range=0.01,
):  # fmt: skip
    if round_mode == "HALF_TO_EVEN" and mode != "SCALED":
        raise ValueError(f"Round mode 'HALF_TO_EVEN' only supported for mode 'SCALED', but mode is '{mode}'.")
    if np.any(max_range < min_range):
        raise ValueError("input_max_range must be larger than input_min_range.")
    low, high = (_along(v, axis, input.ndim) for v in (min_range, max_range))
    low, high = widened_range(low, high, ensure_minimum_range)
    least, most = limits(T)
    whole = np.rint if round_mode == "HALF_TO_EVEN" else away_from_zero
    if mode == "MIN_COMBINED":
        scale = (_F(most) - _F(least)) / (high - low)
        half = _F(0) if least == 0 else (_F(most) - _F(least) + _F(1)) / _F(2)
        q = whole((np.maximum(np.minimum(input, high), low) - low) * scale - half)
    elif mode == "MIN_FIRST":
        steps = 2.0 ** (8 * T.size)
        scale = _F(steps) / ((high - low) * _F(steps / (steps - 1)))
        q = whole(input * scale) - (away_from_zero(low * scale) - _F(least))
    else:
        least += narrow_range
        scale = step_of(low, high, least, most)
        low, high = _F(least) / scale, _F(most) / scale
        q = whole(np.maximum(np.minimum(input, high), low) * scale)
    if T is qint32 and mode != "MIN_FIRST":  # what a processor makes of floats that are too large for an integer
        q = np.where((q < 2.0**31) & (q >= -(2.0**31)), q, -(2.0**31))
    else:
        q = np.nan_to_num(q) if np.isnan(q).any() else q
        q = np.clip(q, _F(least), np.nextafter(_F(2**31), _F(0)) if T is qint32 else _F(most))
    shape = () if axis == -1 else np.shape(min_range)
    return as_quantized(q, T), *(np.asarray(v, np.float32).reshape(shape) for v in (low, high))


def as_quantized(q: Any, T: Any) -> np.ndarray:
    """Whole numbers as elements of a quantized type."""
    record = np.dtype(T.as_numpy_dtype)
    return np.asarray(q).astype(record[T.name]).view(record)


def as_numbers(q: np.ndarray) -> np.ndarray:
    """The integers of a quantized tensor."""
    return np.ascontiguousarray(q).view(q.dtype[0]).reshape(q.shape)


@DEQUANTIZE.kernel
def dequantize_kernel(input, min_range, max_range, T, mode="MIN_COMBINED", narrow_range=False, axis=-1, dtype=float32):
    low, high = (_along(v, axis, input.ndim) for v in (min_range, max_range))
    least, most = limits(T)
    q = as_numbers(input).astype(np.float32)
    if mode == "MIN_COMBINED":
        scale = (high - low) / (_F(most) - _F(least))
        half = _F(0) if least == 0 else (_F(most) - _F(least) + _F(1)) / _F(2)
        x = (q + half) * scale + low
    elif mode == "MIN_FIRST":
        scale = (high - low) / _F(2.0 ** (8 * T.size) - 1)
        first = np.where(high == low, low, away_from_zero(low / np.where(scale == 0, _F(1), scale)) * scale)
        x = q * scale + (first - _F(least) * scale)
    else:
        least += narrow_range
        scale = high / _F(most) if least >= 0 else np.maximum(low / _F(least), high / _F(most))
        x = q * scale
    x = np.asarray(x, np.float32)
    return rounded(x) if dtype is bfloat16 else x


def _no_axis(name: str, axis: int, rank: int) -> str:
    """What is wrong with an axis that the tensor does not have, in TensorFlow's words for the op."""
    if name == "QuantizeAndDequantizeV3":
        return f"Axis requested is larger than input dimensions. Axis: {axis} Input Dimensions: {rank}"
    if name == "QuantizeAndDequantizeV4Grad":
        return f"Axis should be -1 or 0 or a positive value less than {rank}but given axis value was {axis}"
    if name.startswith("QuantizeAndDequantize"):
        return f"Shape must be at least rank {axis + 1} but is rank {rank}"
    return f"Axis must be less than input dimension({rank}), got {axis}"


def _range_dims(context: ShapeContext, tensor: str) -> shapes.Shape:
    """Checks that there is one range, or one for each slice along `axis`; the tensor's shape."""
    dims, axis = context.dims(tensor), context.attrs["axis"]
    if axis < -1:
        raise ShapeError(f"axis should be at least -1, got {axis}")
    if axis != -1 and dims is not None and axis >= len(dims):
        raise ShapeError(_no_axis(context.op_def.name, axis, len(dims)))
    for name in (a.name for a in context.op_def.inputs if "min" in a.name or "max" in a.name):
        given = context.dims(name)
        if given is None:
            continue
        count = prod(given) if is_known(given) else None  # type: ignore[arg-type]
        if axis == -1 and count not in (1, None):
            raise ShapeError(
                f"{name} must be a scalar. If axis is not specified, {name} must contain a single float element, but "
                f"it contains {count} elements"
            )
        fits = len(given) == 1 and (dims is None or shapes.compatible(given, dims[axis : axis + 1]))
        if axis != -1 and not fits:
            raise ShapeError(
                f"{name} must be a scalar. If axis is specified, {name} must be a 1-D tensor whose size matches the "
                "axis dimension of the input "
                f"and output tensors, but {name} is a {len(given)}-D tensor of size {count} and input's axis dimension "
                f"is of size {dims[axis] if dims else '?'}"
            )
    return dims


@QUANTIZE_V2.shape
def _quantize_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = _range_dims(context, "input")
    axis, bounds = context.attrs["axis"], context.dims("min_range")
    bounds = () if axis == -1 else shapes.merge(shapes.merge(bounds, context.dims("max_range")), (size_at(dims, axis),))
    return [dims, bounds, bounds]


@DEQUANTIZE.shape
def _dequantize_shape(context: ShapeContext) -> shapes.Shape:
    found = _range_dims(context, "input")
    for name in ("min_range", "max_range") if context.building and context.attrs["axis"] == -1 else ():
        need_rank(context.dims(name), 0, f"{name} has shape {{0}}: Shape must be rank 0 but is rank {{1}}")
    return found


# -- both at once ---------------------------------------------------------------------------------------------

_NEAREST = Attr("string", default="HALF_TO_EVEN", allowed=("HALF_TO_EVEN", "HALF_UP"))


def quantized_and_back(
    x: np.ndarray, low: Any, high: Any, bits: int, signed: bool, given: bool, narrow: bool, axis: int, half_up: bool
) -> np.ndarray:
    if not 0 < bits < (62 if signed else 63):
        raise ValueError(f"num_bits is out of range: {bits} with signed_input_ {int(signed)}")
    if given and np.any(np.asarray(low) > np.asarray(high)):
        raise ValueError(f"Invalid range: input_min {np.max(low):g} > input_max {np.max(high):g}")
    kind = x.dtype.type
    if not given:
        axes = tuple(i for i in range(x.ndim) if axis == -1 or i != axis % x.ndim)
        start: dict[str, Any] = {} if x.size else {"initial": 0}
        low, high = (f(x, axis=axes, keepdims=True, **start) for f in (np.min, np.max))
    elif axis != -1:
        low, high = (np.reshape(v, (-1, *[1] * (x.ndim - axis - 1))) for v in (low, high))
    low, high = (np.asarray(v, x.dtype).reshape(()) if np.size(v) == 1 else np.asarray(v, x.dtype) for v in (low, high))
    least, most = (-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    sides = [
        np.where(kind(q) * bound > 0, kind(q) / np.where(bound == 0, kind(1), bound), np.finfo(kind).max)
        for q, bound in ((least, low), (most, high))
    ]
    by_low = sides[0] < sides[1]
    scale = np.where(by_low, *sides)
    back = np.where(by_low, low / kind(least or 1), high / kind(most))
    if given:
        below, above = np.where(by_low, low, kind(least) * back), np.where(by_low, kind(most) * back, high)
        x = np.maximum(np.minimum(x, above), below)
    steps = np.floor(x * scale + kind(0.5)) if half_up else np.rint(x * scale)
    return (steps * back).astype(x.dtype)


def _define_both(version: str, signature: str, **attrs: Any) -> OpDef:
    op_def = define_op(f"QuantizeAndDequantize{version}", signature, T=FLOATS, signed_input=True, accuracy="composed",
                       source=("W16",), **attrs)  # fmt: skip

    @op_def.shape
    def rule(context: ShapeContext) -> shapes.Shape:
        return _range_dims(context, "input") if "axis" in context.attrs else context.dims("input")

    return op_def


_THREE = "input: T, input_min: T, input_max: T"
BOTH = _define_both("", "input: T -> output: T", num_bits=8, range_given=False, input_min=0.0, input_max=0.0)
BOTH_V2 = _define_both("V2", f"{_THREE} -> output: T", num_bits=8, range_given=False, round_mode=_NEAREST,
                       narrow_range=False, axis=-1)  # fmt: skip
BOTH_V3 = _define_both("V3", f"{_THREE}, num_bits: int32 -> output: T", range_given=True, narrow_range=False, axis=-1)
BOTH_V4 = _define_both("V4", f"{_THREE} -> output: T", num_bits=8, range_given=False, round_mode=_NEAREST,
                       narrow_range=False, axis=-1)  # fmt: skip
BOTH_V4_GRAD = define_op(
    "QuantizeAndDequantizeV4Grad", "gradients: T, input: T, input_min: T, input_max: T -> input_backprop: T, "
    "input_min_backprop: T, input_max_backprop: T", T=FLOATS, axis=-1, source=("W30",),
)  # fmt: skip


@BOTH.kernel
def quantize_and_dequantize_kernel(
    input, signed_input=True, num_bits=8, range_given=False, input_min=0.0, input_max=0.0
):
    return quantized_and_back(
        input, input_min, input_max, num_bits, signed_input, range_given, False, -1, half_up=False
    )


@BOTH_V2.kernel
@BOTH_V4.kernel
def quantize_and_dequantize_v2_kernel(
    input, input_min, input_max, signed_input=True, num_bits=8, range_given=False, round_mode="HALF_TO_EVEN",
    narrow_range=False, axis=-1,
):  # fmt: skip
    return quantized_and_back(
        input, input_min, input_max, num_bits, signed_input, range_given, narrow_range, axis, round_mode == "HALF_UP"
    )


@BOTH_V3.kernel
def quantize_and_dequantize_v3_kernel(
    input, input_min, input_max, num_bits, signed_input=True, range_given=True, narrow_range=False, axis=-1
):
    if num_bits.ndim:
        raise ValueError(f"Invalid shape. The `num_bits` tensor should be a scalar. Got dimensions: {num_bits.ndim}")
    return quantized_and_back(
        input, input_min, input_max, int(num_bits), signed_input, range_given, narrow_range, axis, half_up=False
    )


@BOTH_V4_GRAD.kernel
def quantize_and_dequantize_v4_grad_kernel(gradients, input, input_min, input_max, axis=-1):
    """dx = dy within the range, 0 outside; the range itself gets nothing."""
    low, high = (
        v if axis == -1 or not np.ndim(v) else np.reshape(v, (-1, *[1] * (input.ndim - axis - 1)))
        for v in (input_min, input_max)
    )
    dx = ((input >= low) & (input <= high)) * gradients
    return dx, np.zeros_like(input_min), np.zeros_like(input_max)


@BOTH_V4_GRAD.shape
def _both_v4_grad_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = _range_dims(context, "input")
    if not shapes.compatible(context.dims("gradients"), dims):
        raise ShapeError(
            f"gradient and input must be the same size: {shapes.text(context.dims('gradients'))}, {shapes.text(dims)}"
        )
    if context.attrs["axis"] == -1:
        return [shapes.merge(dims, context.dims("gradients")), (), ()]
    vector = (size_at(dims, context.attrs["axis"]),)
    return [dims, *(vector if context.dims(n) is None else context.dims(n) for n in ("input_min", "input_max"))]


def _straight_through(op: Any, dy: Any) -> Any:
    """dx = dy: as if nothing had been rounded."""
    return dy if len(op.inputs) == 1 else (dy, *[None] * (len(op.inputs) - 1))


for _op in (BOTH, BOTH_V2, BOTH_V3):
    _op.gradient(_straight_through)


@BOTH_V4.gradient
def _both_v4_gradient(op, dy):
    """dx = dy within the range, 0 outside."""
    return list(BOTH_V4_GRAD(dy, *op.inputs, axis=op.attrs["axis"]))


BOTH_V4_GRAD.no_gradient_registered()


_X = [[-10.0, 0.0, 2.5, 20.0]]
_INT: dict[str, Any] = {"T": qint8, "mode": "SCALED"}


def _records(T: Any, *values: int) -> np.ndarray:
    return as_quantized(np.array([values]), T)


QUANTIZE_V2.case("W16", "steps from min to max", input=[[-1.0, 0.0, 254.2, 300.0]], min_range=0.0, max_range=255.0,
                 T=quint8, output=_records(quint8, 0, 0, 254, 255), output_min=0, output_max=255)  # fmt: skip
QUANTIZE_V2.case("W16", "signed steps begin below", input=[[-1.0, 0.0, 254.2, 300.0]], min_range=0.0, max_range=255.0,
                 T=qint8, output=_records(qint8, -128, -128, 126, 127), output_min=0, output_max=255)  # fmt: skip
QUANTIZE_V2.case("W16", "zero stays zero", input=_X, min_range=-10.0, max_range=12.7, **_INT,
                 output=_records(qint8, -100, 0, 25, 127), output_min=np.float32(-12.8), output_max=12.7)  # fmt: skip
QUANTIZE_V2.case("W16", "halves to even", input=[[0.5, 1.5, 2.5, -0.5]], min_range=-127.0, max_range=127.0, **_INT,
                 round_mode="HALF_TO_EVEN", narrow_range=True, output=_records(qint8, 0, 2, 2, 0), output_min=-127,
                 output_max=127)  # fmt: skip
QUANTIZE_V2.case("W16", "halves to even where zero stays zero alone", input=[[0.5]], min_range=0.0, max_range=1.0,
                 T=quint8, mode="MIN_FIRST", round_mode="HALF_TO_EVEN",
                 error="Round mode 'HALF_TO_EVEN' only supported for mode 'SCALED'")  # fmt: skip
QUANTIZE_V2.case("W16", "min is a step", input=[[0.0, 1.0, 255.0]], min_range=0.0, max_range=255.0, T=quint8,
                 mode="MIN_FIRST", output=_records(quint8, 0, 1, 255), output_min=0, output_max=255)  # fmt: skip
QUANTIZE_V2.case("W16", "a range for each row", input=[[1.0, 2.0], [1.0, 2.0]], min_range=[-1.0, -2.0],
                 max_range=[1.0, 2.0], **_INT, axis=0, narrow_range=True,
                 output=as_quantized(np.array([[127, 127], [64, 127]]), qint8), output_min=[-1, -2],
                 output_max=[1, 2])  # fmt: skip
QUANTIZE_V2.case("W16", "a range goes up", input=_X, min_range=1.0, max_range=0.0, T=qint8,
                 error="input_max_range must be larger than input_min_range")  # fmt: skip
QUANTIZE_V2.case("W16", "an axis that is there", input=_X, min_range=[0.0], max_range=[1.0], T=qint8, axis=2,
                 error="Axis must be less than input dimension(2), got 2")  # fmt: skip
DEQUANTIZE.case("W16", "steps from min to max", input=_records(quint8, 0, 51, 255), min_range=0.0, max_range=5.0,
                output=[[0, 1, 5]])  # fmt: skip
DEQUANTIZE.case("W16", "signed steps begin below", input=_records(qint8, -128, 127), min_range=0.0, max_range=5.0,
                output=[[0, 5]])  # fmt: skip
DEQUANTIZE.case("W16", "zero stays zero", input=_records(qint8, -64, 0, 127), min_range=-128.0, max_range=127.0,
                mode="SCALED", output=[[-64, 0, 127]])  # fmt: skip
DEQUANTIZE.case("W16", "min is a step", input=_records(quint8, 0, 255), min_range=0.0, max_range=255.0,
                mode="MIN_FIRST", output=[[0, 255]])  # fmt: skip
DEQUANTIZE.case("W16", "one range", input=_records(quint8, 0, 255), min_range=[0.0, 1.0], max_range=[2.0, 3.0],
                error="min_range must contain a single float element, but it contains 2 elements")  # fmt: skip
BOTH.case("W16", "rounded to steps of the range", T=float32, input=[-1.0, -0.5, 0.0, 0.3], num_bits=2,
          range_given=True, input_min=-1.0, input_max=1.0, output=[-1, 0, 0, 0])  # fmt: skip
BOTH_V2.case("W16", "the range of the data", T=float32, input=[-1.0, 0.0, 0.26, 1.0], input_min=0.0, input_max=0.0,
             num_bits=3, narrow_range=True, output=[-1, 0, np.float32(1 / 3), 1])  # fmt: skip
BOTH_V2.case("W16", "no such number of bits", input=[0.0], input_min=0.0, input_max=1.0, T=float32, num_bits=0,
             error="num_bits is out of range: 0 with signed_input_ 1")  # fmt: skip
BOTH_V2.case("W16", "a range that goes up", input=[0.0], input_min=1.0, input_max=0.0, T=float32, range_given=True,
             error="Invalid range: input_min 1 > input_max 0")  # fmt: skip
BOTH_V3.case("W16", "halves up are for others", T=float32, input=[0.5, 1.5, 3.0], input_min=-4.0, input_max=3.0,
             num_bits=3, output=[0, 2, 3])  # fmt: skip
BOTH_V4.case("W16", "halves up", T=float32, input=[0.5, 1.5, 3.0], input_min=-4.0, input_max=3.0, num_bits=3,
             range_given=True, round_mode="HALF_UP", output=[1, 2, 3])  # fmt: skip
BOTH_V4_GRAD.case("W30", "it passes within the range", T=float32, gradients=[1, 2, 3], input=[-2, 0, 2], input_min=-1,
                  input_max=1, input_backprop=[0, 2, 0], input_min_backprop=0, input_max_backprop=0)  # fmt: skip
