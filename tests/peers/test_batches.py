"""Rows of several threads' steps computed together, by TensorFlow and here."""

import threading
import time

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

from contextlib import nullcontext

from tests.peers.stand_in import outcomes, stand_in

pytestmark = pytest.mark.peers
SECOND = 1_000_000


def results(build, feeds, here):
    """What each step's fetches were, of steps begun one after the other in threads of their own; ids left out."""
    import tensorflow as tf

    found = [None] * len(feeds)
    with tf.Graph().as_default(), stand_in() if here else nullcontext(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32)
        fetches = build(tf, x)

        def step(i):
            found[i] = [np.asarray(v).tolist() for v in session.run(fetches, {x: feeds[i]})]

        threads = [threading.Thread(target=step, args=(i,)) for i in range(len(feeds))]
        for thread in threads:
            thread.start()
            time.sleep(0.2)
        for thread in threads:
            thread.join()
    return found


def batch(tf, x, most=2, micros=10 * SECOND, **attrs):
    return tf.raw_ops.Batch(in_tensors=[x], num_batch_threads=1, max_batch_size=most, batch_timeout_micros=micros,
                            grad_timeout_micros=SECOND, **attrs)  # fmt: skip


def rows(tf, x, **attrs):
    made = batch(tf, x, **attrs)
    return [made.batched_tensors[0], made.batch_index[:, 1:]]


def squares(tf, x):
    """Each step's own squares, and its own gradient of them."""
    made = batch(tf, x)
    whole, index = made.batched_tensors[0], made.batch_index
    own = tf.raw_ops.Unbatch(batched_tensor=whole**2, batch_index=index, id=made.id, timeout_micros=SECOND)
    grads = tf.raw_ops.UnbatchGrad(original_input=whole, batch_index=index, grad=tf.ones_like(own), id=made.id)
    slope = tf.raw_ops.Unbatch(batched_tensor=2 * whole * grads, batch_index=index, id=made.id, timeout_micros=SECOND)
    return [own, slope]


PROGRAMS = {
    "two make a batch": (rows, [[1], [2]], {}),
    "what would be too much begins another": (rows, [[[1, 2]], [[2, 3]], [[3, 4], [5, 6]]], {}),
    "time is up": (rows, [[1], [2], [3]], dict(micros=SECOND)),
    "filled up": (rows, [[1], [2]], dict(most=10, micros=SECOND, allowed_batch_sizes=[5, 10])),
    "apart again, and gradients": (squares, [[3], [5]], {}),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_steps_of_threads_get_the_same_rows(name):
    build, feeds, attrs = PROGRAMS[name]
    there, here = [results(lambda tf, x: build(tf, x, **attrs), feeds, side) for side in (False, True)]
    assert there == here


MISTAKES = {
    "too many rows": lambda tf, x: rows(tf, x, most=1),
    "no rows": lambda tf, x: rows(tf, x[0]),
    "sizes that fall": lambda tf, x: rows(tf, x, allowed_batch_sizes=[2, 1]),
    "sizes that end elsewhere": lambda tf, x: rows(tf, x, allowed_batch_sizes=[1, 3]),
    "nothing comes": lambda tf, x: tf.raw_ops.Unbatch(
        batched_tensor=x, batch_index=tf.constant([[4, 0, 1]], tf.int64), id=tf.constant(5, tf.int64),
        timeout_micros=SECOND // 5,
    ),
    "an index of pairs": lambda tf, x: tf.raw_ops.UnbatchGrad(
        original_input=x, batch_index=tf.constant([[5, 0]], tf.int64), grad=x, id=tf.constant(5, tf.int64)
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_said_in_the_same_words(mistake):
    def program(tf):
        x = tf.compat.v1.placeholder(tf.float32)
        fetches = MISTAKES[mistake](tf, x)
        with tf.compat.v1.Session() as session:
            session.run(fetches, {x: [1, 2]})

    (there,), (here,) = outcomes(program, here=False), outcomes(program, here=True)
    assert there.error == here.error is not None
    assert there.message in here.message
