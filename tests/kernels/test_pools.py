"""What is special to pools in NumPy: images that are cut into bands of lines."""

import numpy as np
import pytest

from refflow_kernels.cpu import KERNELS, pool
from tests.kernels.samples import SAMPLES, assert_within, reference

OPS = [op_type for op_type in KERNELS if op_type.startswith(("MaxPool", "AvgPool"))]


@pytest.mark.parametrize("op_type", OPS)
@pytest.mark.parametrize("lines", [1, 100])
def test_images_larger_than_a_block_go_in_bands(op_type, lines, rng, monkeypatch):  # [W75]
    monkeypatch.setattr(pool, "_BLOCK", lines)
    monkeypatch.setattr(pool, "_LESS", lines)
    for inputs, attrs, bounds in SAMPLES[op_type](rng, "float32"):
        with np.errstate(all="ignore"):
            got = KERNELS[op_type].function(*inputs, **attrs)
        outputs = list(got) if isinstance(got, tuple) else [got]
        assert_within(outputs, reference(op_type, inputs, attrs), bounds, "float32")


def test_a_window_without_numbers_has_the_lowest_number():
    x = np.full((1, 2, 4, 1), -np.inf, np.float32)
    x[0, :, 2:, 0] = [[np.nan, np.nan], [np.nan, 3]]
    attrs = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID", "data_format": "NHWC"}
    assert pool.max_pool(x, **attrs).reshape(-1).tolist() == [np.finfo(np.float32).min, 3]
