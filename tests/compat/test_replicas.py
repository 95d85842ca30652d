"""Replicas over a cluster: where variables go, who waits for whom, and a session that survives a lost task."""

import threading

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.runtime.cluster.network import Threads

SPEC = {"ps": ["ps:1", "ps:2"], "worker": ["worker:1", "worker:2"]}


def placed(**options):
    with tf.Graph().as_default(), tf.device(tf.train.replica_device_setter(**options)):
        made = [tf.get_variable(name, [], use_resource=False) for name in "abc"]
        with tf.device("/job:worker/task:7"):
            total = tf.add_n([v.value() for v in made])
        return [v.device for v in made], (made[0] + 1.0).device, total.device


def test_variables_go_around_and_the_rest_stays_with_the_worker():
    variables, sum_, total = placed(cluster=tf.train.ClusterSpec(SPEC))
    assert variables == ["/job:ps/task:0", "/job:ps/task:1", "/job:ps/task:0"]
    assert sum_ == "/job:worker" and total == "/job:worker/task:7"
    assert placed(ps_tasks=3, worker_device="/job:worker/task:1/gpu:0")[1] == "/job:worker/task:1/device:GPU:0"
    assert placed(ps_tasks=2, ps_strategy=lambda op: 1)[0] == ["/job:ps/task:1"] * 3
    assert tf.train.replica_device_setter() is None
    with pytest.raises(TypeError, match="callable"):
        tf.train.replica_device_setter(ps_tasks=1, ps_strategy=3)


def servers(network):
    tasks = [("ps", 0), ("ps", 1), ("worker", 0), ("worker", 1)]
    return {f"{job}{n}": tf.train.Server(SPEC, job, n, network=network) for job, n in tasks}


def replica(made, number, steps, seen, **options):
    """One worker's program: its own graph, the shared variables, `steps` runs."""
    with tf.Graph().as_default():
        with tf.device(tf.train.replica_device_setter(2, worker_device=f"/job:worker/task:{number}")):
            w = tf.get_variable("w", [3], initializer=tf.zeros_initializer(), use_resource=False)
            count = tf.get_variable("count", [], initializer=tf.zeros_initializer(), use_resource=False)
            step = tf.train.create_global_step()
            train = tf.train.GradientDescentOptimizer(0.5).minimize(tf.reduce_sum((w - 1.0) ** 2), global_step=step)
            both = tf.group(train, tf.assign_add(count, 1.0, use_locking=True))
        target = made[f"worker{number}"].target
        with tf.train.MonitoredTrainingSession(target, is_chief=number == 0, **options) as session:
            for i in range(steps):
                seen(i)
                session.run(both)
            return session.run([w, count, step])


def test_the_second_replica_waits_for_the_chief_and_both_train_the_same_variables():  # [W56, O01, O06]
    made, results = servers(Threads()), {}

    def work(number):
        results[number] = replica(made, number, 10, lambda i: None)

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(float(count) for _, count, _ in results.values()) == 20
    np.testing.assert_allclose(results[0][0], np.ones(3))
    for server in made.values():
        server.stop()


def test_a_monitored_session_goes_back_to_its_checkpoint_when_a_task_is_lost(tmp_path):  # [W27, W28]
    network = Threads()
    made = servers(network)

    def lose(i):
        if i == 5:  # a parameter server dies, and is started anew: its variables are gone
            made["ps1"].stop()
            made["ps1"] = tf.train.Server(SPEC, "ps", 1, network=network)

    w, count, step = replica(made, 0, 8, lose, checkpoint_dir=str(tmp_path), save_checkpoint_steps=1)
    np.testing.assert_allclose(w, np.ones(3))
    assert (count, step) == (8, 8)
    for server in made.values():
        server.stop()
