"""Placement beside TensorFlow's: which requests are honoured, which groups fit, and what the errors say first."""

import pytest

from tests.peers.stand_in import differences, outcomes

tensorflow = pytest.importorskip("tensorflow")
tf = tensorflow.compat.v1
pytestmark = pytest.mark.peers


def two_cpus(**options):
    return tf.Session(config=tf.ConfigProto(device_count={"CPU": 2}, **options))


def const(name, device="", labels=()):
    """A constant with a request, and with labels of those that it shall be with."""
    made = tf.constant(1.0, name=name)
    made.op._set_device_from_string(device)
    if labels:
        value = tf.AttrValue
        made.op._set_attr("_class", value(list=value.ListValue(s=[f"loc:@{label}".encode() for label in labels])))
    return made


def requests(*texts, **options):
    def program(_):
        made = [const(f"c{i}", text) for i, text in enumerate(texts)]
        with two_cpus(**options) as session:
            session.run([tf.add_n(made)])

    return program


def group(*members, **options):
    """Members are (name, device, labels)."""

    def program(_):
        made = [const(*member) for member in members]
        with two_cpus(**options) as session:
            session.run(made)

    return program


def ref_elsewhere(device):
    def program(_):
        with tf.device("/cpu:0"):
            v = tf.Variable(1.0, name="v", use_resource=False)
        change = tf.raw_ops.Assign(ref=v._ref(), value=2.0, name="change")
        change.op._clear_attr("_class")
        change.op._set_device_from_string(device)
        with two_cpus() as session:
            session.run(v.initializer)
            session.run(change)
            session.run(v)

    return program


def handle_elsewhere(_):
    with tf.device("/cpu:0"):
        v = tf.Variable(1.0, name="v", use_resource=True)
        queue = tf.queue.FIFOQueue(3, tf.float32)
    with tf.device("/cpu:1"):
        change = tf.raw_ops.AssignVariableOp(resource=v.handle, value=2.0)
        put, taken = queue.enqueue(v.read_value()), queue.dequeue()
    with two_cpus() as session:
        session.run(change)
        session.run(put)
        session.run(taken)


def by_function(_):
    with tf.device(lambda op: "/cpu:1" if op.type == "MatMul" else ""):
        y = tf.matmul([[1.0, 2.0]], [[3.0], [4.0]])
    with two_cpus() as session:
        session.run(y)


def colocated(_):
    with tf.device("/cpu:1"):
        a = tf.constant(1.0, name="a")
    with tf.colocate_with(a.op):
        b = tf.constant(2.0, name="b") * a
    with two_cpus() as session:
        session.run(b)


PROGRAMS = {
    "full and partial names": requests("/cpu:1", "/device:CPU:*", "/job:localhost/replica:0/task:0/device:CPU:0", "/"),
    "a kind, and stars": requests("/device:CPU", "/job:*/replica:*/task:*/cpu:*"),
    "no such device": requests("/gpu:0"),
    "no such number": requests("/cpu:7"),
    "no such job": requests("/job:worker/task:3"),
    "no such replica": requests("/replica:1"),
    "another kind": requests("/device:XLA_CPU:0"),
    "malformed": requests("nonsense"),
    "malformed part": requests("/what"),
    "malformed number": requests("/cpu:-1"),
    "soft": requests("/gpu:0", "/cpu:7", "/device:TPU:0", allow_soft_placement=True),
    "soft, but not of another process": requests("/job:worker/gpu:0", allow_soft_placement=True),
    "soft, but not of another replica": requests("/replica:1", allow_soft_placement=True),
    "a group": group(("a", "/cpu:1"), ("b", "", ["a"]), ("c", "", ["b"])),
    "a group of other kinds": group(("a", "/device:GPU:0"), ("b", "/device:CPU:0", ["a"])),
    "a group of other numbers": group(("a", "/device:CPU:0"), ("b", "/device:CPU:1", ["a"])),
    "a group of other jobs": group(("a", "/job:a"), ("b", "/job:b", ["a"])),
    "a group through a third": group(("a", "/cpu:1"), ("b", "/cpu:0"), ("c", "", ["a", "b"])),
    "a group, soft": group(("a", "/cpu:0"), ("b", "/cpu:1", ["a"]), allow_soft_placement=True),
    "a label of nobody": group(("a", "/cpu:1", ["nobody"])),
    "a reference of another device": ref_elsewhere("/cpu:1"),
    "a reference of a missing device": ref_elsewhere("/gpu:0"),
    "a handle of another device": handle_elsewhere,
    "a function": by_function,
    "colocate_with": colocated,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_the_same_requests_are_honoured(program):  # [W21, W22, W37, W38]
    assert differences(program) == []


def first_words(program, here):
    """The beginning of the error's text: up to where TensorFlow names devices in its own spelling."""
    (outcome,) = outcomes(program, here)
    return outcome.message.split(" but available")[0].split(" in node")[0].replace('"', "'")


SAME_WORDS = [
    "no such device", "no such number", "no such job", "malformed", "a group of other kinds",
    "a group of other numbers", "a group of other jobs",
]  # fmt: skip


@pytest.mark.parametrize("name", SAME_WORDS)
def test_errors_begin_with_the_same_words(name):  # [W38]
    theirs, ours = (first_words(PROGRAMS[name], here) for here in (False, True))
    assert ours == theirs


def test_what_tensorflow_measured_serves_the_greedy_placer():  # [W19]
    import refflow as rf
    from refflow.runtime.costs import CostModel

    metadata = tf.RunMetadata()
    with tensorflow.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [300, 300])
        y = tf.matmul(x, x, name="y")
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        session.run(y, {x: [[1.0] * 300] * 300}, options=options, run_metadata=metadata)
        graph_def = tf.get_default_graph().as_graph_def()
    costs = CostModel().learn(metadata.step_stats)
    assert costs.count("y") == 1
    with rf.Graph().as_default() as graph:
        rf.import_graph_def(graph_def, name="")
        with rf.Session(graph=graph, device_count={"CPU": 2}, placer="greedy", costs=costs) as session:
            rows = session.stages(session.signature("y:0", ["Placeholder:0"])).placement
    assert len(next(r for r in rows if r.node == "y").finish) == 2
