"""Graphs and sessions of compat.v1 and of tensorflow.compat.v1: the same programs, the same outcomes.

A program puts down what it sees: names, shapes, values, and of errors the classes.
"""

import collections
import os
import threading

import pytest

import refflow.compat.v1
from tests.peers.notes import first_behaviour, seen_by

pytestmark = pytest.mark.peers
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="module")
def tensorflow():
    found = pytest.importorskip("tensorflow.compat.v1", reason="the oracle is TensorFlow: pip install '.[peers]'")
    with first_behaviour(found):
        yield found


def fetches(tf, g, put, err):
    s = tf.Session()
    a = tf.constant(42.0, name="a")
    b = tf.no_op(name="b")
    c = tf.constant("s", name="c")
    put(s.run(a), s.run(b), s.run(c), s.run("a:0"), s.run("b"), s.run([]), s.run(()), s.run({}), s.run([[], {}]))
    NT = collections.namedtuple("NT", ["x", "y"])
    put(
        s.run(NT(a, b)),
        s.run({"k": a, "l": [b, (a,)]}),
        s.run(collections.OrderedDict([("z", a), ("y", c)])),
        s.run([a, a, [a]]),
    )
    err(s.run, None)
    err(s.run, [None])
    err(s.run, 3)
    err(s.run, "nope")
    err(s.run, "nope:0")
    err(s.run, [a, "zz"])
    err(s.run, 1.5)
    err(s.run, {"a": None})
    err(s.run, object())
    err(s.run, "a:1")
    err(s.run, "a:x")
    with tf.Graph().as_default():
        q = tf.constant(1.0)
    err(s.run, q)
    err(s.run, a, 3)
    err(s.run, a, {3: 1})
    err(s.run, a, {"nope:0": 1})
    err(s.run, a, {None: 1})
    err(s.run, a, {b: 1})
    err(s.run, a, {"a": 1})
    err(s.run, a, [(a, 1)])


def interactive_sessions(tf, g, put, err):
    s = tf.InteractiveSession()
    c = tf.constant(3.0)
    put(c.eval())
    v = tf.Variable(2.0)
    v.initializer.run()
    put(v.eval())
    put(tf.get_default_session() is s)
    s.close()
    put(tf.get_default_session())


def elements_by_name(tf, g, put, err):
    c = tf.constant(1.0, name="c")
    err(g.get_operation_by_name, "nope")
    err(g.get_tensor_by_name, "nope:0")
    err(g.get_tensor_by_name, "c")
    err(g.get_tensor_by_name, "c:1")
    err(g.get_operation_by_name, "c:0")
    err(g.as_graph_element, "c:0:1")
    err(g.as_graph_element, 3)
    err(g.as_graph_element, c, allow_tensor=False)
    err(g.as_graph_element, c.op, allow_operation=False)
    err(g.as_graph_element, "c", allow_operation=False)
    err(g.as_graph_element, "c:0", allow_tensor=False)
    err(g.as_graph_element, c, False, False)
    err(g.get_operation_by_name, None)
    err(g.get_tensor_by_name, 3)
    err(g.get_tensor_by_name, "d:x")


def device_specs(tf, g, put, err):
    D = tf.DeviceSpec
    put(
        D.from_string("/job:foo/replica:1/task:2/device:GPU:3").to_string(),
        D(job="w", device_type="cpu", device_index=0).to_string(),
        D().to_string(),
    )
    s = D(job="a", replica=0, task=1, device_type="GPU", device_index=2)
    put(s.job, s.replica, s.task, s.device_type, s.device_index)
    put(D.from_string("/cpu:1").to_string(), D.from_string("/gpu:*").to_string())
    err(D.from_string, "/bogus:1")
    err(D.from_string, "/job:a/job:b")
    err(D.from_string, "cpu:x")
    s = D(job="a")
    s.merge_from(D(device_type="CPU", device_index=1))
    put(s.to_string())
    s.parse_from_string("/job:zz")
    put(s.to_string())
    put(
        D(job="a") == D(job="a"),
        D(job="a") == D(job="b"),
        D(job="x").make_merged_spec(D(task=3)).to_string(),
        D(job="x").replace(task=5).to_string(),
    )
    s = D()
    s.job = "q"
    put(s.to_string())
    put(D.from_string("/job:a/task:0").device_type, hash(D(job="a")) == hash(D(job="a")))


def colocation(tf, g, put, err):
    a = tf.constant(1.0, name="a")
    with g.colocate_with(a.op):
        b = tf.constant(2.0, name="b")
    with tf.colocate_with(b):
        c = tf.constant(3.0, name="c")
    put(b.op.colocation_groups(), c.op.colocation_groups(), a.op.colocation_groups())
    with g.colocate_with(a.op):
        with g.colocate_with(b.op, ignore_existing=True):
            d = tf.constant(1.0)
        with g.colocate_with(None, ignore_existing=True):
            e = tf.constant(1.0)
        with g.device("/cpu:3"):
            f = tf.constant(1.0)
    put(d.op.colocation_groups(), e.op.colocation_groups(), f.op.colocation_groups(), f.device)

    def q():
        with g.colocate_with(None):
            pass

    err(q)
    err(lambda: b.op.get_attr("_class"))
    x = tf.constant(1.0, name="x")
    y = tf.constant(1.0, name="y")
    with g.device("/cpu:0"):
        x2 = tf.constant(1.0, name="x2")
    with g.colocate_with(x2.op):
        put(tf.constant(1.0).device)
    with g.colocate_with(x.op), g.colocate_with(y.op):
        z = tf.constant(1.0)
    put(z.op.colocation_groups())


def gradients_by_name(tf, g, put, err):
    @tf.RegisterGradient("TimesTenOfPeers")
    def f(op, gr):
        return gr * 10.0

    x = tf.constant(2.0)
    with g.gradient_override_map({"Identity": "TimesTenOfPeers"}):
        y = tf.identity(x)
        with g.gradient_override_map({"Square": "TimesTenOfPeers"}):
            z = tf.square(y)
    put(y.op.get_attr("_gradient_op_type"))
    put(tf.Session().run(tf.gradients(z, x)))

    def q():
        with g.gradient_override_map([1]):
            pass

    err(q)

    def q():
        with g.gradient_override_map({1: "a"}):
            pass

    err(q)

    def q():
        tf.RegisterGradient("TimesTenOfPeers")(f)

    err(q)
    err(tf.RegisterGradient, 1)


def containers(tf, g, put, err):
    with g.container("c1"):
        v = tf.Variable(1.0, name="v")
        with g.container("c2"):
            q = tf.FIFOQueue(1, tf.float32)
            w = tf.Variable(2.0)
        with g.container(""):
            u = tf.Variable(1.0)
    put(
        v.op.get_attr("container"),
        w.op.get_attr("container"),
        u.op.get_attr("container"),
        q.queue_ref.op.get_attr("container"),
    )


def threads_of_their_own(tf, g, put, err):
    g.switch_to_thread_local()
    r = []
    with g.name_scope("a"), g.device("/cpu:0"):

        def f():
            with g.as_default():
                c = tf.constant(1.0)
                r.append((c.name, c.device))

        t = threading.Thread(target=f)
        t.start()
        t.join()
    put(r)


def threads(tf, g, put, err):
    r = []
    with g.name_scope("a"), g.device("/cpu:0"):

        def f():
            with g.as_default():
                c = tf.constant(1.0)
                r.append(c.name)  # TensorFlow inherits the device only where eager runs are off

        t = threading.Thread(target=f)
        t.start()
        t.join()
    put(r)


PROGRAMS = [
    fetches,
    interactive_sessions,
    elements_by_name,
    device_specs,
    colocation,
    gradients_by_name,
    containers,
    threads_of_their_own,
    threads,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_a_program_sees_the_same(tensorflow, program):
    assert seen_by(refflow.compat.v1, program) == seen_by(tensorflow, program)
