"""A small task, a net for it, and clusters that train it on machines and links that take their time."""

import numpy as np

from refflow.distbelief import ClientLoop, Clock, Dense, Downpour, Links, Network, Sgd, Tanh, uneven


def task(count=256, seed=7):
    """Four classes, told apart by a linear rule; float32[count, 12] and rows of targets."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 12)).astype(np.float32)
    return x, np.eye(4, dtype=np.float32)[(x @ rng.normal(size=(12, 4))).argmax(axis=1)]


X, TARGETS = task()


def net():
    return Network([12], [Dense(10), Tanh(), Dense(4)])


def slow(seed=1, latency=1e-4, bandwidth=1e7):
    """Links that take their time."""
    return Links(Clock(seed), latency, bandwidth, slowness=uneven(0.3))


def cluster(rule=None, loop=None, model=None, **settings):
    """Uneven machines: a step takes about 0.5 ms, a message 0.1 ms and 0.1 s for a million bytes."""
    settings = {"speed": 3e7, "shard_speed": 1e9, "slowness": uneven(0.3), "links": slow()} | settings
    return Downpour(model or net(), X, TARGETS, rule or Sgd(0.2), loop or ClientLoop(batch=16), **settings)
