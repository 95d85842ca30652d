"""Programs whose values cross between host and cards, with state: on interpreted ones as the executor has them [S33].

Random ones, and small ones that were once found among them, and failed.
"""

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.runtime.device import Device
from refflow.runtime.gpu import GpuDevice
from refflow_kernels.simulated import SimulatedCard
from tests.card_programs import run_all
from tests.kernels.test_gpu_device import simulated_gpu
from tests.runtime.test_branching_programs import assert_close


def check(seed):
    """Several runs on two cards, captured or not, beside the executor with the pages."""

    def on_cards(**options):
        devices = [Device(0), *(GpuDevice(i, SimulatedCard()) for i in range(2))]
        return run_all(seed, tf, devices=devices, allow_soft_placement=True, **options)

    found, again = on_cards(), on_cards(capture=False)
    wanted = run_all(seed, tf, executor="executor", kernels="reference", allow_soft_placement=True)
    assert [a.tobytes() for a in found] == [b.tobytes() for b in again]
    for one, other in zip(found, wanted, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        near = 1e-2 if one.dtype == np.float16 else 1e-3
        np.testing.assert_allclose(one, other, rtol=near, atol=near)


@pytest.mark.parametrize("seed", (33,))
def test_two_cards_do_as_the_executor(seed):
    check(seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 300))
def test_two_hundred_programs_on_two_cards(seed):
    check(seed)


def runs_of(build, times=3, **session):
    """What each of some runs fetched. build: gives fetches and feeds."""
    with tf.Graph().as_default() as graph, tf.Session(graph=graph, **session) as running:
        fetches, feeds = build()
        running.run(tf.global_variables_initializer())
        return [np.asarray(v) for _ in range(times) for v in running.run(fetches, feeds)]


def on_a_card(build, **options):
    return runs_of(build, devices=[Device(0), simulated_gpu()], allow_soft_placement=True, **options)


def truths_by_handle():
    """What the host reads by a handle is let go of behind its last line, which is where it goes up."""
    x = tf.placeholder(tf.float32, [4])
    v = tf.get_variable("v", initializer=np.zeros(4, np.bool_), use_resource=True)
    with tf.control_dependencies([tf.assign(v, x > 0)]):
        seen = v.read_value()
    return [tf.tanh(tf.cast(seen, tf.float32))], {x: np.float32([1, -1, 2, 3])}


def many_stretches():
    """A check of shapes in a step of more stretches than lines before it: names of both kinds."""
    x = tf.placeholder(tf.float32, [None])
    with tf.device("/cpu:0"):
        y = tf.reduce_sum(tf.reverse(tf.boolean_mask(x, x > 0), [0]))
    for _ in range(12):
        y = tf.tanh(y)
        with tf.device("/cpu:0"):
            y = tf.sin(y)
    return [y], {x: np.float32([1, -1, 2, 3])}


@pytest.mark.parametrize("build", (truths_by_handle, many_stretches))
def test_small_programs_that_failed(build):
    found, again = on_a_card(build), on_a_card(build, capture=False)
    assert_close(found, runs_of(build, executor="executor", kernels="reference"))
    assert [a.tobytes() for a in found] == [b.tobytes() for b in again]


def test_a_traced_step_that_changes_variables_behind_handles_is_counted_as_it_ran():  # [W15, W47]
    x = tf.placeholder(tf.float32, [4])
    v = tf.get_variable("v", initializer=np.zeros(4, np.float32), use_resource=True)
    with tf.Session(devices=[Device(0), simulated_gpu()], allow_soft_placement=True) as session:
        session.run(v.initializer)
        metadata = tf.RunMetadata()
        trace = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        session.run(tf.assign(v, x * 2).op, {x: np.float32([1, 2, 3, 4])}, trace, metadata)
        assert [n.node_name for d in metadata.step_stats.dev_stats for n in d.node_stats if n.node_name == "mul"]
        assert session.run(v).tolist() == [2, 4, 6, 8]


CARDS = pytest.mark.parametrize("options", ({}, {"capture": False}))


def session_on(graph, options):
    return tf.Session(graph=graph, devices=[Device(0), simulated_gpu()], allow_soft_placement=True, **options)


@CARDS
def test_two_indices_that_were_out_of_range_in_one_step_are_forgotten_together(options):  # [W79]
    with tf.Graph().as_default() as graph, session_on(graph, options) as session:
        table = tf.get_variable("table", initializer=np.float32([[1], [2], [3]]))
        i, j = tf.placeholder(tf.int32, [1]), tf.placeholder(tf.int32, [1])
        rows = [tf.gather(table, i), tf.gather(table, j) * 2]
        session.run(table.initializer)
        for _ in range(2):
            assert [r.tolist() for r in session.run(rows, {i: [2], j: [0]})] == [[[3]], [[2]]]
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"= 5 is not in"):
            session.run(rows, {i: [5], j: [7]})
        assert [r.tolist() for r in session.run(rows, {i: [2], j: [0]})] == [[[3]], [[2]]]


@CARDS
def test_a_variable_that_was_destroyed_is_missed_by_what_was_captured(options):  # [S14, W47]
    with tf.Graph().as_default() as graph, session_on(graph, options) as session:
        v = tf.get_variable("v", initializer=np.float32([1, 2]), use_resource=True)
        doubled, destroy = v.read_value() * 2, tf.raw_ops.DestroyResourceOp(resource=v.handle)
        for _ in range(2):
            session.run(v.initializer)
            assert [session.run(doubled).tolist() for _ in range(3)] == [[2, 4]] * 3
            session.run(destroy)
            with pytest.raises(tf.errors.FailedPreconditionError):
                session.run(doubled)


@CARDS
def test_a_variable_of_another_shape_than_declared_is_right_or_refused(options):  # [W12]
    """In the step that changes its shape what is read is of the new one; a step that was built for the old says so."""
    with tf.Graph().as_default() as graph, session_on(graph, options) as session:
        v, x = tf.Variable(np.float32([1, 2])), tf.placeholder(tf.float32, [None])
        grown = tf.assign(v, x, validate_shape=False)
        with tf.control_dependencies([grown]):
            seen = tf.abs(v)
        chain = tf.abs(v) * 2
        session.run(v.initializer)
        for _ in range(2):
            assert [session.run(chain).tolist() for _ in range(3)] == [[2, 4]] * 3
            assert session.run([grown, seen], {x: [3, 4, 5]})[1].tolist() == [3, 4, 5]
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"has shape \[3\] now, but .* \[2\]"):
                session.run(chain)
            session.run(grown, {x: [1, 2]})
