"""Batch and response normalisation with their gradients, and biases.

Next: refflow_kernels/bench/index.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, made, normal
from refflow_kernels.bench.slopes import Slopes

_EPSILON = 1e-3
_BATCHES = (
    ((128, 112, 112, 64), "NHWC"), ((128, 56, 56, 256), "NHWC"), ((128, 14, 14, 1024), "NHWC"),
    ((32, 7, 7, 2048), "NHWC"), ((128, 256, 56, 56), "NCHW"),
)  # fmt: skip
_RESPONSES = ((128, 55, 55, 96), (128, 27, 27, 256))
_LRN: dict[str, Any] = {"depth_radius": 2, "bias": 2.0, "alpha": 1e-4, "beta": 0.75}


def _second(x: Any, layout: str = "NHWC") -> Any:
    """With channels second, as torch wants them, where they lie in memory."""
    return x.permute(0, 3, 1, 2) if layout == "NHWC" else x


def _back(y: Any, layout: str = "NHWC") -> Any:
    return y.permute(0, 2, 3, 1).contiguous() if layout == "NHWC" else y


def _normalised(layout: str, torch: Any, x: Sequence[Any]) -> Any:
    """y and the statistics, which torch's running ones are for a momentum of 1."""
    image = _second(x[0], layout)
    mean, variance = torch.zeros_like(x[1]), torch.ones_like(x[1])
    y = torch.nn.functional.batch_norm(image, mean, variance, x[1], x[2], True, 1.0, _EPSILON)
    count = image.numel() // len(x[1])
    return _back(y, layout), mean, variance, mean, variance * ((count - 1) / count)


def _batch_slopes(layout: str) -> Slopes:
    def forward(torch: Any, x: Sequence[Any]) -> tuple[Any, Sequence[Any], Any]:
        image, scale = _second(x[1], layout).detach().requires_grad_(True), x[2].detach().requires_grad_(True)
        offset = torch.zeros_like(x[2]).requires_grad_(True)
        y = torch.nn.functional.batch_norm(image, None, None, scale, offset, True, 0.1, _EPSILON)
        return y, [image, scale, offset], _second(x[0], layout)

    def finish(found: Sequence[Any]) -> Any:
        nothing = found[1].new_zeros(())
        return _back(found[0], layout), found[1], found[2], nothing, nothing

    return Slopes(forward, finish)


def _response(torch: Any, x: Any) -> Any:
    size = 2 * _LRN["depth_radius"] + 1
    return torch.nn.functional.local_response_norm(_second(x), size, _LRN["alpha"] * size, _LRN["beta"], _LRN["bias"])


def _response_slopes(torch: Any, x: Sequence[Any]) -> tuple[Any, Sequence[Any], Any]:
    given = x[1].detach().requires_grad_(True)
    return _response(torch, given), [given], _second(x[0])


def _biased(torch: Any, x: Sequence[Any]) -> Any:
    return x[0] + x[1].reshape(-1, 1, 1)


def _apart(sizes: Sequence[int]) -> np.ndarray:
    """Numbers round 1: errors of means are relative to them."""
    return made(sizes, lambda: normal(*sizes) + 1)


def _statistic(function: Any, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return function(x, axis=axes, dtype=np.float64).astype(np.float32)


def _responded(x: np.ndarray) -> np.ndarray:
    near = sum(np.pad(x * x, [(0, 0)] * 3 + [(2, 2)])[..., i : i + x.shape[-1]] for i in range(5))
    return (x / (2 + 1e-4 * near) ** 0.75).astype(np.float32)


def _smaller(sizes: Sequence[int], small: bool) -> list[int]:
    return [min(s, m) for s, m in zip(sizes, (3, 6, 7, 5), strict=True)] if small else list(sizes)


def cases(small: bool) -> Iterator[Case]:
    for sizes, layout in _BATCHES:
        x = _apart(_smaller(sizes, small))
        channel = 1 if layout == "NCHW" else 3
        axes = tuple(axis for axis in range(4) if axis != channel)
        scale, offset = (normal(x.shape[channel], seed=s) for s in (1, 2))
        attrs = {"epsilon": _EPSILON, "data_format": layout, "is_training": True}
        label = f"{'x'.join(map(str, sizes))} {layout}"
        yield Case(f"FusedBatchNorm {label}", "FusedBatchNorm", (x, scale, offset, offset, scale),
                   attrs | {"exponential_avg_factor": 1.0}, partial(_normalised, layout))  # fmt: skip
        mean, variance = (made(scale.shape, partial(_statistic, f, x, axes)) for f in (np.mean, np.var))
        dy = normal(*x.shape, seed=3)
        yield Case(f"FusedBatchNormGrad {label}", "FusedBatchNormGrad", (dy, x, scale, mean, variance), attrs,
                   _batch_slopes(layout))  # fmt: skip
    yield Case(f"BiasAdd {label}", "BiasAdd", (x, offset), {"data_format": layout}, _biased)
    for sizes in _RESPONSES:
        x = normal(*_smaller(sizes, small))
        dy = normal(*x.shape, seed=1)
        label = "x".join(map(str, sizes))
        yield Case(f"LRN {label}", "LRN", (x,), _LRN, lambda torch, x: _back(_response(torch, x[0])))
        y = made(x.shape, partial(_responded, x))
        yield Case(f"LRNGrad {label}", "LRNGrad", (dy, x, y), _LRN,
                   Slopes(_response_slopes, lambda slopes: slopes[0]))  # fmt: skip
