"""A recorded trace replays the order in which the nodes ran [S37]."""

import itertools

import numpy as np
import pytest

import refflow as tf
from refflow.core import errors
from refflow.runtime.events import EventLog
from refflow.runtime.policy import Replay

SEEDS = range(6)


def program():
    """A race between two writers, a loop whose iterations overlap, a branch, and a second device."""
    v = tf.Variable(1.0, name="v")
    with tf.device("/cpu:1"):
        x = tf.identity(tf.placeholder(tf.float32, [3], name="x"), name="there")
    double, more = tf.assign(v, v * 2.0, name="double"), tf.assign_add(v, 10.0, name="more")
    end = tf.while_loop(
        lambda i, a, b: i < 4, lambda i, a, b: (i + 1, a * 2.0 + 1.0, b + tf.reduce_sum(x)),
        [tf.constant(0), x, tf.constant(0.0)], parallel_iterations=4,
    )  # fmt: skip
    side = tf.cond(tf.reduce_sum(x) > 0.0, lambda: tf.square(x), lambda: -x)
    return [double, more, *end[1:], side], tf.initialize_all_variables(), {"x:0": np.arange(3.0)}


def run(graph, build, policy, steps=2):
    """What the steps gave, and the order of all their nodes, with loops and iterations."""
    log = EventLog(itertools.count().__next__)
    fetches, init, feeds = build
    with tf.Session(graph=graph, executor="executor", device_count={"CPU": 2}, policy=policy, log=log) as session:
        session.run(init)
        values = [session.run(fetches, feeds) for _ in range(steps)]
    return values, [(e.step, e.node, e.place) for e in log.events if e.kind == "start"], log


def test_a_recorded_trace_replays_the_order_of_the_nodes(graph):
    build = program()
    orders = set()
    for seed in SEEDS:
        values, order, log = run(graph, build, f"random({seed})")
        again, replayed, _ = run(graph, build, Replay(log))
        assert replayed == order
        assert str(again) == str(values)  # of the race, too
        orders.add(tuple(order))
    assert len(orders) == len(SEEDS)
    assert any(place.endswith(":3") for _, _, place in order)  # iterations are told apart


def test_the_race_ends_as_it_did(graph):
    build = program()
    recorded = [run(graph, build, f"random({seed})") for seed in SEEDS]
    assert len({str(values) for values, _, _ in recorded}) > 1
    for values, _, log in recorded:
        assert str(run(graph, build, Replay(log))[0]) == str(values)


def test_values_flow_from_node_to_node(graph):
    """No node starts before those that it reads from, nor before those that it only waits for, have ended."""
    log = run(graph, program(), "random(3)")[2]
    for step in {e.step for e in log.events}:
        ended = set()
        for event in (e for e in log.events if e.step == step):
            if event.kind in ("end", "recv", "send"):
                ended.add(event.node)
            elif event.kind == "start":
                node = log.nodes[step, event.node_id]
                before = {n.name for n, _ in node.inputs} | {n.name for n in node.controls}
                assert before & ended if node.type == "Merge" else before <= ended


def test_another_step_than_the_recorded_one_is_told(graph):
    fetches, init, feeds = program()
    log = run(graph, (fetches, init, feeds), "fifo", steps=1)[2]
    options = {"graph": graph, "executor": "executor", "device_count": {"CPU": 2}}
    told = pytest.raises(errors.FailedPreconditionError, match=r"recorded step runs '.*' next, but what is ready is")
    with tf.Session(policy=Replay(log), **options) as session, told:
        session.run(fetches[0])
    with tf.Session(policy=Replay(log), **options) as session:
        session.run(init)
        session.run(fetches, feeds)
        with pytest.raises(errors.FailedPreconditionError, match="every step of the recorded log has been replayed"):
            session.run(fetches, feeds)
