"""Parameter updates in place, a block at a time, without a temporary of the parameters' size [S32].

    bytes: 3 elements for each parameter (read var and delta, write var)        operations: 2
"""

from __future__ import annotations

from typing import Any

import numpy as np

_BLOCK = 1 << 14  # elements


def apply_gradient_descent(var: Any, alpha: Any, delta: Any, out: Any = None) -> Any:
    """var - alpha * delta; `out` may be var itself. The bits are those of the plain expression."""
    alpha = np.asarray(alpha, var.dtype)[()]
    if out is None:
        out = np.empty(var.shape, var.dtype)
    if var.size <= _BLOCK or not all(x.flags.c_contiguous for x in (var, delta, out)):
        return np.subtract(var, np.multiply(delta, alpha), out=out)
    flat, slope, result = var.reshape(-1), delta.reshape(-1), out.reshape(-1)
    scratch = np.empty(_BLOCK, var.dtype)
    for start in range(0, var.size, _BLOCK):
        here = slice(start, start + _BLOCK)
        step = scratch[: len(slope[here])]
        np.multiply(slope[here], alpha, out=step)
        np.subtract(flat[here], step, out=result[here])
    return out
