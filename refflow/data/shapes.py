"""Pictures that are drawn, not found: one filled shape in each, anywhere, of any size, under noise.

With u, v the pixel's distance from the middle, in units of the shape's radius r:

    0 square     max(|u|, |v|) <= 0.85            2 triangle   -1 <= v <= 0.7 and |u| <= (v + 1) / 1.7
    1 disc       u^2 + v^2 <= 1                   3 cross      max(|u|, |v|) <= 1 and min(|u|, |v|) <= 0.35

The seed says all of it: the same seed gives the same pictures everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHAPES = ("square", "disc", "triangle", "cross")


def shapes(count: int, seed: int, size: int = 16, noise: float = 0.2) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(pictures [count, size, size, 1], about 0 outside and 1 inside of a shape; labels [count], places in SHAPES).

    noise: the deviation of what is added to each pixel. ValueError for sizes below 8, where a cross is no cross.

    >>> pictures, labels = shapes(3, seed=1)
    >>> pictures.shape, [SHAPES[label] for label in labels]
    ((3, 16, 16, 1), ['disc', 'triangle', 'cross'])
    """
    if size < 8:
        raise ValueError(f"shapes: pictures are of 8 by 8 pixels at least, got size {size}")
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(SHAPES), count)
    radius = rng.uniform(0.2, 0.35, (count, 1, 1)) * size
    middle = radius + rng.random((2, count, 1, 1)) * (size - 1 - 2 * radius)  # the whole shape is in the picture
    pictures = filled(labels, middle, radius, size) + noise * rng.normal(size=(count, size, size))
    return pictures[..., None].astype(np.float32), labels


def filled(
    labels: NDArray[np.integer], middle: NDArray[np.floating], radius: NDArray[np.floating], size: int
) -> NDArray[np.bool]:
    """[count, size, size]: which pixels are inside. middle [2, count, 1, 1], row and column; radius [count, 1, 1]."""
    v, u = (np.arange(size)[:, None] - middle[0]) / radius, (np.arange(size) - middle[1]) / radius  # v points down
    far, near = np.maximum(abs(u), abs(v)), np.minimum(abs(u), abs(v))
    inside = np.stack([
        far <= 0.85,
        u**2 + v**2 <= 1,
        (v >= -1) & (v <= 0.7) & (abs(u) <= (v + 1) / 1.7),
        (far <= 1) & (near <= 0.35),
    ])  # fmt: skip
    return inside[labels, np.arange(len(labels))]
