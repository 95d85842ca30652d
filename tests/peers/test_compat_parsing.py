"""Example records parsed, values serialized, files read and written, under both."""

import os

import numpy as np
import pytest

from refflow.compat.v1 import messages
from refflow.compat.v1.messages import Example, Feature, FeatureList, FeatureLists, Features, SequenceExample
from tests.peers.side_by_side import unlike

pytestmark = pytest.mark.peers
os.environ["TF_USE_LEGACY_KERAS"] = "1"


def feature(values):
    kind = {int: "int64_list", float: "float_list", bytes: "bytes_list"}[type(values[0])] if values else None
    return Feature(**{kind: {"value": values}}) if kind else Feature()


def example(**features):
    return Example(features=Features(feature={k: feature(v) for k, v in features.items()})).SerializeToString()


def sequence(context, lists):
    rows = {k: FeatureList(feature=[feature(v) for v in values]) for k, values in lists.items()}
    return SequenceExample(
        context=Features(feature={k: feature(v) for k, v in context.items()}),
        feature_lists=FeatureLists(feature_list=rows),
    ).SerializeToString()


ONE = example(a=[1, 2], f=[0.5], s=[b"x", b"y"], i=[3, 0], v=[1.5, 2.5])
TWO = example(a=[3, 4], f=[1.5], s=[b"z"], i=[1], v=[9.0])
THREE = example(a=[5, 6])
STEPS = sequence({"c": [5], "t": [b"one"]}, {"l": [[1, 2], [3, 4]], "w": [[b"a"], [b"b", b"c"]], "f": [[0.5]]})
FEW = sequence({"c": [6]}, {"l": [[7, 8]], "w": []})
GIVEN = {"ONE": ONE, "TWO": TWO, "THREE": THREE, "BOTH": [ONE, TWO], "ALL": [ONE, TWO, THREE], "STEPS": STEPS,
         "FEW": FEW, "FLOATS": np.array([[1.5, -2.0]], np.float32)}  # fmt: skip
MADE = {
    "FIXED": "tf.FixedLenFeature", "ROWS": "tf.FixedLenSequenceFeature", "VAR": "tf.VarLenFeature",
    "S": "tf.SparseTensor([[0, 1], [1, 0]], [1.0, 2.0], [2, 3])", "RAGGED": "tf.io.RaggedFeature",
}  # fmt: skip
LINES = r"""
tf.parse_example(BOTH, {"a": FIXED([2], tf.int64), "f": FIXED([], tf.float32), "s": VAR(tf.string)})
tf.parse_example(BOTH, {"a": FIXED([2, 1], tf.int64), "f": FIXED([1, 1], tf.float32)})
tf.io.parse_example(tf.placeholder_with_default(BOTH, [None]), features={"s": VAR(tf.string)})
tf.parse_example(ALL, {"f": FIXED([], tf.float32, 7.0), "s": FIXED([1], tf.string, "none"), "a": VAR(tf.int64)})
tf.parse_example([TWO, THREE], {"f": FIXED([2], tf.float32, [1.0, 2.0])})
tf.parse_example(ALL, {"f": FIXED([], tf.float32)})
tf.parse_example(ALL, {"f": FIXED([], tf.int64, 0)})
tf.parse_example(ALL, {"f": VAR(tf.int64)})
tf.parse_example(["damaged"], {"f": VAR(tf.int64)})
tf.parse_example(ALL, {"s": ROWS([], tf.string, True), "a": ROWS([2], tf.int64, allow_missing=True)})
tf.parse_example(ALL, {"s": ROWS([], tf.string, True, "-"), "i": ROWS([], tf.int64, True, default_value=9)})
tf.parse_example(ALL, {"s": ROWS([], tf.string)})
tf.parse_example(ALL, {"p": tf.SparseFeature("i", "v", tf.float32, 5)})
tf.parse_example(ALL, {"p": tf.SparseFeature("i", "v", tf.float32, 5, already_sorted=True), "v": VAR(tf.float32)})
tf.parse_example(BOTH, {"p": tf.SparseFeature(["i", "i"], "v", tf.float32, [5, 4])})
tf.parse_example(ALL, {"p": tf.SparseFeature("i", "v", tf.float32, [5])})
tf.parse_example(ALL, {"p": tf.SparseFeature("i", "v", tf.float32, 5), "v": VAR(tf.int64)})
tf.parse_example(ALL, {"r": RAGGED(tf.int64, "a"), "s": RAGGED(tf.string, row_splits_dtype=tf.int64)})
tf.parse_single_example(ONE, {"s": RAGGED(tf.string)})
tf.parse_example(ALL, {})
tf.parse_example(ALL, None)
tf.parse_example(ALL, {"a": 3})
tf.parse_example(ALL, {"a": FIXED(None, tf.int64)})
tf.parse_example(ALL, {"a": FIXED([None], tf.int64)})
tf.parse_example(ALL, {"a": FIXED([2, None], tf.int64)})
tf.parse_example(ALL, {"a": FIXED([2], None)})
tf.parse_example(ALL, {"a": VAR(None)})
tf.parse_example(ALL, {"a": FIXED([2], tf.int64, [1, 2, 3])})
tf.parse_example(BOTH, {"a": FIXED([3], tf.int64)})
tf.parse_example(BOTH, {"s": VAR(tf.string)}, example_names=["first", "second"])
tf.parse_example(BOTH, {"f": FIXED([], tf.float32)}, name="parsed")["f"].op.name.split("/")[0]
tf.parse_single_example(ONE, {"a": FIXED([2], tf.int64), "f": FIXED([], tf.float32), "s": VAR(tf.string)})
tf.parse_single_example(THREE, {"f": FIXED([], tf.float32, 7.0), "s": VAR(tf.string)})
tf.parse_single_example(ONE, {"s": ROWS([], tf.string, True), "p": tf.SparseFeature("i", "v", tf.float32, 5)})
tf.parse_single_example([ONE], {"s": VAR(tf.string)})
tf.parse_single_example(ONE, None)
tf.parse_single_example(ONE, {"f": FIXED([], tf.int64)})
tf.parse_single_sequence_example(STEPS, {"c": FIXED([], tf.int64), "t": VAR(tf.string)}, {"l": ROWS([2], tf.int64)})
tf.parse_single_sequence_example(STEPS, {"c": FIXED([1], tf.int64)}, {"w": VAR(tf.string), "f": ROWS([], tf.float32)})
tf.parse_single_sequence_example(FEW, {"t": FIXED([], tf.string, "no")}, {"f": ROWS([], tf.float32, True)})
tf.parse_single_sequence_example(FEW, {"t": FIXED([], tf.string)}, {"l": ROWS([2], tf.int64)})
tf.parse_single_sequence_example(FEW, {"c": FIXED([], tf.int64)}, {"f": ROWS([], tf.float32)})
tf.parse_single_sequence_example(STEPS, sequence_features={"w": RAGGED(tf.string)})
tf.parse_single_sequence_example(STEPS, context_features={"c": RAGGED(tf.int64)})
tf.parse_single_sequence_example(STEPS)
tf.parse_single_sequence_example(STEPS, {"c": ROWS([], tf.int64)})
tf.parse_single_sequence_example(STEPS, None, {"l": FIXED([], tf.int64)})
tf.parse_single_sequence_example([STEPS], {"c": FIXED([], tf.int64)})
tf.io.parse_sequence_example([STEPS, FEW], {"c": FIXED([], tf.int64)}, {"l": ROWS([2], tf.int64), "w": VAR(tf.string)})
tf.io.parse_sequence_example([STEPS, FEW], None, {"w": RAGGED(tf.string)})
tf.io.parse_sequence_example([STEPS, FEW], {"c": RAGGED(tf.int64)}, {"f": ROWS([], tf.float32, True)})
tf.deserialize_many_sparse(tf.stack([tf.serialize_sparse(S), tf.serialize_sparse(S)]), tf.float32, rank=2)
tf.deserialize_many_sparse(tf.serialize_many_sparse(S), tf.float32), tf.io.serialize_many_sparse(S, out_type=tf.string)
tf.serialize_sparse(tf.constant(1))
tf.deserialize_many_sparse(tf.serialize_many_sparse(S), tf.int32)
tf.parse_tensor(tf.serialize_tensor(FLOATS), tf.float32), tf.io.serialize_tensor([1, 2])
tf.parse_tensor(tf.serialize_tensor(FLOATS), tf.int32)
tf.encode_base64("hello?>"), tf.encode_base64(["a", "ab"], pad=True), tf.decode_base64("aGVsbG8_Pg")
tf.decode_base64("=")
tf.decode_compressed(b"x\x9cKL\x04\x00\x01$\x00\xc3", "ZLIB"), tf.io.decode_compressed(["a"], compression_type="")
tf.decode_json_example('{"features": {"feature": {"a": {"int64List": {"value": [5]}}}}}')
tf.decode_csv(["1,2.5,a", "3,,b"], [[0], [9.0], [""]]), tf.decode_csv("1|2", [[0], [0]], field_delim="|")
tf.decode_csv(["1,2,3", "NA,5,6"], [[7], [0]], na_value="NA", select_cols=[0, 2])
tf.io.decode_csv(['"a,b",2'], [[""], [0]]), tf.decode_csv(['"a', '2'], [[""]], use_quote_delim=False)
tf.decode_csv(["1,2"], [[0], [0]], select_cols=[1, 0])
tf.decode_csv(["1,2"], [[0], [0]], select_cols=[1])
tf.decode_csv(["1,"], [[0], tf.constant([], tf.int32)])
tf.decode_csv(["1,2"], [[0]])
tf.decode_raw(["ab", "cd"], tf.uint8), tf.decode_raw(bytes=["ab"], out_type=tf.int16)
tf.decode_raw("ab", tf.int16, False)
tf.io.decode_raw(["ab", "c"], tf.uint8)
tf.string_to_number(["1.5", "-2"]), tf.string_to_number("7", tf.int32)
tf.string_to_number(input=["8"], out_type=tf.int64)
tf.string_to_number(["x"])
tf.fingerprint(["abc", "abc", "d"]), tf.fingerprint([[1, 2], [3, 4]])
tf.read_file("/nowhere/at/all")
tf.matching_files("/nowhere/*"), tf.io.matching_files(["/nowhere/*"])
"""


@pytest.fixture(scope="module")
def tensorflow():
    module = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")
    return module.compat.v1


@pytest.mark.parametrize("line", LINES.strip().splitlines())
def test_a_line_of_parsing_gives_what_tensorflow_gives(tensorflow, line):
    assert not unlike(tensorflow, line, GIVEN, MADE)


def test_messages_are_read_and_written_as_tensorflow_does(tensorflow):
    for ours, name in ((ONE, "Example"), (STEPS, "SequenceExample")):
        theirs = getattr(tensorflow.train, name).FromString(ours)
        back = getattr(messages, name).FromString(theirs.SerializeToString())
        assert back.SerializeToString() == ours
