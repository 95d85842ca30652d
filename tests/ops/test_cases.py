"""Every example on every op's page holds: on the page's kernel, in both executables, and as an error text."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import registered_ops
from tests.cases import CASES, IDS, attrs_of, build, expected, inputs_of

OK = [(op, case) for op, case in CASES if case.error is None]
OK_IDS = [name for name, (_, case) in zip(IDS, CASES, strict=True) if case.error is None]
# Kernels that need nothing that a session makes for them.
ALONE = [(op, case) for op, case in OK if op.make_state is None]
ALONE_IDS = [name for name, (op, _) in zip(OK_IDS, OK, strict=True) if op.make_state is None]
WRONG = [(op, case) for op, case in CASES if case.error is not None]
WRONG_IDS = [name for name, (_, case) in zip(IDS, CASES, strict=True) if case.error is not None]


def assert_equal(op, got, want):
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        if w is None:
            continue
        g = np.asarray(g, object if isinstance(g, bytes) else None)
        if w.dtype.names:  # bfloat16 as ml_dtypes knows it, where that is installed; a quantized type's plain integers
            g = g.view(w.dtype)
        assert g.dtype == w.dtype and g.shape == w.shape
        if op.accuracy == "exact" or w.dtype.kind not in "fc":
            np.testing.assert_array_equal(g, w)
        else:
            np.testing.assert_allclose(g, w, rtol=4 * np.finfo(w.dtype).eps, atol=np.finfo(w.dtype).tiny)


@pytest.mark.parametrize(("op", "case"), ALONE, ids=ALONE_IDS)
def test_the_reference_kernel_gives_what_the_page_says(op, case):
    attrs = attrs_of(op, case)
    with np.errstate(all="ignore"):
        result = op.reference(*inputs_of(op, case, attrs), **{k: attrs[k] for k in op.kernels["cpu"].attrs})
    results = list(result) if isinstance(result, tuple | list) else [result] if op.outputs else []
    if op.ref_inputs:  # new values of the references come first, then the plain outputs
        plain = results[len(op.ref_inputs) :]
        results = [results[0] if a.is_ref else plain.pop(0) for a in op.outputs]
    assert_equal(op, results, expected(op, case))


@pytest.mark.parametrize(("op", "case"), ALONE, ids=ALONE_IDS)
def test_what_a_kernel_makes_lies_row_by_row(op, case):  # [S65]
    """Who reads another layout adds it up in another order, and then one executable's bits are not the other's."""
    attrs = attrs_of(op, case)
    with np.errstate(all="ignore"):
        result = op.reference(*inputs_of(op, case, attrs), **{k: attrs[k] for k in op.kernels["cpu"].attrs})
    for value in result if isinstance(result, tuple | list) else [result]:
        assert op.view or not isinstance(value, np.ndarray) or value.flags.c_contiguous


@pytest.mark.parametrize("constants", [True, False], ids=["constants", "fed"])
@pytest.mark.parametrize("options", [{}, {"kernels": "reference"}, {"executor": "executor"}], ids=str)
@pytest.mark.parametrize(("op", "case"), OK, ids=OK_IDS)
def test_a_session_gives_what_the_page_says(op, case, options, constants):
    outputs, feeds, initializers = build(op, case, constants)
    with tf.Session(**options) as session:
        session.run(initializers)
        if op.outputs:
            assert_equal(op, session.run(outputs, feeds), expected(op, case))
        else:
            assert session.run(outputs, feeds) == [None]


@pytest.mark.parametrize("constants", [True, False], ids=["constants", "fed"])
@pytest.mark.parametrize("executor", ["plan", "executor"])
@pytest.mark.parametrize(("op", "case"), WRONG, ids=WRONG_IDS)
def test_a_wrong_call_says_what_the_page_says(op, case, executor, constants):
    """While building where the graph can know it, else in the step [W79]."""
    with pytest.raises((tf.GraphError, tf.OpError)) as caught:
        outputs, feeds, initializers = build(op, case, constants)
        with tf.Session(executor=executor) as session:
            session.run(initializers)
            session.run(outputs, feeds)
    assert case.error in str(caught.value)
    assert op.name in str(caught.value)


@pytest.mark.parametrize("op", registered_ops(), ids=lambda op: op.name)
def test_every_op_that_computes_has_a_case(op):
    needs_none = {"Placeholder", "Variable", "TemporaryVariable", "_Send", "_Recv"}
    # Files, control flow, and what works on state behind handles have tests of their own.
    elsewhere = {"ControlTrigger", "Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch"}
    elsewhere |= {"EagerPyFunc", "PyFunc", "PyFuncStateless"}  # tests/ops/test_py_func.py
    elsewhere |= {"RecordInput"}  # tests/ops/test_readers.py
    elsewhere |= {f"{part}{end}" for part in ("Map", "OrderedMap")  # tests/ops/test_waiting.py
                  for end in ("Clear", "IncompleteSize", "Peek", "Size", "Stage", "Unstage", "UnstageNoKey")}
    elsewhere |= {"Stage", "StageClear", "StagePeek", "StageSize", "Unstage"}  # tests/ops/test_waiting.py
    elsewhere |= {"GenerateVocabRemapping", "LoadAndRemapMatrix"}
    elsewhere |= {"MergeV2Checkpoints", "Restore", "RestoreSlice", "RestoreV2", "Save", "SaveSlices", "SaveV2"}
    handles = (
        op.name in elsewhere
        or op.by_handle
        or any(a.fixed in (tf.resource, tf.variant) or (a.is_ref and a.fixed) for a in op.inputs + op.outputs)
    )
    assert op.cases or op.accuracy == "random" or op.family in needs_none or handles
