"""Updates: what an optimizer adds to the graph for each variable [S32, W78].

    ApplyGradientDescent    var := var - alpha * delta

Next: train/optimizer.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.dtypes import NUMBERS
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op

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
