"""One place that turns a kernel's plain exception into the error that a user reads [W79, W82].

A kernel says what is wrong with its arguments, in dimension names, and writes {node} where its node is to be
named. Here the node is added, and with it the line of the user's program that built it; the exception's kind decides
the status class.

Next: runtime/session.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core import errors, shapes
from refflow.core.dtypes import as_dtype
from refflow.runtime.frames import DEAD
from refflow.runtime.nodes import Node
from refflow.runtime.resources import VariableState

_CLASSES: tuple[tuple[type[BaseException], type[errors.OpError]], ...] = (
    (MemoryError, errors.ResourceExhaustedError),
    (ValueError, errors.InvalidArgumentError),
    (TypeError, errors.InvalidArgumentError),
    (LookupError, errors.InvalidArgumentError),
    (ArithmeticError, errors.InvalidArgumentError),
)


def as_op_error(error: BaseException, node: Node, inputs: Any = (), place: str = "") -> BaseException:
    """`error` with the node it came from, its device, and place, the frame and iteration where that is no loop's.

    What already has a node, and what no kernel means, stays.
    """
    if isinstance(error, errors.OpError):
        if error.node_def is None:
            error.node_def, error.op, error.place = node.node_def, node.origin, place
        return error
    if isinstance(error, (KeyboardInterrupt, SystemExit, errors.BugError)):
        return error
    kind = next((status for python, status in _CLASSES if isinstance(error, python)), errors.InternalError)
    given = ", ".join(described(v) for v in inputs)
    where = f" Inputs: {given}." if given else ""
    text = _with_names(str(error) or type(error).__name__, node)
    found = kind(node.node_def, node.origin, f"{node.type} {node.name!r}: {text.rstrip('.')}.{where}")
    found.place = place
    return found


def _with_names(text: str, node: Node) -> str:
    """`text` with the names that a kernel could not know."""
    first = node.inputs[0][0].name if node.inputs else ""
    text = text.replace("{node}", repr(node.name))
    return text.replace(errors.THIS_NODE, node.name).replace(errors.FIRST_INPUT, first)


def described(value: Any) -> str:
    """`float32[64,10]`, or a few words for what is no array."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        return type(value).__name__
    try:
        name = as_dtype(dtype).name
    except TypeError:
        name = str(dtype)
    return f"{name}{shapes.text(tuple(shape))}"


def told(value: Any) -> str:
    """A value in a few words for the event log: type, shape, range; or what stands in its place."""
    if value is DEAD:
        return "dead"
    if isinstance(value, VariableState):
        return f"variable {value.name}"
    text = described(value)
    to_host = getattr(value, "cpu", None)
    if to_host is not None or getattr(value, "dtype", None) is None:
        return text
    if value.size and value.dtype.kind in "fiu":
        low, high = value.min(), value.max()
        return f"{text} {low:.6g}" if value.size == 1 else f"{text} {low:.6g} to {high:.6g}"
    return text
