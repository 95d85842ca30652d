"""What goes from one device to another: each tensor once, counted, and as 16 bits where asked for."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refflow as tf
from refflow.runtime.device import local_devices
from refflow.runtime.partition import partition, transfers
from refflow.runtime.place import place
from refflow.runtime.prune import prune

EXECUTABLES = [{}, {"executor": "executor"}, {"executor": "executor", "policy": "random(5)"}]


def moved(fetches, devices, targets=(), lossy=False):
    """The transfers of a step, with the devices' numbers."""
    step, _ = place(prune([], fetches, list(targets)), local_devices({"CPU": devices}))
    found = transfers(partition(step, lossy)[0])
    return [(t.value, int(t.source[-1]), int(t.destination[-1]), t.nbytes, t.is_lossy) for t in found]


# -- once for each destination -------------------------------------------------------------------------------


def test_a_tensor_moves_once_for_each_destination_and_nothing_else_does(graph):  # [W24]
    with graph.device("/cpu:0"):
        x = tf.identity(tf.ones([3, 5]), name="x")
    users = []
    for k in (1, 2):
        with graph.device(f"/cpu:{k}"):
            users += [tf.reduce_sum(x, [0, 1], name=f"sum{k}_{i}") for i in range(4)]
    with graph.device("/cpu:0"):
        total = tf.add_n(users, name="total")
    found = moved([total], 3)
    assert [t for t in found if t[0] == "x:0"] == [("x:0", 0, 1, 60, False), ("x:0", 0, 2, 60, False)]
    assert sorted(t for t in found if t[0] != "x:0") == [
        (f"sum{k}_{i}:0", k, 0, 4, False) for k in (1, 2) for i in range(4)
    ]


def test_a_control_edge_moves_nothing_but_word_that_a_node_has_run(graph):  # [W23, W24]
    with graph.device("/cpu:0"):
        first = tf.identity(tf.constant(1.0), name="first")
    with graph.device("/cpu:1"), graph.control_dependencies([first]):
        second, third = tf.constant(2.0, name="second"), tf.constant(3.0, name="third")
    found = moved([], 2, [second.op, third.op])
    assert found == [("^first", 0, 1, 0, False)]


def mlp(graph, devices):
    """A perceptron of four layers, one on each of `devices` devices, and a step of its training."""
    rng = np.random.default_rng(4)
    sizes = [12, 16, 16, 8, 4]
    x = tf.placeholder(tf.float32, [20, sizes[0]], name="x")
    labels = tf.placeholder(tf.float32, [20, sizes[-1]], name="labels")
    h, weights = x, []
    for k, (rows, columns) in enumerate(pairwise(sizes)):
        with graph.device(f"/cpu:{k % devices}"):
            w = tf.Variable(rng.normal(size=(rows, columns)).astype(np.float32), name=f"w{k}")
            b = tf.Variable(np.zeros(columns, np.float32), name=f"b{k}")
            h = tf.matmul(h, w) + b
            h = tf.nn.relu(h) if k < len(sizes) - 2 else h
            weights += [w, b]
    with graph.device(f"/cpu:{devices - 1}"):
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(h, labels), name="loss")
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    slopes = tf.gradients(loss, weights, colocate_gradients_with_ops=True, gate_gradients=True)
    train = optimizer.apply_gradients(list(zip(slopes, weights, strict=True)))
    feeds = {x: rng.normal(size=(20, 12)).astype(np.float32), labels: np.eye(4, dtype=np.float32)[np.arange(20) % 4]}
    return tf.initialize_all_variables(), loss, train, weights, feeds


def trained(devices, **options):
    """The losses of five steps and the parameters after them, and what a step moves."""
    with tf.Graph().as_default() as graph:
        init, loss, train, weights, feeds = mlp(graph, devices)
        with tf.Session(device_count={"CPU": devices}, kernels="reference", **options) as session:
            session.run(init)
            losses = [session.run([loss, train], feeds)[0] for _ in range(5)]
            stages = session.stages(session.signature([loss, train], list(feeds)))
            return losses, session.run(weights), transfers(stages.partitioned)


@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
def test_a_perceptron_over_four_devices_gives_the_bits_of_one(options):  # [S33, W24, W57]
    """With the transfers counted: activations forward, their slopes back, one message to each device for the rest."""
    losses, weights, alone = trained(1, **options)
    assert alone == []
    spread_losses, spread_weights, crossing = trained(4, **options)
    assert np.array(spread_losses).tobytes() == np.array(losses).tobytes() and losses[4] < losses[0]
    assert [w.tobytes() for w in spread_weights] == [w.tobytes() for w in weights]
    pairs = [(t.value, t.destination) for t in crossing]
    assert len(pairs) == len(set(pairs))
    values = [t for t in crossing if not t.value.startswith("^")]
    forward = [t for t in values if t.value.startswith("Relu") and t.source[-1] < t.destination[-1]]
    assert [(t.source[-1], t.destination[-1], t.nbytes) for t in forward] == [
        ("0", "1", 20 * 16 * 4), ("1", "2", 20 * 16 * 4), ("2", "3", 20 * 8 * 4),
    ]  # fmt: skip
    back = [t for t in values if int(t.source[-1]) == int(t.destination[-1]) + 1 and t.nbytes >= 20 * 8 * 4]
    assert sorted(t.nbytes for t in back) == sorted(t.nbytes for t in forward)


# -- 16 bits ---------------------------------------------------------------------------------------------------


def test_the_lossy_transfer_is_off_unless_asked_for(graph):  # [E11]
    assert tf.ConfigProto().lossy_transfers is False


def spread(graph, dtype=tf.float32, value=1.00390625 + 2.0**-20):
    with graph.device("/cpu:0"):
        x = tf.identity(tf.constant(np.full((3, 5), value, dtype.as_numpy_dtype)), name="x")
    with graph.device("/cpu:1"):
        y = tf.identity(x, name="y")
    return x, y


@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
def test_a_float32_travels_as_its_high_half_and_comes_back_with_zeros(graph, options):  # [W52, E11]
    _, y = spread(graph)
    assert moved([y], 2) == [("x:0", 0, 1, 60, False), ("y:0", 1, 0, 60, False)]
    assert moved([y], 2, lossy=True) == [("x:0", 0, 1, 30, True), ("y:0", 1, 0, 30, True)]
    with tf.Session(device_count={"CPU": 2}, optimize=False, lossy_transfers=True, **options) as session:
        assert session.run(y).tolist() == np.full((3, 5), 1.0).tolist()
        stages = session.stages(session.signature(y))
    casts = [(n.type, n.device.name[-1]) for n in stages.partitioned.nodes if n.type in ("Cast", "_Send", "_Recv")]
    assert casts[:4] == [("Cast", "0"), ("_Send", "0"), ("_Recv", "1"), ("Cast", "1")]
    for part in stages.partitions:  # each part stands alone
        assert all(n in part.nodes for node in part.nodes for n, _ in node.inputs)


def test_a_function_of_its_name_chooses_which_tensor_loses_bits(graph):  # [W52]
    _, y = spread(graph)
    assert [t[4] for t in moved([y], 2, lossy=lambda name: name == "x:0")] == [True, False]


@pytest.mark.parametrize("dtype", [tf.float64, tf.float16, tf.int32])
def test_other_types_and_word_that_a_node_has_run_stay_whole(graph, dtype):  # [W52]
    x, y = spread(graph, dtype, 3)
    with graph.device("/cpu:1"), graph.control_dependencies([x]):
        z = tf.constant(0.0, name="z")
    assert not any(t[4] for t in moved([y], 2, [z.op], lossy=True))


def test_a_variable_that_is_read_elsewhere_is_cut_when_its_user_reads_it(graph):  # [W12, W52]
    with graph.device("/cpu:0"):
        v = tf.Variable([1.0, 2.0 + 2.0**-20], name="v")
        change = v.assign([3.0, 4.0 + 2.0**-20])
    with graph.device("/cpu:1"), graph.control_dependencies([change.op]):
        y = tf.add(v.ref(), 0.0, name="y")
    for policy in ("fifo", "lifo", "adversarial"):
        with tf.Session(
            device_count={"CPU": 2}, executor="executor", policy=policy, lossy_transfers=lambda name: name == "v:0"
        ) as session:
            session.run(v.initializer)
            assert session.run(y).tolist() == [3.0, 4.0]


def test_a_loop_over_devices_may_lose_bits_in_each_iteration(graph):  # [W42, W52]
    def body(i, a):
        with graph.device("/cpu:1"):
            a = a + 2.0**-12
        return [i + 1, a]

    end = tf.while_loop(lambda i, a: i < 3, body, [0, tf.constant(1.0)])[1]
    with tf.Session(device_count={"CPU": 2}) as session:
        assert session.run(end) == 1.0 + 3 * 2.0**-12
    with tf.Session(device_count={"CPU": 2}, lossy_transfers=True) as session:
        assert session.run(end) == 1.0


words = st.integers(0, 2**32 - 1)


@given(st.lists(words, min_size=1, max_size=8))
def test_values_with_an_empty_low_half_pass_unchanged_and_a_second_trip_changes_nothing(many):  # [W52, W53]
    bits = np.array(many, np.uint32)
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None])
        with graph.device("/cpu:1"):
            there = tf.identity(x, name="there")
        with graph.device("/cpu:0"):
            back = tf.identity(there, name="back")
        with tf.Session(device_count={"CPU": 2}, lossy_transfers=True) as session:

            def trip(words):
                return session.run(back, {x: words.view(np.float32)}).view(np.uint32)

            once = trip(bits)
            assert not (once & 0xFFFF).any()
            assert trip(once).tolist() == once.tolist()
            plain = ~np.isnan(bits.view(np.float32))
            assert (once[plain] == (bits & np.uint32(0xFFFF0000))[plain]).all()
            assert np.isnan(once.view(np.float32)).tolist() == (~plain).tolist()
            finite = plain & (np.abs(bits.view(np.float32)) >= 2.0**-126) & np.isfinite(bits.view(np.float32))
            exact, got = bits.view(np.float32)[finite].astype(float), once.view(np.float32)[finite].astype(float)
            assert (np.abs(got) <= np.abs(exact)).all() and (np.abs(got - exact) < np.abs(exact) * 2.0**-7).all()
