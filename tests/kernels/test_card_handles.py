"""Variables behind handles on a simulated card: where they lie, what a step does with them, what is read when."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.runtime.device import Device
from refflow.runtime.gpu import GpuDevice
from refflow_kernels.simulated import SimulatedCard
from tests.graphs import assert_same_bits
from tests.kernels.test_capture import plan_of, runs
from tests.runtime.test_handle_updates import add, handle, read

EXECUTORS = pytest.mark.parametrize("executor", ["plan", "executor"])


def session_on(executor="plan", **options):
    gpu = GpuDevice(0, SimulatedCard())
    return tf.Session(devices=[Device(0), gpu], allow_soft_placement=True, executor=executor, **options)


def where(session, fetches, feeds=()):
    rows = session.stages(session.signature(fetches, list(feeds))).placement
    return {row.op_type: row.device.rpartition("/")[2] for row in rows}


def net(by_handle):
    """A small net whose variables are behind handles, or not: feed, loss, step, initializers, what holds the values."""
    rng = np.random.default_rng(1)
    x = tf.placeholder(tf.float32, [4, 3])
    starts = [rng.normal(size=(3, 5)), np.zeros(5), rng.normal(size=(5, 2)), np.zeros(2)]
    slots = [[np.zeros(np.shape(s))] * 2 for s in starts]
    made = [tf.Variable(np.float32(s)) if not by_handle else handle(s) for s in starts]
    kept = [[tf.Variable(np.float32(s)) if not by_handle else handle(s) for s in pair] for pair in slots]
    values = [read(m[0]) if by_handle else m for m in made]
    hidden = tf.nn.relu(tf.matmul(x, values[0]) + values[1])
    loss = tf.reduce_mean(tf.square(tf.matmul(hidden, values[2]) + values[3]))
    slopes = tf.gradients(loss, values)
    numbers = [np.float32(n) for n in (0.9, 0.99, 0.05, 0.9, 0.99, 1e-8)]
    apply = op_def("ResourceApplyAdam" if by_handle else "ApplyAdam")
    memory = [m[0] if by_handle else m.ref() for m in made]
    sides = [[m[0] if by_handle else m.ref() for m in pair] for pair in kept]
    steps = [apply(m, *pair, *numbers, g) for m, pair, g in zip(memory, sides, slopes, strict=True)]
    flat = [*made, *(m for pair in kept for m in pair)]
    begins = [m[1] if by_handle else m.initializer for m in flat]
    step = tf.group(*(s if by_handle else s.op for s in steps))
    return x, loss, step, begins, values


def test_a_training_step_by_handles_is_one_captured_stretch_with_the_bits_of_references():  # [W47]
    results = []
    for by_handle in (False, True):
        with tf.Graph().as_default(), session_on() as session:
            x, loss, step, begins, values = net(by_handle)
            session.run(begins)
            rng = np.random.default_rng(2)
            losses = [session.run([loss, step], {x: rng.normal(size=(4, 3))})[0] for _ in range(4)]
            results.append([losses, session.run(values)])
            plan = plan_of(session, [loss, step], [x])
            assert runs(plan) == [(1, 1, 3)] and plan.alone is not None
            assert sum("m" in line and "((" in line for line in plan.source.splitlines()) == 1  # one launch for all
            if by_handle:
                assert where(session, [loss, step], [x])["ResourceApplyAdam"] == "gpu:0"
    assert_same_bits(*results)


VIEWS = {
    "itself": lambda v: v,
    "a pass": tf.identity,
    "another shape": lambda v: tf.reshape(tf.reshape(v, [1, 2]), [2]),
    "a part": lambda v: tf.slice(v, [0], [2]),
}


@EXECUTORS
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", ["AssignAddVariableOp", "ResourceScatterAdd", "ResourceScatterNdAdd"])
def test_what_was_read_before_a_change_stays_what_it_was(kind, view, executor):  # [W12]
    """Also for a change that runs on the host, between transfers."""
    h, begin = handle([1.0, 2.0], "w")
    before = read(h)
    places = {"AssignAddVariableOp": [], "ResourceScatterAdd": [[0, 1]], "ResourceScatterNdAdd": [[[0], [1]]]}[kind]
    with h.graph.control_dependencies([before]):
        step = op_def(kind)(h, *(np.int32(p) for p in places), np.float32([10, 10]))
    seen = VIEWS[view](before)
    with h.graph.control_dependencies([step]):
        used = VIEWS[view](before) * 2.0
    after = read(h, step)
    with session_on(executor) as session:
        for fetches in ([before, used, after], [seen, used, after], [used, after]):
            session.run(begin)
            for turn in range(3):
                *old, twice, new = session.run(fetches)
                now = np.float32([1, 2]) + 10 * turn
                assert all((o == now).all() for o in old) and (twice == 2 * now).all() and (new == now + 10).all()


def test_what_a_look_at_a_variable_gave_lasts_until_its_last_user():  # [W12]
    v = tf.Variable(np.float32([1, 2]))
    with v.graph.control_dependencies([tf.constant(0)]):
        before = tf.identity(v.ref())
    with v.graph.control_dependencies([before]):
        step = tf.assign_add(v, [10.0, 10.0])
    with v.graph.control_dependencies([step]):
        used, after = tf.slice(before, [0], [2]) * 2.0, tf.identity(v.ref())
    with session_on(variable_reads="snapshot") as session:
        session.run(v.initializer)
        assert [f.tolist() for f in session.run([used, after])] == [[2, 4], [11, 12]]


def test_a_reader_that_runs_before_the_change_anyway_looks_at_the_memory_itself():
    h, begin = handle([1.0, 2.0])
    product = read(h) * 3.0
    step = add(h, [10.0, 10.0], product)
    with session_on() as session:
        session.run(begin)
        for turn in range(3):
            assert session.run([product, step])[0].tolist() == [3 + 30 * turn, 6 + 30 * turn]
        assert "copy" not in {f.__name__ for f in _bound_functions(plan_of(session, [product, step]))}


def test_handles_of_one_name_are_one_variable():  # [W47]
    (one, begin), (other, _) = handle([1.0, 2.0], "w"), handle([0.0, 0.0], "w")
    before = read(one)
    step = add(other, [10.0, 10.0], before)
    with one.graph.control_dependencies([step]):
        used = before * 2.0
    with session_on() as session:
        session.run(begin)
        assert session.run(used).tolist() == [2, 4] and session.run(used).tolist() == [22, 24]


def _bound_functions(plan):
    return [f for s in plan.stretches for f in s.body.__globals__.values() if hasattr(f, "__name__")]


@pytest.mark.parametrize("kind", ["read", "add", "adam", "scatter", "gather", "shape"])
@EXECUTORS
def test_a_variable_without_a_value_is_told_of_in_the_cpu_s_words(kind, executor):  # [S14]
    h, _ = handle([1.0, 2.0], "w")
    numbers = [np.float32(0.5)] * 6
    make = {
        "read": lambda: read(h) * 2.0,
        "add": lambda: add(h, [1, 1]),
        "adam": lambda: op_def("ResourceApplyAdam")(h, h, h, *numbers, np.float32([1, 1])),
        "scatter": lambda: op_def("ResourceScatterAdd")(h, np.int32([0]), np.float32([1])),
        "gather": lambda: op_def("ResourceGather")(h, np.int32([0]), dtype=tf.float32),
        "shape": lambda: op_def("VariableShape")(h),
    }
    step, told = make[kind](), []
    for session in (tf.Session(executor=executor), session_on(executor)):
        with session, pytest.raises(tf.errors.OpError) as caught:
            session.run(step)
        told.append((type(caught.value), str(caught.value).partition("\n")[0]))
    assert told[0] == told[1]


@EXECUTORS
def test_who_asks_after_a_variable_does_not_decide_where_it_lies(executor):  # [W22]
    h, begin = handle([1.0, 2.0])
    there, v = op_def("VarIsInitializedOp")(h), tf.Variable(np.float32([1, 2]))
    known = op_def("IsVariableInitialized")(v.ref())
    with session_on(executor) as session:
        assert [bool(t) for t in session.run([there, known])] == [False, False]
        session.run([begin, v.initializer])
        assert [bool(t) for t in session.run([there, known])] == [True, True]
        assert where(session, [read(h), v]) == {
            "VarHandleOp": "gpu:0", "ReadVariableOp": "gpu:0", "Variable": "gpu:0", "_Send": "cpu:0",
        }  # fmt: skip
        assert session.run(op_def("VariableShape")(h)).tolist() == [2]
        session.run(op_def("DestroyResourceOp")(h))
        assert not session.run(there)
        session.run(begin)
        assert session.run(read(h)).tolist() == [1, 2]


@EXECUTORS
def test_what_no_card_does_by_a_handle_is_done_on_the_host_and_lies_on_the_card_again(executor):  # [W22]
    h, begin = handle(np.zeros((2, 2)))
    part = op_def("ResourceStridedSliceAssign")(h, [0, 1], [2, 2], [1, 1], np.float32([[5], [6]]))
    with h.graph.control_dependencies([part]):
        more = add(h, np.ones((2, 2)))
    after = read(h, more)
    with session_on(executor) as session:
        session.run(begin)
        for _ in range(3):
            found = session.run(after)
        assert found.tolist() == [[3, 6], [3, 7]]


@EXECUTORS
def test_handles_go_into_loops_and_branches(executor):  # [W39, W41]
    import refflow.compat.v1 as v1

    h, begin = handle([1.0, 2.0])
    turn = tf.placeholder(tf.bool, [])

    def body(i, first, last):
        now = read(h, i)
        with h.graph.control_dependencies([add(h, [10.0, 10.0], now)]):
            return i + 1, last, tf.reshape(now, [2])

    _, first, last = v1.while_loop(lambda i, *_: i < 3, body, [tf.constant(0), tf.zeros([2]), tf.zeros([2])])
    chosen = v1.cond(turn, lambda: read(h) * 2.0, lambda: read(h) * 3.0)
    with session_on(executor) as session:
        session.run(begin)
        assert [v.tolist() for v in session.run([chosen], {turn: True})] == [[2, 4]]
        assert [v.tolist() for v in session.run([chosen], {turn: False})] == [[3, 6]]
        assert [v.tolist() for v in session.run([first, last])] == [[11, 12], [21, 22]]
        assert session.run(read(h)).tolist() == [31, 32]


@EXECUTORS
def test_the_rows_of_a_variable_and_their_gradient(executor):  # [W32]
    h, begin = handle(np.ones((3, 2)))
    rows = op_def("ResourceGather")(h, [1, 1], dtype=tf.float32) * 5.0
    (slices,) = tf.gradients(rows, h)
    dense = tf.convert_to_tensor(slices)
    with session_on(executor) as session:
        session.run(begin)
        for _ in range(3):
            found = session.run([rows, dense])
        assert found[0].tolist() == [[5, 5]] * 2 and found[1].tolist() == [[0, 0], [10, 10], [0, 0]]
        assert where(session, rows)["ResourceGather"] == "gpu:0"


@pytest.mark.parametrize("by_handle", [True, False])
def test_a_shape_that_a_label_keeps_with_a_variable_does_not_keep_the_variable_off_the_card(by_handle):  # [W37, W22]
    """As in the graphs that TensorFlow writes: all that an initial value is made of is to be with its variable."""
    if by_handle:
        h, _ = handle([[0.0, 0.0, 0.0]], "w")
    else:
        h = op_def("VariableV2")(dtype=tf.float32, shape=tf.TensorShape((1, 3)), name="w")
    with h.graph.colocate_with(h.op):
        start = tf.random_uniform(tf.concat(0, [np.int32([1]), np.int32([3])]))
    assert "_class" in start.op.attrs
    assign = op_def("AssignVariableOp" if by_handle else "Assign")(h, start)
    value = read(h) if by_handle else h
    with session_on() as session:
        session.run(assign)
        assert where(session, value)["ReadVariableOp" if by_handle else "VariableV2"] == "gpu:0"
        session.run(value)
