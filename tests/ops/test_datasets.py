"""Datasets and iterators: what nodes that keep functions do with them, by graphs written by hand [W43]."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.graphdef import FunctionCall, FunctionDef, GraphDef, NodeDef
from refflow.core.importer import extend
from refflow.core.registry import op_def
from refflow.core.signature import Arg

INT64 = {"output_types": [tf.int64], "output_shapes": [tf.TensorShape([])]}
EXECUTABLES = [{}, {"executor": "executor"}, {"kernels": "reference"}]


def function(name, types, result, *nodes):
    """A FunctionDef of arguments a, b, ... whose result is `result`."""
    arguments = tuple(Arg("abc"[i], t.name, t) for i, t in enumerate(types))
    kind = tf.bool if result.startswith("Less") else tf.int64
    return FunctionDef(name, arguments, (Arg("out", kind.name, kind),), list(nodes), {"out": result})


TWICE = function("twice", [tf.int64], "Add:z:0", NodeDef("Add", "Add", ["a", "a"], attr={"T": tf.int64}))
PLUS = function("plus", [tf.int64] * 2, "Add:z:0", NodeDef("Add", "Add", ["a", "b"], attr={"T": tf.int64}))
SMALL = function(
    "small", [tf.int64, tf.int64], "Less:z:0", NodeDef("Less", "Less", ["a", "b"], attr={"T": tf.int64})
)
INVERSE = function("inverse", [tf.int64] * 2, "Div:z:0", NodeDef("Div", "Div", ["b", "a"], attr={"T": tf.int64}))


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
def test_single_strings_come_out_of_a_batch_as_strings(graph, options, padded):
    kind = {"output_shapes": [tf.TensorShape([None])]}
    words = op_def("TensorSliceDataset")([np.array([b"one", b"two"], object)], output_shapes=[tf.TensorShape([])])
    if padded:
        sizes, fillers = [np.zeros(0, np.int64)], [np.array(b"", object)]
        batch = op_def("PaddedBatchDataset")(words, np.int64(2), sizes, fillers, **kind)
    else:
        batch = op_def("BatchDataset")(words, np.int64(2), output_types=[tf.string], **kind)
    with tf.Session(**options) as session:
        found = session.run(op_def("DatasetToSingleElement")(batch, output_types=[tf.string], **kind))[0]
    assert [type(text) for text in found] == [bytes] * 2 and list(found) == [b"one", b"two"]


def numbers(count):
    return op_def("RangeDataset")(np.int64(0), np.int64(count), np.int64(1), **INT64)


def keeping(op_type, dataset, called, *others, **more):
    """A dataset node with a function, as it arrives in a GraphDef."""
    graph = tf.get_default_graph()
    others = [tf.convert_to_tensor(np.int64(o)) for o in others]
    key = "predicate" if "Filter" in op_type or "While" in op_type else "f"
    attrs = {key: FunctionCall(called.name), "Targuments": [tf.int64] * len(others), **INT64, **more}
    names = [t.name for t in (dataset, *others)]
    name = graph.unique_name(op_type)
    made = extend(graph, GraphDef([NodeDef(name, op_type, names, attr=attrs)], [called], producer=30), joins=True)
    return made[name].outputs[0]


def iterator_of(dataset):
    iterator = op_def("IteratorV2")(shared_name="", container="", **INT64)
    start = op_def("MakeIterator")(dataset, iterator)
    return start, op_def("IteratorGetNext")(iterator, **INT64)[0]


def elements(dataset, most=30, **options):
    start, element = iterator_of(dataset)
    with tf.Session(**options) as session:
        session.run(start)
        found = []
        with pytest.raises(tf.errors.OutOfRangeError, match="End of sequence"):
            for _ in range(most):
                found.append(session.run(element).tolist())
    return found


@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
def test_a_function_is_called_for_each_element(options):
    assert elements(keeping("MapDataset", numbers(4), TWICE), **options) == [0, 2, 4, 6]


@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
def test_a_function_gets_what_it_has_from_around_it_last(options):
    mapped = keeping("MapDataset", numbers(4), PLUS, 10)
    assert elements(keeping("FilterDataset", mapped, SMALL, 13), **options) == [10, 11, 12]
    assert elements(keeping("TakeWhileDataset", mapped, SMALL, 11), **options) == [10]


def test_after_an_error_the_next_element_comes():
    start, element = iterator_of(keeping("MapDataset", numbers(3), INVERSE, 12))
    with tf.Session() as session:
        session.run(start)
        with pytest.raises(tf.errors.InvalidArgumentError, match="division by zero"):
            session.run(element)
        assert [session.run(element) for _ in range(2)] == [12, 6]


def test_an_iterator_begins_when_it_is_made_and_not_before():
    start, element = iterator_of(numbers(2))
    with tf.Session() as session:
        with pytest.raises(tf.errors.FailedPreconditionError, match="has not been initialized"):
            session.run(element)
        for _ in range(2):
            session.run(start)
            assert session.run([element, element]) == [0, 0]
            assert session.run(element) == 1


def test_what_is_cached_is_made_once():
    calls = []

    def counted(x):
        calls.append(int(x))
        return x

    token = tf.py_func(counted, [np.int64(0)], tf.int64).op.attrs["token"]
    attrs = {"token": token, "Tin": [tf.int64], "Tout": [tf.int64]}
    called = function("called", [tf.int64], "PyFunc:output:0", NodeDef("PyFunc", "PyFunc", ["a"], attr=attrs))
    cached = op_def("CacheDataset")(keeping("MapDataset", numbers(3), called), b"", **INT64)
    assert elements(op_def("RepeatDataset")(cached, np.int64(2), **INT64)) == [0, 1, 2] * 2
    assert calls == [0, 1, 2]


def test_a_cache_in_a_file_is_there_for_the_next_one(tmp_path):
    name = str(tmp_path / "cache").encode()
    assert elements(op_def("CacheDataset")(numbers(12), name, **INT64)) == list(range(12))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache.data-00000-of-00001", "cache.index"]
    assert elements(op_def("CacheDataset")(numbers(0), name, **INT64)) == list(range(12))


def test_who_stops_before_the_end_leaves_no_cache(tmp_path):
    start, element = iterator_of(op_def("CacheDataset")(numbers(3), str(tmp_path / "cache").encode(), **INT64))
    with tf.Session() as session:
        session.run(start)
        assert session.run(element) == 0
    assert not list(tmp_path.iterdir())


def test_a_function_that_nobody_defined_is_missed_by_name():
    node = NodeDef("lost", "MapDataset", [numbers(2).name], attr={"f": FunctionCall("lost"), "Targuments": [], **INT64})
    made = extend(tf.get_default_graph(), GraphDef([node]), joins=True)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="no function 'lost'"):
        session.run(made["lost"])


def test_a_graph_takes_its_functions_along():
    mapped = keeping("MapDataset", numbers(3), TWICE)
    other = tf.Graph()
    with other.as_default():
        made = extend(other, mapped.graph.as_graph_def())
        assert elements(made[mapped.op.name].outputs[0]) == [0, 2, 4]


@pytest.mark.parametrize(
    ("op_type", "attributes", "text"),
    [
        ("BatchDataset", {"batch_size": np.int64(0)}, "Batch size must be greater than zero"),
        ("ShardDataset", {"num_shards": np.int64(2), "index": np.int64(2)}, "Index must be between 0 and 1"),
        ("ShuffleDataset", {"buffer_size": np.int64(0), "seed": np.int64(1), "seed2": np.int64(2)}, "buffer_size must"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(op_type, attributes, text):
    start, _ = iterator_of(op_def(op_type)(numbers(3), **attributes, **INT64))
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=text):
        session.run(start)
