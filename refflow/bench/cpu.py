"""`refflow bench cpu`: every workload beside every peer that is installed, in one process with equal threads.

The libraries read their thread counts when they are loaded, so the command starts Python anew with those counts in
its environment; that process measures, and prints each row when it has it.

Next: refflow/bench/measure.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from refflow.bench import machine, measure, sides, startup, svg, table
from refflow.bench.measure import CLOCKS
from refflow.bench.workloads import WORKLOADS

STARTUP = "startup"


def environment(threads: int) -> dict[str, str]:
    """What every library takes its thread count from."""
    count = str(threads)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NPROC", "PJRT_NPROC")
    eigen = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    return os.environ | dict.fromkeys(names, count) | {
        "XLA_FLAGS": eigen,
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }  # fmt: skip


def start(options: argparse.Namespace) -> int:
    """Measures in a new process. What the peers write on the error stream is shown only if that fails."""
    chosen, peers = _workloads(options.only), _peers(options.peers)
    if options.list:
        print("\n".join(f"{name:40} {title}" for name, title in chosen.items()))
        return 0
    absent = [peer for peer in peers if not sides.installed(peer)]
    here = ["refflow", *(peer for peer in peers if peer not in ("refflow", *absent))]
    request = vars(options) | {"command": None, "chosen": list(chosen), "peers": here, "absent": absent}
    with tempfile.TemporaryFile("w+") as words:
        command = [sys.executable, "-m", "refflow.bench.cpu", json.dumps(request)]
        status = subprocess.run(command, env=environment(options.threads), stderr=words).returncode
        if status:
            words.seek(0)
            print(words.read(), file=sys.stderr)
    return status


def _workloads(only: list[str] | None) -> dict[str, str]:
    """Names and titles of the workloads that are meant; ValueError where there is none.

    >>> list(_workloads(["lenet"])), len(_workloads(["resnet2"]))
    (['lenet'], 3)
    """
    groups = {w.name: w.group for w in WORKLOADS} | {STARTUP: STARTUP}
    titles = {w.name: w.title for w in WORKLOADS} | {STARTUP: "imports, and the start of a process to its first step"}
    exact = {*groups, *groups.values()}
    for asked in only or ():
        if not any(asked in name for name in exact):
            raise ValueError(f"no workload or group is called {asked!r}; `refflow bench cpu --list` names them")

    def meant(name: str) -> bool:
        return any(asked in (name, groups[name]) or (asked not in exact and asked in name) for asked in only or ())

    return {name: title for name, title in titles.items() if not only or meant(name)}


def _peers(text: str | None) -> list[str]:
    """The peers asked for; ValueError for one that nobody knows."""
    asked = text.split(",") if text else list(sides.PEERS)
    for peer in asked:
        if peer not in sides.PEERS:
            raise ValueError(f"peer {peer!r} is none of {', '.join(sides.PEERS)}")
    return asked


def report(options: argparse.Namespace) -> None:
    """Measures, says, writes; in a process whose environment is right."""
    found: dict[str, Any] = {
        "threads": options.threads,
        "clocks": "cpu: of the process, all threads, user and system; wall: time passed. Seconds of one run.",
        "machine": machine.describe(),
        "absent": options.absent,
        "rows": [],
    }
    print(machine.text(found["machine"]))
    print(f"{options.threads} thread{'s' * (options.threads > 1)} each, {options.clock} time, medians")
    print("ratios are refflow's time over the peer's; * misses its bar")
    if options.absent:
        print(f"not installed: {', '.join(options.absent)}")
    for row in _rows(options):
        found["rows"].append(row)
        print("\n".join(table.lines(row, options.clock)), flush=True)
    found["groups"] = {clock: table.groups(found["rows"], clock) for clock in CLOCKS}
    for group in found["groups"][options.clock]:
        print(f"{group['title']:58} {table.verdict(group['ratios'], group['bar'])}")
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.svg:
        Path(options.svg).write_text(svg.draw(found, options.clock), encoding="utf-8")


def _rows(options: argparse.Namespace) -> Iterator[table.Data]:
    effort = measure.QUICK if options.quick else measure.Effort()
    for workload in WORKLOADS:
        if workload.name in options.chosen:
            yield table.as_data(measure.measure(workload, options.peers, options.threads, effort))
    if STARTUP in options.chosen:
        yield from startup.measure(options.peers, options.threads, effort)


if __name__ == "__main__":
    report(argparse.Namespace(**json.loads(sys.argv[1])))
