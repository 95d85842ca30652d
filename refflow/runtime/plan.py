"""The fast executable: a step compiled once to straight-line Python over preallocated buffers.

    def step(f, c, log):                feeds in, fetched values out
        v4 = r4.value
        if v4 is None: r4.read()        raises: not initialized
        k5(c0, v4, False, False, b5)    MatMul 'MatMul'
        add(b5, v7, b8)                 Add 'add'

The order is one that the executor could have chosen: lowest id first. Buffers come from an arena and are
reused when the last user of a value has run [W16]; a fetched value is never in the arena, nor is it a view of
a constant, a feed or a variable: what the caller holds never changes afterwards, and one program gives one
result [S65]. A large one lies where one lay that nobody holds any more (runtime/handed_back.py). Scalars travel
as NumPy scalars, for which Python's own operators are quickest. Under `kernels="reference"` only the pages'
kernels are called, and the bits are the executor's.

Each line of the source belongs to a node, so that an exception's line number tells which node failed. `c` is the step
in flight (core/waiting.py), which loops ask whether they are to go on; it is None where a step has no loop and waits
for nobody, because then it ends soon enough. A plan that is watched has lines between the others that write into `log`
what begins and what has been made (runtime/watch.py).

runtime/writer.py writes the source. Next: refflow_kernels/cpu/matmul.py.
"""

from __future__ import annotations

import itertools
import linecache
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core import locks
from refflow.core.waiting import in_flight
from refflow.runtime.events import StepLog
from refflow.runtime.failures import as_op_error
from refflow.runtime.kernels import OpStates
from refflow.runtime.nodes import Node, StepGraph
from refflow.runtime.watch import Unwatched
from refflow.runtime.writer import Writer

_numbers = itertools.count(1)
# glibc keeps freed memory at hand, up to twice the largest block that was ever given back. Without one, what a loop
# keeps for its gradient would come from the system anew in each step, with a fault for every page.
np.empty(31 << 20, np.uint8)  # not touched, so it costs nothing


class Plan:
    """A compiled step. One thread at a time runs it; others get copies with buffers of their own."""

    def __init__(
        self, step: StepGraph, kernels: str, states: OpStates, watch: type[Unwatched] = Unwatched, captures: bool = True
    ):
        self.step = step
        self._make = (step, kernels, states, watch, captures)
        self._lock = locks.lock()
        self._spare: list[Plan] = []
        writer = Writer(step, kernels, states, watch, captures)
        self.source = writer.source()
        self.arena_bytes = writer.arena.total
        self.card_blocks = writer.card_blocks  # the memory of each card, by the device's name
        self.alone = writer.alone  # where all of the step is one stretch
        self.stretches = writer.stretches  # what runs on cards between two lines of the host
        self._lines = writer.lines
        self._filename = f"<refflow plan {next(_numbers)}>"
        # Tracebacks show the plan's lines, for as long as there is the plan.
        linecache.cache[self._filename] = (len(self.source), None, self.source.splitlines(True), self._filename)
        weakref.finalize(self, linecache.cache.pop, self._filename, None)
        self.may_last = writer.may_last
        names = writer.bindings
        exec(compile(self.source, self._filename, "exec"), names)
        self._step = names["step"]
        for stretch in self.stretches:
            stretch.bind(names)

    def run(self, feeds: Sequence[Any], log: StepLog | None = None) -> Any:
        """The fetched values, a tuple in the order of the fetches. log: for a plan that is watched."""
        if not self._lock.acquire(blocking=False):
            return self._run_elsewhere(feeds, log)
        try:
            with np.errstate(all="ignore"):
                return self._step(feeds, in_flight() if self.may_last else None, log)
        except Exception as error:
            node = self._failed(error)
            if node is None:
                raise
            if log is not None:
                log.note("error", node)
            raise as_op_error(error, node) from error
        finally:
            self._lock.release()

    def alone_by(self, use: Callable[[Any], Any]) -> Any:
        """What `use` makes of the one stretch that this plan is, while nobody else runs it."""
        with self._lock:
            return use(self.alone)

    def _run_elsewhere(self, feeds: Sequence[Any], log: StepLog | None) -> Any:
        """Another thread is inside: run a copy."""
        try:
            twin = self._spare.pop()
        except IndexError:
            twin = Plan(*self._make)
        try:
            return twin.run(feeds, log)
        finally:
            self._spare.append(twin)

    def _failed(self, error: BaseException) -> Node | None:
        trace, line = error.__traceback__, 0
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._filename:
                line = trace.tb_lineno
            trace = trace.tb_next
        return self._lines.get(line)
