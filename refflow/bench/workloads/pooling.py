"""Pools: max and average, forward alone, and with the gradient of max.

A gradient alone is not timed: PyTorch's forward pass leaves places for it that TensorFlow's has to find again, so only
the two together compare. The bars of the two together follow from those of each at TensorFlow's and PyTorch's shares.
Next: refflow/bench/workloads/convolution.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, normal


class Pool:
    """Windows of k x k in NumPy, over a border of `fill` of `pad` on each side."""

    def __init__(self, shape: tuple[int, ...], k: int, stride: int, pad: int, fill: float, dtype: Any):
        n, h, w, c = shape
        p, q = (h + 2 * pad - k) // stride + 1, (w + 2 * pad - k) // stride + 1
        self.padded = np.full((n, h + 2 * pad, w + 2 * pad, c), fill, dtype)
        self.inside = (slice(None), slice(pad, pad + h), slice(pad, pad + w))
        self.rows = [(slice(None), slice(i, i + (p - 1) * stride + 1, stride)) for i in range(k)]
        self.columns = [(slice(None), slice(None), slice(j, j + (q - 1) * stride + 1, stride)) for j in range(k)]
        self.places = [(*row, column[2]) for row in self.rows for column in self.columns]
        self.tall = np.empty((n, p, w + 2 * pad, c), dtype)
        self.y = np.empty((n, p, q, c), dtype)
        self.spread = np.empty_like(self.padded)

    def forward(self, x: np.ndarray, combine: np.ufunc = np.maximum) -> np.ndarray:
        """Over rows of windows first, then over columns."""
        self.padded[self.inside] = x
        for whole, part, places in ((self.padded, self.tall, self.rows), (self.tall, self.y, self.columns)):
            combine(whole[places[0]], whole[places[1]], out=part)
            for place in places[2:]:
                combine(part, whole[place], out=part)
        return self.y

    def gradient(self, g: np.ndarray) -> np.ndarray:
        """Of the last `forward` by maximum; the first of equal largest ones gets it."""
        free = np.ones(self.y.shape, bool)
        self.spread.fill(0)
        for place in self.places:
            hit = (self.padded[place] == self.y) & free
            free ^= hit
            self.spread[place] += g * hit
        return self.spread[self.inside]


class _Pooling(Workload):
    """x [N, H, H, C]."""

    images = True
    group = "pooling"

    def __init__(self, kind: str, k: int, stride: int, n: int, h: int, c: int, padding: str, bar: Bar):
        self.kind, self.k, self.stride, self.shape, self.padding, self.bar = kind, k, stride, (n, h, h, c), padding, bar
        self.pad = (k - 1) // 2 if padding == "SAME" else 0
        self.name = f"{kind}_pool{self.more}_{k}x{k}s{stride}_{h}"
        by = f"{k} x {k}, stride {stride}"
        self.title = f"{kind} pool{' with gradient' * bool(self.more)}, {by}, {n} x {h} x {h} x {c}"

    more = ""

    def pool(self, tf: Any, x: Any) -> Any:
        function = tf.nn.max_pool if self.kind == "max" else tf.nn.avg_pool
        return function(x, [1, self.k, self.k, 1], [1, self.stride, self.stride, 1], self.padding)

    def numpy_pool(self, x: np.ndarray) -> Pool:
        fill = -np.inf if self.kind == "max" else 0.0
        return Pool(self.shape, self.k, self.stride, self.pad, fill, x.dtype)

    def torch_pool(self, pt: Any) -> Any:
        F = pt.torch.nn.functional
        function = F.max_pool2d if self.kind == "max" else F.avg_pool2d
        return pt.compiled(lambda x: function(x, self.k, self.stride, self.pad))

    def jax_pool(self, jax: Any, x: Any) -> Any:
        window, strides = (1, self.k, self.k, 1), (1, self.stride, self.stride, 1)
        if self.kind == "max":
            return jax.lax.reduce_window(x, -jax.numpy.inf, jax.lax.max, window, strides, self.padding)
        return jax.lax.reduce_window(x, 0.0, jax.lax.add, window, strides, self.padding) / self.k**2


class Pooling(_Pooling):
    def data(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, *self.shape)}

    def graph(self, tf: Any, x: Any) -> list[Any]:
        return [self.pool(tf, x)]

    def numpy(self, x: np.ndarray) -> Any:
        pool = self.numpy_pool(x)
        if self.kind == "max":
            return lambda: [pool.forward(x)]
        share = x.dtype.type(1 / self.k**2)
        return lambda: [np.multiply(pool.forward(x, np.add), share, out=pool.y)]

    def torch(self, pt: Any, x: Any) -> Any:
        pool, x = self.torch_pool(pt), pt.image(x)
        return lambda: [pt.as_image(pool(x))]

    def jax(self, jax: Any, x: Any) -> list[Any]:
        return [self.jax_pool(jax, x)]


class PoolingWithGradient(_Pooling):
    more = "_gradient"

    def data(self, rng: np.random.Generator) -> Arrays:
        n, h, _, c = self.shape
        out = (h + 2 * self.pad - self.k) // self.stride + 1
        return {"x": normal(rng, *self.shape), "g": normal(rng, n, out, out, c)}

    def graph(self, tf: Any, x: Any, g: Any) -> list[Any]:
        y = self.pool(tf, x)
        return [y, *tf.gradients(y, [x], [g])]

    def numpy(self, x: np.ndarray, g: np.ndarray) -> Any:
        pool = self.numpy_pool(x)
        return lambda: [pool.forward(x), pool.gradient(g)]

    def torch(self, pt: Any, x: Any, g: Any) -> Any:
        step = pt.with_gradients(self.torch_pool(pt), pt.image(x), upstream=pt.image(g))
        return lambda: [pt.as_image(value) for value in step()]

    def jax(self, jax: Any, x: Any, g: Any) -> list[Any]:
        y, back = jax.vjp(lambda x: self.jax_pool(jax, x), x)
        return [y, *back(g)]


FORWARD, BOTH = Bar(0.8, library=1.0), Bar(0.4, library=0.5)
WORKLOADS: list[Workload] = [
    Pooling("max", 2, 2, 64, 28, 32, "VALID", FORWARD),
    Pooling("max", 3, 2, 8, 57, 64, "VALID", FORWARD),
    Pooling("max", 3, 1, 8, 28, 192, "SAME", FORWARD),
    Pooling("avg", 2, 2, 64, 28, 32, "VALID", FORWARD),
    PoolingWithGradient("max", 2, 2, 64, 28, 32, "VALID", BOTH),
    PoolingWithGradient("max", 3, 1, 8, 28, 192, "SAME", BOTH),
]
