"""Formulas of ops that have none on their page: NumPy has a function for all of it, or none at all.

A card generates its kernels from these as from others, and puts such nodes into chains.

Next: refflow_kernels/gpu/elementwise.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.dtypes import DType, bfloat16, bool_
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
}

# The reductions that end a chain (runtime/endings.py): what the kernel does, and whether it divides what comes of it.
ENDINGS = {"Sum": ("sum", False), "BiasAddGrad": ("sum", False), "Mean": ("sum", True), "Max": ("max", False),
           "Min": ("min", False), "Prod": ("prod", False)}  # fmt: skip


def on_card(op_def: OpDef, attrs: dict[str, Any]) -> Formula | None:
    """The formula that is all of a node on a card, or None."""
    return op_def.expression(attrs) or FORMULAS.get(op_def.name)


def cast_steps(source: DType, target: DType, truncate: bool) -> list[tuple[Any, ...]]:
    """The steps of a Cast in a chain, which computes in float32 and rounds what is of a shorter type [E14]."""
    if target is bool_:
        return [("not_equal", ("in", 0), 0)]
    if source is bool_:
        return [("as_float", ("in", 0))]
    return [("cut" if truncate and target is bfloat16 and source is not bfloat16 else "positive", ("in", 0))]
