"""How a reduction over any axes becomes launches: which axis first, where it is cut, and the tiles.

A card is kept busy by bytes on their way: 4.8 TB/s for some 0.7 us are 25 KB for each of 132 processors. So there are

    many programs   8 on a processor, of 4 warps, which read 2048 elements at a time: 64 KB of float32
    few programs    at most 2 on a processor, of 16 warps and 8192 elements: as many bytes

The second way leaves fewer partial results, and is taken where these are most of what the last stage reads, in narrow
matrices; and where there are no more results than that. A long axis is cut once: the last stage reads at most three
tiles for each result, whose programs take 8 neighbours each where 64 would leave processors idle.

Next: refflow_kernels/gpu/reductions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from refflow_kernels.gpu.arrays import PROCESSORS, ceil_div, power_of_two

_TILE, _LARGE = 2048, 8192  # elements that a program of 4 or of 16 warps reads at a time: 16 for each thread
_ACROSS, _FEWEST = 64, 8  # neighbouring results of a program: lines of 256 bytes, and of 32
_WALKED = 8  # tiles that a program may walk through before it is worth another launch to have several do it
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
        """How long a piece is: a multiple of the tile's length, but where the axis is whole."""
        return self.length if self.pieces == 1 else _piece(self.outer, self.length, self.inner, self.pieces)

    @property
    def size(self) -> int:
        return self.outer * self.length * self.inner


class Tile(NamedTuple):
    """What a program takes at a time: lanes along the reduced axis, for each of some results."""

    results: int
    lanes: int
    warps: int


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
    [512, 1]
    >>> for stage in stages_of((1 << 20, 10), (0,)):  # 32 rows of 10 columns as one of 320
    ...     print(stage)
    Stage(outer=1, length=32768, inner=320, pieces=52)
    Stage(outer=1, length=1664, inner=10, pieces=1)
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
    whole = Stage(outer, length, inner, 1)
    if whole.size == 0 or length * _across(outer, inner) <= _WALKED * _TILE:
        return [whole]
    folded = 1
    while 1 < inner < _ACROSS and folded * inner % _ACROSS and 2 * folded * inner <= _FOLDED:
        if length % (2 * folded):
            break
        folded *= 2
    first = Stage(outer, length // folded, folded * inner, pieces_of(outer, length // folded, folded * inner))
    return [first, Stage(outer, first.pieces * folded, inner, 1)] if first.pieces * folded > 1 else [whole]


def pieces_of(outer: int, length: int, inner: int, crowd: int = 0) -> int:
    """In how many pieces the axis is worth cutting, for `crowd` programs on a processor; 0: as the page has it.

    >>> pieces_of(4096, 1024, 1), pieces_of(1, 1 << 26, 1), pieces_of(1, 8192, 8192), pieces_of(1, 100_000, 64)
    (1, 1024, 8, 261)
    """
    if length * _across(outer, inner) <= _WALKED * _TILE:
        return 1
    programs = (crowd or (2 if _leaves_few(outer, inner) else 8)) * PROCESSORS
    pieces = min(programs // _tiles(outer, inner), ceil_div(length, _lanes(outer, inner)))
    return ceil_div(length, _piece(outer, length, inner, pieces)) if pieces >= 2 else 1


def _across(outer: int, inner: int) -> int:
    """How many neighbouring results a program has where the axis is cut."""
    return min(_ACROSS, power_of_two(outer * inner)) if inner > 1 else 1


def _tiles(outer: int, inner: int) -> int:
    return ceil_div(outer * inner, _across(outer, inner))


def _leaves_few(outer: int, inner: int) -> bool:
    """True where an axis is cut for few large programs: columns, few enough to be shared out evenly all the same."""
    return inner > 1 and 4 * _tiles(outer, inner) <= PROCESSORS


def _lanes(outer: int, inner: int) -> int:
    """The lanes of a tile where the axis is cut."""
    return (_LARGE if _leaves_few(outer, inner) else _TILE) // _across(outer, inner)


def _piece(outer: int, length: int, inner: int, pieces: int) -> int:
    """A piece's length, as a multiple of a tile's."""
    lanes = _lanes(outer, inner)
    return ceil_div(ceil_div(length, pieces), lanes) * lanes


def tile_of(stage: Stage) -> Tile:
    """The tile: along whichever axis lies together in memory.

    >>> tile_of(Stage(4096, 1000, 1, 1)), tile_of(Stage(16, 16384, 1, 1)), tile_of(Stage(1, 8192, 8192, 8))
    (Tile(results=2, lanes=1024, warps=4), Tile(results=1, lanes=8192, warps=16), Tile(results=64, lanes=32, warps=4))
    >>> tile_of(Stage(1, 261, 64, 1)), tile_of(Stage(1 << 20, 10, 1, 1))
    (Tile(results=8, lanes=512, warps=8), Tile(results=128, lanes=16, warps=4))
    """
    outer, length, inner, pieces = stage
    if pieces > 1:
        results, lanes = _across(outer, inner), _lanes(outer, inner)
    elif inner == 1:
        lanes = min(power_of_two(length), _LARGE if outer <= 2 * PROCESSORS else _TILE)
        results = max(1, min(_TILE // lanes, power_of_two(ceil_div(outer, PROCESSORS))))
    else:
        results = _across(outer, inner)
        while results > _FEWEST and ceil_div(outer * inner, results) < PROCESSORS and length * results > _TILE:
            results //= 2
        few = ceil_div(outer * inner, results) <= 2 * PROCESSORS
        lanes = min(power_of_two(length), (_LARGE if few else _TILE) // results)
    return Tile(results, lanes, min(16, max(1, results * lanes // 512)))


def rooms(stages: Sequence[Stage]) -> tuple[list[int], tuple[tuple[int, ...], str] | None]:
    """Where each stage's partial results begin in the workspace, in words, and the workspace that is needed."""
    places = [0]
    for stage in stages[:-1]:
        places.append(places[-1] + _WORDS * ceil_div(stage.results, _ALIGN) * _ALIGN)
    return places, ((places[-1],), "float32") if places[-1] else None
