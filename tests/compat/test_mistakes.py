"""What a beginner's mistake says: what is wrong, where, what was expected and given, and what to do [W79]."""

import traceback

import numpy as np
import pytest

import refflow.compat.v1 as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as found:
        yield found


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


def images(side=28, channels=1):
    return tf.zeros([1, side, side, channels])


def fed(value, dtype=tf.float32, shape=(None, 4)):
    x = tf.placeholder(dtype, shape, "x")
    return run(x * 2, {x: value})


BUILT = [
    (lambda: tf.matmul(tf.zeros([2, 4]), tf.zeros([5, 3])), ValueError, "b has K = 5, but a has K = 4"),
    (lambda: tf.zeros([2, 3]) + tf.zeros([4]), ValueError, "3 meets 4. Sizes must be equal, or one of them 1"),
    (lambda: tf.constant(1) + tf.constant(1.0), TypeError, "use cast"),
    (lambda: tf.reduce_sum(tf.zeros([2, 3]), 2), ValueError, "axes are -2 to 1"),
    (lambda: tf.reduce_sum(tf.zeros([2, 3]), tf.zeros([1, 1], tf.int32)), ValueError,
     "Shape must be at most rank 1 but is rank 2. Give a vector"),
    (lambda: tf.concat(0, [tf.zeros([2, 3]), tf.zeros([3, 3])]), ValueError, "takes the values first"),
    (lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.zeros([2]), logits=tf.zeros([2, 3])), TypeError,
     "labels is float32, and no such type is taken: .* int32, int64 .*Use cast.. on labels"),
    (lambda: tf.nn.conv2d(images(), tf.zeros([3, 3, 1, 8]), [1] * 4, "same"), ValueError,
     "Conv2D 'Conv2D': attribute padding = 'same' is not allowed. Allowed: 'SAME', 'VALID'"),
    (lambda: tf.nn.conv2d(images(2), tf.zeros([3, 3, 1, 8]), [1] * 4, "VALID"), ValueError,
     "subtracting 3 from 2: .* Take a smaller window, or padding SAME"),
    (lambda: tf.nn.max_pool(images(2), [1, 3, 3, 1], [1] * 4, "VALID"), ValueError, "Negative dimension size"),
    (lambda: tf.expand_dims(tf.zeros([2, 3]), 5), ValueError, r"dimensions\. input: float32\[2,3\]"),
    (lambda: tf.placeholder([None, 4], tf.float32), TypeError, r"\[None, 4\] is not an element type"),
    (lambda: tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.cast(y, tf.int32)), [0, tf.zeros([2])]),
     TypeError, "enters the loop with type float32 but has type int32 after 1 iteration.*cast.. in the body"),
    (lambda: tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.concat([y, y], 0)), [0, tf.zeros([2])]),
     ValueError, "shape_invariants"),
    (lambda: tf.cond(tf.constant(True), lambda: tf.constant(1), lambda: tf.constant(1.0)), TypeError,
     "Received int32 from 'true_fn' and float32 from 'false_fn'"),
    (lambda: [tf.get_variable("w", [2]) for _ in range(2)], ValueError, "Did you mean to set reuse=True"),
    (lambda: tf.constant(1.0, name="my constant"), ValueError, "'my constant' is not a valid"),
    (lambda: tf.image.resize_images(images(), [-2, 3]), ValueError, r"Dimension -2 must be >= 0: size = \[-2, 3\]"),
]  # fmt: skip
RUN = [
    (lambda: fed(np.zeros((3, 5))), ValueError, "shape .3, 5. for Tensor x:0, which has shape .*Reshape the value"),
    (lambda: fed(["a", "b"], tf.int32, [2]), ValueError, "cannot feed .* for 'x:0', which is int32: invalid literal"),
    (lambda: fed([[1, 2, 3, 4], [1, 2]]), ValueError, "cannot feed .* for 'x:0', which is float32"),
    (lambda: run(tf.placeholder(tf.float32, [2], "x") * 2), tf.errors.InvalidArgumentError, "You must feed a value"),
    (lambda: run(tf.constant(1.0), {"Const": 1.0}), TypeError, "Its output is 'Const:0'"),
    (lambda: run(tf.gradients(tf.constant(1.0), tf.Variable(1.0))), TypeError, "does not depend on"),
    (lambda: run(tf.Variable(1.0, name="w") + 1), tf.errors.FailedPreconditionError, "uninitialized value w.*Run its"),
]


@pytest.mark.parametrize(("mistake", "error", "text"), BUILT + RUN)
def test_a_mistake_says_what_to_do_and_the_traceback_shows_where(mistake, error, text):
    with pytest.raises(error, match=text) as caught:
        mistake()
    lines = traceback.extract_tb(caught.tb)
    assert any(line.filename == __file__ and line.name != lines[0].name for line in lines)


@pytest.mark.parametrize(("mistake", "error", "text"), BUILT)
def test_what_is_built_wrong_leaves_few_lines_behind_the_user_s(mistake, error, text):
    with pytest.raises(error) as caught:
        mistake()
    files = [line.filename for line in traceback.extract_tb(caught.tb)]
    assert len(files) - 1 - max(i for i, name in enumerate(files) if name == __file__) <= 12
