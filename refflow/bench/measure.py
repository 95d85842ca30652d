"""Equal answers first, then turns: how a workload is timed.

    1  every side gives its answers; they are compared with float64, and a side that errs is named and not timed
    2  each side is called as often as fills a turn
    3  rounds: one turn of each side, in an order that moves on by one; both clocks are read around each turn
    4  the median and the minimum of a side's turns

The CPU clock counts what all threads of the process used, user and system together; other programs on the machine
change it far less than they change the wall clock. Between turns of several threads a pause lets idle pools fall
asleep, so that their waiting is on nobody's bill.

Next: refflow/bench/table.py.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from refflow.bench import sides
from refflow.bench.sides import Side
from refflow.bench.workload import Workload

Times = dict[str, list[float]]  # by clock, the seconds of a run in each round
CLOCKS: dict[str, Callable[[], float]] = {"cpu": time.process_time, "wall": time.perf_counter}


@dataclass
class Row:
    """What was measured of one workload."""

    workload: Workload
    times: dict[str, Times] = field(default_factory=dict)  # by peer
    errors: dict[str, str] = field(default_factory=dict)  # by peer, why it was not timed

    def median(self, peer: str, clock: str) -> float:
        return median(self.times[peer][clock])

    def minimum(self, peer: str, clock: str) -> float:
        return min(self.times[peer][clock])


@dataclass
class Effort:
    """How long to measure."""

    rounds: int = 15
    turn: float = 0.05  # seconds of a side's turn, at least one call
    longest: float = 40.0  # seconds for a workload; at least three rounds
    starts: int = 5  # of a process, where it is a process that is measured


QUICK = Effort(rounds=5, turn=0.02, longest=8.0, starts=2)


def measure(workload: Workload, peers: Sequence[str], threads: int, effort: Effort) -> Row:
    """The workload's times on those of `peers` that have a text for it and give the right answers."""
    row = Row(workload)
    data = workload.data(np.random.default_rng(0))
    truth = sides.judged(workload, data) if hasattr(workload, "numpy") else None
    ready: dict[str, Side] = {}
    for peer in peers:
        if not sides.runs(workload, peer):
            continue
        try:
            side = sides.make(workload, peer, data, threads)
            wrong = disagreement(side.answers(), truth, workload.tolerance)
            side.step()
        except Exception as error:  # a peer may fail in any way; the others are timed all the same
            wrong = f"{type(error).__name__}: {error}".strip().splitlines()[0][:200]
        if wrong:
            row.errors[peer] = wrong
        else:
            ready[peer] = side
    row.times = take_turns(ready, workload.per, threads, effort)
    return row


def disagreement(found: Sequence[np.ndarray], truth: Sequence[np.ndarray] | None, tolerance: float) -> str:
    """What is wrong with the answers, or ""."""
    if truth is None:
        return ""
    if len(found) != len(truth):
        return f"{len(found)} answers, expected {len(truth)}"
    for i, (ours, true) in enumerate(zip(found, truth, strict=True)):
        if ours.shape != true.shape:
            return f"answer {i} has shape {ours.shape}, expected {true.shape}"
        error = float(np.linalg.norm(np.ravel(ours - true)) / (np.linalg.norm(np.ravel(true)) or 1.0))
        if not error <= tolerance:  # nan too
            return f"answer {i} is off by {error:.1e} of its size; {tolerance:.0e} is allowed"
    return ""


def take_turns(ready: dict[str, Side], per: int, threads: int, effort: Effort) -> dict[str, Times]:
    """Seconds of a run, divided by `per`, for each side, clock and round."""
    names = list(ready)
    calls = {name: _calls(ready[name].step, effort.turn) for name in names}
    times: dict[str, Times] = {name: {clock: [] for clock in CLOCKS} for name in names}
    began = time.perf_counter()
    gc.collect()
    gc.disable()
    try:
        for number in range(effort.rounds):
            if number >= 3 and time.perf_counter() - began > effort.longest:
                break
            for name in names[number % len(names) :] + names[: number % len(names)]:
                if threads > 1:
                    time.sleep(0.005)
                for clock, seconds in _turn(ready[name].step, calls[name]).items():
                    times[name][clock].append(seconds / per)
    finally:
        gc.enable()
    return times


def _turn(step: Callable[[], Any], calls: int) -> dict[str, float]:
    """Seconds of a call by each clock."""
    starts = {name: clock() for name, clock in CLOCKS.items()}
    for _ in range(calls):
        step()
    return {name: (clock() - starts[name]) / calls for name, clock in CLOCKS.items()}


def _calls(step: Callable[[], Any], turn: float) -> int:
    """How many calls fill a turn; also what warms the side up."""
    calls = 1
    while True:
        seconds = calls * _turn(step, calls)["cpu"]
        if seconds >= turn / 2:
            return max(1, round(calls * turn / seconds))
        calls = calls * 2 if seconds <= 0 else min(10 * calls, max(calls + 1, int(calls * turn / seconds)))


