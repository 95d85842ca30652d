"""`refflow bench` [S05]: speed as a ratio to the leanest hand-written NumPy, interleaved in one run.

    the deck's step      10,000 x 784 x 10, both matrix products and the update; goal 1.15
    run() of a constant  the price of a run; goal 10 us
    a chain of adds      1,000 scalars one after the other; goal 0.6 us a node

Other programs on the machine slow both sides alike, so a ratio says more than a time; medians of rounds
in which the two take turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

import refflow as tf


def take_turns(functions: list[Callable[[], object]], rounds: int, calls: int = 1) -> list[float]:
    """Median seconds a call of each function, one round of each in turn."""
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(rounds):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            for _ in range(calls):
                function()
            taken.append((time.perf_counter() - start) / calls)
    return [median(t) for t in times]


def deck_step(rows: int = 10_000) -> tuple[Callable[[], object], Callable[[], object]]:
    """One step of the deck's program, and the same mathematics in as few NumPy calls as it takes."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-0.5, 0.5, (rows, 784)).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, rows)]
    start = rng.normal(size=(784, 10)).astype(np.float32)
    graph = tf.Graph()
    with graph.as_default():
        weights = tf.Variable(start)
        b = tf.Variable(tf.zeros([10]))
        logits = tf.matmul(tf.constant(x), weights) + b
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits, tf.constant(y)))
        optimizer = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
        prediction = tf.nn.softmax(logits)
        init = tf.initialize_all_variables()
    session = tf.Session(graph=graph)
    session.run(init)
    w, bias, rate = start.copy(), np.zeros(10, np.float32), np.float32(0.5)
    z = np.empty((rows, 10), np.float32)
    dw = np.empty((784, 10), np.float32)
    ones = np.ones(rows, np.float32)

    def lean() -> object:
        np.matmul(x, w, out=z)
        np.add(z, bias, out=z)
        np.subtract(z, z.max(axis=1, keepdims=True), out=z)
        p = np.exp(z)
        total = p.sum(axis=1, keepdims=True)
        mean = np.mean(np.log(total[:, 0]) - np.einsum("nc,nc->n", y, z))
        p /= total
        np.subtract(p, y, out=z)
        np.multiply(z, np.float32(1 / rows), out=z)
        np.matmul(x.T, z, out=dw)
        np.multiply(dw, rate, out=dw)
        np.subtract(w, dw, out=w)
        np.subtract(bias, rate * (ones @ z), out=bias)
        return mean, p

    fetches = [optimizer, loss, prediction]
    return lambda: session.run(fetches), lean


def constant_run() -> Callable[[], object]:
    graph = tf.Graph()
    with graph.as_default():
        c = tf.constant(3.0)
    session = tf.Session(graph=graph)
    return lambda: session.run(c)


def scalar_chain(length: int = 1000) -> tuple[Callable[[], object], Callable[[], object]]:
    """`length` scalar adds one after the other, and the same in plain NumPy."""
    graph = tf.Graph()
    with graph.as_default():
        v = tf.Variable(1.0)
        y, one = v.value(), tf.constant(1.0)
        for _ in range(length):
            y = y + one
        init = tf.initialize_all_variables()
    session = tf.Session(graph=graph)
    session.run(init)
    number, step = np.array(1, np.float32), np.array(1, np.float32)

    def lean() -> object:
        total = number
        for _ in range(length):
            total = np.add(total, step)
        return total

    return lambda: session.run(y), lean


def report(quick: bool = False, say: Callable[[str], object] = print) -> dict[str, float]:
    """Measures everything, says it, and returns it."""
    rounds = 15 if quick else 60
    ours, lean = take_turns(list(deck_step()), rounds)
    found = {"deck step, times the leanest NumPy": ours / lean}
    say(_row("the deck's step, 10,000 x 784 x 10", 1e3 * ours, "ms", 1e3 * lean))
    (run,) = take_turns([constant_run()], rounds, calls=1000)
    found["run() of a constant, us"] = 1e6 * run
    say(_row("run() of a constant", 1e6 * run, "us"))
    ours, lean = take_turns(list(scalar_chain()), rounds, calls=3)
    found["scalar add, us a node"] = 1e3 * ours
    say(_row("a chain of 1,000 scalar adds, a node", 1e3 * ours, "us", 1e3 * lean))
    return found


def _row(what: str, ours: float, unit: str, lean: float | None = None) -> str:
    beside = "" if lean is None else f"   NumPy {lean:7.3f} {unit}   ratio {ours / lean:.2f}"
    return f"{what:36}  refflow {ours:7.3f} {unit}{beside}"
