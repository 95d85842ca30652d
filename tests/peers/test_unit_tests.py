"""Unit tests in the manner of TensorFlow's own, unchanged under TensorFlow and under `refflow as-tensorflow`.

They are in unit_tests/, and import what is inner to TensorFlow's client. Each library runs all of them in one process.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.peers
FOLDER = Path(__file__).parent / "unit_tests"
LIBRARIES = {
    "refflow": "import refflow.compat; refflow.compat.as_tensorflow()",
    "tensorflow": "import tensorflow.compat.v1 as tf; tf.disable_v2_behavior()",
}
PROGRAM = """
import sys, unittest
suite = unittest.defaultTestLoader.discover(sys.argv[1], pattern="*_unit.py")
result = unittest.TextTestRunner(verbosity=0).run(suite)
ran = result.testsRun - len(result.skipped)
print(f"ran {ran}, failed {len(result.failures) + len(result.errors)}")
"""


@pytest.mark.parametrize("library", LIBRARIES)
def test_unit_tests_of_sessions_graphs_and_variables_pass(library):
    if library == "tensorflow":
        pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")
    command = [sys.executable, "-c", f"{LIBRARIES[library]}\n{PROGRAM}", str(FOLDER)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    ran, failed = (int(part.split()[1]) for part in result.stdout.splitlines()[-1].split(", "))
    assert ran > 250 and failed == 0, result.stderr[-6000:]
