"""Windows that slide over images, as arrays that copy nothing [W74].

    SAME      out = ceil(in / stride), padded evenly, the odd cell at the end
    VALID     out = floor((in - reach) / stride) + 1        reach = (k - 1) * dilation + 1
    EXPLICIT  padded as told

Images are [N, spatial..., C] here, whatever the layout of the op.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided


class Axis(NamedTuple):
    """One spatial axis: sizes in and out, the window, and the padding."""

    size: int
    k: int
    stride: int
    dilation: int
    out: int
    before: int
    after: int

    def cells(self, place: int) -> slice:
        """Of the padded axis, the cells that place `place` of all windows sees."""
        start = place * self.dilation
        return slice(start, start + (self.out - 1) * self.stride + 1 if self.out else start, self.stride)

    @property
    def padded(self) -> int:
        return self.before + self.size + self.after


def axes(sizes: Sequence[int], ks: Sequence[int], attrs: dict[str, Any]) -> list[Axis]:
    """The spatial axes for an op's attributes."""
    layout, padding = attrs["data_format"], attrs["padding"]
    strides = spatial(attrs["strides"], layout)
    dilations = spatial(attrs["dilations"], layout) if attrs.get("dilations") else [1] * len(sizes)
    explicit = attrs.get("explicit_paddings") or [0] * (2 * len(sizes) + 4)
    pairs = spatial([tuple(explicit[i : i + 2]) for i in range(0, len(explicit), 2)], layout)
    found = []
    for size, k, stride, dilation, (before, after) in zip(sizes, ks, strides, dilations, pairs, strict=True):
        reach = (k - 1) * dilation + 1
        if padding == "SAME":
            out = -(-size // stride)
            total = max(0, (out - 1) * stride + reach - size)
            before, after = total // 2, total - total // 2
        else:
            out = max(0, (size + before + after - reach + stride) // stride)
        found.append(Axis(size, k, stride, dilation, out, before, after))
    return found


def spatial(values: Sequence[Any], layout: str) -> list[Any]:
    return list(values[2:]) if layout.startswith("NC") else list(values[1:-1])


def channels_last(x: Any, layout: str) -> Any:
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if layout.startswith("NC") else x


def widened(x: Any) -> Any:
    """x in the type to compute in: float16 is summed in float32."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


def memory_for(shape: Sequence[int], dtype: Any, out: Any, layout: str) -> Any:
    """Memory for a result [N, spatial..., C]: `out` where it lies like that, else fresh."""
    if out is not None and out.dtype == dtype and out.flags.c_contiguous and not layout.startswith("NC"):
        return out
    return np.empty(shape, dtype)


def handed_over(result: Any, dtype: Any, out: Any, layout: str) -> Any:
    """A result [N, spatial..., C] in the layout and type that were asked for, in `out` if there is one."""
    if result is out:
        return out
    result = np.moveaxis(result, -1, 1) if layout.startswith("NC") else result
    if out is None:
        return np.ascontiguousarray(result.astype(dtype, copy=False))
    out[...] = result
    return out


def bordered(x: Any, spans: Sequence[Axis], value: Any = 0) -> Any:
    """x with its padding, or x itself where there is none."""
    if not any(a.before or a.after for a in spans):
        return x
    image = np.full((len(x), *(a.padded for a in spans), x.shape[-1]), value, x.dtype)
    inside(image, spans)[...] = x
    return image


def inside(image: Any, spans: Sequence[Axis]) -> Any:
    """A padded image without its padding."""
    return image[(slice(None), *(slice(a.before, a.before + a.size) for a in spans))]


def seen(image: Any, spans: Sequence[Axis], first: int = 0, last: int | None = None) -> Any:
    """What each window sees, [N, out..., k..., C], of windows first to last along the first axis. A view."""
    n, *steps, c = image.strides
    outs = [a.out for a in spans]
    outs[0] = (spans[0].out if last is None else last) - first
    start = image[:, first * spans[0].stride :]
    return as_strided(
        start,
        (len(image), *outs, *(a.k for a in spans), image.shape[-1]),
        (n, *(s * a.stride for s, a in zip(steps, spans, strict=True)),
         *(s * a.dilation for s, a in zip(steps, spans, strict=True)), c),
        writeable=False,
    )  # fmt: skip


def run_of(span: Axis, p: int, q: int) -> tuple[slice, Axis]:
    """The cells that the windows p to q see, and an axis of these cells and windows alone."""
    start = p * span.stride - span.before
    stop = (q - 1) * span.stride + (span.k - 1) * span.dilation + 1 - span.before
    low, high = (min(span.size, max(0, edge)) for edge in (start, stop))
    return slice(low, high), span._replace(size=high - low, out=q - p, before=low - start, after=stop - high)


@lru_cache(1024)
def sees(span: Axis, place: int) -> tuple[slice, slice]:
    """The windows whose place `place` is a cell of the image, and those cells."""
    shift = place * span.dilation - span.before
    first = max(0, -(shift // span.stride))
    last = min(span.out, (span.size - 1 - shift) // span.stride + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    start = first * span.stride + shift
    return slice(first, last), slice(start, start + (last - first - 1) * span.stride + 1, span.stride)


# -- from windows back to cells ---------------------------------------------------------------------------------


class Residue(NamedTuple):
    """The places of a window that see the cells s v + b, which are cell v + shift of theirs."""

    b: int
    places: slice
    number: int  # of places
    shift: int  # of the first place
    step: int  # from one place to the next


def residues(span: Axis) -> list[Residue]:
    """For each residue of the stride that a place of the window meets."""
    found = []
    for b in range(span.stride):
        places = [j for j in range(span.k) if j * span.dilation % span.stride == b]
        if places:
            shifts = [j * span.dilation // span.stride for j in places]
            every, step = (places[1] - places[0], shifts[1] - shifts[0]) if len(places) > 1 else (1, 1)
            found.append(Residue(b, slice(places[0], places[-1] + 1, every), len(places), shifts[0], step))
    return found


class Walk(NamedTuple):
    """Cells of one residue, as windows of stride 1 on the windows that see them."""

    cells: slice  # of the image's axis
    windows: slice  # those that see one of them
    places: slice  # of the window, in the order in which such a cell meets the windows
    axis: Axis


@lru_cache(1024)
def backwards(span: Axis) -> list[Walk]:
    """For each residue of the stride that a place of the window meets: p = v - shift, seen from the cells s v + b."""
    found = []
    for at in residues(span):
        v = max(0, -((at.b - span.before) // span.stride))  # the first cell that is not padding
        cells = slice(v * span.stride + at.b - span.before, span.size, span.stride)
        out = len(range(span.size)[cells])
        reach = (at.number - 1) * at.step
        before = at.shift + reach - v
        after = out + reach - before - span.out
        windows = slice(max(0, -before), max(0, -before, span.out + min(0, after)))
        places = [*range(span.k)[at.places]]
        ends = places[0] - 1
        turned = slice(places[-1], ends if ends >= 0 else None, places[0] - places[1] if len(places) > 1 else -1)
        axis = Axis(windows.stop - windows.start, at.number, 1, at.step, out, max(0, before), max(0, after))
        found.append(Walk(cells, windows, turned, axis))
    return found
