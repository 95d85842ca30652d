"""Numbers moved: rows gathered and added back, a matrix transposed.

    gather        8192 rows of 512 out of 50,000: 16 MB read, 16 MB written
    scatter-add   the same rows added up into 50,000: what a dense gradient of an embedding is
    transpose     4096 x 4096: 64 MiB read in one order, written in the other

NumPy's scatter-add sorts the row numbers; those that occur once are assigned, the others added up by reduceat.
Next: refflow/bench/workloads/pooling.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, labels_of, normal


class Gather(Workload):
    name, title, group = "gather", "gather of 8192 rows of 512 from 50,000", "moves"
    compiles = False
    bar = Bar(1.0, library=1.1)

    def __init__(self, rows: int = 8192, table: int = 50_000):
        self.rows, self.table = rows, table

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"table": normal(rng, self.table, 512), "rows": labels_of(rng, self.rows, self.table)}

    def graph(self, tf: Any, table: Any, rows: Any) -> list[Any]:
        return [tf.gather(table, rows)]

    def numpy(self, table: np.ndarray, rows: np.ndarray) -> Any:
        out = np.empty((len(rows), 512), table.dtype)
        return lambda: [np.take(table, rows, axis=0, out=out, mode="clip")]

    def torch(self, pt: Any, table: Any, rows: Any) -> Any:
        return lambda: [pt.torch.index_select(table, 0, rows)]

    def jax(self, jax: Any, table: Any, rows: Any) -> list[Any]:
        return [table[rows]]


class ScatterAdd(Workload):
    name, title, group = "scatter_add", "scatter-add of 8192 rows of 512 into 50,000", "moves"
    compiles = False
    bar = Bar(0.20, library=0.20)

    def __init__(self, rows: int = 8192, table: int = 50_000):
        self.rows, self.table = rows, table

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"g": normal(rng, self.rows, 512), "rows": labels_of(rng, self.rows, self.table)}

    def graph(self, tf: Any, g: Any, rows: Any) -> list[Any]:
        return [tf.unsorted_segment_sum(g, rows, self.table)]

    def numpy(self, g: np.ndarray, rows: np.ndarray) -> Any:
        out, touched = np.zeros((self.table, 512), g.dtype), rows[:0]

        def step() -> list[np.ndarray]:
            nonlocal touched
            out[touched] = 0
            order = np.argsort(rows, kind="stable")
            ordered = rows[order]
            starts = np.flatnonzero(np.diff(ordered, prepend=-1))
            counts = np.diff(starts, append=len(ordered))
            single, several = starts[counts == 1], starts[counts > 1]
            out[ordered[single]] = g[order[single]]
            together = np.repeat(counts > 1, counts)
            if len(several):
                begins = np.cumsum(counts[counts > 1]) - counts[counts > 1]
                out[ordered[several]] = np.add.reduceat(g[order[together]], begins, axis=0)
            touched = ordered[starts]
            return [out]

        return step

    def torch(self, pt: Any, g: Any, rows: Any) -> Any:
        return lambda: [pt.torch.zeros(self.table, 512).index_add_(0, rows, g)]

    def jax(self, jax: Any, g: Any, rows: Any) -> list[Any]:
        return [jax.numpy.zeros((self.table, 512)).at[rows].add(g)]


class Transpose(Workload):
    name, title, group = "transpose", "transpose of 4096 x 4096", "moves"
    compiles = False
    bar = Bar(0.38, library=0.55)

    def __init__(self, n: int = 4096):
        self.n = n

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, self.n, self.n)}

    def graph(self, tf: Any, x: Any) -> list[Any]:
        return [tf.transpose(x)]

    def numpy(self, x: np.ndarray) -> Any:
        out, n = np.empty_like(x), len(x)
        tiles = [(slice(i, i + 16), slice(j, j + 256)) for j in range(0, n, 256) for i in range(0, n, 16)]
        parts = [(out[j, i], x[i, j].T) for i, j in tiles]

        def step() -> list[np.ndarray]:
            for here, tile in parts:
                here[...] = tile
            return [out]

        return step

    def torch(self, pt: Any, x: Any) -> Any:
        return lambda: [x.T.contiguous()]

    def jax(self, jax: Any, x: Any) -> list[Any]:
        return [jax.numpy.copy(x.T)]


WORKLOADS: list[Workload] = [Gather(), ScatterAdd(), Transpose()]
