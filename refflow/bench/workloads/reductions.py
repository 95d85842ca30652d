"""Sums, largest values, their places, and running sums of 4096 x 4096: 64 MiB read once.

NumPy's side: a sum is a product with ones, which BLAS reads at memory's speed; the places of a column's largest values
are found in blocks of rows. Next: refflow/bench/workloads/rows.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, normal

N = 4096


class Reduction(Workload):
    """One reduction over one axis, in each library's own name for it."""

    group = "reductions"
    graph_name: str
    array_name: str  # NumPy's, PyTorch's and JAX's

    def __init__(self, axis: int, bar: Bar, n: int = N):
        self.axis, self.bar, self.n = axis, bar, n
        self.name, self.title = f"{self.graph_name}_{axis}", f"{self.graph_name} of axis {axis}, {n} x {n}"

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, self.n, self.n)}

    def graph(self, tf: Any, x: Any) -> list[Any]:
        return [getattr(tf, self.graph_name)(x, axis=self.axis)]

    def numpy(self, x: np.ndarray) -> Any:
        function = getattr(np, self.array_name)
        return lambda: [function(x, axis=self.axis)]

    def torch(self, pt: Any, x: Any) -> Any:
        name = {"max": "amax"}.get(self.array_name, self.array_name)
        function = pt.compiled(getattr(pt.torch, name))
        return lambda: [function(x, self.axis)]

    def jax(self, jax: Any, x: Any) -> list[Any]:
        return [getattr(jax.numpy, self.array_name)(x, axis=self.axis)]


class Sum(Reduction):
    graph_name, array_name = "reduce_sum", "sum"
    tolerance = 1e-4  # sums of normal numbers: small against what was added

    def numpy(self, x: np.ndarray) -> Any:
        ones, step = np.ones(len(x), x.dtype), 64
        if self.axis == 1:
            return lambda: [x @ ones]
        few = ones[:step]  # partial sums of 64 rows: rounding stays small
        return lambda: [sum(few[: len(x[i : i + step])] @ x[i : i + step] for i in range(0, len(x), step))]


class Max(Reduction):
    graph_name, array_name = "reduce_max", "max"


class ArgMax(Reduction):
    graph_name, array_name = "argmax", "argmax"

    def numpy(self, x: np.ndarray) -> Any:
        if self.axis == 1:
            return lambda: [x.argmax(axis=1)]
        blocks = x.reshape(-1, min(64, len(x)), x.shape[1])
        columns = np.arange(x.shape[1])

        def step() -> list[np.ndarray]:
            block = blocks.max(axis=1).argmax(axis=0)  # the first block with the column's largest value
            return [block * blocks.shape[1] + blocks[block, :, columns].argmax(axis=1)]

        return step


class CumSum(Reduction):
    graph_name, array_name = "cumsum", "cumsum"
    tolerance = 1e-4

    def numpy(self, x: np.ndarray) -> Any:
        out = np.empty_like(x)
        if self.axis == 1:
            return lambda: [np.cumsum(x, axis=1, out=out)]

        def step() -> list[np.ndarray]:
            out[0] = x[0]
            for i in range(1, len(x)):
                np.add(out[i - 1], x[i], out[i])
            return [out]

        return step


class ImageSum(Workload):
    """Over all axes but the last: the gradient of a bias."""

    name, title, group = "reduce_sum_012", "reduce_sum of axes 0, 1, 2, 64 x 28 x 28 x 32", "reductions"
    bar = Bar(0.7, library=0.9)
    tolerance = 1e-4

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, 64, 28, 28, 32)}

    def graph(self, tf: Any, x: Any) -> list[Any]:
        return [tf.reduce_sum(x, axis=[0, 1, 2])]

    def numpy(self, x: np.ndarray) -> Any:
        rows = x.reshape(64, -1, 32)
        ones = np.ones((64, 1, rows.shape[1]), x.dtype)
        return lambda: [(ones @ rows).sum(axis=(0, 1))]

    def torch(self, pt: Any, x: Any) -> Any:
        function = pt.compiled(lambda x: pt.torch.sum(x, (0, 1, 2)))
        return lambda: [function(x)]

    def jax(self, jax: Any, x: Any) -> list[Any]:
        return [jax.numpy.sum(x, axis=(0, 1, 2))]


WORKLOADS: list[Workload] = [
    Sum(0, Bar(0.15, library=0.5)),
    Sum(1, Bar(0.70, library=0.9)),
    ImageSum(),
    Max(1, Bar(0.75, library=1.0)),
    ArgMax(0, Bar(0.10, library=0.15)),
    ArgMax(1, Bar(0.75, library=1.0)),
    CumSum(0, Bar(0.10, library=0.10)),
    CumSum(1, Bar(0.35, library=1.0)),
]
