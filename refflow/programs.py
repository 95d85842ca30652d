"""Programs that the command line can be asked about: what they build, and what a step of theirs fetches.

    deck            the program printed on the deck's slides
    NAME.py         a Python file that builds the default graph; what is under `if __name__ == "__main__"` is not run;
                    its `import tensorflow` gives refflow
    NAME.lisp       a program of the second front end (refflow/lisp); its steps are not run
    NAME.pb, .pbtxt a GraphDef, binary or text

`step_of` also knows the workloads of `refflow bench cpu`, by their names.

Next: refflow/explain.py.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refflow.core.graph import Graph
from refflow.core.graphdef import GraphDef
from refflow.ops.variable import initialize_all_variables
from refflow.program_runs import check_program, where


class Program(NamedTuple):
    """A graph, and what is asked of it: all of its operations, where nobody says what a step is."""

    graph: Graph
    fetches: list[Any]


def load(name: str, fetches: list[str] | None = None) -> Program:
    """The program of that name. fetches: names of tensors or operations, instead of what is usual.

    ValueError for what is no program, KeyError for a fetch that it does not have.
    """
    suffix = Path(name).suffix
    if name == "deck":
        program = _deck()
    elif suffix == ".py":
        program = _from_python(name)
    elif suffix == ".lisp":
        program = _from_lisp(name)
    elif suffix in (".pb", ".pbtxt"):
        program = _from_graph_def(name)
    else:
        raise ValueError(
            f"{name!r} is no program: expected deck, a Python file, a .lisp file, or a graph in a .pb or .pbtxt file"
        )
    if not fetches:
        return program
    return Program(program.graph, [program.graph.as_graph_element(f) for f in fetches])


def holes(step: Step) -> list[Any]:
    """The placeholders that a step needs and is not fed."""
    from refflow.core.graph import Tensor

    found, stack = set(), [f.op if isinstance(f, Tensor) else f for f in step.fetches]
    while stack:
        op = stack.pop()
        if op not in found:
            found.add(op)
            stack += [*(t.op for t in op.inputs if t not in step.feeds), *op.control_inputs]
    return [op.outputs[0] for op in sorted(found, key=lambda op: op._id) if op.op_def.family == "Placeholder"]


class _NoSteps:
    """What a program of the second front end takes for a session, where only its graph is wanted."""

    def extend(self, graph_def: GraphDef) -> None:
        """The whole graph is taken at the end."""

    def run(self, fetches: list[str]) -> list[None]:
        return [None] * len(fetches)


class Step(NamedTuple):
    """A graph's step: what it fetches, what it is fed, and what has to be run once before."""

    graph: Graph
    fetches: list[Any]
    feeds: dict[Any, Any]
    initializer: Any


def step_of(name: str, fetches: list[str] | None = None) -> Step:
    """The step of a program as `load` knows them, or of a workload of the benchmarks.

    ValueError where nobody says what a step of a file fetches, or somebody what one of a workload does.
    """
    from refflow.bench.workloads import WORKLOADS

    for workload in WORKLOADS:
        if workload.name == name:
            if fetches:
                raise ValueError(f"{name} is a workload, whose step is known: leave out --fetch {' '.join(fetches)}")
            return _of_workload(workload)
    if name != "deck" and not Path(name).suffix:
        raise ValueError(
            f"{name!r} is no workload (`refflow bench cpu --list` has them), not deck, and no .py, .lisp, .pb or "
            ".pbtxt file"
        )
    if name != "deck" and not fetches:
        raise ValueError(f"{name}: say what a step is, with --fetch NAME")
    program = load(name, fetches)
    with program.graph.as_default():
        return Step(program.graph, program.fetches, {}, initialize_all_variables())


def _of_workload(workload: Any) -> Step:
    import refflow.compat.v1 as tf
    from refflow.bench.sides import build

    built = build(tf, workload, workload.data(np.random.default_rng(0)))
    return Step(built.graph, built.results, built.feeds, built.ready)


def _deck() -> Program:
    from refflow import deck

    outcome = deck.run("deck", num_steps=0, say=lambda *words: None)
    names = outcome.names
    return Program(outcome.graph, [names["optimizer"], names["loss"], names["prediction"]])


def _from_python(path: str) -> Program:
    from refflow.compat import as_tensorflow

    check_program(path)
    graph = Graph()
    with graph.as_default(), as_tensorflow():
        try:
            runpy.run_path(path, run_name="refflow_program")
        except Exception as error:
            error.add_note(where(path, error))
            raise
    return _whole(graph, path)


def _from_lisp(path: str) -> Program:
    from refflow.core import importer
    from refflow.data import fashion_mnist
    from refflow.deck import free_names
    from refflow.lisp import FrontEnd

    program = FrontEnd(free_names(fashion_mnist(size="small"), 0, lambda *words: None), _NoSteps())
    program.load(Path(path))
    graph = Graph()
    importer.extend(graph, program.graph_def())
    return _whole(graph, path)


def _from_graph_def(path: str) -> Program:
    from refflow.interop import import_graph_def

    graph = Graph()
    with graph.as_default():
        import_graph_def(Path(path).read_text() if path.endswith(".pbtxt") else Path(path).read_bytes(), name="")
    return _whole(graph, path)


def _whole(graph: Graph, path: str) -> Program:
    if not graph.get_operations():
        raise ValueError(f"{path} builds no graph: its operations must go to the default graph")
    return Program(graph, graph.get_operations())
