"""Kernels are compiled ahead by several processes, and are then found in Triton's cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

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
