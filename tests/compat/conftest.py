"""Each test of compat builds in a graph of 1.x's; a TestCase of 1.x makes its own."""

import unittest

import pytest

import refflow.compat.v1 as tf


@pytest.fixture(autouse=True)
def graph(request):
    if request.cls is not None and issubclass(request.cls, unittest.TestCase):
        yield None
        return
    with tf.Graph().as_default() as graph:
        yield graph
