"""Memory of chains and plans begins where a cache line does."""

import threading

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.lifetimes import Arena
from refflow_kernels import aligned
from refflow_kernels.cpu import blocks


def place(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", [np.bool_, np.float32, np.complex128])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7, 3), (500, 1000)])
def test_memory_begins_where_a_cache_line_does(shape, dtype):
    found = [aligned.empty(shape, dtype) for _ in range(5)]
    assert all(place(a) % 64 == 0 and a.shape == shape and a.dtype == dtype for a in found)
    for number, array in enumerate(found):
        array.fill(number)
    assert [set(a.reshape(-1).tolist()) for a in found] == [{dtype(n).item()} if a.size else set()
                                                            for n, a in enumerate(found)]  # fmt: skip


def test_an_arena_s_buffers_do_also_where_they_are_used_again():
    arena = Arena()
    for size in (3, 100, 70_000, 3):
        array, block = arena.take((size,), np.dtype(np.float32))
        assert place(array) % 64 == 0
        arena.give_back(block)


def test_each_thread_has_scratch_of_its_own():
    kind = ((2, 100), np.dtype(np.float32))
    mine, theirs = blocks.scratch(kind), []
    other = threading.Thread(target=lambda: theirs.append(blocks.scratch(kind)))
    other.start()
    other.join()
    assert blocks.scratch(kind) is mine and not np.shares_memory(mine, theirs[0])


def test_scratch_of_many_shapes_is_not_kept_for_ever():
    for columns in range(1, 200):
        blocks.scratch(((1, columns), np.dtype(np.float64)))
    assert len(blocks._held.blocks) <= 16


def test_chains_of_one_shape_do_not_disturb_each_other(rng):
    """Both leave their values in the same scratch."""
    x = rng.normal(size=(100, 40)).astype(np.float32)
    a = tf.tanh(tf.nn.relu(tf.constant(x) * tf.Variable(2.0)) + 1.0)
    b = tf.exp(-tf.square(a * tf.Variable(0.5)))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        for _ in range(2):
            first, second = session.run([a, b])
            wanted = np.tanh(np.maximum(x * np.float32(2), 0) + np.float32(1))
            np.testing.assert_array_equal(first, wanted)
            np.testing.assert_array_equal(second, np.exp(-np.square(wanted * np.float32(0.5))))
