"""Sparse tensors as objects, their maps and messages, feeds and fetches, and what the generic checks cannot see."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.dtypes import as_dtype
from refflow.core.registry import op_def
from refflow.files.wire import block, number
from refflow.ops.sparse import numbered, ravelled, unravelled
from refflow.ops.sparse_math import merged
from refflow.ops.tensor_proto import from_bytes, to_bytes

INDICES, SHAPE = np.array([[0, 1], [2, 0]]), np.array([3, 2])


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


def run(*tensors, feeds=None):
    with tf.Session() as session:
        return session.run(list(tensors), feeds)


def sparse(values=(5.0, 6.0)):
    return tf.SparseTensor(INDICES, np.array(values, np.float32), SHAPE)


def test_a_sparse_tensor_is_fetched_as_its_value():  # [W10]
    with tf.Session() as session:
        value = session.run(sparse())
    assert isinstance(value, tf.SparseTensorValue)
    assert value.indices.tolist() == INDICES.tolist()
    assert (value.values.tolist(), value.shape.tolist()) == ([5, 6], [3, 2])


def test_a_sparse_tensor_is_fed_whole():  # [W10]
    hole = tf.SparseTensor(*(tf.placeholder(t) for t in (tf.int64, tf.float32, tf.int64)))
    dense = tf.sparse_tensor_to_dense(hole, 0.0)
    with tf.Session() as session:
        for value in (tf.SparseTensorValue(INDICES, [1, 2], SHAPE), (INDICES, [1, 2], SHAPE)):
            assert session.run(dense, {hole: value}).tolist() == [[0, 1], [0, 0], [2, 0]]


def test_its_parts_have_the_types_of_the_release():
    s = sparse()
    assert (s.indices.dtype, s.shape.dtype, s.dtype) == (tf.int64, tf.int64, tf.float32)
    assert s.graph is s.values.graph and s.dense_shape is s.shape


@pytest.mark.parametrize("parts", [
    ([0, 1], [1.0], [2, 2]), ([[0, 1]], [[1.0]], [2, 2]), ([[0, 1]], [1.0, 2.0], [2, 2]), ([[0, 1]], [1.0], [2, 2, 2]),
])  # fmt: skip
def test_its_parts_fit_together(parts):
    with pytest.raises(ValueError, match="rank|Dimension|dimension|shape"):
        tf.SparseTensor(*parts)


def test_functions_take_and_give_sparse_tensors():
    s = sparse()
    backwards = tf.SparseTensor(INDICES[::-1].copy(), np.array([6.0, 5.0], np.float32), SHAPE)
    kept = tf.sparse_retain(s, [True, False])
    filled, empty = tf.sparse_fill_empty_rows(s, 9.0)
    joined = tf.sparse_concat(0, [s, s])
    ordered, kept, filled, empty, joined = run(tf.sparse_reorder(backwards), kept, filled, empty, joined)
    assert ordered.values.tolist() == [5, 6] and ordered.indices.tolist() == INDICES.tolist()
    assert kept.indices.tolist() == [[0, 1]]
    assert filled.values.tolist() == [5, 9, 6] and empty.tolist() == [False, True, False]
    assert joined.shape.tolist() == [6, 2] and joined.indices.tolist() == [[0, 1], [2, 0], [3, 1], [5, 0]]


def test_ids_become_an_indicator():
    ids = tf.SparseTensor(INDICES, np.array([3, 0]), SHAPE)
    assert run(tf.sparse_to_indicator(ids, 4))[0].tolist() == [[False] * 3 + [True], [False] * 4, [True] + [False] * 3]


# -- maps ------------------------------------------------------------------------------------------------------------


def test_what_is_put_into_a_map_comes_out_once_from_any_node():  # [W47]
    add, take = op_def("AddSparseToTensorsMap"), op_def("TakeManySparseFromTensorsMap")
    s = sparse()
    handle = add(s.indices, s.values, s.shape, shared_name="m")
    hole = tf.placeholder(tf.int64)
    taken = take(hole, dtype=tf.float32, shared_name="m")
    with tf.Session() as session:
        handles = [session.run(handle) for _ in range(2)]
        assert handles == [0, 1]
        indices, values, shape = session.run(list(taken), {hole: handles})
        assert indices.tolist() == [[0, 0, 1], [0, 2, 0], [1, 0, 1], [1, 2, 0]]
        assert (values.tolist(), shape.tolist()) == ([5, 6, 5, 6], [2, 3, 2])
        with pytest.raises(tf.OpError, match="Unable to find SparseTensor: 0 in map: m"):
            session.run(list(taken), {hole: handles})


def test_a_map_tells_types_apart():
    add, take = op_def("AddSparseToTensorsMap"), op_def("TakeManySparseFromTensorsMap")
    s = sparse()
    handle = add(s.indices, s.values, s.shape, shared_name="m")
    taken = take(tf.reshape(handle, [1]), dtype=tf.int32, shared_name="m")
    with pytest.raises(tf.OpError, match=r"type int32 but SparseTensor\[0\].values.dtype\(\) == float"):
        run(*taken)


def test_variants_carry_sparse_tensors_as_strings_do():
    s = sparse()
    for kind in (tf.string, tf.variant):
        packed = op_def("SerializeManySparse")(s.indices, s.values, s.shape, out_type=kind)
        back = op_def("DeserializeSparse")(packed, dtype=tf.float32)
        indices, values, shape = run(*back)
        assert indices.tolist() == INDICES.tolist() and values.tolist() == [5, 6] and shape.tolist() == [3, 2]


# -- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "int8", "uint16", "int64", "uint64", "bool",
                                  "complex64", "complex128", "qint8", "bfloat16"])  # fmt: skip
def test_arrays_come_back_from_their_messages(name, rng):
    dtype = as_dtype(name)
    array = np.frombuffer(rng.bytes(6 * dtype.size), dtype.as_numpy_dtype).reshape(2, 3)
    if name == "bool":
        array = np.array([[True, False, True], [False, False, True]])
    back, kind = from_bytes(to_bytes(array, dtype))
    assert kind is dtype and back.tobytes() == array.tobytes() and back.shape == (2, 3)


@pytest.mark.parametrize(("name", "field", "payload", "values"), [
    ("float32", 5, np.array([1.5, 2], "<f4").tobytes(), [1.5, 2, 2]),
    ("float64", 6, np.array([1.5], "<f8").tobytes(), [1.5, 1.5, 1.5]),
    ("int32", 7, bytes([1, 2, 3]), [1, 2, 3]),
    ("int64", 10, bytes([255] * 9 + [1]), [-1, -1, -1]),
    ("bool", 11, bytes([1, 0]), [True, False, False]),
    ("complex64", 9, np.array([1, 2], "<f4").tobytes(), [1 + 2j] * 3),
    ("float16", 13, bytes([0x80, 0x78]), [1, 1, 1]),
])  # fmt: skip
def test_a_message_may_list_its_values_and_the_last_repeats(name, field, payload, values):  # [W16]
    dtype = as_dtype(name)
    message = number(1, int(dtype)) + block(2, block(2, number(1, 3))) + block(field, payload)
    array, _ = from_bytes(message)
    assert array.tolist() == values and array.dtype == dtype.as_numpy_dtype


def test_strings_come_back_from_both_forms():
    texts = np.array([b"", b"abc"], object)
    assert from_bytes(to_bytes(texts, tf.string))[0].tolist() == [b"", b"abc"]
    listed = number(1, int(tf.string)) + block(2, block(2, number(1, 2))) + block(8, b"x")
    assert from_bytes(listed)[0].tolist() == [b"x", b"x"]


@pytest.mark.parametrize("data", [b"?", b"\x08\x01\x12\x04\x12\x02\x08\x02\x22\x03abc", b"\x08\xff\x7f"])
def test_damaged_messages_are_value_errors(data):
    with pytest.raises((ValueError, TypeError)):
        from_bytes(data)


# -- ragged -----------------------------------------------------------------------------------------------------------

NESTED, VALUES = [np.array([0, 1, 3]), np.array([0, 2, 2, 5])], np.arange(5)


@pytest.mark.parametrize(("batched", "shape", "rank"), [(False, [], 2), (True, [2], 1), (True, [1, 2], 1)])
def test_ragged_tensors_pass_through_variants(batched, shape, rank):
    packed = op_def("RaggedTensorToVariant")(NESTED, VALUES, batched_input=batched)
    levels = len(shape) + rank
    back = op_def("RaggedTensorFromVariant")(
        tf.reshape(packed, shape), input_ragged_rank=rank, output_ragged_rank=levels, Tvalues=tf.int64
    )
    *splits, values = run(*back[0], back[1])
    assert [s.tolist() for s in splits[-2:]] == [s.tolist() for s in NESTED] and values.tolist() == VALUES.tolist()
    assert len(splits) == levels and (levels < 3 or splits[0].tolist() == [0, 2])


def test_a_variant_tells_what_it_holds():
    packed = op_def("RaggedTensorToVariant")(NESTED, VALUES, batched_input=True)
    back = op_def("RaggedTensorFromVariant")(packed, input_ragged_rank=0, output_ragged_rank=1, Tvalues=tf.int64)
    with pytest.raises(tf.OpError, match="has ragged_rank=1.  Expected ragged_rank=0"):
        run(back[1])


def test_gradients_of_rows_go_back_side_by_side():
    rows = op_def("RaggedTensorToVariant")([np.array([0, 2, 5])], np.arange(5.0), batched_input=True)
    for gradient, times in ((rows, 1), (tf.add_n([rows, rows]), 2)):
        back = op_def("RaggedTensorToVariantGradient")(gradient, np.array([0, 2, 5]), [5], Tvalues=tf.float64)
        assert run(back)[0].tolist() == [times * i for i in range(5)]


# -- places ----------------------------------------------------------------------------------------------------------


def test_places_are_numbered_as_they_are_sorted(rng):
    places = rng.integers(-3, 3, size=(40, 3))
    (numbers,) = numbered(places)
    by_tuple = sorted(range(40), key=lambda i: tuple(places[i]))
    assert [tuple(p) for p in places[np.argsort(numbers, kind="stable")]] == [tuple(places[i]) for i in by_tuple]


def test_no_shape_is_too_large_to_be_numbered():
    big = 2**62
    assert numbered(np.array([[big, big], [big, 0], [0, big]]))[0].tolist() == [2, 1, 0]


def test_raveling_and_back_are_inverse(rng):
    dims = (3, 4, 5)
    numbers = rng.permutation(60)
    assert ravelled(unravelled(numbers, dims), dims).tolist() == numbers.tolist()


def test_merging_by_steps_agrees_with_merging_sets(rng):
    for _ in range(20):
        a, b = (np.unique(rng.integers(0, 12, size=6)) for _ in range(2))
        fast = merged(a, b)
        slow = merged(np.concatenate([a, [99, 99]]), b)  # a repeated number takes the slow way
        assert [f.tolist() for f in fast] == [s[: len(f)].tolist() for f, s in zip(fast, slow, strict=True)]


# -- gradients -------------------------------------------------------------------------------------------------------


def test_gradients_reach_the_values_through_reductions_and_products():
    values = tf.placeholder(tf.float64, [2])
    dense = np.arange(6.0).reshape(2, 3)
    product = op_def("SparseTensorDenseMatMul")(INDICES, values, SHAPE, dense)
    total = op_def("SparseReduceSum")(INDICES, values, SHAPE, [0])
    (by_product,) = tf.gradients(product, values)
    (by_total,) = tf.gradients(total * np.array([2.0, 3.0]), values)
    with tf.Session() as session:
        first, second = session.run([by_product, by_total], {values: [1.0, 2.0]})
    assert first.tolist() == [3 + 4 + 5, 0 + 1 + 2]
    assert second.tolist() == [3, 2]
