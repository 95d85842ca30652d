"""Layers of nets on quantized numbers: each tensor comes with the range [min, max] that its integers span [W16].

    step of a type        s = (max - min) / (2**bits - 1)
    QuantizedConv2D       sum of (x - x0) (w - w0), x0 and w0 the integers of 0.0; in 32 bits of step s_x s_w
    QuantizedBiasAdd      both in 32 bits over 2**17 times the larger range, added
    QuantizedRelu, Relu6, ReluX    max(x, x0), and at most the integer of the bound
    QuantizedMaxPool, AvgPool      of the integers; a mean is rounded towards zero

Next: ops/matmul.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import qint8, qint32, quint8
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import either, need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.conv import CONV_2D, PLAIN_PADDINGS
from refflow.ops.depthwise import DEPTHWISE
from refflow.ops.pool import POOL_2D
from refflow.ops.quantize import QUANTIZED, as_numbers, as_quantized, limits
from refflow.ops.windows import Window, padded, places, windows

_WINDOW: dict[str, Any] = {"strides": Attr("list(int)"), "padding": PLAIN_PADDINGS}
_RANGES = "min_input: float32, max_input: float32"


def _typed(default: Any) -> Attr:
    return Attr("type", default=default, allowed=QUANTIZED.allowed)


def integer_of(value: float, low: Any, high: Any, T: Any, clamped: bool = True) -> int:
    """The integer that stands for `value` in a range; not clamped, it may lie outside the type."""
    low, high = float(low), float(high)
    least, most = limits(T)
    if low == high:
        return 0
    steps = 2 ** (8 * T.size)
    scale = steps / ((high - low) * (steps / (steps - 1.0)))
    found = int(_round(value * scale) - _round(low * scale)) + least
    return min(max(found, least), most) if clamped else found


def _round(x: Any) -> Any:
    """Halves away from zero, in double precision."""
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def step_of(low: Any, high: Any, T: Any) -> np.float32:
    """What one step of the integers is worth."""
    least, most = limits(T)
    return np.float32((np.float32(high) - np.float32(low)) / np.float32(most - least))


def product_range(a: Any, b: Any) -> tuple[np.float32, np.float32]:
    """The range of 32-bit integers whose step is the product of two steps."""
    step = np.float64(step_of(*a)) * np.float64(step_of(*b))
    least, most = limits(qint32)
    return np.float32(np.float32(step) * np.float32(least)), np.float32(np.float32(step) * np.float32(most))


def _scalars(context: ShapeContext, *names: str) -> None:
    for name in names:
        dims = context.dims(name)
        if dims:
            rank = f"must be rank 0 but is rank {len(dims)}"
            told = name.replace("_features", "_input")  # as TensorFlow calls it
            raise ShapeError(
                f"`{told}` {rank}: {name} {rank}, {name} shape {rank}, received shape: {shapes.text(dims)}"
            )


# -- convolutions -----------------------------------------------------------------------------------------------

_CONV_RANGES = ("min_input", "max_input", "min_filter", "max_filter")


def _define_conv(name: str, base: OpDef, extra: dict[str, Any]) -> OpDef:
    op_def = define_op(
        name,
        f"input: Tinput, filter: Tfilter, {_RANGES}, min_filter: float32, max_filter: float32 "
        "-> output: out_type, min_output: float32, max_output: float32",
        Tinput=QUANTIZED, Tfilter=QUANTIZED, out_type=_typed(qint32), **_WINDOW,
        dilations=Attr("list(int)", default=[1, 1, 1, 1]), source=("W16", "W74"),
    )  # fmt: skip

    @op_def.kernel
    def kernel(input, filter, min_input, max_input, min_filter, max_filter, Tinput, Tfilter, out_type, strides,
               padding, dilations):  # fmt: skip
        zero_x = integer_of(0.0, min_input, max_input, Tinput, clamped=False)
        zero_w = integer_of(0.0, min_filter, max_filter, Tfilter, clamped=False)
        x, w = as_numbers(input).astype(np.float64) - zero_x, as_numbers(filter).astype(np.float64) - zero_w
        y = base.reference(x, w, strides=strides, padding=padding, dilations=dilations, data_format="NHWC",
                           explicit_paddings=[], **extra)  # fmt: skip
        span = product_range((min_input, max_input, Tinput), (min_filter, max_filter, Tfilter))
        return as_quantized(y.astype(np.int64).astype(np.int32), out_type), *span

    @op_def.shape
    def shape(context: ShapeContext) -> list[shapes.Shape]:
        _scalars(context, *_CONV_RANGES)
        attrs = {k: context.attrs[k] for k in ("strides", "padding", "dilations")}
        attrs |= {"data_format": "NHWC", "explicit_paddings": []}
        (found,) = context.of(base, attrs, context.inputs[:2])
        return [found, (), ()]

    op_def.no_gradient_registered()
    return op_def


CONV = _define_conv("QuantizedConv2D", CONV_2D.conv, {"use_cudnn_on_gpu": True})
DEPTHWISE_CONV = _define_conv("QuantizedDepthwiseConv2D", DEPTHWISE, {})


# -- biases -----------------------------------------------------------------------------------------------------

BIAS_ADD = define_op(
    "QuantizedBiasAdd",
    f"input: T1, bias: T2, {_RANGES}, min_bias: float32, max_bias: float32 "
    "-> output: out_type, min_out: float32, max_out: float32",
    T1=QUANTIZED, T2=QUANTIZED, out_type=QUANTIZED, source=("W16",),
)  # fmt: skip
BIAS_ADD.no_gradient_registered()


def _as_floats(q: np.ndarray, low: Any, high: Any, T: Any) -> np.ndarray:
    """What the integers stand for; the range's beginning is moved to a whole step."""
    low, high = float(low), float(high)
    if low == high:
        return np.full(q.shape, low, np.float32)
    step = (high - low) / (2.0 ** (8 * T.size) - 1)
    begin = _round(low / np.float32(step)) * float(np.float32(step))
    return (begin + (q.astype(np.float64) - limits(T)[0]) * step).astype(np.float32)


@BIAS_ADD.kernel
def quantized_bias_add_kernel(input, bias, min_input, max_input, min_bias, max_bias, T1, T2, out_type):
    largest = max(float(max_input), -float(min_input), float(max_bias), -float(min_bias))
    high = np.float32(np.float32(largest) * np.float32(1 << 17))
    bits = 8 * out_type.size
    scale = np.float32((2.0**bits - 1) / (2.0 * float(high)) if high else 0.0)
    first = limits(out_type)[0] - _round(np.float32(-high * scale))  # in single precision, as the release has it

    def requantized(q: np.ndarray, low: Any, top: Any, T: Any) -> np.ndarray:
        found = _round(_as_floats(as_numbers(q), low, top, T) * scale) + first
        return np.clip(found, *limits(out_type)).astype(np.int64)

    total = requantized(input, min_input, max_input, T1) + requantized(bias, min_bias, max_bias, T2)
    return as_quantized(total, out_type), -high, high


@BIAS_ADD.shape
def _bias_add_shape(context: ShapeContext) -> list[shapes.Shape]:
    _scalars(context, "min_input", "max_input", "min_bias", "max_bias")
    x, bias = context.dims("input"), context.dims("bias")
    if x is not None and len(x) < 2:
        raise ShapeError(f"Input tensor must be at least 2D: {shapes.text(x)}")
    need_rank(bias, 1, "Biases must be 1D: {0}")
    if x is not None and bias is not None and None not in (x[-1], bias[0]) and x[-1] != bias[0]:
        raise ShapeError(
            f"Must provide as many biases as the last dimension of the input tensor: {shapes.text(bias)} vs. "
            f"{shapes.text(x)}"
        )
    known = x is None or bias is None
    return [x if known else (*x[:-1], either(x[-1], bias[0])), (), ()]  # type: ignore[index]


# -- activations ------------------------------------------------------------------------------------------------

_FEATURES = "min_features: float32, max_features: float32"
_ACTIVATIONS = "activations: out_type, min_activations: float32, max_activations: float32"


def _define_relu(name: str, bound: float | None, more: str = "") -> OpDef:
    op_def = define_op(name, f"features: Tinput, {more}{_FEATURES} -> {_ACTIVATIONS}", Tinput=QUANTIZED,
                       out_type=_typed(quint8), source=("W16",))  # fmt: skip

    def bounded(features: Any, low: Any, high: Any, T: Any, out_type: Any, top: float | None) -> Any:
        q = np.maximum(as_numbers(features), integer_of(0.0, low, high, T))
        if top is not None:
            q = np.minimum(q, integer_of(top, low, high, T))
        return as_quantized(q, out_type), np.float32(low), np.float32(high)

    if more:

        @op_def.kernel
        def kernel_x(features, max_value, min_features, max_features, Tinput, out_type):
            return bounded(features, min_features, max_features, Tinput, out_type, float(max_value))
    else:

        @op_def.kernel
        def kernel(features, min_features, max_features, Tinput, out_type):
            return bounded(features, min_features, max_features, Tinput, out_type, bound)

    @op_def.shape
    def shape(context: ShapeContext) -> list[shapes.Shape]:
        _scalars(context, *(a.name for a in context.op_def.inputs[1:]))
        return [context.dims("features"), (), ()]

    op_def.no_gradient_registered()
    return op_def


RELU = _define_relu("QuantizedRelu", None)
RELU_6 = _define_relu("QuantizedRelu6", 6.0)
RELU_X = _define_relu("QuantizedReluX", None, "max_value: float32, ")


# -- pools ------------------------------------------------------------------------------------------------------


def _pool(name: str, base: OpDef) -> OpDef:
    op_def = define_op(
        name, f"input: T, {_RANGES} -> output: T, min_output: float32, max_output: float32", T=QUANTIZED,
        ksize=Attr("list(int)"), **_WINDOW, source=("W16", "W74"),
    )  # fmt: skip

    @op_def.shape
    def shape(context: ShapeContext) -> list[shapes.Shape]:
        _scalars(context, "min_input", "max_input")
        attrs = context.attrs | {"data_format": "NHWC", "explicit_paddings": []}
        (found,) = context.of(base, attrs, context.inputs[:1])
        return [found, (), ()]

    op_def.no_gradient_registered()
    return op_def


MAX_POOL, MEAN_POOL = _pool("QuantizedMaxPool", POOL_2D.max), _pool("QuantizedAvgPool", POOL_2D.mean)


def _axes(x: np.ndarray, ksize: list[int], strides: list[int], padding: str) -> list[Window]:
    return windows(x.shape[1:3], ksize[1:3], strides[1:3], [1, 1], padding)


@MAX_POOL.kernel
def quantized_max_pool_kernel(input, min_input, max_input, T, ksize, strides, padding):
    y = POOL_2D.max.reference(
        as_numbers(input), ksize=ksize, strides=strides, padding=padding, data_format="NHWC", explicit_paddings=[]
    )
    return as_quantized(y, T), np.float32(min_input), np.float32(max_input)


@MEAN_POOL.kernel
def quantized_avg_pool_kernel(input, min_input, max_input, T, ksize, strides, padding):
    x = as_numbers(input).astype(np.int64)
    axes = _axes(x, ksize, strides, padding)
    image, one = padded(x, axes), padded(np.ones((1, *x.shape[1:3], 1), np.int64), axes)
    total = sum((image[view] for _, view in places(axes)), np.zeros((), np.int64))
    count = sum((one[view] for _, view in places(axes)), np.zeros((), np.int64))
    return as_quantized(np.sign(total) * (np.abs(total) // count), T), np.float32(min_input), np.float32(max_input)


def _records(T: Any, *dims: int, of: list[int]) -> np.ndarray:
    return as_quantized(np.array(of).reshape(dims), T)


_FULL: dict[str, Any] = {"min_input": 0.0, "max_input": 255.0}
_STEP: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "VALID"}
_IMAGE = _records(quint8, 1, 2, 2, 1, of=[1, 2, 3, 4])
_KERNEL = _records(quint8, 2, 2, 1, 1, of=[1, 0, 0, 2])
CONV.case("W16", "sums of products", input=_IMAGE, filter=_KERNEL, **_FULL, min_filter=0.0, max_filter=255.0, **_STEP,
          output=_records(qint32, 1, 1, 1, 1, of=[9]), min_output=-(2.0**31), max_output=2.0**31)  # fmt: skip
CONV.case("W16", "a range has two ends", input=_IMAGE, filter=_KERNEL, min_input=[0.0], max_input=255.0,
          min_filter=0.0, max_filter=255.0, **_STEP, error="min_input must be rank 0 but is rank 1")  # fmt: skip
DEPTHWISE_CONV.case("W16", "sums of products", input=_IMAGE, filter=_records(qint8, 2, 2, 1, 1, of=[1, 0, 0, 2]),
                    **_FULL, min_filter=-128.0, max_filter=127.0, **_STEP,
                    output=_records(qint32, 1, 1, 1, 1, of=[9]))  # fmt: skip
BIAS_ADD.case("W16", "a range of 2**17 times the larger", input=_records(quint8, 1, 2, of=[0, 255]),
              bias=_records(quint8, 2, of=[0, 0]), **_FULL, min_bias=0.0, max_bias=255.0, out_type=qint32,
              min_out=-255.0 * 2**17, max_out=255.0 * 2**17)  # fmt: skip
BIAS_ADD.case("W16", "as many biases as channels", input=_records(quint8, 1, 2, of=[0, 255]),
              bias=_records(quint8, 1, of=[0]), **_FULL, min_bias=0.0, max_bias=255.0, out_type=qint32,
              error="Must provide as many biases as the last dimension of the input tensor: [1] vs. [1,2]")  # fmt: skip
_BELOW: dict[str, Any] = {"min_features": -128.0, "max_features": 127.0}
RELU.case("W16", "0.0 is 128 here", features=_records(quint8, 3, of=[0, 128, 200]), **_BELOW,
          activations=_records(quint8, 3, of=[128, 128, 200]), min_activations=-128, max_activations=127)  # fmt: skip
RELU_6.case("W16", "from 0.0 to 6.0", features=_records(quint8, 3, of=[0, 130, 200]), **_BELOW,
            activations=_records(quint8, 3, of=[128, 130, 134]))  # fmt: skip
RELU_X.case("W16", "from 0.0 to a bound", features=_records(quint8, 3, of=[0, 130, 200]), max_value=1.0, **_BELOW,
            activations=_records(quint8, 3, of=[128, 129, 129]))  # fmt: skip
MAX_POOL.case("W16", "the largest integer", input=_IMAGE, **_FULL, ksize=[1, 2, 2, 1], **_STEP,
              output=_records(quint8, 1, 1, 1, 1, of=[4]), min_output=0, max_output=255)  # fmt: skip
MEAN_POOL.case("W16", "rounded towards zero", input=_IMAGE, **_FULL, ksize=[1, 2, 2, 1], **_STEP,
               output=_records(quint8, 1, 1, 1, 1, of=[2]), min_output=0, max_output=255)  # fmt: skip
