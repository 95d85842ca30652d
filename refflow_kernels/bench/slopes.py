"""Gradients as torch computes them, without the forward pass that they need.

Next: refflow_kernels/bench/pools.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Slopes:
    """A peer whose forward pass is made once for each type of its inputs, and then kept.

    forward: as forward(torch, inputs); gives the result, the tensors whose gradients are wanted, and the result's own.
    finish: what becomes of the list of gradients.
    """

    def __init__(self, forward: Callable[[Any, Sequence[Any]], tuple[Any, Sequence[Any], Any]], finish: Any = tuple):
        self.forward, self.finish = forward, finish
        self.kept: dict[Any, Any] = {}

    def __call__(self, torch: Any, inputs: Sequence[Any]) -> Any:
        kind = next(x.dtype for x in inputs if isinstance(x, torch.Tensor))
        if kind not in self.kept:
            self.kept[kind] = self.forward(torch, inputs)
        result, wanted, slope = self.kept[kind]
        return self.finish(torch.autograd.grad(result, wanted, slope, retain_graph=True))
