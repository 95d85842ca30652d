"""Where a step's time went: Chrome's trace viewer, and a table [W61].

    Timeline(run_metadata.step_stats).generate_chrome_trace_format()      text for chrome://tracing or ui.perfetto.dev
    table(session.log)                                                    who took how much of the step, and the gaps
    of_replicas(training.run(...))                                        what each replica of a training did [S63]

A timeline reads the statistics of refflow's runs and those of TensorFlow's, whose fields have the same names. Each
device is a process of the trace, and its nodes lie in lanes so that no two of a lane overlap; arrows lead from who
makes a value to who reads it.

Next: runtime/metadata.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from refflow.runtime.events import Event, EventLog

if TYPE_CHECKING:
    from refflow.train.asynchronous import Trace

_LABEL = re.compile(r"(.*) = (.*)\((.*)\)")


class AllocationMaximum(NamedTuple):
    """The most bytes that values of one kind of memory took at once: when, and which values those were."""

    timestamp: int
    num_bytes: int
    tensors: set[str]


class StepStatsAnalysis(NamedTuple):
    """A trace, and for each kind of memory its maximum."""

    chrome_trace: ChromeTrace
    allocator_maximums: dict[str, AllocationMaximum]


class ChromeTrace:
    """Events in Chrome's trace format; times in microseconds."""

    def __init__(self) -> None:
        self._about: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []

    def name(self, pid: int, text: str) -> None:
        """What a process is called."""
        self._about.append({"name": "process_name", "ph": "M", "pid": pid, "args": {"name": text}})

    def add(self, ph: str, cat: str, name: str, pid: int, tid: int, ts: int, **more: Any) -> None:
        """One event; `ph` says of which kind."""
        self._events.append({"ph": ph, "cat": cat, "name": name, "pid": pid, "tid": tid, "ts": ts, **more})

    def format_to_string(self, pretty: bool = False) -> str:
        """The whole trace as JSON."""
        trace = {"traceEvents": self._about + self._events}
        return json.dumps(trace, indent=4 if pretty else None, separators=(",", ": ") if pretty else (",", ":"))


class _Run(NamedTuple):
    """A node's run in the trace: its statistics, its device's process, its lane."""

    stats: Any
    pid: int
    lane: int

    @property
    def start(self) -> int:
        return self.stats.all_start_micros

    @property
    def end(self) -> int:
        return self.stats.all_start_micros + self.stats.all_end_rel_micros

    def label(self) -> tuple[str, list[str]]:
        """The op type and the inputs' names."""
        found = _LABEL.match(self.stats.timeline_label)
        if found is None:
            return "unknown", []
        return found[2], found[3].split(", ") if found[3] else []


class _Value(NamedTuple):
    made: _Run
    allocator: str
    nbytes: int
    until: list[int]  # when each of its readers was done


class Timeline:
    """A timeline of one run's statistics. graph: taken for TensorFlow's sake."""

    def __init__(self, step_stats: Any, graph: Any = None):
        self._step_stats = step_stats

    def generate_chrome_trace_format(
        self, show_dataflow: bool = True, show_memory: bool = False, op_time: str = "schedule"
    ) -> str:
        """The trace as JSON.

        show_dataflow: with arrows from lane to lane. show_memory: with the bytes of each kind of memory over time.
        op_time: taken for TensorFlow's sake; nodes are shown from their start to their end.
        """
        return self.analyze_step_stats(show_dataflow, show_memory, op_time).chrome_trace.format_to_string(pretty=True)

    def analyze_step_stats(
        self, show_dataflow: bool = True, show_memory: bool = True, op_time: str = "schedule"
    ) -> StepStatsAnalysis:
        """The trace, and with `show_memory` the maxima of memory."""
        trace = ChromeTrace()
        trace.name(0, "Allocators")
        runs = list(self._runs(trace))
        values: dict[str, _Value] = {}
        for run in runs:
            for name, value in _made(run):
                values[name] = value
        flows = 0
        for run in runs:
            flows += _show(trace, run, values, flows if show_dataflow else None)
        return StepStatsAnalysis(trace, _show_memory(trace, values) if show_memory else {})

    def _runs(self, trace: ChromeTrace) -> Iterator[_Run]:
        for pid, device in enumerate(self._step_stats.dev_stats, 1):
            trace.name(pid, f"{device.device} Compute")
            busy: list[int] = []  # until when each lane is
            for stats in sorted(device.node_stats, key=lambda s: s.all_start_micros):
                lane = next((i for i, until in enumerate(busy) if stats.all_start_micros >= until), len(busy))
                busy[lane : lane + 1] = [stats.all_start_micros + stats.all_end_rel_micros]
                yield _Run(stats, pid, lane)


def _made(run: _Run) -> Iterator[tuple[str, _Value]]:
    for output in run.stats.output:
        name = f"{run.stats.node_name}:{output.slot}" if output.slot else run.stats.node_name
        memory = output.tensor_description.allocation_description
        yield name, _Value(run, memory.allocator_name, memory.requested_bytes, [run.end])


def _show(trace: ChromeTrace, run: _Run, values: dict[str, _Value], flow: int | None) -> int:
    """A node's bar, and the arrows that lead to it from other lanes, numbered from `flow`; how many those are."""
    kind, inputs = run.label()
    named = {"name": run.stats.node_name, "op": kind} | {f"input{i}": name for i, name in enumerate(inputs)}
    trace.add("X", "Op", kind, run.pid, run.lane, run.start, dur=run.end - run.start, args=named)
    arrows = 0
    for name in inputs:
        value = values.get(name)
        if value is None:
            continue
        value.until.append(run.end)
        if flow is not None and (value.made.pid, value.made.lane) != (run.pid, run.lane):
            trace.add("s", "DataFlow", name, value.made.pid, value.made.lane, value.made.end, id=flow + arrows)
            trace.add("t", "DataFlow", name, run.pid, run.lane, run.start, id=flow + arrows)
            arrows += 1
    return arrows


def _show_memory(trace: ChromeTrace, values: dict[str, _Value]) -> dict[str, AllocationMaximum]:
    """A counter for each kind of memory: a value takes its bytes from its making until its last reader is done."""
    changes: dict[str, list[tuple[int, int, str]]] = {}
    for name, value in values.items():
        own = changes.setdefault(value.allocator, [])
        own += [(value.made.start, value.nbytes, name), (max(value.until), -value.nbytes, name)]
    maxima = {}
    for allocator, own in changes.items():
        held: set[str] = set()
        total, most = 0, AllocationMaximum(0, 0, set())
        for time, nbytes, name in sorted(own, key=lambda change: (change[0], change[1])):
            total += nbytes
            (held.add if nbytes > 0 else held.discard)(name)
            if total > most.num_bytes:
                most = AllocationMaximum(time, total, set(held))
            trace.add("C", "Memory", allocator, 0, 0, time, args={allocator: total})
        maxima[allocator] = most
    return maxima


# -- replicas ------------------------------------------------------------------------------------------------


def of_replicas(trace: Trace) -> str:
    """A run of tf.train.ReplicaTraining in Chrome's trace format, a second of virtual time being a second.

    Each group is a process whose lanes are its replicas; the variables are one more, in which updates are moments.
    """
    chrome = ChromeTrace()
    chrome.name(0, "variables")
    for group in sorted({event.group for event in trace.events}):
        chrome.name(group + 1, f"group {group}")
    updates = {(update.group, update.step): update for update in trace.updates}
    for event in trace.events:
        start, end = round(1e6 * event.time), round(1e6 * event.until)
        if event.what == "apply":
            update = updates[event.group, event.step]
            about = {"replica": event.replica, "loss": float(update.loss), "stale": update.staleness}
            chrome.add("i", "Update", f"group {event.group} step {event.step}", 0, 0, start, s="t", args=about)
        else:
            about = {"step": event.step}
            chrome.add("X", "Replica", event.what, event.group + 1, event.replica, start, dur=end - start, args=about)
    return chrome.format_to_string()


# -- a table -----------------------------------------------------------------------------------------------


class Account(NamedTuple):
    """Seconds of a step: in all, by node, and in which no node ran. What nodes took and the gap make up the whole."""

    whole: float
    nodes: dict[str, float]
    gap: float


def account(log: EventLog, step: int) -> Account:
    """Where the time of one step went. Where several nodes are under way, it is the latest that counts."""
    events = [e for e in log.events if e.step == step]
    nodes: dict[str, float] = {}
    gap = 0.0
    active: list[Event] = []
    before = events[0].time
    for event in sorted(events, key=lambda e: e.time):
        if active:
            nodes[active[-1].node] = nodes.get(active[-1].node, 0.0) + event.time - before
        else:
            gap += event.time - before
        before = event.time
        if event.kind == "start":
            active.append(event)
        elif event.kind in ("end", "recv", "error"):
            active = [e for e in active if (e.node_id, e.place) != (event.node_id, event.place)]
    return Account(events[-1].time - events[0].time, nodes, gap)


def table(log: EventLog, most: int = 20) -> str:
    """The nodes that took longest over all steps of a log, with their part of the whole, and the gaps between nodes."""
    accounts = [account(log, step) for step in dict.fromkeys(e.step for e in log.events)]
    whole = sum(a.whole for a in accounts)
    taken: dict[str, float] = {}
    for each in accounts:
        for name, seconds in each.nodes.items():
            taken[name] = taken.get(name, 0.0) + seconds
    types = {node.name: node.type for node in log.nodes.values()}
    ordered = sorted(taken, key=lambda name: -taken[name])
    rows = [(f"{types[name]} {name}", taken[name]) for name in ordered[:most]]
    if ordered[most:]:
        rows.append((f"{len(ordered) - most} other nodes", sum(taken[name] for name in ordered[most:])))
    rows += [("between nodes", sum(a.gap for a in accounts)), (f"{len(accounts)} steps", whole)]
    width = max(len(text) for text, _ in rows)
    return "\n".join(f"{text:{width}}  {1e3 * s:10.3f} ms  {100 * s / (whole or 1):5.1f} %" for text, s in rows)
