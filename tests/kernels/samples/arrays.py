"""Rows picked, the largest of them, and axes exchanged."""

import numpy as np

from refflow.core.dtypes import int64
from tests.kernels.samples.bounds import normal, some


def rows(rng, dtype):
    for params, indices in [((5, 3), (4,)), ((5,), (2, 3)), ((3, 2, 2), ()), ((4, 0), (3,)), ((9, 7), (0,)),
                            ((50, 600), (500,))]:  # fmt: skip
        for index in (np.int32, np.int64):
            yield (some(rng, params, dtype), rng.integers(0, params[0], indices).astype(index)), {}, (0.0,)


def turned(rng, dtype):
    for shape, perm in [((2, 3), [1, 0]), ((2, 3, 4), [2, 0, 1]), ((2, 3, 4), [1, 0, 2]), ((), []), ((0, 2), [1, 0]),
                        ((4, 20, 30, 50), [0, 3, 1, 2]), ((1100, 1000), [1, 0]),
                        ((3, 700, 2, 600), [2, 3, 0, 1]),
                        ((2, 3, 2, 2, 3, 2), [5, 0, 4, 2, 3, 1]), ((2, 300, 3), [0, 2, 1]),
                        ((70, 33), [-1, 0]), ((7, 70, 3), [1, 0, 2])]:  # fmt: skip
        yield (some(rng, shape, dtype), np.array(perm, np.int32)), {}, (0.0,)


def largest(rng, dtype, version=1):
    """Few of many, all, none; equal ones, what is no number, and rows of nothing but the lowest."""
    for shape, k in [((3, 40), 2), ((5, 7), 7), ((4, 6), 0), ((900,), 5), ((2, 3, 130), 16), ((0, 50), 1), ((2, 0), 0),
                     ((70, 1000), 3), ((30, 700), 60), ((2, 256), 128)]:  # fmt: skip
        x = normal(rng, shape, dtype)
        if x.size > 40:
            lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
            x.reshape(-1)[rng.integers(0, x.size, 9)] = lowest
            if x.ndim > 1:
                x[0, ..., :-1] = lowest
            if x.dtype.kind == "f":
                x.reshape(-1)[rng.integers(0, x.size, 3)] = np.nan
        if version == 1:
            yield (x,), {"k": k}, (0.0, 0.0)
        else:
            yield (x, np.array(k, np.int32)), {"index_type": int64}, (0.0, 0.0)


def largest_v2(rng, dtype):
    return largest(rng, dtype, 2)


SAMPLES = {
    "TopK": largest,
    "TopKV2": largest_v2,
    "Gather": rows,
    "Transpose": turned,
    "ConjugateTranspose": turned,
}
