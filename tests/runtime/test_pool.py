"""The executor's pool: what it runs, beside what, and that nothing else changes."""

import threading

import numpy as np
import pytest

import refflow as tf
from refflow.core.opdef import define_op
from refflow.core.waiting import bystanders
from tests.graphs import deck_like

WAIT = 20  # seconds after which a test that hangs fails
_seen: list[tuple[str, str]] = []  # (what, the name of the thread that it ran on)
_meeting = threading.Barrier(2)
_gate = threading.Event()


def _noting(name, action, **flags):
    """An op that hands its input on in memory of its own, and says where it ran."""
    op = define_op(name, "x: T[...S] -> y: T[...S]", T=(tf.float32,), **flags)

    @op.kernel
    def kernel(x):
        _seen.append((name, threading.current_thread().name))
        action()
        return np.array(x)

    return op


NOTE = _noting("PoolNote", lambda: None)
ACT = _noting("PoolAct", lambda: None, stateful=True)
MEET = _noting("PoolMeet", lambda: _meeting.wait(WAIT))
HOLD = _noting("PoolHold", lambda: _gate.wait(WAIT))


@pytest.fixture(autouse=True)
def fresh():
    _seen.clear()
    _gate.clear()


def session(threads=2, **options):
    return tf.Session(executor="executor", inter_op_parallelism_threads=threads, **options)


def threads_of(name):
    return {thread for what, thread in _seen if what == name}


def test_kernels_with_much_to_do_run_beside_each_other():  # [W18]
    """Each of the two waits until the other is there."""
    x = tf.placeholder(tf.float32, [100_000])
    with session() as s:
        total = s.run(tf.add(MEET(x), MEET(x)), {x: np.ones(100_000, np.float32)})
    assert total[0] == 2.0 and threads_of("PoolMeet") == {"refflow pool"}


@pytest.mark.parametrize("threads", [0, 1])
def test_one_thread_is_the_default(threads):  # [W18]
    x = tf.placeholder(tf.float32, [100_000])
    with session(threads) as s:
        s.run(NOTE(x), {x: np.ones(100_000, np.float32)})
    assert threads_of("PoolNote") == {threading.current_thread().name}


def test_what_is_cheap_or_changes_something_runs_on_the_thread_at_hand():  # [W18]
    x = tf.placeholder(tf.float32, [None])
    with session() as s:
        s.run(NOTE(x), {x: np.ones(10, np.float32)})
        s.run(ACT(x), {x: np.ones(100_000, np.float32)})
    assert threads_of("PoolNote") == threads_of("PoolAct") == {threading.current_thread().name}


def test_dead_nodes_are_not_handed_over(graph):  # [W18, W41]
    x = tf.placeholder(tf.float32, [100_000])
    taken = tf.placeholder(tf.bool, [])
    y = tf.cond(taken, lambda: tf.neg(x), lambda: NOTE(x))
    with session() as s:
        assert s.run(y, {x: np.ones(100_000, np.float32), taken: True})[0] == -1.0
    assert _seen == []


def test_the_first_error_is_raised_though_a_kernel_is_still_at_work():  # [W18]
    x = tf.placeholder(tf.float32, [100_000])
    places = tf.placeholder(tf.int32, [1])
    held, wrong = HOLD(x), tf.gather(tf.constant([1.0]), places)
    with session() as s:
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0\] = 7"):
            s.run([held, wrong], {x: np.ones(100_000, np.float32), places: [7]})
        _gate.set()
        assert s.run(held, {x: np.ones(100_000, np.float32)})[0] == 1.0  # and the pool still works


def test_an_error_of_the_pool_names_its_node_and_the_user_s_line(graph):  # [W18, W79]
    x, y = tf.placeholder(tf.float32, [None, 100]), tf.placeholder(tf.float32, [None, 100])
    product = tf.matmul(x, y, name="product")
    with session() as s, pytest.raises(tf.errors.InvalidArgumentError) as caught:
        s.run(product, {x: np.ones((100, 100)), y: np.ones((99, 100))})
    assert "MatMul 'product'" in str(caught.value) and "test_pool.py" in str(caught.value)


def test_a_step_that_waits_for_a_slow_kernel_is_not_taken_for_one_that_cannot_end():  # [W18]
    x = tf.placeholder(tf.float32, [100_000])
    threading.Timer(0.5, _gate.set).start()
    with session() as s:
        assert s.run(HOLD(x), {x: np.ones(100_000, np.float32)})[0] == 1.0


def test_an_idle_pool_is_no_help_to_a_wait_that_cannot_end():  # [W18]
    x = tf.placeholder(tf.float32, [100_000])
    idle = []
    check = _noting("PoolCheck", lambda: idle.append(threading.current_thread() in bystanders))
    with session() as s:
        s.run(check(x), {x: np.ones(100_000, np.float32)})
    workers = {t for t in threading.enumerate() if t.name == "refflow pool"}
    assert idle == [False] and workers and workers <= set(bystanders)


@pytest.mark.parametrize("policy", ["patient", "random(3)"])
def test_training_with_a_pool_gives_the_bits_of_one_thread(policy):  # [W18, S65]
    results = []
    for threads in (1, 3):
        graph, init, fetches = deck_like(rows=3000)
        with session(threads, graph=graph, policy=policy, kernels="reference") as s:
            s.run(init)
            results.append([s.run(fetches)[1:] for _ in range(3)])
    assert [[a.tobytes() for a in step] for step in results[0]] == [[a.tobytes() for a in step] for step in results[1]]
