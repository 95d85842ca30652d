"""Elementwise functions of ten million numbers: memory's speed is the limit, for those who keep a block in cache.

NumPy's side runs the whole chain on one block of 32 Ki numbers after the other.
Next: refflow/bench/workloads/reductions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, normal

MANY = 10_000_000
BLOCK = 1 << 15


class Function(Workload):
    """One function, which every library calls by the same name."""

    group = "elementwise"

    def __init__(self, name: str, title: str, bar: Bar, n: int = MANY):
        self.name, self.title, self.bar, self.n = name, title, bar, n

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, self.n)}

    def graph(self, tf: Any, x: Any) -> list[Any]:
        return [getattr(tf, self.name)(x)]

    def numpy(self, x: np.ndarray) -> Any:
        function, out = getattr(np, self.name), np.empty_like(x)
        return lambda: [function(x, out=out)]

    def torch(self, pt: Any, x: Any) -> Any:
        function = pt.compiled(getattr(pt.torch, self.name))
        return lambda: [function(x)]

    def jax(self, jax: Any, x: Any) -> list[Any]:
        return [getattr(jax.numpy, self.name)(x)]


def blockwise(function: Callable[..., None], out: np.ndarray, *arrays: np.ndarray) -> Callable[[], list[np.ndarray]]:
    """Calls function(out, *arrays) on one block after the other."""
    cuts = [slice(i, i + BLOCK) for i in range(0, len(out), BLOCK)]
    parts = [(out[cut], *(array[cut] for array in arrays)) for cut in cuts]

    def step() -> list[np.ndarray]:
        for part in parts:
            function(*part)
        return [out]

    return step


class TenOps(Workload):
    """A chain of ten."""

    name, title, group = "chain_of_ten", "ten elementwise ops on 10 M floats", "elementwise"
    bar = Bar(0.65)

    def __init__(self, n: int = MANY):
        self.n = n

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, self.n), "a": normal(rng, self.n)}

    def chain(self, x: Any, a: Any, maximum: Any, minimum: Any) -> Any:
        y = x * a + 0.5
        y = maximum(y, x) * 0.9 - a
        y = minimum(y * y, a)
        return -(y + x) * 0.25

    def graph(self, tf: Any, x: Any, a: Any) -> list[Any]:
        return [self.chain(x, a, tf.maximum, tf.minimum)]

    def numpy(self, x: np.ndarray, a: np.ndarray) -> Any:
        def block(y: np.ndarray, x: np.ndarray, a: np.ndarray) -> None:
            np.multiply(x, a, y)
            np.add(y, 0.5, y)
            np.maximum(y, x, out=y)
            np.multiply(y, 0.9, y)
            np.subtract(y, a, y)
            np.multiply(y, y, y)
            np.minimum(y, a, out=y)
            np.add(y, x, y)
            np.negative(y, y)
            np.multiply(y, 0.25, y)

        return blockwise(block, np.empty_like(x), x, a)

    def torch(self, pt: Any, x: Any, a: Any) -> Any:
        chain = pt.compiled(lambda x, a: self.chain(x, a, pt.torch.maximum, pt.torch.minimum))
        return lambda: [chain(x, a)]

    def jax(self, jax: Any, x: Any, a: Any) -> list[Any]:
        return [self.chain(x, a, jax.numpy.maximum, jax.numpy.minimum)]


class BiasRelu(Workload):
    """max(x + b, 0), as after every convolution."""

    name, title, group = "bias_relu", "relu(x + b), 64 x 28 x 28 x 32", "elementwise"
    bar = Bar(0.85, library=1.0)

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, 64, 28, 28, 32), "b": normal(rng, 32)}

    def graph(self, tf: Any, x: Any, b: Any) -> list[Any]:
        return [tf.nn.relu(tf.nn.bias_add(x, b))]

    def numpy(self, x: np.ndarray, b: np.ndarray) -> Any:
        rows = x.reshape(-1, 28 * 32)  # long rows: one call of an inner loop for 28 pixels
        wide, out = np.tile(b, 28), np.empty_like(x)

        def block(y: np.ndarray, x: np.ndarray) -> None:
            np.add(x, wide, y)
            np.maximum(y, 0, out=y)

        cuts = [slice(i, i + 32) for i in range(0, len(rows), 32)]
        parts = [(out.reshape(rows.shape)[cut], rows[cut]) for cut in cuts]

        def step() -> list[np.ndarray]:
            for part in parts:
                block(*part)
            return [out]

        return step

    def torch(self, pt: Any, x: Any, b: Any) -> Any:
        function = pt.compiled(lambda x, b: pt.torch.relu(x + b))
        return lambda: [function(x, b)]

    def jax(self, jax: Any, x: Any, b: Any) -> list[Any]:
        return [jax.nn.relu(x + b)]


WORKLOADS: list[Workload] = [
    Function("exp", "exp of 10 M floats", Bar(0.70, library=0.70)),
    Function("tanh", "tanh of 10 M floats", Bar(0.80, library=0.80)),
    TenOps(),
    BiasRelu(),
]
