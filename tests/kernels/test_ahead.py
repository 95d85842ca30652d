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


FAILING = """
import os, sys, time
from refflow_kernels.ahead import fill_cache

def launches_of(item):
    if item == "dies":
        os._exit(3)
    if item == "hangs":
        time.sleep(100)
    if item == "fails":
        raise ValueError("no launch")
    return []

if __name__ == "__main__":
    began = time.monotonic()
    counts = [fill_cache(launches_of, ["dies", "fails"], 90, most=8.0)]
    counts += [fill_cache(launches_of, ["hangs"], 90, seconds=8.0)]
    print(counts, time.monotonic() - began < 60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Triton compiles on Linux")
def test_a_process_that_dies_or_hangs_keeps_nobody_waiting(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(FAILING)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TRITON_INTERPRET": "0"}
    result = subprocess.run([sys.executable, program], capture_output=True, text=True, env=environment, timeout=100)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["[0,", "0]", "True"]


SHARES = """
import json
from refflow_kernels.ahead import Target, compiled
from refflow.bench.gpu_rows import launches_of as of_a_workload
from tests.kernels.on_a_card import launches_of
from triton.runtime import driver
from triton.runtime.jit import JITFunction

asked, kept = [], []

def noted(self, key, signature, device, *rest):
    asked.append(self.__name__ + str(key))
    kept.append((self.device_caches[device][0], key))
    self.device_caches[device][0][key] = "a kernel"
    return "a kernel"

JITFunction._do_compile = noted
driver.set_active(Target(90))
shares = []
for launch in (*of_a_workload(0), *launches_of(("session", "test_random_numbers_of_replays_are_the_cpu_s"))):
    for part in range(3):
        asked.clear()
        found = compiled(launch, (part, 3))
        shares.append([len(asked), len(set(asked)), len(found)])
        for cache, key in kept:  # as in another process
            cache.pop(key, None)
print(json.dumps(shares))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Triton compiles on Linux")
def test_processes_share_the_kernels_of_a_session_out(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(SHARES)
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, program], capture_output=True, text=True, env=environment, timeout=300)
    assert result.returncode == 0, result.stderr
    shares = json.loads(result.stdout)
    counts = [count for count, *_ in shares]
    assert all(different == count <= launched for count, different, launched in shares)
    assert sum(counts[:3]) >= 10 and max(counts[:3]) - min(counts[:3]) <= 1
    assert sum(counts[3:]) == 2


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


class Noted:
    """In the place of a kernel: the grids and the constants that it is launched with."""

    def __init__(self):
        self.launches = []

    def __getitem__(self, grid):
        return lambda *arguments, **named: self.launches.append((grid, named))


def test_a_gather_s_programs_are_no_more_than_a_card_takes_however_many_places_lead(monkeypatch):
    """65,535 along the second and third axis of a grid, and 2^31 altogether."""
    from refflow_kernels.ahead import Place
    from refflow_kernels.gpu import rows
    from refflow_kernels.gpu.arrays import ceil_div

    noted = Noted()
    for name in ("_gather", "_gather_narrow"):
        monkeypatch.setattr(rows, name, noted)
    for width in (1, 40, 2000):
        places = Place([100_000, 7, width]), Place([3], "int32"), np.array(1)
        rows.gather_v2(*places, out=Place([100_000, 3, width]))
    assert [grid for grid, _ in noted.launches] == [(ceil_div(300_000, 1024),), (300_000, 1), (300_000, 2)]


@pytest.mark.parametrize(("rows", "wide"), [(40_000, True), (30_000, False)])
def test_a_band_s_places_have_64_bits_where_it_has_more_of_them_than_its_matrix(rows, wide, monkeypatch):
    """All diagonals of 1.6e9 numbers are 3.2e9 places."""
    from refflow_kernels.ahead import Place
    from refflow_kernels.gpu import diagonals

    put, take = Noted(), Noted()
    monkeypatch.setattr(diagonals, "_put", put)
    monkeypatch.setattr(diagonals, "_take", take)
    matrix, band, number = Place([rows, rows]), Place([2 * rows - 1, rows]), Place([])
    k = np.array([1 - rows, rows - 1])
    diagonals.matrix_set_diag_v3(matrix, band, k, out=Place([rows, rows]))
    diagonals.matrix_diag_v3(band, k, rows, rows, number, out=matrix)
    diagonals.matrix_diag_part_v3(matrix, k, number, out=band)
    assert [named["WIDE"] for _, named in put.launches + take.launches] == [wide] * 3
