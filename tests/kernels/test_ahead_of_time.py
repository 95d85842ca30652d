"""Every Triton kernel compiles for a Hopper card without one: no spills, wide loads, tensor cores, few registers, and
no more shared memory than there is.

The registers of each kernel are kept in budget/FAMILY.json, and more than those are an error; other compilers than the
one that made the files count others, and spill a few. After a change that is worth them:

    python -m tests.kernels.test_ahead_of_time [FAMILY ...]
"""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUDGETS = Path(__file__).with_name("budget")
FAMILIES = sorted(path.stem for path in BUDGETS.glob("*.json"))
COMPILER = "3.9"  # the Triton whose counts the budgets are
SLACK = 1.1  # ptxas differs by that much from one patch release to the next
SHARED = 227 * 1024  # bytes of shared memory that a program has on a Hopper card
SCATTERED = (  # loads that cannot be 16 bytes wide, and why
    "Conv2D 17 to 19: _conv",  # odd channels
    "MaxPool channels first: _pool",  # every other cell of a line
    "MatMul 1001x1003x1005: _matmul", "MatMul 1001x1003x1005 float32: _matmul",  # odd rows
    "MatMul 4097x4099x4093: _copy_rows", "MatMul 4097x4099x4093: _copy_rows (finish)",
    "Pad: _pad", "OneHot: _one_hot", "Gather of columns: _gather_narrow",  # what a lane reads depends on where it is
    "advance round 1: _advance", "advance round 32: _advance",  # two numbers
    "pick_row of bytes: _pick_row", "first_outside of 1000: _first_outside",  # rows that end anywhere
    "UnsortedSegmentMax: _filled", "SegmentMean: _filled", "SparseSegmentSqrtN: _filled",
    "SparseSegmentMeanGrad: _filled", "UnsortedSegmentSum of many: _zeroslike", "DynamicStitch: _zeroslike",
    "UnsortedSegmentMax: _pieces",  # 8 bytes for a thread
    "UnsortedSegmentSum: _zeroslike", "RandomUniform: _uniforms", "RandomUniform bfloat16: _uniforms",  # read nothing
    "RandomStandardNormal: _normals", "TruncatedNormal: _truncated",
    "ReverseV2 of columns: _copy",  # from the end of a line
    "GatherNd of elements: _gather_nd", "ScatterNd: _zeroslike", "ScatterNd: _rows",  # pairs of numbers
    "CTCLoss 1000 of 29: _norms", "CTCLoss 1000 of 29: _slopes", "Multinomial 1 of 10 float32: _classes",  # odd rows
    "CTCLoss 1000 of 29: _paths", "CTCLoss 150 of 5000: _paths",  # classes anywhere
    "Cholesky 4096x20: _finish", "Cholesky 256x64: _finish",  # one number
    "CholeskyGrad 4096x20: _lower_half", "CholeskyGrad 16x1024: _lower_half",  # below the diagonal
    "MatrixTriangularSolve 4096x20: _solve", "MatrixTriangularSolve 4096x20 adjoint: _solve",  # one column
    "CropAndResize 3 uint8: _crop", "CropAndResizeGradImage: _crop_grad_image",  # three of a pixel; a pixel of 64
    "TopK 1 of 10 float32: _top", "TopK 40 of 50257 float32: _top_long",  # rows that begin anywhere
    "MatrixDiag: _put", "MatrixDiagV3: _put", "MatrixDiagPartV3: _take",  # a few elements of a line
    "ExtractImagePatches 3: _patches",  # three of a pixel
    "Sum of few long rows: _reduce_rows (finish)",  # 64 numbers
    "Sum of many short rows: _reduce_rows",  # rows of 10
    "LogicalAnd: _logicaland", "LogicalOr: _logicalor", "LogicalNot: _logicalnot",  # 8 elements of a byte for a thread
)  # fmt: skip
TENSOR_CORES = ("_matmul", "_matmul_boxes", "_conv", "_conv_to_filter", "_conv_boxes", "_conv_to_filter_boxes")


def compile_family(family, cache, every=1):
    """The rows of compile_all.py, from a process in which nothing is interpreted."""
    left = ("TRITON_INTERPRET", "TRITON_DEFAULT_FP_FUSION")
    environment = {k: v for k, v in os.environ.items() if k not in left} | {"TRITON_CACHE_DIR": str(cache)}
    # Triton warns of a launch that does not say whether products may be fused.
    command = [sys.executable, "-W", "error::UserWarning", "-m", "tests.kernels.compile_all", family,
               "--every", str(every)]  # fmt: skip
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


def differs_from_its_twin(rows, name):
    """Whether a chain's reduction adds up in another order than the plain one beside it: then its bits differ."""
    if not name.startswith("twin: ") or not name.endswith(": _chain"):
        return False
    plain = name.removesuffix(": _chain") + ", plain: _reduce_"
    (twin,) = (row for other, row in rows.items() if other in (f"{plain}rows", f"{plain}columns"))
    return not rows[name]["trees"] or rows[name]["trees"] != twin["trees"]


def test_every_family_has_a_budget():
    text = (Path(__file__).parent / "launches" / "__init__.py").read_text(encoding="utf-8")
    assert FAMILIES and all(f'"{family}": {family},' in text for family in FAMILIES)
    assert text.count('": ') == len(FAMILIES)


@pytest.mark.skipif(sys.platform != "linux", reason="Triton compiles on Linux")
@pytest.mark.parametrize(
    ("family", "every"),
    [(family, 4 if family == "joined" else 1) for family in FAMILIES]
    + [pytest.param("joined", 1, marks=pytest.mark.deep)],
)
def test_a_family_compiles_within_its_budget(family, every, tmp_path):
    rows = named(compile_family(family, tmp_path, every))
    assert {name: row["shared"] for name, row in rows.items() if row["shared"] > SHARED} == {}
    narrow = {name for name, row in rows.items() if not row["wide_loads"] and name not in SCATTERED}
    assert narrow == set()
    plain = {name for name in rows if "ieee" in name}  # asked for without tensor cores
    slow = {n for n, r in rows.items() if r["kernel"] in TENSOR_CORES and not r["tensor_core"]} - plain
    assert slow == set()
    assert {name: row["trees"] for name, row in rows.items() if differs_from_its_twin(rows, name)} == {}
    budget = json.loads((BUDGETS / f"{family}.json").read_text(encoding="utf-8"))
    assert set(budget) == set(rows) if every == 1 else rows and set(rows) <= set(budget)
    if not version("triton").startswith(COMPILER):
        return
    assert {name: row["spills"] for name, row in rows.items() if row["spills"] or row["stack"]} == {}
    taken = {name: row["registers"] for name, row in rows.items()}
    assert {name: (n, budget[name]) for name, n in taken.items() if n > SLACK * budget[name]} == {}


if __name__ == "__main__":
    import tempfile

    for family in sys.argv[1:] or FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            registers = {name: row["registers"] for name, row in named(compile_family(family, folder)).items()}
        (BUDGETS / f"{family}.json").write_text(json.dumps(registers, indent=1) + "\n", encoding="utf-8")
