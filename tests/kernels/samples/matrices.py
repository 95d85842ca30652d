"""Matrices with factors, and triangles: near the identity, so that what rounding does stays of its own size."""

from itertools import islice

import numpy as np

from tests.kernels.samples.bounds import gamma, normal

SIZES = [((3,), 5), ((), 1), ((2, 1), 3), ((0,), 3), ((2,), 0), ((1,), 35)]


def _triangle(rng, dims, dtype):
    """A lower triangle with a garbage upper one, and a diagonal from 1 to 2."""
    n = dims[-1]
    return (normal(rng, dims, dtype) / max(1, n) + np.eye(n) * (1.5 + 0.5 * np.sin(np.arange(n)))).astype(dtype)


def factors(rng, dtype):
    """Also of a matrix that has none, among others that have one."""
    for lead, n in SIZES:
        lower = np.tril(_triangle(rng, (*lead, n, n), dtype)).astype(np.float64)
        x = np.tril(lower @ np.swapaxes(lower, -1, -2)) + np.triu(normal(rng, (*lead, n, n), dtype), 1)
        if lead == (3,):
            x[1, 2, 2] = -1
        yield (x.astype(dtype),), {}, (2 * gamma(n + 2, dtype) * np.ones(x.shape),)


def equations(rng, dtype):
    for a_lead, b_lead, n, m in [((3,), (3,), 5, 4), ((), (), 1, 1), ((), (2,), 34, 3), ((2, 1), (1, 3), 2, 2),
                                 ((0,), (0,), 2, 2), ((), (), 3, 0), ((), (), 2, 40)]:  # fmt: skip
        a, b = _triangle(rng, (*a_lead, n, n), dtype), normal(rng, (*b_lead, n, m), dtype)
        for lower, adjoint in ((True, False), (True, True), (False, False), (False, True))[:: 1 if n == 5 else 3]:
            bound = 8 * gamma(n + 2, dtype) * np.abs(b).max(initial=0)
            yield (a, b), {"lower": lower, "adjoint": adjoint}, (bound,)


def slopes(rng, dtype):
    for lead, n in SIZES:
        factor, slope = _triangle(rng, (*lead, n, n), dtype), normal(rng, (*lead, n, n), dtype)
        yield (factor, slope), {}, (8 * gamma(n + 2, dtype) * np.ones(slope.shape),)


def first(samples):
    """One of them: for the names of the first release, whose kernels are the same."""
    return lambda rng, dtype: islice(samples(rng, dtype), 1)


_ALL = {"Cholesky": factors, "MatrixTriangularSolve": equations, "CholeskyGrad": slopes}
SAMPLES = _ALL | {f"Batch{name}": first(samples) for name, samples in _ALL.items()}
