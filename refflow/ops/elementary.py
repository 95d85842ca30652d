"""Elementary functions that NumPy has under a name: of angles, of areas, rounding, and what kind of number x is [W06].

    Expm1     exp(x) - 1, exact near 0        Log1p     log(1 + x), exact near 0
    Tan Asin Acos Atan                        Sinh Cosh Asinh Acosh Atanh
    Round Rint     the nearest whole number, halves to the even one
    IsFinite IsInf IsNan

Next: ops/gamma.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from refflow.core.dtypes import FLOATS, NUMBERS
from refflow.core.elementwise import define_function
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef
from refflow.ops.cast import CAST
from refflow.ops.elementwise import COS, EXP, INV, NEG, RSQRT, SMOOTH, SQUARE


def number(value: float, x: Tensor) -> Tensor:
    """`value` in the type of x."""
    return CAST(np.float64(value), DstT=x.dtype.base_dtype)


def one(x: Tensor) -> Tensor:
    """1 in the type of x."""
    return number(1.0, x)


def _sinh_like(name: str) -> Callable[[Tensor], Tensor]:
    return lambda x: _UNARY[name](x)


_UNARY: dict[str, OpDef] = {}
for _name, _numpy, _slope in (
    ("Expm1", "expm1(x)", lambda x: EXP(x)),
    ("Log1p", "log1p(x)", lambda x: INV(x + one(x))),
    ("Tan", np.tan, lambda x: SQUARE(INV(COS(x)))),
    ("Asin", np.arcsin, lambda x: RSQRT(one(x) - SQUARE(x))),
    ("Acos", np.arccos, lambda x: NEG(RSQRT(one(x) - SQUARE(x)))),
    ("Atan", np.arctan, lambda x: INV(one(x) + SQUARE(x))),
    ("Sinh", np.sinh, _sinh_like("Cosh")),
    ("Cosh", np.cosh, _sinh_like("Sinh")),
    ("Asinh", np.arcsinh, lambda x: RSQRT(SQUARE(x) + one(x))),
    ("Acosh", np.arccosh, lambda x: RSQRT(SQUARE(x) - one(x))),
    ("Atanh", np.arctanh, lambda x: INV(one(x) - SQUARE(x))),
):
    _UNARY[_name] = define_function(_name, _numpy, _slope, SMOOTH)

ROUND = define_function("Round", np.round, types=NUMBERS, accuracy="exact")
RINT = define_function("Rint", np.rint, types=FLOATS, accuracy="exact")
IS_FINITE = define_function("IsFinite", np.isfinite, types=FLOATS, result="bool", accuracy="exact")
IS_INF = define_function("IsInf", np.isinf, types=FLOATS, result="bool", accuracy="exact")
IS_NAN = define_function("IsNan", np.isnan, types=FLOATS, result="bool", accuracy="exact")


@ROUND.gradient
def _round_gradient(op, dy):
    """Flat wherever there is a slope."""
    return None


RINT.gradient(_round_gradient)
for _op in (IS_FINITE, IS_INF, IS_NAN):
    _op.no_gradient_registered()

for _name, _x, _y in (
    ("Expm1", [0, 1], [0, math.e - 1]), ("Log1p", [0, math.e - 1], [0, 1]), ("Tan", [0, math.pi / 4], [0, 1]),
    ("Asin", [0, 0.5], [0, math.pi / 6]), ("Acos", [0, 0.5], [math.pi / 2, math.pi / 3]),
    ("Atan", [0, 1], [0, math.pi / 4]), ("Sinh", [0, math.log(2)], [0, 0.75]), ("Cosh", [0, math.log(2)], [1, 1.25]),
    ("Asinh", [0, 0.75], [0, math.log(2)]), ("Acosh", [1, 1.25], [0, math.log(2)]),
    ("Atanh", [0, 0.6], [0, math.log(2)]),
):  # fmt: skip
    _UNARY[_name].case("W06", "known points", x=_x, y=_y)
ROUND.case("W06", "halves go to the even neighbour", x=[0.5, 1.5, -2.5], y=[0, 2, -2])
ROUND.case("W06", "between two whole numbers", x=[0.2, 1.3], y=[0, 1])
RINT.case("W06", "halves go to the even neighbour", x=[0.5, 1.5, -2.5], y=[0, 2, -2])
RINT.case("W06", "between two whole numbers", x=[0.2, 1.3], y=[0, 1])
IS_FINITE.case("W06", "neither infinite nor NaN", x=[1, np.inf, np.nan], y=[True, False, False])
IS_INF.case("W06", "of either sign", x=[1, -np.inf, np.nan], y=[False, True, False])
IS_NAN.case("W06", "not a number", x=[1, np.inf, np.nan], y=[False, False, True])
