"""Cached steps, and those that are under way [W09, W18].

    Step        what a signature became: call it with the fed values
    Flights     the steps of one session that other threads may have to end: those that wait, loop, or have a deadline

A step that only runs each of its nodes once ends by itself, and is not listed.

Next: core/waiting.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from refflow.core.dtypes import bfloat16
from refflow.core.values import as_fetched
from refflow.core.waiting import InFlight
from refflow.runtime.config import ConfigProto
from refflow.runtime.cores import Run, is_heavy, on_cores
from refflow.runtime.events import EventLog, StepLog
from refflow.runtime.executor import Executor
from refflow.runtime.memory import peaks
from refflow.runtime.signature import Signature
from refflow.runtime.stages import Stages
from refflow.runtime.watch import Unwatched

if TYPE_CHECKING:
    from refflow.runtime.session import Session


class Flights:
    """The steps of one session under way. Any thread may ask."""

    def __init__(self) -> None:
        self._all: set[InFlight] = set()
        self._closed = False

    def begin(self, what: str, seconds: float | None = None) -> InFlight:
        """A step that is listed until its `end`."""
        flight = InFlight(what, seconds)
        self._all.add(flight)
        if self._closed:
            flight.call_off()
        return flight

    def end(self, flight: InFlight) -> None:
        self._all.discard(flight)

    def run(self, function: Callable[[Any], Any], feeds: Any, what: str, seconds: float | None) -> Any:
        """function(feeds), as a step that can be ended. DeadlineExceededError after `seconds`."""
        flight = self.begin(what, seconds)
        try:
            with flight:
                found = function(feeds)
            flight.check()
            return found
        finally:
            self.end(flight)

    def forget(self) -> None:
        """None is under way any more."""
        self._all.clear()

    def close(self) -> None:
        """Ends them all, and whichever may still begin."""
        self._closed = True
        for flight in list(self._all):
            flight.call_off()


class Step:
    """A cached step: call it with the fed values. watch: how an event log sees it, if it is to write one."""

    __slots__ = ("_assemble", "_executable", "_flights", "_log", "_policy", "_run", "_what", "_wrap", "may_last",
                 "stages", "structure")  # fmt: skip

    def __init__(self, session: Session, signature: Signature, stages: Stages, watch: type[Unwatched]):
        self.stages = stages
        self.structure = signature.structure
        self._assemble, self._what = signature.assemble, signature.what
        self._flights, self._log, self._policy = session.flights, session.log, session._policy
        self._executable = stages.executable(session.config, session._op_states, watch)
        self._wrap = _around(stages, signature, session.config)
        if isinstance(self._executable, Executor):
            self.may_last = True
            self._run = self._wrap(lambda feeds: self._execute(feeds, None))
        else:
            self.may_last = self._executable.may_last
            self._run = self._wrap(self._executable.run)

    def __call__(self, feeds: Sequence[Any], seconds: float | None = None, log: EventLog | None = None) -> Any:
        """The fetched values in the structure that was asked for.

        seconds: until the step is called off. log: where it writes its events, if not into the session's.
        """
        log, run = self._log if log is None else log, self._run
        if log is not None:
            run = self._wrap(lambda feeds: self._logged(feeds, log))
        if self.may_last or seconds is not None:
            return self._assemble(self._flights.run(run, feeds, self._what, seconds))
        return self._assemble(run(feeds))

    def _logged(self, feeds: Sequence[Any], log: EventLog) -> Any:
        first, step = len(log.events), log.begin(self._what)
        try:
            return self._execute(feeds, step)
        finally:
            step.finish()
            if log.watch.each_node:
                events = [e for e in log.events[first:] if e.step == step.step]
                most = peaks(events, self._executable.step.nodes)
                for part in self.stages.partitions:
                    part.device.peak_bytes = most[part.device.name]

    def _execute(self, feeds: Sequence[Any], log: StepLog | None) -> Any:
        if not isinstance(self._executable, Executor):
            return self._executable.run(feeds, log)
        values = self._executable.run([np.asarray(f) for f in feeds], self._policy, log)
        return [v[()] if v.shape == () else v for v in values]


def _around(stages: Stages, signature: Signature, config: ConfigProto) -> Callable[[Run], Run]:
    """What every run of a step is wrapped in: threads for its kernels, and values as clients know them."""
    types = [t.dtype.base_dtype for t in signature.tensors]
    plain = not any(t is bfloat16 or t.is_quantized or t.is_narrow for t in types)
    heavy = is_heavy(stages.partitioned)

    def wrap(run: Run) -> Run:
        inner = on_cores(run, config.intra_op_parallelism_threads) if heavy else run
        return inner if plain else lambda feeds: [as_fetched(v, t) for v, t in zip(inner(feeds), types, strict=True)]

    return wrap
