"""How a reduction over any axes becomes launches: which axis first, and where it is cut.

Next: refflow_kernels/gpu/reductions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from refflow_kernels.gpu.arrays import PROCESSORS, ceil_div

_TILE = 2048  # elements that a program reads at a time
_PIECE = 4096  # elements that one program should at least have where a long axis is cut
_WALKED = 16  # tiles that a program may walk through before it is worth another launch to have several do it
_FOLDED = 640  # columns, at most, of a narrow matrix several of whose rows are taken for one
_ALIGN = 16  # partial results: parts of the workspace start on such places, so that loads stay 16 bytes wide
_WORDS = 2  # of 4 bytes, for each: they may be int64


class Stage(NamedTuple):
    """One launch: x [outer, length, inner] to [outer, pieces, inner]."""

    outer: int
    length: int
    inner: int
    pieces: int

    @property
    def results(self) -> int:
        return self.outer * self.pieces * self.inner

    @property
    def piece(self) -> int:
        """How long a piece is: a multiple of every tile's length, but where the axis is whole."""
        return self.length if self.pieces == 1 else _rounded(ceil_div(self.length, self.pieces), self.inner)


def axes_of(indices: Any, rank: int) -> tuple[int, ...]:
    """The axes that `indices` names: an int, a sequence or a host array of ints; negative ones count from the end.

    >>> axes_of([-1, 0, 2], 3), axes_of(1, 3), axes_of([], 3)
    ((0, 2), (1,), ())
    """
    listed = indices.tolist() if hasattr(indices, "tolist") else indices
    listed = [listed] if isinstance(listed, int) else [int(i) for i in listed]
    for i in listed:
        if not -rank <= i < rank:
            raise ValueError(f"reduction_indices has {i}, but input has axes {-rank} to {rank - 1}")
    return tuple(sorted({i % rank for i in listed}))


def stages_of(shape: Sequence[int], axes: Sequence[int]) -> list[Stage]:
    """The launches that reduce `axes`, in order; one over an axis of size 1 where there is nothing to reduce.

    >>> stages_of((6, 5, 7), (0, 2))
    [Stage(outer=30, length=7, inner=1, pieces=1), Stage(outer=1, length=6, inner=5, pieces=1)]
    >>> [s.pieces for s in stages_of((1 << 20,), (0,))]
    [256, 1]
    >>> for stage in stages_of((1 << 20, 10), (0,)):  # 64 rows of 10 columns as one of 640
    ...     print(stage)
    Stage(outer=1, length=16384, inner=640, pieces=103)
    Stage(outer=1, length=103, inner=640, pieces=1)
    Stage(outer=1, length=64, inner=10, pieces=1)
    """
    runs: list[list[Any]] = []  # [reduced?, size], neighbours merged, axes of size 1 left out
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        if runs and runs[-1][0] == (axis in axes):
            runs[-1][1] *= size
        else:
            runs.append([axis in axes, size])
    stages, inner = [], 1
    for place in reversed(range(len(runs))):
        reduced, size = runs[place]
        if reduced:
            stages += _cut(prod(size for _, size in runs[:place]), size, inner)
        else:
            inner *= size
    return stages or [Stage(inner, 1, 1, 1)]


def _cut(outer: int, length: int, inner: int) -> list[Stage]:
    """One stage; or two, where few results leave most of the card idle, or rows of few columns lie badly in tiles."""
    if outer * length * inner == 0:
        return [Stage(outer, length, inner, 1)]
    folded = 1
    while inner > 1 and 2 * folded * inner <= _FOLDED and length % (2 * folded) == 0 and length // folded >= 128:
        folded *= 2
    rows, columns = length // folded, folded * inner
    pieces = pieces_of(outer, rows, columns)
    if pieces * folded == 1:
        return [Stage(outer, length, inner, 1)]
    return [Stage(outer, rows, columns, pieces), *_cut(outer, pieces * folded, inner)]


def pieces_of(outer: int, length: int, inner: int) -> int:
    """In how many pieces the axis is worth cutting: more where there are few results, as long as pieces stay long.

    >>> pieces_of(4096, 1024, 1), pieces_of(1, 1 << 26, 1), pieces_of(1, 8192, 8192)
    (1, 1024, 8)
    """
    across = 64 if inner > 1 else 1
    if length * across <= _WALKED * _TILE:
        return 1
    pieces = min(8 * PROCESSORS // ceil_div(outer * inner, across), length * across // _PIECE)
    return ceil_div(length, _rounded(ceil_div(length, pieces), inner)) if pieces >= 2 else 1


def _rounded(length: int, inner: int) -> int:
    """A piece's length, as a multiple of a tile's."""
    tile = _TILE if inner == 1 else _TILE // 64
    return ceil_div(length, tile) * tile


def rooms(stages: Sequence[Stage]) -> tuple[list[int], tuple[tuple[int, ...], str] | None]:
    """Where each stage's partial results begin in the workspace, in words, and the workspace that is needed."""
    places = [0]
    for stage in stages[:-1]:
        places.append(places[-1] + _WORDS * ceil_div(stage.results, _ALIGN) * _ALIGN)
    return places, ((places[-1],), "float32") if places[-1] else None
