"""Where a step's time goes, and how far each node is from what the machine can do: `refflow profile PROGRAM`.

    arithmetic     products and convolutions: 2 multiply-adds (OpDef.work) / the rate of a large matrix product
    memory         bytes read and written, each input and output once / the rate of a large copy
    least          the larger of the two: what the node would take if nothing but the machine held it back
    of the limit   least / what it took

Both rates are measured in the same process, with the same clock and threads. A node may be above its limit: what lies
in a cache is read faster than the copy went, and a view moves nothing. A step is also run unwatched, because writing
the log takes time of its own, which counts as between the nodes.

Next: refflow/timeline.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from threading import Thread
from typing import Any, NamedTuple

import numpy as np

from refflow import timeline
from refflow.runtime.config import ConfigProto
from refflow.runtime.cores import on_cores
from refflow.runtime.costs import CostModel, multiply_adds
from refflow.runtime.events import EventLog
from refflow.runtime.nodes import CONTROL_FLOW, SAME, Node
from refflow.runtime.session import Session

_STILL = SAME | CONTROL_FLOW | {"Const", "Variable", "VariableV2", "VarHandleOp"}
Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"cpu": time.process_time, "wall": time.perf_counter}


class Limits(NamedTuple):
    """What the machine can do: operations and bytes a second."""

    operations: float
    bytes: float


class Line(NamedTuple):
    """A node: the seconds of a step that it takes, its operations and bytes, the least seconds they can take."""

    node: str
    type: str
    seconds: float
    operations: float
    nbytes: float
    least: float


class Profile(NamedTuple):
    """lines: longest first. between: seconds of a watched step in which no node ran. unwatched: of a step nobody logs.

    Seconds are medians over the steps; log: of all of them, for a timeline.
    """

    lines: list[Line]
    between: float
    unwatched: float
    limits: Limits
    log: EventLog


# -- limits -------------------------------------------------------------------------------------------------


def limits(threads: int = 1, clock: Clock = time.perf_counter) -> Limits:
    """Measures both rates: each thread works on arrays of its own, and the best of five tries counts."""
    n, size = 1024, 1 << 24
    a, b = (np.ones((threads, n, n), np.float32) for _ in range(2))
    c, x, y = np.empty_like(a), np.ones((threads, size), np.float32), np.empty((threads, size), np.float32)

    def rate(work: Callable[[int], Any], amount: float) -> float:
        return threads * amount / min(_seconds(work, threads, clock) for _ in range(5))

    def measure(_: Any) -> Limits:
        product = rate(lambda i: np.matmul(a[i], b[i], out=c[i]), 2.0 * n**3)
        return Limits(product, rate(lambda i: np.copyto(y[i], x[i]), 8.0 * size))

    return on_cores(measure, threads)(())  # BLAS at one thread, as in a step


def _seconds(work: Callable[[int], Any], threads: int, clock: Clock) -> float:
    helpers = [Thread(target=work, args=(i,)) for i in range(1, threads)]
    start = clock()
    for helper in helpers:
        helper.start()
    work(0)
    for helper in helpers:
        helper.join()
    return clock() - start


# -- a step -------------------------------------------------------------------------------------------------


def profile(
    graph: Any,
    fetches: Any,
    feeds: Mapping[Any, Any],
    initializer: Any = None,
    steps: int = 20,
    threads: int = 1,
    clock: str = "cpu",
) -> Profile:
    """Runs the step `steps` times unwatched and as often watched.

    initializer: fetched once before. threads: the session's, and those of the limits. clock: "cpu", the time of the
    process's threads, or "wall".
    """
    tick, config = CLOCKS[clock], ConfigProto(intra_op_parallelism_threads=threads)
    log = EventLog(tick, values=False)
    with Session(graph=graph, config=config) as session:
        if initializer is not None:
            session.run(initializer)
        unwatched = _each(lambda: session.run(fetches, feeds), steps, tick)
        with Session(graph=graph, config=config, devices=session.devices, log=log) as watched:
            _each(lambda: watched.run(fetches, feeds), steps, tick)
    return Profile(*_lines(log, found := limits(threads, tick)), median(unwatched), found, log)


def _each(run: Callable[[], Any], steps: int, tick: Clock) -> list[float]:
    """The seconds of each step, after a first that builds it."""
    run()
    found = []
    for _ in range(steps):
        start = tick()
        run()
        found.append(tick() - start)
    return found


def _lines(log: EventLog, found: Limits) -> tuple[list[Line], float]:
    """The first step of the log is not counted: it warms up."""
    numbers = list(dict.fromkeys(event.step for event in log.events))[1:]
    accounts = [timeline.account(log, number) for number in numbers]
    nodes = {node.name: node for node in log.nodes.values()}
    taken = {name: median([a.nodes.get(name, 0.0) for a in accounts]) for name in accounts[0].nodes}
    lines = [_line(nodes[name], seconds, found) for name, seconds in taken.items()]
    return sorted(lines, key=lambda line: -line.seconds), median([a.gap for a in accounts])


def _line(node: Node, seconds: float, found: Limits) -> Line:
    """Arithmetic counts where an op says how much it is; what only hands values on moves no bytes."""
    sizes = CostModel()
    edges = [*node.inputs, *((node, port) for port in range(len(node.types)))]
    still = node.op_def.view or node.sends or node.receives or node.type in _STILL
    moved = 0 if still else sum(sizes.nbytes(n, port) for n, port in edges)
    operations = 2.0 * multiply_adds(node) if node.op_def.work_rule is not None else 0.0
    least = max(operations / found.operations, moved / found.bytes)
    return Line(node.name, node.type, seconds, operations, moved, least)


# -- words --------------------------------------------------------------------------------------------------


def table(found: Profile, most: int = 20) -> str:
    """The nodes that take longest, then all of them by op type."""
    limit = found.limits
    nodes = [(f"{line.type} {line.node}", line) for line in found.lines]
    rest = [line for _, line in nodes[most:]]
    rows = nodes[:most] + ([(f"{len(rest)} other nodes", _together(rest))] if rest else [])
    types = sorted({line.type for line in found.lines})
    kinds = [(kind, _together([line for line in found.lines if line.type == kind])) for kind in types]
    kinds.sort(key=lambda row: -row[1].seconds)
    whole = sum(line.seconds for line in found.lines) + found.between
    width = max(len(text) for text, _ in [*rows, *kinds, ("between nodes", None)])
    head = f"{'':{width}}        ms  share   GFLOP/s      GB/s   of the limit"
    between = f"{'between nodes':{width}}  {1e3 * found.between:8.3f}  {100 * found.between / whole:4.1f} %"
    return "\n".join([
        f"limits: {limit.operations / 1e9:.0f} GFLOP/s in a product, {limit.bytes / 1e9:.1f} GB/s in a copy",
        f"a step: {1e3 * found.unwatched:.3f} ms, and {1e3 * whole:.3f} ms where it is watched",
        "", head, *(_row(*row, width, whole) for row in rows), between,
        "", head, *(_row(*row, width, whole) for row in kinds),
    ])  # fmt: skip


def _together(lines: Sequence[Line]) -> Line:
    return Line("", "", *(sum(line[i] for line in lines) for i in range(2, 6)))  # type: ignore[misc]


def _row(text: str, line: Line, width: int, whole: float) -> str:
    rates = [f"{amount / line.seconds / 1e9:9.1f}" if amount else 9 * " " for amount in (line.operations, line.nbytes)]
    limit = f"{100 * line.least / line.seconds:6.0f} %" if line.least else ""
    return f"{text:{width}}  {1e3 * line.seconds:8.3f}  {100 * line.seconds / whole:4.1f} % {' '.join(rates)} {limit}"
