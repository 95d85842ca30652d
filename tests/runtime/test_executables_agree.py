"""The plan and the executor give the same bits, and no schedule changes them."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings

import refflow as tf
from tests.graphs import Program, assert_same_bits, deck_like, programs

QUICK = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(programs)
def test_plan_and_executor_agree_to_the_bit_under_the_reference_kernels(decisions):
    program = Program(decisions)
    wanted = program.run(executor="executor", kernels="reference")
    assert_same_bits(program.run(kernels="reference"), wanted)
    assert_same_bits(program.run(kernels="reference", optimize=False), wanted)
    assert_same_bits(program.run(executor="executor", kernels="reference", optimize=True), wanted)
    assert_same_bits(program.run(kernels="reference", merge_common_subexpressions=True), wanted)


@QUICK
@given(programs)
@example([(9, 0, 0, 0), (11, 0, 0, 0), (4, 0, 7, 0)])  # a read, a change, and a use of the read after it
def test_three_devices_give_the_bits_of_one(decisions):  # [S33]
    """The same graph, its nodes dealt out to three devices in turn."""
    program = Program(decisions)
    wanted = program.run(executor="executor", kernels="reference")
    for i, op in enumerate(program.graph.get_operations()):
        if not op.inputs or not any(t.dtype.is_ref_dtype for t in op.inputs):
            op._set_device(f"/cpu:{i % 3}")
    for executor in ("plan", "executor"):
        assert_same_bits(
            program.run(executor=executor, kernels="reference", device_count={"CPU": 3}), wanted
        )


@QUICK
@given(programs)
def test_fast_kernels_agree_with_the_reference_within_rounding(decisions):
    program = Program(decisions)
    for fast, slow in zip(program.run(), program.run(kernels="reference"), strict=True):
        for a, b in zip(fast, slow, strict=True):
            if a is not None:
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def losses(steps=2, **options):
    graph, init, fetches = deck_like()
    with tf.Session(graph=graph, **options) as session:
        session.run(init)
        return [session.run(fetches)[1:] for _ in range(steps)]


def test_200_random_schedules_give_one_result():  # [W17, S30]
    wanted = losses(kernels="reference")
    for seed in range(200):
        assert_same_bits(losses(executor="executor", kernels="reference", policy=f"random({seed})"), wanted)


@pytest.mark.parametrize("policy", ["fifo", "lifo", "adversarial"])
@pytest.mark.parametrize("optimize", [True, False])
def test_every_policy_gives_one_result(policy, optimize):  # [W17]
    got = losses(executor="executor", kernels="reference", policy=policy, optimize=optimize)
    assert_same_bits(got, losses(kernels="reference"))


def test_two_runs_of_one_program_are_equal_to_the_bit():  # [S65]
    assert_same_bits(losses(), losses())


def test_a_missing_control_edge_shows_under_the_adversarial_policy():  # [W03]
    """Two assignments of one variable: with an edge between them the order is the edge's under every policy."""

    def last_value(ordered, policy):
        graph = tf.Graph()
        with graph.as_default():
            v = tf.Variable(0.0)
            first = v.assign(1.0)
            with graph.control_dependencies([first] if ordered else []):
                second = v.assign(2.0)
        with tf.Session(graph=graph, executor="executor", policy=policy) as session:
            session.run([first.op, second.op])
            return float(session.run(v))

    policies = ["fifo", "lifo", "adversarial", "random(1)", "random(2)", "random(3)"]
    assert {last_value(True, p) for p in policies} == {2.0}
    assert {last_value(False, p) for p in policies} == {1.0, 2.0}
