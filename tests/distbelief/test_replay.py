"""Runs as lists of actions: repeated to the bit, and books that are kept whatever the delays [S01]."""

from collections import Counter

import numpy as np
import pytest

from refflow.distbelief import (
    Action,
    Adagrad,
    ClientLoop,
    Clock,
    Links,
    Partition,
    Player,
    ScheduleError,
    Sgd,
    from_lines,
    schedule,
    straggling,
    to_lines,
    uneven,
)
from tests.distbelief.clusters import TARGETS, X, cluster, net


@pytest.mark.parametrize("rule", [Sgd(0.2), Adagrad(0.1)])
@pytest.mark.parametrize("machines", [1, 2])
def test_a_run_that_is_repeated_ends_with_the_same_bits(rule, machines):  # [S01]
    partition = Partition.by_channel(net(), machines)
    loop = ClientLoop(batch=16, n_fetch=2, n_push=3)
    downpour = cluster(rule, loop, partition, replicas=3, shards=4).run(steps=15)
    actions = from_lines(to_lines(schedule(downpour.clock.log)))
    assert actions == schedule(downpour.clock.log)
    start = partition.pack(net().initial())
    player = Player(partition, start, X, TARGETS, rule, loop.own_rate(rule)).play(actions)
    assert player.vector.tobytes() == downpour.server.vector().tobytes()
    for replica in downpour.replicas:
        assert player.copies[replica.number].tobytes() == replica.vector.tobytes()


def test_the_order_matters():
    downpour = cluster(Adagrad(0.1), replicas=3).run(steps=10)
    actions = schedule(downpour.clock.log)
    applied = [i for i, a in enumerate(actions) if a.kind == "apply"]
    actions[applied[3]], actions[applied[4]] = actions[applied[4]], actions[applied[3]]
    partition = downpour.partition
    player = Player(partition, partition.pack(net().initial()), X, TARGETS, Adagrad(0.1), 0.01).play(actions)
    assert player.vector.tobytes() != downpour.server.vector().tobytes()


def any_cluster(seed):
    """Some cluster: numbers of everything drawn, some replicas failing, links slower than machines or faster."""
    rng = np.random.default_rng(seed)
    links = Links(Clock(seed), 10 ** rng.uniform(-6, -3), 10 ** rng.uniform(6, 9), slowness=uneven(rng.uniform(0, 1)))
    loop = ClientLoop(int(rng.integers(1, 20)), int(rng.integers(1, 5)), int(rng.integers(1, 5)))
    rule = Sgd(0.1) if rng.random() < 0.5 else Adagrad(0.1)
    downpour = cluster(
        rule, loop, Partition.by_channel(net(), int(rng.integers(1, 4))), replicas=int(rng.integers(1, 6)),
        shards=int(rng.integers(1, 6)), links=links, warm_start=int(rng.integers(0, 4)),
        slowness=straggling(0.1, 10.0), shard_speed=10 ** rng.uniform(5, 9),
    )  # fmt: skip
    for replica in downpour.replicas:
        if rng.random() < 0.3:
            downpour.fail(replica.number, at=float(rng.uniform(0, 0.01)))
    return downpour.run(steps=12), rule, loop


def check_a_log(downpour):
    """What holds in every run, whatever its delays."""
    log, parts = downpour.clock.log, {r: set() for r in range(len(downpour.replicas))}
    for replica in downpour.replicas:
        parts[replica.number] = {(part.start, part.stop) for ranges in replica.parts for part in ranges}
    failed = {event.who: event.time for event in log if event.kind == "fail"}
    seen, reads, applied = Counter(), set(), Counter()
    assert [event.time for event in log] == sorted(event.time for event in log)
    for event in log:
        what = event.what
        part = what.get("start"), what.get("stop")
        if event.who.startswith("replica") and event.kind != "fail":
            assert event.time <= failed.get(event.who, np.inf), "who has failed does nothing"
        if event.kind == "read":
            assert what["updates"] == seen[event.who]
            reads.add((what["replica"], what["step"], part))
        if event.kind == "install":
            assert (what["replica"], what["step"], part) in reads
        if event.kind == "apply":
            seen[event.who] += 1
            assert what["updates"] == seen[event.who] and what["age"] >= 0
            applied[what["replica"], what["step"], part] += 1
    pushed = {(e.what["replica"], e.what["step"]) for e in log if e.kind == "push"}
    assert set(applied.values()) <= {1} and {key[:2] for key in applied} <= pushed
    whole = {(r, step, part) for r, step in pushed if f"replica {r}" not in failed for part in parts[r]}
    assert whole <= set(applied), "what was pushed by one that has not failed arrives"
    for replica in downpour.replicas:
        if replica.name not in failed:
            assert replica.step == 12
            steps = [s for (r, s, _), _ in applied.items() if r == replica.number]
            assert set(steps) == set(range(0, 12, downpour.loop.n_push))


def check_repeated(downpour, rule, loop):
    partition = downpour.partition
    start = partition.pack(net().initial())
    player = Player(partition, start, X, TARGETS, rule, loop.own_rate(rule)).play(schedule(downpour.clock.log))
    assert player.vector.tobytes() == downpour.server.vector().tobytes()


@pytest.mark.parametrize("seed", range(8))
def test_any_run_keeps_its_books_and_can_be_repeated(seed):  # [D04, D05, D07]
    downpour, rule, loop = any_cluster(seed)
    check_a_log(downpour)
    check_repeated(downpour, rule, loop)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(8, 400))
def test_many_runs_keep_their_books_and_can_be_repeated(seed):  # [D04, D05, D07]
    downpour, rule, loop = any_cluster(seed)
    check_a_log(downpour)
    check_repeated(downpour, rule, loop)


@pytest.mark.parametrize("line", ['{"kind": "wait", "replica": 0, "step": 1}', "read", '{"kind": "read"}', "[1]"])
def test_lines_that_are_no_schedule(line):
    with pytest.raises(ScheduleError, match="line 2 of a schedule"):
        from_lines(to_lines([Action("push", 0, 0)]) + line)
