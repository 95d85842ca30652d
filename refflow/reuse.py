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

Next: runtime/uses.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from refflow.core.graph import Graph, Tensor
from refflow.core.shapes import Shape, compatible
from refflow.core.shapes import text as shape_text
from refflow.runtime.prune import prune
from refflow.runtime.stages import simplified
from refflow.runtime.uses import Count, Walk

TRAINING = 6  # operations for each multiply-add of the forward part
_MOVES = 2  # fetched and pushed


class Use(Count):
    """What a step does with one variable, and the times that follow."""

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
    """uses: of each variable that is used, in the order of the graph. whole: of all, each node once."""

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
    """The uses of all variables that `fetches` need: the tensors of a forward part, such as a loss.

    Nodes that gradients() has added do not count, since the way back is in the 6. shapes: of tensors that are fed, or
    that nobody knows otherwise. batch: the first size of every placeholder that lacks it. turns: how often a loop
    turns, by the name of its frame, where its condition depends on data. ValueError for what is not known, with what
    to give.
    """
    known: dict[Tensor, Shape] = {t: _fitting(t, tuple(s)) for t, s in (shapes or {}).items()}
    holes = [op.outputs[0] for op in graph.get_operations() if op.op_def.family == "Placeholder"]
    if batch is not None and all(t in known or _with_batch(t.dims, batch) == t.dims for t in holes):
        raise ValueError(f"a batch of {batch} changes nothing: the first size of every placeholder is known")
    for t in holes:
        known.setdefault(t, _with_batch(t.dims, batch))
    elements = [graph.as_graph_element(f) for f in fetches]
    tensors = [t for e in elements for t in ([e] if isinstance(e, Tensor) else e.outputs[:1])]
    if not tensors:
        names = ", ".join(e.name for e in elements)
        raise ValueError(f"{names or 'nothing'} has no value: say what the forward part computes, with --fetch LOSS")
    step = simplified(prune(list(known), tensors, [], list(known.values())))
    walk = Walk(step, turns)
    uses = [Use(*count) for count in walk.run()]
    itemsize = max((use.itemsize for use in uses), default=4)
    moved = sum(use.itemsize * use.moved for use in uses) // itemsize
    whole = Use("all", sum(use.parameters for use in uses), moved, sum(walk.computing.values()), itemsize)
    return Reuse(uses, whole)


def _fitting(tensor: Tensor, shape: tuple[int, ...]) -> Shape:
    if not compatible(tensor.dims, shape):
        raise ValueError(f"{tensor.name} cannot have the shape {shape_text(shape)}: it is {shape_text(tensor.dims)}")
    return shape


def _with_batch(dims: Shape, batch: int | None) -> Shape:
    return (batch, *dims[1:]) if dims and dims[0] is None else dims


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
    if not found.uses:
        return "no variable is used: there is nothing to move"
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
