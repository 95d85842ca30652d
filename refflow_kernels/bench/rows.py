"""Rows of scores: softmax and its loss.

Next: refflow_kernels/bench/reductions.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, normal, shrink


def cases(small: bool) -> Iterator[Case]:
    for sizes in ((10000, 10), (4096, 1024), (4096, 50257)):
        x = normal(*(shrink(s, small) for s in sizes))
        y = np.abs(normal(*x.shape, seed=1))
        y /= y.sum(axis=1, keepdims=True)
        label = f"{sizes[0]}x{sizes[1]}"
        yield Case(f"Softmax {label}", "Softmax", (x,), {}, lambda torch, x: torch.softmax(x[0], 1))
        xent = "SoftmaxCrossEntropyWithLogits"
        yield Case(f"{xent} {label}", xent, (x, y), {}, _torch_xent)


def _torch_xent(torch: Any, x: Sequence[Any]) -> Any:
    """Loss and gradient, as torch users get them."""
    features = x[0].detach().requires_grad_(True)
    loss = torch.nn.functional.cross_entropy(features, x[1], reduction="none")
    return loss, torch.autograd.grad(loss.sum(), features)[0]
