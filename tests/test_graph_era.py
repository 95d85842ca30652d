"""The tutorials of TensorFlow's graph era run to their end, where their asserts have held."""

import os
import subprocess
import sys

import pytest

from tests.graph_era import FOLDER, IMPORT, TUTORIALS


def test_there_are_ten_and_more():
    assert len(TUTORIALS) >= 10


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_a_tutorial_of_the_graph_era_runs(path):
    text = path.read_text(encoding="utf-8")
    assert text.count(IMPORT) == 1 and "\nassert " in text and "losses = " in text
    # One thread: these products are small, and waiting threads cost more than they give.
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, env=environment, timeout=120)
    assert result.returncode == 0, result.stderr


def test_the_manual_lists_them():
    page = (FOLDER.parents[1] / "docs" / "compat.rst").read_text(encoding="utf-8")
    assert [p.stem for p in TUTORIALS if f"``{p.stem}``" not in page] == []
