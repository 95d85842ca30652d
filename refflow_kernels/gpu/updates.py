"""Parameter updates: the formula of the op, as an elementwise kernel that may write over its first input [S32].

    bytes: 3 elements for each parameter (read var and delta, write var)        operations: 2

Multiplication and subtraction stay apart (no fused multiply-add), so float32 results are NumPy's to the bit. float16
and bfloat16 are computed in float32 and rounded once, where NumPy rounds the product too.

Next: refflow_kernels/bench/__init__.py.
"""

from __future__ import annotations

from typing import Any

from refflow_kernels.gpu.elementwise import build
from refflow_kernels.kernel import Kernel

_DESCENT = build("ApplyGradientDescent", ("var", "alpha", "delta"), ("s0 = var - alpha * delta",), ("s0",))


def apply_gradient_descent(var: Any, alpha: Any, delta: Any, out: Any = None) -> Any:
    """var - alpha * delta, with alpha one element in device memory; `out` may be var itself."""
    return _DESCENT(var, alpha, delta, out=out)


KERNELS = {"ApplyGradientDescent": Kernel(apply_gradient_descent, ("float16", "float32"))}
