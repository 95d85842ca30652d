"""Checkpoints as the first releases wrote them: one table, of pieces of tensors as protobuf messages. Read only.

    ""       the names, shapes and types of all tensors, and which pieces of each there are
    key      one piece: its values as a TensorProto

Next: ops/save_restore.py.
"""

from __future__ import annotations

import glob
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, as_dtype, string
from refflow.core.errors import DataLossError, NotFoundError
from refflow.files import wire
from refflow.files.bundle import Entry, decode_slice
from refflow.files.slices import Slice, slice_key
from refflow.files.table import Table

# Where a TensorProto keeps values: field -> how it stores them; "" is varints.
_FIXED = {5: "<f4", 6: "<f8", 9: "<f4", 12: "<f8"}
_VARINTS = (7, 10, 11, 13, 16, 17)


class TableCheckpoint:
    """One or several files of the old format, open for reading."""

    def __init__(self, pattern: str):
        paths = sorted(glob.glob(pattern))
        if not paths:
            raise NotFoundError(
                None, None,
                f"Unsuccessful TensorSliceReader constructor: Failed to find any matching files for {pattern}",
            )  # fmt: skip
        self.prefix = pattern
        self.entries: dict[str, Entry] = {}
        self._tables: dict[bytes, tuple[Table, str]] = {}
        for path in paths:
            with open(path, "rb") as file:
                table = Table(file.read(), path)
            try:
                self._enter(table, path)
            except (ValueError, TypeError) as error:
                raise DataLossError(None, None, f"{path} is damaged: {error}") from None

    def _enter(self, table: Table, path: str) -> None:
        for field, meta in wire.fields(table.get(b"") or b""):
            for number, row in wire.fields(meta) if field == 1 else ():
                if number == 1:
                    name, entry = _described(row)
                    known = self.entries.get(name)
                    self.entries[name] = entry if known is None else known._replace(slices=known.slices + entry.slices)
                    for part in entry.slices:
                        self._tables[slice_key(name, part)] = (table, path)

    def tensors(self) -> dict[str, Entry]:
        return dict(self.entries)

    def read(self, name: str, part: Slice | None = None) -> np.ndarray:
        """A tensor or a part of it."""
        entry = self.entries.get(name)
        if entry is None:
            raise NotFoundError(None, None, f"Tensor name {name!r} not found in checkpoint files {self.prefix}")
        whole = np.zeros(entry.shape, entry.dtype.as_numpy_dtype)
        for saved in entry.slices:
            key = slice_key(name, saved)
            table, path = self._tables[key]
            try:
                values = _values(table.get(key) or b"", entry.dtype)
                whole[saved.places(entry.shape)] = values.reshape(saved.shape(entry.shape))
            except (ValueError, TypeError) as error:
                raise DataLossError(None, None, f"tensor {name!r} in {path} is damaged: {error}") from None
        return whole if part is None else np.ascontiguousarray(whole[part.places(entry.shape)])


def _described(row: bytes) -> tuple[str, Entry]:
    name, dtype, dims, slices = "", 1, [], []
    for field, value in wire.fields(row):
        if field == 1:
            name = value.decode()
        elif field == 2:
            dims = [dict(wire.fields(d)).get(1, 0) for f, d in wire.fields(value) if f == 2]
        elif field == 3:
            dtype = value
        elif field == 4:
            slices.append(decode_slice(value))
    return name, Entry(as_dtype(dtype), tuple(dims), slices=tuple(slices))


def _values(message: bytes, dtype: DType) -> np.ndarray:
    """The values in a SavedTensorSlices message, flat."""
    found: list[Any] = []
    for field, data in wire.fields(message):
        for number, tensor in wire.fields(data) if field == 2 else ():
            if number == 3:
                for place, value in wire.fields(tensor):
                    found += _field_values(place, value, dtype)
    if dtype is string:
        strings = np.empty(len(found), object)
        strings[:] = found
        return strings
    numpy_type = np.dtype(dtype.as_numpy_dtype)
    if dtype.kind == "c":
        return np.array(found, numpy_type.type(0).real.dtype).view(numpy_type)
    if dtype.name in ("float16", "bfloat16"):
        return np.array(found, np.uint16).view(numpy_type)
    return np.array(found).astype(numpy_type)


def _field_values(place: int, value: Any, dtype: DType) -> list[Any]:
    if place in _FIXED:
        if isinstance(value, int):  # one number on its own instead of a packed run
            value = value.to_bytes(4 if place in (5, 9) else 8, "little")
        return np.frombuffer(value, _FIXED[place]).tolist()
    if place in _VARINTS:
        if isinstance(value, int):
            return [wire.signed(value)]
        found, at = [], 0
        while at < len(value):
            number, at = wire.read_varint(value, at)
            found.append(wire.signed(number))
        return found
    return [value] if place == 8 else []
