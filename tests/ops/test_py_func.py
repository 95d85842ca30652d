"""Python functions in graphs: what they get and give, and what becomes of what they raise."""

import gc

import numpy as np
import pytest

import refflow as tf
from refflow.core import python_functions


def run(fetch, feeds=None):
    with tf.Session() as session:
        return session.run(fetch, feeds)


def test_a_function_gets_arrays_and_gives_arrays():
    x = tf.placeholder(tf.float32, [None])
    y, n = tf.py_func(lambda a: (a * 2, a.size), [x], [tf.float32, tf.int64])
    text = tf.py_func(lambda a: [b"<" + a + b">"], [tf.constant("x")], tf.string)
    kinds = tf.py_func(lambda a, b: f"{type(a).__name__} {type(b).__name__}", [tf.constant(1.0), "s"], tf.string)
    doubled, count = run([y, n], {x: [1, 2, 3]})
    assert doubled.tolist() == [2, 4, 6] and count == 3
    assert run([text, kinds]) == [b"<x>", b"float32 bytes"]


def test_it_is_called_in_each_step():
    counts = iter(range(10))
    y = tf.py_func(lambda: np.int64(next(counts)), [], tf.int64)
    with tf.Session() as session:
        assert [session.run(y) for _ in range(3)] == [0, 1, 2]


RAISED = {
    ValueError("v"): tf.errors.InvalidArgumentError, TypeError("t"): tf.errors.InvalidArgumentError,
    StopIteration("s"): tf.errors.OutOfRangeError, MemoryError("m"): tf.errors.ResourceExhaustedError,
    NotImplementedError("n"): tf.errors.UnimplementedError, KeyError("k"): tf.errors.UnknownError,
}  # fmt: skip


@pytest.mark.parametrize("error", RAISED, ids=lambda e: type(e).__name__)
def test_what_it_raises_is_the_step_s_error(error):
    def fail():
        raise error

    with pytest.raises(RAISED[error], match=type(error).__name__) as caught:
        run(tf.py_func(fail, [], tf.float32))
    assert type(caught.value) is RAISED[error]


WRONG = {
    "0-th value returned by .* is double, but expects float": lambda: np.float64(1),
    "returns 2 values, but expects to see 1 values": lambda: (np.float32(1), np.float32(2)),
    "returns 0 values, but expects to see 1 values": lambda: None,
    "0-th value returned by .* is string, but expects float": lambda: "x",
}


@pytest.mark.parametrize("text", WRONG)
def test_results_must_be_as_promised(text):
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        run(tf.py_func(WRONG[text], [], tf.float32))


def test_what_is_no_array_cannot_be_given():
    with pytest.raises(tf.errors.InternalError, match="Unsupported object type dict"):
        run(tf.py_func(dict, [], tf.float32))


def test_a_function_lives_as_long_as_its_graph():
    with tf.Graph().as_default() as graph:
        token = tf.py_func(lambda: np.float32(1), [], tf.float32).op.attrs["token"]
    assert python_functions.find(token)() == 1
    del graph
    gc.collect()
    with pytest.raises(ValueError, match=f"Could not find callback with key={token}"):
        python_functions.find(token)


def test_nobody_s_token_is_named():
    with tf.Graph().as_default():
        (y,) = tf.import_graph_def(
            'node { name: "y" op: "PyFunc" attr { key: "token" value { s: "nobody" } } attr { key: "Tin" value { list '
            '{} } } attr { key: "Tout" value { list { type: DT_FLOAT } } } }',
            return_elements=["y:0"],
        )
        with pytest.raises(tf.errors.InvalidArgumentError, match="Could not find callback with key=nobody"):
            run(y)
