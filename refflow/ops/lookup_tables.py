"""The state behind lookup tables: keys to values, values scalars or rows of one shape.

    HashTable          filled once, by an initializer; then only read
    MutableHashTable   filled, changed and emptied at any time
    DenseHashTable     the same in arrays of buckets, a power of 2 of them, with one key that marks an empty bucket and
                       one that marks a deleted entry; a key that finds its bucket taken goes on by 1, 2, 3, ... buckets

Next: ops/lookup.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from refflow.core import locks
from refflow.core.dtypes import DType, string
from refflow.core.errors import AbortedError, FailedPreconditionError, InvalidArgumentError, UnimplementedError
from refflow.core.shapes import Shape
from refflow.ops.string_hash import murmur64
from refflow.ops.strings import strings


class TableSpec(NamedTuple):
    """What is known of a table before there is one."""

    key_shape: Shape
    value_shape: Shape


def listed(dims: Iterable[int | None]) -> str:
    """Sizes as TensorFlow's messages write them."""
    return f"[{','.join('?' if d is None else str(d) for d in dims)}]"


def _array(items: list[Any], dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    if dtype is string:
        return strings(items, shape)
    return np.array(items, dtype.as_numpy_dtype).reshape(shape)


class MutableHashTable:
    """Keys are scalars; values have shape `value_shape`."""

    kind = "MutableHashTable"
    key_shape: tuple[int, ...] = ()

    def __init__(self, key_dtype: DType, value_dtype: DType, value_shape: tuple[int, ...] = ()):
        self.key_dtype, self.value_dtype, self.value_shape = key_dtype, value_dtype, value_shape
        self.entries: dict[Any, Any] = {}  # key -> value, or row of values as a list
        self.lock = locks.rlock()

    def size(self) -> int:
        return len(self.entries)

    def find(self, keys: np.ndarray, default: np.ndarray) -> np.ndarray:
        """The value of each key; where there is none the default, or the default at that place."""
        shape = self.check_default(keys, default)
        flat = self._keys(keys)
        defaults = self._rows(np.broadcast_to(default, shape).reshape(len(flat), *self.value_shape))
        with self.lock:
            found = [self.entries.get(key, other) for key, other in zip(flat, defaults, strict=True)]
        return _array(found if not self.value_shape else [v for row in found for v in row], self.value_dtype, shape)

    def check_default(self, keys: np.ndarray, default: np.ndarray) -> tuple[int, ...]:
        full = (*keys.shape[: keys.ndim - len(self.key_shape)], *self.value_shape)
        if default.shape not in (self.value_shape, full):
            raise ValueError(
                f"Expected shape {listed(self.value_shape)} or {listed(full)} for default value, got "
                f"{listed(default.shape)}"
            )
        return full

    def check_values(self, keys: np.ndarray, values: np.ndarray) -> None:
        wanted = (*keys.shape[: keys.ndim - len(self.key_shape)], *self.value_shape)
        if values.shape != wanted:
            raise ValueError(f"Expected shape {listed(wanted)} for value, got {listed(values.shape)}")

    def _keys(self, keys: np.ndarray) -> list[Any]:
        return keys.reshape(-1).tolist()

    def _rows(self, values: np.ndarray) -> list[Any]:
        """Values as scalars, or as flat lists where they are tensors."""
        rank = len(self.value_shape)
        return values.reshape(-1).tolist() if not rank else values.reshape(-1, prod(self.value_shape)).tolist()

    def insert(self, keys: np.ndarray, values: np.ndarray) -> None:
        self.check_values(keys, values)
        with self.lock:
            self.entries.update(zip(self._keys(keys), self._rows(values), strict=True))

    def remove(self, keys: np.ndarray) -> None:
        with self.lock:
            for key in self._keys(keys):
                self.entries.pop(key, None)

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """All keys and their values."""
        with self.lock:
            keys, rows = list(self.entries), list(self.entries.values())
        values = rows if not self.value_shape else [v for row in rows for v in row]
        return (
            _array(keys, self.key_dtype, (len(keys),)),
            _array(values, self.value_dtype, (len(keys), *self.value_shape)),
        )

    def load(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Forgets everything and takes these."""
        self.check_values(keys, values)
        with self.lock:
            self.entries.clear()
            self.insert(keys, values)

    def initialize(self, keys: np.ndarray, values: np.ndarray) -> None:
        raise ValueError(f"Table {self.kind} is not initializable")


class HashTable(MutableHashTable):
    """Fixed once it is initialized. A second initializer must bring as many entries."""

    kind = "HashTable"
    initialized = False

    def find(self, keys: np.ndarray, default: np.ndarray) -> np.ndarray:
        if not self.initialized:
            raise FailedPreconditionError(None, None, "Table not initialized.")
        return super().find(keys, default.reshape(-1)[:1].reshape(()))

    def initialize(self, keys: np.ndarray, values: np.ndarray) -> None:
        with self.lock:
            if self.initialized:
                if len(keys) != self.size():
                    raise FailedPreconditionError(None, None, "Table was already initialized with different data.")
                return
            if not len(keys):
                raise ValueError("keys and values cannot be empty tensors")
            found: dict[Any, Any] = {}
            for key, value in zip(self._keys(keys), self._rows(values), strict=True):
                if found.setdefault(key, value) != value:
                    shown = [x.decode("utf-8", "backslashreplace") if isinstance(x, bytes) else x
                             for x in (key, found[key], value)]  # fmt: skip
                    raise FailedPreconditionError(
                        None, None, "HashTable has different value for same key. Key {} has {} and trying to add value "
                        "{}".format(*shown)
                    )  # fmt: skip
            self.entries, self.initialized = found, True

    def load(self, keys: np.ndarray, values: np.ndarray) -> None:
        self.check_values(keys, values)
        self.initialize(keys, values)

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        if not self.initialized:
            raise AbortedError(None, None, "HashTable is not initialized.")
        return super().export()

    def insert(self, keys: np.ndarray, values: np.ndarray) -> None:
        raise UnimplementedError(None, None, "Insert not supported by InitializableLookupTable implementations")

    def remove(self, keys: np.ndarray) -> None:
        raise UnimplementedError(None, None, "Remove not supported by InitializableLookupTable implementations")


class DenseHashTable(MutableHashTable):
    """Keys may be vectors. `keys` and `values` are the buckets; `entries` tells which bucket a key is in."""

    kind = "MutableDenseHashTable"
    ready = False

    def configure(
        self, empty_key: np.ndarray, deleted_key: np.ndarray, initial_num_buckets: int, max_load_factor: float
    ) -> None:
        """Takes the two marks, which come as tensors; only the first call counts."""
        with self.lock:
            if self.ready:
                return
            if empty_key.ndim > 1:
                raise ValueError(f"Empty key must be a scalar or a vector, got shape {listed(empty_key.shape)}")
            if empty_key.shape != deleted_key.shape:
                raise ValueError(
                    f"Empty and deleted keys must have same shape, got shapes: {listed(empty_key.shape)} and "
                    f"{listed(deleted_key.shape)}"
                )
            if np.array_equal(empty_key, deleted_key):
                raise ValueError("Empty and deleted keys cannot be equal")
            if not 0 < max_load_factor < 1:
                raise ValueError(f"max_load_factor must be between 0 and 1, got: {max_load_factor:g}")
            if initial_num_buckets < 4 or initial_num_buckets & (initial_num_buckets - 1):
                raise ValueError(f"Number of buckets must be at least 4 and a power of 2, got: {initial_num_buckets}")
            self.key_shape = empty_key.shape
            self.empty, self.deleted = (self._keys(mark)[0] for mark in (empty_key, deleted_key))
            self.load_factor = max_load_factor
            self._clear(initial_num_buckets)
            self.ready = True

    def _clear(self, buckets: int) -> None:
        self.entries = {}
        self.keys = [self.empty] * buckets
        blank = b"" if self.value_dtype is string else 0
        self.values: list[Any] = [[blank] * prod(self.value_shape) if self.value_shape else blank] * buckets

    def _keys(self, keys: np.ndarray) -> list[Any]:
        if not self.key_shape and keys.ndim <= 1:
            return keys.reshape(-1).tolist()
        rows = keys.reshape(-1, prod(self.key_shape)).tolist()
        return [tuple(row) for row in rows] if self.key_shape else [row[0] for row in rows]

    def _allowed(self, keys: np.ndarray) -> list[Any]:
        count = keys.shape[0] if keys.ndim else 1
        if keys.size != count * prod(self.key_shape):
            raise ValueError(f"Expected key shape {listed((count, *self.key_shape))} got {listed(keys.shape)}")
        found = self._keys(keys)
        for key in found:
            if key in (self.empty, self.deleted):
                mark = "empty_key" if key == self.empty else "deleted_key"
                raise ValueError(f"Using the {mark} as a table key is not allowed")
        return found

    def find(self, keys: np.ndarray, default: np.ndarray) -> np.ndarray:
        with self.lock:
            wanted = self._allowed(keys)
            shape = self.check_default(keys, default)
            other = (self._rows(default) or [None])[0]  # of a default for each key, the first
            places = [self.entries.get(key) for key in wanted]
            found = [other if p is None else self.values[p] for p in places]
        return _array(found if not self.value_shape else [v for row in found for v in row], self.value_dtype, shape)

    def insert(self, keys: np.ndarray, values: np.ndarray) -> None:
        self.check_values(keys, values)
        with self.lock:
            wanted = self._allowed(keys)
            pending, buckets = len(self.entries) + len(wanted), len(self.keys)
            while pending > buckets * self.load_factor:
                buckets *= 2
            if buckets != len(self.keys):
                old = [(key, self.values[place]) for key, place in self.entries.items()]
                self._clear(buckets)
                for key, row in old:
                    self._put(key, row)
            for key, row in zip(wanted, self._rows(values), strict=True):
                self._put(key, row)

    def _put(self, key: Any, row: Any) -> None:
        place = self.entries.get(key)
        if place is None:
            place, step = _hash(key) & (len(self.keys) - 1), 0
            while self.keys[place] not in (self.empty, self.deleted):
                step += 1
                place = (place + step) & (len(self.keys) - 1)
            self.entries[key], self.keys[place] = place, key
        self.values[place] = row

    def remove(self, keys: np.ndarray) -> None:
        with self.lock:
            for key in self._allowed(keys):
                place = self.entries.pop(key, None)
                if place is not None:
                    self.keys[place] = self.deleted

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """All buckets, the empty ones too; scalars as vectors of one."""
        with self.lock:
            count = len(self.keys)
            keys = self.keys if not self.key_shape else [part for key in self.keys for part in key]
            values = self.values if not self.value_shape else [v for row in self.values for v in row]
            return (
                _array(keys, self.key_dtype, (count, *(self.key_shape or (1,)))),
                _array(values, self.value_dtype, (count, *(self.value_shape or (1,)))),
            )

    def load(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Takes over buckets as they were exported."""
        wanted = (*keys.shape[: max(keys.ndim - 1, 0)], *(self.value_shape or (1,)))
        if values.shape != wanted:
            raise ValueError(f"Expected shape {listed(wanted)} for value, got {listed(values.shape)}")
        with self.lock:
            self.keys = self._keys(keys)
            self.values = self._rows(values.reshape(len(self.keys), *self.value_shape))
            marks = (self.empty, self.deleted)
            self.entries = {key: place for place, key in enumerate(self.keys) if key not in marks}


def _hash(key: Any) -> int:
    """What decides a key's first bucket: a number itself, a string's hash, and a vector's parts mixed."""
    if isinstance(key, tuple):
        parts = [_hash(part) for part in key]
        if len(parts) == 1:
            return parts[0]
        found = 0
        for part in parts:
            found ^= (part + 0x9E3779B97F4A7800 + (found << 10) + (found >> 4)) & (1 << 64) - 1
            found &= (1 << 64) - 1
        return found
    return murmur64(key) if isinstance(key, bytes) else int(key) & (1 << 64) - 1


def check_signature(table: Any, handle: DType, given: str, **types: DType) -> None:
    """The types of keys and values that an op uses, against the table's."""
    wanted = {"key": table.key_dtype, "value": table.value_dtype}
    if any(wanted[name] is not dtype for name, dtype in types.items()):
        names = [dtype.c_name for dtype in types.values()]
        right = [wanted[name].c_name for name in types]
        raise InvalidArgumentError(
            None, None,
            f"Signature mismatch, have: {given.format(handle.name, *names)} expected: "
            f"{given.format(handle.name, *right)}",
        )  # fmt: skip
