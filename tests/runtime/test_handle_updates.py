"""Variables behind handles are updated where they lie, and nobody who still holds the old value sees it [W12]."""

import math
import threading

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.ops.resource_variable import Locked
from refflow.ops.training import _RULES, APPLY
from refflow.runtime import resources
from refflow.runtime.plan import Plan

EXECUTORS = pytest.mark.parametrize("executor", ["plan", "executor"])
NUMBERS = {"lr_power": -0.5, "global_step": 3, "beta1_power": 0.5, "beta2_power": 0.5}


def handle(value, name=None):
    h = op_def("VarHandleOp")(dtype=tf.float32, shape=tf.TensorShape(np.shape(value)), shared_name=name or "")
    return h, op_def("AssignVariableOp")(h, np.float32(value))


def read(h, *waits):
    with h.graph.control_dependencies(waits):
        return op_def("ReadVariableOp")(h, dtype=tf.float32)


def add(h, more, *waits):
    with h.graph.control_dependencies(waits):
        return op_def("AssignAddVariableOp")(h, np.float32(more))


def descend(h, delta, *waits):
    with h.graph.control_dependencies(waits):
        return op_def("ResourceApplyGradientDescent")(h, np.float32(1), np.float32(delta))


def scatter(h, rows, *waits):
    with h.graph.control_dependencies(waits):
        return op_def("ResourceScatterAdd")(h, np.arange(len(rows), dtype=np.int32), np.float32(rows))


def sparse(h, delta, *waits):
    """Momentum without momentum, row by row; its slot is another variable."""
    slot, begin = handle(np.zeros_like(delta))
    with h.graph.control_dependencies([begin, *waits]):
        return op_def("ResourceSparseApplyMomentum")(h, slot, np.float32(1), np.float32(delta),
                                                     np.arange(len(delta), dtype=np.int32), np.float32(0))  # fmt: skip


CHANGES = {"add": (add, 1), "descent": (descend, -1), "scatter": (scatter, 1), "sparse": (sparse, -1)}


def memory_of(session, name):
    (device,) = session.devices
    return device.resources.lookup("", "VarHandleOp", name).value.ctypes.data


@EXECUTORS
@pytest.mark.parametrize("kind", CHANGES)
def test_the_memory_stays_where_nobody_holds_the_value(kind, executor):
    change, sign = CHANGES[kind]
    h, begin = handle([1.0, 2.0], "w")
    product = read(h) * 3.0
    step = change(h, [sign * 10.0, sign * 10.0], product)
    with tf.Session(executor=executor) as session:
        session.run(begin)
        place = memory_of(session, "w")
        for turn in range(3):
            assert session.run([product, step])[0].tolist() == [3 + 30 * turn, 6 + 30 * turn]
        assert session.run(read(h)).tolist() == [31, 32] and memory_of(session, "w") == place


VIEWS = {
    "itself": lambda v: v,
    "a pass": tf.identity,
    "another shape": lambda v: tf.reshape(tf.reshape(v, [1, 2]), [2]),
    "parts": lambda v: tf.concat(0, [tf.reshape(p, [1]) for p in tf.unpack(v)]),
    "a slice": lambda v: tf.slice(v, [0], [2]),
}


@EXECUTORS
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", CHANGES)
def test_what_was_read_before_is_used_and_fetched_after(kind, view, executor):
    change, sign = CHANGES[kind]
    h, begin = handle([1.0, 2.0], "w")
    before = read(h)
    seen = VIEWS[view](before)
    step = change(h, [sign * 10.0, sign * 10.0], before)
    with tf.Graph.control_dependencies(h.graph, [step]):
        used = VIEWS[view](before) * 2.0
    after = read(h, step)
    with tf.Session(executor=executor) as session:
        for fetches in ([before, used, after], [seen, used, after], [used, after]):
            session.run(begin)
            *old, twice, new = session.run(fetches)
            assert all(o.tolist() == [1, 2] for o in old) and twice.tolist() == [2, 4] and new.tolist() == [11, 12]
            session.run(step)
            assert all(o.tolist() == [1, 2] for o in old) and new.tolist() == [11, 12]


@EXECUTORS
def test_a_queue_keeps_what_was_put_there(executor):
    h, begin = handle([1.0, 2.0])
    queue = tf.FIFOQueue(4, [tf.float32], [[2]])
    put = queue.enqueue([read(h)])
    with tf.Session(executor=executor) as session:
        session.run(begin)
        for _ in range(3):
            session.run(put)
            session.run(add(h, [10.0, 10.0]))
        taken = queue.dequeue()
        assert [session.run(taken).tolist() for _ in range(3)] == [[1, 2], [11, 12], [21, 22]]


@EXECUTORS
def test_a_loop_s_values_are_those_of_their_turn(executor):
    h, begin = handle([1.0, 2.0])

    def body(i, first, last):
        now = read(h, i)
        with h.graph.control_dependencies([add(h, [10.0, 10.0], now)]):
            return i + 1, last, tf.reshape(now, [2])

    _, first, last = tf.while_loop(lambda i, *_: i < 3, body, [tf.constant(0), tf.zeros([2]), tf.zeros([2])])
    with tf.Session(executor=executor) as session:
        session.run(begin)
        found = session.run([first, last])
        assert [v.tolist() for v in found] == [[11, 12], [21, 22]]
        assert session.run(read(h)).tolist() == [31, 32]


@pytest.mark.parametrize("kind", CHANGES)
def test_a_step_in_flight_goes_on_with_what_it_read(kind):
    change, sign = CHANGES[kind]
    h, begin = handle([1.0, 2.0])
    before, x = read(h), tf.placeholder(tf.float32, [2])
    now, later, step = before + 0.0, tf.reshape(before, [2]) * x, change(h, [sign * 10.0, sign * 10.0])
    with tf.Session() as session:
        session.run(begin)
        flight = session.partial_run_setup([now, later], [x])
        assert session.partial_run(flight, now).tolist() == [1, 2]
        session.run(step)
        assert session.partial_run(flight, later, {x: [2.0, 2.0]}).tolist() == [2, 4]
        assert session.run(read(h)).tolist() == [11, 12]


@EXECUTORS
@pytest.mark.parametrize("kind", CHANGES)
def test_other_threads_see_no_change_half_done(kind, executor):
    """Steps of several threads, over one variable whose elements are all equal between any two changes."""
    change, sign = CHANGES[kind]
    h, begin = handle(np.zeros(200_000, np.float32))
    step = change(h, np.full(200_000, sign, np.float32))
    value = read(h)
    twice = tf.pack([value, tf.identity(value) + 0.0 * tf.reduce_sum(value)])
    torn = []

    def look(session):
        for _ in range(40):
            seen = session.run(twice)
            if (seen != seen[0, 0]).any():
                torn.append(seen)

    with tf.Session(executor=executor) as session:
        session.run(begin)
        session.run([step, twice])
        readers = [threading.Thread(target=look, args=(session,)) for _ in range(2)]
        for thread in readers:
            thread.start()
        steps = 1
        while any(thread.is_alive() for thread in readers):
            session.run(step)
            steps += 1
        assert not torn and session.run(value)[-1] == steps


@EXECUTORS
def test_updates_that_share_variables_wait_for_no_circle(executor):
    (a, one), (b, two) = handle(np.ones(1000)), handle(np.ones(1000))
    steps = [op_def("ResourceApplyMomentum")(*pair, np.float32(0), np.zeros(1000, np.float32), np.float32(1))
             for pair in ((a, b), (b, a))]  # fmt: skip
    with tf.Session(executor=executor) as session:
        session.run([one, two])
        session.run(steps)
        done = []

        def many(step):
            for _ in range(500):
                session.run(step)
            done.append(step)

        threads = [threading.Thread(target=many, args=(step,), daemon=True) for step in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(done) == 2


def test_who_is_interrupted_while_it_waits_holds_no_lock():
    class Interrupted:
        def acquire(self):
            raise KeyboardInterrupt

    states = sorted((resources.VariableState(n, tf.float32, ()) for n in "ab"), key=id)
    first, states[1].lock = states[0].lock, Interrupted()
    with pytest.raises(KeyboardInterrupt), Locked(states):
        raise AssertionError("it holds what it could not get")
    taken = []
    other = threading.Thread(target=lambda: taken.append(first.acquire(blocking=False)))
    other.start()
    other.join()
    assert taken == [True]


def test_where_nobody_counts_every_change_is_a_copy(monkeypatch):
    monkeypatch.setattr(resources, "_count", lambda value: math.nan)
    h, begin = handle([1.0, 2.0], "w")
    step = add(h, [10.0, 10.0])
    with tf.Session() as session:
        session.run(begin)
        (device,) = session.devices
        held = device.resources.lookup("", "VarHandleOp", "w").value
        session.run(step)
        assert held.tolist() == [1, 2] and session.run(read(h)).tolist() == [11, 12]


@pytest.mark.parametrize("rule", _RULES)
def test_plan_executor_and_rule_give_the_same_bits(rule, rng):  # [W78]
    op = APPLY[f"ResourceApply{rule}"]
    slots, shape = _RULES[rule][1], (70, 300)
    inputs, state = [], [rng.uniform(0.5, 2, shape).astype(np.float32) for _ in range(slots)]
    for place, arg in enumerate(op.inputs[slots:], slots):
        number = np.array(NUMBERS.get(arg.name, rng.uniform(0.1, 0.9)), np.int64 if arg.name == "global_step" else "f4")
        inputs.append(number if place in op.by_element.numbers else rng.normal(size=shape).astype(np.float32))
    handles, begin = zip(*(handle(s, f"{i}") for i, s in enumerate(state)), strict=True)
    step, values = op(*handles, *inputs), [read(h) for h in handles]
    for executor in ("plan", "executor"):
        wanted = [s.copy() for s in state]
        with tf.Session(executor=executor) as session:
            session.run(list(begin))
            places = [memory_of(session, f"{i}") for i in range(slots)]
            for _ in range(2):
                session.run(step)
                with np.errstate(all="ignore"):
                    wanted = [np.asarray(v) for v in op.by_element.rule(*wanted, *(i[()] for i in inputs))]
            assert [v.tobytes() for v in session.run(values)] == [w.tobytes() for w in wanted], executor
            assert [memory_of(session, f"{i}") for i in range(slots)] == places, executor


def test_one_variable_for_two_slots_and_a_gradient_that_is_the_variable():
    h, begin = handle([1.0, 2.0])
    value = read(h)
    step = op_def("ResourceApplyMomentum")(h, h, np.float32(1), value, np.float32(0.5))
    found = []
    for executor in ("plan", "executor"):
        with tf.Session(executor=executor) as session:
            session.run(begin)
            session.run(step)
            found.append(session.run(read(h)).tolist())
    assert found == [[1.5, 3.0]] * 2  # the slot's new value, which is stored last


def test_a_plan_changes_a_block_at_a_time_only_what_has_a_known_size():
    h, _ = handle(np.zeros((2, 3)))
    delta = tf.placeholder(tf.float32, [2, 3])
    step = op_def("ResourceApplyGradientDescent")(h, np.float32(1), delta)
    with tf.Session() as session:
        for shape, known in (((2, 3), True), (None, False)):
            stages = session.stages(session.signature([step], [delta]), [shape])
            assert ("update=" in Plan(stages.partitioned, "fast", {}).source) == known


@EXECUTORS
def test_what_does_not_fit_changes_nothing(executor):
    h, begin = handle([1.0, 2.0])
    delta = tf.placeholder(tf.float32)
    wrong = op_def("ResourceApplyGradientDescent")(h, np.float32(1), delta)
    rows = op_def("ResourceScatterAdd")(h, np.int32([0, 2]), np.float32([1, 1]))
    places = op_def("ResourceScatterNdAdd")(h, np.int32([[0], [2]]), np.float32([1, 1]))
    with tf.Session(executor=executor) as session:
        session.run(begin)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"do not have the same shape\[2\] \[3\]"):
            session.run(wrong, {delta: [1.0, 1.0, 1.0]})
        for step, text in ((rows, r"indices\[1\] = 2 is not in \[0, 2\)"), (places, "does not index into shape")):
            with pytest.raises(tf.errors.InvalidArgumentError, match=text):
                session.run(step)
        assert session.run(read(h)).tolist() == [1, 2]
