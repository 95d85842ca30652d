"""What a run costs, and what a node costs, where the arithmetic is next to nothing.

TensorFlow runs the chains with its graph rewriter off: an op is to be timed, not the rewriting of sums.
Next: refflow/bench/workloads/loops.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload


class ConstantRun(Workload):
    """session.run of a constant. NumPy has nothing to run there: it only judges."""

    name, title, group = "constant_run", "session.run of a constant", "overhead"
    bar = Bar(0.08, 1.5)
    constants = ("c",)
    compiles = False
    untimed = ("numpy",)

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"c": np.array(3.0, np.float32)}

    def graph(self, tf: Any, c: Any) -> list[Any]:
        return [c]

    def numpy(self, c: np.ndarray) -> Any:
        return lambda: [c]

    def torch(self, pt: Any, c: Any) -> Any:
        return lambda: [pt.torch.tensor(3.0)]

    def jax(self, jax: Any, c: Any) -> list[Any]:
        return [jax.numpy.float32(3.0)]


class Adds(Workload):
    """y = (((v + c) + c) + c) ..., 1,000 times; the time is of one add."""

    group = "overhead"
    per = 1000
    compiles = False
    graph_options = {"rewriting": False}  # noqa: RUF012

    def __init__(self, name: str, what: str, shape: tuple[int, ...], bar: Bar):
        self.name, self.title, self.shape, self.bar = name, f"chain of 1,000 adds, {what}, per add", shape, bar

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"v": np.ones(self.shape, np.float32), "c": np.full(self.shape, 0.5, np.float32)}

    def chain(self, v: Any, c: Any) -> list[Any]:
        for _ in range(self.per):
            v = v + c
        return [v]

    def graph(self, tf: Any, v: Any, c: Any) -> list[Any]:
        return self.chain(v, c)

    def numpy(self, v: np.ndarray, c: np.ndarray) -> Any:
        if self.shape == ():  # NumPy's scalars are quicker than its arrays of none
            return lambda: self.chain(v[()], c[()])
        total = np.empty_like(v)

        def step() -> list[np.ndarray]:
            np.add(v, c, total)
            for _ in range(self.per - 1):
                np.add(total, c, total)
            return [total]

        return step

    def torch(self, pt: Any, v: Any, c: Any) -> Any:
        return lambda: self.chain(v, c)

    def jax(self, jax: Any, v: Any, c: Any) -> list[Any]:
        return self.chain(v, c)


WORKLOADS: list[Workload] = [
    ConstantRun(),
    Adds("adds_scalar", "scalars", (), Bar(0.2)),
    Adds("adds_64", "64 floats", (64,), Bar(0.9)),
]
