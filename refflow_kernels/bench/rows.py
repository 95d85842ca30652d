"""Rows of scores: softmax, its logarithm, and the losses with their slopes.

Next: refflow_kernels/bench/reductions.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, made, normal, shrink

_SCORES = (
    (128, 10), (4096, 1000), (4096, 1024), (262144, 64), (8192, 12671), (4096, 50257), (64, 1 << 20),
)  # fmt: skip
_LOSSES = ((128, 10), (10000, 10), (4096, 1000), (8192, 8192), (8192, 32001))


def cases(small: bool) -> Iterator[Case]:
    for sizes in _SCORES:
        x = normal(*(shrink(s, small) for s in sizes))
        label = f"{sizes[0]}x{sizes[1]}"
        yield Case(f"Softmax {label}", "Softmax", (x,), {}, lambda torch, x: torch.softmax(x[0], 1))
        if sizes in ((4096, 1024), (8192, 12671)):
            yield Case(f"LogSoftmax {label}", "LogSoftmax", (x,), {}, lambda torch, x: torch.log_softmax(x[0], 1))
            yield Case(f"Softmax bfloat16 {label}", "Softmax", (made(x.shape, partial(_rounded, x)),), {},
                       lambda torch, x: torch.softmax(x[0], 1), dtype="bfloat16")  # fmt: skip
    for sizes in _LOSSES:
        x = normal(*(shrink(s, small) for s in sizes))
        y = made(x.shape, partial(_targets, x.shape))
        classes = np.random.default_rng(2).integers(0, x.shape[1], x.shape[0])
        label = f"{sizes[0]}x{sizes[1]}"
        dense, sparse = "SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits"
        yield Case(f"{dense} {label}", dense, (x, y), {}, _torch_xent)
        yield Case(f"{sparse} {label}", sparse, (x, classes), {}, _torch_xent)


def _targets(shape: Sequence[int]) -> np.ndarray:
    """A distribution in each row."""
    y = np.abs(normal(*shape, seed=1))
    y /= y.sum(axis=1, keepdims=True)
    return y


def _rounded(x: np.ndarray) -> np.ndarray:
    """x with bfloat16's eight bits, so that both sides and the page see the same numbers."""
    return (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def _torch_xent(torch: Any, x: Sequence[Any]) -> Any:
    """Loss and gradient, as torch users get them; targets are distributions or class numbers."""
    features = x[0].detach().requires_grad_(True)
    loss = torch.nn.functional.cross_entropy(features, x[1], reduction="none")
    return loss, torch.autograd.grad(loss.sum(), features)[0]
