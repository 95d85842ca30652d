"""What is special to single ops and not said by their cases."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def


def run(tensor, feeds=None):
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        return session.run(tensor, feeds)


def bits(*words):
    return np.array(words, np.uint32).view(np.float32)


@pytest.mark.parametrize(
    ("op", "x", "slope"), [("BesselI1", 0, 0.5), ("BesselI1e", 0, 0.5), ("BesselJ1", 0, 0.5), ("Spence", 1, -1)]
)
def test_slopes_have_their_limit_where_the_rule_divides_by_zero(op, x, slope):
    x = tf.constant(np.float64([x]))
    assert run(tf.gradients(op_def(op)(x), x)[0]).tolist() == [slope]


def test_a_bfloat16_is_the_upper_half_of_a_float32():  # [W52, E14]
    """Truncated, not rounded; special values keep their kind."""
    x = bits(0x3F800000, 0x3F80FFFF, 0xBF80FFFF, 0x7F800000, 0xFF800000, 0x7FC12345, 0x00012345, 0x80000000,
             0x7F800001, 0xFF80FFFF)  # fmt: skip
    half = run(tf.cast(tf.constant(x), tf.bfloat16))
    upper = [0x3F80, 0x3F80, 0xBF80, 0x7F80, 0xFF80, 0x7FC1, 0x0001, 0x8000, 0x7FC0, 0xFFC0]
    assert half.view(np.uint16).tolist() == upper
    back = run(tf.cast(tf.constant(half), tf.float32))
    assert (back.view(np.uint32) >> 16).tolist() == upper and not (back.view(np.uint32) & 0xFFFF).any()


def test_integer_division_truncates_for_every_sign_and_width(rng):  # [W77, E25]
    for dtype in (np.int8, np.int16, np.int32, np.int64, np.uint8):
        low = 0 if dtype is np.uint8 else -100
        x, y = rng.integers(low, 100, 300).astype(dtype), rng.integers(1, 9, 300).astype(dtype)
        y = y if dtype is np.uint8 else y * rng.choice([-1, 1], 300).astype(dtype)
        wanted = np.trunc(x.astype(float) / y.astype(float)).astype(dtype)
        assert run(tf.div(tf.constant(x), tf.constant(y))).tolist() == wanted.tolist()


def test_a_loss_ignores_a_shift_of_all_scores(rng):  # [S18.1]
    x, y = rng.normal(size=(3, 5)), np.eye(5)[[0, 2, 4]]

    def losses(scores):
        return run(tf.nn.softmax_cross_entropy_with_logits(tf.constant(scores), tf.constant(y)))

    np.testing.assert_allclose(losses(x + 100), losses(x), rtol=1e-12)


def test_plain_numbers_take_the_usual_types_and_arrays_keep_theirs():  # [S12]
    assert [tf.constant(v).dtype.name for v in (1, 1.5, True, "a", [1, 2.5], 1j, np.float64(1), [np.float64(1)])] == [
        "int32", "float32", "bool", "string", "float32", "complex128", "float64", "float64",
    ]  # fmt: skip
    assert tf.constant(2**40).dtype == tf.int64
    assert run(tf.constant([1, 2], shape=[2, 2])).tolist() == [[1, 2], [2, 2]]
    assert run(tf.constant(0.5, shape=[0, 2])).shape == (0, 2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: tf.constant([[1, 2], [3]]), ValueError, "not rectangular"),
        (lambda: tf.constant(1.5, tf.int32), TypeError, "expected int32, got 1.5"),
        (lambda: tf.constant("a", tf.float32), TypeError, "expected float32, got text"),
        (lambda: tf.constant(300, tf.uint8), TypeError, "does not fit into uint8"),
        (lambda: tf.constant([1, 2, 3], shape=[2]), ValueError, "3 values do not fit into shape"),
        (lambda: tf.constant(object()), TypeError, "neither a number, a bool nor a string|cannot become a tensor"),
        (lambda: tf.Variable(tf.placeholder(tf.float32)), ValueError, "every size must be known"),
        (lambda: tf.unpack(tf.placeholder(tf.float32)), ValueError, "unpack needs num"),
        (lambda: tf.zeros([2])[3], IndexError, "not within 'zeros:0'"),
        (lambda: tf.zeros([2])["a"], TypeError, "int tensors as indices, got .a."),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_words(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("key", [0, -1, slice(1, 3), (slice(None), 1), (..., 0), (1, ..., slice(0, 2)), ()])
def test_indexing_is_numpys(rng, key):
    x = rng.normal(size=(4, 3, 2)).astype(np.float32)
    assert run(tf.constant(x)[key]).tolist() == x[key].tolist()


def test_lists_between_brackets_and_open_sizes_of_constants_are_told_what_to_use():
    x = tf.constant([1.0, 2.0, 3.0])
    for key in ([0, 2], tf.constant([0, 2]), tf.constant([True, False, True])):
        with pytest.raises(TypeError, match=r"single int tensors as indices.* gather\(\)"):
            x[key]
    with pytest.raises(ValueError, match=r"^zeros: shape \[\?,3\] is not known before the run.* zeros_like\(\)"):
        tf.zeros(tf.placeholder(tf.float32, [None, 3]).get_shape())


def test_concat_of_one_and_a_list_of_tensors_become_what_they_should():
    a = tf.constant([1.0, 2.0])
    assert run(tf.concat(0, [a])).tolist() == [1, 2]
    assert run(tf.convert_to_tensor([a, a * 2.0])).tolist() == [[1, 2], [2, 4]]
    with pytest.raises(TypeError, match="concat takes the axis first and then the tensors"):
        tf.concat([a, a], 0)


def test_a_variable_of_any_shape_takes_any():
    v = tf.Variable(tf.constant([1.0]), validate_shape=False)
    with tf.Session() as session:
        session.run(v.initializer)
        session.run(tf.assign(v, [1.0, 2.0, 3.0], validate_shape=False))
        assert session.run(v).tolist() == [1, 2, 3]


def test_edges_carry_types_and_shapes_and_nodes_the_processing(graph):  # [S38, S31]
    y = tf.add(tf.zeros([2, 3]), 1.0)
    assert [(t.dtype.name, t.get_shape().as_list()) for t in y.op.inputs] == [("float32", [2, 3]), ("float32", [])]
    assert all(t in (*t.op.outputs,) and y.op in t.consumers() for t in y.op.inputs)


def test_the_benchmark_compares_equal_things():  # [S05]
    from refflow.bench import lean as bench

    ours, lean = bench.deck_step(rows=64)
    (_, loss, prediction), (lean_loss, lean_prediction) = ours(), lean()
    assert loss == pytest.approx(lean_loss, rel=1e-5)
    np.testing.assert_allclose(prediction, lean_prediction, rtol=1e-5, atol=1e-7)
    chain, plain = bench.scalar_chain(10)
    assert chain() == plain() == 11.0
    assert bench.constant_run()() == 3.0


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "key",
    [slice(None, None, 2), slice(None, None, -1), (slice(None), None, 1), -1, (..., slice(-2, None)), (None, 0, 1)],
    ids=str,
)
def test_brackets_take_what_numpy_s_take_beside_lists(known, key):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    x = tf.placeholder(tf.float32, [3, 4] if known else None)
    i = tf.placeholder(tf.int32, [])
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(x[key], {x: array}), array[key])
        np.testing.assert_array_equal(session.run(x[i, 1:i], {x: array, i: 2}), array[2, 1:2])
        np.testing.assert_allclose(session.run(x**2 // 3, {x: array}), array**2 // 3)
        np.testing.assert_allclose(session.run([2.0**x, 7.0 // (x + 1.0)], {x: array}), [2.0**array, 7 // (array + 1)])
