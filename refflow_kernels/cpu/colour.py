"""Hue and saturation of RGB pictures, a channel at a time [W06].

    v = max(r, g, b),    s = (v - min) / v,    h = sixths of the circle / 6        and back
    hue          h turned, s and v stay        saturation    clip(s * scale, 0, 1)

    bytes: the pixels in and out        operations: about 30 for each pixel to HSV, 20 back, 60 for a turn of hue

A pixel's three numbers lie beside each other, where NumPy would step over two for each one it takes. A block of pixels
is taken apart into channels, which go through the cache, and what comes out is put beside each other again. Which
channel is the largest is as good as random from pixel to pixel: it is chosen without branches, or looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.choose import choose

_BLOCK = 1 << 13  # pixels
_TOGETHER = 4  # blocks worth a thread
_F = np.float32

# In which order r, g, b stand in each sixth of the circle: 0 the largest, 1 between, 2 the smallest.
_ORDER = np.array([[0, 1, 2], [1, 0, 2], [2, 0, 1], [2, 1, 0], [1, 2, 0], [0, 2, 1]]).T
# The sixth, by 4 (r >= b) + 2 (g >= b) + (r >= g).
_SIXTHS = np.array([3, 4, 2, 0, 1, 5, 1, 0], _F)


def adjust_saturation(images: Any, scale: Any, out: Any = None) -> Any:
    """To HSV and back, with the saturation times `scale`, at most 1."""

    def scaled(r: Any, g: Any, b: Any) -> tuple[Any, Any, Any]:
        h, s, v = _hsv(r, g, b)
        return _rgb(h, np.clip(s * _F(scale), 0, 1), v)

    return _by_channel(scaled, images, out)


def adjust_hue(images: Any, delta: Any, out: Any = None) -> Any:
    """Largest and smallest stay, and so may lie outside of [0, 1]; which channel they are in turns."""
    return _by_channel(lambda r, g, b: _turned(r, g, b, _F(delta) * _F(6)), images, out)


def _by_channel(work: Callable[..., tuple[Any, Any, Any]], images: Any, out: Any) -> Any:
    """The three channels that `work` makes of three."""
    if images.shape[-1] != 3:
        raise ValueError(f"input must have 3 channels but instead has {images.shape[-1]} channels.")
    result = out if out is not None and out.flags.c_contiguous else np.empty(images.shape, images.dtype)
    pixels, found = images.reshape(-1, 3), result.reshape(-1, 3)

    def piece(number: int) -> None:
        for start in range(number * _TOGETHER * _BLOCK, min(len(found), (number + 1) * _TOGETHER * _BLOCK), _BLOCK):
            here = slice(start, start + _BLOCK)
            channels = work(*(np.ascontiguousarray(pixels[here, c]) for c in range(3)))
            for c, channel in enumerate(channels):
                found[here, c] = channel

    threads.each(piece, -(-len(found) // (_TOGETHER * _BLOCK)))
    if out is not None and result is not out:
        out[...] = result
    return result if out is None else out


def _chosen(condition: Any, t: Any, e: Any) -> Any:
    return choose(condition, t, e, np.empty(condition.shape, _F))


def _hsv(r: Any, g: Any, b: Any) -> tuple[Any, Any, Any]:
    v = np.maximum(np.maximum(r, g), b)
    span = v - np.minimum(np.minimum(r, g), b)
    s = _chosen(v > 0, span / v, _F(0))
    red, green = r == v, g == v
    h = _chosen(red, g - b, _chosen(green, b - r, r - g))
    h *= _F(1) / span * _F(1 / 6)
    h += _chosen(red, _F(0), _chosen(green, _F(2 / 6), _F(4 / 6)))
    h = _chosen(span > 0, h, _F(0))
    h += h < 0
    return h, s, v


def _rgb(h: Any, s: Any, v: Any) -> tuple[Any, ...]:
    sixths, white = h * _F(6), 1 - s
    parts = (np.abs(sixths - 3) - 1, 2 - np.abs(sixths - 2), 2 - np.abs(sixths - 4))
    return tuple((white + s * np.clip(part, 0, 1)) * v for part in parts)


def _turned(r: Any, g: Any, b: Any, by: Any) -> tuple[Any, ...]:
    """The hue `by` sixths of the circle further."""
    top, bottom = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    middle = np.maximum(np.minimum(r, g), np.minimum(np.maximum(r, g), b))
    span = top - bottom
    ordering = (r >= g).view(np.int8) + 2 * (g >= b).view(np.int8) + 4 * (r >= b).view(np.int8)
    sixth = np.take(_SIXTHS, ordering)
    hue = _chosen(span > 0, sixth + _there_and_back(sixth, (middle - bottom) / span), _F(0)) + by
    hue -= np.floor(hue * _F(1 / 6)) * 6
    hue += (hue < 0) * _F(6)  # the quotient may have been rounded up
    hue = _chosen(hue < 6, hue, _F(0))
    sixth = np.floor(hue)
    middle = bottom + _there_and_back(sixth, hue - sixth) * span
    values, every = np.concatenate([top, middle, bottom]), np.arange(len(r))
    number = sixth.astype(np.intp)
    return tuple(np.take(values, np.take(which * len(r), number) + every) for which in _ORDER)


def _there_and_back(sixth: Any, ratio: Any) -> Any:
    """The ratio in even sixths, 1 less it in odd ones."""
    odd = sixth - 2 * np.floor(sixth * _F(0.5))
    return odd + (1 - 2 * odd) * ratio
