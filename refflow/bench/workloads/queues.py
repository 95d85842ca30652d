"""Queues: one thread puts numbers into a queue of 100 and another takes them out, each by runs of its own.

NumPy's side is Python's own queue. The time is that of one enqueue with its dequeue.
Next: refflow/bench/workloads/pipelines.py.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload


def handed_over(put: Callable[[], Any], take: Callable[[], Any], count: int) -> list[np.ndarray]:
    """The sum of what this thread takes while another puts."""

    def produce() -> None:
        for _ in range(count):
            put()

    thread = threading.Thread(target=produce)
    thread.start()
    total = sum(float(take()) for _ in range(count))
    thread.join()
    return [np.array(total, np.float32)]


class Pairs(Workload):
    """`count` numbers from thread to thread."""

    name, title, group = "queue_pairs", "enqueue and dequeue in two threads, per pair", "queues"
    bar = Bar(1.0)
    constants = ("c",)

    def __init__(self, count: int = 2000):
        self.count = self.per = count

    def data(self, rng: np.random.Generator) -> Arrays:
        return {"c": np.array(1.5, np.float32)}

    def graph(self, tf: Any, c: Any) -> list[Any]:
        numbers = tf.FIFOQueue(100, [tf.float32], [[]])
        return [numbers.enqueue(c), numbers.dequeue()]

    def drive(self, run: Callable[..., Any], results: list[Any], feeds: dict[Any, Any]) -> list[Any]:
        put, take = results
        return handed_over(lambda: run(put), lambda: run(take), self.count)

    def numpy(self, c: np.ndarray) -> Any:
        numbers: queue.Queue[np.ndarray] = queue.Queue(100)
        return lambda: handed_over(lambda: numbers.put(c.copy()), numbers.get, self.count)


WORKLOADS: list[Workload] = [Pairs()]
