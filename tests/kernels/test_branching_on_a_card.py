"""Random float32 programs on an interpreted card do as the executor does with the pages, captured or not [S33, W80]."""

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.runtime.device import Device
from refflow.runtime.endings import ENDED, end_chains
from refflow.runtime.fuse import FUSED, fuse
from refflow.runtime.joins import JOINED, join_products
from refflow.runtime.loosen import free_constants, skip_identities
from tests.branching_programs import program, run_all
from tests.kernels.test_gpu_device import simulated_gpu
from tests.runtime.test_branching_programs import assert_close
from tests.trained_programs import random_net, trained


def check(run):
    """Three runs: the first line by line, the others replays, where steps are captured."""

    def on_a_card(**options):
        return run(devices=[Device(0), simulated_gpu()], allow_soft_placement=True, **options)

    found, again = on_a_card(), on_a_card(capture=False)
    assert_close(found, run(executor="executor", kernels="reference"))
    assert [a.tobytes() for a in found] == [b.tobytes() for b in again]


def test_the_programs_have_what_a_card_s_plans_rewrite():
    """Chains, chains that reductions end, and products with what is behind them."""
    kinds = []
    for seed in range(100, 106):
        with tf.Graph().as_default() as graph:
            feeds, fetches, _ = program(seed, tf)
            with tf.Session(graph=graph, devices=[Device(0), simulated_gpu()], allow_soft_placement=True) as session:
                stages = session.stages(session.signature(fetches, list(feeds)), [x.shape for x in feeds.values()])
        step = end_chains(join_products(fuse(skip_identities(free_constants(stages.partitioned)))))
        kinds += [n.op_def for n in step.nodes if n.device.type == "gpu"]
    for kind in (FUSED, ENDED, JOINED):
        assert kinds.count(kind) >= 5, kind.name


def given_to_a_branch_in_another_shape(x):
    """A Merge hands a product on by a view of it; a sum is made between."""
    y = tf.reshape(tf.matmul(x, x), [2, 8])
    return [tf.cond(tf.reduce_sum(y) > 0, lambda: y, lambda: 2 * y)]


def asked_twice(x):
    """Between two branches by one predicate, others of its size are made on the card."""
    first = tf.reduce_sum(x) > 0
    chosen = tf.cond(first, lambda: x + 1, lambda: x - 1)
    with tf.control_dependencies([chosen]):
        others = [tf.reduce_sum(x * k) < 100 for k in range(1, 4)]
    with tf.control_dependencies(others):
        again = tf.cond(tf.logical_not(first), lambda: x * 3, lambda: x / 3)
    return [chosen, again, *others]


@pytest.mark.parametrize("sign", (1, -1))
@pytest.mark.parametrize("build", (given_to_a_branch_in_another_shape, asked_twice))
def test_what_branches_need_stays_as_it_is(build, sign):
    def run(**options):
        with tf.Graph().as_default() as graph, tf.Session(graph=graph, **options) as session:
            x = tf.placeholder(tf.float32, [4, 4])
            fetches = build(x)
            value = sign * np.linspace(-1, 2, 16, dtype=np.float32).reshape(4, 4)
            return [np.asarray(v) for _ in range(2) for v in session.run(fetches, {x: value})]

    check(run)


@pytest.mark.parametrize("seed", (1,))
def test_a_card_does_as_the_executor(seed):
    check(lambda **options: run_all(seed, tf, **options))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 160))
def test_sixty_programs_on_a_card(seed):
    check(lambda **options: run_all(seed, tf, **options))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 112))
def test_a_dozen_nets_with_loops_on_a_card(seed):
    check(lambda **options: trained(random_net(seed), tf, dtype=np.float32, **options))
