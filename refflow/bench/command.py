"""The command `refflow bench`, with `cpu` and `gpu`: what it takes, and who does it.

Next: refflow/bench/lean.py.
"""

from __future__ import annotations

import argparse
from typing import Any


def count(text: str) -> int:
    """A number that is not negative, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def add_bench(commands: Any) -> None:
    """Adds the command to those of a parser."""
    bench = commands.add_parser("bench", help="measure speed against the leanest NumPy")
    bench.add_argument("--quick", action="store_true", help="fewer repetitions")
    bench.set_defaults(command=_bench)
    what = bench.add_subparsers(metavar="cpu|gpu")
    cpu = what.add_parser("cpu", help="beside TensorFlow, PyTorch, JAX and NumPy, whichever are installed")
    _bench_options(cpu)
    cpu.set_defaults(command=_bench_cpu)
    gpu = what.add_parser("gpu", help="training steps on a card, beside PyTorch and JAX")
    gpu.add_argument("--dry-run", action="store_true", help="small sizes under the interpreter, without a card")
    gpu.add_argument("--only", action="append", metavar="NAME", help="workloads with NAME in their names")
    gpu.add_argument("--seconds", type=float, default=300.0, help="begin no workload after so many (default 300)")
    gpu.add_argument("--json", metavar="FILE", help="write everything that was measured")
    gpu.set_defaults(command=_bench_gpu)


def _bench_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=count, default=1, help="of every library, and of refflow (default 1)")
    names = "a workload or a group, or all with NAME in their names"
    parser.add_argument("--only", action="append", metavar="NAME", help=names)
    parser.add_argument("--peers", help="comma-separated; by default those that are installed")
    parser.add_argument("--clock", choices=["cpu", "wall"], default="cpu", help="of the ratios (default cpu)")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--list", action="store_true", help="name the workloads, and stop")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    parser.add_argument("--svg", metavar="FILE", help="draw the table")


def _bench(options: argparse.Namespace) -> int:
    from refflow.bench.lean import report

    report(quick=options.quick)
    return 0


def _bench_gpu(options: argparse.Namespace) -> int:
    from refflow.bench.gpu import start

    return start(options)


def _bench_cpu(options: argparse.Namespace) -> int:
    from refflow.bench.cpu import start

    return start(options)
