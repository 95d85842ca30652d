"""Numbers that a net has made, for another to learn: as many examples as one likes, and a known best loss [S60].

    x in [-1, 1]^D, evenly        f(x) = v . tanh(W x + b)        y = f(x) + noise * z,   z normal

W, b and v are drawn once, by a seed of their own; they are scaled so that f varies by about 1. Who knew f would still
lose noise^2 on the average of (y - f(x))^2, so a student's loss is measured against f itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIMENSIONS, HIDDEN = 6, 64


def taught(
    count: int, seed: int, noise: float = 0.1, teacher: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(x [count, 6], y [count, 1], f(x) [count, 1]). seed: of the examples. teacher: which net is to be learned.

    >>> x, y, f = taught(1000, seed=1)
    >>> x.shape, round(float(np.std(y - f)), 1)
    ((1000, 6), 0.1)
    """
    drawn = np.random.default_rng([teacher, 0])
    weights = drawn.normal(0.0, 2.0 / np.sqrt(DIMENSIONS), (DIMENSIONS, HIDDEN))
    bias, out = drawn.normal(size=HIDDEN), drawn.normal(0.0, 1.5 / np.sqrt(HIDDEN), (HIDDEN, 1))
    rng = np.random.default_rng([seed, 1])
    x = rng.uniform(-1.0, 1.0, (count, DIMENSIONS))
    f = np.tanh(x @ weights + bias) @ out
    y = f + noise * rng.normal(size=(count, 1))
    return x.astype(np.float32), y.astype(np.float32), f.astype(np.float32)
