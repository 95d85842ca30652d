"""What every test may use: a fresh default graph, random numbers that repeat, and Triton as it is to be."""

import os

import numpy as np
import pytest

import refflow as tf


def pytest_configure(config):
    """Kernels are interpreted, unless the tests for a card are asked for: Triton looks when it is first imported."""
    if config.option.markexpr != "gpu":
        os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(autouse=True)
def graph():
    """Each test builds in a graph of its own."""
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def rng():
    return np.random.default_rng(20151109)
