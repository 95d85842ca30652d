"""Faults planted in the pages' kernels are found; what the manual says of how many is what is measured."""

import re
from pathlib import Path

import pytest

from refflow.conformance import check
from tests.conformance.faults import KINDS, right, subjects, sweep

SAMPLE = [
    "Add", "ApplyAdam", "ArgMax", "BatchMatMul", "Conv2D", "Conv2DBackpropInput", "Cumsum", "Exp", "MatMul", "Maximum",
    "MaxPoolGrad", "Max", "Relu", "SegmentSum", "Softmax", "StringJoin", "Sum", "Transpose",
]  # fmt: skip
# No more rows than segments, one example of a shape, and few sums, of which cutting changes too few to be sure.
PASSES = {
    ("the first answer for a shape is given again", "StringJoin"),
    *(("float16 is cut, not rounded", name) for name in ("Cumsum", "MaxPoolGrad", "SegmentSum", "Sum")),
    *(("bfloat16 is cut, not rounded", name) for name in ("MaxPoolGrad", "SegmentSum", "Sum")),
}


def test_what_is_planted_into_a_few_is_found():
    found = sweep(subjects(SAMPLE))
    missed = {(kind, name) for kind, by_op in found.items() for name, is_found in by_op.items() if not is_found}
    assert missed == PASSES
    assert found.keys() == KINDS.keys()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_without_a_fault_nothing_is_found():
    report = check(right, SAMPLE)
    assert report.is_right, str(report)


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_manual_says_of_how_many_each_kind_is_found():
    manual = (Path(__file__).parents[2] / "docs/backends.rst").read_text(encoding="utf-8")
    lines = re.findall(r"^   (\S.*?)  +(\d+) of +(\d+)$", manual, re.MULTILINE)
    told = {kind: (int(found), int(count)) for kind, found, count in lines}
    assert told == {kind: (sum(by_op.values()), len(by_op)) for kind, by_op in sweep(subjects()).items()}
