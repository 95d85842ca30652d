"""The state behind queues: rows, and those who wait for room or for rows [W45, W46].

    puts     rows that are waiting for room, and closes that wait behind them
    takes    dequeues that are waiting for rows

Who comes first is served first. An attempt may be served in parts: rows go in as there is room, and a dequeue of many
takes each row as soon as it is there, so that it may ask for more than the queue holds at once. After every change
both lines are gone through until nobody can be served any more. Who cannot be served at once gets a Pending.

Next: ops/queue_kinds.py.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import Any

import numpy as np

from refflow.core import errors, locks, shapes
from refflow.core.dtypes import DType
from refflow.core.shapes import TensorShape
from refflow.core.values import blank, in_rows
from refflow.core.waiting import Pending

Row = tuple[np.ndarray, ...]


class _Attempt(Pending):
    """Somebody's turn: `step` gives True once it is over."""

    cancelled = ""  # what it says when it is given up
    failure: BaseException | None = None

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def why(self) -> str:
        return self.told(self._queue)

    def cancel(self) -> None:
        if not self.over:
            self._queue.withdraw(self)

    @abstractmethod
    def step(self, queue: Queue) -> bool:
        """Does what can be done now; True when nothing is left to do, or `failure` says why it never will be."""

    @abstractmethod
    def told(self, queue: Queue) -> str:
        """Who waits for what."""

    def outcome(self) -> Any:
        """What its owner gets in the end."""

    def give_back(self, queue: Queue) -> None:
        """Undoes what was done in part."""


class _Put(_Attempt):
    cancelled = "Enqueue operation was cancelled"

    def __init__(self, queue: Queue, rows: list[Row], late: type[errors.OpError]):
        super().__init__(queue)
        self.rows, self._late = deque(rows), late

    def step(self, queue: Queue) -> bool:
        if queue.closed:
            self.failure = self._late(None, None, f"{queue.kind} '{queue.name}' is closed.")
            return True
        while self.rows and len(queue.rows) < queue.capacity:
            queue.put(self.rows.popleft())
            queue.moved = True
        return not self.rows

    def told(self, queue: Queue) -> str:
        return f"an enqueue of {len(self.rows)} waits for room in {queue.told()}"


class _Close(_Attempt):
    cancelled = "Enqueue operation was cancelled"  # it stands in line with them

    def step(self, queue: Queue) -> bool:
        if queue.closed:
            self.failure = errors.CancelledError(None, None, f"Queue '{queue.name}' is already closed.")
        queue.closed = queue.moved = True
        return True

    def told(self, queue: Queue) -> str:
        return f"a close waits for enqueues that came before it into {queue.told()}"


class _Take(_Attempt):
    cancelled = "Dequeue operation was cancelled"

    def __init__(self, queue: Queue, count: int, least: int):
        super().__init__(queue)
        self.count, self.least = count, least
        self.rows: list[Row] = []

    def step(self, queue: Queue) -> bool:
        missing = self.count - len(self.rows)
        if queue.closed and queue.available() < missing:
            if len(self.rows) + queue.available() < self.least:
                self.give_back(queue)
                self.failure = errors.OutOfRangeError(
                    None, None,
                    f"{queue.kind} '{queue.name}' is closed and has insufficient elements (requested {missing}, "
                    f"current size {len(queue.rows) - (self.count - missing)})",
                )  # fmt: skip
                return True
            missing = queue.available()
            self.count = len(self.rows) + missing
        while missing and queue.available():
            self.rows.append(queue.pop())
            queue.moved = True
            missing -= 1
        return not missing

    def told(self, queue: Queue) -> str:
        missing = self.count - len(self.rows)
        return f"a dequeue of {self.count} waits for {missing} more from {queue.told()}"

    def outcome(self) -> list[Row]:
        return self.rows

    def give_back(self, queue: Queue) -> None:
        queue.restore(self.rows)
        self.rows = []


class Queue:
    """Rows of tensors of given types and shapes, under one lock."""

    kind = "FIFOQueue"

    def __init__(self, name: str, types: list[DType], dims: list[TensorShape], capacity: int):
        self.name, self.types, self.dims = name, types, [d.as_tuple for d in dims]
        self.capacity = capacity if capacity >= 0 else float("inf")
        self.rows: Any = deque()
        self.closed = self.moved = False
        self._puts: deque[_Attempt] = deque()
        self._takes: deque[_Attempt] = deque()
        self._lock = locks.rlock()

    # -- what a kind of queue decides ------------------------------------------------------------------------

    def put(self, row: Row) -> None:
        self.rows.append(row)

    def pop(self) -> Row:
        return self.rows.popleft()

    def restore(self, rows: list[Row]) -> None:
        """Puts back what a dequeue had taken that then could not be served."""
        self.rows.extendleft(reversed(rows))

    def available(self) -> int:
        """How many rows may be taken now."""
        return len(self.rows)

    def batch(self, rows: list[Row]) -> list[np.ndarray]:
        return [in_rows(column, column[0].shape, column[0].dtype) for column in zip(*rows, strict=True)]

    # -- whether a row fits ------------------------------------------------------------------------------------

    def check(self, row: Row) -> None:
        """InvalidArgumentError where a row does not fit the queue."""
        for i, (value, dims) in enumerate(zip(row, self.dims, strict=False)):
            _fits(i, dims, np.shape(value))

    def check_many(self, columns: Row) -> None:
        """The same for rows laid together."""
        for i, column in enumerate(columns):
            if not np.ndim(column) and not self.dims:
                raise ValueError(f"Input tensors to EnqueueMany must have at least one axis; component {i} is a scalar")
        count = len(columns[0]) if np.ndim(columns[0]) else 0
        for i, column in enumerate(columns):
            if self.dims:
                dims = self.dims[i]
                _fits(i, None if dims is None else (count, *dims), np.shape(column))
            elif len(column) != count:
                raise ValueError(
                    f"All input tensors must have the same size in the 0th dimension. Component {i} has {len(column)}, "
                    f"and should have {count}"
                )

    # -- waiting -----------------------------------------------------------------------------------------------

    def told(self) -> str:
        """The queue and how full it is, for messages."""
        state = "closed, " if self.closed else ""
        return f"{self.kind} '{self.name}' ({state}{len(self.rows)} of {self.capacity})"

    def _serve(self, line: deque[_Attempt], attempt: _Attempt) -> Any:
        """Puts an attempt into its line; gives what comes of it, or the attempt while it has to wait."""
        with self._lock:
            line.append(attempt)
            self._flush()
        return attempt.take() if attempt.over else attempt

    def _flush(self) -> None:
        self.moved = True
        while self.moved:
            self.moved = False
            for line in (self._puts, self._takes):
                while line and line[0].step(self):
                    attempt = line.popleft()
                    attempt.finish(attempt.outcome(), attempt.failure)
                    self.moved = True

    def withdraw(self, attempt: Any) -> None:
        """Somebody waits no longer; what it took is put back."""
        with self._lock:
            for line in (self._puts, self._takes):
                if attempt in line:
                    line.remove(attempt)
                    attempt.give_back(self)
                    attempt.finish(error=errors.CancelledError(None, None, attempt.cancelled))
                    self._flush()

    def enqueue(self, row: Row, late: type[errors.OpError] = errors.CancelledError) -> Any:
        """Adds a row once there is room; `late` is raised where the queue is closed."""
        return self.enqueue_many([row], late)

    def enqueue_many(self, rows: list[Row], late: type[errors.OpError] = errors.CancelledError) -> Any:
        """Adds rows, each once there is room."""
        own = [tuple([np.array(v, copy=True) for v in row]) for row in rows]
        with self._lock:
            if self._puts or self.closed or len(self.rows) + len(own) > self.capacity:
                return self._serve(self._puts, _Put(self, own, late)) if own else None
            for row in own:
                self.put(row)
            if self._takes:
                self._flush()
        return None

    def dequeue(self, count: int = 1, least: int | None = None) -> Any:
        """`count` rows once there are so many; after a close, `least` suffice."""
        with self._lock:
            if not self._takes and self.available() >= count:
                rows = [self.pop() for _ in range(count)]
                if self._puts:
                    self._flush()
                return rows
        return self._serve(self._takes, _Take(self, count, count if least is None else least))

    def close(self, cancel_pending: bool) -> Any:
        """No more rows; waits for enqueues that came before, or ends them."""
        if not cancel_pending:
            return self._serve(self._puts, _Close(self))
        with self._lock:
            self.closed = True
            puts, self._puts = self._puts, deque()
            for attempt in puts:
                attempt.finish(error=errors.CancelledError(None, None, attempt.cancelled))
            self._flush()
        return None

    def needs_shapes(self) -> None:
        if not self.dims or (any(not shapes.is_known(d) for d in self.dims) and self.kind != "PaddingFIFOQueue"):
            raise ValueError(
                f"{self.kind}'s DequeueMany and DequeueUpTo require the components to have specified shapes."
            )

    def empty_batch(self) -> list[np.ndarray]:
        return [blank((0, *(d or 0 for d in dims or ())), t.as_numpy_dtype)
                for dims, t in zip(self.dims, self.types, strict=True)]  # fmt: skip


def _fits(place: int, dims: shapes.Shape, have: tuple[int, ...]) -> None:
    if not shapes.compatible(dims, have):
        raise ValueError(
            f"Shape mismatch in tuple component {place}. Expected {shapes.text(dims)}, got {shapes.text(have)}"
        )
