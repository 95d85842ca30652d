"""The k largest along the last axis, largest first, and whether a class is among them [W06].

    TopK TopKV2          values [..., k], and their places; of equal ones the first comes first, and NaN before all
    InTopK InTopKV2      true where fewer than k classes score higher than the target

    bytes: x, from the second of the k rounds on out of registers or cache        operations: C for each of the k

An element and its place are one number of 64 bits, in whose order the elements are sorted:

    upper half    a whole number for the element, larger where that is larger, and the same for -0 and 0
    lower half    2**32 - 1 - place

No two are equal, so the next one of the k is the largest of those below the last: nothing has to be taken out. A row of
up to LONG elements stays in registers through all rounds, a longer one is read in each.

Next: refflow_kernels/gpu/nd.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two, unit
from refflow_kernels.kernel import Kernel

LONG = 4096  # elements: from here on a row is read in chunks
TILE = 2048  # elements that one program has in registers, where rows are shorter
CHUNK = 4096  # of a long row
NOTHING = -(1 << 63)  # below all


@triton.jit
def _ranked(x, place):
    """Elements with their places, as numbers that are in order."""
    if x.dtype.is_floating():
        x = x.to(tl.float32)
        bits = x.to(tl.int32, bitcast=True)
        key = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # negative ones are the larger the further from 0
        key = tl.where(x == 0, 0, key)
        key = tl.where(x != x, 0x7FFFFFFF, key)
    else:
        key = x.to(tl.int32)
    return (key.to(tl.int64) << 32) | (0xFFFFFFFF - place.to(tl.int64))


@triton.jit
def _top(
    x, values, places, N, groups, k,
    UNIT: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, NOTHING: tl.constexpr,
):  # fmt: skip
    C = groups * UNIT
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)  # int64: row * C may pass 2**31
    n, c = row[:, None], tl.arange(0, BLOCK)[None, :]
    real = (n < N) & (c < C)
    ranked = tl.where(real, _ranked(tl.load(x + n * C + c, mask=real, other=0), c), NOTHING)  # [ROWS, BLOCK]
    for j in range(k):
        best = tl.max(ranked, axis=1)
        place = 0xFFFFFFFF - (best & 0xFFFFFFFF)
        value = tl.load(x + row * C + place, mask=row < N, other=0)
        tl.store(values + row * k + j, value, mask=row < N)
        tl.store(places + row * k + j, place.to(places.dtype.element_ty), mask=row < N)
        ranked = tl.where(ranked < best[:, None], ranked, NOTHING)


@triton.jit
def _top_long(x, values, places, groups, k, UNIT: tl.constexpr, BLOCK: tl.constexpr, NOTHING: tl.constexpr):
    """One program a row."""
    C = groups * UNIT
    row = tl.program_id(0).to(tl.int64)
    x += row * C
    last = tl.full((), 0x7FFFFFFFFFFFFFFF, tl.int64)
    for j in range(k):
        most = tl.full((BLOCK,), NOTHING, tl.int64)
        for start in range(0, C, BLOCK):
            c = start + tl.arange(0, BLOCK)
            ranked = _ranked(tl.load(x + c, mask=c < C, other=0), c)
            most = tl.maximum(most, tl.where((c < C) & (ranked < last), ranked, NOTHING))
        last = tl.max(most, axis=0)
        place = 0xFFFFFFFF - (last & 0xFFFFFFFF)
        tl.store(values + row * k + j, tl.load(x + place))
        tl.store(places + row * k + j, place.to(places.dtype.element_ty))


def top_k(input: Any, k: int, out: Any = None) -> tuple[Any, Any]:
    """values [..., k] and int32 indices."""
    return _run(input, k, out)


def top_k_v2(input: Any, k: Any, index_type: Any = None, out: Any = None) -> tuple[Any, Any]:
    """values [..., k] and indices."""
    return _run(input, int(k), out)


def _run(x: Any, k: int, out: Any) -> tuple[Any, Any]:
    *lead, C = x.shape
    N = prod(lead)
    check_packed(input=x)
    values, places = (None, None) if out is None else out
    check_out(values, (*lead, k), "out[0], the values,")
    check_out(places, (*lead, k), "out[1], the places,")
    if N == 0 or k == 0:
        return values, places
    step = unit(C)
    if C > LONG:
        _top_long[(N,)](
            x, values, places, C // step, k, UNIT=step, BLOCK=CHUNK, NOTHING=NOTHING, num_warps=8, enable_fp_fusion=True
        )
        return values, places
    block = power_of_two(C)
    rows = max(1, min(TILE // block, power_of_two(N)))
    _top[(ceil_div(N, rows),)](
        x, values, places, N, C // step, k, UNIT=step, ROWS=rows, BLOCK=block, NOTHING=NOTHING,
        num_warps=8 if rows * block > TILE else 4, enable_fp_fusion=True,
    )  # fmt: skip
    return values, places


# -- is a class among them -----------------------------------------------------------------------------------------


@triton.jit
def _in_top(
    predictions, targets, precision, N, groups, k,
    UNIT: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """How many of a row score higher than the target's class; none is right in a row that is not finite."""
    C = groups * UNIT
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    target = tl.load(targets + row, mask=row < N, other=0).to(tl.int64)
    known = (row < N) & (target >= 0) & (target < C)
    own = tl.load(predictions + row * C + target, mask=known, other=0.0)
    higher = tl.zeros((ROWS, BLOCK), tl.int32)
    strange = tl.zeros((ROWS, BLOCK), tl.int32)
    for start in range(0, C, BLOCK):
        c = start + tl.arange(0, BLOCK)[None, :]
        real = (row < N)[:, None] & (c < C)
        x = tl.load(predictions + row[:, None] * C + c, mask=real, other=-float("inf"))
        higher += (x > own[:, None]).to(tl.int32)
        strange += (real & (x - x != 0)).to(tl.int32)
    found = known & (tl.sum(higher, axis=1) < k) & (tl.sum(strange, axis=1) == 0)
    tl.store(precision + row, found.to(precision.dtype.element_ty), mask=row < N)


def in_top_k(predictions: Any, targets: Any, k: Any, out: Any = None) -> Any:
    """True where fewer than k classes score higher than the target, in rows of finite numbers."""
    N, C = predictions.shape
    check_packed(predictions=predictions, targets=targets)
    check_out(out, (N,))
    if N:
        step = unit(C)
        block = min(power_of_two(C), TILE)
        rows = max(1, min(TILE // block, power_of_two(N)))
        _in_top[(ceil_div(N, rows),)](
            predictions, targets, out, N, C // step, int(k), UNIT=step, ROWS=rows, BLOCK=block, num_warps=4,
            enable_fp_fusion=True
        )
    return out


_TYPES = ("float32", "float16", "bfloat16", "int32", "int16", "int8", "uint8")
KERNELS = {
    "TopK": Kernel(top_k, _TYPES),
    "TopKV2": Kernel(top_k_v2, _TYPES, host_inputs=(1,)),
    "InTopK": Kernel(in_top_k, ("float32",), type_attr=""),
    "InTopKV2": Kernel(in_top_k, ("float32",), host_inputs=(2,), type_attr=""),
}
