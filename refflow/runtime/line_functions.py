"""What a plan's lines call beside kernels: checks, copies, and what is found out while the line is written.

Next: runtime/lifetimes.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core.errors import OpError, ShapeError
from refflow.core.shape_rules import ShapeContext, apply_rule
from refflow.core.shapes import is_known
from refflow.runtime.handed_back import LARGE, memory
from refflow.runtime.kernels import ShapeCheck, all_apart, apart
from refflow.runtime.nodes import Node
from refflow.runtime.structure import Edge


def truth(value: Any) -> bool:
    if np.shape(value) != ():
        raise ValueError(f"The second input must be a scalar, but it has shape {list(np.shape(value))}")
    return bool(value)


class Shaped:
    """An input's shape and type, for what only asks for those."""

    def __init__(self, node: Node, port: int):
        self.shape, self.dtype = node.shapes[port], node.types[port].base_dtype


def fresh(function: Any) -> Any:
    """The kernel, with results in memory of their own."""

    def kernel(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        if type(result) in (list, tuple):
            return all_apart(result, arguments)
        return apart(result, arguments)

    return kernel


def is_a_number(node: Node, edge: Edge) -> bool:
    """Whether a node of the host gets this variable's value as a NumPy scalar, as `scalar` has it."""
    producer, port = edge
    if producer.shapes[port] != () or node.device.type != "cpu":
        return False
    return np.dtype(producer.types[port].base_dtype.as_numpy_dtype).kind not in "OV"


def owned(value: Any) -> Any:
    """A fetched value in memory of its own; scalars as NumPy scalars, strings as bytes."""
    if type(value) is np.ndarray and value.nbytes >= LARGE and value.dtype != object and value.flags.c_contiguous:
        copy = memory.empty(value.shape, value.dtype)
        copy[...] = value
        return copy
    return np.array(np.asarray(value), copy=True)[()]  # a record without axes is copied as an array only


def may_not_fit(node: Node, origin: Callable[[Edge], Edge] = lambda edge: edge) -> bool:
    """False when it is certain before the run that the op's shape rule accepts the inputs.

    origin: where a value comes from, which may be a constant on another device.
    """
    known = [n.shapes[p] for n, p in node.inputs]
    if not all(is_known(s) for s in known):
        return True

    def value_of(place: int) -> Any:
        producer = origin(node.inputs[place])[0]
        return producer.attrs["value"] if producer.type == "Const" else None

    context = ShapeContext(node.op_def, node.attrs, known, value_of)
    try:
        apply_rule(node.op_def, context)
    except (ShapeError, OpError):
        return True
    return context.undecided


def checker(node: Node) -> Any:
    known = ShapeCheck(node)

    def check(inputs: tuple[Any, ...]) -> None:
        known([v if hasattr(v, "shape") else np.asarray(v) for v in inputs])

    return check


# -- values that are parts of others: where they lie there ---------------------------------------------------------


def _slice(node: Node) -> list[Any]:
    begin = node.inputs[1][0].attrs["value"]
    sizes: Any = node.shapes[0]
    return [tuple(slice(int(b), int(b) + d) for b, d in zip(begin, sizes, strict=True))]


def _split(node: Node) -> list[Any]:
    producer, port = node.inputs[1]
    axis = int(node.inputs[0][0].attrs["value"]) % len(producer.shapes[port] or ())
    sizes: Any = node.shapes[0]
    each = sizes[axis]
    return [(slice(None),) * axis + (slice(i * each, (i + 1) * each),) for i in range(len(node.types))]


def _unpack(node: Node) -> list[Any]:
    producer, port = node.inputs[0]
    axis = node.attrs["axis"] % len(producer.shapes[port] or ())
    return [(slice(None),) * axis + (i, ...) for i in range(len(node.types))]


PARTS: dict[str, Callable[[Node], list[Any]]] = {"Slice": _slice, "Split": _split, "Unpack": _unpack}
