"""Pieces over threads: all of them once, the first error, the same bits for any number, and BLAS as it was."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import refflow as tf
from refflow_kernels.cpu import KERNELS, threads
from tests.kernels.samples import SAMPLES


def at(count, function):
    before = threads.use(count)
    try:
        return function()
    finally:
        threads.use(before)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_piece_is_done_once(count):
    done = []
    at(count, lambda: threads.each(done.append, 50))
    assert sorted(done) == list(range(50))


@pytest.mark.parametrize("count", [1, 3])
def test_the_error_of_a_piece_is_raised_and_later_work_goes_on(count):
    def work(i):
        if i == 3:
            raise ValueError("piece 3")

    with pytest.raises(ValueError, match="piece 3"):
        at(count, lambda: threads.each(work, 20))
    done = []
    at(count, lambda: threads.each(done.append, 4))
    assert sorted(done) == [0, 1, 2, 3]


def test_a_piece_may_be_in_pieces():
    done = []
    at(3, lambda: threads.each(lambda i: threads.each(lambda j: done.append((i, j)), 4), 5))
    assert sorted(done) == [(i, j) for i in range(5) for j in range(4)]


def test_one_thread_starts_none():
    before = set(threading.enumerate())
    x = np.ones((600, 600), np.float32)
    with tf.Graph().as_default(), tf.Session(intra_op_parallelism_threads=1) as session:
        hole = tf.placeholder(tf.float32, x.shape)
        session.run(tf.matmul(hole, hole), {hole: x})
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("op_type", KERNELS)
def test_any_number_of_threads_gives_the_same_bits(op_type, rng):
    for inputs, attrs, _ in SAMPLES[op_type](rng, "float32"):
        results = []
        for count in (1, 3):
            with np.errstate(all="ignore"):
                found = at(count, lambda i=inputs, a=attrs: KERNELS[op_type].function(*i, **a))
            results.append([np.asarray(f).tobytes() for f in (found if isinstance(found, tuple) else (found,))])
        assert results[0] == results[1]


def test_blas_has_one_thread_inside_and_its_own_afterwards():
    from threadpoolctl import threadpool_info

    def counts():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    threads.blas.let_go()  # the fixture's hold
    try:
        before = counts()
        with threads.one_blas_thread():
            with threads.one_blas_thread():
                assert set(counts()) <= {1}
            assert set(counts()) <= {1}
        assert counts() == before
    finally:
        threads.blas.hold()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_a_forked_child_computes_with_threads_of_its_own():
    x = np.ones((1500, 1500), np.float32)
    product = KERNELS["MatMul"].function
    at(2, lambda: product(x, x))  # the parent's workers are there
    child = os.fork()
    if child == 0:
        good = bool((at(2, lambda: product(x, x)) == 1500).all())
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_idle_workers_give_no_hope_to_a_step_that_waits_for_ever():
    """In a process of its own: any other thread that is about might still help."""
    program = """
import numpy as np
import refflow as tf
from refflow_kernels.cpu import threads

x = np.ones((1500, 1500), np.float32)
with tf.Session(intra_op_parallelism_threads=2) as session:
    hole, never = tf.placeholder(tf.float32, x.shape), tf.FIFOQueue(1, [tf.float32]).dequeue()
    session.run(tf.matmul(hole, hole), {hole: x})
    assert threads.workers
    try:
        session.run(never)
    except tf.OpError as error:
        print(error)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "this wait can never end" in told.stdout
