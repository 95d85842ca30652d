"""A shape of which only some sizes are known is known but for those, however the program builds it."""

import numpy as np
import pytest

import refflow.compat.v1 as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as found:
        yield found


def hole(shape=None):
    return tf.placeholder(tf.float32, shape)


def batch():
    return tf.placeholder(tf.float32, [None, 4, 6], name="x")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (lambda x: [tf.shape(x)[0], 24], [None, 24]),
        (lambda x: tf.stack([tf.shape(x)[0], 2, -1]), [None, 2, None]),
        (lambda x: tf.concat([tf.shape(x)[:1], [24]], 0), [None, 24]),
        (lambda x: tf.concat([tf.shape(x)[:-1], [2, 3]], 0), [None, 4, 2, 3]),
        (lambda x: tf.shape(x)[::-1], [6, 4, None]),
        (lambda x: tf.cast(tf.identity(tf.shape(x)), tf.int64), [None, 4, 6]),
        (lambda x: tf.stack([tf.shape(x)[0], tf.shape(x)[1], tf.shape(x)[2]]), [None, 4, 6]),
        (lambda x: [tf.shape(x)[0], tf.cast(tf.shape(x)[2], tf.int32), 4], [None, 6, 4]),
        (lambda x: tf.stack([*tf.unstack(tf.shape(x))[1:], -1]), [4, 6, None]),
        (lambda x: tf.placeholder(tf.int32, [2]), [None, None]),
    ],
)
def test_a_reshape_knows_what_its_shape_knows(sizes, expected):
    x = batch()
    found = tf.reshape(x, sizes(x))
    assert found.get_shape().as_list() == expected


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda x, n: tf.reshape(tf.ones([2, 6]), [n, 3]), [4, 3]),  # what is left
        (lambda x, n: tf.slice(x, [0, 0, 0], [n, 2, 6]), [None, 2, 6]),
        (lambda x, n: tf.slice(tf.ones([5, 4]), [0, n], [-1, -1]), [5, None]),
        (lambda x, n: x[2:3], [None, 4, 6]),  # it may end before
        (lambda x, n: tf.ones([5, 4])[n:, 1:3], [None, 2]),
        (lambda x, n: tf.strided_slice(tf.ones([5, 4]), [0, 1], [n, 3]), [None, 2]),
        (lambda x, n: tf.pad(tf.ones([5, 4]), [[n, 1], [0, 2]]), [None, 6]),
        (lambda x, n: tf.range(tf.shape(x)[1]), [4]),
        (lambda x, n: tf.broadcast_to(tf.ones([2, 1]), [2, n]), [2, None]),
        (lambda x, n: tf.image.resize_images(tf.ones([4, 9, 9, 3]), tf.stack([n, 8])), [4, None, 8, 3]),
        (lambda x, n: tf.nn.bias_add(hole([None, None]), tf.ones([3])), [None, 3]),
        (lambda x, n: tf.nn.conv2d(hole(), tf.ones([3, 3, 1, 8]), [1] * 4, "SAME"), [None, None, None, 8]),
        (lambda x, n: tf.cholesky(hole([None, 3])), [3, 3]),
    ],
)
def test_what_follows_from_sizes_that_are_known_in_part(build, expected):
    assert build(batch(), tf.placeholder(tf.int32, [])).get_shape().as_list() == expected


def test_a_transposed_convolution_takes_the_batch_that_comes():
    x = hole([None, 4, 4, 3])
    larger = tf.nn.conv2d_transpose(x, tf.ones([3, 3, 5, 3]), [-1, 8, 8, 5], [1, 2, 2, 1])
    assert larger.get_shape().as_list() == [None, 8, 8, 5]
    with tf.Session() as session:
        assert session.run(larger, {x: np.ones((2, 4, 4, 3))}).shape == (2, 8, 8, 5)
        slope = session.run(tf.gradients(larger, x)[0], {x: np.ones((2, 4, 4, 3))})
    assert slope.shape == (2, 4, 4, 3)
    with pytest.raises(ValueError, match="Dimension -1 must be >= 0"):
        tf.nn.conv2d_transpose(x, tf.ones([3, 3, 5, 3]), [2, -1, 8, 5], [1, 2, 2, 1])


def test_numbers_of_int64_make_shapes_and_lists_of_lists_hold_tensors():
    n = tf.placeholder(tf.int64, [])
    assert tf.fill([n, 3], 1.0).get_shape().as_list() == tf.zeros([n, 3]).get_shape().as_list() == [None, 3]
    with tf.Session() as session:
        assert session.run(tf.convert_to_tensor([[n, 1], [0, 2]]), {n: 7}).tolist() == [[7, 1], [0, 2]]


def test_so_do_what_is_filled_drawn_and_transposed():
    x = batch()
    n = tf.shape(x)[0]
    images = tf.placeholder(tf.float32, [None, 4, 4, 2])
    windows = np.ones((3, 3, 5, 2), np.float32)
    assert tf.zeros([n, 3]).get_shape().as_list() == [None, 3]
    assert tf.fill(tf.stack([n, 3]), 1.0).get_shape().as_list() == [None, 3]
    assert tf.random_uniform([n, 2, 2]).get_shape().as_list() == [None, 2, 2]
    larger = tf.nn.conv2d_transpose(images, windows, [tf.shape(images)[0], 8, 8, 5], [1, 2, 2, 1])
    assert larger.get_shape().as_list() == [None, 8, 8, 5]


def test_a_layer_can_be_built_on_what_was_reshaped_by_a_batch_s_size():
    x = batch()
    rows = tf.reshape(x, [tf.shape(x)[0], 4 * 6])
    out = tf.layers.dense(rows, 3)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(out, {x: np.ones((5, 4, 6))}).shape == (5, 3)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda x: tf.reshape(x, [-1, x.shape[2]]), [None, 6]),
        (lambda x: tf.reshape(x, (-1, x.get_shape()[1] * x.get_shape()[2])), [None, 24]),
        (lambda x: tf.reshape(x, [tf.shape(x)[0], x.shape[2], -1]), [None, 6, None]),
        (lambda x: tf.tile(x, [1, 1, x.shape[1]]), [None, 4, 24]),
        (lambda x: tf.fill([x.shape[1], 2], 0.0), [4, 2]),
        (lambda x: tf.constant(x.shape[2]), []),
        (lambda x: tf.constant([[x.shape[2]], [1]]), [2, 1]),
    ],
)
def test_a_size_out_of_a_shape_is_a_number_wherever_it_stands(build, expected):
    assert build(batch()).get_shape().as_list() == expected


def test_a_size_that_is_not_known_is_no_number():
    x = batch()
    with pytest.raises(ValueError, match="shape: this dimension is not known before the step runs"):
        tf.reshape(x, [-1, x.shape[0]])


def test_a_tile_knows_the_axes_whose_multiples_are_known():
    table = tf.ones([1, 6, 3])
    assert tf.tile(table, [tf.shape(batch())[0], 1, 2]).get_shape().as_list() == [None, 6, 6]
    assert tf.tile(table, tf.placeholder(tf.int32, [3])).get_shape().as_list() == [None, None, None]
