"""Checkpoints: TensorFlow's bundle of an index and data files.

    prefix.index                    a table: "" -> how many data files; a tensor's name -> type, shape, file, place, sum
    prefix.data-00000-of-00001      the tensors' bytes, one after the other

A write goes to a temporary name first, the index last; then both are renamed, the index last. A prefix that is in use
gets its new data under another number, so that at no moment an index names bytes that are not its own: whoever dies
leaves the old checkpoint or the new one.

Next: ops/save_restore.py.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import DType, as_dtype, string
from refflow.core.errors import DataLossError, InvalidArgumentError, NotFoundError
from refflow.files import wire
from refflow.files.crc32c import crc32c, masked, unmasked
from refflow.files.slices import Slice, slice_key
from refflow.files.table import Table, write_table


class Entry(NamedTuple):
    """One row of an index."""

    dtype: DType
    shape: tuple[int, ...]
    shard: int = 0
    offset: int = 0
    size: int = 0
    crc: int = 0
    slices: tuple[Slice, ...] = ()

    def encoded(self) -> bytes:
        dims = b"".join(wire.block(2, wire.number(1, d), keep_empty=True) for d in self.shape)
        out = wire.number(1, int(self.dtype)) + wire.block(2, dims, keep_empty=True)
        out += wire.number(3, self.shard) + wire.number(4, self.offset) + wire.number(5, self.size)
        out += wire.fixed32(6, masked(self.crc) if self.size or not self.slices else 0)
        for part in self.slices:
            out += wire.block(7, encoded_slice(part), keep_empty=True)
        return out


def encoded_slice(part: Slice) -> bytes:
    return b"".join(
        wire.block(
            1, b"" if n is None else wire.number(1, start) + wire.varint(2 << 3) + wire.varint(n), keep_empty=True
        )
        for start, n in part.extents
    )


def decode_slice(data: bytes) -> Slice:
    extents = []
    for field, value in wire.fields(data):
        if field == 1:
            given = dict(wire.fields(value))
            extents.append((given.get(1, 0), given.get(2)))
    return Slice(tuple(extents))


def _decoded(data: bytes) -> Entry:
    plain: dict[int, int] = {}
    dims: list[int] = []
    slices = []
    for field, value in wire.fields(data):
        if field == 2:
            dims = [wire.signed(dict(wire.fields(d)).get(1, 0)) for f, d in wire.fields(value) if f == 2]
        elif field == 7:
            slices.append(decode_slice(value))
        else:
            plain[field] = value
    return Entry(
        as_dtype(plain.get(1, 0)), tuple(dims), plain.get(3, 0), plain.get(4, 0), plain.get(5, 0),
        unmasked(plain.get(6, 0)), tuple(slices),
    )  # fmt: skip


def _header(shards: int) -> bytes:
    return wire.number(1, shards) + wire.block(3, wire.number(1, 1))


def data_path(prefix: str, shard: int, shards: int) -> str:
    return f"{prefix}.data-{shard:05d}-of-{shards:05d}"


# -- tensors as bytes ---------------------------------------------------------------------------------------


def tensor_bytes(array: np.ndarray, dtype: DType) -> tuple[bytes, int]:
    """A tensor's bytes in a data file, and their sum."""
    if dtype is not string:
        ordered = np.ascontiguousarray(array)
        data = ordered.astype(ordered.dtype.newbyteorder("<"), copy=False).tobytes()
        return data, crc32c(data)
    items = [bytes(item) for item in array.reshape(-1)]
    lengths = b"".join(wire.varint(len(i)) for i in items)
    # The sum of the lengths counts each as four bytes, or eight where four do not hold it.
    wide = b"".join(len(i).to_bytes(4 if len(i) < 1 << 32 else 8, "little") for i in items)
    guard = masked(crc32c(wide)).to_bytes(4, "little")
    body = b"".join(items)
    return lengths + guard + body, crc32c(wide + guard + body)


def tensor_from(data: bytes, entry: Entry) -> np.ndarray:
    """The tensor that `data` holds; ValueError where its sum says that it does not."""
    numpy_type = np.dtype(entry.dtype.as_numpy_dtype)
    count = int(np.prod(entry.shape, dtype=object)) if entry.shape else 1
    if entry.dtype is not string:
        if len(data) != count * numpy_type.itemsize or len(data) != entry.size:
            raise ValueError(f"{len(data)} bytes where {count * numpy_type.itemsize} are needed")
        _check_sum(crc32c(data), entry)
        return np.frombuffer(data, numpy_type.newbyteorder("<")).astype(numpy_type).reshape(entry.shape)
    lengths, at = [], 0
    for _ in range(count):
        length, at = wire.read_varint(data, at)
        lengths.append(length)
    wide = b"".join(n.to_bytes(4 if n < 1 << 32 else 8, "little") for n in lengths)
    _check_sum(crc32c(wide + data[at:]), entry)
    if sum(lengths) != len(data) - at - 4:
        raise ValueError(f"the strings have {len(data) - at - 4} bytes together instead of {sum(lengths)}")
    at += 4
    found = np.empty(count, object)
    for i, length in enumerate(lengths):
        found[i] = data[at : at + length]
        at += length
    return found.reshape(entry.shape)


def _check_sum(found: int, entry: Entry) -> None:
    if found != entry.crc:
        raise ValueError(
            f"Checksum does not match: stored {entry.crc} vs. calculated on the restored bytes {found}"
        )


# -- writing ------------------------------------------------------------------------------------------------


class Tensor(NamedTuple):
    """Something to save: all of a tensor, or with `part` a piece of one whose shape is `whole`."""

    name: str
    array: np.ndarray
    dtype: DType
    whole: tuple[int, ...] | None = None
    part: Slice | None = None


def make_folder(path: str) -> None:
    """Makes the folder that `path` is in, but none above it; NotFoundError where that is missing."""
    folder = os.path.dirname(path) or "."
    try:
        os.mkdir(folder)
    except FileExistsError:
        return
    except FileNotFoundError:
        raise NotFoundError(None, None, f"{folder}; No such file or directory") from None


def write_bundle(prefix: str, tensors: Iterable[Tensor]) -> None:
    """Saves tensors under `prefix`; a checkpoint that is there is replaced in one moment."""
    make_folder(prefix)
    shard, shards = _free_number(prefix)
    final = data_path(prefix, shard, shards)
    partial = f"{final}.tempstate{os.getpid()}"
    entries: dict[bytes, Entry] = {}
    try:
        with open(partial, "wb") as file:
            for tensor in tensors:
                _add(entries, tensor, file, shard)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, final)
        _write_index(prefix, shards, entries)
    finally:
        _remove([partial])
    _remove(p for p in _data_files(prefix) if p != final)


def _free_number(prefix: str) -> tuple[int, int]:
    """A number for the data file that the present checkpoint, if there is one, does not use."""
    try:
        present = Bundle(prefix)
    except (NotFoundError, DataLossError):
        return 0, 1
    return (1, 2) if present.shards == 1 else (0, 1)


def _add(entries: dict[bytes, Entry], tensor: Tensor, file: Any, shard: int) -> None:
    data, crc = tensor_bytes(tensor.array, tensor.dtype)
    key = tensor.name.encode()
    place = Entry(tensor.dtype, tensor.array.shape, shard, file.tell(), len(data), crc)
    if tensor.part is not None and tensor.whole is not None:
        known = entries.get(key, Entry(tensor.dtype, tensor.whole))
        if known.shape != tensor.whole or known.dtype is not tensor.dtype or known.size:
            raise InvalidArgumentError(None, None, f"the parts of tensor {tensor.name!r} are of different wholes")
        entries[key] = known._replace(slices=(*known.slices, tensor.part))
        key = slice_key(tensor.name, tensor.part)
    if key in entries:
        raise InvalidArgumentError(None, None, f"Adding duplicate key: {tensor.name}")
    entries[key] = place
    file.write(data)


def _write_index(prefix: str, shards: int, entries: Mapping[bytes, Entry]) -> None:
    rows = [(b"", _header(shards)), *((key, entries[key].encoded()) for key in sorted(entries))]
    path = f"{prefix}.index"
    partial = f"{path}.tempstate{os.getpid()}"
    with open(partial, "wb") as file:
        file.write(write_table(rows))
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _data_files(prefix: str) -> list[str]:
    found = glob.glob(f"{glob.escape(prefix)}.data-*")
    return [p for p in found if re.fullmatch(r"\.data-\d{5}-of-\d{5}", p[len(prefix) :])]


def _remove(paths: Iterable[str]) -> None:
    for path in paths:
        if os.path.exists(path):
            os.remove(path)


def remove_bundle(prefix: str) -> None:
    """Deletes a checkpoint, its index first, so that no half of one looks whole."""
    _remove([f"{prefix}.index", *_data_files(prefix)])


def bundle_exists(prefix: str) -> bool:
    return os.path.exists(f"{prefix}.index")


def merge_bundles(prefixes: Iterable[str], destination: str, allow_missing: bool = False) -> None:
    """One checkpoint of several: each data file becomes a numbered one, and the indices one index."""
    sources = []
    for prefix in prefixes:
        if bundle_exists(prefix):
            sources.append(Bundle(prefix))
        elif not allow_missing:
            raise InvalidArgumentError(
                None, None, f"allow_missing_files was set to false and {prefix} did not exist: nothing to merge there"
            )
    files = [(source, number) for source in sources for number in source.used]
    entries: dict[bytes, Entry] = {}
    taken = set(_data_files(destination))
    shards = len(files)
    while any(data_path(destination, i, shards) in taken for i in range(len(files))):
        shards += 1
    written = []
    for i, (source, number) in enumerate(files):
        target = data_path(destination, i, shards)
        make_folder(target)
        os.replace(data_path(source.prefix, number, source.shards), target)
        written.append(target)
        for key, entry in source.entries.items():
            if entry.slices and not entry.size:
                known = entries.get(key)
                kept = known.slices if known is not None else ()
                entries[key] = entry._replace(slices=(*kept, *(s for s in entry.slices if s not in kept)))
            elif entry.shard == number:
                if key in entries:
                    raise InvalidArgumentError(None, None, f"tensor {key.decode()!r} is in several of the checkpoints")
                entries[key] = entry._replace(shard=i)
    _write_index(destination, max(shards, 1), entries)
    _remove(p for p in _data_files(destination) if p not in written)
    _remove(f"{source.prefix}.index" for source in sources if source.prefix != destination)


# -- reading ------------------------------------------------------------------------------------------------


class Bundle:
    """A checkpoint, open for reading. NotFoundError where there is none, DataLossError where it is damaged."""

    def __init__(self, prefix: str):
        self.prefix = prefix
        path = f"{prefix}.index"
        try:
            with open(path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            raise NotFoundError(
                None,
                None,
                f"Unsuccessful TensorSliceReader constructor: Failed to find any matching files for {prefix}",
            ) from None
        rows = dict(Table(data, path).items())
        try:
            header = dict(wire.fields(rows.pop(b"", b"")))
            self.shards = header.get(1, 1)
            self.entries = {key: _decoded(value) for key, value in rows.items()}
        except (ValueError, TypeError) as error:
            raise DataLossError(None, None, f"{path} is damaged: {error}") from None

    @property
    def used(self) -> list[int]:
        """The numbers of the data files that hold something."""
        return sorted({e.shard for e in self.entries.values() if e.size or not e.slices})

    def tensors(self) -> dict[str, Entry]:
        """What is saved, by name; parts are under the name of their whole."""
        return {key.decode(): e for key, e in self.entries.items() if not key.startswith(b"\0")}

    def find(self, name: str) -> Entry | None:
        """The entry of a tensor, or None."""
        return self.entries.get(name.encode())

    def entry(self, name: str) -> Entry:
        found = self.find(name)
        if found is None:
            raise NotFoundError(None, None, f"Key {name} not found in checkpoint {self.prefix}")
        return found

    def read(self, name: str, part: Slice | None = None) -> np.ndarray:
        """A tensor, or a part of it, put together from the parts that were saved."""
        entry = self.entry(name)
        if not entry.slices:
            whole = self._read(name, entry)
            return whole if part is None else np.ascontiguousarray(whole[part.places(entry.shape)])
        for saved in entry.slices:
            if saved == part:
                return self._read(name, self.entries[slice_key(name, saved)])
        whole = np.zeros(entry.shape, entry.dtype.as_numpy_dtype)
        there = np.zeros(entry.shape, bool)
        for saved in entry.slices:
            places = saved.places(entry.shape)
            whole[places] = self._read(name, self.entries[slice_key(name, saved)])
            there[places] = True
        wanted = slice(None) if part is None else part.places(entry.shape)
        if not there[wanted].all():
            raise InvalidArgumentError(
                None, None, f"Does not have sufficient slices for partitioned tensor {name} to restore in slice_spec: "
                f"{part or ':'.join('-' for _ in entry.shape)}: the checkpoint {self.prefix} does not hold all of "
                f"tensor {name!r} that is asked for",
            )  # fmt: skip
        return np.ascontiguousarray(whole[wanted])

    def _read(self, name: str, entry: Entry) -> np.ndarray:
        path = data_path(self.prefix, entry.shard, self.shards)
        try:
            with open(path, "rb") as file:
                file.seek(entry.offset)
                data = file.read(entry.size)
        except FileNotFoundError:
            raise NotFoundError(
                None, None, f"{path}; No such file or directory, but tensor {name!r} should be in it"
            ) from None
        try:
            return tensor_from(data, entry)
        except ValueError as error:
            raise DataLossError(None, None, f"tensor {name!r} in {path} is damaged: {error}") from None
