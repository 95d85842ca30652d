"""Damaged graphs: a clear error while importing or running, never a crash, a hang, or memory that is only claimed."""

import random
import resource
import signal
from contextlib import contextmanager

import numpy as np
import pytest

import refflow as tf
from refflow.interop import protos
from refflow.interop.schema import message
from tests.cases import CASES, attrs_of, inputs_of

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


# -- graphs of every op, with values, sizes and types that do not fit ---------------------------------------

GOOD = [(op, case) for op, case in CASES if case.error is None and not op.ref_inputs and not op.stateful]
EXTREME = [0, -1, -2, 1, 2, 7, 33, 2**31 - 1, -(2**31), 2**31, 2**40, 2**62, -(2**62)]


def of_cases(draw):
    """(bytes, feeds) of a graph with three ops from the pages, some of their inputs fed."""
    feeds = {}

    def tensor(array):
        if draw.random() < 0.4:
            return tf.constant(array)
        hole = tf.placeholder(tf.as_dtype(array.dtype), array.shape if draw.random() < 0.5 else None)
        feeds[hole.name] = array
        return hole

    with tf.Graph().as_default() as graph:
        for op, case in draw.sample(GOOD, 3):
            attrs = attrs_of(op, case)
            inputs = inputs_of(op, case, attrs)
            op(*([tensor(a) for a in v] if isinstance(v, list) else tensor(v) for v in inputs), **attrs)
        return protos.to_bytes(graph.as_graph_def()), feeds


def other_shape(node, draw):
    values = list(node.attr.values())
    found = [v.shape for v in values if v.HasField("shape")] + [s for v in values for s in v.list.shape]
    found += [v.tensor.tensor_shape for v in values if v.HasField("tensor")]
    if found:
        shape, kind = draw.choice(found), draw.random()
        if kind < 0.2:
            shape.unknown_rank = not shape.unknown_rank
        elif kind < 0.4 or not shape.dim:
            shape.dim.add(size=draw.choice(EXTREME))
        else:
            draw.choice(shape.dim).size = draw.choice(EXTREME)


def other_number(node, draw):
    found = [v for v in node.attr.values() if v.WhichOneof("value") in ("i", "f", "s", "list")]
    if not found:
        return
    value = draw.choice(found)
    if value.HasField("i"):
        value.i = draw.choice(EXTREME)
    elif value.HasField("f"):
        value.f = draw.choice([0.0, -1.0, 1e38, float("nan"), float("inf")])
    elif value.HasField("s"):
        value.s = draw.choice([b"", b"SAME", b"NHWC", b"\xff", b"x" * 1000])
    elif value.list.type and draw.random() < 0.5:
        value.list.type.pop()
    elif value.list.type:
        value.list.type.append(draw.choice([1, 3, 7, 20, 21]))
    else:
        value.list.i.append(draw.choice(EXTREME))


def other_type(node, draw):
    found = [v for v in node.attr.values() if v.HasField("type")]
    if found:
        draw.choice(found).type = draw.choice([1, 2, 3, 4, 7, 8, 9, 10, 14, 19, 20, 21, 22, 101])


def other_constant(node, draw):
    if node.op != "Const":
        return
    tensor = node.attr["value"].tensor
    count = int(np.prod([d.size for d in tensor.tensor_shape.dim]))
    if 0 < count < 1000 and tensor.dtype in (3, 9):
        tensor.ClearField("tensor_content")
        values = [draw.choice(EXTREME) for _ in range(count)]
        if tensor.dtype == 3:
            tensor.int_val[:] = [max(-(2**31), min(2**31 - 1, v)) for v in values]
        else:
            tensor.int64_val[:] = values


def misfit(data, draw):
    graph = message("GraphDef").FromString(data)
    for _ in range(draw.randint(1, 3)):
        draw.choice([other_shape, other_number, other_type, other_constant])(draw.choice(graph.node), draw)
    return graph.SerializeToString()


# -- the claims -----------------------------------------------------------------------------------------------


@contextmanager
def within(seconds):
    """A run that takes longer than `seconds` is a failure, not a test that never ends."""

    def ring(*_):
        raise AssertionError(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def at_most(more):
    """The system gives no more than so many bytes beyond what this process has: whoever asks for them is told."""
    with open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def try_one(bad, feeds, outcomes):
    try:
        with tf.Graph().as_default() as graph, tf.Session() as session:
            tf.import_graph_def(bad, name="")
            fed = {name: a for name, a in feeds.items() if name.split(":")[0] in graph._by_name}
            for op in graph.get_operations()[-6:]:
                try:
                    session.run(op.name, fed)
                except (tf.OpError, ValueError, TypeError) as error:
                    outcomes |= {kind.__name__ for kind in type(error).__mro__}
    except (tf.GraphError, tf.OpError) as error:
        assert str(error)
        outcomes |= {kind.__name__ for kind in type(error).__mro__}


def try_all(seeds):
    outcomes = set()
    data, feeds = healthy(), {"x:0": np.ones((4, 3))}
    for seed in seeds:
        draw = random.Random(seed)
        damage = (damaged_bytes, damaged_graph, misfit)[seed % 3]
        if seed % 2:
            given, fed = of_cases(draw)
        else:
            given, fed = data, feeds
        with within(seconds=20):
            try_one(damage(given, draw), fed, outcomes)
    return outcomes


def test_a_damaged_graph_is_a_clear_error():
    assert {"NodeError", "DTypeError", "NotFoundError", "FailedPreconditionError"} <= try_all(range(600))


@pytest.mark.deep
def test_ten_thousand_damaged_graphs_of_every_op():
    with at_most(2**30):
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
