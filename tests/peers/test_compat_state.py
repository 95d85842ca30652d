"""Variables and scopes of compat.v1 and of tensorflow.compat.v1: the same programs, the same outcomes.

A program puts down what it sees: names, shapes, values, and of errors the classes.
"""

import os
import tempfile

import numpy as np
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


def counts(tf, g, put, err):
    c = tf.Variable(0, name="c")
    s = tf.Session()
    s.run(c.initializer)
    u = c.count_up_to(2)
    put(s.run(u), s.run(u))
    err(s.run, u)
    err(lambda: tf.Variable(1.0).count_up_to(3))
    t = tf.count_up_to(c, 5)
    put(s.run(t))
    kept = tf.Variable(0, dtype=tf.int64)
    s.run(kept.initializer)
    put(s.run(kept.count_up_to(3)))


def made_in_branches_and_loops(tf, g, put, err):
    with tf.control_dependencies([tf.constant(1.0, name="dep")]):
        v = tf.Variable(1.0, name="v")
        put(v.op.control_inputs, v.initializer.control_inputs, v.value().op.control_inputs)

    def f():
        return tf.Variable(lambda: 1.0, name="inner") + 1.0

    def h():
        return tf.cond(tf.constant(True), f, lambda: 2.0)

    put(h().dtype)
    s = tf.Session()
    s.run(tf.global_variables_initializer())

    def bad():
        return tf.cond(tf.constant(True), lambda: tf.Variable(tf.constant(1.0) * 2.0, name="b") + 0.0, lambda: 2.0)

    err(bad)

    def loop():
        return tf.while_loop(
            lambda i: i < 2,
            lambda i: [i + tf.get_variable("lw", [], dtype=tf.int32, initializer=tf.ones_initializer())],
            [0],
        )

    x = loop()
    s.run(tf.global_variables_initializer())
    put(s.run(x))


def devices_and_kinds_by_default(tf, g, put, err):
    with tf.device("/job:ps"):
        v = tf.Variable(1.0, name="v", caching_device="/job:moo")
        put(v.device, v.value().device, v.initializer.device)
    v = tf.Variable(1.0, caching_device="/cpu:0", name="q")
    put(v.value().device, v.value().op.colocation_groups())
    w = tf.Variable(2.0, name="w2")
    put(w.value().op.colocation_groups(), w.initializer.colocation_groups())
    tf.enable_resource_variables()
    r = tf.Variable(1.0)
    put(type(r).__name__, tf.resource_variables_enabled())
    tf.disable_resource_variables()
    r = tf.Variable(1.0)
    put(type(r).__name__)
    put(sorted(k for k in dir(tf.GraphKeys) if k[0] != "_" and k.isupper()))
    put([getattr(tf.GraphKeys, k) for k in sorted(dir(tf.GraphKeys)) if k.isupper() and k[0] != "_"])


def reuse_and_its_errors(tf, g, put, err):
    with tf.variable_scope("foo") as s:
        v = tf.get_variable("v", [1])
        put(v.name, s.name, s.original_name_scope, s.reuse)
        err(tf.get_variable, "v", [1])
    with tf.variable_scope("foo", reuse=True):
        put(tf.get_variable("v", [1]) is v, tf.get_variable("v") is v)
        err(tf.get_variable, "w", [1])
        err(tf.get_variable, "v", [2])
        err(tf.get_variable, "v", [1], dtype=tf.int32)
    with tf.variable_scope("foo", reuse=tf.AUTO_REUSE):
        put(tf.get_variable("v", [1]) is v, tf.get_variable("n", [2]).name)
    with tf.variable_scope("foo") as s:
        s.reuse_variables()
        put(tf.get_variable("v") is v, s.reuse)
    with tf.variable_scope(s):
        put(tf.get_variable_scope().reuse)
    with tf.variable_scope(s, reuse=False) as q:
        put(q.reuse)
    put(tf.get_variable_scope().name, tf.get_variable_scope().reuse)
    err(tf.get_variable, "x")
    err(tf.get_variable, "x", [None])
    err(tf.get_variable, "x", [2], initializer=tf.constant([1.0, 2.0]))
    err(tf.get_variable, "x", initializer=tf.constant(1), dtype=tf.float32)
    err(tf.get_variable, "x", [2], initializer=lambda: 3.0)
    err(tf.get_variable, "y", [1], dtype=tf.resource)
    err(tf.get_variable, 3, [1])


def names_of_scopes(tf, g, put, err):
    with tf.variable_scope("a"):
        with tf.variable_scope("b") as b:
            put(b.name, tf.constant(1.0).name, tf.get_variable("v", []).name)
        with tf.variable_scope("b") as b2:
            put(b2.name, b2.original_name_scope, tf.constant(1.0).name)
    with tf.variable_scope("a"):
        put(tf.constant(1.0).name)
    with tf.variable_scope(b):
        put(tf.get_variable_scope().name, tf.constant(1.0).name, tf.get_variable_scope().original_name_scope)
    with tf.variable_scope("c"), tf.variable_scope(b) as x:
        put(x.name, tf.constant(1.0).name, x.original_name_scope)
    with tf.name_scope("ns"), tf.variable_scope("d") as d:
        put(d.name, d.original_name_scope, tf.get_variable("q", []).name, tf.constant(1.0).name)
    with tf.variable_scope(d):
        put(tf.constant(1.0).name)
    with tf.variable_scope(d, auxiliary_name_scope=False):
        put(tf.constant(1.0).name)
    with tf.variable_scope("e", auxiliary_name_scope=False) as e:
        put(e.name, e.original_name_scope, tf.constant(1.0).name, tf.get_variable("w", []).name)
    with tf.variable_scope("", reuse=tf.AUTO_REUSE) as r:
        put(r.name, tf.constant(1.0).name)

    def q(*a, **k):
        with tf.variable_scope(*a, **k):
            pass

    err(q, None)
    err(q, 3)
    err(q, None, "d", reuse=True)
    err(q, "x", auxiliary_name_scope=3)
    err(q, "x", reuse="yes")
    err(q, "x", custom_getter=3)


def parts_looked_up_and_saved(tf, g, put, err):
    e = tf.get_variable(
        "e", [10, 3], partitioner=tf.fixed_size_partitioner(4), initializer=tf.random_normal_initializer(seed=1)
    )
    s = tf.Session()
    val = np.arange(30.0).reshape(10, 3).astype("f")
    s.run(tf.global_variables_initializer())
    s.run(e.assign(val))
    put(
        s.run(tf.nn.embedding_lookup(e, [0, 3, 9, 9, 5], partition_strategy="div")),
        s.run(tf.nn.embedding_lookup(list(e), [[0, 3], [9, 7]], partition_strategy="div")),
        s.run(tf.nn.embedding_lookup(list(e), [0, 1, 2, 3], partition_strategy="mod")),
    )
    kept = tf.nn.embedding_lookup(e, tf.constant([1, 2]), partition_strategy="div")
    put(kept.shape.as_list())
    gr = tf.gradients(tf.reduce_sum(kept), list(e))
    put([type(x).__name__ for x in gr])
    sv = tf.train.Saver()
    p = sv.save(s, tempfile.mkdtemp() + "/m", write_meta_graph=False)
    s.run(e.assign(val * 0))
    sv.restore(s, p)
    put(s.run(tf.identity(e)))
    with tf.Graph().as_default(), tf.Session() as s2:
        w = tf.get_variable("e", [10, 3])
        tf.train.Saver().restore(s2, p)
        put(s2.run(w)[4])
    with tf.Graph().as_default(), tf.Session() as s2:
        w = tf.get_variable("e", [10, 3], partitioner=tf.fixed_size_partitioner(2))
        tf.train.Saver().restore(s2, p)
        put(s2.run(tf.identity(w))[7])


def kinds_by_collection(tf, g, put, err):
    kept = tf.get_local_variable("l", [2])
    put(kept.name, kept.trainable, [v.name for v in tf.local_variables()], [v.name for v in tf.global_variables()])
    put(tf.get_local_variable("l2", [], collections=["x"]).trainable, tf.get_collection("x")[0].name)
    with tf.variable_scope("sc") as sc:
        a = tf.get_variable("a", [])
        tf.get_variable("b", [], trainable=False)
        tf.get_local_variable("c", [])
    with tf.variable_scope("scx"):
        tf.get_variable("a", [])
    put(
        [v.name for v in sc.trainable_variables()],
        [v.name for v in sc.global_variables()],
        [v.name for v in sc.local_variables()],
        [v.name for v in sc.get_collection("variables")],
        [v.name for v in tf.trainable_variables("sc")],
        [v.name for v in tf.trainable_variables("sc/")],
    )
    put(
        tf.global_variables_initializer().name,
        tf.local_variables_initializer().name,
        tf.variables_initializer([]).name,
        tf.variables_initializer([a], name="q").name,
    )
    put(
        tf.get_variable(
            "on_read", [], synchronization=tf.VariableSynchronization.ON_READ, aggregation=tf.VariableAggregation.SUM
        ).trainable
    )
    err(tf.get_variable, "or2", [], synchronization=tf.VariableSynchronization.ON_READ, trainable=True)
    gs = tf.train.get_or_create_global_step()
    put(gs.name, gs.dtype, tf.train.get_global_step() is gs)
    err(tf.train.create_global_step)


def templates(tf, g, put, err):
    def fn(x):
        return tf.get_variable("v", [1], initializer=tf.zeros_initializer()) + x

    t = tf.make_template("s1", fn)
    a = t(1.0)
    b = t(2.0)
    put(
        [v.name for v in tf.global_variables()],
        a.name,
        b.name,
        t.name,
        t.variable_scope_name,
        [v.name for v in t.trainable_variables],
        [v.name for v in t.variables],
    )
    t2 = tf.make_template("s1", fn)
    t2(1.0)
    put([v.name for v in tf.global_variables()])

    def bad(x):
        return tf.Variable(1.0) + x

    t3 = tf.make_template("b", bad)
    err(t3, 1.0)
    t4 = tf.make_template("u", fn, unique_name_="uq")
    t4(1.0)
    put(t4.variable_scope_name)
    t5 = tf.make_template("u", fn, unique_name_="uq")
    err(t5, 1.0)
    t6 = tf.make_template("now", fn, create_scope_now_=True, x=3.0)
    put(t6.variable_scope_name)
    t6()
    put([v.name for v in t6.variables])
    with tf.variable_scope("outer"):
        t7 = tf.make_template("in", fn, True)
    t7(1.0)
    put(t7.variable_scope.name)
    err(tf.make_template, None, fn)
    t8 = tf.make_template("kw", lambda x, y: fn(x) + y, y=1.0)
    put(t8(1.0).name)
    with tf.variable_scope("reuse", reuse=tf.AUTO_REUSE):
        tf.make_template("aa", fn)(1.0)


PROGRAMS = [
    counts,
    made_in_branches_and_loops,
    devices_and_kinds_by_default,
    reuse_and_its_errors,
    names_of_scopes,
    parts_looked_up_and_saved,
    kinds_by_collection,
    templates,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_a_program_sees_the_same(tensorflow, program):
    assert seen_by(refflow.compat.v1, program) == seen_by(tensorflow, program)
