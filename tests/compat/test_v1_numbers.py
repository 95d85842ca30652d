"""refflow.compat.v1: arrays, arithmetic and matrices of 1.x, with values worked by hand or NumPy's."""

import inspect

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.compat.v1 import derived
from refflow.core.bfloat16 import widened

X = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], np.float32)


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.sort(X, axis=0), np.sort(X, 0)),
        (lambda: tf.sort([-(2**31), 5, 2**31 - 1], direction="DESCENDING"), [2**31 - 1, 5, -(2**31)]),
        (lambda: tf.argsort([3, 1, 2, 1]), [1, 3, 2, 0]),
        (lambda: tf.repeat(X, [1, 2], axis=0), X.repeat([1, 2], 0)),
        (lambda: tf.repeat(X, 2), X.repeat(2)),
        (lambda: tf.searchsorted([1, 3, 5], [0, 3, 9], side="right"), [0, 2, 3]),
        (lambda: tf.batch_gather(X, [[2], [0]]), [[3.0], [0.5]]),
        (lambda: tf.gather_nd(X, [[2], [0]], batch_dims=1), [3.0, 0.5]),
        (lambda: tf.setdiff1d([1, 2, 3], [2]).idx, [0, 2]),
        (lambda: tf.required_space_to_batch_paddings([5, 4], [3, 2])[0], [[0, 1], [0, 0]]),
        (lambda: tf.where_v2(X > 0, X, 0.0), np.maximum(X, 0)),
        (lambda: tf.unsorted_segment_mean(X, [1, 1], 3), [[0, 0, 0], X.mean(0), [0, 0, 0]]),
        (lambda: tf.broadcast_dynamic_shape([2, 1], [3]), [2, 3]),
        (lambda: tf.parallel_stack([X, X]), np.stack([X, X])),
        (lambda: tf.div_no_nan([1.0, 2.0], [0.0, 4.0]), [0, 0.5]),
        (lambda: tf.mod(-7, 3), 2),
        (lambda: tf.truncatemod(-7, 3), -1),
        (lambda: tf.saturate_cast([300.0, -5.0, 7.9], tf.uint8), [255, 0, 7]),
        (lambda: tf.saturate_cast([1e30], tf.int32), [2147483520]),  # float32 has no number between it and 2**31
        (lambda: tf.cast(tf.cast([1.01171875], tf.bfloat16), tf.float32), [1.015625]),  # to the nearest, not cut off
        (lambda: tf.histogram_fixed_width([-1.0, 0.0, 1.5, 5.0, 15.0], [0.0, 5.0], 5), [2, 1, 0, 0, 2]),
        (lambda: tf.histogram_fixed_width_bins([-1.0, 0.0, 1.5, 5.0], [0.0, 5.0], 5), [0, 0, 1, 4]),
        (lambda: tf.is_strictly_increasing([1, 1, 2]), False),
        (lambda: tf.lbeta([1.0, 1.0, 1.0]), np.log(0.5)),
        (lambda: tf.bincount([1, 1, 3], maxlength=2), [0, 2]),
        (lambda: tf.math.reduce_std(X, 1), X.std(1)),
        (lambda: tf.math.polyval([1.0, 2.0, 3.0], 2.0), 11),
        (lambda: tf.math.erfcinv([1.0]), [0]),
        (lambda: tf.math.special.bessel_j0(0.0), 1),
        (lambda: tf.bitwise.bitwise_xor(5, 3), 6),
        (lambda: tf.raw_ops.Sum(input=X, axis=[0], keep_dims=True), X.sum(0, keepdims=True)),
        (lambda: tf.matrix_set_diag(X, [7.0, 8.0]), [[7, -2, 3], [0.5, 8, -1]]),
        (lambda: tf.cholesky_solve([[2.0, 0.0], [1.0, 1.0]], [[4.0], [4.0]]), [[0], [2]]),
        (lambda: tf.matrix_solve_ls([[1.0], [1.0]], [[1.0], [3.0]]), [[2]]),
        (lambda: tf.self_adjoint_eigvals([[2.0, 0.0], [0.0, 1.0]]), [1, 2]),
    ],
)  # fmt: skip
def test_a_spelling_means_what_numpy_says(build, expected):
    np.testing.assert_allclose(run(build()), expected, rtol=1e-5, atol=1e-6)


def test_a_derived_function_has_its_op_type_s_arguments():
    assert str(inspect.signature(tf.igamma)) == "(a, x, name=None)"
    assert str(inspect.signature(tf.bitcast)) == "(input, type, name=None)"
    given = inspect.signature(tf.fake_quant_with_min_max_args).parameters
    assert {k: p.default for k, p in given.items() if k in ("min", "num_bits")} == {"min": -6.0, "num_bits": 8}
    assert "Igamma" in tf.igamma.__doc__ and tf.igamma(1.0, x=2.0, name="g").op.name == "g"
    with pytest.raises(TypeError, match=r"igamma\(a, x, name=None\): missing a required argument: 'x'"):
        tf.igamma(1.0)
    with pytest.raises(TypeError, match="too many positional"):
        tf.raw_ops.Add(1, 2)
    with pytest.raises(AttributeError, match="NoSuchOp"):
        _ = tf.raw_ops.NoSuchOp


@pytest.mark.parametrize(
    ("op", "name"),
    [("FFT2D", "fft2d"), ("BatchToSpaceND", "batch_to_space_nd"), ("UnsortedSegmentMax", "unsorted_segment_max")],
)
def test_a_name_is_the_op_s_in_small_letters(op, name):
    assert derived.snake_case(op) == name


def test_every_raw_op_can_be_asked_for_its_arguments():
    names = dir(tf.raw_ops)
    assert len(names) > 1000 and all("name" in inspect.signature(getattr(tf.raw_ops, n)).parameters for n in names)


def test_an_axis_is_found_where_the_rank_is_not_known():
    hole = tf.placeholder(tf.float32)
    assert run(tf.sort(hole, axis=0), {hole: X}).tolist() == np.sort(X, 0).tolist()
    cube = np.arange(24.0).reshape(2, 3, 4)
    assert run(tf.sort(hole, axis=-2, direction="DESCENDING"), {hole: cube}).tolist() == cube[:, ::-1].tolist()


def test_updates_of_variables():
    v, rows = tf.Variable([4.0, 6.0]), tf.Variable(X)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found = [session.run(f(v, [1], [n])).tolist() for f, n in (
            (tf.scatter_min, 5.0), (tf.scatter_max, 8.0), (tf.scatter_mul, 2.0), (tf.scatter_div, 4.0))]  # fmt: skip
        assert found == [[4, 5], [4, 8], [4, 16], [4, 4]]
        changed = session.run(tf.batch_scatter_update(rows, [[0], [2]], [[9.0], [7.0]]))
        assert changed.tolist() == [[9, -2, 3], [0.5, 0, 7]]


def test_slices_are_scaled_as_slices():
    found = tf.scalar_mul(2.0, tf.IndexedSlices(tf.constant(X), tf.constant([0, 4])))
    assert isinstance(found, tf.IndexedSlices) and run(found.values).tolist() == (2 * X).tolist()


def test_a_repeat_has_a_dense_gradient():
    x = tf.constant(X)
    (slope,) = tf.gradients(tf.repeat(x, [2, 0], 0), x)
    assert isinstance(slope, tf.Tensor) and run(slope).tolist() == [[2, 2, 2], [0, 0, 0]]


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: tf.sort(X, direction="UP"), ValueError, "direction"),
        (lambda: tf.sort(X, axis=7), ValueError, "axis = 7"),
        (lambda: tf.searchsorted([1], [1], side="up"), ValueError, "either 'right' or 'left'"),
        (lambda: tf.repeat(X, [1.0]), TypeError, "whole numbers"),
        (lambda: tf.batch_gather(X, tf.placeholder(tf.int32)), ValueError, "unknown shape"),
        (lambda: tf.ensure_shape(X, [3, 3]), ValueError, "not compatible"),
        (lambda: tf.scalar_mul([2.0], tf.constant(X)), ValueError, "0-D value"),
        (lambda: tf.where_v2(X > 0, X), ValueError, "x and y must both be"),
        (lambda: tf.math.polyval(3.0, X), ValueError, "coeffs must be list"),
        (lambda: tf.math.reduce_variance([1, 2]), TypeError, "real or complex"),
        (lambda: tf.matrix_transpose([1.0]), ValueError, "rank >= 2"),
        (lambda: tf.gather_nd(X, [[0]], batch_dims=2), ValueError, "batch_dims = 2"),
        (lambda: tf.math.no_such_thing, AttributeError, "no_such_thing"),
    ],
)
def test_what_is_wrong_is_said_while_the_graph_is_built(build, error, text):
    with pytest.raises(error, match=text):
        build()


def test_the_library_s_own_lines_divide_alike_in_all_graphs():
    places = [[0, 0], [1, 2]]
    s = tf.SparseTensor(places, [1.0, 2.0], [2, 3])
    dense = tf.constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    slopes = tf.gradients((s * dense).values, s.values) + tf.gradients((s / dense).values, s.values)
    with tf.Session() as session:
        assert [x.tolist() for x in session.run(slopes)] == [[1, 6], [1, np.float32(1 / 6)]]
        assert session.run(tf.constant(7) / tf.constant(2)) == 3.5


def test_ones_are_ones_in_bfloat16_too():
    kind = tf.bfloat16
    numbers = tf.constant([[1.5, 2.0], [0.0, -0.5]], kind)
    images = tf.constant([[[0.5, 0.25, 1.0]]], kind)
    found = run([
        tf.eye(2, dtype=kind), tf.sparse.eye(2, dtype=kind).values, tf.math.reciprocal_no_nan(numbers),
        tf.gradients(tf.einsum("ij->i", numbers), numbers)[0], tf.math.unsorted_segment_mean(numbers, [0, 0], 1),
        tf.linspace(tf.constant(0.0, kind), tf.constant(1.0, kind), 3), tf.image.rgb_to_yuv(images),
        tf.data.make_one_shot_iterator(tf.data.Dataset.from_generator(lambda: iter([2.5]), kind)).get_next(),
    ])  # fmt: skip
    wanted = [
        np.eye(2), [1, 1], [[0.667969, 0.5], [0, -2]], np.ones((2, 2)), [[0.75, 0.75]], [0, 0.5, 1],
        [[[0.41015625, 0.291, 0.08]]], 2.5,
    ]  # fmt: skip
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(widened(one), other, atol=4e-3)


@pytest.mark.parametrize(
    ("given", "kind", "expected"),
    [
        (np.float16([np.inf, -np.inf, 7]), "uint16", [65504, 0, 7]),
        (np.float16([np.inf, -1]), "int32", [65504, -1]),
        (np.int32([2**31 - 1, -(2**31), 5]), "float16", [65504, -65504, 5]),
        (np.complex64([300 - 1j, -1]), "uint8", [255, 0]),
        (np.complex128([1e300 - 1e300j]), "complex64", [np.complex64(np.finfo("f4").max * (1 - 1j))]),
    ],
)
def test_a_cast_that_saturates_stops_at_the_nearer_range_s_end(given, kind, expected):
    assert run(tf.saturate_cast(tf.constant(given), kind)).tolist() == expected


def test_a_cast_that_saturates_needs_ranges():
    with pytest.raises(TypeError, match="bool has no least number"):
        tf.saturate_cast(tf.constant([True]), tf.int32)


def test_small_whole_numbers_are_divided_as_float32():
    x, y = tf.constant([7, 1], tf.int8), tf.constant([2, 0], tf.int8)
    assert run(tf.divide(x, y)).dtype == run(tf.div_no_nan(x, y)).dtype == np.float32
    assert run(tf.div_no_nan(x, y)).tolist() == [3.5, 0]


def test_parts_and_angles_of_what_is_not_complex():
    assert run(tf.math.angle([2.0, -3.0])).tolist() == [0, np.float32(np.pi)]
    assert run(tf.math.angle(tf.constant([-3.0], tf.float64))).tolist() == [np.pi]
    assert run(tf.imag(tf.constant([True]))).tolist() == [False]
    with pytest.raises(TypeError, match="tensor of numbers"):
        tf.real(tf.constant(["a"]))


def test_the_sign_of_a_complex_number_has_a_slope():
    """At z = 3 + 4i a step along 1 turns the sign by (16 - 12i) / 125; TensorFlow's slopes are conjugated."""
    z = tf.constant([3 + 4j], tf.complex128)
    (slope,) = tf.gradients(tf.real(tf.sign(z)), z)
    np.testing.assert_allclose(run(slope), [(16 - 12j) / 125])
    assert run(tf.nn.l2_normalize(z)).dtype == np.complex128


def test_sizes_may_come_as_numbers_of_64_bits():
    n = tf.constant(2, tf.int64)
    assert run(tf.fill([n, 1], 1.5)).tolist() == [[1.5], [1.5]]


def test_the_slope_of_a_leak_is_a_float32_also_between_float64():
    assert run(tf.nn.leaky_relu(tf.constant([-1.0], tf.float64))).tolist() == [-float(np.float32(0.2))]


def test_large_whole_numbers_stand_beside_small_ones():
    assert run(tf.constant([0, 2**64 - 1], tf.uint64)).tolist() == [0, 2**64 - 1]
    with pytest.raises(TypeError, match="float64"):
        tf.constant([0.5, 2.0**63], tf.uint64)


def test_means_of_segments_whose_ids_have_a_shape_that_is_not_known():
    ids = tf.placeholder(tf.int32)
    total = tf.unsorted_segment_mean([[1.0, 2.0], [3.0, 6.0], [5.0, 5.0]], ids, 2)
    assert run(total, {ids: [1, 1, -1]}).tolist() == [[0, 0], [2, 4]]
    few = tf.unsorted_segment_mean(tf.constant([2.0, 4.0], tf.bfloat16), [0, 0], 1)
    assert run(tf.cast(few, tf.float32)).tolist() == [3]
    with pytest.raises(ValueError, match="num_segments == -1 must not be negative"):
        tf.unsorted_segment_sum([1.0], [0], -1)


def test_means_of_complex_segments_have_slopes():
    z = tf.constant([1 + 2j, 3.0, 5j], tf.complex64)
    assert run(tf.gradients(tf.segment_mean(z, [0, 0, 1]), z)[0]).tolist() == [0.5, 0.5, 1]
