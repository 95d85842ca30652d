"""Pictures with captions, drawn and not found: one shape in colour or two, under noise, and a sentence that says so.

    a large red disc
    a small green cross left of a large blue square         the left one is said first
    a large red disc above a small red triangle             the upper one is said first

Each thing is of one of four shapes (data/shapes.py), four colours and two sizes, so that there are 32 captions of one
thing and 2048 of two. The seed says all of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refflow.data.shapes import SHAPES, filled

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0)}
SIZES = {"small": (3.0, 3.4), "large": (5.0, 5.4)}  # the radius, in pixels: from, to
SIZE = 24  # pixels, each way


def scenes(count: int, seed: int, noise: float = 0.1) -> tuple[NDArray[np.float32], list[str]]:
    """(pictures [count, 24, 24, 3], from about 0 to about 1; captions). noise: the deviation of each pixel.

    >>> pictures, captions = scenes(2, seed=1)
    >>> pictures.shape, captions[0]
    ((2, 24, 24, 3), 'a large red cross left of a large yellow cross')
    """
    rng = np.random.default_rng(seed)
    layout = rng.integers(0, 5, count)  # 0 one thing; 1, 2 side by side; 3, 4 above each other
    pictures, sentences = np.zeros((count, SIZE, SIZE, 3)), []
    for second in (False, True):
        names, painted, inside = _things(rng, layout, second)
        pictures = np.where(inside[..., None], painted[:, None, None, :], pictures)
        sentences.append(names)
    between = ["", " left of ", " left of ", " above ", " above "]
    captions = [a if k == 0 else a + between[k] + b for a, b, k in zip(*sentences, layout, strict=True)]
    pictures += noise * rng.normal(size=pictures.shape)
    return pictures.astype(np.float32), captions


def _things(rng: np.random.Generator, layout: NDArray[np.integer], second: bool) -> tuple[list[str], NDArray, NDArray]:
    """One thing for each picture: what it is called, its colour [count, 3], and its pixels [count, size, size]."""
    count = len(layout)
    shape, colour, large = (rng.integers(0, n, count) for n in (len(SHAPES), len(COLOURS), 2))
    least, most = np.array(list(SIZES.values()))[large].T
    radius = rng.uniform(least, most)
    # Of two, each has its half of the picture to lie in; what is alone lies anywhere.
    along_columns, along_rows = (layout == 1) | (layout == 2), layout >= 3
    half = SIZE / 2
    begin = np.stack([np.where(along, half * second, 0) for along in (along_rows, along_columns)])
    width = np.stack([np.where(along, half, SIZE) for along in (along_rows, along_columns)])
    middle = begin + radius + rng.random((2, count)) * (width - 1 - 2 * radius)
    inside = filled(shape, middle[:, :, None, None], radius[:, None, None], SIZE)
    if second:
        inside &= (layout > 0)[:, None, None]
    names = [f"a {list(SIZES)[k]} {list(COLOURS)[c]} {SHAPES[s]}" for s, c, k in zip(shape, colour, large, strict=True)]
    return names, np.array(list(COLOURS.values()), float)[colour], inside
