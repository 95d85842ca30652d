"""Elementwise kernels, generated: one Triton source for an expression and the layout of its operands [S17].

    build("Add", ("x", "y"), "x + y")(x, y, out=z)

    bytes: each operand and the result once        operations: those of the expression

An operand is read in one of three ways, and each combination has a source of its own:

    "flat"      the result's shape, without gaps: element i is at place i, 16 bytes a load
    "scalar"    one element, loaded once
    "strided"   anything that broadcasts or has gaps: place = sum of coordinate * stride, with stride 0 along
                stretched axes. Axes that every operand walks through as if they were one are merged first

Whole blocks are loaded without a mask, so that loads are 16 bytes wide for odd sizes too; only the last block is masked.

Arithmetic is NumPy's to the bit for + - * / sqrt in float32: products and sums are not fused, and division is rounded
correctly. 16-bit floats are computed in float32 and rounded once. Integers divide toward zero.

Next: refflow_kernels/gpu/reductions.py.
"""

from __future__ import annotations

from typing import NamedTuple

import triton
import triton.language as tl

_BLOCK = 1024  # elements in one program: 8 for each thread
_INT32 = 1 << 31


@triton.jit
def widen(x):
    """16-bit floats as float32; everything else as it is."""
    if x.dtype == tl.float16 or x.dtype == tl.bfloat16:
        return x.to(tl.float32)
    else:
        return x


@triton.jit
def divide(x, y):
    """x / y: floats rounded correctly, integers toward zero."""
    x, y = tl.broadcast(x + (y - y), y + (x - x)) if False else (x, y)
    return x / y


class Layout(NamedTuple):
    """How the operands of one launch lie: what the generated source depends on, and the numbers it is given."""

    kinds: tuple[str, ...]
    rank: int  # axes left after merging, where an operand is strided
    wide: bool  # places pass 2**31
    numbers: tuple[int, ...]  # sizes of all axes but the first, then each strided operand's strides
    size: int
