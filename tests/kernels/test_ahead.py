"""Kernels are compiled ahead by several processes, and are then found in Triton's cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("triton", reason="Triton compiles the kernels")
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
from refflow_kernels.ahead import Target, compiled, fill_cache
from refflow_kernels.bench.worker import launches_of

if __name__ == "__main__":
    items = [("Softmax 128x10", 0), ("Transpose [4097", 0), ("no such case", 0)]
    count = fill_cache(launches_of, items, 90)
    from triton import knobs
    from triton.runtime import driver
    hits = []
    knobs.compilation.listener = lambda cache_hit, **_: hits.append(cache_hit)
    driver.set_active(Target(90))
    for item in items[:2]:
        for launch in launches_of(item):
            compiled(launch)
    print(json.dumps([count, hits]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Triton compiles on Linux")
def test_what_processes_have_compiled_is_not_compiled_again(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, program], capture_output=True, text=True, env=environment, timeout=500)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == [2, [True, True]]


def test_the_tests_for_a_card_are_right_under_the_interpreter(monkeypatch, rng):
    from refflow_kernels.interpreter import Memory
    from tests.kernels import test_on_gpu as there

    memory = (lambda x, name: Memory.of(np.asarray(x, name)), Memory.empty)
    monkeypatch.setattr(there, "back", lambda place: place.array)
    there.test_a_kernel_agrees_with_its_page_and_with_itself(None, memory, ("op", "Softmax", "float32"))
    there.test_a_kernel_agrees_with_its_page_and_with_itself(None, memory, ("op", "MaxPoolGrad", "float16"))
    there.test_a_generated_kernel_gives_what_its_formula_says(memory, ("formula", "Tanh", "float32"), rng)
    there.test_an_update_has_the_bits_of_its_rule(memory, ("update", "ApplyAdam"), rng)
    there.test_indices_out_of_range_are_noted(memory)


def test_a_gather_s_programs_are_no_more_than_a_card_takes_however_many_places_lead(monkeypatch):
    """65,535 along the second and third axis of a grid, and 2^31 altogether."""
    from refflow_kernels.ahead import Place
    from refflow_kernels.gpu import rows
    from refflow_kernels.gpu.arrays import ceil_div

    grids = []

    class Noted:
        def __getitem__(self, grid):
            grids.append(grid)
            return lambda *arguments, **named: None

    for name in ("_gather", "_gather_narrow"):
        monkeypatch.setattr(rows, name, Noted())
    for width in (1, 40, 2000):
        places = Place([100_000, 7, width]), Place([3], "int32"), np.array(1)
        rows.gather_v2(*places, out=Place([100_000, 3, width]))
    assert grids == [(ceil_div(300_000, 1024),), (300_000, 1), (300_000, 2)]
