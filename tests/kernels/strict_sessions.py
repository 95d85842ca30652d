"""Runs sessions on cards that only look at what they are asked for, and says what was launched.

    python -m tests.kernels.strict_sessions [NAME ...] [--compile]         prints JSON, by name

Each session is run three times, with and without captures, and repeated; on torch's CPU memory where torch is
installed, and on paper. In a process of its own, without TRITON_INTERPRET.
"""

import argparse
import importlib.util
import json

import numpy as np

import refflow as rf
import refflow.compat.v1 as tf
from refflow.bench.gpu import _refflow
from refflow.bench.workloads import inception, lenet, lstm, perceptron
from refflow.core.registry import op_def
from refflow.runtime.device import Device
from refflow.runtime.gpu import GpuDevice
from refflow_kernels.paper import PaperCard
from tests.kernels.strict import keys_of, strict

WORKLOADS = {
    "mlp": perceptron.PerceptronAdam(8, 20, 16),
    "lenet": lenet.LeNet(),
    "lstm": lstm.Lstm(8, 3, 4, 50),
    "inception": inception.Inception(1, 4),
}


def drawn():
    """Random numbers, rows by their numbers with a look at each, sums, an optimizer's sparse updates, a mask."""
    table, ids = tf.Variable(np.float32(np.ones((50, 8)))), tf.placeholder(tf.int32, [6])
    seen = tf.nn.embedding_lookup(table, ids) * tf.random_uniform([6, 8], seed=1)
    loss = tf.reduce_sum(tf.where(seen > 0.5, seen, -seen))
    step = tf.train.AdagradOptimizer(0.1).minimize(loss)
    return {ids: np.int32([0, 1, 1, 2, 49, 3])}, [loss, step, tf.nn.top_k(seen, 3)[1], tf.argmax(seen, 1)]


def attention():
    x = tf.placeholder(tf.float32, [2, 16, 32])
    w = [tf.Variable(np.float32(np.ones((32, 4, 8)) / 32)) for _ in range(3)]
    q, k, v = (op_def("Einsum")([x, each], equation="btd,dhk->bthk") for each in w)
    share = tf.nn.softmax(op_def("Einsum")([q, k], equation="bthk,bshk->bhts"))
    loss = tf.reduce_mean(tf.square(op_def("Einsum")([share, v], equation="bhts,bshk->bthk")))
    return {x: np.ones((2, 16, 32), np.float32)}, [loss, tf.train.AdamOptimizer(0.1).minimize(loss)]


def looped():
    """A loop that the host counts, lists of what its gradient needs, and a branch."""
    x, turn = tf.placeholder(tf.float32, [3, 3]), tf.placeholder(tf.bool, [])
    w = tf.Variable(np.float32(np.eye(3)))
    z = tf.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, tf.nn.relu(tf.matmul(a, w))), [0, x * 2.0])[1]
    chosen = tf.cond(turn, lambda: tf.matmul(x, w), lambda: x * 3.0)
    return {x: np.ones((3, 3), np.float32), turn: True}, [chosen, *tf.gradients(tf.reduce_sum(z), [x, w])]


def nothing():
    """Arrays without elements, single ones, and views that begin anywhere."""
    x, none = tf.placeholder(tf.float32, [7, 5]), tf.placeholder(tf.float32, [0, 5])
    parts = [tf.slice(x, [1, 0], [3, 5]), tf.concat([x, none], 0), tf.matmul(none, tf.transpose(x))]
    parts += [tf.reduce_sum(none), tf.reduce_max(x) * 2.0]
    return {x: np.ones((7, 5)), none: np.ones((0, 5))}, [*parts, tf.reshape(none, [5, 0])]


GRAPHS = {"drawn": drawn, "attention": attention, "looped": looped, "nothing": nothing}


def run_workload(workload, card, capture):
    data = workload.data(np.random.default_rng(0))
    side = _refflow(workload, data, [Device(0), GpuDevice(0, card)], repeats=capture)
    side.answers()
    side.run(40)


def run_graph(make, card, capture):
    with rf.Graph().as_default():
        feeds, fetches = make()
        devices = [Device(0), GpuDevice(0, card)]
        with tf.Session(devices=devices, allow_soft_placement=True, capture=capture) as session:
            session.run(tf.global_variables_initializer())
            for _ in range(3):
                session.run(fetches, feeds)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[*WORKLOADS, *GRAPHS], metavar="NAME")
    parser.add_argument("--compile", action="store_true", help="for a Hopper card")
    options = parser.parse_args(arguments)
    cards = {"paper": PaperCard}
    if importlib.util.find_spec("torch") is not None:
        from tests.kernels.strict_card import StrictCard

        cards["torch"] = StrictCard
    found = {}
    for name in options.names:
        what, run = (WORKLOADS[name], run_workload) if name in WORKLOADS else (GRAPHS[name], run_graph)
        keys = found.setdefault(name, {})
        for kind, make in cards.items():
            with strict(options.compile) as noted:
                for capture in (True, False):
                    run(what, make(), capture)
                keys[kind] = {"launches": len(noted), "kernels": sorted(keys_of())}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
