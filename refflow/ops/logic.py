"""Comparisons, logic, and selection by a condition. Nothing flows back through a comparison.

Next: ops/elementwise.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.convert import op_scope
from refflow.core.dtypes import ALL, REALS
from refflow.core.elementwise import define_elementwise
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op
from refflow.ops.constant import ZEROS_LIKE

_WITH_EQUALITY = tuple(t for t in ALL if t.kind in "fiucbs")


def _comparison(name: str, text: str, types: Any = REALS, *source: str, commutative: bool = False) -> OpDef:
    op_def = define_elementwise(
        name, text, T=types, result="bool", accuracy="exact", source=source, commutative=commutative
    )
    op_def.no_gradient()
    return op_def


LESS = _comparison("Less", "x < y", REALS, "W06")
LESS_EQUAL = _comparison("LessEqual", "x <= y")
GREATER = _comparison("Greater", "x > y", REALS, "W06")
GREATER_EQUAL = _comparison("GreaterEqual", "x >= y")
EQUAL = _comparison("Equal", "x == y", _WITH_EQUALITY, "W06", commutative=True)
NOT_EQUAL = _comparison("NotEqual", "x != y", _WITH_EQUALITY, commutative=True)

_LOGIC: dict[str, Any] = {"operand": "bool", "result": "bool", "accuracy": "exact"}
LOGICAL_AND = define_elementwise("LogicalAnd", "logical_and(x, y)", commutative=True, **_LOGIC)
LOGICAL_OR = define_elementwise("LogicalOr", "logical_or(x, y)", commutative=True, **_LOGIC)
LOGICAL_NOT = define_elementwise("LogicalNot", "logical_not(x)", **_LOGIC)
for _op in (LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT):
    _op.no_gradient()


def logical_xor(x: Any, y: Any, name: str = "LogicalXor") -> Tensor:
    """True where exactly one of x and y is, built from the other three."""
    with op_scope([x, y], name) as scope:
        return LOGICAL_AND(LOGICAL_OR(x, y), LOGICAL_NOT(LOGICAL_AND(x, y)), name=scope)


SELECT = define_op("Select", "condition: bool[...S], t: T[...S], e: T[...S] -> output: T[...S]",
                   T=tuple(ALL), source=("W06",))  # fmt: skip


@SELECT.kernel
def select_kernel(condition, t, e):
    return np.where(condition, t, e)


@SELECT.gradient
def _select_gradient(op, dy):
    """Each element's gradient goes to the side it came from."""
    condition, zero = op.inputs[0], ZEROS_LIKE(dy)
    return None, SELECT(condition, dy, zero), SELECT(condition, zero, dy)


LESS.case("W06", "NaN is less than nothing", x=[1, 2, np.nan], y=[2, 1, 0], z=[True, False, False])
LESS_EQUAL.case("W06", "equal counts", x=[1, 2], y=[1, 1], z=[True, False])
GREATER.case("W06", "strictly", x=[1, 2], y=[1, 1], z=[False, True])
GREATER_EQUAL.case("W06", "equal counts", x=[1, 0], y=[1, 1], z=[True, False])
EQUAL.case("W06", "NaN equals nothing, and zeros of both signs are equal", x=[np.nan, 0.0], y=[np.nan, -0.0],
           z=[False, True])  # fmt: skip
NOT_EQUAL.case("W06", "NaN differs from itself", x=[np.nan, 1.0], y=[np.nan, 1.0], z=[True, False])
LOGICAL_AND.case("W06", "both", x=[True, True, False], y=[True, False, False], z=[True, False, False])
LOGICAL_OR.case("W06", "either", x=[True, True, False], y=[True, False, False], z=[True, True, False])
LOGICAL_NOT.case("W06", "the opposite", x=[True, False], y=[False, True])
SELECT.case("W06", "t where the condition holds, else e", condition=[True, False], t=[1, 2], e=[3, 4], output=[1, 4])
