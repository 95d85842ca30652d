"""What every test may use: a fresh default graph, and random numbers that repeat."""

import numpy as np
import pytest

import refflow as tf


@pytest.fixture(autouse=True)
def graph():
    """Each test builds in a graph of its own."""
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def rng():
    return np.random.default_rng(20151109)
