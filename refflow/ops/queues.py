"""Queues: rows of tensors that one part of a program leaves for another, which may run at its own pace [W45, W46].

    FIFOQueue              in order of arrival
    RandomShuffleQueue     any of those that are there, as long as more than `min_after_dequeue` stay
    PaddingFIFOQueue       elements of different sizes, padded with zeros to a common one when many are taken
    PriorityQueue          smallest first component first

An Enqueue waits for room and a Dequeue for elements; both wait in the thread that runs the step. After a close,
enqueues fail and dequeues take what is left. The handle is a reference in the first release's ops, and a resource in
those that end in V2.

Next: ops/readers.py.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import DType
from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import TensorShape
from refflow.core.signature import Attr

Row = tuple[np.ndarray, ...]


class Queue:
    """Rows of tensors of given types and shapes, under one lock."""

    kind = "FIFOQueue"

    def __init__(self, name: str, types: list[DType], dims: list[TensorShape], capacity: int):
        self.name, self.types, self.dims = name, types, [d.as_tuple for d in dims]
        self.capacity = capacity if capacity >= 0 else float("inf")
        self.rows: list[Any] = []
        self.closed = self.cancelled = False
        self._changed = threading.Condition()

    # -- what a kind of queue decides ----------------------------------------------------------------------

    def put(self, row: Row) -> None:
        self.rows.append(row)

    def pop(self) -> Row:
        return self.rows.pop(0)

    def available(self) -> int:
        """How many rows may be taken now."""
        return len(self.rows)

    def batch(self, rows: list[Row]) -> list[np.ndarray]:
        return [np.stack(column) for column in zip(*rows, strict=True)]

    # -- what all do --------------------------------------------------------------------------------------------

    def check(self, row: Row, many: bool = False) -> None:
        """InvalidArgumentError where a row does not fit the queue."""
        if len(row) != len(self.types):
            raise ValueError(f"Wrong number of components in tuple. Expected {len(self.types)}, got {len(row)}")
        for i, (value, dtype) in enumerate(zip(row, self.types, strict=True)):
            if np.asarray(value).dtype != np.dtype(dtype.as_numpy_dtype):
                raise ValueError(
                    f"Type mismatch in tuple component {i}. Expected {dtype.name}, got {np.asarray(value).dtype}"
                )
            dims = np.shape(value)[1:] if many else np.shape(value)
            if many and not np.ndim(value):
                raise ValueError(f"component {i} has no rows: Input tensors to EnqueueMany must have at least one axis")
            if self.dims and not shapes.compatible(self.dims[i], dims):
                raise ValueError(
                    f"Shape mismatch in tuple component {i}. Expected {shapes.text(self.dims[i])}, "
                    f"got {shapes.text(dims)}"
                )

    def enqueue(self, row: Row, late: type[errors.OpError] = errors.CancelledError) -> None:
        """Adds a row once there is room; `late` is raised where the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.rows) < self.capacity or self.closed or self.cancelled)
            if self.closed:
                raise late(None, None, f"{self.kind} '{self.name}' is closed.")
            if self.cancelled:
                raise errors.CancelledError(None, None, "Enqueue operation was cancelled")
            self.put(tuple(np.array(v, t.as_numpy_dtype, copy=True) for v, t in zip(row, self.types, strict=True)))
            self._changed.notify_all()

    def dequeue(self, count: int = 1, least: int | None = None) -> list[Row]:
        """`count` rows once there are so many; after a close, `least` suffice."""
        least = count if least is None else least
        with self._changed:
            self._changed.wait_for(lambda: self.available() >= count or self.closed or self.cancelled)
            have = self.available()
            if have < count and self.cancelled:
                raise errors.CancelledError(None, None, "Dequeue operation was cancelled")
            if have < least or (have < count and not have):
                raise errors.OutOfRangeError(
                    None, None,
                    f"{self.kind} '{self.name}' is closed and has insufficient elements (requested {count}, "
                    f"current size {len(self.rows)})",
                )  # fmt: skip
            found = [self.pop() for _ in range(min(count, have))]
            self._changed.notify_all()
            return found

    def close(self, cancel_pending: bool) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """Ends every wait: the session is closing."""
        with self._changed:
            self.cancelled = True
            self._changed.notify_all()

    def needs_shapes(self, op_name: str) -> None:
        if not self.dims or (any(not shapes.is_known(d) for d in self.dims) and self.kind != "PaddingFIFOQueue"):
            raise ValueError(f"{self.kind}'s {op_name} require the components to have specified shapes.")

    def empty_batch(self) -> list[np.ndarray]:
        return [np.empty((0, *(d or 0 for d in dims or ())), t.as_numpy_dtype)
                for dims, t in zip(self.dims, self.types, strict=True)]  # fmt: skip


class ShuffleQueue(Queue):
    """Gives any of its rows; before it is closed, some must stay."""

    kind = "RandomShuffleQueue"

    def __init__(self, name: str, types: Any, dims: Any, capacity: int, least: int, seed: int, seed2: int):
        super().__init__(name, types, dims, capacity)
        self._least = least
        self._random = np.random.default_rng([seed & 0xFFFFFFFF, seed2 & 0xFFFFFFFF] if seed or seed2 else None)

    def available(self) -> int:
        return len(self.rows) if self.closed else max(0, len(self.rows) - self._least)

    def pop(self) -> Row:
        place = int(self._random.integers(len(self.rows)))
        self.rows[place], self.rows[-1] = self.rows[-1], self.rows[place]
        return self.rows.pop()


class PaddingQueue(Queue):
    """Pads what is taken together to one size."""

    kind = "PaddingFIFOQueue"

    def batch(self, rows: list[Row]) -> list[np.ndarray]:
        found = []
        for column in zip(*rows, strict=True):
            size = tuple(max(v.shape[i] for v in column) for i in range(column[0].ndim))
            filling = b"" if column[0].dtype == object else 0
            padded = [np.pad(v, [(0, s - d) for s, d in zip(size, v.shape, strict=True)], constant_values=filling)
                      for v in column]  # fmt: skip
            found.append(np.stack(padded))
        return found


class PriorityQueue(Queue):
    """Gives the row with the smallest first component; of equals, the oldest."""

    kind = "PriorityQueue"

    def __init__(self, name: str, types: Any, dims: Any, capacity: int):
        from refflow.core.dtypes import int64

        super().__init__(name, [int64, *types], [TensorShape([]), *dims], capacity)
        self._order = itertools.count()

    def put(self, row: Row) -> None:
        heapq.heappush(self.rows, (int(row[0]), next(self._order), row))

    def pop(self) -> Row:
        return heapq.heappop(self.rows)[2]


# -- making them ----------------------------------------------------------------------------------------------

_COMMON: dict[str, Any] = {
    "component_types": Attr("list(type)", minimum=1), "shapes": Attr("list(shape)", default=[]), "capacity": -1,
    "container": "", "shared_name": "",
}  # fmt: skip
_SHUFFLE: dict[str, Any] = {"min_after_dequeue": 0, "seed": 0, "seed2": 0}


def _made(state: Any) -> np.ndarray:
    return handle_to(state)


def _both(name: str, make: Callable[..., Any], more: dict[str, Any] | None = None) -> None:
    for end, kind in (("", "Ref(string)"), ("V2", "resource")):
        op_def = define_op(name + end, f"-> handle: {kind}", stateful=True, by_handle=not end, source=("W45",),
                           **_COMMON | (more or {}))  # fmt: skip
        op_def.state(make)
        op_def.kernel(lambda state: _made(state))
        op_def.no_gradient()

        @op_def.shape
        def rule(context: ShapeContext) -> shapes.Shape:
            return ()


def _name_of(shared_name: str, node_name: str) -> str:
    return shared_name or node_name


def _fifo(component_types, shapes, capacity, shared_name, node_name):
    return Queue(_name_of(shared_name, node_name), component_types, shapes, capacity)


def _shuffle(component_types, shapes, capacity, shared_name, node_name, min_after_dequeue, seed, seed2):
    if 0 <= capacity <= min_after_dequeue:
        raise errors.InvalidArgumentError(
            None, None, f"min_after_dequeue {min_after_dequeue} must be less than capacity {capacity}"
        )
    return ShuffleQueue(_name_of(shared_name, node_name), component_types, shapes, capacity, min_after_dequeue, seed,
                        seed2)  # fmt: skip


def _padding(component_types, shapes, capacity, shared_name, node_name):
    return PaddingQueue(_name_of(shared_name, node_name), component_types, shapes, capacity)


def _priority(component_types, shapes, capacity, shared_name, node_name):
    return PriorityQueue(_name_of(shared_name, node_name), component_types, shapes, capacity)


_both("FIFOQueue", _fifo)
_both("RandomShuffleQueue", _shuffle, _SHUFFLE)
_both("PaddingFIFOQueue", _padding)
_both("PriorityQueue", _priority, {"component_types": Attr("list(type)", default=[]), "shapes": Attr("list(shape)")})

# -- using them -----------------------------------------------------------------------------------------------

_TYPES = Attr("list(type)", minimum=1)


def _user(name: str, inputs: str, outputs: str, kernel: Callable[[str], Any], **attrs: Any) -> list[OpDef]:
    """The op for both kinds of handles: `name` for references, `nameV2` for resources."""
    found = []
    for end, kind in (("", "Ref(string)"), ("V2", "resource")):
        op_def = define_op(name + end, f"handle: {kind}{inputs} -> {outputs}", stateful=True, by_handle=not end,
                           source=("W45", "W46"), **attrs)  # fmt: skip
        op_def.kernel(kernel(end))
        op_def.no_gradient()
        found.append(op_def)
    return found


def _enqueue(end: str) -> Callable[..., Any]:
    # The first release calls a late enqueue aborted, later ones cancelled.
    late = errors.CancelledError if end else errors.AbortedError

    def enqueue(handle, components):
        queue = state_of(handle)
        queue.check(tuple(components))
        queue.enqueue(tuple(components), late)

    return enqueue


def _enqueue_many(end: str) -> Callable[..., Any]:
    late = errors.CancelledError if end else errors.AbortedError

    def enqueue_many(handle, components):
        queue = state_of(handle)
        queue.check(tuple(components), many=True)
        if len({len(c) for c in components}) > 1:
            raise ValueError(
                f"All input tensors must have the same size in the 0th dimension, got {[len(c) for c in components]}"
            )
        for row in zip(*components, strict=True):
            queue.enqueue(tuple(np.asarray(v, c.dtype) for v, c in zip(row, components, strict=True)), late)

    return enqueue_many


def dequeue(handle, component_types):
    (row,) = state_of(handle).dequeue()
    return list(row)


def _count(n: Any) -> int:
    if int(n) < 0:
        raise ValueError(f"n must be nonnegative, but is {int(n)}: DequeueManyOp requested {int(n)} < 0 elements")
    return int(n)


def dequeue_many(handle, n, component_types):
    queue, count = state_of(handle), _count(n)
    queue.needs_shapes("DequeueMany and DequeueUpTo")
    return queue.batch(queue.dequeue(count)) if count else queue.empty_batch()


def dequeue_up_to(handle, n, component_types):
    queue, count = state_of(handle), _count(n)
    queue.needs_shapes("DequeueMany and DequeueUpTo")
    return queue.batch(queue.dequeue(count, least=1)) if count else queue.empty_batch()


def close(handle, cancel_pending_enqueues=False):
    state_of(handle).close(cancel_pending_enqueues)


def size(handle):
    return np.array(len(state_of(handle).rows), np.int32)


def is_closed(handle):
    return np.array(state_of(handle).closed)


def _same(kernel: Callable[..., Any]) -> Callable[[str], Callable[..., Any]]:
    """The kernel for either kind of handle."""
    return lambda end: kernel


_user("QueueEnqueue", ", components: Tcomponents", "", _enqueue, Tcomponents=_TYPES, timeout_ms=-1)
_user("QueueEnqueueMany", ", components: Tcomponents", "", _enqueue_many, Tcomponents=_TYPES, timeout_ms=-1)
_user("QueueDequeue", "", "components: component_types", _same(dequeue), component_types=_TYPES, timeout_ms=-1)
_user("QueueDequeueMany", ", n: int32[]", "components: component_types", _same(dequeue_many), component_types=_TYPES,
      timeout_ms=-1)  # fmt: skip
_user("QueueDequeueUpTo", ", n: int32[]", "components: component_types", _same(dequeue_up_to), component_types=_TYPES,
      timeout_ms=-1)  # fmt: skip
_user("QueueClose", "", "", _same(close), cancel_pending_enqueues=False)
_user("QueueSize", "", "size: int32[]", _same(size))
_user("QueueIsClosed", "", "is_closed: bool[]", _same(is_closed))
