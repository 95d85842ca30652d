"""Axes walked from their end, and round their end [W06].

    Reverse ReverseV2     y[..., i, ...] = x[..., size - 1 - i, ...]      a copy with strides below 0
    Roll                  y[..., (i + shift) % size, ...] = x[..., i, ...]      a copy for each part between the ends
    ReverseSequence       y[n, t] = x[n, length[n] - 1 - t] for t < length[n], else x[n, t]

    bytes: x once and y        operations: those of the places

The last walks sizes [A, P, B, Q, C], where P and Q are batch and time in either order: what lies before, between and
behind them is one axis each.

Next: refflow_kernels/gpu/diagonals.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, packed_strides
from refflow_kernels.gpu.copies import ANY, BLOCK, copy
from refflow_kernels.kernel import Kernel


def reverse(tensor: Any, dims: Any, out: Any = None) -> Any:
    """The axes of which `dims` says true, from their ends."""
    return _reversed(tensor, {i for i, turned in enumerate(dims) if turned} if len(tensor.shape) else set(), out)


def reverse_v2(tensor: Any, axis: Any, out: Any = None) -> Any:
    """The axes that `axis` names, from their ends."""
    rank = len(tensor.shape)
    return _reversed(tensor, {int(a) % rank for a in axis} if rank else set(), out)


def _reversed(x: Any, axes: set[int], out: Any) -> Any:
    shape, strides = tuple(x.shape), packed_strides(x.shape)
    check_packed(tensor=x)
    check_out(out, shape)
    if 0 not in shape:
        steps = [-step if axis in axes else step for axis, step in enumerate(strides)]
        copy(x, out, shape, steps, strides, sum((shape[axis] - 1) * strides[axis] for axis in axes))
    return out


def roll(input: Any, shift: Any, axis: Any, out: Any = None) -> Any:
    """Each element `shift` places on along an axis; what leaves at its end comes in at its beginning."""
    shape, strides = tuple(input.shape), packed_strides(input.shape)
    check_packed(input=input)
    check_out(out, shape)
    if 0 in shape:
        return out
    by = [0] * len(shape)
    for step, at in zip(_listed(shift), _listed(axis), strict=True):
        by[at] += step
    for part in product(*(_parts(size, step % size) for size, step in zip(shape, by, strict=True))):
        counts, from_, to = zip(*part, strict=True)
        first_x, first_y = (sum(i * s for i, s in zip(place, strides, strict=True)) for place in (from_, to))
        copy(input, out, counts, strides, strides, first_x, first_y)
    return out


def _listed(values: Any) -> list[int]:
    """A number, or some, as a list."""
    return [int(v) for v in values.reshape(-1)]


def _parts(size: int, shift: int) -> list[tuple[int, int, int]]:
    """The parts of an axis that stay together: how many elements, where they were, where they come.

    >>> _parts(5, 2), _parts(5, 0)
    ([(3, 0, 2), (2, 3, 0)], [(5, 0, 0)])
    """
    return [(size - shift, 0, shift)] + ([(shift, size - shift, 0)] if shift else [])


@triton.jit
def _reverse_sequence(
    x_at, lengths_at, y_at, size, P, B, Q, C, TIME_FIRST: tl.constexpr, BLOCK: tl.constexpr
):
    """One program a block of elements; int64: places may pass 2**31."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    q = i // C % Q
    p = i // (C * Q * B) % P
    row, t = (q, p) if TIME_FIRST else (p, q)
    length = tl.load(lengths_at + row, mask=real, other=0).to(tl.int64)
    length = tl.minimum(length, P if TIME_FIRST else Q)  # a card raises no errors: no longer than there is
    from_ = tl.where(t < length, length - 1 - t, t)
    step = C * Q * B if TIME_FIRST else C
    x = tl.load(x_at + i + (from_ - t) * step, mask=real, other=0)
    tl.store(y_at + i, x, mask=real)


def reverse_sequence(input: Any, seq_lengths: Any, seq_dim: int, batch_dim: int = 0, out: Any = None) -> Any:
    """In row n of the batch the first seq_lengths[n] places in time are walked from their end."""
    shape: Sequence[int] = tuple(input.shape)
    check_packed(input=input, seq_lengths=seq_lengths)
    check_out(out, shape)
    first, second = sorted((batch_dim, seq_dim))
    size = prod(shape)
    if size:
        _reverse_sequence[(ceil_div(size, BLOCK),)](
            input, seq_lengths, out, size, shape[first], prod(shape[first + 1 : second]), shape[second],
            prod(shape[second + 1 :]), TIME_FIRST=first == seq_dim, BLOCK=BLOCK, num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip
    return out


KERNELS = {
    "Reverse": Kernel(reverse, ANY, host_inputs=(1,)),
    "ReverseV2": Kernel(reverse_v2, ANY, host_inputs=(1,)),
    "Roll": Kernel(roll, ANY, host_inputs=(1, 2)),
    "ReverseSequence": Kernel(reverse_sequence, ANY),
}
