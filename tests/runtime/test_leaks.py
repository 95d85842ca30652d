"""Steps leave nothing behind: no objects, no threads, no memory, whatever ends them.

A mixture of queues, loops, branches, arrays, slopes, partial runs, timeouts and errors, in both executables. After a
while of it everything that is made once is there; then as much again must add nothing.
"""

import gc
import os
import threading
from collections import abc

import numpy as np
import pytest

import refflow as tf

EXECUTABLES = [{}, {"executor": "executor"}]


class Mixture:
    """A session and what it is asked for in turn."""

    def __init__(self, **options):
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.number, self.rows = tf.placeholder(tf.int32, []), tf.placeholder(tf.float32, [None, 3])
            self.queue = tf.RandomShuffleQueue(50, 5, [tf.float32], [[3]], seed=1)
            self.put, self.take = self.queue.enqueue_many([self.rows]), self.queue.dequeue_many(4)
            self.size = self.queue.size()
            empty = tf.FIFOQueue(5, [tf.float32], [[]])
            self.wait = empty.dequeue()
            ended = tf.FIFOQueue(5, [tf.float32], [[]])
            self.close, self.late = ended.close(), [ended.dequeue(), ended.enqueue(1.0)]
            self.total = tf.Variable(0.0)
            end, self.array = self._loop()
            self.slope = tf.gradients(tf.reduce_sum(end * end), self.rows)[0]
            self.add = self.total.assign_add(tf.reduce_sum(end))
            self.wrong = tf.gather(self.rows, self.number)
            self.begin = tf.initialize_all_variables()
        self.session = tf.Session(graph=self.graph, **options)
        self.session.run(self.begin)
        self.session.run(self.close)

    def _loop(self):
        rows = tf.TensorArray(tf.float32, 0, dynamic_size=True)

        def body(i, a, rows):
            a = tf.cond(tf.equal(i % 2, 0), lambda: tf.tanh(a), lambda: a * 0.5 + 1.0)
            return [i + 1, a, rows.write(i, a)]

        start = [0, self.rows, rows]
        _, end, rows = tf.while_loop(lambda i, *_: i < self.number, body, start, [[], [None, 3], []])
        return end, rows.concat()

    def step(self, i):
        """The i-th of the mixture."""
        run, rows = self.session.run, np.full((4, 3), i % 7, np.float32)
        feeds = {self.number: 1 + i % 4, self.rows: rows}
        kind = i % 8
        if kind == 0:
            run([self.array, self.add], feeds)
        elif kind == 1:
            run(self.slope, feeds)
        elif kind in (2, 3):
            run(self.put, {self.rows: rows}) if run(self.size) <= 40 else None
        elif kind in (4, 5):
            run(self.take) if run(self.size) >= 9 else None
        elif kind == 6:
            self.fails(tf.errors.OpError, self.wrong, {self.number: 99, self.rows: rows})
            self.fails(tf.errors.OutOfRangeError, self.late[0])
            self.fails(tf.errors.OpError, self.late[1])
            self.fails(ValueError, self.slope, {self.number: 1, self.rows: np.zeros(2)})
        elif i % 64 == 7:
            self.fails(tf.errors.DeadlineExceededError, self.wait, None, tf.RunOptions(timeout_in_ms=1))
        elif i % 64 == 15:
            handle = self.session.partial_run_setup([self.array, self.add], [self.number, self.rows])
            self.session.partial_run(handle, [], {self.number: 2})
            self.session.partial_run(handle, [self.array, self.add], {self.rows: rows})

    def fails(self, kind, *run):
        try:
            self.session.run(*run)
        except kind:
            return
        raise AssertionError(f"no {kind.__name__}")


def resident():
    """Bytes of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def objects():
    """How many objects of each type there are.

    Counted by hand: a Counter would ask what a generator is an instance of, and each abstract class keeps the answer in
    a weak reference, until another class is registered anywhere.
    """
    gc.collect()
    found = {}
    for each in gc.get_objects():
        name = type(each).__name__
        found[name] = found.get(name, 0) + 1
    return found


def grown(before, after, least):
    """What there is more of by at least so many."""
    more = {kind: count - before.get(kind, 0) for kind, count in after.items()}
    return {kind: n for kind, n in more.items() if n >= least}


def test_to_count_objects_makes_none():
    class Sized(dict):
        pass

    abc.Sized.register(Sized)  # abstract classes forget what they knew
    assert not grown(objects(), objects(), 5)


def check(options, warm, steps):
    mixture = Mixture(**options)
    for i in range(warm):
        mixture.step(i)
    before, threads, memory = objects(), set(threading.enumerate()), resident()
    for i in range(warm, warm + steps):
        mixture.step(i)
    memory = resident() - memory
    left = grown(before, objects(), 30)
    mixture.session.close()
    assert not left
    assert set(threading.enumerate()) <= threads
    assert memory < (4 << 20) + 4 * steps  # half a pointer for each step
    gc.collect()


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
def test_two_thousand_steps_leave_nothing_behind(options):
    check(options, 512, 1024)


@pytest.mark.deep
@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
def test_a_hundred_thousand_steps_leave_nothing_behind(options):
    check(options, 4096, 100_000)


def pairs_between_threads(count, options):
    """The memory that `count` enqueues in one thread and as many dequeues in another leave behind."""
    with tf.Graph().as_default(), tf.Session(**options) as session:
        queue = tf.FIFOQueue(100, [tf.float32], [[]])
        number = tf.placeholder(tf.float32, [])
        put, take = queue.enqueue(number), queue.dequeue()

        def hand_over(count):
            thread = threading.Thread(target=lambda: [session.run(put, {number: i}) for i in range(count)])
            thread.start()
            found = [session.run(take) for _ in range(count)]
            thread.join()
            assert found == list(range(count))

        hand_over(min(count, 2000))
        gc.collect()
        before = resident()
        for _ in range(count // 2000):
            hand_over(2000)
        gc.collect()
        return resident() - before


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
def test_four_thousand_pairs_between_two_threads_leave_nothing_behind(options):  # [W45]
    assert pairs_between_threads(4000, options) < 2 << 20


@pytest.mark.deep
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
def test_a_hundred_thousand_pairs_between_two_threads_leave_nothing_behind(options):  # [W45]
    assert pairs_between_threads(100_000, options) < 2 << 20
