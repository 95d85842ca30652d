"""refflow.compat.v1: messages made by hand, record files, and records parsed by what is said of each feature."""

import copy
import pickle

import numpy as np
import pytest

import refflow.compat.v1 as tf

FIXED, ROWS, VAR = tf.FixedLenFeature, tf.FixedLenSequenceFeature, tf.VarLenFeature


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


def ints(*values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def words(*values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def record(**features):
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


ONE, TWO = record(a=ints(1, 2), s=words(b"x", b"y"), i=ints(2)), record(a=ints(3, 4), s=words(b"z"), i=ints(0))
TWO_W = record(a=ints(3, 4), w=tf.train.Feature(float_list=tf.train.FloatList(value=[1.5])), i=ints(0))


# -- messages ----------------------------------------------------------------------------------------------------


def test_an_example_is_its_bytes():
    assert record(a=ints(5)) == b"\n\x0c\n\n\n\x01a\x12\x05\x1a\x03\n\x01\x05"
    back = tf.train.Example.FromString(ONE)
    assert list(back.features.feature["a"].int64_list.value) == [1, 2]
    assert back.SerializeToString() == ONE and back.ByteSize() == len(ONE)
    assert copy.deepcopy(back) == back == pickle.loads(pickle.dumps(back))


def test_a_part_is_there_once_something_is_set_in_it():
    example = tf.train.Example()
    assert not example.HasField("features") and example.SerializeToString() == b""
    assert not example.features.feature  # to look is not to set
    assert not example.HasField("features")
    example.features.feature["a"].float_list.value.extend([1, 2.5])
    assert example.HasField("features") and example.features.feature["a"].WhichOneof("kind") == "float_list"
    assert str(example.features.feature["a"]) == "float_list {\n  value: 1\n  value: 2.5\n}\n"


def test_one_alternative_takes_the_others_place():
    feature = ints(1)
    feature.bytes_list.value.append(b"b")
    assert feature.WhichOneof("kind") == "bytes_list" and not feature.HasField("int64_list")
    feature.ClearField("bytes_list")
    assert feature.WhichOneof("kind") is None


def test_sequences_lists_and_copies():
    made = tf.train.SequenceExample()
    made.feature_lists.feature_list["l"].feature.add().int64_list.value.append(4)
    made.context.feature["c"].CopyFrom(words(b"c"))
    again = tf.train.SequenceExample()
    again.MergeFrom(made)
    again.MergeFrom(made)
    assert len(again.feature_lists.feature_list["l"].feature) == 1  # a map's entry is taken over whole
    assert again == made
    again.Clear()
    assert again.SerializeToString() == b""


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (lambda: tf.train.Feature(foo=1), ValueError, 'Feature has no "foo" field'),
        (lambda: tf.train.Int64List(value=[1.5]), TypeError, "'float' object cannot be interpreted as an integer"),
        (lambda: tf.train.Int64List(value=1), TypeError, "must assign iterable"),
        (lambda: tf.train.Int64List(value=[2**63]), ValueError, "Value out of range"),
        (lambda: tf.train.BytesList(value=["text"]), TypeError, "expected bytes, str found"),
        (lambda: tf.train.FloatList(value=["1"]), TypeError, "must be real number, not str"),
        (lambda: setattr(ints(1), "int64_list", 3), AttributeError, "Assignment not allowed to message"),
        (lambda: setattr(ints(1), "other", 3), AttributeError, 'Feature has no "other" field'),
        (lambda: tf.train.Feature(int64_list=3), TypeError, "must be instance of same class"),
        (lambda: tf.train.Features().feature.__setitem__("a", ints(1)), ValueError, "may not be assigned"),
        (lambda: tf.train.Example.FromString(b"\n\xff"), ValueError, "Error parsing message with type 'Example'"),
    ],
)
def test_what_a_message_does_not_take(act, error, text):
    with pytest.raises(error, match=text):
        act()


def test_a_log_s_messages():
    log = tf.SessionLog(status=tf.SessionLog.START, checkpoint_path="here")
    assert log.SerializeToString() == b"\x08\x01\x12\x04here"
    assert tf.SessionLog.FromString(log.SerializeToString()) == log
    meta = tf.SummaryMetadata(plugin_data=tf.SummaryMetadata.PluginData(plugin_name="text"))
    assert meta.SerializeToString() == b"\n\x06\n\x04text"
    assert tf.LogMessage(level=tf.LogMessage.WARN, message="m").level == 30


# -- record files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["NONE", "ZLIB", "GZIP"])
def test_records_come_back_from_a_compressed_file(tmp_path, kind):
    options = tf.python_io.TFRecordOptions(getattr(tf.python_io.TFRecordCompressionType, kind))
    path = str(tmp_path / "records")
    with tf.python_io.TFRecordWriter(path, options=options) as writer:
        writer.write(ONE)
        writer.flush()
        writer.write(TWO)
    assert list(tf.python_io.tf_record_iterator(path, options)) == [ONE, TWO]
    if kind != "NONE":
        with pytest.raises(tf.errors.DataLossError):
            list(tf.python_io.tf_record_iterator(path))


def test_options_are_named_or_numbered():
    names = tf.io.TFRecordOptions.get_compression_type_string
    assert [names(x) for x in (None, "", "GZIP", tf.io.TFRecordOptions(1))] == ["", "", "GZIP", "ZLIB"]
    with pytest.raises(ValueError, match="Not a valid compression_type"):
        tf.io.TFRecordOptions("LZ")


def test_a_writer_that_is_closed_writes_no_more(tmp_path):
    writer = tf.io.TFRecordWriter(str(tmp_path / "r"), "ZLIB")
    writer.close()
    writer.close()
    with pytest.raises(tf.errors.FailedPreconditionError, match="previously closed"):
        writer.write(b"late")


# -- parsing -----------------------------------------------------------------------------------------------------


def test_each_kind_of_feature():
    parsed = tf.parse_example([ONE, TWO], {
        "a": FIXED([2], tf.int64), "s": VAR(tf.string), "none": FIXED([], tf.float32, 0.5),
        "rows": tf.io.RaggedFeature(tf.string, "s"), "padded": ROWS([], tf.int64, allow_missing=True),
    })  # fmt: skip
    assert parsed["a"].shape.as_list() == [2, 2] and parsed["s"].shape.ndims == 2
    found = run(parsed)
    assert found["a"].tolist() == [[1, 2], [3, 4]] and found["none"].tolist() == [0.5, 0.5]
    assert found["s"].values.tolist() == [b"x", b"y", b"z"] and found["s"].dense_shape.tolist() == [2, 2]
    assert found["rows"].to_list() == [[b"x", b"y"], [b"z"]] and found["padded"].shape == (2, 0)


def test_two_features_make_one_sparse_tensor():
    features = {"p": tf.SparseFeature("i", "w", tf.float32, size=4)}
    found = run(tf.parse_example([TWO_W], features))["p"]
    assert (found.indices.tolist(), found.values.tolist(), found.dense_shape.tolist()) == ([[0, 0]], [1.5], [1, 4])


def test_a_single_example_has_no_batch_axis():
    found = run(tf.parse_single_example(ONE, {"a": FIXED([2], tf.int64), "s": VAR(tf.string)}))
    assert found["a"].tolist() == [1, 2] and found["s"].indices.tolist() == [[0], [1]]
    with pytest.raises(ValueError, match="Input serialized must be a scalar"):
        tf.parse_single_example([ONE], {"a": FIXED([2], tf.int64)})


def test_a_sequence_gives_its_context_and_its_steps():
    made = tf.train.SequenceExample(
        context=tf.train.Features(feature={"n": ints(2)}),
        feature_lists=tf.train.FeatureLists(feature_list={
            "l": tf.train.FeatureList(feature=[ints(1, 2), ints(3, 4)]),
            "w": tf.train.FeatureList(feature=[words(b"a"), words(b"b", b"c")]),
        }),
    )  # fmt: skip
    context, steps = tf.parse_single_sequence_example(
        made.SerializeToString(), {"n": FIXED([], tf.int64)}, {"l": ROWS([2], tf.int64), "w": VAR(tf.string)}
    )
    context, steps = run([context, steps])
    assert context["n"] == 2 and steps["l"].tolist() == [[1, 2], [3, 4]]
    assert steps["w"].indices.tolist() == [[0, 0], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (None, "features"),
        ({"a": 3}, "Unsupported int 3 for key 'a'"),
        ({"a": FIXED([None], tf.int64)}, "First dimension of shape for feature a unknown"),
        ({"a": FIXED([2, None], tf.int64)}, "All dimensions of shape for feature a need to be known"),
        ({"a": FIXED(None, tf.int64)}, "Missing shape for feature a"),
        ({"a": VAR(None)}, "Missing type for feature a"),
        ({"a": ROWS([], tf.int64)}, "FixedLenSequenceFeature requires allow_missing to be True"),
        ({"p": tf.SparseFeature("i", "v", tf.float32, 4), "v": VAR(tf.int64)}, "Conflicting type"),
        ({"p": tf.SparseFeature("", "v", tf.float32, 4)}, "Missing index_key for SparseFeature p"),
        ({"r": tf.io.RaggedFeature(tf.int64, partitions=[3])}, "RaggedFeature r has partitions"),
    ],
)
def test_a_wrong_feature_is_told_when_the_graph_is_built(features, text):
    with pytest.raises(ValueError, match=text):
        tf.parse_example([ONE], features)


def test_a_missing_or_mistyped_feature_is_told_by_the_step():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Feature: f \(data type: float\) is required"):
        run(tf.parse_example([ONE], {"f": FIXED([], tf.float32)}))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Name: first, Key: a, Index: 0.*Data types don't match"):
        run(tf.parse_example([ONE], {"a": FIXED([2], tf.string)}, example_names=["first"]))


def test_sparse_tensors_go_through_strings():
    sp = tf.SparseTensor([[0, 1], [1, 0]], [1.0, 2.0], [2, 3])
    both = tf.deserialize_many_sparse(tf.stack([tf.serialize_sparse(sp)] * 2), tf.float32, rank=3)
    assert both.indices.shape.as_list() == [None, 3]
    found = run(both)
    assert found.indices.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 1], [1, 1, 0]]
    assert found.dense_shape.tolist() == [2, 2, 3]


def test_files_and_texts(tmp_path):
    path = str(tmp_path / "deep" / "file")
    run(tf.write_file(path, "text"))
    found = run([tf.read_file(path), tf.encode_base64("a?>"), tf.decode_raw("ab", tf.uint8),
                 tf.parse_tensor(tf.serialize_tensor(np.eye(2)), tf.float64)])  # fmt: skip
    assert found[0] == b"text" and found[1] == b"YT8-" and found[2].tolist() == [97, 98]
    assert found[3].tolist() == [[1, 0], [0, 1]]


def test_texts_tensors_and_what_happened_to_a_session_are_logged(tmp_path):
    text = tf.summary.text("notes", tf.constant(["a"]))
    whole = tf.summary.tensor_summary("all", tf.constant([1, 2]), display_name="shown")
    assert text.op.name == "notes" and text in tf.get_collection(tf.GraphKeys.SUMMARIES)
    found = run([text, whole])
    assert found[0].endswith(b"J\x08\n\x06\n\x04text") and found[1].endswith(b"J\x07\x12\x05shown")
    with pytest.raises(ValueError, match="to have dtype string"):
        tf.summary.text("notes", tf.constant(1))
    writer = tf.summary.FileWriter(str(tmp_path))
    writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), 7)
    writer.close()
    (path,) = tmp_path.iterdir()
    events = list(tf.train.summary_iterator(str(path)))
    assert events[-1].step == 7 and tf.SessionLog.FromString(events[-1].session_log).status == tf.SessionLog.START


def test_a_feature_of_a_sequence_has_no_default():
    lists = {"s": tf.FixedLenSequenceFeature([], tf.int64, True, default_value=5)}
    with pytest.raises(ValueError, match="default_value of s must be None"):
        tf.parse_single_sequence_example("", sequence_features=lists)
