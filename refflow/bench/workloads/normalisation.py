"""Layers whose work is memory, not products: batch normalisation, response normalisation, depthwise convolution.

    batch normalisation      x three times, y once; back x and dy twice, dx once
    response normalisation   each channel by the squares of 2 r + 1 neighbours, and a power
    depthwise convolution    k * k multiplications and additions for each result, no number used by two channels

NumPy's sides are the plain way, an array at a time into memory that is kept.
Next: refflow/bench/measure.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Workload, normal


class BatchNorm(Workload):
    """With the batch's own statistics; y, and the gradients of x, scale and offset."""

    images = True
    group = "normalisation"
    tolerance = 1e-4  # sums over all pixels
    epsilon = 1e-3

    def __init__(self, n: int, h: int, c: int):
        self.shape = (n, h, h, c)
        self.name = f"batch_norm_{n}x{h}x{h}x{c}"
        self.title = f"batch normalisation with gradient, {n} x {h} x {h} x {c}"

    def data(self, rng: np.random.Generator) -> Arrays:
        c = self.shape[3]
        return {"x": normal(rng, *self.shape), "scale": normal(rng, c) + 2, "offset": normal(rng, c),
                "g": normal(rng, *self.shape)}  # fmt: skip

    def graph(self, tf: Any, x: Any, scale: Any, offset: Any, g: Any) -> list[Any]:
        y, *_ = tf.nn.fused_batch_norm(x, scale, offset, epsilon=self.epsilon, is_training=True)
        return [y, *tf.gradients(y, [x, scale, offset], [g])]

    def numpy(self, x: np.ndarray, scale: np.ndarray, offset: np.ndarray, g: np.ndarray) -> Any:
        rows, slopes = x.reshape(-1, x.shape[3]), g.reshape(-1, x.shape[3])
        ones, count = np.ones(len(rows), x.dtype), len(rows)
        normed, y, dx = (np.empty_like(rows) for _ in range(3))

        def step() -> list[np.ndarray]:
            np.subtract(rows, ones @ rows / count, out=normed)
            inverse = 1 / np.sqrt(np.einsum("rc,rc->c", normed, normed) / count + self.epsilon)
            np.multiply(normed, inverse, out=normed)
            np.multiply(normed, scale, out=y)
            np.add(y, offset, out=y)
            doffset, dscale = ones @ slopes, np.einsum("rc,rc->c", slopes, normed)
            np.multiply(normed, dscale / count, out=dx)
            np.subtract(slopes, dx, out=dx)
            np.subtract(dx, doffset / count, out=dx)
            np.multiply(dx, scale * inverse, out=dx)
            return [y.reshape(x.shape), dx.reshape(x.shape), dscale, doffset]

        return step

    def torch(self, pt: Any, x: Any, scale: Any, offset: Any, g: Any) -> Any:
        def norm(x: Any, scale: Any, offset: Any) -> Any:
            return pt.torch.nn.functional.batch_norm(x, None, None, scale, offset, True, 0.1, self.epsilon)

        step = pt.with_gradients(pt.compiled(norm), pt.image(x), scale, offset, upstream=pt.image(g))

        def images() -> list[Any]:
            y, dx, *vectors = step()
            return [pt.as_image(y), pt.as_image(dx), *vectors]

        return images

    def jax(self, jax: Any, x: Any, scale: Any, offset: Any, g: Any) -> list[Any]:
        def norm(x: Any, scale: Any, offset: Any) -> Any:
            axes = (0, 1, 2)
            return (x - x.mean(axes)) * jax.lax.rsqrt(x.var(axes) + self.epsilon) * scale + offset

        y, back = jax.vjp(norm, x, scale, offset)
        return [y, *back(g)]


class ResponseNorm(Workload):
    """TensorFlow's LRN of radius 5, and its gradient."""

    group = "normalisation"
    radius = 5

    def __init__(self, n: int, h: int, c: int):
        self.shape = (n, h, h, c)
        self.name = f"response_norm_{n}x{h}x{h}x{c}"
        self.title = f"response normalisation with gradient, {n} x {h} x {h} x {c}"

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, *self.shape), "g": normal(rng, *self.shape)}

    def graph(self, tf: Any, x: Any, g: Any) -> list[Any]:
        y = tf.nn.lrn(x, depth_radius=self.radius, bias=1.0, alpha=1.0, beta=0.5)
        return [y, *tf.gradients(y, [x], [g])]

    def numpy(self, x: np.ndarray, g: np.ndarray) -> Any:
        channels = np.arange(x.shape[3])
        band = (np.abs(channels[:, None] - channels) <= self.radius).astype(x.dtype)

        def step() -> list[np.ndarray]:
            norm = 1 + np.square(x) @ band
            factor = 1 / np.sqrt(norm)
            y = x * factor
            return [y, g * factor - x * (g * y / norm @ band)]

        return step

    def torch(self, pt: Any, x: Any, g: Any) -> Any:
        width = 2 * self.radius + 1

        def norm(x: Any) -> Any:
            return pt.torch.nn.functional.local_response_norm(x, width, alpha=float(width), beta=0.5, k=1.0)

        step = pt.with_gradients(pt.compiled(norm), pt.image(x), upstream=pt.image(g))
        return lambda: [pt.as_image(value) for value in step()]

    def jax(self, jax: Any, x: Any, g: Any) -> list[Any]:
        def norm(x: Any) -> Any:
            window, pads = (1, 1, 1, 2 * self.radius + 1), ((0, 0), (0, 0), (0, 0), (self.radius, self.radius))
            sums = jax.lax.reduce_window(x * x, 0.0, jax.lax.add, window, (1, 1, 1, 1), pads)
            return x * jax.lax.rsqrt(1 + sums)

        y, back = jax.vjp(norm, x)
        return [y, *back(g)]


class Depthwise(Workload):
    """3 x 3, SAME, one filter to a channel; y, and the gradients of x and w."""

    images = True
    compiles = False
    group = "depthwise"
    tolerance = 1e-4

    def __init__(self, n: int, h: int, c: int):
        self.shape = (n, h, h, c)
        self.name = f"depthwise_{n}x{h}x{h}x{c}"
        self.title = f"depthwise 3 x 3 with gradients, {n} x {h} x {h} x {c}"

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, *self.shape), "w": normal(rng, 3, 3, self.shape[3], 1, scale=1 / 3),
                "g": normal(rng, *self.shape)}  # fmt: skip

    def graph(self, tf: Any, x: Any, w: Any, g: Any) -> list[Any]:
        y = tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME")
        return [y, *tf.gradients(y, [x, w], [g])]

    def numpy(self, x: np.ndarray, w: np.ndarray, g: np.ndarray) -> Any:
        n, h, _, c = x.shape
        padded = np.zeros((n, h + 2, h + 2, c), x.dtype)
        spread, y, part, dw = np.empty_like(padded), np.empty_like(x), np.empty_like(x), np.empty_like(w)

        def step() -> list[np.ndarray]:
            padded[:, 1:-1, 1:-1] = x
            spread.fill(0)
            y.fill(0)
            for i, j in np.ndindex(3, 3):
                seen = (slice(None), slice(i, i + h), slice(j, j + h))
                np.add(y, np.multiply(padded[seen], w[i, j, :, 0], out=part), out=y)
                np.add(spread[seen], np.multiply(g, w[i, j, :, 0], out=part), out=spread[seen])
                dw[i, j, :, 0] = np.einsum("nhwc,nhwc->c", padded[seen], g)
            return [y, spread[:, 1:-1, 1:-1], dw]

        return step

    def torch(self, pt: Any, x: Any, w: Any, g: Any) -> Any:
        c = self.shape[3]
        filters = w.permute(2, 3, 0, 1).contiguous()  # [C, 1, 3, 3]

        def conv(x: Any, w: Any) -> Any:
            return pt.torch.nn.functional.conv2d(x, w, None, 1, 1, 1, c)

        step = pt.with_gradients(conv, pt.image(x), filters, upstream=pt.image(g))

        def images() -> list[Any]:
            y, dx, dw = step()
            return [pt.as_image(y), pt.as_image(dx), dw.permute(2, 3, 0, 1)]

        return images

    def jax(self, jax: Any, x: Any, w: Any, g: Any) -> list[Any]:
        c = self.shape[3]

        def conv(x: Any, w: Any) -> Any:
            return jax.lax.conv_general_dilated(
                x, w.reshape(3, 3, 1, c), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=c,
            )  # fmt: skip

        y, back = jax.vjp(conv, x, w)
        return [y, *back(g)]


WORKLOADS: list[Workload] = [
    BatchNorm(32, 28, 64),
    BatchNorm(8, 7, 512),
    ResponseNorm(8, 56, 64),
    Depthwise(8, 56, 64),
    Depthwise(8, 14, 512),
]
