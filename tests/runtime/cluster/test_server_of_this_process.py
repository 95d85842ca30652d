"""A server of this process that is all of its cluster: its session tells what one of its own would."""

import numpy as np
import pytest

import refflow as tf
from refflow.files.step_stats import RunMetadata


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


def test_a_cluster_of_several_tasks_refuses_them(graph):
    from refflow.compat.v1.test import create_local_cluster

    workers, _ = create_local_cluster(2, 0)
    a = tf.placeholder("float")
    with tf.Session(workers[0].target) as session, pytest.raises(tf.errors.UnimplementedError, match="from a cluster"):
        session.partial_run_setup([a + 1.0], [a])
    for worker in workers:
        worker.stop()
