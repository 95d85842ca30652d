"""Updates of variables.

Next: refflow/ops/matmul.py, and the path of docs/reading.rst.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refflow_kernels.bench.case import Case, normal


def cases(small: bool) -> Iterator[Case]:
    size = 1 << (10 if small else 24)
    rate = np.float32(0.5).reshape(())
    descent = "ApplyGradientDescent"
    inputs = (normal(size), rate, normal(size, seed=1))
    yield Case(f"{descent} 2^24", descent, inputs, {}, lambda torch, x: x[0] - x[1] * x[2])
