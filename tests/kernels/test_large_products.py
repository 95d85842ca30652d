"""Products that are cut: within the bound of any order of sums, with the same bits for any number of threads."""

import numpy as np
import pytest

from refflow_kernels.cpu import batch_matmul, matmul, threads
from tests.kernels.samples.bounds import gamma

SHAPES = [
    (4100, 784, 10), (784, 4100, 10), (2300, 512, 16), (2100, 300, 30), (300, 2100, 30), (50, 30_000, 12),
    (70, 9000, 60), (700, 90, 600), (1300, 400, 90), (1000, 1000, 300), (9000, 1100, 2), (3, 40_000, 200),
    (20, 800, 400), (64, 512, 1100), (1, 300, 200), (2, 700, 1900), (5, 400, 803), (16, 300, 650), (4, 200, 60_001),
]  # fmt: skip


def at(count, function, *operands):
    before = threads.use(count)
    try:
        return function(*operands)
    finally:
        threads.use(before)


@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
@pytest.mark.parametrize("turned", ["", "a", "b", "ab"])
def test_every_cut_is_right_and_does_not_depend_on_threads(m, k, n, turned, rng):
    a, b = (rng.normal(size=shape).astype(np.float32) for shape in [(m, k), (k, n)])
    bound = gamma(k + 2, "float32") * (np.abs(a).astype(np.float64) @ np.abs(b))
    exact = a.astype(np.float64) @ b
    a, b = (np.array(x, order="F") if name in turned else x for name, x in (("a", a), ("b", b)))
    results = [at(count, matmul, a, b) for count in (1, 2, 3)]
    assert (np.abs(results[0] - exact) <= bound).all()
    assert len({r.tobytes() for r in results}) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_where_a_product_is_cut_changes_no_bit(dtype, rng):
    """With more threads there are more pieces, where BLAS is known not to mind; a matrix by itself is special."""
    for _ in range(6):
        m, k, n = (int(d) for d in rng.integers(33, (900, 700, 900)))
        k = max(k, -(-20_000_000 // (m * n)))
        a, b = (rng.normal(size=s).astype(dtype) for s in [(m, k), (k, n)])
        a, b = (np.array(x, order=order) for x, order in zip((a, b), rng.choice(["C", "F"], 2), strict=True))
        for left, right in ((a, b), (a.T, a)):
            results = [at(count, matmul, left, right) for count in (1, 2, 3, 4)]
            assert len({r.tobytes() for r in results}) == 1, (m, k, n)


@pytest.mark.parametrize("turned", [False, True])
def test_few_rows_times_part_of_a_matrix_into_part_of_another(turned, rng):
    a, wide = rng.normal(size=(5, 401)).astype(np.float32), rng.normal(size=(1000, 1000)).astype(np.float32)
    b = (wide.T if turned else wide)[7:408, 3:806]
    b.flags.writeable = False
    place = np.full((5, 900), 7, np.float32)
    assert matmul(a, b, out=place[:, 50:853]).base is place
    np.testing.assert_allclose(place[:, 50:853], a.astype(np.float64) @ b, rtol=1e-4, atol=1e-3)
    assert (place[:, :50] == 7).all() and (place[:, 853:] == 7).all()
    other = np.full((803, 5), 7, np.float32)
    matmul(a, b, out=other.T)
    np.testing.assert_array_equal(other.T, matmul(a, b, out=np.array(other.T, order="F")))


@pytest.mark.parametrize(("lead", "m", "k", "n"), [((5,), 130, 128, 64), ((1, 7), 128, 200, 90), ((3, 4), 60, 300, 70)])
def test_matrices_side_by_side_too(lead, m, k, n, rng):
    a, b = (rng.normal(size=(*lead, *shape)).astype(np.float32) for shape in [(m, k), (k, n)])
    results = [at(count, batch_matmul, a, b) for count in (1, 2, 3)]
    np.testing.assert_allclose(results[0], a.astype(np.float64) @ b, rtol=1e-4, atol=1e-4)
    assert len({r.tobytes() for r in results}) == 1
