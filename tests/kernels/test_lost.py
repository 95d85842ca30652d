"""A card that is lost in the middle of the tests for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import sys, types
import pytest
from tests.kernels.lost import _card_is_still_there, pytest_runtest_logreport

class Cuda:
    lost = False
    def is_initialized(self):
        return True
    def synchronize(self):
        if self.lost:
            raise RuntimeError("an illegal memory access was encountered")

sys.modules["torch"] = types.SimpleNamespace(cuda=Cuda())

def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: needs a card")
"""
PROGRAM = """
import sys
import pytest
pytestmark = pytest.mark.gpu

def test_before():
    assert True

def test_loses_it():
    sys.modules["torch"].cuda.lost = True
    assert 1 == 2

def test_behind():
    assert not sys.modules["torch"].cuda.lost
"""


@pytest.mark.parametrize("processes", [0, 1])
def test_who_loses_the_card_is_told_of_and_spoils_no_other_test(tmp_path, processes):
    (tmp_path / "conftest.py").write_text(TESTS)
    (tmp_path / "test_card.py").write_text(PROGRAM)
    if processes:
        pytest.importorskip("xdist", reason="which gives the tests another process")
    options = ["-q", "-p", "no:cacheprovider", *(["-n", "1"] if processes else [])]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-m", "pytest", *options, "."], capture_output=True, text=True,
                            cwd=tmp_path, env=environment, timeout=100)  # fmt: skip
    assert "test_loses_it call: assert 1 == 2" in result.stdout
    if processes:
        assert "2 passed" in result.stdout and "test_behind call" not in result.stdout
    else:
        assert "test_card.py::test_loses_it has lost the card: an illegal" in result.stdout + result.stderr
        assert result.returncode == 3 and "1 passed" in result.stdout
