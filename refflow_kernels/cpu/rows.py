"""Rows by number: output[i] = params[indices[i]]; the rows are read and written once each [W32, O04]."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

_PIECE = 1 << 18  # elements worth a thread


def gather(params: Any, indices: Any, out: Any = None) -> Any:
    """The rows of `params` that `indices` names; the op's page has refused others."""
    each = prod(params.shape[1:])
    if not each:  # of such rows, any may be asked for
        indices = np.zeros_like(indices)
    if out is None:
        out = np.empty((*indices.shape, *params.shape[1:]), params.dtype)
    if not out.size:
        return out
    if indices.ndim == 0 or not out.flags.c_contiguous:
        out[...] = params[indices]
        return out
    flat, rows = indices.reshape(-1), out.reshape(indices.size, *params.shape[1:])
    step = max(1, _PIECE // each)

    def part(i: int) -> None:
        here = slice(i * step, (i + 1) * step)
        np.take(params, flat[here], axis=0, out=rows[here], mode="clip")  # "raise" would copy

    threads.each(part, -(-len(flat) // step))
    return out
