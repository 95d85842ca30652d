"""A CUDA card through torch: memory, and a clock.

Next: refflow_kernels/bench/products.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

_WARM_UP = 3  # calls that compile, choose and fill caches, not counted
_CYCLES = 2e9  # of a card in a second, at most


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

    def error(self, got: Sequence[Any], wanted: Sequence[Any]) -> float:
        """The largest difference from float64, relative to the largest value of each output; NaN, where either is."""
        worst = 0.0
        for g, w in zip(got, wanted, strict=True):
            if w.numel():
                difference = (g.to(self.torch.float64) - w).abs().max() / w.abs().max().double().clamp(min=1e-30)
                worst = float(self.torch.maximum(difference, difference.new_tensor(worst)))
        return worst

    def asks_for_tf32(self, yes: bool) -> None:
        """Whether torch may use TF32; its convolutions are the quickest that cuDNN finds, for all but float64."""
        self.torch.backends.cuda.matmul.allow_tf32 = self.torch.backends.cudnn.allow_tf32 = yes
        self.torch.backends.cudnn.benchmark = False

    def milliseconds(self, functions: Sequence[Callable[[], Any]], rounds: int = 20) -> list[float]:
        """Medians of the functions' times on the card, in turns, each with a cold cache.

        The card sleeps before each call for as long as the host takes to ask for all of it, so that the host's time is
        not in the figures; a step that is captured does not have it either.
        """
        self.torch.backends.cudnn.benchmark = True
        cycles = [self._host_cycles(function) for function in functions]
        events = [
            [[self.torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in functions] for _ in range(rounds)
        ]
        for turn in events:
            for function, wait, (start, end) in zip(functions, cycles, turn, strict=True):
                self.flush.zero_()
                self.torch.cuda._sleep(wait)
                start.record()
                function()
                end.record()
            self.torch.cuda.synchronize()
        return [median(r[i][0].elapsed_time(r[i][1]) for r in events) for i in range(len(functions))]

    def _host_cycles(self, function: Callable[[], Any]) -> int:
        """Cycles of the card in which the host asks for the call, twice over."""
        for _ in range(_WARM_UP):
            function()
        self.torch.cuda.synchronize()
        began = perf_counter()
        function()
        took = perf_counter() - began
        self.torch.cuda.synchronize()
        return int(_CYCLES * min(2 * took + 2e-5, 0.02))
