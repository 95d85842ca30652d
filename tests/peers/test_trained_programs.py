"""Random nets with loops and branches, trained by TensorFlow and by refflow: losses and variables are the same."""

import numpy as np
import pytest

import refflow.compat.v1
from tests.peers.test_compat_v1 import tensorflow
from tests.trained_programs import random_net, trained

pytestmark = pytest.mark.peers
__all__ = ["tensorflow"]


def check(tensorflow, seed):
    net = random_net(seed)
    tensorflow.disable_control_flow_v2()
    for one, other in zip(trained(net, refflow.compat.v1), trained(net, tensorflow), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", range(20))
def test_both_train_alike(tensorflow, seed):
    check(tensorflow, seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 300))
def test_two_hundred_nets(tensorflow, seed):
    check(tensorflow, seed)
