"""A whole program's time: `refflow profile PROGRAM.py` runs it, and looks at the steps that it runs itself.

    step           one kind of run(): what it fetches, what it feeds, of which shapes
    timed          every second run of a kind, up to `steps` of them, has the clock read at each line of its plan
    outside        what the program does between its runs: it makes batches, prints, writes files

The runs are the program's own: its data, its feeds, the variables as they are then. Runs with options that ask for
something, as for a trace, are counted and never timed line by line; `repeat` is not seen. Of a step that other threads
run at the same time the clock of the CPU counts their time as well; `--clock wall` does not.

Next: refflow/timeline.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from refflow import profile
from refflow.core import locks
from refflow.core.values import scalar
from refflow.program_runs import Around, run_program
from refflow.runtime.config import RunOptions
from refflow.runtime.events import LapLog
from refflow.runtime.session import Session
from refflow.runtime.steps import Step

_SHOWN = 72  # characters of what a step fetches


@dataclass
class Seen:
    """One kind of step. seconds: of the runs without the clock, the first of which builds the plan."""

    what: str
    log: LapLog
    seconds: list[float] = field(default_factory=list)
    timed: list[float] = field(default_factory=list)

    @property
    def runs(self) -> int:
        return len(self.seconds) + len(self.timed)

    @property
    def each(self) -> float:
        """The seconds of a run, as a median."""
        return median(self.seconds[1:] or self.seconds)

    @property
    def total(self) -> float:
        return sum(self.seconds) + sum(self.timed)


@dataclass
class Watched:
    """A program that has run. whole: its seconds, from its first line to its last."""

    steps: list[Seen]
    whole: float
    clock: profile.Clock


def watch_program(path: str, arguments: Sequence[str] = (), steps: int = 20, clock: str = "cpu") -> Watched:
    """Runs a Python file as `python FILE ARGUMENTS` would, with `import tensorflow` giving refflow's.

    steps: of each kind, how many are timed line by line. FileNotFoundError where there is no such file.
    """
    tick = profile.CLOCKS[clock]
    seen: dict[Any, Seen] = {}
    start = tick()
    run_program(path, arguments, _watching(seen, steps, tick))
    return Watched(sorted(seen.values(), key=lambda s: -s.total), tick() - start, tick)


def _watching(seen: dict[Any, Seen], steps: int, tick: profile.Clock) -> Around:
    """What notes every session's runs in `seen`."""
    lock = locks.lock()

    def watched(run: Any, session: Session, fetches: Any, feed_dict: Any, options: Any, run_metadata: Any) -> Any:
        session._check_open()
        signature, values = session._fed(fetches, {} if feed_dict is None else feed_dict)
        key = (signature.key, tuple(v.shape for v in values))
        asks_nothing = (options is None or options == RunOptions()) and session.log is None
        with lock:
            kind = seen.get(key) or seen.setdefault(key, Seen(signature.what, LapLog(tick)))
            is_timed = kind.runs % 2 == 1 and len(kind.timed) < steps and asks_nothing
        start = tick()
        if is_timed:
            step = session._step(signature, values, LapLog.watch)
            is_timed = isinstance(step, Step)  # and not one of a cluster's
        if is_timed:
            session.counters["runs"] += 1
            feeds = [scalar(v) for v in values]
            found = step(feeds, session._seconds, kind.log)
        else:
            found = run(session, fetches, feed_dict, options, run_metadata)
        with lock:
            (kind.timed if is_timed else kind.seconds).append(tick() - start)
        return found

    return watched


# -- words --------------------------------------------------------------------------------------------------


def report(found: Watched, threads: int = 1) -> str:
    """All kinds of steps, and the profile of the one that took longest."""
    inside = sum(kind.total for kind in found.steps)
    if not found.steps:
        return f"the program took {found.whole:.3f} s and ran no step of a session"
    lines = ["  runs      each      all   share   what is fetched"]
    for kind in found.steps:
        share = kind.total / max(found.whole, 1e-9)
        shown = f"{1e3 * kind.each:7.3f} ms {kind.total:7.3f} s {100 * share:5.1f} %   {_short(kind.what)}"
        lines.append(f"{kind.runs:6d} {shown}")
    outside = max(0.0, found.whole - inside)
    lines.append(f"{'':16} {outside:9.3f} s {100 * outside / max(found.whole, 1e-9):5.1f} %   outside of run()")
    timed = longest(found)
    if timed is None:
        return "\n".join([*lines, "", "no step ran often enough to be timed line by line: four runs are the least"])
    found_of = profile.from_log(timed.log, timed.each, profile.limits(threads, found.clock))
    return "\n".join([*lines, "", _short(timed.what), profile.table(found_of)])


def longest(found: Watched) -> Seen | None:
    """The kind of step that took longest, among those that were timed line by line."""
    return next((kind for kind in found.steps if len(kind.timed) > 1), None)


def _short(what: str) -> str:
    return what if len(what) <= _SHOWN else what[: _SHOWN - 3] + "..."
