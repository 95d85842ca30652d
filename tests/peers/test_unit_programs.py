"""The unit tests of tests/compat/unit_programs hold in TensorFlow: what they ask of refflow is what it does."""

import os
import subprocess
import sys

import pytest

from tests.compat.test_unit_programs import PROGRAMS

pytestmark = [pytest.mark.peers, pytest.mark.deep]

# Messages are compared without TensorFlow's own rounding of their numbers, which some protobuf libraries refuse.
_AS_1_X = """
import runpy, sys
import tensorflow as tf
from tensorflow.python.util.protobuf import compare
tf.compat.v1.disable_v2_behavior()
compare.NormalizeNumberFields = lambda message: message
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_unit_test_passes_in_tensorflow(program):
    pytest.importorskip("tensorflow")
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run([sys.executable, "-c", _AS_1_X, str(program)], env={**os.environ, **quiet},
                         capture_output=True, text=True, timeout=300)  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
