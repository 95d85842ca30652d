"""refflow.compat.v1.data: pipelines built in Python, with values worked by hand."""

import collections

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.runtime import function_values

Dataset, data = tf.data.Dataset, tf.data
Point = collections.namedtuple("Point", ["x", "y"])


def elements(dataset, feeds=None, most=60):
    """What comes out of a dataset, as Python values; with feeds by an initializable iterator."""
    make = data.make_one_shot_iterator if feeds is None else data.make_initializable_iterator
    iterator = make(dataset)
    element, found = iterator.get_next(), []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        if feeds is not None:
            session.run(iterator.initializer, feeds)
        while len(found) < most:
            try:
                found.append(plain(session.run(element)))
            except tf.errors.OutOfRangeError:
                return found
    return found


def plain(value):
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if hasattr(value, "_fields"):
        return type(value)(*map(plain, value))
    return tuple(map(plain, value)) if isinstance(value, tuple) else np.asarray(value).tolist()


def test_a_source_gives_its_tensors_or_their_rows():
    assert elements(Dataset.from_tensors(([1, 2], "a"))) == [([1, 2], b"a")]
    assert elements(Dataset.from_tensor_slices(([1, 2], [[3, 4], [5, 6]]))) == [(1, [3, 4]), (2, [5, 6])]
    assert elements(Dataset.range(3)) == [0, 1, 2] and elements(Dataset.range(5, 1, -2)) == [5, 3]
    assert elements(Dataset.range(0)) == []


def test_structures_go_through_as_they_are():
    slices = Dataset.from_tensor_slices({"b": ([1, 2], Point([3, 4], [5, 6])), "a": [7, 8]})
    assert slices.output_types == {"a": tf.int32, "b": (tf.int32, Point(tf.int32, tf.int32))}
    assert slices.output_classes == {"a": tf.Tensor, "b": (tf.Tensor, Point(tf.Tensor, tf.Tensor))}
    first, second = elements(slices)
    assert first == {"a": 7, "b": (1, Point(3, 5))} and isinstance(second["b"][1], Point)
    assert elements(slices.map(lambda e: e["b"][1].x)) == [3, 4]


def test_shapes_are_known_as_far_as_they_can_be():
    numbers = Dataset.from_tensor_slices(np.zeros([6, 2], np.float32))
    assert data.get_output_shapes(numbers.batch(4)).as_list() == [None, 2]
    assert data.get_output_shapes(numbers.batch(4, drop_remainder=True)).as_list() == [4, 2]
    longer = numbers.concatenate(Dataset.from_tensors(np.zeros(3, np.float32)))
    assert data.get_output_shapes(longer).as_list() == [None]
    grown = numbers.map(lambda x: tf.concat([x, x], 0))
    assert grown.output_shapes.as_list() == [4] and grown.output_types is tf.float32


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda d: d.take(2), [0, 1]),
        (lambda d: d.take(-1), [0, 1, 2, 3, 4]),
        (lambda d: d.skip(3), [3, 4]),
        (lambda d: d.shard(2, 1), [1, 3]),
        (lambda d: d.take(2).repeat(2), [0, 1, 0, 1]),
        (lambda d: d.cache().prefetch(1), [0, 1, 2, 3, 4]),
        (lambda d: d.batch(2), [[0, 1], [2, 3], [4]]),
        (lambda d: d.batch(2, drop_remainder=True), [[0, 1], [2, 3]]),
        (lambda d: d.batch(2).unbatch(), [0, 1, 2, 3, 4]),
        (lambda d: d.batch(2).rebatch(3), [[0, 1, 2], [3, 4]]),
        (lambda d: d.batch(2).rebatch([1, 2]), [[0], [1, 2], [3], [4]]),
        (lambda d: data.experimental.from_list([7, 8]), [7, 8]),
        (lambda d: d.take(2).concatenate(d.skip(4)), [0, 1, 4]),
        (lambda d: d.take(2).enumerate(start=5), [(5, 0), (6, 1)]),
        (lambda d: Dataset.zip((d, d.skip(3))), [(0, 3), (1, 4)]),
        (lambda d: d.window(3, shift=2).flat_map(lambda w: w.batch(3)), [[0, 1, 2], [2, 3, 4], [4]]),
        (lambda d: d.window(2, stride=2, drop_remainder=True).flat_map(lambda w: w), [0, 2, 2, 4]),
        (lambda d: d.map(lambda x: x * x), [0, 1, 4, 9, 16]),
        (lambda d: d.map(lambda x: [x, -x], num_parallel_calls=data.experimental.AUTOTUNE).take(2), [(0, 0), (1, -1)]),
        (lambda d: d.filter(lambda x: tf.equal(x % 2, 0)), [0, 2, 4]),
        (lambda d: d.take(3).flat_map(Dataset.range), [0, 0, 1]),
        (lambda d: d.take(3).interleave(lambda x: Dataset.from_tensors(x).repeat(3), 2, 2),
         [0, 0, 1, 1, 0, 1, 2, 2, 2]),
        (lambda d: d.apply(data.experimental.scan(np.int64(0), lambda s, x: (s + x, s))), [0, 0, 1, 3, 6]),
        (lambda d: d.apply(data.experimental.take_while(lambda x: x < 2)), [0, 1]),
        (lambda d: d.apply(data.experimental.map_and_batch(lambda x: x + 1, 3)), [[1, 2, 3], [4, 5]]),
        (lambda d: d.apply(data.experimental.group_by_window(lambda x: x % 2, lambda k, w: w.batch(2), 2)),
         [[0, 2], [1, 3], [4]]),
        (lambda d: d.map(lambda x: x // 2).apply(data.experimental.unique()), [0, 1, 2]),
        (lambda d: data.experimental.choose_from_datasets([d, d.map(lambda x: -x)], Dataset.from_tensor_slices(
            np.array([0, 1, 1, 0], np.int64))), [0, 0, -1, 1]),
        (lambda d: data.experimental.Counter(3, 2).take(3), [3, 5, 7]),
    ],
)  # fmt: skip
def test_a_transformation_gives_these_elements(build, expected):
    assert elements(build(Dataset.range(5))) == expected


def test_padded_batches_are_as_wide_as_their_widest_or_as_told():
    rows = Dataset.range(1, 4).map(lambda x: tf.fill([tf.cast(x, tf.int32)], x))
    assert rows.padded_batch(3, [None]).output_shapes.as_list() == [None, None]
    assert elements(rows.padded_batch(2, [None])) == [[[1, 0], [2, 2]], [[3, 3, 3]]]
    assert elements(rows.padded_batch(3, [4], np.int64(-1))) == [[[1, -1, -1, -1], [2, 2, -1, -1], [3, 3, 3, -1]]]
    with pytest.raises(ValueError, match="padded shape .* is not compatible with the shape"):
        Dataset.from_tensors([1, 2, 3]).padded_batch(1, [2])
    with pytest.raises(TypeError, match="does not match type"):
        rows.padded_batch(1, [None], 0.5 * np.float32(1))


def test_a_reduction_is_a_value_whose_shape_may_grow():
    with tf.Session() as session:
        assert session.run(Dataset.range(5).reduce(np.int64(0), lambda s, x: s + x)) == 10
        grown = Dataset.range(3).reduce(tf.zeros([0], tf.int64), lambda s, x: tf.concat([s, [x]], 0))
        assert grown.get_shape().as_list() == [None] and session.run(grown).tolist() == [0, 1, 2]
        pair = Dataset.range(3).reduce((np.int64(1), {"n": 0}), lambda s, x: (s[0] * 2, {"n": s[1]["n"] + 1}))
        assert session.run(pair) == (8, {"n": 3})
    with pytest.raises(TypeError, match="element types for the new state must match the initial state"):
        Dataset.range(3).reduce(0, lambda s, x: x)


def test_sparse_tensors_are_elements():
    whole = tf.SparseTensor([[0, 1], [2, 0]], [5, 6], [3, 2])
    slices = Dataset.from_tensor_slices(whole)
    assert slices.output_classes is tf.SparseTensor and slices.output_shapes.as_list() == [2]
    assert elements(slices.map(tf.sparse_tensor_to_dense)) == [[0, 5], [0, 0], [6, 0]]
    assert elements(slices.batch(3).map(tf.sparse_tensor_to_dense)) == [[[0, 5], [0, 0], [6, 0]]]
    assert elements(slices.batch(2).unbatch().map(tf.sparse_tensor_to_dense)) == [[0, 5], [0, 0], [6, 0]]
    parts = elements(Dataset.from_sparse_tensor_slices(whole))
    assert parts == [([[1]], [5], [2]), ([], [], [2]), ([[0]], [6], [2])]


# -- what functions take from around ------------------------------------------------------------------------------


@pytest.mark.parametrize(("by_handle", "later"), [(True, 101), (False, 6)])
def test_a_function_reads_a_handles_variable_at_each_element_and_another_at_the_start(by_handle, later):
    v = tf.get_variable("v", initializer=np.int64(5), use_resource=by_handle)
    iterator = data.make_initializable_iterator(Dataset.range(4).map(lambda x: x + v))
    element, grow = iterator.get_next(), tf.assign(v, np.int64(100))
    with tf.Session() as session:
        session.run(v.initializer)
        session.run(iterator.initializer)
        assert session.run(element) == 5
        session.run(grow)
        assert session.run(element) == later


def test_a_function_gets_tensors_from_around_and_from_around_that():
    c, p = tf.constant(10, tf.int64), tf.placeholder(tf.int64, [])
    dataset = Dataset.range(3).flat_map(lambda x: Dataset.range(x).map(lambda y: x * c + y + p))
    assert elements(dataset, {p: 100}) == [110, 120, 121]


def test_a_function_may_branch_and_loop_on_tensors():
    c = tf.constant(2, tf.int64)
    assert elements(Dataset.range(4).map(lambda x: tf.cond(x > c, lambda: x * c, lambda: -x))) == [0, -1, -2, 6]


    def three_times(x):
        return tf.while_loop(lambda i, a: i < c, lambda i, a: (i + 1, a + x), [c - c, x])[1]

    assert elements(Dataset.range(4).map(three_times)) == [0, 3, 6, 9]


def test_a_function_calls_python():
    assert elements(Dataset.range(3).map(lambda x: tf.py_func(lambda v: v * 3, [x], tf.int64))) == [0, 3, 6]


def test_gradients_may_be_taken_inside_a_function():
    assert elements(Dataset.range(3).map(lambda x: tf.gradients(tf.cast(x, tf.float32) * 0 + 1.0, x)[0] is None)) == (
        [True] * 3
    )

    def slope(x):
        y = tf.cast(x, tf.float32)
        return tf.gradients(y * y, y)[0]

    assert elements(Dataset.range(3).map(slope)) == [0.0, 2.0, 4.0]


def test_nothing_of_a_functions_body_is_in_the_graph_around_it():
    before = len(tf.get_default_graph().get_operations())
    Dataset.range(3).map(lambda x: x * 2 + 1)
    assert [op.type for op in tf.get_default_graph().get_operations()[before:]] == ["Const"] * 3 + [
        "RangeDataset", "MapDataset"
    ]  # fmt: skip


# -- generators -----------------------------------------------------------------------------------------------------


def test_a_generator_begins_again_each_time_through():
    def rows(most):
        for i in range(most):
            yield i, {"r": [i] * i}

    dataset = Dataset.from_generator(rows, (tf.int64, {"r": tf.float32}), ([], {"r": [None]}), args=(3,))
    assert dataset.output_shapes[1]["r"].as_list() == [None]
    once = [(0, {"r": []}), (1, {"r": [1.0]}), (2, {"r": [2.0, 2.0]})]
    assert elements(dataset.repeat(2)) == once * 2


def test_a_generator_may_yield_sparse_tensors():
    def rows():
        yield tf.SparseTensorValue([[1]], [7], [3])

    dataset = Dataset.from_generator(rows, output_signature=tf.SparseTensorSpec([3], tf.int32))
    assert elements(dataset.map(tf.sparse_tensor_to_dense)) == [[0, 7, 0]]


@pytest.mark.parametrize(
    ("yielded", "text"),
    [
        ("x", "be converted to the expected type. The expected type was int64, but the yielded element was x"),
        ([1], r"yielded an element of shape \(1,\) where an element of shape \(\) was expected"),
        ((1, 2), "did not match the expected structure"),
    ],
)
def test_what_a_generator_may_not_yield_is_an_error_of_the_step(yielded, text):
    element = data.make_one_shot_iterator(Dataset.from_generator(lambda: iter([yielded]), tf.int64, [])).get_next()
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=text):
        session.run(element)


# -- iterators ------------------------------------------------------------------------------------------------------


def test_one_iterator_goes_through_datasets_of_one_structure():
    iterator = data.Iterator.from_structure((tf.int64, tf.float32), ([], [None]))
    small = Dataset.zip((Dataset.range(2), Dataset.from_tensors([1.0, 2.0]).repeat()))
    large = small.map(lambda n, x: (n + 10, x[:1]))
    starts = [iterator.make_initializer(d) for d in (small, large)]
    number, row = iterator.get_next()
    assert row.get_shape().as_list() == [None]
    with tf.Session() as session:
        for start, expected in zip(starts, ([(0, 2), (1, 2)], [(10, 1), (11, 1)]), strict=True):
            session.run(start)
            assert [tuple(session.run([number, tf.size(row)])) for _ in range(2)] == expected
            with pytest.raises(tf.errors.OutOfRangeError):
                session.run(number)
    with pytest.raises(TypeError, match="Expected output types .* but got dataset with output types"):
        iterator.make_initializer(Dataset.zip((Dataset.range(2), Dataset.range(2).batch(1))))
    with pytest.raises(ValueError, match="does not have an initializer"):
        _ = iterator.initializer


def test_a_fed_string_says_which_iterator_is_asked():
    handle = tf.placeholder(tf.string, [])
    element = data.Iterator.from_string_handle(handle, tf.int64, []).get_next()
    one = data.make_one_shot_iterator(Dataset.range(3))
    other = data.make_initializable_iterator(Dataset.range(10, 20))
    with tf.Session() as session:
        names = session.run([one.string_handle(), other.string_handle()])
        session.run(other.initializer)
        assert [session.run(element, {handle: names[i]}) for i in (0, 1, 1, 0)] == [0, 10, 11, 1]


def test_an_element_may_be_none_after_the_last():
    optional = data.make_one_shot_iterator(Dataset.range(1)).get_next_as_optional()
    has, value = optional.has_value(), optional.get_value()
    with tf.Session() as session:
        assert session.run([has, value]) == [True, 0]
        assert not session.run(has)
        with pytest.raises(tf.errors.InvalidArgumentError, match="does not have a value"):
            session.run(value)


def test_a_one_shot_iterator_takes_nothing_that_is_fed_or_has_a_state():
    with pytest.raises(ValueError, match=r"Cannot capture a placeholder \(name:p, type:Placeholder\) by value"):
        data.make_one_shot_iterator(Dataset.from_tensors(tf.placeholder(tf.float32, [2], name="p")))
    v = tf.get_variable("v", [])
    for dataset in (Dataset.from_tensors(v), Dataset.range(2).map(lambda x: tf.cast(x, tf.float32) + v)):
        with pytest.raises(ValueError, match=r"Cannot capture a stateful node.*Use `make_initializable_iterator\(\)`"):
            data.make_one_shot_iterator(dataset)


def test_a_placeholder_says_how_large_a_dataset_is_when_its_iterator_is_initialized():
    n = tf.placeholder(tf.int64, [])
    iterator = data.make_initializable_iterator(Dataset.range(n).batch(n))
    element = iterator.get_next()
    with tf.Session() as session:
        for count in (2, 3):
            session.run(iterator.initializer, {n: count})
            assert session.run(element).tolist() == list(range(count))


def test_an_iterator_belongs_to_the_graph_of_its_dataset():
    dataset = Dataset.range(3)
    with tf.Graph().as_default(), pytest.raises(ValueError, match="dataset is created in the same graph"):
        data.make_initializable_iterator(dataset)


def test_all_uses_in_a_step_share_one_element():
    element = data.make_one_shot_iterator(Dataset.range(4)).get_next()
    with tf.Session() as session:
        assert session.run([element, element + 1, -element]) == [0, 1, 0]
        assert session.run(element) == 1


def test_a_dataset_is_made_where_its_nodes_are_placed():
    with tf.device("/cpu:1"):
        element = data.make_one_shot_iterator(Dataset.range(3).map(lambda x: x + 1)).get_next()
    with tf.Session(config=tf.ConfigProto(device_count={"CPU": 2})) as session:
        assert session.run(element) == 1


def test_a_cluster_runs_datasets_with_their_functions():
    server = tf.train.Server.create_local_server()
    sums = Dataset.range(3).flat_map(lambda x: Dataset.range(x).map(lambda y: x + y))
    iterator = data.make_initializable_iterator(sums)
    one, element = data.make_one_shot_iterator(Dataset.range(5).map(lambda x: x * 2)).get_next(), iterator.get_next()
    with tf.Session(server.target) as session:
        session.run(iterator.initializer)
        assert [session.run([one, element]) for _ in range(2)] == [[0, 1], [2, 2]]


# -- order and seeds --------------------------------------------------------------------------------------------------


def test_a_shuffle_is_a_permutation_that_its_seed_decides():
    shuffled = Dataset.range(10).shuffle(4, seed=3, reshuffle_each_iteration=False).repeat(2)
    found = elements(shuffled)
    assert found[:10] == found[10:] and sorted(found[:10]) == list(range(10)) and found[:10] != list(range(10))
    anew = elements(Dataset.range(10).shuffle(10, seed=3).repeat(2))
    assert anew[:10] != anew[10:] and sorted(anew[10:]) == list(range(10))
    assert elements(shuffled) == found


def test_each_time_through_takes_the_next_seeds_and_none_is_left_out():
    shuffled = Dataset.range(9).shuffle(9, seed=5)
    assert elements(shuffled.repeat(2).repeat(2)) == elements(shuffled.repeat(4))


def test_the_graphs_seed_decides_for_shuffles_without_one():
    found = []
    for _ in range(2):
        with tf.Graph().as_default():
            tf.set_random_seed(7)
            found.append(elements(Dataset.range(20).shuffle(20)))
    assert found[0] == found[1]


def test_a_dataset_in_two_places_draws_the_same_in_both():
    drawn = Dataset.range(2).map(lambda x: tf.random_uniform([], seed=1)).shuffle(2, seed=4)
    assert all(a == b for a, b in elements(Dataset.zip((drawn, drawn))))


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "kind", "text"),
    [
        (lambda d: d.map(lambda x: None), TypeError, "Unsupported return value from function passed to Dataset.map"),
        (lambda d: d.flat_map(lambda x: x), TypeError, "must return a `Dataset` object"),
        (lambda d: d.filter(lambda x: x), ValueError, "must return a `tf.bool` scalar tensor"),
        (lambda d: d.filter(lambda x: tf.equal([x], 0)), ValueError, "must return a `tf.bool` scalar tensor"),
        (lambda d: d.concatenate(Dataset.from_tensors("a")), TypeError, "Incompatible dataset elements"),
        (lambda d: d.batch([1]), ValueError, "must be rank 0 but is rank 1"),
        (lambda d: Dataset.zip([d, d]), TypeError, "Python `list` is not supported"),
        (lambda d: d.apply(lambda _: 3), TypeError, "must return a `tf.data.Dataset` object"),
        (lambda d: Dataset.range(), ValueError, "should be between 1 and 3 but was 0"),
        (lambda d: Dataset.from_tensor_slices(3), ValueError, "rank >= 1"),
        (lambda d: Dataset.from_tensor_slices(([1, 2], [1, 2, 3])), ValueError, "not compatible"),
        (lambda d: Dataset.from_generator(3, tf.int64), TypeError, "must be a Python callable"),
        (lambda d: list(d), RuntimeError, "only supports Python-style iteration in eager mode"),
        (lambda d: data.get_output_types(3), TypeError, "must be a `tf.data.Dataset`"),
        (lambda d: d.window(2).batch(2), TypeError, "cannot be batched"),
    ],
)
def test_what_makes_no_dataset_is_refused_while_building(build, kind, text):
    with pytest.raises(kind, match=text):
        build(Dataset.range(3))


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda d: d.batch(0), "Batch size must be greater than zero"),
        (lambda d: d.shard(2, 2), "Index must be between 0 and 1"),
        (lambda d: d.shuffle(0), "buffer_size must be greater than zero"),
        (lambda d: d.map(lambda x: tf.fill([tf.cast(x, tf.int32)], x)).batch(2), "number of elements does not match"),
        (lambda d: d.map(lambda x: 1 // x), "division by zero|by zero"),
    ],
)
def test_what_cannot_be_made_is_an_error_of_the_step(build, text):
    iterator = data.make_initializable_iterator(build(Dataset.range(3)))
    element = iterator.get_next()
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=text):
        session.run(iterator.initializer)
        session.run(element)


def test_options_are_kept_and_merged():
    options = data.Options()
    options.experimental_optimization.map_fusion = True
    options.experimental_deterministic = False
    dataset = Dataset.range(3).with_options(options).batch(2)
    assert dataset.options().experimental_optimization.map_fusion and not dataset.options().experimental_deterministic
    assert elements(dataset) == [[0, 1], [2]]
    with pytest.raises(AttributeError, match="Cannot set the property nonsense"):
        options.nonsense = 1


# -- files -------------------------------------------------------------------------------------------------------------


def test_files_are_read_record_by_record(tmp_path):
    lines, records, fixed = tmp_path / "a.txt", tmp_path / "r.tfrecord", tmp_path / "f.bin"
    lines.write_bytes(b"one\ntwo\r\nthree")
    fixed.write_bytes(b"Habcdef.")
    with tf.python_io.TFRecordWriter(str(records)) as writer:
        for text in (b"x", b"yy"):
            writer.write(text)
    assert elements(data.TextLineDataset(str(lines)).skip(1)) == [b"two", b"three"]
    assert elements(data.TextLineDataset([str(lines)] * 2, num_parallel_reads=2)) == [
        b"one", b"one", b"two", b"two", b"three", b"three"
    ]  # fmt: skip
    assert elements(data.TFRecordDataset(Dataset.from_tensors(str(records)))) == [b"x", b"yy"]
    assert elements(data.FixedLengthRecordDataset(str(fixed), 3, header_bytes=1, footer_bytes=1)) == [b"abc", b"def"]
    assert isinstance(data.TextLineDataset("x"), Dataset)


def test_files_are_found_by_patterns(tmp_path):
    for name in "bac":
        (tmp_path / f"{name}.txt").write_text(name)
    pattern = str(tmp_path / "*.txt")
    inorder = [str(tmp_path / f"{n}.txt").encode() for n in "abc"]
    assert elements(Dataset.list_files(pattern, shuffle=False)) == inorder
    assert sorted(elements(Dataset.list_files(pattern, seed=3))) == inorder
    with pytest.raises(tf.errors.InvalidArgumentError, match="No files matched pattern"):
        elements(Dataset.list_files(str(tmp_path / "*.png")), feeds={})


def rows_of_sizes(sizes):
    return Dataset.from_tensor_slices(np.array(sizes, np.int32)).map(lambda n: tf.range(n))


def test_a_function_takes_elements_of_any_number_of_shapes():
    sizes = [*range(20), *range(20)]
    doubled = rows_of_sizes(sizes).map(lambda x: (2 * x + 1, tf.reduce_sum(x)))
    assert elements(doubled) == [([2 * i + 1 for i in range(n)], n * (n - 1) // 2) for n in sizes]


@pytest.mark.parametrize(("sizes", "most"), [([3] * 9, 1), ([1, 2] * 9, 2), (range(60), 20)])
def test_a_function_is_compiled_once_for_each_of_a_few_shapes(sizes, most, monkeypatch):
    made, build = [], function_values.build
    mapped = rows_of_sizes(list(sizes)).map(lambda x: x + 1)

    def counted(arguments, *more):
        made.append(len(arguments))
        return build(arguments, *more)

    monkeypatch.setattr(function_values, "build", counted)
    assert len(elements(mapped)) == len(sizes)
    made_for_rows = len(made) - 2  # the dataset's own, and that of the map before
    assert 1 <= made_for_rows <= most


def test_elements_that_are_held_together_lie_in_memory_of_their_own():
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    mapped = Dataset.from_tensor_slices(x).map(lambda row: (row, row * 2.0 + 1.0, tf.reshape(row, [3, 1])))
    same, more, turned = elements(mapped.batch(4))[0]
    assert (same, more) == (x.tolist(), (x * 2 + 1).tolist()) and turned == x[:, :, None].tolist()


def test_random_numbers_go_on_where_an_element_has_another_shape():
    def drawn(sizes):
        with tf.Graph().as_default():
            tf.set_random_seed(5)
            return elements(rows_of_sizes(sizes).map(lambda x: tf.random_uniform(tf.shape(x)[:1] // tf.size(x))[0]))

    numbers = drawn([1, 2, 1, 3, 2])
    assert numbers == drawn([1, 1, 1, 1, 1]) and len(set(numbers)) == 5


def test_a_shape_that_does_not_fit_is_an_error_of_its_element_alone():
    mapped = rows_of_sizes([2, 3, 2]).map(lambda x: tf.add(x, [10, 20]))
    iterator = data.make_one_shot_iterator(mapped)
    following = iterator.get_next()
    with tf.Session() as session:
        assert session.run(following).tolist() == [10, 21]
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"Incompatible shapes|broadcast"):
            session.run(following)
        assert session.run(following).tolist() == [10, 21]


def test_a_value_that_decides_a_shape_is_looked_at_each_time():
    begins = Dataset.from_tensor_slices(np.array([0, 1, 5, 0, 3, 1], np.int32))
    parts = begins.map(lambda i: tf.slice(tf.range(6), [i], [2]))
    following = data.make_one_shot_iterator(parts).get_next()
    with tf.Session() as session:
        assert [session.run(following).tolist() for _ in range(2)] == [[0, 1], [1, 2]]
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"Expected size\[0\] in \[0, 1\], but got 2"):
            session.run(following)
        assert [session.run(following).tolist() for _ in range(3)] == [[0, 1], [3, 4], [1, 2]]


def test_lines_of_whole_numbers_are_read_as_any_type(tmp_path):
    (tmp_path / "a.csv").write_text("7,007,-7,123456789012\n1e2,12,+3,5\n")
    lines = data.TextLineDataset([str(tmp_path / "a.csv")])
    columns = lines.map(lambda line: tf.decode_csv(line, [[0.0], [0], [0], np.zeros(1, np.int64)]))
    assert elements(columns) == [(7.0, 7, -7, 123456789012), (100.0, 12, 3, 5)]


def test_an_error_names_the_line_of_the_function_that_failed():
    def third(x):
        chosen = tf.gather([1, 2], x)  # the line that is meant
        return chosen + 1

    following = data.make_one_shot_iterator(Dataset.range(3).map(third)).get_next()
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError) as caught:
        for _ in range(3):
            session.run(following)
    line = third.__code__.co_firstlineno + 1
    assert f'Built here: File "{__file__}", line {line}, in third' in str(caught.value)
