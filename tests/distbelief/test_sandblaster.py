"""Sandblaster: what the coordinator sees, who computes what, and that the numbers are those of one machine."""

import numpy as np
import pytest

from refflow.distbelief import Clock, Links, ScheduleError, straggling, uneven
from refflow.distbelief.clock import HEADER
from refflow.distbelief.commands import NUMBER, Add, Dot, Evaluate, Multiply, Scale, alone
from refflow.distbelief.lbfgs import TRIAL, minimize
from refflow.distbelief.sandblaster import Coordinator, Sandblaster
from refflow.distbelief.workers import CommandedShard
from tests.distbelief.problems import Bowl, Logistic


def cluster_of(problem, parameters, seed=0, **more):
    """A cluster in which everything takes time."""
    links = Links(Clock(seed), latency=1e-3, bandwidth=1e6, per_message=1e-5)
    options = {"replicas": 4, "shards": 3, "seconds": 1e-3, "shard_speed": 1e6, **more}
    return Sandblaster(problem, parameters, links=links, **options)


def gradient(at="parameters"):
    """A program of one batch."""
    yield Scale(TRIAL, 1.0, at)
    return (yield Evaluate(TRIAL, "gradient"))


# -- the coordinator ----------------------------------------------------------------------------------------


def test_the_coordinator_never_receives_a_vector():  # [D10]
    size = 20_000
    cluster = cluster_of(Bowl(64), np.linspace(-1, 1, size))
    cluster.minimize(max_steps=2)
    received, links = cluster.received(), cluster.links
    assert received.keys() == {*(s.machine.name for s in cluster.shards), *(r.machine.name for r in cluster.replicas)}
    for name, total in received.items():
        assert total <= links.messages[name, "coordinator"] * (HEADER + NUMBER), "one number in a message"
    assert sum(received.values()) < NUMBER * size / 2, "all that it heard, of all vectors, is less than half of one"
    assert links.bytes["shard 0", "replica 0"] > NUMBER * size / 3, "while whoever computes gets them whole"


def test_what_it_receives_does_not_grow_with_the_vectors():  # [D10]
    def heard(size):
        cluster = cluster_of(Bowl(32), np.zeros(size), replicas=2, static=True)

        def program():
            loss = yield from gradient()
            yield Add("x", "gradient", "parameters")
            yield Multiply("x", "x", "gradient")
            return loss, (yield Dot("x", "gradient"))

        assert cluster.run(program()) == (pytest.approx(size / 2), pytest.approx(-size))
        return cluster.received(), [str(command) for _, command in cluster.coordinator.log]

    assert heard(30) == heard(30_000)


def test_the_coordinator_holds_no_array():  # [D10]
    cluster = cluster_of(Logistic(), np.zeros(6))
    cluster.minimize(max_steps=3)
    held = [value for name, value in vars(cluster.coordinator).items() if name not in ("cluster", "clock", "machine")]
    assert not any(isinstance(value, np.ndarray) for value in held)
    assert not any(isinstance(part, np.ndarray) for _, command in cluster.coordinator.log for part in command)
    kinds = {type(command) for _, command in cluster.coordinator.log}
    assert kinds == {Scale, Add, Dot, Evaluate} and isinstance(cluster.coordinator, Coordinator)


def test_the_history_stays_on_the_shards():  # [D10]
    cluster = cluster_of(Logistic(), np.zeros(6), shards=3)
    cluster.minimize(max_steps=5, history=2)
    for shard in cluster.server.shards:
        assert {"s0", "s1", "s2", "y0", "y1", "y2", "direction", "gradient"} < shard.slots.keys()
        assert {len(vector) for vector in shard.slots.values()} == {2}


# -- L-BFGS -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [{}, {"shards": 1, "replicas": 1}, {"push_every": 1}, {"portions": 7}, {"static": True}]
)
def test_l_bfgs_equals_that_of_one_machine_up_to_rounding(more):  # [D12]
    problem = Logistic()
    expected = alone(minimize(12, 1e-9), {"parameters": np.zeros(6)}, problem.whole)
    cluster = cluster_of(problem, np.zeros(6), slowness=straggling(0.2, 8.0), **more)
    outcome = cluster.minimize(12, 1e-9)
    assert outcome.steps == expected.value.steps and outcome.converged == expected.value.converged
    np.testing.assert_allclose(outcome.losses, expected.value.losses, rtol=1e-12)
    np.testing.assert_allclose(cluster.parameters, expected.slots["parameters"], rtol=1e-9)
    clears = 1  # of the gradient, in each batch
    assert len(expected.log) == len(cluster.coordinator.log)
    assert cluster.coordinator.issued == len(expected.log) - outcome.evaluations + clears * outcome.evaluations


def test_without_delays_it_is_a_plain_program():  # [D12]
    problem = Logistic()
    cluster = Sandblaster(problem, np.zeros(6), replicas=3, shards=2)
    outcome = cluster.minimize(tolerance=1e-9)
    assert outcome.converged and cluster.clock.now == 0.0
    _, slope = problem.whole(cluster.parameters)
    assert np.abs(slope).max() < 1e-9


def test_a_run_repeats_to_the_bit_and_event_by_event():
    runs = [cluster_of(Logistic(), np.zeros(6), seed=3, slowness=straggling(0.2, 8.0)) for _ in range(2)]
    for run in runs:
        run.minimize(3)
    assert runs[0].clock.log == runs[1].clock.log
    np.testing.assert_array_equal(runs[0].parameters, runs[1].parameters)


def test_parameters_are_fetched_once_in_a_batch_and_sums_sent_every_few_portions():  # [D12]
    cluster = cluster_of(Bowl(64), np.zeros(300), portions=32, push_every=4)
    cluster.run(gradient())
    for replica in (r.machine.name for r in cluster.replicas):
        assert cluster.links.messages["shard 0", replica] == 1 + 2, "the parameters, and that 2 sums were added"
        assert cluster.links.messages[replica, "shard 0"] == 1 + 2
    assert cluster.server.vector("gradient") == pytest.approx(-np.ones(300))


def test_a_request_that_overtakes_a_command_waits_for_it(monkeypatch):  # [D10, D12]
    """Messages take between a tenth of a millisecond and a second: replicas ask for a point that is not there yet."""
    waited = []
    after = CommandedShard.after

    def watched(shard, number, work, job):
        waited.append(number > shard.done)
        after(shard, number, work, job)

    monkeypatch.setattr(CommandedShard, "after", watched)
    problem = Logistic()
    expected = alone(minimize(6, 1e-9), {"parameters": np.zeros(6)}, problem.whole)
    links = Links(Clock(5), latency=1e-2, slowness=uneven(2.0))
    cluster = Sandblaster(problem, np.zeros(6), replicas=4, shards=3, links=links, seconds=1e-4)
    outcome = cluster.minimize(6, 1e-9)
    assert any(waited)
    np.testing.assert_allclose(outcome.losses, expected.value.losses, rtol=1e-12)
    np.testing.assert_allclose(cluster.parameters, expected.slots["parameters"], rtol=1e-9)


# -- portions in time ---------------------------------------------------------------------------------------


def seconds_of_a_batch(problem, **more):
    cluster = cluster_of(problem, np.zeros(6), **more)
    loss = cluster.run(gradient())
    assert loss == pytest.approx(problem.whole(np.zeros(6))[0])
    np.testing.assert_allclose(cluster.server.vector("gradient"), problem.whole(np.zeros(6))[1], rtol=1e-12)
    ((begin, end),) = cluster.coordinator.batches
    return end - begin, cluster


def test_stragglers_cost_less_than_with_equal_parts():  # [D11]
    """Two portions in a hundred take 60 times as long; in some batches none does."""
    problem, times = Logistic(2000), []
    assert Sandblaster(problem, np.zeros(6), replicas=4).portions.count == 16 * 4, "much finer than by replicas"
    for seed in range(8):
        settings = {"seed": seed, "slowness": straggling(0.02, 60.0), "portions": 80}
        balanced, static = (seconds_of_a_batch(problem, static=static, **settings)[0] for static in (False, True))
        assert balanced < 1.01 * static, "it costs a few messages"
        times.append((balanced, static))
    balanced, static = np.mean(times, axis=0)
    assert balanced < 0.6 * static


def test_a_replica_that_is_slow_throughout_costs_its_share_alone():  # [D11]
    problem = Logistic(2000)
    slow = [lambda chance: 1.0, lambda chance: 1.0, lambda chance: 1.0, lambda chance: 10.0]
    balanced, cluster = seconds_of_a_batch(problem, portions=80, slowness=slow)
    static, _ = seconds_of_a_batch(problem, portions=80, slowness=slow, static=True)
    ideal = 2000 * 1e-3 / 3.1
    assert static > 5.0 and ideal < balanced < 1.35 * ideal
    done = [event.what["replica"] for event in cluster.clock.events("keep")]
    assert done.count(3) < done.count(0) / 5


def test_the_last_portions_are_given_out_twice_and_each_counts_once():  # [D11]
    slow = [lambda chance: 1.0, lambda chance: 1.0, lambda chance: 1.0, lambda chance: 50.0]
    _, cluster = seconds_of_a_batch(Logistic(2000), portions=40, slowness=slow)
    given = [event.what["portion"] for event in cluster.clock.events("give")]
    kept = [event.what["portion"] for event in cluster.clock.events("keep")]
    assert sorted(kept) == list(range(40))
    twice = {portion for portion in given if given.count(portion) == 2}
    assert 30 in twice, "replica 3 was given its first portion, and never was the first with it"
    assert set(given) == set(kept) and not any(given.count(portion) > 2 for portion in given)
    first = min(i for i, portion in enumerate(given) if portion in given[:i])
    assert set(given[:first]) == set(range(40)), "only when nothing was left to be given out"


def test_a_result_that_comes_too_late_is_dropped():  # [D11]
    """Both report the last portion, the second one while the news that it is needless is on its way."""
    times = iter([2.0, 0.8])
    speeds = [lambda chance: 1.0, lambda chance: next(times)]
    links = Links(Clock(), latency=0.5)
    problem = Logistic(30)
    cluster = Sandblaster(problem, np.zeros(6), replicas=2, portions=3, links=links, seconds=0.1, slowness=speeds)
    cluster.run(gradient())
    assert len(list(cluster.clock.events("drop"))) == 1 and len(list(cluster.clock.events("keep"))) == 3
    np.testing.assert_allclose(cluster.server.vector("gradient"), problem.whole(np.zeros(6))[1], rtol=1e-12)


def test_reading_ahead_pays_since_portions_follow_each_other():  # [D11]
    quick, cluster = seconds_of_a_batch(Logistic(800), portions=80)
    looking, _ = seconds_of_a_batch(Logistic(800), portions=80, seek=0.1)
    assert looking - quick < 3 * 0.1, "a replica looks for its place at first, and perhaps near the end; not 20 times"
    last, follows = {}, 0
    for event in cluster.clock.events("compute"):
        replica, portion = event.what["replica"], event.what["portion"]
        follows += last.get(replica) == portion - 1
        last[replica] = portion
    assert follows >= 80 - 4


# -- mistakes -----------------------------------------------------------------------------------------------


def test_a_replica_that_is_lost_with_what_it_summed_is_told():
    cluster = cluster_of(Logistic(2000), np.zeros(6))
    cluster.clock.at(0.2, cluster.replicas[2].machine.fail)
    with pytest.raises(ScheduleError, match=r"stands still at .* loss at trial: replica 2 is down"):
        cluster.run(gradient())
    with pytest.raises(ScheduleError, match="a program stands still. Make a new cluster"):
        cluster.run(gradient())


def test_mistakes_are_told():
    with pytest.raises(ScheduleError, match=r"objective is \[3, 4\], but expected a loss with part\(\)"):
        Sandblaster([3, 4], np.zeros(2))
    with pytest.raises(ScheduleError, match=r"parameters are dict of shape \[\], but expected one long vector"):
        Sandblaster(Logistic(), {"w": np.zeros(6)})
    with pytest.raises(ScheduleError, match="200 portions of 120 examples"):
        Sandblaster(Logistic(), np.zeros(6), portions=200)
    with pytest.raises(ScheduleError, match="sums of at least 1 portion"):
        Sandblaster(Logistic(), np.zeros(6), push_every=0)
    with pytest.raises(ScheduleError, match="1 slownesses for 4 replicas"):
        Sandblaster(Logistic(), np.zeros(6), slowness=[straggling(0.1, 2.0)])
    with pytest.raises(ScheduleError, match="no vector is called 'nothing'"):
        Sandblaster(Logistic(), np.zeros(6)).run(gradient("nothing"))
