"""Blocks that are built alike have one structure, and others do not [W59]."""

import pytest

import refflow.compat.v1 as tf
from refflow.viewer.fold import fold
from refflow.viewer.structure import structure


def layer(x, size, name, activation=tf.nn.relu):
    with tf.name_scope(name):
        w = tf.Variable(tf.truncated_normal([x.shape[1].value, size]), name="w")
        return activation(tf.matmul(x, w) + tf.Variable(tf.zeros([size]), name="b"))


def kinds(graph):
    """From a block's name to the number of its structure."""
    return {b.name: b.kind for b in fold(graph).blocks() if b.kind >= 0}


def of(graph, name):
    return structure(op for op in graph.get_operations() if op.name.startswith(f"{name}/"))


def test_repeated_layers_are_found_and_another_is_not_taken_for_one(graph):
    x = tf.placeholder(tf.float32, [None, 8])
    for i, size in enumerate((16, 16, 4)):
        x = layer(x, size, f"layer{i}")
    layer(x, 4, "last", tf.nn.tanh)
    found = kinds(graph)
    assert found["layer0"] == found["layer1"] == found["layer2"] == 0
    assert "last" not in found
    assert found["layer0/w"] == found["last/w"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lambda a, b: tf.exp(a) - b, lambda a, b: b - tf.exp(a)),
        (lambda a, b: tf.exp(a) + tf.exp(a), lambda a, b: tf.exp(a) * 2.0),
        (lambda a, b: a * b + a, lambda a, b: a * b + b),
        (lambda a, b: tf.exp(a) + tf.tanh(a), lambda a, b: tf.exp(a) + tf.tanh(b)),
        (lambda a, b: tf.matmul(a, b), lambda a, b: tf.matmul(a, b, transpose_b=True)),
        (lambda a, b: tf.exp(tf.tanh(a)), lambda a, b: tf.tanh(tf.exp(a))),
        (lambda a, b: tf.split(a, 2)[0] + b, lambda a, b: tf.split(a, 2)[1] + b),
    ],
    ids=["order", "sharing", "which outside", "one source or two", "attribute", "chain", "port"],
)
def test_what_differs_is_told_apart(graph, first, second):
    a, b = (tf.placeholder(tf.float32, [2, 2]) for _ in range(2))
    for name, built in (("x", first), ("x_again", first), ("y", second)):
        with tf.name_scope(name):
            built(a, b)
    assert of(graph, "x") == of(graph, "x_again")
    assert of(graph, "x") != of(graph, "y")


def test_names_sizes_and_values_do_not_count(graph):
    for name, size, value in (("a", 3, 1.0), ("b", 5, 2.0)):
        with tf.name_scope(name):
            tf.tanh(tf.placeholder(tf.float32, [size]) * value, name=f"called_{name}")
    assert of(graph, "a") == of(graph, "b")


def test_loops_have_structures_too(graph):
    for name, step in (("a", 1), ("b", 2), ("c", None)):
        with tf.name_scope(name):
            tf.while_loop(lambda i: i < 5, lambda i, step=step: i * i if step is None else i + step, [0])
    assert of(graph, "a") == of(graph, "b") != of(graph, "c")
