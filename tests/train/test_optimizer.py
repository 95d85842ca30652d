"""Optimizers: the nodes they add, the types they take, and what they refuse."""

import numpy as np
import pytest

import refflow as tf


def descend(loss, variable, rate=0.5, **options):
    step = tf.train.GradientDescentOptimizer(rate).minimize(loss, **options)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        session.run(step)
        return session.run(variable)


def test_minimize_returns_one_operation_named_after_the_optimizer():  # [S21]
    v = tf.Variable(1.0)
    step = tf.train.GradientDescentOptimizer(0.5).minimize(v * v)
    assert (step.name, step.type) == ("GradientDescent", "NoOp")
    assert [op.type for op in step.control_inputs] == ["ApplyGradientDescent"]


@pytest.mark.parametrize("rate", [0.5, np.float32(0.5)])
def test_the_rate_may_be_a_number_or_a_tensor(rate):  # [S20]
    v, w = tf.Variable(3.0), tf.Variable(3.0)
    assert descend(v * v, v, rate) == 0.0
    assert descend(w * w, w, tf.constant(0.5)) == 0.0


def test_doubles_are_trained_too():  # [E26]
    v = tf.Variable(np.float64(3.0))
    assert descend(v * v, v) == 0.0 and descend(v * v, v).dtype == np.float64


def test_other_types_are_refused_by_name():  # [E26]
    v = tf.Variable(3, name="count")
    with pytest.raises(TypeError, match="'count:0' is int32, but optimizers take float32 and float64"):
        tf.train.GradientDescentOptimizer(0.5).minimize(tf.cast(v, tf.float32))


def test_a_loss_without_a_path_to_a_variable_is_an_error():
    tf.Variable(1.0, name="v")
    with pytest.raises(ValueError, match="no path leads from 'Const:0' back to any variable of: v:0"):
        tf.train.GradientDescentOptimizer(0.5).minimize(tf.constant(1.0))
    with tf.Graph().as_default(), pytest.raises(ValueError, match="no variables to optimize"):
        tf.train.GradientDescentOptimizer(0.5).minimize(tf.constant(1.0))


def test_only_the_listed_variables_change():
    a, b = tf.Variable(1.0), tf.Variable(1.0)
    assert descend(a * b, b, var_list=[a]) == 1.0


def test_a_step_is_counted_after_the_update():
    v, count = tf.Variable(1.0), tf.Variable(0, trainable=False)
    assert descend(v * v, count, global_step=count) == 1


@pytest.mark.parametrize("gate", ["GATE_NONE", "GATE_OP", "GATE_GRAPH"])
def test_every_gate_gives_the_same_numbers_and_its_own_nodes(graph, gate):  # [W80]
    a, b = tf.Variable(2.0), tf.Variable(3.0)
    result = descend(a * b, a, 1.0, gate_gradients=getattr(tf.train.Optimizer, gate))
    assert result == -1.0
    gates = [op.name for op in graph.get_operations() if op.name.endswith("group_deps")]
    assert gates == {
        "GATE_NONE": [],
        "GATE_OP": ["gradients/mul_grad/tuple/group_deps"],
        "GATE_GRAPH": ["tuple/group_deps"],
    }[gate]


def test_gradients_may_be_changed_between_the_two_halves():
    v = tf.Variable(3.0)
    optimizer = tf.train.GradientDescentOptimizer(1.0)
    pairs = [(g * 0.5, w) for g, w in optimizer.compute_gradients(v * v)]
    step = optimizer.apply_gradients(pairs)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        session.run(step)
        assert session.run(v) == 0.0


def test_gradients_that_are_all_none_are_refused():
    v = tf.Variable(3.0)
    with pytest.raises(ValueError, match="every one is None"):
        tf.train.GradientDescentOptimizer(1.0).apply_gradients([(None, v)])
