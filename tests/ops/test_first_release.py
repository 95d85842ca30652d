"""The first release's 252 op types, from the table of its registrations: each is there, with its arguments [W06]."""

from pathlib import Path

import pytest

import refflow as tf
from refflow.core.registry import op_def

TABLE = Path(__file__).resolve().parents[2] / "spec" / "ops_r05.tsv"
ROWS = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]]
IN_LOOPS = {"Enter", "RefEnter", "Exit"}  # differentiated with the loop that they belong to (core/loop_gradients.py)


def names(cell):
    return [part.split(":")[0].strip() for part in cell.split(";") if part.strip()]


def test_the_table_has_every_op_type_of_the_release():
    assert len(ROWS) == 252


@pytest.mark.parametrize(("name", "inputs", "attrs", "outputs", "gradient"), ROWS, ids=[row[0] for row in ROWS])
def test_an_op_type_is_there_with_its_arguments(name, inputs, attrs, outputs, gradient):
    op = op_def(name)
    later = name == "ParseSingleSequenceExample"  # which got sparse feature lists with the release after
    assert len(names(inputs)) == len(op.inputs) or later
    assert len(names(outputs)) == len(op.outputs) or later
    assert set(names(attrs)) <= set(op.attrs)
    for part in filter(str.strip, attrs.split(";")):
        key, _, kind = part.partition(":")
        if kind.split()[0] in ("int", "float", "bool", "string", "tensor", "shape"):
            assert op.attrs[key.strip()].kind == kind.split()[0].strip(), part
    if gradient.startswith("yes") and name not in IN_LOOPS:
        # Of what a loop decides by, nothing flows back: the release registers a rule that says so.
        assert op.gradient_function is not None or (name == "LoopCond" and op.has_gradient_rule)


def test_a_reference_passed_on_passes_its_slope_back():
    v = tf.Variable(3.0)
    passed = op_def("RefIdentity")(v.ref())
    (slope,) = tf.gradients(passed * 2.0, v.ref())
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run(slope) == 2.0
