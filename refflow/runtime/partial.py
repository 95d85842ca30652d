"""Partial runs: one step whose feeds come bit by bit, and what can be fetched in between.

    handle = session.partial_run_setup([y, z], [a, b])       what will be fetched and fed, in all
    session.partial_run(handle, y, {a: 1.0})                 y needs a alone; the step then waits for b
    session.partial_run(handle, z, {b: y_changed})

The step is the executor's. What needs no feed runs at once, the rest as its feeds come. Each feed is given once and
each fetch taken once; when all have been, the step runs to its end and the handle is gone, as it is after the step has
failed and somebody has been told.

Next: runtime/session.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from refflow.core import locks
from refflow.core.errors import InvalidArgumentError
from refflow.core.graph import Tensor
from refflow.runtime.executor import Executor, Run
from refflow.runtime.nodes import Node
from refflow.runtime.signature import Signature

if TYPE_CHECKING:
    from refflow.runtime.session import Session


class PartialRuns:
    """The partial runs of one session, by their handles."""

    def __init__(self, session: Session):
        self._session = session
        self._runs: dict[str, PartialRun] = {}
        self._numbers = itertools.count()

    def set_up(self, signature: Signature) -> str:
        """Begins a step of this signature; the handle that names it."""
        if not signature.tensors and not signature.targets:
            raise InvalidArgumentError(None, None, "Must specify at least one target to fetch or execute.")
        run = PartialRun(self._session, signature)
        handle = f"partial_run_{next(self._numbers)}"
        self._runs[handle] = run
        return handle

    def go_on(self, handle: str, fetches: Sequence[Tensor], fed: dict[Tensor, Any]) -> list[Any]:
        """The fetched values of the step with this handle, once these feeds are given too."""
        run = self._runs.get(handle)
        if run is None:
            raise InvalidArgumentError(None, None, "Must run 'setup' before performing partial runs!")
        try:
            values = run.go_on(fetches, fed)
        finally:
            if run.is_over:
                self._runs.pop(handle, None)
        return [v[()] if v.shape == () else v for v in values]


class PartialRun:
    """A step under way: the feeds and fetches that were set up, and which of them are still to come."""

    def __init__(self, session: Session, signature: Signature):
        step, config = session.stages(signature).partitioned, session.config
        executor = Executor(
            step, config.kernels, session._op_states, config.check_merges, config.inter_op_parallelism_threads
        )  # fmt: skip
        self.feeds = dict(zip((f.tensor for f in signature.feeds), executor.step.feeds, strict=True))
        self.fetches = dict(zip(signature.tensors, executor.step.fetches, strict=True))
        self._fed: set[Node] = set()
        self._taken: set[Tensor] = set()
        self._error: BaseException | None = None
        self._told = False  # whether somebody has heard of the error
        self._lock = locks.lock()
        self._flights = session.flights
        self._flight = session.flights.begin(signature.what)
        with self._flight:
            log = None if session.log is None else session.log.begin(signature.what)
            self._run = Run(executor, session._policy, log)
            self._run.start()
        self._advance(lambda: True)

    @property
    def is_done(self) -> bool:
        return len(self._fed) == len(self.feeds) and len(self._taken) == len(self.fetches)

    @property
    def is_over(self) -> bool:
        """True when nothing more can come of it."""
        return self.is_done or self._told

    def go_on(self, fetches: Sequence[Tensor], fed: dict[Tensor, Any]) -> list[Any]:
        """The fetched values, once these feeds are given too. A wrong request leaves the step as it was."""
        with self._lock:
            self._check(fetches, fed)
            self._tell()
            for tensor, value in fed.items():
                self._fed.add(self.feeds[tensor])
                self._run.feed(self.feeds[tensor], value)
            nodes = [self.fetches[t] for t in fetches]
            self._taken.update(fetches)
            self._advance(lambda: not self.is_done and all(map(self._run.has, nodes)))
            self._tell()
            return [self._run.fetched(node) for node in nodes]

    def _tell(self) -> None:
        if self._error is not None:
            self._told = True
            raise self._error

    def _advance(self, enough: Callable[[], bool]) -> None:
        """Runs on. What fails now is told to who asks next."""
        try:
            with self._flight:
                self._run.advance(enough)
        except Exception as error:
            self._error = error
        if self._error is not None or self.is_done:
            self._flights.end(self._flight)
            if self._run.log is not None:
                self._run.log.finish()

    def _check(self, fetches: Sequence[Tensor], fed: dict[Tensor, Any]) -> None:
        for tensor in fed:
            _known(tensor, self.feeds, "feed")
            if self.feeds[tensor] in self._fed:
                raise InvalidArgumentError(None, None, f"The feed {tensor.name} has already been fed.")
        for tensor in fetches:
            _known(tensor, self.fetches, "fetch")
            if tensor in self._taken:
                raise InvalidArgumentError(None, None, f"The fetch {tensor.name} has already been fetched.")
            self._computable(tensor, fed)

    def _computable(self, tensor: Tensor, fed: dict[Tensor, Any]) -> None:
        missing = {node: t for t, node in self.feeds.items() if node not in self._fed and t not in fed}
        seen: set[Node] = set()
        stack = [self.fetches[tensor]]
        while stack:
            node = stack.pop()
            if node in missing:
                raise InvalidArgumentError(
                    None, None,
                    f"Fetch {missing[node].name} can't be computed from the feeds that have been fed so far. "
                    f"{tensor.name} needs it",
                )  # fmt: skip
            if node not in seen:
                seen.add(node)
                stack += [n for n, _ in node.inputs] + node.controls


def _known(tensor: Tensor, among: dict[Tensor, Node], what: str) -> None:
    if tensor not in among:
        raise InvalidArgumentError(None, None, f"The {what} {tensor.name} was not specified in partial_run_setup.")
