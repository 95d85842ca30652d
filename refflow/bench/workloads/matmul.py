"""Matrix products: 2 m k n operations.

Square ones reach the processor's limit. Narrow ones, with few columns, are what classifiers are made of, and no
library is quick at them. Next: refflow/bench/workloads/elementwise.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, normal


class Product(Workload):
    """c[m, n] = a b, where a is stored [k, m] if `transposed`."""

    group = "matmul"
    compiles = False
    bar = Bar(1.0, library=1.0)

    def __init__(self, m: int, k: int, n: int, transposed: bool = False):
        self.m, self.k, self.n, self.transposed = m, k, n, transposed
        self.name = f"matmul_{m}x{k}x{n}" + "_ta" * transposed
        self.title = f"matmul {m} x {k} x {n}" + ", a transposed" * transposed

    def data(self, rng: np.random.Generator) -> Arrays:
        a = normal(rng, self.k, self.m) if self.transposed else normal(rng, self.m, self.k)
        return {"a": a, "b": normal(rng, self.k, self.n)}

    def graph(self, tf: Any, a: Any, b: Any) -> list[Any]:
        return [tf.matmul(a, b, transpose_a=self.transposed)]

    def numpy(self, a: np.ndarray, b: np.ndarray) -> Any:
        left, out = a.T if self.transposed else a, np.empty((self.m, self.n), a.dtype)
        return lambda: [np.matmul(left, b, out=out)]

    def torch(self, pt: Any, a: Any, b: Any) -> Any:
        left = a.T if self.transposed else a
        return lambda: [left @ b]

    def jax(self, jax: Any, a: Any, b: Any) -> list[Any]:
        return [(a.T if self.transposed else a) @ b]


class BatchedProduct(Workload):
    """c[i] = a[i] b[i], as attention's scores are."""

    name, title = "batch_matmul", "batched matmul, 64 of 128 x 64 x 128"
    group = "matmul"
    compiles = False
    bar = Bar(1.0, library=1.0)

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"a": normal(rng, 64, 128, 64), "b": normal(rng, 64, 64, 128)}

    def graph(self, tf: Any, a: Any, b: Any) -> list[Any]:
        return [tf.matmul(a, b)]

    def numpy(self, a: np.ndarray, b: np.ndarray) -> Any:
        out = np.empty((64, 128, 128), a.dtype)
        return lambda: [np.matmul(a, b, out=out)]

    def torch(self, pt: Any, a: Any, b: Any) -> Any:
        return lambda: [a @ b]

    def jax(self, jax: Any, a: Any, b: Any) -> list[Any]:
        return [a @ b]


WORKLOADS: list[Workload] = [
    Product(256, 256, 256),
    Product(1024, 1024, 1024),
    Product(2048, 2048, 2048),
    Product(10000, 784, 10),
    Product(784, 10000, 10, transposed=True),
    Product(12544, 800, 64),
    BatchedProduct(),
]
