"""When parallel training pays: how often a step uses each parameter that it has to move: `refflow reuse PROGRAM`.

    P    parameters that a step moves: all elements of a variable, or those rows of a table that are looked up
    U    multiply-adds of the forward part in which each of them takes part [S71]
             a dense layer     B                     for a batch of B                                       [S72]
             a convolution     B * H_out * W_out     once for every place of the result                     [S73]
             a recurrent net   B * T                 once for every step in time, unrolled or in a loop     [S74]

    computation   6 U P / f          each multiply-add is 2 operations forward, and 4 on the way back: a product for
                                     the slope of either operand. f: operations a second
    moving        2 * 4 P / w        4 bytes a parameter of 32 bits, fetched and pushed. w: bytes a second
    ratio         0.75 U w / f       far above 1, copies of the model wait for arithmetic and not for the link [S70]

P is not in the ratio: it does not matter how large a model is, but how often its parameters are used. All numbers come
from the op definitions (OpDef.work, OpDef.moves) and the shapes of what the loss needs, so the report is of any graph.
What enters a network as data has no slope, which saves a first layer 2 of the 6.

A variable may be used in several places, each of which adds to U; a branch's both sides count. A row that is looked up
is an operand of what follows, and has one use for each weight that it meets. Zeros of a padding count as elements.

Next: runtime/turn_counts.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import resource
from refflow.core.graph import Graph, Tensor
from refflow.core.graphdef import FunctionCall
from refflow.core.shapes import Shape, is_known
from refflow.core.shapes import text as shape_text
from refflow.runtime.costs import multiply_adds
from refflow.runtime.nodes import CONTROL_FLOW, ENTERS, MERGES, Node, StepGraph
from refflow.runtime.prune import prune
from refflow.runtime.stages import simplified
from refflow.runtime.turn_counts import TurnCounts

Edge = tuple[Node, int]
TRAINING = 6  # operations for each multiply-add of the forward part
_MOVES = 2  # fetched and pushed


class Use(NamedTuple):
    """What a step does with one variable. moved: the parameters that it needs. multiply_adds: in which they take part.

    itemsize: bytes of a parameter.
    """

    variable: str
    parameters: int
    moved: int
    multiply_adds: int
    itemsize: int

    @property
    def uses(self) -> float:
        """U: the multiply-adds of each parameter that is moved."""
        return self.multiply_adds / self.moved if self.moved else 0.0

    def computation(self, rate: float) -> float:
        """Seconds of a training step on a device of `rate` operations a second."""
        return TRAINING * self.multiply_adds / rate

    def moving(self, link: float) -> float:
        """Seconds that its parameters and their slopes are on a link of `link` bytes a second."""
        return _MOVES * self.itemsize * self.moved / link

    def ratio(self, rate: float, link: float) -> float:
        """Of both times; for 32 bits 0.75 U w / f."""
        return self.computation(rate) / self.moving(link) if self.moved else 0.0


class Reuse(NamedTuple):
    """uses: of each variable that the fetches need, in the order of the graph. whole: of all, each node once."""

    uses: list[Use]
    whole: Use

    def __getitem__(self, variable: Any) -> Any:
        """The Use of the variable of that name."""
        if not isinstance(variable, str):
            return tuple(self)[variable]
        for use in self.uses:
            if use.variable == variable:
                return use
        raise KeyError(f"the step has no variable {variable!r}; it has {', '.join(u.variable for u in self.uses)}")


def reuse(
    graph: Graph,
    fetches: Sequence[Any],
    shapes: Mapping[Tensor, Sequence[int]] | None = None,
    batch: int | None = None,
    turns: Mapping[str, int] | None = None,
) -> Reuse:
    """The uses of all variables that `fetches` need: the losses, or predictions, not the updates.

    shapes: of tensors that are fed, or that nobody knows otherwise. batch: the first size of every placeholder that
    lacks it. turns: how often a loop turns, by the name of its frame, where its condition depends on data.
    ValueError for what is not known, with what to give.
    """
    known: dict[Tensor, Shape] = {t: tuple(s) for t, s in (shapes or {}).items()}
    for op in graph.get_operations():
        if op.op_def.family == "Placeholder":
            known.setdefault(op.outputs[0], _with_batch(op.outputs[0].dims, batch))
    tensors = [graph.as_graph_element(f) for f in fetches]
    losses = [t for t in tensors if isinstance(t, Tensor)]
    if not losses:
        raise ValueError("say which tensor is computed forward, with --fetch LOSS: how often its variables are used")
    step = simplified(prune(list(known), losses, [], list(known.values())))
    return _Walk(step, turns).run()


def _with_batch(dims: Shape, batch: int | None) -> Shape:
    return (batch, *dims[1:]) if dims and dims[0] is None else dims


class _Walk:
    """From each variable along all that hands its elements on, to the nodes that compute with them."""

    def __init__(self, step: StepGraph, turns: Mapping[str, int] | None):
        self.step, self.counts = step, TurnCounts(step, turns)
        self.users: dict[Edge, list[tuple[Node, int]]] = {}
        for node in step.nodes:
            for place, edge in enumerate(node.inputs):
                self.users.setdefault(edge, []).append((node, place))
        self.found: dict[tuple[str, Edge], int] = {}
        self.computing: dict[Node, int] = {}  # each node that uses variables, with its multiply-adds
        self.variable = ""

    def run(self) -> Reuse:
        uses = [self._use(n) for n in self.step.nodes if n.op_def.family in ("Variable", "VarHandleOp")]
        moved, itemsize = sum(u.moved for u in uses), max((u.itemsize for u in uses), default=4)
        total = sum(u.itemsize * u.moved for u in uses) // itemsize if moved else 0
        parameters = sum(u.parameters for u in uses)
        return Reuse(uses, Use("all", parameters, total, sum(self.computing.values()), itemsize))

    def _use(self, node: Node) -> Use:
        self.variable, edge = node.name, (node, 0)
        shape = node.shapes[0] if node.op_def.family == "Variable" else node.attrs["shape"].as_tuple
        dtype = (node.types[0] if node.op_def.family == "Variable" else node.attrs["dtype"]).base_dtype
        if not is_known(shape):
            raise ValueError(f"variable {node.name!r} has shape {shape_text(shape)}: how many parameters is not known")
        size = prod(shape)  # type: ignore[arg-type]
        return Use(node.name, size, min(size, self._needed(edge)), self._used(edge), dtype.size)

    # -- multiply-adds ------------------------------------------------------------------------------------

    def _used(self, edge: Edge) -> int:
        """The multiply-adds in which elements of a value take part, wherever they are handed on to."""
        key = "used", edge
        if key not in self.found:
            self.found[key] = 0  # for who comes back here round a loop
            self.found[key] = sum(self._used_by(*user) for user in self.users.get(edge, ()))
        return self.found[key]

    def _used_by(self, node: Node, place: int) -> int:
        if _hands_on(node, place):
            part, whole = self._share(node, place)
            return sum(self._used(out) for out in _outputs(node)) * part // whole
        return self._arithmetic(node, place)

    def _arithmetic(self, node: Node, place: int) -> int:
        """The multiply-adds of a node in a step, with elements of one of its inputs."""
        if node.sends or node.inputs[place][0].types[node.inputs[place][1]].base_dtype is resource:
            return 0
        if node.op_def.keeps == place or any(isinstance(v, FunctionCall) for v in node.attrs.values()):
            raise ValueError(
                f"variable {self.variable!r} goes into {node.name!r} ({node.type}), and what becomes of it there "
                "is not followed: read it outside of lists and functions"
            )
        for n, port in (*node.inputs, *_outputs(node)):
            if not is_known(n.shapes[port]) and n.types[port].base_dtype is not resource:
                raise ValueError(self._open(node, n.shapes[port]))
        amount = multiply_adds(node, place)
        if not amount:
            return 0
        times = self.counts.of(node)
        self.computing[node] = multiply_adds(node) * times
        return amount * times

    # -- parameters ---------------------------------------------------------------------------------------

    def _needed(self, edge: Edge) -> int:
        """How many elements of a value are used."""
        key = "needed", edge
        if key not in self.found:
            self.found[key] = 0
            needed = sum(self._needed_by(*user) for user in self.users.get(edge, ()))
            self.found[key] = needed if _is_handle(edge) else min(needed, self._size(edge))
        return self.found[key]

    def _needed_by(self, node: Node, place: int) -> int:
        if _hands_on(node, place):
            part, whole = self._share(node, place)
            times = self.counts.entered(node) if node.type in ENTERS else 1
            return times * -(-sum(self._needed(out) for out in _outputs(node)) * part // whole)
        return self._size(node.inputs[place]) if self._arithmetic(node, place) else 0

    def _size(self, edge: Edge) -> int:
        node, port = edge
        if not is_known(node.shapes[port]):
            raise ValueError(self._open(node, node.shapes[port]))
        return prod(node.shapes[port])  # type: ignore[arg-type]

    def _share(self, node: Node, place: int) -> tuple[int, int]:
        """Of the elements that a node hands on, those of one input, and all."""
        sources = [i for i in range(len(node.inputs)) if _hands_on(node, i)]
        if len(sources) == 1 or node.type in CONTROL_FLOW:
            return 1, 1
        sizes = {i: self._size(node.inputs[i]) for i in sources}
        return sizes[place], max(1, sum(sizes.values()))

    # -- words --------------------------------------------------------------------------------------------

    def _open(self, node: Node, shape: Shape) -> str:
        """What is not known, and what to give for it."""
        found = ", ".join(_origins(node)) or "nothing that could be fed"
        return (
            f"how often variable {self.variable!r} is used is not known: {node.name!r} ({node.type}) has a shape "
            f"{shape_text(shape)}, which comes from {found}. Give the first size of placeholders, --batch N, or a "
            "whole shape, --shape NAME=64,784"
        )


def _hands_on(node: Node, place: int) -> bool:
    """Whether a node's outputs are made of the elements of an input, as they are."""
    if node.type in CONTROL_FLOW or node.op_def.view or place in node.op_def.ref_inputs:
        return place in node.op_def.ref_inputs or place == 0 or node.type in MERGES
    return bool(node.op_def.moved) and node.argument(place).name in node.op_def.moved


def _outputs(node: Node) -> Iterator[Edge]:
    return ((node, port) for port in range(1 if node.op_def.name in MERGES else len(node.types)))


def _is_handle(edge: Edge) -> bool:
    return edge[0].types[edge[1]].base_dtype is resource


def _origins(node: Node) -> list[str]:
    """The tensors from which sizes that nobody knows come to a node: of their nodes all inputs are known."""
    found, stack, seen = [], [node], set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        before = [n for n, port in node.inputs if not is_known(n.shapes[port])]
        stack += before
        for port, shape in enumerate(node.shapes):
            if not before and not is_known(shape):
                name = node.attrs["tensor_name"].partition(":")[2] if node.receives else f"{node.name}:{port}"
                found.append(f"{name} {shape_text(shape)}")
    return sorted(found)


def of_program(
    name: str, fetches: list[str] | None = None, batch: int | None = None, shapes: Sequence[str] = (),
    turns: Sequence[str] = (),
) -> Reuse:  # fmt: skip
    """`reuse` of a program as refflow/programs.py knows them. shapes: as "x:0=64,784". turns: as "rnn/while=50"."""
    from refflow.programs import step_of

    step = step_of(name, fetches)
    known: dict[Tensor, tuple[int, ...]] = {t: np.shape(value) for t, value in step.feeds.items()}
    for tensor, sizes in (_assigned("--shape", text, "x:0=64,784") for text in shapes):
        known[step.graph.get_tensor_by_name(tensor if ":" in tensor else f"{tensor}:0")] = sizes
    times = {loop: sizes[0] for loop, sizes in (_assigned("--turns", text, "rnn/while=50") for text in turns)}
    return reuse(step.graph, step.fetches, known, batch, times)


def _assigned(option: str, text: str, example: str) -> tuple[str, tuple[int, ...]]:
    """A name and the numbers behind its `=`; of a scalar's shape there are none."""
    name, equals, sizes = text.rpartition("=")
    numbers = sizes.split(",") if sizes else []
    if not (name and equals and all(n.strip().isdecimal() for n in numbers)) or (option == "--turns") > len(numbers):
        raise ValueError(f"{option} {text}: expected a name and numbers, as {option} {example}")
    return name, tuple(int(n) for n in numbers)


# -- the table ----------------------------------------------------------------------------------------------


def table(found: Reuse, rate: float, link: float) -> str:
    """A line for each variable, and one for all, on a device of `rate` operations and a link of `link` bytes a second.

    ValueError for a rate that is not positive.
    """
    if not (rate > 0 and link > 0):
        raise ValueError(f"both must be positive: {rate:g} operations a second, {link:g} bytes a second")
    rows: list[tuple[str, ...]] = [("variable", "parameters", "moved", "U", "computation", "moving", "ratio")]
    rows += [_row(use, rate, link) for use in [*found.uses, found.whole]]
    widths = [max(len(row[i]) for row in rows) for i in range(7)]
    lines = ["  ".join([f"{row[0]:{widths[0]}}", *(f"{x:>{w}}" for x, w in zip(row[1:], widths[1:], strict=True))])
             for row in rows]  # fmt: skip
    pays = found.whole.ratio(rate, link)
    verdict = "waits for arithmetic" if pays > 1 else "waits for the link"
    return "\n".join([
        f"a device of {rate:g} operations a second, a link of {link:g} bytes a second; {TRAINING} operations and "
        f"{_MOVES} moves for each parameter and use", "", *lines, "",
        f"ratio = (6 U P / f) / (8 P / w) = 0.75 U w / f for 32 bits: a copy of this model {verdict}",
    ])  # fmt: skip


def _row(use: Use, rate: float, link: float) -> tuple[str, ...]:
    return (
        use.variable, f"{use.parameters:,}", f"{use.moved:,}", f"{use.uses:,.6g}", _time(use.computation(rate)),
        _time(use.moving(link)), f"{use.ratio(rate, link):.4g}",
    )  # fmt: skip


def _time(seconds: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds / 1e-6:.4g} us"
