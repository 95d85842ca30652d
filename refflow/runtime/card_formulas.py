"""Formulas of ops that have none on their page: NumPy has a function for all of it, or none at all.

A card generates its kernels from these as from others, and puts such nodes into chains.

Next: refflow_kernels/gpu/elementwise.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.dtypes import DType, bfloat16, bool_, float32
from refflow.core.formula import Formula
from refflow.core.opdef import OpDef

_LEFT = "fmod(x, y)"  # with the sign of x
FORMULAS = {
    "Erf": Formula("erf(x)"),
    "Rint": Formula("rint(x)"),
    "Snapshot": Formula("x * 1"),  # which copies
    "Round": Formula("rint(x)"),
    "IsFinite": Formula("x - x == 0"),
    "IsNan": Formula("x != x"),
    "IsInf": Formula("logical_and(x == x, x - x != 0)"),
    # What truncating division leaves, moved by y where its sign is not that of y.
    "FloorMod": Formula(
        f"where({_LEFT} == 0, y * 0, where(({_LEFT} < 0) != (y < 0), {_LEFT} + y, {_LEFT}))",
        ("x", "y"),
    ),
    "Atan2": Formula("arctan2(y, x)"),
}
_UNDER_NUMPY_S_NAME = {"Asin": "arcsin", "Acos": "arccos", "Atan": "arctan", "Asinh": "arcsinh", "Acosh": "arccosh",
                       "Atanh": "arctanh"}  # fmt: skip
_UNDER_THEIR_OWN = ("Tan", "Sinh", "Cosh", "Erfc", "Erfinv", "Ndtri", "Lgamma", "Digamma")
FORMULAS |= {op: Formula(f"{name}(x)") for op, name in _UNDER_NUMPY_S_NAME.items()}
FORMULAS |= {op: Formula(f"{op.lower()}(x)") for op in _UNDER_THEIR_OWN}
# A quotient that is rounded to a shorter type may reach the next whole number, so that these are of float32 alone.
_WHOLE = {
    "FloorDiv": Formula("floor(x / y)"),
    "TruncateDiv": Formula("where(x / y < 0, ceil(x / y), floor(x / y))"),
}

# The reductions that end a chain (runtime/endings.py): what the kernel does, and whether it divides what comes of it.
ENDINGS = {"Sum": ("sum", False), "BiasAddGrad": ("sum", False), "Mean": ("sum", True), "Max": ("max", False),
           "Min": ("min", False), "Prod": ("prod", False)}  # fmt: skip


def on_card(op_def: OpDef, attrs: dict[str, Any]) -> Formula | None:
    """The formula that is all of a node on a card, or None."""
    if op_def.name in _WHOLE and attrs["T"] is float32:
        return _WHOLE[op_def.name]
    return op_def.expression(attrs) or FORMULAS.get(op_def.name)


def cast_steps(source: DType, target: DType, truncate: bool) -> list[tuple[Any, ...]]:
    """The steps of a Cast in a chain, which computes in float32 and rounds what is of a shorter type [E14]."""
    if target is bool_:
        return [("not_equal", ("in", 0), 0)]
    if source is bool_:
        return [("as_float", ("in", 0))]
    return [("cut" if truncate and target is bfloat16 and source is not bfloat16 else "positive", ("in", 0))]
