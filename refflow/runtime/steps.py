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
from refflow.runtime.cores import is_heavy, on_cores
from refflow.runtime.executor import Executor
from refflow.runtime.signature import Signature
from refflow.runtime.stages import Stages

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

    def close(self) -> None:
        """Ends them all, and whichever may still begin."""
        self._closed = True
        for flight in list(self._all):
            flight.call_off()


class Step:
    """A cached step: call it with the fed values."""

    __slots__ = ("_assemble", "_flights", "_run", "_what", "may_last", "stages", "structure")

    def __init__(self, session: Session, signature: Signature, stages: Stages):
        self.stages = stages
        self.structure = signature.structure
        self._what = signature.what
        self._flights = session.flights
        executable = stages.executable(session.config, session._op_states)
        if isinstance(executable, Executor):
            self.may_last = True
            self._run = lambda feeds: _run_logged(session, executable, feeds)
        else:
            self.may_last = executable.may_last
            self._run = executable.run
        if is_heavy(stages.partitioned):
            self._run = on_cores(self._run, session.config.intra_op_parallelism_threads)
        self._assemble = signature.assemble
        types = [t.dtype.base_dtype for t in signature.tensors]
        if any(t is bfloat16 or t.is_quantized for t in types):
            plain = self._run
            self._run = lambda feeds: [as_fetched(v, t) for v, t in zip(plain(feeds), types, strict=True)]

    def __call__(self, feeds: Sequence[Any], seconds: float | None = None) -> Any:
        """The fetched values in the structure that was asked for. seconds: until the step is called off."""
        if self.may_last or seconds is not None:
            return self._assemble(self._flights.run(self._run, feeds, self._what, seconds))
        return self._assemble(self._run(feeds))


def _run_logged(session: Session, executor: Executor, feeds: Sequence[Any]) -> list[Any]:
    if session.log is not None:
        session.log.step += 1
    values = executor.run([np.asarray(f) for f in feeds], session._policy, session.log)
    return [v[()] if v.shape == () else v for v in values]
