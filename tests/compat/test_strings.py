"""refflow.compat.v1: strings, sets, lookup tables and structures, by hand."""

import collections

import numpy as np
import pytest

import refflow.compat.v1 as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def run(fetches, feeds=None):
    with tf.Session() as session:
        session.run(tf.tables_initializer())
        return session.run(fetches, feeds)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.string_join(["a", ["b", "c"]], "-"), [b"a-b", b"a-c"]),
        (lambda: tf.strings.length(["ab", ""]), [2, 0]),
        (lambda: tf.strings.length("hé", unit="UTF8_CHAR"), 2),
        (lambda: tf.strings.upper(["ab"]), [b"AB"]),
        (lambda: tf.string_strip([" a "]), [b"a"]),
        (lambda: tf.strings.substr(["hello"], 1, 3), [b"ell"]),
        (lambda: tf.reduce_join([["a", "b"], ["c", "d"]], 0, separator="+"), [b"a+c", b"b+d"]),
        (lambda: tf.reduce_join([["a", "b"], ["c", "d"]]), b"abcd"),
        (lambda: tf.regex_replace("banana", "an", "AN", replace_global=False), b"bANana"),
        (lambda: tf.strings.regex_full_match(["ab", "b"], "a."), [True, False]),
        (lambda: tf.strings.format("is {}", tf.constant([1, 2])), b"is [1 2]"),
        (lambda: tf.strings.to_number(["1.5"]), [1.5]),
        (lambda: tf.as_string([1.5], precision=2), [b"1.50"]),
        (lambda: tf.strings.unsorted_segment_join(["a", "b", "c"], [1, 0, 1], 2, ":"), [b"b", b"a:c"]),
        (lambda: tf.string_split(["a b", "c"]).values, [b"a", b"b", b"c"]),
        (lambda: tf.strings.split(["a b c"], maxsplit=1).values, [b"a", b"b c"]),
        (lambda: tf.strings.bytes_split("ab"), [b"a", b"b"]),
        (lambda: tf.strings.ngrams(["a", "b", "c"], 2), [b"a b", b"b c"]),
        (lambda: tf.strings.unicode_encode([104, 233], "UTF-8"), "hé".encode()),
        (lambda: tf.strings.unicode_decode("hé", "UTF-8"), [104, 233]),
        (lambda: tf.strings.unicode_transcode("é", "UTF-8", "UTF-16-BE"), "é".encode("utf-16-be")),
    ],
)
def test_a_function_of_strings(build, expected):
    found = run(build())
    assert (found.tolist() if isinstance(found, np.ndarray) else found) == expected


def test_ragged_strings_keep_their_rows():
    words = tf.ragged.constant([["a", "bc"], [], ["d"]])
    found = run([tf.strings.length(words), tf.strings.join([words, "!"]), tf.strings.reduce_join(words, axis=1),
                 tf.strings.split(["x y", "z"], result_type="RaggedTensor")])  # fmt: skip
    assert found[0].to_list() == [[1, 2], [], [1]]
    assert found[1].to_list() == [[b"a!", b"bc!"], [], [b"d!"]]
    assert found[2].tolist() == [b"abc", b"", b"d"] and found[3].to_list() == [[b"x", b"y"], [b"z"]]


# -- sets --------------------------------------------------------------------------------------------------------


def test_rows_are_sets():
    a, b = tf.constant([[1, 2], [3, 3]]), tf.constant([[2, 9], [3, 4]])
    found = run({
        "both": tf.sets.set_intersection(a, b), "left": tf.sets.set_difference(a, b),
        "right": tf.sets.set_difference(a, b, aminusb=False), "all": tf.sets.set_union(a, b),
    })  # fmt: skip
    assert found["both"].values.tolist() == [2, 3] and found["left"].values.tolist() == [1]
    assert found["right"].values.tolist() == [9, 4] and found["all"].values.tolist() == [1, 2, 9, 3, 4]
    with pytest.raises(TypeError, match="Types don't match"):
        tf.sets.set_union(a, [["x"], ["y"]])


def test_a_sparse_set_first_or_last_means_the_same():
    few, dense = tf.SparseTensor([[0, 0], [1, 0]], [1, 3], [2, 1]), tf.constant([[1, 2], [3, 4]])
    found = run([tf.sets.set_difference(dense, few), tf.sets.set_difference(few, dense, aminusb=False),
                 tf.sets.set_size(few)])  # fmt: skip
    assert found[0].values.tolist() == found[1].values.tolist() == [2, 4] and found[2].tolist() == [1, 1]


# -- tables ------------------------------------------------------------------------------------------------------


def table(default=-1):
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2]), default)


def test_a_table_takes_keys_in_any_form():
    found = run([table().lookup(tf.constant(["b", "z"])), table().size(),
                 table().lookup(tf.SparseTensor([[0, 1]], ["a"], [1, 2])),
                 table().lookup(tf.ragged.constant([["a"], ["b", "c"]]))])  # fmt: skip
    assert found[0].tolist() == [2, -1] and found[1] == 2
    assert found[2].values.tolist() == [1] and found[3].to_list() == [[1], [2, -1]]


def test_a_table_is_to_be_filled_first():
    found = table().lookup(tf.constant(["a"]))
    with tf.Session() as session, pytest.raises(tf.errors.FailedPreconditionError, match="not initialized"):
        session.run(found)


def test_a_vocabulary_has_buckets_behind_it(tmp_path):
    path = tmp_path / "words"
    path.write_text("a\nb\n")
    words = tf.lookup.TextFileInitializer(str(path), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
                                          tf.lookup.TextFileIndex.LINE_NUMBER)  # fmt: skip
    vocabulary = tf.lookup.StaticVocabularyTable(words, num_oov_buckets=1)
    assert run(vocabulary.lookup(tf.constant(["b", "other", "a"]))).tolist() == [1, 2, 0]
    assert run(vocabulary.size()) == 3
    assert [str(run(t), "utf-8") for t in tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS)] == [str(path)]
    back = tf.lookup.index_to_string_table_from_file(str(path), default_value="?")
    assert run(back.lookup(tf.constant([1, 7], tf.int64))).tolist() == [b"b", b"?"]
    index = tf.lookup.index_table_from_tensor(["x", "y"], default_value=9)
    assert run(index.lookup(tf.constant(["y", "?"]))).tolist() == [1, 9]


def test_a_table_that_changes():
    ages = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    put, drop, size = ages.insert(["a", "b"], [1, 2]), ages.remove(["a"]), ages.size()
    found = ages.lookup(["a", "b"])
    with tf.Session() as session:
        assert session.run(size) == 0
        session.run(put)
        assert session.run(found).tolist() == [1, 2]
        session.run(drop)
        assert session.run([found, size])[0].tolist() == [-1, 2]
        keys, values = session.run(ages.export())
        assert keys.tolist() == [b"b"] and values.tolist() == [2]


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: table().lookup(tf.constant([1])), TypeError, "argument `keys` must be string, received: int32"),
        (lambda: table("no"), TypeError, "int32"),
        (lambda: tf.lookup.StaticVocabularyTable(None, 0), ValueError, "`num_oov_buckets` must be > 0"),
        (lambda: tf.lookup.TextFileInitializer("f", tf.string, -1, tf.int64, -2), ValueError, "must be int64"),
        (lambda: tf.strings.format("{}", []), ValueError, "The template expects 1 tensors, but the inputs only has 0"),
        (lambda: tf.string_split(["a"], result_type="List"), ValueError, "result_type must be"),
        (lambda: tf.strings.ngrams(["a"], 0), ValueError, "All ngram_widths must be greater than 0"),
    ],
)
def test_a_wrong_call_is_told_when_it_is_made(build, error, text):
    with pytest.raises(error, match=text):
        build()


# -- structures --------------------------------------------------------------------------------------------------


def test_structures_are_flat_and_back():
    Pair = collections.namedtuple("Pair", "x y")
    structure = {"b": [1, Pair(2, 3)], "a": 4}
    assert tf.nest.flatten(structure) == [4, 1, 2, 3]
    assert tf.nest.pack_sequence_as(structure, [9, 8, 7, 6]) == {"b": [8, Pair(7, 6)], "a": 9}
    assert tf.nest.map_structure(lambda x, y: x - y, structure, structure) == {"b": [0, Pair(0, 0)], "a": 0}
    assert len(tf.nest.flatten([tf.sparse.eye(2)], expand_composites=True)) == 3
    for other, error in (([1, 2], ValueError), ((1,), TypeError), (3, ValueError)):
        with pytest.raises(error, match="The two structures don't have the same"):
            tf.nest.assert_same_structure([1], other)
