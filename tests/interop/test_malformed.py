"""Damaged graphs: a clear error while importing or running, never a crash, a hang, or memory that is only claimed."""

import random

import numpy as np
import pytest

import refflow as tf
from refflow.interop import protos
from refflow.interop.schema import message

pytest.importorskip("google.protobuf", reason="graphs in the wire format need pip install '.[interop]'")


def healthy():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        w = tf.Variable(np.ones((3, 2), np.float32))
        y = tf.nn.softmax(tf.matmul(x, w) + 1.0)
        tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(tf.nn.relu(y)))
        tf.slice(tf.concat(1, [y, y]), [0, 0], [-1, 2])
        tf.nn.conv2d(tf.reshape(x, [1, -1, 3, 1]), tf.ones([2, 2, 1, 1]), [1, 1, 1, 1], "SAME")
        return protos.to_bytes(graph.as_graph_def())


def damaged_bytes(data, draw):
    data = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        place, kind = draw.randrange(len(data)), draw.random()
        if kind < 0.6:
            data[place] = draw.randrange(256)
        elif kind < 0.8:
            del data[place : place + draw.randint(1, 9)]
        else:
            data[place:place] = bytes(draw.randrange(256) for _ in range(draw.randint(1, 9)))
    return bytes(data)


def other_kind(node, draw):
    if node.attr:
        value = node.attr[draw.choice(sorted(node.attr))]
        value.Clear()
        field, wrong = draw.choice([("i", 2**62), ("s", b"\xff\0"), ("type", 77), ("b", True), ("f", float("nan"))])
        setattr(value, field, wrong)


def claimed_size(node, draw):
    if "value" in node.attr:
        tensor = node.attr["value"].tensor
        tensor.ClearField("tensor_content")
        tensor.ClearField("tensor_shape")
        for _ in range(draw.randint(0, 4)):
            tensor.tensor_shape.dim.add(size=draw.choice([2**31, 2**40, -1, 0, 3]))
        tensor.float_val.append(1.0)


def damaged_graph(data, draw):
    graph = message("GraphDef").FromString(data)
    node, other = draw.choice(graph.node), draw.choice(graph.node)
    kind = draw.randrange(8)
    if kind == 0:
        graph.node.remove(node)
    elif kind == 1 and node.input:
        node.input[draw.randrange(len(node.input))] = other.name  # may close a circle
    elif kind == 2:
        node.input.append(other.name)
    elif kind == 3:
        other_kind(node, draw)
    elif kind == 4:
        node.name = other.name
    elif kind == 5:
        node.op = draw.choice([other.op, "Nonsense"])
    elif kind == 6:
        claimed_size(node, draw)
    elif node.attr:
        del node.attr[draw.choice(sorted(node.attr))]
    return graph.SerializeToString()


def try_all(seeds):
    data = healthy()
    outcomes = set()
    for seed in seeds:
        draw = random.Random(seed)
        bad = (damaged_bytes if seed % 2 else damaged_graph)(data, draw)
        try:
            with tf.Graph().as_default() as graph, tf.Session() as session:
                tf.import_graph_def(bad, name="")
                feeds = {"x:0": np.ones((4, 3))} if "x" in graph._by_name else None
                for op in graph.get_operations()[-6:]:
                    try:
                        session.run(op.name, feeds)
                    except (tf.OpError, ValueError, TypeError) as error:
                        outcomes.add(type(error).__name__)
        except (tf.GraphError, tf.OpError) as error:
            assert str(error)
            outcomes.add(type(error).__name__)
    return outcomes


def test_a_damaged_graph_is_a_clear_error():
    assert {"NodeError", "DTypeError", "NotFoundError", "FailedPreconditionError"} <= try_all(range(400))


@pytest.mark.deep
def test_ten_thousand_damaged_graphs():
    try_all(range(1000, 11000))


def test_a_circle_is_told_with_its_nodes():
    text = 'node { name: "a" op: "Neg" input: "b" attr { key: "T" value { type: DT_FLOAT } } } ' \
           'node { name: "b" op: "Neg" input: "a" attr { key: "T" value { type: DT_FLOAT } } }'  # fmt: skip
    with tf.Graph().as_default(), pytest.raises(tf.GraphError, match="wait for each other in a circle.*: a, b"):
        tf.import_graph_def(text, name="")


def test_unknown_op_types_are_kept_and_named_all_at_once_when_run():
    text = 'node { name: "x" op: "Mystery" } node { name: "y" op: "Riddle" input: "x:1" } ' \
           'node { name: "z" op: "NoOp" }'  # fmt: skip
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x, y = tf.import_graph_def(text, return_elements=["x", "y:0"], name="")
        assert (x.type, len(x.outputs), y.op.type) == ("Mystery", 2, "Riddle")
        session.run("z")
        with pytest.raises(tf.errors.NotFoundError, match="not registered: 'Mystery', 'Riddle'"):
            session.run(y)
        again = protos.to_bytes(graph.as_graph_def())
    assert {n.op for n in message("GraphDef").FromString(again).node} == {"Mystery", "Riddle", "NoOp"}
