"""Random nets with loops and branches that optimizers train: plans and the executor agree [W39, W43, W80]."""

import numpy as np
import pytest

import refflow.compat.v1 as tf
from tests.trained_programs import random_net, trained


def check(seed):
    net = random_net(seed)
    wanted = trained(net, tf, executor="executor", kernels="reference")
    found = trained(net, tf)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)
    two = trained(net, tf, config=tf.ConfigProto(intra_op_parallelism_threads=2, inter_op_parallelism_threads=2))
    for one, other in zip(found, two, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", range(8))
def test_plans_train_as_the_executor_does(seed):
    check(seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 400))
def test_three_hundred_nets(seed):
    check(seed)


def test_the_nets_have_what_plans_rewrite():
    """Loops in loops, cells, shared weights, every way of gating."""
    nets = [random_net(seed) for seed in range(100, 400)]
    text = [repr(n.body) for n in nets]
    for kind in ("dense", "cell", "input", "mix", "row", "norm", "if", "loop"):
        assert sum(f"('{kind}'" in t for t in text) > 30, kind
    assert sum(t.count("('loop'") > 1 for t in text) > 50
    assert {n.gate for n in nets} == {0, 1, 2}
