"""Elementwise operations as users call them: one argument or two, then the node's name, as the release has them.

    tf.add(x, y, name=None)            x may be anything that becomes a tensor

Next: ops/math_functions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.core.dtypes import DType, bool_, string
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef
from refflow.ops import elementary, elementwise, logic
from refflow.ops.gather import UNSORTED_SEGMENT_SUM
from refflow.ops.transpose import INVERT_PERMUTATION


def _of_one(called: str, op_def: OpDef, meaning: str) -> Callable[..., Tensor]:
    def function(x: Any, name: str | None = None) -> Tensor:
        return op_def(x, name=name)

    return _introduced(function, called, meaning, op_def)


def _of_two(called: str, op_def: OpDef, meaning: str) -> Callable[..., Tensor]:
    def function(x: Any, y: Any, name: str | None = None) -> Tensor:
        return op_def(x, y, name=name)

    return _introduced(function, called, meaning, op_def)


def _introduced(function: Any, called: str, meaning: str, op_def: OpDef) -> Any:
    """The function with its name, and what its op type is known to take and to give."""
    first, result = op_def.inputs[0], op_def.outputs[0]
    types = [first.fixed] if first.fixed else op_def.attrs[first.type].allowed
    kinds = [name for name, holds in _KINDS.items() if any(holds(t) for t in types if isinstance(t, DType))]
    both = len(op_def.inputs) == 2
    names = " and ".join(a.name for a in op_def.inputs)
    clauses = f" [{', '.join(op_def.source)}]" if op_def.source else ""
    gives = f"{result.fixed.name}s" if result.fixed else "a tensor of their type" if both else "a tensor of its type"
    shapes = "of one type and of shapes that broadcast, else a DTypeError or a ShapeError" if both else "of any shape"
    function.__name__ = function.__qualname__ = called
    of_inputs = f"{names}: {', '.join(kinds)}; {shapes}"
    function.__doc__ = f"{meaning}, elementwise: {gives}, by the op {op_def.name}{clauses}.\n\n    {of_inputs}."
    return function


_KINDS: dict[str, Callable[[DType], bool]] = {
    "floats": lambda t: t.is_floating,
    "whole numbers": lambda t: t.is_integer,
    "complex numbers": lambda t: t.is_complex,
    "bools": lambda t: t is bool_,
    "strings": lambda t: t is string,
}


abs = _of_one("abs", elementwise.ABS, "|x|")
ceil = _of_one("ceil", elementwise.CEIL, "The smallest whole number that is not below x")
cos = _of_one("cos", elementwise.COS, "The cosine of x")
exp = _of_one("exp", elementwise.EXP, "e to the power of x")
floor = _of_one("floor", elementwise.FLOOR, "The largest whole number that is not above x")
inv = _of_one("inv", elementwise.INV, "1 / x")
is_finite = _of_one("is_finite", elementary.IS_FINITE, "Whether x is neither infinite nor NaN")
is_inf = _of_one("is_inf", elementary.IS_INF, "Whether x is infinite")
is_nan = _of_one("is_nan", elementary.IS_NAN, "Whether x is NaN")
log = _of_one("log", elementwise.LOG, "The natural logarithm of x")
logical_not = _of_one("logical_not", logic.LOGICAL_NOT, "Not x")
neg = _of_one("neg", elementwise.NEG, "-x")
rsqrt = _of_one("rsqrt", elementwise.RSQRT, "1 / sqrt(x)")
sigmoid = _of_one("sigmoid", elementwise.SIGMOID, "1 / (1 + exp(-x))")
sign = _of_one("sign", elementwise.SIGN, "-1, 0 or 1")
sin = _of_one("sin", elementwise.SIN, "The sine of x")
sqrt = _of_one("sqrt", elementwise.SQRT, "The square root of x")
square = _of_one("square", elementwise.SQUARE, "x * x")
tanh = _of_one("tanh", elementwise.TANH, "The hyperbolic tangent of x")

add = _of_two("add", elementwise.ADD, "x + y")
div = _of_two("div", elementwise.DIV, "x / y; whole numbers are cut off toward zero [E25]")
equal = _of_two("equal", logic.EQUAL, "Whether x equals y")
greater = _of_two("greater", logic.GREATER, "Whether x > y")
greater_equal = _of_two("greater_equal", logic.GREATER_EQUAL, "Whether x >= y")
less = _of_two("less", logic.LESS, "Whether x < y")
less_equal = _of_two("less_equal", logic.LESS_EQUAL, "Whether x <= y")
logical_and = _of_two("logical_and", logic.LOGICAL_AND, "x and y")
logical_or = _of_two("logical_or", logic.LOGICAL_OR, "x or y")
maximum = _of_two("maximum", elementwise.MAXIMUM, "The larger of x and y")
minimum = _of_two("minimum", elementwise.MINIMUM, "The smaller of x and y")
mod = _of_two("mod", elementwise.MOD, "The remainder of x / y, with the sign of x")
mul = _of_two("mul", elementwise.MUL, "x * y")
not_equal = _of_two("not_equal", logic.NOT_EQUAL, "Whether x differs from y")
sub = _of_two("sub", elementwise.SUB, "x - y")


def select(condition: Any, t: Any, e: Any, name: str | None = None) -> Tensor:
    """`t` where `condition` holds, else `e`; all of one shape, or a condition for each row."""
    return logic.SELECT(condition, t, e, name=name)


def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """The vector y with y[x[i]] = i."""
    return INVERT_PERMUTATION(x, name=name)


def unsorted_segment_sum(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The rows of `data` that share an id, added up, for each id below `num_segments`; ids come in any order."""
    return UNSORTED_SEGMENT_SUM(data, segment_ids, num_segments, name=name)
