"""The toy comparison: every method gets there, and what each makes of more machines [D13 stays context]."""

import math

import numpy as np
import pytest

from refflow.distbelief import Network
from refflow.distbelief.comparison import HEADING, Row, compare, sandblaster, task, until
from refflow.distbelief.layers import Dense
from refflow.distbelief.sandblaster import NetworkLoss, Sandblaster


def test_all_four_methods_reach_a_modest_target():
    rows = list(compare(task(300), replicas=(3,), target=1.0))
    assert [(row.method, row.replicas, row.machines) for row in rows] == [
        ("SGD", 1, 1), ("Downpour SGD", 3, 5), ("Downpour with Adagrad", 3, 5), ("Sandblaster L-BFGS", 3, 6),
    ]  # fmt: skip
    assert all(math.isfinite(row.seconds) and row.loss <= 1.0 for row in rows)


def test_sandblaster_takes_the_same_steps_with_more_machines_in_less_time():
    few, many = (list(sandblaster(task(400), replicas, steps=8)) for replicas in (2, 8))
    np.testing.assert_allclose([loss for _, loss in few], [loss for _, loss in many], rtol=1e-6)
    assert many[-1][0] < 0.6 * few[-1][0]


def test_a_target_that_is_not_reached_takes_for_ever():
    curve = [(1.0, 0.5), (2.0, 0.3), (3.0, 0.2)]
    assert until(iter(curve), 0.3, 10.0) == (2.0, 0.3)
    assert until(iter(curve), 0.1, 10.0) == (math.inf, 0.2) == until(iter(curve[:2] + curve[2:]), 0.1, 2.5)
    assert str(Row("SGD", 1, 1, math.inf, 0.2)).split() == ["SGD", "1", "1", "never", "0.2000"]
    assert len(str(Row("SGD", 1, 1, 12.0, 0.2))) == len(HEADING)


def test_a_network_s_portions_add_up_to_the_network(rng):  # [D12]
    network = Network([3], [Dense(2)])
    x, targets = rng.normal(size=(10, 3)), np.eye(2)[rng.integers(0, 2, 10)]
    loss = NetworkLoss(network, x, targets)
    w = loss.partition.pack(network.initial(0, np.float64))
    whole, slope = loss.part(w, 0, 10)
    parts = [loss.part(w, 0, 3), loss.part(w, 3, 4), loss.part(w, 4, 10)]
    assert sum(value for value, _ in parts) == pytest.approx(whole)
    np.testing.assert_allclose(sum(gradient for _, gradient in parts), slope, rtol=1e-12)
    for dtype in (np.float32, np.float64):
        cluster = Sandblaster(loss, w.astype(dtype), replicas=2)
        outcome = cluster.minimize(max_steps=200, tolerance=1e-3)
        assert outcome.converged and outcome.losses[-1] < 0.8 * whole and cluster.parameters.dtype == dtype
