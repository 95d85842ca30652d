"""One step over several tasks: the same values on every network, few messages, and errors that name their node."""

import os
import re
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.cluster import client
from refflow.runtime.cluster.network import Threads
from refflow.runtime.cluster.simulated import Simulated
from tests.runtime.cluster.programs import SPEC, Program, X, servers


@contextmanager
def on_sockets():
    """Three tasks of this process that talk over TCP."""
    doors = {job: [free_address() for _ in tasks] for job, tasks in SPEC.items()}
    with ExitStack() as stack:
        made = {}
        for job, n in [("ps", 0), ("worker", 1), ("worker", 0)]:
            made[f"{job}{n}"] = tf.train.Server(doors, job, n)
            stack.callback(made[f"{job}{n}"].stop)
        yield made["worker0"].target


def free_address():
    import socket

    with socket.create_server(("localhost", 0)) as door:
        return f"localhost:{door.getsockname()[1]}"


@contextmanager
def on_threads():
    made = servers(Threads())
    yield made["worker0"].target
    for server in made.values():
        server.stop()


@contextmanager
def in_virtual_time():
    yield servers(Simulated())["worker0"].target


NETWORKS = [on_threads, in_virtual_time, on_sockets]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_step_gives_the_bits_of_one_process_on_every_network(network):  # [W13, W26, E17]
    wanted = Program(here=True).losses()
    with network() as target:
        got = Program().losses(target)
    assert [np.asarray(x).tobytes() for x in got] == [np.asarray(x).tobytes() for x in wanted]


def test_processes_give_the_same_bits_too():  # [W13, W26]
    doors = {job: [free_address() for _ in tasks] for job, tasks in SPEC.items()}
    text = ";".join(f"{job}={','.join(tasks)}" for job, tasks in doors.items())
    command = [sys.executable, "-m", "refflow", "serve", text, "--job"]
    with ExitStack() as stack:
        for job, n in [("ps", 0), ("worker", 0), ("worker", 1)]:
            process = subprocess.Popen([*command, job, "--task", str(n)], stdout=subprocess.PIPE, text=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            line = process.stdout.readline()
            stack.callback(process.stdout.close)
            assert line == f"/job:{job}/replica:0/task:{n} at refflow://{doors[job][n]}\n"
        got = Program().losses(f"refflow://{doors['worker'][0]}")
    assert got == Program(here=True).losses()


def test_a_step_is_one_small_message_for_each_worker():  # [O02, W25]
    network = Simulated()
    target = servers(network)["worker0"].target
    program = Program()
    with program.session(target) as session:
        session.run(program.init)
        session.run(program.train, {program.x: X})
        network.messages.clear()
        for _ in range(10):
            session.run(program.train, {program.x: X})
    assert network.messages["worker/run"] == 30 and network.messages["master/run"] == 10
    assert network.messages["worker/register"] == 0 and network.messages["master/extend"] == 0


def test_a_tensor_moves_once_to_each_task_that_uses_it():  # [W24]
    network = Simulated()
    target = servers(network)["worker0"].target
    with tf.Graph().as_default() as graph:
        with tf.device("/job:ps"):
            a = tf.constant(1.0) + tf.random_uniform([])
        with tf.device("/job:worker/task:1"):
            total = tf.add_n([a * float(i) for i in range(10)])
        with tf.Session(target, graph=graph) as session:
            session.run(total.op)
    assert network.messages["worker/recv"] == 1


def test_time_passes_as_the_lines_allow():  # [W26]
    slow = Simulated(latency=0.5, bandwidth=1e4)
    target = servers(slow)["worker0"].target
    with tf.Graph().as_default() as graph:
        with tf.device("/job:ps"):
            a = tf.Variable(tf.zeros([10_000]))
            doubled = a * 2.0
        with tf.device("/job:worker/task:0"):
            b = tf.reduce_sum(doubled)
        init = tf.initialize_all_variables()
        with tf.Session(target, graph=graph) as session:
            session.run(init)
            session.run(b)
            before = slow.now
            session.run(b)
    # To the master and back, to the workers and back; the question for the value, and its 40,000 bytes, in between.
    assert 4 + 3 < slow.now - before < 4 + 6


@pytest.mark.parametrize("network", NETWORKS)
def test_an_error_names_its_node_and_the_line_that_built_it(network):  # [W82, W18]
    with network() as target, tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.int32, [], name="x")
        with tf.device("/job:ps"):
            bad = tf.gather(tf.constant([1, 2, 3]), x, name="bad")
        with tf.device("/job:worker/task:1"):
            y = bad + 1
        with tf.Session(target, graph=graph) as session:
            assert session.run(y, {x: 2}) == 4
            with pytest.raises(tf.errors.InvalidArgumentError, match="bad") as caught:
                session.run(y, {x: 3})
            assert caught.value.op is graph.get_operation_by_name("bad")
            assert "test_cluster.py" in str(caught.value) and "/job:ps/replica:0/task:0/cpu:0" in str(caught.value)
            assert session.run(y, {x: 0}) == 2


@pytest.mark.parametrize("network", NETWORKS)
def test_loops_and_branches_run_over_several_workers(network):  # [W42, W41]
    def power(cluster):
        def on(name):
            return tf.device(name if cluster else "/cpu:0")

        x = tf.placeholder(tf.float32, [2, 2], name="x")
        with on("/job:worker/task:0"):
            i, product = tf.constant(0), tf.identity(x)

        def body(i, product):
            with on("/job:worker/task:1"):
                product = tf.matmul(product, x)
            with on("/job:ps"):
                return i + 1, product * 0.5

        _, product = tf.while_loop(lambda i, product: tf.less(i, 5), body, [i, product])
        total = tf.reduce_sum(product)
        branch = tf.cond(total > 0, lambda: total * 2, lambda: total - 1)
        return x, [branch, tf.gradients(branch, x)[0]]

    value = np.float32([[1, 2], [0.5, -1]])
    with tf.Graph().as_default() as graph:
        x, wanted = power(False)
        with tf.Session(graph=graph) as session:
            wanted = session.run(wanted, {x: value})
    with network() as target, tf.Graph().as_default() as graph:
        x, fetches = power(True)
        with tf.Session(target, graph=graph, allow_soft_placement=True) as session:
            got = session.run(fetches, {x: value})
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-6)
    np.testing.assert_allclose(got[1], wanted[1], rtol=1e-6)


def test_a_queue_on_the_server_joins_two_clients():  # [W44, O01]
    with on_threads() as target:
        import threading

        def build():
            with tf.device("/job:ps"):
                return tf.FIFOQueue(2, tf.int32, shared_name="numbers")

        got = []

        def consume():
            with tf.Graph().as_default() as graph:
                value = build().dequeue()
                with tf.Session(target, graph=graph) as session:
                    got.extend(session.run(value) for _ in range(5))

        consumer = threading.Thread(target=consume)
        consumer.start()
        with tf.Graph().as_default() as graph:
            x = tf.placeholder(tf.int32, [])
            put = build().enqueue(x)
            with tf.Session(target, graph=graph) as session:
                for i in range(5):
                    session.run(put, {x: i})
        consumer.join()
    assert got == [0, 1, 2, 3, 4]


def test_sessions_share_the_variables_of_the_cluster():  # [W47, O01]
    with on_threads() as target:
        first, second = Program(), Program()
        with first.session(target) as one, second.session(target) as two:
            one.run(first.init)
            one.run(first.train, {first.x: X})
            np.testing.assert_array_equal(two.run(second.w), one.run(first.w))
        tf.Session.reset(target)
        with first.session(target) as session, pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized"):
            session.run(first.w)


def test_a_graph_may_grow_between_steps():  # [W07, W09]
    with on_threads() as target, tf.Graph().as_default() as graph:
        a = tf.constant(2.0)
        with tf.Session(target, graph=graph) as session:
            assert session.run(a) == 2
            b = a * a
            assert session.run([b, a]) == [4, 2]
            assert session.counters["operations_seen"] == graph.version


@pytest.mark.parametrize("network", [on_threads, in_virtual_time])
def test_a_deadline_ends_the_step_on_all_workers(network):  # [W18]
    with network() as target, tf.Graph().as_default() as graph:
        with tf.device("/job:ps"):
            queue = tf.FIFOQueue(2, tf.int32, shared_name="empty")
            value, put = queue.dequeue(), queue.enqueue(7)
        with tf.device("/job:worker/task:1"):
            y = value + 1
        with tf.Session(target, graph=graph) as session:
            with pytest.raises(tf.errors.DeadlineExceededError):
                session.run(y, options=tf.RunOptions(timeout_in_ms=200))
            session.run(put)
            assert session.run(y) == 8  # the step that was given up has taken nothing


def test_what_a_cluster_cannot_do_is_said(monkeypatch):
    monkeypatch.setattr(client, "servers_here", {})  # as if each were in a process of its own
    with on_threads() as target:
        program = Program()
        with program.session(target) as session:
            with pytest.raises(tf.errors.UnimplementedError, match="stages of a step"):
                session.stages(session.signature(program.w))
            with pytest.raises(tf.errors.UnimplementedError, match="times of nodes"):
                session.run(program.init, options=tf.RunOptions(trace_level=3), run_metadata=tf.RunMetadata())
            with pytest.raises(tf.errors.UnimplementedError, match="stages of a step"):
                session.partial_run_setup([program.loss], [program.x])
        with pytest.raises(ValueError, match="lossy_transfers is a function"):
            program.session(target, lossy_transfers=lambda name: True)
    with pytest.raises(ValueError, match="refflow://host:port"):
        tf.Session("grpc://localhost:1")


def test_where_nodes_go_is_the_master_s_to_say():
    with on_threads() as target, tf.Graph().as_default() as graph:
        with tf.device("/job:chief"):
            a = tf.constant(1)
        with tf.Session(target, graph=graph) as session:
            names = [d.name for d in session.list_devices()]
            assert names == sorted(
                f"/job:{j}/replica:0/task:{n}/cpu:0" for j, n in [("ps", 0), ("worker", 0), ("worker", 1)]
            )
            with pytest.raises(tf.errors.InvalidArgumentError, match="/job:chief"):
                session.run(a)


def test_a_local_server_is_a_cluster_of_its_own():
    server = tf.train.Server.create_local_server()
    assert re.fullmatch(r"refflow://localhost:\d+", server.target)
    with tf.Graph().as_default() as graph, tf.Session(server.target, graph=graph) as session:
        assert session.run(tf.constant(3) * 2) == 6
        assert session.sess_str == server.target
    server.stop()
    server.join()


def test_the_specification_of_a_cluster():
    spec = tf.train.ClusterSpec({"worker": {1: "a:1", 3: "b:2"}, "ps": ["c:3", "d:4"]})
    assert spec.jobs == ["ps", "worker"] and spec.num_tasks("worker") == 2 and spec.task_indices("worker") == [1, 3]
    assert spec.job_tasks("worker") == [None, "a:1", None, "b:2"] and spec.task_address("ps", 1) == "d:4"
    assert spec.as_dict() == {"worker": {1: "a:1", 3: "b:2"}, "ps": ["c:3", "d:4"]}
    assert spec == tf.train.ClusterSpec(spec.as_dict()) and spec and not tf.train.ClusterSpec({})
    with pytest.raises(ValueError, match="No such job"):
        spec.num_tasks("chief")
    with pytest.raises(ValueError, match="No task with index 0"):
        spec.task_address("worker", 0)
    with pytest.raises(ValueError, match="task_index must be given"):
        tf.train.Server(spec, "ps")
    with pytest.raises(ValueError, match="twice"):
        tf.train.ClusterSpec.parse("ps=a:1;ps=b:1")


def test_an_address_that_is_taken_or_none_is_said_at_once():
    server = tf.train.Server.create_local_server()
    taken = server.target.removeprefix("refflow://")
    with pytest.raises(ValueError, match="cannot listen at"):
        tf.train.Server({"ps": [taken]})
    with pytest.raises(ValueError, match="has the form host:port"):
        tf.train.Server({"ps": ["nowhere"]})
    server.stop()
    assert os.environ.get("REFFLOW_CLUSTER") is None
