"""refflow.compat.v1.data: tables, databases, groups, examples and caches, with values worked by hand."""

import sqlite3

import numpy as np
import pytest

import refflow.compat.v1 as tf
from tests.compat.test_data import elements

Dataset, ex = tf.data.Dataset, tf.data.experimental


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'n,x,s\n1,2.5,a\n2,,"b, ""c"""\n3,4,\n')
    return str(path)


def test_records_of_commas_are_scalars_of_the_types_of_their_defaults(table):
    rows = ex.CsvDataset(table, [tf.int32, tf.constant([-1.0]), tf.constant(["none"])], header=True)
    assert rows.output_types == (tf.int32, tf.float32, tf.string)
    assert elements(rows) == [(1, 2.5, b"a"), (2, -1.0, b'b, "c"'), (3, 4.0, b"none")]
    assert elements(ex.CsvDataset(table, [tf.int64], header=True, select_cols=[0])) == [(1,), (2,), (3,)]
    assert elements(ex.CsvDataset(table, [tf.int64], header=True, exclude_cols=[1, 2])) == [(1,), (2,), (3,)]


def test_a_record_that_lacks_a_field_is_an_error_and_the_next_one_comes(table):
    needed = ex.CsvDataset(table, [tf.float32], header=True, select_cols=[1])
    element = tf.data.make_one_shot_iterator(needed).get_next()
    with tf.Session() as session:
        assert session.run(element) == (2.5,)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Field 0 is required but missing in record"):
            session.run(element)
        assert session.run(element) == (4,)


def test_a_table_is_read_by_names_with_types_that_fit_its_first_rows(table):
    batches = ex.make_csv_dataset(table, 2, label_name="n", num_epochs=1, shuffle=False)
    assert batches.output_types == ({"x": tf.float32, "s": tf.string}, tf.int32)
    first, last = elements(batches)
    assert first == ({"x": [2.5, 0.0], "s": [b"a", b'b, "c"']}, [1, 2]) and last == ({"x": [4.0], "s": [b""]}, [3])
    endless = ex.make_csv_dataset(table, 2, select_columns=["x"], shuffle_seed=1)
    assert endless.output_shapes["x"].as_list() == [2] and len(elements(endless, most=9)) == 9


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"label_name": "z"}, "must be one of the columns"),
        ({"select_columns": ["z"]}, "Invalid value 'z' in `select_columns`"),
        ({"select_columns": [0, "n"]}, "duplicate columns"),
        ({"column_names": ["a", "a", "b"]}, "must not have duplicates"),
        ({"header": False}, "Expected `column_names` or `header`"),
        ({"compression_type": "ZLIB"}, "not supported for probing"),
    ],
)
def test_a_table_that_cannot_be_read_so_is_refused_while_building(table, given, text):
    with pytest.raises(ValueError, match=text):
        ex.make_csv_dataset(table, 2, **given)
    with pytest.raises(ValueError, match="No files match"):
        ex.make_csv_dataset(table + "x", 2)


def test_a_query_gives_rows(tmp_path):
    path = str(tmp_path / "base")
    with sqlite3.connect(path) as base:
        base.execute("create table t (i integer, s text)")
        base.executemany("insert into t values (?, ?)", [(1, "one"), (None, "two")])
    found = ex.SqlDataset("sqlite", path, "select s, i from t", (tf.string, tf.int32))
    assert elements(found) == [(b"one", 1), (b"two", 0)]
    with pytest.raises(tf.errors.InvalidArgumentError, match="number of columns in query \\(1\\) must match"):
        elements(ex.SqlDataset("sqlite", path, "select i from t", (tf.int32, tf.int32)))


def test_a_reducer_leaves_one_value_for_each_key():
    mean = ex.Reducer(
        lambda _: (0.0, 0.0), lambda s, x: (s[0] + tf.cast(x, tf.float32), s[1] + 1.0), lambda total, n: total / n
    )
    assert elements(Dataset.range(8).apply(ex.group_by_reducer(lambda x: x % 2, mean))) == [3.0, 4.0]


def test_buckets_hold_elements_of_about_one_length():
    rows = Dataset.from_tensor_slices([1, 4, 2, 5, 1]).map(lambda n: tf.fill([n], n))
    buckets = rows.apply(ex.bucket_by_sequence_length(tf.size, [3], [2, 2]))
    assert elements(buckets) == [[[1, 0], [2, 2]], [[4, 4, 4, 4, 0], [5] * 5], [[1]]]
    with pytest.raises(ValueError, match="must equal `len"):
        ex.bucket_by_sequence_length(tf.size, [3], [2])


def test_tensors_of_different_sizes_make_a_sparse_batch():
    rows = Dataset.range(3).map(lambda n: tf.fill([tf.cast(n, tf.int32)], n))
    sparse = rows.apply(ex.dense_to_sparse_batch(3, [4]))
    assert sparse.output_classes is tf.SparseTensor and sparse.output_shapes.as_list() == [None, 4]
    assert elements(sparse.map(tf.sparse_tensor_to_dense)) == [[[0] * 4, [1, 0, 0, 0], [2, 2, 0, 0]]]
    with pytest.raises(tf.errors.DataLossError, match=r"had shape \(2\) that is larger than the row shape \(1\)"):
        elements(rows.apply(ex.dense_to_sparse_batch(3, [1])))


def test_a_dataset_writes_records(tmp_path):
    path = str(tmp_path / "r")
    write = ex.TFRecordWriter(path, "GZIP").write(Dataset.from_tensor_slices(["a", "bb"]))
    with tf.Session() as session:
        session.run(write)
    assert elements(tf.data.TFRecordDataset(path, "GZIP")) == [b"a", b"bb"]
    with pytest.raises(TypeError, match="must produce scalar"):
        ex.TFRecordWriter(path).write(Dataset.range(3))


def test_examples_are_parsed_in_batches(tmp_path):
    path = str(tmp_path / "examples")
    with tf.python_io.TFRecordWriter(path) as writer:
        for i in range(3):
            number = tf.train.Feature(int64_list=tf.train.Int64List(value=[i]))
            writer.write(tf.train.Example(features=tf.train.Features(feature={"n": number})).SerializeToString())
    kinds = {"n": tf.FixedLenFeature([], tf.int64)}
    batches = ex.make_batched_features_dataset(path, 2, kinds, num_epochs=1, shuffle=False)
    assert elements(batches) == [{"n": [0, 1]}, {"n": [2]}]


def test_a_cache_in_files_is_there_for_the_next_program(tmp_path):
    name = str(tmp_path / "cache")
    rows = Dataset.from_tensor_slices((np.arange(12), ["a"] * 12))
    assert elements(rows.cache(name)) == elements(rows.take(0).cache(name)) == [(i, b"a") for i in range(12)]
