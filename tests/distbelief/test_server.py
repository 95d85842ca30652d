"""The server: cuts of one long vector, the two rules, and each shard's own clock."""

import numpy as np
import pytest

from refflow.distbelief import Adagrad, Clock, FixedStructure, Links, ScheduleError, Server, Sgd


def server_of(values, rule, shards=1):
    clock = Clock()
    return Server(clock, Links(clock), np.array(values, np.float32), rule, shards)


def test_shards_hold_the_vector_between_them():
    server = server_of(np.arange(10), Sgd(1.0), shards=3)
    assert [(s.start, s.stop) for s in server.shards] == [(0, 3), (3, 6), (6, 10)]
    assert server.vector().tolist() == list(range(10)) and len(server) == 10
    server.set(np.arange(10)[::-1])
    assert server.shards[1].slots["parameters"].tolist() == [6, 5, 4]


def test_a_part_lies_on_the_shards_that_it_meets_and_no_others():  # [D04]
    server = server_of(np.arange(10), Sgd(1.0), shards=5)
    assert [(r.shard, r.start, r.stop) for r in server.ranges(3, 6)] == [(1, 3, 4), (2, 4, 6)]
    assert server.ranges(4, 4) == []


def test_each_shard_counts_its_own_updates():  # [D05]
    server = server_of(np.zeros(4), Sgd(0.5), shards=2)
    for by in ("replica 0", "replica 1"):
        (part,) = server.ranges(2, 4)
        server.shards[1].apply(part, np.array([1.0, 2.0], np.float32), by)
    assert [s.updates for s in server.shards] == [0, 2]
    assert server.shards[1].seen == {"replica 0": 1, "replica 1": 1}
    assert server.vector().tolist() == [0, 0, -1, -2]


def test_what_was_read_does_not_change():
    server = server_of(np.zeros(4), Sgd(1.0))
    (part,) = server.ranges(0, 4)
    before = server.shards[0].read(part)
    server.shards[0].apply(part, np.ones(4, np.float32), "r")
    assert before.tolist() == [0] * 4


def test_adagrads_kth_step_is_gamma_over_the_root_of_k():  # [D08, E20]
    server = server_of(np.zeros(3), Adagrad(0.6))
    (part,) = server.ranges(0, 3)
    steps = []
    for _ in range(9):
        before = server.vector()
        server.shards[0].apply(part, np.array([1.0, -4.0, 0.0], np.float32), "r")
        steps.append(before - server.vector())
    expected = 0.6 / np.sqrt(np.arange(1, 10))
    np.testing.assert_allclose(np.array(steps)[:, 0], expected, rtol=2e-6)
    np.testing.assert_allclose(np.array(steps)[:, 1], -expected, rtol=2e-6)
    assert (np.array(steps)[:, 2] == 0).all()
    assert server.vector("squares").tolist() == [9, 144, 0]


def test_adagrads_squares_lie_on_the_shards():  # [D08]
    server = server_of(np.zeros(4), Adagrad(1.0), shards=2)
    assert set(server.shards[0].slots) == {"parameters", "squares"}
    server.shards[0].apply(server.ranges(0, 2)[0], np.array([3.0, 0.0], np.float32), "r")
    assert server.vector("squares").tolist() == [9, 0, 0, 0]
    assert server.vector().tolist() == [-1, 0, 0, 0]


@pytest.mark.parametrize(("shards", "text"), [(0, "shards = 0"), (1.5, "shards = 1.5"), (5, "5 shards for 4 param")])
def test_no_shard_is_empty(shards, text):
    with pytest.raises(ScheduleError, match=text):
        server_of(np.zeros(4), Sgd(1.0), shards)


@pytest.mark.parametrize("rule", [Sgd(0.0), Sgd(-0.1), Adagrad(float("nan")), Sgd(float("inf"))])
def test_a_rate_is_above_zero(rule):
    with pytest.raises(ScheduleError, match="a number above 0"):
        server_of(np.zeros(4), rule)


class Momentum(Sgd):
    """A rule of one's own."""


@pytest.mark.parametrize("rule", [Momentum(0.1), lambda w, g: w - g, "adam"])
def test_the_servers_rules_are_two(rule):  # [S03]
    with pytest.raises(FixedStructure, match=r"neither Sgd\(rate\) nor Adagrad\(gamma\)"):
        server_of(np.zeros(4), rule)
