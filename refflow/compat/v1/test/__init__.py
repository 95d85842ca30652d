"""tf.test of 1.x: test cases, benchmarks, what a machine has, clusters in one process.

Next: compat/v1/test/case.py.
"""

from __future__ import annotations

import functools
import os
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

from refflow.compat.v1.test.benchmark import Benchmark, benchmark_config
from refflow.compat.v1.test.case import TestCase, main
from refflow.compat.v1.test.stubs import StubOutForTesting
from refflow.interop import protos
from refflow.test import compute_gradient, compute_gradient_error, get_temp_dir, is_built_with_cuda
from refflow.train import Server

__all__ = [
    "Benchmark", "StubOutForTesting", "TestCase", "assert_equal_graph_def", "benchmark_config", "compute_gradient",
    "compute_gradient_error", "create_local_cluster", "disable_with_predicate", "get_temp_dir", "gpu_device_name",
    "is_built_with_cuda", "is_built_with_gpu_support", "is_built_with_rocm", "is_built_with_xla",
    "is_cpu_target_available", "is_gpu_available", "main", "mock", "test_src_dir_path",
]  # fmt: skip


def _cards() -> list[str]:
    from refflow.runtime.device import local_devices

    return [d.name for d in local_devices({}) if d.type.lower() == "gpu"]


def is_gpu_available(cuda_only: bool = False, min_cuda_compute_capability: tuple[int, int] | None = None) -> bool:
    """Whether sessions find a card."""
    return bool(_cards())


def gpu_device_name() -> str:
    """The name of a card, "/device:GPU:0", or "" where there is none."""
    return "/device:GPU:0" if _cards() else ""


def is_built_with_gpu_support() -> bool:
    """False, as is_built_with_cuda: kernels for a card are made when they are needed."""
    return is_built_with_cuda()


def is_built_with_rocm() -> bool:
    """False."""
    return False


def is_built_with_xla() -> bool:
    """False."""
    return False


def is_cpu_target_available(target: str) -> bool:
    """Whether code for a kind of processor can be made: that of this machine."""
    import platform

    return target in (platform.machine(), {"arm64": "aarch64"}.get(platform.machine(), ""))


def test_src_dir_path(relative_path: str) -> str:
    """A path within the folder that the calling program runs in."""
    return os.path.join(os.getcwd(), relative_path)


test_src_dir_path.__test__ = False  # type: ignore[attr-defined]  # its name makes pytest take it for a test


def disable_with_predicate(pred: Callable[[], bool], skip_message: str) -> Callable[..., Any]:
    """A decorator of tests, which skips them where pred() is true."""

    def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(self: unittest.TestCase, *args: Any, **kwargs: Any) -> Any:
            if pred():
                self.skipTest(skip_message)
            return function(self, *args, **kwargs)

        return wrapper

    return decorator


def assert_equal_graph_def(
    actual: Any, expected: Any, checkpoint_v2: bool = False, hash_table_shared_name: bool = False
) -> None:
    """AssertionError where two GraphDefs have other nodes, in whatever order; TypeError for what is no GraphDef."""
    both = []
    for called, graph in (("actual", actual), ("expected", expected)):
        if not hasattr(graph, "node"):
            raise TypeError(f"Expected tf.GraphDef for {called}, got {type(graph).__name__}")
        both.append({n.name: n for n in protos.as_graph_def(graph).node})
    found, wanted = both
    if set(found) != set(wanted):
        raise AssertionError(f"nodes that are only in one of the graphs: {sorted(set(found) ^ set(wanted))}")
    for name, node in found.items():
        texts = [protos.to_text(protos.GraphDef([n])) for n in (node, wanted[name])]
        if texts[0] != texts[1]:
            raise AssertionError(f"node {name!r} differs:\n{texts[0]}\n{texts[1]}")


def create_local_cluster(
    num_workers: int, num_ps: int, protocol: str = "refflow", worker_config: Any = None, ps_config: Any = None
) -> tuple[list[Server], list[Server]]:
    """(servers of the job worker, servers of the job ps), all in this process and under way."""
    import socket

    def free() -> str:
        with socket.socket() as found:
            found.bind(("localhost", 0))
            return f"localhost:{found.getsockname()[1]}"

    cluster = {"worker": [free() for _ in range(num_workers)], "ps": [free() for _ in range(num_ps)]}
    jobs = {job: addresses for job, addresses in cluster.items() if addresses}
    made = {job: [Server(jobs, job, i) for i in range(len(addresses))] for job, addresses in jobs.items()}
    return made.get("worker", []), made.get("ps", [])
