"""Parameter updates in place, a block at a time, without temporaries of the parameters' size [S32, W78].

    bytes: each slot read and written, the gradient read        scratch: what the rule makes, for one block

Any rule that treats each element alone will do: a block of the variable, of its slots and of the gradient goes in, the
new values of variable and slots come out and are stored where the old ones were, still in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

_BLOCK = 1 << 14  # elements
_PIECE = 1 << 18  # elements worth a thread


def in_blocks(rule: Callable[..., Sequence[Any]], slots: int, *inputs: Any) -> None:
    """Replaces the first `slots` inputs by what `rule(*inputs)` gives for them.

    Inputs are arrays of one shape, or single numbers; the slots are C-contiguous.
    """
    shape, size = inputs[0].shape, inputs[0].size
    flat = [x.reshape(-1) if np.shape(x) == shape else x for x in inputs]
    whole = [np.shape(x) == shape for x in inputs]

    def block(here: slice) -> None:
        given = [x[here] if is_whole else x for x, is_whole in zip(flat, whole, strict=True)]
        for held, new in zip(given[:slots], rule(*given), strict=False):
            held[...] = new

    _each_block(size, block)


def _each_block(size: int, work: Callable[[slice], None]) -> None:
    """work(elements) for blocks of elements, several blocks to a thread."""

    def piece(number: int) -> None:
        for start in range(number * _PIECE, min(size, (number + 1) * _PIECE), _BLOCK):
            work(slice(start, start + _BLOCK))

    threads.each(piece, -(-size // _PIECE))


def apply_gradient_descent(var: Any, alpha: Any, delta: Any, out: Any = None) -> Any:
    """var - alpha * delta; `out` may be var itself. The bits are those of the plain expression."""
    alpha = np.asarray(alpha, var.dtype)[()]
    if out is None:
        out = np.empty(var.shape, var.dtype)
    if var.size <= _BLOCK or not all(x.flags.c_contiguous for x in (var, delta, out)):
        return np.subtract(var, np.multiply(delta, alpha), out=out)
    flat, slope, result = var.reshape(-1), delta.reshape(-1), out.reshape(-1)

    _each_block(var.size, lambda here: np.subtract(flat[here], slope[here] * alpha, out=result[here]))
    return out
