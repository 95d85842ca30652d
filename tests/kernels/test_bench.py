"""The benchmark for a card runs through without one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="the dry run uses Triton's interpreter")
ROOT = Path(__file__).resolve().parents[2]


def rows(tmp_path, *options):
    command = [sys.executable, "-m", "refflow_kernels.bench", "--dry-run", "--out", str(tmp_path / "rows.json")]
    result = subprocess.run([*command, *options], capture_output=True, text=True, cwd=ROOT, timeout=900)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert not any(row["wrong"] for row in found)
    return found


def test_a_dry_run_checks_the_cases_that_were_asked_for(tmp_path):
    found = rows(tmp_path, "--only", "Softmax")
    assert len(found) >= 10 and all("Softmax" in row["case"] for row in found)


@pytest.mark.deep
def test_a_dry_run_checks_every_case(tmp_path):
    assert len(rows(tmp_path)) >= 200


def test_without_a_card_it_says_what_it_needs():
    main = "from refflow_kernels.bench.__main__ import main; sys.exit(main([]))"
    code = f"import sys; sys.modules['torch'] = None; {main}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert result.returncode == 1 and "--dry-run needs neither" in result.stderr
