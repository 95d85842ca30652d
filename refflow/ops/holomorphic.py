"""Slopes of holomorphic functions, by TensorFlow's convention for complex numbers.

A gradient rule says dx = dy * f'(x), as of real numbers. For complex ones what goes back is the conjugate of the slope,

    dx = dy * conj(f'(x)) = conj(conj(dy) * f'(x))

so that the same rule serves, with what comes in and what goes out mirrored. That holds for products of matrices and
for sums and products along axes too, which are holomorphic in each element.

Next: ops/math_functions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops import arithmetic, cumulative, elementary, elementwise, matmul, reductions
from refflow.ops.complex import CONJ

HOLOMORPHIC = (
    "Mul", "Div", "RealDiv", "DivNoNan", "MulNoNan", "Xlogy", "Xdivy", "Xlog1py", "Pow", "Inv", "Reciprocal", "Square",
    "Sqrt", "Rsqrt", "Exp", "Expm1", "Log", "Log1p", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh",
    "Asinh", "Acosh", "Atanh", "Tanh", "Sigmoid", "TanhGrad", "SigmoidGrad", "MatMul", "Prod", "Cumprod",
)  # fmt: skip
PAGES = (arithmetic, cumulative, elementary, elementwise, matmul, reductions)  # where those are defined


def _mirrored(x: Any) -> Any:
    return CONJ(x) if isinstance(x, Tensor) and x.dtype.is_complex else x


def for_complex(rule: Any) -> Callable[..., Any]:
    """The gradient rule of a holomorphic function, for complex numbers too."""

    def gradient(op: Any, *dys: Any) -> Any:
        if not op.outputs[0].dtype.is_complex:
            return rule(op, *dys)
        found = rule(op, *map(_mirrored, dys))
        return [_mirrored(dx) for dx in found] if isinstance(found, (list, tuple)) else _mirrored(found)

    gradient.__doc__ = rule.__doc__
    return gradient


for _name in HOLOMORPHIC:
    op_def(_name).gradient_function = for_complex(op_def(_name).gradient_function)
