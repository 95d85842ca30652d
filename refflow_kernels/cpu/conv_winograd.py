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

Of volumes the last two axes are cut into tiles. Along the first a window's places are products of their own, of U for
each place with V of the lines that it sees, summed as Y before the way back: a line's V serves all windows that see it.

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
from refflow_kernels.cpu.conv_places import Block, blocks_of
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
    held = SIX * SIX * channels * filters * prod(a.k for a in spans[:-2])
    return held <= SUM and _wins(channels, filters, images, spans, 1 / 22, 6)


def _wins(channels: int, filters: int, images: int, spans: list[Axis], product: float, number: float) -> bool:
    """In nanoseconds, fitted on a core with AVX-512: for a product of V and U, for a number of U, and of V and Y."""
    if len(spans) not in (2, 3) or min(channels, filters) < FEWEST or any(a.stride > 1 or not a.out for a in spans):
        return False
    front, tiled = spans[:-2], spans[-2:]
    if any(max(a.before, a.after) > _beyond(a) or a.dilation > a.size for a in front):
        return False
    if not all(a.dilation == 1 and 2 < a.k < SIX and max(a.before, a.after) < a.k for a in tiled):
        return False  # or windows see padding alone, of which the sum is exactly zero
    tiles = images * prod(a.out for a in front) * prod(-(-a.out // results(a.k)) for a in tiled)
    windows = images * prod(a.out * a.k for a in spans) * channels * filters / 40
    pairs, numbers = prod(a.k for a in front) * channels * filters, tiles * (channels + filters)
    return SIX * SIX * (pairs * (tiles * product + number) + 0.8 * numbers) < windows


def _volumes(spans: list[Axis], x: Any, w: Any, y: Any) -> tuple[Axis, list[Axis], Any, Any, Any]:
    """The axis in front of the tiles, those of the tiles, and volumes; images are lines of one, a window on each."""
    if len(spans) == 3:
        return spans[0], spans[1:], x, w, y
    return Axis(len(x), 1, 1, 1, len(x), 0, 0), spans, x[None], w[None], y[None]


def forward(x: Any, w: Any, spans: list[Axis], y: Any) -> bool:
    """y, and whether all of it is finite: else it is not what it should be."""
    depth, spans, x, w, y = _volumes(spans, x, w, y)
    rows, columns = cuts = [_cuts(a)[0] for a in spans]
    matrices = [_filters(places) for places in w]
    channels, filters = w.shape[-2:]
    pieces = parts(len(x) * depth.out, spans, w.size, rows.tiles)
    finite = [True] * len(pieces)

    def part(number: int) -> None:
        lines, step = _block_of(pieces[number], depth, columns.tiles, channels + filters, TILES)
        patches = _Patches(lines + _beyond(depth), step, cuts, [_cells(x.dtype)] * 2, channels, x.dtype)
        back = _Results(lines, step, spans, filters, x.dtype)
        memory = np.empty((2, lines * step * columns.tiles, SIX * SIX, filters), x.dtype)
        for n, block, p, q in _blocks(pieces[number], depth, lines, step):
            seen = _by_lines(patches.of(x[n, block.cells], p, q), block.cells)
            results = y[n, block.windows]
            points, scratch = memory[:, : len(results) * (q - p) * columns.tiles]
            points = _by_lines(points, block.windows)
            back.put(_sum(seen, matrices, block, points, scratch), results, p, q)
            found = (np.vdot(run, run) for run in results[:, p * back.m[0] : q * back.m[0]])
            finite[number] &= all(map(np.isfinite, found))

    threads.each(part, len(pieces))
    return all(finite)


def _sum(seen: Any, matrices: Sequence[Any], block: Block, points: Any, scratch: Any) -> Any:
    """Y of V [lines, tiles, 36, C]: a product for each place in front, the first of them written, others added."""
    (place, windows, lines), *others = block.places
    points[: windows.start] = points[windows.stop :] = 0
    np.matmul(_points(seen[lines]), matrices[place], out=_points(points[windows]))
    for place, windows, lines in others:
        result = points[windows].reshape(-1, *points.shape[2:])
        product = scratch[: len(result)]
        np.matmul(_points(seen[lines]), matrices[place], out=product.transpose(1, 0, 2))
        np.add(result, product, out=result)
    return points.reshape(-1, *points.shape[2:])


def to_filter(x: Any, dy: Any, spans: list[Axis], dw: Any) -> None:
    """dw; where something is not finite dw is not, and not what it should be."""
    depth, spans, x, dw, dy = _volumes(spans, x, dw, dy)
    cuts, slopes = zip(*map(_cuts, spans), strict=True)
    places = [_places(c.reach, x.dtype) for c in slopes]
    channels, filters = dw.shape[-2:]
    pieces = parts(len(x) * depth.out, spans, dw.size, cuts[0].tiles)
    sums = np.zeros((len(pieces), depth.k, SIX * SIX, channels, filters), x.dtype)

    def part(number: int) -> None:
        lines, step = _block_of(pieces[number], depth, cuts[1].tiles, channels + filters, SLOPES)
        patches = _Patches(lines + _beyond(depth), step, cuts, [_cells(x.dtype)] * 2, channels, x.dtype)
        given = _Patches(lines, step, slopes, places, filters, x.dtype)
        scratch = np.empty(sums.shape[2:], x.dtype)
        for n, block, p, q in _blocks(pieces[number], depth, lines, step):
            seen = _by_lines(patches.of(x[n, block.cells], p, q), block.cells)
            slope = _by_lines(given.of(dy[n, block.windows], p, q), block.windows)
            for place, windows, cells in block.places:
                np.matmul(_points(seen[cells]).transpose(0, 2, 1), _points(slope[windows]), out=scratch)
                np.add(sums[number, place], scratch, out=sums[number, place])

    threads.each(part, len(pieces))
    total = np.add.reduce(sums, axis=0)  # in the order of the parts
    back = np.kron(*(_back(a.k, x.dtype) for a in spans))
    for place, points in zip(dw, total, strict=True):
        np.matmul(back, points.transpose(1, 0, 2), out=place.reshape(-1, channels, filters).transpose(1, 0, 2))


def _filters(w: Any) -> Any:
    """U [36, C, M] of filters [k, k, C, M]; they are copied as they are meant, which is less than BLAS loses."""
    there = np.kron(*(_places(k, w.dtype) for k in w.shape[:2]))
    w = np.ascontiguousarray(w).reshape(-1, *w.shape[-2:])
    matrix = np.empty((SIX * SIX, *w.shape[1:]), w.dtype)
    np.matmul(there, w.transpose(1, 0, 2), out=matrix.transpose(1, 0, 2))  # channel by channel
    return matrix


def _by_lines(points: Any, lines: slice) -> Any:
    """[lines, tiles, 36, C] of [tiles of all lines, 36, C]."""
    return points.reshape(lines.stop - lines.start, -1, *points.shape[1:])


def _points(points: Any) -> Any:
    """The matrices [36, tiles, C] of [lines, tiles, 36, C]."""
    return points.reshape(-1, *points.shape[2:]).transpose(1, 0, 2)


def _beyond(depth: Axis) -> int:
    """Lines that some windows see, besides one for each."""
    return (depth.k - 1) * depth.dilation


def _block_of(part: Part, depth: Axis, tiles: int, numbers: int, fewest: int) -> tuple[int, int]:
    """How many lines of windows, and tile rows of each, are taken at a time: of volumes many lines, which share V."""
    row, room = SIX * SIX * tiles * numbers, max(ROOM, fewest * SIX * SIX * numbers)
    if depth.k == 1:
        return block_of(part, row, room)
    lines = max(1, min(part.images.stop - part.images.start, depth.out, room // row))
    return lines, max(1, min(part.last - part.first, room // (row * lines)))


def _blocks(part: Part, depth: Axis, lines: int, step: int) -> Iterator[tuple[int, Block, int, int]]:
    """(n, lines of windows, p, q): of volume n, with the cells that they see; tile rows p to q."""
    i = part.images.start
    while i < part.images.stop:
        n, a = divmod(i, depth.out)
        b = min(depth.out, a + lines, a + part.images.stop - i)
        (block,) = blocks_of(depth, a, b, b - a)
        for p in range(part.first, part.last, step):
            yield n, block, p, min(part.last, p + step)
        i += b - a
