"""What is special to transposes in NumPy: large matrices go by tiles."""

import importlib

import numpy as np
import pytest

from refflow_kernels.cpu import KERNELS
from tests.kernels.test_threads import at

page = importlib.import_module("refflow_kernels.cpu.transpose")  # the package has the function by this name


@pytest.mark.parametrize("dtype", ["float32", "int8", "complex128", "bool"])
@pytest.mark.parametrize(("shape", "perm"), [((9, 13), (1, 0)), ((3, 5, 9), (2, 0, 1)), ((2, 7, 6, 5), (0, 3, 1, 2)),
                                             ((4, 1, 6), (2, 1, 0)), ((2, 0, 3), (2, 1, 0))])  # fmt: skip
def test_tiles_cover_a_matrix_once(shape, perm, dtype, rng, monkeypatch):
    monkeypatch.setattr(page, "_ROWS", 4)
    monkeypatch.setattr(page, "_COLUMNS", 3)
    monkeypatch.setattr(page, "_LARGE", 1)
    monkeypatch.setattr(page, "_PIECE", 5)
    x = rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)
    for count in (1, 3):
        got = at(count, lambda: KERNELS["Transpose"].function(x, np.array(perm)))
        np.testing.assert_array_equal(got, np.transpose(x, perm))
