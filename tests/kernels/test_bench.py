"""The benchmark for a card runs through without one."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
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
    assert result.returncode == 1 and "--dry-run needs triton alone" in result.stderr


def test_what_is_no_number_is_wrong():
    from refflow_kernels.bench.measure import error

    numbers, none = np.ones(3), np.array([1.0, np.nan, 1.0])
    assert error([numbers, numbers], [numbers, numbers]) == 0
    assert np.isnan(error([none, numbers], [numbers, numbers])) and np.isnan(error([numbers, none], [numbers, numbers]))


def test_a_card_s_errors_are_those_of_the_host(rng):
    torch = pytest.importorskip("torch")
    from refflow_kernels.bench.card import Card
    from refflow_kernels.bench.measure import error

    card = Card.__new__(Card)
    card.torch = torch
    wanted = [rng.normal(size=(4, 5)), rng.integers(1, 9, 6), np.zeros((0, 2))]
    got = [wanted[0].astype(np.float32) * 1.25, wanted[1] + 1, np.zeros((0, 2), np.float32)]
    there = [[torch.from_numpy(x) for x in side] for side in (got, wanted)]
    assert card.error(*there) == error(got, wanted) > 0
    there[0][1] = there[0][1].double() * np.nan
    assert np.isnan(card.error(*there))


WORKER = """
import json, os, sys, time
for n in range(int(sys.argv[1]), 5):
    print(json.dumps({"begin": n, "case": f"case {n}"}), flush=True)
    if n == 1: os._exit(7)
    if n == 3: time.sleep(60)
    print("a warning of somebody's", flush=True)
    print(json.dumps({"case": f"case {n}", "wrong": False}), flush=True)
"""


def test_a_case_that_ends_its_process_or_hangs_costs_its_own_row_alone():
    from refflow_kernels.bench.watched import rows

    found = list(rows("", 100.0, most=3.0, worker=[sys.executable, "-c", WORKER]))
    assert [row["case"] for row in found] == [f"case {n}" for n in range(5)]
    assert [row["wrong"] for row in found] == [False, True, False, True, False]
    assert "ended with 7" in found[1]["failed"] and "after 3 s" in found[3]["failed"]


def test_a_process_that_cannot_begin_is_one_row():
    from refflow_kernels.bench.watched import rows

    (row,) = rows("", 100.0, worker=[sys.executable, "-c", "import sys; sys.exit(2)"])
    assert row["wrong"] and row["case"] == "the start"


def test_numbers_for_a_case_repeat_but_shapes_alone_take_no_memory():
    from refflow_kernels.bench import case

    numbers = case.normal(3, 2_000_000, seed=1).reshape(-1)
    assert len(numbers) > case._PERIOD and abs(numbers.mean()) < 1e-2 and abs(numbers.std() - 1) < 1e-2
    np.testing.assert_array_equal(numbers[case._PERIOD :], numbers[: len(numbers) - case._PERIOD])
    taken = [x.nbytes if x.base is None else x.base.nbytes for c in case.shapes() for x in c.inputs]
    assert max(taken) <= 8 << 19  # half a million ids, which are drawn


def test_every_case_finds_its_kernel_and_its_memory():
    """Those that are measured, at their full sizes."""
    from refflow_kernels.bench.case import shapes
    from refflow_kernels.bench.worker import launches_of

    assert all(callable(launch) for n in range(len(shapes())) for launch in launches_of(("", n)))


LABELS = ("Softmax 128x10", "MatMul 1024x1024x1024 ieee", "MaxPoolGrad 128x28x28x256", "ArgMax [8192, 8192] along 0",
          "FusedBatchNorm 32x7x7x2048 NHWC", "ApplyAdam LeNet", "chain: tanh", "Gather 10x512 uniform",
          "Conv2DBackpropFilter 3x3 28 128 float32")  # fmt: skip


def test_a_row_has_errors_and_times_of_both_sides(monkeypatch):
    """On torch's CPU, with kernels interpreted, and a clock that stands for the card's events."""
    torch = pytest.importorskip("torch")
    from refflow_kernels.bench.card import Card
    from refflow_kernels.bench.case import cases
    from refflow_kernels.bench.measure import line, measure

    class Event:
        def __init__(self, enable_timing):
            self.at = 0.0

        def record(self):
            self.at = time.perf_counter()

        def elapsed_time(self, end):
            return 1e3 * (end.at - self.at)

    class OnTheHost(Card):
        def __init__(self):
            self.torch, self.flush = torch, torch.empty(16)

        def upload(self, array, dtype=None):
            there = torch.from_numpy(np.array(array))
            return there if dtype is None else there.to(getattr(torch, dtype))

        def empty(self, shape, dtype):
            return torch.full(tuple(shape), 77, dtype=getattr(torch, dtype))

        def milliseconds(self, functions, rounds=2):
            return super().milliseconds(functions, rounds)

    for name, stand_in in (("Event", Event), ("synchronize", lambda: None), ("_sleep", lambda cycles: None)):
        monkeypatch.setattr(torch.cuda, name, stand_in)
    before = [torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark]
    found = [measure(OnTheHost(), c) for c in cases(True) if c.label.startswith(LABELS)]
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before
    assert len(found) == len(LABELS) and not any(row["wrong"] for row in found)
    for row in found:
        assert row["ms"] > 0 and row["torch_ms"] > 0 and row["case"] in line(row) and "ratio" in line(row)
