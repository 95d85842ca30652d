"""State: what outlives a step lives here, by container, type and name, and never in the graph [W47].

A variable is one buffer with a stable address, updated in place under its lock. Two sessions on one graph
are independent, because each has devices of its own; sessions that are given the same devices share.

Next: runtime/device.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from refflow.core import errors, locks
from refflow.core.dtypes import DType, bfloat16
from refflow.core.shapes import Shape
from refflow.core.values import as_bfloat16

T = TypeVar("T")


class VariableState:
    """The value of one variable. `value` is None until it is initialized [S14].

    Who reads `value` sees the buffer itself, which the next store changes: the value at that moment
    [W12]. Who keeps it copies it.
    """

    __slots__ = ("__weakref__", "container", "dtype", "lock", "name", "place", "shape", "upload", "value", "write")

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
        self.place: Any = None  # memory that is kept for the first value, where a device lays variables out

    def read(self) -> Any:
        """The buffer; FailedPreconditionError before the initializer has run."""
        if self.value is None:
            raise errors.FailedPreconditionError(
                None,
                None,
                f"Attempting to use uninitialized value {self.name}. Run its initializer first: "
                f"session.run(tf.initialize_all_variables())",
            )
        return self.value

    def blank(self) -> np.ndarray:
        """An array of the declared shape and type without contents, for kernels that only look at those."""
        sizes = tuple(0 if d is None else d for d in self.shape or ())
        # One element behind strides of zero: a declared shape costs no memory.
        return np.broadcast_to(np.zeros((), self.dtype.as_numpy_dtype), sizes)

    def replace(self, value: Any) -> None:
        """Makes `value` the value, in new memory: who read the old one keeps it."""
        self.value = self.upload(as_bfloat16(value) if self.dtype is bfloat16 else value)

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
