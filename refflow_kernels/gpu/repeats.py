"""Steps that feed themselves: batches that lie on the card are picked by a counter that lies there too.

    counter = [step, row], int64

    pick_row(data, counter, out)        out = data[step % rows]
    keep_row(value, counter, out)       out[row] = value
    advance(counter, rows)              step += 1, row = (row + 1) % rows

    bytes: a row read and a row written        operations: none

Rows are moved as words, whatever their type. So the same captured launches do another step each time they run.

Next: refflow_kernels/gpu/arrays.py.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div

BLOCK = 1024  # words in one program: 8 for each thread


@triton.jit
def _pick_row(data, counter, out, rows, size, BLOCK: tl.constexpr):
    row = tl.load(counter) % rows  # int64: row * size may pass 2**31
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    tl.store(out + i, tl.load(data + row * size + i, mask=real, other=0), mask=real)


@triton.jit
def _keep_row(value, counter, out, size, BLOCK: tl.constexpr):
    row = tl.load(counter + 1)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    tl.store(out + row * size + i, tl.load(value + i, mask=real, other=0), mask=real)


@triton.jit
def _advance(counter, rows):
    step, row = tl.load(counter), tl.load(counter + 1)
    tl.store(counter, step + 1)
    tl.store(counter + 1, (row + 1) % rows)


def pick_row(data: Any, counter: Any, out: Any) -> None:
    """The row of `data` [rows, size] that the counter's step asks for, into `out` [size]."""
    rows, size = data.shape
    if size:
        _pick_row[(ceil_div(size, BLOCK),)](data, counter, out, rows, size, BLOCK=BLOCK, enable_fp_fusion=True)


def keep_row(value: Any, counter: Any, out: Any) -> None:
    """`value` [size] into the row of `out` [rows, size] that the counter is at."""
    size = out.shape[1]
    if size:
        _keep_row[(ceil_div(size, BLOCK),)](value, counter, out, size, BLOCK=BLOCK, enable_fp_fusion=True)


def advance(counter: Any, rows: int) -> None:
    """One step on; the row goes round."""
    _advance[(1,)](counter, rows, enable_fp_fusion=True)
