"""Portions of a batch: each counts once, in whatever order and how often they come back."""

import numpy as np
import pytest

from refflow.distbelief import ScheduleError
from refflow.distbelief.portions import Portions


def worked_off(portions, speeds, chance):
    """One batch with replicas of these mean speeds. Gives who took what, in order, and what counted."""
    taken, counted = [], []
    work = {}  # replica -> portion, when it is done

    def take(replica, now):
        portion = portions.take(replica)
        if portion is not None:
            taken.append((replica, portion))
            work[replica] = (now + chance.exponential() / speeds[replica], portion)

    for replica in range(len(speeds)):
        take(replica, 0.0)
    while not portions.complete:
        who = [*portions.free, *portions.done, *portions.at]
        assert sorted(who) == list(range(portions.count)), "each is free, at somebody's, or done"
        replica = min(work, key=lambda r: work[r][0])
        now, portion = work.pop(replica)
        counts, others = portions.finish(replica, portion)
        counted += [portion] * counts
        for idle in [replica, *others]:
            work.pop(idle, None)
            take(idle, now)
    return taken, counted


@pytest.mark.parametrize("seed", range(8))
def test_each_portion_counts_once_and_is_out_twice_at_most(seed):  # [D11]
    chance = np.random.default_rng(seed)
    count, replicas = int(chance.integers(1, 60)), int(chance.integers(1, 8))
    portions = Portions(max(count, replicas), replicas)
    for _ in range(3):  # batches
        portions.begin()
        taken, counted = worked_off(portions, chance.uniform(0.1, 2.0, replicas), chance)
        assert sorted(counted) == list(range(portions.count))
        given = [portion for _, portion in taken]
        assert all(given.count(portion) <= 2 for portion in given)
        again = [i for i, portion in enumerate(given) if portion in given[:i]]
        assert set(given[: again[0] if again else None]) == set(range(portions.count)), "all of them once, then again"


def test_nothing_is_given_out_again_while_something_is_free():  # [D11]
    portions = Portions(6, 2)
    assert [portions.take(0), portions.take(1)] == [0, 3]
    for portion in (0, 1, 2):
        assert portions.finish(0, portion) == (True, [])
        taken = portions.take(0)
    assert taken == 5, "the second half of what is free: replica 1 comes to 4 next"
    portions.finish(0, 5)
    assert portions.take(0) == 4 and portions.take(1) == 4, "a replica that is idle, with a portion that is out"
    assert portions.finish(1, 3) == (True, [])
    assert portions.finish(0, 4) == (True, [1]) and portions.finish(1, 4) == (False, [])
    assert portions.complete and portions.take(0) is None


def test_the_last_ones_go_out_twice_and_the_first_result_wins():  # [D11]
    portions = Portions(2, 2)
    portions.take(0), portions.take(1)
    portions.finish(0, 0)
    assert portions.take(0) == 1 and portions.at == {1: [1, 0]}
    assert portions.finish(0, 1) == (True, [1])
    assert portions.finish(1, 1) == (False, [])


def test_sequential_portions_go_to_the_same_worker():  # [D11]
    portions = Portions(64, 4)
    taken, _ = worked_off(portions, [1.0, 1.0, 1.0, 0.2], np.random.default_rng(0))
    before, follows = {}, 0
    for replica, portion in taken:
        follows += before.get(replica, -2) + 1 == portion
        before[replica] = portion
    assert follows > 0.75 * len(taken)
    portions.begin()
    assert [portions.take(replica) for replica in range(4)] == [0, 16, 32, 48], "and the same part in the next batch"


def test_a_static_split_gives_nothing_to_others():  # [D11]
    portions = Portions(10, 3, static=True)
    taken, _ = worked_off(portions, [1.0, 5.0, 5.0], np.random.default_rng(0))
    assert {r: [p for who, p in taken if who == r] for r in range(3)} == {0: [0, 1, 2], 1: [3, 4, 5], 2: [6, 7, 8, 9]}


def test_mistakes_are_told():
    with pytest.raises(ScheduleError, match="3 portions for 4 replicas"):
        Portions(3, 4)
    with pytest.raises(ScheduleError, match="replica 1 has a result of portion 0 and was not given it"):
        portions = Portions(4, 2)
        portions.take(0)
        portions.finish(1, 0)
