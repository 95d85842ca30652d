"""What an image's pixels in another size read of it, along each axis: taps, and the sums over them [W06].

Along an axis output pixel i looks at place x of the input, with `scale = in / out`, or `(in - 1) / (out - 1)` with
`align_corners`:

    x = i * scale                         half_pixel_centers: (i + 0.5) * scale - 0.5

A *tap* is one (place, weight) for each output pixel. Two make a line between pixels, four a cubic; an area has as many
as it touches pixels. The same taps carry gradients back.

    bytes: the image and the result once for each tap        operations: a product and a sum for each tap and pixel

Images go a few at a time, so that what is between the two axes stays in a core's cache.

Next: ops/resize.py.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np


class Tap(NamedTuple):
    """One pixel that every output pixel along an axis reads, and what it counts there."""

    place: np.ndarray  # int [out]
    weight: np.ndarray  # float32 [out]


def scale_of(size: int, out: int, align_corners: bool) -> Any:
    """How many input pixels an output pixel is wide."""
    if align_corners and size > 1 and out > 1:
        return np.float32(size - 1) / np.float32(out - 1)
    return np.float32(size) / np.float32(out)


def centres(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """Where each output pixel looks, in input pixels."""
    i = np.arange(out, dtype=np.float32)
    scale = scale_of(size, out, align_corners)
    half = np.float32(0.5)
    return (i + half) * scale - half if half_pixel_centers else i * scale


def linear_taps(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> list[Tap]:
    x = centres(size, out, align_corners, half_pixel_centers)
    floor = np.floor(x)
    upper = np.minimum(np.ceil(x).astype(np.int64), size - 1)
    lower = np.minimum(np.maximum(floor.astype(np.int64), 0), upper)
    t = x - floor
    return [Tap(lower, 1 - t), Tap(upper, t)]


_STEPS = 1024  # cubics are read from a table, as the release does


def _cubic_table(a: float) -> tuple[np.ndarray, np.ndarray]:
    """The weights of a pixel at distance t and 1 + t, for t in steps of 1 / 1024."""
    x = np.arange(_STEPS + 1, dtype=np.float64) / _STEPS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    x = x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return near.astype(np.float32), far.astype(np.float32)


def cubic_taps(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> list[Tap]:
    """Keys' cubic with a = -0.75; with half pixels a = -0.5, and pixels outside count nothing instead of repeating."""
    x = centres(size, out, align_corners, half_pixel_centers)
    floor = np.floor(x)
    offset = np.rint((x - floor) * np.float32(_STEPS)).astype(np.int64)
    near, far = _cubic_table(-0.5 if half_pixel_centers else -0.75)
    weights = [far[offset], near[offset], near[_STEPS - offset], far[_STEPS - offset]]
    places = [floor.astype(np.int64) + k for k in (-1, 0, 1, 2)]
    bounded = [np.clip(p, 0, size - 1) for p in places]
    if half_pixel_centers:
        weights = [np.where(b == p, w, np.float32(0)) for b, p, w in zip(bounded, places, weights, strict=True)]
        total = sum(weights[1:], weights[0])
        safe = np.abs(total) >= 1000 * np.finfo(np.float32).tiny
        weights = [np.where(safe, w / np.where(safe, total, 1), w) for w in weights]
    return [Tap(b, w) for b, w in zip(bounded, weights, strict=True)]


def area_taps(size: int, out: int, align_corners: bool) -> list[Tap]:
    scale = scale_of(size, out, align_corners)
    begin = np.arange(out, dtype=np.float32) * scale
    end = np.arange(1, out + 1, dtype=np.float32) * scale
    first, last = np.floor(begin).astype(np.int64), np.ceil(end).astype(np.int64)
    taps = []
    for k in range(int((last - first).max(initial=0))):
        i = first + k
        left, right = np.maximum(i, begin), np.minimum(i + 1, end)
        # A pixel that holds both ends counts a whole scale, as rounding at the last pixel may not take a part away.
        covered = np.where((i < begin) & (i + 1 > end), scale, right - left)
        weight = np.where(i < last, covered, 0).astype(np.float32) / scale
        taps.append(Tap(np.clip(i, 0, size - 1), weight))
    return taps


def nearest_index(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    i = np.arange(out, dtype=np.float32)
    scale = scale_of(size, out, align_corners)
    x = (i + np.float32(0.5)) * scale if half_pixel_centers else i * scale
    found = np.floor(x + np.float32(0.5)) if align_corners else np.floor(x)
    return np.clip(found.astype(np.int64), 0, size - 1)


def _along(weight: np.ndarray, axis: int, channels: int) -> np.ndarray:
    """Weights as an image has them; a column's stands at each of its channels, so that whole rows are multiplied."""
    return weight[:, None, None] if axis == 1 else np.repeat(weight, channels).reshape(1, len(weight), channels)


def gathered(image: np.ndarray, taps: list[Tap], axis: int, skip: bool = False) -> np.ndarray:
    """The weighted sum of taps along an axis. With `skip`, what counts nothing is not read, be it NaN."""
    total: Any = None
    for tap in taps:
        part = np.take(image, tap.place, axis)
        if not (tap.weight == 1).all():
            weight = _along(tap.weight, axis, image.shape[3])
            part *= weight
            if skip and not tap.weight.all():
                np.copyto(part, np.float32(0), where=weight == 0)
        total = part if total is None else np.add(total, part, out=total)
    return total


def between(image: np.ndarray, taps: list[Tap], axis: int) -> np.ndarray:
    """Lines from the lower pixel to the upper one, along an axis."""
    lower, upper = taps
    first = np.take(image, lower.place, axis)
    found = np.take(image, upper.place, axis)
    found -= first
    found *= _along(upper.weight, axis, image.shape[3])
    found += first
    return found


def scattered(grads: np.ndarray, taps: list[Tap], axis: int, size: int) -> np.ndarray:
    """What `gathered` reads, given back: [.., out, ..] to [.., size, ..].

    A pixel gets its slopes in the order of the taps. They come in rounds: what each pixel gets first, what it gets
    second, and so on. Who has his already reads zeros, which stand behind the last slope.
    """
    if not any(tap.weight.any() for tap in taps):
        return np.zeros((*grads.shape[:axis], size, *grads.shape[axis + 1 :]), grads.dtype)
    place, weight = (np.concatenate([part[i] for part in taps]) for i in range(2))
    source = np.tile(np.arange(grads.shape[axis]), len(taps))
    order = np.flatnonzero(weight)
    order = order[np.argsort(place[order], kind="stable")]
    place, source = place[order], source[order]
    came_before = np.arange(len(place)) - np.searchsorted(place, place)
    rounds = came_before.max() + 1
    sources, weights = np.full((rounds, size), grads.shape[axis]), np.zeros((rounds, size), grads.dtype)
    sources[came_before, place], weights[came_before, place] = source, weight[order]
    if (weights == 0).any():
        zeros = np.zeros((*grads.shape[:axis], 1, *grads.shape[axis + 1 :]), grads.dtype)
        grads = np.concatenate([grads, zeros], axis)
    return gathered(grads, list(map(Tap, sources, weights)), axis)


_BLOCK = 1 << 17  # pixels' numbers at a time, that a core's cache holds


def in_blocks(
    images: np.ndarray, dims: tuple[int, ...], dtype: Any, work: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """work(images) for a few images at a time, together [N, *dims]."""
    found = np.empty((len(images), *dims), dtype)
    step = max(1, _BLOCK // max(1, prod(dims), prod(images.shape[1:])))
    for i in range(0, len(images), step):
        found[i : i + step] = work(images[i : i + step])
    return found
