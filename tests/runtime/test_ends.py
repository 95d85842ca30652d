"""How steps end that wait, loop or fail: timeout, close, cancellation, the first error, and waits that cannot end."""

import _thread
import gc
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import numpy as np
import pytest

import refflow as tf
from refflow.core import waiting
from refflow.core.waiting import InFlight

BOTH = pytest.mark.parametrize("executor", ["plan", "executor"])


@pytest.fixture
def queue(graph):
    return tf.FIFOQueue(10, tf.int32, [])


def later(function, seconds=0.05):
    timer = threading.Timer(seconds, function)
    timer.start()
    return timer


# -- a deadline ----------------------------------------------------------------------------------------


@BOTH
def test_a_run_that_waits_too_long_is_a_deadline_exceeded(queue, executor):  # [W18]
    take, put = queue.dequeue(), queue.enqueue(7)
    with tf.Session(executor=executor) as session:
        wanted = r"Timed out waiting for notification after 50 ms: .*dequeue of 1 waits for 1 more from FIFOQueue"
        with pytest.raises(tf.errors.DeadlineExceededError, match=wanted) as caught:
            session.run(take, options=tf.RunOptions(timeout_in_ms=50))
        assert caught.value.error_code == tf.errors.DEADLINE_EXCEEDED
        session.run(put)  # the dequeue that was called off takes nothing
        assert session.run(queue.size()) == 1


@BOTH
def test_a_session_may_have_a_timeout_for_every_run(queue, executor):
    config = tf.ConfigProto(operation_timeout_in_ms=50, executor=executor)
    take = queue.dequeue()
    with tf.Session(config=config) as session:
        assert session.run(tf.constant(1)) == 1
        with pytest.raises(tf.errors.DeadlineExceededError):
            session.run(take)
        session.run(queue.enqueue(7))
        assert session.run(take, options=tf.RunOptions(timeout_in_ms=60_000)) == 7


@BOTH
def test_a_loop_without_end_ends_with_its_deadline(graph, executor):
    forever = tf.while_loop(lambda i: i >= 0, lambda i: i * 1, [tf.constant(1)])
    with tf.Session(executor=executor) as session, pytest.raises(tf.errors.DeadlineExceededError):
        session.run(forever, options=tf.RunOptions(timeout_in_ms=50))


# -- somebody calls it off -----------------------------------------------------------------------------


@BOTH
def test_a_close_ends_what_waits_and_what_loops(queue, executor):
    take = queue.dequeue()
    forever = tf.while_loop(lambda i: i >= 0, lambda i: i * 1, [tf.constant(1)])
    for fetch, text in ((take, "Dequeue operation was cancelled"), (forever, "Run call was cancelled")):
        session = tf.Session(executor=executor)
        timer = later(session.close)
        with pytest.raises(tf.errors.CancelledError, match=text):
            session.run(fetch)
        timer.join()
        with pytest.raises(RuntimeError, match="Attempted to use a closed Session"):
            session.run(fetch)


@pytest.fixture
def interruptible():
    """Tests that a shell runs in the background are started with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@BOTH
@pytest.mark.usefixtures("interruptible")
def test_a_keyboard_interrupt_ends_a_wait_or_a_loop_and_leaves_the_session_usable(queue, executor):
    take, put = queue.dequeue(), queue.enqueue(7)
    forever = tf.while_loop(lambda i: i >= 0, lambda i: i * 1, [tf.constant(1)])
    with tf.Session(executor=executor) as session:
        session.run(queue.size())
        for fetch in (take, forever):
            timer = later(_thread.interrupt_main)
            with pytest.raises(KeyboardInterrupt):
                session.run(fetch)
            timer.join()
        session.run(put)
        assert session.run(take) == 7


def test_what_ends_a_step_ends_the_step_that_its_python_function_runs(queue):
    take = queue.dequeue()
    with tf.Session() as session:
        outer = tf.py_func(lambda: np.int32(session.run(take)), [], [tf.int32])
        flight = InFlight()
        later(lambda: flight.call_off(tf.errors.AbortedError(None, None, "enough")))
        with flight, pytest.raises(tf.OpError, match="enough"):
            session.run(outer)


# -- the first error -----------------------------------------------------------------------------------


@BOTH
def test_a_failing_node_cancels_what_waits_beside_it(queue, executor):  # [W18]
    take = queue.dequeue()
    hole = tf.placeholder(tf.int32, [])
    bad = tf.gather([1, 2], hole, name="bad")
    with tf.Session(executor=executor) as session:
        with pytest.raises(tf.errors.InvalidArgumentError, match="indices = 5 is not in") as caught:
            session.run([take, bad], {hole: 5})
        assert caught.value.op is bad.op
        session.run(queue.enqueue(7))
        assert session.run([take, bad], {hole: 1}) == [7, 2]


def test_an_error_in_a_loop_says_in_which_iteration(graph):
    table = tf.constant([5, 6, 7])
    end = tf.while_loop(lambda i: i < 10, lambda i: i + tf.sign(tf.gather(table, i, name="pick")), [tf.constant(0)])
    with tf.Session(executor="executor") as session, pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(end)
    assert caught.value.place.endswith(":3") and "In iteration 3 of 0/while" in str(caught.value)
    assert "pick" in caught.value.node_def.name and __file__ in str(caught.value)


# -- nobody else has to wait ---------------------------------------------------------------------------


def test_a_thousand_dequeues_of_one_step_wait_in_one_thread(queue):
    number = tf.placeholder(tf.int32, [1000])
    taken = tf.pack([queue.dequeue() for _ in range(1000)])
    put = queue.enqueue_many([number])
    with tf.Session() as session:
        before = set(threading.enumerate())  # some may end meanwhile: idle ones of earlier tests
        found = []
        thread = threading.Thread(target=lambda: found.append(session.run(taken)))
        thread.start()
        time.sleep(0.05)
        assert set(threading.enumerate()) - before == {thread}
        session.run(put, {number: range(1000)})
        thread.join()
    assert sorted(found[0].tolist()) == list(range(1000))


@BOTH
def test_a_dequeue_waits_for_an_enqueue_of_its_own_step(queue, executor):
    take, put = queue.dequeue(), queue.enqueue(7)
    with tf.Session(executor=executor) as session:
        assert session.run([take, put]) == [7, None]


# -- a wait that cannot end ----------------------------------------------------------------------------

ALONE = """
import threading
import refflow as tf
queue, other = tf.FIFOQueue(10, tf.int32, [], name="names"), tf.FIFOQueue(10, tf.int32, [], name="rows")
session = tf.Session(executor={executor!r})
take = queue.dequeue()
{program}
"""


def alone(executor, program):
    """What a process of its own writes for this program."""
    code = ALONE.format(executor=executor, program=program)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@BOTH
def test_a_wait_that_nobody_can_end_is_told(executor):
    text = alone(executor, "session.run(take + 1)")
    assert "FailedPreconditionError" in text and "this wait can never end" in text
    assert "a dequeue of 1 waits for 1 more from FIFOQueue" in text and "names" in text


@BOTH
def test_the_look_at_all_threads_does_not_meet_a_search_for_garbage(executor):
    """Before Python 3.12.4 the two together stand still for ever."""
    text = alone(executor, """
import gc, sys
seen, look = [], sys._current_frames
sys._current_frames = lambda: (seen.append(gc.isenabled()), look())[1]
try:
    session.run(take)
finally:
    print("searched:", set(seen), "afterwards:", gc.isenabled())
""")
    assert "searched: {False} afterwards: True" in text and "this wait can never end" in text


def test_threads_of_kernels_and_of_logs_are_nobody_s_hope(tmp_path):
    text = alone("plan", f"""
writer = tf.train.SummaryWriter({str(tmp_path)!r})
session.run(tf.reduce_sum(tf.ones([3000, 3000]) * tf.random_uniform([3000, 3000])))
assert threading.active_count() > 1
session.run(take)
""")  # fmt: skip
    assert "this wait can never end" in text


def test_threads_that_wait_for_each_other_are_told():
    text = alone("executor", """
with tf.control_dependencies([other.dequeue()]):
    first = queue.enqueue(1)
with tf.control_dependencies([take]):
    second = other.enqueue(1)
thread = threading.Thread(target=session.run, args=[second])
thread.start()
try:
    session.run(first)
finally:
    session.close()
    thread.join()
""")  # fmt: skip
    assert "All other threads wait too" in text and "(for which wait names_enqueue/component_0, names_enqueue)" in text


def test_as_long_as_a_thread_is_left_a_wait_goes_on():
    text = alone("plan", """
thread = threading.Timer(0.5, session.run, [queue.enqueue(7)])
thread.start()
print("found", session.run(take))
""")  # fmt: skip
    assert text == "found 7\n"


@BOTH
def test_a_receive_that_nobody_sends_to_is_told(graph, executor):  # [W25]
    recv = tf.core.registry.find_op_def("_Recv")
    lone = recv(tensor_type=tf.float32, tensor_name="x", send_device="/cpu:0", send_device_incarnation=1,
                recv_device="/cpu:0", name="lone")  # fmt: skip
    y = tf.identity(lone, name="y")
    wanted = "'lone' waits for x from /cpu:0 .for which wait y, _send_y"
    with tf.Session(executor=executor) as session, pytest.raises(tf.errors.InternalError, match=wanted):
        session.run(y)


@BOTH
def test_steps_of_every_end_leave_nothing_behind(queue, executor):
    """Values, errors, timeouts, traces and partial runs: objects, threads and waits are as many as before."""
    put, take = queue.enqueue(1), queue.dequeue()
    p = tf.placeholder(tf.int32, [])
    picked = tf.gather([1, 2], p)
    loop = tf.while_loop(lambda i: i < p, lambda i: i + 1, [tf.constant(0)])
    soon, full, metadata = tf.RunOptions(timeout_in_ms=1), tf.RunOptions(trace_level=3), tf.RunMetadata()
    with tf.Session(executor=executor) as session:

        def once():
            session.run(put)
            session.run(take)
            for fetch, feeds, options in ((picked, {p: 5}, None), (take, {}, soon)):
                with pytest.raises(tf.OpError):
                    session.run(fetch, feeds, options)
            session.run(loop, {p: 3})
            session.run(loop, {p: 3}, full, metadata)
            for place in (0, 7):
                handle = session.partial_run_setup([picked], [p])
                with suppress(tf.OpError):
                    session.partial_run(handle, picked, {p: place})

        def counts():
            gc.collect()
            return len(gc.get_objects()), set(threading.enumerate()), len(waiting._open), len(waiting._waits)

        for _ in range(20):
            once()
        objects, threads, *before = counts()
        for _ in range(100):
            once()
        found, living, *after = counts()
        assert living <= threads and after == before and found - objects < 100  # a step's own would be hundreds


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_a_tensor_for_which_there_is_no_room_is_told_with_its_node(executor):
    x, y = tf.placeholder(tf.float32, [1 << 21, 1]), tf.placeholder(tf.float32, [1, 1 << 21])
    total = tf.matmul(x, y, name="sixteen_tebibytes")
    feeds = {x: np.zeros((1 << 21, 1), np.float32), y: np.zeros((1, 1 << 21), np.float32)}
    with tf.Session(executor=executor) as session:
        with pytest.raises(tf.errors.ResourceExhaustedError, match="sixteen_tebibytes"):
            session.run(tf.reduce_max(total), feeds)
        assert session.run(tf.constant(1) + 1) == 2
