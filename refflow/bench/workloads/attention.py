"""Attention, forward and backward: 8 examples, 8 heads, 128 places, 64 numbers a place.

    s = q k^T / sqrt(D)     p = softmax(s)     y = p v                      [places, places] a head
    dv = p^T dy     dp = dy v^T     ds = p (dp - sum(dp p))     dq = ds k / sqrt(D)     dk = ds^T q / sqrt(D)

NumPy's side takes eight heads at a time, whose scores stay in a core's cache, and goes forward and back in one loop.
Next: refflow/bench/workloads/lstm.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, normal


class Attention(Workload):
    name, title, group = "attention", "attention 8 x 8 x 128 x 64, forward and backward", "training"
    bar = Bar(0.72, 0.9)

    def __init__(self, batch: int = 8, heads: int = 8, places: int = 128, depth: int = 64):
        self.shape, self.scale = (batch, heads, places, depth), depth**-0.5

    def data(self, rng: np.random.Generator) -> Arrays:
        return {name: normal(rng, *self.shape) for name in ("q", "k", "v", "g")}

    def graph(self, tf: Any, q: Any, k: Any, v: Any, g: Any) -> list[Any]:
        p = tf.nn.softmax(tf.matmul(q * self.scale, k, transpose_b=True))
        y = tf.matmul(p, v)
        return [y, *tf.gradients(y, [q, k, v], [g])]

    def numpy(self, q: Any, k: Any, v: Any, g: Any) -> Any:
        _, heads, places, depth = self.shape
        y, dq, dk, dv = (np.empty_like(q) for _ in range(4))
        p, ds = np.empty((heads, places, places), q.dtype), np.empty((heads, places, places), q.dtype)
        ones, scale = np.ones(places, q.dtype), q.dtype.type(self.scale)
        few = np.ones(depth, q.dtype)

        def one(q: Any, k: Any, v: Any, g: Any, y: Any, dq: Any, dk: Any, dv: Any) -> None:
            scaled = q * scale
            np.matmul(scaled, k.transpose(0, 2, 1), out=p)
            np.subtract(p, np.maximum.reduce(p, axis=2, keepdims=True), out=p)
            np.exp(p, out=p)
            np.multiply(p, 1 / (p @ ones)[:, :, None], out=p)
            np.matmul(p, v, out=y)
            np.matmul(p.transpose(0, 2, 1), g, out=dv)
            np.matmul(g, v.transpose(0, 2, 1), out=ds)
            np.subtract(ds, ((g * y) @ few)[:, :, None], out=ds)  # sum(dp p) is sum(dy y)
            np.multiply(ds, p, out=ds)
            np.matmul(ds, k, out=dq)
            np.multiply(dq, scale, out=dq)
            np.matmul(ds.transpose(0, 2, 1), scaled, out=dk)

        def step() -> list[np.ndarray]:
            for arrays in zip(q, k, v, g, y, dq, dk, dv, strict=True):
                one(*arrays)
            return [y, dq, dk, dv]

        return step

    def torch(self, pt: Any, q: Any, k: Any, v: Any, g: Any) -> Any:
        attend = pt.compiled(pt.torch.nn.functional.scaled_dot_product_attention)
        return pt.with_gradients(attend, q, k, v, upstream=g)

    def jax(self, jax: Any, q: Any, k: Any, v: Any, g: Any) -> list[Any]:
        def attend(q: Any, k: Any, v: Any) -> Any:
            return jax.nn.softmax((q * self.scale) @ k.swapaxes(2, 3)) @ v

        y, back = jax.vjp(attend, q, k, v)
        return [y, *back(g)]


WORKLOADS: list[Workload] = [Attention()]
