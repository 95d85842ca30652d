"""`refflow bench cpu`: every workload beside every peer that is installed, in one process with equal threads.

The libraries read their thread counts when they are loaded, so the command starts Python anew with those counts in
its environment; that process measures, and prints each row when it has it.

Next: refflow/bench/measure.py.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

CLOCKS = ("cpu", "wall")


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
        "TORCHINDUCTOR_CPP_WRAPPER": "0",
    }  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=1, help="of every library, and of refflow (default 1)")
    names = "a workload or a group, or all with NAME in their names"
    parser.add_argument("--only", action="append", metavar="NAME", help=names)
    parser.add_argument("--peers", help="comma-separated; by default those that are installed")
    parser.add_argument("--clock", choices=CLOCKS, default="cpu", help="of the ratios; both are in the JSON (cpu)")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--list", action="store_true", help="name the workloads, and stop")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    parser.add_argument("--svg", metavar="FILE", help="draw the table")


def start(options: argparse.Namespace) -> int:
    """Measures in a new process. What the peers write on the error stream is shown only if that fails."""
    chosen = {name: value for name, value in vars(options).items() if name != "command"}
    with tempfile.TemporaryFile("w+") as words:
        command = [sys.executable, "-m", "refflow.bench.cpu", json.dumps(chosen)]
        status = subprocess.run(command, env=environment(options.threads), stderr=words).returncode
        if status:
            words.seek(0)
            print(words.read(), file=sys.stderr)
    return status


def report(options: argparse.Namespace) -> int:
    """Measures, says, writes; in a process whose environment is right."""
    from refflow.bench import machine, measure, sides, startup, svg, table
    from refflow.bench.workloads import WORKLOADS

    names = {name for w in WORKLOADS for name in (w.name, w.group)} | {"startup"}

    def wanted(name: str, group: str) -> bool:
        return not options.only or any(o in (name, group) or (o not in names and o in name) for o in options.only)

    chosen = [w for w in WORKLOADS if wanted(w.name, w.group)]
    starting = wanted("startup", "startup")
    if options.list or not (chosen or starting):
        print("\n".join(f"{w.name:40} {w.title}" for w in WORKLOADS))
        print(f"{'startup':40} import, and process start to the deck's first trained step")
        return 0 if options.list else 1
    asked = options.peers.split(",") if options.peers else list(sides.PEERS)
    unknown = [peer for peer in asked if peer not in sides.PEERS]
    if unknown:
        raise ValueError(f"peer {unknown[0]!r} is none of {', '.join(sides.PEERS)}")
    peers = ["refflow", *(peer for peer in asked if peer != "refflow" and sides.installed(peer))]
    absent = [peer for peer in asked if not sides.installed(peer)]
    found: dict[str, Any] = {
        "threads": options.threads,
        "clocks": "cpu: of the process, all threads, user and system; wall: time passed. Seconds of one run.",
        "machine": machine.describe(),
        "absent": absent,
        "rows": [],
    }
    print(machine.text(found["machine"]))
    print(f"{options.threads} thread{'s' * (options.threads > 1)} each, {options.clock} time, medians")
    print("ratios are refflow's time over the peer's; * misses its bar")
    if absent:
        print(f"not installed: {', '.join(absent)}")
    effort = measure.QUICK if options.quick else measure.Effort()
    rows = (table.as_data(measure.measure(w, peers, options.threads, effort)) for w in chosen)
    for row in itertools.chain(rows, startup.measure(peers, options.threads, effort) if starting else ()):
        found["rows"].append(row)
        print("\n".join(table.lines(row, options.clock)), flush=True)
    found["groups"] = {clock: table.groups(found["rows"], clock) for clock in CLOCKS}
    for group in found["groups"][options.clock]:
        print(f"{group['title']:58} {table.verdict(group['ratios'], group['bar'])}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)
            file.write("\n")
    if options.svg:
        with open(options.svg, "w", encoding="utf-8") as file:
            file.write(svg.draw(found, options.clock))
    return 0


if __name__ == "__main__":
    sys.exit(report(argparse.Namespace(**json.loads(sys.argv[1]))))
