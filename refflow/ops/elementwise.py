"""Elementwise operations: a table of formulas, each with its gradient.

The gradient of a broadcast operand is summed over the axes along which it was stretched, and given
back its own shape [S17]:

    z = x + y        dx = sum of dz over the axes where x was stretched, reshaped to x

Next: ops/reductions.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.bfloat16 import RECORD, rounded, widened
from refflow.core.dtypes import (
    ALL,
    FLOATS,
    NUMBERS,
    REALS,
    as_dtype,
    complex64,
    complex128,
    float8_e4m3fn,
    float8_e5m2,
    float32,
    float64,
    int4,
    int32,
    int64,
    plain,
    string,
    variant,
)
from refflow.core.elementwise import define_elementwise
from refflow.core.errors import ShapeError, UnimplementedError
from refflow.core.formula import Formula
from refflow.core.graph import Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.narrow import is_narrow, packed, unpacked
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.variants import sum_of
from refflow.ops.broadcast import unbroadcast
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.logic import GREATER_EQUAL, LESS_EQUAL, SELECT

SMOOTH = (*FLOATS, complex64, complex128)

ADD = define_elementwise("Add", "x + y", T=(*NUMBERS, string), commutative=True, source=("S17", "W06"))
SUB = define_elementwise("Sub", "x - y", T=NUMBERS, source=("W06",))
MUL = define_elementwise("Mul", "x * y", T=NUMBERS, commutative=True, source=("W06",))
DIV = define_elementwise("Div", "x / y", T=NUMBERS, source=("W06", "W77", "E25"))
MAXIMUM = define_elementwise("Maximum", "maximum(x, y)", T=REALS, accuracy="exact", source=("W06",))
MINIMUM = define_elementwise("Minimum", "minimum(x, y)", T=REALS, accuracy="exact", source=("W06",))
NEG = define_elementwise("Neg", "-x", T=NUMBERS, accuracy="exact", source=("W06",))
ABS = define_elementwise("Abs", "abs(x)", T=REALS, accuracy="exact", source=("W06", "S47"))
SIGN = define_elementwise("Sign", "sign(x)", T=NUMBERS, accuracy="exact")
FLOOR = define_elementwise("Floor", "floor(x)", T=FLOATS, accuracy="exact")
CEIL = define_elementwise("Ceil", "ceil(x)", T=FLOATS, accuracy="exact")
MOD = define_elementwise("Mod", "fmod(x, y)", T=(int32, int64, float32, float64), accuracy="exact", source=("W77",))
INV = define_elementwise("Inv", "1 / x", T=SMOOTH)
RSQRT = define_elementwise("Rsqrt", "1 / sqrt(x)", T=SMOOTH, accuracy="transcendental")
SIN = define_elementwise("Sin", "sin(x)", T=SMOOTH, accuracy="transcendental")
COS = define_elementwise("Cos", "cos(x)", T=SMOOTH, accuracy="transcendental")
SQUARE = define_elementwise("Square", "x * x", T=NUMBERS, source=("W06", "S47"))
SQRT = define_elementwise("Sqrt", "sqrt(x)", T=SMOOTH, source=("W06",))
EXP = define_elementwise("Exp", "exp(x)", T=SMOOTH, accuracy="transcendental", source=("W06",))
LOG = define_elementwise("Log", "log(x)", T=SMOOTH, accuracy="transcendental", source=("W06",))
TANH = define_elementwise("Tanh", "tanh(x)", T=SMOOTH, accuracy="transcendental", source=("W06",))
SIGMOID = define_elementwise("Sigmoid", "1 / (1 + exp(-x))", T=SMOOTH, accuracy="transcendental", source=("W06",))
RELU = define_elementwise(
    "Relu", "maximum(features, 0)", T=REALS, output="activations", accuracy="exact", source=("S30", "S45", "W06")
)
RELU_GRAD = define_elementwise(
    "ReluGrad", "where(features > 0, gradients, 0)", T=REALS, inputs=("gradients", "features"), output="backprops",
    accuracy="exact", source=("S30",),
)  # fmt: skip


@RELU_GRAD.shape
def same_shapes(context: ShapeContext) -> shapes.Shape:
    """The rule of slopes: what arrives has the shape of what was computed."""
    first, second = context.inputs
    if not shapes.compatible(first, second):
        raise ShapeError(
            f"Inputs to operation {context.op_def.name} of type {context.op_def.name} must have the same size and "
            f"shape.  Input 0: {shapes.text(first)} != input 1: {shapes.text(second)}"
        )
    return shapes.merge(first, second)


@ADD.gradient
def _add_gradient(op, dz):
    """dx = dz and dy = dz, each summed back to its own shape."""
    return unbroadcast(op.inputs, dz, dz)


@SUB.gradient
def _sub_gradient(op, dz):
    """dx = dz, dy = -dz."""
    return unbroadcast(op.inputs, dz, lambda: NEG(dz))


@MUL.gradient
def _mul_gradient(op, dz):
    """dx = dz * y, dy = x * dz."""
    x, y = op.inputs
    return unbroadcast(op.inputs, lambda: dz * y, lambda: x * dz)


@DIV.gradient
def _div_gradient(op, dz):
    """dx = dz / y, dy = -dz * x / y**2."""
    x, y = op.inputs
    return unbroadcast(op.inputs, lambda: dz / y, lambda: dz * (NEG(x) / SQUARE(y)))


def _choice_gradient(compare):
    def gradient(op, dz):
        """The whole gradient goes to the operand that was taken, to x where they are equal."""
        x, y = op.inputs
        taken, zero = compare(x, y), ZEROS_LIKE(dz)
        return unbroadcast(op.inputs, lambda: SELECT(taken, dz, zero), lambda: SELECT(taken, zero, dz))

    return gradient


MAXIMUM.gradient(_choice_gradient(GREATER_EQUAL))
MINIMUM.gradient(_choice_gradient(LESS_EQUAL))


@NEG.gradient
def _neg_gradient(op, dy):
    """dx = -dy."""
    return NEG(dy)


@ABS.gradient
def _abs_gradient(op, dy):
    """dx = dy * sign(x), and 0 at 0."""
    return dy * SIGN(op.inputs[0])


@SIGN.gradient
def _sign_gradient(op, dy):
    """Flat wherever there is a slope: dx = 0."""
    return ZEROS_LIKE(dy)


FLOOR.gradient(_sign_gradient)
CEIL.no_gradient_registered()
MOD.no_gradient_registered()


@INV.gradient
def _inv_gradient(op, dy):
    """dx = -dy * y**2."""
    return NEG(dy) * SQUARE(op.outputs[0])


@RSQRT.gradient
def _rsqrt_gradient(op, dy):
    """dx = -dy * y**3 / 2."""
    y = op.outputs[0]
    return dy * (SQUARE(y) * y * -0.5)


@SIN.gradient
def _sin_gradient(op, dy):
    """dx = dy * cos(x)."""
    return dy * COS(op.inputs[0])


@COS.gradient
def _cos_gradient(op, dy):
    """dx = -dy * sin(x)."""
    return NEG(dy) * SIN(op.inputs[0])


@SQUARE.gradient
def _square_gradient(op, dy):
    """dx = 2 * x * dy."""
    return dy * (op.inputs[0] * 2.0)


@SQRT.gradient
def _sqrt_gradient(op, dy):
    """dx = dy / (2 * y)."""
    return dy / (op.outputs[0] * 2.0)


@EXP.gradient
def _exp_gradient(op, dy):
    """dx = dy * y."""
    return dy * op.outputs[0]


@LOG.gradient
def _log_gradient(op, dy):
    """dx = dy / x."""
    return dy / op.inputs[0]


@TANH.gradient
def _tanh_gradient(op, dy):
    """dx = dy * (1 - y**2)."""
    return dy * (1.0 - SQUARE(op.outputs[0]))


@SIGMOID.gradient
def _sigmoid_gradient(op, dy):
    """dx = dy * y * (1 - y)."""
    y = op.outputs[0]
    return dy * (y * (1.0 - y))


@RELU.gradient
def _relu_gradient(op, dy):
    """dx = dy where the output is positive, else 0: at the kink the slope is 0."""
    return RELU_GRAD(dy, op.outputs[0])


@RELU_GRAD.gradient
def _relu_grad_gradient(op, dy):
    """Linear in `gradients`; flat in `features`."""
    return RELU_GRAD(dy, op.inputs["features"]), None


# -- sums of many, and casts -------------------------------------------------------------------------

ADD_N = define_op("AddN", "inputs: N * T[...S] -> sum: T[...S]", N=1, T=(*NUMBERS, variant),
                  commutative=True, accuracy="dot", source=("W32",))  # fmt: skip


@ADD_N.kernel
def add_n_kernel(inputs):
    """The inputs added from left to right."""
    if inputs[0].dtype == object:
        return sum_of(inputs)
    total = inputs[0].copy()
    for term in inputs[1:]:
        total = total + term
    return total


_FEW = 64  # terms of one expression


@cache
def _sum_of(count: int) -> Formula:
    return Formula(" + ".join(f"x{i}" for i in range(count)))


ADD_N.formula_rule = lambda attrs: _sum_of(attrs["N"]) if attrs["N"] <= _FEW else None


@ADD_N.gradient
def _add_n_gradient(op, dy):
    """Each term gets the whole gradient."""
    return [dy] * len(op.inputs)


ADD_N.case("W32", "terms are added from left to right", inputs=[[1, 2], [10, 20], [100, 200]], N=3, sum=[111, 222])


def add_n(inputs: Any, name: str | None = None) -> Tensor:
    """The sum of tensors of one shape and type."""
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError(f"add_n takes a list with at least one tensor, got {inputs!r}")
    return ADD_N(list(inputs), name=name)


CAST = define_op("Cast", "x: SrcT[...S] -> y: DstT[...S]", SrcT=tuple(t for t in ALL if t.kind in "fiucbqns"),
                 DstT=tuple(t for t in ALL if t.kind in "fiucbqns"), Truncate=True,
                 source=("W06", "W77", "E14"))  # fmt: skip


@CAST.kernel
def cast_kernel(x, DstT, Truncate=True):
    """The same number in another type: floats lose their fraction toward zero when they become ints.

    A bfloat16 keeps the high half of a float32, and with Truncate, as in the first release, nothing of the rest; so
    do 8 bits, and what is beyond their largest number becomes infinite or no number.
    """
    if string in (DstT, as_dtype(x.dtype)) and x.dtype != DstT.as_numpy_dtype:
        names = as_dtype(x.dtype).c_name, DstT.c_name
        raise UnimplementedError(None, None, f"Cast {names[0]} to {names[1]} is not supported")
    if DstT is string:
        return x
    x, target = unpacked(x) if is_narrow(x) else plain(widened(x)), np.dtype(DstT.as_numpy_dtype)
    if DstT.is_narrow:
        return packed(x, DstT, Truncate)
    if DstT.name == "bfloat16":  # [W52, E14]
        single = (x.real if np.iscomplexobj(x) else x).astype(np.float32)
        return np.asarray(_high_half(single)).view(target) if Truncate else rounded(single)
    if np.iscomplexobj(x) and target.kind != "c":
        x = x.real
    with np.errstate(invalid="ignore", over="ignore"):
        if DstT.is_quantized:
            return np.asarray(x.astype(target[0])).view(target)
        if x.dtype.kind == "f" and target == np.uint32:  # what has no place among 64 bits is 0, and others wrap
            return x.astype(np.int64).astype(target)
        if x.dtype.kind == "f" and target == np.uint64:
            return np.where(x >= 2.0**64, target.type(2**63), x.astype(target))
        return x.astype(target)


def _high_half(single: np.ndarray) -> np.ndarray:
    """The upper 16 bits. A NaN that is one by its lower bits alone gets another bit, or it would be an infinity."""
    half = (single.view(np.uint32) >> 16).astype(np.uint16)
    return np.where(np.isnan(single) & (half & 0x7F == 0), half | 0x40, half).astype(np.uint16)


@CAST.gradient
def _cast_gradient(op, dy):
    """The gradient takes the way back, where both types have slopes."""
    smooth = ("f", "c")
    if op.attrs["SrcT"].kind in smooth and op.attrs["DstT"].kind in smooth:
        return cast(dy, op.attrs["SrcT"])
    return None


CAST.case("W77", "floats lose their fraction toward zero", x=[1.7, -1.7], DstT="int32", y=[1, -1])
CAST.case("E14", "a bfloat16 is cut off", x=[1.0078125, 1.01171875], DstT="bfloat16",
          y=np.array([0x3F81, 0x3F81], np.uint16).view(RECORD))  # fmt: skip
CAST.case("W77", "eight bits, to the nearest", x=[1.0, 1.0625, 1.1875, 448.0, 465.0, -0.0], DstT="float8_e4m3fn",
          Truncate=False,
          y=np.array([0x38, 0x38, 0x3A, 0x7E, 0x7F, 0x80], np.uint8).view(float8_e4m3fn.as_numpy_dtype))  # fmt: skip
CAST.case("W77", "eight bits, the rest dropped", x=[1.0, 1.0625, 1.1875, 448.0, 465.0, -0.0], DstT="float8_e4m3fn",
          y=np.array([0x38, 0x38, 0x39, 0x7E, 0x7E, 0x80], np.uint8).view(float8_e4m3fn.as_numpy_dtype))  # fmt: skip
CAST.case("W77", "eight bits as they count", x=np.array([0x7C, 0xC0, 0x01], np.uint8).view(float8_e5m2.as_numpy_dtype),
          DstT="float32", y=[np.inf, -2, 2.0**-16])  # fmt: skip
CAST.case("W77", "four bits, the lowest", x=np.array([3, -3, 17], np.int32), DstT="int4",
          y=np.array([3, 13, 1], np.uint8).view(int4.as_numpy_dtype))  # fmt: skip
CAST.case("W77", "no text becomes a number", x=[b"1"], SrcT="string", DstT="int32",
          error="Cast string to int32 is not supported")  # fmt: skip
CAST.case("W77", "no float becomes four bits", x=[1.0], DstT="int4", error="Cast float to int4 is not supported")
CAST.case("E14", "or rounded to the nearest, ties to even", x=[1.0078125, 1.01171875], DstT="bfloat16", Truncate=False,
          y=np.array([0x3F81, 0x3F82], np.uint16).view(RECORD))  # fmt: skip
CAST.case("W77", "beyond 64 bits", x=[2.0**64, -1.0], DstT="uint64", y=np.array([2**63, 2**64 - 1], np.uint64))
CAST.case("W77", "true is one", x=[True, False], SrcT="bool", DstT="float32", y=[1.0, 0.0])

# The same in host memory, as the first release has it; no gradient is registered for it.
_HOST_ATTRS: dict[str, Any] = dict(CAST.attrs)
HOST_CAST = define_op("_HostCast", CAST.signature, source=("W77",), **_HOST_ATTRS)
HOST_CAST.kernel(cast_kernel)
HOST_CAST.no_gradient_registered()
HOST_CAST.case("W77", "floats lose their fraction toward zero", x=[1.7, -1.7], DstT="int32", y=[1, -1])


def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """`x` with element type `dtype`; IndexedSlices stay sparse. The same type gives back x itself."""
    from refflow.core.convert import convert_to_tensor, op_scope

    base = as_dtype(dtype).base_dtype
    with op_scope([x], name, "Cast") as scope:
        if isinstance(x, IndexedSlices):
            return IndexedSlices(cast(x.values, base), x.indices, x.dense_shape)
        x = convert_to_tensor(x, name="x")
        return x if x.dtype.base_dtype is base else CAST(x, DstT=base, name=scope)


# -- cases -------------------------------------------------------------------------------------------

ADD.case("S17", "a vector is added to each row", x=[[1, 2], [3, 4]], y=[10, 20], z=[[11, 22], [13, 24]])
ADD.case("S17", "a column is added to each column", x=[[1, 2], [3, 4]], y=[[10], [20]], z=[[11, 12], [23, 24]])
ADD.case("S17", "an empty operand gives an empty result", x=np.zeros((0, 2), np.float32), y=[1, 2],
         z=np.zeros((0, 2), np.float32))  # fmt: skip
ADD.case("S17", "other sizes do not stretch", x=[1, 2, 3], y=[1, 2],
         error="Incompatible shapes: [3] vs. [2]: 3 meets 2")  # fmt: skip
ADD.case("W77", "integers wrap around", T="int32", x=[2147483647], y=[1], z=[-2147483648])
SUB.case("W06", "x less y", x=[5, 1], y=[2, 3], z=[3, -2])
MUL.case("W06", "a number times each element", x=[1, 2, 3], y=2, z=[2, 4, 6])
DIV.case("W77", "integers truncate toward zero", T="int32", x=[7, -7, 7, -7], y=[2, 2, -2, -2], z=[3, -3, -3, 3])
DIV.case("W77", "an integer divided by zero is an error", T="int32", x=[1], y=[0], error="Integer division by zero")
DIV.case("W06", "a float divided by zero is infinite", x=[1, -1], y=[0, 0], z=[np.inf, -np.inf])
DIV.case("W06", "x over y", x=[1, 3], y=[2, -4], z=[0.5, -0.75])
MAXIMUM.case("W06", "the larger of two, and NaN where there is one", x=[1, 5, np.nan], y=[3, 2, 0], z=[3, 5, np.nan])
MAXIMUM.case("W06", "operands stretch", x=[[1, 5]], y=[[3], [4]], z=[[3, 5], [4, 5]])
MINIMUM.case("W06", "the smaller of two", x=[1, 5], y=[3, 2], z=[1, 2])
NEG.case("W06", "the sign turns, also that of zero", x=[1, -2, 0], y=[-1, 2, -0.0])
ABS.case("W06", "the distance from zero", x=[1, -2, 0], y=[1, 2, 0])
SIGN.case("S47", "-1, 0 or 1, and NaN stays", x=[-3, 0, 2, np.nan], y=[-1, 0, 1, np.nan])
SIGN.case("S47", "of numbers", x=[-3, 2], y=[-1, 1])
FLOOR.case("W06", "down, also below zero", x=[1.5, -1.5], y=[1, -2])
CEIL.case("W06", "up, also below zero", x=[1.5, -1.5], y=[2, -1])
MOD.case("W77", "the remainder has the sign of x", T="int32", x=[7, -7, 7, -7], y=[3, 3, -3, -3], z=[1, -1, 1, -1])
MOD.case("W77", "of floats", x=[5.5, -5.5], y=[2, 2], z=[1.5, -1.5])
MOD.case("W77", "an integer divided by zero is an error", T="int32", x=[1], y=[0], error="Integer division by zero")
INV.case("W06", "one over x", x=[2, -4], y=[0.5, -0.25])
RSQRT.case("W06", "one over the root", x=[4, 0.25], y=[0.5, 2])
SIN.case("W06", "a quarter turn", x=[0, np.pi / 2], y=[0, 1])
COS.case("W06", "a half turn", x=[0, np.pi], y=[1, -1])
SQUARE.case("W06", "x times x", x=[3, -4], y=[9, 16])
SQRT.case("W06", "no real root below zero", x=[9, 0, -1], y=[3, 0, np.nan])
EXP.case("W06", "e to the x", x=[0, -np.inf], y=[1, 0])
EXP.case("W06", "doubles by adding log 2", x=[np.log(2), np.log(4)], y=[2, 4])
LOG.case("W06", "logarithms of powers", x=[1, np.e], y=[0, 1])
LOG.case("W06", "the inverse of exp", x=[1, 0], y=[0, -np.inf])
TANH.case("W06", "levels off at -1 and 1", x=[0, 30, -30], y=[0, 1, -1])
SIGMOID.case("W06", "0, 1/2 and 1 from far left to far right", x=[-1e4, 0, 1e4], y=[0, 0.5, 1])
RELU.case("S30", "negative values become zero, NaN stays", features=[-1, 0, 2, np.nan], activations=[0, 0, 2, np.nan])
RELU.case("S30", "a ramp", features=[[-3, -1], [1, 3]], activations=[[0, 0], [1, 3]])
SQRT.case("W06", "squares have whole roots", x=[4, 9], y=[2, 3])
RELU_GRAD.case("S30", "nothing flows back at or below zero", gradients=[5, 6, 7], features=[-1, 0, 2],
               backprops=[0, 0, 7])  # fmt: skip
