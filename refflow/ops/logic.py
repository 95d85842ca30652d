"""Comparisons, logic, and selection by a condition. Nothing flows back through a comparison.

Next: ops/elementwise.py.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.convert import op_scope
from refflow.core.dtypes import ALL, NUMBERS, REALS, plain, qint8
from refflow.core.elementwise import define_elementwise
from refflow.core.errors import THIS_NODE, ShapeError
from refflow.core.formula import Formula
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.ops.constant import ZEROS_LIKE

_WITH_EQUALITY = tuple(t for t in ALL if t.kind in "fiucbsq")


def _comparison(
    name: str, text: str, types: Any = REALS, *source: str, commutative: bool = False, **attrs: Any
) -> OpDef:
    op_def = define_elementwise(
        name, text, T=types, result="bool", accuracy="exact", source=source, commutative=commutative, **attrs
    )
    op_def.no_gradient()
    return op_def


LESS = _comparison("Less", "x < y", REALS, "W06")
LESS_EQUAL = _comparison("LessEqual", "x <= y")
GREATER = _comparison("Greater", "x > y", REALS, "W06")
GREATER_EQUAL = _comparison("GreaterEqual", "x >= y")
EQUAL = _comparison("Equal", "x == y", _WITH_EQUALITY, "W06", commutative=True, incompatible_shape_error=True)
NOT_EQUAL = _comparison("NotEqual", "x != y", _WITH_EQUALITY, commutative=True, incompatible_shape_error=True)


def _answers_for_all_shapes(op_def: OpDef, answer: bool) -> None:
    """Without `incompatible_shape_error`, tensors whose shapes do not fit are unequal, as one bool says."""
    function = op_def.kernels["cpu"].function
    op_def.formula_rule = lambda attrs: op_def.formula if attrs["incompatible_shape_error"] else None

    @op_def.kernel
    def kernel(x, y, incompatible_shape_error=True):
        x, y = plain(x), plain(y)
        if not incompatible_shape_error and not _fit(np.shape(x), np.shape(y)):
            return np.asarray(answer)
        return function(x, y)

    @op_def.shape
    def shape(context: ShapeContext) -> shapes.Shape:
        x, y = context.inputs
        if context.attrs["incompatible_shape_error"]:
            return shapes.broadcast(x, y)
        if not shapes.is_known(x) or not shapes.is_known(y):
            return None
        return shapes.broadcast(x, y) if _fit(x, y) else ()


def _fit(x: shapes.Shape, y: shapes.Shape) -> bool:
    try:
        shapes.broadcast(x, y)
    except ShapeError:
        return False
    return True


_answers_for_all_shapes(EQUAL, False)
_answers_for_all_shapes(NOT_EQUAL, True)

APPROXIMATE_EQUAL = define_op("ApproximateEqual", "x: T, y: T -> z: bool", T=NUMBERS, tolerance=1e-5, commutative=True,
                              source=("W06",))  # fmt: skip
APPROXIMATE_EQUAL.no_gradient()


@APPROXIMATE_EQUAL.kernel
def approximate_equal_kernel(x, y, tolerance=1e-5):
    """True where x and y are at most `tolerance` apart, which integers round down; NaN is near nothing."""
    return np.abs(x - y) <= np.abs(x - y).dtype.type(tolerance)


@APPROXIMATE_EQUAL.shape
def _approximate_equal_shape(context: ShapeContext) -> shapes.Shape:
    x, y = context.dims("x"), context.dims("y")
    if not shapes.compatible(x, y):
        raise ShapeError(
            f"x and y must be of the same shape. x shape: {shapes.text(x)}. y shape: {shapes.text(y)}"
        )
    return shapes.merge(x, y)


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


SELECT = define_op("Select", "condition: bool, t: T[...S], e: T[...S] -> output: T[...S]",
                   T=tuple(ALL), source=("W06",))  # fmt: skip
SELECT.moves("t", "e")
SELECT_V2 = define_op("SelectV2", "condition: bool, t: T, e: T -> output: T", T=tuple(ALL), source=("W06",))
SELECT_V2.moves("t", "e")
SELECT_V2.formula = Formula("where(condition, t, e)")


@SELECT.kernel
def select_kernel(condition, t, e):
    """t where the condition holds, else e; a vector of conditions chooses whole rows."""
    condition = np.asarray(condition)
    if 0 < condition.ndim < np.ndim(t):
        condition = condition.reshape(condition.shape + (1,) * (np.ndim(t) - condition.ndim))
    return np.where(condition, t, e)


@SELECT.shape
def _select_shape(context: ShapeContext) -> shapes.Shape:
    """The condition has the shape of t and e, or is a scalar, or has one element for each row."""
    t, condition = context.dims("t"), context.dims("condition")
    if t == () and condition is not None and len(condition) == 1:
        raise ShapeError("'then' must be at least a vector, but saw shape: []")
    e = context.dims("e")
    whole = condition == () or (condition is not None and len(condition) == 1 and t is not None and len(t) != 1)
    if whole and not shapes.compatible(t, e):
        raise ShapeError(
            f"'then' and 'else' must have the same size.  but received: {shapes.text(t)} vs. {shapes.text(e)}"
        )
    rows = condition is not None and len(condition) == 1 and bool(t) and len(t) > 1  # type: ignore[arg-type]
    if rows and not shapes.compatible(condition, t[:1]):  # type: ignore[index]
        raise ShapeError(
            "Number of batches of 'then' must match size of 'cond', but saw: "
            f"{t[0]} vs. {condition[0]}"  # type: ignore[index]
        )
    if t is not None and condition and not rows and not shapes.compatible(condition, t):
        raise ShapeError(
            f"Inputs to operation {THIS_NODE} of type Select must have the same size and shape.  Input 0: "
            f"{shapes.text(condition)} != input 1: {shapes.text(t)}: the condition has the shape of t and e, is a "
            "scalar, or has one element for each row"
        )
    context.match("t", "...S")
    context.match("e", "...S")
    return context.shape("...S")


SELECT_V2.kernel(SELECT_V2.formula.numpy)


@SELECT_V2.shape
def _select_v2_shape(context: ShapeContext) -> shapes.Shape:
    try:
        return reduce(shapes.broadcast, context.inputs)
    except ShapeError:
        condition, t, e = (shapes.text(dims) for dims in context.inputs)
        raise ShapeError(f"condition {condition}, then {t}, and else {e} must be broadcastable") from None


@SELECT_V2.gradient
def _select_v2_gradient(op, dz):
    """Each element's gradient goes to the side it came from, summed over what was stretched."""
    from refflow.ops.broadcast import unbroadcast

    condition, t, e = op.inputs
    zero = ZEROS_LIKE(dz)
    to_t = unbroadcast([t, dz], lambda: SELECT_V2(condition, dz, zero), lambda: dz)[0]
    to_e = unbroadcast([e, dz], lambda: SELECT_V2(condition, zero, dz), lambda: dz)[0]
    return None, to_t, to_e


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
EQUAL.case("W06", "quantized values are compared as they stand", x=np.array([(1,), (-2,)], qint8.as_numpy_dtype),
           y=np.array([(1,), (2,)], qint8.as_numpy_dtype), z=[True, False])  # fmt: skip
EQUAL.case("W06", "other shapes are not equal", x=[1, 2], y=[1, 2, 3], incompatible_shape_error=False, z=False)
EQUAL.case("W06", "or not to be compared", x=[1, 2], y=[1, 2, 3], error="Incompatible shapes: [2] vs. [3]")
NOT_EQUAL.case("W06", "other shapes are not equal", x=[1, 2], y=[1, 2, 3], incompatible_shape_error=False, z=True)
APPROXIMATE_EQUAL.case("W06", "no farther than the tolerance", x=[1, 2, 2, np.nan], y=[1.25, 2.5, 2.75, np.nan],
                       tolerance=0.5, z=[True, True, False, False])  # fmt: skip
APPROXIMATE_EQUAL.case("W06", "nothing stretches", x=[1], y=[[1]],
                       error="x and y must be of the same shape. x shape: [1]. y shape: [1,1]")  # fmt: skip
LOGICAL_AND.case("W06", "both", x=[True, True, False], y=[True, False, False], z=[True, False, False])
LOGICAL_OR.case("W06", "either", x=[True, True, False], y=[True, False, False], z=[True, True, False])
LOGICAL_NOT.case("W06", "the opposite", x=[True, False], y=[False, True])
SELECT.case("W06", "a vector chooses rows", condition=[True, False], t=[[1, 2], [3, 4]], e=[[5, 6], [7, 8]],
            output=[[1, 2], [7, 8]])  # fmt: skip
SELECT.case("W06", "a scalar chooses all", condition=True, t=[1, 2], e=[3, 4], output=[1, 2])
SELECT.case("W06", "rows of one size", condition=[True], t=[[1, 2]], e=[1],
            error="'then' and 'else' must have the same size.  but received: [1,2] vs. [1]")  # fmt: skip
SELECT.case("W06", "a scalar has no rows", condition=[True], t=1, e=2, error="'then' must be at least a vector")
SELECT.case("W06", "conditions fit", condition=[True], t=[1, 2], e=[3, 4],
            error="Input 0: [1] != input 1: [2]")  # fmt: skip
SELECT.case("W06", "a condition for each row", condition=[True], t=[[1], [2]], e=[[3], [4]],
            error="Number of batches of 'then' must match size of 'cond', but saw: 2 vs. 1")  # fmt: skip
SELECT_V2.case("W06", "shapes stretch or are equal", condition=[True, False], t=[1, 2, 3], e=[1],
               error="condition [2], then [3], and else [1] must be broadcastable")  # fmt: skip
SELECT_V2.case("W06", "everything stretches", condition=[True, False], t=[[1.0], [2.0]], e=5.0, T="float32",
               output=[[1, 5], [2, 5]])  # fmt: skip
SELECT.case("W06", "t where the condition holds, else e", condition=[True, False], t=[1, 2], e=[3, 4], output=[1, 4])
