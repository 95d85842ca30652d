"""Windows that slide over images: how many there are, what surrounds them, what each place of a window sees [W74].

    SAME      out = ceil(in / stride), padded evenly, the odd cell at the end
    VALID     out = ceil((in - reach + 1) / stride), nothing padded [E03]   reach = (k - 1) * dilation + 1
    EXPLICIT  padded as told

A loop over the k * k places of a window replaces the loop over windows: place p sees the image shifted by p, every
stride-th cell of it. Sums over places of such views are convolutions and pools.

Next: ops/conv.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from refflow.core.errors import ShapeError


class Window(NamedTuple):
    """One spatial axis: sizes in and out, the window's places, and the padding."""

    size: int
    k: int
    stride: int
    dilation: int
    out: int
    before: int
    after: int


def out_and_padding(
    size: int, k: int, stride: int, dilation: int, padding: str, explicit: tuple[int, int] = (0, 0)
) -> tuple[int, int, int]:
    """How many windows there are along an axis, and the cells padded before and after."""
    reach = (k - 1) * dilation + 1
    if padding == "SAME":
        out = -(-size // stride)
        pad = max(0, (out - 1) * stride + reach - size)
        return out, pad // 2, pad - pad // 2
    before, after = explicit if padding == "EXPLICIT" else (0, 0)
    room = size + before + after - reach + stride
    if room <= -stride:
        raise ShapeError(
            f"Computed output size would be negative: {-(-room // stride)} [input_size: {size}, "
            f"effective_filter_size: {reach}, stride: {stride}]"
        )
    return max(0, room // stride), before, after


def windows(
    sizes: Sequence[int], ks: Sequence[int], strides: Sequence[int], dilations: Sequence[int], padding: str,
    explicit: Sequence[tuple[int, int]] = (),
) -> list[Window]:  # fmt: skip
    """A Window for each spatial axis."""
    found = []
    for i, (size, k, stride, dilation) in enumerate(zip(sizes, ks, strides, dilations, strict=True)):
        pair = explicit[i] if explicit else (0, 0)
        found.append(Window(size, k, stride, dilation, *out_and_padding(size, k, stride, dilation, padding, pair)))
    return found


def padded(x: np.ndarray, axes: list[Window], value: Any = 0) -> np.ndarray:
    """x [N, spatial..., C] with its borders."""
    widths = [(0, 0), *((w.before, w.after) for w in axes), (0, 0)]
    return np.pad(x, widths, constant_values=value) if any(a or b for a, b in widths) else x


def places(axes: list[Window]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """For each place of a window: its indices, and where in the padded image each window sees it."""
    for at in itertools.product(*(range(w.k) for w in axes)):
        view = tuple(
            slice(p * w.dilation, p * w.dilation + (w.out - 1) * w.stride + 1 if w.out else 0, w.stride)
            for p, w in zip(at, axes, strict=True)
        )
        yield at, (slice(None), *view)


def cropped(x: np.ndarray, axes: list[Window]) -> np.ndarray:
    """A padded image without its borders."""
    return x[(slice(None), *(slice(w.before, w.before + w.size) for w in axes))]


# -- layouts -------------------------------------------------------------------------------------------------


def spatial(values: Sequence[Any], data_format: str) -> list[Any]:
    """The spatial entries of a list that has one for each axis of the data."""
    return list(values[2:]) if data_format.startswith("NC") else list(values[1:-1])


def channels_last(x: np.ndarray, data_format: str) -> np.ndarray:
    return np.moveaxis(x, 1, -1) if data_format.startswith("NC") else x


def as_format(x: np.ndarray, data_format: str) -> np.ndarray:
    """[N, spatial..., C] in the format that is asked for."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1) if data_format.startswith("NC") else x)


def explicit_pairs(explicit: Sequence[int], data_format: str) -> list[tuple[int, int]]:
    """`explicit_paddings`, two numbers for each axis, as pairs of the spatial axes."""
    pairs = [(explicit[i], explicit[i + 1]) for i in range(0, len(explicit), 2)]
    return spatial(pairs, data_format) if pairs else []


# -- what a node says -----------------------------------------------------------------------------------------


def shaped(spatial_out: Sequence[int | None], batch: Any, channels: Any, data_format: str) -> tuple[Any, ...]:
    if data_format.startswith("NC"):
        return (batch, channels, *spatial_out)
    return (batch, *spatial_out, channels)


def sizes_out(dims: Sequence[int | None], ks: Sequence[int | None], strides: Sequence[int], dilations: Sequence[int],
              padding: str, explicit: Sequence[tuple[int, int]] = (),
              fits: bool = False) -> list[int | None]:  # fmt: skip
    """Output sizes, None where the input's or the window's is not known.

    fits: a window must fit in, as while building; a step finds that there are no windows.
    """
    found: list[int | None] = []
    for i, (size, k) in enumerate(zip(dims, ks, strict=True)):
        if size is None or (k is None and padding != "SAME"):
            found.append(None)
            continue
        pair = explicit[i] if explicit else (0, 0)
        out = out_and_padding(size, 1 if k is None else k, strides[i], dilations[i], padding, pair)[0]
        if fits and padding != "SAME":
            reach = 1 if k is None else (k - 1) * dilations[i] + 1
            room = size + (sum(pair) if padding == "EXPLICIT" else 0)
            if reach > room:
                raise ShapeError(
                    f"Negative dimension size caused by subtracting {reach} from {room}: a window that reaches over "
                    f"{reach} does not fit on the {room} of spatial axis {i}. Take a smaller window, or padding SAME"
                )
        found.append(out)
    return found


def channel_axis(data_format: str) -> int:
    return 1 if data_format.startswith("NC") else -1
