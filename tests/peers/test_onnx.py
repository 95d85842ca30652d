"""ONNX's own node tests, over op types of refflow: pip install '.[test,peers]', then pytest -m peers.

1,400 of some 1,900 run: every one whose op can be made of TensorFlow's op types. What is left out is said below; a
reason that is not there is a failure.
"""

import re
import warnings
from collections import Counter, defaultdict

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the tests are ONNX's: pip install '.[peers]'")

from tests.peers.onnx_models import TRANSLATIONS, OutOfScope, arrays_of, run

pytestmark = pytest.mark.peers

# ONNX ops that TensorFlow's op types do not make up, or only as a program of many of them.
NOT_TRANSLATED = {
    "AffineGrid", "Attention", "Bernoulli", "Binarizer", "DeformConv", "FlexAttention", "GridSample", "ImageDecoder",
    "LabelEncoder", "LinearAttention", "MelWeightMatrix", "RoiAlign", "StringNormalizer", "SwiGLU",
    "TfIdfVectorizer", "TreeEnsemble",
    "If", "Loop", "Scan", "OptionalGetElement", "OptionalHasElement",  # graphs in attributes, and values that may lack
    "RandomUniformLike",  # another stream of random numbers
}  # fmt: skip
# Modes of an op that TensorFlow's has not, as the translations name them.
NOT_THERE = {
    "TensorFlow's last part after white space is there even when empty",
    "another stream of random numbers",
    "blocks column first",
    "broad filters that repeat the border; ScaleAndTranslate's weigh what is inside",
    "cubic curves other than -0.75 at corners and -0.5 at half pixels",
    "element types of 8 bits and fewer that are no integers of TensorFlow's",
    "nearest pixels by ceil with half_pixel",
    "nearest pixels by floor with align_corners",
    "nearest pixels by round_prefer_ceil with asymmetric",
    "nearest pixels by round_prefer_floor with half_pixel",
    "no scattered product of dense tensors",
    "numbers as the shortest text that gives them back",
    "places of pixels by pytorch_half_pixel",
    "resizing of other than two axes, or by one ratio for both",
    "scales by block",
    "scales that do not end at a whole size",
    "sequences, maps and optional values",
}
# Chains of products in half precision: each library rounds on the way where it stores, a place or two apart.
HALVES = re.compile(r"_(bf16|fp16)_expanded")


@pytest.fixture(scope="module")
def cases():
    """The node tests by op: those of one node, and under "expanded" functions as graphs of many."""
    from onnx.backend.test.case.node import collect_testcases

    found = defaultdict(list)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in collect_testcases(None):
            single = "expanded" not in case.name and len(case.model.graph.node) == 1
            found[case.model.graph.node[0].op_type if single else "expanded"].append(case)
    return found


def outcome(case):
    """Why the case is out of scope, or an empty string if it holds; AssertionError if it does not."""
    for given, wanted in case.data_sets:
        try:
            wanted, got = arrays_of(wanted), run(case.model, arrays_of(given))
        except OutOfScope as reason:
            return str(reason)
        assert len(got) == len(wanted), case.name
        rtol = max(case.rtol, 1 / 64 if HALVES.search(case.name) else 0)
        for ours, theirs in zip(got, wanted, strict=True):
            assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, case.name
            if theirs.dtype.kind in "fcV":
                wide = np.complex128 if theirs.dtype.kind == "c" else np.float64
                np.testing.assert_allclose(ours.astype(wide), theirs.astype(wide), rtol, case.atol, err_msg=case.name)
            else:
                np.testing.assert_array_equal(ours, theirs, err_msg=case.name)
    return ""


@pytest.mark.parametrize("name", [*sorted(TRANSLATIONS), "expanded"])
def test_the_node_tests_of_an_op_hold(cases, name):
    if name not in cases:
        pytest.skip("only inside expanded functions")
    reasons = Counter(outcome(case) for case in cases[name])
    stated = NOT_THERE | {f"no op types make up {kind}" for kind in NOT_TRANSLATED}
    assert reasons[""] and set(reasons) - {""} <= stated


def test_every_op_is_translated_or_left_out_on_purpose(cases):
    sequences = {kind for kind in cases if kind.startswith(("Sequence", "SplitToSequence", "Optional"))}
    assert set(cases) - {"expanded"} - set(TRANSLATIONS) <= NOT_TRANSLATED | sequences
    assert not NOT_TRANSLATED & set(TRANSLATIONS)
