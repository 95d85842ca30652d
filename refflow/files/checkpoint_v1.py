"""Checkpoints as the first releases wrote them: one table, of pieces of tensors as protobuf messages.

    ""       the names, shapes and types of all tensors, and which pieces of each there are
    key      one piece: its values as a TensorProto

Next: ops/save_restore.py.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, as_dtype, string
from refflow.core.errors import DataLossError, InvalidArgumentError, NotFoundError
from refflow.files import wire
from refflow.files.bundle import Entry, Tensor, decode_slice, encoded_slice, make_folder
from refflow.files.slices import Slice, slice_key
from refflow.files.table import Table, write_table

# Where a TensorProto keeps values: field -> how it stores them; "" is varints.
_FIXED = {5: "<f4", 6: "<f8", 9: "<f4", 12: "<f8"}
_VARINTS = (7, 10, 11, 13, 16, 17)
# The field of each type; what is not named here goes with int32.
_FIELDS = {"float32": 5, "float64": 6, "string": 8, "complex64": 9, "int64": 10, "bool": 11, "complex128": 12,
           "float16": 13, "bfloat16": 13, "uint32": 16, "uint64": 17}  # fmt: skip


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

    def find(self, name: str) -> Entry | None:
        """The entry of a tensor, or None."""
        return self.entries.get(name)

    def read(self, name: str, part: Slice | None = None) -> np.ndarray:
        """A tensor or a part of it."""
        entry = self.entries.get(name)
        if entry is None:
            raise NotFoundError(None, None, f'Tensor name "{name}" not found in checkpoint files {self.prefix}')
        whole = np.zeros(entry.shape, entry.dtype.as_numpy_dtype)
        there = np.zeros(entry.shape, bool)
        for saved in entry.slices:
            key = slice_key(name, saved)
            table, path = self._tables[key]
            try:
                values = _values(table.get(key) or b"", entry.dtype)
                whole[saved.places(entry.shape)] = values.reshape(saved.shape(entry.shape))
                there[saved.places(entry.shape)] = True
            except (ValueError, TypeError) as error:
                raise DataLossError(None, None, f"tensor {name!r} in {path} is damaged: {error}") from None
        wanted: Any = ... if part is None else part.places(entry.shape)
        if not there[wanted].all():
            raise InvalidArgumentError(
                None, None,
                f"Error copying slice data: {self.prefix} does not hold all of tensor {name!r} that is asked for",
            )  # fmt: skip
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


# -- writing ------------------------------------------------------------------------------------------------


def write_table_checkpoint(path: str, tensors: Iterable[Tensor]) -> None:
    """Saves tensors and parts of tensors in the file `path`, which is replaced in one moment."""
    wholes: dict[str, Entry] = {}
    rows: dict[bytes, bytes] = {}
    for tensor in tensors:
        whole = tensor.array.shape if tensor.whole is None else tensor.whole
        part = tensor.part or Slice(((0, None),) * len(whole))
        known = wholes.get(tensor.name, Entry(tensor.dtype, whole))
        if known.shape != whole or known.dtype is not tensor.dtype:
            raise InvalidArgumentError(None, None, f"the parts of tensor {tensor.name!r} are of different wholes")
        if part in known.slices:
            raise InvalidArgumentError(None, None, f"Adding duplicate key: {tensor.name}")
        wholes[tensor.name] = known._replace(slices=(*known.slices, part))
        rows[slice_key(tensor.name, part)] = wire.block(2, _piece(tensor, part))
    described = b"".join(wire.block(1, _description(name, entry)) for name, entry in wholes.items())
    rows[b""] = wire.block(1, described + wire.block(2, wire.number(1, 1)))
    partial = f"{path}.tempstate{os.getpid()}"
    make_folder(path)
    try:
        with open(partial, "wb") as file:
            file.write(write_table([(key, rows[key]) for key in sorted(rows)]))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def _description(name: str, entry: Entry) -> bytes:
    dims = b"".join(wire.block(2, wire.number(1, d), keep_empty=True) for d in entry.shape)
    slices = b"".join(wire.block(4, encoded_slice(part), keep_empty=True) for part in entry.slices)
    kind = wire.number(3, int(entry.dtype))
    return wire.block(1, name.encode()) + wire.block(2, dims, keep_empty=True) + kind + slices


def _piece(tensor: Tensor, part: Slice) -> bytes:
    place = wire.block(2, encoded_slice(part), keep_empty=True)
    return wire.block(1, tensor.name.encode()) + place + wire.block(3, _encoded_values(tensor), keep_empty=True)


def _encoded_values(tensor: Tensor) -> bytes:
    """The values as the fields of a TensorProto: fixed sizes packed, numbers as varints, strings one by one."""
    field, flat = _FIELDS.get(tensor.dtype.name, 7), np.ascontiguousarray(tensor.array).reshape(-1)
    if tensor.dtype is string:
        return b"".join(wire.block(8, bytes(item), keep_empty=True) for item in flat)
    if field in _FIXED:
        return wire.block(field, flat.view(flat.real.dtype).astype(_FIXED[field]).tobytes())
    if tensor.dtype.name in ("float16", "bfloat16"):
        flat = flat.view(np.uint16)
    elif flat.dtype.names is not None:  # a quantized type
        flat = flat.view(flat.dtype[0])
    return wire.block(field, _varints(flat))


def _varints(values: np.ndarray) -> bytes:
    """Varints one after the other; negative numbers have 64 bits."""
    wide = values.astype(np.int64).view(np.uint64) if values.dtype.kind == "i" else values.astype(np.uint64)
    shifted = wide[:, None] >> (np.arange(10, dtype=np.uint64) * np.uint64(7))  # [n, 10]
    shifted[:, 9] = wide >> np.uint64(63)
    needed = np.maximum((shifted != 0).sum(axis=1), 1)[:, None]
    places = np.arange(10)[None, :]
    bytes_ = (shifted & np.uint64(127)).astype(np.uint8) | np.where(places < needed - 1, 128, 0).astype(np.uint8)
    return bytes_[places < needed].tobytes()
