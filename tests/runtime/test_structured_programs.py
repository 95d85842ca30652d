"""Random structured programs: the plan, the executor and plain Python agree, forward and backward [W39, W40, W43]."""

import numpy as np
import pytest

import refflow as tf
from refflow.ops.conditionals import cond
from refflow.ops.loops import while_loop
from refflow.runtime.plan import Plan
from tests import programs


class Names:
    """refflow's functions under the names that programs use."""

    constant, identity, tanh, assign_add = tf.constant, tf.identity, tf.tanh, tf.assign_add
    add, subtract, multiply = tf.add, tf.sub, tf.mul
    control_dependencies = staticmethod(tf.control_dependencies)


REFFLOW = programs.Library(Names, cond, while_loop, tf.reduce_sum, np.float64)


class Built:
    """One program as a graph: its results, its slopes, what it counts, and what to feed."""

    def __init__(self, seed, with_state=False):
        self.program = programs.random_program(seed, with_state=with_state)
        rng = np.random.default_rng(seed)
        self.inputs = [rng.normal(size=3) for _ in programs.NAMES]
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.state = tf.Variable(np.float64(0))
            holes = [tf.placeholder(tf.float64, [3]) for _ in self.inputs]
            self.feeds = dict(zip(holes, self.inputs, strict=True))
            ends = programs.build(self.program, REFFLOW, holes, self.state.ref())
            self.results = [tf.identity(e) for e in ends]  # a fed tensor cannot be fetched
            total = tf.add_n([tf.reduce_sum(r * r) for r in self.results])
            slopes = tf.gradients(total, holes)
            self.slopes = [tf.zeros([3], tf.float64) if s is None else s for s in slopes]

    def run(self, **options):
        with tf.Session(graph=self.graph, kernels="reference", **options) as session:
            session.run(self.state.initializer)
            results = session.run(self.results, self.feeds)
            counted = session.run(self.state)
            return results, session.run(self.slopes, self.feeds), counted

    def numeric_slopes(self, step=1e-6):
        def total(inputs):
            return sum((v * v).sum() for v in programs.run_in_python(self.program, inputs)[0])

        found = [np.zeros(3) for _ in self.inputs]
        for which in range(len(self.inputs)):
            for place in range(3):
                ahead, behind = ([x.copy() for x in self.inputs] for _ in range(2))
                ahead[which][place] += step
                behind[which][place] -= step
                found[which][place] = (total(ahead) - total(behind)) / (2 * step)
        return found


def check(seed, policies):
    built = Built(seed, with_state=seed % 2 == 1)
    wanted, counted = programs.run_in_python(built.program, built.inputs)
    results, slopes, count = built.run()
    for got, want in zip(results, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    for got, want in zip(slopes, built.numeric_slopes(), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)
    assert count == counted
    for policy in policies:
        others, their_slopes, their_count = built.run(executor="executor", policy=policy)
        assert their_count == counted
        for got, want in zip([*others, *their_slopes], [*results, *slopes], strict=True):
            assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("seed", range(24))
def test_plan_executor_and_python_agree(seed):
    check(seed, ["fifo", f"random({seed})"])


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 600))
def test_five_hundred_programs_on_twenty_schedules_each(seed):
    check(seed, ["lifo", "adversarial", *(f"random({seed * 100 + k})" for k in range(18))])


def test_every_program_has_a_plan():
    """Loops and branches that are made of cond and while_loop are always written as Python's own."""
    for seed in range(24):
        built = Built(seed, with_state=seed % 2 == 1)
        with tf.Session(graph=built.graph) as session:
            stages = session.stages(session.signature([*built.results, *built.slopes], list(built.feeds)))
            assert isinstance(stages.executable(session.config, {}), Plan), stages.unplanned
