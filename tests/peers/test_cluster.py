"""A program over a cluster of three tasks gives what it gives on TensorFlow's own servers."""

import socket

import numpy as np
import pytest

import refflow.compat.v1 as rf

pytestmark = pytest.mark.peers
tf = pytest.importorskip("tensorflow").compat.v1

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def free_addresses(count):
    doors = [socket.create_server(("localhost", 0)) for _ in range(count)]
    found = [f"localhost:{door.getsockname()[1]}" for door in doors]
    for door in doors:
        door.close()
    return found


def cluster(library):
    ps, *workers = free_addresses(3)
    spec = {"ps": [ps], "worker": workers}
    tasks = [("ps", 0), ("worker", 1), ("worker", 0)]
    return [library.train.Server(library.train.ClusterSpec(spec), job_name=job, task_index=n) for job, n in tasks]


def results(library, servers):
    """A loop over two workers, training of weights on the third, a queue, and an error's class."""
    graph = library.Graph()
    with graph.as_default():
        x = library.placeholder(library.float32, [6, 4])
        with library.device("/job:ps/task:0"):
            w = library.get_variable("w", initializer=np.full([4, 3], 0.1, np.float32), use_resource=False)
            queue = library.FIFOQueue(3, [library.float32], shapes=[[]])
        with library.device("/job:worker/task:0"):
            y = library.tanh(library.matmul(x, w))
        with library.device("/job:worker/task:1"):
            loss = library.reduce_mean(library.square(y - 1.0))
            put = queue.enqueue(loss)
        train = library.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
        taken = queue.dequeue()
        i, total = library.while_loop(
            lambda i, total: i < 4, lambda i, total: (i + 1, total * 2.0 + loss), [library.constant(0), loss]
        )
        with library.device("/job:worker/task:0"):
            bad = library.gather(library.constant([1.0, 2.0]), library.cast(total * 0, library.int32) + 7)
        init = library.global_variables_initializer()
        config = library.ConfigProto(allow_soft_placement=True)
        with library.Session(servers[-1].target, graph=graph, config=config) as session:
            session.run(init)
            found = []
            for _ in range(3):
                session.run([train, put], {x: X})
                found += session.run([taken, w, i, total], {x: X})
            try:
                session.run(bad, {x: X})
            except library.errors.OpError as error:
                found.append(error.error_code)
    return found


def test_three_tasks_train_as_tensorflow_s_do():  # [W13, W26, W42, W44]
    ours = results(rf, cluster(rf))
    theirs = results(tf, cluster(tf))
    assert len(ours) == len(theirs) == 13
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-6, atol=1e-7)
