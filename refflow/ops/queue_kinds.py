"""Kinds of queues: rows at random, padded together, by priority; and what a shared queue must agree with [W45, W46].

Each is the queue of ops/queue_states.py with another way to keep its rows, or to hand them out.

Next: ops/queues.py.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import DType, int64
from refflow.core.shapes import TensorShape
from refflow.core.values import blank
from refflow.ops.philox import PhiloxStream
from refflow.ops.queue_states import Queue, Row


class ShuffleQueue(Queue):
    """Gives any of its rows; before it is closed, some must stay."""

    kind = "RandomShuffleQueue"

    def __init__(self, name: str, types: Any, dims: Any, capacity: int, least: int, seed: int, seed2: int):
        super().__init__(name, types, dims, capacity)
        self.rows = []
        self.least, self.seeds = least, (seed, seed2)
        self._stream = PhiloxStream(seed, seed2)
        self._words: list[int] = []  # random numbers that have been made and not used yet

    def available(self) -> int:
        return len(self.rows) if self.closed else max(0, len(self.rows) - self.least)

    def pop(self) -> Row:
        if not self._words:
            first = self._stream.reserve(16, 1)
            words = self._stream.words(np.arange(16, dtype=np.uint64), first)
            self._words = words.reshape(-1)[::-1].tolist()
        place = self._words.pop() % len(self.rows)
        self.rows[place], self.rows[-1] = self.rows[-1], self.rows[place]
        return self.rows.pop()

    def restore(self, rows: list[Row]) -> None:
        self.rows += rows


class PaddingQueue(Queue):
    """Pads what is taken together to one size."""

    kind = "PaddingFIFOQueue"

    def batch(self, rows: list[Row]) -> list[np.ndarray]:
        found = []
        for column in zip(*rows, strict=True):
            size = tuple(max(v.shape[i] for v in column) for i in range(column[0].ndim))
            whole = blank((len(column), *size), column[0].dtype)
            for i, value in enumerate(column):
                whole[i : i + 1].reshape(size)[tuple(slice(n) for n in value.shape)] = value
            found.append(whole)
        return found


class PriorityQueue(Queue):
    """Gives the row with the smallest first component; of equals, the one that a heap of TensorFlow's has on top."""

    kind = "PriorityQueue"

    def __init__(self, name: str, types: Any, dims: Any, capacity: int):
        super().__init__(name, [int64, *types], [TensorShape([]), *dims], capacity)
        self.rows = []

    def put(self, row: Row) -> None:
        self.rows.append(row)
        self._rise(len(self.rows) - 1, row)

    def pop(self) -> Row:
        top, last = self.rows[0], self.rows.pop()
        if self.rows:
            self._rise(self._sink(), last)
        return top

    def _rise(self, hole: int, row: Row) -> None:
        """Puts `row` into the hole, or higher, below the first that is not larger."""
        while hole and self.rows[(hole - 1) // 2][0] > row[0]:
            self.rows[hole] = self.rows[(hole - 1) // 2]
            hole = (hole - 1) // 2
        self.rows[hole] = row

    def _sink(self) -> int:
        """Moves the hole at the top down to a leaf; the right one of equal children rises into it."""
        hole, count = 0, len(self.rows)
        while 2 * hole + 1 < count:
            child = 2 * hole + 2
            if child == count or self.rows[child][0] > self.rows[child - 1][0]:
                child -= 1
            self.rows[hole] = self.rows[child]
            hole = child
        return hole

    def restore(self, rows: list[Row]) -> None:
        for row in rows:
            self.put(row)


def check_shared(
    queue: Queue, kind: str, types: list[DType], dims: list[TensorShape], capacity: int, **more: int
) -> None:
    """InvalidArgumentError where a node names a queue that is there already, but another one than it would make."""
    said = f"Shared queue '{queue.name}' has "
    if queue.kind != kind:
        raise errors.InvalidArgumentError(None, None, f"Expected {queue.kind}, found {kind}V2")
    wanted = capacity if capacity >= 0 else float("inf")
    if queue.capacity != wanted:
        raise errors.InvalidArgumentError(
            None, None, f"{said}capacity {queue.capacity} but requested capacity was {capacity}"
        )
    if isinstance(queue, PriorityQueue):  # whose first component nobody writes down
        types, dims = [int64, *types], [TensorShape([]), *dims]
    check_parts(f"Shared queue '{queue.name}'", queue, types, dims, partly=isinstance(queue, PaddingQueue))
    if isinstance(queue, ShuffleQueue):
        _check_shuffle(queue, said, **more)


def check_parts(what: str, known: Any, types: list[DType], dims: list[TensorShape], partly: bool = False) -> None:
    """InvalidArgumentError where components have other types or shapes; `partly` unknown shapes need only fit."""
    if known.types != types:
        have, asked = (", ".join(d.c_name for d in t) for t in (known.types, types))
        raise errors.InvalidArgumentError(
            None, None, f"{what} has component types {have} but requested component types were {asked}"
        )
    wanted = [d.as_tuple for d in dims]
    fits = shapes.compatible if partly else operator.eq
    if len(known.dims) != len(wanted) or not all(map(fits, known.dims, wanted)):
        shown = [f"[{', '.join(map(shapes.text, d))}]" for d in (known.dims, wanted)]
        raise errors.InvalidArgumentError(
            None, None, f"{what} has component shapes {shown[0]} but requested component shapes were {shown[1]}"
        )


def _check_shuffle(queue: ShuffleQueue, said: str, min_after_dequeue: int, seed: int, seed2: int) -> None:
    if queue.least != min_after_dequeue:
        raise errors.InvalidArgumentError(
            None, None,
            f"{said}min_after_dequeue {queue.least} but requested min_after_dequeue was {min_after_dequeue}.",
        )  # fmt: skip
    if (seed or seed2) and queue.seeds != (seed, seed2):
        raise errors.InvalidArgumentError(
            None, None, f"{said}random seeds {queue.seeds} but requested seeds are {(seed, seed2)}."
        )
