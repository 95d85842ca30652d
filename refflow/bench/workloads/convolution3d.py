"""Convolutions of volumes, [N, D, H, W, C], and their two gradients: 2 N D H W k^3 C K operations each.

NumPy's side gathers windows as for images. Next: refflow/bench/workloads/normalisation.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, normal


class _Conv3D(Workload):
    """k x k x k, stride 1, SAME."""

    images = True
    compiles = False
    group = "conv3d"
    bar = Bar(1.0, 1.2)
    what: str

    def __init__(self, label: str, k: int, n: int, d: int, h: int, c: int, channels: int):
        self.k, self.channels, self.shape = k, channels, (n, d, h, h, c)
        self.name = f"{self.what.replace(' ', '_')}_{label}"
        self.title = f"{self.what} {label}: {k}^3, {n} x {d} x {h} x {h} x {c} to {channels}"

    def data(self, rng: np.random.Generator) -> Arrays:
        k, c = self.k, self.shape[4]
        w = normal(rng, k, k, k, c, self.channels, scale=(k**3 * c) ** -0.5)
        return {"x": normal(rng, *self.shape), "w": w, "g": normal(rng, *self.shape[:4], self.channels)}

    def conv(self, tf: Any, x: Any, w: Any) -> Any:
        return tf.nn.conv3d(x, w, [1, 1, 1, 1, 1], "SAME")

    def numpy_columns(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """The windows [N, D, H, W, k, k, k, C] as a buffer, and what fills it."""
        k, (n, d, h, w, c) = self.k, self.shape
        p = k // 2
        padded = np.zeros((n, d + 2 * p, h + 2 * p, w + 2 * p, c), x.dtype)
        s = padded.strides
        view = np.lib.stride_tricks.as_strided(padded, (n, d, h, w, k, k, k, c), (*s[:4], *s[1:4], s[4]))
        columns = np.empty(view.shape, x.dtype)

        def gather() -> None:
            padded[:, p : p + d, p : p + h, p : p + w] = x
            np.copyto(columns, view)

        return columns, gather

    def torch_volume(self, pt: Any, x: Any) -> Any:
        layout = pt.torch.channels_last_3d if pt.layout == pt.torch.channels_last else pt.layout
        return x.permute(0, 4, 1, 2, 3).contiguous(memory_format=layout)

    def torch_filter(self, pt: Any, w: Any) -> Any:
        layout = pt.torch.channels_last_3d if pt.layout == pt.torch.channels_last else pt.layout
        return w.permute(4, 3, 0, 1, 2).contiguous(memory_format=layout)

    def torch_gradients(self, pt: Any, x: Any, w: Any, g: Any, mask: list[bool]) -> Any:
        backward, pad = pt.torch.ops.aten.convolution_backward, [self.k // 2] * 3
        g, x, w = self.torch_volume(pt, g), self.torch_volume(pt, x), self.torch_filter(pt, w)
        return lambda: backward(g, x, w, None, [1] * 3, pad, [1] * 3, False, [0] * 3, 1, mask)

    def jax_conv(self, jax: Any, x: Any, w: Any) -> Any:
        numbers = ("NDHWC", "DHWIO", "NDHWC")
        return jax.lax.conv_general_dilated(x, w, (1, 1, 1), "SAME", dimension_numbers=numbers)


class Forward3D(_Conv3D):
    what = "conv3d"

    def data(self, rng: np.random.Generator) -> Arrays:
        arrays = super().data(rng)
        return {"x": arrays["x"], "w": arrays["w"]}

    def graph(self, tf: Any, x: Any, w: Any) -> list[Any]:
        return [self.conv(tf, x, w)]

    def numpy(self, x: np.ndarray, w: np.ndarray) -> Any:
        columns, gather = self.numpy_columns(x)
        y = np.empty((*self.shape[:4], self.channels), x.dtype)

        def step() -> list[np.ndarray]:
            gather()
            flat = w.reshape(-1, self.channels)
            np.matmul(columns.reshape(-1, len(flat)), flat, out=y.reshape(-1, self.channels))
            return [y]

        return step

    def torch(self, pt: Any, x: Any, w: Any) -> Any:
        conv3d, x, w = pt.torch.nn.functional.conv3d, self.torch_volume(pt, x), self.torch_filter(pt, w)
        return lambda: [conv3d(x, w, None, 1, self.k // 2).permute(0, 2, 3, 4, 1)]

    def jax(self, jax: Any, x: Any, w: Any) -> list[Any]:
        return [self.jax_conv(jax, x, w)]


class FilterGradient3D(_Conv3D):
    what = "conv3d filter gradient"

    def graph(self, tf: Any, x: Any, w: Any, g: Any) -> list[Any]:
        return tf.gradients(self.conv(tf, x, w), [w], [g])

    def numpy(self, x: np.ndarray, w: np.ndarray, g: np.ndarray) -> Any:
        columns, gather = self.numpy_columns(x)
        dw, flat = np.empty_like(w), g.reshape(-1, self.channels)

        def step() -> list[np.ndarray]:
            gather()
            np.matmul(columns.reshape(len(flat), -1).T, flat, out=dw.reshape(-1, self.channels))
            return [dw]

        return step

    def torch(self, pt: Any, x: Any, w: Any, g: Any) -> Any:
        gradients = self.torch_gradients(pt, x, w, g, [False, True, False])
        return lambda: [gradients()[1].permute(2, 3, 4, 1, 0)]

    def jax(self, jax: Any, x: Any, w: Any, g: Any) -> list[Any]:
        return list(jax.vjp(lambda w: self.jax_conv(jax, x, w), w)[1](g))


class InputGradient3D(_Conv3D):
    what = "conv3d input gradient"

    def graph(self, tf: Any, x: Any, w: Any, g: Any) -> list[Any]:
        return tf.gradients(self.conv(tf, x, w), [x], [g])

    def numpy(self, x: np.ndarray, w: np.ndarray, g: np.ndarray) -> Any:
        k, (n, d, h, width, c) = self.k, self.shape
        p, flat = k // 2, w.reshape(-1, self.channels)
        columns = np.empty((n, d, h, width, k, k, k, c), x.dtype)
        spread = np.empty((n, d + 2 * p, h + 2 * p, width + 2 * p, c), x.dtype)

        def step() -> list[np.ndarray]:
            np.matmul(g.reshape(-1, self.channels), flat.T, out=columns.reshape(-1, len(flat)))
            spread.fill(0)
            for a, i, j in np.ndindex(k, k, k):
                spread[:, a : a + d, i : i + h, j : j + width] += columns[:, :, :, :, a, i, j]
            return [spread[:, p : p + d, p : p + h, p : p + width]]

        return step

    def torch(self, pt: Any, x: Any, w: Any, g: Any) -> Any:
        gradients = self.torch_gradients(pt, x, w, g, [True, False, False])
        return lambda: [gradients()[0].permute(0, 2, 3, 4, 1)]

    def jax(self, jax: Any, x: Any, w: Any, g: Any) -> list[Any]:
        return list(jax.vjp(lambda x: self.jax_conv(jax, x, w), x)[1](g))


SHAPES = [("video1", 3, 2, 16, 56, 3, 64), ("video2", 3, 2, 8, 28, 32, 64)]  # k, N, D, H, C, K
WORKLOADS: list[Workload] = [kind(*s) for kind in (Forward3D, FilterGradient3D, InputGradient3D) for s in SHAPES]
