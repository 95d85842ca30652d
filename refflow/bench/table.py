"""Times as ratios: refflow to each peer and to the best, geometric means of groups, and the bars beside them.

    ratio = median of refflow's turns / median of the peer's; below one, refflow is quicker
    best  = the quickest peer that is not TensorFlow; library = the same without hand-written NumPy

A report is plain data, as it is written to JSON: `rows`, `groups` and what measured.
Next: refflow/bench/svg.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from refflow.bench.measure import CLOCKS, Row
from refflow.bench.workload import Bar

GROUPS: dict[str, tuple[str, Bar]] = {
    "training": ("the training workloads, geometric mean", Bar(0.78, 0.95)),
    "data": ("input pipelines, geometric mean", Bar(1.0)),
    "conv2d_forward": ("conv2d forward, geometric mean", Bar(0.95, 1.2)),
    "conv2d_filter_gradient": ("conv2d filter gradient, geometric mean", Bar(0.75, 1.0)),
    "conv2d_input_gradient": ("conv2d input gradient, geometric mean", Bar(1.1, 1.3)),
    "conv3d": ("conv3d forward and gradients, geometric mean", Bar(1.0, 1.2)),
}
AGAINST = {"tensorflow": "TF", "best": "best", "library": "library"}
Data = dict[str, Any]


def as_data(row: Row) -> Data:
    """A row as it is written."""
    times = {
        peer: {
            clock: {"median": row.median(peer, clock), "minimum": row.minimum(peer, clock)} for clock in CLOCKS
        } | {"rounds": len(row.times[peer]["cpu"])}
        for peer in row.times
    }  # fmt: skip
    w = row.workload
    return as_row(w.name, w.title, w.group, w.bar, times, row.errors)


def as_row(name: str, title: str, group: str, bar: Bar, times: Data, errors: dict[str, str]) -> Data:
    """times: by peer and clock, median and minimum."""
    found: Data = {"name": name, "title": title, "group": group, "bar": bar._asdict(), "times": times}
    found["ratios"] = {clock: ratios(times, clock) for clock in CLOCKS}
    found["ratios_of_minima"] = {clock: ratios(times, clock, "minimum") for clock in CLOCKS}
    return found | ({"errors": errors} if errors else {})


def ratios(times: Data, clock: str, figure: str = "median") -> dict[str, float]:
    """refflow's time over each peer's, over the best's and over the best library's."""
    if "refflow" not in times:
        return {}
    ours = times["refflow"][clock][figure]
    found = {peer: ours / t[clock][figure] for peer, t in times.items() if peer != "refflow"}
    others = {peer: ratio for peer, ratio in found.items() if peer != "tensorflow"}
    libraries = [ratio for peer, ratio in others.items() if peer != "numpy"]
    return (
        found
        | ({"best": max(others.values())} if others else {})
        | ({"library": max(libraries)} if libraries else {})
    )


def groups(rows: Sequence[Data], clock: str) -> list[Data]:
    """The geometric means of the groups that have more than one row."""
    found = []
    for name, (title, bar) in GROUPS.items():
        members = [row["ratios"][clock] for row in rows if row["group"] == name]
        means = {
            against: geometric_mean([m[against] for m in members])
            for against in AGAINST
            if members and all(against in m for m in members)
        }
        if len(members) > 1 and means:
            found.append({"name": name, "title": title, "bar": bar._asdict(), "ratios": means, "rows": len(members)})
    return found


def geometric_mean(values: Sequence[float]) -> float:
    """
    >>> geometric_mean([0.5, 2.0])
    1.0
    """
    return math.exp(sum(map(math.log, values)) / len(values))


def best(row: Data, clock: str) -> str:
    """The quickest peer beside TensorFlow, or ""."""
    peers = {p: t[clock]["median"] for p, t in row["times"].items() if p not in ("refflow", "tensorflow")}
    return min(peers, key=peers.__getitem__) if peers else ""


def lines(row: Data, clock: str) -> list[str]:
    """A row, for people: refflow's and each peer's time, the two ratios with their bars, and what went wrong."""
    times = "  ".join(f"{peer} {spell(t[clock]['median'], row.get('unit'))}" for peer, t in row["times"].items())
    found = [f"{row['title']:58} {verdict(row['ratios'][clock], row['bar'])}", f"    {times}"]
    found += [f"    {peer}: not timed: {why}" for peer, why in row.get("errors", {}).items()]
    return found


def verdict(found: dict[str, float], bar: dict[str, float | None]) -> str:
    """The ratios beside their bars; a star where the bar is missed."""
    words = []
    for against, label in AGAINST.items():
        if against in found:
            limit = bar.get(against)
            missed = "*" if limit is not None and found[against] > limit else " "
            beside = " " * 8 if limit is None else f"<= {limit:<5g}"
            words.append(f"{label} {found[against]:6.2f}{missed}{beside}")
    return "  ".join(words)


def spell(seconds: float, unit: str | None = None) -> str:
    """
    >>> spell(0.0123), spell(4.5e-6), spell(3 * 2**20, "bytes")
    ('12.3 ms', '4.5 us', '3 MiB')
    """
    if unit == "bytes":
        return f"{seconds / 2**20:.3g} MiB"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
