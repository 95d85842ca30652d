"""Partial runs: one step whose feeds come bit by bit, and what can be fetched in between.

    handle = session.partial_run_setup([y, z], [a, b])       what will be fetched and fed, in all
    session.partial_run(handle, y, {a: 1.0})                 y needs a alone; the step then waits for b
    session.partial_run(handle, z, {b: y_changed})

The step is the executor's, which stops where it waits for a feed. Each feed is given once and each fetch taken once;
when all have been, the handle is gone.

Next: runtime/session.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.core import errors
from refflow.core.graph import Tensor
from refflow.runtime.executor import Executor, Run
from refflow.runtime.nodes import Node
from refflow.runtime.policy import Policy


class PartialRun:
    """A step under way. feeds, fetches: the tensors that were set up, in the order of the step's nodes."""

    def __init__(
        self, executor: Executor, feeds: Sequence[Tensor], fetches: Sequence[Tensor], policy: Policy, log: Any
    ):
        self.feeds = dict(zip(feeds, executor.step.feeds, strict=True))
        self.fetches = dict(zip(fetches, executor.step.fetches, strict=True))
        self._fed: set[Node] = set()
        self._taken: set[Tensor] = set()
        self._run = Run(executor, policy, log)
        self._run.start()

    @property
    def is_done(self) -> bool:
        return len(self._fed) == len(self.feeds) and len(self._taken) == len(self.fetches)

    def go_on(self, fetches: Sequence[Tensor], fed: dict[Tensor, Any]) -> list[Any]:
        """The fetched values, once these feeds are given too. InvalidArgumentError leaves the step as it was."""
        for tensor in fed:
            self._known(tensor, self.feeds, "feed")
            if self.feeds[tensor] in self._fed:
                raise _wrong(tensor, f"The feed {tensor.name} had already been fed.")
        for tensor in fetches:
            self._known(tensor, self.fetches, "fetch")
            if tensor in self._taken:
                raise _wrong(tensor, f"The fetch {tensor.name} had already been fetched.")
            self._computable(tensor, fed)
        for tensor, value in fed.items():
            self._fed.add(self.feeds[tensor])
            self._run.feed(self.feeds[tensor], value)
        self._run.advance()
        self._taken.update(fetches)
        return [self._run.fetched(self.fetches[t]) for t in fetches]

    def _known(self, tensor: Tensor, among: dict[Tensor, Node], what: str) -> None:
        if tensor not in among:
            raise _wrong(tensor, f"The {what} {tensor.name} was not specified in partial_run_setup.")

    def _computable(self, tensor: Tensor, fed: dict[Tensor, Any]) -> None:
        given = self._fed | {self.feeds[t] for t in fed}
        missing = {node for node in self.feeds.values() if node not in given}
        seen: set[Node] = set()
        stack = [self.fetches[tensor]]
        while stack:
            node = stack.pop()
            if node in missing:
                raise _wrong(tensor, f"Fetch {tensor.name} can't be computed from the feeds that have been fed so far.")
            if node not in seen:
                seen.add(node)
                stack += [n for n, _ in node.inputs] + node.controls


def _wrong(tensor: Tensor, message: str) -> errors.OpError:
    return errors.InvalidArgumentError(tensor.op.node_def, tensor.op, message)
