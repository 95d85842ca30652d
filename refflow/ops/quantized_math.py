"""Arithmetic on quantized tensors: integers that stand for floats over a range [min, max] [W16].

    QuantizedMatMul, QuantizedMul      out = (a - zero_a) (b - zero_b), products of whole numbers
                                       zero = the whole number nearest to where 0 lies
                                       step = (max - min) / (values - 1)
                                       an output step is step_a * step_b, and the range is that of all its values
    QuantizedAdd                       both floats in the 2**32 steps of a range 2**14 times as wide as the widest;
                                       TensorFlow's fixed point differs from that by some hundreds of steps
    RequantizationRange                what range the values there are take up
    Requantize                         q = floor((x - min) * 255 / (max - min) + 1/2), x the float that was meant
    QuantizeDownAndShrinkRange         the one after the other
    ...PerChannel                      a range for each element of the last axis, about 0

Next: ops/quantize.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import qint8, qint32, quint8
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.quantize import QUANTIZED, as_numbers, as_quantized, away_from_zero, limits

_INT32 = Attr("type", default=qint32, allowed=QUANTIZED.allowed)
_UINT8 = Attr("type", default=quint8, allowed=QUANTIZED.allowed)
_F = np.float32


def _step(low: Any, high: Any, T: Any) -> Any:
    """The distance of two neighbours, as float32."""
    least, most = limits(T)
    return (_F(high) - _F(low)) / _F(most - least)


def _zero(low: Any, high: Any, T: Any) -> int:
    """The whole number that stands for 0, also beyond the type's own."""
    least, most = limits(T)
    steps = np.asarray(np.float64(low) * (most - least) / (np.float64(high) - np.float64(low)))
    return least - int(away_from_zero(steps))


def _floats(q: np.ndarray, low: Any, high: Any, T: Any) -> np.ndarray:
    """The floats that were meant, as float64."""
    least, most = limits(T)
    steps = as_numbers(q).astype(np.float64) - least
    step = (np.float64(high) - np.float64(low)) / (most - least)
    whole = _F(step)  # the lowest is a whole number of these, all in float32, so that 0.0 is one of the floats
    first = away_from_zero(_F(low) / whole) * whole if whole else _F(low)
    return np.float64(first) + steps * step


# -- products -------------------------------------------------------------------------------------------------

MATMUL = define_op(
    "QuantizedMatMul", "a: T1, b: T2, min_a: float32, max_a: float32, min_b: float32, max_b: float32 -> out: Toutput, "
    "min_out: float32, max_out: float32", T1=QUANTIZED, T2=QUANTIZED, Toutput=_INT32, transpose_a=False,
    transpose_b=False, Tactivation=_UINT8, source=("W16",),
)  # fmt: skip
MUL = define_op(
    "QuantizedMul", "x: T1, y: T2, min_x: float32, max_x: float32, min_y: float32, max_y: float32 -> z: Toutput, "
    "min_z: float32, max_z: float32", T1=QUANTIZED, T2=QUANTIZED, Toutput=_INT32, source=("W16",),
)  # fmt: skip


def _centred(name: str, q: np.ndarray, low: Any, high: Any, T: Any) -> np.ndarray:
    if not high > low:
        raise ValueError(f"max_{name} must be larger than min_a.")
    return as_numbers(q).astype(np.int64) - _zero(low, high, T)


def _product(values: np.ndarray, steps: Any, T: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values and their range, for the size of a step."""
    least, most = limits(T)
    step = np.reshape(_F(steps[0]) * _F(steps[1]), ())
    return as_quantized(values, T), np.asarray(step * _F(least)), np.asarray(step * _F(most))


@MATMUL.kernel
def matmul_kernel(a, b, min_a, max_a, min_b, max_b, T1, T2, Toutput=qint32, transpose_a=False, transpose_b=False):
    first, second = _centred("a", a, min_a, max_a, T1), _centred("b", b, min_b, max_b, T2)
    values = (first.T if transpose_a else first) @ (second.T if transpose_b else second)
    return _product(values, (_step(min_a, max_a, T1), _step(min_b, max_b, T2)), Toutput)


@MUL.kernel
def mul_kernel(x, y, min_x, max_x, min_y, max_y, T1, T2, Toutput=qint32):
    values = _centred("x", x, min_x, max_x, T1) * _centred("y", y, min_y, max_y, T2)
    return _product(values, (_step(min_x, max_x, T1), _step(min_y, max_y, T2)), Toutput)


def _scalars(context: ShapeContext, *names: str) -> None:
    for name in names:
        if context.dims(name):
            raise ShapeError(f"`{name}` must be rank 0 but is rank {len(context.dims(name) or ())}")


ADD = define_op(
    "QuantizedAdd", "x: T1, y: T2, min_x: float32, max_x: float32, min_y: float32, max_y: float32 -> z: Toutput, "
    "min_z: float32, max_z: float32", T1=QUANTIZED, T2=QUANTIZED, Toutput=_INT32, source=("W16",),
)  # fmt: skip


@ADD.kernel
def add_kernel(x, y, min_x, max_x, min_y, max_y, T1, T2, Toutput=qint32):
    for name, low, high in (("x", min_x, max_x), ("y", min_y, max_y)):
        if not high > low:
            raise ValueError(f"max_{name} must be larger than min_{name}.")
    widest = _F(2**14) * np.max(np.abs([min_x, max_x, min_y, max_y])).astype(np.float32)
    least, most = limits(Toutput)
    scale = (most - least + 1) / (2 * np.float64(widest))
    total = np.floor(_floats(x, min_x, max_x, T1) * scale) + np.floor(_floats(y, min_y, max_y, T2) * scale)
    return as_quantized(np.clip(total, least, most), Toutput), np.asarray(-widest), np.asarray(widest)


@ADD.shape
def _add_shape(context: ShapeContext) -> list[shapes.Shape]:
    _scalars(context, "min_x", "max_x", "min_y", "max_y")
    return [shapes.broadcast(context.dims("x"), context.dims("y")), (), ()]


@MATMUL.shape
def _matmul_shape(context: ShapeContext) -> list[shapes.Shape]:
    for name in ("min_a", "max_a", "min_b", "max_b"):
        if context.dims(name):
            raise ShapeError(f"{name} must be a scalar, but got shape{shapes.text(context.dims(name))}")
    a, b = context.dims("a"), context.dims("b")
    for place, dims in enumerate((a, b)):
        if dims is not None and len(dims) != 2:
            raise ShapeError(f"In[{place}] is not a matrix")
    m, k = (None, None) if a is None else a[::-1] if context.attrs["transpose_a"] else a
    rows, n = (None, None) if b is None else b[::-1] if context.attrs["transpose_b"] else b
    if None not in (k, rows) and k != rows:
        raise ShapeError(f"Matrix size-incompatible: In[0]: {shapes.text(a)}, In[1]: {shapes.text(b)}")
    return [(m, n), (), ()]


@MUL.shape
def _mul_shape(context: ShapeContext) -> list[shapes.Shape]:
    for name in ("min_x", "max_x", "min_y", "max_y"):
        if context.dims(name):
            raise ShapeError(f"{name} must be a scalar")
    return [shapes.broadcast(context.dims("x"), context.dims("y")), (), ()]


# -- other ranges ---------------------------------------------------------------------------------------------

RANGE = define_op(
    "RequantizationRange", "input: Tinput, input_min: float32, input_max: float32 -> output_min: float32, "
    "output_max: float32", Tinput=QUANTIZED, source=("W16",),
)  # fmt: skip
REQUANTIZE = define_op(
    "Requantize", "input: Tinput, input_min: float32, input_max: float32, requested_output_min: float32, "
    "requested_output_max: float32 -> output: out_type, output_min: float32, output_max: float32",
    Tinput=QUANTIZED, out_type=QUANTIZED, source=("W16",),
)  # fmt: skip
SHRINK = define_op(
    "QuantizeDownAndShrinkRange", "input: Tinput, input_min: float32, input_max: float32 -> output: out_type, "
    "output_min: float32, output_max: float32", Tinput=QUANTIZED, out_type=QUANTIZED, source=("W16",),
)  # fmt: skip


@RANGE.kernel
def range_kernel(input, input_min, input_max, Tinput):
    """From the smallest to the largest value, and always from 0 or below."""
    low, high = (np.reshape(v, -1)[0] for v in (input_min, input_max))
    q = as_numbers(input)
    least, most = limits(Tinput)
    ends = as_quantized([q.min(initial=most), q.max(initial=least)], Tinput)
    used = _floats(ends, low, high, Tinput).astype(np.float32)
    return np.minimum(used[0], _F(0)), used[1]


@RANGE.shape
def _range_shape(context: ShapeContext) -> list[shapes.Shape]:
    for name in ("input_min", "input_max"):
        if 0 in (context.dims(name) or ()):
            raise ShapeError(f"Input {name[-3:]} must not be empty.")
    return [(), ()]


def _moved(input: np.ndarray, ranges: Any, low: Any, high: Any, Tinput: Any, out_type: Any) -> tuple[np.ndarray, ...]:
    """The same floats over the range [low, high]; what lies outside becomes its end."""
    least, most = limits(out_type)
    low, high = _F(low), _F(high)
    x = _floats(input, ranges[0], ranges[1], Tinput)
    scale = (most - least) / (np.float64(high) - np.float64(low)) if high != low else 0.0
    q = np.floor((x - np.float64(low)) * scale + 0.5) + least
    return as_quantized(np.clip(q, least, most), out_type), np.asarray(low), np.asarray(high)


@REQUANTIZE.kernel
def requantize_kernel(
    input, input_min, input_max, requested_output_min, requested_output_max, Tinput, out_type
):  # fmt: skip
    low, high = (np.reshape(v, ())[()] for v in (requested_output_min, requested_output_max))
    if low > 0:
        raise ValueError(f"requested_output_min must be <= 0, but got {low:g}")
    if high < low:
        raise ValueError(f"requested_output_max must be >= requested_output_min, but got {high:g} and {low:g}")
    return _moved(input, (input_min, input_max), low, high, Tinput, out_type)


@SHRINK.kernel
def shrink_kernel(input, input_min, input_max, Tinput, out_type):
    low, high = range_kernel(input, input_min, input_max, Tinput)
    return _moved(input, (input_min, input_max), low, high, Tinput, out_type)


@REQUANTIZE.shape
@SHRINK.shape
def _moved_shape(context: ShapeContext) -> list[shapes.Shape]:
    _scalars(context, *(a.name for a in context.op_def.inputs[1:]))
    return [context.dims("input"), (), ()]


# -- a range for each channel ---------------------------------------------------------------------------------

CHANNEL_RANGE = define_op(
    "RequantizationRangePerChannel", "input: T, input_min: float32, input_max: float32 -> output_min: float32, "
    "output_max: float32", T=_INT32, clip_value_max=Attr("float"), source=("W16",),
)  # fmt: skip
CHANNELS = define_op(
    "RequantizePerChannel", "input: T, input_min: float32, input_max: float32, requested_output_min: float32, "
    "requested_output_max: float32 -> output: out_type, output_min: float32, output_max: float32", T=_INT32,
    out_type=_UINT8, source=("W16",),
)  # fmt: skip


def _channel_steps(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """For each channel the float that one of 2**31 steps from 0 stands for."""
    return np.maximum(np.abs(low), np.abs(high)) / _F(2**31)


@CHANNEL_RANGE.kernel
def channel_range_kernel(input, input_min, input_max, clip_value_max):
    q = as_numbers(input).astype(np.int64)
    largest = np.abs(q).reshape(-1, q.shape[-1]).max(axis=0, initial=0)
    high = min(_F(clip_value_max), _F((largest.astype(np.float32) * _channel_steps(input_min, input_max)).max()))
    return np.asarray(_F(0) if np.all(q >= 0) else -high), np.asarray(high)


@CHANNELS.kernel
def channels_kernel(input, input_min, input_max, requested_output_min, requested_output_max, out_type=quint8):
    low, high = (np.reshape(v, ()).astype(np.float32) for v in (requested_output_min, requested_output_max))
    least, most = limits(out_type)
    size = high if out_type is quint8 else np.maximum(np.abs(low), np.abs(high))
    scale = _channel_steps(input_min, input_max) * _F(most) / size
    q = np.rint(as_numbers(input).astype(np.float64) * scale)
    return as_quantized(np.clip(q, least, most), out_type), low, high


def _channel_dims(context: ShapeContext, words: str) -> shapes.Shape:
    dims = context.dims("input")
    if dims is not None and len(dims) != 4:
        raise ShapeError(words)
    return dims


@CHANNEL_RANGE.shape
def _channel_range_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = _channel_dims(context, "input must be in NHWC format")
    for name in ("input_min", "input_max"):
        _fits(name, dims and dims[-1], context.dims(name))
    return [(), ()]


@CHANNELS.shape
def _channels_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = _channel_dims(context, "Current RequantizePerChannel operatorsupports 4D tensors only.")
    low = context.dims("input_min")
    _fits("input_max", low and low[0], context.dims("input_max"))
    return [dims, (), ()]


def _fits(name: str, wanted: Any, dims: shapes.Shape) -> None:
    if wanted is not None and dims and dims[0] not in (None, wanted):
        raise ShapeError(f"{name} has incorrect size, expected {wanted} was {dims[0]}")


for _op in (MATMUL, MUL, ADD, RANGE, REQUANTIZE, SHRINK, CHANNEL_RANGE, CHANNELS):
    _op.no_gradient_registered()


def _q(values: Any, T: Any = quint8) -> np.ndarray:
    return as_quantized(np.array(values), T)


def _example(op_def: OpDef, title: str, **values: Any) -> None:
    op_def.case("W16", title, **values)


_example(MATMUL, "of whole numbers", a=_q([[1, 2], [3, 4]]), b=_q([[5, 6], [7, 8]]), min_a=0, max_a=255, min_b=0,
         max_b=255, out=_q([[19, 22], [43, 50]], qint32), min_out=_F(-(2**31)), max_out=_F(2**31))  # fmt: skip
_example(MATMUL, "zeros that lie elsewhere", a=_q([[1, 2]]), b=_q([[5], [7]]), min_a=-12, max_a=243, min_b=1, max_b=256,
         out=_q([[-146]], qint32), min_out=_F(-(2**31)), max_out=_F(2**31))  # fmt: skip
_example(MATMUL, "inner sizes agree", a=_q([[1, 2]]), b=_q([[5, 7]]), min_a=0, max_a=255, min_b=0, max_b=255,
         error="Matrix size-incompatible: In[0]: [1,2], In[1]: [1,2]")  # fmt: skip
_example(MUL, "a range has two ends", x=_q([1]), y=_q([2]), min_x=1, max_x=1, min_y=0, max_y=1,
         error="max_x must be larger than min_a.")  # fmt: skip
_example(MUL, "one by one", x=_q([0, 128]), y=_q([10, 20]), min_x=0, max_x=255, min_y=-85, max_y=170,
         z=_q([0, -8320], qint32), min_z=_F(-(2**31)), max_z=_F(2**31))  # fmt: skip
_example(ADD, "one by one, and stretched", x=_q([[1], [2]]), y=_q([10, 20]), min_x=0, max_x=255, min_y=0, max_y=255,
         z=_q([[5654, 10794], [6168, 11308]], qint32), min_z=_F(-255 * 2**14), max_z=_F(255 * 2**14))  # fmt: skip
_example(ADD, "a range has two ends", x=_q([1]), y=_q([2]), min_x=1, max_x=1, min_y=0, max_y=1,
         error="max_x must be larger than min_x.")  # fmt: skip
_TALL = _q([-(2**20), 0, 2**22, 2**23], qint32)
_LOW, _HIGH = _F(-0.048828103), _F(0.39062503)
_example(RANGE, "what is used", input=_TALL, input_min=-100, input_max=100, output_min=_LOW, output_max=_HIGH)
_example(SHRINK, "over what is used", input=_TALL, input_min=-100, input_max=100, out_type=quint8,
         output=_q([0, 28, 142, 255]), output_min=_LOW, output_max=_HIGH)  # fmt: skip
_example(REQUANTIZE, "over another range", input=_TALL, input_min=-100, input_max=100, requested_output_min=-0.1,
         requested_output_max=0.3, out_type=quint8, output=_q([33, 64, 188, 255]), output_min=_F(-0.1),
         output_max=_F(0.3))  # fmt: skip
_example(REQUANTIZE, "0 is in the range", input=_TALL, input_min=-100, input_max=100, requested_output_min=0.1,
         requested_output_max=0.3, out_type=quint8, error="requested_output_min must be <= 0, but got 0.1")  # fmt: skip
_example(REQUANTIZE, "one range", input=_TALL, input_min=[-1, 1], input_max=1, requested_output_min=0,
         requested_output_max=1, out_type=quint8, error="`input_min` must be rank 0 but is rank 1")  # fmt: skip
_FOUR = _TALL.reshape(1, 1, 2, 2)
_example(CHANNEL_RANGE, "the largest of all", input=_FOUR, input_min=[-100, -50], input_max=[100, 50],
         clip_value_max=6.0, output_min=-0.1953125, output_max=0.1953125)  # fmt: skip
_example(CHANNELS, "each by its own step", input=_FOUR, input_min=[-100, -50], input_max=[100, 50],
         requested_output_min=-0.1, requested_output_max=0.3, out_type=qint8,
         output=_q([[[[-21, 0], [83, 83]]]], qint8), output_min=_F(-0.1), output_max=_F(0.3))  # fmt: skip
_example(CHANNELS, "pictures of channels", input=_TALL, input_min=[0], input_max=[1], requested_output_min=0,
         requested_output_max=1, error="4D tensors only")  # fmt: skip
ADD.case("W16", "ranges begin at a whole number of steps", x=as_quantized([1], quint8), y=as_quantized([10], quint8),
         min_x=0.08417242, max_x=255.02399, min_y=0.026726147, max_y=255.07048,
         z=as_quantized([5652], qint32))  # fmt: skip
