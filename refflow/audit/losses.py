"""Losses with learning off, of one system beside another: `refflow audit losses PROGRAM` [W54].

    Recorder      stands around a program's runs, of refflow or of TensorFlow, and keeps the losses that it sees
    learning off  a run that trains leaves every trainable variable as it found it: what it changed is written back
    start         both sides begin with the same parameters: the first side's, by name

With learning off, the losses of the steps depend on the data and the forward pass alone. Where two systems agree so,
a later difference is the gradients' or the optimizer's; where they do not, it is not. What the lists say apart from
that: a first loss that differs is the forward pass, or the first batch; the same losses in another order are the order
of the data; losses that part later are its reading.

A loss is any scalar float that a run fetches, or the tensor that is named, which then every run that trains fetches as
well. Other state goes on as ever: step counters, averages of batch normalisation, random numbers.

    a file of losses     `3<TAB>loss<TAB>2.302585` a line: run, name, value; or a value a line

Next: audit/beside.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refflow.audit.parameters import renaming
from refflow.program_runs import Enough, notes_of

TOLERANCE = 1e-5  # relative: about a hundred units in the last place of a float32, for sums in another order
_CHANGES = ("Apply", "ResourceApply", "SparseApply", "ResourceSparseApply", "AssignAdd", "AssignSub", "Scatter",
            "ResourceScatter")  # fmt: skip

Losses = list[dict[str, float]]  # of each run that has some: values by name


class Recorder:
    """What is called in the place of each run; both systems' graphs and sessions answer alike.

    loss: the name of a tensor, or "" for whatever scalars are fetched. start: values of trainable variables by name,
    with which the first run that is recorded begins; afterwards it is what those were.
    """

    def __init__(self, loss: str = "", steps: int = 10, start: dict[str, np.ndarray] | None = None):
        self.losses: Losses = []
        self.start = dict(start or {})
        self.unused: list[str] = []  # names in `start` that no trainable variable has with that shape
        self.ended = ""  # the error that the program ended with, after some losses
        self._loss = loss if ":" in loss or not loss else f"{loss}:0"
        self._steps = steps
        self._trains: dict[Any, bool] = {}  # by graph and fetched operations
        self._began = False

    def __call__(self, run: Callable[..., Any], session: Any, fetches: Any, feed: Any, options: Any, data: Any) -> Any:
        trains = self._does_train(session.graph, fetches)
        scalars = [f for f in _flat(fetches) if _is_scalar(session.graph, f)]
        asked = fetches
        if self._loss and trains:
            asked = [fetches, _loss_of(session.graph, self._loss)]
        if not trains and not scalars:
            return run(session, fetches, feed, options, data)
        if not self._began:
            self._begin(run, session)
        before = self._values(run, session) if trains else {}
        found = run(session, asked, feed, options, data)
        if trains:
            _write(run, session, before)
        self._note(session.graph, asked, found)
        return found[0] if asked is not fetches else found

    def run(self, program: Callable[[], Any]) -> None:
        """Runs what runs the program. A model that does not learn may fail the program's own checks: no fault.

        RuntimeError where that was before any loss, LookupError for a loss that is not there.
        """
        try:
            program()
        except Exception as error:
            if isinstance(error, LookupError) and not self.losses:
                raise
            notes = "".join(f"\n  {note}" for note in notes_of(error))
            self.ended = f"{type(error).__name__}: {error}".rstrip(": ") + notes
            if not self.losses:
                hint = "\n  its runs fetch no loss: name one with --loss NAME" if any(self._trains.values()) else ""
                raise RuntimeError(f"the program ended before any loss was seen, with {self.ended}{hint}") from error

    def _begin(self, run: Callable[..., Any], session: Any) -> None:
        self._began = True
        values = self._values(run, session)
        fit = {n: v for n, v in self.start.items() if n in values and np.shape(v) == np.shape(values[n])}
        self.unused = sorted(self.start.keys() - fit.keys())
        _write(run, session, fit)
        self.start = values | fit

    def _values(self, run: Callable[..., Any], session: Any) -> dict[str, np.ndarray]:
        variables = {v.op.name: v for v in _trainable(session.graph)}
        return {n: np.array(v) for n, v in run(session, variables).items()} if variables else {}

    def _does_train(self, graph: Any, fetches: Any) -> bool:
        key = (graph, frozenset(op for f in _flat(fetches) if (op := _operation(graph, f)) is not None))
        if key not in self._trains:
            self._trains[key] = is_training(graph, fetches)
        return self._trains[key]

    def _note(self, graph: Any, fetches: Any, found: Any) -> None:
        values = {
            _name(graph, f): float(v) for f, v in zip(_flat(fetches), _flat(found), strict=True)
            if _is_scalar(graph, f) and (not self._loss or _name(graph, f) == self._loss.removesuffix(":0"))
        }  # fmt: skip
        if values:
            self.losses.append(values)
        if len(self.losses) >= self._steps:
            raise Enough


def is_training(graph: Any, fetches: Any) -> bool:
    """Whether a run changes a trainable variable by an update; to assign one is to begin it."""
    variables = {v.op for v in _trainable(graph)}
    ops = [op for f in _flat(fetches) if (op := _operation(graph, f)) is not None]
    return any(op.type.startswith(_CHANGES) and variables.intersection(t.op for t in op.inputs) for op in behind(ops))


def behind(ops: Sequence[Any]) -> set[Any]:
    """The operations, and all that they wait for."""
    found, stack = set(), list(ops)
    while stack:
        op = stack.pop()
        if op not in found:
            found.add(op)
            stack += [*(t.op for t in op.inputs), *op.control_inputs]
    return found


def _trainable(graph: Any) -> list[Any]:
    return graph.get_collection("trainable_variables")


def _write(run: Callable[..., Any], session: Any, values: dict[str, np.ndarray]) -> None:
    """Variables get values by their own initializers, fed: the graph stays as it is."""
    wanted = [v for v in _trainable(session.graph) if v.op.name in values]
    if wanted:
        feeds = {v.initializer.inputs[1]: values[v.op.name] for v in wanted}
        run(session, [v.initializer for v in wanted], feeds)


def _flat(found: Any) -> list[Any]:
    """The leaves of lists, tuples, dictionaries, and what else holds fetches by its fields."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, (list, tuple)):
        return [leaf for part in found for leaf in _flat(part)]
    return [found]


def _element(graph: Any, fetch: Any) -> Any:
    try:
        return graph.as_graph_element(fetch)
    except (TypeError, ValueError, KeyError):
        return None  # sparse tensors and their like: no loss


def _operation(graph: Any, fetch: Any) -> Any:
    element = _element(graph, fetch)
    return getattr(element, "op", element)


def _is_scalar(graph: Any, fetch: Any) -> bool:
    tensor = _element(graph, fetch)
    if not hasattr(tensor, "value_index") or not tensor.dtype.is_floating:
        return False
    return tensor.shape.rank == 0 if hasattr(tensor.shape, "rank") else tensor.shape.ndims == 0


def _name(graph: Any, fetch: Any) -> str:
    return _element(graph, fetch).name.removesuffix(":0")


def _loss_of(graph: Any, name: str) -> Any:
    """The tensor of that name. LookupError with those that could be meant."""
    try:
        return graph.get_tensor_by_name(name)
    except (KeyError, ValueError):
        scalars = [t.name for op in graph.get_operations() for t in op.outputs if _is_scalar(graph, t)]
        words = [n for n in scalars if "gradients" not in n and any(w in n.lower() for w in ("loss", "mean", "cost"))]
        shown = ", ".join((words or scalars)[-8:]) or "none"
        raise LookupError(f"--loss {name}: there is no such tensor; scalars of the graph: {shown}") from None


# -- files --------------------------------------------------------------------------------------------------


def written(losses: Losses) -> str:
    """The losses as text, every bit of them."""
    return "".join(f"{i}\t{name}\t{value!r}\n" for i, row in enumerate(losses) for name, value in row.items())


def read(path: str) -> Losses:
    """What `written` gave, or a value a line under the name "". ValueError names the line that is neither."""
    found: dict[int, dict[str, float]] = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        parts = line.split("\t") if "\t" in line else line.split()
        if not parts or line.startswith("#"):
            continue
        try:
            run, name, value = parts if len(parts) == 3 else (str(len(found)), "", *parts)
            found.setdefault(int(run), {})[name] = float(value)
        except ValueError:
            raise ValueError(f"{path}, line {number}: expected a run, a name and a loss with tabs between them, or a "
                             f"loss alone, got {line!r}") from None  # fmt: skip
    if not found:
        raise ValueError(f"{path} has no losses")
    return [found[i] for i in sorted(found)]


# -- beside each other --------------------------------------------------------------------------------------


class Pair(NamedTuple):
    """One loss on both sides. run: the how manyth of those that have losses."""

    run: int
    name: str
    here: float
    there: float

    @property
    def off(self) -> float:
        """The difference, relative to the larger; 0 for two that are not numbers alike."""
        if self.here == self.there or (np.isnan(self.here) and np.isnan(self.there)):
            return 0.0
        largest = max(abs(self.here), abs(self.there))
        off = abs(self.here - self.there) / largest
        return off if np.isfinite(off) else float("inf")


def pairs(here: Losses, there: Losses, renamed: Sequence[str] = ()) -> list[Pair]:
    """The losses of both sides by run and name. ValueError where no name is on both."""
    found = []
    for run, (mine, other) in enumerate(zip(here, there, strict=False)):
        mine = {renaming(name, renamed): value for name, value in mine.items()}
        if len(mine) == len(other) == 1 and not mine.keys() & other.keys():
            mine = dict(zip(other, mine.values(), strict=True))
        found += [Pair(run, name, mine[name], other[name]) for name in mine if name in other]
    if not found:
        raise ValueError(
            f"no loss has the same name on both sides: here {_names(here)}; there {_names(there)}. Name one with "
            "--loss, or say with --map OLD=NEW what a name here is called there"
        )
    return found


def _names(losses: Losses) -> str:
    return ", ".join(dict.fromkeys(name or "without a name" for row in losses for name in row)) or "none"


def table(found: Sequence[Pair], tolerance: float = TOLERANCE, most: int = 20) -> Iterator[str]:
    """The lines to print, the verdict last."""
    width = max(4, *(len(p.name) for p in found))
    yield f"  run  {'loss':{width}}  {'here':>14}  {'there':>14}  difference"
    for p in found[:most]:
        mark = "  <-" if p.off > tolerance else ""
        yield f"{p.run:5d}  {p.name:{width}}  {p.here:14.8g}  {p.there:14.8g}  {p.off:10.2g}{mark}"
    if len(found) > most:
        yield f"       and {len(found) - most} more"
    yield ""
    yield verdict(found, tolerance)


def differ(found: Sequence[Pair], tolerance: float = TOLERANCE) -> bool:
    return any(p.off > tolerance for p in found)


def verdict(found: Sequence[Pair], tolerance: float = TOLERANCE) -> str:
    """Whether both agree; if not, where from, and what that speaks for."""
    wrong = [p for p in found if p.off > tolerance]
    if not wrong:
        worst = max(p.off for p in found)
        return f"{len(found)} losses agree, to {worst:.2g} of their values ({tolerance:.2g} is allowed)"
    first = wrong[0]
    text = f"{first.name or 'the loss'} differs from run {first.run} on, by {first.off:.2g} of its value: "
    both = [(p.here, p.there) for p in found if p.name == first.name]
    mine, other = (sorted(side) for side in zip(*both, strict=True))
    if len(mine) > 1 and np.allclose(mine, other, rtol=tolerance, atol=0, equal_nan=True):
        return text + "the losses are the same in another order, so the data come in another order"
    if first.run == found[0].run:
        return (
            f"{text}the first batch or the forward pass is another (random numbers, as of dropout, too); feed one "
            "batch that is fixed to tell them apart, then use `refflow audit tensors`"
        )
    return text + "the forward pass agrees before, so it is the reading of data, or random numbers"
