"""Four ways to train one network, in virtual time: a toy, which shows what differs, not by how much [D13].

    SGD                     one machine
    Downpour SGD            replicas that push gradients at a fixed rate
    Downpour with Adagrad   the same, each parameter with a rate of its own
    Sandblaster L-BFGS      replicas that share out the batch of all examples

The paper compares them on acoustic models of 42 million parameters: how long until a given accuracy, and how many
machines does that take? Downpour with Adagrad was fastest on a moderate number of machines, and Sandblaster gained
most from more of them. Here they get a network of a few hundred parameters, machines that straggle, and links with
latency and bandwidth, and the question is how many virtual seconds it takes until the loss over all examples is low.

    python -m refflow.distbelief.comparison

The numbers follow from the settings below and a seed. Nothing is reproduced of the paper's: not its task, its sizes,
its machines, nor its ranking, which on a toy depends on the toy.

Next: docs/distbelief.rst.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from refflow.distbelief.clock import Clock, Links, straggling
from refflow.distbelief.commands import Scale
from refflow.distbelief.costs import step_seconds
from refflow.distbelief.downpour import ClientLoop, Downpour
from refflow.distbelief.layers import Dense, Tanh
from refflow.distbelief.lbfgs import TRIAL
from refflow.distbelief.network import Network
from refflow.distbelief.partition import Partition
from refflow.distbelief.rules import Adagrad, Rule, Sgd
from refflow.distbelief.sandblaster import NetworkLoss, Sandblaster
from refflow.distbelief.server import PARAMETERS

Array = NDArray[Any]
Curve = Iterator[tuple[float, float]]  # the time, and the loss over all examples then


class Task(NamedTuple):
    """A network and its examples."""

    network: Network
    x: Array
    targets: Array


class Row(NamedTuple):
    """Virtual seconds until the loss was at the target, or infinity. machines: replicas, shards, and a coordinator."""

    method: str
    replicas: int
    machines: int
    seconds: float
    loss: float

    def __str__(self) -> str:
        time = f"{self.seconds:9.2f}" if math.isfinite(self.seconds) else "    never"
        return f"{self.method:<24}{self.replicas:>9}{self.machines:>10}{time:>12}{self.loss:>10.4f}"


HEADING = f"{'method':<24}{'replicas':>9}{'machines':>10}{'seconds':>12}{'loss':>10}"
SPEED = 2e6  # operations a second: a step of 20 examples takes some 10 ms
BATCH = 20
SHARDS = 2
# The best of 0.3, 1 and 3 for one machine, and for eight replicas; the best of 0.1, 0.3 and 1.
ALONE_RATE, RATE, GAMMA = 3.0, 1.0, 0.3


def task(examples: int = 2000, seed: int = 0) -> Task:
    """Points in the plane on four spirals: which one is it?"""
    chance = np.random.default_rng(seed)
    spiral, way = chance.integers(0, 4, examples), chance.uniform(0.2, 1.0, examples)
    angle = 5.0 * way + spiral * np.pi / 2 + 0.15 * chance.standard_normal(examples)
    x = way[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Task(Network([2], [Dense(24), Tanh(), Dense(4)]), 2 * x, np.eye(4)[spiral])


def links(seed: int, alone: bool = False) -> Links:
    clock = Clock(seed)
    return Links(clock) if alone else Links(clock, latency=1e-3, bandwidth=1e7, per_message=1e-5)


def downpour(what: Task, rule: Rule, replicas: int, seed: int = 0, every: float = 0.25) -> Curve:
    """The curve of Downpour, at equal times; of one replica without delays, which is SGD."""
    alone = replicas == 1
    cluster = Downpour(
        what.network, what.x, what.targets, rule, ClientLoop(batch=BATCH),
        replicas=replicas, shards=1 if alone else SHARDS, links=links(seed, alone), speed=SPEED,
        parameters=what.network.initial(seed, np.float64), slowness=straggling(0.02, 20.0),
    )  # fmt: skip
    while True:
        cluster.run(until=cluster.clock.now + every)
        yield cluster.clock.now, cluster.loss()


def sandblaster(what: Task, replicas: int, seed: int = 0, steps: int = 100) -> Curve:
    """The curve of L-BFGS, after each step."""
    partition = Partition.whole(what.network)
    cluster = Sandblaster(
        NetworkLoss(partition, what.x, what.targets), partition.pack(what.network.initial(seed, np.float64)),
        replicas=replicas, shards=SHARDS, links=links(seed), seconds=step_seconds(partition, 1, SPEED),
        shard_speed=SPEED, slowness=straggling(0.02, 20.0),
    )  # fmt: skip
    outcome = cluster.minimize(max_steps=steps)
    accepted = [time for time, command in cluster.coordinator.log if command == Scale(PARAMETERS, 1.0, TRIAL)]
    yield from zip(accepted, outcome.losses[1:], strict=True)


def until(curve: Curve, target: float, patience: float) -> tuple[float, float]:
    """When the loss was at the target first, or infinity; and the loss then, or at last."""
    time, loss = 0.0, math.inf
    for time, loss in curve:
        if loss <= target or time > patience:
            break
    return time if loss <= target else math.inf, loss


def compare(
    what: Task | None = None, replicas: Iterable[int] = (2, 4, 8, 16), target: float = 0.1, patience: float = 60.0,
    seed: int = 0,
) -> Iterator[Row]:  # fmt: skip
    """A row for SGD on one machine, and one for each other method and number of replicas."""
    what = what or task()
    yield Row("SGD", 1, 1, *until(downpour(what, Sgd(ALONE_RATE), 1, seed), target, patience))
    for method, rule in (("Downpour SGD", Sgd(RATE)), ("Downpour with Adagrad", Adagrad(GAMMA))):
        for count in replicas:
            found = until(downpour(what, rule, count, seed), target, patience)
            yield Row(method, count, count + SHARDS, *found)
    for count in replicas:
        found = until(sandblaster(what, count, seed), target, patience)
        yield Row("Sandblaster L-BFGS", count, count + SHARDS + 1, *found)


def main() -> None:
    print("A toy, in virtual time. The paper's results are not reproduced here [D13].")
    print(HEADING)
    for row in compare():
        print(row, flush=True)


if __name__ == "__main__":
    main()
