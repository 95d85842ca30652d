"""Example records: the wire format, and what becomes of each kind of feature [W44]."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refflow as tf
from refflow.core.dtypes import float32, int64, string
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.files.wire import block, varint
from refflow.ops import example_proto, example_records
from refflow.ops.example_proto import (
    Feature,
    entries,
    features_of,
    read_feature,
    varints,
    write_example,
    write_feature,
    write_sequence_example,
)
from refflow.ops.example_records import numbers_of_many
from refflow.ops.parse_example import parse_example, parse_single_example
from refflow.ops.strings import strings


def run(tensors):
    with tf.Session() as session:
        return session.run(tensors)


def texts(*items):
    return strings(items, (len(items),))


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40))
def test_packed_numbers_come_back(numbers):
    assert varints(b"".join(map(varint, numbers))).tolist() == numbers


@pytest.mark.parametrize("before", [0, 50])  # bytes: few are read one by one, many side by side
@pytest.mark.parametrize(("damage", "why"), [(b"\x80", "end inside"), (b"\x80" * 10 + b"\1", "longer than ten")])
def test_packed_numbers_that_do_not_end_are_refused(before, damage, why):
    with pytest.raises(ValueError, match=why):
        varints(b"\1" * before + damage)


@pytest.mark.parametrize(
    "feature",
    [Feature(string, [b"", b"a\0"]), Feature(float32, [1.5, -2.0]), Feature(int64, [-1, 300]), Feature(int64, [])],
)
def test_features_come_back(feature):
    dtype, values = read_feature(write_feature(feature))
    assert dtype is feature.dtype and list(values) == list(feature.values)


def test_numbers_may_come_one_by_one():
    unpacked = block(3, b"\x08\x06\x08\x07")
    assert read_feature(unpacked).values.tolist() == [6, 7]
    assert read_feature(block(2, b"\x0d\0\0\x80\x3f\x0d\0\0\0\x40")).values.tolist() == [1.0, 2.0]


def test_of_two_entries_with_one_name_the_last_counts():
    twice = write_example({"a": Feature(int64, [1])}) + write_example({"a": Feature(int64, [2])})
    assert read_feature(features_of(twice)[b"a"]).values.tolist() == [2]


@pytest.mark.parametrize("name", [b"", b"a", b"n" * 127, b"n" * 128])
@pytest.mark.parametrize("value", [b"", b"v", b"v" * 127, b"v" * 300])
def test_a_map_is_read_in_whichever_order_its_entries_are_written(name, value):
    in_order = block(1, name, keep_empty=True) + block(2, value, keep_empty=True)
    turned = block(2, value, keep_empty=True) + block(1, name, keep_empty=True)
    for entry in (in_order, turned, in_order + b"\x18\x05", block(1, name) + block(2, value)):
        assert entries(block(1, entry, keep_empty=True)) == {name: value}


def test_an_entry_that_is_cut_off_is_refused():
    whole = block(1, b"name") + block(2, b"value")
    for size in [*range(1, 6), *range(7, len(whole))]:
        with pytest.raises(ValueError, match="ends behind the bytes|end inside a number"):
            entries(block(1, whole[:size]))


def read_whole(record):
    """All features of a record, or that it is damaged."""
    try:
        return {name: repr(read_feature(data)) for name, data in features_of(record).items()}
    except ValueError:
        return "damaged"


def test_one_pass_over_a_record_finds_what_reading_field_by_field_does(rng, monkeypatch):
    whole = write_example({
        "f": Feature(float32, rng.random(40)), "i": Feature(int64, [1, 300, -1]), "s": Feature(string, [b"x" * 140]),
        "none": None,
    })  # fmt: skip
    records = [whole, whole * 2, *(whole[:size] for size in range(60))]
    for _ in range(400):
        record = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 3)):
            record[at] = rng.choice([0, 8, 10, 18, 26, 127, 128, 255])
        records.append(bytes(record))
    found = [read_whole(record) for record in records]
    monkeypatch.setattr(example_proto, "_plain_entries", lambda data, at: None)
    assert found == [read_whole(record) for record in records]
    assert 50 < found.count("damaged") < 400


NUMBERS = {
    "of one length": [Feature(float32, [i, i + 1]) for i in range(6)],
    "long": [Feature(float32, np.arange(200) + i) for i in range(6)],
    "of several lengths": [Feature(float32, range(i)) for i in range(1, 8)],
    "integers": [Feature(int64, [5, -1, 300, 2**40][: 1 + i % 4]) for i in range(9)],
    "some missing": [None, *(Feature(int64, [i, 300]) for i in range(5)), Feature(int64, []), None],
}


@pytest.mark.parametrize("features", NUMBERS.values(), ids=NUMBERS)
def test_numbers_of_many_features_are_those_of_each(features):
    values, counts = numbers_of_many([write_feature(f) for f in features], next(f.dtype for f in features if f))
    expected = [[] if f is None else list(f.values) for f in features]
    assert values.tolist() == [value for row in expected for value in row]
    assert counts.tolist() == [len(row) for row in expected]


def test_what_is_written_otherwise_is_read_one_by_one():
    usual = [write_feature(Feature(int64, [i])) for i in range(5)]
    for other in (block(3, b"\x08\x06"), b"\x1a\x03\x0a\x01\x80", write_feature(Feature(float32, [1.0])),
                  b"\x1a\x0d\x0a\x0b" + b"\x80" * 10 + b"\1", b"\x1a\x05\x0a\x01\x05"):  # fmt: skip
        assert numbers_of_many([*usual, other], int64) is None and numbers_of_many([other] * 5, int64) is None
    assert numbers_of_many(usual, float32) is None
    assert numbers_of_many(usual[:3], int64) is None  # few


def parsed(records):
    """What a batch is parsed to, or the error."""
    none = np.zeros(0, object)
    try:
        found = op_def("ParseExampleV2").kernels["cpu"].function(
            np.array(records, object), none, texts(b"i"), texts(b"f", b"g"), texts(b"r"),
            [np.zeros(0, np.float32), np.zeros(1, np.float32)], Tdense=[float32, float32], sparse_types=[int64],
            ragged_value_types=[int64], ragged_split_types=[int64],
            dense_shapes=[TensorShape([3]), TensorShape([None, 1])],
        )  # fmt: skip
    except ValueError as error:
        return str(error)
    return [(value.dtype.name, value.tolist()) for value in found]


def test_a_batch_is_parsed_together_as_it_is_record_by_record(rng, monkeypatch):
    def record():
        features = {"f": Feature(float32, rng.random(3)), "g": Feature(float32, rng.random(rng.integers(0, 4)))}
        many = {name: Feature(int64, rng.integers(-2, 400, rng.integers(0, 5))) for name in "ir"}
        found = bytearray(write_example(features | many))
        if rng.random() < 0.03:
            found[rng.integers(len(found))] ^= 1 << int(rng.integers(8))
        return bytes(found)

    batches = [[record() for _ in range(8)] for _ in range(60)]
    together = [parsed(batch) for batch in batches]
    monkeypatch.setattr(example_records, "numbers_of_many", lambda features, dtype: None)
    assert together == [parsed(batch) for batch in batches]
    assert 3 < sum(isinstance(found, str) for found in together) < 40


A = write_example({"f": Feature(float32, [1, 2]), "i": Feature(int64, [3]), "s": Feature(string, [b"x", b"y"])})
B = write_example({"f": Feature(float32, [5]), "e": None})


def v2(serialized, sparse=(), dense=(), ragged=(), names=()):
    """sparse: (key, type); dense: (key, type, shape, default); ragged: (key, type, split type)."""
    keys = [texts(*(row[0] for row in rows)) for rows in (sparse, dense, ragged)]
    defaults = [np.array(d, t.as_numpy_dtype) for _, t, _, d in dense]
    return op_def("ParseExampleV2")(
        serialized, texts(*names), *keys, defaults, num_sparse=len(sparse), sparse_types=[t for _, t in sparse],
        ragged_value_types=[t for _, t, _ in ragged], ragged_split_types=[s for *_, s in ragged],
        dense_shapes=[s for _, _, s, _ in dense],
    )  # fmt: skip


def test_sparse_features_are_rows_of_a_matrix():
    found = v2(texts(A, B), sparse=[(b"f", float32), (b"none", int64)])
    indices, values, shape = run([found.sparse_indices[0], found.sparse_values[0], found.sparse_shapes[0]])
    assert indices.tolist() == [[0, 0], [0, 1], [1, 0]] and values.tolist() == [1, 2, 5] and shape.tolist() == [2, 2]
    assert run(found.sparse_shapes[1]).tolist() == [2, 0]


def test_rows_of_unknown_length_are_filled_up():
    found = v2(texts(A, B), dense=[(b"f", float32, [None], -1), (b"s", string, [None], b"-")])
    assert [v.tolist() for v in run(list(found.dense_values))] == [[[1, 2], [5, -1]], [[b"x", b"y"], [b"-", b"-"]]]
    assert found.dense_values[0].get_shape().as_list() == [2, None]


def test_ragged_features_have_row_splits():
    found = v2(texts(A, B, A), ragged=[(b"s", string, tf.int32)])
    values, splits = run([found.ragged_values[0], found.ragged_row_splits[0]])
    assert values.tolist() == [b"x", b"y"] * 2 and splits.tolist() == [0, 2, 2, 4] and splits.dtype == np.int32


def test_a_scalar_has_no_batch_axis():
    found = v2(strings([A], ()), sparse=[(b"f", float32)], dense=[(b"i", int64, [1], [])])
    assert run(found.sparse_indices[0]).tolist() == [[0], [1]]
    assert run(found.dense_values[0]).tolist() == [3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"sparse": [(b"f", int64)]},
            "Name: n, Key: f, Index: 0.  Data types don't match. Expected type: int64, Actual",
        ),
        ({"dense": [(b"f", int64, [2], [0, 0])]}, "Data type: float but expected type: int64"),
        ({"dense": [(b"z", float32, [2], [])]}, "Name: n, Feature: z (data type: float) is required"),
        (
            {"dense": [(b"f", float32, [3], [])]},
            "Number of float values != expected.  Values size: 2 but output shape: [3]",
        ),
        ({"dense": [(b"f", float32, [None, 3], 0)]}, "is not a multiple of stride length. Saw 2 values"),
        ({"dense": [(b"f", float32, [2], [1, 2, 3])]}, "def_value[0].shape() == [3] is not compatible"),
        ({"dense": [(b"f", float32, [None], [1, 2])]}, "must contain a single element (the padding element)"),
    ],
)
def test_what_does_not_fit_is_named(arguments, words):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        run(list(filter(None, v2(texts(A), names=[b"n"], **arguments))))
    assert words in str(caught.value)


def test_what_is_no_example_is_shown():
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse example input, value: 'garbage'"):
        run(v2(texts(b"garbage"), sparse=[(b"f", float32)]).sparse_values[0])


def test_python_names_features_by_key():
    asked = {"dense_keys": ["f", "q"], "dense_types": [tf.float32, tf.int64], "dense_shapes": [[1], [2]]}
    found = parse_example(texts(B, b""), dense_defaults={"f": [9.0], "q": [7, 8]}, **asked)
    assert [v.tolist() for v in run([found["f"], found["q"]])] == [[[5], [9]], [[7, 8]] * 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Key: f, Index: 1"):
        run(parse_example(texts(B, A), dense_defaults={"q": [7, 8]}, **asked)["f"])
    one = parse_single_example(A, dense_keys=["i"], dense_types=[tf.int64])
    assert run(one["i"]) == 3
    with pytest.raises(ValueError, match="at least one"):
        parse_example(texts(A))


SEQUENCE = write_sequence_example(
    {"c": Feature(int64, [1])},
    {"l": [Feature(float32, [1, 2]), Feature(float32, [3, 4])], "r": [None, Feature(string, [b"x"])]},
)
SHORT = write_sequence_example({}, {"l": [Feature(float32, [9, 9])], "r": []})
NOTHING = {key: np.zeros(0, object) for key in (
    "context_sparse_keys", "context_dense_keys", "context_ragged_keys", "feature_list_sparse_keys",
    "feature_list_dense_keys", "feature_list_ragged_keys", "debug_name",
)}  # fmt: skip


def sequences(serialized, missing=(), **attrs):
    given = NOTHING | {k: texts(*v) for k, v in attrs.items() if k.endswith("_keys")}
    others = {k: v for k, v in attrs.items() if not k.endswith("_keys")}
    return op_def("ParseSequenceExampleV2")(
        serialized,
        feature_list_dense_missing_assumed_empty=np.array(missing, bool),
        context_dense_defaults=[],
        **given,
        **others,
    )


def test_lists_of_steps_are_filled_up_and_measured():
    found = sequences(
        texts(SEQUENCE, SHORT),
        [False],
        feature_list_dense_keys=[b"l"],
        feature_list_dense_types=[float32],
        feature_list_dense_shapes=[[2]],
        Nfeature_list_dense=1,
    )
    values, lengths = run([found.feature_list_dense_values[0], found.feature_list_dense_lengths[0]])
    assert values.tolist() == [[[1, 2], [3, 4]], [[9, 9], [0, 0]]] and lengths.tolist() == [2, 1]


def test_steps_and_records_have_splits_of_their_own():
    found = sequences(
        texts(SEQUENCE, SHORT),
        feature_list_ragged_keys=[b"r"],
        feature_list_ragged_value_types=[string],
        feature_list_ragged_split_types=[int64],
    )
    values, outer, inner = run(
        [
            found.feature_list_ragged_values[0],
            found.feature_list_ragged_outer_splits[0],
            found.feature_list_ragged_inner_splits[0],
        ]
    )
    assert (values.tolist(), outer.tolist(), inner.tolist()) == ([b"x"], [0, 2, 2], [0, 0, 1])


def test_a_list_that_may_be_missing_is_empty():
    def values(missing):
        return sequences(
            texts(SHORT),
            [missing],
            feature_list_dense_keys=[b"z"],
            feature_list_dense_types=[float32],
            feature_list_dense_shapes=[[2]],
            Nfeature_list_dense=1,
        ).feature_list_dense_values[0]

    assert run(values(True)).shape == (1, 0, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Feature list 'z' is required but could not be found"):
        run(values(False))


def test_json_becomes_the_same_message_with_numbers_one_by_one():
    text = b'{"features": {"feature": {"f": {"floatList": {"value": [1, 2]}}, "i": {"int64List": {"value": ["3"]}},' \
           b'"s": {"bytesList": {"value": ["eA==", "eQ"]}}}}}'  # fmt: skip
    (found,) = run(op_def("DecodeJSONExample")(texts(text))).tolist()
    assert found == (
        b"\n-\n\x11\n\x01f\x12\x0c\x12\n\r\x00\x00\x80?\r\x00\x00\x00@\n\t\n\x01i\x12\x04\x1a\x02\x08\x03"
        b"\n\r\n\x01s\x12\x08\n\x06\n\x01x\n\x01y"
    )
    assert features_of(found).keys() == features_of(A).keys()
