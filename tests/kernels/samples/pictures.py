"""Pictures in other colours: what chooses and what computes is the same as on the page."""

import numpy as np

from tests.kernels.samples.bounds import normal, unit


def recoloured(changes):
    """Colours with equal channels and grey ones, and pixels that are no numbers."""

    def samples(rng, dtype):
        for shape in [(3,), (5, 4, 3), (0, 2, 3), (2, 30, 40, 3), (200, 210, 3)]:
            x = np.round(4 * normal(rng, shape, dtype)) / 4
            if x.size > 100:
                x.reshape(-1)[rng.integers(0, x.size, 6)] = [np.nan, np.inf, -np.inf] * 2
            finite = np.where(np.isfinite(x), x, 0).astype(np.float64)
            bound = 20 * unit(dtype) * np.abs(finite).max(initial=0)
            for change in changes:
                yield (x, np.asarray(change, np.float32)), {}, (bound,)

    return samples


SAMPLES = {"AdjustHue": recoloured([0.3, -1.7, 0]), "AdjustSaturation": recoloured([0.5, 3, 0])}
