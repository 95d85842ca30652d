"""Schedules of replicas in virtual time: who reads parameters when, and whose gradient is applied when [S63, S67]."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest

from refflow.train.asynchronous import Trace, Update, interleave


@pytest.mark.parametrize(("groups", "replicas"), [(1, 1), (1, 4), (4, 1), (2, 3)])
def test_each_replica_fetches_computes_and_pushes_and_its_group_applies(groups, replicas):  # [S63]
    events = list(interleave(groups, replicas, 20, seed=5, latency=0.25))
    assert sum(e.what == "apply" for e in events) == 20
    for group in range(groups):
        own = [e for e in events if e.group == group]
        for step, here in itertools.groupby(own, lambda e: e.step):
            here = list(here)
            if here[-1].what != "apply":
                continue  # the run ended before
            assert [e.what for e in here[:replicas]] == ["fetch"] * replicas and here[-1].step == step
            for r in {e.replica for e in here}:
                fetch, compute, push = (e for e in here if e.replica == r and e.what != "apply")
                assert (fetch.what, compute.what, push.what) == ("fetch", "compute", "push")
                assert fetch.until == fetch.time + 0.25 == compute.time and push.until == push.time + 0.25
                assert compute.until == push.time and 0.9 <= compute.until - compute.time <= 1.1
            assert here[-1].time == max(e.until for e in here[:-1])
    effects = [e.time for e in events if e.what in ("fetch", "apply")]
    assert effects == sorted(effects)


def test_a_seed_fixes_the_schedule():  # [S67]
    one, same, other = (list(interleave(5, 1, 50, seed)) for seed in (1, 1, 2))
    assert one == same != other
    orders = [[e.group for e in events if e.what == "apply"] for events in (one, other)]
    assert orders[0] != orders[1]


def drawn(seed):
    """Groups, replicas in each, updates, and options of a schedule, with up to three losses."""
    draw = random.Random(seed)
    m, n = draw.randint(1, 4), draw.randint(1, 3)
    lost = {draw.randrange(m * n): draw.uniform(0, 9) for _ in range(draw.randint(0, 3))}
    return m, n, draw.randint(0, 25), {"seed": seed, "latency": draw.choice([0.0, 0.3, 2.0]), "lost": lost}


@pytest.mark.parametrize("seeds", [range(k, k + 100) for k in range(0, 300, 100)], ids=str)
def test_an_update_is_of_a_whole_group_and_as_late_as_others_came_between(seeds):  # [S63, S67, S68]
    for m, n, updates, options in map(drawn, seeds):
        version, read, late, lasts, own = 0, {}, 0, {}, Counter()
        came = [Counter() for _ in range(m)]
        for event in interleave(m, n, updates, **options):
            g, end = event.group, options["lost"].get(event.replica, np.inf)
            if event.what == "lost":
                assert event.time == end
                continue
            assert event.until <= end + (0 if event.what == "compute" else options["latency"])
            came[g][event.what] += 1
            if event.what == "fetch":
                read[g] = version
            elif event.what == "apply":
                assert came[g] == {"fetch": n, "compute": n, "push": n, "apply": 1}
                late, lasts[g] = late + version - read[g], version
                version, came[g], own[g] = version + 1, Counter(), own[g] + 1
        assert version == updates or (version < updates and len({r // n for r in options["lost"]}) == m)
        assert late == sum(last + 1 - own[g] for g, last in lasts.items())  # what others did up to its last one


def test_impossible_schedules_are_refused():
    with pytest.raises(ValueError, match="at least one group of one replica is needed, got 0 of 2"):
        next(interleave(0, 2, 1))
    with pytest.raises(ValueError, match="replica 4 is to be lost, but there are 0 to 3"):
        next(interleave(2, 2, 1, lost={4: 1.0}))
    for options in ({"latency": -1.0}, {"seconds": lambda draw, r: float("nan")}):
        with pytest.raises(ValueError, match=r"seconds and latency begin at 0, got .* for replica 0"):
            list(interleave(2, 2, 1, **options))
    with pytest.raises(TypeError, match=r"seconds is 1.5, expected a function such as lambda"):
        next(interleave(2, 2, 1, seconds=1.5))
    assert list(interleave(2, 2, 0)) == []


def test_what_a_lost_replica_has_sent_arrives():  # [S68]
    events = list(interleave(2, 1, 10, seconds=lambda draw, r: 1.0, latency=0.5, lost={0: 1.75}))
    assert [e.time for e in events if e.group == 0 and e.what == "apply"] == [2.0]


def test_staleness_is_what_lies_between():
    updates = [Update(1.0, 0, 0, 0, 0, 2.0), Update(2.0, 1, 0, 0, 1, 1.0), Update(2.5, 0, 1, 1, 2, 0.5)]
    trace = Trace([], updates)
    assert trace.staleness() == {0: 1, 1: 2} and trace.staleness(after=1) == {1: 2}
    with pytest.raises(ValueError, match="from 2 s to 2 s no time passes"):
        trace.throughput(2.0, 2.0)
    assert trace.throughput(0.5, 2.5) == 1.5 and trace.losses == [2.0, 1.0, 0.5]
