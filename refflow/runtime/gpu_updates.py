"""The optimizers' rules as kernels for a card: what the rule on the op's page does, noted down, is the text [S32].

    rule     accum = accum * momentum + grad; return var - lr * accum, accum
    lines    s0 = (x1 * x4)    s1 = (s0 + x3)    s2 = (x2 * s1)    s3 = (x0 - s2)

The results lie where the variable and its slots lie. The update of some rows, as SparseApplyMomentum, has the text of
that of all. A rule that asks for a number, as in `if l1 > 0`, is noted down for either answer.

Next: refflow_kernels/gpu/updates.py.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from refflow.core.formula import triton_line, triton_name
from refflow.core.opdef import OpDef
from refflow.core.registry import find_op_def
from refflow_kernels.notes import BothWays, Operand, Unknown

FLOATS = ("float32", "float16", "bfloat16")
CHUNK = 4096  # elements of a piece, as the kernel cuts them


class Text(NamedTuple):
    """A rule as Triton's lines, the names of its inputs in them, and those of its results."""

    parameters: tuple[str, ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]


def text_of(op_def: OpDef, attrs: dict[str, Any]) -> Text | None:
    """The update's text, or None where the op is none of this kind."""
    whole = _of_all_rows(op_def)
    if whole is not None:
        return text_of(whole, attrs)
    if op_def.by_element is None or not op_def.ref_inputs or attrs["T"].name not in FLOATS:
        return None
    flags = op_def.kernels["cpu"].arguments(attrs)
    return _text(op_def, tuple(sorted(flags.items())))


def _of_all_rows(op_def: OpDef) -> OpDef | None:
    """For the update of some rows, that of all; else None."""
    return find_op_def(op_def.name.removeprefix("Sparse")) if op_def.name.startswith("SparseApply") else None


@cache
def _text(op_def: OpDef, flags: tuple[tuple[str, Any], ...]) -> Text | None:
    assert op_def.by_element is not None
    rule, numbers = op_def.by_element
    notes = BothWays(np.dtype(np.float32))
    count = len(op_def.inputs)
    try:
        results = notes.results(partial(rule, **dict(flags)), count, numbers)[: len(op_def.ref_inputs)]
    except Unknown:
        return None
    lines = []
    for kind, steps in (("early", notes.early), ("step", notes.steps)):
        for number, (name, *operands) in enumerate(steps):
            lines.append(triton_line(number, (name, *(_plain(notes, o) for o in operands)), kind))
    names = [triton_name(r.name if isinstance(r, Operand) else float(r)) for r in results]
    return Text(tuple(f"x{i}" for i in range(count)), tuple(lines), tuple(names))


def _plain(notes: BothWays, operand: Any) -> Any:
    """An operand, and a number where it is a constant of the rule."""
    return float(notes.constants[operand[1]]) if isinstance(operand, tuple) and operand[0] == "constant" else operand


def update_of(op_def: OpDef, attrs: dict[str, Any]) -> Any:
    """The kernel of an update, called with its inputs, and with the references' memory as `out`; None of no update."""
    text = text_of(op_def, attrs)
    if text is None:
        return None
    from refflow_kernels.gpu.row_updates import RowUpdate
    from refflow_kernels.gpu.updates import Update

    whole = _of_all_rows(op_def)
    rule = (whole or op_def).by_element
    assert rule is not None
    return (Update if whole is None else RowUpdate)(op_def.name, *text, rule.numbers)
