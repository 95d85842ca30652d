"""No part of the graph system is a parameter server, and what DistBelief's server holds, ordinary tasks hold [S51]."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import refflow as tf
from refflow.core import registry
from refflow.distbelief import ClientLoop, Clock, Dense, Downpour, Links, Network, Sgd, Tanh, uneven
from refflow.runtime.cluster.network import Threads
from refflow.train.asynchronous import Event

ROOT = Path(tf.__file__).parent
PARTS = ("core", "ops", "runtime", "train", "nn", "files", "interop")
SERVER = re.compile(r"param\w*_?serv|ps_?serv|^ps$", re.IGNORECASE)


# -- a rule about the sources ---------------------------------------------------------------------------------


def named(text):
    """The names in a program that are those of parameter servers, and the job that is often called so, as a string."""
    if not (SERVER.search(text) or re.search(r"\bps\b", text)):
        return []
    found = []
    for node in ast.walk(ast.parse(text)):
        names = [getattr(node, field, None) for field in ("name", "id", "attr", "arg")]
        found += [name for name in names if isinstance(name, str) and SERVER.search(name)]
        if isinstance(node, ast.Constant) and node.value == "ps":
            found.append("'ps'")
    return found


def test_no_class_function_or_operation_is_a_parameter_server():  # [S51]
    files = [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]
    assert len(files) > 300
    assert {path.name: found for path in files if (found := named(path.read_text(encoding="utf-8")))} == {}
    assert [op.name for op in registry.registered_ops() if SERVER.search(op.name)] == []


def test_the_rule_finds_them():
    assert named("class ParameterServer: x = param_server") == ["ParameterServer", "param_server"]
    assert named('if job == "ps": pass') == ["'ps'"] and named("run_ps = start(ps=3)") == ["ps"]
    assert named('"""A parameter server, or ps."""\nclass Server: parameters = props') == []


def test_every_task_of_every_job_is_of_one_kind():  # [S51]
    """Variables on each task in turn, and the computation on the other, whatever the jobs are called."""
    jobs = ["ps", "worker", "fruit"]
    network = Threads()
    spec = {job: [f"{job}:1"] for job in jobs}
    servers = [tf.train.Server(spec, job, 0, network=network) for job in jobs]
    assert len({type(s.worker) for s in servers}) == 1
    found = set()
    for home in jobs:
        for place in jobs:
            with tf.Graph().as_default() as graph:
                with tf.device(f"/job:{home}"):
                    w = tf.Variable([1.0, 2.0])
                with tf.device(f"/job:{place}"):
                    loss = tf.reduce_sum(tf.square(w))
                train = tf.train.GradientDescentOptimizer(0.25).minimize(loss)
                init = tf.initialize_all_variables()
                with tf.Session(servers[0].target, graph=graph) as session:
                    session.run(init)
                    session.run(train)
                    found.add(session.run(w).tobytes())
    assert found == {np.array([0.5, 1.0], np.float32).tobytes()}
    for server in servers:
        server.stop()


# -- one schedule ---------------------------------------------------------------------------------------------

RATE, BATCH = 0.25, 8
RNG = np.random.default_rng(3)
X = RNG.normal(size=(96, 6))
TARGETS = np.eye(3)[(X @ RNG.normal(size=(6, 3))).argmax(axis=1)]


def downpour(replicas, steps):
    """A run of DistBelief's server, with a fetch and a push in each step; its first parameters, and its last."""
    network = Network([6], [Dense(5), Tanh(), Dense(3)])
    first = {name: value.astype(np.float64) for name, value in network.initial().items()}
    cluster = Downpour(
        network, X, TARGETS, Sgd(RATE), ClientLoop(batch=BATCH), replicas=replicas, links=Links(Clock(5)),
        parameters=first, speed=1e7, slowness=uneven(0.3),
    )  # fmt: skip
    cluster.run(steps=steps)
    return first, cluster


def as_events(log):
    """What the server did, as a schedule, and the examples that each replica took, in its order."""
    events, rows = [], defaultdict(list)
    for e in log:
        if e.kind == "compute":
            rows[e.what["replica"]] += e.what["rows"]
        elif e.kind in ("read", "apply"):
            what, r = {"read": "fetch"}.get(e.kind, e.kind), e.what["replica"]
            events.append(Event(e.time, e.time, what, r, r, e.what["step"]))
    return events, [np.array(rows[r]) for r in sorted(rows)]


@pytest.mark.parametrize("replicas", [1, 4])
def test_under_one_schedule_tasks_with_variables_end_with_the_parameters_of_a_server(replicas):  # [S51, S63]
    first, cluster = downpour(replicas, steps=12)
    events, rows = as_events(cluster.clock.log)
    network = Threads()
    spec = {"worker": ["worker:1", "worker:2"]}
    servers = [tf.train.Server(spec, "worker", i, network=network) for i in range(2)]
    with tf.Graph().as_default() as graph:
        weights = []
        for i, value in enumerate(first.values()):
            with tf.device(f"/job:worker/task:{i % 2}"):
                weights.append(tf.Variable(value))
        w1, b1, w2, b2 = weights

        def loss_of(x, targets):
            scores = tf.matmul(tf.tanh(tf.matmul(x, w1) + b1), w2) + b2
            return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(scores, targets))

        shards = [(X[own], TARGETS[own]) for own in rows]
        optimizer = tf.train.GradientDescentOptimizer(RATE)
        devices = ["/job:worker/task:0", "/job:worker/task:1"][:replicas]
        training = tf.train.ReplicaTraining(loss_of, shards, optimizer, replicas, BATCH, devices)
        init = tf.initialize_all_variables()
    with tf.Session(servers[0].target, graph=graph) as session:
        session.run(init)
        trace = training.follow(session, events)
        found = session.run(weights)
    for server in servers:
        server.stop()
    assert len(trace.updates) == 12 * replicas and max(trace.staleness()) >= replicas - 1
    assert [u.staleness for u in trace.updates] == [e.what["age"] for e in cluster.clock.events("apply")]
    for got, (name, wanted) in zip(found, cluster.parameters.items(), strict=True):
        assert wanted.dtype == np.float64
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-13, err_msg=name)
        assert not np.allclose(got, first[name])
