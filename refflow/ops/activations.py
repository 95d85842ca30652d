"""Activations: what a unit makes of its input, and their slopes [S30, W06].

    Relu6      min(max(x, 0), 6)                 Softplus   log(1 + exp(x))
    Elu        x, below 0 exp(x) - 1             Softsign   x / (1 + |x|)
    Selu       scale * (x, below 0 alpha * (exp(x) - 1))
    LeakyRelu  x, below 0 alpha * x

Each has an op for its slope, `XGrad(gradients, ...)`: of the input for Relu6, LeakyRelu, Softplus and Softsign, of
the output for Elu and Selu.

Next: ops/softmax.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from refflow.core.dtypes import FLOATS, REALS, float32
from refflow.core.formula import Formula
from refflow.core.opdef import OpDef, define_op
from refflow.core.signature import Attr
from refflow.core.values import wide
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementwise import same_shapes
from refflow.ops.logic import LESS, SELECT

SCALE, SCALE_ALPHA = 1.0507009873554805, 1.7580993408473766  # of Selu: the fixed points of mean 0 and variance 1


def _activation(name: str, text: str, types: Any = FLOATS, accuracy: str = "transcendental") -> OpDef:
    op_def = define_op(name, "features: T[...S] -> activations: T[...S]", T=types, accuracy=accuracy,
                       source=("S30", "W06"))  # fmt: skip
    formula = op_def.formula = Formula(text)
    op_def.kernel(lambda features: _typed(formula.numpy(wide(features)), features))
    return op_def


def _slope(name: str, of: str, text: str, types: Any = FLOATS, **more: Any) -> OpDef:
    op_def = define_op(name, f"gradients: T[...S], {of}: T[...S] -> backprops: T[...S]", T=types,
                       source=("S30",), **{"accuracy": "transcendental", **more})  # fmt: skip
    op_def.shape(same_shapes)
    formula = op_def.formula = Formula(text, ("gradients", of))
    compute = formula.numpy
    if of == "features":
        op_def.kernel(lambda gradients, features: _typed(compute(wide(gradients), wide(features)), features))
    else:
        op_def.kernel(lambda gradients, outputs: _typed(compute(wide(gradients), wide(outputs)), outputs))
    return op_def


def _typed(value: Any, like: Any) -> np.ndarray:
    return np.asarray(value).astype(np.asarray(like).dtype, copy=False)


_CURVE = "expm1(minimum(features, 0))"
RELU6 = _activation("Relu6", "minimum(maximum(features, 0), 6)", REALS, "exact")
ELU = _activation("Elu", f"where(features < 0, {_CURVE}, features)")
SELU = _activation("Selu", f"where(features < 0, {SCALE_ALPHA} * {_CURVE}, {SCALE} * features)")
SOFTPLUS = _activation("Softplus", "maximum(features, 0) + log1p(exp(-abs(features)))")
SOFTSIGN = _activation("Softsign", "features / (1 + abs(features))", accuracy="rounded")
LEAKY_RELU = define_op(
    "LeakyRelu",
    "features: T[...S] -> activations: T[...S]",
    alpha=0.2,
    T=Attr("type", default=float32, allowed=FLOATS),
    accuracy="rounded",
    source=("S30",),
)

RELU6_GRAD = _slope("Relu6Grad", "features", "where(logical_and(features > 0, features < 6), gradients, 0)", REALS,
                    accuracy="exact")  # fmt: skip
ELU_GRAD = _slope("EluGrad", "outputs", "where(outputs < 0, (outputs + 1) * gradients, gradients)", accuracy="rounded")
SELU_GRAD = _slope("SeluGrad", "outputs",
                   f"where(outputs < 0, gradients * (outputs + {SCALE_ALPHA}), gradients * {SCALE})",
                   accuracy="rounded")  # fmt: skip
SOFTPLUS_GRAD = _slope("SoftplusGrad", "features", "gradients / (exp(-features) + 1)")
SOFTSIGN_GRAD = _slope("SoftsignGrad", "features", "gradients / square(1 + abs(features))", accuracy="rounded")
LEAKY_RELU_GRAD = define_op(
    "LeakyReluGrad", "gradients: T[...S], features: T[...S] -> backprops: T[...S]", alpha=0.2,
    T=Attr("type", default=float32, allowed=FLOATS), accuracy="rounded", source=("S30",),
)  # fmt: skip


LEAKY_RELU_GRAD.shape(same_shapes)


@cache
def _leaky(inputs: tuple[str, ...], alpha: float) -> Formula:
    """The first of `inputs`, or alpha times it."""
    return Formula(f"where(features > 0, {inputs[0]}, {alpha!r} * {inputs[0]})", inputs)


LEAKY_RELU.formula_rule = lambda attrs: _leaky(("features",), attrs["alpha"])
LEAKY_RELU_GRAD.formula_rule = lambda attrs: _leaky(("gradients", "features"), attrs["alpha"])


@LEAKY_RELU.kernel
def leaky_relu_kernel(features, alpha=0.2):
    return _typed(_leaky(("features",), alpha).numpy(wide(features)), features)


@LEAKY_RELU_GRAD.kernel
def leaky_relu_grad_kernel(gradients, features, alpha=0.2):
    return _typed(_leaky(("gradients", "features"), alpha).numpy(wide(gradients), wide(features)), features)


@RELU6.gradient
def _relu6_gradient(op, dy):
    """dx = dy where the output is between 0 and 6, else 0."""
    return RELU6_GRAD(dy, op.outputs[0])


@RELU6_GRAD.gradient
def _relu6_grad_gradient(op, ddx):
    """Linear in `gradients`, flat in `features`."""
    return RELU6_GRAD(ddx, op.inputs["features"]), ZEROS_LIKE(op.inputs["features"])


@ELU.gradient
def _elu_gradient(op, dy):
    """dx = dy, and dy * (y + 1) where y < 0."""
    return ELU_GRAD(dy, op.outputs[0])


@SELU.gradient
def _selu_gradient(op, dy):
    """dx = scale * dy, and dy * (y + scale * alpha) where y < 0."""
    return SELU_GRAD(dy, op.outputs[0])


@ELU_GRAD.gradient
@SELU_GRAD.gradient
def _by_output_gradient(op, ddx):
    """d(gradients) = ddx by the same slope; doutputs = ddx * gradients where outputs are below 0."""
    dy, y = op.inputs
    zero = ZEROS_LIKE(y)
    return op.op_def(ddx, y), SELECT(LESS(y, zero), ddx * dy, zero)


@SOFTPLUS.gradient
def _softplus_gradient(op, dy):
    """dx = dy * sigmoid(x)."""
    return SOFTPLUS_GRAD(dy, op.inputs[0])


@SOFTPLUS_GRAD.gradient
def _softplus_grad_gradient(op, ddx):
    """d(gradients) = ddx * sigmoid(x); dx = ddx * dy * sigmoid(x) * sigmoid(-x)."""
    from refflow.ops.elementwise import NEG, SIGMOID

    dy, x = op.inputs
    return SOFTPLUS_GRAD(ddx, x), ddx * dy * SIGMOID(x) * SIGMOID(NEG(x))


@SOFTSIGN.gradient
def _softsign_gradient(op, dy):
    """dx = dy / (1 + |x|)**2."""
    return SOFTSIGN_GRAD(dy, op.inputs[0])


SOFTSIGN_GRAD.no_gradient_registered()


@LEAKY_RELU.gradient
def _leaky_relu_gradient(op, dy):
    """dx = dy, and alpha * dy where x is not above 0."""
    return LEAKY_RELU_GRAD(dy, op.inputs[0], alpha=op.attrs["alpha"])


@LEAKY_RELU_GRAD.gradient
def _leaky_relu_grad_gradient(op, ddx):
    """Linear in `gradients`, flat in `features`."""
    x = op.inputs["features"]
    return LEAKY_RELU_GRAD(ddx, x, alpha=op.attrs["alpha"]), ZEROS_LIKE(x)


# -- losses and norms that are one number --------------------------------------------------------------------

L2_LOSS = define_op("L2Loss", "t: T -> output: T[]", T=FLOATS, accuracy="dot", source=("W06", "S47"))
L1_LOSS = define_op("L1Loss", "t: T -> output: T[]", T=FLOATS, accuracy="dot", source=("E07", "S47"))


@L2_LOSS.kernel
def l2_loss_kernel(t):
    """Half of the sum of squares."""
    x = wide(t)
    return _typed((x * x).sum() / 2, t)


@L1_LOSS.kernel
def l1_loss_kernel(t):
    """The sum of absolute values. The deck names it; no release has it."""
    return _typed(np.abs(wide(t)).sum(), t)


@L2_LOSS.gradient
def _l2_loss_gradient(op, dy):
    """dt = t * dy."""
    return op.inputs[0] * dy


@L1_LOSS.gradient
def _l1_loss_gradient(op, dy):
    """dt = sign(t) * dy, and 0 at 0."""
    from refflow.ops.elementwise import SIGN

    return SIGN(op.inputs[0]) * dy


_X = [-2.0, 0.0, 3.0, 8.0]
RELU6.case("S30", "between 0 and 6", features=_X, activations=[0, 0, 3, 6])
ELU.case("S30", "levels off at -1", features=[-np.inf, 0, 3], activations=[-1, 0, 3])
ELU.case("S30", "a curve below zero", features=[-np.log(2.0), 2.0], activations=[-0.5, 2])
SELU.case("S30", "a line above zero", features=[0, 1], activations=[0, SCALE])
SOFTPLUS.case("S30", "log 2 at 0", features=[0, 1000], activations=[np.log(2), 1000])
SOFTSIGN.case("S30", "between -1 and 1", features=[-1, 0, 3], activations=[-0.5, 0, 0.75])
LEAKY_RELU.case("S30", "a slope below zero too", features=[-10, 0, 3], alpha=0.5, activations=[-5, 0, 3])
RELU6_GRAD.case("S30", "passes between the bounds", gradients=[1, 2, 3, 4], features=_X, backprops=[0, 0, 3, 0])
ELU_GRAD.case("S30", "by the output", gradients=[4, 4], outputs=[-0.5, 2], backprops=[2, 4])
SELU_GRAD.case("S30", "by the output", gradients=[1.0, 2.0], outputs=[2, 1], backprops=[SCALE, 2 * SCALE])
SOFTPLUS_GRAD.case("S30", "the sigmoid", gradients=[2, 4], features=[0, 0], backprops=[1, 2])
SOFTSIGN_GRAD.case("S30", "flat far out", gradients=[4, 16], features=[1, -3], backprops=[1, 1])
LEAKY_RELU_GRAD.case("S30", "a slope below zero too", gradients=[2, 2], features=[-1, 1], alpha=0.5, backprops=[1, 2])
L2_LOSS.case("W06", "half the sum of squares", t=[[3, 4]], output=12.5)
L1_LOSS.case("E07", "the sum of absolute values", t=[[3, -4]], output=7)
