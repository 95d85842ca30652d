"""Arithmetic beyond the first release's four operations: powers, remainders, quotients that are 0 where they are not.

    FloorDiv      floor(x / y)                     FloorMod     x - y * floor(x / y): has the sign of y
    DivNoNan      x / y, and 0 where y = 0         MulNoNan     x * y, and 0 where y = 0, also if x is infinite
    Xlogy         x * log(y), and 0 where x = 0    Xdivy        x / y, and 0 where x = 0
    Pow           x ** y                           SquaredDifference   (x - y) * conj(x - y)

Next: ops/elementary.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, NUMBERS, REALS, float32
from refflow.core.elementwise import define_broadcasting
from refflow.core.errors import FailedPreconditionError, InternalError, ShapeError
from refflow.core.formula import Formula, divide, no_zeros
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op, define_variant
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import is_known
from refflow.core.signature import Attr
from refflow.ops.add_n import ADD_N
from refflow.ops.broadcast import unbroadcast
from refflow.ops.cast import cast
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementwise import ADD, DIV, INV, LOG, MOD, NEG, SMOOTH, SQUARE, SUB
from refflow.ops.logic import EQUAL, GREATER, LESS, NOT_EQUAL, SELECT

ADD_V2 = define_variant("AddV2", ADD)
REAL_DIV = define_variant("RealDiv", DIV)
TRUNCATE_MOD = define_variant("TruncateMod", MOD)
RECIPROCAL = define_variant("Reciprocal", INV)
ACCUMULATE_N_V2 = define_op("AccumulateNV2", "inputs: N * T[...S] -> sum: T[...S]", N=1, T=NUMBERS,
                            shape=Attr("shape"), commutative=True, accuracy="dot",
                            source=("W32",))  # fmt: skip
ACCUMULATE_N_V2.kernel(ADD_N.reference)
ACCUMULATE_N_V2.shape(lambda context: shapes.merge(context.by_signature()[0], context.attrs["shape"].as_tuple))


@ACCUMULATE_N_V2.gradient
def _accumulate_gradient(op, dy):
    """Each term gets the whole gradient."""
    return [dy] * len(op.inputs)


def truncated_quotient(x: Any, y: Any) -> Any:
    _no_zeros_here(x, y)
    quotient = divide(x, y)
    return quotient if quotient.dtype.kind in "iu" else np.trunc(quotient)


def _no_zeros_here(x: Any, y: Any) -> None:
    """As `no_zeros`, of the class that these two ops have in TensorFlow: it does not expect them to fail."""
    try:
        no_zeros(x, y)
    except ZeroDivisionError as error:
        told = "Unexpected error in binary operator (only integer div and mod should have errors)"
        raise InternalError(None, None, f"{told}: {error}") from None


TRUNCATE_MOD.formula_rule = lambda attrs: TRUNCATE_MOD.formula if attrs["T"].is_floating else None


@TRUNCATE_MOD.kernel
def truncate_mod_kernel(x, y):
    _no_zeros_here(x, y)
    return MOD.reference(x, y)


def floor_divide(x: Any, y: Any) -> Any:
    no_zeros(x, y)
    if np.asarray(x).dtype.kind in "iu":
        return np.floor_divide(x, y)
    return np.floor(np.divide(x, y))


def floor_remainder(x: Any, y: Any) -> Any:
    no_zeros(x, y)
    return np.mod(x, y)


TRUNCATE_DIV = define_broadcasting("TruncateDiv", "x y", truncated_quotient, T=NUMBERS, source=("W77",))
TRUNCATE_DIV.no_gradient_registered()
FLOOR_DIV = define_broadcasting("FloorDiv", "x y", floor_divide, T=NUMBERS, source=("W77", "E25"))
FLOOR_MOD = define_broadcasting("FloorMod", "x y", floor_remainder, T=REALS, source=("W77",))
POW = define_broadcasting("Pow", "x y", "power(x, y)", T=NUMBERS, accuracy="transcendental", source=("W06",))
SQUARED_DIFFERENCE = define_broadcasting(
    "SquaredDifference", "x y", "(x - y) * conj(x - y)", T=NUMBERS, commutative=True, source=("W06",)
)
_REAL_DISTANCE = Formula("square(x - y)")
SQUARED_DIFFERENCE.formula_rule = lambda attrs: SQUARED_DIFFERENCE.formula if attrs["T"].is_complex else _REAL_DISTANCE
DIV_NO_NAN = define_broadcasting("DivNoNan", "x y", "where(y == 0, 0, x / y)", T=SMOOTH, source=("W06",))
MUL_NO_NAN = define_broadcasting("MulNoNan", "x y", "where(y == 0, 0, x * y)", T=SMOOTH, source=("W06",))
XLOGY = define_broadcasting("Xlogy", "x y", "where(x == 0, 0, x * log(y))", T=SMOOTH, accuracy="transcendental",
                            source=("W06",))  # fmt: skip
XLOG1PY = define_broadcasting("Xlog1py", "x y", "where(x == 0, 0, x * log1p(y))", T=SMOOTH, accuracy="transcendental",
                              source=("W06",))  # fmt: skip
XDIVY = define_broadcasting("Xdivy", "x y", "where(x == 0, 0, x / y)", T=SMOOTH, source=("W06",))
ATAN2 = define_broadcasting("Atan2", "y x", np.arctan2, T=FLOATS, accuracy="transcendental", source=("W06",))
NEXT_AFTER = define_broadcasting("NextAfter", "x1 x2", np.nextafter, output="output", accuracy="exact",
                                 T=Attr("type", default=float32, allowed=FLOATS), source=("W06",))  # fmt: skip


def _one(x: Tensor) -> Any:
    return cast(np.float32(1), x.dtype)


@FLOOR_DIV.gradient
def _floor_div_gradient(op, dz):
    """Flat wherever there is a slope."""
    return None, None


@FLOOR_MOD.gradient
def _floor_mod_gradient(op, dz):
    """dx = dz, dy = -dz * floor(x / y)."""
    x, y = op.inputs
    return unbroadcast(op.inputs, dz, lambda: NEG(dz * FLOOR_DIV(x, y)))


@POW.gradient
def _pow_gradient(op, dz):
    """dx = dz * y * x**(y - 1), dy = dz * z * log(x), where x is positive, else 0."""
    x, y = op.inputs
    z = op.outputs[0]

    def dy() -> Tensor:
        positive = NOT_EQUAL(x, ZEROS_LIKE(x)) if x.dtype.is_complex else GREATER(x, ZEROS_LIKE(x))
        logarithm = SELECT(positive, LOG(SELECT(positive, x, ZEROS_LIKE(x) + _one(x))), ZEROS_LIKE(x))
        return dz * z * logarithm

    return unbroadcast(op.inputs, lambda: dz * y * POW(x, y - _one(y)), dy)


@SQUARED_DIFFERENCE.gradient
def _squared_difference_gradient(op, dz):
    """dx = 2 * dz * (x - y), dy = -dx."""
    x, y = op.inputs
    slope = (dz + dz) * SUB(x, y)
    return unbroadcast(op.inputs, slope, lambda: NEG(slope))


@DIV_NO_NAN.gradient
def _div_no_nan_gradient(op, dz):
    """dx = dz / y, dy = -dz * x / y**2, both 0 where y = 0."""
    x, y = op.inputs
    return unbroadcast(op.inputs, lambda: DIV_NO_NAN(dz, y), lambda: dz * DIV_NO_NAN(DIV_NO_NAN(NEG(x), y), y))


@MUL_NO_NAN.gradient
def _mul_no_nan_gradient(op, dz):
    """dx = dz * y, dy = x * dz."""
    x, y = op.inputs
    return unbroadcast(op.inputs, lambda: MUL_NO_NAN(dz, y), lambda: MUL_NO_NAN(x, dz))


def _where_not_zero(x: Tensor) -> Tensor:
    return cast(NOT_EQUAL(x, ZEROS_LIKE(x)), x.dtype)


@XLOGY.gradient
def _xlogy_gradient(op, dz):
    """dx = dz * log(y) where x is not 0, dy = dz * x / y."""
    x, y = op.inputs
    return unbroadcast(op.inputs, lambda: dz * XLOGY(_where_not_zero(x), y), lambda: dz * XDIVY(x, y))


@XLOG1PY.gradient
def _xlog1py_gradient(op, dz):
    """dx = dz * log(1 + y) where x is not 0, dy = dz * x / (1 + y)."""
    x, y = op.inputs
    return unbroadcast(op.inputs, lambda: dz * XLOG1PY(_where_not_zero(x), y), lambda: dz * XDIVY(x, y + _one(y)))


@XDIVY.gradient
def _xdivy_gradient(op, dz):
    """dx = dz / y where x is not 0, dy = -dz * x / y**2."""
    x, y = op.inputs
    return unbroadcast(op.inputs, lambda: dz * XDIVY(_where_not_zero(x), y), lambda: dz * XDIVY(NEG(x), SQUARE(y)))


@ATAN2.gradient
def _atan2_gradient(op, dz):
    """dy = dz * x / (x**2 + y**2), dx = -dz * y / (x**2 + y**2)."""
    y, x = op.inputs
    inverse = dz / (SQUARE(x) + SQUARE(y))
    return unbroadcast(op.inputs, lambda: x * inverse, lambda: NEG(y) * inverse)


@NEXT_AFTER.gradient
def _next_after_gradient(op, dz):
    """The step is too small for a slope: dx1 = dz, dx2 = 0."""
    return unbroadcast(op.inputs, dz, lambda: ZEROS_LIKE(dz))


# -- slopes as ops of their own ----------------------------------------------------------------------------


def _slope(name: str, text: str) -> Any:
    """`name(y, dy)`: dx from the value y of a function and what arrives, element by element in y's shape."""
    op_def = define_broadcasting(name, "y dy", text, T=SMOOTH, source=("W30",))
    compute = op_def.reference
    op_def.kernel(lambda y, dy: compute(y, np.reshape(dy, np.shape(y))))
    op_def.shape(_of_one_size)
    return op_def


def _of_one_size(context: ShapeContext) -> shapes.Shape:
    y, dy = context.inputs
    if is_known(y) and is_known(dy):
        counts = [prod(dims) for dims in (y, dy)]  # type: ignore[arg-type]
        if counts[0] != counts[1]:
            raise ShapeError(
                f"The two arguments to a cwise op must have same number of elements, got {counts[0]} and {counts[1]}"
            )
    return dy if y is None else y


SIGMOID_GRAD = _slope("SigmoidGrad", "dy * y * (1 - y)")
TANH_GRAD = _slope("TanhGrad", "dy * (1 - y * y)")
# As the release has it for powers: y is conjugated here, and where nothing arrives nothing goes on.
SQRT_GRAD = _slope("SqrtGrad", "where(dy == 0, 0, dy * 0.5 / conj(y))")
RSQRT_GRAD = _slope("RsqrtGrad", "where(dy == 0, 0, dy * (-0.5 * conj(y)) * (conj(y) * conj(y)))")
RECIPROCAL_GRAD = _slope("ReciprocalGrad", "where(dy == 0, 0, -dy * conj(y) * conj(y))")
INV_GRAD = define_variant("InvGrad", RECIPROCAL_GRAD)


@SIGMOID_GRAD.gradient
def _sigmoid_grad_gradient(op, ddx):
    """dy' = ddx * dy * (1 - 2 y), d(dy) = ddx * y * (1 - y)."""
    y, dy = op.inputs
    return ddx * dy * (_one(y) - y - y), SIGMOID_GRAD(y, ddx)


@TANH_GRAD.gradient
def _tanh_grad_gradient(op, ddx):
    """dy' = -2 * ddx * dy * y, d(dy) = ddx * (1 - y**2)."""
    y, dy = op.inputs
    return NEG(ddx * dy * (y + y)), TANH_GRAD(y, ddx)


@SQRT_GRAD.gradient
def _sqrt_grad_gradient(op, ddx):
    """dy' = -ddx * dx / y, d(dy) = ddx / (2 y)."""
    y = op.inputs[0]
    over = ddx / y
    return NEG(over) * op.outputs[0], over * cast(np.float32(0.5), y.dtype)


@RSQRT_GRAD.gradient
def _rsqrt_grad_gradient(op, ddx):
    """dy' = -1.5 * ddx * dy * y**2, d(dy) = -ddx * y**3 / 2."""
    y, dy = op.inputs
    return cast(np.float32(-1.5), y.dtype) * ddx * dy * SQUARE(y), RSQRT_GRAD(y, ddx)


@RECIPROCAL_GRAD.gradient
def _reciprocal_grad_gradient(op, ddx):
    """dy' = -2 * ddx * dy * y, d(dy) = -ddx * y**2."""
    y, dy = op.inputs
    return NEG(ddx * dy * (y + y)), RECIPROCAL_GRAD(y, ddx)


INV_GRAD.gradient(_reciprocal_grad_gradient)

# -- limits -------------------------------------------------------------------------------------------------


# Comparisons decide: a bound that is no number bounds nothing.
_BELOW = "where(clip_value_max < t, clip_value_max, t)"
CLIP_BY_VALUE = define_broadcasting(
    "ClipByValue", "t clip_value_min clip_value_max", f"where({_BELOW} < clip_value_min, clip_value_min, {_BELOW})",
    T=NUMBERS, output="output", accuracy="exact", source=("W06",),
)  # fmt: skip


@CLIP_BY_VALUE.shape
def _clip_shape(context: ShapeContext) -> shapes.Shape:
    """A bound is a scalar or has the shape of t: as in TensorFlow, it does not stretch."""
    t = context.dims("t")
    for name in ("clip_value_min", "clip_value_max"):
        bound = context.dims(name)
        if bound and not shapes.compatible(bound, t):
            low, high = shapes.text(context.dims("clip_value_min")), shapes.text(context.dims("clip_value_max"))
            raise ShapeError(
                "clip_value_min and clip_value_max must be either of the same shape as input, or a scalar. "
                f"input shape: {shapes.text(t)}clip_value_min shape: {low}clip_value_max shape: {high}"
            )
    return t


@CLIP_BY_VALUE.gradient
def _clip_gradient(op, dz):
    """The gradient goes to the bound where it holds the value, else to the value."""
    t, low, high = op.inputs
    zero = ZEROS_LIKE(dz)
    below = cast(LESS(t, low), dz.dtype)
    above = cast(GREATER(t, high), dz.dtype)
    inside = EQUAL(below + above, ZEROS_LIKE(below))
    at_low, _ = unbroadcast([low, dz], lambda: below * dz, lambda: zero)
    at_high, _ = unbroadcast([high, dz], lambda: above * dz, lambda: zero)
    return SELECT(inside, dz, zero), at_low, at_high


CROSS = define_op("Cross", "a: T, b: T -> product: T", T=REALS, accuracy="rounded", source=("W06",))


@CROSS.shape
def _cross_shape(context: ShapeContext) -> shapes.Shape:
    a, b = context.dims("a"), context.dims("b")
    if not shapes.compatible(a, b):
        raise ShapeError(f"Both inputs must be of same shape: {shapes.text(a)} vs. {shapes.text(b)}")
    if a == ():
        raise ShapeError("Input must be at least 1D[]")
    return shapes.merge(a, b)


@CROSS.kernel
def cross_kernel(a, b):
    """a x b along the last axis, which has size 3."""
    if a.shape[-1] != 3:
        raise FailedPreconditionError(None, None, "Cross-products are only defined for 3-element vectors.")
    return np.roll(a, -1, -1) * np.roll(b, -2, -1) - np.roll(a, -2, -1) * np.roll(b, -1, -1)


@CROSS.gradient
def _cross_gradient(op, dz):
    """da = b x dz, db = dz x a."""
    a, b = op.inputs
    return CROSS(b, dz), CROSS(dz, a)


TRUNCATE_DIV.case("W77", "toward zero", T="int32", x=[7, -7, 7, -7], y=[2, 2, -2, -2], z=[3, -3, -3, 3])
TRUNCATE_DIV.case("W77", "floats too", x=[7.5, -7.5, 1], y=[2, 2, 0], z=[3, -3, np.inf])
TRUNCATE_DIV.case("W77", "nothing is divided by zero", T="int32", x=[1], y=[0], error="Integer division by zero")
FLOOR_DIV.case("W77", "down, also below zero", T="int32", x=[7, -7, 7, -7], y=[2, 2, -2, -2], z=[3, -4, -4, 3])
FLOOR_DIV.case("W77", "nothing is divided by zero", T="int32", x=[1], y=[0], error="Integer division by zero")
FLOOR_DIV.case("W77", "floats too", x=[7.5, -7.5], y=[2, 2], z=[3, -4])
FLOOR_MOD.case("W77", "the sign of y", T="int32", x=[7, -7, 7, -7], y=[3, 3, -3, -3], z=[1, 2, -2, -1])
FLOOR_MOD.case("W77", "of floats", x=[5.5, -5.25], y=[2, 2], z=[1.5, 0.75])
POW.case("W06", "squares and roots", x=[3, 4], y=[2, 0.5], z=[9, 2])
POW.case("W06", "integers stay integers", T="int32", x=[2, -3], y=[10, 3], z=[1024, -27])
POW.case("W06", "a negative power of an integer is none", T="int32", x=[2], y=[-1],
         error="Integers to negative integer powers are not allowed")  # fmt: skip
SQUARED_DIFFERENCE.case("W06", "the distance, squared", x=[3, 1], y=[1, 4], z=[4, 9])
DIV_NO_NAN.case("W06", "nothing over zero is zero", x=[1, 0], y=[0, 0], z=[0, 0])
DIV_NO_NAN.case("W06", "else a quotient", x=[1, 3], y=[2, -4], z=[0.5, -0.75])
MUL_NO_NAN.case("W06", "zero times anything is zero", x=[np.inf, np.nan, 2], y=[0, 0, 3], z=[0, 0, 6])
MUL_NO_NAN.case("W06", "else a product", x=[2, 3], y=[4, 5], z=[8, 15])
XLOGY.case("W06", "0 log 0 is 0", x=[0, 2], y=[0, 1], z=[0, 0])
XLOGY.case("W06", "else x log y", x=[2, 3], y=[np.e, np.e], z=[2, 3])
XLOG1PY.case("W06", "x log(1 + y)", x=[2, 3], y=[0.5, 1], z=[2 * np.log(1.5), 3 * np.log(2)])
XDIVY.case("W06", "0 over 0 is 0", x=[0, 1], y=[0, 2], z=[0, 0.5])
XDIVY.case("W06", "else a quotient", x=[1, 3], y=[2, 4], z=[0.5, 0.75])
ATAN2.case("W06", "the angle of a point", y=[1, 1], x=[1, -1], z=[np.pi / 4, 3 * np.pi / 4])
NEXT_AFTER.case("W06", "the next number on the way", x1=[1, 1], x2=[2, 0], output=[1 + 2**-23, 1 - 2**-24])
SIGMOID_GRAD.case("W30", "steepest in the middle", y=[0.5, 0.25], dy=[4, 16], z=[1, 3])
TANH_GRAD.case("W30", "steepest in the middle", y=[0, 0.5], dy=[4, 4], z=[4, 3])
SQRT_GRAD.case("W30", "half of one over the root", y=[2, 4], dy=[1, 1], z=[0.25, 0.125])
RSQRT_GRAD.case("W30", "minus half of the cube", y=[2, 1], dy=[1, 2], z=[-4, -1])
RECIPROCAL_GRAD.case("W30", "minus the square", y=[2, 0.5], dy=[1, 4], z=[-4, -1])
INV_GRAD.case("W30", "minus the square", y=[2, 0.5], dy=[1, 4], z=[-4, -1])
CLIP_BY_VALUE.case("W06", "no further than the bounds", t=[-5, 0.5, 5], clip_value_min=-1, clip_value_max=1,
                   output=[-1, 0.5, 1])  # fmt: skip
CLIP_BY_VALUE.case("W06", "a bound for all or for each", t=[1, 2], clip_value_min=[1, 2, 3], clip_value_max=3,
                   error="must be either of the same shape as input, or a scalar. input shape: [2]")  # fmt: skip
CROSS.case("W06", "vectors have three elements", a=[1, 2], b=[3, 4],
           error="Cross-products are only defined for 3-element vectors.")  # fmt: skip
CROSS.case("W06", "of one shape", a=[1, 2, 3], b=[[1, 2, 3]], error="Both inputs must be of same shape: [3] vs. [1,3]")
CROSS.case("W06", "at right angles to both", a=[[1, 0, 0], [0, 2, 0]], b=[[0, 1, 0], [0, 0, 3]],
           product=[[0, 0, 1], [6, 0, 0]])  # fmt: skip
ACCUMULATE_N_V2.case("W32", "terms are added", inputs=[[1, 2], [10, 20]], N=2, shape=[2], sum=[11, 22])
REAL_DIV.case("W06", "a quotient", x=[1, 3], y=[2, -4], z=[0.5, -0.75])


def pow(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x ** y, elementwise; 0 ** 0 is 1."""
    return POW(x, y, name=name)
