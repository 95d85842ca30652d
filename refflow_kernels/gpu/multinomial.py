"""Classes drawn by the chances of their scores: a policy's actions, a text's next letters [W73].

    chance of class c in row r     exp(x[r, c] - the row's largest), and none where x is not finite
    sums                           of the chances up to each class, in float64
    number                         the first class whose sum is above u times the last sum, u uniform in [0, 1)

A lane of the first axis makes one number: sample q % S of row q // S. Two words give its u in float64, those of half a
block: the bits are the CPU's. The sums are added in another order, which is another class for one number in some
10^14. A row is read three times, from the second time on out of cache: for the largest, the last sum, and the class.

    bytes: x for each sample, and the classes        operations: two exponentials in float64 for each class and sample

Next: refflow_kernels/gpu/updates.py.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two, unit
from refflow_kernels.gpu.random import words
from refflow_kernels.kernel import Kernel

TILE = 1024  # scores in registers
CHUNK = 1024  # of a row


@triton.jit
def _uniform(state_at, q):
    """[0, 1) for number q: 20 bits of a word and 32 of the next, the first or the second half of block q // 2."""
    w0, w1, w2, w3 = words(state_at, (q >> 1).to(tl.uint64))
    first = (q & 1) == 0
    high, low = tl.where(first, w0, w2).to(tl.uint64), tl.where(first, w1, w3).to(tl.uint64)
    bits = ((high & 0xFFFFF) << 32) | low | 0x3FF0000000000000
    return bits.to(tl.float64, bitcast=True) - 1.0


@triton.jit
def _scores(x_at, row, c, C, real):
    """Scores of a chunk; those that are not finite, and those behind the end, are -inf."""
    x = tl.load(x_at + row[:, None] * C + c, mask=real[:, None] & (c < C), other=-float("inf")).to(tl.float32)
    return tl.where(tl.abs(x) < float("inf"), x, -float("inf"))


@triton.jit
def _sums(x, largest, before):
    """The sums up to each class of a chunk, given those before it; no chance is less than 0, and so no sum falls."""
    chance = tl.exp(x.to(tl.float64) - largest[:, None].to(tl.float64))
    return before[:, None] + tl.cumsum(chance, axis=1)


@triton.jit
def _classes(
    state_at, x_at, y_at, size, samples, groups, UNIT: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    C = groups * UNIT
    q = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)  # int64: row * C may pass 2**31
    real, row, lane = q < size, q // samples, tl.arange(0, BLOCK)[None, :]
    largest = tl.full((ROWS,), -float("inf"), tl.float32)
    for start in range(0, C, BLOCK):
        largest = tl.maximum(largest, tl.max(_scores(x_at, row, start + lane, C, real), axis=1))
    largest = tl.where(largest > -float("inf"), largest, 0.0)  # where none has a chance
    last = tl.zeros((ROWS,), tl.float64)
    for start in range(0, C, BLOCK):
        last = tl.max(_sums(_scores(x_at, row, start + lane, C, real), largest, last), axis=1)
    target = _uniform(state_at, q) * last
    before, found = tl.zeros((ROWS,), tl.float64), tl.zeros((ROWS,), tl.int32)
    for start in range(0, C, BLOCK):
        sums = _sums(_scores(x_at, row, start + lane, C, real), largest, before)
        found += tl.sum(((sums <= target[:, None]) & (start + lane < C)).to(tl.int32), axis=1)
        before = tl.max(sums, axis=1)
    tl.store(y_at + q, found.to(y_at.dtype.element_ty), mask=real)


def multinomial(logits: Any, num_samples: Any, output_dtype: Any = None, state: Any = None, out: Any = None) -> Any:
    """Class numbers [rows, samples]. state: three int64 in device memory, as of `random_uniform`."""
    rows, C = logits.shape
    samples = int(num_samples)
    if samples < 0:
        raise ValueError(f"num_samples should be non-negative, got {samples}")
    if C == 0:
        raise ValueError("num_classes should be positive, got 0")
    check_packed(logits=logits)
    check_out(out, (rows, samples))
    size = rows * samples
    if size:
        step, block = unit(C), min(CHUNK, power_of_two(C))
        together = max(1, min(TILE // block, power_of_two(size)))
        _classes[(ceil_div(size, together),)](
            state, logits, out, size, samples, C // step, UNIT=step, ROWS=together, BLOCK=block, num_warps=4,
            enable_fp_fusion=False,
        )  # fmt: skip
    return out


def reserved(shape: tuple[int, ...]) -> int:
    """How many numbers the stream counts for a result [rows, samples]: two for each of samples in fours.

    >>> reserved((3, 5)), reserved((3, 0))
    (48, 0)
    """
    rows, samples = shape
    return rows * ceil_div(samples, 4) * 4 * 2


KERNELS = {"Multinomial": Kernel(multinomial, ("float32", "float16", "bfloat16"), (1,), reserves=reserved)}
