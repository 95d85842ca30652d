"""Windows that slide over images, as views: which cells of which array a convolution multiplies [W74].

Forward, each result o reads k places of the image, one for each tap p of the filter:

    cell = o * stride + p * dilation - before

The data gradient asks the other way round: which results o did cell i take part in? Those with
o = (i + before - p * dilation) / stride, where that is whole. For a stride s the cells fall in s classes, i = s j + r.
In one class the taps that fit are evenly spaced, and the results move evenly with j. So each class is a
convolution of its own with stride 1, over a view of the filter (every so-many-th tap) into a view of dx (every s-th
cell). Nothing is scattered, and the three sums need one description, `Walk`:

    result j reads, for q = 0 .. taps - 1, the cell j * stride + q * shift + start

All arrays are [N, D, H, W, C] here, whatever their layout; an image has D = 1.

Next: refflow_kernels/gpu/conv_pointers.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd
from typing import Any, NamedTuple

from refflow_kernels.gpu.arrays import ceil_div


class Axis(NamedTuple):
    """One spatial axis: sizes in and out, the window, and the cells padded before."""

    size: int
    k: int
    stride: int
    dilation: int
    out: int
    before: int


class Walk(NamedTuple):
    """How the results along one axis read their operand: see the page's first lines.

    cells, places: the slices of the result and of the filter's taps that belong to this walk.
    """

    cells: slice
    places: slice
    stride: int
    shift: int
    start: int


class Volume(NamedTuple):
    """An array [N, D, H, W, C], or a filter [D, H, W, C, M]: memory, sizes and strides in elements."""

    memory: Any
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def turned(self) -> Volume:
        """The last two axes exchanged."""
        (*a, c, m), (*s, sc, sm) = self.shape, self.strides
        return Volume(self.memory, (*a, m, c), (*s, sm, sc))


def spatial(values: Sequence[Any], layout: str) -> list[Any]:
    """The spatial entries of a list that has one for each axis of the data.

    >>> spatial([1, 2, 3, 1], "NHWC"), spatial([1, 1, 2, 3], "NCHW")
    ([2, 3], [2, 3])
    """
    return list(values[2:]) if layout.startswith("NC") else list(values[1:-1])


def axes_of(sizes: Sequence[int], ks: Sequence[int], attrs: dict[str, Any]) -> list[Axis]:
    """The three spatial axes for an op's attributes; an image's first is of size 1.

    >>> attrs = {"strides": [1, 2, 2, 1], "padding": "SAME", "data_format": "NHWC"}
    >>> axes_of([6, 5], [3, 3], attrs)[1:]
    [Axis(size=6, k=3, stride=2, dilation=1, out=3, before=0), Axis(size=5, k=3, stride=2, dilation=1, out=3, before=1)]
    """
    layout = attrs["data_format"]
    strides = spatial(attrs["strides"], layout)
    dilations = spatial(attrs.get("dilations") or [1] * (len(sizes) + 2), layout)
    explicit = attrs.get("explicit_paddings") or [0] * (2 * len(sizes) + 4)
    pairs = spatial([tuple(explicit[i : i + 2]) for i in range(0, len(explicit), 2)], layout)
    found = [Axis(1, 1, 1, 1, 1, 0)] * (3 - len(sizes))
    for size, k, stride, dilation, (before, after) in zip(sizes, ks, strides, dilations, pairs, strict=True):
        reach = (k - 1) * dilation + 1
        if attrs["padding"] == "SAME":
            out = ceil_div(size, stride)
            before = max(0, (out - 1) * stride + reach - size) // 2
        else:
            out = max(0, (size + before + after - reach + stride) // stride)
        found.append(Axis(size, k, stride, dilation, out, before))
    return found


def forward_walk(axis: Axis) -> Walk:
    """How y reads x.

    >>> forward_walk(Axis(size=6, k=3, stride=2, dilation=1, out=3, before=0))
    Walk(cells=slice(0, None, 1), places=slice(0, None, 1), stride=2, shift=1, start=0)
    """
    return Walk(slice(0, None, 1), slice(0, None, 1), axis.stride, axis.dilation, -axis.before)


def backward_walks(axis: Axis) -> Iterator[Walk]:
    """How each class of dx's cells reads dy.

    >>> for walk in backward_walks(Axis(size=6, k=3, stride=2, dilation=1, out=3, before=0)):
    ...     print(walk.cells, walk.places, walk.shift, walk.start)
    slice(0, None, 2) slice(0, None, 2) -1 0
    slice(1, None, 2) slice(1, None, 2) -1 0
    """
    common = gcd(axis.stride, axis.dilation)
    every = axis.stride // common  # of the taps, this one fits next
    for r in range(min(axis.stride, axis.size)):
        place = r + axis.before
        first = next((p for p in range(every) if (place - p * axis.dilation) % axis.stride == 0), axis.k)
        start = (place - first * axis.dilation) // axis.stride
        yield Walk(slice(r, None, axis.stride), slice(first, None, every), 1, -(axis.dilation // common), start)


def volume(x: Any, layout: str, cells: Sequence[slice] = ()) -> Volume:
    """x as [N, D, H, W, C], or the cells of it along D, H and W that the slices name."""
    rank = len(x.shape) - 2
    first = layout.startswith("NC")
    if cells:
        lead = (slice(None), slice(None)) if first else (slice(None),)
        x = x[(*lead, *cells[3 - rank :])]
    shape, strides = list(x.shape), list(x.stride())
    order = [0, *range(2, rank + 2), 1] if first else list(range(rank + 2))
    shape, strides = [shape[i] for i in order], [strides[i] for i in order]
    return Volume(x, (shape[0], *[1] * (3 - rank), *shape[1:]), (strides[0], *[0] * (3 - rank), *strides[1:]))


def taps(w: Any, places: Sequence[slice] = ()) -> Volume:
    """A filter [k..., C, M] as [D, H, W, C, M], or those taps of it that the slices name."""
    rank = len(w.shape) - 2
    if places:
        w = w[tuple(places[3 - rank :])]
    return Volume(w, (*[1] * (3 - rank), *w.shape), (*[0] * (3 - rank), *w.stride()))
