"""Convolutions and their two gradients, over the shapes of LeNet, GoogLeNet and ResNet.

    y[n, p, q, :] = sum over i, j of x[n, s p + i, s q + j, :] w[i, j]        2 N P Q k k C K operations, each

NumPy's side is the plain way: gather the windows into a matrix and multiply once.
Next: refflow/bench/workloads/convolution3d.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Workload, normal


def windows(x: np.ndarray, k: int, stride: int) -> np.ndarray:
    """[N, P, Q, k, k, C], a view of x [N, H, W, C]."""
    n, h, w, c = x.shape
    sn, sh, sw, sc = x.strides
    shape = (n, (h - k) // stride + 1, (w - k) // stride + 1, k, k, c)
    return np.lib.stride_tricks.as_strided(x, shape, (sn, sh * stride, sw * stride, sh, sw, sc), writeable=False)


class Convolution:
    """One convolution in NumPy: forward and both gradients, over matrices that are kept."""

    def __init__(self, x: np.ndarray, w: np.ndarray, stride: int, pad: int):
        n, h, width, c = x.shape
        self.k, self.stride, self.w, self.x = w.shape[0], stride, w, x
        self.padded = np.zeros((n, h + 2 * pad, width + 2 * pad, c), x.dtype)
        self.inside = self.padded[:, pad : pad + h, pad : pad + width]
        self.view = windows(self.padded, self.k, stride)
        self.shape = self.view.shape[:3] + w.shape[3:]  # of y: N, P, Q, K
        self.columns = np.empty(self.view.shape, x.dtype)
        self.matrix = self.columns.reshape(n * self.shape[1] * self.shape[2], -1)
        self.y = np.empty(self.shape, x.dtype)
        self.dw = np.empty_like(w)
        self.spread = np.empty_like(self.padded)  # the gradient of `padded`
        self.dinside = self.spread[:, pad : pad + h, pad : pad + width]

    def gather(self) -> None:
        np.copyto(self.inside, self.x)
        np.copyto(self.columns, self.view)

    def forward(self) -> np.ndarray:
        self.gather()
        np.matmul(self.matrix, self.w.reshape(-1, self.shape[3]), out=self.y.reshape(-1, self.shape[3]))
        return self.y

    def filter_gradient(self, g: np.ndarray) -> np.ndarray:
        """Of the columns that the last `gather` left."""
        np.matmul(self.matrix.T, g.reshape(-1, self.shape[3]), out=self.dw.reshape(-1, self.shape[3]))
        return self.dw

    def input_gradient(self, g: np.ndarray) -> np.ndarray:
        """Overwrites the columns."""
        np.matmul(g.reshape(-1, self.shape[3]), self.w.reshape(-1, self.shape[3]).T, out=self.matrix)
        self.spread.fill(0)
        _, p, q, _ = self.shape
        for i in range(self.k):
            for j in range(self.k):
                rows, cols = slice(i, i + p * self.stride, self.stride), slice(j, j + q * self.stride, self.stride)
                self.spread[:, rows, cols][:, :p, :q] += self.columns[:, :, :, i, j]
        return self.dinside


class _Conv2D(Workload):
    """x [N, H, H, C], w [k, k, C, K]; SAME keeps H, VALID does not pad."""

    images = True
    compiles = False
    what: str

    def __init__(self, label: str, k: int, stride: int, n: int, h: int, c: int, channels: int, padding: str = "SAME"):
        self.k, self.stride, self.n, self.h, self.c, self.channels, self.padding = k, stride, n, h, c, channels, padding
        self.name = f"{self.group}_{label}"
        by = "" if stride == 1 else f", stride {stride}"
        self.title = f"{self.what} {label}: {k} x {k}{by}, {n} x {h} x {h} x {c} to {channels}"
        self.pad = k // 2 if padding == "SAME" else 0
        self.out = (h + 2 * self.pad - k) // stride + 1
        self.strides = [1, stride, stride, 1]

    def data(self, rng: np.random.Generator) -> Arrays:
        x = normal(rng, self.n, self.h, self.h, self.c)
        w = normal(rng, self.k, self.k, self.c, self.channels, scale=(self.k * self.k * self.c) ** -0.5)
        return {"x": x, "w": w, "g": normal(rng, self.n, self.out, self.out, self.channels)}

    def torch_gradients(self, pt: Any, g: Any, x: Any, w: Any, mask: list[bool]) -> Callable[[], tuple[Any, ...]]:
        """PyTorch's own kernel for (dx, dw, db), of which `mask` are wanted."""
        backward = pt.torch.ops.aten.convolution_backward
        g, x, w, s, p = pt.image(g), pt.image(x), pt.filter(w), [self.stride] * 2, [self.pad] * 2
        return lambda: backward(g, x, w, None, s, p, [1, 1], False, [0, 0], 1, mask)

    def jax_forward(self, jax: Any, x: Any, w: Any) -> Any:
        return jax.lax.conv_general_dilated(
            x, w, (self.stride, self.stride), self.padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )


class Forward(_Conv2D):
    group = "conv2d_forward"
    what = "conv2d"

    def data(self, rng: np.random.Generator) -> Arrays:
        arrays = super().data(rng)
        return {"x": arrays["x"], "w": arrays["w"]}

    def graph(self, tf: Any, x: Any, w: Any) -> list[Any]:
        return [tf.nn.conv2d(x, w, self.strides, self.padding)]

    def numpy(self, x: np.ndarray, w: np.ndarray) -> Any:
        conv = Convolution(x, w, self.stride, self.pad)
        return lambda: [conv.forward()]

    def torch(self, pt: Any, x: Any, w: Any) -> Any:
        conv2d, x, w = pt.torch.nn.functional.conv2d, pt.image(x), pt.filter(w)
        return lambda: [pt.as_image(conv2d(x, w, None, self.stride, self.pad))]

    def jax(self, jax: Any, x: Any, w: Any) -> list[Any]:
        return [self.jax_forward(jax, x, w)]


class FilterGradient(_Conv2D):
    group = "conv2d_filter_gradient"
    what = "filter gradient"

    def graph(self, tf: Any, x: Any, w: Any, g: Any) -> list[Any]:
        return tf.gradients(tf.nn.conv2d(x, w, self.strides, self.padding), [w], [g])  # y itself is pruned

    def numpy(self, x: np.ndarray, w: np.ndarray, g: np.ndarray) -> Any:
        conv = Convolution(x, w, self.stride, self.pad)

        def step() -> list[np.ndarray]:
            conv.gather()
            return [conv.filter_gradient(g)]

        return step

    def torch(self, pt: Any, x: Any, w: Any, g: Any) -> Any:
        gradients = self.torch_gradients(pt, g, x, w, [False, True, False])
        return lambda: [pt.as_filter(gradients()[1])]

    def jax(self, jax: Any, x: Any, w: Any, g: Any) -> list[Any]:
        return list(jax.vjp(lambda w: self.jax_forward(jax, x, w), w)[1](g))


class InputGradient(_Conv2D):
    group = "conv2d_input_gradient"
    what = "input gradient"

    def graph(self, tf: Any, x: Any, w: Any, g: Any) -> list[Any]:
        return tf.gradients(tf.nn.conv2d(x, w, self.strides, self.padding), [x], [g])

    def numpy(self, x: np.ndarray, w: np.ndarray, g: np.ndarray) -> Any:
        conv = Convolution(x, w, self.stride, self.pad)
        return lambda: [conv.input_gradient(g)]

    def torch(self, pt: Any, x: Any, w: Any, g: Any) -> Any:
        gradients = self.torch_gradients(pt, g, x, w, [True, False, False])
        return lambda: [pt.as_image(gradients()[0])]

    def jax(self, jax: Any, x: Any, w: Any, g: Any) -> list[Any]:
        return list(jax.vjp(lambda x: self.jax_forward(jax, x, w), x)[1](g))


SHAPES: list[tuple[Any, ...]] = [  # k, stride, N, H, C, K
    ("lenet1", 5, 1, 64, 28, 1, 32),
    ("lenet2", 5, 1, 64, 14, 32, 64),
    ("googlenet1", 7, 2, 8, 229, 3, 64, "VALID"),
    ("googlenet2", 3, 1, 8, 56, 64, 192),
    ("googlenet3a", 1, 1, 8, 28, 192, 64),
    ("resnet2", 3, 1, 8, 56, 64, 64),
    ("resnet3", 3, 2, 8, 57, 128, 128, "VALID"),
    ("resnet4", 1, 1, 8, 14, 1024, 256),
    ("resnet5", 3, 1, 8, 7, 512, 512),
]
WORKLOADS: list[Workload] = [kind(*shape) for kind in (Forward, FilterGradient, InputGradient) for shape in SHAPES]
