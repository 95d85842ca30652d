"""The card's training benchmark runs through without one: every side gives the same answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from refflow.bench.gpu import line

pytest.importorskip("triton", reason="the dry run uses Triton's interpreter")
ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments):
    command = [sys.executable, "-m", "refflow", "bench", "gpu", *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600, env=environment)


def test_a_dry_run_holds_all_sides_against_float64(tmp_path):
    result = bench("--dry-run", "--only", "mlp", "--json", str(tmp_path / "rows.json"))
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "rows.json").read_text())
    assert [row["name"] for row in found["rows"]] == ["mlp_sgd", "mlp_adam"]
    for row in found["rows"]:
        assert {"refflow", "refflow repeat"} <= set(row["right"]) and not row["errors"]


def test_without_a_card_it_says_what_it_needs():
    pytest.importorskip("torch")
    result = bench()
    if result.returncode:
        assert "this needs torch, triton and a card" in result.stderr and "--dry-run" in result.stderr


def test_a_row_says_how_many_times_quicker_refflow_is():
    us = {"refflow": 40.0, "refflow repeat": 30.0, "torch": 300.0, "jax.jit": 60.0}
    row = {"title": "a step", "us": us, "errors": {"torch.compile": "no compiler"}, "host_us": 7.25}
    told = line(row)
    assert "torch 300.0 (10.00x)" in told and "jax.jit 60.0 (2.00x)" in told and "refflow 40.0;" in told
    assert "host 7.2" in told and "torch.compile: no compiler" in told
