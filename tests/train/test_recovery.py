"""Synchronous replicas on the tasks of a cluster, of which one dies: training goes on from a checkpoint [S51, S66]."""

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.cluster.network import Threads
from refflow.runtime.cluster.simulated import Simulated

SPEC = {"worker": ["worker:1", "worker:2", "worker:3"]}
RNG = np.random.default_rng(5)
X, Y, W, V = (RNG.normal(size=shape) for shape in ((12, 3), (12, 2), (3, 4), (4, 2)))
STEPS, EVERY = 3, 2


class Cluster:
    """Three workers in virtual time, and a training whose replicas are they. The variables lie on two of them.

    kill: (task, n): this task dies when the n-th message has been sent; who waits for it starts it anew.
    """

    def __init__(self, kill=None):
        self.network, self.kill, self.sent = Simulated(), kill, 0
        self.servers = {}
        for task in (1, 2, 0):
            self.start(task)
        with tf.Graph().as_default() as self.graph:
            with tf.device("/job:worker/task:1"):
                self.w = tf.Variable(W, name="w")
            with tf.device("/job:worker/task:2"):
                self.v = tf.Variable(V, name="v")
            shards = list(zip(np.split(X, 3), np.split(Y, 3), strict=True))
            optimizer = tf.train.AdagradOptimizer(0.1)
            devices = [f"/job:worker/task:{i}" for i in range(3)]
            self.training = tf.train.ReplicaTraining(self.loss_of, shards, optimizer, 1, batch=2, devices=devices)
            self.init, self.saver = tf.initialize_all_variables(), tf.train.Saver()
        self.network.watch = self.watch

    def loss_of(self, x, y):
        return tf.reduce_mean(tf.square(tf.matmul(tf.tanh(tf.matmul(x, self.w)), self.v) - y))

    def start(self, task):
        self.servers[task] = tf.train.Server(SPEC, "worker", task, network=self.network)

    def watch(self, what, address, method, arrives):
        self.sent += what == "sent"
        if self.kill is not None and what == "sent" and self.sent == self.kill[1]:
            self.servers[self.kill[0]].stop()

    def start_the_dead(self):
        for task, server in self.servers.items():
            if not server._endpoint.is_open:
                self.start(task)

    def connect(self):
        return tf.Session(self.servers[0].target, graph=self.graph)

    def step(self, session, k):
        session.run(self.training.groups[0].train, self.training.feeds(0, k))

    def train(self, path, **options):
        session = tf.train.train_with_recovery(
            self.connect, self.init, self.step, STEPS, self.saver, str(path / "model"), EVERY,
            pause=self.start_the_dead, **options,
        )  # fmt: skip
        self.kill, self.trained = None, self.sent
        return [value.tobytes() for value in session.run([self.w, self.v])]


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory):
    cluster = Cluster()
    return cluster.train(tmp_path_factory.mktemp("unharmed")), cluster.trained


def check(unharmed, path, moments):
    wanted, sent = unharmed
    for task in range(3):
        for n in moments(sent):
            assert Cluster((task, n)).train(path) == wanted, (task, n)


def test_after_a_death_the_parameters_are_those_of_a_run_without(unharmed, tmp_path):  # [S51, S66]
    """Deaths of each task, which lose a master, or a replica with one of the variables, or both."""
    check(unharmed, tmp_path, lambda sent: range(sent // 7, sent, sent // 3))


@pytest.mark.deep
def test_after_a_death_at_any_message_the_parameters_are_those_of_a_run_without(unharmed, tmp_path):  # [S66]
    check(unharmed, tmp_path, lambda sent: range(1, sent))


def test_a_death_stops_the_step_of_all_replicas(tmp_path):  # [S66]
    cluster = Cluster()
    with cluster.connect() as session:
        session.run(cluster.init)
        before = session.run(cluster.w)
        cluster.kill = 2, cluster.sent + 8
        with pytest.raises((tf.errors.UnavailableError, tf.errors.AbortedError), match="worker:3"):
            cluster.step(session, 0)
        cluster.start_the_dead()
        assert (session.run(cluster.w) == before).all()  # whose gradient lacks a part


def test_asynchronous_replicas_go_on_when_the_task_of_one_is_lost():  # [S68, W56]
    """Each is a thread with a task; the slope of a sum is the same at all parameters."""
    network = Threads()
    servers = [tf.train.Server(SPEC, "worker", i, network=network) for i in range(3)]
    with tf.Graph().as_default() as graph:
        with tf.device("/job:worker/task:0"):
            w = tf.Variable(np.zeros(3))
        shards = [[np.eye(3)[[i]]] for i in range(3)]
        training = tf.train.ReplicaTraining(
            lambda x: tf.reduce_sum(x * w), shards, tf.train.GradientDescentOptimizer(1.0), groups=3,
            devices=[f"/job:worker/task:{i}" for i in range(3)],
        )  # fmt: skip
        init = tf.initialize_all_variables()
    with tf.Session(servers[0].target, graph=graph) as session:
        session.run(init)
        training.run_in_threads(session, 2)
        assert session.run(w).tolist() == [-2, -2, -2]
        servers[2].stop()
        with pytest.raises((tf.errors.UnavailableError, tf.errors.AbortedError), match="worker:3"):
            training.run_in_threads(session, 10)
        assert session.run(w).tolist() == [-12, -12, -2]
    for server in servers[:2]:
        server.stop()


def test_one_device_ends_with_the_same_parameters(unharmed):  # [S51, S52, S66]
    with tf.Graph().as_default(), tf.Session() as session:
        w, v = tf.Variable(W), tf.Variable(V)
        training = tf.train.ReplicaTraining(
            lambda x, y: tf.reduce_mean(tf.square(tf.matmul(tf.tanh(tf.matmul(x, w)), v) - y)),
            list(zip(np.split(X, 3), np.split(Y, 3), strict=True)), tf.train.AdagradOptimizer(0.1), batch=2,
        )  # fmt: skip
        session.run(tf.initialize_all_variables())
        training.run(session, STEPS)
        assert [value.tobytes() for value in session.run([w, v])] == unharmed[0]


class Fails:
    """A session whose steps fail with an error so many times."""

    def __init__(self, error, times):
        self.error, self.left, self.log = error, times, []

    def run(self, fetches):
        self.log.append(fetches)

    def save(self, session, path, global_step):
        self.log.append(f"save {global_step}")
        return f"{path}-{global_step}"

    def restore(self, session, place):
        self.log.append(f"restore {place}")

    def close(self):
        self.log.append("close")

    def step(self, session, k):
        self.log.append(k)
        if k == 3 and self.left:
            self.left -= 1
            raise self.error(None, None, "lost")


def test_it_goes_back_to_the_last_checkpoint_and_no_further():
    fails = Fails(tf.errors.AbortedError, 2)
    tf.train.train_with_recovery(lambda: fails, "init", fails.step, 5, fails, "m", every=2)
    again = ["close", "restore m-2", 2, 3]
    assert fails.log == ["init", "save 0", 0, 1, "save 2", 2, 3, *again, *again, "save 4", 4]


def test_it_gives_up_after_so_many_losses_and_at_once_for_other_errors():
    for error, times, attempts, tried in (
        (tf.errors.UnavailableError, 9, 3, 3),
        (tf.errors.InvalidArgumentError, 1, 3, 1),
    ):
        fails = Fails(error, times)
        with pytest.raises(error):
            tf.train.train_with_recovery(lambda f=fails: f, "init", fails.step, 5, fails, "m", attempts=attempts)
        assert fails.log.count(3) == tried
    with pytest.raises(ValueError, match="every and attempts must be at least 1, got 0 and 3"):
        tf.train.train_with_recovery(None, None, None, 1, None, "m", every=0)
