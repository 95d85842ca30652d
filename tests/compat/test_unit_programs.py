"""Unit tests as TensorFlow's developers write them, run unchanged where `import tensorflow` gives refflow.

The programs are in unit_programs/; tests/peers/test_unit_programs.py runs the same under TensorFlow.
"""

import io
import runpy
import unittest
from pathlib import Path

import pytest

from refflow.compat import as_tensorflow

PROGRAMS = sorted(Path(__file__).with_name("unit_programs").glob("*.py"))


@pytest.fixture(autouse=True)
def graph():
    """None: each unit test makes a default graph of its own."""


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_unit_test_passes_with_refflow_in_tensorflow_s_place(program):
    with as_tensorflow():
        names = runpy.run_path(str(program))
        cases = [value for value in names.values() if isinstance(value, type) and issubclass(value, unittest.TestCase)]
        load = unittest.defaultTestLoader.loadTestsFromTestCase
        suite = unittest.TestSuite(map(load, dict.fromkeys(cases)))
        told = io.StringIO()
        result = unittest.TextTestRunner(told).run(suite)
    assert result.testsRun - len(result.skipped) > 3 and result.wasSuccessful(), told.getvalue()
