"""Local response normalisation and its gradient."""

import numpy as np

from tests.kernels.samples.bounds import normal, reference, unit

SHAPES = [(2, 3, 4, 5), (1, 1, 1, 1), (1, 2, 1, 3), (0, 2, 2, 3), (3, 30, 31, 17), (2, 20, 20, 192), (1, 2, 2, 0)]
SETTINGS = [(5, 1.0, 1.0, 0.5), (2, 1.0, 1e-1, 0.75), (1, 2.0, 0.3, 1.0), (0, 1.0, 1.0, 0.5)]


def _settled(rng, dtype):
    for shape in SHAPES:
        for radius, bias, alpha, beta in SETTINGS:
            x = normal(rng, shape, dtype)
            attrs = {"depth_radius": radius, "bias": bias, "alpha": alpha, "beta": beta}
            yield x, attrs, (2 * radius + 1 + 16) * unit("float32")


def lrn(rng, dtype):
    """A sum of squares by gamma; the power multiplies its error by beta, which is at most 1."""
    for x, attrs, u in _settled(rng, dtype):
        y = reference("LRN", (x,), attrs)[0]
        yield (x,), attrs, (2 * u * np.abs(y.astype(np.float64)) + unit(dtype) * np.abs(y),)


def lrn_grad(rng, dtype):
    """Both terms by the sizes of what is added."""
    for x, attrs, u in _settled(rng, dtype):
        y, dy = reference("LRN", (x,), attrs)[0], normal(rng, x.shape, dtype)
        given = [np.abs(a.astype(np.float64)) for a in (dy, x, y)]
        less = reference("LRNGrad", (given[0], given[1], -given[2]), attrs)[0]  # both terms positive
        yield (dy, x, y), attrs, (4 * u * less + unit(dtype) * less,)


SAMPLES = {"LRN": lrn, "LRNGrad": lrn_grad}
