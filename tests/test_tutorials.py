"""Every tutorial runs to its end, where its asserts have held, and the one about a new op is as short as it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_a_tutorial_runs(path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, env=environment, timeout=120)
    assert result.returncode == 0, result.stderr


def test_there_are_tutorials():
    assert len(TUTORIALS) >= 4


def test_a_new_op_takes_less_than_40_lines():  # [S44]
    lines = (ROOT / "tutorials" / "04_a_new_op.py").read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if line.strip() and not line.startswith("#")]
    assert len(code) < 40
