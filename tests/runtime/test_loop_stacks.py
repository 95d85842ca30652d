"""What a loop keeps for its gradient lies on a plain stack, in blocks where several turns are multiplied at once."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.bfloat16 import widened
from refflow.core.errors import InvalidArgumentError
from refflow.ops import tensor_list, tensor_list_read
from refflow.runtime.loop_products import gather_in_loops
from refflow.runtime.loop_stacks import Blocks, stacks_in_loops
from refflow.runtime.turned_outside import turn_outside

REWRITES = (turn_outside, stacks_in_loops, gather_in_loops)


def kinds_of(session, fetches, feeds=(), shapes=None, rewrites=REWRITES):
    step = session.stages(session.signature(fetches, list(feeds)), shapes).partitioned
    for rewrite in rewrites:
        step = rewrite(step)
    return [n.type for n in step.nodes]


def layers(turns, rows, width, dtype=np.float32, biased=True):
    """x := tanh(x w) + x v + b, `turns` times; the slopes of its sum of squares by x, w, v and b."""
    rng = np.random.default_rng(turns + rows)
    x, w, v = (tf.constant(rng.normal(size=s, scale=0.2).astype(dtype)) for s in ([rows, width], *[[width, width]] * 2))
    b = tf.constant(rng.normal(size=width).astype(dtype))

    def turn(i, x):
        y = tf.tanh(tf.matmul(x, w)) + tf.matmul(x, v)
        return i + 1, (tf.nn.bias_add(y, b) if biased else y + b)

    y = tf.while_loop(lambda i, x: i < turns, turn, [0, x])[1]
    return tf.gradients(tf.reduce_sum(tf.square(y)), [x, w, v, b])


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("turns", [0, 1, 31, 32, 33, 70])
def test_slopes_are_the_executor_s_for_any_number_of_turns(turns, biased):
    """32 turns of 16 rows fill a block."""
    found = []
    with tf.Graph().as_default():
        slopes = layers(turns, 16, 12, biased=biased)
        for executor in ("plan", "executor"):
            with tf.Session(executor=executor) as session:
                found += [session.run(slopes) for _ in range(2)]
                if executor == "plan" and turns:
                    kinds = kinds_of(session, slopes)
                    assert [kinds.count(k) for k in ("_PutPopped", "_EndProducts", "_Turned")] == [2, 2, 2]
                    assert kinds.count("_StackOfBlocks") == 1 and "TensorListPushBack" not in kinds
                    assert kinds.count("_EndColumnSums") == 1  # b's slope, from the rows that v's has put
    for one, other, *wanted in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, wanted[0], rtol=2e-4, atol=2e-4 * np.abs(wanted[0]).max())


def test_slopes_of_slopes():
    found = []
    with tf.Graph().as_default():
        x, w = (tf.constant(np.random.default_rng(3).normal(size=(4, 4))) for _ in range(2))
        y = tf.while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, tf.tanh(tf.matmul(x, w))), [0, x])[1]
        first = tf.gradients(y, [w])[0]
        second = tf.gradients(tf.reduce_sum(tf.square(first)), [x, w])
        for executor in ("plan", "executor"):
            with tf.Session(executor=executor) as session:
                found.append(session.run([first, *second]))
    for one, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(one, wanted, rtol=1e-10)


def test_what_is_popped_does_not_change_while_the_caller_holds_what_was_fetched():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2, 3])
        y = tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * x), [0, x])[1]
        slope = tf.gradients(y, x)[0]
        with tf.Session() as session:
            fed = np.full((2, 3), 1.5, np.float32)
            first = session.run([y, slope], {x: fed})
            kept = [v.copy() for v in first]
            fed[...] = 2.0
            second = session.run([y, slope], {x: fed})
    for value, before, after in zip(first, kept, second, strict=True):
        np.testing.assert_array_equal(value, before)
        assert (value != after).all()


def emptied(turns, pops, dims=(2,), length=False):
    """A list that one loop fills and the other empties, and the sum of what came out."""
    start = tensor_list.EMPTY(list(dims), -1, element_dtype=tf.float32)

    def push(i, items):
        x = tf.fill([2], tf.cast(i, tf.float32))
        return i + 1, tensor_list.PUSH_BACK(items, x, element_dtype=tf.float32)

    filled = tf.while_loop(lambda i, items: i < turns, push, [0, start])[1]

    def pop(i, items, total):
        rest, x = tensor_list.POP_BACK(items, [2], element_dtype=tf.float32)
        return i + 1, rest, total * 2.0 + tf.reshape(x, [2])

    ended = tf.while_loop(lambda i, *_: i < pops, pop, [0, filled, tf.zeros([2])])
    return [ended[2], tensor_list_read.LENGTH(filled)] if length else ended[2]


def test_a_list_through_two_loops_is_a_stack():
    with tf.Graph().as_default():
        total = emptied(4, 3)
        with tf.Session() as session:
            kinds = kinds_of(session, total)
            assert {"_Stack", "_Push", "_Pop"} <= set(kinds) and "EmptyTensorList" not in kinds
            np.testing.assert_array_equal(session.run(total), [17, 17])  # (3 * 2 + 2) * 2 + 1


def test_a_list_that_somebody_else_looks_at_stays_one():
    with tf.Graph().as_default():
        fetches = emptied(4, 4, length=True)
        with tf.Session() as session:
            assert "TensorListPushBack" in kinds_of(session, fetches)
            total, length = session.run(fetches)
    assert total.tolist() == [34, 34] and length == 4


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_more_pops_than_pushes_are_an_error(executor):
    with tf.Graph().as_default():
        total = emptied(2, 3)
        with tf.Session(executor=executor) as session, pytest.raises(InvalidArgumentError, match="pop from an empty"):
            session.run(total)


def test_what_does_not_fit_is_refused_as_before():
    with tf.Graph().as_default(), tf.Session() as session:
        total = emptied(2, 2, dims=(3,))
        assert "_Stack" not in kinds_of(session, total)
        with pytest.raises(InvalidArgumentError, match="incompatible shape"):
            session.run(total)


def test_blocks_are_a_stack(rng):
    blocks, wanted = Blocks(4, (2, 3), np.float32), []
    for _ in range(500):
        if wanted and rng.random() < 0.5:
            found, last = blocks.pop(), wanted.pop()
            np.testing.assert_array_equal(found, last)
            np.testing.assert_array_equal(blocks.block[blocks.place], last)
        else:
            wanted.append(rng.normal(size=(2, 3)).astype(np.float32))
            blocks.push(wanted[-1])
    while wanted:
        np.testing.assert_array_equal(blocks.pop(), wanted.pop())
    with pytest.raises(ValueError, match="empty"):
        blocks.pop()


def test_one_block_has_its_elements_one_behind_the_other():
    blocks = Blocks(3, (2,), np.float32)
    for i in range(5):
        blocks.push([i, -i])
    for i in (4, 3):
        assert blocks.pop().tolist() == [i, -i]
    blocks.pop()
    np.testing.assert_array_equal(blocks.block, [[0, 0], [1, -1], [2, -2]])


# -- matrices that are turned outside -----------------------------------------------------------------------------


def test_a_matrix_is_turned_once_outside_of_all_loops(rng):
    a, w = rng.normal(size=(5, 6)).astype(np.float32), rng.normal(size=(6, 6)).astype(np.float32)
    with tf.Graph().as_default():
        left, right = tf.placeholder(tf.float32, a.shape), tf.placeholder(tf.float32, w.shape)

        def inner(i, x):
            return i + 1, tf.matmul(x, right, transpose_b=True)

        def outer(i, x):
            return i + 1, tf.matmul(tf.while_loop(lambda j, _: j < 2, inner, [0, x])[1], right, transpose_b=True)

        y = tf.while_loop(lambda i, _: i < 3, outer, [0, left])[1]
        with tf.Session() as session:
            kinds = kinds_of(session, y, [left, right], [a.shape, w.shape], [turn_outside])
            assert kinds.count("_Turned") == 1
            found = session.run(y, {left: a, right: w})
    np.testing.assert_allclose(found, a @ np.linalg.matrix_power(w.T.astype(np.float64), 9), rtol=1e-4)


def test_a_variable_that_a_loop_changes_is_read_each_time(rng):
    w = rng.normal(size=(3, 3)).astype(np.float32)
    for executor in ("plan", "executor"):
        with tf.Graph().as_default():
            v = tf.Variable(w)

            def turn(i, x, v=v):
                with tf.control_dependencies([x]):
                    changed = tf.assign_add(v, tf.ones([3, 3]))
                with tf.control_dependencies([changed]):
                    return i + 1, tf.matmul(x, tf.identity(changed), transpose_b=True)

            y = tf.while_loop(lambda i, _: i < 3, turn, [0, tf.constant(w)])[1]
            with tf.Session(executor=executor) as session:
                session.run(tf.initialize_all_variables())
                found = session.run(y)
        wanted = w
        for i in (1, 2, 3):
            wanted = wanted @ (w + i).T
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"kernels": "reference"}, {"executor": "executor"}])
def test_a_loop_of_bfloat16_has_its_slope(options):  # [W40]
    """x^8 at 1.5 and -1: 8 x^7, each product rounded to 8 bits."""
    with tf.Graph().as_default(), tf.Session(**options) as session:
        x = tf.constant([1.5, -1.0], tf.bfloat16)
        y = tf.while_loop(lambda i, _: i < 3, lambda i, a: (i + 1, a * a), [0, x])[1]
        value, slope = session.run([y, tf.gradients(y, x)[0]])
    np.testing.assert_allclose(widened(value), [1.5**8, 1], rtol=2e-2)
    np.testing.assert_allclose(widened(slope), [8 * 1.5**7, -8], rtol=2e-2)
