"""The lines of an elementwise node: one NumPy call for each step of its formula, into memory that is there.

    1 / (1 + exp(-x))        negative(v3, b7)
                             exp(b7, b7)
                             add(1, b7, b7)
                             divide(1, b7, b7)

The calls are those of the op's own kernel on the same numbers, so the bits are the same; but nothing is asked and no
memory is made in the run, which for small arrays is most of the time. Numbers travel as NumPy scalars, for which
Python's own operators are quickest. Where more than the step before is needed again, the kernel does it.

Next: runtime/line_functions.py.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from refflow.core.dtypes import bfloat16, float16
from refflow.core.elementwise import broadcast_all
from refflow.core.errors import ShapeError
from refflow.core.formula import INTEGER_RULES
from refflow.core.shapes import broadcast
from refflow.runtime.nodes import Node

if TYPE_CHECKING:
    from refflow.runtime.node_lines import NodeLines

_OPERATORS = {
    "add": "+", "subtract": "-", "multiply": "*", "less": "<", "less_equal": "<=", "greater": ">",
    "greater_equal": ">=", "equal": "==", "not_equal": "!=",
}  # fmt: skip
_WIDENED = frozenset(("maximum", "minimum"))  # are to take more operands one day, so `out` by name
_OTHER_TYPE = frozenset((*list(_OPERATORS)[3:], "logical_and", "logical_or", "logical_not"))  # results are truths

Step = tuple[Any, ...]  # a ufunc's name and its operands, as in core/formula.py


def write_formula(lines: NodeLines, node: Node, inputs: list[str]) -> bool:
    """Writes the node's lines, if it is of this kind."""
    steps = _steps(node)
    if node.device.type != "cpu" or not steps or not _broadcasts(node):
        return False
    if any(n.types[p].base_dtype is bfloat16 for n, p in node.inputs):
        return False
    known = dict(zip(node.op_def.expression(node.attrs).parameters, inputs, strict=True))
    types = [n.types[p] for n, p in node.inputs]
    scalars = all(n.shapes[p] == () for n, p in node.inputs) and (types[0].is_floating or types[0].is_integer)
    whole = types[0].base_dtype.is_integer
    out = None
    if node.shapes[0] not in ((), None) and not (whole and any(name in INTEGER_RULES for name, *_ in steps)):
        out = _memory(lines, node, steps, list(known))
    lines.names[node, 0] = name = out or f"v{node.id}"
    for ufunc, *operands in steps:
        texts = [known[o] if isinstance(o, str) else name if isinstance(o, tuple) else repr(o) for o in operands]
        if scalars and ufunc in _OPERATORS:
            lines._write(node, f"{name} = {texts[0]} {_OPERATORS[ufunc]} {texts[1]}")
            continue
        if out is not None:
            texts = [_as_array(lines, text) for text in texts]
        function = lines._bind("u", (INTEGER_RULES.get(ufunc) if whole else None) or getattr(np, ufunc))
        if out is None:
            lines._write(node, f"{name} = {function}({', '.join(texts)})")
        else:
            lines._write(node, f"{function}({', '.join(texts)}, {'out=' if ufunc in _WIDENED else ''}{out})")
    return True


def _broadcasts(node: Node) -> bool:
    """Whether the result has the shape that NumPy gives it; of some slopes it is that of the first input alone."""
    given = [n.shapes[p] for n, p in node.inputs]
    if node.op_def.shape_rule is broadcast_all or len(given) < 2:
        return True
    try:
        return node.shapes[0] is not None and reduce(broadcast, given) == node.shapes[0]
    except ShapeError:
        return False


def _as_array(lines: NodeLines, text: str) -> str:
    """An operand; a constant number as an array without axes, which a ufunc takes in half the time."""
    value = lines.bindings.get(text)
    return lines._bind("c", np.asarray(value)) if isinstance(value, np.generic) else text


def _steps(node: Node) -> list[Step]:
    """The steps of a node's formula, if it has one whose steps each need no other step than the one before."""
    formula = node.op_def.expression(node.attrs)
    if formula is None or any(n.types[p].kind in "qnr" for n, p in node.inputs):  # of which ufuncs know nothing
        return []
    steps = formula.steps
    if len(steps) == 1 and steps[0][1:] == formula.parameters:
        return [] if steps[0][0] == "where" else steps
    if any(n.types[p].kind not in "fiu" for n, p in node.inputs):
        return []
    if node.types[0] is float16 and node.op_def.reference != formula.numpy:
        return []  # its page may compute in float32, and round once
    for number, (name, *operands) in enumerate(steps):
        needed = {o[1] for o in operands if isinstance(o, tuple)}
        if name == "where" or name in _OTHER_TYPE or needed != ({number - 1} if number else set()):
            return []
    return steps


def _memory(lines: NodeLines, node: Node, steps: list[Step], parameters: list[str]) -> str | None:
    """Where the results go: an input's memory, if only the first step reads it, or a buffer."""
    later = {o for _, *operands in steps[1:] for o in operands if isinstance(o, str)}
    may = [n.shapes[p] == node.shapes[0] and name not in later
           for (n, p), name in zip(node.inputs, parameters, strict=True)]  # fmt: skip
    return lines._taken_over(node, 0, may) or lines._memory(node, 0)
