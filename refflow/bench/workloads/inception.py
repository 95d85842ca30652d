"""GoogLeNet's inception module 3a, forward and backward, 8 x 28 x 28 x 192 to 256 channels.

    x - 1x1, 64 ---------------- y1          every convolution with a bias and a rectifier
    x - 1x1, 96 - 3x3, 128 ----- y3
    x - 1x1, 16 - 5x5, 32 ------ y5          y = y1, y3, y5, yp side by side
    x - max pool 3x3 - 1x1, 32 - yp

NumPy's side makes one product of the three 1x1 convolutions that read x. Next: refflow/bench/workloads/attention.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, normal
from refflow.bench.workloads.convolution import Convolution
from refflow.bench.workloads.pooling import Pool

FILTERS = {"1": (1, 192, 64), "3r": (1, 192, 96), "3": (3, 96, 128), "5r": (1, 192, 16), "5": (5, 16, 32),
           "p": (1, 192, 32)}  # fmt: skip


class Inception(Workload):
    name, title, group = "inception", "GoogLeNet inception 3a, batch 8, forward and backward", "training"
    bar = Bar(0.75, 1.0)
    images = True
    tolerance = 1e-4

    def __init__(self, batch: int = 8, size: int = 28):
        self.batch, self.size = batch, size
        self.title = f"GoogLeNet inception 3a, batch {batch}, forward and backward"

    def data(self, rng: np.random.Generator) -> Arrays:
        arrays = {"x": normal(rng, self.batch, self.size, self.size, 192)}
        for name, (k, c, channels) in FILTERS.items():
            arrays["w" + name] = normal(rng, k, k, c, channels, scale=(2 / (k * k * c)) ** 0.5)
            arrays["b" + name] = normal(rng, channels, scale=0.1)
        return arrays | {"g": normal(rng, self.batch, self.size, self.size, 256)}

    def graph(self, tf: Any, x: Any, g: Any, **p: Any) -> list[Any]:
        def conv(x: Any, name: str) -> Any:
            y = tf.nn.conv2d(x, p["w" + name], [1, 1, 1, 1], "SAME")
            return tf.nn.relu(tf.nn.bias_add(y, p["b" + name]))

        pooled = tf.nn.max_pool(x, [1, 3, 3, 1], [1, 1, 1, 1], "SAME")
        y = tf.concat(
            [conv(x, "1"), conv(conv(x, "3r"), "3"), conv(conv(x, "5r"), "5"), conv(pooled, "p")], axis=3
        )
        return [y, *tf.gradients(y, [x, *p.values()], [g])]

    def numpy(self, x: np.ndarray, g: np.ndarray, **p: np.ndarray) -> Any:
        kind, pixels = x.dtype, self.batch * self.size**2
        wide = np.concatenate([p["w1"], p["w3r"], p["w5r"]], axis=3)[0, 0]  # [192, 176]
        wide_b = np.concatenate([p["b1"], p["b3r"], p["b5r"]])
        flat_x, h, dh = x.reshape(pixels, 192), np.empty((pixels, 176), kind), np.empty((pixels, 176), kind)
        h_image = h.reshape(*x.shape[:3], 176)
        conv3, conv5 = Convolution(h_image[..., 64:160], p["w3"], 1, 1), Convolution(h_image[..., 160:], p["w5"], 1, 2)
        pool, ones = Pool(x.shape, 3, 1, 1, -np.inf, kind), np.ones(pixels, kind)
        y, dy, dx = np.empty_like(g), np.empty_like(g), np.empty_like(x)

        def step() -> list[np.ndarray]:
            np.matmul(flat_x, wide, out=h)
            np.add(h, wide_b, out=h)
            np.maximum(h, 0, out=h)
            pooled = pool.forward(x).reshape(pixels, 192)
            y[..., :64] = h_image[..., :64]
            y[..., 64:192], y[..., 192:224] = conv3.forward() + p["b3"], conv5.forward() + p["b5"]
            y[..., 224:] = (pooled @ p["wp"][0, 0] + p["bp"]).reshape(*x.shape[:3], 32)
            np.maximum(y, 0, out=y)

            np.multiply(g, y > 0, out=dy)
            dy3, dy5 = np.ascontiguousarray(dy[..., 64:192]), np.ascontiguousarray(dy[..., 192:224])
            dyp = np.ascontiguousarray(dy[..., 224:]).reshape(pixels, 32)
            dw3, dw5 = conv3.filter_gradient(dy3), conv5.filter_gradient(dy5)
            dh[:, :64] = dy[..., :64].reshape(pixels, 64)
            dh[:, 64:160] = conv3.input_gradient(dy3).reshape(pixels, 96)
            dh[:, 160:] = conv5.input_gradient(dy5).reshape(pixels, 16)
            np.multiply(dh, h > 0, out=dh)
            np.matmul(dh, wide.T, out=dx.reshape(pixels, 192))
            np.add(dx, pool.gradient((dyp @ p["wp"][0, 0].T).reshape(x.shape)), out=dx)
            dwide, db, dwp = flat_x.T @ dh, ones @ dh, pooled.T @ dyp
            dbs = ones @ dy.reshape(pixels, 256)
            found = {
                "w1": dwide[:, :64], "b1": db[:64], "w3r": dwide[:, 64:160], "b3r": db[64:160], "w3": dw3,
                "b3": dbs[64:192], "w5r": dwide[:, 160:], "b5r": db[160:], "w5": dw5, "b5": dbs[192:224],
                "wp": dwp, "bp": dbs[224:],
            }  # fmt: skip
            return [y, dx, *(found[name].reshape(array.shape) for name, array in p.items())]

        return step

    def torch(self, pt: Any, x: Any, g: Any, **p: Any) -> Any:
        F = pt.torch.nn.functional

        def module(x: Any, *p: Any) -> Any:
            w1, b1, w3r, b3r, w3, b3, w5r, b5r, w5, b5, wp, bp = p
            y3 = F.relu(F.conv2d(F.relu(F.conv2d(x, w3r, b3r)), w3, b3, padding=1))
            y5 = F.relu(F.conv2d(F.relu(F.conv2d(x, w5r, b5r)), w5, b5, padding=2))
            yp = F.relu(F.conv2d(F.max_pool2d(x, 3, 1, 1), wp, bp))
            return pt.torch.cat([F.relu(F.conv2d(x, w1, b1)), y3, y5, yp], 1)

        given = [pt.filter(array) if array.ndim == 4 else array for array in p.values()]
        step = pt.with_gradients(pt.compiled(module), pt.image(x), *given, upstream=pt.image(g))

        def as_answers() -> list[Any]:
            y, dx, *gradients = step()
            images = [pt.as_image(y), pt.as_image(dx)]
            return images + [pt.as_filter(d) if d.ndim == 4 else d for d in gradients]

        return as_answers

    def jax(self, jax: Any, x: Any, g: Any, **p: Any) -> list[Any]:
        def conv(x: Any, p: Any, name: str) -> Any:
            numbers = ("NHWC", "HWIO", "NHWC")
            y = jax.lax.conv_general_dilated(x, p["w" + name], (1, 1), "SAME", dimension_numbers=numbers)
            return jax.nn.relu(y + p["b" + name])

        def module(x: Any, p: Any) -> Any:
            pooled = jax.lax.reduce_window(x, -jax.numpy.inf, jax.lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
            y3, y5 = conv(conv(x, p, "3r"), p, "3"), conv(conv(x, p, "5r"), p, "5")
            return jax.numpy.concatenate([conv(x, p, "1"), y3, y5, conv(pooled, p, "p")], axis=3)

        y, back = jax.vjp(module, x, p)
        dx, dp = back(g)
        return [y, dx, *(dp[kind + name] for name in FILTERS for kind in "wb")]


WORKLOADS: list[Workload] = [Inception()]
