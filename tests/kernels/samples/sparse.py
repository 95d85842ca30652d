"""Sparse matrices times dense ones, either of them turned."""

import numpy as np

from tests.kernels.samples.bounds import gamma, normal


def products(rng, dtype):
    """Rows of many values, of one and of none; places that come twice; nothing at all."""
    for rows, columns, n, count in [(5, 4, 3, 9), (1, 1, 1, 1), (4, 3, 2, 0), (3, 2, 0, 4), (0, 3, 2, 0), (2, 0, 3, 0),
                                    (40, 30, 70, 900), (3, 50, 5, 400), (300, 200, 64, 5000)]:  # fmt: skip
        places = np.stack([rng.integers(0, max(size, 1), count) for size in (rows, columns)], axis=1)
        values = normal(rng, (count,), dtype)
        for adjoint_a in (False, True):
            for adjoint_b in (False, True):
                b = normal(rng, (columns, n), dtype)
                size = np.zeros((rows, n))
                np.add.at(size, places[:, 0], np.abs(values[:, None].astype(np.float64) * b[places[:, 1]]))
                given = places[:, ::-1] if adjoint_a else places
                dims = np.array([columns, rows] if adjoint_a else [rows, columns], np.int64)
                attrs = {"adjoint_a": adjoint_a, "adjoint_b": adjoint_b}
                most = int(np.bincount(places[:, 0]).max(initial=0))
                yield (given, values, dims, b.T if adjoint_b else b), attrs, (gamma(most + 2, dtype) * size,)


SAMPLES = {"SparseTensorDenseMatMul": products}
