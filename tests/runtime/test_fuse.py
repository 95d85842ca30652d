"""Chains of elementwise nodes run as one node, with the bits of the executor."""

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.fuse import FUSED, fuse
from refflow.runtime.loosen import free_constants


def fused_nodes(session, fetches, feeds=()):
    step = fuse(session.stages(session.signature(fetches, feeds), [(64, 48)] * len(feeds)).partitioned)
    return [n for n in step.nodes if n.op_def is FUSED]


def both(fetches, feeds, graph):
    found = []
    for executor in ("plan", "executor"):
        with tf.Session(graph=graph, executor=executor) as session:
            session.run(tf.initialize_all_variables())
            found.append(session.run(fetches, feeds))
    for a, b in zip(*found, strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    return found[0]


def test_a_chain_with_rows_and_numbers_is_one_node(rng):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [64, 48])
        bias = tf.Variable(tf.zeros([48]) + 0.25)
        y = tf.sigmoid(tf.nn.relu(x + bias) * 3.0)
        both([y], {x: rng.normal(size=(64, 48))}, graph)
        with tf.Session(graph=graph) as session:
            (node,) = fused_nodes(session, y, [x])
    assert [n.op_def.name for n, _ in node.inputs] == ["_Recv", "Variable", "Const"]


def test_what_waits_for_a_chain_is_not_drawn_into_it(rng):
    """sum(a) waits for a; b uses it, and so cannot be computed together with a."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [64, 48])
        a = tf.exp(x) * 2.0
        b = (a - tf.reduce_sum(a, [1], keep_dims=True)) * a
        both([b, a], {x: rng.normal(size=(64, 48))}, graph)
        with tf.Session(graph=graph) as session:
            assert len(fused_nodes(session, b, [x])) == 2


def test_two_chains_never_wait_for_each_other(rng):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [64, 48])
        a, small = tf.exp(x), tf.reshape(x, [48, 64])
        c = tf.tanh(small)
        b = tf.square(tf.reshape(c, [64, 48])) + a  # waits for c
        d = tf.square(tf.reshape(a, [48, 64])) + c  # waits for a
        both([b, d], {x: rng.normal(size=(64, 48))}, graph)


def test_control_edges_hold_across_chains():
    graph = tf.Graph()
    with graph.as_default():
        v = tf.Variable(tf.zeros([64, 48]))
        before = v.value() + 1.0
        with tf.control_dependencies([before]):
            change = tf.assign_add(v, tf.ones([64, 48]) * 5.0)
        with tf.control_dependencies([change]):
            after = (v.value() + 1.0) * 2.0
        early, late = both([before * 1.0, after], {}, graph)
    assert (early == 1).all() and (late == 12).all()


def test_a_slope_may_lie_where_the_gradient_lay(rng):
    """The gradient's memory is free after the rectifier's slope; the rectifier's result is needed once more."""
    graph = tf.Graph()
    with graph.as_default():
        x, w = tf.placeholder(tf.float32, [64, 48]), tf.Variable(rng.normal(size=(48, 48)).astype(np.float32))
        y = tf.nn.relu(tf.matmul(x, w))
        (dx,) = tf.gradients(tf.nn.relu(tf.matmul(y, w)), [x])
        both([dx, tf.reduce_sum(y + tf.reduce_sum(dx)), tf.matmul(y, w)], {x: rng.normal(size=(64, 48))}, graph)


@pytest.mark.parametrize("seed", range(30))
def test_random_chains_give_the_executor_s_bits(seed):
    rng = np.random.default_rng(seed)
    graph = tf.Graph()
    with graph.as_default():
        hole = tf.placeholder(tf.float32, [64, 48])
        tensors = [hole, tf.Variable(tf.ones([48])).value(), tf.constant(0.5)]
        for _ in range(25):
            x, y = (tensors[i] for i in rng.integers(0, len(tensors), 2))
            kind = rng.integers(0, 9)
            if kind == 0 and x.get_shape().ndims:
                made = tf.reduce_sum(x, [x.get_shape().ndims - 1], keep_dims=True)
            elif kind == 1 and x.get_shape().ndims == 2 and x.get_shape().as_list() == [64, 48]:
                made = tf.transpose(tf.reshape(x, [48, 64]))
            elif kind < 5:
                made = [tf.tanh, tf.nn.relu, tf.sigmoid, tf.square][rng.integers(0, 4)](x)
            else:
                made = [tf.add, tf.sub, tf.mul, tf.maximum][rng.integers(0, 4)](x, y)
            if made.get_shape().as_list() in ([64, 48], [48], [64, 1], []):
                tensors.append(made)
        gradients = [g for g in tf.gradients(tensors[-1], [hole]) if g is not None]
        both(tensors[-4:] + gradients, {hole: rng.normal(size=(64, 48))}, graph)


def test_who_reads_a_constant_waits_for_what_it_is_made_of_in_the_end(graph):
    """The shape of a value that can come to nothing else is no reason to wait for the value."""
    with graph.as_default():
        x = tf.placeholder(tf.float32, [64, 48], name="x")
        other = tf.tanh(x) * 2.0
        y = x + tf.ones_like(other)
        with tf.Session(graph=graph) as session:
            step = session.stages(session.signature([y, other], [x]), [(64, 48)]).partitioned
            freed = free_constants(step)
    (constant,) = (n for n in step.nodes if n.type == "Const" and n.controls)
    assert all(n.type == "Mul" for n in constant.controls)
    (reader,) = (n for n in freed.nodes if n.type == "Add")
    assert [n.receives for n in reader.controls] == [True]


def test_a_variable_that_was_read_for_its_shape_is_read_before_it_changes(graph):
    """The constant waits for the read, and the change for the constant's reader."""
    with graph.as_default():
        v = tf.Variable(tf.zeros([64, 48]))
        read = v + 0.0
        shape = tf.ones_like(read)
        with graph.control_dependencies([shape + 1.0]):
            change = tf.assign(v, tf.ones([64, 48]))
        with graph.control_dependencies([change]):
            after = tf.identity(v)
        for executor in ("plan", "executor"):
            with tf.Session(graph=graph, executor=executor) as session:
                session.run(tf.initialize_all_variables())
                first, second, _ = session.run([read, after, shape])
                assert not first.any() and second.all()


@pytest.mark.parametrize("seed", range(6))
def test_chains_on_two_devices_never_wait_for_each_other(seed):
    rng = np.random.default_rng(seed)
    graph = tf.Graph()
    with graph.as_default():
        tensors = [tf.Variable(rng.normal(size=(64, 48)).astype(np.float32)).value() for _ in range(2)]
        for _ in range(16):
            with tf.device(f"/cpu:{rng.integers(0, 2)}"):
                x, y = (tensors[i] for i in rng.integers(max(0, len(tensors) - 5), len(tensors), 2))
                tensors.append(tf.tanh(x * 0.5) + y if rng.integers(0, 2) else tf.nn.relu(x) - y)
    found = []
    for executor in ("plan", "executor"):
        with tf.Session(graph=graph, executor=executor, device_count={"CPU": 2}) as session:
            for number, variable in enumerate(graph.get_collection("variables")):
                session.run(variable.assign(np.full((64, 48), number + 0.5, np.float32)))
            found.append([v.tobytes() for v in session.run(tensors[-3:])])
            if executor == "plan":
                assert fused_nodes(session, tensors[-1])
    assert found[0] == found[1]


def test_a_chain_whose_values_nobody_reads_still_runs(rng):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [64, 48])
        y = tf.tanh(tf.nn.relu(x) * 3.0)
        with tf.Session(graph=graph) as session:
            (node,) = fused_nodes(session, y.op, [x])
            assert len(node.types) == 1 and session.run(y.op, {x: rng.normal(size=(64, 48))}) is None
