"""Optimise: the same results from fewer nodes.

    fold       a node whose inputs are all constant becomes a constant
    pass       a sum over no axes, or a change of shape to the shape that is there, becomes an Identity; an Assert of
               what is known to be true becomes a NoOp
    merge      two nodes with the same op, inputs and attributes become one; not in a step with loops [W48, E08]
    skip       a pure node that others only wait for is not run: they wait for what it waited for
    unbundle   who reads one result of a function does not wait for the others

Folding computes with the reference kernels. What a folded node waited for, the constant still waits for.
The deck's program shows what skipping is for: the gradient of its constant `examples` is a matrix product
as large as all others together, and only the gate around it ever asks for it [S21].

Branches and loops stay as they are, and what is rewritten in them stays in them: a value of a Switch's one side is dead
where the other side is taken, which only its readers and those that wait for those know. So nothing that reads a Switch
is folded or skipped; what waited for it would wait for the Switch itself, which is never dead.

Next: runtime/place.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from refflow.core import shape_rules
from refflow.core.dtypes import DType
from refflow.core.errors import OpError, ShapeError
from refflow.core.registry import op_def
from refflow.core.shapes import Shape, is_known
from refflow.runtime.nodes import CONTROL_FLOW, SWITCHES, Node, StepGraph, in_order, led_past
from refflow.runtime.sharpen import sharpen

_PASSING = frozenset(("Reshape", "Sum", "Prod", "Max", "Min"))
_DECIDES = CONTROL_FLOW | {"LoopCond", "ControlTrigger"}
_LARGEST = 1 << 20  # bytes of a folded result that is larger than all its inputs together
_COMPARED = 1 << 16  # bytes of constants that are compared by value


def optimise(step: StepGraph, fold: bool = True, merge: bool = False, skip: bool = True) -> StepGraph:
    """`step` with the chosen rewrites, each as in the head of this file."""
    step = step.copy()
    if fold:
        _fold(step)
    if merge:
        _merge(step)
    if skip:
        _skip(step)
    keep_needed(step)
    return step


def unbundle(step: StepGraph) -> StepGraph:
    """`step` without the IdentityNs that gather the results of functions: who reads one result needs that alone.

    So a loop does not compute what is kept for a gradient that nobody asks for.
    """
    if not any(n.type == "IdentityN" for n in step.nodes):
        return step
    step = step.copy()
    targets = set(step.targets)
    for node in step.nodes:
        for place, (producer, port) in enumerate(node.inputs):
            if producer.type == "IdentityN" and producer not in targets:
                node.inputs[place] = producer.inputs[port]
                node.controls += [n for n in producer.controls if n not in node.controls]
    keep_needed(step)
    return step


def is_pure(node: Node) -> bool:
    """True when running the node changes nothing, and its result depends on its inputs alone, which decide its place.

    What makes a list is none: each list is followed by itself, to know what is in it (runtime/contents.py).
    """
    if not node.op_def.foldable or node.type in _DECIDES or any(t.kind == "r" for t in node.types):
        return False
    return bool(node.inputs) or node.type in ("Const", "NoOp")


def _reads_a_side(node: Node) -> bool:
    return any(producer.type in SWITCHES for producer, _ in node.inputs)


# -- fold --------------------------------------------------------------------------------------------


def _fold(step: StepGraph) -> None:
    folded: dict[tuple[Node, int], Node] = {}
    nodes: list[Node] = []
    for node in step.nodes:
        node.inputs = [(folded[e], 0) if e in folded else e for e in node.inputs]
        sharpen(node)
        if _passes(node):
            _pass(node)
        if _is_sure(node):
            node.op_def, node.attrs, node.inputs = op_def("NoOp"), {}, []
        if _is_the_same(node):
            folded[node, 0] = node.inputs[0][0]
            nodes.append(node)
            continue
        values = known_outputs(node)
        for port, value in enumerate(values or ()):
            if value is None:
                continue
            made = constant(step, node, port, value)
            folded[node, port] = made
            nodes.append(made)
        # The node stays for those that wait for it; if nobody does, it goes with the rest at the end.
        nodes.append(node)
    step.nodes = in_order(nodes)


def _passes(node: Node) -> bool:
    """True for a node that gives what it gets, whatever that is: nothing can be wrong with it."""
    if node.type not in _PASSING or node.inputs[1][0].type != "Const":
        return False
    producer, port = node.inputs[0]
    shape = producer.shapes[port]
    if not is_known(shape) or shape != node.shapes[0] or producer.types[port].is_ref_dtype:
        return False
    return node.type == "Reshape" or node.inputs[1][0].attrs["value"].size == 0


def _is_sure(node: Node) -> bool:
    """True for an Assert of what is known to be true."""
    if node.type != "Assert" or node.inputs[0][0].type != "Const":
        return False
    return node.inputs[0][0].attrs["value"].shape == () and bool(node.inputs[0][0].attrs["value"])


def _is_the_same(node: Node) -> bool:
    """True for an Identity of a constant that might be read in its place: two predicates that are one stay one."""
    if node.type != "Identity" or node.controls or "_class" in node.attrs:
        return False
    producer, _ = node.inputs[0]
    return producer.type == "Const" and producer.request == node.request


def _pass(node: Node) -> None:
    """Makes it an Identity, which still waits for what it waited for."""
    node.controls = list(dict.fromkeys([*node.controls, *node.inputs[1][0].controls]))
    node.op_def, node.attrs, node.inputs = op_def("Identity"), {"T": node.types[0]}, node.inputs[:1]


def known_value(edge: tuple[Node, int]) -> Any:
    """The value of a constant, or None for anything else."""
    return edge[0].attrs["value"] if edge[0].type == "Const" else None


class _Static:
    """What an OpDef's constant rule reads of an operation: inputs with `dims`, and attributes."""

    def __init__(self, node: Node):
        self.attrs = node.attrs
        self.inputs = [type("Input", (), {"dims": n.shapes[port]}) for n, port in node.inputs]


def known_outputs(node: Node) -> list[Any] | None:
    """The outputs of a node whose inputs are constants, each None if only the others are known; else None."""
    if not is_pure(node) or not node.inputs or _reads_a_side(node):
        return None
    if node.op_def.constant_rule is not None:
        value = node.op_def.constant_rule(_Static(node))
        if value is not None:
            return value if isinstance(value, list) else [value]
    values = [known_value(e) for e in node.inputs]
    if any(v is None for v in values) or "cpu" not in node.op_def.kernels:
        return None
    given = sum(v.nbytes for v in values)
    try:  # what does not fit is left to the run, which says so
        found = shape_rules.infer(node.op_def, node.attrs, [v.shape for v in values], lambda i: values[i])
    except (ShapeError, OpError, ValueError, TypeError, LookupError, ArithmeticError):
        return None
    if not all(is_known(s) for s in found):
        return None  # how many elements there will be is not known before they are there
    if any(size > max(given, _LARGEST) for size in _bytes(found, node.types) + _bytes(node.shapes, node.types)):
        return None
    try:
        with np.errstate(all="ignore"):
            return [np.asarray(v) for v in node.op_def.compute(values, node.attrs)]
    except (OpError, ValueError, TypeError, ArithmeticError, LookupError, MemoryError):
        return None  # left to the run, which reports it as the node's error


def _bytes(shapes: Sequence[Shape], types: Sequence[DType]) -> list[int]:
    """The sizes of those outputs whose shapes are known."""
    return [prod(s) * t.size for s, t in zip(shapes, types, strict=True) if is_known(s)]  # type: ignore[arg-type]


def constant(step: StepGraph, node: Node, port: int, value: np.ndarray) -> Node:
    """A Const for one output; it waits for whatever the node waited for."""
    attrs = {"value": value, "dtype": node.types[port]}
    if "_class" in node.attrs:  # who is to be with others stays with them [W37]
        attrs["_class"] = node.attrs["_class"]
    name = node.name if not port else f"{node.name}:{port}"
    waits = dict.fromkeys(node.controls)
    for producer, _ in node.inputs:
        if producer.type == "Const":
            waits |= dict.fromkeys(producer.controls)
        else:
            waits[producer] = None
    return Node(
        step.take_id(), f"{name}/folded", op_def("Const"), attrs, [], list(waits), [node.types[port]], [value.shape],
        node.request, node.origin,
    )  # fmt: skip


# -- merge -------------------------------------------------------------------------------------------


def _merge(step: StepGraph) -> None:
    seen: dict[Any, Node] = {}
    now: dict[Node, Node] = {}
    for node in step.nodes:
        node.inputs = [(now.get(n, n), port) for n, port in node.inputs]
        node.controls = list(dict.fromkeys(now.get(n, n) for n in node.controls))
        if is_pure(node) and node.type != "NoOp":
            now[node] = seen.setdefault(_likeness(node), node)
    step.targets = [now.get(n, n) for n in step.targets]


def _likeness(node: Node) -> Any:
    """Equal for two nodes exactly when they compute the same."""
    inputs: Any = [(n.id, port) for n, port in node.inputs]
    if node.op_def.commutative:
        inputs = sorted(inputs)
    return node.type, tuple(inputs), _frozen(node.attrs), frozenset(n.id for n in node.controls), node.request


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(sorted((k, _frozen(v)) for k, v in value.items()))
    if isinstance(value, list):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, np.ndarray) and value.nbytes > _COMPARED:
        return id(value)
    if isinstance(value, np.ndarray):
        content = tuple(value.reshape(-1).tolist()) if value.dtype == object else value.tobytes()
        return (str(value.dtype), value.shape, content)
    return (type(value).__name__, value)


# -- skip --------------------------------------------------------------------------------------------


def _skip(step: StepGraph) -> None:
    """Leads control edges past pure nodes that nobody takes a value from."""
    used: set[Node] = set()  # by nodes that are run for a value
    past: dict[Node, list[Node]] = {}
    for node in reversed(step.nodes):
        if node not in used and is_pure(node) and not _reads_a_side(node) and cannot_fail(node):
            past[node] = []
        else:
            used.update(n for n, _ in node.inputs)
    for node in step.nodes:
        node.controls = led_past(node.controls, past)
        if node in past:
            past[node] = led_past([*node.controls, *(n for n, _ in node.inputs)], past)


def cannot_fail(node: Node) -> bool:
    """Shapes are checked beforehand; what is left are values: an index out of its range, say.

    Integers are harmless where they are constants that the op's shape rule has read and found to be good.
    """
    if not all(is_known(n.shapes[p]) for n, p in node.inputs):
        return False
    integers = {place for place, (n, p) in enumerate(node.inputs) if n.types[p].base_dtype.is_integer}
    return not integers or integers <= _read_by_shape_rule(node)


def _read_by_shape_rule(node: Node) -> set[int]:
    """The places of constants whose values the shape rule asks for; none where it is not content."""
    read: set[int] = set()

    def value_of(place: int) -> Any:
        read.add(place)
        return known_value(node.inputs[place])

    context = shape_rules.ShapeContext(node.op_def, node.attrs, [n.shapes[p] for n, p in node.inputs], value_of)
    try:
        shape_rules.apply_rule(node.op_def, context)
    except (ShapeError, OpError):
        return set()
    return set() if context.undecided else read


def keep_needed(step: StepGraph) -> None:
    """Drops what no fetch and no target needs any more."""
    needed: set[Node] = set()
    stack = [*step.feeds, *step.fetches, *step.targets]
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            stack += [n for n, _ in node.inputs]
            stack += node.controls
    step.nodes = [n for n in step.nodes if n in needed]
