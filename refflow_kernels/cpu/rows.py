"""Rows by number: read them, and add them up [W32, O04].

    gather            output[i] = params[indices[i]]          bytes: the rows, twice
    segment sum       output[s] = the sum of rows with id s    bytes: the rows, and the output once

A sum by id sorts the ids, keeps their order within one id, and adds runs of equal ids: a loop over the rows would be
fifty times slower. Ids that occur once, most of a vocabulary's, are plain assignments.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

_PIECE = 1 << 18  # elements worth a thread


def gather(params: Any, indices: Any, out: Any = None) -> Any:
    """The rows of `params` that `indices` names; an index without a row is an IndexError."""
    each = prod(params.shape[1:])
    if each:
        _check(indices, params.shape[0])
    else:
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
        np.take(params, flat[here], axis=0, out=rows[here], mode="clip")  # checked above; "raise" would copy

    threads.each(part, -(-len(flat) // step))
    return out


def _check(indices: Any, rows: int) -> None:
    if indices.size and (indices.min() < 0 or indices.max() >= rows):
        bad = np.argwhere((indices < 0) | (indices >= rows))[0]
        at = f"[{','.join(map(str, bad))}]" if indices.ndim else ""
        raise IndexError(f"indices{at} = {int(indices[tuple(bad)])} is not in [0, {rows})")


def unsorted_segment_sum(data: Any, segment_ids: Any, num_segments: Any, out: Any = None) -> Any:
    """output [num_segments, ...]: the sums of rows by id; a negative id is left out, one too large is an IndexError."""
    count = int(num_segments)
    if count < 0:
        raise ValueError(f"Input num_segments == {count} must not be negative.")
    if segment_ids.size and segment_ids.max() >= count:
        bad = np.argwhere(segment_ids >= count)[0]
        at = ",".join(str(i) for i in bad)
        raise IndexError(f"segment_ids[{at}] = {int(segment_ids[tuple(bad)])} is out of range [0, {count})")
    ids = segment_ids.reshape(-1)
    rows = data.reshape(ids.size, *data.shape[segment_ids.ndim :])
    if out is None:
        out = np.empty((count, *rows.shape[1:]), data.dtype)
    out[...] = 0
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    first = np.searchsorted(ordered, 0)  # negative ids come first
    order, ordered = order[first:], ordered[first:]
    if not len(order):
        return out
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    lengths = np.diff(np.append(starts, len(order)))
    once = starts[lengths == 1]
    out[ordered[once]] = rows[order[once]]
    if len(once) < len(starts):
        many = lengths > 1
        places = np.repeat(many, lengths)
        begins = np.concatenate([[0], np.cumsum(lengths[many])[:-1]])
        out[ordered[starts[many]]] = np.add.reduceat(rows[order[places]], begins, axis=0, dtype=data.dtype)
    return out
