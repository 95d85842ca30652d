"""State: what outlives a step lives here, by container, type and name, and never in the graph [W47].

A variable is one buffer with a stable address, updated in place under its lock. Behind a handle it is updated there
only while nobody else holds the buffer or a part of it: what was read before stays what it was, and so an update makes
a copy where somebody still has it. Two sessions on one graph are independent, because each has devices of its own;
sessions that are given the same devices share.

Next: runtime/device.py.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from refflow.core import errors, locks
from refflow.core.dtypes import DType, bfloat16, float32
from refflow.core.shapes import Shape
from refflow.core.values import as_bfloat16

T = TypeVar("T")
# A view holds the array whose memory it shows. Where Python does not count who holds one, everything counts as held.
_count: Callable[[Any], float] = getattr(sys, "getrefcount", lambda value: math.nan)


class VariableState:
    """The value of one variable. `value` is None until it is initialized [S14].

    Who reads `value` sees the buffer itself, which the next store changes: the value at that moment
    [W12]. Who keeps it copies it.
    """

    __slots__ = ("__weakref__", "container", "dropped", "dtype", "lock", "name", "place", "shape", "upload", "value",
                 "write")  # fmt: skip

    def __init__(
        self, name: str, dtype: DType, shape: Shape, upload: Callable[[Any], Any] | None = None, container: str = ""
    ):
        self.container = container
        self.name = name
        self.dtype = dtype.base_dtype
        self.shape = shape  # as declared; None is any
        self.value: Any = None
        self.lock = locks.rlock()
        self.upload = upload or _private_copy
        self.write: Callable[[Any, Any], None] | None = None  # copies a value to where this one lies; else NumPy does
        self.dropped: Callable[[], None] | None = None  # hears that there is no value any more
        self.place: Any = None  # memory that is kept for the first value, where a device lays variables out

    def read(self) -> Any:
        """The buffer; FailedPreconditionError before the initializer has run."""
        if self.value is None:
            raise errors.FailedPreconditionError(
                None,
                None,
                f"Attempting to use uninitialized value {self.name}. Run its initializer first: "
                "session.run(tf.initialize_all_variables()). What runs in the same step, as another variable's initial "
                "value, waits for it if it reads initialized_value()",
            )
        return self.value

    def drop(self) -> None:
        """There is no value any more."""
        with self.lock:
            self.value = None
            if self.dropped is not None:
                self.dropped()

    def blank(self) -> np.ndarray:
        """An array of the declared shape and type without contents, for kernels that only look at those."""
        sizes = tuple(0 if d is None else d for d in self.shape or ())
        # One element behind strides of zero: a declared shape costs no memory.
        return np.broadcast_to(np.zeros((), self.dtype.as_numpy_dtype), sizes)

    def replace(self, value: Any) -> None:
        """Makes `value` the value; who read the old one keeps it."""
        if self.dtype is bfloat16:
            value = as_bfloat16(value)
        with self.lock:
            kind = np.shape(value), getattr(value, "dtype", None)
            if self._is_alone() and (self.value.shape, self.value.dtype) == kind:
                self.value[...] = value
            elif value is not self.value:
                self.value = self.upload(value)

    def to_change(self) -> Any:
        """The buffer, for who holds the lock to write into: a copy where somebody else still has the old one [W12]."""
        if not self._is_alone():
            self.value = self.upload(self.value)
        return self.value

    def _is_alone(self) -> bool:
        """True where nobody but the variable holds its buffer, or a view of it."""
        return type(self.value) is np.ndarray and self.value.flags.owndata and _holders(self) <= _ONE

    def store(self, value: Any) -> None:
        """Makes `value` the variable's value, in place where the shape stays."""
        with self.lock:
            if self.value is not None and self.value.shape == value.shape:
                if value is self.value:
                    return
                if self.write is None:
                    self.value[...] = value
                else:
                    self.write(self.value, value)
            else:
                self.value = self.upload(value)


def _private_copy(value: Any) -> np.ndarray:
    return np.array(value, copy=True, order="C")


def _holders(state: VariableState) -> float:
    return _count(state.value)


def _holders_of_a_new_one() -> float:
    """What is counted where only the variable holds its buffer: that, and the call's own references."""
    state = VariableState("", float32, ())
    state.store(np.zeros((), np.float32))
    return _holders(state)


_ONE = _holders_of_a_new_one()


class ResourceManager:
    """Named state of one device: (container, type, name) -> anything."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str, str], Any] = {}
        self._lock = locks.lock()

    def lookup_or_create(self, container: str, kind: str, name: str, make: Callable[[], T]) -> T:
        key = (container, kind, name)
        with self._lock:
            if key not in self._items:
                self._items[key] = make()
            return self._items[key]

    def lookup(self, container: str, kind: str, name: str) -> Any:
        found = self._items.get((container, kind, name))
        if found is None:
            raise errors.NotFoundError(None, None, f"there is no {kind} {name!r} in container {container!r}")
        return found

    def delete(self, container: str, kind: str, name: str) -> None:
        with self._lock:
            if self._items.pop((container, kind, name), None) is None:
                raise errors.NotFoundError(None, None, f"there is no {kind} {name!r} in container {container!r}")

    def clear(self, container: str) -> None:
        """Drops everything in one container [W47]."""
        with self._lock:
            for key in [k for k in self._items if k[0] == container]:
                del self._items[key]

    def clear_all(self) -> None:
        """Drops everything."""
        with self._lock:
            self._items.clear()

    def __len__(self) -> int:
        return len(self._items)
