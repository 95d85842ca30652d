"""The tutorials of the graph era give the same losses here and in TensorFlow, whose layers and cells are tf_keras'.

TensorFlow's own two sets of kernels (TF_ENABLE_ONEDNN_OPTS=0 and 1) may part by per cents within 20 steps: where a unit
of relu or two pixels of a max-pool are within rounding of each other, each set takes another side of the kink. The
tutorials' seeds are such that none is, so that both sets and refflow agree.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.graph_era import TUTORIALS

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(importlib.util.find_spec("tf_keras") is None, reason="needs tensorflow-cpu and tf_keras"),
]
ROOT = Path(__file__).resolve().parents[2]


def run(module):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run([sys.executable, "-W", "ignore", "-m", "tests.graph_era", module], capture_output=True,
                            text=True, env=environment, cwd=ROOT)  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def both():
    return run("refflow.compat.v1"), run("tensorflow.compat.v1")


@pytest.mark.parametrize("name", [path.stem for path in TUTORIALS])
def test_losses_are_tensorflow_s(both, name):
    ours, theirs = both
    np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3)
