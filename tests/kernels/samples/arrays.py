"""Rows picked and added up, and axes exchanged."""

import numpy as np

from tests.kernels.samples.bounds import gamma, normal, reference, some


def rows(rng, dtype):
    for params, indices in [((5, 3), (4,)), ((5,), (2, 3)), ((3, 2, 2), ()), ((4, 0), (3,)), ((9, 7), (0,)),
                            ((50, 600), (500,))]:  # fmt: skip
        for index in (np.int32, np.int64):
            yield (some(rng, params, dtype), rng.integers(0, params[0], indices).astype(index)), {}, (0.0,)


def segment_sums(rng, dtype):
    for data, ids, count in [((6, 3), (6,), 4), ((6,), (6,), 9), ((2, 3, 4), (2, 3), 3), ((0, 3), (0,), 2),
                             ((500, 7), (500,), 60), ((5, 2), (5,), 5), ((4, 0), (4,), 3)]:  # fmt: skip
        x, of = normal(rng, data, dtype), rng.integers(-1, count, ids).astype(np.int32)
        bound = 0.0
        if np.dtype(dtype).kind == "f":
            size = reference("UnsortedSegmentSum", (np.abs(x.astype(np.float64)), of, np.array(count)), {})[0]
            bound = gamma(len(of.reshape(-1)) + 2, dtype) * size
        yield (x, of, np.array(count, np.int32)), {}, (bound,)


def turned(rng, dtype):
    for shape, perm in [((2, 3), [1, 0]), ((2, 3, 4), [2, 0, 1]), ((2, 3, 4), [1, 0, 2]), ((), []), ((0, 2), [1, 0]),
                        ((4, 20, 30, 50), [0, 3, 1, 2]), ((1100, 1000), [1, 0]),
                        ((3, 700, 2, 600), [2, 3, 0, 1]),
                        ((2, 3, 2, 2, 3, 2), [5, 0, 4, 2, 3, 1]), ((2, 300, 3), [0, 2, 1]),
                        ((70, 33), [-1, 0]), ((7, 70, 3), [1, 0, 2])]:  # fmt: skip
        yield (some(rng, shape, dtype), np.array(perm, np.int32)), {}, (0.0,)


SAMPLES = {"Gather": rows, "UnsortedSegmentSum": segment_sums, "Transpose": turned, "ConjugateTranspose": turned}
