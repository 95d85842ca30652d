"""Softmax and cross-entropy, row by row: a row read, its largest value, one exp a number, a sum, a division.

NumPy's side works on as many rows at once as a core's cache holds. Next: refflow/bench/workloads/moves.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, labels_of, normal

BLOCK = 1 << 17  # numbers


class _Rows(Workload):
    """x [rows, classes]."""

    group = "softmax"

    def __init__(self, rows: int, classes: int, bar: Bar):
        self.rows, self.classes, self.bar = rows, classes, bar
        self.name = f"{self.what[0]}_{rows}x{classes}"
        self.title = f"{self.what[1]}, {rows} x {classes}"

    what: tuple[str, str]

    def cuts(self) -> list[slice]:
        height = max(1, BLOCK // self.classes)
        return [slice(i, i + height) for i in range(0, self.rows, height)]


def softmax_block(x: np.ndarray, y: np.ndarray, ones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y = exp(x - largest), and largest and the sum of y by row, [rows, 1]."""
    largest = np.maximum.reduce(x, axis=1, keepdims=True)
    np.subtract(x, largest, out=y)
    np.exp(y, out=y)
    return largest, (y @ ones)[:, None]


class Softmax(_Rows):
    what = ("softmax", "softmax")

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, self.rows, self.classes)}

    def graph(self, tf: Any, x: Any) -> list[Any]:
        return [tf.nn.softmax(x)]

    def numpy(self, x: np.ndarray) -> Any:
        out, ones = np.empty_like(x), np.ones(self.classes, x.dtype)
        parts = [(x[cut], out[cut]) for cut in self.cuts()]

        def step() -> list[np.ndarray]:
            for part, y in parts:
                _, total = softmax_block(part, y, ones)
                np.multiply(y, 1 / total, out=y)
            return [out]

        return step

    def torch(self, pt: Any, x: Any) -> Any:
        function = pt.compiled(lambda x: pt.torch.softmax(x, 1))
        return lambda: [function(x)]

    def jax(self, jax: Any, x: Any) -> list[Any]:
        return [jax.nn.softmax(x)]


class SparseCrossEntropy(_Rows):
    """The mean loss under integer labels, and its gradient."""

    what = ("sparse_xent", "sparse cross-entropy with gradient")

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, self.rows, self.classes), "y": labels_of(rng, self.rows, self.classes)}

    def graph(self, tf: Any, x: Any, y: Any) -> list[Any]:
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x))
        return [loss, *tf.gradients(loss, [x])]

    def numpy(self, x: np.ndarray, y: np.ndarray) -> Any:
        out, ones, share = np.empty_like(x), np.ones(self.classes, x.dtype), x.dtype.type(1 / self.rows)
        parts = [(x[c], y[c], out[c], np.arange(len(y[c]))) for c in self.cuts()]

        def step() -> list[Any]:
            loss = 0.0
            for x, y, g, rows in parts:
                largest, total = softmax_block(x, g, ones)
                loss += np.sum(np.log(total) + largest) - np.sum(x[rows, y])
                np.multiply(g, share / total, out=g)
                g[rows, y] -= share
            return [loss * share, out]

        return step

    def torch(self, pt: Any, x: Any, y: Any) -> Any:
        cross_entropy, y = pt.torch.nn.functional.cross_entropy, y.long()
        return pt.with_gradients(pt.compiled(lambda x: cross_entropy(x, y)), x)

    def jax(self, jax: Any, x: Any, y: Any) -> list[Any]:
        def loss_of(x: Any) -> Any:
            return -jax.numpy.mean(jax.numpy.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1))

        return list(jax.value_and_grad(loss_of)(x))


class CrossEntropy(_Rows):
    """The same under distributions as labels."""

    what = ("xent", "cross-entropy with gradient")

    def data(self, rng: np.random.Generator) -> Arrays:
        y = rng.random((self.rows, self.classes), np.float32)
        return {"x": normal(rng, self.rows, self.classes), "y": y / y.sum(axis=1, keepdims=True)}

    def graph(self, tf: Any, x: Any, y: Any) -> list[Any]:
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=x))
        return [loss, *tf.gradients(loss, [x])]

    def numpy(self, x: np.ndarray, y: np.ndarray) -> Any:
        out, ones, share = np.empty_like(x), np.ones(self.classes, x.dtype), x.dtype.type(1 / self.rows)
        parts = [(x[c], y[c], out[c]) for c in self.cuts()]

        def step() -> list[Any]:
            loss = 0.0
            for x, y, g in parts:
                largest, total = softmax_block(x, g, ones)
                loss += np.sum(np.log(total) + largest) - np.vdot(x, y)  # a row of y sums to one
                np.multiply(g, 1 / total, out=g)
                np.subtract(g, y, out=g)
                np.multiply(g, share, out=g)
            return [loss * share, out]

        return step

    def torch(self, pt: Any, x: Any, y: Any) -> Any:
        cross_entropy = pt.torch.nn.functional.cross_entropy
        return pt.with_gradients(pt.compiled(lambda x: cross_entropy(x, y)), x)

    def jax(self, jax: Any, x: Any, y: Any) -> list[Any]:
        def loss_of(x: Any) -> Any:
            return -jax.numpy.mean(jax.numpy.sum(y * jax.nn.log_softmax(x), axis=1))

        return list(jax.value_and_grad(loss_of)(x))


WORKLOADS: list[Workload] = [
    Softmax(8192, 1024, Bar(0.85, library=0.9)),
    Softmax(256, 50000, Bar(0.60, library=0.60)),
    SparseCrossEntropy(8192, 1024, Bar(0.35, library=0.35)),
    CrossEntropy(8192, 1024, Bar(0.35, library=0.35)),
]
