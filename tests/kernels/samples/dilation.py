"""Grey dilation and its gradients."""

import numpy as np

from tests.kernels.samples.bounds import gamma, normal, reference

DILATED = [  # x, the filter's height and width, strides, rates, padding
    ((2, 5, 6, 3), (3, 3), (1, 1), (1, 1), "SAME"), ((2, 7, 8, 3), (3, 2), (2, 1), (1, 1), "VALID"),
    ((1, 9, 9, 5), (2, 3), (2, 3), (2, 2), "SAME"), ((1, 1, 1, 1), (1, 1), (1, 1), (1, 1), "VALID"),
    ((0, 4, 4, 2), (2, 2), (1, 1), (1, 1), "SAME"), ((1, 3, 3, 2), (12, 12), (1, 1), (1, 1), "SAME"),
    ((9, 60, 60, 5), (3, 3), (1, 1), (1, 1), "SAME"), ((2, 3, 4, 0), (2, 2), (1, 1), (1, 1), "VALID"),
]  # fmt: skip


def dilations(kind):
    """Sums and maxima are exact; slopes are added up."""

    def samples(rng, dtype):
        for dims, ks, strides, rates, padding in DILATED:
            attrs = {"strides": [1, *strides, 1], "rates": [1, *rates, 1], "padding": padding}
            for special in (False, True):
                x = np.round(2 * normal(rng, dims, dtype)) / 2  # with equal cells
                w = np.round(2 * normal(rng, (*ks, dims[3]), dtype)) / 2
                if special and x.size:
                    x.reshape(-1)[rng.integers(0, x.size, 5)] = [np.nan, np.nan, -np.inf, -np.inf, np.inf]
                y = reference("Dilation2D", (x, w), attrs)[0]
                if kind == "":
                    yield (x, w), attrs, (0.0,)
                    continue
                dy = normal(rng, y.shape, dtype)
                count = dy.size if kind == "BackpropFilter" else int(np.prod(ks))
                yield (x, w, dy), attrs, (gamma(count + 2, dtype) * count * np.abs(dy).max(initial=0),)

    return samples


SAMPLES = {f"Dilation2D{kind}": dilations(kind) for kind in ("", "BackpropInput", "BackpropFilter")}
