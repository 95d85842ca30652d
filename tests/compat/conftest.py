"""Each test of compat builds in a graph of 1.x's."""

import pytest

import refflow.compat.v1 as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph
