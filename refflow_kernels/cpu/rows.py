"""Rows by number, along any axis; the rows are read and written once each [W32, O04, W06].

    output[i] = params[indices[i]]
    along an axis    output[a, i, c] = params[a, indices[i], c]
    in batches       output[b, a, i, c] = params[b, a, indices[b, i], c]: rows of all batches, numbered through
"""

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


def gather_v2(params: Any, indices: Any, axis: Any, batch_dims: int = 0, out: Any = None) -> Any:
    """The rows of `params` along an axis that `indices` names; the op's page has refused others."""
    at = int(axis) % params.ndim
    batch = batch_dims + indices.ndim if batch_dims < 0 else batch_dims
    if at == 0:
        return gather(params, indices, out)
    shape = (*params.shape[:at], *indices.shape[batch:], *params.shape[at + 1 :])
    if out is None:
        out = np.empty(shape, params.dtype)
    if not out.size:
        return out
    lead, between, size = prod(shape[:batch]), prod(shape[batch:at]), params.shape[at]
    each = prod(params.shape[at + 1 :])
    if lead == 1:  # nothing is numbered through
        found = np.empty(shape, params.dtype) if not out.flags.c_contiguous else out
        found = found.reshape(between, -1, each)
        np.take(params.reshape(between, size, each), indices.reshape(-1), axis=1, out=found, mode="clip")
    else:
        first = np.arange(lead * between).reshape(lead, between, 1) * size
        found = gather(params.reshape(-1, each), (first + indices.reshape(lead, 1, -1)).reshape(-1))
    if not np.may_share_memory(found, out):
        out[...] = found.reshape(shape)
    return out
