"""Towers on several devices and tasks: wherever they and their variables are, the numbers stay [S52, S61, S62]."""

from collections import Counter

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.cluster.network import Threads
from refflow.runtime.device import Device
from refflow.runtime.gpu import GpuDevice
from refflow.runtime.partition import transfers
from refflow.train.towers import build_towers, combine_gradients, combine_losses
from refflow_kernels.simulated import SimulatedCard
from tests.train.perceptron import RATE, START, Perceptron, X, Y, bits, trained


@pytest.mark.parametrize("cpus", [2, 3, 8])
def test_eight_towers_give_the_same_bits_over_any_number_of_devices(cpus):  # [S52, S64, S65]
    devices = tuple(f"/cpu:{i}" for i in range(cpus))
    assert bits(trained((6,) * 8, devices, cpus=cpus)) == bits(trained((6,) * 8))


@pytest.mark.parametrize("homes", [("", ""), ("/cpu:1", "/cpu:0"), ("/cpu:2", "/cpu:2"), ("", "/cpu:1")], ids="-".join)
def test_a_device_scope_that_moves_a_variable_changes_no_result(homes):  # [S52]
    assert bits(trained((8, 16), ("/cpu:0", "/cpu:1"), homes, cpus=3)) == bits(trained((8, 16)))


def tasks(count):
    """A session at the first of `count` tasks of one job, which has no other."""
    network = Threads()
    spec = {"worker": [f"worker:{i}" for i in range(count)]}
    servers = [
        tf.train.Server(spec, "worker", i, network=network, config=tf.ConfigProto(device_count={"CPU": 2}))
        for i in range(count)
    ]
    return servers


def over_tasks(count, homes, parts=("", ""), sizes=(12, 12)):
    servers = tasks(count)
    with tf.Graph().as_default() as graph:
        model = Perceptron(sizes, [f"/job:worker/task:{i}" for i in range(count)], homes, parts)
        with tf.Session(servers[0].target, graph=graph) as session:
            found = model.trained(session)
    for server in servers:
        server.stop()
    return found


@pytest.mark.parametrize("home", [0, 1])
def test_any_task_may_hold_a_variable(home):  # [S51, S52]
    """No job but workers, and each of them holds one or both of the variables."""
    one, other = f"/job:worker/task:{home}", f"/job:worker/task:{1 - home}"
    wanted = bits(trained((12, 12)))
    assert bits(over_tasks(2, (one, one))) == wanted
    assert bits(over_tasks(2, (one, other))) == wanted


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("policy", ["fifo", "lifo", "adversarial", "random(1)", "random(2)", "random(3)"])
def test_no_order_of_nodes_lets_a_replica_read_what_is_updated_already(policy, replicas, graph):  # [S54, S65, S85]
    """Also where a slope is a number that needs no variable, as that of a sum."""
    a, b = tf.Variable(3.0), tf.Variable(5.0)
    shards = [[tf.constant([float(i)])] for i in range(1, replicas + 1)]
    towers = build_towers(lambda x: tf.add_n([a, tf.reduce_sum(x) * b]), shards, ["/cpu:0", "/cpu:1"][:replicas])
    loss = combine_losses(towers)
    train = tf.train.GradientDescentOptimizer(0.5).apply_gradients(combine_gradients(towers))
    mean = (replicas + 1) / 2
    with tf.Session(device_count={"CPU": 2}, executor="executor", policy=policy) as session:
        session.run(tf.initialize_all_variables())
        assert session.run([train, loss])[1] == 3 + mean * 5
        assert session.run([a, b]) == [2.5, 5 - 0.5 * mean]


@pytest.mark.parametrize("policy", ["fifo", "lifo", "adversarial", "random(1)", "random(2)"])
def test_what_is_read_where_it_is_used_is_not_updated_before_either(policy, graph):  # [S54, S65, S85]
    """Through `ref()`: b is read again on the way back to a, when its own slope is there already."""
    a, b = tf.Variable([[3.0]]), tf.Variable([[5.0]])
    shards = [[tf.constant([[float(i)]])] for i in (1, 3)]
    towers = build_towers(lambda x: tf.reduce_mean(tf.matmul(tf.matmul(x, a.ref()), b.ref())), shards)
    train = tf.train.GradientDescentOptimizer(0.5).apply_gradients(combine_gradients(towers))
    with tf.Session(executor="executor", policy=policy) as session:
        session.run(tf.initialize_all_variables())
        session.run(train)
        assert session.run([a, b]) == [3 - 0.5 * 2 * 5, 5 - 0.5 * 2 * 3]


def test_variables_and_towers_may_be_on_a_card():  # [S52]
    """On a simulated one, where a step's reads are copies as they are elsewhere."""
    x, y = (np.random.default_rng(i).normal(size=(8, n)).astype(np.float32) for i, n in ((1, 3), (2, 2)))
    found = []
    for devices in (None, [Device(0), GpuDevice(0, SimulatedCard())]):
        with tf.Graph().as_default(), tf.Session(devices=devices, allow_soft_placement=True) as session:
            w = tf.Variable(np.ones((3, 2), np.float32))
            shards = list(zip(np.split(x, 2), np.split(y, 2), strict=True))
            training = tf.train.ReplicaTraining(
                lambda a, b: tf.reduce_mean(tf.square(tf.matmul(a, w) - b)),  # noqa: B023
                shards, tf.train.GradientDescentOptimizer(RATE),
            )  # fmt: skip
            session.run(tf.initialize_all_variables())
            trace = training.run(session, 5)
            found.append([session.run(w), *trace.losses])
            group = training.groups[0]
            rows = session.stages(session.signature(group.train, list(training.feeds(0, 0)))).placement
    assert {row.device[-5:] for row in rows if row.op_type in ("Snapshot", "ApplyGradientDescent")} == {"gpu:0"}
    for got, wanted in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5)
    assert found[0][-1] < found[0][1]


# -- two by two -----------------------------------------------------------------------------------------------


def test_two_replicas_of_two_partitions_give_the_values_of_one_device():  # [S61]
    """Each replica is a task, and its layers are on its two devices; the variables lie on the first task's."""
    homes = "/job:worker/task:0/cpu:0", "/job:worker/task:0/cpu:1"
    found = over_tasks(2, homes, parts=("/cpu:0", "/cpu:1"))
    assert bits(found) == bits(trained((12, 12)))
    for got, wanted in zip(found, trained((24,)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def grid(session, graph):
    """A step over two replicas, on devices 0, 1 and 2, 3; variables on 0 and 1. Its model and its transfers."""
    place = iter((0, 2))

    def loss_of(x, y):
        first = next(place)
        with tf.device(f"/cpu:{first}"):
            h = tf.tanh(tf.matmul(x, w), name="h")
        with tf.device(f"/cpu:{first + 1}"):
            return tf.reduce_mean(tf.square(tf.matmul(h, v) - y))

    with tf.device("/cpu:0"):
        w = tf.Variable(START["w"], name="w")
    with tf.device("/cpu:1"):
        v = tf.Variable(START["v"], name="v")
    shards = [[tf.placeholder(tf.float64, [6, m], name=f"x{i}{m}") for m in (3, 2)] for i in range(2)]
    pairs = combine_gradients(build_towers(loss_of, shards))
    train = tf.train.GradientDescentOptimizer(RATE).apply_gradients(pairs)
    stages = session.stages(session.signature(train, [t for shard in shards for t in shard]))
    return transfers(stages.partitioned)


def test_what_crosses_is_one_message_for_each_tensor_and_destination():  # [S62]
    with tf.Graph().as_default() as graph, tf.Session(graph=graph, device_count={"CPU": 4}) as session:
        found = [(t.value, t.source[-1], t.destination[-1], t.nbytes) for t in grid(session, graph)]
    assert len({(value, there) for value, _, there, _ in found}) == len(found)
    big = Counter((a, b, n) for value, a, b, n in found if not value.startswith(("^", "_recv")) and n > 16)
    assert big == {
        ("0", "2", 3 * 4 * 8): 1, ("1", "3", 4 * 2 * 8): 1,  # the variables, to the second replica
        ("0", "1", 6 * 4 * 8): 1, ("2", "3", 6 * 4 * 8): 1,  # what the first layer gives
        ("1", "0", 6 * 4 * 8): 1, ("3", "2", 6 * 4 * 8): 1,  # and its slopes, back
        ("2", "0", 3 * 4 * 8): 1, ("3", "1", 4 * 2 * 8): 1,  # the gradients, to the variables
    }  # fmt: skip


def test_towers_of_one_device_share_the_parameters_that_are_sent_there():  # [S62]
    with tf.Graph().as_default() as graph, tf.Session(graph=graph, device_count={"CPU": 3}) as session:
        model = Perceptron((4,) * 6, ("/cpu:0", "/cpu:1", "/cpu:2"), homes=("/cpu:0", "/cpu:1"))
        stages = session.stages(session.signature(model.train, list(model.feeds(X[:24], Y[:24]))))
    found = Counter((t.value, t.source[-1], t.destination[-1]) for t in transfers(stages.partitioned))
    assert set(found.values()) == {1}
    sent = {edge for edge in found if edge[0].startswith("tower_reads/")}
    w, v = "tower_reads/w:0", "tower_reads/v:0"
    assert sent == {(w, "0", "1"), (w, "0", "2"), (v, "1", "0"), (v, "1", "2")}
