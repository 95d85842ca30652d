"""The table of docs/same_answers.rst: how near each of the card's kernels is to the CPU's, by op and type.

It says what the tests hold: the bounds of the samples, and of the generated kernels what their test allows.

    python -m tests.kernels.same_answers        writes docs/same_answers.csv anew
"""

from __future__ import annotations

import csv
import io
from math import floor, log10
from pathlib import Path

import numpy as np

from refflow.core.dtypes import as_dtype
from refflow.core.formula import OF_CARDS
from refflow.core.registry import op_def, registered_ops
from refflow.core.signature import REQUIRED
from refflow.runtime.gpu_kernels import formula_of
from refflow.runtime.gpu_updates import text_of
from refflow_kernels.gpu import KERNELS
from tests.kernels.samples import SAMPLES, reference

FILE = Path(__file__).resolve().parents[2] / "docs" / "same_answers.csv"
FUNCTIONS = frozenset(("exp", "expm1", "log", "log1p", "logaddexp", "tanh", "power", "sin", "cos", *OF_CARDS))
FUNCTIONS -= {"rint"}
SAME, UNITS = "bit-equal", "4 units in the last place"


def rows() -> list[tuple[str, str, str]]:
    """(op, type, bound) for every op that runs on a card."""
    found = {(op, dtype): of_samples(op, dtype) for op, kernel in KERNELS.items() for dtype in kernel.dtypes}
    for op in registered_ops():
        for dtype in ("float32", "float16", "int32", "int64", "bool"):
            attrs = {n: a.default for n, a in op.attrs.items() if a.default is not REQUIRED}
            attrs |= ({"T": as_dtype(dtype)} if "T" in op.attrs else {}) | ({"N": 3} if "N" in op.attrs else {})
            takes = as_dtype(dtype) in op.attrs["T"].allowed if "T" in op.attrs else dtype == "bool"
            if not takes or (op.name, dtype) in found:
                continue
            formula = formula_of(op, attrs)
            if formula is not None:
                used = {step[0] for step in formula.steps} & FUNCTIONS
                found[op.name, dtype] = UNITS if used else SAME
            elif (text := text_of(op, attrs)) is not None:
                calls = any(f"{name}(" in line for name in FUNCTIONS for line in text.lines)
                found[op.name, dtype] = UNITS if calls else SAME if dtype == "float32" else "one rounding, not several"
    return sorted((op, dtype, bound) for (op, dtype), bound in found.items())


def of_samples(op: str, dtype: str) -> str:
    """What the samples' bounds come to, relative to the largest value of an output: the median of the samples.

    A bound grows with the number of terms, and without limit where they cancel; so the largest would say little.
    """
    if op_def(op).accuracy == "random":
        return "the CPU's bits"
    if dtype == "bfloat16":
        return "as float32, and one rounding to 8 bits"
    ratios = []
    for inputs, attrs, bounds in SAMPLES[op](np.random.default_rng(0), dtype):
        for wanted, bound in zip(reference(op, inputs, attrs), bounds, strict=True):
            finite = np.abs(np.where(np.isfinite(wanted), wanted, 0).astype(np.float64)) if wanted.size else np.zeros(1)
            bound = np.nan_to_num(np.asarray(bound, np.float64), nan=0.0, posinf=0.0)
            if bound.size and finite.max() > 0 and bound.max() > 0:
                ratios.append(float(2 * bound.max() / finite.max()) + float(np.finfo(wanted.dtype).eps))
    return f"{rounded_up(float(np.median(ratios)))} of the largest value" if ratios else SAME


def rounded_up(x: float) -> str:
    """To one digit.

    >>> rounded_up(3.21e-6), rounded_up(1e-3)
    ('4e-06', '1e-03')
    """
    power = 10.0 ** floor(log10(x))
    return f"{-(-round(x / power, 6) // 1) * power:.0e}"


def text() -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([("op", "type", "from the CPU's kernel"), *rows()])
    return file.getvalue()


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
