"""What sessions launch is what a card takes: the real binder, the real card's code, and a launcher that refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Triton compiles on Linux")


def run(*arguments, timeout=500):
    """A program where nothing is interpreted, and each warning is an error."""
    environment = {k: v for k, v in os.environ.items() if k not in ("TRITON_INTERPRET", "TRITON_DEFAULT_FP_FUSION")}
    warned = ["-W", "error::UserWarning", "-W", "error::RuntimeWarning"]
    result = subprocess.run([sys.executable, *warned, *arguments], capture_output=True, text=True, cwd=ROOT,
                            env=environment, timeout=timeout)  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def assert_alike(found):
    """On torch's memory the kernels are those on paper, where they are compiled ahead."""
    for name, cards in found.items():
        kernels = [card["kernels"] for card in cards.values()]
        assert kernels[0] and all(k == kernels[0] for k in kernels), name
        assert all(card["launches"] > len(card["kernels"]) for card in cards.values()), name


QUICK = ["mlp", "lstm", "drawn", "attention", "looped", "nothing"]


@ON_LINUX
def test_all_that_sessions_launch_is_what_a_card_takes():
    found = run("-m", "tests.kernels.strict_sessions", *QUICK)
    assert len(found) == len(QUICK)
    assert_alike(found)


@ON_LINUX
@pytest.mark.deep
@pytest.mark.parametrize("name", [*QUICK, "lenet", "inception"])
def test_all_that_sessions_launch_compiles_and_fits_a_card(name):
    assert_alike(run("-m", "tests.kernels.strict_sessions", "--compile", name, timeout=900))


REFUSED = """
import json, os
os.environ["TRITON_DEFAULT_FP_FUSION"] = "1"
import numpy as np, triton, triton.language as tl
from types import SimpleNamespace
from triton.tools.tensor_descriptor import TensorDescriptor
from refflow_kernels.ahead import Place
from tests.kernels.strict import Refused, strict

@triton.jit
def kernel(x, n, step, C: tl.constexpr):
    tl.store(x + tl.program_id(0), n * step)

@triton.jit
def boxed(x, n, C: tl.constexpr):
    x.store([0, 0], x.load([0, 0]))

place = Place((64, 64))
def box(shape=(64, 64), strides=(64, 1), block=(16, 16), at=1 << 20):
    made = TensorDescriptor(Place(shape, "float32", 1 << 20), list(shape), list(strides), list(block))
    made.base = Place(shape, "float32", at)
    return made

LAUNCHES = {
    "right": lambda: kernel[(3,)](place, 5, 2.0, C=1),
    "none": lambda: kernel[(0,)](place, 1, 1 << 40, C=(1, 2)),
    "a box": lambda: boxed[(3, 2)](box(), 5, C=1),
    "numpy's integer": lambda: kernel[(3,)](place, np.int64(5), 2.0, C=1),
    "an array": lambda: kernel[(3,)](np.ones(3), 5, 2.0, C=1),
    "a list": lambda: kernel[(3,)](place, 5, 2.0, C=[1]),
    "numpy's grid": lambda: kernel[(np.int64(3),)](place, 5, 2.0, C=1),
    "a wide grid": lambda: kernel[(1, 65536)](place, 5, 2.0, C=1),
    "a grid past 2^31": lambda: kernel[(1 << 20, 1 << 12)](place, 5, 2.0, C=1),
    "an odd box": lambda: boxed[(3,)](box(at=(1 << 20) + 8), 5, C=1),
    "odd rows": lambda: boxed[(3,)](SimpleNamespace(**{**vars(box()), "strides": [63, 1]}), 5, C=1),
    "a large box": lambda: boxed[(3,)](box(shape=(512, 512), strides=(512, 1), block=(512, 16)), 5, C=1),
    "a box of nothing": lambda: boxed[(3,)](box(shape=(0, 64)), 5, C=1),
}
took = []
with strict() as noted:
    for name, launch in LAUNCHES.items():
        try:
            launch()
            took.append(name)
        except (Refused, TypeError, ValueError, AssertionError):
            continue
print(json.dumps([took, [grid for _, grid, _ in noted]]))
"""


@ON_LINUX
def test_the_launcher_refuses_what_a_card_refuses(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{REFUSED}")
    assert run(str(program)) == [["right", "none", "a box"], [[3, 1, 1], [3, 2, 1]]]


WATCHED = """
import json, sys, torch, numpy as np
from refflow.core.dtypes import as_dtype
from tests.kernels.strict import Launcher, Refused
from tests.kernels.strict_card import StrictCard
card = StrictCard()
block = card.block(64)
array, other = (card.array(block, at, (4,), as_dtype("float32")) for at in (0, 16))
memory, _ = card.pinned(16)
there = torch.zeros(16, dtype=torch.uint8)

def launched():
    Launcher.noted.append(("kernel", (1, 1, 1), [card.block_to_lose.data_ptr()]))

BODIES = {
    "copies": lambda: (card.upload(array, memory), card.copy(other, array), card.download(memory, other)),
    "views": lambda: array.reshape((2, 2))[:1].view(torch.int32),
    "memory": lambda: card.block(8),
    "torch's memory": lambda: array + array,
    "a wait": card.wait,
    "a look": lambda: bool(array[0]),
    "a get": lambda: card.get(array),
    "a put": lambda: card.put(array, np.zeros(4, np.float32)),
    "memory that is not pinned": lambda: card.upload(array, there),
}
took = []
for name, body in BODIES.items():
    try:
        card.capture(body)()
        took.append(name)
    except Refused:
        continue
card.block_to_lose = card.block(32)
replay = card.capture(launched)
replay()
del card.block_to_lose
try:
    replay()
except Refused as lost:
    took.append(str(lost))
print(json.dumps(took))
"""


@ON_LINUX
def test_a_captured_body_that_waits_or_asks_or_looks_is_refused_and_so_is_lost_memory(tmp_path):
    pytest.importorskip("torch", reason="torch is what is watched")
    program = tmp_path / "program.py"
    program.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{WATCHED}")
    assert run(str(program)) == ["copies", "views", "kernel is replayed on memory that was given back"]
