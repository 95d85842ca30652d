"""Barriers: rows whose parts come at different times are taken once they are complete [W45].

    insert     values of one component, each for a key
    take       rows that have all components, those first that were begun first: the number of the insert that began
               them, their key, their values

After a close no new key may come, and rows that were begun may be completed; cancelling ends those too.

Next: ops/staging.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import DType
from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import TensorShape
from refflow.core.signature import Attr
from refflow.core.values import in_rows
from refflow.core.waiting import NOT_YET, Line, then
from refflow.ops.queue_kinds import check_parts
from refflow.ops.queues import named

_FIRST = -(2**63)  # the number of the first row that is begun


class Barrier:
    """Rows by key, begun or complete."""

    def __init__(self, name: str, types: list[DType], dims: list[TensorShape], capacity: int):
        self.name, self.types, self.dims = name, types, [d.as_tuple for d in dims]
        self.begun: dict[bytes, tuple[int, list[Any]]] = {}
        self.ready: list[tuple[int, bytes, list[Any]]] = []
        self.closed = self.cancelled = False
        self._next = _FIRST
        self._line = Line()  # of those who take

    def insert(self, component: int, keys: np.ndarray, values: np.ndarray) -> None:
        self._check(component, keys, values)
        with self._line.lock:
            names = keys.tolist()
            new = [key for key in names if key not in self.begun]
            if self.closed and (self.cancelled or new):
                raise errors.CancelledError(None, None, self._late(names, new))
            number, self._next = self._next, self._next + 1  # rows that are begun together have one number
            for key, value in zip(names, values, strict=True):
                self._insert_one(number, component, key, np.array(value, values.dtype))
            self._line.changed()

    def _late(self, names: list[bytes], new: list[bytes]) -> str:
        """Why nothing can be inserted any more."""
        pending = f"Pending enqueues cancelled: {int(self.cancelled)}."
        waiting = f"Number of incomplete keys: {len(self.begun)}."
        if self.cancelled:
            return f"Barrier {self.name} is closed.  {pending}  Number of new insertions: {len(new)}.  {waiting}"
        key = new[0].decode("utf-8", "replace")
        return (
            f"Barrier {self.name} is closed, but attempted to insert a brand new key: {key}.  {pending}  "
            f"Insertion index: {names.index(new[0])}.  {waiting}"
        )

    def _check(self, component: int, keys: np.ndarray, values: np.ndarray) -> None:
        if not 0 <= component < len(self.types):
            raise ValueError(f"The component ID is out of range {component} > num_components (= {len(self.types)})")
        if values.dtype != np.dtype(self.types[component].as_numpy_dtype):
            raise ValueError(
                f"Type mismatch in tuple component {component}. Expected {self.types[component].name}, got "
                f"{values.dtype}"
            )
        if keys.ndim != 1 or not values.ndim or len(keys) != len(values):
            raise ValueError(
                f"Shape mismatch in keys and values: {shapes.text(keys.shape)} and {shapes.text(values.shape)}"
            )
        if values.size == 0 and len(keys):
            raise ValueError(
                f"Tensors with no elements are not supported {self.name}: received shape {shapes.text(values.shape)}"
            )
        if self.dims and not shapes.compatible(self.dims[component], values.shape[1:]):
            raise ValueError(  # as the queue of complete rows says it: a number and a key come before the values
                f"Shape mismatch in tuple component {component + 2}. Expected "
                f"{shapes.text(self.dims[component])}, got {shapes.text(values.shape[1:])}"
            )

    def _insert_one(self, number: int, component: int, key: bytes, value: np.ndarray) -> None:
        if key not in self.begun:
            self.begun[key] = (number, [None] * len(self.types))
        number, parts = self.begun[key]
        if parts[component] is not None:
            raise ValueError(f"Key {key.decode('utf-8', 'replace')} already has a value for component {component} "
                             f"in barrier {self.name}")  # fmt: skip
        parts[component] = value
        if all(p is not None for p in parts):
            del self.begun[key]
            self.ready.append((number, key, parts))

    def take(self, count: int, small: bool) -> Any:
        """`count` complete rows, or as many as there can be where `small` allows."""

        def attempt() -> Any:
            have = len(self.ready)
            if have < count and not self._ended():
                return NOT_YET
            if have < count and not (small and have):
                asked = have if small else count
                raise errors.OutOfRangeError(
                    None, None,
                    f"Barrier '{self.name}' is closed and has insufficient elements (requested {asked}, total size "
                    f"{have})",
                )  # fmt: skip
            self.ready.sort(key=lambda row: row[0])
            found, self.ready = self.ready[:count], self.ready[count:]
            return found

        return self._line.serve(
            attempt,
            lambda: f"a take of {count} waits for complete rows of Barrier '{self.name}', which has {len(self.ready)}",
            "Dequeue operation was cancelled",
        )

    def _ended(self) -> bool:
        """True when no row can become complete any more."""
        return self.closed and (self.cancelled or not self.begun)

    def close(self, cancel_pending: bool) -> None:
        with self._line.lock:
            if self.closed and (self.cancelled or not cancel_pending):
                raise errors.CancelledError(None, None, f"Barrier '{self.name}' is already closed.")
            self.closed = True
            if cancel_pending:
                self.cancelled = True
                self.begun.clear()
            self._line.changed()


_HANDLE: dict[str, Any] = {"stateful": True, "by_handle": True, "source": ("W45",)}
_TYPES = Attr("list(type)", minimum=1)
BARRIER = define_op("Barrier", "-> handle: Ref(string)", component_types=_TYPES, shapes=Attr("list(shape)", default=[]),
                    capacity=-1, container="", shared_name="", **_HANDLE)  # fmt: skip
INSERT_MANY = define_op("BarrierInsertMany", "handle: Ref(string), keys: string, values: T ->", T=Attr("type"),
                        component_index=Attr("int"), **_HANDLE)  # fmt: skip
TAKE_MANY = define_op(
    "BarrierTakeMany", "handle: Ref(string), num_elements: int32 -> indices: int64[N], keys: string[N], "
    "values: component_types", component_types=_TYPES, allow_small_batch=False, wait_for_incomplete=False,
    timeout_ms=-1, **_HANDLE,
)  # fmt: skip
CLOSE = define_op("BarrierClose", "handle: Ref(string) ->", cancel_pending_enqueues=False, **_HANDLE)
READY_SIZE = define_op("BarrierReadySize", "handle: Ref(string) -> size: int32[]", **_HANDLE)
INCOMPLETE_SIZE = define_op("BarrierIncompleteSize", "handle: Ref(string) -> size: int32[]", **_HANDLE)


@BARRIER.state
def _barrier(component_types, shapes, capacity, shared_name, node_name):
    return Barrier(named(shared_name, node_name), component_types, shapes, capacity)


def _check_shared(barrier: Barrier, known: dict[str, Any]) -> None:
    """InvalidArgumentError where a node names a barrier that is there already, but another one than it would make."""
    check_parts(f"Shared barrier '{barrier.name}'", barrier, known["component_types"], known["shapes"])


_barrier.check = _check_shared  # type: ignore[attr-defined]


@BARRIER.kernel
def barrier_kernel(state):
    return handle_to(state)


@BARRIER.shape
def _barrier_shape(context: ShapeContext) -> shapes.Shape:
    return ()


@INSERT_MANY.kernel
def insert_many_kernel(handle, keys, values, component_index):
    state_of(handle).insert(component_index, keys, values)


@TAKE_MANY.kernel
def take_many_kernel(handle, num_elements, component_types, allow_small_batch=False):
    barrier, count = state_of(handle), int(np.reshape(num_elements, -1)[0])
    if count < 0:
        raise ValueError(f"num_elements must be nonnegative, got {count}: requested {count} < 0 elements")
    if list(component_types) != barrier.types:
        raise ValueError(
            f"Type mismatch between the barrier's components, {[t.name for t in barrier.types]}, and those that are "
            f"taken, {[t.name for t in component_types]}"
        )
    return then(barrier.take(count, allow_small_batch), lambda rows: _taken(barrier, rows))


def _taken(barrier: Barrier, rows: list[Any]) -> list[Any]:
    columns = [_column([row[2][i] for row in rows], barrier, i) for i in range(len(barrier.types))]
    keys = np.empty(len(rows), object)
    keys[:] = [row[1] for row in rows]
    return [np.array([row[0] for row in rows], np.int64), keys, *columns]


def _column(values: list[np.ndarray], barrier: Barrier, place: int) -> np.ndarray:
    dims = values[0].shape if values else tuple(d or 0 for d in (barrier.dims[place] if barrier.dims else ()) or ())
    return in_rows(values, dims, barrier.types[place].as_numpy_dtype)


@CLOSE.kernel
def close_kernel(handle, cancel_pending_enqueues=False):
    state_of(handle).close(cancel_pending_enqueues)


@READY_SIZE.kernel
def ready_size_kernel(handle):
    return np.array(len(state_of(handle).ready), np.int32)


@INCOMPLETE_SIZE.kernel
def incomplete_size_kernel(handle):
    return np.array(len(state_of(handle).begun), np.int32)


TAKE_MANY.waits = True
for _op in (BARRIER, INSERT_MANY, TAKE_MANY, CLOSE, READY_SIZE, INCOMPLETE_SIZE):
    _op.moves_bits = True
    _op.no_gradient_registered()
