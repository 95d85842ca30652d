"""Updates of variables."""

import numpy as np

from tests.kernels.samples.bounds import normal, unit


def updates(rng, dtype):
    """One product, one difference, each rounded: equal to the bit. float16 may be rounded once, at the end."""
    for shape in [(), (1,), (7, 3), (1025,), (0, 2), (40_000,)]:
        var, delta = normal(rng, shape, dtype), normal(rng, shape, dtype)
        once = 0.3 * np.abs(delta).astype(np.float64) * unit(dtype) if dtype == "float16" else 0.0
        yield (var, np.asarray(2 if np.dtype(dtype).kind in "iu" else 0.3, dtype), delta), {}, (once,)


def sums(rng, dtype):
    for shape in [(), (7, 3), (1025,)]:
        yield (normal(rng, shape, dtype), normal(rng, shape, dtype)), {}, (0.0,)


SAMPLES = {"ApplyGradientDescent": updates, "AssignAdd": sums, "AssignSub": sums}
