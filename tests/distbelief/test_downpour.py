"""Downpour: the client loop, who talks to whom, clocks that differ, failures, warm starts, scaling."""

from collections import Counter

import numpy as np
import pytest

from refflow.data import as_examples, fashion_mnist, one_hot
from refflow.distbelief import (
    Adagrad,
    ClientLoop,
    Clock,
    Dense,
    Downpour,
    LayerError,
    Links,
    Network,
    Partition,
    Relu,
    ScheduleError,
    Sgd,
    forward,
    loss_and_gradient,
    straggling,
    uneven,
)
from tests.distbelief.clusters import TARGETS, X, cluster, net, slow

# -- the client loop ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("speed", [float("inf"), 1e8])
def test_one_replica_without_delay_is_plain_gradient_descent(shards, speed):  # [D06]
    downpour = Downpour(net(), X, TARGETS, Sgd(0.2), ClientLoop(batch=16), shards=shards, speed=speed).run(steps=40)
    partition = Partition.whole(net())
    w = partition.pack(net().initial())
    batches = [event.what["rows"] for event in downpour.clock.events("compute")]
    assert len(batches) == 40
    for rows in batches:
        _, gradient = loss_and_gradient(partition, w, X[rows], TARGETS[rows])
        w = w - np.float32(0.2) * gradient
    assert w.tobytes() == downpour.server.vector().tobytes() == downpour.replicas[0].vector.tobytes()


def test_batches_are_all_of_a_replicas_examples_again_and_again():  # [D04]
    downpour = cluster(replicas=4).run(steps=8)  # 64 examples each, in 4 batches
    for r in range(4):
        rows = [event.what["rows"] for event in downpour.clock.events("compute") if event.what["replica"] == r]
        first, second = np.ravel(rows[:4]).tolist(), np.ravel(rows[4:]).tolist()
        assert sorted(first) == sorted(second) == list(range(r, 256, 4)) and first != second


def steps_of(downpour, kind):
    return [event.what["step"] for event in downpour.clock.events(kind) if event.what["replica"] == 0]


def test_fetches_and_pushes_are_every_so_many_steps():  # [D06]
    downpour = cluster(loop=ClientLoop(batch=16, n_fetch=4, n_push=3)).run(steps=10)
    assert steps_of(downpour, "fetch") == [0, 4, 8]
    assert steps_of(downpour, "push") == [0, 3, 6, 9]
    assert steps_of(downpour, "apply") == [0, 3, 6, 9]


def test_what_is_pushed_is_the_sum_since_the_last_push_and_a_replica_goes_its_own_way_meanwhile():  # [D06]
    """Without delay and with n_fetch = 4, n_push = 2, worked step by step."""
    loop = ClientLoop(batch=16, n_fetch=4, n_push=2)
    downpour = Downpour(net(), X, TARGETS, Sgd(0.2), loop).run(steps=7)
    partition = Partition.whole(net())
    server = partition.pack(net().initial())
    own, accrued = server.copy(), np.zeros_like(server)
    for step, event in enumerate(downpour.clock.events("compute")):
        if step % 4 == 0:
            own = server.copy()
        rows = event.what["rows"]
        _, gradient = loss_and_gradient(partition, own, X[rows], TARGETS[rows])
        own -= np.float32(0.2) * gradient
        accrued += gradient
        if step % 2 == 0:
            server -= np.float32(0.2) * accrued
            accrued[:] = 0
    assert np.array_equal(server, downpour.server.vector())
    assert np.array_equal(own, downpour.replicas[0].vector) and not np.array_equal(own, server)


def test_a_fetch_goes_on_while_a_step_is_computed():  # [D06]
    downpour = cluster(loop=ClientLoop(batch=16, n_fetch=2), slowness=uneven(0.01)).run(steps=6)
    kinds = [event.kind for event in downpour.clock.log if event.kind in ("fetch", "compute", "install", "update")]
    assert kinds[:4] == ["fetch", "install", "compute", "update"], "the first parameters are waited for"
    later = kinds[kinds.index("fetch", 1) :]
    assert later[:3] == ["fetch", "compute", "install"]


def test_the_rate_of_a_replicas_own_updates():
    assert ClientLoop().own_rate(Sgd(0.2)) == 0.2
    assert ClientLoop().own_rate(Adagrad(0.5)) == 0.05
    assert ClientLoop(rate=0.3).own_rate(Adagrad(0.5)) == 0.3


# -- who talks to whom, and in which order ------------------------------------------------------------------


def test_a_partition_talks_only_to_shards_that_hold_its_parameters():  # [D04]
    partition = Partition.by_channel(net(), 2)
    downpour = cluster(model=partition, replicas=2, shards=5).run(steps=3)
    cuts = [(s.start, s.stop) for s in downpour.server.shards]
    for r in range(2):
        for p, (start, stop) in enumerate(partition.ranges()):
            name = f"replica {r}" + (f" part {p}" if p else "")
            theirs = {f"shard {j}" for j, (a, b) in enumerate(cuts) if a < stop and start < b}
            assert {to for by, to in downpour.links.messages if by == name} == theirs
            assert {by for by, to in downpour.links.messages if to == name} == theirs
            assert 0 < len(theirs) < 5


def test_bytes_are_those_of_the_parameters():  # [D04]
    partition = Partition.whole(net())
    downpour = cluster(shards=2, loop=ClientLoop(batch=16, n_fetch=2, n_push=3)).run(steps=6)  # 3 fetches, 2 pushes
    half = 4 * len(net()) // 2
    assert downpour.links.bytes["replica 0", "shard 0"] == 3 * 64 + 2 * (64 + half)
    assert downpour.links.bytes["shard 1", "replica 0"] == 3 * (64 + half)
    assert partition.bounds == [0, len(net())]


def test_a_cut_replica_trains_as_a_whole_one():  # [D01, D04]
    results = [
        cluster(model=model, loop=ClientLoop(batch=16), links=Links(Clock(1))).run(steps=20).parameters
        for model in (net(), Partition.by_channel(net(), 3))
    ]
    for one, three in zip(*(r.values() for r in results), strict=True):
        np.testing.assert_allclose(one, three, rtol=1e-4, atol=1e-6)


def orders(downpour):
    """For each shard, whose steps it applied, in order."""
    found = {}
    for event in downpour.clock.events("apply"):
        found.setdefault(event.who, []).append((event.what["replica"], event.what["step"]))
    return found


def test_shards_see_updates_in_different_numbers_and_orders_and_training_converges():  # [D05]
    downpour = cluster(replicas=6, shards=4)
    before = downpour.loss()
    downpour.run(until=0.05)
    seen = Counter(event.who for event in downpour.clock.events("apply"))
    counts, differ = Counter(), 0
    for event in downpour.clock.events("apply"):
        counts[event.who] += 1
        assert event.what["updates"] == counts[event.who], "each shard has its own clock"
        differ += len(set(counts.values())) > 1 or len(counts) < 4
    assert differ > 100, "most of the time they have seen different numbers of updates"
    by_shard = orders(downpour)
    assert len({tuple(o[:50]) for o in by_shard.values()}) == 4, "and in different orders"
    assert max(seen.values()) > 200
    assert downpour.loss() < before / 4


def test_shards_that_keep_in_step_do_so_for_want_of_delays():  # [D05]
    downpour = Downpour(net(), X, TARGETS, Sgd(0.2), ClientLoop(batch=16), replicas=3, shards=4).run(steps=5)
    first, *others = orders(downpour).values()
    assert all(other == first for other in others)


def test_a_seed_fixes_everything_that_happens():  # [D05]
    logs = [cluster(replicas=3, shards=2, links=slow(seed)).run(steps=10).clock.log for seed in (5, 5, 6)]
    assert logs[0] == logs[1] != logs[2]


def test_ages_of_three_equal_replicas_without_delay():
    """All read before any of them pushes: the first push finds nothing new, the second one update, the third two."""
    downpour = Downpour(net(), X, TARGETS, Sgd(0.2), ClientLoop(batch=16), replicas=3, speed=1e6).run(steps=5)
    applied = list(downpour.clock.events("apply"))
    assert [event.what["age"] for event in applied] == [0, 1, 2] * 5
    assert [event.what["replica"] for event in applied] == [0, 1, 2] * 5


def test_gradients_are_as_old_as_there_are_others():
    """With equal machines, each push finds that the others have pushed once since its parameters were read."""
    ages = {}
    for replicas in (1, 4):
        downpour = cluster(replicas=replicas, slowness=uneven(0.01), links=slow(latency=1e-6, bandwidth=1e10)).run(30)
        ages[replicas] = np.mean([event.what["age"] for event in list(downpour.clock.events("apply"))[40:]] or [0])
        assert downpour.server.shards[0].seen == {f"replica {r}": 30 for r in range(replicas)}
    assert ages[4] > ages[1] + 2


# -- rules, failures, warm starts ---------------------------------------------------------------------------


def test_adagrad_on_the_shards_trains():  # [D08]
    downpour = cluster(Adagrad(0.1), replicas=4, shards=3)
    before = downpour.loss()
    downpour.run(steps=60)
    assert downpour.loss() < before / 4 and downpour.accuracy() > 0.9
    assert (downpour.server.vector("squares") >= 0).all() and downpour.server.vector("squares").any()
    assert not hasattr(downpour.replicas[0], "squares")


def test_the_others_go_on_when_a_replica_fails():  # [D07]
    downpour = cluster(replicas=4)
    downpour.fail(2, at=0.02)
    before = downpour.loss()
    downpour.run(until=0.04)
    last = {r: max(e.time for e in downpour.clock.events("update") if e.what["replica"] == r) for r in range(4)}
    assert last.pop(2) <= 0.02 and min(last.values()) > 0.039
    assert downpour.loss() < before / 2
    rates = [downpour.examples_per_second(*window) for window in ((0.005, 0.02), (0.025, 0.04))]
    assert rates[1] / rates[0] == pytest.approx(3 / 4, rel=0.08)
    assert [(e.who, e.time) for e in downpour.clock.events("fail")] == [("replica 2", 0.02)]


def test_what_a_failed_replica_was_sending_is_lost_and_its_step_too():  # [D07]
    downpour = cluster(replicas=2, slowness=uneven(0.01))
    begun = next(e.time for e in cluster(replicas=2, slowness=uneven(0.01)).run(9).clock.log if e.kind == "push")
    downpour.fail(0, at=begun + 1e-9)
    downpour.run(steps=3)
    assert {e.what["replica"] for e in downpour.clock.events("apply")} == {1}


def test_one_replica_may_train_alone_first():  # [D09]
    downpour = cluster(replicas=5, warm_start=12).run(steps=20)
    alone = [e for e in downpour.clock.log if e.what.get("replica") == 0 and e.kind == "update"][11].time
    others = [e.time for e in downpour.clock.log if e.what.get("replica") not in (0, None)]
    assert min(others) == alone
    assert Counter(e.what["replica"] for e in downpour.clock.events("update")) == {r: 20 for r in range(5)}


def test_a_warm_start_steadies_what_is_too_fast():  # [D09]
    """Twelve replicas at a rate that is too high for gradients so old: alone at first, the loss stays lower."""
    curves = {}
    for warm in (0, 40):
        downpour = cluster(Sgd(1.0), replicas=12, warm_start=warm)
        downpour.run(steps=1)
        curves[warm] = [event.what["loss"] for event in downpour.run(until=0.05).clock.events("update")]
    worst = {warm: max(curve[12:]) for warm, curve in curves.items()}
    assert worst[40] < worst[0]


def test_the_others_need_not_wait_for_a_first_one_that_failed():  # [D07, D09]
    downpour = cluster(replicas=3, warm_start=50)
    downpour.fail(0, at=0.003)
    downpour.run(steps=10)
    assert [replica.step for replica in downpour.replicas[1:]] == [10, 10]
    assert downpour.replicas[0].step < 10


@pytest.mark.deep
def test_pictures_of_clothes():  # [D01, D04, D05, D08, D09]
    """10,000 pictures, six replicas in two parts each, four shards: gradients are ten updates old, and it learns."""
    clothes = fashion_mnist(size="small")
    x, targets = as_examples(clothes.train_images), one_hot(clothes.train_labels)
    partition = Partition.by_channel(Network([784], [Dense(64), Relu(), Dense(10)]), 2)
    links = Links(Clock(1), latency=1e-4, bandwidth=1.25e8, slowness=uneven(0.5))
    downpour = Downpour(
        partition, x, targets, Adagrad(0.02), ClientLoop(batch=32),
        replicas=6, shards=4, warm_start=30, links=links, speed=1e9, slowness=uneven(0.3),
    ).run(steps=150)  # fmt: skip
    assert np.mean([event.what["age"] for event in downpour.clock.events("apply")]) > 5
    scores = forward(partition, downpour.server.vector(), as_examples(clothes.test_images))
    assert (scores.argmax(axis=1) == clothes.test_labels).mean() > 0.78


# -- scaling ------------------------------------------------------------------------------------------------


def rate(replicas, shards=1, bandwidth=1e7, **settings):
    links = slow(bandwidth=bandwidth)
    downpour = cluster(replicas=replicas, shards=shards, links=links, **settings).run(until=0.03)
    return downpour.examples_per_second(since=0.01)


def test_examples_a_second_grow_with_replicas_until_the_servers_links_are_full():  # [S02]
    curve = {replicas: rate(replicas) for replicas in (1, 2, 4, 8, 16)}
    assert curve[2] / curve[1] == pytest.approx(2, rel=0.15)
    assert curve[16] / curve[8] < 1.1, "the links are full"
    # Each step moves the parameters once each way: 174 numbers of 4 bytes, and headers of 64.
    full = 1e7 / (4 * len(net()) + 2 * 64) * 16
    assert curve[16] == pytest.approx(full, rel=0.1)


def test_more_shards_and_fewer_messages_push_the_limit_out():  # [S02]
    limit = rate(16)
    assert rate(16, shards=2) > 1.5 * limit
    assert rate(16, loop=ClientLoop(batch=16, n_fetch=4, n_push=4)) > 2 * limit


def test_stragglers_do_not_hold_the_others_up():  # [D05]
    downpour = cluster(replicas=4, slowness=straggling(0.1, 20.0)).run(until=0.05)
    steps = [replica.step for replica in downpour.replicas]
    assert max(steps) > 1.1 * min(steps)


# -- mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [{"n_fetch": 0}, {"n_push": 0}, {"batch": 0}, {"n_push": 1.5}, {"n_fetch": -1}])
def test_a_loop_fetches_pushes_and_has_batches(bad):
    with pytest.raises(ScheduleError, match=f"ClientLoop: {next(iter(bad))} = .*, but expected a whole number"):
        ClientLoop(**bad)


@pytest.mark.parametrize(("settings", "text"), [
    ({"replicas": 0}, "replicas = 0, but expected a whole number of at least 1"),
    ({"replicas": 17}, "17 replicas with batches of 16 on 256 examples"),
    ({"warm_start": -1}, "warm_start = -1"),
    ({"shards": 0}, "shards = 0"),
    ({"speed": 0}, "speed = 0"),
])  # fmt: skip
def test_clusters_that_could_not_run(settings, text):
    with pytest.raises(ScheduleError, match=text):
        cluster(**settings)


def test_a_run_has_an_end():
    with pytest.raises(ScheduleError, match=r"no end. Give steps, or until=seconds"):
        Downpour(net(), X, TARGETS, Sgd(0.1), ClientLoop(batch=16)).run(until=1.0)
    with pytest.raises(ScheduleError, match="no end"):
        cluster().run()
    with pytest.raises(ScheduleError, match="steps = -1"):
        cluster().run(steps=-1)
    with pytest.raises(ScheduleError, match="no time passes"):
        cluster().examples_per_second()
    with pytest.raises(ScheduleError, match="rate = -0.1"):
        ClientLoop(rate=-0.1)
    with pytest.raises(ScheduleError, match="replica 3, but expected 0 to 2"):
        cluster(replicas=3).fail(3, at=1.0)


def test_two_clusters_on_one_clock_are_told_apart():
    links = slow()
    cluster(links=links)
    with pytest.raises(ScheduleError, match="a machine 'shard 0' on this clock already. Give each cluster a Clock"):
        cluster(links=links)


def test_a_model_is_a_network_or_a_partition_of_one():
    with pytest.raises(LayerError, match=r"the model is \[Dense\(units=4\)\], but expected a Network"):
        Downpour([Dense(4)], X, TARGETS, Sgd(0.1))
    assert Downpour(net(), X.tolist(), TARGETS.tolist(), Sgd(0.1)).run(steps=1).loss() > 0


def test_targets_are_rows():
    with pytest.raises(LayerError, match="a row with a single 1"):
        Downpour(net(), X, TARGETS.argmax(axis=1), Sgd(0.1))
