"""Programs with tf.data, as functions of the library that runs them and of a folder; each gives what it saw."""

import collections
import os
import sqlite3

import numpy as np

from tests.peers.pipelines import plain

Pair = collections.namedtuple("Pair", ["left", "right"])


def all_of(tf, dataset, most=40, before=None):
    """Every element, and the class of each error on the way."""
    iterator = tf.data.make_initializable_iterator(dataset)
    element, found = iterator.get_next(), []
    with tf.Session() as session:
        if before is not None:
            session.run(before)
        try:
            session.run(iterator.initializer)
        except tf.errors.OpError as error:
            return [type(error).__name__]
        while len(found) < most:
            try:
                found.append(plain(session.run(element)))
            except tf.errors.OutOfRangeError:
                break
            except tf.errors.OpError as error:
                found.append(type(error).__name__)
    return found


def seen(tf, *datasets):
    said = []
    for dataset in datasets:
        shapes = plain(tf.data.get_output_shapes(dataset)), plain(tf.data.get_output_types(dataset))
        said.append((shapes, all_of(tf, dataset)))
    return said


def file_of(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def tables_of_commas(tf, folder):
    ex = tf.data.experimental
    rows = b'x,y,z\n1,2.5,one\n,3.5,"two, ""quoted"""\n7,,three\nbad,1,four\n8,9\n9,1.5,"a\nb"\n'
    path = file_of(folder, "a.csv", rows)
    bare = file_of(folder, "b.csv", b"1;2\r\n3;4\r\n\r\n5;6")
    ints = [tf.int32, tf.int32]
    return seen(
        tf, ex.CsvDataset(path, [tf.constant([0]), tf.float32, tf.string], header=True),
        ex.CsvDataset([path, path], [tf.constant([-1]), tf.constant(["none"])], header=True, select_cols=[0, 2]),
        ex.CsvDataset(bare, ints, field_delim=";"), ex.CsvDataset(bare, [tf.string], na_value="1"),
        ex.CsvDataset(os.path.join(folder, "none.csv"), ints), ex.CsvDataset(bare, ints, field_delim=";").batch(2),
    )  # fmt: skip


def tables_by_name(tf, folder):
    made = tf.data.experimental.make_csv_dataset
    path = file_of(folder, "c.csv", b"a,b,c,d\n1,2.5,x,5000000000\n2,3,y,1\n3,,z,2\n4,1e300,w,3\n")
    other = file_of(folder, "d.csv", b"a,b,c,d\n5,2.5,x,1\n6,3,y,1\n")
    return seen(
        tf, made(path, 2, label_name="c", num_epochs=1, shuffle=False),
        made([path, other], 3, num_epochs=2, shuffle=False, select_columns=["d", "a"]),
        made(path, 2, shuffle=False, column_names=["p", "q", "r", "s"]).take(3),
        made([path, other], 2, shuffle_seed=3, num_epochs=2), made([path, other], 2, shuffle_seed=3, num_epochs=1),
        made(path, 2, column_defaults=[tf.int64, tf.float64, tf.string, tf.int64], num_epochs=1, shuffle=False),
    )  # fmt: skip


def databases(tf, folder):
    path = os.path.join(folder, f"{tf.__name__}.db")
    with sqlite3.connect(path) as base:
        base.execute("create table t (i integer, r real, s text, n integer)")
        base.executemany("insert into t values (?, ?, ?, ?)", [(1, 1.5, "one", None), (2, 2.5, "two", 1)])
    sql = tf.data.experimental.SqlDataset
    return seen(
        tf, sql("sqlite", path, "select i, r, s from t", (tf.int64, tf.float64, tf.string)),
        sql("sqlite", path, "select n, i from t order by i desc", (tf.int32, tf.string)),
        sql("sqlite", path, "select n from t", (tf.bool,)), sql("sqlite", path, "select nothing", (tf.int32,)),
        sql("sqlite", path, "select i from t", (tf.int32, tf.int32)), sql("mysql", path, "select 1", (tf.int32,)),
    )  # fmt: skip


def caches(tf, folder):
    name = os.path.join(folder, f"cache_{tf.__name__}")
    rows = tf.data.Dataset.from_tensor_slices((np.arange(12), [b"t%d" % i for i in range(12)], np.ones([12, 2])))
    first = all_of(tf, rows.cache(name))
    again = all_of(tf, rows.take(0).cache(name))
    return first, again, sorted(n.replace(tf.__name__, "") for n in os.listdir(folder) if tf.__name__ in n)


def groups(tf, folder):
    data, ex = tf.data.Dataset, tf.data.experimental
    mean = ex.Reducer(lambda _: (0.0, 0.0), lambda s, x: (s[0] + tf.cast(x, tf.float32), s[1] + 1.0),
                      lambda total, count: total / count)  # fmt: skip
    lists = data.range(12).map(lambda x: tf.fill([tf.cast((x * 5) % 7, tf.int32)], x))
    lengths = lambda x: tf.size(x)  # noqa: E731
    return seen(
        tf, data.range(10).apply(ex.group_by_reducer(lambda x: x % 3, mean)),
        lists.apply(ex.bucket_by_sequence_length(lengths, [2, 4], [3, 2, 2])),
        lists.apply(ex.bucket_by_sequence_length(lengths, [2, 4], [3, 2, 2], drop_remainder=True)),
        lists.filter(lambda x: tf.size(x) < 4).apply(
            ex.bucket_by_sequence_length(lengths, [2, 4], [3, 2, 2], pad_to_bucket_boundary=True)),
        lists.apply(ex.dense_to_sparse_batch(5, [8])), lists.apply(ex.dense_to_sparse_batch(5, [3])),
        lists.apply(ex.dense_to_sparse_batch(4, [None])), lists.apply(ex.dense_to_sparse_batch(4, [2, 2])),
    )  # fmt: skip


def records(tf, folder):
    path = os.path.join(folder, f"{tf.__name__}.records")
    write = tf.data.experimental.TFRecordWriter(path).write(tf.data.Dataset.from_tensor_slices(["a", "bb", ""]))
    zipped = os.path.join(folder, f"{tf.__name__}.zip")
    packed = tf.data.experimental.TFRecordWriter(zipped, "GZIP").write(tf.data.Dataset.from_tensor_slices(["a", "bb"]))
    with tf.Session() as session:
        session.run([write, packed])
    return seen(
        tf, tf.data.TFRecordDataset(path), tf.data.TFRecordDataset([path] * 2, num_parallel_reads=2),
        tf.data.TFRecordDataset(zipped, "GZIP"), tf.data.TFRecordDataset(zipped),
    )  # fmt: skip


def examples(tf, folder):
    path = os.path.join(folder, f"{tf.__name__}.examples")
    with tf.python_io.TFRecordWriter(path) as writer:
        for i in range(5):
            n = tf.train.Feature(int64_list=tf.train.Int64List(value=[i]))
            words = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"w"] * i))
            features = tf.train.Features(feature={"n": n, "words": words})
            writer.write(tf.train.Example(features=features).SerializeToString())
    kinds = {"n": tf.FixedLenFeature([], tf.int64), "words": tf.VarLenFeature(tf.string)}
    made = tf.data.experimental.make_batched_features_dataset
    parsed = tf.data.TFRecordDataset(path).map(lambda row: tf.parse_single_example(row, kinds))
    return seen(
        tf, parsed, parsed.map(lambda f: f["n"] * 2).batch(2),
        tf.data.TFRecordDataset(path).batch(3).apply(tf.data.experimental.parse_example_dataset(kinds)),
        made(path, 2, kinds, label_key="n", num_epochs=1, shuffle_seed=5),
        made(path, 2, kinds, num_epochs=2, shuffle=False),
    )  # fmt: skip


def structures(tf, folder):
    data = tf.data.Dataset
    pairs = data.from_tensor_slices(Pair([1, 2, 3], {"z": [1.0, 2.0, 3.0], "a": ([4, 5, 6],)}))
    return seen(
        tf, pairs, pairs.map(lambda p: p), pairs.map(lambda p: Pair(p.right["z"], p.left)), pairs.batch(2),
        pairs.map(lambda p: (p.left, p.right)).map(lambda left, right: right["a"][0] + left),
        data.zip({"p": pairs, "n": data.range(2)}).map(lambda d: (d["p"].left, d["n"])), pairs.shuffle(3, 1).repeat(2),
        data.from_tensors(([1, 2], [[3]])).map(lambda a, b: (a, (b, a))).map(lambda a, rest: rest[0] + 1),
        data.from_tensors({"only": [1, 2]}).unbatch(),
    )  # fmt: skip


def windows(tf, folder):
    data = tf.data.Dataset
    pairs = data.zip((data.range(7), data.range(7).map(lambda x: x * 10)))
    named = data.range(5).map(lambda x: {"a": x, "b": -x})
    return seen(
        tf, pairs.window(3).flat_map(lambda a, b: data.zip((a.batch(2), b.batch(2)))),
        named.window(2, drop_remainder=True).flat_map(lambda w: data.zip((w["a"], w["b"].skip(1)))),
        data.range(7).window(3, 1, 2).map(lambda w: w.reduce(np.int64(0), lambda s, x: s + x)),
        data.range(5).map(lambda x: data.range(x)).flat_map(lambda d: d.take(2)),
        data.range(4).interleave(lambda x: data.range(x), cycle_length=3),
        *(data.range(10).batch(3).rebatch(*how) for how in (
            (4,), (4, True), ([1, 2],), ([2, 0, 3], True), (3,), (20,))),
    )  # fmt: skip


def failures(tf, folder):
    data = tf.data.Dataset
    halves = data.range(4).map(lambda x: tf.check_numerics(1.0 / tf.cast(x - 1, tf.float32), "no"))
    asked = []

    def twice():
        yield 1
        raise ValueError("no more")

    for build in (
        lambda: data.from_tensor_slices([]).map(lambda x: x), lambda: data.from_tensor_slices(np.zeros([0, 3])),
        lambda: data.range(3).padded_batch(2, padded_shapes=[2]), lambda: data.range(2.5), lambda: data.zip(()),
        lambda: data.range(3).batch([1]), lambda: data.range(3).repeat("x"), lambda: data.range(3).map(3),
        lambda: data.range(3).flat_map(lambda x: [x]), lambda: data.range(3).interleave(lambda x: x, 2),
        lambda: data.range(3).map(lambda x, y: x), lambda: data.range(3).concatenate(3),
        lambda: data.from_tensors(None), lambda: data.range(3).shard(0, 0), lambda: data.from_tensor_slices({}),
        lambda: data.from_sparse_tensor_slices(1),
    ):  # fmt: skip
        try:
            asked.append(seen(tf, build()))
        except Exception as error:
            asked.append(type(error).__mro__[-3].__name__)
    return asked, seen(
        tf, halves, halves.apply(tf.data.experimental.ignore_errors()), halves.batch(2),
        data.from_generator(twice, tf.int32), data.range(3).apply(tf.data.experimental.assert_cardinality(2)),
        data.range(5).map(lambda x: tf.fill([tf.cast(x, tf.int32)], x)).batch(2),
    )  # fmt: skip


def reductions(tf, folder):
    data, ex = tf.data.Dataset, tf.data.experimental
    with tf.Session() as session:
        return [plain(session.run(value)) for value in (
            data.range(5).reduce(np.int64(0), lambda s, x: s + x),
            data.range(5).reduce((np.int64(0), np.int64(1)), lambda s, x: (s[0] + x, s[1] * (x + 1))),
            data.zip((data.range(3), data.range(3))).reduce(np.int64(0), lambda s, e: s + e[0] * e[1]),
            data.range(0).reduce(7, lambda s, x: s), ex.get_single_element(data.range(3).batch(3)),
            ex.cardinality(data.range(5).batch(2)), ex.cardinality(data.range(2).repeat()),
            ex.cardinality(data.range(5).filter(lambda x: x > 1)),
        )]  # fmt: skip


def variables(tf, folder):
    count = tf.get_variable("count", initializer=np.int64(0), use_resource=True)
    factor = tf.get_variable("factor", initializer=np.int64(3), use_resource=False)

    def counted(x):
        with tf.control_dependencies([count.assign_add(1)]):
            return x * factor, count.read_value()

    iterator = tf.data.make_initializable_iterator(tf.data.Dataset.range(1, 4).map(counted))
    element = iterator.get_next()
    with tf.Session() as session:
        session.run([count.initializer, factor.initializer])
        session.run(iterator.initializer)
        return [plain(session.run(element)) for _ in range(2)]


def tables(tf, folder):
    keys = tf.lookup.KeyValueTensorInitializer(["a", "b"], np.array([1, 2], np.int64))
    table = tf.lookup.StaticHashTable(keys, -1)
    dataset = tf.data.Dataset.from_tensor_slices(["b", "z", "a"]).map(table.lookup)
    return all_of(tf, dataset, before=tf.tables_initializer())


def seeds(tf, folder):
    data = tf.data.Dataset
    tf.set_random_seed(11)
    first = data.range(8).shuffle(8)
    second = data.range(6).shuffle(3).repeat(2).map(lambda x: tf.cast(x, tf.float32) + tf.random_uniform([], seed=1))
    third = data.from_tensor_slices([1, 2, 3]).shuffle(3).batch(2).cache().repeat(2)
    numbers = tf.data.experimental.RandomDataset().take(3)
    return seen(tf, first, second, third, numbers)


def names(tf, folder):
    """What the nodes of a pipeline are called, constants apart."""
    data = tf.data.Dataset
    files = data.list_files([os.path.join(folder, "*")], shuffle=False)
    dataset = data.zip((data.range(3), data.from_tensors([1.0]))).batch(2).repeat(3).shuffle(4, 1).prefetch(1)
    one = tf.data.make_initializable_iterator(dataset, shared_name="one")
    one.get_next(), one.get_next(name="next"), one.string_handle()
    tf.data.make_one_shot_iterator(dataset.map(lambda a, b: a))
    assert files.output_types == tf.string
    wanted = ("Dataset", "Iterator")
    nodes = [op for op in tf.get_default_graph().get_operations() if any(w in op.type for w in wanted)]
    return [(op.name, op.type.replace("BatchDatasetV2", "BatchDataset")) for op in nodes]


class _Places:
    """Where the installed TensorFlow counts the ops of a graph that have no seed, 1.x took all of its nodes."""

    def setdefault(self, graph, start):
        return len(graph.get_operations())

    def __getitem__(self, graph):
        return 0

    def __setitem__(self, graph, count):
        assert count == 1  # what it would have counted to


def seeds_by_place():
    """Makes the installed TensorFlow seed as 1.x did."""
    from tensorflow.python.framework import random_seed

    random_seed._graph_to_seed_dict = _Places()


PROGRAMS = [
    tables_of_commas, tables_by_name, databases, caches, groups, records, examples, structures, windows, failures,
    reductions, variables, seeds, names,
]  # fmt: skip
