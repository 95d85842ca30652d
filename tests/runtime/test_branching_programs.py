"""Random float32 programs whose values have many readers: plans do as the executor does [W39, W43, W80]."""

import numpy as np
import pytest

import refflow.compat.v1 as tf
from tests.branching_programs import run_all
from tests.trained_programs import random_net, trained


def assert_close(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def check(run):
    assert_close(run(), run(executor="executor", kernels="reference"))


@pytest.mark.parametrize("seed", range(12))
def test_plans_with_fast_kernels_do_as_the_executor_with_the_pages(seed):
    check(lambda **options: run_all(seed, tf, **options))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 500))
def test_four_hundred_programs(seed):
    check(lambda **options: run_all(seed, tf, **options))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 200))
def test_a_hundred_nets_with_loops_in_float32(seed):
    check(lambda **options: trained(random_net(seed), tf, dtype=np.float32, **options))
