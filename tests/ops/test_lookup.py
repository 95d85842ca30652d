"""Lookup tables: what is found, what changes, and what the two forms of handles share [W47]."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def


def op(op_type, *args, **attrs):
    return op_def(op_type)(*args, **attrs)


def ints(*values):
    return tf.constant(np.array(values, np.int64))


@pytest.fixture(params=["", "V2"])
def form(request):
    """The first release's handles, and today's."""
    return request.param


def test_a_hash_table_is_filled_once_and_then_read(form):
    with tf.Graph().as_default(), tf.Session() as session:
        table = op("HashTable" + form, key_dtype=tf.string, value_dtype=tf.int64)
        fill = op("InitializeTable" + form, table, tf.constant([b"a", b"b"]), ints(1, 2))
        find = op("LookupTableFind" + form, table, tf.constant([[b"b", b"z"]]), tf.constant(np.int64(-1)))
        with pytest.raises(tf.errors.FailedPreconditionError, match="Table not initialized"):
            session.run(find)
        session.run(fill)
        session.run(fill)  # the same entries again change nothing
        assert session.run(find).tolist() == [[2, -1]]
        assert session.run(op("LookupTableSize" + form, table)) == 2
        with pytest.raises(tf.errors.FailedPreconditionError, match="different data"):
            session.run(op("InitializeTable" + form, table, tf.constant([b"c"]), ints(1)))


def test_one_key_has_one_value():
    with tf.Graph().as_default(), tf.Session() as session:
        table = op("HashTableV2", key_dtype=tf.string, value_dtype=tf.int64)
        with pytest.raises(tf.errors.FailedPreconditionError, match="Key a has 1 and trying to add value 3"):
            session.run(op("InitializeTableV2", table, tf.constant([b"a", b"a"]), ints(1, 3)))


def test_types_are_those_of_the_table():
    with tf.Graph().as_default(), tf.Session() as session:
        table = op("MutableHashTableV2", key_dtype=tf.string, value_dtype=tf.int64)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Signature mismatch, have: resource, int64, float->"):
            session.run(op("LookupTableInsertV2", table, ints(1), tf.constant([1.0])))


def test_a_mutable_table_changes(form):
    with tf.Graph().as_default(), tf.Session() as session:
        table = op("MutableHashTable" + form, key_dtype=tf.string, value_dtype=tf.int64)
        session.run(op("LookupTableInsert" + form, table, tf.constant([b"a", b"b", b"a"]), ints(1, 2, 3)))
        each = op("LookupTableFind" + form, table, tf.constant([b"a", b"z"]), ints(5, 6))
        assert session.run(each).tolist() == [3, 6]
        keys, values = session.run(list(op("LookupTableExport" + form, table, Tkeys=tf.string, Tvalues=tf.int64)))
        assert dict(zip(keys, values, strict=True)) == {b"a": 3, b"b": 2}
        session.run(op("LookupTableImport" + form, table, tf.constant([b"x"]), ints(9)))
        assert session.run(op("LookupTableSize" + form, table)) == 1


def test_entries_can_be_removed():
    with tf.Graph().as_default(), tf.Session() as session:
        table = op("MutableHashTableV2", key_dtype=tf.int64, value_dtype=tf.int64)
        session.run(op("LookupTableInsertV2", table, ints(1, 2), ints(10, 20)))
        session.run(op("LookupTableRemoveV2", table, ints(1, 7)))
        assert session.run(op("LookupTableFindV2", table, ints(1, 2), tf.constant(np.int64(0)))).tolist() == [0, 20]


def test_values_may_be_vectors():
    with tf.Graph().as_default(), tf.Session() as session:
        table = op("MutableHashTableOfTensorsV2", key_dtype=tf.int64, value_dtype=tf.float32, value_shape=[2])
        session.run(op("LookupTableInsertV2", table, ints(1, 2), tf.constant([[1.0, 2.0], [3.0, 4.0]])))
        found = op("LookupTableFindV2", table, ints(2, 9), tf.constant([-1.0, -2.0]))
        assert found.get_shape().as_list() == [2, 2]
        assert session.run(found).tolist() == [[3, 4], [-1, -2]]


def test_a_dense_table_doubles_its_buckets_and_shows_them():
    with tf.Graph().as_default(), tf.Session() as session:
        table = op("MutableDenseHashTableV2", tf.constant(np.int64(-1)), tf.constant(np.int64(-2)),
                   value_dtype=tf.int64, initial_num_buckets=4)  # fmt: skip
        session.run(op("LookupTableInsertV2", table, ints(*range(10)), ints(*range(10, 20))))
        session.run(op("LookupTableRemoveV2", table, ints(3)))
        keys, values = session.run(list(op("LookupTableExportV2", table, Tkeys=tf.int64, Tvalues=tf.int64)))
        assert keys.shape == values.shape == (16, 1)
        assert sorted(keys[:, 0].tolist()) == [-2, *[-1] * 6, 0, 1, 2, 4, 5, 6, 7, 8, 9]
        with pytest.raises(tf.errors.InvalidArgumentError, match="Using the empty_key as a table key is not allowed"):
            session.run(op("LookupTableInsertV2", table, ints(-1), ints(0)))


def test_a_dense_table_takes_over_what_another_showed():
    with tf.Graph().as_default(), tf.Session() as session:
        marks = tf.constant(np.array([0, 0], np.int64)), tf.constant(np.array([1, 1], np.int64))
        first, second = (
            op("MutableDenseHashTableV2", *marks, value_dtype=tf.int64, initial_num_buckets=8, name=f"table{i}")
            for i in (1, 2)
        )
        keys = tf.constant(np.array([[1, 2], [3, 4]], np.int64))
        session.run(op("LookupTableInsertV2", first, keys, ints(12, 34)))
        shown = op("LookupTableExportV2", first, Tkeys=tf.int64, Tvalues=tf.int64)
        session.run(second)
        session.run(op("LookupTableImportV2", second, *shown))
        assert session.run(op("LookupTableFindV2", second, keys, tf.constant(np.int64(0)))).tolist() == [12, 34]


@pytest.mark.parametrize(
    ("key", "value", "key_index", "value_index", "asked", "found"),
    [
        (tf.string, tf.int64, -2, -1, [b"1\tsalad"], [1]),
        (tf.int64, tf.string, 0, 1, [np.int64(1)], [b"salad"]),
        (tf.int64, tf.string, -1, -2, [np.int64(0)], [b"0\tbrain"]),
    ],
)
def test_a_file_fills_a_table(tmp_path, key, value, key_index, value_index, asked, found):
    path = tmp_path / "words.txt"
    path.write_bytes(b"0\tbrain\n1\tsalad\n")
    with tf.Graph().as_default(), tf.Session() as session:
        table = op("HashTableV2", key_dtype=key, value_dtype=value)
        session.run(op("InitializeTableFromTextFileV2", table, str(path), key_index=key_index, value_index=value_index))
        other = tf.constant(b"?" if value is tf.string else np.int64(-1))
        assert session.run(op("LookupTableFindV2", table, tf.constant(asked), other)).tolist() == found


@pytest.mark.parametrize(
    ("text", "size", "error", "words"),
    [
        (b"a\n", 3, tf.errors.InvalidArgumentError, "Invalid vocab_size in .*: expected 3 but got 1"),
        (b"", -1, tf.errors.OutOfRangeError, "Read less bytes than requested"),
        (b"a\n\nb", -1, tf.errors.InvalidArgumentError, "empty line found at position 3"),
        (None, -1, tf.errors.NotFoundError, "No such file or directory"),
    ],
)
def test_a_file_that_does_not_fill_a_table(tmp_path, text, size, error, words):
    path = tmp_path / "words.txt"
    if text is not None:
        path.write_bytes(text)
    with tf.Graph().as_default(), tf.Session() as session:
        table = op("HashTableV2", key_dtype=tf.string, value_dtype=tf.int64)
        with pytest.raises(error, match=words):
            session.run(op("InitializeTableFromTextFileV2", table, str(path), key_index=-2, value_index=-1,
                           vocab_size=size))  # fmt: skip


def test_anonymous_tables_are_new_each_time():
    with tf.Graph().as_default(), tf.Session() as session:
        table = op("AnonymousMutableHashTable", key_dtype=tf.int64, value_dtype=tf.int64)
        session.run(op("LookupTableInsertV2", table, ints(1), ints(2)))
        assert session.run(op("LookupTableSizeV2", table)) == 0
