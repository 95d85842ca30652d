"""Benchmarks as methods: what a session takes for an operation, again and again.

    class Mine(tf.test.Benchmark):
        def benchmarkAdd(self):
            with tf.Session() as sess:
                self.run_op_benchmark(sess, op, min_iters=20)

Next: compat/v1/test/__init__.py.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from refflow.runtime.config import ConfigProto


def benchmark_config() -> ConfigProto:
    """The configuration for sessions whose time is measured: that of every session."""
    return ConfigProto()


class Benchmark:
    """The base of benchmarks. `reports` has what report_benchmark was told, newest last."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []

    @classmethod
    def is_abstract(cls) -> bool:
        """Whether it has no benchmark of its own."""
        return len(cls.__mro__) <= 2

    def report_benchmark(
        self, iters: int | None = None, cpu_time: float | None = None, wall_time: float | None = None,
        throughput: float | None = None, extras: Any = None, name: str | None = None, metrics: Any = None,
    ) -> None:  # fmt: skip
        """Notes a result and prints it."""
        found = {"name": name or type(self).__name__, "iters": iters, "cpu_time": cpu_time, "wall_time": wall_time,
                 "throughput": throughput, "extras": extras or {}, "metrics": metrics or []}  # fmt: skip
        self.reports.append(found)
        print("entry {" + " ".join(f"{key}: {value!r}" for key, value in found.items() if value) + "}")

    def run_op_benchmark(
        self, sess: Any, op_or_tensor: Any, feed_dict: Any = None, burn_iters: int = 2, min_iters: int = 10,
        store_trace: bool = False, store_memory_usage: bool = True, name: str | None = None, extras: Any = None,
        mbs: float = 0,
    ) -> dict[str, Any]:  # fmt: skip
        """Runs it `burn_iters` times unseen, then `min_iters` times by the clock; reports and returns the result.

        mbs: how many megabytes each run moves, for the throughput.
        """
        for _ in range(burn_iters):
            sess.run(op_or_tensor, feed_dict=feed_dict)
        seconds = []
        for _ in range(min_iters):
            start = time.perf_counter()
            sess.run(op_or_tensor, feed_dict=feed_dict)
            seconds.append(time.perf_counter() - start)
        middle = float(np.median(seconds))
        about = {"wall_time_mean": float(np.mean(seconds)), "wall_time_stdev": float(np.std(seconds)), **(extras or {})}
        rate = mbs / middle if middle else 0.0
        self.report_benchmark(iters=min_iters, wall_time=middle, throughput=rate, extras=about, name=name)
        return {"iters": min_iters, "wall_time": middle, "throughput": rate, "extras": about,
                "name": name or type(self).__name__}  # fmt: skip

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors in the default session."""
        from refflow.core.tensor import default_session

        return default_session(None, "evaluate a benchmark's tensors").run(tensors)
