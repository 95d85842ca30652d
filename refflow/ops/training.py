"""Updates: what an optimizer adds to the graph for each variable [S32, W78].

    ApplyGradientDescent    var := var - alpha * delta
    ApplyMomentum           accum := momentum * accum + grad,   var := var - lr * accum
    ApplyAdagrad            accum := accum + grad**2,           var := var - lr * grad / sqrt(accum)
    ApplyAdam               m := beta1 * m + (1 - beta1) * grad,   v := beta2 * v + (1 - beta2) * grad**2
                            var := var - lr * sqrt(1 - beta2_power) / (1 - beta1_power) * m / (sqrt(v) + epsilon)
    ApplyRMSProp            ms := ms + (1 - rho) * (grad**2 - ms)
                            mom := momentum * mom + lr * grad / sqrt(ms + epsilon),   var := var - mom

The sparse forms do the same to the rows that `indices` names, and leave all others, their slots too, as they are.
Kernels give the new values of all their references, in order; the runtime stores them.

Next: train/optimizer.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.dtypes import FLOATS, INDICES, NUMBERS
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op
from refflow.ops.gather import check_rows

APPLY_GRADIENT_DESCENT = define_op(
    "ApplyGradientDescent",
    "var: Ref(T)[...S], alpha: T[], delta: T[...S] -> out: Ref(T)[...S]",
    T=NUMBERS,
    use_locking=False,
    accuracy="rounded",
    source=("S20", "S21", "S32", "W78"),
)
APPLY_GRADIENT_DESCENT.no_gradient()


@APPLY_GRADIENT_DESCENT.kernel
def apply_gradient_descent_kernel(var, alpha, delta):
    return var - alpha * delta


APPLY_GRADIENT_DESCENT.case("S32", "a step against the slope", var=[1, 2], alpha=0.5, delta=[2, -2], out=[0, 3])
APPLY_GRADIENT_DESCENT.case("S32", "the slope has the variable's shape", var=[1, 2], alpha=0.5, delta=[1],
                            error="delta has shape [1], but var has [2]")  # fmt: skip


def apply_gradient_descent(
    var: Any, alpha: Any, delta: Any, use_locking: bool = False, name: str | None = None
) -> Tensor:
    """var -= alpha * delta, in place; the result is the reference, after the change."""
    return APPLY_GRADIENT_DESCENT(var, alpha, delta, use_locking=use_locking, name=name)


def _update(name: str, references: str, numbers: str, tail: str = "", **attrs: Any) -> OpDef:
    """An update of `references`, all of one shape, by a gradient of that shape and some numbers."""
    places = ", ".join(f"{r}: Ref(T)[...S]" for r in references.split())
    scalars = ", ".join(f"{n}: T[]" for n in numbers.split())
    op_def = define_op(name, f"{places}, {scalars}, grad: T[...S]{tail} -> out: Ref(T)[...S]", T=FLOATS,
                       use_locking=False, accuracy="composed", source=("W78",), **attrs)  # fmt: skip
    op_def.no_gradient()
    return op_def


APPLY_MOMENTUM = _update("ApplyMomentum", "var accum", "lr", ", momentum: T[]")
APPLY_ADAGRAD = _update("ApplyAdagrad", "var accum", "lr")
APPLY_ADAM = _update("ApplyAdam", "var m v", "beta1_power beta2_power lr beta1 beta2 epsilon")
APPLY_RMS_PROP = _update("ApplyRMSProp", "var ms mom", "lr rho momentum epsilon")


@APPLY_MOMENTUM.kernel
def apply_momentum_kernel(var, accum, lr, grad, momentum):
    accum = accum * momentum + grad
    return var - lr * accum, accum


@APPLY_ADAGRAD.kernel
def apply_adagrad_kernel(var, accum, lr, grad):
    accum = accum + grad * grad
    return var - lr * grad / np.sqrt(accum), accum


@APPLY_ADAM.kernel
def apply_adam_kernel(var, m, v, beta1_power, beta2_power, lr, beta1, beta2, epsilon, grad):
    rate = lr * np.sqrt(1 - beta2_power) / (1 - beta1_power)
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * (grad * grad)
    return var - rate * m / (np.sqrt(v) + epsilon), m, v


@APPLY_RMS_PROP.kernel
def apply_rms_prop_kernel(var, ms, mom, lr, rho, momentum, epsilon, grad):
    ms = ms + (1 - rho) * (grad * grad - ms)
    mom = momentum * mom + lr * grad / np.sqrt(ms + epsilon)
    return var - mom, ms, mom


_ROWS = "var: Ref(T)[R, ...S], accum: Ref(T)[R, ...S], lr: T[], grad: T[N, ...S], indices: Tindices[N]"
SPARSE_APPLY_MOMENTUM = define_op(
    "SparseApplyMomentum", f"{_ROWS}, momentum: T[] -> out: Ref(T)[R, ...S]", T=FLOATS, Tindices=INDICES,
    use_locking=False, accuracy="composed", source=("W78",),
)  # fmt: skip
SPARSE_APPLY_ADAGRAD = define_op(
    "SparseApplyAdagrad", f"{_ROWS} -> out: Ref(T)[R, ...S]", T=FLOATS, Tindices=INDICES,
    use_locking=False, accuracy="composed", source=("W78",),
)  # fmt: skip
SPARSE_APPLY_MOMENTUM.no_gradient()
SPARSE_APPLY_ADAGRAD.no_gradient()


@SPARSE_APPLY_MOMENTUM.kernel
def sparse_apply_momentum_kernel(var, accum, lr, grad, indices, momentum):
    """Row by row in the order of `indices`, so that a row named twice is updated twice."""
    check_rows(indices, var.shape[0], "indices")
    var, accum = var.copy(), accum.copy()
    for row, g in zip(indices, grad, strict=True):
        var[row], accum[row] = apply_momentum_kernel(var[row], accum[row], lr, g, momentum)
    return var, accum


@SPARSE_APPLY_ADAGRAD.kernel
def sparse_apply_adagrad_kernel(var, accum, lr, grad, indices):
    """Row by row in the order of `indices`, so that a row named twice is updated twice."""
    check_rows(indices, var.shape[0], "indices")
    var, accum = var.copy(), accum.copy()
    for row, g in zip(indices, grad, strict=True):
        var[row], accum[row] = apply_adagrad_kernel(var[row], accum[row], lr, g)
    return var, accum


APPLY_MOMENTUM.case("W78", "the step goes on", var=[1, 1], accum=[2, 0], lr=0.5, grad=[1, 1], momentum=0.5,
                    out=[0, 0.5])  # fmt: skip
APPLY_ADAGRAD.case("W78", "over the root of all squares", var=[1], accum=[7], lr=4, grad=[3], out=[-2])
APPLY_ADAM.case("W78", "the first step has the length of the rate", var=[1], m=[0], v=[0], beta1_power=0.5,
                beta2_power=0.75, lr=0.25, beta1=0.5, beta2=0.75, epsilon=0, grad=[-8], out=[1.25])  # fmt: skip
APPLY_RMS_PROP.case("W78", "over the root of a running mean", var=[1], ms=[0], mom=[0], lr=0.5, rho=0.75, momentum=0,
                    epsilon=0, grad=[4], out=[0])  # fmt: skip
SPARSE_APPLY_MOMENTUM.case("W78", "other rows stay", Tindices="int32", var=[[1], [1]], accum=[[2], [2]], lr=0.5,
                           grad=[[1]], indices=[1], momentum=0.5, out=[[1], [0]])  # fmt: skip
SPARSE_APPLY_ADAGRAD.case("W78", "other rows stay", Tindices="int32", var=[[1], [1]], accum=[[7], [7]], lr=4,
                          grad=[[3]], indices=[0], out=[[-2], [1]])  # fmt: skip
SPARSE_APPLY_ADAGRAD.case("W78", "rows exist", Tindices="int32", var=[[1]], accum=[[1]], lr=1, grad=[[1]], indices=[1],
                          error="indices[0] = 1 is not in [0, 1)")  # fmt: skip
