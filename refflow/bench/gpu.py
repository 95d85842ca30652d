"""`refflow bench gpu`: training steps on one card, beside PyTorch eager, compiled and captured, and jitted JAX.

    refflow               session.run with feeds from the host, and a small fetch: complete when it returns
    refflow repeat        session.repeat: feeds on the card, many steps a replay
    torch                 eager; data on the card
    torch.compile         compiled; "graphs" with its mode for CUDA graphs
    jax.jit               data on the card, state donated

Every side's answers are compared with float64 first. A turn is so many steps that end in one wait; turns go round, and
a row is the median of each side's turns; those of `refflow repeat` are four times as long, for each makes its captures.
Nobody uses TF32. `host` is what a run costs on the host beside its copies.

All kernels of refflow are compiled first, by all cores. Each workload then has a process of its own, for an address out
of range takes the card from a process for good. A first round leaves out `torch.compile`, which takes longest to begin;
a second has everyone, as far as the seconds go.

`--dry-run` computes small workloads under Triton's interpreter, with PyTorch and JAX on the CPU, and times nothing.

Next: refflow/bench/gpu_rows.py.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from refflow.bench import machine, measure, sides
from refflow.bench.workload import Arrays, Workload
from refflow.bench.workloads import inception, lenet, lstm, perceptron

PEERS = ("refflow", "refflow repeat", "torch", "torch.compile", "torch.compile graphs", "jax.jit")
_ROUNDS, _TURN = 9, 0.1  # rounds, and seconds of a turn


class CardSide(NamedTuple):
    """One system, set up to run one workload. run(n): so many steps, complete when it returns."""

    run: Callable[[int], Any]
    answers: Callable[[], list[np.ndarray]]
    host: Callable[[], float] = lambda: 0.0  # seconds of the host in a run, if it can be told


def workloads(small: bool) -> list[Workload]:
    """What is timed, or for a dry run what an interpreter can compute."""
    if small:
        return [perceptron.PerceptronDescent(8, 20, 16), perceptron.PerceptronAdam(8, 20, 16), lstm.Lstm(8, 3, 4, 50),
                inception.Inception(1, 4)]  # fmt: skip
    return [perceptron.PerceptronDescent(), lenet.LeNet(), lstm.Lstm(), perceptron.PerceptronAdam(),
            inception.Inception(), inception.Inception(64)]  # fmt: skip


# -- the sides --------------------------------------------------------------------------------------------------------


def make(workload: Workload, peer: str, data: Arrays, devices: Callable[[], list[Any]], where: str) -> CardSide:
    """The workload on that peer. devices: makes refflow's; where: PyTorch's."""
    own = {name: array.copy() for name, array in data.items()}
    if peer.startswith("refflow"):
        return _refflow(workload, own, devices(), peer == "refflow repeat")
    if peer == "jax.jit":
        jax = importlib.import_module("jax")
        if where != "cpu" and jax.default_backend() != "gpu":
            raise RuntimeError("this JAX finds no card")
        jax.config.update("jax_default_matmul_precision", "highest")
        side = sides.jax_side(workload, own, wait=lambda values: values)
        return CardSide(lambda n: jax.block_until_ready([side.step() for _ in range(n)][-1]), side.answers)
    torch = importlib.import_module("torch")
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    side = sides.torch_side(workload, peer, own, torch.get_num_threads(), where)

    def run(n: int) -> None:
        for _ in range(n):
            side.step()
        if where != "cpu":
            torch.cuda.synchronize()

    return CardSide(run, side.answers)


def _refflow(workload: Any, data: Arrays, devices: list[Any], repeats: bool) -> CardSide:
    tf = importlib.import_module("refflow.compat.v1")
    built = sides.build(tf, workload, data)
    session = tf.Session(graph=built.graph, devices=devices, allow_soft_placement=True)
    session.run(built.ready)
    # What is large is computed, but does not leave the card, as with the peers.
    fetches = [r.op if getattr(r, "op", None) and r.get_shape().num_elements() != 1 else r for r in built.results]
    rows = {tensor: value[None] for tensor, value in built.feeds.items()}

    def outputs() -> list[Any]:
        return [v for v in session.run(built.results, built.feeds) if v is not None]

    def run(n: int) -> None:
        if repeats:
            session.repeat(fetches, n, rows)
        else:
            for _ in range(n):
                session.run(fetches, built.feeds)

    def state() -> list[Any]:
        return session.run(built.state) if built.state else []

    return CardSide(run, lambda: sides._answers(workload, outputs, state), lambda: _host(session, fetches, built.feeds))


def _host(session: Any, fetches: list[Any], feeds: Any) -> float:
    """Seconds of a run when the card has nothing to do and feeds are not copied: the way there and back."""
    session.run(fetches, feeds)
    step, _ = session._quick.find(fetches, feeds)
    plan = step._executable
    if plan.alone is None:
        return 0.0
    pinned = [(np.empty_like(value), value) for value in feeds.values()]
    stretch = plan.alone.stretch
    kept = stretch._replay, stretch._card
    stretch._replay, stretch._card = (lambda: None), _Idle()
    try:
        with_copies = _least(lambda: session.run(fetches, feeds))
    finally:
        stretch._replay, stretch._card = kept
    return max(0.0, with_copies - _least(lambda: _copy(pinned)))


def _copy(pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for place, value in pairs:
        np.copyto(place, value)


def _least(call: Callable[[], Any]) -> float:
    """Seconds of a call, of the quickest of some turns."""
    turns = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(200):
            call()
        turns.append((time.perf_counter() - began) / 200)
    return min(turns)


class _Idle:
    """A card with nothing to wait for."""

    def wait(self) -> None:
        return None


# -- measuring --------------------------------------------------------------------------------------------------------


def measured(workload: Workload, peers: list[str], devices: Any, where: str, times: bool) -> dict[str, Any]:
    """A row: each side's microseconds for a step, or what is wrong with its answers."""
    data = workload.data(np.random.default_rng(0))
    truth = sides.judged(workload, data)
    row: dict[str, Any] = {"name": workload.name, "title": workload.title, "us": {}, "errors": {}}
    ready: dict[str, CardSide] = {}
    for peer in peers:
        try:
            side = make(workload, peer, data, devices, where)
            wrong = measure.disagreement(side.answers(), truth, workload.tolerance)
            side.run(3)
        except Exception as error:  # whatever ails one side, the others are timed all the same
            wrong = f"{type(error).__name__}: {error}".strip().splitlines()[0][:200]
        if wrong:
            row["errors"][peer] = wrong
        else:
            ready[peer] = side
    if times:
        row["host_us"] = 1e6 * ready["refflow"].host() if "refflow" in ready else None
        row["us"] = _turns(ready)
    else:
        row["right"] = list(ready)
    return row


def _turns(ready: dict[str, CardSide]) -> dict[str, float]:
    counts = {name: _steps_of_a_turn(side) * (4 if name == "refflow repeat" else 1) for name, side in ready.items()}
    found: dict[str, list[float]] = {name: [] for name in ready}
    names = list(ready)
    for number in range(_ROUNDS):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            began = time.perf_counter()
            ready[name].run(counts[name])
            found[name].append((time.perf_counter() - began) / counts[name])
    return {name: 1e6 * median(values) for name, values in found.items()}


def _steps_of_a_turn(side: CardSide) -> int:
    steps = 8
    while True:
        began = time.perf_counter()
        side.run(steps)
        took = time.perf_counter() - began
        if took >= _TURN or steps >= 1 << 14:
            return max(1, int(steps * _TURN / max(took, 1e-9)))
        steps *= 2


# -- the command ------------------------------------------------------------------------------------------------------


def start(options: argparse.Namespace) -> int:
    """Measures, says, writes; 1 where a side of refflow is wrong or there is no card."""
    try:
        devices, where, card = _simulated() if options.dry_run else _real()
    except (ImportError, RuntimeError) as missing:
        print(f"this needs torch, triton and a card ({missing}); --dry-run needs only triton", file=sys.stderr)
        return 1
    timed = [p for p in PEERS if not options.dry_run or p not in ("torch.compile", "torch.compile graphs")]
    peers = [p for p in timed if p.startswith("refflow") or importlib.util.find_spec(p.split(".")[0].split()[0])]
    found: dict[str, Any] = {"card": card, "date": date.today().isoformat(), "machine": machine.describe(), "rows": []}
    print(f"{card}; microseconds of a step; " + ", ".join(peers))
    rows: dict[str, Any] = {}
    for row in _rows(options, peers, devices, where):
        if row["us"] or not rows.get(row["title"], row)["us"]:  # a second round's, unless it failed
            rows[row["title"]] = row
        found["rows"] = list(rows.values())
        print(line(row), flush=True)
        if options.json:  # after each row: whatever is cut short has left what it had
            Path(options.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(any(p.startswith("refflow") for row in found["rows"] for p in row["errors"]))


def _rows(options: argparse.Namespace, peers: list[str], devices: Any, where: str) -> Iterator[dict[str, Any]]:
    chosen = [n for n, w in enumerate(workloads(options.dry_run))
              if not options.only or any(asked in w.name for asked in options.only)]  # fmt: skip
    if not options.dry_run:
        yield from importlib.import_module("refflow.bench.gpu_rows").rows(chosen, peers, options.seconds)
        return
    for number in chosen:
        yield measured(workloads(True)[number], peers, devices, where, times=False)


def line(row: dict[str, Any]) -> str:
    """A row in words: times, and how many times quicker refflow is than each peer."""
    best = min((us for peer, us in row["us"].items() if peer.startswith("refflow")), default=None)
    told = [f"{peer} {us:.1f}" + ("" if peer.startswith("refflow") or best is None else f" ({us / best:.2f}x)")
            for peer, us in row["us"].items()]  # fmt: skip
    told += [f"right: {', '.join(row['right'])}"] if "right" in row else []
    told += [f"host {row['host_us']:.1f}"] if row.get("host_us") else []
    told += [f"{peer}: {wrong}" for peer, wrong in row["errors"].items()]
    return f"{row['title']:60} " + "; ".join(told)


def _real() -> tuple[Callable[[], list[Any]], str, str]:
    from refflow.runtime.device import local_devices

    local_devices({"GPU": 1})  # says what is missing
    torch = importlib.import_module("torch")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else JAX takes most of the card for itself
    return lambda: local_devices({"GPU": 1}), "cuda", torch.cuda.get_device_name()


def _simulated() -> tuple[Callable[[], list[Any]], str, str]:
    os.environ["TRITON_INTERPRET"] = "1"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from refflow.runtime.device import Device
    from refflow.runtime.gpu import GpuDevice, needs
    from refflow_kernels.simulated import SimulatedCard

    needs("triton")
    return lambda: [Device(0), GpuDevice(0, SimulatedCard())], "cpu", "no card: Triton's interpreter"
