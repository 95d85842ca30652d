"""Where a step's time goes, and how far each line is from what the machine can do: `refflow profile PROGRAM`.

    arithmetic     products and convolutions: 2 multiply-adds (OpDef.work) / the rate of a large matrix product
    memory         bytes read and written, each input and output once / the rate of a large copy
    least          the larger of the two: what the line would take if nothing but the machine held it back
    of the limit   least / what it took

What is timed is the plan that runs, line by line: a node, or the nodes of a chain or of slices, which are one line of
it, and hand on what lies between them without moving it through memory; so does an update that makes its gradient piece
by piece. Where the executor runs a step, it is the nodes. Both rates are measured in the same process, with the same
clock and threads. A line may be above its limit, which the table then explains.

What lies between the lines is told too: views and constants, Python on its way from one to the next, feeds and results.
The step is also run without the clock, in turns, so that one sees whether the two agree.

Next: refflow/profile_program.py.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from textwrap import fill
from threading import Thread
from typing import Any, NamedTuple

import numpy as np

from refflow import timeline
from refflow.runtime.config import ConfigProto
from refflow.runtime.cores import on_cores
from refflow.runtime.costs import CostModel, multiply_adds
from refflow.runtime.events import LapLog
from refflow.runtime.nodes import Node
from refflow.runtime.session import Session
from refflow.runtime.slices import nodes_of
from refflow.runtime.watch import is_still

Clock = Callable[[], float]
_KINDS = 4  # op types that the name of a chain tells
_WIDTH = 120  # of the text
_TURN = 5  # steps of one kind after one another, which then find in the cache what they left there
CLOCKS: dict[str, Clock] = {"cpu": time.process_time, "wall": time.perf_counter}


class Limits(NamedTuple):
    """What the machine can do: operations and bytes a second."""

    operations: float
    bytes: float


class Line(NamedTuple):
    """A line of the plan: the seconds of a step that it takes, its operations and bytes, the least they can take.

    node: its name. type: in words, of a chain with the types in it. nodes: those of the graph that it computes. runs:
    how often, which in a loop is more than once.
    """

    node: str
    type: str
    nodes: list[Node]
    runs: int
    seconds: float
    operations: float
    nbytes: float
    least: float


class Profile(NamedTuple):
    """lines: longest first. between: seconds of a step in which none of them ran, nor was the clock read.

    step: the seconds of a step without the clock. timed: of one with it. clock: those of them that reading it takes.
    Seconds are medians over the steps but the first, which warms up; log: of all of them, for a timeline.
    """

    lines: list[Line]
    between: float
    step: float
    timed: float
    clock: float
    limits: Limits
    log: LapLog


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
    """Runs the step `steps` times as it is, and as often with the clock read at each line.

    initializer: fetched once before. threads: the session's, and those of the limits. clock: "cpu", the time of the
    process's threads, or "wall".
    """
    tick, config = CLOCKS[clock], ConfigProto(intra_op_parallelism_threads=threads)
    log = LapLog(tick)
    with Session(graph=graph, config=config) as session:
        if initializer is not None:
            session.run(initializer)
        with Session(graph=graph, config=config, devices=session.devices, log=log) as watched:
            step = _in_turns(lambda: session.run(fetches, feeds), lambda: watched.run(fetches, feeds), steps, tick)
    return from_log(log, step, limits(threads, tick))


def from_log(log: LapLog, step: float, found: Limits) -> Profile:
    """What a log of two steps or more says, of which the first only warmed up. step: the seconds of one without it."""
    accounts = [timeline.account(log, number) for number in dict.fromkeys(event.step for event in log.events)][1:]
    lines = _lines(log, accounts, found)
    cost = log.cost * sum(line.runs for line in lines)
    gap, timed = median(a.gap for a in accounts), median(a.whole for a in accounts)
    return Profile(lines, max(0.0, gap - cost), step, timed, cost, found, log)


def _in_turns(run: Callable[[], Any], timed: Callable[[], Any], steps: int, tick: Clock) -> float:
    """The seconds of `run`; some of either, some of the other, so that what else a machine has to do befalls both."""
    run(), timed()  # which builds the steps
    found = []
    for first in range(0, steps, _TURN):
        turn = range(first, min(first + _TURN, steps))
        for _ in turn:
            start = tick()
            run()
            found.append(tick() - start)
        for _ in turn:
            timed()
    return median(found)


def _lines(log: LapLog, accounts: Sequence[timeline.Account], found: Limits) -> list[Line]:
    runs = Counter(e.node for e in log.events if e.kind == "start" and e.step == log.events[-1].step)
    nodes = {node.name: node for node in log.nodes.values()}
    taken = {name: median([a.nodes.get(name, 0.0) for a in accounts]) for name in accounts[0].nodes}
    lines = [_line(nodes[name], runs[name], seconds, found) for name, seconds in taken.items()]
    return sorted(lines, key=lambda line: -line.seconds)


def _line(node: Node, runs: int, seconds: float, found: Limits) -> Line:
    """Arithmetic counts where an op says how much it is; what only hands values on moves no bytes."""
    sizes, nodes = CostModel(), nodes_of(node)
    edges = [*node.inputs, *((node, port) for port in range(len(node.types)))]
    moved = 0 if is_still(node) or node.op_def.view or node.sends else sum(sizes.nbytes(n, port) for n, port in edges)
    operations = sum(2.0 * multiply_adds(n) for n in nodes if n.op_def.work_rule is not None)
    least = max(operations / found.operations, moved / found.bytes)
    return Line(node.name, _kind(node, nodes), nodes, runs, seconds, runs * operations, runs * moved, runs * least)


def _kind(node: Node, nodes: Sequence[Node]) -> str:
    """The op type; of several nodes in one line theirs, the most frequent first."""
    if node in nodes:
        return " with ".join([node.type, *(n.type for n in nodes if n is not node)])
    counts = Counter(n.type for n in nodes if not is_still(n)).most_common()
    shown = [kind if many == 1 else f"{many} {kind}" for kind, many in counts[:_KINDS]]
    others = f" and {len(counts) - _KINDS} more" if counts[_KINDS:] else ""
    return f"{node.type} of {', '.join(shown)}{others}"


# -- words --------------------------------------------------------------------------------------------------


def table(found: Profile, most: int = 20) -> str:
    """The lines that take longest, then all of them by op type, and which nodes are in chains and slices."""
    limit, whole = found.limits, sum(line.seconds for line in found.lines) + found.between
    lines = [(_label(line), line) for line in found.lines]
    rest = [line for _, line in lines[most:]]
    rows = lines[:most] + ([(f"{len(rest)} other lines", _together(rest))] if rest else [])
    types = sorted({line.type for line in found.lines})
    kinds = [(kind, _together([line for line in found.lines if line.type == kind])) for kind in types]
    kinds.sort(key=lambda row: -row[1].seconds)
    rows.append(("between the lines", Line("", "", [], 0, found.between, 0.0, 0.0, 0.0)))
    width = max(len(text) for text, _ in [*rows, *kinds])
    head = f"{'':{width}}        ms    share   GFLOP/s      GB/s   of the limit"
    return "\n".join([
        f"limits: {limit.operations / 1e9:.0f} GFLOP/s in a product, {limit.bytes / 1e9:.1f} GB/s in a copy",
        f"a step: {1e3 * found.step:.3f} ms; with the clock read at each line {1e3 * found.timed:.3f} ms, of which the "
        f"clock takes {1e3 * found.clock:.3f} ms",
        "", head, *(_row(*row, width, whole) for row in rows),
        "", head, *(_row(*row, width, whole) for row in kinds), *_above(found.lines),
        *_members([line for _, line in lines[:most]]),
    ])  # fmt: skip


def _above(lines: Sequence[Line]) -> list[str]:
    """What a share above 100 % means, where there is one."""
    if not any(line.least > line.seconds > 0 for line in lines):
        return []
    text = ("above 100 %: what lies in a cache is read faster than a large copy goes, and convolutions by tiles make "
            "fewer products than are counted here")  # fmt: skip
    return ["", *fill(text, _WIDTH).splitlines()]


def _label(line: Line) -> str:
    return f"{line.type} {line.node}" + (f", {line.runs} times" if line.runs > 1 else "")


def _members(lines: Sequence[Line]) -> list[str]:
    """Which nodes a line computes, where those are several."""
    several = [line for line in lines if len(line.nodes) > 1]
    texts = [f"{line.node}: {', '.join(f'{n.type} {n.name}' for n in line.nodes)}" for line in several]
    return ["", "nodes in one line", *(fill(text, _WIDTH, subsequent_indent="    ") for text in texts)] if texts else []


def _together(lines: Sequence[Line]) -> Line:
    return Line("", "", [], 0, *(sum(line[i] for line in lines) for i in range(4, 8)))  # type: ignore[misc]


def _row(text: str, line: Line, width: int, whole: float) -> str:
    taken = line.seconds
    amounts = (line.operations, line.nbytes)
    rates = [f"{amount / taken / 1e9:9.1f}" if amount and taken else 9 * " " for amount in amounts]
    limit = f"{100 * line.least / taken:6.0f} %" if line.least and taken else ""
    return f"{text:{width}}  {1e3 * taken:8.3f}  {100 * taken / whole:5.1f} % {' '.join(rates)} {limit}".rstrip()
