"""Convolution by tiles: polynomials multiplied at six points, not coefficient by coefficient [W74].

Along one axis m results of a window of k places are sums of m k products, but the m + k - 1 coefficients of a product
of two polynomials are as many as the points at which it has to be known. With m + k - 1 = 6 points, one of them at
infinity,

    y = A ((G w) * (B x))       A: [m, 6]    G: [6, k]    B: [6, 6]        six products for m results

and along both axes, with sums over channels, for each tile of m x m results and each of the 36 points

    Y = V @ U       V: [tiles, C] of B x B'      U: [C, M] of G w G'      y = A Y A'

    places            3 x 3     5 x 5
    results a tile    4 x 4     2 x 2
    products          36 / 144  36 / 100 of those of the definition

dw is a convolution as well, of a tile's cells with its slopes, as many as it has results: with G of m places, A of k

    dw = A (sum over tiles of V.T @ (G dy G')) A'

    operations: 72 C M for each tile       bytes: image and result, V and Y once through the cache, and U

The points 0, 3/4, -3/4, 3/2 and -3/2 lose half of what 0, 1, -1, 2 and -2 would: errors are three times those of the
definition's order, and from FEWEST channels on far below its bound of C k k roundings of |x| |w|. But they go with the
largest numbers of a tile, not of a window: one that sees zeros alone, beside numbers, may get a rounding of those. What
is not finite makes all results of its tile so; that tells, and such convolutions take another road.

The transforms are products as well, [6, 6] with each row of each tile: NumPy hands them to BLAS one after the other, a
tenth of a microsecond each, a quarter of what ufuncs take. Next: refflow_kernels/cpu/depthwise.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.conv_windows import Part, block_of, parts
from refflow_kernels.cpu.windows import Axis

POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity
SIX = len(POINTS) + 1
FEWEST = 32  # channels, and filters: with fewer the bound does not allow for tiles, and products are too thin
ROOM = 1 << 18  # numbers of V and Y at a time
TILES = 64  # or so many tiles, if those are more
SUM = 1 << 22  # numbers of a sum of such products that may be held several times
SLOPES = 96  # the same for dw: each block adds as many numbers as U has


# -- the three matrices -------------------------------------------------------------------------------------------


def results(k: int) -> int:
    """m: results of a tile for a window of k places."""
    return SIX - k + 1


@lru_cache(16)
def _cells(dtype: Any) -> Any:
    """B [6, 6]: for each point the polynomial that is zero at all others, of a tile's cells."""
    matrix = np.zeros((SIX, SIX))
    for i in range(SIX):
        roots = np.poly(POINTS[:i] + POINTS[i + 1 :])
        matrix[i, : len(roots)] = roots[::-1]
    return matrix.astype(dtype)


@lru_cache(16)
def _places(k: int, dtype: Any) -> Any:
    """G [6, k]: the value at each point of the polynomial with k coefficients, over what B makes of 1 there."""
    matrix = np.vander([*POINTS, 0], k, increasing=True)
    matrix[-1] = np.eye(k)[-1]  # at infinity
    scale = [prod(p - q for q in POINTS if q != p) for p in POINTS]
    return (matrix / np.array([*scale, 1])[:, None]).astype(dtype)


@lru_cache(16)
def _back(m: int, dtype: Any) -> Any:
    """A [m, 6]: how the values at the points make m results."""
    matrix = np.vander([*POINTS, 0], m, increasing=True).T
    matrix[:, -1] = np.eye(m)[-1]
    return matrix.astype(dtype)


# -- tiles of images ----------------------------------------------------------------------------------------------


class _Cut(NamedTuple):
    """How an axis of so many cells is cut: patches of `reach` cells, `step` apart, the first at -before."""

    size: int
    tiles: int
    step: int
    reach: int
    before: int


def _cuts(span: Axis) -> tuple[_Cut, _Cut]:
    """Of an axis of the image, and of an axis of windows."""
    m = results(span.k)
    count = -(-span.out // m)
    return _Cut(span.size, count, m, SIX, span.before), _Cut(span.out, count, m, m, 0)


class _Patches:
    """Patches of some tile rows of some images, seen at the points; memory is kept from block to block."""

    def __init__(
        self, images: int, lines: int, cuts: Sequence[_Cut], matrices: Sequence[Any], channels: int, dtype: Any
    ):
        self._rows, self._columns = cuts
        self._matrices = matrices  # [6, reach] down, and across
        rows, columns = self._rows, self._columns
        lengths = ((count - 1) * c.step + c.reach for count, c in ((lines, rows), (columns.tiles, columns)))
        self._image = np.zeros((images, *lengths, channels), dtype)
        self._wide = np.empty((images, self._image.shape[1], columns.tiles, SIX * channels), dtype)
        self._points = np.empty((images, lines, columns.tiles, SIX, SIX * channels), dtype)
        image, line, cell, number = self._image.strides
        shape = (images, self._image.shape[1], columns.tiles, columns.reach, channels)
        self._across = as_strided(self._image, shape, (image, line, columns.step * cell, cell, number))
        image, line, tile, number = self._wide.strides
        shape = (images, lines, columns.tiles, rows.reach, SIX * channels)
        self._down = as_strided(self._wide, shape, (image, rows.step * line, tile, line, number))

    def of(self, x: Any, first: int, last: int) -> Any:
        """[tiles, 36, C] of tile rows first to last of images [N, H, W, C], until the next call."""
        rows, columns, count = self._rows, self._columns, len(x)
        start = first * rows.step - rows.before
        lines = (last - first - 1) * rows.step + rows.reach
        low, high = (min(max(0, edge), rows.size) for edge in (start, start + lines))
        image = self._image[:count, :lines]
        image[:, : low - start] = image[:, high - start :] = 0
        width = max(0, min(columns.size, image.shape[2] - columns.before))  # beyond it no patch sees a cell
        image[:, low - start : high - start, columns.before : columns.before + width] = x[:, low:high, :width]
        across = self._wide[:count, :lines].reshape(count, lines, columns.tiles, SIX, x.shape[-1])
        np.matmul(self._matrices[1], self._across[:count, :lines], out=across)
        points = self._points[:count, : last - first]
        np.matmul(self._matrices[0], self._down[:count, : last - first], out=points)
        return points.reshape(-1, SIX * SIX, x.shape[-1])


class _Results:
    """The way back: from Y of some tiles to their results, through memory of its own where a tile is cut off."""

    def __init__(self, images: int, lines: int, spans: list[Axis], filters: int, dtype: Any):
        self._rows, self._columns = spans
        self.m = results(self._rows.k), results(self._columns.k)
        self._count = -(-self._columns.out // self.m[1])
        self._across = np.empty((images, lines, self._count, SIX, self.m[1] * filters), dtype)
        self._whole = np.empty((images, lines * self.m[0], self._count * self.m[1], filters), dtype)

    def put(self, points: Any, y: Any, first: int, last: int) -> None:
        """Y [tiles, 36, M] of tile rows first to last into images y [N, P, Q, M]."""
        (m, n), count, lines, filters = self.m, len(y), last - first, y.shape[-1]
        across = self._across[:count, :lines]
        shape = (count, lines, self._count, SIX)
        np.matmul(_back(n, y.dtype), points.reshape(*shape, SIX, filters), out=across.reshape(*shape, n, filters))
        here = y[:, first * m : last * m]
        fits = here.shape[1:3] == (lines * m, self._count * n)
        whole = here if fits else self._whole[:count]
        image, line, cell, number = whole.strides
        down = as_strided(whole, (*shape[:3], m, n * filters), (image, m * line, n * cell, line, number))
        np.matmul(_back(m, y.dtype), across, out=down)
        if not fits:
            here[...] = whole[:, : here.shape[1], : here.shape[2]]


# -- the sums -----------------------------------------------------------------------------------------------------


def forward_wins(channels: int, filters: int, images: int, spans: list[Axis]) -> bool:
    """True where tiles take less time than windows."""
    return _wins(channels, filters, images, spans, 1 / 35, 1.5)


def to_filter_wins(channels: int, filters: int, images: int, spans: list[Axis]) -> bool:
    """The same for dw: BLAS turns V, and blocks are added, in a sum for each part of the work that is to be held."""
    return SIX * SIX * channels * filters <= SUM and _wins(channels, filters, images, spans, 1 / 22, 6)


def _wins(channels: int, filters: int, images: int, spans: list[Axis], product: float, number: float) -> bool:
    """In nanoseconds, fitted on a core with AVX-512: for a product of V and U, for a number of U, and of V and Y."""
    if len(spans) != 2 or min(channels, filters) < FEWEST:
        return False
    if not all(a.stride == a.dilation == 1 and 2 < a.k < SIX and a.out and max(a.before, a.after) < a.k for a in spans):
        return False  # or windows see padding alone, of which the sum is exactly zero
    tiles = images * prod(-(-a.out // results(a.k)) for a in spans)
    windows = images * prod(a.out * a.k for a in spans) * channels * filters / 40
    pairs, numbers = channels * filters, tiles * (channels + filters)
    return SIX * SIX * (pairs * (tiles * product + number) + 0.8 * numbers) < windows


def forward(x: Any, w: Any, spans: list[Axis], y: Any) -> bool:
    """y, and whether all of it is finite: else it is not what it should be."""
    rows, columns = cuts = [_cuts(a)[0] for a in spans]
    matrix = _filters(w)
    channels, filters = matrix.shape[1:]
    pieces = parts(len(x), spans, w.size, rows.tiles)
    finite = [True] * len(pieces)

    def part(number: int) -> None:
        images, lines = block_of(pieces[number], *_room(columns.tiles, channels + filters, TILES))
        patches = _Patches(images, lines, cuts, [_cells(x.dtype)] * 2, channels, x.dtype)
        back = _Results(images, lines, spans, filters, x.dtype)
        memory = np.empty((images * lines * columns.tiles, SIX * SIX, filters), x.dtype)
        for i, j, p, q in _blocks(pieces[number], images, lines):
            seen = patches.of(x[i:j], p, q)
            points = memory[: len(seen)]
            np.matmul(seen.transpose(1, 0, 2), matrix, out=points.transpose(1, 0, 2))
            back.put(points, y[i:j], p, q)
            found = (np.vdot(run, run) for run in y[i:j, p * back.m[0] : q * back.m[0]])
            finite[number] &= all(map(np.isfinite, found))

    threads.each(part, len(pieces))
    return all(finite)


def to_filter(x: Any, dy: Any, spans: list[Axis], dw: Any) -> None:
    """dw; where something is not finite dw is not, and not what it should be."""
    cuts, slopes = zip(*map(_cuts, spans), strict=True)
    places = [_places(c.reach, x.dtype) for c in slopes]
    channels, filters = dw.shape[-2:]
    pieces = parts(len(x), spans, dw.size, cuts[0].tiles)
    sums = np.zeros((len(pieces), SIX * SIX, channels, filters), x.dtype)

    def part(number: int) -> None:
        images, lines = block_of(pieces[number], *_room(cuts[1].tiles, channels + filters, SLOPES))
        patches = _Patches(images, lines, cuts, [_cells(x.dtype)] * 2, channels, x.dtype)
        given = _Patches(images, lines, slopes, places, filters, x.dtype)
        scratch = np.empty(sums.shape[1:], x.dtype)
        for i, j, p, q in _blocks(pieces[number], images, lines):
            seen, slope = patches.of(x[i:j], p, q), given.of(dy[i:j], p, q)
            np.matmul(seen.transpose(1, 2, 0), slope.transpose(1, 0, 2), out=scratch)
            np.add(sums[number], scratch, out=sums[number])

    threads.each(part, len(pieces))
    total = np.add.reduce(sums, axis=0)  # in the order of the parts
    back = np.kron(*(_back(a.k, x.dtype) for a in spans))
    np.matmul(back, total.transpose(1, 0, 2), out=dw.reshape(-1, channels, filters).transpose(1, 0, 2))


def _filters(w: Any) -> Any:
    """U [36, C, M] of filters [k, k, C, M]; they are copied as they are meant, which is less than BLAS loses."""
    there = np.kron(*(_places(k, w.dtype) for k in w.shape[:2]))
    w = np.ascontiguousarray(w).reshape(-1, *w.shape[-2:])
    matrix = np.empty((SIX * SIX, *w.shape[1:]), w.dtype)
    np.matmul(there, w.transpose(1, 0, 2), out=matrix.transpose(1, 0, 2))  # channel by channel
    return matrix


def _room(tiles: int, numbers: int, fewest: int) -> tuple[int, int]:
    """Numbers of a row of so many tiles, and of a block: with tiles enough for a product."""
    return SIX * SIX * tiles * numbers, max(ROOM, fewest * SIX * SIX * numbers)


def _blocks(part: Part, images: int, lines: int) -> Iterator[tuple[int, int, int, int]]:
    """(i, j, p, q): images i to j, tile rows p to q."""
    for i in range(part.images.start, part.images.stop, images):
        for p in range(part.first, part.last, lines):
            yield i, min(part.images.stop, i + images), p, min(part.last, p + lines)
