"""The order of the axes, a tile at a time [W06].

    bytes: x and y once        operations: none

Axes of size 1 go, and axes that stay neighbours become one. Of what is left two axes count: b, the last of x, along
which reading is quick, and a, the last of y, along which writing is. A program takes a tile [a, b], reads it along b
and writes it along a; in between it goes through shared memory. Where x's last axis stays the last, the tile is read
and written along it. All other axes only say where the tile lies.

Images [N, pixels, 3] have tiles of 1024 pixels by 4, of which 3 are real.

Next: refflow_kernels/gpu/pool.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, packed_strides, power_of_two, unit
from refflow_kernels.kernel import Kernel

_TILE = 4096  # elements
_SIDE = 64  # of a square tile
_OUTER = 3  # axes round the tile that a launch takes


class Axis(NamedTuple):
    """An axis of y: its size, and its strides in x and in y."""

    size: int
    x: int
    y: int


@triton.jit
def _transpose(
    x, y, x_start, y_start, a_groups, b_groups, x_step, y_step, d1, d2, x0, x1, x2, y0, y1, y2,
    A_UNIT: tl.constexpr, B_UNIT: tl.constexpr, X_UNIT: tl.constexpr, Y_UNIT: tl.constexpr, TURNED: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    A, B = a_groups * A_UNIT, b_groups * B_UNIT
    program = tl.program_id(0)
    if WIDE:  # places from 2**31 on
        program = program.to(tl.int64)
    down, along = tl.cdiv(A, BLOCK_A), tl.cdiv(B, BLOCK_B)
    tile, outer = program % (down * along), program // (down * along)
    o2, rest = outer % d2, outer // d2
    o1, o0 = rest % d1, rest // d1
    a = (tile // along * BLOCK_A + tl.arange(0, BLOCK_A))[:, None]
    b = (tile % along * BLOCK_B + tl.arange(0, BLOCK_B))[None, :]
    real = (a < A) & (b < B)
    from_ = x + (x_start + o0 * x0 + o1 * x1 + o2 * x2) * X_UNIT
    to = y + (y_start + o0 * y0 + o1 * y1 + o2 * y2) * Y_UNIT
    value = tl.load(from_ + a * (x_step * X_UNIT) + b, mask=real, other=0)
    if TURNED:
        tl.store(to + a + b * (y_step * Y_UNIT), value, mask=real)
    else:
        tl.store(to + a * (y_step * Y_UNIT) + b, value, mask=real)


def axes_of(shape: Sequence[int], order: Sequence[int]) -> list[Axis]:
    """The axes of y, those that stay neighbours as one.

    >>> axes_of((4, 20, 30, 3), (0, 3, 1, 2))
    [Axis(size=4, x=1800, y=1800), Axis(size=3, x=1, y=600), Axis(size=600, x=3, y=1)]
    """
    x_strides, y_strides = packed_strides(shape), packed_strides([shape[p] for p in order])
    axes: list[Axis] = []
    for p, y_stride in zip(order, y_strides, strict=True):
        axis = Axis(shape[p], x_strides[p], y_stride)
        if axis.size == 1:
            continue
        if axes and axes[-1].x == axis.x * axis.size:
            axis = Axis(axes.pop().size * axis.size, axis.x, axis.y)
        axes.append(axis)
    return axes


def tile_of(a: int, b: int, turned: bool) -> tuple[int, int]:
    """How large a tile is: square where both axes are long, else with more along the other.

    >>> tile_of(1000, 1000, True), tile_of(5000, 3, True), tile_of(1, 10**6, False)
    ((64, 64), (1024, 4), (1, 4096))
    """
    if not turned:
        wide = min(_TILE, power_of_two(b))
        return min(_TILE // wide, power_of_two(a)), wide
    small_a, small_b = min(_SIDE, power_of_two(a)), min(_SIDE, power_of_two(b))
    return min(1024, _TILE // small_b, power_of_two(a)), min(1024, _TILE // small_a, power_of_two(b))


def transpose(x: Any, perm: Any, out: Any = None) -> Any:
    """y[i[perm[0]], i[perm[1]], ...] = x[i[0], i[1], ...]."""
    shape = tuple(x.shape)
    order = [int(p) % len(shape) for p in perm]
    if sorted(order) != list(range(len(shape))):
        raise ValueError(f"perm is {[int(p) for p in perm]}, but x{list(shape)} needs each of its axes once")
    check_packed(x=x)
    check_out(out, [shape[p] for p in order])
    if 0 in shape:
        return out
    axes = axes_of(shape, order) or [Axis(1, 1, 1)]
    b = next(axis for axis in axes if axis.x == 1)
    others = [axis for axis in axes if axis is not b]
    turned = b.y != 1
    a = others.pop() if others else Axis(1, b.size, b.size)
    many, few = others[:-_OUTER], others[-_OUTER:]
    few = [Axis(1, 0, 0)] * (_OUTER - len(few)) + few
    for place in product(*(range(axis.size) for axis in many)):
        starts = [sum(i * axis[k] for i, axis in zip(place, many, strict=True)) for k in (1, 2)]
        _launch(x, out, starts, a, b, few, turned)
    return out


def _launch(x: Any, y: Any, starts: list[int], a: Axis, b: Axis, outer: list[Axis], turned: bool) -> None:
    y_step = b.y if turned else a.y
    x_unit = unit(a.x, starts[0], *(axis.x for axis in outer))
    y_unit = unit(y_step, starts[1], *(axis.y for axis in outer))
    a_unit, b_unit = unit(a.size), unit(b.size)
    block_a, block_b = tile_of(a.size, b.size, turned)
    tiles = ceil_div(a.size, block_a) * ceil_div(b.size, block_b) * prod(axis.size for axis in outer)
    _transpose[(tiles,)](
        x, y, starts[0] // x_unit, starts[1] // y_unit, a.size // a_unit, b.size // b_unit, a.x // x_unit,
        y_step // y_unit, outer[1].size, outer[2].size, *(axis.x // x_unit for axis in outer),
        *(axis.y // y_unit for axis in outer), A_UNIT=a_unit, B_UNIT=b_unit, X_UNIT=x_unit, Y_UNIT=y_unit,
        TURNED=turned, WIDE=tiles * block_a * block_b >= 2**31, BLOCK_A=block_a, BLOCK_B=block_b, num_warps=8,
        enable_fp_fusion=True,
    )  # fmt: skip


_TYPES = ("float32", "float16", "bfloat16", "int32", "int64", "bool")
KERNELS = {
    "Transpose": Kernel(transpose, _TYPES, host_inputs=(1,)),
    "ConjugateTranspose": Kernel(transpose, _TYPES, host_inputs=(1,)),  # these types have no mirror image
}
