"""Elementwise operations: a table of formulas, each with its gradient.

The gradient of a broadcast operand is summed over the axes along which it was stretched, and given
back its own shape [S17]:

    z = x + y        dx = sum of dz over the axes where x was stretched, reshaped to x

Next: ops/cast.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, NUMBERS, REALS, complex64, complex128, int32, int64, string
from refflow.core.elementwise import define_elementwise
from refflow.core.errors import ShapeError
from refflow.core.shape_rules import ShapeContext
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
SIGN = define_elementwise("Sign", "sign(x)", T=NUMBERS)  # of complex numbers x / |x|
FLOOR = define_elementwise("Floor", "floor(x)", T=FLOATS, accuracy="exact")
CEIL = define_elementwise("Ceil", "ceil(x)", T=FLOATS, accuracy="exact")
MOD = define_elementwise("Mod", "fmod(x, y)", T=(int32, int64, *FLOATS), accuracy="exact", source=("W77",))
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
