"""A CUDA card through torch: memory, and a clock.

Next: refflow_kernels/bench/products.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np

_WARM_UP = 3  # rounds that compile and fill caches, not counted


class Card:
    """The first card that torch finds."""

    def __init__(self) -> None:
        import torch

        self.torch = torch
        self.flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
        self.name = torch.cuda.get_device_name()

    def upload(self, array: np.ndarray, dtype: str | None = None) -> Any:
        there = self.torch.from_numpy(array).cuda()
        return there if dtype is None else there.to(getattr(self.torch, dtype))

    def empty(self, shape: Sequence[int], dtype: str) -> Any:
        return self.torch.empty(tuple(shape), dtype=getattr(self.torch, dtype), device="cuda")

    def download(self, memory: Any) -> np.ndarray:
        memory = memory.float() if memory.dtype == self.torch.bfloat16 else memory
        return memory.detach().cpu().numpy()

    def milliseconds(self, functions: Sequence[Callable[[], Any]], rounds: int = 20) -> list[float]:
        """Medians of the functions' times, in turns, each with a cold cache."""
        events = [
            [[self.torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in functions] for _ in range(rounds)
        ]
        for round_ in range(-_WARM_UP, rounds):
            for function, (start, end) in zip(functions, events[max(round_, 0)], strict=True):
                self.flush.zero_()
                start.record()
                function()
                end.record()
            self.torch.cuda.synchronize()
        return [median(r[i][0].elapsed_time(r[i][1]) for r in events) for i in range(len(functions))]
