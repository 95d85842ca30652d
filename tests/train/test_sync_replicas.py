"""Replicas: each on its own, all together, and together with spares for the slow ones [O06]."""

import heapq
import random
import threading

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.device import local_devices
from refflow.train.sync_replicas import SyncReplicasOptimizer

RATE = 0.25


class Replica:
    """A graph and a session of its own, with variables and queues that all share."""

    def __init__(self, devices, make, sparse=False):
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.given = tf.placeholder(tf.float64, [2])
            self.w = tf.Variable(np.zeros(2), name="w")
            self.step = tf.Variable(0, trainable=False, name="step")
            read = tf.gather(self.w, [0, 1]) if sparse else self.w.value()
            self.optimizer = make(tf.train.GradientDescentOptimizer(RATE))
            self.train = self.optimizer.minimize(tf.reduce_sum(read * self.given), self.step)
            self.begin = tf.initialize_all_variables()
            if isinstance(self.optimizer, SyncReplicasOptimizer):
                self.tokens = self.optimizer._tokens
                self.more = self.optimizer.get_chief_queue_runner()._enqueue_ops[0]
        self.session = tf.Session(graph=self.graph, devices=devices)

    def run(self, fetches, given=None):
        return self.session.run(fetches, None if given is None else {self.given: given})


def together(count, make, sparse=False):
    devices = local_devices()
    replicas = [Replica(devices, make, sparse) for _ in range(count)]
    replicas[0].run(replicas[0].begin)
    if isinstance(replicas[0].optimizer, SyncReplicasOptimizer):
        replicas[0].run(replicas[0].optimizer.chief_init_op)
        for replica in replicas:  # without tokens: nobody begins a second step before the first is over
            replica.run(replica.optimizer.local_step_init_op)
        replicas[0].run(replicas[0].tokens.size())
    return replicas


def in_threads(replicas, turn):
    threads = [threading.Thread(target=turn, args=(i, r)) for i, r in enumerate(replicas)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_asynchronous_replicas_apply_all_that_they_compute():
    replicas = together(4, lambda opt: opt)
    in_threads(replicas, lambda i, r: [r.run(r.train, [1.0, i]) for _ in range(25)])
    assert replicas[0].run(replicas[0].w).tolist() == [-RATE * 100, -RATE * 25 * 6]
    assert replicas[0].run(replicas[0].step) == 100


@pytest.mark.parametrize("sparse", [False, True])
def test_synchronous_replicas_take_the_step_of_their_mean(sparse):  # [S54]
    count, turns = 3, 20
    replicas = together(count, lambda opt: SyncReplicasOptimizer(opt, count), sparse)
    seen = [[] for _ in replicas]

    def turn(i, replica):
        for k in range(turns):
            seen[i].append(replica.run(replica.w).tolist())  # of which all replicas see the same
            replica.run(replica.train, [float(i), k])

    chief = replicas[0]
    with chief.graph.as_default():
        coordinator = tf.train.Coordinator()
        threads = chief.optimizer.get_chief_queue_runner().create_threads(chief.session, coordinator, start=True)
    in_threads(replicas, turn)
    last = chief.run([chief.w, chief.step])
    chief.session.close()
    coordinator.request_stop()
    for thread in threads:
        thread.join(10)
    wanted = [[-RATE * k, -RATE * sum(range(k))] for k in range(turns + 1)]
    assert seen == [wanted[:turns]] * count
    assert last[0].tolist() == wanted[turns] and last[1] == turns


class Race:
    """Replicas in virtual time: the one that is done next gives its gradient, and waits for a token.

    wanted: the same in plain Python. Gradients say which replica they are of, and in which step it began.
    """

    def __init__(self, seed, count, needed):
        self.replicas = together(count, lambda opt: SyncReplicasOptimizer(opt, needed, count))
        self.draw, self.needed = random.Random(seed), needed
        self.queue = self.replicas[0].session.devices[0].resources.lookup("", "queue", "sync_replicas_tokens")
        self.computing = []  # when it is done, which replica, and the step in which it began
        self.waiting, self.tokens = [], []  # replicas with their threads, and numbers of steps, in their order
        self.now, self.step, self.late = 0.0, 0, 0
        self.came, self.ends = [], []
        self.wanted = np.zeros(2)
        for i in range(count):
            self.begin(i, 0)

    def begin(self, i, step):
        heapq.heappush(self.computing, (self.now + self.draw.uniform(1, 2), i, step))

    def run(self, steps):
        while self.step < steps:
            self.now, i, begun = heapq.heappop(self.computing)
            gradient = [2.0**i, begun]
            self.gives(i, gradient)
            if begun == self.step:
                self.came.append(gradient)
            else:
                self.late += 1
            if len(self.came) == self.needed:
                self.end_step()
            while self.waiting and self.tokens:
                j, thread = self.waiting.pop(0)
                thread.join(10)
                self.begin(j, self.tokens.pop(0))
        return self.replicas[0].run([self.replicas[0].w, self.replicas[0].step])

    def gives(self, i, gradient):
        """Replica i runs its step, until it has a token or stands in line for one."""
        replica, before = self.replicas[i], len(self.queue._takes)
        thread = threading.Thread(target=replica.run, args=(replica.train, gradient))
        thread.start()
        while thread.is_alive() and len(self.queue._takes) == before:
            thread.join(0.001)
        self.waiting.append((i, thread))

    def end_step(self):
        self.replicas[0].run(self.replicas[0].more)
        self.wanted = self.wanted - RATE * np.mean(self.came, 0)
        self.step += 1
        self.ends.append(self.now)
        self.came, self.tokens = [], self.tokens + [self.step] * len(self.replicas)


@pytest.mark.parametrize(("count", "needed"), [(3, 3), (4, 3), (5, 2)])
def test_a_step_takes_as_long_as_its_m_th_fastest_and_what_is_late_never_counts(count, needed):  # [O06]
    for seed in range(4):
        race = Race(seed, count, needed)
        first = sorted(done for done, _, _ in race.computing)
        weights, step = race.run(12)
        assert race.ends[0] == first[needed - 1]
        np.testing.assert_allclose(weights, race.wanted, rtol=1e-12)
        assert step == 12 and (race.late > 0) == (needed < count)
        for replica in race.replicas:
            replica.session.close()


def test_wrong_calls_say_what_is_wrong():
    w, step = tf.Variable(0.0), tf.Variable(0, trainable=False)
    optimizer = SyncReplicasOptimizer(tf.train.GradientDescentOptimizer(RATE), 4, 2)
    with pytest.raises(ValueError, match="should be called after apply_gradients"):
        optimizer.get_chief_queue_runner()
    with pytest.raises(ValueError, match="Must supply at least one variable"):
        optimizer.apply_gradients([(None, w)], step)
    with pytest.raises(ValueError, match="Global step is required"):
        optimizer.minimize(w * 2.0)
    optimizer.minimize(w * 2.0, step)
    with pytest.raises(ValueError, match="Too few tokens to finish the first step"):
        optimizer.get_init_tokens_op(1)
