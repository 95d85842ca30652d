"""A workload: the same mathematics, said once for each system that runs it.

    class Square(Workload):
        name, title = "square", "the square of a million numbers"

        def data(self, rng):
            return {"x": normal(rng, 1000, 1000)}

        def graph(self, tf, x):            refflow and TensorFlow: one text for both
            return [tf.square(x)]          what a run fetches

        def numpy(self, x):                set up here; what is returned is what is timed
            out = np.empty_like(x)
            return lambda: [np.square(x, out=out)]

        def torch(self, pt, x):
            return lambda: [x * x]

        def jax(self, jax, x):             a pure function; it is jitted
            return [x * x]

`data` gives float32 and integer arrays, and every side gets its own copies. Names in `fed` are fed at each run of a
graph, those in `constants` are part of it, all others are variables. Names in `state` are what a step changes: NumPy
and PyTorch change them in place, JAX returns them. A side that is missing is not timed. Run on float64 copies, `numpy`
is also the judge of the answers.

Next: refflow/bench/workloads/overhead.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]


class Bar(NamedTuple):
    """The ratio of times, refflow to peer, that is to be reached; None where there is no bar.

    best: to the quickest peer that is not TensorFlow. library: to the quickest of those that is not NumPy either; the
    bars of single kernels are of that kind, for there refflow is what NumPy can do, and hand-written NumPy its equal.
    """

    tensorflow: float | None = None
    best: float | None = None
    library: float | None = None


class Workload(ABC):
    """One thing to time. Its methods `graph`, `numpy`, `torch` and `jax` are its sides."""

    name: str
    title: str
    group: str = ""  # rows of a group have a geometric mean; its bar is in table.py
    bar: Bar = Bar()
    fed: ClassVar[tuple[str, ...]] = ()
    constants: ClassVar[tuple[str, ...]] = ()
    state: ClassVar[tuple[str, ...]] = ()
    untimed: ClassVar[tuple[str, ...]] = ()  # sides that only judge
    images: bool = False  # PyTorch runs it in both layouts
    compiles: bool = True  # its text for PyTorch has something to compile
    per: int = 1  # a time is divided by this
    tolerance: float = 1e-5  # of an answer: root mean square of its error over that of itself
    graph_options: ClassVar[dict[str, Any]] = {}  # of `sides.session`

    @abstractmethod
    def data(self, rng: np.random.Generator) -> Arrays:
        """The inputs and the first state, by name; the same for every side."""

    def drive(self, run: Callable[..., Any], results: list[Any], feeds: dict[Any, Any]) -> list[Any]:
        """What is timed of a graph, with its session's `run`: one run, unless a workload says otherwise."""
        return run(results, feeds) if feeds else run(results)


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Float32 numbers of a normal distribution."""
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def labels_of(rng: np.random.Generator, rows: int, classes: int) -> np.ndarray:
    """int32 [rows], each a class."""
    return rng.integers(0, classes, rows).astype(np.int32)
