"""Every Triton kernel compiles for a Hopper card without one: no spills, wide loads, tensor cores, few registers.

The registers of each kernel are kept in resource_budget.json, and more than those are an error. After a change that
is worth them:

    python -m tests.kernels.test_ahead_of_time
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUDGET = Path(__file__).with_name("resource_budget.json")
SLACK = 1.1  # ptxas differs by that much from one Triton release to the next


def compile_everything(cache):
    """The rows of compile_all.py, from a process in which nothing is interpreted."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(cache), "TRITON_DEFAULT_FP_FUSION": "1"}
    command = [sys.executable, "-m", "tests.kernels.compile_all"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=600)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def named(rows):
    """Each row under its case, its kernel, and its place among the kernels of that case."""
    found = {}
    for row in rows:
        key = f"{row['case']}: {row['kernel']}"
        found[key if key not in found else f"{key} (finish)"] = row
    return found


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    if sys.platform != "linux":
        pytest.skip("Triton compiles on Linux")
    return named(compile_everything(tmp_path_factory.mktemp("triton")))


def test_nothing_spills(rows):
    assert {name: row["spills"] for name, row in rows.items() if row["spills"] or row["stack"]} == {}


def test_matrix_products_use_the_tensor_cores(rows):
    products = {name: row["tensor_core"] for name, row in rows.items() if row["kernel"] == "_matmul"}
    assert len(products) == 4 and all(products.values())


def test_memory_is_read_16_bytes_at_a_time(rows):
    assert {name for name, row in rows.items() if not row["wide_loads"]} == set()


def test_no_kernel_takes_more_registers_than_its_budget(rows):
    budget = json.loads(BUDGET.read_text(encoding="utf-8"))
    assert set(budget) == set(rows)
    taken = {name: row["registers"] for name, row in rows.items()}
    over = {name: (n, budget[name]) for name, n in taken.items() if n > SLACK * budget[name]}
    assert over == {}


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        registers = {name: row["registers"] for name, row in named(compile_everything(folder)).items()}
    BUDGET.write_text(json.dumps(registers, indent=1) + "\n", encoding="utf-8")
