"""Kernels that wait hold no thread, hold nobody back, and leave nothing behind when nobody waits any more [W50]."""

import threading

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.core.waiting import Line
from refflow.ops.queue_states import Queue
from refflow.runtime.plan import Plan

EXECUTABLES = [{}, {"executor": "executor"}, {"executor": "executor", "policy": "random(4)"}]
BOTH = pytest.mark.parametrize("options", EXECUTABLES, ids=str)
MANY, SOME = 1000, 50


def waiting_run(session, fetches):
    """A thread with a run that is to wait, and a list for what it will have given or raised."""
    found = []

    def run():
        try:
            found.append(session.run(fetches))
        except tf.OpError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    return thread, found


def accumulator():
    handle = op_def("ConditionalAccumulator")(dtype=tf.int32, shape=[], shared_name="a")
    take = [op_def("AccumulatorTakeGradient")(handle, 1, dtype=tf.int32) for _ in range(SOME)]
    return take, lambda x: op_def("AccumulatorApplyGradient")(handle, np.int64(SOME), x)


def barrier():
    handle = op_def("Barrier")(component_types=[tf.int32], shapes=[[]], shared_name="b")
    take = [op_def("BarrierTakeMany")(handle, 1, component_types=[tf.int32]).values[0] for _ in range(SOME)]
    return [tf.reshape(t, []) for t in take], lambda x: op_def("BarrierInsertMany")(
        handle, tf.reshape(op_def("AsString")(x), [1]), tf.reshape(x, [1]), component_index=0
    )


def stage():
    take = [op_def("Unstage")(dtypes=[tf.int32], shared_name="s")[0] for _ in range(SOME)]
    return take, lambda x: op_def("Stage")([x], shared_name="s")


def queue():
    made = tf.FIFOQueue(5, tf.int32, [])
    return [made.dequeue() for _ in range(MANY)], made.enqueue


def all_stand_in_line(session, count):
    states = session.devices[0].resources._items.values()
    lines = [part for state in states for part in vars(state).values() if isinstance(part, Line)]
    takes = [state._takes for state in states if isinstance(state, Queue)]
    return sum(len(line._waiting) for line in lines) + sum(map(len, takes)) == count


@BOTH
@pytest.mark.parametrize("make", [queue, accumulator, barrier, stage])
def test_a_thousand_that_wait_need_one_thread(make, options):
    takes, put = make()
    total, x = tf.add_n(takes), tf.placeholder(tf.int32, [])
    change = put(x)
    with tf.Session(**options) as session:
        before = set(threading.enumerate())  # some may end meanwhile: idle ones of earlier tests
        thread, found = waiting_run(session, total)
        assert set(threading.enumerate()) - before == {thread}
        while not all_stand_in_line(session, len(takes)):
            thread.join(0.05)
        for i in range(len(takes)):
            session.run(change, {x: i})
        thread.join(60)
        assert found == [sum(range(len(takes)))]


@BOTH
def test_a_close_wakes_all_that_wait(options):
    made = tf.FIFOQueue(5, tf.int32, [])
    takes, close = [made.dequeue() for _ in range(MANY)], made.close()
    with tf.Session(**options) as session:
        thread, found = waiting_run(session, takes)
        session.run(close)
        thread.join(10)
        assert isinstance(found[0], tf.errors.OutOfRangeError)


@BOTH
@pytest.mark.parametrize("make", [queue, accumulator, barrier, stage])
def test_the_end_of_a_session_wakes_all_that_wait(make, options):
    takes, _ = make()
    session = tf.Session(**options)
    threads, found = zip(*(waiting_run(session, takes[:k]) for k in (1, 3)), strict=True)
    session.close()
    for thread, ends in zip(threads, found, strict=True):
        thread.join(10)
        assert isinstance(ends[0], tf.errors.CancelledError)


@BOTH
def test_a_session_that_shares_its_devices_ends_its_own_waits_alone(options):
    made = tf.FIFOQueue(5, tf.int32, [])
    take, put = made.dequeue(), made.enqueue(7)
    stays = tf.Session(**options)
    goes = tf.Session(devices=stays.devices, **options)
    (first, one), (second, two) = waiting_run(goes, take), waiting_run(stays, take)
    goes.close()
    first.join(10)
    assert isinstance(one[0], tf.errors.CancelledError) and second.is_alive()
    stays.run(put)
    second.join(10)
    assert two == [7]
    stays.close()


@BOTH
def test_a_step_may_feed_itself(options):
    made = tf.FIFOQueue(1, tf.int32, [])
    puts, takes = [made.enqueue(i) for i in range(3)], [made.dequeue() for _ in range(3)]
    with tf.Session(**options) as session:
        assert sorted(session.run([*takes, *puts])[:3]) == [0, 1, 2]
        assert sorted(session.run([*puts, *takes])[3:]) == [0, 1, 2]


def planned(session, fetches):
    stages = session.stages(session.signature(fetches))
    return isinstance(stages.executable(session.config, {}), Plan) or stages.unplanned


@BOTH
def test_nothing_is_held_back_that_others_wait_for(options):
    """The step passes one number on while it waits for another, which comes only then."""
    first, second, third = (tf.FIFOQueue(1, tf.int32, []) for _ in range(3))
    passed_on, last = second.enqueue(first.dequeue()), third.dequeue()
    with tf.Session(**options) as session:
        session.run(first.enqueue(5))
        thread, found = waiting_run(session, [passed_on, last])
        session.run(third.enqueue(second.dequeue()))
        thread.join(10)
        assert found == [[None, 5]]
        if not options:
            assert "may have to wait while others can go on" in planned(session, [passed_on, last])
            assert planned(session, [passed_on]) is True
            assert planned(session, [first.dequeue(), last]) is True


@BOTH
def test_what_does_not_depend_on_who_waits_comes_before(options):
    v = tf.Variable(0)
    made = tf.FIFOQueue(1, tf.int32, [])
    row = made.dequeue()
    step = [row, tf.assign_add(v, 1)]
    with tf.Session(**options) as session:
        assert options or planned(session, [*step, made.dequeue()]) is True
        session.run(tf.initialize_all_variables())
        thread, _ = waiting_run(session, step)
        assert session.run(v) == 1
        session.run(made.enqueue(0))
        thread.join(10)


@BOTH
def test_who_fails_leaves_no_one_waiting(options):
    made, other = tf.FIFOQueue(5, tf.int32, []), tf.FIFOQueue(5, tf.int32, [])
    row, wrong = made.dequeue(), other.dequeue()
    place = tf.placeholder(tf.int32, [])
    bad = tf.gather([1, 2], place)
    with tf.Session(**options) as session:
        session.run(other.close())
        with pytest.raises(tf.errors.OutOfRangeError):
            session.run([row, wrong])
        with pytest.raises(tf.errors.OpError):
            session.run([row, bad], {place: 7})
        session.run(made.enqueue_many([[1, 2]]))
        assert session.run(made.size()) == 2  # nobody was left in line to take one


@BOTH
def test_branches_and_loops_wait_too(options):
    made = tf.FIFOQueue(10, tf.int32, [])
    taken = tf.placeholder(tf.bool, [])
    branch = tf.cond(taken, made.dequeue, lambda: tf.constant(-1))
    total = tf.while_loop(lambda i, s: i < 4, lambda i, s: [i + 1, s + made.dequeue()], [0, 0])[1]
    with tf.Session(**options) as session:
        assert session.run(branch, {taken: False}) == -1
        thread, found = waiting_run(session, total)
        for value in range(4):
            session.run(made.enqueue(value))
        thread.join(10)
        assert found == [6]
        session.run(made.enqueue(9))
        assert session.run(branch, {taken: True}) == 9
        assert options or planned(session, total) is True
