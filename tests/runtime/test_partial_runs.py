"""partial_run: feeds bit by bit, fetches in between, and what cannot be asked for."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import refflow as tf


@pytest.fixture
def program():
    with tf.Graph().as_default(), tf.Session() as session:
        a, b, c = (tf.placeholder(tf.float32, []) for _ in range(3))
        first = a + b
        yield session, (a, b, c), (first, first * c)


def test_a_step_waits_between_its_parts(program):
    session, (a, b, c), (first, second) = program
    handle = session.partial_run_setup([first, second], [a, b, c])
    found = session.partial_run(handle, first, {a: 1, b: 2})
    assert found == 3
    assert session.partial_run(handle, second, {c: found * 17}) == 153


def test_what_has_run_does_not_run_again():
    with tf.Graph().as_default(), tf.Session() as session:
        count = tf.Variable(0.0)
        session.run(count.initializer)
        more = tf.placeholder(tf.float32, [])
        counted = tf.identity(tf.assign_add(count, 1.0))
        total = counted + more
        handle = session.partial_run_setup([counted, total], [more])
        assert session.partial_run(handle, counted) == 1
        assert session.partial_run(handle, total, {more: 5}) == 6
        assert session.run(count) == 1


def test_two_steps_are_apart(program):
    session, (a, b, c), (first, second) = program
    handles = [session.partial_run_setup([first, second], [a, b, c]) for _ in range(2)]
    assert [session.partial_run(h, first, {a: i, b: 10}) for i, h in enumerate(handles)] == [10, 11]
    assert [session.partial_run(h, second, {c: 2}) for h in handles] == [20, 22]


def test_a_fetch_may_not_need_what_is_still_to_come(program):
    session, (a, b, c), (first, second) = program
    handle = session.partial_run_setup([first, second], [a, b, c])
    with pytest.raises(tf.errors.InvalidArgumentError, match="can't be computed from the feeds that have been fed so"):
        session.partial_run(handle, second, {a: 1, b: 2})
    assert session.partial_run(handle, [first, second], {a: 1, b: 2, c: 3}) == [3, 9]


@pytest.mark.parametrize(
    ("fetch", "feed", "message"),
    [(0, 0, "The feed Placeholder:0 has already been fed"), (0, 2, "The fetch add:0 has already been fetched")],
)
def test_each_is_given_and_taken_once(program, fetch, feed, message):
    session, holes, results = program
    handle = session.partial_run_setup(list(results), list(holes))
    session.partial_run(handle, results[0], {holes[0]: 1, holes[1]: 2})
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        session.partial_run(handle, results[fetch], {holes[feed]: 1})


def test_all_is_set_up_before(program):
    session, (a, b, _), (first, second) = program
    handle = session.partial_run_setup(first, [a])
    with pytest.raises(tf.errors.InvalidArgumentError, match="The feed Placeholder_1:0 was not specified"):
        session.partial_run(handle, first, {a: 1, b: 2})
    with pytest.raises(tf.errors.InvalidArgumentError, match="The fetch mul:0 was not specified"):
        session.partial_run(handle, second, {a: 1})
    with pytest.raises(tf.errors.InvalidArgumentError, match="Must specify at least one target"):
        session.partial_run_setup([], [a])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Must run 'setup' before"):
        session.partial_run("no handle", first)


def test_a_finished_step_is_gone(program):
    session, (a, b, _), (first, _) = program
    handle = session.partial_run_setup(first, [a, b])
    session.partial_run(handle, first, {a: 1, b: 2})
    with pytest.raises(tf.errors.InvalidArgumentError, match="Must run 'setup' before"):
        session.partial_run(handle, first)


def test_a_step_that_failed_is_told_once_and_gone(program):
    session, (a, _, c), (first, _) = program
    handle = session.partial_run_setup([first, c * 2.0], [a, c])  # b is missing
    with pytest.raises(tf.errors.InvalidArgumentError, match="You must feed a value for placeholder"):
        session.partial_run(handle, [], {a: 1})
    with pytest.raises(tf.errors.InvalidArgumentError, match="Must run 'setup' before"):
        session.partial_run(handle, [], {c: 1})


def test_a_part_does_not_wait_for_what_it_was_not_asked_for(program):
    session, (a, b, _), (first, _) = program
    queue = tf.FIFOQueue(1, tf.float32, [])
    taken = queue.dequeue()
    handle = session.partial_run_setup([first, taken], [a, b])
    assert session.partial_run(handle, first, {a: 1, b: 2}) == 3
    session.run(queue.enqueue(5.0))
    assert session.partial_run(handle, taken) == 5


def test_a_close_ends_a_part_that_waits(graph):
    session = tf.Session()
    a = tf.placeholder(tf.float32, [])
    taken = tf.FIFOQueue(1, tf.float32, []).dequeue() + a
    handle = session.partial_run_setup([taken], [a])
    timer = threading.Timer(0.05, session.close)
    timer.start()
    with pytest.raises(tf.errors.CancelledError):
        session.partial_run(handle, taken, {a: 1})
    timer.join()


def test_two_threads_go_on_with_two_steps_at_once(program):
    session, (a, b, c), (first, second) = program

    def work(k):
        handle = session.partial_run_setup([first, second], [a, b, c])
        found = session.partial_run(handle, first, {a: k, b: 1})
        return session.partial_run(handle, second, {c: found})

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [(k + 1) ** 2 for k in range(40)]
