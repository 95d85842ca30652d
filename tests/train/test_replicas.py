"""M asynchronous groups of N synchronous replicas: schedules, stale gradients, failures [S67, S68, S69]."""

import itertools
import json
import threading

import numpy as np
import pytest

import refflow as tf
from refflow import timeline
from refflow.train.asynchronous import Event, interleave
from refflow.train.replicas import ReplicaTraining

RATE = 0.125
RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 2))
START = RNG.normal(size=(3, 2))


class Linear:
    """A linear model, its shards being equal parts of X and Y, and a session."""

    def __init__(self, replicas, groups, batch=None, make=None, cpus=1):
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.w = tf.Variable(START, name="w")
            shards = list(zip(np.array_split(X, replicas), np.array_split(Y, replicas), strict=True))
            optimizer = (make or tf.train.GradientDescentOptimizer)(RATE)
            devices = [f"/cpu:{i}" for i in range(min(cpus, replicas))]
            self.training = ReplicaTraining(self.loss_of, shards, optimizer, groups, batch, devices)
            init = tf.initialize_all_variables()
        self.session = tf.Session(graph=self.graph, device_count={"CPU": cpus})
        self.session.run(init)

    def loss_of(self, x, y):
        return tf.reduce_mean(tf.reduce_sum(tf.square(tf.matmul(x, self.w) - y), 1))

    def run(self, updates, **options):
        trace = self.training.run(self.session, updates, **options)
        return self.weights(), trace

    def weights(self):
        return self.session.run(self.w)


def slope(w, x, y):
    return 2 * x.T @ (x @ w - y) / len(x)


def by_hand(replicas, groups, updates, seed, batch=None, **options):
    """The same in plain NumPy: the weights, and how stale each gradient was."""
    xs, ys = np.array_split(X, replicas), np.array_split(Y, replicas)
    n = replicas // groups
    w, version, held, stale = START, 0, {}, []
    for event in interleave(groups, n, updates, seed, **options):
        if event.what == "fetch":
            held[event.group] = w, version
        elif event.what == "apply":
            own = range(event.group * n, event.group * n + n)
            rows = {r: np.arange(event.step * b, (event.step + 1) * b) % len(xs[r])
                    for r in own for b in [batch or len(xs[r])]}  # fmt: skip
            examples = [np.concatenate([part[r][rows[r]] for r in own]) for part in (xs, ys)]
            w = w - RATE * slope(held[event.group][0], *examples)
            stale.append(version - held[event.group][1])
            version += 1
    return w, stale


# -- schedules ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_gradients_of_n_equal_replicas_are_n_minus_1_updates_stale(n):  # [S67]
    """Exactly, when all take the same time; on the average, when they do not."""
    model = Linear(n, groups=n)
    _, trace = model.run(4 * n, seconds=lambda draw, replica: 1.0)
    assert trace.staleness(after=n) == {n - 1: 3 * n}
    assert [u.staleness for u in trace.updates[:n]] == list(range(n))  # all had fetched the first parameters
    events = interleave(n, 1, 3000, seed=4)
    version, read, stale = 0, {}, []
    for event in events:
        if event.what == "fetch":
            read[event.group] = version
        elif event.what == "apply":
            stale.append(version - read[event.group])
            version += 1
    assert abs(np.mean(stale[n:]) - (n - 1)) < 0.01 and max(stale) < 2 * n


# -- real gradients at stale parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize(("replicas", "groups"), [(1, 1), (4, 1), (4, 4), (4, 2), (6, 3)])
@pytest.mark.parametrize("batch", [None, 4])
def test_the_weights_are_those_of_the_schedule_by_hand(replicas, groups, batch):  # [S67, S69]
    model = Linear(replicas, groups, batch)
    weights, trace = model.run(15, seed=2)
    wanted, stale = by_hand(replicas, groups, 15, 2, batch)
    np.testing.assert_allclose(weights, wanted, rtol=1e-10)
    assert [u.staleness for u in trace.updates] == stale
    assert trace.losses[-1] < trace.losses[0] and len(trace.losses) == 15


class Watched:
    """A session that keeps what it fetched of variables, and what it was fed with for gradients."""

    def __init__(self, session):
        self.session, self.seen = session, []

    def run(self, fetches, feeds=None):
        found = self.session.run(fetches, feeds)
        if isinstance(fetches, list) and isinstance(fetches[0], tf.Variable):
            self.seen.append(("fetch", found[0]))
        elif isinstance(fetches, tf.Operation):
            self.seen.append(("apply", next(iter(feeds.values()))))
        return found


@pytest.mark.parametrize("n", [1, 3])
def test_the_variables_become_p_and_dp_which_the_next_fetch_sees(n):  # [S63]
    model = Linear(n, groups=n)
    watched = Watched(model.session)
    model.training.run(watched, 12, seed=1)
    p, fetches = START, 0
    for what, value in watched.seen:
        if what == "fetch":
            assert value.tobytes() == p.tobytes()
            fetches += 1
        else:
            p = p - RATE * value
    assert fetches == 12 + n - 1 and p.tobytes() == model.weights().tobytes()


OPTIMIZERS = [tf.train.GradientDescentOptimizer, tf.train.AdagradOptimizer, tf.train.AdamOptimizer]


@pytest.mark.parametrize("make", OPTIMIZERS, ids=lambda m: m.__name__)
def test_one_group_repeats_the_synchronous_run_to_the_bit(make):  # [S69]
    """Against the plain loop of a synchronous client: one run for each step."""
    model, other = Linear(4, 1, 5, make), Linear(4, 1, 5, make)
    weights, trace = model.run(12, seed=9)
    group = other.training.groups[0]
    losses = [other.session.run([group.loss, group.train], other.training.feeds(0, k))[0] for k in range(12)]
    assert weights.tobytes() == other.weights().tobytes() and trace.losses == losses
    assert trace.staleness() == {0: 12}


@pytest.mark.parametrize("make", OPTIMIZERS, ids=lambda m: m.__name__)
def test_groups_of_one_repeat_the_asynchronous_run_to_the_bit(make):  # [S69]
    """Against a plain graph of one replica, whose client loops share its variable: minimize(), fetches and feeds."""
    count, events = 4, list(interleave(4, 1, 25, seed=6))
    model = Linear(count, count, 5, make)
    weights = model.run(25, seed=6)[0]
    with tf.Graph().as_default() as graph:
        w = tf.Variable(START, name="w")
        x, y = tf.placeholder(tf.float64, [5, 3]), tf.placeholder(tf.float64, [5, 2])
        loss = tf.reduce_mean(tf.reduce_sum(tf.square(tf.matmul(x, w) - y), 1))
        optimizer = make(RATE)
        ((dp, _),) = optimizer.compute_gradients(loss)
        train = optimizer.apply_gradients([(dp, w)])
        init = tf.initialize_all_variables()
    xs, ys = np.array_split(X, count), np.array_split(Y, count)
    with tf.Session(graph=graph) as session:
        session.run(init)
        held = {}
        for event in events:
            r, rows = event.replica, slice(event.step * 5 % 10, event.step * 5 % 10 + 5)
            if event.what == "fetch":
                held[r] = session.run(w)
            elif event.what == "apply":
                found = session.run(dp, {w: held[r], x: xs[r][rows], y: ys[r][rows]})
                session.run(train, {dp: found})
        assert session.run(w).tobytes() == weights.tobytes()


def test_a_run_that_goes_on_takes_the_next_examples():
    model, other = Linear(4, 1, 3), Linear(4, 1, 3)
    model.run(5)
    assert model.run(4, first=5)[0].tobytes() == other.run(9)[0].tobytes()


def test_devices_change_no_result():  # [S52, S69]
    assert Linear(4, 2, cpus=4).run(10)[0].tobytes() == Linear(4, 2).run(10)[0].tobytes()


def test_rows_are_fetched_and_pushed_too():
    """A table of which each replica uses some rows."""
    with tf.Graph().as_default(), tf.Session() as session:
        table = tf.Variable(np.zeros((4, 2)))
        shards = [[np.array([0, 1])], [np.array([1, 1])]]
        training = ReplicaTraining(
            lambda rows: tf.reduce_sum(tf.gather(table, rows)), shards, tf.train.GradientDescentOptimizer(0.5), groups=2
        )
        session.run(tf.initialize_all_variables())
        training.run(session, 4, seconds=lambda draw, r: 1.0)
        assert session.run(table)[:, 0].tolist() == [-1.0, -3.0, 0.0, 0.0]


# -- failures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 4, 8])
def test_a_lost_replica_takes_its_share_of_the_updates_and_no_more(n):  # [S68]
    model = Linear(n, groups=n)
    _, trace = model.run(60 * n, lost={1: 20.5})
    before, after = trace.throughput(1.5, 20.5), trace.throughput(20.5, 45)
    assert abs(after / before - (1 - 1 / n)) < 0.06
    assert {u.group for u in trace.updates if u.time > 22} == set(range(n)) - {1}
    assert [e.replica for e in trace.events if e.what == "lost"] == [1]
    assert np.isfinite(trace.losses).all()


def test_a_group_waits_for_a_lost_member_and_other_groups_do_not():  # [S68, S69]
    model = Linear(4, groups=2)
    _, trace = model.run(30, lost={0: 5.05})
    assert {u.group for u in trace.updates if u.time > 6} == {1}
    assert any(e.replica == 1 and e.what == "push" and e.until > 5.05 for e in trace.events)  # in vain


def test_the_loss_of_a_synchronous_replica_ends_the_run_with_an_error():  # [S66]
    model = Linear(3, groups=1)
    with pytest.raises(tf.errors.AbortedError, match=r"replica 2 at 3.5 s.*3 of 10 updates were done.*checkpoint"):
        model.run(10, lost={2: 3.5}, seconds=lambda draw, r: 1.0)
    np.testing.assert_allclose(model.weights(), by_hand(3, 1, 3, 0)[0], rtol=1e-12)


# -- threads --------------------------------------------------------------------------------------------------------


def test_threads_apply_all_that_they_compute():  # [W56]
    """The slope of a sum does not depend on the variable, so that every order of updates ends alike."""
    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.Variable(np.zeros(2))
        shards = [[np.array([[1.0, i]])] for i in range(4)]
        step = tf.Variable(0, trainable=False)
        training = ReplicaTraining(
            lambda x: tf.reduce_sum(x * w), shards, tf.train.GradientDescentOptimizer(0.25), groups=4, global_step=step
        )
        session.run(tf.initialize_all_variables())
        losses = training.run_in_threads(session, 25)
        assert session.run(w).tolist() == [-25.0, -25 * 0.25 * 6] and session.run(step) == 100
        assert [len(each) for each in losses] == [25] * 4


def test_a_thread_that_fails_stops_no_other():  # [S68, W56]
    failed, before = threading.Event(), set(threading.enumerate())

    class Watched:
        """Holds the second group's steps back until the first one has failed."""

        def run(self, fetches, feeds):
            if fetches[0] is training.groups[1].loss:
                assert failed.wait(60)
            try:
                return session.run(fetches, feeds)
            except tf.errors.InvalidArgumentError:
                failed.set()
                raise

    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.Variable(np.zeros(()))
        bad = tf.placeholder(tf.float64, [], name="not_fed")
        given = iter((lambda x: tf.reduce_sum(x) * w * bad, lambda x: tf.reduce_sum(x) * w))
        training = ReplicaTraining(
            lambda x: next(given)(x), [[np.ones(1)], [np.ones(1)]], tf.train.GradientDescentOptimizer(0.5), groups=2
        )
        session.run(tf.initialize_all_variables())
        with pytest.raises(tf.errors.InvalidArgumentError, match="not_fed"):
            training.run_in_threads(Watched(), 10)
        assert session.run(w) == -5.0
    assert set(threading.enumerate()) <= before


# -- the trace --------------------------------------------------------------------------------------------------------


TABLE = """
  seconds      until  group replica  step  what
    0.000      0.000      0       0     0  fetch    p after 0 updates
    0.000      0.000      1       1     0  fetch    p after 0 updates
    0.000      1.000      0       0     0  compute
    1.000      1.000      0       0     0  push
    1.000      1.000      0       0     0  apply    p after 0 + dp, 0 stale
    1.000      1.000      0       0     1  fetch    p after 1 updates
    0.000      2.000      1       1     0  compute
    2.000      2.000      1       1     0  push
    1.000      2.000      0       0     1  compute
    2.000      2.000      0       0     1  push
    2.000      2.000      1       1     0  apply    p after 1 + dp, 1 stale
    2.000      2.000      1       1     1  fetch    p after 2 updates
    2.000      2.000      0       0     1  apply    p after 2 + dp, 1 stale
    2.000      2.000      0       0     2  fetch    p after 3 updates
    2.000      3.000      0       0     2  compute
    3.000      3.000      0       0     2  push
    3.000      3.000      0       0     2  apply    p after 3 + dp, 0 stale
""".strip("\n").splitlines()


def test_the_trace_reads_as_a_table_and_bars():  # [S63, S67]
    model = Linear(2, groups=2)
    _, trace = model.run(4, seconds=lambda draw, r: 1.0 + r)
    assert str(trace).splitlines() == TABLE
    assert trace.histogram(width=3).splitlines() == [
        "staleness updates",
        "        0      2  ###",
        "        1      2  ###",
    ]
    assert trace.table(most=2).splitlines()[-1] == f"... and {len(trace.events) - 2} events more"


def test_the_trace_opens_in_chrome():  # [S63]
    model = Linear(4, groups=2)
    _, trace = model.run(6, latency=0.125, lost={3: 2.5})
    shown = json.loads(timeline.of_replicas(trace))["traceEvents"]
    names = {e["pid"]: e["args"]["name"] for e in shown if e["ph"] == "M"}
    assert names == {0: "variables", 1: "group 0", 2: "group 1"}
    bars = [e for e in shown if e["ph"] == "X"]
    assert {e["name"] for e in bars} == {"fetch", "compute", "push", "lost"}
    assert all(abs(e["dur"] - 125_000) <= 1 for e in bars if e["name"] in ("fetch", "push"))
    for lane in range(4):  # one thing at a time
        own = sorted((e["ts"], e["ts"] + e["dur"]) for e in bars if e["tid"] == lane and e["name"] != "lost")
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(own))
    applied = [e for e in shown if e["ph"] == "i"]
    assert [e["args"]["stale"] for e in applied] == [u.staleness for u in trace.updates]


def test_follow_refuses_an_apply_without_a_fetch():
    model = Linear(2, groups=2)
    with pytest.raises(ValueError, match="group 1 is to apply a gradient at 3 s, without a fetch"):
        model.training.follow(model.session, [Event(3.0, 3.0, "apply", 1, 1, 0)])


def test_wrong_shards_are_told(graph):
    optimizer = tf.train.GradientDescentOptimizer(1.0)

    def loss_of(*parts):
        return tf.reduce_mean(tf.Variable(1.0) * tf.cast(parts[0], tf.float32))

    with pytest.raises(ValueError, match="3 shards do not make 2 groups of equal size"):
        ReplicaTraining(loss_of, [[np.ones(2)]] * 3, optimizer, groups=2)
    with pytest.raises(ValueError, match=r"the arrays of shard 1 have \[2, 3\] examples"):
        ReplicaTraining(loss_of, [[np.ones(2), np.ones(2)], [np.ones(2), np.ones(3)]], optimizer)
    with pytest.raises(ValueError, match="part 0 of shard 0 is .*expected an array of examples"):
        ReplicaTraining(loss_of, [[3.0]], optimizer)
    with pytest.raises(ValueError, match=r"part 1 of shard 0 is array\(\[\].*expected an array of examples"):
        ReplicaTraining(loss_of, [[np.ones(2), np.ones(0)]], optimizer)
    with pytest.raises(TypeError, match=r"shard 0 is ndarray, expected a tuple of arrays, as \(x, labels\)"):
        ReplicaTraining(loss_of, np.ones((2, 3)), optimizer)
    with pytest.raises(ValueError, match="batch is 0, expected at least one example"):
        ReplicaTraining(loss_of, [[np.ones(2)]], optimizer, batch=0)
    with pytest.raises(ValueError, match="tower 1 made the variable"):
        ReplicaTraining(loss_of, [[np.ones(2)]] * 2, optimizer, groups=2)
