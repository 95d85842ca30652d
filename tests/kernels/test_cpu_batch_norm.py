"""What is special to batch normalisation in NumPy: moments from distances to another centre, block by block."""

import numpy as np
import pytest

from refflow_kernels.cpu import KERNELS, batch_norm
from tests.kernels.samples import SAMPLES, assert_within, reference
from tests.kernels.test_threads import at

OPS = [op_type for op_type in KERNELS if "BatchNorm" in op_type]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks of a few rows, and pieces of two blocks."""
    for name, size in (("_RUN", 6), ("_BLOCK", 60), ("_TOGETHER", 2)):
        monkeypatch.setattr(batch_norm, name, size)


@pytest.mark.parametrize("op_type", OPS)
def test_many_blocks_agree_with_the_page_on_any_number_of_threads(op_type, rng):  # [W06]
    for inputs, attrs, bounds in SAMPLES[op_type](rng, "float32"):
        if sum(i.size for i in inputs) < 20_000:
            one, three = (at(n, lambda i=inputs, a=attrs: KERNELS[op_type].function(*i, **a)) for n in (1, 3))
            one, three = (values if isinstance(values, tuple) else (values,) for values in (one, three))
            assert [v.tobytes() for v in one] == [v.tobytes() for v in three]
            assert_within(one, reference(op_type, inputs, attrs), bounds, "float32")


@pytest.mark.parametrize("first", [0, 100, 1e4, -3e4])
def test_moments_keep_their_digits_where_blocks_and_centres_are_far_from_the_mean(first, rng):  # [W06]
    """The first piece's mean is another than that of all others; against float64 sums."""
    x = rng.normal(1e4, 1, (997, 3)).astype(np.float32)
    x[:12] += np.float32(first)
    mean, variance = batch_norm.Rows(*x.shape).moments(x)
    np.testing.assert_allclose(mean, x.astype(np.float64).mean(axis=0), rtol=1e-7)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(axis=0), rtol=1e-5)


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("place", [0, 500])
def test_what_is_no_number_stays_in_its_channel(special, place, rng):
    x = rng.normal(size=(997, 3)).astype(np.float32)
    x[place, 1] = special
    with np.errstate(all="ignore"):
        mean, variance = batch_norm.Rows(*x.shape).moments(x)
    np.testing.assert_equal(mean[1], special)
    np.testing.assert_equal(variance[1], np.nan)
    np.testing.assert_allclose(variance[[0, 2]], x[:, [0, 2]].astype(np.float64).var(axis=0), rtol=1e-5)


@pytest.mark.parametrize("dims", [(2, 1, 1, 0), (0, 1, 1, 2), (0, 1, 1, 0)])
@pytest.mark.parametrize("is_training", [True, False])
def test_slopes_of_no_channels_or_no_rows_are_those_of_the_page(dims, is_training):
    x, vector = np.ones(dims, np.float32), np.ones(dims[-1], np.float32)
    inputs, attrs = [x, x, vector, vector, vector], {"epsilon": 0.1, "data_format": "NHWC", "is_training": is_training}
    wanted = reference("FusedBatchNormGrad", inputs, attrs)
    for one, other in zip(KERNELS["FusedBatchNormGrad"].function(*inputs, **attrs), wanted, strict=False):
        np.testing.assert_array_equal(one, other)
