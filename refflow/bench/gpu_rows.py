"""The rows of `refflow bench gpu` on a card: kernels compiled by all cores, then each workload in its own process.

    python -m refflow.bench.gpu_rows NUMBER PEER...        measures one workload, and says the row as JSON

A process that loses the card, or is not done in time, costs its own row.

Next: refflow/bench/workloads/overhead.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from refflow.bench import gpu

_MOST = 150.0  # seconds of a workload
_COMPILED_BY_PEERS = ("torch.compile", "torch.compile graphs")
_ROW = (sys.executable, "-m", "refflow.bench.gpu_rows")


def launches_of(number: int) -> list[Callable[[], Any]]:
    """What refflow launches in a workload, on a card of paper: run by run, and in captures of few steps and of many."""
    from refflow.runtime.device import Device
    from refflow.runtime.gpu import GpuDevice
    from refflow_kernels.paper import PaperCard

    workload = gpu.workloads(False)[number]

    def run() -> None:
        devices = [Device(0), GpuDevice(0, PaperCard())]
        side = gpu.make(workload, "refflow repeat", workload.data(np.random.default_rng(0)), lambda: devices, "cuda")
        side.answers()
        for steps in (3, 40):
            side.run(steps)

    return [run]


def rows(chosen: Sequence[int], peers: Sequence[str], seconds: float) -> Iterator[dict[str, Any]]:
    """The rows of these workloads, twice: first without the peers that take a minute to begin."""
    began = time.monotonic()
    _compile(chosen, seconds / 3)
    quick = [p for p in peers if p not in _COMPILED_BY_PEERS]
    for asked in (quick, peers) if len(quick) < len(peers) else (peers,):
        for number in chosen:
            if time.monotonic() - began < seconds:
                yield of_a_process(number, asked)


def _compile(chosen: Sequence[int], seconds: float) -> None:
    """What refflow launches in these workloads, by all cores."""
    import torch

    from refflow_kernels.ahead import fill_cache, shared

    began, (major, minor) = time.monotonic(), torch.cuda.get_device_capability()
    parts = max(1, 2 * (os.cpu_count() or 1) // max(1, len(chosen)))
    count = fill_cache(launches_of, shared(chosen, parts), 10 * major + minor, seconds)
    print(f"{count} kernels compiled in {time.monotonic() - began:.0f} s", flush=True)


def of_a_process(number: int, peers: Sequence[str], most: float = _MOST, row: Sequence[str] = _ROW) -> dict[str, Any]:
    """The row that a process of its own measures; one that says what became of it, where there is none."""
    try:
        result = subprocess.run([*row, str(number), *peers], stdout=subprocess.PIPE, text=True, timeout=most)
        told, how = result.stdout.splitlines(), f"its process ended with {result.returncode}"
    except subprocess.TimeoutExpired:
        told, how = [], f"it was not done in {most:g} s"
    found = [json.loads(line) for line in told if line.startswith('{"name"')]
    if found:
        return found[-1]
    workload = gpu.workloads(False)[number]
    return {"name": workload.name, "title": workload.title, "us": {}, "errors": {"refflow": how}}


def main(number: str, *peers: str) -> None:
    devices, where, _ = gpu._real()
    print(json.dumps(gpu.measured(gpu.workloads(False)[int(number)], list(peers), devices, where, times=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
