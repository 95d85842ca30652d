"""Sorted tables: keys and values in blocks, with an index of the blocks and a sum behind each.

    block    entries (shared, unshared, length as varints; the key's rest; the value), restart offsets, their count
    trailer  one byte for the compression (0 none, 1 Snappy), the masked CRC32C of block and byte
    file     data blocks, a meta block, an index block, a footer of 48 bytes with both places and a magic number

This is LevelDB's format, in which TensorFlow keeps the index of a checkpoint, and kept whole checkpoints before.

Next: files/bundle.py.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable

from refflow.core.errors import DataLossError, OpError
from refflow.files.crc32c import crc32c, masked, unmasked
from refflow.files.wire import read_varint, varint

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_BLOCK = 4096 * 64  # a data block is closed once it is this large
_RESTART = 16  # entries between whole keys


def write_table(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A table with these entries, whose keys rise."""
    out = bytearray()
    index: list[tuple[bytes, bytes]] = []
    pending: list[tuple[bytes, bytes]] = []
    size = 0
    for key, value in entries:
        pending.append((key, value))
        size += len(key) + len(value)
        if size >= _BLOCK:
            index.append((key, _append(out, _block(pending))))
            pending, size = [], 0
    if pending:
        index.append((pending[-1][0], _append(out, _block(pending))))
    meta = _append(out, _block([]))
    footer = meta + _append(out, _block(index))
    out += footer.ljust(_FOOTER - 8, b"\0") + _MAGIC.to_bytes(8, "little")
    return bytes(out)


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    out = bytearray()
    restarts = []
    last = b""
    for i, (key, value) in enumerate(entries):
        shared = 0
        if i % _RESTART:
            limit = min(len(last), len(key))
            while shared < limit and last[shared] == key[shared]:
                shared += 1
        else:
            restarts.append(len(out))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    for offset in restarts or [0]:
        out += offset.to_bytes(4, "little")
    out += len(restarts or [0]).to_bytes(4, "little")
    return bytes(out)


def _append(out: bytearray, contents: bytes) -> bytes:
    """Adds a block with its trailer; returns its handle: where it is, and how long."""
    handle = varint(len(out)) + varint(len(contents))
    guarded = contents + b"\0"
    out += guarded + masked(crc32c(guarded)).to_bytes(4, "little")
    return handle


class Table:
    """A table in memory. Every block's sum is checked when the block is read."""

    def __init__(self, data: bytes, path: str):
        self._data, self._path = data, path
        if len(data) < _FOOTER or int.from_bytes(data[-8:], "little") != _MAGIC:
            raise DataLossError(None, None, f"{path} is no table: it does not end with the magic number of one")
        footer = data[-_FOOTER:]
        try:
            _, at = read_varint(footer, 0)
            _, at = read_varint(footer, at)
            self._entries(footer[:at])  # nothing is in the meta block, but its sum must be right
            index = self._entries(footer[at:])
        except ValueError as error:
            raise self._damaged(str(error)) from None
        self._last_keys = [key for key, _ in index]
        self._handles = [handle for _, handle in index]

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        place = bisect.bisect_left(self._last_keys, key)
        if place == len(self._handles):
            return None
        return dict(self._entries(self._handles[place])).get(key)

    def items(self) -> list[tuple[bytes, bytes]]:
        """Every entry, keys rising."""
        return [entry for handle in self._handles for entry in self._entries(handle)]

    def _damaged(self, why: str) -> OpError:
        text = f"Unable to read file ({self._path}). Perhaps the file is corrupt: it is damaged, {why}"
        return DataLossError(None, None, text)

    def _entries(self, handle: bytes) -> list[tuple[bytes, bytes]]:
        try:
            offset, at = read_varint(handle, 0)
            size, _ = read_varint(handle, at)
            return _read_block(self._contents(offset, size))
        except ValueError as error:
            raise self._damaged(str(error)) from None

    def _contents(self, offset: int, size: int) -> bytes:
        end = offset + size
        if end + 5 > len(self._data):
            raise ValueError(f"a block of {size} bytes at {offset} ends behind the file")
        stored = int.from_bytes(self._data[end + 1 : end + 5], "little")
        if crc32c(self._data[offset : end + 1]) != unmasked(stored):
            raise ValueError(f"the block at byte {offset} does not have the checksum stored with it")
        contents, kind = self._data[offset:end], self._data[end]
        if kind > 1:
            raise ValueError(f"the block at byte {offset} is compressed in the unknown way {kind}")
        return uncompress(contents) if kind else contents


def _read_block(contents: bytes) -> list[tuple[bytes, bytes]]:
    if len(contents) < 4:
        raise ValueError("a block is shorter than its own trailer")
    end = len(contents) - 4 - 4 * int.from_bytes(contents[-4:], "little")
    found, key, at = [], b"", 0
    while at < end:
        shared, at = read_varint(contents, at)
        rest, at = read_varint(contents, at)
        length, at = read_varint(contents, at)
        if shared > len(key) or at + rest + length > end:
            raise ValueError("an entry of a block ends behind the block")
        key = key[:shared] + contents[at : at + rest]
        at += rest + length
        found.append((key, contents[at - length : at]))
    return found


def uncompress(data: bytes) -> bytes:
    """Snappy's format: the length, then pieces that are spelled out or copied from what is there already.

    >>> uncompress(bytes([9, 8]) + b"abc" + bytes([0b00001001, 3]))
    b'abcabcabc'
    """
    length, at = read_varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind = tag & 3
        if kind == 0:
            size = tag >> 2
            if size >= 60:
                extra = size - 59
                size = int.from_bytes(data[at : at + extra], "little")
                at += extra
            out += data[at : at + size + 1]
            at += size + 1
            continue
        if kind == 1:
            size, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if kind == 2 else 4
            size, offset = (tag >> 2) + 1, int.from_bytes(data[at : at + width], "little")
            at += width
        if not 0 < offset <= len(out):
            raise ValueError("a compressed piece is copied from before the beginning")
        for _ in range(size):
            out.append(out[-offset])
    if len(out) != length:
        raise ValueError(f"a compressed block gives {len(out)} bytes instead of {length}")
    return bytes(out)
