"""Programs with datasets and iterators, as TensorFlow's front end writes them into graphs, run by both runtimes."""

import os
import tempfile

import numpy as np
import pytest

pytestmark = pytest.mark.peers
tensorflow = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

from tests.peers.stand_in import differences  # noqa: E402

v1 = tensorflow.compat.v1
Dataset = tensorflow.data.Dataset
ENDLESS = 70


def gone_through(session, *datasets):
    """Asks for one element after the other until there is none; an error is the outcome of a run like another."""
    for dataset in datasets:
        element = v1.data.make_one_shot_iterator(dataset).get_next()
        for _ in range(ENDLESS):
            try:
                session.run(element)
            except tensorflow.errors.OutOfRangeError:
                break
            except tensorflow.errors.OpError:
                continue


def tried(session, *args):
    try:
        return session.run(*args)
    except tensorflow.errors.OpError:
        return None


def sources(session):
    rows = (np.arange(4), np.arange(8.0).reshape(4, 2), ["a", "b", "c", "d"])
    sparse = tensorflow.SparseTensor([[0, 0], [1, 2]], [1, 2], [2, 3])
    dense = tensorflow.sparse.to_dense
    gone_through(
        session, Dataset.from_tensors([1, 2]), Dataset.from_tensor_slices(rows), Dataset.range(5, 0, -2),
        Dataset.from_tensor_slices({"a": [1, 2], "b": [3, 4]}), Dataset.counter(start=3, step=2).take(4),
        Dataset.from_tensor_slices(sparse).map(dense), Dataset.from_tensors(sparse).map(dense), Dataset.range(0),
    )  # fmt: skip


def fewer_and_more(session):
    r = Dataset.range(10)
    gone_through(
        session, r.take(3), r.take(-1), r.skip(7), r.skip(-1), r.shard(3, 1), r.concatenate(Dataset.range(3)),
        Dataset.zip((r, Dataset.range(4).repeat())), r.repeat(2).batch(7), r.batch(4, drop_remainder=True),
        r.batch(4).unbatch(), r.cache().repeat(2), r.prefetch(2), Dataset.from_tensor_slices([1, 1, 2, 1]).unique(),
        r.window(3, shift=2, stride=2, drop_remainder=True).flat_map(lambda w: w.batch(3)),
        r.window(4, shift=5).flat_map(lambda w: w), r.apply(tensorflow.data.experimental.assert_cardinality(11)),
    )  # fmt: skip


def padded(session):
    d = Dataset.range(1, 6).map(lambda x: (tensorflow.fill([x], x), tensorflow.strings.as_string(x)))
    gone_through(
        session, d.padded_batch(2, padded_shapes=([None], [])), d.padded_batch(2, padded_shapes=([3], [])),
        d.padded_batch(2, padded_shapes=([7], []), padding_values=(np.int64(-1), "z"), drop_remainder=True),
        d.map(lambda numbers, text: numbers).batch(2),
    )  # fmt: skip


def functions(session):
    r = Dataset.range(6)
    gone_through(
        session, r.map(lambda x: x * 2), r.map(lambda x: (x, x + 1), num_parallel_calls=2),
        r.filter(lambda x: x % 3 == 0), r.take_while(lambda x: x < 4), r.flat_map(Dataset.range),
        r.scan(np.int64(0), lambda a, x: (a + x, a * x)),
        r.interleave(lambda x: Dataset.from_tensors(x).repeat(3), cycle_length=2, block_length=2),
        r.interleave(lambda x: Dataset.range(x + 1), cycle_length=3, num_parallel_calls=2),
        r.group_by_window(lambda x: x % 3, lambda key, d: d.batch(2), 2),
        Dataset.choose_from_datasets([r, Dataset.range(90, 93)], Dataset.from_tensor_slices(
            np.array([0, 1, 1, 0, 1, 1, 0], np.int64)), stop_on_empty_dataset=False),
    )  # fmt: skip


def shuffled(session):
    r = Dataset.range(20)
    gone_through(
        session, r.shuffle(5, seed=7), r.shuffle(100, seed=3).repeat(3), Dataset.random(seed=4).take(5),
        r.shuffle(4, seed=1, reshuffle_each_iteration=False).repeat(2), r.repeat(2).shuffle(30, seed=9),
        r.apply(tensorflow.data.experimental.shuffle_and_repeat(5, 2, seed=4)),
        Dataset.sample_from_datasets([r, Dataset.range(100, 110)], [0.5, 0.5], seed=3),
        r.map(lambda x: tensorflow.random.uniform([], seed=3)).take(3).repeat(2),
    )  # fmt: skip


def generated(session):
    def pairs():
        for i in range(3):
            yield i, [i] * 2

    def wrong():
        yield 1
        yield "x"

    gone_through(
        session, Dataset.from_generator(pairs, (tensorflow.int64, tensorflow.float32), ((), (2,))),
        Dataset.from_generator(wrong, tensorflow.int64, ()),
        Dataset.range(3).map(lambda x: tensorflow.numpy_function(lambda v: v + 1, [x], tensorflow.int64)),
    )  # fmt: skip


def failing(session):
    checked = tensorflow.debugging.check_numerics
    d = Dataset.from_tensor_slices([1.0, 0.0, 2.0]).map(lambda x: checked(1.0 / x, "inverse"))
    gone_through(session, d, d.ignore_errors(), d.batch(2))


def to_values(session):
    r, single = Dataset.range(5), tensorflow.data.experimental.get_single_element
    session.run(r.reduce(np.int64(0), lambda a, x: a + x))
    for dataset in (Dataset.range(1), Dataset.range(2), Dataset.range(0)):
        tried(session, single(dataset))
    known = (r, r.repeat(), r.filter(lambda x: x > 1), r.batch(2), r.take(3), r.shard(2, 1), r.concatenate(r))
    session.run([tensorflow.data.experimental.cardinality(d) for d in known])
    optional = v1.data.make_one_shot_iterator(Dataset.range(1)).get_next_as_optional()
    for _ in range(2):
        session.run(optional.has_value())


def made_again(session):
    count = v1.placeholder(tensorflow.int64, [])
    factor = v1.get_variable("factor", initializer=tensorflow.constant(3, tensorflow.int64), use_resource=True)
    session.run(factor.initializer)
    iterator = v1.data.make_initializable_iterator(Dataset.range(count).map(lambda x: x * factor))
    element = iterator.get_next()
    tried(session, element)
    for size in (2, 1):
        session.run(iterator.initializer, {count: size})
        for _ in range(size + 2):
            tried(session, element)
        session.run(v1.assign(factor, 5))
    of_a_kind = v1.data.Iterator.from_structure(tensorflow.int64, [])
    starts = [of_a_kind.make_initializer(d) for d in (Dataset.range(2), Dataset.range(5, 7))]
    element = of_a_kind.get_next()
    for start in starts:
        session.run(start)
        session.run([element, element + 1])


def named_by_strings(session):
    """Which iterator is asked is decided in the graph: the strings themselves are each runtime's own."""
    texts = [v1.data.make_one_shot_iterator(d).string_handle() for d in (Dataset.range(3), Dataset.range(10, 13))]
    first = v1.placeholder(tensorflow.bool, [])
    name = tensorflow.where(first, *texts)
    element = v1.data.Iterator.from_string_handle(name, tensorflow.int64, []).get_next()
    for which in (True, False, True):
        session.run(element, {first: which})
    two = v1.data.Iterator.from_string_handle(name, (tensorflow.int64, tensorflow.int32), ([], [])).get_next()
    tried(session, two, {first: True})


def files(session):
    folder = tempfile.mkdtemp()
    lines, fixed, records = (os.path.join(folder, name) for name in ("a.txt", "b.bin", "r"))
    with open(lines, "wb") as file:
        file.write(b"o\rne\r\ntwo\n\nthree")
    with open(fixed, "wb") as file:
        file.write(b"HHabcdefF")
    with tensorflow.io.TFRecordWriter(records) as writer:
        for i in range(3):
            writer.write(b"r%d" % i)
    data = tensorflow.data
    gone_through(
        session, data.TextLineDataset([lines, lines]), data.FixedLengthRecordDataset(fixed, 3, 2, 1),
        data.FixedLengthRecordDataset(fixed, 4, 2, 1), data.TFRecordDataset([records]), data.TFRecordDataset([lines]),
        data.TextLineDataset(os.path.join(folder, "none")),
        Dataset.from_tensor_slices([lines, lines]).interleave(data.TextLineDataset, cycle_length=2),
    )  # fmt: skip


def tables(session):
    pairs = tensorflow.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2])
    table = tensorflow.lookup.StaticHashTable(pairs, -1)
    iterator = v1.data.make_initializable_iterator(Dataset.from_tensor_slices(["a", "z", "b"]).map(table.lookup))
    element = iterator.get_next()
    session.run(v1.tables_initializer())
    session.run(iterator.initializer)
    for _ in range(4):
        tried(session, element)


def beside_loops(session):
    element = v1.data.make_one_shot_iterator(Dataset.range(100)).get_next()
    session.run(v1.while_loop(lambda i, a: i < 5, lambda i, a: (i + 1, a + element), [0, np.int64(0)]))
    session.run(element)


PROGRAMS = [
    sources, fewer_and_more, padded, functions, shuffled, generated, failing, to_values, made_again, named_by_strings,
    files, tables, beside_loops,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_elements_come_as_they_do_there(program):  # [W43, W73]
    def run(tf):
        with v1.Session() as session:
            program(session)

    assert differences(run) == []
