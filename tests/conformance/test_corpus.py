"""The corpus of examples: what is written is what is read, to the bit, and the lines alone are enough to be run."""

import json

import numpy as np
import pytest

import refflow as tf
from refflow.conformance import read_case, write_cases
from refflow.conformance.cases import attrs_of, inputs_of
from tests.cases import CASES, IDS

LINES = dict(zip(IDS, write_cases(), strict=True))
BY_ID = dict(zip(IDS, CASES, strict=True))


def same(a, b):
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and (a.tolist() == b.tolist() or a.tobytes() == b.tobytes())
    return a == b or (a != a and b != b)


@pytest.mark.parametrize("name", LINES)
def test_a_line_gives_back_the_example(name):
    op, case = BY_ID[name]
    found = read_case(LINES[name])
    attrs = attrs_of(op, case)
    assert (found.op, found.title, found.clause, found.error) == (op, case.title, case.clause, case.error)
    assert attrs.keys() == found.attrs.keys()
    for key, value in attrs.items():
        given = list(value) if isinstance(value, tuple) else value
        assert same(given, found.attrs[key]) or str(given) == str(found.attrs[key]), key
    assert same(inputs_of(op, case, attrs), list(found.inputs.values()))


@pytest.mark.parametrize("op_type", ["MatMul", "Softmax", "StridedSlice", "ConcatV2", "AsString", "FFT", "Cast"])
def test_lines_alone_can_be_run(op_type):
    for line in write_cases([op_type]):
        example = read_case(line)
        if example.error is not None:
            continue
        with tf.Graph().as_default(), tf.Session(kernels="reference") as session:
            result = example.op(*example.inputs.values(), **example.attrs)
            found = [session.run(t) for t in (result if isinstance(result, tuple | list) else [result])]
        for got, wanted in zip(found, example.outputs.values(), strict=False):
            if wanted.dtype.names:  # bfloat16 leaves a session as ml_dtypes knows it, where that is installed
                got = np.asarray(got).view(wanted.dtype)
            if wanted.dtype.kind in "fc":
                np.testing.assert_allclose(got, wanted, rtol=1e-6)
            else:
                assert np.asarray(got).tolist() == wanted.tolist()


def test_a_line_is_plain_json_without_nan():
    for line in LINES.values():
        json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_what_is_no_line_is_said():
    with pytest.raises(tf.GraphError, match=r"no example of an op: KeyError: 'op'. Line: '\{\}'"):
        read_case("{}")
