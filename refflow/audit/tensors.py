"""A step of a program, tensor by tensor, here and elsewhere: `refflow audit tensors PROGRAM --against OTHER` [W54].

    Here     the program runs up to its first step that trains; of all that this step computes before it changes
             anything, each tensor is fetched
    There    the same step with the same feeds, the same variables, and the same random numbers, which are fed:
                 reference     the pages' own kernels           executor      the other executable
                 tensorflow    this graph, on TensorFlow        OTHER.py      another program's step, by names
                 FILE.npz      arrays by the tensors' names, of whatever system: --write makes such a file
    judge    in the order of the graph, which is the first that differs by more than it may (audit/judge.py)

What comes after an update, and what is inside a branch or a loop, cannot be fetched so, and is not compared. To fetch
everything takes the plan's chains apart; the step's own fetches are therefore also taken as they are without that.

Next: audit/judge.py.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from refflow.audit.beside import TENSORFLOW, in_tensorflow
from refflow.audit.losses import behind, is_training
from refflow.audit.parameters import renaming
from refflow.core.graph import Operation, Tensor
from refflow.core.graphdef import GraphDef, functions_of
from refflow.program_runs import Enough, run_program
from refflow.runtime.session import Session

Arrays = dict[str, np.ndarray]
_FROM_OUTSIDE = ("PyFunc", "PyFuncStateless", "EagerPyFunc", "IteratorGetNext")
IN_GRAPH: dict[str, dict[str, str]] = {"reference": {"kernels": "reference"}, "executor": {"executor": "executor"}}


@dataclass
class Side:
    """One side's step. tensors: compared, in the order of the graph. sources: random numbers and other input.

    feeds, state, sources, values: arrays by names of tensors, of variables, of tensors. fused: what the step's own
    fetches are when nothing else is fetched.
    """

    tensors: list[Tensor] = field(default_factory=list)
    feeds: Arrays = field(default_factory=dict)
    state: Arrays = field(default_factory=dict)
    sources: Arrays = field(default_factory=dict)
    values: Arrays = field(default_factory=dict)
    fused: Arrays = field(default_factory=dict)

    def all(self) -> Arrays:
        """Everything by names of tensors."""
        return {f"{n}:0": v for n, v in self.state.items()} | self.feeds | self.sources | self.values


def compared(
    path: str, arguments: Sequence[str], against: str, fetches: Sequence[str] = (), renamed: Sequence[str] = ()
) -> tuple[Side, Arrays]:
    """This side, and the other's values by the names of this side.

    fetches: names of the tensors that are wanted, with all that they need; by default what the step asks for.
    """
    here = Side()
    there: Arrays = {}
    file = read(against) if against.endswith(".npz") else {}

    def see(step: _AsAsked) -> None:
        step.fill(here, {n: file[other] for n in step.begins_with() if (other := renaming(n, renamed)) in file})
        if against in IN_GRAPH:
            there.update(step.elsewhere(here, **IN_GRAPH[against]))
        elif against == TENSORFLOW:
            there.update(step.on_tensorflow(here))

    _at_the_step(path, arguments, fetches, see)
    if against.endswith(".py"):
        side, given = Side(), {renaming(n, renamed): v for n, v in here.all().items()}
        _at_the_step(against, arguments, [renaming(n, renamed) for n in fetches], lambda s: s.fill(side, given))
        there = side.all()
    elif file:
        there = file
    elif not there:
        raise ValueError(
            f"--against {against}: expected {', '.join(IN_GRAPH)}, tensorflow, a program OTHER.py, or a file .npz"
        )
    return here, {n: there[other] for n in here.all() if (other := renaming(n, renamed)) in there}


def read(path: str) -> Arrays:
    """Arrays by names of tensors; a name without a number means the first output."""
    if not zipfile.is_zipfile(path):
        open(path, "rb").close()  # FileNotFoundError
        raise ValueError(f"{path} is no .npz file: expected what --write or numpy.savez wrote")
    with np.load(path) as file:
        return {name if ":" in name else f"{name}:0": file[name] for name in file.files}


def write(path: str, side: Side) -> None:
    """Every tensor of a side with its feeds and variables, as read() takes them."""
    np.savez(path, **side.all())  # type: ignore[arg-type]


# -- the step -----------------------------------------------------------------------------------------------


def _at_the_step(path: str, arguments: Sequence[str], fetches: Sequence[str], see: Callable[..., None]) -> None:
    """Runs a program to its first step that trains, and looks at it there.

    One without such a step is run once more, to its first that fetches a number.
    """
    seen: list[bool] = []

    def around(run: Callable[..., Any], session: Any, *request: Any) -> Any:
        if is_training(session.graph, request[0]):
            see(_AsAsked(run, session, request[0], request[1], fetches))
            seen.append(True)
            raise Enough
        return run(session, *request)

    def untrained(run: Callable[..., Any], session: Any, *request: Any) -> Any:
        step = _AsAsked(run, session, request[0], request[1], fetches)
        if step.own:
            see(step)
            seen.append(True)
            raise Enough
        return run(session, *request)

    run_program(path, arguments, around)
    if not seen:
        run_program(path, arguments, untrained)
    if not seen:
        raise ValueError(f"{path} runs no step that fetches a number: give it with --args what makes it run one")


class _AsAsked:
    """A step that a program is about to run, and what of it can be fetched."""

    def __init__(self, run: Callable[..., Any], session: Any, fetches: Any, feed_dict: Any, names: Sequence[str]):
        self._run, self._session, self._graph = run, session, session.graph
        signature, values = session._fed(fetches, {} if feed_dict is None else feed_dict)
        self._feeds = {f.tensor: v for f, v in zip(signature.feeds, values, strict=True)}
        if names:
            ends = [self._graph.as_graph_element(n) for n in names]
        else:
            ends = [*signature.tensors, *signature.targets]
        self._ops = sorted(
            _behind([e.op if isinstance(e, Tensor) else e for e in ends], self._feeds), key=lambda o: o._id
        )
        tainted = _after_updates(self._ops)
        plain = [t for o in self._ops if o not in tainted and o._context is None for t in o.outputs if _is_plain(t)]
        self.tensors = [t for t in plain if t not in self._feeds]
        self.own = [e for e in ends if isinstance(e, Tensor) and e in set(self.tensors)]
        self._sources = [t for t in self.tensors if is_source(t.op)]
        known = set(self._ops)
        self._variables = [v for v in self._graph.get_collection("variables") if v.op in known]

    def begins_with(self) -> list[str]:
        """The names of what is fed, of variables, and of sources."""
        return [t.name for t in (*self._feeds, *(v.op.outputs[0] for v in self._variables), *self._sources)]

    def fill(self, side: Side, given: Arrays) -> None:
        """Takes the values of this step into `side`; given: feeds, variables and sources that it is to begin with."""
        sources = self._sources
        self._feeds |= {t: given[t.name] for t in (*self._feeds, *sources) if t.name in given}
        state = {v.op.name: given[n] for v in self._variables if (n := f"{v.op.name}:0") in given}
        _assign(self._session, self._run, [v for v in self._variables if v.op.name in state], state)
        side.feeds = {t.name: np.asarray(v) for t, v in self._feeds.items()}
        side.state = {v.op.name: np.array(a) for v, a in self._fetched(self._variables, {})}
        side.tensors = [t for t in self.tensors if not is_source(t.op)]
        wanted = [t for t in self.tensors if t not in self._feeds]
        found = {t.name: np.array(a) for t, a in self._fetched(wanted, self._feeds)}
        side.sources = {t.name: found[t.name] for t in sources if t.name in found}
        side.values = {n: a for n, a in found.items() if n not in side.sources}
        fed = self._feeds | {t: side.sources[t.name] for t in sources if t.name in side.sources}
        side.fused = {t.name: np.array(a) for t, a in self._fetched([t for t in self.own if t not in fed], fed)}

    def _fetched(self, wanted: list[Any], feeds: dict[Tensor, Any]) -> list[tuple[Any, Any]]:
        return list(zip(wanted, self._run(self._session, wanted, feeds), strict=True)) if wanted else []

    def elsewhere(self, here: Side, **options: Any) -> Arrays:
        """The values of the same graph in a session with other options."""
        feeds = {self._graph.as_graph_element(n): v for n, v in (here.feeds | here.sources).items()}
        with Session(graph=self._graph, **options) as session:
            _assign(session, self._run, self._variables, here.state)
            return dict(zip(here.values, self._run(session, [*here.values], feeds), strict=True))

    def on_tensorflow(self, here: Side) -> Arrays:
        """The values of the same graph on TensorFlow."""
        from refflow.interop.protos import to_bytes

        starts = {v.op.name: [v.initializer.name, v.initializer.inputs[1].name] for v in self._variables}
        kept = {o.name for o in behind([*(t.op for t in here.tensors), *(v.initializer for v in self._variables)])}
        nodes = [n for n in self._graph.definition() if n.name in kept]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "graph.pb").write_bytes(to_bytes(GraphDef(nodes, functions_of(nodes))))
            np.savez(Path(folder) / "feeds.npz", **here.feeds, **here.sources)  # type: ignore[arg-type]
            np.savez(Path(folder) / "state.npz", **here.state)  # type: ignore[arg-type]
            in_tensorflow("tensors", folder, starts=starts, names=list(here.values))
            return read(str(Path(folder) / "values.npz"))


def _behind(ops: Sequence[Operation], feeds: Any) -> set[Operation]:
    """What these operations need, where what is fed needs nothing."""
    found, stack = set(), list(ops)
    while stack:
        op = stack.pop()
        if op not in found:
            found.add(op)
            stack += [*(t.op for t in op.inputs if t not in feeds), *op.control_inputs]
    return found


def _after_updates(ops: Sequence[Operation]) -> set[Operation]:
    """Those that change state, and what waits for them; ops come in the order of the graph, loops apart."""
    found: set[Operation] = set()
    for op in ops:
        if _changes(op) or any(b in found for b in (*(t.op for t in op.inputs), *op.control_inputs)):
            found.add(op)
    return found


def _changes(op: Operation) -> bool:
    by_handle = op.op_def.stateful and not op.outputs and any(t.dtype.name == "resource" for t in op.inputs)
    return bool(op.op_def.ref_inputs) or by_handle


def is_source(op: Operation) -> bool:
    """Whether its values come from outside of the graph: random numbers, queues, files, functions in Python."""
    if op.op_def.accuracy == "random" or op.op_def.waits or op.type in _FROM_OUTSIDE:
        return True
    return op.op_def.stateful and not op.inputs and op.op_def.family not in ("Variable", "VarHandleOp")


def _is_plain(tensor: Tensor) -> bool:
    """Numbers that can be fetched."""
    return not tensor.dtype.is_ref_dtype and tensor.dtype.name not in ("string", "resource", "variant")


def _assign(session: Any, run: Callable[..., Any], variables: Sequence[Any], state: Arrays) -> None:
    feeds = {v.initializer.inputs[1]: state[v.op.name] for v in variables}
    if feeds:
        run(session, [v.initializer for v in variables], feeds)
