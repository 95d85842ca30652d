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


ROW = """
import json, os, sys, time
print("a warning of somebody's")
number, *peers = sys.argv[1:]
if number == "1": os._exit(7)
if number == "2": time.sleep(60)
print(json.dumps({"name": "mlp", "title": "a step", "us": {p: 1.0 for p in peers}, "errors": {}}))
"""


def test_a_workload_that_loses_the_card_or_hangs_costs_its_own_row_alone():
    from refflow.bench.gpu_rows import of_a_process

    found = [of_a_process(n, ["refflow", "torch"], 4.0, [sys.executable, "-c", ROW]) for n in range(3)]
    assert found[0]["us"] == {"refflow": 1.0, "torch": 1.0}
    assert found[1]["errors"] == {"refflow": "its process ended with 7"} and found[1]["name"] == "lenet"
    assert found[2]["errors"] == {"refflow": "it was not done in 4 s"} and not found[2]["us"]


def test_rows_come_first_without_those_who_take_a_minute_and_a_better_one_stays(monkeypatch, tmp_path):
    from argparse import Namespace

    from refflow.bench import gpu, gpu_rows

    def row(number, peers, **more):
        fails = number == 1 and "torch.compile" in peers
        workload = gpu.workloads(False)[number]
        us = {} if fails else dict.fromkeys(peers, 1.0 + len(peers))
        errors = {"refflow": "lost"} if fails else {}
        return {"name": workload.name, "title": workload.title, "us": us, "errors": errors}

    asked = []
    monkeypatch.setattr(gpu_rows, "of_a_process", lambda n, peers: asked.append((n, len(peers))) or row(n, peers))
    monkeypatch.setattr(gpu_rows, "_compile", lambda chosen, seconds: None)
    monkeypatch.setattr(gpu, "_real", lambda: (None, "cuda", "a card"))
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: name != "jax")
    options = Namespace(dry_run=False, only=["mlp_sgd", "lenet"], seconds=60.0, json=str(tmp_path / "rows.json"))
    assert gpu.start(options) == 0
    assert asked == [(0, 3), (1, 3), (0, 5), (1, 5)]
    found = json.loads((tmp_path / "rows.json").read_text())
    assert [len(r["us"]) for r in found["rows"]] == [5, 3]


def test_no_two_workloads_have_one_title():
    from refflow.bench.gpu import workloads

    titles = [w.title for w in workloads(False)]
    assert len(set(titles)) == len(titles)
