"""A server of this process that is all of its cluster: its session tells what one of its own would."""

import socket

import numpy as np
import pytest

import refflow as tf
from refflow.files.step_stats import RunMetadata
from refflow.runtime.cluster import client


@pytest.fixture
def session(graph):
    server = tf.train.Server.create_local_server()
    with tf.Session(server.target) as found:
        yield found
    server.stop()


def test_a_step_may_go_on_as_its_feeds_come(session):
    a, b = tf.placeholder("float", []), tf.placeholder("float", [])
    total, v = a + 1.0, tf.Variable(1.0)
    product = total * b * v
    session.run(v.initializer)
    handle = session.partial_run_setup([total, product], [a, b])
    assert session.partial_run(handle, total, {a: 2.0}) == 3
    assert session.run(v.assign(10.0)) == 10, "a step in between, by way of the master"
    assert session.partial_run(handle, product, {b: 4.0}) in (12, 120)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Must run 'setup'"):
        session.partial_run(handle, product)


def test_times_and_parts_are_told_and_state_is_the_server_s(session):
    v = tf.Variable(np.eye(2, dtype=np.float32), name="v")
    session.run(v.initializer)
    metadata = RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE, output_partition_graphs=True)
    assert session.run(tf.matmul(v, v, name="m"), options=options, run_metadata=metadata).tolist() == [[1, 0], [0, 1]]
    ran = {n.node_name for d in metadata.step_stats.dev_stats for n in d.node_stats}
    assert "m" in ran and len(metadata.partition_graphs) == 1
    session.run(v.assign(2 * np.eye(2, dtype=np.float32)), options=options, run_metadata=RunMetadata())
    assert session.run(v)[0, 0] == 2, "what a traced step has set is there for the master's"


def _free():
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return f"localhost:{found.getsockname()[1]}"


def test_several_servers_of_this_process_tell_it_of_all_their_tasks(graph):
    spec = {"worker": [_free(), _free()]}
    workers = [tf.train.Server(spec, "worker", i) for i in range(2)]
    with tf.device("/job:worker/task:0"):
        a, b = tf.placeholder("float", []), tf.placeholder("float", [])
        first = tf.add(a, 1.0, name="first")
    with tf.device("/job:worker/task:1"):
        v = tf.Variable(10.0, name="v")
        second = tf.mul(first * b, v, name="second")
    metadata, options = RunMetadata(), tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE, output_partition_graphs=True)
    with tf.Session(workers[1].target) as session:
        session.run(v.initializer)
        assert session.run(second, {a: 1.0, b: 3.0}, options, metadata) == 60
        handle = session.partial_run_setup([first, second], [a, b])
        assert session.partial_run(handle, first, {a: 2.0}) == 3
        session.run(v.assign(100.0))  # by way of the master
        assert session.partial_run(handle, second, {b: 2.0}) in (60, 600)
    by_device = {d.device: {n.node_name for n in d.node_stats} for d in metadata.step_stats.dev_stats}
    assert "first" in by_device["/job:worker/replica:0/task:0/cpu:0"]
    assert "second" in by_device["/job:worker/replica:0/task:1/cpu:0"] and len(metadata.partition_graphs) == 2
    for worker in workers:
        worker.stop()


def test_servers_work_together_in_one_session_that_says_how(graph):
    from refflow.compat.v1 import ConfigProto
    from refflow.compat.v1.train import ClusterSpec

    one, two = tf.train.Server.create_local_server(), tf.train.Server.create_local_server()
    places = [client.address_of(server.target) for server in (one, two)]
    with tf.device("/job:worker/task:1"):
        v = tf.Variable(3.0, name="v")
    config = ConfigProto(cluster_def=ClusterSpec({"worker": places}).as_cluster_def())
    with tf.Session(one.target, config=config) as session:
        session.run(v.initializer)
        assert session.run(v) == 3 and session.sess_str == one.target
        assert [d.name for d in session.list_devices()][1] == "/job:worker/replica:0/task:1/cpu:0"
    with tf.Session(one.target, config=config) as again:
        assert again.run(v) == 3, "state is the server's, and outlasts the session"
    wrong = (({"worker": ["nowhere:1"]}, "no server of this process"), ({"a": places[1:]}, "no task of it"))
    for pairs, error in wrong:
        config = ConfigProto(cluster_def=ClusterSpec(pairs).as_cluster_def())
        with pytest.raises(tf.errors.OpError, match=error):
            tf.Session(one.target, config=config)
    for server in (one, two):
        server.stop()


def test_a_session_that_is_isolated_has_a_state_of_its_own_in_every_kind_of_step(graph):
    server = tf.train.Server.create_local_server()
    a, v = tf.placeholder("float", []), tf.Variable(1.0)
    y = a * v
    with tf.Session(server.target, isolate_session_state=True) as one, tf.Session(server.target) as other:
        one.run(v.initializer)
        handle = one.partial_run_setup([y], [a])
        assert one.partial_run(handle, y, {a: 3.0}) == one.run(y, {a: 3.0}) == 3
        with pytest.raises(tf.errors.FailedPreconditionError):
            other.run(v)
    server.stop()
