"""A variable read through an Identity is seen as it is when its user runs [W12]."""

import numpy as np
import pytest

import refflow as tf
import refflow.compat.v1 as v1
from refflow.core.registry import op_def
from refflow.runtime.device import Device


@pytest.fixture(params=["plan", "executor"])
def session(request):
    with tf.Graph().as_default(), tf.Session(executor=request.param) as session:
        yield session


def variable(session, *values):
    v = tf.Variable(np.array(values, np.float32))
    session.run(v.initializer)
    return v


def after(node, make):
    with tf.get_default_graph().control_dependencies([node]):
        return make()


def test_who_waits_for_an_assignment_sees_it(session):
    v = variable(session, 1, 2)
    read = tf.identity(v.ref())
    assigned = tf.assign(v.ref(), [5.0, 6.0])
    assert session.run(after(assigned, lambda: read + 1.0)).tolist() == [6, 7]


def test_who_waits_for_a_change_of_rows_sees_it(session):
    v = variable(session, 1, 2)
    read = tf.identity(v.ref())
    changed = tf.scatter_add(v.ref(), [0], [5.0])
    assert session.run(after(changed, lambda: tf.gather(read, [0]))).tolist() == [6]


def test_what_was_computed_before_stays(session):
    v = variable(session, 1, 2)
    doubled = tf.identity(v.ref()) * 2.0
    assigned = after(doubled, lambda: tf.assign(v.ref(), [7.0, 7.0]))
    assert [a.tolist() for a in session.run([doubled, assigned])] == [[2, 4], [7, 7]]


def test_an_identity_that_waits_gives_what_was_there_then(session):
    v = variable(session, 1, 2)
    first = tf.assign_add(v.ref(), [1.0, 1.0])
    between = after(first, lambda: tf.identity(v.ref()))
    second = after(between, lambda: tf.assign_add(v.ref(), [1.0, 1.0]))
    assert session.run([after(second, lambda: between * 1.0), second])[0].tolist() == [2, 3]


def test_a_fetched_identity_is_in_memory_of_its_own(session):
    v = variable(session, 1, 2)
    value = session.run(tf.identity(v.ref()))
    value[:] = 9
    assert session.run(v.ref()).tolist() == [1, 2]


def test_a_variable_on_another_device_is_still_read():
    with tf.Graph().as_default():
        with tf.device("/cpu:0"):
            v = tf.Variable([1.0, 2.0])
            read = tf.identity(v.ref())
        with tf.device("/cpu:1"):
            y = read + 1.0
        config = tf.ConfigProto(device_count={"CPU": 2})
        with tf.Session(config=config) as session:
            session.run(v.initializer)
            assert session.run(y).tolist() == [2, 3]


def test_the_reader_of_a_variable_without_a_value_is_told(session):
    v = tf.Variable([1.0])
    with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value"):
        session.run(op_def("Neg")(tf.identity(v.ref())))


@pytest.mark.parametrize("executor", ["plan", "executor"])
@pytest.mark.parametrize("cpus", [1, 2])
def test_a_snapshot_stays_as_it_was_read(executor, cpus):  # [W12]
    with tf.Graph().as_default():
        v = tf.Variable([1.0, 2.0])
        read = tf.identity(v.ref())
        assigned = after(read, lambda: tf.assign(v.ref(), [5.0, 6.0]))
        with tf.device(f"/cpu:{cpus - 1}"):
            seen = after(assigned, lambda: read + 1.0)
        for reads, wanted in (("live", [6, 7]), ("snapshot", [2, 3])):
            with tf.Session(executor=executor, device_count={"CPU": cpus}, variable_reads=reads) as session:
                session.run(v.initializer)
                assert session.run(seen).tolist() == wanted
                assert session.run(v).tolist() == [5, 6]


@pytest.mark.parametrize("options", [{}, {"executor": "executor"}], ids=str)
def test_what_takes_one_input_by_handle_reads_the_others(options):  # [W12]
    """A queue's handle is a reference, and so is the variable whose value goes into it."""
    v, pred, step = tf.Variable(3.0), tf.Variable(True, trainable=False), tf.Variable(np.int64(2), trainable=False)
    queue = tf.FIFOQueue(5, tf.float32, [])
    put = op_def("QueueEnqueue")(queue.queue_ref, [v.ref()])
    gathered = op_def("ConditionalAccumulator")(dtype=tf.float32, shape=[])
    changes = [op_def("AccumulatorSetGlobalStep")(gathered, step.ref()),
               op_def("AccumulatorApplyGradient")(gathered, step.ref(), v.ref())]  # fmt: skip
    taken = op_def("RefSwitch")(v.ref(), pred.ref()).output_true
    with tf.Session(**options) as session:
        session.run(tf.initialize_all_variables())
        session.run([put, *changes])
        mean = op_def("AccumulatorTakeGradient")(gathered, 1, dtype=tf.float32)
        assert session.run([queue.dequeue(), mean]) == [3.0, 3.0]
        assert session.run(taken) == 3.0


def test_a_variable_is_read_again_where_it_may_have_changed(graph):  # [W12]
    v = tf.Variable(2.0)
    before = [v + 1.0, v * 3.0]
    with graph.control_dependencies(before):
        change = tf.assign(v, 5.0)
    with graph.control_dependencies([change]):
        after = v * 10.0
    with tf.Session(graph=graph) as session:
        session.run(tf.initialize_all_variables())
        plan = session.stages(session.signature([*before, after], []), []).executable(tf.ConfigProto(), {})
        assert session.run([*before, after]) == [3.0, 6.0, 50.0]
    assert plan.source.count(".value\n") == 2


def test_a_read_that_is_only_waited_for_copies_nothing(monkeypatch):
    """So a gradient waits for the variables whose shapes it asked for, which are known."""
    copied = []
    copy = Device.private_copy
    monkeypatch.setattr(Device, "private_copy", lambda device, v: copied.append(np.shape(v)) or copy(device, v))
    with v1.Graph().as_default(), v1.Session() as session:
        w, b = v1.Variable(v1.ones([3, 4])), v1.Variable(v1.zeros([4]))
        loss = v1.reduce_sum(v1.matmul(v1.ones([2, 3]), w) + b)
        train = v1.train.GradientDescentOptimizer(0.5).minimize(loss)
        with pytest.raises(v1.errors.FailedPreconditionError, match="uninitialized value"):
            session.run(train)
        session.run(v1.global_variables_initializer())
        copied.clear()
        session.run(train)
        assert not copied
        assert session.run(b).tolist() == [-1] * 4


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_a_value_may_be_fed_in_a_reference_s_place_that_goes_into_loops_and_branches(executor):
    with tf.Graph().as_default(), tf.Session(executor=executor) as session:
        v, p = tf.Variable(2.0), tf.placeholder(tf.bool, [])
        x = v.value()
        power = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * v), [0, tf.constant(1.0)])[1]
        side = tf.cond(p, lambda: v + 1.0, lambda: v * 10.0)
        session.run(tf.initialize_all_variables())
        assert session.run([power, x * 3.0, side], {x: 5.0, p: True}) == [125.0, 15.0, 6.0]
        assert session.run([power, side], {p: False}) == [8.0, 20.0]


@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_a_variable_that_decides_is_read_and_not_only_there(session, kernels):  # [W39]
    """A plan once took the side of True for whatever a variable held."""
    decides = tf.Variable(np.array(False))
    session.run(decides.initializer)
    x = tf.placeholder(tf.float32, [])
    for pred in (decides, decides.ref(), tf.identity(decides.ref()), tf.logical_not(tf.logical_not(decides.ref()))):
        assert session.run(tf.cond(pred, lambda: x + 1.0, lambda: x * 10.0), {x: 3.0}) == 30.0
    pred = after(tf.assign(decides.ref(), True), lambda: tf.identity(decides.ref()))
    assert session.run(tf.cond(pred, lambda: x + 1.0, lambda: x * 10.0), {x: 3.0}) == 4.0


def test_a_string_in_a_variable_stays_an_array_without_axes(session):
    v = tf.Variable(np.array(b"\x01\x00\x00", object))
    session.run(v.initializer)
    assert session.run(op_def("DecodeRaw")(v.ref(), out_type=tf.uint8)).tolist() == [1, 0, 0]
    shown = op_def("TensorSummaryV2")(tf.constant("tag"), tf.constant([1.0]), v.ref())
    assert session.run(shown).startswith(b"\n")
