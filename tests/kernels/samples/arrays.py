"""Rows picked and added up, and axes exchanged."""

import numpy as np

from tests.kernels.samples.bounds import some


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


SAMPLES = {"Gather": rows, "Transpose": turned, "ConjugateTranspose": turned}
