"""Each stage of run(): prune, optimise, place, partition, and the rendezvous that joins the parts."""

import numpy as np
import pytest

import refflow as tf
from refflow.core import errors
from refflow.core.registry import op_def
from refflow.runtime.device import Device, local_devices
from refflow.runtime.nodes import in_order
from refflow.runtime.optimise import optimise
from refflow.runtime.partition import partition
from refflow.runtime.place import place, table
from refflow.runtime.prune import prune
from refflow.runtime.rendezvous import Rendezvous, key_of


def names(step):
    return [n.name for n in step.nodes]


# -- prune ---------------------------------------------------------------------------------------------


def test_feeds_and_fetches_become_nodes():  # [W35]
    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.identity(x, name="y")
    step = prune([x], [y], [])
    assert names(step) == ["y", "_recv_x_0", "_send_y_0"] or names(step) == ["_recv_x_0", "y", "_send_y_0"]
    feed, fetch = step.feeds[0], step.fetches[0]
    assert feed.attrs["client_terminated"] and fetch.attrs["client_terminated"]
    assert fetch.inputs[0][0].inputs == [(feed, 0)]


def test_pruning_leaves_the_client_s_graph_alone(graph):  # [W36]
    x = tf.constant(1.0)
    y = x + 1.0
    before = str(graph.as_graph_def())
    step = prune([], [y], [])
    step.nodes[0].inputs.clear()
    assert str(graph.as_graph_def()) == before


def test_a_circle_is_refused(graph):  # [W01]
    x = tf.identity(tf.constant(1.0))
    y = tf.identity(x)
    step = prune([], [y], [])
    nodes = {n.name: n for n in step.nodes}
    nodes["Identity"].controls.append(nodes["Identity_1"])
    with pytest.raises(ValueError, match="wait for each other in a circle: Identity, Identity_1"):
        in_order(step.nodes)


# -- optimise ------------------------------------------------------------------------------------------


def types(step):
    return sorted(n.type for n in step.nodes if n.type not in ("_Send", "_Recv"))


def test_what_follows_from_constants_is_folded():
    x = tf.placeholder(tf.float32, [None, 3])
    y = tf.reshape(x, tf.reverse(tf.shape(x), [True])) + (tf.constant(1.0) + 2.0)
    step = optimise(prune([x], [y], [], [(4, 3)]))
    assert types(step) == ["Add", "Const", "Const", "Reshape"]


def test_what_changes_nothing_becomes_an_identity_that_waits_for_the_same():
    x = tf.placeholder(tf.float32, [None, 3])
    same = tf.reshape(x, tf.shape(x) * 1)
    step = optimise(prune([x], [tf.reduce_sum(same, np.zeros(0, np.int32)) + 1.0], [], [(4, 3)]))
    assert types(step) == ["Add", "Const", "Identity", "Identity"]


@pytest.mark.parametrize(("rows", "left"), [(4, []), (5, ["Assert"])])
def test_what_is_asserted_of_shapes_is_asked_once(rows, left, graph):
    """It holds, and nothing waits for it; or it does not, and the run says so."""
    x = tf.placeholder(tf.float32, [None, 3])
    with graph.control_dependencies([tf.Assert(tf.equal(tf.shape(x)[0], 4), [x])]):
        y = tf.exp(x)
    step = optimise(prune([x], [y], [], [(rows, 3)]))
    assert [t for t in types(step) if t not in ("Const", "Exp")] == left


def test_a_folded_node_still_waits_for_what_it_waited_for(graph):
    """The value is known, but the assignment before it must happen."""
    v = tf.Variable(0.0)
    with graph.control_dependencies([v.assign(5.0)]):
        known = tf.identity(tf.constant(1.0))
    result = known + 1.0
    with tf.Session() as session:
        assert session.run(result) == 2.0
        assert session.run(v) == 5.0


def test_equal_nodes_are_merged_where_asked_for_and_stateful_ones_never():  # [W48, E08]
    a, b = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    total = (a + b) * (b + a)
    noise = tf.random_uniform([]) - tf.random_uniform([])
    step = prune([a, b], [total, noise], [])
    assert types(optimise(step, fold=False, skip=False)).count("Add") == 4
    merged = types(optimise(step, fold=False, merge=True))
    assert merged.count("RandomUniform") == 2 and merged.count("Add") == 3


def test_plans_merge_equal_nodes_and_executors_do_not_unless_asked():  # [W48, E08]
    a = tf.placeholder(tf.float32, [])
    found = {}
    for options in ({}, {"executor": "executor"}, {"merge_common_subexpressions": False}):
        with tf.Session(**options) as session:
            step = session.stages(session.signature(tf.exp(a) * tf.exp(a), [a]), [()]).partitioned
        found[len(found)] = types(step).count("Exp")
    assert found == {0: 1, 1: 2, 2: 2}


@pytest.mark.parametrize(("loss", "left"), [(tf.square, 2), (tf.identity, 0)])
def test_a_pure_node_that_is_only_waited_for_is_not_run(loss, left):  # [S21]
    """The gradient of the constant `examples`; of a sum, the forward product too, and what counts is constant."""
    x, w = tf.constant(np.ones((4, 3), np.float32)), tf.Variable(np.ones((3, 2), np.float32))
    step = tf.train.GradientDescentOptimizer(0.5).minimize(tf.reduce_sum(loss(tf.matmul(x, w))))
    pruned = prune([], [], [step])
    assert types(pruned).count("MatMul") == 3
    assert types(optimise(pruned)).count("MatMul") == left


def test_what_only_such_a_node_reads_is_not_run_either():
    """The gradient of the number 1 in 1 - x: a sum, and what reshapes it for who waits."""
    x = tf.Variable(np.full((4, 3), 0.5, np.float32))
    step = tf.train.GradientDescentOptimizer(0.5).minimize(tf.reduce_sum(tf.square(1.0 - x)))
    pruned = prune([], [], [step])
    assert types(pruned).count("Sum") == 3 and types(optimise(pruned)).count("Sum") == 0


def test_sizes_that_the_shape_rule_has_read_do_no_harm():
    """The gradient of the first layer's pictures takes their sizes, which are integers, but constants."""
    x, w = tf.placeholder(tf.float32, [2, 8, 8, 1]), tf.Variable(tf.ones([3, 3, 1, 4]))
    step = tf.train.GradientDescentOptimizer(0.5).minimize(tf.reduce_sum(tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME")))
    pruned = prune([x], [], [step])
    assert types(pruned).count("Conv2DBackpropInput") == 1
    kept = types(optimise(pruned))
    assert kept.count("Conv2DBackpropInput") == 0 and kept.count("Conv2DBackpropFilter") == 1


@pytest.mark.parametrize("is_constant", [True, False])
def test_a_node_that_could_fail_is_run_though_nobody_reads_it(is_constant, graph):
    places = tf.constant([3]) if is_constant else tf.placeholder(tf.int32, [1])
    with graph.control_dependencies([tf.gather(tf.constant([1.0]), places)]):
        result = tf.constant(1.0) + 0.0
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0\] = 3"):
        session.run(result, {} if is_constant else {places: [3]})


# -- place ---------------------------------------------------------------------------------------------


class Accelerator(Device):
    """A device for the tests: preferred, and able to multiply matrices and keep variables only."""

    type = "gpu"
    priority = 2

    def supports(self, op_def, attrs):
        return op_def.name in ("MatMul", "Variable", "Assign", "_Send", "_Recv")


def two_kinds():
    return [Device(0), Accelerator(0)]


def where(step):
    return {n.name: n.device.name.rsplit("/", 1)[1] for n in step.nodes}


def test_the_faster_kind_is_preferred_and_everything_has_a_reason():  # [W21, S35]
    a = tf.placeholder(tf.float32, [2, 2], name="a")
    y = tf.matmul(a, a, name="y")
    step, rows = place(prune([a], [y], []), two_kinds())
    assert where(step)["y"] == "gpu:0"
    assert all(row.reason and row.device in row.candidates for row in rows)
    assert "y" in table(rows)


def test_the_first_device_by_name_is_taken_among_equals():  # [W21]
    y = tf.constant(1.0, name="y")
    step, _ = place(prune([], [y], []), list(reversed(local_devices({"CPU": 3}))))
    assert where(step)["y"] == "cpu:0"


def test_a_request_is_honoured_and_number_0_is_a_number(graph):  # [W37, E19]
    with graph.device("/cpu:1"):
        y = tf.constant(1.0, name="y")
    with graph.device("/device:CPU:0"):
        z = tf.identity(y, name="z")
    step, _ = place(prune([], [z], []), local_devices({"CPU": 2}))
    assert where(step)["y"] == "cpu:1" and where(step)["z"] == "cpu:0"


def test_who_changes_a_variable_is_placed_with_it(graph):  # [W21, W38]
    with graph.device("/cpu:1"):
        v = tf.Variable(1.0, name="v")
    with graph.device(None):
        change = v.assign_add(1.0)
    step, rows = place(prune([], [], [change.op]), local_devices({"CPU": 2}))
    assert where(step)["AssignAdd"] == "cpu:1"
    assert {r.node: r.reason for r in rows}["AssignAdd"].startswith("asked for /cpu:1")


def test_a_node_may_ask_for_another_node_s_device(graph):  # [W37]
    with graph.device("/cpu:1"):
        tf.constant(1.0, name="there")
    with graph.device("@there"):
        y = tf.identity(graph.get_tensor_by_name("there:0"), name="y")
    step, _ = place(prune([], [y], []), local_devices({"CPU": 2}))
    assert where(step)["y"] == "cpu:1"


def test_an_unknown_device_is_told_with_those_there_are(graph):  # [W22]
    with graph.device("/gpu:7"):
        y = tf.constant(1.0) + 1.0
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(y)
    assert "explicitly assigned to /gpu:7" in str(caught.value)
    assert "/job:localhost/replica:0/task:0/cpu:0" in str(caught.value)
    with tf.Session(allow_soft_placement=True) as session:
        assert session.run(y) == 2.0


def test_state_stays_where_the_first_step_put_it(graph):  # [W22]
    v = tf.Variable(1.0, name="v")
    devices, remembered = local_devices({"CPU": 2}), {}
    place(prune([], [], [v.initializer]), devices, remembered)
    v.op._set_device("/cpu:1")
    step, rows = place(prune([], [v.ref()], []), devices, remembered)
    assert where(step)["v"] == "cpu:0"
    assert {r.node: r.reason for r in rows}["v"] == "state is there since an earlier step"


def test_a_kind_of_device_without_a_kernel_is_told_what_there_is():  # [W05, S43]
    from refflow.core.registry import op_def

    with pytest.raises(tf.errors.UnimplementedError, match="Variable has no kernel for cpu"):
        Device(0).kernel(op_def("Variable"), {}, "reference")


# -- partition -----------------------------------------------------------------------------------------


def spread(graph, fan_out=1):
    """x on cpu:0, several users of it on cpu:1."""
    with graph.device("/cpu:0"):
        x = tf.identity(tf.constant([1.0, 2.0]), name="x")
    with graph.device("/cpu:1"):
        users = [tf.identity(x, name=f"user{i}") for i in range(fan_out)]
        y = tf.add_n(users, name="y")
    step, _ = place(prune([], [y], []), local_devices({"CPU": 2}))
    return partition(step)


def test_a_crossing_edge_becomes_a_send_and_a_receive(graph):  # [W23, S33]
    step, parts = spread(graph)
    assert [p.device.name[-5:] for p in parts] == ["cpu:0", "cpu:1"]
    pairs = [n for n in step.nodes if n.name.startswith("edge_")]
    assert [n.type for n in pairs if "_x/" in n.name] == ["_Send", "_Recv"]
    send, recv = (n for n in pairs if "_x/" in n.name)
    assert key_of(send) == key_of(recv) and send.attrs["recv_device"].endswith("cpu:1")
    for part in parts:
        inside = set(part.nodes)
        assert all({n for n, _ in node.inputs} | set(node.controls) <= inside for node in part.nodes)


def test_ten_users_on_one_device_share_one_transfer(graph):  # [W24]
    step, _ = spread(graph, fan_out=10)
    assert sum(n.type == "_Send" and "_x/" in n.name for n in step.nodes) == 1


def test_a_control_edge_crosses_too(graph):  # [W23, W03]
    with graph.device("/cpu:0"):
        v = tf.Variable(0.0)
        first = v.assign(1.0)
    with graph.device("/cpu:1"), graph.control_dependencies([first]):
        gate = tf.constant(0.0)
    with graph.device("/cpu:0"), graph.control_dependencies([gate]):
        second = v.assign_add(10.0)
    for seed in range(10):
        with tf.Session(device_count={"CPU": 2}, executor="executor", policy=f"random({seed})") as session:
            session.run(second.op)
            assert session.run(v) == 11.0


def test_a_log_shows_sends_receives_and_every_node_once(graph):  # [W17]
    with graph.device("/cpu:1"):
        x = tf.identity(tf.constant(3.0), name="x")
    with graph.device("/cpu:0"):
        y = tf.identity(x, name="y")
    ticks = iter(range(1000))
    with tf.Session(device_count={"CPU": 2}, executor="executor", log=True, clock=lambda: next(ticks)) as session:
        session.run(y)
    ended = [e.node for e in session.log.of_kind("end")]
    assert sorted(set(ended)) == sorted(ended) and {"x", "y"} <= set(ended)
    assert any("edge_" in e.node and e.detail.startswith("float32") for e in session.log.of_kind("recv"))
    assert [e.time for e in session.log.events] == list(range(len(session.log)))
    order = [(e.kind, e.node) for e in session.log.events]
    assert order.index(("ready", "x")) < order.index(("start", "x")) < order.index(("end", "x"))


# -- rendezvous ------------------------------------------------------------------------------------------


@pytest.fixture
def heard():
    """What the receivers were told, and a receiver that notes it."""
    told = []
    return told, lambda value, dead, error: told.append((value, dead, error))


def test_send_and_receive_meet_in_either_order(heard):  # [W25]
    told, done = heard
    meeting = Rendezvous()
    meeting.send("a", 1)
    meeting.recv_async("a", done)
    meeting.recv_async("b", done)
    assert meeting.awaited() == ["b"]
    meeting.send("b", 2, is_dead=True)
    assert told == [(1, False, None), (2, True, None)]


def test_a_key_is_used_once(heard):  # [W25]
    told, done = heard
    meeting = Rendezvous()
    meeting.send("a", 1)
    with pytest.raises(errors.AbortedError, match="sent twice"):
        meeting.send("a", 1)
    meeting.recv_async("b", done)
    meeting.recv_async("b", done)
    assert isinstance(told[0][2], errors.AbortedError)


def test_one_abort_releases_every_waiter_and_the_first_error_stays(heard):  # [W25]
    told, done = heard
    meeting = Rendezvous()
    meeting.recv_async("a", done)
    meeting.recv_async("b", done)
    first = errors.CancelledError(None, None, "enough")
    meeting.abort(first)
    meeting.abort(errors.InternalError(None, None, "later"))
    meeting.recv_async("c", done)
    assert [error for _, _, error in told] == [first] * 3
    with pytest.raises(errors.CancelledError):
        meeting.send("d", 1)


# -- memory ----------------------------------------------------------------------------------------------


def test_a_plan_reuses_the_buffers_of_values_that_died():  # [W16]
    from refflow.runtime.plan import Plan

    y = x = tf.placeholder(tf.float32, [1000])
    for _ in range(50):
        y = y + x
    with tf.Session() as session:
        stages = session.stages(session.signature(y + 0.0, [x]), [(1000,)])
        plan = Plan(stages.partitioned, "fast", {})
        assert plan.arena_bytes <= 2 * 4096
        assert plan.run([np.ones(1000, np.float32)])[0][0] == 51


def test_a_plan_s_buffer_is_not_handed_on_by_a_kernel_that_gives_its_input_back():  # [W16]
    """Split in one part may be its input itself: the memory must not be written again while it is needed."""
    x = tf.placeholder(tf.float32, [1, 2])
    first, second = tf.split(1, 1, x + 1.0)[0], tf.split(1, 1, x + 10.0)[0]
    with tf.Session() as session:
        assert session.run(first - second, {x: [[1, 2]]}).tolist() == [[-9.0, -9.0]]


def test_what_was_fetched_stays_when_its_variable_changes():  # [S65]
    v = tf.Variable([1.0, 2.0])
    part, step = tf.split(0, 1, v)[0], v.assign_add([1.0, 1.0])
    with tf.Session() as session:
        session.run(v.initializer)
        kept = session.run(part)
        session.run(step)
        assert kept.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_a_client_s_own_pair_for_host_memory_carries_a_value(executor):  # [W23]
    ends = {"tensor_name": "t", "send_device": "a", "send_device_incarnation": 1, "recv_device": "b"}
    with tf.Graph().as_default(), tf.Session(executor=executor) as session:
        sent = op_def("_HostSend")(tf.constant([1.0, 2.0]), **ends)
        received = op_def("_HostRecv")(tensor_type=tf.float32, **ends)
        assert session.run([received * 2.0, sent])[0].tolist() == [2, 4]
