"""Elementwise ops: one formula gives signature, shape rule, kernel, Triton source and mathematics.

    ADD = define_elementwise("Add", "x + y", T=NUMBERS)

Operands broadcast: shapes are aligned from the right, and a size of 1 stretches [S17].

Next: ops/elementwise.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, float32, float64
from refflow.core.formula import Formula
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext


def define_elementwise(
    name: str,
    text: str,
    /,
    *,
    operand: str = "T",
    result: str = "T",
    inputs: tuple[str, ...] = (),
    output: str | None = None,
    source: Iterable[str] = (),
    commutative: bool = False,
    accuracy: str = "rounded",
    **attrs: Any,
) -> OpDef:
    """Registers an op that computes `text` for every element.

    operand: the inputs' type, and result: the output's, "T" or a fixed one such as "bool". inputs: the operands in
    order, where that is not the order in which the formula names them. output: its name, by default `y` for one
    operand and `z` for several, as in the first release.
    """
    formula = Formula(text, inputs)
    output = output or ("y" if len(formula.parameters) == 1 else "z")
    operands = ", ".join(f"{p}: {operand}" for p in formula.parameters)
    op_def = define_op(
        name, f"{operands} -> {output}: {result}", source=source, commutative=commutative, accuracy=accuracy, **attrs
    )
    op_def.formula = formula
    op_def.kernel(formula.numpy)
    op_def.shape(broadcast_all)
    return op_def


def define_broadcasting(
    name: str,
    operands: str,
    function: Callable[..., Any] | str,
    /,
    *,
    operand: str = "T",
    result: str = "T",
    output: str | None = None,
    accuracy: str = "rounded",
    **more: Any,
) -> OpDef:
    """Registers an elementwise op by a NumPy function, where no formula says it, or by a formula's text. `operands`:
    their names, in order.

    The function takes arrays that broadcast; what it gives takes the output's element type.
    """
    names = operands.split()
    formula = Formula(function, tuple(names)) if isinstance(function, str) else None
    compute: Callable[..., Any] = function if formula is None else formula.numpy  # type: ignore[assignment]
    output = output or ("y" if len(names) == 1 else "z")
    signature = f"{', '.join(f'{n}: {operand}' for n in names)} -> {output}: {result}"
    op_def = define_op(name, signature, accuracy=accuracy, **more)

    def kernel(*arrays: Any) -> Any:
        found = np.asarray(compute(*arrays))
        wanted = np.bool_ if result == "bool" else np.asarray(arrays[0]).dtype
        return found if result not in ("T", "bool") else found.astype(wanted, copy=False)

    op_def.kernel(kernel)
    op_def.formula = formula
    op_def.shape(broadcast_all)
    return op_def


def define_function(
    name: str, function: Callable[..., Any] | str, slope: Callable[[Any], Any] | None = None, types: Any = FLOATS,
    **more: Any,
) -> OpDef:  # fmt: skip
    """Registers y = f(x) by a NumPy function, with dx = dy * f'(x) where `slope` builds f'(x) from x."""
    more = {"accuracy": "transcendental", **more}
    op_def = define_broadcasting(name, "x", function, T=types, source=("W06",), **more)
    if slope is not None:

        def gradient(op: Any, dy: Any) -> Any:
            """dx = dy * f'(x)."""
            return dy * slope(op.inputs[0])

        op_def.gradient(gradient)
    return op_def


def define_in_float64(name: str, operands: str, function: Callable[..., Any], types: Any = (float32, float64)) -> OpDef:
    """Registers a function of several arguments that is computed in float64 and rounded once."""
    wide = in_float64(function)
    return define_broadcasting(name, operands, wide, T=types, accuracy="special", source=("W06",))


def in_float64(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function on float64 arrays, whatever it is given."""
    return lambda *arrays: np.asarray(function(*(np.asarray(x, np.float64) for x in arrays)))


def each(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """A function of the standard library for each element, in float64; NaN passes, and stands where it has no value."""

    def one(x: float) -> float:
        try:
            return function(x) if x == x else x
        except (ValueError, OverflowError):
            return math.nan

    table = np.frompyfunc(one, 1, 1)
    return lambda x: np.asarray(table(np.asarray(x, np.float64)), np.float64)


def broadcast_all(context: ShapeContext) -> shapes.Shape:
    return reduce(shapes.broadcast, context.inputs)
