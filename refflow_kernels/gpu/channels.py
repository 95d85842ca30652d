"""Arrays with a channel axis, as [A, C, B]: for channels last B is 1, for channels first A is the images.

Kernels take tiles [BLOCK_A, BLOCK_C, BLOCK_B], whose lanes lie along C where B is 1 and along B elsewhere. Whatever
belongs to a channel, its mean or its bias, is loaded once for a tile.

Next: refflow_kernels/gpu/bias_add.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import PROCESSORS, ceil_div, power_of_two, unit

_TILE = 2048  # elements
_CHANNELS = 64  # of a tile, at most


@triton.jit
def tile_of(first_a, first_c, first_b, A, C, B, BLOCK_A: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_B: tl.constexpr):
    """Where the tile's elements lie, and which of them are real; both [BLOCK_A, BLOCK_C, BLOCK_B]."""
    a = (first_a + tl.arange(0, BLOCK_A))[:, None, None]
    c = (first_c + tl.arange(0, BLOCK_C))[None, :, None]
    b = (first_b + tl.arange(0, BLOCK_B))[None, None, :]
    return (a * C + c) * B + b, (a < A) & (c < C) & (b < B)


@triton.jit
def own_tile(A, C, B, WIDE: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_B: tl.constexpr):
    """This program's tile, as tile_of gives it, and its channels; b goes fastest. WIDE: places from 2**31 on."""
    program = tl.program_id(0)
    if WIDE:
        program = program.to(tl.int64)
    over_c, over_b = tl.cdiv(C, BLOCK_C), tl.cdiv(B, BLOCK_B)
    first_b, rest = program % over_b * BLOCK_B, program // over_b
    first_c, first_a = rest % over_c * BLOCK_C, rest // over_c * BLOCK_A
    here, real = tile_of(first_a, first_c, first_b, A, C, B, BLOCK_A, BLOCK_C, BLOCK_B)
    return here, real, first_c + tl.arange(0, BLOCK_C)


@triton.jit
def by_channel(x):
    """The sum of a tile over all but its channels, [BLOCK_C]."""
    return tl.sum(tl.sum(x, axis=2), axis=0)


@triton.jit
def along(vector):
    """A channel's number for all of its elements."""
    return vector[None, :, None]


class Channels(NamedTuple):
    """Sizes [A, C, B], and the tile."""

    a: int
    c: int
    b: int

    @property
    def elements(self) -> int:
        """Elements of a channel."""
        return self.a * self.b

    @property
    def blocks(self) -> tuple[int, int, int]:
        """
        >>> Channels(1000, 64, 1).blocks, Channels(8, 3, 50000).blocks, Channels(32, 512, 49).blocks
        ((32, 64, 1), (1, 1, 2048), (1, 32, 64))
        """
        block_b = min(_TILE, power_of_two(self.b))
        block_c = min(_CHANNELS, _TILE // block_b, power_of_two(self.c))
        return min(_TILE // (block_b * block_c), power_of_two(self.a)), block_c, block_b

    @property
    def tiles(self) -> tuple[int, int, int]:
        """How many there are along each axis."""
        return tuple(ceil_div(size, block) for size, block in zip(self, self.blocks, strict=True))  # type: ignore

    @property
    def piece(self) -> int:
        """Of A, what one program adds up: as much as leaves programs for the whole card."""
        block_a = self.blocks[0]
        pieces = max(1, min(8 * PROCESSORS // max(1, self.tiles[1]), self.tiles[0] // 4))
        return ceil_div(ceil_div(self.a, pieces), block_a) * block_a

    @property
    def pieces(self) -> int:
        return ceil_div(self.a, self.piece) if self.a else 0

    def sizes(self) -> dict[str, Any]:
        """What every kernel is told of the shape."""
        c_unit, b_unit = unit(self.c), unit(self.b)
        block_a, block_c, block_b = self.blocks
        wide = (self.a + block_a) * (self.c + block_c) * (self.b + block_b) >= 2**31
        return {
            "A": self.a, "c_groups": self.c // c_unit, "b_groups": self.b // b_unit, "C_UNIT": c_unit,
            "B_UNIT": b_unit, "WIDE": wide, "BLOCK_A": block_a, "BLOCK_C": block_c, "BLOCK_B": block_b, "num_warps": 4,
        }  # fmt: skip

    def grid(self) -> tuple[int]:
        """A program for each tile."""
        return (prod(self.tiles),)


def channels_of(shape: Sequence[int], data_format: str) -> Channels:
    """
    >>> channels_of((8, 4, 5, 3), "NHWC"), channels_of((8, 3, 4, 5), "NCHW")
    (Channels(a=160, c=3, b=1), Channels(a=8, c=3, b=20))
    """
    if data_format.startswith("NC") and len(shape) > 1:
        return Channels(shape[0], shape[1], prod(shape[2:]))
    return Channels(prod(shape[:-1]), shape[-1], 1)
