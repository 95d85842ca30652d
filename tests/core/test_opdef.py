"""Op types: signatures, attributes and their inference, what a new op needs."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.formula import FUNCTIONS, Formula
from refflow.core.registry import op_def, registered_ops
from refflow.core.signature import Attr, parse_signature


@pytest.fixture
def doubled():
    """A new op type, gone again after the test."""
    from refflow.core import registry

    op = tf.define_op("TestDouble", "x: T[...S] -> y: T[...S]", T=(tf.float32, tf.float64), source=("S44",))
    yield op
    del registry._REGISTRY["TestDouble"]


def test_a_new_op_is_a_signature_a_kernel_and_a_gradient(doubled):  # [S44]
    doubled.kernel(lambda x: x + x)
    doubled.gradient(lambda op, dy: dy * 2.0)
    x = tf.constant([1.0, 2.0])
    y = doubled(x)
    (dx,) = tf.gradients(y, x)
    with tf.Session() as session:
        assert [v.tolist() for v in session.run([y, dx])] == [[2, 4], [2, 2]]


def test_an_op_type_is_defined_once(doubled):
    with pytest.raises(tf.GraphError, match="TestDouble is defined already"):
        tf.define_op("TestDouble", "->")


def test_type_attributes_come_from_the_inputs_and_conflicts_name_both():  # [W04]
    a, b = tf.constant([[1.0]]), tf.constant([[1.0]], tf.float64)
    assert tf.matmul(a, a).op.get_attr("T") is tf.float32
    with pytest.raises(TypeError, match=r"b \('Const_1:0'\) is float64, but a has T = float32"):
        tf.matmul(a, b)


def test_counts_come_from_lists_and_conflicts_name_both():  # [W04]
    assert tf.add_n([tf.constant(1.0)] * 3).op.get_attr("N") == 3
    with pytest.raises(ValueError, match="data has 1 tensors, but indices has N = 2"):
        tf.dynamic_stitch([[0], [1]], [[1.0]])


def test_a_type_that_is_not_allowed_is_told_with_those_that_are():
    with pytest.raises(TypeError, match="attribute T = bool is not allowed. Allowed: float16, float32") as caught:
        tf.matmul(tf.constant([[True]]), tf.constant([[True]]))
    assert "MatMul" in str(caught.value)


def test_attributes_have_kinds():
    x = tf.constant([[1.0]])
    with pytest.raises(TypeError, match="attribute transpose_a is a bool, got 1"):
        tf.matmul(x, x, transpose_a=1)
    with pytest.raises(TypeError, match="has no attribute 'transpose_c'"):
        op_def("MatMul")(x, x, transpose_c=True)
    with pytest.raises(ValueError, match="N must be at least 1"):
        Attr("int", minimum=1).check("N", 0)


def test_an_unknown_op_type_is_answered_with_near_ones():
    with pytest.raises(tf.GraphError, match="no op type is called 'MatMull'. Near it: MatMul"):
        op_def("MatMull")


def test_signatures_are_read():
    inputs, outputs = parse_signature("ref: Ref(T), indices: N * int32, x: T[M, ...S] -> y: bool[], z: T")
    assert [(a.name, a.is_ref, a.number, a.dims) for a in inputs] == [
        ("ref", True, None, None), ("indices", False, "N", None), ("x", False, None, ("M", "...S")),
    ]  # fmt: skip
    assert outputs[0].fixed is tf.bool and outputs[0].dims == ()
    with pytest.raises(tf.GraphError, match="cannot read"):
        parse_signature("a b -> c: T")


def test_inputs_and_outputs_have_names():
    x, y = tf.constant([[1.0]]), tf.constant([[1.0]])
    op = tf.nn.softmax_cross_entropy_with_logits(x, y).op
    assert op.inputs["labels"] is y and op.outputs["backprop"] is op.outputs[1]
    stitch = tf.dynamic_stitch([[0], [1]], [[1.0], [2.0]]).op
    assert len(stitch.inputs["indices"]) == 2 and stitch.inputs["data"][1].op.name.endswith("data_1")


@pytest.mark.parametrize("op", registered_ops(), ids=lambda op: op.name)
def test_an_op_page_is_whole(op):  # [S43]
    """Every op has a reference kernel, unless the runtime itself is its meaning, and an answer about gradients."""
    by_the_runtime = {"Variable", "VarHandleOp", "_Send", "_Recv"}
    assert ("cpu" in op.kernels) != (op.family in by_the_runtime)
    assert op.has_gradient_rule or op.lacks_gradient or op.family in by_the_runtime


@pytest.mark.parametrize("op", [op for op in registered_ops() if op.formula], ids=lambda op: op.name)
def test_a_formula_is_read_the_same_by_all_its_readers(op):
    arrays = [np.array([0.5, 2.0, 3.0], np.float32) + i for i in range(len(op.formula.parameters))]
    if op.name.startswith("Logical"):
        arrays = [a > 2 for a in arrays]
    wanted = eval(  # the text is Python; with these names it is also NumPy
        op.formula.text,
        {n: getattr(np, n) for n in FUNCTIONS | {"abs": 0}},
        dict(zip(op.formula.parameters, arrays, strict=True)),
    )  # fmt: skip
    np.testing.assert_array_equal(op.formula.numpy(*arrays), wanted)
    lines = "\n".join(op.formula.triton())
    assert all(p in lines and p in op.formula.latex() for p in op.formula.parameters)


def test_a_formula_with_a_word_that_is_not_in_the_language_is_refused():
    with pytest.raises(tf.GraphError, match=r"'cbrt\(x\)' is not part of the language"):
        Formula("1 + cbrt(x)")
