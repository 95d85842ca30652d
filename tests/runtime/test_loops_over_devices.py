"""Loops and branches whose nodes are on several devices: the numbers of one device, and what is sent [W42, S33]."""

import random
from collections import Counter

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.runtime.plan import Plan
from tests.runtime.test_structured_programs import Built

EXECUTABLES = [{}, {"executor": "executor"}, {"executor": "executor", "policy": "lifo"},
               {"executor": "executor", "policy": "random(3)"}]  # fmt: skip


def power(turns, x, device="/cpu:1", **options):
    """x^turns, multiplied on `device`, counted where the loop is."""

    def body(i, a):
        with tf.device(device):
            a = a * x
        return [i + 1, a]

    return tf.while_loop(lambda i, a: i < turns, body, [0, tf.ones_like(x)], **options)[1]


@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
@pytest.mark.parametrize("devices", [2, 3])
def test_a_loop_over_devices_gives_the_numbers_of_one(devices, options):
    turns, x = tf.placeholder(tf.int32, []), tf.placeholder(tf.float64, [2])

    def body(i, a, b):
        with tf.device("/cpu:1"):
            c = power(i, b, f"/cpu:{devices - 1}") + a
            (slope,) = tf.gradients(tf.reduce_sum(c * c), b)
        with tf.device(f"/cpu:{devices - 1}"):
            d = tf.cond(tf.equal(i % 2, 0), lambda: tf.tanh(slope), lambda: b * 0.5)
        return [i + 1, a + d, b + 0.1]

    ends = tf.while_loop(lambda i, a, b: i < turns, body, [0, x, x * 2.0])
    slopes = tf.gradients(tf.reduce_sum(ends[1]), x)
    feeds = {turns: 5, x: [0.3, -0.2]}
    with tf.Session(device_count={"CPU": devices}, kernels="reference", **options) as session:
        got = session.run([*ends, *slopes], feeds)
    for op in tf.get_default_graph().get_operations():
        op._set_device("/cpu:0")
    with tf.Session(kernels="reference", executor="executor") as session:
        wanted = session.run([*ends, *slopes], feeds)
    assert [a.tobytes() for a in got] == [b.tobytes() for b in wanted]


def events_of(fetch, feeds=None, devices=3):
    """What happened in a run: (kind, name of the node, its device)."""
    with tf.Session(device_count={"CPU": devices}, executor="executor", log=True) as session:
        session.run(fetch, feeds)
        return [(e.kind, e.node, e.device[-1:]) for e in session.log.events]


@pytest.mark.parametrize("turns", [0, 1, 4])
def test_the_verdict_goes_to_each_participant_once_an_iteration(turns):
    def body(i, a):
        for device in ("/cpu:1", "/cpu:2"):
            with tf.device(device):
                a = a * 2.0
        return [i + 1, a]

    with tf.device("/cpu:0"):
        end = tf.while_loop(lambda i, a: i < turns, body, [0, 1.0])[1]
    verdicts = Counter(name for kind, name, _ in events_of(end) if kind == "send" and "LoopCond" in name)
    assert sorted(verdicts.values()) == [turns + 1] * 2  # the last verdict is that there is no further iteration


def test_what_does_not_change_in_a_loop_crosses_once():
    x = tf.constant([2.0, 3.0])
    received = [name for kind, name, device in events_of(power(5, x)) if kind == "recv" and device == "1"]
    assert sum("Const/" in name for name in received) == 1 and len(received) > 5


def ring_nodes(fetch, devices=2):
    with tf.Session(device_count={"CPU": devices}) as session:
        stages = session.stages(session.signature(fetch))
        kinds = Counter(n.type for n in stages.partitioned.nodes if n.name.startswith("ring_"))
        return kinds, isinstance(stages.executable(session.config, {}), Plan)


def test_rings_are_added_for_loops_over_several_devices_only():
    x = tf.constant(2.0)
    assert ring_nodes(power(3, x, "/cpu:0")) == (Counter(), True)
    one = {"Const": 2, "Enter": 2, "Merge": 2, "Switch": 2, "NextIteration": 2}
    assert ring_nodes(power(3, x)) == (one, True)
    nested = tf.while_loop(lambda i, a: i < 2, lambda i, a: [i + 1, power(i, a)], [0, x])[1]
    two = {kind: 2 * n if kind != "Const" else n for kind, n in one.items()}
    assert ring_nodes(nested) == (two, True)  # the inner rings begin with the outer ones' Merges, not with constants


@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
def test_a_loop_in_a_branch_that_is_not_taken_ends_on_all_devices(options):
    taken, x = tf.placeholder(tf.bool, []), tf.constant(3.0)
    end = tf.cond(taken, lambda: power(4, x), lambda: x)
    with tf.Session(device_count={"CPU": 2}, **options) as session:
        assert [session.run(end, {taken: t}) for t in (True, False)] == [81.0, 3.0]


def test_what_only_waits_for_a_dead_node_of_another_device_is_dead():  # [W41, O03]
    v = tf.Variable(0.0)
    taken = tf.placeholder(tf.bool, [])
    switch = op_def("Switch")(tf.constant(1.0), taken)
    with tf.device("/cpu:1"):
        other = tf.identity(switch.output_true)
    with tf.control_dependencies([other]):
        change = tf.assign(v, 5.0)
    with tf.Session(device_count={"CPU": 2}, executor="executor") as session:
        session.run(tf.initialize_all_variables())
        session.run(change.op, {taken: False})
        assert session.run(v) == 0.0
        session.run(change.op, {taken: True})
        assert session.run(v) == 5.0


def test_a_loop_over_devices_needs_a_condition_that_all_can_know():
    entered = op_def("Enter")(tf.constant(1.0), frame_name="f")
    with tf.device("/cpu:1"):
        inside = entered * 2.0
    end = op_def("Exit")(inside)
    wrong = pytest.raises(tf.errors.InvalidArgumentError, match="must have a pivot predicate: 'f'")
    with tf.Session(device_count={"CPU": 2}) as session, wrong:
        session.run(end)


@pytest.mark.parametrize("options", EXECUTABLES, ids=str)
def test_each_node_of_a_loop_may_be_anywhere(options):
    """Also the Enters, Merges, Switches, NextIterations and Exits, one after the other on the second device."""
    x = tf.constant([1.5])
    end = power(3, x, "/cpu:0")
    own = [op for op in tf.get_default_graph().get_operations() if op.name.startswith("while")]
    for op in own:
        op._set_device("/cpu:1")
        with tf.Session(device_count={"CPU": 2}, **options) as session:
            assert session.run(end) == 1.5**3, op.name
        op._set_device("")


@pytest.mark.parametrize("seed", range(6))
def test_random_programs_on_random_devices_agree_with_one_device(seed):
    check_spread(seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 300))
def test_two_hundred_programs_on_random_devices(seed):
    check_spread(seed)


def check_spread(seed):
    built = Built(seed, with_state=seed % 2 == 1)
    wanted = _bits(built.run())
    draw, devices = random.Random(seed), 2 + seed % 2
    for op in built.graph.get_operations():
        if not any(t.dtype.is_ref_dtype for t in op.inputs):
            op._set_device(f"/cpu:{draw.randrange(devices)}")
    count = {"CPU": devices}
    assert _bits(built.run(device_count=count)) == wanted
    assert _bits(built.run(device_count=count, executor="executor", policy=f"random({seed})")) == wanted


def _bits(run):
    results, slopes, count = run
    return [np.asarray(v).tobytes() for v in [*results, *slopes, count]]
